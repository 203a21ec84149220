"""From a file to a Plan: what is filled in, what is put on top, and what is read from where."""

import pickle
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from qsim.kernel.profile import Capacity, DeadLetter, Order, Overflow
from qsim.scenario import plan
from qsim.scenario.load import read
from qsim.scenario.problems import ScenarioError
from qsim.units import HOUR, MILLISECOND, MINUTE, SECOND

EXAMPLES = Path(__file__).parent / "examples"
HEAD = "qsim: 1\nname: x\nrun: {duration: 10m}\n"
SMALL = (
    HEAD + "queues: {jobs: {}}\nproducers: {api: {to: jobs, rate: 1/s}}\nconsumers: {w: {from: jobs, service: 1ms}}\n"
)


def load(text, **more):
    return read(text=HEAD + text, **more)


def codes(text, **more):
    with pytest.raises(ScenarioError) as caught:
        read(text=text, **more)
    return [problem.code for problem in caught.value.problems if problem.is_error]


# --- the examples of the format ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["backlog-growth", "visibility-timeout", "poison-pill"])
def test_a_bundled_example_is_a_plan(name):
    assert read(name).plan.name == name


def test_an_example_of_the_format_is_a_plan():
    read(text=(EXAMPLES / "fan-out.yaml").read_text())
    loaded = read(text=(EXAMPLES / "black-friday.yaml").read_text())
    [payments], [fulfil] = loaded.plan.dependencies, loaded.plan.consumers
    assert fulfil.uses == (payments.index,)


def test_a_name_that_is_nearly_bundled_is_guessed():
    with pytest.raises(ScenarioError, match=r"poison-pil: there is no such file.*did you mean 'poison-pill'"):
        read("poison-pil")


def test_what_was_read_can_be_sent_to_another_process():
    loaded = read("visibility-timeout")
    again = pickle.loads(pickle.dumps(loaded))
    assert again.plan == loaded.plan
    assert again.with_changes({"consumers.worker.count": 3}).plan.consumers[0].count == 3


# --- what is filled in ------------------------------------------------------------------------------------------------


def test_the_ideal_queue_waits_for_ever_and_never_ends_a_lease():
    loaded = read(text=SMALL)
    [queue], [consumer] = loaded.plan.queues, loaded.plan.consumers
    assert queue.profile.visibility_timeout is None
    assert consumer.poll == plan.Poll(batch=1, wait=None, every=None, visibility_timeout=None)
    assert consumer.service == plan.Constant(MILLISECOND)


def test_an_sqs_queue_has_its_profile_and_its_own_settings():
    own = "visibility_timeout: 1m, dlq: {queue: d, max_receives: 3}"
    text = f"queues: {{q: {{profile: sqs-standard, {own}}}, d: {{profile: sqs-standard}}}}\n"
    loaded = load(text + "producers: {p: {to: q, rate: 1/s}}\nconsumers: {c: {from: q, service: 1s}}")
    profile = loaded.plan.queues[0].profile
    assert (profile.visibility_timeout, profile.dlq, profile.order) == (MINUTE, DeadLetter("d", 3), Order.BEST_EFFORT)
    assert loaded.plan.consumers[0].poll.wait == 20 * SECOND


def test_priorities_make_levels_and_a_priority_queue():
    message = "message: {priority: {low: 90%, high: 10%}}"
    loaded = load(f"queues: {{q: {{priorities: [high, low]}}}}\nproducers: {{p: {{to: q, rate: 1/s, {message}}}}}")
    assert loaded.plan.queues[0].profile.levels == 2
    assert loaded.plan.queues[0].profile.order is Order.PRIORITY
    assert loaded.plan.producers[0].message.levels == (0.1, 1.0)


def test_producers_are_numbered_through():
    text = "queues: {q: {}}\nproducers: {a: {to: q, rate: 1/s, count: 3}, b: {to: q, rate: 1/s}}"
    assert [p.first_index for p in load(text).plan.producers] == [0, 3]


def test_stages_go_from_where_the_one_before_ended():
    text = (
        "queues: {q: {}}\nproducers: {p: {to: q, rate: 10/s, stages: [{hold: 1m}, {ramp: 2m, to: 50/s}, {jump: 5/s}]}}"
    )
    ten, fifty, five = Fraction(10), Fraction(50), Fraction(5)
    assert load(text).plan.producers[0].stages == (
        plan.Stage(MINUTE, ten, ten), plan.Stage(2 * MINUTE, ten, fifty), plan.Stage(0, fifty, five),
    )  # fmt: skip


def test_a_mix_has_exact_thresholds():
    parts = "{share: 10%, time: 1s}, {share: 20%, time: {exponential: {mean: 2s}}}, {share: 70%, time: 3s}"
    assert read(text=SMALL.replace("1ms", f"{{mix: [{parts}]}}")).plan.consumers[0].service == plan.Mix(
        (0.1, 0.3, 1.0), (plan.Constant(SECOND), plan.Exponential(2 * SECOND), plan.Constant(3 * SECOND))
    )


@pytest.mark.parametrize(
    ("guarantee", "ack", "check", "dedup"),
    [
        ("at-most-once", plan.Ack.ON_RECEIVE, plan.Check.NONE, None),
        ("at-least-once", plan.Ack.AFTER_SUCCESS, plan.Check.NONE, None),
        ("exactly-once", plan.Ack.AFTER_SUCCESS, plan.Check.ATOMIC, 0),
    ],
)
def test_a_guarantee_is_spelt_out(guarantee, ack, check, dedup):
    loaded = read(text=SMALL, sets=[f"consumers.w.guarantee={guarantee}"])
    [consumer], [producer] = loaded.plan.consumers, loaded.plan.producers
    assert (consumer.ack, consumer.check, producer.message.dedup_keys) == (ack, check, dedup)


def test_fifo_queues_deduplicate_by_identity_and_sqs_asks_several_queues_in_turn():
    text = """
queues: {a: {profile: sqs-fifo}, b: {profile: sqs-fifo}}
producers: {p: {to: a, rate: 1/s, message: {group: {keys: 5}}}}
consumers: {c: {from: [a, b], service: 1s}}
"""
    loaded = load(text)
    assert loaded.plan.producers[0].message.dedup_keys == 0
    assert loaded.plan.consumers[0].sources == (0, 1)
    assert loaded.plan.consumers[0].poll.every == SECOND


@pytest.mark.parametrize(
    ("consumer", "waits"),
    [("push: {prefetch: 1}", True), ("push: {prefetch: 2}", True), ("push: {prefetch: 2}, concurrency: 2", True),
     ("push: {prefetch: unlimited}", True), ("poll: {batch: 2}", True), ("poll: {batch: 1}", False)],
)  # fmt: skip
def test_where_a_message_may_wait_at_its_consumer(consumer, waits):
    assert read(text=SMALL.replace("1ms", f"1ms, {consumer}")).plan.consumers[0].buffers is waits


def test_drain_true_is_ten_durations():
    assert read(text=SMALL, sets=["run.drain=true"]).plan.drain == 100 * MINUTE
    assert read(text=SMALL, sets=["run.drain=5m"]).plan.drain == 5 * MINUTE


# --- the timeline -----------------------------------------------------------------------------------------------------


def test_a_set_knows_what_it_sets_and_what_was_before():
    text = (
        SMALL
        + """timeline:
  later: {at: 5m, set: {consumers.w.count: 2}}
  more: {at: 2m, set: {consumers.w.count: 9}}
  full: {at: 3m, for: 1m, set: {queues.jobs.capacity: {messages: 10, when_full: block}}}
"""
    )
    loaded = read(text=text)
    later, more, full = loaded.plan.timeline
    assert more.actions == (plan.Set("count", 0, 9, 1),)
    assert later.actions == (plan.Set("count", 0, 2, 9),)
    assert full.actions == (plan.Set("capacity", 0, Capacity(10, None, Overflow.BLOCK), None),)
    assert loaded.plan.consumers[0].most == 9


# --- what is put on top -----------------------------------------------------------------------------------------------


def test_the_order_is_file_variant_set():
    text = SMALL + "variants: {more: {consumers.w.count: 2, run.warmup: 1m}}\n"
    loaded = read(text=text, variant="more", sets=["consumers.w.count=3"])
    assert (loaded.plan.consumers[0].count, loaded.plan.warmup, loaded.plan.variant) == (3, MINUTE, "more")


def test_a_value_replaces_what_stands_there_and_null_removes_it():
    text = SMALL.replace("{jobs: {}}", "{jobs: {capacity: {messages: 5, when_full: block}}}")
    replaced = read(text=text, sets=["queues.jobs.capacity={messages: 9}"]).plan.queues[0].profile.capacity
    assert (replaced.messages, replaced.when_full) == (9, Overflow.REJECT)
    assert read(text=text, sets=["queues.jobs.capacity=null"]).plan.queues[0].profile.capacity is None
    assert read(text=SMALL, sets=["consumers.w.failures.error=5%"]).plan.consumers[0].failures.error == 0.05


def test_changes_in_python_are_the_same_thing():
    loaded = read("visibility-timeout").with_changes({"consumers.worker.heartbeat": {"every": "10s"}}, seed=9)
    assert loaded.plan.consumers[0].heartbeat == plan.Heartbeat(10 * SECOND, 30 * SECOND, 12 * HOUR)
    assert loaded.plan.seed == 9
    assert loaded.with_changes(variant="longer-timeout").plan.queues[0].profile.visibility_timeout == 15 * MINUTE


def test_a_wrong_set_is_said_without_a_file():
    with pytest.raises(ScenarioError) as caught:
        read(text=SMALL, sets=["consumers.w.cuont=9"])
    said = "--set consumers.w.cuont=9: no key 'cuont' in consumers.w; did you mean 'count'?"
    assert str(caught.value).splitlines()[0] == said


# --- extends, files ---------------------------------------------------------------------------------------------------


def test_extends_merges_maps_and_replaces_lists(tmp_path):
    (tmp_path / "base.yaml").write_text(SMALL + "tags: [a, b]\nseed: 3\n")
    (tmp_path / "top.yaml").write_text("extends: base.yaml\ntags: [c]\nconsumers: {w: {count: 4}}\nseed: null\n")
    loaded = read(tmp_path / "top.yaml")
    assert (loaded.plan.tags, loaded.plan.consumers[0].count, loaded.plan.seed) == (("c",), 4, 1)


def test_an_error_in_an_extended_file_names_that_file(tmp_path):
    (tmp_path / "base.yaml").write_text(SMALL.replace("1ms", "1"))
    (tmp_path / "top.yaml").write_text("extends: base.yaml\nname: top\n")
    with pytest.raises(ScenarioError, match=r"base\.yaml:6:38: error Q013"):
        read(tmp_path / "top.yaml")


def test_a_bundled_scenario_can_be_extended():
    assert read(text="extends: poison-pill\nname: mine\nseed: 5\n").plan.seed == 5


def test_nothing_outside_the_folder_is_read(tmp_path):
    inside = tmp_path / "in"
    inside.mkdir()
    (tmp_path / "secret.yaml").write_text(SMALL)
    (tmp_path / "secret.csv").write_text("t\n1\n")
    (inside / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    for path in ("../secret.yaml", str(tmp_path / "secret.yaml"), "link.yaml", "/etc/passwd", "."):
        (inside / "a.yaml").write_text(f"extends: {path}\n")
        assert codes((inside / "a.yaml").read_text(), file_name=str(inside / "a.yaml")) == ["Q004"]
    service = "service: {empirical: {file: ../secret.csv, column: t, unit: s}}"
    text = SMALL.replace("service: 1ms", service)
    assert codes(text, file_name=str(inside / "a.yaml")) == ["Q004"]


def test_an_empirical_distribution_is_read_exactly(tmp_path):
    (tmp_path / "times.csv").write_text("id,t\n1,0.3\n2,0.1\n")
    text = SMALL.replace("service: 1ms", "service: {empirical: {file: times.csv, column: t, unit: s}}")
    loaded = read(text=text, file_name=str(tmp_path / "x.yaml"))
    assert loaded.plan.consumers[0].service == plan.Empirical((100 * MILLISECOND, 300 * MILLISECOND))


# --- advice -----------------------------------------------------------------------------------------------------------


def advised(text):
    return {problem.code: problem for problem in read(text=text).problems}


def test_the_advice_on_stability_counts_consumers():
    said = {problem.code: problem for problem in read("backlog-growth").problems}["A100"]
    assert said.message == "orders is not stable: 1000/s arrive, 8 consumers finish 800/s"
    assert "10 consumers would just keep up" in said.suggestion
    assert "14 keep p95 wait below 5 ms (3.1 ms)" in said.suggestion


def test_exactly_busy_is_stable_only_without_chance():
    even = SMALL.replace("rate: 1/s", "rate: 1000/s, arrivals: regular")
    assert "A100" not in advised(even)
    assert "A100" in advised(even.replace(", arrivals: regular", ""))


def test_a_heartbeat_in_time_or_ack_on_receive_silences_the_lease():
    text = SMALL.replace("{jobs: {}}", "{jobs: {visibility_timeout: 30s}}").replace("1ms", "90s")
    assert "A101" in advised(text)
    assert "A101" not in advised(text.replace("90s", "90s, heartbeat: {every: 10s}"))
    assert "A101" in advised(text.replace("90s", "90s, heartbeat: {every: 40s}"))
    assert "A101" not in advised(text.replace("90s", "90s, ack: on-receive"))


# --- start-up ---------------------------------------------------------------------------------------------------------


def test_reading_a_scenario_loads_nothing_heavy():
    heavy = ("numpy", "pandas", "matplotlib", "scipy", "simpy", "jinja2", "joblib")
    found = f"[m for m in {heavy} if m in sys.modules]"
    code = f"import sys; from qsim.scenario.load import read; read('poison-pill'); print({found})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
