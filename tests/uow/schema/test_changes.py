"""Models change; the steps follow them, rows stay, and the steps back lead back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.uow.schema.stores import EACH_STORE, make_empty, store_url
from uow import (
    Column,
    ConstraintError,
    ConstraintKind,
    Database,
    DestructiveChangeError,
    Mapped,
    MappingError,
    Registry,
    Session,
    Table,
    sql,
)
from uow.schema.compare import Renames
from uow.schema.description import ColumnDef
from uow.schema.live import apply_schema, compare_schema, diff_schema, inspect_schema
from uow.schema.steps import AlterColumn, RunSQL, reversed_all
from uow.types import Integer

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


def base() -> type[Table]:
    """A base class with a registry of its own, so that names may come again."""
    own = Registry()

    class Base(Table):
        class Settings:
            abstract = True
            registry = own

    return Base


def first() -> list[type]:
    """Three tables with a bit of everything."""
    Base = base()  # noqa: N806 - a class

    class City(Base):  # type: ignore[valid-type, misc]
        class Settings:
            name = "cities"

        id: Mapped[int] = Column(primary_key=True)
        name: Mapped[str] = Column(max_length=20)

    class User(Base):  # type: ignore[valid-type, misc]
        class Settings:
            name = "users"
            indexes = [{"fields": ["name", "age"]}, {"fields": ["age"], "name": "by_age"}]  # noqa: RUF012

        id: Mapped[int] = Column(primary_key=True, auto_increment=True)
        email: Mapped[str] = Column(unique=True, max_length=50)
        name: Mapped[str] = Column(max_length=10)
        age: Mapped[int] = Column(type=Integer(16), check="age > 0")
        city_id: Mapped[int | None] = Column(foreign_key="cities.id", default=None)
        money: Mapped[Decimal] = Column(precision=8, scale=2, server_default="0")
        twice: Mapped[int | None] = Column(generated="age * 2")
        old: Mapped[str | None] = Column(default=None)

    class Gone(Base):  # type: ignore[valid-type, misc]
        class Settings:
            name = "gone"

        id: Mapped[int] = Column(primary_key=True)
        user_id: Mapped[int | None] = Column(foreign_key="users.id", default=None)

    return [City, User, Gone]


def second() -> list[type]:
    """Other columns, constraints and indexes; one table less, two in a circle more."""
    Base = base()  # noqa: N806

    class City(Base):  # type: ignore[valid-type, misc]
        class Settings:
            name = "cities"
            comment = "Where people live"

        id: Mapped[int] = Column(primary_key=True)
        name: Mapped[str] = Column(max_length=40, unique=True)

    class User(Base):  # type: ignore[valid-type, misc]
        class Settings:
            name = "users"
            indexes = [{"fields": ["age"], "name": "by_age", "unique": True}, {"fields": ["-id"]}]  # noqa: RUF012
            constraints = [{"unique": ["email", "name"]}]  # noqa: RUF012

        id: Mapped[int] = Column(primary_key=True, auto_increment=True)
        email: Mapped[str] = Column(max_length=50)
        name: Mapped[str | None] = Column(max_length=30, server_default="'nobody'")
        age: Mapped[int] = Column(check="age > 1")
        city_id: Mapped[int | None] = Column(
            foreign_key="cities.id", on_delete="cascade", default=None
        )
        money: Mapped[Decimal] = Column(precision=12, scale=2, server_default="1")
        twice: Mapped[int | None] = Column(generated="age * 2 + 1")
        level: Mapped[int] = Column(server_default="7", comment="how high")
        friend_id: Mapped[int | None] = Column(foreign_key="users.id", default=None)

    class Left(Base):  # type: ignore[valid-type, misc]
        class Settings:
            name = "lefts"

        id: Mapped[int] = Column(primary_key=True)
        right_id: Mapped[int | None] = Column(foreign_key="rights.id", default=None)

    class Right(Base):  # type: ignore[valid-type, misc]
        class Settings:
            name = "rights"

        id: Mapped[int] = Column(primary_key=True)
        left_id: Mapped[int | None] = Column(foreign_key="lefts.id", default=None)

    return [City, User, Left, Right]


async def run(database: Database, *texts: str) -> list[Any]:
    """Run statements; give the rows of the last."""
    found: Any = []
    async with Session.begin(database) as session:
        for text in texts:
            found = await session.execute(sql(text))
    return [tuple(row) for row in found] if isinstance(found, list) else []


FILLED = (
    "INSERT INTO cities (id, name) VALUES (1, 'Rome')",
    "INSERT INTO users (email, name, age, city_id) VALUES ('a@x', 'Ann', 3, 1)",
    "INSERT INTO users (email, name, age) VALUES ('b@x', 'Bob', 4)",
    "INSERT INTO users (email, name, age) VALUES ('c@x', 'Cy', 5)",
    "DELETE FROM users WHERE id = 3",
)


async def test_there_and_back(database: Database) -> None:
    """G3: steps lead from one set of models to another, and back; rows stay."""
    await database.create_all(first())
    await run(database, *FILLED)
    before = await inspect_schema(database)
    steps = await diff_schema(database, second())
    await apply_schema(database, steps, allow_destructive=True)

    assert [str(step) for step in await diff_schema(database, second())] == []
    rows = await run(database, "SELECT id, email, name, age, city_id, twice, level FROM users")
    assert sorted(rows) == [(1, "a@x", "Ann", 3, 1, 7, 7), (2, "b@x", "Bob", 4, None, 9, 7)]

    await apply_schema(database, reversed_all(steps, before), allow_destructive=True)
    assert [str(step) for step in await diff_schema(database, first())] == []
    rows = await run(database, "SELECT id, email, name, age, city_id, twice FROM users")
    assert sorted(rows) == [(1, "a@x", "Ann", 3, 1, 6), (2, "b@x", "Bob", 4, None, 8)]

    # The numbers go on behind that of a row that is gone.
    await run(database, "INSERT INTO users (email, name, age) VALUES ('d@x', 'Di', 9)")
    assert (await run(database, "SELECT max(id) FROM users")) == [(4,)]


async def test_truth_values_and_numbers(database: Database) -> None:
    """G3: a bool becomes a number and comes back, on every store."""
    store = database.dialect.name
    text = "CREATE TABLE flags (id BIGINT NOT NULL PRIMARY KEY, it BOOLEAN NOT NULL)"
    await apply_schema(database, [RunSQL((text, "INSERT INTO flags VALUES (1, TRUE)"))])
    truth = ColumnDef(name="it", type="BOOLEAN", nullable=False)
    number = ColumnDef(name="it", type="BIGINT", nullable=False)
    await apply_schema(database, [AlterColumn("flags", truth, number)], allow_destructive=True)
    assert await run(database, "SELECT it + 1 FROM flags") == [(2,)]
    await apply_schema(database, [AlterColumn("flags", number, truth)], allow_destructive=True)
    assert await run(database, "SELECT it FROM flags") == [(True if store == "postgresql" else 1,)]


async def test_nulls_that_are_there(database: Database) -> None:
    """G3: a column that holds NULL is not made to take none, with the same words on every store."""
    text = "CREATE TABLE notes (id BIGINT NOT NULL PRIMARY KEY, n BIGINT)"
    await apply_schema(database, [RunSQL((text, "INSERT INTO notes VALUES (1, NULL)"))])
    before = ColumnDef(name="n", type="BIGINT")
    step = AlterColumn("notes", before, ColumnDef(name="n", type="BIGINT", nullable=False))
    with pytest.raises(
        ConstraintError, match=r"notes\.n holds NULL, and is to take none"
    ) as caught:
        await apply_schema(database, [step])
    assert (caught.value.kind, caught.value.columns) == (ConstraintKind.NOT_NULL, ("n",))
    fill = RunSQL(("UPDATE notes SET n = 7",))
    await apply_schema(database, [fill, step])
    assert await run(database, "SELECT n FROM notes") == [(7,)]


async def test_what_is_lost_is_asked_for(database: Database) -> None:
    """G3: a step that throws something away is marked, and refused without a word."""
    await database.create_all(first())
    steps = await diff_schema(database, second())

    with pytest.raises(DestructiveChangeError, match=r"gone.*users\.old") as caught:
        await apply_schema(database, steps)
    assert [str(step) for step in caught.value.steps] == [
        "drop the table gone",
        "drop the column users.old",
    ]
    assert [str(step) for step in await diff_schema(database, first())] == []


async def test_renames_are_told(database: Database) -> None:
    """G3: a rename is a question; the answer keeps the rows, with what is over the column."""
    Base = base()  # noqa: N806

    class Person(Base):  # type: ignore[valid-type, misc]
        class Settings:
            name = "people"

        id: Mapped[int] = Column(primary_key=True)
        years: Mapped[int] = Column(check="years > 0", index=True)
        twice: Mapped[int | None] = Column(generated="years * 2")
        boss_id: Mapped[int | None] = Column(foreign_key="people.id", default=None)

    class Human(base()):  # type: ignore[misc]
        class Settings:
            name = "humans"

        id: Mapped[int] = Column(primary_key=True)
        age: Mapped[int] = Column(check="age > 0", index=True)
        twice: Mapped[int | None] = Column(generated="age * 2")
        boss_id: Mapped[int | None] = Column(foreign_key="humans.id", default=None)

    await database.create_all([Person])
    await run(
        database,
        "INSERT INTO people (id, years) VALUES (1, 20)",
        "INSERT INTO people (id, years, boss_id) VALUES (2, 30, 1)",
    )
    found = await compare_schema(database, [Human])

    assert [str(question) for question in found.questions] == [
        "is the table humans the one that was called people?"
    ]
    assert any(step.is_destructive for step in found.steps)
    renames = Renames(tables={"people": "humans"})
    found = await compare_schema(database, [Human], renames=renames)
    assert [str(question) for question in found.questions] == [
        "is humans.age the column that was called years?"
    ]
    renames = Renames(tables={"people": "humans"}, columns={"humans": {"years": "age"}})
    steps = await diff_schema(database, [Human], renames=renames)
    before = await inspect_schema(database)
    await apply_schema(database, steps)

    assert [str(step) for step in await diff_schema(database, [Human])] == []
    rows = await run(database, "SELECT id, age, twice, boss_id FROM humans")
    assert sorted(rows) == [(1, 20, 40, None), (2, 30, 60, 1)]
    await apply_schema(database, reversed_all(steps, before))
    assert [str(step) for step in await diff_schema(database, [Person])] == []
    assert len(await run(database, "SELECT * FROM people")) == 2


@pytest.mark.parametrize(
    ("renames", "message"),
    [
        (Renames(tables={"nobody": "users"}), "the table nobody: it is not there"),
        (Renames(tables={"users": "nobody"}), "the table nobody: it is not wanted"),
        (Renames(columns={"users": {"nothing": "name"}}), r"users\.nothing: it is not there"),
        (Renames(columns={"users": {"name": "nothing"}}), r"users\.nothing: it is not wanted"),
        (Renames(columns={"users": {"old": "name"}}), "there is such a column already"),
    ],
)
async def test_wrong_renames(tmp_path: Path, renames: Renames, message: str) -> None:
    """A rename of what is not there, or to what nobody wants, is refused by name."""
    async with Database(f"sqlite:///{tmp_path}/x.db") as database:
        await database.create_all(first())
        with pytest.raises(MappingError, match=message):
            await diff_schema(database, first(), renames=renames)


async def test_rows_need_values(database: Database) -> None:
    """A column without NULL and default is refused for rows that are there, on every store."""
    Base = base()  # noqa: N806

    class City(Base):  # type: ignore[valid-type, misc]
        class Settings:
            name = "cities"

        id: Mapped[int] = Column(primary_key=True)
        name: Mapped[str] = Column(max_length=20)
        size: Mapped[int]

    await database.create_all(first()[:1])
    await run(database, FILLED[0])
    steps = await diff_schema(database, [City])
    with pytest.raises(ConstraintError, match=r"cities\.size takes no NULL") as caught:
        await apply_schema(database, steps)

    assert caught.value.columns == ("size",)
    assert database.pool.stats.in_use == 0
    await run(database, "DELETE FROM cities")
    await apply_schema(database, steps)
    assert await diff_schema(database, [City]) == []
