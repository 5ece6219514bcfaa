"""`fan_out`: reads at the same time, into one session (U9)."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.contract.sent import Sent
from uow import (
    Database,
    QueryError,
    Session,
    func,
    sql,
    update,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def stored(database: Database, models: ModuleType) -> Database:
    """A database with notes and orders."""
    async with Session.begin(database) as session:
        session.add_all([models.Note(text=str(n), rank=n) for n in range(10)])
        session.add_all([models.Order(id=n) for n in range(5)])
    return database


async def test_results_in_order(stored: Database, models: ModuleType, sent: Sent) -> None:
    """A list a query, in the order of the queries; objects and rows alike."""
    async with Session(stored) as session:
        notes, orders, counts = await session.fan_out(
            session.find(models.Note).order_by(-models.Note.rank),
            session.find(models.Order, models.Order.id > 2).order_by(models.Order.id),
            session.find(models.Note).select(func.count().label("n")),
        )

        assert [note.rank for note in notes] == list(range(9, -1, -1))
        assert [order.id for order in orders] == [3, 4]
        assert counts[0].n == 10
        assert sent.words == ["SELECT"] * 3
        assert stored.pool.stats.in_use == 0
        assert await session.fan_out() == []


async def test_objects_join_the_session(stored: Database, models: ModuleType) -> None:
    """Objects join this identity map: one object a row, whichever query read it."""
    async with Session(stored) as session:
        known = await session.find(models.Note, models.Note.rank == 3).one()
        known.text = "mine"
        first, second = await session.fan_out(
            session.find(models.Note), session.find(models.Note, models.Note.rank == 3)
        )

        assert second == [known]
        assert known in first
        assert known.text == "mine"
        assert set(first) <= set(session)
        first[0].text = "changed"

        assert session.dirty == {known, first[0]}
        await session.rollback()


async def test_refused_after_writes(stored: Database, models: ModuleType, sent: Sent) -> None:
    """Other connections do not see what the transaction wrote, so it is refused by name."""
    async with Session(stored) as session:
        note = models.Note(text="new")
        session.add(note)
        await session.flush()
        sent.clear()
        with pytest.raises(QueryError, match="commit"):
            await session.fan_out(session.find(models.Note))

        assert sent == []
        await session.commit()
        (found,) = await session.fan_out(session.find(models.Note))

        assert note in found
        await session.execute(update(models.Note).set(rank=0).all())
        with pytest.raises(QueryError):
            await session.fan_out(session.find(models.Note))
        await session.rollback()


async def test_in_a_transaction_that_only_read(stored: Database, models: ModuleType) -> None:
    """In a transaction that wrote nothing it may run."""
    async with Session.begin(stored) as session:
        await session.find(models.Note).to_list()
        notes, orders = await session.fan_out(session.find(models.Note), session.find(models.Order))

        assert (len(notes), len(orders)) == (10, 5)


async def test_unflushed_changes_do_not_matter(stored: Database, models: ModuleType) -> None:
    """Changes that were never flushed are in memory only, as with any other read."""
    async with Session(stored) as session:
        session.add(models.Note(text="new"))
        (found,) = await session.fan_out(session.find(models.Note))

        assert len(found) == 10
        await session.rollback()


async def test_error_of_one_query(stored: Database, models: ModuleType) -> None:
    """The error of one query is raised as it is; every connection comes back."""
    async with Session(stored) as session:
        broken = session.find(models.Note).select(func.no_such_function(models.Note.rank))
        with pytest.raises(Exception, match="no_such_function") as caught:
            await session.fan_out(session.find(models.Note), broken, session.find(models.Order))

        assert type(caught.value).__module__ == "uow.errors"
        assert stored.pool.stats.in_use == 0
        assert await session.find(models.Note).count() == 10


async def test_more_queries_than_connections(stored: Database, models: ModuleType) -> None:
    """More queries than connections wait their turn."""
    async with Session(stored) as session:
        queries = [session.find(models.Note, models.Note.rank == n % 10) for n in range(40)]
        found = await session.fan_out(*queries)

        assert [notes[0].rank for notes in found] == [n % 10 for n in range(40)]


@pytest.mark.needs("sql")
async def test_what_is_no_query(stored: Database, models: ModuleType, sent: Sent) -> None:
    """Only queries can be fanned out."""
    async with Session(stored) as session:
        for wrong in (models.Note, sql("SELECT 1"), "SELECT 1"):
            with pytest.raises(QueryError):
                await session.fan_out(wrong)  # type: ignore[arg-type]
    assert sent == []
