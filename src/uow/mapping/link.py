"""`Link[T]` and `BackLink[T]`: what a document holds of another one until that is fetched."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    Protocol,
    Self,
    TypeGuard,
    TypeVar,
    cast,
    get_args,
)

from uow.errors import QueryError
from uow.mapping.columns import ColumnSpec

__all__ = ["BackLink", "Fetcher", "Link", "is_link", "link", "link_to"]

T = TypeVar("T")


class Fetcher(Protocol):
    """Who reads the documents of links: the session, which stands above what is here."""

    async def __call__(self, links: Sequence[Link[Any]], *, fetch_links: bool) -> list[Any]:
        """Give for each link its document, or None."""
        ...


class Link(Generic[T]):
    """A reference to a document, stored as a DBRef.

    `door: Link[Door]` holds one of these until the document is fetched, and then the document.
    A field takes the document itself, its key, a DBRef, or another link. Links are values: equal
    if they lead to the same document.

    Args:
        ref: a DBRef of the client's.
        document_class: the class of the document.

    Attributes:
        collection: the collection the document is in.
        id: its key.
        database: the database it is in, if that is another one; else None.
        document_class: its class, or one it inherits from.
    """

    __slots__ = ("collection", "database", "document_class", "id")

    collection: str
    id: Any
    database: str | None
    document_class: type[T]

    _fetcher: ClassVar[Fetcher | None] = None

    def __init__(self, ref: Any, document_class: type[T]) -> None:
        if type(ref).__name__ != "DBRef":
            raise QueryError(
                f"Link() takes a DBRef, not a {type(ref).__name__}; "
                f"{document_class.__name__}.link_from_id(key) makes a link of a key"
            )
        self._fill(ref.collection, ref.id, ref.database, document_class)

    def _fill(self, collection: str, key: Any, database: str | None, model: type[T]) -> None:
        for name, value in (
            ("collection", collection),
            ("id", key),
            ("database", database),
            ("document_class", model),
        ):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a link cannot be changed; give the field another one ({name})")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a link cannot be changed; give the field another one ({name})")

    @property
    def ref(self) -> Any:
        """The DBRef that is stored."""
        dbref = import_module("bson.dbref").DBRef
        return dbref(self.collection, self.id, self.database)

    def to_ref(self) -> Any:
        """Give the DBRef that is stored."""
        return self.ref

    def to_dict(self) -> dict[str, str]:
        """Give `{"id": ..., "collection": ...}`, texts, as JSON shows a link."""
        return {"id": str(self.id), "collection": self.collection}

    async def fetch(self, fetch_links: bool = False) -> T | Link[T]:
        """Give the document; the link itself, if there is none.

        A document that the session holds already is given without asking the store.

        Args:
            fetch_links: fetch the links of the document too, as deep as its class says.

        Raises:
            UowError: as `Session.find`.
        """
        (found,) = await self.fetch_list([self], fetch_links)
        return cast("T | Link[T]", found)

    @classmethod
    async def fetch_one(cls, link: Link[T]) -> T | Link[T]:
        """Give the document of a link; the link itself, if there is none."""
        return await link.fetch()

    @classmethod
    async def fetch_list(cls, links: Sequence[Any], fetch_links: bool = False) -> list[Any]:
        """Give the documents of links, in one query a class.

        Args:
            links: links, and documents, which stay as they are.
            fetch_links: fetch the links of the documents too.

        Returns:
            For each link its document, or the link itself if there is none.

        Raises:
            QueryError: one of them is no link.
        """
        given: list[Any] = list(links)
        waiting: list[Link[Any]] = []
        for one in given:
            if is_link(one):
                waiting.append(one)
            elif getattr(one, "_uow_mapper", None) is None:
                raise QueryError(f"fetch_list takes links, not a {type(one).__name__}")
        fetcher = cls._fetcher
        assert fetcher is not None  # noqa: S101 - set when the session is imported
        answers = iter(await fetcher(waiting, fetch_links=fetch_links) if waiting else ())
        found: list[Any] = []
        for one in given:
            answer = next(answers) if is_link(one) else one
            found.append(one if answer is None else answer)
        return found

    @classmethod
    async def fetch_many(cls, links: Sequence[Any], fetch_links: bool = False) -> list[Any]:
        """Give the documents of links; the same as `fetch_list`."""
        return await cls.fetch_list(links, fetch_links)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        (model,) = get_args(source) or (None,)
        return import_module("uow.mapping.pydantic_links").link_schema(model)

    @classmethod
    def __get_pydantic_json_schema__(cls, source: Any, handler: Any) -> dict[str, Any]:
        shown = import_module("uow.mapping.pydantic_links").AsLink()
        return cast("dict[str, Any]", shown.__get_pydantic_json_schema__(source, handler))

    def __eq__(self, other: object) -> bool:
        if not is_link(other):
            return NotImplemented
        return (self.collection, self.id, self.database) == (
            other.collection,
            other.id,
            other.database,
        )

    def __hash__(self) -> int:
        return hash((self.collection, self.id, self.database))

    def __repr__(self) -> str:
        return f"<Link {self.document_class.__name__} {self.id!r}>"

    # A link never changes, so a copy is the link itself.
    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> Any:
        return (link_to, (self.document_class, self.collection, self.id, self.database))

    if TYPE_CHECKING:
        # On the class a field is a path, on an object the link or, once fetched, the document.
        def __get__(self, obj: object, owner: Any = None) -> Any: ...
        def __set__(self, obj: object, value: Any) -> None: ...


def link_to(
    document_class: type[T], collection: str, key: Any, database: str | None = None
) -> Link[T]:
    """Make a link to the document with a key."""
    class_: Any = Link
    made: Link[T] = object.__new__(class_)
    made._fill(collection, key, database, document_class)  # pyright: ignore[reportPrivateUsage]
    return made


def is_link(value: object) -> TypeGuard[Link[Any]]:
    """Whether a value is a link."""
    return isinstance(value, Link)


class BackLink(Generic[T]):
    """What a document holds of documents that link to it, until those are fetched.

    Nothing of it is stored: `house: BackLink[House] = link(original_field="door")` is found by
    the other document's field. `Field(json_schema_extra={"original_field": "door"})` says the same.

    Attributes:
        document_class: the class of the other documents.
    """

    __slots__ = ("document_class",)

    document_class: type[T]

    def __init__(self, document_class: type[T]) -> None:
        self.document_class = document_class

    def to_dict(self) -> dict[str, str]:
        """Give `{"collection": ...}`, as JSON shows it."""
        mapper: Any = type.__getattribute__(self.document_class, "_uow_mapper")
        return {"collection": mapper.table_name}

    def __repr__(self) -> str:
        return f"<BackLink {self.document_class.__name__}>"

    if TYPE_CHECKING:

        def __get__(self, obj: object, owner: Any = None) -> Any: ...
        def __set__(self, obj: object, value: Any) -> None: ...


def link(
    *,
    cascade: str | None = None,
    original_field: str | None = None,
    default: Any = ...,
    name: str | None = None,
) -> Any:
    """Say more of a link than its type hint does.

    Args:
        cascade: `"all"` deletes the linked documents with the one that links to them.
        original_field: of a `BackLink`: the field of the other class that links here.
        default: the value of objects made without one.
        name: the name in the store, if not the attribute's.
    """
    options = {"cascade": cascade, "original_field": original_field}
    given = {} if default is ... else {"default": default}
    return ColumnSpec(**given, name=name, link_options=options)
