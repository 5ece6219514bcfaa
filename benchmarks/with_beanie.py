"""Beanie over PyMongo, set up as its manual shows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

from beanie import Document, init_beanie

from benchmarks.by_hand_mongodb import Client, MongodbPlace, open_pymongo
from benchmarks.people import Values


class Person(Document):
    class Settings:
        name = "people"

    email: str
    name: str
    age: int
    score: float
    city: str


@asynccontextmanager
async def opened(place: MongodbPlace) -> AsyncGenerator[Client]:
    """Bind the model for the length of a block."""
    async with open_pymongo(place.url) as client:
        await init_beanie(database=client.get_default_database(), document_models=[Person])
        yield client


def make_people(rows: Iterable[Values]) -> list[Person]:
    """New objects, one a row."""
    return [
        Person(email=email, name=name, age=age, score=score, city=city)
        for email, name, age, score, city in rows
    ]
