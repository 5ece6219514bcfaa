"""What `drivers/base.py` promises, for MariaDB and MySQL over asyncmy."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, cast
from uuid import uuid4

import anyio
import pytest

from tests.support import mysql
from uow.drivers._mysql_connection import MySQLConnection
from uow.drivers.base import Connection, TransactionOptions
from uow.drivers.mysql import MySQLDriver, create
from uow.errors import (
    ConnectionLostError,
    ConstraintError,
    ConstraintKind,
    DriverError,
    LockTimeoutError,
    Outcome,
    PoolClosedError,
    QueryError,
    RetryableError,
    StatementTimeoutError,
    TransactionPoisonedError,
    UowError,
    ValidationError,
)
from uow.statement import Many, Statement
from uow.url import parse_url

pytestmark = pytest.mark.anyio

WRITE = TransactionOptions()
READ = TransactionOptions(read_only=True)

SLOW = Statement(
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)"
    " SELECT COUNT(*) FROM n AS a, n AS b, n AS c, n AS d"
)
"""What would take hours."""

MakeDriver = Callable[..., MySQLDriver]


@pytest.fixture
def anyio_backend() -> str:
    """Asyncmy runs under asyncio alone."""
    return "asyncio"


@pytest.fixture
async def table(connected: Connection) -> Connection:
    """A connection to a database with a table."""
    await connected.execute(
        Statement(
            "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(20) UNIQUE,"
            " n INT NOT NULL DEFAULT 0, parent INT, CONSTRAINT few CHECK (n < 1000000),"
            " CONSTRAINT kin FOREIGN KEY (parent) REFERENCES t (id))"
        )
    )
    return connected


@pytest.fixture
async def other(table: Connection, make_driver: MakeDriver) -> AsyncIterator[Connection]:
    """A second connection to the same database, which waits a second for locks."""
    connection = await make_driver(lock_timeout="1s").connect()
    yield connection
    await connection.aclose()


async def isolation(connection: Connection) -> str:
    """The level that transactions of a session have; the servers differ in what they call it."""
    found = await connection.fetch(
        Statement(
            "SHOW SESSION VARIABLES WHERE Variable_name IN ('tx_isolation',"
            " 'transaction_isolation')"
        )
    )
    return str(found[0][1])


def insert(*names: str) -> Many:
    """Rows by name."""
    return Many("INSERT INTO `t` (a) VALUES (?)", [(name,) for name in names])


async def value(connection: Connection, sql: str, *parameters: object) -> Any:
    """The one value a query gives."""
    return (await connection.fetch(Statement(sql, parameters, reads=True)))[0][0]


async def count(connection: Connection) -> Any:
    """How many rows there are."""
    return await value(connection, "SELECT count(*) FROM t")


async def number_of(connection: Connection) -> int:
    """The server's number of the connection."""
    return int(await value(connection, "SELECT CONNECTION_ID()"))


# -- statements


async def test_fetch_and_execute(table: Connection) -> None:
    """Rows come as tuples in order, counts are of matched rows, changed or not."""
    inserted = await table.execute(Statement("INSERT INTO t (a) VALUES (?), (?)", ("x", "y")))
    found = await table.fetch(Statement("SELECT id, a FROM t ORDER BY id", reads=True))
    updated = await table.execute(Statement("UPDATE t SET n = 1 WHERE a = ?", ("x",)))
    unchanged = await table.execute(Statement("UPDATE t SET n = 1 WHERE a = ?", ("x",)))
    missed = await table.execute(Statement("UPDATE t SET n = 1 WHERE a = ?", ("z",)))

    assert inserted == 2
    assert found == [(1, "x"), (2, "y")]
    assert (updated, unchanged, missed) == (1, 1, 0)


@pytest.mark.parametrize("size", [0, 1, 64, 5000])
async def test_many_rows_read(table: Connection, size: int) -> None:
    """Any number of rows comes back whole and in order."""
    if size:
        marks = ", ".join(["(?)"] * size)
        names = [str(number) for number in range(size)]
        await table.execute(Statement(f"INSERT INTO t (a) VALUES {marks}", names))

    found = await table.fetch(Statement("SELECT a FROM t ORDER BY id", reads=True))
    assert found == [(str(number),) for number in range(size)]


async def test_many_is_all_or_nothing(table: Connection) -> None:
    """Several executions of one call are one transaction, also where none is open."""
    assert await table.execute_many(insert("a", "b")) == [1, 1]
    with pytest.raises(ConstraintError):
        await table.execute_many(insert("c", "a"))
    assert not table.in_transaction
    assert await count(table) == 2
    many = Many("SELECT a FROM t WHERE a = ? FOR UPDATE", [("a",), ("zz",), ("b",)], returns=True)
    assert await table.fetch_many(many) == [("a",), ("b",)]


async def test_wrong_numbers_of_parameters(table: Connection) -> None:
    """They are refused before anything is sent."""
    for parameters in ((), (1, 2)):
        with pytest.raises(QueryError, match="number of parameters"):
            await table.fetch(Statement("SELECT ?", parameters))
    assert await value(table, "SELECT ?", 5) == 5


async def test_values_are_bound(table: Connection) -> None:
    """No text that is a value becomes a part of the statement, whatever it holds."""
    random = Random(7)
    signs = "'\"\\`;%_#-/*\0\n\r\x1a?\u00e4\u20ac\U0001f600 aA"
    for _ in range(300):
        text = "".join(random.choices(signs, k=random.randrange(30)))
        assert await value(table, "SELECT ?", text) == text
        data = text.encode()
        assert await value(table, "SELECT CAST(? AS BINARY)", data) == data


async def test_values_come_back_as_they_were(table: Connection) -> None:
    """Every kind of value the dialect sends is exact both ways, at its ends too."""
    columns: dict[str, tuple[str, list[Any]]] = {
        "i": ("BIGINT", [-(2**63), 2**63 - 1, 0]),
        "u": ("BIGINT UNSIGNED", [0, 2**64 - 1]),
        "s": ("SMALLINT", [-32768, 32767]),
        "y": ("TINYINT(1)", [0, 1]),
        "d": ("DOUBLE", [0.1, -1e308, 5e-324, 2.0**53 + 2]),
        "p": ("DECIMAL(65, 30)", [Decimal("1." + "3" * 30), Decimal("-" + "9" * 35)]),
        "m": ("DATETIME(6)", [datetime.min, datetime.max]),  # noqa: DTZ901
        "j": ("DATE", [date(1, 1, 1), date(9999, 12, 31)]),
        "z": ("TIME(6)", [timedelta(0), timedelta(hours=23, microseconds=999999)]),
        "b": ("LONGBLOB", [b"", bytes(range(256)) * 300]),
        "k": ("BINARY(16)", [uuid4().bytes]),
        "x": ("LONGTEXT CHARACTER SET utf8mb4", ["", "a ", "\U0001f600" * 20000]),
        "e": ("ENUM('a', 'b')", ["a", "b"]),
        "w": ("BIT(12)", [b"\x0a\xff"]),
    }
    for name, (kind, values) in columns.items():
        await table.execute(Statement(f"CREATE TABLE `{name}_values` (v {kind})"))
        for one in [*values, None]:
            await table.execute(Statement(f"DELETE FROM `{name}_values`"))
            await table.execute(Statement(f"INSERT INTO `{name}_values` VALUES (?)", (one,)))
            found = await value(table, f"SELECT v FROM `{name}_values`")
            assert (type(found), found) == (type(one), one), (kind, one)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("VARCHAR(3)", "abcd"),
        ("TINYINT", 300),
        ("BIGINT UNSIGNED", -1),
        ("DATE", "no date"),
        ("INT", "12x"),
        ("DECIMAL(3, 1)", Decimal(1000)),
        ("ENUM('a')", "bogus"),
        ("VARBINARY(2)", b"abc"),
        ("LONGTEXT CHARACTER SET latin1", "\U0001f600"),
        ("LONGTEXT CHARACTER SET utf8mb3", "ab\U0001f600cd"),
    ],
)
async def test_values_that_do_not_fit(table: Connection, kind: str, wrong: object) -> None:
    """F76: they are refused, never cut or bent, and not shown; the transaction goes on."""
    await table.execute(Statement(f"CREATE TABLE narrow (secret {kind})"))
    await table.begin(WRITE)
    with pytest.raises(ValidationError) as caught:
        await table.execute(Statement("INSERT INTO narrow VALUES (?)", (wrong,)))
    assert "secret" in str(caught.value) or kind == "DATE" or "its column" in str(caught.value)
    assert str(wrong) not in f"{caught.value} {caught.value.__cause__!r}"
    assert await value(table, "SELECT count(*) FROM narrow") == 0
    assert table.in_transaction
    await table.rollback()


async def test_values_that_have_no_form(table: Connection) -> None:
    """They are refused before anything is sent, and are not shown."""
    for wrong in (2**64, "\ud800"):
        with pytest.raises(UowError) as caught:
            await table.execute(Statement("INSERT INTO t (n) VALUES (?)", (wrong,)))
        assert isinstance(caught.value, ValidationError)
        assert str(2**64) not in str(caught.value)
    for kind in (uuid4(), [1], datetime.now(UTC), Decimal("NaN"), float("inf")):
        with pytest.raises(ValidationError):
            await table.run(Statement("SELECT ?", (kind,)))
    assert await count(table) == 0


async def test_statements_larger_than_a_packet(table: Connection) -> None:
    """They are refused here: the server would end the connection."""
    limit = cast("MySQLConnection", table)._line.limits.packet
    with pytest.raises(ValidationError, match="max_allowed_packet"):
        await table.fetch(Statement("SELECT LENGTH(?)", ("x" * limit,)))
    assert await value(table, "SELECT LENGTH(?)", "x" * (limit // 2)) == limit // 2


async def test_raw_statements(table: Connection) -> None:
    """`run` tells columns and rows from counts."""
    changed = await table.run(Statement("INSERT INTO t (a) VALUES (?)", ("x",)))
    found = await table.run(Statement("SELECT a AS name, n FROM t"))
    shown = await table.run(Statement("SHOW TABLES"))

    assert (changed.columns, changed.count) == ((), 1)
    assert (found.columns, found.rows, found.count) == (("name", "n"), [("x", 0)], 1)
    assert shown.rows == [("t",)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; DELETE FROM t",
        "COMMIT",
        "/*!50000 COMMIT */",
        "START TRANSACTION",
        "SET autocommit = 0",
        "SET @@session.sql_mode = ''",
        "SET NAMES latin1",
        "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t",
    ],
)
async def test_raw_statements_that_are_refused(table: Connection, sql: str) -> None:
    """Several at once, transactions, and what values rest on: none of them runs."""
    await table.execute_many(insert("a"))
    with pytest.raises(QueryError):
        await table.run(Statement(sql))
    assert await count(table) == 1
    assert not table.in_transaction


# -- errors


@pytest.mark.parametrize(
    ("sql", "kind", "constraint", "columns"),
    [
        ("INSERT INTO `t` (a) VALUES ('x')", ConstraintKind.UNIQUE, "a", ("a",)),
        ("INSERT INTO `t` (id) VALUES (1)", ConstraintKind.UNIQUE, "PRIMARY", ("id",)),
        ("INSERT INTO `t` (n) VALUES (NULL)", ConstraintKind.NOT_NULL, None, ("n",)),
        ("INSERT INTO `t` (n) VALUES (1000000)", ConstraintKind.CHECK, "few", ()),
        (
            "INSERT INTO `t` (parent) VALUES (99)",
            ConstraintKind.FOREIGN_KEY,
            "kin",
            ("parent",),
        ),
        ("DELETE FROM `t` WHERE id = 1", ConstraintKind.FOREIGN_KEY, "kin", ()),
    ],
)
async def test_constraints(
    table: Connection, sql: str, kind: ConstraintKind, constraint: str | None, columns: Any
) -> None:
    """A constraint is told with its name, table and columns, and without values."""
    await table.execute(Statement("INSERT INTO t (id, a) VALUES (1, 'x')"))
    await table.execute(Statement("INSERT INTO t (id, parent) VALUES (2, 1)"))
    await table.begin(WRITE)
    with pytest.raises(ConstraintError) as caught:
        await table.fetch(Statement(sql))

    error = caught.value
    assert (error.kind, error.constraint, error.table) == (kind, constraint, "t")
    assert error.columns == columns
    assert "'x'" not in f"{error.__cause__!r}"
    assert table.in_transaction
    assert not table.has_failed
    await table.commit()


async def test_errors_raised_on_the_server(table: Connection) -> None:
    """SIGNAL is a check; a function that is missing is a wrong query, a table too."""
    await table.execute(
        Statement("CREATE PROCEDURE refuse() SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 's3cret'")
    )
    with pytest.raises(ConstraintError) as caught:
        await table.execute(Statement("CALL refuse()"))
    assert "s3cret" not in f"{caught.value} {caught.value.__cause__!r}"
    for sql in ("SELECT nothing_like_it(1)", "SELECT * FROM nothing_like_it", "SELEC 1"):
        with pytest.raises(QueryError):
            await table.fetch(Statement(sql))


async def test_deadlock(table: Connection, other: Connection) -> None:
    """F50: the one that is chosen is told to try again, and its transaction is gone."""
    await table.execute_many(insert("a", "b"))
    change = "UPDATE t SET n = n + 1 WHERE a = ?"
    for connection, name in ((table, "a"), (other, "b")):
        await connection.begin(WRITE)
        await connection.execute(Statement(change, (name,)))
    errors: list[UowError] = []

    async def cross(connection: Connection, name: str) -> None:
        try:
            await connection.execute(Statement(change, (name,)))
        except UowError as error:
            errors.append(error)
            assert not connection.in_transaction
            with pytest.raises(TransactionPoisonedError):
                await connection.commit()
        else:
            await connection.commit()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cross, table, "b")
        tasks.start_soon(cross, other, "a")

    (error,) = errors
    assert type(error) is RetryableError
    assert error.outcome is Outcome.NOT_APPLIED
    assert await value(table, "SELECT SUM(n) FROM t") == 2


async def test_locks_that_are_not_granted(table: Connection, other: Connection) -> None:
    """F50: after 1205 the transaction takes nothing but a rollback, to a savepoint too."""
    await table.execute_many(insert("a", "b"))
    await table.begin(WRITE)
    await table.execute(Statement("UPDATE t SET n = 1 WHERE a = 'a'"))
    await other.begin(WRITE)
    await other.execute(Statement("UPDATE t SET n = 5 WHERE a = 'b'"))
    await other.savepoint("s")
    with pytest.raises(LockTimeoutError):
        await other.execute(Statement("UPDATE t SET n = 2 WHERE a = 'a'"))
    assert (other.in_transaction, other.has_failed) == (True, True)
    await other.rollback_to_savepoint("s")
    assert not other.has_failed
    with pytest.raises(LockTimeoutError):
        await other.fetch(Statement("SELECT n FROM t WHERE a = 'a' FOR UPDATE NOWAIT"))
    skipped = Statement("SELECT a FROM t WHERE a IN ('a', 'b') FOR UPDATE SKIP LOCKED")
    assert await other.fetch(skipped) == [("b",)]
    await other.rollback()
    await table.commit()

    assert await value(table, "SELECT SUM(n) FROM t") == 1


async def test_statements_that_take_too_long(make_driver: MakeDriver) -> None:
    """The server's limit ends a statement, the client's ends the connection."""
    connection = await make_driver(statement_timeout="100ms").connect()
    with pytest.raises(StatementTimeoutError):
        await connection.fetch(SLOW)
    assert await value(connection, "SELECT 1") == 1
    await connection.aclose()
    connection = await make_driver(command_timeout="100ms").connect()
    with pytest.raises(StatementTimeoutError):
        await connection.fetch(Statement("SELECT SLEEP(5)", reads=True))
    assert connection.is_closed
    connection = await make_driver(command_timeout="100ms").connect()
    with pytest.raises(DriverError) as caught:
        await connection.execute(Statement("DO SLEEP(?)", (5,)))
    assert caught.value.outcome is Outcome.UNKNOWN


# -- transactions


async def test_transactions(table: Connection) -> None:
    """The state is the server's word; savepoints go back and forth."""
    await table.begin(WRITE)
    with pytest.raises(QueryError, match="open already"):
        await table.begin(WRITE)
    await table.execute_many(insert("a"))
    await table.savepoint("one")
    await table.execute_many(insert("b"))
    await table.rollback_to_savepoint("one")
    await table.release_savepoint("one")
    with pytest.raises(TransactionPoisonedError):
        await table.rollback_to_savepoint("one")
    await table.commit()

    assert (table.in_transaction, await count(table)) == (False, 1)
    await table.rollback()
    with pytest.raises(TransactionPoisonedError):
        await table.commit()
    with pytest.raises(QueryError, match="savepoint"):
        await table.begin(WRITE)
        await table.savepoint("a`b")
    await table.rollback()


async def test_transactions_that_only_read(table: Connection) -> None:
    """A write is refused by the server."""
    await table.begin(READ)
    with pytest.raises(QueryError, match="read-only"):
        await table.execute_many(insert("a"))
    await table.rollback()


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
async def test_isolation(table: Connection, other: Connection, level: str) -> None:
    """A level holds for one transaction, and is the one that was asked for."""
    await other.begin(TransactionOptions(isolation=level))
    assert await count(other) == 0
    if level != "SERIALIZABLE":  # there the reader would be waited for
        await table.execute_many(insert("a"))
        assert await count(other) == (level == "READ COMMITTED")
    await other.rollback()
    assert await isolation(other) == "REPEATABLE-READ"
    with pytest.raises(QueryError, match="no isolation level"):
        await table.begin(TransactionOptions(isolation="SNAPSHOT"))


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE u (id INT)",
        "/* a comment */ create table u (id INT)",
        "/*!40000 CREATE TABLE u (id INT) */",
        "ALTER TABLE t ADD x INT",
        "DROP TABLE t",
        "TRUNCATE TABLE t",
        "RENAME TABLE t TO u",
        "LOCK TABLES t READ",
        "ANALYZE TABLE t",
    ],
)
async def test_definitions_in_a_transaction(table: Connection, sql: str) -> None:
    """F58: they are refused by name, because the server would commit; nothing is stored."""
    await table.begin(WRITE)
    await table.execute_many(insert("a"))
    for call in (table.run, table.execute):
        with pytest.raises(QueryError, match="would commit the open transaction"):
            await call(Statement(sql))
    assert table.in_transaction
    await table.rollback()

    assert await count(table) == 0


async def test_definitions_of_temporary_tables(table: Connection) -> None:
    """They commit nothing, and may stand in a transaction; a reset removes them."""
    await table.begin(WRITE)
    await table.execute_many(insert("a"))
    await table.run(Statement("CREATE TEMPORARY TABLE u (id INT)"))
    assert table.in_transaction
    await table.rollback()
    assert await count(table) == 0
    assert table.needs_reset
    await table.reset()
    with pytest.raises(QueryError):
        await table.fetch(Statement("SELECT * FROM u"))


async def test_procedures_that_commit(table: Connection) -> None:
    """F58: what cannot be seen from the text is told afterwards, with what is stored."""
    await table.execute(
        Statement("CREATE PROCEDURE p() BEGIN INSERT INTO t (a) VALUES ('p'); COMMIT; END")
    )
    await table.begin(WRITE)
    with pytest.raises(QueryError, match="committed") as caught:
        await table.run(Statement("CALL p()"))
    assert caught.value.outcome is Outcome.APPLIED
    assert not table.in_transaction


async def test_tables_without_transactions(connected: Connection, make_driver: MakeDriver) -> None:
    """F58: writing to one is refused by name; reading is not."""
    await connected.execute(Statement("CREATE TABLE plain (id INT) ENGINE=MyISAM"))
    connection = await make_driver().connect()
    with pytest.raises(QueryError, match="plain has an engine without transactions"):
        await connection.execute(Statement("INSERT INTO plain VALUES (?)", (1,)))
    assert await value(connection, "SELECT COUNT(*) FROM plain") == 0
    await connection.aclose()


# -- streams


async def test_streams(table: Connection) -> None:
    """A cursor gives batches in order, and other statements run meanwhile."""
    names = [f"{number:04}" for number in range(25)]
    await table.execute_many(insert(*names))
    found: list[Any] = []
    sizes: list[int] = []
    read = Statement("SELECT a FROM t WHERE n = ? ORDER BY id", (0,), reads=True)
    async with table.stream(read, batch_size=10) as batches:
        async for batch in batches:
            assert await count(table) == 25
            sizes.append(len(batch))
            found += [name for (name,) in batch]
    assert found == names
    assert sizes == [10, 10, 5]
    assert not table.needs_reset
    async with table.stream(read, batch_size=5) as batches:
        async for _ in batches:
            break
    assert await count(table) == 25


async def test_streams_without_a_cursor(table: Connection) -> None:
    """Where the server makes none its rows come in batches all the same; none is none."""
    async with table.stream(Statement("SHOW ENGINES"), batch_size=2) as batches:
        sizes = [len(batch) async for batch in batches]
    assert sum(sizes) > 2
    assert max(sizes) <= 2
    async with table.stream(Statement("SELECT a FROM t"), batch_size=2) as batches:
        assert [batch async for batch in batches] == []
    with pytest.raises(QueryError):
        table.stream(Statement("SELECT 1"), batch_size=0)
    with pytest.raises(QueryError, match="outside"):
        await anext(aiter(cast("Any", table.stream(Statement("SELECT 1"), batch_size=1))))


async def test_streams_that_fail(table: Connection) -> None:
    """A wrong query opens nothing, and the connection goes on."""
    with pytest.raises(QueryError):
        async with table.stream(Statement("SELECT nope FROM t"), batch_size=2):
            raise AssertionError
    assert await count(table) == 0
    assert not table.needs_reset


# -- cancellation and loss


async def test_cancelled_calls_close(table: Connection, database_url: str) -> None:
    """F37: what is interrupted in its middle is over: the server ends its transaction."""
    await table.begin(WRITE)
    await table.execute_many(insert("a"))
    with anyio.move_on_after(0.1) as scope:
        await table.fetch(Statement("SELECT SLEEP(30)"))
    assert scope.cancelled_caught
    assert (table.is_closed, table.in_transaction) == (True, False)
    with pytest.raises(ConnectionLostError):
        await table.ping()
    rows = await mysql.ask(database_url, "SELECT COUNT(*) FROM t")
    assert rows == ((0,),)


@pytest.mark.parametrize("streamed", [False, True])
async def test_cancelled_statements_end_on_the_server(
    table: Connection, database_url: str, streamed: bool
) -> None:
    """What was given up runs no longer there, and holds no locks."""
    number = await number_of(table)
    await table.execute_many(insert("a"))
    await table.begin(WRITE)
    await table.execute(Statement("UPDATE t SET n = ? WHERE a = 'a'", (1,)))
    with anyio.move_on_after(0.2):
        if streamed:
            async with table.stream(SLOW, batch_size=1):
                raise AssertionError
        await table.fetch(SLOW)
    with anyio.fail_after(2):
        while True:
            sql = mysql.counting(database_url, number)
            if await mysql.ask(database_url, sql) == ((0,),):
                break
            await anyio.sleep(0.02)
    await mysql.ask(database_url, "UPDATE t SET n = 2 WHERE a = 'a'")


async def test_answers_are_never_anothers(make_driver: MakeDriver) -> None:
    """F37: whatever is cancelled, each query gets its own answer or none."""
    random = Random(5)
    connections = [await make_driver().connect() for _ in range(2)]
    for turn in range(300):
        place = turn % 2
        if connections[place].is_closed:
            connections[place] = await make_driver().connect()
        with anyio.move_on_after(random.random() * 0.002):
            assert await value(connections[place], "SELECT ?", turn) == turn
    for connection in connections:
        await connection.aclose()


async def test_commit_that_is_cancelled(table: Connection) -> None:
    """One that was cancelled before it was sent leaves the transaction open."""
    await table.begin(WRITE)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await table.commit()
    assert table.in_transaction
    await table.rollback()


@pytest.mark.parametrize("inside", [False, True])
async def test_connections_that_are_killed(
    table: Connection, database_url: str, inside: bool
) -> None:
    """F26, F27: one that an administrator ended is lost, whatever it is used for next."""
    number = await number_of(table)
    if inside:
        await table.begin(WRITE)
        await table.execute_many(insert("a"))
    await mysql.ask(database_url, f"KILL {number}")
    with pytest.raises(ConnectionLostError) as caught:
        await table.execute(Statement("INSERT INTO t (a) VALUES (?)", ("b",)))
    assert caught.value.outcome is Outcome.NOT_APPLIED
    assert (table.is_closed, table.in_transaction) == (True, False)
    assert await mysql.ask(database_url, "SELECT COUNT(*) FROM t") == ((0,),)


async def test_statements_that_are_ended(table: Connection, database_url: str) -> None:
    """KILL QUERY ends the statement, not the connection."""
    number = await number_of(table)

    async def end() -> None:
        await anyio.sleep(0.2)
        await mysql.ask(database_url, f"KILL QUERY {number}")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(end)
        with pytest.raises(StatementTimeoutError):
            await table.fetch(SLOW)
    assert await value(table, "SELECT 1") == 1


async def test_idle_connections_that_time_out(make_driver: MakeDriver) -> None:
    """F26: one that the server let go is seen to be closed, without being asked."""
    connection = await make_driver().connect()
    await connection.run(Statement("SET wait_timeout = 1"))
    with anyio.fail_after(5):
        while not connection.is_closed:  # noqa: ASYNC110  # nothing tells
            await anyio.sleep(0.05)
    with pytest.raises(ConnectionLostError):
        await connection.ping()


async def test_terminate_from_anywhere(make_driver: MakeDriver) -> None:
    """It can be called twice, from another thread, and by the collector."""
    connection = await make_driver().connect()
    thread = threading.Thread(target=connection.terminate)
    thread.start()
    thread.join()
    await anyio.sleep(0.05)
    assert connection.is_closed
    connection.terminate()
    await connection.aclose()
    forgotten = await make_driver().connect()
    transport = forgotten._line.handle._transport
    del forgotten
    gc.collect()
    assert transport is not None
    assert transport.is_closing()


def test_a_connection_whose_loop_is_gone(make_driver: MakeDriver, database_url: str) -> None:
    """F18: with its event loop closed a connection is still ended on the server."""
    connections: list[MySQLConnection] = []

    async def connect() -> int:
        connections.append(await make_driver().connect())
        return await number_of(connections[0])

    number = asyncio.run(connect())
    with warnings.catch_warnings():
        # asyncio's own: its transport cannot close without its loop.
        warnings.simplefilter("ignore", ResourceWarning)
        connections.pop().terminate()
        gc.collect()
    sql = mysql.counting(database_url, number)
    deadline = time.monotonic() + 5
    while asyncio.run(mysql.ask(database_url, sql)) != ((0,),):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_trio_is_refused(make_driver: MakeDriver) -> None:
    """Under trio the way is closed at once, with the reason."""
    with pytest.raises(DriverError, match="trio"):
        anyio.run(make_driver().connect, backend="trio")


# -- what is left behind


@pytest.mark.parametrize(
    ("sql", "shown", "clean"),
    [
        ("SET @x = 5", "SELECT @x", None),
        ("SELECT @x := 5", "SELECT @x", None),
        ("SET div_precision_increment = 7", "SELECT @@div_precision_increment", 4),
        ("SELECT GET_LOCK('uow', 1)", "SELECT IS_USED_LOCK('uow')", None),
        ("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SELECT @x", None),
    ],
)
async def test_reset(table: Connection, sql: str, shown: str, clean: object) -> None:
    """F36: nothing that a borrower set is there for the next one, and our settings are."""
    await table.run(Statement(sql))
    assert table.needs_reset
    await table.reset()
    assert not table.needs_reset
    assert await value(table, shown) == clean
    assert await isolation(table) == "REPEATABLE-READ"
    assert "STRICT_ALL_TABLES" in await value(table, "SELECT @@sql_mode")
    assert await value(table, "SELECT @@time_zone") == "+00:00"
    assert await value(table, "SELECT @@character_set_client") == "utf8mb4"


async def test_resets_that_close(make_driver: MakeDriver) -> None:
    """Another database stays, and whoever had the handle may have done anything: they end."""
    connection = await make_driver().connect()
    await connection.run(Statement("USE information_schema"))
    await connection.reset()
    assert connection.is_closed
    connection = await make_driver().connect()
    connection.taint()
    assert connection.needs_reset
    await connection.reset()
    assert connection.is_closed


async def test_what_needs_no_reset(table: Connection) -> None:
    """Statements of ours, and raw ones that only touch rows, leave nothing."""
    await table.execute_many(insert("a", "b"))
    await table.run(Statement("SELECT COUNT(*), UPPER(a) FROM t WHERE a IN (?) ", ("a",)))
    await table.run(Statement("INSERT INTO t (a, n) VALUES (?, ?)", ("c", 1)))
    assert not table.needs_reset
    await table.begin(WRITE)
    assert table.needs_reset
    await table.reset()
    assert not table.in_transaction


async def test_prepared_statements_are_bounded(make_driver: MakeDriver, database_url: str) -> None:
    """The one not used for longest is given back to the server; a schema change is no error."""
    await mysql.clear(database_url)
    connection = await make_driver(statement_cache_size=3).connect()
    for number in range(10):
        assert await value(connection, f"SELECT {number}, ?", 1) == number
    assert len(connection._line.prepared) == 3
    await connection.execute(Statement("CREATE TABLE changing (a INT)"))
    await connection.execute(Statement("INSERT INTO changing VALUES (?)", (1,)))
    assert await connection.fetch(Statement("SELECT * FROM changing")) == [(1,)]
    await connection.execute(Statement("ALTER TABLE changing ADD b VARCHAR(5) DEFAULT 'x'"))
    assert await connection.fetch(Statement("SELECT * FROM changing")) == [(1, "x")]
    await connection.aclose()


# -- connecting


async def test_what_the_server_is_set_to(table: Connection) -> None:
    """The session is strict, in UTC and in utf8mb4; a server of the run's own is none of that."""
    assert "STRICT_TRANS_TABLES" in await value(table, "SELECT @@sql_mode")
    assert await value(table, "SELECT 'A' = 'a'") == 0
    assert await value(table, "SELECT 'a' = 'a '") == 0


@pytest.mark.parametrize(
    ("name", "other"),
    [("sql_mode", ""), ("time_zone", "SYSTEM"), ("character_set_client", "latin1")],
)
async def test_settings_that_the_server_does_not_take(
    make_driver: MakeDriver, monkeypatch: pytest.MonkeyPatch, name: str, other: str
) -> None:
    """F76: it is not used then."""
    driver = make_driver()
    check = driver._check_settings
    monkeypatch.setattr(driver, "_check_settings", lambda found: check({**found, name: other}))
    with pytest.raises(DriverError, match=name):
        await driver.connect()


async def test_another_server(database_url: str) -> None:
    """A MariaDB that is taken for a MySQL is refused, with what to write; the other way too."""
    scheme, _, rest = database_url.partition("://")
    wrong = {"mariadb": "mysql", "mysql": "mariadb"}[scheme]
    with pytest.raises(DriverError, match=f"write {scheme}:// in place of {wrong}://"):
        await create(parse_url(f"{wrong}://{rest}"), {}).connect()


async def test_servers_that_do_not_let_us_in(database_url: str) -> None:
    """A wrong password, an unknown database and a closed port are told, without the password."""
    url = parse_url(database_url)
    with pytest.raises(DriverError) as caught:
        await create(parse_url(f"mariadb://nobody:s3cret@{url.host}:{url.port}/x"), {}).connect()
    assert "s3cret" not in f"{caught.value} {caught.value.__cause__!r}"
    with pytest.raises(DriverError, match="no database"):
        await create(parse_url(f"mariadb://root@{url.host}:{url.port}/nothing"), {}).connect()
    with pytest.raises(DriverError, match="cannot be reached"):
        await create(parse_url("mariadb://root@127.0.0.1:1/x"), {}).connect()


async def test_servers_that_say_nothing() -> None:
    """Opening a connection is bounded."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        url = parse_url(f"mariadb://root@127.0.0.1:{server.getsockname()[1]}/x")
        with pytest.raises(DriverError, match=r"did not answer within 0\.2 s"):
            await create(url, {"connect_timeout": "200ms"}).connect()


async def test_closed_drivers(make_driver: MakeDriver) -> None:
    """One that was closed opens nothing."""
    driver = make_driver()
    await driver.aclose()
    with pytest.raises(PoolClosedError):
        await driver.connect()
    assert "MySQLDriver" in repr(driver)
    assert driver.max_connections is None
