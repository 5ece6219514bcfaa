"""What the values of a column are, told by the type that a store has for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from uow.types import (
    Array,
    Binary,
    Boolean,
    ColumnType,
    Date,
    DateTime,
    Float,
    Integer,
    Interval,
    IpInterface,
    IpNetwork,
    Json,
    Native,
    Numeric,
    RangeType,
    Text,
    Time,
    UnsignedInteger,
    Uuid,
)

__all__ = ["Make", "kind_of_type"]

_SHAPE: Final = re.compile(r"([A-Za-z_][\w ]*?)\s*(?:\(([\d ,]*)\))?((?:\s[A-Za-z ]+)?)\Z")

Make: TypeAlias = Callable[[Sequence[int]], ColumnType]


def _sized(make: Callable[[int | None], ColumnType]) -> Make:
    return lambda sizes: make(sizes[0] if sizes else None)


def _numeric(sizes: Sequence[int]) -> ColumnType:
    if not sizes:
        return Numeric()
    return Numeric(sizes[0], sizes[1] if len(sizes) > 1 else 0)


_KINDS: Final[Mapping[str, Make]] = {
    **dict.fromkeys(["BIGINT", "INT8"], lambda _: Integer(64)),
    **dict.fromkeys(["INTEGER", "INT", "INT4", "MEDIUMINT", "YEAR"], lambda _: Integer(32)),
    **dict.fromkeys(["SMALLINT", "TINYINT", "INT2"], lambda _: Integer(16)),
    **dict.fromkeys(["BOOLEAN", "BOOL"], lambda _: Boolean()),
    **dict.fromkeys(["DOUBLE", "DOUBLE PRECISION", "REAL", "FLOAT"], lambda _: Float()),
    **dict.fromkeys(["VARCHAR", "CHAR", "CHARACTER VARYING", "NVARCHAR"], _sized(Text)),
    **dict.fromkeys(
        ["TEXT", "LONGTEXT", "MEDIUMTEXT", "TINYTEXT", "CLOB", "citext", "ENUM_TEXT"],
        lambda _: Text(),
    ),
    **dict.fromkeys(["VARBINARY", "BINARY"], _sized(Binary)),
    **dict.fromkeys(["BYTEA", "BLOB", "LONGBLOB", "MEDIUMBLOB", "TINYBLOB"], lambda _: Binary()),
    **dict.fromkeys(["UUID", "UUID_BLOB"], lambda _: Uuid()),
    **dict.fromkeys(["NUMERIC", "DECIMAL", "DECIMAL_TEXT"], _numeric),
    **dict.fromkeys(["DATE", "DATE_TEXT"], lambda _: Date()),
    **dict.fromkeys(["TIME", "TIME_TEXT"], lambda _: Time()),
    **dict.fromkeys(["TIMESTAMPTZ", "TIMESTAMPTZ_TEXT"], lambda _: DateTime()),
    **dict.fromkeys(
        ["TIMESTAMP", "TIMESTAMP_TEXT", "DATETIME"], lambda _: DateTime(timezone=False)
    ),
    "INTERVAL": lambda _: Interval(),
    **dict.fromkeys(["JSON", "JSONB", "JSON_TEXT"], lambda _: Json()),
    **dict.fromkeys(["INET", "INET_TEXT"], lambda _: IpInterface()),
    **dict.fromkeys(["CIDR", "CIDR_TEXT"], lambda _: IpNetwork()),
    "INT4RANGE": lambda _: RangeType(Integer(32)),
    "INT8RANGE": lambda _: RangeType(Integer(64)),
    "NUMRANGE": lambda _: RangeType(Numeric()),
    "DATERANGE": lambda _: RangeType(Date()),
    "TSRANGE": lambda _: RangeType(DateTime(timezone=False)),
    "TSTZRANGE": lambda _: RangeType(DateTime()),
}


def kind_of_type(type_: str, own: Mapping[str, Make] | None = None) -> ColumnType:
    """Tell the kind of a type's values; `Native` for one that is not known.

    Args:
        type_: the type, as DDL says it.
        own: what a store means by a type, where that is more than its name says.

    >>> kind_of_type("NUMERIC(10, 2)"), kind_of_type("VARCHAR(20)[]")
    (Numeric(precision=10, scale=2), Array(item=Text(max_length=20, collation=None)))
    """
    if type_.endswith("[]"):
        return Array(kind_of_type(type_.removesuffix("[]"), own))
    match = _SHAPE.match(type_.strip())
    if match is None:
        return Native(type_) if _is_name(type_) else Text()
    name = match[1].upper()
    is_unsigned = "UNSIGNED" in type_.upper()
    name = name.removesuffix(" UNSIGNED")
    sizes = [int(one) for one in (match[2] or "").replace(" ", "").split(",") if one]
    for kinds in (own or {}, _KINDS):
        make = kinds.get(f"{name}({sizes[0]})") if sizes else None
        make = make or kinds.get(name)
        if make is not None:
            kind = make(sizes)
            if is_unsigned and isinstance(kind, Integer):
                return UnsignedInteger(64) if kind.bits == 64 else Integer(2 * kind.bits)
            return kind
    return Native(type_) if _is_name(type_) else Text()


def _is_name(type_: str) -> bool:
    return re.fullmatch(r'[A-Za-z_"][\w ".,()]*', type_) is not None
