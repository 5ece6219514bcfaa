"""The way back: what a transaction changed in memory, one frame a savepoint.

A flush that succeeded leaves entries in the innermost frame, one for each kind of write. An
entry can be undone as bookkeeping: objects are pending, dirty or deleted again, as they were
before that flush, with the values the user gave them. What a rollback does beyond that (values
back to what the store holds) follows from the records, so there is no second kind of undo.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from uow.mapping.mapper import mapper_of
from uow.tracking.state import Raw, Record, State, read_slot, write_slot

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = ["Deleted", "Entry", "Forgotten", "Frame", "Inserted", "Ledger", "Memo", "Updated"]


class Ledger(Protocol):
    """The bookkeeping of a session, as the journal needs it."""

    def identify(self, record: Record) -> None:
        """Put an object into the identity map under its key."""
        ...

    def forget(self, record: Record) -> None:
        """Take an object out of the identity map."""
        ...

    def enlist(self, record: Record) -> None:
        """Put a record into the set its status calls for (new, changed or deleted)."""
        ...

    def delist(self, record: Record) -> None:
        """Take a record out of all of these sets."""
        ...


class Entry(Protocol):
    """One kind of write of one flush."""

    def undo(self, ledger: Ledger) -> None:
        """Make the bookkeeping what it was before the write."""
        ...

    def records(self) -> Iterable[Record]:
        """The objects concerned."""
        ...


class Inserted:
    """New rows. `noted` holds what each record had noted before, `filled` what the store gave."""

    __slots__ = ("_records", "filled", "noted")

    def __init__(
        self,
        records: Sequence[Record],
        noted: Sequence[dict[str, Any]],
        filled: Sequence[MappedColumn],
    ) -> None:
        self._records = records
        self.noted = noted
        self.filled = filled

    def records(self) -> Iterable[Record]:
        return self._records

    def undo(self, ledger: Ledger) -> None:
        for record, noted in zip(reversed(self._records), reversed(self.noted), strict=True):
            ledger.forget(record)
            for column in self.filled:
                unfill(record, column)
            if record.stored is State.DELETED:
                # Deleted after it was inserted, and neither holds: it is just an object again.
                ledger.delist(record)
                record.status = State.TRANSIENT
                record.home = None
            else:
                record.status = State.PENDING
                record.noted = {**(record.noted or {}), **noted}
                ledger.enlist(record)


class Updated:
    """Changed rows. `noted` holds what was noted before, `replaced` what the store overwrote."""

    __slots__ = ("_records", "noted", "replaced", "watched")

    def __init__(
        self,
        records: Sequence[Record],
        noted: Sequence[dict[str, Any]],
        replaced: Sequence[dict[MappedColumn, Any]],
        watched: Sequence[dict[str, Any] | None],
    ) -> None:
        self._records = records
        self.noted = noted
        self.replaced = replaced
        self.watched = watched

    def records(self) -> Iterable[Record]:
        return self._records

    def undo(self, ledger: Ledger) -> None:
        for record, noted, replaced, watched in zip(
            self._records, self.noted, self.replaced, self.watched, strict=True
        ):
            for column, value in replaced.items():
                write_slot(record.obj, column, value)
            record.watched = watched
            if record.noted is None:
                record.kept = {**(record.kept or {}), **noted}
            else:
                record.noted = {**record.noted, **noted}
            ledger.enlist(record)


class Deleted:
    """Deleted rows."""

    __slots__ = ("_records",)

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records

    def records(self) -> Iterable[Record]:
        return self._records

    def undo(self, ledger: Ledger) -> None:
        for record in self._records:
            if record.stored is State.PENDING:
                # Added again since: delete and insert cancel out, and the row still stands.
                ledger.delist(record)
                record.status = State.PERSISTENT
            else:
                record.status = State.DELETED
            record.gone = False
            ledger.identify(record)
            ledger.enlist(record)


class Forgotten:
    """Objects that a bulk statement expired or detached, with what they held."""

    __slots__ = ("_held", "_records", "_removed")

    def __init__(
        self,
        records: Sequence[Record],
        held: Sequence[dict[MappedColumn, Any]],
        *,
        removed: bool,
    ) -> None:
        self._records = records
        self._held = held
        self._removed = removed

    def records(self) -> Iterable[Record]:
        return self._records

    def undo(self, ledger: Ledger) -> None:
        for record, held in zip(self._records, self._held, strict=True):
            for column, value in held.items():
                write_slot(record.obj, column, value)
            mapper_of(record.obj).mark(record.obj)
            if self._removed:
                record.gone = False
                record.status = State.PERSISTENT
                ledger.identify(record)


class Memo:
    """What one record was at a moment: its status, its notes and every value."""

    __slots__ = ("noted", "status", "values", "watched")

    def __init__(self, record: Record, mapper: Mapper) -> None:
        self.status = record.stored
        notes = record.kept if record.noted is None else record.noted
        self.noted = dict(notes or {})
        self.watched = None if record.watched is None else dict(record.watched)
        self.values = [(column, read_slot(record.obj, column)) for column in mapper.columns]

    def restore(self, record: Record) -> None:
        """Make the record, and its object, that again."""
        for column, value in self.values:
            write_slot(record.obj, column, value)
        mapper_of(record.obj).mark(record.obj)
        record.status = State.PERSISTENT if self.status is State.DELETED else self.status
        record.noted = dict(self.noted)
        record.status = self.status
        record.watched = self.watched


class Frame:
    """What happened in memory since a transaction began or a savepoint was set.

    Attributes:
        entries: the writes, in the order they were made.
        memos: what every record that was not clean held when the savepoint was set.
        savepoint: the name of the savepoint, None for the transaction itself.
        opaque: statements ran, or locks were taken, that a second flush would not repeat.
        poison: the error that ended this frame's usefulness, if one did.
        is_block: the savepoint is a block's, and ends with it.
        callbacks: what to call once this is known to be committed.
        seen: objects that were loaded after an opaque write, and so may show what it wrote.
    """

    __slots__ = (
        "callbacks",
        "entries",
        "is_block",
        "memos",
        "opaque",
        "poison",
        "savepoint",
        "seen",
    )

    def __init__(self, savepoint: str | None = None) -> None:
        self.savepoint = savepoint
        self.entries: list[Entry] = []
        self.memos: dict[Record, Memo] = {}
        self.opaque = False
        self.poison: BaseException | None = None
        self.is_block = False
        self.callbacks: list[Callable[[], Any]] = []
        self.seen: list[Any] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written in it."""
        return not self.entries and not self.opaque

    def undo(self, ledger: Ledger) -> None:
        """Make the bookkeeping what it was when the frame was opened."""
        while self.entries:
            self.entries.pop().undo(ledger)

    def absorb(self, inner: Frame) -> None:
        """Take over what a released savepoint did."""
        self.entries.extend(inner.entries)
        self.opaque = self.opaque or inner.opaque
        self.callbacks.extend(inner.callbacks)
        self.seen.extend(inner.seen)


def unfill(record: Record, column: MappedColumn) -> None:
    """Take back a value that the store gave to a new object."""
    if column.primary_key and column.auto_increment:
        column.set_slot(record.obj, None)
        return
    column.unload(record.obj)
    column.mapper.mark_partial(record.obj)


def restore_values(record: Record) -> None:
    """Put the values back that the store holds, and forget that anything was changed."""
    obj = record.obj
    by_attribute = mapper_of(obj).by_attribute
    notes = record.kept if record.noted is None else record.noted
    for name, value in (notes or {}).items():
        write_slot(obj, by_attribute[name], value)
    if record.watched:
        for name, raw in record.watched.items():
            write_slot(obj, by_attribute[name], Raw(raw))
        record.watched = None
    record.kept = None
    if record.noted is not None:
        record.noted = {}
