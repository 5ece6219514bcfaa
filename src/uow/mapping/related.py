"""What a user writes for a relation: `Related[T]`, `RelatedList[T]`, `related(...)`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar, overload

import attrs

from uow.mapping.columns import MISSING

if TYPE_CHECKING:
    from uow.expressions import Expression
    from uow.expressions.nodes import OrderTerm
    from uow.mapping.paths import RelationPath

__all__ = [
    "Related",
    "RelatedList",
    "RelationSpec",
    "WriteOnly",
    "WriteOnlyList",
    "related",
]

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


@attrs.frozen(kw_only=True, eq=False)
class RelationSpec:
    """The arguments of one `related(...)`, as they were given."""

    back: str | None = None
    through: object = None
    via: str | Sequence[str] | None = None
    order_by: object = None
    cascade: object = None
    passive: bool = False
    write_only: bool = False
    default: object = MISSING


if TYPE_CHECKING:
    _Link = str | type[Any] | Callable[[], type[Any]]
    _Term = str | Expression[Any] | OrderTerm
    _Order = _Term | Sequence[_Term] | Callable[[], _Term | Sequence[_Term]]


@overload
def related(
    *,
    back: str | None = None,
    through: _Link | None = None,
    via: str | Sequence[str] | None = None,
    order_by: _Order | None = None,
    cascade: str | Iterable[str] | None = None,
    passive: bool = False,
    write_only: bool = False,
    init: Literal[False] = False,
) -> Any: ...
@overload
def related(
    *,
    default: None,
    back: str | None = None,
    through: _Link | None = None,
    via: str | Sequence[str] | None = None,
    order_by: _Order | None = None,
    cascade: str | Iterable[str] | None = None,
    passive: bool = False,
    write_only: bool = False,
    init: Literal[True] = True,
) -> Any: ...
def related(*, init: bool = True, **arguments: Any) -> Any:  # noqa: ARG001, D417 - overloads say
    """Declare a relation to objects of another class.

    Which side holds the foreign key follows from the columns. `Related[T]` is one object,
    `RelatedList[T]` several.

    Args:
        back: the attribute on the other class that is the other side of this relation. Naming it
            on one side is enough; both sides are then kept in step.
        through: of a many-to-many relation the link table: its name, or a class that maps it.
        via: the field (or fields) of the foreign key, where there is more than one between the
            classes; of a link table the fields that refer to this class.
        order_by: how a list is loaded: the names of fields (`"-price"` for the greatest first), or
            expressions.
        cascade: what is done to this object and goes for the related ones too: `"save-update"`,
            `"merge"`, `"expunge"`, `"refresh-expire"`, `"delete"`, `"delete-orphan"`, and `"all"`
            for all but the last. By default `"save-update, merge"`.
        passive: when the object is deleted, what is not loaded is left to the ON DELETE of the
            store; without it the flush reads and deletes it.
        write_only: the list is never loaded; it has `add` and `remove` only.
        default: None makes it a parameter of the constructor for type checkers. At run time
            every relation is one.
    """
    return RelationSpec(**arguments)


class Related(Generic[T]):
    """The annotation of a relation to one object: `author: Related[Author] = related()`.

    On an object it is the related object, or None. On the class it is a path, to load along and
    to filter by.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        @overload
        def __get__(self, obj: None, owner: Any) -> RelationPath[T]: ...
        @overload
        def __get__(self, obj: object, owner: Any) -> T: ...
        def __get__(self, obj: object, owner: Any) -> Any: ...
        def __set__(self, obj: object, value: T) -> None: ...


class RelatedList(Generic[T]):
    """The annotation of a relation to several objects: `books: RelatedList[Book] = related()`."""

    __slots__ = ()

    if TYPE_CHECKING:

        @overload
        def __get__(self, obj: None, owner: Any) -> RelationPath[T]: ...
        @overload
        def __get__(self, obj: object, owner: Any) -> list[T]: ...
        def __get__(self, obj: object, owner: Any) -> Any: ...
        def __set__(self, obj: object, value: Iterable[T]) -> None: ...


class WriteOnly(Protocol[T_contra]):
    """What a relation that is never loaded offers on an object."""

    def add(self, item: T_contra, /) -> None:
        """Relate an object."""
        ...

    def remove(self, item: T_contra, /) -> None:
        """Relate an object no more."""
        ...


class WriteOnlyList(Generic[T]):
    """The annotation of a relation to so many objects that they are never loaded at once.

    `session.find(Event, Account.events.of(account))` reads them.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        @overload
        def __get__(self, obj: None, owner: Any) -> RelationPath[T]: ...
        @overload
        def __get__(self, obj: object, owner: Any) -> WriteOnly[T]: ...
        def __get__(self, obj: object, owner: Any) -> Any: ...
