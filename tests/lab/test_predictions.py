"""Predictions: remembered as they were meant, and shown beside what came."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import matplotlib
import pytest

from qsim import load
from qsim.lab import exercise, predict, predicted, predictions, show


@pytest.fixture(autouse=True)
def a_session_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from matplotlib import pyplot

    matplotlib.use("Agg")
    monkeypatch.setattr(predictions, "MADE", {})
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def run() -> Any:
    return load("backlog-growth").set({"run.duration": "1m"}).run()


def lines(run: Any) -> list[str]:
    return show(run).lines


def test_a_prediction_stands_beside_the_answer(run: Any):
    predict("orders.visible at end", 10_000)
    predict("orders.oldest_age  at end", "20s")
    predict("orders.visible mean", 6000)
    assert lines(run) == [
        "orders.visible at end: you said 10,000; the run says 12,000: 2,000 too few",
        "orders.oldest_age at end: you said 20s; the run says 12s: 8s too long",
        "orders.visible mean: you said 6,000; the run says 5,999: 0.7 too many",
    ]


def test_numbers_are_seconds_and_shares_may_be_percent(run: Any):
    predict("orders.oldest_age at end", 12)
    predict("worker.utilization mean", "50%")
    first, second = lines(run)
    assert first == "orders.oldest_age at end: you said 12s; the run says 12s: just right"
    assert second.startswith("worker.utilization mean: you said 50 %; the run says 99.99 %: 49.99 % too low")


def test_the_newest_prediction_of_a_reference_counts(run: Any):
    predict("orders.visible at end", 1)
    predict("orders.visible  at  end", 12_000)
    assert lines(run) == ["orders.visible at end: you said 12,000; the run says 12,000: just right"]


def test_a_question_in_words_is_shown_and_not_judged(run: Any):
    predict("What becomes of the wait?", "it grows")
    assert lines(run) == ["What becomes of the wait? You said: it grows"]


def test_nothing_is_predicted_while_the_answer_is_open(run: Any):
    assert "no prediction yet" in repr(predict("orders.visible at end", ...))
    shown = show(run)
    assert shown.lines == [] and repr(shown) == "" and shown._repr_html_() == ""


@pytest.mark.parametrize(
    ("reference", "value", "says"),
    [
        ("orders.oldest_age max", "3", "a duration needs a unit"),
        ("orders.visible max", "lots", "not a plain number"),
        ("orders.visible max", None, 'a number, or one with a unit like "2m"'),
        ("orders.visible max", True, "a number"),
        ("the backlog", 3, "a question in words ends in"),
    ],
)
def test_what_is_no_prediction_is_told_at_once(reference: str, value: Any, says: str):
    with pytest.raises(ValueError, match=says):
        predict(reference, value)
    assert not predictions.MADE


def test_a_misspelt_name_is_told_against_the_run(run: Any):
    predict("ordrs.visible at end", 3)
    predict("orders.visble at end", 3)
    first, second = lines(run)
    assert "the run cannot tell" in first and "did you mean 'orders'" in first
    assert "the run cannot tell" in second and "did you mean 'visible'" in second


def test_a_prediction_about_another_scenario_keeps_quiet(run: Any):
    predict("payments.visible at end", 3)
    assert lines(run) == []


def test_what_has_no_data_says_so(run: Any):
    predict("orders.recovery_time p95", "3s")
    assert lines(run) == ["orders.recovery_time p95: you said 3s; the run has no data for it"]


def test_an_exercise_asks_for_a_prediction_whatever_it_was():
    ex = exercise("01.1", points=2)
    ex.check(lambda: predicted("orders.visible at end"))
    predict("orders.visible at end", -1)
    ex.check(lambda: predicted("orders.visible  at end"))
    assert [check.holds for check in ex.checks] == [False, True]
    assert ex.checks[0].said.startswith("nothing was predicted about orders.visible at end")


# --- the picture ------------------------------------------------------------------------------------------------------


def dashed(axes: Any) -> dict[str, float]:
    return {line.get_label(): line.get_ydata()[0] for line in axes.get_lines() if line.get_gid() == "guess"}


def test_the_prediction_is_a_dashed_line_in_the_panel_of_its_curve(run: Any):
    predict("orders.visible at end", 20_000)
    predict("orders.oldest_age at end", "30s")
    predict("orders.accepted at end", 5)
    backlog, age = show(run, "orders.visible", "orders.oldest_age").axes
    assert dashed(backlog) == {"you: 20,000 (visible at end)": 20_000}
    assert dashed(age) == {"you: 30s (oldest_age at end)": 30}
    assert backlog.get_ylim()[1] > 20_000 and age.get_ylim()[1] > 30
    assert [text.get_text() for text in backlog.get_legend().get_texts()] == ["orders.visible", "you: 20,000 (visible at end)"]


def test_a_prediction_far_above_is_named_and_does_not_flatten_the_curve(run: Any):
    [before] = show(run, "orders.visible").axes
    predict("orders.visible at end", 10**9)
    [after] = show(run, "orders.visible").axes
    assert after.get_ylim() == before.get_ylim()
    assert list(dashed(after)) == ["you: 1,000,000,000 (visible at end), far above"]


def test_two_predictions_of_one_curve_have_lines_of_their_own(run: Any):
    predict("orders.visible at end", 9000)
    predict("orders.visible mean", 4000)
    [axes] = show(run, "orders.visible").axes
    kinds = {line.get_label(): line._unscaled_dash_pattern for line in axes.get_lines() if line.get_gid() == "guess"}
    assert len(kinds) == 2 and len(set(map(str, kinds.values()))) == 2


def test_the_table_is_escaped(run: Any):
    predict("<i>?", "<script>")
    card = show(run)._repr_html_()
    assert "<script>" not in card and "&lt;i&gt;? You said: &lt;script&gt;" in card


def test_without_a_prediction_there_is_no_output_and_with_one_a_card(run, monkeypatch):
    put: list[Any] = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: put.append(data))
    show(run, "orders.visible")._ipython_display_()
    assert put == []
    predict("orders.visible at end", 10_000)
    show(run, "orders.visible")._ipython_display_()
    assert "you said 10,000" in put[0]["text/plain"] and "qsim-card" in put[0]["text/html"]
