"""Copy and pickle objects: the copy is transient, has the same field values and no history."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from uow.mapping.mapper import Mapper

__all__ = ["copy_object", "deepcopy_object", "reduce_object", "restore_object"]


def copy_object(obj: Any) -> Any:
    """Make a transient object that shares the field values of `obj`."""
    mapper: Mapper = obj._uow_mapper
    return _rebuild(mapper, _values(mapper, obj), getattr(obj, "__dict__", None))


def deepcopy_object(obj: Any, memo: dict[int, Any]) -> Any:
    """Make a transient object with copies of the field values of `obj`."""
    mapper: Mapper = obj._uow_mapper
    made = mapper.new({})
    memo[id(obj)] = made
    values = copy.deepcopy(_values(mapper, obj), memo)
    mapper.put_all(made, [mapper.by_attribute[name] for name in values], [*values.values()])
    mapper.mark(made)
    if hasattr(obj, "__dict__"):
        made.__dict__.update(copy.deepcopy(obj.__dict__, memo))
    return made


def reduce_object(obj: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Answer what `pickle` asks for."""
    mapper: Mapper = obj._uow_mapper
    return restore_object, (mapper.class_, _values(mapper, obj), getattr(obj, "__dict__", None))


def restore_object(class_: type[Any], values: dict[str, Any], extra: dict[str, Any] | None) -> Any:
    """Make the object again that `reduce_object` took apart."""
    mapper = cast("Mapper", type.__getattribute__(class_, "_uow_mapper"))
    mapper.configure()
    return _rebuild(mapper, values, extra)


def _values(mapper: Mapper, obj: Any) -> dict[str, Any]:
    # Through getattr: a lazy value is converted, since a copy has no store to ask later.
    return {
        column.attribute: getattr(obj, column.attribute)
        for column in mapper.columns
        if column.is_loaded(obj)
    }


def _rebuild(mapper: Mapper, values: dict[str, Any], extra: dict[str, Any] | None) -> Any:
    obj = mapper.new(values)
    if extra:
        obj.__dict__.update(extra)
    return obj
