"""Queries with a name: `query.cte("name")` and `query.subquery()`, to be read from like tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, final

from uow.errors import QueryError, UnknownFieldError
from uow.expressions.nodes import ColumnExpression
from uow.query.executable import Executable
from uow.query.statements import Select, output_names, result_names
from uow.query.tables import CommonTable, Compound, QueryField, QueryTable, SetOperator

__all__ = ["Columns", "CommonTableExpression", "NamedQuery", "Subquery", "check_name", "fields_of"]

_MAX_NAME: Final = 63


@final
class Columns:
    """The columns of a named query, as attributes, by `[name]`, and one after the other.

    There is no public attribute beside the columns, so any column can be reached.
    """

    __slots__ = ("_uow_columns", "_uow_table")

    def __init__(self, table: QueryTable) -> None:
        self._uow_table = table
        self._uow_columns: dict[str, ColumnExpression[Any]] = {
            name: ColumnExpression(field, table) for name, field in table.fields.items()
        }

    def __getattr__(self, name: str) -> ColumnExpression[Any]:
        found = self._uow_columns.get(name)
        if found is None:
            if name.startswith("__"):
                raise AttributeError(name)
            raise UnknownFieldError(f"{self._uow_table.display_name} has no column {name!r}")
        return found

    def __getitem__(self, name: str) -> ColumnExpression[Any]:
        return getattr(self, name)  # type: ignore[no-any-return]  # of `__getattr__` above

    def __iter__(self) -> Iterator[ColumnExpression[Any]]:
        return iter(self._uow_columns.values())

    def __repr__(self) -> str:
        return f"<columns {', '.join(self._uow_columns)}>"


class NamedQuery:
    """Rows of a query, which other queries join and select from.

    Attributes:
        c: its columns, called as the rows of the query call them.
    """

    __slots__ = ("_uow_table", "c")

    def __init__(self, table: QueryTable) -> None:
        self._uow_table = table
        self.c = Columns(table)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._uow_table.display_name}>"


@final
class Subquery(NamedQuery):
    """A query in FROM; made by `query.subquery()`."""

    __slots__ = ()

    def alias(self, name: str | None = None) -> Subquery:
        """Give the same query a second name, to read from it twice.

        Raises:
            QueryError: the name is not a plain identifier.
        """
        return Subquery(_renamed(self._uow_table, name))


@final
class CommonTableExpression(NamedQuery):
    """A query in WITH, written once however often it is read; made by `query.cte("name")`."""

    __slots__ = ("_is_recursive",)

    def __init__(self, table: QueryTable, *, is_recursive: bool = False) -> None:
        super().__init__(table)
        self._is_recursive = is_recursive

    def alias(self, name: str | None = None) -> CommonTableExpression:
        """Give it a second name, to read from it twice in one query.

        Raises:
            QueryError: the name is not a plain identifier.
        """
        rows = self._uow_table.rows
        assert isinstance(rows, CommonTable)  # noqa: S101 - this class is made with one
        found = name or f"{rows.name}_2"
        return CommonTableExpression(_renamed(self._uow_table, found))

    def union_all(self, step: Executable[Any]) -> CommonTableExpression:
        """Say how a recursive one goes on: rows that follow from those found before.

        Args:
            step: a query that reads from this object, with as many columns.

        Returns:
            The whole; read from it, and from this one only inside `step`.

        Raises:
            QueryError: it was not made with `recursive=True`, or the columns do not fit.
        """
        return self._with_step(step, SetOperator.UNION_ALL)

    def union(self, step: Executable[Any]) -> CommonTableExpression:
        """As `union_all`, but equal rows once: a circle in the data comes to an end."""
        return self._with_step(step, SetOperator.UNION)

    def _with_step(self, step: Executable[Any], operator: SetOperator) -> CommonTableExpression:
        begun = self._uow_table.rows
        if not isinstance(begun, CommonTable) or not self._is_recursive or begun.step is not None:
            raise QueryError(
                f"{self._uow_table.display_name}: only cte(name, recursive=True) has a step, and "
                "one; use .union() on the query itself to put two together"
            )
        given = _select_of(step)
        check_alike([begun.query, given], "a step")
        whole = CommonTable(begun.query, begun.name, step=given, operator=operator, restates=begun)
        return CommonTableExpression(_table(whole, begun.query, None))


def _select_of(step: object) -> Select:
    kind = type(step).__name__
    given = step.statement if isinstance(step, Executable) else None
    if not isinstance(given, Select):
        raise QueryError(f"a step is a query, not a {kind}")
    return given


def common_table(query: Select, name: str, *, is_recursive: bool) -> CommonTableExpression:
    """Make what `query.cte(name)` gives.

    Raises:
        QueryError: the name is not a plain identifier.
    """
    table = _table(CommonTable(_lockless(query), check_name(name)), query, None)
    return CommonTableExpression(table, is_recursive=is_recursive)


def subquery(query: Select, name: str | None) -> Subquery:
    """Make what `query.subquery(name)` gives.

    Raises:
        QueryError: the name is not a plain identifier.
    """
    return Subquery(_table(_lockless(query), query, None if name is None else check_name(name)))


def check_name(name: object) -> str:
    """Let pass what a query may be called.

    Raises:
        QueryError: it is not a plain identifier.
    """
    if not (isinstance(name, str) and name.isidentifier() and len(name.encode()) <= _MAX_NAME):
        raise QueryError("the name of a query is a plain identifier of at most 63 bytes")
    return name


def fields_of(query: Select, owner: str) -> list[QueryField]:
    """Name the columns of a query that is read from.

    Args:
        query: the select, or the first one of a set operation.
        owner: what it is called in messages.
    """
    mapper, entity = query.entity_mapper, query.entity
    if mapper is not None and entity is not None:
        return [
            QueryField(ColumnExpression(column, entity), column.name, column.attribute, owner)
            for column in mapper.columns
        ]
    shape = zip(query.columns, output_names(query), result_names(query.columns), strict=True)
    return [QueryField(column, name, attribute, owner) for column, name, attribute in shape]


def check_alike(queries: list[Select], place: str) -> None:
    """See to it that queries give the same columns.

    Raises:
        QueryError: they do not, or lock rows.
    """
    shapes = [[field.expression for field in fields_of(query, place)] for query in queries]
    for query, shape in zip(queries, shapes, strict=True):
        _lockless(query)
        if len(shape) != len(shapes[0]):
            raise QueryError(
                f"{place} has {len(shape)} columns where the first query has {len(shapes[0])}"
            )
        for one, other in zip(shapes[0], shape, strict=True):
            if one.type is None or other.type is None:
                continue
            # SQLite keeps decimals as text of their scale, so those of another one are not equal.
            is_alike = type(one.type) is type(other.type) and (
                getattr(one.type, "scale", None) == getattr(other.type, "scale", None)
            )
            if not is_alike:
                raise QueryError(
                    f"{place}: {other.display_name} is not of the type of {one.display_name}; "
                    "use .cast(...)"
                )


def _lockless(query: Select) -> Select:
    if query.for_update is not None:
        raise QueryError("for_update goes with a query that stands alone, not with a part")
    return query


def _table(rows: CommonTable | Compound | Select, query: Select, alias: str | None) -> QueryTable:
    owner = rows.name if isinstance(rows, CommonTable) else alias or "the subquery"
    return QueryTable(rows, alias, fields_of(query, owner))


def _renamed(table: QueryTable, name: str | None) -> QueryTable:
    alias = None if name is None else check_name(name)
    owner = alias or table.display_name
    fields = [
        QueryField(field.expression, field.name, field.attribute, owner)
        for field in table.fields.values()
    ]
    return QueryTable(table.rows, alias, fields)
