"""The short way to the server for a statement that asyncpg has prepared before.

From `Connection.fetch` to the protocol asyncpg goes through nine calls, for every statement. A unit
of work sends small ones: there that is a twentieth of what it costs. asyncpg takes a class of ours
for its connections (`connection_class`), and that one looks into the cache of statements by itself
and hands what it finds to the protocol. Whatever is out of the ordinary goes asyncpg's own way.

What it uses of asyncpg is asyncpg's own affair, and so is what `_asyncpg_begin` relies on. So both
are for the versions that were tried; with a later one everything goes the public way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from uow.drivers._asyncpg_handle import client
from uow.drivers.base import Row

__all__ = ["DirectConnection", "PublicConnection", "connection_class"]

_FIRST_UNTRIED: Final = (0, 33)
_VERSION: Final = re.compile(r"(\d+)\.(\d+)")


class PublicConnection(client.Connection):  # type: ignore[misc]  # asyncpg brings no types
    """A connection of asyncpg that is used as its manual says."""

    __slots__ = ()

    takes_ahead: Final = False

    async def fetch_known(self, sql: str, parameters: Sequence[object]) -> list[Row]:
        """As `fetch`."""
        rows: list[Row] = await self.fetch(sql, *parameters)
        return rows

    async def execute_known(self, sql: str, parameters: Sequence[object]) -> str:
        """As `execute`."""
        tag: str = await self.execute(sql, *parameters)
        return tag


class DirectConnection(client.Connection):  # type: ignore[misc]  # asyncpg brings no types
    """A connection of asyncpg that knows a shorter way for statements that are prepared."""

    __slots__ = ()

    takes_ahead: Final = True

    async def fetch_known(self, sql: str, parameters: Sequence[object]) -> list[Row]:
        """As `fetch`."""
        prepared = self._prepared(sql)
        rows: list[Row]
        if prepared is None:
            rows = await self.fetch(sql, *parameters)
            return rows
        try:
            rows = await self._protocol.bind_execute(prepared, parameters, "", 0, False, None)
        except _STALE as error:
            await self._forget(error)
            rows = await self.fetch(sql, *parameters)
        return rows

    async def execute_known(self, sql: str, parameters: Sequence[object]) -> str:
        """As `execute`."""
        prepared = self._prepared(sql)
        tag: str
        if prepared is None:
            tag = await self.execute(sql, *parameters)
            return tag
        try:
            answer = await self._protocol.bind_execute(prepared, parameters, "", 0, True, None)
        except _STALE as error:
            await self._forget(error)
            tag = await self.execute(sql, *parameters)
            return tag
        tag = answer[1].decode()
        return tag

    def _prepared(self, sql: str) -> Any:
        """The statement, if it is prepared and nobody wants to hear of it."""
        if self._query_loggers or self.is_closed():
            return None
        return self._stmt_cache.get((sql, self._protocol.get_record_class(), False))

    async def _forget(self, error: Exception) -> None:
        """Forget what is known of a schema that has changed.

        Raises:
            Exception: the error, if the statement cannot be sent again: it was run, or what it was
                part of has failed with it.
        """
        if isinstance(error, client.OutdatedSchemaCacheError):
            await self.reload_schema_state()
            raise error
        self._drop_global_statement_cache()
        if self._protocol.is_in_transaction():
            raise error


_STALE: Final[tuple[type[Exception], ...]] = (
    client.OutdatedSchemaCacheError,
    client.InvalidCachedStatementError,
)
"""How asyncpg says that a statement was prepared for another schema."""


def connection_class(version: str) -> type[DirectConnection | PublicConnection]:
    """Give the class of connections for a version of asyncpg."""
    found = _VERSION.match(version)
    if found is None or tuple(map(int, found.groups())) >= _FIRST_UNTRIED:
        return PublicConnection
    return DirectConnection
