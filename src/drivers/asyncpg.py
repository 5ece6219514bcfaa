"""PostgreSQL over asyncpg, under asyncio.

Rows come as asyncpg's records, which are read, cut and compared like tuples; making tuples of them
would cost more than they cost to read. How a connection works is in `_asyncpg_connection.py`, how
values travel in `_asyncpg_codecs.py`, and what can be asked for in `_asyncpg_options.py`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Any, Final, final

from uow.dialects.base import Dialect, dialect_for
from uow.drivers._asyncpg_codecs import set_codecs
from uow.drivers._asyncpg_connection import AsyncpgConnection
from uow.drivers._asyncpg_direct import connection_class
from uow.drivers._asyncpg_errors import cause_of, error_for
from uow.drivers._asyncpg_handle import CLIENT_ERRORS, Handle, client
from uow.drivers._asyncpg_options import AsyncpgOptions
from uow.drivers._asyncpg_text import check_position
from uow.errors import DriverError, PoolClosedError, UowError, ValidationError
from uow.url import URL

__all__ = ["AsyncpgDriver", "create"]

OLDEST_SERVER: Final = 13

_CONNECT_ERRORS: Final[tuple[type[Exception], ...]] = (OSError, *CLIENT_ERRORS)

_REFUSES_TLS: Final = "rejected SSL upgrade"
"""What asyncpg says where the server has no TLS."""

_TCP: Final = (socket.AF_INET, socket.AF_INET6)

_NEEDED: Final = {"client_encoding": "UTF8", "standard_conforming_strings": "on"}
"""What the server says of itself when a connection is opened, and we rely on."""


@final
class AsyncpgDriver:
    """One PostgreSQL database.

    Args:
        url: where it is.
        options: see `AsyncpgOptions`.

    Raises:
        ValidationError: the URL and the options do not fit together.
    """

    name = "asyncpg"

    def __init__(self, url: URL, options: AsyncpgOptions) -> None:
        self.url = url
        self.options = options
        self._arguments = options.arguments(url)
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<AsyncpgDriver {self.url}>"

    @property
    def dialect(self) -> Dialect:
        """The dialect of PostgreSQL."""
        return dialect_for("postgresql")

    @property
    def max_connections(self) -> int | None:
        """The server's limit is the server's to say."""
        return None

    def check_position(self, position: str) -> None:
        """Look whether a text is a place in the server's log.

        Raises:
            ValidationError: it is none.
        """
        check_position(position)

    async def connect(self) -> AsyncpgConnection:
        """Open a connection.

        Raises:
            DriverError: the server cannot be reached, does not let us in, or is set up so that
                what we send could mean something else; or this is trio.
            RetryableError: the server is starting.
            ResourceError: it has no connection left.
        """
        if self._is_closed:
            raise PoolClosedError("the database is closed")
        _refuse_trio()
        try:
            handle: Handle = await client.connect(
                connection_class=connection_class(client.__version__), **self._arguments
            )
        except _CONNECT_ERRORS as error:
            raise self._cannot_connect(error) from cause_of(error)
        connection = AsyncpgConnection(
            handle, keeps_statements=self.options.statement_cache_size > 0
        )
        try:
            self._watch(handle)
            _check_server(handle)
            await set_codecs(handle)
        except BaseException as error:
            connection.terminate()
            if isinstance(error, Exception):
                raise error_for(error) from cause_of(error)
            raise
        return connection

    def _cannot_connect(self, error: Exception) -> UowError:
        place = ", ".join(self._arguments.get("host") or ["this machine"])
        if isinstance(error, TimeoutError):
            return DriverError(
                f"PostgreSQL on {place} did not answer within {self.options.connect_timeout:g} s"
            )
        if isinstance(error, client.ClientConfigurationError):
            return ValidationError(f"the way to PostgreSQL on {place} is not clear: {error}")
        if isinstance(error, OSError) and _REFUSES_TLS in str(error):
            return DriverError(
                f"PostgreSQL on {place} speaks no TLS, without which nothing tells who answers:"
                " set it up on the server, or say sslmode=disable, which needs insecure_tls=true"
                " if that is not this machine"
            )
        if isinstance(error, OSError):
            return DriverError(f"PostgreSQL on {place} cannot be reached: {error}")
        return error_for(error)

    def _watch(self, handle: Handle) -> None:
        """Have the system look after a silent server, if that was asked for."""
        found = handle._transport.get_extra_info("socket")
        if found is not None and found.family in _TCP:
            for option in self.options.socket_options():
                found.setsockopt(*option)

    async def aclose(self) -> None:
        """Open no more connections."""
        self._is_closed = True


def _refuse_trio() -> None:
    """Say so at once where asyncpg cannot work."""
    try:
        is_asyncio = asyncio.current_task() is not None
    except RuntimeError:
        is_asyncio = False
    if not is_asyncio:
        raise DriverError(
            "postgresql:// needs asyncio: its client library, asyncpg, does not run under trio"
        )


def _check_server(handle: Handle) -> None:
    version = handle.get_server_version()[0]
    if version < OLDEST_SERVER:
        raise DriverError(f"the server is PostgreSQL {version}; {OLDEST_SERVER} is the oldest")
    settings = handle.get_settings()
    for name, needed in _NEEDED.items():
        found = getattr(settings, name, None)
        if found != needed:
            raise DriverError(f"the server has {name} = {found}; it must be {needed}")


def create(url: URL, options: Mapping[str, Any]) -> AsyncpgDriver:
    """Make the driver for `postgresql://` URLs; no I/O.

    Args:
        url: `postgresql://user:password@host:5432/name`, several hosts with commas, or
            `postgresql://user@/name?host=/socket/folder`.
        options: those of `AsyncpgOptions`; they win over the query of the URL.

    Raises:
        ValidationError: an option is wrong, or the hosts and TLS do not fit together.
    """
    return AsyncpgDriver(url, AsyncpgOptions.parse({**url.query, **options}))
