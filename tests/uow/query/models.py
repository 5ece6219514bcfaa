"""The classes that expressions and queries are tested on, in a registry of their own."""

from __future__ import annotations

import enum
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from uow.mapping.columns import Column, Mapped
from uow.mapping.model import Model
from uow.mapping.registry import Registry
from uow.types import Array

registry = Registry()


class Genre(enum.Enum):
    FICTION = "fiction"
    OTHER = "other"


class Author(Model):
    class Settings:
        name = "authors"
        registry = registry
        indexes = [{"fields": ["name", "age"], "unique": True}]  # noqa: RUF012 - as users write it

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    email: Mapped[str] = Column(unique=True, max_length=20)
    name: Mapped[str]
    age: Mapped[int | None] = Column(default=None)
    active: Mapped[bool] = Column(default=True)
    rating: Mapped[float | None] = Column(default=None)
    joined: Mapped[datetime] = Column(server_default="CURRENT_TIMESTAMP")
    version: Mapped[int] = Column(version=True)


class Book(Model):
    class Settings:
        name = "books"
        registry = registry

    id: Mapped[UUID] = Column(primary_key=True, default=uuid4)
    author_id: Mapped[int | None] = Column(foreign_key="authors.id", default=None)
    title: Mapped[str] = Column(name="book_title")
    price: Mapped[Decimal] = Column(precision=10, scale=2, default=Decimal(0))
    genre: Mapped[Genre | None] = Column(default=None)
    out: Mapped[date | None] = Column(default=None)
    lent: Mapped[timedelta | None] = Column(default=None)
    tags: Mapped[list[str]] = Column(default_factory=list)
    dims: Mapped[dict[str, Any]] = Column(default_factory=dict)
    codes: Mapped[list[int]] = Column(type=Array(int), default_factory=list)


class Line(Model):
    class Settings:
        name = "lines"
        registry = registry

    order_id: Mapped[int] = Column(primary_key=True)
    no: Mapped[int] = Column(primary_key=True)
    text: Mapped[str]
    size: Mapped[int] = Column(generated="length(text)")


class Counter(Model):
    """Every column may be left to the store."""

    class Settings:
        name = "counters"
        registry = registry

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
