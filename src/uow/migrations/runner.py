"""Runs migrations: up, down, or on paper; and what is known of them.

    discover ── lock ── read the history, compare ── one migration ── read again, ...

A migration is run in one transaction with its row of the history where the store can take
definitions back, else step by step (`work.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs

from uow.config import load_config
from uow.database import Database, default_database
from uow.errors import MigrationError, ValidationError
from uow.migrations.checks import compare, refuse_wrong
from uow.migrations.files import Found, discover, place_of
from uow.migrations.history import Entry, History
from uow.migrations.locks import locked
from uow.migrations.one import Direction, OneRun, on_paper
from uow.migrations.work import Work, shortened

if TYPE_CHECKING:
    from uow.drivers.base import Connection

__all__ = ["MigrationEvent", "MigrationRun", "revert_migrations", "run_migrations"]


@attrs.frozen(kw_only=True)
class MigrationRun:
    """A migration that was run, or would be.

    Attributes:
        version: its version.
        name: the name of its file, without the ending.
        direction: "up" or "down".
        seconds: how long it took; 0.0 on paper.
        statements: the texts of its steps. A line that begins with `--` is for people.
    """

    version: str
    name: str
    direction: Direction
    seconds: float
    statements: tuple[str, ...]


@attrs.frozen(kw_only=True)
class MigrationEvent:
    """What a runner tells of its work.

    Attributes:
        kind: "waiting" for another runner, "begin" or "end" of a migration, or a "step" of it;
            "skipped" in the place of "end" if another runner did it meanwhile.
        version: of which migration, or None.
        name: the name of its file.
        direction: "up" or "down".
        number: which of the migrations that are run, from 1 on.
        total: how many there are.
        step: which step of the migration, from 1 on; 0 outside of one.
        text: what the step says.
        seconds: how long the migration took, at its end.
    """

    kind: Literal["waiting", "begin", "step", "end", "skipped"]
    version: str | None = None
    name: str = ""
    direction: Direction = "up"
    number: int = 0
    total: int = 0
    step: int = 0
    text: str = ""
    seconds: float = 0.0


async def run_migrations(
    database: Database | None = None,
    folder: Path | str | None = None,
    *,
    target: str | None = None,
    dry_run: bool = False,
    lock_timeout: float | None = None,
    progress: Callable[[MigrationEvent], None] | None = None,
) -> list[MigrationRun]:
    """Run the migrations of a folder that were not run yet, in the order of their versions.

    Two runners at once do not disturb each other: one works, and the other waits.

    Args:
        database: the default one if None.
        folder: where the files are; `migrations` of `[tool.uow]` if None, else `migrations/`.
        target: the last version to run; all if None. Nothing is taken back.
        dry_run: send nothing that writes, and say what would be sent.
        lock_timeout: seconds to wait for another runner; 60 if nothing else is set.
        progress: called with what happens.

    Returns:
        What was run, in order.

    Raises:
        MigrationError: a file is wrong; one that was applied has changed or is gone; a migration
            failed (its `__cause__` says why), or one stands in its middle.
        LockTimeoutError: another runner was not done in time.
    """
    runner = _Runner.of(database, folder, lock_timeout, progress)
    return await runner.run("up", target, dry_run=dry_run)


async def revert_migrations(
    database: Database | None = None,
    folder: Path | str | None = None,
    *,
    target: str | None = None,
    dry_run: bool = False,
    lock_timeout: float | None = None,
    progress: Callable[[MigrationEvent], None] | None = None,
) -> list[MigrationRun]:
    """Take migrations back, the last version first.

    Args:
        database: the default one if None.
        folder: where the files are, as for `run_migrations`.
        target: the version to go back to, which stays; "base" to take all back. None takes back
            the last one only.
        dry_run: send nothing that writes, and say what would be sent.
        lock_timeout: seconds to wait for another runner.
        progress: called with what happens.

    Returns:
        What was taken back, in order.

    Raises:
        MigrationError: as for `run_migrations`; or a migration has no `down`, which is found out
            before anything is sent.
        LockTimeoutError: another runner was not done in time.
    """
    runner = _Runner.of(database, folder, lock_timeout, progress)
    return await runner.run("down", target, dry_run=dry_run)


@attrs.define(eq=False)
class _Runner:
    """One call of `run_migrations` or `revert_migrations`."""

    database: Database
    folder: Path
    lock_timeout: float
    tell: Callable[[MigrationEvent], None]
    _total: int = 0
    _number: int = 0

    @classmethod
    def of(
        cls,
        database: Database | None,
        folder: Path | str | None,
        lock_timeout: float | None,
        progress: Callable[[MigrationEvent], None] | None,
    ) -> _Runner:
        """Fill in what was not said."""
        if database is not None and not isinstance(database, Database):
            raise ValidationError(
                f"migrations are run on a Database, not {type(database).__name__}; see uow.connect"
            )
        seconds: Any = lock_timeout
        if seconds is not None and not (isinstance(seconds, int | float) and seconds >= 0):
            raise ValidationError("lock_timeout is a number of seconds, not negative")
        if folder is None or lock_timeout is None:
            config = load_config()
            folder = config.migrations if folder is None else folder
            lock_timeout = config.lock_timeout if lock_timeout is None else lock_timeout
        return cls(
            default_database() if database is None else database,
            Path(folder),
            float(lock_timeout),
            progress or (lambda _: None),
        )

    async def run(
        self, direction: Direction, target: str | None, *, dry_run: bool
    ) -> list[MigrationRun]:
        """Run what there is to run."""
        found = discover(self.folder)
        if target is not None:
            place_of(target, [one.version for one in found], self.folder)
        if dry_run:
            return await self._on_paper(found, direction, target)
        runs: list[MigrationRun] = []

        waiting = partial(self._wait, direction)
        async with locked(self.database, self.lock_timeout, waiting) as connection:
            history = History(self.database, connection)
            todo = self._chosen(found, await history.read(), direction, target)
            self._total = len(todo)
            if todo and not self._is_transactional:
                await history.prepare()
            for number, one in enumerate(todo, 1):
                self._number = number
                run = await self._run_one(connection, one, found, direction)
                if run is not None:
                    runs.append(run)
        if runs and self.database.pool.max_size > 1:
            # What connections know of types and tables was read before.
            self.database.pool.bump()
        return runs

    @property
    def _is_transactional(self) -> bool:
        return self.database.dialect.capabilities.transactional_ddl

    def _chosen(
        self,
        found: Sequence[Found],
        entries: Sequence[Entry],
        direction: Direction,
        target: str | None,
    ) -> list[Found]:
        """Give what is to be run, in order.

        Raises:
            MigrationError: history and files disagree, or something cannot be run.
        """
        comparison = compare(found, entries)
        refuse_wrong(comparison, direction)
        versions = [one.version for one in found]
        if direction == "up":
            last = len(found) if target is None else place_of(target, versions, self.folder)
            todo = [one for one in found[:last] if one.version not in comparison.applied]
            _check_modes(self.database, todo)
            return todo
        known = set(comparison.applied) | set(comparison.unfinished)
        there = [one for one in found if one.version in known]
        if target is None:
            todo = there[-1:]
        else:
            keep = place_of(target, versions, self.folder)
            todo = [one for one in there if one not in found[:keep]]
        todo.reverse()
        for one in todo:
            if not one.can_go_down:
                raise MigrationError(
                    f"the migration {one.version} cannot be taken back: {one.path.name} has no"
                    " down(); nothing was sent",
                    version=one.version,
                )
        _check_modes(self.database, todo)
        return todo

    async def _run_one(
        self, connection: Connection, one: Found, found: Sequence[Found], direction: Direction
    ) -> MigrationRun | None:
        """Run a migration; None if another runner did it meanwhile."""
        event = MigrationEvent(
            kind="begin", version=one.version, name=one.name, direction=direction,
            number=self._number, total=self._total,
        )  # fmt: skip
        step = 0

        def told(text: str) -> None:
            nonlocal step
            step += 1
            self.tell(attrs.evolve(event, kind="step", step=step, text=shortened(text)))

        start = time.monotonic()
        self.tell(event)
        run = OneRun(
            database=self.database,
            connection=connection,
            one=one,
            found=found,
            direction=direction,
            lock_timeout=self.lock_timeout,
            waiting=lambda: self._wait(direction),
            told=told,
        )
        work = await run.run()
        seconds = time.monotonic() - start
        if work is None:
            self.tell(attrs.evolve(event, kind="skipped"))
            return None
        self.tell(attrs.evolve(event, kind="end", seconds=seconds))
        return _run_of(one, direction, work, seconds)

    def _wait(self, direction: Direction) -> None:
        self.tell(MigrationEvent(kind="waiting", direction=direction))

    async def _on_paper(
        self, found: Sequence[Found], direction: Direction, target: str | None
    ) -> list[MigrationRun]:
        connection = await self.database.pool.acquire()
        try:
            entries = await History(self.database, connection).read()
        finally:
            await self.database.pool.release(connection)
        todo = self._chosen(found, entries, direction, target)
        return [
            _run_of(one, direction, await on_paper(self.database, one, direction), 0.0)
            for one in todo
        ]


def _run_of(one: Found, direction: Direction, work: Work, seconds: float) -> MigrationRun:
    return MigrationRun(
        version=one.version,
        name=one.name,
        direction=direction,
        seconds=seconds,
        statements=tuple(work.texts),
    )


def _check_modes(database: Database, todo: Sequence[Found]) -> None:
    """Refuse a migration without a transaction where the transaction is the lock."""
    capabilities = database.dialect.capabilities
    if not capabilities.transactional_ddl or capabilities.named_lock is not None:
        return
    for one in todo:
        if not one.migration.transactional:
            raise MigrationError(
                f"the migration {one.version} ({one.path.name}) says transactional = False, and"
                " this store runs every migration in a transaction; take the line away",
                version=one.version,
            )
