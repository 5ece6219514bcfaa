"""`Relation`: what is known about one relation of a class, and its place on objects."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol, cast, final

import attrs

if TYPE_CHECKING:
    from uow.mapping.fields import Field
    from uow.mapping.foreign_keys import ForeignKey
    from uow.mapping.mapper import MappedColumn, Mapper
    from uow.mapping.related import RelationSpec

__all__ = ["UNTOUCHED", "Direction", "Linker", "Relation", "RelationField"]


@final
class Untouched(enum.Enum):
    """The type of `UNTOUCHED`."""

    UNTOUCHED = "UNTOUCHED"


UNTOUCHED: Final = Untouched.UNTOUCHED
"""What the slot of a new object's relation holds: it is loaded and empty, and nobody asked."""


class Direction(enum.Enum):
    """Where the foreign key of a relation is."""

    TO_ONE = "here"
    FROM_OTHERS = "there"
    THROUGH = "link"


@attrs.define(eq=False, repr=False)
class Relation:
    """One relation of a mapped class; the second part is known once it was resolved.

    Attributes:
        mapper: the class it stands in.
        name: the attribute.
        spec: what the user wrote.
        field: where it was written.
        many: it is a list.
        write_only: it is never loaded.
        cascade: what is done to related objects too.

        target: the class of the related objects.
        direction: where the foreign key is.
        key: the foreign key, of this class or of the other; None if there is a link table.
        link: the class of the link table.
        link_here: its foreign key to this class.
        link_there: its foreign key to the other class.
        back: the other side.
        order: how a list is loaded, as far as fields say: each with whether it descends; or what
            the user's expressions are.
    """

    mapper: Mapper
    name: str
    spec: RelationSpec
    field: Field
    many: bool
    write_only: bool
    cascade: frozenset[str]
    is_resolved: bool = attrs.field(default=False, init=False)
    _target: Mapper | None = attrs.field(default=None, init=False)
    direction: Direction = attrs.field(default=Direction.TO_ONE, init=False)
    key: ForeignKey | None = attrs.field(default=None, init=False)
    link: Mapper | None = attrs.field(default=None, init=False)
    link_here: ForeignKey | None = attrs.field(default=None, init=False)
    link_there: ForeignKey | None = attrs.field(default=None, init=False)
    back: Relation | None = attrs.field(default=None, init=False)
    optional: bool = attrs.field(default=True, init=False)
    get_slot: Callable[[Any], Any] = attrs.field(init=False)
    set_slot: Callable[[Any, Any], None] = attrs.field(init=False)
    delete_slot: Callable[[Any], None] = attrs.field(init=False)

    def __repr__(self) -> str:
        return f"<Relation {self}>"

    def __str__(self) -> str:
        """`Class.field`, as messages name it."""
        return f"{self.mapper.name}.{self.name}"

    @property
    def target(self) -> Mapper:
        """The class of the related objects."""
        if self._target is None:
            self.mapper.configure()
        return cast("Mapper", self._target)

    @target.setter
    def target(self, mapper: Mapper) -> None:
        self._target = mapper

    @property
    def pairs(self) -> tuple[tuple[MappedColumn, MappedColumn], ...]:
        """The columns of the foreign key, each with the one it refers to."""
        key = cast("ForeignKey", self.key)
        return tuple(zip(key.columns, key.target_columns, strict=True))

    @property
    def deletes_orphans(self) -> bool:
        """Whether an object that is taken out and put nowhere else is deleted."""
        return "delete-orphan" in self.cascade

    @property
    def deletes(self) -> bool:
        """Whether the related objects are deleted with their owner."""
        return "delete" in self.cascade

    def forget(self) -> None:
        """Resolve it anew on next use."""
        self.is_resolved = False
        self._target = None
        self.back = None

    def bind(self, storage: Any) -> None:
        """Take over the slot of the storage class."""
        line: tuple[type[Any], ...] = storage.__mro__
        slot: Any = next(vars(c)[self.name] for c in line if self.name in vars(c))
        self.get_slot, self.set_slot = slot.__get__, slot.__set__
        self.delete_slot = slot.__delete__

    def held(self, obj: Any) -> Any:
        """What an object's slot holds; None where nothing is loaded, or nothing was put there."""
        try:
            found = self.get_slot(obj)
        except AttributeError:
            return None
        return None if found is UNTOUCHED else found

    def is_loaded(self, obj: Any) -> bool:
        """Whether the relation of an object is known."""
        try:
            self.get_slot(obj)
        except AttributeError:
            return False
        return True

    def unload(self, obj: Any) -> None:
        """Forget what is known of the relation of an object."""
        try:
            self.delete_slot(obj)
        except AttributeError:
            return


class Linker(Protocol):
    """Who keeps relations of objects: the layer above, which knows what changes."""

    def read(self, obj: Any, relation: Relation) -> Any:
        """Give the value of a relation whose slot holds nothing, or nothing yet."""
        ...

    def write(self, obj: Any, relation: Relation, value: Any) -> None:
        """Relate other objects."""
        ...


class RelationField:
    """The descriptor of one relation in the public class."""

    __slots__ = ("_get", "_linker", "_relation")

    def __init__(self, relation: Relation, linker: Linker | None) -> None:
        self._relation = relation
        self._linker = linker
        self._get = relation.get_slot

    def __get__(self, obj: Any, owner: object = None) -> Any:
        if obj is None:
            return self
        try:
            found = self._get(obj)
        except AttributeError:
            pass
        else:
            if found is not UNTOUCHED:
                return found
        return cast("Linker", self._linker).read(obj, self._relation)

    def __set__(self, obj: Any, value: Any) -> None:
        cast("Linker", self._linker).write(obj, self._relation, value)

    def __delete__(self, obj: Any) -> None:
        raise AttributeError(f"{self._relation} cannot be deleted; set it to None or []")
