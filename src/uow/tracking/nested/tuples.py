"""Tuples and frozen sets, whose members may change though they themselves cannot."""

from __future__ import annotations

from typing import Any, cast

from uow.tracking.nested.kinds import FINDERS, Adoption, Kind, enter, release, wrap
from uow.tracking.nested.tokens import Token

__all__: list[str] = []


class Tuples:
    """Tuples: one with wrapped members takes their place, if any of them has to be wrapped."""

    __slots__ = ()

    def wrap(self, value: tuple[Any, ...], owner: Token, adoption: Adoption | None, /) -> Any:
        """Wrap the members, for the owner of the tuple."""
        items = _each(value, owner, adoption)
        if all(one is other for one, other in zip(items, value, strict=True)):
            return value
        class_ = cast("Any", type(value))
        return class_._make(items) if _is_named(class_) else tuple(items)

    def release(self, value: tuple[Any, ...], owner: Token, /) -> None:
        """Its members left."""
        for item in value:
            release(item, owner)


class FrozenSets:
    """Frozen sets: objects in them are wrapped where they are."""

    __slots__ = ()

    def wrap(self, value: frozenset[Any], owner: Token, adoption: Adoption | None, /) -> Any:
        """Wrap the members, for the owner of the set."""
        items = _each(tuple(value), owner, adoption)
        if all(one is other for one, other in zip(items, value, strict=True)):
            return value
        return frozenset(items)

    def release(self, value: frozenset[Any], owner: Token, /) -> None:
        """Its members left."""
        for item in value:
            release(item, owner)


def _each(values: tuple[Any, ...], owner: Token, adoption: Adoption | None) -> list[Any]:
    return [wrap(item, owner, adoption) for item in values]


def _is_named(class_: type[Any]) -> bool:
    return class_ is not tuple and hasattr(class_, "_make")


def _find(class_: type[Any]) -> Kind | None:
    return Tuples() if _is_named(class_) and issubclass(class_, tuple) else None


enter(tuple, Tuples())
enter(frozenset, FrozenSets())
FINDERS.append(_find)
