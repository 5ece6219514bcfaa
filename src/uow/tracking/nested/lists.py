"""Lists that tell of their changes.

`LazyList` is one with members that may not be wrapped yet: each is when it is read. When all of
them are, it becomes a `TrackedList`, which is read as fast as any list.
"""

# Methods of builtin classes that are called past an object have members of unknown types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from operator import is_
from typing import Any, Final, Self, SupportsIndex, cast

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

__all__ = ["LazyList", "TrackedList"]

FEW: Final = 16
"""Up to so many members are looked at at once; if all are scalars, none needs a hook."""

_all: Final = slice(None)


class TrackedList(list[Any]):
    """A list that tells of its changes, with all its members wrapped.

    A member that is replaced is let go of, and it must be that which was replaced: what moves
    members or takes them out holds the lock, and so does what replaces one that is no scalar.
    """

    __slots__ = ("_uow_token",)

    _uow_token: Token

    # To cattrs, attrs, pydantic and whoever else asks for the class, it is the builtin one.
    __class__ = property(lambda _: list)  # pyright: ignore[reportIncompatibleMethodOverride]

    def __new__(cls, *_: object) -> Self:
        """Make one that nobody owns."""
        made = list.__new__(cls)
        made._uow_token = Token(None)
        return made

    def _uow_open(self, adoption: Adoption | None = None) -> None:
        """Wrap what is not wrapped yet."""
        with LOCK:
            if adoption is None and type(self) is TrackedList:
                return  # another thread did
            token = self._uow_token
            for index, item in enumerate(list.__iter__(self)):
                if type(item) not in SCALARS:
                    made = wrap(item, token, adoption)
                    if made is not item:
                        list.__setitem__(self, index, made)
            set_class(self, TrackedList)

    # -- changes

    def append(self, value: Any, /) -> None:
        token = self._uow_token
        list.append(self, value if type(value) in SCALARS else adopt(value, token))
        if token.dirty is None:
            token.touch()

    def extend(self, values: Iterable[Any], /) -> None:
        token = self._uow_token
        list.extend(self, adopt_all(values, token))
        token.touch()

    def insert(self, index: SupportsIndex, value: Any, /) -> None:
        token = self._uow_token
        made = adopt(value, token)
        with LOCK:
            list.insert(self, index, made)
        token.touch()

    def remove(self, value: Any, /) -> None:
        with LOCK:
            self.pop(list.index(self, value))

    def pop(self, index: SupportsIndex = -1, /) -> Any:
        token = self._uow_token
        with LOCK:
            value = list.pop(self, index)
            token.touch()
            release(value, token)
        return value

    def clear(self) -> None:
        del self[:]

    def sort(self, *, key: Callable[[Any], Any] | None = None, reverse: bool = False) -> None:
        # What compares may be anybody's code, which is not to run under the lock.
        before = list.__getitem__(self, _all)
        after = sorted(before, key=cast("Any", key), reverse=reverse)
        with LOCK:
            if list.__len__(self) != len(before) or not all(map(is_, list.__iter__(self), before)):
                raise ValueError("list modified during sort")
            list.__setitem__(self, _all, after)
        self._uow_token.touch()

    def reverse(self) -> None:
        with LOCK:
            list.reverse(self)
        self._uow_token.touch()

    def __setitem__(self, index: Any, value: Any, /) -> None:
        token = self._uow_token
        if type(index) is slice:
            new = adopt_all(value, token)
            with LOCK:
                old = list.__getitem__(self, index)
                try:
                    list.__setitem__(self, index, new)
                except ValueError:  # a stepped slice of another length: nothing was set
                    old = new
                    raise
                finally:
                    token.touch()
                    for item in old:
                        release(item, token)
            return
        gone = list.__getitem__(self, index)
        if type(value) in SCALARS and type(gone) in SCALARS:
            list.__setitem__(self, index, value)
            token.touch()
            return
        made = adopt(value, token)
        with LOCK:
            place = index.__index__()
            if place < 0:  # what others append must not move it
                place = max(place + list.__len__(self), 0)
            gone = list.__getitem__(self, place)
            list.__setitem__(self, place, made)
            token.touch()
            release(gone, token)

    def __delitem__(self, index: SupportsIndex | slice, /) -> None:
        if not isinstance(index, slice):
            self.pop(index)
            return
        token = self._uow_token
        with LOCK:
            gone = list.__getitem__(self, index)
            list.__delitem__(self, index)
            token.touch()
            for item in gone:
                release(item, token)

    def __iadd__(self, values: Iterable[Any], /) -> Self:  # type: ignore[misc]
        self.extend(values)
        return self

    def __imul__(self, times: SupportsIndex, /) -> Self:
        self[:] = list.__getitem__(self, _all) * times
        return self

    # -- copies

    def __copy__(self) -> list[Any]:
        return self[:]

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        made: list[Any] = []
        memo[id(self)] = made
        made.extend(deepcopy(item, memo) for item in list.__getitem__(self, _all))
        return made

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return list, (), None, iter(list.__getitem__(self, _all))


class LazyList(TrackedList):
    """A list that tells of its changes, with members that may have to be wrapped yet.

    Reading puts members in place of others, so every replacement takes the lock.
    """

    __slots__ = ()

    # -- reading

    def __getitem__(self, index: Any, /) -> Any:
        if type(index) is slice:
            self._uow_open()
            return list.__getitem__(self, index)
        value = list.__getitem__(self, index)
        if type(value) in READY:
            return value
        with LOCK:
            place = index.__index__()
            place = place if place >= 0 else place + len(self)
            value = list.__getitem__(self, place)
            made = wrap(value, self._uow_token)
            if made is not value:
                list.__setitem__(self, place, made)
        return made

    def __iter__(self) -> Iterator[Any]:
        self._uow_open()
        return list.__iter__(self)

    def __reversed__(self) -> Iterator[Any]:
        self._uow_open()
        return list.__reversed__(self)

    def copy(self) -> list[Any]:
        self._uow_open()
        return list.copy(self)

    def __add__(self, other: Any, /) -> Any:
        self._uow_open()
        return list.__add__(self, other)

    def __radd__(self, other: Any, /) -> Any:
        self._uow_open()
        return list.__add__(other, self) if isinstance(other, list) else NotImplemented

    def __mul__(self, times: SupportsIndex, /) -> list[Any]:
        self._uow_open()
        return list.__mul__(self, times)

    def __rmul__(self, times: SupportsIndex, /) -> list[Any]:
        self._uow_open()
        return list.__rmul__(self, times)

    # -- changes

    def sort(self, *, key: Callable[[Any], Any] | None = None, reverse: bool = False) -> None:
        self._uow_open()
        TrackedList.sort(self, key=key, reverse=reverse)

    def pop(self, index: SupportsIndex = -1, /) -> Any:
        with LOCK:  # who puts back what was taken out is to have it there, and no copy of it
            if list.__len__(self):
                self[index]
            return TrackedList.pop(self, index)

    def __setitem__(self, index: Any, value: Any, /) -> None:
        if type(index) is slice:
            value = list(value)
        with LOCK:
            TrackedList.__setitem__(self, index, value)


def _copy(value: list[Any]) -> LazyList:
    made = list.__new__(LazyList)
    list.extend(made, value)
    return made


def _settle(made: LazyList) -> None:
    if len(made) <= FEW and SCALARS.issuperset(map(type, list.__iter__(made))):
        set_class(made, TrackedList)


enter(list, BuiltinContainers(_copy, _settle))
enter(TrackedList, TrackedContainers(), is_ready=True)
enter(LazyList, TrackedContainers(), is_ready=True)
