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
    """Make a database as it was at `remember`, or clear it if anything was defined since.

    Returns:
        Whether the tables are there.
    """
    await _end_others(url)
    if url not in _known or await _defined(url) != _known[url]:
        await clear(url)
        return False
    tables = await ask(url, _TABLES)
    counts = await ask(
        url, " UNION ALL ".join([f"SELECT EXISTS (SELECT 1 FROM `{name}`)" for name, _ in tables])
    )
    used = [
        name
        for (name, has_counted), (has_rows,) in zip(tables, counts, strict=True)
        if has_rows or has_counted
    ]
    if used:
        texts = ["SET foreign_key_checks = 0", *[f"TRUNCATE TABLE `{name}`" for name in used]]
        await ask(url, *texts)
    return True


async def remember(url: str) -> None:
    """Take note of what is defined in a database, and that it holds no rows."""
    _known[url] = await _defined(url)


_known: dict[str, Sequence[tuple[Any, ...]]] = {}
"""What was defined in the databases of this process, by URL."""

_TABLES = (
    "SELECT table_name, COALESCE(auto_increment, 1) > 1 FROM information_schema.tables"
    " WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY table_name"
)

_DEFINED = (
    "SELECT table_name, column_name, column_type, is_nullable FROM information_schema.columns"
    " WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position"
)


async def _defined(url: str) -> Sequence[tuple[Any, ...]]:
    return await ask(url, _DEFINED)


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
