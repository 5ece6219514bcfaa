"""Pages by key: "the next fifty after this row".

A page begins after the place of a row in the order (`uow.expressions.keyset`), not after a number
of rows, so rows that come and go before it neither repeat nor hide any. For that the order must be
total: the keys of the tables that are read are added to it where they are missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Generic, TypeVar, final

import attrs

from uow.errors import QueryError
from uow.expressions.keyset import After
from uow.expressions.nodes import (
    ColumnExpression,
    Expression,
    Function,
    Label,
    Literal,
    OrderTerm,
)
from uow.expressions.walk import walk
from uow.query.cursors import cursor_text, cursor_values
from uow.query.shapes import shape_of
from uow.query.sources import key_columns
from uow.query.statements import Select
from uow.query.tables import Compound, DerivedTable, QueryTable, SetOperator
from uow.types import (
    Binary,
    Boolean,
    ColumnType,
    Date,
    DateTime,
    EnumType,
    Float,
    Integer,
    Interval,
    Numeric,
    ObjectIdType,
    Text,
    Time,
    Uuid,
)

__all__ = ["Page", "Paging"]

R = TypeVar("R")

ORDERED: Final = (
    Binary, Boolean, Date, DateTime, EnumType, Float, Integer, Interval, Numeric, ObjectIdType,
    Text, Time, Uuid,
)  # fmt: skip
"""Types whose values every store orders and compares alike, and a cursor can hold."""


@final
@attrs.frozen
class Page(Generic[R]):
    """Some rows of a query, and where to go from there.

    Attributes:
        items: the objects or rows, in the order of the query.
        next: what `page(after=...)` takes for the rows behind these; None if there are none.
        previous: what `page(before=...)` takes for the rows before these; None if there are none.
    """

    items: list[R]
    next: str | None
    previous: str | None


class Paging:
    """How one query is cut into pages.

    Args:
        select: the query.
        size: rows a page.

    Raises:
        QueryError: the query cannot be paged.
    """

    __slots__ = ("_nullable", "_select", "_shape", "_size", "_terms", "_types")

    def __init__(self, select: Select, size: int) -> None:
        if type(size) is not int or size < 1:
            raise QueryError("page(size) is the number of rows of a page, one at least")
        if select.limit is not None or select.offset is not None:
            raise QueryError("a page has its own limit: leave out limit and offset")
        self._size = size
        self._terms = _total(select)
        if select.is_distinct:
            _refuse_unselected(select, self._terms)
        self._types = tuple(_type(term) for term in self._terms)
        outer = [join.source for join in select.joins if join.is_outer]
        self._nullable = tuple(_is_nullable(term, outer) for term in self._terms)
        self._shape = shape_of(select, self._terms)
        beside = tuple(_operand(term) for term in self._terms)
        self._select = select.replace(beside=beside, limit=size + 1)

    def select(self, after: str | None, before: str | None) -> Select:
        """Give the select that reads one page, and a row more.

        Raises:
            QueryError: the cursor is not of this query; or there are two.
        """
        if after is not None and before is not None:
            raise QueryError("a page is after a row or before one: give one cursor")
        terms = self._terms if before is None else tuple(_reversed(term) for term in self._terms)
        select = self._select.replace(order_by=terms)
        cursor = after if before is None else before
        if cursor is None:
            return select
        values = tuple(
            Literal(value, type_)
            for value, type_ in cursor_values(self._shape, cursor, self._types)
        )
        plain = tuple(
            OrderTerm(_operand(t), is_descending=t.is_descending, is_nulls_first=t.is_nulls_first)
            for t in terms
        )
        condition = After(plain, values, self._nullable)
        if select.group_by:
            return select.replace(having=(*select.having, condition))
        return select.replace(where=(*select.where, condition))

    def page(
        self,
        items: list[R],
        places: Sequence[Sequence[object]],
        after: str | None,
        before: str | None,
    ) -> Page[R]:
        """Make the page of what was read.

        Args:
            items: objects or rows, as they came.
            places: what was read beside each: the values of the order's terms.
            after: the cursor that was given.
            before: the other.
        """
        has_more = len(items) > self._size
        items, places = items[: self._size], places[: self._size]
        if before is not None:
            items, places = items[::-1], places[::-1]
        has_next = has_more if before is None else True
        has_previous = after is not None if before is None else has_more
        if not items:
            return Page(items, None, None)
        return Page(
            items,
            cursor_text(self._shape, places[-1]) if has_next else None,
            cursor_text(self._shape, places[0]) if has_previous else None,
        )


def _total(select: Select) -> tuple[OrderTerm, ...]:
    """Give the order with what makes it total."""
    terms = list(select.order_by)
    present = [_operand(term) for term in terms]
    for expression in _unique(select):
        if not any(_is_same(expression, one) for one in present):
            terms.append(OrderTerm(expression))
            present.append(expression)
    return tuple(terms)


def _unique(select: Select) -> list[Expression[Any]]:
    """Give expressions that are never all equal in two rows."""
    if select.group_by:
        return [*select.group_by]
    if select.is_distinct and select.entity is None:
        return [*select.columns]
    found: list[Expression[Any]] = []
    for source in (*select.froms, *(join.source for join in select.joins)):
        table = source.stands_for if isinstance(source, DerivedTable) else source
        _refuse_repeated(source)
        if isinstance(table, QueryTable) and table.is_open:
            # A set operation gives equal rows once, so all columns together are a key.
            found += [ColumnExpression(field, table) for field in table.fields.values()]
        elif table is None or isinstance(table, QueryTable):
            raise QueryError(
                "rows of a query have no key, so the order of a page of them is not total: read "
                "objects with aliased(Model, query), or group them"
            )
        elif select.is_distinct and table is not select.entity:
            continue
        else:
            found += key_columns(table)
    return found


def _refuse_unselected(select: Select, terms: Sequence[OrderTerm]) -> None:
    """The terms are read beside each row, and would make rows different that are not."""
    for term in terms:
        operand = _operand(term)
        if select.entity is not None:
            is_part = isinstance(operand, ColumnExpression) and operand.table is select.entity
        else:
            is_part = any(_is_same(column, operand) for column in select.columns)
        if not is_part:
            raise QueryError(
                f"a page of distinct rows is ordered by what is selected, not by "
                f"{operand.display_name}; give it a label, and order by that"
            )


def _refuse_repeated(source: object) -> None:
    rows = source.query if isinstance(source, DerivedTable) else getattr(source, "rows", None)
    if isinstance(rows, Compound) and rows.operator is SetOperator.UNION_ALL:
        raise QueryError(
            "union_all gives equal rows more than once, and nothing tells where a page of them "
            "ends: use union"
        )


def _operand(term: OrderTerm) -> Expression[Any]:
    operand = term.operand
    return operand.operand if isinstance(operand, Label) else operand


def _is_same(one: Expression[Any], other: Expression[Any]) -> bool:
    one = one.operand if isinstance(one, Label) else one
    if isinstance(one, ColumnExpression) and isinstance(other, ColumnExpression):
        return one.column is other.column and one.table is other.table
    return one is other


def _type(term: OrderTerm) -> ColumnType:
    operand = _operand(term)
    if any(isinstance(node, Function) and node.window is not None for node in walk((operand,))):
        raise QueryError(
            "a page cannot be ordered by what is computed over a window: select it in a "
            ".subquery(), and order by it there"
        )
    type_ = operand.type
    if not isinstance(type_, ORDERED):
        raise QueryError(
            f"a page cannot be ordered by {operand.display_name}: say what it is with .cast(...)"
        )
    return type_


def _is_nullable(term: OrderTerm, outer: Sequence[object]) -> bool:
    operand = _operand(term)
    if not isinstance(operand, ColumnExpression):
        return True
    return operand.column.nullable or any(operand.table is source for source in outer)


def _reversed(term: OrderTerm) -> OrderTerm:
    first = term.is_nulls_first
    return OrderTerm(
        term.operand,
        is_descending=not term.is_descending,
        is_nulls_first=None if first is None else not first,
    )
