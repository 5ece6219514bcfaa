"""The checks of single values: numbers, text, bytes, dates, UUIDs, members of enums."""

from __future__ import annotations

import datetime as dt
import enum
import ipaddress as ip
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final, cast
from uuid import UUID

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
    IpAddress,
    IpInterface,
    IpNetwork,
    Native,
    Numeric,
    ObjectIdType,
    Text,
    Time,
    UnsignedInteger,
    Uuid,
)

__all__ = ["IP_CLASSES", "SCALAR_CHECKS", "Checker", "check_text", "kind_of", "wrong_kind"]

Checker = Callable[[Any], Any]
"""Answers the value as it is to be kept, or raises ValueError."""

MAX_INTERVAL: Final = dt.timedelta(microseconds=2**63 - 1)
MAX_DIGITS: Final = 1000
"""How many digits a decimal without precision may have on either side of its point."""


def kind_of(value: object) -> str:
    """What a message may say about a value: its class, and no more."""
    if value is None:
        return "None"
    class_ = type(value)
    # Tracked containers are what they track to their user.
    is_tracked = class_.__module__.startswith("uow.") and class_.__base__ in _CONTAINERS
    return class_.__base__.__name__ if is_tracked and class_.__base__ else class_.__name__


_CONTAINERS: Final = (dict, list, set)


def wrong_kind(expected: str, value: object) -> ValueError:
    """The error for a value of the wrong kind."""
    return ValueError(f"expected {expected}, got {kind_of(value)}")


def _integer(type_: Integer) -> Checker:
    least, most = type_.least, type_.most

    def check(value: object) -> int:
        # bool is no number here; members of an IntEnum are kept as their number.
        if not isinstance(value, int) or isinstance(value, bool):
            raise wrong_kind("int", value)
        number = int(value)
        if least == 0 > number:
            raise ValueError("a negative int")
        if not least <= number <= most:
            raise ValueError(f"an int of more than {type_.bits} bits")
        return number

    return check


def _float(_: Float) -> Checker:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (float, int)):
            raise wrong_kind("float", value)
        try:
            return float(value)
        except OverflowError:
            raise ValueError("an int too large for a float") from None

    return check


def _boolean(_: Boolean) -> Checker:
    def check(value: Any) -> bool:
        if value is not True and value is not False:
            raise wrong_kind("bool", value)
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
            raise wrong_kind("str", value)
        # Members of a StrEnum and the like are kept as the text they are.
        text = str.__str__(value)
        check_text(text)
        if limit is not None and len(text) > limit:
            raise ValueError(f"text of {len(text)} characters, at most {limit} fit")
        return text

    return check


def _binary(type_: Binary) -> Checker:
    limit = type_.max_length
    make: type[bytes | bytearray] = bytearray if type_.mutable else bytes

    def check(value: object) -> bytes | bytearray:
        if not isinstance(value, (bytes, bytearray)):
            raise wrong_kind(make.__name__, value)
        data = make(value)
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
            raise wrong_kind("Decimal", value)
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
            raise wrong_kind("date", value)
        return value

    return check


def _time(_: Time) -> Checker:
    def check(value: Any) -> dt.time:
        if not isinstance(value, dt.time):
            raise wrong_kind("time", value)
        if value.tzinfo is not None:
            raise ValueError("expected a time without a zone, got an aware one")
        return value

    return check


def _datetime(type_: DateTime) -> Checker:
    check = _exact_datetime(type_)
    if type_.digits >= 6:
        return check
    unit = 10 ** (6 - type_.digits)

    def check_and_cut(value: Any) -> dt.datetime:
        found: dt.datetime = check(value)
        rest = found.microsecond % unit
        return found if not rest else found.replace(microsecond=found.microsecond - rest)

    return check_and_cut


def _in_utc(value: dt.datetime) -> dt.datetime:
    try:
        return value.astimezone(dt.UTC)
    except OverflowError:
        raise ValueError("an instant outside of the years 1 to 9999 in UTC") from None


def _exact_datetime(type_: DateTime) -> Checker:
    def check_aware(value: Any) -> dt.datetime:
        if not isinstance(value, dt.datetime):
            raise wrong_kind("datetime", value)
        if value.tzinfo is None or value.utcoffset() is None:
            raise ValueError("expected an aware datetime, got a naive one")
        if value.tzinfo is not dt.UTC:
            _in_utc(value)
        return value

    def check_naive(value: Any) -> dt.datetime:
        if not isinstance(value, dt.datetime):
            raise wrong_kind("datetime", value)
        if value.tzinfo is not None:
            raise ValueError("expected a naive datetime, got an aware one")
        return value

    def check_either(value: Any) -> dt.datetime:
        if not isinstance(value, dt.datetime):
            raise wrong_kind("datetime", value)
        return value if value.tzinfo is None else _in_utc(value).replace(tzinfo=None)

    if type_.timezone is None:
        return check_either
    return check_aware if type_.timezone else check_naive


def _interval(_: Interval) -> Checker:
    def check(value: Any) -> dt.timedelta:
        if not isinstance(value, dt.timedelta):
            raise wrong_kind("timedelta", value)
        if abs(value) > MAX_INTERVAL:
            raise ValueError("a timedelta of more than 64 bits of microseconds")
        return value

    return check


def _uuid(_: Uuid) -> Checker:
    def check(value: Any) -> UUID:
        if not isinstance(value, UUID):
            raise wrong_kind("UUID", value)
        return value

    return check


def _object_id(_: ObjectIdType) -> Checker:
    def check(value: Any) -> Any:
        # By its name: the core imports no client's package.
        if not any(c.__name__ == "ObjectId" for c in type(value).__mro__):
            raise wrong_kind("ObjectId", value)
        return value

    return check


def _enum(type_: EnumType) -> Checker:
    enum_class = type_.enum_class
    # Members of a `StrEnum` are equal to their texts, so that these may stand for them.
    is_text = issubclass(enum_class, str)

    def check(value: Any) -> enum.Enum:
        if isinstance(value, enum_class):
            return value
        if is_text and type(value) is str:
            with suppress(ValueError):
                return enum_class(value)
        raise wrong_kind(enum_class.__name__, value)

    return check


IP_CLASSES: Final[dict[type[ColumnType], dict[int | None, type]]] = {
    IpAddress: {4: ip.IPv4Address, 6: ip.IPv6Address},
    IpInterface: {4: ip.IPv4Interface, 6: ip.IPv6Interface},
    IpNetwork: {4: ip.IPv4Network, 6: ip.IPv6Network},
}
"""The classes of addresses and networks, by version."""


def _ip(type_: IpAddress | IpInterface | IpNetwork) -> Checker:
    known = IP_CLASSES[type(type_)]
    classes = [class_ for version, class_ in known.items() if type_.version in (None, version)]
    expected = " or ".join(class_.__name__ for class_ in classes)

    def check(value: Any) -> Any:
        # An interface is an address by its class, but not by what it says.
        if type(value) not in classes:
            raise wrong_kind(expected, value)
        if getattr(value, "scope_id", None) is not None:
            raise ValueError("an address with a zone, which is of one machine only")
        return value

    return check


def _native(type_: Native) -> Checker:
    class_ = type_.python_type or object

    def check(value: Any) -> Any:
        if not isinstance(value, class_) or (class_ is int and isinstance(value, bool)):
            raise wrong_kind(class_.__name__, value)
        if isinstance(value, str):
            check_text(value)
        return value

    return check


SCALAR_CHECKS: Final[dict[type[ColumnType], Callable[[Any], Checker]]] = {
    Binary: _binary,
    Boolean: _boolean,
    Date: _date,
    DateTime: _datetime,
    EnumType: _enum,
    Float: _float,
    Integer: _integer,
    UnsignedInteger: _integer,
    Interval: _interval,
    IpAddress: _ip,
    IpInterface: _ip,
    IpNetwork: _ip,
    Native: _native,
    Numeric: _numeric,
    ObjectIdType: _object_id,
    Text: _text,
    Time: _time,
    Uuid: _uuid,
}
"""What makes the check of each type."""
