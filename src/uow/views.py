"""`View` and `UnionDoc`: classes to find by, whose documents are stored by others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from uow.documents.one import FindOne
from uow.documents.pydantic_methods import PydanticMethods
from uow.documents.query import AggregationQuery, DocumentQuery, SortArgument
from uow.documents.running import executor_of
from uow.mapping.mapper import mapper_of
from uow.session.link_verbs import LinkVerbs
from uow.tracking.state import Tracked

if TYPE_CHECKING:
    from uow.expressions import Expression

    Condition = Expression[bool] | Mapping[Any, Any] | bool

__all__ = ["UnionDoc", "View"]


class Finders:
    """The verbs that find and compute; a part of `View` and `UnionDoc`."""

    __slots__ = ()

    @classmethod
    def find(cls, *conditions: Condition, **options: Any) -> DocumentQuery[Any]:
        """Build a query; nothing is sent until one of its terminals is awaited.

        Args:
            conditions: all of them must hold; expressions, or filters as MongoDB takes them.
            **options: as `Document.find` takes them.
        """
        query = DocumentQuery(cls, executor_of(mapper_of(cls), None), *conditions)
        return query.with_options(**options)

    @classmethod
    def find_many(cls, *conditions: Condition, **options: Any) -> DocumentQuery[Any]:
        """Build a query; the same as `find`."""
        return cls.find(*conditions, **options)

    @classmethod
    def find_all(
        cls,
        skip: int | None = None,
        limit: int | None = None,
        sort: SortArgument = None,
        **options: Any,
    ) -> DocumentQuery[Any]:
        """Build a query for everything there is; options as `find` takes them."""
        options |= {"skip": skip, "limit": limit, "sort": sort}
        return cls.find(**options).said_to_be_all()

    @classmethod
    def all(
        cls,
        skip: int | None = None,
        limit: int | None = None,
        sort: SortArgument = None,
        **options: Any,
    ) -> DocumentQuery[Any]:
        """Build a query for everything there is; the same as `find_all`."""
        return cls.find_all(skip, limit, sort, **options)

    @classmethod
    def find_one(cls, *conditions: Condition, **options: Any) -> FindOne[Any]:
        """Ask for the first one that matches: await it, or say what to do with it.

        Awaited it is the object, or None. Options are as `find` takes them.
        """
        return FindOne(cls.find(*conditions, **options))

    @classmethod
    async def count(cls) -> int:
        """Count what there is."""
        return await cls.find().count()

    @classmethod
    async def distinct(
        cls,
        key: object,
        filter: Mapping[Any, Any] | None = None,  # noqa: A002 - the client's word
        session: object = None,
        **options: Any,
    ) -> list[Any]:
        """Give the values that a field has, each once; see `Document.distinct`."""
        query = cls.find() if filter is None else cls.find(filter)
        return await query.distinct(key, session=session, **options)

    @classmethod
    def aggregate(
        cls,
        aggregation_pipeline: Sequence[Mapping[str, Any]],
        projection_model: type[Any] | None = None,
        **options: Any,
    ) -> AggregationQuery[Any]:
        """Run a pipeline of MongoDB's; see `DocumentQuery.aggregate`.

        Awaited it is what comes out, as the store gives it, or objects of `projection_model`.

        Raises:
            QueryError: a stage writes (`$out`, `$merge`), or it is no pipeline.
        """
        return cls.find_all().aggregate(aggregation_pipeline, projection_model, **options)

    @classmethod
    async def sum(cls, field: object, session: object = None, *, ignore_cache: bool = False) -> Any:
        """Add the values of a field up; None if there is nothing."""
        return await cls.find_all().sum(field, session, ignore_cache)

    @classmethod
    async def avg(cls, field: object, session: object = None, *, ignore_cache: bool = False) -> Any:
        """Give the mean of a field; None if there is none."""
        return await cls.find_all().avg(field, session, ignore_cache)

    @classmethod
    async def max(cls, field: object, session: object = None, *, ignore_cache: bool = False) -> Any:
        """Give the greatest value of a field; None if there is none."""
        return await cls.find_all().max(field, session, ignore_cache)

    @classmethod
    async def min(cls, field: object, session: object = None, *, ignore_cache: bool = False) -> Any:
        """Give the least value of a field; None if there is none."""
        return await cls.find_all().min(field, session, ignore_cache)

    @classmethod
    def get_collection_name(cls) -> str:
        """Give the name of the collection, or of the view."""
        return mapper_of(cls).table_name


class View(Finders, LinkVerbs, PydanticMethods, mapped=False):
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
