"""SQLAlchemy's ORM over aiosqlite, set up as its manual shows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, String, create_engine, event
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.by_hand import PRAGMAS, Values


class Base(DeclarativeBase):
    """The models of this peer."""


class Person(Base):
    __tablename__ = "people"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    email: Mapped[str] = mapped_column(String(255))
    name: Mapped[str]
    age: Mapped[int]
    score: Mapped[float]
    city: Mapped[str]


def configure(connection: Any, _record: Any) -> None:
    """Give a new connection the settings that all contenders have."""
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


@asynccontextmanager
async def open_engine(path: Path) -> AsyncGenerator[AsyncEngine]:
    """An engine with the same settings on every connection."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
    event.listen(engine.sync_engine, "connect", configure)
    try:
        yield engine
    finally:
        await engine.dispose()


@contextmanager
def open_sync_engine(path: Path) -> Generator[Engine]:
    """The same without an event loop and without a thread."""
    engine = create_engine(f"sqlite:///{path}")
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
