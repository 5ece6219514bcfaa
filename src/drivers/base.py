"""The boundary to client libraries: what a driver must supply, listed once.

A driver module holds a `Driver` (how to reach one database) and its `Connection`s. Client
errors end here: whatever a method raises is of `uow.errors`, with the client's error as
`__cause__`, or it is a cancellation, which passes through unchanged.

Rules every connection keeps:

* A cancelled call leaves the connection usable, or closed with `is_closed` true; never between.
* `in_transaction` is the store's own answer, true to the moment after every call and error.
* Nothing is retried, except a statement that only reads and of which no row was handed out.
* One call at a time: the caller sees to that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, runtime_checkable

import attrs

from uow.errors import Outcome, Phase, UowError
from uow.statement import Load, Many, Numbered, Statement

if TYPE_CHECKING:
    from uow.url import URL

__all__ = [
    "PLAIN",
    "ChecksPositions",
    "Connection",
    "Driver",
    "DriverFactory",
    "Load",
    "Loading",
    "Many",
    "Numbered",
    "Numbering",
    "Positioned",
    "Row",
    "Rows",
    "Statement",
    "TransactionOptions",
    "VerifiesCommits",
    "begin_then_fetch",
]

Row: TypeAlias = tuple[Any, ...]
"""One row, values in column order, as the store gives them (dialects decode).

It may be the client's own kind of row where that unpacks, is cut, compared and hashed as a tuple
is: making tuples of ten thousand rows costs more than reading from them.
"""


@attrs.frozen
class Rows:
    """What a statement of unknown kind answered.

    Attributes:
        columns: the names of the columns, empty if the statement returns none.
        rows: one tuple a row, in column order.
        count: rows returned, or rows matched by a statement that returns none.
        only_read: the store says the statement can only read; False where it does not say.
    """

    columns: tuple[str, ...]
    rows: list[Row]
    count: int
    only_read: bool = False


@attrs.frozen
class TransactionOptions:
    """How a transaction begins.

    Attributes:
        isolation: an SQL isolation level in capitals, or None for the store's default.
        read_only: refuse writes.
        deferrable: wait for a safe snapshot, where the store has that.
        defer_constraints: check foreign keys at COMMIT, where the store can.
        atomic: False where the unit shall run without a transaction, by name: each statement then
            stands for itself, COMMIT sends nothing and ROLLBACK takes nothing back. Only a store
            whose servers may have no transactions takes that.
    """

    isolation: str | None = None
    read_only: bool = False
    deferrable: bool = False
    defer_constraints: bool = False
    atomic: bool = True


PLAIN: Final = TransactionOptions()
"""How most transactions begin."""


class Connection(Protocol):
    """One connection. Not made for two tasks at a time."""

    @property
    def commits_plainly(self) -> bool:
        """Whether `commit` may begin in one task and end in another, which spares a task.

        It then enters no scope and starts no timer before it first waits, nor after an answer
        that is no error. False is always right.
        """
        ...

    @property
    def is_closed(self) -> bool:
        """Whether it can no longer be used. Never blocks."""
        ...

    @property
    def in_transaction(self) -> bool:
        """Whether the store holds an open transaction. Never blocks."""
        ...

    @property
    def has_failed(self) -> bool:
        """Whether the open transaction takes nothing but a rollback, to its start or a savepoint.

        Stores differ: with some a failed statement takes the whole transaction with it. Never
        blocks.
        """
        ...

    @property
    def needs_reset(self) -> bool:
        """Whether `reset` must run before the next borrower. Never blocks.

        True with an open transaction, an open stream, or session state that was changed; a
        connection that only ran compiled statements answers False and is handed on as it is.
        """
        ...

    def taint(self) -> None:
        """Note that somebody had the client's own handle: `reset` must then clear all, or close.

        `run` notes by itself what changes session state.
        """
        ...

    async def fetch(self, statement: Statement) -> list[Row]:
        """Run a statement and return every row, in the store's order."""
        ...

    async def execute(self, statement: Statement) -> int:
        """Run a statement and return how many rows it matched."""
        ...

    async def run(self, statement: Statement) -> Rows:
        """Run a statement of which nobody knows whether it returns rows.

        Raises:
            QueryError: several statements at once, or one that begins, ends or saves a
                transaction: that is the session's to say.
        """
        ...

    async def fetch_many(self, many: Many) -> list[Row]:
        """Run a statement for each row of parameters; return all rows, in input order."""
        ...

    async def execute_many(self, many: Many) -> list[int]:
        """Run a statement for each row of parameters; return the matched rows of each."""
        ...

    def stream(
        self, statement: Statement, *, batch_size: int
    ) -> AbstractAsyncContextManager[AsyncIterator[list[Row]]]:
        """Read through a cursor on the server; leaving the block closes it, whatever was read."""
        ...

    async def begin(self, options: TransactionOptions) -> None:
        """Begin a transaction, waiting for the store's write lock where it takes one.

        Raises:
            RetryableError: the lock was not granted in time.
            QueryError: the isolation level is unknown.
        """
        ...

    async def begin_and_fetch(self, options: TransactionOptions, statement: Statement) -> list[Row]:
        """Begin a transaction and run its first statement, in one round trip where that can be.

        `begin_then_fetch` does it in two. After an error `in_transaction` says whether the
        transaction was begun.

        Args:
            options: how it begins.
            statement: one that only reads, so that it can be run again on another connection
                where this one is lost.

        Returns:
            The rows, in the store's order.

        Raises:
            UowError: as `begin` and `fetch`. Its phase is QUERY if the transaction had begun for
                sure: a connection that is lost then was lost in the middle of a unit.
        """
        ...

    async def commit(self) -> None:
        """Commit. Shields nothing: the caller holds a shield with a budget.

        The caller has also looked for a cancellation that was there before. One that comes while
        COMMIT is under way leaves `is_closed` true, and nobody knows what became of the
        transaction.

        Raises:
            TransactionPoisonedError: the store rolled back instead.
            RetryableError: the store could not commit now; the transaction is still open or
                rolled back, as `in_transaction` says.
        """
        ...

    async def rollback(self) -> None:
        """Roll the transaction back; nothing if none is open."""
        ...

    async def savepoint(self, name: str) -> None:
        """Set a savepoint. The name is one this library made."""
        ...

    async def release_savepoint(self, name: str) -> None:
        """Keep what was done since the savepoint and forget it."""
        ...

    async def rollback_to_savepoint(self, name: str) -> None:
        """Undo what was done since the savepoint; it stays set."""
        ...

    async def ping(self) -> None:
        """Ask the store for a sign of life."""
        ...

    async def reset(self) -> None:
        """Make it as new for the next borrower: no transaction, no session state."""
        ...

    async def aclose(self) -> None:
        """Close it in good order. May be called twice."""
        ...

    def terminate(self) -> None:
        """Close it at once, without I/O that waits. May be called twice, from any state."""
        ...


async def begin_then_fetch(
    connection: Connection, options: TransactionOptions, statement: Statement
) -> list[Row]:
    """Begin a transaction, then run its first statement; see `Connection.begin_and_fetch`."""
    await connection.begin(options)
    try:
        return await connection.fetch(statement)
    except UowError as error:
        error.phase = error.phase or Phase.QUERY
        raise


@runtime_checkable
class Loading(Protocol):
    """A connection of a client that can send rows as one stream, past the statements."""

    @property
    def can_load(self) -> bool:
        """Whether it can as it is set up."""
        ...

    async def load(self, load: Load, keys: Sequence[Row] | None) -> int:
        """Send the rows of a stream that the store permits.

        Args:
            load: the rows, and where they go.
            keys: a key a row, which goes before its values; None if the rows hold theirs.

        Returns:
            How many rows were stored.
        """
        ...


@runtime_checkable
class Numbering(Protocol):
    """A connection to a store that tells the key of the first of several new rows."""

    async def insert(self, numbered: Numbered) -> list[Row]:
        """Insert rows and give the key of each, in their order; fewer if fewer were stored."""
        ...


@runtime_checkable
class Positioned(Protocol):
    """A connection to a store that can say how far it, or a replica of it, has come."""

    async def position(self) -> str:
        """Give a text that stands for how far the store has come.

        What was committed before the call, by anybody, is at or before that position.
        """
        ...

    async def has_reached(self, position: str) -> bool | None:
        """Say whether a replica has come as far as its primary was then. Does not wait.

        Returns:
            None if it cannot tell, and waiting will not help: it is no replica, for one.

        Raises:
            ValidationError: the text is no position. Nothing was sent.
        """
        ...


@runtime_checkable
class ChecksPositions(Protocol):
    """A driver whose connections are `Positioned`, and who can tell a position from other text."""

    def check_position(self, position: str) -> None:
        """Look at a text. No I/O.

        Raises:
            ValidationError: it is no position of this store.
        """
        ...


@runtime_checkable
class VerifiesCommits(Protocol):
    """A driver whose client can ask what became of a COMMIT, with nothing left in the store."""

    def question(self, connection: Connection) -> Callable[[], Awaitable[Outcome | None]]:
        """Give what asks about the transaction that is open on a connection now.

        It may be asked when the COMMIT was not answered and the connection is closed, and answers
        None while the transaction is still on its way.
        """
        ...


class Driver(Protocol):
    """How one database is reached."""

    @property
    def name(self) -> str:
        """The name of the adapter, for messages."""
        ...

    @property
    def dialect(self) -> Any:
        """The `uow.dialects.base.Dialect` that speaks to this store."""
        ...

    @property
    def max_connections(self) -> int | None:
        """How many connections make sense (1 for a memory database), or None for no limit."""
        ...

    async def connect(self) -> Connection:
        """Open a connection."""
        ...

    async def aclose(self) -> None:
        """Free what the connections shared. Connections are closed before."""
        ...


class DriverFactory(Protocol):
    """What an entry point of the group `uow.drivers` names, by URL scheme."""

    def __call__(self, url: URL, options: Mapping[str, Any]) -> Driver:
        """Make a driver; no I/O. Unknown options are refused with their names."""
        ...
