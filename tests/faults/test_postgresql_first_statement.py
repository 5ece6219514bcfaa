"""BEGIN goes along with the first statement of a unit in PostgreSQL, if that reads."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from tests.faults.models import Account
from tests.faults.postgresql import PostgreSQLWorld
from tests.faults.proxy import Cut, Delay, Proxy, completed, of_kind, runs
from uow import (
    ConcurrentUseError,
    ConnectionLostError,
    Outcome,
    Session,
    SessionClosedError,
    TransactionPoisonedError,
    UowError,
    func,
)
from uow.errors import Phase

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

TRIPS = of_kind("Sync", "Query")
"""What the server answers when it comes to it: a round trip each."""


async def test_begin_takes_no_round_trip(postgresql: PostgreSQLWorld, proxy: Proxy) -> None:
    """Where a unit begins with a read, BEGIN goes along with it."""
    world = postgresql
    async with Session(world.database) as session:
        await session.get_one(Account, 1)  # the statement is prepared
    proxy.log.clear()
    async with Session.begin(world.database) as session:
        await session.get_one(Account, 1)
        assert session.in_transaction
        assert proxy.count(TRIPS) == 1

    assert proxy.count(runs("BEGIN")) == proxy.count(runs("COMMIT")) == 1
    assert proxy.count(TRIPS) == 2
    world.assert_quiet()


async def test_first_statement_on_a_lost_connection(
    postgresql: PostgreSQLWorld, proxy: Proxy
) -> None:
    """F53: lost before the server has said anything in a unit, another connection begins it."""
    world = postgresql
    async with Session(world.database) as session:
        await session.get_one(Account, 1)
    proxy.before(runs("BEGIN"), Cut())
    async with Session.begin(world.database) as session:
        ann = world.see(await session.get_one(Account, 1))
        ann.amount = 11

    assert proxy.connections == 2
    assert world.rows()["ann@x.org"][1] == 11
    world.assert_agrees()
    world.assert_quiet()


async def test_first_statement_that_is_always_lost(
    postgresql: PostgreSQLWorld, proxy: Proxy
) -> None:
    """A fresh connection that is lost as well is an error, of a unit of which nothing was done."""
    world = postgresql
    async with Session(world.database) as session:
        await session.get_one(Account, 1)
    for number in (1, 2):
        proxy.before(runs("BEGIN"), Cut(), nth=number)
    begun = Session.begin(world.database)
    with pytest.raises(ConnectionLostError) as caught:
        async with begun as session:
            await session.get_one(Account, 1)

    assert caught.value.phase is Phase.QUERY
    assert caught.value.outcome is Outcome.NOT_APPLIED
    assert caught.value.retryable
    world.assert_quiet()


async def test_first_statement_that_fails(postgresql: PostgreSQLWorld, proxy: Proxy) -> None:
    """A mistake in it is an error in an open transaction, which can only be rolled back."""
    world = postgresql
    async with Session.begin(world.database) as session:
        with pytest.raises(UowError) as caught:
            await session.find(Account, func.no_such_function(Account.id) > 1).to_list()
        assert caught.value.phase is Phase.QUERY
        assert session.in_transaction
        with pytest.raises(TransactionPoisonedError):
            await session.get_one(Account, 1)
        await session.rollback()
        ann = world.see(await session.get_one(Account, 1))
        ann.amount = 11

    assert proxy.count(runs("BEGIN")) == 2
    assert world.rows()["ann@x.org"][1] == 11
    world.assert_quiet()


async def test_closed_by_another_task_at_the_first_statement(
    postgresql: PostgreSQLWorld, proxy: Proxy
) -> None:
    """F17: who closes the session cuts the statement off; its connection is nobody's any more."""
    world = postgresql
    proxy.before(completed("SELECT"), Delay(0.3))
    session = Session(world.database, isolation="SERIALIZABLE")
    errors: list[BaseException] = []

    async def read() -> None:
        try:
            await session.get_one(Account, 1)
        except UowError as error:
            errors.append(error)

    async with anyio.create_task_group() as tasks:
        await session.__aenter__()
        tasks.start_soon(read)
        await anyio.sleep(0.1)
        with pytest.raises(ConcurrentUseError):
            await session.aclose()

    assert [type(error) for error in errors] == [SessionClosedError]
    await anyio.sleep(0.3)
    world.assert_quiet()


async def test_cancelled_and_closed_by_another_task_at_the_first_statement(
    postgresql: PostgreSQLWorld, proxy: Proxy
) -> None:
    """F17: the cancellation of who reads is raised, though the session is closed as well."""
    world = postgresql
    proxy.before(completed("SELECT"), Delay(0.3))
    session = Session(world.database, isolation="SERIALIZABLE")
    await session.__aenter__()
    reading = asyncio.create_task(session.get_one(Account, 1))
    await anyio.sleep(0.1)
    with pytest.raises(ConcurrentUseError):
        await session.aclose()
    reading.cancel()
    await asyncio.wait([reading])

    assert reading.cancelled()
    await anyio.sleep(0.3)
    world.assert_quiet()


async def test_cancelled_before_commit_is_sent(postgresql: PostgreSQLWorld, proxy: Proxy) -> None:
    """F06: a cancellation that is there before COMMIT is heard, and COMMIT is not sent."""
    world = postgresql
    with anyio.CancelScope() as scope:
        async with Session.begin(world.database) as session:
            session.on("after_flush", lambda _: scope.cancel())
            ann = world.see(await session.get_one(Account, 1))
            ann.amount = 11

    assert scope.cancelled_caught
    assert proxy.count(runs("COMMIT")) == 0
    assert world.rows()["ann@x.org"][1] == 10
    world.assert_agrees()
    world.assert_quiet()
