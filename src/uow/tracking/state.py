"""The state of one object, and the write hook that keeps it.

Every object has a slot `_uow_state`, and what is in it answers for the object:

* `TRANSIENT`   nobody looks after it and nothing was written since it was made;
* a `Home`      a stored row, as it was loaded; one for all clean objects of a session, so that
                loading a row allocates no state;
* a `Record`    the object's own: made at the first write, or when a session is told of it.

The write hook asks for `noted`, a dict of the values the fields had before they were first
written. Only the first write of a field takes the slow way through `note`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import ref

from uow.errors import ObjectStateError, UnknownFieldError, ValidationError
from uow.mapping.columns import MISSING
from uow.mapping.mapper import mapper_of
from uow.mapping.model import Model, ModelStorage

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn

__all__ = [
    "MISSING",
    "TRANSIENT",
    "Codecs",
    "Home",
    "Owner",
    "Raw",
    "Record",
    "State",
    "Tracked",
    "state",
    "state_of",
]

set_state: Final = ModelStorage.__dict__["_uow_state"].__set__
"""Put something into `_uow_state` past the write hook."""


class State(Enum):
    """Where an object stands between the program and the store."""

    TRANSIENT = "transient"
    PENDING = "pending"
    PERSISTENT = "persistent"
    DELETED = "deleted"
    DETACHED = "detached"


class Raw:
    """The stored form of a value that is decoded when it is first read."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class Owner(Protocol):
    """What a session is to the objects in it."""

    def record_changed(self, record: Record) -> None:
        """A field was written, or a value was read that must be compared at flush."""
        ...


class Codecs(Protocol):
    """How a store writes and reads the values of a column."""

    def encoder(self, column: MappedColumn) -> Callable[[Any], Any] | None:
        """From Python's value to the store's; None: as it is."""
        ...

    def decoder(self, column: MappedColumn) -> Callable[[Any], Any] | None:
        """From the store's value to Python's; None: as it is."""
        ...


class Home:
    """What all clean objects of a session share.

    It outlives the session, so that a detached object still knows how its raw values are
    read. It refers to the session weakly: objects in the user's hands do not keep it open.
    """

    __slots__ = ("_owner", "codecs")

    noted: Final = None
    obj: Final = None

    def __init__(self, owner: Owner, codecs: Codecs) -> None:
        self._owner: ref[Owner] | None = ref(owner)
        self.codecs = codecs

    def decoder(self, column: MappedColumn) -> Callable[[Any], Any] | None:
        """How the store's value of a column becomes Python's."""
        return self.codecs.decoder(column)

    @property
    def owner(self) -> Owner | None:
        """The session, or None once it is closed or gone."""
        return None if self._owner is None else self._owner()

    def close(self) -> None:
        """Let go of the session: every clean object in it is detached."""
        self._owner = None

    @property
    def status(self) -> State:
        """The state of the objects that hold this."""
        return State.DETACHED if self.owner is None else State.PERSISTENT

    def record(self, obj: Model) -> Record:
        """Give an object its own record."""
        record = Record(obj, self, State.PERSISTENT)
        set_state(obj, record)
        return record

    def note(self, obj: Model, name: str, value: object) -> None:
        """The first write to a clean object."""
        if name in mapper_of(obj).by_attribute:
            record = Record(obj, self, State.PERSISTENT)
            record.note(obj, name, value)
            set_state(obj, record)

    def lazily_read(self, obj: Model, name: str, raw: Any) -> None:
        """A value that was stored raw has been decoded and handed out."""
        self.record(obj).lazily_read(obj, name, raw)


class Record:
    """What is known about one object.

    Attributes:
        obj: the object.
        home: what it shares with the others of its session, None if it never was in one.
        noted: what each written field held before, as last known to be in the store; None
            while the object must not be written.
        kept: `noted` of an object that is marked as deleted.
        watched: the stored form of values that were read or written and can change without a
            word (lists, dicts); compared at flush.
        gone: its row was deleted by a committed unit.
    """

    __slots__ = ("_status", "gone", "home", "kept", "noted", "obj", "queued", "watched")

    def __init__(self, obj: Model, home: Home | None, status: State) -> None:
        self.obj = obj
        self.home = home
        self.noted: dict[str, Any] | None = {}
        self.kept: dict[str, Any] | None = None
        self.watched: dict[str, Any] | None = None
        self.queued = False
        self.gone = False
        self._status = status

    def __repr__(self) -> str:
        return f"<Record {self.status.value} {self.obj!r}>"

    @property
    def owner(self) -> Owner | None:
        """The session the object is in, if any."""
        return None if self.home is None else self.home.owner

    @property
    def status(self) -> State:
        """The state of the object."""
        if self._status is not State.TRANSIENT and self.owner is None:
            return State.TRANSIENT if self._status is State.PENDING else State.DETACHED
        return self._status

    @status.setter
    def status(self, status: State) -> None:
        if status is State.DELETED:
            if self.noted is not None:
                self.kept, self.noted = self.noted, None
        elif self.noted is None:
            self.noted, self.kept = self.kept or {}, None
        self._status = status

    @property
    def stored(self) -> State:
        """The state as it was set, whether or not the session is still there."""
        return self._status

    def decoder(self, column: MappedColumn) -> Any:
        """How the store's value of a column becomes Python's."""
        return None if self.home is None else self.home.decoder(column)

    def note(self, obj: Model, name: str, value: object) -> None:
        """Keep what a field holds, before it is written for the first time."""
        mapper = mapper_of(obj)
        column = mapper.by_attribute.get(name)
        if column is None:
            return
        noted = self.noted
        status = self._status
        if noted is None:
            raise ObjectStateError(
                f"{mapper.name}.{name} was set on an object that is marked as deleted; "
                "session.add(obj) makes it alive again"
            )
        if status is State.PERSISTENT or status is State.DETACHED:
            if column.primary_key and not same_value(read_slot(obj, column), value):
                raise ObjectStateError(
                    f"{mapper.name}.{name} is part of the key of a stored row and cannot change; "
                    "delete the object and add a new one"
                )
            if column.generated is not None:
                raise ValidationError(
                    f"{mapper.name}.{name} is generated by the store and cannot be set"
                )
        stored = None if self.watched is None else self.watched.get(name)
        noted[name] = read_slot(obj, column) if stored is None else Raw(stored)
        self.changed()

    def lazily_read(self, obj: Model, name: str, raw: Any) -> None:
        """A value that was stored raw has been decoded and handed out: watch it from now on."""
        if self.watched is None:
            self.watched = {}
        self.watched[name] = raw
        self.changed()

    def changed(self) -> None:
        """Tell the session, once, that the next flush has to look at this object."""
        if not self.queued:
            owner = self.owner
            if owner is not None:
                owner.record_changed(self)


class _Transient:
    """The state of an object that nobody looks after and that was not written since."""

    __slots__ = ()

    noted: Final = None
    home: Final = None
    obj: Final = None
    status: Final = State.TRANSIENT
    owner: Final = None

    def __repr__(self) -> str:
        return "TRANSIENT"

    def __reduce__(self) -> str:
        return "TRANSIENT"

    def record(self, obj: Model) -> Record:
        record = Record(obj, None, State.TRANSIENT)
        set_state(obj, record)
        return record

    def note(self, obj: Model, name: str, value: object) -> None:
        self.record(obj).note(obj, name, value)

    def decoder(self, column: MappedColumn) -> None:
        return None

    def lazily_read(self, obj: Model, name: str, raw: Any) -> None:
        """Values of a new object were never raw."""


TRANSIENT: Final = _Transient()


def read_slot(obj: Model, column: MappedColumn) -> Any:
    """Read a field without waking it: the value, its `Raw` form, or MISSING."""
    try:
        return column.get_slot(obj)
    except AttributeError:
        if column.get_raw is not None:
            try:
                return Raw(column.get_raw(obj))
            except AttributeError:
                pass
        return MISSING


def write_slot(obj: Model, column: MappedColumn, value: Any) -> None:
    """Put back what `read_slot` gave, past the write hook."""
    if value is MISSING:
        column.unload(obj)
    elif type(value) is Raw and column.set_raw is not None:
        column.unload(obj)
        column.set_raw(obj, value.value)
    else:
        column.set_slot(obj, value)


def same_value(old: Any, new: Any) -> bool:
    """Whether two values of a scalar field are one and the same to a store.

    `1`, `True` and `1.0` are equal to Python, and so are `0.0` and `-0.0`; to a store they
    are not.
    """
    if old is new:
        return True
    if type(old) is not type(new) or old != new:
        return False
    return not (type(old) is float and old == 0.0) or repr(old) == repr(new)


class Tracked(Model, mapped=False):
    """A model that notes what is written to it."""

    __slots__ = ()

    _initial_state = TRANSIENT

    def __setattr__(self, name: str, value: object) -> None:
        noted = self._uow_state.noted
        if noted is None or name not in noted:
            self._uow_state.note(self, name, value)
        try:
            object.__setattr__(self, name, value)
        except AttributeError as error:
            if hasattr(type(self), name):
                raise  # a property without a setter says so itself
            raise UnknownFieldError(
                f"{type(self).__name__} has no field {name!r}; nothing was set"
            ) from error

    def __delattr__(self, name: str) -> None:
        if name in mapper_of(type(self)).by_attribute:
            raise UnknownFieldError(
                f"{type(self).__name__}.{name} is a mapped field and cannot be deleted; "
                "set it to None or use session.expire"
            )
        object.__delattr__(self, name)


def state_of(obj: object) -> Home | Record | _Transient:
    """Give what answers for an object.

    Raises:
        ObjectStateError: it is not an object of a mapped class.
    """
    try:
        found: Home | Record | _Transient = obj._uow_state  # type: ignore[attr-defined]
    except AttributeError:
        raise ObjectStateError(
            f"a session holds objects of mapped classes, not {type(obj).__name__}"
        ) from None
    return found


def state(obj: object) -> State:
    """Tell where an object stands between the program and the store.

    Raises:
        ObjectStateError: it is not an object of a mapped class.
    """
    return state_of(obj).status
