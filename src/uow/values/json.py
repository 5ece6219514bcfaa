"""What a JSON column takes: a check made of its type hint, which also copies lists and dicts.

Whatever the hint says, the result can be written as JSON exactly: no NaN or infinity, text keys,
at most `MAX_DEPTH` levels and so no cycles. Messages name the path, never the value.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, Union, cast, get_args, get_origin

import attrs

from uow.types import Float, Integer, scalar_type
from uow.values.hints import split_optional
from uow.values.scalars import SCALAR_CHECKS, Checker, check_text, kind_of

__all__ = ["MAX_DEPTH", "json_checker"]

MAX_DEPTH: Final = 100

_Walk = Callable[[Any, int], Any]


class _PathError(ValueError):
    """A problem and the steps to where it is, the last one first."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.steps: list[str] = []


def json_checker(annotation: object) -> Checker:
    """Make the check of a JSON column's values.

    Args:
        annotation: the type hint of the values; None or Any takes whatever JSON can hold.
    """
    walk = _walk_for(Any if annotation is None else annotation)

    def check(value: Any) -> Any:
        try:
            return walk(value, 0)
        except _PathError as problem:
            if not problem.steps:
                raise ValueError(problem.problem) from None
            path = "".join(reversed(problem.steps))
            raise ValueError(f"at ${path}: {problem.problem}") from None

    return check


def _wrong(expected: str, value: object) -> _PathError:
    return _PathError(f"expected {expected}, got {kind_of(value)}")


def _step(walk: _Walk, value: Any, depth: int, step: str) -> Any:
    try:
        return walk(value, depth)
    except _PathError as problem:
        problem.steps.append(step)
        raise


def _deeper(depth: int) -> int:
    if depth >= MAX_DEPTH:
        raise _PathError(f"more than {MAX_DEPTH} levels, or a cycle")
    return depth + 1


# -- plain JSON


def _plain(value: Any, depth: int) -> Any:
    kind: type[Any] = value.__class__
    if kind is str:
        return _check_str(value)
    if value is None or kind is int or kind is bool:
        return value
    if kind is float:
        return _check_float(value)
    if isinstance(value, Mapping):
        return _dict(cast("Mapping[object, Any]", value), depth, _plain)
    if isinstance(value, (list, tuple)):
        return _list(cast("list[Any]", value), depth, _plain)
    if isinstance(value, str):
        return _check_str(str.__str__(value))
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _check_float(float(value))
    raise _wrong("a JSON value", value)


def _check_str(value: str) -> str:
    try:
        check_text(value)
    except ValueError as exc:
        raise _PathError(str(exc)) from None
    return value


def _check_float(value: float) -> float:
    if not math.isfinite(value):
        raise _PathError("JSON holds no NaN and no infinity")
    return value


def _list(value: Iterable[Any], depth: int, item: _Walk) -> list[Any]:
    depth = _deeper(depth)
    result: list[Any] = []
    for index, element in enumerate(value):
        try:
            result.append(item(element, depth))
        except _PathError as problem:
            problem.steps.append(f"[{index}]")
            raise
    return result


def _dict(value: Mapping[Any, Any], depth: int, item: _Walk) -> dict[str, Any]:
    depth = _deeper(depth)
    result: dict[str, Any] = {}
    for key, element in value.items():
        if not isinstance(key, str):
            raise _PathError(f"JSON keys are str, got {kind_of(key)}")
        _check_str(key)
        try:
            result[key] = item(element, depth)
        except _PathError as problem:
            problem.steps.append(f".{key}")
            raise
    return result


# -- by type hint


def _walk_for(hint: Any) -> _Walk:
    bare, nullable = split_optional(hint)
    walk = _bare_walk(bare)
    if not nullable:
        return walk
    return lambda value, depth: None if value is None else walk(value, depth)


def _bare_walk(hint: Any) -> _Walk:
    origin: Any = get_origin(hint) or hint
    if hint is Any or hint is object:
        return _plain
    if origin in (Union, types.UnionType):
        return _union_walk(get_args(hint))
    if origin is Literal:
        return _literal_walk(get_args(hint))
    if hint is None or hint is types.NoneType:
        return lambda value, _: value if value is None else _raise(_wrong("None", value))
    scalar = scalar_type(hint)
    if scalar is not None:
        return _scalar_walk(scalar)
    if typing.is_typeddict(origin):
        return _typed_dict_walk(origin)
    if isinstance(origin, type):
        return _class_walk(origin, get_args(hint))
    return _plain


def _raise(problem: _PathError) -> Any:
    raise problem


def _scalar_walk(scalar: Any) -> _Walk:
    if isinstance(scalar, Integer):
        # JSON has no word size; bool is its own kind.
        return lambda value, _: (
            value
            if type(value) is int
            else int(value)
            if isinstance(value, int) and not isinstance(value, bool)
            else _raise(_wrong("int", value))
        )
    check = SCALAR_CHECKS[type(scalar)](scalar)
    is_float = isinstance(scalar, Float)

    def walk(value: Any, _: int) -> Any:
        try:
            value = check(value)
        except ValueError as exc:
            raise _PathError(str(exc)) from None
        return _check_float(value) if is_float else value

    return walk


def _literal_walk(choices: tuple[Any, ...]) -> _Walk:
    kinds: set[tuple[type[Any], Any]] = {(type(choice), choice) for choice in choices}

    def walk(value: Any, _: int) -> Any:
        try:
            known = (type(value), value) in kinds
        except TypeError:
            known = False
        return value if known else _raise(_wrong("one of the literals", value))

    return walk


def _union_walk(members: tuple[Any, ...]) -> _Walk:
    walks = [_walk_for(member) for member in members]
    # The exact kinds first, so that 1 stays an int in `float | int`.
    exact = {m: w for m, w in zip(members, walks, strict=True) if isinstance(m, type)}

    def walk(value: Any, depth: int) -> Any:
        kind: type[Any] = value.__class__
        own = exact.get(kind)
        if own is not None:
            return own(value, depth)
        for candidate in walks:
            try:
                return candidate(value, depth)
            except _PathError:
                continue
        names = " | ".join(getattr(member, "__name__", str(member)) for member in members)
        raise _wrong(names, value)

    return walk


def _typed_dict_walk(hint: Any) -> _Walk:
    hints = typing.get_type_hints(hint, include_extras=True)
    walks = {name: _walk_for(_bare_key(item)) for name, item in hints.items()}
    # `__required_keys__` does not know NotRequired in hints that were strings.
    required = {
        name
        for name, item in hints.items()
        if get_origin(item) is not typing.NotRequired
        and (name in hint.__required_keys__ or get_origin(item) is typing.Required)
    }

    def walk(value: Any, depth: int) -> Any:
        if not isinstance(value, dict):
            raise _wrong(hint.__name__, value)
        items = cast("dict[str, Any]", value)
        depth = _deeper(depth)
        missing = sorted(required - items.keys())
        if missing:
            raise _PathError(f"the key {missing[0]!r} is missing")
        for key in items:
            if key not in walks:
                raise _PathError("a key the type does not have")
        return {key: _step(walks[key], item, depth, f".{key}") for key, item in items.items()}

    return walk


def _bare_key(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) in (typing.Required, typing.NotRequired) else hint


def _class_walk(origin: type[Any], arguments: tuple[Any, ...]) -> _Walk:
    if issubclass(origin, dict):
        item = _walk_for(arguments[1]) if len(arguments) == 2 else _plain

        def walk_dict(value: Any, depth: int) -> Any:
            if not isinstance(value, dict):
                raise _wrong("dict", value)
            return _dict(cast("dict[object, Any]", value), depth, item)

        return walk_dict
    if issubclass(origin, tuple):
        return _tuple_walk(arguments)
    if issubclass(origin, (list, set, frozenset)):
        item = _walk_for(arguments[0]) if arguments else _plain
        # A tuple is taken for a list: reading it back gives the list the hint promises.
        make = cast("Callable[[list[Any]], Any]", origin)
        kinds = (list, tuple) if issubclass(origin, list) else (set, frozenset)

        def walk_items(value: Any, depth: int) -> Any:
            if not isinstance(value, kinds):
                raise _wrong(origin.__name__, value)
            items = _list(cast("list[Any]", value), depth, item)
            return items if issubclass(origin, list) else make(items)

        return walk_items
    return _embedded_walk(origin)


def _tuple_walk(arguments: tuple[Any, ...]) -> _Walk:
    if not arguments or (len(arguments) == 2 and arguments[1] is ...):
        item = _walk_for(arguments[0]) if arguments else _plain

        def walk_any(value: Any, depth: int) -> Any:
            if not isinstance(value, tuple):
                raise _wrong("tuple", value)
            return tuple(_list(cast("tuple[object, ...]", value), depth, item))

        return walk_any
    walks = [_walk_for(argument) for argument in arguments]

    def walk(value: Any, depth: int) -> Any:
        items = cast("tuple[object, ...]", value) if isinstance(value, tuple) else ()
        if len(items) != len(walks):
            raise _wrong(f"a tuple of {len(walks)}", cast("object", value))
        depth = _deeper(depth)
        return tuple(
            _step(step, item, depth, f"[{index}]")
            for index, (step, item) in enumerate(zip(walks, items, strict=True))
        )

    return walk


def _embedded_walk(class_: type) -> _Walk:
    """Objects are kept as they are; their fields are looked at, since nobody else did."""
    walks: dict[str, _Walk] | None = None

    def walk(value: Any, depth: int) -> Any:
        nonlocal walks
        if not isinstance(value, class_):
            raise _wrong(class_.__name__, value)
        depth = _deeper(depth)
        if walks is None:  # not before it is needed: a class may contain itself
            walks = {name: _walk_for(hint) for name, hint in _field_hints(class_).items()}
        for name, step in walks.items():
            _step(step, getattr(value, name), depth, f".{name}")
        return value

    return walk


def _field_hints(class_: type) -> dict[str, Any]:
    found: Any = class_
    if attrs.has(found):
        names = [field.name for field in attrs.fields(found)]
    elif dataclasses.is_dataclass(found):
        names = [field.name for field in dataclasses.fields(found)]
    else:
        names = list(getattr(found, "model_fields", ()))
    hints = typing.get_type_hints(class_)
    return {name: hints.get(name, Any) for name in names}
