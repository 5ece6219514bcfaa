"""`Session`: a unit of work over one database.

Layers, each with one concern: the `Ledger` keeps the books (memory only), the `Channel` holds the
connection and the transaction, `make_plan` and `Flush` turn one into statements on the other. What
is left here is the state machine: who may call what and when, and what is true of memory, store
and connection after each thing that can go wrong.

    NEW ──enter──> OPEN ──COMMIT unanswered──> UNKNOWN ──rollback──> OPEN
                     └───────────────leave──────────┴──────────────> CLOSED
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from uow.database import Database, default_database
from uow.drivers.base import TransactionOptions
from uow.errors import (
    CommitUnknownError,
    ConcurrentUseError,
    NotFoundError,
    ObjectStateError,
    Outcome,
    Phase,
    QueryError,
    SessionClosedError,
    StaleObjectError,
    TransactionPoisonedError,
    UncommittedChangesWarning,
)
from uow.expressions import ColumnExpression
from uow.mapping.mapper import mapper_of
from uow.query.builder import Query
from uow.query.executable import Executable
from uow.query.insert_rows import split_insert
from uow.query.rows import row_class
from uow.query.statements import Delete, Insert, Raw, Select, Update, result_names
from uow.session import ambient
from uow.session.blocks import BeginMethod, SavepointBlock
from uow.session.codec import codecs_for
from uow.session.channel import Channel
from uow.session.events import (
    Hooks,
    call,
    hears_objects,
    logger,
    object_hooks,
    session_hooks,
)
from uow.session.flush import Flush
from uow.session.ledger import Ledger
from uow.session.plan import FlushPlan, Kind, make_plan
from uow.session.streaming import Stream
from uow.session.tokens import CommitToken
from uow.tracking.state import Record, State, read_slot, state_of

if TYPE_CHECKING:
    from uow.expressions import Expression
    from uow.mapping.mapper import Mapper
    from uow.mapping.model import Model
    from uow.statement import Statement
    from uow.tracking.journal import Frame

__all__ = ["Session"]

M = TypeVar("M", bound="Model")
R = TypeVar("R")

ISOLATION_LEVELS = frozenset(
    {"SERIALIZABLE", "REPEATABLE READ", "READ COMMITTED", "READ UNCOMMITTED"}
)


class Life(Enum):
    """Where a session is in its life."""

    NEW = "new"
    OPEN = "open"
    UNKNOWN = "unknown"
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

    Attributes:
        outcome: what is known about the last unit; None before the first commit.
    """

    _hooks: Any = session_hooks
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
            isolation = " ".join(isolation.upper().replace("_", " ").split())
            if isolation not in ISOLATION_LEVELS:
                known = ", ".join(sorted(ISOLATION_LEVELS))
                raise QueryError(f"isolation is one of {known}, not {isolation!r}")
        self.outcome: Outcome | None = None
        self._life = Life.NEW
        self._operation: str | None = None
        self._hook_task: int | None = None
        self._read_only = read_only
        self._autoflush = autoflush
        self._verify_commit = verify_commit
        self._transactional = isolation is not None or read_only
        self._unknown: CommitUnknownError | None = None
        self._hooks = Hooks()
        self._codecs = codecs_for(database.dialect)
        self._ledger = Ledger(self._codecs)
        self._channel = Channel(database, TransactionOptions(isolation, read_only))
        self._binding: ambient.Binding | None = None
        self._streams: set[Stream[Any]] = set()
        frame = sys._getframe(_depth)
        self._site = (frame.f_code.co_filename, frame.f_lineno)

    # -- life

    @property
    def database(self) -> Database:
        """The database this session works on."""
        return self._channel.database

    @property
    def is_closed(self) -> bool:
        """Whether the session is over."""
        return self._life is Life.CLOSED

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._channel.connection is not None

    @property
    def is_poisoned(self) -> bool:
        """Whether the transaction can only be rolled back."""
        return self._poison() is not None

    def __repr__(self) -> str:
        ledger = self._ledger
        held = sum(map(len, ledger.identity.values()))
        return (
            f"<Session {self._life.value}"
            f"{' in a transaction' if self.in_transaction else ''}: {held} objects, "
            f"{len(ledger.new)} new, {len(ledger.changed)} changed, {len(ledger.deleted)} deleted>"
        )

    async def __aenter__(self) -> Session:
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
        if exc_type is None and self._life is Life.OPEN and self._has_unsaved():
            warnings.warn(
                f"a session left its block with changes that were not committed; they are rolled "
                f"back ({self!r})",
                UncommittedChangesWarning,
                stacklevel=2,
            )
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
        if busy is not None and self._hook_task is None:
            # Somebody is in the middle of an operation: it must not go on with our connection.
            self._channel.terminate()
            self._ledger.restore_all()
            self._ledger.close()
            raise ConcurrentUseError(
                f"the session was closed while {busy}() was running in another task; its "
                "connection was closed and the transaction rolled back"
            )
        try:
            await self._close_streams()
            await self._channel.rollback()
        finally:
            self._channel.terminate()
            self._ledger.restore_all()
            self._ledger.close()

    def abandon(self) -> None:
        """Close at once, without waiting: for finalisers. Nothing is kept but the objects."""
        if self._life is not Life.CLOSED:
            self._life = Life.CLOSED
            if self._binding is not None:
                ambient.unbind(self._binding)
            self._channel.terminate()
            self._ledger.restore_all()
            self._ledger.close()

    def __del__(self) -> None:
        if getattr(self, "_life", None) not in (Life.OPEN, Life.UNKNOWN):
            return
        self._channel.terminate()
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
        return self._life in (Life.OPEN, Life.UNKNOWN) and self._operation is None

    def _has_unsaved(self) -> bool:
        return self._ledger.was_written or not self._ledger.is_clean

    # -- one task at a time

    def _claim(self, operation: str) -> str | None:
        """Begin an operation; what it returns is put back into `_operation` at its end."""
        outer = self._operation
        if outer is not None or self._life is not Life.OPEN:
            self._refuse(operation)
        self._operation = operation
        return outer

    def _check(self, operation: str) -> None:
        """As `_claim`, for what does not wait."""
        if self._operation is not None or self._life is not Life.OPEN:
            self._refuse(operation)

    def _refuse(self, operation: str) -> None:
        """Raise, unless a hook is calling what hooks may call."""
        if self._life is Life.NEW:
            raise SessionClosedError("the session was not entered yet; use `async with`")
        if self._life is Life.CLOSED:
            raise SessionClosedError(f"{operation}() on a session that is closed")
        if self._life is Life.UNKNOWN:
            if operation == "rollback":
                return
            assert self._unknown is not None
            raise CommitUnknownError(
                "the outcome of this session's commit is unknown; verify it, and roll back or "
                "close the session",
                verify=self._unknown.verify,
            )
        outer = self._operation
        if self._hook_task is not None and self._hook_task == anyio.get_current_task().id:
            if operation not in ("flush", "commit", "rollback", "begin", "begin_nested"):
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
        return frozenset(record.obj for record in self._ledger.new)

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
        yield from [record.obj for record in self._ledger.new]

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
        add = self._ledger.add
        for obj in objects:
            add(obj)

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
            StaleObjectError: with `for_update`, the row has moved under a changed object.
        """
        mapper = mapper_of(model)
        wanted = mapper.check_key(key)
        outer = self._claim("get")
        try:
            lock = for_update or nowait or skip_locked
            if not lock:
                known = self._ledger.of(mapper.root).get(wanted)
                if known is not None and type(known) is mapper.class_:
                    return cast("M", known)
            codec = self._codecs.of(mapper)
            if lock:
                text = codec.get_statement(for_update=True, nowait=nowait, skip_locked=skip_locked)
            else:
                text = codec.get_statement()
            rows = await self._fetch(text.statement(codec.encode_key(wanted)), lock=lock)
            if not rows:
                return None
            return cast("M", self._take_in(mapper, rows, refresh=lock)[0])
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
            mapper = mapper_of(obj)
            codec = self._codecs.of(mapper)
            text = codec.get_statement(for_update=True) if for_update else codec.get_statement()
            key = codec.encode_key(mapper.identity(obj))
            rows = await self._fetch(text.statement(key), lock=for_update)
            if not rows:
                raise NotFoundError(f"the row of {obj!r} is gone", phase=Phase.QUERY)
            self._overwrite(obj, mapper, rows[0])
        finally:
            self._operation = outer

    def _overwrite(self, obj: Any, mapper: Mapper, row: Sequence[Any]) -> None:
        self._codecs.of(mapper).overwrite(obj, row)
        state = state_of(obj)
        if isinstance(state, Record):
            state.noted = {}
            state.watched = None
            self._ledger.delist(state)
            self._ledger.settle(state)
        self._see([obj])

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
            column: getattr(obj, column.attribute)
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

    async def fan_out(self, *queries: Query[Any]) -> list[list[Any]]:
        """Run queries at the same time, on a connection each.

        The objects join this session. On a database with a single connection they run in turn.

        Returns:
            A list of objects (or rows) a query, in the order of the queries.

        Raises:
            QueryError: the open transaction holds changes that other connections cannot see.
        """
        outer = self._claim("fan_out")
        try:
            if self._ledger.was_written or self._channel.connection is not None:
                raise QueryError(
                    "fan_out reads on connections of its own, which do not see what this "
                    "transaction wrote or locked; commit first"
                )
            compiled = [self._codecs.dialect.compile(query.statement) for query in queries]
            answers: list[list[Any]] = [[] for _ in queries]
            failures: list[BaseException] = []

            async def read(number: int, statement: Statement) -> None:
                try:
                    answers[number] = await self._channel.fetch(statement)
                except Exception as error:
                    failures.append(error)
                    tasks.cancel_scope.cancel()

            async with anyio.create_task_group() as tasks:
                for number, one in enumerate(compiled):
                    tasks.start_soon(read, number, one.statement)
            if failures:
                raise failures[0]
            return [
                self._results(query.statement, rows)
                for query, rows in zip(queries, answers, strict=True)
            ]
        finally:
            self._operation = outer

    def stream(
        self, query: Query[R], *, batch_size: int = 500
    ) -> AbstractAsyncContextManager[AsyncIterator[R]]:
        """Read a query through a cursor, a batch at a time.

        What is in the session yields that object; all others are detached, so that memory does
        not grow with the rows. Leaving the block closes the cursor.

        Args:
            query: what to read.
            batch_size: rows to fetch at a time.
        """
        self._check("stream")
        return Stream(self, query.statement, batch_size)

    # -- the executor of queries

    async def fetch_objects(self, select: Select) -> list[Any]:
        """Run a select for objects. For `Query`; see `uow.query.executor`."""
        outer = self._claim("find")
        try:
            await self._flush_first()
            return await self._select(select)
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
            count: int = await self._bulk(statement)
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
                await self._flush_first()
                return cast("R", await self._select(tree))
            if isinstance(tree, Raw):
                return cast("R", await self._raw(tree))
            return cast("R", await self._bulk(tree))
        finally:
            self._operation = outer

    async def _select(self, select: Select) -> list[Any]:
        compiled = self._codecs.dialect.compile(select)
        lock = select.for_update is not None
        rows = await self._fetch(compiled.statement, lock=lock)
        return self._results(select, rows, refresh=lock)

    def _results(self, select: Select, rows: list[Any], *, refresh: bool = False) -> list[Any]:
        mapper = select.entity_mapper
        if mapper is not None:
            return self._take_in(mapper, rows, refresh=refresh)
        return self._decode_rows(select.columns, rows)

    def _decode_rows(self, columns: Sequence[Any], rows: list[Any]) -> list[Any]:
        """Make `Row`s of what the store gave for expressions."""
        make = row_class(result_names(columns))
        decoders = [
            None if column.type is None else self._codecs.dialect.decoder(column.type)
            for column in columns
        ]
        if not any(decoders):
            return [make(row) for row in rows]
        return [
            make(
                value if decode is None or value is None else decode(value)
                for value, decode in zip(row, decoders, strict=True)
            )
            for row in rows
        ]

    def _take_in(self, mapper: Mapper, rows: list[Any], *, refresh: bool) -> list[Any]:
        """Make objects of rows; those the session holds are left as they are."""
        ledger = self._ledger
        objects = ledger.of(mapper.root)
        codec = self._codecs.of(mapper)
        if refresh:
            self._refresh_known(mapper, rows)
        found = codec.hydrate(rows, objects, ledger.home)
        self._see(found)
        return found

    def _refresh_known(self, mapper: Mapper, rows: list[Any]) -> None:
        """Locked rows are the truth: bring the objects that stand for them up to date."""
        codec = self._codecs.of(mapper)
        objects = self._ledger.of(mapper.root)
        positions = [mapper.columns.index(column) for column in mapper.key]
        version = mapper.version
        for row in rows:
            obj = objects.get(codec.decode_key([row[p] for p in positions]))
            if obj is None:
                continue
            state = state_of(obj)
            if not isinstance(state, Record) or not self._ledger.differences(state):
                if state.status is State.PERSISTENT:
                    self._overwrite(obj, mapper, row)
                continue
            if version is not None and row[version.position] != read_slot(obj, version):
                raise StaleObjectError(
                    f"the row of {obj!r} was changed by somebody else while it had changes "
                    "here; refresh it",
                    objects=[obj],
                    phase=Phase.QUERY,
                )
            changed = self._ledger.differences(state)
            clean = [c for c in mapper.columns if c.attribute not in changed]
            codec.fill(clean, [obj], [[row[c.position] for c in clean]])

    def _see(self, objects: Iterable[Any]) -> None:
        """Objects read after an opaque write show what a rollback would undo."""
        if any(frame.opaque for frame in self._ledger.frames):
            self._ledger.frames[-1].seen.extend(objects)

    async def _flush_first(self) -> None:
        if self._autoflush and not self._hook_task and not self._ledger.is_clean:
            await self._flush()

    async def _fetch(self, statement: Statement, *, lock: bool = False) -> list[Any]:
        """Send a statement that reads, in the transaction if there is or must be one."""
        self._refuse_poisoned()
        if lock or (self._transactional and self._channel.connection is None):
            await self._begin()
        try:
            rows = await self._channel.fetch(statement)
        except BaseException as error:
            self._failed(error, keeps=statement.reads)
            raise
        if lock:
            self._ledger.frames[-1].opaque = True
        return rows

    # -- statements the journal cannot repeat

    async def _raw(self, tree: Raw) -> Any:
        self._refuse_poisoned()
        compiled = self._codecs.dialect.compile(tree)
        await self._begin()
        self._ledger.frames[-1].opaque = True
        try:
            answer = await self._channel.run(compiled.statement)
        except BaseException as error:
            self._failed(error, keeps=False)
            raise
        if not answer.columns:
            return answer.count
        make = row_class(answer.columns)
        return [make(row) for row in answer.rows]

    async def _bulk(self, tree: Insert | Update | Delete) -> Any:
        self._refuse_poisoned()
        if self._read_only:
            raise QueryError("the session is read-only")
        mapper = tree.mapper
        await self._flush_first()
        if not isinstance(tree, Insert) or tree.on_conflict is not None:
            self._refuse_unflushed(mapper)
        known = self._ledger.of(mapper.root)
        names_rows = bool(known) and not isinstance(tree, Insert) and not tree.returning
        sent = tree
        if names_rows and self._can_name_rows(tree):
            sent = self._naming(cast("Update | Delete", tree), mapper)
        dialect = self._codecs.dialect
        parts = (
            split_insert(sent, dialect.capabilities.max_parameters)
            if isinstance(sent, Insert)
            else [sent]
        )
        compiled = [dialect.compile(part) for part in parts]
        await self._begin()
        self._ledger.frames[-1].opaque = True
        returns = compiled[0].returns_rows
        try:
            answers = [
                await self._channel.write(one.statement, returns=returns) for one in compiled
            ]
        except BaseException as error:
            self._failed(error, keeps=False)
            raise
        answer: Any = sum(answers) if not returns else [row for rows in answers for row in rows]
        if known:
            self._expire_after(tree, mapper, answer if sent is not tree else None)
        if sent is not tree:
            return len(answer)
        return self._decode_rows(tree.returning, answer) if returns else answer

    def _can_name_rows(self, tree: Insert | Update | Delete) -> bool:
        capabilities = self._codecs.dialect.capabilities
        if isinstance(tree, Delete):
            return capabilities.returning_delete
        return capabilities.returning_update

    def _naming(self, tree: Update | Delete, mapper: Mapper) -> Update | Delete:
        """The same statement, made to return the keys of its rows."""
        keys = tuple(ColumnExpression(column, mapper) for column in mapper.key)
        if isinstance(tree, Update):
            return Update(mapper, tree.assignments, tree.where, keys)
        return Delete(mapper, tree.where, keys)

    def _expire_after(
        self, tree: Insert | Update | Delete, mapper: Mapper, rows: list[Any] | None
    ) -> None:
        if isinstance(tree, Insert) and tree.on_conflict is None:
            return
        codec = self._codecs.of(mapper)
        keys = None if rows is None else [codec.decode_key(row) for row in rows]
        removed = isinstance(tree, Delete) and keys is not None
        self._ledger.expire_all(mapper, keys, removed=removed)

    def _refuse_unflushed(self, mapper: Mapper) -> None:
        ledger = self._ledger
        for record in (*ledger.new, *ledger.deleted, *ledger.modified()):
            if mapper_of(record.obj).root is mapper.root:
                raise QueryError(
                    f"{mapper.name} has changes in the session that were not flushed, and a bulk "
                    "statement would not see them; flush first, or use Session(autoflush=True)"
                )

    # -- poison

    def _poison(self) -> BaseException | None:
        return next((f.poison for f in self._ledger.frames if f.poison is not None), None)

    def _refuse_poisoned(self) -> None:
        poison = self._poison()
        if poison is not None:
            raise TransactionPoisonedError(
                "a statement of this transaction failed, and what it was part of cannot be "
                "repeated; roll back"
            ) from poison

    def _failed(self, error: BaseException, *, keeps: bool) -> None:
        """A statement failed: what does that make of the transaction?

        Args:
            error: what it raised.
            keeps: the transaction is as good as before, if the store still holds it.
        """
        channel = self._channel
        if channel.connection is None:
            return
        if channel.is_lost:
            channel.abandon()
            self._lost(error)
        elif not keeps:
            self._ledger.frames[-1].poison = error

    def _lost(self, error: BaseException) -> None:
        """The store has rolled the whole transaction back."""
        ledger = self._ledger
        opaque = any(frame.opaque for frame in ledger.frames)
        ledger.undo_frames()
        if opaque:
            ledger.frames[0].poison = error

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
            self._refuse_poisoned()
            await self._flush()
        finally:
            self._operation = outer

    async def _flush(self) -> None:
        flush = await self._prepare()
        if flush is not None:
            await self._send(flush)

    async def _prepare(self) -> Flush | None:
        """Run the hooks and make the plan. None: there is nothing to write."""
        ledger = self._ledger
        await self._call_hooks("before_flush")
        if not (ledger.new or ledger.changed or ledger.deleted):
            return None
        if self._hears_objects():
            await self._call_before_hooks()
        plan = make_plan(ledger, self._codecs)
        if plan.is_empty:
            for record in plan.unchanged:
                if not record.watched:
                    record.noted = {}
                    ledger.delist(record)
                    ledger.settle(record)
            return None
        if self._read_only:
            raise QueryError(f"the session is read-only, and a flush would {plan}")
        return Flush(plan, ledger, self._codecs)

    async def _send(self, flush: Flush) -> None:
        """Write in the transaction; it is begun if it is not open."""
        flush.take()
        try:
            await self._begin()
            await flush.send(self._channel.write)
            await self._call_after_hooks(flush.plan)
            await self._call_hooks("after_flush")
        except BaseException as error:
            await self._undo_flush(error)
            raise

    async def _undo_flush(self, error: BaseException) -> None:
        """A flush failed: its frame is rolled back, in the store and in the books."""
        ledger = self._ledger
        frame = ledger.frames[-1]
        try:
            if frame.savepoint is not None and self._channel.connection is not None:
                kept = False
                try:
                    kept = await self._channel.rollback_to(frame.savepoint)
                finally:
                    if kept or self._channel.connection is not None:
                        self._undo_frame(frame, error)
                    else:
                        self._lost(error)
            else:
                try:
                    await self._channel.rollback()
                finally:
                    self._lost(error)
        except BaseException as interruption:
            # What went wrong first is what the user has to know; a cancellation must surface.
            raise interruption from error

    def _undo_frame(self, frame: Frame, error: BaseException) -> None:
        self._ledger.undo_frame()
        if frame.opaque:
            frame.poison = error

    async def _begin(self) -> None:
        if self._channel.connection is None:
            await self._channel.begin()

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
            await self._commit()
        finally:
            self._operation = outer

    async def _commit(self) -> None:
        self._refuse_poisoned()
        ledger = self._ledger
        if any(isinstance(frame.block, SavepointBlock) for frame in ledger.frames):
            raise ObjectStateError(
                "commit() inside a begin_nested() block; leave the block first, it is part of "
                "the transaction"
            )
        await self._call_hooks("before_commit")
        flush = await self._prepare()
        cancelled: BaseException | None = None
        if flush is not None and self._commits_alone(flush):
            cancelled = await self._commit_alone(flush)
        else:
            if flush is not None:
                await self._send(flush)
            if self._channel.connection is not None:
                cancelled = await self._commit_transaction()
        callbacks = [fn for frame in ledger.frames for fn in frame.callbacks]
        self.outcome = Outcome.APPLIED
        ledger.committed()
        await self._call_after_commit(callbacks)
        if cancelled is not None:
            raise cancelled

    def _commits_alone(self, flush: Flush) -> bool:
        return (
            self._channel.connection is None
            and self._channel.options.isolation is None
            and not self._verify_commit
            and not self._hears("after_flush")
            and not self._hears_objects()
            and flush.only_statement is not None
        )

    async def _commit_alone(self, flush: Flush) -> BaseException | None:
        """Send the unit's one statement without BEGIN and COMMIT around it."""
        cancelled: BaseException | None = None

        async def write(statement: Any, *, returns: bool) -> Any:
            nonlocal cancelled
            answer, cancelled = await self._channel.commit_alone(statement, returns=returns)
            return answer

        flush.take()
        try:
            await flush.send(write)
        except CommitUnknownError as error:
            self._become_unknown(error)
            raise
        except BaseException as error:
            self._lost(error)
            raise
        return cancelled

    async def _commit_transaction(self) -> BaseException | None:
        token: CommitToken | None = None
        try:
            if self._verify_commit:
                token = CommitToken()
                await token.leave(self._channel)
            return await self._channel.commit()
        except CommitUnknownError as error:
            if token is not None:
                error = self._verifiable(error, token)
            self._become_unknown(error)
            raise error from error.__cause__
        except BaseException as error:
            try:
                await self._channel.rollback()
            finally:
                self._lost(error)
            raise

    def _verifiable(self, error: CommitUnknownError, token: CommitToken) -> CommitUnknownError:
        database = self.database

        async def verify() -> Outcome:
            return await token.verify(database)

        found = CommitUnknownError(error.message, verify=verify)
        found.__cause__ = error.__cause__
        return found

    def _become_unknown(self, error: CommitUnknownError) -> None:
        self.outcome = Outcome.UNKNOWN
        self._unknown = error
        self._life = Life.UNKNOWN

    async def rollback(self) -> None:
        """Roll back. Every object is as it was last committed, and new ones are let go.

        Changes that were never flushed are given up too. After an unknown commit the objects
        it concerned are expired, because nobody knows what the store holds.
        """
        outer = self._claim("rollback")
        try:
            await self._rollback()
        finally:
            self._operation = outer

    async def _rollback(self) -> None:
        ledger = self._ledger
        unknown = self._life is Life.UNKNOWN
        concerned = (
            [
                record
                for frame in ledger.frames
                for entry in frame.entries
                for record in entry.records()
            ]
            if unknown
            else []
        )
        try:
            await self._close_streams()
            await self._channel.rollback()
        finally:
            ledger.restore_all()
            if unknown:
                for record in concerned:
                    if record.status is State.PERSISTENT and record.owner is ledger:
                        ledger.expire(record.obj, discard=True)
                self._life = Life.OPEN
                self._unknown = None
            else:
                self.outcome = Outcome.NOT_APPLIED
        await self._call_hooks("after_rollback")

    # -- savepoints

    def begin_nested(self) -> SavepointBlock:
        """Open a savepoint: `async with session.begin_nested() as savepoint:`.

        A clean exit flushes and keeps what was done; an exception rolls back what was done
        inside, in the store and in memory, and nothing else.
        """
        self._check("begin_nested")
        return SavepointBlock(self)

    async def _open_savepoint(self, block: object) -> Frame:
        outer = self._claim("begin_nested")
        try:
            self._refuse_poisoned()
            await self._begin()
            try:
                name = await self._channel.savepoint()
            except BaseException as error:
                self._failed(error, keeps=False)
                raise
            frame = self._ledger.open_frame(name)
            frame.block = block
            return frame
        finally:
            self._operation = outer

    async def _close_savepoint(self, frame: Frame) -> None:
        """Flush and release. A failed flush has rolled the savepoint back already."""
        outer = self._claim("begin_nested")
        try:
            self._refuse_poisoned()
            self._innermost(frame)
            await self._flush()
            try:
                await self._channel.release_savepoint(cast("str", frame.savepoint))
            except BaseException as error:
                self._failed(error, keeps=False)
                raise
            self._ledger.release_frame()
        finally:
            self._operation = outer

    async def _roll_back_to(self, frame: Frame, *, keep: bool) -> None:
        """Undo what was done since a savepoint.

        Args:
            frame: the savepoint's.
            keep: it stays set, to be used again.
        """
        outer = self._claim("rollback_to")
        ledger = self._ledger
        try:
            if frame not in ledger.frames:
                if keep:
                    raise ObjectStateError(
                        "the savepoint is gone: it was released, or the transaction is over"
                    )
                return
            kept = False
            poison = self._poison_outside(frame)
            try:
                kept = await self._channel.rollback_to(cast("str", frame.savepoint))
            finally:
                if kept or self._channel.connection is not None:
                    while ledger.frames[-1] is not frame:
                        ledger.restore_frame()
                        ledger.frames.pop()
                    ledger.restore_frame()
                    if not keep:
                        ledger.frames.pop()
                else:
                    self._lost(poison or ObjectStateError("the transaction was lost"))
            if not keep and kept:
                # Rolled back to, and now forgotten; nothing hangs on it any more.
                await self._channel.release_savepoint(cast("str", frame.savepoint))
        finally:
            self._operation = outer

    def _poison_outside(self, frame: Frame) -> BaseException | None:
        frames = self._ledger.frames
        return next((f.poison for f in frames[: frames.index(frame)] if f.poison), None)

    def _innermost(self, frame: Frame) -> None:
        if self._ledger.frames[-1] is not frame:
            raise ObjectStateError(
                "the savepoint is not the innermost one of this transaction any more; it was "
                "rolled back with what is outside of it, or others inside it are still open"
            )

    # -- hooks

    def on(self, event: str, function: Callable[..., Any]) -> None:
        """Attach a hook to this session; see `uow.event`.

        Raises:
            QueryError: there is no such event.
        """
        self._hooks.add(event, function)

    def on_commit(self, function: Callable[[], Any]) -> Callable[[], Any]:
        """Call a function, sync or async, once this unit is known to be committed.

        It is dropped on rollback, and with the savepoint it was given in. What it raises is
        logged and changes nothing: the unit is committed.
        """
        self._check("on_commit")
        self._ledger.frames[-1].callbacks.append(function)
        return function

    def _hears(self, event: str) -> bool:
        return bool(session_hooks.get(event) or self._hooks.get(event))

    def _hears_objects(self) -> bool:
        ledger = self._ledger
        if self._hooks or session_hooks:
            return True
        classes = {
            type(record.obj)
            for records in (ledger.new, ledger.changed, ledger.deleted)
            for record in records
        }
        return any(hears_objects(class_) for class_ in classes)

    @contextmanager
    def _in_hook(self) -> Iterator[None]:
        outer = self._hook_task
        self._hook_task = anyio.get_current_task().id
        try:
            yield
        finally:
            self._hook_task = outer

    async def _call_hooks(self, event: str) -> None:
        functions = (*session_hooks.get(event), *self._hooks.get(event))
        if functions:
            with self._in_hook():
                for function in functions:
                    await call(function, self)

    async def _call_object_hooks(self, event: str, obj: Any) -> None:
        for function in object_hooks(type(obj), event):
            await call(function, obj)
        for function in (*session_hooks.get(event), *self._hooks.get(event)):
            await call(function, self, obj)

    async def _call_before_hooks(self) -> None:
        """Call the hooks of what waits, once an object, including what hooks add on the way."""
        ledger = self._ledger
        called: set[tuple[str, Record]] = set()
        with self._in_hook():
            while True:
                waiting = [
                    (event, record)
                    for event, records in (
                        ("before_insert", ledger.new),
                        ("before_update", ledger.modified()),
                        ("before_delete", ledger.deleted),
                    )
                    for record in records
                    if (event, record) not in called
                ]
                if not waiting:
                    return
                for event, record in waiting:
                    called.add((event, record))
                    await self._call_object_hooks(event, record.obj)

    async def _call_after_hooks(self, plan: FlushPlan) -> None:
        names = {
            Kind.INSERT: "after_insert",
            Kind.UPDATE: "after_update",
            Kind.DELETE: "after_delete",
        }
        for step in plan.steps:
            event = names[step.kind]
            if (
                self._hears(event)
                or next(object_hooks(step.mapper.class_, event), None) is not None
            ):
                with self._in_hook():
                    for record in step.records:
                        await self._call_object_hooks(event, record.obj)

    async def _call_after_commit(self, callbacks: Sequence[Callable[[], Any]]) -> None:
        """The commit is known: run what waited for it. Nothing here can undo or hide that."""
        functions = [
            lambda fn=fn: fn(self)
            for fn in (*session_hooks.get("after_commit"), *self._hooks.get("after_commit"))
        ]
        for function in (*functions, *callbacks):
            try:
                with self._in_hook():
                    await call(function)
            except Exception:
                logger.exception("a hook failed after the commit; the unit is committed")

    async def _close_streams(self) -> None:
        for stream in list(self._streams):
            await stream.aclose()
