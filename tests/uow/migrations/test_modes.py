"""G2: migrations without a transaction, what runs before the runner's own, and the other loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.postgresql import clear
from tests.uow.migrations.support import Folder
from uow import (
    Column,
    Database,
    Mapped,
    MigrationError,
    PoolClosedError,
    Registry,
    Session,
    Table,
    ValidationError,
    diff_schema,
    get_migration_status,
    inspect_schema,
    resolve_migration,
    revert_migrations,
    run_migrations,
    sql,
)
from uow.schema.migration_text import migration_text

CONCURRENT = """
await self.execute("INSERT INTO a (id) VALUES (1)")
await self.create_index("a", ["id"], name="by_id", concurrently=True)
await self.execute("VACUUM a")
await self.execute("INSERT INTO {table} (id) VALUES (2)")
"""


@pytest.mark.anyio
async def test_postgresql_without_a_transaction(postgresql_database: str, folder: Folder) -> None:
    """What PostgreSQL takes outside of transactions only is a step; what it takes inside is too."""
    await clear(postgresql_database)
    folder.add("1", 'await self.create_table("a", {"id": "INTEGER"})')
    folder.add("2", CONCURRENT.replace("{table}", "a"))
    async with Database(postgresql_database) as database:
        with pytest.raises(MigrationError, match=r"step 2 .*CONCURRENTLY.*nothing of it"):
            await run_migrations(database, folder.path)
        folder.add("2", CONCURRENT.replace("{table}", "b"), extra="transactional = False")
        with pytest.raises(MigrationError, match=r"3 steps of it were done.*goes on with step 4"):
            await run_migrations(database, folder.path)
        folder.add("2", CONCURRENT.replace("{table}", "a"), extra="transactional = False")
        (run,) = await run_migrations(database, folder.path)
        assert len(run.statements) == 4
        async with Session(database) as session:
            found = await session.execute(sql("SELECT id FROM a ORDER BY id"))
            await session.rollback()
        assert found == [(1,), (2,)]
        assert (await get_migration_status(database, folder.path)).applied == ("1", "2")
    await clear(postgresql_database)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_sqlite_on_both_loops(loop: str, tmp_path: Path) -> None:
    """A file and a memory database are migrated under either loop; all is one transaction there."""
    folder = Folder(tmp_path / "m")
    folder.add("1", 'await self.create_table("a", {"id": "INTEGER"})', 'await self.drop_table("a")')
    other = Folder(tmp_path / "o")
    other.add("1", "pass", extra="transactional = False")

    async def work(url: str) -> None:
        async with Database(url, default=True) as database:
            assert len(await run_migrations(None, folder.path)) == 1
            assert len(await revert_migrations(None, folder.path)) == 1
            assert (await get_migration_status(None, folder.path)).pending == ("1",)
            with pytest.raises(MigrationError, match=r"1_step\.py.*transactional = False"):
                await run_migrations(database, other.path)

    for url in ("sqlite://", f"sqlite:///{tmp_path / 'x.db'}"):
        anyio.run(work, url, backend=loop)


@pytest.mark.anyio
async def test_wrong_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given wrongly is refused before anything is sent."""
    monkeypatch.chdir(tmp_path)
    folder = Folder(tmp_path / "migrations")
    folder.add("1", "pass", None)
    with pytest.raises(PoolClosedError):
        await run_migrations()
    wrong: Any = "sqlite://"
    with pytest.raises(ValidationError, match="run on a Database, not str"):
        await run_migrations(wrong, folder.path)
    async with Database("sqlite://", default=True) as database:
        for seconds in (-1, float("nan"), "soon"):
            given: Any = seconds
            with pytest.raises(ValidationError, match="lock_timeout"):
                await run_migrations(database, folder.path, lock_timeout=given)
        assert [run.version for run in await run_migrations()] == ["1"]
        with pytest.raises(MigrationError, match=r"1_step\.py has no.*nothing was sent"):
            await revert_migrations()
        how: Any = "maybe"
        with pytest.raises(MigrationError, match="how is"):
            await resolve_migration("1", how)


BAD_CALLS = {
    'await self.create_table("a", {})': "columns is a dict",
    'await self.create_table("a", ["id"])': "columns is a dict",
    'await self.create_table("a", {"id": ""})': "texts that are not empty",
    'await self.create_table("a", {"id": 1})': "texts that are not empty",
    "await self.create_table('a\"b', {'id': 'INTEGER'})": "holds a quote",
    'await self.add_column("a", "b", " ")': "texts that are not empty",
    'await self.create_index("a", "id")': "columns is a list",
    'await self.create_index("a", ["id"], method="gin")': "which SQLite does not know",
    'await self.create_index("a", ["id"], sparse=True)': "takes no sparse",
    'await self.execute("")': "execute takes SQL",
    'await self.execute({"drop": "a"})': "a dict for MongoDB only",
    'await self.execute(sql("SELECT 1"), x=1)': "has its values already",
    'await self.execute("SELECT {x}", y=1)': "{x} has no value",
    'await self.execute("COMMIT")': "COMMIT is the session's to say",
    'await self.create_collection("a")': "create_collection is for documents",
    'await self.alter_column("a", "b", "INTEGER")': "there is no table a",
    'async with self.session() as s: await s.execute(sql("WRONG"))': "WRONG",
}


@pytest.mark.anyio
async def test_bad_calls_of_helpers(folder: Folder) -> None:
    """A helper that is called wrongly is one error that names the call; nothing stays."""
    async with Database("sqlite://") as database:
        for number, (body, message) in enumerate(BAD_CALLS.items()):
            for old in folder.path.iterdir():
                old.unlink()
            folder.add(f"1.{number}", body)
            with pytest.raises(MigrationError) as caught:
                await run_migrations(database, folder.path)
            assert message in str(caught.value), body
            assert (await get_migration_status(database, folder.path)).history == ()
        assert database.pool.stats.in_use == 0


FORGOTTEN = {
    'self.create_table("a", {"id": "INTEGER"})': "(1_step.py) failed going up: MigrationError: "
    "create_table() in line {0} was not awaited",
    'self.drop_table("a")\nawait self.create_table("b", {"id": "INTEGER"})': ".py, line {1})",
    'await self.create_table("a", {"id": "INTEGER"})\n{}["x"]': ".py, line {1}) failed going "
    "up behind step 1: KeyError: 'x'",
}


@pytest.mark.anyio
async def test_calls_that_nobody_awaits(folder: Folder) -> None:
    """G2: a helper that was not awaited would do nothing: it is an error that says the line."""
    async with Database("sqlite://") as database:
        for body, message in FORGOTTEN.items():
            text = folder.add("1", body).read_text(encoding="utf-8")
            line = text[: text.index(body.partition("\n")[0])].count("\n") + 1
            with pytest.raises(MigrationError) as caught:
                await run_migrations(database, folder.path)
            assert message.format(line, line + 1) in str(caught.value)
            with pytest.raises(MigrationError):
                await run_migrations(database, folder.path, dry_run=True)
            assert (await get_migration_status(database, folder.path)).history == ()
            assert (await inspect_schema(database)).tables == ()


@pytest.mark.anyio
async def test_methods_that_are_not_async(folder: Folder) -> None:
    """An `up` or a `down` that is a plain function is refused when the file is read."""
    path = folder.add("1", "pass")
    path.write_text(path.read_text(encoding="utf-8").replace("async def down", "def down"), "utf-8")
    async with Database("sqlite://") as database:
        with pytest.raises(MigrationError, match=r"1_step.py: M1.down must be `async def`"):
            await run_migrations(database, folder.path)


@pytest.mark.anyio
async def test_a_number_comes_back(folder: Folder) -> None:
    """G3: on SQLite a key that loses its numbers, by a written migration, gets them back."""

    class Before(Table):
        class Settings:
            name = "things"

        id: Mapped[int] = Column(primary_key=True, auto_increment=True)
        code: Mapped[str] = Column(max_length=9)

    class After(Table):
        class Settings:
            name = "things"
            registry = Registry()

        id: Mapped[int]
        code: Mapped[str] = Column(max_length=9, primary_key=True)

    async with Database("sqlite://") as database:
        await database.create_all([Before])
        before = await inspect_schema(database)
        steps = await diff_schema(database, [After])
        text = migration_text(steps, before, database.dialect.definitions, version="1", name="x")
        (folder.path / "1_x.py").write_text(text, encoding="utf-8")
        await run_migrations(database, folder.path)
        assert await diff_schema(database, [After]) == []
        await revert_migrations(database, folder.path)
        assert await diff_schema(database, [Before]) == []


@pytest.mark.anyio
async def test_sessions_of_a_migration_are_inside_of_it(folder: Folder) -> None:
    """They have no isolation of their own, and parallel reads have no second connection."""
    folder.add(
        "1",
        """
        await self.create_table("a", {"id": "INTEGER"})
        async with self.session() as session:
            await session.execute(sql("INSERT INTO a VALUES (1)"))
            async with session.begin_nested() as savepoint:
                await session.execute(sql("INSERT INTO a VALUES (2)"))
                await savepoint.rollback()
            await session.commit()
            await session.execute(sql("INSERT INTO a VALUES (3)"))
            await session.rollback()
        assert await self.fetch("SELECT id FROM a") == [(1,)]
        """,
    )
    async with Database("sqlite://") as database:
        (run,) = await run_migrations(database, folder.path)
        assert run.statements[1] == "-- what a session writes"
        from uow.migrations.inner import session_on

        connection = await database.pool.acquire()
        with pytest.raises(MigrationError, match="transaction of the migration is over"):
            session_on(database, connection, inside=True)
        await database.pool.release(connection)
