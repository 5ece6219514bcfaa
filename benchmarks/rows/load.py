"""Load every row into a session and read every attribute."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import select

from benchmarks import by_hand, with_sqlalchemy, with_uow
from benchmarks.measure import ContenderSteps, Row, Sizes, timed
from uow import Session


@asynccontextmanager
async def sqlite3(folder: Path, sizes: Sizes) -> ContenderSteps:
    db = by_hand.open_sqlite3(by_hand.make_store(folder / "db", sizes.load))

    async def once() -> float:
        with timed() as watch:
            by_hand.read_all(db.execute(by_hand.SELECT).fetchall())
        return watch.seconds * 1e3

    yield once
    db.close()


@asynccontextmanager
async def apsw(folder: Path, sizes: Sizes) -> ContenderSteps:
    db = by_hand.open_apsw(by_hand.make_store(folder / "db", sizes.load))

    async def once() -> float:
        with timed() as watch:
            by_hand.read_all(db.execute(by_hand.SELECT).fetchall())
        return watch.seconds * 1e3

    yield once
    db.close()


@asynccontextmanager
async def uow(folder: Path, sizes: Sizes) -> ContenderSteps:
    path = by_hand.make_store(folder / "db", sizes.load)
    async with with_uow.open_database(path) as db:

        async def once() -> float:
            with timed() as watch:
                async with Session(db) as session:
                    with_uow.read_all(await session.find(with_uow.Person).to_list())
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def sqlalchemy(folder: Path, sizes: Sizes) -> ContenderSteps:
    path = by_hand.make_store(folder / "db", sizes.load)
    async with with_sqlalchemy.open_engine(path) as engine:
        make_session = with_sqlalchemy.sessions(engine)

        async def once() -> float:
            with timed() as watch:
                async with make_session() as session:
                    found = await session.scalars(select(with_sqlalchemy.Person))
                    with_sqlalchemy.read_all(found.all())
            return watch.seconds * 1e3

        yield once


ROW = Row(
    key="load",
    title="load 10,000 rows of 6 columns, read every attribute",
    unit="ms",
    floor="sqlite3",
    bound=1.2,
    goal=1.0,
    contenders={"sqlite3": sqlite3, "apsw": apsw, "uow": uow, "sqlalchemy": sqlalchemy},
)
