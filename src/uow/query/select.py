"""`select(...)`: a select statement, to be executed by a session or to stand inside another."""

from __future__ import annotations

from typing import Any, Generic, Self, TypeVar, overload

from uow.errors import QueryError
from uow.expressions.nodes import Expression
from uow.query.clauses import Clauses, Field, selected
from uow.query.executable import Executable
from uow.query.named import NamedQuery
from uow.query.rows import Row
from uow.query.sources import from_item, source_in, tables_in
from uow.query.statements import Select

__all__ = ["SelectStatement", "select"]

R = TypeVar("R")
M = TypeVar("M")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")


class SelectStatement(Clauses, Executable[list[R]], Generic[R]):
    """A select statement; immutable. Rows come as `R`s."""

    __slots__ = ()

    def __init__(self, select: Select) -> None:
        self._select = select

    def __repr__(self) -> str:
        return f"<SelectStatement of {len(self._select.columns) or 'all'} columns>"

    def _with(self, select: Select) -> Self:
        return type(self)(select)

    @property
    def statement(self) -> Select:
        """The tree."""
        return self._checked()

    def select_from(self, *models: type[Any] | NamedQuery) -> Self:
        """Name the tables to read from, where the columns do not say it.

        By default that is the table of the first column; every other one is joined. Several tables
        give each row of one with each row of the others.
        """
        sources = tuple(from_item(model) for model in models)
        if self._select.joins:
            raise QueryError("select_from comes before join")
        for position, source in enumerate(sources):
            if any(source is other for other in sources[:position]):
                raise QueryError("select_from names a table twice: use aliased(...)")
        return self._with(self._select.replace(froms=sources))


@overload
def select(item: type[M], /) -> SelectStatement[M]: ...
@overload
def select(a: Expression[A], /) -> SelectStatement[Row[A]]: ...
@overload
def select(a: Expression[A], b: Expression[B], /) -> SelectStatement[Row[A, B]]: ...
@overload
def select(
    a: Expression[A], b: Expression[B], c: Expression[C], /
) -> SelectStatement[Row[A, B, C]]: ...
@overload
def select(
    a: Expression[A], b: Expression[B], c: Expression[C], d: Expression[D], /
) -> SelectStatement[Row[A, B, C, D]]: ...
@overload
def select(
    a: Expression[A], b: Expression[B], c: Expression[C], d: Expression[D], e: Expression[E], /
) -> SelectStatement[Row[A, B, C, D, E]]: ...
@overload
def select(
    a: Expression[A],
    b: Expression[B],
    c: Expression[C],
    d: Expression[D],
    e: Expression[E],
    f: Expression[F],
    /,
) -> SelectStatement[Row[A, B, C, D, E, F]]: ...
@overload
def select(*items: Field) -> SelectStatement[Row[*tuple[Any, ...]]]: ...
def select(*items: object) -> SelectStatement[Any]:
    """Make a select statement.

    Args:
        items: one mapped class, for its objects; or columns and expressions, for rows.

    Raises:
        QueryError: it is neither.
    """
    if len(items) == 1:
        source = source_in(items[0])
        if source is not None:
            return SelectStatement(Select(entity=source, froms=(source,)))
    columns = selected(items, "select")
    return SelectStatement(Select(columns=columns, froms=tuple(tables_in(columns)[:1])))
