"""Reading a MySQL result batch by batch."""

from __future__ import annotations

import struct
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, final

import anyio

from uow.drivers._mysql_handle import (
    ClientError,
    Command,
    Handle,
    Prepared,
    Status,
    execute,
)
from uow.drivers.base import Row
from uow.errors import QueryError
from uow.statement import Statement

if TYPE_CHECKING:
    from uow.drivers._mysql_connection import MySQLConnection

__all__ = ["MySQLStream"]

CLOSE_SECONDS: Final = 5.0
"""How long closing may take before the connection is cut off."""

_HEADER: Final = struct.Struct("<IBI")
_FETCH: Final = struct.Struct("<II")
_READ_ONLY: Final = 1


@final
class MySQLStream:
    """A cursor of the server that is open for the length of an `async with` block.

    The server puts the rows aside when it opens one, so other statements may run meanwhile, and no
    transaction is needed.
    """

    __slots__ = ("_batch_size", "_connection", "_is_read", "_left", "_prepared", "_statement")

    def __init__(self, connection: MySQLConnection, statement: Statement, batch_size: int) -> None:
        if batch_size < 1:
            raise QueryError("a stream needs batches of at least one row")
        self._connection = connection
        self._statement = statement
        self._batch_size = batch_size
        self._prepared: Prepared | None = None
        self._left: list[Row] = []
        self._is_read = False

    async def __aenter__(self) -> Self:
        connection, statement = self._connection, self._statement
        connection._streams += 1
        try:
            handle = connection._line.handle
            prepared = await connection._line.whole(lambda: handle.prepare(statement.sql))
            self._prepared = prepared
            # The same as the client's, but for the kind of cursor.
            prepared._execute_header = _HEADER.pack(prepared._statement_id, _READ_ONLY, 1)
            packed = connection._line.pack(prepared, statement.parameters)
            result = await connection._line.whole(
                lambda: execute(handle, prepared, packed), sql=statement.sql
            )
            if not result.server_status & Status.CURSOR_EXISTS:
                # Some statements have their rows at hand, and no cursor is made.
                self._left = list(result.rows or ())
                self._is_read = True
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
        """Close the cursor, in bounded time and whoever is cancelled; or end the connection."""
        connection, prepared = self._connection, self._prepared
        self._prepared = None
        self._left = []
        connection._streams -= 1
        if connection.is_closed or prepared is None:
            return
        is_closed = False
        try:
            with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                await prepared.close()
                is_closed = True
        except (ClientError, OSError):
            is_closed = False
        finally:
            if not is_closed:
                connection.terminate()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Row]:
        prepared = self._prepared
        if prepared is None:
            raise QueryError("the stream is read outside of its block")
        if self._is_read:
            batch, self._left = self._left[: self._batch_size], self._left[self._batch_size :]
            if not batch:
                raise StopAsyncIteration
            return batch
        batch = await self._connection._line.whole(
            lambda: self._fetch(prepared), sql=self._statement.sql
        )
        if not batch:
            raise StopAsyncIteration
        return batch

    async def _fetch(self, prepared: Prepared) -> list[Row]:
        """Read the next rows, and note whether they were the last."""
        handle: Handle = self._connection._line.handle
        command = _FETCH.pack(prepared._statement_id, self._batch_size)
        await handle._execute_command(Command.STMT_FETCH, command)
        meta = prepared._meta
        columns = meta[4] if meta is not None else ()
        rows: list[Row] = []
        while not (packet := await handle.read_packet()).is_auth_switch_request():
            rows.append(packet.read_binary_row(columns))
        self._is_read = bool(end_status(packet.get_all_data()) & Status.LAST_ROW_SENT)
        return rows


def end_status(packet: bytes) -> int:
    """Give the server's state from the packet after the rows.

    It is the header 0xFE, two numbers of variable length, the state and the count of warnings.
    """
    position = 1
    for _ in range(2):
        position += {0xFC: 3, 0xFD: 4, 0xFE: 9}.get(packet[position], 1)
    return int.from_bytes(packet[position : position + 2], "little")
