"""Documents of MongoDB: find, insert, change, get by id."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from pymongo import UpdateOne

from benchmarks import by_hand_mongodb
from benchmarks.by_hand_mongodb import MongodbPlace, as_documents, id_of, read_four
from benchmarks.measure import ContenderSteps, Row, Sizes, timed
from benchmarks.people import Values, values
from uow import Database, Document, Session, init_documents


class Person(Document):
    """A document of the collection."""

    class Settings:
        name = "people"

    email: str
    name: str
    age: int
    score: float
    city: str


@asynccontextmanager
async def opened(place: MongodbPlace) -> AsyncGenerator[Database]:
    """A database to which the class is bound."""
    async with Database(place.url, **place.options) as db:
        await init_documents(database=db, document_models=[Person])
        yield db


def make_people(rows: Iterable[Values]) -> list[Person]:
    """New objects, one a row."""
    return [
        Person(email=email, name=name, age=age, score=score, city=city)
        for email, name, age, score, city in rows
    ]


def read_objects(people: Iterable[Any]) -> None:
    """Read four attributes of each."""
    for person in people:
        person.email
        person.name
        person.age
        person.city


# -- find


@asynccontextmanager
async def find_by_hand(place: MongodbPlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(sizes.load)
    async with by_hand_mongodb.open_pymongo(place.url) as client:
        people = client.get_default_database().people

        async def once() -> float:
            with timed() as watch:
                read_four(await people.find().to_list())
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def find_with_uow(place: MongodbPlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(sizes.load)
    async with opened(place) as db:

        async def once() -> float:
            with timed() as watch:
                async with Session(db) as session:
                    read_objects(await session.find(Person).to_list())
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def find_with_beanie(place: MongodbPlace, sizes: Sizes) -> ContenderSteps:
    from benchmarks import with_beanie

    await place.fill(sizes.load)
    async with with_beanie.opened(place):

        async def once() -> float:
            with timed() as watch:
                read_objects(await with_beanie.Person.find_all().to_list())
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def find_with_odmantic(place: MongodbPlace, sizes: Sizes) -> ContenderSteps:
    from benchmarks import with_odmantic

    await place.fill(sizes.load)
    async with with_odmantic.opened(place) as engine:

        async def once() -> float:
            with timed() as watch:
                read_objects(await engine.find(with_odmantic.Person))
            return watch.seconds * 1e3

        yield once


# -- insert; the objects are made beforehand


@asynccontextmanager
async def insert_by_hand(place: MongodbPlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(0)
    async with by_hand_mongodb.open_pymongo(place.url) as client:
        people = client.get_default_database().people

        async def once() -> float:
            await place.refresh()
            documents = as_documents(values(sizes.insert))
            with timed() as watch:
                async with client.start_session() as session, await session.start_transaction():
                    await people.insert_many(documents, session=session)
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def insert_with_uow(place: MongodbPlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(0)
    async with opened(place) as db:

        async def once() -> float:
            await place.refresh()
            people = make_people(values(sizes.insert))
            async with Session(db) as session:
                with timed() as watch:
                    session.add_all(people)
                    await session.flush()
                    await session.commit()
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def insert_with_beanie(place: MongodbPlace, sizes: Sizes) -> ContenderSteps:
    from benchmarks import with_beanie

    await place.fill(0)
    async with with_beanie.opened(place) as client:

        async def once() -> float:
            await place.refresh()
            people = with_beanie.make_people(values(sizes.insert))
            with timed() as watch:
                async with client.start_session() as session, await session.start_transaction():
                    await with_beanie.Person.insert_many(people, session=session)
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def insert_with_odmantic(place: MongodbPlace, sizes: Sizes) -> ContenderSteps:
    from benchmarks import with_odmantic

    await place.fill(0)
    async with with_odmantic.opened(place) as engine:

        async def once() -> float:
            await place.refresh()
            people = with_odmantic.make_people(values(sizes.insert))
            with timed() as watch:
                async with engine.transaction() as transaction:
                    await transaction.save_all(people)
                    await transaction.commit()
            return watch.seconds * 1e3

        yield once


# -- change one field of each and save; the objects are loaded beforehand


@asynccontextmanager
async def change_by_hand(place: MongodbPlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(sizes.documents)
    async with by_hand_mongodb.open_pymongo(place.url) as client:
        people = client.get_default_database().people

        async def once() -> float:
            await place.refresh()
            documents = await people.find().to_list()
            with timed() as watch:
                changes = [
                    UpdateOne({"_id": one["_id"]}, {"$set": {"age": one["age"] + 1}})
                    for one in documents
                ]
                async with client.start_session() as session, await session.start_transaction():
                    await people.bulk_write(changes, session=session)
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def change_with_uow(place: MongodbPlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(sizes.documents)
    async with opened(place) as db:

        async def once() -> float:
            await place.refresh()
            async with Session(db) as session:
                people = await session.find(Person).to_list()
                # What was read belongs to the transaction that the change is in.
                with timed() as watch:
                    for person in people:
                        person.age += 1
                    await session.commit()
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def change_with_beanie(place: MongodbPlace, sizes: Sizes) -> ContenderSteps:
    from benchmarks import with_beanie

    await place.fill(sizes.documents)
    async with with_beanie.opened(place) as client:

        async def once() -> float:
            await place.refresh()
            people = await with_beanie.Person.find_all().to_list()
            with timed() as watch:
                async with client.start_session() as session, await session.start_transaction():
                    for person in people:
                        person.age += 1
                        await person.save(session=session)
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def change_with_odmantic(place: MongodbPlace, sizes: Sizes) -> ContenderSteps:
    from benchmarks import with_odmantic

    await place.fill(sizes.documents)
    async with with_odmantic.opened(place) as engine:

        async def once() -> float:
            await place.refresh()
            people = await engine.find(with_odmantic.Person)
            with timed() as watch:
                for person in people:
                    person.age += 1
                async with engine.transaction() as transaction:
                    await transaction.save_all(people)
                    await transaction.commit()
            return watch.seconds * 1e3

        yield once


# -- get by id


def key(number: int, sizes: Sizes) -> Any:
    """Which document is read."""
    return id_of(1 + number * 7 % sizes.documents)


@asynccontextmanager
async def get_by_hand(place: MongodbPlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(sizes.documents)
    async with by_hand_mongodb.open_pymongo(place.url) as client:
        people = client.get_default_database().people

        async def once() -> float:
            with timed() as watch:
                for number in range(sizes.get):
                    await people.find_one({"_id": key(number, sizes)})
            return watch.seconds * 1e6 / sizes.get

        yield once


@asynccontextmanager
async def get_with_uow(place: MongodbPlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(sizes.documents)
    async with opened(place) as db:

        async def once() -> float:
            with timed() as watch:
                for number in range(sizes.get):
                    async with Session(db) as session:
                        await session.get_one(Person, key(number, sizes))
            return watch.seconds * 1e6 / sizes.get

        yield once


@asynccontextmanager
async def get_with_beanie(place: MongodbPlace, sizes: Sizes) -> ContenderSteps:
    from benchmarks import with_beanie

    await place.fill(sizes.documents)
    async with with_beanie.opened(place):

        async def once() -> float:
            with timed() as watch:
                for number in range(sizes.get):
                    await with_beanie.Person.get(key(number, sizes))
            return watch.seconds * 1e6 / sizes.get

        yield once


@asynccontextmanager
async def get_with_odmantic(place: MongodbPlace, sizes: Sizes) -> ContenderSteps:
    from benchmarks import with_odmantic

    await place.fill(sizes.documents)
    async with with_odmantic.opened(place) as engine:

        async def once() -> float:
            with timed() as watch:
                for number in range(sizes.get):
                    person = with_odmantic.Person
                    await engine.find_one(person, person.id == key(number, sizes))
            return watch.seconds * 1e6 / sizes.get

        yield once


FIND = Row(
    key="find",
    title="find 10,000 documents, read four attributes",
    unit="ms",
    floor="pymongo",
    bound=1.4,
    goal=1.1,
    contenders={
        "pymongo": find_by_hand,
        "uow": find_with_uow,
        "beanie": find_with_beanie,
        "odmantic": find_with_odmantic,
    },
)

INSERT = Row(
    key="insert",
    title="insert 5,000 documents in a transaction",
    unit="ms",
    floor="pymongo",
    bound=1.3,
    goal=1.15,
    contenders={
        "pymongo": insert_by_hand,
        "uow": insert_with_uow,
        "beanie": insert_with_beanie,
        "odmantic": insert_with_odmantic,
    },
)

CHANGE = Row(
    key="change",
    title="change one field of 2,000 documents and save, in a transaction",
    unit="ms",
    floor="pymongo",
    bound=1.2,
    goal=0.7,
    rounds=7,
    contenders={
        "pymongo": change_by_hand,
        "uow": change_with_uow,
        "beanie": change_with_beanie,
        "odmantic": change_with_odmantic,
    },
)

GET = Row(
    key="get",
    title="get a document by id",
    unit="µs",
    floor="pymongo",
    bound=1.4,
    goal=1.1,
    is_round_trips=True,
    contenders={
        "pymongo": get_by_hand,
        "uow": get_with_uow,
        "beanie": get_with_beanie,
        "odmantic": get_with_odmantic,
    },
)

MONGODB = (FIND, INSERT, CHANGE, GET)
