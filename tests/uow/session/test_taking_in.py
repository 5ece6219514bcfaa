"""A statement of whose rows some cannot become objects leaves the identity map as it was."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support import mongodb
from uow import (
    Column,
    Database,
    Document,
    Link,
    Mapped,
    Registry,
    Related,
    RelatedList,
    Session,
    Table,
    ValidationError,
    joined,
    related,
    sql,
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]

registry = Registry()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Base(Table):
    """In a registry of its own."""

    class Settings:
        abstract = True
        registry = registry


class Writer(Base):
    """Has books."""

    id: Mapped[int] = Column(primary_key=True)
    books: RelatedList[Book] = related(default=None, back="writer")


class Book(Base):
    """Has a moment, which SQLite keeps as any text."""

    id: Mapped[int] = Column(primary_key=True)
    printed: Mapped[datetime]
    writer_id: Mapped[int | None] = Column(foreign_key="writer.id", default=None)
    writer: Related[Writer | None] = related(default=None, back="books")


class Animal(Base):
    """A hierarchy in one table."""

    class Settings(Base.Settings):
        inheritance = "single"
        discriminator = "kind"

    id: Mapped[int] = Column(primary_key=True)
    chipped: Mapped[datetime | None] = Column(default=None)


class Cat(Animal):
    """One class."""


class Dog(Animal):
    """Another."""


class Person(Base):
    """Its animal comes by an outer join."""

    id: Mapped[int] = Column(primary_key=True)
    animal_id: Mapped[int | None] = Column(foreign_key="animal.id", default=None)
    animal: Related[Animal | None] = related(default=None)


class Shape(Base):
    """A hierarchy with a table and an identity for each class."""

    class Settings(Base.Settings):
        inheritance = "concrete"

    id: Mapped[int] = Column(primary_key=True)
    drawn: Mapped[datetime]


class Circle(Shape):
    """One class."""


class Square(Shape):
    """Another."""


MODELS = [Writer, Book, Animal, Cat, Dog, Person, Shape, Circle, Square]


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    """A database with rows, of which one of each class does not fit."""
    async with Database("memory://") as database:
        await database.create_all(MODELS)
        async with Session.begin(database) as session:
            session.add_all([Writer(id=number) for number in range(1, 60)])
            session.add_all([Cat(id=1), Dog(id=2, chipped=NOW)])
            session.add_all([Circle(id=number, drawn=NOW) for number in (1, 2)])
            session.add_all([Square(id=number, drawn=NOW) for number in (1, 2)])
            await session.flush()
            session.add_all([Book(id=n, printed=NOW, writer_id=n) for n in range(1, 50)])
            session.add_all([Person(id=number, animal_id=number) for number in (1, 2)])
            session.add(Person(id=3))
        yield database


async def spoil(database: Database, text: str) -> None:
    """Store what fits no class."""
    async with Session.begin(database) as session:
        await session.execute(sql(text))


def held(session: Session) -> list[Any]:
    """The objects in the identity map."""
    return [obj for one in session._unit.ledger.identity.values() for obj in one.values()]


@pytest.mark.parametrize("knows_some", [False, True])
async def test_joined(database: Database, knows_some: bool) -> None:
    """Owners do not stay where what is joined to them cannot be made; nor the other way round."""
    await spoil(database, "UPDATE book SET printed = 'never' WHERE id = 40")
    async with Session(database) as session:
        if knows_some:
            await session.get(Writer, 3)
            await session.get(Book, 7)
        before = held(session)
        queries: list[Any] = [
            session.find(Writer).load(joined(Writer.books)),
            session.find(Writer, Writer.id > 30).load(joined(Writer.books)),
            session.find(Book).load(joined(Book.writer)),
        ]
        for query in queries:
            with pytest.raises(Exception, match="never"):
                await query.to_list()
            assert held(session) == before

        with pytest.raises(Exception, match="never"):
            await session.get(Writer, 40, load=[joined(Writer.books)])
        assert held(session) == before
        # What can be read is, as if nothing had been.
        found = await queries[1].filter(Writer.id != 40).to_list()
        assert [len(one.books) for one in found if one.id < 50] == [1] * 18


async def test_joined_below_others(database: Database) -> None:
    """What a query of its own reads, with something joined to it, comes whole or not at all."""
    await spoil(database, "UPDATE animal SET chipped = 'never' WHERE id = 2")
    async with Session(database) as session:
        with pytest.raises(Exception, match="never"):
            await session.find(Person).load(joined(Person.animal)).to_list()
        assert held(session) == []

        whole = await session.find(Person, Person.id != 2).load(joined(Person.animal)).to_list()
        assert [type(one.animal) for one in whole] == [Cat, type(None)]


@pytest.mark.parametrize(("animal", "shape"), [(1, "circle"), (2, "square")])
async def test_classes_of_a_hierarchy(database: Database, animal: int, shape: str) -> None:
    """Objects of one class do not stay where those of another cannot be made, in any order."""
    await spoil(database, f"UPDATE animal SET chipped = 'never' WHERE id = {animal}")
    await spoil(database, f"UPDATE {shape} SET drawn = 'never' WHERE id = 2")
    async with Session(database) as session:
        circle = await session.get(Circle, 1)
        for model in (Animal, Shape):
            with pytest.raises(Exception, match="never"):
                await session.find(model).to_list()
            assert held(session) == [circle]


class Mark(enum.Enum):
    """Kept by its text."""

    GOOD = "good"


class City(Document):
    """Is linked to."""

    class Settings:
        registry = registry

    name: str
    mark: Mark


class House(Document):
    """Links."""

    class Settings:
        registry = registry

    number: int
    city: Link[City]


async def test_documents_that_come_with_others(mongodb_database: str) -> None:
    """Linked documents that were looked into come in the same answer, and fail together."""
    mongodb.empty(mongodb_database)
    async with Database(mongodb_database) as database:
        await database.create_all([City, House])
        async with Session.begin(database) as session:
            city = City(name="Oslo", mark=Mark.GOOD)
            session.add_all([House(number=1, city=city), city])
        raw: Any = database.driver
        await raw.database["City"].update_one({}, {"$set": {"mark": "bad"}})
        async with Session(database) as session:
            query = session.find(House, House.city.name == "Oslo").fetch_links()
            with pytest.raises(ValidationError, match=r"City\.mark"):
                await query.to_list()

            assert held(session) == []
