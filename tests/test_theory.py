"""The formulas against numbers in print, against chains and integrals solved numerically, and against each other.

GSTH: Gross, Shortle, Thompson and Harris, *Fundamentals of Queueing Theory*, 4th edition (Wiley 2008).
"""

from fractions import Fraction
from math import exp, factorial, inf

import numpy as np
import pytest
from scipy import integrate, sparse, stats
from scipy.sparse import linalg

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
    """Worked at rstudio-pubs-static.s3.amazonaws.com/305152_deb4ef47278a4a20a136768a8293127e.html."""
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
    ("lines", "load"), [(1, 0.020), (3, 0.602), (5, 1.657), (9, 4.345), (15, 9.010), (29, 21.039), (59, 48.700), (89, 77.342)]
)
def test_two_percent_are_lost_at_the_loads_of_the_traffic_table(lines, load):
    """Erlang B at 2 %: garywagoner.tripod.com/traffic/ERLANG.HTML."""
    assert theory.erlang_b(lines, load) == pytest.approx(0.02, rel=0.02 if lines == 1 else 2e-3), "the table is rounded"


def test_fifteen_lines_of_which_one_call_in_a_hundred_is_blocked():
    """erlang.com/calculatormanual/howmuchtrafficcanatrunkgrouphandle.htm: 8.108 erlang."""
    assert theory.erlang_b(15, 8.1075) < 0.01 < theory.erlang_b(15, 8.1085)


def test_a_call_centre_of_55():
    """0.2 calls a second of 240 s: a worked example in Maxima after www.mitan.co.uk/erlang/elgcmath.htm."""
    assert theory.erlang_c(55, 0.2 * 240) == pytest.approx(0.2387, abs=5e-5)
    assert theory.mmc(0.2, 1 / 240, 55).mean_wait == pytest.approx(8.184, abs=5e-4)
    assert theory.mmc_wait_quantile(0.8459, 0.2, 1 / 240, 55) == pytest.approx(15, abs=0.02)


def test_ten_assistants():
    """120 customers an hour, 3 minutes each, Erlang C by its curve: "about 0.10" (a question on math.stackexchange.com)."""
    assert theory.erlang_c(10, 6.0) == pytest.approx(0.10, abs=0.005)


def test_three_servers_and_one():
    """R. Bronson, *Operations Research* (Schaum 1982), examples 23.3, 23.14 and 24.6 as quoted at
    web.ist.utl.pt/mcasquilho/compute/or/Fx-queuevars.php, years and days."""
    three = theory.mmc(300, 182.5, 3)
    assert (three.mean_waiting, three.mean_number) == pytest.approx((0.352, 1.996), abs=5e-4)
    assert (three.mean_wait, three.mean_time) == pytest.approx((0.001175, 0.006654), abs=5e-7)
    assert (theory.mm1(24, 30).mean_number, theory.mm1(24, 30).mean_time) == pytest.approx((4, 1 / 6))
    assert (theory.mm1(30, 40).mean_waiting, theory.mm1(30, 40).mean_wait * 60) == pytest.approx((2.25, 4.5))


def test_three_tellers():
    """R. E. Trueman (1977) in the HP-12C Solutions Handbook: 1.2 customers a minute, 2 minutes each."""
    tellers = theory.mmc(1.2, 0.5, 3)
    assert tellers.mean_wait / 2 == pytest.approx(1.079, abs=5e-4)
    assert (tellers.mean_time, tellers.mean_number) == pytest.approx((4.16, 4.99), abs=5e-3)


def test_the_barber_shop():
    """GSTH, H. R. Cutt: 5 customers an hour, 10 minutes each: 5 in the shop, 4 1/6 wait, 50 minutes."""
    shop = theory.mm1(5, 6)
    assert (shop.mean_number, shop.mean_waiting) == pytest.approx((5, 4 + 1 / 6))
    assert shop.mean_wait * 60 == pytest.approx(50)


def test_the_eye_clinic():
    """GSTH: three doctors, 6 patients an hour, 20 minutes each: 8/9 wait, 4/27 of an hour; 28.9 minutes in all, as
    tests/MMC.test.ts of AlgoGraph/Queuing-theory on GitHub has it too."""
    clinic = theory.mmc(6, 3, 3)
    assert (clinic.mean_waiting, clinic.mean_wait) == pytest.approx((8 / 9, 4 / 27))
    assert clinic.mean_time * 60 == pytest.approx(28.89, abs=0.005)


def test_the_emission_inspection_station():
    """GSTH: three stalls, room for four more, a car a minute, six minutes each: 3.09 wait, 6.06 are there, half drive on."""
    station = theory.mmck(1, 1 / 6, 3, 7)
    assert (station.mean_waiting, station.mean_number) == pytest.approx((3.09, 6.06), abs=0.005)
    assert 60 * station.blocked == pytest.approx(30.3, abs=0.1)


def test_a_service_centre_with_three_places():
    """Two servers of rate 3, or one of rate 6, and 4 customers an hour (an exercise in S. Ross, *Introduction to
    Probability Models*; worked at quesba.com, a-service-center-consists-of-two-servers): 0.15534, and 8/65."""
    assert theory.mmck(4, 3, 2, 3).blocked == pytest.approx(0.15534, abs=5e-6)
    assert theory.mm1k(4, 6, 3).blocked == pytest.approx(0.12307, abs=1e-5), "8 / 65, cut"


def test_a_car_wash():
    """Every 10 minutes a car, each takes 6: 0.45 wait (code.policylink.org/comparte/24279479)."""
    assert theory.md1(1 / 10, 6).mean_waiting == pytest.approx(0.45)


FINITE = {
    (0.012, 1): (0.048, 0.999), (0.025, 1): (0.100, 0.997), (0.050, 1): (0.198, 0.989),
    (0.060, 2): (0.020, 0.999), (0.060, 1): (0.237, 0.983), (0.070, 2): (0.027, 0.999), (0.070, 1): (0.275, 0.977),
    (0.080, 2): (0.035, 0.998), (0.080, 1): (0.313, 0.969), (0.090, 2): (0.044, 0.998), (0.090, 1): (0.350, 0.960),
    (0.100, 2): (0.054, 0.997), (0.100, 1): (0.386, 0.950),
}  # fmt: skip


@pytest.mark.parametrize(("factor", "servers"), FINITE)
def test_the_finite_queuing_tables(factor, servers):
    """Five clients, service factor X = T / (T + U): D, the share that waits, and F = 1 − Lq / N (L. G. Peck and R. N.
    Hazelwood, *Finite Queuing Tables* (1958); this page at www.coursehero.com/file/8871054)."""
    station = theory.mmcn(5, factor / (1 - factor), 1.0, servers)
    waits, efficiency = FINITE[factor, servers]
    assert station.wait_probability == pytest.approx(waits, abs=6e-4)
    assert 1 - station.mean_waiting / 5 == pytest.approx(efficiency, abs=6e-4)


def test_two_kinds_of_lots():
    """1 and 9 lots an hour at a machine of 12 an hour: 0.15909 and 0.5379 hours (by N. U. Prabhu's formulas of 1981)."""
    urgent, rest = theory.priorities([1, 9], 1 / 12)
    assert urgent.mean_time == pytest.approx(0.15909, abs=5e-6) and rest.mean_time == pytest.approx(0.5379, abs=5e-5)


# --- against computations of another kind: chains solved as linear equations, integrals ---------------------------------------


def equilibrium(steps):
    """The probabilities that a matrix of transition probabilities leaves as they are."""
    n = len(steps)
    equations = np.vstack([(steps.T - np.eye(n))[:-1], np.ones(n)])
    return np.linalg.solve(equations, np.eye(n)[-1])


def as_many_as_arrive(n, left, of):
    """Transition probabilities: ``left(i)`` of i are left, and some arrive, of(k) of them with what probability."""
    steps = np.zeros((n, n))
    for i in range(n):
        steps[i, left(i) :] = of(np.arange(n - left(i)))
    return steps / steps.sum(axis=1, keepdims=True)


def constant_services(load, servers, n=400):
    """Lq of M/D/c by Crommelin's chain: who is at work is gone a service later, and those who came since are there."""
    shares = equilibrium(as_many_as_arrive(n, lambda i: max(0, i - servers), lambda k: stats.poisson.pmf(k, load)))
    return sum(max(0, i - servers) * share for i, share in enumerate(shares))


@pytest.mark.parametrize("load", [0.3, 0.8, 0.9])
def test_constant_services_are_crommelins_chain(load):
    assert theory.md1(load, 1.0).mean_waiting == pytest.approx(constant_services(load, 1))


@pytest.mark.parametrize(("servers", "load"), [(2, 1.6), (10, 8.0), (10, 9.5)])
def test_allen_and_cunneen_is_near_crommelins_chain(servers, load):
    """M/D/c: the approximation is half the wait of M/M/c, the truth a little more: by 7 % at 10 servers and 80 %."""
    near, exact = theory.ggc(load, 1.0, servers, 1.0, 0.0).mean_waiting, constant_services(load, servers)
    assert 0.9 * exact < near < exact


@pytest.mark.parametrize(
    ("variance", "arrivals"),
    [
        (0.5**2 / 4, lambda k: stats.nbinom.pmf(k, 4, 8 / (8 + 1.6))),
        (0.9 * 0.1**2 + 0.1 * 4.1**2 - 0.25, lambda k: 0.9 * stats.poisson.pmf(k, 0.16) + 0.1 * stats.poisson.pmf(k, 6.56)),
    ],
    ids=["erlang 4", "mix of 0.1 and 4.1"],
)
def test_any_services_are_the_chain_of_departures(variance, arrivals):
    """Who is left behind by one who leaves: one fewer, and those who came meanwhile (D. G. Kendall 1953)."""
    shares = equilibrium(as_many_as_arrive(800, lambda i: max(0, i - 1), arrivals))
    number = sum(i * share for i, share in enumerate(shares))
    assert theory.mg1(1.6, 0.5, variance).mean_number == pytest.approx(number, rel=1e-6)


def test_so_many_are_at_work_as_still_have_something_to_do():
    """M/G/inf: λ ∫ P(S > u) du, by quadrature."""
    inside = 3 * integrate.quad(lambda u: theory.lognormal_beyond(u, 2.0, 6.0), 0, inf)[0]
    sigma = np.log(3.0) / stats.norm.ppf(0.95)
    assert theory.mginf(3, 2.0 * exp(sigma**2 / 2)).mean_number == pytest.approx(inside, rel=1e-6)


def by_urgency(rates, service_rate, servers, places=(8, 18, 60)):
    """Mean waits of three classes who are not interrupted: the balance equations of all (busy), or of all (waiting)."""
    idle, size = np.arange(servers), int(np.prod(places))
    waiting = np.indices(places).reshape(3, size)
    state = servers + np.arange(size)
    strides = np.array([places[1] * places[2], places[2], 1])
    moves = [(idle[:-1], idle[1:], sum(rates)), ([servers - 1], [servers], sum(rates))]
    moves += [(idle[n], idle[n - 1], n * service_rate) for n in range(1, servers)]
    free = np.ones(size, bool)
    for rate, stride, count, room in zip(rates, strides, waiting, places, strict=True):
        moves.append((state[count < room - 1], state[count < room - 1] + stride, rate))
        moves.append((state[free & (count > 0)], state[free & (count > 0)] - stride, servers * service_rate))
        free &= count == 0
    moves.append((state[:1], [servers - 1], servers * service_rate))
    flow = sparse.lil_matrix((servers + size, servers + size))
    for begins, ends, rate in moves:
        flow[ends, begins] = rate
    flow.setdiag(-np.asarray(flow.sum(axis=0)).ravel())
    flow[0] = 1.0
    shares = linalg.spsolve(flow.tocsc(), np.eye(1, servers + size).ravel())
    return [float(count @ shares[servers:]) / rate for count, rate in zip(waiting, rates, strict=True)]


@pytest.mark.parametrize("doctors", [1, 2])
def test_the_county_hospital(doctors):
    """Hillier and Lieberman, *Introduction to Operations Research*, three classes of patients in an emergency room: 0.238
    and 0.325 h with one doctor, 0.029, 0.033 and 0.048 h with two.  What we remember of the third class with one doctor,
    0.889, cannot be: the waits weighted by arrivals must be those without priorities (Kleinrock), and the balance
    equations, solved here, say 0.909 as Cobham does."""
    rates = [0.2, 0.6, 1.2]
    waits = [each.mean_wait for each in theory.priorities(rates, 1 / 3, doctors)]
    assert waits == pytest.approx(by_urgency(rates, 3.0, doctors), rel=1e-6)
    assert waits == pytest.approx([[0.238, 0.325, 0.909], [0.029, 0.033, 0.048]][doctors - 1], abs=5e-4)
    together = sum(rate * wait for rate, wait in zip(rates, waits, strict=True))
    assert together == pytest.approx(theory.mmc(2, 3, doctors).mean_waiting)


@pytest.mark.parametrize("servers", [1, 3])
def test_who_fails_and_stays_is_a_server_that_is_slower(servers):
    """M/M/c with feedback by its states: a service ends with a departure in 1 − p of all cases."""
    load, failing = 0.6 * servers, 0.25
    station = theory.feedback(load * (1 - failing), 1.0, servers, failing)
    _, waits, waiting = by_states(load * (1 - failing), 1 - failing, servers, 2000)
    assert station.wait_probability == pytest.approx(waits) and station.mean_waiting == pytest.approx(waiting)
    assert station.mean_number == pytest.approx(waiting + load)


@pytest.mark.parametrize("most", [1, 3, 200])
def test_every_attempt_is_worked_to_its_end(most):
    """Leases: a published number is not known to us.  Attempt k is made by who outlived k − 1 leases, of each by
    quadrature of the density, and keeps a server for as long as any."""
    outlives = integrate.quad(lambda x: stats.gamma.pdf(x, 3, scale=4), 20, inf)[0]
    busy = sum(0.5 * outlives ** (k - 1) * 12 for k in range(1, most + 1))
    assert theory.lease_load(0.5, 12, theory.erlang_beyond(20, 12, 3), most) == pytest.approx(busy)


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
