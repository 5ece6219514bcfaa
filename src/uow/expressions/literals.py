"""Which column type a Python value has beside an expression, and whether it may stand there."""

from __future__ import annotations

import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, Protocol, cast
from uuid import UUID

from uow.errors import QueryError, ValidationError
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
    Json,
    Numeric,
    RangeType,
    Text,
    Time,
    Uuid,
    column_type,
    scalar_type,
)
from uow.values import Range, check_text, check_value

__all__ = [
    "BOOLEAN",
    "FLOAT",
    "INTEGER",
    "JSON",
    "NUMERIC",
    "PLAIN_CLASSES",
    "TEXT",
    "check_literal",
    "comparable_type",
    "json_key",
    "target_type",
    "type_of_value",
]

BOOLEAN: Final = Boolean()
FLOAT: Final = Float()
INTEGER: Final = Integer()
JSON: Final = Json()
NUMERIC: Final = Numeric()
TEXT: Final = Text()
_BINARY: Final = Binary()

_LEAST: Final = -(2**63)
_MOST: Final = 2**63 - 1

_PLAIN: Final[dict[type, ColumnType]] = {
    bool: BOOLEAN,
    int: INTEGER,
    float: FLOAT,
    str: TEXT,
    bytes: _BINARY,
    Decimal: NUMERIC,
    date: Date(),
    time: Time(),
    timedelta: Interval(),
    UUID: Uuid(),
    list: JSON,
    tuple: JSON,
    dict: JSON,
}

PLAIN_CLASSES: Final = frozenset(_PLAIN)
"""Classes of values that are nothing but values."""

_BASES: Final[tuple[type, ...]] = (int, float, str, bytes, Decimal, date, time, timedelta, UUID)


class HasDisplayName(Protocol):
    """What can be named in a message."""

    @property
    def display_name(self) -> str:
        """The name."""
        ...


def type_of_value(value: object) -> ColumnType:
    """Tell the column type of a value that stands alone.

    Raises:
        QueryError: a value of that class cannot be stored.
    """
    class_ = type(value)
    plain = _PLAIN.get(class_)
    if plain is not None:
        return plain
    if isinstance(value, enum.Enum):
        return EnumType(class_)  # type: ignore[arg-type]  # the class of an Enum is an Enum class
    if isinstance(value, datetime):
        return DateTime(timezone=value.tzinfo is not None)
    if isinstance(value, Range):
        bounds = cast("Range[object]", value)
        bound = bounds.upper if bounds.lower is None else bounds.lower
        if bound is not None:
            return RangeType(type_of_value(bound))
    for base in _BASES:
        if isinstance(value, base):
            return _PLAIN[base]
    found = scalar_type(class_)  # addresses and networks
    if found is not None:
        return found
    raise QueryError(f"a {class_.__name__} cannot be a value in a query")


_WIDENED: Final[dict[type[ColumnType], ColumnType]] = {
    Integer: INTEGER,
    Numeric: NUMERIC,
    Binary: _BINARY,
}


def comparable_type(type_: ColumnType) -> ColumnType:
    """Tell what a value beside a column of this type must be.

    A value may be longer than the column takes, or have more digits: then it is not equal to
    any, which is an answer and not an error.
    """
    class_ = type(type_)
    if class_ is Text and isinstance(type_, Text):
        return TEXT if type_.collation is None else Text(collation=type_.collation)
    return _WIDENED.get(class_, type_)


def check_literal(
    value: object, beside: ColumnType | None, owner: HasDisplayName | None
) -> tuple[object, ColumnType | None]:
    """Check a value that stands beside an expression.

    Args:
        value: what the caller gave; None passes.
        beside: the type of the expression it stands beside, None if that is not known.
        owner: that expression, for the message; None if there is none.

    Returns:
        The value, normalised, and the type to encode it with.

    Raises:
        ValidationError: the value has the wrong type.
        QueryError: a value of that class cannot be stored.
    """
    if value is None:
        return None, beside
    if beside is None:
        beside = type_of_value(value)
    wanted = comparable_type(beside)
    class_ = type(value)
    if wanted is INTEGER:
        if class_ is int and _LEAST <= cast("int", value) <= _MOST:
            return value, INTEGER
        if class_ is float:
            wanted = FLOAT  # `age > 1.5` is a question one may ask of a whole number
    try:
        if wanted is TEXT and class_ is str:
            check_text(cast("str", value))
            return value, TEXT
        return check_value(wanted, value), wanted
    except ValueError as error:
        place = f"{owner.display_name}: " if owner is not None else ""
        raise ValidationError(f"{place}{error}") from error


def json_key(key: object) -> str | int:
    """Check one step of a path into JSON.

    Raises:
        QueryError: it is neither a key nor an index.
    """
    if type(key) is int:
        return key
    if isinstance(key, str):
        try:
            return str(check_value(TEXT, key))
        except ValueError as error:
            raise QueryError(f"a key of a JSON path: {error}") from error
    raise QueryError(f"a JSON path has text keys and whole indexes, not a {type(key).__name__}")


def target_type(to: ColumnType | type[Any], place: str = "cast") -> ColumnType:
    """Tell the column type that `cast` or `literal` was asked for.

    Raises:
        QueryError: no column can hold that class.
    """
    if to in (list, dict):
        return JSON
    try:
        return column_type(to)
    except TypeError as error:
        raise QueryError(f"{place}: {error}") from error
