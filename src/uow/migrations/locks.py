"""One runner at a time: a lock with a name, where the store has such, else a document.

Where the store has neither, its transactions lock the whole database, and that is enough: every
migration is one, and looks into the history first.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import anyio

from uow.errors import ConstraintError, LockTimeoutError, MigrationError
from uow.operations import BulkWrite
from uow.session.finish import finish
from uow.statement import Statement

if TYPE_CHECKING:
    from uow.database import Database
    from uow.dialects.base import NamedLock
    from uow.drivers.base import Connection

__all__ = ["locked", "patiently"]

NAME: Final = "_uow_migrations"

LOCKS: Final = "_uow_migrations_lock"
"""The collection of the one document that is the lock."""

FIRST_PAUSE: Final = 0.05

LONGEST_PAUSE: Final = 1.0

LEASE: Final = 30.0
"""Seconds after which the document of a runner that says nothing any more counts for nothing."""


@asynccontextmanager
async def locked(
    database: Database, timeout: float, waiting: Callable[[], None]
) -> AsyncGenerator[Connection]:
    """Hold a connection, and with it the lock that lets one runner work at a time.

    Args:
        database: the database.
        timeout: seconds to wait for the lock.
        waiting: called once, if another runner holds it.

    Raises:
        LockTimeoutError: another runner held it for all that time.
    """
    capabilities = database.dialect.capabilities
    if capabilities.documents:
        async with _leased(database, timeout, waiting) as connection:
            yield connection
        return
    connection = await database.pool.acquire()
    try:
        lock = capabilities.named_lock
        if lock is None:
            yield connection
            return
        await _take(database, connection, lock, timeout, waiting)
        try:
            yield connection
        finally:
            await _give_back(database, connection, lock)
    finally:
        await database.pool.release(connection)


async def patiently(
    database: Database,
    take: Callable[[], Awaitable[bool]],
    timeout: float,
    waiting: Callable[[], None],
) -> None:
    """Ask again until it is granted.

    Raises:
        LockTimeoutError: it was not, for all that time.
    """
    start = anyio.current_time()
    pause = FIRST_PAUSE
    while not await take():
        waited = anyio.current_time() - start
        if pause == FIRST_PAUSE:
            waiting()
        if waited >= timeout:
            raise LockTimeoutError(
                f"another runner is migrating {database.url}, and was not done within"
                f" {timeout:g} seconds; wait for it, or give this one more time (lock_timeout)"
            )
        await anyio.sleep(min(pause, timeout - waited))
        pause = min(pause * 1.5, LONGEST_PAUSE)


async def _take(
    database: Database,
    connection: Connection,
    lock: NamedLock,
    timeout: float,
    waiting: Callable[[], None],
) -> None:
    async def take() -> bool:
        try:
            rows = await connection.fetch(Statement(lock.take, (NAME,)))
        except BaseException:
            # Nobody knows whether it was granted; with the connection it goes.
            database.pool.discard(connection)
            raise
        return bool(rows and rows[0][0])

    await patiently(database, take, timeout, waiting)


async def _give_back(database: Database, connection: Connection, lock: NamedLock) -> None:
    """Give the lock back in bounded time; with a connection that cannot the lock goes."""
    if connection.is_closed:
        return
    end = await finish(
        lambda: connection.fetch(Statement(lock.release, (NAME,))), database.cleanup_timeout
    )
    if not end.is_done:
        connection.terminate()
    if end.cancelled is not None:
        raise end.cancelled


# -- documents


@asynccontextmanager
async def _leased(
    database: Database, timeout: float, waiting: Callable[[], None]
) -> AsyncGenerator[Connection]:
    """Hold the document, and renew it as long as the block lasts."""
    owner = uuid4().hex
    failure: BaseException | None = None
    connection = await database.pool.acquire()
    keeper = None
    try:
        keeper = await database.pool.acquire()
        lock = _Lease(keeper, owner)
        await patiently(database, lock.take, timeout, waiting)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lock.keep, tasks.cancel_scope)
                try:
                    yield connection
                except Exception as error:  # noqa: BLE001 - raised below, out of the group
                    failure = error
                tasks.cancel_scope.cancel()
            if lock.is_lost:
                raise MigrationError(
                    f"the lock on the migrations of {database.url} was lost: it could not be"
                    f" renewed for {LEASE:g} seconds; look at the status before the next run"
                ) from failure
            if failure is not None:
                raise failure
        finally:
            end = await finish(lock.give_back, database.cleanup_timeout)
            if end.cancelled is not None:
                raise end.cancelled
    finally:
        if keeper is not None:
            await database.pool.release(keeper)
        await database.pool.release(connection)


class _Lease:
    """The document that is the lock, with a moment at which it ends. The clock is the store's."""

    def __init__(self, connection: Connection, owner: str) -> None:
        self._connection = connection
        self._owner = owner
        self.is_lost = False
        self._is_made = False

    async def take(self) -> bool:
        """Take it if it is nobody's, or its lease is over."""
        if not self._is_made:
            # An upsert may not compare with the store's clock, so it is made first: nobody's.
            free = {"_id": NAME, "owner": None, "until": datetime(1970, 1, 1, tzinfo=UTC)}
            with suppress(ConstraintError):
                await self._connection.execute(BulkWrite(LOCKS, [("insert", free)]))
            self._is_made = True
        return bool(await self._update({"$expr": self._free()}))

    async def _update(self, condition: dict[str, Any]) -> int:
        until = {"$add": ["$$NOW", int(LEASE * 1000)]}
        change = [{"$set": {"owner": self._owner, "until": until}}]
        write = ("update", {"_id": NAME, **condition}, change, False, False)
        return await self._connection.execute(BulkWrite(LOCKS, [write]))

    async def keep(self, scope: anyio.CancelScope) -> None:
        """Renew it from time to time; end the block if that cannot be done."""
        last = anyio.current_time()
        while True:
            await anyio.sleep(LEASE / 6)
            try:
                with anyio.fail_after(LEASE / 6):
                    count = await self._update({"owner": self._owner})
                if not count:
                    break
                last = anyio.current_time()
            except Exception:  # noqa: BLE001 - it is tried again until the lease is over
                if anyio.current_time() - last > LEASE * 2 / 3:
                    break
        self.is_lost = True
        scope.cancel()

    async def give_back(self) -> None:
        """Let it go, if it is ours still; the document stays for the next one."""
        change = {"$set": {"owner": None, "until": datetime(1970, 1, 1, tzinfo=UTC)}}
        write = ("update", {"_id": NAME, "owner": self._owner}, change, False, False)
        await self._connection.execute(BulkWrite(LOCKS, [write]))

    def _free(self) -> Any:
        return {"$or": [{"$lt": ["$until", "$$NOW"]}, {"$eq": ["$owner", self._owner]}]}
