"""Many receives wait at once: they are served one after the other, not one inside the other."""

from qsim import load

MANY = """
qsim: 1
name: many
run: {duration: 2m}
queues: {jobs: {profile: sqs-standard}}
producers: {api: {to: jobs, rate: 100/s, arrivals: regular, limit: 1000}}
consumers: {worker: {from: jobs, count: 600, service: 1s}}
timeline: {break: {at: 0, for: 30s, pause: worker}}
"""

BLOCKED = """
qsim: 1
name: blocked
run: {duration: 2m}
queues: {jobs: {profile: sqs-fifo}}
producers: {api: {to: jobs, rate: 1/s, arrivals: regular, limit: 2, message: {group: {keys: 1}}}}
consumers: {worker: {from: jobs, count: 2, service: 10s}}
"""


def test_hundreds_that_wait_are_served_at_one_instant():
    run = load(text=MANY).run()
    assert (run["worker.busy at 30s"], run["jobs.acked at 31s"]) == (600, 600)


def test_who_waits_at_a_blocked_group_waits_on():
    run = load(text=BLOCKED).run()
    assert run["jobs.visible at 9s"] == run["worker.busy at 9s"] == 1
    assert run["jobs.wait max"] == 9
