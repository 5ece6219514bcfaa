"""One SQLite connection over APSW: what runs where it stands, and what runs in its thread.

A thread hop costs ten times what SQLite needs to get a row by key, and a thread brings no
parallelism to work that makes Python objects. So bounded work runs inline, in slices between which
the event loop has its turn: reads, under a limit of virtual machine steps, and writes of an open
transaction whose number of rows is known. All else has the connection's own thread: reads beyond
the limit (begun again there, nobody saw a row), statements that may touch any number of rows, and
COMMIT, which waits for the disk. Locks are never waited for inside SQLite: it answers BUSY at once,
and we ask again until our own deadline, which a cancellation ends. A text that proved slow inline
goes to the thread from then on, until it proves quick there.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Final, TypeVar, final

import anyio
import apsw

from uow.drivers._sqlite_errors import BUSY_SNAPSHOT, error_for_code, error_for_value
from uow.drivers._sqlite_handle import Cursor, Handle, code_of
from uow.drivers._sqlite_state import (
    FIRST_SLICE,
    MANY_PARAMETERS,
    STEPS_A_TICK,
    UNDO_INLINE,
    Meter,
    SQLiteState,
    next_size,
)
from uow.drivers._sqlite_stream import SQLiteStream
from uow.drivers._sqlite_text import (
    Effect,
    effect_of,
    is_blank,
    isolation_error,
    quote_savepoint,
    refusal_of,
)
from uow.drivers._worker import Abandoned, Job, Worker
from uow.drivers.base import Row, Rows, TransactionOptions, begin_then_fetch
from uow.errors import (
    ConnectionLostError,
    QueryError,
    RetryableError,
    TransactionPoisonedError,
    UowError,
)
from uow.statement import Many, Statement

__all__ = ["SQLiteConnection"]

T = TypeVar("T")
Call = Callable[[Job[T] | None], T]
"""Work on the database; gets its job if it runs in the thread."""

FIRST_WAIT: Final = 0.001
LONGEST_WAIT: Final = 0.05


@final
class SQLiteConnection:
    """One connection.

    Args:
        database: APSW's connection, set up.
        worker: its thread.
        state: what the connections of a database share.
    """

    __slots__ = (
        "__weakref__",
        "_changes_before",
        "_cursors",
        "_database",
        "_has_written",
        "_is_closed",
        "_is_in_thread",
        "_is_query_only",
        "_is_tainted",
        "_meter",
        "_state",
        "_ticket",
        "_was_in_transaction",
        "_worker",
    )

    def __init__(self, database: Handle, worker: Worker, state: SQLiteState) -> None:
        self._database = database
        self._worker = worker
        self._state = state
        self._meter = Meter()
        # Stands for this connection in the queue of writers, which must not keep it alive.
        self._ticket = object()
        self._is_closed = False
        self._is_in_thread = False
        self._was_in_transaction = False
        self._has_written = False
        self._changes_before = 0
        self._is_query_only = False
        self._is_tainted = False
        # Of open streams. A cursor that dies in one thread while another closes the file would make
        # the closing fail, so that whoever closes holds them.
        self._cursors: list[Cursor] = []
        database.set_progress_handler(self._meter, STEPS_A_TICK)

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "open"
        return f"<SQLiteConnection {state}{', in a transaction' * self.in_transaction}>"

    def __del__(self) -> None:
        self.terminate()

    # -- what is known

    @property
    def commits_plainly(self) -> bool:
        """Whether COMMIT may begin in one task and end in another. Never blocks."""
        # Mostly it has ended before it waits.
        return True

    @property
    def is_closed(self) -> bool:
        """Whether it can no longer be used. Never blocks."""
        return self._is_closed

    @property
    def in_transaction(self) -> bool:
        """Whether SQLite holds an open transaction. Never blocks."""
        if self._is_closed:
            return False
        if self._is_in_thread:
            # SQLite cannot be asked while it works.
            return self._was_in_transaction
        return self._database.in_transaction

    @property
    def has_failed(self) -> bool:
        """Never: a statement that fails leaves the transaction as it was, or ends it."""
        return False

    @property
    def needs_reset(self) -> bool:
        """Whether `reset` must run before the next borrower. Never blocks."""
        return self.in_transaction or self._is_tainted or self._is_query_only or bool(self._cursors)

    def taint(self) -> None:
        """Note that somebody had APSW's own connection."""
        self._is_tainted = True

    # -- reading

    async def fetch(self, statement: Statement) -> list[Row]:
        """Run a statement and return every row, in the store's order."""
        if not statement.reads:
            return (await self._run_one(statement))[0]
        if self._is_closed:
            raise ConnectionLostError("the connection is closed")
        await self._state.checkpoint()
        try:
            if self._state.may_inline(statement.sql):
                rows = await self._read_inline(statement)
                if rows is not None:
                    return rows
            return await self._when_unlocked(partial(self._read_in_thread, statement))
        except UowError:
            raise
        except Exception as error:
            raise self._translate(error) from error

    async def _read_inline(self, statement: Statement) -> list[Row] | None:
        """Read in slices; None: past the limit, or locked. Nobody has seen a row then."""
        cursor: Cursor | None = None
        size = FIRST_SLICE
        try:
            self._meter.limit()
            cursor = self._database.execute(statement.sql, statement.parameters)
            rows: list[Row] = list(islice(cursor, size))
            if len(rows) == size:
                await self._read_on(cursor, rows)
        except apsw.InterruptError:
            self._state.note_limit(statement.sql)
            return None
        except apsw.BusyError:
            return None
        except BaseException:
            if cursor is not None:
                cursor.close(force=True)
            raise
        else:
            return rows

    async def _read_on(self, cursor: Cursor, rows: list[Row]) -> None:
        size = FIRST_SLICE
        while True:
            await self._state.checkpoint()
            self._meter.limit()
            start = time.perf_counter()
            part: list[Row] = list(islice(cursor, size))
            rows += part
            if len(part) < size:
                return
            size = next_size(size, time.perf_counter() - start)

    async def _read_in_thread(self, statement: Statement) -> list[Row]:
        database = self._database

        def call(_job: object) -> tuple[list[Row], float]:
            start = time.perf_counter()
            rows = database.execute(statement.sql, statement.parameters).fetchall()
            return rows, time.perf_counter() - start

        rows, seconds = await self._in_thread(call)
        self._state.note(statement.sql, seconds)
        return rows

    def stream(self, statement: Statement, *, batch_size: int) -> SQLiteStream:
        """Read through a cursor; leaving the block closes it, whatever was read."""
        return SQLiteStream(self, statement, batch_size)

    # -- writing

    async def execute(self, statement: Statement) -> int:
        """Run a statement and return how many rows it matched."""
        if statement.reads:
            return len(await self.fetch(statement))
        return (await self._run_one(statement))[1]

    async def _run_one(self, statement: Statement) -> tuple[list[Row], int]:
        sql, parameters = statement.sql, statement.parameters
        database = self._database

        def call(_job: object) -> tuple[list[Row], int]:
            before = database.total_changes()
            rows = database.execute(sql, parameters).fetchall()
            # `changes` keeps the number of an earlier statement if this one changes no rows.
            return rows, database.changes() if database.total_changes() != before else 0

        is_short = len(parameters) <= MANY_PARAMETERS and effect_of(sql) is Effect.INSERTS_ROWS
        return await self._write(sql, call, is_short=is_short)

    async def fetch_many(self, many: Many) -> list[Row]:
        """Run a statement for each row of parameters; return all rows, in input order."""
        result: list[Row] = []
        database = self._database

        def run(rows: Sequence[Sequence[object]], job: Job[None] | None) -> None:
            source = rows if job is None else _until_cancelled(rows, job)
            result.extend(database.executemany(many.sql, source).fetchall())

        await self._run_many(many, run, result.clear)
        return result

    async def execute_many(self, many: Many) -> list[int]:
        """Run a statement for each row of parameters; return the matched rows of each."""
        counts: list[int] = []
        changes, note = self._database.changes, counts.append
        database = self._database

        def run(rows: Sequence[Sequence[object]], job: Job[None] | None) -> None:
            def feed() -> Iterator[Sequence[object]]:
                for row in rows if job is None else _until_cancelled(rows, job):
                    yield row
                    # SQLite asks for the next row when this one is done.
                    note(changes())

            database.executemany(many.sql, feed()).fetchall()

        await self._run_many(many, run, counts.clear)
        return counts

    async def _run_many(
        self,
        many: Many,
        run: Callable[[Sequence[Sequence[object]], Job[None] | None], None],
        forget: Callable[[], None],
    ) -> None:
        """Run rows in inline slices while they are quick, and what is left in the thread."""
        rows = many.rows
        done, size = 0, FIRST_SLICE
        while done < len(rows) and self._runs_inline(many.sql):
            part = rows[done : done + size]
            start = time.perf_counter()
            await self._write(many.sql, partial(run, part), is_short=True)
            size = next_size(size, time.perf_counter() - start)
            done += len(part)
        if done >= len(rows):
            return
        rest = rows[done:]
        database = self._database

        def call(job: Job[None] | None) -> None:
            if database.in_transaction or len(rest) == 1:
                run(rest, job)
                return
            # Without a transaction around, every row would be one of its own.
            forget()
            database.execute("BEGIN IMMEDIATE")
            try:
                run(rest, job)
                database.execute("COMMIT")
            finally:
                if database.in_transaction:
                    database.execute("ROLLBACK")

        await self._write(many.sql, call, is_short=False)

    def _runs_inline(self, sql: str) -> bool:
        """Whether a statement for each row of parameters does bounded work, known to be quick."""
        return (
            effect_of(sql) in _BOUNDED
            and self._state.may_inline(sql)
            and (self.in_transaction and not self._is_closed)
        )

    async def _write(self, sql: str, call: Call[T], *, is_short: bool) -> T:
        state = self._state
        await self._enter()
        try:
            is_autocommitted = not self.in_transaction
            if is_autocommitted:
                await self._take_turn()
            self._has_written = True
            if (
                is_short
                and state.may_inline(sql)
                and not (is_autocommitted and state.waits_for_disk)
            ):
                self._meter.lift()
                start = time.perf_counter()
                result = call(None)
                state.note(sql, time.perf_counter() - start)
                return result
            if not is_autocommitted:
                start = time.perf_counter()
                result = await self._in_thread(call)
                state.note(sql, time.perf_counter() - start)
                return result
            # Locked means that nothing was done, so asking again is waiting, not repeating.
            return await self._when_unlocked(partial(self._in_thread, call))
        except UowError:
            raise
        except Exception as error:
            raise self._translate(error) from error
        finally:
            self._settle()

    async def run(self, statement: Statement) -> Rows:
        """Run a statement of which nobody knows whether it returns rows."""
        sql = statement.sql
        refusal = refusal_of(sql)
        if refusal is not None:
            raise refusal
        effect = effect_of(sql)
        if effect is Effect.CHANGES_STATE:
            self._is_tainted = True
        elif effect is not Effect.VACUUM:
            answer = await self._run_if_it_reads(statement)
            if answer is not None:
                return answer
        return await self._write(
            sql, lambda _job: self._run_raw(statement, only_read=False), is_short=False
        )

    async def _run_if_it_reads(self, statement: Statement) -> Rows | None:
        """Run raw SQL that can only read; None: it can write, and was not run."""
        await self._enter()

        async def in_thread() -> Rows | None:
            return await self._in_thread(lambda _job: self._run_raw(statement, only_read=True))

        try:
            if self._state.may_inline(statement.sql):
                self._meter.limit()
                try:
                    return self._run_raw(statement, only_read=True)
                except apsw.InterruptError:
                    self._state.note_limit(statement.sql)
                except apsw.BusyError:
                    pass  # the thread asks again
            return await self._when_unlocked(in_thread)
        except _WouldWrite:
            return None
        except UowError:
            raise
        except Exception as error:
            raise self._translate(error) from error

    def _run_raw(self, statement: Statement, *, only_read: bool) -> Rows:
        database = self._database
        guard = _Guard(statement.sql, only_read=only_read)
        cursor = database.cursor()
        cursor.exec_trace = guard
        before = database.total_changes()
        is_vacuum = effect_of(statement.sql) is Effect.VACUUM
        if is_vacuum:
            # It attaches a file of its own.
            database.limit(apsw.SQLITE_LIMIT_ATTACHED, 1)
        try:
            rows: list[Row] = cursor.execute(statement.sql, statement.parameters).fetchall()
        except apsw.ExecTraceAbort:
            if guard.refusal is None:
                raise
            raise guard.refusal from None
        finally:
            if is_vacuum:
                database.limit(apsw.SQLITE_LIMIT_ATTACHED, 0)
        if guard.columns:
            return Rows(guard.columns, rows, len(rows), only_read=only_read)
        return Rows((), [], database.changes() if database.total_changes() != before else 0)

    # -- transactions

    async def begin(self, options: TransactionOptions) -> None:
        """Begin a transaction: IMMEDIATE, or DEFERRED and without writes if read-only.

        "Transaction", section 2.2, https://www.sqlite.org/lang_transaction.html: a deferred
        transaction that reads first and writes later may fail at once, with nothing to wait for.
        """
        refusal = isolation_error(options.isolation)
        if refusal is not None:
            raise refusal
        await self._enter()
        try:
            if options.read_only:
                self._is_query_only = True
                self._database.execute("PRAGMA query_only = ON")
                self._database.execute("BEGIN DEFERRED")
                return
            await self._take_turn()
            await self._when_unlocked(self._begin_immediate)
            if options.defer_constraints:
                self._database.execute("PRAGMA defer_foreign_keys = ON")
            self._has_written = False
            self._changes_before = self._database.total_changes()
        except UowError:
            raise
        except Exception as error:
            raise self._translate(error) from error
        finally:
            self._settle()

    async def _begin_immediate(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")

    async def begin_and_fetch(self, options: TransactionOptions, statement: Statement) -> list[Row]:
        """Begin a transaction, and return the rows of its first statement."""
        return await begin_then_fetch(self, options, statement)

    async def commit(self) -> None:
        """Commit. Locked, it is tried again until the deadline, and the transaction stays open."""
        await self._enter()
        try:
            self._check_transaction()
            if self._has_written and self._state.waits_for_disk:
                await self._when_unlocked(self._commit_in_thread)
            else:
                await self._when_unlocked(self._commit_inline)
            self._stop_query_only()
        except UowError:
            raise
        except Exception as error:
            raise self._translate(error) from error
        finally:
            self._settle()

    async def _commit_inline(self) -> None:
        self._meter.lift()
        self._database.execute("COMMIT")

    async def _commit_in_thread(self) -> None:
        database = self._database

        def call(_job: object) -> None:
            database.execute("COMMIT")

        await self._in_thread(call, may_interrupt=False)

    async def rollback(self) -> None:
        """Roll the transaction back; nothing if none is open."""
        try:
            if self.in_transaction:
                if self._state.rolls_back_quickly:
                    self._roll_back()
                else:
                    await self._in_thread(lambda _job: self._roll_back(), may_interrupt=False)
            self._stop_query_only()
        except UowError:
            raise
        except Exception as error:
            raise self._translate(error) from error
        finally:
            self._settle()

    def _roll_back(self) -> None:
        self._meter.lift()
        self._database.execute("ROLLBACK")

    def _stop_query_only(self) -> None:
        if self._is_query_only and not self._is_closed:
            self._database.execute("PRAGMA query_only = OFF")
            self._is_query_only = False

    async def savepoint(self, name: str) -> None:
        """Set a savepoint."""
        await self._control(f"SAVEPOINT {quote_savepoint(name)}")

    async def release_savepoint(self, name: str) -> None:
        """Keep what was done since the savepoint and forget it."""
        await self._control(f"RELEASE {quote_savepoint(name)}")

    async def rollback_to_savepoint(self, name: str) -> None:
        """Undo what was done since the savepoint; it stays set."""
        await self._control(f"ROLLBACK TO {quote_savepoint(name)}")

    async def _control(self, sql: str) -> None:
        await self._enter()
        try:
            self._check_transaction()
            if self._database.total_changes() - self._changes_before > UNDO_INLINE:
                await self._in_thread(lambda _job: self._execute(sql), may_interrupt=False)
            else:
                self._execute(sql)
        except UowError:
            raise
        except Exception as error:
            raise self._translate(error) from error
        finally:
            self._settle()

    def _check_transaction(self) -> None:
        # SAVEPOINT without a transaction would open one.
        if not self.in_transaction:
            raise TransactionPoisonedError("SQLite has rolled this transaction back")

    def _execute(self, sql: str) -> None:
        self._meter.lift()
        self._database.execute(sql)

    # -- its life

    async def ping(self) -> None:
        """Ask SQLite for a sign of life."""
        await self.fetch(Statement("SELECT 1", reads=True))

    async def reset(self) -> None:
        """Roll back; or close, where raw SQL may have left something on the connection."""
        await self.rollback()
        if self._is_tainted or self._cursors:
            await self.aclose()

    async def aclose(self) -> None:
        """Close it in good order, which may write the WAL back. May be called twice."""
        if self._is_closed:
            return
        self._leave()
        database = self._database
        try:
            await self._worker.run(lambda _job: database.close(True), may_interrupt=False)
        except Abandoned as abandoned:
            raise abandoned.cancellation from None
        except apsw.Error as error:
            raise error_for_code(code_of(error), str(error)) from error
        finally:
            self._worker.stop(partial(_close, database, self._cursors))

    def terminate(self) -> None:
        """Close it at once. The thread closes the file when what runs there has ended."""
        if not self._is_closed:
            self._leave()
            self._worker.interrupt()
            self._worker.stop(partial(_close, self._database, self._cursors))

    def _leave(self) -> None:
        """From here on nothing but the thread touches the database."""
        self._is_closed = True
        self._state.writers.release(self._ticket)

    # -- how

    async def _enter(self) -> None:
        if self._is_closed:
            raise ConnectionLostError("the connection is closed")
        await self._state.checkpoint()

    async def _in_thread(self, call: Callable[[Job[T]], T], *, may_interrupt: bool = True) -> T:
        if self._is_closed:
            raise ConnectionLostError("the connection is closed")
        database = self._database
        self._was_in_transaction = database.in_transaction
        # The handler would take the interpreter's lock at every tick.
        database.set_progress_handler(None)
        self._is_in_thread = True
        try:
            return await self._worker.run(call, may_interrupt=may_interrupt)
        except Abandoned as abandoned:
            # The thread is left alone with the call, and closes the file when that ends.
            self._leave()
            self._worker.stop(partial(_close, database, self._cursors))
            raise abandoned.cancellation from None
        finally:
            if not self._is_closed:
                self._is_in_thread = False
                database.set_progress_handler(self._meter, STEPS_A_TICK)

    async def _when_unlocked(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until the lock that is in the way is gone, or until the deadline."""
        deadline: float | None = None
        wait = FIRST_WAIT
        while True:
            try:
                return await attempt()
            except apsw.BusyError as error:
                now = anyio.current_time()
                if deadline is None:
                    deadline = now + self._state.busy_timeout
                if code_of(error) == BUSY_SNAPSHOT or now >= deadline:
                    raise
            await anyio.sleep(min(wait, deadline - now))
            wait = min(LONGEST_WAIT, 2 * wait)

    async def _take_turn(self) -> None:
        writers = self._state.writers
        if not writers.acquire_nowait(self._ticket):
            deadline = anyio.current_time() + self._state.busy_timeout
            if not await writers.acquire(self._ticket, deadline):
                raise RetryableError(
                    "another session of this process held the write lock for"
                    f" {self._state.busy_timeout:g} s"
                )

    def _settle(self) -> None:
        """Let the next one write if no transaction is open (any more)."""
        if self._is_closed or not (self._is_in_thread or self._database.in_transaction):
            self._state.writers.release(self._ticket)

    def _translate(self, error: Exception) -> UowError:
        if self._is_closed or isinstance(error, apsw.ConnectionClosedError):
            return ConnectionLostError("the connection was closed under the statement")
        if isinstance(error, apsw.BindingsError):
            return QueryError("the number of parameters is not that of the placeholders")
        if isinstance(error, apsw.Error) and code_of(error):
            return error_for_code(code_of(error), str(error))
        return error_for_value(error)


_BOUNDED: Final = frozenset({Effect.INSERTS_ROWS, Effect.UPDATES})


class _WouldWrite(Exception):  # noqa: N818  # a signal inside this module
    """Raw SQL was asked to read only, and can write."""


class _Guard:
    """Looks at each statement of raw SQL before it runs, as APSW's execution tracer."""

    __slots__ = ("columns", "only_read", "position", "refusal", "sql")

    def __init__(self, sql: str, *, only_read: bool) -> None:
        self.sql = sql
        self.only_read = only_read
        self.position = 0
        self.columns: tuple[str, ...] = ()
        self.refusal: Exception | None = None

    def __call__(self, cursor: Cursor, sql: str, _bindings: object) -> bool:
        self.position += len(sql)
        if is_blank(sql):
            return True
        if not is_blank(self.sql[self.position :]):
            self.refusal = QueryError("one statement at a time: there is more after the first")
            return False
        if self.only_read and not cursor.is_readonly:
            self.refusal = _WouldWrite()
            return False
        self.columns = tuple(column[0] for column in cursor.description)
        return True


def _until_cancelled(
    rows: Sequence[Sequence[object]], job: Job[None] | None
) -> Iterator[Sequence[object]]:
    """Give rows until the call is given up: an interrupt ends a statement, not a row of them."""
    for row in rows:
        if job is not None and job.is_cancelled:
            raise apsw.InterruptError("given up")
        yield row


def _close(database: Handle, cursors: list[Cursor]) -> None:
    """Close from the thread, without the work of writing the WAL back."""
    try:
        while cursors:
            cursors.pop().close(True)
        database.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        database.close(True)
    except apsw.ConnectionClosedError:
        return
    except apsw.BusyError:
        # A cursor that nothing held died in another thread meanwhile, and took its locks along;
        # APSW has let go of the idle handle that is left.
        return
