"""What `drivers/base.py` promises, for every driver that is SQLite underneath."""

from __future__ import annotations

from functools import partial

import pytest

from uow.drivers.base import Connection, Driver, TransactionOptions
from uow.errors import (
    ConnectionLostError,
    ConstraintError,
    ConstraintKind,
    QueryError,
    TransactionPoisonedError,
    ValidationError,
)
from uow.statement import Many, Statement

pytestmark = pytest.mark.anyio

WRITE = TransactionOptions()
READ = TransactionOptions(read_only=True)


@pytest.fixture
async def table(connection: Connection) -> Connection:
    """A connection to a store with a table."""
    await connection.execute(
        Statement(
            "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT UNIQUE,"
            " n INTEGER NOT NULL DEFAULT 0 CHECK (n < 1000000),"
            " parent INTEGER REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED)"
        )
    )
    return connection


def insert(*names: str) -> Many:
    """Rows by name."""
    return Many("INSERT INTO t (a) VALUES (?1)", [(name,) for name in names])


async def count(connection: Connection) -> int:
    """How many rows there are."""
    return int((await connection.fetch(Statement("SELECT count(*) FROM t", reads=True)))[0][0])


# -- statements


async def test_fetch_and_execute(table: Connection) -> None:
    """Rows come as tuples in order, counts are of matched rows."""
    inserted = await table.fetch(
        Statement("INSERT INTO t (a) VALUES (?1), (?2) RETURNING id, a", ("x", "y"))
    )
    updated = await table.execute(Statement("UPDATE t SET n = 1 WHERE a = ?1", ("x",)))
    unchanged = await table.execute(Statement("UPDATE t SET n = 1 WHERE a = ?1", ("x",)))
    defined = await table.execute(Statement("CREATE TABLE other (id INTEGER)"))
    missed = await table.execute(Statement("UPDATE t SET n = 1 WHERE a = ?1", ("z",)))
    read = await table.fetch(Statement("SELECT id, a, n FROM t ORDER BY id", reads=True))

    assert inserted == [(1, "x"), (2, "y")]
    assert (updated, unchanged, missed, defined) == (1, 1, 0, 0)
    assert read == [(1, "x", 1), (2, "y", 0)]


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 5000])
async def test_many_rows_read(table: Connection, size: int) -> None:
    """Any number of rows comes back whole and in order."""
    await table.begin(WRITE)
    await table.execute_many(insert(*map(str, range(size))))
    await table.commit()
    rows = await table.fetch(Statement("SELECT a FROM t ORDER BY id", reads=True))

    assert rows == [(str(number),) for number in range(size)]


async def test_execute_many_counts_each_row(table: Connection) -> None:
    """Each row of parameters has its own count, also one that matches nothing."""
    await table.begin(WRITE)
    await table.execute_many(insert(*map(str, range(2000))))
    rows = [
        (number, number % 7, str(number if number % 3 else -number - 1)) for number in range(2000)
    ]
    counts = await table.execute_many(Many("UPDATE t SET n = ?1 + ?2 WHERE a = ?3", rows))
    await table.rollback()

    assert counts == [1 if number % 3 else 0 for number in range(2000)]


async def test_fetch_many_keeps_the_order(table: Connection) -> None:
    """Rows of a statement sent for each row come in input order."""
    await table.begin(WRITE)
    many = Many(
        "INSERT INTO t (a) VALUES (?1) RETURNING a, id",
        [(str(n),) for n in range(3000)],
        returns=True,
    )
    rows = await table.fetch_many(many)
    await table.commit()

    assert rows == [(str(n), n + 1) for n in range(3000)]


async def test_many_values_return_in_input_order(table: Connection) -> None:
    """RETURNING of a multi-row VALUES gives the rows in the order in which they stand there."""
    size = 300
    sql = "INSERT INTO t (a) VALUES " + ", ".join("(?)" for _ in range(size)) + " RETURNING id, a"
    await table.begin(WRITE)
    for start in range(0, 3000, size):
        names = [str(-n) for n in range(start, start + size)]
        rows = await table.fetch(Statement(sql, names))

        assert rows == [(start + n + 1, name) for n, name in enumerate(names)]
    await table.rollback()


async def test_many_is_atomic_without_a_transaction(table: Connection) -> None:
    """Rows sent in autocommit are all stored or none is."""
    with pytest.raises(ConstraintError):
        await table.execute_many(insert("x", "y", "x"))

    assert not table.in_transaction
    assert await count(table) == 0
    assert await table.execute_many(insert("x", "y")) == [1, 1]
    assert await count(table) == 2


async def test_nothing_to_send(table: Connection) -> None:
    """No rows of parameters, no rows back."""
    assert await table.execute_many(insert()) == []
    assert await table.fetch_many(insert()) == []


async def test_run_tells_rows_from_counts(table: Connection) -> None:
    """A statement of unknown kind answers with rows and names, or with a count."""
    empty = await table.run(Statement("SELECT id, a AS name FROM t"))
    written = await table.run(Statement("INSERT INTO t (a) VALUES (?1), ('y')", ("x",)))
    returned = await table.run(Statement("UPDATE t SET n = 1 RETURNING id"))
    read = await table.run(Statement("-- why\nSELECT a AS name FROM t ORDER BY id; -- done\n"))
    defined = await table.run(Statement("CREATE TABLE other (id INTEGER)"))

    assert (empty.columns, empty.rows) == (("id", "name"), [])
    assert (written.columns, written.rows, written.count) == ((), [], 2)
    assert (returned.columns, returned.rows, returned.count) == (("id",), [(1,), (2,)], 2)
    assert (read.columns, read.rows) == (("name",), [("x",), ("y",)])
    assert (defined.columns, defined.count) == ((), 0)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; DELETE FROM t",
        "INSERT INTO t (a) VALUES ('second'); INSERT INTO t (a) VALUES ('third')",
        "BEGIN",
        "commit",
        " /* x */ ROLLBACK",
        "SAVEPOINT a",
        "RELEASE a",
        "END",
        "ATTACH ':memory:' AS other",
        "DETACH other",
        "VACUUM INTO 'copy.db'",
        "SELEC 1",
        "SELECT * FROM missing",
        'SELECT "no_such_column" FROM t WHERE missing = 1',
        "SELECT ?1, ?2",
    ],
)
async def test_raw_sql_that_is_refused(table: Connection, sql: str) -> None:
    """Several statements, transaction control, other files and mistakes are refused."""
    await table.execute_many(insert("first"))
    with pytest.raises(QueryError):
        await table.run(Statement(sql))

    assert not table.in_transaction
    assert await count(table) == 1


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, "a\ud800", object(), [1], {"a": 1}])
async def test_values_that_cannot_be_bound(table: Connection, value: object) -> None:
    """F71, F72: what the client library cannot bind is a typed error without the value."""
    await table.begin(WRITE)
    with pytest.raises(ValidationError) as caught:
        await table.execute(Statement("INSERT INTO t (a) VALUES (?1)", (value,)))

    assert str(2**63) not in str(caught.value)
    assert table.in_transaction
    await table.execute_many(insert("x"))
    await table.commit()


# -- constraints


@pytest.mark.parametrize(
    ("sql", "kind", "columns"),
    [
        ("INSERT INTO t (a) VALUES ('taken-secret')", ConstraintKind.UNIQUE, ("a",)),
        ("INSERT INTO t (id) VALUES (1)", ConstraintKind.UNIQUE, ("id",)),
        ("INSERT INTO t (n) VALUES (NULL)", ConstraintKind.NOT_NULL, ("n",)),
        ("INSERT INTO t (n) VALUES (9999999)", ConstraintKind.CHECK, ()),
    ],
)
async def test_constraints(
    table: Connection, sql: str, kind: ConstraintKind, columns: tuple[str, ...]
) -> None:
    """A constraint error tells kind, table and columns, and never a value (F78)."""
    await table.execute_many(insert("taken-secret"))
    await table.begin(WRITE)
    with pytest.raises(ConstraintError) as caught:
        await table.execute(Statement(sql))
    error = caught.value

    assert error.kind is kind
    assert error.columns == columns
    assert error.table == ("t" if columns else None)
    assert "secret" not in str(error)
    assert "999" not in str(error)
    assert error.__cause__ is not None
    assert table.in_transaction
    await table.rollback()


async def test_a_deferred_constraint_fails_at_commit(table: Connection) -> None:
    """F46: a foreign key checked at COMMIT fails there, and the transaction can be rolled back."""
    await table.begin(WRITE)
    await table.execute(Statement("INSERT INTO t (parent) VALUES (77)"))
    with pytest.raises(ConstraintError) as caught:
        await table.commit()

    assert caught.value.kind is ConstraintKind.FOREIGN_KEY
    assert table.in_transaction
    await table.rollback()
    assert await count(table) == 0


# -- transactions


async def test_commit_and_rollback(table: Connection) -> None:
    """What is committed stays, what is rolled back does not."""
    await table.begin(WRITE)
    assert table.in_transaction
    await table.execute_many(insert("x"))
    await table.commit()
    await table.begin(WRITE)
    await table.execute_many(insert("y"))
    await table.rollback()
    await table.rollback()

    assert not table.in_transaction
    assert await count(table) == 1


async def test_begun_with_a_statement(table: Connection) -> None:
    """A transaction can begin with its first statement; a mistake in that leaves it open."""
    await table.execute_many(insert("x"))
    read = Statement("SELECT a FROM t", reads=True)
    assert await table.begin_and_fetch(WRITE, read) == [("x",)]
    assert table.in_transaction
    await table.execute_many(insert("y"))
    await table.rollback()
    assert await count(table) == 1

    with pytest.raises(QueryError):
        await table.begin_and_fetch(WRITE, Statement("SELECT nothing FROM t", reads=True))
    assert table.in_transaction
    await table.rollback()
    assert not table.in_transaction


async def test_savepoints(table: Connection) -> None:
    """Work since a savepoint can be undone and the rest kept; the savepoint stays set."""
    await table.begin(WRITE)
    await table.execute_many(insert("kept"))
    await table.savepoint("uow_1")
    await table.execute_many(insert("lost"))
    await table.rollback_to_savepoint("uow_1")
    await table.execute_many(insert("also kept"))
    await table.release_savepoint("uow_1")
    await table.commit()

    assert await count(table) == 2


async def test_many_changes_since_a_savepoint(table: Connection) -> None:
    """Undoing a great deal works as undoing a little does."""
    await table.begin(WRITE)
    await table.savepoint("uow_1")
    await table.execute_many(insert(*map(str, range(12_000))))
    await table.rollback_to_savepoint("uow_1")
    await table.commit()

    assert await count(table) == 0


@pytest.mark.parametrize("name", ["a; DROP TABLE t", 'a"b', "", "1a"])
async def test_names_of_savepoints(table: Connection, name: str) -> None:
    """F66: a savepoint's name is a plain name or refused."""
    await table.begin(WRITE)
    with pytest.raises(QueryError):
        await table.savepoint(name)

    await table.rollback()


async def test_a_savepoint_without_a_transaction(table: Connection) -> None:
    """F17: after the store rolled back, a savepoint does not quietly open a transaction."""
    with pytest.raises(TransactionPoisonedError):
        await table.savepoint("uow_1")
    with pytest.raises(TransactionPoisonedError):
        await table.commit()

    assert not table.in_transaction


async def test_a_read_only_transaction(table: Connection) -> None:
    """In a read-only transaction nothing can be written; afterwards it can."""
    await table.begin(READ)
    assert await count(table) == 0
    with pytest.raises(QueryError, match="read-only"):
        await table.execute(Statement("INSERT INTO t (a) VALUES ('x')"))
    assert table.in_transaction
    await table.commit()
    await table.begin(READ)
    await table.rollback()
    await table.execute_many(insert("x"))

    assert await count(table) == 1


@pytest.mark.parametrize("level", ["SERIALIZABLE", "READ COMMITTED", "repeatable read"])
async def test_isolation_levels(table: Connection, level: str) -> None:
    """Known levels are granted: the store is always serializable."""
    await table.begin(TransactionOptions(isolation=level))
    await table.rollback()


async def test_an_unknown_isolation_level(table: Connection) -> None:
    """An unknown level is refused before anything is sent."""
    with pytest.raises(QueryError, match="CHAOS"):
        await table.begin(TransactionOptions(isolation="CHAOS; DROP TABLE t"))

    assert not table.in_transaction


async def test_a_second_begin(table: Connection) -> None:
    """F45: a BEGIN inside a transaction fails and leaves the outer one as it was."""
    await table.begin(WRITE)
    await table.execute_many(insert("x"))
    with pytest.raises(QueryError):
        await table.begin(WRITE)

    assert table.in_transaction
    await table.commit()
    assert await count(table) == 1


# -- streams


async def test_a_stream_in_batches(table: Connection) -> None:
    """A stream gives batches of the size asked for, the last one shorter."""
    await table.begin(WRITE)
    await table.execute_many(insert(*map(str, range(25))))
    await table.commit()
    sizes = []
    async with table.stream(
        Statement("SELECT a FROM t ORDER BY id", reads=True), batch_size=10
    ) as batches:
        async for batch in batches:
            sizes.append(len(batch))
            assert await count(table) == 25

    assert sizes == [10, 10, 5]
    assert not table.needs_reset


async def test_a_stream_left_early(table: Connection) -> None:
    """F09: a stream left by `break` is closed before control comes back."""
    await table.begin(WRITE)
    await table.execute_many(insert(*map(str, range(25))))
    await table.commit()
    async with table.stream(Statement("SELECT a FROM t", reads=True), batch_size=1) as batches:
        async for _ in batches:
            assert table.needs_reset
            break

    assert not table.needs_reset
    await table.execute(Statement("DROP TABLE t"))


async def test_a_stream_with_a_mistake(table: Connection) -> None:
    """An error of the statement comes when the stream is opened."""
    with pytest.raises(QueryError):
        async with table.stream(Statement("SELECT * FROM missing", reads=True), batch_size=5):
            pass
    with pytest.raises(QueryError):
        table.stream(Statement("SELECT 1", reads=True), batch_size=0)

    assert not table.needs_reset


# -- its life


async def test_reset(table: Connection) -> None:
    """Reset rolls back; a connection whose state raw SQL changed is closed instead (F36)."""
    await table.begin(READ)
    assert table.needs_reset
    await table.reset()
    assert not table.needs_reset
    assert not table.is_closed
    await table.run(Statement("PRAGMA foreign_keys = OFF"))
    assert table.needs_reset
    await table.reset()
    assert table.is_closed


async def test_raw_sql_that_leaves_nothing_behind(table: Connection) -> None:
    """Raw SQL that only reads and writes rows costs no reset."""
    await table.run(Statement("SELECT * FROM t"))
    await table.run(Statement("INSERT INTO t (a) VALUES ('x')"))

    assert not table.needs_reset


async def test_a_closed_connection(driver: Driver) -> None:
    """After close or termination every call is a typed error, and closing again is nothing."""
    for close_first in (True, False):
        connection = await driver.connect()
        if close_first:
            await connection.aclose()
        connection.terminate()
        connection.terminate()
        await connection.aclose()

        assert connection.is_closed
        assert not connection.in_transaction
        for call in (
            partial(connection.fetch, Statement("SELECT 1", reads=True)),
            partial(connection.execute, Statement("SELECT 1")),
            partial(connection.run, Statement("SELECT 1")),
            partial(connection.execute_many, Many("SELECT ?1", [(1,)])),
            partial(connection.begin, WRITE),
            partial(connection.savepoint, "a"),
            connection.commit,
            connection.ping,
        ):
            with pytest.raises(ConnectionLostError):
                await call()


async def test_termination_in_a_transaction(driver: Driver, table: Connection) -> None:
    """A connection that is cut off leaves nothing in the store, and no lock."""
    other = await driver.connect()
    await other.begin(WRITE)
    await other.execute_many(insert("x"))
    other.terminate()
    await table.begin(WRITE)
    await table.execute_many(insert("y"))
    await table.commit()

    assert await count(table) == 1
