"""`View` and `UnionDoc`: classes to find by, whose documents are stored by others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from uow.mapping.mapper import mapper_of
from uow.query.builder import Query
from uow.session.active import AmbientExecutor, unit
from uow.session.binding import bound_database
from uow.session.link_verbs import LinkVerbs
from uow.tracking.state import Tracked

if TYPE_CHECKING:
    from uow.database import Database
    from uow.expressions import Expression

    Condition = Expression[bool] | Mapping[Any, Any] | bool

__all__ = ["UnionDoc", "View"]


class Finders:
    """The verbs that find; a part of `View` and `UnionDoc`."""

    __slots__ = ()

    @classmethod
    def find(cls, *conditions: Condition, **options: Any) -> Query[Any]:
        """Build a query; nothing is sent until one of its terminals is awaited.

        Args:
            conditions: all of them must hold; expressions, or filters as MongoDB takes them.
            options: `fetch_links`, `nesting_depth` and `nesting_depths_per_field`, as documents
                have them.
        """
        return _query(cls, conditions, options)

    @classmethod
    def find_many(cls, *conditions: Condition, **options: Any) -> Query[Any]:
        """Build a query; the same as `find`."""
        return cls.find(*conditions, **options)

    @classmethod
    def find_all(cls, **options: Any) -> Query[Any]:
        """Build a query for everything there is."""
        return cls.find(**options)

    @classmethod
    def all(cls, **options: Any) -> Query[Any]:
        """Build a query for everything there is; the same as `find_all`."""
        return cls.find(**options)

    @classmethod
    async def find_one(cls, *conditions: Condition, **options: Any) -> Any:
        """Give the first one that matches, or None."""
        return await cls.find(*conditions, **options).first()

    @classmethod
    async def count(cls) -> int:
        """Count what there is."""
        return await cls.find().count()

    @classmethod
    async def aggregate(cls, pipeline: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Run a pipeline of MongoDB's.

        Raises:
            QueryError: a stage writes (`$out`, `$merge`).
        """
        async with unit(writes=False, of=_home(cls)) as session:
            return await session.aggregate(cast("Any", cls), pipeline)

    @classmethod
    def get_collection_name(cls) -> str:
        """Give the name of the collection, or of the view."""
        return mapper_of(cls).table_name


def _home(model: type[Any]) -> Callable[[], Database]:
    return lambda: bound_database(mapper_of(model))


def _query(model: type[Any], conditions: Sequence[Any], options: Mapping[str, Any]) -> Query[Any]:
    given = dict(options)
    found: Query[Any] = Query(model, AmbientExecutor(_home(model)), *conditions)
    fetches = given.pop("fetch_links", False)
    depth = given.pop("nesting_depth", None)
    depths = given.pop("nesting_depths_per_field", None)
    if given:
        raise TypeError(f"find() got an unexpected keyword argument {next(iter(given))!r}")
    return found.fetch_links(depth, depths) if fetches else found


class View(Finders, LinkVerbs, Tracked, mapped=False):
    """Base of classes for what a view of MongoDB's gives: documents that are only read.

    ```python
    class Metrics(View):
        class Settings:
            source = Bike                       # a class, or the name of a collection
            pipeline = [{"$group": {"_id": "$type", "number": {"$sum": 1}}}]

        type: str = Field(alias="_id")
        number: int
    ```

    `init_documents` and `create_all` make the view. Its objects are in no session: the same
    document is a new object each time it is read.
    """

    __slots__ = ()

    _uow_is_document: ClassVar[bool] = True
    _uow_is_view: ClassVar[bool] = True


class UnionDoc(Finders, Tracked, mapped=False):
    """Base of classes that stand for several document classes in one collection.

    ```python
    class Parent(UnionDoc):
        class Settings:
            name = "parents"

    class One(Document):
        class Settings:
            union_doc = Parent
    ```

    What is found by it are documents of those classes; each of them finds only its own.
    """

    __slots__ = ()

    _uow_is_document: ClassVar[bool] = True
    _uow_is_union: ClassVar[bool] = True

    def __new__(cls) -> Self:
        """Refuse: there are documents of its classes only.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{cls.__name__} is a UnionDoc: make documents of its classes")
