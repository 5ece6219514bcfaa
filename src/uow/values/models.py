"""Pydantic models as JSON and back, without importing pydantic.

A field with an alias is kept by its alias, if that is read again as what it was; else all fields
of a model are kept by their names. Both are read.
"""

from __future__ import annotations

import inspect
import json
import typing
from collections import deque
from collections.abc import Callable, Iterator, Mapping, MutableSet
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Any, Final, cast, get_args, get_origin

from uow.values.class_fields import class_fields, field_names, has_fields, is_model

__all__ = [
    "dump_model",
    "in_order",
    "model_problem",
    "model_problem_of",
    "read_model",
    "stored_names",
]


def dump_model(model: Any) -> dict[str, Any]:
    """Give a model as JSON.

    Raises:
        ValueError: it holds what JSON cannot.
    """
    class_ = model.__class__
    made: dict[str, Any] = _dumper(class_)(
        model, mode="json", round_trip=True, by_alias=_keeps_aliases(class_), warnings=False
    )
    if _may_hold_sets(class_):
        _put_in_order(model, made)
    return made


def read_model(class_: Any, value: Any) -> Any:
    """Make a model of JSON.

    Raises:
        ValueError: it does not fit.
    """
    if _takes_names(class_):
        return class_.model_validate(value, by_alias=True, by_name=True)
    return class_.model_validate(value)


def model_problem(model: Any) -> tuple[str, tuple[str, ...]] | None:
    """What would not let a model be read again.

    Returns:
        What is wrong, without the value, and the steps to where; None if nothing is.
    """
    try:
        read_model(model.__class__, dump_model(model))
    except ValueError as exc:
        return model_problem_of(exc) or ("does not fit its model", ())
    return None


def model_problem_of(error: BaseException) -> tuple[str, tuple[str, ...]] | None:
    """The first of the problems that pydantic tells of, in the form of `model_problem`."""
    find: Callable[..., list[dict[str, Any]]] | None = getattr(error, "errors", None)
    if find is None or not hasattr(error, "error_count"):
        return None
    first = find(include_url=False, include_input=False, include_context=False)[0]
    own = first["type"] in {"value_error", "assertion_error"}  # whose texts may quote it
    steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"]]
    return ("a validator refuses it" if own else first["msg"]), tuple(reversed(steps))


def stored_names(class_: Any) -> Mapping[str, str]:
    """The names by which fields of a class are written, where these are not their own."""
    if is_model(class_):
        if not _keeps_aliases(class_):
            return {}
        return {
            name: field.serialization_alias
            for name, field in class_.model_fields.items()
            if field.serialization_alias
        }
    hints = typing.get_type_hints(class_, include_extras=True)
    found: dict[str, str] = {}
    for name, hint in hints.items():
        for extra in getattr(hint, "__metadata__", ()):  # `cattrs.override(rename=...)`
            renamed = getattr(extra, "rename", None)
            if isinstance(renamed, str):
                found[name] = renamed
    return found


def in_order(items: list[Any]) -> list[Any]:
    """The members of a set, as JSON, in an order that equal sets have in common."""
    try:
        return sorted(items, key=lambda item: (type(item).__name__, item))
    except TypeError:  # objects
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))


def _class_of(value: object) -> type:
    return type(value)


def _put_in_order(value: Any, made: Any) -> None:
    """Put what was made of sets in order, wherever they are."""
    kind, plain = _class_of(value), _class_of(made)
    if plain is list and issubclass(kind, (set, frozenset)):
        made[:] = in_order(made)
    elif plain is list and issubclass(kind, (list, tuple, deque)):
        for one, other in zip(value, made, strict=False):
            _put_in_order(one, other)
    elif plain is dict and issubclass(kind, dict):
        for one, other in zip([*vars(dict)["values"](value)], made.values(), strict=False):
            _put_in_order(one, other)
    elif plain is dict and has_fields(value.__class__):
        names = stored_names(value.__class__)
        for name in field_names(value.__class__):
            _put_in_order(getattr(value, name, None), made.get(names.get(name, name)))


_SETS: Final = frozenset({AbstractSet, MutableSet, frozenset, set})


@lru_cache(maxsize=256)
def _may_hold_sets(class_: Any) -> bool:
    found = [class_]
    for each in found:
        for hint in class_fields(each).values():
            for inner in _classes_in(hint):
                if inner is Any or inner is object or inner in _SETS:
                    return True
                if has_fields(inner) and inner not in found:
                    found.append(inner)
    return False


def _classes_in(hint: Any) -> Iterator[Any]:
    yield get_origin(hint) or hint
    for argument in get_args(hint):
        yield from _classes_in(argument)


def _dumper(class_: Any) -> Callable[..., Any]:
    return cast("Callable[..., Any]", class_.model_dump)


@lru_cache(maxsize=256)
def _takes_names(class_: Any) -> bool:
    return "by_name" in inspect.signature(class_.model_validate).parameters


@lru_cache(maxsize=256)
def _keeps_aliases(class_: Any) -> bool:
    """Whether all aliases that are written are read, here and in the models it holds."""
    found = [class_]
    for model in found:
        fields: Mapping[str, Any] = model.model_fields
        for name, field in fields.items():
            written = field.serialization_alias or name
            by_name = model.model_config.get("populate_by_name") or model.model_config.get(
                "validate_by_name"
            )
            if written not in _read_names(name, field, bool(by_name) or _takes_names(class_)):
                return False
            found += [inner for inner in _models_in(field.annotation) if inner not in found]
    return True


def _read_names(name: str, field: Any, by_name: bool) -> set[str]:
    alias = field.validation_alias
    choices: list[Any] = [alias, *getattr(alias, "choices", ())]
    names = {choice for choice in choices if isinstance(choice, str)}
    return names | {name} if by_name or alias is None else names


def _models_in(hint: Any) -> Iterator[Any]:
    if is_model(hint):
        yield hint
    for argument in get_args(hint):
        yield from _models_in(argument)
