"""Values that stand for others: what comes of JSON and forms, made what a hint asks for.

A document takes `"3"` for a whole number and a dict for an embedded value, as pydantic does. Only
what cannot be meant otherwise is taken: no number for a text, no fraction for a whole number.
"""

from __future__ import annotations

import datetime as dt
import enum
import ipaddress
import pathlib
import re
import types
import typing
from collections.abc import Callable, Hashable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from importlib import import_module
from typing import Annotated, Any, Final, Union, cast, get_args, get_origin
from uuid import UUID

import attrs

from uow.values.class_fields import class_fields, has_fields, is_model
from uow.values.closest import closest

__all__ = ["as_object_id", "coerced", "objects_of"]


def objects_of(hint: Any, value: Any) -> Any:
    """Make the embedded objects of dicts that stand for them; all other values stay.

    Args:
        hint: the type hint of the value.
        value: what was given: a dict for an object, or a list with such dicts.

    Raises:
        ValueError: a dict does not stand for an object; the text names kinds, not values.
    """
    given: Any = value
    is_given = _is_mapping(value) or (
        isinstance(value, (list, tuple)) and any(map(_is_mapping, given))
    )
    return coerced(hint, given) if is_given and _has_objects(hint) else given


@lru_cache(maxsize=1024)
def _has_objects(hint: Any) -> bool:
    """Whether values of a hint have objects in them that a dict may stand for."""
    return has_fields(hint) or any(
        _has_objects(one)
        for one in get_args(hint)
        if isinstance(one, Hashable) and get_origin(hint) is not typing.Literal
    )


def coerced(hint: Any, value: Any) -> Any:
    """Make of a value what a hint asks for.

    Raises:
        ValueError: it does not stand for one; the text names kinds, not values.
    """
    origin = get_origin(hint)
    if origin is Annotated:
        return coerced(get_args(hint)[0], value)
    if origin in (Union, types.UnionType):
        return _one_of(get_args(hint), value)
    if hint is None or hint is type(None):
        return _as_it_is(type(None), value)
    if origin is typing.Literal or hint is Any or isinstance(hint, typing.TypeVar):
        return value
    kind: Any = origin or hint
    if not _is_class(kind):
        return value
    if has_fields(hint):
        return _object(hint, kind, value)
    if origin is not None and _is_below(kind, Iterable) and not isinstance(value, (str, bytes)):
        return _container(kind, get_args(hint), value)
    if type(value) is kind:
        return value
    if _is_below(kind, enum.Enum):
        return kind(value)
    if isinstance(value, kind):
        return value
    make = _MAKERS.get(kind) or _maker_below(kind)
    if make is None and hasattr(kind, "__get_pydantic_core_schema__"):
        return _of_pydantic(import_module("pydantic").TypeAdapter(hint).validate_python, value)
    if make is None:
        return _as_it_is(kind, value)
    try:
        return make(value)
    except (ArithmeticError, TypeError, ValueError):
        raise ValueError(f"expected {kind.__name__}, got {type(value).__name__}") from None


def _as_it_is(kind: Any, value: Any) -> Any:
    if isinstance(value, kind):
        return value
    raise _not_a(kind, value)


def _is_class(hint: Any) -> bool:
    return isinstance(hint, type)


def _is_below(class_: Any, above: type) -> bool:
    return issubclass(class_, above)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


def _not_a(kind: Any, value: object) -> ValueError:
    return ValueError(f"expected {kind.__name__}, got {type(value).__name__}")


def _one_of(hints: tuple[Any, ...], value: Any) -> Any:
    """The member of a union that a value is, else the first that it stands for."""
    others = [hint for hint in hints if hint is not type(None)]
    if len(others) == 1 and value is not None:
        return coerced(others[0], value)
    for hint in hints:
        kind = get_origin(hint) or hint
        if _is_class(kind) and type(value) is kind and get_origin(hint) is None:
            return value
    for hint in closest(hints, value):
        try:
            return coerced(hint, value)
        except ValueError:
            continue
    raise ValueError(f"a {type(value).__name__} is none of what it may be")


def _object(hint: Any, class_: type, value: Any) -> Any:
    if isinstance(value, class_):
        return value
    if not isinstance(value, Mapping):
        raise _not_a(class_, value)
    given = cast("Mapping[str, Any]", value)
    if is_model(hint):
        return _of_pydantic(hint.model_validate, dict(given))
    hints = class_fields(hint)
    unknown = given.keys() - hints.keys()
    if unknown:
        raise ValueError(f"{class_.__name__} has no field {min(map(str, unknown))!r}")
    names = {}
    if attrs.has(class_):
        names = {field.name: field.alias or field.name for field in attrs.fields(class_)}
    try:
        return class_(**{names.get(n, n): coerced(hints[n], one) for n, one in given.items()})
    except TypeError:
        raise ValueError(f"{class_.__name__} misses a value, or takes no such one") from None


def _of_pydantic(validate: Callable[[Any], Any], value: Any) -> Any:
    """What pydantic makes of a value; its error without the value."""
    try:
        return validate(value)
    except ValueError as error:
        told: Any = getattr(error, "errors", None)
        if told is None:
            raise
        problems = [
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" if one["loc"] else one["msg"]
            for one in told(include_url=False, include_input=False, include_context=False)
        ]
        raise ValueError("; ".join(problems)) from None


def _container(kind: Any, arguments: tuple[Any, ...], value: Any) -> Any:
    if _is_below(kind, Mapping):
        if not _is_mapping(value):
            raise _not_a(kind, value)
        keys, values = arguments if len(arguments) == 2 else (Any, Any)
        items: Any = value.items()
        return {coerced(keys, key): coerced(values, one) for key, one in items}
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise _not_a(kind, value)
    given = list(cast("Iterable[Any]", value))
    if _is_below(kind, tuple) and arguments and arguments[-1] is not ...:
        if len(arguments) != len(given):
            raise ValueError(f"expected {len(arguments)} members, got {len(given)}")
        return tuple(coerced(hint, one) for hint, one in zip(arguments, given, strict=True))
    made = [coerced(arguments[0], one) for one in given] if arguments else given
    concrete: Any = kind if kind in (tuple, set, frozenset) else list
    return concrete(made)


def _int(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, float | Decimal) and value != int(value):
        raise ValueError
    return int(value)


def _float(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    return float(value)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise TypeError
    try:
        return Decimal(str(value) if isinstance(value, float) else value)
    except InvalidOperation:
        raise ValueError from None


def _bool(value: Any) -> bool:
    text = value.strip().lower() if isinstance(value, str) else value
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError


_TRUE: Final = ("true", "yes", "on", "1", "t", "y", 1)
_FALSE: Final = ("false", "no", "off", "0", "f", "n", 0)


def _datetime(value: Any) -> dt.datetime:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, (int, float)):
        return dt.datetime.fromtimestamp(value, dt.UTC)
    return dt.datetime.fromisoformat(value)


def _date(value: Any) -> dt.date:
    return dt.date.fromisoformat(value)


def _time(value: Any) -> dt.time:
    return dt.time.fromisoformat(value)


def _timedelta(value: Any) -> dt.timedelta:
    if isinstance(value, bool):
        raise TypeError
    return dt.timedelta(seconds=value)


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytearray):
        return bytes(value)
    raise TypeError


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode()
    raise TypeError


def _maker_below(kind: Any) -> Callable[[Any], Any] | None:
    if any(base.__name__ == "ObjectId" for base in kind.__mro__):
        return as_object_id
    return _of_text(kind) if issubclass(kind, _WRITTEN) else None


def _of_text(kind: Any) -> Callable[[Any], Any]:
    def make(value: Any) -> Any:
        if not isinstance(value, str):
            raise TypeError
        return kind(value)

    return make


_WRITTEN: Final = (
    ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Interface, ipaddress.IPv6Interface,
    ipaddress.IPv4Network, ipaddress.IPv6Network, pathlib.PurePath,
)  # fmt: skip
"""Classes whose values are written as the text that makes them."""


def _pattern(value: Any) -> Any:
    if not isinstance(value, (str, bytes)):
        raise TypeError
    try:
        return re.compile(value)
    except re.error:
        raise ValueError from None


def as_object_id(value: Any) -> Any:
    """Make an ObjectId of its text or its bytes.

    Raises:
        ValueError: it is none.
    """
    bson = import_module("bson")
    if not bson.ObjectId.is_valid(value):
        raise ValueError(f"expected ObjectId, got {type(value).__name__}")
    return bson.ObjectId(value)


_MAKERS: Final[Mapping[type, Callable[[Any], Any]]] = {
    Decimal: _decimal,
    UUID: UUID,
    bool: _bool,
    bytes: _bytes,
    dt.date: _date,
    dt.datetime: _datetime,
    dt.time: _time,
    dt.timedelta: _timedelta,
    float: _float,
    int: _int,
    re.Pattern: _pattern,
    str: _text,
}
