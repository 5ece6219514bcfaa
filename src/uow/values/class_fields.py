"""The fields of attrs classes, dataclasses, pydantic models and named tuples, with their hints."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Union, cast, get_args, get_origin

import attrs

__all__ = [
    "UndefinedNameError",
    "class_fields",
    "field_names",
    "has_fields",
    "is_model",
    "is_named_tuple",
]


class UndefinedNameError(ValueError):
    """A type hint names what is not defined, or not yet."""


def is_model(class_: Any) -> bool:
    """Whether it is a pydantic model."""
    return (
        isinstance(class_, type)
        and hasattr(class_, "model_fields")
        and not hasattr(class_, "_uow_mapper")
    )


def is_named_tuple(class_: Any) -> bool:
    """Whether it is a named tuple."""
    if not isinstance(class_, type):
        return False
    kind: type[Any] = class_
    return issubclass(kind, tuple) and hasattr(cast("object", kind), "_fields")


def has_fields(class_: Any) -> bool:
    """Whether objects of a class, or of a generic one with its arguments, have fields."""
    origin: Any = get_origin(class_) or class_
    return isinstance(origin, type) and (
        attrs.has(origin) or dataclasses.is_dataclass(origin) or is_model(origin)
    )


def field_names(class_: type[Any]) -> list[str]:
    """The names of the fields of a class, in order; none if it is of another kind."""
    if attrs.has(class_):
        return [field.name for field in attrs.fields(class_)]
    if dataclasses.is_dataclass(class_):
        return [field.name for field in dataclasses.fields(class_)]
    if is_named_tuple(class_):
        return list(cast("Any", class_)._fields)
    return list(getattr(class_, "model_fields", ()))


def class_fields(hint: Any) -> dict[str, Any]:
    """The hints of the fields by name, with what stands in the brackets of a generic class.

    Raises:
        UndefinedNameError: a hint names what is not defined.
    """
    class_: type[Any] = get_origin(hint) or hint
    if is_model(class_):
        fields: Mapping[str, Any] = cast("Any", class_).model_fields
        return {name: field.annotation for name, field in fields.items()}
    try:
        hints = typing.get_type_hints(class_)
    except NameError as exc:
        raise UndefinedNameError(
            f"a type hint of {class_.__name__} names {exc.name!r}, which is not defined"
        ) from None
    arguments = _arguments(hint)
    return {name: _filled(hints.get(name, Any), arguments) for name in field_names(class_)}


def _arguments(hint: Any) -> dict[Any, Any]:
    """What the type variables of a class and its bases stand for."""
    class_: Any = get_origin(hint) or hint
    parameters = getattr(class_, "__parameters__", ())
    found: dict[Any, Any] = dict(zip(parameters, get_args(hint), strict=False))
    for base in getattr(class_, "__orig_bases__", ()):
        if get_args(base) and get_origin(base) is not typing.Generic:
            inner = {key: _filled(value, found) for key, value in _arguments(base).items()}
            found = {**inner, **found}
    return found


def _filled(hint: Any, arguments: Mapping[Any, Any]) -> Any:
    """A hint with its type variables replaced."""
    if isinstance(hint, typing.TypeVar):
        if hint in arguments:
            return arguments[hint]
        if hint.__constraints__:
            return Union[hint.__constraints__]  # noqa: UP007 - made at run time
        return hint.__bound__ or Any
    parameters = () if isinstance(hint, type) and not _is_alias(hint) else _parameters(hint)
    if not parameters:
        return hint
    return cast("Any", hint)[tuple(_filled(each, arguments) for each in parameters)]


def _is_alias(hint: Any) -> bool:
    return isinstance(hint, types.GenericAlias)


def _parameters(hint: Any) -> tuple[Any, ...]:
    return tuple(getattr(hint, "__parameters__", ()))
