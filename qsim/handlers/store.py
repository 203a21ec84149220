"""What a handler is given: a message, and a store with its database and the payment service.

It knows keys, transactions and charges, no queue.  A call is made by whoever drives the handler: ``ask`` gives up control
before it, and there the process may die, be held up, or be overtaken.

The database is serializable: one transaction at a time, a write waits for its end, a read sees what is committed.  What
``charge`` does is done at the payment service and no rollback takes it back; what ``book`` does is a row of the database.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

READS, WRITES = ("exists", "get"), ("put", "add")
EFFECTS = ("charge", "book")
_WAITS = (*WRITES, "delete", "book", "begin")
"""For the end of a transaction that another one has begun."""


@dataclass(frozen=True, slots=True)
class Message:
    """``id`` is this message's own (an order that was sent twice has two); ``order`` what it is about, also as ``key``;
    ``receives`` how often it has been received, this time included."""

    id: str
    order: int
    body: Mapping[str, Any]
    receives: int = 1
    group: Hashable = None

    @property
    def key(self) -> int:
        return self.order


class Call(NamedTuple):
    """One call of a handler: ``put(4711)``."""

    name: str
    args: tuple[Any, ...] = ()

    def __str__(self) -> str:
        if self.name in ("begin", "commit", "rollback"):
            return f"the {self.name} of its transaction"
        if self.name == "ack":
            return "its ack"
        shown = self.args if self.args[-1:] not in ((None,), (True,)) or len(self.args) < 2 else self.args[:-1]
        return f"{self.name}({', '.join(map(repr, shown))})"


class Store:
    """The database and the payment service, as a handler sees them.  Keys are anything hashable."""

    def __init__(self, ask: Callable[[Call], Any]) -> None:
        self._ask = ask

    def exists(self, key: Hashable) -> bool:
        """Whether there is a record."""
        return bool(self._ask(Call("exists", (key,))))

    def get(self, key: Hashable, default: Any = None) -> Any:
        """What was put there."""
        return self._ask(Call("get", (key, default)))

    def put(self, key: Hashable, value: Any = True) -> None:
        """Write a record, over what was there."""
        self._ask(Call("put", (key, value)))

    def add(self, key: Hashable, value: Any = True) -> bool:
        """Write a record if there is none, in one step; False: there was one."""
        return bool(self._ask(Call("add", (key, value))))

    def delete(self, key: Hashable) -> None:
        """Remove a record, if there is one."""
        self._ask(Call("delete", (key,)))

    def transaction(self) -> Transaction:
        """``with store.transaction():`` all that is written inside, or nothing."""
        return Transaction(self)

    def charge(self, order: Any, key: Hashable = None) -> bool:
        """Charge the customer, at the payment service outside.  With an idempotency ``key`` the service charges once for
        each key; False: it had this key before."""
        return bool(self._ask(Call("charge", (order, key))))

    def book(self, order: Any) -> None:
        """Charge the customer's account, which is a row of this very database: inside a transaction it is done with all
        the rest, or not at all."""
        self._ask(Call("book", (order,)))


class Transaction:
    """Commits at the end of its block; an exception rolls it back, and so does the death of its process."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __enter__(self) -> Store:
        self._store._ask(Call("begin"))
        return self._store

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        self._store._ask(Call("commit" if kind is None else "rollback"))


class Charge(NamedTuple):
    """Money that was moved, and by which piece of work."""

    order: Any
    work: int


@dataclass
class Database:
    """Records and charges.  ``owner`` is the work whose transaction is open; ``draft`` what it sees and may commit."""

    rows: dict[Hashable, Any] = field(default_factory=dict)
    charges: list[Charge] = field(default_factory=list)
    keys: set[Hashable] = field(default_factory=set)
    owner: int | None = None
    draft: dict[Hashable, Any] = field(default_factory=dict)
    booked: list[Any] = field(default_factory=list)
    depth: int = 0

    def is_free(self, work: int, call: Call) -> bool:
        """Whether this call need not wait for the end of another one's transaction."""
        return self.owner in (None, work) or call.name not in _WAITS

    def do(self, work: int, call: Call) -> Any:
        """Make the call; it may raise what the handler then gets."""
        return _DOES[call.name](self, work, *call.args)

    def roll_back(self, work: int) -> bool:
        """The work is dead or has failed; whether it had a transaction open."""
        if self.owner != work:
            return False
        self.owner, self.depth = None, 0
        self.booked.clear()
        return True

    def seen_by(self, work: int) -> dict[Hashable, Any]:
        return self.draft if self.owner == work else self.rows

    # --- calls --------------------------------------------------------------------------------------------------------

    def exists(self, work: int, key: Hashable) -> bool:
        return key in self.seen_by(work)

    def get(self, work: int, key: Hashable, default: Any) -> Any:
        return deepcopy(self.seen_by(work).get(key, default))

    def put(self, work: int, key: Hashable, value: Any) -> None:
        self.seen_by(work)[key] = deepcopy(value)

    def add(self, work: int, key: Hashable, value: Any) -> bool:
        if key in self.seen_by(work):
            return False
        self.put(work, key, value)
        return True

    def delete(self, work: int, key: Hashable) -> None:
        self.seen_by(work).pop(key, None)

    def charge(self, work: int, order: Any, key: Hashable) -> bool:
        if key is not None and key in self.keys:
            return False
        self.keys.add(key)
        self.charges.append(Charge(order, work))
        return True

    def book(self, work: int, order: Any) -> None:
        if self.owner == work:
            self.booked.append(order)
        else:
            self.charges.append(Charge(order, work))

    def begin(self, work: int) -> None:
        if self.owner is None:
            self.owner, self.draft = work, dict(self.rows)
        self.depth += 1

    def commit(self, work: int) -> None:
        self.depth -= 1
        if self.depth == 0 and self.owner == work:
            self.rows, self.owner = self.draft, None
            self.charges += [Charge(order, work) for order in self.booked]
            self.booked.clear()

    def rollback(self, work: int) -> None:
        self.roll_back(work)


_DOES: dict[str, Callable[..., Any]] = {
    name: getattr(Database, name)
    for name in (*READS, *WRITES, "delete", *EFFECTS, "begin", "commit", "rollback")
}
