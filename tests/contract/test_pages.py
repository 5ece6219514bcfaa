"""Pages by key, plans, and locks of more kinds than one (Q7)."""

from __future__ import annotations

import base64
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

from tests.contract.sent import Sent
from uow import (
    ConstraintError,
    Database,
    LockTimeoutError,
    Page,
    QueryError,
    Session,
    StaleObjectError,
    aliased,
    case,
    func,
    insert,
    select,
    sql,
    update,
)

pytestmark = pytest.mark.anyio

Build = Callable[[Any], Any]


@pytest.fixture
async def table(database: Database, models: ModuleType) -> Any:
    """Sixty rows with few different values, NULLs among them."""
    pick = random.Random(7)
    made = [
        models.Everything(
            number=pick.choice([None, 1, 2, 3]),
            text=pick.choice([None, "", "a", "B", "ä"]),
            price=pick.choice([None, Decimal("1.50"), Decimal("10.25"), Decimal(-3)]),
            ratio=pick.choice([None, 0.1, 2.5, -1e300]),
            flag=pick.choice([None, True, False]),
            day=pick.choice([None, date(2024, 1, 2), date(1999, 12, 31)]),
            moment=pick.choice([None, datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC)]),
            span=pick.choice([None, timedelta(days=1, microseconds=3), timedelta(seconds=-5)]),
            key=pick.choice([None, UUID(int=5), UUID(int=2**127)]),
            colour=pick.choice([None, *models.Colour]),
            level=pick.choice([None, *models.Level]),
            data=pick.choice([None, b"", b"\x00\xff"]),
        )
        for _ in range(60)
    ]
    async with Session.begin(database) as session:
        session.add_all(made)
    return models.Everything


async def forward(query: Any, size: int) -> list[Any]:
    """All rows of a query, page by page."""
    found: list[Any] = []
    cursor = None
    while True:
        page = await query.page(size, after=cursor)
        assert len(page.items) <= size
        assert (page.previous is None) == (cursor is None)
        found += page.items
        if page.next is None:
            return found
        assert len(page.items) == size
        cursor = page.next


async def backward(query: Any, size: int) -> list[Any]:
    """The same, from the last page to the first."""
    page = await query.page(10_000)
    if len(page.items) < 2:
        return list(page.items)
    last = await query.page(len(page.items) - 1)
    tail = await query.page(10_000, after=last.next)
    found = list(tail.items)
    cursor = tail.previous
    while cursor is not None:
        page = await query.page(size, before=cursor)
        assert page.next is not None
        found = [*page.items, *found]
        cursor = page.previous
    return found


ORDERS: dict[str, Build] = {
    "none": lambda _: [],
    "key": lambda e: [-e.id],
    "nullable": lambda e: [e.number],
    "nullable-descending": lambda e: [-e.number],
    "nulls-first": lambda e: [e.number.nulls_first(), e.text.desc().nulls_first()],
    "nulls-last": lambda e: [e.number.nulls_last(), e.text.desc().nulls_last()],
    "mixed": lambda e: [-e.number, e.text, -e.price],
    "key-between": lambda e: [e.flag, -e.id, e.number],
    "expression": lambda e: [-(e.number + 1), func.coalesce(e.text, "z")],
    "label": lambda e: [func.coalesce(e.number, 9).label("n")],
    "case": lambda e: [case((e.number > 1, "big"), else_="small").desc()],
    "decimals": lambda e: [e.price, -e.ratio],
    "times": lambda e: [e.day, -e.moment, e.span],
    "kinds": lambda e: [e.key, -e.colour, e.level, e.data],
}


@pytest.mark.parametrize("name", ORDERS)
async def test_pages_are_the_whole(database: Database, table: Any, name: str) -> None:
    """Pages, put together, are what the query gives at once, forward and backward."""
    terms = ORDERS[name](table)
    async with Session(database) as session:
        query = session.find(table).order_by(*terms)
        total = query if name == "key" else query.order_by(table.id)
        expected = [one.id for one in await total.to_list()]
        assert len(expected) == 60
        for size in (1, 7, 60):
            assert [one.id for one in await forward(query, size)] == expected
        assert [one.id for one in await backward(query, 7)] == expected
        rows = query.select(table.text, table.id)
        assert [row.id for row in await forward(rows, 13)] == expected


@pytest.mark.needs("numbered_keys")
async def test_page_is_typed_and_says_its_ends(database: Database, table: Any) -> None:
    """A page has items and cursors; there is none where nothing follows."""
    async with Session(database) as session:
        query = session.find(table).order_by(table.id)
        first = await query.page(size=50)
        assert isinstance(first, Page)
        assert first.previous is None
        second = await query.page(size=50, after=first.next)
        assert (len(first.items), len(second.items), second.next) == (50, 10, None)
        again = await query.page(size=50, before=second.previous)
        assert again.items == first.items
        assert (again.previous, again.next is None) == (None, False)
        nothing = await query.filter(table.id < 0).page(size=50)
        assert nothing == Page([], None, None)
        exact = await query.limit(None).page(size=60)
        assert exact.next is None


async def test_pages_while_rows_come_and_go(database: Database, models: ModuleType) -> None:
    """Rows that come or go before a place neither hide nor repeat what follows it."""
    order = models.Order
    async with Session.begin(database) as session:
        session.add_all([order(id=n) for n in range(10, 20)])
    async with Session(database) as session:
        query = session.find(order).order_by(order.id)
        page = await query.page(5)
        async with Session.begin(database) as other:
            other.add_all([order(id=1), order(id=2)])
            other.delete(await other.get_one(order, 14))  # the very row of the cursor
        page = await query.page(5, after=page.next)

        assert [one.id for one in page.items] == [15, 16, 17, 18, 19]


async def test_place_is_what_the_store_holds(database: Database, table: Any) -> None:
    """A change in memory that is not flushed moves no page."""
    async with Session(database) as session:
        query = session.find(table).order_by(table.id)
        page = await query.page(5)
        expected = [one.id for one in (await query.page(5, after=page.next)).items]
        ordered = session.find(table, table.number.is_not_null()).order_by(table.number)
        first = await ordered.page(5)
        for one in first.items:
            one.number = 99
        second = await ordered.page(5, after=first.next)

        assert not {one.id for one in first.items} & {one.id for one in second.items}
        assert [one.id for one in (await query.page(5, after=page.next)).items] == expected
        await session.rollback()


@pytest.mark.needs("joined_queries")
async def test_pages_of_joins(database: Database, models: ModuleType) -> None:
    """Rows of a join are told apart by the keys of all tables, also where one is missing."""
    note, post = models.Note, models.Post
    async with Session.begin(database) as session:
        session.add_all([note(text=text) for text in "abc"])
        await session.flush()
        notes = await session.find(note).order_by(note.text).to_list()
        session.add_all(
            [post(id=n, note_id=notes[n % 2].id, text=str(n % 3)) for n in range(1, 12)]
        )
    async with Session(database) as session:
        joined = session.find(note).join(post, post.note_id == note.id, outer=True)
        query = joined.order_by(-note.text).select(note.text, post.id)
        found = await forward(query, 3)
        assert len(found) == 12
        assert found[0] == ("c", None)
        assert Counter(found) == Counter(await query.to_list())
        assert await backward(query, 4) == found
        objects = await forward(joined.order_by(post.text), 5)
        assert len(objects) == 12


async def test_pages_of_groups(database: Database, table: Any) -> None:
    """Groups and distinct rows are paged by what makes each row one."""
    async with Session(database) as session:
        found = session.find(table)
        groups = (
            found.group_by(table.number, table.flag)
            .order_by(-func.count())
            .select(table.number, table.flag, func.count().label("n"))
        )
        everything = await groups.to_list()
        paged = await forward(groups, 4)
        assert Counter(paged) == Counter(everything)
        assert [row.n for row in paged] == sorted([row.n for row in everything], reverse=True)

        distinct = found.select(table.number, table.text).distinct().order_by(-table.text)
        paged = await forward(distinct, 4)
        assert len(paged) == len(set(paged)) == len(await distinct.to_list())

        label = func.coalesce(table.number, 9).label("n")
        labelled = found.select(label, table.flag).distinct().order_by(-label)
        assert len(await forward(labelled, 2)) == len(await labelled.to_list())


@pytest.mark.needs("joined_queries")
async def test_pages_of_joins_and_sets(database: Database, table: Any) -> None:
    """Distinct objects of joins, and set operations, are paged by what makes each row one."""
    async with Session(database) as session:
        found = session.find(table)
        other = aliased(table)
        once = found.join(other, other.id < 4).distinct().order_by(-table.number)
        assert len(await forward(once, 17)) == 60

        low, high = found.filter(table.number < 3), found.filter(table.number > 1)
        union = low.union(high).order_by(-table.number)
        paged = await forward(union, 6)
        assert len(paged) == len({one.id for one in paged}) == await union.count()
        rows = found.select(table.number, table.flag).union(found.select(table.id, table.flag))
        paged = await forward(rows.order_by(-table.number), 5)
        assert Counter(paged) == Counter(await rows.to_list())

        first = found.order_by(table.id).limit(10).cte("first")
        one = aliased(table, first)
        assert len(await forward(session.find(one).order_by(-one.number), 3)) == 10


@pytest.mark.needs("numbered_keys")
async def test_cursors_of_other_queries(database: Database, table: Any, models: Any) -> None:
    """A cursor of another order, or one that was changed on the way, is refused."""
    async with Session(database) as session:
        query = session.find(table).order_by(table.number)
        cursor = (await query.page(5)).next
        assert cursor is not None
        data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        damaged = base64.urlsafe_b64encode(data[:-2] + b"9]").decode().rstrip("=")
        others = [
            session.find(table).order_by(-table.number),
            session.find(table).order_by(table.number.nulls_first()),
            session.find(table).order_by(table.text),
            session.find(table).order_by(table.number, table.text),
            session.find(table).order_by(table.number + 1),
            session.find(models.Note),
            session.find(aliased(table)),
            query.select(table.id),
        ]
        for other in others:
            with pytest.raises(QueryError, match="not of this query"):
                await other.page(5, after=cursor)
        for wrong in ("", "x", "!!!", "ä", cursor[:-3], damaged, "A" * 70_000):
            with pytest.raises(QueryError, match="not of this query"):
                await query.page(5, after=wrong)
            with pytest.raises(QueryError, match="not of this query"):
                await query.page(5, before=wrong)
        with pytest.raises(QueryError, match="not a int"):
            await query.page(5, after=3)  # type: ignore[arg-type]
        with pytest.raises(QueryError, match="one cursor"):
            await query.page(5, after=cursor, before=cursor)
        assert (await query.filter(table.id > 0).page(5, after=cursor)).items


async def test_pages_that_are_refused(database: Database, table: Any, sent: Sent) -> None:
    """What cannot be paged, or not in the same order everywhere, is refused before it is sent."""
    async with Session(database) as session:
        query = session.find(table)
        named = select(table.id, table.number).subquery()
        cases: list[tuple[Any, int, str]] = [
            (query, 0, "one at least"),
            (query, True, "one at least"),
            (query.limit(5), 5, "its own limit"),
            (query.offset(5), 5, "its own limit"),
            (query.order_by(table.document), 5, "cast"),
            (query.order_by(table.document["a"]), 5, "cast"),
            (query.order_by(table.numbers), 5, "cast"),
            (query.order_by(func.soundex(table.text)), 5, "cast"),
            (query.order_by(func.rank().over(order_by=table.text)), 5, "window"),
            (query.distinct().order_by(func.lower(table.text)), 5, "distinct"),
            (query.select(table.id).distinct().order_by(table.text), 5, "distinct"),
            (query.union_all(query), 5, "union_all"),
            (query.select(table.id).union_all(query.select(table.id)), 5, "union_all"),
            (query.join(named, named.c.id == table.id), 5, "no key"),
        ]
        for wrong, size, message in cases:
            with pytest.raises(QueryError, match=message):
                await wrong.page(size)
    assert sent == []


async def test_pages_of_json_with_a_cast(database: Database, table: Any) -> None:
    """A place in a document has an order once its type is said."""
    async with Session(database) as session:
        made = await session.find(table).to_list()
        for n, one in enumerate(made):
            one.document = {"n": n % 5} if n % 7 else None
        await session.commit()
        query = session.find(table).order_by(table.document["n"].cast(int))

        assert len({one.id for one in await forward(query, 8)}) == 60


# -- plans


@pytest.mark.needs("verbs")
async def test_explain(database: Database, models: ModuleType) -> None:
    """The plan of a query is a text that names what is read; nothing is run for it."""
    note = models.Note
    async with Session(database) as session:
        plan = await session.find(note, note.text == "it's").order_by(note.rank).explain()
        assert "notes" in plan
        assert await note.find(note.id > 3).explain()
        rows = session.find(note).select(note.text)
        assert "notes" in await rows.explain()
        assert "notes" in await session.explain(select(note).filter(note.rank == 1))
        await session.explain(insert(note, text="x"))  # SQLite has nothing to plan there
        assert await session.explain(update(note).set(rank=1).where(note.id == 1))
        assert await session.find(note).count() == 0


@pytest.mark.needs("sql")
async def test_explain_analyze(database: Database, models: ModuleType) -> None:
    """`analyze` runs the query where the store can tell what it took; never one that writes."""
    note = models.Note
    async with Session(database) as session:
        query = session.find(note, note.rank == 1)
        if database.dialect.capabilities.explain_analyze:
            plan = await query.explain(analyze=True)
            assert "actual" in plan or "r_rows" in plan
        else:
            with pytest.raises(QueryError, match="analyze"):
                await query.explain(analyze=True)
        with pytest.raises(QueryError, match="writes"):
            await session.explain(update(note).set(rank=1).all(), analyze=True)
        with pytest.raises(QueryError, match="EXPLAIN yourself"):
            await session.explain(sql("SELECT 1"))
        with pytest.raises(QueryError, match="query or a statement"):
            await session.explain("SELECT 1")  # type: ignore[arg-type]


# -- streams and locks


@pytest.mark.needs("numbered_keys")
async def test_stream_of_a_query(database: Database, table: Any) -> None:
    """A query streams objects and rows in batches of any size."""
    async with Session(database) as session:
        query = session.find(table).order_by(table.id)
        for size in (1, 7, 500):
            async with query.stream(batch_size=size) as found:
                assert len([one.id async for one in found]) == 60
            async with query.select(table.id).stream(batch_size=size) as rows:
                assert len({row.id async for row in rows}) == 60
        named = session.find(table, table.id > 0).cte("named")
        other = aliased(table, named)
        both = session.find(other).union(session.find(table)).order_by(other.id)
        async with both.stream(batch_size=11) as found:
            assert len([one.id async for one in found]) == 60
        with pytest.raises(QueryError, match="one at least"):
            query.stream(batch_size=0)


@pytest.mark.needs("lock_of")
async def test_locks_of_several_kinds(database: Database, models: ModuleType) -> None:
    """Locks on some tables only, and weaker locks, are taken where the store has them."""
    note, post = models.Note, models.Post
    async with Session.begin(database) as session:
        session.add(note(text="a"))
        await session.flush()
        session.add(post(id=1, note_id=(await session.find(note).one()).id))
        await session.flush()
        query = session.find(post).join(note, note.id == post.note_id, outer=True)
        assert len(await query.for_update(of=post).to_list()) == 1
        assert len(await query.for_update(of=[post], read=True).to_list()) == 1
    with pytest.raises(QueryError, match="Note, which is not read here"):
        session.find(post).for_update(of=note)
    with pytest.raises(QueryError, match="exclude each other"):
        session.find(post).for_update(nowait=True, skip_locked=True)
    with pytest.raises(QueryError, match="not a mapped class"):
        session.find(post).for_update(of=3)  # type: ignore[arg-type]


@pytest.mark.needs("lock_of", "key_locks")
async def test_locks_that_leave_keys_alone(database: Database, models: ModuleType) -> None:
    """Others may still refer to rows that are locked so."""
    post = models.Post
    async with Session.begin(database) as session:
        session.add(post(id=1))
        await session.flush()
        query = session.find(post)
        assert len(await query.for_update(of=post, key_share=True).to_list()) == 1
        assert len(await query.for_update(of=post, read=True, key_share=True).to_list()) == 1


@pytest.mark.needs("two_connections")
@pytest.mark.needs("lock_of")
async def test_what_a_lock_brings_up_to_date(database: Database, models: ModuleType) -> None:
    """Objects are read again where their own rows are locked, and left alone elsewhere."""
    note, post = models.Note, models.Post
    async with Session.begin(database) as session:
        session.add(note(text="a"))
        await session.flush()
        session.add(post(id=1, note_id=(await session.find(note).one()).id, text="old"))
    async with Session(database) as session:
        found = await session.get_one(post, 1)
        async with Session.begin(database) as other:
            (await other.get_one(post, 1)).text = "new"
        query = session.find(post).join(note, note.id == post.note_id)
        await query.for_update(of=note).to_list()
        assert found.text == "old"
        page = await query.for_update(of=[note, post]).page(5)
        assert page.items == [found]
        assert found.text == "new"
        await session.rollback()


@pytest.mark.needs("sql")
async def test_stale_object_under_a_lock(database: Database, models: ModuleType) -> None:
    """A lock on a row whose version has moved under a changed object says so, in a page too."""
    author = models.Author
    async with Session.begin(database) as session:
        session.add(author(email="a", name="a"))
    async with Session(database) as session:
        found = await session.find(author).one()
        found.name = "mine"
        await session.execute(sql("UPDATE authors SET version = version + 1"))
        with pytest.raises(StaleObjectError):
            await session.find(author).for_update().page(5)
        await session.rollback()


@pytest.mark.needs("row_locks")
async def test_row_locks(database: Database, models: ModuleType) -> None:
    """`nowait` fails at once, `skip_locked` leaves out, and shared locks go together."""
    order = models.Order
    async with Session.begin(database) as session:
        session.add_all([order(id=1), order(id=2)])
    async with Session(database) as one, Session(database) as other:
        await one.find(order, order.id == 1).for_update().to_list()
        free = await other.find(order).for_update(skip_locked=True).to_list()
        assert [found.id for found in free] == [2]
        with pytest.raises(LockTimeoutError):
            await other.find(order).for_update(nowait=True).to_list()
        await one.rollback()
        await other.rollback()
        shared = one.find(order, order.id == 1).for_update(read=True)
        assert len(await shared.to_list()) == 1
        assert len(await other.find(order).for_update(read=True, nowait=True).to_list()) == 2
        with pytest.raises(LockTimeoutError):
            await other.find(order).for_update(nowait=True).to_list()
        await one.rollback()
        await other.rollback()


@pytest.mark.needs("partial_indexes")
async def test_conflict_with_a_partial_index(database: Database, models: ModuleType) -> None:
    """A unique index over some rows is met by those rows, and by no others."""
    ticket = models.Ticket
    async with Session(database) as session:
        session.add_all([ticket(id=1, code="a", is_open=True), ticket(id=2, code="a")])
        await session.flush()
        again = insert(ticket, id=3, code="a", is_open=True).on_conflict(ticket.code)
        assert await session.execute(again.nothing()) == 0
        await session.execute(again.update({ticket.note: "seen"}))
        notes = session.find(ticket).order_by(ticket.id).select(ticket.note)
        assert await notes.values() == ["seen", ""]
        assert (
            await session.execute(
                insert(ticket, id=4, code="a").on_conflict(ticket.code, where="is_open").nothing()
            )
            == 1
        )
        with pytest.raises(ConstraintError):
            await session.execute(insert(ticket, id=5, code="a", is_open=True))
        await session.rollback()
