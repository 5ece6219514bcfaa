"""What a model may say beyond plain columns: its text on each store, or why there is none."""

from __future__ import annotations

import enum
import re
from ipaddress import (
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import Annotated, Any, NamedTuple

import pytest

from tests.dialects.store import Store
from uow.dialects.base import dialect_for
from uow.errors import MappingError
from uow.expressions import literal
from uow.mapping.columns import Column, Mapped, Sequence
from uow.mapping.mapper import mapper_of
from uow.mapping.model import Model
from uow.mapping.registry import Registry
from uow.query.select import select
from uow.statement import Statement
from uow.types import (
    Array,
    Composite,
    EnumType,
    Integer,
    IpAddress,
    Native,
    Numeric,
    RangeType,
    Text,
)
from uow.values import Range, python_type

REGISTRY = Registry()
STORES = ["sqlite", "postgresql", "mysql", "mariadb"]


class Mood(enum.Enum):
    OK = "ok"
    SAD = "it's sad"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Spot(NamedTuple):
    street: str
    mood: Mood


class Corner(NamedTuple):
    spot: Annotated[Spot, Composite(Spot)]
    width: float


class Typed(Model):
    """Every type that stores keep in different ways."""

    class Settings:
        name = "typed"
        registry = REGISTRY

    id: Mapped[int] = Column(primary_key=True, identity="always")
    mood: Mapped[Mood] = Column(type=EnumType(Mood, native=True))
    level: Mapped[Level] = Column(type=EnumType(Level, native="how high", schema="shop"))
    moods: Mapped[list[Mood]] = Column(type=Array(EnumType(Mood, native=True)))
    host: Mapped[IPv6Address]
    interface: Mapped[IPv4Interface]
    network: Mapped[IPv4Network]
    hosts: Mapped[list[str]] = Column(type=Array(IpAddress()))
    grid: Mapped[list[list[str]]] = Column(type=Array(Array(Text(5))))
    prices: Mapped[list[Any]] = Column(type=Array(Numeric(9, 2)))
    spans: Mapped[list[Range[int]]] = Column(type=Array(RangeType(Integer(32))))
    corner: Mapped[Spot] = Column(type=Composite(Spot, name="corner"))
    word: Mapped[str] = Column(type=Native("citext", store="postgresql", elsewhere=Text(20)))
    twice: Mapped[int] = Column(generated="id * 2", virtual=True)


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        (
            "sqlite",
            """CREATE TABLE IF NOT EXISTS "typed" (
  "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  "mood" ENUM_TEXT NOT NULL,
  "level" ENUM_TEXT NOT NULL,
  "moods" JSON_TEXT NOT NULL,
  "host" INET_TEXT NOT NULL,
  "interface" INET_TEXT NOT NULL,
  "network" CIDR_TEXT NOT NULL,
  "hosts" JSON_TEXT NOT NULL,
  "grid" JSON_TEXT NOT NULL,
  "prices" JSON_TEXT NOT NULL,
  "spans" JSON_TEXT NOT NULL,
  "corner" JSON_TEXT NOT NULL,
  "word" VARCHAR(20) NOT NULL,
  "twice" BIGINT GENERATED ALWAYS AS (id * 2) VIRTUAL NOT NULL,
  CONSTRAINT "ck_typed_word_length" CHECK (length("word") <= 20)
)""",
        ),
        (
            "postgresql",
            """CREATE TABLE IF NOT EXISTS "typed" (
  "id" BIGINT GENERATED ALWAYS AS IDENTITY NOT NULL,
  "mood" "mood" NOT NULL,
  "level" "shop"."how high" NOT NULL,
  "moods" "mood"[] NOT NULL,
  "host" INET NOT NULL,
  "interface" INET NOT NULL,
  "network" CIDR NOT NULL,
  "hosts" INET[] NOT NULL,
  "grid" VARCHAR(5)[] NOT NULL,
  "prices" NUMERIC(9, 2)[] NOT NULL,
  "spans" INT4RANGE[] NOT NULL,
  "corner" "corner" NOT NULL,
  "word" citext NOT NULL,
  "twice" BIGINT GENERATED ALWAYS AS (id * 2) STORED NOT NULL,
  PRIMARY KEY ("id")
)""",
        ),
        (
            "mariadb",
            """CREATE TABLE IF NOT EXISTS `typed` (
  `id` BIGINT NOT NULL AUTO_INCREMENT,
  `mood` ENUM('ok', 'it''s sad') NOT NULL,
  `level` ENUM('LOW', 'HIGH') NOT NULL,
  `moods` JSON NOT NULL,
  `host` VARCHAR(39) NOT NULL,
  `interface` VARCHAR(43) NOT NULL,
  `network` VARCHAR(43) NOT NULL,
  `hosts` JSON NOT NULL,
  `grid` JSON NOT NULL,
  `prices` JSON NOT NULL,
  `spans` JSON NOT NULL,
  `corner` JSON NOT NULL,
  `word` VARCHAR(20) NOT NULL,
  `twice` BIGINT GENERATED ALWAYS AS (id * 2) VIRTUAL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin""",
        ),
    ],
)
def test_types(dialect: str, expected: str) -> None:
    """Each store declares a type in its own way; the same model is for all of them."""

    assert dialect_for(dialect).create_table(mapper_of(Typed)) == [expected]


def test_what_tables_stand_on() -> None:
    """PostgreSQL's types and sequences are made before the tables, and dropped after, in order."""

    class Numbered(Model):
        class Settings:
            name = "numbered"
            schema = "shop"
            registry = Registry()

        id: Mapped[int] = Column(primary_key=True, sequence="numbers")
        code: Mapped[int] = Column(sequence=Sequence("codes", schema="s", start=-5, increment=2))
        down: Mapped[int] = Column(sequence=Sequence("downs", start=5, increment=-1))
        corner: Mapped[Corner] = Column(type=Composite(Corner, schema="s"))
        mood: Mapped[Mood] = Column(type=EnumType(Mood, native=True))

    mapper = mapper_of(Numbered)
    postgresql = dialect_for("postgresql")

    assert postgresql.create_objects([mapper]) == [
        """DO $$ BEGIN IF to_regnamespace('"shop"') IS NULL THEN CREATE SCHEMA "shop"; END IF; \
END $$""",
        """DO $$ BEGIN IF to_regnamespace('"s"') IS NULL THEN CREATE SCHEMA "s"; END IF; END $$""",
        (
            'DO $$ BEGIN CREATE TYPE "spot" AS ("street" TEXT, "mood" TEXT); '
            "EXCEPTION WHEN duplicate_object THEN "
            "IF NOT EXISTS (SELECT FROM pg_class WHERE relkind = 'c' AND "
            "reltype = to_regtype('\"spot\"')) THEN RAISE duplicate_object USING MESSAGE = "
            '\'Spot: something else is called "spot", a table or a type; give the row type '
            "another name, or a schema'; END IF; END $$"
        ),
        (
            'DO $$ BEGIN CREATE TYPE "s"."corner" AS ("spot" "spot", "width" DOUBLE PRECISION); '
            "EXCEPTION WHEN duplicate_object THEN "
            "IF NOT EXISTS (SELECT FROM pg_class WHERE relkind = 'c' AND "
            'reltype = to_regtype(\'"s"."corner"\')) THEN RAISE duplicate_object USING MESSAGE = '
            '\'Corner: something else is called "s"."corner", a table or a type; give the row '
            "type another name, or a schema'; END IF; END $$"
        ),
        (
            """DO $$ BEGIN CREATE TYPE "mood" AS ENUM ('ok', 'it''s sad'); """
            "EXCEPTION WHEN duplicate_object THEN "
            "IF NOT EXISTS (SELECT FROM pg_type WHERE typtype = 'e' AND "
            "oid = to_regtype('\"mood\"')) THEN RAISE duplicate_object USING MESSAGE = "
            '\'Mood: something else is called "mood", a table or a type; give the enum '
            "another name, or a schema'; END IF; END $$"
        ),
        'CREATE SEQUENCE IF NOT EXISTS "numbers" START WITH 1 INCREMENT BY 1',
        'CREATE SEQUENCE IF NOT EXISTS "s"."codes" START WITH -5 INCREMENT BY 2 MINVALUE -5',
        'CREATE SEQUENCE IF NOT EXISTS "downs" START WITH 5 INCREMENT BY -1 MAXVALUE 5',
    ]
    assert postgresql.drop_objects([mapper]) == [
        f"DO $$ BEGIN DROP {thing}; EXCEPTION WHEN dependent_objects_still_exist THEN NULL; END $$"
        for thing in (
            'SEQUENCE IF EXISTS "numbers"',
            'SEQUENCE IF EXISTS "s"."codes"',
            'SEQUENCE IF EXISTS "downs"',
            'TYPE IF EXISTS "mood"',
            'TYPE IF EXISTS "s"."corner"',
            'TYPE IF EXISTS "spot"',
        )
    ]
    (create,) = postgresql.create_table(mapper)

    assert """"id" BIGINT DEFAULT nextval('"numbers"'::regclass) NOT NULL,""" in create
    assert """"code" BIGINT DEFAULT nextval('"s"."codes"'::regclass) NOT NULL,""" in create
    assert postgresql.lock_definitions() == ["SELECT pg_advisory_xact_lock(33055130767352934)"]
    assert dialect_for("mysql").create_objects([mapper]) == ["CREATE SCHEMA IF NOT EXISTS `shop`"]
    assert dialect_for("sqlite").create_objects([mapper]) == []
    for store in ("sqlite", "mysql", "mariadb"):
        with pytest.raises(MappingError, match=r"Numbered\.code: .* has no sequences"):
            dialect_for(store).ddl.column(mapper.by_attribute["code"])  # type: ignore[attr-defined]

        assert dialect_for(store).drop_objects([mapper]) == []
        assert dialect_for(store).lock_definitions() == []


def test_a_key_from_a_sequence_elsewhere() -> None:
    """A store without sequences numbers a key by its own means."""

    class Counted(Model):
        class Settings:
            name = "counted"
            registry = Registry()

        id: Mapped[int] = Column(primary_key=True, sequence="numbers")

    mapper = mapper_of(Counted)

    assert '"id" INTEGER PRIMARY KEY AUTOINCREMENT' in dialect_for("sqlite").create_table(mapper)[0]
    assert "`id` BIGINT NOT NULL AUTO_INCREMENT" in dialect_for("mysql").create_table(mapper)[0]
    Store(Counted)


def test_a_type_by_the_name_of_a_table() -> None:
    """The server makes a type for each table, so one of ours must be called something else."""

    class Basket(enum.Enum):
        FULL = "full"

    class Baskets(Model):
        class Settings:
            name = "basket"
            registry = Registry()

        id: Mapped[int] = Column(primary_key=True)
        kind: Mapped[Basket] = Column(type=EnumType(Basket, native=True))

    mapper = mapper_of(Baskets)
    with pytest.raises(MappingError, match='table of Baskets under the name "basket"'):
        dialect_for("postgresql").create_objects([mapper])
    assert dialect_for("sqlite").create_objects([mapper]) == []


def test_a_label_that_ends_the_block() -> None:
    """Text of the model's author between dollar quotes cannot end them."""

    class Price(enum.Enum):
        CHEAP = "$$; DROP TABLE typed; $b1$"

    class Priced(Model):
        class Settings:
            name = "priced"
            registry = Registry()

        id: Mapped[int] = Column(primary_key=True)
        price: Mapped[Price] = Column(type=EnumType(Price, native=True))

    (text,) = dialect_for("postgresql").create_objects([mapper_of(Priced)])

    assert text.startswith(
        "DO $b2$ BEGIN CREATE TYPE \"price\" AS ENUM ('$$; DROP TABLE typed; $b1$'); EXCEPTION WHEN"
    )
    assert text.endswith(" END IF; END $b2$")


class Long(enum.Enum):
    LABEL = "x" * 64


class Empty(enum.Enum):
    LABEL = ""


class Point(NamedTuple):
    x: float


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ([EnumType(Long, native=True)], "64 bytes; PostgreSQL takes 1 to 63"),
        ([EnumType(Empty, native=True)], "0 bytes"),
        ([Composite(Point)], "PostgreSQL has a type 'point' already"),
        ([EnumType(Mood, native="m"), EnumType(Level, native="m")], "that of another class"),
    ],
)
def test_types_that_cannot_be_made(types: list[Any], message: str) -> None:
    """A type that PostgreSQL would refuse, or mistake for another, is an error of the model."""
    namespace: dict[str, Any] = {
        "__module__": __name__,
        "__annotations__": {
            "id": int,
            **{f"f{n}": python_type(type_) for n, type_ in enumerate(types)},
        },
        "id": Column(primary_key=True),
        "Settings": type("Settings", (), {"registry": Registry()}),
        **{f"f{n}": Column(type=type_) for n, type_ in enumerate(types)},
    }
    metaclass: Any = type(Model)
    mapper = mapper_of(metaclass("Bad", (Model,), namespace))

    with pytest.raises(MappingError, match=message):
        dialect_for("postgresql").create_objects([mapper])
    dialect_for("sqlite").create_table(mapper)


def test_a_type_another_store_lacks() -> None:
    """A type of one store alone is refused by the others, with the field's name."""

    class Geo(Model):
        class Settings:
            registry = Registry()

        id: Mapped[int] = Column(primary_key=True)
        place: Mapped[str] = Column(type=Native("geometry(Point, 4326)", store="postgresql"))

    mapper = mapper_of(Geo)

    assert (
        '"place" geometry(Point, 4326) NOT NULL'
        in dialect_for("postgresql").create_table(mapper)[0]
    )
    for store in ("sqlite", "mysql"):
        with pytest.raises(MappingError, match=r"Geo\.place: .*no type 'geometry\(Point, 4326\)'"):
            dialect_for(store).create_table(mapper)
        with pytest.raises(MappingError, match="no type"):
            dialect_for(store).encoder(mapper.by_attribute["place"].type)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (ip_address("1.2.3.4"), "$1::inet"),
        (ip_interface("1.2.3.4/8"), "$1::inet"),
        (ip_network("10.0.0.0/8"), "$1::cidr"),
    ],
)
def test_addresses_in_queries(value: Any, text: str) -> None:
    """An address stands alone in a query, as text where the store has no such type."""
    statement = select(literal(value))

    assert statement.compile("postgresql") == Statement(f"SELECT {text}", (value,), reads=True)
    assert statement.compile("sqlite").parameters == (str(value),)


def test_a_range_no_store_has() -> None:
    """A type that a store has no name for is an error that names the field."""

    class Reach(Model):
        class Settings:
            registry = Registry()

        id: Mapped[int] = Column(primary_key=True)
        span: Mapped[Range[float]]

    with pytest.raises(MappingError, match=r"Reach\.span: PostgreSQL has no range over Float"):
        dialect_for("postgresql").create_table(mapper_of(Reach))
    Store(Reach)


def _indexed(indexes: list[Any], constraints: list[Any] | None = None) -> Any:
    settings = {"indexes": indexes, "constraints": constraints or [], "registry": Registry()}
    namespace = {
        "__module__": __name__,
        "__annotations__": {"id": int, "a": int, "b": str},
        "id": Column(primary_key=True),
        "b": Column(name="B", max_length=20),
        "Settings": type("Settings", (), {**settings, "name": "indexed"}),
    }
    metaclass: Any = type(Model)
    return mapper_of(metaclass("Indexed", (Model,), namespace))


INDEXES: list[tuple[Any, dict[str, str | None]]] = [
    (
        ["a", "-b"],
        {
            "postgresql": 'INDEX IF NOT EXISTS "ix_indexed_a_B" ON "indexed" ("a", "B" DESC)',
            "sqlite": 'INDEX IF NOT EXISTS "ix_indexed_a_B" ON "indexed" ("a", "B" DESC)',
            "mysql": "INDEX `ix_indexed_a_B` (`a`, `B` DESC)",
        },
    ),
    (
        {"fields": ["a"], "method": "gin"},
        {
            "postgresql": 'INDEX IF NOT EXISTS "ix_indexed_a" ON "indexed" USING gin ("a")',
            "sqlite": None,
            "mysql": None,
        },
    ),
    (
        {"fields": ["a"], "method": "hash", "include": ["b"]},
        {
            "postgresql": (
                'INDEX IF NOT EXISTS "ix_indexed_a" ON "indexed" USING hash ("a") INCLUDE ("B")'
            ),
            "sqlite": 'INDEX IF NOT EXISTS "ix_indexed_a" ON "indexed" ("a")',
            "mysql": "INDEX `ix_indexed_a` (`a`)",
        },
    ),
    (
        {
            "fields": [
                {"field": "b", "opclass": "text_pattern_ops", "nulls": "first", "desc": True}
            ],
            "unique": True,
            "name": "own",
        },
        {
            "postgresql": (
                'UNIQUE INDEX IF NOT EXISTS "own" ON "indexed" '
                '("B" text_pattern_ops DESC NULLS FIRST)'
            ),
            "sqlite": 'UNIQUE INDEX IF NOT EXISTS "own" ON "indexed" ("B" DESC)',
            "mysql": "UNIQUE INDEX `own` (`B` DESC)",
        },
    ),
    (
        {"fields": [{"expression": "lower(B)"}, "a"], "name": "low"},
        {
            "postgresql": 'INDEX IF NOT EXISTS "low" ON "indexed" ((lower(B)), "a")',
            "sqlite": 'INDEX IF NOT EXISTS "low" ON "indexed" ((lower(B)), "a")',
            "mysql": "INDEX `low` ((lower(B)), `a`)",
            "mariadb": "is over an expression",
        },
    ),
    (
        {"fields": [{"field": "b", "collation": "NOCASE"}]},
        {
            "postgresql": (
                'INDEX IF NOT EXISTS "ix_indexed_B" ON "indexed" ("B" COLLATE "NOCASE")'
            ),
            "sqlite": 'INDEX IF NOT EXISTS "ix_indexed_B" ON "indexed" ("B" COLLATE "NOCASE")',
            "mysql": "a collation of its own",
        },
    ),
    (
        {"fields": "a", "where": "a > 0"},
        {
            "postgresql": 'INDEX IF NOT EXISTS "ix_indexed_a" ON "indexed" ("a") WHERE a > 0',
            "sqlite": 'INDEX IF NOT EXISTS "ix_indexed_a" ON "indexed" ("a") WHERE a > 0',
            "mysql": "is partial",
        },
    ),
    (
        {"fields": "a", "unique": True, "nulls_distinct": False},
        {
            "postgresql": (
                'UNIQUE INDEX IF NOT EXISTS "ix_indexed_a" ON "indexed" ("a") NULLS NOT DISTINCT'
            ),
            "sqlite": "takes NULLs in what is unique as different",
            "mysql": "takes NULLs in what is unique as different",
        },
    ),
]


@pytest.mark.parametrize(
    ("index", "store", "expected"),
    [(index, store, text) for index, texts in INDEXES for store, text in texts.items()],
)
def test_indexes(index: Any, store: str, expected: str | None) -> None:
    """An index is made, left out if it only serves speed, or refused if it means something."""
    mapper = _indexed([index])
    dialect = dialect_for(store)
    if expected is not None and "INDEX" not in expected:
        with pytest.raises(MappingError, match=expected):
            dialect.create_table(mapper)
        return
    texts = "\n".join(dialect.create_table(mapper))
    found = [line.strip().removeprefix("CREATE ") for line in texts.splitlines() if "INDEX" in line]

    assert found == ([] if expected is None else [expected])
    if store == "sqlite":
        Store(mapper.class_)


@pytest.mark.parametrize(
    ("constraint", "postgresql", "sqlite"),
    [
        (
            {"unique": ["a", "b"], "deferrable": True},
            'CONSTRAINT "uq_indexed_a_B" UNIQUE ("a", "B") DEFERRABLE INITIALLY DEFERRED',
            'CONSTRAINT "uq_indexed_a_B" UNIQUE ("a", "B")',
        ),
        (
            {"unique": "a", "nulls_distinct": False, "name": "n"},
            'CONSTRAINT "n" UNIQUE NULLS NOT DISTINCT ("a")',
            None,
        ),
        (
            {"exclude": {"a": "=", "b": "&&"}, "where": "a > 0", "deferrable": True,
             "initially": "immediate"},
            (
                'CONSTRAINT "ex_indexed_a_B" EXCLUDE USING gist ("a" WITH =, "B" WITH &&) '
                "WHERE (a > 0) DEFERRABLE INITIALLY IMMEDIATE"
            ),
            None,
        ),
    ],
)  # fmt: skip
def test_constraints(constraint: Any, postgresql: str, sqlite: str | None) -> None:
    """When it is checked is left out where the store checks at once; the rest is refused."""
    mapper = _indexed([], [constraint])

    assert (
        f"  {postgresql}"
        in dialect_for("postgresql").create_table(mapper)[0].replace(",\n", "\n").splitlines()
    )
    if sqlite is None:
        with pytest.raises(MappingError, match="Indexed: "):
            dialect_for("sqlite").create_table(mapper)
    else:
        assert sqlite in dialect_for("sqlite").create_table(mapper)[0]
        Store(mapper.class_)


@pytest.mark.parametrize("store", STORES)
def test_names_that_are_made_fit(store: str) -> None:
    """The names of constraints and indexes are cut to what the store keeps, and stay different."""
    long = "a_name_of_a_column_that_goes_on_and_on_and_on_and_on_"
    namespace = {
        "__module__": __name__,
        "__annotations__": {"id": int, f"{long}1": int, f"{long}2": int},
        "id": Column(primary_key=True),
        f"{long}1": Column(unique=True, index=True, check="1 = 1", foreign_key="long_table.id"),
        f"{long}2": Column(unique=True, index=True, check="1 = 1", foreign_key="long_table.id"),
        "Settings": type("Settings", (), {"registry": Registry(), "name": "long_table"}),
    }
    metaclass: Any = type(Model)
    mapper = mapper_of(metaclass("Long", (Model,), namespace))
    texts = dialect_for(store).create_table(mapper)
    names = re.findall(r"(?:CONSTRAINT|INDEX|EXISTS) [\"`]([^\"`]+)", "\n".join(texts))

    assert len(set(names)) == 9
    assert (
        max(len(name.encode()) for name in names)
        <= dialect_for(store).capabilities.max_identifier_length
    )
    assert dialect_for(store).create_table(mapper) == texts
