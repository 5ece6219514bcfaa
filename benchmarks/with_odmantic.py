"""ODMantic over Motor, set up as its manual shows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from odmantic import AIOEngine, Model
from odmantic.config import ODMConfigDict

from benchmarks.by_hand_mongodb import MongodbPlace
from benchmarks.people import Values


class Person(Model):
    model_config = ODMConfigDict(collection="people")

    email: str
    name: str
    age: int
    score: float
    city: str


@asynccontextmanager
async def opened(place: MongodbPlace) -> AsyncGenerator[AIOEngine]:
    """An engine for the length of a block."""
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(place.url)
    try:
        yield AIOEngine(client=client, database=client.get_default_database().name)
    finally:
        client.close()


def make_people(rows: Iterable[Values]) -> list[Person]:
    """New objects, one a row."""
    return [
        Person(email=email, name=name, age=age, score=score, city=city)  # type: ignore[call-arg]
        for email, name, age, score, city in rows
    ]
