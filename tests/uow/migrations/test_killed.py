"""G2: after a runner was killed the next one goes on, or says what stands."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from tests.support import mysql
from tests.uow.migrations.support import Folder, Store
from uow import (
    Database,
    MigrationError,
    Session,
    get_migration_status,
    resolve_migration,
    run_migrations,
    sql,
)

pytestmark = pytest.mark.anyio

PROGRAM = """
import sys, anyio
from uow import Database, run_migrations

async def main():
    async with Database(sys.argv[1]) as db:
        await run_migrations(db, sys.argv[2])

anyio.run(main)
"""


@contextmanager
def runner(url: str, folder: Folder) -> Iterator[subprocess.Popen[bytes]]:
    """Run migrations in a process of its own, which is killed at the end."""
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, url, str(folder.path)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def there(path: Path) -> None:
    """Wait for a file."""
    with anyio.fail_after(30):
        while not path.exists():  # noqa: ASYNC110, ASYNC240 - another process makes it
            await anyio.sleep(0.02)


async def test_killed_between_steps(
    store: Store, database: Database, url: str, folder: Folder, tmp_path: Path
) -> None:
    """What was done in a transaction is gone; steps without one are not done twice."""
    sign = tmp_path / "here"
    path = folder.add(
        "1",
        f"""
        import anyio, pathlib
        await self.create_table("a", {{"id": "INTEGER"}})
        await self.execute("INSERT INTO a (id) VALUES (1)")
        pathlib.Path({str(sign)!r}).touch()
        await anyio.sleep(SECONDS)
        await self.create_table("b", {{"id": "INTEGER"}})
        """,
    )
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("SECONDS", "60"), encoding="utf-8")
    with runner(url, folder):
        await there(sign)
    path.write_text(text.replace("SECONDS", "0"), encoding="utf-8")
    status = await get_migration_status(database, folder.path)
    start = time.monotonic()
    await run_migrations(database, folder.path)
    elapsed = time.monotonic() - start

    assert status.applied == ()
    assert status.problems == ()
    assert [len(entry.done) for entry in status.history] == ([] if store.takes_back else [2])
    assert elapsed < 10  # the lock went with the process
    async with Session(database) as session:
        count = await session.execute(sql("SELECT COUNT(*) FROM a"))
        assert await session.execute(sql("SELECT COUNT(*) FROM b")) == [(0,)]
        await session.rollback()
    assert count == [(1,)]
    assert (await get_migration_status(database, folder.path)).applied == ("1",)


@pytest.mark.needs("steps")
@pytest.mark.parametrize("way", ["done", "undone"])
async def test_killed_in_a_step(
    store: Store, database: Database, url: str, folder: Folder, way: str
) -> None:
    """Of a definition that was under way the next run says which; then it goes on as it is told."""
    folder.add("1", 'await self.create_table("a", {"id": "INTEGER"})')
    await run_migrations(database, folder.path)
    folder.add(
        "2",
        """
        await self.execute("ALTER TABLE a ADD COLUMN b INTEGER")
        await self.execute("ALTER TABLE a ADD COLUMN c INTEGER")
        """,
    )
    holder = await mysql.connect(url)
    try:
        await holder.query("START TRANSACTION")
        await holder.query("SELECT * FROM a")  # definitions of the table wait for its end
        with runner(url, folder), anyio.fail_after(30):
            while not (await get_migration_status(database, folder.path)).problems:  # noqa: ASYNC110
                await anyio.sleep(0.05)
        waiting = "information_schema.processlist WHERE info LIKE 'ALTER TABLE a%'"
        for (number,) in await mysql.ask(url, f"SELECT id FROM {waiting}"):
            await mysql.ask(url, f"KILL {number}")
    finally:
        await holder.ensure_closed()
    if way == "done":
        await mysql.ask(url, "ALTER TABLE a ADD COLUMN b INTEGER")
    with pytest.raises(MigrationError, match=r"cut off going up, in step 1.*ADD COLUMN b.*resolve"):
        await run_migrations(database, folder.path)
    await resolve_migration("2", "done" if way == "done" else "undone", database)
    await run_migrations(database, folder.path)

    async with Session(database) as session:
        assert await session.execute(sql("SELECT b, c FROM a")) == []
        await session.rollback()
