"""Cursors: what a page writes is read back, each value as its own type (Q7)."""

from __future__ import annotations

import enum
import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.uow.query.models import Author
from uow.errors import QueryError
from uow.expressions import func
from uow.query.cursors import cursor_text, cursor_values
from uow.query.select import select
from uow.query.shapes import shape_of
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
    Text,
    Time,
    Uuid,
)


class Colour(enum.Enum):
    RED = "red"


VALUES: list[tuple[Any, ColumnType]] = [
    (None, Text()),
    (True, Boolean()),
    (-(2**63), Integer()),
    (2**63 - 1, Integer()),
    (0.1, Float()),
    (-0.0, Float()),
    (math.inf, Float()),
    ("", Text()),
    ("ä\"'\\", Text()),
    (b"\x00\xff", Binary()),
    (Decimal("1.50"), Numeric()),
    (Decimal("1E+3"), Numeric()),
    (date(2024, 2, 29), Date()),
    (time(1, 2, 3, 4), Time()),
    (datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC), DateTime()),
    (datetime(2024, 1, 2, tzinfo=timezone(timedelta(hours=2))), DateTime()),
    (datetime(2024, 1, 2, 3, 4, 5, 6), DateTime(timezone=False)),  # noqa: DTZ001 - the naive kind
    (timedelta(days=-1, microseconds=1), Interval()),
    (UUID(int=7), Uuid()),
    (Colour.RED, EnumType(Colour)),
]


@pytest.mark.parametrize(("value", "type_"), VALUES)
def test_values_come_back(value: Any, type_: ColumnType) -> None:
    """A value comes back equal, and of its own class."""
    ((found, _),) = cursor_values("shape", cursor_text("shape", [value]), [type_])

    assert found == value
    assert type(found) is type(value)
    assert repr(found) == repr(value) or isinstance(value, datetime)


def test_several_values() -> None:
    """Values keep their order; another number of them is another query."""
    cursor = cursor_text("shape", [1, "a", None])

    values = cursor_values("shape", cursor, [Integer(), Text(), Text()])
    assert [value for value, _ in values] == [1, "a", None]
    with pytest.raises(QueryError, match="not of this query"):
        cursor_values("shape", cursor, [Integer(), Text()])


@pytest.mark.parametrize(
    ("value", "type_"),
    [("1", Integer()), (1, Text()), (Decimal(1), Integer()), (Colour.RED, Text()), ([1], Text())],
)
def test_values_of_another_type(value: Any, type_: ColumnType) -> None:
    """A cursor whose values do not fit the columns any more is refused."""
    if isinstance(value, list):
        with pytest.raises(QueryError, match="cannot be ordered by a list"):
            cursor_text("shape", [value])
        return
    with pytest.raises(QueryError, match="not of this query"):
        cursor_values("shape", cursor_text("shape", [value]), [type_])


def test_every_byte_counts() -> None:
    """Whatever character of a cursor is changed, it is refused."""
    cursor = cursor_text("shape", [1, "a"])
    types: list[ColumnType] = [Integer(), Text()]
    for position, character in enumerate(cursor[:-1]):
        other = "A" if character != "A" else "B"
        with pytest.raises(QueryError):
            cursor_values("shape", cursor[:position] + other + cursor[position + 1 :], types)
    with pytest.raises(QueryError):
        cursor_values("other shape", cursor, types)


def test_text_is_the_same_in_every_process() -> None:
    """A cursor may come back to another process, or after a restart."""
    query = select(Author).order_by(
        -Author.age, func.lower(Author.name), func.coalesce(Author.age, 3)
    )
    tree = query.statement

    assert (
        cursor_text(shape_of(tree, tree.order_by), [30, "ann", None])
        == "e8lBbDz9Ct1bMzAsImFubiIsbnVsbF0"
    )


def test_shapes_tell_orders_apart() -> None:
    """Queries that order otherwise, or read something else, have other shapes."""
    orders: list[Any] = [
        select(Author).order_by(Author.age),
        select(Author).order_by(-Author.age),
        select(Author).order_by(Author.age.nulls_first()),
        select(Author).order_by(Author.age.nulls_last()),
        select(Author).order_by(Author.id),
        select(Author).order_by(Author.age, Author.id),
        select(Author).order_by(Author.age + 1),
        select(Author).order_by(Author.age + 2),
        select(Author).order_by(func.abs(Author.age)),
        select(Author.id).order_by(Author.age),
        select(Author).union(select(Author)).order_by(Author.age),
    ]
    shapes = {shape_of(query.statement, query.statement.order_by) for query in orders}

    assert len(shapes) == len(orders)
    again = select(Author).filter(Author.id > 3).order_by(Author.age).statement
    assert shape_of(again, again.order_by) in shapes
