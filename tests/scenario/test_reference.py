"""The metric grammar: what can be written, and what is said about what cannot."""

import pytest

from qsim.scenario.reference import (
    _BY_NAME,
    METRICS,
    STATISTICS,
    Metric,
    Names,
    Reference,
    ReferenceError_,
    check,
    check_told,
    dimension,
    needs_later,
    parse,
)
from qsim.units import MINUTE, SECOND

NAMES = Names(
    {"orders": "queue", "orders-dlq": "queue", "shop": "producer", "worker": "consumer", "page": "alert"},
    {"orders": ("urgent", "analytics", "cart")},
    {"orders": 100},
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("orders.visible", Reference("orders", "visible")),
        ("orders.visible at end", Reference("orders", "visible", at="end")),
        ("jobs.received poison at 20m", Reference("jobs", "received", "poison", at=20 * MINUTE)),
        ("notify.latency.urgent p95", Reference("notify", "latency", "urgent", "p95")),
        ("notify.latency urgent p95", Reference("notify", "latency", "urgent", "p95")),
        (
            "w.utilization mean from 5m to 10m",
            Reference("w", "utilization", None, "mean", None, 5 * MINUTE, 10 * MINUTE),
        ),
        ("orders-dlq.visible max from 1m30s", Reference("orders-dlq", "visible", None, "max", None, 90 * SECOND)),
        ("orders.wait.17 p95 at 0", Reference("orders", "wait", "17", "p95", 0)),
        ("  orders.wait   p95 ", Reference("orders", "wait", None, "p95")),
    ],
)
def test_a_reference_reads_as_its_words_say(text, expected):
    assert parse(text) == expected


def test_a_reference_prints_as_it_was_written_with_single_blanks():
    assert str(parse(" orders.wait   p95 ")) == "orders.wait p95"


@pytest.mark.parametrize(
    ("text", "code", "offset", "words"),
    [
        ("", "Q012", 0, "empty"),
        ("orders", "Q012", 0, "OBJECT.METRIC"),
        ("orders.wait.urgent.more p95", "Q012", 0, "OBJECT.METRIC"),
        ("orders.visible at 20", "Q013", 18, "20s, 20ms or 20m"),
        ("orders.visible at 20msec", "Q013", 18, "'msec'"),
        ("orders.visible at", "Q013", 17, "missing"),
        ("orders.visible mean from 5m to 5m", "Q012", 28, "later"),
        ("orders.wait.urgent p950", "Q012", 19, "did you mean 'p95'"),
        ("orders.visible from 1m to 2m max", "Q012", 29, "before at or from"),
        ("orders.wait p95 urgent", "Q012", 16, "after the statistic"),
    ],
)
def test_what_cannot_be_read_is_pointed_at(text, code, offset, words):
    with pytest.raises(ReferenceError_) as caught:
        parse(text)
    assert (caught.value.code, caught.value.offset) == (code, offset)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "code", "offset", "words"),
    [
        ("order.visible", "Q020", 0, "did you mean 'orders'?"),
        ("orders.visble", "Q012", 7, "did you mean 'visible'?"),
        ("worker.visible", "Q012", 7, "a consumer has no metric 'visible'"),
        ("orders.wait", "Q015", 11, "orders.wait p95"),
        ("orders.wait p950", "Q012", 12, "did you mean 'p95'?"),
        ("orders.wait urgnt p95", "Q012", 12, "did you mean 'urgent'?"),
        ("orders.wait.100 p95", "Q012", 12, "100"),
        ("worker.count poison", "Q012", 13, "no labels"),
        ("orders.received p95", "Q012", 16, "total, share"),
        ("orders.drained_at max", "Q012", 18, "leave out"),
        ("orders.visible total", "Q012", 15, "one of"),
    ],
)
def test_what_the_scenario_does_not_have_is_pointed_at(text, code, offset, words):
    with pytest.raises(ReferenceError_) as caught:
        check(parse(text), NAMES)
    assert (caught.value.code, caught.value.offset) == (code, offset)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["orders.wait urgent p95", "orders.wait.99 p95", "orders.received poison", "orders.received share", "page.firing"],
)
def test_what_the_scenario_has_passes(text):
    check(parse(text), NAMES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("orders.visible", "count"),
        ("orders.wait p95", "time"),
        ("orders.wait share", "share"),
        ("orders.acked share", "share"),
        ("shop.rate", "rate"),
        ("worker.utilization mean", "share"),
        ("page.first_fired", "time"),
        ("worker.consumer_hours", "count"),
    ],
)
def test_dimension_says_what_a_value_may_be_compared_with(text, expected):
    assert dimension(parse(text)) == expected


def test_a_metric_name_means_one_thing_wherever_it_occurs():
    seen = {}
    for table in METRICS.values():
        for name, metric in table.items():
            assert seen.setdefault(name, (metric.type, metric.dimension)) == (metric.type, metric.dimension)
            assert name not in STATISTICS


def test_metrics_of_a_later_release_are_known_and_say_so(monkeypatch):
    monkeypatch.setitem(METRICS["topic"], "backlog", Metric("series", "count", "Not yet.", later=True))
    monkeypatch.setitem(_BY_NAME, "backlog", METRICS["topic"]["backlog"])
    names = Names({"news": "topic", "worker": "consumer"})
    assert [needs_later(parse(text), names) for text in ("news.backlog", "news.published", "worker.calls")] == [True, False, False]
    check(parse("news.backlog"), names)
    with pytest.raises(ReferenceError_, match="backlog is not supported yet"):
        check_told(parse("news.backlog"), names)
