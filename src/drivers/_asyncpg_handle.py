"""What we use of asyncpg, typed: the library carries no types of its own.

Everything else of the driver imports the client from here.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

import asyncpg  # pyright: ignore[reportMissingTypeStubs]

from uow.drivers.base import Row

__all__ = [
    "CLIENT_ERRORS",
    "ClientError",
    "Handle",
    "Portal",
    "Prepared",
    "ServerError",
    "client",
]

client: Final[Any] = asyncpg
"""The library itself, for what is called once."""

ServerError: Final[type[Exception]] = client.PostgresError
"""An error with an SQLSTATE; most came from the server, some the client made itself."""

ClientError: Final[tuple[type[Exception], ...]] = (
    client.InterfaceError,
    client.InternalClientError,
    client.ProtocolError,
)
"""Errors the client makes about how it was called, or about itself."""

CLIENT_ERRORS: Final[tuple[type[Exception], ...]] = (ServerError, *ClientError)
"""All that asyncpg raises in its own name."""


class Type(Protocol):
    """A type of the server."""

    name: str


class Attribute(Protocol):
    """A column of a prepared statement."""

    name: str
    type: Type


class Portal(Protocol):
    """A cursor of asyncpg: a portal of the server."""

    async def fetch(self, n: int) -> list[Row]:
        """Give the next rows; fewer than asked for at the end."""
        ...

    async def _close_portal(self, timeout: float | None) -> None: ...


class PortalOpening(Protocol):
    """What opens a portal when awaited."""

    def __await__(self) -> Any: ...


class Prepared(Protocol):
    """A prepared statement of asyncpg."""

    def get_attributes(self) -> tuple[Attribute, ...]:
        """Give its columns; empty if it returns none."""
        ...

    def get_statusmsg(self) -> str:
        """Give the command tag of the last execution."""
        ...

    async def fetch(self, *args: object) -> list[Row]:
        """Run it."""
        ...

    def cursor(self, *args: object) -> PortalOpening:
        """Open a portal, when awaited."""
        ...


class Handle(Protocol):
    """A connection of asyncpg, of one of the classes in `_asyncpg_direct`."""

    _loop: AbstractEventLoop
    _transport: Any

    takes_ahead: bool
    """Whether it reads over answers to messages that were sent before its own."""

    def is_closed(self) -> bool:
        """Whether it was closed, or lost."""
        ...

    def is_in_transaction(self) -> bool:
        """What the server said with its last answer."""
        ...

    def get_settings(self) -> Any:
        """Give the parameters the server reports, as attributes."""
        ...

    def get_server_version(self) -> tuple[int, ...]:
        """Give the server's version, the major number first."""
        ...

    async def fetch(self, query: str, *args: object) -> list[Row]:
        """Run a statement and give its rows, which are like tuples."""
        ...

    async def fetch_known(self, sql: str, parameters: Sequence[object]) -> list[Row]:
        """As `fetch`, the shortest way if the statement is prepared."""
        ...

    async def execute_known(self, sql: str, parameters: Sequence[object]) -> str:
        """As `execute`, the shortest way if the statement is prepared."""
        ...

    async def fetchmany(self, query: str, args: Iterable[Sequence[object]]) -> list[Row]:
        """Run a statement for each row of parameters, in one transaction; give all rows."""
        ...

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement, or several without parameters; give the last command tag."""
        ...

    async def copy_records_to_table(
        self,
        table_name: str,
        *,
        records: Iterable[Sequence[object]],
        columns: Sequence[str],
        schema_name: str | None,
    ) -> str:
        """Send rows in binary form; give the command tag."""
        ...

    async def prepare(self, query: str, *, name: str | None = None) -> Prepared:
        """Prepare a statement; without a name one is made, with an empty one it has none."""
        ...

    async def set_type_codec(
        self,
        typename: str,
        *,
        schema: str,
        encoder: Callable[..., Any],
        decoder: Callable[..., Any],
        format: str,  # noqa: A002  # asyncpg's name
    ) -> None:
        """Say how values of a type travel."""
        ...

    async def close(self, *, timeout: float | None = None) -> None:
        """Take leave of the server."""
        ...

    def terminate(self) -> None:
        """Cut the connection off."""
        ...
