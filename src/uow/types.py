"""Column types: what a value is, whatever the store. Dialects decide how each is stored."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import attrs

__all__ = [
    "Array",
    "Binary",
    "Boolean",
    "ColumnType",
    "Date",
    "DateTime",
    "EnumType",
    "Float",
    "Integer",
    "Interval",
    "Json",
    "Numeric",
    "RangeType",
    "Text",
    "Time",
    "Uuid",
    "column_type",
    "scalar_type",
]


@attrs.frozen
class ColumnType:
    """Base of every column type."""


@attrs.frozen
class Integer(ColumnType):
    """A whole number of at most `bits` bits, signed (16, 32 or 64)."""

    bits: int = 64


@attrs.frozen
class Float(ColumnType):
    """A double."""


@attrs.frozen
class Boolean(ColumnType):
    """True or False."""


@attrs.frozen
class Text(ColumnType):
    """Unicode text of at most `max_length` characters."""

    max_length: int | None = None
    collation: str | None = None


@attrs.frozen
class Binary(ColumnType):
    """Bytes, at most `max_length` of them."""

    max_length: int | None = None


@attrs.frozen
class Numeric(ColumnType):
    """An exact decimal of `precision` digits, `scale` of them after the point."""

    precision: int | None = None
    scale: int | None = None


@attrs.frozen
class Date(ColumnType):
    """A calendar day."""


@attrs.frozen
class Time(ColumnType):
    """A time of day without a zone, in microseconds."""


@attrs.frozen
class DateTime(ColumnType):
    """An instant (aware, kept in UTC), or with `timezone=False` a naive date and time."""

    timezone: bool = True


@attrs.frozen
class Interval(ColumnType):
    """A span of time in microseconds (`timedelta`)."""


@attrs.frozen
class Uuid(ColumnType):
    """A UUID."""


@attrs.frozen
class Json(ColumnType):
    """A JSON document; `annotation` is the type hint that says what it is in Python."""

    annotation: object = None


@attrs.frozen
class EnumType(ColumnType):
    """A member of `enum_class`."""

    enum_class: type[enum.Enum]


_SCALARS: Mapping[type, ColumnType] = MappingProxyType(
    {
        bool: Boolean(),
        int: Integer(),
        float: Float(),
        str: Text(),
        bytes: Binary(),
        decimal.Decimal: Numeric(),
        dt.date: Date(),
        dt.time: Time(),
        dt.datetime: DateTime(),
        dt.timedelta: Interval(),
        uuid.UUID: Uuid(),
    }
)


def scalar_type(python_type: object) -> ColumnType | None:
    """The column type of a plain Python class (`int`, `str`, an `Enum`, ...), or None.

    >>> scalar_type(int)
    Integer(bits=64)
    """
    if not isinstance(python_type, type):
        return None
    class_: type[Any] = python_type
    if issubclass(class_, enum.Enum):
        return EnumType(class_)
    return _SCALARS.get(class_)


def column_type(given: object) -> ColumnType:
    """The column type someone means by an instance, a class of this module or a Python class.

    >>> column_type(Text), column_type(str), column_type(Text(10))
    (Text(max_length=None, collation=None), Text(max_length=None, collation=None), \
Text(max_length=10, collation=None))

    Raises:
        TypeError: it names no column type.
    """
    if isinstance(given, ColumnType):
        return given
    if isinstance(given, type) and issubclass(given, ColumnType):
        return given()
    found = scalar_type(given)  # pyright: ignore[reportUnknownArgumentType]
    if found is None:
        raise TypeError(f"{given!r} is not a column type")
    return found


def _item_type(item: ColumnType | type[Any]) -> ColumnType:
    return column_type(item)


@attrs.frozen
class Array(ColumnType):
    """An SQL array of `item`."""

    item: ColumnType = attrs.field(converter=_item_type)


@attrs.frozen
class RangeType(ColumnType):
    """A range (`uow.Range`) over `item`."""

    item: ColumnType = attrs.field(converter=_item_type)
