"""Which values are scalars, which are wrapped and how, and which can only be compared.

A kind says what is done with values of one class. The modules of the kinds enter theirs here, so
that each of them can hold values of all the others.
"""

from __future__ import annotations

import datetime as dt
import enum
import ipaddress as ip
import types
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final, Protocol
from uuid import UUID

from uow.mapping.link import BackLink, Link
from uow.tracking.nested.tokens import LOCK, Token

__all__ = [
    "FINDERS",
    "READY",
    "SCALARS",
    "Adoption",
    "Kind",
    "adopt",
    "adopt_all",
    "enter",
    "kind_of_class",
    "mend",
    "release",
    "wrap",
]

SCALARS: Final[set[type]] = {
    bool, bytes, complex, dt.date, dt.datetime, dt.time, dt.timedelta, dt.timezone, Decimal,
    float, int, ip.IPv4Address, ip.IPv4Interface, ip.IPv4Network, ip.IPv6Address,
    ip.IPv6Interface, ip.IPv6Network, str, types.NoneType, UUID, Link, BackLink,
}  # fmt: skip
"""Classes whose values cannot change; others of that sort are added when they are first met."""

READY: Final[set[type]] = set(SCALARS)
"""Classes whose values need no wrapping: scalars, and what is wrapped."""

_BASES: Final = (
    bytes, dt.date, dt.time, dt.timedelta, dt.tzinfo, Decimal, enum.Enum, float, int, str, type,
    UUID, types.FunctionType, types.BuiltinFunctionType,
)  # fmt: skip


class Adoption:
    """A value of the user's on its way into a structure: all of it is wrapped at once.

    What occurs twice in it is one thing afterwards too, circles included.

    Attributes:
        known: by `id`, what was met and what became of it.
        waiting: what opens the containers whose contents were not looked at yet.
        mends: what is wrapped already is gone through too, for what got in past the hooks.
    """

    __slots__ = ("known", "mends", "waiting")

    def __init__(self, *, mends: bool = False) -> None:
        self.known: dict[int, tuple[Any, Any]] = {}
        self.waiting: list[Callable[[Adoption], None]] = []
        self.mends = mends

    def find(self, value: Any) -> Any:
        """What became of a value that was met before, or None."""
        found = self.known.get(id(value))
        return None if found is None else found[1]

    def note(self, value: Any, made: Any, opening: Callable[[Adoption], None]) -> None:
        """Keep what became of a value; its contents wait."""
        self.known[id(value)] = value, made
        self.waiting.append(opening)

    def finish(self) -> None:
        """Wrap the contents of all that was met, and theirs, however deep."""
        while self.waiting:
            self.waiting.pop()(self)


class Kind(Protocol):
    """What is done with values of one class."""

    def wrap(self, value: Any, owner: Token, adoption: Adoption | None, /) -> Any:
        """Make a value one that tells `owner` of its changes.

        Args:
            value: the value.
            owner: the token of what holds it, in one more place.
            adoption: with what it is wrapped as a whole; None: only itself, and what it holds
                when that is read.

        Returns:
            The value, or what stands in its place.
        """
        ...

    def release(self, value: Any, owner: Token, /) -> None:
        """A value left one place in its owner, which is not told of its changes any more."""
        ...


class Opaque:
    """Values that cannot report their changes: they are compared."""

    __slots__ = ()

    def wrap(self, value: Any, owner: Token, adoption: Adoption | None, /) -> Any:  # noqa: ARG002
        """Leave it as it is, and say that it is there."""
        owner.expose()
        return value

    def release(self, value: Any, owner: Token, /) -> None:
        """Nothing refers to it."""


class Constant:
    """Values that cannot change."""

    __slots__ = ()

    def wrap(self, value: Any, owner: Token, adoption: Adoption | None, /) -> Any:  # noqa: ARG002
        """Leave it as it is."""
        return value

    def release(self, value: Any, owner: Token, /) -> None:
        """Nothing refers to it."""


_KINDS: Final[dict[type[Any], Kind]] = {}
_CONSTANT: Final = Constant()
_OPAQUE: Final = Opaque()

FINDERS: Final[list[Callable[[type[Any]], Kind | None]]] = []
"""What finds the kind of a class that was not entered by itself."""


def enter(class_: type, kind: Kind, *, is_ready: bool = False) -> None:
    """Say how values of exactly this class are wrapped.

    Args:
        class_: the class.
        kind: how.
        is_ready: its values are wrapped already.
    """
    _KINDS[class_] = kind
    if is_ready:
        READY.add(class_)


def kind_of_class(class_: type[Any]) -> Kind:
    """The kind of the values of a class."""
    found = _KINDS.get(class_)
    if found is None:
        found = _KINDS[class_] = _found(class_)
    return found


def _found(class_: type[Any]) -> Kind:
    # What a link leads to tells of its changes itself, and is none of the value's.
    is_document = getattr(class_, "_uow_mapper", None) is not None
    if is_document or class_ in SCALARS or issubclass(class_, _BASES):
        SCALARS.add(class_)
        READY.add(class_)
        return _CONSTANT
    return next((kind for find in FINDERS if (kind := find(class_)) is not None), _OPAQUE)


def wrap(value: object, owner: Token, adoption: Adoption | None = None) -> Any:
    """Make a value one that tells `owner` of its changes; see `Kind.wrap`.

    Without an adoption the caller holds `LOCK`.
    """
    class_ = type(value)
    if class_ in SCALARS:
        return value
    return (_KINDS.get(class_) or kind_of_class(class_)).wrap(value, owner, adoption)


def adopt(value: Any, owner: Token) -> Any:
    """Wrap a value that a user puts into a structure, with all it holds.

    Builtin containers are copied, so that nobody has them unwrapped.
    """
    if type(value) in SCALARS:
        return value
    adoption = Adoption()
    with LOCK:
        made = wrap(value, owner, adoption)
        adoption.finish()
    return made


def adopt_all(values: Iterable[Any], owner: Token) -> list[Any]:
    """Wrap several values at once: what occurs in two of them is one thing afterwards too."""
    found = list(values)
    if SCALARS.issuperset(map(type, found)):
        return found
    adoption = Adoption()
    with LOCK:
        made = [wrap(value, owner, adoption) for value in found]
        adoption.finish()
    return made


def mend(value: Any, owner: Token) -> Any:
    """Wrap what got into a wrapped value past its hooks."""
    adoption = Adoption(mends=True)
    with LOCK:
        made = wrap(value, owner, adoption)
        adoption.finish()
    return made


def release(value: object, owner: Token) -> None:
    """Say that a value left one place in its owner."""
    class_ = type(value)
    if class_ not in SCALARS:
        (_KINDS.get(class_) or kind_of_class(class_)).release(value, owner)
