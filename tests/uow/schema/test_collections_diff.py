"""Collections and indexes of MongoDB in the same difference."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support import mongodb
from uow import (
    ConstraintError,
    Database,
    DestructiveChangeError,
    Document,
    MappingError,
    Registry,
    Renames,
    Session,
    apply_schema,
    diff_schema,
    revert_migrations,
    run_migrations,
)
from uow.mapping.mapper import mapper_of
from uow.mapping.timeseries import TimeSeriesConfig
from uow.schema.collection_steps import CreateCollection
from uow.schema.collection_text import collection_migration_text
from uow.schema.collections import inspect_collections
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
        await apply_schema(database, reversed_all(steps, Schema(dialect="mongodb")))
        assert await diff_schema(database, [first]) == []


def checked(**settings: Any) -> type[Document]:
    """A document class that the store checks."""
    own = Registry()

    class Post(Document):
        Settings = type("Settings", (), {"name": "posts", "registry": own, **settings})

        title: str
        score: int = 0

    return Post


SCHEMA = {
    "$jsonSchema": {
        "bsonType": "object",
        "required": ["title"],
        "properties": {"title": {"bsonType": "string", "minLength": 2}},
    }
}


async def test_validators(mongodb_database: str) -> None:
    """G3: validators are made with their collection, compared, changed, taken away, and back."""
    mongodb.empty(mongodb_database)
    strict: Any = checked(validator=SCHEMA)
    mild = checked(
        validator={"score": {"$gte": 0}, "title": re.compile("^[a-z]", re.IGNORECASE)},
        validation_level="moderate",
        validation_action="warn",
    )
    async with Database(mongodb_database) as database:
        await database.create_all([strict])
        assert await diff_schema(database, [strict]) == []
        async with Session(database) as session:
            session.add(strict(title="x"))
            with pytest.raises(ConstraintError, match="the collection's validator"):
                await session.commit()
            await session.rollback()
            session.add(strict(title="long enough"))
            await session.commit()

        with pytest.raises(MappingError, match="'posts' has another validator than the class"):
            await database.create_all([mild])
        steps = await diff_schema(database, [mild])
        assert [str(step) for step in steps] == [
            "change the validator and level of validation and action of validation of posts"
        ]
        await apply_schema(database, steps)
        assert await diff_schema(database, [mild]) == []
        (found,) = await inspect_collections(database.pool)
        assert (found.name, found.validation["validationAction"]) == ("posts", "warn")
        await database.create_all([mild])

        plain = checked()
        await database.create_all([plain])  # which says nothing of it
        gone = await diff_schema(database, [plain])
        assert [str(step) for step in gone] == ["drop the validator of posts"]
        await apply_schema(database, gone)
        assert await diff_schema(database, [plain]) == []
        (made,) = await diff_schema(database, [strict])
        assert str(made) == "add a validator to posts"
        await apply_schema(database, reversed_all(gone, Schema(dialect="mongodb")))
        await apply_schema(database, reversed_all(steps, Schema(dialect="mongodb")))
        assert await diff_schema(database, [strict]) == []

        dropped = await diff_schema(database, [])
        await apply_schema(database, dropped, allow_destructive=True)
        await apply_schema(database, reversed_all(dropped, Schema(dialect="mongodb")))
        assert await diff_schema(database, [strict]) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"validator": {}}, "Post.Settings.validator is a filter"),
        ({"validator": []}, "Post.Settings.validator must be a Mapping, got list"),
        ({"validation_level": "strict"}, "Post.Settings.validation_level goes with a validator"),
        (
            {"validator": SCHEMA, "validation_action": "shout"},
            "Post.Settings.validation_action is one of 'error', 'warn'",
        ),
        (
            {"validator": SCHEMA, "timeseries": TimeSeriesConfig(time_field="at")},
            "Post.Settings.validator: views and measurements have none",
        ),
    ],
)
async def test_wrong_validators(settings: dict[str, Any], message: str) -> None:
    """A validator that cannot be one is refused when the class is defined."""
    with pytest.raises(MappingError, match=re.escape(message)):
        checked(**settings)


async def test_a_family_is_checked_for_one_thing() -> None:
    """Classes that share a collection share its validator, which the root says."""
    own = Registry()

    class Vehicle(Document):
        class Settings:
            is_root = True
            registry = own
            validator = SCHEMA

    class Car(Vehicle):
        class Settings:
            registry = own

    car = mapper_of(Car).document
    assert car is not None
    assert car.validation is not None
    with pytest.raises(MappingError, match=r"Bike\.Settings\.validator: .* collection of Vehicle"):

        class Bike(Vehicle):
            class Settings:
                registry = own
                validator = {"wheels": 2}  # noqa: RUF012 - read once, by the mapping


async def test_the_text_of_a_migration(mongodb_database: str, tmp_path: Path) -> None:
    """G3: what is written of steps over collections does them, and takes them back."""
    mongodb.empty(mongodb_database)
    limits = {"at": {"$gte": datetime(2020, 1, 1, tzinfo=UTC)}, "title": re.compile("^a")}
    before = checked(validator=SCHEMA, indexes=[{"fields": ["-score"], "name": "by_score"}])
    after = checked(
        validator=limits,
        validation_action="warn",
        indexes=[
            {"fields": ["title"], "unique": True, "name": "by_title"},
            {"fields": [("title", "text")], "name": "words"},
        ],
    )
    async with Database(mongodb_database) as database:
        await database.create_all([before])
        steps = await diff_schema(database, [after])
        text = collection_migration_text(steps, version="1", name="other checks")
        assert "await self.set_validator(" in text
        assert 'await self.create_index("posts", ["title"], name="by_title", unique=True)' in text
        (tmp_path / "1_checks.py").write_text(text, encoding="utf-8")
        await run_migrations(database, tmp_path)
        assert await diff_schema(database, [after]) == []
        await revert_migrations(database, tmp_path)
        assert await diff_schema(database, [before]) == []

        dropped = await diff_schema(database, [])
        text = collection_migration_text(dropped, version="2", name="nothing")
        assert "# Loses data: drop the collection posts." in text
        assert 'await self.create_collection(\n            "posts",\n' in text
        mongodb.drop(mongodb_database)


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
