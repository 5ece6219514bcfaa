"""The verbs of classes that are found by: documents, views and unions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from uow.documents.one import FindOne
from uow.documents.query import AggregationQuery, DocumentQuery, SortArgument
from uow.documents.running import executor_of
from uow.mapping.mapper import mapper_of

if TYPE_CHECKING:
    from uow.expressions import Expression

    Condition = Expression[bool] | Mapping[Any, Any] | bool

__all__ = ["Finders"]


class Finders:
    """The verbs that find and compute: a part of `Document`, `View` and `UnionDoc`.

    All of them ask by `find`, so a class that finds otherwise says so there alone.
    """

    __slots__ = ()

    _uow_finds_children: ClassVar[bool] = True

    @classmethod
    def find(cls, *conditions: Condition, **options: Any) -> DocumentQuery[Self]:
        """Build a query; nothing is sent until one of its terminals is awaited.

        Args:
            conditions: all of them must hold; expressions, or filters as MongoDB takes them.
            **options: the following, and further keywords of the client's (`hint`, `collation`,
                `allow_disk_use`, ...).
            projection_model: the class of what is read; see `DocumentQuery.project`.
            skip: how many to leave out.
            limit: how many at most.
            sort: in which order; see `DocumentQuery.sort`.
            session: where to run, if not in the ambient session.
            ignore_cache: ask the store, whatever is cached.
            fetch_links: fetch the linked documents too, which conditions may then look into.
            nesting_depth: how many levels of links; see `Query.fetch_links`.
            nesting_depths_per_field: how many, of the links behind some fields.
            with_children: also give documents of classes below this one, in the same collection;
                a document class does not, if nobody says.
            lazy_parse: parse each document when something of it is first read.
        """
        given: dict[str, Any] = {"with_children": cls._uow_finds_children, **options}
        query = DocumentQuery(cls, executor_of(mapper_of(cls), None), *conditions)
        return query.with_options(**given)

    @classmethod
    def find_many(cls, *conditions: Condition, **options: Any) -> DocumentQuery[Self]:
        """Build a query; the same as `find`."""
        return cls.find(*conditions, **options)

    @classmethod
    def find_all(
        cls,
        skip: int | None = None,
        limit: int | None = None,
        sort: SortArgument = None,
        **options: Any,
    ) -> DocumentQuery[Self]:
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
    ) -> DocumentQuery[Self]:
        """Build a query for everything there is; the same as `find_all`."""
        return cls.find_all(skip, limit, sort, **options)

    @classmethod
    def find_one(cls, *conditions: Condition, **options: Any) -> FindOne[Self]:
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
        """Give the values that a field has, each once.

        Args:
            key: the field, or its path; members of lists are values of their own.
            filter: of which documents.
            session: where to run.
            **options: further keywords of the client's.
        """
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
