"""Get one row by key, a session each; every attribute is read."""

from __future__ import annotations

from contextlib import asynccontextmanager

from benchmarks import by_hand_postgresql, by_hand_sqlite, with_sqlalchemy, with_uow
from benchmarks.by_hand_postgresql import PostgresqlPlace
from benchmarks.by_hand_sqlite import SqlitePlace
from benchmarks.measure import ContenderSteps, Place, Row, Sizes, timed
from benchmarks.people import read_all
from uow import Session

ROWS_IN_STORE = 10_000


def keys(count: int) -> list[int]:
    """Keys all over the table, none twice."""
    return [1 + n * 7919 % ROWS_IN_STORE for n in range(count)]


@asynccontextmanager
async def sqlite3(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(ROWS_IN_STORE)
    db = by_hand_sqlite.open_sqlite3(place.path)

    async def once() -> float:
        with timed() as watch:
            for key in keys(sizes.get):
                read_all([db.execute(by_hand_sqlite.SELECT_ONE, (key,)).fetchone()])
        return watch.seconds * 1e6 / sizes.get

    yield once
    db.close()


@asynccontextmanager
async def aiosqlite(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(ROWS_IN_STORE)
    async with by_hand_sqlite.open_aiosqlite(place.path) as db:

        async def once() -> float:
            with timed() as watch:
                for key in keys(sizes.get):
                    async with db.execute(by_hand_sqlite.SELECT_ONE, (key,)) as cursor:
                        read_all([await cursor.fetchone()])
            return watch.seconds * 1e6 / sizes.get

        yield once


@asynccontextmanager
async def asyncpg(place: PostgresqlPlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(ROWS_IN_STORE)
    async with by_hand_postgresql.open_asyncpg(place.url) as db:

        async def once() -> float:
            with timed() as watch:
                for key in keys(sizes.get):
                    row = await db.fetchrow(by_hand_postgresql.SELECT_ONE, key)
                    by_hand_postgresql.read_all([row])
            return watch.seconds * 1e6 / sizes.get

        yield once


@asynccontextmanager
async def asyncpg_pool(place: PostgresqlPlace, sizes: Sizes) -> ContenderSteps:
    """A connection each, as a session takes one; this pool resets it with a round trip."""
    await place.fill(ROWS_IN_STORE)
    async with by_hand_postgresql.open_asyncpg_pool(place.url) as pool:

        async def once() -> float:
            with timed() as watch:
                for key in keys(sizes.get):
                    async with pool.acquire() as db:
                        row = await db.fetchrow(by_hand_postgresql.SELECT_ONE, key)
                        by_hand_postgresql.read_all([row])
            return watch.seconds * 1e6 / sizes.get

        yield once


@asynccontextmanager
async def uow(place: Place, sizes: Sizes) -> ContenderSteps:
    await place.fill(ROWS_IN_STORE)
    async with with_uow.open_database(place) as db:

        async def once() -> float:
            with timed() as watch:
                for key in keys(sizes.get):
                    async with Session(db) as session:
                        with_uow.read_all([await session.get_one(with_uow.Person, key)])
            return watch.seconds * 1e6 / sizes.get

        yield once


@asynccontextmanager
async def sqlalchemy(place: Place, sizes: Sizes) -> ContenderSteps:
    await place.fill(ROWS_IN_STORE)
    async with with_sqlalchemy.open_engine(place) as engine:
        make_session = with_sqlalchemy.sessions(engine)

        async def once() -> float:
            with timed() as watch:
                for key in keys(sizes.get):
                    async with make_session() as session:
                        person = await session.get_one(with_sqlalchemy.Person, key)
                        with_sqlalchemy.read_all([person])
            return watch.seconds * 1e6 / sizes.get

        yield once


@asynccontextmanager
async def tortoise(place: PostgresqlPlace, sizes: Sizes) -> ContenderSteps:
    from benchmarks import with_tortoise

    await place.fill(ROWS_IN_STORE)
    async with with_tortoise.opened(place):

        async def once() -> float:
            with timed() as watch:
                for key in keys(sizes.get):
                    with_tortoise.read_all([await with_tortoise.Person.get(id=key)])
            return watch.seconds * 1e6 / sizes.get

        yield once


@asynccontextmanager
async def piccolo(place: PostgresqlPlace, sizes: Sizes) -> ContenderSteps:
    from benchmarks import with_piccolo

    await place.fill(ROWS_IN_STORE)
    async with with_piccolo.open_engine(place):

        async def once() -> float:
            with timed() as watch:
                for key in keys(sizes.get):
                    with_piccolo.read_all([await with_piccolo.get_one(key)])
            return watch.seconds * 1e6 / sizes.get

        yield once


SQLITE = Row(
    key="get",
    title="get by key, a session each",
    unit="µs",
    floor="aiosqlite",
    bound=1.2,
    goal=0.3,
    contenders={"aiosqlite": aiosqlite, "sqlite3": sqlite3, "uow": uow, "sqlalchemy": sqlalchemy},
)

POSTGRESQL = Row(
    key="get",
    title="get by key, a session each",
    unit="µs",
    floor="asyncpg",
    bound=3.0,
    goal=2.0,
    contenders={
        "asyncpg": asyncpg,
        "asyncpg, its pool": asyncpg_pool,
        "uow": uow,
        "sqlalchemy": sqlalchemy,
        "tortoise": tortoise,
        "piccolo": piccolo,
    },
    is_round_trips=True,
)
