"""The classes of the contract suite, as tables, in a registry of their own.

Every kind of store has a module like this one, with classes of the same names and fields; tests
reach it through the fixture `models`.
"""

from __future__ import annotations

import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import attrs

from tests.contract import hierarchies
from tests.contract.related import RELATED
from uow import Array, Column, Mapped, Range, Registry, Table, ulid, uuid7
from uow.types import Integer, RangeType

__all__ = [
    "ALL",
    "Author",
    "Book",
    "Bookmark",
    "Colour",
    "Counter",
    "Dimensions",
    "Everything",
    "Left",
    "Level",
    "Line",
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
    "Spouse",
    "Ticket",
    "registry",
]

registry = Registry()


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


@attrs.define
class Dimensions:
    """An embedded value."""

    width: int
    height: int
    labels: list[str] = attrs.field(factory=list)


class Base(Table):
    class Settings:
        abstract = True
        registry = registry


class Author(Base):
    """A generated key, a unique field, a server default, a version and a JSON list."""

    class Settings:
        name = "authors"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    email: Mapped[str] = Column(unique=True, max_length=255)
    name: Mapped[str]
    age: Mapped[int | None] = Column(default=None)
    joined: Mapped[datetime] = Column(server_default="CURRENT_TIMESTAMP")
    version: Mapped[int] = Column(version=True)
    tags: Mapped[list[str]] = Column(default_factory=list)


class Book(Base):
    """A key made here, a foreign key with a cascade in the store, a decimal, embedded values."""

    class Settings:
        name = "books"

    id: Mapped[UUID] = Column(primary_key=True, default=uuid7)
    author_id: Mapped[int] = Column(foreign_key="authors.id", on_delete="cascade")
    title: Mapped[str]
    price: Mapped[Decimal] = Column(precision=10, scale=2, default=Decimal(0))
    dims: Mapped[Dimensions | None] = Column(default=None)


class Note(Base):
    """No version, no unique field: as plain as a table can be."""

    class Settings:
        name = "notes"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    text: Mapped[str]
    rank: Mapped[int] = Column(default=0)
    meta: Mapped[dict[str, Any] | None] = Column(default=None)


class Post(Base):
    """A foreign key without a cascade: the order of writes is all that keeps it."""

    class Settings:
        name = "a_posts"  # before `notes` in the alphabet, and after it by its foreign key

    id: Mapped[int] = Column(primary_key=True)
    note_id: Mapped[int | None] = Column(foreign_key=lambda: Note.id, default=None)
    text: Mapped[str] = Column(default="")


class Bookmark(Base):
    """A foreign key that the store lets go of by itself."""

    class Settings:
        name = "bookmarks"

    id: Mapped[int] = Column(primary_key=True)
    note_id: Mapped[int | None] = Column(foreign_key="notes.id", on_delete="set null", default=None)
    text: Mapped[str] = Column(default="")


class Node(Base):
    """A tree: refers to itself by keys made here."""

    class Settings:
        name = "nodes"

    id: Mapped[UUID] = Column(primary_key=True, default=uuid7)
    parent_id: Mapped[UUID | None] = Column(foreign_key="nodes.id", default=None)
    name: Mapped[str]


class Left(Base):
    """Refers to `Right`, which refers back."""

    class Settings:
        name = "lefts"

    id: Mapped[int] = Column(primary_key=True)
    right_id: Mapped[int | None] = Column(foreign_key="rights.id", default=None)


class Right(Base):
    class Settings:
        name = "rights"

    id: Mapped[int] = Column(primary_key=True)
    left_id: Mapped[int | None] = Column(foreign_key="lefts.id", default=None)


class Spouse(Base):
    """Refers to another, always; the store can check that at the end."""

    class Settings:
        name = "spouses"

    id: Mapped[int] = Column(primary_key=True)
    other_id: Mapped[int] = Column(foreign_key="spouses.id", deferrable=True, initially="immediate")


class Rank(Base):
    """A unique place, which some stores can check at the end."""

    class Settings:
        name = "ranks"

    id: Mapped[int] = Column(primary_key=True)
    place: Mapped[int] = Column(unique=True, deferrable=True, initially="immediate")


class Order(Base):
    """A key the user gives."""

    class Settings:
        name = "orders"

    id: Mapped[int] = Column(primary_key=True)
    customer: Mapped[str] = Column(default="somebody")


class Line(Base):
    """A composite key, part of it a foreign key, and a column the store computes."""

    class Settings:
        name = "lines"

    order_id: Mapped[int] = Column(primary_key=True, foreign_key="orders.id")
    no: Mapped[int] = Column(primary_key=True)
    quantity: Mapped[int] = Column(default=1)
    price: Mapped[int] = Column(default=1)
    total: Mapped[int] = Column(generated="quantity * price")


class Slot(Base):
    """A unique number that may pass from one row to another."""

    class Settings:
        name = "slots"

    id: Mapped[int] = Column(primary_key=True)
    position: Mapped[int | None] = Column(unique=True, default=None)
    name: Mapped[str] = Column(default="")


class Seat(Base):
    """Unique over two fields."""

    class Settings:
        name = "seats"
        indexes = [{"fields": ["row", "number"], "unique": True}]  # noqa: RUF012

    id: Mapped[int] = Column(primary_key=True)
    row: Mapped[str]
    number: Mapped[int]


class Ticket(Base):
    """Unique among some rows only, and by what an expression makes of a field."""

    class Settings:
        name = "tickets"
        indexes = (
            {"fields": ["code"], "unique": True, "where": "is_open"},
            {"fields": [{"expression": "lower(owner)"}], "unique": True, "name": "ticket_owner"},
        )

    id: Mapped[int] = Column(primary_key=True)
    code: Mapped[str]
    is_open: Mapped[bool] = Column(default=False)
    note: Mapped[str] = Column(default="")
    owner: Mapped[str | None] = Column(default=None)


class Counter(Base):
    """Every field may be left to the store."""

    class Settings:
        name = "counters"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    hits: Mapped[int] = Column(server_default="7")


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

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
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
    Author, Book, Note, Post, Bookmark, Node, Left, Right, Spouse, Rank, Order, Line, Slot, Seat,
    Counter, Log, Everything, Ticket, *hierarchies.ALL, *RELATED,
)  # fmt: skip
