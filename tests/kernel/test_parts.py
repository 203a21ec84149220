"""The parts of a queue by themselves: deadlines, buckets, lanes."""

from random import Random

from qsim.brokers import SQS_FIFO
from qsim.kernel.broker import Broker
from qsim.kernel.deadlines import NEVER, Deadlines
from qsim.kernel.journal import Cause, Place
from qsim.kernel.message import Message
from qsim.kernel.ready import Fifo, Groups, Levels, Lifo, Oldest
from qsim.kernel.throttle import Bucket
from qsim.units import SECOND


class Owner:
    arm = 0


def armed(deadlines, time, arm):
    owner = Owner()
    owner.arm = arm
    deadlines.add(time, arm, owner)
    return owner


def message(rank, queue=None, level=0, group=None):
    made = Message(rank, queue, rank, 0)
    made.level, made.group = level, group
    return made


def test_deadlines_come_in_order_of_time_then_of_arming():
    deadlines = Deadlines()
    for arm, time in enumerate((30, 10, 20, 10, 30), start=1):
        armed(deadlines, time, arm)
    assert deadlines.due == 10
    assert [deadlines.pop(25)[:2] for _ in range(3)] == [(10, 2), (10, 4), (20, 3)]
    assert deadlines.pop(25) is None
    assert deadlines.due == 30


def test_a_deadline_armed_anew_or_disarmed_is_not_meant_any_more():
    deadlines = Deadlines()
    owner = armed(deadlines, 10, 1)
    owner.arm = 2
    deadlines.add(20, 2, owner)
    other = armed(deadlines, 15, 3)
    other.arm = 0
    assert deadlines.next() == 20
    assert [entry[1] for entry in deadlines.live()] == [2]
    assert deadlines.pop(20)[1] == 2
    assert deadlines.next() == NEVER


def test_many_deadlines_agree_with_a_sorted_list():
    random = Random(3)
    deadlines, model = Deadlines(), {}
    now = 0
    for arm in range(1, 5000):
        now += random.randrange(3)
        time = now + random.choice((10, 10, 10, 3, 50))
        model[arm] = (time, arm, armed(deadlines, time, arm))
        if random.random() < 0.7 and model:
            gone = random.choice(list(model))
            model.pop(gone)[2].arm = 0
        while (entry := deadlines.pop(now)) is not None:
            first = min(model.values(), key=lambda e: e[:2])
            assert entry == first
            del model[entry[1]]
        assert deadlines.due == min((time for time, _, _ in model.values()), default=NEVER)


def test_a_bucket_holds_a_second_and_fills_evenly():
    bucket = Bucket(3)
    assert [bucket.take(0) for _ in range(4)] == [Cause.NONE] * 3 + [Cause.THROTTLED]
    third = bucket.next_token(0)
    assert third == -(-SECOND // 3)
    assert bucket.take(third - 1) is Cause.THROTTLED
    assert bucket.take(third) is Cause.NONE
    assert bucket.used(10 * SECOND) == 0
    assert [bucket.take(10 * SECOND) for _ in range(4)] == [Cause.NONE] * 3 + [Cause.THROTTLED]


def test_a_bucket_without_a_limit_never_refuses():
    bucket = Bucket(None)
    assert {bucket.take(0) for _ in range(10_000)} == {Cause.NONE}


def test_lanes_agree_with_a_sorted_list():
    random = Random(5)
    keys = {Fifo: lambda m: m.rank, Lifo: lambda m: -m.rank, Levels: lambda m: (m.level, m.rank)}
    for make, key in keys.items():
        lane, model, out = (make(3) if make is Levels else make()), [], []
        for rank in range(1, 3000):
            one = message(rank, level=random.randrange(3))
            lane.push(one)
            model.append(one)
            if random.random() < 0.3:  # deleted where it stands
                model.pop(random.randrange(len(model))).place = Place.GONE
            if random.random() < 0.6 and model:
                expected = min(model, key=key)
                assert lane.front() is expected
                got = lane.pop()
                assert got is expected
                got.place = Place.LEASED
                model.remove(got)
                out.append(got)
            if random.random() < 0.5 and out:
                back = out.pop(random.randrange(len(out)))
                back.place = Place.READY
                lane.put_back(back)
                model.append(back)
        assert list(lane) == sorted(model, key=key)


def test_the_heap_for_dropping_is_swept():
    heap = Oldest()
    for rank in range(1, 10_000):
        one = message(rank)
        heap.add(one)
        if rank % 100:
            one.place = Place.GONE
    assert len(heap._heap) < 1500
    assert heap.front().rank == 100


def test_a_group_without_messages_is_forgotten():
    broker = Broker({"q": SQS_FIFO})
    for n in range(250):
        broker.send(n, "q", group=n)
        [delivery] = broker.receive(n, "q", "c")
        broker.ack(n, delivery)
    groups = broker.queues["q"].ready
    assert isinstance(groups, Groups)
    assert not groups._groups
    assert not groups._seen
