"""Interleaved rounds, medians, and what they are judged by.

Contenders of one row take turns, round after round, so that a slow moment of the machine falls on
all of them. The cyclic collector stays on: turning it off only moves its cost out of sight.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from typing import Any, Final, Generic, Protocol, TypeVar

import attrs

PEERS: Final = frozenset({"tortoise", "piccolo", "sqlatypemodel", "beanie", "odmantic"})
"""Libraries that are measured where they are installed, and left out where they are not."""

Once = Callable[[], Awaitable[float]]
"""Do the work one time and return its cost, in the unit of the row; preparation is not counted."""

ContenderSteps = AsyncGenerator[Once]


class Place(Protocol):
    """Where one contender works: the table `people` in a store."""

    @property
    def url(self) -> str:
        """The store, as `uow` takes it."""

    @property
    def options(self) -> Mapping[str, Any]:
        """What `uow` is told besides, so that all contenders have the same settings."""

    async def fill(self, count: int) -> None:
        """Make the table hold so many rows, with keys from 1, and no others."""

    async def refresh(self) -> None:
        """Bring the table back to what `fill` made, if what happened to it slows later rounds."""


P = TypeVar("P", bound=Place)
P_contra = TypeVar("P_contra", bound=Place, contravariant=True)
Contender = Callable[[P, "Sizes"], AbstractAsyncContextManager[Once]]
"""Open what one way of doing the work needs."""


@attrs.frozen
class Sizes:
    """How much work one round of each row is."""

    load: int = 10_000
    eager: int = 2_000
    insert: int = 5_000
    update: int = 5_000
    documents: int = 2_000
    get: int = 300
    units: int = 200
    tracked: int = 10_000
    reads: int = 2_000_000
    rounds: int = 15


QUICK = Sizes(
    load=200,
    eager=60,
    insert=100,
    update=100,
    documents=50,
    get=10,
    units=5,
    tracked=200,
    reads=2_000,
    rounds=2,
)
"""Enough to see that everything runs; the figures mean nothing."""


@attrs.frozen
class Row(Generic[P_contra]):
    """One row of the budget.

    Attributes:
        key: a short name for the command line and the result file.
        title: the work, in words.
        unit: what `Once` returns: "ms", "µs", "ns" or "bytes".
        floor: the contender that the others are divided by, or None where the bound is absolute.
        bound: the most that `uow` may cost: a ratio to the floor, or a figure in `unit`.
        goal: what it should reach, likewise, or None.
        contenders: by name, in the order of the table.
        rounds: fewer rounds than the others have, where one is enough.
        is_round_trips: most of it is waiting for the other side, so that client and server are
            measured on one core; otherwise each has its own.
    """

    key: str
    title: str
    unit: str
    floor: str | None
    bound: float
    goal: float | None
    contenders: Mapping[str, Contender[P_contra]]
    rounds: int | None = None
    is_round_trips: bool = False


@attrs.frozen
class Result:
    """What a row came to.

    Attributes:
        row: the row.
        samples: every round's figure, by contender.
        absent: contenders whose library is not installed.
        cores: where client and server ran; empty if nobody was held to a core.
    """

    row: Row[Any]
    samples: Mapping[str, list[float]]
    absent: tuple[str, ...] = ()
    cores: str = ""

    def median(self, contender: str) -> float:
        """The figure of a contender, in the unit of the row."""
        return statistics.median(self.samples[contender])

    def ratio(self, contender: str) -> float:
        """How many times the floor a contender costs; its own figure where there is no floor."""
        if self.row.floor is None:
            return self.median(contender)
        return self.median(contender) / self.median(self.row.floor)

    @property
    def is_kept(self) -> bool:
        """Whether `uow` stays inside the bound."""
        return self.ratio("uow") <= self.row.bound


class Stopwatch:
    """Seconds between entering and leaving `timed()`."""

    seconds = 0.0


@contextmanager
def timed() -> Generator[Stopwatch]:
    """Measure the block, after collecting what earlier ones left."""
    watch = Stopwatch()
    gc.collect()
    start = time.perf_counter()
    yield watch
    watch.seconds = time.perf_counter() - start


@contextmanager
def frozen() -> Generator[None]:
    """Keep what is loaded by now out of the collector's sight.

    All contenders are in one process, and each would pay for walking over the libraries of all the
    others, the more the more often it sets off a collection. What the work makes is collected.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def run_row(
    row: Row[P],
    sizes: Sizes,
    place_of: Callable[[str], P],
    on_round: Callable[[], None] = lambda: None,
) -> Result:
    """Measure a row: one unmeasured warm-up each, then the rounds in turn, order rotating.

    Args:
        row: what to measure.
        sizes: how much of it.
        place_of: gives a contender the place to work in.
        on_round: called after each round.
    """
    ready: list[tuple[str, Once]] = []
    absent: list[str] = []
    async with AsyncExitStack() as stack:
        for name, contender in row.contenders.items():
            try:
                once = await stack.enter_async_context(contender(place_of(name), sizes))
            except ModuleNotFoundError as missing:
                if missing.name not in PEERS:
                    raise
                absent.append(name)
            else:
                ready.append((name, once))
        for _, once in ready:
            await once()
        stack.enter_context(frozen())
        samples: dict[str, list[float]] = {name: [] for name, _ in ready}
        for number in range(row.rounds or sizes.rounds):
            turn = number % len(ready)
            for name, once in ready[turn:] + ready[:turn]:
                samples[name].append(await once())
            on_round()
    return Result(row, samples, tuple(absent))
