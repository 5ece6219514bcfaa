"""What a flush deletes or sets free because something else is deleted.

What is not loaded is read here, before the plan is made: `passive` relations, and keys by which
the store deletes or sets free on its own, leave that to the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from uow.mapping.foreign_keys import ForeignKey
from uow.mapping.mapper import Mapper, mapper_of
from uow.mapping.paths import LoadStep
from uow.mapping.relation import Direction, Relation
from uow.query.related import select_related
from uow.session.loading import Loader
from uow.session.moves import place_of
from uow.session.reading import Reader
from uow.tracking.journal import CARRIED_ON
from uow.tracking.members import note_removed
from uow.tracking.relations import held_members, move, on, touch
from uow.tracking.state import State, read_slot, state_of

if TYPE_CHECKING:
    from uow.session.unit import Unit

__all__ = ["gather"]


async def gather(unit: Unit) -> dict[Any, Any]:
    """Mark what is to be deleted with others, and set free what loses its owner.

    Returns:
        Rows of link tables with a key of their own that are to be deleted, by the pair they link.
    """
    ledger = unit.ledger
    loader = Loader(unit, Reader(unit))
    done: set[int] = set()
    while True:
        is_more = _delete_orphans(unit)
        owners = [record.obj for record in ledger.deleted if id(record.obj) not in done]
        if not owners and not is_more:
            break
        done.update(map(id, owners))
        for relation, group in _by_relation(owners):
            related = await _related(unit, loader, relation, group)
            for owner, items in zip(group, related, strict=True):
                for item in items:
                    _let_go_of(unit, owner, relation, item)
    return await _links_with_keys(unit, loader)


def _delete_orphans(unit: Unit) -> bool:
    """Delete what was taken out of a list that deletes orphans, and put nowhere else."""
    ledger = unit.ledger
    found = False
    for record in ledger.records_moved():
        if record.stored not in {State.PENDING, State.PERSISTENT}:
            continue
        for key, parent in (record.moved or {}).items():
            if parent is None and isinstance(key, ForeignKey) and _deletes_orphans(key):
                ledger.delete(record.obj)
                found = True
                break
    return found


def _deletes_orphans(key: ForeignKey) -> bool:
    key.target.configure()
    return any(
        relation.key is key and relation.deletes_orphans
        for mapper in (key.target, *_heirs(key.target))
        for relation in mapper.relations.values()
    )


def _heirs(mapper: Mapper) -> list[Mapper]:
    return [one for one in mapper.registry.mappers() if mapper in one.lineage and one is not mapper]


def _by_relation(owners: Sequence[Any]) -> list[tuple[Relation, list[Any]]]:
    groups: dict[Relation, list[Any]] = {}
    for obj in owners:
        for relation in mapper_of(obj).relations.values():
            groups.setdefault(relation, []).append(obj)
    return list(groups.items())


async def _related(
    unit: Unit, loader: Loader, relation: Relation, owners: list[Any]
) -> list[list[Any]]:
    """What is related to objects that are deleted, as far as it concerns the flush."""
    if relation.direction is Direction.TO_ONE and not relation.deletes:
        return [[] for _ in owners]
    if _is_needed(relation):
        if relation.write_only:
            return await _unread(unit, relation, owners)
        missing = [obj for obj in owners if not relation.is_loaded(obj)]
        if missing:
            await unit.begin()
            await loader.relation(missing, LoadStep(relation))
    return [held_members(obj, relation) for obj in owners]


def _is_needed(relation: Relation) -> bool:
    """Whether related objects that are not loaded have to be read."""
    if relation.spec.passive:
        return False
    if relation.direction is Direction.TO_ONE:
        return True
    if relation.direction is Direction.THROUGH:
        return cast("ForeignKey", relation.link_here).on_delete != "CASCADE"
    if relation.deletes:
        return True
    key = cast("ForeignKey", relation.key)
    return key.on_delete not in CARRIED_ON and _is_nullable(key)


def _is_nullable(key: ForeignKey) -> bool:
    return all(column.nullable for column in key.columns)


async def _unread(unit: Unit, relation: Relation, owners: list[Any]) -> list[list[Any]]:
    """Read what is in lists that are never loaded."""
    if relation.direction is Direction.THROUGH:
        return [[] for _ in owners]
    await unit.begin()
    key = cast("ForeignKey", relation.key)
    reader = Reader(unit)
    answer: list[list[Any]] = []
    for obj in owners:
        values = [read_slot(obj, column) for column in key.target_columns]
        sought = values[0] if len(values) == 1 else tuple(values)
        found = await reader.select(select_related(relation, key.columns, [sought]))
        waiting = held_members(obj, relation)
        answer.append([*found, *(one for one in waiting if one not in found)])
    return answer


def _let_go_of(unit: Unit, owner: Any, relation: Relation, item: Any) -> None:
    """The owner of an object is deleted."""
    ledger = unit.ledger
    state = state_of(item)
    if state.owner is not ledger or state.stored is State.DELETED:
        return
    if relation.direction is Direction.THROUGH:
        if cast("ForeignKey", relation.link_here).on_delete != "CASCADE":
            held = relation.held(owner)
            note_removed(held, item)
            ledger.note_unlinked(relation, owner, item)
        return
    if relation.deletes:
        ledger.delete(item)
        return
    key = cast("ForeignKey", relation.key)
    if relation.direction is not Direction.FROM_OTHERS or not _is_nullable(key):
        return
    back = None if relation.back is None else on(item, relation.back)
    if back is not None and back.is_loaded(item):
        if back.held(item) is not owner:
            return
        touch(item, back)
        back.set_slot(item, None)
    move(item, key, None)
    ledger.relates = True


async def _links_with_keys(unit: Unit, loader: Loader) -> dict[Any, Any]:
    """The rows to delete of link tables whose key does not follow from what they link."""
    pairs: dict[Relation, list[tuple[Any, Any]]] = {}
    for relation, owner, item in unit.ledger.unlinked():
        link = cast("Mapper", relation.link)
        ends = {
            *cast("ForeignKey", relation.link_here).columns,
            *cast("ForeignKey", relation.link_there).columns,
        }
        if not ends.issuperset(link.key) or link.version is not None:
            pairs.setdefault(relation, []).append((owner, item))
    found: dict[Any, Any] = {}
    for relation, group in pairs.items():
        await unit.begin()
        rows = await loader.links(relation, group)
        for owner, item in group:
            row = rows.get((id(owner), id(item)))
            if row is not None:
                found[place_of(relation, owner, item)] = row
    return found
