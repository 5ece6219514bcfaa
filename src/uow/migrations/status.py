"""What is known of the migrations of a database; and how one that was cut off is cleared up."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import attrs

from uow.config import load_config
from uow.database import Database, default_database
from uow.errors import MigrationError
from uow.migrations.checks import compare
from uow.migrations.files import discover, order_of
from uow.migrations.history import Done, Entry, History
from uow.migrations.locks import locked

__all__ = ["MigrationStatus", "get_migration_status", "resolve_migration"]


@attrs.frozen(kw_only=True)
class MigrationStatus:
    """Where a database is.

    Attributes:
        current: the last version that was applied, or None.
        applied: the versions that were applied, in their order.
        pending: the versions that a run would apply, in their order.
        history: what is known of each that was applied or begun, in the order they began.
        problems: why nothing can be run, a line each; empty if all is well.
    """

    current: str | None
    applied: tuple[str, ...]
    pending: tuple[str, ...]
    history: tuple[Entry, ...]
    problems: tuple[str, ...]


async def get_migration_status(
    database: Database | None = None, folder: Path | str | None = None
) -> MigrationStatus:
    """Say which migrations were applied and which are pending. Only reads.

    Args:
        database: the default one if None.
        folder: where the files are; `migrations` of `[tool.uow]` if None, else `migrations/`.

    Raises:
        MigrationError: a file is wrong. What was applied and is gone, or has changed, is among the
            `problems`.
    """
    database = default_database() if database is None else database
    found = discover(load_config().migrations if folder is None else folder)
    connection = await database.pool.acquire()
    try:
        entries = await History(database, connection).read()
    finally:
        await database.pool.release(connection)
    comparison = compare(found, entries)
    applied = sorted(comparison.applied, key=order_of)
    return MigrationStatus(
        current=applied[-1] if applied else None,
        applied=tuple(applied),
        pending=tuple(one.version for one in found if one.version not in comparison.applied),
        history=tuple(entries),
        problems=tuple(comparison.problems.values()),
    )


async def resolve_migration(
    version: str,
    how: Literal["done", "undone", "forget"],
    database: Database | None = None,
    *,
    lock_timeout: float | None = None,
) -> None:
    """Say what stands in the store of a migration that was cut off; the next run goes on from it.

    Args:
        version: of which migration.
        how: the step that was begun is "done", or "undone"; or "forget" all of it, since it was
            taken back by hand.
        database: the default one if None.
        lock_timeout: seconds to wait for a runner.

    Raises:
        MigrationError: the migration does not stand in its middle.
    """
    if how not in {"done", "undone", "forget"}:
        raise MigrationError(f'how is "done", "undone" or "forget", not {how!r}', version=version)
    database = default_database() if database is None else database
    seconds = load_config().lock_timeout if lock_timeout is None else lock_timeout
    async with locked(database, seconds, lambda: None) as connection:
        history = History(database, connection)
        entry = {one.version: one for one in await history.read()}.get(version)
        if entry is None or entry.stage == "applied":
            raise MigrationError(
                f"the migration {version} does not stand in its middle; there is nothing to"
                " resolve",
                version=version,
            )
        if how == "forget":
            await history.remove(version)
            return
        if entry.doing is None:
            raise MigrationError(
                f"all of the migration {version} is known: {len(entry.done)} of its steps were"
                " done; the next run goes on",
                version=version,
            )
        done = (*entry.done, Done(entry.doing.sign, 0)) if how == "done" else entry.done
        await history.write(attrs.evolve(entry, doing=None, done=done))
