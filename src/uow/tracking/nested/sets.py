"""Sets that tell of their changes. Members are hashable, so there is little to wrap in them."""

# Methods of builtin classes that are called past an object have members of unknown types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any, Self, SupportsIndex

from uow.tracking.nested.containers import BuiltinContainers, TrackedContainers
from uow.tracking.nested.kinds import SCALARS, Adoption, adopt, adopt_all, enter, release, wrap
from uow.tracking.nested.tokens import LOCK, Token

__all__ = ["TrackedSet"]


class TrackedSet(set[Any]):
    """A set that tells of its changes. What is computed of it is a builtin set."""

    __slots__ = ("_uow_token",)

    _uow_token: Token

    __class__ = property(lambda _: set)  # pyright: ignore[reportIncompatibleMethodOverride]

    def __new__(cls, *_: object) -> Self:
        """Make one that nobody owns."""
        made = set.__new__(cls)
        made._uow_token = Token(None)
        return made

    def _uow_open(self, adoption: Adoption | None = None) -> None:
        """Wrap the members; one that is another object afterwards takes the other's place."""
        with LOCK:
            token = self._uow_token
            for item in list(set.__iter__(self)):
                if type(item) not in SCALARS:
                    made = wrap(item, token, adoption)
                    if made is not item:
                        set.discard(self, item)
                        set.add(self, made)

    def __repr__(self) -> str:
        return repr(set(self))

    # -- changes

    def _uow_change(self, now: set[Any]) -> None:
        """Hold these members, wherever they come from."""
        token = self._uow_token
        held = set(self)
        new = adopt_all([item for item in now if item not in held], token)
        with LOCK:
            gone = [item for item in held if item not in now and item in self]
            set.difference_update(self, gone)
            set.update(self, new)
            token.touch()
            for item in gone:
                release(item, token)

    def add(self, value: Any, /) -> None:
        token = self._uow_token
        if type(value) in SCALARS:
            set.add(self, value)
        else:
            with LOCK:
                if value not in self:
                    set.add(self, adopt(value, token))
        token.touch()

    def discard(self, value: Any, /) -> None:
        if type(value) in SCALARS:
            set.discard(self, value)
            self._uow_token.touch()
        else:
            self.difference_update([value])

    def remove(self, value: Any, /) -> None:
        if type(value) in SCALARS:
            set.remove(self, value)
            self._uow_token.touch()
        elif value not in self:
            raise KeyError(value)
        else:
            self.difference_update([value])

    def pop(self) -> Any:
        token = self._uow_token
        with LOCK:
            value = set.pop(self)
            token.touch()
            release(value, token)
        return value

    def clear(self) -> None:
        token = self._uow_token
        with LOCK:
            gone = list(self)
            set.clear(self)
            token.touch()
            for item in gone:
                release(item, token)

    def update(self, *others: Iterable[Any]) -> None:
        token = self._uow_token
        new = [item for other in others for item in other]
        with LOCK:
            set.update(
                self, adopt_all([item for item in dict.fromkeys(new) if item not in self], token)
            )
        token.touch()

    def difference_update(self, *others: Iterable[Any]) -> None:
        self._uow_change(self.difference(*others))

    def intersection_update(self, *others: Iterable[Any]) -> None:
        self._uow_change(self.intersection(*others))

    def symmetric_difference_update(self, other: Iterable[Any], /) -> None:
        self._uow_change(self.symmetric_difference(other))

    def __ior__(self, other: Any, /) -> Any:
        if not isinstance(other, (set, frozenset)):
            return NotImplemented
        self.update(other)
        return self

    def __isub__(self, other: Any, /) -> Any:
        if not isinstance(other, (set, frozenset)):
            return NotImplemented
        self.difference_update(other)
        return self

    def __iand__(self, other: Any, /) -> Any:
        if not isinstance(other, (set, frozenset)):
            return NotImplemented
        self.intersection_update(other)
        return self

    def __ixor__(self, other: Any, /) -> Any:
        if not isinstance(other, (set, frozenset)):
            return NotImplemented
        self.symmetric_difference_update(other)
        return self

    # -- what is computed: the builtin methods would make sets of this class, without a token

    def copy(self) -> set[Any]:
        return set(self)

    def union(self, *others: Iterable[Any]) -> set[Any]:
        return set(self).union(*others)

    def intersection(self, *others: Iterable[Any]) -> set[Any]:
        return set(self).intersection(*others)

    def difference(self, *others: Iterable[Any]) -> set[Any]:
        return set(self).difference(*others)

    def symmetric_difference(self, other: Iterable[Any], /) -> set[Any]:
        return set(self).symmetric_difference(other)

    def __or__(self, other: Any, /) -> Any:
        return set.__or__(set(self), other)

    def __and__(self, other: Any, /) -> Any:
        return set.__and__(set(self), other)

    def __sub__(self, other: Any, /) -> Any:
        return set.__sub__(set(self), other)

    def __xor__(self, other: Any, /) -> Any:
        return set.__xor__(set(self), other)

    # -- copies

    def __copy__(self) -> set[Any]:
        return set(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> set[Any]:
        made: set[Any] = set()
        memo[id(self)] = made
        made.update([deepcopy(item, memo) for item in self])
        return made

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return set, (list(self),)


def _copy(value: set[Any]) -> TrackedSet:
    made = set.__new__(TrackedSet)
    set.update(made, value)
    return made


enter(set, BuiltinContainers(_copy, None))
enter(TrackedSet, TrackedContainers(), is_ready=True)
