"""What models say, what is made of it, and what is read of that, are one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.models import ALL
from tests.uow.schema.stores import EACH_STORE, everything, make_empty, store_url
from uow import Database
from uow.schema.live import apply_schema, diff_schema, inspect_schema

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]


@pytest.fixture(params=EACH_STORE)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database of each store."""
    return store_url(request.param, request, tmp_path)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """An empty database of each store."""
    await make_empty(url)
    async with Database(url) as database:
        yield database


async def test_nothing_differs(database: Database) -> None:
    """G3: models, their DDL and what is read of the database say the same, for all they can say."""
    store = database.dialect.name
    models = everything(store)
    await database.create_all(models)

    assert [str(step) for step in await diff_schema(database, models)] == []


async def test_steps_make_the_same(database: Database) -> None:
    """G3: steps from nothing make what `create_all` makes, and those to nothing leave nothing."""
    store = database.dialect.name
    models = everything(store)
    steps = await diff_schema(database, models)

    await apply_schema(database, steps)
    assert [str(step) for step in await diff_schema(database, models)] == []

    schemas = ["my shop"] if store == "postgresql" else []
    back = await diff_schema(database, [], schemas=schemas)
    await apply_schema(database, back, allow_destructive=True)
    left = await inspect_schema(database, schemas=schemas)
    assert (left.tables, left.types, left.sequences) == ((), (), ())


async def test_the_contract_models(database: Database) -> None:
    """G3: nor do the models of the contract suite differ from what is made of them."""
    lacks = {"Ticket"} if database.dialect.name in {"mysql", "mariadb"} else set()
    models = [model for model in ALL if model.__name__ not in lacks]
    await database.create_all(models)

    assert [str(step) for step in await diff_schema(database, models)] == []
