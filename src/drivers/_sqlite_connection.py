"""One SQLite connection over APSW: what runs where it stands, and what runs in its thread.

A thread hop costs twenty times what SQLite needs to get a row by key, and a thread brings no
parallelism to work that makes Python objects. So bounded work runs inline, in slices between which
the event loop has its turn: reads under a limit of virtual machine steps, and writes of an open
transaction whose number of rows is known. Everything else has the connection's own thread: reads
beyond the limit (begun again there: nobody saw a row), statements that may touch any number of
rows, raw SQL that writes, and COMMIT, which waits for the disk. Locks are never waited for inside
SQLite: it answers BUSY at once, and we ask again until our own deadline, cancellable.

A text that proved slow inline goes to the thread from then on, until it proves quick there.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import islice
from types import TracebackType
from typing import Any, Final, Self, TypeVar, final

import anyio
import anyio.lowlevel
import apsw
import attrs

from uow.drivers._sqlite_errors import BUSY_SNAPSHOT, error_for_code, error_for_value
from uow.drivers._sqlite_text import Effect, effect_of, is_blank, isolation_error, refusal_of
from uow.drivers._worker import Abandoned, Job, Worker
from uow.drivers._writers import Writers
from uow.drivers.base import Row, Rows, TransactionOptions
from uow.errors import ConnectionLostError, QueryError, TransactionPoisonedError, UowError
from uow.statement import Many, Statement

__all__ = ["Meter", "SQLiteConnection", "SQLiteState"]

T = TypeVar("T")

FIRST_SLICE: Final = 64
"""Rows in the first inline slice; later ones grow or shrink with the time they take."""

LARGEST_SLICE: Final = 1024
"""Rows in a slice at most, since the size of the next row is not known."""

QUICK: Final = 0.000_25
"""Seconds. A slice that took less may grow; a text that took less in the thread may run inline."""

SLOW: Final = 0.001
"""Seconds of work inline after which the event loop has its turn."""

MANY_PARAMETERS: Final = 2_000
"""An INSERT of more parameters goes to the thread: about a third of a millisecond."""

STEPS_A_TICK: Final = 1_000
"""Virtual machine steps between two calls of the progress handler, some 10 microseconds."""

TICKS: Final = 40
"""Ticks an inline slice may take: about half a millisecond."""

UNDO_INLINE: Final = 10_000
"""Changes that ROLLBACK TO undoes inline at most."""


@final
class Meter:
    """Counts the virtual machine steps of an inline slice.

    SQLite counts over the life of a cached statement, so a tick may come early; it is the limit
    that counts, not the first tick. Knows nothing of the connection, which must not be kept alive.
    """

    __slots__ = ("limit", "ticks")

    def __init__(self) -> None:
        self.ticks = 0
        self.limit = TICKS

    def __call__(self) -> bool:
        """Say whether to interrupt."""
        self.ticks += 1
        return self.ticks > self.limit


@final
class SQLiteState:
    """What the connections of one database share.

    Attributes:
        busy_timeout: seconds to wait for a lock.
        is_inline: whether anything runs outside of the thread.
        waits_for_disk: whether COMMIT and ROLLBACK may (not in memory).
        rolls_back_in_memory: whether ROLLBACK needs no disk (in memory, and with a WAL).
        writers: who writes.
    """

    __slots__ = (
        "_last_turn",
        "_slow",
        "busy_timeout",
        "is_inline",
        "rolls_back_in_memory",
        "waits_for_disk",
        "writers",
    )

    def __init__(
        self,
        *,
        busy_timeout: float,
        is_inline: bool,
        waits_for_disk: bool,
        rolls_back_in_memory: bool,
    ) -> None:
        self.busy_timeout = busy_timeout
        self.is_inline = is_inline
        self.waits_for_disk = waits_for_disk
        self.rolls_back_in_memory = rolls_back_in_memory
        self.writers = Writers()
        self._slow: set[str] = set()
        self._last_turn = 0.0

    async def checkpoint(self) -> None:
        """Be cancelled, and give the event loop its turn if it had none for a while."""
        if time.perf_counter() - self._last_turn > SLOW:
            await anyio.lowlevel.checkpoint()
            self._last_turn = time.perf_counter()
        else:
            await anyio.lowlevel.checkpoint_if_cancelled()

    def may_inline(self, sql: str) -> bool:
        """Whether a text has not proved slow."""
        return self.is_inline and sql not in self._slow

    def note(self, sql: str, seconds: float) -> None:
        """Note how long a text took, inline or in the thread."""
        if seconds > SLOW:
            if len(self._slow) >= 1000:
                self._slow.clear()
            self._slow.add(sql)
        elif seconds < QUICK:
            self._slow.discard(sql)


@final
class SQLiteConnection:
    """One connection. Errors in `_guard`; what runs where is in the text above.

    Args:
        database: APSW's connection, set up.
        worker: its thread.
        state: what the connections of a database share.
    """

    __slots__ = (
        "__weakref__",
        "_database",
        "_has_written",
        "_is_closed",
        "_is_query_only",
        "_is_tainted",
        "_is_threaded",
        "_meter",
        "_state",
        "_streams",
        "_was_in_transaction",
        "_worker",
    )

    def __init__(self, database: apsw.Connection, worker: Worker, state: SQLiteState) -> None:
        self._database = database
        self._worker = worker
        self._state = state
        self._meter = Meter()
        self._is_closed = False
        self._is_threaded = False
        self._was_in_transaction = False
        self._has_written = False
        self._is_query_only = False
        self._is_tainted = False
        self._streams = 0
        database.set_progress_handler(self._meter, STEPS_A_TICK)

    def __repr__(self) -> str:
        state = "closed" if self.is_closed else "in a transaction" if self.in_transaction else "idle"
        return f"<SQLiteConnection {state}>"

    def __del__(self) -> None:
        self.terminate()

    # -- what is known

    @property
    def is_closed(self) -> bool:
        """Whether it can no longer be used. Never blocks."""
        return self._is_closed

    @property
    def in_transaction(self) -> bool:
        """Whether SQLite holds an open transaction. Never blocks."""
        if self._is_closed:
            return False
        if self._is_threaded:
            return self._was_in_transaction
        return self._database.in_transaction

    @property
    def needs_reset(self) -> bool:
        """Whether `reset` must run before the next borrower."""
        return self._is_tainted or self._is_query_only or self._streams > 0 or self.in_transaction

    def taint(self) -> None:
        """Note that somebody had APSW's own connection."""
        self._is_tainted = True

    # -- statements

    async def fetch(self, statement: Statement) -> list[Row]:
        """Run a statement and return every row, in the store's order."""
        if statement.reads:
            return await self._read(statement)
        return (await self._write(statement.sql, lambda: self._run_one(statement)))[0]

    async def execute(self, statement: Statement) -> int:
        """Run a statement and return how many rows it matched."""
        if statement.reads:
            return len(await self._read(statement))
        size = len(statement.parameters)
        is_short = (
            size <= MANY_PARAMETERS and effect_of(statement.sql) is Effect.INSERTS_ROWS
        )
        return (await self._write(statement.sql, lambda: self._run_one(statement), is_short))[1]
