"""What tests of migrations stand on: an empty database of each store, and a folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.mongodb import own_mongodb_database
from tests.uow.migrations.support import STORES, Folder, Store, open_empty
from uow import Database

__all__ = ["own_mongodb_database"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test that takes a store for each of them, or each that has what it needs."""
    needs_steps = any(mark.args == ("steps",) for mark in metafunc.definition.iter_markers("needs"))
    if "store" in metafunc.fixturenames:
        stores = [
            pytest.param(one, id=one.name, marks=[pytest.mark.thorough] if one.is_thorough else [])
            for one in STORES.values()
            if not (needs_steps and one.takes_back)
        ]
        metafunc.parametrize("store", stores)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop that every client library runs under."""
    return "asyncio"


@pytest.fixture
def url(store: Store, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the store's database is."""
    if store.fixture is None:
        return f"sqlite:///{tmp_path / 'migrated.db'}"
    return str(request.getfixturevalue(store.fixture))


@pytest.fixture
async def database(store: Store, url: str) -> AsyncIterator[Database]:
    """An empty database."""
    async for database in open_empty(store, url):
        yield database


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty folder of migrations."""
    return Folder(tmp_path / "migrations")
