"""What values the columns take: checks that are the same for every store, and `Range`.

A message of a check says what was expected and what kind of value came, never the value itself:
it may be a secret.
"""

from __future__ import annotations

import datetime as dt
import enum
import types
import typing
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, Generic, Literal, TypeVar, Union, cast, get_args, get_origin
from uuid import UUID

import attrs

from uow.types import (
    Array,
    Binary,
    Boolean,
    ColumnType,
    Date,
    DateTime,
    EnumType,
    Float,
    Integer,
    Interval,
    Json,
    Numeric,
    RangeType,
    Text,
    Time,
    Uuid,
    scalar_type,
)

__all__ = [
    "Checker",
    "Range",
    "check_text",
    "check_value",
    "checker_for",
    "kind_of",
    "python_type",
    "split_optional",
    "type_from_hint",
]

T = TypeVar("T")

Checker = Callable[[Any], Any]
"""Answers the value as it is to be kept, or raises ValueError."""

MAX_INTERVAL: Final = dt.timedelta(microseconds=2**63 - 1)
MAX_DIGITS: Final = 1000
"""How many digits a decimal without precision may have on either side of its point."""


# -- ranges


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

    def __contains__(self, value: T) -> bool:
        other = cast("Any", value)
        if self.lower is not None and (
            other < self.lower or (other == self.lower and self.bounds[0] == "(")
        ):
            return False
        return self.upper is None or not (
            other > self.upper or (other == self.upper and self.bounds[1] == ")")
        )


# -- hints to types


def split_optional(hint: Any) -> tuple[Any, bool]:
    """Take None out of a union.

    >>> split_optional(int | None)
    (<class 'int'>, True)
    """
    hint = _unwrap(hint)
    if get_origin(hint) not in (Union, types.UnionType):
        return hint, False
    members = [member for member in get_args(hint) if member is not types.NoneType]
    nullable = len(members) < len(get_args(hint))
    if len(members) == 1:
        inner, also = split_optional(members[0])
        return inner, nullable or also
    return Union[tuple(members)], nullable  # noqa: UP007 - made at run time


def type_from_hint(hint: Any) -> tuple[ColumnType, bool]:
    """The column type a type hint means, and whether the hint allows None.

    >>> type_from_hint(int | None)
    (Integer(bits=64), True)

    Raises:
        ValueError: there is none.
    """
    bare, nullable = split_optional(hint)
    scalar = scalar_type(bare)
    if scalar is not None:
        return scalar, nullable
    if get_origin(bare) is Range:
        item = scalar_type(_unwrap(get_args(bare)[0]))
        if item is not None:
            return RangeType(item), nullable
    if _is_json(bare):
        return Json(bare), nullable or bare is Any
    raise ValueError("not a type a column can have")


def _unwrap(hint: Any) -> Any:
    while True:
        if get_origin(hint) is typing.Annotated:
            hint = get_args(hint)[0]
        elif isinstance(hint, typing.NewType):
            hint = hint.__supertype__
        elif type(hint).__name__ == "TypeAliasType":  # `type X = ...` of Python 3.12
            hint = hint.__value__
        else:
            return hint


def _is_json(hint: Any) -> bool:
    origin: Any = get_origin(hint) or hint
    if origin is Any or typing.is_typeddict(origin):
        return True
    if not isinstance(origin, type):
        return False
    class_: type[Any] = origin
    if issubclass(class_, (list, dict, set, frozenset, tuple)):
        return True
    if hasattr(class_, "_uow_mapper"):
        return False  # a mapped class is no value
    names = ("__attrs_attrs__", "__dataclass_fields__", "model_fields")
    return any(hasattr(class_, name) for name in names)


def python_type(type_: ColumnType) -> type:
    """The Python class of a column's values; `object` where any JSON value may stand."""
    if isinstance(type_, EnumType):
        return type_.enum_class
    if isinstance(type_, Json):
        origin = get_origin(type_.annotation) or type_.annotation
        return origin if isinstance(origin, type) else object
    return _PYTHON_TYPES[type(type_)]


_PYTHON_TYPES: Final[dict[type[ColumnType], type]] = {
    Array: list,
    Binary: bytes,
    Boolean: bool,
    Date: dt.date,
    DateTime: dt.datetime,
    Float: float,
    Integer: int,
    Interval: dt.timedelta,
    Numeric: Decimal,
    RangeType: Range,
    Text: str,
    Time: dt.time,
    Uuid: UUID,
}


# -- checks


def check_value(type_: ColumnType, value: object) -> Any:
    """Check a value that is not None.

    Returns:
        The value as it is to be kept: an int for a float column becomes a float, and so on.

    Raises:
        ValueError: it does not fit.
    """
    return checker_for(type_)(value)


def kind_of(value: object) -> str:
    """What a message may say about a value: its class, and no more."""
    return "None" if value is None else type(value).__name__


def checker_for(type_: ColumnType) -> Checker:
    """The check of a column type, made once."""
    try:
        return _cached_checker(type_)
    except TypeError:  # an annotation that cannot be hashed
        return _make_checker(type_)


@lru_cache(maxsize=4096)
def _cached_checker(type_: ColumnType) -> Checker:
    return _make_checker(type_)


def _make_checker(type_: ColumnType) -> Checker:
    return _MAKERS[type(type_)](type_)


def _wrong(expected: str, value: object) -> ValueError:
    return ValueError(f"expected {expected}, got {kind_of(value)}")


def _integer(type_: Integer) -> Checker:
    limit = 1 << (type_.bits - 1)

    def check(value: object) -> int:
        # bool is no number here; members of an IntEnum are kept as their number.
        if not isinstance(value, int) or isinstance(value, bool):
            raise _wrong("int", value)
        number = int(value)
        if not -limit <= number < limit:
            raise ValueError(f"an int of more than {type_.bits} bits")
        return number

    return check


def _float(_: Float) -> Checker:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (float, int)):
            raise _wrong("float", value)
        try:
            return float(value)
        except OverflowError:
            raise ValueError("an int too large for a float") from None

    return check


def _boolean(_: Boolean) -> Checker:
    def check(value: Any) -> bool:
        if value is not True and value is not False:
            raise _wrong("bool", value)
        return value

    return check


def check_text(value: str) -> None:
    """Refuse what some store cannot keep as text.

    Raises:
        ValueError: there is a NUL character or a lone surrogate in it.
    """
    if "\0" in value:
        raise ValueError("text with a NUL character")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("text with a lone surrogate") from None


def _text(type_: Text) -> Checker:
    limit = type_.max_length

    def check(value: object) -> str:
        if not isinstance(value, str):
            raise _wrong("str", value)
        # Members of a StrEnum and the like are kept as the text they are.
        text = str.__str__(value)
        check_text(text)
        if limit is not None and len(text) > limit:
            raise ValueError(f"text of {len(text)} characters, at most {limit} fit")
        return text

    return check


def _binary(type_: Binary) -> Checker:
    limit = type_.max_length

    def check(value: object) -> bytes:
        if not isinstance(value, (bytes, bytearray)):
            raise _wrong("bytes", value)
        data = bytes(value)
        if limit is not None and len(data) > limit:
            raise ValueError(f"{len(data)} bytes, at most {limit} fit")
        return data

    return check


def _numeric(type_: Numeric) -> Checker:
    scale = type_.scale or 0
    fraction = MAX_DIGITS if type_.precision is None else scale
    whole = MAX_DIGITS if type_.precision is None else type_.precision - scale

    def check(value: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, (Decimal, int)):
            raise _wrong("Decimal", value)
        number = Decimal(value)
        if not number.is_finite():
            raise ValueError("a Decimal that is not finite")
        if not number:
            return number
        _, digits, exponent = number.as_tuple()
        if number.adjusted() >= whole:
            raise ValueError(f"a Decimal of more than {whole} digits before the point")
        if cast("int", exponent) < -fraction:
            # Zeros at the end carry nothing; 1.50 fits into one digit after the point.
            surplus = digits[len(digits) - min(-fraction - cast("int", exponent), len(digits)) :]
            if any(surplus) or len(surplus) < -fraction - cast("int", exponent):
                raise ValueError(f"a Decimal of more than {fraction} digits after the point")
        return number

    return check


def _date(_: Date) -> Checker:
    def check(value: Any) -> dt.date:
        if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
            raise _wrong("date", value)
        return value

    return check


def _time(_: Time) -> Checker:
    def check(value: Any) -> dt.time:
        if not isinstance(value, dt.time):
            raise _wrong("time", value)
        if value.tzinfo is not None:
            raise ValueError("expected a time without a zone, got an aware one")
        return value

    return check


def _datetime(type_: DateTime) -> Checker:
    def check_aware(value: Any) -> dt.datetime:
        if not isinstance(value, dt.datetime):
            raise _wrong("datetime", value)
        if value.tzinfo is None or value.utcoffset() is None:
            raise ValueError("expected an aware datetime, got a naive one")
        if value.tzinfo is not dt.UTC:
            try:
                value.astimezone(dt.UTC)
            except OverflowError:
                raise ValueError("an instant outside of the years 1 to 9999 in UTC") from None
        return value

    def check_naive(value: Any) -> dt.datetime:
        if not isinstance(value, dt.datetime):
            raise _wrong("datetime", value)
        if value.tzinfo is not None:
            raise ValueError("expected a naive datetime, got an aware one")
        return value

    return check_aware if type_.timezone else check_naive


def _interval(_: Interval) -> Checker:
    def check(value: Any) -> dt.timedelta:
        if not isinstance(value, dt.timedelta):
            raise _wrong("timedelta", value)
        if abs(value) > MAX_INTERVAL:
            raise ValueError("a timedelta of more than 64 bits of microseconds")
        return value

    return check


def _uuid(_: Uuid) -> Checker:
    def check(value: Any) -> UUID:
        if not isinstance(value, UUID):
            raise _wrong("UUID", value)
        return value

    return check


def _enum(type_: EnumType) -> Checker:
    enum_class = type_.enum_class

    def check(value: Any) -> enum.Enum:
        if not isinstance(value, enum_class):
            raise _wrong(enum_class.__name__, value)
        return value

    return check


def _array(type_: Array) -> Checker:
    check_item = checker_for(type_.item)

    def check(value: Any) -> list[Any]:
        if not isinstance(value, (list, tuple)):
            raise _wrong("list", value)
        items: list[Any] = []
        for index, item in enumerate(cast("list[Any]", value)):
            try:
                items.append(None if item is None else check_item(item))
            except ValueError as exc:
                raise ValueError(f"at [{index}]: {exc}") from None
        return items

    return check


def _range(type_: RangeType) -> Checker:
    check_bound = checker_for(type_.item)

    def check(value: Any) -> Range[Any]:
        if not isinstance(value, Range):
            raise _wrong("Range", value)
        bounds = cast("Range[object]", value)
        lower = None if bounds.lower is None else check_bound(bounds.lower)
        upper = None if bounds.upper is None else check_bound(bounds.upper)
        return Range(lower, upper, bounds.bounds)

    return check


def _json(type_: Json) -> Checker:
    from uow.json_checks import json_checker

    return json_checker(type_.annotation)


_MAKERS: Final[dict[type[ColumnType], Callable[[Any], Checker]]] = {
    Array: _array,
    Binary: _binary,
    Boolean: _boolean,
    Date: _date,
    DateTime: _datetime,
    EnumType: _enum,
    Float: _float,
    Integer: _integer,
    Interval: _interval,
    Json: _json,
    Numeric: _numeric,
    RangeType: _range,
    Text: _text,
    Time: _time,
    Uuid: _uuid,
}
