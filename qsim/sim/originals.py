"""What was said of a message when it was first sent: for copies, and for what consumers make of it.

It knows luck and whose messages a producer index numbers; it draws nothing that is not drawn at the send, too.
"""

from __future__ import annotations

from qsim.scenario.origins import NUMBER, NUMBER_BITS, levels_there, origins, priorities_of
from qsim.scenario.plan import MessagePlan, Plan
from qsim.sim.luck import Label, Labels, Luck


class Originals:
    """Labels by the number of any message, an original or not."""

    def __init__(self, plan: Plan, luck: Luck) -> None:
        self._plan = plan
        self._luck = luck
        self.origins = origins(plan)
        self._labels: dict[int, Labels] = {}
        self._levels: dict[tuple[int, int], tuple[int, ...]] = {}

    def label(self, message: int) -> Label:
        """Level (as where the original was sent), group, poison by its share, combination of attribute values."""
        root = self.origins[message >> NUMBER_BITS].root
        if root not in self._labels:
            origin = self.origins[root]
            self._labels[root] = self._luck.labels(origin.producer, origin.i)
        return self._labels[root][message & NUMBER]

    def level(self, message: int, to: int) -> int:
        """Its priority at this queue or topic, by name."""
        root = self.origins[message >> NUMBER_BITS].root
        home = self.origins[root].to
        if (home, to) not in self._levels:
            self._levels[home, to] = levels_there(priorities_of(self._plan, home), priorities_of(self._plan, to))
        return self._levels[home, to][self.label(message)[0]]

    def attributes(self, message: int) -> dict[str, str]:
        """The values of its attributes, by name."""
        given, left, found = self.message(message).attributes, self.label(message)[3], dict[str, str]()
        for name, shares in reversed(given):
            left, which = divmod(left, len(shares.names))
            found[name] = shares.names[which]
        return {name: found[name] for name, _ in given}

    def message(self, message: int) -> MessagePlan:
        """What its producer says of all its messages: size, routing key, attributes."""
        return self.origins[message >> NUMBER_BITS].producer.message
