"""The clauses of a select: what queries and select statements have in common.

Every method gives a new builder; the one it is called on stays as it was.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn, Self, TypeAlias

from uow.errors import QueryError
from uow.expressions.nodes import (
    Expression,
    OrderTerm,
    ScalarSubquery,
    as_condition,
    as_order_term,
    as_plain,
    is_expression,
)
from uow.expressions.protocols import SupportsSelect
from uow.mapping.mapper import Mapper
from uow.query.compound import combined
from uow.query.named import (
    CommonTableExpression,
    NamedQuery,
    Subquery,
    common_table,
    subquery,
)
from uow.query.rows import row_class
from uow.query.sources import from_item, key_columns, mapper_in, name_in, source_in, source_of
from uow.query.statements import ForUpdate, Join, LockStrength, Select, result_names
from uow.query.tables import DerivedTable, QueryTable, SetOperator, Source
from uow.types import ColumnType

__all__ = ["Clauses", "Condition", "Field", "reads_documents", "selected", "sources_of"]

Condition: TypeAlias = Expression[bool] | Expression[bool | None] | Mapping[Any, Any]
Field: TypeAlias = Expression[Any] | SupportsSelect

_MOST_ROWS: Final = 2**63 - 1
_STRENGTHS: Final = {
    (False, False): LockStrength.UPDATE,
    (False, True): LockStrength.NO_KEY_UPDATE,
    (True, False): LockStrength.SHARE,
    (True, True): LockStrength.KEY_SHARE,
}


class Clauses(SupportsSelect):
    """Base of everything that builds a select."""

    __slots__ = ("_select",)

    _select: Select

    @abstractmethod
    def _with(self, select: Select) -> Self:
        """Give a builder of the same kind with another tree."""

    def __bool__(self) -> NoReturn:
        raise QueryError("a query has no truth value: use `await query.exists()`")

    def filter(self, *conditions: Condition) -> Self:
        """Add conditions, all of which must hold.

        Raises:
            QueryError: one is no condition, as a plain bool.
        """
        is_raw = reads_documents(self._select)
        found = tuple(as_condition(one, "filter", is_raw=is_raw) for one in conditions)
        return self._with(self._select.replace(where=self._select.where + found))

    def where(self, *conditions: Condition) -> Self:
        """Add conditions; the same as `filter`."""
        return self.filter(*conditions)

    def join(self, model: type[Any] | NamedQuery, on: Condition, *, outer: bool = False) -> Self:
        """Join another table.

        Args:
            model: a mapped class, an `aliased` one, or a named query.
            on: which rows belong together.
            outer: keep rows that have no match (LEFT JOIN).

        Raises:
            QueryError: the table is part of the query already, without another name.
        """
        source = from_item(model)
        select = self._select
        _refuse_twice(source, sources_of(select))
        join = Join(source, as_condition(on, "join"), is_outer=outer)
        return self._with(select.replace(joins=(*select.joins, join)))

    def order_by(self, *terms: Expression[Any] | OrderTerm) -> Self:
        """Order the rows; further calls add further terms.

        Args:
            terms: expressions; `-Author.age` or `Author.age.desc()` for the greatest first.
        """
        found = tuple(as_order_term(term, "order_by") for term in terms)
        return self._with(self._select.replace(order_by=self._select.order_by + found))

    def limit(self, count: int | None) -> Self:
        """Give at most so many rows; None for all."""
        return self._with(self._select.replace(limit=_row_count("limit", count)))

    def offset(self, count: int | None) -> Self:
        """Skip so many rows; None for none."""
        return self._with(self._select.replace(offset=_row_count("offset", count)))

    def distinct(self) -> Self:
        """Give equal rows once."""
        return self._with(self._select.replace(is_distinct=True))

    def group_by(self, *expressions: Expression[Any]) -> Self:
        """Give one row for each group of rows in which these are equal."""
        found = tuple(as_plain(expression, "group_by") for expression in expressions)
        return self._with(self._select.replace(group_by=self._select.group_by + found))

    def having(self, *conditions: Condition) -> Self:
        """Add conditions on groups, all of which must hold."""
        found = tuple(as_condition(condition, "having") for condition in conditions)
        return self._with(self._select.replace(having=self._select.having + found))

    def for_update(
        self,
        *,
        nowait: bool = False,
        skip_locked: bool = False,
        of: type[Any] | Sequence[type[Any]] = (),
        read: bool = False,
        key_share: bool = False,
    ) -> Self:
        """Lock the rows until the transaction ends.

        Objects whose rows are locked are brought up to date, but for what was changed in them.

        Args:
            nowait: fail at once if a row is locked.
            skip_locked: leave locked rows out.
            of: lock the rows of these classes only; by default of all tables that are joined.
            read: a lock that others may share (FOR SHARE); nobody changes the rows.
            key_share: leave others the right to refer to the rows (FOR NO KEY UPDATE); with `read`
                keep others from no more than changing the key (FOR KEY SHARE).

        Raises:
            QueryError: nowait and skip_locked are both asked for, or `of` is not read here. Where
                the store has no such lock, running the query raises it.
            StaleObjectError: raised by running the query: the row of an object with changes has
                another version than it had when it was read.
        """
        if nowait and skip_locked:
            raise QueryError("for_update: nowait and skip_locked exclude each other")
        models: Sequence[object] = of if isinstance(of, list | tuple) else (of,)
        sources = tuple(source_of(model) for model in models)
        present = sources_of(self._select)
        for source in sources:
            if not any(source is one for one in present):
                raise QueryError(f"for_update of {mapper_in(source).name}, which is not read here")
        lock = ForUpdate(
            nowait=nowait, skip_locked=skip_locked, strength=_STRENGTHS[read, key_share], of=sources
        )
        return self._with(self._select.replace(for_update=lock))

    # -- set operations

    def union(self, *others: Clauses) -> Self:
        """Give the rows of this query and of others, equal ones once.

        What follows (`order_by`, `limit`, `filter`, ...) is about the whole. It may name what the
        first query selects. The same goes for the other set operations.

        Raises:
            QueryError: the queries do not give the same objects, or columns of other types.
        """
        return self._combined(SetOperator.UNION, others, "union")

    def union_all(self, *others: Clauses) -> Self:
        """Give the rows of this query and of others, as often as they come."""
        return self._combined(SetOperator.UNION_ALL, others, "union_all")

    def intersect(self, *others: Clauses) -> Self:
        """Give the rows that every one of the queries gives, once."""
        return self._combined(SetOperator.INTERSECT, others, "intersect")

    def except_(self, *others: Clauses) -> Self:
        """Give the rows of this query that none of the others gives, once."""
        return self._combined(SetOperator.EXCEPT, others, "except_")

    def _combined(self, operator: SetOperator, others: tuple[object, ...], verb: str) -> Self:
        selects = [self._checked()]
        for other in others:
            if not isinstance(other, Clauses):
                raise QueryError(f"{verb} takes queries, not a {type(other).__name__}")
            selects.append(other._checked())
        return self._with(combined(operator, selects, verb))

    # -- as a part of other queries

    def cte(self, name: str, *, recursive: bool = False) -> CommonTableExpression:
        """Name the query, to be read from like a table (WITH): `recent.c.id`.

        Args:
            name: what it is called in the SQL text; no table that is read may be called so.
            recursive: it goes on: `tree = base.union_all(step)`, where `step` reads `base`.

        Raises:
            QueryError: the name is not a plain identifier, or the query locks rows.
        """
        return common_table(self._checked(), name, is_recursive=recursive)

    def subquery(self, name: str | None = None) -> Subquery:
        """Make a table in FROM of the query, to be joined and selected from: `inner.c.id`.

        Args:
            name: what it is called in the SQL text; made by the dialect if None.

        Raises:
            QueryError: the name is not a plain identifier, or the query locks rows.
        """
        return subquery(self._checked(), name)

    def as_subquery(self, *, single_column: bool) -> tuple[Select, ColumnType | None]:
        """Give the tree for a place inside another statement; objects stand for their key."""
        select = self._checked()
        if select.entity is not None:
            select = select.replace(entity=None, columns=key_columns(select.entity))
        if single_column and len(select.columns) != 1:
            raise QueryError(
                f"a query with one column is needed here, this one has {len(select.columns)}"
            )
        return select, select.columns[0].type if select.columns else None

    def scalar_subquery(self) -> Expression[Any]:
        """Give the one value of a query with one column, as an expression."""
        return ScalarSubquery(*self.as_subquery(single_column=True))

    def _checked(self) -> Select:
        select = self._select
        if select.entity is not None and (select.group_by or select.having):
            raise QueryError(
                f"groups are no objects: after group_by or having, .select(...) what is wanted "
                f"instead of {mapper_in(select.entity).name}"
            )
        return select


def selected(items: tuple[object, ...], place: str) -> tuple[Expression[Any], ...]:
    """Check what stands in a select list or in RETURNING.

    Raises:
        QueryError: it is no expression, or its name cannot be that of a value in a row.
    """
    if not items:
        raise QueryError(f"{place} needs at least one column")
    columns = tuple(_column(item, place) for item in items)
    row_class(result_names(columns))
    return columns


def _column(item: object, place: str) -> Expression[Any]:
    if is_expression(item):
        return item
    if isinstance(item, SupportsSelect):
        return ScalarSubquery(*item.as_subquery(single_column=True))
    if isinstance(item, NamedQuery):
        raise QueryError(f"{place} takes columns: *query.c are those of a named query")
    if source_in(item) is not None:
        raise QueryError(f"{place} takes columns: name them, or select the class alone")
    raise QueryError(f"{place} takes columns and expressions, not a {type(item).__name__}")


def _row_count(place: str, count: object) -> int | None:
    if count is None:
        return None
    if type(count) is not int:
        raise QueryError(f"{place} takes a whole number, not a {type(count).__name__}")
    if not 0 <= count <= _MOST_ROWS:
        raise QueryError(f"{place} takes a number from 0 to {_MOST_ROWS}")
    return count


def reads_documents(select: Select) -> bool:
    """Whether it reads from a collection, whose filters a user may also write as dicts."""
    return any(
        isinstance(source, Mapper) and source.document is not None for source in select.froms
    )


def sources_of(select: Select) -> tuple[object, ...]:
    """Give what stands in FROM; for a query that stands for a class, the class."""
    froms = (
        source.stands_for if isinstance(source, DerivedTable) else source for source in select.froms
    )
    return (*froms, *(join.source for join in select.joins))


def _refuse_twice(source: Source | QueryTable, present: tuple[object, ...]) -> None:
    if any(source is other for other in present):
        name = name_in(source)
        again = f"{name}.alias()" if isinstance(source, QueryTable) else f"aliased({name})"
        raise QueryError(f"{name} is part of this query already: join {again}")
