"""Queries: what each method adds, what each terminal asks for, and that nothing else changes."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from tests.uow.query.executor import Recorder, Stream
from tests.uow.query.models import Author, Book, Line
from uow.errors import MultipleResultsError, NotFoundError, QueryError
from uow.expressions import Exists, Function, OrderTerm, TableAlias, func
from uow.mapping.mapper import mapper_of
from uow.query.builder import Query, RowQuery
from uow.query.executor import RowIterator
from uow.query.sources import aliased
from uow.query.statements import Select
from uow.query.tables import DerivedTable

AUTHOR = mapper_of(Author)


def find(model: Any, executor: Recorder, *conditions: Any) -> Any:
    """A query whose rows are whatever the executor says."""
    return Query(model, executor, *conditions)


@pytest.fixture
def recorder() -> Recorder:
    """An executor that answers with three rows."""
    return Recorder("a", "b", "c", matched=7)


# Building


def test_find_selects_the_class(recorder: Recorder) -> None:
    """A query without more reads all columns of the class from its table."""
    select = Query(Author, recorder, Author.age > 3).statement

    assert select.entity is AUTHOR
    assert select.froms == (AUTHOR,)
    assert select.columns == ()
    assert len(select.where) == 1


def test_queries_are_immutable(recorder: Recorder) -> None:
    """Trap 5: every method gives a new query, and the one it is called on stays as it was."""
    query = Query(Author, recorder, Author.age > 3)
    before = {name: getattr(query.statement, name) for name in Select.__slots__}

    others = [
        query.filter(Author.age < 9),
        query.where(Author.active),
        query.join(Book, Book.author_id == Author.id),
        query.order_by(-Author.age),
        query.limit(1),
        query.offset(1),
        query.distinct(),
        query.group_by(Author.age),
        query.having(func.count() > 1),
        query.for_update(),
        query.select(Author.id),
    ]

    assert all(other is not query for other in others)
    assert all(getattr(query.statement, name) is value for name, value in before.items())


def test_conditions_add_up(recorder: Recorder) -> None:
    """Trap 3: a further condition never replaces one before, on the same column neither."""
    query = Query(Author, recorder, Author.age > 3).filter(Author.age > 5).filter()

    assert [condition.right.value for condition in query.statement.where] == [3, 5]  # type: ignore[attr-defined]


@pytest.mark.parametrize("condition", [True, False, "age > 3", {"age": 3}, None, 1, Author.name])
def test_a_filter_is_a_condition(recorder: Recorder, condition: Any) -> None:
    """A bool, a text, a dict or a column that is neither true nor false is no filter."""
    with pytest.raises(QueryError):
        Query(Author, recorder, condition)
    with pytest.raises(QueryError):
        Query(Author, recorder).filter(condition)
    with pytest.raises(QueryError):
        Query(Author, recorder).having(condition)
    with pytest.raises(QueryError):
        Query(Author, recorder).join(Book, condition)


@pytest.mark.parametrize("model", [int, "authors", None, object()])
def test_only_mapped_classes_are_found(recorder: Recorder, model: Any) -> None:
    """A query is of a mapped class."""
    with pytest.raises(QueryError, match="mapped class"):
        Query(model, recorder)


def test_order(recorder: Recorder) -> None:
    """A minus is descending, also for what is no number; further calls add terms."""
    query = Query(Author, recorder).order_by(-Author.joined, Author.name)
    select = query.order_by(Author.age.desc().nulls_last(), (-Author.id).__neg__()).statement

    assert all(isinstance(term, OrderTerm) for term in select.order_by)
    assert [term.is_descending for term in select.order_by] == [True, False, True, False]
    assert select.order_by[0].operand is Author.joined


@pytest.mark.parametrize("term", ["age", "age; DROP TABLE authors", "-age", 1, None, True])
def test_order_takes_expressions_only(recorder: Recorder, term: Any) -> None:
    """F66: text never becomes part of ORDER BY or GROUP BY."""
    with pytest.raises(QueryError, match="order_by takes expressions"):
        Query(Author, recorder).order_by(term)
    with pytest.raises(QueryError, match="group_by takes expressions"):
        Query(Author, recorder).group_by(term)


@pytest.mark.parametrize("count", [-1, 1.0, "1", True, 2**63])
def test_limit_and_offset_are_whole_numbers(recorder: Recorder, count: Any) -> None:
    """A limit that is no row count is refused."""
    with pytest.raises(QueryError, match="limit"):
        Query(Author, recorder).limit(count)
    with pytest.raises(QueryError, match="offset"):
        Query(Author, recorder).offset(count)


def test_limit_can_be_taken_back(recorder: Recorder) -> None:
    """None is no limit, zero is one."""
    query = Query(Author, recorder).limit(3).offset(4)

    assert query.limit(0).statement.limit == 0
    assert query.limit(None).offset(None).statement.limit is None


def test_join(recorder: Recorder) -> None:
    """A join keeps its condition and whether it is outer."""
    query = Query(Author, recorder).join(Book, Book.author_id == Author.id, outer=True)
    (join,) = query.statement.joins

    assert join.source is mapper_of(Book)
    assert join.is_outer


def test_a_table_is_joined_twice_by_another_name_only(recorder: Recorder) -> None:
    """Trap 6: a self-join needs `aliased`, and each alias is a table of its own."""
    query = Query(Author, recorder)
    one, two = aliased(Author), aliased(Author)
    joined = query.join(one, one.id == Author.id).join(two, two.id == one.id)

    assert len({id(join.source) for join in joined.statement.joins}) == 2
    with pytest.raises(QueryError, match=r"aliased\(Author\)"):
        query.join(Author, Author.id == Author.id)
    with pytest.raises(QueryError, match="aliased"):
        joined.join(one, one.id == Author.id)


def test_for_update(recorder: Recorder) -> None:
    """The two ways of not waiting exclude each other."""
    lock = Query(Author, recorder).for_update(skip_locked=True).statement.for_update

    assert lock is not None
    assert (lock.nowait, lock.skip_locked) == (False, True)
    with pytest.raises(QueryError, match="exclude"):
        Query(Author, recorder).for_update(nowait=True, skip_locked=True)


def test_a_query_has_no_truth_value(recorder: Recorder) -> None:
    """`if session.find(...)` would always be true, so it is an error."""
    with pytest.raises(QueryError, match="exists"):
        bool(Query(Author, recorder))


def test_select(recorder: Recorder) -> None:
    """`select` turns objects into rows of columns."""
    rows = Query(Author, recorder, Author.age > 3).select(Author.id, Author.age.label("years"))

    assert isinstance(rows, RowQuery)
    assert rows.statement.entity is None
    assert len(rows.statement.columns) == 2
    assert len(rows.statement.where) == 1


@pytest.mark.parametrize("columns", [(), ("id",), (Author,), (3,), (Author.age.label("a b"),)])
def test_select_takes_columns(recorder: Recorder, columns: Any) -> None:
    """Nothing, a text, a class, or a name that a row cannot have is refused at once."""
    with pytest.raises(QueryError):
        Query(Author, recorder).select(*columns)


def test_a_query_shows_its_class(recorder: Recorder) -> None:
    """The representation has no values."""
    assert repr(Query(Author, recorder, Author.name == "secret")) == "<Query Author>"


# Terminals


@pytest.mark.anyio
async def test_to_list_and_again(recorder: Recorder) -> None:
    """Trap 5: a query can be run twice, and asks anew each time."""
    query = find(Author, recorder)

    assert await query.to_list() == ["a", "b", "c"]
    assert await query.to_list() == ["a", "b", "c"]
    assert len(recorder.sent) == 2


@pytest.mark.anyio
async def test_first_reads_one_row(recorder: Recorder) -> None:
    """`first` never reads more than it needs, nor more than the limit."""
    assert await find(Author, recorder).first() == "a"
    assert recorder.last.limit == 1
    assert await find(Author, recorder).limit(0).first() is None
    assert recorder.last.limit == 0


@pytest.mark.anyio
async def test_one() -> None:
    """`one` is one row exactly, `one_or_none` at most one; two rows are enough to know."""
    none, single, several = Recorder(), Recorder("a"), Recorder("a", "b", "c")

    assert await find(Author, single).one() == "a"
    assert await find(Author, single).one_or_none() == "a"
    assert await find(Author, none).one_or_none() is None
    with pytest.raises(NotFoundError, match="Author"):
        await find(Author, none).one()
    with pytest.raises(MultipleResultsError, match="Author"):
        await find(Author, several).one()
    with pytest.raises(MultipleResultsError):
        await find(Author, several).one_or_none()
    assert several.last.limit == 2


@pytest.mark.anyio
async def test_count() -> None:
    """A plain count asks for `count(*)` of the same rows, without their order."""
    recorder = Recorder(3)
    query = find(Author, recorder, Author.age > 3).order_by(Author.name).for_update()

    assert await query.count() == 3
    assert isinstance(recorder.last.columns[0], Function)
    assert recorder.last.froms == (AUTHOR,)
    assert recorder.last.where == query.statement.where
    assert recorder.last.order_by == ()
    assert recorder.last.for_update is None


@pytest.mark.anyio
@pytest.mark.parametrize(
    "narrow",
    [
        lambda query: query.limit(2).order_by(Author.age),
        lambda query: query.offset(2),
        lambda query: query.distinct(),
        lambda query: query.group_by(Author.age).select(Author.age),
        lambda query: query.select(func.count()),
    ],
)
async def test_count_of_what_is_not_a_plain_filter(narrow: Any) -> None:
    """Trap 6: a count with limit, offset, distinct or groups counts the rows one would get."""
    recorder = Recorder(2)

    assert await narrow(find(Author, recorder)).count() == 2
    (source,) = recorder.last.froms
    assert isinstance(source, DerivedTable)
    assert isinstance(source.query, Select)
    assert bool(source.query.order_by) == (source.query.limit is not None)


@pytest.mark.anyio
async def test_exists() -> None:
    """`exists` asks EXISTS over the query, and nothing else."""
    recorder = Recorder(1)

    assert await find(Author, recorder, Author.age > 3).order_by(Author.name).exists()
    (column,) = recorder.last.columns
    assert isinstance(column, Exists)
    assert recorder.last.froms == ()
    assert not await find(Author, Recorder(0)).exists()


@pytest.mark.anyio
async def test_values(recorder: Recorder) -> None:
    """`values` is for one column."""
    query = find(Author, recorder)

    assert await query.select(Author.name).values() == ["a", "b", "c"]
    with pytest.raises(QueryError, match="one column"):
        await query.select(Author.name, Author.id).values()


@pytest.mark.anyio
async def test_groups_are_no_objects(recorder: Recorder) -> None:
    """Groups without `select` are refused before anything is sent."""
    query = find(Author, recorder).group_by(Author.age)

    with pytest.raises(QueryError, match="groups"):
        await query.to_list()
    with pytest.raises(QueryError, match="groups"):
        await query.delete(all=True)
    assert recorder.sent == []


# Streams


@pytest.mark.anyio
async def test_async_for_reads_through_a_cursor(recorder: Recorder) -> None:
    """Trap 9: `async for` takes rows as they come, and closes the cursor after the last."""
    query = find(Author, recorder)
    seen = [(row, recorder.streams[0].served) async for row in query]

    assert seen == [("a", 1), ("b", 2), ("c", 3)]
    assert recorder.streams[0].events == ["opened", "closed"]
    assert [row async for row in query] == ["a", "b", "c"]


@pytest.mark.anyio
async def test_a_loop_left_early_abandons_its_cursor(recorder: Recorder) -> None:
    """F09: after `break` the owner of the cursor knows at once that nobody reads on."""
    async for _ in find(Author, recorder):
        break
    gc.collect()

    assert recorder.streams[0].events == ["opened", "abandoned"]
    assert recorder.streams[0].served == 1


@pytest.mark.anyio
async def test_an_error_in_a_stream_closes_it() -> None:
    """A cursor that fails is closed before the loop sees the error, and stays closed."""
    stream = Stream(["a"], error=ValueError("broken"))
    rows = RowIterator(stream)

    assert await anext(rows) == "a"
    with pytest.raises(ValueError, match="broken"):
        await anext(rows)
    assert stream.events == ["opened", "closed on ValueError"]
    with pytest.raises(StopAsyncIteration):
        await anext(rows)


@pytest.mark.anyio
async def test_stream_is_a_block(recorder: Recorder) -> None:
    """`stream` closes on leaving the block, whatever was read."""
    async with find(Author, recorder).select(Author.id).stream() as rows:
        async for row in rows:
            assert row == "a"
            break

    assert recorder.streams[0].events == ["opened", "closed"]


# Bulk


@pytest.mark.anyio
async def test_update(recorder: Recorder) -> None:
    """`update` sets columns by name or by expression, and gives the number of rows."""
    query = find(Author, recorder, Author.age > 3)

    assert await query.update({"age": 3, Author.name: Author.name + "!"}) == 7
    names = [column.attribute for column, _ in recorder.last.assignments]
    assert names == ["name", "age", "version"]
    assert recorder.last.where == query.statement.where


@pytest.mark.anyio
async def test_update_counts_the_version_up(recorder: Recorder) -> None:
    """A bulk update moves the optimistic lock, so that what was read before is stale."""
    await find(Author, recorder, Author.age > 3).update({"age": 3})
    column, value = recorder.last.assignments[-1]

    assert column.attribute == "version"
    assert value.op == "+"


@pytest.mark.anyio
async def test_a_whole_table_must_be_said(recorder: Recorder) -> None:
    """Trap 7: without a filter, `update` and `delete` need `all=True`."""
    query = find(Author, recorder).order_by(Author.id)

    with pytest.raises(QueryError, match="all=True"):
        await query.delete()
    with pytest.raises(QueryError, match="all=True"):
        await query.update({"age": 3})
    assert recorder.sent == []
    assert await query.delete(all=True) == 7
    assert await query.update({"age": 3}, all=True) == 7


@pytest.mark.anyio
async def test_bulk_of_a_join_goes_by_keys(recorder: Recorder) -> None:
    """What a DELETE cannot say itself (a join, a limit) is said by a subquery for the keys."""
    joined = find(Book, recorder).join(Author, Book.author_id == Author.id)
    await joined.filter(Author.age > 3).delete()
    (condition,) = recorder.last.where

    assert condition.operand.column is Book.id.column
    assert len(condition.select.joins) == 1
    await find(Line, recorder, Line.no > 3).order_by(Line.no).limit(5).delete()
    (condition,) = recorder.last.where
    assert [item.column.attribute for item in condition.operand.items] == ["order_id", "no"]
    assert condition.select.limit == 5
    assert condition.select.order_by


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"nme": 3}, "Author has no field 'nme'"),
        ({Book.title: "x"}, r"Author has no field Book\.title"),
        ({3: 3}, "Author has no field of class int"),
        ({"id": 3}, "key"),
        ({"age": 3, Author.age: 4}, "twice"),
        ({}, "without any new value"),
        ([("age", 3)], "by field"),
        ({"age": "x"}, r"Author\.age"),
        ({"email": "x" * 21}, r"Author\.email"),
        ({"name": None}, r"Author\.name"),
        ({"age": Author.name}, "does not fit"),
    ],
)
async def test_update_refuses(recorder: Recorder, values: Any, words: str) -> None:
    """F66, F67: fields are found by their mapped names; values fit, or nothing is sent."""
    with pytest.raises((QueryError, ValueError), match=words):
        await find(Author, recorder, Author.age > 3).update(values)
    assert recorder.sent == []


@pytest.mark.anyio
async def test_bulk_of_an_alias_is_refused(recorder: Recorder) -> None:
    """An alias has no rows of its own to write."""
    other = aliased(Author)

    with pytest.raises(QueryError, match="alias"):
        await find(other, recorder, other.age > 3).delete()


# Aliases (trap 4)


def test_aliased() -> None:
    """An alias has the fields of its class, each a column under the other name."""
    other: Any = aliased(Author, "a")

    assert other.age is other.age
    assert other.age.column is Author.age.column
    assert isinstance(other.age.table, TableAlias)
    assert other.age.table.alias == "a"
    with pytest.raises(AttributeError, match="Author has no field 'nme'"):
        other.nme  # noqa: B018


@pytest.mark.parametrize("name", ["a b", 'a"', "", "1a", "x" * 64])
def test_the_name_of_an_alias_is_an_identifier(name: str) -> None:
    """F66: the name of an alias cannot carry text."""
    with pytest.raises(QueryError, match="identifier"):
        aliased(Author, name)
