"""`merge`: the values of objects from elsewhere, on those of this session with their keys."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from uow.errors import StaleObjectError
from uow.mapping.mapper import mapper_of
from uow.mapping.paths import LoadStep
from uow.mapping.relation import UNTOUCHED, Direction
from uow.tracking.relations import reached
from uow.tracking.state import state_of

if TYPE_CHECKING:
    from uow.session.session import Session

__all__ = ["merge"]


async def merge(session: Session, obj: Any) -> Any:
    """Copy an object and what is merged with it; see `Session.merge`."""
    here: dict[int, Any] = {}
    sources = reached([obj], "merge", stop=session.__contains__)
    for source in sources:
        here[id(source)] = source if source in session else await _copied(session, source)
    for source in sources:
        if here[id(source)] is not source:
            await _relate(session, source, here)
    return here[id(obj)]


async def _copied(session: Session, obj: Any) -> Any:
    mapper = mapper_of(obj)
    state_of(obj)
    values = {
        column: deepcopy(getattr(obj, column.attribute))
        for column in mapper.columns
        if column.is_loaded(obj)
    }
    target = None
    if all(values.get(column) is not None for column in mapper.key):
        target = await session.get(mapper.class_, mapper.identity(obj))
    if target is None:
        fresh = mapper.class_(
            **{
                column.attribute: value
                for column, value in values.items()
                if column.generated is None
            }
        )
        session.add(fresh)
        return fresh
    version = mapper.version
    if version is not None and values.get(version) not in (None, version.get_slot(target)):
        raise StaleObjectError(
            f"the version of {obj!r} is not the one in this session", objects=[target]
        )
    for column, value in values.items():
        if not column.primary_key and column is not version and column.generated is None:
            setattr(target, column.attribute, value)
    return target


async def _relate(session: Session, source: Any, here: dict[int, Any]) -> None:
    """Relate the copies as the objects are that they were made of."""
    target = here[id(source)]
    for relation in mapper_of(source).relations.values():
        if "merge" not in relation.cascade or relation.write_only:
            continue
        if not relation.is_loaded(source) or relation.get_slot(source) is UNTOUCHED:
            continue
        held = relation.held(source)
        if not relation.is_loaded(target) and relation.direction is not Direction.TO_ONE:
            await session.load_steps([target], LoadStep(relation))
        if relation.many:
            setattr(target, relation.name, [here[id(item)] for item in held])
        else:
            setattr(target, relation.name, None if held is None else here[id(held)])
