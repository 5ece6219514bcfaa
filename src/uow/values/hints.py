"""Which column type a type hint means, and which Python class a column type."""

from __future__ import annotations

import datetime as dt
import types
import typing
from collections import abc, deque
from decimal import Decimal
from typing import Any, Final, Literal, Union, cast, get_args, get_origin
from uuid import UUID

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
    scalar_type,
)
from uow.values.ranges import Range
from uow.values.scalars import IP_CLASSES

__all__ = ["concrete", "literal_choices", "python_type", "split_optional", "type_from_hint"]


def split_optional(hint: Any) -> tuple[Any, bool]:
    """Take None out of a union.

    >>> split_optional(int | None)
    (<class 'int'>, True)
    """
    hint = _unwrap(hint)
    if get_origin(hint) not in (Union, types.UnionType):
        return hint, False
    members = [member for member in get_args(hint) if member is not types.NoneType]
    nullable = len(members) < len(get_args(hint))
    if len(members) == 1:
        inner, also = split_optional(members[0])
        return inner, nullable or also
    return Union[tuple(members)], nullable  # noqa: UP007 - made at run time


def type_from_hint(hint: Any) -> tuple[ColumnType, bool]:
    """The column type a type hint means, and whether the hint allows None.

    >>> type_from_hint(int | None)
    (Integer(bits=64), True)

    Raises:
        ValueError: there is none.
    """
    bare, nullable = split_optional(hint)
    if get_origin(bare) is Literal:
        choices = literal_choices(hint)
        return _type_of_choices(choices), nullable or None in get_args(bare)
    scalar = scalar_type(bare)
    if scalar is not None:
        return scalar, nullable
    if get_origin(bare) is Range:
        item = scalar_type(_unwrap(get_args(bare)[0]))
        if item is not None:
            return RangeType(item), nullable
    elif _is_json(bare):
        return Json(bare), nullable or bare is Any
    raise ValueError("not a type a column can have")


def literal_choices(hint: Any) -> tuple[Any, ...]:
    """The values that a `Literal` names, None apart; none if the hint is no such."""
    bare, _ = split_optional(hint)
    if get_origin(bare) is not Literal:
        return ()
    return tuple([choice for choice in get_args(bare) if choice is not None])


def _type_of_choices(choices: tuple[Any, ...]) -> ColumnType:
    kinds: set[type[Any]] = {type(choice) for choice in choices}
    found = scalar_type(kinds.pop()) if len(kinds) == 1 else None
    if found is None:
        raise ValueError("a Literal of a column is of values of one class")
    return found


def _unwrap(hint: Any) -> Any:
    while True:
        if get_origin(hint) is typing.Annotated:
            hint = get_args(hint)[0]
        elif isinstance(hint, typing.NewType):
            hint = hint.__supertype__
        elif type(hint).__name__ == "TypeAliasType":  # `type X = ...` of Python 3.12
            hint = hint.__value__
        else:
            return concrete(hint)


_CONCRETE: Final[dict[Any, Any]] = {
    abc.Mapping: dict,
    abc.MutableMapping: dict,
    abc.MutableSequence: list,
    abc.MutableSet: set,
    abc.Sequence: list,
    abc.Set: set,
}


def concrete(hint: Any) -> Any:
    """The builtin class that values of an abstract one are kept as; else the hint itself.

    >>> concrete(abc.Mapping[str, int])
    dict[str, int]
    """
    origin: Any = get_origin(hint) or hint
    found = _CONCRETE.get(origin) if isinstance(origin, type) else None
    if found is None:
        return hint
    arguments = get_args(hint)
    return found[arguments] if arguments else found


def _is_json(hint: Any) -> bool:
    origin: Any = get_origin(hint) or hint
    if origin is Any or typing.is_typeddict(origin):
        return True
    if origin in (Union, types.UnionType):
        return all(_is_json(split_optional(member)[0]) for member in get_args(hint))
    if not isinstance(origin, type):
        return False
    class_: type[Any] = origin
    if issubclass(class_, (list, dict, set, frozenset, tuple, deque)):
        return True
    if hasattr(class_, "_uow_mapper"):
        return False  # a mapped class is no value
    names = ("__attrs_attrs__", "__dataclass_fields__", "model_fields")
    return any(hasattr(class_, name) for name in names)


def python_type(type_: ColumnType) -> type:
    """The Python class of a column's values; `object` where there are several."""
    if isinstance(type_, EnumType):
        return type_.enum_class
    if isinstance(type_, Composite):
        return type_.class_
    if isinstance(type_, Native):
        return type_.python_type or object
    if isinstance(type_, (IpAddress, IpInterface, IpNetwork)):
        return IP_CLASSES[type(type_)].get(type_.version, object)
    if isinstance(type_, Binary) and type_.mutable:
        return bytearray
    if isinstance(type_, Json):
        origin = get_origin(type_.annotation) or type_.annotation
        is_class = isinstance(origin, type) and origin not in (Any, types.UnionType)
        return cast("type", origin) if is_class else object
    return _PYTHON_TYPES.get(type(type_), object)


_PYTHON_TYPES: Final[dict[type[ColumnType], type]] = {
    Array: list,
    Binary: bytes,
    Boolean: bool,
    Date: dt.date,
    DateTime: dt.datetime,
    Float: float,
    Integer: int,
    UnsignedInteger: int,
    Interval: dt.timedelta,
    Numeric: Decimal,
    RangeType: Range,
    Text: str,
    Time: dt.time,
    Uuid: UUID,
}
