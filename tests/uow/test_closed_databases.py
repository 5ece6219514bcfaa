"""What a session says when its database was closed under it."""

from __future__ import annotations

from pathlib import Path

import pytest

from uow import (
    Column,
    ConnectionLostError,
    Mapped,
    Outcome,
    Phase,
    Session,
    State,
    Table,
    connect,
    state,
)

pytestmark = pytest.mark.anyio


class Item(Table):
    id: Mapped[int] = Column(primary_key=True, auto_increment=True)


async def test_commit_after_the_database_was_closed(tmp_path: Path) -> None:
    """A COMMIT that was never sent is not unknown: nothing is stored, and the objects wait."""
    database = await connect(f"sqlite:///{tmp_path}/items.db")
    await database.create_all([Item])
    async with Session(database) as session:
        item = Item()
        session.add(item)
        await session.flush()
        await database.aclose(timeout=0.01)

        with pytest.raises(ConnectionLostError) as caught:
            await session.commit()

        assert (caught.value.outcome, caught.value.phase) == (Outcome.NOT_APPLIED, Phase.COMMIT)
        assert session.outcome is Outcome.NOT_APPLIED
        assert state(item) is State.PENDING
        assert item in session.new
        await session.rollback()
