"""A session's line to its store: at most one connection, at most one transaction.

Nothing here knows objects. What it promises is that a connection is always somewhere: with the
pool, in `connection`, or being given back; that COMMIT is never cut in the middle; and that
every error says in which phase it came.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from uow.drivers.base import Loading, Numbering
from uow.errors import (
    CommitUnknownError,
    ConnectionLostError,
    DriverError,
    Outcome,
    Phase,
    QueryError,
    SessionClosedError,
    UowError,
)
from uow.pool import Lender, first_step
from uow.session.finish import End, finish
from uow.statement import Load, Numbered, Sendable, Statement

if TYPE_CHECKING:
    from uow.database import Database
    from uow.drivers.base import Connection, Row, Rows, TransactionOptions

    Cursor: TypeAlias = AbstractAsyncContextManager[AsyncIterator[list[Row]]]

__all__ = ["Channel"]

T = TypeVar("T")

SAYS_NOTHING: Final = (ConnectionLostError, DriverError)
"""Errors that do not tell whether the store had done what it was asked for."""

LOOK_SECONDS: Final = 1.0
"""How long it may take to find out more about what went wrong."""


class Channel:
    """The connection and the transaction of one session.

    Args:
        database: the database.
        options: how transactions begin. One that only reads may be a replica's, unless it is
            serializable: a replica knows nothing of the transactions it would have to be in line
            with.
        read_after: the position that a replica must have reached.

    Attributes:
        pool: who lends connections.
        connection: held for an open transaction, else None.
        savepoints: how many savepoints were ever set, for their names.
    """

    __slots__ = (
        "_cancelled",
        "_observers",
        "connection",
        "database",
        "options",
        "pool",
        "savepoints",
    )

    def __init__(
        self, database: Database, options: TransactionOptions, read_after: str | None = None
    ) -> None:
        self.database = database
        self._observers = database.observers
        self.pool: Lender = database.lender(
            read_only=options.read_only and options.isolation != "SERIALIZABLE",
            read_after=read_after,
        )
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

    @property
    def has_failed(self) -> bool:
        """Whether the store takes nothing but a rollback in the transaction that is open."""
        connection = self.connection
        return connection is not None and connection.has_failed

    # -- statements

    # What only hands on what it awaits is no coroutine of its own: each costs on every way in
    # and out, and a unit of work passes here with every statement.

    def fetch_begun(self, statement: Statement) -> Awaitable[list[Row]]:
        """Run a statement in the transaction, which it begins if none is open."""
        if self.connection is not None:
            return self.fetch(statement)
        if statement.reads and self.options.atomic:
            return self._begin_with(statement)
        return self._begin_then_fetch(statement)

    def fetch(self, statement: Statement, phase: Phase = Phase.QUERY) -> Awaitable[list[Row]]:
        """Run a statement and return its rows."""
        if self._observers:
            self._tell(statement)
        connection = self.connection
        if connection is None:
            return self._borrowed(statement, phase)
        return self._inside(connection, connection.fetch(statement), phase)

    def fetch_apart(self, statement: Statement) -> Awaitable[list[Row]]:
        """Run a statement on a connection of its own, whatever is open here."""
        if self._observers:
            self._tell(statement)
        return self._borrowed(statement, Phase.QUERY)

    async def look(self, statement: Statement) -> list[Row] | None:
        """Read on another connection, if one is to be had soon and answers; else None."""
        rows: list[Row] | None = None
        connection: Connection | None = None
        try:
            with anyio.move_on_after(LOOK_SECONDS):
                connection = await self.acquire()
                self._tell(statement)
                rows = await connection.fetch(statement)
        except UowError:
            return None
        finally:
            if connection is not None:
                await self.release(connection)
        return rows

    def run(self, statement: Statement) -> Awaitable[Rows]:
        """Run raw SQL in the open transaction; the driver notes what it does to the connection."""
        if self._observers:
            self._tell(statement)
        connection = self._open()
        return self._inside(connection, connection.run(statement), Phase.QUERY)

    def write(self, statement: Sendable, *, returns: bool) -> Awaitable[Any]:
        """Run a statement of a flush or a bulk write in the open transaction.

        Returns:
            The rows, if it returns any; else the count of matched rows (a statement), or one
            count a row of parameters.
        """
        if self._observers:
            self._tell(statement)
        connection = self.connection
        if connection is None:
            raise closed_under_us()
        action: Awaitable[Any]
        if isinstance(statement, Statement):
            action = connection.fetch(statement) if returns else connection.execute(statement)
        else:
            action = send(connection, statement, returns=returns)
        return self._inside(connection, action, Phase.FLUSH)

    async def open_stream(
        self, statement: Statement, *, batch_size: int
    ) -> tuple[Connection, Cursor, AsyncIterator[list[Row]]]:
        """Open a cursor: in the transaction, or else on a connection that the caller gives back.

        Returns:
            The connection, the cursor, which the caller closes, and what it gives.
        """
        if self._observers:
            self._tell(statement)

        async def enter(connection: Connection) -> tuple[Cursor, AsyncIterator[list[Row]]]:
            cursor = connection.stream(statement, batch_size=batch_size)
            return cursor, await cursor.__aenter__()

        try:
            connection = self.connection
            if connection is not None:
                return connection, *await enter(connection)
            connection, opened = await first_step(self.pool, enter)
        except UowError as error:
            mark(error, Phase.QUERY)
            raise
        return connection, *opened

    async def _inside(self, connection: Connection, action: Awaitable[T], phase: Phase) -> T:
        """Run one statement in the transaction that is open on a connection.

        Raises:
            SessionClosedError: another task closed the session meanwhile; what was done here is
                rolled back.
        """
        try:
            result = await action
        except UowError as error:
            if self.connection is not connection:
                raise closed_under_us() from error
            mark(error, phase)
            raise
        if self.connection is not connection:
            raise closed_under_us()
        return result

    async def _borrowed(self, statement: Statement, phase: Phase) -> list[Row]:
        """Run one statement on a connection of the pool, and give it back."""
        try:
            if statement.reads:
                connection, rows = await first_step(
                    self.pool, lambda borrowed: borrowed.fetch(statement)
                )
            else:
                connection = await self.acquire()
                try:
                    rows = await connection.fetch(statement)
                except BaseException:
                    await self.release(connection)
                    raise
        except UowError as error:
            mark(error, phase)
            raise
        if not self.pool.release_nowait(connection):
            await self.pool.release(connection)
        return rows

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
        try:
            self.connection, _ = await first_step(self.pool, self._begin_on)
        except UowError as error:
            mark(error, Phase.BEGIN)
            raise

    def _begin_on(self, connection: Connection) -> Awaitable[None]:
        if self._observers:
            self._tell("BEGIN")
        return connection.begin(self.options)

    async def _begin_then_fetch(self, statement: Statement) -> list[Row]:
        await self.begin()
        return await self.fetch(statement)

    async def _begin_with(self, statement: Statement) -> list[Row]:
        """Begin the transaction with a statement that reads, in one round trip where that can be.

        Nothing of the unit was done before it, and it does nothing itself: so it is taken again on
        another connection if this one turns out to be lost, as BEGIN alone is. Not so where BEGIN
        was answered before it was sent: that is the middle of a unit.
        """
        if self._observers:
            self._tell("BEGIN")
            self._tell(statement)
        try:
            _, (rows, failure) = await first_step(
                self.pool, partial(self._begin_with_on, statement)
            )
        except UowError as error:
            mark(error, Phase.QUERY)
            raise
        if failure is None:
            return rows
        if isinstance(failure, UowError):
            mark(failure, Phase.QUERY)
        raise failure

    async def _begin_with_on(
        self, statement: Statement, connection: Connection
    ) -> tuple[list[Row], BaseException | None]:
        """Give the rows, or what went wrong in a transaction that is open, and stays here."""
        self.connection = connection  # who closes the session meanwhile cuts it off
        try:
            rows = await connection.begin_and_fetch(self.options, statement)
        except BaseException as error:
            if self.connection is not connection:
                if isinstance(error, UowError):
                    raise closed_under_us() from error
                raise  # a cancellation is one, whoever closed the session as well
            if isinstance(error, ConnectionLostError):
                has_begun = error.phase is Phase.QUERY
            else:
                has_begun = connection.in_transaction
            if not has_begun:
                self.connection = None
                raise
            return [], error
        if self.connection is not connection:
            raise closed_under_us()
        return rows, None

    async def commit(self, *, looks: bool = True) -> None:
        """Commit the open transaction and give the connection back.

        Cancellation is heard before COMMIT is sent, and then not until it has ended or its
        budget is spent; `raise_cancelled` raises it when the caller's books are in order.

        Args:
            looks: whether a cancellation may be there that no await has heard yet.

        Raises:
            ConnectionLostError: the connection was closed before.
            CommitUnknownError: no answer came.
            UowError: the store refused; the transaction was rolled back.
        """
        connection = self._open()
        if looks:
            await checkpoint_if_cancelled()
        if connection.is_closed:
            raise ConnectionLostError(
                "the connection was closed before COMMIT was sent; nothing was stored",
                phase=Phase.COMMIT,
            )
        if self._observers:
            self._tell("COMMIT")
            await checkpoint_if_cancelled()  # one of them may have cancelled us
        try:
            end = await finish(
                connection.commit,
                self.database.commit_timeout,
                is_plain=connection.commits_plainly,
            )
            if end.is_done:
                self._cancelled = end.cancelled
            else:
                await self._ended(end, connection)
        finally:
            self.connection = None
            if not self.pool.release_nowait(connection):
                await self._give_back(connection)

    async def commit_alone(self, statement: Sendable, *, returns: bool) -> Any:
        """Run the one statement of a whole unit, which is then its own COMMIT.

        Returns:
            As `write`. Cancellation and errors are as with `commit`.
        """
        connection = await self.acquire()
        try:
            await checkpoint_if_cancelled()
            if self._observers:
                self._tell(statement)
            action = partial(send, connection, statement, returns=returns)
            end = await finish(action, self.database.commit_timeout)
            return await self._ended(end, connection)
        finally:
            if not self.pool.release_nowait(connection):
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

    async def _ended(self, end: End[T], connection: Connection) -> T:
        """Know the outcome of what commits by how it ended."""
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
        if self.options.read_only:
            raise ConnectionLostError(
                "the connection was lost at the end of a transaction that only read",
                phase=Phase.COMMIT,
            ) from error
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
        connection = self._open()
        await self._inside(connection, connection.savepoint(name), Phase.SAVEPOINT)
        return name

    async def release_savepoint(self, name: str) -> BaseException | None:
        """Keep what was done since a savepoint, in bounded time.

        Cancellation is heard before it is sent, and not while it runs: who cancels it then cannot
        know whether the savepoint is still there to go back to.

        Returns:
            The cancellation that came meanwhile, to be raised when the caller's books are in order.
        """
        connection = self._open()
        await checkpoint_if_cancelled()
        self._tell(f"RELEASE SAVEPOINT {name}")
        end = await finish(
            lambda: self._inside(connection, connection.release_savepoint(name), Phase.SAVEPOINT),
            self.database.cleanup_timeout,
        )
        if end.is_done:
            return end.cancelled
        if end.error is None:  # the budget is spent
            self.connection = None
            self.pool.discard(connection)
            end.error = ConnectionLostError(
                "the store did not answer the release of a savepoint in time; the transaction is"
                " rolled back",
                phase=Phase.SAVEPOINT,
            )
        raise end.cancelled or end.error

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

    def _tell(self, sent: Sendable | str) -> None:
        for observe in self._observers:
            observe(sent)


def send(connection: Connection, statement: Sendable, *, returns: bool) -> Awaitable[Any]:
    """Run a statement, or one for each row of parameters."""
    if isinstance(statement, Statement):
        return connection.fetch(statement) if returns else connection.execute(statement)
    if isinstance(statement, Load):
        return load(connection, statement, returns=returns)
    if isinstance(statement, Numbered):
        return insert_numbered(connection, statement)
    if returns:
        return connection.fetch_many(statement)
    return connection.execute_many(statement)


async def load(connection: Connection, stream: Load, *, returns: bool) -> Any:
    """Send rows as one stream where the client and the store can, else by statements."""
    if isinstance(connection, Loading) and connection.can_load:
        answer = await connection.fetch(stream.permit)
        if answer:
            keys = answer if stream.takes_keys else None
            count = await connection.load(stream, keys)
            return answer[:count] if returns else count
    answers = [await send(connection, one, returns=returns) for one in stream.otherwise()]
    return [row for rows in answers for row in rows] if returns else sum(answers)


async def insert_numbered(connection: Connection, rows: Numbered) -> list[Row]:
    """Insert rows of which the store tells the first key, and give the keys of all."""
    if not isinstance(connection, Numbering):
        raise QueryError("the driver does not say which keys new rows were given")
    return await connection.insert(rows)


def closed_under_us() -> SessionClosedError:
    """Say why an operation has no connection any more."""
    return SessionClosedError(
        "the session was closed by another task while this was running; it is rolled back"
    )


def mark(error: UowError, phase: Phase) -> None:
    """Say in which phase an error came, unless the driver knew better.

    A statement that was sent and refused has an outcome, other than one that was wrong before.
    """
    if error.phase is None:
        error.phase = phase
    if error.outcome is None and isinstance(error, QueryError):
        error.outcome = Outcome.NOT_APPLIED
