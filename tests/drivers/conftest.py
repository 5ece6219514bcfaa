"""Drivers to run the contract against."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.support import mongodb, mysql, postgresql
from uow.drivers._pymongo_connection import MongoDBConnection
from uow.drivers._pymongo_driver import MongoDBDriver
from uow.drivers.asyncpg import AsyncpgDriver
from uow.drivers.asyncpg import create as create_asyncpg
from uow.drivers.base import Connection, Driver
from uow.drivers.memory import create as create_memory
from uow.drivers.motor import create as create_motor
from uow.drivers.mysql import MySQLDriver
from uow.drivers.mysql import create as create_mysql
from uow.drivers.pymongo import create as create_pymongo
from uow.drivers.sqlite import create as create_sqlite
from uow.url import parse_url


@pytest.fixture(params=["sqlite file", "sqlite file, thread only", "sqlite memory", "memory"])
async def driver(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Driver]:
    """Each driver in each of its ways."""
    made: Driver
    file = parse_url(f"sqlite:///{tmp_path}/contract.db")
    if request.param == "sqlite file":
        made = create_sqlite(file, {})
    elif request.param == "sqlite file, thread only":
        made = create_sqlite(file, {"inline": False})
    elif request.param == "sqlite memory":
        made = create_sqlite(parse_url("sqlite://"), {})
    else:
        made = create_memory(parse_url("memory://"), {})
    yield made
    await made.aclose()


@pytest.fixture
async def connection(driver: Driver) -> AsyncIterator[Connection]:
    """An open connection."""
    connection = await driver.connect()
    yield connection
    await connection.aclose()


@pytest.fixture
def postgresql_driver(postgresql_database: str) -> Callable[..., AsyncpgDriver]:
    """Make drivers for an empty PostgreSQL database, with options."""
    return lambda **options: create_asyncpg(parse_url(postgresql_database), options)


@pytest.fixture
async def postgresql_connection(
    postgresql_driver: Callable[..., Any], postgresql_database: str, anyio_backend: str
) -> AsyncIterator[Connection]:
    """An open connection to an empty PostgreSQL database."""
    await postgresql.clear(postgresql_database)
    connection = await postgresql_driver().connect()
    yield connection
    await connection.aclose()


@pytest.fixture(params=["mariadb", pytest.param("mysql", marks=pytest.mark.thorough)])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database of MariaDB, then of one of MySQL."""
    return str(request.getfixturevalue(f"{request.param}_database"))


@pytest.fixture
def make_driver(database_url: str) -> Callable[..., MySQLDriver]:
    """Make drivers for that database, with options."""
    return lambda **options: create_mysql(parse_url(database_url), options)


@pytest.fixture
async def connected(
    make_driver: Callable[..., Any], database_url: str, anyio_backend: str
) -> AsyncIterator[Connection]:
    """An open connection to that database, which is empty."""
    await mysql.clear(database_url)
    connection = await make_driver().connect()
    yield connection
    await connection.aclose()


@pytest.fixture(params=["pymongo", pytest.param("motor", marks=pytest.mark.thorough)])
def create_mongodb(request: pytest.FixtureRequest) -> Callable[..., MongoDBDriver]:
    """What makes drivers for MongoDB: by each of its client libraries."""
    return create_motor if request.param == "motor" else create_pymongo


@pytest.fixture(scope="session")
def mongodb_database(mongodb_server_url: str) -> Iterator[str]:
    """A database beside that of the other tests: indexes and validators stay when it is emptied."""
    with mongodb.new_database(mongodb_server_url, "_drivers") as url:
        yield url


_apps = count()


@pytest.fixture
async def mongodb_driver(
    create_mongodb: Callable[..., MongoDBDriver], mongodb_database: str, anyio_backend: str
) -> AsyncIterator[Callable[..., MongoDBDriver]]:
    """Make drivers for an empty MongoDB database, with options; they are closed at the end."""
    mongodb.empty(mongodb_database)
    made: list[MongoDBDriver] = []

    def make(url: str = mongodb_database, **options: Any) -> MongoDBDriver:
        # How soon it looks again after a server that said it was ending.
        options.setdefault("heartbeatFrequencyMS", 500)
        options.setdefault("appname", f"{parse_url(mongodb_database).database} {next(_apps)}")
        made.append(create_mongodb(parse_url(url), options))
        return made[-1]

    yield make
    for driver in made:
        await driver.aclose()


@pytest.fixture
async def mongodb_connection(
    mongodb_driver: Callable[..., MongoDBDriver],
) -> AsyncIterator[MongoDBConnection]:
    """An open connection to an empty MongoDB database."""
    connection = await mongodb_driver().connect()
    yield connection
    await connection.aclose()
