"""A small unit of work: begin, load one, change it, add two, commit."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

from benchmarks import by_hand_postgresql, by_hand_sqlite, with_sqlalchemy, with_uow
from benchmarks.by_hand_postgresql import PostgresqlPlace
from benchmarks.by_hand_sqlite import SqlitePlace
from benchmarks.measure import ContenderSteps, Place, Row, Sizes, timed
from benchmarks.people import values
from uow import Session

ROWS_IN_STORE = 1_000
INSERT_TWO = f'{by_hand_sqlite.INSERT_ONE}, (?, ?, ?, ?, ?) RETURNING "id"'
TWO = values(2)
TWO_FLAT = [value for row in TWO for value in row]


def key(number: int) -> int:
    """Which row a unit changes."""
    return 1 + number * 7 % ROWS_IN_STORE


@asynccontextmanager
async def sqlite3(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(ROWS_IN_STORE)
    db = by_hand_sqlite.open_sqlite3(place.path)

    async def once() -> float:
        with timed() as watch:
            for number in range(sizes.units):
                db.execute("BEGIN IMMEDIATE")
                row = db.execute(by_hand_sqlite.SELECT_ONE, (key(number),)).fetchone()
                db.execute(by_hand_sqlite.UPDATE_AGE, (row[3] + 1, row[0]))
                _keys = db.execute(INSERT_TWO, TWO_FLAT).fetchall()
                db.execute("COMMIT")
        return watch.seconds * 1e6 / sizes.units

    yield once
    db.close()


@asynccontextmanager
async def apsw(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(ROWS_IN_STORE)
    db = by_hand_sqlite.open_apsw(place.path)

    async def once() -> float:
        with timed() as watch:
            for number in range(sizes.units):
                db.execute("BEGIN IMMEDIATE")
                rows: list[Any] = db.execute(by_hand_sqlite.SELECT_ONE, (key(number),)).fetchall()
                row = rows[0]
                db.execute(by_hand_sqlite.UPDATE_AGE, (row[3] + 1, row[0]))
                _keys = db.execute(INSERT_TWO, TWO_FLAT).fetchall()
                db.execute("COMMIT")
        return watch.seconds * 1e6 / sizes.units

    yield once
    db.close()


@asynccontextmanager
async def aiosqlite(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(ROWS_IN_STORE)
    async with by_hand_sqlite.open_aiosqlite(place.path) as db:

        async def once() -> float:
            with timed() as watch:
                for number in range(sizes.units):
                    await db.execute("BEGIN IMMEDIATE")
                    async with db.execute(by_hand_sqlite.SELECT_ONE, (key(number),)) as cursor:
                        row = await cursor.fetchone()
                    if row is None:
                        raise LookupError(key(number))
                    await db.execute(by_hand_sqlite.UPDATE_AGE, (row[3] + 1, row[0]))
                    _keys = await db.execute_fetchall(INSERT_TWO, TWO_FLAT)
                    await db.execute("COMMIT")
            return watch.seconds * 1e6 / sizes.units

        yield once


@asynccontextmanager
async def asyncpg(place: PostgresqlPlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(ROWS_IN_STORE)
    async with by_hand_postgresql.open_asyncpg(place.url) as db:

        async def once() -> float:
            await place.refresh()
            with timed() as watch:
                for number in range(sizes.units):
                    async with db.transaction():
                        row = await db.fetchrow(by_hand_postgresql.SELECT_ONE, key(number))
                        await db.execute(by_hand_postgresql.UPDATE_AGE, row["age"] + 1, row["id"])
                        _keys = await db.fetch(by_hand_postgresql.INSERT_TWO, *TWO_FLAT)
            return watch.seconds * 1e6 / sizes.units

        yield once


@asynccontextmanager
async def uow(place: Place, sizes: Sizes) -> ContenderSteps:
    await place.fill(ROWS_IN_STORE)
    async with with_uow.open_database(place) as db:

        async def once() -> float:
            await place.refresh()
            with timed() as watch:
                for number in range(sizes.units):
                    async with Session.begin(db) as session:
                        person = await session.get_one(with_uow.Person, key(number))
                        person.age += 1
                        session.add_all(with_uow.make_people(TWO))
            return watch.seconds * 1e6 / sizes.units

        yield once


@asynccontextmanager
async def sqlalchemy(place: Place, sizes: Sizes) -> ContenderSteps:
    await place.fill(ROWS_IN_STORE)
    async with with_sqlalchemy.open_engine(place) as engine:
        make_session = with_sqlalchemy.sessions(engine)

        async def once() -> float:
            await place.refresh()
            with timed() as watch:
                for number in range(sizes.units):
                    async with make_session.begin() as session:
                        person = await session.get_one(with_sqlalchemy.Person, key(number))
                        person.age += 1
                        session.add_all(with_sqlalchemy.make_people(TWO))
            return watch.seconds * 1e6 / sizes.units

        yield once


@asynccontextmanager
async def tortoise(place: PostgresqlPlace, sizes: Sizes) -> ContenderSteps:
    from tortoise.transactions import in_transaction

    from benchmarks import with_tortoise

    await place.fill(ROWS_IN_STORE)
    async with with_tortoise.opened(place):

        async def once() -> float:
            await place.refresh()
            with timed() as watch:
                for number in range(sizes.units):
                    async with in_transaction():
                        person = await with_tortoise.Person.get(id=key(number))
                        person.age += 1
                        await person.save(update_fields=["age"])
                        for new in with_tortoise.make_people(TWO):
                            await new.save()
            return watch.seconds * 1e6 / sizes.units

        yield once


@asynccontextmanager
async def piccolo(place: PostgresqlPlace, sizes: Sizes) -> ContenderSteps:
    from benchmarks import with_piccolo

    await place.fill(ROWS_IN_STORE)
    async with with_piccolo.open_engine(place) as engine:

        async def once() -> float:
            await place.refresh()
            with timed() as watch:
                for number in range(sizes.units):
                    async with engine.transaction():
                        person = await with_piccolo.get_one(key(number))
                        person.age += 1
                        await person.save([with_piccolo.Person.age])
                        await with_piccolo.Person.insert(*with_piccolo.make_people(TWO))
            return watch.seconds * 1e6 / sizes.units

        yield once


SQLITE = Row(
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

POSTGRESQL = Row(
    key="small_unit",
    title="small unit: begin, load one, change it, add two, commit",
    unit="µs",
    floor="asyncpg",
    bound=1.7,
    goal=1.3,
    contenders={
        "asyncpg": asyncpg,
        "uow": uow,
        "sqlalchemy": sqlalchemy,
        "tortoise": tortoise,
        "piccolo": piccolo,
    },
    is_round_trips=True,
)
