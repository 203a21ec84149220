"""moto 5.2.1 as a dialect: SQS, and where moto departs from what AWS documents.  For tests only.

The numbers are those of the project's list of such differences.  Choices of a profile are data (``CHOICES``); what no
profile can say is a few operations of its own.  What is not here, sequences keep away from: a changed visibility of a
message that is visible (6), the cap of 12 h (7), a long poll that sees a lease end (8), the make-up of a FIFO batch (10),
retention (13), sizes (15), redrive (16); and, not in the list, a group of which several leases have ended: moto hands
out the latest of them first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from qsim.kernel.broker import Broker
from qsim.kernel.journal import Place
from qsim.kernel.message import Delivery
from qsim.kernel.profile import Stale
from qsim.trace import sqs
from qsim.trace.load import Json, nanos
from qsim.trace.stage import OK, Result, Stage

CHOICES: dict[str, Any] = {
    "stale_ack": (Stale.DELETES, Stale.DELETES),  # 4, 5: any handle that the message ever had deletes it
    "strict_extend": False,  # 6
    "max_visibility": None,  # 7
    "tail_from": None,  # 9
    "look_ahead": None,  # 12
    "throttle": None,  # 12
    "max_in_flight": None,  # 12
    "min_retention": None,  # 13
    "max_retention": None,  # 13
    "retention_restarts": False,  # 18
    "dedup_window": 0,  # 1, 2: ``send`` below remembers what moto does
}


def broker(config: Json) -> Broker:
    made = sqs.broker(config)
    for queue in made.queues.values():
        queue.configure(replace(queue.profile, **CHOICES))
    return made


def send(stage: Stage, actor: str, queue: str, body: str, group: str | None = None, dedup: str | None = None, delay: int | None = None) -> Result:
    """1, 2: a duplicate is who has the id of a message that is still in the queue, whatever its group."""
    key = dedup if dedup is not None else body
    ids = stage.notes.setdefault(("ids", queue), {})
    if group is not None and any(message.payload == ids.get(key) for message in stage.broker.queues[queue].messages()):
        return OK
    result = sqs.send(stage, actor, queue, body, delay=delay, group=group, dedup=dedup)
    if result == OK and group is not None:
        ids[key] = body
    return result


def ack(stage: Stage, actor: str, handle: str) -> Result:
    """4: the handle of a message that has left this queue otherwise than by an ack is not known any more."""
    if _has_moved(stage, handle):
        return {"error": sqs.UNKNOWN_HANDLE}
    result = sqs.ack(stage, actor, handle)
    stage.notes["acked", stage.handles[handle].message] = True
    return result


def extend(stage: Stage, actor: str, handle: str, seconds: int) -> Result:
    """6: by any handle that the message ever had; where there is no message, 4."""
    message = stage.handles[handle].message
    if message.place is Place.GONE:
        return {"error": sqs.UNKNOWN_HANDLE}
    latest = Delivery(message, message.receipt, message.receives, message.client)
    stage.broker.extend(stage.now, latest, nanos(seconds))
    return OK


def _has_moved(stage: Stage, handle: str) -> bool:
    message = stage.handles[handle].message
    return message.place is Place.GONE and ("acked", message) not in stage.notes


def nack(stage: Stage, actor: str, handle: str) -> Result:
    return extend(stage, actor, handle, 0)


OWN: dict[str, Callable[..., Result]] = {"send": send, "ack": ack, "extend": extend, "nack": nack}
MOTO = replace(sqs.SQS, name="moto", broker=broker, operations={**sqs.OPERATIONS, **OWN})
