"""Column types: what a value is, whatever the store. Dialects decide how each is stored."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import ipaddress as ip
import re
import types
import uuid
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Union, get_args, get_origin

import attrs

from uow.errors import MappingError

__all__ = [
    "Array",
    "Binary",
    "Boolean",
    "ColumnType",
    "Composite",
    "Date",
    "DateTime",
    "DocumentValue",
    "EnumType",
    "Float",
    "Integer",
    "Interval",
    "IpAddress",
    "IpInterface",
    "IpNetwork",
    "Json",
    "LinkValue",
    "Native",
    "Numeric",
    "ObjectIdType",
    "RangeType",
    "Text",
    "Time",
    "UnsignedInteger",
    "Uuid",
    "changes_in_place",
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

    @property
    def least(self) -> int:
        """The least there is."""
        return -(1 << (self.bits - 1))

    @property
    def most(self) -> int:
        """The greatest there is."""
        return (1 << (self.bits - 1)) - 1


@attrs.frozen
class UnsignedInteger(Integer):
    """A whole number of at most `bits` bits, from 0 on. Only MySQL and MariaDB have such."""

    @property
    def least(self) -> int:
        """0."""
        return 0

    @property
    def most(self) -> int:
        """The greatest there is."""
        return (1 << self.bits) - 1


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
    """Bytes, at most `max_length` of them.

    Attributes:
        max_length: how many there may be.
        mutable: whether values are `bytearray`, which changes in place.
    """

    max_length: int | None = None
    mutable: bool = attrs.field(default=False, kw_only=True)


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
    """An instant (aware, kept in UTC), or with `timezone=False` a naive date and time.

    Attributes:
        timezone: whether it is an instant; None for one that is naive in Python, and taken as UTC.
        digits: how many digits of a second are kept, 6 or 3; what goes beyond is cut off when a
            value is checked.
    """

    timezone: bool | None = True
    digits: int = attrs.field(default=6, kw_only=True)


@attrs.frozen
class Interval(ColumnType):
    """A span of time in microseconds (`timedelta`)."""


@attrs.frozen
class Uuid(ColumnType):
    """A UUID."""


_DEEPEST: Final = 250
"""A little less than what is written and read by a recursion in C."""


def _check_depth(_: object, __: object, depth: object) -> None:
    if isinstance(depth, bool) or not isinstance(depth, int) or not 1 <= depth <= _DEEPEST:
        raise MappingError(
            f"Json(max_depth=...): a number of levels from 1 to {_DEEPEST} is expected, got "
            f"{depth!r}; keep what is deeper as rows or documents that refer to each other"
        )


@attrs.frozen
class Json(ColumnType):
    """A JSON document.

    Attributes:
        annotation: the type hint that says what it is in Python.
        max_depth: how many levels of lists, dicts and objects it may have, at most 250.

    Raises:
        MappingError: `max_depth` is out of bounds.
    """

    annotation: object = None
    max_depth: int = attrs.field(default=100, kw_only=True, validator=_check_depth)


@attrs.frozen
class DocumentValue(Json):
    """A nested value of a document: lists, dicts and objects, and in them scalars of any kind."""


@attrs.frozen
class LinkValue(DocumentValue):
    """References to other documents: one, or a list or dict of them.

    Attributes:
        field: what is known of the field; see `uow.mapping.link_fields`.
    """

    field: Any = None


@attrs.frozen
class ObjectIdType(ColumnType):
    """A key that document stores make: 12 bytes, of which the first are the time."""


@attrs.frozen
class IpAddress(ColumnType):
    """An IP address, of version 4 or 6, or (None) of either."""

    version: int | None = None


@attrs.frozen
class IpInterface(ColumnType):
    """An IP address and the network it is in (`10.0.0.7/8`)."""

    version: int | None = None


@attrs.frozen
class IpNetwork(ColumnType):
    """An IP network (`10.0.0.0/8`)."""

    version: int | None = None


@attrs.frozen
class EnumType(ColumnType):
    """A member of `enum_class`, kept as its text, its number or its name.

    Attributes:
        enum_class: the enum.
        native: the name of a type of the store's own, made before the first table that has it
            (`CREATE TYPE` on PostgreSQL, `ENUM(...)` on MySQL); True takes the name of the class
            in lower case. Members are then kept as their text, or as their name if not all are
            text. Stores without such types keep the same text.
        schema: the schema of the native type, or None for the store's default.
    """

    enum_class: type[enum.Enum]
    native: str | bool = attrs.field(default=False, kw_only=True)
    schema: str | None = attrs.field(default=None, kw_only=True)

    @property
    def native_name(self) -> str | None:
        """The name of the store's own type, or None if it has none."""
        if self.native is True:
            return self.enum_class.__name__.lower()
        return self.native or None


@attrs.frozen
class Composite(ColumnType):
    """A row of fields in one column: an object of a frozen attrs class, dataclass or NamedTuple.

    Attributes:
        class_: the class; its hints say the types of the fields, and where a hint does not say
            enough `Annotated[Decimal, Numeric(9, 2)]` does. No field may be a list or JSON.
        name: the name of the store's own type (`CREATE TYPE .. AS` on PostgreSQL), made before the
            first table that has it; by default the name of the class in lower case. Stores
            without such types keep JSON.
        schema: the schema of that type, or None for the store's default.
    """

    class_: type
    name: str | None = attrs.field(default=None, kw_only=True)
    schema: str | None = attrs.field(default=None, kw_only=True)

    @property
    def native_name(self) -> str:
        """The name of the store's own type."""
        return self.name or self.class_.__name__.lower()


_NATIVE_NAME: Final = re.compile(r'[A-Za-z_"][\w ".,()]*')


@attrs.frozen
class Native(ColumnType):
    """A type that only some stores have: `Native("citext")`, `Native("geometry(Point, 4326)")`.

    Attributes:
        name: the type as SQL names it; it stands in DDL and in casts as it is given.
        python_type: the class of the values in Python; by default what the type hint says.
        encode: turns a value into what the store's client takes for the type; without it values
            go as they are. It raises ValueError for a value that cannot be stored.
        decode: turns what the client gives for the type into a value; inside of an `Array` it is
            also given what `encode` made.
        store: the name of the dialect that has the type; None for any that is asked.
        elsewhere: the column type to use on other stores; without it they refuse the column.
    """

    name: str = attrs.field(validator=attrs.validators.matches_re(_NATIVE_NAME))
    python_type: type | None = None
    encode: Callable[[Any], Any] | None = attrs.field(default=None, kw_only=True)
    decode: Callable[[Any], Any] | None = attrs.field(default=None, kw_only=True)
    store: str | None = attrs.field(default=None, kw_only=True)
    elsewhere: ColumnType | None = attrs.field(default=None, kw_only=True)


_SCALARS: Mapping[type, ColumnType] = MappingProxyType(
    {
        bool: Boolean(),
        int: Integer(),
        float: Float(),
        str: Text(),
        bytes: Binary(),
        bytearray: Binary(mutable=True),
        decimal.Decimal: Numeric(),
        dt.date: Date(),
        dt.time: Time(),
        dt.datetime: DateTime(),
        dt.timedelta: Interval(),
        uuid.UUID: Uuid(),
        ip.IPv4Address: IpAddress(4),
        ip.IPv6Address: IpAddress(6),
        ip.IPv4Interface: IpInterface(4),
        ip.IPv6Interface: IpInterface(6),
        ip.IPv4Network: IpNetwork(4),
        ip.IPv6Network: IpNetwork(6),
    }
)

_EITHER_VERSION: Mapping[frozenset[object], ColumnType] = MappingProxyType(
    {
        frozenset({ip.IPv4Address, ip.IPv6Address}): IpAddress(),
        frozenset({ip.IPv4Interface, ip.IPv6Interface}): IpInterface(),
        frozenset({ip.IPv4Network, ip.IPv6Network}): IpNetwork(),
    }
)


def scalar_type(python_type: object) -> ColumnType | None:
    """The column type of a plain Python class (`int`, `str`, an `Enum`, ...), or None.

    >>> scalar_type(int)
    Integer(bits=64)
    """
    if get_origin(python_type) in (Union, types.UnionType):
        return _EITHER_VERSION.get(frozenset(get_args(python_type)))
    if not isinstance(python_type, type):
        return None
    class_: type[Any] = python_type
    if issubclass(class_, enum.Enum):
        return EnumType(class_)
    found = _SCALARS.get(class_)
    if found is None and class_.__module__.startswith("bson."):
        # Told by their names: this library's core imports no client's.
        return ObjectIdType() if class_.__name__ == "ObjectId" else _native_bson(class_)
    if found is None and any(
        base.__name__ == "ObjectId" and base.__module__.startswith("bson.")
        for base in class_.__mro__[1:]
    ):
        return ObjectIdType()
    return found


def _native_bson(class_: type[Any]) -> ColumnType:
    return Native(class_.__name__, class_, store="mongodb")


def changes_in_place(type_: ColumnType) -> bool:
    """Whether values of a type can be changed without being replaced."""
    return isinstance(type_, (Json, Array)) or (isinstance(type_, Binary) and type_.mutable)


def column_type(given: object) -> ColumnType:
    """The column type someone means by an instance, a class of this module or a Python class.

    A generic class of values may say its own, in a static method `_uow_column_type`, which takes
    what stands in the brackets: `Range[int]`.

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
    make = getattr(get_origin(given), "_uow_column_type", None)
    if make is not None:
        own: ColumnType = make(*get_args(given))
        return own
    found = scalar_type(given)  # pyright: ignore[reportUnknownArgumentType]
    if found is None:
        raise TypeError(f"{given!r} is not a column type")
    return found


def _item_type(item: ColumnType | type[Any]) -> ColumnType:
    try:
        return column_type(item)
    except TypeError as error:
        raise MappingError(f"an item of an array or a range: {error}") from error


@attrs.frozen
class Array(ColumnType):
    """An SQL array of `item`.

    Raises:
        MappingError: `item` names no column type.
    """

    item: ColumnType = attrs.field(converter=_item_type)


@attrs.frozen
class RangeType(ColumnType):
    """A range (`uow.Range`) over `item`: `RangeType(Integer(32))`, or `Range[int]` for short.

    Raises:
        MappingError: `item` names no column type.
    """

    item: ColumnType = attrs.field(converter=_item_type)
