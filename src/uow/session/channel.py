"""A session's line to its store: at most one connection, at most one transaction.

Nothing here knows objects. What it promises is that a connection is always somewhere: with the
pool, in `connection`, or being given back; that COMMIT is never cut in the middle; and that
every error says in which phase it came.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from uow.errors import (
    CommitUnknownError,
    ConnectionLostError,
    DriverError,
    Outcome,
    Phase,
    SessionClosedError,
    UowError,
)
from uow.statement import Many, Statement

if TYPE_CHECKING:
    from uow.database import Database
    from uow.drivers.base import Connection, Row, Rows, TransactionOptions

__all__ = ["Channel"]

T = TypeVar("T")

SAYS_NOTHING: Final = (ConnectionLostError, DriverError)
"""Errors that do not tell whether the store had done what it was asked for."""


class Channel:
    """The connection and the transaction of one session.

    Attributes:
        connection: held for an open transaction, else None.
        savepoints: how many savepoints were ever set, for their names.
    """

    __slots__ = ("_cancelled", "connection", "database", "options", "pool", "savepoints")

    def __init__(self, database: Database, options: TransactionOptions) -> None:
        self.database = database
        self.pool = database.pool
        self.options = options
        self.connection: Connection | None = None
        self.savepoints = 0
        self._cancelled: BaseException | None = None

    def __repr__(self) -> str:
        return f"<Channel {'in a transaction' if self.connection is not None else 'idle'}>"

    @property
    def is_lost(self) -> bool:
        """Whether the store no longer holds the transaction that was begun here."""
        connection = self.connection
        return connection is not None and (connection.is_closed or not connection.in_transaction)

    # -- statements

    async def fetch(self, statement: Statement, phase: Phase = Phase.QUERY) -> list[Row]:
        """Run a statement and return its rows."""
        self._tell(statement)
        if self.connection is not None:
            return await self._inside(lambda connection: connection.fetch(statement), phase)
        return await self._borrowed(lambda borrowed: borrowed.fetch(statement), phase)

    async def fetch_apart(self, statement: Statement) -> list[Row]:
        """Run a statement on a connection of its own, whatever is open here."""
        self._tell(statement)
        return await self._borrowed(lambda borrowed: borrowed.fetch(statement), Phase.QUERY)

    async def run(self, statement: Statement) -> Rows:
        """Run raw SQL in the open transaction; the driver notes what it does to the connection."""
        self._tell(statement)
        return await self._inside(lambda connection: connection.run(statement), Phase.QUERY)

    async def write(self, statement: Statement | Many, *, returns: bool) -> Any:
        """Run a statement of a flush or a bulk write in the open transaction.

        Returns:
            The rows, if it returns any; else the count of matched rows (a statement), or one
            count a row of parameters.
        """
        self._tell(statement)
        return await self._inside(
            lambda connection: send(connection, statement, returns=returns), Phase.FLUSH
        )

    def stream(
        self, connection: Connection, statement: Statement, *, batch_size: int
    ) -> AbstractAsyncContextManager[Any]:
        """Open a cursor on a connection."""
        self._tell(statement)
        return connection.stream(statement, batch_size=batch_size)

    async def _inside(self, action: Callable[[Connection], Awaitable[T]], phase: Phase) -> T:
        """Run one statement in the open transaction.

        Raises:
            SessionClosedError: another task closed the session meanwhile; what was done here is
                rolled back.
        """
        connection = self._open()
        try:
            result = await action(connection)
        except UowError as error:
            if self.connection is not connection:
                raise closed_under_us() from error
            mark(error, phase)
            raise
        if self.connection is not connection:
            raise closed_under_us()
        return result

    async def _borrowed(self, action: Callable[[Connection], Awaitable[T]], phase: Phase) -> T:
        """Run one statement on a connection of the pool, and give it back."""
        connection = await self.acquire()
        try:
            result = await action(connection)
        except UowError as error:
            await self.release(connection)
            mark(error, phase)
            raise
        except BaseException:
            await self.release(connection)
            raise
        if not self.pool.release_nowait(connection):
            await self.pool.release(connection)
        return result

    async def acquire(self) -> Connection:
        """Take a connection from the pool; the caller gives it back."""
        connection = self.pool.acquire_nowait()
        if connection is not None:
            return connection
        try:
            return await self.pool.acquire()
        except UowError as error:
            mark(error, Phase.ACQUIRE)
            raise

    async def release(self, connection: Connection) -> None:
        """Give a connection back, whatever state it is in."""
        if not self.pool.release_nowait(connection):
            await self.pool.release(connection)

    # -- transactions

    async def begin(self) -> None:
        """Begin the transaction, unless it is open."""
        if self.connection is not None:
            return
        connection = await self.acquire()
        try:
            self._tell("BEGIN")
            await connection.begin(self.options)
        except UowError as error:
            await self.release(connection)
            mark(error, Phase.BEGIN)
            raise
        except BaseException:
            await self.release(connection)
            raise
        self.connection = connection

    async def commit(self) -> None:
        """Commit the open transaction and give the connection back.

        Cancellation is heard before COMMIT is sent, and then not until it has ended or its
        budget is spent; `raise_cancelled` raises it when the caller's books are in order.

        Raises:
            ConnectionLostError: the connection was closed before.
            CommitUnknownError: no answer came.
            UowError: the store refused; the transaction was rolled back.
        """
        connection = self._open()
        await checkpoint_if_cancelled()
        if connection.is_closed:
            raise ConnectionLostError(
                "the connection was closed before COMMIT was sent; nothing was stored",
                phase=Phase.COMMIT,
            )
        self._tell("COMMIT")
        try:
            await self._sealed(connection.commit, connection)
        finally:
            self.connection = None
            await self._give_back(connection)

    async def commit_alone(self, statement: Statement | Many, *, returns: bool) -> Any:
        """Run the one statement of a whole unit, which is then its own COMMIT.

        Returns:
            As `write`. Cancellation and errors are as with `commit`.
        """
        connection = await self.acquire()
        try:
            await checkpoint_if_cancelled()
            self._tell(statement)
            return await self._sealed(
                lambda: send(connection, statement, returns=returns), connection
            )
        finally:
            await self._give_back(connection)

    @property
    def was_cancelled(self) -> bool:
        """Whether a cancellation came during a COMMIT and was not raised yet."""
        return self._cancelled is not None

    def raise_cancelled(self, error: BaseException | None) -> None:
        """Raise the cancellation that came during a COMMIT, if one did.

        Args:
            error: what went wrong as well; it becomes the cause.
        """
        cancelled, self._cancelled = self._cancelled, None
        if cancelled is not None and cancelled is not error:
            raise cancelled from error

    async def _sealed(self, action: Callable[[], Awaitable[T]], connection: Connection) -> T:
        """Run what commits, to its end, and know its outcome whatever happens."""
        end = await finish(action, self.database.commit_timeout)
        self._cancelled = end.cancelled
        error = end.error
        if error is None and end.is_done:
            return end.result
        is_open = not connection.is_closed and connection.in_transaction
        if isinstance(error, UowError) and (is_open or not isinstance(error, SAYS_NOTHING)):
            error.outcome = Outcome.NOT_APPLIED
            await self._roll_back(connection)
            mark(error, Phase.COMMIT)
            raise error
        self.pool.discard(connection)
        if error is None:
            raise CommitUnknownError(
                f"COMMIT did not end within {self.database.commit_timeout} seconds; the "
                "connection was closed, and the unit may be stored or not"
            )
        raise CommitUnknownError(
            "nobody answered a COMMIT that was under way; the unit may be stored or not"
        ) from error

    async def _give_back(self, connection: Connection) -> None:
        """Release after a COMMIT: what reaches us meanwhile must not hide how that ended."""
        if not self.pool.release_nowait(connection):
            end = await finish(lambda: self.pool.release(connection), self.database.cleanup_timeout)
            self._cancelled = self._cancelled or end.cancelled

    async def rollback(self) -> None:
        """Roll back and give the connection back, in bounded time.

        Store errors do not surface: a connection that cannot roll back is closed, and the store
        rolls back by itself.
        """
        connection, self.connection = self.connection, None
        if connection is None:
            return
        self._tell("ROLLBACK")
        try:
            await self._roll_back(connection)
        finally:
            await self.release(connection)

    async def _roll_back(self, connection: Connection) -> None:
        if connection.is_closed or not connection.in_transaction:
            return
        end = await finish(connection.rollback, self.database.cleanup_timeout)
        if not end.is_done:
            self.pool.discard(connection)
        if end.cancelled is not None:
            raise end.cancelled

    def abandon(self) -> None:
        """Let go of a connection whose transaction the store has ended, without waiting."""
        connection, self.connection = self.connection, None
        if connection is not None and not self.pool.release_nowait(connection):
            self.pool.discard(connection)

    def forsake(self) -> None:
        """Close the connection from a finaliser, in whatever thread that runs."""
        connection, self.connection = self.connection, None
        if connection is not None:
            self.pool.forsake(connection)

    def terminate(self) -> None:
        """Close the connection at once, without waiting."""
        connection, self.connection = self.connection, None
        if connection is not None:
            self.pool.discard(connection)

    # -- savepoints

    async def savepoint(self) -> str:
        """Set a savepoint in the open transaction; its name is made here."""
        self.savepoints += 1
        name = f"uow_{self.savepoints}"
        self._tell(f"SAVEPOINT {name}")
        await self._inside(lambda connection: connection.savepoint(name), Phase.SAVEPOINT)
        return name

    async def release_savepoint(self, name: str) -> None:
        """Keep what was done since a savepoint."""
        self._tell(f"RELEASE SAVEPOINT {name}")
        await self._inside(lambda connection: connection.release_savepoint(name), Phase.SAVEPOINT)

    async def rollback_to(self, name: str) -> bool:
        """Undo what was done since a savepoint, in bounded time.

        Returns:
            False if that could not be done: the whole transaction was rolled back then.
        """
        connection = self.connection
        if connection is None:
            return False
        if self.is_lost:
            self.connection = None
            await self.release(connection)
            return False
        self._tell(f"ROLLBACK TO SAVEPOINT {name}")
        end = await finish(
            lambda: connection.rollback_to_savepoint(name), self.database.cleanup_timeout
        )
        if not end.is_done:
            self.connection = None
            self.pool.discard(connection)
        if end.cancelled is not None:
            raise end.cancelled
        return end.is_done

    def _open(self) -> Connection:
        if self.connection is None:
            raise closed_under_us()
        return self.connection

    def _tell(self, sent: Statement | Many | str) -> None:
        for observe in self.database.observers:
            observe(sent)


class End(Generic[T]):
    """How something that must run to its end ended.

    Attributes:
        result: what it returned.
        is_done: it returned.
        error: what it raised.
        cancelled: the cancellation that reached the waiting task meanwhile.
    """

    __slots__ = ("cancelled", "error", "is_done", "result")

    result: T

    def __init__(self) -> None:
        self.is_done = False
        self.error: BaseException | None = None
        self.cancelled: BaseException | None = None


async def finish(action: Callable[[], Awaitable[T]], budget: float) -> End[T]:
    """Run something to its end, or to the end of its budget, whoever is cancelled meanwhile.

    A shielded scope alone holds back the cancellation of scopes, but not `task.cancel()` of
    asyncio, which reaches the awaiting task itself. So it runs in a task of its own.
    """
    end: End[T] = End()

    async def run() -> None:
        with anyio.move_on_after(budget, shield=True):
            try:
                end.result = await action()
                end.is_done = True
            except Exception as error:  # noqa: BLE001 - kept, for the caller to raise
                end.error = error

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
        # trio's task groups keep a cancellation to themselves that came while they waited.
        await checkpoint_if_cancelled()
    except BaseException as error:  # noqa: BLE001 - kept, for the caller to raise
        end.cancelled = error
    return end


async def send(connection: Connection, statement: Statement | Many, *, returns: bool) -> Any:
    """Run a statement, or one for each row of parameters."""
    if isinstance(statement, Statement):
        if returns:
            return await connection.fetch(statement)
        return await connection.execute(statement)
    if returns:
        return await connection.fetch_many(statement)
    return await connection.execute_many(statement)


def closed_under_us() -> SessionClosedError:
    """Say why an operation has no connection any more."""
    return SessionClosedError(
        "the session was closed by another task while this was running; it is rolled back"
    )


def mark(error: UowError, phase: Phase) -> None:
    """Say in which phase an error came, unless the driver knew better."""
    if error.phase is None:
        error.phase = phase
