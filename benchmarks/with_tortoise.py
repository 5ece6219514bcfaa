"""Tortoise ORM over asyncpg, set up as its manual shows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

from tortoise import Tortoise, fields
from tortoise.models import Model

from benchmarks.measure import Place
from benchmarks.people import Values


class Person(Model):
    id = fields.BigIntField(primary_key=True)
    email = fields.CharField(max_length=255)
    name = fields.TextField()
    age = fields.BigIntField()
    score = fields.FloatField()
    city = fields.TextField()

    class Meta:
        table = "people"


@asynccontextmanager
async def opened(place: Place) -> AsyncGenerator[None]:
    """Connect the model for the length of a block."""
    url = urlunsplit(urlsplit(place.url)._replace(scheme="asyncpg"))
    await Tortoise.init(db_url=url, modules={"models": [__name__]})
    try:
        yield
    finally:
        await Tortoise.close_connections()


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
