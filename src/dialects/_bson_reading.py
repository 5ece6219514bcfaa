"""From what BSON holds to Python, by type hints: what a client already gives is left as it is."""

from __future__ import annotations

import datetime as dt
import enum
import ipaddress as ip
import pathlib
import re
import types
from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, Union, cast, get_args, get_origin
from uuid import UUID

from bson.decimal128 import Decimal128

from uow.mapping.dict_hooks import abstract_reader, dict_reader, has_odd_keys, is_abstract
from uow.mapping.json_converter import problem_of
from uow.values import has_plain_keys, split_optional
from uow.values.closest import closest

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["reader_for", "to_decimal", "to_interval"]

_AS_GIVEN: Final = frozenset({str, int, bool, bytes, types.NoneType, dt.datetime, UUID})
"""Classes whose values a client gives as they were."""


def to_decimal(value: Any) -> Decimal:
    """Read a decimal; numbers of other kinds, which somebody else stored, too."""
    return value.to_decimal() if isinstance(value, Decimal128) else Decimal(str(value))


def to_interval(value: Any) -> dt.timedelta:
    """Read a number of seconds."""
    return dt.timedelta(seconds=value)


def reader_for(annotation: object) -> Callable[[Any], Any] | None:
    """What turns stored values into such of a type hint, or None if they are that already.

    The callable must not be given None. It raises ValueError, with the path to what does not fit.
    """
    bare, _ = split_optional(annotation)
    if _is_as_given(bare):
        return None
    convert = _converter()

    def read(value: Any) -> Any:
        try:
            return convert.structure(value, bare)
        except Exception as exc:
            raise problem_of(exc) from exc

    return read


def _is_as_given(hint: Any) -> bool:
    bare, _ = split_optional(hint)
    if bare is None or bare is Any or bare is object or bare in _AS_GIVEN:
        return True
    origin: Any = get_origin(bare) or bare
    if origin in (Union, types.UnionType):
        return all(_is_as_given(member) for member in get_args(bare))
    if origin is Literal:
        return all(type(choice) in _AS_GIVEN for choice in get_args(bare))
    if origin is dict and not has_plain_keys(bare):
        return False
    if origin in (list, dict):
        return all(_is_as_given(argument) for argument in get_args(bare)[-1:])
    return isinstance(origin, type) and origin.__module__.startswith("bson.")


@lru_cache(maxsize=1)
def _converter() -> Converter:
    """The converter, made on first use: importing cattrs takes its time."""
    from cattrs import Converter

    made = Converter()
    for kind, read in _SCALARS.items():
        made.register_structure_hook(kind, _reader(kind, read))
    made.register_structure_hook(dt.date, _read_date)
    for union, parse in _UNIONS:
        made.register_structure_hook(union, _union_reader(parse))
    made.register_structure_hook_func(_is_given, lambda value, _: value)
    made.register_structure_hook_func(_is_pattern, lambda value, _: _pattern(value))
    made.register_structure_hook_func(
        _is_made_of_text, lambda value, kind: value if isinstance(value, kind) else kind(value)
    )
    made.register_structure_hook_func(
        _is_model, lambda value, kind: kind.model_validate(_for_model(value))
    )
    made.register_structure_hook_factory(_is_deque, _deque_reader(made))
    made.register_structure_hook_factory(has_odd_keys, dict_reader(made))
    made.register_structure_hook_factory(is_abstract, abstract_reader(made))
    made.register_structure_hook_func(_is_union, _read_union(made))
    return made


def _reader(kind: type, read: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, _: value if isinstance(value, kind) else read(value)


def _union_reader(parse: Callable[[str], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, _: parse(value) if isinstance(value, str) else value


def _read_date(value: Any, _: Any) -> dt.date:
    return cast("dt.date", value.date() if isinstance(value, dt.datetime) else value)


_SCALARS: Final[Mapping[type, Callable[[Any], Any]]] = {
    dt.datetime: dt.datetime.fromisoformat,
    dt.time: dt.time.fromisoformat,
    dt.timedelta: to_interval,
    UUID: UUID,
    Decimal: to_decimal,
    bytes: bytes,
    bytearray: bytearray,
    float: float,
    ip.IPv4Address: ip.IPv4Address,
    ip.IPv6Address: ip.IPv6Address,
    ip.IPv4Interface: ip.IPv4Interface,
    ip.IPv6Interface: ip.IPv6Interface,
    ip.IPv4Network: ip.IPv4Network,
    ip.IPv6Network: ip.IPv6Network,
    pathlib.Path: pathlib.Path,
}

_UNIONS: Final[tuple[tuple[Any, Callable[[str], Any]], ...]] = (
    (ip.IPv4Address | ip.IPv6Address, ip.ip_address),
    (ip.IPv4Interface | ip.IPv6Interface, ip.ip_interface),
    (ip.IPv4Network | ip.IPv6Network, ip.ip_network),
)
"""Unions whose member the text tells."""


def _is_given(kind: Any) -> bool:
    origin = get_origin(kind) or kind
    return isinstance(origin, type) and (origin.__module__.startswith("bson."))


def _is_pattern(kind: Any) -> bool:
    origin = get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, re.Pattern)


def _pattern(value: Any) -> Any:
    """What the store gives for a pattern, as Python's own."""
    return value.try_compile() if hasattr(value, "try_compile") else value


def _is_made_of_text(kind: Any) -> bool:
    """Paths, and what pydantic has besides models: secrets, addresses."""
    if not isinstance(kind, type) or hasattr(kind, "model_fields"):
        return False
    of_pydantic = kind.__module__.startswith(("pydantic.", "pydantic_core."))
    return of_pydantic or issubclass(kind, pathlib.PurePath)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and hasattr(kind, "model_validate")


def _for_model(value: Any) -> Any:
    """Stored values as pydantic knows them."""
    if isinstance(value, Decimal128):
        return value.to_decimal()
    items: Any = value
    if isinstance(value, dict):
        return {key: _for_model(item) for key, item in items.items()}
    if isinstance(value, list):
        return [_for_model(item) for item in items]
    return items


def _is_deque(kind: Any) -> bool:
    return (get_origin(kind) or kind) is deque


def _deque_reader(made: Converter) -> Callable[[Any], Callable[[Any, Any], deque[Any]]]:
    def reader(kind: Any) -> Callable[[Any, Any], deque[Any]]:
        item: Any = (*get_args(kind), Any)[0]
        return lambda value, _: deque([made.structure(each, item) for each in value])

    return reader


def _is_union(kind: Any) -> bool:
    """Unions whose member the value tells; cattrs asks for fields that only one of them has."""
    if get_origin(kind) not in (Union, types.UnionType):
        return False
    members = [one for one in get_args(kind) if one is not types.NoneType]
    return len(members) > 1 and not any(kind == union for union, _ in _UNIONS)


def _read_union(made: Converter) -> Callable[[Any, Any], Any]:
    def read(value: Any, kind: Any) -> Any:
        members = [one for one in get_args(kind) if one is not types.NoneType]
        if value is None:
            return None
        for member in members:  # what is one of them as it is
            if member in _AS_GIVEN and type(value) is member:
                return value
        for member in closest(sorted(members, key=_looseness), value):
            try:
                return made.structure(value, member)
            except Exception:  # noqa: BLE001, S112 - whatever a class raises, it is another
                continue
        return value

    return read


def _looseness(member: Any) -> int:
    """Text is tried last: everything can be made one."""
    if member is str:
        return 3
    if isinstance(member, type) and issubclass(member, (int, float, enum.Enum)):
        return 2
    return 1
