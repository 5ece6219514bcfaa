"""Objects of attrs classes, dataclasses and pydantic models, and named tuples, field by field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_origin

import attrs

from uow.values.class_fields import class_fields, field_names, is_model
from uow.values.json.levels import Level, Walk
from uow.values.json.problems import PathError, at, wrong
from uow.values.models import model_problem

__all__ = ["walk_named_tuple", "walk_object"]


def walk_object(hint: Any, walk_for: Callable[[Any], Walk], *, is_inner: bool) -> Walk:
    """The check of objects of a class, which are kept as they are.

    Its fields are looked at, since nobody else did, and what its validators say of them now: a
    value that these refuse could not be read again.

    Args:
        hint: the class, or a generic one with its arguments.
        walk_for: gives the checks of the fields.
        is_inner: it is the field of a model, which looks at all it holds.
    """
    class_: type[Any] = get_origin(hint) or hint
    validate = None if is_inner else _validation(class_)
    walks: dict[str, Walk] | None = None

    def walk(value: Any, level: Level) -> Any:
        nonlocal walks
        if value.__class__ is not class_:
            raise _another_class(class_, value)
        found = level.known.get(id(value))
        if found is not None and found[2] is walk and found[3] <= level.left:
            return value
        below = level.below()
        if walks is None:  # not before it is needed: a class may contain itself
            walks = {name: walk_for(field) for name, field in class_fields(hint).items()}
        for name, step in walks.items():
            try:
                step(getattr(value, name), below)
            except AttributeError:
                raise PathError("it has no value", f".{name}") from None
            except PathError as problem:
                problem.steps.append(f".{name}")
                raise
        if validate is not None:
            validate(value)
        level.known[id(value)] = value, value, walk, level.left
        return value

    return walk


def _another_class(class_: type[Any], value: Any) -> PathError:
    if isinstance(value, class_) and field_names(class_):
        return PathError(
            f"expected {class_.__name__} itself; a {type(value).__name__} would come back "
            "as one, unless the type hint names both"
        )
    return wrong(class_.__name__, value)


def _validation(class_: type[Any]) -> Callable[[Any], None] | None:
    if is_model(class_):
        return _validate_model
    if not attrs.has(class_):
        return None
    fields = [field for field in attrs.fields(class_) if field.validator is not None]
    if not fields:
        return None

    def validate(value: Any) -> None:
        for field in fields:
            try:
                field.validator(value, field, getattr(value, field.name))
            except Exception:  # noqa: BLE001 - whatever it raises, and its text may quote the value
                raise PathError("its validator refuses it", f".{field.name}") from None

    return validate


def _validate_model(value: Any) -> None:
    found = model_problem(value)
    if found is not None:
        problem, steps = found
        raise PathError(problem, *steps)


def walk_named_tuple(class_: Any, walk_for: Callable[[Any], Walk]) -> Walk:
    """The check of named tuples."""
    walks: dict[str, Walk] | None = None

    def walk(value: Any, level: Level) -> Any:
        nonlocal walks
        if not isinstance(value, class_):
            raise wrong(class_.__name__, value)
        below = level.below()
        if walks is None:
            walks = {name: walk_for(field) for name, field in class_fields(class_).items()}
        items: list[Any] = []
        for (name, step), item in zip(walks.items(), value, strict=True):
            try:
                items.append(step(item, below))
            except PathError as problem:
                raise at(f".{name}", problem) from None
        return class_._make(items)

    return walk
