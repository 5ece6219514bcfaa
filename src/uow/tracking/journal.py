"""The way back: what a transaction changed in memory, one frame a savepoint.

A flush that succeeded leaves entries in the innermost frame, one for each kind of write. An
entry can be undone as bookkeeping: objects are new, changed or deleted again, as they were
before that flush, with the values the user gave them. What a rollback does beyond that (values
back to what the store holds) follows from the records, so there is no second kind of undo.

Entries hold objects, not records: after a flush an object shares the session's state again, and
committing a transaction costs nothing for what it inserted or updated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

from uow.mapping.mapper import mapper_of
from uow.tracking.nested.fields import stored_form
from uow.tracking.relations import restore_slot, slot_memo
from uow.tracking.state import (
    MISSING,
    Raw,
    Record,
    State,
    read_slot,
    state_of,
    stored_slot,
    write_slot,
)

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper
    from uow.mapping.relation import Relation
    from uow.tracking.state import ObjectState

NO_MEMOS: Final[Mapping[int, Memo]] = MappingProxyType({})
"""Of the frame of a transaction: what it goes back to is what was last committed."""

CARRIED_ON: Final = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})
"""The ON DELETE actions by which the store changes rows on its own."""

__all__ = [
    "Deleted",
    "Entry",
    "FieldNotes",
    "Forgotten",
    "Frame",
    "Handed",
    "Inserted",
    "Ledger",
    "Memo",
    "Seen",
    "Updated",
    "held_slot",
    "watched_of",
]


class Ledger(Protocol):
    """The bookkeeping of a session, as the journal needs it."""

    def identify(self, obj: Any) -> None:
        """Put an object into the identity map under its key."""
        ...

    def forget(self, obj: Any) -> None:
        """Take an object out of the identity map."""
        ...

    def vacate(self, obj: Any) -> None:
        """Take who stands for a row that is gone out of the identity map."""
        ...

    def renew(self, obj: Any, noted: dict[str, Any] | None) -> None:
        """Make an object new again, with these notes."""
        ...

    def put_first(self, objects: Sequence[Any]) -> None:
        """Let objects that are new again stand before those that were never flushed."""
        ...

    def own(self, obj: Any) -> Record:
        """Give the record of an object, made if it has none."""
        ...

    def adopt(self, obj: Any, stored: State) -> Record:
        """Give the record of an object that is in this session again."""
        ...

    def enlist(self, record: Record) -> None:
        """Put a record into the set its state calls for (new, changed or deleted)."""
        ...

    def settle(self, record: Record) -> None:
        """Let a clean stored object share the session's state again."""
        ...

    def doubt(self, obj: Any) -> None:
        """Forget what a stored object holds, but for its key and what a user wrote to it."""
        ...


class Entry(Protocol):
    """One kind of write of one flush."""

    def undo(self, ledger: Ledger) -> None:
        """Make the bookkeeping what it was before the write."""
        ...

    @property
    def objects(self) -> Sequence[Any]:
        """The objects concerned."""
        ...


class Inserted:
    """New rows.

    Attributes:
        objects: the objects.
        noted: for each what it had noted before.
        filled: the columns the store gave values for.
    """

    __slots__ = ("filled", "noted", "objects")

    def __init__(
        self,
        objects: Sequence[Any],
        noted: Sequence[dict[str, Any] | None],
        filled: Sequence[MappedColumn],
    ) -> None:
        self.objects = objects
        self.noted = noted
        self.filled = filled

    def undo(self, ledger: Ledger) -> None:
        """Take them out of the identity map, with what the store gave; they are new again."""
        for obj, noted in zip(self.objects, self.noted, strict=True):
            ledger.vacate(obj)
            for column in self.filled:
                unfill(obj, column)
            ledger.renew(obj, noted)


class Handed:
    """Keys of new rows that were put into objects that refer to them.

    Undone after the entries of the rows themselves, so it stands before them.
    """

    __slots__ = ("_columns", "_handed")

    def __init__(self, columns: Sequence[tuple[Any, MappedColumn, Any]]) -> None:
        self._columns = columns
        self._handed: list[tuple[Any, MappedColumn, Any, Any]] = []

    def hand_out(self, keys: Mapping[Any, Any]) -> None:
        """Put the keys in: all rows are stored."""
        for obj, column, key in self._columns:
            self._handed.append((obj, column, read_slot(obj, column), keys[key]))
            column.set_slot(obj, keys[key])
        for obj, _, _ in self._columns:
            mapper = mapper_of(obj)
            if type(obj) is not mapper.class_:  # else nothing was missing before
                mapper.mark(obj)

    @property
    def objects(self) -> Sequence[Any]:
        """The objects concerned."""
        return [obj for obj, _, _ in self._columns]

    def undo(self, ledger: Ledger) -> None:  # noqa: ARG002 - entries are alike
        """Put back what was there; what a user wrote since is a change of that."""
        for obj, column, before, handed in reversed(self._handed):
            name = column.attribute
            if read_slot(obj, column) == handed:
                write_slot(obj, column, before)
                mapper_of(obj).mark(obj)
            state = state_of(obj)
            if isinstance(state, Record) and state.notes.get(name, MISSING) == handed:
                state.renote({name: before})
        self._handed.clear()


class Filled:
    """What the store gave new rows in further tables of theirs.

    Attributes:
        objects: none: the entry of their first table is about them.
    """

    __slots__ = ("_columns", "_of")

    objects: Sequence[Any] = ()

    def __init__(self, of: Sequence[Any], columns: Sequence[MappedColumn]) -> None:
        self._of = of
        self._columns = columns

    def undo(self, ledger: Ledger) -> None:  # noqa: ARG002 - entries are alike
        """Take it back."""
        for obj in self._of:
            for column in self._columns:
                unfill(obj, column)


class FieldNotes:
    """What many objects held in one field: a dict an object, made when it is asked for."""

    __slots__ = ("_name", "_objects", "_values")

    def __init__(self, name: str, objects: Sequence[Any], values: Mapping[Any, Any]) -> None:
        self._name = name
        self._objects = objects
        self._values = values

    def __iter__(self) -> Iterator[dict[str, Any]]:
        name, values = self._name, self._values
        return ({name: values[obj]} for obj in self._objects)


class Updated:
    """Changed rows.

    Attributes:
        objects: the objects.
        noted: for each what it had noted before.
        replaced: for each what the store overwrote (the version, generated columns).
        watched: for each the stored form of values that can change without a word.
    """

    __slots__ = ("noted", "objects", "replaced", "watched")

    def __init__(
        self,
        objects: Sequence[Any],
        noted: Iterable[dict[str, Any]],
        replaced: Sequence[dict[MappedColumn, Any]],
        watched: Sequence[dict[str, Any] | None],
    ) -> None:
        self.objects = objects
        self.noted = noted
        self.replaced = replaced
        self.watched = watched

    def undo(self, ledger: Ledger) -> None:
        """They are changed again, against what the store held before."""
        for obj, noted, replaced, watched in zip(
            self.objects, self.noted, self.replaced, self.watched, strict=True
        ):
            for column, value in replaced.items():
                write_slot(obj, column, value)
            record = ledger.own(obj)
            record.unwrite(noted, watched or {})
            ledger.enlist(record)


class Deleted:
    """Deleted rows.

    Attributes:
        objects: the objects.
    """

    __slots__ = ("_watched", "objects")

    def __init__(self, objects: Sequence[Any]) -> None:
        self.objects = objects
        self._watched = [_stored_forms(obj) for obj in objects]

    def undo(self, ledger: Ledger) -> None:
        """They are stored, and to be deleted again; one that was added since just stays."""
        for obj, watched in zip(self.objects, self._watched, strict=True):
            record = ledger.own(obj)
            if record.stored is State.PENDING:
                ledger.adopt(obj, State.PERSISTENT).become(State.PERSISTENT)
            else:
                if record.stored is State.TRANSIENT:  # let go when a later INSERT was undone
                    ledger.adopt(obj, State.PERSISTENT)
                record.become(State.DELETED)
            record.watched = watched
            ledger.identify(obj)
            ledger.enlist(record)


class Forgotten:
    """Objects that a bulk statement expired or detached, with what they held.

    Attributes:
        objects: the objects.
    """

    __slots__ = ("_held", "_watched", "objects")

    def __init__(
        self,
        objects: Sequence[Any],
        held: Sequence[dict[MappedColumn, Any]],
        watched: Sequence[dict[str, Any] | None],
    ) -> None:
        self.objects = objects
        self._held = held
        self._watched = watched

    def undo(self, ledger: Ledger) -> None:
        """Give them back what they held, and their place.

        What was written to them since is a change of what they held.
        """
        for obj, held, watched in zip(self.objects, self._held, self._watched, strict=True):
            record = ledger.own(obj)
            if record.stored is State.PENDING:
                ledger.adopt(obj, State.PERSISTENT)
            record.become(State.PERSISTENT)
            notes: dict[str, Any] = record.noted or {}
            for column, value in held.items():
                name = column.attribute
                if name in notes:
                    notes[name] = Raw(watched[name]) if watched and name in watched else value
                else:
                    write_slot(obj, column, value)
            record.watched = watched
            mapper_of(obj).mark(obj)
            ledger.identify(obj)
            ledger.enlist(record)
            ledger.settle(record)


class Seen:
    """Objects read while the store showed what the transaction had done beyond the journal.

    Attributes:
        objects: the objects.
    """

    __slots__ = ("objects",)

    def __init__(self, objects: Sequence[Any]) -> None:
        self.objects = objects

    def undo(self, ledger: Ledger) -> None:
        """What they hold may be what is undone, so it is forgotten."""
        for obj in self.objects:
            ledger.doubt(obj)


class Memo:
    """What one object was at a moment: its state, its notes and every value."""

    __slots__ = ("_kept", "_moved", "_noted", "_stored", "_values", "_watched", "obj")

    def __init__(self, obj: Any, state: ObjectState) -> None:
        self.obj = obj
        self._stored = state.stored
        self._noted = None if state.noted is None else dict(state.noted)
        self._kept: dict[str, Any] | None = None
        self._watched: dict[str, Any] | None = None
        self._moved: dict[Any, Any] | None = None
        if isinstance(state, Record):
            self._moved = None if state.moved is None else dict(state.moved)
            self._kept = None if state.kept is None else dict(state.kept)
            self._watched = None if state.watched is None else dict(state.watched)
        mapper: Mapper = mapper_of(obj)
        changed = {*(self._noted or ()), *(self._kept or ()), *(self._watched or ())}
        is_stored = state.stored in {State.PERSISTENT, State.DELETED}
        self._values = [
            (c, held_slot(obj, c) if is_stored and c.attribute not in changed else _copy_of(obj, c))
            for c in mapper.columns
        ]

    def restore(self, ledger: Ledger) -> None:
        """Make the object that again."""
        obj = self.obj
        for column, value in self._values:
            write_slot(obj, column, deepcopy(value) if _may_change(column, value) else value)
        mapper_of(obj).mark(obj)
        record = ledger.adopt(obj, self._stored)
        record.stored = self._stored
        record.noted = None if self._noted is None else dict(self._noted)
        record.kept = None if self._kept is None else dict(self._kept)
        record.watched = None if self._watched is None else dict(self._watched)
        record.moved = None if self._moved is None else dict(self._moved)
        ledger.enlist(record)


class Frame:
    """What happened in memory since a transaction began or a savepoint was set.

    Attributes:
        entries: the writes, in the order they were made.
        memos: what every object that was not clean was when the savepoint was set, by `id`.
        savepoint: the name of the savepoint, None for the transaction itself.
        opaque: statements ran, or locks were taken, that a second flush would not repeat.
        poison: the error that ended this frame's usefulness, if one did.
        is_block: the savepoint is a block's, and ends with it.
        callbacks: what to call once this is known to be committed.
        is_leaky: rows read from now on may show writes of it that the journal knows nothing of,
            or whose objects have left the session.
        deleted: classes whose rows were deleted; the store may have carried that on to others.
        touched: by `id` and relation, what was related to objects before that changed.
        revived: by `id`, the new objects whose rows had been deleted when the savepoint was set.
    """

    __slots__ = (
        "callbacks",
        "deleted",
        "entries",
        "is_block",
        "is_leaky",
        "memos",
        "opaque",
        "poison",
        "revived",
        "savepoint",
        "touched",
    )

    def __init__(self, savepoint: str | None = None) -> None:
        self.savepoint = savepoint
        self.entries: list[Entry] = []
        self.memos: Mapping[int, Memo] = NO_MEMOS
        self.opaque = False
        self.poison: BaseException | None = None
        self.is_block = False
        self.callbacks: list[Callable[[], Any]] = []
        self.is_leaky = False
        self.deleted: set[Mapper] = set()
        self.revived: frozenset[int] = frozenset()
        self.touched: dict[tuple[int, Relation], tuple[Any, Any]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written in it."""
        return not self.entries and not self.opaque

    @property
    def is_fresh(self) -> bool:
        """Whether it is as it was made."""
        return not (
            self.entries
            or self.opaque
            or self.callbacks
            or self.is_leaky
            or self.deleted
            or self.poison is not None
            or self.savepoint is not None
        )

    def shows_in(self, mapper: Mapper) -> bool:
        """Whether rows of a class may show what was done beyond what the journal knows."""
        return self.is_leaky or bool(self.deleted and _is_reached(mapper, self.deleted, set()))

    def undo(self, ledger: Ledger) -> None:
        """Make the bookkeeping what it was when the frame was opened."""
        inserted = [
            obj for entry in self.entries if isinstance(entry, Inserted) for obj in entry.objects
        ]
        while self.entries:
            self.entries.pop().undo(ledger)
        ledger.put_first(inserted)
        self.is_leaky = False
        self.deleted.clear()

    def absorb(self, inner: Frame) -> None:
        """Take over what a released savepoint did."""
        self.entries.extend(inner.entries)
        self.opaque = self.opaque or inner.opaque
        self.callbacks.extend(inner.callbacks)
        self.is_leaky = self.is_leaky or inner.is_leaky
        self.deleted |= inner.deleted
        self.touched = {**inner.touched, **self.touched}

    def touch(self, obj: Any, relation: Relation) -> None:
        """Keep what is related to an object, before that changes for the first time here."""
        place = (id(obj), relation)
        if place not in self.touched:
            self.touched[place] = (obj, slot_memo(obj, relation))

    def restore_relations(self) -> None:
        """Relate what was related when the frame was opened, but to objects that are not stored.

        Those keep what the user gave them, so that they can be added again.
        """
        for (_, relation), (obj, memo) in self.touched.items():
            if state_of(obj).status is not State.TRANSIENT:
                restore_slot(obj, relation, memo)
        self.touched.clear()


def _is_reached(mapper: Mapper, deleted: set[Mapper], asked: set[Mapper]) -> bool:
    """Whether the store changes rows of a class when rows of others are deleted."""
    asked.add(mapper)
    return any(
        key.on_delete in CARRIED_ON
        and (
            key.target in deleted
            or (key.target not in asked and _is_reached(key.target, deleted, asked))
        )
        for key in mapper.foreign_keys
    )


def held_slot(obj: Any, column: MappedColumn) -> Any:
    """What a field holds that is not changed: of one that can change in place, the stored form."""
    return read_slot(obj, column) if column.get_raw is None else stored_slot(obj, column)


def _copy_of(obj: Any, column: MappedColumn) -> Any:
    """What a field holds, as a value that stays what it is whatever is done to that."""
    value = read_slot(obj, column)
    return deepcopy(value) if _may_change(column, value) else value


def _may_change(column: MappedColumn, value: Any) -> bool:
    return column.is_lazy and value is not MISSING and type(value) is not Raw


def watched_of(obj: Any) -> dict[str, Any] | None:
    """The stored form of an object's values that can change without a word, as it is now."""
    state = state_of(obj)
    watched = state.watched if isinstance(state, Record) else None
    return None if watched is None else dict(watched)


def _stored_forms(obj: Any) -> dict[str, Any] | None:
    """What the store holds in the fields that can change in place and were not set.

    The object may be new again, and stored with other values in them, before this is undone.
    """
    state = state_of(obj)
    columns = mapper_of(obj).lazy_columns
    if not columns:
        return None
    notes = state.notes if isinstance(state, Record) else {}
    forms = {c.attribute: stored_form(obj, c) for c in columns if c.attribute not in notes}
    found = {name: form for name, form in forms.items() if form is not MISSING}
    return {**found, **(watched_of(obj) or {})} or None


def unfill(obj: Any, column: MappedColumn) -> None:
    """Take back a value that the store gave to a new object."""
    if column.primary_key and column.auto_increment:
        column.set_slot(obj, None)
        return
    column.unload(obj)
    mapper_of(obj).mark_partial(obj)


def restore_values(record: Record) -> None:
    """Put the values back that the store holds, and forget that anything was changed."""
    obj = record.obj
    mapper = mapper_of(obj)
    by_attribute = mapper.by_attribute
    for name, value in record.notes.items():
        write_slot(obj, by_attribute[name], value)
    for name, raw in (record.watched or {}).items():
        write_slot(obj, by_attribute[name], Raw(raw))
    record.forget_changes()
    mapper.mark(obj)  # what was written to an expired field is not known again


def objects_of(frames: Iterable[Frame]) -> list[Any]:
    """Every object that the writes of these frames concern."""
    return [obj for frame in frames for entry in frame.entries for obj in entry.objects]
