"""Store new rows and learn their generated keys; the objects are made beforehand."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import orm

from benchmarks import by_hand, with_sqlalchemy, with_uow
from benchmarks.measure import ContenderSteps, Row, Sizes, timed
from uow import Session


@asynccontextmanager
async def sqlite3(folder: Path, sizes: Sizes) -> ContenderSteps:
    db = by_hand.open_sqlite3(by_hand.make_store(folder / "db", 0))
    rows = by_hand.values(sizes.insert)

    async def once() -> float:
        with timed() as watch:
            db.execute("BEGIN IMMEDIATE")
            keys: list[int] = []
            for sql, parameters in by_hand.insert_chunks(rows):
                keys.extend(key for (key,) in db.execute(sql, parameters).fetchall())
            db.execute("COMMIT")
        return watch.seconds * 1e3

    yield once
    db.close()


@asynccontextmanager
async def sqlite3_by_row(folder: Path, sizes: Sizes) -> ContenderSteps:
    db = by_hand.open_sqlite3(by_hand.make_store(folder / "db", 0))
    rows = by_hand.values(sizes.insert)

    async def once() -> float:
        with timed() as watch:
            db.execute("BEGIN IMMEDIATE")
            _keys = [db.execute(by_hand.INSERT_ONE, row).lastrowid for row in rows]
            db.execute("COMMIT")
        return watch.seconds * 1e3

    yield once
    db.close()


@asynccontextmanager
async def apsw(folder: Path, sizes: Sizes) -> ContenderSteps:
    db = by_hand.open_apsw(by_hand.make_store(folder / "db", 0))
    rows = by_hand.values(sizes.insert)

    async def once() -> float:
        with timed() as watch:
            db.execute("BEGIN IMMEDIATE")
            sql = f'{by_hand.INSERT_ONE} RETURNING "id"'
            _keys = [key for (key,) in db.executemany(sql, rows)]
            db.execute("COMMIT")
        return watch.seconds * 1e3

    yield once
    db.close()


@asynccontextmanager
async def uow(folder: Path, sizes: Sizes) -> ContenderSteps:
    path = by_hand.make_store(folder / "db", 0)
    rows = by_hand.values(sizes.insert)
    async with with_uow.open_database(path) as db:

        async def once() -> float:
            people = with_uow.make_people(rows)
            async with Session(db) as session:
                with timed() as watch:
                    session.add_all(people)
                    await session.flush()
                    await session.commit()
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def sqlalchemy(folder: Path, sizes: Sizes) -> ContenderSteps:
    path = by_hand.make_store(folder / "db", 0)
    rows = by_hand.values(sizes.insert)
    async with with_sqlalchemy.open_engine(path) as engine:
        make_session = with_sqlalchemy.sessions(engine)

        async def once() -> float:
            people = with_sqlalchemy.make_people(rows)
            async with make_session() as session:
                with timed() as watch:
                    session.add_all(people)
                    await session.flush()
                    await session.commit()
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def sqlalchemy_sync(folder: Path, sizes: Sizes) -> ContenderSteps:
    """One INSERT a row is sent to learn the keys, so most of the async time is thread hops."""
    path = by_hand.make_store(folder / "db", 0)
    rows = by_hand.values(sizes.insert)
    with with_sqlalchemy.open_sync_engine(path) as engine:

        async def once() -> float:
            people = with_sqlalchemy.make_people(rows)
            with orm.Session(engine) as session, timed() as watch:
                session.add_all(people)
                session.flush()
                session.commit()
            return watch.seconds * 1e3

        yield once


ROW = Row(
    key="insert",
    title="flush 5,000 new rows with generated keys, commit",
    unit="ms",
    floor="sqlite3",
    bound=1.5,
    goal=1.15,
    contenders={
        "sqlite3": sqlite3,
        "sqlite3, row by row": sqlite3_by_row,
        "apsw": apsw,
        "uow": uow,
        "sqlalchemy": sqlalchemy,
        "sqlalchemy, no thread": sqlalchemy_sync,
    },
)
