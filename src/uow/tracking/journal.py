"""The way back: what a transaction changed in memory, one frame a savepoint.

A flush that succeeded leaves entries in the innermost frame, one for each kind of write. An
entry can be undone as bookkeeping: objects are new, changed or deleted again, as they were
before that flush, with the values the user gave them. What a rollback does beyond that (values
back to what the store holds) follows from the records, so there is no second kind of undo.

Entries hold objects, not records: after a flush an object shares the session's state again, and
committing a transaction costs nothing for what it inserted or updated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final, Protocol

from uow.mapping.mapper import mapper_of
from uow.tracking.state import MISSING, Raw, Record, State, read_slot, write_slot

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper
    from uow.tracking.state import ObjectState

CARRIED_ON: Final = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})
"""The ON DELETE actions by which the store changes rows on its own."""

__all__ = [
    "Deleted",
    "Entry",
    "Forgotten",
    "Frame",
    "Inserted",
    "Ledger",
    "Memo",
    "Seen",
    "Updated",
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
        noted: Sequence[dict[str, Any]],
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
        self._watched = [watched_of(obj) for obj in objects]

    def undo(self, ledger: Ledger) -> None:
        """They are stored, and to be deleted again; one that was added since just stays."""
        for obj, watched in zip(self.objects, self._watched, strict=True):
            record = ledger.own(obj)
            if record.stored is State.PENDING:
                ledger.adopt(obj, State.PERSISTENT).become(State.PERSISTENT)
            else:
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
            notes = record.noted or {}
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

    __slots__ = ("_kept", "_noted", "_stored", "_values", "_watched", "obj")

    def __init__(self, obj: Any, state: ObjectState) -> None:
        self.obj = obj
        self._stored = state.stored
        self._noted = None if state.noted is None else dict(state.noted)
        self._kept: dict[str, Any] | None = None
        self._watched: dict[str, Any] | None = None
        if isinstance(state, Record):
            self._kept = None if state.kept is None else dict(state.kept)
            self._watched = None if state.watched is None else dict(state.watched)
        mapper: Mapper = mapper_of(obj)
        self._values = [(c, _copied(c, read_slot(obj, c))) for c in mapper.columns]

    def restore(self, ledger: Ledger) -> None:
        """Make the object that again."""
        obj = self.obj
        for column, value in self._values:
            write_slot(obj, column, _copied(column, value))
        mapper_of(obj).mark(obj)
        record = ledger.adopt(obj, self._stored)
        record.stored = self._stored
        record.noted = None if self._noted is None else dict(self._noted)
        record.kept = None if self._kept is None else dict(self._kept)
        record.watched = None if self._watched is None else dict(self._watched)
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
        "savepoint",
    )

    def __init__(self, savepoint: str | None = None) -> None:
        self.savepoint = savepoint
        self.entries: list[Entry] = []
        self.memos: dict[int, Memo] = {}
        self.opaque = False
        self.poison: BaseException | None = None
        self.is_block = False
        self.callbacks: list[Callable[[], Any]] = []
        self.is_leaky = False
        self.deleted: set[Mapper] = set()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written in it."""
        return not self.entries and not self.opaque

    def shows_in(self, mapper: Mapper) -> bool:
        """Whether rows of a class may show what was done beyond what the journal knows."""
        return self.is_leaky or bool(self.deleted and _is_reached(mapper, self.deleted, set()))

    def undo(self, ledger: Ledger) -> None:
        """Make the bookkeeping what it was when the frame was opened."""
        while self.entries:
            self.entries.pop().undo(ledger)
        self.is_leaky = False
        self.deleted.clear()

    def absorb(self, inner: Frame) -> None:
        """Take over what a released savepoint did."""
        self.entries.extend(inner.entries)
        self.opaque = self.opaque or inner.opaque
        self.callbacks.extend(inner.callbacks)
        self.is_leaky = self.is_leaky or inner.is_leaky
        self.deleted |= inner.deleted


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


def _copied(column: MappedColumn, value: Any) -> Any:
    """A value that stays what it is, whatever is done to the one it was copied from."""
    if not column.is_lazy or value is MISSING or type(value) is Raw:
        return value
    return deepcopy(value)


def watched_of(obj: Any) -> dict[str, Any] | None:
    """The stored form of an object's values that can change without a word, as it is now."""
    state = obj._uow_state
    watched = state.watched if isinstance(state, Record) else None
    return None if watched is None else dict(watched)


def unfill(obj: Any, column: MappedColumn) -> None:
    """Take back a value that the store gave to a new object."""
    if column.primary_key and column.auto_increment:
        column.set_slot(obj, None)
        return
    column.unload(obj)
    column.mapper.mark_partial(obj)


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
