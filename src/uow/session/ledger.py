"""The bookkeeping of a session: which objects it holds and what is to be done about each.

Everything here is memory and synchronous: a step is done in one piece or not at all. The
session decides when, the channel does the I/O, the journal knows the way back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from uow.errors import ObjectStateError
from uow.mapping.mapper import Mapper, mapper_of
from uow.tracking.changes import changed_fields
from uow.tracking.journal import (
    Deleted,
    Forgotten,
    Frame,
    Memo,
    Seen,
    restore_values,
    watched_of,
)
from uow.tracking.state import (
    GONE,
    MISSING,
    TRANSIENT,
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
        codecs: how objects travel to and from the store.
        stored: the state that all clean stored objects of the session share.
        pending: the state that new objects share until they are written to.
        identity: for each class its objects by key. Strong references, for the session's life.
        new: objects to insert, by `id`, in the order they were added.
        changed: records of objects that were written to, or hold values that must be compared.
        deleted: records of objects to delete.
        revived: `id`s of new objects whose row this transaction has deleted.
        frames: the journal; the first is the transaction's, each other a savepoint's.
    """

    __slots__ = (
        "__weakref__",
        "changed",
        "codecs",
        "deleted",
        "frames",
        "identity",
        "new",
        "pending",
        "revived",
        "stored",
    )

    def __init__(self, codecs: Codecs) -> None:
        self.codecs = codecs
        self.identity: dict[Mapper, dict[Any, Any]] = {}
        self.new: dict[int, Any] = {}
        self.changed: dict[Record, None] = {}
        self.stored = Home(self, codecs, State.PERSISTENT, self.changed)
        self.pending = Home(self, codecs, State.PENDING)
        self.deleted: dict[Record, None] = {}
        self.revived: set[int] = set()
        self.frames = [Frame()]

    # -- the identity map

    def of(self, mapper: Mapper) -> dict[Any, Any]:
        """The objects of a class, by key."""
        found = self.identity.get(mapper)
        if found is None:
            found = self.identity[mapper] = {}
        return found

    def identify(self, obj: Any) -> None:
        """Put an object of this session into the identity map under its key."""
        if self.holds(obj):
            mapper = mapper_of(obj)
            self.of(mapper.root)[mapper.identity(obj)] = obj

    def forget(self, obj: Any) -> None:
        """Take an object out of the identity map, if it is the one there."""
        mapper = mapper_of(obj)
        objects = self.of(mapper.root)
        key = mapper.identity(obj)
        if objects.get(key) is obj:
            del objects[key]

    def vacate(self, obj: Any) -> None:
        """The row of an object is gone with its INSERT: who stands for it leaves the map.

        That is another object if the row was read again after the first one had left the session.
        """
        self.forget(obj)
        if self.holds(obj):
            return
        mapper = mapper_of(obj)
        other = self.of(mapper.root).pop(mapper.identity(obj), None)
        if other is not None:
            self.delist(self.own(other))
            self._decode_all(other, mapper)
            set_state(other, GONE)

    # -- records and sets

    def holds(self, obj: Any) -> bool:
        """Whether the object is in this session."""
        return state_of(obj).owner is self

    def own(self, obj: Any) -> Record:
        """Give the record of an object, made if it has none."""
        state = state_of(obj)
        if isinstance(state, Record):
            return state
        home = state if isinstance(state, Home) else None
        record = Record(obj, home, state.stored)
        set_state(obj, record)
        return record

    def adopt(self, obj: Any, stored: State) -> Record:
        """Give the record of an object that is in this session again."""
        record = self.own(obj)
        record.home = self.pending if stored is State.PENDING else self.stored
        return record

    def enlist(self, record: Record) -> None:
        """Put a record into the set its state calls for."""
        self.delist(record)
        if record.owner is not self:
            return
        if record.stored is State.PENDING:
            self.new[id(record.obj)] = record.obj
        elif record.stored is State.DELETED:
            self.deleted[record] = None
        elif record.noted or record.watched:
            self.changed[record] = None

    def delist(self, record: Record) -> None:
        """Take a record out of all sets."""
        self.new.pop(id(record.obj), None)
        self.deleted.pop(record, None)
        self.changed.pop(record, None)

    def settle(self, record: Record) -> None:
        """Let a clean stored object share the session's state again."""
        if (
            record.stored is State.PERSISTENT
            and not record.noted
            and not record.watched
            and record.owner is self
        ):
            self.changed.pop(record, None)
            set_state(record.obj, self.stored)

    def settle_unchanged(self, records: Iterable[Record]) -> None:
        """Records that were touched, but hold what the store holds, are clean again."""
        for record in records:
            record.noted = None
            self.settle(record)

    def renew(self, obj: Any, noted: dict[str, Any] | None) -> None:
        """Make an object new again: its INSERT was undone.

        One that was to be deleted since is just let go, and one that left the session is
        transient: neither has a row.
        """
        state = state_of(obj)
        if state.owner is not self:
            set_state(obj, TRANSIENT)
        elif state.stored is State.DELETED:
            self._let_go(obj)
        elif isinstance(state, Record):
            self.changed.pop(state, None)
            state.become(State.PENDING)
            state.home = self.pending
            state.watched = None
            if noted:
                state.renote(noted)
            self.new[id(obj)] = obj
        else:
            set_state(obj, self.pending)
            if noted:
                self.own(obj).noted = dict(noted)
            self.new[id(obj)] = obj

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
        if state is TRANSIENT:
            self._add_new(obj)
            return
        owner = state.owner
        if owner is self:
            if state.stored is State.DELETED:
                self._revive(self.own(obj))
        elif owner is not None:
            raise ObjectStateError(
                f"{obj!r} belongs to another open session; expunge it there, or merge it here"
            )
        elif state.stored is State.PERSISTENT:
            self._attach(obj)
        else:
            self._add_new(obj)

    def add_all(self, objects: Iterable[Model]) -> None:
        """Take several objects into the session; see `add`."""
        found = list(objects)
        if not self.identity and {getattr(obj, "_uow_state", None) for obj in found} == {TRANSIENT}:
            pending = self.pending
            for obj in found:
                set_state(obj, pending)
            self.new.update(zip(map(id, found), found, strict=True))
            return
        for obj in found:
            self.add(obj)

    def _add_new(self, obj: Model) -> None:
        objects = self.identity.get(obj._uow_mapper) if self.identity else None
        if objects:
            self._refuse_taken(mapper_of(obj), objects, obj)
        state = state_of(obj)
        if isinstance(state, Record):
            state.become(State.PENDING)
            state.home = self.pending
        else:
            set_state(obj, self.pending)
        self.new[id(obj)] = obj

    def _refuse_taken(self, mapper: Mapper, objects: dict[Any, Any], obj: Model) -> None:
        present = objects.get(mapper.identity(obj))
        if (
            present is not None
            and present is not obj
            and state_of(present).status is not State.DELETED
        ):
            raise ObjectStateError(
                f"the session already holds another {mapper.name} with this key; change that "
                "one, or use session.merge"
            )

    def _attach(self, obj: Model) -> None:
        """Take up a detached object, with the changes it has."""
        mapper = mapper_of(obj)
        objects = self.of(mapper.root)
        self._refuse_taken(mapper, objects, obj)
        record = self.own(obj)
        if record.home is not None and record.home.codecs is not self.codecs:
            self._decode_all(obj, mapper)
        record.home = self.stored
        objects[mapper.identity(obj)] = obj
        self.enlist(record)
        self.settle(record)

    def _decode_all(self, obj: Model, mapper: Mapper) -> None:
        """Decode what is still raw, before the object leaves the store that can read it."""
        for column in mapper.columns:
            if column.is_lazy and type(read_slot(obj, column)) is Raw:
                getattr(obj, column.attribute)

    def _revive(self, record: Record) -> None:
        """An object that was to be deleted, or whose DELETE was flushed, lives again."""
        if record in self.deleted:
            record.become(State.PERSISTENT)
            self.enlist(record)
            self.settle(record)
        else:
            self._add_new(record.obj)
            self.revived.add(id(record.obj))

    def delete(self, obj: Model) -> None:
        """Mark an object for deletion; a new one is just let go.

        Raises:
            ObjectStateError: it was never stored, or belongs to another open session.
        """
        state = state_of(obj)
        if state.status is State.TRANSIENT:
            raise ObjectStateError(
                f"{obj!r} was never stored and is in no session; there is nothing to delete"
            )
        if state is GONE:
            raise ObjectStateError(f"the row of {obj!r} was deleted already")
        if state.owner is not self:
            self.add(obj)
        record = self.own(obj)
        if record.stored is State.PENDING:
            self._let_go(obj)
        elif record.stored is State.PERSISTENT:
            record.become(State.DELETED)
            self.enlist(record)

    def _let_go(self, obj: Any) -> None:
        """Make an object transient; what was written to it is checked again if it comes back.

        One whose row was deleted in this transaction is deleted still: a rollback brings it back.
        """
        record = self.own(obj)
        self.delist(record)
        if id(obj) in self.revived:
            self.revived.discard(id(obj))
            record.become(State.DELETED)
            record.home = self.stored
            return
        record.become(State.TRANSIENT)
        self._decode_all(obj, mapper_of(obj))
        record.home = None
        record.watched = None

    def expunge(self, obj: Model) -> None:
        """Let go of an object; it keeps its changes and is detached (a new one: transient).

        Raises:
            ObjectStateError: it is not in this session.
        """
        if not self.holds(obj):
            raise ObjectStateError(f"{obj!r} is not in this session")
        self._leave()
        record = self.own(obj)
        self.delist(record)
        self.forget(obj)
        if record.stored is State.PENDING:
            self._let_go(obj)
        else:
            record.become(State.PERSISTENT)
            record.home = Home(self, self.codecs, State.PERSISTENT)
            record.home.close()

    def clear(self) -> None:
        """Let go of every object."""
        self._leave()
        for record in self.deleted:
            record.become(State.PERSISTENT)
        self.stored.close()
        self.pending.close()
        self.stored = Home(self, self.codecs, State.PERSISTENT, self.changed)
        self.pending = Home(self, self.codecs, State.PENDING)
        self.identity.clear()
        self.new.clear()
        self.changed.clear()
        self.deleted.clear()
        self.revived.clear()

    def close(self) -> None:
        """Let go of every object, for good."""
        self.clear()
        self.frames = [Frame()]

    def expire(self, obj: Model, *, discard: bool) -> None:
        """Forget the values of an object but for its key.

        Raises:
            ObjectStateError: it is not a stored object of this session, or holds changes and
                `discard` was not given.
        """
        state = state_of(obj)
        if state.owner is not self or state.stored is not State.PERSISTENT:
            raise ObjectStateError(f"only a stored object of this session can expire, not {obj!r}")
        if isinstance(state, Record) and not discard and self.differences(state):
            raise ObjectStateError(
                f"{obj!r} holds changes that were not flushed; flush first, or "
                "session.expire(obj, discard=True)"
            )
        self._blank(obj)

    def _blank(self, obj: Any) -> None:
        """Forget the values of a stored object, and its changes."""
        state = state_of(obj)
        if isinstance(state, Record):
            state.forget_changes()
            self.settle(state)
        mapper = mapper_of(obj)
        for column in mapper.columns:
            if not column.primary_key:
                column.unload(obj)
        mapper.mark(obj)

    # -- what the store shows of an open transaction

    def leaking(self, mapper: Mapper) -> Frame | None:
        """The innermost frame whose writes rows of a class may show without our knowing."""
        return next((frame for frame in reversed(self.frames) if frame.shows_in(mapper)), None)

    def see(self, mapper: Mapper, objects: Sequence[Any]) -> None:
        """Objects of a class were filled; note it if they may show what a rollback will undo."""
        frame = self.leaking(mapper)
        if frame is not None:
            frame.entries.append(Seen(objects))

    def _leave(self) -> None:
        """Objects leave the session: if they are read again, it is what was written of them."""
        for frame in self.frames:
            frame.is_leaky = frame.is_leaky or not frame.is_empty

    # -- bulk statements

    def expire_all(self, mapper: Mapper, keys: Iterable[Any] | None, *, removed: bool) -> None:
        """Expire (or detach) the loaded objects of a class after a bulk statement.

        Args:
            mapper: the class.
            keys: which ones, or None where the store did not say.
            removed: their rows are gone, so they leave the session.
        """
        loaded = self.of(mapper.root)
        chosen = (
            list(loaded.values())
            if keys is None
            else [loaded[key] for key in keys if key in loaded]
        )
        objects = [obj for obj in chosen if state_of(obj).stored is State.PERSISTENT]
        held = [
            {c: read_slot(obj, c) for c in mapper.columns if not c.primary_key} for obj in objects
        ]
        watched = [watched_of(obj) for obj in objects]
        for obj in objects:
            if removed:
                record = self.own(obj)
                self.delist(record)
                self.forget(obj)
                record.become(State.DELETED)
            else:
                self._blank(obj)
        self.frames[-1].entries.append(Forgotten(objects, held, watched))

    # -- the way back

    def open_frame(self, savepoint: str) -> Frame:
        """Open the frame of a savepoint, keeping what every unflushed object is now."""
        frame = Frame(savepoint)
        waiting = [*self.new.values()]
        waiting += [record.obj for records in (self.changed, self.deleted) for record in records]
        frame.memos = {id(obj): Memo(obj, state_of(obj)) for obj in waiting}
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
            self.frames[-1].callbacks.extend(frame.callbacks)
        self.frames[0].undo(self)

    def restore_frame(self) -> None:
        """After ROLLBACK TO: everything is as it was when the innermost savepoint was set."""
        frame = self.frames[-1]
        frame.undo(self)
        self._restore_but(frame.memos)
        for memo in frame.memos.values():
            state = state_of(memo.obj)
            if state.owner is self or state.status is State.TRANSIENT:
                memo.restore(self)
        frame.opaque = False
        frame.poison = None
        frame.callbacks.clear()

    def restore_all(self) -> None:
        """After ROLLBACK: everything is as it was last committed; new objects are let go."""
        self.undo_frames()
        self._restore_but({})
        self.frames = [Frame()]

    def _restore_but(self, memos: dict[int, Memo]) -> None:
        """Give up what waits for a flush, but for objects of which a memo is kept."""
        for obj in list(self.new.values()):
            if id(obj) not in memos:
                self._let_go(obj)
        for record in [*self.deleted, *self.changed]:
            if id(record.obj) not in memos:
                restore_values(record)
                record.become(State.PERSISTENT)
                self.delist(record)
                self.settle(record)

    def doubt(self, obj: Any) -> None:
        """Forget what a stored object holds, but for its key and what a user wrote to it."""
        state = state_of(obj)
        if state.owner not in {None, self} or state.stored is State.TRANSIENT or state is GONE:
            return
        changed: dict[str, Any] = {}
        if isinstance(state, Record) and state.stored is State.PERSISTENT:
            changed = self.differences(state)
        if not isinstance(state, Record) or not changed:
            self._blank(obj)
            return
        mapper = mapper_of(obj)
        for column in mapper.columns:
            if not column.primary_key and column.attribute not in changed:
                column.unload(obj)
        mapper.mark(obj)
        state.rebase(dict.fromkeys(changed, MISSING))

    def committed(self) -> None:
        """The transaction is known to be committed: there is no way back any more."""
        for frame in self.frames:
            for entry in frame.entries:
                if isinstance(entry, (Deleted, Forgotten)):
                    for obj in entry.objects:
                        if self.holds(obj) and state_of(obj).stored is State.DELETED:
                            self._decode_all(obj, mapper_of(obj))
                            set_state(obj, GONE)
        self.revived.clear()
        self.frames = [Frame()]

    def release_frame(self) -> None:
        """A savepoint was released: the frame outside takes over what it did."""
        inner = self.frames.pop()
        self.frames[-1].absorb(inner)
