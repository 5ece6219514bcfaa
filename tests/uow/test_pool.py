"""The pool under contention, cancellation, loss and age; rows F.. are those of the fault matrix."""

from __future__ import annotations

import os
import random
import time
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskStatus

from uow.drivers.base import Connection, TransactionOptions
from uow.drivers.memory import (
    AbsorbCancel,
    Delay,
    Hang,
    LoseConnection,
    MemoryDriver,
    Raise,
)
from uow.errors import (
    ConnectionLostError,
    DriverError,
    Phase,
    PoolClosedError,
    PoolTimeoutError,
    ResourceError,
)
from uow.pool import Pool

pytestmark = pytest.mark.anyio


@pytest.fixture
async def driver() -> AsyncIterator[MemoryDriver]:
    """A driver whose connections cost nothing and fail on demand."""
    driver = MemoryDriver()
    yield driver
    await driver.aclose()


def assert_balanced(pool: Pool) -> None:
    """The counters of a pool agree with each other."""
    stats = pool.stats
    assert stats.acquired == stats.released + stats.terminated + stats.in_use
    assert stats.size <= pool.max_size
    assert stats.size >= stats.in_use + stats.idle


async def wait_for_waiters(pool: Pool, count: int) -> None:
    """Let other tasks run until so many wait."""
    while pool.stats.waiting < count:
        await anyio.lowlevel.checkpoint()


# -- the ordinary way


async def test_a_connection_is_used_again(driver: MemoryDriver) -> None:
    """What came back is given out again without any I/O."""
    pool = Pool(driver.connect)
    first = await pool.acquire()
    assert pool.release_nowait(first)
    second = pool.acquire_nowait()

    assert second is first
    assert len(driver.log) == 1
    pool.release_nowait(second)
    assert_balanced(pool)
    await pool.aclose()


async def test_nothing_to_give_out_without_waiting(driver: MemoryDriver) -> None:
    """The quick way says None where there is none idle; it never connects."""
    pool = Pool(driver.connect)

    assert pool.acquire_nowait() is None
    assert driver.log == []
    await pool.aclose()


async def test_min_size_is_filled(driver: MemoryDriver) -> None:
    """Opening connects as many as asked for (trap 43: min size never used)."""
    pool = Pool(driver.connect, min_size=3)
    await pool.open()

    assert pool.stats.idle == 3
    await pool.aclose()


async def test_an_open_transaction_is_rolled_back(driver: MemoryDriver) -> None:
    """A connection given back in a transaction is reset before anybody else has it (R15, P4)."""
    pool = Pool(driver.connect)
    connection = await pool.acquire()
    await connection.begin(TransactionOptions())

    assert not pool.release_nowait(connection)
    await pool.release(connection)
    assert pool.acquire_nowait() is connection
    assert not connection.in_transaction
    pool.release_nowait(connection)
    assert_balanced(pool)
    await pool.aclose()


async def test_a_second_release_is_nothing(driver: MemoryDriver) -> None:
    """F08: giving a connection back twice does not put it into the pool twice."""
    pool = Pool(driver.connect)
    connection = await pool.acquire()
    await pool.release(connection)
    await pool.release(connection)
    pool.discard(connection)

    assert pool.stats.idle == 1
    assert pool.stats.released == 1
    assert_balanced(pool)
    await pool.aclose()


async def test_discard_makes_room(driver: MemoryDriver) -> None:
    """R2: a connection that is cut off frees its place in the same step."""
    pool = Pool(driver.connect, max_size=1)
    connection = await pool.acquire()
    pool.discard(connection)

    assert connection.is_closed
    assert pool.stats.size == 0
    assert pool.stats.terminated == 1
    await pool.release(await pool.acquire())
    assert_balanced(pool)
    await pool.aclose()


# -- waiting


async def test_waiters_are_served_in_order(driver: MemoryDriver) -> None:
    """R14: who asked first is served first, and a newcomer does not slip in."""
    pool = Pool(driver.connect, max_size=1)
    connection = await pool.acquire()
    order: list[int] = []

    async def wait(number: int) -> None:
        mine = await pool.acquire()
        order.append(number)
        await anyio.lowlevel.checkpoint()
        pool.release_nowait(mine)

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(wait, number)
            await wait_for_waiters(pool, number + 1)
        pool.release_nowait(connection)
        assert pool.acquire_nowait() is None

    assert order == [0, 1, 2, 3, 4]
    assert_balanced(pool)
    await pool.aclose()


async def test_a_cancelled_waiter_leaves_the_queue(driver: MemoryDriver) -> None:
    """F03: a waiter that is cancelled is gone, and the connection goes to the next."""
    pool = Pool(driver.connect, max_size=1)
    connection = await pool.acquire()
    got: list[Connection] = []

    async def first(task_status: TaskStatus[anyio.CancelScope]) -> None:
        with anyio.CancelScope() as scope:
            task_status.started(scope)
            await pool.acquire()

    async def second() -> None:
        got.append(await pool.acquire())

    async with anyio.create_task_group() as tasks:
        scope = await tasks.start(first)
        await wait_for_waiters(pool, 1)
        tasks.start_soon(second)
        await wait_for_waiters(pool, 2)
        scope.cancel()
        while pool.stats.waiting > 1:
            await anyio.lowlevel.checkpoint()
        pool.release_nowait(connection)

    assert got == [connection]
    pool.release_nowait(got[0])
    assert_balanced(pool)
    await pool.aclose()


@pytest.mark.parametrize("release_first", [True, False])
async def test_release_and_cancel_in_one_tick(driver: MemoryDriver, release_first: bool) -> None:
    """F03, R1: served and cancelled at once, the connection is used or handed on, never lost."""
    pool = Pool(driver.connect, max_size=1)

    for _ in range(200):
        connection = await pool.acquire()

        async def waiter(task_status: TaskStatus[anyio.CancelScope]) -> None:
            with anyio.CancelScope() as scope:
                task_status.started(scope)
                mine = await pool.acquire()
                pool.release_nowait(mine)

        async with anyio.create_task_group() as tasks:
            scope = await tasks.start(waiter)
            await wait_for_waiters(pool, 1)
            if release_first:
                pool.release_nowait(connection)
                scope.cancel()
            else:
                scope.cancel()
                pool.release_nowait(connection)

        assert pool.stats.in_use == 0
        assert pool.stats.idle == 1

    assert_balanced(pool)
    await pool.aclose()


async def test_release_and_deadline_in_one_tick(driver: MemoryDriver) -> None:
    """F04: a deadline that falls together with a release leaves no connection in limbo."""
    pool = Pool(driver.connect, max_size=1)
    outcomes = {"served": 0, "late": 0}

    async def waiter() -> None:
        try:
            pool.release_nowait(await pool.acquire(timeout=0.001))
            outcomes["served"] += 1
        except PoolTimeoutError:
            outcomes["late"] += 1

    for round_ in range(1000):
        connection = await pool.acquire()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waiter)
            # Where others keep the machine busy it may be late before anybody sees it wait.
            while not pool.stats.waiting and sum(outcomes.values()) == round_:
                await anyio.lowlevel.checkpoint()
            if round_ % 2:
                time.sleep(0.0011)  # noqa: ASYNC251  # the deadline passes while nobody runs
            pool.release_nowait(connection)

        assert pool.stats.in_use == 0
        assert pool.stats.idle == 1

    assert sum(outcomes.values()) == 1000
    assert_balanced(pool)
    await pool.aclose()


async def test_a_second_connection_that_cannot_come_says_who_holds(driver: MemoryDriver) -> None:
    """F42: waiting for oneself ends in a typed error that names the place of acquisition."""
    pool = Pool(driver.connect, max_size=1)
    connection = await pool.acquire()
    with pytest.raises(PoolTimeoutError, match=r"test_pool\.py:\d+ ") as caught:
        await pool.acquire(timeout=0.01)

    assert caught.value.phase is Phase.ACQUIRE
    assert "may wait for itself" in str(caught.value)
    pool.release_nowait(connection)
    await pool.aclose()


async def test_the_number_of_waiters_is_bounded(driver: MemoryDriver) -> None:
    """R14: more waiters than allowed are refused at once."""
    pool = Pool(driver.connect, max_size=1, max_waiters=1)
    connection = await pool.acquire()

    async def wait() -> None:
        pool.release_nowait(await pool.acquire())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await wait_for_waiters(pool, 1)
        with pytest.raises(PoolTimeoutError, match="pool_waiters=1"):
            await pool.acquire()
        pool.release_nowait(connection)

    assert_balanced(pool)
    await pool.aclose()


# -- connecting


async def test_cancelled_while_connecting(driver: MemoryDriver) -> None:
    """F05: a cancellation while a connection is opened frees its place."""
    pool = Pool(driver.connect, max_size=1)
    for moment in (driver.faults.before, driver.faults.after):
        moment("connect", Hang())
        with anyio.move_on_after(0.01) as scope:
            await pool.acquire()

        assert scope.cancelled_caught
        assert pool.stats.size == 0

    pool.release_nowait(await pool.acquire())
    assert_balanced(pool)
    await pool.aclose()


@pytest.mark.parametrize("times", [1, 3])
async def test_a_swallowed_cancellation_is_raised_all_the_same(
    driver: MemoryDriver, times: int
) -> None:
    """F15: a client library that swallows the cancellation does not keep it from the caller."""
    pool = Pool(driver.connect, max_size=1)
    # At the last point of connecting: nothing after it would notice.
    driver.faults.after("connect", AbsorbCancel(times))
    passed = False
    with anyio.move_on_after(0.01) as scope:
        await pool.acquire()
        passed = True

    assert scope.cancelled_caught
    assert not passed
    assert pool.stats.in_use == 0
    assert_balanced(pool)
    await pool.aclose()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_swallowed_task_cancel_is_raised_all_the_same(
    driver: MemoryDriver, anyio_backend: str
) -> None:
    """F15: the same for asyncio's own `Task.cancel`, which no scope remembers."""
    import asyncio

    pool = Pool(driver.connect, max_size=1)
    driver.faults.after("connect", AbsorbCancel())
    task = asyncio.create_task(pool.acquire())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert pool.stats.in_use == 0
    assert pool.stats.idle == 1
    await pool.aclose()


async def test_why_connecting_failed(driver: MemoryDriver) -> None:
    """F32: who cannot get a new connection gets the cause; others go on with those there are."""
    pool = Pool(driver.connect, max_size=2)
    first = await pool.acquire()
    driver.faults.before("connect", Raise(DriverError("no such host")))
    with pytest.raises(DriverError, match="no such host") as caught:
        await pool.acquire()

    assert caught.value.phase is Phase.ACQUIRE
    pool.release_nowait(first)
    assert pool.acquire_nowait() is first
    pool.release_nowait(first)
    assert_balanced(pool)
    await pool.aclose()


async def test_a_waiter_takes_over_after_a_failed_connect(driver: MemoryDriver) -> None:
    """F31: a place whose connecting failed goes to the next in line, and the size stays right."""
    pool = Pool(driver.connect, max_size=1)
    hang = Hang()
    driver.faults.before("connect", hang)
    driver.faults.before("connect", Raise(ResourceError("too many connections")), nth=2)
    errors: list[Exception] = []

    async def one() -> None:
        try:
            await pool.release(await pool.acquire())
        except ResourceError as error:
            errors.append(error)

    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as inner:
                inner.start_soon(one)
                await hang.wait_entered()
                tasks.start_soon(one)
                await wait_for_waiters(pool, 1)
                tasks.start_soon(one)
                await wait_for_waiters(pool, 2)
                scope.cancel()

    assert len(errors) == 1
    assert pool.stats.idle == 1
    assert_balanced(pool)
    await pool.aclose()


async def test_a_store_that_is_starting_is_asked_again(driver: MemoryDriver) -> None:
    """F29: an error that says "not yet" is waited out until the deadline, others are not."""
    pool = Pool(driver.connect)
    driver.faults.before("connect", Raise(ConnectionLostError("starting up")))
    pool.release_nowait(await pool.acquire())
    driver.faults.before("connect", Raise(ConnectionLostError("starting up")))
    taken = await pool.acquire()
    with pytest.raises(ConnectionLostError):
        await pool.acquire(timeout=0.01)

    pool.release_nowait(taken)
    assert_balanced(pool)
    await pool.aclose()


async def test_a_store_that_does_not_answer(driver: MemoryDriver) -> None:
    """F25: a connection attempt that hangs ends with the deadline."""
    pool = Pool(driver.connect)
    driver.faults.before("connect", Hang())
    with pytest.raises(PoolTimeoutError, match="no new connection within"):
        await pool.acquire(timeout=0.01)

    assert pool.stats.size == 0
    await pool.aclose()


# -- age and health


async def test_an_idle_connection_is_tested(driver: MemoryDriver) -> None:
    """F26: one that was idle for long is tested, and replaced if it is dead, before its use."""
    pool = Pool(driver.connect, idle_check=0.0)
    first = await pool.acquire()
    await pool.release(first)
    await anyio.sleep(0.001)

    assert pool.acquire_nowait() is None
    again = await pool.acquire()
    assert again is first
    assert driver.log[-1].operation == "ping"
    await pool.release(again)
    await anyio.sleep(0.001)
    driver.faults.before("ping", LoseConnection())
    other = await pool.acquire()
    assert other is not first
    assert first.is_closed
    await pool.release(other)
    assert_balanced(pool)
    await pool.aclose()


async def test_one_dead_connection_evicts_all_idle(driver: MemoryDriver) -> None:
    """F28: when a store went away, all idle connections are closed at once."""
    pool = Pool(driver.connect, idle_check=0.0, min_size=3)
    await pool.open()
    await anyio.sleep(0.001)
    driver.faults.before("ping", LoseConnection())
    connection = await pool.acquire()

    assert pool.stats.size == 1
    await pool.release(connection)
    assert_balanced(pool)
    await pool.aclose()


async def test_a_bump_spares_nobody(driver: MemoryDriver) -> None:
    """R14: after `bump` idle connections are closed, and those on loan when they come back."""
    pool = Pool(driver.connect, max_size=2)
    lent, idle = await pool.acquire(), await pool.acquire()
    pool.release_nowait(idle)
    pool.bump()

    assert idle.is_closed
    assert not lent.is_closed
    await pool.release(lent)
    assert lent.is_closed
    assert pool.stats.size == 0
    assert_balanced(pool)
    await pool.aclose()


async def test_lifetime(driver: MemoryDriver) -> None:
    """R14: a connection past its lifetime is not given out again."""
    pool = Pool(driver.connect, max_lifetime=0.5)
    old = await pool.acquire()
    assert pool.release_nowait(old)
    await anyio.sleep(0.6)
    new = await pool.acquire()

    assert new is not old
    assert old.is_closed
    await anyio.sleep(0.6)
    await pool.release(new)
    assert new.is_closed
    assert_balanced(pool)
    await pool.aclose()


async def test_a_clock_that_jumps(driver: MemoryDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """F41: lifetimes and deadlines do not look at the wall clock."""
    pool = Pool(driver.connect)
    connection = await pool.acquire()
    monkeypatch.setattr(time, "time", lambda: 4e9)
    pool.release_nowait(connection)

    assert pool.acquire_nowait() is connection
    pool.release_nowait(connection)
    await pool.aclose()


# -- cleaning


async def test_a_reset_that_hangs(driver: MemoryDriver) -> None:
    """F07, R2: a reset past its budget ends with the connection cut off and its place free."""
    pool = Pool(driver.connect, max_size=1, cleanup_budget=0.01)
    connection = await pool.acquire()
    await connection.begin(TransactionOptions())
    driver.faults.before("reset", Hang())
    await pool.release(connection)

    assert connection.is_closed
    assert pool.stats.terminated == 1
    pool.release_nowait(await pool.acquire())
    assert_balanced(pool)
    await pool.aclose()


async def test_release_while_cancelled(driver: MemoryDriver) -> None:
    """F07: a release in a cancelled scope still rolls back and gives the connection on."""
    pool = Pool(driver.connect, max_size=1)
    connection = await pool.acquire()
    await connection.begin(TransactionOptions())
    driver.faults.before("reset", Delay(0.01))
    with anyio.CancelScope() as scope:
        scope.cancel()
        await pool.release(connection)

    assert pool.stats.idle == 1
    assert not connection.in_transaction
    assert_balanced(pool)
    await pool.aclose()


async def test_a_reset_that_fails(driver: MemoryDriver) -> None:
    """P4: a connection whose reset failed is never seen again; the borrower hears nothing of it."""
    pool = Pool(driver.connect)
    connection = await pool.acquire()
    await connection.begin(TransactionOptions())
    driver.faults.before("reset", Raise(DriverError("no")))
    await pool.release(connection)

    assert connection.is_closed
    assert pool.stats.size == 0
    assert_balanced(pool)
    await pool.aclose()


# -- the end


async def test_a_forgotten_connection(driver: MemoryDriver) -> None:
    """F18: a loan that is garbage collected warns with its place, and its place is free again."""
    pool = Pool(driver.connect, max_size=1)
    connection = await pool.acquire()
    held = [connection]
    del connection
    with pytest.warns(ResourceWarning, match=r"test_pool\.py:\d+ "):
        held.clear()

    assert pool.stats.in_use == 0
    assert pool.stats.terminated == 1
    pool.release_nowait(await pool.acquire())
    assert_balanced(pool)
    await pool.aclose()


async def test_a_waiter_gets_the_place_of_a_forgotten_connection(driver: MemoryDriver) -> None:
    """F18: also somebody who waits already gets the place of a connection that was forgotten."""
    pool = Pool(driver.connect, max_size=1)
    connection = await pool.acquire()

    async def wait() -> None:
        pool.release_nowait(await pool.acquire(timeout=10))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await wait_for_waiters(pool, 1)
        held = [connection]
        del connection
        with pytest.warns(ResourceWarning, match="never given back"):
            held.clear()

    assert_balanced(pool)
    await pool.aclose()


async def test_closing_with_borrowers_and_waiters(driver: MemoryDriver) -> None:
    """F39: waiters are told at once; a borrower may come back in time; closing twice is once."""
    pool = Pool(driver.connect, max_size=1)
    connection = await pool.acquire()
    refused: list[PoolClosedError] = []

    async def wait() -> None:
        try:
            await pool.acquire()
        except PoolClosedError as error:
            refused.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await wait_for_waiters(pool, 1)
        tasks.start_soon(pool.aclose)
        tasks.start_soon(pool.aclose)
        while not refused:
            await anyio.lowlevel.checkpoint()
        assert not connection.is_closed
        await pool.release(connection)

    assert connection.is_closed
    assert pool.stats.size == 0
    assert_balanced(pool)
    await pool.aclose()
    with pytest.raises(PoolClosedError):
        await pool.acquire()


async def test_closing_does_not_wait_for_ever(driver: MemoryDriver) -> None:
    """F39: a borrower that does not come back is cut off when the time is over."""
    pool = Pool(driver.connect)
    connection = await pool.acquire()
    await pool.aclose(timeout=0.01)

    assert connection.is_closed
    assert pool.stats.terminated == 1
    await pool.release(connection)
    assert_balanced(pool)


async def test_closing_while_connecting(driver: MemoryDriver) -> None:
    """F39: a connection that is opened while the pool closes is given to nobody."""
    pool = Pool(driver.connect)
    hang = Hang()
    driver.faults.before("connect", hang)
    refused = False

    async def ask() -> None:
        nonlocal refused
        try:
            await pool.acquire()
        except PoolClosedError:
            refused = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await hang.wait_entered()
        tasks.start_soon(pool.aclose)
        await anyio.lowlevel.checkpoint()
        hang.release()

    assert refused
    assert pool.stats.size == 0


def test_another_event_loop(anyio_backend: str) -> None:
    """F19: a pool used in a second event loop is a typed error, and shares nothing."""
    driver = MemoryDriver()
    pool = Pool(driver.connect)

    async def use() -> None:
        pool.release_nowait(await pool.acquire())

    anyio.run(use, backend=anyio_backend)
    with pytest.raises(PoolClosedError, match="another event loop"):
        anyio.run(use, backend=anyio_backend)

    anyio.run(driver.aclose, backend=anyio_backend)
    pool.terminate_all()


def test_after_a_fork(anyio_backend: str) -> None:
    """F19: a pool used in a child process is a typed error, and its connections stay untouched."""
    driver = MemoryDriver()
    pool = Pool(driver.connect)

    async def use() -> None:
        pool.release_nowait(await pool.acquire())

    async def ask() -> int:
        if pool.acquire_nowait() is not None:
            return 1
        try:
            await pool.acquire()
        except PoolClosedError as error:
            return 0 if "fork" in str(error) else 2
        return 3

    anyio.run(use, backend=anyio_backend)
    child = os.fork()
    if child == 0:
        code = 4
        try:
            code = anyio.run(ask, backend=anyio_backend)
            pool.terminate_all()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert pool.stats.idle == 1
    pool.terminate_all()
    anyio.run(driver.aclose, backend=anyio_backend)


async def test_a_crowd(driver: MemoryDriver) -> None:
    """F40: 500 tasks on five connections, cancelled and cut off at random, all balance out."""
    chance = random.Random(7)
    pool = Pool(driver.connect, max_size=5, cleanup_budget=0.05)
    driver.faults.chaos(
        7, 0.02, [lambda: Raise(DriverError("chaos")), lambda: Delay(0.001), LoseConnection]
    )
    largest = 0
    done = 0

    async def one() -> None:
        nonlocal largest, done
        for _ in range(5):
            with anyio.move_on_after(chance.choice([0.0005, 0.01, 5])):
                try:
                    connection = pool.acquire_nowait() or await pool.acquire()
                except (DriverError, ConnectionLostError):
                    continue
                try:
                    largest = max(largest, pool.stats.in_use)
                    if chance.random() < 0.3:
                        await connection.begin(TransactionOptions())
                    await anyio.sleep(chance.random() * 0.0005)
                except (DriverError, ConnectionLostError):
                    pass
                finally:
                    if chance.random() < 0.05:
                        pool.discard(connection)
                    elif not pool.release_nowait(connection):
                        await pool.release(connection)
        done += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(500):
            tasks.start_soon(one)

    driver.faults.clear()
    assert done == 500
    assert largest <= 5
    assert pool.stats.in_use == 0
    assert pool.stats.waiting == 0
    assert_balanced(pool)
    await pool.aclose()
    assert pool.stats.size == 0


@pytest.mark.timing
async def test_a_loan_is_cheap(driver: MemoryDriver) -> None:
    """A loan and its return, which every get by key pays, take a few microseconds."""
    pool = Pool(driver.connect)
    pool.release_nowait(await pool.acquire())
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(1000):
            connection = pool.acquire_nowait()
            assert connection is not None
            pool.release_nowait(connection)
        best = min(best, (time.perf_counter() - start) / 1000)

    assert best < 10e-6
    await pool.aclose()
