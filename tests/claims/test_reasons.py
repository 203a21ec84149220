"""What a failure teaches: the decisive event, a direction, a lesson, and with the same seed what is to blame."""

from pathlib import Path

import pytest

import qsim
from qsim.claims import lessons, what_if
from qsim.claims.alarms import LATER, SOONER
from qsim.claims.expect import CheckFailed, expect
from qsim.claims.table import CLAIMS
from qsim.scenario.reference import METRICS

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def scenario(text, duration="100s"):
    return qsim.load(text=f"qsim: 1\nname: small\nrun: {{duration: {duration}}}\n" + text)


def told(claim):
    with pytest.raises(CheckFailed) as caught:
        claim()
    return str(caught.value)


def part(text, head):
    """The lines under a head of the feedback."""
    found, inside = [], False
    for line in text.splitlines()[1:]:
        if line[4:19].strip():
            inside = line[4:19].strip() == head
        if inside:
            found.append(line[19:])
    return found


# --- growth -----------------------------------------------------------------------------------------------------------

SHOP = """
queues: {{orders: {{}}}}
producers: {{shop: {{to: orders, rate: 100/s, arrivals: regular}}}}
consumers: {{worker: {{from: orders, count: {count}, service: 100ms}}}}
"""


@pytest.mark.parametrize("count", [7, 9])
def test_a_growth_to_order_is_an_equation_that_the_answer_solves(count):
    r = scenario(SHOP.format(count=count)).run()
    said = told(lambda: expect(r).that("orders.visible at end").equals(2_000))
    assert part(said, "Try") == [
        "growth is a difference: 100/s - n/100ms = 20/s. Solve it for n (consumers.worker.count), or with the n there is for the rate that comes"
    ]
    expect(scenario(SHOP.format(count=8)).run()).that("orders.visible at end").equals(2_000)  # the n that solves it
    grown = told(lambda: expect(r).that("orders.visible").grows_at("20/s"))
    assert part(grown, "Try") == part(said, "Try")


def test_a_direction_never_says_the_number():
    r = scenario(SHOP.format(count=7)).run()
    said = told(lambda: expect(r).stable("orders"))
    assert part(said, "Try")[0].startswith("find the fewest n with n/100ms not below 100/s")
    assert part(said, "See") == ["lesson 01-core-model, section Explain"]


# --- what runs again --------------------------------------------------------------------------------------------------

JOBS = """
queues: {{jobs: {{profile: sqs-standard, visibility_timeout: {lease}, imperfections: {{reorder: 0}}}}}}
producers: {{api: {{to: jobs, rate: 1/s, arrivals: regular, limit: 20}}}}
consumers: {{worker: {{from: jobs, count: 40, service: 5s{failures}}}}}
"""
CRASHES = ", failures: {crash: 30%, crash_at: before-ack}"


def test_leases_that_the_work_outlives_are_named_with_the_moment_and_blamed():
    r = scenario(JOBS.format(lease="3s", failures="")).run()
    said = told(lambda: expect(r).each_message("jobs").runs_at_most(1))
    because = part(said, "Because")
    assert any("leases ended while the work still went on" in line for line in because)
    assert "api:0: its lease ended at 3s, and worker-1 was at work until 5s" in because
    assert part(said, "What if")[-1] == "with the same seed and endless leases this check passes, so the cause is the leases that end"
    assert "heartbeat" in part(said, "Try")[0]


def test_crashes_are_named_with_the_moment_and_blamed():
    r = scenario(JOBS.format(lease="20s", failures=CRASHES)).run()
    assert r["jobs.lease_expired total"] > 0
    said = told(lambda: expect(r).at_most_once("jobs"))
    because = part(said, "Because")
    assert any("died at" in line and "after its effect at" in line and "received it again at" in line for line in because)
    assert part(said, "What if")[-1] == "with the same seed and no crashes this check passes, so the cause is the crashes"
    assert "one step" in part(said, "Try")[0]


def test_a_window_too_short_is_told_the_longest_gap():
    text = JOBS.format(lease="20s", failures=CRASHES + ", idempotent: {remember: 1s}")
    r = scenario(text).run()
    said = told(lambda: expect(r).each_message("jobs").runs_at_most(1))
    assert "worker remembers for 1s, and the longest time from one effect to the next of the same message was " in said
    assert "remember a message for longer" in part(said, "Try")[0]


def test_what_dies_with_a_consumer_that_had_acked_is_counted():
    r = scenario(
        "queues: {jobs: {}}\nproducers: {api: {to: jobs, rate: 1/s, arrivals: regular}}\n"
        "consumers: {worker: {from: jobs, service: 100ms, ack: on-receive, failures: {crash: 20%}}}\n"
    ).run()
    lost = r["jobs.lost total"]
    said = told(lambda: expect(r).no_message_lost())
    because = part(said, "Because")
    assert f"lost: {lost} acked on receive by a consumer that died or failed before the effect" in because
    assert part(said, "What if")[-1] == "with the same seed and no crashes this check passes, so the cause is the crashes"
    assert part(said, "Try") == ["ack after the work, not before it (ack: after-success)"]


def test_what_a_full_queue_drops_is_no_crash():
    r = scenario(
        "queues: {jobs: {capacity: {messages: 5, when_full: drop-oldest}}}\n"
        "producers: {api: {to: jobs, rate: 10/s, arrivals: regular}}\nconsumers: {worker: {from: jobs, service: 1s}}\n"
    ).run()
    said = told(lambda: expect(r).no_message_lost())
    assert f"lost: {r['jobs.lost total']:,} thrown away by a full queue" in part(said, "Because")
    assert "with the same seed" not in said, "there is nothing to switch off"
    assert "when_full" in part(said, "Try")[0]


def test_poison_is_blamed_for_dead_letters_and_errors_are_not():
    r = scenario(
        "queues: {jobs: {dlq: {queue: dead, max_receives: 3}}, dead: {}}\n"
        "producers: {api: {to: jobs, rate: 1/s, arrivals: regular, message: {poison: {first: 2}}}}\n"
        "consumers: {worker: {from: jobs, service: 100ms, failures: {error: 1%}}}\n"
    ).run()
    said = told(lambda: expect(r).that("jobs.dead_lettered total").equals(0))
    because = part(said, "Because")
    assert "dead-lettered: 2 poison, 0 others" in because
    assert part(said, "What if")[-1] == "with the same seed and no poison this check passes, so the cause is the poison"
    assert part(said, "See")[-1] == "lesson 04-dead-letters, section Explain"


def test_what_shows_nowhere_else_is_suspected_first():
    """Each dead letter failed, as others did who came through; all of them are poison, and nobody else is."""
    r = scenario(
        "queues: {jobs: {dlq: {queue: dead, max_receives: 3}}, dead: {}}\n"
        "producers: {api: {to: jobs, rate: 10/s, arrivals: regular, message: {poison: {first: 2}}}}\n"
        "consumers: {worker: {from: jobs, count: 3, service: 100ms, failures: {error: 5%}}}\n"
    ).run()
    said = told(lambda: expect(r).that("jobs.dead_lettered poison total").equals(0))
    assert part(said, "What if") == [
        "with the same seed and no poison this check passes, so the cause is the poison"
    ]


def test_what_is_not_to_blame_is_said_too():
    r = scenario(SHOP.format(count=7).replace("service: 100ms", "service: 100ms, failures: {crash: 1%}")).run()
    said = told(lambda: expect(r).stable("orders"))
    assert "with the same seed and no crashes this check fails too" in said
    assert "so the cause is" not in said


def test_what_cannot_be_told_without_it_does_not_fail_too():
    """Where nobody crashes nothing is recovered."""
    text = JOBS.format(lease="30s", failures=", failures: {crash: 30%, restart_after: 1s}")
    said = told(lambda: expect(scenario(text).run()).that("jobs.recovery_time max").below("1s"))
    assert "with the same seed and no crashes there is nothing to tell it from" in said, said


def test_the_low_priority_hears_who_comes_first():
    r = scenario(
        "queues: {mail: {priorities: [urgent, normal]}}\n"
        "producers: {shop: {to: mail, rate: 12/s, arrivals: regular, message: {priority: {urgent: 75%, normal: 25%}}}}\n"
        "consumers: {mailer: {from: mail, service: 100ms}}\n"
    ).run()
    said = told(lambda: expect(r).that("mail.latency.normal p95").below("1s"))
    assert any(line.startswith("urgent comes first: ") for line in part(said, "Because"))
    assert "a queue and consumers of its own" in part(said, "Try")[0]
    assert part(said, "See")[-1] == "lesson 06-priority-and-delay, section Explain"


# --- runs that are not made again -------------------------------------------------------------------------------------


def test_a_long_run_is_not_made_again(monkeypatch):
    r = scenario(JOBS.format(lease="3s", failures="")).run()
    monkeypatch.setattr(what_if, "QUICK", 10)
    assert "with the same seed" not in told(lambda: expect(r).each_message("jobs").runs_at_most(1))


def test_no_more_than_two_runs_are_made(monkeypatch):
    made = []
    monkeypatch.setattr(what_if, "simulate", lambda *given: made.append(given) or simulate(*given))
    from qsim.sim.simulate import simulate

    failures = ", failures: {crash: 10%, error: 10%}"
    text = JOBS.format(lease="3s", failures=failures).replace("limit: 20", "limit: 20, message: {poison: 10%}")
    r = scenario(text).run()
    told(lambda: expect(r).that("jobs.received total").equals(0))
    assert len(made) == 2
    told(lambda: expect(r).that("jobs.received total").equals(1))
    assert len(made) == 2, "the next check asks the same two"
    told(lambda: expect(scenario(text).run()).that("jobs.received total").equals(1))
    assert len(made) == 4, "another run has its own"
    assert {seed for _, seed, _ in made} == {r.seed}


def test_what_holds_makes_no_run_and_the_command_line_none(monkeypatch):
    monkeypatch.setattr(what_if, "simulate", lambda *given: pytest.fail("a run was made"))
    text = JOBS.format(lease="3s", failures="") + "expect: [{at_most_once: jobs}]\n"
    r = scenario(text).run()
    expect(r).no_message_lost()
    assert [verdict.verdict for verdict in r.verdicts()] == ["fail"]


# --- a backlog for a while ---------------------------------------------------------------------------------------------

BURST = """
queues: {{orders: {{}}}}
producers: {{web: {{to: orders, rate: 100/s, arrivals: regular, stop: 20s}}}}
dependencies: {{pay: {{capacity: 5, service: 90ms}}}}
consumers: {{worker: {{from: orders, count: {count}, service: 10ms, uses: pay{more}}}}}
"""


@pytest.mark.parametrize(
    "count, more, direction",
    [
        (4, "", "every slot of worker was busy: more of them at that time (count)"),
        (20, "", "all places of pay were taken: more of worker only wait for it as well"),
        (3, ", autoscale: {policy: backlog-per-consumer, metric: visible, target: 50, min: 1, max: 4}", "every slot of worker was busy: more of them at that time (autoscale.max), or sooner"),
    ],
)
def test_who_was_idle_after_a_backlog_is_told_what_held_it_up(count, more, direction):
    r = scenario(BURST.format(count=count, more=more)).run()
    assert r["worker.utilization mean"] < 0.97
    for metric in ("orders.oldest_age max", "orders.drained_at"):
        said = told(lambda metric=metric: expect(r).that(metric).below("5s"))
        assert "\n".join(part(said, "Try")).startswith(f"while the backlog waited {direction}")
        assert ("lesson 10-black-friday, section Explain" in part(said, "See")) == ("autoscale" in more)


def test_who_always_has_a_slot_is_not_told_of_a_backlog():
    r = scenario(BURST.format(count=20, more="").replace("rate: 100/s", "rate: 10/s")).run()
    said = told(lambda: expect(r).that("orders.latency max").below("5ms"))
    assert "backlog" not in said


def test_a_wrong_bottleneck_is_told_how_to_find_it():
    r = scenario(BURST.format(count=20, more="")).run()
    said = told(lambda: expect(r).bottleneck().is_("worker"))
    assert part(said, "Try")[0].startswith("work out what each could finish at most")


# --- alerts -----------------------------------------------------------------------------------------------------------

ALARMS = """
queues: {orders: {}}
producers: {web: {to: orders, rate: 10/s, arrivals: regular}}
consumers: {worker: {from: orders, service: 1s}}
alerts: {deep: {when: orders.visible, above: 89}, slow: {when: orders.oldest_age, above: 1h}}
"""


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        (lambda e: e.that("deep.first_fired").below("5s"), SOONER),
        (lambda e: e.that("deep.first_fired").above("50s"), LATER),
        (lambda e: e.that("deep.fired total").equals(0), LATER),
        (lambda e: e.that("deep.fired total").at_least(2), SOONER),
        (lambda e: e.that("deep.fired total").between(2, 3), SOONER),
        (lambda e: e.alert("slow").fires(), SOONER),
    ],
)
def test_an_alarm_is_told_in_which_direction_it_is_wrong_and_no_other_is_spoken_of(claim, said):
    """Nine a second are left over: more than 89 wait after ten seconds."""
    feedback = told(lambda: claim(expect(scenario(ALARMS).run())))
    assert "\n".join(part(feedback, "Try")).startswith(said)
    [line] = [line for line in part(feedback, "Because") if " fired " in line]
    assert line.startswith("slow fired 0 times" if "slow" in feedback.splitlines()[0] else "deep fired 1 time")


# --- lessons ----------------------------------------------------------------------------------------------------------


def test_every_metric_and_claim_has_a_lesson():
    metrics = {name for table in METRICS.values() for name in table}
    assert metrics | set(CLAIMS) | {"catch"} == set(lessons._KIND_OF)


def test_the_lessons_have_the_section_that_is_named():
    for lesson in {lesson for lesson, _ in lessons._KINDS.values()}:
        notebook = NOTEBOOKS / f"{lesson}.py"
        assert f"# ## {lessons.SECTION}" in notebook.read_text().splitlines(), lesson
