"""`Session`: a unit of work over one database, as users meet it.

The `Ledger` keeps the books, the `Channel` holds the connection, the `Unit` keeps both in
agreement. What is here is the door: who may call what and when.

    NEW ──enter──> OPEN ──────leave──────> CLOSED
                   (UNKNOWN, after a COMMIT that was not answered, until rollback)
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast

import anyio

from uow.database import Database, default_database
from uow.drivers.base import PLAIN, TransactionOptions
from uow.errors import (
    CommitUnknownError,
    ConcurrentUseError,
    NotFoundError,
    ObjectStateError,
    Outcome,
    QueryError,
    SessionClosedError,
    UncommittedChangesWarning,
)
from uow.mapping.mapper import mapper_of
from uow.mapping.paths import steps_of
from uow.mapping.storage import ModelStorage
from uow.operations import Aggregate, Written
from uow.query.builder import Query, Terminals
from uow.query.executable import Executable
from uow.query.statements import Delete, ForUpdate, Insert, Raw, Select, Update
from uow.session import ambient
from uow.session.blocks import BeginMethod, SavepointBlock
from uow.session.bulk import Bulk
from uow.session.channel import Channel
from uow.session.codec import codecs_of
from uow.session.document_bulk import DocumentBulk
from uow.session.documents import pipeline_of
from uow.session.events import Hooks, session_hooks
from uow.session.hooks import HookCaller
from uow.session.ledger import Ledger
from uow.session.load_trees import load_nodes, load_tree, load_trees
from uow.session.loading import Loader, check_owners
from uow.session.merging import merge
from uow.session.plan import make_plan
from uow.session.reading import Reader
from uow.session.repeats import Repeats, place_of
from uow.session.steps import FlushPlan
from uow.session.streaming import Stream
from uow.session.tasks import running_task
from uow.session.unit import Unit
from uow.tracking.state import Record, State, state_of

if TYPE_CHECKING:
    from uow.expressions import Expression
    from uow.mapping.link import Link
    from uow.mapping.link_trees import LinkNode
    from uow.mapping.model import Model
    from uow.mapping.paths import LoadStep, RelationPath
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
        read_only: refuse to write. The transaction begins at the first statement, on a replica
            if the database has any.
        deferrable: a serializable, read-only transaction waits for a moment from which on it can
            fail no more, where the store has that.
        autoflush: flush before queries, so that they see what was not flushed yet.
        verify_commit: make commits such that the outcome of one that was not answered can be
            found out (`CommitUnknownError.verify`). It costs a round trip, and a row of our own
            where the store does not remember its transactions.
        read_after: what `Database.position` gave. A read-only session then reads from no replica
            that is older; others read from the primary, where this says nothing new.

        atomic: False for a server of MongoDB's that stands alone and has no transactions; None for
            what the database says. Each flush is then final, and one of several documents that
            fails leaves what it had written: it is a `CommitUnknownError`, and after a rollback
            objects are read again.

    Raises:
        QueryError: the database or the isolation level is none, or arguments exclude each other.
        ValidationError: `read_after` is no position of the store.
    """

    _hooks: ClassVar[Hooks] = session_hooks
    begin: ClassVar[BeginMethod] = BeginMethod()

    def __init__(
        self,
        database: Database | None = None,
        *,
        isolation: str | None = None,
        read_only: bool = False,
        deferrable: bool = False,
        autoflush: bool = False,
        verify_commit: bool = False,
        read_after: str | None = None,
        atomic: bool | None = None,
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
        if deferrable and not (read_only and isolation == "SERIALIZABLE"):
            raise QueryError(
                'deferrable=True is for sessions with isolation="SERIALIZABLE" and read_only=True'
            )
        if read_after is not None and not isinstance(read_after, str):
            raise QueryError(
                "read_after is a position, as `await db.position()` gives it, not"
                f" {type(read_after).__name__}"
            )
        self._life = Life.NEW
        self._operation: str | None = None
        self._binding: ambient.Binding | None = None
        if atomic is None:
            atomic = database.atomic
        elif not atomic and not database.dialect.capabilities.documents:
            raise QueryError("atomic=False is for document stores: other units are transactions")
        options = PLAIN
        if read_only or isolation is not None or not atomic:
            options = TransactionOptions(isolation, read_only, deferrable, atomic=atomic)
        codecs = codecs_of(database)
        self._ledger = Ledger(codecs)
        self._hook_caller = HookCaller(self)
        self._unit = Unit(
            self._ledger,
            Channel(database, options, read_after),
            codecs,
            self._hook_caller,
            is_read_only=read_only,
            leaves_token=verify_commit,
            flushes_first=autoflush,
        )
        self._reader = Reader(self._unit)
        self._loads: Loader | None = None
        self._repeats: Repeats | None = None
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
                if self._unit.streams:
                    await self._unit.close_streams()
                if self._unit.channel.connection is not None:
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
    def _loader(self) -> Loader:
        """What loads relations; most sessions load none."""
        if self._loads is None:
            self._loads = Loader(self._unit, self._reader)
        return self._loads

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
        if task is not None and task == running_task():
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
            and bool(state.moved or self._ledger.differences(state))
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
        """Take several objects in, all or none of them; see `add`."""
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

    def mark_changed(self, obj: Model, *fields: str) -> None:
        """Say that values of an object changed in a way that is not noticed by itself.

        Every method of lists, dicts, sets, deques and embedded objects is noticed. What works on
        them without their methods is not (`heapq` on a list). The fields are compared at the next
        flush, and written if they differ.

        Args:
            obj: an object of this session.
            fields: the names of the fields.

        Raises:
            ObjectStateError: it is not in this session.
            UnknownFieldError: there is no such field.
        """
        self._check("mark_changed")
        self._ledger.mark_changed(obj, fields)

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
        load: Sequence[RelationPath[Any]] = (),
    ) -> M | None:
        """Give the object with a key: the one in the session, else it is read.

        Args:
            model: the class.
            key: the value of the key, or a tuple for a composite one.
            for_update: lock the row and read it again. Clean fields are refreshed.
            nowait: fail at once if the row is locked.
            skip_locked: give None if the row is locked.
            load: relations to load with it.

        Raises:
            ValidationError: the key is of the wrong type.
            QueryError: a path in `load` does not begin at the class, or the store has no such lock.
            StaleObjectError: with a lock, the row has moved under a changed object.
        """
        mapper = mapper_of(model)
        wanted = mapper.check_key(key)
        paths: list[tuple[LoadStep, ...]] = []
        if load:
            paths = [steps_of(path, "load") for path in load]
            load_tree(paths, mapper, "load")
        outer = self._claim("get")
        try:
            if paths:
                lock = None
                if for_update or nowait or skip_locked:
                    lock = ForUpdate(nowait=nowait, skip_locked=skip_locked)
                return cast("M | None", await self._loader.get(mapper, wanted, paths, lock=lock))
            found: M | None = await self._reader.get(
                mapper,
                wanted,
                lock=for_update or nowait or skip_locked,
                nowait=nowait,
                skip_locked=skip_locked,
            )
            return found
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
        load: Sequence[RelationPath[Any]] = (),
    ) -> M:
        """As `get`, but an absent row is an error.

        Raises:
            NotFoundError: there is no such row.
        """
        found = await self.get(
            model, key, for_update=for_update, nowait=nowait, skip_locked=skip_locked, load=load
        )
        if found is None:
            raise NotFoundError(f"there is no {model.__name__} with this key")
        return found

    def find(
        self,
        model: type[M],
        *conditions: Expression[bool] | Mapping[Any, Any],
        with_children: bool = True,
    ) -> Query[M]:
        """Build a query; nothing is sent until one of its terminals is awaited.

        Args:
            model: the class.
            conditions: all of them must hold. Of documents one may also be a filter as the store
                takes it, `{"age": {"$gt": 18}}`.
            with_children: also give objects of classes below it.

        Raises:
            QueryError: a condition is not an expression (a bool, for one).
        """
        return Query(model, self, *conditions).with_children(with_children)

    async def load(self, objects: Model | Iterable[Model], *paths: RelationPath[Any]) -> None:
        """Load relations of objects: `await session.load(authors, Author.books)`.

        One query a level, whatever the number of objects. What is loaded already stays.

        Args:
            objects: stored objects of this session, one or several.
            paths: which relations: `Author.books`, `Author.books.publisher`,
                `Author.books.where(Book.price > 3).limit(5)`.

        Raises:
            ObjectStateError: an object is not in this session.
            QueryError: a path is none, or does not begin at the class of the objects.
        """
        outer = self._claim("load")
        try:
            owners = _listed(objects)
            if not paths:
                raise QueryError("load() takes the relations to load, as Author.books")
            steps = [steps_of(path, "load") for path in paths]
            if not owners:
                return
            check_owners(self._ledger, owners, "load")
            place = place_of(sys._getframe(1))
            before = self._loader.queries
            trees = load_trees(steps, set(map(mapper_of, owners)), "load")
            await self._unit.flush_first()
            for mapper, tree in trees.items():
                await self._loader.load([o for o in owners if mapper_of(o) is mapper], tree)
            if len(owners) == 1 and self._loader.queries > before:
                if self._repeats is None:
                    self._repeats = Repeats()
                self._repeats.note(place, steps)
        finally:
            self._operation = outer

    async def fetch_links(self, objects: Iterable[Model], nodes: Sequence[LinkNode]) -> None:
        """Fetch the documents of links. For `fetch_link` and the like of documents."""
        outer = self._claim("fetch_links")
        try:
            await self._unit.flush_first()
            await self._loader.load(list(objects), load_nodes(nodes))
        finally:
            self._operation = outer

    async def fetch_linked(self, links: Sequence[Link[Any]], *, further: bool) -> list[Any]:
        """Give the documents of links, None where there is none. For `Link.fetch`."""
        outer = self._claim("fetch_links")
        try:
            await self._unit.flush_first()
            return await self._loader.documents(links, further=further)
        finally:
            self._operation = outer

    def held(self, model: type[M], key: object) -> M | None:
        """Give the stored object with a key, if the session holds it; nothing is read.

        Raises:
            ValidationError: the key is of the wrong type.
        """
        mapper = mapper_of(model)
        found: M | None = self._ledger.of(mapper.root).get(mapper.check_key(key))
        return found

    async def count_related(self, objects: Iterable[Model], path: RelationPath[Any]) -> list[int]:
        """Count the objects in the lists of others, in the store, in one query.

        Args:
            objects: stored objects of this session.
            path: which list, perhaps with a filter: `Author.books.where(Book.price > 3)`.

        Returns:
            A number an object, in their order.
        """
        outer = self._claim("count_related")
        try:
            owners = _listed(objects)
            step, *others = steps_of(path, "count_related")
            if others:
                raise QueryError("count_related takes one relation at a time")
            if not owners:
                return []
            check_owners(self._ledger, owners, "count_related")
            load_trees([[step]], set(map(mapper_of, owners)), "count_related", counts=True)
            await self._unit.flush_first()
            return await self._loader.count(owners, step)
        finally:
            self._operation = outer

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
            await self._loader.refresh(obj, lock=for_update)
        finally:
            self._operation = outer

    async def merge(self, obj: M) -> M:
        """Copy an object's values onto the one in this session with its key.

        That one is read if it is not here, and made if there is none. What is loaded of relations
        that cascade `merge` is copied too, and related in the same way.

        Returns:
            The object of this session. The one given is left as it is.

        Raises:
            StaleObjectError: both have a version, and they differ.
        """
        if state_of(obj).owner is self._ledger:
            return obj
        self._check("merge")
        merged: M = await merge(self, obj)
        return merged

    async def load_steps(self, objects: Sequence[Model], step: LoadStep) -> None:
        """Load one relation of objects of this session. For `merge`."""
        outer = self._claim("load")
        try:
            await self._loader.relation(objects, step)
        finally:
            self._operation = outer

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
            loads = [self._loader.prepared(select) for select in selects]
            compiled = [dialect.compile(load.select) for load in loads]
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
            found = [
                self._loader.results(load, rows) for load, rows in zip(loads, answers, strict=True)
            ]
            for load, objects in zip(loads, found, strict=True):
                await self._loader.load(objects, load.tree)
            return found
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
        stream: Stream[R] = Stream(self, _select_of(query, "stream"), batch_size)
        return stream

    # -- the executor of queries

    async def fetch_objects(self, select: Select) -> list[Any]:
        """Run a select for objects. For `Query`; see `uow.query.executor`."""
        outer = self._claim("find")
        try:
            await self._unit.flush_first()
            if select.load or select.links:
                return await self._loader.select(select)
            return await self._reader.select(select)
        finally:
            self._operation = outer

    fetch_rows = fetch_objects

    async def fetch_scalars(self, select: Select) -> list[Any]:
        """Run a select for the first value of each row. For `Query`."""
        return [row[0] for row in await self.fetch_rows(select)]

    async def fetch_beside(self, select: Select) -> tuple[list[Any], list[tuple[Any, ...]]]:
        """Run a select that reads more than it is for. For `Query`."""
        outer = self._claim("page")
        try:
            await self._unit.flush_first()
            return await self._loader.select_beside(select)
        finally:
            self._operation = outer

    async def fetch_plan(self, select: Select, *, analyze: bool) -> str:
        """Ask for the plan of a select. For `Query`."""
        return await self._plan(select, analyze=analyze)

    async def explain(self, statement: Executable[Any], *, analyze: bool = False) -> str:
        """Give the store's plan for a statement, for people to read.

        Args:
            statement: a query, or a statement that writes, which is not run.
            analyze: run the query, and tell what it took.

        Raises:
            QueryError: the store cannot tell what it took; `analyze` would run a statement that
                writes; or it is no statement.
        """
        tree = _explainable(statement)
        if analyze and not isinstance(tree, Select):
            raise QueryError(
                "explain(analyze=True) would run a statement that writes; explain it without, or "
                "send EXPLAIN ANALYZE as raw SQL in a transaction that you roll back"
            )
        return await self._plan(tree, analyze=analyze)

    async def _plan(self, tree: Select | Insert | Update | Delete, *, analyze: bool) -> str:
        outer = self._claim("explain")
        try:
            await self._unit.flush_first()
            return await self._reader.explain(tree, analyze=analyze)
        finally:
            self._operation = outer

    async def aggregate(
        self, model: type[Model], pipeline: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Run a pipeline of MongoDB's on the collection of a class.

        Args:
            model: the class.
            pipeline: the stages.

        Returns:
            What comes out of it, as the store gives it.

        Raises:
            QueryError: a stage writes (`$out`, `$merge`), or the store has no pipelines.
        """
        mapper = mapper_of(model)
        stages = pipeline_of(mapper, pipeline)
        outer = self._claim("aggregate")
        try:
            await self._unit.flush_first()
            self._unit.codecs.of(mapper)
            whole: Any = self._unit.codecs.dialect.compile(Select(entity=mapper, froms=(mapper,)))
            if whole.operation.filter:  # of a class that shares its collection with others
                stages = [{"$match": whole.operation.filter}, *stages]
            rows: list[Any] = await self._unit.fetch(Aggregate(mapper.table_name, stages))
            return rows
        finally:
            self._operation = outer

    async def execute_write(self, statement: Update | Delete | Insert) -> int:
        """Run a bulk statement. For `Query`."""
        outer = self._claim("execute")
        try:
            count: int = await Bulk(self._unit, self._reader).write(statement)
            return count
        finally:
            self._operation = outer

    async def execute_writes(
        self, statements: Sequence[Update | Delete], **options: Any
    ) -> Written:
        """Run bulk statements of one document class in one bulk write. For `BulkWriter`."""
        outer = self._claim("execute")
        try:
            bulk = Bulk(self._unit, self._reader)
            return await bulk.write_together(statements, options)
        finally:
            self._operation = outer

    async def replace_documents(self, model: type[Model], objects: Sequence[Model]) -> None:
        """Put the documents of new objects in the places of those with their keys. For migrations.

        Raises:
            QueryError: the class is no document.
            StaleObjectError: one is gone.
        """
        outer = self._claim("execute")
        try:
            bulk = DocumentBulk(self._unit, self._reader)
            await bulk.replace(mapper_of(model), objects)
        finally:
            self._operation = outer

    def stream_objects(self, select: Select, *, batch_size: int = 500) -> Stream[Any]:
        """Read through a cursor. For `Query`."""
        self._check("stream")
        return Stream(self, select, batch_size)

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
                if tree.load or tree.links:
                    return cast("R", await self._loader.select(tree))
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
        plan = make_plan(self._ledger, self._unit.codecs)
        if plan.moves is not None:
            plan.moves.take_back()
        if plan.linked is not None:
            plan.linked.take_back()
        return plan

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


def _listed(objects: Model | Iterable[Model]) -> list[Model]:
    """One object or several, as a list."""
    if isinstance(objects, ModelStorage):
        return [objects]
    if not isinstance(objects, Iterable):
        raise QueryError(f"load() takes objects of mapped classes, not {type(objects).__name__}")
    return list(objects)


def _explainable(statement: object) -> Select | Insert | Update | Delete:
    """The tree of what has a plan."""
    tree = statement.statement if isinstance(statement, Executable) else None
    if tree is None or isinstance(tree, Raw):
        raise QueryError("explain() takes a query or a statement; in raw SQL say EXPLAIN yourself")
    return tree


def _select_of(query: object, verb: str) -> Select:
    """The tree of a query."""
    given = type(query).__name__
    tree = query.statement if isinstance(query, Executable) else None
    if not isinstance(tree, Select):
        raise QueryError(f"{verb}() takes a query, as session.find() makes it, not {given}")
    return tree
