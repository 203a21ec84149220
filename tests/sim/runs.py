"""Small runs told in YAML, and their rows read as sentences.

    rows = run("queues: {q: {}} ...", seconds=10)
    rows.times("RECEIVED", k=0)      # [0.0, 3.0]: when the first producer's first message was received, in seconds
    rows.at(3)                       # ["ERRED 0", "NACKED 0", "RECEIVED 0"]: what happened at 3 s, in order

``k`` is a producer's own number of a message, ``process`` a consumer's own number of a process.
"""

from dataclasses import dataclass
from itertools import pairwise
from textwrap import dedent
from typing import NamedTuple

from qsim.claims.conservation import conservation
from qsim.kernel.journal import ROW, Kind
from qsim.scenario import load
from qsim.sim.simulate import simulate
from qsim.units import SECOND

K = (1 << 40) - 1
PROCESS = (1 << 20) - 1


class Row(NamedTuple):
    time: int
    message: int
    client: int
    attempt: int
    queue: int
    kind: int
    cause: int
    other: int

    @property
    def k(self):
        return self.message & K if self.message >= 0 else None

    @property
    def producer(self):
        return self.message >> 40

    @property
    def process(self):
        return self.client & PROCESS if self.client >= 0 else None

    @property
    def consumer(self):
        return self.client >> 20

    def __str__(self):
        return Kind(self.kind).name + (f" {self.k}" if self.message >= 0 else "")


@dataclass
class Run:
    recording: object
    rows: list

    def of(self, kind, **where):
        """The rows of a kind (by name) whose fields are these."""
        number = Kind[kind]
        return [r for r in self.rows if r.kind == number and all(getattr(r, f) == v for f, v in where.items())]

    def times(self, kind, **where):
        return [row.time / SECOND for row in self.of(kind, **where)]

    def count(self, kind, **where):
        return len(self.of(kind, **where))

    def at(self, second, *kinds):
        """What happened at that moment, in order, as text; of these kinds only."""
        return [str(r) for r in self.rows if r.time == round(second * SECOND) and (not kinds or Kind(r.kind).name in kinds)]

    def life(self, k, producer=0):
        """One message's rows with their seconds."""
        return [(r.time / SECOND, Kind(r.kind).name) for r in self.rows if r.k == k and r.producer == producer]

    @property
    def left(self):
        """How many messages are in each queue at the end."""
        return {name: sum(levels.values()) for name, levels in self.recording.overview.items()}


def scenario(text, seconds=100, sets=()):
    """``run:`` is added where the text has none."""
    text = dedent(text)
    head = "qsim: 1\nname: story\n" + ("" if "\nrun:" in "\n" + text else f"run: {{duration: {seconds}s}}\n")
    return load.read(text=head + text, sets=sets)


def plan(text, seconds=100, sets=()):
    return scenario(text, seconds, sets).plan


def run(text, seconds=100, seed=None, sets=(), **how):
    """A run whose books are in order."""
    recording = simulate(plan(text, seconds, sets), seed, **how)
    assert conservation(recording)["problems"] == []
    rows = [Row(*row) for chunk in recording.chunks for row in ROW.iter_unpack(chunk)]
    assert all(earlier.time <= later.time for earlier, later in pairwise(rows)), "time goes forward"
    return Run(recording, rows)
