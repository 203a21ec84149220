"""Luck belongs to the message: whoever asks, in whatever order, beside whomever, is answered alike."""

import json
import os
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from qsim.scenario.plan import (
    Ack,
    Backoff,
    Check,
    Constant,
    ConsumerPlan,
    Exponential,
    Failures,
    Groups,
    Jitter,
    MessagePlan,
    Mix,
    OnReject,
    Plan,
    Poison,
    ProducerPlan,
    Retry,
    Shares,
    Stage,
    Uniform,
)
from qsim.sim import draws
from qsim.sim.draws import Draws
from qsim.sim.labels import choose
from qsim.sim.luck import Luck, retry_delay
from qsim.units import HOUR, MILLISECOND, MINUTE, SECOND

PLAIN = MessagePlan(1024, None, None, None, None, None, None, None, ())


def producer(name="shop", first_index=0, **changes):
    default = ProducerPlan(
        name=name,
        first_index=first_index,
        count=1,
        to=0,
        regular=False,
        gaps=None,
        rate=Fraction(1000),
        stages=(),
        limit=None,
        start=0,
        stop=600 * SECOND,
        message=PLAIN,
        batch_size=1,
        batch_wait=0,
        on_reject=OnReject.DROP,
        retry=None,
        timeout=SECOND,
    )
    return replace(default, **changes)


def consumer(name="worker", index=0, **changes):
    default = ConsumerPlan(
        name=name,
        index=index,
        sources=(0,),
        count=1,
        most=1,
        concurrency=1,
        service=Exponential(10 * MILLISECOND),
        poll=None,
        prefetch=None,
        ack=Ack.AFTER_SUCCESS,
        heartbeat=None,
        check=Check.NONE,
        remember=None,
        failures=Failures(),
        retry=None,
        buffers=False,
    )
    return replace(default, **changes)


def plan(producers, consumers=()):
    return Plan(
        name="small",
        title="",
        description="",
        tags=(),
        variant="base",
        seed=1,
        duration=600 * SECOND,
        warmup=0,
        replications=1,
        sample_every=SECOND,
        drain=0,
        queues=(),
        producers=tuple(producers),
        consumers=tuple(consumers),
        timeline=(),
        alerts=(),
        expect=(),
    )


def luck_of(producers, consumers=(), seed=1, replication=1) -> Luck:
    return Draws(plan(producers, consumers), seed, replication)


def sends(one, luck=None, most=None):
    arrivals = (luck or luck_of([one])).arrivals(one, 0)
    times = iter(arrivals.next, None)
    return list(times) if most is None else [time for time, _ in zip(times, range(most), strict=False)]


def everything():
    """A little of all that can be asked, as JSON can hold it."""
    message = replace(
        PLAIN,
        levels=(0.2, 1.0),
        groups=Groups(100, 1.0),
        poison=Poison(share=0.1),
        delay=Exponential(SECOND),
        eta=Uniform(0, HOUR),
        attributes=(("land", Shares(("de", "fr", "it"), (0.5, 0.75, 1.0))),),
    )
    shop = producer(message=message)
    worker = consumer(failures=Failures(restart_after=Uniform(0, SECOND)))
    luck = luck_of([shop], [worker])
    labels = luck.labels(shop, 0)
    return {
        "arrivals": sends(shop, luck, 5),
        "labels": [list(labels[k]) for k in (0, 1, 5000)],
        "delays": [luck.delay(shop, 0, k) for k in (0, 1, 5000)],
        "etas": [luck.eta(shop, 0, 3)],
        "attempts": [list(luck.attempt(worker, k, turn)) for k, turn in ((0, 1), (0, 2), (5000, 1), (7, 100))],
        "send": list(luck.send_luck(shop, 0, 9, 2)),
        "ack": list(luck.ack_luck(worker, 9, 2)),
        "restart": luck.restart(worker, 9, 2),
        "queue": luck.queue_luck("jobs", "duplicate", 9, 1),
        "receive": list(luck.receive_luck(worker, 3, 9)),
    }


# --- the bits


def test_a_counter_means_the_same_words_wherever_a_block_starts():
    block = draws.number_words(7, 0, 1, 100)
    for first in (0, 1, 63, 99):
        assert draws.number_words(7, first, 1, 100 - first).tolist() == block[first:].tolist()


def test_turns_in_a_run_are_the_turns_one_by_one():
    run = draws.turn_words(7, 5, 16, 16)
    assert run.tolist() == [draws.number_words(7, 5, turn, 1)[0].tolist() for turn in range(16, 32)]


def test_the_words_are_philox_at_counter_number_and_turn():
    """Random123's known answer: Philox 4x64-10 of key 0 at counter 0."""
    words = draws.number_words(0, 0, 0, 1)[0].tolist()
    assert words == [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B]


# --- the same luck again


def test_the_same_seed_gives_the_same_luck_in_another_process():
    program = "import json, test_draws; print(json.dumps(test_draws.everything()))"
    here = os.path.dirname(__file__)
    for hash_seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join([here, *sys.path])}
        out = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
        assert json.loads(out.stdout) == json.loads(json.dumps(everything()))


def test_seeds_and_replications_are_strangers():
    shop = producer()
    lucks = [luck_of([shop], seed=seed, replication=replication) for seed, replication in ((1, 1), (2, 1), (1, 2))]
    first = [sends(shop, luck, 20) for luck in lucks]
    assert len({time for times in first for time in times}) == 60


def test_attempts_are_the_same_in_any_order():
    shop, worker = producer(), consumer()
    asked = [(k, turn) for k in (0, 1023, 1024, 70_000, 5) for turn in (1, 2, 7, 8, 9, 40)]
    forwards, backwards = luck_of([shop], [worker]), luck_of([shop], [worker])
    there = {each: forwards.attempt(worker, *each) for each in asked}
    assert {each: backwards.attempt(worker, *each) for each in reversed(asked)} == there
    assert len(set(there.values())) == len(asked)


def test_a_forgotten_block_comes_back_as_it_was():
    shop, worker = producer(), consumer()
    luck = luck_of([shop], [worker])
    before = [luck.attempt(worker, k, 1) for k in range(0, 200_000, 1024)]
    assert [luck.attempt(worker, k, 1) for k in range(0, 200_000, 1024)] == before


@pytest.mark.parametrize(("producers", "messages"), [(1, 100_000), (500, 40)])
def test_what_is_not_in_use_is_forgotten(producers, messages):
    worker = consumer()
    luck = luck_of([producer(count=producers)], [worker])
    tracemalloc.start()
    for k in range(messages):
        for i in range(producers):
            luck.attempt(worker, i << 40 | k, 1)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < peak < 10_000_000


def test_the_width_of_the_blocks_does_not_show():
    shop, worker = producer(message=replace(PLAIN, levels=(0.3, 1.0))), consumer(service=Mix((0.5, 1.0), MIX_PARTS))
    crowd = [producer(f"other{i}", i + 1) for i in range(1000)]
    alone, amid = luck_of([shop], [worker]), luck_of([shop, *crowd], [worker])
    asked = [(k, turn) for k in (0, 16, 1023, 5000) for turn in (1, 9)]
    assert [alone.attempt(worker, *each) for each in asked] == [amid.attempt(worker, *each) for each in asked]
    assert sends(shop, alone, 3000) == sends(shop, amid, 3000)
    assert [alone.labels(shop, 0)[k] for k in range(100)] == [amid.labels(shop, 0)[k] for k in range(100)]


MIX_PARTS = (Constant(5 * SECOND), Uniform(0, SECOND))


def test_the_first_luck_of_all_never_changes():
    """Keys, counters and lanes: change one, and every recorded digest is void."""
    shop = producer(message=replace(PLAIN, delay=Uniform(0, HOUR)))
    worker = consumer(service=Uniform(0, HOUR), failures=Failures(restart_after=Uniform(0, HOUR)))
    luck = luck_of([shop], [worker], seed=7, replication=2)
    assert sends(shop, luck, 3) == [548_641, 1_212_966, 1_588_236]
    assert luck.attempt(worker, 0, 1) == (
        1_498_448_613_433,
        0.30473576783671313,
        0.6512534970609607,
        0.6985999897789048,
    )
    assert luck.attempt(worker, 1, 9) == (629_038_375_207, 0.5562095751746747, 0.48996015871822457, 0.8438006728480014)
    assert luck.send_luck(shop, 0, 0, 1)[0] == 0.7255845648046837
    assert luck.queue_luck("jobs", "reorder", 0, 1) == 0.6160619273979753
    assert luck.receive_luck(worker, 3, 5)[0] == 0.09672972796245699
    luck.set_service(worker, Mix((0.5, 1.0), (Constant(1), Constant(2))))
    assert [luck.attempt(worker, k, 1)[0] for k in range(18)] == [1, 1, *[2] * 13, 1, 1, 1]
    assert (luck.restart(worker, 0, 1), luck.delay(shop, 0, 0)) == (823_654_072_007, 417_220_622_700)


# --- nobody's luck moves


def test_a_second_producer_or_consumer_moves_nothing():
    shop, worker = producer(), consumer()
    alone = luck_of([shop], [worker])
    beside = luck_of([producer("web"), replace(shop, first_index=1)], [consumer("mailer"), replace(worker, index=1)])
    assert sends(shop, alone, 2000) == sends(replace(shop, first_index=1), beside, 2000)
    moved = replace(worker, index=1)
    assert [alone.attempt(worker, k, 1) for k in range(50)] == [
        beside.attempt(moved, 1 << 40 | k, 1) for k in range(50)
    ]


def test_producers_of_one_entry_have_luck_of_their_own():
    shop = producer(count=2)
    luck = luck_of([shop])
    first, second = (luck.arrivals(shop, i) for i in (0, 1))
    assert {first.next() for _ in range(100)}.isdisjoint(second.next() for _ in range(100))


def test_two_variants_share_arrivals_service_and_failures():
    shop, worker = producer(), consumer()
    slower = replace(worker, service=Exponential(20 * MILLISECOND), count=7, most=7)
    before, after = luck_of([shop], [worker]), luck_of([shop], [slower])
    assert sends(shop, before, 1000) == sends(shop, after, 1000)
    for k in range(1000):
        (time, *rest), (longer, *others) = before.attempt(worker, k, 1), after.attempt(slower, k, 1)
        assert rest == others
        assert abs(longer - 2 * time) <= 1


def test_more_poison_poisons_the_same_messages_and_others():
    few, many = (producer(message=replace(PLAIN, poison=Poison(share))) for share in (0.01, 0.02))
    poisoned = [
        {k for k in range(20_000) if labels[k][2]} for labels in (luck_of([p]).labels(p, 0) for p in (few, many))
    ]
    assert poisoned[0] < poisoned[1]
    assert 150 < len(poisoned[0]) < 250 < 350 < len(poisoned[1]) < 450


def test_one_more_attribute_leaves_the_others():
    land = ("land", Shares(("de", "fr"), (0.5, 1.0)))
    kind = ("kind", Shares(("a", "b", "c"), (0.2, 0.4, 1.0)))
    one, two = (producer(message=replace(PLAIN, attributes=attributes)) for attributes in ((land,), (kind, land)))
    alone, both = luck_of([one]).labels(one, 0), luck_of([two]).labels(two, 0)
    for k in range(200):
        assert both[k][3] % len(land[1].names) == alone[k][3]


# --- arrivals


def test_regular_arrivals_are_exact():
    times = sends(producer(regular=True))
    assert len(times) == 600_000
    assert times[:2] + times[-1:] == [0, MILLISECOND, 600 * SECOND - MILLISECOND]


def test_regular_arrivals_round_and_never_add_up():
    times = sends(producer(regular=True, rate=Fraction(3)))
    assert times[:4] == [0, 333_333_333, 666_666_667, SECOND]
    assert times[-1] == 599_666_666_667


def test_sends_stay_in_start_and_stop():
    times = sends(producer(regular=True, rate=Fraction(10), start=5 * SECOND, stop=7 * SECOND))
    assert times == [5 * SECOND + k * SECOND // 10 for k in range(20)]


@pytest.mark.parametrize("regular", [True, False])
@pytest.mark.parametrize("limit", [0, 1, 1023, 1024, 1025])
def test_a_limit_is_kept(regular, limit):
    assert len(sends(producer(regular=regular, limit=limit))) == limit


RAMPS = (
    Stage(10 * SECOND, Fraction(0), Fraction(200)),
    Stage(5 * SECOND, Fraction(200), Fraction(200)),
    Stage(0, Fraction(200), Fraction(50)),
    Stage(10 * SECOND, Fraction(50), Fraction(50)),
    Stage(20 * SECOND, Fraction(50), Fraction(0)),
)
RAMPED = producer(regular=True, rate=Fraction(0), stages=RAMPS)


def due(now):
    """The integral of RAMPS, worked out by hand."""
    t = Fraction(now, SECOND)
    parts = [(10, 0, 20), (5, 200, 0), (10, 50, 0), (20, 50, Fraction(-5, 2))]
    total = Fraction(0)
    for length, rate, slope in parts:
        passed = max(Fraction(0), min(t, length))
        total += rate * passed + Fraction(slope) * passed * passed / 2
        t -= length
    return total


def test_stages_send_as_many_as_their_integral():
    times = np.array(sends(RAMPED))
    assert len(times) == 1000 + 1000 + 500 + 500
    for end, count in ((10, 1000), (15, 2000), (25, 2500), (45, 3000)):
        assert (times < end * SECOND).sum() == count


def test_a_regular_send_in_a_stage_is_when_its_number_is_due_to_the_nanosecond():
    for k, time in enumerate(sends(RAMPED)):
        assert due(time - Fraction(1, 2)) <= k or time == 0
        assert due(time + Fraction(1, 2)) > k


def test_a_ramp_of_years_is_exact_where_floats_are_not():
    """After 104 days floats know no single nanoseconds any more."""
    length = 1000 * 24 * HOUR
    stages = (Stage(length, Fraction(1, 86_400), Fraction(1, 8_640)),)
    times = sends(producer(regular=True, rate=stages[0].start, stages=stages, stop=length))
    slope = (stages[0].end - stages[0].start) / length
    for k, time in enumerate(times[1:], start=1):
        early, late = (
            (stages[0].start * t + slope * t * t / 2) / SECOND for t in (time - Fraction(1, 2), time + Fraction(1, 2))
        )
        assert early <= k < late
    assert len(times) == 5500


def test_a_number_due_a_hair_before_the_rate_is_0_is_sent():
    almost = Fraction(100) + Fraction(1, 10**20)
    times = sends(producer(regular=True, rate=almost, stages=(Stage(10 * SECOND, almost, Fraction(0)),)))
    assert (len(times), times[-1]) == (501, 10 * SECOND)


def test_where_the_rate_is_0_nothing_is_sent():
    stages = (Stage(SECOND, Fraction(10), Fraction(10)), Stage(SECOND, Fraction(0), Fraction(0)))
    stages = (*stages, Stage(SECOND, Fraction(10), Fraction(10)), Stage(0, Fraction(10), Fraction(0)))
    tenth = SECOND // 10
    expected = [k * tenth for k in range(10)] + [2 * SECOND + k * tenth for k in range(10)]
    assert sends(producer(regular=True, rate=Fraction(10), stages=stages)) == expected
    assert sends(producer(regular=True, rate=Fraction(0))) == []
    assert sends(producer(rate=Fraction(0))) == []


def test_poisson_arrivals_are_poisson():
    times = np.array(sends(producer()))
    assert stats.kstest(np.diff(times[:20_000]), stats.expon(scale=MILLISECOND).cdf).pvalue > 0.01
    assert abs(len(times) - 600_000) < 4 * 600_000**0.5


def test_poisson_arrivals_under_a_ramp_are_uniform_in_what_is_due():
    """Time changes, not luck: as the integral of the rate the sends are spread evenly."""
    counts = [float(due(time)) for time in sends(replace(RAMPED, regular=False))]
    assert stats.kstest(counts, stats.uniform(0, 3000).cdf).pvalue > 0.01


def test_stages_only_stretch_poisson_time():
    steady = sends(producer(), most=500)
    doubled = sends(producer(stages=(Stage(0, Fraction(1000), Fraction(2000)),)), most=500)
    assert max(abs(2 * fast - slow) for fast, slow in zip(doubled, steady, strict=True)) <= 1


def test_gaps_have_their_distribution():
    times = sends(producer(gaps=Uniform(SECOND, 2 * SECOND), stop=HOUR))
    gaps = np.diff([0, *times])
    assert stats.kstest(gaps, stats.uniform(SECOND, SECOND).cdf).pvalue > 0.01
    assert times[-1] < HOUR <= times[-1] + 2 * SECOND
    assert sends(producer(gaps=Constant(MINUTE), stop=10 * MINUTE)) == [k * MINUTE for k in range(1, 10)]


def test_which_part_of_a_mix_of_gaps_says_nothing_of_the_time_in_it():
    mix = Mix((0.5, 1.0), (Uniform(0, SECOND), Uniform(MINUTE, MINUTE + SECOND)))
    gaps = np.diff([0, *sends(producer(gaps=mix, stop=24 * HOUR))])
    assert stats.kstest(gaps[gaps <= SECOND], stats.uniform(0, SECOND).cdf).pvalue > 0.01
    assert stats.kstest(gaps[gaps > SECOND], stats.uniform(MINUTE, SECOND).cdf).pvalue > 0.01


def test_a_new_rate_stretches_what_is_left_of_the_pending_gap():
    arrivals = luck_of([one := producer(regular=True, rate=Fraction(1))]).arrivals(one, 0)
    assert [arrivals.next(), arrivals.next()] == [0, SECOND]
    assert arrivals.set_rate(SECOND // 2, Fraction(1, 2)) == SECOND // 2 + SECOND
    assert arrivals.next() == SECOND // 2 + 3 * SECOND
    assert arrivals.set_rate(3 * SECOND, Fraction(10)) == 3 * SECOND + SECOND // 40


def test_a_new_rate_keeps_the_unit_exponentials():
    before, after = (luck_of([p := producer()]).arrivals(p, 0) for _ in range(2))
    old = [before.next() for _ in range(3000)]
    new = [after.next() for _ in range(100)]
    now = old[98] + 1
    new[99] = after.set_rate(now, Fraction(500))
    new += [after.next() for _ in range(2900)]
    assert new[:99] == old[:99]
    assert max(abs(a - (now + 2 * (b - now))) for a, b in zip(new[99:], old[99:], strict=True)) <= 1


@pytest.mark.parametrize("regular", [True, False])
def test_rate_0_is_never_until_the_rate_returns(regular):
    one = producer(regular=regular, rate=Fraction(100))
    paused, steady = luck_of([one]).arrivals(one, 0), luck_of([one]).arrivals(one, 0)
    expected = [steady.next() for _ in range(3000)]
    assert [paused.next() for _ in range(6)] == expected[:6]
    now = (expected[4] + expected[5]) // 2
    assert paused.set_rate(now, Fraction(0)) is None
    assert [paused.next(), paused.next()] == [None, None]
    late = [paused.set_rate(now + MINUTE, Fraction(100)), *(paused.next() for _ in range(2994))]
    assert max(abs(a - MINUTE - b) for a, b in zip(late, expected[5:], strict=True)) <= 1


def test_what_was_sent_at_the_instant_of_a_new_rate_stays_sent():
    """Number 1 is due at a third of a second, is sent a third of a nanosecond early, and then the rate is 0."""
    arrivals = luck_of([one := producer(regular=True, rate=Fraction(3))]).arrivals(one, 0)
    assert [arrivals.next() for _ in range(3)] == [0, 333_333_333, 666_666_667]
    assert arrivals.set_rate(333_333_333, Fraction(0)) is None
    assert arrivals.next() is None
    assert arrivals.set_rate(SECOND, Fraction(3)) == SECOND + 333_333_334


def test_a_rate_set_before_the_start_counts_from_the_start():
    one = producer(regular=True, rate=Fraction(1), start=10 * SECOND)
    arrivals = luck_of([one]).arrivals(one, 0)
    assert arrivals.next() == 10 * SECOND
    assert arrivals.set_rate(3 * SECOND, Fraction(2)) == 10 * SECOND
    assert arrivals.next() == 10 * SECOND + SECOND // 2


# --- labels


def test_levels_and_groups_follow_their_shares():
    one = producer(message=replace(PLAIN, levels=(0.2, 0.5, 1.0), groups=Groups(3, 1.0)))
    labels = luck_of([one]).labels(one, 0)
    drawn = np.array([labels[k][:2] for k in range(30_000)])
    weights = np.array([1, 1 / 2, 1 / 3])
    assert stats.chisquare(np.bincount(drawn[:, 0]), [6000, 9000, 15_000]).pvalue > 0.01
    assert stats.chisquare(np.bincount(drawn[:, 1]), 30_000 * weights / weights.sum()).pvalue > 0.01


def test_a_uniform_on_a_threshold_is_beyond_it():
    assert choose((0.25, 0.5, 1.0), np.array([0.0, 0.25, 0.5, 0.75])).tolist() == [0, 1, 2, 2]


def test_without_skew_every_group_is_as_likely():
    one = producer(message=replace(PLAIN, groups=Groups(7, 0.0)))
    labels = luck_of([one]).labels(one, 0)
    assert stats.chisquare(np.bincount([labels[k][1] for k in range(7000)], minlength=7)).pvalue > 0.01


def test_a_plain_message_has_no_labels():
    one = producer()
    assert luck_of([one]).labels(one, 0)[12_345] == (0, -1, False, -1)


def test_attributes_are_one_number_in_the_order_of_a_product():
    attributes = (("land", Shares(("de", "fr"), (0.5, 1.0))), ("kind", Shares(("a", "b", "c"), (0.2, 0.4, 1.0))))
    one = producer(message=replace(PLAIN, attributes=attributes))
    labels = luck_of([one]).labels(one, 0)
    counts = np.bincount([labels[k][3] for k in range(10_000)], minlength=6)
    assert stats.chisquare(counts, [1000, 1000, 3000, 1000, 1000, 3000]).pvalue > 0.01


def test_poison_by_time_marks_the_first_message_at_or_after_each_moment():
    poison = Poison(first=3, from_=2 * MINUTE, every=SECOND)
    one = producer(message=replace(PLAIN, poison=poison))
    labels = luck_of([one]).labels(one, 0)
    sent = [0, 2 * MINUTE - 1, 2 * MINUTE, 2 * MINUTE + 1, 2 * MINUTE + 5 * SECOND, 2 * MINUTE + 5 * SECOND + 1, HOUR]
    marked = [labels.is_poison(k, time) for k, time in enumerate(sent)]
    assert marked == [False, False, True, False, True, True, False]


def test_producers_of_one_entry_share_the_marks():
    one = producer(count=2, message=replace(PLAIN, poison=Poison(first=1)))
    luck = luck_of([one])
    assert [luck.labels(one, i).is_poison(0, 0) for i in (0, 1)] == [True, False]


# --- attempts


def test_the_lanes_of_an_attempt_are_uniform_and_strangers():
    shop, worker = producer(), consumer(service=Uniform(0, SECOND))
    luck = luck_of([shop], [worker])
    lanes = np.array([luck.attempt(worker, k, turn) for turn in (1, 2) for k in range(5000)]) / [SECOND, 1, 1, 1]
    for lane in lanes.T:
        assert stats.kstest(lane, "uniform").pvalue > 0.01
    correlated = np.corrcoef(lanes, rowvar=False) - np.eye(4)
    assert abs(correlated).max() < 0.04


def test_the_part_of_a_mix_is_drawn_once_a_message_and_the_time_at_each_attempt():
    shop, worker = producer(), consumer(service=Mix((0.5, 1.0), (Uniform(0, SECOND), Uniform(MINUTE, HOUR))))
    luck = luck_of([shop], [worker])
    for k in range(200):
        times = [luck.attempt(worker, k, turn)[0] for turn in (1, 2, 3, 8, 50)]
        assert all(0 <= time <= SECOND or MINUTE <= time <= HOUR for time in times)
        assert len({time >= MINUTE for time in times}) == 1
        assert len(set(times)) == len(times)


@pytest.mark.parametrize("turn", [1, 50])
def test_a_new_service_takes_the_same_uniforms(turn):
    shop, worker = producer(), consumer()
    luck = luck_of([shop], [worker])
    before = luck.attempt(worker, 7, turn)
    luck.set_service(worker, Exponential(30 * MILLISECOND))
    after = luck.attempt(worker, 7, turn)
    assert abs(after[0] - 3 * before[0]) <= 2
    assert after[1:] == before[1:]


def test_a_restart_takes_a_time_from_its_distribution():
    shop, worker = producer(), consumer(failures=Failures(restart_after=Uniform(MINUTE, 2 * MINUTE)))
    luck = luck_of([shop], [worker])
    times = [luck.restart(worker, k, 1) for k in range(300)]
    assert stats.kstest(times, stats.uniform(MINUTE, MINUTE).cdf).pvalue > 0.01
    assert luck.restart(consumer(failures=Failures(restart_after=Constant(MINUTE))), 0, 1) == MINUTE


def test_other_luck_is_uniform_and_each_purpose_has_its_own():
    shop, worker = producer(), consumer()
    luck = luck_of([shop], [worker])
    lanes = {
        "duplicate": [luck.queue_luck("jobs", "duplicate", k, 1) for k in range(2000)],
        "again": [luck.queue_luck("jobs", "duplicate", k, 2) for k in range(2000)],
        "reorder": [luck.queue_luck("jobs", "reorder", k, 1) for k in range(2000)],
        "other": [luck.queue_luck("mails", "reorder", k, 1) for k in range(2000)],
        "send": [luck.send_luck(shop, 0, k, 1)[0] for k in range(2000)],
        "ack": [luck.ack_luck(worker, k, 1)[0] for k in range(2000)],
        "receive": [luck.receive_luck(worker, 0, k)[0] for k in range(2000)],
        "others": [luck.receive_luck(worker, 1, k)[0] for k in range(2000)],
    }
    assert all(stats.kstest(lane, "uniform").pvalue > 0.001 for lane in lanes.values())
    assert abs(np.corrcoef(list(lanes.values())) - np.eye(len(lanes))).max() < 0.1


def test_delay_and_eta_are_drawn_for_each_message():
    one = producer(message=replace(PLAIN, delay=Uniform(0, SECOND), eta=Constant(HOUR)))
    luck = luck_of([one])
    assert stats.kstest([luck.delay(one, 0, k) for k in range(2000)], stats.uniform(0, SECOND).cdf).pvalue > 0.01
    assert luck.eta(one, 0, 5000) == HOUR


# --- retries


def retry(**changes):
    default = Retry(None, Backoff.EXPONENTIAL, SECOND, 2.0, 10 * SECOND, Jitter.NONE, None)
    return replace(default, **changes)


@pytest.mark.parametrize(
    ("policy", "jitter", "delays"),
    [
        (retry(), 0.5, [1, 2, 4, 8, 10, 10]),
        (retry(backoff=Backoff.FIXED), 0.5, [1, 1, 1]),
        (retry(backoff=Backoff.NONE), 0.5, [0, 0]),
        (retry(jitter=Jitter.FULL), 0.25, [0.25, 0.5, 1]),
        (retry(jitter=Jitter.EQUAL), 0.5, [0.75, 1.5, 3]),
        (retry(factor=1.5, max=None), 0.5, [1, 1.5, 2.25, 3.375]),
    ],
)
def test_retries_wait_longer_and_longer(policy, jitter, delays):
    assert [retry_delay(policy, n + 1, jitter) / SECOND for n in range(len(delays))] == delays


def test_a_retry_after_very_many_failures_waits_292_years_at_most():
    assert retry_delay(retry(max=None), 10_000, 0.5) == 2**63 - 1024
    assert retry_delay(retry(first=0, max=None), 10_000, 0.5) == 0
