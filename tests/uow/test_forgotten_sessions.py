"""A session that nobody holds any more gives up its connection, although it was the ambient one."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from uow import Column, Database, Mapped, Session, Table, current_session

pytestmark = pytest.mark.anyio


class Item(Table):
    id: Mapped[int] = Column(primary_key=True, auto_increment=True)


async def test_a_forgotten_session_lets_others_write(tmp_path: Path) -> None:
    """A session that was entered and never left does not keep the write lock for ever."""
    async with Database(f"sqlite:///{tmp_path}/items.db") as database:
        await database.create_all([Item])

        async def forget() -> None:
            session = Session(database)
            await session.__aenter__()
            session.add(Item())
            await session.flush()

        with pytest.warns(ResourceWarning, match="was never closed"):
            await forget()

        assert current_session() is None
        assert database.pool.stats.in_use == 0
        async with Session.begin(database) as session:
            session.add(Item())
        async with Session(database) as session:
            assert await session.find(Item).count() == 1


async def test_the_session_around_a_forgotten_one_is_ambient_again(tmp_path: Path) -> None:
    """Active-record verbs go to the session whose block they stand in."""
    async with Database(f"sqlite:///{tmp_path}/items.db") as database:

        async def forget() -> None:
            inner = Session(database)
            await inner.__aenter__()
            assert current_session() is inner

        async with Session(database) as outer:
            with pytest.warns(ResourceWarning, match="was never closed"):
                await forget()

            assert current_session() is outer
        assert current_session() is None


async def test_a_session_forgotten_in_another_thread(tmp_path: Path) -> None:
    """A finaliser that runs off the event loop frees the place all the same, without a noise."""
    async with Database(f"sqlite:///{tmp_path}/items.db", pool_max=1) as database:
        await database.create_all([Item])
        held: list[Session] = [Session(database)]
        await held[0].__aenter__()
        held[0].add(Item())
        await held[0].flush()

        with pytest.warns(ResourceWarning, match="was never closed"):
            await anyio.to_thread.run_sync(held.clear)

        async with Session.begin(database) as session:
            assert await session.find(Item).count() == 0
        assert database.pool.stats.in_use == 0
