"""`insert(Author).from_select(...)`: rows that the store makes of rows it has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, cast

from uow.errors import QueryError
from uow.expressions.nodes import ColumnExpression, Expression, Literal
from uow.mapping.columns import MISSING
from uow.mapping.mapper import MappedColumn, Mapper
from uow.mapping.versions import FIRST_VERSION
from uow.query.assignments import stored_expression
from uow.query.executable import Executable
from uow.query.sources import column_of
from uow.query.statements import Insert, Select
from uow.types import Integer

__all__ = ["insert_select"]

_ALIKE: Final = (list, dict, set)


def insert_select(
    mapper: Mapper, fields: Iterable[object], query: object
) -> tuple[Insert, frozenset[MappedColumn]]:
    """Make the tree of INSERT .. SELECT.

    Args:
        mapper: of the class whose rows are made.
        fields: what the columns of the query are for, in order: names of attributes, or columns.
        query: what gives the rows; one for objects gives all their columns.

    Returns:
        The tree, and the columns that were given and did not come from a default.

    Raises:
        QueryError: fields and columns do not fit, or a field that has to be given is missing.
    """
    kind = type(query).__name__
    select = query.statement if isinstance(query, Executable) else None
    if not isinstance(select, Select):
        raise QueryError(f"from_select takes a query, not a {kind}")
    if isinstance(fields, str) or not isinstance(fields, Iterable):
        raise QueryError("from_select takes a list of fields and a query")
    columns = [column_of(mapper, field) for field in fields]
    if len(set(columns)) < len(columns):
        raise QueryError("from_select: a field is given twice")
    given = _selected(select)
    if not columns or len(given) != len(columns):
        raise QueryError(
            f"from_select: {len(columns)} fields for the {len(given)} columns of the query"
        )
    values = [stored_expression(c, value) for c, value in zip(columns, given, strict=True)]
    named = frozenset(columns)
    for column in mapper.columns:
        if column not in named and (default := _default(column)) is not None:
            columns.append(column)
            values.append(default)
    tree = select.replace(entity=None, columns=tuple(values))
    return Insert(mapper, tuple(columns), (), select=tree), named


def _selected(select: Select) -> tuple[Expression[Any], ...]:
    mapper, entity = select.entity_mapper, select.entity
    if mapper is None or entity is None:
        return select.columns
    return tuple(ColumnExpression(column, entity) for column in mapper.columns)


def _default(column: MappedColumn) -> Literal[Any] | None:
    """Give the value of a field that was not named, the same in every row; None: the store's."""
    if column.default is not MISSING:
        if column.default is None and not column.nullable:
            return None  # a generated key, or one that only objects may lack
        return Literal(column.default, column.type)
    if column.default_factory in _ALIKE:
        make = cast("Any", column.default_factory)
        return Literal(make(), column.type)
    if column.default_factory is not None:
        raise QueryError(
            f"from_select: {column} has a value of its own in each row, made in Python; let the "
            "query select one"
        )
    if column.version and isinstance(column.type, Integer):
        return Literal(FIRST_VERSION, column.type)
    if column.is_required:
        raise QueryError(f"from_select: {column} is required")
    return None
