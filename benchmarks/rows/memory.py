"""What a tracked entity weighs, its values included, beside a raw row."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from sqlalchemy import select

from benchmarks import by_hand, with_sqlalchemy, with_uow
from benchmarks.measure import ContenderSteps, Row, Sizes
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
async def sqlite3(folder: Path, sizes: Sizes) -> ContenderSteps:
    db = by_hand.open_sqlite3(by_hand.make_store(folder / "db", sizes.tracked))

    async def once() -> float:
        with weighed() as scale:
            rows = db.execute(by_hand.SELECT).fetchall()
        return scale.bytes / len(rows)

    yield once
    db.close()


@asynccontextmanager
async def uow(folder: Path, sizes: Sizes) -> ContenderSteps:
    path = by_hand.make_store(folder / "db", sizes.tracked)
    async with with_uow.open_database(path) as db:

        async def once() -> float:
            async with Session(db) as session:
                await session.get_one(with_uow.Person, 1)  # compiles what is compiled once
                with weighed() as scale:
                    people = await session.find(with_uow.Person).to_list()
                return scale.bytes / len(people)

        yield once


@asynccontextmanager
async def sqlalchemy(folder: Path, sizes: Sizes) -> ContenderSteps:
    path = by_hand.make_store(folder / "db", sizes.tracked)
    async with with_sqlalchemy.open_engine(path) as engine:
        make_session = with_sqlalchemy.sessions(engine)

        async def once() -> float:
            async with make_session() as session:
                await session.get_one(with_sqlalchemy.Person, 1)
                with weighed() as scale:
                    people = (await session.scalars(select(with_sqlalchemy.Person))).all()
                return scale.bytes / len(people)

        yield once


ROW = Row(
    key="memory",
    title="bytes a tracked entity, values included",
    unit="bytes",
    floor="sqlite3",
    bound=1.5,
    goal=1.3,
    contenders={"sqlite3": sqlite3, "uow": uow, "sqlalchemy": sqlalchemy},
    rounds=3,
)
