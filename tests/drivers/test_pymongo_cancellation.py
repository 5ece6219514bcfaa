"""Calls on a MongoDB connection that are cancelled, at each of their waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from tests.faults.steps import SCOPE, TASK, run_cancelled
from tests.support.mongodb import LEAVES_SOCKETS, collected, database_of, fail_point, is_quiet
from uow.drivers._pymongo_connection import MongoDBConnection
from uow.drivers._pymongo_driver import MongoDBDriver
from uow.drivers.base import TransactionOptions
from uow.errors import TransactionPoisonedError
from uow.operations import Aggregate, BulkWrite, Command, Find, FindAndModify, Operation

__all__ = ["collected"]

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collected"), LEAVES_SOCKETS]

WRITE = TransactionOptions()
ALL = Find("people", {}, sort=[("_id", 1)])
SLOW = Find(
    "people",
    {"$expr": {"$function": {"body": "function() { sleep(200) }", "args": [], "lang": "js"}}},
)

MakeDriver = Callable[..., MongoDBDriver]
Act = Callable[[MongoDBConnection], Awaitable[object]]


@pytest.fixture
def anyio_backend() -> str:
    """PyMongo runs under asyncio alone."""
    return "asyncio"


@pytest.fixture
async def driver(mongodb_driver: MakeDriver) -> MongoDBDriver:
    """A driver of a database with some documents."""
    made = mongodb_driver()
    connection = await made.connect()
    await connection.execute(insert(*range(30)))
    await connection.aclose()
    return made


def insert(*numbers: int) -> BulkWrite:
    """Documents by number."""
    return BulkWrite("people", [("insert", {"_id": number, "n": 0}) for number in numbers])


def increase(number: int) -> BulkWrite:
    """A change of one document."""
    return BulkWrite("people", [("update", {"_id": number}, {"$inc": {"n": 1}}, False, False)])


def stored(url: str) -> dict[int, int]:
    """The documents there are."""
    with database_of(url) as database:
        return {row["_id"]: row.get("n", 0) for row in database["people"].find()}


async def is_of_use(driver: MongoDBDriver, connection: MongoDBConnection) -> None:
    """A connection that was cancelled is closed, or can be used as if nothing had been."""
    if connection.is_closed:
        connection = await driver.connect()
    if connection.in_transaction:
        await connection.rollback()
    await connection.begin(WRITE)
    rows: list[Any] = await connection.fetch(ALL)
    assert [row["_id"] for row in rows][:30] == list(range(30))
    await connection.rollback()
    assert await connection.execute(Find("people", {"_id": 3})) == 1
    await connection.aclose()


async def sweep(
    driver: MongoDBDriver,
    how: str,
    act: Act,
    check: Callable[[MongoDBConnection, bool], Awaitable[None]],
) -> int:
    """Cancel a call at its first wait, its second, and so on, until it has no more.

    Returns:
        How many waits it had.
    """
    number = 0
    while True:
        number += 1
        connection = await driver.connect()

        async def call(connection: MongoDBConnection = connection) -> None:
            await act(connection)

        run = await run_cancelled(call(), how, (number,))
        assert run.error is None
        await check(connection, run.cancelled)
        await is_of_use(driver, connection)
        if run.waits < number:
            return number - 1


READS: dict[str, Operation] = {
    "find": ALL,
    "aggregate": Aggregate("people", [{"$sort": {"_id": 1}}]),
    "command": Command({"count": "people"}, reads=True),
}


@pytest.mark.parametrize("how", [SCOPE, TASK])
@pytest.mark.parametrize("kind", READS)
async def test_reads(driver: MongoDBDriver, mongodb_database: str, kind: str, how: str) -> None:
    """F01: outside of a transaction nothing is left of one."""

    async def check(connection: MongoDBConnection, cancelled: bool) -> None:
        assert not connection.needs_reset

    waits = await sweep(driver, how, lambda one: one.fetch(READS[kind]), check)
    assert waits > 0
    assert await is_quiet(mongodb_database)


@pytest.mark.parametrize("how", [SCOPE, TASK])
async def test_streams(driver: MongoDBDriver, mongodb_database: str, how: str) -> None:
    """F09: the cursor is closed before the cancellation goes on."""

    async def act(connection: MongoDBConnection) -> None:
        async with connection.stream(ALL, batch_size=10) as batches:
            async for _ in batches:
                await asyncio.sleep(0)

    async def check(connection: MongoDBConnection, cancelled: bool) -> None:
        assert connection.is_closed or not connection.needs_reset

    waits = await sweep(driver, how, act, check)
    assert waits > 3


@pytest.mark.parametrize("how", [SCOPE, TASK])
async def test_streams_in_a_transaction(
    driver: MongoDBDriver, mongodb_database: str, how: str
) -> None:
    """F09: it can only be rolled back then, and leaves nothing."""

    async def act(connection: MongoDBConnection) -> None:
        await connection.begin(WRITE)
        await connection.execute(increase(1))
        async with connection.stream(ALL, batch_size=10) as batches:
            async for _ in batches:
                await asyncio.sleep(0)
        await connection.rollback()

    async def check(connection: MongoDBConnection, cancelled: bool) -> None:
        if not connection.is_closed:
            await connection.rollback()
        assert await is_quiet(mongodb_database)

    waits = await sweep(driver, how, act, check)
    assert waits > 3
    assert set(stored(mongodb_database).values()) == {0}


WRITES: dict[str, Operation] = {
    "update": increase(1),
    "mixed": BulkWrite(
        "people",
        [
            ("update", {"_id": 1}, {"$inc": {"n": 1}}, False, False),
            ("replace", {"_id": 2}, {"n": 5}, False),
            ("delete", {"_id": 99}, False),
        ],
    ),
    "find and modify": FindAndModify("people", {"_id": 1}, update={"$inc": {"n": 1}}),
}


@pytest.mark.parametrize("how", [SCOPE, TASK])
@pytest.mark.parametrize("kind", WRITES)
async def test_units(driver: MongoDBDriver, mongodb_database: str, kind: str, how: str) -> None:
    """F01, F06: the whole of it is stored or nothing; a commit cut off closes the connection."""
    before = stored(mongodb_database)
    seen: set[bool] = set()

    async def act(connection: MongoDBConnection) -> None:
        await connection.begin(WRITE)
        await connection.execute(WRITES[kind])
        await connection.execute(increase(7))
        await connection.commit()

    async def check(connection: MongoDBConnection, cancelled: bool) -> None:
        if not connection.is_closed and connection.in_transaction:
            await connection.rollback()
        assert await is_quiet(mongodb_database)
        after = stored(mongodb_database)
        assert (after[7] - before[7], after[1] - before[1]) in {(0, 0), (1, 1)}
        seen.add(after[7] != before[7])
        if cancelled and after[7] != before[7]:
            assert connection.is_closed or not connection.in_transaction
        before.update(after)

    waits = await sweep(driver, how, act, check)
    assert waits >= 3
    assert seen == {True, False}


@pytest.mark.parametrize("how", [SCOPE, TASK])
async def test_rollbacks(driver: MongoDBDriver, mongodb_database: str, how: str) -> None:
    """F07: one that is cut off has closed the connection, and the server has ended the rest."""

    async def act(connection: MongoDBConnection) -> None:
        await connection.begin(WRITE)
        await connection.execute(increase(1))
        await connection.rollback()

    async def check(connection: MongoDBConnection, cancelled: bool) -> None:
        if not connection.is_closed:
            await connection.rollback()
        assert await is_quiet(mongodb_database)

    await sweep(driver, how, act, check)
    assert set(stored(mongodb_database).values()) == {0}


@pytest.mark.parametrize("how", [SCOPE, TASK])
async def test_single_writes(driver: MongoDBDriver, mongodb_database: str, how: str) -> None:
    """They are done or not, and at most once."""

    async def check(connection: MongoDBConnection, cancelled: bool) -> None:
        await asyncio.sleep(0.01)
        found = stored(mongodb_database)[1]
        assert found - counted[-1] in {0, 1}
        counted.append(found)

    counted = [0]
    waits = await sweep(driver, how, lambda one: one.execute(increase(1)), check)
    assert counted[-1] > 0
    assert waits > 0


@pytest.mark.parametrize("how", [SCOPE, TASK])
async def test_connecting(
    driver: MongoDBDriver, mongodb_driver: MakeDriver, how: str, mongodb_database: str
) -> None:
    """F05: a driver whose first connection was given up opens another."""
    number = 0
    while True:
        number += 1
        made = mongodb_driver()
        opened: list[MongoDBConnection] = []

        async def connect(
            made: MongoDBDriver = made, opened: list[MongoDBConnection] = opened
        ) -> None:
            opened.append(await made.connect())

        run = await run_cancelled(connect(), how, (number,))
        assert run.error is None
        connection = opened[0] if opened else await made.connect()
        assert await connection.execute(Find("people", {"_id": 3})) == 1
        await connection.aclose()
        await made.aclose()
        if run.waits < number:
            return


@pytest.mark.parametrize("in_transaction", [True, False])
async def test_long_reads(
    driver: MongoDBDriver, mongodb_database: str, in_transaction: bool
) -> None:
    """A statement that goes on for long is given up at once, and ends on the server too."""
    connection = await driver.connect()
    if in_transaction:
        await connection.begin(WRITE)
        await connection.execute(increase(1))
    started = time.monotonic()
    with anyio.move_on_after(0.2) as scope:
        await connection.fetch(SLOW)
    assert scope.cancelled_caught
    assert time.monotonic() - started < 1.5
    if in_transaction:
        assert connection.is_closed or connection.has_failed
        if not connection.is_closed:
            with pytest.raises(TransactionPoisonedError):
                await connection.fetch(ALL)
    if not connection.is_closed:
        await connection.rollback()
    assert time.monotonic() - started < 3

    assert await is_quiet(mongodb_database)
    await is_of_use(driver, connection)
    with database_of(mongodb_database) as database, anyio.fail_after(5):
        mine = {"active": True, "ns": f"{database.name}.people"}
        while list(  # noqa: ASYNC110  # the server wakes nobody
            database.client.admin.aggregate([{"$currentOp": {}}, {"$match": mine}])
        ):
            await anyio.sleep(0.02)


async def test_long_writes(driver: MongoDBDriver, mongodb_database: str) -> None:
    """A write that goes on for long is not waited for by the rollback: the server ends it."""
    connection = await driver.connect()
    await connection.begin(WRITE)
    await connection.execute(increase(1))
    started = time.monotonic()
    with anyio.move_on_after(0.2) as scope:
        change: Any = {"$inc": {"n": 1}}
        slow = ("update", {**SLOW.filter}, change, True, False)
        await connection.execute(BulkWrite("people", [slow]))
    assert scope.cancelled_caught
    if not connection.is_closed:
        await connection.rollback()
    assert time.monotonic() - started < 2.5

    assert await is_quiet(mongodb_database)
    assert set(stored(mongodb_database).values()) == {0}
    await is_of_use(driver, connection)


async def test_long_single_writes(driver: MongoDBDriver) -> None:
    """What the server may be at still is in nobody's way: the connection begins anew."""
    connection = await driver.connect()
    started = time.monotonic()
    with anyio.move_on_after(0.2) as scope:
        slow = ("update", {**SLOW.filter, "_id": {"$lt": 0}}, {"$inc": {"n": 1}}, False, False)
        await connection.execute(BulkWrite("people", [("insert", {"_id": -1}), slow]))
        await connection.execute(FindAndModify("people", SLOW.filter, remove=True))
    assert scope.cancelled_caught
    if connection.is_closed:
        connection = await driver.connect()
    await connection.begin(WRITE)
    assert await connection.execute(Find("people", {"_id": 3})) == 1
    await connection.rollback()
    assert time.monotonic() - started < 3
    await connection.aclose()


async def test_commit_without_an_end(driver: MongoDBDriver, mongodb_database: str) -> None:
    """F25: a commit that hangs is cut off, and the server gives the transaction up."""
    connection = await driver.connect()
    await connection.begin(WRITE)
    await connection.execute(increase(1))
    app = driver.options.keywords["appname"]
    blocks: Any = {"blockConnection": True, "blockTimeMS": 700}
    with fail_point(mongodb_database, "commitTransaction", times=1, app=app, **blocks):
        with anyio.move_on_after(0.1) as scope:
            await connection.commit()
        assert scope.cancelled_caught
        assert connection.is_closed
        assert await is_quiet(mongodb_database)

    assert stored(mongodb_database)[1] in {0, 1}


async def test_a_token_a_call(driver: MongoDBDriver) -> None:
    """F37: no call is ever answered with what another one asked for, whatever was cancelled."""
    connections = [await driver.connect() for _ in range(3)]
    random = iter(range(10**6))

    async def ask(connection: MongoDBConnection, patience: float) -> None:
        token = next(random)
        documents = Aggregate(None, [{"$documents": [{"token": token}]}], fields=("token",))
        with anyio.move_on_after(patience):
            assert await connection.fetch(documents) == [(token,)]

    async def ask_often(connection: MongoDBConnection, shift: int) -> None:
        for number in range(60):
            await ask(connection, 0.0001 * ((number * 7 + shift) % 40))
        await ask(connection, 5)

    async with anyio.create_task_group() as tasks:
        for shift, connection in enumerate(connections):
            tasks.start_soon(ask_often, connection, shift)
    for connection in connections:
        await is_of_use(driver, connection)
