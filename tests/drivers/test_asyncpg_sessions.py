"""What sessions say to PostgreSQL when a transaction begins, and what raw SQL leaves behind."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from uow import (
    Array,
    Column,
    Database,
    EnumType,
    Mapped,
    MappingError,
    Outcome,
    QueryError,
    Range,
    RangeType,
    Registry,
    RetryableError,
    Session,
    StaleObjectError,
    Table,
    TransactionPoisonedError,
    ValidationError,
    literal,
    run,
    sql,
)
from uow.drivers.base import Connection
from uow.statement import Statement

pytestmark = pytest.mark.anyio


class Tally(Table):
    """A number that two sessions count up."""

    class Settings:
        name = "session_tallies"

    id: Mapped[int] = Column(primary_key=True)
    total: Mapped[int]


@pytest.fixture
def anyio_backend() -> str:
    """Asyncpg runs under asyncio alone."""
    return "asyncio"


@pytest.fixture
async def database(postgresql_database: str) -> AsyncIterator[Database]:
    """A database, on one connection at most two."""
    async with Database(postgresql_database, pool_max=2) as database:
        yield database


async def shown(session: Session, name: str) -> Any:
    """A setting of the server's session."""
    ((value,),) = [tuple(row) for row in await session.execute(sql(f"SHOW {name}"))]
    return value


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ("read committed", "off", "off")),
        ({"isolation": "repeatable_read"}, ("repeatable read", "off", "off")),
        ({"isolation": "SERIALIZABLE"}, ("serializable", "off", "off")),
        ({"read_only": True}, ("read committed", "on", "off")),
        (
            {"isolation": "SERIALIZABLE", "read_only": True, "deferrable": True},
            ("serializable", "on", "on"),
        ),
    ],
)
async def test_how_a_transaction_begins(
    database: Database, options: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    """U3: isolation, read-only and deferrable are what the server says they are."""
    async with Session.begin(database, **options) as session:
        names = ("isolation", "read_only", "deferrable")
        assert tuple([await shown(session, f"transaction_{name}") for name in names]) == expected


async def test_write_skew(database: Database) -> None:
    """F48: of two serializable units that each read what the other writes one is run again."""
    async with Session.begin(database) as session:
        await session.execute(sql("DROP TABLE IF EXISTS on_call"))
        await session.execute(sql("CREATE TABLE on_call (name text PRIMARY KEY, here boolean)"))
        await session.execute(sql("INSERT INTO on_call VALUES ('ann', true), ('bob', true)"))

    async def leave(session: Session, name: str) -> None:
        count = sql("SELECT count(*) FROM on_call WHERE here")
        ((here,),) = [tuple(row) for row in await session.execute(count)]
        if here > 1:
            await session.execute(sql("UPDATE on_call SET here = false WHERE name = {n}", n=name))

    first = Session(database, isolation="SERIALIZABLE")
    second = Session(database, isolation="SERIALIZABLE")
    async with first, second:
        await leave(first, "ann")
        await leave(second, "bob")
        await first.commit()
        with pytest.raises(RetryableError) as caught:
            await second.commit()
        assert caught.value.retryable
        with pytest.raises(TransactionPoisonedError):  # what it had read is of another moment
            await second.commit()
        await second.rollback()

    async def again(session: Session) -> None:
        await leave(session, "bob")

    await run(again, database, isolation="SERIALIZABLE")
    async with Session.begin(database) as session:
        rows = await session.execute(sql("SELECT name FROM on_call WHERE here"))
        assert [row.name for row in rows] == ["bob"]
        await session.execute(sql("DROP TABLE on_call"))


@pytest.mark.parametrize("isolation", [None, "REPEATABLE READ"])
async def test_commit_again_after_a_conflict(database: Database, isolation: str | None) -> None:
    """What was read in one snapshot is not written in another; without a promise it may be."""
    await database.drop_all([Tally])
    await database.create_all([Tally])
    async with Session.begin(database) as session:
        session.add_all([Tally(id=1, total=1), Tally(id=2, total=1)])
    async with Session(database, isolation=isolation) as mine:
        one = await mine.get_one(Tally, 1)
        async with Session.begin(database) as other:
            (await other.get_one(Tally, 1)).total = 10
        one.total += 1
        if isolation is None:
            await mine.commit()
        else:
            with pytest.raises(RetryableError):
                await mine.commit()
            with pytest.raises(TransactionPoisonedError):
                await mine.commit()
            await mine.rollback()
            assert one.total == 1
            await mine.refresh(one)
            one.total += 1
            await mine.commit()

        assert one.total == (2 if isolation is None else 11)
    await database.drop_all([Tally])


async def test_a_trigger_that_swallows_updates(database: Database) -> None:
    """The rows are all there, so nobody can say which were left out: all of them are named."""
    await database.drop_all([Tally])
    await database.create_all([Tally])
    async with Session.begin(database) as session:
        session.add_all([Tally(id=number, total=1) for number in range(3)])
        await session.execute(
            sql(
                """CREATE OR REPLACE FUNCTION swallow_first() RETURNS trigger LANGUAGE plpgsql AS
                $$BEGIN IF OLD.id = 0 THEN RETURN NULL; END IF; RETURN NEW; END$$"""
            )
        )
        text = "CREATE TRIGGER t BEFORE UPDATE ON session_tallies"
        await session.execute(sql(f"{text} FOR EACH ROW EXECUTE FUNCTION swallow_first()"))
    async with Session(database) as session:
        tallies = await session.find(Tally).order_by(Tally.id).to_list()
        for tally in tallies:
            tally.total = 2
        with pytest.raises(StaleObjectError) as caught:
            await session.commit()

        assert caught.value.objects == tuple(tallies)
        await session.rollback()
    await database.drop_all([Tally])


async def test_advisory_locks(database: Database) -> None:
    """A lock of a transaction ends with it; one of the session when its connection goes back."""
    ask = "SELECT pg_try_advisory_lock({key}) AS got"
    for text in ("SELECT pg_advisory_xact_lock({key})", "SELECT pg_advisory_lock({key})"):
        async with Session.begin(database) as holder, Session(database) as other:
            await holder.execute(sql(text, key=7))
            (row,) = await other.execute(sql(ask, key=7))
            assert row.got is False
            await other.rollback()
        async with Session.begin(database) as other:
            (row,) = await other.execute(sql(ask, key=7))
            assert row.got is True


LEAKS = """
    CREATE OR REPLACE FUNCTION set_by_function(text) RETURNS text LANGUAGE sql AS
        $$ SELECT set_config('work_mem', '1MB', false) $$;
    CREATE OR REPLACE VIEW set_by_view AS SELECT set_by_function('x') AS found;
"""


@pytest.mark.parametrize(
    "text",
    [
        "SELECT set_by_function('x')",
        "SELECT * FROM set_by_view",
        "TABLE set_by_view",
        "WITH x AS (TABLE set_by_view) SELECT * FROM x",
        "UPDATE pg_settings SET setting = '1MB' WHERE name = 'work_mem'",
        "EXPLAIN ANALYZE SELECT * FROM set_by_view",
    ],
)
async def test_settings_do_not_outlive_a_session(
    postgresql_database: str, postgresql_connection: Connection, text: str
) -> None:
    """F36: whatever way raw SQL changes a setting, the next borrower does not see it."""
    await postgresql_connection.execute(Statement(LEAKS))
    async with Database(postgresql_database, pool_max=1) as database:
        async with Session(database) as session:
            usual = await shown(session, "work_mem")
            await session.execute(sql(text))
            assert await shown(session, "work_mem") == "1MB"
            await session.commit()
        async with Session(database) as session:
            assert await shown(session, "work_mem") == usual
            await session.rollback()
        assert database.pool.stats.size == 1


async def test_arrays_in_raw_sql(database: Database) -> None:
    """A list is an array where a literal says so; ranges go as well."""
    async with Session(database) as session:
        found = await session.execute(
            sql(
                "SELECT n FROM generate_series(1, 9) AS n WHERE n = ANY({numbers}) "
                "AND n::bigint <@ {reach}",
                numbers=literal([2, 3, 8], Array(int)),
                reach=literal(Range(1, 5), RangeType(int)),
            )
        )

        assert [row.n for row in found] == [2, 3]
        between = literal(Range(Decimal("1.50"), Decimal(2)), Range[Decimal])
        (found,) = await session.execute(sql("SELECT lower({between}) AS low", between=between))
        assert str(found.low) == "1.50"
        await session.rollback()


class Basket(enum.Enum):
    """Kept as a type that the server has a table for."""

    FULL = "full"


class Baskets(Table):
    """A table, whose row is a type of its name."""

    class Settings:
        name = "basket"
        registry = Registry()

    id: Mapped[int] = Column(primary_key=True)


class Shelf(Table):
    """Has that enum."""

    class Settings:
        name = "shelves"
        registry = Registry()

    id: Mapped[int] = Column(primary_key=True)
    kind: Mapped[Basket] = Column(type=EnumType(Basket, native=True))


async def test_an_enum_by_the_name_of_a_table(
    postgresql_database: str, postgresql_connection: Connection
) -> None:
    """M5: a type that is there and is not ours is told before the first row is."""
    async with Database(postgresql_database) as database:
        await database.create_all([Baskets])
        with pytest.raises(QueryError, match='Basket: something else is called "basket"') as caught:
            await database.create_all([Shelf])
        assert caught.value.outcome is Outcome.NOT_APPLIED
        with pytest.raises(MappingError, match="table of Baskets"):
            await database.create_all([Baskets, Shelf])
        await database.drop_all([Shelf, Baskets])
        await database.create_all([Shelf])
        await database.create_all([Shelf])
        with pytest.raises(QueryError, match='type "basket" already exists'):
            await database.create_all([Baskets])
        await database.drop_all([Baskets, Shelf])
        await database.create_all([Baskets])


async def test_where_a_session_begins_to_read(database: Database) -> None:
    """What is no position is told at once, with replicas or without."""
    for text in ("", "yesterday", "0/0; DROP TABLE x"):
        with pytest.raises(ValidationError, match="position"):
            Session(database, read_only=True, read_after=text)
    Session(database, read_only=True, read_after=await database.position())
