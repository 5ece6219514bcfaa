"""What a tracked entity weighs, its values included, beside a raw row."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Generator
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy import select

from benchmarks import by_hand_sqlite, with_sqlalchemy, with_uow
from benchmarks.by_hand_sqlite import SqlitePlace
from benchmarks.measure import ContenderSteps, Place, Row, Sizes
from uow import Session


class Scale:
    """What the block left allocated."""

    bytes = 0


@contextmanager
def weighed() -> Generator[Scale]:
    """Trace what the block allocates and keeps."""
    scale = Scale()
    gc.collect()
    tracemalloc.start()
    try:
        yield scale
        gc.collect()
        scale.bytes, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()


@asynccontextmanager
async def sqlite3(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
    await place.fill(sizes.tracked)
    db = by_hand_sqlite.open_sqlite3(place.path)

    async def once() -> float:
        with weighed() as scale:
            rows = db.execute(by_hand_sqlite.SELECT).fetchall()
        return scale.bytes / len(rows)

    yield once
    db.close()


@asynccontextmanager
async def uow(place: Place, sizes: Sizes) -> ContenderSteps:
    await place.fill(sizes.tracked)
    async with with_uow.open_database(place) as db:

        async def once() -> float:
            async with Session(db) as session:
                await session.get_one(with_uow.Person, 1)  # compiles what is compiled once
                with weighed() as scale:
                    people = await session.find(with_uow.Person).to_list()
                return scale.bytes / len(people)

        yield once


@asynccontextmanager
async def sqlalchemy(place: Place, sizes: Sizes) -> ContenderSteps:
    await place.fill(sizes.tracked)
    async with with_sqlalchemy.open_engine(place) as engine:
        make_session = with_sqlalchemy.sessions(engine)

        async def once() -> float:
            async with make_session() as session:
                await session.get_one(with_sqlalchemy.Person, 1)
                with weighed() as scale:
                    people = (await session.scalars(select(with_sqlalchemy.Person))).all()
                return scale.bytes / len(people)

        yield once


SQLITE = Row(
    key="memory",
    title="bytes a tracked entity, values included",
    unit="bytes",
    floor="sqlite3",
    bound=1.5,
    goal=1.3,
    contenders={"sqlite3": sqlite3, "uow": uow, "sqlalchemy": sqlalchemy},
    rounds=3,
)
