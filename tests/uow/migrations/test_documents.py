"""G2 on MongoDB: step by step, sessions in transactions of their own; the lock is a document."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support import mongodb
from tests.uow.migrations.support import Folder, Middle
from uow import (
    Database,
    LockTimeoutError,
    MigrationError,
    QueryError,
    get_migration_status,
    resolve_migration,
    revert_migrations,
    run_migrations,
)
from uow.migrations import locks

pytestmark = pytest.mark.anyio

MODEL = """
from uow import Document


class Person(Document):
    class Settings:
        name = "people"
        registry = Registry()

    name: str


"""


@pytest.fixture
async def documents(mongodb_database: str) -> AsyncIterator[Database]:
    """An empty database of MongoDB."""
    await anyio.to_thread.run_sync(mongodb.drop, mongodb_database)
    async with Database(mongodb_database, pool_timeout=5.0) as database:
        yield database

        assert database.pool.stats.in_use == 0
    await anyio.to_thread.run_sync(mongodb.drop, mongodb_database)


def people(url: Any) -> list[dict[str, Any]]:
    """What is stored."""
    with mongodb.database_of(url) as database:
        return list(database["people"].find({}, {"_id": 0}).sort("name"))


def with_model(path: Path) -> None:
    """Put the model before the migration."""
    head, _, tail = path.read_text(encoding="utf-8").partition("class M")
    path.write_text(f"{head}{MODEL}class M{tail}", encoding="utf-8")


async def test_up_down_up(documents: Database, mongodb_database: str, folder: Folder) -> None:
    """Collections, indexes and data go up, down and up again."""
    with_model(
        folder.add(
            "1",
            """
            await self.create_collection("people", validator={"name": {"$exists": True}})
            await self.create_index("people", ["name", "-age"], unique=True)
            await self.execute({"insert": "people", "documents": [{"name": "a"}]})
            async def fill(session):
                session.add(Person(name="b"))
                await session.commit()
                session.add(Person(name="c"))
            await self.run(fill)
            """,
            """
            await self.drop_index("people", "name_1_age_-1")
            await self.drop_collection("people")
            """,
        )
    )
    for _ in range(2):
        (run,) = await run_migrations(documents, folder.path)
        assert people(mongodb_database) == [{"name": "a"}, {"name": "b"}, {"name": "c"}]
        assert run.statements[0].startswith('{"create": "people"')
        status = await get_migration_status(documents, folder.path)
        assert (status.current, status.problems) == ("1", ())
        await revert_migrations(documents, folder.path)
        assert people(mongodb_database) == []
        assert (await get_migration_status(documents, folder.path)).history == ()
    paper = await run_migrations(documents, folder.path, dry_run=True)
    assert "-- what fill writes" in paper[0].statements


async def test_a_failure_goes_on(
    documents: Database, mongodb_database: str, folder: Folder
) -> None:
    """Steps that were done are passed over; what a session wrote is stored once, or not at all."""
    source = """
        async def fill(session):
            session.add(Person(name="a"))
            await session.flush()
            {error}
        await self.create_collection("people")
        async def before(session):
            session.add(Person(name="b"))
        await self.run(before)
        await self.run(fill)
        """
    with_model(folder.add("1", source.format(error="1 / 0")))
    with pytest.raises(MigrationError, match=r"2 steps of it were done.* with step 3"):
        await run_migrations(documents, folder.path)
    assert people(mongodb_database) == [{"name": "b"}]
    with_model(folder.add("1", source.format(error="await session.rollback()")))
    with pytest.raises(MigrationError, match="transaction of step 3 was rolled back"):
        await run_migrations(documents, folder.path)
    assert people(mongodb_database) == [{"name": "b"}]
    with_model(folder.add("1", source.format(error="")))
    await run_migrations(documents, folder.path)
    assert people(mongodb_database) == [{"name": "a"}, {"name": "b"}]
    assert (await get_migration_status(documents, folder.path)).applied == ("1",)


async def test_what_is_for_tables(documents: Database, folder: Folder) -> None:
    """Helpers of tables are refused, with the name of what there is for documents."""
    for body, message in {
        'await self.create_table("a", {"id": "INTEGER"})': "create_table is for tables.*collection",
        'await self.add_column("a", "b", "INTEGER")': "add_column is for tables",
        'await self.execute("SELECT 1")': "takes commands, as a dict",
        "await self.execute({})": "a dict for MongoDB",
        "async with self.session(): ...": r"self\.run",
    }.items():
        folder.add("1", body)
        with pytest.raises(MigrationError, match=message) as caught:
            await run_migrations(documents, folder.path)
        assert isinstance(caught.value.__cause__, QueryError | MigrationError)


async def test_one_runner_at_a_time(
    documents: Database, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is renewed while its runner lives, and counts for nothing some time after."""
    monkeypatch.setattr(locks, "LEASE", 1.5)
    folder.add("1", 'await Middle.current.wait()\nawait self.create_collection("people")')
    middle = Middle()

    async def late() -> None:
        await middle.reached.wait()
        with pytest.raises(LockTimeoutError, match="another runner"):
            await run_migrations(documents, folder.path, lock_timeout=2.0)
        with pytest.raises(LockTimeoutError):
            await resolve_migration("1", "forget", documents, lock_timeout=0)
        middle.passed.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(late)
        runs = await run_migrations(documents, folder.path)
    assert [run.version for run in runs] == ["1"]

    folder.add("2", "pass")
    lease = locks._Lease(await documents.pool.acquire(), "somebody who died")
    assert await lease.take()
    await documents.pool.release(lease._connection)
    with pytest.raises(LockTimeoutError):
        await run_migrations(documents, folder.path, lock_timeout=0)
    assert [run.version for run in await run_migrations(documents, folder.path)] == ["2"]


async def test_a_lost_lock_ends_the_run(
    documents: Database, mongodb_database: str, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A runner whose lock was taken stops, and says so."""
    monkeypatch.setattr(locks, "LEASE", 0.6)
    folder.add("1", "await Middle.current.wait()")
    middle = Middle()

    def steal() -> None:
        with mongodb.database_of(mongodb_database) as database:
            database[locks.LOCKS].update_one({}, {"$set": {"owner": "another"}})

    async def thief() -> None:
        await middle.reached.wait()
        await anyio.to_thread.run_sync(steal)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(thief)
        with pytest.raises(MigrationError, match=r"lock on the migrations .* was lost"):
            with anyio.fail_after(10):
                await run_migrations(documents, folder.path)
