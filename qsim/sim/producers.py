"""Producers: who sends what, when, and what they do when they are refused or hear nothing.

``Maker`` is one producer: it waits for the next arrival, arms the one after it, sends.  It knows the port (or a topic,
which is spoken to alike) and luck, no rule of a broker.  A message is ``producer << 40 | number`` for all its tries;
each try is a SENT row.  Who waits for replies, and clients who send when they are answered, stand in ``replies`` and
``clients``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from fractions import Fraction
from heapq import heappop, heappush
from itertools import count
from typing import Any

from qsim.kernel.deadlines import NEVER
from qsim.kernel.journal import ALIKE, NOBODY, NOWHERE, Cause, Kind, ending
from qsim.scenario.plan import OnReject, ProducerPlan
from qsim.sim.alarm import Alarm, Reminder
from qsim.sim.clients import ClosedLoop
from qsim.sim.latency import Road
from qsim.sim.luck import retry_delay
from qsim.sim.replies import Requests
from qsim.sim.slots import ARRIVAL, FLUSH, RETRY, SEND
from qsim.sim.slow_down import Bucket
from qsim.sim.world import World
from qsim.units import Nanos

NUMBER_BITS = 40
_pack_alike = ALIKE.pack
_GOOD = (Cause.NONE, Cause.DUPLICATE_ID)
_BLOCKED = Cause.BLOCKED
_PASSING = (Cause.FULL, Cause.THROTTLED)
"""Refusals that may be over later: worth standing still for."""
AT_ONCE = 64
"""Arrivals that are sent without an event between, before the run looks up (memory, progress, an interrupt)."""


class OutOfBudget(Exception):
    """The run may not send more messages (``--max-messages``)."""


@dataclass(slots=True)
class Letter:
    """A message between its making and its last try.  ``args`` is what the port's send takes after the number."""

    k: int
    number: int
    args: tuple[Any, ...]
    tries: int = 0
    is_refused: bool = False
    """Its last try was answered: the next one is another."""
    has_token: bool = False
    """Its last try may go, as far as the producer's own token bucket is concerned."""
    was_held: bool = False
    travelled: Nanos = 0
    """How long its last try was under way."""
    is_there: bool = False
    """Its last try has arrived, and stands at the door."""
    is_given_up: bool = False
    """Nobody waits for the answer to this try any more; the message may have been sent again."""
    is_over: bool = False
    """Its reply has come: whatever was to be tried again need not be."""


@dataclass(frozen=True, slots=True)
class Call:
    """Letters on their way together, and which try each was then; ``is_late``: the producer does not wait so long."""

    letters: list[Letter]
    tries: list[int]
    is_batch: bool
    is_late: bool = False


def _entry(letter: Letter) -> dict[str, Any]:
    """As it stands in a batch."""
    level, group, delay, ttl, size, dedup = letter.args
    return {
        "number": letter.number, "level": level, "group": group, "delay": delay, "ttl": ttl, "size": size, "dedup": dedup
    }


def _arrived(letter: Letter, try_: int, is_late: bool) -> Letter:
    """The letter at the door; of a try that was given up, or came after its successor, a copy: the letter itself is
    about to go again, or has."""
    if is_late or letter.tries != try_:
        letter = replace(letter, tries=try_, is_given_up=True)
    letter.is_there = True
    return letter


class Maker:
    """One producer.  Letters wait in ``batch`` (to go together), in ``held`` (behind one that is blocked), or in
    ``again`` (a heap of tries to come)."""

    def __init__(self, world: World, plan: ProducerPlan, i: int, budget: list[int] | None) -> None:
        self.world = world
        self.plan = plan
        self.i = i
        self.index = plan.first_index + i
        self.port = world.targets[plan.to]
        self.queue = plan.to if plan.to < len(world.ports) else NOWHERE
        self._takes_time = self.port.latency.send is not None
        self.arrivals = world.luck.arrivals(plan, i)
        self.labels = world.luck.labels(plan, i)
        self.k = 0
        self.due: Nanos | None = None
        self.is_paused = False
        self.batch: list[Letter] = []
        self.held: deque[Letter] = deque()
        self.again: list[tuple[Nanos, int, bool, Letter, int]] = []
        self._order = count().__next__
        self.retries = 0
        self._budget = budget
        slot = world.slots.send
        self._slot = slot(self.index, SEND)
        self._next_arrival = self.arrivals.next
        self.alarm = Alarm(world.env, self._slot, self._arrive)
        self._flush_alarm = Reminder(world.env, slot(self.index, FLUSH), self._flush_due)
        self._again_alarm = Reminder(world.env, slot(self.index, RETRY), self._try_due)
        self.road: Road[Call] = Road(world.env, slot(self.index, ARRIVAL), self._reach)
        self._flush_at: Nanos = 0
        self._room_at: Nanos = NEVER
        self.bucket: Bucket | None = None
        self._waits_for_token = False
        self._base = self.index << NUMBER_BITS
        self._rows = world.journal.rows
        self._env = world.env
        self._sent = ending(NOBODY, 1, self.queue, Kind.SENT)
        message = plan.message
        self.loop = ClosedLoop(world, plan, i, self._slot, self._ask) if plan.clients is not None else None
        self.requests = self._awaits_replies()
        self._sizes = plan.recorded.sizes if plan.recorded is not None else ()
        self._look_whether_plain()
        self._size = message.size
        self._ttl = message.ttl
        self._bare_args = (0, None, None, self._ttl, self._size, None)

    def _awaits_replies(self) -> Requests | None:
        plan, world = self.plan.request_reply, self.world
        if plan is None:
            return None
        return Requests(world, plan, world.slots.replies + self.index, self._gave_up, self._ended)

    def _look_whether_plain(self) -> None:
        """Whether a send is a row and a call, and nothing comes after it."""
        plan = self.plan
        is_free = self.loop is None and self.requests is None and self.bucket is None
        is_free = is_free and not self._takes_time
        has_plain = self._has_plain_messages()
        self._is_plain = is_free and has_plain and plan.batch_size == 1 and plan.on_reject is OnReject.DROP
        self._is_bare = has_plain and self.requests is None
        self._ends_when_accepted = self.loop is None and self.requests is None and not self.port.flaws.lose_reply

    def _has_plain_messages(self) -> bool:
        message, flaws, recorded = self.plan.message, self.port.flaws, self.plan.recorded
        if recorded is not None and (recorded.sizes or recorded.groups or recorded.levels):
            return False
        varies = message.levels or message.groups or message.poison or message.attributes or message.delay or message.eta
        return not varies and message.dedup_keys is None and message.ttl is None and not (
            flaws.lose_send or flaws.lose_reply or self.port.may_go_away
        )

    def start(self) -> None:
        if self.loop is not None:
            self.loop.start()
        else:
            self._arm(self._next_arrival())

    def _arm(self, due: Nanos | None) -> None:
        self.due = due
        if due is not None:
            self.alarm.at(due)

    def _arrive(self, _event: Any) -> None:
        """An arrival.  What comes next at this very instant is armed first; what nothing comes before needs no alarm."""
        env, heap, next_arrival = self.world.env, self.world.env._queue, self._next_arrival
        if self.world.is_over:
            return
        for _ in range(AT_ONCE):
            following = next_arrival()
            is_tie = following is not None and following <= env._now
            if is_tie:
                self._arm(following)
            if not self.is_paused:
                self.offer()
            if following is None or is_tie:
                self.due = following
                return
            if heap[0][0] <= following or self._budget is not None:
                break
            env._now = following  # type: ignore[assignment]
        self._arm(following)

    # --- what the timeline does ---------------------------------------------------------------------------------------

    def set_rate(self, rate: Any) -> None:
        """From now on; what is drawn for the message under way is stretched."""
        self._rearm(self.arrivals.set_rate(self.world.now, rate))

    def slow(self, rate: Fraction | None) -> None:
        """Held down to this rate from now on; None: no more."""
        self._rearm(self.arrivals.slow(self.world.now, rate))

    def _rearm(self, due: Nanos | None) -> None:
        self.alarm.callbacks = []  # still in the heap, it will ring for nobody
        self.alarm = Alarm(self.world.env, self._slot, self._arrive)
        self._arm(due)

    def set_bucket(self, bucket: Bucket | None) -> None:
        """From now on every try needs a token of this bucket; None: of none."""
        self.bucket = bucket
        self._look_whether_plain()
        if self._waits_for_token:
            self._room()

    def pause(self, is_paused: bool) -> None:
        """A paused producer makes no messages, and does not make up for them; tries of earlier ones go on."""
        self.is_paused = is_paused
        if self.loop is not None:
            self.loop.pause(is_paused)

    # --- sending --------------------------------------------------------------------------------------------------------

    def offer(self) -> None:
        """The next message is there: send it, or put it with the others."""
        k = self.k
        self.k = k + 1
        if self._budget is not None:
            self._spend()
        number = self._base | k
        if self._is_plain and not self.held:
            rows = self._rows
            rows += _pack_alike(self._env._now, number, self._sent)
            if self.port.send_bare(number, self._size) is _BLOCKED:
                self._hold(Letter(k, number, self._bare_args, 1), _BLOCKED)
            return
        letter = self._write_bare(k, number) if self._is_bare else self._write(k, number)
        if self.plan.batch_size > 1:
            self._collect(letter)
        else:
            self._post(letter)

    def _ask(self) -> int:
        """A client's request."""
        self.offer()
        return self.k

    def _spend(self) -> None:
        assert self._budget is not None
        if self._budget[0] <= 0:
            raise OutOfBudget
        self._budget[0] -= 1

    def _write_bare(self, k: int, number: int) -> Letter:
        """What ``_write`` does for a message of which luck says nothing, and that awaits no reply."""
        rows = self._rows
        rows += _pack_alike(self._env._now, number, self._sent)
        return Letter(k, number, self._bare_args, 1)

    def _write(self, k: int, number: int) -> Letter:
        """A new letter, with all that luck says of it, and its labels as rows."""
        plan, world = self.plan.message, self.world
        level, group, _, attributes = self.labels[k]
        now, journal = world.now, world.journal
        if plan.poison is not None and self.labels.is_poison(k, now):
            world.poison.add(number)
            journal.write(now, number, NOBODY, 0, self.queue, Kind.POISON)
        if attributes >= 0:
            journal.write(now, number, NOBODY, 0, self.queue, Kind.ATTRIBUTES, 0, attributes)
        if plan.eta is not None:
            world.held_until[number] = now + world.luck.eta(self.plan, self.i, k)
        delay = world.luck.delay(self.plan, self.i, k) if plan.delay is not None else None
        keys = plan.dedup_keys
        dedup = None if keys is None else number if keys == 0 else k % keys
        size = self._sizes[k] if self._sizes else self._size
        letter = Letter(k, number, (level, group if group >= 0 else None, delay, self._ttl, size, dedup))
        self._write_try(letter)
        return letter

    def _write_try(self, letter: Letter) -> None:
        letter.tries += 1
        letter.has_token = letter.is_there = False
        letter.travelled = 0
        level, group = letter.args[0], letter.args[1]
        self.world.journal.write(
            self.world.now, letter.number, NOBODY, letter.tries, self.queue, Kind.SENT, level, -1 if group is None else group
        )
        if self.requests is not None:
            self.requests.sent(letter)

    def _post(self, letter: Letter) -> None:
        """One letter on its way, unless one is held before it, or there is no token."""
        if self.held:
            self.held.append(letter)
            return
        if self.bucket is not None and not self._takes_tokens(self.bucket, [letter]):
            return
        if self._goes_lost(letter):
            return
        if self._takes_time:
            self._depart([letter], False)
        else:
            self._heed(letter, self.port.send(letter.number, *letter.args))

    # --- under way ----------------------------------------------------------------------------------------------------------

    def _depart(self, letters: list[Letter], is_batch: bool) -> None:
        """One call.  Who waits for its answer longer than he would hears nothing: it may be sent again, and both come."""
        first = letters[0]
        takes = self.world.luck.send_latency(self.plan, self.i, first.k, first.tries)
        is_late = takes > self.plan.timeout
        for letter in letters:
            if is_late:
                self._hear_nothing(letter)
            letter.travelled = takes
        self.road.send(self.world.now + takes, Call(letters, [letter.tries for letter in letters], is_batch, is_late))

    def _reach(self, call: Call) -> None:
        """It is there, and is answered, unless nobody is there any more."""
        if self.port.is_away:
            self._find_nobody(call)
            return
        letters = [_arrived(letter, try_, call.is_late) for letter, try_ in zip(call.letters, call.tries, strict=True)]
        if self.held and not self._waits_for_token:  # who waits for a token has not gone, and is not before it
            self.held += letters
            return
        for letter, answer in zip(letters, self._call(letters, call.is_batch), strict=True):
            self._heed(letter, answer, letters[0])

    def _call(self, letters: list[Letter], is_batch: bool) -> list[Cause]:
        if not is_batch:
            return [self.port.send(letters[0].number, *letters[0].args)]
        return self.port.send_batch([_entry(letter) for letter in letters])

    def _find_nobody(self, call: Call) -> None:
        """The broker went away meanwhile."""
        for letter, try_ in zip(call.letters, call.tries, strict=True):
            self.world.journal.write(self.world.now, letter.number, NOBODY, try_, self.queue, Kind.LOST_SEND)
            if not call.is_late:
                self._hear_nothing(letter)

    def _goes_lost(self, letter: Letter) -> bool:
        if not self._is_lost(letter):
            return False
        self._row(Kind.LOST_SEND, letter)
        self._hear_nothing(letter)
        return True

    def _is_lost(self, call: Letter) -> bool:
        """Whether the call with this letter (of a batch: its first) does not arrive."""
        if self.port.is_away:
            return True
        lost = self.port.flaws.lose_send
        return bool(lost) and self.world.luck.send_luck(self.plan, self.i, call.k, call.tries)[0] < lost

    def _heed(self, letter: Letter, answer: Cause, call: Letter | None = None) -> None:
        """What the broker said, if the reply to the call (of a batch: of its first letter) arrives."""
        lost, call = self.port.flaws.lose_reply, call or letter
        if answer is _BLOCKED:
            self._hold(letter, answer)
        elif letter.is_given_up:
            return
        elif lost and self.world.luck.send_luck(self.plan, self.i, call.k, call.tries)[1] < lost:
            self._hear_nothing(letter)
        elif answer not in _GOOD:
            self._refused(letter, answer)
        else:
            self._hear(letter)
            self._accepted(letter)

    def _hear(self, letter: Letter) -> None:
        """A row, where it is later than the first try."""
        if letter.tries > 1 or letter.was_held:
            self._row(Kind.ANSWERED, letter)

    def _accepted(self, letter: Letter) -> None:
        """That is the answer, unless a reply is to come."""
        if self.requests is None:
            self._ended(letter)

    def _ended(self, letter: Any) -> None:
        """Nothing more will come of it: who asked thinks again."""
        if self.loop is not None:
            self.loop.answered(letter.k)

    def _row(self, kind: Kind, letter: Letter) -> None:
        self.world.journal.write(self.world.now, letter.number, NOBODY, letter.tries, self.queue, kind)

    # --- refused, unheard, blocked ----------------------------------------------------------------------------------------

    def _refused(self, letter: Letter, answer: Cause) -> None:
        if self.requests is not None:
            self.requests.forget(letter)
        if self.plan.on_reject is OnReject.BLOCK and answer in _PASSING:
            letter.is_refused = True
            self._hold(letter, answer)
        elif self.plan.on_reject is OnReject.RETRY:
            self._try_again(letter, self.world.now)
        else:
            self._hear(letter)
            self._ended(letter)

    def _gave_up(self, letter: Any) -> None:
        """No reply came in time."""
        if not self.plan.request_reply.retries:  # type: ignore[union-attr]
            letter.is_over = True
            self._ended(letter)
        elif self.plan.on_reject is OnReject.RETRY:
            self._try_again(letter, self.world.now)
        else:
            self._later(self.world.now, False, letter)

    def _hear_nothing(self, letter: Letter) -> None:
        """No answer: after the timeout it is sent again, where there is a retry policy."""
        self._later(self.world.now - letter.travelled + self.plan.timeout, True, letter)

    def _later(self, time: Nanos, is_timeout: bool, letter: Letter) -> None:
        heappush(self.again, (time, self._order(), is_timeout, letter, letter.tries))
        self._again_alarm.show(self.again[0][0])

    def _try_again(self, letter: Letter, since: Nanos) -> None:
        retry = self.plan.retry
        if retry is None or (retry.attempts is not None and letter.tries >= retry.attempts) or self._is_over_budget():
            self._no_more_tries(letter)
            return
        self.retries += 1
        jitter = self.world.luck.send_luck(self.plan, self.i, letter.k, letter.tries)[2]
        self._later(since + retry_delay(retry, letter.tries, jitter), False, letter)

    def _no_more_tries(self, letter: Letter) -> None:
        """Whoever still waits for a reply to an earlier try goes on waiting."""
        if self.requests is None or letter.k not in self.requests.waiting:
            letter.is_over = True
            self._ended(letter)

    def _is_over_budget(self) -> bool:
        retry = self.plan.retry
        return retry is not None and retry.budget is not None and self.retries + 1 > retry.budget * self.k

    def _try_due(self, now: Nanos) -> Nanos:
        """What waited for room, timeouts that are over, tries whose time has come: one at a ring, and what comes
        after it at this instant is armed first."""
        if self._room_at <= now:
            self._room_at = now if len(self.held) > 1 else NEVER
            self._again_alarm.show(self._next_try())
            self._send_held()
        elif self.again and self.again[0][0] <= now:
            _, _, is_timeout, letter, try_ = heappop(self.again)
            self._again_alarm.show(self._next_try())
            if letter.is_over or letter.tries != try_:
                pass  # it has been answered, or sent again, for another reason
            elif is_timeout:
                self._row(Kind.TIMED_OUT, letter)
                self._try_again(letter, now)
            else:
                self._write_try(letter)
                self._post(letter)
        return self._next_try()

    def _next_try(self) -> Nanos:
        return min(self._room_at, self.again[0][0] if self.again else NEVER)

    def _hold(self, letter: Letter, answer: Cause) -> None:
        """The producer stands still until there is room; what it makes meanwhile queues behind."""
        if self._waits_for_token:
            self._waits_for_token = False
            self.held.appendleft(letter)
            self._wait_for_room(letter, answer)
            return
        self.held.append(letter)
        if len(self.held) == 1:
            self._wait_for_room(letter, answer)

    def _wait_for_room(self, letter: Letter, answer: Cause) -> None:
        if answer is Cause.THROTTLED:
            self._room_at = self.port.queue.next_send(self.world.now, letter.args[1])
            self._again_alarm.show(self._room_at)
        else:
            self._room_at = NEVER
            self.port.wait_for_room(self._room, letter.args[4])

    def _room(self) -> None:
        """There is room: in the producer's own slot of this instant."""
        self._room_at = self.world.now
        self._again_alarm.show(self._room_at)

    def _send_held(self) -> None:
        """The first of the held letters: gone, or it waits on."""
        letter, self._waits_for_token = self.held[0], False
        if self.port.is_away:
            self._wait_for_room(letter, _BLOCKED)
            return
        if self.bucket is not None and (letter.is_refused or not letter.has_token) and not self._token_for_held(self.bucket):
            return
        if letter.is_refused:
            letter.is_refused = False
            self._write_try(letter)
        letter.has_token = letter.was_held = True
        if not letter.is_there and self._goes_lost(letter):
            self.held.popleft()
            return
        if not letter.is_there and self._takes_time:
            self._depart([self.held.popleft()], False)
            return
        letter.travelled = 0
        answer = self.port.send(letter.number, *letter.args)
        waits = self.plan.on_reject is OnReject.BLOCK and not letter.is_given_up
        if answer is _BLOCKED or (answer in _PASSING and waits):
            letter.is_refused = answer is not _BLOCKED
            self._wait_for_room(letter, answer)
        else:
            self.held.popleft()
            self._heed(letter, answer)

    # --- tokens -----------------------------------------------------------------------------------------------------------

    def _takes_tokens(self, bucket: Bucket, letters: list[Letter]) -> bool:
        """A token for each; or they stand in line, and go one by one."""
        now = self.world.now
        if bucket.ready(now, len(letters)) > now:
            self.held += letters
            self._wait_for_token(bucket)
            return False
        bucket.take(now, len(letters))
        for letter in letters:
            letter.has_token = True
        return True

    def _token_for_held(self, bucket: Bucket) -> bool:
        if bucket.ready(self.world.now) > self.world.now:
            self._wait_for_token(bucket)
            return False
        bucket.take(self.world.now)
        return True

    def _wait_for_token(self, bucket: Bucket) -> None:
        self._waits_for_token = True
        self._room_at = bucket.ready(self.world.now)
        self._again_alarm.show(self._room_at)

    # --- batches ----------------------------------------------------------------------------------------------------------

    def _collect(self, letter: Letter) -> None:
        if not self.batch:
            self._flush_at = self.world.now + self.plan.batch_wait
            self._flush_alarm.show(self._flush_at)
        self.batch.append(letter)
        if len(self.batch) >= self.plan.batch_size:
            self._flush()

    def _flush_due(self, now: Nanos) -> Nanos:
        if self.batch and now >= self._flush_at:
            self._flush()
        return self._flush_at if self.batch else NEVER

    def _flush(self) -> None:
        """One call.  Its luck is the first message's; each entry is answered apart."""
        letters, self.batch = self.batch, []
        if self.held:
            self.held += letters
            return
        if self.bucket is not None and not self._takes_tokens(self.bucket, letters):
            return
        if self._goes_lost_together(letters):
            return
        if self._takes_time:
            self._depart(letters, True)
            return
        for letter, answer in zip(letters, self._call(letters, True), strict=True):
            if answer or not self._ends_when_accepted:
                self._heed(letter, answer, letters[0])

    def _goes_lost_together(self, letters: list[Letter]) -> bool:
        if not self._is_lost(letters[0]):
            return False
        for letter in letters:
            self._row(Kind.LOST_SEND, letter)
            self._hear_nothing(letter)
        return True
