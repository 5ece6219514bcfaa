"""`Query`: what `session.find(Author, ...)` gives; and `RowQuery`, of single columns.

Both are immutable, and hold nothing of what they once read: the same query can be run again. A
terminal (`to_list`, `first`, ...) hands a tree to the executor, which is a session or opens one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Generic, Self, TypeVar, final, overload

from uow.errors import MultipleResultsError, NotFoundError, QueryError
from uow.expressions.literals import INTEGER
from uow.expressions.nodes import ColumnExpression, Exists, Expression, Function, as_condition
from uow.mapping.link_trees import link_nodes
from uow.mapping.mapper import mapper_of
from uow.mapping.paths import RelationPath, steps_of
from uow.query.bulk import delete_of, update_of
from uow.query.classes import of_classes, without_children
from uow.query.clauses import Clauses, Condition, Field, reads_documents, selected
from uow.query.executable import Executable
from uow.query.executor import Executor, RowIterator, RowStream
from uow.query.pages import Page, Paging
from uow.query.rows import Row
from uow.query.sources import key_columns, mapper_in, source_of
from uow.query.statements import COUNTED, Select
from uow.query.tables import DerivedTable

__all__ = ["Query", "RowQuery", "Terminals"]

T = TypeVar("T")
R = TypeVar("R")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")


class Terminals(Clauses, Executable[list[R]], Generic[R]):
    """What runs a query, for objects and rows alike."""

    __slots__ = ("_executor",)

    _executor: Executor

    @abstractmethod
    async def _fetch(self, select: Select) -> list[R]:
        """Read what the tree says."""

    @abstractmethod
    def stream(self, *, batch_size: int = 500) -> RowStream[R]:
        """Read through a cursor: `async with query.stream() as rows: async for row in rows: ...`.

        Leaving the block closes the cursor, whatever was read.

        Args:
            batch_size: rows to fetch at a time.

        Raises:
            QueryError: the query locks rows, or the size of a batch is none.
        """

    @property
    @abstractmethod
    def _subject(self) -> str: ...

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._subject}>"

    @property
    def statement(self) -> Select:
        """The tree."""
        return self._checked()

    async def to_list(self) -> list[R]:
        """Give all of them, in order."""
        return await self._fetch(self._checked())

    async def first(self) -> R | None:
        """Give the first one, or None."""
        found = await self._fetch(self._at_most(1))
        return found[0] if found else None

    async def one(self) -> R:
        """Give the only one.

        Raises:
            NotFoundError: there is none.
            MultipleResultsError: there are more.
        """
        found = await self.one_or_none()
        if found is None:
            raise NotFoundError(f"no {self._subject} matches the query")
        return found

    async def one_or_none(self) -> R | None:
        """Give the only one, or None.

        Raises:
            MultipleResultsError: there are more.
        """
        found = await self._fetch(self._at_most(2))
        if len(found) > 1:
            raise MultipleResultsError(f"more than one {self._subject} matches the query")
        return found[0] if found else None

    async def count(self) -> int:
        """Count the rows, within `limit` and `offset` if there are any."""
        counts = await self._executor.fetch_scalars(_counting(self._checked()))
        return int(counts[0])

    async def exists(self) -> bool:
        """Tell whether there is any row."""
        inner, _ = self.as_subquery(single_column=False)
        inner = inner.replace(order_by=(), for_update=None)
        answer = await self._executor.fetch_scalars(Select(columns=(Exists(inner),)))
        return bool(answer[0])

    async def page(
        self, size: int, *, after: str | None = None, before: str | None = None
    ) -> Page[R]:
        """Give the rows after the place of another one, in the order of the query.

        With an index over the terms of the order a page costs the same wherever it is.
        The order is made total by the keys of the tables that are read. A cursor belongs to what
        is read and to its order; filters may change from page to page.

        Args:
            size: rows a page.
            after: `next` of the page before; None for the first page.
            before: `previous` of the page behind.

        Raises:
            QueryError: the cursor is of another query, or damaged; the order cannot be made total,
                or compared (JSON); or the query has a limit of its own.
        """
        paging = Paging(self._checked(), size)
        select = paging.select(after, before)
        items, places = await self._executor.fetch_beside(select)
        return paging.page(items, places, after, before)

    async def explain(self, *, analyze: bool = False) -> str:
        """Give the store's plan for the query, for people to read.

        Args:
            analyze: run the query, and tell what it took.

        Raises:
            QueryError: the store cannot tell what it took.
        """
        return await self._executor.fetch_plan(self._checked(), analyze=analyze)

    def __aiter__(self) -> RowIterator[R]:
        """Read one after the other through a cursor, which the last one closes.

        A loop that is left early leaves the closing to the session; `stream` closes at once.
        """
        return RowIterator(self.stream())

    def _at_most(self, count: int) -> Select:
        select = self._checked()
        limit = count if select.limit is None else min(count, select.limit)
        return select.replace(limit=limit)


class Query(Terminals[T], Generic[T]):
    """A query for the objects of a mapped class.

    Args:
        model: the class, or an alias of one.
        executor: what runs it.
        conditions: all of them must hold.
    """

    __slots__ = ()

    def __init__(self, model: type[T], executor: Executor, *conditions: Condition) -> None:
        source = source_of(model)
        select = Select(entity=source, froms=(source,))
        is_raw = reads_documents(select)
        where = tuple(as_condition(one, "find", is_raw=is_raw) for one in conditions)
        self._select = select.replace(where=where)
        self._executor = executor

    def _with(self, select: Select) -> Self:
        copy = object.__new__(type(self))
        copy._select = select
        copy._executor = self._executor
        return copy

    @property
    def _subject(self) -> str:
        return mapper_in(source).name if (source := self._select.entity) else "row"

    @overload
    def select(self, a: Expression[A], /) -> RowQuery[Row[A]]: ...
    @overload
    def select(self, a: Expression[A], b: Expression[B], /) -> RowQuery[Row[A, B]]: ...
    @overload
    def select(
        self, a: Expression[A], b: Expression[B], c: Expression[C], /
    ) -> RowQuery[Row[A, B, C]]: ...
    @overload
    def select(
        self, a: Expression[A], b: Expression[B], c: Expression[C], d: Expression[D], /
    ) -> RowQuery[Row[A, B, C, D]]: ...
    @overload
    def select(
        self,
        a: Expression[A],
        b: Expression[B],
        c: Expression[C],
        d: Expression[D],
        e: Expression[E],
        /,
    ) -> RowQuery[Row[A, B, C, D, E]]: ...
    @overload
    def select(
        self,
        a: Expression[A],
        b: Expression[B],
        c: Expression[C],
        d: Expression[D],
        e: Expression[E],
        f: Expression[F],
        /,
    ) -> RowQuery[Row[A, B, C, D, E, F]]: ...
    @overload
    def select(self, *columns: Field) -> RowQuery[Row[*tuple[Any, ...]]]: ...
    def select(self, *columns: Any) -> RowQuery[Any]:
        """Read these columns instead of objects.

        Raises:
            QueryError: there is none, or one is no expression.
        """
        found = selected(columns, "select")
        return RowQuery(self._select.replace(entity=None, columns=found), self._executor)

    def with_children(self, include: bool = True, /) -> Self:
        """Say whether objects of classes below the one that is asked for are wanted; they are.

        Args:
            include: False leaves them out.

        Raises:
            QueryError: they were left out before.
        """
        select = self._select
        if include and select.classes is not None:
            raise QueryError("with_children: what was left out of a query stays out; begin another")
        return self if include else self._with(without_children(select))

    def of_type(self, *models: type[Any]) -> Self:
        """Keep objects of some of the classes below the one that is asked for.

        Args:
            models: the classes; those below them are kept too.

        Raises:
            QueryError: one of them is no class of the hierarchy below the class asked for.
        """
        return self._with(of_classes(self._select, [mapper_of(model) for model in models]))

    def load(self, *paths: RelationPath[Any]) -> Self:
        """Load relations with the objects: `.load(Author.books, Author.books.publisher)`.

        Each level is one more query, whatever the number of objects; `joined(...)` reads the
        related objects in the same one. What objects of the session hold already stays.

        Raises:
            QueryError: something is no relation; running the query raises it where a path does
                not begin at the class.
        """
        found = tuple(steps_of(path, "load") for path in paths)
        return self._with(self._select.replace(load=self._select.load + found))

    def fetch_links(
        self,
        nesting_depth: int | None = None,
        nesting_depths_per_field: Mapping[str, int] | None = None,
    ) -> Self:
        """Fetch the linked documents too, and those that they link to.

        Each level is one more query a field, whatever the number of documents; none where the
        conditions or the order look into linked documents (`House.door.height > 2`), because the
        store then looks them up.

        Args:
            nesting_depth: how many levels; by default what `Settings.max_nesting_depth` says, or 3.
            nesting_depths_per_field: how many of the links behind some fields, by name.

        Raises:
            QueryError: a depth is none, or is given for what is no link.
        """
        mapper = self._select.entity_mapper
        if mapper is None or mapper.document is None:
            raise QueryError("fetch_links is for documents; relations of tables: .load(...)")
        mapper.configure()
        nodes = link_nodes(mapper, nesting_depth, nesting_depths_per_field)
        return self._with(self._select.replace(links=nodes))

    def lazy_parse(self, is_lazy: bool = True, /) -> Self:
        """Parse each document when something of it is first read, and not when it is loaded.

        Without it the fields that hold one value are parsed at once, and nested ones when they are
        read.

        Args:
            is_lazy: False parses as usual.
        """
        return self._with(self._select.replace(parses_late=is_lazy))

    async def _fetch(self, select: Select) -> list[T]:
        return await self._executor.fetch_objects(select)

    def __aiter__(self) -> RowIterator[T]:
        """Read one after the other; see `Terminals`. With links they are read at once."""
        return RowIterator(_Read(self) if self._select.links else self.stream())

    def stream(self, *, batch_size: int = 500) -> RowStream[T]:
        """Read objects through a cursor; see `Terminals.stream`."""
        return self._executor.stream_objects(self._checked(), batch_size=batch_size)

    async def update(
        self,
        *changes: Mapping[Any, object] | Sequence[Mapping[str, Any]],
        all: bool = False,  # noqa: A002
    ) -> int:
        """Change all rows the query finds, in one statement.

        Args:
            changes: new values, or expressions, by field: `{"age": 3}` or
                `{Author.age: Author.age + 1}`. An optimistic lock is counted up with them.
                Documents also take update operators (`{"$inc": {"age": 1}}`, or those of
                `uow.beanie`), several mappings, or the stages of one pipeline as a list.
            all: say so if there is no filter.

        Returns:
            The number of rows that matched.

        Raises:
            QueryError: there is no filter, the class has no such field, or something would be
                changed twice.
            ValidationError: a value does not fit its field.
        """
        return await self._executor.execute_write(update_of(self._checked(), changes, is_all=all))

    async def delete(self, *, all: bool = False) -> int:  # noqa: A002
        """Delete all rows the query finds, in one statement.

        Args:
            all: say so if there is no filter.

        Returns:
            The number of rows that were deleted.

        Raises:
            QueryError: there is no filter.
        """
        return await self._executor.execute_write(delete_of(self._checked(), is_all=all))


class RowQuery(Terminals[R], Generic[R]):
    """A query for single columns; rows have the columns as attributes.

    Args:
        select: the tree.
        executor: what runs it.
    """

    __slots__ = ()

    def __init__(self, select: Select, executor: Executor) -> None:
        self._select = select
        self._executor = executor

    def _with(self, select: Select) -> Self:
        return type(self)(select, self._executor)

    @property
    def _subject(self) -> str:
        return "row"

    async def _fetch(self, select: Select) -> list[R]:
        return await self._executor.fetch_rows(select)

    def stream(self, *, batch_size: int = 500) -> RowStream[R]:
        """Read rows through a cursor; see `Terminals.stream`."""
        return self._executor.stream_rows(self._checked(), batch_size=batch_size)

    async def values(self: RowQuery[Row[A]]) -> list[A]:
        """Give the values of the one column, without rows around them.

        Raises:
            QueryError: there are more columns.
        """
        select = self._checked()
        if len(select.columns) != 1:
            raise QueryError(f"values() is for one column, this query has {len(select.columns)}")
        return await self._executor.fetch_scalars(select)


def _counting(select: Select) -> Select:
    count: Function[int] = Function("count", (), INTEGER)
    is_plain = (
        not select.group_by
        and not select.having
        and not select.is_distinct
        and select.limit is None
        and select.offset is None
    )
    if select.entity is None:
        # Aggregates make one row of any number; plain columns do not.
        is_plain = is_plain and all(type(column) is ColumnExpression for column in select.columns)
    if is_plain:
        return Select(
            columns=(count,),
            froms=select.froms,
            joins=select.joins,
            where=select.where,
            classes=select.classes,
            links=select.links,
        )
    if select.entity is not None:
        select = select.replace(entity=None, columns=key_columns(select.entity))
    if select.limit is None and select.offset is None:
        select = select.replace(order_by=())
    inner = DerivedTable(select.replace(for_update=None), COUNTED)
    return Select(columns=(count,), froms=(inner,))


@final
class _Read(Generic[T]):
    """A stream of what is read at once."""

    __slots__ = ("_query",)

    def __init__(self, query: Query[T]) -> None:
        self._query = query

    async def __aenter__(self) -> AsyncIterator[T]:
        found = await self._query.to_list()

        async def each() -> AsyncIterator[T]:
            for one in found:
                yield one

        return each()

    async def __aexit__(self, *_: object) -> None:
        """Close nothing."""

    def abandon(self) -> None:
        """Leave nothing open."""
