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
from pathlib import Path

import attrs

Once = Callable[[], Awaitable[float]]
"""Do the work one time and return its cost, in the unit of the row; preparation is not counted."""

Contender = Callable[[Path, "Sizes"], AbstractAsyncContextManager[Once]]
"""Open what one way of doing the work needs, in a folder of its own."""

ContenderSteps = AsyncGenerator[Once]


@attrs.frozen
class Sizes:
    """How much work one round of each row is."""

    load: int = 10_000
    insert: int = 5_000
    update: int = 5_000
    get: int = 300
    units: int = 200
    tracked: int = 10_000
    reads: int = 2_000_000
    rounds: int = 15


QUICK = Sizes(load=200, insert=100, update=100, get=10, units=5, tracked=200, reads=2_000, rounds=2)
"""Enough to see that everything runs; the figures mean nothing."""


@attrs.frozen
class Row:
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
    """

    key: str
    title: str
    unit: str
    floor: str | None
    bound: float
    goal: float | None
    contenders: Mapping[str, Contender]
    rounds: int | None = None


@attrs.frozen
class Result:
    """What a row came to.

    Attributes:
        row: the row.
        samples: every round's figure, by contender.
    """

    row: Row
    samples: Mapping[str, list[float]]

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


async def run_row(
    row: Row, sizes: Sizes, folder: Path, on_round: Callable[[], None] = lambda: None
) -> Result:
    """Measure a row: one unmeasured warm-up each, then the rounds in turn, order rotating."""
    samples: dict[str, list[float]] = {name: [] for name in row.contenders}
    async with AsyncExitStack() as stack:
        ready: list[tuple[str, Once]] = []
        for name, contender in row.contenders.items():
            place = folder / row.key / name
            place.mkdir(parents=True)
            ready.append((name, await stack.enter_async_context(contender(place, sizes))))
        for _, once in ready:
            await once()
        for number in range(row.rounds or sizes.rounds):
            turn = number % len(ready)
            for name, once in ready[turn:] + ready[:turn]:
                samples[name].append(await once())
            on_round()
    return Result(row, samples)
