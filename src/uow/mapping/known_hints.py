"""Whether values of a type hint can be kept inside of others, and read again."""

from __future__ import annotations

import types
import typing
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Literal, Union, get_args, get_origin

from uow.types import Native, ObjectIdType, scalar_type
from uow.values import key_form, key_hint, split_optional
from uow.values.class_fields import (
    class_fields,
    has_fields,
    is_model,
    is_named_tuple,
)

__all__ = ["check_parts"]

_MANY = (list, set, frozenset, tuple, deque)


def check_parts(hint: Any, is_known: Callable[[type[Any]], bool]) -> None:
    """See whether all that a type hint is made of can be kept.

    Args:
        hint: the type hint.
        is_known: tells it of the classes that are not known to everybody.

    Raises:
        ValueError: something in it cannot.
        NameError: it names what is not defined, or not yet.
    """
    seen: set[int] = set()
    waiting: list[Any] = [hint]
    kept: list[Any] = []  # so that no `id` is used again
    while waiting:
        bare, _ = split_optional(waiting.pop())
        if id(bare) in seen:
            continue
        seen.add(id(bare))
        kept.append(bare)
        waiting += _parts(bare, is_known)


def _parts(bare: Any, is_known: Callable[[type[Any]], bool]) -> Iterator[Any]:
    """What a type hint is made of."""
    origin: Any = get_origin(bare) or bare
    if bare is None or bare is Any or bare is object or bare is types.NoneType:
        return
    if origin in (Union, types.UnionType):
        yield from get_args(bare)
    elif origin is Literal or isinstance(bare, typing.TypeVar):
        return
    elif typing.is_typeddict(origin):
        yield from map(_item_of_typed_dict, typing.get_type_hints(origin).values())
    elif not isinstance(origin, type):
        raise _unknown(bare)
    else:
        yield from _parts_of_class(bare, origin, is_known)


def _parts_of_class(
    bare: Any, class_: type[Any], is_known: Callable[[type[Any]], bool]
) -> Iterator[Any]:
    if issubclass(class_, dict):
        key_form(key_hint(bare))
        yield from get_args(bare)[1:]
    elif is_named_tuple(class_):
        yield from class_fields(bare).values()
    elif issubclass(class_, _MANY):
        yield from (each for each in get_args(bare) if each is not ... and each != ())
    elif is_model(class_):
        yield from _models_in(class_)  # which knows what else it holds
    elif class_.__module__ == "uow.mapping.link":
        raise _link_inside("a value")
    elif has_fields(bare) and not hasattr(class_, "_uow_mapper"):
        yield from class_fields(bare).values()
    elif not _is_scalar(bare) and not is_known(class_):
        raise _unknown(bare)


def _models_in(model: type[Any]) -> Iterator[Any]:
    """The models that fields of a model hold.

    Raises:
        ValueError: a field is a link.
    """
    for name, hint in class_fields(model).items():
        waiting: list[Any] = [hint]
        while waiting:
            one = waiting.pop()
            origin: Any = get_origin(one) or one
            if getattr(origin, "__module__", "") == "uow.mapping.link":
                raise _link_inside(f"{model.__name__}.{name}")
            if is_model(origin):
                yield one
            elif origin is not Literal:
                waiting += [each for each in get_args(one) if not isinstance(each, list)]


def _link_inside(place: str) -> ValueError:
    return ValueError(
        f"{place}: a Link stands inside of the type hint, but links are fields of the document "
        "itself (Link[T], list[Link[T]], dict[str, Link[T]]); keep the key of the other in it"
    )


def _item_of_typed_dict(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) in (typing.Required, typing.NotRequired) else hint


def _is_scalar(hint: Any) -> bool:
    scalar = scalar_type(hint)
    return scalar is not None and not isinstance(scalar, (Native, ObjectIdType))


def _unknown(hint: Any) -> ValueError:
    is_bare = isinstance(hint, type) and not get_args(hint)
    name = hint.__qualname__ if is_bare else str(hint).replace("typing.", "")
    return ValueError(
        f"{name}, inside of the type hint, is nothing that can be stored and read again; use an "
        "attrs class, a dataclass or a pydantic model, or keep what it is made of"
    )
