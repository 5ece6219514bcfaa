"""Queries made of queries: set operations, WITH, subqueries, windows, INSERT .. SELECT (Q3, Q6)."""

from __future__ import annotations

from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest

from tests.contract.sent import Sent
from uow import (
    Database,
    QueryError,
    Session,
    UnknownFieldError,
    aliased,
    case,
    delete,
    excluded,
    exists,
    func,
    insert,
    insert_many,
    select,
    update,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def notes(database: Database, models: ModuleType) -> Any:
    """Notes a to f, with ranks 0, 0, 1, 1, 2, 2."""
    async with Session.begin(database) as session:
        session.add_all([models.Note(text=text, rank=n // 2) for n, text in enumerate("abcdef")])
    return models.Note


async def read(database: Database, statement: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement, as plain tuples."""
    async with Session(database) as session:
        return [tuple(row) for row in await session.execute(statement)]


# -- set operations


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        ("union", "abcd"),
        ("union_all", "abccd"),
        ("intersect", "c"),
        ("except_", "ab"),
    ],
)
@pytest.mark.needs("joined_queries")
async def test_set_operations_of_objects(
    database: Database, notes: Any, verb: str, expected: str
) -> None:
    """A set operation of queries for objects gives objects, those the session has included."""
    async with Session(database) as session:
        first = session.find(notes, notes.text.in_(["a", "b", "c"]))
        known = await session.find(notes, notes.text == "c").one()
        query = getattr(first, verb)(session.find(notes, notes.text.in_(["c", "d"])))
        found = await query.order_by(notes.text).to_list()

        assert "".join(note.text for note in found) == expected
        assert all(note in session for note in found)
        assert all(note is known for note in found if note.text == "c")
        assert await query.count() == len(expected)
        assert await query.exists()
        assert (await query.order_by(-notes.text).first()).text == expected[-1]


@pytest.mark.needs("joined_queries")
async def test_what_follows_is_about_the_whole(database: Database, notes: Any) -> None:
    """Order, limit, filter and groups after a set operation see its rows, not those of a part."""
    async with Session(database) as session:
        parts = [session.find(notes, notes.rank == rank) for rank in range(3)]
        query = parts[0].union_all(parts[1], parts[2])

        assert [n.text for n in await query.order_by(-notes.text).limit(2).to_list()] == ["f", "e"]
        assert await query.filter(notes.text > "d").count() == 2
        grouped = query.group_by(notes.rank).select(notes.rank, func.count())
        assert sorted(await grouped.to_list()) == [(0, 2), (1, 2), (2, 2)]
        assert await query.filter(notes.text == "a").update({"rank": 9}) == 1
        assert await query.order_by(notes.text).limit(1).select(notes.text).values() == ["b"]
        await session.rollback()


@pytest.mark.needs("joined_queries")
async def test_parts_with_a_limit_of_their_own(database: Database, notes: Any) -> None:
    """A limit or an order of one part stays with that part."""
    async with Session(database) as session:
        first = session.find(notes).order_by(notes.text).limit(2)
        last = session.find(notes).order_by(-notes.text).limit(1)

        found = await first.union(last).order_by(notes.text).to_list()
        assert [note.text for note in found] == ["a", "b", "f"]


@pytest.mark.needs("joined_queries")
async def test_set_operations_of_columns(database: Database, notes: Any) -> None:
    """Rows of a set operation are named, ordered and filtered by what the first query selects."""
    double = (notes.rank * 2).label("double")
    first = select(notes.text, double).filter(notes.text < "c")
    other = select(notes.text, notes.rank).filter(notes.text > "d")

    query = first.union(other)
    assert await read(database, query.order_by(-notes.text)) == [
        ("f", 2), ("e", 2), ("b", 0), ("a", 0),
    ]  # fmt: skip
    assert await read(database, query.filter(notes.text != "a").order_by(double, notes.text)) == [
        ("b", 0), ("e", 2), ("f", 2),
    ]  # fmt: skip
    async with Session(database) as session:
        (row, *_) = await session.execute(query.order_by(notes.text))
        assert (row.text, row.double) == ("a", 0)


@pytest.mark.needs("joined_queries")
async def test_columns_of_a_set_operation_and_of_a_class(database: Database, notes: Any) -> None:
    """Where the class is read by itself, beside or inside, its columns are its own."""
    texts = (
        select(notes.text)
        .filter(notes.text == "a")
        .union(select(notes.text).filter(notes.text == "b"))
    )
    last = exists(select(notes.id).where(notes.text == "f"))
    assert await read(database, texts.filter(last).order_by(notes.text)) == [("a",), ("b",)]
    joined = texts.join(notes, notes.text == "f").filter(notes.text == "f")
    assert len(await read(database, joined)) == 2


@pytest.mark.needs("joined_queries")
async def test_set_operations_of_decimals(database: Database, models: ModuleType) -> None:
    """Equal decimals are one row, whatever the query they come from."""
    everything = models.Everything
    async with Session.begin(database) as session:
        session.add_all([everything(price=Decimal("1.50")), everything(price=Decimal("2.00"))])
    prices = select(everything.price)

    found = await read(database, prices.union(prices).order_by(-everything.price))
    assert found == [(Decimal("2.00"),), (Decimal("1.50"),)]


@pytest.mark.needs("joined_queries")
async def test_set_operations_in_set_operations(database: Database, notes: Any) -> None:
    """Each call takes what was there as one: brackets are never needed."""
    texts = select(notes.text)
    one = texts.filter(notes.rank == 0).union(texts.filter(notes.rank == 1))
    query = one.except_(texts.filter(notes.text == "a")).union_all(texts.filter(notes.text == "b"))

    found = await read(database, query.order_by(notes.text))
    assert [text for (text,) in found] == ["b", "b", "c", "d"]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda m: select(m.Post), "same class"),
        (lambda m: select(m.Note.id), "same class"),
        (lambda m: select(m.Note).for_update(), "for_update"),
        (lambda _: "SELECT 1", "takes queries"),
    ],
)
async def test_objects_that_do_not_fit(models: ModuleType, other: Any, message: str) -> None:
    """A set operation of different things is refused before anything is sent."""
    with pytest.raises(QueryError, match=message):
        select(models.Note).union(other(models))


async def test_columns_that_do_not_fit(models: ModuleType) -> None:
    """Columns of a set operation are as many, and of one type."""
    note, book = models.Note, models.Book
    with pytest.raises(QueryError, match="2 columns"):
        select(note.id).union(select(note.id, note.rank))
    with pytest.raises(QueryError, match="type"):
        select(note.id).union(select(note.text))
    with pytest.raises(QueryError, match="type"):
        select(book.price).union(select(models.Everything.exact))
    with pytest.raises(QueryError, match="another query"):
        select(note.id).union()
    with pytest.raises(QueryError, match="for_update"):
        select(note).for_update().union(select(note))


@pytest.mark.needs("joined_queries")
async def test_no_locks_on_rows_of_a_query(database: Database, notes: Any, sent: Sent) -> None:
    """Rows of a set operation are no rows of a table, and cannot be locked."""
    async with Session(database) as session:
        query = session.find(notes).union(session.find(notes)).for_update()
        with pytest.raises(QueryError, match="rows of a query"):
            await query.to_list()
        await session.rollback()
    assert sent == []


# -- WITH and subqueries


@pytest.mark.needs("joined_queries")
async def test_cte(database: Database, notes: Any) -> None:
    """A named query is joined like a table; its columns are called as its rows call them."""
    counts = select(notes.rank, func.count().label("size")).group_by(notes.rank).cte("counts")
    query = (
        select(notes.text, counts.c.size)
        .join(counts, counts.c.rank == notes.rank)
        .filter(notes.text < "c")
        .order_by(notes.text)
    )
    assert await read(database, query) == [("a", 2), ("b", 2)]
    assert [column.column.attribute for column in counts.c] == ["rank", "size"]
    assert counts.c["size"] is counts.c.size
    with pytest.raises(UnknownFieldError, match="counts has no column 'nothing'"):
        _ = counts.c.nothing


@pytest.mark.needs("joined_queries")
async def test_cte_of_objects(database: Database, notes: Any) -> None:
    """Objects are read out of a named query by an alias of their class."""
    async with Session(database) as session:
        last = session.find(notes).order_by(-notes.text).limit(2).cte("last")
        note = aliased(notes, last)
        found = await session.find(note).order_by(note.text).to_list()

        assert [one.text for one in found] == ["e", "f"]
        assert found[0] is await session.get(notes, found[0].id)
        inner = session.find(notes, notes.rank == 1).subquery()
        other = aliased(notes, inner, "other")
        assert await session.find(other).select(other.text).order_by(other.text).values() == [
            "c",
            "d",
        ]


@pytest.mark.needs("joined_queries")
async def test_cte_twice(database: Database, notes: Any) -> None:
    """A query in WITH may be read twice, under another name, and by other queries in WITH."""
    low = select(notes.text, notes.rank).filter(notes.rank < 2).cte("low")
    again = low.alias("again")
    pairs = (
        select(low.c.text, again.c.text)
        .join(again, (again.c.rank == low.c.rank) & (again.c.text > low.c.text))
        .order_by(low.c.text)
    )
    total = select(func.count().label("total")).select_from(low).cte("total")

    assert await read(database, pairs) == [("a", "b"), ("c", "d")]
    assert await read(database, select(total.c.total)) == [(4,)]
    assert await read(
        database, select(low.c.text, total.c.total).join(total, low.c.text == "a")
    ) == [("a", 4)]


@pytest.mark.needs("joined_queries")
async def test_cte_in_conditions_and_writes(database: Database, notes: Any) -> None:
    """A query in WITH stands in conditions, of reads and of bulk statements."""
    low = select(notes.id, notes.rank).filter(notes.rank == 0).cte("low")
    async with Session(database) as session:
        found = session.find(notes, notes.id.in_(select(low.c.id)))
        assert await found.count() == 2
        assert (
            await session.find(notes, exists(select(low.c.id).where(low.c.id == notes.id))).count()
            == 2
        )
        change = update(notes).set({notes.rank: 7}).where(notes.id.in_(select(low.c.id)))
        assert await session.execute(change) == 2
        gone = delete(notes).where(notes.id.in_(select(low.c.id)))
        assert await session.execute(gone) == 0
        await session.rollback()


@pytest.mark.needs("joined_queries")
async def test_recursive_cte(database: Database, models: ModuleType) -> None:
    """A recursive query walks a tree down, and comes to an end on a circle with `union`."""
    node = models.Node
    async with Session.begin(database) as session:
        root = node(name="root")
        left, right = node(name="left", parent_id=root.id), node(name="right", parent_id=root.id)
        session.add_all([root, left, right, node(name="leaf", parent_id=left.id)])

    base = (
        select(node.id, node.name, (func.length(node.name) * 0).label("depth"))
        .filter(node.name == "root")
        .cte("tree", recursive=True)
    )
    step = select(node.id, node.name, base.c.depth + 1).join(base, node.parent_id == base.c.id)
    tree = base.union_all(step)

    query = select(tree.c.name, tree.c.depth).order_by(tree.c.depth, tree.c.name)
    assert await read(database, query) == [("root", 0), ("left", 1), ("right", 1), ("leaf", 2)]
    async with Session(database) as session:
        deep = session.find(node).join(tree, tree.c.id == node.id).filter(tree.c.depth > 0)
        assert sorted([n.name for n in await deep.to_list()]) == ["leaf", "left", "right"]

        numbers = select(models.Order.id).cte("numbers", recursive=True)
        session.add(models.Order(id=1))
        await session.flush()
        circle = numbers.union(
            select(case((numbers.c.id < 3, numbers.c.id + 1), else_=1)).select_from(numbers)
        )
        found = await session.execute(select(circle.c.id).order_by(circle.c.id))
        assert [row.id for row in found] == [1, 2, 3]
        await session.rollback()


@pytest.mark.needs("joined_queries")
async def test_recursive_cte_of_bounded_types(database: Database, models: ModuleType) -> None:
    """A recursive query may begin with a column of a length and go on with one that has none."""
    author, book = models.Author, models.Book
    async with Session.begin(database) as session:
        session.add(author(email="a@x", name="a"))
        await session.flush()
        (found,) = await session.find(author).to_list()
        session.add(book(author_id=found.id, title="t", price=Decimal("1.50")))

    base = select(author.email, book.price).join(book, book.author_id == author.id)
    begun = base.cte("grown", recursive=True)
    step = select(begun.c.email + "!", begun.c.price).filter(begun.c.email.not_in(["a@x!!"]))
    grown = begun.union_all(step)
    query = select(grown.c.email, grown.c.price).order_by(grown.c.email)
    assert await read(database, query) == [
        (text, Decimal("1.50")) for text in ("a@x", "a@x!", "a@x!!")
    ]


@pytest.mark.needs("joined_queries")
async def test_subquery(database: Database, notes: Any) -> None:
    """A query in FROM gives what a window or a group computed, to be filtered."""
    placed = select(
        notes.text, func.row_number().over(partition_by=notes.rank, order_by=-notes.text).label("n")
    ).subquery()

    query = select(placed.c.text).filter(placed.c.n == 1).order_by(placed.c.text)
    assert await read(database, query) == [("b",), ("d",), ("f",)]
    other = placed.alias()
    both = (
        select(placed.c.text, other.c.text)
        .join(other, other.c.n == placed.c.n)
        .filter(placed.c.text == "a", other.c.text != "a")
    )
    assert sorted(await read(database, both)) == [("a", "c"), ("a", "e")]


async def test_named_queries_that_are_refused(models: ModuleType) -> None:
    """What no store could make sense of is refused while the query is built."""
    note = models.Note
    named = select(note.id).cte("named")
    with pytest.raises(QueryError, match="plain identifier"):
        select(note.id).cte("a b")
    with pytest.raises(QueryError, match="plain identifier"):
        select(note.id).subquery('"; --')
    with pytest.raises(QueryError, match="plain identifier"):
        named.alias("1")
    with pytest.raises(QueryError, match="recursive=True"):
        named.union_all(select(note.id))
    with pytest.raises(QueryError, match="for_update"):
        select(note.id).for_update().cte("locked")
    with pytest.raises(QueryError, match=r"\*query.c"):
        select(named)  # type: ignore[call-overload]
    with pytest.raises(QueryError, match="aliased"):
        Session.find(None, named)  # type: ignore[arg-type]
    with pytest.raises(QueryError, match=r"does not give Note\.text"):
        aliased(note, named)
    with pytest.raises(QueryError, match="named query or a name"):
        aliased(note, 3)  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="one name"):
        aliased(note, "a", "b")
    with pytest.raises(QueryError, match=r"join named.alias\(\)"):
        select(named.c.id).join(named, named.c.id == named.c.id)
    begun = select(note.id).cte("begun", recursive=True)
    with pytest.raises(QueryError, match="2 columns"):
        begun.union_all(select(note.id, note.rank))
    with pytest.raises(QueryError, match="a step is a query"):
        begun.union_all("x")  # type: ignore[arg-type]
    whole = begun.union_all(select(note.id).join(begun, begun.c.id == note.id))
    with pytest.raises(QueryError, match="recursive=True"):
        whole.union_all(select(note.id))


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mysql"])
@pytest.mark.needs("joined_queries")
async def test_named_queries_that_hide_each_other(models: ModuleType, dialect: str) -> None:
    """A name in WITH stands for one query, and hides no table that is read."""
    note = models.Note
    one, other = select(note.id).cte("same"), select(note.rank).cte("same")
    with pytest.raises(QueryError, match="two queries in WITH"):
        select(one.c.id).filter(one.c.id.in_(select(other.c.rank))).compile(dialect)
    with pytest.raises(QueryError, match="hide the table"):
        hiding = select(note.id).cte(note.Settings.name)
        select(hiding.c.id).compile(dialect)
    begun = select(note.id).cte("begun", recursive=True)
    whole = begun.union_all(select(note.id).join(begun, begun.c.id == note.id))
    with pytest.raises(QueryError, match="two queries in WITH"):
        # What a recursive query begins with is not the whole of it.
        select(whole.c.id).filter(whole.c.id.in_(select(begun.c.id))).compile(dialect)
    inner = select(note.id).filter(models.Post.id == note.id).subquery()
    with pytest.raises(QueryError, match="Post is not part of this query"):
        select(models.Post.id).join(inner, inner.c.id == models.Post.id).compile(dialect)


# -- windows


@pytest.mark.needs("several_windows")
async def test_ranks(database: Database, notes: Any) -> None:
    """Rankings number rows, with and without gaps, each partition by itself."""
    by_rank = {"order_by": notes.rank}
    query = select(
        notes.text,
        func.row_number().over(partition_by=notes.rank, order_by=-notes.text).label("number"),
        func.rank().over(**by_rank).label("rank"),
        func.dense_rank().over(**by_rank).label("dense"),
        func.ntile(2).over(order_by=[notes.rank, notes.text]).label("half"),
        func.percent_rank().over(**by_rank).label("percent"),
        func.cume_dist().over(**by_rank).label("share"),
    ).order_by(notes.text)

    found = await read(database, query)
    assert [row[:5] for row in found] == [
        ("a", 2, 1, 1, 1), ("b", 1, 1, 1, 1), ("c", 2, 3, 2, 1),
        ("d", 1, 3, 2, 2), ("e", 2, 5, 3, 2), ("f", 1, 5, 3, 2),
    ]  # fmt: skip
    assert [row[5] for row in found] == pytest.approx([0, 0, 0.4, 0.4, 0.8, 0.8])
    assert [row[6] for row in found] == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3, 1, 1])


@pytest.mark.needs("lag_default")
async def test_neighbours(database: Database, notes: Any) -> None:
    """`lag` and `lead` look at rows before and behind, and give NULL or a default at the ends."""
    by_text = {"order_by": notes.text}
    query = select(
        func.lag(notes.text).over(**by_text).label("before"),
        func.lead(notes.text, 2).over(**by_text).label("after"),
        func.lag(notes.rank, 1, -1).over(**by_text).label("rank"),
        func.first_value(notes.text).over(**by_text).label("first"),
        func.last_value(notes.text).over(**by_text, rows=(None, None)).label("last"),
        func.nth_value(notes.text, 2).over(**by_text, rows=(None, None)).label("second"),
    ).order_by(notes.text)

    assert await read(database, query) == [
        (None, "c", -1, "a", "f", "b"), ("a", "d", 0, "a", "f", "b"), ("b", "e", 0, "a", "f", "b"),
        ("c", "f", 1, "a", "f", "b"), ("d", None, 1, "a", "f", "b"), ("e", None, 2, "a", "f", "b"),
    ]  # fmt: skip


@pytest.mark.needs("frame_groups")
async def test_frames(database: Database, notes: Any) -> None:
    """A frame says which rows around one belong to it: in rows, in values, or in groups."""
    query = select(
        func.count().over(order_by=notes.text, rows=(-1, 1)).label("rows"),
        func.sum(notes.rank).over(order_by=notes.rank, range_=(None, 0)).label("range"),
        func.count().over(order_by=notes.rank, range_=(-1, 0)).label("near"),
        func.count().over(order_by=notes.rank, groups=(1, None)).label("groups"),
        func.count().over().label("all"),
    ).order_by(notes.text)

    assert await read(database, query) == [
        (2, 0, 2, 4, 6), (3, 0, 2, 4, 6), (3, 2, 4, 2, 6),
        (3, 2, 4, 2, 6), (3, 6, 4, 0, 6), (2, 6, 4, 0, 6),
    ]  # fmt: skip


@pytest.mark.needs("lag_default")
async def test_windows_over_decimals(database: Database, models: ModuleType) -> None:
    """Moving sums and means of decimals are exact, and rows that leave a frame leave no trace."""
    everything = models.Everything
    prices = [Decimal("0.10"), Decimal("0.20"), None, Decimal("1.30")]
    async with Session.begin(database) as session:
        session.add_all([everything(number=n, price=price) for n, price in enumerate(prices)])

    query = select(
        func.sum(everything.price).over(order_by=everything.number, rows=(-1, 0)).label("sum"),
        func.avg(everything.price).over(order_by=everything.number).label("mean"),
        func.max(everything.price).over(order_by=everything.number).label("most"),
        func.rank().over(order_by=-everything.price.nulls_last().operand).label("rank"),
        func.lag(everything.price, 1, Decimal(5)).over(order_by=everything.number).label("before"),
    ).order_by(everything.number)
    rows = await read(database, query)
    assert [row[0] for row in rows] == [
        Decimal("0.10"), Decimal("0.30"), Decimal("0.20"), Decimal("1.30"),
    ]  # fmt: skip
    assert rows[3][1] == pytest.approx(Decimal(16) / Decimal(30), abs=Decimal("1e-11"))
    assert [row[2] for row in rows] == [
        Decimal("0.10"), Decimal("0.20"), Decimal("0.20"), Decimal("1.30"),
    ]  # fmt: skip
    assert [row[4] for row in rows] == [Decimal(5), Decimal("0.10"), Decimal("0.20"), None]


@pytest.mark.needs("joined_queries")
async def test_filtered_aggregates(database: Database, notes: Any) -> None:
    """An aggregate may look at some of the rows only, in groups and in windows."""
    query = select(
        func.count().filter(notes.rank > 0).label("some"),
        func.sum(notes.rank).filter(notes.text > "c", notes.text < "f").label("sum"),
        func.count(notes.rank).distinct().filter(notes.rank < 2).label("kinds"),
    )
    assert await read(database, query) == [(4, 3, 2)]

    window = func.count().filter(notes.text > "a").over(partition_by=notes.rank)
    found = await read(database, select(notes.text, window.label("n")).order_by(notes.text))
    assert [n for _, n in found] == [1, 1, 2, 2, 2, 2]


@pytest.mark.needs("joined_queries")
async def test_windows_in_conditions(database: Database, notes: Any) -> None:
    """A condition may ask for what a query with a window gives, at any depth."""
    last = func.first_value(notes.id).over(partition_by=notes.rank, order_by=-notes.text)
    async with Session(database) as session:
        found = session.find(notes, notes.id.in_(select(last))).order_by(notes.text)
        assert [note.text for note in await found.to_list()] == ["b", "d", "f"]
        placed = select(notes.id, func.row_number().over(order_by=notes.text).label("n")).subquery()
        second = exists(select(placed.c.id).where(placed.c.id == notes.id, placed.c.n == 2))
        assert [note.text for note in await session.find(notes, second).to_list()] == ["b"]
        with pytest.raises(QueryError, match="a filter"):
            await session.find(notes, last == 1).delete()
        with pytest.raises(QueryError, match="a filter"):
            await session.find(notes, last == 1).update({"rank": 1})


@pytest.mark.needs("joined_queries")
async def test_windows_that_are_refused(models: ModuleType) -> None:
    """A window that means nothing is refused, as it is built or as it is compiled."""
    note = models.Note
    cases: list[tuple[Any, str]] = [
        (lambda: func.lower(note.text).over(), "looks at one row"),
        (lambda: func.lower(note.text).filter(note.rank > 1), "no aggregate"),
        (lambda: func.row_number().filter(note.rank > 1), "no aggregate"),
        (lambda: func.count(note.rank).distinct().over(), "distinct"),
        (lambda: func.count().over().over(), "has its window"),
        (lambda: func.count().over().filter(note.rank > 1), "comes before over"),
        (lambda: func.count(note.id).over().distinct(), "comes before over"),
        (lambda: func.count().over(rows=(-1, 0), groups=(0, 0)), "exclude each other"),
        (lambda: func.count().over(rows=(1, 0)), "ends before"),
        (lambda: func.count().over(rows=(2**40, None)), "at most"),
        (lambda: func.count().over(rows=(True, 1)), "pair of whole numbers"),
        (lambda: func.count().over(rows=3), "pair of whole numbers"),  # type: ignore[arg-type]
        (lambda: func.count().over(groups=(-1, 0)), "order_by is needed"),
        (lambda: func.count().over(order_by=3), "takes expressions"),  # type: ignore[arg-type]
        (lambda: func.count().over(partition_by="x"), "takes expressions"),  # type: ignore[arg-type]
        (lambda: func.ntile(0), "1 at least"),
        (lambda: func.lag(note.text, -1), "0 at least"),
        (lambda: select(func.rank()).compile("sqlite"), "needs .over"),
        (lambda: select(note).filter(func.count().over() > 1).compile("sqlite"), "a filter"),
        (
            lambda: (select(note.rank).group_by(note.rank).having(func.rank().over() > 1)).compile(
                "postgresql"
            ),
            "having",
        ),
    ]
    for wrong, message in cases:
        with pytest.raises(QueryError, match=message):
            wrong()


# -- what has parameters, twice


@pytest.mark.needs("grouped_expressions")
async def test_group_by_what_is_written_twice(database: Database, models: ModuleType) -> None:
    """An expression with a value in it may be written anew in GROUP BY, ORDER BY and HAVING."""
    everything = models.Everything
    async with Session.begin(database) as session:
        session.add_all([everything(number=number) for number in (None, 0, 1, 1)])
        await session.flush()
        grouped = session.find(everything).group_by(func.coalesce(everything.number, 0))
        query = grouped.order_by(func.coalesce(everything.number, 0)).having(
            func.coalesce(everything.number, 0) >= 0
        )
        found = await query.select(func.coalesce(everything.number, 0), func.count()).to_list()
        assert [tuple(row) for row in found] == [(0, 2), (1, 2)]

        distinct = session.find(everything).select(func.coalesce(everything.number, 0)).distinct()
        assert await distinct.order_by(func.coalesce(everything.number, 0)).values() == [0, 1]


# -- INSERT .. SELECT, and conflicts


@pytest.mark.needs("joined_queries")
async def test_insert_from_select(database: Database, models: ModuleType, sent: Sent) -> None:
    """Rows are made of rows in the store; defaults that are one value for all of them apply."""
    author, note = models.Author, models.Note
    async with Session.begin(database) as session:
        session.add_all([note(text=text, rank=n) for n, text in enumerate("ab")])
        await session.flush()
        sent.clear()
        query = select(note.text + "@x.org", note.text, note.rank)
        statement = insert(author).from_select([author.email, "name", author.age], query)
        assert await session.execute(statement) == 2
        assert len(sent.text("INSERT").splitlines()) == 1

        made = await session.find(author).order_by(author.email).to_list()
        assert [(a.email, a.name, a.age, a.version, a.tags) for a in made] == [
            ("a@x.org", "a", 0, 1, []),
            ("b@x.org", "b", 1, 1, []),
        ]
        assert all(a.joined is not None for a in made)


@pytest.mark.needs("joined_queries", "returning_insert")
async def test_insert_from_select_of_all_kinds(database: Database, models: ModuleType) -> None:
    """The query may be for objects, a set operation, read from WITH, or the table itself."""
    note, post, order = models.Note, models.Post, models.Order
    async with Session(database) as session:
        session.add_all([note(text=text, rank=n) for n, text in enumerate("abc")])
        await session.flush()
        few = select(note.text, note.rank).filter(note.rank > 0).cte("few")
        fields = [note.text, note.rank]
        assert (
            await session.execute(
                insert(note).from_select(fields, select(few.c.text, few.c.rank + 10))
            )
            == 2
        )
        both = select(note.text, note.rank).union(select(note.text, note.rank + 100))
        assert await session.execute(insert(note).from_select(fields, both)) == 10
        session.add_all([order(id=7), order(id=8)])
        await session.flush()
        rows = await session.execute(
            insert(post)
            .from_select([post.id, post.text], select(order).order_by(order.id))
            .returning(post.id, post.text)
        )
        assert sorted(tuple(row) for row in rows) == [(7, "somebody"), (8, "somebody")]
        await session.rollback()


@pytest.mark.needs("joined_queries")
async def test_insert_from_select_with_conflicts(database: Database, models: ModuleType) -> None:
    """Rows that are there already are changed, or left, as with values."""
    order, post = models.Order, models.Post
    async with Session(database) as session:
        session.add_all([order(id=1, customer="a"), order(id=2, customer="b")])
        session.add(post(id=1, text="old"))
        await session.flush()
        query = select(order.id, order.customer)
        begun = insert(post).from_select([post.id, post.text], query)
        await session.execute(begun.on_conflict(post.id).nothing())
        assert await session.find(post).order_by(post.id).select(post.text).values() == ["old", "b"]
        new = post.text + excluded(post.text)
        await session.execute(begun.on_conflict(post.id).update({post.text: new}))
        assert await session.find(post).order_by(post.id).select(post.text).values() == [
            "olda",
            "bb",
        ]
        await session.rollback()


@pytest.mark.needs("joined_queries", "composite_keys")
async def test_inserts_from_select_that_are_refused(models: ModuleType) -> None:
    """Fields and columns have to fit, and what a row needs has to come from the query."""
    author, note, book, line = models.Author, models.Note, models.Book, models.Line
    cases: list[tuple[Any, str]] = [
        (lambda: insert(note).from_select(["text"], select(note.text, note.rank)), "1 fields"),
        (lambda: insert(note).from_select([], select(note.text)), "0 fields"),
        (lambda: insert(note).from_select("text", select(note.text)), "a list of fields"),
        (lambda: insert(note).from_select(["text"], "x"), "takes a query"),  # type: ignore[arg-type]
        (lambda: insert(note).from_select(["text", note.text], select(note.text)), "twice"),
        (lambda: insert(note).from_select(["nothing"], select(note.text)), "no field"),
        (lambda: insert(note).from_select(["rank"], select(note.text)), "rank"),
        (lambda: insert(author).from_select(["email"], select(note.text)), "Author.name is req"),
        (
            lambda: insert(book).from_select(["author_id", "title"], select(note.rank, note.text)),
            "Book.id has a value of its own",
        ),
        (
            lambda: insert(line).from_select(
                ["order_id", "no", "total"], select(note.id, note.id, note.id)
            ),
            "generated",
        ),
        (lambda: insert(note, text="x").from_select(["text"], select(note.text)), "instead of"),
    ]
    for wrong, message in cases:
        with pytest.raises(QueryError, match=message):
            wrong()


@pytest.mark.needs("quiet_conflicts")
async def test_conflict_with_a_named_key(database: Database, models: ModuleType) -> None:
    """A unique key is named by its columns, or by its name in the mapping."""
    seat = models.Seat
    (index,) = [index for index in seat._uow_mapper.indexes if index.unique]
    async with Session(database) as session:
        session.add(seat(id=1, row="a", number=1))
        await session.flush()
        again = insert_many(seat, [{"id": 2, "row": "a", "number": 1}])
        by_name = again.on_conflict(constraint=index.name)
        assert await session.execute(by_name.nothing()) == 0
        assert await session.execute(again.on_conflict("number", "row").nothing()) == 0
        await session.execute(by_name.update({seat.number: excluded(seat.number) + 1}))
        assert await session.find(seat).select(seat.number).values() == [2]
        await session.rollback()
    cases: list[tuple[Any, str]] = [
        (lambda: again.on_conflict(constraint="nothing"), "no unique key 'nothing'"),
        (lambda: again.on_conflict(seat.row, constraint=index.name), "instead of columns"),
        (lambda: again.on_conflict(seat.row), "no key and not unique"),
        (lambda: again.on_conflict(seat.id, where="id > 1"), "for these rows"),
        (lambda: again.on_conflict(where="id > 1"), "goes with the columns"),
    ]
    for wrong, message in cases:
        with pytest.raises(QueryError, match=message):
            wrong()


@pytest.mark.needs("joined_queries")
async def test_values_in_composed_queries_are_bound(
    database: Database, notes: Any, sent: Sent
) -> None:
    """Wherever a value stands, it is a parameter, in the order of the text."""
    texts = ["'; --", "b", "c", "d"]
    parts = [select(notes.text).filter(notes.text == text) for text in texts]
    named = parts[0].union(parts[1], parts[2]).cte("named")
    query = select(named.c.text).filter(named.c.text != texts[3]).order_by(named.c.text)

    assert await read(database, query) == [("b",), ("c",)]
    assert list(query.compile(database.dialect.name).parameters) == texts
    assert texts[0] not in sent.text("WITH")
