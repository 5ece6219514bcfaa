"""The lists of related objects: builtin lists whose every change is a change of the relation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Protocol, SupportsIndex, TypeVar, final

if TYPE_CHECKING:
    from uow.mapping.relation import Relation

__all__ = [
    "MemberLinker",
    "Members",
    "UnreadMembers",
    "added_to",
    "note_added",
    "note_removed",
    "removed_of",
]

T = TypeVar("T")


class MemberLinker(Protocol):
    """What a list tells of its changes; both sides are then in step."""

    def put(self, members: Any, item: Any) -> None:
        """Relate an object to the owner of the list."""
        ...

    def take(self, members: Any, item: Any) -> None:
        """Relate an object to the owner of the list no more."""
        ...

    def check(self, members: Any, item: Any) -> None:
        """Raise if an object cannot be in the list."""
        ...

    def read(self, obj: Any, relation: Relation) -> Any:
        """Give what a relation holds whose slot holds nothing, or nothing yet."""
        ...

    def touch(self, obj: Any, relation: Relation) -> None:
        """What an object is related to is about to change."""
        ...


def note_added(members: Members[Any] | UnreadMembers, item: Any) -> None:
    """An object was put in, which the store does not know."""
    if members.removed is not None and id(item) in members.removed:
        del members.removed[id(item)]
        return
    if members.added is None:
        members.added = {}
    members.added[id(item)] = item


def note_removed(members: Members[Any] | UnreadMembers, item: Any) -> None:
    """An object was taken out, which the store does not know."""
    if members.added is not None and id(item) in members.added:
        del members.added[id(item)]
        return
    if members.removed is None:
        members.removed = {}
    members.removed[id(item)] = item


def added_to(members: Members[Any] | UnreadMembers) -> list[Any]:
    """What was put in, and the store does not know."""
    return [] if members.added is None else list(members.added.values())


def removed_of(members: Members[Any] | UnreadMembers) -> list[Any]:
    """What was taken out, and the store does not know."""
    return [] if members.removed is None else list(members.removed.values())


@final
class Members(list[T]):
    """The objects related to one, each of them once.

    Putting one in that is there changes nothing.

    Attributes:
        owner: whose they are.
        relation: by which relation.
        is_partial: it was loaded with a filter or a limit.
        added: what a link table has no row of yet, by `id`.
        removed: what it still has a row of.
    """

    linker: ClassVar[MemberLinker]

    __slots__ = ("_ids", "added", "is_partial", "owner", "relation", "removed")

    def __init__(self, owner: Any, relation: Relation, items: Iterable[T] = ()) -> None:
        super().__init__(items)
        self.owner = owner
        self.relation = relation
        self.is_partial = False
        self.added: dict[int, Any] | None = None
        self.removed: dict[int, Any] | None = None
        self._ids: set[int] | None = None

    # -- without telling

    @property
    def ids(self) -> set[int]:
        """The `id`s of what is in it."""
        ids = self._ids
        if ids is None or len(ids) != len(self):
            ids = self._ids = {id(item) for item in self}
        return ids

    def put_raw(self, item: Any) -> bool:
        """Put an object at the end, if it is not there."""
        ids = self.ids
        if id(item) in ids:
            return False
        super().append(item)
        ids.add(id(item))
        return True

    def take_raw(self, item: Any) -> bool:
        """Take an object out, if it is there."""
        ids = self.ids
        if id(item) not in ids:
            return False
        for position, one in enumerate(self):
            if one is item:
                super().__delitem__(position)
                break
        ids.discard(id(item))
        return True

    def set_raw(self, items: Iterable[Any]) -> None:
        """Hold other objects, whatever was there."""
        super().__setitem__(slice(None), list(items))
        self._ids = None

    # -- what users call

    def __contains__(self, item: object) -> bool:
        return id(item) in self.ids

    def append(self, item: T, /) -> None:
        """Relate an object."""
        if id(item) not in self.ids:
            self.linker.put(self, item)

    def extend(self, items: Iterable[T], /) -> None:
        """Relate several objects, all or none."""
        self.replace([*self, *items])

    def insert(self, index: SupportsIndex, item: T, /) -> None:
        """Relate an object, and put it at a place."""
        changed = list(self)
        changed.insert(index, item)
        self.replace(changed)

    def remove(self, item: T, /) -> None:
        """Relate an object no more.

        Raises:
            ValueError: it is not there.
        """
        if id(item) not in self.ids:
            raise ValueError(f"{item!r} is not in {self.relation}")
        self.linker.take(self, item)

    def pop(self, index: SupportsIndex = -1, /) -> T:
        """Relate an object no more, and give it."""
        item = self[index]
        self.linker.take(self, item)
        return item

    def clear(self) -> None:
        """Relate nothing any more."""
        self.replace([])

    def sort(self, *, key: Callable[[T], Any] | None = None, reverse: bool = False) -> None:
        """Order what is in memory; the store knows of no order."""
        changed: list[Any] = list(self)
        changed.sort(key=key, reverse=reverse)
        self.replace(changed)

    def reverse(self) -> None:
        """Turn the order around."""
        self.replace(self[::-1])

    def __setitem__(self, index: Any, value: Any) -> None:
        changed = list(self)
        changed[index] = value
        self.replace(changed)

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        changed = list(self)
        del changed[index]
        self.replace(changed)

    def __iadd__(self, items: Iterable[T]) -> Members[T]:  # type: ignore[override,misc]
        self.extend(items)
        return self

    def __imul__(self, count: SupportsIndex) -> Members[T]:
        self.replace(list(self) * int(count))
        return self

    def replace(self, items: Iterable[T]) -> None:
        """Relate these objects, in this order, and no others; all or none."""
        wanted = {id(item): item for item in items}
        ids = self.ids
        coming = [item for key, item in wanted.items() if key not in ids]
        for item in coming:
            self.linker.check(self, item)
        for item in [item for item in self if id(item) not in wanted]:
            self.linker.take(self, item)
        for item in coming:
            self.linker.put(self, item)
        if any(one is not other for one, other in zip(self, wanted.values(), strict=False)):
            self.linker.touch(self.owner, self.relation)
            self.set_raw(wanted.values())

    def copy(self) -> list[T]:
        """Give a plain list."""
        return list(self)

    def __copy__(self) -> list[T]:
        return list(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> list[T]:
        return [deepcopy(item, memo) for item in self]

    def __reduce_ex__(self, protocol: Any) -> Any:
        return list, (list(self),)


@final
class UnreadMembers:
    """The objects related to one, of which only the changes are known (`write_only`).

    Attributes:
        owner: whose they are.
        relation: by which relation.
        added: what was put in and not flushed, by `id`.
        removed: what was taken out and not flushed.
    """

    __slots__ = ("added", "owner", "relation", "removed")

    def __init__(self, owner: Any, relation: Relation) -> None:
        self.owner = owner
        self.relation = relation
        self.added: dict[int, Any] | None = None
        self.removed: dict[int, Any] | None = None

    def __repr__(self) -> str:
        return f"<{self.relation} of {self.owner!r}, never loaded>"

    @property
    def waiting(self) -> list[Any]:
        """What was put in and not flushed."""
        return list((self.added or {}).values())

    def __iter__(self) -> Iterator[Any]:
        self._refuse(f"session.find({self.relation.target.name}, {self.relation}.of(obj)) reads it")

    def __getitem__(self, place: Any) -> Any:
        self.__iter__()

    def __len__(self) -> int:  # noqa: PLE0303 - and so its truth; it never answers
        self._refuse(f"session.count_related([obj], {self.relation}) counts it")

    def _refuse(self, instead: str) -> NoReturn:
        from uow.errors import NotLoadedError

        raise NotLoadedError(f"{self.relation} is write_only and never loaded: {instead}")

    def put_raw(self, item: Any) -> bool:
        """Nothing is held, so nothing is put."""
        return item is not None

    def take_raw(self, item: Any) -> bool:
        """Nothing is held, so nothing is taken."""
        return item is not None

    def add(self, item: Any, /) -> None:
        """Relate an object."""
        Members.linker.put(self, item)

    def add_all(self, items: Iterable[Any], /) -> None:
        """Relate several objects."""
        for item in list(items):
            self.add(item)

    def remove(self, item: Any, /) -> None:
        """Relate an object no more."""
        Members.linker.take(self, item)
