"""The fields of a value class that is kept as one row in one column."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin

import attrs

from uow.types import ColumnType, changes_in_place
from uow.values.hints import type_from_hint

__all__ = ["CompositeField", "composite_fields", "composite_reader"]


@attrs.frozen
class CompositeField:
    """One field.

    Attributes:
        name: the attribute, and the name in the store.
        argument: what the constructor calls it.
        type: what its values are; any may be None.
    """

    name: str
    argument: str
    type: ColumnType


def composite_fields(class_: type[Any]) -> tuple[CompositeField, ...]:
    """The fields of an attrs class, a dataclass, a pydantic model or a NamedTuple, in order.

    Raises:
        ValueError: it is none of them, does not compare by value, has a field of no column type,
            or can change in place, which nobody would notice.
    """
    names = _names(class_)
    if not names:
        raise ValueError(
            f"{class_.__name__} is no attrs class, dataclass, pydantic model or NamedTuple"
        )
    attributes: Any = class_
    if attributes.__hash__ is None or attributes.__eq__ is object.__eq__:
        raise ValueError(
            f"{class_.__name__} is kept as one value: it must be frozen and compare by its fields"
        )
    hints = typing.get_type_hints(class_, include_extras=True)
    return tuple(
        CompositeField(name, argument, _type_of(class_, name, hints[name]))
        for name, argument in names.items()
    )


def composite_reader(class_: type[Any]) -> Callable[[Any], list[Any]]:
    """What reads the fields of a value, in order."""
    names = [field.name for field in composite_fields(class_)]
    return lambda value: [getattr(value, name) for name in names]


def _names(class_: type[Any]) -> dict[str, str]:
    """The attributes, and what the constructor calls them."""
    if attrs.has(class_):
        return {field.name: field.alias or field.name for field in attrs.fields(class_)}
    if dataclasses.is_dataclass(class_):
        return {field.name: field.name for field in dataclasses.fields(class_)}
    if hasattr(class_, "__pydantic_validator__"):
        fields: dict[str, Any] = class_.model_fields
        return {name: field.alias or name for name, field in fields.items()}
    names: tuple[str, ...] = getattr(class_, "_fields", ())  # of a NamedTuple
    return {name: name for name in names}


def _type_of(class_: type[Any], name: str, hint: Any) -> ColumnType:
    given = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    types = [extra for extra in given if isinstance(extra, ColumnType)]
    try:
        type_ = types[0] if types else type_from_hint(hint)[0]
    except ValueError:
        raise ValueError(f"{class_.__name__}.{name} is not of a type a column can have") from None
    if changes_in_place(type_):
        problem = f"{class_.__name__}.{name} can change in place; make it a column of its own"
        raise ValueError(problem)
    return type_
