"""From a query to the bulk statement that changes or deletes what it finds."""

from __future__ import annotations

from typing import Any

from uow.errors import QueryError
from uow.expressions.alias import TableAlias
from uow.expressions.nodes import Expression, InSubquery, RowValue
from uow.mapping.inheritance import Inheritance
from uow.mapping.mapper import Mapper
from uow.query.assignments import assigned, with_version
from uow.query.changes import Changes, changes_of
from uow.query.sources import key_columns, mapper_in
from uow.query.statements import Delete, Select, Update

__all__ = ["delete_of", "refuse_whole_table", "update_of"]


def update_of(select: Select, changes: tuple[object, ...], *, is_all: bool) -> Update:
    """Turn a query into an UPDATE of what it finds.

    Raises:
        QueryError: there is no filter and `is_all` is false; or the changes do not fit.
    """
    mapper = _mapper(select, "update")
    if mapper.document is None:
        if len(changes) != 1:
            raise QueryError(f"update of {mapper.name} takes one mapping of fields to new values")
        found = Changes(assigned(mapper, changes[0]), {})
    else:
        found = changes_of(mapper, changes)
    if not (found.assignments or found.operators or found.pipeline):
        raise QueryError(f"update of {mapper.name} without any new value")
    where = _where(select, mapper, "update", is_all=is_all)
    return Update(
        mapper,
        with_version(mapper, found.assignments),
        where,
        operators=found.operators,
        pipeline=found.pipeline,
    )


def delete_of(select: Select, *, is_all: bool) -> Delete:
    """Turn a query into a DELETE of what it finds.

    Raises:
        QueryError: there is no filter and `is_all` is false.
    """
    mapper = _mapper(select, "delete")
    return Delete(mapper, _where(select, mapper, "delete", is_all=is_all))


def refuse_whole_table(mapper: Mapper, verb: str, how: str) -> QueryError:
    """Make the error of a bulk statement without a filter."""
    return QueryError(f"{verb} of every {mapper.name} was not asked for: filter it, or say {how}")


def _mapper(select: Select, verb: str) -> Mapper:
    entity = select.entity
    if entity is None or isinstance(entity, TableAlias):
        raise QueryError(f"{verb} works on the rows of a mapped class itself, not of an alias")
    mapper = mapper_in(entity)
    hierarchy = mapper.hierarchy
    if hierarchy is not None and hierarchy.kind is Inheritance.CONCRETE:
        classes = mapper.family if select.classes is None else select.classes
        if classes != (mapper,):
            raise QueryError(
                f"{verb} of {mapper.name} is about one table: say with_children(False), and the "
                "same of the other classes"
            )
    return mapper


def _where(
    select: Select, mapper: Mapper, verb: str, *, is_all: bool
) -> tuple[Expression[Any], ...]:
    is_part = select.limit is not None or select.froms != (mapper,)
    if not (select.where or is_part or is_all):
        raise refuse_whole_table(mapper, verb, "all=True")
    # Conditions of a query that fetches links may look into linked documents.
    is_plain = select.froms == (mapper,) and not select.joins and not select.links
    if is_plain and select.limit is None and select.offset is None:
        return select.where
    # What the statement cannot say (joins, links, a limit) is said by a subquery for the keys.
    keys = key_columns(mapper)
    found = select.replace(entity=None, columns=keys, for_update=None)
    if found.limit is None and found.offset is None:
        found = found.replace(order_by=())
    operand = keys[0] if len(keys) == 1 else RowValue(keys)
    return (InSubquery(operand, found),)
