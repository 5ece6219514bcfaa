"""Steps into the type hint of a nested value: what a path of a document leads to."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Union, cast, get_args, get_origin

import attrs

from uow.mapping.hints import as_kept
from uow.types import ColumnType, DateTime, DocumentValue, Json
from uow.values import split_optional, type_from_hint

__all__ = ["Step", "in_document", "member_of", "step_into", "stored_names", "type_of_nested"]

Step = tuple[str, Any]
"""What a step is called in the store, and the type hint of what it leads to."""

_SEQUENCES = (list, set, frozenset, tuple, deque)


def step_into(hint: Any, name: str) -> Step | None:
    """Follow the name of a field, or a key, into a value of a type hint.

    A list stands for each of its members, as it does in the paths of a document store.

    Returns:
        None if the hint says that there is no such thing.
    """
    bare, _ = split_optional(hint)
    origin: Any = get_origin(bare) or bare
    if origin in (Union, types.UnionType):
        return next((s for one in get_args(bare) if (s := step_into(one, name))), None)
    if bare is Any or bare is object or bare is None:
        return name, Any
    if not isinstance(origin, type) or typing.is_typeddict(origin):
        hints = typing.get_type_hints(origin) if typing.is_typeddict(origin) else {}
        return (name, hints[name]) if name in hints else None
    class_: Any = origin
    if issubclass(class_, _SEQUENCES):
        return step_into(member_of(bare), name)
    if issubclass(class_, dict):
        arguments = get_args(bare)
        return name, arguments[1] if len(arguments) == 2 else Any
    fields = stored_names(class_)
    if name in fields:
        return fields[name], _hints_of(class_).get(name, Any)
    for attribute, stored in fields.items():
        if stored == name:
            return name, _hints_of(class_).get(attribute, Any)
    return None


def member_of(hint: Any) -> Any:
    """The type hint of what stands in a list."""
    bare, _ = split_optional(hint)
    arguments = get_args(bare)
    origin: Any = get_origin(bare) or bare
    is_sequence = isinstance(origin, type) and issubclass(origin, _SEQUENCES)
    return arguments[0] if is_sequence and arguments else Any


@lru_cache(maxsize=1024)
def stored_names(class_: type[Any]) -> Mapping[str, str]:
    """What the fields of the class of an embedded object are called in the store, by attribute."""
    if attrs.has(class_):
        return {field.name: field.name for field in attrs.fields(class_)}
    if dataclasses.is_dataclass(class_):
        return {field.name: field.name for field in dataclasses.fields(class_)}
    fields = cast("Mapping[str, Any]", getattr(class_, "model_fields", {}))
    return {name: f.serialization_alias or f.alias or name for name, f in fields.items()}


@lru_cache(maxsize=1024)
def _hints_of(class_: type[Any]) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(class_, include_extras=True)
    except NameError:
        return {}


def in_document(type_: ColumnType) -> ColumnType:
    """The type of a field of a document that is of some type in a table."""
    match type_:
        case DocumentValue():
            return type_
        case Json():
            return DocumentValue(type_.annotation, max_depth=type_.max_depth)
        case DateTime():
            return attrs.evolve(type_, digits=3)
        case _:
            return type_


def type_of_nested(hint: Any) -> ColumnType | None:
    """The type of what a path leads to; None if nothing is known of it."""
    bare, _ = split_optional(as_kept(hint))
    if bare is Any or bare is object or bare is None:
        return None
    try:
        return in_document(type_from_hint(bare)[0])
    except ValueError:
        return DocumentValue(bare)
