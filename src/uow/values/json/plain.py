"""Values that are JSON as they are, and lists and dicts of whatever there is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, cast

from uow.values.json.keys import KeyForm
from uow.values.json.levels import Level, Walk
from uow.values.json.problems import PathError, wrong
from uow.values.scalars import check_text, kind_of

__all__ = [
    "check_digits",
    "check_finite",
    "check_str",
    "dict_of",
    "each",
    "items_of",
    "list_of",
    "plain",
    "walk_dict",
    "walk_list",
]


def plain(value: Any, level: Level) -> Any:
    """Check what no hint says anything about."""
    kind: type[Any] = value.__class__
    if kind is str:
        return check_str(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        return check_digits(value)
    if kind is float:
        return check_finite(value)
    if isinstance(value, Mapping):
        return walk_dict(cast("Mapping[object, Any]", value), level, plain)
    if isinstance(value, (list, tuple)):
        return walk_list(cast("list[Any]", value), level, plain)
    if isinstance(value, str):
        return check_str(str.__str__(value))
    if isinstance(value, int):
        return check_digits(int(value))
    if isinstance(value, float):
        return check_finite(float(value))
    raise wrong("a JSON value", value)


def check_str(value: str) -> str:
    """Refuse a text that some store cannot keep."""
    try:
        check_text(value)
    except ValueError as exc:
        raise PathError(str(exc)) from None
    return value


MAX_DIGITS: Final = 4300
"""As many digits as Python writes and reads unless it is told otherwise."""
_MANY_BITS: Final = 14_000
_TOO_MANY: Final = 10**MAX_DIGITS


def check_digits(value: int) -> int:
    """Refuse a number that Python would not read again."""
    if value.bit_length() > _MANY_BITS and not -_TOO_MANY < value < _TOO_MANY:
        raise PathError(f"an int of more than {MAX_DIGITS:,} digits")
    return value


def check_finite(value: float) -> float:
    """Refuse what JSON has no number for."""
    if not math.isfinite(value):
        raise PathError("JSON holds no NaN and no infinity")
    return value


# Past what subclasses do when they are read: values are only looked at. Dicts are listed first,
# since other threads may put something in meanwhile.
each: Callable[[Any], Iterator[Any]] = vars(list)["__iter__"]
_items: Callable[[Any], Iterable[tuple[Any, Any]]] = vars(dict)["items"]


def items_of(value: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
    """The keys and values of a dict, as they are at this moment."""
    return [*_items(value)] if isinstance(value, dict) else [*value.items()]


def walk_list(value: Iterable[Any], level: Level, item: Walk) -> list[Any]:
    """Check the members of a list or tuple, and put them into a list."""
    made: list[Any] = level.kept(value, list_of, item)
    return made


def walk_dict(value: Mapping[Any, Any], level: Level, item: Walk) -> dict[str, Any]:
    """Check the values of a dict, and put them into a dict."""
    made: dict[str, Any] = level.kept(value, dict_of, item)
    return made


def list_of(value: Iterable[Any], level: Level, item: Walk) -> list[Any]:
    """Check members, and put them into a new list."""
    result: list[Any] = []
    for index, element in enumerate(each(value) if isinstance(value, list) else [*value]):
        try:
            result.append(item(element, level))
        except PathError as problem:
            problem.steps.append(f"[{index}]")
            raise
    return result


def dict_of(
    value: Mapping[Any, Any], level: Level, item: Walk, form: KeyForm | None = None
) -> dict[Any, Any]:
    """Check keys and values, and put them into a new dict.

    Args:
        value: the dict.
        level: that of its values.
        item: checks a value.
        form: checks and writes a key; None for keys that are texts.
    """
    result: dict[Any, Any] = {}
    for key, element in items_of(value):
        if form is not None:
            kept = form.check(key)
            text = form.write(kept)
        elif isinstance(key, str):
            kept = text = key
        else:
            raise PathError(f"JSON keys are str, got {kind_of(key)}")
        level.check_key(text)
        try:
            result[kept] = item(element, level)
        except PathError as problem:
            problem.steps.append(f".{text}")
            raise
    return result
