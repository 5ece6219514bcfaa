"""Loaded relations follow a foreign key whose columns were set, when that is stored or read.

Setting a column moves nothing at once: what it refers to may not be known yet. When the flush has
written it, or the row was read again, what is loaded says the same on all sides: the relation is
the object that the key refers to, if the session has it, and else is no more loaded; lists lose
and gain the object.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from uow.mapping.relation import Direction, Relation
from uow.session.holding import values_of
from uow.tracking.relations import attach_follower, detach_from, touch
from uow.tracking.state import MISSING, Raw, Record

if TYPE_CHECKING:
    from uow.mapping.foreign_keys import ForeignKey
    from uow.mapping.mapper import MappedColumn, Mapper
    from uow.session.ledger import Ledger

__all__ = ["Followed", "Follower", "followed_by", "known_by"]

Followed: TypeAlias = dict["ForeignKey", list[Relation]]
"""Foreign keys, with the relations that stand on each, on both sides."""


def followed_by(columns: Iterable[MappedColumn], mapper: Mapper) -> Followed:
    """Give what follows when columns of a class are set."""
    found: Followed = {}
    for column in columns:
        own = mapper.by_attribute.get(column.attribute)
        for relation in () if own is None else own.followers:
            if relation.is_resolved and relation.key is not None:
                found.setdefault(relation.key, []).append(relation)
    return found


def known_by(
    ledger: Ledger, target: Mapper, columns: Sequence[MappedColumn], values: Iterable[Any]
) -> dict[Any, Any]:
    """Give the objects of a session that hold one of some values, by these.

    Args:
        ledger: the books of the session.
        target: the class of the objects.
        columns: what holds the values, one or several.
        values: a value each, or a tuple.
    """
    objects = ledger.of(target.root)
    if not objects:
        return {}
    class_ = target.class_
    keys = [column.attribute for column in target.root.key]
    if [column.attribute for column in columns] == keys:
        known = {value: objects.get(value) for value in values}
    else:
        wanted = set(values)
        held = ((values_of(obj, columns), obj) for obj in objects.values())
        known = {value: obj for value, obj in held if _is_whole(value) and value in wanted}
    return {value: obj for value, obj in known.items() if isinstance(obj, class_)}


def _is_whole(value: Any) -> bool:
    parts: tuple[Any, ...] = cast("Any", value) if isinstance(value, tuple) else (value,)
    return not any(part is None or part is MISSING or type(part) is Raw for part in parts)


class Follower:
    """Brings what is loaded in step with one foreign key.

    Args:
        ledger: the books of the session.
        key: the foreign key.
        relations: those that stand on it.
    """

    __slots__ = ("_here", "_key", "_ledger", "_there")

    def __init__(self, ledger: Ledger, key: ForeignKey, relations: Sequence[Relation]) -> None:
        self._ledger = ledger
        self._key = key
        self._here = next((one for one in relations if one.direction is Direction.TO_ONE), None)
        self._there = [one for one in relations if one is not self._here and not one.write_only]

    def follow(self, objects: Sequence[Any], before: Sequence[Any] | None) -> None:
        """The store holds now what the columns of objects hold.

        Args:
            objects: the objects that have the key.
            before: what the store held for each of them, as `values_of` gives it; None for new
                objects.
        """
        key, here = self._key, self._here
        moved = list[tuple[Any, Any, Any]]()
        for number, obj in enumerate(objects):
            state = obj._uow_state
            if type(state) is Record and state.moved is not None and key in state.moved:
                continue  # it was related to something else meanwhile
            now = values_of(obj, key.columns)
            held = None if here is None else here.held(obj)
            if held is not None and values_of(held, key.target_columns) == now:
                continue
            old = MISSING if before is None else before[number]
            if now != old or held is not None:
                moved.append((obj, old, now))
        if not moved:
            return
        target = key.target if here is None else here.target
        sought = {value for _, old, now in moved for value in (old, now) if _is_whole(value)}
        known = known_by(self._ledger, target, key.target_columns, sought)
        for obj, old, now in moved:
            new = known.get(now)
            self._leave(obj, known.get(old), new)
            self._arrive(obj, new, is_known=new is not None or not _is_whole(now))

    def _leave(self, obj: Any, old: Any, new: Any) -> None:
        held = None if self._here is None else self._here.held(obj)
        for parent in {id(one): one for one in (old, held)}.values():
            if parent is not None and parent is not new:
                for relation in self._there:
                    detach_from(parent, relation, obj)

    def _arrive(self, obj: Any, new: Any, *, is_known: bool) -> None:
        here = self._here
        if here is not None and (here.is_loaded(obj) or new is not None):
            touch(obj, here)
            if is_known:
                here.set_slot(obj, new)
            else:
                here.unload(obj)
        if new is not None:
            for relation in self._there:
                attach_follower(new, relation, obj)
