"""`DocumentQuery`: what `Person.find(...)` gives, a `Query` with the verbs of documents.

Queries are immutable here too: each method gives another one.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast, overload

import attrs

from uow.dialects.base import dialect_for
from uow.documents.projection import projected, projection_of
from uow.documents.running import executor_of
from uow.documents.verbs import DeleteMany, UpdateMany
from uow.errors import QueryError
from uow.expressions import Expression
from uow.expressions.nodes import OrderTerm, is_expression
from uow.mapping.mapper import Mapper
from uow.query.builder import Query
from uow.query.changes import field_at, stored_path
from uow.query.documents import Reading
from uow.query.executor import Executor, RowIterator, RowStream
from uow.query.statements import Select
from uow.session.ambient import current_session
from uow.session.binding import bound_database
from uow.session.document_cache import cache_of
from uow.session.documents import pipeline_of
from uow.session.session import Session

if TYPE_CHECKING:
    from types import TracebackType

    from uow.database import Database


__all__ = ["AggregationQuery", "DocumentQuery", "FindOptions", "SortDirection"]

T = TypeVar("T")
P = TypeVar("P")

SortArgument = str | Expression[Any] | OrderTerm | tuple[Any, Any] | Sequence[Any] | None


class SortDirection(IntEnum):
    """Which end of an order comes first."""

    ASCENDING = 1
    DESCENDING = -1


@attrs.frozen
class FindOptions:
    """What a query of documents knows besides its tree.

    Attributes:
        projection: the class of what is read, if it is not the document's own.
        says_all: all documents were asked for by name, so a change of all needs no more words.
        ignore_cache: ask the store, whatever is cached.
        options: further keywords of the client's.
    """

    projection: type[Any] | None = None
    says_all: bool = False
    ignore_cache: bool = False
    options: Mapping[str, Any] = attrs.field(factory=dict[str, Any])


class DocumentQuery(Query[T], Generic[T]):
    """A query for the documents of a class.

    ```python
    await Person.find(Person.age > 18).sort(-Person.age).skip(10).limit(5).to_list()
    await Person.find(Person.age > 18).inc({Person.age: 1})
    ```

    Awaiting what `update`, `delete` and the like give sends them.
    """

    __slots__ = ("more",)

    more: FindOptions

    def __init__(
        self,
        model: type[T],
        executor: Executor,
        *conditions: Any,
        more: FindOptions = FindOptions(),
    ) -> None:
        super().__init__(model, executor, *_conditions(conditions))
        self.more = more

    def _with(self, select: Select) -> Self:
        copy = super()._with(select)
        copy.more = self.more
        return copy

    def _having(self, **changes: Any) -> Self:
        copy = self._with(self._select)
        copy.more = attrs.evolve(self.more, **changes)
        return copy

    @property
    def mapper(self) -> Mapper:
        """The mapper of the class."""
        return cast("Mapper", self._select.entity_mapper)

    @property
    def executor(self) -> Executor:
        """What runs the query."""
        return self._executor

    def said_to_be_all(self) -> Self:
        """Note that all documents were asked for by name: a change of all needs no more words."""
        return self._having(says_all=True)

    # -- building

    def find(self, *conditions: Any, **options: Any) -> Self:
        """Add conditions, all of which must hold.

        Args:
            conditions: expressions, or filters as MongoDB takes them.
            **options: as `Document.find` takes them.
        """
        return self._asked(conditions, options)

    def find_many(self, *conditions: Any, **options: Any) -> Self:
        """Add conditions; the same as `find`."""
        return self._asked(conditions, options)

    def _asked(self, conditions: Sequence[Any], options: Mapping[str, Any]) -> Self:
        found = self.filter(*_conditions(conditions)) if conditions else self
        return found.with_options(**options) if options else found

    def with_options(
        self,
        *,
        projection_model: type[Any] | None = None,
        skip: int | None = None,
        limit: int | None = None,
        sort: SortArgument = None,
        session: object = None,
        ignore_cache: bool | None = None,
        with_children: bool | None = None,
        lazy_parse: bool | None = None,
        fetch_links: bool = False,
        nesting_depth: int | None = None,
        nesting_depths_per_field: Mapping[str, int] | None = None,
        **pymongo_kwargs: Any,
    ) -> Self:
        """Say how the documents are read; see `Document.find`."""
        found = self
        if with_children is not None:
            found = found.with_children(with_children)
        if lazy_parse is not None:
            found = found.lazy_parse(lazy_parse)
        if fetch_links:
            found = found.fetch_links(nesting_depth, nesting_depths_per_field)
        if skip is not None:
            found = found.skip(skip)
        if limit is not None:
            found = found.limit(limit)
        if sort is not None:
            found = found.sort(sort)
        if session is not None:
            found = found.set_session(session)
        changes: dict[str, Any] = {}
        if projection_model is not None:
            changes["projection"] = projection_model
        if ignore_cache is not None:
            changes["ignore_cache"] = ignore_cache
        if pymongo_kwargs:
            changes["options"] = {**self.more.options, **pymongo_kwargs}
        return found._having(**changes) if changes else found

    def sort(self, *terms: SortArgument) -> Self:
        """Order the documents; further calls add further terms.

        Args:
            terms: `Person.age`, `-Person.age`, `"age"`, `"-age"`, `(field, direction)`, or a list
                of these.

        Raises:
            QueryError: the class has no such field, or something is no term.
        """
        found = [term for given in terms for term in _order_terms(self.mapper, given)]
        return self.order_by(*found) if found else self

    def skip(self, count: int | None) -> Self:
        """Leave out the first documents; the same as `offset`."""
        return self.offset(count)

    def project(self, model: type[P] | None) -> DocumentQuery[P]:
        """Read objects of another class, and of each document no more than that has.

        Args:
            model: a pydantic model, an attrs class or a dataclass; its `Settings.projection` may
                say what is read.
        """
        return cast("DocumentQuery[P]", self._having(projection=model))

    def set_session(self, session: object) -> Self:
        """Run the query in a session; None for the one that is there."""
        copy = self._with(self._select)
        copy._executor = executor_of(self.mapper, session)
        return copy

    def clone(self) -> Self:
        """Give the same query; none ever changes."""
        return self

    def get_filter_query(self) -> dict[str, Any]:
        """Give the filter as it is sent."""
        select = self._checked().replace(order_by=(), limit=None, offset=None)
        return cast("dict[str, Any]", _dialect().compile(select).operation.filter)

    # -- reading

    async def to_list(self, length: int | None = None) -> list[T]:
        """Give all of them, in order.

        Args:
            length: at most so many.
        """
        return await self._fetch(self._checked() if length is None else self._at_most(length))

    async def first_or_none(self) -> T | None:
        """Give the first one, or None."""
        return await self.first()

    async def _fetch(self, select: Select) -> list[T]:
        model = self.more.projection
        if model is not None:
            rows = await self._executor.fetch_objects(_projecting(select, model, self.more))
            return cast("list[T]", projected(model, rows, self.mapper))
        if self.mapper.caches and not self.more.ignore_cache and not self._is_in_transaction():
            return await self._fetch_cached(select)
        if self.more.options:
            select = select.replace(documents=Reading(options=self.more.options))
        return await super()._fetch(select)

    def _is_in_transaction(self) -> bool:
        """Whether what is read may be of a transaction that nobody else sees."""
        executor = self._executor
        session = executor if isinstance(executor, Session) else current_session()
        return session is not None and session.in_transaction

    def _database(self) -> Database:
        executor = self._executor
        session = executor if isinstance(executor, Session) else current_session()
        return bound_database(self.mapper) if session is None else session.database

    async def _fetch_cached(self, select: Select) -> list[T]:
        cache = cache_of(self.mapper)
        reading = Reading(options=self.more.options, is_raw=True)
        raw = select.replace(documents=reading)
        question = f"{self._database()!r} {_question(raw)}"
        rows = cache.get(question)
        if rows is None:
            generation = cache.generation
            rows = await self._executor.fetch_objects(raw)
            cache.put(question, rows, generation)
        return await super()._fetch(select.replace(documents=Reading(rows=tuple(rows))))

    def stream(self, *, batch_size: int = 500) -> RowStream[T]:
        """Read through a cursor; see `Query.stream`."""
        model = self.more.projection
        if model is None:
            return super().stream(batch_size=batch_size)
        select = _projecting(self._checked(), model, self.more)
        inner = self._executor.stream_objects(select, batch_size=batch_size)
        return _ProjectedStream(inner, model, self.mapper)

    @overload
    def distinct(self) -> Self: ...
    @overload
    def distinct(self, key: object, *, session: object = None, **options: Any) -> _Values: ...
    def distinct(self, key: object = None, *, session: object = None, **options: Any) -> Any:
        """Give equal documents once; with a key await the values that it has in them.

        Args:
            key: a field, or its path; members of lists are values of their own.
            session: where to run.
            **options: further keywords of the client's `aggregate`.
        """
        if key is None:
            return super().distinct()
        path = stored_path(key) if is_expression(key) else self._path(key)
        stages = [*_unwound(path), {"$group": {"_id": f"${path}"}}]
        query = self if session is None else self.set_session(session)
        return _Values(AggregationQuery(query, stages, options=options))

    def _path(self, key: object) -> str:
        if not isinstance(key, str) or not key or key.startswith("$"):
            raise QueryError("distinct takes a field, Person.age or 'address.city'")
        return field_at(self.mapper, key)[0]

    def aggregate(
        self,
        aggregation_pipeline: Sequence[Mapping[str, Any]],
        projection_model: type[Any] | None = None,
        session: object = None,
        ignore_cache: bool = False,  # noqa: ARG002 - what is computed is not cached
        **pymongo_kwargs: Any,
    ) -> AggregationQuery[Any]:
        """Run a pipeline on what the query finds, after its order, `skip` and `limit`.

        Args:
            aggregation_pipeline: the stages.
            projection_model: the class of what comes out; dicts without it.
            session: where to run.
            ignore_cache: nothing, here.
            **pymongo_kwargs: further keywords of the client's `aggregate`.

        Raises:
            QueryError: a stage writes, or it is no pipeline.
        """
        stages = pipeline_of(self.mapper, aggregation_pipeline)
        query = self if session is None else self.set_session(session)
        return AggregationQuery(query, stages, projection_model, pymongo_kwargs)

    async def sum(self, field: object, session: object = None, ignore_cache: bool = False) -> Any:  # noqa: ARG002
        """Add the values of a field up; None if there is no document."""
        return await self._accumulated("$sum", field, session)

    async def avg(self, field: object, session: object = None, ignore_cache: bool = False) -> Any:  # noqa: ARG002
        """Give the mean of a field; None if there is none."""
        return await self._accumulated("$avg", field, session)

    async def max(self, field: object, session: object = None, ignore_cache: bool = False) -> Any:  # noqa: ARG002
        """Give the greatest value of a field; None if there is none."""
        return await self._accumulated("$max", field, session)

    async def min(self, field: object, session: object = None, ignore_cache: bool = False) -> Any:  # noqa: ARG002
        """Give the least value of a field; None if there is none."""
        return await self._accumulated("$min", field, session)

    async def _accumulated(self, operator: str, field: object, session: object) -> Any:
        path = stored_path(field) if is_expression(field) else self._path(field)
        stages = [{"$group": {"_id": None, "value": {operator: f"${path}"}}}]
        query = self if session is None else self.set_session(session)
        rows: list[Any] = await AggregationQuery[Any](query, stages).to_list()
        value: Any = rows[0]["value"] if rows else None
        return value.to_decimal() if type(value).__name__ == "Decimal128" else value

    def build_aggregation_pipeline(self, *stages: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Give the pipeline that a query with further stages is."""
        select = self._checked().replace(documents=Reading(stages=({"$match": {}}, *stages)))
        pipeline = list(_dialect().compile(select).operation.pipeline)
        pipeline.remove({"$match": {}})
        return pipeline

    # -- writing

    def update(  # type: ignore[override]  # what is awaited gives the same, and takes more before
        self,
        *changes: Any,
        all: bool = False,  # noqa: A002
        session: object = None,
        bulk_writer: Any = None,
        **pymongo_kwargs: Any,
    ) -> UpdateMany:
        """Change all documents that the query finds, when it is awaited.

        Args:
            changes: as `Query.update` takes them.
            all: say so if there is no filter, and not `find_all`.
            session: where to run.
            bulk_writer: send it with others, when the writer is committed.
            **pymongo_kwargs: further keywords of the client's: `array_filters`, `hint`, ...
        """
        found = UpdateMany(self, session=session, bulk_writer=bulk_writer, all=all)
        return found.update(*changes, **pymongo_kwargs)

    def update_many(self, *changes: Any, **options: Any) -> UpdateMany:
        """Change all documents; the same as `update`."""
        return self.update(*changes, **options)

    def upsert(self, *changes: Any, on_insert: Any, **options: Any) -> UpdateMany:
        """Change all documents, or insert one if there is none, when it is awaited.

        Args:
            changes: as `update` takes them.
            on_insert: the document to insert.
            **options: as of `update`.
        """
        return self.update(*changes, **options).upsert(on_insert=on_insert)

    def set(self, expression: Mapping[Any, Any], **options: Any) -> UpdateMany:
        """Give fields new values; see `update`."""
        return self.update({"$set": expression}, **options)

    def inc(self, expression: Mapping[Any, Any], **options: Any) -> UpdateMany:
        """Add to numbers; see `update`."""
        return self.update({"$inc": expression}, **options)

    def current_date(self, expression: Mapping[Any, Any], **options: Any) -> UpdateMany:
        """Set fields to the time of the server; see `update`."""
        return self.update({"$currentDate": expression}, **options)

    def delete(  # type: ignore[override]  # as of `update`
        self,
        *,
        all: bool = False,  # noqa: A002
        session: object = None,
        bulk_writer: Any = None,
        **pymongo_kwargs: Any,
    ) -> DeleteMany:
        """Delete all documents that the query finds, when it is awaited; see `update`."""
        return DeleteMany(
            self, session=session, bulk_writer=bulk_writer, all=all, options=pymongo_kwargs
        )

    def delete_many(self, **options: Any) -> DeleteMany:
        """Delete all documents; the same as `delete`."""
        return self.delete(**options)


class AggregationQuery(Generic[P]):
    """A pipeline on what a query finds: `await` it, `to_list()`, or read it with `async for`."""

    __slots__ = ("_model", "_options", "_query", "_stages")

    def __init__(
        self,
        query: DocumentQuery[Any],
        stages: Sequence[Mapping[str, Any]],
        model: type[Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._query = query
        self._stages = tuple(stages)
        self._model = model
        self._options = {**query.more.options, **(options or {})}

    def _select(self) -> Select:
        stages = self._stages
        if self._model is not None:
            wanted = projection_of(self._model)
            stages = stages if wanted is None else (*stages, {"$project": wanted})
        reading = Reading(stages or ({"$match": {}},), self._options, is_raw=True)
        return self._query.statement.replace(documents=reading)

    async def to_list(self, length: int | None = None) -> list[P]:
        """Give what comes out, in order: dicts as the store gives them, or objects of the class."""
        rows = await self._query.executor.fetch_objects(self._select())
        found = rows if self._model is None else projected(self._model, rows)
        return found if length is None else found[:length]

    def __await__(self) -> Generator[Any, Any, list[P]]:
        return self.to_list().__await__()

    def __aiter__(self) -> Any:
        stream = self._query.executor.stream_objects(self._select())
        return RowIterator(
            stream if self._model is None else _ProjectedStream(stream, self._model, None)
        )

    def set_session(self, session: object) -> AggregationQuery[P]:
        """Run it in a session."""
        query = self._query.set_session(session)
        return AggregationQuery(query, self._stages, self._model, self._options)


class _Values:
    """The values of a field, when it is awaited."""

    __slots__ = ("_query",)

    def __init__(self, query: AggregationQuery[Any]) -> None:
        self._query = query

    def __await__(self) -> Generator[Any, Any, list[Any]]:
        return self._read().__await__()

    async def _read(self) -> list[Any]:
        return [row["_id"] for row in await self._query.to_list()]


class _ProjectedStream:
    """A stream of objects of another class."""

    __slots__ = ("_inner", "_mapper", "_model", "_rows")

    def __init__(self, inner: RowStream[Any], model: type[Any], mapper: Mapper | None) -> None:
        self._inner = inner
        self._model = model
        self._mapper = mapper
        self._rows: Any = None

    async def __aenter__(self) -> Any:
        self._rows = await self._inner.__aenter__()
        return self

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        row = await anext(self._rows)
        return projected(self._model, [row], self._mapper)[0]

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._inner.__aexit__(exc_type, exc, traceback)

    def abandon(self) -> None:
        """See `RowStream`."""
        self._inner.abandon()


def _question(select: Select) -> str:
    """What is asked, as a text that is another for everything else that can be asked."""
    operation: Any = _dialect().compile(select).operation
    names: tuple[str, ...] = operation.__class__.__slots__
    return repr([operation.collection, *(getattr(operation, name, None) for name in names)])


def _conditions(given: Sequence[Any]) -> list[Any]:
    """The conditions; True says nothing, as in `find(True)`."""
    return [one for one in given if one is not True]


def _projecting(select: Select, model: type[Any], more: FindOptions) -> Select:
    wanted = projection_of(model)
    # Where links are fetched, linked documents are part of what is read.
    stages: tuple[Mapping[str, Any], ...] = ({"$match": {}},) if select.links else ()
    if wanted is not None:
        stages = ({"$project": wanted},)
    return select.replace(documents=Reading(stages, more.options, is_raw=True))


def _unwound(path: str) -> list[dict[str, Any]]:
    """Stages that take lists on a path apart, so that each member is a value of its own."""
    steps = path.split(".")
    places = [".".join(steps[: n + 1]) for n in range(len(steps))]
    # Without a value there is none; null is one.
    is_there = {"$match": {path: {"$exists": True}}}
    taken = [
        {"$unwind": {"path": f"${place}", "preserveNullAndEmptyArrays": True}} for place in places
    ]
    return [is_there, *taken, is_there]


def _order_terms(mapper: Mapper, given: Any) -> list[Any]:
    if given is None:
        return []
    if isinstance(given, OrderTerm) or is_expression(given):
        return [given]
    if isinstance(given, str):
        return [_term(mapper, given.lstrip("+-"), -1 if given.startswith("-") else 1)]
    pair: Any = given
    if isinstance(given, tuple) and len(pair) == 2:
        field, direction = pair
        if direction in (1, -1):
            return [_term(mapper, field, direction)]
    if isinstance(given, (list, tuple)):
        return [term for one in cast("Sequence[Any]", given) for term in _order_terms(mapper, one)]
    raise QueryError(
        f"sort takes Person.age, '-age', (field, direction) or a list of these, not a "
        f"{type(given).__name__}"
    )


def _term(mapper: Mapper, field: Any, direction: Any) -> OrderTerm:
    found = field
    if isinstance(field, str):
        # Of a union, or with children, it may be a field of a class below.
        classes = (mapper, *mapper.family) if field else ()
        there = (field_at(one, field)[1] for one in classes)
        found = next((one for one in there if one is not None), None)
        if found is None:
            raise QueryError(f"sort: {mapper.name} has no field {field!r}")
    if not is_expression(found):
        raise QueryError(f"sort: a {type(field).__name__} is no field")
    return OrderTerm(found, is_descending=direction == -1)


def _dialect() -> Any:
    return dialect_for("mongodb")
