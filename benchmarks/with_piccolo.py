"""Piccolo over asyncpg, set up as its manual shows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

from piccolo.columns import BigInt, BigSerial, DoublePrecision, Text, Varchar
from piccolo.engine.postgres import PostgresEngine
from piccolo.table import Table

from benchmarks.measure import Place
from benchmarks.people import Values


class Person(Table, tablename="people"):
    id = BigSerial(primary_key=True)
    email = Varchar(length=255)
    name = Text()
    age = BigInt()
    score = DoublePrecision()
    city = Text()


@asynccontextmanager
async def open_engine(place: Place) -> AsyncGenerator[PostgresEngine]:
    """Connect the model for the length of a block, with a pool."""
    engine = PostgresEngine({"dsn": place.url})
    Person._meta.db = engine
    await engine.start_connection_pool()
    try:
        yield engine
    finally:
        await engine.close_connection_pool()


async def get_one(key: int) -> Person:
    """The row with a key."""
    person = await Person.objects().get(Person.id == key)
    if person is None:
        raise LookupError(key)
    return person


def make_people(rows: Iterable[Values]) -> list[Person]:
    """New objects, one a row."""
    return [
        Person(email=email, name=name, age=age, score=score, city=city)
        for email, name, age, score, city in rows
    ]


def read_all(people: Iterable[Person]) -> None:
    """Read each attribute once."""
    for person in people:
        person.id
        person.email
        person.name
        person.age
        person.score
        person.city
