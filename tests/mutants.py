"""Breaks one rule of a broker at a time, and says which recorded or documented trace notices.

``python tests/mutants.py [--kernel] [WORD...]`` works in a temporary copy: a rule of ``MUTANTS`` (of those with a word in
their names) is broken there, then ``qsim conform`` replays ``tests/golden``; if all agree, the traces of ``tests/trace``,
then that folder's tests.  ``--kernel`` asks the stories of ``tests/kernel`` too, but not the state machine.  It ends with
1 if no trace noticed, and with 2 if a text to be replaced is not there any more (or not only once): then the mutant has to
be written anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
LONGEST_S = 300
PYTEST = ("-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider")
STORIES = ("-x", "tests/kernel", "--ignore", "tests/kernel/test_state_machine.py")


class Mutant(NamedTuple):
    """``old`` stands once in ``file``, a file of ``qsim/``; ``new`` is what a wrong broker would have there."""

    name: str
    rule: str
    file: str
    old: str
    new: str


SQS, RABBITMQ, REDIS = "brokers/sqs.py", "brokers/rabbitmq.py", "brokers/redis.py"
ACTIVEMQ, SERVICE_BUS, SERVER = "brokers/activemq.py", "brokers/servicebus.py", "brokers/redis_server.py"
QUEUE, READY, DISPATCH, CLIENT = "kernel/queue.py", "kernel/ready.py", "kernel/dispatch.py", "kernel/client.py"
CHANNEL = "kernel/channel.py"
LOG, DEATHS, SESSION, SESSION_LOCK = "kernel/log.py", "kernel/deaths.py", "kernel/session.py", "kernel/session_lock.py"

MUTANTS = [
    # --- SQS ----------------------------------------------------------------------------------------------------------
    Mutant(
        "sqs delivers once more than maxReceiveCount", "SQS-24", QUEUE,
        "message.receives - message.carried >= most:",
        "message.receives - message.carried > most:",
    ),
    Mutant(
        "sqs dead-letters at the last return", "SQS-24", SQS,
        'dead_letters_lazily=(True, "SQS-24', 'dead_letters_lazily=(False, "SQS-24',
    ),
    Mutant(
        "sqs extends by so much", "SQS-21", QUEUE,
        "self._rearm(message, now + timeout)", "self._rearm(message, (message.lease_ends or now) + timeout)",
    ),
    Mutant(
        "sqs counts 12 h from the send", "SQS-22", QUEUE,
        "ends - message.leased_at > most", "ends - message.entered > most",
    ),
    Mutant(
        "sqs goes on with a changed visibility", "SQS-22", QUEUE,
        "self._rearm(message, now + timeout)", "self._timeout = timeout\n        self._rearm(message, now + timeout)",
    ),
    Mutant(
        "sqs puts what comes back last", "SQS-23", SQS,
        'returns_to=(ReturnsTo.PLACE, "SQS-23', 'returns_to=(ReturnsTo.TAIL, "SQS-23',
    ),
    Mutant(
        "sqs goes to the back from the fourth receive", "SQS-12", SQS,
        'tail_from=(3, "SQS-12', 'tail_from=(4, "SQS-12',
    ),
    Mutant(
        "sqs deletes with a handle of before", "SQS-18", SQS,
        "stale_ack=((Stale.DELETES, Stale.IGNORED)", "stale_ack=((Stale.DELETES, Stale.DELETES)",
    ),
    Mutant(
        "sqs does not delete after the timeout", "SQS-18", SQS,
        "stale_ack=((Stale.DELETES, Stale.IGNORED)", "stale_ack=((Stale.IGNORED, Stale.IGNORED)",
    ),
    Mutant(
        "sqs counts anew in the dead-letter queue", "SQS-28", SQS,
        'counts_across_queues=(True, "SQS-28', 'counts_across_queues=(False, "SQS-28',
    ),
    Mutant(
        "sqs keeps what is in flight beyond its retention", "SQS-30", SQS,
        'expires_in_flight=(True, "SQS-30', 'expires_in_flight=(False, "SQS-30',
    ),
    Mutant(
        "sqs begins retention anew in the dead-letter queue", "SQS-26", SQS,
        'retention_restarts=(False, "SQS-26', 'retention_restarts=(True, "SQS-26',
    ),
    # --- SQS FIFO -----------------------------------------------------------------------------------------------------
    Mutant(
        "sqs-fifo does not block a group", "SQS-13", SQS,
        'grouping=(Grouping.BLOCKS, "SQS-13', 'grouping=(Grouping.NONE, "SQS-13',
    ),
    Mutant(
        "sqs-fifo unblocks a group at the first delete", "SQS-14", READY,
        "        group.out -= 1\n", "        group.out = 0\n",
    ),
    Mutant(
        "sqs-fifo hands out one of a group", "SQS-13", READY,
        "            self._now_serving = message.group\n", "            self._now_serving = None\n",
    ),
    Mutant(
        "sqs-fifo counts the window from the last send", "SQS-6", QUEUE,
        "        return ((group, dedup) if self.profile.dedup_per_group else dedup) in self._seen_ids\n",
        "        key = (group, dedup) if self.profile.dedup_per_group else dedup\n"
        "        if known := key in self._seen_ids:\n"
        "            self._seen_order = deque(each for each in order if each[1] != key)\n"
        "            self._remember(now, group, dedup)\n"
        "        return known\n",
    ),
    Mutant(
        "sqs-fifo remembers longer than 5 minutes", "SQS-6", SQS,
        'dedup_window=(5 * MINUTE, "SQS-6', 'dedup_window=(6 * MINUTE, "SQS-6',
    ),
    Mutant(
        "sqs-fifo deletes after the timeout", "SQS-19", SQS,
        'stale_ack=((Stale.ERROR, Stale.ERROR), "SQS-19', 'stale_ack=((Stale.DELETES, Stale.ERROR), "SQS-19',
    ),
    Mutant(
        "sqs-fifo's dead letter blocks its group", "SQS-27", QUEUE,
        "                self._release(message)\n                self._dead_letter(now, message, Cause.MAX_RECEIVES)\n",
        "                self._dead_letter(now, message, Cause.MAX_RECEIVES)\n",
    ),
    Mutant(
        "sqs-fifo keeps the retention in the dead-letter queue", "SQS-26", SQS,
        'retention_restarts=(True, "SQS-26', 'retention_restarts=(False, "SQS-26',
    ),
    # --- RabbitMQ, classic ----------------------------------------------------------------------------------------------
    Mutant(
        "rabbitmq-classic requeues at the head", "RMQ-12", RABBITMQ,
        'returns_to=(ReturnsTo.PLACE, "RMQ-12', 'returns_to=(ReturnsTo.HEAD, "RMQ-12',
    ),
    Mutant(
        "rabbitmq-classic requeues at the tail", "RMQ-12", RABBITMQ,
        'returns_to=(ReturnsTo.PLACE, "RMQ-12', 'returns_to=(ReturnsTo.TAIL, "RMQ-12',
    ),
    Mutant(
        "rabbitmq pushes one more than the prefetch", "RMQ-6", QUEUE,
        "min(prefetch or _UNLIMITED,", "min((prefetch and prefetch + 1) or _UNLIMITED,",
    ),
    Mutant(
        "rabbitmq serves the same consumer again", "RMQ-7", QUEUE,
        "self._line_up(credit)  # RMQ-7: who was served goes to the end of the ring", "self.waiting.appendleft(credit)",
    ),
    Mutant(
        "rabbitmq's full consumer re-enters the ring first", "RMQ-7", QUEUE,
        "self._line_up(credit)  # RMQ-7: who had run out re-enters at its end",
        "getattr(self.waiting, 'appendleft', self._line_up)(credit)",
    ),
    Mutant(
        "rabbitmq's last consumer takes over", "RMQ-8", QUEUE,
        "self._line_up(self.subscribed[0])  # RMQ-8", "self._line_up(self.subscribed[-1])  # RMQ-8",
    ),
    Mutant(
        "rabbitmq acks what came before the tag only", "RMQ-10", SESSION,
        "held.receipt <= delivery.receipt", "held.receipt < delivery.receipt",
    ),
    Mutant(
        "rabbitmq keeps the channel after an unknown tag", "RMQ-10", RABBITMQ,
        "stale_ack=((Stale.CLOSES_CHANNEL, Stale.CLOSES_CHANNEL)", "stale_ack=((Stale.ERROR, Stale.ERROR)",
    ),
    Mutant(
        "rabbitmq counts one death", "RMQ-21", DEATHS,
        "1 + sum(death.times for death in same)", "1",
    ),
    Mutant(
        "rabbitmq's newest death is last", "RMQ-21", DEATHS,
        "    return (Death(queue, reason, 1 + sum(death.times for death in same)), *others)",
        "    return (*others, Death(queue, reason, 1 + sum(death.times for death in same)))",
    ),
    Mutant(
        "rabbitmq drops rejected messages that go round", "RMQ-22", DEATHS,
        "return len(cycle) > len(since) and all(", "return len(cycle) > len(since) or all(",
    ),
    Mutant(
        "rabbitmq lets messages go round by themselves", "RMQ-22", QUEUE,
        "if why is not Cause.REJECTED and goes_round(", "if False and goes_round(",
    ),
    Mutant(
        "rabbitmq expires behind the head", "RMQ-25", RABBITMQ,
        'expires_at_head=(True, "RMQ-25', 'expires_at_head=(False, "RMQ-25',
    ),
    Mutant(
        "rabbitmq expires what is unacked", "RMQ-26", RABBITMQ,
        'expires_in_flight=(False, "RMQ-26', 'expires_in_flight=(True, "RMQ-26',
    ),
    Mutant(
        "rabbitmq-classic's max-length counts unacked", "RMQ-27", RABBITMQ,
        'Capacity(when_full=Overflow.DEAD_LETTER, counts_ready_only=True), "RMQ-27',
        'Capacity(when_full=Overflow.DEAD_LETTER), "RMQ-27',
    ),
    Mutant(
        "rabbitmq drops the newest", "RMQ-28", RABBITMQ,
        '"drop-head": Overflow.DEAD_LETTER', '"drop-head": Overflow.DROP_NEWEST',
    ),
    Mutant(
        "rabbitmq only refuses what it should dead-letter too", "RMQ-28", RABBITMQ,
        '"reject-publish-dlx": Overflow.REJECT_DEAD_LETTER', '"reject-publish-dlx": Overflow.REJECT',
    ),
    Mutant(
        "rabbitmq's requeue may exceed max-length", "RMQ-29", QUEUE,
        "        for _ in range(self.visible):  # not while it is over", "        for _ in ():  # not while it is over",
    ),
    # --- RabbitMQ, quorum -----------------------------------------------------------------------------------------------
    Mutant(
        "rabbitmq-quorum delivers N times", "RMQ-17", RABBITMQ,
        "max_deliveries=delivery_limit + 1)", "max_deliveries=max(delivery_limit, 1))",
    ),
    Mutant(
        "rabbitmq-quorum requeues at the head without a limit", "RMQ-13", RABBITMQ,
        'returns_to=(ReturnsTo.TAIL, "RMQ-13', 'returns_to=(ReturnsTo.HEAD, "RMQ-13',
    ),
    Mutant(
        "rabbitmq-quorum requeues at the tail with a limit", "RMQ-13", RABBITMQ,
        'returns_to_if_limited=(ReturnsTo.HEAD, "RMQ-13', 'returns_to_if_limited=(ReturnsTo.TAIL, "RMQ-13',
    ),
    Mutant(
        "rabbitmq-quorum requeues at the tail after a crash", "RMQ-13", RABBITMQ,
        'returns_to_after_crash=(ReturnsTo.HEAD, "RMQ-13', 'returns_to_after_crash=(ReturnsTo.TAIL, "RMQ-13',
    ),
    Mutant(
        "rabbitmq-quorum lets no more in than its limit", "RMQ-28", RABBITMQ,
        "counts_ready_only=True, overshoot=1)", "counts_ready_only=True)",
    ),
    Mutant(
        "rabbitmq-quorum 3.10 does not count a nack", "RMQ-18", RABBITMQ,
        'counts_only_failures=(False, "RMQ-18', 'counts_only_failures=(True, "RMQ-18',
    ),
    Mutant(
        "rabbitmq-quorum counts a nack since 4.3", "RMQ-18", RABBITMQ,
        'counts_only_failures=(True, "RMQ-18', 'counts_only_failures=(False, "RMQ-18',
    ),
    # --- Redis, lists ---------------------------------------------------------------------------------------------------
    Mutant(
        "redis serves who blocked last", "RED-4", SERVER,
        "            for each in list(self._blocked):\n", "            for each in self._blocked[::-1]:\n",
    ),
    Mutant(
        "redis serves after each element of a push", "RED-4", SERVER,
        "            self._push(now, key, body, side)\n        self._serve(now)\n",
        "            self._push(now, key, body, side)\n            self._serve(now)\n",
    ),
    Mutant(
        "redis looks at the last key first", "RED-4", SERVER,
        "next((key for key in keys if", "next((key for key in keys[::-1] if",
    ),
    Mutant(
        "redis removes the first match from the right", "RED-3", SERVER,
        "        for message in matches[-1:]:\n", "        for message in matches[:1]:\n",
    ),
    Mutant(
        "redis moves although memory is full", "RED-17", SERVER,
        "        self._deny(now, to)\n        moved = self.pop(", "        moved = self.pop(",
    ),
    # --- Redis, streams -------------------------------------------------------------------------------------------------
    Mutant(
        "redis fences a stale claim", "RED-9", REDIS,
        "stale_ack=((Stale.DELETES, Stale.DELETES)", "stale_ack=((Stale.DELETES, Stale.IGNORED)",
    ),
    Mutant(
        "redis claims what has been idle longer", "RED-10", LOG,
        "(m for m in pending if self.has(m.entry)), min_idle, justid)",
        "(m for m in pending if self.has(m.entry)), min_idle + 1, justid)",
    ),
    Mutant(
        "redis claims by itself what has been idle longer", "RED-10", LOG,
        "self.idle(now, message) >= min_idle:", "self.idle(now, message) > min_idle:",
    ),
    Mutant(
        "redis counts a heartbeat", "RED-12", LOG,
        "        if not justid:\n", "        if idle:\n",
    ),
    Mutant(
        "redis does not count a claim", "RED-10", LOG,
        "            return group.give_again(now, idle, client, Kind.LEASE_ENDED)\n",
        "            for message in idle:\n"
        "                message.receives -= 1\n"
        "            return group.give_again(now, idle, client, Kind.LEASE_ENDED)\n",
    ),
    Mutant(
        "redis does not count what is read again", "RED-8", LOG,
        "again = {delivery.message: delivery for delivery in group.give_again(now, there, client, Kind.RETURNED)}",
        "again = {message: held(message) for message in there}",
    ),
    Mutant(
        "redis trims what is pending with its id", "RED-6", LOG,
        "            unread = [lane.front()] if entry == self.first else lane\n",
        "            unread = [lane.front(), *group.leased()] if entry == self.first else lane\n",
    ),
    Mutant(
        "redis claims the newest first", "RED-15", LOG,
        "key=lambda message: message.entry)", "key=lambda message: -message.entry)",
    ),
    # --- ActiveMQ -------------------------------------------------------------------------------------------------------
    Mutant(
        "activemq delivers N times", "AMQ-16", CLIENT,
        "batch[-1].count - 1 > policy.most", "batch[-1].count - 1 >= policy.most",
    ),
    Mutant(
        "activemq goes on with others after a rollback", "AMQ-15", CLIENT,
        "            self.buffer.extendleft(reversed(batch))\n            self.opens_at = now + self._delay\n",
        "            self.later.append((now + self._delay, batch))\n",
    ),
    Mutant(
        "activemq redelivers at the end of the buffer", "AMQ-15", CLIENT,
        "self.buffer.extendleft(reversed(batch))", "self.buffer.extend(batch)",
    ),
    Mutant(
        "activemq's ack is one consumer's", "AMQ-11", CLIENT,
        "            for each in self.consumers:\n                each.acknowledge(now)\n",
        "            consumer.acknowledge(now)\n",
    ),
    Mutant(
        "activemq's ack is one message's", "AMQ-11", CLIENT,
        "            for each in self.consumers:\n                each.acknowledge(now)\n",
        "            consumer.done(now, [copy])\n",
    ),
    Mutant(
        "activemq's stomp ack is one message's", "AMQ-12", CLIENT,
        "consumer.delivered[: consumer.delivered.index(copy) + 1]", "[copy]",
    ),
    Mutant(
        "activemq's groups stick to nobody", "AMQ-9", DISPATCH,
        "            self._owners[group] = seat\n", "",
    ),
    Mutant(
        "activemq's new groups go by turn alone", "AMQ-9", DISPATCH,
        "return -self.priority, self.groups, self.turn", "return -self.priority, 0, self.turn",
    ),
    Mutant(
        "activemq marks what was handed over when a client crashes", "AMQ-19", CLIENT,
        "consumer.leave(now, next(reversed(consumer.held.values()), None))", "consumer.leave(now, consumer.last_delivered)",
    ),
    Mutant(
        "activemq marks all when a consumer is closed", "AMQ-19", CLIENT,
        "            self.leave(now, self.last_delivered)\n",
        "            self.leave(now, next(reversed(self.held.values()), None))\n",
    ),
    Mutant(
        "activemq sweeps the head only", "AMQ-22", QUEUE,
        "        if self._strikes_heads and message.place is _READY:\n",
        "        if self.profile.expire_sweep is not None and self.ready.front() is not message:\n"
        "            return\n"
        "        if self._strikes_heads and message.place is _READY:\n",
    ),
    Mutant(
        "activemq extends the window by the whole", "AMQ-7", CLIENT,
        "if self._untold * 2 >= self.credit.limit", "if self._untold >= self.credit.limit",
    ),
    Mutant(
        "activemq poisons one of a batch", "AMQ-18", CLIENT,
        "                self._poison(now, poison)\n",
        "                self._poison(now, batch[-1:])\n                self._keep(now, batch[:-1])\n",
    ),
    Mutant(
        "activemq finds what is acked among the poison", "AMQ-18", CLIENT,
        "            if copy is first or found:\n", "            if copy is first or found or first not in self.held.values():\n",
    ),
    Mutant(
        "activemq's delay does not grow", "AMQ-17", "kernel/redelivery.py",
        "longer = int(last * self.multiplier)", "longer = int(last)",
    ),
    Mutant(
        "activemq dead-letters transient messages", "AMQ-21", ACTIVEMQ,
        'dead_letters_transient=(False, "AMQ-21', 'dead_letters_transient=(True, "AMQ-21',
    ),
    Mutant(
        "rabbitmq's transaction fails without closing", "RMQ-35", CHANNEL,
        "return self._close_for(now, refused[0]) if refused else Cause.NONE", "return Cause.NONE",
    ),
    Mutant(
        "rabbitmq commits what was never begun", "RMQ-35", CHANNEL,
        "        if calls is None:\n            return self._close_for(now, Cause.NOT_ALLOWED)\n",
        "        if calls is None:\n            return Cause.NONE\n",
    ),
    Mutant(
        "rabbitmq requeues one by one", "RMQ-34", QUEUE,
        "        self._is_between = True\n", "        self._is_between = False\n",
    ),
    Mutant(
        "rabbitmq rejects a batch in the order of delivery", "RMQ-30", CHANNEL,
        "batch = sorted(alike, key=_lane)", "batch = list(alike)",
    ),
    # --- Service Bus ----------------------------------------------------------------------------------------------------
    Mutant(
        "service bus delivers once more", "ASB-15", QUEUE,
        "attempt - message.carried >= most and", "attempt - message.carried >= most + self.profile.numbers_messages and",
    ),
    Mutant(
        "service bus dead-letters at the next receive", "ASB-15", SERVICE_BUS,
        'dead_letters_lazily=(False, "ASB-15', 'dead_letters_lazily=(True, "ASB-15',
    ),
    Mutant(
        "service bus returns to the tail", "ASB-7", SERVICE_BUS,
        'returns_to=(ReturnsTo.PLACE, "ASB-7', 'returns_to=(ReturnsTo.TAIL, "ASB-7',
    ),
    Mutant(
        "service bus settles with a lost lock", "ASB-10", SERVICE_BUS,
        "stale_ack=((Stale.ERROR, Stale.ERROR)", "stale_ack=((Stale.DELETES, Stale.ERROR)",
    ),
    Mutant(
        "service bus returns at once what a lost link held", "ASB-12", SERVICE_BUS,
        "on_crash=(OnCrash.ORPHANS", "on_crash=(OnCrash.RETURNS",
    ),
    Mutant(
        "service bus finds what is deferred by receiving", "ASB-13", "kernel/deferral.py",
        "    message.is_set_aside = True\n", "",
    ),
    Mutant(
        "service bus forgets that a message was deferred", "ASB-13", "kernel/deferral.py",
        "    del queue.set_aside[number]\n", "    del queue.set_aside[number]\n    message.is_set_aside = False\n",
    ),
    Mutant(
        "service bus adds a renewal to a session's lock", "ASB-11", SESSION_LOCK,
        "    lock.ends = now + timeout\n", "    lock.ends += timeout\n",
    ),
    Mutant(
        "service bus shares a session", "ASB-20", SESSION_LOCK,
        "if name in book.locks or client in book.of_client:", "if client in book.of_client:",
    ),
    Mutant(
        "service bus counts when a session is closed", "ASB-21", SESSION_LOCK,
        "lock.queue.give_back_uncounted(now, message)", "type(lock.queue).expire(lock.queue, now, message)",
    ),
    Mutant(
        "service bus removes what is out of date at once", "ASB-18", SERVICE_BUS,
        'expires_lazily=(True, "ASB-18', 'expires_lazily=(False, "ASB-18',
    ),
    Mutant(
        "service bus keeps a scheduled message's number", "ASB-3", QUEUE,
        "            if self._numbers:\n                self._number_anew(now, message)\n", "",
    ),
]


class Copy:
    """The tree once more, to be broken."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("qsim", "tests", "scenarios"):
            shutil.copytree(ROOT / name, root / name)
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(ROOT / name, root)
        where = self.python("-c", "import qsim; print(qsim.__file__)").stdout.strip()
        assert Path(where).is_relative_to(root), f"qsim comes from {where}"

    def python(self, *words: str) -> subprocess.CompletedProcess[str]:
        # No byte code: two mutants of one file in one second may look alike to Python.
        environ = os.environ | {"PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, *words]
        try:
            return subprocess.run(command, cwd=self.root, env=environ, capture_output=True, text=True, timeout=LONGEST_S)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 124, f"FAILED to end in {LONGEST_S} s", "")

    def breaks(self, mutant: Mutant, with_kernel: bool) -> tuple[str, str]:
        """What the traces notice of it, and what the stories do; empty: nothing."""
        path = self.root / "qsim" / mutant.file
        text = path.read_text()
        path.write_text(text.replace(mutant.old, mutant.new))
        traces = self.traces()
        stories = self.tests("tests/kernel", *STORIES) if with_kernel else ""
        path.write_text(text)
        return traces, stories

    def traces(self) -> str:
        for folder in ("tests/golden", "tests/trace"):
            done = self.python("-m", "qsim", "conform", folder)
            if done.returncode:
                names = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("differs ")]
                return _told(f"conform {folder}", names)
        return self.tests("pytest tests/trace", "tests/trace")

    def tests(self, who: str, *words: str) -> str:
        done = self.python(*PYTEST, *words)
        failed = [line.split(" - ")[0] for line in done.stdout.splitlines() if line.startswith("FAILED")]
        return _told(who, [line.split("::")[-1] for line in failed]) if done.returncode else ""


def _told(who: str, names: list[str]) -> str:
    """It may also be that all broke down: then there are no names."""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{who}: {names[0] if names else 'broke down'}{more}"


def _outdated(mutant: Mutant) -> str | None:
    times = (ROOT / "qsim" / mutant.file).read_text().count(mutant.old)
    return None if times == 1 else f"{mutant.name}: found {times} times in qsim/{mutant.file}: {mutant.old!r}"


def main(words: list[str]) -> int:
    wanted = [word for word in words if not word.startswith("--")]
    mutants = [mutant for mutant in MUTANTS if not wanted or any(word in mutant.name for word in wanted)]
    if problems := [problem for mutant in mutants if (problem := _outdated(mutant))]:
        print(*problems, sep="\n", file=sys.stderr)
        return 2
    survived = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder).resolve())
        if already := copy.traces():
            print(f"before anything is broken: {already}", file=sys.stderr)
            return 2
        for mutant in mutants:
            traces, stories = copy.breaks(mutant, "--kernel" in words)
            survived += not traces
            told = f"noticed by {traces}" if traces else "NOT NOTICED"
            print(f"{mutant.rule:8}{mutant.name}: {told}{f'; {stories}' if stories else ''}", flush=True)
    print(f"{len(mutants) - survived} of {len(mutants)} noticed")
    return int(survived > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
