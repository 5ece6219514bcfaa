"""Objects of attrs classes, dataclasses and pydantic models: a subclass tells of their changes.

The subclass is generated, has empty slots, and is given to the object in place: nothing of the
user's class is changed, and whoever asks the object for its class is told the user's. An object
has no room for a token, so tokens of objects are found by `id`; a token keeps its object alive,
and is kept by the tokens of what the object is in. One that is in nothing any more has no token,
and is an object like any other.
"""

from __future__ import annotations

import dataclasses
from abc import ABCMeta
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from typing import Any, Final, SupportsIndex, cast
from weakref import WeakValueDictionary

import attrs

from uow.mapping.mapper import set_class
from uow.tracking.nested.kinds import (
    FINDERS,
    READY,
    SCALARS,
    Adoption,
    Kind,
    adopt,
    enter,
    release,
    wrap,
)
from uow.tracking.nested.tokens import LOCK, Token

__all__ = ["ObjectToken", "TrackedObject"]

_set = object.__setattr__


class ObjectToken(Token):
    """The token of an object.

    Attributes:
        obj: the object.
    """

    __slots__ = ("obj",)

    def __init__(self, obj: Any, owner: Token) -> None:
        Token.__init__(self, None)
        self.obj = obj
        self.join(owner, once=False)

    def join(self, owner: Token, *, once: bool) -> None:
        """Take an owner, which keeps this token from now on."""
        with LOCK:
            Token.join(self, owner, once=once)
            if owner.kept is None:
                owner.kept = {}
            owner.kept[id(self.obj)] = self

    def leave(self, owner: Token) -> bool:
        """Let go of an owner, in one place."""
        with LOCK:
            is_out = Token.leave(self, owner)
            if is_out and owner.kept is not None:
                owner.kept.pop(id(self.obj), None)
            return is_out

    def open(self, adoption: Adoption | None) -> None:
        """Wrap what the object holds."""
        wrap_held(self.obj, self, adoption)


TOKENS: Final[WeakValueDictionary[int, ObjectToken]] = WeakValueDictionary()
"""The tokens of objects, by the object's `id`."""


def held_by(obj: Any) -> Iterator[tuple[str, Any]]:
    """The fields of an object that have a value."""
    for name in FIELDS[type(obj)](obj):
        try:
            yield name, object.__getattribute__(obj, name)
        except AttributeError:
            continue


def wrap_held(obj: Any, owner: Token, adoption: Adoption | None) -> None:
    """Wrap what an object holds, past its own `__setattr__`."""
    for name, value in held_by(obj):
        if type(value) not in SCALARS:
            made = wrap(value, owner, adoption)
            if made is not value:
                _set(obj, name, made)
    extra = extra_of(obj)
    for name, value in list(extra.items()):
        if type(value) not in SCALARS:
            extra[name] = wrap(value, owner, adoption)


def extra_of(obj: Any) -> dict[str, Any]:
    """What a pydantic model holds beside its fields."""
    found: dict[str, Any] | None = getattr(obj, "__pydantic_extra__", None)
    return found if found is not None else {}


_HEAP_TYPE: Final = 1 << 9
"""`Py_TPFLAGS_HEAPTYPE`, which classes made by a class statement have."""

FIELDS: Final[dict[type, Callable[[Any], Iterable[str]]]] = {}
"""The names of the fields of an object, by class."""


class TrackedObject:
    """What the generated subclasses add to the user's classes."""

    __slots__ = ()

    _uow_plain: Any

    def __init_subclass__(cls, **_: object) -> None:
        """The user's `__init_subclass__` does not hear of the subclass."""

    def __setattr__(self, name: str, value: object) -> None:
        token = TOKENS.get(id(self))
        if token is None:
            self._uow_plain.__setattr__(self, name, value)
            return
        with LOCK:  # what is let go of below must be what was replaced
            before = dict(held_by(self))
            try:
                self._uow_plain.__setattr__(self, name, value)
            finally:
                _settle(self, token, before)

    def __delattr__(self, name: str) -> None:
        token = TOKENS.get(id(self))
        if token is None:
            self._uow_plain.__delattr__(self, name)
            return
        with LOCK:
            before = dict(held_by(self))
            try:
                self._uow_plain.__delattr__(self, name)
            finally:
                _settle(self, token, before)

    # -- copies are objects of the user's class

    def __copy__(self) -> Any:
        plain = self._uow_plain
        if hasattr(plain, "__copy__"):
            return _as_plain(plain.__copy__(self), plain)
        return _rebuilt(self.__reduce_ex__(4))

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Any:
        plain = self._uow_plain
        memo = {} if memo is None else memo
        if hasattr(plain, "__deepcopy__"):
            return _as_plain(plain.__deepcopy__(self, memo), plain)

        def keep(made: Any) -> None:
            memo[id(self)] = made

        return _rebuilt(self.__reduce_ex__(4), lambda value: deepcopy(value, memo), keep)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        reduced = self._uow_plain.__reduce_ex__(self, protocol)
        if isinstance(reduced, str):
            return reduced
        function, arguments, *rest = cast("tuple[Any, tuple[Any, ...], Any]", reduced)
        tracked, plain = type(self), self._uow_plain
        arguments = tuple([plain if item is tracked else item for item in arguments])
        return (plain if function is tracked else function, arguments, *rest)


# Layouts must be equal, or the class of an object could not be assigned. A class that adds only a
# `__dict__` to `object` is laid out as what stands first among the bases, so that has one too.
RoomyObject: Final = type(
    "RoomyObject",
    (),
    {name: value for name, value in vars(TrackedObject).items() if callable(value)}
    | {"__init_subclass__": vars(TrackedObject)["__init_subclass__"]},
)
"""`TrackedObject`, for objects that have no slots."""


def _settle(obj: Any, token: ObjectToken, before: dict[str, Any]) -> None:
    """An attribute was set, and with it what a setter or validator may have changed besides.

    Nobody says which, so what the object holds is compared with what it held.
    """
    for name, value in held_by(obj):
        old = before.pop(name, None)
        if old is value:
            continue
        made = adopt(value, token)
        if made is not value:
            _set(obj, name, made)
        release(old, token)
    for old in before.values():
        release(old, token)
    extra = extra_of(obj)
    for name, value in list(extra.items()):
        if type(value) not in READY:
            extra[name] = adopt(value, token)
    token.touch()


def _as_plain(made: Any, plain: type[Any]) -> Any:
    if type(made) is not plain:
        set_class(made, plain)
    return made


def _rebuilt(
    reduced: Any,
    copied: Callable[[Any], Any] = lambda value: value,
    keep: Callable[[Any], None] = lambda _: None,
) -> Any:
    """Make an object of what `__reduce_ex__` answered."""
    if isinstance(reduced, str):
        return reduced
    function, arguments, *rest = cast("tuple[Any, tuple[Any, ...], Any]", reduced)
    made = function(*[copied(argument) for argument in arguments])
    keep(made)
    state = copied(rest[0]) if rest else None
    if state is None:
        return made
    if hasattr(made, "__setstate__"):
        made.__setstate__(state)
        return made
    attributes, slots = _parts_of(state)
    if attributes:
        made.__dict__.update(attributes)
    for name, value in (slots or {}).items():
        _set(made, name, value)
    return made


def _parts_of(state: object) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """What a state without a `__setstate__` is: attributes, and slots if there are any."""
    if isinstance(state, tuple):
        return cast("tuple[dict[str, Any] | None, dict[str, Any] | None]", state)
    return cast("dict[str, Any]", state), None


class Objects:
    """The kind of the objects of one class: they are tracked where they are."""

    __slots__ = ("_tracked",)

    def __init__(self, tracked: type[Any]) -> None:
        self._tracked = tracked

    def wrap(self, value: Any, owner: Token, adoption: Adoption | None, /) -> Any:
        """Give it the class that tells of changes."""
        token = TOKENS.get(id(value))
        mends = adoption is not None and adoption.mends
        if token is not None:
            token.join(owner, once=adoption is None or mends)
            if adoption is not None and mends and adoption.find(value) is None:
                adoption.note(value, value, token.open)
            return value
        set_class(value, self._tracked)
        token = TOKENS[id(value)] = ObjectToken(value, owner)
        if adoption is None:
            token.open(None)
        else:
            adoption.note(value, value, token.open)
        return value

    def release(self, value: Any, owner: Token, /) -> None:
        """Let go of the owner."""
        token = TOKENS.get(id(value))
        if token is not None:
            token.leave(owner)


class Frozen:
    """The kind of the objects of one class that cannot change: what they hold may."""

    __slots__ = ()

    def wrap(self, value: Any, owner: Token, adoption: Adoption | None, /) -> Any:
        """Wrap what it holds, for its owner."""
        wrap_held(value, owner, adoption)
        return value

    def release(self, value: Any, owner: Token, /) -> None:
        """What it holds left."""
        for _, item in held_by(value):
            release(item, owner)
        for item in extra_of(value).values():
            release(item, owner)


def _is_frozen(class_: type[Any]) -> bool:
    parameters = getattr(class_, "__dataclass_params__", None)
    settings: dict[str, Any] = getattr(class_, "model_config", None) or {}
    return bool(
        getattr(parameters, "frozen", False)
        or class_.__setattr__.__name__ == "_frozen_setattrs"  # as attrs names it
        or (hasattr(class_, "__pydantic_validator__") and settings.get("frozen"))
    )


def _fields_of(class_: type[Any]) -> Callable[[Any], Iterable[str]] | None:
    """What names the fields of a class's objects; None if they are not known."""
    if hasattr(class_, "_uow_mapper"):
        return None  # a mapped object looks after itself
    if hasattr(class_, "__pydantic_validator__") and hasattr(class_, "model_fields"):
        return lambda obj: list(obj.__dict__)
    if attrs.has(class_):
        names = [field.name for field in attrs.fields(class_)]
        return lambda _: names
    if dataclasses.is_dataclass(class_):
        names = [field.name for field in dataclasses.fields(class_)]
        return lambda _: names
    return None


def _subclass_of(plain: type[Any]) -> type[Any] | None:
    """Make the subclass of a class that tells of changes, past its metaclass.

    Returns:
        None if its objects can be given no other class; they are compared then.
    """
    metaclass = type(plain)
    make = ABCMeta.__new__ if issubclass(metaclass, ABCMeta) else type.__new__
    namespace: dict[str, Any] = {
        "__slots__": (),
        "__module__": plain.__module__,
        "__qualname__": plain.__qualname__,
        "__doc__": plain.__doc__,
        "__class__": property(lambda _: plain),
        "_uow_plain": plain,
    }
    if "__dataclass_fields__" in vars(plain):  # orjson looks for it in the class itself
        namespace["__dataclass_fields__"] = vars(plain)["__dataclass_fields__"]
    if hasattr(plain, "__del__"):
        return None  # it would hear of the objects by which it is tried
    ways: list[tuple[tuple[type[Any], ...], dict[str, Any]]] = [
        ((TrackedObject, plain), namespace),
        ((RoomyObject, plain), namespace),
    ]
    if not any("__init_subclass__" in vars(one) for one in plain.__mro__ if not _is_known(one)):
        # A class that got its `__dict__` below a base with empty slots (`ABC`, `Generic`) must come
        # first: then what is added comes in its place, and not from a base before it.
        ways.append(((plain, TrackedObject), {**_ADDED, **namespace}))
    for bases, names in ways:
        tracked: type[Any] = make(metaclass, plain.__name__, bases, dict(names))
        if _is_alike(plain, tracked):
            return tracked
    return None


def _is_known(class_: type[Any]) -> bool:
    """Whether a class comes with Python, and minds no subclass."""
    return class_.__module__ in {"abc", "builtins", "typing"}


_ADDED: Final = {
    name: value
    for name, value in vars(TrackedObject).items()
    if callable(value) and name != "__init_subclass__"
}


def _is_alike(plain: type[Any], tracked: type[Any]) -> bool:
    """Whether objects of a class can be given another: the bases do not tell, so it is tried."""
    built_in: Any = next(one for one in plain.__mro__ if not one.__flags__ & _HEAP_TYPE)
    try:
        probe = built_in.__new__(plain)
    except TypeError:  # it is abstract: only those below it have objects
        return tracked.__base__ is plain
    try:
        set_class(probe, tracked)
    except TypeError:
        return False
    return True


def _find(class_: type[Any]) -> Kind | None:
    fields = _fields_of(class_)
    if fields is None:
        return None
    if _is_frozen(class_):
        FIELDS[class_] = fields
        return Frozen()
    tracked = _subclass_of(class_)
    if tracked is None:
        return None
    kind = Objects(tracked)
    FIELDS[class_] = FIELDS[tracked] = fields
    enter(tracked, kind, is_ready=True)
    return kind


FINDERS.append(_find)
