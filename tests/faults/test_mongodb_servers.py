"""A replica set of three, whose primary steps down, or is killed (the driver's part of it)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest

from tests.mongod import ReplicaSet, start_replica_set
from tests.support.mongodb import (
    LEAVES_SOCKETS,
    client_of,
    collected,
    database_of,
    is_quiet,
)
from uow.drivers._pymongo_connection import MongoDBConnection
from uow.drivers._pymongo_driver import MongoDBDriver
from uow.drivers.base import TransactionOptions
from uow.drivers.motor import create as create_motor
from uow.drivers.pymongo import create as create_pymongo
from uow.errors import ConnectionLostError, Outcome, RetryableError, UowError
from uow.operations import BulkWrite, Command, Find
from uow.url import parse_url

__all__ = ["collected"]

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collected"), LEAVES_SOCKETS]

WRITE = TransactionOptions()
ALL = Find("units", {}, sort=[("_id", 1)])


@pytest.fixture
def anyio_backend() -> str:
    """PyMongo runs under asyncio alone."""
    return "asyncio"


@pytest.fixture(scope="module")
def servers() -> Iterator[ReplicaSet]:
    """Three servers; the tests leave at least two of them."""
    with start_replica_set(3) as running:
        yield running


@pytest.fixture(params=["pymongo", pytest.param("motor", marks=pytest.mark.thorough)])
async def driver(
    request: pytest.FixtureRequest, servers: ReplicaSet
) -> AsyncIterator[MongoDBDriver]:
    """A driver of an empty database on them."""
    with database_of(servers.url) as database:
        database["units"].delete_many({})
        database["units"].insert_one({"_id": 0, "n": 0})
    create = create_motor if request.param == "motor" else create_pymongo
    made = create(parse_url(servers.url), {"heartbeatFrequencyMS": 500, "appname": "test"})
    yield made
    await made.aclose()


def insert(number: int) -> BulkWrite:
    """One document."""
    return BulkWrite("units", [("insert", {"_id": number})])


INCREASE = BulkWrite("units", [("update", {"_id": 0}, {"$inc": {"n": 1}}, False, False)])


def step_down(servers: ReplicaSet) -> None:
    """Have the primary step down, and wait until another server has taken its place."""
    before = servers.primary()
    with client_of(servers.url, directConnection=False) as client:
        client.admin.command({"replSetStepDown": 20, "secondaryCatchUpPeriodSecs": 5})
    after = servers.primary()
    # The members take turns; else the first one would take its place back in the next test.
    assert after is not before
    with client_of(f"mongodb://{before.address}/test", directConnection=True) as client:
        client.admin.command({"replSetFreeze": 0})


def stored(url: str) -> tuple[list[Any], int]:
    """The keys there are, and the count."""
    with database_of(url) as database:
        units = list(database["units"].find(sort=[("_id", 1)]))
    return [unit["_id"] for unit in units[1:]], units[0]["n"]


async def unit(connection: MongoDBConnection, number: int) -> None:
    """A unit of two statements."""
    await connection.begin(WRITE)
    try:
        await connection.execute(insert(number))
        await connection.execute(INCREASE)
        await connection.commit()
    except UowError:
        await connection.rollback()
        raise


async def test_a_step_down_before_the_unit(driver: MongoDBDriver, servers: ReplicaSet) -> None:
    """F59: what knew the old primary goes on with the new one, at the first statement."""
    connection = await driver.connect()
    await unit(connection, 1)
    step_down(servers)
    await unit(connection, 2)
    step_down(servers)
    assert await connection.execute(Find("units", {})) == 3
    step_down(servers)
    assert await connection.execute(INCREASE) == 1

    assert stored(servers.url) == ([1, 2], 3)
    await connection.aclose()


async def test_a_step_down_in_a_transaction(driver: MongoDBDriver, servers: ReplicaSet) -> None:
    """F59: the unit can be run again, and nothing of the first run is left."""
    connection = await driver.connect()
    await connection.begin(WRITE)
    await connection.execute(insert(1))
    step_down(servers)
    with pytest.raises((RetryableError, ConnectionLostError)) as caught:
        await connection.execute(insert(2))
    assert caught.value.retryable
    assert caught.value.outcome is Outcome.NOT_APPLIED
    await connection.rollback()
    await unit(connection, 1)

    assert stored(servers.url) == ([1], 1)
    assert await is_quiet(servers.url)
    await connection.aclose()


async def test_a_step_down_before_the_commit(driver: MongoDBDriver, servers: ReplicaSet) -> None:
    """F59: the new primary knows no such transaction: it is not stored, and that is known."""
    connection = await driver.connect()
    await connection.begin(WRITE)
    await connection.execute(insert(1))
    step_down(servers)
    with pytest.raises(RetryableError) as caught:
        await connection.commit()

    assert caught.value.outcome is Outcome.NOT_APPLIED
    assert not connection.in_transaction
    assert stored(servers.url) == ([], 0)
    await unit(connection, 1)
    assert stored(servers.url) == ([1], 1)
    await connection.aclose()


async def test_a_commit_whose_answer_is_lost_to_a_step_down(
    driver: MongoDBDriver, servers: ReplicaSet
) -> None:
    """F59: sent again, the new primary says that it is stored."""
    connection = await driver.connect()
    await connection.begin(WRITE)
    await connection.execute(insert(1))
    primary = servers.primary()
    with client_of(f"mongodb://{primary.address}/test", directConnection=True) as client:
        # Done, but only there; and then not answered.
        point = {
            "failCommands": ["commitTransaction"],
            "appName": "test",
            "writeConcernError": {"code": 91, "codeName": "ShutdownInProgress", "errmsg": "x"},
        }
        fail: dict[str, Any] = {"configureFailPoint": "failCommand", "data": point}
        client.admin.command({**fail, "mode": "alwaysOn"})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(connection.commit)
            await anyio.sleep(0.3)
            await anyio.to_thread.run_sync(step_down, servers)
        client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})

    assert not connection.in_transaction
    assert stored(servers.url) == ([1], 0)
    await connection.aclose()


async def test_a_transaction_that_expires(driver: MongoDBDriver, servers: ReplicaSet) -> None:
    """F61: the server ends one that lasts too long; that is said, and no loop."""
    connection = await driver.connect()
    limit: dict[str, Any] = {"setParameter": 1, "transactionLifetimeLimitSeconds": 1}
    address = servers.primary().address
    with client_of(f"mongodb://{address}/test", directConnection=True) as client:
        before = client.admin.command(limit)["was"]
        try:
            await connection.begin(WRITE)
            await connection.execute(insert(1))
            other = await driver.connect()
            await other.begin(WRITE)
            await other.execute(insert(2))
            assert await is_quiet(servers.url)
            with pytest.raises(RetryableError):
                await connection.execute(insert(3))
            await connection.rollback()
            with pytest.raises(RetryableError) as caught:
                await other.commit()
        finally:
            client.admin.command({**limit, "transactionLifetimeLimitSeconds": before})

    assert caught.value.outcome is Outcome.NOT_APPLIED
    assert stored(servers.url) == ([], 0)
    await connection.aclose()
    await other.aclose()


async def test_the_primary_is_killed_under_load(driver: MongoDBDriver, servers: ReplicaSet) -> None:
    """F60: what was acknowledged is stored, once; what was not is not; the rest is either."""
    killed_server = servers.primary()
    acknowledged: set[int] = set()
    refused: set[int] = set()
    unknown: set[int] = set()
    errors: list[UowError] = []
    numbers = iter(range(1, 10**6))
    killed = anyio.Event()
    done_after = 0

    async def work() -> None:
        nonlocal done_after
        connection = await driver.connect()
        while not killed.is_set() or done_after < 20:
            number = next(numbers)
            if connection.is_closed:
                connection = await driver.connect()
            try:
                with anyio.move_on_after(15) as scope:
                    await unit(connection, number)
                if scope.cancelled_caught:
                    await connection.rollback()
            except UowError as error:
                errors.append(error)
                (refused if error.outcome is Outcome.NOT_APPLIED else unknown).add(number)
                await anyio.sleep(0.01)
            else:
                (unknown if scope.cancelled_caught else acknowledged).add(number)
                done_after += killed.is_set() and not scope.cancelled_caught
        await connection.aclose()

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(work)
        while len(acknowledged) < 30:  # noqa: ASYNC110  # whoever gets there
            await anyio.sleep(0.01)
        killed_server.kill()
        killed.set()

    assert {type(error) for error in errors} <= {ConnectionLostError, RetryableError}
    assert all(error.outcome is Outcome.UNKNOWN or error.retryable for error in errors)
    keys, count = stored(servers.url)
    found = set(keys)
    assert len(keys) == len(found) == count
    assert acknowledged <= found
    assert not refused & found
    assert found <= acknowledged | unknown
    assert await is_quiet(servers.url)
    killed_server.start()


async def test_closing_when_nobody_is_there() -> None:
    """F25: it does not look for servers to say goodbye to."""
    with start_replica_set(1) as running:
        driver = create_pymongo(parse_url(running.url), {})
        connection = await driver.connect()
        await connection.fetch(ALL)
        running.members[0].kill()
        await anyio.sleep(0.7)
        started = anyio.current_time()
        await connection.aclose()
        await driver.aclose()
        assert anyio.current_time() - started < 10


async def test_definitions_reach_a_majority(driver: MongoDBDriver, servers: ReplicaSet) -> None:
    """An index that was acknowledged is there after a step-down."""
    connection = await driver.connect()
    index = {"key": {"n": 1}, "name": "by_n"}
    await connection.execute(Command({"createIndexes": "units", "indexes": [index]}))
    await anyio.to_thread.run_sync(step_down, servers)
    found = await connection.fetch(Command({"listIndexes": "units"}, reads=True))

    assert "by_n" in [one["name"] for one in found]
    await connection.aclose()
