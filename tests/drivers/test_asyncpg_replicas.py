"""A primary of PostgreSQL and a replica that streams from it: positions, waiting, fallback."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from tests.servers import REQUIRED, MissingServerError, start_postgresql, start_replica
from uow import (
    Column,
    ConnectionLostError,
    Database,
    Mapped,
    QueryError,
    Session,
    Table,
    ValidationError,
    connect,
    delete,
    sql,
)
from uow.drivers.base import Positioned
from uow.statement import Statement

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]


class Item(Table):
    class Settings:
        name = "replicated_items"

    id: Mapped[int] = Column(primary_key=True)
    name: Mapped[str]


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, str]]:
    """The URLs of a primary and of its replica."""
    try:
        # A commit that is answered before it is on the disk reaches a replica 0.2 s later.
        settings = {"synchronous_commit": "local"}
        with start_postgresql(settings=settings) as primary, start_replica(primary) as replica:
            yield primary, replica
    except MissingServerError as error:
        if os.environ.get(REQUIRED) == "1":
            raise
        pytest.skip(f"no PostgreSQL: {error} ({REQUIRED}=1 makes that a failure)")


@pytest.fixture
async def shop(servers: tuple[str, str]) -> AsyncIterator[Database]:
    """A database with a replica, and one row, which the replica has."""
    primary, replica = servers
    database = await connect(primary, replicas=[replica], replica_wait=10.0)
    await database.create_all([Item])
    async with Session.begin(database) as session:
        await session.execute(delete(Item).all())
        session.add(Item(id=1, name="one"))
    await read(database, read_after=await database.position())
    yield database

    await resume(database)
    stats = [database.pool.stats, *(one.pool.stats for one in database.replicas)]
    await database.aclose()
    assert all(one.acquired == one.released + one.terminated for one in stats)


async def read(database: Database, **options: Any) -> str:
    """Read the row in a session that only reads, and give its name."""
    async with Session(database, read_only=True, **options) as session:
        return (await session.get_one(Item, 1)).name


async def rename(database: Database, name: str) -> None:
    """Change the row."""
    async with Session.begin(database) as session:
        (await session.get_one(Item, 1)).name = name


async def is_replica(session: Session) -> bool:
    """Whether a session reads from a server that replays another's log."""
    rows = await session.execute(sql("SELECT pg_is_in_recovery() AS it"))
    return bool(next(iter(rows)).it)


@asynccontextmanager
async def at_the_replica(database: Database) -> AsyncIterator[Any]:
    """A connection to the replica."""
    pool = database.replicas[0].pool
    connection = await pool.acquire()
    try:
        yield connection
    finally:
        await pool.release(connection)


async def pause(database: Database) -> None:
    """Let the replica replay nothing more."""
    async with at_the_replica(database) as connection:
        await connection.fetch(Statement("SELECT pg_wal_replay_pause()"))
        state = Statement("SELECT pg_get_wal_replay_pause_state()", reads=True)
        while (await connection.fetch(state))[0][0] != "paused":  # noqa: ASYNC110  # nobody tells
            await anyio.sleep(0.01)


async def resume(database: Database) -> None:
    """Let the replica go on."""
    async with at_the_replica(database) as connection:
        await connection.fetch(Statement("SELECT pg_wal_replay_resume()"))


async def test_who_reads_where(shop: Database) -> None:
    """Sessions that only read are at the replica, others at the primary; and so is SERIALIZABLE."""
    async with Session(shop, read_only=True) as session:
        assert await is_replica(session)
    async with Session(shop) as session:
        assert not await is_replica(session)
        await session.rollback()
    async with Session(shop, read_only=True, isolation="REPEATABLE READ") as session:
        assert await is_replica(session)
    async with Session(shop, read_only=True, isolation="SERIALIZABLE") as session:
        assert not await is_replica(session)
    assert await read(shop) == "one"


async def test_a_cursor_at_the_replica(shop: Database) -> None:
    """A cursor on the server is one of the replica's."""
    async with (
        Session(shop, read_only=True) as session,
        session.stream(session.find(Item)) as items,
    ):
        assert await is_replica(session)
        assert [item.name async for item in items] == ["one"]


async def test_writes_are_refused(shop: Database) -> None:
    """Nothing is written through a session that only reads, raw SQL included."""
    async with Session(shop, read_only=True) as session:
        with pytest.raises(QueryError, match="read-only"):
            await session.execute(sql("DELETE FROM replicated_items"))
        await session.rollback()
        (await session.get_one(Item, 1)).name = "never"
        with pytest.raises(QueryError, match="read-only"):
            await session.commit()
        session.clear()

    assert await read(shop) == "one"


async def test_positions(shop: Database) -> None:
    """What was committed before a position is replayed once a replica has reached it."""
    before = await shop.position()
    await rename(shop, "two")
    after = await shop.position()
    assert before != after
    assert await read(shop, read_after=after) == "two"
    async with at_the_replica(shop) as connection:
        assert isinstance(connection, Positioned)
        assert await connection.has_reached(before) is True
        assert await connection.has_reached("FFFFFFFF/0") is False
        assert await connection.position()
        for text in ("yesterday", "0/0; DROP TABLE x", "", "1/123456789"):
            with pytest.raises(ValidationError, match="position"):
                await connection.has_reached(text)
    primary = await shop.pool.acquire()
    assert isinstance(primary, Positioned)
    assert await primary.has_reached(before) is None
    await shop.pool.release(primary)


async def test_ones_own_writes(shop: Database) -> None:
    """Each of many writes is seen by the session that reads right after it, at the replica."""
    at_replica = 0
    for number in range(100):
        await rename(shop, f"name {number}")
        after = await shop.position()
        async with Session(shop, read_only=True, read_after=after) as session:
            assert (await session.get_one(Item, 1)).name == f"name {number}"
            at_replica += await is_replica(session)

    assert at_replica == 100


async def test_ones_own_writes_that_are_not_on_the_disk(shop: Database) -> None:
    """A commit that was answered before it was written to the log is waited for all the same."""
    for number in range(3):
        async with Session.begin(shop) as session:
            await session.execute(sql("SET LOCAL synchronous_commit = off"))
            (await session.get_one(Item, 1)).name = f"name {number}"
        assert await read(shop, read_after=await shop.position()) == f"name {number}"


async def test_a_replica_that_catches_up(shop: Database) -> None:
    """A session waits for a replica that is behind, and reads there what it waited for."""
    await pause(shop)
    await rename(shop, "two")
    after = await shop.position()
    assert await read(shop) == "one"

    async def later() -> None:
        await anyio.sleep(0.2)
        await resume(shop)

    start = time.monotonic()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(later)
        async with Session(shop, read_only=True, read_after=after) as session:
            assert (await session.get_one(Item, 1)).name == "two"
            waited = time.monotonic() - start
            assert await is_replica(session)

    assert waited >= 0.2


async def test_a_replica_that_does_not_catch_up(servers: tuple[str, str], shop: Database) -> None:
    """Past the wait a session reads from the primary, and finds what was written."""
    primary, replica = servers
    await pause(shop)
    await rename(shop, "two")
    async with Database(primary, replicas=[replica], replica_wait=0.2) as impatient:
        after = await impatient.position()
        start = time.monotonic()
        async with Session(impatient, read_only=True, read_after=after) as session:
            assert (await session.get_one(Item, 1)).name == "two"
            waited = time.monotonic() - start
            assert not await is_replica(session)
        assert await read(impatient) == "one"
        assert impatient.replicas[0].is_sound

    assert 0.2 <= waited < 5


async def test_a_primary_among_the_replicas(servers: tuple[str, str], shop: Database) -> None:
    """A server that replays nothing cannot be waited for: one reads from the primary at once."""
    primary, _ = servers
    async with Database(primary, replicas=[primary], replica_wait=10.0) as database:
        after = await database.position()
        start = time.monotonic()
        assert await read(database, read_after=after) == "one"

    assert time.monotonic() - start < 5


async def test_backends_killed_while_idle(shop: Database) -> None:
    """F26: connections that the replica ended while they were idle are replaced unnoticed."""
    for _ in range(3):
        await read(shop)
        async with at_the_replica(shop) as connection:
            await connection.fetch(
                Statement(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
                    " backend_type = 'client backend' AND pid <> pg_backend_pid()"
                )
            )
        async with Session(shop, read_only=True) as session:
            assert (await session.get_one(Item, 1)).name == "one"
            assert await is_replica(session)


async def test_a_replica_that_goes_away(servers: tuple[str, str], shop: Database) -> None:
    """A unit at the replica ends with it; others read from the primary, and the rest as before."""
    primary, _ = servers
    with start_replica(primary) as url:
        database = await connect(primary, replicas=[url])
        session = await Session(database, read_only=True).__aenter__()
        assert (await session.get_one(Item, 1)).name == "one"
        assert await is_replica(session)
        await read(database)
    try:
        with pytest.raises(ConnectionLostError):
            await session.refresh(await session.get_one(Item, 1))
        for _ in range(3):
            assert await read(database) == "one"
        assert not database.replicas[0].is_sound
        await session.refresh(await session.get_one(Item, 1))
        assert not await is_replica(session)
    finally:
        await session.aclose()
        await database.aclose()
