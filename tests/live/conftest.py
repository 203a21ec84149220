"""Real brokers for tests: started when the first test asks, stopped at the end, and named in the last lines.

QSIM_LIVE says how many sequences each kind of queue gets; without it nothing is started.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from operator import attrgetter
from pathlib import Path
from time import monotonic

import pytest

from tests.live.brokers import Missing, running

MET: list[str] = []
COUNT = int(os.environ.get("QSIM_LIVE", "0"))
FIRST = int(os.environ.get("QSIM_LIVE_SEED", "0")) * 1_000_000
SHRINKS_FOR = 60
"""Seconds."""
KEEP = os.environ.get("QSIM_LIVE_KEEP")
STATUS = pytest.StashKey[int]()


@pytest.fixture(scope="session")
def broker_url() -> Iterator[Callable[[str], str]]:
    """A broker's url by its name; a skip where it is not installed."""
    if not COUNT:
        pytest.skip("QSIM_LIVE=25 compares with real brokers, which it starts on 127.0.0.1")
    started: dict[str, str] = {}
    signal.signal(signal.SIGTERM, _interrupt)  # what was started is stopped then too
    with ExitStack() as stack:

        def url(name: str) -> str:
            if name not in started:
                try:
                    started[name] = stack.enter_context(running(name))
                except Missing as missing:
                    pytest.skip(str(missing))
            return started[name]

        yield url


@pytest.fixture
def meet(broker_url: Callable[[str], str], tmp_path: Path):
    """Compare with a real broker; the failure shows the smallest sequence that was found, and where it stands."""

    def meet(target):
        url = broker_url(target.broker)
        from qsim.record.files import driver
        from tests.live.against import compare_all, shrink

        compared = compare_all(target, driver(target.broker), url, range(FIRST, FIRST + COUNT))
        late, unsteady = (sum(map(attrgetter(why), compared)) for why in ("is_late", "is_unsteady"))
        good = [each for each in compared if not (each.is_late or each.is_unsteady)]
        differ = [each for each in good if each.difference is not None]
        MET.append(_line(target.name, good, late, unsteady, len(differ)))
        folder = Path(KEEP) if KEEP else tmp_path
        until = monotonic() + SHRINKS_FOR
        small = [shrink(target, driver(target.broker), url, each, until) for each in differ[:2]]
        for each in small:
            (folder / f"{each.trace['name']}.json").write_text(json.dumps(each.trace, indent=1) + "\n")
        told = "\n".join(map(str, small))
        assert not differ, f"{len(differ)} of {len(good)} differ; the first, made smaller (in {folder}):\n{told}"
        if not good:
            pytest.skip("the machine is too busy: no sequence was on time")

    return meet


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _line(name: str, good: list, late: int, unsteady: int, differ: int) -> str:
    steps = sum(len(each.trace["steps"]) for each in good)
    version = good[0].trace["version"] if good else "nobody"
    left_out = f"; left out: {late} late, {unsteady} differed once and not again" if late or unsteady else ""
    return f"{name}: met {version}, {len(good)} sequences, {steps} steps, {differ} differ{left_out}"


def pytest_sessionfinish(session, exitstatus) -> None:
    session.config.stash[STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config) -> None:
    """A Java machine whose threads still run may take down an interpreter that ends in good order (exit 139), when all
    has been said and stopped: so this one ends at once."""
    jpype = sys.modules.get("jpype")
    if jpype is not None and jpype.isJVMStarted():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash.get(STATUS, 1))


def pytest_terminal_summary(terminalreporter) -> None:
    if MET:
        terminalreporter.section("real brokers")
        for line in MET:
            terminalreporter.line(line)
