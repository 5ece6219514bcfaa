"""The classes of the contract suite, as documents; see `models.py`.

What a document store has not is left out: foreign keys, values that the store makes, keys of
several fields. The names and the other fields are the same.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from bson import ObjectId

from tests.contract.models import Colour, Dimensions, Level, Mixed
from uow import Array, Column, Document, Indexed, Mapped, Range, Registry, ulid, uuid7
from uow.types import Integer, RangeType

__all__ = [
    "ALL",
    "Author",
    "Book",
    "Bookmark",
    "Colour",
    "Dimensions",
    "Everything",
    "Left",
    "Level",
    "Log",
    "Mixed",
    "Node",
    "Note",
    "Order",
    "Post",
    "Rank",
    "Right",
    "Seat",
    "Slot",
    "registry",
]

registry = Registry()


def _now() -> datetime:
    return datetime.now(UTC)


class Base(Document):
    class Settings:
        abstract = True
        registry = registry


class Author(Base):
    """A generated key, a unique field, a version and a list."""

    class Settings:
        name = "authors"

    id: Mapped[ObjectId | None] = Column(primary_key=True, default=None)
    email: Annotated[Mapped[str], Indexed(unique=True)] = Column(max_length=255)
    name: Mapped[str]
    age: Mapped[int | None] = Column(default=None)
    joined: Mapped[datetime] = Column(default_factory=_now)
    version: Mapped[int] = Column(version=True)
    tags: Mapped[list[str]] = Column(default_factory=list)


class Book(Base):
    """A key made here, a decimal, embedded values."""

    class Settings:
        name = "books"

    id: Mapped[UUID] = Column(primary_key=True, default=uuid7)
    author_id: Mapped[ObjectId]
    title: Mapped[str]
    price: Mapped[Decimal] = Column(precision=10, scale=2, default=Decimal(0))
    dims: Mapped[Dimensions | None] = Column(default=None)


class Note(Base):
    """No version, no unique field: as plain as a document can be."""

    class Settings:
        name = "notes"

    id: Mapped[ObjectId | None] = Column(primary_key=True, default=None)
    text: Mapped[str]
    rank: Mapped[int] = Column(default=0)
    meta: Mapped[dict[str, Any] | None] = Column(default=None)


class Post(Base):
    """Refers to a note."""

    class Settings:
        name = "a_posts"

    id: Mapped[int] = Column(primary_key=True)
    note_id: Mapped[ObjectId | None] = Column(default=None)
    text: Mapped[str] = Column(default="")


class Bookmark(Base):
    """Refers to a note."""

    class Settings:
        name = "bookmarks"

    id: Mapped[int] = Column(primary_key=True)
    note_id: Mapped[ObjectId | None] = Column(default=None)
    text: Mapped[str] = Column(default="")


class Node(Base):
    """A tree: refers to itself by keys made here."""

    class Settings:
        name = "nodes"

    id: Mapped[UUID] = Column(primary_key=True, default=uuid7)
    parent_id: Mapped[UUID | None] = Column(default=None)
    name: Mapped[str]


class Left(Base):
    class Settings:
        name = "lefts"

    id: Mapped[int] = Column(primary_key=True)
    right_id: Mapped[int | None] = Column(default=None)


class Right(Base):
    class Settings:
        name = "rights"

    id: Mapped[int] = Column(primary_key=True)
    left_id: Mapped[int | None] = Column(default=None)


class Rank(Base):
    """A unique place."""

    class Settings:
        name = "ranks"

    id: Mapped[int] = Column(primary_key=True)
    place: Annotated[Mapped[int], Indexed(unique=True)]


class Order(Base):
    """A key the user gives."""

    class Settings:
        name = "orders"

    id: Mapped[int] = Column(primary_key=True)
    customer: Mapped[str] = Column(default="somebody")


class Slot(Base):
    """A unique number that may pass from one document to another; many may have none."""

    class Settings:
        name = "slots"
        indexes = (
            {
                "fields": ["position"],
                "unique": True,
                "partialFilterExpression": {"position": {"$type": "number"}},
            },
        )

    id: Mapped[int] = Column(primary_key=True)
    position: Mapped[int | None] = Column(default=None)
    name: Mapped[str] = Column(default="")


class Seat(Base):
    """Unique over two fields."""

    class Settings:
        name = "seats"
        indexes = ({"fields": ["row", "number"], "unique": True},)

    id: Mapped[int] = Column(primary_key=True)
    row: Mapped[str]
    number: Mapped[int]


class Log(Base):
    """A text key made here."""

    class Settings:
        name = "logs"

    id: Mapped[str] = Column(primary_key=True, default=ulid, max_length=26)
    text: Mapped[str] = Column(default="")


class Everything(Base):
    """A field of every type."""

    class Settings:
        name = "everything"

    id: Mapped[ObjectId | None] = Column(primary_key=True, default=None)
    small: Mapped[int | None] = Column(type=Integer(16), default=None)
    number: Mapped[int | None] = Column(default=None)
    flag: Mapped[bool | None] = Column(default=None)
    text: Mapped[str | None] = Column(default=None)
    short: Mapped[str | None] = Column(max_length=5, default=None)
    data: Mapped[bytes | None] = Column(default=None)
    ratio: Mapped[float | None] = Column(default=None)
    price: Mapped[Decimal | None] = Column(precision=10, scale=2, default=None)
    exact: Mapped[Decimal | None] = Column(precision=30, scale=10, default=None)
    day: Mapped[date | None] = Column(default=None)
    hour: Mapped[time | None] = Column(default=None)
    moment: Mapped[datetime | None] = Column(default=None)
    local: Mapped[datetime | None] = Column(timezone=False, default=None)
    span: Mapped[timedelta | None] = Column(default=None)
    key: Mapped[UUID | None] = Column(default=None)
    document: Mapped[dict[str, Any] | None] = Column(default=None)
    names: Mapped[list[str] | None] = Column(default=None)
    size: Mapped[Dimensions | None] = Column(default=None)
    colour: Mapped[Colour | None] = Column(default=None)
    level: Mapped[Level | None] = Column(default=None)
    mixed: Mapped[Mixed | None] = Column(default=None)
    numbers: Mapped[list[int] | None] = Column(type=Array(int), default=None)
    between: Mapped[Range[int] | None] = Column(type=RangeType(Integer()), default=None)


ALL = (
    Author, Book, Note, Post, Bookmark, Node, Left, Right, Rank, Order, Slot, Seat, Log,
    Everything,
)  # fmt: skip
