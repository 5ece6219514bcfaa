"""The state of one object, and the write hook that keeps it.

Every object has a slot `_uow_state`, and what is in it answers for the object:

* `TRANSIENT`   it is in no session, and was not written to since it was made;
* a `Home`      it is as it was loaded, flushed or added; all such objects of a session share it,
                so that loading or adding an object allocates no state;
* a `Record`    its own: made at the first write, or when it is deleted;
* `GONE`        its row was deleted.

The write hook asks for `noted`, a dict of the values the fields had before they were first
written. Only the first write of a field takes the slow way through `note`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, cast
from weakref import ref

from uow.errors import ObjectStateError, UnknownFieldError, ValidationError
from uow.mapping.columns import MISSING
from uow.mapping.mapper import mapper_of
from uow.mapping.model import Model, ModelStorage

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn

__all__ = [
    "GONE",
    "MISSING",
    "TRANSIENT",
    "Codecs",
    "Home",
    "ObjectState",
    "Raw",
    "Record",
    "State",
    "Tracked",
    "state",
    "state_of",
]

set_state: Final = ModelStorage.__dict__["_uow_state"].__set__
"""Put something into `_uow_state` past the write hook."""


new_record: Final = object.__new__


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


class Codecs(Protocol):
    """How a store writes and reads the values of a column."""

    def encoder(self, column: MappedColumn) -> Callable[[Any], Any] | None:
        """From Python's value to the store's; None: as it is."""
        ...

    def decoder(self, column: MappedColumn) -> Callable[[Any], Any] | None:
        """From the store's value to Python's; None: as it is."""
        ...


class Home:
    """What objects of a session share that nobody has written to.

    A session has two: one for stored objects as they were loaded or flushed, one for new objects.
    It outlives the session, so that a detached object still knows how its raw values are read.
    It refers to the session weakly: objects in the user's hands do not keep it open.

    Attributes:
        codecs: how the store writes and reads values.
        stored: the state of the objects while the session is there.
        changed: where the records of changed objects are put, while the session is there.
    """

    __slots__ = ("_owner", "changed", "codecs", "stored")

    noted: Final = None

    def __init__(
        self,
        owner: object,
        codecs: Codecs,
        stored: State,
        changed: dict[Record, None] | None = None,
    ) -> None:
        self._owner: ref[object] | None = ref(owner)
        self.codecs = codecs
        self.stored = stored
        self.changed = changed

    def __repr__(self) -> str:
        return f"<Home {self.status.value}>"

    @property
    def owner(self) -> object | None:
        """The session, or None once it is closed or gone."""
        return None if self._owner is None else self._owner()

    @property
    def status(self) -> State:
        """The state of the objects that hold this."""
        return self.stored if self.owner is not None else LEFT_ALONE[self.stored]

    def close(self) -> None:
        """Let go of the session: its objects are detached, or transient."""
        self._owner = None
        self.changed = None

    def decoder(self, column: MappedColumn) -> Callable[[Any], Any] | None:
        """How the store's value of a column becomes Python's."""
        return self.codecs.decoder(column)

    def note(self, obj: Model, name: str, value: object) -> None:
        """The first write to an object: from now on it has a record of its own."""
        column = obj._uow_mapper.by_attribute.get(name)
        if column is None:
            return
        if column.is_fixed and self.stored is State.PERSISTENT:
            refuse_fixed(obj, column, value)
            return  # not noted: a second write is looked at like the first
        try:
            old = column.get_slot(obj)
        except AttributeError:
            old = read_slot(obj, column)
        # As `Record(obj, self, self.stored, {name: old})`, which would cost half as much again.
        record = new_record(Record)
        record.obj = obj
        record.home = self
        record.stored = self.stored
        record.noted = {name: old}
        record.kept = record.watched = None
        set_state(obj, record)
        changed = self.changed
        if changed is not None:
            changed[record] = None

    def lazily_read(self, obj: Model, name: str, raw: Any) -> None:
        """A value that was stored raw has been decoded and handed out."""
        record = Record(obj, self, self.stored)
        set_state(obj, record)
        record.lazily_read(obj, name, raw)


class Record:
    """What is known about one object that differs from the others of its session.

    Attributes:
        obj: the object.
        home: what it would share if it did not differ; None if it is in no session.
        stored: its state while the session is there.
        noted: what each written field held before, as last known to be in the store; None if
            none was written, or while the object must not be.
        kept: `noted` of an object that is marked as deleted.
        watched: the stored form of values that were read or written and can change without a
            word (lists, dicts); compared at flush.
    """

    __slots__ = ("home", "kept", "noted", "obj", "stored", "watched")

    def __init__(
        self,
        obj: Model,
        home: Home | None,
        stored: State,
        noted: dict[str, Any] | None = None,
    ) -> None:
        self.obj = obj
        self.home = home
        self.stored = stored
        self.noted = noted
        self.kept: dict[str, Any] | None = None
        self.watched: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"<Record {self.status.value} {self.obj!r}>"

    @property
    def owner(self) -> object | None:
        """The session the object is in, if any."""
        return None if self.home is None else self.home.owner

    @property
    def status(self) -> State:
        """The state of the object."""
        return self.stored if self.owner is not None else LEFT_ALONE[self.stored]

    @property
    def notes(self) -> dict[str, Any]:
        """What written fields held before, whatever the state; not to be changed."""
        return (self.kept if self.stored is State.DELETED else self.noted) or {}

    def become(self, stored: State) -> None:
        """Change the state; the notes go along."""
        if (stored is State.DELETED) is not (self.stored is State.DELETED):
            self.noted, self.kept = self.kept, self.noted
        self.stored = stored

    def renote(self, notes: dict[str, Any]) -> None:
        """Take over notes that are older than one's own."""
        merged = {**self.notes, **notes}
        if self.stored is State.DELETED:
            self.kept = merged
        else:
            self.noted = merged

    def unwrite(self, noted: dict[str, Any], watched: dict[str, Any]) -> None:
        """A write is undone: fields differ again from what the store held before it.

        Args:
            noted: what was noted then, which is older than what is noted now.
            watched: what was watched then. What came to be watched since stays so, but for fields
                that were written, of which the store had something else.
        """
        since = {name: raw for name, raw in (self.watched or {}).items() if name not in noted}
        self.watched = {**since, **watched} or None
        written = {name: Raw(raw) for name, raw in watched.items() if name in self.notes}
        self.renote({**written, **noted})

    def rebase(self, noted: dict[str, Any]) -> None:
        """The store holds other values by now: from here on changes are told from these.

        Args:
            noted: what it holds in the fields that are changed; all others are clean.
        """
        self.noted = noted
        self.watched = None

    def forget_changes(self) -> None:
        """Drop what is known about changes; the values stay what they are."""
        self.noted = self.kept = self.watched = None

    def decoder(self, column: MappedColumn) -> Callable[[Any], Any] | None:
        """How the store's value of a column becomes Python's."""
        return None if self.home is None else self.home.codecs.decoder(column)

    def note(self, obj: Model, name: str, value: object) -> None:
        """Keep what a field holds, before it is written for the first time."""
        column = obj._uow_mapper.by_attribute.get(name)
        if column is None:
            return
        stored = self.stored
        if stored is State.DELETED and self.owner is not None:
            raise ObjectStateError(
                f"{column} was set on an object that is marked as deleted; "
                "session.add(obj) makes it alive again"
            )
        if column.is_fixed and stored is State.PERSISTENT:
            refuse_fixed(obj, column, value)
            return
        raw = None if self.watched is None else self.watched.get(name)
        old = read_slot(obj, column) if raw is None else Raw(raw)
        if self.noted is None:
            self.noted = {name: old}
        else:
            self.noted[name] = old
        self._tell()

    def lazily_read(self, obj: Model, name: str, raw: Any) -> None:  # noqa: ARG002 - as in `Home`
        """A value that was stored raw has been decoded and handed out: watch it from now on.

        If it is watched already, what it is compared with stays: the store may hold that again,
        and the value read be one of a write that was undone.
        """
        if self.watched is None or name not in self.watched:
            self.watch(name, raw)

    def watch(self, name: str, raw: Any) -> None:
        """Compare a value that can change without a word with this stored form of it."""
        if self.watched is None:
            self.watched = {}
        self.watched[name] = raw
        self._tell()

    def _tell(self) -> None:
        """Have the next flush look at this, if there is one to come."""
        if self.stored is State.PERSISTENT and self.home is not None:
            changed = self.home.changed
            if changed is not None:
                changed[self] = None


class Alone:
    """The state of objects that are in no session and were not written to since."""

    __slots__ = ("_name", "status", "stored")

    noted: Final = None
    home: Final = None
    owner: Final = None

    def __init__(self, name: str, stored: State) -> None:
        self._name = name
        self.stored = stored
        self.status = LEFT_ALONE[stored]

    def __repr__(self) -> str:
        return self._name

    def __reduce__(self) -> str:
        return self._name

    def note(self, obj: Model, name: str, value: object) -> None:
        """The first write: what was set by hand is checked again before it is sent."""
        record = Record(obj, None, self.stored)
        record.note(obj, name, value)
        set_state(obj, record)

    def decoder(self, column: MappedColumn) -> None:
        """Values of such objects were never raw."""

    def lazily_read(self, obj: Model, name: str, raw: Any) -> None:
        """Values of such objects were never raw."""


LEFT_ALONE: Final = {
    State.TRANSIENT: State.TRANSIENT,
    State.PENDING: State.TRANSIENT,
    State.PERSISTENT: State.DETACHED,
    State.DELETED: State.DETACHED,
    State.DETACHED: State.DETACHED,
}
"""What becomes of a state when the session goes away."""

TRANSIENT: Final = Alone("TRANSIENT", State.TRANSIENT)
"""Of objects that were made and not added yet."""

GONE: Final = Alone("GONE", State.DELETED)
"""Of objects whose row was deleted by a committed unit."""

ObjectState: TypeAlias = Home | Record | Alone


def refuse_fixed(obj: Model, column: MappedColumn, value: object) -> None:
    """Refuse a new value for a key, or for what the store generates, of a stored object."""
    if column.generated is not None:
        raise ValidationError(f"{column} is generated by the store and cannot be set")
    if same_value(read_slot(obj, column), value):
        return
    if column.version:
        raise ObjectStateError(
            f"{column} is the optimistic lock of a stored row, which counts up when that is "
            "written; it cannot be set"
        )
    raise ObjectStateError(
        f"{column} is part of the key of a stored row and cannot change; delete the object "
        "and add a new one"
    )


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


def state_of(obj: object) -> ObjectState:
    """Give what answers for an object.

    Raises:
        ObjectStateError: it is not an object of a mapped class.
    """
    try:
        found: ObjectState = cast("Model", obj)._uow_state
    except AttributeError:
        raise ObjectStateError(
            f"a session holds objects of mapped classes, not {type(obj).__name__}"
        ) from None
    if isinstance(obj, type):  # which has the slot, as a descriptor
        raise ObjectStateError(f"a session holds objects, not the class {obj!r} itself")
    return found


def state(obj: object) -> State:
    """Tell where an object stands between the program and the store.

    Raises:
        ObjectStateError: it is not an object of a mapped class.
    """
    return state_of(obj).status
