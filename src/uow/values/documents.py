"""What a nested value of a document takes: JSON, and the scalars that document stores have.

Keys with a dot or a leading dollar sign are refused: a store reads them as paths and operators.
"""

from __future__ import annotations

import datetime as dt
import enum
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, cast
from uuid import UUID

from uow.types import DateTime, Integer
from uow.values.json.levels import Level, Rules
from uow.values.json.plain import check_str, walk_dict, walk_list
from uow.values.json.problems import PathError, wrong
from uow.values.scalars import SCALAR_CHECKS, kind_of

__all__ = ["DOCUMENT_RULES", "is_document_key"]

_WORD: Final = Integer()

_AS_THEY_ARE: Final = (bytes, bytearray, dt.time, dt.timedelta, Decimal, UUID, re.Pattern)


def is_document_key(key: str) -> bool:
    """Whether a key can be one step of a path."""
    return key != "" and "." not in key and not key.startswith("$")


def _check_key(key: str) -> None:
    check_str(key)
    if not is_document_key(key):
        raise PathError(
            "a key that is empty, holds a dot or begins with a dollar sign, which a document "
            "store takes for a path or an operator"
        )


def _plain(value: Any, level: Level) -> Any:
    kind: type[Any] = value.__class__
    if kind is str:
        return check_str(value)
    if value is None or kind is bool or kind is float:
        return value
    if kind is int:
        return _integer(value, level)
    if isinstance(value, dt.datetime):
        return _datetime(value)
    if isinstance(value, Mapping):
        return walk_dict(cast("Mapping[object, Any]", value), level, _plain)
    if isinstance(value, (list, tuple)):
        return walk_list(cast("list[Any]", value), level, _plain)
    if isinstance(value, enum.Enum):
        return _plain(value.value, level)
    if isinstance(value, str):
        return check_str(str.__str__(value))
    if isinstance(value, float):
        return float(value)
    if kind.__module__.startswith("bson.") or issubclass(kind, (*_AS_THEY_ARE, dt.date)):
        return value
    if isinstance(value, int):
        return _integer(int(value), level)
    raise PathError(f"expected a value that a document can hold, got {kind_of(value)}")


def _an_instant(value: Any) -> dt.datetime:
    # Aware or naive, as its client gives them.
    if not isinstance(value, dt.datetime):
        raise wrong("datetime", value)
    return value


def _datetime(value: dt.datetime) -> dt.datetime:
    rest = value.microsecond % 1000
    return value if not rest else value.replace(microsecond=value.microsecond - rest)


def _scalar(scalar: Any) -> Callable[[Any, Level], Any]:
    if isinstance(scalar, DateTime):
        return lambda value, _: _datetime(_an_instant(value))
    check = SCALAR_CHECKS[type(scalar)](scalar)

    def walk(value: Any, _: Level) -> Any:
        try:
            return check(value)
        except ValueError as exc:
            raise PathError(str(exc)) from None

    return walk


_integer: Callable[[Any, Level], Any] = _scalar(_WORD)

DOCUMENT_RULES: Final = Rules(_plain, _scalar, _check_key)
