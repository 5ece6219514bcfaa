"""From what a user writes to what a tree holds: classes to tables, names to columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar, cast, final

from uow.errors import QueryError, UnknownFieldError
from uow.expressions.alias import TableAlias
from uow.expressions.nodes import ColumnExpression, Expression, is_expression
from uow.expressions.protocols import Selectable
from uow.expressions.walk import walk
from uow.mapping.mapper import MappedColumn, Mapper, mapper_of
from uow.query.named import NamedQuery, check_name
from uow.query.tables import QueryTable, Source

__all__ = [
    "aliased",
    "column_of",
    "from_item",
    "key_columns",
    "mapper_in",
    "name_in",
    "source_in",
    "source_of",
    "tables_in",
]

M = TypeVar("M")


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
            columns = [one.by_attribute.get(name) for one in mapper.family]
            column = next((column for column in columns if column is not None), None)
            if column is None:
                raise UnknownFieldError(f"{mapper.name} has no field {name!r}")
            found = self._uow_columns[name] = ColumnExpression(column, self._uow_source)
        return found

    def __repr__(self) -> str:
        return f"<aliased {self._uow_source.mapper.name} {self._uow_source.alias or ''}>"


def aliased(model: type[M], of: str | NamedQuery | None = None, name: str | None = None) -> type[M]:
    """Give a mapped class a second name, to use it twice in one query.

    Args:
        model: the class.
        of: a query (`query.cte("name")`, `query.subquery()`) whose rows stand for those of the
            table: `session.find(aliased(Author, recent))` gives objects. A text is the name.
        name: the name in the SQL text; by default the table's with a number.

    Returns:
        What stands for the class in queries: its attributes are columns under the new name.

    Raises:
        QueryError: the name is not a plain identifier, or the query lacks a column of the class.
    """
    if isinstance(of, str):
        if name is not None:
            raise QueryError("aliased takes one name")
        of, name = None, of
    if name is not None:
        check_name(name)
    mapper = mapper_of(model)
    rows = None if of is None else _rows_of(mapper, of)
    return cast("type[M]", AliasedClass(TableAlias(mapper, name, rows)))


def _rows_of(mapper: Mapper, query: object) -> Selectable:
    if not isinstance(query, NamedQuery):
        raise QueryError(f"aliased takes a named query or a name, not a {type(query).__name__}")
    table = query._uow_table  # pyright: ignore[reportPrivateUsage] - a family of modules
    if len(mapper.family) > 1:
        raise QueryError(
            f"rows of {table.display_name} do not say of which class below {mapper.name} they are: "
            f"ask for objects whose key is in the query"
        )
    for column in mapper.columns:
        field = table.fields.get(column.attribute)
        if field is None or field.name != column.name or type(field.type) is not type(column.type):
            raise QueryError(f"{table.display_name} does not give {column}")
    return table.rows


def source_of(model: object) -> Source:
    """Give the table that a mapped class, or an alias of one, stands for.

    Raises:
        QueryError: it is neither.
    """
    source = source_in(model)
    if source is None:
        kind = model.__name__ if isinstance(model, type) else f"a {type(model).__name__}"
        hint = "; aliased(Model, query) reads objects from one" if _is_named(model) else ""
        raise QueryError(f"{kind} is not a mapped class, nor an alias of one{hint}")
    return source


def from_item(model: object) -> Source | QueryTable:
    """Give what stands in FROM for a mapped class, an alias of one, or a named query.

    Raises:
        QueryError: it is none of these.
    """
    if isinstance(model, NamedQuery):
        return model._uow_table  # pyright: ignore[reportPrivateUsage] - a family of modules
    return source_of(model)


def name_in(source: Source | QueryTable) -> str:
    """Say what to call it in a message."""
    return source.display_name if isinstance(source, QueryTable) else mapper_in(source).name


def source_in(model: object) -> Source | None:
    """Give the table something stands for, or None."""
    if isinstance(model, AliasedClass):
        return model._uow_source  # pyright: ignore[reportPrivateUsage] - see the class
    if isinstance(model, type) and getattr(model, "_uow_mapper", None) is not None:
        return mapper_of(model)
    return None


def _is_named(model: object) -> bool:
    return isinstance(model, NamedQuery)


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
            column = None if column is None else _of_parent(mapper, column, field.column)
    else:
        column, named = None, f"of class {type(field).__name__}"
    if column is None:
        raise QueryError(f"{mapper.name} has no field {named}")
    return column


def _of_parent(mapper: Mapper, own: MappedColumn, given: Any) -> MappedColumn | None:
    """The column that a parent's one is: its own, or the parent's where both tables have one."""
    above = mapper.parent
    while above is not None:
        column = above.by_attribute.get(own.attribute)
        if column is given and column is not None:
            is_same = own.stored is column.stored or own.primary_key
            return own if is_same or above.root is not mapper.root else column
        above = above.parent
    return None


def key_columns(source: Source) -> tuple[ColumnExpression[Any], ...]:
    """Give the key of a table as expressions."""
    return tuple(ColumnExpression(column, source) for column in mapper_in(source).key)


def tables_in(expressions: Iterable[Expression[Any]]) -> list[Source | QueryTable]:
    """Give the tables whose columns stand in expressions, in order of appearance.

    What stands inside a subquery is of its own.
    """
    found: list[Source | QueryTable] = []
    for node in walk(expressions):
        if isinstance(node, ColumnExpression):
            table = node.table
            if isinstance(table, Mapper | TableAlias | QueryTable) and not any(
                table is one for one in found
            ):
                found.append(table)
    return found
