"""What type checkers must see of expressions, queries and statements; never run."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, assert_type
from uuid import UUID

from uow.expressions import (
    Case,
    ColumnExpression,
    Expression,
    Function,
    Label,
    Literal,
    OrderTerm,
    and_,
    case,
    excluded,
    exists,
    func,
    literal,
    or_,
)
from uow.mapping.columns import Column, Mapped
from uow.mapping.model import Model
from uow.query.builder import Query, RowQuery
from uow.query.executable import Executable
from uow.query.executor import Executor
from uow.query.named import CommonTableExpression, Subquery
from uow.query.pages import Page
from uow.query.rows import Row
from uow.query.select import SelectStatement, select
from uow.query.sources import aliased
from uow.query.sql import sql
from uow.query.writes import InsertStatement, delete, insert, insert_many, update
from uow.statement import Statement
from uow.types import Array


class Author(Model):
    """A class with the common kinds of fields."""

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str]
    age: Mapped[int | None] = Column(default=None)
    active: Mapped[bool] = Column(default=True)
    joined: Mapped[datetime] = Column(server_default="CURRENT_TIMESTAMP")


class Book(Model):
    """A class with a key made in Python, a Decimal and JSON."""

    id: Mapped[UUID] = Column(primary_key=True)
    author_id: Mapped[int | None] = Column(default=None)
    price: Mapped[Decimal] = Column(precision=10, scale=2)
    dims: Mapped[dict[str, Any]] = Column(default_factory=dict)
    tags: Mapped[list[str]] = Column(default_factory=list)


def columns_are_expressions() -> None:
    """Class access gives a typed expression, and operators give typed expressions."""
    assert_type(Author.age, ColumnExpression[int | None])
    assert_type(Author.age > 18, Expression[bool])
    assert_type(18 < Author.age, Expression[bool])  # noqa: SIM300 - the reflected operator
    assert_type(Author.name == "x", Expression[bool])
    assert_type(Author.age == None, Expression[bool])  # noqa: E711 - IS NULL
    assert_type(Author.id == Book.author_id, Expression[bool])
    assert_type(Author.name.like("x%"), Expression[bool])
    assert_type(Author.name.contains("x"), Expression[bool])
    assert_type(Author.age.in_([1, 2]), Expression[bool])
    assert_type(Author.age.between(1, 2), Expression[bool])
    assert_type(Author.id + 1, Expression[int])
    assert_type(1 + Author.id, Expression[int])
    assert_type(Author.name + "x", Expression[str])
    assert_type(-Author.joined, Expression[datetime])
    assert_type(Author.joined - Author.joined, Expression[timedelta])
    assert_type(Author.joined.desc(), OrderTerm)
    assert_type(Author.name.label("n"), Label[str])
    assert_type(Book.dims["width"], Expression[Any])
    assert_type(Book.dims["width"] > 3, Expression[bool])
    assert_type(Book.dims["sizes"][0].cast(int), Expression[int])
    assert_type(Book.tags.contains("x"), Expression[bool])


def logic_takes_conditions() -> None:
    """Conditions combine with `&`, `|`, `~`; boolean columns are conditions; others are refused."""
    assert_type((Author.age > 1) & ~(Author.name == "x") | Author.active, Expression[bool])
    assert_type(and_(Author.age > 1, Author.active), Expression[bool])
    assert_type(or_(), Expression[bool])
    assert_type(~Author.active, Expression[bool])
    Author.name & Author.active  # pyright: ignore[reportOperatorIssue, reportUnusedExpression]
    Author.active & True  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue, reportUnusedExpression]


def functions_have_types() -> None:
    """Known functions know what they give; unknown ones may be called."""
    assert_type(func.count(), Function[int])
    assert_type(func.count(Author.age).distinct(), Function[int])
    assert_type(func.max(Author.joined), Function[datetime | None])
    assert_type(func.lower(Author.name), Function[str])
    assert_type(func.soundex(Author.name), Function[Any])
    assert_type(case((Author.age > 3, "old"), else_="new"), Case[Any])
    assert_type(literal(3) + 1, Expression[int])
    assert_type(
        exists(select(Book.id).where(Book.author_id == Author.id)) & Author.active, Expression[bool]
    )
    assert_type(Author.id.in_(select(Book.author_id)), Expression[bool])
    assert_type(aliased(Author).name, ColumnExpression[str])


async def queries_have_types(executor: Executor) -> None:
    """Terminals give what the query is of."""
    query = Query(Author, executor, Author.age > 3)
    assert_type(query, Query[Author])
    assert_type(query.filter(Author.active).order_by(-Author.joined, Author.name), Query[Author])
    assert_type(query.join(Book, Book.author_id == Author.id, outer=True).limit(3), Query[Author])
    assert_type(await query.to_list(), list[Author])
    assert_type(await query.first(), Author | None)
    assert_type(await query.one(), Author)
    assert_type(await query.one_or_none(), Author | None)
    assert_type(await query.count(), int)
    assert_type(await query.exists(), bool)
    assert_type(await query.update({"age": 3}), int)
    assert_type(await query.update({Author.age: Author.age + 1}), int)
    assert_type(await query.delete(all=True), int)
    async for author in query:
        assert_type(author, Author)
    async with query.stream() as authors:
        async for author in authors:
            assert_type(author, Author)


async def pages_and_plans_have_types(executor: Executor) -> None:
    """A page holds what the query gives; cursors and plans are texts."""
    query = Query(Author, executor).order_by(Author.name)
    page = await query.page(size=50, after=None)
    assert_type(page, Page[Author])
    assert_type(page.items, list[Author])
    assert_type(page.next, str | None)
    rows = await query.select(Author.id, Author.name).page(50, before=page.previous)
    assert_type(rows.items, list[Row[int, str]])
    assert_type(await query.explain(analyze=True), str)
    assert_type(query.for_update(of=Author, read=True, skip_locked=True), Query[Author])
    async with query.stream(batch_size=10) as authors:
        assert_type([author async for author in authors], list[Author])


async def queries_of_queries_have_types(executor: Executor) -> None:
    """A set operation is of what its first query is; named queries have columns of any type."""
    query = Query(Author, executor)
    assert_type(query.union(query.filter(Author.active)).limit(3), Query[Author])
    assert_type(select(Author.id).except_(select(Book.author_id)), SelectStatement[Row[int]])
    recent = query.cte("recent")
    assert_type(recent, CommonTableExpression)
    assert_type(recent.c.id, ColumnExpression[Any])
    assert_type(query.subquery(), Subquery)
    assert_type(Query(aliased(Author, recent), executor), Query[Author])
    assert_type(query.join(recent, recent.c.id == Author.id), Query[Author])
    tree = select(Author.id).cte("tree", recursive=True)
    assert_type(tree.union_all(select(tree.c.id)), CommonTableExpression)
    author = aliased(Author, recent, "author")
    assert_type(author.name, ColumnExpression[str])


def windows_have_types() -> None:
    """A window changes nothing of what a function gives."""
    assert_type(func.row_number().over(order_by=Author.name), Function[int])
    assert_type(
        func.lag(Author.name).over(partition_by=[Author.age], order_by=-Author.joined),
        Function[str | None],
    )
    assert_type(func.max(Author.id).over(order_by=Author.id, rows=(-1, None)), Function[int | None])
    assert_type(func.count().filter(Author.active, Author.age > 3), Function[int])


async def rows_have_types(executor: Executor) -> None:
    """Rows unpack with types; their attributes are reachable."""
    rows = Query(Author, executor).select(Author.id, Author.name)
    assert_type(rows, RowQuery[Row[int, str]])
    for row in await rows.to_list():
        number, name = row
        assert_type(number, int)
        assert_type(name, str)
        assert_type(row.name, Any)
    assert_type(await Query(Author, executor).select(Author.name).values(), list[str])
    grouped = Query(Author, executor).group_by(Author.age).having(func.count() > 2)
    assert_type(
        await grouped.select(Author.age, func.count()).to_list(), list[Row[int | None, int]]
    )


def statements_have_types() -> None:
    """A statement says what executing it gives."""
    assert_type(select(Author), SelectStatement[Author])
    assert_type(select(Author.age, func.count()), SelectStatement[Row[int | None, int]])
    assert_type(insert(Author, name="x"), InsertStatement[int])
    upsert = insert_many(Author, [{"name": "x"}]).on_conflict(Author.id).update(Author.name)
    assert_type(upsert, InsertStatement[int])
    assert_type(upsert.returning(Author.id), InsertStatement[list[Row[int]]])
    changed: Executable[int] = update(Author).set({Author.age: 1}).where(Author.id == 3)
    returned: Executable[list[Row[int]]] = delete(Author).all().returning(Author.id)
    raw: Executable[Any] = sql("SELECT {id}", id=3)
    assert_type(literal([1, 2], Array(int)), Literal[list[int]])
    assert_type(literal(1), Literal[int])
    assert_type(changed.compile("sqlite"), Statement)
    del returned, raw
    assert_type(
        insert(Author).from_select([Author.name, "age"], select(Author.name, Author.age)),
        InsertStatement[int],
    )
    insert(Author).on_conflict(constraint="authors_name").nothing()
    insert(Author).on_conflict(Author.id).update({Author.name: excluded(Author.name)})


async def classes_of_hierarchies(executor: Executor) -> None:
    """A query for a class gives objects of that class, whichever below it are kept."""
    query = Query(Author, executor).of_type(Author).with_children(False)
    assert_type(query, Query[Author])
    assert_type(await query.to_list(), list[Author])
