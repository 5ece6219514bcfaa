"""PostgreSQL under test, and what can be seen of it from outside.

What looks from outside is a connection of its own in a thread of its own, straight to the server:
it works while the test's event loop stands still, and whatever a proxy does to the others.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, final
from urllib.parse import parse_qs, quote, unquote, urlsplit

import anyio
import asyncpg
import attrs
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.faults.proxy import Proxy
from tests.faults.world import START, Ask, World
from uow import Database

__all__ = ["Address", "Outside", "PostgreSQLWorld", "ends", "looking", "postgresql_world", "until"]

PATIENCE: Final = 1.0
"""Seconds within which nothing of a unit may be left in the server."""


@attrs.frozen
class Address:
    """Where a server is, and who may come in.

    Attributes:
        host: an address, or the folder of a socket.
        port: the port, or the number in the socket's name.
        user: who logs in.
        password: empty where none is asked for.
        database: which database.
    """

    host: str
    port: int
    user: str
    password: str = attrs.field(repr=False)
    database: str

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read it from a URL."""
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        return cls(
            host=query.get("host", [parts.hostname or "127.0.0.1"])[0],
            port=int(query.get("port", [parts.port or 5432])[0]),
            user=unquote(parts.username or "postgres"),
            password=unquote(parts.password or ""),
            database=parts.path.removeprefix("/") or "postgres",
        )

    def of(self, database: str) -> Address:
        """Another database of the server."""
        return attrs.evolve(self, database=database)

    def as_user(self, user: str, password: str) -> Address:
        """The same database for somebody else."""
        return attrs.evolve(self, user=user, password=password)

    def url(self, through: Proxy | None = None) -> str:
        """The URL, as of the server itself or of a proxy in front of it."""
        user = quote(self.user) + (f":{quote(self.password)}" if self.password else "")
        host, port = (self.host, self.port) if through is None else (through.host, through.port)
        if host.startswith("/"):
            return f"postgresql://{user}@/{self.database}?host={quote(host)}&port={port}"
        return f"postgresql://{user}@{host}:{port}/{self.database}"


@final
class Outside:
    """A connection that is not ours, to be used from any thread."""

    def __init__(self, portal: BlockingPortal, address: Address) -> None:
        self.address = address
        self._portal = portal
        self._connection: Any = None
        self._lock = asyncio.Lock()

    async def _open(self) -> Any:
        if self._connection is None or self._connection.is_closed():
            address = self.address
            connection: Any = await asyncpg.connect(
                host=address.host,
                port=address.port,
                user=address.user,
                password=address.password or None,
                database=address.database,
                ssl=False,
                timeout=10,
                statement_cache_size=0,
                server_settings={
                    "application_name": "outside",
                    "lock_timeout": "5s",
                    "statement_timeout": "10s",
                },
            )
            for name in ("json", "jsonb"):
                await connection.set_type_codec(
                    name, schema="pg_catalog", encoder=str, decoder=_compact
                )
            self._connection = connection
        return self._connection

    async def _ask(self, text: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        async with self._lock:
            connection = await self._open()
            return [tuple(row) for row in await connection.fetch(text, *values)]

    def ask(self, text: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run one statement, with `?` for values, and give its rows."""
        numbers = itertools.count(1)
        numbered = "".join(f"${next(numbers)}" if c == "?" else c for c in text)
        return self._portal.call(self._ask, numbered if values else text, values)

    async def _script(self, text: str) -> None:
        async with self._lock:
            await (await self._open()).execute(text)

    def script(self, text: str) -> None:
        """Run several statements at once."""
        self._portal.call(self._script, text)

    async def _close(self) -> None:
        if self._connection is not None:
            await self._connection.close(timeout=5)

    def close(self) -> None:
        """Close the connection; it is opened again when asked."""
        self._portal.call(self._close)


def _compact(text: str) -> str:
    return json.dumps(json.loads(text), separators=(",", ":"))


@contextmanager
def looking(address: Address) -> Iterator[Outside]:
    """Look at a server from outside."""
    with start_blocking_portal("asyncio") as portal:
        outside = Outside(portal, address)
        try:
            yield outside
        finally:
            outside.close()


@attrs.define(eq=False)
class PostgreSQLWorld(World):
    """A world in a server.

    Attributes:
        line: the connection from outside.
        name: what the connections under test call themselves.
    """

    line: Outside = attrs.field(kw_only=True)
    name: str = attrs.field(kw_only=True)
    proxy: Proxy | None = attrs.field(kw_only=True)

    def again(self, **options: Any) -> PostgreSQLWorld:
        """Another database object for the same rows, with other options; not opened yet."""
        limits = {"commit_timeout": 0.5, "cleanup_timeout": 0.5}
        return postgresql_world(self.line, proxy=self.proxy, default=False, **{**limits, **options})

    @contextmanager
    def outside(self) -> Iterator[Ask]:
        """The connection that is not ours."""
        yield self.line.ask

    def reset(self) -> None:
        """Put the first rows back, and let keys begin behind them."""
        self.objects.clear()
        self.line.script(
            "BEGIN; DELETE FROM fault_entries; DELETE FROM fault_accounts;"
            + "".join(
                "INSERT INTO fault_accounts (id, email, name, amount, tags, grade, version)"
                f" OVERRIDING SYSTEM VALUE VALUES ({values});"
                for values in (", ".join(map(_literal, row)) for row in START)
            )
            + "INSERT INTO fault_entries VALUES ('one', 1, 'first');"
            " SELECT setval(pg_get_serial_sequence('fault_accounts', 'id'), 3); COMMIT"
        )

    def sessions(self) -> list[tuple[Any, ...]]:
        """The server's sessions of ours: process, state, and last statement."""
        return self.line.ask(
            "SELECT pid, state, query FROM pg_stat_activity WHERE application_name = ?",
            [self.name],
        )

    def kill(self) -> None:
        """End every session of ours, as an administrator does."""
        self.line.ask(
            "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
            " WHERE application_name = ?",
            [self.name],
        )

    def assert_quiet(self) -> None:
        """Nothing is on loan, the counters balance, and no server session is in a transaction."""
        pool = self.database.pool
        stats = pool.stats

        assert stats.in_use == 0, pool.holders()
        assert stats.size == stats.idle <= pool.max_size
        assert stats.waiting == 0
        assert stats.acquired == stats.released + stats.terminated
        until(lambda: all(state == "idle" for _, state, _ in self.sessions()), self.sessions)
        until(lambda: len(self.sessions()) <= stats.size, self.sessions)
        locks = self.line.ask(
            "SELECT mode FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE application_name = ? AND locktype = 'advisory'",
            [self.name],
        )
        assert not locks


def until(
    holds: Callable[[], bool], shown: Callable[[], object], patience: float = PATIENCE
) -> None:
    """Wait for the server to be done with something."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, shown()
        time.sleep(0.005)


async def ends(
    holds: Callable[[], bool], shown: Callable[[], object], patience: float = PATIENCE
) -> None:
    """As `until`, while the event loop runs: closing a socket takes a turn of it."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, shown()
        await anyio.sleep(0.005)


def _literal(value: object) -> str:
    return str(value) if isinstance(value, int) else f"'{value}'"


_names = itertools.count(1)


def postgresql_world(
    line: Outside, *, proxy: Proxy | None = None, default: bool = True, **options: Any
) -> PostgreSQLWorld:
    """A database in the server, reached straight or through a proxy."""
    name = f"fault {os.getpid()}-{next(_names)}"
    database = Database(line.address.url(proxy), default=default, application_name=name, **options)
    return PostgreSQLWorld(database, name, line=line, name=name, proxy=proxy)
