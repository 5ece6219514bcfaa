"""Events by the names of Beanie: handlers that run before and after something is done.

```python
class Person(Document):
    @before_event(Insert, Replace)
    def clean(self) -> None: ...
```

Handlers of `Insert` and `Delete` are hooks of the flush, whatever caused it, and those of `Update`
are called by every flush that changes the object; handlers of `Save`, `SaveChanges`, `Replace` and
`ValidateOnSave` are called by the verbs of these names.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import Any, Final, TypeVar, cast

import attrs

from uow.errors import MappingError, QueryError, UowError
from uow.expressions.nodes import is_expression
from uow.mapping.mapper import Mapper, mapper_of
from uow.query.changes import changes_of, field_at, stored_path
from uow.session.events import call, event
from uow.tracking.changes import changes

__all__ = [
    "ActionConflictResolution", "ActionDirections", "EventTypes", "MergeConflictError", "acting",
    "after_event", "before_event",
]  # fmt: skip

F = TypeVar("F", bound=Callable[..., Any])


class EventTypes(StrEnum):
    """What handlers are called for."""

    INSERT = "INSERT"
    REPLACE = "REPLACE"
    SAVE = "SAVE"
    SAVE_CHANGES = "SAVE_CHANGES"
    VALIDATE_ON_SAVE = "VALIDATE_ON_SAVE"
    DELETE = "DELETE"
    UPDATE = "UPDATE"


class ActionDirections(StrEnum):
    """When handlers are called."""

    BEFORE = "BEFORE"
    AFTER = "AFTER"


class ActionConflictResolution(StrEnum):
    """What `update` does where a handler of `Update` changed what it changes too.

    What handlers change elsewhere is written with the update in any case.
    """

    UPDATE_WINS = "UPDATE_WINS"
    ACTION_WINS = "ACTION_WINS"
    ACTION_OVERRIDE = "ACTION_OVERRIDE"
    RAISE = "RAISE"


class MergeConflictError(UowError):
    """A handler and an update change the same fields, and the settings say that this is wrong.

    Attributes:
        conflicting_fields: their paths.
    """

    def __init__(self, name: str, conflicting_fields: Iterable[str]) -> None:
        self.conflicting_fields = sorted(conflicting_fields)
        paths = ", ".join(self.conflicting_fields)
        super().__init__(
            f"a handler of Update of {name} changes what the update changes too: {paths}; see "
            "Settings.action_conflict_resolution"
        )


_FLUSHED: Final = {
    EventTypes.INSERT: "insert",
    EventTypes.DELETE: "delete",
    EventTypes.UPDATE: "update",
}
"""The events that the flush calls, by the hooks that do it."""

_MARK: Final = "_uow_actions"


@attrs.frozen
class _Skipped:
    """What a verb does not want to be called."""

    obj: Any
    directions: frozenset[ActionDirections]
    names: frozenset[str]

    def holds(self, obj: Any, name: str, direction: ActionDirections) -> bool:
        """Whether a handler is not to be called."""
        return self.obj is obj and (direction in self.directions or name in self.names)


@attrs.frozen
class _Called:
    """The handlers that a verb itself calls, so that the flush in it does not."""

    obj: Any
    handlers: frozenset[tuple[str, ActionDirections]]

    def holds(self, obj: Any, name: str, direction: ActionDirections) -> bool:
        """Whether the verb has called a handler, or will."""
        return self.obj is obj and (name, direction) in self.handlers


_called: ContextVar[tuple[_Called, ...]] = ContextVar("uow_called_actions", default=())
_skipped: ContextVar[tuple[_Skipped, ...]] = ContextVar("uow_skipped_actions", default=())


def before_event(*events: EventTypes | str | Sequence[EventTypes]) -> Callable[[F], F]:
    """Mark a method as a handler that is called before something is done.

    Args:
        events: for what: `Insert`, `Replace`, `Save`, `SaveChanges`, `Update`, `Delete`,
            `ValidateOnSave`, or lists of these.

    Raises:
        MappingError: there is no such event.
    """
    return _marker(events, ActionDirections.BEFORE)


def after_event(*events: EventTypes | str | Sequence[EventTypes]) -> Callable[[F], F]:
    """Mark a method as a handler that is called after something was done; see `before_event`."""
    return _marker(events, ActionDirections.AFTER)


def _marker(given: tuple[Any, ...], direction: ActionDirections) -> Callable[[F], F]:
    events: set[EventTypes] = set()
    for one in given:
        for name in cast("Sequence[Any]", one) if isinstance(one, (list, tuple, set)) else (one,):
            try:
                events.add(EventTypes(name))
            except ValueError:
                known = ", ".join(EventTypes)
                raise MappingError(f"there is no event {name!r}; the events are {known}") from None
    if not events:
        raise MappingError("a handler is of some events: before_event(Insert)")

    def mark(function: F) -> F:
        name = function.__name__

        @functools.wraps(function)
        def handler(self: Any, *args: Any, **values: Any) -> Any:
            if _is_skipped(self, name, direction):
                return None
            if any(one.holds(self, name, direction) for one in _called.get()):
                return None
            return function(self, *args, **values)

        marks = {*vars(function).get(_MARK, ()), *((one, direction) for one in events)}
        vars(handler)[_MARK] = frozenset(marks)
        hooks = {f"{when.lower()}_{_FLUSHED[one]}" for one, when in marks if one in _FLUSHED}
        if hooks:
            vars(handler)["_uow_events"] = tuple(sorted(hooks))
            event.has_object_hooks = True
        return cast("F", handler)

    return mark


def _handlers(obj: Any, kind: EventTypes, direction: ActionDirections) -> list[Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for base in reversed(type(obj).__mro__):
        found |= {
            name: attribute
            for name, attribute in vars(base).items()
            if (kind, direction) in getattr(attribute, _MARK, ())
        }
    return list(found.values())


@attrs.define
class Action:
    """What a verb does.

    Attributes:
        changes: what is left of the changes it was given.
    """

    changes: tuple[Any, ...] = ()


@asynccontextmanager
async def acting(
    obj: Any,
    events: Sequence[EventTypes],
    skip_actions: Sequence[Any] | None,
    given: tuple[Any, ...] = (),
) -> AsyncGenerator[Action]:
    """Call the handlers of a verb around it.

    Args:
        obj: the object.
        events: what the verb is called.
        skip_actions: directions, or names of methods, that are not called.
        given: the changes of an update.

    Raises:
        QueryError: something is neither a direction nor a name.
        MergeConflictError: handlers change what the update changes.
    """
    token = _skipped.set((*_skipped.get(), _to_skip(obj, skip_actions or ())))
    try:
        before = dict(changes(obj)) if given else {}
        await _call(obj, events, ActionDirections.BEFORE)
        left = _settled(obj, before, given) if given else given
        inner = _called.set((*_called.get(), _Called(obj, _called_by(obj, events))))
        try:
            yield Action(left)
        finally:
            _called.reset(inner)
        await _call(obj, events, ActionDirections.AFTER)
    finally:
        _skipped.reset(token)


async def _call(obj: Any, events: Sequence[EventTypes], direction: ActionDirections) -> None:
    for kind in events:
        for handler in _handlers(obj, kind, direction):
            if not _is_skipped(obj, handler.__name__, direction):
                await call(inspect.unwrap(handler), obj)


def _is_skipped(obj: Any, name: str, direction: ActionDirections) -> bool:
    return any(one.holds(obj, name, direction) for one in _skipped.get())


def _called_by(obj: Any, events: Sequence[EventTypes]) -> frozenset[tuple[str, ActionDirections]]:
    """The handlers that a verb calls, and the flush in it does not.

    What is saved is updated too, as Beanie has it: a handler of both is called for each.
    """
    return frozenset(
        (handler.__name__, direction)
        for kind in events
        for direction in ActionDirections
        for handler in _handlers(obj, kind, direction)
        if kind not in (EventTypes.SAVE, EventTypes.SAVE_CHANGES)
        or (EventTypes.UPDATE, direction) not in vars(handler)[_MARK]
    )


def _to_skip(obj: Any, given: Sequence[Any]) -> _Skipped:
    directions: set[ActionDirections] = set()
    names: set[str] = set()
    for one in given:
        if isinstance(one, ActionDirections):
            directions.add(one)
        elif isinstance(one, str):
            names.add(one)
        else:
            raise QueryError("skip_actions takes Before, After, and names of methods")
    return _Skipped(obj, frozenset(directions), frozenset(names))


def _settled(obj: Any, before: dict[str, Any], given: tuple[Any, ...]) -> tuple[Any, ...]:
    """What is left of an update, where handlers have changed the object."""
    after = changes(obj)
    made = [path for path in after if path not in before or after[path] != before[path]]
    if not made:
        return given
    mapper = mapper_of(obj)
    document = mapper.document
    options: Mapping[str, Any] = {} if document is None else document.options
    rule = ActionConflictResolution(options.get("action_conflict_resolution", "UPDATE_WINS"))
    changed = {field_at(mapper, path)[0] for path in made}
    found = changes_of(mapper, given)
    told = {column.name for column in found.assignments}
    told |= {path for paths in found.operators.values() for path in paths}
    meeting = {path for path in told if any(_meet(path, one) for one in changed)}
    if meeting and rule is ActionConflictResolution.RAISE:
        raise MergeConflictError(mapper.name, meeting)
    if rule is ActionConflictResolution.ACTION_OVERRIDE:
        return _without(mapper, given, told)
    if meeting and rule is ActionConflictResolution.ACTION_WINS:
        return _without(mapper, given, meeting)
    return given


def _meet(one: str, other: str) -> bool:
    """Whether one path is in the other."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _without(mapper: Mapper, given: tuple[Any, ...], gone: set[str]) -> tuple[Any, ...]:
    """The changes without those of some paths."""
    left: list[Any] = []
    for one in given:
        if isinstance(one, (list, tuple)):
            left.append(one)
            continue
        given_: Any = one
        is_plain = not any(isinstance(key, str) and key.startswith("$") for key in given_)
        parts: Mapping[Any, Any] = {"$set": given_} if is_plain else given_
        kept: dict[str, Any] = {}
        for operator, fields in parts.items():
            rest = {f: v for f, v in fields.items() if _path(mapper, f) not in gone}
            if rest:
                kept[operator] = rest
        if kept:
            left.append(kept)
    return tuple(left)


def _path(mapper: Mapper, field: Any) -> str:
    return stored_path(field) if is_expression(field) else field_at(mapper, field)[0]
