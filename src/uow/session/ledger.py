"""The bookkeeping of a session: which objects it holds and what is to be done about each.

Everything here is memory and synchronous: a step is done in one piece or not at all. The
session decides when, the channel does the I/O, the journal knows the way back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from uow.errors import ObjectStateError
from uow.mapping.mapper import Mapper, mapper_of
from uow.tracking.changes import changed_fields
from uow.tracking.journal import Forgotten, Frame, Memo, restore_values
from uow.tracking.state import (
    Home,
    Raw,
    Record,
    State,
    read_slot,
    set_state,
    state_of,
)

if TYPE_CHECKING:
    from uow.mapping.model import Model
    from uow.tracking.state import Codecs

__all__ = ["Ledger"]


class Ledger:
    """The objects of one session.

    Attributes:
        home: what all clean objects of the session hold as their state.
        identity: for each class its objects by key. Strong references, for the session's life.
        new: objects to insert, in the order they were added.
        changed: objects that were written to, or hold values that must be compared.
        deleted: objects to delete.
        frames: the journal; the first is the transaction's, each other a savepoint's.
    """

    __slots__ = ("__weakref__", "changed", "codecs", "deleted", "frames", "home", "identity", "new")

    def __init__(self, codecs: Codecs) -> None:
        self.codecs = codecs
        self.home = Home(self, codecs)
        self.identity: dict[Mapper, dict[Any, Any]] = {}
        self.new: dict[Record, None] = {}
        self.changed: dict[Record, None] = {}
        self.deleted: dict[Record, None] = {}
        self.frames = [Frame()]

    # -- the identity map

    def of(self, mapper: Mapper) -> dict[Any, Any]:
        """The objects of a class, by key."""
        found = self.identity.get(mapper)
        if found is None:
            found = self.identity[mapper] = {}
        return found

    def identify(self, record: Record) -> None:
        """Put an object into the identity map under its key."""
        if record.home is self.home:
            mapper = mapper_of(record.obj)
            self.of(mapper.root)[mapper.identity(record.obj)] = record.obj

    def forget(self, record: Record) -> None:
        """Take an object out of the identity map, if it is the one there."""
        mapper = mapper_of(record.obj)
        objects = self.of(mapper.root)
        key = mapper.identity(record.obj)
        if objects.get(key) is record.obj:
            del objects[key]

    # -- the sets

    def record_changed(self, record: Record) -> None:
        """A field was written, or a value was read that must be compared at flush."""
        if record.stored is State.PERSISTENT:
            record.queued = True
            self.changed[record] = None

    def enlist(self, record: Record) -> None:
        """Put a record into the set its status calls for."""
        if record.home is not self.home:
            return
        self.delist(record)
        status = record.stored
        if status is State.PENDING:
            self.new[record] = None
        elif status is State.DELETED:
            self.deleted[record] = None
        elif record.noted or record.watched:
            record.queued = True
            self.changed[record] = None

    def delist(self, record: Record) -> None:
        """Take a record out of all sets."""
        self.new.pop(record, None)
        self.deleted.pop(record, None)
        self.changed.pop(record, None)
        record.queued = False

    def settle(self, record: Record) -> None:
        """Let a clean object share the session's state again."""
        if (
            record.stored is State.PERSISTENT
            and not record.noted
            and not record.watched
            and record.home is self.home
        ):
            self.changed.pop(record, None)
            set_state(record.obj, self.home)

    def settle_unchanged(self, records: Iterable[Record]) -> None:
        """Records that were touched, but hold what the store holds, are clean again."""
        for record in records:
            if not record.watched:
                record.noted = {}
                self.delist(record)
                self.settle(record)

    def differences(self, record: Record) -> dict[str, tuple[Any, Any]]:
        """What differs from the store, as `{field: (stored value, value now)}`."""
        return changed_fields(record, self.codecs)

    def modified(self) -> Iterator[Record]:
        """The changed records that really differ from the store."""
        return (record for record in self.changed if self.differences(record))

    @property
    def is_clean(self) -> bool:
        """Whether nothing waits for a flush."""
        return not (self.new or self.deleted or any(self.modified()))

    @property
    def was_written(self) -> bool:
        """Whether the open transaction wrote something."""
        return any(not frame.is_empty for frame in self.frames)

    # -- what a user says about an object

    def add(self, obj: Model) -> None:
        """Take an object into the session.

        Raises:
            ObjectStateError: it belongs to another open session, or its key is taken.
        """
        state = state_of(obj)
        status = state.status
        if status is State.TRANSIENT:
            self._add_new(obj, state.record(obj) if not isinstance(state, Record) else state)
            return
        owner = state.owner
        if owner is not None and owner is not self:
            raise ObjectStateError(
                f"{obj!r} belongs to another open session; expunge it there, or merge it here"
            )
        if owner is self:
            if isinstance(state, Record) and status is State.DELETED:
                self._revive(state)
            return
        record = state if isinstance(state, Record) else state.record(obj)
        if record.gone:
            self._add_new(obj, record)
        else:
            self._attach(obj, record)

    def _add_new(self, obj: Model, record: Record) -> None:
        mapper = mapper_of(obj)
        objects = self.identity.get(mapper.root)
        if objects:
            self._refuse_taken(mapper, objects, obj)
        record.home = self.home
        record.gone = False
        record.status = State.PENDING
        self.new[record] = None

    def _refuse_taken(self, mapper: Mapper, objects: dict[Any, Any], obj: Model) -> None:
        key = mapper.identity(obj)
        present = objects.get(key)
        if (
            present is not None
            and present is not obj
            and state_of(present).status is not State.DELETED
        ):
            raise ObjectStateError(
                f"the session already holds another {mapper.name} with this key; change that "
                "one, or use session.merge"
            )

    def _attach(self, obj: Model, record: Record) -> None:
        """Take up a detached object, with the changes it has."""
        mapper = mapper_of(obj)
        objects = self.of(mapper.root)
        self._refuse_taken(mapper, objects, obj)
        if record.home is not None and record.home.codecs is not self.codecs:
            self._decode_all(obj, mapper)
        record.home = self.home
        record.queued = False
        record.status = State.PERSISTENT
        objects[mapper.identity(obj)] = obj
        self.enlist(record)
        self.settle(record)

    def _decode_all(self, obj: Model, mapper: Mapper) -> None:
        """Decode what is still raw, before the object moves to a store that reads it otherwise."""
        for column in mapper.columns:
            if type(read_slot(obj, column)) is Raw:
                getattr(obj, column.attribute)

    def _revive(self, record: Record) -> None:
        if record in self.deleted:
            del self.deleted[record]
            record.status = State.PERSISTENT
            self.enlist(record)
        else:  # the DELETE was flushed: the row has to be inserted again
            self._add_new(record.obj, record)

    def delete(self, obj: Model) -> None:
        """Mark an object for deletion; a pending one is just let go.

        Raises:
            ObjectStateError: it was never stored, or belongs to another open session.
        """
        state = state_of(obj)
        status = state.status
        if status is State.TRANSIENT:
            raise ObjectStateError(
                f"{obj!r} was never stored and is in no session; there is nothing to delete"
            )
        if status is State.DETACHED or state.owner is not self:
            self.add(obj)
            state = state_of(obj)
        record = state if isinstance(state, Record) else state.record(obj)
        if record.stored is State.PENDING:
            self.delist(record)
            record.status = State.TRANSIENT
            record.home = None
        elif record.stored is State.PERSISTENT:
            self.changed.pop(record, None)
            record.queued = False
            record.status = State.DELETED
            self.deleted[record] = None

    def expunge(self, obj: Model) -> None:
        """Let go of an object; it keeps its changes and is detached (a new one: transient).

        Raises:
            ObjectStateError: it is not in this session.
        """
        state = state_of(obj)
        if state.owner is not self:
            raise ObjectStateError(f"{obj!r} is not in this session")
        record = state if isinstance(state, Record) else state.record(obj)
        self.delist(record)
        self.forget(record)
        if record.stored is State.PENDING:
            record.status = State.TRANSIENT
            record.home = None
        else:
            if record.stored is State.DELETED:
                record.status = State.PERSISTENT
            record.home = self._closed_home()

    def _closed_home(self) -> Home:
        home = Home(self, self.codecs)
        home.close()
        return home

    def clear(self) -> None:
        """Let go of every object."""
        for record in self.new:
            record.status = State.TRANSIENT
        for record in self.deleted:
            record.status = State.PERSISTENT
        for record in self.changed:
            record.queued = False
        self.home.close()
        self.home = Home(self, self.codecs)
        self.identity.clear()
        self.new.clear()
        self.changed.clear()
        self.deleted.clear()

    def close(self) -> None:
        """Let go of every object, for good."""
        self.clear()
        self.home.close()
        self.frames = [Frame()]

    def expire(self, obj: Model, *, discard: bool) -> None:
        """Forget the values of an object but for its key.

        Raises:
            ObjectStateError: it is not a stored object of this session, or holds changes and
                `discard` was not given.
        """
        state = state_of(obj)
        if state.owner is not self or state.status is not State.PERSISTENT:
            raise ObjectStateError(f"only a stored object of this session can expire, not {obj!r}")
        if isinstance(state, Record):
            if not discard and self.differences(state):
                raise ObjectStateError(
                    f"{obj!r} holds changes that were not flushed; flush first, or "
                    "session.expire(obj, discard=True)"
                )
            state.noted = {}
            state.watched = None
            self.delist(state)
        self._blank(obj)

    def _blank(self, obj: Model) -> None:
        mapper = mapper_of(obj)
        for column in mapper.columns:
            if not column.primary_key:
                column.unload(obj)
        mapper.mark(obj)

    # -- bulk statements

    def expire_all(self, mapper: Mapper, keys: Iterable[Any] | None, *, removed: bool) -> None:
        """Expire (or detach) the loaded objects of a class after a bulk statement.

        Args:
            mapper: the class.
            keys: which ones, or None where the store did not say.
            removed: their rows are gone, so they leave the session.
        """
        objects = self.of(mapper.root)
        chosen = (
            list(objects.values())
            if keys is None
            else [objects[key] for key in keys if key in objects]
        )
        records: list[Record] = []
        held: list[dict[Any, Any]] = []
        for obj in chosen:
            state = state_of(obj)
            record = state if isinstance(state, Record) else state.record(obj)
            if record.stored is not State.PERSISTENT:
                continue
            records.append(record)
            held.append(
                {
                    column: read_slot(obj, column)
                    for column in mapper.columns
                    if not column.primary_key
                }
            )
            if removed:
                self.delist(record)
                self.forget(record)
                record.status = State.DELETED
            else:
                record.watched = None
                self.delist(record)
                self._blank(obj)
        self.frames[-1].entries.append(Forgotten(records, held, removed=removed))

    # -- the way back

    def open_frame(self, savepoint: str) -> Frame:
        """Open the frame of a savepoint, keeping what every unflushed object holds now."""
        frame = Frame(savepoint)
        for records in (self.new, self.changed, self.deleted):
            for record in records:
                frame.memos[record] = Memo(record, mapper_of(record.obj))
        self.frames.append(frame)
        return frame

    def undo_frame(self) -> None:
        """After a failed flush: the innermost frame's bookkeeping is as when it was opened."""
        self.frames[-1].undo(self)

    def undo_frames(self) -> None:
        """After a lost transaction: the bookkeeping of every frame, innermost first."""
        while len(self.frames) > 1:
            frame = self.frames.pop()
            frame.undo(self)
            self._expire_seen(frame)
        self.frames[0].undo(self)

    def restore_frame(self) -> None:
        """After ROLLBACK TO: everything is as it was when the innermost savepoint was set."""
        frame = self.frames[-1]
        frame.undo(self)
        for record in list(self.new):
            if record not in frame.memos:
                self._let_go(record)
        for record in list(self.deleted):
            if record not in frame.memos:
                self._undelete(record)
        for record in list(self.changed):
            if record not in frame.memos:
                self._reset(record)
        for record, memo in frame.memos.items():
            if record.home is self.home or record.home is None:
                record.home = self.home
                memo.restore(record)
                self.enlist(record)
        self._expire_seen(frame)
        frame.opaque = False
        frame.poison = None

    def restore_all(self) -> None:
        """After ROLLBACK: everything is as it was last committed; new objects are let go."""
        self.undo_frames()
        for record in list(self.new):
            self._let_go(record)
        for record in list(self.deleted):
            self._undelete(record)
        for record in list(self.changed):
            self._reset(record)
        self._expire_seen(self.frames[0])
        self.frames = [Frame()]

    def _let_go(self, record: Record) -> None:
        self.delist(record)
        record.status = State.TRANSIENT
        record.home = None

    def _undelete(self, record: Record) -> None:
        record.status = State.PERSISTENT
        self._reset(record)

    def _reset(self, record: Record) -> None:
        self.delist(record)
        restore_values(record)
        self.settle(record)

    def _expire_seen(self, frame: Frame) -> None:
        """Objects read after an opaque write may show what was rolled back."""
        for obj in frame.seen:
            state = state_of(obj)
            if state.owner is self and state.status is State.PERSISTENT:
                if isinstance(state, Record):
                    state.noted = {}
                    state.watched = None
                    self.delist(state)
                self._blank(obj)
        frame.seen.clear()

    def committed(self) -> None:
        """The transaction is known to be committed: there is no way back any more."""
        for frame in self.frames:
            for entry in frame.entries:
                for record in entry.records():
                    if record.stored is State.DELETED:
                        record.gone = True
                        record.home = None if record.home is self.home else record.home
                    else:
                        self.settle(record)
        self.frames = [Frame()]

    def release_frame(self) -> None:
        """A savepoint was released: the frame outside takes over what it did."""
        inner = self.frames.pop()
        self.frames[-1].absorb(inner)
