"""Binding classes and their settings; numbers are those of the inventory."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from pymongo import ASCENDING, DESCENDING, AsyncMongoClient, IndexModel

from tests.support.mongodb import database_of, empty
from uow import Document, MappingError, Registry
from uow.beanie import init_beanie
from uow.beanie.exceptions import CollectionWasNotInitialized

pytestmark = pytest.mark.anyio

HERE = "tests.uow.beanie.test_starting"


class Base(Document):
    """Settings that classes below inherit as Python classes do."""

    class Settings:
        abstract = True
        keep_nulls = False


class Started(Base):
    """Is bound by its path."""

    class Settings(Base.Settings):
        abstract = False
        name = "started things"
        indexes = [  # noqa: RUF012
            "age",
            [("name", ASCENDING), ("age", DESCENDING)],
            IndexModel([("nick", ASCENDING)], name="nicks", unique=True, sparse=True),
        ]

    name: str
    age: int = 0
    nick: str | None = None


class NeverBound(Document):
    """Is not bound."""

    name: str


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The client library is for asyncio."""
    return "asyncio"


async def test_paths_and_urls(mongodb_database: str) -> None:
    """2, 3, 19, 68, 69: a class is named by its path, the database by a URL; settings are used."""
    empty(mongodb_database)
    bound = await init_beanie(
        connection_string=mongodb_database, document_models=[f"{HERE}.Started"]
    )
    await Started(name="ann").insert()

    assert Started.get_settings().keep_nulls is False
    with database_of(mongodb_database) as store:
        (found,) = store["started things"].find()
        indexes = store["started things"].index_information()
    assert found == {"_id": found["_id"], "name": "ann", "age": 0}
    keys = sorted(tuple(index["key"]) for name, index in indexes.items() if name != "_id_")
    assert keys == [(("age", 1),), (("name", 1), ("age", -1)), (("nick", 1),)]
    assert (indexes["nicks"]["unique"], indexes["nicks"]["sparse"]) == (True, True)
    await bound.aclose()


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"document_models": ["Started"]}, ValueError, "no dotted path"),
        ({"document_models": [f"{HERE}.Absent"]}, AttributeError, "Absent"),
        ({"database": object()}, ValueError, "one of database= and connection_string="),
        ({"connection_string": None}, ValueError, "one of database= and connection_string="),
    ],
)
async def test_bad_starts(
    mongodb_database: str, arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    """2, 3: a path without a dot or to nothing, and not just one way to the database."""
    given = {
        "connection_string": mongodb_database, "document_models": [Started], **arguments,
    }  # fmt: skip
    with pytest.raises(error, match=text):
        await init_beanie(**given)


async def test_dropping_indexes(mongodb_database: str) -> None:
    """4: indexes that no class declares any more are dropped if that is allowed, and only then."""
    empty(mongodb_database)

    def declare(*, unique: bool) -> type[Any]:
        class Dropping(Document):
            class Settings:
                registry = Registry()
                indexes = [IndexModel("name", name="names", unique=unique)]  # noqa: RUF012

            name: str

        return Dropping

    async def start(*, unique: bool, **options: Any) -> None:
        models = [declare(unique=unique)]
        found = await init_beanie(
            connection_string=mongodb_database, document_models=models, **options
        )
        await found.aclose()

    await start(unique=True)
    with pytest.raises(MappingError, match="names"):
        await start(unique=False)
    await start(unique=False, allow_index_dropping=True)

    with database_of(mongodb_database) as store:
        assert "unique" not in store.Dropping.index_information()["names"]
        store.drop_collection("Dropping")


async def test_before_the_start() -> None:
    """8, 291: an object can be made before, and nothing can be asked of the store."""
    assert NeverBound(name="x").name == "x"
    with pytest.raises(CollectionWasNotInitialized):
        await NeverBound.find_one()
    with pytest.raises(CollectionWasNotInitialized):
        await NeverBound(name="x").insert()


def test_each_event_loop_has_a_client_of_its_own(mongodb_database: str) -> None:
    """1, 7: tests of a program start anew each time, over a new client of the same servers."""
    empty(mongodb_database)

    bound: list[Any] = []

    async def start() -> int:
        client: Any = AsyncMongoClient(mongodb_database)
        store = client.get_default_database()
        bound.append(await init_beanie(database=store, document_models=[Started]))
        await Started(name="ann").insert()
        count = await Started.count()
        await client.close()
        return count

    assert [anyio.run(start), anyio.run(start)] == [1, 2]
    for one in bound:
        one.pool.terminate_all()
