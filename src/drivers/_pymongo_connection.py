"""One MongoDB connection: a session of the client, with at most one transaction.

The session lasts as long as the connection, so that nothing is started or ended per statement; it
costs the server nothing until a statement names it. BEGIN is not sent either: the first statement
carries it.

* **A server error ends the transaction** on the server, whatever it was; `has_failed` says so.
* **A cancelled call** closes the client's socket, or, with Motor, goes on in a thread. The server
  may be at it still. So the transaction counts as failed, and rolling back means having the server
  end the session, which stops what is under way.
* **What is lost at the first statement** of a transaction is done again, once: nothing was done.
* **COMMIT is sent again** as long as the server's labels say that nobody knows what became of it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, final

import anyio
import anyio.lowlevel
from pymongo.errors import (
    ConnectionFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
)

from uow.drivers._pymongo_calls import (
    find_and_modify_keywords,
    find_keywords,
    is_cursor_command,
    requests_of,
    rows_of,
    with_concern,
    written,
)
from uow.drivers._pymongo_errors import (
    TRANSIENT,
    UNKNOWN_COMMIT,
    cause_of,
    code_of,
    error_for,
    has_label,
    was_refused_here,
)
from uow.drivers._pymongo_stream import MongoDBStream
from uow.drivers._pymongo_writes import Run, Tally, runs_of
from uow.drivers.base import Row, Rows, TransactionOptions, begin_then_fetch
from uow.errors import (
    ConnectionLostError,
    Outcome,
    QueryError,
    TransactionPoisonedError,
)
from uow.operations import (
    Aggregate,
    BulkWrite,
    Command,
    Find,
    FindAndModify,
    Operation,
    Written,
)
from uow.statement import Many, Statement

if TYPE_CHECKING:
    from uow.drivers._pymongo_driver import MongoDBDriver

__all__ = ["MongoDBConnection"]

T = TypeVar("T")

REST_SECONDS: Final = 1.0
"""How long a cancelled call waits for the server to have ended what was under way."""

CLOSE_SECONDS: Final = 2.0
"""How long taking leave may take."""

COMMIT_SECONDS: Final = 120.0
"""How long COMMIT is sent again, unless the caller's budget ends before."""

COMMIT_PAUSE: Final = 0.05

_RAN_OUT: Final = 50
"""MaxTimeMSExpired: the server was given too little time, and would be again."""


@final
class MongoDBConnection:
    """One connection.

    Args:
        driver: what it shares with others.
        session: its session of the client.
    """

    __slots__ = (
        "__weakref__",
        "_driver",
        "_has_failed",
        "_has_sent",
        "_is_atomic",
        "_is_closed",
        "_is_interrupted",
        "_is_open",
        "_loop",
        "_options",
        "_process",
        "_reads_only",
        "_running",
        "_session",
        "_streams",
        "_tainted",
    )

    def __init__(self, driver: MongoDBDriver, session: Any) -> None:
        self._driver = driver
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._process = os.getpid()
        self._options = TransactionOptions()
        self._running: asyncio.Future[Any] | None = None
        self._streams = 0
        self._is_closed = False
        self._tainted = False
        self._forget_transaction()

    def _forget_transaction(self) -> None:
        self._is_open = False
        self._is_atomic = True
        self._reads_only = False
        self._has_failed = False
        self._has_sent = False
        self._is_interrupted = False

    def __repr__(self) -> str:
        state = "closed" if self.is_closed else "open"
        return f"<MongoDBConnection {state}{', in a transaction' * self.in_transaction}>"

    def __del__(self) -> None:
        self.terminate()

    # -- what is known

    @property
    def commits_plainly(self) -> bool:
        """Whether COMMIT may begin in one task and end in another. Never blocks."""
        # PyMongo may take locks first.
        return False

    @property
    def is_closed(self) -> bool:
        """Whether it can no longer be used. Never blocks."""
        return self._is_closed or self._driver.is_closed

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, failed or not. Never blocks."""
        return self._is_open and not self.is_closed

    @property
    def has_failed(self) -> bool:
        """Whether the open transaction takes nothing but a rollback. Never blocks."""
        return self._has_failed and self.in_transaction

    @property
    def needs_reset(self) -> bool:
        """Whether `reset` must run before the next borrower. Never blocks."""
        return self._is_open or self._streams > 0 or self._tainted

    def taint(self) -> None:
        """Note that somebody had the client's own session."""
        self._tainted = True

    # -- statements

    async def fetch(self, statement: Statement) -> list[Any]:
        """Run an operation and return every row: documents, or what `fields` names of them."""
        self._check(statement)
        return await self._call(self._fetch, statement)

    async def _call(self, action: Callable[[Any], Awaitable[T]], statement: Any) -> T:
        """Do something for a statement, a second time if it was lost before anything was done."""
        try:
            result = await action(statement)
        except BaseException as error:  # noqa: BLE001  # raised again, translated
            await self._after_first(error, statement)
        else:
            self._has_sent = True
            return result
        try:
            return await action(statement)
        except BaseException as error:  # noqa: BLE001  # raised again, translated
            await self._after(error, statement)

    async def execute(self, statement: Statement) -> int:
        """Run an operation and return how many documents it matched, inserted and deleted."""
        rows: list[Any] = await self.fetch(statement)
        if isinstance(statement, BulkWrite):
            done: Written = rows[0]
            return done.count
        if isinstance(statement, Command):
            return int(rows[0].get("n", 0)) if rows else 0
        return len(rows)

    async def run(self, statement: Statement) -> Rows:
        """Run an operation of the user's own; its rows hold one document each."""
        rows: list[Any] = await self.fetch(statement)
        if isinstance(statement, BulkWrite):
            done: Written = rows[0]
            return Rows((), [], done.count)
        only_read = isinstance(statement, Operation) and statement.reads
        return Rows(("document",), [(row,) for row in rows], len(rows), only_read)

    async def fetch_many(self, many: Many) -> list[Row]:
        """Refuse: MongoDB has no statements with placeholders."""
        raise QueryError(f"MongoDB takes no SQL: {many!r}")

    async def execute_many(self, many: Many) -> list[int]:
        """Refuse: MongoDB has no statements with placeholders."""
        raise QueryError(f"MongoDB takes no SQL: {many!r}")

    def stream(self, statement: Statement, *, batch_size: int) -> MongoDBStream:
        """Read through a cursor of the server; leaving the block closes it, whatever was read."""
        if not isinstance(statement, (Find, Aggregate)):
            raise QueryError(f"MongoDB has no cursor for {statement!r}")
        return MongoDBStream(self, statement, batch_size)

    async def _fetch(self, operation: Statement) -> list[Any]:
        session = self._session
        if isinstance(operation, Find):
            find = self._driver.collection(operation.collection).find
            cursor = find(**find_keywords(operation, session))
            return rows_of(await self._wait(cursor.to_list(None)), operation.fields)
        if isinstance(operation, BulkWrite):
            return [await self._write(operation)]
        if isinstance(operation, Aggregate):
            cursor = await self._aggregate(operation)
            return rows_of(await self._wait(cursor.to_list(None)), operation.fields)
        if isinstance(operation, FindAndModify):
            name, keywords = find_and_modify_keywords(operation, session)
            call = getattr(self._driver.collection(operation.collection), name)
            found = await self._wait(call(**keywords))
            return [] if found is None else rows_of([found], operation.fields)
        if isinstance(operation, Command):
            return await self._command(operation)
        raise QueryError(f"MongoDB takes no {operation!r}")

    async def _aggregate(self, operation: Aggregate, **more: Any) -> Any:
        driver = self._driver
        name = operation.collection
        target = driver.database if name is None else driver.collection(name)
        options = {"session": self._session, **(operation.options or {}), **more}
        return await self._wait(driver.face.aggregate(target, list(operation.pipeline), options))

    async def _write(self, bulk: BulkWrite) -> Written:
        if not bulk.operations:
            return Written()
        if self._is_open and self._is_atomic and not self._driver.is_encrypting:
            runs = runs_of(bulk, self._driver.codec)
            if runs is not None:
                return await self._send(bulk, runs)
        requests, are_documents = requests_of(bulk)
        collection = self._driver.collection(bulk.collection)
        keywords = {"ordered": bulk.ordered, "session": self._session, **(bulk.options or {})}
        if are_documents:
            await self._wait(collection.insert_many(requests, **keywords))
            return Written(inserted=len(requests))
        return written(await self._wait(collection.bulk_write(requests, **keywords)))

    async def _send(self, bulk: BulkWrite, runs: Sequence[Run]) -> Written:
        """Send writes of a transaction, a command a run."""
        driver, tally = self._driver, Tally()
        for run in runs:
            command = driver.database.command
            reply = command(run.body(bulk), session=self._session, codec_options=driver.codec)
            tally.take(run, await self._wait(reply))
        return tally.written

    async def _command(self, command: Command) -> list[Any]:
        database = self._driver.database
        body: Mapping[str, Any] = command.body
        keywords = {"session": self._session, "codec_options": database.codec_options}
        # Outside of transactions the client leaves these to us.
        if not (self._is_open and self._is_atomic):
            if command.reads:
                keywords["read_preference"] = database.read_preference
            else:
                body = with_concern(body, self._driver.concern)
        if is_cursor_command(body):
            cursor = await self._wait(database.cursor_command(dict(body), **keywords))
            rows: list[Any] = await self._wait(cursor.to_list(None))
            return rows
        return [await self._wait(database.command(dict(body), **keywords))]

    def _check(self, statement: Statement) -> None:
        """Refuse what cannot be sent."""
        if not isinstance(statement, Operation):
            raise QueryError(f"MongoDB takes no SQL: {statement!r}")
        if self.is_closed:
            raise ConnectionLostError("the connection is closed")
        if self._is_open:
            if self._has_failed:
                raise TransactionPoisonedError(
                    "a statement of this transaction failed and MongoDB has ended it; it can only"
                    " be rolled back"
                )
            if self._reads_only and not statement.reads:
                raise QueryError(f"a write in a read-only transaction: {statement.sql}")

    # -- transactions

    async def begin(self, options: TransactionOptions) -> None:
        """Begin a transaction; the first statement carries it to the server."""
        if self.is_closed:
            raise ConnectionLostError("the connection is closed")
        if self._is_open:
            raise QueryError("a transaction is open already")
        if options.deferrable or options.defer_constraints:
            raise QueryError("MongoDB has no deferrable transactions or constraints")
        if options.atomic:
            arguments = self._driver.transaction(options)
            await self._start(arguments)
        self._forget_transaction()
        self._options = options
        self._is_open = True
        self._is_atomic = options.atomic
        self._reads_only = options.read_only

    async def _start(self, arguments: Mapping[str, Any]) -> None:
        try:
            await self._driver.face.start_transaction(self._session, arguments)
        except PyMongoError as error:
            raise error_for(error) from cause_of(error)

    async def begin_and_fetch(self, options: TransactionOptions, statement: Statement) -> list[Row]:
        """Begin a transaction, and return the rows of its first statement."""
        return await begin_then_fetch(self, options, statement)

    async def commit(self) -> None:
        """Commit, and again while nobody knows what became of it."""
        self._check_transaction()
        await anyio.lowlevel.checkpoint_if_cancelled()
        if self._has_failed:
            await self.rollback()
            raise TransactionPoisonedError(
                "a statement of this transaction had failed, so MongoDB rolled it back"
            )
        if self._is_atomic:
            await self._commit()
        self._forget_transaction()

    async def _commit(self) -> Any:
        deadline = anyio.current_time() + COMMIT_SECONDS
        try:
            while True:
                try:
                    return await self._wait(self._session.commit_transaction())
                except Exception as error:  # noqa: BLE001  # all of them are translated
                    if not has_label(error, UNKNOWN_COMMIT):
                        await self._refused(error)
                    if code_of(error) == _RAN_OUT or anyio.current_time() >= deadline:
                        self.terminate()
                        raise ConnectionLostError(
                            "the servers do not say what became of the commit",
                            outcome=Outcome.UNKNOWN,
                        ) from cause_of(error)
                await anyio.sleep(COMMIT_PAUSE)
        except Exception:
            raise
        except BaseException:
            self.terminate()
            raise

    async def ask_again(self, deadline: float) -> Outcome | None:
        """Send the COMMIT that was not answered once more: the server remembers what became of it.

        Args:
            deadline: until when it surely does.

        Raises:
            UowError: the server could not be asked.
        """
        if anyio.current_time() > deadline:
            return Outcome.UNKNOWN
        if self._running is not None and not self._running.done():
            return None
        try:
            await self._wait(self._session.commit_transaction())
        except PyMongoError as error:
            if has_label(error, TRANSIENT) and not has_label(error, UNKNOWN_COMMIT):
                return Outcome.NOT_APPLIED
            raise error_for(error) from cause_of(error)
        return Outcome.APPLIED

    async def _refused(self, error: Exception) -> NoReturn:
        """COMMIT was answered with an error: the transaction is not stored."""
        mapped = error_for(error)
        if not has_label(error, TRANSIENT):
            # The server may hold it still, and would for a minute.
            self._kill_soon()
        self._forget_transaction()
        raise mapped from cause_of(error)

    async def rollback(self) -> None:
        """Roll the transaction back; nothing if none is open."""
        if self._is_open and not self.is_closed and self._is_atomic:
            try:
                if self._is_interrupted:
                    with suppress(PyMongoError, OSError):
                        await self._driver.kill(self._session.session_id)
                if self._session.in_transaction:
                    await self._wait(self._session.abort_transaction())
            except Exception as error:  # noqa: BLE001  # all of them are translated
                self.terminate()
                raise error_for(error) from cause_of(error)
            except BaseException:
                self.terminate()
                raise
        self._forget_transaction()

    async def savepoint(self, name: str) -> None:
        """Refuse: MongoDB has no savepoints."""
        raise _no_savepoints(name)

    async def release_savepoint(self, name: str) -> None:
        """Refuse: MongoDB has no savepoints."""
        raise _no_savepoints(name)

    async def rollback_to_savepoint(self, name: str) -> None:
        """Refuse: MongoDB has no savepoints."""
        raise _no_savepoints(name)

    def _check_transaction(self) -> None:
        if self.is_closed:
            raise ConnectionLostError("the connection is closed")
        if not self._is_open:
            raise TransactionPoisonedError("no transaction is open on this connection")

    # -- its life

    async def ping(self) -> None:
        """Ask the server for a sign of life."""
        if self.is_closed:
            raise ConnectionLostError("the connection is closed")
        try:
            await self._wait(self._driver.database.client.admin.command("ping"))
        except Exception as error:  # noqa: BLE001  # all of them are translated
            raise error_for(error) from cause_of(error)
        except BaseException:
            self.terminate()
            raise

    async def reset(self) -> None:
        """Roll back; a session that somebody else had, or with open cursors, is replaced."""
        await self.rollback()
        if self._tainted or self._streams:
            await self.aclose()

    async def aclose(self) -> None:
        """Give the session back to the client. May be called twice."""
        if self._is_closed:
            return
        try:
            if self._is_at_home() and not self._driver.is_closed:
                with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                    await self.rollback()
                    if self._running is None and not self.is_closed:
                        self._is_closed = True
                        await self._session.end_session()
        except (PyMongoError, OSError):
            return
        finally:
            self.terminate()

    def terminate(self) -> None:
        """Cut it off at once; the server is told in the background. From any thread."""
        if self._is_closed:
            return
        self._is_closed = True
        is_at_work = (self._is_open and self._is_atomic) or self._running is not None
        if is_at_work and self._process == os.getpid():
            self._kill_soon()

    def _kill_soon(self) -> None:
        """Have the server end the session, so that it holds no locks for a minute."""
        if self._driver.is_closed:
            return
        name = self._session.session_id
        if self._is_at_home():
            self._driver.kill_soon(name)
            return
        with suppress(RuntimeError):  # the loop is closed, and the client with it
            self._loop.call_soon_threadsafe(self._driver.kill_soon, name)

    def _is_at_home(self) -> bool:
        """Whether this runs in the event loop to which the connection belongs."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    # -- how

    def _wait(self, call: Any) -> Awaitable[Any]:
        """Wait for a call of the client. One that runs in a thread is kept hold of."""
        if self._driver.face.is_threaded:
            return self._wait_for_thread(call)
        awaitable: Awaitable[Any] = call
        return awaitable

    async def _wait_for_thread(self, call: Awaitable[T]) -> T:
        running = self._running = asyncio.ensure_future(call)
        running.add_done_callback(_look_at)
        try:
            return await asyncio.shield(running)
        finally:
            if running.done():
                self._running = None

    async def _after_first(self, error: BaseException, statement: Any) -> None:
        """A call failed: return if it may be done again, else raise what the caller shall see.

        It was the first of its transaction, and the connection or the primary was lost: the
        server ends what it may have begun when the session begins another.
        """
        is_first = self._is_open and self._is_atomic and not self._has_sent
        if (
            not is_first
            or not isinstance(error, ConnectionFailure)
            or isinstance(error, (ServerSelectionTimeoutError, WaitQueueTimeoutError))
            or error.timeout
        ):
            await self._after(error, statement)
        self._has_sent = True
        await self._again()

    async def _after(self, error: BaseException, statement: Any) -> NoReturn:
        """A call failed or was cancelled: know the state, and raise what the caller shall see."""
        if isinstance(error, asyncio.CancelledError):
            await self._come_to_rest()
            raise error
        if not isinstance(error, Exception):
            # A coroutine that is thrown away, or the end of the program: nothing can be waited for.
            self.terminate()
            raise error
        commits = not (self._is_open and self._is_atomic) and not statement.reads
        mapped = error_for(error, collection=statement.collection, commits=commits)
        if not (commits and isinstance(statement, BulkWrite) and statement.ordered):
            mapped.done = None
        if self._is_open and self._is_atomic and not was_refused_here(error):
            self._has_failed = True
        elif self._is_open and isinstance(statement, BulkWrite):
            # The first of the writes may have been sent before one could not be.
            self._has_failed = self._is_atomic
        raise mapped from cause_of(error)

    async def _again(self) -> None:
        """Begin the transaction anew; what the server has of the first one ends with it."""
        try:
            await self._wait(self._session.abort_transaction())
        except asyncio.CancelledError:
            self._fail()
            raise
        except PyMongoError as error:
            self._fail()
            raise error_for(error) from cause_of(error)
        await self._start(self._driver.transaction(self._options))

    def _fail(self) -> None:
        """The transaction takes nothing but a rollback, and the server may be at it still."""
        self._has_failed = self._is_interrupted = True

    async def _come_to_rest(self) -> None:
        """A call was cancelled: see that nothing goes on that a later one could meet."""
        if self._is_open and self._is_atomic:
            self._fail()
        if self._running is not None:
            await self._end_thread(self._running)

    async def _end_thread(self, running: asyncio.Future[Any]) -> None:
        """Have the server end what a thread waits for, and wait for the thread."""
        try:
            with anyio.move_on_after(REST_SECONDS, shield=True):
                with suppress(PyMongoError, OSError):
                    await self._driver.kill(self._session.session_id)
                await asyncio.wait([running])
        finally:
            if running.done():
                self._running = None
            else:
                self.terminate()


def _look_at(future: asyncio.Future[Any]) -> None:
    """Take note of an error that nobody may be waiting for any more."""
    if not future.cancelled():
        future.exception()


def _no_savepoints(name: str) -> QueryError:
    return QueryError(f"MongoDB has no savepoints, so none can be called {name}")
