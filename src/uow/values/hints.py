"""Which column type a type hint means, and which Python class a column type."""

from __future__ import annotations

import datetime as dt
import types
import typing
from decimal import Decimal
from typing import Any, Final, Union, cast, get_args, get_origin
from uuid import UUID

from uow.types import (
    Array,
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
    scalar_type,
)
from uow.values.ranges import Range

__all__ = ["python_type", "split_optional", "type_from_hint"]


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


def _unwrap(hint: Any) -> Any:
    while True:
        if get_origin(hint) is typing.Annotated:
            hint = get_args(hint)[0]
        elif isinstance(hint, typing.NewType):
            hint = hint.__supertype__
        elif type(hint).__name__ == "TypeAliasType":  # `type X = ...` of Python 3.12
            hint = hint.__value__
        else:
            return hint


def _is_json(hint: Any) -> bool:
    origin: Any = get_origin(hint) or hint
    if origin is Any or typing.is_typeddict(origin):
        return True
    if not isinstance(origin, type):
        return False
    class_: type[Any] = origin
    if issubclass(class_, (list, dict, set, frozenset, tuple)):
        return True
    if hasattr(class_, "_uow_mapper"):
        return False  # a mapped class is no value
    names = ("__attrs_attrs__", "__dataclass_fields__", "model_fields")
    return any(hasattr(class_, name) for name in names)


def python_type(type_: ColumnType) -> type:
    """The Python class of a column's values; `object` where any JSON value may stand."""
    if isinstance(type_, EnumType):
        return type_.enum_class
    if isinstance(type_, Json):
        origin = get_origin(type_.annotation) or type_.annotation
        is_class = isinstance(origin, type) and origin not in (Any, types.UnionType)
        return cast("type", origin) if is_class else object
    return _PYTHON_TYPES[type(type_)]


_PYTHON_TYPES: Final[dict[type[ColumnType], type]] = {
    Array: list,
    Binary: bytes,
    Boolean: bool,
    Date: dt.date,
    DateTime: dt.datetime,
    Float: float,
    Integer: int,
    Interval: dt.timedelta,
    Numeric: Decimal,
    RangeType: Range,
    Text: str,
    Time: dt.time,
    Uuid: UUID,
}
