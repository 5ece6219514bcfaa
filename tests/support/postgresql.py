"""Databases of PostgreSQL for tests: one a process of the run, emptied for each test."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import anyio
import asyncpg
import pytest

from tests.servers import REQUIRED, MissingServerError, ServerRun, postgresql_url

__all__ = [
    "clear",
    "empty",
    "postgresql_database",
    "pytest_configure",
    "pytest_unconfigure",
    "remember",
    "server_url",
]

_runs: list[ServerRun] = []


def pytest_configure(config: pytest.Config) -> None:
    """Make room for the servers of the run, in the process that it was started as."""
    if not hasattr(config, "workerinput"):
        _runs.append(ServerRun())


def pytest_unconfigure() -> None:
    """End the servers."""
    while _runs:
        _runs.pop().stop()


@pytest.fixture(scope="session")
def server_url() -> str:
    """The URL of the PostgreSQL server; without one the test is skipped, or fails in CI."""
    try:
        return postgresql_url()
    except MissingServerError as error:
        if os.environ.get(REQUIRED) == "1":
            raise
        pytest.skip(f"no PostgreSQL: {error} ({REQUIRED}=1 makes that a failure)")


@pytest.fixture(scope="session")
def postgresql_database(server_url: str) -> Generator[str]:
    """The URL of an empty database of this process of the run."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    name = f"uow_test_{worker}_{os.getpid()}"
    anyio.run(_run, server_url, f'CREATE DATABASE "{name}"')
    head, question, query = server_url.partition("?")
    yield f"{head.rpartition('/')[0]}/{name}{question}{query}"

    anyio.run(_run, server_url, f'DROP DATABASE "{name}" WITH (FORCE)')


async def clear(url: str) -> None:
    """Remove whatever tests left in a database, and end connections they left open."""
    await _run(url, _CLEAR)


async def empty(url: str) -> bool:
    """Make a database as it was at `remember`, or clear it if anything was defined since.

    Emptying what is there takes a tenth of the time that making it anew takes.

    Returns:
        Whether the tables are there.
    """
    connection: Any = await asyncpg.connect(url)
    try:
        is_known = url in _known and await connection.fetchval(_DEFINED) == _known[url]
        await connection.execute(_EMPTY if is_known else _CLEAR)
        return is_known
    finally:
        await connection.close()


async def remember(url: str) -> None:
    """Take note of what is defined in a database, and that it holds no rows."""
    connection: Any = await asyncpg.connect(url)
    try:
        _known[url] = await connection.fetchval(_DEFINED)
    finally:
        await connection.close()


_known: dict[str, str] = {}
"""What was defined in the databases of this process, by URL."""


async def _run(url: str, sql: str) -> None:
    connection: Any = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


_OWN = "nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"

_END_OTHERS = """
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid();
"""

_CLEAR = f"""
DO $$
DECLARE name text;
BEGIN
    {_END_OTHERS}
    FOR name IN SELECT nspname FROM pg_namespace WHERE {_OWN}
    LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', name);
    END LOOP;
    CREATE SCHEMA public;
    GRANT USAGE ON SCHEMA public TO PUBLIC;
END $$
"""

_EMPTY = f"""
DO $$
DECLARE
    one regclass;
    is_used boolean;
BEGIN
    {_END_OTHERS}
    FOR one IN SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND {_OWN}
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', one) INTO is_used;
        IF is_used THEN
            EXECUTE format('TRUNCATE %s CASCADE', one);
        END IF;
    END LOOP;
    PERFORM setval(c.oid::regclass, s.seqstart, false) FROM pg_sequence s
        JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {_OWN};
END $$
"""

_DEFINED = f"""
WITH own AS (SELECT oid FROM pg_namespace WHERE {_OWN}),
tables AS (SELECT oid, relname FROM pg_class WHERE relnamespace IN (SELECT oid FROM own))
SELECT md5(string_agg(what, ',' ORDER BY what)) FROM (
    SELECT format('%s %s', oid, relname) FROM tables
    UNION ALL SELECT format('%s', oid) FROM own
    UNION ALL SELECT format('%s %s %s %s %s', attrelid, attname, atttypid, attnotnull, atthasdef)
        FROM pg_attribute WHERE attrelid IN (SELECT oid FROM tables) AND attnum > 0
    UNION ALL SELECT format('%s', oid) FROM pg_constraint
        WHERE connamespace IN (SELECT oid FROM own)
    UNION ALL SELECT format('%s', oid) FROM pg_type WHERE typnamespace IN (SELECT oid FROM own)
    UNION ALL SELECT format('%s', oid) FROM pg_proc WHERE pronamespace IN (SELECT oid FROM own)
    UNION ALL SELECT format('%s', oid) FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM tables)
) AS found (what)
"""
