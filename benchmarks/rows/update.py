"""Load rows, change one column of each, commit."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import select

from benchmarks import (
    by_hand_mysql,
    by_hand_postgresql,
    by_hand_sqlite,
    with_sqlalchemy,
    with_uow,
)
from benchmarks.by_hand_mysql import MysqlPlace
from benchmarks.by_hand_postgresql import PostgresqlPlace
from benchmarks.by_hand_sqlite import SqlitePlace
from benchmarks.measure import ContenderSteps, Place, Row, Sizes, timed
from uow import Session


@asynccontextmanager
async def sqlite3(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(sizes.update)
    db = by_hand_sqlite.open_sqlite3(place.path)

    async def once() -> float:
        with timed() as watch:
            rows = db.execute(by_hand_sqlite.SELECT).fetchall()
            changes = [(row[3] + 1, row[0]) for row in rows]
            db.execute("BEGIN IMMEDIATE")
            db.executemany(by_hand_sqlite.UPDATE_AGE, changes)
            db.execute("COMMIT")
        return watch.seconds * 1e3

    yield once
    db.close()


@asynccontextmanager
async def apsw(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(sizes.update)
    db = by_hand_sqlite.open_apsw(place.path)

    async def once() -> float:
        with timed() as watch:
            rows: list[Any] = db.execute(by_hand_sqlite.SELECT).fetchall()
            changes = [(row[3] + 1, row[0]) for row in rows]
            db.execute("BEGIN IMMEDIATE")
            db.executemany(by_hand_sqlite.UPDATE_AGE, changes)
            db.execute("COMMIT")
        return watch.seconds * 1e3

    yield once
    db.close()


@asynccontextmanager
async def asyncpg(place: PostgresqlPlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(sizes.update)
    async with by_hand_postgresql.open_asyncpg(place.url) as db:

        async def once() -> float:
            await place.refresh()
            with timed() as watch:
                async with db.transaction():
                    rows = await db.fetch(by_hand_postgresql.SELECT)
                    keys = [row["id"] for row in rows]
                    ages = [row["age"] + 1 for row in rows]
                    await db.execute(by_hand_postgresql.UPDATE_AGES, keys, ages)
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def asyncpg_by_row(place: PostgresqlPlace, sizes: Sizes) -> ContenderSteps:
    """One statement for many rows, each of them sent and answered; without waiting in between."""
    await place.fill(sizes.update)
    async with by_hand_postgresql.open_asyncpg(place.url) as db:

        async def once() -> float:
            await place.refresh()
            with timed() as watch:
                async with db.transaction():
                    rows = await db.fetch(by_hand_postgresql.SELECT)
                    changes = [(row["age"] + 1, row["id"]) for row in rows]
                    await db.executemany(by_hand_postgresql.UPDATE_AGE, changes)
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def asyncmy(place: MysqlPlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(sizes.update)
    async with by_hand_mysql.open_asyncmy(place.url) as db:

        async def once() -> float:
            await place.refresh()
            with timed() as watch:
                await db.begin()
                rows = (await by_hand_mysql.run(db, by_hand_mysql.SELECT)).rows
                changes = [(row[3] + 1, row[0]) for row in rows]
                array = by_hand_mysql.array_of(changes)
                await by_hand_mysql.run(db, by_hand_mysql.UPDATE_AGES, [array])
                await db.commit()
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def asyncmy_by_row(place: MysqlPlace, sizes: Sizes) -> ContenderSteps:
    """A statement a row, as `executemany` sends them."""
    await place.fill(sizes.update)
    async with by_hand_mysql.open_asyncmy(place.url) as db:

        async def once() -> float:
            await place.refresh()
            with timed() as watch:
                await db.begin()
                for row in (await by_hand_mysql.run(db, by_hand_mysql.SELECT)).rows:
                    await by_hand_mysql.run(db, by_hand_mysql.UPDATE_AGE, [row[3] + 1, row[0]])
                await db.commit()
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def uow(place: Place, sizes: Sizes) -> ContenderSteps:
    await place.fill(sizes.update)
    async with with_uow.open_database(place) as db:

        async def once() -> float:
            await place.refresh()
            with timed() as watch:
                async with Session(db) as session:
                    for person in await session.find(with_uow.Person).to_list():
                        person.age += 1
                    await session.commit()
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def sqlalchemy(place: Place, sizes: Sizes) -> ContenderSteps:
    await place.fill(sizes.update)
    async with with_sqlalchemy.open_engine(place) as engine:
        make_session = with_sqlalchemy.sessions(engine)

        async def once() -> float:
            await place.refresh()
            with timed() as watch:
                async with make_session() as session:
                    found = await session.scalars(select(with_sqlalchemy.Person))
                    for person in found.all():
                        person.age += 1
                    await session.commit()
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def tortoise(place: PostgresqlPlace, sizes: Sizes) -> ContenderSteps:
    """One CASE for a batch: its cost grows with the square of the batch, so that is a small one."""
    from tortoise.transactions import in_transaction

    from benchmarks import with_tortoise

    await place.fill(sizes.update)
    async with with_tortoise.opened(place):

        async def once() -> float:
            await place.refresh()
            with timed() as watch:
                async with in_transaction():
                    people = await with_tortoise.Person.all()
                    for person in people:
                        person.age += 1
                    await with_tortoise.Person.bulk_update(people, ["age"], batch_size=100)
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def piccolo(place: PostgresqlPlace, sizes: Sizes) -> ContenderSteps:
    """Row by row: it has no update in bulk."""
    from benchmarks import with_piccolo

    await place.fill(sizes.update)
    async with with_piccolo.open_engine(place) as engine:

        async def once() -> float:
            await place.refresh()
            with timed() as watch:
                async with engine.transaction():
                    for person in await with_piccolo.Person.objects():
                        person.age += 1
                        await person.save([with_piccolo.Person.age])
            return watch.seconds * 1e3

        yield once


SQLITE = Row(
    key="update",
    title="load 5,000, change one column each, commit",
    unit="ms",
    floor="sqlite3",
    bound=1.5,
    goal=1.2,
    contenders={"sqlite3": sqlite3, "apsw": apsw, "uow": uow, "sqlalchemy": sqlalchemy},
)

POSTGRESQL = Row(
    key="update",
    title="load 5,000, change one column each, commit",
    unit="ms",
    floor="asyncpg",
    bound=1.5,
    goal=1.2,
    contenders={
        "asyncpg": asyncpg,
        "asyncpg, row by row": asyncpg_by_row,
        "uow": uow,
        "sqlalchemy": sqlalchemy,
        "tortoise": tortoise,
        "piccolo": piccolo,
    },
)

MYSQL = Row(
    key="update",
    title="load 5,000, change one column each, commit",
    unit="ms",
    floor="asyncmy",
    bound=1.5,
    goal=1.2,
    contenders={
        "asyncmy": asyncmy,
        "asyncmy, row by row": asyncmy_by_row,
        "uow": uow,
        "sqlalchemy": sqlalchemy,
    },
)
