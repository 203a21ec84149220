"""Alerts during the run (SCENARIO.md: "`above` is strict, fires when it has held for `for` without a break, once until it
was false; on series evaluated at every change, on others every `sample_every` over the last `window`")."""

import pytest

from tests.sim.runs import run


def story(alert, producer="rate: 1/s, arrivals: regular", consumer="service: 500ms, count: 0", timeline="", queue="", **how):
    return run(
        f"""
queues: {{q: {{{queue}}}}}
producers: {{p: {{to: q, {producer}}}}}
consumers: {{c: {{from: q, {consumer}}}}}
timeline: {{{timeline}}}
alerts: {{bell: {{{alert}}}}}
""",
        **how,
    )


def test_above_is_strict_and_seen_at_the_change():
    assert story("when: q.visible, above: 3", seconds=9).times("FIRED") == [3], "the fourth message comes at 3 s"


def test_below_is_strict_too():
    assert story("when: q.visible, below: 1", "rate: 1/s, arrivals: regular, start: 2s", seconds=5).times("FIRED") == [0]
    assert story("when: q.visible, below: 1", "rate: 1/s, arrivals: regular, start: 2s", seconds=5).times("CLEARED") == [2]


def test_it_fires_when_it_has_held_for_a_while_without_a_break():
    assert story("when: q.visible, above: 3, for: 4s", seconds=20).times("FIRED") == [7]
    gone = "clean: {at: 6s, purge: q}"
    rows = story("when: q.visible, above: 3, for: 4s", timeline=gone, seconds=20)
    assert rows.times("FIRED") == [13], "at 6 s there was a break; message 9 is the fourth since"


def test_once_until_it_was_false():
    gone = "clean: {at: 6500ms, purge: q}"
    rows = story("when: q.visible, above: 3", timeline=gone, seconds=20)
    assert rows.times("FIRED") == [3, 10] and rows.times("CLEARED") == [6.5]


def test_it_sees_the_end_of_an_instant_only():
    # rule 6: observers come last; what is there for no time at all is not there
    rows = story("when: q.visible, above: 0", consumer="service: 100ms", seconds=5)
    assert not rows.of("FIRED")


def test_the_age_of_the_oldest_crosses_by_itself():
    rows = story("when: q.oldest_age, above: 3s", "rate: 1/s, arrivals: regular, limit: 1, start: 2s", seconds=20)
    assert [row.time for row in rows.of("FIRED")] == [5_000_000_001], "strictly above, a nanosecond later"
    held = story("when: q.oldest_age, above: 3s, for: 2s", "rate: 1/s, arrivals: regular, limit: 1, start: 2s", seconds=20)
    assert [row.time for row in held.of("FIRED")] == [7_000_000_001]


def test_the_age_falls_when_the_oldest_is_received():
    rows = story("when: q.oldest_age, above: 3s", "rate: 1/s, arrivals: regular, limit: 1", timeline="up: {at: 5s, set: {consumers.c.count: 1}}", seconds=20)
    assert rows.times("CLEARED") == [5]


@pytest.mark.parametrize("order", ["order: lifo", "order: priority, priorities: [a]", "profile: sqs-standard", ""])
def test_the_oldest_is_the_oldest_whoever_is_served_first(order):
    rows = story("when: q.oldest_age, above: 6s", consumer="service: 2s", queue=order, seconds=30)
    fired = [row.time for row in rows.of("FIRED")]
    if "lifo" in order:
        assert fired == [7_000_000_001], "message 1 is never served"
    else:
        assert fired[0] == 13_000_000_001, "message k is served at 2 k, so message 7 is the first to be older"


def test_series_of_a_consumer():
    rows = story("when: c.busy, above: 1", consumer="service: 1500ms, count: 3", seconds=5)
    assert rows.times("FIRED") == [1, 2, 3, 4] and rows.times("CLEARED") == [1.5, 2.5, 3.5, 4.5]
    count = story("when: c.count, below: 3", consumer="service: 1s, count: 3", timeline="less: {at: 2200ms, set: {consumers.c.count: 1}}", seconds=5)
    assert count.times("FIRED") == [2.2]


def test_a_counter_is_looked_at_every_sample_over_the_last_window():
    # 2 a second from 3 s on: the window (0, 5] is the first with more than four
    rows = story("when: q.accepted, above: 4, window: 5s", "rate: 2/s, arrivals: regular, start: 3s", seconds=20)
    assert rows.times("FIRED") == [5]


def test_each_row_belongs_to_one_window():
    # one message a second, at every sample: a window of a second has one, never two
    assert not story("when: q.accepted, above: 1, window: 1s", seconds=20).of("FIRED")
    assert story("when: q.accepted, above: 0, window: 1s", seconds=20).times("FIRED") == [1]
    assert not story("when: q.accepted, above: 0, window: 1s", seconds=20).of("CLEARED")


def test_the_default_window_is_a_minute():
    rows = story("when: q.accepted, above: 59", seconds=100)
    assert rows.times("FIRED") == [59], "(-1, 59] is the first that has 60"
    assert not story("when: q.accepted, above: 60", seconds=200).of("FIRED")


def test_a_percentile_over_the_last_window():
    # waits grow by 0.5 s a message; below 3 messages a window there is still a p95
    rows = story("when: q.wait p95, above: 3s, window: 4s", consumer="service: 1500ms", seconds=40)
    received = [(row.time, row.time - row.k * 10**9) for row in rows.of("RECEIVED")]
    for second in range(1, 40):
        window = sorted(wait for time, wait in received if (second - 4) * 10**9 < time <= second * 10**9)
        place = 0.95 * (len(window) - 1)
        p95 = window[int(place)] + (window[-1] - window[int(place)]) * (place - int(place)) if window else 0
        if p95 > 3 * 10**9:
            assert rows.times("FIRED") == [second]
            break


def test_a_window_without_data_says_nothing():
    rows = story("when: q.latency mean, below: 9s, window: 2s", "rate: 1/s, arrivals: regular, limit: 1", "service: 500ms", seconds=9)
    assert rows.times("FIRED") == [1] and rows.times("CLEARED") == [3]


# --- what it does -----------------------------------------------------------------------------------------------------


def test_when_it_fires_it_sets_values_for_good():
    scale_out = "when: q.visible, above: 3, do: {set: {consumers.c.count: 2}}"
    rows = story(scale_out, consumer="service: 5s, count: 0", seconds=30)
    assert rows.at(3) == ["SENT 3", "ACCEPTED 3", "FIRED", "UP", "UP", "RECEIVED 0", "RECEIVED 1", "CLEARED"]
    assert rows.times("UP") == [3, 3] and not rows.of("DOWN")
    assert len(rows.times("FIRED")) > 1, "firing again changes nothing more"


def test_it_may_set_several_values_and_any_that_the_timeline_may():
    do = "producers.p.rate: 2/s, consumers.c.service: 1s, queues.q.capacity: {messages: 9, when_full: reject}"
    rows = story(f"when: q.visible, above: 3, do: {{set: {{{do}}}}}", consumer="service: 10s", seconds=30)
    fired = rows.times("FIRED")[0]
    assert fired == 4, "message 0 is at work, 1 to 4 wait"
    assert [t for t in rows.times("SENT") if fired < t < fired + 2] == [4.5, 5, 5.5]
    assert rows.times("EFFECT")[:3] == [10, 11, 12]
    assert rows.times("REJECTED")[0] == 6.5, "ten would be there: one at work, nine waiting"


def test_what_it_sets_is_there_for_the_next_alert_of_the_instant():
    text = """
queues: {q: {}}
producers: {p: {to: q, rate: 1/s, arrivals: regular}}
consumers: {c: {from: q, service: 90s, count: 0}}
alerts:
  many: {when: c.count, above: 1}
  deep: {when: q.visible, above: 3, do: {set: {consumers.c.count: 2}}}
"""
    assert [(row.time // 10**9, row.client) for row in run(text, seconds=9).of("FIRED")][:2] == [(3, 1), (3, 0)]


@pytest.mark.parametrize("do", ["consumers.c.count: 3", "consumers.c.service: 2s", "consumers.c.failures.crash: 20%"])
def test_a_consumer_that_an_alert_changes_does_the_same_as_a_callback(do):
    bell = f"when: q.visible, above: 3, do: {{set: {{{do}}}}}"
    quick, slow = (
        story(bell, "rate: 2/s", "service: {exponential: {mean: 700ms}}", seconds=60, quick=quick) for quick in (True, False)
    )
    assert quick.rows == slow.rows and quick.of("FIRED")


def test_alerts_go_on_in_a_drain():
    rows = run("""
        run: {duration: 3s, drain: 1m}
        queues: {q: {}}
        producers: {p: {to: q, rate: 10/s, arrivals: regular}}
        consumers: {c: {from: q, service: 1s}}
        alerts: {old: {when: q.oldest_age, above: 10s}}
    """)  # fmt: skip
    assert rows.times("FIRED") and rows.times("FIRED")[0] > 3


def test_watching_changes_nothing_but_the_alerts_rows():
    bell = "when: q.depth, above: 2"
    with_bell = story(bell, consumer="service: {exponential: {mean: 900ms}}, failures: {error: 20%}", seconds=50)
    without = run("""
        queues: {q: {}}
        producers: {p: {to: q, rate: 1/s, arrivals: regular}}
        consumers: {c: {from: q, service: {exponential: {mean: 900ms}}, failures: {error: 20%}}}
    """, seconds=50)  # fmt: skip
    assert [row for row in with_bell.rows if row.kind < 60] == without.rows
