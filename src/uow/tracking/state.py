"""The state of one object, and the write hook that keeps it.

Every object has a slot `_uow_state`, and what is in it answers for the object:

* `TRANSIENT`   it is in no session, and was not written to since it was made;
* a `Home`      all objects of a session share it that nothing in particular is known of, so
                that loading, adding and most writes allocate no state;
* a `Record`    its own: made when it is deleted, and when more is to be known of a write than the
                old value;
* `GONE`        its row was deleted.

The write hook asks for `noted`, a dict of the values the fields had before they were first
written; without one it goes the slower way through `note`. A `Home` keeps old values a dict a
column, by object, as a flush wants them; `state_of` makes a `Record` of those when it is asked
for that object, so everybody else finds changed objects to have one.

A change inside of a value may come from any thread. It is put into `inbox` of the object's home,
and taken in, as a field to be compared at flush, by whoever asks next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, cast
from weakref import ref

from uow.errors import ObjectStateError, UnknownFieldError, ValidationError
from uow.mapping.columns import MISSING
from uow.mapping.mapper import mapper_of, set_class
from uow.mapping.model import Model, ModelStorage
from uow.tracking.nested.fields import (
    FieldKeeper,
    FieldToken,
    hold_stored,
    stored_form,
    token_of,
)

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
    "record_of",
    "state",
    "state_of",
    "stored_slot",
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


class Codecs(Protocol):
    """How a store writes and reads the values of a column."""

    @property
    def encoder(self) -> Callable[[MappedColumn], Callable[[Any], Any] | None]:
        """For a column: from Python's value to the store's; None: as it is."""
        ...

    @property
    def decoder(self) -> Callable[[MappedColumn], Callable[[Any], Any] | None]:
        """For a column: from the store's value to Python's; None: as it is."""
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
        written: what columns held before they were first written, by object, of stored objects
            that have no record.
        inbox: the fields in which something changed, or cannot say when it does, and which were
            not looked at since.
    """

    __slots__ = ("_owner", "changed", "codecs", "inbox", "stored", "written")

    noted: Final = None

    def __init__(
        self,
        owner: ref[Any],
        codecs: Codecs,
        stored: State,
        changed: dict[Record, None] | None = None,
    ) -> None:
        self._owner: ref[Any] | None = owner
        self.codecs = codecs
        self.stored = stored
        self.changed = changed
        self.written: dict[MappedColumn, dict[Model, Any]] = {}
        self.inbox: deque[FieldToken] = deque()

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
        if self.written or self.inbox:
            self.record_all()
        self._owner = None
        self.changed = None

    def decoder(self, column: MappedColumn) -> Callable[[Any], Any] | None:
        """How the store's value of a column becomes Python's."""
        return self.codecs.decoder(column)

    def note(self, obj: Model, name: str, value: object) -> None:
        """Keep what a field of an object without a record holds, before it is written."""
        mapper = obj._uow_mapper
        column = mapper.simply_noted.get(name)
        if column is not None and self.changed is not None:
            while True:
                notes = self.written.get(column)
                if notes is None:
                    notes = self.written.setdefault(column, {})
                if obj not in notes:
                    try:
                        notes[obj] = column.get_slot(obj)
                    except AttributeError:  # it is not loaded
                        self.record(obj).note(obj, name, value)
                        return
                # Where this is another thread than the session's, what was written may have been
                # taken meanwhile, or the object been given a record.
                state = obj._uow_state
                if state is not self:
                    notes.pop(obj, None)
                    if state.noted is None or name not in state.noted:
                        state.note(obj, name, value)
                    return
                if self.written.get(column) is notes:
                    return
        column = mapper.by_attribute.get(name)
        if column is None:
            return
        if column.is_fixed and self.stored is State.PERSISTENT:
            refuse_fixed(obj, column, value)
            return  # not noted: a second write is looked at like the first
        self.record(obj).note(obj, name, value)

    def touched(self, token: FieldToken) -> None:
        """Something changed inside of a field; may be called in any thread."""
        self.inbox.append(token)

    def open_inbox(self) -> None:
        """Note in the records of their objects which fields were touched.

        Their tokens tell again from here on, so what is read of the values afterwards holds all
        that was told until then.
        """
        while self.inbox:
            token = self.inbox.popleft()
            token.rearm()
            obj = token.obj
            if obj is not None:
                record_of(obj).compare(token)

    def noted_now(self) -> dict[MappedColumn, dict[Model, Any]]:
        """What is noted of objects without a record, at this moment."""
        return {column: dict(notes) for column, notes in list(self.written.items())}

    def take_written(self, seen: Mapping[MappedColumn, Mapping[Model, Any]]) -> None:
        """Forget what was noted, as far as it was seen; from here on writes are noted anew."""
        written, self.written = self.written, {}
        for column, notes in written.items():
            known = seen.get(column, {})
            if notes.keys() <= known.keys():
                continue
            for obj in [obj for obj in notes if obj not in known]:  # by another thread
                self.written.setdefault(column, {}).setdefault(obj, notes[obj])

    def recorded(self, obj: Model) -> ObjectState:
        """The state of an object that holds this: from now on a record, if it was written to."""
        self.open_inbox()
        state: ObjectState = obj._uow_state
        if state is not self:
            return state
        if obj._uow_mapper.simply_noted and any(obj in notes for notes in self.written.values()):
            return self.record(obj)
        return self

    def record_all(self) -> None:
        """Give every object a record that was written to."""
        self.open_inbox()
        while self.written:
            for obj in [*next(iter(self.written.values()))]:
                self.record(obj)

    def record(self, obj: Model) -> Record:
        """Give an object that holds this a record, with what was written to it."""
        record = Record(obj, self, self.stored)
        if self.owner is None:
            record.leave(self)
        set_state(obj, record)  # first, so that other threads put nothing into what is emptied here
        if obj._uow_mapper.simply_noted:
            noted: dict[str, Any] = {}
            for column, notes in list(self.written.items()):
                old = notes.pop(obj, self)
                if old is not self:
                    noted[column.attribute] = old
                if not notes:
                    self.written.pop(column, None)
            if noted:
                record.noted = {**(record.noted or {}), **noted}
                if self.changed is not None:
                    self.changed[record] = None
        return record


class Record:
    """What is known about one object that differs from the others of its session.

    The object has its record, and the record of an object in a session has the object. One that
    is in none (`Loose`) does not, so that nobody who changes an object makes a circle of them.

    Attributes:
        obj: the object.
        home: what it would share if it did not differ; None if it is in no session.
        stored: its state while the session is there.
        noted: what each written field held before, as last known to be in the store; None if
            none was written, or while the object must not be.
        kept: `noted` of an object that is marked as deleted.
        watched: the stored form of values in which something changed, or may have changed without
            a word; compared at flush.
        moved: by foreign key, which object that is to refer to; and the relations through link
            tables in which something changed.
    """

    __slots__ = ("home", "kept", "moved", "noted", "obj", "stored", "watched")

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
        self.moved: dict[Any, Any] | None = None

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

    def enter(self, home: Home) -> None:
        """The object is in a session: have it share that home."""
        self.home = home

    def leave(self, home: Home | None) -> None:
        """The object is in no session any more; nothing but itself keeps it from now on."""
        self.home = home
        set_class(self, Loose)
        _hold(self, ref(self.obj))

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
        self.noted = self.kept = self.watched = self.moved = None

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
        old = self._held_by_store(column)
        if self.noted is None:
            self.noted = {name: old}
        else:
            self.noted[name] = old
        self.tell()

    def touched(self, token: FieldToken) -> None:
        """Something changed inside of a field; may be called in any thread."""
        if self.home is None:
            self.compare(token)
        else:
            self.home.inbox.append(token)

    def compare(self, token: FieldToken) -> None:
        """A field was touched: have the next flush look at it.

        If it is watched or noted already, what it is compared with stays: the store may hold that
        again, and the value be one of a write that was undone.
        """
        name = token.column.attribute
        if name in self.notes:
            return
        if self.stored in {State.PERSISTENT, State.DELETED} and self.home is not None:
            if self.watched is None or name not in self.watched:
                self.watch(name, token.stored)
            return
        old = self._held_by_store(token.column)
        if type(old) is not Raw:
            old = MISSING  # it is not known, and what is there is no sign of it
        if self.noted is None:
            self.noted = {name: old}
        else:
            self.noted[name] = old

    def _held_by_store(self, column: MappedColumn) -> Any:
        """What the store holds of a field that was not written to, as far as is known."""
        watched = self.watched
        if watched is not None and column.attribute in watched:
            return Raw(watched[column.attribute])
        return stored_slot(self.obj, column)

    def settle_values(self) -> None:
        """The store holds what the fields hold, so none is to be compared at the next flush.

        But those that can change without a word are always compared.
        """
        obj = self.obj
        by_attribute = obj._uow_mapper.by_attribute
        held = {name: old.value for name, old in (self.noted or {}).items() if type(old) is Raw}
        left: dict[str, Any] = {}
        for name, raw in {**(self.watched or {}), **held}.items():
            column = by_attribute[name]
            hold_stored(obj, column, raw)
            token = token_of(obj, column)
            if token is not None and token.exposed:
                left[name] = raw
        self.noted = None
        self.watched = left or None

    def watch(self, name: str, raw: Any) -> None:
        """Compare a value that can change without a word with this stored form of it."""
        if self.watched is None:
            self.watched = {}
        self.watched[name] = raw
        self.tell()

    def tell(self) -> None:
        """Have the next flush look at this, if there is one to come."""
        if self.stored is State.PERSISTENT and self.home is not None:
            changed = self.home.changed
            if changed is not None:
                changed[self] = None


_held, _hold = Record.__dict__["obj"].__get__, Record.__dict__["obj"].__set__
"""Past `Loose.obj`."""


class Loose(Record):
    """The record of an object that is in no session: it refers to the object weakly."""

    __slots__ = ()

    @property
    def obj(self) -> Any:  # type: ignore[override]
        """The object; None if it is gone, which only those see who outlive it."""
        found: Any = _held(self)
        # Another thread may look while it is on its way into a session, or out of one.
        return found() if isinstance(found, ref) else found  # pyright: ignore[reportUnknownVariableType]

    def enter(self, home: Home) -> None:
        """The object is in a session, which keeps it."""
        _hold(self, self.obj)
        set_class(self, Record)
        self.home = home

    def leave(self, home: Home | None) -> None:
        """It is in none."""
        self.home = home


def _loose(obj: Model, stored: State) -> Record:
    """Make the record of an object that is in no session, and give it to the object."""
    record = Record(obj, None, stored)
    record.leave(None)
    set_state(obj, record)
    return record


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

    def touched(self, token: FieldToken) -> None:
        """Something changed inside of a field: it is checked again before it is sent."""
        obj = token.obj
        if obj is not None:
            record_of(obj).compare(token)

    def note(self, obj: Model, name: str, value: object) -> None:
        """The first write: what was set by hand is checked again before it is sent."""
        if name not in obj._uow_mapper.by_attribute:
            return
        _loose(obj, self.stored).note(obj, name, value)

    def decoder(self, column: MappedColumn) -> None:
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
    if column.is_discriminator:
        raise ObjectStateError(f"{column} tells the class of a stored row and cannot change")
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


def stored_slot(obj: Model, column: MappedColumn) -> Any:
    """Read what the store holds of a field that was not written to; MISSING if it is not loaded.

    What is in a field that can change in place is no sign of that, so it is the `Raw` form.
    """
    if column.get_raw is None:
        return read_slot(obj, column)
    stored = stored_form(obj, column)
    if stored is MISSING:
        return read_slot(obj, column)
    return None if stored is None else Raw(stored)


def write_slot(obj: Model, column: MappedColumn, value: Any) -> None:
    """Put back what `read_slot` or `stored_slot` gave, past the write hook."""
    if value is MISSING:
        column.unload(obj)
    elif type(value) is Raw and value.value is MISSING:
        column.unload(obj)
        column.put_absent(obj)
    elif column.set_raw is not None and (value is None or type(value) is Raw):
        column.unload(obj)
        column.set_raw(obj, None if value is None else value.value)
    else:
        column.put(obj, value)


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
    _keeper = FieldKeeper()

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
    if type(found) is Home and (found.written or found.inbox):
        return found.recorded(cast("Model", obj))
    if isinstance(found, Record) and found.home is not None and found.home.inbox:
        found.home.open_inbox()
    return found


def record_of(obj: Model) -> Record:
    """Give the record of an object, made if it has none."""
    state: ObjectState = obj._uow_state
    if isinstance(state, Record):
        return state
    if isinstance(state, Home):
        return state.record(obj)
    return _loose(obj, state.stored)


def state(obj: object) -> State:
    """Tell where an object stands between the program and the store.

    Raises:
        ObjectStateError: it is not an object of a mapped class.
    """
    return state_of(obj).status
