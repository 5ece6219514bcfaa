"""What a flush writes because of relations: foreign keys, and rows of link tables.

`Moves` are made with the plan, in memory only, and can be taken back. The key of a new row that
the store makes is not known yet: it is promised, see `late`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from uow.mapping.columns import MISSING
from uow.mapping.foreign_keys import ForeignKey
from uow.mapping.mapper import mapper_of
from uow.mapping.relation import Relation
from uow.session.late import NOTHING_LATE, LateKeys
from uow.tracking.relations import detach_from, on, touch
from uow.tracking.state import (
    TRANSIENT,
    Raw,
    Record,
    State,
    read_slot,
    record_of,
    same_value,
    set_state,
    state_of,
    write_slot,
)

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn
    from uow.session.ledger import Ledger
    from uow.session.plan import Problems
    from uow.tracking import journal

__all__ = ["Moves", "drop_deleted", "place_of"]


class Moves:
    """The foreign keys and link rows that follow from relations; an entry of the journal.

    Attributes:
        late: the columns of objects that get the keys of new rows, when those are stored.
        links: rows of link tables to insert and delete, as objects made for this flush.
    """

    __slots__ = ("_is_taken", "_ledger", "_lists", "_moved", "_slots", "late", "links")

    def __init__(self, ledger: Ledger, late: LateKeys = NOTHING_LATE) -> None:
        self._ledger = ledger
        self._moved: list[tuple[Any, dict[Any, Any]]] = []
        self._slots: list[tuple[Any, MappedColumn, Any]] = []
        self._lists: list[tuple[Any, dict[int, Any] | None, dict[int, Any] | None]] = []
        self._is_taken = False
        self.late = late or LateKeys()
        self.links: list[Any] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing follows from relations."""
        return not (self._moved or self.links)

    @property
    def objects(self) -> Sequence[Any]:
        """The objects concerned."""
        return [obj for obj, _ in self._moved]

    # -- before the plan

    def make(self, problems: Problems, found_links: Mapping[Any, Any]) -> None:
        """Write the keys into the objects, and make the rows of link tables.

        Args:
            problems: takes what is wrong.
            found_links: rows of link tables that have a key of their own, by the pair they link.
        """
        ledger = self._ledger
        pairs: dict[Any, tuple[Relation, Any, Any, bool]] = {}
        waiting: list[Record] = []
        for record in ledger.records_moved():
            if record.stored is State.DELETED:
                continue
            moved = record.moved or {}
            self._moved.append((record.obj, dict(moved)))
            waiting.append(record)
            for relation, members in moved.items():
                if isinstance(relation, Relation):
                    self._lists.append((members, members.added, members.removed))
                    _collect_pairs(relation, members, pairs)
        for place, (relation, owner, item, is_added) in pairs.items():
            if is_added and State.DELETED in {state_of(owner).stored, state_of(item).stored}:
                continue  # it goes before it is linked
            if is_added:
                self.links.append(self._new_link(relation, owner, item))
                waiting.append(record_of(self.links[-1]))
            else:
                self._delete_link(relation, owner, item, found_links.get(place))
        for relation, owner, item in ledger.freed:
            place = place_of(relation, owner, item)
            if place not in pairs:
                pairs[place] = (relation, owner, item, False)
                self._delete_link(relation, owner, item, found_links.get(place))
        self._write_keys(waiting, problems)

    def _new_link(self, relation: Relation, owner: Any, item: Any) -> Any:
        link: Any = relation.link
        link.configure()
        values: dict[str, Any] = {}
        for column in link.columns:
            if column.default_factory is not None:
                values[column.attribute] = column.default_factory()
            elif column.default is not MISSING:
                values[column.attribute] = column.default
            elif column.auto_increment or (column.nullable and not column.is_made_by_store):
                values[column.attribute] = None
        obj = link.new(values)
        self._ledger.enter(obj)
        record_of(obj).moved = {relation.link_here: owner, relation.link_there: item}
        return obj

    def _delete_link(self, relation: Relation, owner: Any, item: Any, found: Any) -> None:
        gone = self._old_link(relation, owner, item, found)
        if gone is not None:
            self.links.append(gone)

    def _old_link(self, relation: Relation, owner: Any, item: Any, found: Any) -> Any:
        """The object of a row to delete; None if it is deleted already."""
        ledger, link = self._ledger, relation.link
        assert link is not None  # noqa: S101 - it is a relation through one
        if found is None:
            values: dict[str, Any] = {}
            for key, end in ((relation.link_here, owner), (relation.link_there, item)):
                assert key is not None  # noqa: S101 - as above
                for column, target in zip(key.columns, key.target_columns, strict=True):
                    values[column.attribute] = read_slot(end, target)
            parts = [values.get(column.attribute, MISSING) for column in link.key]
            if MISSING in parts or None in parts:
                return None  # it had no row
            found = ledger.of(link.root).get(parts[0] if len(parts) == 1 else tuple(parts))
            if found is None:
                found = link.new(values)
                set_state(found, ledger.stored)
        if state_of(found).stored is not State.PERSISTENT:
            return None
        ledger.mark_deleted(found)
        return found

    def _write_keys(self, records: Iterable[Record], problems: Problems) -> None:
        """Give the columns of foreign keys their values, those of parents first."""
        todo = {id(record.obj): record for record in records}
        stack: list[Record] = []
        while todo or stack:
            if not stack:
                stack.append(todo.pop(next(iter(todo))))
            record = stack[-1]
            parents = [
                todo.pop(id(parent))
                for key, parent in (record.moved or {}).items()
                if isinstance(key, ForeignKey) and id(parent) in todo
            ]
            if parents:
                stack.extend(parents)
                continue
            stack.pop()
            for key, parent in (record.moved or {}).items():
                if isinstance(key, ForeignKey):
                    self._write_key(record, key, parent, problems)

    def _write_key(self, record: Record, key: ForeignKey, parent: Any, problems: Problems) -> None:
        child = record.obj
        if parent is not None and not self._is_at_hand(record, key, parent, problems):
            return
        own = child._uow_mapper.by_attribute
        for referring, target in zip(key.columns, key.target_columns, strict=True):
            column = own[referring.attribute]  # in a hierarchy each class has columns of its own
            is_late = parent is not None and self._is_late(parent, target)
            value = None if parent is None else read_slot(parent, target)
            if not is_late and (value is MISSING or type(value) is Raw):
                problems.add(child, f"{column}: {target} of the related object is not loaded")
                continue
            held = read_slot(child, column)
            if not is_late and same_value(held, value):
                continue
            if self._is_given(record, column, held):
                problems.add(
                    child,
                    f"{column} was set to another value than the relation over it says; set one "
                    "of them",
                )
                continue
            if is_late:
                self.late.promise(child, column, parent, target)
                continue
            if value is None and not column.nullable:
                if record.stored is State.PERSISTENT or held is not MISSING:
                    problems.add(
                        child,
                        f"{column} cannot be null, but its relation was set to None; relate "
                        "something else, delete the object, or say cascade='all, delete-orphan'",
                    )
                continue
            is_noted = record.noted is not None and column.attribute in record.noted
            if record.stored is State.PERSISTENT and not is_noted:
                record.note(child, column.attribute, value)
            self._slots.append((child, column, held))
            column.set_slot(child, value)

    def _is_late(self, parent: Any, target: MappedColumn) -> bool:
        """Whether a column of an object gets its value when its row, or another one, is stored."""
        column = parent._uow_mapper.by_attribute[target.attribute]
        if column in self.late.of(parent):
            return True
        value = read_slot(parent, column)
        if (value is not None and value is not MISSING) or not column.is_made_by_store:
            return False
        return state_of(parent).stored is State.PENDING

    def _is_at_hand(self, record: Record, key: ForeignKey, parent: Any, problems: Problems) -> bool:
        state = state_of(parent)
        if state.owner is self._ledger and state.stored in {State.PENDING, State.PERSISTENT}:
            return True
        if state.status is State.DETACHED and state.stored is State.PERSISTENT:
            return True  # its key is known
        why = "is deleted" if state.stored is State.DELETED else "is in no session; add it"
        columns = ", ".join(map(str, key.columns))
        problems.add(record.obj, f"{columns}: {parent!r}, which it is related to, {why}")
        return False

    @staticmethod
    def _is_given(record: Record, column: MappedColumn, held: Any) -> bool:
        """Whether the user set the column, besides the relation."""
        if held is None or held is MISSING:
            return False
        if record.stored is not State.PERSISTENT:
            return True
        old = (record.noted or {}).get(column.attribute, MISSING)
        return old is not MISSING and not same_value(old, held)

    # -- after it

    def take_back(self) -> None:
        """Nothing will be sent: memory is what it was."""
        for obj, column, old in reversed(self._slots):
            write_slot(obj, column, old)
        for obj in self.links:
            self._drop(obj)

    def settle_nothing(self) -> None:
        """Nothing differs from the store, so nothing is noted any more."""
        for obj, _ in self._moved:
            record_of(obj).moved = None

    def take(self, entries: list[journal.Entry]) -> None:
        """What is noted belongs to the flush from now on."""
        self._is_taken = True
        for obj, _ in self._moved:
            record_of(obj).moved = None
        for members, _, _ in self._lists:
            members.added = members.removed = None
        for obj in self.links:
            record_of(obj).moved = None
        entries.append(self)

    def undo(self, ledger: journal.Ledger) -> None:
        """Note again what is to be written; see `uow.tracking.journal.Entry`."""
        self.take_back()
        for members, added, removed in self._lists:
            for item in (removed or {}).values():
                _put_back(members, item, is_added=False)
            for item in (added or {}).values():
                _put_back(members, item, is_added=True)
        for obj, moved in self._moved:
            record = ledger.own(obj)
            record.moved = {**moved, **(record.moved or {})}
            mapper_of(obj).mark(obj)
            if record.stored is State.PERSISTENT:
                ledger.enlist(record)

    def _drop(self, obj: Any) -> None:
        """Let go of an object that was made for one flush."""
        ledger = self._ledger
        record = ledger.own(obj)
        if (
            record.stored is State.DELETED
            and ledger.of(obj._uow_mapper.root).get(obj._uow_mapper.identity(obj)) is obj
        ):
            record.become(State.PERSISTENT)  # it is a user's
            ledger.delist(record)
            ledger.settle(record)
            return
        ledger.delist(record)
        if all(column.is_loaded(obj) for column in obj._uow_mapper.key):
            ledger.forget(obj)
        set_state(obj, TRANSIENT)

    # -- when it is sent

    def settle(self) -> None:
        """All is written: objects are complete, and link rows are let go."""
        for obj, column, _ in self._slots:
            if type(obj) is column.mapper.partial:
                mapper_of(obj).mark(obj)
        for obj in self.links:
            if obj._uow_mapper.is_link:
                self._ledger.forget(obj)
                set_state(obj, TRANSIENT)


def _put_back(members: Any, item: Any, *, is_added: bool) -> None:
    notes = members.added if is_added else members.removed
    others = members.removed if is_added else members.added
    if others is not None and id(item) in others:
        del others[id(item)]
        return
    if notes is None:
        notes = {}
        if is_added:
            members.added = notes
        else:
            members.removed = notes
    notes[id(item)] = item


def place_of(relation: Relation, owner: Any, item: Any) -> Any:
    """What a pair of objects is called, from whichever side."""
    ends = {id(relation.link_here): id(owner), id(relation.link_there): id(item)}
    return relation.link, frozenset(ends.items())


def _collect_pairs(relation: Relation, members: Any, pairs: dict[Any, Any]) -> None:
    owner = members.owner
    for items, is_added in ((members.added, True), (members.removed, False)):
        found: dict[int, Any] = items or {}
        for item in found.values():
            pairs.setdefault(place_of(relation, owner, item), (relation, owner, item, is_added))


def drop_deleted(obj: Any, ledger: Ledger) -> None:
    """A row is deleted: take its object out of the lists of those it is related to."""
    for relation in obj._uow_mapper.relations.values():
        back = relation.back
        if back is None:
            continue
        held = relation.held(obj)
        if held is None:
            continue
        others = list(held) if relation.many and not relation.write_only else [held]
        if relation.write_only:
            continue
        for other in others:
            found = on(other, back)
            if found is not None and ledger.holds(other):
                _take_out(other, found, obj)


def _take_out(owner: Any, relation: Relation, item: Any) -> None:
    held = relation.held(owner)
    if held is None:
        return
    if relation.key is not None:
        detach_from(owner, relation, item)
        return
    touch(owner, relation)
    held.take_raw(item)
