"""The tables that the tests of dialects speak of, in a registry of their own."""

from __future__ import annotations

import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import attrs

from uow.mapping.columns import Column, Mapped
from uow.mapping.model import Model
from uow.mapping.registry import Registry
from uow.types import Array, Integer, RangeType
from uow.values import Range

REGISTRY = Registry()


class Colour(enum.Enum):
    """Kept by its text."""

    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    """Kept by its number."""

    LOW = 1
    HIGH = 2


class Mixed(enum.Enum):
    """Kept by its name."""

    TEXT = "x"
    PAIR = (1, 2)


@attrs.frozen
class Size:
    """An embedded value."""

    width: int
    unit: str = "mm"


class Author(Model):
    class Settings:
        name = "authors"
        registry = REGISTRY
        indexes = [{"fields": ["name", "age"]}]  # noqa: RUF012 - read once, by the mapping

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    email: Mapped[str] = Column(unique=True, max_length=255)
    name: Mapped[str]
    age: Mapped[int | None] = Column(default=None)
    active: Mapped[bool] = Column(default=True)
    joined: Mapped[datetime] = Column(server_default="CURRENT_TIMESTAMP")
    version: Mapped[int] = Column(version=True)


class Book(Model):
    class Settings:
        name = "books"
        registry = REGISTRY

    id: Mapped[UUID] = Column(primary_key=True)
    author_id: Mapped[int] = Column(foreign_key="authors.id", on_delete="cascade")
    title: Mapped[str]
    price: Mapped[Decimal] = Column(precision=10, scale=2)
    score: Mapped[float | None] = Column(default=None)
    tags: Mapped[list[str]] = Column(default_factory=list)
    dims: Mapped[dict[str, Any] | None] = Column(default=None)


class Line(Model):
    class Settings:
        name = "lines"
        registry = REGISTRY

    order_id: Mapped[int] = Column(primary_key=True)
    no: Mapped[int] = Column(primary_key=True)
    amount: Mapped[int]


class Counter(Model):
    """Nothing in it must be given."""

    class Settings:
        name = "counters"
        registry = REGISTRY

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    label: Mapped[str | None] = Column(default=None)


class Everything(Model):
    """A column of every type."""

    class Settings:
        name = "everything"
        registry = REGISTRY

    id: Mapped[int] = Column(primary_key=True)
    small: Mapped[int | None] = Column(type=Integer(16), default=None)
    flag: Mapped[bool | None] = Column(default=None)
    text: Mapped[str | None] = Column(default=None)
    short: Mapped[str | None] = Column(max_length=5, default=None)
    data: Mapped[bytes | None] = Column(default=None)
    number: Mapped[float | None] = Column(default=None)
    price: Mapped[Decimal | None] = Column(precision=10, scale=2, default=None)
    exact: Mapped[Decimal | None] = Column(default=None)
    day: Mapped[date | None] = Column(default=None)
    hour: Mapped[time | None] = Column(default=None)
    moment: Mapped[datetime | None] = Column(default=None)
    local: Mapped[datetime | None] = Column(timezone=False, default=None)
    span: Mapped[timedelta | None] = Column(default=None)
    key: Mapped[UUID | None] = Column(default=None)
    document: Mapped[dict[str, Any] | None] = Column(default=None)
    size: Mapped[Size | None] = Column(default=None)
    colour: Mapped[Colour | None] = Column(default=None)
    level: Mapped[Level | None] = Column(default=None)
    mixed: Mapped[Mixed | None] = Column(default=None)
    numbers: Mapped[list[int] | None] = Column(type=Array(int), default=None)
    between: Mapped[Range[int] | None] = Column(type=RangeType(Integer()), default=None)


class Rich(Model):
    """Every kind of constraint and default."""

    class Settings:
        name = "rich"
        registry = REGISTRY
        comment = "It's a \\ table"
        indexes = [  # noqa: RUF012 - read once, by the mapping
            {"fields": ["code"], "unique": True, "name": "rich_code"},
        ]

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    code: Mapped[str] = Column(max_length=20, server_default="'it''s'", comment="it's")
    level: Mapped[int] = Column(check="level > 0", server_default="1", index=True)
    price: Mapped[Decimal] = Column(precision=10, scale=2, server_default="1.5")
    flag: Mapped[bool] = Column(server_default="TRUE")
    key: Mapped[UUID] = Column(server_default="gen_random_uuid()", unique=True)
    made: Mapped[datetime] = Column(server_default="NOW()")
    local: Mapped[datetime] = Column(timezone=False, server_default="CURRENT_TIMESTAMP")
    day: Mapped[date] = Column(server_default="CURRENT_DATE")
    hour: Mapped[time] = Column(server_default="CURRENT_TIME")
    total: Mapped[int] = Column(generated="level * 2")
    note: Mapped[str | None] = Column(server_default="lower('ABC')")
    parent_id: Mapped[int | None] = Column(
        foreign_key="rich.id", on_delete="set null", on_update="cascade", deferrable=True
    )
    author_id: Mapped[int | None] = Column(default=None, foreign_key=lambda: Author.id)
