"""What a migration's calls do: in one transaction, step by step, or on paper only.

TransactionWork    all of it is stored at its COMMIT, or nothing
StepwiseWork       each call is stored by itself, and the history says how many were
PaperWork          nothing is sent
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from hashlib import sha256
from inspect import CORO_CREATED, getcoroutinestate
from typing import TYPE_CHECKING, Any

import attrs
from anyio.lowlevel import checkpoint_if_cancelled

from uow.drivers.base import PLAIN
from uow.errors import (
    CommitUnknownError,
    ConnectionLostError,
    DriverError,
    MappingError,
    MigrationError,
    Outcome,
    Phase,
    QueryError,
    UowError,
)
from uow.migrations.history import Doing, Done, Entry, History
from uow.migrations.inner import session_on
from uow.operations import Command
from uow.schema.live import inspect_schema, read_schema, refuse_unfilled, run_steps
from uow.session.finish import finish

if TYPE_CHECKING:
    from uow.database import Database
    from uow.dialects.base import Definitions
    from uow.drivers.base import Connection
    from uow.schema.description import Name, Schema
    from uow.schema.steps import AddColumn, Step
    from uow.session.session import Session
    from uow.statement import Statement

__all__ = ["PaperWork", "StepwiseWork", "TransactionWork", "Work", "commit", "roll_back"]

LONGEST_TEXT = 500
"""How many characters of a statement the history and messages show."""


def text_of(statement: Statement) -> str:
    """Give the text of a statement for people; values that are bound are not in it."""
    if isinstance(statement, Command):
        return json.dumps(dict(statement.body), default=repr)
    return statement.sql


class Work(ABC):
    """What stands behind the helpers of one migration that is run.

    Args:
        database: the database.
        told: called with the text of each step when it begins.

    Attributes:
        number: the step that was begun last, from 1 on.
        doing: the text of the step that is under way, or None.
        texts: the texts of what was sent, or would be.
    """

    def __init__(self, database: Database, told: Callable[[str], None]) -> None:
        self.database = database
        self.number = 0
        self.texts: list[str] = []
        self.doing: str | None = None
        self._told = told
        self._calls: list[tuple[Coroutine[Any, Any, Any], str]] = []

    def _next(self, text: str) -> None:
        """Begin a step."""
        self.number += 1
        self.texts.append(text)
        self.doing = text
        self._told(text)

    def ended(self) -> None:
        """Note that the step under way is done."""
        self.doing = None

    def called(self, call: Coroutine[Any, Any, Any], text: str) -> None:
        """Note the call of a helper, which is to be awaited."""
        self._calls.append((call, text))

    def check_awaited(self) -> None:
        """Refuse to go on behind a call that nobody awaited.

        Raises:
            MigrationError: names it.
        """
        calls, self._calls = self._calls, []
        forgotten = [pair for pair in calls if getcoroutinestate(pair[0]) == CORO_CREATED]
        for call, _ in forgotten:
            call.close()
        if forgotten:
            raise MigrationError(f"{forgotten[0][1]} was not awaited: write `await` before it")

    async def _check(self, connection: Connection, needs: Sequence[AddColumn]) -> None:
        """Refuse a column for which the store would make up the values of rows."""
        for step in needs:
            if self.database.dialect.definitions.makes_up_values:
                await refuse_unfilled(connection, self.database.dialect, step)

    @abstractmethod
    async def define(
        self, statements: Sequence[Statement], *, needs: Sequence[AddColumn] = ()
    ) -> None:
        """Run the definitions of a helper, which are one step.

        Args:
            statements: the definitions.
            needs: columns that they add, for which rows that are there need a value.
        """

    @abstractmethod
    async def change(self, text: str, name: Name, steps_of: Callable[[Schema], list[Step]]) -> None:
        """Change a table that is there, as one step; its text says what is wanted.

        Args:
            text: for people, and to know the step again.
            name: the table.
            steps_of: what is done, told from what is there now.
        """

    @abstractmethod
    async def execute(self, statement: Statement) -> int:
        """Run what a user wrote; give how many rows it matched or gave."""

    @abstractmethod
    async def fetch(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Read; no step."""

    @abstractmethod
    def session(self) -> AbstractAsyncContextManager[Session]:
        """Open a session in the transaction."""

    @abstractmethod
    async def run(self, work: Callable[[Session], Awaitable[Any]]) -> None:
        """Do work with a session, as one step."""


class TransactionWork(Work):
    """All that a migration does is in the transaction that is open on a connection.

    Args:
        database: the database.
        told: called with the text of each step when it begins.
        connection: the connection.
        is_suspended: tables may be built anew (`around_steps`).

    Attributes:
        needs_suspension: they had to be, and might not: all of it must be done again where they
            may.
    """

    def __init__(
        self,
        database: Database,
        told: Callable[[str], None],
        connection: Connection,
        *,
        is_suspended: bool = False,
    ) -> None:
        super().__init__(database, told)
        self._connection = connection
        self._is_suspended = is_suspended
        self.needs_suspension = False

    async def define(
        self, statements: Sequence[Statement], *, needs: Sequence[AddColumn] = ()
    ) -> None:
        """Run definitions."""
        for statement in statements:
            self._next(text_of(statement))
            await self._check(self._connection, needs)
            await self._connection.execute(statement)

    async def change(self, text: str, name: Name, steps_of: Callable[[Schema], list[Step]]) -> None:
        """Change a table."""
        self._next(text)
        dialect = self.database.dialect
        before = await read_schema(self._connection, dialect, schemas=_schemas(name))
        steps = steps_of(before)
        definitions = dialect.definitions
        if not self._is_suspended and _needs_suspension(definitions, steps, before):
            self.needs_suspension = True
            raise MigrationError("a table is to be built anew, which is prepared first")
        self.texts[-1:] = definitions.step_texts(steps, before)
        await run_steps(self._connection, dialect, steps)

    async def execute(self, statement: Statement) -> int:
        """Run one statement."""
        self._next(text_of(statement))
        return (await self._connection.run(statement)).count

    async def fetch(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Read."""
        return [tuple(row) for row in (await self._connection.run(statement)).rows]

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[Session]:
        """Open a session."""
        self._next("-- what a session writes")
        async with session_on(self.database, self._connection, inside=True) as session:
            yield session
            await session.commit()
        self.ended()

    async def run(self, work: Callable[[Session], Awaitable[Any]]) -> None:
        """Do work with a session."""
        self._next(f"-- what {_name_of(work)} writes")
        async with session_on(self.database, self._connection, inside=True) as session:
            await work(session)
            await session.commit()


class StepwiseWork(Work):
    """Each step is stored by itself; steps that were done before are passed over.

    Definitions are noted before they are run and after: what was begun and not ended is what a
    process left that was killed. Data is written in one transaction with its note.
    """

    def __init__(
        self,
        database: Database,
        told: Callable[[str], None],
        connection: Connection,
        entry: Entry,
        now: Callable[[Entry], Entry],
    ) -> None:
        super().__init__(database, told)
        self._connection = connection
        self._history = History(database, connection)
        self._now = now
        self.entry = entry
        self._before = len(entry.done)

    async def define(
        self, statements: Sequence[Statement], *, needs: Sequence[AddColumn] = ()
    ) -> None:
        """Run definitions, each a step."""
        for statement in statements:
            text = text_of(statement)
            if self._passed(text) is None:
                await self._check(self._connection, needs)
                await self._apart(text, partial(self._connection.execute, statement))

    async def change(self, text: str, name: Name, steps_of: Callable[[Schema], list[Step]]) -> None:
        """Change a table."""
        if self._passed(text) is not None:
            return
        dialect = self.database.dialect
        before = await read_schema(self._connection, dialect, schemas=_schemas(name))
        steps = steps_of(before)
        self.texts[-1:] = dialect.definitions.step_texts(steps, before)

        async def send() -> int:
            await run_steps(self._connection, dialect, steps)
            return 0

        await self._apart(text, send)

    async def execute(self, statement: Statement) -> int:
        """Run one statement: in a transaction if the store takes it there."""
        text = text_of(statement)
        done = self._passed(text)
        if done is not None:
            return done.count

        async def send() -> int:
            return (await self._connection.run(statement)).count

        if not self.database.dialect.capabilities.documents:
            try:
                return await self._within(text, send)
            except QueryError:
                # Not in a transaction, or not at all; nothing was done.
                if self._connection.is_closed or self._connection.in_transaction:
                    raise
        return await self._apart(text, send)

    async def fetch(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Read."""
        return [tuple(row) for row in (await self._connection.run(statement)).rows]

    def session(self) -> AbstractAsyncContextManager[Session]:
        """Refuse: a block cannot be passed over when a migration goes on."""
        raise MigrationError(
            f"the migration {self.entry.version} has no transaction that a session could be in;"
            " put the block into a function and give it to self.run(...)",
            version=self.entry.version,
        )

    async def run(self, work: Callable[[Session], Awaitable[Any]]) -> None:
        """Do work with a session, in one transaction with the note of it."""
        text = f"-- what {_name_of(work)} writes"
        if self._passed(text) is not None:
            return

        async def write() -> int:
            async with session_on(self.database, self._connection, inside=True) as session:
                await work(session)
                await session.commit()
            return 0

        await self._within(text, write)

    def check_all_passed(self) -> None:
        """Refuse an end before the steps that were done.

        Raises:
            MigrationError: there were more.
        """
        if self.number < self._before:
            raise MigrationError(
                f"{self._before} steps of it were done, and it has only {self.number} now"
            )

    # -- one step

    def _passed(self, text: str) -> Done | None:
        """Begin a step; say what became of it, if it was done before.

        Raises:
            MigrationError: it was done before, and was another one.
        """
        self._next(text)
        if self.number > self._before:
            return None
        done = self.entry.done[self.number - 1]
        if done.sign != sign_of(text):
            raise MigrationError(
                f"step {self.number} of the migration {self.entry.version} was done, and is"
                f" another one now ({shortened(text)}): steps that were done stay as they are",
                version=self.entry.version,
                step=self.number,
            )
        return done

    async def _apart(self, text: str, send: Callable[[], Awaitable[int]]) -> int:
        """Take a step that is no part of a transaction, with a note before and one after."""
        doing = Doing(sign_of(text), shortened(text))
        await self._note(attrs.evolve(self.entry, doing=doing, problem=None))
        try:
            count = await send()
        except (ConnectionLostError, CommitUnknownError, DriverError):
            raise  # the store may have done it
        except UowError as error:
            if error.outcome is not Outcome.UNKNOWN and not self._connection.is_closed:
                await self._note_shielded(attrs.evolve(self.entry, doing=None))
            raise
        done = (*self.entry.done, Done(doing.sign, count))
        await self._note_shielded(attrs.evolve(self.entry, doing=None, done=done))
        return count

    async def _within(self, text: str, act: Callable[[], Awaitable[int]]) -> int:
        """Take a step in a transaction, which holds the note of it too."""
        connection = self._connection
        await connection.begin(PLAIN)
        try:
            count = await act()
            self._check_open()
            done = (*self.entry.done, Done(sign_of(text), count))
            entry = self._now(attrs.evolve(self.entry, done=done, problem=None))
            await self._history.write(entry)
            await commit(self.database, connection)
        except BaseException:
            await roll_back(self.database, connection)
            raise
        self.entry = entry
        return count

    def _check_open(self) -> None:
        if not self._connection.in_transaction:
            raise MigrationError(
                f"the transaction of step {self.number} was rolled back inside of it",
                version=self.entry.version,
                step=self.number,
            )

    async def _note(self, entry: Entry) -> None:
        entry = self._now(entry)
        await self._history.write(entry)
        self.entry = entry

    async def _note_shielded(self, entry: Entry) -> None:
        """Write a note of what is so already, whoever is cancelled meanwhile."""
        end = await finish(lambda: self._note(entry), self.database.cleanup_timeout)
        if end.cancelled is not None:
            raise end.cancelled
        if end.error is not None:
            raise end.error


class PaperWork(Work):
    """Nothing is sent; the texts are kept."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, lambda _: None)

    async def define(
        self,
        statements: Sequence[Statement],
        *,
        needs: Sequence[AddColumn] = (),  # noqa: ARG002 - rows are not looked at
    ) -> None:
        """Keep the texts."""
        self.texts += [text_of(one) for one in statements]

    async def change(self, text: str, name: Name, steps_of: Callable[[Schema], list[Step]]) -> None:
        """Keep the texts as they would be now; before that, what was there may change."""
        dialect = self.database.dialect
        try:
            before = await inspect_schema(self.database, schemas=_schemas(name))
            texts = dialect.definitions.step_texts(steps_of(before), before)
        except (MappingError, MigrationError):
            texts = [f"-- {text}"]
        self.texts += texts

    async def execute(self, statement: Statement) -> int:
        """Keep the text."""
        self.texts.append(text_of(statement))
        return 0

    async def fetch(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Stop: nobody knows what would be read by then."""
        raise UnforeseeableError(f"what comes now depends on what is read: {text_of(statement)}")

    def session(self) -> AbstractAsyncContextManager[Session]:
        """Stop: a block cannot be passed over."""
        raise UnforeseeableError("what comes now is done with a session")

    async def run(self, work: Callable[[Session], Awaitable[Any]]) -> None:
        """Say that there is some."""
        self.texts.append(f"-- what {_name_of(work)} writes")


class UnforeseeableError(UowError):
    """On paper it cannot be said what a migration does next."""


# -- ends of transactions


async def commit(database: Database, connection: Connection) -> None:
    """Commit; cancellation is heard before, and then when it is known how it ended.

    Raises:
        CommitUnknownError: no answer came.
        UowError: the store refused.
    """
    await checkpoint_if_cancelled()
    end = await finish(connection.commit, database.commit_timeout)
    error = end.error
    if not end.is_done:
        if isinstance(error, UowError) and not isinstance(error, ConnectionLostError | DriverError):
            error.phase = error.phase or Phase.COMMIT
            error.outcome = Outcome.NOT_APPLIED
            raise error
        connection.terminate()
        raise CommitUnknownError(
            "nobody answered the COMMIT of a migration; whether it is stored stands in the history:"
            " `uow migrate status` reads it, and the next run goes on from there"
        ) from error
    if end.cancelled is not None:
        raise end.cancelled


async def roll_back(database: Database, connection: Connection) -> None:
    """Roll back, in bounded time; a connection that cannot is closed."""
    if connection.is_closed or not connection.in_transaction:
        return
    end = await finish(connection.rollback, database.cleanup_timeout)
    if not end.is_done:
        connection.terminate()
    if end.cancelled is not None:
        raise end.cancelled


def _needs_suspension(definitions: Definitions, steps: Sequence[Step], before: Schema) -> bool:
    return definitions.suspension() is not None and definitions.rebuilds(steps, before)


def _schemas(name: Name) -> list[str]:
    return [] if name.schema is None else [name.schema]


def shortened(text: str) -> str:
    """Give a text in one line that is not too long."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_TEXT else f"{line[: LONGEST_TEXT - 3]}..."


def _name_of(work: Callable[..., Any]) -> str:
    return getattr(work, "__name__", type(work).__name__)


def sign_of(text: str) -> str:
    """Give what a step is known by again."""
    return sha256(text.encode()).hexdigest()[:16]
