"""What the connections of one SQLite database share, and the limits of what runs inline."""

from __future__ import annotations

import time
from typing import Final, final

import anyio.lowlevel

from uow.drivers._writers import Writers

__all__ = [
    "FIRST_SLICE",
    "MANY_PARAMETERS",
    "SLOW",
    "STEPS_A_TICK",
    "UNDO_INLINE",
    "Meter",
    "SQLiteState",
    "next_size",
]

FIRST_SLICE: Final = 64
"""Rows in the first inline slice; later ones grow or shrink with the time they take."""

LARGEST_SLICE: Final = 1024
SMALLEST_SLICE: Final = 8

QUICK: Final = 0.000_25
"""Seconds. A slice that took less may grow; a text that took less in the thread may run inline."""

SLOW: Final = 0.001
"""Seconds of work inline after which the event loop has its turn."""

MANY_PARAMETERS: Final = 2_000
"""An INSERT of more parameters goes to the thread: inline it takes a third of a millisecond."""

STEPS_A_TICK: Final = 1_000
"""Virtual machine steps between two calls of the progress handler, some 10 microseconds."""

TICKS: Final = 40
"""Ticks an inline slice of a read may take: about half a millisecond."""

NO_LIMIT: Final = 1 << 60

UNDO_INLINE: Final = 10_000
"""Changed rows of a transaction up to which ROLLBACK TO runs inline."""

STRIKES: Final = 3
"""How often in a row a text must be slow inline to go to the thread; once may be a busy machine."""

REMEMBERED: Final = 1_000
"""Slow texts that are known by heart."""


def next_size(size: int, seconds: float) -> int:
    """Give the number of rows of the next slice, from what the last one took."""
    if seconds < QUICK:
        return min(LARGEST_SLICE, 2 * size)
    return max(SMALLEST_SLICE, size // 4) if seconds > SLOW else size


@final
class Meter:
    """Counts the virtual machine steps of an inline slice, as SQLite's progress handler.

    SQLite counts over the life of a prepared statement, so the first tick may come early. Knows
    nothing of the connection, which it must not keep alive.
    """

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = NO_LIMIT

    def __call__(self) -> bool:
        """Say whether to interrupt."""
        self.left -= 1
        return self.left < 0

    def limit(self) -> None:
        """Begin a slice that is cut short past the limit."""
        self.left = TICKS

    def lift(self) -> None:
        """Begin work that must not be cut short: an interrupted write ends its transaction."""
        self.left = NO_LIMIT


@final
class SQLiteState:
    """What the connections of one database share.

    Attributes:
        busy_timeout: seconds to wait for a lock.
        is_inline: whether anything may run outside of the threads.
        waits_for_disk: whether COMMIT does.
        rolls_back_quickly: whether ROLLBACK needs no disk (in memory, and with a WAL).
        writers: the queue of those who want to write.
    """

    __slots__ = (
        "_last_turn",
        "_strikes",
        "busy_timeout",
        "is_inline",
        "rolls_back_quickly",
        "waits_for_disk",
        "writers",
    )

    def __init__(
        self,
        *,
        busy_timeout: float,
        is_inline: bool,
        waits_for_disk: bool,
        rolls_back_quickly: bool,
    ) -> None:
        self.busy_timeout = busy_timeout
        self.is_inline = is_inline
        self.waits_for_disk = waits_for_disk
        self.rolls_back_quickly = rolls_back_quickly
        self.writers = Writers()
        self._strikes: dict[str, int] = {}
        self._last_turn = 0.0

    async def checkpoint(self) -> None:
        """Raise a pending cancellation; give the event loop its turn if that is some time ago."""
        if time.perf_counter() - self._last_turn > SLOW:
            await anyio.lowlevel.checkpoint()
            self._last_turn = time.perf_counter()
        else:
            await anyio.lowlevel.checkpoint_if_cancelled()

    def may_inline(self, sql: str) -> bool:
        """Whether a text has not proved slow."""
        return self.is_inline and self._strikes.get(sql, 0) < STRIKES

    def note(self, sql: str, seconds: float) -> None:
        """Note how long a text took, inline or in a thread."""
        if seconds > SLOW:
            self._strike(sql, self._strikes.get(sql, 0) + 1)
        elif seconds < QUICK and self._strikes:
            self._strikes.pop(sql, None)

    def note_limit(self, sql: str) -> None:
        """Note that a text ran into the limit of steps, which no accident of timing explains."""
        self._strike(sql, STRIKES)

    def _strike(self, sql: str, count: int) -> None:
        if len(self._strikes) >= REMEMBERED:
            self._strikes.clear()
        self._strikes[sql] = count
