"""Runs that the tests of this folder look at."""

from __future__ import annotations

from functools import cache

import qsim

LEASES = """
qsim: 1
name: leases
seed: 7
run: {duration: 20m, warmup: 1m}
queues:
  jobs: {profile: sqs-standard, visibility_timeout: 30s, dlq: {queue: jobs-dlq, max_receives: 3}}
  jobs-dlq: {profile: sqs-standard}
producers: {api: {to: jobs, rate: 30/min, message: {poison: {first: 2, from: 1m, every: 1s}}}}
consumers:
  worker:
    from: jobs
    count: 20
    poll: {wait: 20s}
    service: {mix: [{share: 95%, time: 5s}, {share: 5%, time: 2m}]}
timeline:
  pause: {at: 10m, for: 2m, pause: worker}
alerts:
  dlq: {when: jobs-dlq.visible, above: 0, severity: page}
  calm: {when: jobs.visible, above: 10_000, severity: info}
expect:
  - {that: worker.effects_per_message max, is: 1, otherwise: "the lease <ended> first"}
  - {that: jobs.visible at end, below: 1000}
plots:
  - [jobs.visible, jobs-dlq.visible]
  - [api.rate, worker.throughput, jobs.oldest_age]
"""

STATION = """
qsim: 1
name: station
run: {duration: 30m, warmup: 2m}
queues: {jobs: {}}
producers: {api: {to: jobs, rate: 10/s}}
consumers: {worker: {from: jobs, count: 2, service: {exponential: {mean: 140ms}}}}
"""


@cache
def leases() -> qsim.Run:
    return qsim.load(text=LEASES).run()


@cache
def station() -> qsim.Run:
    return qsim.load(text=STATION).run()
