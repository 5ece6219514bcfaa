"""What statements may name and set, and what their errors tell (Q3, Q4, U5)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest

from tests.contract.sent import Sent, rows
from uow import (
    ConstraintError,
    Database,
    ObjectStateError,
    Outcome,
    Phase,
    QueryError,
    Session,
    StaleObjectError,
    State,
    ValidationError,
    excluded,
    func,
    insert,
    insert_many,
    literal,
    sql,
    state,
    update,
)
from uow.types import Integer, Numeric

pytestmark = pytest.mark.anyio


# -- the optimistic lock


@pytest.mark.needs("numbered_keys")
async def test_statements_do_not_set_the_version(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """U5: nobody takes a lock back to a version that others have read."""
    author = models.Author
    async with Session(database) as session:
        given = insert(author, email="a@x.org", name="a").on_conflict(author.email)
        attempts: list[Callable[[], Any]] = [
            lambda: update(author).set({author.version: 1}),
            lambda: update(author).set(version=author.version),
            lambda: given.update(author.version),
            lambda: given.update({author.version: excluded(author.version)}),
        ]
        for attempt in attempts:
            with pytest.raises(QueryError, match=r"Author\.version is counted up"):
                attempt()
        with pytest.raises(QueryError, match=r"Author\.version is counted up"):
            await session.find(author, author.id == 1).update({author.version: 1})
    assert not sent


async def test_an_upsert_counts_the_stored_version_up(
    database: Database, models: ModuleType
) -> None:
    """U5: a version that is given is that of a new row; one that is there goes on from its own."""
    author = models.Author
    async with Session.begin(database) as session:
        session.add(author(email="a@x.org", name="old", version=5))
    async with Session(database) as reader, Session(database) as writer:
        mine = await reader.find(author).one()
        given = [{"email": f"{e}@x.org", "name": "new", "version": 5} for e in "ab"]
        await writer.execute(insert_many(author, given).on_conflict(author.email).update())
        await writer.commit()

        found = await rows(database, author.email, author.name, author.version)
        assert found == [("a@x.org", "new", 6), ("b@x.org", "new", 5)]
        mine.name = "mine"
        with pytest.raises(StaleObjectError):
            await reader.commit()
        await reader.rollback()


# -- which key is met


@pytest.mark.needs("sql")
async def test_a_constraint_by_the_name_that_was_made(
    database: Database, models: ModuleType
) -> None:
    """Q3: the name that `create_all` gives a unique column names it."""
    author = models.Author
    async with Session(database) as session:
        session.add(author(email="a@x.org", name="old"))
        await session.flush()
        again = insert(author, email="a@x.org", name="new")
        begun = again.on_conflict(constraint="uq_authors_email")
        await session.execute(begun.update(author.name))

        assert await session.find(author).select(author.name).values() == ["new"]
        assert await session.find(author).count() == 1
        with pytest.raises(QueryError, match="no unique key 'uq_authors_name'"):
            again.on_conflict(constraint="uq_authors_name")
        with pytest.raises(ConstraintError) as caught:
            await session.execute(again)
        # Where the store tells the name, it is one that `on_conflict` takes.
        if caught.value.constraint is not None:
            again.on_conflict(constraint=caught.value.constraint.rpartition(".")[2])
        await session.rollback()


@pytest.mark.needs("partial_indexes")
async def test_conflict_with_an_index_over_an_expression(
    database: Database, models: ModuleType
) -> None:
    """Q3: an index over what SQL computes is met by its name."""
    ticket = models.Ticket
    async with Session(database) as session:
        session.add(ticket(id=1, code="a", owner="Ann"))
        await session.flush()
        again = insert(ticket, id=2, code="b", owner="ANN")
        begun = again.on_conflict(constraint="ticket_owner")
        assert await session.execute(begun.nothing()) == 0
        await session.execute(begun.update({ticket.note: "seen"}))

        assert await rows_in(session, ticket.id, ticket.owner, ticket.note) == [(1, "Ann", "seen")]
        await session.execute(begun.update())
        assert await rows_in(session, ticket.id, ticket.code, ticket.owner) == [(1, "b", "ANN")]
        with pytest.raises(QueryError, match=r"on_conflict\(constraint="):
            again.on_conflict(func.lower(ticket.owner))
        await session.rollback()


async def rows_in(session: Session, *columns: Any) -> list[tuple[Any, ...]]:
    """What a session reads."""
    found = await session.find(columns[0].table.class_).select(*columns).to_list()
    return [tuple(row) for row in found]


async def test_the_rows_of_a_partial_index_are_said_in_sql(models: ModuleType) -> None:
    """An expression in the place of the index's SQL is refused by the name of the argument."""
    author = models.Author
    given = insert(author, email="a@x.org", name="a")
    with pytest.raises(QueryError, match=r"where= is the text .* not an expression"):
        given.on_conflict(author.email, where=author.age > 3)
    with pytest.raises(QueryError, match=r"where= is the text .* not bool"):
        given.on_conflict(author.email, where=True)  # type: ignore[arg-type]


# -- raw SQL


@pytest.mark.needs("sql")
async def test_raw_sql_with_typed_values(database: Database, models: ModuleType) -> None:
    """Q4: where the text does not say what a value is, `literal` does."""
    async with Session(database) as session:
        found = await session.execute(
            sql(
                "SELECT {n} AS n, {none} AS none",
                n=literal(2, Integer(32)),
                none=literal(None, int),
            )
        )

        assert [tuple(row) for row in found] == [(2, None)]
        note = models.Note
        session.add(note(text="x", rank=7))
        await session.flush()
        found = await session.execute(
            sql("SELECT text FROM notes WHERE notes.rank = {n} OR notes.rank = {n}", n=literal(7))
        )
        assert [row.text for row in found] == ["x"]
        await session.rollback()


async def test_typed_literals_in_queries(database: Database, models: ModuleType) -> None:
    """A literal is what it is said to be, wherever it stands."""
    everything = models.Everything
    async with Session(database) as session:
        session.add(everything(numbers=[1, 2], price=Decimal("1.50")))
        await session.flush()
        price = literal(Decimal("1.5"), Numeric(10, 2))
        assert await session.find(everything, everything.price == price).count() == 1
        assert await session.find(everything, everything.price > price).count() == 0
        await session.rollback()


def test_wrong_literals() -> None:
    """A value that does not fit the type, and what is no type, are told."""
    with pytest.raises(ValidationError, match="literal"):
        literal("x", int)
    with pytest.raises(ValidationError, match="literal"):
        literal(2**40, Integer(32))
    with pytest.raises(QueryError, match=r"literal: .* is not a column type"):
        literal(1, object)


@pytest.mark.parametrize("text", ["", " ", "\n\t;", ";;"])
def test_no_statement_at_all(text: str) -> None:
    """Text without a statement is refused before anything is asked of a store."""
    with pytest.raises(QueryError, match="no statement"):
        sql(text)


@pytest.mark.needs("sql")
async def test_the_outcome_of_a_refused_statement(database: Database, models: ModuleType) -> None:
    """What the store refused was not applied, in a transaction or without one."""
    for is_inside in (False, True):
        async with Session(database) as session:
            if is_inside:
                session.add(models.Note(text="x"))
                await session.flush()
            with pytest.raises(QueryError) as caught:
                await session.execute(sql("SELECT * FROM nowhere"))

            assert caught.value.outcome is Outcome.NOT_APPLIED
            assert caught.value.phase is Phase.QUERY
            await session.rollback()


# -- many objects at once


async def test_objects_are_added_all_or_none(database: Database, models: ModuleType) -> None:
    """U1: where one of several objects is refused, the session has none of them."""
    slot = models.Slot
    async with Session.begin(database) as session:
        session.add_all([slot(id=n, position=n, name="x") for n in (1, 2)])
    async with Session(database) as one, Session(database) as other:
        held = await one.get_one(slot, 1)
        elsewhere = await other.get_one(slot, 2)
        fresh = slot(id=3, position=3, name="new")
        twin = slot(id=1, position=4, name="same key")
        for refused in (elsewhere, twin):
            with pytest.raises(ObjectStateError):
                one.add_all([fresh, refused])
            assert (list(one.new), state(fresh)) == ([], State.TRANSIENT)
        one.expunge(held)
        again = await one.get_one(slot, 1)
        one.expunge(again)
        with pytest.raises(ObjectStateError, match="another Slot with this key"):
            one.add_all([fresh, held, again])
        assert (list(one.new), held in one, again in one) == ([], False, False)
        one.delete(doomed := await one.get_one(slot, 2))
        one.add_all([fresh, held, doomed, fresh])
        assert set(one.new) == {fresh}
        assert held in one
        assert not one.deleted
        await one.commit()
    assert await rows(database, slot.id) == [(1,), (2,), (3,)]
