"""Which types an operator takes, and what it gives."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from uow.errors import QueryError
from uow.types import (
    ColumnType,
    Date,
    DateTime,
    Float,
    Integer,
    Interval,
    Json,
    Numeric,
    Text,
    Time,
)

__all__ = ["operand_type", "result_type"]

_NUMBERS: Final = (Integer, Float, Numeric)
_INTEGER: Final = Integer()
_FLOAT: Final = Float()
_NUMERIC: Final = Numeric()
_INTERVAL: Final = Interval()


def operand_type(value: object, beside: ColumnType | None) -> ColumnType | None:
    """Tell which type a plain value has in arithmetic beside an expression of another.

    Returns:
        The type to check it against; None to take the value's own.
    """
    if isinstance(beside, Float | Numeric) and type(value) is int:
        return beside
    if isinstance(beside, Integer) and isinstance(value, Decimal):
        return None
    if isinstance(beside, type(None) | Date | DateTime | Time | Interval | Integer | Json):
        return None
    return beside


def result_type(op: str, left: ColumnType | None, right: ColumnType | None) -> ColumnType | None:
    """Tell what `left op right` gives.

    Returns:
        The type; None if neither side says what it is.

    Raises:
        QueryError: the operator does not take such operands.
    """
    if left is None or right is None:
        return left or right
    found = _numbers(op, left, right) or _times(op, left, right)
    if found is not None:
        return found
    if op in {"+", "||"} and isinstance(left, Text) and isinstance(right, Text):
        return left
    hint = ": say what a JSON value is with .cast(...)" if isinstance(left, Json) else ""
    raise QueryError(f"{type(left).__name__} {op} {type(right).__name__} is not defined{hint}")


def _numbers(op: str, left: ColumnType, right: ColumnType) -> ColumnType | None:
    if not (isinstance(left, _NUMBERS) and isinstance(right, _NUMBERS)):
        return None
    has_float = isinstance(left, Float) or isinstance(right, Float)
    if isinstance(left, Numeric) or isinstance(right, Numeric):
        # As in Python: what is exact does not silently become a double.
        return None if has_float else _NUMERIC
    return _FLOAT if has_float or op == "/" else _INTEGER


def _times(op: str, left: ColumnType, right: ColumnType) -> ColumnType | None:
    match left, right:
        case (DateTime(), DateTime()) if op == "-" and left == right:
            return _INTERVAL
        case (DateTime(), Interval()) if op in {"+", "-"}:
            return left
        case (Interval(), DateTime()) if op == "+":
            return right
        case (Interval(), Interval()) if op in {"+", "-"}:
            return _INTERVAL
        case (Interval(), Integer() | Float()) if op in {"*", "/"}:
            return _INTERVAL
        case (Integer() | Float(), Interval()) if op == "*":
            return _INTERVAL
        case _:
            return None
