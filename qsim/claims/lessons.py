"""What kind of failure it is, by metric and claim, and which lesson tells more.

It knows names alone: of metrics, of claims, of lessons.  Every lesson has a section Explain.
"""

from __future__ import annotations

from qsim.scenario.plan import Expectation

SECTION = "Explain"

_KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "growth": (
        "01-core-model",
        ("visible", "in_flight", "depth", "accepted", "acked", "received", "effects", "throughput", "busy", "rate", "sent",
         "drained_at", "stable"),
    ),
    "waiting": ("13-queueing-theory", ("wait", "latency", "origin_latency", "oldest_age", "send_time", "time", "waiting")),
    "recovery": ("03-visibility-timeout", ("recovery_time", "second_receive")),
    "copies": ("03-visibility-timeout", ("lease_expired", "redelivered", "receives", "stale_acks")),
    "duplicates": (
        "02-delivery-guarantees", ("duplicates", "effects_per_message", "interrupted", "at_most_once", "runs_at_most")
    ),
    "lost": (
        "02-delivery-guarantees", ("lost", "expired", "vanished", "lost_on_the_way", "no_message_lost", "at_least_once")
    ),
    "full": ("07-backpressure", ("rejected", "dropped")),
    "dead letters": ("04-dead-letters", ("dead_lettered", "time_on_poison", "nacked", "moved_in", "moved_out", "purged")),
    "order": ("08-sqs", ("out_of_order", "in_order", "duplicates_suppressed")),
    "sharing": ("05-work-queue-or-fan-out", ("reaches", "published", "copies", "unrouted")),
    "delay": ("06-priority-and-delay", ("delayed", "deferred")),
    "idle": ("09-five-brokers", ("idle_while_work_waits", "prefetch_wait", "utilization")),
    "calls": ("08-sqs", ("calls", "calls_per_message", "empty_receives", "requests")),
    "cost": ("10-black-friday", ("cost", "consumer_hours", "count", "bottleneck")),
    "replies": (
        "11-sync-over-a-queue", ("goodput", "reply_time", "timeouts", "refused", "each_reply_matches_its_request")
    ),
    "retries": ("14-retry-storms", ("retried", "under_way")),
    "alerts": ("12-monitoring", ("firing", "fired", "first_fired", "fires", "catch")),
    "theory": ("13-queueing-theory", ("little_law",)),
}  # fmt: skip
"""Of each kind: its lesson, and the metrics and claims that fail so."""

_KIND_OF = {name: kind for kind, (_, names) in _KINDS.items() for name in names}


def kind_of(expectation: Expectation) -> str:
    """growth, waiting, duplicates, ..."""
    that = expectation.that
    name = expectation.predicate if that is None else that.metric
    if that is not None and that.label == "poison" and name in ("received", "nacked", "interrupted"):
        return "dead letters"
    return _KIND_OF.get(name, "growth")


def lesson_of(expectation: Expectation, kind: str, is_scaled: bool = False) -> list[str]:
    """Where to read on about a failure of this kind: "lesson 01-core-model, section Explain"; with an autoscaler growth and
    waiting are its work."""
    that = expectation.that
    if kind == "waiting" and that is not None and that.label is not None and that.label != "poison":
        return _named("06-priority-and-delay")
    return _named(_KINDS["cost" if is_scaled and kind in ("growth", "waiting") else kind][0])


def lesson_on(name: str) -> list[str]:
    """Of a metric or claim."""
    return _named(_KINDS[_KIND_OF.get(name, "growth")][0])


def _named(lesson: str) -> list[str]:
    return [f"lesson {lesson}, section {SECTION}"]
