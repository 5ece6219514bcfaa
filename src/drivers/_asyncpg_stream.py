"""Reading a PostgreSQL result batch by batch."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, final

import anyio

from uow.drivers._asyncpg_handle import Portal
from uow.drivers.base import Row, TransactionOptions
from uow.errors import QueryError, UowError
from uow.statement import Statement

if TYPE_CHECKING:
    from uow.drivers._asyncpg_connection import AsyncpgConnection

__all__ = ["AsyncpgStream"]

CLOSE_SECONDS: Final = 5.0
"""How long closing may take before the connection is cut off."""


@final
class AsyncpgStream:
    """A portal that is open for the length of an `async with` block.

    A portal lives in a transaction: where none is open, one that only reads is begun for it, and
    ends with it.
    """

    __slots__ = ("_batch_size", "_connection", "_is_own", "_is_read", "_portal", "_statement")

    def __init__(
        self, connection: AsyncpgConnection, statement: Statement, batch_size: int
    ) -> None:
        if batch_size < 1:
            raise QueryError("a stream needs batches of at least one row")
        self._connection = connection
        self._statement = statement
        self._batch_size = batch_size
        self._portal: Portal | None = None
        self._is_own = False
        self._is_read = False

    async def __aenter__(self) -> Self:
        connection = self._connection
        self._is_own = not connection.in_transaction
        connection._streams += 1
        try:
            if self._is_own:
                await connection.begin(TransactionOptions(read_only=True))
            prepared = await connection._prepare(self._statement.sql)
            opening = prepared.cursor(*self._statement.parameters)
            self._portal = await connection._call(opening)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        """Close the portal, in bounded time and whoever is cancelled; or end the connection."""
        connection, portal = self._connection, self._portal
        self._portal = None
        connection._streams -= 1
        if connection.is_closed:
            return
        is_closed = False
        try:
            with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                if self._is_own:
                    await connection.rollback()
                elif portal is not None and not connection.has_failed:
                    await connection._call(portal._close_portal(None))
                is_closed = True
        except UowError:
            is_closed = connection.is_closed
        finally:
            if not is_closed:
                connection.terminate()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Row]:
        portal = self._portal
        if portal is None:
            raise QueryError("the stream is read outside of its block")
        if self._is_read:
            raise StopAsyncIteration
        batch = await self._connection._call(portal.fetch(self._batch_size))
        self._is_read = len(batch) < self._batch_size
        if not batch:
            raise StopAsyncIteration
        return batch
