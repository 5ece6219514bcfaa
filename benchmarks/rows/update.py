"""Load rows, change one column of each, commit."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import select

from benchmarks import by_hand, with_sqlalchemy, with_uow
from benchmarks.measure import ContenderSteps, Row, Sizes, timed
from uow import Session


@asynccontextmanager
async def sqlite3(folder: Path, sizes: Sizes) -> ContenderSteps:
    db = by_hand.open_sqlite3(by_hand.make_store(folder / "db", sizes.update))

    async def once() -> float:
        with timed() as watch:
            rows = db.execute(by_hand.SELECT).fetchall()
            changes = [(row[3] + 1, row[0]) for row in rows]
            db.execute("BEGIN IMMEDIATE")
            db.executemany(by_hand.UPDATE_AGE, changes)
            db.execute("COMMIT")
        return watch.seconds * 1e3

    yield once
    db.close()


@asynccontextmanager
async def apsw(folder: Path, sizes: Sizes) -> ContenderSteps:
    db = by_hand.open_apsw(by_hand.make_store(folder / "db", sizes.update))

    async def once() -> float:
        with timed() as watch:
            rows: list[Any] = db.execute(by_hand.SELECT).fetchall()
            changes = [(row[3] + 1, row[0]) for row in rows]
            db.execute("BEGIN IMMEDIATE")
            db.executemany(by_hand.UPDATE_AGE, changes)
            db.execute("COMMIT")
        return watch.seconds * 1e3

    yield once
    db.close()


@asynccontextmanager
async def uow(folder: Path, sizes: Sizes) -> ContenderSteps:
    path = by_hand.make_store(folder / "db", sizes.update)
    async with with_uow.open_database(path) as db:

        async def once() -> float:
            with timed() as watch:
                async with Session(db) as session:
                    for person in await session.find(with_uow.Person).to_list():
                        person.age += 1
                    await session.commit()
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def sqlalchemy(folder: Path, sizes: Sizes) -> ContenderSteps:
    path = by_hand.make_store(folder / "db", sizes.update)
    async with with_sqlalchemy.open_engine(path) as engine:
        make_session = with_sqlalchemy.sessions(engine)

        async def once() -> float:
            with timed() as watch:
                async with make_session() as session:
                    found = await session.scalars(select(with_sqlalchemy.Person))
                    for person in found.all():
                        person.age += 1
                    await session.commit()
            return watch.seconds * 1e3

        yield once


ROW = Row(
    key="update",
    title="load 5,000, change one column each, commit",
    unit="ms",
    floor="sqlite3",
    bound=1.5,
    goal=1.2,
    contenders={"sqlite3": sqlite3, "apsw": apsw, "uow": uow, "sqlalchemy": sqlalchemy},
)
