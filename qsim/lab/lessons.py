"""The lessons by number, and where an exercise of one stands.

It knows names of files, not what is in them.
"""

from __future__ import annotations

LESSONS = {
    name[:2]: name
    for name in (
        "01-core-model",
        "02-delivery-guarantees",
        "03-visibility-timeout",
        "04-dead-letters",
        "05-work-queue-or-fan-out",
        "06-priority-and-delay",
        "07-backpressure",
        "08-sqs",
        "09-five-brokers",
        "10-black-friday",
        "11-sync-over-a-queue",
        "12-monitoring",
        "13-queueing-theory",
        "14-retry-storms",
    )
}
"""Each lesson's file, without its suffix."""


def place_of(exercise: str) -> str:
    """ "notebooks/01-core-model.ipynb, 01.2"; empty for an exercise of no lesson."""
    lesson = LESSONS.get(exercise.partition(".")[0])
    return f"notebooks/{lesson}.ipynb, {exercise}" if lesson else ""
