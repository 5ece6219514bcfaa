"""Store new rows and learn their generated keys; the objects are made beforehand."""

from __future__ import annotations

from contextlib import asynccontextmanager

from sqlalchemy import orm

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
from benchmarks.people import values
from uow import Session


@asynccontextmanager
async def sqlite3(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(0)
    db = by_hand_sqlite.open_sqlite3(place.path)
    rows = values(sizes.insert)

    async def once() -> float:
        with timed() as watch:
            db.execute("BEGIN IMMEDIATE")
            keys: list[int] = []
            for sql, parameters in by_hand_sqlite.insert_chunks(rows):
                keys.extend(key for (key,) in db.execute(sql, parameters).fetchall())
            db.execute("COMMIT")
        return watch.seconds * 1e3

    yield once
    db.close()


@asynccontextmanager
async def sqlite3_by_row(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(0)
    db = by_hand_sqlite.open_sqlite3(place.path)
    rows = values(sizes.insert)

    async def once() -> float:
        with timed() as watch:
            db.execute("BEGIN IMMEDIATE")
            _keys = [db.execute(by_hand_sqlite.INSERT_ONE, row).lastrowid for row in rows]
            db.execute("COMMIT")
        return watch.seconds * 1e3

    yield once
    db.close()


@asynccontextmanager
async def apsw(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(0)
    db = by_hand_sqlite.open_apsw(place.path)
    rows = values(sizes.insert)

    async def once() -> float:
        with timed() as watch:
            db.execute("BEGIN IMMEDIATE")
            sql = f'{by_hand_sqlite.INSERT_ONE} RETURNING "id"'
            _keys = [key for (key,) in db.executemany(sql, rows)]
            db.execute("COMMIT")
        return watch.seconds * 1e3

    yield once
    db.close()


@asynccontextmanager
async def asyncpg(place: PostgresqlPlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(0)
    rows = values(sizes.insert)
    async with by_hand_postgresql.open_asyncpg(place.url) as db:

        async def once() -> float:
            await place.refresh()
            with timed() as watch:
                columns = zip(*rows, strict=True)
                async with db.transaction():
                    stored = await db.fetch(by_hand_postgresql.INSERT_MANY, *columns)
                _keys = [key for (key,) in stored]
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def asyncpg_copy(place: PostgresqlPlace, sizes: Sizes) -> ContenderSteps:
    """The keys first, from the sequence, then rows with keys by COPY."""
    await place.fill(0)
    rows = values(sizes.insert)
    async with by_hand_postgresql.open_asyncpg(place.url) as db:

        async def once() -> float:
            await place.refresh()
            with timed() as watch:
                async with db.transaction():
                    keys = await db.fetch(by_hand_postgresql.NEXT_KEYS, len(rows))
                    await db.copy_records_to_table(
                        "people",
                        records=[(key, *row) for (key,), row in zip(keys, rows, strict=True)],
                        columns=("id", *by_hand_postgresql.COLUMNS),
                    )
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def asyncpg_by_row(place: PostgresqlPlace, sizes: Sizes) -> ContenderSteps:
    """One statement for many rows, each of them sent and answered; without waiting in between."""
    await place.fill(0)
    rows = values(sizes.insert)
    async with by_hand_postgresql.open_asyncpg(place.url) as db:

        async def once() -> float:
            await place.refresh()
            with timed() as watch:
                async with db.transaction():
                    stored = await db.fetchmany(by_hand_postgresql.INSERT_ONE, rows)
                _keys = [key for (key,) in stored]
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def asyncmy(place: MysqlPlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(0)
    rows = values(sizes.insert)
    async with by_hand_mysql.open_asyncmy(place.url) as db:

        async def once() -> float:
            await place.refresh()
            with timed() as watch:
                await db.begin()
                keys: list[int] = []
                for start in range(0, len(rows), by_hand_mysql.ROWS):
                    keys += await place.insert(db, rows[start : start + by_hand_mysql.ROWS])
                await db.commit()
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def uow(place: Place, sizes: Sizes) -> ContenderSteps:
    await place.fill(0)
    rows = values(sizes.insert)
    async with with_uow.open_database(place) as db:

        async def once() -> float:
            await place.refresh()
            people = with_uow.make_people(rows)
            async with Session(db) as session:
                with timed() as watch:
                    session.add_all(people)
                    await session.flush()
                    await session.commit()
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def sqlalchemy(place: Place, sizes: Sizes) -> ContenderSteps:
    await place.fill(0)
    rows = values(sizes.insert)
    async with with_sqlalchemy.open_engine(place) as engine:
        make_session = with_sqlalchemy.sessions(engine)

        async def once() -> float:
            await place.refresh()
            people = with_sqlalchemy.make_people(rows)
            async with make_session() as session:
                with timed() as watch:
                    session.add_all(people)
                    await session.flush()
                    await session.commit()
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def sqlalchemy_sync(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
    """One INSERT a row is sent to learn the keys, so most of the async time is thread hops."""
    await place.fill(0)
    rows = values(sizes.insert)
    with with_sqlalchemy.open_sync_engine(place) as engine:

        async def once() -> float:
            people = with_sqlalchemy.make_people(rows)
            with orm.Session(engine) as session, timed() as watch:
                session.add_all(people)
                session.flush()
                session.commit()
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def tortoise(place: PostgresqlPlace, sizes: Sizes) -> ContenderSteps:
    """Row by row: what it stores in bulk does not learn its keys."""
    from tortoise.transactions import in_transaction

    from benchmarks import with_tortoise

    await place.fill(0)
    rows = values(sizes.insert)
    async with with_tortoise.opened(place):

        async def once() -> float:
            await place.refresh()
            people = with_tortoise.make_people(rows)
            with timed() as watch:
                async with in_transaction():
                    for person in people:
                        await person.save()
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def tortoise_without_keys(place: PostgresqlPlace, sizes: Sizes) -> ContenderSteps:
    from benchmarks import with_tortoise

    await place.fill(0)
    rows = values(sizes.insert)
    async with with_tortoise.opened(place):

        async def once() -> float:
            await place.refresh()
            people = with_tortoise.make_people(rows)
            with timed() as watch:
                await with_tortoise.Person.bulk_create(people)
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def piccolo(place: PostgresqlPlace, sizes: Sizes) -> ContenderSteps:
    from benchmarks import with_piccolo

    await place.fill(0)
    rows = values(sizes.insert)
    async with with_piccolo.open_engine(place) as engine:

        async def once() -> float:
            await place.refresh()
            people = with_piccolo.make_people(rows)
            with timed() as watch:
                async with engine.transaction():
                    await with_piccolo.Person.insert(*people)
            return watch.seconds * 1e3

        yield once


SQLITE = Row(
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

POSTGRESQL = Row(
    key="insert",
    title="flush 5,000 new rows with generated keys, commit",
    unit="ms",
    floor="asyncpg",
    bound=1.3,
    goal=1.15,
    contenders={
        "asyncpg": asyncpg,
        "asyncpg, copy": asyncpg_copy,
        "asyncpg, row by row": asyncpg_by_row,
        "uow": uow,
        "sqlalchemy": sqlalchemy,
        "tortoise": tortoise,
        "tortoise, no keys": tortoise_without_keys,
        "piccolo": piccolo,
    },
)

MYSQL = Row(
    key="insert",
    title="flush 5,000 new rows with generated keys, commit",
    unit="ms",
    floor="asyncmy",
    bound=1.5,
    goal=1.15,
    contenders={"asyncmy": asyncmy, "uow": uow, "sqlalchemy": sqlalchemy},
)
