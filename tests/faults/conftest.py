"""The worlds of the fault tests."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.faults import mysql
from tests.faults.mysql_messages import MySQLFraming
from tests.faults.postgresql import Address, Outside, PostgreSQLWorld, looking, postgresql_world
from tests.faults.proxy import Proxy, running
from tests.faults.world import World, memory_world, sqlite_world
from uow import Session
from uow.url import parse_url

_HERE = Path(__file__).parent

ASYNCIO_ONLY = {"mariadb", "mysql", "postgresql"}
"""The worlds whose client library knows no other event loop."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what cannot be: a client library that knows asyncio only, under trio."""
    items[:] = [item for item in items if _can_be(item)]
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.thorough)


def _can_be(item: pytest.Item) -> bool:
    parameters: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    is_asyncio = parameters.get("anyio_backend") != "trio"
    return is_asyncio or not (
        {"proxy", "postgresql", "behind_proxy"} & set(getattr(item, "fixturenames", ()))
        or ASYNCIO_ONLY & {parameters.get(name) for name in ("stored", "unopened", "store")}
    )


@pytest.fixture
async def memory(anyio_backend: Any) -> AsyncIterator[World]:
    """A store with fault points, quick to give up."""
    world = memory_world(commit_timeout=0.3, cleanup_timeout=0.3, busy_timeout=1.0)
    async with world.database:
        await world.create()
        world.driver.clear_log()
        yield world
        world.driver.faults.clear()


@pytest.fixture
async def sqlite(anyio_backend: Any, tmp_path: Path) -> AsyncIterator[World]:
    """An SQLite file, quick to give up."""
    world = sqlite_world(tmp_path, commit_timeout=0.5, cleanup_timeout=0.5, busy_timeout=0.3)
    async with world.database:
        await world.create()
        yield world


@pytest.fixture(scope="session")
def address(server_url: str) -> Iterator[Address]:
    """A database of the fault tests' own: others end every connection to theirs."""
    server = Address.parse(server_url)
    name = f"uow_faults_{os.getpid()}"
    with looking(server) as outside:
        outside.script(f"CREATE DATABASE {name}")
        yield server.of(name)
        outside.script(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def line(address: Address) -> Iterator[Outside]:
    """A connection to the server that is not under test."""
    with looking(address) as outside:
        yield outside


@pytest.fixture(scope="session")
def mariadb_line(mariadb_server_url: str) -> Iterator[mysql.Line]:
    """A connection to a MariaDB database of the fault tests' own."""
    with mysql.own_database(mariadb_server_url) as line:
        yield line


@pytest.fixture(scope="session")
def mysql_line(mysql_server_url: str) -> Iterator[mysql.Line]:
    """A connection to a MySQL database of the fault tests' own."""
    with mysql.own_database(mysql_server_url) as line:
        yield line


@pytest.fixture
def proxy(address: Address) -> Iterator[Proxy]:
    """A proxy in front of the server."""
    with running(address.host, address.port) as proxy:
        yield proxy


@pytest.fixture
async def postgresql(
    anyio_backend: Any, line: Outside, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PostgreSQLWorld]:
    """A database in a server, behind a proxy, quick to give up."""
    for name in ("REST_SECONDS", "CLOSE_SECONDS"):
        monkeypatch.setattr(f"uow.drivers._asyncpg_connection.{name}", 0.4)
    world = postgresql_world(line, proxy=proxy, commit_timeout=0.5, cleanup_timeout=0.5)
    async with world.database:
        await world.create()
        proxy.clear()
        yield world
        proxy.clear()


@pytest.fixture(params=["mariadb", "mysql"])
def mysql_line_of_either(request: pytest.FixtureRequest) -> mysql.Line:
    """A connection to a database of MariaDB, then to one of MySQL."""
    line: mysql.Line = request.getfixturevalue(f"{request.param}_line")
    return line


@pytest.fixture
async def behind_proxy(
    anyio_backend: Any, mysql_line_of_either: mysql.Line, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[mysql.MySQLWorld, Proxy]]:
    """A database in MariaDB or MySQL behind a proxy, quick to give up."""
    for name in ("connection.REST_SECONDS", "connection.CLOSE_SECONDS", "line.REST_SECONDS"):
        monkeypatch.setattr(f"uow.drivers._mysql_{name}", 0.4)
    place = parse_url(mysql_line_of_either.url)
    with running(place.host or "", place.port or 3306, MySQLFraming) as proxy:
        world = mysql.mysql_world(
            mysql_line_of_either, proxy=proxy, commit_timeout=0.5, cleanup_timeout=0.5
        )
        async with world.database:
            await world.create()
            proxy.clear()
            yield world, proxy
            proxy.clear()


@pytest.fixture(params=["sqlite", "postgresql"])
def stored(request: pytest.FixtureRequest) -> World:
    """A store of each kind that other processes see as well."""
    world: World = request.getfixturevalue(request.param)
    return world


@pytest.fixture(params=["sqlite", "postgresql"])
def unopened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., World]:
    """Makes a world of each kind, with options for its database; the test opens it."""
    if request.param == "sqlite":
        return partial(sqlite_world, tmp_path)
    return partial(postgresql_world, request.getfixturevalue("line"))


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[Session]:
    """Every session that is entered."""
    entered: list[Session] = []
    enter = Session.__aenter__

    async def note(session: Session) -> Session:
        entered.append(session)
        return await enter(session)

    monkeypatch.setattr(Session, "__aenter__", note)
    return entered
