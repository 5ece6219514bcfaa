"""Names of PostgreSQL's types, and arrays as text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final, cast

from uow.dialects import codecs
from uow.dialects.sql_ddl import integer_type
from uow.errors import MappingError
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
)

__all__ = ["array_text", "type_name"]


def type_name(type_: ColumnType) -> str:
    """Give the name of a type as values of it are bound, cast and put into arrays."""
    return codecs.look_up(_TYPE_NAMES, type_, "PostgreSQL")


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
    EnumType: lambda t: type_name(codecs.enum_store_type(t.enum_class)),
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
        case list() | tuple():
            return array_text(cast("Sequence[object]", item))
        case bytes():
            text = "\\x" + item.hex()
        case timedelta():
            text = f"{codecs.encode_interval(item)} microseconds"
        case _ if hasattr(item, "isoformat"):
            text = cast("date", item).isoformat()
        case _:
            text = str(item)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
