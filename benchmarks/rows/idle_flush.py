"""Flush with nothing dirty, many objects tracked."""

from __future__ import annotations

from contextlib import asynccontextmanager

from sqlalchemy import select

from benchmarks import with_sqlalchemy, with_uow
from benchmarks.measure import ContenderSteps, Place, Row, Sizes, timed
from uow import Session

FLUSHES = 100


@asynccontextmanager
async def uow(place: Place, sizes: Sizes) -> ContenderSteps:
    await place.fill(sizes.tracked)
    async with with_uow.open_database(place) as db, Session(db) as session:
        people = await session.find(with_uow.Person).to_list()
        with_uow.read_all(people)

        async def once() -> float:
            with timed() as watch:
                for _ in range(FLUSHES):
                    await session.flush()
            return watch.seconds * 1e6 / FLUSHES

        yield once


@asynccontextmanager
async def sqlalchemy(place: Place, sizes: Sizes) -> ContenderSteps:
    await place.fill(sizes.tracked)
    async with (
        with_sqlalchemy.open_engine(place) as engine,
        with_sqlalchemy.sessions(engine)() as session,
    ):
        people = (await session.scalars(select(with_sqlalchemy.Person))).all()
        with_sqlalchemy.read_all(people)

        async def once() -> float:
            with timed() as watch:
                for _ in range(FLUSHES):
                    await session.flush()
            return watch.seconds * 1e6 / FLUSHES

        yield once


SQLITE = Row(
    key="idle_flush",
    title="flush with nothing dirty, 10,000 tracked",
    unit="µs",
    floor=None,
    bound=20,
    goal=None,
    contenders={"uow": uow, "sqlalchemy": sqlalchemy},
)
