"""`Session`: a unit of work over one database, as users meet it.

The `Ledger` keeps the books, the `Channel` holds the connection, the `Unit` keeps both in
agreement. What is here is the door: who may call what and when.

    NEW ──enter──> OPEN ──────leave──────> CLOSED
                   (UNKNOWN, after a COMMIT that was not answered, until rollback)
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from copy import deepcopy
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast

import anyio

from uow.database import Database, default_database
from uow.drivers.base import TransactionOptions
from uow.errors import (
    CommitUnknownError,
    ConcurrentUseError,
    NotFoundError,
    ObjectStateError,
    Outcome,
    QueryError,
    SessionClosedError,
    StaleObjectError,
    UncommittedChangesWarning,
)
from uow.mapping.mapper import mapper_of
from uow.query.builder import Query, Terminals
from uow.query.executable import Executable
from uow.query.statements import Delete, Insert, Raw, Select, Update
from uow.session import ambient
from uow.session.blocks import BeginMethod, SavepointBlock
from uow.session.bulk import Bulk
from uow.session.channel import Channel
from uow.session.codec import codecs_of
from uow.session.events import Hooks, session_hooks
from uow.session.hooks import HookCaller
from uow.session.ledger import Ledger
from uow.session.plan import make_plan
from uow.session.reading import Reader
from uow.session.steps import FlushPlan
from uow.session.streaming import Stream
from uow.session.unit import Unit
from uow.tracking.state import Record, State, state_of

if TYPE_CHECKING:
    from uow.expressions import Expression
    from uow.mapping.model import Model
    from uow.statement import Statement
    from uow.tracking.journal import Frame

__all__ = ["Session"]

M = TypeVar("M", bound="Model")
R = TypeVar("R")

ISOLATION_LEVELS = frozenset(
    {"SERIALIZABLE", "REPEATABLE READ", "READ COMMITTED", "READ UNCOMMITTED"}
)


ENDS_OR_BEGINS = frozenset({"flush", "commit", "rollback", "rollback_to", "begin", "begin_nested"})
"""What hooks may not call."""


class Life(Enum):
    """Where a session is in its life."""

    NEW = "new"
    OPEN = "open"
    CLOSED = "closed"


class Session:
    """A unit of work: it holds objects, notes what is done to them, and writes it when asked.

    ```python
    async with Session(db) as session:
        ann = await session.get(Author, 1)
        ann.age += 1
        await session.commit()
    ```

    Nothing is sent but by a method that is awaited. Reads before the first write run on their
    own; the first flush, bulk statement or lock begins a transaction, which stays open until
    `commit` or `rollback`. Leaving the block without `commit` rolls back.

    A session is for one task at a time. It may be handed on between operations.

    Args:
        database: the database; the default one if None.
        isolation: an SQL isolation level. The transaction then begins at the first statement.
        read_only: refuse to write. The transaction begins at the first statement.
        autoflush: flush before queries, so that they see what was not flushed yet.
        verify_commit: leave a token in the store with each commit, so that the outcome of a
            commit that was not answered can be found out (`CommitUnknownError.verify`).

    """

    _hooks: ClassVar[Hooks] = session_hooks
    begin: ClassVar[BeginMethod] = BeginMethod()

    def __init__(
        self,
        database: Database | None = None,
        *,
        isolation: str | None = None,
        read_only: bool = False,
        autoflush: bool = False,
        verify_commit: bool = False,
        _depth: int = 1,
    ) -> None:
        if database is None:
            database = default_database()
        elif not isinstance(database, Database):
            raise QueryError(
                f"Session() takes a Database, not {type(database).__name__}; see uow.connect"
            )
        if isolation is not None:
            if isinstance(isolation, str):
                isolation = " ".join(isolation.upper().replace("_", " ").split())
            if isolation not in ISOLATION_LEVELS:
                known = ", ".join(sorted(ISOLATION_LEVELS))
                raise QueryError(f"isolation is one of {known}, not {isolation!r}")
        self._life = Life.NEW
        self._operation: str | None = None
        self._binding: ambient.Binding | None = None
        codecs = codecs_of(database)
        self._ledger = Ledger(codecs)
        self._hook_caller = HookCaller(self)
        self._unit = Unit(
            self._ledger,
            Channel(database, TransactionOptions(isolation, read_only)),
            codecs,
            self._hook_caller,
            is_read_only=read_only,
            leaves_token=verify_commit,
            flushes_first=autoflush,
        )
        self._reader = Reader(self._unit)
        frame = sys._getframe(_depth)
        self._site = (frame.f_code.co_filename, frame.f_lineno)

    # -- life

    @property
    def database(self) -> Database:
        """The database this session works on."""
        return self._unit.channel.database

    @property
    def outcome(self) -> Outcome | None:
        """What is known about the last unit; None before the first commit or rollback."""
        return self._unit.outcome

    @property
    def is_closed(self) -> bool:
        """Whether the session is over."""
        return self._life is Life.CLOSED

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._unit.channel.connection is not None

    @property
    def is_poisoned(self) -> bool:
        """Whether the transaction can only be rolled back."""
        return self._unit.poison is not None

    def __repr__(self) -> str:
        ledger = self._ledger
        held = sum(map(len, ledger.identity.values()))
        return (
            f"<Session {self._life.value}"
            f"{' in a transaction' if self.in_transaction else ''}: {held} objects, "
            f"{len(ledger.new)} new, {len(ledger.changed)} changed, {len(ledger.deleted)} deleted>"
        )

    async def __aenter__(self) -> Self:
        if self._life is not Life.NEW:
            raise SessionClosedError("a session is entered once; make another one")
        self._life = Life.OPEN
        self._binding = ambient.bind(self)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if exc_type is None and self._life is Life.OPEN and self._has_unsaved():
                warnings.warn(
                    "a session left its block with changes that were not committed; they are "
                    f"rolled back ({self!r})",
                    UncommittedChangesWarning,
                    stacklevel=2,
                )
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Roll back what is open, give the connection back, detach the objects. For good.

        They stay readable. May be called twice.
        """
        if self._life is Life.CLOSED:
            return
        busy = self._operation
        self._life = Life.CLOSED
        if self._binding is not None:
            ambient.unbind(self._binding)
        try:
            if busy is None or self._hook_caller.is_running:
                await self._unit.close_streams()
                await self._unit.channel.rollback()
        finally:
            # Somebody in the middle of an operation must not go on with our connection.
            self._unit.channel.terminate()
            self._ledger.restore_all()
            self._ledger.close()
        if busy is not None and not self._hook_caller.is_running:
            raise ConcurrentUseError(
                f"the session was closed while {busy}() was running in another task; its "
                "connection was closed and the transaction rolled back"
            )

    def abandon(self) -> None:
        """Close at once, without waiting: for finalisers. Nothing is kept but the objects."""
        if self._life is not Life.CLOSED:
            self._life = Life.CLOSED
            if self._binding is not None:
                ambient.unbind(self._binding)
            for stream in self._unit.streams:
                stream.forsake()
            self._unit.channel.forsake()
            self._ledger.restore_all()
            self._ledger.close()

    def __del__(self) -> None:
        if getattr(self, "_life", None) is not Life.OPEN:
            return
        self.abandon()  # objects in the user's hands must not claim what is rolled back with it
        file, line = self._site
        warnings.warn(
            f"a session opened at {file}:{line} was never closed; use `async with`",
            ResourceWarning,
            stacklevel=1,
            source=self,
        )

    @property
    def _can_roll_back(self) -> bool:
        """Whether `rollback` would be heard: the session is open and nobody is busy with it."""
        return self._life is Life.OPEN and self._operation is None

    def _has_unsaved(self) -> bool:
        if self._unit.unknown is not None:
            return False  # what is not known was said, louder
        return self._ledger.was_written or not self._ledger.is_clean

    # -- one task at a time

    def _claim(self, operation: str) -> str | None:
        """Begin an operation; what it returns is put back into `_operation` at its end."""
        outer = self._operation
        if outer is not None or self._life is not Life.OPEN or self._unit.unknown is not None:
            self._refuse(operation)
        self._operation = operation
        return outer

    def _check(self, operation: str) -> None:
        """As `_claim`, for what does not wait."""
        if (
            self._operation is not None
            or self._life is not Life.OPEN
            or self._unit.unknown is not None
        ):
            self._refuse(operation)

    def _refuse(self, operation: str) -> None:
        """Raise, unless a hook is calling what hooks may call."""
        if self._life is Life.NEW:
            raise SessionClosedError("the session was not entered yet; use `async with`")
        if self._life is Life.CLOSED:
            raise SessionClosedError(f"{operation}() on a session that is closed")
        outer = self._operation
        task = self._hook_caller.task
        if outer is None:
            unknown = self._unit.unknown
            if unknown is None or operation == "rollback":
                return
            raise CommitUnknownError(
                "the outcome of this session's commit is unknown; verify it, and roll back or "
                "close the session",
                verify=unknown.verify,
            )
        if task is not None and task == anyio.get_current_task().id:
            if operation not in ENDS_OR_BEGINS:
                return
            raise ConcurrentUseError(
                f"{operation}() was called in a hook of {outer}(); hooks may read, change "
                "objects, add and delete, and what they do is part of the same flush"
            )
        raise ConcurrentUseError(
            f"{operation}() was called while {outer}() of the same session is running; a session "
            "serves one task at a time (session.fan_out reads in parallel)"
        )

    # -- what is in it

    @property
    def new(self) -> frozenset[Any]:
        """The objects a flush would insert."""
        return frozenset(self._ledger.new.values())

    @property
    def dirty(self) -> frozenset[Any]:
        """The stored objects that differ from the store, as far as this session knows it."""
        return frozenset(record.obj for record in self._ledger.modified())

    @property
    def deleted(self) -> frozenset[Any]:
        """The objects a flush would delete."""
        return frozenset(record.obj for record in self._ledger.deleted)

    def __contains__(self, obj: object) -> bool:
        return state_of(obj).owner is self._ledger

    def __iter__(self) -> Iterator[Any]:
        """Every object in the session: stored, then new ones."""
        for objects in list(self._ledger.identity.values()):
            yield from list(objects.values())
        yield from list(self._ledger.new.values())

    def is_modified(self, obj: Model) -> bool:
        """Whether a flush would update the object."""
        state = state_of(obj)
        return (
            isinstance(state, Record)
            and state.stored is State.PERSISTENT
            and bool(self._ledger.differences(state))
        )

    def add(self, obj: Model) -> None:
        """Take an object in: a new one is inserted by the next flush, a detached one goes on.

        An object that is already here stays as it is; one marked as deleted lives again.

        Raises:
            ObjectStateError: it belongs to another open session, or another object here has
                its key.
        """
        self._check("add")
        self._ledger.add(obj)

    def add_all(self, objects: Iterable[Model]) -> None:
        """Take several objects in; see `add`."""
        self._check("add_all")
        self._ledger.add_all(objects)

    def delete(self, obj: Model) -> None:
        """Have the next flush delete the object's row; a new object is just let go.

        Raises:
            ObjectStateError: it was never stored, or belongs to another open session.
        """
        self._check("delete")
        self._ledger.delete(obj)

    def expunge(self, obj: Model) -> None:
        """Let go of an object. It keeps its changes; nothing is written.

        Raises:
            ObjectStateError: it is not in this session.
        """
        self._check("expunge")
        self._ledger.expunge(obj)

    def expire(self, obj: Model, *, discard: bool = False) -> None:
        """Forget an object's values but for its key; `refresh` reads them again.

        Args:
            obj: a stored object of this session.
            discard: drop its changes too.

        Raises:
            ObjectStateError: it has changes and `discard` is false, or is not stored here.
        """
        self._check("expire")
        self._ledger.expire(obj, discard=discard)

    def clear(self) -> None:
        """Let go of every object. They keep their changes; nothing is written."""
        self._check("clear")
        self._ledger.clear()

    # -- reading

    async def get(
        self,
        model: type[M],
        key: object,
        *,
        for_update: bool = False,
        nowait: bool = False,
        skip_locked: bool = False,
    ) -> M | None:
        """Give the object with a key: the one in the session, else it is read.

        Args:
            model: the class.
            key: the value of the key, or a tuple for a composite one.
            for_update: lock the row and read it again. Clean fields are refreshed.
            nowait: fail at once if the row is locked.
            skip_locked: give None if the row is locked.

        Raises:
            ValidationError: the key is of the wrong type.
            QueryError: the store has no such lock.
            StaleObjectError: with a lock, the row has moved under a changed object.
        """
        mapper = mapper_of(model)
        wanted = mapper.check_key(key)
        outer = self._claim("get")
        try:
            found = await self._reader.get(
                mapper,
                wanted,
                lock=for_update or nowait or skip_locked,
                nowait=nowait,
                skip_locked=skip_locked,
            )
            return cast("M | None", found)
        finally:
            self._operation = outer

    async def get_one(
        self,
        model: type[M],
        key: object,
        *,
        for_update: bool = False,
        nowait: bool = False,
        skip_locked: bool = False,
    ) -> M:
        """As `get`, but an absent row is an error.

        Raises:
            NotFoundError: there is no such row.
        """
        found = await self.get(
            model, key, for_update=for_update, nowait=nowait, skip_locked=skip_locked
        )
        if found is None:
            raise NotFoundError(f"there is no {model.__name__} with this key")
        return found

    def find(self, model: type[M], *conditions: Expression[bool]) -> Query[M]:
        """Build a query; nothing is sent until one of its terminals is awaited.

        Raises:
            QueryError: a condition is not an expression (a bool, for one).
        """
        return Query(model, self, *conditions)

    async def refresh(self, obj: Model, *, for_update: bool = False) -> None:
        """Read an object again, dropping its changes.

        Args:
            obj: a stored object of this session.
            for_update: lock its row.

        Raises:
            NotFoundError: its row is gone.
            ObjectStateError: it is not a stored object of this session.
        """
        outer = self._claim("refresh")
        try:
            state = state_of(obj)
            if state.owner is not self._ledger or state.status is not State.PERSISTENT:
                raise ObjectStateError(
                    f"only a stored object of this session can be refreshed, not {obj!r}"
                )
            await self._reader.refresh(obj, mapper_of(obj), lock=for_update)
        finally:
            self._operation = outer

    async def merge(self, obj: M) -> M:
        """Copy an object's values onto the one in this session with its key.

        That one is read if it is not here, and made if there is none.

        Returns:
            The object of this session. The one given is left as it is.

        Raises:
            StaleObjectError: both have a version, and they differ.
        """
        if state_of(obj).owner is self._ledger:
            return obj
        self._check("merge")
        mapper = mapper_of(obj)
        values = {
            column: deepcopy(getattr(obj, column.attribute))
            for column in mapper.columns
            if column.is_loaded(obj)
        }
        key = mapper.identity(obj)
        complete = all(values.get(column) is not None for column in mapper.key)
        target = await self.get(mapper.class_, key) if complete else None
        if target is None:
            fresh = mapper.class_(
                **{
                    column.attribute: value
                    for column, value in values.items()
                    if column.generated is None
                }
            )
            self.add(fresh)
            return cast("M", fresh)
        version = mapper.version
        if version is not None and values.get(version) not in (
            None,
            version.get_slot(target),
        ):
            raise StaleObjectError(
                f"the version of {obj!r} is not the one in this session", objects=[target]
            )
        for column, value in values.items():
            if not column.primary_key and column is not version and column.generated is None:
                setattr(target, column.attribute, value)
        return cast("M", target)

    async def fan_out(self, *queries: Terminals[Any]) -> list[list[Any]]:
        """Run queries at the same time, on a connection each.

        The objects join this session. On a database with a single connection they run in turn.

        Returns:
            A list of objects (or rows) a query, in the order of the queries.

        Raises:
            QueryError: the open transaction holds changes that other connections cannot see; or
                something is no query, or asks for locks.
        """
        selects = [_select_of(query, "fan_out") for query in queries]
        if any(select.for_update is not None for select in selects):
            raise QueryError(
                "fan_out gives its connections back at once, and locks would go with them; leave "
                "out for_update, or run the query by itself"
            )
        outer = self._claim("fan_out")
        try:
            await self._unit.flush_first()
            if self._ledger.was_written:
                raise QueryError(
                    "fan_out reads on connections of its own, which do not see what this "
                    "transaction wrote or locked; commit first"
                )
            channel = self._unit.channel
            dialect = self._unit.codecs.dialect
            compiled = [dialect.compile(select) for select in selects]
            answers: list[list[Any]] = [[] for _ in selects]
            failures: list[BaseException] = []

            async def read(number: int, statement: Statement) -> None:
                try:
                    answers[number] = await channel.fetch_apart(statement)
                except Exception as error:  # noqa: BLE001 - raised below, as it came
                    failures.append(error)
                    tasks.cancel_scope.cancel()

            if channel.connection is not None and channel.pool.max_size == 1:
                for number, one in enumerate(compiled):
                    answers[number] = await self._unit.fetch(one.statement)
            else:
                async with anyio.create_task_group() as tasks:
                    for number, one in enumerate(compiled):
                        tasks.start_soon(read, number, one.statement)
            if failures:
                raise failures[0]
            return [
                self._reader.results(select, rows)
                for select, rows in zip(selects, answers, strict=True)
            ]
        finally:
            self._operation = outer

    def stream(
        self, query: Terminals[R], *, batch_size: int = 500
    ) -> AbstractAsyncContextManager[AsyncIterator[R]]:
        """Read a query through a cursor, a batch at a time.

        What is in the session yields that object; all others are detached, so that memory does
        not grow with the rows. Leaving the block closes the cursor.

        Args:
            query: what to read.
            batch_size: rows to fetch at a time.

        Raises:
            QueryError: it is no query, or asks for locks; or the size of a batch is none.
        """
        self._check("stream")
        if type(batch_size) is not int or batch_size < 1:
            raise QueryError("batch_size is the number of rows to fetch at a time, one at least")
        stream: Stream[R] = Stream(self, _select_of(query, "stream"), batch_size)
        return stream

    # -- the executor of queries

    async def fetch_objects(self, select: Select) -> list[Any]:
        """Run a select for objects. For `Query`; see `uow.query.executor`."""
        outer = self._claim("find")
        try:
            await self._unit.flush_first()
            return await self._reader.select(select)
        finally:
            self._operation = outer

    fetch_rows = fetch_objects

    async def fetch_scalars(self, select: Select) -> list[Any]:
        """Run a select for the first value of each row. For `Query`."""
        return [row[0] for row in await self.fetch_rows(select)]

    async def execute_write(self, statement: Update | Delete | Insert) -> int:
        """Run a bulk statement. For `Query`."""
        outer = self._claim("execute")
        try:
            count: int = await Bulk(self._unit, self._reader).write(statement)
            return count
        finally:
            self._operation = outer

    def stream_objects(self, select: Select) -> Stream[Any]:
        """Read through a cursor. For `Query`."""
        self._check("stream")
        return Stream(self, select, 500)

    stream_rows = stream_objects

    async def execute(self, statement: Executable[R]) -> R:
        """Run a statement: `select`, `insert`, `update`, `delete`, or raw `sql`.

        A bulk statement does not flush first, and raw SQL sees only what was flushed.

        Returns:
            Rows (objects, if a class was selected), or the number of rows matched where the
            statement returns none.

        Raises:
            QueryError: it is no statement, or objects of its class have changes that were not
                flushed.
        """
        if not isinstance(statement, Executable):
            hint = "; use uow.sql(...) for raw SQL" if isinstance(statement, str) else ""
            raise QueryError(f"execute() takes a statement, not {type(statement).__name__}{hint}")
        tree = statement.statement
        outer = self._claim("execute")
        try:
            if isinstance(tree, Select):
                await self._unit.flush_first()
                return cast("R", await self._reader.select(tree))
            bulk = Bulk(self._unit, self._reader)
            if isinstance(tree, Raw):
                return cast("R", await bulk.raw(tree))
            return cast("R", await bulk.write(tree))
        finally:
            self._operation = outer

    # -- writing

    async def flush(self) -> None:
        """Write what is new, changed and deleted; the transaction stays open.

        Generated keys, versions and defaults of the store are filled in. With nothing to write
        nothing is sent.

        Raises:
            InvalidUnitError: values do not fit; nothing was sent.
            ConstraintError: the store refused a row.
            StaleObjectError: a row was changed or deleted by somebody else.

        After an error the transaction (or the innermost savepoint) is rolled back, and the
        objects are new, changed and deleted as before: repair them and flush again.
        """
        outer = self._claim("flush")
        try:
            self._unit.refuse_poisoned()
            await self._unit.flush()
        finally:
            self._operation = outer

    async def commit(self) -> None:
        """Flush and commit. With nothing to do nothing is sent.

        A unit of a single statement is sent as just that statement.

        Raises:
            TransactionPoisonedError: a statement of the transaction failed; roll back.
            CommitUnknownError: no answer came; the session can only be verified, rolled back
                and closed.
            UowError: as `flush`; after it the objects are pending as before.
        """
        outer = self._claim("commit")
        try:
            await self._unit.commit()
        finally:
            self._operation = outer

    async def rollback(self) -> None:
        """Roll back. Every object is as it was last committed, and new ones are let go.

        Changes that were never flushed are given up too. After an unknown commit the objects
        it concerned are expired, because nobody knows what the store holds.
        """
        outer = self._claim("rollback")
        try:
            await self._unit.rollback()
        finally:
            self._operation = outer

    def flush_plan(self) -> FlushPlan:
        """The plan of the flush that would be done now; see `uow.debug.plan`."""
        self._check("flush_plan")
        return make_plan(self._ledger, self._unit.codecs)

    # -- savepoints

    def begin_nested(self) -> SavepointBlock:
        """Open a savepoint: `async with session.begin_nested() as savepoint:`.

        A clean exit flushes and keeps what was done; an exception rolls back what was done
        inside, in the store and in memory, and nothing else.
        """
        self._check("begin_nested")
        return SavepointBlock(self)

    async def _open_savepoint(self, *, is_block: bool) -> Frame:
        outer = self._claim("begin_nested")
        try:
            return await self._unit.open_savepoint(is_block=is_block)
        finally:
            self._operation = outer

    async def _close_savepoint(self, frame: Frame) -> None:
        outer = self._claim("begin_nested")
        try:
            await self._unit.close_savepoint(frame)
        finally:
            self._operation = outer

    async def _roll_back_to(self, frame: Frame, *, keep: bool) -> None:
        outer = self._claim("rollback_to")
        try:
            await self._unit.roll_back_to(frame, keep=keep)
        finally:
            self._operation = outer

    # -- hooks

    def on(self, event: str, function: Callable[..., Any]) -> None:
        """Attach a hook to this session; see `uow.event`.

        Raises:
            QueryError: there is no such event.
        """
        self._hook_caller.own.add(event, function)

    def on_commit(self, function: Callable[[], Any]) -> Callable[[], Any]:
        """Call a function, sync or async, once this unit is known to be committed.

        It is dropped on rollback, and with the savepoint it was given in. What it raises is
        logged and changes nothing: the unit is committed.
        """
        self._check("on_commit")
        self._ledger.frames[-1].callbacks.append(function)
        return function


def _select_of(query: object, verb: str) -> Select:
    """The tree of a query."""
    given = type(query).__name__
    tree = query.statement if isinstance(query, Executable) else None
    if not isinstance(tree, Select):
        raise QueryError(f"{verb}() takes a query, as session.find() makes it, not {given}")
    return tree
