"""With `autoflush` every read sees what waits for a flush, or says that it cannot."""

from __future__ import annotations

from types import ModuleType

import pytest

from uow import Database, QueryError, Session

pytestmark = pytest.mark.anyio


@pytest.mark.needs("numbered_keys")
async def test_get_finds_a_new_object(database: Database, models: ModuleType) -> None:
    """An object whose key was given, and which was not flushed yet, is found by it."""
    async with Session(database, autoflush=True) as session:
        note = models.Note(id=7, text="new")
        session.add(note)

        assert await session.get(models.Note, 7) is note
        await session.rollback()


async def test_fan_out_does_not_leave_out_what_waits(
    database: Database, models: ModuleType
) -> None:
    """Other connections cannot see what this session flushed, so there is no answer."""
    async with Session(database, autoflush=True) as session:
        session.add(models.Note(text="new"))
        with pytest.raises(QueryError, match="commit first"):
            await session.fan_out(session.find(models.Note))
        await session.commit()

        (found,) = await session.fan_out(session.find(models.Note))
        assert [note.text for note in found] == ["new"]
