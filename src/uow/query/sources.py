"""From what a user writes to what a tree holds: classes to tables, names to columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar, cast, final

from uow.errors import QueryError, UnknownFieldError
from uow.expressions.alias import TableAlias
from uow.expressions.nodes import ColumnExpression, Expression, is_expression
from uow.expressions.walk import walk
from uow.mapping.mapper import MappedColumn, Mapper, mapper_of
from uow.query.statements import Source

__all__ = [
    "aliased",
    "column_of",
    "key_columns",
    "mapper_in",
    "source_in",
    "source_of",
    "tables_in",
]

M = TypeVar("M")

_MAX_ALIAS: Final = 63


@final
class AliasedClass:
    """A mapped class under another name: its attributes are columns of that name.

    There is no public attribute beside the fields, so any field can be reached.
    """

    __slots__ = ("_uow_columns", "_uow_source")

    def __init__(self, source: TableAlias) -> None:
        self._uow_source = source
        self._uow_columns: dict[str, ColumnExpression[Any]] = {}

    def __getattr__(self, name: str) -> ColumnExpression[Any]:
        found = self._uow_columns.get(name)
        if found is None:
            mapper: Mapper = self._uow_source.mapper
            column = mapper.by_attribute.get(name)
            if column is None:
                raise UnknownFieldError(f"{mapper.name} has no field {name!r}")
            found = self._uow_columns[name] = ColumnExpression(column, self._uow_source)
        return found

    def __repr__(self) -> str:
        return f"<aliased {self._uow_source.mapper.name} {self._uow_source.alias or ''}>"


def aliased(model: type[M], name: str | None = None) -> type[M]:
    """Give a mapped class a second name, to use it twice in one query.

    Args:
        model: the class.
        name: the name in the SQL text; by default the table's with a number.

    Returns:
        What stands for the class in queries: its attributes are columns under the new name.

    Raises:
        QueryError: the name is not a plain identifier.
    """
    if name is not None and not (name.isidentifier() and len(name.encode()) <= _MAX_ALIAS):
        raise QueryError("the name of an alias is a plain identifier of at most 63 bytes")
    return cast("type[M]", AliasedClass(TableAlias(mapper_of(model), name)))


def source_of(model: object) -> Source:
    """Give the table that a mapped class, or an alias of one, stands for.

    Raises:
        QueryError: it is neither.
    """
    source = source_in(model)
    if source is None:
        kind = model.__name__ if isinstance(model, type) else f"a {type(model).__name__}"
        raise QueryError(f"{kind} is not a mapped class, nor an alias of one")
    return source


def source_in(model: object) -> Source | None:
    """Give the table something stands for, or None."""
    if isinstance(model, AliasedClass):
        return model._uow_source  # pyright: ignore[reportPrivateUsage] - see the class
    if isinstance(model, type) and getattr(model, "_uow_mapper", None) is not None:
        return mapper_of(model)
    return None


def mapper_in(source: Source) -> Mapper:
    """Give the mapper of a table."""
    return source.mapper if isinstance(source, TableAlias) else source


def column_of(mapper: Mapper, field: object) -> MappedColumn:
    """Find the column of a class that a name or an expression means.

    Args:
        mapper: of the class.
        field: the name of an attribute, or `Author.age`.

    Raises:
        QueryError: the class has no such field.
    """
    if isinstance(field, str):
        column, named = mapper.by_attribute.get(field), repr(field)
    elif is_expression(field):
        name = field.column.attribute if isinstance(field, ColumnExpression) else ""
        column, named = mapper.by_attribute.get(name), field.display_name
        if isinstance(field, ColumnExpression) and field.column is not column:
            column = None
    else:
        column, named = None, f"of class {type(field).__name__}"
    if column is None:
        raise QueryError(f"{mapper.name} has no field {named}")
    return column


def key_columns(source: Source) -> tuple[ColumnExpression[Any], ...]:
    """Give the key of a table as expressions."""
    return tuple(ColumnExpression(column, source) for column in mapper_in(source).key)


def tables_in(expressions: Iterable[Expression[Any]]) -> list[Source]:
    """Give the tables whose columns stand in expressions, in order of appearance.

    What stands inside a subquery is of its own.
    """
    found: list[Source] = []
    for node in walk(expressions):
        if isinstance(node, ColumnExpression):
            table = node.table
            if isinstance(table, Mapper | TableAlias) and not any(table is one for one in found):
                found.append(table)
    return found
