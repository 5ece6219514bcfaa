"""Many new rows: by COPY where nothing stands in the way, else by INSERT, with the same outcome."""

from __future__ import annotations

import enum
import os
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import anyio
import pytest

from tests.support import postgresql
from uow import (
    Array,
    Column,
    ConnectionLostError,
    ConstraintError,
    Database,
    Mapped,
    Outcome,
    Registry,
    SchemaChangedError,
    Session,
    StaleObjectError,
    Table,
    sql,
)
from uow.debug import statements
from uow.statement import Load, Statement
from uow.types import Integer

pytestmark = pytest.mark.anyio

MANY = 600


@pytest.fixture
def anyio_backend() -> str:
    """Asyncpg runs under asyncio alone."""
    return "asyncio"


class Kind(enum.Enum):
    """Kept by its text."""

    A = "a"
    B = "b"


class Base(Table):
    """In a registry of its own."""

    class Settings:
        abstract = True
        registry = Registry()


class Item(Base):
    """A key the store makes, and every type that goes as it is."""

    class Settings:
        name = "load_items"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str] = Column(max_length=40)
    small: Mapped[int] = Column(type=Integer(bits=16))
    price: Mapped[Decimal] = Column(precision=12, scale=2)
    ratio: Mapped[float]
    on: Mapped[bool]
    day: Mapped[date]
    at: Mapped[datetime]
    hour: Mapped[time]
    span: Mapped[timedelta]
    raw: Mapped[bytes]
    uid: Mapped[UUID]
    kind: Mapped[Kind]
    data: Mapped[dict[str, Any] | None] = Column(default=None)


class Keyed(Base):
    """A key made here."""

    class Settings:
        name = "load_keyed"

    id: Mapped[UUID] = Column(primary_key=True, default=uuid4)
    name: Mapped[str] = Column(unique=True)


class Listed(Base):
    """An array goes by INSERT."""

    class Settings:
        name = "load_listed"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    tags: Mapped[list[str]] = Column(type=Array(str))


class Stamped(Base):
    """What the store fills in has to come back."""

    class Settings:
        name = "load_stamped"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    made: Mapped[datetime] = Column(server_default="now()")


def item(number: int) -> Item:
    """One with values that depend on the number."""
    return Item(
        name=f"é{number}",
        small=number,
        price=Decimal(number) / 100,
        ratio=number / 7,
        on=number % 2 == 0,
        day=date(2024, 1, 1) + timedelta(number),
        at=datetime(2024, 1, 1, tzinfo=UTC) + timedelta(microseconds=number),
        hour=time(1, 2, 3, number),
        span=timedelta(microseconds=number),
        raw=bytes([number % 256]),
        uid=UUID(int=number),
        kind=Kind.A if number % 3 else Kind.B,
        data={"n": [number, None, "x"]} if number % 5 else None,
    )


@pytest.fixture
async def database(postgresql_database: str) -> AsyncIterator[Database]:
    """A database with the tables of this module alone."""
    await postgresql.clear(postgresql_database)
    async with Database(postgresql_database) as database:
        await database.create_all([Item, Keyed, Listed, Stamped])
        yield database


async def store(database: Database, objects: list[Any]) -> list[str]:
    """Store objects; give the first word of each statement that was sent."""
    with statements(database) as sent:
        async with Session(database) as session:
            session.add_all(objects)
            await session.commit()
    words = [one if isinstance(one, str) else one.sql.split()[0] for one in sent]
    assert all(isinstance(one, str | Load | Statement) for one in sent)
    return words


async def test_many_rows_go_by_copy(database: Database) -> None:
    """Keys come in input order, and every value as it was given."""
    items = [item(number) for number in range(MANY)]
    assert await store(database, items) == ["BEGIN", "COPY", "COMMIT"]

    assert [one.id for one in items] == list(range(items[0].id, items[0].id + MANY))
    async with Session(database) as session:
        stored = await session.find(Item).order_by(Item.id).to_list()
    names = [name for name in Item.__annotations__ if name != "id"]
    assert [[getattr(one, name) for name in names] for one in stored] == [
        [getattr(item(number), name) for name in names] for number in range(MANY)
    ]


async def test_keys_made_here(database: Database) -> None:
    """Nothing has to come back, so nothing is taken first."""
    objects = [Keyed(name=f"{number}") for number in range(MANY)]
    assert await store(database, objects) == ["BEGIN", "COPY", "COMMIT"]
    async with Session(database) as session:
        assert await session.find(Keyed).count() == MANY


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda number: item(number), 400),
        (lambda number: Listed(tags=[f"{number}", 'a"b,{}']), MANY),
        (lambda _: Stamped(), MANY),
    ],
    ids=["few", "arrays", "server defaults"],
)
async def test_others_go_by_insert(database: Database, make: Any, count: int) -> None:
    """Few rows, values that are cast on their way, and columns the store fills in."""
    objects = [make(number) for number in range(count)]
    assert await store(database, objects) == ["INSERT"]
    assert [one.id for one in objects] == list(range(objects[0].id, objects[0].id + count))


ROLE = f"load_plain_{os.getpid()}"
"""Roles are of the server, not of one database."""

OBSTACLES: dict[str, list[str]] = {
    "another type": ['ALTER TABLE load_items ALTER COLUMN "on" TYPE text'],
    "a rule": [
        "CREATE TABLE load_log (name text)",
        "CREATE RULE also AS ON INSERT TO load_items DO ALSO INSERT INTO load_log SELECT NEW.name",
    ],
    "a trigger": [
        """CREATE FUNCTION renumber() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN NEW.id := NEW.id + 1000000; RETURN NEW; END$$""",
        "CREATE TRIGGER n BEFORE INSERT ON load_items FOR EACH ROW EXECUTE FUNCTION renumber()",
    ],
    "no sequence": [
        "ALTER TABLE load_items ALTER COLUMN id DROP IDENTITY",
        "CREATE SEQUENCE apart",
        "ALTER TABLE load_items ALTER COLUMN id SET DEFAULT nextval('apart')",
    ],
    "row security": [
        "ALTER TABLE load_items ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY everybody ON load_items USING (true)",
        f"CREATE ROLE {ROLE}",
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {ROLE}",
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {ROLE}",
    ],
    "no usage": [f"CREATE ROLE {ROLE}", f"GRANT SELECT, INSERT ON load_items TO {ROLE}"],
}


@pytest.mark.parametrize("name", OBSTACLES)
async def test_what_stands_in_the_way(database: Database, name: str) -> None:
    """COPY would fail, or do something else: the rows go by INSERT."""
    obstacle = OBSTACLES[name]
    has_role = any(ROLE in text for text in obstacle)
    async with Session.begin(database) as session:
        for text in obstacle:
            await session.execute(sql(text))
    items = [item(number) for number in range(MANY)]
    try:
        async with Session.begin(database) as session:
            if has_role:
                await session.execute(sql(f"SET LOCAL ROLE {ROLE}"))
            session.add_all(items)
        async with Session(database) as session:
            stored = await session.find(Item).order_by(Item.id).to_list()
        assert [one.id for one in stored] == [one.id for one in items]
        assert [one.name for one in stored] == [one.name for one in items]
        assert [one.data for one in stored] == [one.data for one in items]
        if name == "a rule":
            async with Session.begin(database) as session:
                assert len(await session.execute(sql("SELECT name FROM load_log"))) == MANY
    finally:
        if has_role:
            async with Session.begin(database) as session:
                await session.execute(sql(f"DROP OWNED BY {ROLE}"))
                await session.execute(sql(f"DROP ROLE {ROLE}"))


@pytest.mark.parametrize("count", [1, 10, MANY])
@pytest.mark.parametrize("make", [lambda n: Stamped(), lambda n: Keyed(name=f"{n}")])
async def test_rows_that_a_trigger_leaves_out(database: Database, count: int, make: Any) -> None:
    """P2: what was not stored is not reported as stored, however it travelled."""
    async with Session.begin(database) as session:
        await session.execute(
            sql(
                """CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS
                $$BEGIN RETURN NULL; END$$"""
            )
        )
        for table in ("load_stamped", "load_keyed"):
            text = f"CREATE TRIGGER t BEFORE INSERT ON {table}"
            await session.execute(sql(f"{text} FOR EACH ROW EXECUTE FUNCTION swallow()"))
    objects = [make(number) for number in range(count)]
    async with Session(database) as session:
        session.add_all(objects)
        with pytest.raises(StaleObjectError, match="0 stored") as caught:
            await session.commit()

        assert set(caught.value.objects) == set(objects)
        assert session.new == set(objects)
        await session.rollback()


async def test_rows_that_a_trigger_of_a_partition_leaves_out(database: Database) -> None:
    """P2: COPY says how many rows it stored, whatever became of the others."""
    async with Session.begin(database) as session:
        for text in (
            "DROP TABLE load_keyed",
            "CREATE TABLE load_keyed (id uuid PRIMARY KEY, name text) PARTITION BY RANGE (id)",
            "CREATE TABLE load_part PARTITION OF load_keyed DEFAULT",
            """CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN IF NEW.name = '7' THEN RETURN NULL; END IF; RETURN NEW; END$$""",
            "CREATE TRIGGER t BEFORE INSERT ON load_part FOR EACH ROW EXECUTE FUNCTION swallow()",
        ):
            await session.execute(sql(text))
    objects = [Keyed(name=f"{number}") for number in range(MANY)]
    async with Session(database) as session:
        session.add_all(objects)
        with pytest.raises(StaleObjectError, match=f"{MANY - 1} stored") as caught:
            await session.commit()

        assert set(caught.value.objects) == session.new == set(objects)
        await session.rollback()
        assert await session.find(Keyed).count() == 0


async def test_lost_in_the_middle(database: Database) -> None:
    """F23, F27: a connection that ends while rows are on their way ends the flush."""
    async with Session(database) as session, Session(database) as other:
        session.add_all([Keyed(name=f"{number}" * 400) for number in range(9000)])
        await session.begin().__aenter__()
        (row,) = await session.execute(sql("SELECT pg_backend_pid() AS pid"))

        async def cut() -> None:
            busy = sql(
                "SELECT 1 FROM pg_stat_activity WHERE pid = {pid} AND query LIKE 'COPY%'"
                " AND state = 'active'",
                pid=row.pid,
            )
            while not await other.execute(busy):
                await other.rollback()
            await other.execute(sql("SELECT pg_terminate_backend({pid})", pid=row.pid))
            await other.rollback()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cut)
            with anyio.fail_after(10), pytest.raises(ConnectionLostError) as caught:
                await session.flush()

        assert caught.value.outcome is Outcome.NOT_APPLIED
        await session.rollback()
        assert await session.find(Keyed).count() == 0


async def test_another_type_by_now(database: Database) -> None:
    """F35: a column that was changed since the last COPY on a connection; the next one knows."""
    await store(database, [item(number) for number in range(MANY)])
    async with Session.begin(database) as session:
        await session.execute(sql("ALTER TABLE load_items ALTER COLUMN small TYPE bigint"))
    async with Session(database) as session:
        session.add_all([item(number) for number in range(MANY)])
        with pytest.raises(SchemaChangedError) as caught:
            await session.commit()
        assert caught.value.retryable
        await session.commit()

        assert await session.find(Item).count() == 2 * MANY


async def test_a_row_that_is_refused(database: Database) -> None:
    """The error says which constraint; nothing is stored, and the objects wait as before."""
    await store(database, [Keyed(name="7")])
    objects = [Keyed(name=f"{number}") for number in range(MANY)]
    async with Session(database) as session:
        session.add_all(objects)
        with pytest.raises(ConstraintError) as caught:
            await session.commit()

        assert (caught.value.kind, caught.value.table) == ("unique", "load_keyed")
        assert session.new == set(objects)
        objects[7].name = "other"
        await session.commit()

        assert await session.find(Keyed).count() == MANY + 1
