"""What the contract suite stands on: a database of each backend, and a view of what is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.contract.backends import BACKENDS, CAPABILITIES, Backend
from tests.contract.sent import Sent
from uow import Database


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test for each backend that has what it needs."""
    if "backend" not in metafunc.fixturenames:
        return
    marks = metafunc.definition.iter_markers("needs")
    needed = {name for mark in marks for name in mark.args}
    assert needed <= set(CAPABILITIES), needed
    able = [backend for backend in BACKENDS if not needed & backend.lacks]
    metafunc.parametrize("backend", able, ids=[backend.name for backend in able])


@pytest.fixture
def models(backend: Backend) -> ModuleType:
    """The classes of this kind of store."""
    return backend.models


@pytest.fixture
async def database(
    backend: Backend, models: ModuleType, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[Database]:
    """An open database with empty tables; the default one. Every connection must come back."""
    url = backend.url(tmp_path)
    options = {"pool_timeout": 5.0, **backend.options}
    async with Database(url, default=True, **options) as database:
        await database.create_all(models.ALL)
        yield database

        stats = database.pool.stats
        assert stats.in_use == 0, "a connection was not given back"
        assert stats.acquired == stats.released + stats.terminated + stats.in_use


@pytest.fixture
def sent(database: Database) -> Sent:
    """What is sent from now on."""
    sent = Sent()
    database.observers.append(sent.append)
    return sent
