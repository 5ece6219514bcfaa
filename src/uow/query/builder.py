"""`Query`: what `session.find(Author, ...)` gives; and `RowQuery`, of single columns.

Both are immutable, and hold nothing of what they once read: the same query can be run again. A
terminal (`to_list`, `first`, ...) hands a tree to the executor, which is a session or opens one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, Self, TypeVar, overload

from uow.errors import MultipleResultsError, NotFoundError, QueryError
from uow.expressions.literals import INTEGER
from uow.expressions.nodes import ColumnExpression, Exists, Expression, Function, as_condition
from uow.query.bulk import delete_of, update_of
from uow.query.clauses import Clauses, Condition, Field, selected
from uow.query.executable import Executable
from uow.query.executor import Executor, RowIterator, RowStream
from uow.query.rows import Row
from uow.query.sources import key_columns, mapper_in, source_of
from uow.query.statements import COUNTED, DerivedTable, Select

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
    def stream(self) -> RowStream[R]:
        """Read through a cursor: `async with query.stream() as rows: async for row in rows: ...`.

        Leaving the block closes the cursor, whatever was read.
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
        where = tuple(as_condition(condition, "find") for condition in conditions)
        self._select = Select(entity=source, froms=(source,), where=where)
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

    async def _fetch(self, select: Select) -> list[T]:
        return await self._executor.fetch_objects(select)

    def stream(self) -> RowStream[T]:
        """Read objects through a cursor; see `Terminals.stream`."""
        return self._executor.stream_objects(self._checked())

    async def update(self, values: Mapping[Any, object], *, all: bool = False) -> int:  # noqa: A002
        """Change all rows the query finds, in one statement.

        Args:
            values: new values, or expressions, by field: `{"age": 3}` or
                `{Author.age: Author.age + 1}`. An optimistic lock is counted up with them.
            all: say so if there is no filter.

        Returns:
            The number of rows that matched.

        Raises:
            QueryError: there is no filter, or the class has no such field.
            ValidationError: a value does not fit its field.
        """
        return await self._executor.execute_write(update_of(self._checked(), values, is_all=all))

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

    def stream(self) -> RowStream[R]:
        """Read rows through a cursor; see `Terminals.stream`."""
        return self._executor.stream_rows(self._checked())

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
        return Select(columns=(count,), froms=select.froms, joins=select.joins, where=select.where)
    if select.entity is not None:
        select = select.replace(entity=None, columns=key_columns(select.entity))
    if select.limit is None and select.offset is None:
        select = select.replace(order_by=())
    inner = DerivedTable(select.replace(for_update=None), COUNTED)
    return Select(columns=(count,), froms=(inner,))
