"""Writes of a MongoDB transaction, which are sent as commands of our own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from bson import CodecOptions, ObjectId

from tests.support.mongodb import Recorder, fail_point
from uow.drivers._pymongo_connection import MongoDBConnection
from uow.drivers._pymongo_driver import MongoDBDriver
from uow.drivers._pymongo_writes import runs_of
from uow.drivers.base import TransactionOptions
from uow.errors import ConstraintError, TransactionPoisonedError, ValidationError
from uow.operations import BulkWrite, Find, Written

pytestmark = pytest.mark.anyio

WRITE = TransactionOptions()
ALL = Find("people", {}, sort=[("_id", 1)])

MakeDriver = Callable[..., MongoDBDriver]
Recorded = tuple[MongoDBConnection, Recorder]


@pytest.fixture
def anyio_backend() -> str:
    """PyMongo runs under asyncio alone."""
    return "asyncio"


@pytest.fixture
async def recorded(mongodb_driver: MakeDriver) -> AsyncIterator[Recorded]:
    """A connection in a transaction, in a database with a collection, and what it sends."""
    recorder = Recorder()
    connection = await mongodb_driver(event_listeners=[recorder]).connect()
    await connection.execute(inserts(range(1, 5)))
    recorder.sent.clear()
    await connection.begin(WRITE)
    yield connection, recorder
    await connection.aclose()


def inserts(numbers: range, **values: Any) -> BulkWrite:
    """New documents, by number."""
    writes = [("insert", {"_id": number, "n": number, **values}) for number in numbers]
    return BulkWrite("people", writes)


KINDS = [
    ("update", {"_id": 1}, {"$set": {"n": 10}}, False, False),
    ("update", {"_id": 2}, {"$set": {"n": 2}}, False, False),
    ("update", {"n": {"$gt": 0}}, {"$inc": {"seen": 1}}, True, False),
    ("update", {"_id": 99}, {"$set": {"n": 1}}, False, False),
    ("update", {"_id": 50}, {"$set": {"n": 1}}, False, True),
    ("update", {"_id": 3}, [{"$set": {"n": {"$add": ["$n", 1]}}}], False, False),
    ("replace", {"_id": 3}, {"x": 1}, False),
    ("replace", {"_id": 51}, {"x": 2}, True),
    ("insert", {"_id": 5}),
    ("delete", {"_id": 4}, False),
    ("delete", {"x": {"$gt": 0}}, True),
    ("delete", {"_id": 98}, False),
]
STORED = [{"_id": 1, "n": 10, "seen": 1}, {"_id": 2, "n": 2, "seen": 1}, {"_id": 5}]


@pytest.mark.parametrize("by_client", [False, True])
async def test_writes_of_each_kind(recorded: Recorded, by_client: bool) -> None:
    """They do and count what the client's own calls do and count."""
    connection, _ = recorded
    bulk = BulkWrite("people", KINDS, options={"comment": "by hand"} if by_client else None)

    assert (runs_of(bulk, CodecOptions()) is None) is by_client
    (done,) = await connection.fetch(bulk)

    assert isinstance(done, Written)
    assert (done.inserted, done.matched, done.modified, done.deleted) == (1, 8, 7, 3)
    assert done.upserted == {4: 50, 7: 51}
    assert await connection.fetch(ALL) == [*STORED, {"_id": 50, "n": 1}]
    await connection.commit()
    assert await connection.fetch(ALL) == [*STORED, {"_id": 50, "n": 1}]


async def test_a_run_is_a_command(recorded: Recorded) -> None:
    """The first one begins the transaction, and none says more than it has to."""
    connection, recorder = recorded
    await connection.execute(BulkWrite("people", KINDS))

    assert recorder.names == ["update", "update", "insert", "delete"]
    first, *others = recorder.sent
    assert first["startTransaction"] is True
    assert first["updates"][0] == {"q": {"_id": 1}, "u": {"$set": {"n": 10}}}
    assert all("startTransaction" not in command for command in others)
    assert all(command["autocommit"] is False for command in recorder.sent)


async def test_more_writes_than_a_message(recorded: Recorded) -> None:
    """They are sent in lots, and places are counted over all of them."""
    connection, recorder = recorded
    many = [("insert", {"_id": number}) for number in range(100, 10_150)]
    upserts = [("update", {"_id": n}, {"$set": {"n": 0}}, False, True) for n in (20_000, 20_001)]
    (done,) = await connection.fetch(BulkWrite("people", [*many, *upserts]))

    assert recorder.names == ["insert", "insert", "update"]
    assert done.inserted == 10_050
    assert done.upserted == {10_050: 20_000, 10_051: 20_001}


async def test_more_bytes_than_a_command(recorded: Recorded) -> None:
    """What is larger than the client lets a command be goes its own way, which splits it."""
    connection, recorder = recorded
    bulk = inserts(range(10, 28), text="x" * 1_000_000)
    assert runs_of(bulk, CodecOptions()) is None
    await connection.execute(bulk)
    await connection.commit()

    assert recorder.names == ["insert", "commitTransaction"]
    found = Find("people", {"_id": {"$gte": 10}}, projection={"_id": 1})
    assert len(await connection.fetch(found)) == 18


@pytest.mark.parametrize("place", [0, 3, 10_001])
async def test_a_write_that_the_server_refuses(recorded: Recorded, place: int) -> None:
    """Its kind and its place are told, and the transaction takes nothing but a rollback."""
    connection, _ = recorded
    writes = [("insert", {"_id": 100 + number}) for number in range(place)]
    bulk = BulkWrite("people", [*writes, ("insert", {"_id": 1}), ("insert", {"_id": 99})])
    with pytest.raises(ConstraintError, match="unique constraint failed: people") as caught:
        await connection.execute(bulk)

    details: Any = getattr(caught.value.__cause__, "details", None)
    assert details["writeErrors"][0]["index"] == place
    assert connection.has_failed
    with pytest.raises(TransactionPoisonedError):
        await connection.commit()
    assert [row["_id"] for row in await connection.fetch(ALL)] == [1, 2, 3, 4]


async def test_nothing_is_sent_of_what_cannot_be(recorded: Recorded) -> None:
    """All of it is looked at first, whatever stands before it."""
    connection, recorder = recorded
    writes = [("insert", {"_id": 10}), ("update", {"_id": 1}, {"$set": {"n": 1j}}, False, False)]
    with pytest.raises(ValidationError, match="complex"):
        await connection.execute(BulkWrite("people", writes))

    assert recorder.names == []
    await connection.rollback()
    await connection.begin(WRITE)
    await connection.execute(inserts(range(11, 12)))
    await connection.commit()
    assert len(await connection.fetch(ALL)) == 5


async def test_a_first_run_that_is_lost(recorded: Recorded, mongodb_database: str) -> None:
    """All of the operation is done again, once, in a transaction that begins anew."""
    connection, recorder = recorded
    app = connection._driver.options.keywords["appname"]
    with fail_point(mongodb_database, "delete", app=app, times=1, closeConnection=True):
        (done,) = await connection.fetch(BulkWrite("people", KINDS))

    assert (done.inserted, done.matched, done.modified, done.deleted) == (1, 8, 7, 3)
    assert recorder.names.count("insert") == recorder.names.count("delete") == 2
    await connection.commit()
    assert await connection.fetch(ALL) == [*STORED, {"_id": 50, "n": 1}]


@pytest.mark.parametrize(
    "write",
    [
        ("insert", {"name": "Ann"}),
        ("update", {}, {"n": 1}, False, False),
        ("update", {}, {}, False, False),
        ("update", {}, [], False, False),
        ("update", {}, {"$set": {"n": 1}}, False, False, {"hint": "_id_"}),
        ("replace", {}, {"$set": {"n": 1}}, False),
        ("replace", {}, {"n": 1}, False, {"hint": "_id_"}),
        ("delete", {}, False, {"hint": "_id_"}),
        ("merge", {}),
    ],
)
def test_what_the_client_has_to_look_at(write: Any) -> None:
    """It gives keys to documents, knows of options, and says what is wrong."""
    fine = ("insert", {"_id": 1})

    assert runs_of(BulkWrite("people", [fine]), CodecOptions()) is not None
    assert runs_of(BulkWrite("people", [fine, write]), CodecOptions()) is None


def test_writes_in_no_order() -> None:
    """Where none has to wait for another, the client puts those of a kind together."""
    bulk = BulkWrite("people", [("insert", {"_id": 1})], ordered=False)

    assert runs_of(bulk, CodecOptions()) is None


async def test_keys_that_the_client_gives(recorded: Recorded) -> None:
    """A document without a key gets one, in a transaction too."""
    connection, _ = recorded
    document: dict[str, Any] = {"n": 7}
    await connection.execute(BulkWrite("people", [("insert", document)]))

    assert isinstance(document["_id"], ObjectId)
    assert await connection.fetch(Find("people", {"n": 7})) == [document]
