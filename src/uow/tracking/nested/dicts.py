"""Dicts that tell of their changes; see `lists.py`, which is built alike."""

# Methods of builtin classes that are called past an object have members of unknown types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import ItemsView, Iterator, ValuesView
from copy import deepcopy
from typing import Any, Final, Self, SupportsIndex

from uow.mapping.mapper import set_class
from uow.tracking.nested.containers import BuiltinContainers, TrackedContainers
from uow.tracking.nested.kinds import (
    READY,
    SCALARS,
    Adoption,
    adopt,
    adopt_all,
    enter,
    release,
    wrap,
)
from uow.tracking.nested.tokens import LOCK, Token

__all__ = ["LazyDict", "TrackedDict"]

FEW: Final = 16
"""Up to so many values are looked at at once; if all are scalars, none needs a hook."""

_nothing: Final[Any] = object()


class TrackedDict(dict[Any, Any]):
    """A dict that tells of its changes, with all its values wrapped."""

    __slots__ = ("_uow_token",)

    _uow_token: Token

    __class__ = property(lambda _: dict)  # pyright: ignore[reportIncompatibleMethodOverride]

    def __new__(cls, *_: object, **__: object) -> Self:
        """Make one that nobody owns."""
        made = dict.__new__(cls)
        made._uow_token = Token(None)
        return made

    def _uow_open(self, adoption: Adoption | None = None) -> None:
        """Wrap what is not wrapped yet."""
        with LOCK:
            if adoption is None and type(self) is TrackedDict:
                return  # another thread did
            token = self._uow_token
            for key, value in list(dict.items(self)):
                if type(value) not in SCALARS:
                    made = wrap(value, token, adoption)
                    if made is not value:
                        dict.__setitem__(self, key, made)
            set_class(self, TrackedDict)

    # -- changes

    def __setitem__(self, key: Any, value: Any, /) -> None:
        token = self._uow_token
        if type(value) in SCALARS and type(dict.get(self, key)) in SCALARS:
            dict.__setitem__(self, key, value)
            token.touch()
            return
        made = adopt(value, token)
        with LOCK:
            gone = dict.get(self, key)
            dict.__setitem__(self, key, made)
            token.touch()
            release(gone, token)

    def __delitem__(self, key: Any, /) -> None:
        self.pop(key)

    def pop(self, key: Any, /, *default: Any) -> Any:
        token = self._uow_token
        with LOCK:
            value = dict.pop(self, key, _nothing)
            if value is _nothing:
                return dict.pop(self, key, *default)
            token.touch()
            release(value, token)
        return value

    def popitem(self) -> tuple[Any, Any]:
        token = self._uow_token
        with LOCK:
            key, value = dict.popitem(self)
            token.touch()
            release(value, token)
        return key, value

    def clear(self) -> None:
        token = self._uow_token
        with LOCK:
            gone = list(dict.values(self))
            dict.clear(self)
            token.touch()
            for value in gone:
                release(value, token)

    def update(self, *others: Any, **named: Any) -> None:
        token = self._uow_token
        new: dict[Any, Any] = dict(*others, **named)
        made = dict(zip(new, adopt_all(new.values(), token), strict=True))
        with LOCK:
            gone = [dict.get(self, key) for key in made]
            dict.update(self, made)
            token.touch()
            for value in gone:
                release(value, token)

    def setdefault(self, key: Any, default: Any = None, /) -> Any:
        if key not in self:
            token = self._uow_token
            made = adopt(default, token)
            if dict.setdefault(self, key, made) is not made:
                release(made, token)  # another thread was quicker
            token.touch()
        return self[key]

    def __ior__(self, other: Any, /) -> Self:  # type: ignore[misc]
        self.update(other)
        return self

    # -- copies

    def __copy__(self) -> dict[Any, Any]:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        memo[id(self)] = made
        for key, value in list(dict.items(self)):
            made[deepcopy(key, memo)] = deepcopy(value, memo)
        return made

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return dict, (), None, None, iter(list(dict.items(self)))


class LazyDict(TrackedDict):
    """A dict that tells of its changes, with values that may have to be wrapped yet.

    Reading puts values in place of others, so every replacement takes the lock.
    """

    __slots__ = ()

    # -- reading

    def _uow_ready(self, key: Any) -> Any:
        with LOCK:
            value = dict.__getitem__(self, key)
            made = wrap(value, self._uow_token)
            if made is not value:
                dict.__setitem__(self, key, made)
            return made

    def __getitem__(self, key: Any, /) -> Any:
        value = dict.__getitem__(self, key)
        return value if type(value) in READY else self._uow_ready(key)

    def get(self, key: Any, default: Any = None, /) -> Any:
        value = dict.get(self, key, _nothing)
        if value is _nothing:
            return default
        return value if type(value) in READY else self._uow_ready(key)

    def __iter__(self) -> Iterator[Any]:
        # Keys are never wrapped, but `dict(d)` and `{**d}` take values past every hook from
        # dicts without an `__iter__` of their own.
        return dict.__iter__(self)

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        self._uow_open()
        return dict.values(self)

    def items(self) -> ItemsView[Any, Any]:  # type: ignore[override]
        self._uow_open()
        return dict.items(self)

    def copy(self) -> dict[Any, Any]:
        self._uow_open()
        return dict.copy(self)

    def __or__(self, other: Any, /) -> Any:
        self._uow_open()
        return dict.__or__(self, other)

    def __ror__(self, other: Any, /) -> Any:
        self._uow_open()
        return dict.__ror__(self, other)

    # -- changes

    def pop(self, key: Any, /, *default: Any) -> Any:
        with LOCK:  # who puts back what was taken out is to have it there, and no copy of it
            self.get(key)
            return TrackedDict.pop(self, key, *default)

    def popitem(self) -> tuple[Any, Any]:
        with LOCK:
            self._uow_ready_last()
            return TrackedDict.popitem(self)

    def _uow_ready_last(self) -> None:
        for key in dict.__reversed__(self):
            self.get(key)
            return

    def __setitem__(self, key: Any, value: Any, /) -> None:
        with LOCK:
            TrackedDict.__setitem__(self, key, value)


def _copy(value: dict[Any, Any]) -> LazyDict:
    made = dict.__new__(LazyDict)
    dict.update(made, value)
    return made


def _settle(made: LazyDict) -> None:
    if len(made) <= FEW and SCALARS.issuperset(map(type, dict.values(made))):
        set_class(made, TrackedDict)


enter(dict, BuiltinContainers(_copy, _settle))
enter(TrackedDict, TrackedContainers(), is_ready=True)
enter(LazyDict, TrackedContainers(), is_ready=True)
