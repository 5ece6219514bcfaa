"""Names of PostgreSQL's types, and arrays as text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, cast

from uow.dialects import codecs
from uow.dialects._names import Quoter
from uow.dialects.sql_ddl import integer_type
from uow.errors import MappingError
from uow.types import (
    Array,
    Binary,
    Boolean,
    ColumnType,
    Composite,
    Date,
    DateTime,
    EnumType,
    Float,
    Integer,
    Interval,
    IpAddress,
    IpInterface,
    IpNetwork,
    Json,
    Native,
    Numeric,
    RangeType,
    Text,
    Time,
    Uuid,
)

__all__ = [
    "QUOTE",
    "array_text",
    "batch_name",
    "carrier_name",
    "own_name",
    "record_text",
    "type_name",
]

QUOTE: Final = Quoter('"', 63, lambda name: len(name.encode()))
"""Quotes names as PostgreSQL does; it keeps 63 bytes of them."""


def type_name(type_: ColumnType) -> str:
    """Give the name of a type as values of it are bound, cast and put into arrays."""
    return codecs.look_up(_TYPE_NAMES, codecs.stored_type(type_, "postgresql"), "PostgreSQL")


def carrier_name(type_: ColumnType) -> str | None:
    """Give the name of the type that values travel as, if it is not their own.

    Ranges and rows travel as text, which every client can send.
    """
    match type_:
        case RangeType() | Composite():
            return "text"
        case Array(item=item):
            carrier = carrier_name(item)
            return None if carrier is None else f"{carrier.removesuffix('[]')}[]"
        case _:
            return None


def batch_name(type_: ColumnType) -> str | None:
    """Give the name of the type that values travel as in an array of many rows' values.

    `unnest` takes an array of arrays apart to its single items, and an array of rows to columns.
    """
    return "text" if isinstance(type_, Array) else carrier_name(type_)


def own_name(type_: EnumType | Composite) -> str:
    """Give the quoted name of a type that is made for a class."""
    name = QUOTE(type_.native_name or "")
    return name if type_.schema is None else f"{QUOTE(type_.schema)}.{name}"


def _enum_type_name(type_: EnumType) -> str:
    if type_.native_name is not None:
        return own_name(type_)
    return type_name(codecs.enum_store_type(type_))


def _array_name(type_: Array) -> str:
    # An array of arrays is declared like an array: the server keeps no dimensions.
    name = type_name(type_.item)
    return name if isinstance(type_.item, Array) else f"{name}[]"


def _range_name(item: ColumnType) -> str:
    match item:
        case Integer(bits=bits):
            return "int8range" if bits > 32 else "int4range"
        case Numeric():
            return "numrange"
        case Date():
            return "daterange"
        case DateTime(timezone=timezone):
            return "tstzrange" if timezone else "tsrange"
        case _:
            raise MappingError(f"PostgreSQL has no range over {type(item).__name__}")


_TYPE_NAMES: Final[codecs.TypeTable[str]] = {
    Integer: lambda t: integer_type(t).lower(),
    Boolean: lambda _: "boolean",
    Float: lambda _: "double precision",
    Text: lambda _: "text",
    Binary: lambda _: "bytea",
    Uuid: lambda _: "uuid",
    Numeric: lambda _: "numeric",
    Date: lambda _: "date",
    Time: lambda _: "time",
    DateTime: lambda t: "timestamptz" if t.timezone else "timestamp",
    Interval: lambda _: "interval",
    Json: lambda _: "jsonb",
    EnumType: _enum_type_name,
    IpAddress: lambda _: "inet",
    IpInterface: lambda _: "inet",
    IpNetwork: lambda _: "cidr",
    Composite: own_name,
    Native: lambda t: t.name,
    Array: _array_name,
    RangeType: lambda t: _range_name(t.item),
}


def array_text(items: Sequence[object]) -> str:
    r"""Write an array as PostgreSQL reads it ("Array Input and Output Syntax", 8.15.6).

    >>> print(array_text([1, None, 'a"b']))
    {1,NULL,"a\"b"}
    """
    return "{" + ",".join([_array_item(item) for item in items]) + "}"


def _array_item(item: object) -> str:
    match item:
        case None:
            return "NULL"
        case bool():
            return "true" if item else "false"
        case int() | float():
            return repr(item)
        case list():
            return array_text(cast("list[object]", item))
        case _:
            return _quoted(_item_text(item))


def record_text(items: Sequence[object]) -> str:
    r"""Write a row as PostgreSQL reads it ("Composite Type Input and Output Syntax", 8.16.6).

    >>> print(record_text([1, None, 'a"b']))
    ("1",,"a\"b")
    """
    return "(" + ",".join(["" if i is None else _quoted(_item_text(i)) for i in items]) + ")"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _item_text(item: object) -> str:
    match item:
        case bytes():
            return "\\x" + item.hex()
        case timedelta():
            return f"{codecs.encode_interval(item)} microseconds"
        case date():
            return _INFINITE.get(item) or item.isoformat()
        case time():
            return item.isoformat()
        case _:
            return str(item)


_INFINITE: Final = {
    date.max: "infinity",
    date.min: "-infinity",
    datetime.max: "infinity",  # noqa: DTZ901 - the naive kind
    datetime.min: "-infinity",  # noqa: DTZ901
    datetime.max.replace(tzinfo=UTC): "infinity",
    datetime.min.replace(tzinfo=UTC): "-infinity",
}
"""What asyncpg sends for the first and the last moment of Python, and reads as these again."""
