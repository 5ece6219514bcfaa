"""Deques that tell of their changes, with all their members wrapped."""

# Methods of builtin classes that are called past an object have members of unknown types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from copy import deepcopy
from typing import Any, Self, SupportsIndex

from uow.tracking.nested.containers import BuiltinContainers, TrackedContainers
from uow.tracking.nested.kinds import SCALARS, Adoption, adopt, enter, release, wrap
from uow.tracking.nested.tokens import LOCK, Token

__all__ = ["TrackedDeque"]


class TrackedDeque(deque[Any]):
    """A deque that tells of its changes."""

    __slots__ = ("_uow_token",)

    _uow_token: Token

    __class__ = property(lambda _: deque)  # pyright: ignore[reportIncompatibleMethodOverride]

    def __new__(cls, *_: object, **__: object) -> Self:
        """Make one that nobody owns."""
        made = deque.__new__(cls)
        made._uow_token = Token(None)
        return made

    def _uow_open(self, adoption: Adoption | None = None) -> None:
        """Wrap the members."""
        with LOCK:
            token = self._uow_token
            for index, item in enumerate(list(self)):
                if type(item) not in SCALARS:
                    made = wrap(item, token, adoption)
                    if made is not item:
                        deque.__setitem__(self, index, made)

    def __repr__(self) -> str:
        return repr(self.copy())

    def _uow_is_full(self) -> bool:
        return self.maxlen is not None and len(self) == self.maxlen

    # -- changes

    def append(self, value: Any, /) -> None:
        token = self._uow_token
        made = value if type(value) in SCALARS else adopt(value, token)
        if self.maxlen is None:
            deque.append(self, made)
        else:
            with LOCK:
                if self._uow_is_full() and self:
                    self.popleft()
                deque.append(self, made)
        token.touch()

    def appendleft(self, value: Any, /) -> None:
        token = self._uow_token
        made = value if type(value) in SCALARS else adopt(value, token)
        with LOCK:
            if self._uow_is_full() and self:
                self.pop()
            deque.appendleft(self, made)
        token.touch()

    def extend(self, values: Iterable[Any], /) -> None:
        for value in list(values):
            self.append(value)

    def extendleft(self, values: Iterable[Any], /) -> None:
        for value in list(values):
            self.appendleft(value)

    def insert(self, index: SupportsIndex, value: Any, /) -> None:
        if self._uow_is_full():
            raise IndexError("deque already at its maximum size")
        token = self._uow_token
        made = adopt(value, token)
        with LOCK:
            deque.insert(self, index.__index__(), made)
        token.touch()

    def pop(self) -> Any:  # type: ignore[override]
        with LOCK:
            return self._uow_released(deque.pop(self))

    def popleft(self) -> Any:
        with LOCK:
            return self._uow_released(deque.popleft(self))

    def _uow_released(self, value: Any) -> Any:
        """A member was taken out."""
        token = self._uow_token
        token.touch()
        release(value, token)
        return value

    def remove(self, value: Any, /) -> None:
        with LOCK:
            del self[deque.index(self, value)]

    def clear(self) -> None:
        with LOCK:
            gone = list(self)
            deque.clear(self)
            self._uow_token.touch()
            for item in gone:
                release(item, self._uow_token)

    def reverse(self) -> None:
        with LOCK:
            deque.reverse(self)
        self._uow_token.touch()

    def rotate(self, steps: int = 1, /) -> None:
        with LOCK:
            deque.rotate(self, steps)
        self._uow_token.touch()

    def __setitem__(self, index: SupportsIndex, value: Any, /) -> None:  # type: ignore[override]
        deque.__getitem__(self, index)
        made = adopt(value, self._uow_token)
        with LOCK:
            place = index.__index__()
            if place < 0:  # what others append must not move it
                place = max(place + len(self), 0)
            gone = deque.__getitem__(self, place)
            deque.__setitem__(self, place, made)
            self._uow_released(gone)

    def __delitem__(self, index: SupportsIndex, /) -> None:  # type: ignore[override]
        with LOCK:
            place = index.__index__()
            if place < 0:
                place += len(self)
            gone = deque.__getitem__(self, index)
            deque.__delitem__(self, place)
            self._uow_released(gone)

    def __iadd__(self, values: Iterable[Any], /) -> Self:
        self.extend(values)
        return self

    def __imul__(self, times: SupportsIndex, /) -> Self:
        items = list(self) * times.__index__()
        self.clear()
        self.extend(items)
        return self

    # -- what is computed, and copies: builtin deques

    def copy(self) -> deque[Any]:  # type: ignore[override]
        return deque(self, self.maxlen)

    def __copy__(self) -> deque[Any]:  # type: ignore[override]
        return self.copy()

    def __add__(self, other: deque[Any], /) -> deque[Any]:  # type: ignore[override]
        return self.copy() + other

    def __mul__(self, times: int, /) -> deque[Any]:  # type: ignore[override]
        return self.copy() * times

    def __rmul__(self, times: int, /) -> deque[Any]:  # type: ignore[override]
        return self.copy() * times

    def __deepcopy__(self, memo: dict[int, Any]) -> deque[Any]:
        made: deque[Any] = deque(maxlen=self.maxlen)
        memo[id(self)] = made
        made.extend([deepcopy(item, memo) for item in self])
        return made

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return deque, ((), self.maxlen), None, iter(list(self))


def _copy(value: deque[Any]) -> TrackedDeque:
    made = deque.__new__(TrackedDeque)
    deque.__init__(made, (), value.maxlen)
    deque.extend(made, value)
    return made


enter(deque, BuiltinContainers(_copy, None))
enter(TrackedDeque, TrackedContainers(), is_ready=True)
