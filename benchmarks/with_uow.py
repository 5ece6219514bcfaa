"""`uow` as a user writes it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

from benchmarks.measure import Place
from benchmarks.people import Values
from uow import Column, Database, Mapped, Table


class Person(Table):
    """The table of `by_hand_sqlite.CREATE` and `by_hand_postgresql.CREATE`."""

    class Settings:
        name = "people"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    email: Mapped[str] = Column(max_length=255)
    name: Mapped[str]
    age: Mapped[int]
    score: Mapped[float]
    city: Mapped[str]


@asynccontextmanager
async def open_database(place: Place) -> AsyncGenerator[Database]:
    """A database with the same settings on every connection."""
    async with Database(place.url, **place.options) as db:
        yield db


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
