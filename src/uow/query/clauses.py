"""The clauses of a select: what queries and select statements have in common.

Every method gives a new builder; the one it is called on stays as it was.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Final, NoReturn, Self, TypeAlias

from uow.errors import QueryError
from uow.expressions.nodes import (
    Expression,
    Negative,
    OrderTerm,
    ScalarSubquery,
    as_condition,
    is_expression,
)
from uow.expressions.protocols import SupportsSelect
from uow.query.rows import row_class
from uow.query.sources import key_columns, mapper_in, source_in, source_of
from uow.query.statements import ForUpdate, Join, Select, Source, result_names
from uow.types import ColumnType

__all__ = ["Clauses", "Condition", "Field", "selected"]

Condition: TypeAlias = Expression[bool] | Expression[bool | None]
Field: TypeAlias = Expression[Any] | SupportsSelect

_MOST_ROWS: Final = 2**63 - 1


class Clauses(SupportsSelect):
    """Base of everything that builds a select."""

    __slots__ = ("_select",)

    _select: Select

    @abstractmethod
    def _with(self, select: Select) -> Self:
        """Give a builder of the same kind with another tree."""

    def __bool__(self) -> NoReturn:
        raise QueryError("a query has no truth value: use `await query.exists()`")

    def filter(self, *conditions: Condition) -> Self:
        """Add conditions, all of which must hold.

        Raises:
            QueryError: one is no condition, as a plain bool.
        """
        found = tuple(as_condition(condition, "filter") for condition in conditions)
        return self._with(self._select.replace(where=self._select.where + found))

    def where(self, *conditions: Condition) -> Self:
        """Add conditions; the same as `filter`."""
        return self.filter(*conditions)

    def join(self, model: type[Any], on: Condition, *, outer: bool = False) -> Self:
        """Join another table.

        Args:
            model: a mapped class, or an `aliased` one.
            on: which rows belong together.
            outer: keep rows that have no match (LEFT JOIN).

        Raises:
            QueryError: the table is part of the query already, without another name.
        """
        source = source_of(model)
        select = self._select
        _refuse_twice(source, (*select.froms, *(join.source for join in select.joins)))
        join = Join(source, as_condition(on, "join"), is_outer=outer)
        return self._with(select.replace(joins=(*select.joins, join)))

    def order_by(self, *terms: Expression[Any] | OrderTerm) -> Self:
        """Order the rows; further calls add further terms.

        Args:
            terms: expressions; `-Author.age` or `Author.age.desc()` for the greatest first.
        """
        found = tuple(_order_term(term) for term in terms)
        return self._with(self._select.replace(order_by=self._select.order_by + found))

    def limit(self, count: int | None) -> Self:
        """Give at most so many rows; None for all."""
        return self._with(self._select.replace(limit=_row_count("limit", count)))

    def offset(self, count: int | None) -> Self:
        """Skip so many rows; None for none."""
        return self._with(self._select.replace(offset=_row_count("offset", count)))

    def distinct(self) -> Self:
        """Give equal rows once."""
        return self._with(self._select.replace(is_distinct=True))

    def group_by(self, *expressions: Expression[Any]) -> Self:
        """Give one row for each group of rows in which these are equal."""
        found = tuple(_plain("group_by", expression) for expression in expressions)
        return self._with(self._select.replace(group_by=self._select.group_by + found))

    def having(self, *conditions: Condition) -> Self:
        """Add conditions on groups, all of which must hold."""
        found = tuple(as_condition(condition, "having") for condition in conditions)
        return self._with(self._select.replace(having=self._select.having + found))

    def for_update(self, *, nowait: bool = False, skip_locked: bool = False) -> Self:
        """Lock the rows until the transaction ends.

        Args:
            nowait: fail at once if a row is locked.
            skip_locked: leave locked rows out.

        Raises:
            QueryError: both are asked for.
        """
        if nowait and skip_locked:
            raise QueryError("for_update: nowait and skip_locked exclude each other")
        lock = ForUpdate(nowait=nowait, skip_locked=skip_locked)
        return self._with(self._select.replace(for_update=lock))

    def as_subquery(self, *, single_column: bool) -> tuple[Select, ColumnType | None]:
        """Give the tree for a place inside another statement; objects stand for their key."""
        select = self._checked()
        if select.entity is not None:
            select = select.replace(entity=None, columns=key_columns(select.entity))
        if single_column and len(select.columns) != 1:
            raise QueryError(
                f"a query with one column is needed here, this one has {len(select.columns)}"
            )
        return select, select.columns[0].type if select.columns else None

    def scalar_subquery(self) -> Expression[Any]:
        """Give the one value of a query with one column, as an expression."""
        return ScalarSubquery(*self.as_subquery(single_column=True))

    def _checked(self) -> Select:
        select = self._select
        if select.entity is not None and (select.group_by or select.having):
            raise QueryError(
                f"groups are no objects: after group_by or having, .select(...) what is wanted "
                f"instead of {mapper_in(select.entity).name}"
            )
        return select


def selected(items: tuple[object, ...], place: str) -> tuple[Expression[Any], ...]:
    """Check what stands in a select list or in RETURNING.

    Raises:
        QueryError: it is no expression, or its name cannot be that of a value in a row.
    """
    if not items:
        raise QueryError(f"{place} needs at least one column")
    columns = tuple(_column(item, place) for item in items)
    row_class(result_names(columns))
    return columns


def _column(item: object, place: str) -> Expression[Any]:
    if is_expression(item):
        return item
    if isinstance(item, SupportsSelect):
        return ScalarSubquery(*item.as_subquery(single_column=True))
    if source_in(item) is not None:
        raise QueryError(f"{place} takes columns: name them, or select the class alone")
    raise QueryError(f"{place} takes columns and expressions, not a {type(item).__name__}")


def _plain(place: str, item: object) -> Expression[Any]:
    if is_expression(item):
        return item
    raise QueryError(f"{place} takes expressions such as Author.age, not a {type(item).__name__}")


def _order_term(term: object) -> OrderTerm:
    if isinstance(term, OrderTerm):
        return term
    operand, is_descending = _plain("order_by", term), False
    while isinstance(operand, Negative):
        operand, is_descending = operand.operand, not is_descending
    return OrderTerm(operand, is_descending=is_descending)


def _row_count(place: str, count: object) -> int | None:
    if count is None:
        return None
    if type(count) is not int:
        raise QueryError(f"{place} takes a whole number, not a {type(count).__name__}")
    if not 0 <= count <= _MOST_ROWS:
        raise QueryError(f"{place} takes a number from 0 to {_MOST_ROWS}")
    return count


def _refuse_twice(source: Source, present: tuple[object, ...]) -> None:
    if any(source is other for other in present):
        name = mapper_in(source).name
        raise QueryError(f"{name} is part of this query already: join aliased({name})")
