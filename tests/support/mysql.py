"""Databases of MariaDB and MySQL for tests: one a process of the run, emptied for each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import anyio
import asyncmy
import pytest

from tests.mysql_servers import mariadb_url, mysql_url
from tests.servers import REQUIRED, MissingServerError
from uow.url import URL, parse_url

__all__ = [
    "ask",
    "clear",
    "connect",
    "counting",
    "empty",
    "mariadb_database",
    "mariadb_server_url",
    "mysql_database",
    "mysql_server_url",
    "remember",
]


@pytest.fixture(scope="session")
def mariadb_server_url() -> str:
    """The URL of the MariaDB server; without one the test is skipped, or fails in CI."""
    return _server("MariaDB", mariadb_url)


@pytest.fixture(scope="session")
def mysql_server_url() -> str:
    """The URL of the MySQL server; without one the test is skipped, or fails in CI."""
    return _server("MySQL", mysql_url)


@pytest.fixture(scope="session")
def mariadb_database(mariadb_server_url: str) -> Generator[str]:
    """The URL of an empty MariaDB database of this process of the run."""
    with _database(mariadb_server_url) as url:
        yield url


@pytest.fixture(scope="session")
def mysql_database(mysql_server_url: str) -> Generator[str]:
    """The URL of an empty MySQL database of this process of the run."""
    with _database(mysql_server_url) as url:
        yield url


def _server(name: str, url: Callable[[], str]) -> str:
    try:
        return url()
    except MissingServerError as error:
        if os.environ.get(REQUIRED) == "1":
            raise
        pytest.skip(f"no {name}: {error} ({REQUIRED}=1 makes that a failure)")


@contextmanager
def _database(server: str) -> Generator[str]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    name = f"uow_test_{worker}_{os.getpid()}"
    anyio.run(_ask_server, server, f"CREATE DATABASE `{name}`")
    head, question, query = server.partition("?")
    yield f"{head.rpartition('/')[0]}/{name}{question}{query}"

    anyio.run(_ask_server, server, f"DROP DATABASE `{name}`")


async def connect(url: str, *, with_database: bool = True) -> Any:
    """Open a connection of the client's own."""
    parsed: URL = parse_url(url)
    return await asyncmy.connect(
        host=parsed.host,
        port=parsed.port or 3306,
        user=parsed.username,
        password=parsed.password or "",
        database=parsed.database if with_database else None,
        autocommit=True,
    )


async def ask(url: str, *texts: str, with_database: bool = True) -> Sequence[tuple[Any, ...]]:
    """Run statements over a connection of their own; give the rows of the last."""
    connection = await connect(url, with_database=with_database)
    try:
        for text in texts:
            await connection.query(text)
        return connection._result.rows or ()
    finally:
        await connection.ensure_closed()


def counting(url: str, number: int) -> str:
    """Write what counts the connections of a number: 1 or 0.

    MySQL cannot give its list of processes while one of them sends bytes that are no text.
    """
    place = "information_schema.processlist WHERE id"
    if url.startswith("mysql"):
        place = "performance_schema.threads WHERE processlist_id"
    return f"SELECT COUNT(*) FROM {place} = {number}"


async def _ask_server(url: str, text: str) -> None:
    await ask(url, text, with_database=False)


async def clear(url: str) -> None:
    """Remove whatever tests left in a database, and end connections they left open."""
    name = parse_url(url).database
    await _end_others(url)
    await ask(
        url, f"DROP DATABASE IF EXISTS `{name}`", f"CREATE DATABASE `{name}`", with_database=False
    )


async def empty(url: str) -> bool:
    """Make a database as it was at `remember`, or clear it if what was defined then has changed.

    Tables that a test made for itself are dropped: making the others anew takes a hundred times as
    long.

    Returns:
        Whether the tables are there.
    """
    await _end_others(url)
    known = _known.get(url)
    if known is None:
        await clear(url)
        return False
    connection = await connect(url)
    try:
        defined = await _columns(connection)
        if any(defined.get(name) != columns for name, columns in known.items()):
            await clear(url)
            return False
        await connection.query("SET foreign_key_checks = 0")
        await connection.query(_TABLES)
        tables = connection._result.rows
        for name, kind, _ in tables:
            if name not in known:
                await connection.query(f"DROP {'VIEW' if kind == 'VIEW' else 'TABLE'} `{name}`")
        used = [f"SELECT '{name}' FROM `{name}` LIMIT 1" for name in known]
        await connection.query(" UNION ALL ".join([f"({one})" for one in used]))
        has_rows = {name for (name,) in connection._result.rows}
        for name, _, has_counted in tables:
            if name in known and (has_counted or name in has_rows):
                await connection.query(f"TRUNCATE TABLE `{name}`")
    finally:
        await connection.ensure_closed()
    return True


async def remember(url: str) -> None:
    """Take note of what is defined in a database, and that it holds no rows."""
    connection = await connect(url)
    try:
        _known[url] = await _columns(connection)
    finally:
        await connection.ensure_closed()


_known: dict[str, dict[str, list[tuple[Any, ...]]]] = {}
"""What was defined in the databases of this process, by URL: the columns of each table."""

_TABLES = (
    "SELECT table_name, table_type, COALESCE(auto_increment, 1) > 1 FROM information_schema.tables"
    " WHERE table_schema = DATABASE() ORDER BY table_name"
)

_COLUMNS = (
    "SELECT table_name, column_name, column_type, is_nullable FROM information_schema.columns"
    " WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position"
)


async def _columns(connection: Any) -> dict[str, list[tuple[Any, ...]]]:
    await connection.query(_COLUMNS)
    found: dict[str, list[tuple[Any, ...]]] = {}
    for name, *column in connection._result.rows:
        found.setdefault(name, []).append(tuple(column))
    return found


async def _end_others(url: str) -> None:
    """End what other connections do in this database, so that no lock of theirs is in the way."""
    name = parse_url(url).database
    connection = await connect(url, with_database=False)
    try:
        # MySQL cannot give its list of processes while one of them sends bytes that are no text.
        await connection.query("SELECT @@performance_schema")
        threads = "SELECT processlist_id FROM performance_schema.threads WHERE processlist_db"
        if not connection._result.rows[0][0]:
            threads = "SELECT id FROM information_schema.processlist WHERE db"
        await connection.query(f"{threads} = '{name}'")
        own = connection.server_thread_id[0]
        for number in {number for (number,) in connection._result.rows} - {own}:
            try:
                await connection.query(f"KILL {number}")
            except asyncmy.errors.Error as error:
                if error.args[0] != 1094:  # it has gone by itself
                    raise
    finally:
        await connection.ensure_closed()
