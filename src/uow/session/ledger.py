"""The bookkeeping of a session: which objects it holds and what is to be done about each.

Everything here is memory and synchronous: a step is done in one piece or not at all. The
session decides when, the channel does the I/O, the journal knows the way back.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import ref

from uow.errors import NotLoadedError, ObjectStateError, UnknownFieldError
from uow.mapping.identity_map import new_identity_map, take_back
from uow.mapping.mapper import Mapper, mapper_of
from uow.mapping.relation import Relation
from uow.mapping.storage import ModelStorage
from uow.tracking.changes import changed_fields
from uow.tracking.journal import (
    Deleted,
    Forgotten,
    Frame,
    Memo,
    Seen,
    held_slot,
    restore_values,
    watched_of,
)
from uow.tracking.members import note_removed, removed_of
from uow.tracking.nested.fields import mend_field, token_of
from uow.tracking.relations import reached, relate_again
from uow.tracking.state import (
    GONE,
    MISSING,
    TRANSIENT,
    Home,
    Raw,
    Record,
    State,
    read_slot,
    record_of,
    set_state,
    state_of,
)

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn
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
        relates: something may have been related since.
        freed: pairs of objects whose row in a link table goes because one of them is deleted.
        revived: `id`s of new objects whose row this transaction has deleted.
        frames: the journal; the first is the transaction's, each other a savepoint's.
    """

    __slots__ = (
        "__weakref__",
        "_changed",
        "codecs",
        "deleted",
        "frames",
        "freed",
        "identity",
        "new",
        "pending",
        "relates",
        "revived",
        "stored",
    )

    def __init__(self, codecs: Codecs) -> None:
        self.codecs = codecs
        self.identity: dict[Mapper, dict[Any, Any]] = {}
        self.new: dict[int, Any] = {}
        self._changed: dict[Record, None] = {}
        self._move_in()
        self.deleted: dict[Record, None] = {}
        self.revived: set[int] = set()
        self.relates = False
        self.freed: list[tuple[Relation, Any, Any]] = []
        self.frames = [Frame()]

    def _move_in(self) -> None:
        """Make the states that objects share; those of before are detached with their objects."""
        owner = ref(self)
        self.stored = Home(owner, self.codecs, State.PERSISTENT, self._changed)
        self.pending = Home(owner, self.codecs, State.PENDING)

    # -- what waits for a flush

    @property
    def changed(self) -> dict[Record, None]:
        """The records of stored objects that were written to, in that order."""
        self.stored.record_all()
        return self._changed

    @property
    def is_untouched(self) -> bool:
        """Whether nothing was written to, added or deleted."""
        stored = self.stored
        return not (self.new or self._changed or stored.written or stored.inbox or self.deleted)

    @property
    def waiting_mappers(self) -> set[Mapper]:
        """The classes of what waits for a flush."""
        self.open_inboxes()
        mappers: set[Mapper] = {obj._uow_mapper for obj in self.new.values()}
        if self._changed or self.deleted:
            mappers |= {record.obj._uow_mapper for record in (*self._changed, *self.deleted)}
        mappers.update([column.mapper for column in list(self.stored.written)])
        return mappers

    def open_inboxes(self) -> None:
        """Note which fields were touched, of stored and of new objects."""
        for home in (self.stored, self.pending):
            if home.inbox:
                home.open_inbox()

    @property
    def recorded(self) -> list[Record]:
        """The records of stored objects that were written to and have one."""
        return list(self._changed) if self._changed else []

    def take(self, seen: Mapping[MappedColumn, Mapping[Model, Any]]) -> None:
        """Empty the sets: what waited is in a plan.

        Args:
            seen: what the plan knows to be written to objects without a record.
        """
        self.new.clear()
        self.deleted.clear()
        self._changed.clear()
        self.freed.clear()
        self.stored.take_written(seen)

    # -- the identity map

    def of(self, mapper: Mapper) -> dict[Any, Any]:
        """The objects of a class, by key."""
        found = self.identity.get(mapper)
        if found is None:
            found = self.identity[mapper] = new_identity_map(mapper)
        return found

    @contextmanager
    def taking_in(self) -> Generator[None]:
        """Leave the identity map as it was if what is read inside cannot all be taken in.

        For statements whose rows several hydrators make objects of, each of which gives up its own
        alone. Nothing is awaited inside, and nothing taken out of the map.
        """
        counts = {mapper: len(objects) for mapper, objects in self.identity.items()}
        try:
            yield
        except BaseException:
            for mapper, objects in self.identity.items():
                take_back(objects, counts.get(mapper, 0))
            raise

    def identify(self, obj: Any) -> None:
        """Put an object of this session into the identity map under its key."""
        if self.holds(obj):
            mapper = mapper_of(obj)
            self.of(mapper.root)[mapper.identity(obj)] = obj

    def forget(self, obj: Any) -> None:
        """Take an object out of the identity map, if it is the one there."""
        mapper = mapper_of(obj)
        objects = self.of(mapper.root)
        try:
            key = mapper.identity(obj)
        except NotLoadedError:
            return  # it waited for a key that another row was to have, and was never there
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
        if not all(column.is_loaded(obj) for column in mapper.key):
            return
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
        state_of(obj)  # which refuses what is no mapped object
        return record_of(obj)

    def adopt(self, obj: Any, stored: State) -> Record:
        """Give the record of an object that is in this session again."""
        record = self.own(obj)
        record.enter(self.pending if stored is State.PENDING else self.stored)
        if stored is not State.PENDING:
            self.revived.discard(id(obj))
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
        elif record.noted or record.watched or record.moved:
            self._changed[record] = None

    def delist(self, record: Record) -> None:
        """Take a record out of all sets."""
        self.new.pop(id(record.obj), None)
        self.deleted.pop(record, None)
        self._changed.pop(record, None)

    def settle(self, record: Record) -> None:
        """Let a clean stored object share the session's state again."""
        if (
            record.stored is State.PERSISTENT
            and not record.noted
            and not record.watched
            and not record.moved
            and record.owner is self
        ):
            self._changed.pop(record, None)
            set_state(record.obj, self.stored)

    def settle_unchanged(self, records: Iterable[Record]) -> None:
        """Records that were touched, but hold what the store holds, are clean again."""
        for record in records:
            record.settle_values()
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
            self._changed.pop(state, None)
            state.become(State.PENDING)
            state.enter(self.pending)
            state.watched = None
            if noted:
                state.renote(noted)
            self.new[id(obj)] = obj
        else:
            set_state(obj, self.pending)
            if noted:
                self.own(obj).noted = dict(noted)
            self.new[id(obj)] = obj

    def put_first(self, objects: Sequence[Any]) -> None:
        """Let objects that are new again stand before those that were never flushed."""
        if not objects:
            return
        first = {id(obj): obj for obj in objects if id(obj) in self.new}
        first.update((key, obj) for key, obj in self.new.items() if key not in first)
        self.new.clear()
        self.new.update(first)

    def differences(self, record: Record) -> dict[str, tuple[Any, Any]]:
        """What differs from the store, as `{field: (stored value, value now)}`."""
        return changed_fields(record, self.codecs)

    def modified(self) -> Iterator[Record]:
        """The changed records that really differ from the store."""
        return (r for r in self.changed if r.moved or self.differences(r))

    def touch(self, obj: Any, relation: Relation) -> None:
        """What an object is related to is about to change."""
        self.relates = True
        self.frames[-1].touch(obj, relation)

    def records_moved(self) -> list[Record]:
        """The records of new and of stored objects whose relations were changed."""
        if not self.relates:
            return []
        found = [obj._uow_state for obj in self.new.values()]
        return [r for r in (*found, *self._changed) if type(r) is Record and r.moved]

    def unlinked(self) -> list[tuple[Relation, Any, Any]]:
        """The pairs of objects whose rows in link tables are to be deleted."""
        return [
            *self.freed,
            *(
                (relation, members.owner, item)
                for record in self.records_moved()
                for relation, members in (record.moved or {}).items()
                if isinstance(relation, Relation)
                for item in removed_of(members)
            ),
        ]

    def note_unlinked(self, relation: Relation, owner: Any, item: Any) -> None:
        """The row of a link table goes, because an object that it links is deleted."""
        self.freed.append((relation, owner, item))

    def enter(self, obj: Model) -> None:
        """Take in an object that is made for one flush."""
        set_state(obj, self.pending)
        self.new[id(obj)] = obj

    def mark_deleted(self, obj: Model) -> None:
        """Mark a stored object for deletion, and nothing that is related to it."""
        record = self.own(obj)
        record.become(State.DELETED)
        self.enlist(record)

    @property
    def may_cascade(self) -> bool:
        """Whether something that waits may concern what is related to it."""
        deleted = self.deleted
        return self.relates or bool(deleted and any(r.obj._uow_mapper.relations for r in deleted))

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
        state = state_of(obj)  # which refuses what is no mapped object
        mapper = obj._uow_mapper
        leads_on = mapper.relations or mapper.links
        if state is TRANSIENT and not leads_on:
            self._add_new(obj)
            return
        if leads_on:
            joining = reached([obj], "save-update", stop=self._is_known)
            if len(joining) > 1:
                self.add_all(joining)
                return
        self._add(obj)

    def _is_known(self, obj: Model) -> bool:
        """Whether what is related to an object came here with it."""
        state = state_of(obj)
        return state.owner is self and state.stored is not State.DELETED

    def _add(self, obj: Model) -> None:
        state = state_of(obj)
        if state is TRANSIENT:
            self._add_new(obj)
            return
        owner = state.owner
        if owner is self:
            if state.stored is State.DELETED:
                self._revive(self.own(obj))
        elif owner is not None:
            raise _of_another(obj)
        elif state.stored is State.PERSISTENT:
            self._attach(obj)
        else:
            self._add_new(obj)

    def add_all(self, objects: Iterable[Model]) -> None:
        """Take several objects into the session, all or none; see `add`."""
        found = list(objects)
        if any(map(_has_relations, set(map(type, found)))):
            found = reached(found, "save-update", stop=self._is_known)
        states = {getattr(obj, "_uow_state", None) for obj in found}
        if states == {TRANSIENT} and not self._holds_any(found):
            pending = self.pending
            for obj in found:
                set_state(obj, pending)
            self.new.update(zip(map(id, found), found, strict=True))
            return
        joining: dict[Mapper, dict[Any, Any]] = {}
        for obj in found:
            self._refuse(obj, joining)
        for obj in found:
            self._add(obj)

    def _holds_any(self, objects: Iterable[Model]) -> bool:
        """Whether some stored object has the key of one of these."""
        if not self.identity:
            return False
        for obj in objects:
            mapper: Mapper = obj._uow_mapper
            known = self.identity.get(mapper.root)
            if known and mapper.identity(obj) in known:
                return True
        return False

    def _refuse(self, obj: Model, joining: dict[Mapper, dict[Any, Any]]) -> None:
        """Raise what `add` would raise, before anything has changed.

        Args:
            obj: what is to be added.
            joining: the stored objects that will have joined before it, by class and key.
        """
        state = state_of(obj)
        owner = state.owner
        if owner is not None and owner is not self:
            raise _of_another(obj)
        if owner is self and (state.stored is not State.DELETED or self.own(obj) in self.deleted):
            return
        mapper = mapper_of(obj)
        for objects in (self.identity.get(mapper.root), joining.get(mapper.root)):
            if objects:
                self._refuse_taken(mapper, objects, obj)
        if state.stored is State.PERSISTENT:
            joining.setdefault(mapper.root, {})[mapper.identity(obj)] = obj

    def _add_new(self, obj: Model) -> None:
        objects = self.identity.get(obj._uow_mapper.root) if self.identity else None
        if objects:
            self._refuse_taken(mapper_of(obj), objects, obj)
        state = state_of(obj)
        if isinstance(state, Record):
            state.become(State.PENDING)
            state.enter(self.pending)
            if state.moved:
                self.relates = True
        else:
            set_state(obj, self.pending)
        self.new[id(obj)] = obj
        if obj._uow_mapper.relations:
            self._relate_again(obj)

    def _relate_again(self, obj: Model) -> None:
        """What an object is related to is in step with it again, where a rollback came between."""
        for relation in obj._uow_mapper.relations.values():
            held = relation.held(obj)
            if held is not None:
                relate_again(obj, relation)

    def _refuse_taken(self, mapper: Mapper, objects: dict[Any, Any], obj: Model) -> None:
        try:
            key = mapper.identity(obj)
        except NotLoadedError:
            return  # a relation gives it its key, or the store
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

    def _attach(self, obj: Model) -> None:
        """Take up a detached object, with the changes it has."""
        mapper = mapper_of(obj)
        objects = self.of(mapper.root)
        self._refuse_taken(mapper, objects, obj)
        record = self.own(obj)
        if record.home is not None and record.home.codecs is not self.codecs:
            self._decode_all(obj, mapper)
        record.enter(self.stored)
        self.relates = self.relates or bool(record.moved)
        _tell_again(obj, mapper)
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
        concerned: Iterable[Any] = (obj,)
        if obj._uow_mapper.relations:
            concerned = [one for one in reached([obj], "delete") if self.holds(one)]
        for one in concerned:
            record = self.own(one)
            if record.stored is State.PENDING:
                self._let_go(one)
                self._unlink(one)
            elif record.stored is State.PERSISTENT:
                record.become(State.DELETED)
                self.enlist(record)

    def _unlink(self, obj: Any) -> None:
        """A new object is not to be stored: nothing is to be linked to it in a link table."""
        for relation in obj._uow_mapper.relations.values():
            if relation.link is None or relation.back is None or relation.write_only:
                continue
            for other in list(relation.held(obj) or ()):
                members = relation.back.held(other)
                if members is not None and members.added and id(obj) in members.added:
                    self.touch(other, relation.back)
                    members.take_raw(obj)
                    note_removed(members, obj)

    def _let_go(self, obj: Any) -> None:
        """Make an object transient; what was written to it is checked again if it comes back.

        One whose row was deleted in this transaction is deleted still: a rollback brings it back.
        """
        record = self.own(obj)
        self.delist(record)
        if id(obj) in self.revived:
            self.revived.discard(id(obj))
            record.become(State.DELETED)
            record.enter(self.stored)
            return
        record.become(State.TRANSIENT)
        self._decode_all(obj, mapper_of(obj))
        record.leave(None)
        record.watched = None

    def expunge(self, obj: Model) -> None:
        """Let go of an object; it keeps its changes and is detached (a new one: transient).

        Raises:
            ObjectStateError: it is not in this session.
        """
        if not self.holds(obj):
            raise ObjectStateError(f"{obj!r} is not in this session")
        self._leave()
        concerned: Iterable[Any] = (obj,)
        if obj._uow_mapper.relations:
            concerned = [one for one in reached([obj], "expunge") if self.holds(one)]
        for one in concerned:
            self._expunge(one)

    def _expunge(self, obj: Model) -> None:
        record = self.own(obj)
        self.delist(record)
        self.forget(obj)
        if record.stored is State.PENDING:
            self._let_go(obj)
        else:
            record.become(State.PERSISTENT)
            home = Home(ref(self), self.codecs, State.PERSISTENT)
            home.close()
            record.leave(home)

    def clear(self) -> None:
        """Let go of every object."""
        self._leave()
        self._move_out()
        self._move_in()

    def close(self) -> None:
        """Let go of every object, for good; what is to be undone was undone before."""
        self._move_out()

    def _move_out(self) -> None:
        for record in self.deleted:
            record.become(State.PERSISTENT)
        self.stored.close()
        self.pending.close()
        states = [obj._uow_state for obj in self.new.values()]
        for record in (*self._changed, *self.deleted, *states):
            if isinstance(record, Record):
                record.leave(record.home)
        self.identity.clear()
        self.new.clear()
        self._changed.clear()
        self.deleted.clear()
        self.revived.clear()

    def expire(self, obj: Model, *, discard: bool) -> None:
        """Forget the values of an object but for its key.

        Raises:
            ObjectStateError: it is not a stored object of this session, or holds changes and
                `discard` was not given.
        """
        state = state_of(obj)
        if state.owner is not self or state.stored is not State.PERSISTENT:
            raise ObjectStateError(f"only a stored object of this session can expire, not {obj!r}")
        is_changed = isinstance(state, Record) and (state.moved or self.differences(state))
        if is_changed and not discard:
            raise ObjectStateError(
                f"{obj!r} holds changes that were not flushed; flush first, or "
                "session.expire(obj, discard=True)"
            )
        if not obj._uow_mapper.relations:
            self._blank(obj)
            return
        for one in reached([obj], "refresh-expire"):
            found = state_of(one)
            if found.owner is not self or found.stored is not State.PERSISTENT:
                continue
            is_changed = isinstance(found, Record) and (found.moved or self.differences(found))
            if discard or not is_changed:
                self._blank(one)

    def mark_changed(self, obj: Model, fields: Iterable[str]) -> None:
        """Have the next flush look at these fields of an object.

        Raises:
            ObjectStateError: it is not in this session.
            UnknownFieldError: there is no such field.
        """
        if not self.holds(obj):
            raise ObjectStateError(f"{obj!r} is not in this session")
        mapper = mapper_of(obj)
        for name in fields:
            column = mapper.by_attribute.get(name)
            if column is None:
                raise UnknownFieldError(f"{mapper.name} has no field {name!r}")
            token = mend_field(obj, column)
            if token is not None:
                self.own(obj).compare(token)

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
        for relation in mapper.relations.values():
            if relation.is_loaded(obj):
                self.frames[-1].touch(obj, relation)
                relation.unload(obj)

    # -- what the store shows of an open transaction

    def leaking(self, mapper: Mapper) -> Frame | None:
        """The innermost frame whose writes rows of a class may show without our knowing."""
        for frame in reversed(self.frames):
            if frame.is_leaky or (frame.deleted and frame.shows_in(mapper)):
                return frame
        return None

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
        objects = [
            obj
            for obj in chosen
            if state_of(obj).stored is State.PERSISTENT and isinstance(obj, mapper.class_)
        ]
        held = [
            {c: held_slot(obj, c) for c in mapper_of(obj).columns if not c.primary_key}
            for obj in objects
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
        frame.revived = frozenset(self.revived)
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
            self.frames[-1].touched = {**frame.touched, **self.frames[-1].touched}
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
        frame.restore_relations()
        self.revived = set(frame.revived)
        frame.opaque = False
        frame.poison = None
        frame.callbacks.clear()

    def restore_all(self) -> None:
        """After ROLLBACK: everything is as it was last committed; new objects are let go."""
        if self._is_fresh and self.is_untouched and not self.frames[0].touched:
            return
        self.undo_frames()
        self._restore_but({})
        self.frames[0].restore_relations()
        self.frames = [Frame()]

    def _restore_but(self, memos: Mapping[int, Memo]) -> None:
        """Give up what waits for a flush, but for objects of which a memo is kept."""
        for obj in list(self.new.values()):
            if id(obj) not in memos:
                if id(obj) in self.revived:  # it is one that was deleted before, as it was then
                    restore_values(self.own(obj))
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
        if self._is_fresh:
            return
        for frame in self.frames:
            for entry in frame.entries:
                if isinstance(entry, (Deleted, Forgotten)):
                    for obj in entry.objects:
                        if self.holds(obj) and state_of(obj).stored is State.DELETED:
                            self._decode_all(obj, mapper_of(obj))
                            set_state(obj, GONE)
        self.revived.clear()
        self.frames = [Frame()]

    @property
    def _is_fresh(self) -> bool:
        """Whether nothing happened yet that a rollback would undo."""
        return len(self.frames) == 1 and self.frames[0].is_fresh

    def release_frame(self) -> None:
        """A savepoint was released: the frame outside takes over what it did."""
        inner = self.frames.pop()
        self.frames[-1].absorb(inner)


def _has_relations(class_: type[Any]) -> bool:
    if not issubclass(class_, ModelStorage):
        return False
    mapper = type.__getattribute__(class_, "_uow_mapper")  # past what classes do for queries
    return bool(mapper.relations or mapper.links)


def _tell_again(obj: Any, mapper: Mapper) -> None:
    """Another thread may have changed values of an object on its way here: its home is told."""
    for column in mapper.lazy_columns:
        token = token_of(obj, column)
        if token is not None and token.dirty is not None:
            token.announce()


def _of_another(obj: Model) -> ObjectStateError:
    return ObjectStateError(
        f"{obj!r} belongs to another open session; expunge it there, or merge it here"
    )
