"""What we use of asyncmy, typed: its own stubs leave arguments and results open.

Everything else of the driver imports the client from here. Of a connection we use more than its
face shows, since cursors on the server and a cleared session are commands of the protocol that it
has no methods for; `tests/drivers/test_mysql.py` says if these parts go away.
"""

from __future__ import annotations

from asyncio import Transport
from collections.abc import Sequence
from typing import Any, Final, Protocol

import asyncmy
from asyncmy import connection as _connection
from asyncmy import protocol as _protocol

from uow.drivers.base import Row

__all__ = [
    "ClientError",
    "Command",
    "Handle",
    "Packet",
    "Prepared",
    "Result",
    "Status",
    "ask",
    "client",
    "execute",
    "make_result",
    "pack_parameters",
]

client: Final[Any] = asyncmy
"""The library itself, for what is called once."""

ClientError: Final[type[Exception]] = asyncmy.errors.MySQLError
"""What asyncmy raises in its own name, and for the server: with a number and a text."""


class Command:
    """Commands of the protocol ("Command Phase", MySQL Source Code Documentation)."""

    SET_OPTION = 0x1B
    STMT_FETCH = 0x1C
    STMT_EXECUTE = 0x17
    RESET_CONNECTION = 0x1F


class Status:
    """Bits of the server's state, which comes with every answer that is no error."""

    IN_TRANSACTION = 0x0001
    AUTOCOMMIT = 0x0002
    CURSOR_EXISTS = 0x0040
    LAST_ROW_SENT = 0x0080


class Packet(Protocol):
    """One packet of an answer."""

    def get_all_data(self) -> bytes:
        """Give what it holds."""
        ...

    def is_auth_switch_request(self) -> bool:
        """Whether it begins with 0xFE: after rows, that is their end."""
        ...

    def read_binary_row(self, columns: Any) -> Row:
        """Read it as a row of a prepared statement."""
        ...


class Result(Protocol):
    """The answer to a statement."""

    affected_rows: int
    description: tuple[tuple[Any, ...], ...] | None
    insert_id: int
    rows: tuple[Row, ...] | None
    server_status: int

    async def read_binary(self, stmt: Prepared) -> None:
        """Read the answer to the execution of a prepared statement."""
        ...


class Prepared(Protocol):
    """A prepared statement of the server."""

    _statement_id: int
    _execute_header: bytes
    _meta: tuple[Any, ...] | None

    @property
    def parameter_count(self) -> int:
        """How many placeholders it has."""
        ...

    async def _complete_result(self, conn: Handle, result: Result) -> None: ...

    async def close(self) -> None:
        """Give it back to the server, which does not answer."""
        ...


class Handle(Protocol):
    """A connection of asyncmy."""

    _result: Result | None
    _transport: Transport | None
    _deprecate_eof: bool
    server_status: int
    server_version: str
    server_thread_id: tuple[int]

    @property
    def connected(self) -> bool:
        """Whether nobody closed it."""
        ...

    @property
    def _stream_broken(self) -> bool: ...

    async def query(self, sql: str) -> int:
        """Run a statement as text, without parameters; its answer is in `_result`."""
        ...

    async def prepare(self, query: str) -> Prepared:
        """Prepare a statement."""
        ...

    async def ping(self, reconnect: bool) -> None:
        """Ask for a sign of life, which brings the server's state."""
        ...

    async def _execute_command(self, command: int, sql: bytes) -> None: ...

    async def read_packet(self) -> Packet:
        """Read one packet; raises what the server says is wrong."""
        ...

    async def _read_ok_packet(self) -> object: ...

    async def ensure_closed(self) -> None:
        """Take leave of the server."""
        ...

    def close(self) -> None:
        """Close the socket."""
        ...


def make_result(handle: Handle) -> Result:
    """Make what the next answer is read into."""
    module: Any = _connection
    result: Result = module.MySQLResult(handle)
    return result


def pack_parameters(values: Sequence[object]) -> bytes:
    """Write parameters in the binary form in which they travel.

    Raises:
        ValueError: a value has no such form.
    """
    if not values:
        return b""
    module: Any = _protocol
    packed: bytes = module.pack_binary_params(tuple(values), "utf8")
    return packed


async def execute(handle: Handle, prepared: Prepared, packed: bytes) -> Result:
    """Run a prepared statement with packed parameters."""
    await handle._execute_command(Command.STMT_EXECUTE, prepared._execute_header + packed)
    result = make_result(handle)
    await result.read_binary(prepared)
    await prepared._complete_result(handle, result)
    return result


async def ask(handle: Handle, sql: str) -> tuple[Row, ...]:
    """Run a statement as text and give its rows."""
    await handle.query(sql)
    result = handle._result
    return () if result is None or result.rows is None else result.rows
