"""`Database`, `connect`, and the tables they make."""

from __future__ import annotations

import importlib.metadata
import sys
import types
from functools import partial
from pathlib import Path

import pytest

from uow.database import Database, connect, default_database
from uow.drivers.base import Connection, TransactionOptions
from uow.drivers.memory import LoseConnection, MemoryDriver, Raise
from uow.errors import DriverError, PoolClosedError, UowError, ValidationError
from uow.mapping.columns import Column
from uow.mapping.mapper import mapper_of
from uow.schema.tables import in_foreign_key_order
from uow.statement import Statement
from uow.table import Table

pytestmark = pytest.mark.anyio


async def table_names(connection: Connection) -> set[str]:
    """The tables there are."""
    rows = await connection.fetch(
        Statement("SELECT name FROM sqlite_schema WHERE type = 'table'", reads=True)
    )
    return {name for (name,) in rows if not name.startswith("sqlite_")}


@pytest.fixture
def models() -> list[type]:
    """Tables whose definition order is not the order their foreign keys ask for."""

    class Leaf(Table):
        class Settings:
            name = "leaves"

        id: int = Column(primary_key=True)
        twig_id: int = Column(foreign_key="twigs.id")
        parent_id: int | None = Column(default=None, foreign_key="leaves.id")

    class Twig(Table):
        class Settings:
            name = "twigs"

        id: int = Column(primary_key=True)
        tree_id: int = Column(foreign_key="trees.id")

    class Tree(Table):
        class Settings:
            name = "trees"

        id: int = Column(primary_key=True)

    return [Leaf, Twig, Tree]


@pytest.fixture
def circle() -> list[type]:
    """Two tables that refer to each other."""

    class Hen(Table):
        class Settings:
            name = "hens"

        id: int = Column(primary_key=True)
        egg_id: int | None = Column(default=None, foreign_key="eggs.id")

    class Egg(Table):
        class Settings:
            name = "eggs"

        id: int = Column(primary_key=True)
        hen_id: int | None = Column(default=None, foreign_key="hens.id")

    return [Hen, Egg]


# -- a database's life


async def test_open_and_close(tmp_path: Path) -> None:
    """A database opens with `async with`, answers, and closes; closing twice is once."""
    async with Database(f"sqlite:///{tmp_path}/shop.db") as database:
        assert database.is_open
        assert database.dialect.name == "sqlite"
        connection = await database.pool.acquire()
        await connection.ping()
        await database.pool.release(connection)

    await database.aclose()
    assert database.is_closed
    assert not database.is_open


async def test_the_pool_of_a_closed_database() -> None:
    """Before it is opened and after it is closed a database has no pool, and says what to do."""
    database = Database("memory://")
    with pytest.raises(PoolClosedError, match="never opened"):
        _ = database.pool

    await database.open()
    await database.open()
    await database.aclose()
    with pytest.raises(PoolClosedError, match="is closed"):
        _ = database.pool
    with pytest.raises(PoolClosedError, match="make a new"):
        await database.open()


async def test_connect_is_open() -> None:
    """`connect` answers an open database."""
    database = await connect("memory://", pool_max=2)

    assert database.is_open
    assert database.pool.max_size == 2
    await database.aclose()


async def test_a_store_that_cannot_be_reached_shows_at_once(tmp_path: Path) -> None:
    """A wrong path fails when the database is opened, naming the path, and leaves nothing open."""
    database = Database(f"sqlite:///{tmp_path}/missing/shop.db")
    with pytest.raises(DriverError, match="missing"):
        await database.open()

    assert database.is_closed


async def test_the_default_database() -> None:
    """The database opened last as default is the default until it closes."""
    with pytest.raises(PoolClosedError, match="default=True"):
        default_database()
    async with Database("memory://", default=True) as first:
        assert default_database() is first
        second = await connect("memory://", default=True)
        assert default_database() is second
        await second.aclose()
        assert default_database() is first
        async with Database("memory://"):
            assert default_database() is first

    with pytest.raises(PoolClosedError):
        default_database()


async def test_a_password_is_not_in_the_repr() -> None:
    """F78: neither repr nor messages of a database show the password."""
    database = Database("memory://ann:secret@x?busy_timeout=1")

    assert "secret" not in repr(database)
    with pytest.raises(PoolClosedError) as caught:
        _ = database.pool
    assert "secret" not in str(caught.value)


# -- what cannot be


async def test_an_unknown_scheme() -> None:
    """A scheme nobody has a driver for is named, with those there are."""
    with pytest.raises(DriverError, match=r"oracle://.*memory://.*sqlite://"):
        Database("oracle://x")


@pytest.mark.parametrize(
    ("url", "options", "named"),
    [
        ("sqlite://", {"bussy_timeout": 3}, "bussy_timeout"),
        ("sqlite:///x.db?jurnal=1", {}, "jurnal"),
        ("sqlite://", {"busy_timeout": "soon"}, "busy_timeout"),
        ("sqlite://", {"synchronous": "never"}, "synchronous"),
        ("sqlite://", {"inline": "perhaps"}, "inline"),
        ("sqlite://shop.db", {}, "no host"),
        ("memory://", {"colour": "red"}, "colour"),
        ("memory://", {"pool_min": 3, "pool_max": 2}, "pool_min=3"),
        ("memory://", {"pool_max": 0}, "pool_max=0"),
        ("shop.db", {}, "scheme://"),
    ],
)
async def test_wrong_options(url: str, options: dict[str, object], named: str) -> None:
    """A wrong URL or option is refused by name, before anything is opened."""
    with pytest.raises(ValidationError, match=named):
        Database(url, **options)  # type: ignore[arg-type]  # wrong on purpose


async def test_more_connections_than_the_store_allows() -> None:
    """`pool_min` and `pool_max` go with every store: a memory database takes its one connection."""
    async with Database("sqlite://", pool_min=2, pool_max=5) as database:
        assert database.pool.max_size == 1
        assert database.pool.stats.size == 1


async def test_a_missing_client_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the client library the error names the extra that brings it."""
    for name in [name for name in sys.modules if name.startswith("uow.drivers.sqlite")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "apsw", None)
    with pytest.raises(DriverError, match=r"uow\[sqlite\]"):
        Database("sqlite://")


async def test_a_source_tree_without_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    """The drivers that ship with the library are found without entry points."""
    monkeypatch.setattr("uow.database.entry_points", lambda group: ())

    async with Database("memory://") as database:
        assert isinstance(database.driver, MemoryDriver)


async def test_a_driver_of_another_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point of the group `uow.drivers` adds a scheme."""
    point = importlib.metadata.EntryPoint("elsewhere", "uow.drivers.memory:create", "uow.drivers")
    monkeypatch.setattr("uow.database.entry_points", lambda group: (point,))

    assert isinstance(Database("elsewhere://").driver, MemoryDriver)


# -- tables


async def test_order_of_tables(models: list[type]) -> None:
    """A table comes after those it refers to; a reference to itself counts for nothing."""
    ordered = in_foreign_key_order(mapper_of(model) for model in models)

    assert [mapper.table_name for mapper in ordered] == ["trees", "twigs", "leaves"]


async def test_order_of_a_long_chain() -> None:
    """A chain of references as long as you like is put in order."""
    chain: list[type] = []
    for number in range(1500):
        namespace = {
            "__annotations__": {"id": int, "next_id": int},
            "__module__": __name__,
            "__qualname__": f"Link{number}",
            "Settings": type("Settings", (), {"name": f"link_{number}"}),
            "id": Column(primary_key=True),
            "next_id": Column(default=0, foreign_key=f"link_{min(number + 1, 1499)}.id"),
        }
        fill = partial(dict[str, object].update, **namespace)
        chain.append(types.new_class(f"Link{number}", (Table,), exec_body=fill))
    ordered = in_foreign_key_order(mapper_of(model) for model in chain)

    assert [mapper.name for mapper in ordered] == [f"Link{n}" for n in reversed(range(1500))]


@pytest.mark.parametrize("url", ["memory://", "sqlite://"])
async def test_create_and_drop(url: str, models: list[type]) -> None:
    """Tables are made in one transaction, again without harm, and dropped with rows in them."""
    async with Database(url) as database:
        await database.create_all(models)
        await database.create_all(models)
        connection = await database.pool.acquire()
        assert await table_names(connection) >= {"leaves", "twigs", "trees"}
        for sql in (
            "INSERT INTO trees (id) VALUES (1)",
            "INSERT INTO twigs (id, tree_id) VALUES (1, 1)",
            "INSERT INTO leaves (id, twig_id, parent_id) VALUES (1, 1, 1)",
        ):
            await connection.execute(Statement(sql))
        await database.pool.release(connection)
        await database.drop_all(models)
        await database.drop_all(models)
        connection = await database.pool.acquire()

        assert not await table_names(connection) & {"leaves", "twigs", "trees"}
        await database.pool.release(connection)


@pytest.mark.parametrize("url", ["memory://", "sqlite://"])
async def test_tables_in_a_circle(url: str, circle: list[type]) -> None:
    """Tables that refer to each other can be made, and dropped with rows that do so too."""
    async with Database(url) as database:
        await database.create_all(circle)
        connection = await database.pool.acquire()
        for sql in (
            "INSERT INTO hens (id) VALUES (1)",
            "INSERT INTO eggs (id, hen_id) VALUES (1, 1)",
            "UPDATE hens SET egg_id = 1",
        ):
            await connection.execute(Statement(sql))
        await database.pool.release(connection)
        await database.drop_all(circle)
        connection = await database.pool.acquire()

        assert not await table_names(connection) & {"hens", "eggs"}
        await database.pool.release(connection)


async def test_half_made_tables_are_rolled_back(models: list[type]) -> None:
    """When one definition fails none of them stays."""
    async with Database("memory://") as database:
        driver = database.driver
        assert isinstance(driver, MemoryDriver)
        driver.faults.before("execute", Raise(DriverError("no")), sql="leaves")
        with pytest.raises(UowError):
            await database.create_all(models)
        connection = await database.pool.acquire()

        assert await table_names(connection) == set()
        await database.pool.release(connection)


async def test_a_definition_that_loses_its_connection(models: list[type]) -> None:
    """A connection lost while tables are made is replaced, and its place is free."""
    async with Database("memory://", pool_max=1) as database:
        driver = database.driver
        assert isinstance(driver, MemoryDriver)
        driver.faults.before("commit", LoseConnection())
        with pytest.raises(UowError):
            await database.create_all(models)
        await database.create_all(models)

        assert database.pool.stats.in_use == 0


async def test_nothing_to_create() -> None:
    """No classes, no transaction."""
    async with Database("memory://") as database:
        driver = database.driver
        assert isinstance(driver, MemoryDriver)
        driver.clear_log()
        await database.create_all([])

        assert driver.log == []
        connection = await database.pool.acquire()
        await connection.begin(TransactionOptions())
        await database.pool.release(connection)
