"""Get one row by key, a session each; every attribute is read."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks import by_hand, with_sqlalchemy, with_uow
from benchmarks.measure import ContenderSteps, Row, Sizes, timed
from uow import Session

ROWS_IN_STORE = 10_000


def keys(count: int) -> list[int]:
    """Keys all over the table, none twice."""
    return [1 + n * 7919 % ROWS_IN_STORE for n in range(count)]


@asynccontextmanager
async def sqlite3(folder: Path, sizes: Sizes) -> ContenderSteps:
    db = by_hand.open_sqlite3(by_hand.make_store(folder / "db", ROWS_IN_STORE))

    async def once() -> float:
        with timed() as watch:
            for key in keys(sizes.get):
                by_hand.read_all([db.execute(by_hand.SELECT_ONE, (key,)).fetchone()])
        return watch.seconds * 1e6 / sizes.get

    yield once
    db.close()


@asynccontextmanager
async def aiosqlite(folder: Path, sizes: Sizes) -> ContenderSteps:
    async with by_hand.open_aiosqlite(by_hand.make_store(folder / "db", ROWS_IN_STORE)) as db:

        async def once() -> float:
            with timed() as watch:
                for key in keys(sizes.get):
                    async with db.execute(by_hand.SELECT_ONE, (key,)) as cursor:
                        by_hand.read_all([await cursor.fetchone()])
            return watch.seconds * 1e6 / sizes.get

        yield once


@asynccontextmanager
async def uow(folder: Path, sizes: Sizes) -> ContenderSteps:
    path = by_hand.make_store(folder / "db", ROWS_IN_STORE)
    async with with_uow.open_database(path) as db:

        async def once() -> float:
            with timed() as watch:
                for key in keys(sizes.get):
                    async with Session(db) as session:
                        with_uow.read_all([await session.get_one(with_uow.Person, key)])
            return watch.seconds * 1e6 / sizes.get

        yield once


@asynccontextmanager
async def sqlalchemy(folder: Path, sizes: Sizes) -> ContenderSteps:
    path = by_hand.make_store(folder / "db", ROWS_IN_STORE)
    async with with_sqlalchemy.open_engine(path) as engine:
        make_session = with_sqlalchemy.sessions(engine)

        async def once() -> float:
            with timed() as watch:
                for key in keys(sizes.get):
                    async with make_session() as session:
                        person = await session.get_one(with_sqlalchemy.Person, key)
                        with_sqlalchemy.read_all([person])
            return watch.seconds * 1e6 / sizes.get

        yield once


ROW = Row(
    key="get",
    title="get by key, a session each",
    unit="µs",
    floor="aiosqlite",
    bound=1.2,
    goal=0.3,
    contenders={"aiosqlite": aiosqlite, "sqlite3": sqlite3, "uow": uow, "sqlalchemy": sqlalchemy},
)
