"""Which check a type hint means."""

from __future__ import annotations

import types
import typing
from collections import deque
from collections.abc import Callable, Iterable
from copy import copy
from functools import partial
from typing import Any, Final, Literal, Union, cast, get_args, get_origin

from uow.types import Float, Integer, scalar_type
from uow.values.class_fields import field_names, is_model, is_named_tuple
from uow.values.hints import split_optional
from uow.values.json.classes import walk_named_tuple, walk_object
from uow.values.json.keys import ANY_KEY, KeyForm, key_form, key_hint, replaced
from uow.values.json.levels import Level, Rules, Walk
from uow.values.json.plain import (
    check_digits,
    check_finite,
    check_str,
    dict_of,
    list_of,
    plain,
    walk_dict,
    walk_list,
)
from uow.values.json.problems import PathError, at, wrong
from uow.values.scalars import SCALAR_CHECKS

__all__ = ["JSON_RULES", "walk_for"]


def walk_for(hint: Any, rules: Rules, *, is_inner: bool = False) -> Walk:
    """Make the check a type hint means.

    Args:
        hint: the hint.
        rules: what the store can keep.
        is_inner: it is that of a model's field. What is not known here is the model's business.
    """
    bare, nullable = split_optional(hint)
    walk = _bare_walk(bare, rules, is_inner=is_inner)
    if not nullable:
        return walk
    return lambda value, level: None if value is None else walk(value, level)


def _bare_walk(hint: Any, rules: Rules, *, is_inner: bool) -> Walk:
    origin: Any = get_origin(hint) or hint
    inner = partial(walk_for, rules=rules, is_inner=is_inner)
    if hint is Any or hint is object:
        return rules.plain
    if origin in (Union, types.UnionType):
        return _union_walk(get_args(hint), inner)
    if origin is Literal:
        return _literal_walk(get_args(hint))
    if hint is None or hint is types.NoneType:
        return lambda value, _: value if value is None else _raise(wrong("None", value))
    scalar = scalar_type(hint)
    if scalar is not None:
        return rules.scalar(scalar)
    if typing.is_typeddict(origin):
        return _typed_dict_walk(origin, inner)
    if isinstance(origin, type):
        return _class_walk(hint, origin, rules, is_inner=is_inner)
    return rules.plain


def _raise(problem: PathError) -> Any:
    raise problem


def _scalar_walk(scalar: Any) -> Walk:
    if isinstance(scalar, Integer):
        # JSON has no word size; bool is its own kind.
        return lambda value, _: (
            check_digits(value)
            if type(value) is int
            else check_digits(int(value))
            if isinstance(value, int) and not isinstance(value, bool)
            else _raise(wrong("int", value))
        )
    check = SCALAR_CHECKS[type(scalar)](scalar)
    is_float = isinstance(scalar, Float)

    def walk(value: Any, _: Level) -> Any:
        try:
            value = check(value)
        except ValueError as exc:
            raise PathError(str(exc)) from None
        return check_finite(value) if is_float else value

    return walk


def _literal_walk(choices: tuple[Any, ...]) -> Walk:
    kinds: set[tuple[type[Any], Any]] = {(type(choice), choice) for choice in choices}

    def walk(value: Any, _: Level) -> Any:
        try:
            known = (type(value), value) in kinds
        except TypeError:
            known = False
        return value if known else _raise(wrong("one of the literals", value))

    return walk


def _union_walk(members: tuple[Any, ...], inner: Callable[[Any], Walk]) -> Walk:
    walks = [inner(member) for member in members]
    origins = [get_origin(member) or member for member in members]
    # A value of just the class of one member is taken for that, so that 1 stays an int in
    # `float | int`, and what is wrong inside of it is told.
    exact: dict[type[Any], Walk] = {
        origin: walk
        for origin, walk in zip(origins, walks, strict=True)
        if isinstance(origin, type) and origins.count(origin) == 1
    }
    names = " | ".join(getattr(member, "__name__", str(member)) for member in members)

    def walk(value: Any, level: Level) -> Any:
        kind: type[Any] = value.__class__
        own = exact.get(kind)
        if own is not None:
            return own(value, level)
        for candidate in walks:
            try:
                return candidate(value, level)
            except PathError:
                continue
        raise wrong(names, value)

    return walk


def _typed_dict_walk(hint: Any, inner: Callable[[Any], Walk]) -> Walk:
    hints = typing.get_type_hints(hint, include_extras=True)
    walks = {name: inner(_bare_key(item)) for name, item in hints.items()}
    # `__required_keys__` does not know NotRequired in hints that were strings.
    required = {
        name
        for name, item in hints.items()
        if get_origin(item) is not typing.NotRequired
        and (name in hint.__required_keys__ or get_origin(item) is typing.Required)
    }

    def make(items: dict[str, Any], below: Level, _: Walk) -> dict[str, Any]:
        missing = sorted(required - items.keys())
        if missing:
            raise PathError(f"the key {missing[0]!r} is missing")
        if not items.keys() <= walks.keys():
            raise PathError("a key the type does not have")
        return {key: _step(walks[key], item, below, f".{key}") for key, item in items.items()}

    def walk(value: Any, level: Level) -> Any:
        if not isinstance(value, dict):
            raise wrong(hint.__name__, value)
        return level.kept(cast("dict[str, Any]", value), make, walk)

    return walk


def _step(walk: Walk, value: Any, level: Level, step: str) -> Any:
    try:
        return walk(value, level)
    except PathError as problem:
        raise at(step, problem) from None


def _bare_key(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) in (typing.Required, typing.NotRequired) else hint


def _class_walk(hint: Any, origin: type[Any], rules: Rules, *, is_inner: bool) -> Walk:
    arguments: tuple[Any, ...] = get_args(hint)
    inner = partial(walk_for, rules=rules, is_inner=is_inner)
    if issubclass(origin, dict):
        item = inner(arguments[1]) if len(arguments) == 2 else rules.plain
        form = ANY_KEY if is_inner else key_form(key_hint(hint))
        return _dict_walk(cast("type[Any]", origin), form, item)
    if is_named_tuple(origin):
        return walk_named_tuple(origin, inner)
    if issubclass(origin, tuple):
        return _tuple_walk(arguments, inner, rules.plain)
    if issubclass(origin, (bytes, bytearray)):
        return _instance_walk(origin)
    if issubclass(origin, (list, set, frozenset, deque)):
        item = inner(arguments[0]) if arguments else rules.plain
        return _members_walk(cast("type[Any]", origin), item)
    if field_names(origin):
        # A model looks at all it holds, which those it holds need not do again.
        within = partial(walk_for, rules=rules, is_inner=True) if is_model(origin) else inner
        return walk_object(hint, within, is_inner=is_inner)
    return (lambda value, _: value) if is_inner else _instance_walk(origin)


def _dict_walk(origin: type[Any], form: KeyForm | None, item: Walk) -> Walk:
    """Dicts; of those that are more than that the very class is wanted, which comes back."""
    if form is None and origin is dict:

        def walk_plain(value: Any, level: Level) -> Any:
            if not isinstance(value, dict):
                raise wrong("dict", value)
            return walk_dict(cast("dict[object, Any]", value), level, item)

        return walk_plain

    def make(value: Any, below: Level, _: Walk) -> Any:
        made = dict_of(value, below, item, form)
        if origin is dict:
            return made
        return replaced(copy(value), made)

    def walk(value: Any, level: Level) -> Any:
        if not isinstance(value, origin):
            raise wrong(origin.__name__, value)
        return level.kept(value, make, walk)

    return walk


def _instance_walk(class_: type) -> Walk:
    return lambda value, _: (
        value if isinstance(value, class_) else _raise(wrong(class_.__name__, value))
    )


def _members_walk(origin: type[Any], item: Walk) -> Walk:
    """Lists, sets and deques. A tuple is taken for a list: that is what comes back."""
    if issubclass(origin, list):

        def walk(value: Any, level: Level) -> Any:
            if not isinstance(value, (list, tuple)):
                raise wrong(origin.__name__, value)
            return walk_list(cast("list[Any]", value), level, item)

        return walk
    kinds: tuple[type, ...] = (deque,) if issubclass(origin, deque) else (set, frozenset)

    def make(value: Any, below: Level, each: Walk) -> Any:
        made = list_of(value, below, each)
        return deque(made, value.maxlen) if origin is deque else cast("Any", origin(made))

    def walk_others(value: Any, level: Level) -> Any:
        if not isinstance(value, kinds):
            raise wrong(origin.__name__, value)
        return level.kept(value, make, item)

    return walk_others


def _tuple_walk(arguments: tuple[Any, ...], inner: Callable[[Any], Walk], plain: Walk) -> Walk:
    if not arguments or (len(arguments) == 2 and arguments[1] is ...):
        item = inner(arguments[0]) if arguments else plain

        def walk_any(value: Any, level: Level) -> Any:
            if not isinstance(value, tuple):
                raise wrong("tuple", value)
            return tuple(list_of(cast("Iterable[Any]", value), level.below(), item))

        return walk_any
    walks = [] if arguments == ((),) else [inner(argument) for argument in arguments]

    def walk(value: Any, level: Level) -> Any:
        items = cast("tuple[object, ...]", value) if isinstance(value, tuple) else None
        if items is None or len(items) != len(walks):
            raise wrong(f"a tuple of {len(walks)}", cast("object", value))
        below = level.below()
        return tuple(
            _step(step, item, below, f"[{index}]")
            for index, (step, item) in enumerate(zip(walks, items, strict=True))
        )

    return walk


JSON_RULES: Final = Rules(plain, _scalar_walk, check_str)
