"""The SQLite driver: cancellation, locks, full disks, settings, and what runs where."""

from __future__ import annotations

import gc
import math
import threading
import time
import weakref
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import cast

import anyio
import anyio.lowlevel
import apsw
import pytest
from anyio.abc import TaskStatus

from uow.drivers._sqlite_connection import SQLiteConnection
from uow.drivers._worker import Job
from uow.drivers.base import TransactionOptions
from uow.drivers.sqlite import SQLiteDriver, create
from uow.errors import (
    ConnectionLostError,
    ConstraintError,
    DriverError,
    PoolClosedError,
    QueryError,
    ResourceError,
    RetryableError,
    TransactionPoisonedError,
)
from uow.statement import Many, Statement
from uow.url import parse_url

pytestmark = pytest.mark.anyio

WRITE = TransactionOptions()
READ = TransactionOptions(read_only=True)

ENDLESS = (
    "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers)"
    " SELECT count(*) FROM numbers"
)
ENDLESS_INSERT = (
    "INSERT INTO t (a) WITH RECURSIVE numbers (n) AS"
    " (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT 100000000) SELECT n FROM numbers"
)
LIMIT = 0.5
"""Seconds in which a cancelled statement must have ended."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is."""
    return tmp_path / "shop.db"


@pytest.fixture
async def driver(path: Path) -> AsyncIterator[SQLiteDriver]:
    """A driver of a file with a table."""
    driver = make(path)
    first = await driver.connect()
    await first.execute(Statement("CREATE TABLE t (id INTEGER PRIMARY KEY, a)"))
    await first.aclose()
    yield driver
    await driver.aclose()


@pytest.fixture
async def connection(driver: SQLiteDriver) -> AsyncIterator[SQLiteConnection]:
    """An open connection."""
    connection = await driver.connect()
    yield connection
    await connection.aclose()


@pytest.fixture
def outsider(path: Path, driver: SQLiteDriver) -> Iterator[apsw.Connection]:
    """Somebody else who uses the file, past the driver.

    The same SQLite: two copies of the library in one process do not see each other's locks ("How
    To Corrupt An SQLite Database File", section 2.2.1).
    """
    outsider = apsw.Connection(str(path))
    yield outsider
    outsider.close()


def make(path: Path, **options: object) -> SQLiteDriver:
    """A driver of a file."""
    return create(parse_url(f"sqlite:///{path}"), options)


async def count(connection: SQLiteConnection) -> int:
    """How many rows there are."""
    return int((await connection.fetch(Statement("SELECT count(*) FROM t", reads=True)))[0][0])


def raw(connection: SQLiteConnection, sql: str) -> object:
    """Ask SQLite past the driver."""
    return connection._database.execute(sql).fetchall()[0][0]


def threads() -> list[threading.Thread]:
    """The threads of connections."""
    return [thread for thread in threading.enumerate() if thread.name == "uow sqlite"]


async def until_threads(number: int) -> None:
    """Wait until so many threads are left; they end a moment after their last call."""
    with anyio.fail_after(10):
        while len(threads()) > number:
            await anyio.lowlevel.checkpoint()


# -- settings


async def test_settings(connection: SQLiteConnection) -> None:
    """WAL, foreign keys, no trust in the schema, no extensions, no strings for wrong names."""
    assert raw(connection, "PRAGMA journal_mode") == "wal"
    assert raw(connection, "PRAGMA synchronous") == 2
    assert raw(connection, "PRAGMA foreign_keys") == 1
    assert raw(connection, "PRAGMA trusted_schema") == 0
    with pytest.raises(QueryError, match="no_such"):
        await connection.run(Statement('SELECT "no_such" FROM t'))
    with pytest.raises(QueryError):
        await connection.run(Statement("SELECT load_extension('x')"))


async def test_attach_is_refused_wherever_it_comes_from(connection: SQLiteConnection) -> None:
    """No path leads to another file (reliability D11)."""
    for call in (connection.fetch, connection.execute, connection.run):
        with pytest.raises(QueryError, match="ATTACH"):
            await call(Statement("ATTACH ':memory:' AS other"))


async def test_vacuum(connection: SQLiteConnection) -> None:
    """VACUUM of the file itself works, and opens no way for ATTACH afterwards."""
    await connection.run(Statement("VACUUM"))
    with pytest.raises(QueryError, match="ATTACH"):
        await connection.execute(Statement("ATTACH ':memory:' AS other"))


async def test_functions_of_the_dialect(connection: SQLiteConnection) -> None:
    """What compiled statements call is there, and may stand in a CHECK."""
    await connection.execute(
        Statement("CREATE TABLE c (x TEXT COLLATE uow_decimal CHECK (uow_like('a%', x)))")
    )
    await connection.execute(Statement("INSERT INTO c VALUES ('abc')"))
    rows = await connection.fetch(
        Statement(
            "SELECT uow_decimal_sum(?1), uow_decimal_add('0.1', '0.2')", ("1.10",), reads=True
        )
    )
    with pytest.raises(ConstraintError):
        await connection.execute(Statement("INSERT INTO c VALUES ('xyz')"))

    assert rows == [("1.1", "0.3")]


async def test_options(path: Path) -> None:
    """Options are taken from the URL, and by keyword, which wins."""
    driver = create(
        parse_url(f"sqlite:///{path}?synchronous=off&cache_size=64&mmap_size=65536"),
        {"synchronous": "normal", "journal_mode": "delete"},
    )
    connection = await driver.connect()

    assert raw(connection, "PRAGMA synchronous") == 1
    assert raw(connection, "PRAGMA cache_size") == -64
    assert raw(connection, "PRAGMA mmap_size") == 65536
    assert raw(connection, "PRAGMA journal_mode") == "delete"
    await connection.begin(WRITE)
    await connection.rollback()
    await connection.aclose()
    await driver.aclose()


async def test_modes(path: Path, driver: SQLiteDriver, tmp_path: Path) -> None:
    """A file can be opened for reading only, or only if it is there."""
    reader = await make(path, mode="ro").connect()
    assert await count(reader) == 0
    with pytest.raises(QueryError, match="read-only"):
        await reader.execute(Statement("INSERT INTO t (a) VALUES (1)"))
    await reader.aclose()
    with pytest.raises(DriverError, match="missing"):
        await make(tmp_path / "missing.db", mode="rw").connect()


async def test_what_is_no_database(tmp_path: Path) -> None:
    """A file that is no database is a typed error when the first connection is opened."""
    (tmp_path / "x.db").write_text("this is a text file, and quite a long one at that" * 50)
    with pytest.raises(DriverError, match="not a database"):
        await make(tmp_path / "x.db").connect()


async def test_a_memory_database_outlives_its_connection() -> None:
    """Rows in memory stay when a connection is cut off; they go with the driver."""
    driver = create(parse_url("sqlite://"), {})
    first = await driver.connect()
    await first.execute(Statement("CREATE TABLE t (id INTEGER PRIMARY KEY, a)"))
    await first.execute(Statement("INSERT INTO t (a) VALUES (1)"))
    first.terminate()
    second = await driver.connect()

    assert await count(second) == 1
    await second.aclose()
    await driver.aclose()
    with pytest.raises(PoolClosedError):
        await driver.connect()


# -- cancellation


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("in_transaction", [True, False])
async def test_a_long_read_is_cancelled(
    path: Path, driver: SQLiteDriver, inline: bool, in_transaction: bool
) -> None:
    """F16: a cancelled read ends in time; the connection and its transaction go on."""
    connection = await make(path, inline=inline).connect()
    if in_transaction:
        await connection.begin(WRITE)
        await connection.execute(Statement("INSERT INTO t (a) VALUES (1)"))
    for call in (connection.fetch, connection.execute, connection.run):
        start = time.perf_counter()
        with anyio.move_on_after(0.05) as scope:
            await call(Statement(ENDLESS, reads=True))

        assert scope.cancelled_caught
        assert time.perf_counter() - start < 0.05 + LIMIT
    assert connection.in_transaction is in_transaction
    if in_transaction:
        await connection.commit()
    assert await count(connection) == int(in_transaction)
    await connection.aclose()


async def test_an_interrupted_insert_ends_its_transaction(connection: SQLiteConnection) -> None:
    """F17, V6: SQLite rolls back; nothing that follows is taken for part of the transaction."""
    await connection.begin(WRITE)
    await connection.execute(Statement("INSERT INTO t (a) VALUES (1)"))
    start = time.perf_counter()
    with anyio.move_on_after(0.05) as scope:
        await connection.execute(Statement(ENDLESS_INSERT))

    assert scope.cancelled_caught
    assert time.perf_counter() - start < 0.05 + LIMIT
    assert not connection.in_transaction
    assert not connection.is_closed
    with pytest.raises(TransactionPoisonedError):
        await connection.savepoint("a")
    with pytest.raises(TransactionPoisonedError):
        await connection.commit()
    assert await count(connection) == 0


async def test_cancelled_in_the_middle_of_many_rows(path: Path, driver: SQLiteDriver) -> None:
    """F16: also a statement sent for very many rows ends in time."""
    connection = await make(path, inline=False).connect()
    rows = [(number,) for number in range(2_000_000)]
    await connection.begin(WRITE)
    with anyio.move_on_after(0.05) as scope:
        await connection.execute_many(Many("INSERT INTO t (a) VALUES (?1)", rows))

    assert scope.cancelled_caught
    await connection.rollback()
    assert await count(connection) == 0
    await connection.aclose()


async def test_a_shielded_statement_is_not_interrupted(connection: SQLiteConnection) -> None:
    """P5: what runs under a shield runs to its end, whatever is cancelled outside."""
    statement = Statement(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT 1000000)"
        " SELECT count(*) FROM numbers",
        reads=True,
    )
    rows = None
    with anyio.move_on_after(0.01) as scope:
        with anyio.CancelScope(shield=True):
            rows = await connection.fetch(statement)
        await anyio.lowlevel.checkpoint()

    assert scope.cancelled_caught
    assert rows == [(1000000,)]


async def test_an_interrupt_hits_its_own_statement_only(driver: SQLiteDriver) -> None:
    """F16: statements after a cancelled one, and those of others, are never interrupted."""
    victim, bystander = await driver.connect(), await driver.connect()
    statement = Statement(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT 30000)"
        " SELECT count(*) FROM numbers",
        reads=True,
    )
    finished = 0

    async def work(connection: SQLiteConnection) -> None:
        nonlocal finished
        for _ in range(60):
            assert await connection.fetch(statement) == [(30000,)]
            finished += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work, bystander)
        for number in range(60):
            with anyio.move_on_after(0.0001 * (number % 40)):
                await victim.fetch(statement)
            assert await victim.fetch(Statement("SELECT 7", reads=True)) == [(7,)]

    assert finished == 60
    await victim.aclose()
    await bystander.aclose()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_cancelled_twice(connection: SQLiteConnection, anyio_backend: str) -> None:
    """F08: a second `Task.cancel` while the first is cleaned up changes nothing."""
    import asyncio

    task = asyncio.create_task(connection.fetch(Statement(ENDLESS, reads=True)))
    await asyncio.sleep(0.05)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, LIMIT)

    assert not connection.is_closed
    assert await count(connection) == 0


async def test_a_cancelled_stream(connection: SQLiteConnection) -> None:
    """F09: a stream cancelled in a batch is closed when control comes back."""
    with anyio.move_on_after(0.05) as scope:
        async with connection.stream(
            Statement(
                "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers)"
                " SELECT n FROM numbers WHERE n < 3 OR n > 1000000000",
                reads=True,
            ),
            batch_size=2,
        ) as batches:
            async for _ in batches:
                pass

    assert scope.cancelled_caught
    assert not connection.needs_reset
    await connection.execute(Statement("DROP TABLE t"))


async def test_a_connection_ended_under_a_stream(connection: SQLiteConnection) -> None:
    """The stream's cursor lives until the thread has closed it, whoever lets go of it before.

    APSW cannot close a file while the destructor of a cursor runs in another thread.
    """
    stream = connection.stream(Statement("VALUES (1), (2), (3)", reads=True), batch_size=1)
    await stream.__aenter__()
    cursor = weakref.ref(cast("apsw.Cursor", stream._cursor))
    held = threading.Event()
    connection._worker._queue.put(Job(lambda _: held.wait()))
    connection.terminate()
    await stream.__aexit__(None, None, None)
    del stream
    gc.collect()
    assert cursor() is not None
    held.set()
    while cursor() is not None:  # noqa: ASYNC110  # the thread tells nobody
        await anyio.sleep(0.001)


async def test_already_cancelled(connection: SQLiteConnection) -> None:
    """A call in a cancelled scope raises the cancellation and does nothing."""
    await connection.begin(WRITE)
    for call in (
        lambda: connection.execute(Statement("INSERT INTO t (a) VALUES (1)")),
        lambda: connection.execute_many(Many("INSERT INTO t (a) VALUES (?1)", [(1,)])),
        lambda: connection.fetch(Statement("SELECT 1", reads=True)),
        lambda: connection.commit(),
    ):
        with anyio.CancelScope() as scope:
            scope.cancel()
            await call()
        assert scope.cancelled_caught

    assert connection.in_transaction
    await connection.rollback()
    assert await count(connection) == 0


async def test_commit_past_its_budget(
    driver: SQLiteDriver, connection: SQLiteConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F06: a COMMIT that outlasts its shield is left to its thread; the connection is closed."""
    slow = await driver.connect()
    database = slow._database
    committing = threading.Event()
    go_on = threading.Event()

    class Slow:
        def __getattr__(self, name: str) -> object:
            return getattr(database, name)

        def execute(self, sql: str, *rest: object) -> object:
            if sql == "COMMIT":
                committing.set()
                go_on.wait(5)
            return database.execute(sql, *rest)  # type: ignore[arg-type]

    await slow.begin(WRITE)
    await slow.execute(Statement("INSERT INTO t (a) VALUES (1)"))
    slow._database = cast("type[SQLiteConnection]", Slow())  # type: ignore[assignment]
    with anyio.move_on_after(0.05, shield=True) as budget:
        await slow.commit()

    assert committing.is_set()
    assert budget.cancelled_caught
    assert slow.is_closed
    assert not slow.in_transaction
    with pytest.raises(ConnectionLostError):
        await slow.ping()
    go_on.set()
    with anyio.fail_after(5):
        while await count(connection) == 0:
            await anyio.lowlevel.checkpoint()


async def test_cancelled_while_opening(path: Path, driver: SQLiteDriver) -> None:
    """F05: a connection cancelled while it waits for the file is closed by its thread."""
    holder = apsw.Connection(str(path))
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    start = time.perf_counter()
    with anyio.move_on_after(0.05) as scope:
        await make(path, busy_timeout=5).connect()
    assert time.perf_counter() - start < 0.05 + LIMIT
    holder.execute("ROLLBACK")
    holder.close()

    assert scope.cancelled_caught
    await until_threads(0)


# -- locks


async def test_begin_waits_for_the_lock(
    connection: SQLiteConnection, outsider: apsw.Connection
) -> None:
    """F51: BEGIN waits for another's lock without holding up the event loop."""
    outsider.execute("BEGIN IMMEDIATE")
    ticks = 0

    async def release() -> None:
        nonlocal ticks
        for _ in range(20):
            await anyio.sleep(0.005)
            ticks += 1
        outsider.execute("COMMIT")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(release)
        await connection.begin(WRITE)

    assert ticks == 20
    assert connection.in_transaction
    await connection.rollback()


async def test_begin_gives_up(path: Path, outsider: apsw.Connection) -> None:
    """F51: past the deadline it is a `RetryableError`, with no transaction open."""
    connection = await make(path, busy_timeout=0.05).connect()
    outsider.execute("BEGIN IMMEDIATE")
    start = time.perf_counter()
    with pytest.raises(RetryableError) as caught:
        await connection.begin(WRITE)

    assert caught.value.retryable
    assert 0.04 < time.perf_counter() - start < 1
    assert not connection.in_transaction
    outsider.execute("COMMIT")
    await connection.begin(WRITE)
    await connection.aclose()


async def test_waiting_for_a_lock_can_be_cancelled(
    connection: SQLiteConnection, outsider: apsw.Connection
) -> None:
    """F51, P5: who waits for a lock hears a cancellation at once."""
    outsider.execute("BEGIN IMMEDIATE")
    start = time.perf_counter()
    with anyio.move_on_after(0.02) as scope:
        await connection.begin(WRITE)

    assert scope.cancelled_caught
    assert time.perf_counter() - start < LIMIT
    assert not connection.in_transaction
    outsider.execute("COMMIT")


async def test_an_autocommitted_write_waits_for_the_lock(
    connection: SQLiteConnection, outsider: apsw.Connection
) -> None:
    """F51: a single statement waits as BEGIN does, and is done once."""
    outsider.execute("BEGIN IMMEDIATE")

    async def release() -> None:
        await anyio.sleep(0.05)
        outsider.execute("COMMIT")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(release)
        assert await connection.execute(Statement("INSERT INTO t (a) VALUES (1)")) == 1

    assert await count(connection) == 1


async def test_a_commit_that_is_locked_out(path: Path, tmp_path: Path) -> None:
    """F51: COMMIT under a reader's lock keeps the transaction, tries to the deadline, is typed.

    Only the older journals have that: with a WAL readers and the writer do not meet.
    """
    driver = make(path, journal_mode="DELETE", busy_timeout=0.1)
    connection = await driver.connect()
    await connection.execute(Statement("CREATE TABLE t (id INTEGER PRIMARY KEY, a)"))
    await connection.execute(Statement("INSERT INTO t (a) VALUES (1)"))
    reader = apsw.Connection(str(path))
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM t").fetchall()
    await connection.begin(WRITE)
    await connection.execute(Statement("INSERT INTO t (a) VALUES (2)"))
    with pytest.raises(RetryableError):
        await connection.commit()
    assert connection.in_transaction

    async def release() -> None:
        await anyio.sleep(0.03)
        reader.execute("COMMIT")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(release)
        await connection.commit()

    assert not connection.in_transaction
    assert await count(connection) == 2
    reader.close()
    await connection.aclose()


async def test_an_upgrade_that_cannot_be(
    connection: SQLiteConnection, outsider: apsw.Connection
) -> None:
    """F51, V7: a transaction that read before another wrote fails at once when it writes."""
    connection._database.execute("BEGIN DEFERRED")
    await count(connection)
    outsider.execute("INSERT INTO t (a) VALUES (1)")
    start = time.perf_counter()
    with pytest.raises(RetryableError, match="since this transaction"):
        await connection.execute(Statement("INSERT INTO t (a) VALUES (2)"))

    assert time.perf_counter() - start < 1
    await connection.rollback()


async def test_a_read_transaction_keeps_its_snapshot(
    connection: SQLiteConnection, outsider: apsw.Connection
) -> None:
    """P1: a read-only transaction sees one state, whatever others commit."""
    await connection.begin(READ)
    assert await count(connection) == 0
    outsider.execute("INSERT INTO t (a) VALUES (1)")

    assert await count(connection) == 0
    await connection.commit()
    assert await count(connection) == 1


async def test_writers_of_a_process_stand_in_line(driver: SQLiteDriver) -> None:
    """R13: sessions of one process write in the order in which they asked, and none is starved."""
    order: list[int] = []
    connections = [await driver.connect() for _ in range(6)]

    async def write(number: int, task_status: TaskStatus[None]) -> None:
        task_status.started()
        connection = connections[number]
        await connection.begin(WRITE)
        order.append(number)
        await connection.execute(Statement("INSERT INTO t (a) VALUES (1)"))
        await anyio.sleep(0.002)
        await (connection.commit() if number % 2 else connection.rollback())

    async with anyio.create_task_group() as tasks:
        for number in range(6):
            await tasks.start(write, number)

    assert order == [0, 1, 2, 3, 4, 5]
    for connection in connections:
        await connection.aclose()


@pytest.mark.parametrize("end", ["cancel", "terminate", "forget"])
async def test_the_turn_of_a_writer_who_left(driver: SQLiteDriver, end: str) -> None:
    """R13: who is cancelled, cut off or forgotten while it has or awaits the turn gives it on."""
    first, second = await driver.connect(), await driver.connect()
    await first.begin(WRITE)
    if end == "cancel":
        with anyio.move_on_after(0.01):
            await second.begin(WRITE)
        await first.rollback()
    elif end == "terminate":
        first.terminate()
    else:
        first = second
        gc.collect()
    with anyio.fail_after(3):
        await second.begin(WRITE)

    assert second.in_transaction
    first.terminate()
    second.terminate()


async def test_the_queue_has_a_deadline(path: Path, driver: SQLiteDriver) -> None:
    """R13: who waits too long in the line gets a typed error, and leaves the line."""
    driver = make(path, busy_timeout=0.05)
    first, second = await driver.connect(), await driver.connect()
    await first.begin(WRITE)
    with pytest.raises(RetryableError, match="of this process"):
        await second.begin(WRITE)

    await first.rollback()
    await second.begin(WRITE)
    await first.aclose()
    await second.aclose()


# -- resources


async def test_a_full_disk(connection: SQLiteConnection) -> None:
    """F57: a full disk is a `ResourceError`, nothing is stored, and it works again with room."""
    connection._database.execute("PRAGMA max_page_count = 10")
    await connection.begin(WRITE)
    with pytest.raises(ResourceError):
        await connection.execute_many(
            Many("INSERT INTO t (a) VALUES (?1)", [(b"x" * 3000,) for _ in range(100)])
        )

    if connection.in_transaction:
        await connection.rollback()
    assert await count(connection) == 0
    connection._database.execute("PRAGMA max_page_count = 1000000")
    await connection.execute(Statement("INSERT INTO t (a) VALUES (1)"))
    assert raw(connection, "PRAGMA integrity_check") == "ok"


async def test_a_full_disk_in_the_thread(path: Path, driver: SQLiteDriver) -> None:
    """F57: the same in the connection's thread."""
    connection = await make(path, inline=False).connect()
    connection._database.execute("PRAGMA max_page_count = 10")
    await connection.begin(WRITE)
    with pytest.raises(ResourceError):
        await connection.execute(Statement("INSERT INTO t (a) VALUES (zeroblob(1000000))"))

    assert await count(connection) == 0
    await connection.aclose()


async def test_threads_end_with_their_connections(driver: SQLiteDriver) -> None:
    """P3: closing, cutting off and forgetting a connection all end its thread."""
    await until_threads(0)
    connections = [await driver.connect() for _ in range(3)]
    assert len(threads()) == 3
    await connections.pop().aclose()
    connections.pop().terminate()
    connections.pop()
    gc.collect()

    await until_threads(0)


async def test_cut_off_while_it_works(driver: SQLiteDriver) -> None:
    """F16: cutting a connection off ends what it runs; no closed handle is ever touched."""
    connection = await driver.connect()
    error: Exception | None = None

    async def work(task_status: TaskStatus[None]) -> None:
        nonlocal error
        task_status.started()
        try:
            await connection.fetch(Statement(ENDLESS, reads=True))
        except ConnectionLostError as lost:
            error = lost

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            await tasks.start(work)
            await anyio.sleep(0.05)
            assert not connection.in_transaction
            connection.terminate()

    assert isinstance(error, ConnectionLostError)
    assert connection.is_closed


# -- what runs where


async def test_the_loop_goes_on(driver: SQLiteDriver, connection: SQLiteConnection) -> None:
    """A long statement, and a tight loop of short ones, leave the event loop its turns."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await anyio.sleep(0.001)
            ticks += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tick)
        with anyio.move_on_after(0.2):
            await connection.fetch(Statement(ENDLESS, reads=True))
        during_long, ticks = ticks, 0
        end = time.perf_counter() + 0.2
        while time.perf_counter() < end:
            await connection.fetch(Statement("SELECT 1", reads=True))
        tasks.cancel_scope.cancel()

    assert during_long > 5
    assert ticks > 5


async def test_a_text_that_proved_slow_goes_to_the_thread(connection: SQLiteConnection) -> None:
    """A read past the limit of steps begins again in the thread, the next time there at once."""
    seen: list[int] = []

    def where(value: int) -> int:
        seen.append(threading.get_ident())
        return value

    connection._database.create_scalar_function("whereami", where)
    quick = Statement("SELECT whereami(1)", reads=True)
    slow = Statement(
        "WITH RECURSIVE numbers (n) AS (SELECT whereami(1) UNION ALL"
        " SELECT n + 1 FROM numbers LIMIT 300000) SELECT count(*) FROM numbers",
        reads=True,
    )
    here = threading.get_ident()
    await connection.fetch(quick)
    await connection.fetch(slow)
    await connection.fetch(slow)
    await connection.fetch(quick)

    assert seen[0] == here
    assert seen[1] == here  # begun, and given up
    assert seen[2] == seen[3] != here
    assert seen[-1] == here


async def test_a_write_inline_is_never_cut_short(connection: SQLiteConnection) -> None:
    """V6: the limit of steps is for reads; a write that it cut short would end its transaction."""
    await connection.execute(
        Statement(
            "CREATE TRIGGER heavy AFTER INSERT ON t BEGIN UPDATE t SET a ="
            " (WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers"
            " LIMIT 300000) SELECT count(*) FROM numbers) WHERE id = new.id; END"
        )
    )
    await connection.begin(WRITE)
    for _ in range(5):
        assert await connection.execute(Statement("INSERT INTO t (a) VALUES (1)")) == 1
    await connection.execute_many(Many("INSERT INTO t (a) VALUES (?1)", [(1,)] * 3))
    await connection.commit()

    assert await connection.fetch(Statement("SELECT DISTINCT a FROM t", reads=True)) == [(300000,)]
    assert await count(connection) == 8


async def test_commit_waits_for_the_disk_in_the_thread(connection: SQLiteConnection) -> None:
    """A COMMIT of writes is not made on the event loop; one without writes may be."""
    seen: list[int] = []

    def note() -> bool:
        seen.append(threading.get_ident())
        return False

    connection._database.set_commit_hook(note)  # type: ignore[attr-defined]  # APSW has more
    await connection.begin(WRITE)
    await connection.execute(Statement("INSERT INTO t (a) VALUES (1)"))
    await connection.commit()

    assert seen
    assert threading.get_ident() not in seen


async def test_big_values_come_back_whole(connection: SQLiteConnection) -> None:
    """F77: rows of very different sizes, and thousands of parameters, go through unharmed."""
    await connection.begin(WRITE)
    sql = "INSERT INTO t (a) VALUES " + ", ".join("(?)" for _ in range(3000))
    values = [b"x" * (number % 50) * 1000 for number in range(3000)]
    assert await connection.execute(Statement(sql, values)) == 3000
    rows = await connection.fetch(Statement("SELECT a FROM t ORDER BY id", reads=True))
    await connection.rollback()

    assert [row[0] for row in rows] == values


@pytest.mark.parametrize("value", [1.5, math.inf, "ä€😀", b"\x00\xff", None, 2**63 - 1, True])
async def test_values_come_back(connection: SQLiteConnection, value: object) -> None:
    """P9: what SQLite stores comes back as it was."""
    await connection.execute(Statement("INSERT INTO t (a) VALUES (?1)", (value,)))

    assert await connection.fetch(Statement("SELECT a FROM t", reads=True)) == [(value,)]
