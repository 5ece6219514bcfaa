"""The text of a cursor: the place of a row in an order, opaque to who carries it.

It holds the values of the order's terms, each as its own type, and a digest of them and of the
order. The digest tells cursors of other queries, and damaged ones; it is no signature: who wants to
may make a cursor, and reads no more with it than the query gives anyway.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from hashlib import blake2b
from importlib import import_module
from typing import Any, Final, cast
from uuid import UUID

import orjson

from uow.errors import QueryError
from uow.expressions.literals import check_literal
from uow.types import ColumnType, EnumType, ObjectIdType

__all__ = ["cursor_text", "cursor_values"]

_DIGEST_SIZE: Final = 8
_LONGEST: Final = 64_000
_MICROSECOND: Final = timedelta(microseconds=1)


def cursor_text(shape: str, values: Sequence[object]) -> str:
    """Write the place of a row.

    Args:
        shape: tells this order from others; the same in every process.
        values: of the row, one a term of the order.
    """
    payload = orjson.dumps([_packed(value) for value in values])
    return base64.urlsafe_b64encode(_digest(shape, payload) + payload).rstrip(b"=").decode("ascii")


def cursor_values(
    shape: str, cursor: object, types: Sequence[ColumnType]
) -> list[tuple[object, ColumnType | None]]:
    """Read the place of a row.

    Args:
        shape: as it was written with.
        cursor: the text.
        types: of the values, one a term of the order.

    Returns:
        Each value, with the type to bind it as.

    Raises:
        QueryError: it is no cursor of this query, or was changed on the way.
    """
    if not isinstance(cursor, str):
        raise QueryError(f"a cursor is a text that a page gave, not a {type(cursor).__name__}")
    wrong = QueryError("the cursor is not of this query, or was damaged on the way")
    if len(cursor) > _LONGEST or not cursor.isascii():
        raise wrong
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        data = base64.b64decode(padded, altchars=b"-_", validate=True)
        digest, payload = data[:_DIGEST_SIZE], data[_DIGEST_SIZE:]
        if digest != _digest(shape, payload):
            raise wrong
        packed = cast("list[object]", orjson.loads(payload))
        pairs = zip(packed, types, strict=True)
        return [check_literal(_unpacked(value, type_), type_, None) for value, type_ in pairs]
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise wrong from error


def _digest(shape: str, payload: bytes) -> bytes:
    return blake2b(payload, digest_size=_DIGEST_SIZE, key=_key(shape)).digest()


def _key(shape: str) -> bytes:
    return blake2b(shape.encode(), digest_size=32).digest()


def _packed(value: Any) -> object:
    """As JSON; what JSON has no kind for is an object of one key, which says the kind."""
    match value:
        case Enum():
            return {"e": value.name}
        case None | bool() | str():
            return value
        case int():
            return value if abs(value) < 2**63 else {"i": str(value)}
        case float():
            return {"f": value.hex()}
        case Decimal():
            return {"d": str(value)}
        case datetime():
            return {"t": value.isoformat()}
        case date():
            return {"y": value.isoformat()}
        case time():
            return {"h": value.isoformat()}
        case timedelta():
            return {"s": value // _MICROSECOND}
        case UUID():
            return {"u": value.hex}
        case bytes():
            return {"b": base64.b64encode(value).decode("ascii")}
        case _ if type(value).__name__ == "ObjectId":
            return {"o": str(value)}
        case _:
            raise QueryError(f"a page cannot be ordered by a {type(value).__name__}")


def _unpacked(packed: object, type_: ColumnType) -> object:
    if not isinstance(packed, dict):
        return packed
    ((kind, value),) = cast("dict[str, Any]", packed).items()
    match kind:
        case "e" if isinstance(type_, EnumType):
            return type_.enum_class[value]
        case "i":
            return int(value)
        case "f":
            return float.fromhex(value)
        case "d":
            return Decimal(value)
        case "t":
            return datetime.fromisoformat(value)
        case "y":
            return date.fromisoformat(value)
        case "h":
            return time.fromisoformat(value)
        case "s":
            return timedelta(microseconds=value)
        case "u":
            return UUID(hex=value)
        case "b":
            return base64.b64decode(value, validate=True)
        case "o" if isinstance(type_, ObjectIdType):
            return import_module("bson").ObjectId(value)
        case _:
            raise ValueError("no such kind")
