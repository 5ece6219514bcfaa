"""A store inside the process, for tests: real SQL, and faults where you ask for them.

`memory://` needs no client library: the rows live in the standard library's SQLite, shared by the
connections of one database, so a session on it does all it does elsewhere: constraints, savepoints,
snapshots, locks, generated keys. A hand-written table of dicts would need an SQL engine of its own
to answer what dialects send, and would agree with no real store. The rows are in a temporary file,
gone with the driver: SQLite's own memory databases make readers wait for the writer, which the
stores people use do not. This driver differs from `sqlite:///` only in what it adds:

* `driver.log`, every call of the contract in order, and counters beside it;
* `driver.faults`, what shall go wrong at which call (see `Faults`);
* two points a call, each a checkpoint. Work itself never waits, so a run of the same program passes
  the same points in the same order: cancel at the first, the second, ... until none is left, and
  every `await` was tried.

Example:
    >>> import anyio
    >>> from uow.database import Database
    >>> from uow.drivers.base import TransactionOptions
    >>> from uow.drivers.memory import MemoryDriver, LoseConnection
    >>> from uow.errors import ConnectionLostError
    >>> async def main():
    ...     async with Database("memory://") as database:
    ...         driver = database.driver
    ...         assert isinstance(driver, MemoryDriver)
    ...         driver.clear_log()
    ...         connection = await database.pool.acquire()
    ...         driver.faults.after("commit", LoseConnection())
    ...         await connection.begin(TransactionOptions())
    ...         try:
    ...             await connection.commit()
    ...         except ConnectionLostError:
    ...             print("stored, and nobody was told")
    ...         print([call.operation for call in driver.log])
    ...         await database.pool.release(connection)
    >>> anyio.run(main)
    stored, and nobody was told
    ['begin', 'commit']
"""

from __future__ import annotations

import itertools
import re
import shutil
import sqlite3
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar, cast, final
from weakref import WeakValueDictionary

import anyio
import anyio.lowlevel

from uow.dialects._sqlite_functions import (
    SQLITE_AGGREGATES,
    SQLITE_COLLATIONS,
    SQLITE_FUNCTIONS,
    SQLITE_LATER_FUNCTIONS,
)
from uow.dialects.base import Dialect, dialect_for
from uow.drivers._faults import (
    AbsorbCancel,
    Action,
    Call,
    CallBack,
    Delay,
    Faults,
    Hang,
    LoseConnection,
    Moment,
    Point,
    Raise,
    RollBack,
    size_of,
)
from uow.drivers._options import as_seconds, converted
from uow.drivers._sqlite_errors import error_for_code, error_for_value
from uow.drivers._sqlite_text import (
    Effect,
    effect_of,
    isolation_error,
    quote_savepoint,
    refusal_of,
)
from uow.drivers._writers import Writers
from uow.drivers.base import Row, Rows, TransactionOptions, begin_then_fetch
from uow.errors import (
    ConnectionLostError,
    PoolClosedError,
    QueryError,
    RetryableError,
    TransactionPoisonedError,
    UowError,
    ValidationError,
)
from uow.statement import Many, Statement
from uow.url import URL

__all__ = [
    "AbsorbCancel",
    "Action",
    "Call",
    "CallBack",
    "Delay",
    "Faults",
    "Hang",
    "LoseConnection",
    "MemoryConnection",
    "MemoryDriver",
    "Moment",
    "Point",
    "Raise",
    "RollBack",
    "create",
]

T = TypeVar("T")

NUMBERED: Final = re.compile(r"\?[0-9]")
"""A placeholder with a number."""

_named: WeakValueDictionary[str, _Folder] = WeakValueDictionary()

WAIT: Final = 0.001
"""Seconds between two tries of a lock that a reader holds."""


@final
class MemoryDriver:
    """One database in this process.

    Args:
        name: databases of one name share their rows; without one it is alone.
        busy_timeout: seconds to wait for another connection's lock.

    Attributes:
        log: every call of the contract, in order.
        faults: what shall go wrong.
        points: how many points were passed, two a call.
        statement_count: how many statements were sent, each row of a `Many` counted.
        bytes_sent: characters of their texts and parameters.
        lag: how many commits this one says it is behind the others of its name, as a replica would
            be; None: it is no replica. What it reads is never behind.
    """

    name = "memory"

    def __init__(self, name: str | None = None, *, busy_timeout: float = 5.0) -> None:
        self.log: list[Call] = []
        self.faults = Faults()
        self.points = 0
        self.statement_count = 0
        self.bytes_sent = 0
        self.busy_timeout = busy_timeout
        self.lag: int | None = 0
        self._folder: _Folder | None = _folder_of(name)
        self._calls = itertools.count(1)
        self._connections = itertools.count(1)
        self._writers = Writers()

    def __repr__(self) -> str:
        return f"<MemoryDriver, {len(self.log)} calls, {self.faults.pending} faults planned>"

    @property
    def dialect(self) -> Dialect:
        """The dialect of SQLite."""
        return dialect_for("sqlite")

    @property
    def max_connections(self) -> int | None:
        """No limit."""
        return None

    def check_position(self, position: str) -> None:
        """Look whether a text is a number of commits.

        Raises:
            ValidationError: it is none.
        """
        if not (position.isascii() and position.isdigit()):
            raise ValidationError("a position of memory:// is a number of commits")

    def statements(self) -> list[str]:
        """The texts that were sent, in order."""
        return [call.sql for call in self.log if call.sql is not None]

    def clear_log(self) -> None:
        """Forget the calls, and count from zero."""
        self.log.clear()
        self.points = self.statement_count = self.bytes_sent = 0

    async def connect(self) -> MemoryConnection:
        """Open a connection."""
        folder = self._folder
        if folder is None:
            raise PoolClosedError("the database is closed")
        number = next(self._connections)
        call = self._note(number, "connect")
        await self._pass(call, Moment.BEFORE, None)
        connection = MemoryConnection(self, number, _open(folder.file))
        try:
            await self._pass(call, Moment.AFTER, connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    @property
    def commits(self) -> int:
        """How often the connections of all drivers of this name have committed."""
        return 0 if self._folder is None else self._folder.commits

    def _count_commit(self) -> None:
        if self._folder is not None:
            self._folder.commits += 1

    async def aclose(self) -> None:
        """Let go of the rows, which go with the last driver of their name."""
        self._folder = None

    def _note(
        self, connection: int, operation: str, sql: str | None = None, rows: int = 0, size: int = 0
    ) -> Call:
        call = Call(next(self._calls), connection, operation, sql, rows)
        self.log.append(call)
        if sql is not None:
            self.statement_count += max(1, rows)
            self.bytes_sent += len(sql) + size
        return call

    async def _pass(self, call: Call, moment: Moment, connection: MemoryConnection | None) -> None:
        self.points += 1
        actions = self.faults.take(Point(call, moment, connection))
        if not actions:
            await anyio.lowlevel.checkpoint()
        for action in actions:
            await action.happen(Point(call, moment, connection))


@final
class _Folder:
    """Where the rows of one name are, as long as somebody needs them."""

    __slots__ = ("__weakref__", "_finalizer", "commits", "file")

    def __init__(self) -> None:
        self.commits = 0
        path = tempfile.mkdtemp(prefix="uow-memory-")
        self.file = str(Path(path) / "rows.db")
        self._finalizer = weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)


def _folder_of(name: str | None) -> _Folder:
    folder = _named.get(name) if name is not None else None
    if folder is None:
        folder = _Folder()
        if name is not None:
            _named[name] = folder
    return folder


def _open(file: str) -> sqlite3.Connection:
    store = sqlite3.connect(file, isolation_level=None, timeout=0, check_same_thread=False)
    store.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    store.execute("PRAGMA journal_mode = WAL")
    store.execute("PRAGMA synchronous = OFF")
    store.execute("PRAGMA foreign_keys = ON")
    # Nobody but this process writes the schema; it may call our functions in defaults and checks,
    # which the standard library's module cannot register as innocuous.
    store.execute("PRAGMA trusted_schema = ON")
    version = sqlite3.sqlite_version_info
    later = {name: own for name, (since, own) in SQLITE_LATER_FUNCTIONS.items() if version < since}
    for name, function in {**SQLITE_FUNCTIONS, **later}.items():
        store.create_function(
            name, function.arguments, function.call, deterministic=function.deterministic
        )
    for name, (factory, arguments) in SQLITE_AGGREGATES.items():
        store.create_window_function(name, arguments, cast("Any", factory))
    for name, compare in SQLITE_COLLATIONS.items():
        store.create_collation(name, compare)
    return store


@final
class MemoryConnection:
    """One connection."""

    __slots__ = (
        "__weakref__",
        "_driver",
        "_is_closed",
        "_is_query_only",
        "_is_tainted",
        "_store",
        "_streams",
        "_ticket",
        "number",
    )

    def __init__(self, driver: MemoryDriver, number: int, store: sqlite3.Connection) -> None:
        self.number = number
        self._driver = driver
        self._store = store
        self._ticket = object()
        self._is_closed = False
        self._is_query_only = False
        self._is_tainted = False
        self._streams = 0

    def __repr__(self) -> str:
        return f"<MemoryConnection {self.number} {'closed' if self._is_closed else 'open'}>"

    def __del__(self) -> None:
        self.terminate()

    # -- what is known

    @property
    def commits_plainly(self) -> bool:
        """Whether COMMIT may begin in one task and end in another. Never blocks."""
        return True

    @property
    def is_closed(self) -> bool:
        """Whether it can no longer be used."""
        return self._is_closed

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return not self._is_closed and self._store.in_transaction

    @property
    def has_failed(self) -> bool:
        """Never: a statement that fails leaves the transaction as it was, or ends it."""
        return False

    @property
    def needs_reset(self) -> bool:
        """Whether `reset` must run before the next borrower."""
        return self.in_transaction or self._is_tainted or self._is_query_only or self._streams > 0

    def taint(self) -> None:
        """Note that its state may have been changed."""
        self._is_tainted = True

    def roll_back_silently(self) -> None:
        """Let the store give the transaction up; see `RollBack`."""
        if self.in_transaction:
            self._store.execute("ROLLBACK")

    # -- statements

    async def fetch(self, statement: Statement) -> list[Row]:
        """Run a statement and return every row, in the store's order."""
        return (await self._send("fetch", statement)).rows

    async def execute(self, statement: Statement) -> int:
        """Run a statement and return how many rows it matched."""
        return (await self._send("execute", statement)).count

    async def run(self, statement: Statement) -> Rows:
        """Run a statement of which nobody knows whether it returns rows."""
        refusal = refusal_of(statement.sql)
        if refusal is not None:
            raise refusal
        self._is_tainted |= effect_of(statement.sql) is Effect.CHANGES_STATE
        return await self._send("run", statement)

    async def _send(self, operation: str, statement: Statement) -> Rows:
        parameters = statement.parameters

        def work() -> Rows:
            cursor = self._store.execute(statement.sql, bound(statement.sql, parameters))
            rows: list[Row] = cursor.fetchall()
            if cursor.description is None:
                return Rows((), [], max(0, cursor.rowcount))
            columns = tuple(column[0] for column in cursor.description)
            return Rows(columns, rows, max(len(rows), cursor.rowcount))

        return await self._call(
            operation, work, statement.sql, 1, size_of(parameters), writes=not statement.reads
        )

    async def fetch_many(self, many: Many) -> list[Row]:
        """Run a statement for each row of parameters; return all rows, in input order."""
        return [row for rows, _ in await self._send_many("fetch_many", many) for row in rows]

    async def execute_many(self, many: Many) -> list[int]:
        """Run a statement for each row of parameters; return the matched rows of each."""
        return [count for _, count in await self._send_many("execute_many", many)]

    async def _send_many(self, operation: str, many: Many) -> list[tuple[list[Row], int]]:
        def one(parameters: Sequence[object]) -> tuple[list[Row], int]:
            cursor = self._store.execute(many.sql, bound(many.sql, parameters))
            return cursor.fetchall(), max(0, cursor.rowcount)

        def work() -> list[tuple[list[Row], int]]:
            if self._store.in_transaction:
                return [one(parameters) for parameters in many.rows]
            # Without a transaction around, every row would be one of its own.
            self._store.execute("BEGIN IMMEDIATE")
            try:
                done = [one(parameters) for parameters in many.rows]
                self._store.execute("COMMIT")
                return done
            finally:
                self.roll_back_silently()

        size = sum(size_of(parameters) for parameters in many.rows)
        return await self._call(operation, work, many.sql, len(many.rows), size, writes=True)

    def stream(self, statement: Statement, *, batch_size: int) -> MemoryStream:
        """Read through a cursor; leaving the block closes it, whatever was read."""
        return MemoryStream(self, statement, batch_size)

    # -- transactions

    async def begin(self, options: TransactionOptions) -> None:
        """Begin a transaction: IMMEDIATE, or DEFERRED and without writes if read-only."""
        refusal = isolation_error(options.isolation)
        if refusal is not None:
            raise refusal

        def work() -> None:
            if options.read_only:
                self._is_query_only = True
                self._store.execute("PRAGMA query_only = ON")
                self._store.execute("BEGIN DEFERRED")
                return
            self._store.execute("BEGIN IMMEDIATE")
            if options.defer_constraints:
                self._store.execute("PRAGMA defer_foreign_keys = ON")

        await self._call("begin", work, writes=not options.read_only)

    async def begin_and_fetch(self, options: TransactionOptions, statement: Statement) -> list[Row]:
        """Begin a transaction, and return the rows of its first statement."""
        return await begin_then_fetch(self, options, statement)

    async def commit(self) -> None:
        """Commit."""
        sent = False

        def work() -> None:
            nonlocal sent
            sent = True
            self._check_transaction()
            self._store.execute("COMMIT")
            self._stop_query_only()

        try:
            await self._call("commit", work)
        except anyio.get_cancelled_exc_class():
            # Nobody can know any more what became of it; the contract says to close then.
            if sent:
                self.terminate()
            raise

    async def rollback(self) -> None:
        """Roll the transaction back; nothing if none is open."""

        def work() -> None:
            self.roll_back_silently()
            self._stop_query_only()

        await self._call("rollback", work)

    async def savepoint(self, name: str) -> None:
        """Set a savepoint."""
        await self._control("savepoint", f"SAVEPOINT {quote_savepoint(name)}")

    async def release_savepoint(self, name: str) -> None:
        """Keep what was done since the savepoint and forget it."""
        await self._control("release_savepoint", f"RELEASE {quote_savepoint(name)}")

    async def rollback_to_savepoint(self, name: str) -> None:
        """Undo what was done since the savepoint; it stays set."""
        await self._control("rollback_to_savepoint", f"ROLLBACK TO {quote_savepoint(name)}")

    async def _control(self, operation: str, sql: str) -> None:
        def work() -> None:
            self._check_transaction()
            self._store.execute(sql)

        await self._call(operation, work)

    def _check_transaction(self) -> None:
        if not self._store.in_transaction:
            raise TransactionPoisonedError("the store has rolled this transaction back")

    def _stop_query_only(self) -> None:
        if self._is_query_only:
            self._store.execute("PRAGMA query_only = OFF")
            self._is_query_only = False

    # -- its life

    async def ping(self) -> None:
        """Ask for a sign of life."""
        await self._call("ping", lambda: None)

    async def position(self) -> str:
        """Give the number of commits, as text."""
        return await self._call("position", lambda: str(self._driver.commits))

    async def has_reached(self, position: str) -> bool | None:
        """Say whether so many commits were made, less those it says it is behind."""
        self._driver.check_position(position)

        def work() -> bool | None:
            driver = self._driver
            return None if driver.lag is None else driver.commits - driver.lag >= int(position)

        return await self._call("has_reached", work)

    async def reset(self) -> None:
        """Roll back; or close, where raw SQL may have left something on the connection."""

        def work() -> None:
            self.roll_back_silently()
            self._stop_query_only()

        await self._call("reset", work)
        if self._is_tainted or self._streams:
            self.terminate()

    async def aclose(self) -> None:
        """Close it. May be called twice."""
        if not self._is_closed:
            await self._call("aclose", lambda: None)
            self.terminate()

    def terminate(self) -> None:
        """Close it at once. May be called twice, from any state."""
        if not self._is_closed:
            self._is_closed = True
            self._driver._writers.release(self._ticket)
            self._store.close()

    # -- how

    async def _call(
        self,
        operation: str,
        work: Callable[[], T],
        sql: str | None = None,
        rows: int = 0,
        size: int = 0,
        *,
        writes: bool = False,
    ) -> T:
        driver = self._driver
        self._check_open()
        call = driver._note(self.number, operation, sql, rows, size)
        try:
            await driver._pass(call, Moment.BEFORE, self)
            self._check_open()
            if writes and not self.in_transaction:
                await self._take_turn()
            result = await self._when_unlocked(work)
            if (writes or operation == "commit") and not self.in_transaction:
                driver._count_commit()
            await driver._pass(call, Moment.AFTER, self)
        except UowError:
            raise
        except (sqlite3.Error, sqlite3.Warning, ArithmeticError, TypeError, ValueError) as error:
            raise self._translate(error) from error
        else:
            return result
        finally:
            if not self.in_transaction:
                driver._writers.release(self._ticket)

    async def _take_turn(self) -> None:
        driver = self._driver
        deadline = anyio.current_time() + driver.busy_timeout
        if not await driver._writers.acquire(self._ticket, deadline):
            raise RetryableError(
                f"another session held the write lock for {driver.busy_timeout:g} s"
            )

    async def _when_unlocked(self, work: Callable[[], T]) -> T:
        deadline = anyio.current_time() + self._driver.busy_timeout
        while True:
            try:
                return work()
            except sqlite3.OperationalError as error:
                is_locked = _code(error) & 0xFF == sqlite3.SQLITE_BUSY
                if not is_locked or anyio.current_time() >= deadline:
                    raise
            await anyio.sleep(WAIT)

    def _check_open(self) -> None:
        if self._is_closed:
            raise ConnectionLostError("the connection is closed")

    def _translate(self, error: Exception) -> UowError:
        if self._is_closed:
            return ConnectionLostError("the connection was closed under the statement")
        code = _code(error)
        if code:
            return error_for_code(code, str(error))
        if isinstance(error, (sqlite3.Error, sqlite3.Warning)):
            if "one statement at a time" in str(error):
                return QueryError("one statement at a time: there is more after the first")
            if "bindings" in str(error) or "did not supply" in str(error):
                return QueryError("the number of parameters is not that of the placeholders")
            return ValidationError("a value is of no type that can be stored")
        return error_for_value(error)


def bound(sql: str, parameters: Sequence[object]) -> Any:
    """Give the parameters in the form in which the module takes them.

    To it `?1` is a name ("Placeholders", https://docs.python.org/3/library/sqlite3.html): since
    Python 3.12 it warns where a sequence is bound to names.
    """
    if NUMBERED.search(sql) is None:
        return parameters
    return {str(number): value for number, value in enumerate(parameters, 1)}


def _code(error: BaseException) -> int:
    return int(getattr(error, "sqlite_errorcode", 0))


@final
class MemoryStream:
    """A cursor that is open for the length of an `async with` block."""

    __slots__ = ("_batch_size", "_connection", "_cursor", "_statement")

    def __init__(self, connection: MemoryConnection, statement: Statement, batch_size: int) -> None:
        if batch_size < 1:
            raise QueryError("a stream needs batches of at least one row")
        self._connection = connection
        self._statement = statement
        self._batch_size = batch_size
        self._cursor: sqlite3.Cursor | None = None

    async def __aenter__(self) -> Self:
        connection, statement = self._connection, self._statement

        def work() -> None:
            self._cursor = connection._store.execute(
                statement.sql, bound(statement.sql, statement.parameters)
            )
            connection._streams += 1

        size = size_of(statement.parameters)
        try:
            await connection._call("stream", work, statement.sql, 1, size)
        except BaseException:
            self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            self._connection._streams -= 1
            with suppress(sqlite3.ProgrammingError):  # the connection was closed with it
                cursor.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Row]:
        cursor = self._cursor
        if cursor is None:
            raise QueryError("the stream is read outside of its block")
        batch: list[Row] = await self._connection._call(
            "stream_batch", partial(cursor.fetchmany, self._batch_size)
        )
        if not batch:
            raise StopAsyncIteration
        return batch


def create(url: URL, options: Mapping[str, Any]) -> MemoryDriver:
    """Make the driver for `memory://` and `memory://name`; no I/O.

    Args:
        url: databases of one name share their rows while one of them is open.
        options: `busy_timeout`, in seconds.

    Raises:
        ValidationError: an option is unknown, or no number of seconds.
    """
    given = converted("memory://", {**url.query, **options}, {}, {"busy_timeout": as_seconds})
    name = url.host or url.database
    return MemoryDriver(name, busy_timeout=given.get("busy_timeout", 5.0))
