"""SQLite at its limits: locks of others, long statements, a full disk (F16, F17, F51, F57)."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from tests.faults.models import Account, Entry
from tests.faults.world import World, sqlite_world
from uow import (
    Outcome,
    ResourceError,
    RetryableError,
    Session,
    TransactionPoisonedError,
    aliased,
    run,
    sql,
)
from uow.errors import Phase
from uow.statement import Statement

pytestmark = pytest.mark.anyio

LONG = (
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 500000000) "
    "SELECT max(n) AS n FROM c"
)

OTHER_PROCESS = textwrap.dedent("""
    import sqlite3, sys
    store = sqlite3.connect(sys.argv[1], isolation_level=None)
    store.execute(sys.argv[2]).fetchall()
    if len(sys.argv) > 3:
        store.execute(sys.argv[3]).fetchall()
    print("locked", flush=True)
    sys.stdin.readline()
""")


@contextmanager
def other_process(world: World, *statements: str) -> Iterator[None]:
    """Hold a lock from another process for the length of the block."""
    command = [sys.executable, "-c", OTHER_PROCESS, world.target, *statements]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        try:
            yield
        finally:
            process.communicate("\n")


async def test_begin_while_another_process_writes(sqlite: World) -> None:
    """F51, V7: BEGIN waits to its deadline, can be cancelled, leaves the unit as it was."""
    async with Session(sqlite.database) as session:
        ann = sqlite.see(await session.get_one(Account, 1))
        ann.amount = 11
        with other_process(sqlite, "BEGIN IMMEDIATE"):
            with pytest.raises(RetryableError) as caught:
                await session.flush()
            assert caught.value.phase is Phase.BEGIN
            assert caught.value.outcome is Outcome.NOT_APPLIED
            with anyio.move_on_after(0.05) as scope:
                await session.commit()
            assert scope.cancelled_caught
            assert session.dirty == {ann}
            assert sqlite.database.pool.stats.in_use == 0
            other = await session.get_one(Account, 2)  # readers do not wait for the writer
            assert other.name == "Bob"
        await session.commit()

    assert sqlite.rows()["ann@x.org"][1] == 11
    sqlite.assert_agrees()
    sqlite.assert_quiet()


async def test_unit_of_one_statement_while_another_process_writes(sqlite: World) -> None:
    """F51: the same for a unit of one statement; `run` gets it through when the lock is gone."""

    async def work(session: Session) -> None:
        session.add(Account(email="new@x.org", name="New"))

    with other_process(sqlite, "BEGIN IMMEDIATE"):
        async with Session(sqlite.database) as session:
            session.add(Account(email="other@x.org", name="Other"))
            with pytest.raises(RetryableError) as caught:
                await session.commit()
            assert caught.value.outcome is session.outcome is Outcome.NOT_APPLIED
            await session.rollback()
    await run(work, sqlite.database)

    assert "new@x.org" in sqlite.rows()
    assert "other@x.org" not in sqlite.rows()
    sqlite.assert_quiet()


async def test_write_after_a_read_that_is_out_of_date(sqlite: World) -> None:
    """F51, V7, trap 46: a session that read before somebody else wrote can still write."""
    async with Session(sqlite.database) as session:
        ann = await session.get_one(Account, 1)
        with sqlite.outside() as ask:
            ask("UPDATE fault_accounts SET amount = 99 WHERE id = 2")
        ann.amount = 11
        await session.commit()
    async with Session(sqlite.database, isolation="SERIALIZABLE") as session:
        ann = await session.get_one(Account, 1)
        ann.amount += 1
        await session.flush()
        await session.commit()

    assert sqlite.rows()["ann@x.org"][1] == 12
    sqlite.assert_quiet()


async def test_commit_while_another_process_reads(tmp_path: Path, anyio_backend: str) -> None:
    """F51, V6: a COMMIT kept off by a reader is tried to its deadline, then rolled back."""
    world = sqlite_world(tmp_path, journal_mode="DELETE", busy_timeout=0.2)
    async with world.database:
        await world.create()
        async with Session(world.database) as session:
            ann = world.see(await session.get_one(Account, 1))
            ann.amount = 11
            await session.flush()
            with other_process(world, "BEGIN", "SELECT * FROM fault_accounts"):
                with pytest.raises(RetryableError) as caught:
                    await session.commit()
                assert caught.value.phase is Phase.COMMIT
                assert caught.value.outcome is session.outcome is Outcome.NOT_APPLIED
                assert session.dirty == {ann}
                assert world.database.pool.stats.in_use == 0
            await session.commit()
        assert world.rows()["ann@x.org"][1] == 11
        world.assert_agrees()
        world.assert_quiet()


async def test_long_statement_is_cancelled(sqlite: World) -> None:
    """F16, V8, V9: a statement of minutes ends within half a second of its cancellation."""
    async with Session(sqlite.database) as session:
        start = anyio.current_time()
        with anyio.move_on_after(0.2) as scope:
            await session.execute(sql(LONG))
        assert scope.cancelled_caught
        assert anyio.current_time() - start < 0.7
        await session.rollback()
        assert await session.get(Account, 1) is not None
    sqlite.assert_quiet()


async def test_going_on_after_a_cancelled_statement(sqlite: World) -> None:
    """F17, V6, trap 46: after an interrupted write nothing is stored but by a new transaction."""
    async with Session(sqlite.database) as session:
        ann = sqlite.see(await session.get_one(Account, 1))
        ann.amount = 11
        await session.flush()
        with anyio.move_on_after(0.2) as scope:
            await session.execute(sql(f"INSERT INTO fault_entries SELECT n, 1, 'x' FROM ({LONG})"))
        assert scope.cancelled_caught
        for use in (
            lambda: session.execute(sql("UPDATE fault_entries SET text = 'autocommit'")),
            session.flush,
            session.commit,
        ):
            with pytest.raises(TransactionPoisonedError):
                await use()
        await session.rollback()

        assert sqlite.rows()["one"][0] == "first"
        assert sqlite.rows()["ann@x.org"][1] == 10
        ann.amount = 12
        await session.commit()
    assert sqlite.rows()["ann@x.org"][1] == 12
    sqlite.assert_agrees()
    sqlite.assert_quiet()


async def test_cancelled_read_leaves_the_transaction(sqlite: World) -> None:
    """F17: a cancelled statement that only read takes nothing from the transaction around it."""
    async with Session(sqlite.database) as session:
        ann = sqlite.see(await session.get_one(Account, 1))
        ann.amount = 11
        session.add_all([Entry(code=str(number), account_id=1) for number in range(2000)])
        await session.flush()
        slow = session.find(Entry)
        for _ in range(3):
            other = aliased(Entry)
            slow = slow.join(other, other.code >= "")
        with anyio.move_on_after(0.2) as scope:
            await slow.count()
        assert scope.cancelled_caught
        await session.commit()

    assert sqlite.rows()["ann@x.org"][1] == 11
    sqlite.assert_agrees()
    sqlite.assert_quiet()


async def test_disk_full(tmp_path: Path, anyio_backend: str) -> None:
    """F57, V6: a full disk is a ResourceError; all is pending, to be stored when there is room."""
    world = sqlite_world(tmp_path, pool_max=1)
    async with world.database:
        await world.create()
        async with Session(world.database) as session:
            ann = world.see(await session.get_one(Account, 1))
            ann.amount = 11
            big = [
                world.see(Account(email=f"{n}@x.org", name="n" * 4000, tags=["t" * 4000]))
                for n in range(50)
            ]
            session.add_all(big)
            connection = await world.database.pool.acquire()
            pages = (await connection.fetch(statement("PRAGMA page_count")))[0][0]
            await connection.fetch(statement(f"PRAGMA max_page_count = {pages + 3}"))
            await world.database.pool.release(connection)
            for end in (session.flush, session.commit):
                with pytest.raises(ResourceError) as caught:
                    await end()
                assert caught.value.outcome is Outcome.NOT_APPLIED
                assert session.new == set(big)
                assert session.dirty == {ann}
                world.assert_agrees()
            connection = await world.database.pool.acquire()
            await connection.fetch(statement("PRAGMA max_page_count = 100000"))
            await world.database.pool.release(connection)
            await session.commit()
        with world.outside() as ask:
            assert ask("PRAGMA integrity_check") == [("ok",)]
        assert len(world.rows()) == 54
        world.assert_agrees()
        world.assert_quiet()


def statement(text: str) -> Statement:
    """A statement for a connection, past the session."""
    return Statement(text, reads=True)


async def test_disk_full_in_raw_sql(tmp_path: Path, anyio_backend: str) -> None:
    """F57, V6, R5: where SQLite rolled back by itself, the session writes nothing more."""
    world = sqlite_world(tmp_path, pool_max=1)
    async with world.database:
        await world.create()
        async with Session(world.database) as session:
            await session.execute(sql("UPDATE fault_entries SET text = 'raw'"))
            pages = (await session.execute(sql("PRAGMA page_count")))[0][0]
            await session.execute(sql(f"PRAGMA max_page_count = {pages + 1}"))
            with pytest.raises(ResourceError):
                await session.execute(
                    sql("INSERT INTO fault_entries VALUES ('x', 1, {text})", text="x" * 100_000)
                )
            with pytest.raises(TransactionPoisonedError):
                await session.execute(sql("UPDATE fault_entries SET text = 'autocommit'"))
            with pytest.raises(TransactionPoisonedError):
                await session.commit()
            await session.rollback()

            assert world.rows()["one"][0] == "first"
        world.assert_quiet()
