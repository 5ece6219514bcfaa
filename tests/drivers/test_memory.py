"""The memory driver: its log, its faults, and that they come exactly where they are asked for."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskStatus

from uow import Column, Database, Mapped, Session, Table
from uow.dialects import _sqlite_functions
from uow.drivers.base import TransactionOptions
from uow.drivers.memory import (
    AbsorbCancel,
    Action,
    CallBack,
    Delay,
    Hang,
    LoseConnection,
    MemoryConnection,
    MemoryDriver,
    Raise,
    RollBack,
    create,
)
from uow.errors import (
    ConnectionLostError,
    DriverError,
    PoolClosedError,
    ResourceError,
    TransactionPoisonedError,
)
from uow.statement import Many, Statement
from uow.url import parse_url

pytestmark = pytest.mark.anyio

WRITE = TransactionOptions()
INSERT = Statement("INSERT INTO t (a) VALUES (?1)", ("x",))
COUNT = Statement("SELECT count(*) FROM t", reads=True)


@pytest.fixture
async def driver() -> AsyncIterator[MemoryDriver]:
    """A driver with a table."""
    driver = MemoryDriver()
    connection = await driver.connect()
    await connection.execute(Statement("CREATE TABLE t (id INTEGER PRIMARY KEY, a)"))
    await connection.aclose()
    driver.clear_log()
    yield driver
    await driver.aclose()


@pytest.fixture
async def connection(driver: MemoryDriver) -> AsyncIterator[MemoryConnection]:
    """An open connection."""
    connection = await driver.connect()
    driver.clear_log()
    yield connection
    connection.terminate()


async def rows_of(driver: MemoryDriver) -> int:
    """What another connection sees."""
    other = await driver.connect()
    try:
        return int((await other.fetch(COUNT))[0][0])
    finally:
        other.terminate()


async def unit(connection: MemoryConnection) -> None:
    """One unit of work."""
    await connection.begin(WRITE)
    await connection.execute(INSERT)
    await connection.execute_many(Many("UPDATE t SET a = ?1", [("y",), ("z",)]))
    await connection.commit()


async def test_the_log(driver: MemoryDriver, connection: MemoryConnection) -> None:
    """Every call is written down, and what was sent is counted."""
    await unit(connection)

    assert [call.operation for call in driver.log] == ["begin", "execute", "execute_many", "commit"]
    assert driver.statements() == [INSERT.sql, "UPDATE t SET a = ?1"]
    assert driver.statement_count == 3
    assert driver.bytes_sent == len(INSERT.sql) + len("UPDATE t SET a = ?1") + 3
    assert driver.points == 8
    assert [call.rows for call in driver.log] == [0, 1, 2, 0]
    assert {call.connection for call in driver.log} == {connection.number}


async def test_connections_share_their_rows(driver: MemoryDriver) -> None:
    """What one connection committed another reads; what it did not, it does not."""
    first = await driver.connect()
    await first.begin(WRITE)
    await first.execute(INSERT)
    assert await rows_of(driver) == 0
    await first.commit()

    assert await rows_of(driver) == 1
    first.terminate()


async def test_databases_of_one_name_share_their_rows() -> None:
    """`memory://name` is one store, `memory://` is a new one each time."""
    one, other = (create(parse_url("memory://shared"), {}) for _ in range(2))
    connections = [await driver.connect() for driver in (one, other)]
    await connections[0].execute(Statement("CREATE TABLE t (a)"))
    lone = create(parse_url("memory://"), {})
    lonely = await lone.connect()

    assert await connections[1].fetch(COUNT) == [(0,)]
    assert await lonely.fetch(Statement("SELECT count(*) FROM sqlite_schema", reads=True)) == [(0,)]
    for connection in [*connections, lonely]:
        connection.terminate()
    for driver in (one, other, lone):
        await driver.aclose()
    with pytest.raises(PoolClosedError):
        await lone.connect()


async def test_writers_stand_in_line(driver: MemoryDriver) -> None:
    """One writer at a time, as in SQLite; the next begins when the first has ended."""
    first, second = await driver.connect(), await driver.connect()
    await first.begin(WRITE)

    async def commit() -> None:
        await anyio.sleep(0.01)
        await first.commit()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(commit)
        await second.begin(WRITE)
        assert not first.in_transaction

    for connection in (first, second):
        connection.terminate()


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_raise(driver: MemoryDriver, connection: MemoryConnection, moment: str) -> None:
    """A fault before a call finds nothing done, one after it everything."""
    plan = driver.faults.before if moment == "before" else driver.faults.after
    plan("execute", Raise(ResourceError("full")), sql="INSERT")
    await connection.begin(WRITE)
    with pytest.raises(ResourceError):
        await connection.execute(INSERT)
    await connection.commit()

    assert await rows_of(driver) == int(moment == "after")
    assert driver.faults.pending == 0


@pytest.mark.parametrize(("moment", "stored"), [("before", 0), ("after", 1)])
async def test_a_lost_commit(
    driver: MemoryDriver, connection: MemoryConnection, moment: str, stored: int
) -> None:
    """F20, F21: a connection lost at COMMIT raises the same error, whether it was stored or not."""
    plan = driver.faults.before if moment == "before" else driver.faults.after
    plan("commit", LoseConnection())
    with pytest.raises(ConnectionLostError):
        await unit(connection)

    assert connection.is_closed
    assert await rows_of(driver) == stored


async def test_nth_and_text(driver: MemoryDriver, connection: MemoryConnection) -> None:
    """A fault can wait for the n-th call of its kind, and for a text."""
    driver.faults.before("execute", Raise(DriverError("third")), nth=3)
    driver.faults.before("execute", Raise(DriverError("text")), sql="DELETE")
    await connection.execute(INSERT)
    await connection.execute(INSERT)
    with pytest.raises(DriverError, match="third"):
        await connection.execute(INSERT)
    await connection.execute(INSERT)
    with pytest.raises(DriverError, match="text"):
        await connection.execute(Statement("DELETE FROM t"))

    assert driver.faults.pending == 0


async def test_hang_and_release(driver: MemoryDriver, connection: MemoryConnection) -> None:
    """A call that hangs says so, and goes on when it is let go."""
    hang = Hang()
    driver.faults.before("execute", hang)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connection.execute, INSERT)
        await hang.wait_entered()
        assert await rows_of(driver) == 0
        hang.release()

    assert await rows_of(driver) == 1


async def test_hang_until_cancelled(driver: MemoryDriver, connection: MemoryConnection) -> None:
    """A call that hangs hears a cancellation."""
    driver.faults.before("execute", Hang())
    with anyio.move_on_after(0.01) as scope:
        await connection.execute(INSERT)

    assert scope.cancelled_caught
    assert await rows_of(driver) == 0


@pytest.mark.parametrize("times", [1, 3])
async def test_absorb(driver: MemoryDriver, connection: MemoryConnection, times: int) -> None:
    """F15: a call can swallow cancellations and go on to its end."""
    driver.faults.before("fetch", AbsorbCancel(times))
    driver.faults.after("fetch", Delay(0.0))
    passed = False
    with anyio.move_on_after(0.01) as scope:
        await connection.fetch(COUNT)
        passed = True

    # The next checkpoint of the call itself, or of whoever comes after, raises it.
    assert scope.cancel_called
    assert not passed


async def test_the_store_rolls_back_by_itself(
    driver: MemoryDriver, connection: MemoryConnection
) -> None:
    """F17: the transaction can vanish under a call, as SQLite's does when it is interrupted."""
    driver.faults.after("execute", RollBack())
    await connection.begin(WRITE)
    await connection.execute(INSERT)

    assert not connection.in_transaction
    with pytest.raises(TransactionPoisonedError):
        await connection.commit()


async def test_cancelled_after_commit(driver: MemoryDriver, connection: MemoryConnection) -> None:
    """F06: a COMMIT cancelled when it was sent closes the connection, and it is stored."""
    with anyio.CancelScope() as scope:
        driver.faults.after("commit", CallBack(scope.cancel))
        await unit(connection)

    assert scope.cancelled_caught
    assert connection.is_closed
    assert await rows_of(driver) == 1


async def test_cancelled_before_commit(driver: MemoryDriver, connection: MemoryConnection) -> None:
    """A COMMIT cancelled before it was sent leaves the transaction open."""
    with anyio.CancelScope() as scope:
        driver.faults.before("commit", CallBack(scope.cancel))
        await unit(connection)

    assert scope.cancelled_caught
    assert connection.in_transaction
    await connection.rollback()
    assert await rows_of(driver) == 0


async def test_a_sweep_is_exact(driver: MemoryDriver) -> None:
    """Cancelled at the n-th point, for every n, the calls before are done and those after not."""
    first = await driver.connect()
    driver.clear_log()
    await unit(first)
    total = driver.points
    first.terminate()
    for n in range(1, total + 1):
        connection = await driver.connect()
        driver.clear_log()
        with anyio.CancelScope() as scope:
            driver.faults.at(n, CallBack(scope.cancel))
            await unit(connection)

        assert scope.cancelled_caught
        assert driver.points == n
        assert len(driver.log) == (n + 1) // 2
        connection.terminate()

    assert total == 8
    assert driver.faults.pending == 0


@pytest.mark.parametrize("make", [lambda: Delay(0.0), LoseConnection])
async def test_chaos_is_repeatable(make: Callable[[], Action]) -> None:
    """F40: the same seed and the same calls meet the same faults."""

    async def run(seed: int) -> list[str]:
        driver = MemoryDriver()
        driver.faults.chaos(seed, 0.2, [make])
        seen: list[str] = []
        for _ in range(30):
            try:
                connection = await driver.connect()
                await connection.begin(WRITE)
                await connection.rollback()
                seen.append("fine")
                connection.terminate()
            except ConnectionLostError:
                seen.append(driver.log[-1].operation)
        driver.faults.clear()
        await driver.aclose()
        return seen

    assert await run(3) == await run(3)
    if make is LoseConnection:
        assert await run(3) != await run(4)


async def test_two_hang_at_once(driver: MemoryDriver) -> None:
    """Faults are counted over all connections of a driver."""
    hang = Hang()
    first, second = await driver.connect(), await driver.connect()
    driver.faults.before("fetch", hang, nth=2)
    finished: list[str] = []

    async def read(connection: MemoryConnection, name: str, task_status: TaskStatus[None]) -> None:
        task_status.started()
        await connection.fetch(COUNT)
        finished.append(name)

    async with anyio.create_task_group() as tasks:
        await tasks.start(read, first, "first")
        await tasks.start(read, second, "second")
        await hang.wait_entered()
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        assert finished == ["first"]
        hang.release()

    assert finished == ["first", "second"]
    first.terminate()
    second.terminate()


# -- libraries of every age


class Part(Table):
    """A key and a value of bytes."""

    class Settings:
        name = "memory_parts"

    id: Mapped[UUID] = Column(primary_key=True, default=uuid4)
    made: Mapped[UUID] = Column(server_default="gen_random_uuid()")
    data: Mapped[bytes]


@pytest.mark.parametrize("version", [None, (3, 40, 1)])
async def test_functions_that_the_library_lacks(
    version: tuple[int, int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long lists of bytes, and new UUIDs, need a function that SQLite has since 3.41: else ours."""
    if version is not None:
        monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    called: list[Any] = []

    def noted(value: Any) -> Any:
        called.append(value)
        return _sqlite_functions.unhex(value)

    since, own = _sqlite_functions.SQLITE_LATER_FUNCTIONS["unhex"]
    watched = _sqlite_functions.SQLiteFunction(noted, own.arguments)
    monkeypatch.setitem(_sqlite_functions.SQLITE_LATER_FUNCTIONS, "unhex", (since, watched))
    async with Database("memory://") as database:
        await database.create_all([Part])
        async with Session.begin(database) as session:
            parts = [Part(data=index.to_bytes(2, "big")) for index in range(300)]
            session.add_all(parts)
        async with Session(database) as session:
            keys = [part.id for part in parts[:256]]
            by_key = await session.find(Part, Part.id.in_(keys)).to_list()
            by_data = await session.find(Part, Part.data.in_([p.data for p in parts])).count()

    assert {part.id for part in by_key} == set(keys)
    assert by_data == 300
    assert {part.made.version for part in by_key} == {4}
    assert bool(called) is (sqlite3.sqlite_version_info < (3, 41))


@pytest.mark.parametrize(
    ("value", "found"),
    [("", b""), ("00fF", b"\0\xff"), (12, b"\x12"), (b"0a", b"\n"), (None, None)]
    + [(text, None) for text in ("0", "0g", " 00", "00 ", "0x00", "\u0661\u0661")],
)
def test_digits_that_are_bytes(value: Any, found: bytes | None) -> None:
    """Ours gives what SQLite's gives."""
    assert _sqlite_functions.unhex(value) == found
