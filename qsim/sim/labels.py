"""What a message is: its level, its group, whether it is poison, its attributes.

It knows thresholds and uniforms, and not where these come from; what was recorded of a message is not drawn.  A value is the number of cumulative thresholds, in
file order, that do not exceed its uniform; so a larger share of poison poisons the same messages and others.
A combination of attribute values is one number: the values' numbers as in ``itertools.product``, the last attribute
changing fastest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from qsim.scenario.plan import Groups, MessagePlan, Poison, Recorded
from qsim.sim.luck import Label
from qsim.sim.samplers import Floats, Whole, exp, log
from qsim.units import Nanos

Lanes = Callable[[tuple[str, ...], int], Floats]
"""(purpose, number of the block) to four rows of uniforms, one column a message."""


def choose(thresholds: Sequence[float] | Floats, u: Floats) -> Whole:
    return np.searchsorted(thresholds[:-1], u, side="right")


def zipf(groups: Groups) -> Floats:
    """Cumulative thresholds of keys with weights 1, 2**-skew, 3**-skew, ..."""
    summed: Floats = np.cumsum(exp(log(np.arange(1.0, groups.keys + 1)) * -groups.skew))
    thresholds: Floats = summed / summed[-1]
    return thresholds


class Marks:
    """``first`` messages to be poisoned, each the first one sent at or after its moment; shared by the producers
    of one entry, in the order in which they send."""

    def __init__(self, poison: Poison) -> None:
        self._left = poison.first
        self._next = poison.from_
        self._every = poison.every

    def take(self, sent: Nanos) -> bool:
        if not self._left or sent < self._next:
            return False
        self._left -= 1
        self._next += self._every
        return True


class MessageLabels:
    """The labels of one producer's messages; the block in use is at hand."""

    def __init__(
        self, message: MessagePlan, lanes: Lanes, shift: int, marks: Marks | None, recorded: Recorded | None = None
    ) -> None:
        self._message = message
        self._recorded = recorded or Recorded(())
        self._lanes = lanes
        self._shift = shift
        self._mask = (1 << shift) - 1
        self._marks = marks
        self._zipf = zipf(message.groups) if message.groups else None
        self._block = -1
        self._rows: list[Label] = []

    def __getitem__(self, k: int) -> Label:
        if k >> self._shift != self._block:
            self._block = k >> self._shift
            self._rows = self._draw(self._block)
        return self._rows[k & self._mask]

    def is_poison(self, k: int, sent: Nanos) -> bool:
        return self[k][2] or (self._marks is not None and self._marks.take(sent))

    def _draw(self, block: int) -> list[Label]:
        columns = (self._levels(block), self._groups(block), self._poison(block), self._attributes(block))
        return list(zip(*columns, strict=True))

    def _same(self, value: int) -> list[int]:
        return [value] * (self._mask + 1)

    def _of_record(self, column: tuple[int, ...], block: int) -> list[int]:
        first = block << self._shift
        values = list(column[first : first + self._mask + 1])
        return values + [0] * (self._mask + 1 - len(values))

    def _levels(self, block: int) -> list[int]:
        if self._recorded.levels:
            return self._of_record(self._recorded.levels, block)
        levels = self._message.levels
        return choose(levels, self._lanes(("arrival",), block)[1]).tolist() if levels else self._same(0)

    def _groups(self, block: int) -> list[int]:
        if self._recorded.groups:
            return self._of_record(self._recorded.groups, block)
        if self._zipf is None:
            return self._same(-1)
        groups: list[int] = choose(self._zipf, self._lanes(("arrival",), block)[2]).tolist()
        return groups

    def _poison(self, block: int) -> list[bool]:
        poison = self._message.poison
        if not poison or not poison.share:
            return [False] * (self._mask + 1)
        marked: list[bool] = (self._lanes(("poison",), block)[0] < poison.share).tolist()
        return marked

    def _attributes(self, block: int) -> list[int]:
        """One purpose an attribute, so that another one beside it changes nothing."""
        if not self._message.attributes:
            return self._same(-1)
        number = np.zeros(self._mask + 1, dtype=np.int64)
        for name, shares in self._message.attributes:
            chosen = choose(shares.thresholds, self._lanes(("attribute", name), block)[0])
            number = number * len(shares.names) + chosen
        numbers: list[int] = number.tolist()
        return numbers
