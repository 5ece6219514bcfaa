"""MariaDB and MySQL under test, and what can be seen of them from outside."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import attrs
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.faults.postgresql import PATIENCE
from tests.faults.proxy import Proxy
from tests.faults.world import START, Ask, World
from tests.support import mysql
from uow import Database
from uow.url import parse_url

__all__ = ["Line", "MySQLWorld", "looking", "mysql_world", "own_database"]

CACHED_SECONDS: Final = 0.15
"""InnoDB shows the transactions of 0.1 s ago to whoever asks more often than that."""

_names: Final = itertools.count(1)


class Line:
    """A connection that is not ours, to be used from any thread."""

    def __init__(self, portal: BlockingPortal, url: str) -> None:
        self.url = url
        self._portal = portal
        self._connection: Any = None
        self._lock = asyncio.Lock()

    async def _ask(self, text: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        async with self._lock:
            if self._connection is None:
                self._connection = await mysql.connect(self.url)
            if not values:
                await self._connection.query(text)
                return _compact(self._connection._result.rows or ())
            prepared = await self._connection.prepare(text)
            result = await prepared.execute(tuple(values))
            await prepared.close()
            return _compact(result.rows or ())

    def ask(self, text: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and give its rows."""
        return self._portal.call(self._ask, text, values)

    async def _close(self) -> None:
        if self._connection is not None:
            await self._connection.ensure_closed()

    def close(self) -> None:
        """Close the connection."""
        self._portal.call(self._close)


def _compact(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Write lists in JSON as we do: MySQL puts blanks into them."""
    return [
        tuple(
            json.dumps(json.loads(value), separators=(",", ":"), ensure_ascii=False)
            if isinstance(value, str) and value.startswith("[") and value.endswith("]")
            else value
            for value in row
        )
        for row in rows
    ]


@contextmanager
def looking(url: str) -> Iterator[Line]:
    """Look at a server from outside."""
    with start_blocking_portal("asyncio") as portal:
        line = Line(portal, url)
        try:
            yield line
        finally:
            line.close()


@contextmanager
def own_database(url: str) -> Iterator[Line]:
    """Make a database of the fault tests' own on a server, and look at it from outside."""
    name = f"uow_faults_{os.getpid()}"
    with looking(url) as outside:
        outside.ask(f"CREATE DATABASE {name}")
        with looking(f"{url.rpartition('/')[0]}/{name}") as line:
            yield line
        outside.ask(f"DROP DATABASE {name}")


@attrs.define(eq=False)
class MySQLWorld(World):
    """A world in a server.

    Attributes:
        line: the connection from outside.
        name: what the connections under test call themselves.
        proxy: what stands in front of the server, if anything does.
    """

    line: Line = attrs.field(kw_only=True)
    name: str = attrs.field(kw_only=True)
    proxy: Proxy | None = attrs.field(kw_only=True)

    def again(self, **options: Any) -> MySQLWorld:
        """Another database object for the same rows, with other options; not opened yet."""
        limits = {"commit_timeout": 0.5, "cleanup_timeout": 0.5}
        return mysql_world(self.line, proxy=self.proxy, default=False, **{**limits, **options})

    @contextmanager
    def outside(self) -> Iterator[Ask]:
        """The connection that is not ours."""
        yield self.line.ask

    def reset(self) -> None:
        """Put the first rows back."""
        self.objects.clear()
        ask = self.line.ask
        ask("START TRANSACTION")
        ask("DELETE FROM fault_entries")
        ask("DELETE FROM fault_accounts")
        for row in START:
            ask(
                "INSERT INTO fault_accounts (id, email, name, amount, tags, grade, version)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )
        ask("INSERT INTO fault_entries (code, account_id, text) VALUES ('one', 1, 'first')")
        ask("COMMIT")

    def transactions(self) -> list[tuple[Any, ...]]:
        """The open transactions that are not of the line."""
        number, place, table = "id", "db", "information_schema.processlist"
        if self.line.url.startswith("mysql"):
            # It cannot give its list of processes while one of them sends bytes that are no text.
            table = "performance_schema.threads"
            number, place = "processlist_id", "processlist_db"
        return self.line.ask(
            "SELECT t.trx_mysql_thread_id FROM information_schema.innodb_trx AS t"
            f" JOIN {table} AS p ON p.{number} = t.trx_mysql_thread_id"
            f" WHERE p.{place} = DATABASE() AND p.{number} <> CONNECTION_ID()"
        )

    def assert_quiet(self) -> None:
        """Nothing is on loan, the counters balance, and no transaction of ours is open."""
        pool = self.database.pool
        stats = pool.stats

        assert stats.in_use == 0, pool.holders()
        assert stats.size == stats.idle <= pool.max_size
        assert stats.waiting == 0
        assert stats.acquired == stats.released + stats.terminated
        deadline = time.monotonic() + PATIENCE
        while found := self.transactions():
            assert time.monotonic() < deadline, found
            time.sleep(CACHED_SECONDS)


def mysql_world(
    line: Line, *, proxy: Proxy | None = None, default: bool = True, **options: Any
) -> MySQLWorld:
    """A database in the server, reached straight or through a proxy."""
    name = f"fault {os.getpid()}-{next(_names)}"
    url = line.url
    if proxy is not None:
        parsed = parse_url(url)
        password = f":{parsed.password}" * bool(parsed.password)
        place = f"{proxy.host}:{proxy.port}/{parsed.database}"
        url = f"{parsed.scheme}://{parsed.username}{password}@{place}"
    database = Database(url, default=default, program_name=name, **options)
    return MySQLWorld(database, name, line=line, name=name, proxy=proxy)
