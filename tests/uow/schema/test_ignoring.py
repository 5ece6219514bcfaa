"""Tables of other programs in the same database are left out of differences."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support import mongodb, postgresql
from tests.uow.schema.test_changes import base, run
from uow import (
    Column,
    Database,
    Document,
    EnumType,
    Mapped,
    MappingError,
    Registry,
    Renames,
    ValidationError,
    apply_schema,
    diff_schema,
    inspect_schema,
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a database is."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/x.db"
    server: str = request.getfixturevalue("postgresql_database")
    return server


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """An empty database."""
    if url.startswith("postgresql"):
        await postgresql.clear(url)
    async with Database(url) as database:
        yield database


@pytest.fixture
async def server(postgresql_database: str) -> AsyncIterator[Database]:
    """An empty database of PostgreSQL."""
    await postgresql.clear(postgresql_database)
    async with Database(postgresql_database) as database:
        yield database


def things(name: str = "things") -> type:
    """A table."""
    called = name

    class Thing(base()):  # type: ignore[misc]
        class Settings:
            name = called

        id: Mapped[int] = Column(primary_key=True)

    return Thing


def texts(steps: list[Any]) -> list[str]:
    """What steps say."""
    return [str(step) for step in steps]


async def test_tables_of_others(database: Database) -> None:
    """G3: what a pattern names is not dropped; all else is, and what models have is compared."""
    celery = things("celery_results")
    await database.create_all([things()])
    await run(
        database,
        "CREATE TABLE celery_tasks (id INTEGER PRIMARY KEY)",
        "CREATE TABLE celery_meta (id INTEGER REFERENCES celery_tasks (id))",
        "CREATE TABLE old (id INTEGER)",
    )

    found = await diff_schema(database, [things(), celery], ignore=["celery_*"])
    assert sorted(texts(found)) == ["create the table celery_results", "drop the table old"]
    await apply_schema(database, found, allow_destructive=True)
    assert await diff_schema(database, [things(), celery], ignore=["celery_*"]) == []
    # Without the class its table is one of theirs.
    assert await diff_schema(database, [things()], ignore=["celery_*"]) == []
    left = await diff_schema(database, [things()], ignore=["celery_[tm]*", "CELERY_*"])
    assert texts(left) == ["drop the table celery_results"]


async def test_what_refers_to_ours_still_does(database: Database) -> None:
    """A table of ours may be built anew, or changed, under the eyes of theirs that refers to it."""

    class Thing(base()):  # type: ignore[misc]
        class Settings:
            name = "things"

        id: Mapped[int] = Column(primary_key=True)
        amount: Mapped[Decimal] = Column(precision=10, scale=2, default=Decimal(1))

    await run(
        database,
        "CREATE TABLE things (id INTEGER PRIMARY KEY, amount INTEGER)",
        "CREATE TABLE celery_meta (id INTEGER REFERENCES things (id))",
        "INSERT INTO things (id, amount) VALUES (1, 2)",
        "INSERT INTO celery_meta (id) VALUES (1)",
    )

    found = await diff_schema(database, [Thing], ignore=["celery_*"])
    await apply_schema(database, found, allow_destructive=True)

    assert await diff_schema(database, [Thing], ignore=["celery_*"]) == []
    theirs = (await inspect_schema(database)).table("celery_meta")
    assert theirs is not None
    assert [key.target.name for key in theirs.foreign_keys] == ["things"]
    assert await run(database, "SELECT count(*) FROM celery_meta") == [(1,)]


async def test_what_is_renamed_is_asked_for(database: Database) -> None:
    """A table of others becomes ours by a rename; nothing asks whether one that stays was meant."""
    await run(database, "CREATE TABLE celery_tasks (id INTEGER PRIMARY KEY)")
    renames = Renames(tables={"celery_tasks": "things"})

    found = await diff_schema(database, [things()], renames=renames, ignore=["celery_*"])
    assert texts(found)[0] == "rename the table celery_tasks to things"
    with pytest.raises(MappingError, match="is not there"):
        await diff_schema(
            database, [things()], renames=Renames(tables={"celery": "things"}), ignore=["celery_*"]
        )


@pytest.mark.parametrize("ignore", ["celery_*", b"celery", [""], [3], None, 3])
async def test_what_is_no_pattern(database: Database, ignore: Any) -> None:
    """One text would be read letter by letter, so it is refused as others are."""
    with pytest.raises(ValidationError, match="ignore= is a list of patterns"):
        await diff_schema(database, [things()], ignore=ignore)


async def test_what_tables_of_others_stand_on(server: Database) -> None:
    """Their types, those that these are made of, and their sequences stay with them."""
    await run(
        server,
        "CREATE TYPE celery_mood AS ENUM ('ok')",
        "CREATE TYPE theirs AS ENUM ('ok')",
        "CREATE TYPE pair AS (one theirs, two INTEGER)",
        "CREATE TYPE ours AS ENUM ('ok')",
        "CREATE SEQUENCE numbers",
        "CREATE SEQUENCE unused",
        "CREATE TABLE celery_tasks (id INTEGER DEFAULT nextval('numbers'), a pair, b celery_mood)",
    )

    found = await diff_schema(server, [], ignore=["celery_*"])

    assert sorted(texts(found)) == ["drop the sequence unused", "drop the type ours"]
    await apply_schema(server, found, allow_destructive=True)


async def test_a_type_that_both_use(server: Database) -> None:
    """A type of a model's is compared, whoever else uses it."""
    made: Any = enum.Enum("Mood", {"OK": "ok", "ODD": "odd"})  # type: ignore[misc]

    class Post(base()):  # type: ignore[misc]
        class Settings:
            name = "posts"

        id: Mapped[int] = Column(primary_key=True)
        mood: Mapped[made] = Column(type=EnumType(made, native="mood"))

    await run(
        server, "CREATE TYPE mood AS ENUM ('ok')", "CREATE TABLE celery_tasks (id INTEGER, a mood)"
    )

    found = await diff_schema(server, [Post], ignore=["celery_*"])

    assert [text.split(" ")[0] for text in texts(found)] == ["change", "create"]
    await apply_schema(server, found)


async def test_a_schema_of_others(server: Database) -> None:
    """With its schema a pattern names all tables in it, or one of a name that comes twice."""
    await run(
        server,
        "CREATE SCHEMA audit",
        "CREATE TABLE audit.log (id INTEGER)",
        "CREATE TABLE log (id INTEGER)",
    )
    try:
        for pattern, left in (
            ("audit.*", ["drop the table log"]),
            ("log", []),
            ("*.log", ["drop the table log"]),
        ):
            found = await diff_schema(server, [], schemas=["audit"], ignore=[pattern])
            assert texts(found) == left, pattern
    finally:
        await run(server, "DROP SCHEMA audit CASCADE")


async def test_collections_of_others(mongodb_database: str) -> None:
    """Collections are left alone in the same way."""
    mongodb.empty(mongodb_database)

    class Post(Document):
        class Settings:
            name = "posts"
            registry = Registry()

    async with Database(mongodb_database) as database:
        await database.create_all([Post])
        for name in ("celery_tasks", "old"):
            await database.driver.database.create_collection(name)  # type: ignore[attr-defined]

        assert texts(await diff_schema(database, [Post], ignore=["celery_*"])) == [
            "drop the collection old"
        ]
        with pytest.raises(ValidationError, match="ignore= is a list"):
            await diff_schema(database, [Post], ignore="celery_*")
