"""F26: a connection that died in the pool is replaced before a unit begins, and never after."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

import pytest

from uow import (
    Column,
    CommitUnknownError,
    ConnectionLostError,
    Database,
    Mapped,
    Outcome,
    Phase,
    Session,
    Table,
    connect,
    insert,
    sql,
)
from uow.drivers.base import TransactionOptions
from uow.drivers.memory import LoseConnection, MemoryDriver
from uow.session.channel import Channel
from uow.statement import Statement

pytestmark = pytest.mark.anyio


class Item(Table):
    id: Mapped[int] = Column(primary_key=True)
    name: Mapped[str]


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    """A database with one row, and one idle connection that was used before."""
    database = await connect("memory://", pool_max=2)
    await database.create_all([Item])
    async with Session.begin(database) as session:
        session.add(Item(id=1, name="one"))
    yield database

    stats = database.pool.stats
    assert stats.in_use == 0
    assert stats.acquired == stats.released + stats.terminated
    await database.aclose()


def driver_of(database: Database) -> MemoryDriver:
    """The driver, whose calls are counted from here."""
    driver = cast("MemoryDriver", database.driver)
    driver.clear_log()
    return driver


async def names(database: Database) -> list[str]:
    """What is stored."""
    async with Session(database) as session:
        return [item.name for item in await session.find(Item).order_by(Item.id).to_list()]


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_read_on_its_own(database: Database, moment: str) -> None:
    """A read outside of a transaction is sent again, whether the answer or the question is lost."""
    driver = driver_of(database)
    getattr(driver.faults, moment)("fetch", LoseConnection())
    async with Session(database) as session:
        assert (await session.get_one(Item, 1)).name == "one"

    assert [call.operation for call in driver.log] == ["fetch", "connect", "fetch"]


async def test_no_round_trip_where_all_is_well(database: Database) -> None:
    """Nothing is sent to find out whether a connection that was just used is alive."""
    driver = driver_of(database)
    async with Session(database) as session:
        await session.get_one(Item, 1)

    assert [call.operation for call in driver.log] == ["fetch"]


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_the_begin_of_a_transaction(database: Database, moment: str) -> None:
    """BEGIN is sent again: nothing was done after the first."""
    driver = driver_of(database)
    getattr(driver.faults, moment)("begin", LoseConnection())
    async with Session.begin(database) as session:
        session.add(Item(id=2, name="two"))

    assert session.outcome is Outcome.APPLIED
    assert await names(database) == ["one", "two"]


async def test_the_definition_of_tables(database: Database) -> None:
    """Tables are made though the connection for that had died."""
    driver = driver_of(database)
    driver.faults.before("begin", LoseConnection())
    await database.drop_all([Item])
    await database.create_all([Item])

    assert await names(database) == []
    assert driver.faults.pending == 0


async def test_the_opening_of_a_cursor(database: Database) -> None:
    """A cursor that could not be opened is opened again, and reads all."""
    driver = driver_of(database)
    driver.faults.before("stream", LoseConnection())
    async with Session(database) as session, session.stream(session.find(Item)) as items:
        assert [item.id async for item in items] == [1]


async def test_a_cursor_that_is_open(database: Database) -> None:
    """A cursor that breaks when it is read is not opened again: rows may have been seen."""
    driver = driver_of(database)
    driver.faults.before("stream_batch", LoseConnection())
    async with Session(database) as session, session.stream(session.find(Item)) as items:
        with pytest.raises(ConnectionLostError):
            await anext(items)


async def test_inside_a_unit(database: Database) -> None:
    """A statement of a transaction that is open is never sent again."""
    driver = driver_of(database)
    async with Session(database) as session:
        session.add(Item(id=2, name="two"))
        await session.flush()
        driver.faults.before("fetch", LoseConnection())
        with pytest.raises(ConnectionLostError) as caught:
            await session.find(Item).to_list()
        assert caught.value.phase is Phase.QUERY
        await session.rollback()

    assert await names(database) == ["one"]


async def test_a_unit_of_one_statement(database: Database) -> None:
    """A write that is its own commit is never sent again: it may have been applied."""
    driver = driver_of(database)
    driver.faults.after("execute", LoseConnection())
    async with Session(database) as session:
        session.add(Item(id=2, name="two"))
        with pytest.raises(CommitUnknownError):
            await session.commit()
        await session.rollback()

    assert [call.operation for call in driver.log].count("execute") == 1
    assert await names(database) == ["one", "two"]


async def test_a_statement_that_writes_and_returns_rows(database: Database) -> None:
    """What is not known to read only is not sent again, in a transaction or out of one."""
    driver = driver_of(database)
    driver.faults.after("fetch", LoseConnection())
    channel = Channel(database, TransactionOptions())
    with pytest.raises(ConnectionLostError) as caught:
        await channel.fetch(Statement("INSERT INTO item VALUES (2, 'two') RETURNING id"))

    assert caught.value.phase is Phase.QUERY
    assert [call.operation for call in driver.log] == ["fetch"]
    assert await names(database) == ["one", "two"]


async def test_raw_sql_and_bulk_statements(database: Database) -> None:
    """What may write begins a transaction first; that is taken again, the statement is not."""
    driver = driver_of(database)
    async with Session.begin(database) as session:
        driver.faults.before("begin", LoseConnection())
        await session.execute(insert(Item, id=2, name="two"))
        driver.faults.before("run", LoseConnection())
        with pytest.raises(ConnectionLostError):
            await session.execute(sql("UPDATE item SET name = 'x'"))
        await session.rollback()

    assert await names(database) == ["one"]
