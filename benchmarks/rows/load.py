"""Load every row into a session and read every attribute."""

from __future__ import annotations

from contextlib import asynccontextmanager

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
from benchmarks.people import read_all
from uow import Session


@asynccontextmanager
async def sqlite3(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(sizes.load)
    db = by_hand_sqlite.open_sqlite3(place.path)

    async def once() -> float:
        with timed() as watch:
            read_all(db.execute(by_hand_sqlite.SELECT).fetchall())
        return watch.seconds * 1e3

    yield once
    db.close()


@asynccontextmanager
async def apsw(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(sizes.load)
    db = by_hand_sqlite.open_apsw(place.path)

    async def once() -> float:
        with timed() as watch:
            read_all(db.execute(by_hand_sqlite.SELECT).fetchall())
        return watch.seconds * 1e3

    yield once
    db.close()


@asynccontextmanager
async def asyncpg(place: PostgresqlPlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(sizes.load)
    async with by_hand_postgresql.open_asyncpg(place.url) as db:

        async def once() -> float:
            with timed() as watch:
                by_hand_postgresql.read_all(await db.fetch(by_hand_postgresql.SELECT))
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def asyncpg_unpacked(place: PostgresqlPlace, sizes: Sizes) -> ContenderSteps:
    """Each row taken apart by position, in one step: the quickest way, and not the usual one."""
    await place.fill(sizes.load)
    async with by_hand_postgresql.open_asyncpg(place.url) as db:

        async def once() -> float:
            with timed() as watch:
                read_all(await db.fetch(by_hand_postgresql.SELECT))
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def asyncmy(place: MysqlPlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(sizes.load)
    async with by_hand_mysql.open_asyncmy(place.url) as db:

        async def once() -> float:
            with timed() as watch:
                read_all((await by_hand_mysql.run(db, by_hand_mysql.SELECT)).rows)
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def uow(place: Place, sizes: Sizes) -> ContenderSteps:
    await place.fill(sizes.load)
    async with with_uow.open_database(place) as db:

        async def once() -> float:
            with timed() as watch:
                async with Session(db) as session:
                    with_uow.read_all(await session.find(with_uow.Person).to_list())
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def sqlalchemy(place: Place, sizes: Sizes) -> ContenderSteps:
    await place.fill(sizes.load)
    async with with_sqlalchemy.open_engine(place) as engine:
        make_session = with_sqlalchemy.sessions(engine)

        async def once() -> float:
            with timed() as watch:
                async with make_session() as session:
                    found = await session.scalars(select(with_sqlalchemy.Person))
                    with_sqlalchemy.read_all(found.all())
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def tortoise(place: PostgresqlPlace, sizes: Sizes) -> ContenderSteps:
    from benchmarks import with_tortoise

    await place.fill(sizes.load)
    async with with_tortoise.opened(place):

        async def once() -> float:
            with timed() as watch:
                with_tortoise.read_all(await with_tortoise.Person.all())
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def piccolo(place: PostgresqlPlace, sizes: Sizes) -> ContenderSteps:
    from benchmarks import with_piccolo

    await place.fill(sizes.load)
    async with with_piccolo.open_engine(place):

        async def once() -> float:
            with timed() as watch:
                with_piccolo.read_all(await with_piccolo.Person.objects())
            return watch.seconds * 1e3

        yield once


SQLITE = Row(
    key="load",
    title="load 10,000 rows of 6 columns, read every attribute",
    unit="ms",
    floor="sqlite3",
    bound=1.2,
    goal=1.0,
    contenders={"sqlite3": sqlite3, "apsw": apsw, "uow": uow, "sqlalchemy": sqlalchemy},
)

POSTGRESQL = Row(
    key="load",
    title="load 10,000 rows of 6 columns, read every attribute",
    unit="ms",
    floor="asyncpg",
    bound=1.4,
    goal=1.25,
    contenders={
        "asyncpg": asyncpg,
        "asyncpg, unpacked": asyncpg_unpacked,
        "uow": uow,
        "sqlalchemy": sqlalchemy,
        "tortoise": tortoise,
        "piccolo": piccolo,
    },
)

MYSQL = Row(
    key="load",
    title="load 10,000 rows of 6 columns, read every attribute",
    unit="ms",
    floor="asyncmy",
    bound=1.5,
    goal=1.25,
    contenders={"asyncmy": asyncmy, "uow": uow, "sqlalchemy": sqlalchemy},
)
