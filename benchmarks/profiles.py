"""Rows with a JSON column of ten fields and nested lists, for the rows about nested values."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import orjson
from sqlalchemy import JSON, Engine, Integer
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import uow
from benchmarks import by_hand_sqlite
from benchmarks.by_hand_sqlite import SqlitePlace
from uow import Column, Database, Table

SELECT = 'SELECT "id", "data" FROM "profiles"'


def document(number: int) -> dict[str, Any]:
    """Ten fields, of which four hold lists, and two of these other lists."""
    return {
        "name": f"Person {number}",
        "email": f"person{number}@example.org",
        "age": number % 90,
        "score": number / 7,
        "active": number % 2 == 0,
        "city": f"City {number % 500}",
        "tags": ["a", "b", f"t{number % 50}"],
        "limits": [1, 2, 3, number],
        "visits": [[number, 1], [number, 2], [number, 3]],
        "orders": [{"id": number, "items": [1, 2]}, {"id": number + 1, "items": []}],
    }


def fill(place: SqlitePlace, count: int) -> None:
    """Make the table, with so many rows."""
    db = by_hand_sqlite.open_sqlite3(place.path)
    db.execute(
        'CREATE TABLE IF NOT EXISTS "profiles" '
        '("id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "data" TEXT NOT NULL)'
    )
    with db:
        db.executemany(
            'INSERT INTO "profiles" ("data") VALUES (?)',
            [(orjson.dumps(document(number)).decode(),) for number in range(count)],
        )
    db.close()


def open_sqlite3(place: SqlitePlace, count: int) -> sqlite3.Connection:
    """A raw connection to the filled table."""
    fill(place, count)
    return by_hand_sqlite.open_sqlite3(place.path)


@attrs.define
class ByHand:
    """What is made of a row by hand."""

    id: int
    data: Any


class Profile(Table):
    """The mapped class of `uow`."""

    class Settings:
        name = "profiles"

    id: uow.Mapped[int] = Column(primary_key=True, auto_increment=True)
    data: uow.Mapped[dict[str, Any]]


@asynccontextmanager
async def open_uow(place: SqlitePlace, count: int) -> AsyncGenerator[Database]:
    """A database with the filled table."""
    fill(place, count)
    async with Database(place.url, **place.options) as db:
        yield db


class Base(DeclarativeBase):
    """The models of SQLAlchemy."""


class JsonProfile(Base):
    """SQLAlchemy's JSON, which notices assignments only."""

    __tablename__ = "profiles"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    data: Mapped[dict[str, Any]] = mapped_column(JSON)


class MutableBase(DeclarativeBase):
    """The models of SQLAlchemy's mutable extension."""


class MutableProfile(MutableBase):
    """The same, which notices changes of the outermost level too."""

    __tablename__ = "profiles"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    data: Mapped[dict[str, Any]] = mapped_column(MutableDict.as_mutable(JSON()))


def model_profile() -> Any:
    """The class of the package sqlatypemodel, which notices changes at any depth.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    from pydantic import BaseModel
    from sqlatypemodel import LazyMutableMixin, ModelType

    if "Model" not in _made:

        class Order(LazyMutableMixin, BaseModel):
            id: int
            items: list[int]

        class Data(LazyMutableMixin, BaseModel):
            name: str
            email: str
            age: int
            score: float
            active: bool
            city: str
            tags: list[str]
            limits: list[int]
            visits: list[list[int]]
            orders: list[Order]

        class ModelBase(DeclarativeBase):
            pass

        class ModelProfile(ModelBase):
            __tablename__ = "profiles"

            id: Mapped[int] = mapped_column(Integer, primary_key=True)
            data: Mapped[Any] = mapped_column(ModelType(Data))

        _made["Model"] = ModelProfile
    return _made["Model"]


_made: dict[str, Any] = {}


def open_engine(place: SqlitePlace, count: int) -> Engine:
    """SQLAlchemy without an event loop, on the filled table."""
    from sqlalchemy import create_engine, event

    from benchmarks.with_sqlalchemy import configure

    fill(place, count)
    engine = create_engine(place.url)
    event.listen(engine, "connect", configure)
    return engine
