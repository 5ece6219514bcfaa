"""G2: a cancellation at any wait leaves a history that is true, and the next run goes on."""

from __future__ import annotations

from typing import Any, Final

import anyio.lowlevel
import pytest

from tests.faults.steps import SCOPE, TASK, run_cancelled
from tests.uow.migrations.support import Folder, Store
from uow import (
    Database,
    Session,
    UowError,
    get_migration_status,
    resolve_migration,
    revert_migrations,
    run_migrations,
    sql,
)

pytestmark = [pytest.mark.anyio, pytest.mark.thorough]

UP: Final = """
async def fill(session):
    await session.execute(sql("INSERT INTO a (id, n) VALUES (1, 1)"))
await self.create_table("a", {"id": "INTEGER PRIMARY KEY", "n": "INTEGER"})
await self.run(fill)
await self.alter_column("a", "n", "INTEGER NOT NULL DEFAULT 0")
await self.create_table("b", {"id": "INTEGER"})
"""

STEP_OF: Final = {1: "SELECT id FROM a", 4: "SELECT id FROM b"}
"""What tells whether a definition was done; whether `n` was altered, an INSERT tells."""


async def ask(database: Database, text: str) -> list[Any] | None:
    """Read; None if the store refuses."""
    try:
        async with Session(database) as session:
            found = await session.execute(sql(text))
            await session.rollback()
            return found if isinstance(found, list) else []
    except UowError:
        return None


async def is_done(database: Database, step: int) -> bool:
    """Whether the store has done a step."""
    if step == 3:
        is_there = await ask(database, "SELECT id FROM a") is not None
        return is_there and await ask(database, "INSERT INTO a (id, n) VALUES (9, NULL)") is None
    return await ask(database, STEP_OF[step]) is not None


@pytest.mark.parametrize("how", [SCOPE, TASK])
async def test_cancelled_at_every_wait(
    store: Store, database: Database, folder: Folder, how: str
) -> None:
    """What the history says is so: of steps, of data, and of what nobody knows."""
    folder.add("1", UP, 'await self.drop_table("b")\nawait self.drop_table("a")')
    stood: set[str] = set()
    status = await get_migration_status(database, folder.path)
    stride = 1 if store.name == "sqlite" else 5
    for number in range(1, 1000, stride):
        run = await run_cancelled(run_migrations(database, folder.path), how, (number,))
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        assert run.error is None, number
        assert database.pool.stats.in_use == 0
        status = await get_migration_status(database, folder.path)
        rows = await ask(database, "SELECT n FROM a")
        if store.takes_back:
            assert status.problems == ()
            assert (rows is None) is (status.applied == ())
            stood.add(f"applied {status.applied}")
        elif status.history:
            entry = status.history[-1]
            done = 4 if entry.stage == "applied" else len(entry.done)
            assert len(rows or []) == (1 if done >= 2 else 0)
            for step in (1, 3, 4):
                if step <= done:
                    assert await is_done(database, step)
                elif step > done + 1:
                    assert not await is_done(database, step)
            stood.add(f"{done} {entry.doing is not None}")
            if entry.doing is not None:
                known = await is_done(database, done + 1)
                await resolve_migration("1", "done" if known else "undone", database)
        await run_migrations(database, folder.path)
        assert await ask(database, "SELECT n FROM a") == [(1,)]
        assert await is_done(database, 3)
        assert await ask(database, "SELECT id FROM b") == []
        await revert_migrations(database, folder.path)
        if not run.cancelled:
            break

    assert status.applied == ("1",)
    assert len(stood) >= 2  # the sweep met more than one place
