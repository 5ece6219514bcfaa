"""SQLite over APSW, under asyncio and trio.

APSW brings a current SQLite of its own, reads rows in half the time of the standard library's
module, and gives what a cancellation needs: interrupts, progress handlers, extended result codes.
How a connection works is in `_sqlite_connection.py`.

Do not open a file with this driver and with the standard library's `sqlite3` in one process: these
are two copies of SQLite, and two copies in one process undo each other's locks ("How To Corrupt An
SQLite Database File", section 2.2.1, https://www.sqlite.org/howtocorrupt.html). Other processes
may open it with what they like.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar, final

import apsw
import attrs

from uow.dialects._sqlite_functions import (
    SQLITE_AGGREGATES,
    SQLITE_COLLATIONS,
    SQLITE_FUNCTIONS,
)
from uow.dialects.base import Dialect, dialect_for
from uow.drivers._options import Converter, as_seconds, as_truth, as_whole, converted, one_of
from uow.drivers._sqlite_connection import SQLiteConnection
from uow.drivers._sqlite_errors import error_for_code
from uow.drivers._sqlite_handle import Handle, code_of
from uow.drivers._sqlite_state import SQLiteState
from uow.drivers._worker import Abandoned, Job, Worker
from uow.errors import DriverError, PoolClosedError, UowError, ValidationError
from uow.url import URL

__all__ = ["SQLiteDriver", "create"]

T = TypeVar("T")

STATEMENTS_KEPT: Final = 256
"""Prepared statements a connection keeps."""

_MEMORY_NAMES: Final = itertools.count(1)


@attrs.frozen(kw_only=True)
class SQLiteOptions:
    """What can be asked of the driver, by keyword or in the query of the URL.

    Attributes:
        busy_timeout: seconds to wait for another connection's lock, or with a unit: `500ms`.
        synchronous: when SQLite waits for the disk. FULL: a commit that was reported survives a
            loss of power. NORMAL: it survives the end of the process.
        journal_mode: WAL, or the older journals, under which readers and the writer wait for
            each other.
        mode: RWC (made if missing), RW (must exist) or RO.
        inline: False runs everything in the connections' threads.
        cache_size: KiB of page cache a connection, or None for SQLite's choice.
        mmap_size: bytes of the file to map into memory.
    """

    busy_timeout: float = 5.0
    synchronous: str = "FULL"
    journal_mode: str = "WAL"
    mode: str = "RWC"
    inline: bool = True
    cache_size: int | None = None
    mmap_size: int = 0

    @staticmethod
    def parse(given: Mapping[str, Any]) -> SQLiteOptions:
        """Check options and convert them from text.

        Raises:
            ValidationError: a name is unknown, or a value does not fit.
        """
        return SQLiteOptions(**converted("SQLite", given, {}, _CONVERTERS))


_CONVERTERS: Final[dict[str, Converter]] = {
    "busy_timeout": as_seconds,
    "synchronous": one_of("OFF", "NORMAL", "FULL", "EXTRA"),
    "journal_mode": one_of("WAL", "DELETE", "TRUNCATE", "PERSIST", "MEMORY"),
    "mode": one_of("RWC", "RW", "RO"),
    "inline": as_truth,
    "cache_size": as_whole(0),
    "mmap_size": as_whole(0),
}

_FLAGS: Final = {
    "RWC": apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE,
    "RW": apsw.SQLITE_OPEN_READWRITE,
    "RO": apsw.SQLITE_OPEN_READONLY,
}


@final
class SQLiteDriver:
    """One SQLite database.

    Args:
        path: the file, or None for a database in memory that lives as long as the driver.
        options: see `SQLiteOptions`.
    """

    name = "sqlite"

    def __init__(self, path: str | None, options: SQLiteOptions) -> None:
        self.path = path
        self.options = options
        self._is_memory = path is None
        # A name of its own in SQLite's memory file system: the data stay when a connection ends.
        self._file = path or f"file:/uow-{os.getpid()}-{next(_MEMORY_NAMES)}?vfs=memdb"
        self._anchor: Handle | None = None
        self._is_closed = False
        self._state = SQLiteState(
            busy_timeout=options.busy_timeout,
            is_inline=options.inline,
            waits_for_disk=not self._is_memory,
            rolls_back_quickly=self._is_memory or options.journal_mode == "WAL",
        )

    def __repr__(self) -> str:
        return f"<SQLiteDriver {self.path or 'in memory'}>"

    @property
    def dialect(self) -> Dialect:
        """The dialect of SQLite."""
        return dialect_for("sqlite")

    @property
    def max_connections(self) -> int | None:
        """One in memory, where readers and writers would lock each other out; any number else."""
        return 1 if self._is_memory else None

    async def connect(self) -> SQLiteConnection:
        """Open a connection, in its thread.

        Raises:
            DriverError: the file cannot be opened, or is no database.
            RetryableError: it is locked.
        """
        if self._is_closed:
            raise PoolClosedError("the database is closed")
        if self._is_memory and self._anchor is None:
            self._anchor = _connect(self._file, _FLAGS["RWC"] | apsw.SQLITE_OPEN_URI)
        opening = _Opening()
        worker = Worker("uow sqlite", opening.interrupt)
        try:
            # It may wait for a lock inside SQLite, which hears no interrupt then. Cancelled, it is
            # left alone: nobody else knows the connection, and the thread closes it.
            database = await worker.run(partial(self._open, opening), may_interrupt=False)
        except Abandoned as abandoned:
            worker.stop(opening.close)
            raise abandoned.cancellation from None
        except BaseException as error:
            worker.stop(opening.close)
            if isinstance(error, apsw.Error):
                raise self._cannot_open(error) from error
            raise
        return SQLiteConnection(database, worker, self._state)

    def _cannot_open(self, error: apsw.Error) -> UowError:
        mapped = error_for_code(code_of(error), str(error))
        if isinstance(mapped, DriverError):
            return DriverError(f"the SQLite file {self.path!r} cannot be used: {error}")
        return mapped

    def _open(self, opening: _Opening, _job: Job[Handle]) -> Handle:
        """Open and set up. Nothing else knows the connection yet, so it may wait for locks."""
        options = self.options
        flags = _FLAGS[options.mode] | (apsw.SQLITE_OPEN_URI if self._is_memory else 0)
        database = _connect(self._file, flags)
        opening.database = database
        database.set_busy_timeout(int(options.busy_timeout * 1000))
        for setting, value in (
            (apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 1),
            (apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
            (apsw.SQLITE_DBCONFIG_DQS_DML, 0),
            (apsw.SQLITE_DBCONFIG_DQS_DDL, 0),
            (apsw.SQLITE_DBCONFIG_DEFENSIVE, 1),
            (apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0),
        ):
            database.config(setting, value)
        database.limit(apsw.SQLITE_LIMIT_ATTACHED, 0)
        register_functions(database)
        if not self._is_memory:
            if options.mode != "RO":
                database.execute(f"PRAGMA journal_mode = {options.journal_mode}").fetchall()
            database.execute(f"PRAGMA synchronous = {options.synchronous}")
            if options.mmap_size:
                database.execute(f"PRAGMA mmap_size = {options.mmap_size}").fetchall()
        if options.cache_size is not None:
            database.execute(f"PRAGMA cache_size = -{options.cache_size}")
        # Reads the schema, and shows now if the file is no database.
        database.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        # From here on nobody waits inside SQLite.
        database.set_busy_timeout(0)
        return database

    async def aclose(self) -> None:
        """Let go of a database in memory."""
        self._is_closed = True
        if self._anchor is not None:
            self._anchor.close(True)
            self._anchor = None


@final
class _Opening:
    """A connection that is being opened in the thread."""

    __slots__ = ("database",)

    def __init__(self) -> None:
        self.database: Handle | None = None

    def interrupt(self) -> None:
        """Interrupt what it runs."""
        if self.database is not None:
            self.database.interrupt()

    def close(self) -> None:
        """Close it, if it was opened at all."""
        if self.database is not None:
            self.database.close(True)


def _connect(file: str, flags: int) -> Handle:
    return apsw.Connection(file, flags, statementcachesize=STATEMENTS_KEPT)


def register_functions(database: Handle) -> None:
    """Give a connection the functions that compiled statements call."""
    for name, function in SQLITE_FUNCTIONS.items():
        database.create_scalar_function(
            name,
            function.call,
            function.arguments,
            deterministic=function.deterministic,
            # They read nothing and change nothing, so a schema may use them though untrusted.
            flags=apsw.SQLITE_INNOCUOUS,
        )
    for name, (factory, arguments) in SQLITE_AGGREGATES.items():
        database.create_window_function(name, factory, arguments, flags=apsw.SQLITE_INNOCUOUS)
    for name, compare in SQLITE_COLLATIONS.items():
        database.create_collation(name, compare)


def create(url: URL, options: Mapping[str, Any]) -> SQLiteDriver:
    """Make the driver for `sqlite://` URLs; no I/O.

    Args:
        url: `sqlite:///relative.db`, `sqlite:////absolute.db`, `sqlite://` (in memory).
        options: those of `SQLiteOptions`; they win over the query of the URL.

    Raises:
        ValidationError: the URL names a host, or an option is wrong.
    """
    if url.hosts:
        raise ValidationError(
            "sqlite:// has no host: write sqlite:///relative.db or sqlite:////absolute.db"
        )
    path = url.database
    if path is not None and ("\0" in path):
        raise ValidationError("a path holds no NUL")
    chosen = SQLiteOptions.parse({**url.query, **options})
    if path is None or path == ":memory:":
        return SQLiteDriver(None, chosen)
    # Made absolute now: the process may change its folder before the next connection.
    return SQLiteDriver(str(Path(path).absolute()), chosen)
