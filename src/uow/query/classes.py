"""Which classes of a hierarchy a query for objects is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from uow.errors import QueryError
from uow.expressions.functions import and_, or_
from uow.expressions.nodes import ColumnExpression, Expression
from uow.mapping.inheritance import Inheritance
from uow.mapping.mapper import Mapper
from uow.query.statements import Select
from uow.query.tables import Source

__all__ = ["of_classes", "without_children"]


def without_children(select: Select) -> Select:
    """Leave out objects of classes below those that are asked for."""
    mapper = select.entity_mapper
    if mapper is None or mapper.hierarchy is None:
        return select
    present = mapper.family if select.classes is None else select.classes
    return _narrowed(select, mapper, [one for one in present if one.parent not in present])


def of_classes(select: Select, chosen: Sequence[Mapper]) -> Select:
    """Keep objects of some classes, and of those below these.

    Raises:
        QueryError: one of them is not below the class that is asked for; or there are none.
    """
    mapper = select.entity_mapper
    if mapper is None:
        raise QueryError("of_type is for queries for objects")
    if not chosen:
        raise QueryError("of_type takes a class, one at least")
    for one in chosen:
        if one not in mapper.family:
            raise QueryError(f"of_type: {one.name} is no class below {mapper.name}")
    wanted = {below for one in chosen for below in one.family}
    return _narrowed(select, mapper, [one for one in mapper.family if one in wanted])


def _narrowed(select: Select, mapper: Mapper, wanted: Sequence[Mapper]) -> Select:
    present = mapper.family if select.classes is None else select.classes
    classes = tuple([one for one in present if one in wanted])
    if classes == mapper.family or select.entity is None:
        return select
    if not classes:
        raise QueryError(f"of_type: no class is left of those below {mapper.name}")
    condition = _condition(mapper, select.entity, classes)
    where = select.where if condition is None else (*select.where, condition)
    return select.replace(classes=classes, where=where)


def _condition(
    mapper: Mapper, source: Source, classes: Sequence[Mapper]
) -> Expression[bool] | None:
    """The condition that a row is of one of these classes; None where the tables say it."""
    hierarchy, discriminator = mapper.hierarchy, mapper.discriminator
    if hierarchy is None or hierarchy.kind is Inheritance.CONCRETE:
        return None
    if discriminator is not None:
        values = [one.discriminator_value for one in classes]
        return ColumnExpression[Any](discriminator, source).in_(values)
    wanted = set(classes)
    found: list[Expression[bool]] = []
    for one in classes:
        if one.parent in wanted and one is not mapper:
            continue  # who is of it is of its parent, which is asked for
        found.append(_is_of(one, mapper, source, wanted))
    return or_(*found)


def _is_of(one: Mapper, mapper: Mapper, source: Source, wanted: set[Mapper]) -> Expression[bool]:
    """A row has its row in the table of a class, and in none of a class that is not wanted."""
    conditions: list[Expression[bool]] = []
    if one is not mapper:
        conditions.append(_key(one, source).is_not_null())
    absent = [b for b in one.family[1:] if b not in wanted and b.parent in wanted]
    conditions += [_key(below, source).is_null() for below in absent]
    if not conditions:
        return _key(one, source).is_not_null()
    return and_(*conditions)


def _key(mapper: Mapper, source: Source) -> ColumnExpression[Any]:
    return ColumnExpression(mapper.tables[-1].key[0], source)
