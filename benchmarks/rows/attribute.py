"""Read an attribute of a loaded object, beside one of a plain class with slots."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Protocol

from benchmarks import with_sqlalchemy, with_uow
from benchmarks.measure import ContenderSteps, Place, Row, Sizes, timed
from uow import Session


class Aged(Protocol):
    """What is read."""

    age: int


class Plain:
    """A class that nobody looks after."""

    __slots__ = ("age",)

    def __init__(self, age: int) -> None:
        self.age = age


# A code object adapts itself to the class it reads from, so each contender has its own.
READ_LOOP = """
def read(obj, times):
    for _ in times:
        obj.age; obj.age; obj.age; obj.age; obj.age; obj.age; obj.age; obj.age; obj.age; obj.age
"""


def nanoseconds(obj: Aged, sizes: Sizes) -> float:
    """What one read costs, the loop included."""
    space: dict[str, object] = {}
    exec(READ_LOOP, space)
    read = space["read"]
    if not callable(read):
        raise TypeError(read)
    read(obj, range(1_000))
    with timed() as watch:
        read(obj, range(sizes.reads // 10))
    return watch.seconds * 1e9 / sizes.reads


@asynccontextmanager
async def plain(_place: Place, sizes: Sizes) -> ContenderSteps:
    obj = Plain(1)

    async def once() -> float:
        return nanoseconds(obj, sizes)

    yield once


@asynccontextmanager
async def uow(place: Place, sizes: Sizes) -> ContenderSteps:
    await place.fill(1)
    async with with_uow.open_database(place) as db, Session(db) as session:
        person = await session.get_one(with_uow.Person, 1)

        async def once() -> float:
            return nanoseconds(person, sizes)

        yield once


@asynccontextmanager
async def sqlalchemy(place: Place, sizes: Sizes) -> ContenderSteps:
    await place.fill(1)
    async with (
        with_sqlalchemy.open_engine(place) as engine,
        with_sqlalchemy.sessions(engine)() as session,
    ):
        person = await session.get_one(with_sqlalchemy.Person, 1)

        async def once() -> float:
            return nanoseconds(person, sizes)

        yield once


SQLITE = Row(
    key="attribute",
    title="read an attribute of a loaded object",
    unit="ns",
    floor="plain",
    bound=1.1,  # the same slot read; a tenth is what two runs of the same loop differ by
    goal=1.0,
    contenders={"plain": plain, "uow": uow, "sqlalchemy": sqlalchemy},
)
