"""What goes past asyncpg's public calls: BEGIN with a statement, and statements that are prepared.

Each test runs also with the class of connections that is for versions of asyncpg nobody has tried.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.lowlevel
import asyncpg
import pytest

from tests.support import postgresql
from uow.drivers import asyncpg as driver_module
from uow.drivers._asyncpg_begin import begin_messages
from uow.drivers._asyncpg_connection import AsyncpgConnection
from uow.drivers._asyncpg_direct import DirectConnection, PublicConnection, connection_class
from uow.drivers.asyncpg import AsyncpgDriver
from uow.drivers.base import PLAIN, TransactionOptions
from uow.errors import (
    ConnectionLostError,
    ConstraintError,
    QueryError,
    SchemaChangedError,
    UowError,
    ValidationError,
)
from uow.statement import Statement

pytestmark = pytest.mark.anyio

MakeDriver = Callable[..., AsyncpgDriver]

ONE = Statement("SELECT $1::int", (1,), reads=True)


@pytest.fixture
def anyio_backend() -> str:
    """Asyncpg runs under asyncio alone."""
    return "asyncio"


@pytest.fixture(params=[DirectConnection, PublicConnection], ids=["direct", "public"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[Any]:
    """Have the driver use one of its classes of connections."""
    kind: type[Any] = request.param
    monkeypatch.setattr(driver_module, "connection_class", lambda _version: kind)
    return kind


@pytest.fixture
async def connection(
    kind: type[Any], postgresql_driver: MakeDriver, postgresql_database: str
) -> AsyncIterator[AsyncpgConnection]:
    """A connection of that class, to a database with a table."""
    await postgresql.clear(postgresql_database)
    connection = await postgresql_driver().connect()
    assert type(connection._handle) is kind
    await connection.execute(Statement("CREATE TABLE t (id INT PRIMARY KEY, a TEXT NOT NULL)"))
    yield connection
    await connection.aclose()


async def value(connection: AsyncpgConnection, sql: str, *parameters: object) -> Any:
    """The one value a query gives."""
    return (await connection.fetch(Statement(sql, parameters, reads=True)))[0][0]


# -- which way


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("0.32.0", DirectConnection),
        (asyncpg.__version__, DirectConnection),
        ("0.33.0", PublicConnection),
        ("0.33rc1", PublicConnection),
        ("1.0", PublicConnection),
        ("unknown", PublicConnection),
    ],
)
def test_versions(version: str, expected: type[Any]) -> None:
    """The inside of a version nobody has tried is left alone; the one installed was tried."""
    assert connection_class(version) is expected


# -- BEGIN with the first statement


def test_the_messages_of_begin() -> None:
    """Parse, Bind and Execute, as the chapter on message formats lays them out; no Sync."""
    assert begin_messages("BEGIN") == (
        b"P\0\0\0\x0d\0BEGIN\0\0\0"
        b"B\0\0\0\x0c\0\0\0\0\0\0\0\0"
        b"E\0\0\0\x09\0\0\0\0\0"
    )  # fmt: skip


@pytest.mark.parametrize("times", [1, 2])
async def test_begun_with_a_statement(connection: AsyncpgConnection, times: int) -> None:
    """The rows are those of the statement, prepared before or not; the transaction is open."""
    for _ in range(times):
        assert await connection.begin_and_fetch(PLAIN, ONE) == [(1,)]
        assert connection.in_transaction
        assert not connection.has_failed
        await connection.execute(Statement("INSERT INTO t VALUES ($1, $2)", (1, "x")))
        await connection.rollback()
        assert not connection.in_transaction
    assert await connection.begin_and_fetch(PLAIN, ONE) == [(1,)]
    await connection.execute(Statement("INSERT INTO t VALUES ($1, $2)", (1, "x")))
    await connection.commit()

    assert await value(connection, "SELECT count(*) FROM t") == 1
    assert not connection.needs_reset


class Narrow:
    """A socket that takes a few bytes at a time, or none."""

    def __init__(self, real: socket.socket, room: int) -> None:
        self.real = real
        self.room = room

    def send(self, data: bytes, flags: int) -> int:
        """Send what there is room for."""
        if not self.room:
            raise BlockingIOError
        return self.real.send(data[: self.room], flags)


@pytest.mark.parametrize("kind", [DirectConnection], indirect=True)
@pytest.mark.parametrize("room", [None, 0, 1, 13])
async def test_no_room_in_the_socket(connection: AsyncpgConnection, room: int | None) -> None:
    """What the socket does not take goes by asyncio's transport; so all of it where TLS is."""
    ahead: Any = connection._ahead
    if room is None:
        ahead._plain = None
    elif ahead._plain is not None:  # a system that cannot keep a packet back has none
        ahead._plain = Narrow(ahead._plain, room)
    for _ in range(2):
        assert await connection.begin_and_fetch(PLAIN, ONE) == [(1,)]
        assert connection.in_transaction
        assert await value(connection, "SELECT statement_timestamp() > now()")
        await connection.rollback()


async def test_it_is_one_transaction(connection: AsyncpgConnection) -> None:
    """The statement is inside of the transaction it begins: time stands still from there on."""
    now = Statement("SELECT now()", reads=True)
    first = await connection.begin_and_fetch(PLAIN, now)
    assert await connection.fetch(now) == first
    assert await value(connection, "SELECT statement_timestamp() > now()")
    await connection.rollback()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (PLAIN, ("read committed", "off", "off")),
        (TransactionOptions("REPEATABLE READ"), ("repeatable read", "off", "off")),
        (
            TransactionOptions("SERIALIZABLE", read_only=True, deferrable=True),
            ("serializable", "on", "on"),
        ),
        (TransactionOptions(defer_constraints=True), ("read committed", "off", "off")),
    ],
)
async def test_how_it_begins(
    connection: AsyncpgConnection, options: TransactionOptions, expected: tuple[str, ...]
) -> None:
    """What is asked of the transaction holds for its first statement already."""
    shown = Statement(
        "SELECT current_setting('transaction_isolation'),"
        " current_setting('transaction_read_only'), current_setting('transaction_deferrable')",
        reads=True,
    )
    assert await connection.begin_and_fetch(options, shown) == [expected]
    assert connection.in_transaction
    await connection.rollback()


async def test_constraints_are_deferred(connection: AsyncpgConnection) -> None:
    """F46: what takes a second command at the beginning is not lost."""
    await connection.execute(
        Statement("ALTER TABLE t ADD parent INT REFERENCES t DEFERRABLE INITIALLY IMMEDIATE")
    )
    await connection.begin_and_fetch(TransactionOptions(defer_constraints=True), ONE)
    await connection.execute(Statement("INSERT INTO t VALUES ($1, $2, $3)", (1, "x", 2)))
    with pytest.raises(ConstraintError):
        await connection.commit()

    assert not connection.in_transaction


async def test_a_mistake_in_the_statement(connection: AsyncpgConnection) -> None:
    """A statement that the server refuses leaves a transaction that has failed."""
    with pytest.raises(UowError):
        await connection.begin_and_fetch(PLAIN, Statement("SELECT * FROM nothing", reads=True))

    assert connection.in_transaction
    assert connection.has_failed
    await connection.rollback()
    assert await connection.begin_and_fetch(PLAIN, ONE) == [(1,)]
    await connection.rollback()


async def test_a_statement_that_was_not_sent(connection: AsyncpgConnection) -> None:
    """A value that the client refuses leaves a transaction that is known, with BEGIN sent."""
    await connection.fetch(ONE)
    for _ in range(2):
        with pytest.raises(ValidationError):
            await connection.begin_and_fetch(
                PLAIN, Statement(ONE.sql, ("not a number",), reads=True)
            )
        assert connection.in_transaction
        assert await value(connection, "SELECT statement_timestamp() > now()")
        await connection.rollback()
    assert not connection.in_transaction
    assert not connection.is_closed


@pytest.mark.parametrize("sql", ["DEALLOCATE ALL", "SELECT forget()"])
async def test_a_name_that_is_forgotten(connection: AsyncpgConnection, sql: str) -> None:
    """Raw SQL may make the server forget its statements: BEGIN is told to it again."""
    await connection.execute(
        Statement(
            "CREATE FUNCTION forget() RETURNS INT LANGUAGE plpgsql AS"
            " $$ BEGIN EXECUTE 'DEALLOCATE ALL'; RETURN 1; END $$"
        )
    )
    for _ in range(2):
        await connection.begin_and_fetch(PLAIN, Statement("SELECT now()", reads=True))
        await connection.rollback()
    await connection.run(Statement(sql))
    # A statement that asyncpg has not prepared: what it has is forgotten as well.
    assert await connection.begin_and_fetch(PLAIN, ONE) == [(1,)]
    assert connection.in_transaction
    await connection.rollback()


@pytest.mark.parametrize("kind", [DirectConnection], indirect=True)
async def test_a_name_that_is_forgotten_unseen(connection: AsyncpgConnection) -> None:
    """What nobody could see is an error once, in a unit that can be run again elsewhere."""
    for _ in range(2):
        await connection.begin_and_fetch(PLAIN, ONE)
        await connection.rollback()
    await connection._handle.execute('DEALLOCATE "uow_begin"')
    with pytest.raises(SchemaChangedError) as caught:
        await connection.begin_and_fetch(PLAIN, ONE)

    assert caught.value.retryable
    assert connection.is_closed


async def test_statements_that_are_forgotten_unseen(connection: AsyncpgConnection) -> None:
    """A connection whose statements a function has dropped is not used for ever."""
    await connection.fetch(ONE)
    await connection._handle.execute("DEALLOCATE ALL")
    with pytest.raises(SchemaChangedError) as caught:
        await connection.fetch(ONE)

    assert caught.value.retryable
    assert connection.is_closed


async def test_an_unknown_isolation_level(connection: AsyncpgConnection) -> None:
    """It is refused before anything is sent."""
    with pytest.raises(QueryError, match="no isolation level is called"):
        await connection.begin_and_fetch(TransactionOptions("NONE"), ONE)

    assert not connection.in_transaction
    assert await connection.fetch(ONE) == [(1,)]


async def test_a_second_begin(connection: AsyncpgConnection) -> None:
    """A transaction that is open is not begun again."""
    await connection.begin_and_fetch(PLAIN, ONE)
    with pytest.raises(QueryError, match="open already"):
        await connection.begin_and_fetch(PLAIN, ONE)

    assert connection.in_transaction
    await connection.rollback()


async def test_cancelled(connection: AsyncpgConnection) -> None:
    """Cancelled at the first statement, the state of the transaction is the server's word."""
    with anyio.move_on_after(0.1) as scope:
        await connection.begin_and_fetch(PLAIN, Statement("SELECT pg_sleep(30)", reads=True))

    assert scope.cancelled_caught
    assert connection.in_transaction
    assert connection.has_failed
    await connection.rollback()
    assert await connection.fetch(ONE) == [(1,)]


async def test_cancelled_at_once(connection: AsyncpgConnection) -> None:
    """However early the cancellation is, what is known of the transaction is true."""
    for _ in range(20):
        with anyio.CancelScope() as scope:
            scope.cancel()
            await connection.begin_and_fetch(PLAIN, ONE)
        assert not connection.is_closed
        is_open = await value(connection, "SELECT statement_timestamp() > now()")
        assert connection.in_transaction is is_open
        await connection.rollback()


async def test_a_closed_connection(connection: AsyncpgConnection) -> None:
    """It is lost, and says so."""
    await connection.fetch(ONE)
    connection.terminate()
    with pytest.raises(ConnectionLostError):
        await connection.begin_and_fetch(PLAIN, ONE)
    with pytest.raises(ConnectionLostError):
        await connection.fetch(ONE)
    with pytest.raises(ConnectionLostError):
        await connection.execute(ONE)


class Strict:
    """A transport of an event loop that takes nothing once the connection has ended."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def write(self, data: bytes) -> None:
        """Send, or refuse to."""
        if self.real.is_closing():
            raise RuntimeError("the handler is closed")
        self.real.write(data)


@pytest.mark.parametrize("kind", [DirectConnection], indirect=True)
async def test_a_closed_connection_of_a_strict_loop(connection: AsyncpgConnection) -> None:
    """It is lost there too, as uvloop's are, whose transports raise."""
    await connection.fetch(ONE)
    ahead: Any = connection._ahead
    ahead._transport, ahead._plain = Strict(ahead._transport), None
    connection.terminate()
    with pytest.raises(ConnectionLostError):
        await connection.begin_and_fetch(PLAIN, ONE)


async def test_a_connection_cut_by_the_server(
    connection: AsyncpgConnection, postgresql_driver: MakeDriver
) -> None:
    """A connection that ended while nobody looked is lost, with or without word of it."""
    process = await value(connection, "SELECT pg_backend_pid()")
    other = await postgresql_driver().connect()
    await other.fetch(Statement("SELECT pg_terminate_backend($1)", (process,)))
    await other.aclose()
    with pytest.raises(ConnectionLostError):
        await connection.begin_and_fetch(PLAIN, ONE)

    assert connection.is_closed


@pytest.mark.parametrize("size", [0, 1])
async def test_without_names_for_statements(
    kind: type[Any], postgresql_driver: MakeDriver, size: int
) -> None:
    """D12: behind a pooler in transaction mode, and where the cache forgets at once."""
    connection = await postgresql_driver(statement_cache_size=size).connect()
    assert type(connection._handle) is kind
    for number in range(3):
        text = Statement(f"SELECT $1::int + {number}", (1,), reads=True)
        assert await connection.begin_and_fetch(PLAIN, text) == [(1 + number,)]
        assert await connection.fetch(text) == [(1 + number,)]
        await connection.commit()
    await connection.aclose()


# -- statements that are prepared


async def test_rows_and_counts(connection: AsyncpgConnection) -> None:
    """The second time is as the first."""
    for number in range(1, 4):
        row = (number, str(number))
        insert = Statement("INSERT INTO t VALUES ($1, $2) RETURNING id, a", row)
        assert await connection.fetch(insert) == [row]
        count = await connection.execute(Statement("UPDATE t SET a = a || $1", ("",)))
        assert count == number


async def test_a_schema_that_changed(connection: AsyncpgConnection) -> None:
    """F35: outside of a transaction the statement is prepared anew; inside the unit is told."""
    await connection.execute(Statement("INSERT INTO t VALUES ($1, $2)", (1, "x")))
    star = Statement("SELECT * FROM t", reads=True)
    update = Statement("UPDATE t SET a = $1 RETURNING *", ("y",))
    assert await connection.fetch(star) == [(1, "x")]
    assert await connection.execute(update) == 1
    await connection.execute(Statement("ALTER TABLE t ADD n INT DEFAULT 5"))
    assert await connection.fetch(star) == [(1, "y", 5)]
    assert await connection.execute(update) == 1

    await connection.execute(Statement("ALTER TABLE t DROP n"))
    with pytest.raises(SchemaChangedError) as caught:
        await connection.begin_and_fetch(PLAIN, star)
    assert caught.value.retryable
    assert connection.in_transaction
    await connection.rollback()
    assert await connection.begin_and_fetch(PLAIN, star) == [(1, "y")]
    await connection.rollback()


async def test_who_listens_to_statements(connection: AsyncpgConnection) -> None:
    """A logger that somebody gave to asyncpg's connection hears of every statement."""
    heard: list[str] = []
    await connection.fetch(ONE)
    handle: Any = connection._handle
    handle.add_query_logger(lambda record: heard.append(record.query))
    await connection.fetch(ONE)
    await connection.execute(ONE)
    await anyio.lowlevel.checkpoint()
    await anyio.lowlevel.checkpoint()

    assert heard == [ONE.sql, ONE.sql]


# -- values that the client refuses


async def test_nothing_is_left_open_by_a_refused_value(
    connection: AsyncpgConnection, postgresql_driver: MakeDriver
) -> None:
    """The server, which has prepared the statement, keeps no lock on its tables."""
    other = await postgresql_driver(lock_timeout="1s").connect()
    for values in [("x",), (1, 2)]:
        wanted = Statement("SELECT * FROM t WHERE id = $1", values, reads=True)
        for call in (connection.fetch, connection.execute, connection.run):
            with pytest.raises((ValidationError, QueryError)):
                await call(wanted)
            await other.execute(Statement("LOCK t IN ACCESS EXCLUSIVE MODE; SELECT 1"))
    await other.aclose()
    assert not connection.is_closed
    assert not connection.in_transaction


async def test_no_statement_runs_on_after_a_refused_value(
    kind: type[Any], postgresql_driver: MakeDriver
) -> None:
    """What the program does next is not in the time that the statement has."""
    connection = await postgresql_driver(statement_timeout="100ms").connect()
    assert type(connection._handle) is kind
    await connection.begin(PLAIN)
    with pytest.raises(ValidationError):
        await connection.fetch(Statement(ONE.sql, ("x",), reads=True))
    await anyio.sleep(0.2)

    assert await connection.fetch(ONE) == [(1,)]
    await connection.rollback()
    await connection.aclose()
