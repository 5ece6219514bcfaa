"""What `drivers/base.py` promises, for MongoDB over PyMongo and over Motor."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Any
from uuid import uuid4

import anyio
import pytest
from bson import ObjectId

from tests.mongod import start_standalone
from tests.support import mongodb
from tests.support.mongodb import Recorder, database_of, is_quiet, open_transactions
from uow.drivers._pymongo_connection import MongoDBConnection
from uow.drivers._pymongo_driver import MongoDBDriver
from uow.drivers.base import TransactionOptions
from uow.errors import (
    ConnectionLostError,
    ConstraintError,
    DriverError,
    Outcome,
    PoolClosedError,
    QueryError,
    RetryableError,
    TransactionPoisonedError,
    ValidationError,
)
from uow.operations import (
    Aggregate,
    BulkWrite,
    Command,
    Find,
    FindAndModify,
    Operation,
    Written,
)
from uow.statement import Many, Statement
from uow.url import parse_url

pytestmark = pytest.mark.anyio

WRITE = TransactionOptions()
READ = TransactionOptions(read_only=True)

MakeDriver = Callable[..., MongoDBDriver]


@pytest.fixture
def anyio_backend() -> str:
    """PyMongo runs under asyncio alone."""
    return "asyncio"


@pytest.fixture
async def people(mongodb_connection: MongoDBConnection) -> MongoDBConnection:
    """A connection to a database with a collection, and a unique index."""
    await mongodb_connection.execute(
        Command(
            {
                "createIndexes": "people",
                "indexes": [{"key": {"name": 1}, "name": "names", "unique": True, "sparse": True}],
            }
        )
    )
    return mongodb_connection


@pytest.fixture
async def recorded(mongodb_driver: MakeDriver) -> AsyncIterator[tuple[MongoDBConnection, Recorder]]:
    """A connection, and the commands that it sends."""
    recorder = Recorder()
    connection = await mongodb_driver(event_listeners=[recorder]).connect()
    yield connection, recorder
    await connection.aclose()


def insert(*numbers: int) -> BulkWrite:
    """Documents by number."""
    return BulkWrite("people", [("insert", {"_id": number, "n": number}) for number in numbers])


def update(number: int, n: int = 100) -> BulkWrite:
    """A change of one document."""
    return BulkWrite("people", [("update", {"_id": number}, {"$set": {"n": n}}, False, False)])


ALL = Find("people", {}, sort=[("_id", 1)])


async def numbers(connection: MongoDBConnection) -> list[Any]:
    """The keys there are, as the connection sees them."""
    return [row["_id"] for row in await connection.fetch(ALL)]


def stored(url: str) -> list[Any]:
    """The keys there are, as anybody sees them."""
    with database_of(url) as database:
        return [row["_id"] for row in database["people"].find(sort=[("_id", 1)])]


# -- statements


async def test_documents_are_rows(people: MongoDBConnection) -> None:
    """They come as the client decodes them, in the store's order; or as tuples of some names."""
    await people.execute(insert(2, 1, 3))
    await people.execute(BulkWrite("people", [("insert", {"_id": 9, "other": [1, {"a": None}]})]))

    assert await people.fetch(ALL) == [
        {"_id": 1, "n": 1},
        {"_id": 2, "n": 2},
        {"_id": 3, "n": 3},
        {"_id": 9, "other": [1, {"a": None}]},
    ]
    some = Find("people", {"n": {"$gte": 2}}, sort=[("n", -1)], fields=("n", "_id", "other"))
    assert await people.fetch(some) == [(3, 3, None), (2, 2, None)]
    part = Find("people", {}, projection={"_id": 0, "n": 1}, sort=[("_id", 1)], skip=1, limit=2)
    assert await people.fetch(part) == [{"n": 2}, {"n": 3}]
    hinted = Find("people", {"_id": 9}, options={"hint": "_id_", "max_time_ms": 9000})
    assert await people.execute(hinted) == 1
    assert await people.fetch(Find("nothing", {})) == []


@pytest.mark.parametrize("size", [0, 1, 101, 102, 5000])
async def test_many_documents(people: MongoDBConnection, size: int) -> None:
    """Any number comes back whole and in order, over as many answers as that takes."""
    await people.execute(insert(*range(size)))

    assert await numbers(people) == list(range(size))
    found = await people.fetch(Aggregate("people", [{"$sort": {"_id": -1}}], fields=["_id"]))
    assert found == [(number,) for number in reversed(range(size))]


async def test_pipelines(people: MongoDBConnection) -> None:
    """They run on a collection, or on the database, and may write."""
    await people.execute(insert(1, 2, 3))

    group = {"$group": {"_id": None, "sum": {"$sum": "$n"}}}
    assert await people.fetch(Aggregate("people", [group], fields=("sum",))) == [(6,)]
    options = {"let": {"least": 2}, "allowDiskUse": True, "maxTimeMS": 9000}
    match = {"$match": {"$expr": {"$gte": ["$n", "$$least"]}}}
    assert await people.execute(Aggregate("people", [match], options=options)) == 2
    made = Aggregate(None, [{"$documents": [{"x": 5}]}])
    assert await people.fetch(made) == [{"x": 5}]
    out = Aggregate("people", [{"$match": {"n": 1}}, {"$out": "copied"}], reads=False)
    assert await people.fetch(out) == []
    assert await people.execute(Find("copied", {})) == 1


async def test_writes_of_each_kind(people: MongoDBConnection) -> None:
    """A batch counts what it inserted, found, changed, deleted, and inserted for want of one."""
    await people.execute(insert(1, 2, 3, 4))
    batch = BulkWrite(
        "people",
        [
            ("update", {"_id": 1}, {"$set": {"n": 10}}, False, False),
            ("update", {"_id": 2}, {"$set": {"n": 2}}, False, False),
            ("update", {"n": {"$gt": 0}}, {"$inc": {"seen": 1}}, True, False),
            ("update", {"_id": 99}, {"$set": {"n": 1}}, False, False),
            ("update", {"_id": 50}, {"$set": {"n": 1}}, False, True),
            ("replace", {"_id": 3}, {"x": 1}, False),
            ("replace", {"_id": 51}, {"x": 2}, True),
            ("insert", {"_id": 5}),
            ("delete", {"_id": 4}, False),
            ("delete", {"x": {"$gt": 0}}, True),
            ("delete", {"_id": 98}, False),
        ],
    )
    (done,) = await people.fetch(batch)

    assert isinstance(done, Written)
    assert (done.inserted, done.matched, done.modified, done.deleted) == (1, 7, 6, 3)
    assert done.upserted == {4: 50, 6: 51}
    assert done.count == 13
    assert await numbers(people) == [1, 2, 5, 50]
    assert await people.execute(update(1)) == 1
    assert await people.execute(update(1)) == 1
    assert await people.execute(update(77)) == 0


async def test_options_of_writes(people: MongoDBConnection) -> None:
    """Each write takes those that its call of the client takes."""
    items = [{"a": 1}, {"a": 2}]
    await people.execute(BulkWrite("people", [("insert", {"_id": 1, "name": "Ann", "l": items})]))
    some = {"$set": {"l.$[one].b": True}}
    caseless = {"collation": {"locale": "en", "strength": 2}}
    batch = BulkWrite(
        "people",
        [
            ("update", {"_id": 1}, some, False, False, {"array_filters": [{"one.a": 2}]}),
            ("replace", {"name": "ANN"}, {"name": "Bob"}, False, caseless),
            ("delete", {"_id": 1}, False, {"hint": "_id_"}),
        ],
        ordered=True,
        options={"comment": "three"},
    )
    assert await people.execute(batch) == 3
    with pytest.raises(QueryError, match="no write of the kind 'merge'"):
        await people.execute(BulkWrite("people", [("merge", {})]))


async def test_nothing_to_write(recorded: tuple[MongoDBConnection, Recorder]) -> None:
    """An empty batch sends nothing."""
    connection, recorder = recorded

    assert await connection.execute(BulkWrite("people", [])) == 0
    assert recorder.names == []


async def test_find_and_modify(people: MongoDBConnection) -> None:
    """One document is changed and comes back, as it was or as it is."""
    await people.execute(insert(1, 2, 3))

    before = FindAndModify("people", {"_id": 1}, update={"$inc": {"n": 5}})
    assert await people.fetch(before) == [{"_id": 1, "n": 1}]
    after = FindAndModify("people", {"_id": 1}, update={"$inc": {"n": 5}}, returns_new=True)
    assert await people.fetch(after) == [{"_id": 1, "n": 11}]
    put = FindAndModify(
        "people", {}, replacement={"x": 1}, sort=[("n", 1)], returns_new=True, fields=("_id", "x")
    )
    assert await people.fetch(put) == [(2, 1)]
    taken = FindAndModify("people", {"n": 3}, remove=True, projection={"n": 1, "_id": 0})
    assert await people.fetch(taken) == [{"n": 3}]
    assert await people.fetch(taken) == []
    made = FindAndModify(
        "people", {"_id": 7}, update={"$set": {"n": 7}}, upsert=True, returns_new=True
    )
    assert await people.execute(made) == 1
    assert await numbers(people) == [1, 2, 7]
    with pytest.raises(TypeError, match="one of"):
        FindAndModify("people", {})


async def test_commands(people: MongoDBConnection) -> None:
    """A command gives its answer, or all documents of the cursor it answers with."""
    await people.execute(insert(1, 2))

    assert await people.execute(Command({"count": "people"}, reads=True)) == 2
    (answer,) = await people.fetch(Command({"distinct": "people", "key": "n"}, reads=True))
    assert answer["values"] == [1, 2]
    indexes: list[Any] = await people.fetch(Command({"listIndexes": "people"}, reads=True))
    assert [index["name"] for index in indexes] == ["_id_", "names"]
    await people.execute(Command({"create": "made", "capped": True, "size": 4096}))
    listed: list[Any] = await people.fetch(Command({"listCollections": 1}, reads=True))
    assert "made" in {found["name"] for found in listed}
    await people.execute(Command({"drop": "made"}))
    with pytest.raises(QueryError, match="no such command"):
        await people.fetch(Command({"frobnicate": 1}))


async def test_definitions_are_acknowledged_by_a_majority(
    recorded: tuple[MongoDBConnection, Recorder],
) -> None:
    """The client leaves the write concern of commands out; a command's own goes before."""
    connection, recorder = recorded
    await connection.execute(Command({"create": "made"}))
    await connection.execute(Command({"drop": "made", "writeConcern": {"w": 1}}))
    await connection.execute(Command({"count": "made"}, reads=True))

    concerns = [command.get("writeConcern") for command in recorder.sent]
    assert concerns == [{"w": "majority"}, {"w": 1}, None]


async def test_reads_go_where_the_url_says(mongodb_driver: MakeDriver) -> None:
    """Commands that read too; in a transaction it is the primary."""
    recorder = Recorder()
    driver = mongodb_driver(readPreference="secondaryPreferred", event_listeners=[recorder])
    connection = await driver.connect()
    count = Command({"count": "people"}, reads=True)
    await connection.fetch(ALL)
    await connection.fetch(count)
    await connection.begin(READ)
    await connection.fetch(ALL)
    await connection.rollback()
    await connection.aclose()

    modes = [command.get("$readPreference", {}).get("mode") for command in recorder.sent[:3]]
    assert modes == ["secondaryPreferred", "secondaryPreferred", None]


async def test_values_come_back_as_they_were(people: MongoDBConnection) -> None:
    """Times are aware, UUIDs are the standard library's, integers keep their 64 bits."""
    document = {
        "_id": ObjectId(),
        "at": datetime(2024, 2, 29, 12, 30, 15, 123000, tzinfo=UTC),
        "uuid": uuid4(),
        "big": 2**63 - 1,
        "small": -(2**63),
        "float": float("inf"),
        "bytes": bytes(range(256)),
        "none": None,
        "text": "a\0b \U0001f600",
        "list": [1, [2, {"x": []}]],
    }
    await people.execute(BulkWrite("values", [("insert", document)]))
    (found,) = await people.fetch(Find("values", {}))
    assert found == document
    assert found["at"].utcoffset() is not None
    (answer,) = await people.fetch(Command({"find": "values"}, reads=True))
    assert answer == document
    first = FindAndModify("values", {}, update={"$set": {"x": 1}})
    assert await people.fetch(first) == [document]
    await people.execute(Command({"drop": "values"}))


async def test_run(people: MongoDBConnection) -> None:
    """A statement of unknown kind gives a column of documents, or a count."""
    written = await people.run(insert(1, 2))
    found = await people.run(ALL)
    answer = await people.run(Command({"ping": 1}, reads=True))

    assert (written.columns, written.rows, written.count) == ((), [], 2)
    assert (found.columns, found.count, found.only_read) == (("document",), 2, True)
    assert found.rows[0] == ({"_id": 1, "n": 1},)
    assert answer.rows[0][0]["ok"] == 1


async def test_texts_are_refused(people: MongoDBConnection) -> None:
    """MongoDB takes no SQL, and says so."""
    for call in (people.fetch, people.execute, people.run):
        with pytest.raises(QueryError, match="no SQL"):
            await call(Statement("SELECT 1"))
    for refuse in (people.fetch_many, people.execute_many):
        with pytest.raises(QueryError, match="no SQL"):
            await refuse(Many("SELECT 1", []))
    with pytest.raises(QueryError, match="no cursor"):
        people.stream(insert(1), batch_size=1)


async def test_operations_tell_no_values() -> None:
    """What is shown of an operation is its kind, and names."""
    secret = "hush"
    shown: list[Operation] = [
        Find("people", {"name": secret}, sort=[("n", 1)]),
        Aggregate("people", [{"$match": {"name": secret}}, {"$limit": 1}]),
        Aggregate(None, [{"$documents": [{"x": secret}]}]),
        BulkWrite("people", [("insert", {"name": secret}), ("delete", {"name": secret}, False)]),
        BulkWrite("people", [("insert", {"name": secret})]),
        FindAndModify("people", {"name": secret}, update={"$set": {"x": secret}}),
        FindAndModify("people", {"name": secret}, replacement={"x": secret}),
        FindAndModify("people", {"name": secret}, remove=True),
        Command({"count": "people", "query": {"name": secret}}),
    ]

    assert [one.sql for one in shown] == [
        "FIND people BY name ORDER BY n",
        "AGGREGATE people: $match, $limit",
        "AGGREGATE the database: $documents",
        "BULKWRITE people (2)",
        "INSERT people (1)",
        "UPDATE ONE people BY name",
        "REPLACE ONE people BY name",
        "DELETE ONE people BY name",
        "COMMAND count people",
    ]
    assert not any(secret in repr(one) for one in shown)
    assert shown[0] == shown[0] != Find("people", {"name": secret})
    assert all(one.parameters == () for one in shown)


# -- streams


@pytest.mark.parametrize("operation", [ALL, Aggregate("people", [{"$sort": {"_id": 1}}])])
@pytest.mark.parametrize("in_transaction", [True, False])
async def test_streams(
    people: MongoDBConnection, operation: Operation, in_transaction: bool
) -> None:
    """Batches come in order, each as long as was asked for, but for the last."""
    await people.execute(insert(*range(25)))
    if in_transaction:
        await people.begin(WRITE)
    sizes: list[int] = []
    keys: list[Any] = []
    async with people.stream(operation, batch_size=10) as batches:
        assert people.needs_reset
        async for batch in batches:
            sizes.append(len(batch))
            keys += [row["_id"] for row in batch]

    assert sizes == [10, 10, 5]
    assert keys == list(range(25))
    assert people.needs_reset == in_transaction
    await people.rollback()


async def test_streams_that_are_left(people: MongoDBConnection, mongodb_database: str) -> None:
    """F09: a cursor is closed when its block is left, before all is read or by an error."""
    await people.execute(insert(*range(500)))
    async with people.stream(ALL, batch_size=10) as batches:
        async for _ in batches:
            break
    with pytest.raises(ZeroDivisionError):
        async with people.stream(ALL, batch_size=10) as batches:
            raise ZeroDivisionError
    with database_of(mongodb_database) as database:
        open_cursors = list(
            database.client.admin.aggregate(
                [
                    {"$currentOp": {"idleCursors": True, "allUsers": True}},
                    {"$match": {"type": "idleCursor", "ns": f"{database.name}.people"}},
                ]
            )
        )

    assert open_cursors == []
    assert not people.needs_reset
    with pytest.raises(QueryError, match="outside of its block"):
        await anext(batches)


async def test_streams_that_cannot_be_opened(people: MongoDBConnection) -> None:
    """What is wrong shows when the block is entered."""
    with pytest.raises(QueryError):
        people.stream(ALL, batch_size=0)
    with pytest.raises(QueryError, match=r"\$nothing"):
        async with people.stream(Find("people", {"n": {"$nothing": 1}}), batch_size=1):
            pass

    assert not people.needs_reset


async def test_streams_of_some_names(people: MongoDBConnection) -> None:
    """They are tuples as with `fetch`; an empty one ends at once."""
    await people.execute(insert(1, 2))
    async with people.stream(Find("people", {}, fields=("n",)), batch_size=1) as batches:
        assert [batch async for batch in batches] == [[(1,)], [(2,)]]
    async with people.stream(Find("nothing", {}), batch_size=1) as batches:
        assert [batch async for batch in batches] == []


# -- transactions


async def test_transactions(people: MongoDBConnection, mongodb_database: str) -> None:
    """What is done is seen inside, and by others after the commit."""
    await people.begin(WRITE)
    with pytest.raises(QueryError, match="open already"):
        await people.begin(WRITE)
    await people.execute(insert(1, 2))
    assert await numbers(people) == [1, 2]
    assert stored(mongodb_database) == []
    assert people.in_transaction
    await people.commit()

    assert stored(mongodb_database) == [1, 2]
    assert not people.in_transaction
    assert not people.needs_reset
    await people.rollback()
    with pytest.raises(TransactionPoisonedError, match="no transaction"):
        await people.commit()


async def test_rollback(people: MongoDBConnection, mongodb_database: str) -> None:
    """Nothing is left, and the connection goes on."""
    await people.execute(insert(1))
    await people.begin(WRITE)
    await people.execute(insert(2))
    await people.execute(update(1))
    assert open_transactions(mongodb_database) == 1
    await people.rollback()

    assert open_transactions(mongodb_database) == 0
    assert await people.fetch(ALL) == [{"_id": 1, "n": 1}]
    await people.begin(WRITE)
    await people.execute(insert(3))
    await people.commit()
    assert stored(mongodb_database) == [1, 3]


async def test_round_trips(recorded: tuple[MongoDBConnection, Recorder]) -> None:
    """A statement is one; BEGIN is none, nor is a COMMIT or ROLLBACK of nothing."""
    connection, recorder = recorded
    await connection.fetch(ALL)
    await connection.execute(insert(1))
    await connection.execute(update(1))
    await connection.begin(WRITE)
    await connection.commit()
    await connection.begin(WRITE)
    await connection.rollback()
    await connection.begin(WRITE)
    await connection.fetch(ALL)
    await connection.execute(insert(2))
    await connection.commit()

    assert recorder.names == ["find", "insert", "update", "find", "insert", "commitTransaction"]


async def test_every_command_is_of_the_transaction(
    recorded: tuple[MongoDBConnection, Recorder],
) -> None:
    """F65: whatever is run in one carries its session and its number."""
    connection, recorder = recorded
    await connection.execute(insert(1, 2, 3))
    recorder.sent.clear()
    await connection.begin(WRITE)
    await connection.fetch(ALL)
    await connection.execute(insert(4))
    await connection.execute(update(1))
    await connection.execute(BulkWrite("people", [("delete", {"_id": 2}, False)]))
    await connection.fetch(FindAndModify("people", {"_id": 3}, update={"$inc": {"n": 1}}))
    await connection.fetch(FindAndModify("people", {"_id": 3}, replacement={"n": 1}))
    await connection.fetch(FindAndModify("people", {"_id": 3}, remove=True))
    await connection.fetch(Aggregate("people", [{"$count": "n"}]))
    await connection.fetch(Command({"distinct": "people", "key": "n"}, reads=True))
    await connection.fetch(Command({"find": "people", "batchSize": 1}, reads=True))
    async with connection.stream(ALL, batch_size=1) as batches:
        async for _ in batches:
            pass
    async with connection.stream(ALL, batch_size=1) as batches:
        await anext(batches)
    await connection.commit()

    assert set(recorder.names) == {
        "find", "insert", "update", "delete", "findAndModify", "aggregate", "distinct", "getMore",
        "killCursors", "commitTransaction",
    }  # fmt: skip
    sessions = {bytes(command["lsid"]["id"]) for command in recorder.sent}
    assert len(sessions) == 1
    assert len({command["txnNumber"] for command in recorder.sent}) == 1
    assert all(command["autocommit"] is False for command in recorder.sent)
    assert [command.get("startTransaction") for command in recorder.sent][:2] == [True, None]


async def test_concerns_of_a_transaction(mongodb_driver: MakeDriver) -> None:
    """It reads a snapshot and commits on a majority, whatever holds for single statements."""
    recorder = Recorder()
    weak = await mongodb_driver(w=1, weak_writes=True, event_listeners=[recorder]).connect()
    await weak.begin(WRITE)
    await weak.execute(insert(1))
    await weak.commit()
    await weak.execute(insert(2))
    await weak.aclose()

    first, last, single = recorder.sent
    assert first["readConcern"]["level"] == "snapshot"
    assert "writeConcern" not in first
    assert last["writeConcern"]["w"] == "majority"
    assert single["writeConcern"] == {"w": 1}


@pytest.mark.parametrize(
    ("level", "concern"),
    [
        (None, "snapshot"),
        ("SERIALIZABLE", "snapshot"),
        ("SNAPSHOT", "snapshot"),
        ("REPEATABLE READ", "snapshot"),
        ("READ COMMITTED", "majority"),
        ("MAJORITY", "majority"),
        ("READ UNCOMMITTED", "local"),
        ("LOCAL", "local"),
    ],
)
async def test_isolation(
    recorded: tuple[MongoDBConnection, Recorder], level: str | None, concern: str
) -> None:
    """Levels are read concerns."""
    connection, recorder = recorded
    await connection.begin(TransactionOptions(isolation=level))
    await connection.fetch(ALL)
    await connection.rollback()

    assert recorder.sent[0]["readConcern"]["level"] == concern


async def test_isolation_that_is_not_there(people: MongoDBConnection) -> None:
    """An unknown level is refused, and so is what only other stores can."""
    with pytest.raises(QueryError, match="no isolation level CHAOS; there are SERIALIZABLE"):
        await people.begin(TransactionOptions(isolation="CHAOS"))
    for options in (
        TransactionOptions(deferrable=True),
        TransactionOptions(defer_constraints=True),
    ):
        with pytest.raises(QueryError, match="deferrable"):
            await people.begin(options)

    assert not people.in_transaction


async def test_the_concern_of_the_url(mongodb_driver: MakeDriver) -> None:
    """A read concern in the URL holds where no level is named."""
    recorder = Recorder()
    driver = mongodb_driver(readConcernLevel="majority", event_listeners=[recorder])
    connection = await driver.connect()
    await connection.begin(WRITE)
    await connection.fetch(ALL)
    await connection.rollback()
    await connection.aclose()

    assert recorder.sent[0]["readConcern"]["level"] == "majority"


async def test_transactions_that_only_read(people: MongoDBConnection) -> None:
    """A write is refused before it is sent, and harms nothing."""
    await people.execute(insert(1))
    await people.begin(READ)
    assert await numbers(people) == [1]
    for write in (insert(2), FindAndModify("people", {}, remove=True), Command({"drop": "people"})):
        with pytest.raises(QueryError, match="read-only"):
            await people.execute(write)
    assert not people.has_failed
    assert await numbers(people) == [1]
    await people.commit()
    await people.execute(insert(2))


async def test_savepoints_are_refused(people: MongoDBConnection) -> None:
    """MongoDB has none."""
    await people.begin(WRITE)
    for call in (people.savepoint, people.release_savepoint, people.rollback_to_savepoint):
        with pytest.raises(QueryError, match="no savepoints"):
            await call("one")
    await people.rollback()


async def test_failed_statements_fail_the_transaction(
    people: MongoDBConnection, mongodb_database: str
) -> None:
    """F43: the server ends it; nothing more is sent, and a commit is an error."""
    await people.execute(insert(1))
    await people.begin(WRITE)
    await people.execute(insert(2))
    with pytest.raises(ConstraintError):
        await people.execute(insert(1))
    assert (people.in_transaction, people.has_failed) == (True, True)
    with pytest.raises(TransactionPoisonedError, match="rolled back"):
        await people.fetch(ALL)
    with pytest.raises(TransactionPoisonedError):
        await people.commit()

    assert (people.in_transaction, people.has_failed) == (False, False)
    assert stored(mongodb_database) == [1]
    assert open_transactions(mongodb_database) == 0


async def test_what_is_not_sent_fails_nothing(
    people: MongoDBConnection, mongodb_database: str
) -> None:
    """A filter that cannot be encoded is refused here, and the transaction goes on."""
    await people.begin(WRITE)
    await people.execute(insert(1))
    with pytest.raises(ValidationError):
        await people.fetch(Find("people", {"n": 2**70}))
    assert not people.has_failed
    await people.commit()

    assert stored(mongodb_database) == [1]


async def test_write_conflicts(people: MongoDBConnection, mongodb_driver: MakeDriver) -> None:
    """F61: of two transactions that change one document the second can be run again."""
    await people.execute(insert(1))
    other = await mongodb_driver().connect()
    await people.begin(WRITE)
    await other.begin(WRITE)
    await numbers(other)
    await people.execute(update(1, 5))
    with pytest.raises(RetryableError) as caught:
        await other.execute(update(1, 6))
    await people.commit()
    await other.rollback()

    assert caught.value.outcome is Outcome.NOT_APPLIED
    assert caught.value.retryable
    assert await other.fetch(ALL) == [{"_id": 1, "n": 5}]
    await other.aclose()


# -- without a transaction


@pytest.fixture(scope="module")
def standalone() -> Any:
    """The URL of a server that is no replica set."""
    with start_standalone() as url:
        yield url


async def test_a_server_without_transactions(mongodb_driver: MakeDriver, standalone: str) -> None:
    """F62: a transaction is refused by name; single statements are as ever."""
    driver = mongodb_driver(standalone)
    assert driver.has_transactions is None
    connection = await driver.connect()
    assert driver.has_transactions is False
    with pytest.raises(QueryError, match=r"stands alone .* atomic=False"):
        await connection.begin(WRITE)

    assert not connection.in_transaction
    await connection.execute(BulkWrite("people", [("delete", {}, True)]))
    await connection.execute(insert(1, 2))
    assert await connection.execute(update(1)) == 1
    assert await numbers(connection) == [1, 2]
    await connection.aclose()


@pytest.mark.parametrize("stands_alone", [True, False])
async def test_units_that_are_not_atomic(
    mongodb_driver: MakeDriver, standalone: str, mongodb_database: str, stands_alone: bool
) -> None:
    """Asked for by name: each statement stands for itself, and a rollback takes nothing back."""
    recorder = Recorder()
    url = standalone if stands_alone else mongodb_database
    mongodb.empty(url)
    driver = mongodb_driver(url, event_listeners=[recorder])
    connection = await driver.connect()
    await connection.begin(TransactionOptions(atomic=False))
    assert connection.in_transaction
    await connection.execute(insert(1))
    assert stored(url) == [1]
    with pytest.raises(ConstraintError) as caught:
        await connection.execute(insert(2, 3, 1, 4))
    assert caught.value.done == 2
    assert not connection.has_failed
    await connection.execute(insert(5))
    await connection.rollback()
    assert not connection.in_transaction
    await connection.begin(TransactionOptions(atomic=False))
    await connection.execute(insert(6))
    await connection.commit()

    assert stored(url) == [1, 2, 3, 5, 6]
    assert set(recorder.names) == {"insert"}
    assert not any("startTransaction" in command for command in recorder.sent)
    await connection.aclose()


# -- its life


async def test_connections_share_a_client(mongodb_driver: MakeDriver) -> None:
    """Opening a second one sends nothing; each has a session of its own."""
    recorder = Recorder()
    driver = mongodb_driver(event_listeners=[recorder])
    one, two = await driver.connect(), await driver.connect()
    await one.fetch(ALL)
    await two.fetch(ALL)

    assert recorder.names == ["find", "find"]
    assert recorder.sent[0]["lsid"] != recorder.sent[1]["lsid"]
    await one.aclose()
    await one.aclose()
    assert one.is_closed
    assert not two.is_closed
    with pytest.raises(ConnectionLostError):
        await one.fetch(ALL)
    await two.aclose()
    three = await driver.connect()
    await three.fetch(ALL)
    assert recorder.sent[2]["lsid"] in [command["lsid"] for command in recorder.sent[:2]]
    await three.aclose()


async def test_closing_rolls_back(people: MongoDBConnection, mongodb_database: str) -> None:
    """In good order, and at once."""
    for close in ("aclose", "reset"):
        connection = people
        await connection.begin(WRITE)
        await connection.execute(insert(1))
        assert connection.needs_reset
        await getattr(connection, "reset" if close == "reset" else "rollback")()
        assert not connection.needs_reset
    await people.begin(WRITE)
    await people.execute(insert(1))
    await people.aclose()

    assert open_transactions(mongodb_database) == 0
    assert stored(mongodb_database) == []


async def test_terminate(
    people: MongoDBConnection, mongodb_driver: MakeDriver, mongodb_database: str
) -> None:
    """It does not wait; the server is told soon, and holds no locks any longer."""
    await people.begin(WRITE)
    await people.execute(insert(1))
    people.terminate()
    people.terminate()
    assert people.is_closed
    assert not people.in_transaction
    with pytest.raises(ConnectionLostError):
        await people.begin(WRITE)
    with pytest.raises(ConnectionLostError):
        await people.ping()
    assert await is_quiet(mongodb_database)
    other = await mongodb_driver().connect()

    assert await other.execute(insert(1)) == 1
    await other.aclose()


async def test_terminate_from_a_thread(people: MongoDBConnection, mongodb_database: str) -> None:
    """Finalisers run anywhere."""
    await people.begin(WRITE)
    await people.execute(insert(1))
    thread = threading.Thread(target=people.terminate)
    thread.start()
    thread.join()
    assert await is_quiet(mongodb_database)

    assert people.is_closed


async def test_a_connection_that_is_forgotten(
    mongodb_driver: MakeDriver, mongodb_database: str
) -> None:
    """Its transaction ends with it."""
    connection = await mongodb_driver().connect()
    await connection.begin(WRITE)
    await connection.execute(insert(1))
    del connection
    gc.collect()
    assert await is_quiet(mongodb_database)

    assert stored(mongodb_database) == []


async def test_closing_the_driver(mongodb_driver: MakeDriver, mongodb_database: str) -> None:
    """What was cut off just before is ended first; then nothing can be opened any more."""
    driver = mongodb_driver()
    connection = await driver.connect()
    await connection.begin(WRITE)
    await connection.execute(insert(1))
    connection.terminate()
    await driver.aclose()
    await driver.aclose()

    assert open_transactions(mongodb_database) == 0
    with pytest.raises(PoolClosedError):
        await driver.connect()


async def test_a_connection_of_a_closed_driver(mongodb_driver: MakeDriver) -> None:
    """It is closed with it."""
    driver = mongodb_driver()
    connection = await driver.connect()
    await driver.aclose()

    assert connection.is_closed
    await connection.aclose()
    connection.terminate()
    with pytest.raises(ConnectionLostError):
        await connection.fetch(ALL)


async def test_ping_and_taint(people: MongoDBConnection) -> None:
    """A sign of life; what somebody else had is not handed on."""
    await people.ping()
    assert not people.needs_reset
    people.taint()
    assert people.needs_reset
    await people.reset()

    assert people.is_closed


async def test_repr(people: MongoDBConnection, mongodb_driver: MakeDriver) -> None:
    """It shows the state, and of the driver no password."""
    assert repr(people) == "<MongoDBConnection open>"
    await people.begin(WRITE)
    assert repr(people) == "<MongoDBConnection open, in a transaction>"
    await people.aclose()
    assert repr(people) == "<MongoDBConnection closed>"
    driver = mongodb_driver("mongodb://ann:hush@localhost/x")
    assert "hush" not in repr(driver) + repr(driver.options)
    assert (driver.name in {"pymongo", "motor"}, driver.max_connections) == (True, None)


# -- connecting


async def test_nobody_there(mongodb_driver: MakeDriver) -> None:
    """A server that cannot be reached is told with its place, and why."""
    driver = mongodb_driver("mongodb://127.0.0.1:1/x", connect_timeout="300ms")
    with pytest.raises(DriverError, match=r"127.0.0.1:1 .*(refused|Connect call failed)"):
        await driver.connect()


async def test_options_that_the_client_refuses(mongodb_driver: MakeDriver) -> None:
    """They are told when connecting, without what the URL holds."""
    with pytest.raises(ValidationError, match="retryWrites"):
        await mongodb_driver(retryWrites="perhaps").connect()


def test_trio_is_refused(
    create_mongodb: Callable[..., MongoDBDriver], mongodb_database: str
) -> None:
    """At once, by name, and without a client made."""
    driver = create_mongodb(parse_url(mongodb_database), {})
    with pytest.raises(DriverError, match="needs asyncio"):
        anyio.run(driver.connect, backend="trio")


def test_another_event_loop(
    create_mongodb: Callable[..., MongoDBDriver], mongodb_database: str
) -> None:
    """A connection of a loop that is gone can be cut off, from wherever."""

    async def open_one() -> MongoDBConnection:
        driver = create_mongodb(parse_url(mongodb_database), {})
        connection = await driver.connect()
        await connection.begin(WRITE)
        await connection.fetch(ALL)
        await driver.face.close(driver.client)
        return connection

    connection = asyncio.run(open_one())
    connection.terminate()

    assert connection.is_closed


async def test_over_a_client_that_is_open(
    create_mongodb: Callable[..., MongoDBDriver], mongodb_database: str
) -> None:
    """Values come as its own options say; closing the driver leaves it open."""
    mongodb.empty(mongodb_database)
    library = import_module(create_mongodb.__module__)
    theirs = library.create(parse_url(mongodb_database), {"tz_aware": False})
    await (await theirs.connect()).aclose()
    driver = library.over(theirs.database)
    connection = await driver.connect()
    assert driver.has_transactions is True
    now = datetime(2024, 5, 6, tzinfo=UTC)
    await connection.begin(WRITE)
    await connection.execute(BulkWrite("people", [("insert", {"_id": 1, "at": now})]))
    await connection.commit()
    assert await connection.fetch(ALL) == [{"_id": 1, "at": now.replace(tzinfo=None)}]
    await connection.aclose()
    await driver.aclose()

    other = await theirs.connect()
    assert await numbers(other) == [1]
    await other.aclose()
    await theirs.aclose()
