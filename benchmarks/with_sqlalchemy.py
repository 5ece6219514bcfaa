"""SQLAlchemy's ORM over aiosqlite, asyncpg or asyncmy, set up as its manual shows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

from sqlalchemy import BigInteger, Engine, Integer, String, create_engine, event
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.by_hand_sqlite import PRAGMAS
from benchmarks.measure import Place
from benchmarks.people import Values

DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "mariadb": "mariadb+asyncmy",
    "mysql": "mysql+asyncmy",
}
BIG = BigInteger().with_variant(Integer, "sqlite")  # SQLite's key has one type only


class Base(DeclarativeBase):
    """The models of this peer."""


class Person(Base):
    __tablename__ = "people"

    id: Mapped[int] = mapped_column(BIG, primary_key=True, autoincrement=True)
    email: Mapped[str] = mapped_column(String(255))
    name: Mapped[str]
    age: Mapped[int] = mapped_column(BIG)
    score: Mapped[float]
    city: Mapped[str]


def configure(connection: Any, _record: Any) -> None:
    """Give a new connection to SQLite the settings that all contenders have."""
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


@asynccontextmanager
async def open_engine(place: Place) -> AsyncGenerator[AsyncEngine]:
    """An engine with the same settings on every connection."""
    scheme, _, rest = place.url.partition(":")
    engine = create_async_engine(f"{DRIVERS[scheme]}:{rest}")
    if scheme == "sqlite":
        event.listen(engine.sync_engine, "connect", configure)
    try:
        yield engine
    finally:
        await engine.dispose()


@contextmanager
def open_sync_engine(place: Place) -> Generator[Engine]:
    """SQLite without an event loop and without a thread."""
    engine = create_engine(place.url)
    event.listen(engine, "connect", configure)
    try:
        yield engine
    finally:
        engine.dispose()


def sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Sessions as an async program uses them."""
    return async_sessionmaker(engine, expire_on_commit=False)


def make_people(rows: Iterable[Values]) -> list[Person]:
    """New objects, one a row."""
    return [
        Person(email=email, name=name, age=age, score=score, city=city)
        for email, name, age, score, city in rows
    ]


def read_all(people: Iterable[Person]) -> None:
    """Read each attribute once."""
    for person in people:
        person.id
        person.email
        person.name
        person.age
        person.score
        person.city
