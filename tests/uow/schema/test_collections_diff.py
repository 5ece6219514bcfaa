"""Collections and indexes of MongoDB in the same difference."""

from __future__ import annotations

import pytest

from tests.support import mongodb
from uow import (
    Database,
    DestructiveChangeError,
    Document,
    MappingError,
    Registry,
    Renames,
    apply_schema,
    diff_schema,
)
from uow.schema.collection_steps import CreateCollection
from uow.schema.description import ColumnDef, Schema
from uow.schema.steps import AddColumn, reversed_all

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]


def posts(*declared: object) -> type[Document]:
    """A document class with some indexes."""
    own = Registry()

    class Post(Document):
        class Settings:
            name = "posts"
            registry = own
            indexes = list(declared)  # noqa: RUF012 - read once, by the mapping

        title: str
        score: int = 0

    return Post


async def test_indexes(mongodb_database: str) -> None:
    """G3: collections and indexes are made, changed and dropped by steps, and back."""
    mongodb.empty(mongodb_database)
    unique = {"fields": ["title"], "unique": True, "name": "by_title"}
    plain = {"fields": ["title"], "name": "by_title"}
    score = {"fields": ["-score"], "name": "by_score"}
    first, second = posts(unique, score), posts(plain)
    async with Database(mongodb_database) as database:
        steps = await diff_schema(database, [first])
        assert [str(step) for step in steps] == [
            "create the collection posts",
            "create the index by_title on posts",
            "create the index by_score on posts",
        ]
        await apply_schema(database, steps)
        assert await diff_schema(database, [first]) == []

        steps = await diff_schema(database, [second])
        assert [str(step) for step in steps] == [
            "drop the index by_title of posts",
            "drop the index by_score of posts",
            "create the index by_title on posts",
        ]
        await apply_schema(database, steps)
        assert await diff_schema(database, [second]) == []
        await apply_schema(database, reversed_all(steps, Schema(dialect="mongodb")))
        assert await diff_schema(database, [first]) == []

        steps = await diff_schema(database, [])
        with pytest.raises(DestructiveChangeError, match="drop the collection posts"):
            await apply_schema(database, steps)
        await apply_schema(database, steps, allow_destructive=True)
        assert await diff_schema(database, []) == []
        (back,) = reversed_all(steps, Schema(dialect="mongodb"))
        assert back == CreateCollection("posts")


async def test_what_is_for_tables(mongodb_database: str) -> None:
    """Steps and renames of tables are refused by a document store, and nothing is sent."""
    mongodb.empty(mongodb_database)
    async with Database(mongodb_database) as database:
        with pytest.raises(MappingError, match="it has collections, not tables"):
            await apply_schema(
                database,
                [CreateCollection("x"), AddColumn("t", ColumnDef(name="a", type="INT"))],
            )
        with pytest.raises(MappingError, match="no columns"):
            await diff_schema(database, [], renames=Renames(tables={"a": "b"}))

        assert await diff_schema(database, []) == []
        assert database.pool.stats.in_use == 0
