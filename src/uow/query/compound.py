"""Set operations: several queries made one, which goes on like any other."""

from __future__ import annotations

from typing import Any

from uow.errors import QueryError
from uow.expressions.nodes import ColumnExpression, InSubquery, RowValue
from uow.mapping.inheritance import Inheritance
from uow.mapping.mapper import Mapper
from uow.query.named import check_alike, fields_of
from uow.query.sources import key_columns
from uow.query.statements import Select
from uow.query.tables import Compound, DerivedTable, QueryTable, SetOperator, Source

__all__ = ["combined"]


def combined(operator: SetOperator, queries: list[Select], verb: str) -> Select:
    """Make one select of several.

    The set operation stands in FROM, so whatever is asked of the result (order, limit, filter,
    count) is asked of the whole: the class stands for the rows of it, or the columns of the first
    query for those of the whole.

    Raises:
        QueryError: the queries do not give the same objects, or columns.
    """
    first = queries[0]
    entity, mapper = first.entity, first.entity_mapper
    if any(query.entity_mapper is not mapper for query in queries):
        raise QueryError(f"{verb} takes queries for the same class, or for columns all of them")
    if len(queries) < 2:
        raise QueryError(f"{verb} takes another query")
    check_alike(queries, verb)
    if entity is not None and mapper is not None and mapper.hierarchy is not None:
        return _by_key(operator, queries, entity, mapper, verb)
    compound = Compound(operator, tuple(queries))
    if entity is not None:
        return Select(entity=entity, froms=(DerivedTable(compound, stands_for=entity),))
    table = QueryTable(compound, None, fields_of(first, verb), is_open=True)
    columns: tuple[ColumnExpression[Any], ...] = tuple(
        ColumnExpression(field, table) for field in table.fields.values()
    )
    return Select(columns=columns, froms=(table,))


def _by_key(
    operator: SetOperator, queries: list[Select], entity: Source, mapper: Mapper, verb: str
) -> Select:
    """Make one select for the objects of a hierarchy: the set is one of keys.

    A row may be of several classes, and be in several tables; the key tells what it is.
    """
    if operator is SetOperator.UNION_ALL:
        raise QueryError(
            f"{verb} gives rows twice, and objects of a hierarchy are there once: union"
        )
    if mapper.hierarchy is not None and mapper.hierarchy.kind is Inheritance.CONCRETE:
        raise QueryError(f"{verb} is not for the classes of a concrete hierarchy: no key is theirs")
    classes = queries[0].classes
    if any(query.classes != classes for query in queries):
        raise QueryError(f"{verb} takes queries for the same classes")
    parts = [query.replace(entity=None, columns=key_columns(entity)) for query in queries]
    table = QueryTable(Compound(operator, tuple(parts)), None, fields_of(parts[0], verb))
    keys = key_columns(entity)
    found = Select(
        columns=tuple([ColumnExpression[Any](field, table) for field in table.fields.values()]),
        froms=(table,),
    )
    operand = keys[0] if len(keys) == 1 else RowValue(keys)
    where = (InSubquery(operand, found),)
    return Select(entity=entity, froms=(entity,), where=where, classes=classes)
