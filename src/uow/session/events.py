"""Hooks: functions, sync or async, that run at fixed points of a unit of work.

    before_insert, before_update, before_delete    of an object, before its values are checked
    after_insert, after_update, after_delete       of an object, in the transaction
    before_flush, after_flush                      of a session
    before_commit, after_commit, after_rollback    of a session

Methods of a model are marked with the decorators of this module; functions are attached to a
model, to all sessions, or to one session. Hooks may change objects, add, delete and read, but
not flush, commit or roll back. `after_commit` runs when the commit is known, and so can undo
nothing: what it raises is logged.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from weakref import WeakKeyDictionary

from uow.errors import MappingError, QueryError

if TYPE_CHECKING:
    from uow.mapping.mapper import Mapper
    from uow.mapping.model import Model
    from uow.session.session import Session

__all__ = [
    "OBJECT_EVENTS",
    "SESSION_EVENTS",
    "Hooks",
    "after_commit",
    "after_delete",
    "after_flush",
    "after_insert",
    "after_rollback",
    "after_update",
    "before_commit",
    "before_delete",
    "before_flush",
    "before_insert",
    "before_update",
    "event",
    "object_hooks",
]

F = TypeVar("F", bound=Callable[..., Any])

OBJECT_EVENTS: Final = frozenset(
    f"{when}_{what}" for when in ("before", "after") for what in ("insert", "update", "delete")
)
SESSION_EVENTS: Final = frozenset(
    {"before_flush", "after_flush", "before_commit", "after_commit", "after_rollback"}
)

logger = logging.getLogger("uow")


class Hooks:
    """The functions attached to one thing, by event, in the order they were attached."""

    __slots__ = ("_by_event",)

    def __init__(self) -> None:
        self._by_event: dict[str, list[Callable[..., Any]]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_event)

    def add(self, name: str, function: Callable[..., Any]) -> None:
        """Attach a function.

        Raises:
            QueryError: there is no such event, or it is no function.
        """
        if name not in OBJECT_EVENTS and name not in SESSION_EVENTS:
            known = ", ".join(sorted(OBJECT_EVENTS | SESSION_EVENTS))
            raise QueryError(f"there is no event {name!r}; the events are {known}")
        if not callable(function):
            raise QueryError(f"a hook is a function, not {type(function).__name__}")
        self._by_event.setdefault(name, []).append(function)

    def get(self, name: str) -> tuple[Callable[..., Any], ...]:
        """The functions of an event."""
        found = self._by_event.get(name)
        return tuple(found) if found else ()


session_hooks: Final = Hooks()
"""Hooks of every session."""

_class_hooks: Final[WeakKeyDictionary[type, Hooks]] = WeakKeyDictionary()


class _Events:
    """The registry of hooks, as the name `event`.

    Attributes:
        attached: how many hooks were ever attached to classes.
        has_object_hooks: whether there was ever a hook of a class, attached or marked.
    """

    __slots__ = ("attached", "has_object_hooks")

    def __init__(self) -> None:
        self.attached = 0
        self.has_object_hooks = False

    def listens_for(self, target: Any, name: str) -> Callable[[F], F]:
        """Attach the decorated function to a model, to `Session`, or to one session.

        Args:
            target: a mapped class (the function gets the object; subclasses count too), the
                class `Session` (the function gets the session, and for events of objects the
                object after it), or a session.
            name: the event.

        Raises:
            QueryError: no such event, or no such target.
        """

        def attach(function: F) -> F:
            hooks = getattr(target, "_hooks", None)
            if isinstance(target, type) and isinstance(hooks, Hooks):
                hooks.add(name, function)
            elif isinstance(hooks, Hooks):
                cast("Session", target).on(name, function)
            elif isinstance(target, type) and name in OBJECT_EVENTS:
                _class_hooks.setdefault(target, Hooks()).add(name, function)
                self.attached += 1
                self.has_object_hooks = True
            else:
                raise QueryError(
                    f"{name!r} is heard on Session or on a session"
                    + (", or on a mapped class" if name in OBJECT_EVENTS else "")
                    + f", not on {target!r}"
                )
            return function

        return attach


event: Final = _Events()


def object_hooks(class_: type[Model], name: str) -> Iterator[Callable[[Any], Any]]:
    """The hooks of a class for an event: its own methods, then what was attached; bases first."""
    for base in reversed(class_.__mro__):
        for attribute in vars(base).values():
            if name in getattr(attribute, "_uow_events", ()):
                yield attribute
    for base in reversed(class_.__mro__):
        hooks = _class_hooks.get(base)
        if hooks is not None:
            yield from hooks.get(name)


def hears_objects(mapper: Mapper) -> bool:
    """Whether a class has any hooks. The answer is kept, as every flush asks."""
    kept: tuple[int, bool] | None = mapper.kept.get(hears_objects)
    if kept is None or kept[0] != event.attached:
        class_ = mapper.class_
        found = any(True for name in OBJECT_EVENTS for _ in object_hooks(class_, name))
        kept = mapper.kept[hears_objects] = (event.attached, found)
    return kept[1]


async def call(function: Callable[..., Any], *args: Any) -> None:
    """Call a hook and wait for it, if it is to be waited for."""
    result = function(*args)
    if inspect.isawaitable(result):
        await result


def _marker(name: str) -> Callable[[F], F]:
    def mark(method: F) -> F:
        if not inspect.isfunction(cast("object", method)):
            raise MappingError(f"@{name} goes on a function, not on {type(method).__name__}")
        marks: tuple[str, ...] = getattr(method, "_uow_events", ())
        vars(method)["_uow_events"] = (*marks, name)
        event.has_object_hooks = True
        return method

    mark.__name__ = mark.__qualname__ = name
    mark.__doc__ = f"Mark a method of a model as a hook for `{name}`."
    return mark


before_insert = _marker("before_insert")
before_update = _marker("before_update")
before_delete = _marker("before_delete")
after_insert = _marker("after_insert")
after_update = _marker("after_update")
after_delete = _marker("after_delete")


def _session_marker(name: str) -> Callable[[F], F]:
    def mark(function: F) -> F:
        session_hooks.add(name, function)
        return function

    mark.__name__ = mark.__qualname__ = name
    mark.__doc__ = f"Attach a function to `{name}` of every session; it gets the session."
    return mark


before_flush = _session_marker("before_flush")
after_flush = _session_marker("after_flush")
before_commit = _session_marker("before_commit")
after_commit = _session_marker("after_commit")
after_rollback = _session_marker("after_rollback")
