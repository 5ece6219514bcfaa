"""PostgreSQL: row types, numbers of columns, and models of what has them, changed by steps."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any

import attrs
import pytest

from tests.support.postgresql import clear
from tests.uow.schema.test_changes import run
from tests.uow.schema.test_texts import classes_of
from uow import (
    Column,
    Database,
    Mapped,
    MappingError,
    Registry,
    Session,
    Table,
    apply_schema,
    diff_schema,
    inspect_schema,
)
from uow.schema.description import ColumnDef
from uow.schema.model_text import models_text
from uow.schema.steps import AlterColumn, RunSQL, reversed_all
from uow.types import Array, Composite

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]


@pytest.fixture
async def database(postgresql_database: str) -> AsyncIterator[Database]:
    """An empty database."""
    await clear(postgresql_database)
    async with Database(postgresql_database) as database:
        yield database
    await clear(postgresql_database)


@attrs.frozen
class First:
    street: str
    number: int
    gone: str | None = None


@attrs.frozen
class Longer:
    street: str
    number: int
    city: str | None = None


@attrs.frozen
class Turned:
    city: str | None
    number: str
    street: str


def people(class_: Any, *, many: bool = False) -> type[Table]:
    """A table with a column of a row type, or with many of it."""
    own = Registry()
    type_ = Composite(class_, name="place")
    hint: Any = list[class_] if many else class_

    class Person(Table):
        class Settings:
            name = "people"
            registry = own

        id: Mapped[int] = Column(primary_key=True)
        home: Mapped[hint] = Column(type=Array(type_) if many else type_, nullable=True)

    return Person


async def test_fields_of_rows(database: Database) -> None:
    """G3: fields are added, dropped, moved and retyped; what they hold stays, and the way back."""
    await database.create_all([people(First)])
    rows = "INSERT INTO people VALUES (1, ROW('Main St', 7, 'x')), (2, NULL)"
    await run(database, rows)

    longer = await diff_schema(database, [people(Longer)])
    assert [str(step) for step in longer] == ["change the fields of place: add city, take out gone"]
    assert longer[0].is_destructive
    before = await inspect_schema(database)
    await apply_schema(database, longer, allow_destructive=True)
    assert await diff_schema(database, [people(Longer)]) == []
    found = "SELECT id, (home).street, (home).number::text FROM people ORDER BY id"
    assert await run(database, found) == [(1, "Main St", "7"), (2, None, None)]

    between = await inspect_schema(database)
    turned = await diff_schema(database, [people(Turned)])
    await apply_schema(database, turned, allow_destructive=True)
    assert await diff_schema(database, [people(Turned)]) == []
    assert await run(database, found) == [(1, "Main St", "7"), (2, None, None)]
    assert await run(database, "SELECT id FROM people WHERE home IS NULL") == [(2,)]

    await apply_schema(database, reversed_all(turned, between), allow_destructive=True)
    await apply_schema(database, reversed_all(longer, before), allow_destructive=True)
    assert await diff_schema(database, [people(First)]) == []
    assert await run(database, found) == [(1, "Main St", "7"), (2, None, None)]


async def test_fields_of_many_rows(database: Database) -> None:
    """Fields behind the others can be added to many; what PostgreSQL cannot do is refused."""
    await database.create_all([people(First, many=True)])
    await run(database, "INSERT INTO people VALUES (1, ARRAY[ROW('Main St', 7, 'x')::place])")
    steps = await diff_schema(database, [people(Longer, many=True)])
    await apply_schema(database, steps, allow_destructive=True)
    assert await diff_schema(database, [people(Longer, many=True)]) == []
    steps = await diff_schema(database, [people(Turned, many=True)])
    with pytest.raises(MappingError, match=r"people\.home has many of them"):
        await apply_schema(database, steps, allow_destructive=True)
    assert await run(database, "SELECT (home[1]).street FROM people") == [("Main St",)]


SERIAL = ColumnDef(name="n", type="INTEGER", nullable=False, identity="serial")


@pytest.mark.parametrize("identity", [None, "by default", "always"])
async def test_from_serial(database: Database, identity: str | None) -> None:
    """G3: a serial column becomes a plain one or an identity, and comes back; numbers go on."""
    texts = (
        "CREATE TABLE things (n serial PRIMARY KEY, word text)",
        "INSERT INTO things (word) VALUES ('a'), ('b')",
    )
    await apply_schema(database, [RunSQL(texts)])
    before = await inspect_schema(database)
    table = before.table("things")
    assert table is not None
    assert table.columns[0] == SERIAL
    steps = [AlterColumn("things", SERIAL, attrs.evolve(SERIAL, identity=identity))]
    await apply_schema(database, steps)

    after = (await inspect_schema(database)).table("things")
    assert after is not None
    assert (after.columns[0].identity, after.columns[0].default) == (identity, None)
    sequences = "SELECT count(*) FROM pg_class WHERE relkind = 'S'"
    assert await run(database, sequences) == [(0 if identity is None else 1,)]
    if identity is not None:
        await run(database, "INSERT INTO things (word) VALUES ('c')")
    await apply_schema(database, reversed_all(steps, before))
    assert await inspect_schema(database) == before
    await run(database, "INSERT INTO things (word) VALUES ('d')")
    expected = [(1,), (2,), (3,)] if identity is None else [(1,), (2,), (3,), (4,)]
    assert await run(database, "SELECT n FROM things ORDER BY n") == expected


async def test_serial_is_no_difference(database: Database) -> None:
    """A model's number and a serial column are the same, and the table is made again as it was."""

    class Thing(Table):
        class Settings:
            name = "things"
            registry = Registry()

        n: Mapped[int] = Column(primary_key=True, auto_increment=True)

    await apply_schema(database, [RunSQL(("CREATE TABLE things (n bigserial PRIMARY KEY)",))])
    before = await inspect_schema(database)
    assert await diff_schema(database, [Thing]) == []
    steps = await diff_schema(database, [])
    await apply_schema(database, steps, allow_destructive=True)
    await apply_schema(database, reversed_all(steps, before))
    assert await inspect_schema(database) == before


@pytest.fixture
def module() -> Iterator[ModuleType]:
    """A module to run text in; its classes are registered for the test alone."""
    made = ModuleType("made_of_numbers")
    sys.modules[made.__name__] = made
    yield made
    del sys.modules[made.__name__]


async def test_numbers_that_are_no_key(database: Database, module: ModuleType) -> None:
    """G3: columns that are numbered and no key are read, written as models, and filled."""
    text = (
        "CREATE TABLE numbers (id serial PRIMARY KEY, bs bigserial, ss smallserial, "
        "own int GENERATED ALWAYS AS IDENTITY, given bigint GENERATED BY DEFAULT AS IDENTITY, "
        "word text)"
    )
    await apply_schema(database, [RunSQL((text,))])
    there = await inspect_schema(database)
    text = models_text(there, database.dialect.definitions)
    exec(compile(text, "models.py", "exec"), module.__dict__)
    (numbers,) = classes_of(module)
    assert await diff_schema(database, [numbers]) == []
    async with Session(database) as session:
        made: Any = [numbers(word="a"), numbers(word="b")]
        session.add_all(made)
        await session.commit()
        found = [(one.id, one.bs, one.ss, one.own, one.given) for one in made]
        assert sorted(found) == [(1, 1, 1, 1, 1), (2, 2, 2, 2, 2)]

    await apply_schema(database, await diff_schema(database, []), allow_destructive=True)
    await database.create_all([numbers])
    assert await diff_schema(database, [numbers]) == []


async def test_numbers_elsewhere() -> None:
    """Other stores number the key alone, and say so."""

    class Thing(Table):
        class Settings:
            name = "things"
            registry = Registry()

        id: Mapped[int] = Column(primary_key=True)
        n: Mapped[int] = Column(identity="by default")

    async with Database("sqlite://") as database:
        with pytest.raises(MappingError, match=r"Thing\.n: only PostgreSQL numbers a column"):
            await database.create_all([Thing])
