"""``qsim new NAME``: a scenario to begin with, in NAME.yaml; never over a file that is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from qsim.cli.ends import Exit, Refused
from qsim.cli.terminal import out

TEMPLATE = """\
qsim: 1
name: {name}
title: What will this queue do?
description: |
  Jobs arrive at random, 20 a second on average. Workers take about 200 ms
  each and sometimes fail; a failed job comes back after its lease.
seed: 1

run:
  duration: 10m

queues:
  jobs:
    profile: sqs-standard           # or ideal, sqs-fifo
    visibility_timeout: 30s
    dlq: {{queue: jobs-dlq, max_receives: 5}}
  jobs-dlq: {{profile: sqs-standard}}

producers:
  api:
    to: jobs
    rate: 20/s                      # arrivals: poisson is the default

consumers:
  worker:
    from: jobs
    count: 6                        # try --set consumers.worker.count=4
    poll: {{wait: 20s}}
    service: {{exponential: {{mean: 200ms}}}}
    failures: {{error: 1%}}

expect:
  - {{that: jobs.wait p95, below: 2s, fails_in: [too-few]}}
  - {{that: jobs-dlq.visible at end, is: 0}}
  - no_message_lost: true

variants:
  too-few: {{consumers.worker.count: 4}}
"""


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits and hyphens.")],
) -> int:
    """Write NAME.yaml, a scenario to begin with."""
    name = name.removesuffix(".yaml")
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise Refused(f"a scenario's name has small letters, digits and hyphens; {name!r} has others")
    path = Path(f"{name}.yaml")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE.format(name=name))
    except FileExistsError:
        raise Refused(f"{path} is there already; nothing was written") from None
    out(f"{path} written. Next:\n  qsim run {path}\n  qsim run {path} --variant too-few")
    return Exit.OK
