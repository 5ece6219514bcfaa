"""A small unit of work: begin, load one, change it, add two, commit."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks import by_hand, with_sqlalchemy, with_uow
from benchmarks.measure import ContenderSteps, Row, Sizes, timed
from uow import Session

ROWS_IN_STORE = 1_000
INSERT_TWO = f'{by_hand.INSERT_ONE}, (?, ?, ?, ?, ?) RETURNING "id"'
TWO = by_hand.values(2)
TWO_FLAT = [value for row in TWO for value in row]


def key(number: int) -> int:
    """Which row a unit changes."""
    return 1 + number * 7 % ROWS_IN_STORE


@asynccontextmanager
async def sqlite3(folder: Path, sizes: Sizes) -> ContenderSteps:
    db = by_hand.open_sqlite3(by_hand.make_store(folder / "db", ROWS_IN_STORE))

    async def once() -> float:
        with timed() as watch:
            for number in range(sizes.units):
                db.execute("BEGIN IMMEDIATE")
                row = db.execute(by_hand.SELECT_ONE, (key(number),)).fetchone()
                db.execute(by_hand.UPDATE_AGE, (row[3] + 1, row[0]))
                _keys = db.execute(INSERT_TWO, TWO_FLAT).fetchall()
                db.execute("COMMIT")
        return watch.seconds * 1e6 / sizes.units

    yield once
    db.close()


@asynccontextmanager
async def apsw(folder: Path, sizes: Sizes) -> ContenderSteps:
    db = by_hand.open_apsw(by_hand.make_store(folder / "db", ROWS_IN_STORE))

    async def once() -> float:
        with timed() as watch:
            for number in range(sizes.units):
                db.execute("BEGIN IMMEDIATE")
                rows: list[Any] = db.execute(by_hand.SELECT_ONE, (key(number),)).fetchall()
                row = rows[0]
                db.execute(by_hand.UPDATE_AGE, (row[3] + 1, row[0]))
                _keys = db.execute(INSERT_TWO, TWO_FLAT).fetchall()
                db.execute("COMMIT")
        return watch.seconds * 1e6 / sizes.units

    yield once
    db.close()


@asynccontextmanager
async def aiosqlite(folder: Path, sizes: Sizes) -> ContenderSteps:
    async with by_hand.open_aiosqlite(by_hand.make_store(folder / "db", ROWS_IN_STORE)) as db:

        async def once() -> float:
            with timed() as watch:
                for number in range(sizes.units):
                    await db.execute("BEGIN IMMEDIATE")
                    async with db.execute(by_hand.SELECT_ONE, (key(number),)) as cursor:
                        row = await cursor.fetchone()
                    if row is None:
                        raise LookupError(key(number))
                    await db.execute(by_hand.UPDATE_AGE, (row[3] + 1, row[0]))
                    _keys = await db.execute_fetchall(INSERT_TWO, TWO_FLAT)
                    await db.execute("COMMIT")
            return watch.seconds * 1e6 / sizes.units

        yield once


@asynccontextmanager
async def uow(folder: Path, sizes: Sizes) -> ContenderSteps:
    path = by_hand.make_store(folder / "db", ROWS_IN_STORE)
    async with with_uow.open_database(path) as db:

        async def once() -> float:
            with timed() as watch:
                for number in range(sizes.units):
                    async with Session.begin(db) as session:
                        person = await session.get_one(with_uow.Person, key(number))
                        person.age += 1
                        session.add_all(with_uow.make_people(TWO))
            return watch.seconds * 1e6 / sizes.units

        yield once


@asynccontextmanager
async def sqlalchemy(folder: Path, sizes: Sizes) -> ContenderSteps:
    path = by_hand.make_store(folder / "db", ROWS_IN_STORE)
    async with with_sqlalchemy.open_engine(path) as engine:
        make_session = with_sqlalchemy.sessions(engine)

        async def once() -> float:
            with timed() as watch:
                for number in range(sizes.units):
                    async with make_session.begin() as session:
                        person = await session.get_one(with_sqlalchemy.Person, key(number))
                        person.age += 1
                        session.add_all(with_sqlalchemy.make_people(TWO))
            return watch.seconds * 1e6 / sizes.units

        yield once


ROW = Row(
    key="small_unit",
    title="small unit: begin, load one, change it, add two, commit",
    unit="µs",
    floor="aiosqlite",
    bound=1.7,
    goal=1.3,
    contenders={
        "aiosqlite": aiosqlite,
        "sqlite3": sqlite3,
        "apsw": apsw,
        "uow": uow,
        "sqlalchemy": sqlalchemy,
    },
)
