"""Relations in memory: both sides in step, and notes of what the flush has to write.

A foreign key's relation is a fact of the object that holds the key, so what is noted is noted
there: `Record.moved` says by foreign key which object the key is to refer to. A link table's
relation is noted in the lists of both sides, as far as they are loaded; the record of the owner
names the relation.

What a slot held before is kept by the session's journal (`Ledger.touch`), once a frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, cast

from uow.errors import NotLoadedError, ObjectStateError, ValidationError
from uow.mapping.relation import Direction, Relation
from uow.tracking.members import Members, UnreadMembers, added_to, note_added, note_removed
from uow.tracking.state import MISSING, Record, State, read_slot, record_of, state_of
from uow.values import kind_of

if TYPE_CHECKING:
    from uow.mapping.foreign_keys import ForeignKey
    from uow.mapping.mapper import Mapper

__all__ = [
    "RelationLinker",
    "attach_follower",
    "detach_from",
    "held_members",
    "move",
    "new_linked",
    "on",
    "reached",
    "relate_again",
    "restore_slot",
    "slot_memo",
]

NEW: Final = frozenset({State.TRANSIENT, State.PENDING})


class RelationLinker:
    """Keeps the relations of objects; see `uow.mapping.relation.Linker`."""

    __slots__ = ()

    # -- reading

    def read(self, obj: Any, relation: Relation) -> Any:
        """Give what a relation holds whose slot holds nothing, or nothing yet.

        Raises:
            NotLoadedError: the object is stored, and the relation was not loaded.
        """
        relation.mapper.configure()
        if relation.write_only:
            return self._fill(obj, relation, UnreadMembers(obj, relation))
        is_new = obj._uow_state.stored in NEW
        if not is_new and relation.direction is Direction.TO_ONE:
            values = [read_slot(obj, column) for column in cast("ForeignKey", relation.key).columns]
            if None in values:
                return self._fill(obj, relation, None)
            _refuse_unloaded(relation)
        if not is_new and not relation.is_loaded(obj):
            _refuse_unloaded(relation)
        return self._fill(obj, relation, Members(obj, relation) if relation.many else None)

    @staticmethod
    def _fill(obj: Any, relation: Relation, value: Any) -> Any:
        relation.set_slot(obj, value)
        return value

    # -- writing

    def write(self, obj: Any, relation: Relation, value: Any) -> None:
        """Relate other objects to one.

        Raises:
            ValidationError: they are of the wrong kind.
            NotLoadedError: what they take the place of is not loaded.
            ObjectStateError: they belong to another session, or are deleted.
        """
        relation.mapper.configure()
        _refuse_deleted(obj, relation)
        if relation.many:
            self._write_many(obj, relation, value)
            return
        _check(obj, relation, value)
        if relation.direction is Direction.TO_ONE:
            if relation.is_loaded(obj) and relation.held(obj) is value:
                relation.set_slot(obj, value)
                return
            set_parent(obj, relation, relation.back, cast("ForeignKey", relation.key), value)
            return
        held = relation.held(obj)
        if held is None:
            held = self.read(obj, relation)
        if held is value:
            return
        key = cast("ForeignKey", relation.key)
        if held is not None:
            set_parent(held, relation.back, relation, key, None, old=obj)
        if value is not None:
            set_parent(value, relation.back, relation, key, obj)

    def _write_many(self, obj: Any, relation: Relation, value: Any) -> None:
        if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
            raise ValidationError(
                f"{relation}: expected objects of {relation.target.name}, got {kind_of(value)}"
            )
        items: list[Any] = [*value]
        members = relation.held(obj)
        if members is None:
            members = self.read(obj, relation)
        if isinstance(members, UnreadMembers):
            if obj._uow_state.stored not in NEW:
                raise ObjectStateError(f"{relation} is write_only: add and remove are all it has")
            members.add_all(items)
        elif value is not members:
            members.replace(items)

    # -- what lists tell

    def check(self, members: Members[Any] | UnreadMembers, item: Any) -> None:
        """See `MemberLinker`."""
        relation = members.relation
        _refuse_deleted(members.owner, relation)
        if item is None:
            raise ValidationError(f"{relation}: expected {relation.target.name}, got None")
        _check(members.owner, relation, item)

    def put(self, members: Members[Any] | UnreadMembers, item: Any) -> None:
        """See `MemberLinker`."""
        self.check(members, item)
        owner, relation = members.owner, members.relation
        if relation.direction is Direction.THROUGH:
            _join(owner, item, relation, relation.back)
            _link(members, item)
            back = None if relation.back is None else on(item, relation.back)
            other = None if back is None else _loaded_members(item, back)
            if other is not None:
                _link(other, owner)
            return
        set_parent(item, relation.back, relation, cast("ForeignKey", relation.key), owner)

    def take(self, members: Members[Any] | UnreadMembers, item: Any) -> None:
        """See `MemberLinker`."""
        owner, relation = members.owner, members.relation
        _refuse_deleted(owner, relation)
        if item._uow_state.stored is State.DELETED:
            touch(owner, relation)
            members.take_raw(item)
            return
        if relation.direction is not Direction.THROUGH:
            _check(owner, relation, item)
            key = cast("ForeignKey", relation.key)
            set_parent(item, relation.back, relation, key, None, old=owner)
            return
        _unlink(members, item)
        back = None if relation.back is None else on(item, relation.back)
        other = None if back is None else _loaded_members(item, back)
        if other is not None:
            _unlink(other, owner)

    def touch(self, obj: Any, relation: Relation) -> None:
        """See `MemberLinker`."""
        touch(obj, relation)


Members.linker = RelationLinker()


def on(obj: Any, relation: Relation) -> Relation | None:
    """The same relation as the class of an object has it, which may be a subclass."""
    mapper: Mapper = obj._uow_mapper
    return mapper.relations.get(relation.name)


def _refuse_unloaded(relation: Relation) -> None:
    raise NotLoadedError(
        f"{relation} is not loaded: await session.load(obj, {relation}), or .load({relation}) on "
        "the query"
    )


def _refuse_deleted(obj: Any, relation: Relation) -> None:
    state = obj._uow_state
    if state.stored is State.DELETED and state.owner is not None:
        raise ObjectStateError(
            f"{relation} was set on an object that is marked as deleted; session.add(obj) makes "
            "it alive again"
        )


def _check(obj: Any, relation: Relation, value: Any) -> None:
    """Check one object that is to be related to another."""
    if value is None:
        return
    if not isinstance(value, relation.target.class_):
        raise ValidationError(f"{relation}: expected {relation.target.name}, got {kind_of(value)}")
    state = value._uow_state
    if state.stored is State.DELETED:
        raise ObjectStateError(
            f"{relation}: {value!r} is deleted, or marked to be; session.add(obj) makes it alive "
            "again"
        )
    owner, other = obj._uow_state.owner, state.owner
    if owner is not None and other is not None and owner is not other:
        raise ObjectStateError(
            f"{relation}: {value!r} belongs to another open session; expunge it there, or merge it"
        )


def touch(obj: Any, relation: Relation) -> None:
    """What an object is related to is about to change: the journal keeps what it was."""
    ledger = obj._uow_state.owner
    if ledger is not None:
        ledger.touch(obj, relation)


def move(child: Any, key: ForeignKey, parent: Any) -> None:
    """Note which object a foreign key is to refer to."""
    record = record_of(child)
    if record.moved is None:
        record.moved = {}
    record.moved[key] = parent
    record.tell()


def set_parent(
    child: Any,
    here: Relation | None,
    there: Relation | None,
    key: ForeignKey,
    parent: Any,
    *,
    old: Any = None,
) -> None:
    """Make a foreign key refer to another object, on all sides that are loaded.

    Args:
        child: who has the foreign key.
        here: its relation.
        there: the relation of the other class.
        key: the foreign key.
        parent: what it is to refer to; None for nothing.
        old: what it refers to, if the caller knows.
    """
    if parent is not None:
        _join(child, parent, here, there)
    here = None if here is None else on(child, here)
    if old is None:
        if here is not None:
            old = here.held(child)
        else:
            state = state_of(child)
            old = (state.moved or {}).get(key) if isinstance(state, Record) else None
    if old is not None and old is not parent and there is not None:
        detach_from(old, there, child)
    if here is not None:
        touch(child, here)
        here.set_slot(child, parent)
    move(child, key, parent)
    if parent is not None and there is not None:
        _attach_to(parent, there, child)


def detach_from(owner: Any, relation: Relation, item: Any) -> None:
    """Take an object out of what another is related to, if that is loaded."""
    found = on(owner, relation)
    if found is None:
        return
    held = found.held(owner)
    if held is None:
        return
    if not found.many:
        if held is item:
            touch(owner, found)
            found.set_slot(owner, None)
        return
    touch(owner, found)
    held.take_raw(item)
    if isinstance(held, UnreadMembers):
        note_removed(held, item)


def _attach_to(owner: Any, relation: Relation, item: Any) -> None:
    """Put an object into what another is related to, if that is loaded."""
    found = on(owner, relation)
    if found is None:
        return
    if found.many:
        held = _loaded_members(owner, found)
        if held is not None and (isinstance(held, UnreadMembers) or id(item) not in held.ids):
            touch(owner, found)
            held.put_raw(item)
            if isinstance(held, UnreadMembers):
                note_added(held, item)
        return
    if not found.is_loaded(owner) and owner._uow_state.stored not in NEW:
        return
    displaced = found.held(owner)
    if displaced is item:
        return
    if displaced is not None:
        set_parent(displaced, found.back, None, cast("ForeignKey", found.key), None)
    touch(owner, found)
    found.set_slot(owner, item)


def attach_follower(owner: Any, relation: Relation, item: Any) -> None:
    """Put an object whose foreign key refers to another one into what that is related to."""
    found = on(owner, relation)
    if found is None or found.write_only:
        return
    if found.many:
        held = _loaded_members(owner, found)
        if held is not None and id(item) not in held.ids:
            touch(owner, found)
            held.put_raw(item)
    elif found.is_loaded(owner) and found.held(owner) is not item:
        touch(owner, found)
        found.set_slot(owner, item)


def _loaded_members(obj: Any, relation: Relation) -> Any:
    """The list of an object's relation, if it is loaded; an empty one is made where it is."""
    held: Any = relation.held(obj)
    if held is None and (
        relation.write_only or relation.is_loaded(obj) or obj._uow_state.stored in NEW
    ):
        held = Members.linker.read(obj, relation)
    return held


def _link(members: Any, item: Any) -> None:
    touch(members.owner, members.relation)
    if members.put_raw(item):
        note_added(members, item)
        _note_linked(members)


def _unlink(members: Any, item: Any) -> None:
    touch(members.owner, members.relation)
    if members.take_raw(item):
        note_removed(members, item)
        _note_linked(members)


def _note_linked(members: Any) -> None:
    record = record_of(members.owner)
    if record.moved is None:
        record.moved = {}
    record.moved[members.relation] = members
    record.tell()


def _join(one: Any, other: Any, here: Relation | None, there: Relation | None) -> None:
    """Take an object into the session of the one that it is related to."""
    owner, other_owner = one._uow_state.owner, other._uow_state.owner
    if owner is other_owner:
        return
    if owner is None:
        if there is not None and "save-update" in there.cascade:
            other_owner.add(one)
    elif other_owner is None:
        if here is not None and "save-update" in here.cascade:
            owner.add(other)
    else:
        raise ObjectStateError(f"{one!r} and {other!r} belong to two open sessions")


def relate_again(obj: Any, relation: Relation) -> None:
    """An object is in a session again: what it is related to hears of it."""
    back = relation.back
    if relation.direction is Direction.TO_ONE:
        parent = relation.held(obj)
        if back is not None and parent is not None:
            _attach_to(parent, back, obj)
        return
    held = relation.held(obj)
    if relation.direction is Direction.THROUGH:
        for item in added_to(held):
            found = None if back is None else on(item, back)
            other = None if found is None else _loaded_members(item, found)
            if other is not None:
                _link(other, obj)
        return
    key = cast("ForeignKey", relation.key)
    for item in held_members(obj, relation):
        found = None if back is None else on(item, back)
        if found is not None and found.held(item) is not obj:
            set_parent(item, found, relation, key, obj)


def held_members(obj: Any, relation: Relation) -> list[Any]:
    """The related objects that are in memory."""
    held = relation.held(obj)
    if held is None:
        return []
    if isinstance(held, UnreadMembers):
        return held.waiting
    return [*cast("list[Any]", held)] if relation.many else [held]


def reached(start: Iterable[Any], cascade: str, *, stop: Any = None) -> list[Any]:
    """The objects that are reached along relations with a cascade, each once, the first ones first.

    A loop with a stack of its own: chains may be longer than Python's stack.

    Args:
        start: from where.
        cascade: which.
        stop: a function that tells whether one's own relations are left alone.
    """
    found: dict[int, Any] = {}
    waiting = list(start)[::-1]
    while waiting:
        obj = waiting.pop()
        if id(obj) in found:
            continue
        found[id(obj)] = obj
        if stop is not None and stop(obj):
            continue
        related: list[Any] = []
        for relation in obj._uow_mapper.relations.values():
            if cascade in relation.cascade:
                related.extend(held_members(obj, relation))
        if cascade == "save-update" and obj._uow_mapper.links:
            related.extend(new_linked(obj))
        waiting.extend(reversed(related))
    return list(found.values())


def new_linked(obj: Any) -> list[Any]:
    """The documents that an object links to and that nobody has stored yet."""
    return [
        one
        for field in obj._uow_mapper.links.values()
        for one in field.documents(obj)
        if state_of(one).status is State.TRANSIENT
    ]


# -- for the journal


def slot_memo(obj: Any, relation: Relation) -> Any:
    """What a relation's slot holds, so that it can be put back whatever is done meanwhile."""
    try:
        held = relation.get_slot(obj)
    except AttributeError:
        return MISSING
    if isinstance(held, Members):
        return (held, [*held], dict(held.added or {}), dict(held.removed or {}))
    if isinstance(held, UnreadMembers):
        return (held, None, dict(held.added or {}), dict(held.removed or {}))
    return held


def restore_slot(obj: Any, relation: Relation, memo: Any) -> None:
    """Put back what `slot_memo` gave."""
    if memo is MISSING:
        relation.unload(obj)
        return
    if isinstance(memo, tuple):
        held, items, added, removed = cast("tuple[Any, Any, Any, Any]", memo)
        if items is not None:
            held.set_raw(items)
        held.added, held.removed = added or None, removed or None
        relation.set_slot(obj, held)
        return
    relation.set_slot(obj, memo)
