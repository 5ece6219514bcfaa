"""A lock lives as long as its transaction, so what reads elsewhere takes none."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.contract.sent import Sent
from uow import Database, QueryError, Session, State, delete, state

pytestmark = pytest.mark.anyio


async def test_no_locks_on_other_connections(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """`for_update` is refused where the lock would be gone before anybody could rely on it."""
    async with Session(database) as session:
        query = session.find(models.Note).for_update()
        with pytest.raises(QueryError, match="locks"):
            await session.fan_out(query)
        with pytest.raises(QueryError, match="locks"):
            session.stream(query)
        with pytest.raises(QueryError, match="locks"):
            async for _ in query:
                pass
    assert not sent


@pytest.mark.needs("returning_insert", "returning_delete")
async def test_bulk_delete_with_returning_detaches_what_it_deleted(
    database: Database, models: ModuleType
) -> None:
    """Deleted objects leave the session, others stay as they are, whatever was asked to return."""
    async with Session.begin(database) as session:
        session.add_all([models.Note(text="a"), models.Note(text="b")])
    async with Session(database) as session:
        gone, stays = await session.find(models.Note).order_by(models.Note.text).to_list()
        statement = delete(models.Note).where(models.Note.text == "a").returning(models.Note.text)
        found = await session.execute(statement)

        assert [tuple(row) for row in found] == [("a",)]
        assert state(gone) is State.DELETED
        assert gone not in session.deleted
        assert (state(stays), stays.text) == (State.PERSISTENT, "b")
        await session.rollback()
        assert (state(gone), gone.text) == (State.PERSISTENT, "a")


@pytest.mark.needs("row_locks", "lock_of")
async def test_locks_beside_an_outer_join(database: Database, models: ModuleType) -> None:
    """Q6: rows that an outer join may not find are left out of the lock by naming the others."""
    note, post = models.Note, models.Post
    async with Session(database) as session:
        session.add_all([note(text="a"), note(text="b")])
        await session.flush()
        query = session.find(note).join(post, post.note_id == note.id, outer=True)
        assert len(await query.for_update(of=[note]).to_list()) == 2
        await session.rollback()
