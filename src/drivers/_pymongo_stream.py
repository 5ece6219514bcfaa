"""Reading what MongoDB finds batch by batch."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, final

import anyio
from pymongo.errors import PyMongoError

from uow.drivers._pymongo_calls import find_keywords, rows_of
from uow.errors import QueryError
from uow.operations import Aggregate, Find

if TYPE_CHECKING:
    from uow.drivers._pymongo_connection import MongoDBConnection

__all__ = ["MongoDBStream"]

CLOSE_SECONDS: Final = 5.0
"""How long closing may take before the connection is cut off."""


@final
class MongoDBStream:
    """A cursor that is open for the length of an `async with` block.

    The first batch is read when it is opened, so that what is wrong shows there.
    """

    __slots__ = ("_batch_size", "_connection", "_cursor", "_first", "_is_read", "_statement")

    def __init__(
        self, connection: MongoDBConnection, statement: Find | Aggregate, batch_size: int
    ) -> None:
        if batch_size < 1:
            raise QueryError("a stream needs batches of at least one row")
        self._connection = connection
        self._statement = statement
        self._batch_size = batch_size
        self._cursor: Any = None
        self._first: list[Any] | None = None
        self._is_read = False

    async def __aenter__(self) -> Self:
        connection = self._connection
        connection._check(self._statement)
        connection._streams += 1
        try:
            self._first = await connection._call(self._open, self._statement)
        except BaseException:
            await self._close()
            raise
        return self

    async def _open(self, statement: Find | Aggregate) -> list[Any]:
        connection = self._connection
        if isinstance(statement, Find):
            keywords = find_keywords(statement, connection._session)
            keywords["batch_size"] = self._batch_size
            collection = connection._driver.collection(str(statement.collection))
            self._cursor = collection.find(**keywords)
        else:
            self._cursor = await connection._aggregate(statement, batchSize=self._batch_size)
        return await self._read(statement)

    async def _read(self, statement: Find | Aggregate) -> list[Any]:
        batch = await self._connection._wait(self._cursor.to_list(self._batch_size))
        return rows_of(batch, statement.fields)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        """Close the cursor, in bounded time and whoever is cancelled; or end the connection."""
        connection, cursor = self._connection, self._cursor
        self._cursor = None
        connection._streams -= 1
        # With a transaction that is over, or about to be, its cursors end.
        if cursor is None or connection.is_closed or connection.has_failed:
            return
        is_closed = False
        try:
            with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                await connection._wait(cursor.close())
                is_closed = True
        except (PyMongoError, OSError):
            # It could not be told; the server ends cursors that nobody reads.
            is_closed = True
        finally:
            if not is_closed:
                connection.terminate()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Any]:
        if self._cursor is None:
            raise QueryError("the stream is read outside of its block")
        if self._is_read:
            raise StopAsyncIteration
        connection, batch = self._connection, self._first
        if batch is None:
            connection._check(self._statement)
            try:
                batch = await self._read(self._statement)
            except BaseException as error:  # noqa: BLE001  # raised again, translated
                await connection._after(error, self._statement)
        self._first = None
        self._is_read = len(batch) < self._batch_size
        if not batch:
            raise StopAsyncIteration
        return batch
