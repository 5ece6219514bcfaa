"""Embedded values: attrs classes, dataclasses and pydantic models in JSON columns.

One cattrs converter for all of them. `unstructurer` and `structurer` answer None where a value
already is plain JSON, which spares the conversion altogether.
"""

from __future__ import annotations

import base64
import datetime as dt
import types
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from uow.values import split_optional

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["structurer", "unstructurer"]

_PLAIN = frozenset({str, int, float, bool, types.NoneType})


def unstructurer(annotation: object) -> Callable[[Any], Any] | None:
    """What turns a value of that type hint into plain JSON, or None if it is that already.

    The callable must not be given None.
    """
    bare, _ = split_optional(annotation)
    if _is_plain(bare, reading=False):
        return None
    convert = converter()

    def unstructure(value: Any) -> Any:
        return convert.unstructure(value, unstructure_as=bare)

    return unstructure


def structurer(annotation: object) -> Callable[[Any], Any] | None:
    """What turns plain JSON into a value of that type hint, or None if it is that already.

    The callable must not be given None.
    """
    bare, _ = split_optional(annotation)
    if _is_plain(bare, reading=True):
        return None
    convert = converter()

    def structure(value: Any) -> Any:
        return convert.structure(value, bare)

    return structure


def _is_plain(hint: Any, *, reading: bool) -> bool:
    """Whether values look the same in Python and in JSON."""
    bare, _ = split_optional(hint)
    if bare is None or bare is Any or bare is object:
        return True
    origin: Any = get_origin(bare) or bare
    if origin in (Union, types.UnionType):
        return all(_is_plain(member, reading=reading) for member in get_args(bare))
    if origin is Literal:
        return all(type(choice) in _PLAIN for choice in get_args(bare))
    if bare is float:
        return not reading  # stores write 1.0 as 1
    if bare in _PLAIN:
        return True
    if origin in (list, dict):
        return all(_is_plain(argument, reading=reading) for argument in get_args(bare)[-1:])
    return False


@lru_cache(maxsize=1)
def converter() -> Converter:
    """The converter, made on first use: importing cattrs takes its time."""
    from cattrs import Converter

    made = Converter()
    for kind, write, read in _SCALARS:
        made.register_unstructure_hook(kind, write)
        made.register_structure_hook(kind, _reader(kind, read))
    made.register_unstructure_hook_func(_is_set, _write_set(made))
    made.register_unstructure_hook_func(_is_model, lambda value: value.model_dump(mode="json"))
    made.register_structure_hook_func(_is_model, lambda value, kind: kind.model_validate(value))
    made.register_unstructure_hook_func(_is_tuple, _write_items(made))
    return made


def _reader(kind: type, read: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, _: value if isinstance(value, kind) else read(value)


def _read_interval(value: int) -> dt.timedelta:
    return dt.timedelta(microseconds=value)


def _write_interval(value: dt.timedelta) -> int:
    return value // dt.timedelta(microseconds=1)


_SCALARS: tuple[tuple[type, Callable[[Any], Any], Callable[[Any], Any]], ...] = (
    (dt.datetime, dt.datetime.isoformat, dt.datetime.fromisoformat),
    (dt.date, dt.date.isoformat, dt.date.fromisoformat),
    (dt.time, dt.time.isoformat, dt.time.fromisoformat),
    (dt.timedelta, _write_interval, _read_interval),
    (UUID, str, UUID),
    (Decimal, str, Decimal),
    (bytes, lambda value: base64.b64encode(value).decode(), base64.b64decode),
)


def _is_set(kind: Any) -> bool:
    return (get_origin(kind) or kind) in (set, frozenset)


def _is_tuple(kind: Any) -> bool:
    return (isinstance(kind, type) and kind is tuple) or get_origin(kind) is tuple


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and hasattr(kind, "model_dump") and hasattr(kind, "model_fields")


def _write_set(made: Converter) -> Callable[[Any], list[Any]]:
    def write(value: Any) -> list[Any]:
        # In a fixed order, so that equal sets have equal text.
        items: list[Any] = [made.unstructure(item) for item in value]
        return sorted(items, key=lambda item: (type(item).__name__, item))

    return write


def _write_items(made: Converter) -> Callable[[Any], list[Any]]:
    return lambda value: [made.unstructure(item) for item in value]
