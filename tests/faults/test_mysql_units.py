"""A unit in MariaDB and MySQL may not be lost, killed, deadlocked or half committed in silence."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest

from tests.contract import models
from tests.support import mysql
from uow import (
    ConnectionLostError,
    Database,
    LockTimeoutError,
    Outcome,
    QueryError,
    RetryableError,
    Session,
    TransactionPoisonedError,
    sql,
)

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

Note, Author = models.Note, models.Author


@pytest.fixture(params=["mariadb", "mysql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A database of each server."""
    return str(request.getfixturevalue(f"{request.param}_database"))


@pytest.fixture
async def shop(database_url: str, anyio_backend: str) -> AsyncIterator[Database]:
    """A database with ten notes and as many authors."""
    await mysql.clear(database_url)
    async with Database(database_url, lock_timeout="1s", pool_max=4) as database:
        await database.create_all([Note, Author])
        async with Session.begin(database) as session:
            session.add_all([Note(text=f"n{number}", rank=0) for number in range(10)])
            session.add_all([Author(email=f"a{n}@x.org", name="Ann") for n in range(10)])
        yield database

        assert database.pool.stats.in_use == 0


async def connection_of(session: Session) -> int:
    """The server's number of the connection that a session holds."""
    return int((await session.execute(sql("SELECT CONNECTION_ID()")))[0][0])


async def ranks(url: str) -> list[int]:
    """What is stored, seen from outside."""
    rows = await mysql.ask(url, "SELECT `rank` FROM notes ORDER BY id")
    return [int(rank) for (rank,) in rows]


async def test_idle_connections_that_were_killed(shop: Database, database_url: str) -> None:
    """F26: they are replaced before the first statement of a unit, and nobody notices."""
    async with Session(shop) as session:
        number = await connection_of(session)
        await session.rollback()
    await mysql.ask(database_url, f"KILL {number}")
    async with Session(shop) as session:
        (await session.get_one(Note, 1)).rank = 5
        await session.commit()

    assert (await ranks(database_url))[0] == 5


async def test_connections_killed_inside_a_unit(shop: Database, database_url: str) -> None:
    """F27: the unit is lost, nothing of it is stored, and it is not begun again in silence."""
    async with Session(shop) as session:
        one, two = await session.get_one(Note, 1), await session.get_one(Note, 2)
        one.rank = 5
        await session.flush()
        await mysql.ask(database_url, f"KILL {await connection_of(session)}")
        two.rank = 5
        with pytest.raises(ConnectionLostError) as caught:
            await session.commit()
        assert caught.value.outcome is Outcome.NOT_APPLIED
        await session.rollback()
        assert (one.rank, two.rank) == (0, 0)

    assert await ranks(database_url) == [0] * 10


async def test_deadlocks_that_are_swallowed(shop: Database, database_url: str) -> None:
    """F43, F50: whoever goes on after losing a deadlock is told at the commit; nothing is half."""
    poisoned: list[type[Exception]] = []
    arrived = anyio.Event()

    async def change(first: int, second: int) -> None:
        async with Session(shop) as session:
            await session.execute(
                sql("UPDATE notes SET `rank` = `rank` + 1 WHERE id = {id}", id=first)
            )
            if arrived.is_set():
                both.set()
            arrived.set()
            await both.wait()
            try:
                await session.execute(
                    sql("UPDATE notes SET `rank` = `rank` + 1 WHERE id = {id}", id=second)
                )
            except RetryableError:
                with pytest.raises(TransactionPoisonedError):
                    await session.commit()
                poisoned.append(RetryableError)
                await session.rollback()
            else:
                await session.commit()

    both = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(change, 1, 2)
        tasks.start_soon(change, 2, 1)

    assert poisoned == [RetryableError]
    assert await ranks(database_url) == [1, 1, *[0] * 8]


async def test_locks_that_are_not_granted(shop: Database, database_url: str) -> None:
    """F50: after a lock timeout the unit is rolled back in full, and can be tried again."""
    async with Session(shop) as holder, Session(shop) as session:
        await holder.get(Note, 2, for_update=True)
        one, two = await session.get_one(Note, 1), await session.get_one(Note, 2)
        one.rank = two.rank = 5
        with pytest.raises(LockTimeoutError):
            await session.commit()
        assert await ranks(database_url) == [0] * 10
        await holder.rollback()
        await session.commit()

    assert await ranks(database_url) == [5, 5, *[0] * 8]


async def test_batches_lock_their_own_rows_alone(shop: Database, database_url: str) -> None:
    """Two units that change different rows in batches do not wait for each other."""
    async with Session(shop) as one, Session(shop) as other:
        for session, even in ((one, True), (other, False)):
            for note in await session.find(Note).to_list():
                if (note.id % 2 == 0) is even:
                    note.rank = 1 + even
            for author in await session.find(Author).to_list():
                if (author.id % 2 == 0) is even:
                    author.name = "Bob"
            await session.flush()
        await one.commit()
        await other.commit()

    assert await ranks(database_url) == [1, 2] * 5


async def test_definitions_in_a_unit(shop: Database, database_url: str) -> None:
    """F58: they are refused by name, and what came before them is not stored by accident."""
    async with Session(shop) as session:
        (await session.get_one(Note, 1)).rank = 5
        await session.flush()
        with pytest.raises(QueryError, match="CREATE TABLE would commit"):
            await session.execute(sql("CREATE TABLE x (id INT)"))
        await session.rollback()

    assert await ranks(database_url) == [0] * 10


async def test_tables_without_transactions(shop: Database, database_url: str) -> None:
    """F58: a unit does not write to one."""
    await mysql.ask(database_url, "ALTER TABLE notes ENGINE=MyISAM")
    async with Database(database_url) as database, Session(database) as session:
        session.add(Note(text="x"))
        with pytest.raises(QueryError, match="notes has an engine without transactions"):
            await session.commit()
        await session.rollback()

    assert len(await ranks(database_url)) == 10


async def test_units_that_are_cancelled(shop: Database, database_url: str) -> None:
    """F01: one that is cancelled while it waits for a lock leaves nothing, and no lock behind."""
    async with Session(shop) as holder:
        await holder.get(Note, 2, for_update=True)
        with anyio.move_on_after(0.2) as scope:
            async with Session(shop) as session:
                for row in await session.find(Note).to_list():
                    row.rank = 5
                await session.commit()
        assert scope.cancelled_caught
        await holder.rollback()
    async with Session(shop) as session:
        for row in await session.find(Note).to_list():
            row.rank = 7
        await session.commit()

    assert await ranks(database_url) == [7] * 10
