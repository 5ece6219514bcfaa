"""`Range`: the values between two bounds."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar, cast

import attrs

from uow.types import ColumnType, Date, DateTime, Float, Integer, Numeric, RangeType

__all__ = ["Range", "canonical_range", "empty_range"]

T = TypeVar("T")


@attrs.frozen
class Range(Generic[T]):
    """The values from `lower` to `upper`; None is no bound on that side.

    `bounds` says for either side whether the bound belongs to the range: `"[)"`, the usual one,
    takes in the lower bound and leaves out the upper one.

    >>> 3 in Range(1, 3), 3 in Range(1, 3, "[]")
    (False, True)
    """

    lower: T | None = None
    upper: T | None = None
    bounds: Literal["[)", "[]", "(]", "()"] = attrs.field(
        default="[)", validator=attrs.validators.in_(("[)", "[]", "(]", "()"))
    )

    def __attrs_post_init__(self) -> None:
        if self.lower is not None and self.upper is not None:
            lower, upper = cast("Any", self.lower), cast("Any", self.upper)
            if lower > upper:
                raise ValueError("the lower bound of a range lies above its upper bound")

    @staticmethod
    def _uow_column_type(item: Any) -> ColumnType:
        """See `uow.types.column_type`."""
        return RangeType(item)

    def __contains__(self, value: T) -> bool:
        other = cast("Any", value)
        if self.lower is not None and (
            other < self.lower or (other == self.lower and self.bounds[0] == "(")
        ):
            return False
        return self.upper is None or not (
            other > self.upper or (other == self.upper and self.bounds[1] == ")")
        )


def canonical_range(value: Range[Any], item: ColumnType) -> Range[Any]:
    """Give the one form of ranges that hold the same values, as PostgreSQL does.

    Ranges over whole numbers and days get their lower bound in and their upper bound out; no bound
    is never in; all empty ranges are one ("Discrete Range Types", 8.17.7 in its manual).

    >>> canonical_range(Range(1, 5, "[]"), Integer())
    Range(lower=1, upper=6, bounds='[)')
    """
    lower, upper, (left, right) = value.lower, value.upper, value.bounds
    step = _step(item)
    if step is not None:
        if lower is not None and left == "(":
            lower, left = lower + step, "["
        if upper is not None and right == "]":
            upper, right = upper + step, ")"
    if (
        lower is not None
        and upper is not None
        and (lower > upper or (lower == upper and left + right != "[]"))
    ):
        return empty_range(item)
    left = "(" if lower is None else left
    right = ")" if upper is None else right
    return Range(lower, upper, cast("Any", left + right))


def empty_range(item: ColumnType) -> Range[Any]:
    """Give the range that holds nothing."""
    zero = _zero(item)
    return Range(zero, zero)


def _step(item: ColumnType) -> Any:
    if isinstance(item, Integer):
        return 1
    if isinstance(item, Date):
        return timedelta(days=1)
    return None


def _zero(item: ColumnType) -> object:
    match item:
        case Integer():
            return 0
        case Float():
            return 0.0
        case Numeric():
            return Decimal(0)
        case Date():
            return date(2000, 1, 1)
        case DateTime(timezone=True):
            return datetime(2000, 1, 1, tzinfo=UTC)
        case _:
            return datetime.fromisoformat("2000-01-01")
