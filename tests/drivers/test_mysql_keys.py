"""Keys that MySQL numbers: it tells the first of a statement, and the others follow it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import anyio
import pytest

from tests.support import mysql
from uow import Column, Database, Mapped, Session, Table
from uow.statement import Numbered

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
    pytest.mark.thorough,
]


class Parent(Table):
    """What rows refer to."""

    class Settings:
        name = "parents"

    id: Mapped[int] = Column(primary_key=True)


class Row(Table):
    """A row that says whose it is."""

    class Settings:
        name = "numbered_rows"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    who: Mapped[str]
    parent_id: Mapped[int] = Column(foreign_key="parents.id", default=1)
    made: Mapped[str] = Column(server_default="'by the store'")


@pytest.fixture
async def database(mysql_database: str, anyio_backend: str) -> AsyncIterator[Database]:
    """Empty tables."""
    await mysql.clear(mysql_database)
    async with Database(mysql_database, pool_max=6) as database:
        await database.create_all([Parent, Row])
        await mysql.ask(mysql_database, "INSERT INTO parents VALUES (1)")
        yield database


async def check(url: str, found: dict[str, int]) -> None:
    """Each object must have the key of its own row."""
    stored = {who: key for key, who in await mysql.ask(url, "SELECT id, who FROM numbered_rows")}
    assert stored == found


async def store(database: Database, name: str, count: int, found: dict[str, int]) -> None:
    """Flush new rows, and note which keys they were given."""
    async with Session(database) as session:
        rows = [Row(who=f"{name}-{number}") for number in range(count)]
        session.add_all(rows)
        await session.commit()
    found |= {row.who: row.id for row in rows}
    assert {row.made for row in rows} == {"by the store"}


async def test_units_side_by_side(database: Database, mysql_database: str) -> None:
    """Keys are right while others insert rows too, by statements of all kinds."""
    found: dict[str, int] = {}
    is_done = anyio.Event()

    async def disturb() -> None:
        number = 0
        while not is_done.is_set():
            number += 1
            await mysql.ask(
                mysql_database,
                "INSERT INTO numbered_rows (who, parent_id)"
                " SELECT CONCAT('x', UUID(), SLEEP(0.001)), 1"
                " FROM information_schema.collations LIMIT 10",
            )

    async def work(name: str) -> None:
        for number in range(4):
            await store(database, f"{name}{number}", 60, found)

    async with anyio.create_task_group() as others:
        others.start_soon(disturb)
        async with anyio.create_task_group() as workers:
            for name in "abcd":
                workers.start_soon(work, name)
        is_done.set()
    await mysql.ask(mysql_database, "DELETE FROM numbered_rows WHERE who LIKE 'x%'")
    assert len(found) == 960
    await check(mysql_database, found)


async def test_steps_between_keys(mysql_database: str, database: Database) -> None:
    """`auto_increment_increment` is taken into account."""
    await mysql.ask(mysql_database, "SET GLOBAL auto_increment_increment = 7")
    found: dict[str, int] = {}
    try:
        async with Database(mysql_database) as other:
            await store(other, "a", 5, found)
    finally:
        await mysql.ask(mysql_database, "SET GLOBAL auto_increment_increment = 1")
    keys = sorted(found.values())
    assert {later - earlier for earlier, later in itertools.pairwise(keys)} == {7}
    await check(mysql_database, found)


async def test_triggers_that_choose_keys(mysql_database: str, database: Database) -> None:
    """Where a trigger may change new rows each goes by itself, and its key is asked for."""
    await mysql.ask(
        mysql_database,
        "CREATE TRIGGER odd BEFORE INSERT ON numbered_rows FOR EACH ROW"
        " SET NEW.id = IF(NEW.who LIKE '%1', 1000, NEW.id)",
    )
    found: dict[str, int] = {}
    async with Database(mysql_database) as other:
        sent: list[object] = []
        other.observers.append(sent.append)
        await store(other, "a", 4, found)
        assert any(isinstance(one, Numbered) for one in sent)
    assert found["a-1"] == 1000
    await check(mysql_database, found)
