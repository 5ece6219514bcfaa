"""Runs one migration on an open connection: in a transaction with its row, or step by step."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from traceback import walk_tb
from typing import TYPE_CHECKING, Literal, TypeAlias

import attrs

from uow.drivers.base import PLAIN
from uow.errors import (
    CommitUnknownError,
    LockTimeoutError,
    MigrationError,
    Outcome,
    RetryableError,
    UowError,
)
from uow.migrations.checks import compare, refuse_wrong
from uow.migrations.files import Found
from uow.migrations.history import Entry, History, Stage
from uow.migrations.locks import patiently
from uow.migrations.work import (
    PaperWork,
    StepwiseWork,
    TransactionWork,
    UnforeseeableError,
    Work,
    commit,
    roll_back,
    shortened,
)
from uow.schema.live import around_steps

if TYPE_CHECKING:
    from uow.database import Database
    from uow.dialects.base import Suspension
    from uow.drivers.base import Connection, Row

__all__ = ["Direction", "OneRun", "on_paper"]

Direction: TypeAlias = Literal["up", "down"]


@attrs.frozen(kw_only=True)
class OneRun:
    """One migration that is to be run.

    Attributes:
        database: where.
        connection: the runner's connection.
        one: which.
        found: all that there are, to look into the history again where the transaction is the lock.
        direction: up or down.
        lock_timeout: seconds to wait for another runner, there.
        waiting: called once if that happens.
        told: called with the text of each step when it begins.
    """

    database: Database
    connection: Connection
    one: Found
    found: Sequence[Found]
    direction: Direction
    lock_timeout: float
    waiting: Callable[[], None]
    told: Callable[[str], None]

    async def run(self) -> Work | None:
        """Run it; None if another runner did it meanwhile.

        Raises:
            MigrationError: it failed, and the history says what stands.
        """
        capabilities = self.database.dialect.capabilities
        if capabilities.transactional_ddl and self.one.migration.transactional:
            return await self._in_transaction()
        return await self._stepwise()

    @property
    def _history(self) -> History:
        return History(self.database, self.connection)

    @property
    def _transaction_is_lock(self) -> bool:
        return self.database.dialect.capabilities.named_lock is None

    async def _in_transaction(self) -> Work | None:
        """Run a migration and write its row, in one transaction.

        Where tables can only be changed by building them anew, foreign keys are not looked at
        meanwhile, but before the end. That must be said before the transaction begins, so a
        migration that turns out to need it is rolled back and begun again.
        """
        work = TransactionWork(self.database, self.told, self.connection)
        is_done = await self._attempt(work)
        if not work.needs_suspension:
            return work if is_done else None
        async with around_steps(self.connection, self.database.dialect):
            work = TransactionWork(self.database, self.told, self.connection, is_suspended=True)
            is_done = await self._attempt(work, self.database.dialect.definitions.suspension())
        return work if is_done else None

    async def _attempt(self, work: TransactionWork, suspension: Suspension | None = None) -> bool:
        """Try it in a transaction; False if it was done meanwhile, or tables must be suspended."""
        await self._begin()
        try:
            if await self._through(work, suspension):
                return True
            await roll_back(self.database, self.connection)
        except BaseException as error:
            await roll_back(self.database, self.connection)
            if not isinstance(error, Exception):
                raise
            if work.needs_suspension:
                return False
            if isinstance(error, CommitUnknownError):
                standing = "it may be stored or not, as the history will say"
                raise self.failure(work, error, standing, Outcome.UNKNOWN) from error
            standing = "nothing of it was stored"
            raise self.failure(work, error, standing, Outcome.NOT_APPLIED) from error
        return False

    async def _through(self, work: TransactionWork, suspension: Suspension | None) -> bool:
        """Do all that the transaction holds, and commit it; False if it was done meanwhile."""
        clock = time.monotonic()
        started = datetime.now(UTC)
        history = self._history
        await history.prepare()
        if self._transaction_is_lock:
            # Somebody may have been here before it began.
            comparison = compare(self.found, await history.read())
            refuse_wrong(comparison, self.direction)
            if (self.one.version in comparison.applied) is (self.direction == "up"):
                return False
        broken = await self._broken(suspension)
        await call(self.one, self.direction, work)
        if work.needs_suspension:
            return False
        if not self.connection.in_transaction:
            raise MigrationError("its transaction was ended inside of it")
        new = sorted({str(row[0]) for row in await self._broken(suspension) - broken})
        if new:
            raise MigrationError(f"rows of {', '.join(new)} refer to rows that are not there")
        await self._finish(started, time.monotonic() - clock)
        await commit(self.database, self.connection)
        return True

    async def _broken(self, suspension: Suspension | None) -> set[Row]:
        """Give the rows that refer to none, where that is not looked at otherwise."""
        if suspension is None:
            return set()
        return set(await self.connection.fetch(suspension.broken))

    async def _finish(self, started: datetime, seconds: float) -> None:
        """Write that it was applied, or forget it."""
        if self.direction == "up":
            await self._history.write(self._entry(Stage.APPLIED, started, seconds))
        else:
            await self._history.remove(self.one.version)

    def _entry(self, stage: Stage, started: datetime, seconds: float) -> Entry:
        return Entry(
            version=self.one.version,
            name=self.one.name,
            checksum=self.one.checksum,
            stage=stage,
            started=started,
            seconds=seconds,
        )

    async def _begin(self) -> None:
        """Begin; where that takes the lock of the whole database, with patience.

        Raises:
            LockTimeoutError: another runner held it for all the time.
        """
        if not self._transaction_is_lock:
            await self.connection.begin(PLAIN)
            return

        async def take() -> bool:
            try:
                await self.connection.begin(PLAIN)
            except (RetryableError, LockTimeoutError):
                return False
            return True

        await patiently(self.database, take, self.lock_timeout, self.waiting)

    # -- step by step

    async def _stepwise(self) -> Work:
        """Run a migration from where it stands."""
        await self._history.prepare()
        clock = time.monotonic()
        entry = await self._where_it_stands()
        before = entry.seconds

        def now(entry: Entry) -> Entry:
            return attrs.evolve(entry, seconds=before + time.monotonic() - clock)

        work = StepwiseWork(self.database, self.told, self.connection, entry, now)
        try:
            await self._history.write(entry)
            await call(self.one, self.direction, work)
            work.check_all_passed()
            await self._finish(entry.started, now(entry).seconds)
        except Exception as error:
            await self._note_problem(work, error)
            raise self.failure(work, error, _standing(work), Outcome.UNKNOWN) from error
        return work

    async def _where_it_stands(self) -> Entry:
        """Give the entry to go on from: of a run that was not finished, or a new one."""
        known = {entry.version: entry for entry in await self._history.read()}
        before = known.get(self.one.version)
        stage = Stage.GOING_UP if self.direction == "up" else Stage.GOING_DOWN
        if before is not None and before.stage is stage:
            return attrs.evolve(before, checksum=self.one.checksum, problem=None)
        started = datetime.now(UTC) if before is None else before.started
        return self._entry(stage, started, 0.0)

    async def _note_problem(self, work: StepwiseWork, error: Exception) -> None:
        """Write the error down, if the store still hears; else the last note tells enough."""
        if self.connection.is_closed or self.connection.in_transaction:
            return
        try:
            await self._history.write(attrs.evolve(work.entry, problem=shortened(str(error))))
        except UowError:
            return

    def failure(
        self, work: Work, error: Exception, standing: str, outcome: Outcome
    ) -> MigrationError:
        """Make the error that says which migration failed, where, and what stands."""
        return failure(self.one, self.direction, work, error, standing, outcome)


async def on_paper(database: Database, one: Found, direction: Direction) -> Work:
    """Say what a migration would send.

    Raises:
        MigrationError: it failed by itself.
    """
    work = PaperWork(database)
    try:
        await call(one, direction, work)
    except UnforeseeableError as error:
        work.texts.append(f"-- {error}")
    except Exception as error:
        raise failure(
            one, direction, work, error, "nothing was sent", Outcome.NOT_APPLIED
        ) from error
    return work


async def call(one: Found, direction: Direction, work: Work) -> None:
    """Call the method of the migration."""
    migration = one.migration(work)
    await (migration.up() if direction == "up" else migration.down())
    work.check_awaited()


def failure(  # noqa: PLR0917 - what there is to say
    one: Found,
    direction: Direction,
    work: Work,
    error: Exception,
    standing: str,
    outcome: Outcome,
) -> MigrationError:
    """Make the error that says which migration failed, where, and what stands."""
    where = ""
    if work.doing is not None:
        where = f" in step {work.number} ({shortened(work.doing)})"
    elif work.number:
        where = f" behind step {work.number}"
    line = _line_of(one, error)
    place = one.path.name if line is None else f"{one.path.name}, line {line}"
    return MigrationError(
        f"the migration {one.version} ({place}) failed going {direction}{where}:"
        f" {type(error).__name__}: {error}; {standing}",
        version=one.version,
        step=work.number or None,
        outcome=outcome,
    )


def _line_of(one: Found, error: Exception) -> int | None:
    """Give the line of the migration's file that an error came through last."""
    path = str(one.path.resolve())
    lines = [
        line for frame, line in walk_tb(error.__traceback__) if frame.f_code.co_filename == path
    ]
    return lines[-1] if lines else None


def _standing(work: StepwiseWork) -> str:
    done = len(work.entry.done)
    steps = {0: "no step of it was done", 1: "1 step of it was done"}.get(
        done, f"{done} steps of it were done"
    )
    if work.entry.doing is not None:
        return f"{steps}, and nobody knows about the next one (see `uow migrate status`)"
    return f"{steps}; the next run goes on with step {done + 1}"
