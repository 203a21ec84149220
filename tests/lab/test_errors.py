"""What a notebook shows of a check that fails and of a scenario that is wrong: the cell's own line, and what it says."""

from __future__ import annotations

from typing import Any

import pytest

from qsim import expect, load
from qsim.lab import feedback

IPython = pytest.importorskip("IPython")


@pytest.fixture(scope="module")
def run() -> Any:
    return load("backlog-growth").set({"run.duration": "1m"}).run()


def shown(cell: str, **names: Any) -> list[str]:
    """The lines that IPython shows of the error of a cell."""
    from IPython.core.interactiveshell import InteractiveShell

    shell, found = InteractiveShell(), []
    shell.user_ns.update(names)
    shell._showtraceback = lambda kind, error, lines: found.extend(lines)  # type: ignore[method-assign]
    shell.run_cell(cell)
    return "\n".join(found).splitlines()


def test_a_failed_check_shows_the_line_that_asked_and_nothing_of_ours(run):
    first, *others = shown("a = 1\nexpect(r).stable('orders')", expect=expect, r=run)
    assert first.endswith("line 2: expect(r).stable('orders')") and "CheckFailed" in first
    assert others[0].startswith("✗ stable orders: expected no trend") and "qsim/" not in "\n".join(others)
    assert any(line.startswith("    Because") for line in others)


def test_its_lines_wrap_between_words_under_their_own_head(run):
    lines = shown("expect(r).stable('orders')", expect=expect, r=run)[1:]
    assert max(map(len, lines)) <= 96
    at = next(n for n, line in enumerate(lines) if line.startswith("    Try"))
    assert lines[at + 1].startswith(" " * 18) and len(lines[at + 1]) > 20  # it goes on where it began


def test_a_wrong_override_shows_what_is_wrong_with_it():
    first, *others = shown("s.set('consumers.worker.cuont', 10)", s=load("backlog-growth"))
    assert first.endswith("ScenarioError\x1b[0m, line 1: s.set('consumers.worker.cuont', 10)")
    assert others == ["set consumers.worker.cuont: no key 'cuont' in consumers.worker; did you mean 'count'?"]


def test_a_misspelt_metric_shows_what_was_meant(run):
    first, *others = shown("expect(r).that('orders.visibel').equals(3)", expect=expect, r=run)
    assert "line 1" in first and others[0].startswith("a queue has no metric 'visibel'; did you mean 'visible'?")


def test_feedback_is_a_card_and_stops_nothing(run):
    fails, holds = feedback(lambda: expect(run).stable("orders")), feedback(lambda: expect(run).no_message_lost())
    assert repr(fails).startswith("✗ stable orders") and "    Because" in repr(fails) and "qsim-card" in fails._repr_html_()
    assert repr(holds) == "✓ no_message_lost: no message lost"


def test_feedback_leaves_a_mistake_in_the_check_a_mistake(run):
    with pytest.raises(LookupError):
        feedback(lambda: expect(run).that("orders.visibel").equals(3))
