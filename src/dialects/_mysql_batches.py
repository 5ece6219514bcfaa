"""Rows of a batch as one JSON array, which MySQL and MariaDB read as a table.

So the text of a statement is the same for any number of rows, and a thousand updates take less than
a tenth of the time that one statement each takes. What JSON cannot hold travels as text: bytes in
hexadecimal, decimals and moments as they are written in SQL. A value that does not become the one
it was is an error (ERROR ON ERROR), and never NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from uow.dialects import _json, codecs
from uow.dialects._mysql_ddl import decimal_type
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
    UnsignedInteger,
    Uuid,
)

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn

__all__ = ["array_texts", "bounded", "can_travel", "table_of", "value_of"]

ROWS: Final = 1000
"""How many rows one array holds at most."""

CHARACTERS: Final = 1_000_000
"""How long an array may get before the next row begins another: 4 MB at most, a quarter of what
the server takes by default, if one row is no longer than that itself."""

SHORT: Final = 1000
"""Up to this length a text weighs nothing: five hundred rows of ten such columns fit."""

Item: TypeAlias = Callable[[Any], Any]


def can_travel(columns: Sequence[MappedColumn], dialect: str) -> bool:
    """Say whether values of all the columns can go in an array."""
    return all(type(codecs.stored_type(c.type, dialect)) in _DECLARED for c in columns)


def table_of(columns: Sequence[MappedColumn], dialect: str, collation: str) -> str:
    """Write the table that is read from an array: a column `c1` and so on for each."""
    parts = [
        f"c{number} {_declared(codecs.stored_type(column.type, dialect), collation)}"
        f" PATH '$[{number - 1}]' ERROR ON ERROR"
        for number, column in enumerate(columns, 1)
    ]
    return f"JSON_TABLE(?, '$[*]' COLUMNS ({', '.join(parts)})) AS v"


def value_of(column: MappedColumn, number: int, dialect: str) -> str:
    """Write what stands for a value of the array, counted from 1."""
    is_bytes = isinstance(codecs.stored_type(column.type, dialect), Binary | Uuid)
    return f"UNHEX(v.c{number})" if is_bytes else f"v.c{number}"


def bounded(
    columns: Sequence[MappedColumn], rows: Sequence[Sequence[Any]], size: int, dialect: str
) -> Iterator[Sequence[Sequence[Any]]]:
    """Cut encoded rows into runs of at most `size`, and of few enough characters and bytes."""
    heavy = [place for place, column in enumerate(columns) if _is_heavy(column, dialect)]
    for start in range(0, len(rows), size):
        run = rows[start : start + size]
        if _weight(run, heavy) <= CHARACTERS:
            yield run
        else:
            yield from _light_runs(run, heavy)


def _weight(rows: Sequence[Sequence[Any]], heavy: Sequence[int]) -> int:
    """How many characters and bytes stand in some columns of rows."""
    total = 0
    for place in heavy:
        values = filter(None, map(itemgetter(place), rows))
        try:
            total += sum(map(len, values))
        except TypeError:  # of a type that has no length; a type of the store's own may be any
            total += sum(len(row[place]) for row in rows if isinstance(row[place], str | bytes))
    return total


def _light_runs(
    rows: Sequence[Sequence[Any]], heavy: Sequence[int]
) -> Iterator[Sequence[Sequence[Any]]]:
    """Cut rows that are too heavy together."""
    start = weight = 0
    for number, row in enumerate(rows):
        own = _weight([row], heavy)
        if number > start and weight + own > CHARACTERS:
            yield rows[start:number]
            start, weight = number, 0
        weight += own
    yield rows[start:]


def _is_heavy(column: MappedColumn, dialect: str) -> bool:
    """Say whether the values of a column may be long."""
    type_ = codecs.stored_type(column.type, dialect)
    if isinstance(type_, Text | Binary):
        return type_.max_length is None or type_.max_length > SHORT
    return isinstance(type_, Array | Composite | Json | Native)


def array_texts(
    columns: Sequence[MappedColumn], rows: Sequence[Sequence[Any]], dialect: str
) -> Iterator[tuple[str, int]]:
    """Write encoded rows as arrays of bounded length, in order; each with its number of rows."""
    items = [
        (place, item)
        for place, column in enumerate(columns)
        if (item := _ITEMS.get(type(codecs.stored_type(column.type, dialect)))) is not None
    ]
    for start in range(0, len(rows), ROWS):
        run = rows[start : start + ROWS]
        if items:
            run = [_as_items(row, items) for row in run]
        text = _json.dumps_checked(run)
        if len(text) <= CHARACTERS:
            yield text, len(run)
        else:
            yield from _short_arrays(run)


def _as_items(row: Sequence[Any], items: Sequence[tuple[int, Item]]) -> list[Any]:
    """Give a row as it stands in an array."""
    values = list(row)
    for place, item in items:
        value = values[place]
        if value is not None:
            values[place] = item(value)
    return values


def _short_arrays(rows: Sequence[Sequence[Any]]) -> Iterator[tuple[str, int]]:
    """Write rows that are too long together as several arrays."""
    texts: list[str] = []
    length = 0
    for row in rows:
        text = _json.dumps_checked(row)
        if texts and length + len(text) > CHARACTERS:
            yield f"[{','.join(texts)}]", len(texts)
            texts, length = [], 0
        texts.append(text)
        length += len(text)
    if texts:
        yield f"[{','.join(texts)}]", len(texts)


def _declared(type_: ColumnType, collation: str) -> str:
    own = type_.collation if isinstance(type_, Text) else None
    if isinstance(type_, EnumType):
        return _declared(codecs.enum_store_type(type_), collation)
    text = _DECLARED[type(type_)]
    if isinstance(type_, Numeric):
        return decimal_type(type_)
    return text or f"LONGTEXT CHARACTER SET utf8mb4 COLLATE {own or collation}"


_DECLARED: Final[dict[type[ColumnType], str]] = {
    Array: "",
    Binary: "",
    Boolean: "BIGINT",
    Composite: "",
    Date: "DATE",
    DateTime: "DATETIME(6)",
    EnumType: "",
    Float: "DOUBLE",
    Integer: "BIGINT",
    Interval: "BIGINT",
    IpAddress: "",
    IpInterface: "",
    IpNetwork: "",
    Json: "",
    Numeric: "DECIMAL",
    RangeType: "",
    Text: "",
    Time: "TIME(6)",
    UnsignedInteger: "BIGINT UNSIGNED",
    Uuid: "",
}
"""The types inside the table; a text where nothing stands."""

_ITEMS: Final[dict[type[ColumnType], Item]] = {
    Binary: lambda value: value.hex(),
    Boolean: int,
    Date: lambda value: value.isoformat(),
    DateTime: lambda value: value.isoformat(" ", "microseconds"),
    Numeric: str,
    Time: lambda value: value.isoformat("microseconds"),
    Uuid: lambda value: value.hex(),
}
"""What stands in the array for an encoded value that JSON does not hold as it is."""
