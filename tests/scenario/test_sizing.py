"""What is advised: for scenarios whose numbers are known, and where there is nothing to say, why."""

from dataclasses import replace
from fractions import Fraction

import pytest

from qsim.scenario.load import read
from qsim.scenario.plan import Autoscale, Clients, Constant, DependencyPlan, Emit, Lognormal, Policy
from qsim.scenario.sizing import Target, sections
from qsim.units import MILLISECOND, MINUTE, SECOND

TEXT = """
qsim: 1
name: shop
run: {duration: 1h}
queues:
  jobs: {profile: sqs-standard}
producers:
  api: {to: jobs, rate: 50/s}
consumers:
  worker: {from: jobs, count: 8, service: {exponential: {mean: 100ms}}}
"""


def plan(text=TEXT, **sets):
    return read(text=text, sets=[f"{path.replace('__', '.')}={value}" for path, value in sets.items()]).plan


def found(plan, target=None, section=0):
    """The findings of one section by name (of two of a name the first)."""
    given = sections(plan, target)[section]
    return {finding.name: finding for finding in reversed(given.findings)}


def test_load_and_capacity_by_hand():
    told = found(plan())
    assert told["arrivals"].value == 50
    assert told["offered load"].value == pytest.approx(5)
    assert told["capacity"].value == pytest.approx(80)
    assert told["stable"].says == "yes"
    assert told["just enough"].value == 6
    assert told["short waits"].value == 8  # Erlang C: C(7, 5) = 0.324, 93 ms; C(8, 5) = 0.167, 40 ms
    assert "ln(0.167/0.05)/30/s" in told["short waits"].numbers and told["short waits"].source.startswith("Erlang")


def test_the_target_can_be_another():
    assert found(plan(), Target(wait=1.0))["short waits"].value == 6
    assert found(plan(), Target(wait=0.001, share=0.999))["short waits"].value > 12


def test_failures_are_received_again():
    told = found(plan(consumers__worker__failures="{error: 20%}"))
    assert told["receives"].value == pytest.approx(1.25)
    assert told["offered load"].value == pytest.approx(6.25)
    assert told["capacity"].value == pytest.approx(64)


def test_poison_costs_all_its_receives():
    text = TEXT.replace("sqs-standard}", "sqs-standard, dlq: {queue: dead, max_receives: 4}}\n  dead: {profile: sqs-standard}")
    told = found(plan(text, producers__api__message="{poison: 10%}"))
    assert told["receives"].value == pytest.approx(0.9 + 0.4)
    assert told["max_receives"].value == 0
    hopeless = sections(plan(producers__api__message="{poison: 10%}"))[0]
    assert "for ever" in hopeless.notes[0] and "offered load" not in {f.name for f in hopeless.findings}


def test_chance_dead_letters_sound_messages():
    text = TEXT.replace("sqs-standard}", "sqs-standard, dlq: {queue: dead, max_receives: 3}}\n  dead: {profile: sqs-standard}")
    told = found(plan(text, consumers__worker__failures="{error: 5%}"))["max_receives"]
    assert told.value == pytest.approx(0.05**3)
    assert "125 sound messages in a million" in told.says and "5 would be at most one" in told.says


def test_leases_that_end_during_the_work_make_more_of_it():
    """visibility-timeout: "offered load rose from 17.4 to 77.4 busy consumers; there are 40"."""
    told = found(read("visibility-timeout").plan)
    assert told["late work"].value == pytest.approx(77.375)
    assert "instead of 17.38; there are 40" in told["late work"].says
    assert "5 % of the attempts outlive it; set 15m" in told["lease"].says
    beating = found(read("visibility-timeout", variant="heartbeat").plan)
    assert "late work" not in beating and "outlives 2 missed beats" in beating["lease"].says


def test_a_kind_of_work_that_nobody_has_outlives_no_lease():
    """Its attempts would be without number, and so the load."""
    kinds = "{mix: [{share: 0%, time: 1h}, {share: 50%, time: 10ms}, {share: 50%, time: {exponential: {mean: 1s}}}]}"
    told = found(plan(consumers__worker__service=kinds, queues__jobs__visibility_timeout="2s"))
    assert told["late work"].numbers.startswith("q = 0, ")


def test_a_lease_lasts_for_the_whole_batch():
    told = found(plan(consumers__worker__poll="{batch: 10}", consumers__worker__service="5s", consumers__worker__count=400))
    assert told["lease"].value == 50 and "set 1m" in told["lease"].says


def test_a_backlog_after_a_stop():
    told = found(plan(), Target(outage=10 * MINUTE))["drain"]
    assert told.value == pytest.approx(30_000 / 30)
    assert found(plan(consumers__worker__count=5))["drain"].value is None


def test_retention_is_held_against_the_longest_wait():
    kept = found(plan(queues__jobs__retention="1h"), Target(outage=2 * 60 * MINUTE))["retention"]
    assert "too short" in kept.says and kept.value == 7200
    assert "enough" in found(plan())["retention"].says


def test_a_group_is_one_server():
    text = TEXT.replace("sqs-standard", "sqs-fifo").replace("rate: 50/s", "rate: 50/s, message: {group: {keys: 4}}")
    told = found(plan(text))
    assert told["capacity"].value == pytest.approx(40)  # four groups, not eight consumers
    assert "no number of consumers" in told["just enough"].says
    assert told["hottest group"].value == pytest.approx(1.25)
    assert told["receive calls"].value == pytest.approx(50)


def test_consumers_that_are_pushed_to():
    text = TEXT.replace("sqs-standard", "rabbitmq-classic")
    told = found(plan(text, consumers__worker__push="{prefetch: 50}"))["prefetch"]
    assert told.value == 1 and "the last of them waits 5s" in told.says
    assert "the first takes all" in found(plan(text))["prefetch"].says


def test_a_dependency_is_the_bottleneck():
    """black-friday: 40 calls / 187 ms = 213/s, and from 51 consumers on more of them only wait."""
    given = plan(consumers__worker__service="50ms", consumers__worker__count=60)
    payments = DependencyPlan("payments", 0, 40, Lognormal(150 * MILLISECOND, 450 * MILLISECOND), None, None)
    worker = replace(given.consumers[0], uses=(0,))
    given = replace(given, dependencies=(payments,), consumers=(worker,))
    told = found(given, section=1)
    assert told["capacity"].value == pytest.approx(213.4, abs=0.2)
    assert told["bottleneck"].value == 51
    assert found(given)["offered load"].value == pytest.approx(50 * 0.2374, abs=0.01)
    assert "payments lets 213.4/s through" in found(given)["capacity"].says
    busy = replace(given, producers=(replace(given.producers[0], rate=Fraction(240)),))
    assert found(busy)["stable"].says == "no: the backlog grows 26.65/s"  # 60 could: 252/s
    assert found(given, Target(outage=10 * MINUTE))["drain"].value == pytest.approx(30_000 / (213.35 - 50), rel=1e-3)


def test_a_backlog_per_consumer_is_an_acceptable_wait():
    """black-friday: 10 s acceptable latency / (50 ms + 187 ms) = 42."""
    given = plan(consumers__worker__service="237ms", consumers__worker__count=6, producers__api__rate="200/s")
    scale = Autoscale(
        Policy.BACKLOG_PER_CONSUMER, (), 42.0, 6, 60, MINUTE, MINUTE, Constant(90 * SECOND), 0.1, 5 * MINUTE, True
    )
    worker = replace(given.consumers[0], autoscale=scale)
    given = replace(given, consumers=(worker,))
    told = sections(given, Target(wait=10.0))[0].findings
    means, target = [finding for finding in told if finding.name == "autoscaler"]
    assert means.value == pytest.approx(42 * 0.237)
    assert target.value == pytest.approx(10 / 0.237) and target.says.startswith("target 42 messages")
    [lag] = [finding for finding in told if finding.name == "scaling lag"]
    assert lag.value == pytest.approx((200 - 6 / 0.237) * 210)


def test_what_is_emitted_arrives_further_on():
    text = TEXT.replace("  jobs: {profile: sqs-standard}", "  jobs: {}\n  mails: {}") + "  mailer: {from: mails, count: 2, service: 10ms}\n"
    given = plan(text)
    worker, mailer = given.consumers
    given = replace(given, consumers=(replace(worker, emits=(Emit(1, False),)), mailer))
    assert found(given, section=1)["arrivals"].value == pytest.approx(50)
    round_and_round = replace(given, consumers=(given.consumers[0], replace(mailer, emits=(Emit(0, False),))))
    assert "goes round in a circle" in sections(round_and_round)[1].notes[0]


def test_a_closed_loop_has_no_rate_of_its_own():
    given = plan()
    looping = replace(given.producers[0], clients=Clients(10, Constant(SECOND)))
    section = sections(replace(given, producers=(looping,)))[0]
    assert "api is a closed loop" in section.notes[0]
    assert {finding.name for finding in section.findings} == {"lease"}


def test_who_sends_a_hundred_and_stops_leaves_a_backlog_and_no_load():
    section = sections(plan(producers__api__limit="100"))[0]
    told = {finding.name: finding for finding in section.findings}
    assert "offered load" not in told and told["backlog"].value == pytest.approx(100 / 80)
    assert "api sends 100 messages and stops" in section.notes[0]
    assert found(plan(producers__api__limit="1000000"))["offered load"].value == pytest.approx(5)


def test_two_consumers_of_one_queue_share_it():
    text = TEXT + "  other: {from: jobs, count: 2, service: 100ms}\n"
    assert found(plan(text))["arrivals"].value == pytest.approx(40)
    assert found(plan(text), section=1)["arrivals"].value == pytest.approx(10)
    assert "other consumers" in sections(plan(text))[0].notes[0]


def test_what_gets_nothing_says_so():
    text = TEXT.replace("  jobs: {profile: sqs-standard}", "  jobs: {}\n  idle: {}").replace("from: jobs", "from: idle")
    assert "nothing that the file tells of" in sections(plan(text))[0].notes[0]


def test_the_warning_counts_what_the_consumer_calls():
    """8 consumers of 100 ms finish 80/s; with a call of 100 ms they finish 40/s, and 50/s arrive."""
    calling = TEXT + "dependencies: {payments: {capacity: 100, service: 100ms}}\n"
    [said] = [p for p in read(text=calling.replace("count: 8", "count: 8, uses: payments")).problems if p.code == "A100"]
    assert said.message == "jobs is not stable: 50/s arrive, 8 consumers finish 40/s"
    assert not [p for p in read(text=calling).problems if p.code == "A100"]
