"""The formulas against numbers from books, against sums over all states, and against each other."""

from math import exp, factorial, inf

import pytest

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
