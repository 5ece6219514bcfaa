"""Drivers to run the contract against."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from uow.drivers.base import Connection, Driver
from uow.drivers.memory import create as create_memory
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
