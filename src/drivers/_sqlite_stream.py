"""Reading an SQLite result batch by batch."""

from __future__ import annotations

from functools import partial
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Self, final

from uow.drivers._sqlite_handle import Cursor
from uow.drivers.base import Row
from uow.errors import QueryError, UowError
from uow.statement import Statement

if TYPE_CHECKING:
    from uow.drivers._sqlite_connection import SQLiteConnection

__all__ = ["SQLiteStream"]


@final
class SQLiteStream:
    """A cursor that is open for the length of an `async with` block.

    Batches are read in the connection's thread: how much work lies between two rows is not known,
    and what was handed out cannot be begun again.
    """

    __slots__ = ("_batch_size", "_connection", "_cursor", "_statement")

    def __init__(self, connection: SQLiteConnection, statement: Statement, batch_size: int) -> None:
        if batch_size < 1:
            raise QueryError("a stream needs batches of at least one row")
        self._connection = connection
        self._statement = statement
        self._batch_size = batch_size
        self._cursor: Cursor | None = None

    async def __aenter__(self) -> Self:
        connection = self._connection
        await connection._enter()
        try:
            await connection._when_unlocked(partial(connection._in_thread, self._open))
        except BaseException as error:
            # Cancelled when the thread was done: an open cursor would hold its snapshot, and the
            # next transaction of this connection could not write.
            self._close()
            if isinstance(error, UowError) or not isinstance(error, Exception):
                raise
            raise connection._translate(error) from error
        return self

    def _open(self, _job: object) -> None:
        statement = self._statement
        connection = self._connection
        cursor = connection._database.execute(statement.sql, statement.parameters)
        connection._cursors.append(cursor)
        self._cursor = cursor

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        connection, cursor = self._connection, self._cursor
        self._cursor = None
        # Else the thread that closes the file closes the cursor before.
        if cursor is not None and not connection.is_closed:
            connection._cursors.remove(cursor)
            cursor.close(force=True)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Row]:
        connection, cursor = self._connection, self._cursor
        if cursor is None:
            raise QueryError("the stream is read outside of its block")
        await connection._enter()
        size = self._batch_size
        try:
            batch: list[Row] = await connection._in_thread(lambda _job: list(islice(cursor, size)))
        except UowError:
            raise
        except Exception as error:
            raise connection._translate(error) from error
        if not batch:
            raise StopAsyncIteration
        return batch
