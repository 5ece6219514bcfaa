"""What the contract suite stands on: a database of each backend, and a view of what is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.contract.backends import BACKENDS, CAPABILITIES, LOOPS, Backend
from tests.contract.sent import Sent
from uow import Database


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test for each backend that has what it needs, under each of its event loops."""
    loops = "anyio_backend" in metafunc.fixturenames
    if "backend" not in metafunc.fixturenames:
        if loops:
            metafunc.parametrize("anyio_backend", LOOPS, indirect=True)
        return
    marks = metafunc.definition.iter_markers("needs")
    needed = {name for mark in marks for name in mark.args}
    assert needed <= set(CAPABILITIES), needed
    able = [backend for backend in BACKENDS if not needed & backend.lacks]
    if not loops:
        alone = [pytest.param(one, id=one.name, marks=_marks(one)) for one in able]
        metafunc.parametrize("backend", alone)
        return
    ways = [
        pytest.param(backend, loop, id=f"{backend.name}-{loop}", marks=_marks(backend))
        for backend in able
        for loop in backend.loops
    ]
    metafunc.parametrize(("backend", "anyio_backend"), ways, indirect=["anyio_backend"])


def _marks(backend: Backend) -> list[pytest.MarkDecorator]:
    return [pytest.mark.thorough] if backend.is_thorough else []


@pytest.fixture(scope="session")
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """The event loop: not every client library runs under both."""
    return str(request.param)


@pytest.fixture
def models(backend: Backend) -> ModuleType:
    """The classes of this kind of store."""
    return backend.models


@pytest.fixture
def url(backend: Backend, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Where the backend's database is."""
    server = backend.server
    place = "" if server is None else request.getfixturevalue(server.fixture)
    return backend.url(tmp_path, str(place))


@pytest.fixture
async def database(
    backend: Backend, models: ModuleType, url: str, anyio_backend: str
) -> AsyncIterator[Database]:
    """An open database with empty tables; the default one. Every connection must come back."""
    server = backend.server
    has_tables = server is not None and await server.empty(url)
    options = {"pool_timeout": 5.0, **backend.options}
    async with Database(url, default=True, **options) as database:
        if not has_tables:
            await database.create_all(backend.tables)
            if server is not None:
                await server.remember(url)
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
