"""``qsim record``: what a broker of your own really does, as a trace that ``qsim conform`` replays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from qsim.cli.ends import Exit, Refused
from qsim.cli.terminal import err, out


def command(
    broker: Annotated[str, typer.Option("--broker", metavar="NAME", help="sqs, rabbitmq, redis or activemq.")],
    steps: Annotated[Path, typer.Option("--steps", metavar="FILE", help="A trace; its results are not looked at.")],
    to: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the trace goes.")],
    url: Annotated[str | None, typer.Option("--url", help="Where the broker is; by default on this machine.")] = None,
    times: Annotated[int, typer.Option("--times", min=1, help="Record so often; all must agree.")] = 1,
) -> int:
    """Do a trace's steps to a real broker, write down what it did."""
    from qsim.record.files import load_steps, record_steps
    from qsim.record.session import NotRecorded, Unreachable

    driver, data = _driver(broker), load_steps(steps)
    if data["broker"] not in driver.profiles:
        raise Refused(f"{steps} is for {data['broker']}; {broker} records {', '.join(sorted(driver.profiles))}")
    try:
        trace, unstable = record_steps(driver, url or driver.url, data, times)
    except NotRecorded as gap:
        raise Refused(f"{steps}: {broker} cannot record {gap}") from None
    except Unreachable as nobody:
        raise Refused(str(nobody)) from None
    for line in unstable:
        err(f"not the same each time: {line}")
    if unstable:
        return Exit.FAILED
    to.write_text(json.dumps(trace, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    out(f"{to}: {len(trace['steps'])} steps, {trace['version']}")
    return Exit.OK


def _driver(broker: str) -> Any:
    from qsim.record.files import BROKERS, driver

    if broker not in BROKERS:
        raise Refused(f"no broker is called {broker!r}; there are {', '.join(BROKERS)}")
    try:
        return driver(broker)
    except ImportError as missing:
        raise Refused(f"{missing.name} is not installed: pip install 'qsim-lab[brokers]'") from None
