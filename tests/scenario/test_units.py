"""Quantities: exact in, exact out, and an error that says what to write."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsim import units
from qsim.units import DAY, HOUR, MINUTE, SECOND, UnitError


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("30s", 30 * SECOND),
        ("250ms", SECOND // 4),
        ("10us", 10_000),
        ("10µs", 10_000),
        ("1h30m", 90 * MINUTE),
        ("1h 30m", 90 * MINUTE),
        ("2 hours", 2 * HOUR),
        ("1 minute", MINUTE),
        ("0.1s", SECOND // 10),
        ("1_000ms", SECOND),
        ("2w", 14 * DAY),
        ("0", 0),
        (0, 0),
    ],
)
def test_a_duration_is_whole_nanoseconds(text, time):
    assert units.duration(text) == time


@pytest.mark.parametrize(
    ("text", "per_second"),
    [("1000/s", 1000), ("30/min", Fraction(1, 2)), ("5k/s", 5000), ("2M/d", Fraction(2_000_000, 86_400)), ("0", 0)],
)
def test_a_rate_is_an_exact_fraction_a_second(text, per_second):
    assert units.rate(text) == per_second


def test_sizes_and_shares():
    assert units.size("256KiB") == 262_144
    assert units.size("1MB") == 1_000_000
    assert units.share("5%") == units.share(0.05) == Fraction(1, 20)
    assert units.share(0.1) + units.share(0.2) == units.share("30%")


@pytest.mark.parametrize(
    ("read", "value", "code", "says"),
    [
        (units.duration, 10, "Q013", "a duration needs a unit: write 10s, 10ms or 10m"),
        (units.duration, "10 msec", "Q013",
         "unknown time unit 'msec' in '10 msec': use ns, us, ms, s, m, h, d or w"),
        (units.duration, "30m1h", "Q013", "'30m1h' goes from large units to small ones, each once: write 1h30m"),
        (units.duration, "-5s", "Q014", "a duration cannot be negative"),
        (units.duration, "0.5ns", "Q014", "'0.5ns' is finer than a nanosecond"),
        (units.duration, "300000d", "Q014", "'300000d' is longer than 292 years"),
        (units.duration, True, "Q011", "a duration is needed here: write 10s"),
        (units.rate, 1000, "Q013", "a rate needs a time unit: write 1000/s"),
        (units.rate, "fast", "Q013", "'fast' is not a rate: write 100/s, 30/min or 5k/h"),
        (units.size, 300, "Q013", "a size needs a unit: write 300B or 300KiB"),
        (units.size, "3 kb", "Q013", "unknown size unit 'kb' in '3 kb': use B, KB, KiB, MB or MiB"),
        (units.share, 5, "Q014", "a share is at most 1, which is 100%: write 5%"),
        (units.count, "5", "Q011", "'5' is not a count: write a whole number"),
        (units.count, -1, "Q014", "a count cannot be negative"),
    ],
)  # fmt: skip
def test_what_is_wrong_says_what_to_write(read, value, code, says):
    with pytest.raises(UnitError) as caught:
        read(value)
    assert (caught.value.code, caught.value.message) == (code, says)


@given(st.integers(0, 2**63 - 1))
def test_a_written_duration_reads_back(time):
    assert units.duration(units.write_duration(time)) == time


@given(st.decimals(0, 10**6, places=3), st.sampled_from(["s", "m", "h", "d"]))
def test_a_written_rate_reads_back(number, unit):
    rate = units.rate(f"{number}/{unit}")
    assert units.rate(units.write_rate(rate)) == rate


def test_the_shortest_spelling():
    written = [units.write_duration(units.duration(t)) for t in ("60s", "90s", "5400s", "8.77ms", "336h", "1500ms")]
    assert written == ["1m", "90s", "90m", "8.77ms", "14d", "1.5s"]


def test_times_for_people():
    shown = [units.format_duration(units.duration(t)) for t in ("2m", "114s", "30s", "8.77ms", "15m", "0")]
    assert shown == ["2m 0s", "1m 54s", "30s", "8.77ms", "15m 0s", "0s"]
