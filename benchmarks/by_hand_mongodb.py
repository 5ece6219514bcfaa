"""MongoDB: the server, the collection, PyMongo by hand, and where contenders work.

The server is a replica set of one, private, and lives as long as the run; it waits for no disk.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
from bson import ObjectId
from pymongo import AsyncMongoClient, MongoClient

from benchmarks.cores import Cores, held_cores
from benchmarks.people import Values, values
from tests.mongod import start_replica_set

COLUMNS = ("email", "name", "age", "score", "city")

Client = AsyncMongoClient[dict[str, Any]]


def id_of(number: int) -> ObjectId:
    """The key of a document that was filled in, counted from 1."""
    return ObjectId(f"{number:024x}")


def as_documents(rows: Iterable[Values]) -> list[dict[str, Any]]:
    """New documents, without keys."""
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def read_four(documents: Iterable[Mapping[str, Any]]) -> None:
    """Read four fields of each."""
    for document in documents:
        document["email"]
        document["name"]
        document["age"]
        document["city"]


@attrs.define
class MongodbPlace:
    """One collection for all contenders of a row: each of them finds it in the same state."""

    url: str
    keeper: MongoClient[dict[str, Any]]
    count: int = 0

    @property
    def options(self) -> Mapping[str, Any]:
        return {}

    async def fill(self, count: int) -> None:
        self.count = count
        people = self.keeper.get_default_database().people
        people.delete_many({})
        found = as_documents(values(count))
        if found:
            people.insert_many([{"_id": id_of(n), **one} for n, one in enumerate(found, 1)])

    async def refresh(self) -> None:
        """Fill it anew."""
        await self.fill(self.count)


@attrs.frozen
class MongodbPlaces:
    """A server with the collection."""

    url: str
    keeper: MongoClient[dict[str, Any]]
    cores: Cores
    about: Mapping[str, str]

    def place(self, _row: str, _contender: str) -> MongodbPlace:
        """The collection."""
        return MongodbPlace(self.url, self.keeper)

    def hold_to_cores(self, is_round_trips: bool) -> str:
        """Hold the client to a core; the server stays where it is."""
        return self.cores.hold_client(beside_server=is_round_trips)


@asynccontextmanager
async def open_mongodb_places(_folder: Path) -> AsyncGenerator[MongodbPlaces]:
    """Start a server, held to one core, and make the collection."""
    with held_cores() as cores:
        if cores.free:
            cores.hold(cores.server)
        with start_replica_set(members=1) as servers:
            keeper: MongoClient[dict[str, Any]] = MongoClient(servers.url)
            try:
                keeper.get_default_database().create_collection("people")
                about = {
                    "server": str(keeper.server_info()["version"]),
                    "settings": "a replica set of one",
                }
                yield MongodbPlaces(servers.url, keeper, cores, about)
            finally:
                keeper.close()


@asynccontextmanager
async def open_pymongo(url: str) -> AsyncGenerator[Client]:
    """A client of PyMongo, with times as `uow` and all others have them."""
    client: Client = AsyncMongoClient(url, tz_aware=True)
    async with client:
        yield client
