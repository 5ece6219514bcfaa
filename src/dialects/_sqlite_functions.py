"""What SQLite lacks, as functions a connection registers before its first statement.

They take and give what SQLite stores (text, numbers, None), hold no state and read nothing, so the
ones marked deterministic may stand in indexes and CHECKs. NULL in gives NULL out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DecimalException,
    InvalidOperation,
)
from functools import lru_cache
from typing import Final, Protocol, TypeAlias, cast

import attrs

from uow.dialects import _json
from uow.dialects.codecs import EXACT, decimal_text, decode_interval, encode_interval

__all__ = [
    "DIVISION_DIGITS",
    "SQLITE_AGGREGATES",
    "SQLITE_COLLATIONS",
    "SQLITE_FUNCTIONS",
    "SQLITE_LATER_FUNCTIONS",
    "Aggregate",
    "SQLiteFunction",
]

SQLiteValue: TypeAlias = "str | int | float | bytes | None"

DIVISION_DIGITS: Final = 12
"""To so many digits after the point a quotient or a mean of decimals is rounded, half from zero."""

_ROUNDING = Context(prec=4000, Emax=10000, Emin=-10000, rounding=ROUND_HALF_UP)


@attrs.frozen
class SQLiteFunction:
    """A scalar function.

    Attributes:
        call: what runs; its errors become errors of the statement.
        arguments: how many it takes, -1 for any number.
        deterministic: same input, same output.
    """

    call: Callable[..., SQLiteValue]
    arguments: int
    deterministic: bool = True


class Aggregate(Protocol):
    """One run of an aggregate function."""

    def step(self, *values: SQLiteValue) -> None:
        """Take one row."""
        ...

    def inverse(self, *values: SQLiteValue) -> None:
        """Give a row up that a moving frame has left behind."""
        ...

    def value(self) -> SQLiteValue:
        """Give the result for the rows so far."""
        ...

    def final(self) -> SQLiteValue:
        """Give the result."""
        ...


# -- text


class _Pattern:
    """A LIKE pattern cut at its `%`.

    Segments are searched for from the left, each after the one before, which needs no
    backtracking: no pattern takes more than the product of both lengths.
    """

    __slots__ = ("first", "last", "middle", "whole")

    def __init__(self, pattern: str) -> None:
        segments = _segments(pattern)
        self.whole = len(segments) == 1
        self.first = segments[0]
        self.last = segments[-1]
        self.middle = segments[1:-1]

    def matches(self, text: str) -> bool:
        size, expression = self.first
        if self.whole:
            return expression.fullmatch(text) is not None
        end = len(text) - self.last[0]
        if size > end or not expression.match(text):
            return False
        position = size
        for _, expression in self.middle:
            found = expression.search(text, position, end)
            if found is None:
                return False
            position = found.end()
        return self.last[1].fullmatch(text, end) is not None


def _segments(pattern: str) -> list[tuple[int, re.Pattern[str]]]:
    """Give the length and the expression of each segment; `!` takes the next character as it is."""
    segments: list[tuple[int, re.Pattern[str]]] = []
    parts: list[str] = []
    characters = iter(pattern)
    for character in characters:
        if character == "%":
            segments.append((len(parts), re.compile("".join(parts), re.DOTALL)))
            parts = []
        elif character == "_":
            parts.append(".")
        else:
            parts.append(re.escape(next(characters, "!") if character == "!" else character))
    segments.append((len(parts), re.compile("".join(parts), re.DOTALL)))
    return segments


_pattern = lru_cache(maxsize=256)(_Pattern)


def _text(value: SQLiteValue) -> str:
    return value if isinstance(value, str) else str(value)


def like(pattern: SQLiteValue, value: SQLiteValue) -> int | None:
    """Compare with a LIKE pattern, upper and lower case apart, with `!` as escape."""
    if pattern is None or value is None:
        return None
    return int(_pattern(_text(pattern)).matches(_text(value)))


def ilike(pattern: SQLiteValue, value: SQLiteValue) -> int | None:
    """Compare with a LIKE pattern, upper and lower case of any script alike."""
    if pattern is None or value is None:
        return None
    return int(_pattern(_text(pattern).lower()).matches(_text(value).lower()))


def lower(value: SQLiteValue) -> str | None:
    """Give lower case, of any script."""
    return None if value is None else _text(value).lower()


def upper(value: SQLiteValue) -> str | None:
    """Give upper case, of any script."""
    return None if value is None else _text(value).upper()


# -- decimals


def _number(value: SQLiteValue) -> Decimal:
    if isinstance(value, float):
        value = repr(value)
    try:
        return Decimal(value)  # type: ignore[arg-type]  # bytes raise TypeError, as they should
    except (InvalidOperation, TypeError):
        raise ValueError("a decimal column holds what is no number") from None


def _binary(
    operation: Callable[[Decimal, Decimal], Decimal | None],
) -> Callable[[SQLiteValue, SQLiteValue], str | None]:
    def call(left: SQLiteValue, right: SQLiteValue) -> str | None:
        if left is None or right is None:
            return None
        result = operation(_number(left), _number(right))
        return None if result is None else decimal_text(result)

    return call


def _divide(left: Decimal, right: Decimal) -> Decimal | None:
    if not right:
        return None
    return _round(_ROUNDING.divide(left, right), DIVISION_DIGITS)


def _remainder(left: Decimal, right: Decimal) -> Decimal | None:
    return EXACT.remainder(left, right) if right else None


def _round(number: Decimal, digits: int) -> Decimal:
    return number.quantize(Decimal((0, (1,), -digits)), context=_ROUNDING)


def decimal(value: SQLiteValue) -> str | None:
    """Write any number as a decimal."""
    return None if value is None else decimal_text(_number(value))


def decimal_negate(value: SQLiteValue) -> str | None:
    """Change the sign."""
    return None if value is None else decimal_text(EXACT.minus(_number(value)))


def decimal_absolute(value: SQLiteValue) -> str | None:
    """Drop the sign."""
    return None if value is None else decimal_text(EXACT.abs(_number(value)))


def decimal_round(value: SQLiteValue, digits: int | None) -> str | None:
    """Round half away from zero to so many digits after the point."""
    if value is None or digits is None:
        return None
    return decimal_text(_round(_number(value), digits))


def decimal_ceil(value: SQLiteValue) -> str | None:
    """Round up to a whole number."""
    return None if value is None else decimal_text(_number(value).to_integral_value(ROUND_CEILING))


def decimal_floor(value: SQLiteValue) -> str | None:
    """Round down to a whole number."""
    return None if value is None else decimal_text(_number(value).to_integral_value(ROUND_FLOOR))


def round_number(value: SQLiteValue, digits: int | None) -> int | float | None:
    """Round the decimal digits, half away from zero; SQLite's own rounds the double behind them."""
    if value is None or digits is None:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return value
    rounded = _round(_number(value), digits)
    return int(rounded) if isinstance(value, int) else float(rounded)


def decimal_fit(value: SQLiteValue, precision: int | None, scale: int | None) -> str | None:
    """Write a computed number as a column of that precision and scale keeps it.

    It is rounded to the scale, half away from zero, as other stores do on assignment; more digits
    before the point than there is room for are an error, as there.
    """
    if value is None:
        return None
    number = _number(value)
    return decimal_text(number if scale is None else _round(number, scale), scale, precision)


def decimal_compare(left: str, right: str) -> int:
    """Order by number; what is no number comes after every number, as text."""
    try:
        first, second = Decimal(left), Decimal(right)
        return (first > second) - (first < second)
    except DecimalException:
        one, other = _sort_key(left), _sort_key(right)
        return (one > other) - (one < other)


def _sort_key(text: str) -> tuple[bool, Decimal, str]:
    try:
        return False, Decimal(text), ""
    except DecimalException:
        return True, Decimal(), text


class DecimalTotal:
    """What sums and averages of decimals keep, NULLs left out; rows may leave again (windows)."""

    __slots__ = ("_count", "_total")

    def __init__(self) -> None:
        self._count = 0
        self._total = Decimal()

    def step(self, *values: SQLiteValue) -> None:
        """Take one row."""
        if values[0] is not None:
            self._count += 1
            self._total = EXACT.add(self._total, _number(values[0]))

    def inverse(self, *values: SQLiteValue) -> None:
        """Give one row up, which a moving frame has left behind."""
        if values[0] is not None:
            self._count -= 1
            self._total = EXACT.subtract(self._total, _number(values[0]))


class DecimalSum(DecimalTotal):
    """The exact sum of decimals; NULL of none."""

    __slots__ = ()

    def value(self) -> str | None:
        """Give the sum."""
        return decimal_text(self._total) if self._count else None

    final = finalize = value


class DecimalAverage(DecimalTotal):
    """The average of decimals; NULL of none."""

    __slots__ = ()

    def value(self) -> str | None:
        """Give the average."""
        quotient = _divide(self._total, Decimal(self._count))
        return None if quotient is None else decimal_text(quotient)

    final = finalize = value


# -- JSON


def json_canonical(text: SQLiteValue) -> str | None:
    """Write a document so that equal documents are equal text."""
    return None if text is None else _json.canonical(_json.loads(_text(text)))


def json_contains(document: SQLiteValue, part: SQLiteValue) -> int | None:
    """Ask whether a document holds another, by PostgreSQL's rules ("jsonb Containment", 8.14.3)."""
    if document is None or part is None:
        return None
    return int(_holds(_json.loads(_text(document)), _json.loads(_text(part)), is_top=True))


def _holds(document: object, part: object, *, is_top: bool) -> bool:
    if isinstance(document, list):
        items = cast("list[object]", document)
        if isinstance(part, list):
            parts = cast("list[object]", part)
            return all(any(_holds(item, p, is_top=False) for item in items) for p in parts)
        return is_top and any(_is_scalar_equal(item, part) for item in items)
    if isinstance(document, dict):
        if not isinstance(part, dict):
            return False
        held = cast("dict[str, object]", document)
        asked = cast("dict[str, object]", part)
        return all(k in held and _holds(held[k], v, is_top=False) for k, v in asked.items())
    return _is_scalar_equal(document, part)


def _is_scalar_equal(left: object, right: object) -> bool:
    if isinstance(left, list | dict) or isinstance(right, list | dict):
        return False
    # To Python True is 1; to JSON it is not.
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


# -- times


def instant_add(text: SQLiteValue, microseconds: SQLiteValue) -> str | None:
    """Move a date and time, with or without offset, by microseconds."""
    if text is None or microseconds is None:
        return None
    moved = datetime.fromisoformat(_text(text)) + decode_interval(int(microseconds))
    return moved.isoformat(" ", "microseconds")


def instant_diff(later: SQLiteValue, earlier: SQLiteValue) -> int | None:
    """Count the microseconds between two dates and times."""
    if later is None or earlier is None:
        return None
    return encode_interval(
        datetime.fromisoformat(_text(later)) - datetime.fromisoformat(_text(earlier))
    )


_UUID_DIGITS = re.compile(r"[0-9a-fA-F]{32}")
_HEX_DIGITS: Final = re.compile(r"(?:[0-9A-Fa-f]{2})*")


def unhex(value: SQLiteValue) -> SQLiteValue:
    """Give the bytes of hexadecimal digits, as SQLite's function does: NULL if they are none.

    "Built-In Scalar SQL Functions", https://www.sqlite.org/lang_corefunc.html#unhex.
    """
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return bytes.fromhex(text) if _HEX_DIGITS.fullmatch(text) else None


def uuid_bytes(value: SQLiteValue) -> SQLiteValue:
    """Give the bytes of a UUID that is written as text; what is none stays as it is.

    SQLite's `unhex` is missing before 3.41, and takes any number of digits.
    """
    if not isinstance(value, str):
        return value
    digits = re.sub(r"[-{}]", "", value)
    return bytes.fromhex(digits) if _UUID_DIGITS.fullmatch(digits) else value


SQLITE_FUNCTIONS: Final[dict[str, SQLiteFunction]] = {
    "uow_like": SQLiteFunction(like, 2),
    "uow_ilike": SQLiteFunction(ilike, 2),
    "uow_lower": SQLiteFunction(lower, 1),
    "uow_upper": SQLiteFunction(upper, 1),
    "uow_decimal": SQLiteFunction(decimal, 1),
    "uow_decimal_add": SQLiteFunction(_binary(EXACT.add), 2),
    "uow_decimal_sub": SQLiteFunction(_binary(EXACT.subtract), 2),
    "uow_decimal_mul": SQLiteFunction(_binary(EXACT.multiply), 2),
    "uow_decimal_div": SQLiteFunction(_binary(_divide), 2),
    "uow_decimal_mod": SQLiteFunction(_binary(_remainder), 2),
    "uow_decimal_neg": SQLiteFunction(decimal_negate, 1),
    "uow_decimal_abs": SQLiteFunction(decimal_absolute, 1),
    "uow_decimal_round": SQLiteFunction(decimal_round, 2),
    "uow_decimal_ceil": SQLiteFunction(decimal_ceil, 1),
    "uow_decimal_floor": SQLiteFunction(decimal_floor, 1),
    "uow_decimal_fit": SQLiteFunction(decimal_fit, 3),
    "uow_round": SQLiteFunction(round_number, 2),
    "uow_instant_add": SQLiteFunction(instant_add, 2),
    "uow_instant_diff": SQLiteFunction(instant_diff, 2),
    "uow_json_contains": SQLiteFunction(json_contains, 2),
    "uow_json": SQLiteFunction(json_canonical, 1),
    "uow_uuid": SQLiteFunction(uuid_bytes, 1),
}
"""Scalar functions to register on every connection, by name."""

SQLITE_LATER_FUNCTIONS: Final[dict[str, tuple[tuple[int, int], SQLiteFunction]]] = {
    "unhex": ((3, 41), SQLiteFunction(unhex, 1)),
}
"""Functions of SQLite's own that compiled statements call, by name: since when it has them, and
what to register on a connection of an older one."""

SQLITE_AGGREGATES: Final[dict[str, tuple[Callable[[], Aggregate], int]]] = {
    "uow_decimal_sum": (DecimalSum, 1),
    "uow_decimal_avg": (DecimalAverage, 1),
}
"""Aggregate functions, by name: what makes one run, and how many arguments it takes."""

SQLITE_COLLATIONS: Final[dict[str, Callable[[str, str], int]]] = {"uow_decimal": decimal_compare}
"""Collations, by name."""
