"""What models declare stands in a PostgreSQL server as they say, made and dropped in one piece."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import anyio
import attrs
import pytest

from tests.support.postgresql import clear
from uow import (
    Array,
    Column,
    ConstraintError,
    ConstraintKind,
    Database,
    InvalidUnitError,
    Mapped,
    MappingError,
    Outcome,
    Range,
    Registry,
    SchemaChangedError,
    Sequence,
    Session,
    Table,
    UowError,
    ValidationError,
    insert,
    insert_many,
    sql,
)
from uow.types import Composite, EnumType, Native, Text

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]

registry = Registry()


class Mood(enum.Enum):
    OK = "ok"
    SAD = "it's $$ sad"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@attrs.frozen
class Place:
    street: str
    mood: Mood | None = None


MOOD = EnumType(Mood, native="Mood of it", schema="my shop")


class Base(Table):
    class Settings:
        abstract = True
        registry = registry


class Hen(Base):
    """Refers to `Egg`, which refers back; the store alone numbers its rows."""

    class Settings:
        name = "hens"

    id: Mapped[int] = Column(primary_key=True, identity="always")
    egg_id: Mapped[int | None] = Column(
        default=None, foreign_key="eggs.id", deferrable=True, initially="immediate"
    )


class Egg(Base):
    """Numbered from sequences, one of them in another schema."""

    class Settings:
        name = "eggs"

    id: Mapped[int] = Column(primary_key=True, sequence="egg_numbers")
    hen_id: Mapped[int | None] = Column(default=None, foreign_key="hens.id", deferrable=True)
    code: Mapped[int] = Column(sequence=Sequence("codes", schema="my shop", start=-5, increment=-2))


class Shelf(Base):
    """Every kind of index and constraint, in a schema of its own."""

    class Settings:
        name = "shelves"
        schema = "my shop"
        comment = "It's a shelf"
        indexes = [  # noqa: RUF012 - read once, by the mapping
            {"fields": ["tags"], "method": "gin"},
            {"fields": [{"field": "doc", "opclass": "jsonb_path_ops"}], "method": "gin"},
            {
                "name": "shelves_lower",
                "fields": [{"expression": "lower(name)", "desc": True, "nulls": "last"}, "-n"],
                "unique": True,
                "where": "n > 0",
                "include": ["mood"],
                "nulls_distinct": False,
            },
            {"fields": [{"field": "name", "collation": "C", "opclass": "text_pattern_ops"}]},
            {"fields": ["made"], "method": "brin"},
            {"fields": ["n"], "method": "hash"},
        ]
        constraints = [  # noqa: RUF012
            {"unique": ["row", "name"], "nulls_distinct": False},
            {"exclude": {"during": "&&"}, "where": "n > 3", "name": "no_overlap"},
            {"check": "n <> 13", "name": "no_bad_luck"},
        ]

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str] = Column(default="x")
    n: Mapped[int | None] = Column(default=None, unique=True, deferrable=True)
    row: Mapped[int | None] = Column(default=None)
    mood: Mapped[Mood | None] = Column(type=MOOD, default=None, comment="how it is")
    moods: Mapped[list[Mood] | None] = Column(type=Array(MOOD), default=None)
    level: Mapped[Level | None] = Column(type=EnumType(Level, native=True), default=None)
    place: Mapped[Place | None] = Column(type=Composite(Place), default=None)
    tags: Mapped[list[str] | None] = Column(type=Array(Text(5)), default=None)
    doc: Mapped[dict[str, Any] | None] = Column(default=None)
    during: Mapped[Range[datetime] | None] = Column(default=None)
    made: Mapped[datetime] = Column(server_default="NOW()")
    twice: Mapped[int | None] = Column(generated="n * 2", virtual=True)


ALL = [Hen, Egg, Shelf]


@pytest.fixture
async def url(postgresql_database: str) -> str:
    """The URL of an empty database."""
    await clear(postgresql_database)
    return postgresql_database


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """An open database with the tables."""
    async with Database(url) as database:
        await database.create_all(ALL)
        yield database


async def names(database: Database) -> set[str]:
    """Tables, sequences and types that are not the server's own."""
    async with Session.begin(database) as session:
        found = await session.execute(
            sql(
                "SELECT relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
                "WHERE relkind IN ('r', 'S', 'c') AND nspname IN ('public', 'my shop') "
                "UNION SELECT typname::text FROM pg_type t JOIN pg_namespace n "
                "ON n.oid = typnamespace WHERE typtype = 'e' AND nspname IN ('public', 'my shop')"
            )
        )
    return {row[0] for row in found}


EVERYTHING = {
    "hens", "hens_id_seq", "eggs", "egg_numbers", "codes", "shelves", "shelves_id_seq",
    "Mood of it", "level", "place",
}  # fmt: skip


async def test_made_and_dropped_twice(database: Database) -> None:
    """G1: tables in a circle, types and sequences are made once, and all of them dropped."""
    await database.create_all(ALL)

    assert await names(database) == EVERYTHING
    async with Session.begin(database) as session:
        hen = Hen()
        session.add(hen)
        await session.flush()
        egg = Egg(hen_id=hen.id)
        session.add(egg)
        await session.flush()
        hen.egg_id = egg.id
        session.add(Shelf(mood=Mood.SAD, place=Place("x")))
    await database.drop_all(ALL)
    await database.drop_all(ALL)

    assert await names(database) == set()
    await database.create_all(ALL)

    assert await names(database) == EVERYTHING
    async with Session.begin(database) as session:  # the types are others now, of the same names
        session.add(Shelf(mood=Mood.SAD, place=Place("y")))
    async with Session(database) as session:
        assert (await session.find(Shelf).one()).place == Place("y")


async def test_many_at_once(url: str) -> None:
    """G1: programs that start together make the tables together, and none of them fails."""

    async def create() -> None:
        async with Database(url, pool_max=1) as database:
            await database.create_all(ALL)

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(create)
    async with Database(url) as database:
        assert await names(database) == EVERYTHING


async def test_what_others_use_stays(database: Database) -> None:
    """A type or sequence that another table uses is left alone, and goes with the last one."""

    class Other(Base):
        id: Mapped[int] = Column(primary_key=True, sequence="egg_numbers")
        level: Mapped[Level] = Column(type=EnumType(Level, native=True))

    await database.create_all([Other])
    await database.drop_all(ALL)

    assert await names(database) == {"other", "egg_numbers", "level"}
    async with Session.begin(database) as session:
        session.add(Other(level=Level.HIGH))
    await database.drop_all([Other])

    assert await names(database) == set()


async def test_a_circle_is_closed_later(url: str) -> None:
    """A foreign key that is missing is added to a table that is there, and only once."""
    async with Database(url) as database:
        await database.create_all(ALL)
        async with Session.begin(database) as session:
            await session.execute(sql("ALTER TABLE hens DROP CONSTRAINT fk_hens_egg_id"))
            await session.execute(sql("ALTER TABLE eggs DROP CONSTRAINT fk_eggs_hen_id"))
        await database.create_all(ALL)
        await database.create_all(ALL)
        async with Session.begin(database) as session:
            found = await session.execute(
                sql("SELECT conname::text FROM pg_constraint WHERE contype = 'f'")
            )

        # The other one stands in CREATE TABLE, which leaves a table that exists alone.
        assert [row[0] for row in found] == ["fk_eggs_hen_id"]


async def test_half_made_is_undone(url: str) -> None:
    """When one definition fails, nothing of any is there."""

    class Wrong(Base):
        class Settings:
            name = "wrong"
            constraints = [{"check": "no_such_column > 0"}]  # noqa: RUF012

        id: Mapped[int] = Column(primary_key=True)

    async with Database(url) as database:
        with pytest.raises(UowError) as caught:
            await database.create_all([*ALL, Wrong])

        assert caught.value.phase is not None
        assert await names(database) == set()
        assert database.pool.stats.in_use == 0


async def test_indexes(database: Database) -> None:
    """G1: the server has each index as it was declared."""
    async with Session.begin(database) as session:
        found = await session.execute(
            sql("SELECT indexname::text, indexdef FROM pg_indexes WHERE tablename = 'shelves'")
        )
    texts = {row[0]: row[1].partition(" USING ")[2] for row in found}

    assert texts == {
        "shelves_pkey": "btree (id)",
        "uq_shelves_n": "btree (n)",
        "uq_shelves_row_name": 'btree ("row", name) NULLS NOT DISTINCT',
        "no_overlap": "gist (during) WHERE (n > 3)",
        "ix_shelves_tags": "gin (tags)",
        "ix_shelves_doc": "gin (doc jsonb_path_ops)",
        "shelves_lower": (
            "btree (lower(name) DESC NULLS LAST, n DESC) INCLUDE (mood) NULLS NOT DISTINCT "
            "WHERE (n > 0)"
        ),
        "ix_shelves_name": 'btree (name COLLATE "C" text_pattern_ops)',
        "ix_shelves_made": "brin (made)",
        "ix_shelves_n": "hash (n)",
    }


async def test_constraints_hold(database: Database) -> None:
    """G1: each constraint refuses what it is for, and says its kind and name."""
    moment = datetime.fromisoformat("2024-01-01T00:00:00+00:00")
    during = Range(moment, None, "()")
    for kind, name, rows in (
        (ConstraintKind.UNIQUE, "uq_shelves_row_name", [Shelf(), Shelf()]),
        (ConstraintKind.UNIQUE, "shelves_lower", [Shelf(n=1, row=1), Shelf(name="X", n=1)]),
        (
            ConstraintKind.EXCLUSION,
            "no_overlap",
            [Shelf(n=n, row=n, during=during) for n in (4, 5)],
        ),
        (ConstraintKind.CHECK, "no_bad_luck", [Shelf(n=13)]),
    ):
        async with Session(database) as session:
            session.add_all(rows)
            with pytest.raises(ConstraintError) as caught:
                await session.flush()

            assert (caught.value.kind, caught.value.constraint) == (kind, name)
            await session.rollback()


async def test_a_unique_constraint_that_waits(database: Database) -> None:
    """A deferrable unique constraint is checked at commit: two values may change places."""
    async with Session.begin(database) as session:
        session.add_all([Shelf(name="a", n=1), Shelf(name="b", n=2)])
    async with Session.begin(database) as session:
        await session.execute(sql('UPDATE "my shop".shelves SET n = 3 - n'))
    async with Session(database) as session:
        session.add(Shelf(n=1, row=7, name="other"))
        await session.flush()
        with pytest.raises(ConstraintError) as caught:
            await session.commit()

        assert caught.value.constraint == "uq_shelves_n"
        await session.rollback()


async def test_foreign_keys_that_wait(database: Database) -> None:
    """One that is deferrable waits for the commit, one that is first immediate waits if told to."""
    async with Session(database) as session:
        await session.execute(insert(Egg, hen_id=5))
        with pytest.raises(ConstraintError) as caught:
            await session.commit()

        assert caught.value.constraint == "fk_eggs_hen_id"
        await session.rollback()
        with pytest.raises(ConstraintError) as caught:
            await session.execute(insert(Hen, egg_id=5))

        assert caught.value.constraint == "fk_hens_egg_id"
        await session.rollback()
        await session.execute(sql("SET CONSTRAINTS ALL DEFERRED"))
        await session.execute(insert(Hen, egg_id=5))
        with pytest.raises(ConstraintError):
            await session.commit()
        await session.rollback()


async def test_numbers_the_store_gives(database: Database) -> None:
    """Identities and sequences fill in one object and many, in the order of the objects."""
    async with Session.begin(database) as session:
        one = Egg()
        session.add(one)
        await session.flush()
        more = [Egg(), Egg(), Egg()]
        session.add_all(more)
        await session.flush()

        assert [egg.id for egg in [one, *more]] == [1, 2, 3, 4]
        assert [egg.code for egg in [one, *more]] == [-5, -7, -9, -11]
        given = Egg(id=100, code=7)  # type: ignore[call-arg]  # no parameters to type checkers
        session.add(given)
        hens = [Hen() for _ in range(3)]
        session.add_all(hens)
        await session.flush()

        assert (given.id, given.code) == (100, 7)
        assert [hen.id for hen in hens] == [1, 2, 3]
        (made,) = await session.execute(insert(Egg).returning(Egg.id, Egg.code))

        assert tuple(made) == (5, -13)


async def test_a_number_that_must_not_be_given(database: Database) -> None:
    """identity="always": a row that brings its number is refused before it is sent."""
    sent: list[object] = []
    database.observers.append(sent.append)
    async with Session(database) as session:
        hen = Hen(id=5)  # type: ignore[call-arg]
        session.add(hen)
        with pytest.raises(InvalidUnitError, match=r"Hen\.id: the store numbers every row"):
            await session.flush()
        with pytest.raises(ValidationError, match=r"Hen\.id: the store numbers every row"):
            await session.execute(insert(Hen, id=5))
        with pytest.raises(ValidationError, match=r"Hen\.id: .*row 2"):
            await session.execute(insert_many(Hen, [{"egg_id": None}, {"id": 5, "egg_id": None}]))

        assert sent == []
        hen.id = None  # type: ignore[assignment]
        await session.commit()

        assert hen.id == 1
        with pytest.raises(UowError):  # the server itself would refuse it too
            await session.execute(sql("INSERT INTO hens (id) VALUES (5)"))
        await session.rollback()


async def test_types_of_the_store(database: Database) -> None:
    """Enums and rows are types of the server's own, which refuse what is none of theirs."""
    async with Session(database) as session:
        shelf = Shelf(mood=Mood.SAD, moods=[Mood.SAD, Mood.OK], level=Level.HIGH, n=4)
        shelf.place = Place("x", Mood.OK)
        session.add(shelf)
        await session.commit()
        ((mood, level, street, twice),) = await session.execute(
            sql('SELECT mood::text, level::text, (place).street, twice FROM "my shop".shelves')
        )

        assert (mood, level, street, twice) == ("it's $$ sad", "HIGH", "x", 8)
        with pytest.raises(UowError):
            await session.execute(sql("UPDATE \"my shop\".shelves SET mood = 'glad'"))
        await session.rollback()
        found = await session.find(Shelf, Shelf.mood > Mood.OK).to_list()

        assert found == [shelf]  # in the order of the enum, not of the alphabet


async def test_comments(database: Database) -> None:
    """Comments stand in the server's catalogue."""
    async with Session.begin(database) as session:
        ((table, column),) = await session.execute(
            sql(
                "SELECT obj_description(c.oid), col_description(c.oid, attnum) FROM pg_class c "
                "JOIN pg_attribute ON attrelid = c.oid WHERE relname = 'shelves' "
                "AND attname = 'mood'"
            )
        )

    assert (table, column) == ("It's a shelf", "how it is")


async def test_types_of_extensions(url: str) -> None:
    """`Native` reaches what has no name here, by its own functions or as text."""

    class Item(Base):
        id: Mapped[int] = Column(primary_key=True, auto_increment=True)
        mac: Mapped[str] = Column(type=Native("macaddr"), unique=True)
        money: Mapped[str | None] = Column(type=Native("money"), default=None)
        macs: Mapped[list[str] | None] = Column(type=Array(Native("macaddr")), default=None)

    async with Database(url) as database:
        await database.create_all([Item])
        async with Session(database) as session:
            one = "08:00:2b:01:02:03"
            session.add(Item(mac=one, money="1.50", macs=[one]))
            await session.flush()
            session.add_all([Item(mac=f"08:00:2b:01:02:0{n}", macs=[one, one]) for n in (4, 5)])
            await session.commit()
            session.clear()

            assert await session.find(Item, Item.mac == "08-00-2B-01-02-03").count() == 1
            found = await session.find(Item).order_by(Item.mac).to_list()
            assert [item.macs for item in found] == [[one], [one, one], [one, one]]
            assert found[0].money == "$1.50"
            assert await session.find(Item, Item.mac.in_([one, found[1].mac])).count() == 2
            with pytest.raises(ValidationError):
                await session.execute(insert(Item, mac="nonsense"))
            await session.rollback()


async def test_two_indexes_of_one_name(database: Database) -> None:
    """IF NOT EXISTS would leave out the second of two indexes of one name: it is an error."""

    class User(Base):
        id: Mapped[int] = Column(primary_key=True)
        group_id: Mapped[int] = Column(index=True)

    class UserGroup(Base):
        id: Mapped[int] = Column(primary_key=True, index=True)

    with pytest.raises(MappingError, match="both have an index called 'ix_user_group_id'"):
        await database.create_all([User, UserGroup])


async def test_a_type_that_is_made_anew_by_another(database: Database, url: str) -> None:
    """F35: a statement that knew a type which is another now fails once, and can be tried again."""
    async with Session.begin(database) as session:
        session.add(Shelf(mood=Mood.SAD))
    async with Database(url) as other:
        await other.drop_all(ALL)
        await other.create_all(ALL)
    async with Session(database) as session:
        shelf = Shelf(mood=Mood.OK)
        session.add(shelf)
        with pytest.raises(SchemaChangedError) as caught:
            await session.commit()

        assert caught.value.retryable
        assert caught.value.outcome is Outcome.NOT_APPLIED
        await session.commit()

        assert await session.find(Shelf).to_list() == [shelf]
