"""MySQL and MariaDB over asyncmy, under asyncio.

Two servers with one client: which of them a URL means is said by its scheme, since statements are
written before anybody has asked the server. How a connection works is in `_mysql_connection.py`,
and what can be asked for in `_mysql_options.py`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, final

import anyio
import attrs

from uow.dialects.base import Dialect, dialect_for
from uow.drivers._mysql_connection import MySQLConnection
from uow.drivers._mysql_errors import cause_of, error_for, number_of
from uow.drivers._mysql_handle import ClientError, Command, Handle, ask, client
from uow.drivers._mysql_line import Limits
from uow.drivers._mysql_options import MySQLOptions
from uow.drivers._mysql_text import quoted
from uow.errors import DriverError, PoolClosedError, UowError, ValidationError
from uow.url import URL

__all__ = ["MySQLDriver", "create"]

MODES: Final = (
    "STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,"
    "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO"
)
"""How the server takes values: what does not fit is an error, and nothing is cut to fit; and a key
that is 0 is one, and no wish for the next number."""

CANNOT_CONNECT: Final = 2003


@attrs.frozen
class Server:
    """What is known of one of the two servers.

    Attributes:
        name: for messages.
        scheme: the URLs that mean it, and the name of its dialect.
        oldest: the oldest version that has what the dialect writes.
        collation: in which texts are the same only if they are.
        statement_timeout: sets how long a statement may run, given seconds.
    """

    name: str
    scheme: str
    oldest: tuple[int, int, int]
    collation: str
    statement_timeout: str
    unit: int

    def timeout(self, seconds: float) -> str:
        """Write the setting of how long a statement may run."""
        return f"{self.statement_timeout} = {round(seconds * self.unit, 3):g}"


MYSQL: Final = Server("MySQL", "mysql", (8, 0, 19), "utf8mb4_0900_bin", "max_execution_time", 1000)
MARIADB: Final = Server(
    "MariaDB", "mariadb", (10, 7, 0), "utf8mb4_nopad_bin", "max_statement_time", 1
)

_SERVERS: Final = {server.scheme: server for server in (MYSQL, MARIADB)}

_ISOLATION: Final = frozenset({"tx_isolation", "transaction_isolation"})
"""What the servers of different ages call it."""

_ASKED: Final = ", ".join(
    f"'{name}'"
    for name in (
        "auto_increment_increment",
        "autocommit",
        "character_set_client",
        "character_set_connection",
        "character_set_results",
        "collation_connection",
        "default_storage_engine",
        "max_allowed_packet",
        "sql_mode",
        "time_zone",
        *sorted(_ISOLATION),
    )
)

_WITHOUT_TRANSACTIONS: Final = (
    "SELECT t.table_name FROM information_schema.tables AS t"
    " JOIN information_schema.engines AS e ON e.engine = t.engine"
    " WHERE t.table_schema = DATABASE() AND e.transactions = 'NO'"
)

_SHORT: Final = (
    "SELECT table_name, column_name, datetime_precision FROM information_schema.columns"
    " WHERE table_schema = DATABASE() AND datetime_precision < 6 AND data_type <> 'date'"
)

_TRIGGERED: Final = (
    "SELECT event_object_table FROM information_schema.triggers"
    " WHERE event_manipulation = 'INSERT' AND action_timing = 'BEFORE'"
)


@final
class MySQLDriver:
    """One database of MySQL or MariaDB.

    Args:
        url: where it is.
        options: see `MySQLOptions`.

    Raises:
        ValidationError: the URL and the options do not fit together.
    """

    name = "asyncmy"

    def __init__(self, url: URL, options: MySQLOptions) -> None:
        self.url = url
        self.options = options
        self.server = _SERVERS.get(url.scheme.partition("+")[0], MARIADB)
        self._arguments = options.arguments(url)
        self._limits = Limits(
            statements=options.statement_cache_size, seconds=options.command_timeout
        )
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<MySQLDriver {self.url}>"

    @property
    def dialect(self) -> Dialect:
        """The dialect of the server that the URL means."""
        return dialect_for(self.server.scheme)

    @property
    def max_connections(self) -> int | None:
        """The server's limit is the server's to say."""
        return None

    async def connect(self) -> MySQLConnection:
        """Open a connection.

        Raises:
            DriverError: the server cannot be reached, does not let us in, is another one than the
                URL says, or does not take the settings that we rely on; or this is trio.
            ResourceError: it has no connection left.
        """
        if self._is_closed:
            raise PoolClosedError("the database is closed")
        _refuse_trio()
        handle: Handle | None = None
        try:
            with anyio.fail_after(self.options.connect_timeout):
                opened: Handle = await client.connect(**self._arguments)
                handle = opened
                connection = MySQLConnection(
                    opened,
                    prepare_session=self._prepare_session,
                    kill=self._kill,
                    limits=self._limits,
                )
                self._check_server(opened)
                await self._prepare_session(opened)
                await self._look_at_tables(opened)
                return connection
        except BaseException as error:
            if handle is not None:
                _cut_off(handle)
            if isinstance(error, Exception):
                raise self._cannot_connect(error) from cause_of(error)
            raise

    async def _kill(self, number: int) -> None:
        """Tell the server to end a connection; what stands in the way is nobody's concern."""
        try:
            handle: Handle = await client.connect(**self._arguments)
        except (ClientError, OSError):
            return
        try:
            with suppress(ClientError, OSError):
                await handle.query(f"KILL {number:d}")
        finally:
            _cut_off(handle)

    async def _prepare_session(self, handle: Handle) -> None:
        """Bring a session into the state that values and texts rely on, and look that it is.

        Raises:
            DriverError: the server does not take a setting.
        """
        # asyncmy asks for several statements in one, always; the server is told to take one.
        await handle._execute_command(Command.SET_OPTION, b"\x01\x00")
        await handle.read_packet()
        for setting in self._settings():
            await handle.query(f"SET {setting}")
        found = await ask(handle, f"SHOW SESSION VARIABLES WHERE Variable_name IN ({_ASKED})")
        self._check_settings({str(name): str(value) for name, value in found})

    async def _look_at_tables(self, handle: Handle) -> None:
        """Know what of the tables the server would not tell, or do without a word."""
        tables = await ask(handle, _WITHOUT_TRANSACTIONS)
        self._limits.without_transactions = frozenset(str(name).lower() for (name,) in tables)
        short = await ask(handle, _SHORT)
        self._limits.short = [(str(t).lower(), str(c).lower(), int(d)) for t, c, d in short]
        if self.dialect.capabilities.numbers_in_order:
            triggered = await ask(handle, _TRIGGERED)
            self._limits.triggered = frozenset(str(name).lower() for (name,) in triggered)

    def _settings(self) -> list[str]:
        """Write the settings; one statement each where the grammar wants that."""
        options, server = self.options, self.server
        values = [
            f"sql_mode = {quoted(MODES)}",
            "time_zone = '+00:00'",
            "autocommit = 1",
            "default_storage_engine = InnoDB",
        ]
        if options.lock_timeout is not None:
            values.append(f"innodb_lock_wait_timeout = {options.lock_timeout}")
        if options.statement_timeout is not None:
            values.append(server.timeout(options.statement_timeout))
        return [
            f"NAMES utf8mb4 COLLATE {server.collation}",
            "SESSION " + ", SESSION ".join(values),
            f"SESSION TRANSACTION ISOLATION LEVEL {options.isolation}",
        ]

    def _check_server(self, handle: Handle) -> None:
        """Refuse a server that does not understand what the dialect writes."""
        text = handle.server_version
        found = MARIADB if "mariadb" in text.lower() else MYSQL
        if found is not self.server:
            raise DriverError(
                f"the server is {found.name}: write {found.scheme}:// in place of"
                f" {self.url.scheme}://"
            )
        # MariaDB used to call itself 5.5.5 first, for old replicas.
        match = re.match(r"(?:5\.5\.5-)?(\d+)\.(\d+)(?:\.(\d+))?", text)
        version = (int(match[1]), int(match[2]), int(match[3] or 0)) if match else (0, 0, 0)
        if version < found.oldest:
            oldest = ".".join(map(str, found.oldest))
            raise DriverError(f"the server is {found.name} {text}; {oldest} is the oldest")
        if not handle._deprecate_eof:
            raise DriverError("the server cannot tell the end of rows (CLIENT_DEPRECATE_EOF)")

    def _check_settings(self, found: Mapping[str, str]) -> None:
        """Refuse to run where a setting is not what we asked for."""
        modes = frozenset(found.get("sql_mode", "").split(","))
        if modes != frozenset(MODES.split(",")):
            raise DriverError(f"the server has sql_mode = {found.get('sql_mode')}, not {MODES}")
        needed = {
            "autocommit": "ON",
            "character_set_client": "utf8mb4",
            "character_set_connection": "utf8mb4",
            "character_set_results": "utf8mb4",
            "collation_connection": self.server.collation,
            "default_storage_engine": "InnoDB",
            "time_zone": "+00:00",
        }
        for name, value in needed.items():
            if found.get(name) != value:
                raise DriverError(f"the server has {name} = {found.get(name)}; it must be {value}")
        level = self.options.isolation.replace(" ", "-")
        if level not in {found.get(name) for name in _ISOLATION}:
            raise DriverError(f"the server does not take the isolation level {level}")
        self._limits.packet = int(found["max_allowed_packet"])
        self._limits.step = int(found["auto_increment_increment"])

    def _cannot_connect(self, error: Exception) -> UowError:
        place = self._arguments.get("unix_socket") or self._arguments["host"]
        if isinstance(error, TimeoutError):
            return DriverError(
                f"{self.server.name} on {place} did not answer within"
                f" {self.options.connect_timeout:g} s"
            )
        if isinstance(error, OSError) or number_of(error) == CANNOT_CONNECT:
            return DriverError(f"{self.server.name} on {place} cannot be reached")
        if not isinstance(error, ClientError | UowError):
            # A password or a key that asyncmy cannot use, most often.
            return ValidationError(
                f"the way to {self.server.name} on {place} is not clear: {type(error).__name__}"
            )
        return error_for(error)

    async def aclose(self) -> None:
        """Open no more connections."""
        self._is_closed = True


def _refuse_trio() -> None:
    """Say so at once where asyncmy cannot work."""
    try:
        is_asyncio = asyncio.current_task() is not None
    except RuntimeError:
        is_asyncio = False
    if not is_asyncio:
        raise DriverError(
            "mysql:// and mariadb:// need asyncio: their client library, asyncmy, does not run"
            " under trio"
        )


def _cut_off(handle: Handle) -> None:
    transport = handle._transport
    handle.close()
    if transport is not None:
        transport.abort()


def create(url: URL, options: Mapping[str, Any]) -> MySQLDriver:
    """Make the driver for `mysql://` and `mariadb://` URLs; no I/O.

    Args:
        url: `mariadb://user:password@host:3306/name`, or
            `mariadb://user@/name?unix_socket=/path/to/socket`.
        options: those of `MySQLOptions`; they win over the query of the URL.

    Raises:
        ValidationError: an option is wrong, or the host and TLS do not fit together.
    """
    return MySQLDriver(url, MySQLOptions.parse({**url.query, **options}))
