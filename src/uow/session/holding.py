"""Putting what was loaded of relations where it belongs, in memory.

What was changed in memory and not flushed is true of what is loaded as well: an object that was
moved is where it was put, whatever the store says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from uow.mapping.relation import UNTOUCHED, Direction, Relation
from uow.tracking.members import Members, added_to, removed_of
from uow.tracking.relations import touch
from uow.tracking.state import State, read_slot

if TYPE_CHECKING:
    from uow.mapping.foreign_keys import ForeignKey
    from uow.mapping.mapper import MappedColumn
    from uow.mapping.paths import LoadStep
    from uow.session.ledger import Ledger

__all__ = ["Holder", "values_of"]


_UNSTORED: Final = frozenset({State.TRANSIENT, State.PENDING})
_ADD: Final[Callable[[list[Any], Any], None]] = list[Any].append


class Holder:
    """Relates objects of one session as the store says they are."""

    __slots__ = ("_ledger",)

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    # -- what is there

    @staticmethod
    def held(owners: Iterable[Any], relation: Relation) -> list[Any]:
        """What is related to objects, each once."""
        found: dict[int, Any] = {}
        for obj in owners:
            held = relation.held(obj)
            if held is None:
                continue
            if relation.many:
                for item in held:
                    found[id(item)] = item
            else:
                found[id(held)] = held
        return list(found.values())

    @staticmethod
    def missing(owners: Sequence[Any], step: LoadStep) -> tuple[list[Any], bool]:
        """The stored objects of which the relation is not loaded, or not as it is wanted.

        Returns:
            The objects, and whether nothing of the relation is loaded of any of them.
        """
        is_fresh = True
        relation = step.relation
        get = relation.get_slot
        missing: list[Any] = []
        for obj in owners:
            try:
                held = get(obj)
            except AttributeError:
                missing.append(obj)
                continue
            is_fresh = False
            if step.is_filtered or (type(held) is Members and held.is_partial):
                missing.append(obj)
            elif held is UNTOUCHED and relation.direction is Direction.TO_ONE:
                missing.append(obj)  # its key may have been set
        stored = State.PERSISTENT
        found = [o for o in missing if o._uow_state.stored is stored]
        if len(found) < len(missing):
            found = [o for o in missing if o._uow_state.stored not in _UNSTORED]
        return found, is_fresh

    def note(self, obj: Any, relation: Relation) -> None:
        """What is loaded may be what a rollback will undo; then it is forgotten with that."""
        if self._ledger.was_written:
            touch(obj, relation)

    # -- where the foreign key is here

    def hold_one(self, obj: Any, relation: Relation, parent: Any) -> None:
        """Relate one object to what its foreign key refers to."""
        self.note(obj, relation)
        relation.set_slot(obj, parent)
        back = relation.back
        if back is None or parent is None or back.many or back.is_loaded(parent):
            return
        self.note(parent, back)
        back.set_slot(parent, obj)

    # -- where it is there

    def hold_others(
        self,
        step: LoadStep,
        by_key: Mapping[Any, Any],
        values: Sequence[Any],
        children: Sequence[Any],
        *,
        is_fresh: bool = False,
    ) -> None:
        """Relate objects to those whose foreign keys refer to them.

        Args:
            step: what was loaded.
            by_key: the objects, by what foreign keys to them hold.
            values: what the foreign keys of the children hold, in the store.
            children: the objects that have them.
            is_fresh: nothing of the relation was loaded.
        """
        relation = step.relation
        moved = self._moved(cast("ForeignKey", relation.key))
        back = relation.back
        set_back = None if back is None else back.set_slot
        if relation.many and not (moved or step.is_filtered or self._ledger.was_written):
            lists = self._lists(relation, by_key, is_fresh)
            add = _ADD
            for value, child in zip(values, children, strict=True):
                add(lists[value], child)
            if set_back is not None:
                for obj, members in zip(by_key.values(), lists.values(), strict=True):
                    for child in members:
                        set_back(child, obj)
            return
        groups = _grouped(by_key, values, children)
        if moved:
            _regroup(groups, by_key, moved)
        for value, obj in by_key.items():
            items = groups[value]
            self.note(obj, relation)
            self._put(obj, step, items)
            if back is not None and set_back is not None:
                for item in items:
                    self.note(item, back)
                    set_back(item, obj)

    @staticmethod
    def _lists(
        relation: Relation, by_key: Mapping[Any, Any], is_fresh: bool
    ) -> dict[Any, Members[Any]]:
        """Give each object an empty list, by key; one that was loaded in part is emptied."""
        set_slot = relation.set_slot
        lists = {value: Members[Any](obj, relation) for value, obj in by_key.items()}
        for value, obj in () if is_fresh else by_key.items():
            old: Any = relation.held(obj)
            if type(old) is Members:
                lists[value] = old
                old.set_raw(())
                old.is_partial = False
        for value, obj in by_key.items():
            set_slot(obj, lists[value])
        return lists

    def _moved(self, key: ForeignKey) -> dict[int, tuple[Any, Any]]:
        """The objects whose foreign key is to refer to something else than the store says."""
        if not self._ledger.relates:
            return {}
        return {
            id(record.obj): (record.obj, record.moved[key])
            for record in self._ledger.records_moved()
            if record.moved is not None and key in record.moved
        }

    def _put(self, obj: Any, step: LoadStep, items: list[Any]) -> None:
        relation = step.relation
        if not relation.many:
            relation.set_slot(obj, items[0] if items else None)
            return
        held: Any = relation.held(obj)
        if isinstance(held, Members):
            held.set_raw(items)
        else:
            held = Members(obj, relation, items)
            relation.set_slot(obj, held)
        held.is_partial = step.is_filtered

    # -- where a link table is between

    def hold_linked(
        self,
        step: LoadStep,
        by_key: Mapping[Any, Any],
        values: Sequence[Any],
        items: Sequence[Any],
    ) -> None:
        """Relate objects through a link table; see `hold_others`."""
        groups = _grouped(by_key, values, items)
        linked = self._linked(step.relation)
        for value, obj in by_key.items():
            self.note(obj, step.relation)
            now = groups[value]
            pending = linked.get(id(obj))
            if pending is not None:
                added, removed = pending
                there = {id(item) for item in now}
                now = [item for item in now if id(item) not in removed]
                now += [item for key, item in added.items() if key not in there]
            self._put(obj, step, now)

    def _linked(self, relation: Relation) -> dict[int, tuple[dict[int, Any], set[int]]]:
        """What was linked and not flushed, from either side, by `id` of the owners."""
        found: dict[int, tuple[dict[int, Any], set[int]]] = {}
        if not self._ledger.relates:
            return found
        for record in self._ledger.records_moved():
            for one, members in (record.moved or {}).items():
                if not isinstance(one, Relation) or one.link is not relation.link:
                    continue
                obj = record.obj
                is_own = one.link_here is relation.link_here
                for changed, is_added in ((added_to(members), True), (removed_of(members), False)):
                    for item in changed:
                        owner, other = (obj, item) if is_own else (item, obj)
                        added, removed = found.setdefault(id(owner), ({}, set()))
                        if is_added:
                            added[id(other)] = other
                        else:
                            removed.add(id(other))
        return found


def values_of(obj: Any, columns: Sequence[MappedColumn]) -> Any:
    """What an object holds in one column, or a tuple for several."""
    if len(columns) == 1:
        return read_slot(obj, columns[0])
    return tuple([read_slot(obj, column) for column in columns])


def _grouped(
    by_key: Mapping[Any, Any], values: Sequence[Any], items: Sequence[Any]
) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = {value: [] for value in by_key}
    for value, item in zip(values, items, strict=True):
        if value in groups:
            groups[value].append(item)
    return groups


def _regroup(
    groups: dict[Any, list[Any]],
    by_key: Mapping[Any, Any],
    moved: Mapping[int, tuple[Any, Any]],
) -> None:
    """Put those where they are in memory that the store has elsewhere."""
    place_of = {id(obj): value for value, obj in by_key.items()}
    for value, items in groups.items():
        groups[value] = [item for item in items if id(item) not in moved]
    for child, parent in moved.values():
        value = place_of.get(id(parent))
        if value is not None:
            groups[value].append(child)
