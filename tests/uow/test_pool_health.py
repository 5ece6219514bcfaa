"""What a pool makes of connections and stores that went away; rows F.. of the fault matrix."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
import pytest

from tests.uow.test_pool import assert_balanced, wait_for_waiters
from uow.drivers.memory import Delay, Hang, LoseConnection, MemoryConnection, MemoryDriver, Raise
from uow.errors import (
    ConnectionLostError,
    DriverError,
    Phase,
    PoolClosedError,
    PoolTimeoutError,
    ResourceError,
    UowError,
)
from uow.pool import Pool, first_step

pytestmark = pytest.mark.anyio


@pytest.fixture
async def driver() -> AsyncIterator[MemoryDriver]:
    """A driver whose connections cost nothing and fail on demand."""
    driver = MemoryDriver()
    yield driver
    await driver.aclose()


def operations(driver: MemoryDriver) -> list[str]:
    """What was called since the log was cleared."""
    return [call.operation for call in driver.log]


async def fill(pool: Pool, count: int) -> list[MemoryConnection]:
    """Leave so many connections idle, each of them used once."""
    taken = [await pool.acquire() for _ in range(count)]
    for connection in taken:
        await pool.release(connection)
    return [one for one in taken if isinstance(one, MemoryConnection)]


# -- doubt


async def test_a_lost_connection_makes_the_idle_ones_doubtful(driver: MemoryDriver) -> None:
    """F28: after one connection broke, another that was idle then is tested before its use."""
    pool = Pool(driver.connect)
    lost, other = await pool.acquire(), await pool.acquire()
    await pool.release(other)
    lost.terminate()
    await pool.release(lost)
    driver.clear_log()

    assert pool.acquire_nowait() is None
    assert await pool.acquire() is other
    assert operations(driver) == ["ping"]
    await pool.release(other)
    assert pool.acquire_nowait() is other
    await pool.release(other)
    assert_balanced(pool)
    await pool.aclose()


async def test_a_store_that_was_started_anew_costs_one_test(driver: MemoryDriver) -> None:
    """F28: the first idle connection that fails its test takes all the others with it."""
    pool = Pool(driver.connect)
    idle = await fill(pool, 5)
    pool.discard(await pool.acquire())
    driver.clear_log()
    driver.faults.before("ping", LoseConnection())
    connection = await pool.acquire()

    assert operations(driver) == ["ping", "connect"]
    assert all(one.is_closed for one in idle)
    assert pool.stats.size == 1
    await pool.release(connection)
    assert_balanced(pool)
    await pool.aclose()


async def test_a_test_that_gets_no_answer(driver: MemoryDriver) -> None:
    """F25: a black hole at the door costs one budget, not one for each idle connection."""
    pool = Pool(driver.connect, idle_check=0.0, cleanup_budget=0.02)
    idle = await fill(pool, 3)
    await anyio.sleep(0.001)
    driver.faults.before("ping", Hang())
    driver.clear_log()
    connection = await pool.acquire()

    # Nothing is said to those who do not answer.
    assert operations(driver) == ["ping", "connect"]
    assert all(one.is_closed for one in idle)
    assert pool.stats.size == 1
    await pool.release(connection)
    assert_balanced(pool)
    await pool.aclose()


# -- the first step (F26)


async def test_a_connection_lost_while_idle_is_replaced(driver: MemoryDriver) -> None:
    """F26: the first step on a connection that died in the pool is taken again on another."""
    pool = Pool(driver.connect)
    (stale,) = await fill(pool, 1)
    driver.faults.before("ping", LoseConnection())
    connection, answer = await first_step(pool, lambda one: one.ping())

    assert answer is None
    assert connection is not stale
    assert stale.is_closed
    await pool.release(connection)
    assert_balanced(pool)
    await pool.aclose()


async def test_a_connection_lost_when_it_was_new_is_not_replaced(driver: MemoryDriver) -> None:
    """F26: who loses a connection that had just been opened hears of it."""
    pool = Pool(driver.connect)
    driver.faults.before("ping", LoseConnection())
    with pytest.raises(ConnectionLostError):
        await first_step(pool, lambda one: one.ping())

    assert operations(driver) == ["connect", "ping"]
    assert pool.stats.in_use == 0
    assert_balanced(pool)
    await pool.aclose()


async def test_a_connection_that_took_the_place_of_an_old_one_is_new(driver: MemoryDriver) -> None:
    """F26: what was opened in the place of one that failed its test counts as just opened."""
    pool = Pool(driver.connect, idle_check=0.0)
    await fill(pool, 1)
    await anyio.sleep(0.001)
    driver.faults.before("ping", LoseConnection())
    steps = 0

    async def step(connection: object) -> None:
        nonlocal steps
        steps += 1
        raise ConnectionLostError("gone")

    with pytest.raises(ConnectionLostError):
        await first_step(pool, step)

    assert steps == 1
    assert_balanced(pool)
    await pool.aclose()


async def test_the_first_step_is_not_taken_for_ever(driver: MemoryDriver) -> None:
    """F26: a step that breaks each connection it is taken on ends, whatever tests well before."""
    pool = Pool(driver.connect)
    await fill(pool, 9)
    steps = 0

    async def step(connection: object) -> None:
        nonlocal steps
        steps += 1
        raise ConnectionLostError("broken by this very statement")

    with pytest.raises(ConnectionLostError, match="very statement"):
        await first_step(pool, step)

    assert steps == 4
    assert pool.stats.in_use == 0
    assert_balanced(pool)
    await pool.aclose()


async def test_a_first_step_that_fails_gives_its_connection_back(driver: MemoryDriver) -> None:
    """Another error than a loss is raised at once, and so is a cancellation; nothing stays lent."""
    pool = Pool(driver.connect)
    await fill(pool, 1)
    driver.faults.before("ping", Raise(DriverError("no")))
    with pytest.raises(DriverError):
        await first_step(pool, lambda one: one.ping())
    driver.faults.before("ping", Hang())
    with anyio.move_on_after(0.01) as scope:
        await first_step(pool, lambda one: one.ping())

    assert scope.cancelled_caught
    assert pool.stats.in_use == 0
    assert pool.stats.idle == 1
    assert_balanced(pool)
    await pool.aclose()


# -- a store that cannot be reached


async def test_a_waiter_that_times_out_says_why(driver: MemoryDriver) -> None:
    """F32: who waits behind a connection that cannot be opened gets the cause with the timeout."""
    pool = Pool(driver.connect, max_size=1)
    refused = ConnectionLostError("connection refused")
    for number in range(1, 20):
        driver.faults.before("connect", Raise(refused), nth=number)
    failures: list[UowError] = []

    async def ask(timeout: float) -> None:
        try:
            await pool.acquire(timeout)
        except UowError as error:
            failures.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, 0.5)
        while not driver.log:
            await anyio.lowlevel.checkpoint()
        tasks.start_soon(ask, 0.05)

    waiter, first = failures
    assert isinstance(waiter, PoolTimeoutError)
    assert "connection refused" in str(waiter)
    assert waiter.__cause__ is refused
    assert first is refused
    assert first.phase is Phase.ACQUIRE
    assert pool.stats.size == 0
    driver.faults.clear()
    connection = await pool.acquire()
    with pytest.raises(PoolTimeoutError) as caught:
        await pool.acquire(0.01)
    assert "refused" not in str(caught.value)
    await pool.release(connection)
    await pool.aclose()


async def test_too_many_connections_is_said_at_once(driver: MemoryDriver) -> None:
    """F31: a store that takes no more connections is not asked again, and the size stays right."""
    pool = Pool(driver.connect, max_size=3)
    held = await pool.acquire()
    driver.faults.before("connect", Raise(ResourceError("sorry, too many clients already")))
    start = time.monotonic()
    with pytest.raises(ResourceError) as caught:
        await pool.acquire()

    assert time.monotonic() - start < 1
    assert caught.value.phase is Phase.ACQUIRE
    assert pool.stats.size == 1
    await pool.release(await pool.acquire())
    await pool.release(held)
    assert_balanced(pool)
    await pool.aclose()


async def test_the_pauses_between_tries_grow_and_differ(
    driver: MemoryDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F29: a store that is starting is asked after growing pauses, each a little different."""
    pauses: list[float] = []
    sleep = anyio.sleep

    async def note(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    pool = Pool(driver.connect)
    for number in range(1, 9):
        driver.faults.before("connect", Raise(ConnectionLostError("starting up")), nth=number)
    monkeypatch.setattr(anyio, "sleep", note)
    connection = await pool.acquire()

    assert len(pauses) == 8
    for number, pause in enumerate(pauses):
        longest = min(1.0, 0.05 * 2**number)
        assert longest / 2 <= pause <= longest
    assert len({pause / 2**number for number, pause in enumerate(pauses[:5])}) > 1
    await pool.release(connection)
    await pool.aclose()


async def test_an_impatient_pool_tells_those_who_wait(driver: MemoryDriver) -> None:
    """A pool in front of one store of several gives up at the first error, for all who wait."""
    pool = Pool(driver.connect, max_size=1, is_patient=False)
    hang = Hang()
    driver.faults.before("connect", hang)
    driver.faults.after("connect", Raise(ConnectionLostError("gone")))
    failures: list[str] = []

    async def ask() -> None:
        try:
            await pool.acquire()
        except ConnectionLostError as error:
            failures.append(str(error))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask)
        await hang.wait_entered()
        await wait_for_waiters(pool, 4)
        hang.release()

    assert failures == ["gone"] * 5
    assert operations(driver) == ["connect"]
    assert pool.stats.size == 0
    await pool.aclose()


async def test_an_answer_that_takes_too_long(driver: MemoryDriver) -> None:
    """Where an answer is bounded, a connection attempt and a test end with that bound."""
    pool = Pool(driver.connect, answer_timeout=0.3, is_patient=False)
    driver.faults.before("connect", Delay(30))
    with pytest.raises(ConnectionLostError, match=r"within 0\.3 s"):
        await pool.acquire()
    await fill(pool, 1)
    pool.idle_check = 0.0
    await anyio.sleep(0.001)
    driver.faults.before("ping", Delay(30))
    start = time.monotonic()
    await pool.release(await pool.acquire())

    assert time.monotonic() - start < 3
    assert_balanced(pool)
    await pool.aclose()


# -- the end


async def test_closing_many_that_do_not_answer_takes_one_budget(driver: MemoryDriver) -> None:
    """F39, F25: idle connections that do not let themselves be closed are cut off all at once."""
    pool = Pool(driver.connect, cleanup_budget=0.5)
    idle = await fill(pool, 8)
    for number in range(1, 9):
        driver.faults.before("aclose", Hang(), nth=number)
    start = time.monotonic()
    await pool.aclose()

    assert time.monotonic() - start < 2
    assert all(one.is_closed for one in idle)


async def test_closing_reports_who_did_not_come_back(
    driver: MemoryDriver, caplog: pytest.LogCaptureFixture
) -> None:
    """R14: connections cut off at the end are reported with the place of their acquisition."""
    pool = Pool(driver.connect, name="shop")
    connection = await pool.acquire()
    with caplog.at_level(logging.WARNING, logger="uow"):
        await pool.aclose(timeout=0.01)

    assert connection.is_closed
    assert "shop was closed" in caplog.text
    assert "test_pool_health.py:" in caplog.text


async def test_closing_while_the_first_connections_are_opened(driver: MemoryDriver) -> None:
    """F39: a pool closed while it is filled keeps none of what was opened for it."""
    pool = Pool(driver.connect, min_size=3)
    hang = Hang()
    driver.faults.before("connect", hang, nth=2)
    refused: list[UowError] = []

    async def fill_it() -> None:
        try:
            await pool.open()
        except PoolClosedError as error:
            refused.append(error)

    start = time.monotonic()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fill_it)
        await hang.wait_entered()
        tasks.start_soon(pool.aclose)
        while not pool.is_closed:
            await anyio.lowlevel.checkpoint()
        hang.release()

    # It waited for nobody: the one that was open already is not on loan to anyone.
    assert time.monotonic() - start < 5
    assert len(refused) == 1
    assert pool.stats.size == 0
    assert_balanced(pool)
    await pool.aclose()


def test_closing_in_another_event_loop(anyio_backend: str) -> None:
    """F19: closed where it does not belong, a pool cuts off and waits for nobody."""
    driver = MemoryDriver()
    pool = Pool(driver.connect)
    held: list[object] = []

    async def use() -> None:
        await fill(pool, 1)
        held.append(await pool.acquire())

    anyio.run(use, backend=anyio_backend)
    start = time.monotonic()
    anyio.run(pool.aclose, backend=anyio_backend)

    assert time.monotonic() - start < 2
    assert pool.stats.size == 0
    anyio.run(driver.aclose, backend=anyio_backend)
