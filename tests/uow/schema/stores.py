"""The SQL stores that tests of schemas run on, and models with everything that each can have."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, cast
from uuid import UUID

import attrs
import pytest

from tests.support import mysql, postgresql
from uow import Array, Column, Mapped, Range, Registry, Sequence, Table
from uow.types import Composite, EnumType, Integer, Native, RangeType, Text

__all__ = ["EACH_STORE", "SQLITE", "STORES", "everything", "make_empty", "store_url"]

SQLITE: Final = "sqlite"
STORES: Final = (SQLITE, "postgresql", "mariadb", "mysql")
EACH_STORE: Final = [
    pytest.param(store, marks=[pytest.mark.thorough] if store == "mariadb" else [])
    for store in STORES
]
"""For tests that run on each store; MariaDB's go over much of MySQL's code."""


def store_url(store: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """Give the URL of a database, which may not be empty."""
    if store == SQLITE:
        return f"sqlite:///{folder}/schema.db"
    return cast("str", request.getfixturevalue(f"{store}_database"))


async def make_empty(url: str) -> None:
    """Remove what is in a database of a server."""
    if url.startswith("postgresql"):
        await postgresql.clear(url)
    elif not url.startswith(SQLITE):
        await mysql.clear(url)


class Mood(enum.Enum):
    OK = "ok"
    SAD = "it's sad"


class Size(enum.IntEnum):
    SMALL = 1
    BIG = 2


@attrs.frozen
class Place:
    street: str
    number: int | None = None


COMMON_INDEXES: Final[list[dict[str, Any]]] = [
    {"fields": ["name", "-level"], "name": "by_name"},
    {"fields": ["day"], "unique": True},
]
INDEXES: Final[Mapping[str, list[dict[str, Any]]]] = MappingProxyType(
    {
        "sqlite": [
            {"fields": [{"expression": "lower(name)"}, "-level"], "unique": True, "name": "low"},
            {"fields": ["level"], "where": "level > 3 AND name <> 'x'", "name": "few"},
            {"fields": [{"field": "name", "collation": "NOCASE"}], "name": "nocase"},
        ],
        "postgresql": [
            {
                "fields": [{"expression": "lower(name)", "desc": True, "nulls": "last"}, "-level"],
                "unique": True,
                "name": "low",
                "where": "level IN (1, 2, 3)",
                "include": ["day"],
                "nulls_distinct": False,
            },
            {"fields": [{"field": "name", "collation": "C", "opclass": "text_pattern_ops"}],
             "name": "by_pattern"},
            {"fields": ["names"], "method": "gin"},
            {"fields": [{"field": "document", "opclass": "jsonb_path_ops"}], "method": "gin",
             "name": "in_document"},
            {"fields": ["made"], "method": "brin"},
            {"fields": ["level"], "method": "hash", "name": "hashed"},
        ],
        "mysql": [{"fields": [{"expression": "lower(name)"}], "name": "low"}],
        "mariadb": [],
    }
)  # fmt: skip
COMMON_CONSTRAINTS: Final[list[dict[str, Any]]] = [
    {"unique": ["name", "level"], "name": "uq_both"},
    {"check": "level IN (1, 2, 3) OR (name LIKE 'a%' AND level BETWEEN 5 AND 9)"},
    {"check": "name <> 'it''s' AND NOT (level = 4)", "name": "no_four"},
    {"foreign_key": ["a", "b"], "references": ["pairs.a", "pairs.b"], "on_delete": "cascade"},
]
CONSTRAINTS: Final[Mapping[str, list[dict[str, Any]]]] = MappingProxyType(
    {
        "postgresql": [
            {"unique": ["level", "day"], "nulls_distinct": False},
            {"exclude": {"during": "&&"}, "where": "level > 3", "name": "no_overlap"},
        ]
    }
)


def everything(store: str) -> list[type]:
    """Make models that have every type, constraint and index that a store has."""
    own = Registry()
    is_postgresql = store == "postgresql"

    identity: Literal["always", "by default"] = "always" if is_postgresql else "by default"

    class Base(Table):
        class Settings:
            abstract = True
            registry = own

    class Pair(Base):
        class Settings:
            name = "pairs"
            comment = "Two; it's a \\ pair"

        a: Mapped[int] = Column(primary_key=True)
        b: Mapped[str] = Column(primary_key=True, max_length=10)

    class Rich(Base):
        class Settings:
            name = "rich"
            indexes = [*COMMON_INDEXES, *INDEXES[store]]  # noqa: RUF012
            constraints = [*COMMON_CONSTRAINTS, *CONSTRAINTS.get(store, [])]  # noqa: RUF012

        id: Mapped[int] = Column(primary_key=True, auto_increment=True)
        name: Mapped[str] = Column(max_length=50, server_default="'it''s'", comment="it's \\ one")
        level: Mapped[int] = Column(check="level > 0", server_default="1", index=True)
        a: Mapped[int | None] = Column(default=None)
        b: Mapped[str | None] = Column(max_length=10, default=None)
        price: Mapped[Decimal] = Column(precision=10, scale=2, server_default="1.5")
        less: Mapped[int] = Column(server_default="-3", type=Integer(32))
        flag: Mapped[bool] = Column(server_default="TRUE")
        key: Mapped[UUID] = Column(server_default="gen_random_uuid()", unique=True)
        made: Mapped[datetime] = Column(server_default="NOW()")
        local: Mapped[datetime] = Column(timezone=False, server_default="CURRENT_TIMESTAMP")
        day: Mapped[date] = Column(server_default="CURRENT_DATE")
        hour: Mapped[time] = Column(server_default="CURRENT_TIME")
        note: Mapped[str | None] = Column(server_default="lower('ABC')")
        ratio: Mapped[float | None] = Column(server_default="0.25")
        twice: Mapped[int | None] = Column(generated="level * 2")
        shown: Mapped[int | None] = Column(generated="level + 1", virtual=True)
        mood: Mapped[Mood | None] = Column(default=None, type=EnumType(Mood, native=True))
        kept: Mapped[Mood | None] = Column(default=None)
        size: Mapped[Size | None] = Column(default=None)
        names: Mapped[list[str] | None] = Column(default=None, type=Array(Text(5)))
        document: Mapped[dict[str, Any] | None] = Column(default=None)
        during: Mapped[Range[datetime] | None] = Column(default=None)
        between: Mapped[Range[int] | None] = Column(type=RangeType(Integer()), default=None)
        place: Mapped[Place | None] = Column(type=Composite(Place), default=None)
        span: Mapped[timedelta | None] = Column(default=None)
        data: Mapped[bytes | None] = Column(default=None, max_length=100)
        blob: Mapped[bytes | None] = Column(default=None)
        small: Mapped[int | None] = Column(type=Integer(16), default=None)
        exact: Mapped[Decimal | None] = Column(default=None)
        parent_id: Mapped[int | None] = Column(
            foreign_key="rich.id", on_delete="set null", on_update="cascade", deferrable=True,
            default=None,
        )  # fmt: skip
        other_id: Mapped[int | None] = Column(
            foreign_key="later.id", on_delete="restrict", deferrable=True, initially="immediate",
            default=None,
        )  # fmt: skip
        turn: Mapped[int | None] = Column(default=None, unique=True, deferrable=True)

    class Later(Base):
        """Refers back."""

        class Settings:
            name = "later"

        id: Mapped[int] = Column(primary_key=True, identity=identity)
        rich_id: Mapped[int | None] = Column(
            default=None, foreign_key="rich.id", on_delete="no action"
        )

    class Person(Base):
        class Settings:
            name = "people"
            inheritance = "joined"
            discriminator = "kind"

        id: Mapped[int] = Column(primary_key=True, auto_increment=True)
        kind: Mapped[str] = Column(max_length=20)

    class Student(Person):
        class Settings(Person.Settings):
            name = "students"
            discriminator_value = "student"

        grade: Mapped[int]

    class Shape(Base):
        class Settings:
            name = "shapes"
            inheritance = "single"
            discriminator = "kind"

        id: Mapped[int] = Column(primary_key=True, auto_increment=True)
        kind: Mapped[str] = Column(max_length=20)

    class Circle(Shape):
        class Settings(Shape.Settings):
            discriminator_value = "circle"

        radius: Mapped[int]

    made: list[type] = [Pair, Rich, Later, Person, Student, Shape, Circle]
    if is_postgresql:
        made.append(_of_postgresql(Base))
    return made


def _of_postgresql(base: type[Table]) -> type:
    class Shelf(base):  # type: ignore[valid-type, misc]
        """In a schema of its own, with types and numbers that are there too."""

        class Settings:
            name = "shelves"
            schema = "my shop"

        id: Mapped[int] = Column(primary_key=True, sequence="shelf_numbers")
        code: Mapped[int] = Column(
            sequence=Sequence("codes", schema="my shop", start=-5, increment=-2)
        )
        mood: Mapped[Mood] = Column(
            type=EnumType(Mood, native="Mood of it", schema="my shop"), server_default="'ok'"
        )
        moods: Mapped[list[Mood] | None] = Column(
            type=Array(EnumType(Mood, native="Mood of it", schema="my shop")), default=None
        )
        words: Mapped[str | None] = Column(type=Native("tsvector"), default=None)

    return Shelf
