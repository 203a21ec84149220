"""What consumers call: who has a place, who waits, who is refused or gives up, and what the textbooks say of it."""

from itertools import groupby

import numpy as np
import pytest
from scipy.stats import t

from qsim import theory
from qsim.kernel.journal import Cause, Kind, Place
from qsim.metrics.life import story as life_of
from qsim.metrics.numbers import Numbers
from qsim.sim.simulate import simulate
from tests.sim.runs import plan, run

CALLS = ("CALLED", "SERVED", "CALL_ENDED", "CALL_TIMED_OUT", "CALL_REFUSED", "CALL_ABANDONED")


def story(dependency, consumer="service: 1s, count: 9", producer="rate: 1/s, arrivals: regular, limit: 4", more="", **how):
    """Messages come at 0, 1, 2, ... s, work on each takes 1 s, then comes its call."""
    return run(f"""
        queues: {{q: {{}}}}
        dependencies: {{db: {{{dependency}}}}}
        producers: {{p: {{to: q, {producer}}}}}
        consumers: {{c: {{from: q, {consumer}, uses: db}}}}
        {more}
    """, **({"seconds": 60} | how))  # fmt: skip


def calls(rows, k):
    return [(time, kind) for time, kind in rows.life(k) if kind in CALLS]


# --- places and the line ------------------------------------------------------------------------------------------------


def test_a_call_comes_after_the_work_and_before_the_effect():
    rows = story("service: 5s", producer="rate: 1/s, limit: 1, arrivals: regular")
    assert [each for each in rows.life(0) if each[0] > 0] == [
        (1, "CALLED"), (1, "SERVED"), (6, "CALL_ENDED"), (6, "EFFECT"), (6, "ACKED"),
    ]  # fmt: skip


def test_who_finds_no_place_waits_first_come_first_served():
    rows = story("capacity: 1, service: 5s")
    assert rows.times("CALLED") == [1, 2, 3, 4]
    assert rows.times("SERVED") == [1, 6, 11, 16]
    assert [row.k for row in rows.of("SERVED")] == [0, 1, 2, 3]


def test_any_number_find_a_place_where_there_is_no_capacity():
    rows = story("service: 5s")
    assert rows.times("SERVED") == rows.times("CALLED")


def test_a_place_is_shared_by_all_consumers():
    rows = run("""
        queues: {a: {}, b: {}}
        dependencies: {db: {capacity: 1, service: 5s}}
        producers: {p: {to: a, rate: 1/s, arrivals: regular, limit: 2}, r: {to: b, rate: 1/s, arrivals: regular, limit: 2}}
        consumers: {c: {from: a, count: 2, service: 1s, uses: db}, d: {from: b, count: 2, service: 1s, uses: [db]}}
    """)  # fmt: skip
    assert [(row.consumer, row.k) for row in rows.of("SERVED")] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert rows.times("SERVED") == [1, 6, 11, 16]


def test_at_one_instant_the_lower_process_calls_first_whoever_began_first():
    rows = run("""
        queues: {q: {}}
        dependencies: {db: {capacity: 1, service: 3s}}
        producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 4}}
        consumers: {c: {from: q, count: 4, service: {mix: [{share: 50%, time: 4s}, {share: 50%, time: 2s}]}, uses: db}}
    """)  # fmt: skip
    called, served = rows.of("CALLED"), rows.of("SERVED")
    together = [[row.process for row in those] for _, those in groupby(called, key=lambda row: row.time)]
    assert max(map(len, together)) > 1 and all(those == sorted(those) for those in together)
    assert [row.message for row in served] == [row.message for row in called]


def test_the_place_that_one_leaves_is_taken_before_whoever_calls_later_in_that_instant():
    rows = story("capacity: 1, service: 1s, queue_limit: 0", producer="rate: 1/s, limit: 5, arrivals: regular")
    assert rows.times("CALL_REFUSED") == [], "process 1 leaves at 2 s, before process 2 calls"
    assert rows.at(2, "CALLED", "SERVED", "CALL_ENDED") == ["CALL_ENDED 0", "CALLED 1", "SERVED 1"]


def test_dependencies_are_called_in_the_order_of_the_list():
    rows = run("""
        queues: {q: {}}
        dependencies: {first: {service: 1s}, second: {service: 2s}}
        producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 1}}
        consumers: {c: {from: q, service: 1s, uses: [second, first]}}
    """)  # fmt: skip
    assert [(row.time / 1e9, row.other) for row in rows.of("CALLED")] == [(1, 1), (3, 0)]
    assert rows.times("EFFECT") == [4]


def test_an_attempt_that_errs_by_itself_calls_nobody():
    rows = story("service: 1s", consumer="service: 1s, failures: {error: 100%, on_error: reject}")
    assert rows.count("ERRED") == 4 and rows.count("CALLED") == 0


# --- refused, given up, abandoned ----------------------------------------------------------------------------------------


def test_who_finds_no_room_to_wait_is_refused_and_errs():
    rows = story("capacity: 1, service: 10s, queue_limit: 1", consumer="service: 1s, count: 9, failures: {on_error: reject}")
    assert rows.times("CALL_REFUSED") == rows.times("ERRED") == [3, 4]
    assert [kind for time, kind in rows.life(2) if time == 3] == ["CALLED", "CALL_REFUSED", "ERRED", "NACKED", "DROPPED"]


def test_a_refused_message_comes_back_by_the_consumers_own_retry():
    retry = "service: 1s, count: 9, retry: {backoff: fixed, first: 20s}"
    rows = story("capacity: 1, service: 5s, queue_limit: 0", consumer=retry, producer="rate: 1/s, limit: 2, arrivals: regular")
    assert calls(rows, 1) == [
        (2, "CALLED"), (2, "CALL_REFUSED"), (23, "CALLED"), (23, "SERVED"), (28, "CALL_ENDED"),
    ]  # fmt: skip


def test_who_has_no_answer_in_time_gives_up_waiting_included_and_the_place_is_taken_to_the_end():
    rows = story("capacity: 1, service: 5s, timeout: 6s", consumer="service: 1s, count: 9, failures: {on_error: reject}")
    assert calls(rows, 0) == [(1, "CALLED"), (1, "SERVED"), (6, "CALL_ENDED")]
    assert calls(rows, 1) == [(2, "CALLED"), (6, "SERVED"), (8, "CALL_TIMED_OUT"), (11, "CALL_ENDED")]
    assert calls(rows, 2) == [(3, "CALLED"), (9, "CALL_TIMED_OUT")], "still waiting"
    assert calls(rows, 3) == [(4, "CALLED"), (10, "CALL_TIMED_OUT")]
    assert [row.cause for row in rows.of("CALL_TIMED_OUT")] == [Place.LEASED, Place.READY, Place.READY]
    assert [row.cause for row in rows.of("CALL_ENDED")] == [Cause.NONE, Cause.CLOSED]
    assert rows.times("ERRED") == [8, 9, 10]


def test_an_answer_in_the_very_instant_of_the_timeout_is_in_time():
    rows = story("capacity: 1, service: 5s, timeout: 5s", producer="rate: 1/s, limit: 1, arrivals: regular")
    assert rows.count("CALL_TIMED_OUT") == 0 and rows.times("EFFECT") == [6]


def test_who_gave_up_is_passed_over_in_the_line():
    rows = story("capacity: 1, service: 5s, timeout: 7s", consumer="service: 1s, count: 9, failures: {on_error: reject}",
                 producer="rate: 1/s, limit: 9, arrivals: regular")  # fmt: skip
    served = [(row.time / 1e9, row.k) for row in rows.of("SERVED")]
    assert served == [(1, 0), (6, 1), (11, 4)], "2 and 3 gave up at 10 and 11 s, and 5 and later do at 13 s and later"


def test_a_crash_abandons_the_call_and_what_is_served_goes_on():
    crash = "timeline: {bang: {at: 4s, crash: {consumer: c, count: 2}}}"
    rows = story("capacity: 1, service: 5s", producer="rate: 1/s, limit: 3, arrivals: regular", more=crash)
    assert [(row.k, row.cause) for row in rows.of("CALL_ABANDONED")] == [(0, Place.LEASED), (1, Place.READY)]
    # The place is free at 6 s only, for 2, which has waited since 3 s; the others begin again.
    assert calls(rows, 2) == [(3, "CALLED"), (6, "SERVED"), (11, "CALL_ENDED")]
    assert [time for time, kind in calls(rows, 0) if kind == "CALLED"] == [1, 5]
    assert [row.cause for row in rows.of("CALL_ENDED", k=0)] == [Cause.CLOSED, Cause.NONE]


def test_a_crash_while_working_strikes_in_the_consumers_own_work():
    rows = story("service: 50s", consumer="service: 1s, count: 9, failures: {crash: 100%, restart_after: 1h}", seconds=200)
    assert rows.count("INTERRUPTED") == 9 and rows.count("CALLED") == 0


def test_places_are_never_more_than_the_capacity_and_calls_add_up_whatever_happens():
    rows = story(
        "capacity: 3, service: {exponential: {mean: 2s}}, queue_limit: 2, timeout: 3s",
        consumer="count: 12, service: {exponential: {mean: 1s}}, "
        "failures: {error: 10%, crash: 5%, restart_after: 3s}, retry: {backoff: fixed, first: 2s}",
        producer="rate: 2/s",
        more="timeline: {bang: {at: 100s, crash: {consumer: c, count: 6}}, late: {at: 200s, for: 50s, slow: {dependency: db, by: 3}}}",
        seconds=600,
    )  # the balance is checked by run itself
    numbers = Numbers(rows.recording)
    assert numbers.value("db.busy max") == 3 and numbers.value("db.waiting max") == 2
    assert numbers.value("db.utilization max") == 1
    assert all(rows.count(kind) > 10 for kind in CALLS[:5]) and rows.count("CALL_ABANDONED") > 0
    assert rows.count("CALL_ENDED", cause=Cause.CLOSED) > 10


# --- luck -----------------------------------------------------------------------------------------------------------------


def test_what_a_call_takes_belongs_to_the_message_not_to_the_order_of_calls():
    service = "service: {exponential: {mean: 3s}}, capacity: "
    few, many = (story(f"{service}{n}", producer="rate: 1/s, limit: 30", seconds=400) for n in (1, 20))

    def lengths(rows):
        begun = {row.k: row.time for row in rows.of("SERVED")}
        return {row.k: row.time - begun[row.k] for row in rows.of("CALL_ENDED")}

    assert lengths(few) == lengths(many) and len(lengths(few)) == len(set(lengths(few).values())) == 30


def test_each_start_of_the_work_has_a_call_of_its_own_length_but_a_mix_keeps_its_part():
    def lengths(service):
        failing = "service: 1s, failures: {error: 0%}, retry: {backoff: fixed, first: 1s}"
        rows = story(f"service: {service}, timeout: 1ns", consumer=failing, producer="rate: 1/s, limit: 1, arrivals: regular",
                     seconds=300)  # fmt: skip
        begun = {row.attempt: row.time for row in rows.of("SERVED")}
        return [row.time - begun[row.attempt] for row in rows.of("CALL_ENDED")]

    drawn = lengths("{exponential: {mean: 10s}}")
    assert len(set(drawn)) == len(drawn) > 20, "turns beyond the first few are drawn apart"
    assert len(set(lengths("{mix: [{share: 50%, time: 1s}, {share: 50%, time: 2s}]}"))) == 1


def test_who_calls_draws_what_it_drew_before():
    text = "service: {exponential: {mean: 2s}}, count: 9, failures: {error: 30%, on_error: reject}"
    with_calls = story("service: 1s", consumer=text)
    alone = run(f"queues: {{q: {{}}}}\nproducers: {{p: {{to: q, rate: 1/s, arrivals: regular, limit: 4}}}}\n"
                f"consumers: {{c: {{from: q, {text}}}}}")  # fmt: skip
    ends = [row.time for row in with_calls.rows if row.kind in (Kind.CALLED, Kind.ERRED)]
    assert ends == [row.time for row in alone.rows if row.kind in (Kind.EFFECT, Kind.ERRED)]


# --- slow -----------------------------------------------------------------------------------------------------------------


def test_a_slow_dependency_takes_longer_for_what_begins_in_that_time():
    slow = "timeline: {late: {at: 2s, for: 2s, slow: {dependency: db, by: 3}}}"
    rows = story("service: 2s", more=slow)
    assert [calls(rows, k)[-1] for k in range(4)] == [
        (3, "CALL_ENDED"), (8, "CALL_ENDED"), (9, "CALL_ENDED"), (6, "CALL_ENDED"),
    ]  # fmt: skip


def test_slow_by_less_than_one_is_quick_and_two_at_a_time_multiply():
    slow = """timeline:
          half: {at: 0s, slow: {consumer: c, by: 0.5}}
          more: {at: 2s, for: 1s, slow: {consumer: c, by: 0.2}}"""
    rows = run(f"""
        queues: {{q: {{}}}}
        producers: {{p: {{to: q, rate: 1/s, arrivals: regular, limit: 4}}}}
        consumers: {{c: {{from: q, count: 4, service: 4s}}}}
        {slow}
    """)  # fmt: skip
    assert sorted(rows.times("EFFECT")) == [2, 2.4, 3, 5]


@pytest.mark.parametrize("who", ["dependency: db", "consumer: c"])
def test_one_times_as_long_is_as_long(who):
    text = {"dependency": "service: {exponential: {mean: 2s}}, capacity: 2"}
    plain = story(text["dependency"], producer="rate: 1/s")
    slowed = story(text["dependency"], producer="rate: 1/s", more=f"timeline: {{t: {{at: 0s, slow: {{{who}, by: 1}}}}}}")
    assert [row for row in slowed.rows if row.kind != Kind.CONTROL] == plain.rows


# --- numbers -----------------------------------------------------------------------------------------------------------------


def test_what_the_metrics_tell_of_calls():
    rows = story("capacity: 1, service: 5s, timeout: 6s", consumer="service: 1s, count: 9, failures: {on_error: reject}")
    numbers = Numbers(rows.recording)
    assert [numbers.value(f"db.{name}") for name in ("calls", "timeouts", "refused")] == [4, 3, 0]
    assert numbers.value("db.busy mean from 0s to 11s") == pytest.approx(10 / 11)  # 1 to 11 s, the second for nobody
    assert numbers.value("db.waiting mean from 0s to 10s") == pytest.approx((4 + 6 + 6) / 10)  # 2-6, 3-9, 4-10
    assert numbers.value("db.time max") == 5 and numbers.value("db.timeouts share") == 0.75
    assert numbers.value("db.waiting at 5s") == 3
    assert numbers.value("c.busy at 3s") == 4, "who waits for an answer is at work"


def test_what_a_dependency_without_a_capacity_tells():
    numbers = Numbers(story("service: 5s").recording)
    assert numbers.value("db.busy max") == 4 and numbers.value("db.utilization mean") is None


def test_calls_by_label():
    rows = run("""
        queues: {q: {priorities: [high, low]}}
        dependencies: {db: {capacity: 1, service: 2s}}
        producers:
          p: {to: q, rate: 1/s, arrivals: regular, limit: 2, message: {priority: low}}
          r: {to: q, rate: 1/s, arrivals: regular, limit: 1, message: {priority: high}}
        consumers: {c: {from: q, count: 3, service: 1s, uses: db}}
    """)  # fmt: skip
    numbers = Numbers(rows.recording)
    assert [numbers.value(f"db.calls.{name}") for name in ("high", "low")] == [1, 2]
    assert numbers.value("db.busy.low mean from 0s to 10s") == pytest.approx(0.4)


ALERTS = """alerts:
          line: {when: db.waiting, above: 1}
          places: {when: db.utilization, above: 90%}
          late: {when: db.timeouts, above: 2, window: 10s}
          slow: {when: db.time mean, above: 2s, window: 10s}
          many: {when: db.calls, above: 12, window: 10s}"""


def test_alerts_follow_what_the_journal_tells():
    rows = story("capacity: 2, service: {exponential: {mean: 1500ms}}, timeout: 4s", producer="rate: 1/s",
                 consumer="service: 100ms, count: 20, failures: {on_error: reject}", more=ALERTS, seconds=300)  # fmt: skip
    numbers = Numbers(rows.recording)
    for index, (text, limit) in enumerate((("db.waiting", 1), ("db.utilization", 0.9))):
        changes = [row for row in rows.rows if row.kind in (Kind.FIRED, Kind.CLEARED) and row.client == index]
        assert len(changes) > 10
        for row in changes:
            value = numbers.value(f"{text} at {row.time}ns")
            assert (value > limit) == (row.kind == Kind.FIRED)
    windows = (("db.timeouts total", 2), ("db.time mean", 2), ("db.calls total", 12))
    for index, (text, limit) in enumerate(windows, 2):
        changes = [row for row in rows.rows if row.kind in (Kind.FIRED, Kind.CLEARED) and row.client == index]
        assert len(changes) > 2
        for row in changes:
            value = numbers.value(f"{text} from {max(0, row.time + 1 - 10_000_000_000)}ns to {row.time + 1}ns")
            assert (value is not None and value > limit) == (row.kind == Kind.FIRED)


def test_a_message_tells_of_its_calls():
    rows = story("capacity: 1, service: 5s, timeout: 6s", consumer="service: 1s, count: 9, failures: {on_error: reject}")
    told = "\n".join(life_of(Numbers(rows.recording), 1))
    assert "calls      c-2          db" in told and "TIMED OUT  c-2          no answer in time from db" in told
    assert "when nobody waits any more" in told


# --- against the textbooks --------------------------------------------------------------------------------------------------

CUT, SECONDS, SEEDS = 500, 7_500, range(1, 31)


def replicated(dependency, measure):
    """Each column's 99.9 % Student interval over replications, 7,500 s each at 1 call a second after a warm-up."""
    of = plan(f"""
        queues: {{q: {{}}}}
        dependencies: {{db: {{{dependency}}}}}
        producers: {{p: {{to: q, rate: 1/s}}}}
        consumers: {{c: {{from: q, count: 100, service: 0, uses: db, failures: {{on_error: reject}}}}}}
        """, seconds=CUT + SECONDS)  # fmt: skip
    runs = np.array([measure(Numbers(simulate(of, seed))) for seed in SEEDS])
    return runs.mean(axis=0), t.ppf(0.9995, len(runs) - 1) * runs.std(axis=0, ddof=1) / np.sqrt(len(runs))


def assert_covered(found, formulas):
    middle, half = found
    assert (np.abs(middle - formulas) <= half).all(), (middle, half, formulas)
    assert (half < 0.2 * np.array(formulas)).all(), "the intervals are narrow enough to say something"


def test_a_dependency_alone_is_an_m_m_c():
    window = f"from {CUT}s"

    def measure(run):
        return [run.value(f"db.{what} mean {window}") for what in ("waiting", "utilization", "time")]

    station = theory.mmc(1, 1 / 2.4, 3)
    found = replicated("capacity: 3, service: {exponential: {mean: 2400ms}}", measure)
    assert_covered(found, [station.mean_waiting, station.utilization, station.mean_time])


def test_without_room_to_wait_it_loses_what_erlang_says():
    found = replicated(
        "capacity: 4, queue_limit: 0, service: {exponential: {mean: 3s}}", lambda run: [run.value(f"db.refused share from {CUT}s")]
    )
    assert_covered(found, [theory.erlang_b(4, 3.0)])


def test_with_room_for_some_it_is_an_m_m_1_k():
    station = theory.mm1k(1, 1 / 0.9, 5)
    found = replicated(
        "capacity: 1, queue_limit: 4, service: {exponential: {mean: 900ms}}",
        lambda run: [run.value(f"db.{what} from {CUT}s") for what in ("refused share", "waiting mean", "time mean")],
    )
    assert_covered(found, [station.blocked, station.mean_waiting, station.mean_time])
