"""The formulas against numbers from books, against sums over all states, and against each other."""

from fractions import Fraction
from math import exp, factorial, inf

import numpy as np
import pytest
from scipy import stats

from qsim import theory
from qsim.theory import Station


def by_states(arrival_rate, service_rate, servers, places):
    """M/M/c/K from its balance equations: (blocked, waits, number in queue) of those who arrive."""
    weights = [1.0]
    for n in range(1, places + 1):
        weights.append(weights[-1] * arrival_rate / (service_rate * min(n, servers)))
    shares = [weight / sum(weights) for weight in weights]
    return shares[-1], sum(shares[servers:]), sum(max(0, n - servers) * share for n, share in enumerate(shares))


def test_one_server_at_eighty_percent():
    station = theory.mm1(0.8, 1.0)
    expected = Station(0.8, 0.8, mean_wait=4.0, mean_time=5.0, mean_waiting=3.2, mean_number=4.0)
    for name in Station.__slots__:
        assert getattr(station, name) == pytest.approx(getattr(expected, name))


def test_ten_servers_at_ninety_percent_wait_six_milliseconds():
    """The yardstick of the benchmarks: 1000/s, ten consumers, 1.0101 attempts a message."""
    station = theory.mmc(1010.1, 1 / 0.0089100, 10)
    assert station.mean_wait == pytest.approx(0.00596, abs=1e-5)


@pytest.mark.parametrize(("servers", "load", "blocked"), [(1, 1.0, 0.5), (2, 1.0, 0.2), (10, 5.0, 0.018385)])
def test_erlang_b_is_the_table(servers, load, blocked):
    assert theory.erlang_b(servers, load) == pytest.approx(blocked, abs=1e-6)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.3), (3, 2.7), (10, 9.0), (40, 30.0)])
def test_erlang_b_and_c_are_their_sums(servers, load):
    terms = [load**n / factorial(n) for n in range(servers + 1)]
    waiting = terms[-1] * servers / (servers - load)
    assert theory.erlang_b(servers, load) == pytest.approx(terms[-1] / sum(terms))
    assert theory.erlang_c(servers, load) == pytest.approx(waiting / (sum(terms[:-1]) + waiting))


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (4, 3.6)])
def test_many_servers_are_their_states(servers, load):
    station = theory.mmc(load, 1.0, servers)
    _, waits, waiting = by_states(load, 1.0, servers, 2000)
    assert station.wait_probability == pytest.approx(waits)
    assert station.mean_waiting == pytest.approx(waiting)
    assert station.mean_number == pytest.approx(waiting + load)


@pytest.mark.parametrize("load", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("places", [1, 5, 30])
def test_a_bounded_queue_is_its_states(load, places):
    station = theory.mm1k(load, 1.0, places)
    blocked, busy, waiting = by_states(load, 1.0, 1, places)
    assert station.blocked == pytest.approx(blocked)
    assert station.utilization == pytest.approx(busy)
    assert station.mean_waiting == pytest.approx(waiting, abs=1e-12)
    assert station.mean_wait * load * (1 - blocked) == pytest.approx(waiting, abs=1e-12)
    assert station.mean_time == pytest.approx(station.mean_wait + 1)
    assert station.wait_probability == pytest.approx((busy - blocked) / (1 - blocked), abs=1e-12)


def test_a_bounded_queue_takes_any_load():
    assert theory.mm1k(1e6, 1.0, 1000).blocked == pytest.approx(1 - 1e-6)
    assert theory.mm1k(0.8, 1.0, 1000).mean_wait == pytest.approx(theory.mm1(0.8, 1.0).mean_wait)


def test_equal_services_halve_the_wait_and_exponential_ones_are_mm1():
    assert theory.md1(0.8, 1.0).mean_wait == pytest.approx(theory.mm1(0.8, 1.0).mean_wait / 2)
    general, exponential = theory.mg1(0.8, 1.0, 1.0), theory.mm1(0.8, 1.0)
    for name in Station.__slots__:
        assert getattr(general, name) == pytest.approx(getattr(exponential, name))


def test_the_wait_quantile_leaves_its_share_above():
    for share in (0.5, 0.95, 0.999):
        wait = theory.mmc_wait_quantile(share, 3.6, 1.0, 4)
        assert theory.erlang_c(4, 3.6) * exp(-0.4 * wait) == pytest.approx(1 - share)
    assert theory.mmc_wait_quantile(0.2, 3.6, 1.0, 4) == 0.0
    assert theory.mmc_wait_quantile(1.0, 3.6, 1.0, 4) == inf


@pytest.mark.parametrize("station", [theory.mm1(2.0, 1.0), theory.mmc(4.0, 1.0, 4), theory.md1(1.0, 1.0)])
def test_where_more_arrives_than_can_be_served_the_wait_has_no_end(station):
    assert station.utilization == station.wait_probability == 1.0
    assert station.mean_wait == station.mean_number == inf
    assert theory.mmc_wait_quantile(0.5, 4.0, 1.0, 4) == inf


def test_allen_and_cunneen_is_exact_where_the_wait_is_known():
    """M/M/c, and every M/G/1 (Pollaczek and Khinchine)."""
    for servers, load in [(1, 0.5), (4, 3.2), (30, 25.0)]:
        exact, near = theory.mmc(load, 1.0, servers), theory.ggc(load, 1.0, servers, 1.0, 1.0)
        assert near.mean_wait == pytest.approx(exact.mean_wait)
    for variance in (0.0, 0.25, 1.0, 9.0):
        exact, near = theory.mg1(0.8, 1.0, variance), theory.ggc(0.8, 1.0, 1, 1.0, variance)
        assert near.mean_wait == pytest.approx(exact.mean_wait)
        assert near.mean_waiting == pytest.approx(exact.mean_waiting)


def test_allen_and_cunneen_is_near_the_tables_of_m_d_c():
    """Wq of M/D/c over Wq of M/M/c is a half, and a little more for many servers (Cosmetatos 1975): 0.5 to 0.6."""
    wait = theory.ggc(8.0, 1.0, 10, 1.0, 0.0).mean_wait
    correction = 1 + (1 - 0.8) * (10 - 1) * ((4 + 5 * 10) ** 0.5 - 2) / (16 * 0.8 * 10)
    assert wait == pytest.approx(theory.mmc(8.0, 1.0, 10).mean_wait / 2 * correction, rel=0.1)


def test_nobody_waits_where_nothing_is_random_and_servers_are_enough():
    assert theory.ggc_wait_quantile(0.95, 10.0, 1.0, 10, 0.0, 0.0) == 0
    assert theory.ggc_wait_quantile(0.95, 10.1, 1.0, 10, 0.0, 0.0) == inf


def test_a_quantile_of_the_approximation_is_that_of_m_m_c_stretched():
    exact = theory.mmc_wait_quantile(0.99, 9.0, 1.0, 10)
    assert theory.ggc_wait_quantile(0.99, 9.0, 1.0, 10, 1.0, 3.0) == pytest.approx(2 * exact)
    assert theory.ggc_wait_quantile(0.95, 9.5, 1.0, 10, 1.0, 1.0) == pytest.approx(theory.mmc_wait_quantile(0.95, 9.5, 1.0, 10))


@pytest.mark.parametrize(("clients", "servers"), [(1, 1), (5, 2), (12, 3), (400, 7)])
def test_a_station_with_a_finite_source_is_its_balance_equations(clients, servers):
    think, service = 0.7, 2.0
    shares = [factorial(clients) // factorial(clients - n) * (think / service) ** n for n in range(clients + 1)] if clients < 100 else None
    station = theory.mmcn(clients, think, service, servers)
    throughput = station.mean_number / station.mean_time
    assert throughput == pytest.approx(clients / (station.mean_time + 1 / think)), "the response time law"
    assert station.utilization * servers == pytest.approx(throughput / service)
    assert station.mean_number == pytest.approx(station.mean_waiting + throughput / service)
    if shares:
        shares = [w / (factorial(n) if n <= servers else factorial(servers) * servers ** (n - servers)) for n, w in enumerate(shares)]
        assert station.mean_number == pytest.approx(sum(n * w for n, w in enumerate(shares)) / sum(shares))


def test_a_request_finds_what_the_others_alone_would_leave():
    """The arrival theorem: who asks sees the station of N - 1."""
    others, all_ = theory.mmcn(9, 1.0, 4.0), theory.mmcn(10, 1.0, 4.0)
    assert all_.mean_wait == pytest.approx(others.mean_number / 4.0)
    assert all_.wait_probability == pytest.approx(others.utilization)


def test_very_many_clients_who_seldom_ask_are_a_poisson_source():
    many, poisson = theory.mmcn(100_000, 0.8 / 100_000, 1.0), theory.mm1(0.8, 1.0)
    assert many.mean_time == pytest.approx(poisson.mean_time, rel=1e-3)


def test_where_there_is_a_server_for_each_client_nobody_waits():
    station = theory.mmcn(5, 1.0, 4.0, 5)
    assert station.mean_wait == station.wait_probability == 0 and station.mean_number == pytest.approx(5 / (1 + 4.0))


# --- examples and tables that are in print ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("servers", "load"), [(1, 0.0101), (2, 0.1526), (5, 1.361), (10, 4.461), (20, 12.03), (30, 20.34), (50, 37.90), (100, 84.06)]
)
def test_one_percent_is_lost_at_the_loads_of_the_traffic_tables(servers, load):
    """Erlang B at 1 % (ITU Teletraffic Engineering Handbook, Iversen, table of the traffic that c channels take)."""
    assert theory.erlang_b(servers, load) == pytest.approx(0.01, rel=4e-3)


def test_the_barber_shop():
    """GSTH, H. R. Cutt: 5 customers an hour, 12 minutes each: 5 in the shop, 4 1/6 wait, 50 minutes."""
    shop = theory.mm1(5, 5 + 1)
    assert (shop.mean_number, shop.mean_waiting) == pytest.approx((5, 4 + 1 / 6))
    assert shop.mean_wait * 60 == pytest.approx(50)


def test_the_eye_clinic():
    """GSTH: three doctors, 6 patients an hour, 20 minutes each: 8/9 wait, 4/27 of an hour."""
    clinic = theory.mmc(6, 3, 3)
    assert (clinic.mean_waiting, clinic.mean_wait) == pytest.approx((8 / 9, 4 / 27))


def test_the_emission_inspection_station():
    """GSTH: three stalls, room for four more, a car a minute, six minutes each: 3.09 wait, 6.06 are there, half drive on."""
    station = theory.mmck(1, 1 / 6, 3, 7)
    assert (station.mean_waiting, station.mean_number) == pytest.approx((3.09, 6.06), abs=0.005)
    assert 60 * station.blocked == pytest.approx(30.3, abs=0.1)


def test_the_county_hospital():
    """Hillier and Lieberman, Introduction to Operations Research, the emergency room with three classes of patients who are
    not interrupted (hours; with one doctor, and with two)."""
    alone, two = (theory.priorities([0.2, 0.6, 1.2], 1 / 3, doctors) for doctors in (1, 2))
    assert [each.mean_wait for each in alone][:2] == pytest.approx([0.238, 0.325], abs=0.0005)
    assert [each.mean_wait for each in two] == pytest.approx([0.029, 0.033, 0.048], abs=0.0005)


def test_a_television_station():
    """GSTH: 100,000 viewers an hour tune in for 90 minutes: 150,000 watch."""
    assert theory.mginf(100_000, 1.5).mean_number == 150_000


# --- against each other, and against sums ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("servers", "places"), [(1, 4), (3, 3), (3, 9), (8, 20)])
@pytest.mark.parametrize("load", [0.5, 3.0, 12.0])
def test_many_servers_with_a_bound_are_their_states(servers, places, load):
    station = theory.mmck(load, 1.0, servers, places)
    blocked, busy, waiting = by_states(load, 1.0, servers, places)
    assert station.blocked == pytest.approx(blocked)
    assert station.mean_waiting == pytest.approx(waiting, abs=1e-12)
    assert station.utilization * servers == pytest.approx(load * (1 - blocked)), "who enters is served"
    assert station.wait_probability * (1 - blocked) == pytest.approx(busy - blocked, abs=1e-12)
    assert station.mean_time == pytest.approx(station.mean_wait + 1)


def test_without_a_queue_it_is_erlangs_loss_and_with_very_much_room_it_is_m_m_c():
    assert theory.mmck(5.0, 1.0, 10, 10).blocked == pytest.approx(theory.erlang_b(10, 5.0))
    assert theory.mmck(8.0, 1.0, 10, 2000).mean_wait == pytest.approx(theory.mmc(8.0, 1.0, 10).mean_wait)


@pytest.mark.parametrize(("servers", "scv"), [(1, 0.0), (1, 1.0), (1, 4.0), (5, 1.0)])
def test_urgency_moves_the_wait_about_and_does_not_remove_it(servers, scv):
    """Kleinrock's conservation law: the waits weighted by load are those without priorities."""
    rates = [0.1 * servers, 0.4 * servers, 0.3 * servers]
    classes = theory.priorities(rates, 1.0, servers, scv)
    together = sum(rate * each.mean_wait for rate, each in zip(rates, classes, strict=True)) / sum(rates)
    assert together == pytest.approx(theory.ggc(sum(rates), 1.0, servers, 1.0, scv).mean_wait)
    assert classes[0].mean_wait < classes[1].mean_wait < classes[2].mean_wait


def test_a_class_for_which_no_time_is_left_waits_for_ever_and_the_urgent_do_not():
    urgent, rest = theory.priorities([0.5, 0.6], 1.0)
    assert rest.mean_wait == rest.mean_number == inf
    assert urgent.mean_wait == pytest.approx(1.0 / 0.5), "someone is always at work: a whole service, over 1 − σ"


def test_what_fails_and_comes_back_at_once_is_a_longer_service():
    """One server: a geometric number of exponential services is an exponential one."""
    failing, station = theory.feedback(0.4, 1.0, 1, 0.5), theory.mm1(0.4, 0.5)
    assert (failing.mean_number, failing.mean_time) == pytest.approx((station.mean_number, station.mean_time))
    assert theory.feedback(0.4, 1.0, 3, 0.0) == theory.mmc(0.4, 1.0, 3)
    several = theory.feedback(2.0, 1.0, 4, 0.3)
    assert several.mean_waiting == pytest.approx(2.0 * several.mean_wait), "Little, of all its attempts"
    assert several.mean_time == pytest.approx(several.mean_wait + 1 / 0.7)


def test_with_n_deliveries_the_mean_is_the_sum():
    p, n = 0.3, 4
    by_hand = sum(k * p ** (k - 1) * (1 - p) for k in range(1, n)) + n * p ** (n - 1)
    assert theory.attempts(p, n) == pytest.approx(by_hand)
    assert theory.attempts(p, None) == pytest.approx(1 / 0.7)
    assert theory.attempts(1.0, 5) == 5 and theory.attempts(1.0, None) == inf


def test_a_lease_of_two_services_costs_a_seventh_more():
    beyond = theory.exponential_beyond(20, 10)
    assert beyond == pytest.approx(exp(-2))
    assert theory.lease_load(3.0, 10, beyond) == pytest.approx(30 / (1 - exp(-2)))
    assert theory.lease_load(3.0, 10, beyond, 1) == pytest.approx(30) and theory.late_share(beyond, 2) == pytest.approx(exp(-4))


@pytest.mark.parametrize("x", [0.0, 0.7, 1.0, 3.0, 40.0])
def test_tails_are_those_of_another_library(x):
    sigma = np.log(3.0) / stats.norm.ppf(0.95)
    assert theory.exponential_beyond(x, 2.0) == pytest.approx(stats.expon.sf(x, scale=2.0))
    assert theory.uniform_beyond(x, 0.5, 3.5) == pytest.approx(stats.uniform.sf(x, 0.5, 3.0))
    assert theory.lognormal_beyond(x, 2.0, 6.0) == pytest.approx(stats.lognorm.sf(x, sigma, scale=2.0))
    assert theory.erlang_beyond(x, 2.0, 4) == pytest.approx(stats.erlang.sf(x, 4, scale=0.5))
    assert theory.pareto_beyond(x, 0.7, 1.5) == pytest.approx(stats.pareto.sf(x, 1.5, scale=0.7))
    assert theory.constant_beyond(x, 1.0) == (x < 1.0)
    assert theory.mix_beyond([(0.25, 1.0), (0.75, theory.exponential_beyond(x, 2.0))]) == pytest.approx(0.25 + 0.75 * exp(-x / 2))


def test_of_measured_times_those_above_count():
    assert [theory.empirical_beyond(x, [1, 2, 2, 5]) for x in (0, 1, 2, 4.9, 5)] == [1, 0.75, 0.25, 0.25, 0]
    assert theory.uniform_beyond(1, 2, 2) == theory.lognormal_beyond(1, 2, 2) == 1 and theory.lognormal_beyond(2, 2, 2) == 0


def test_little_is_a_product_also_of_fractions():
    assert theory.little(Fraction(3), Fraction(1, 3)) == 1


@pytest.mark.parametrize("stages", [1, 3, 200, 201, 1000])
@pytest.mark.parametrize("deviations", [-3, -1, 0, 1, 3, 4])
def test_many_stages_of_erlang_are_as_good_as_few(stages, deviations):
    x = 5 * (1 + deviations / stages**0.5)
    expected = stats.gamma.sf(x, stages, scale=5 / stages)
    assert theory.erlang_beyond(x, 5, stages) == pytest.approx(expected, rel=0.01)  # the normal alone is off by a factor of four


def test_the_work_of_all_attempts_is_a_sum_over_their_number():
    """Against the sum over n attempts, n with probability (1 − p) pⁿ⁻¹, and of exponential times an exponential one."""
    mean, variance, failing = 2.0, 3.0, 0.3
    chances = [(n, (1 - failing) * failing ** (n - 1)) for n in range(1, 200)]
    first = sum(chance * n * mean for n, chance in chances)
    second = sum(chance * (n * variance + (n * mean) ** 2) for n, chance in chances)
    assert theory.all_attempts(mean, variance, failing) == pytest.approx((first, second - first**2))
    assert theory.all_attempts(2.0, 4.0, 0.75) == pytest.approx((8.0, 64.0))


# --- nonsense ---------------------------------------------------------------------------------------------------------------

NAN = float("nan")


@pytest.mark.parametrize(
    ("asks", "says"),
    [
        (lambda: theory.mm1(1, 0), "service_rate is 0: it must be a finite number above 0"),
        (lambda: theory.mm1(-1, 1), "arrival_rate is -1: it must be a finite number, 0 or more"),
        (lambda: theory.mm1(NAN, 1), "arrival_rate is nan"),
        (lambda: theory.mmc(1, inf, 2), "service_rate is inf"),
        (lambda: theory.mmc(1, 1, 0), "servers is 0: it must be a whole number from 1 on"),
        (lambda: theory.mmc(1, 1, 1.5), "servers is 1.5"),
        (lambda: theory.mmc(1, 1, inf), "servers is inf"),
        (lambda: theory.mmc_wait_quantile(1.1, 1, 2), "share is 1.1: it must be a share from 0 to 1"),
        (lambda: theory.mm1k(1, 1, 0), "places is 0"),
        (lambda: theory.mmck(inf, 1, 1, 5), "arrival_rate is inf"),
        (lambda: theory.mmcn(0, 1, 1), "clients is 0"),
        (lambda: theory.mmcn(3, 0, 1), "think_rate is 0"),
        (lambda: theory.mmcn(3, 1, 1, -1), "servers is -1"),
        (lambda: theory.erlang_b(2, -1), "load is -1"),
        (lambda: theory.erlang_b(NAN, 1), "servers is nan"),
        (lambda: theory.erlang_c(-2, 1), "servers is -2"),
        (lambda: theory.ggc(1, 2, 1, -1, 1), "arrival_scv is -1"),
        (lambda: theory.ggc_wait_quantile(0.5, 1, 2, 0, 0, 0), "servers is 0"),
        (lambda: theory.mg1(1, 0.5, NAN), "service_variance is nan"),
        (lambda: theory.md1(1, -1), "service_time is -1"),
        (lambda: theory.mginf(-1, 1), "arrival_rate is -1"),
        (lambda: theory.priorities([1, -1], 1), "arrival_rate is -1"),
        (lambda: theory.priorities([1], NAN), "mean_service is nan"),
        (lambda: theory.feedback(1, 1, 1, 1.5), "failing is 1.5"),
        (lambda: theory.attempts(0.5, 0), "most is 0"),
        (lambda: theory.all_attempts(-1, 1, 0.5), "mean is -1"),
        (lambda: theory.lease_load(1, -1, 0.5), "mean_service is -1"),
        (lambda: theory.late_share(-0.5, 2), "outliving is -0.5"),
        (lambda: theory.little(-1, 1), "arrival_rate is -1"),
        (lambda: theory.exponential_beyond(1, 0), "mean is 0"),
        (lambda: theory.constant_beyond(NAN, 0), "x is nan"),
        (lambda: theory.uniform_beyond(1, 2, 1), "most is 1: it must not be below least, 2"),
        (lambda: theory.lognormal_beyond(1, 2, 1), "p95 is 1: it must not be below median, 2"),
        (lambda: theory.erlang_beyond(1, 1, 0), "stages is 0"),
        (lambda: theory.pareto_beyond(1, 1, 0), "alpha is 0"),
        (lambda: theory.empirical_beyond(1, []), "one value at least"),
    ],
)
def test_nonsense_is_refused_by_name(asks, says):
    with pytest.raises(ValueError, match=says):
        asks()


def test_where_nobody_comes_nobody_waits():
    for station in (theory.mm1(0, 1), theory.mm1k(0, 1, 3), theory.mg1(0, 1, inf), theory.ggc(0, 1, 2, 1, inf)):
        assert (station.mean_wait, station.mean_number, station.utilization, station.blocked) == (0, 0, 0, 0)
        assert station.mean_time == 1
    assert theory.little(0, inf) == theory.lease_load(0, 1, 1.0) == 0


def test_what_always_fails_is_never_done_with():
    assert theory.feedback(0.1, 1, 2, 1.0).mean_time == theory.lease_load(1, 1, 1.0) == inf


def test_a_flood_is_refused_but_for_the_trickle_that_is_served():
    flooded = theory.mmck(1e20, 1.0, 2, 5)
    assert flooded.mean_time == pytest.approx(2.5) and flooded.blocked == 1, "five places, two services a unit of time"
