"""Faults on purpose: what shall go wrong, and at which call of a driver.

Every call of the contract passes two points: *before* the store sees it and *after* the store has
done it. Each point is a real checkpoint, so a cancellation can land exactly there. A plan says at
which point an action happens; an action happens once, and is then forgotten.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, Protocol, final

import anyio
import anyio.lowlevel
import attrs

from uow.errors import ConnectionLostError

__all__ = [
    "AbsorbCancel",
    "Action",
    "Call",
    "CallBack",
    "Delay",
    "Faults",
    "Hang",
    "LoseConnection",
    "Moment",
    "Point",
    "Raise",
    "RollBack",
]


class Moment(Enum):
    """On which side of the store's work a point lies."""

    BEFORE = "before"
    AFTER = "after"


@attrs.frozen
class Call:
    """One call of the contract.

    Attributes:
        number: counted from 1 over the driver's life.
        connection: the number of the connection, counted from 1.
        operation: the name of the contract's method; `stream_batch` for each batch of a stream.
        sql: the text sent, or None.
        rows: how many rows of parameters went with it.
    """

    number: int
    connection: int
    operation: str
    sql: str | None = None
    rows: int = 0


class Breakable(Protocol):
    """What an action can do to a connection."""

    def terminate(self) -> None:
        """Cut it off."""
        ...

    def roll_back_silently(self) -> None:
        """Let the store give the transaction up, as SQLite does when a disk is full."""
        ...


@attrs.frozen
class Point:
    """Where a plan has arrived.

    Attributes:
        call: the call.
        moment: before or after.
        connection: who makes it; None while it is being opened.
    """

    call: Call
    moment: Moment
    connection: Breakable | None


class Action(Protocol):
    """What happens at a point."""

    async def happen(self, point: Point) -> None:
        """Do it. What it raises, the call raises."""
        ...


@final
@attrs.frozen
class Delay:
    """The store takes its time."""

    seconds: float

    async def happen(self, point: Point) -> None:  # noqa: ARG002  # the same everywhere
        """Sleep."""
        await anyio.sleep(self.seconds)


@final
@attrs.frozen
class Raise:
    """The call fails: before, the store saw nothing of it; after, it was done all the same."""

    error: BaseException | type[BaseException]

    async def happen(self, point: Point) -> None:  # noqa: ARG002  # the same everywhere
        """Raise."""
        await anyio.lowlevel.checkpoint()
        raise self.error


@final
@attrs.define(eq=False)
class Hang:
    """The call does not end until it is cancelled, or `release` is called."""

    _entered: anyio.Event = attrs.field(factory=anyio.Event, init=False)
    _released: anyio.Event = attrs.field(factory=anyio.Event, init=False)

    async def happen(self, point: Point) -> None:  # noqa: ARG002  # the same everywhere
        """Wait."""
        self._entered.set()
        await self._released.wait()

    async def wait_entered(self) -> None:
        """Wait until somebody hangs here."""
        await self._entered.wait()

    def release(self) -> None:
        """Let it go on."""
        self._released.set()


@final
@attrs.frozen
class CallBack:
    """Calls a function, as `scope.cancel`, and gives what it did the occasion to be noticed."""

    function: Callable[[], object]

    async def happen(self, point: Point) -> None:  # noqa: ARG002  # the same everywhere
        """Call."""
        self.function()
        await anyio.lowlevel.checkpoint()


@final
@attrs.frozen
class AbsorbCancel:
    """A client library that swallows a cancellation: it waits for `times` of them and goes on."""

    times: int = 1

    async def happen(self, point: Point) -> None:  # noqa: ARG002  # the same everywhere
        """Wait to be cancelled, and say nothing of it."""
        for _ in range(self.times):
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():  # the defect is the purpose
                continue


@final
@attrs.frozen
class LoseConnection:
    """The connection breaks. After `commit` this is the lost acknowledgement."""

    async def happen(self, point: Point) -> None:
        """Cut it off and say so."""
        await anyio.lowlevel.checkpoint()
        if point.connection is not None:
            point.connection.terminate()
        raise ConnectionLostError("the connection was lost")


@final
@attrs.frozen
class RollBack:
    """The store gives the transaction up by itself, and fails the call or says nothing."""

    error: BaseException | None = None

    async def happen(self, point: Point) -> None:
        """Roll back."""
        await anyio.lowlevel.checkpoint()
        if point.connection is not None:
            point.connection.roll_back_silently()
        if self.error is not None:
            raise self.error


@attrs.define(eq=False)
class _Plan:
    """An action and the point it waits for."""

    left: int
    action: Action
    operation: str | None = None
    moment: Moment | None = None
    sql: str | None = None

    def arrives(self, point: Point) -> bool:
        """Count a point that fits, and say whether it is the one."""
        call = point.call
        if (
            (self.operation is not None and self.operation != call.operation)
            or (self.moment is not None and self.moment is not point.moment)
            or (self.sql is not None and self.sql not in (call.sql or ""))
        ):
            return False
        self.left -= 1
        return self.left == 0


@final
class Faults:
    """What shall go wrong."""

    __slots__ = ("_actions", "_plans", "_random", "_rate")

    def __init__(self) -> None:
        self._plans: list[_Plan] = []
        self._random = random.Random(0)  # noqa: S311  # to be repeated is the point
        self._rate = 0.0
        self._actions: Sequence[Callable[[], Action]] = ()

    def __repr__(self) -> str:
        return f"<Faults {len(self._plans)} planned>"

    @property
    def pending(self) -> int:
        """How many planned actions have not happened yet."""
        return len(self._plans)

    def at(self, n: int, action: Action) -> None:
        """Plan an action for the n-th point from now; 1 is the next."""
        self._plans.append(_Plan(n, action))

    def before(
        self, operation: str, action: Action, *, nth: int = 1, sql: str | None = None
    ) -> None:
        """Plan an action before the store sees a call.

        Args:
            operation: the contract's method, as `"commit"`.
            action: what happens.
            nth: which of them from now; 1 is the next.
            sql: count only calls whose text holds this.
        """
        self._plans.append(_Plan(nth, action, operation, Moment.BEFORE, sql))

    def after(
        self, operation: str, action: Action, *, nth: int = 1, sql: str | None = None
    ) -> None:
        """Plan an action for when the store has done a call; arguments as of `before`."""
        self._plans.append(_Plan(nth, action, operation, Moment.AFTER, sql))

    def chaos(self, seed: int, rate: float, actions: Sequence[Callable[[], Action]]) -> None:
        """Let something go wrong at random, the same for the same seed and the same calls.

        Args:
            seed: print it, to repeat what was seen.
            rate: from 0 to 1, how likely an action is at each point.
            actions: what makes one, as `lambda: Delay(0.001)`.
        """
        self._random = random.Random(seed)  # noqa: S311  # to be repeated is the point
        self._rate = rate
        self._actions = actions

    def clear(self) -> None:
        """Plan nothing, and leave nothing to chance."""
        self._plans.clear()
        self._rate = 0.0

    def take(self, point: Point) -> list[Action]:
        """Give what happens at a point."""
        due = [plan for plan in self._plans if plan.arrives(point)]
        if due:
            self._plans = [plan for plan in self._plans if plan not in due]
        actions: list[Action] = [plan.action for plan in due]
        if self._actions and self._random.random() < self._rate:
            actions.append(self._random.choice(self._actions)())
        return actions


def size_of(parameters: Sequence[Any]) -> int:
    """Give the bytes of parameters, about as a wire would carry them."""
    return sum(
        len(value) if isinstance(value, (str, bytes)) else 0 if value is None else 8
        for value in parameters
    )
