"""Sessions inside of a migration: they work on its connection, in its transaction.

A session begins, commits and rolls back; here each of these is that of a savepoint, so that what it
wrote stands or falls with the migration.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from uow.drivers.base import PLAIN, Connection, Loading, Numbering, begin_then_fetch
from uow.errors import ConnectionLostError, MigrationError, PoolTimeoutError, QueryError
from uow.session.session import Session

if TYPE_CHECKING:
    from uow.database import Database
    from uow.drivers.base import Row, Rows, TransactionOptions
    from uow.statement import Load, Many, Numbered, Statement

__all__ = ["Inner", "session_on"]


class Inner:
    """A connection whose transactions are savepoints of the one that is open on another.

    Where the store has no savepoints, a rollback takes the whole transaction back.

    Args:
        outer: the other, in a transaction.
        has_savepoints: whether the store has them.
    """

    def __init__(self, outer: Connection, *, has_savepoints: bool) -> None:
        self._outer = outer
        self._has_savepoints = has_savepoints
        self._name: str | None = None
        self._count = 0

    @property
    def commits_plainly(self) -> bool:
        """Whether COMMIT may begin in one task and end in another: here it is a savepoint's end."""
        return False

    @property
    def is_closed(self) -> bool:
        """Whether it can no longer be used."""
        return self._outer.is_closed

    @property
    def in_transaction(self) -> bool:
        """Whether a savepoint is set."""
        return self._name is not None and self._outer.in_transaction

    @property
    def has_failed(self) -> bool:
        """Whether the transaction takes nothing but a rollback."""
        return self._outer.has_failed

    @property
    def needs_reset(self) -> bool:
        """Whether a savepoint was left."""
        return self._name is not None

    def taint(self) -> None:
        """Note that somebody had the client's own handle."""
        self._outer.taint()

    async def fetch(self, statement: Statement) -> list[Row]:
        """Run a statement and return every row."""
        return await self._outer.fetch(statement)

    async def execute(self, statement: Statement) -> int:
        """Run a statement and return how many rows it matched."""
        return await self._outer.execute(statement)

    async def run(self, statement: Statement) -> Rows:
        """Run a statement of which nobody knows whether it returns rows."""
        return await self._outer.run(statement)

    async def fetch_many(self, many: Many) -> list[Row]:
        """Run a statement for each row of parameters; return all rows."""
        return await self._outer.fetch_many(many)

    async def execute_many(self, many: Many) -> list[int]:
        """Run a statement for each row of parameters; return the matched rows of each."""
        return await self._outer.execute_many(many)

    def stream(
        self, statement: Statement, *, batch_size: int
    ) -> AbstractAsyncContextManager[AsyncIterator[list[Row]]]:
        """Read through a cursor."""
        return self._outer.stream(statement, batch_size=batch_size)

    async def begin(self, options: TransactionOptions) -> None:
        """Set a savepoint."""
        if options != PLAIN:
            raise QueryError(
                "a session of a migration is in its transaction, which has an isolation level"
            )
        if not self._outer.in_transaction:
            raise ConnectionLostError("the transaction of the migration is over")
        self._count += 1
        name = f"uow_inner_{self._count}"
        if self._has_savepoints:
            await self._outer.savepoint(name)
        self._name = name

    async def begin_and_fetch(self, options: TransactionOptions, statement: Statement) -> list[Row]:
        """Begin a transaction, and return the rows of its first statement."""
        return await begin_then_fetch(self, options, statement)

    async def commit(self) -> None:
        """Keep what was done since the savepoint, as long as the migration's transaction lasts."""
        name = self._savepoint()
        if self._has_savepoints:
            await self._outer.release_savepoint(name)
        self._name = None

    async def rollback(self) -> None:
        """Undo what was done since the savepoint."""
        if self._name is None:
            return
        name = self._savepoint()
        if self._has_savepoints:
            await self._outer.rollback_to_savepoint(name)
            await self._outer.release_savepoint(name)
        else:
            await self._outer.rollback()
        self._name = None

    def _savepoint(self) -> str:
        if self._name is None or not self._outer.in_transaction:
            raise ConnectionLostError("the transaction of the migration is over")
        return self._name

    async def savepoint(self, name: str) -> None:
        """Set a savepoint."""
        await self._outer.savepoint(name)

    async def release_savepoint(self, name: str) -> None:
        """Keep what was done since a savepoint."""
        await self._outer.release_savepoint(name)

    async def rollback_to_savepoint(self, name: str) -> None:
        """Undo what was done since a savepoint."""
        await self._outer.rollback_to_savepoint(name)

    async def ping(self) -> None:
        """Ask the store for a sign of life."""
        await self._outer.ping()

    async def reset(self) -> None:
        """Leave no savepoint."""
        await self.rollback()

    async def aclose(self) -> None:
        """Leave no savepoint; the connection is the migration's."""
        await self.rollback()

    def terminate(self) -> None:
        """Close the connection at once."""
        self._outer.terminate()


class _Loading(Inner):
    """Where the client sends rows as a stream."""

    @property
    def can_load(self) -> bool:
        """Whether it can as it is set up."""
        return isinstance(self._outer, Loading) and self._outer.can_load

    async def load(self, load: Load, keys: Sequence[Row] | None) -> int:
        """Send the rows of a stream."""
        outer: Any = self._outer
        count: int = await outer.load(load, keys)
        return count


class _Numbering(Inner):
    """Where the store tells the first of several new keys."""

    async def insert(self, numbered: Numbered) -> list[Row]:
        """Insert rows and give the key of each."""
        outer: Any = self._outer
        keys: list[Row] = await outer.insert(numbered)
        return keys


def _inner(outer: Connection, *, has_savepoints: bool) -> Inner:
    kind: type[Inner] = Inner
    if isinstance(outer, Loading):
        kind = _Loading
    elif isinstance(outer, Numbering):
        kind = _Numbering
    return kind(outer, has_savepoints=has_savepoints)


class OneConnection:
    """Lends a session one connection that somebody else holds, and never closes it in good order.

    Args:
        connection: the connection.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._is_lent = False

    @property
    def max_size(self) -> int:
        """One."""
        return 1

    def acquire_nowait(self) -> Connection | None:
        """Give it out, unless it is."""
        if self._is_lent or self._connection.is_closed:
            return None
        self._is_lent = True
        return self._connection

    async def acquire(self) -> Connection:
        """Give it out.

        Raises:
            ConnectionLostError: it is closed.
            PoolTimeoutError: the session has it already.
        """
        connection = self.acquire_nowait()
        if connection is not None:
            return connection
        if self._connection.is_closed:
            raise ConnectionLostError("the connection of the migration was lost")
        raise PoolTimeoutError("a session of a migration has one connection, and it is in use")

    def release_nowait(self, connection: Connection) -> bool:
        """Take it back, if nothing was left on it."""
        if connection.in_transaction and not connection.is_closed:
            return False
        self._is_lent = False
        return True

    async def release(self, connection: Connection) -> None:
        """Take it back."""
        try:
            if connection.in_transaction and not connection.is_closed:
                await connection.rollback()
        except BaseException:
            connection.terminate()
            raise
        finally:
            self._is_lent = False

    def give_up(self, connection: Connection, error: ConnectionLostError) -> bool:  # noqa: ARG002
        """Cut it off; there is no other."""
        self.discard(connection)
        return False

    def discard(self, connection: Connection) -> None:
        """Cut it off."""
        self._is_lent = False
        connection.terminate()

    forsake = discard


def session_on(database: Database, connection: Connection, *, inside: bool) -> Session:
    """Make a session that works on a connection.

    Args:
        database: whose connection it is.
        connection: the connection.
        inside: in the transaction that is open there; else in transactions of its own.

    Raises:
        MigrationError: there is no transaction open.
    """
    lent = connection
    if inside:
        if not connection.in_transaction:
            raise MigrationError("the transaction of the migration is over")
        lent = _inner(connection, has_savepoints=database.dialect.capabilities.savepoints)
    session = Session(database, _depth=2)
    session._unit.channel.pool = OneConnection(lent)
    return session
