"""What a document says of its own changes: Beanie's state management, by what is tracked anyway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakKeyDictionary

import attrs

from uow.documents.pydantic_methods import PydanticMethods
from uow.errors import ObjectStateError, QueryError
from uow.mapping.mapper import Mapper, mapper_of
from uow.session.events import event
from uow.tracking.changes import changes
from uow.tracking.journal import restore_values
from uow.tracking.state import Record, State, state_of

if TYPE_CHECKING:
    from uow.session.ledger import Ledger

__all__ = ["StateManagementOffError", "StateNotSavedError", "Stateful", "keep_previous"]


class StateManagementOffError(QueryError):
    """The class does not say `use_state_management = True`."""


class StateNotSavedError(ObjectStateError):
    """The document was never stored, so there is nothing it could differ from."""


class _Previous:
    """What was written last of an object."""

    __slots__ = ("changes", "pending")

    def __init__(self) -> None:
        self.changes: dict[str, Any] = {}
        self.pending: dict[str, Any] = {}


_previous: Final[WeakKeyDictionary[Any, _Previous]] = WeakKeyDictionary()


def keep_previous(class_: type[Any]) -> None:
    """Keep what was changed by the last flush of each object of a class."""

    def note(obj: Any) -> None:
        _previous.setdefault(obj, _Previous()).pending = _changed(obj)

    def settle(obj: Any) -> None:
        found = _previous.get(obj)
        if found is not None:
            found.changes, found.pending = found.pending, {}

    event.listens_for(class_, "before_update")(note)
    event.listens_for(class_, "after_update")(settle)


class Stateful(PydanticMethods, mapped=False):
    """Base of `Document`: `is_changed`, `get_changes`, `rollback` and the like."""

    __slots__ = ()

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        mapper: Mapper | None = type.__getattribute__(cls, "_uow_mapper")
        document = None if mapper is None else mapper.document
        if document is not None and document.options.get("state_management_save_previous"):
            keep_previous(cls)

    @classmethod
    def use_state_management(cls) -> bool:
        """Whether the class says so in its settings."""
        return bool(_option(cls, "use_state_management"))

    @classmethod
    def state_management_save_previous(cls) -> bool:
        """Whether `get_previous_changes` has something to tell."""
        return bool(_option(cls, "state_management_save_previous"))

    @classmethod
    def state_management_replace_objects(cls) -> bool:
        """Whether changes in nested values are told as new values of whole fields."""
        return bool(_option(cls, "state_management_replace_objects"))

    @property
    def is_changed(self) -> bool:
        """Whether something differs from what is stored.

        Raises:
            StateManagementOffError: the class does not manage states.
            StateNotSavedError: the document was never stored.
        """
        _check(self)
        return bool(changes(self))

    @property
    def has_changed(self) -> bool:
        """Whether the last save changed something.

        Raises:
            StateManagementOffError: the class does not keep what was changed.
        """
        return bool(self.get_previous_changes())

    def get_changes(self) -> dict[str, Any]:
        """Give what differs from what is stored: new values, by dotted path.

        With `state_management_replace_objects` they are by field.

        Raises:
            StateManagementOffError: the class does not manage states.
            StateNotSavedError: the document was never stored.
        """
        _check(self)
        return _changed(self)

    def get_previous_changes(self) -> dict[str, Any]:
        """Give what the last save changed: the values it wrote, by dotted path.

        Raises:
            StateManagementOffError: the class does not say `state_management_save_previous`.
        """
        _check(self)
        if not self.state_management_save_previous():
            raise StateManagementOffError(
                f"{type(self).__name__} does not keep what was saved: say "
                "Settings.state_management_save_previous = True"
            )
        found = _previous.get(self)
        return {} if found is None else dict(found.changes)

    def get_saved_state(self) -> dict[str, Any] | None:
        """Give what is stored, by the names of fields; None if the document never was.

        Values are in the form of `model_dump`, without pydantic as they are.
        """
        if state_of(self).stored is not State.PERSISTENT:
            return None
        mapper = mapper_of(self)
        found = {
            column.name: getattr(self, column.attribute)
            for column in mapper.columns
            if column.is_loaded(self) and not column.version
        }
        for path, (old, _) in changes(self).items():
            _put(found, path, old, mapper)
        return found

    def rollback(self) -> None:
        """Give the fields back the values that are stored; nothing is read.

        Raises:
            StateManagementOffError: the class does not manage states.
            StateNotSavedError: the document was never stored.
        """
        _check(self)
        state = state_of(self)
        if isinstance(state, Record) and changes(self):
            restore_values(state)
            if state.owner is not None:
                cast("Ledger", state.owner).settle(state)


def _option(class_: type[Any], name: str) -> Any:
    document = mapper_of(class_).document
    return None if document is None else document.options.get(name)


def _check(obj: Any) -> None:
    class_: type[Any] = obj.__class__
    if not _option(class_, "use_state_management"):
        raise StateManagementOffError(
            f"{class_.__name__} does not manage states: say Settings.use_state_management = True "
            "(uow.changes(obj) tells the changes of any object)"
        )
    if state_of(obj).stored is not State.PERSISTENT:
        raise StateNotSavedError(f"{obj!r} was never stored: there is no saved state")


def _changed(obj: Any) -> dict[str, Any]:
    found = {path: new for path, (_, new) in changes(obj).items()}
    if not _option(obj.__class__, "state_management_replace_objects"):
        return found
    names = dict.fromkeys(path.partition(".")[0] for path in found)
    return {name: getattr(obj, name) for name in names}


def _put(values: dict[str, Any], path: str, old: Any, mapper: Mapper) -> None:
    """Put the stored value of a path into the values of an object."""
    first, _, rest = path.partition(".")
    name = mapper.by_attribute[first].name
    if not rest:
        values[name] = old
        return
    values[name] = _with(values[name], rest.split("."), old)


def _with(value: Any, steps: list[str], old: Any) -> Any:
    given: Any = value
    copy: Any
    place: Any = steps[0]
    if isinstance(value, list):
        copy, place = list(given), int(place)
        copy += [None] * (place + 1 - len(copy))
    else:
        copy = dict(given) if isinstance(value, Mapping) else _plain(given)
    copy[place] = old if len(steps) == 1 else _with(copy[place], steps[1:], old)
    return copy


def _plain(value: Any) -> dict[str, Any]:
    if hasattr(value, "model_dump"):
        return dict(value.model_dump())
    return attrs.asdict(value) if attrs.has(value.__class__) else {**vars(value)}
