"""The thread of a blocking client library, and the queue of writers."""

from __future__ import annotations

import threading
from functools import partial

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskStatus

from uow.drivers._worker import Abandoned, Worker
from uow.drivers._writers import Writers

pytestmark = pytest.mark.anyio

LONG = 10.0


async def test_results_and_errors() -> None:
    """What a call gives or raises comes out where it was asked for, in the thread's order."""
    worker = Worker("test worker", lambda: None)

    def fail(_job: object) -> None:
        raise KeyError("x")

    assert await worker.run(lambda _job: threading.current_thread().name) == "test worker"
    with pytest.raises(KeyError):
        await worker.run(fail)
    assert await worker.run(lambda _job: 3) == 3
    worker.stop(lambda: None)


async def test_an_interrupt_is_for_one_call() -> None:
    """R12: a waiting call that is cancelled is dropped; the one that runs is left in peace."""
    interrupts: list[str] = []
    finish, started = threading.Event(), threading.Event()
    worker = Worker("test worker", lambda: interrupts.append("interrupt"))
    ran: list[str] = []

    def first(_job: object) -> str:
        started.set()
        finish.wait(LONG)
        ran.append("first")
        return "first"

    async def run_first() -> None:
        assert await worker.run(first) == "first"

    async def run_second(task_status: TaskStatus[anyio.CancelScope]) -> None:
        with anyio.CancelScope() as scope:
            task_status.started(scope)
            await worker.run(lambda _job: ran.append("second"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_first)
        while not started.is_set():
            await anyio.lowlevel.checkpoint()
        scope = await tasks.start(run_second)
        await anyio.lowlevel.checkpoint()
        scope.cancel()
        await anyio.sleep(0.1)
        assert interrupts == []
        finish.set()

    assert ran == ["first"]
    assert interrupts == []
    worker.stop(lambda: None)


async def test_an_interrupt_reaches_the_running_call() -> None:
    """R12: a cancelled call is interrupted, and its caller leaves when it has ended."""
    finish = threading.Event()
    worker = Worker("test worker", finish.set)
    ended = False

    def call(_job: object) -> None:
        nonlocal ended
        finish.wait(LONG)
        ended = True

    with anyio.move_on_after(0.02) as scope:
        await worker.run(call)

    assert scope.cancelled_caught
    assert ended
    worker.stop(lambda: None)


async def test_a_call_that_must_not_be_interrupted_is_left_alone() -> None:
    """R2: its caller leaves at once, and what comes last closes after it."""
    finish, closed = threading.Event(), threading.Event()
    interrupts: list[str] = []
    worker = Worker("test worker", lambda: interrupts.append("interrupt"))

    async def call() -> None:
        with pytest.raises(Abandoned) as caught:
            await worker.run(lambda _job: finish.wait(LONG), may_interrupt=False)
        worker.stop(closed.set)
        raise caught.value.cancellation

    with anyio.move_on_after(0.02) as scope:
        await call()

    assert scope.cancelled_caught
    assert interrupts == []
    assert not closed.is_set()
    finish.set()
    assert await anyio.to_thread.run_sync(partial(closed.wait, LONG))


async def test_a_call_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """P5: a call deaf to interrupts keeps its caller for a bounded time only."""
    monkeypatch.setattr("uow.drivers._worker.PATIENCE", 0.05)
    finish = threading.Event()
    worker = Worker("test worker", lambda: None)
    was_abandoned = False

    async def call() -> None:
        nonlocal was_abandoned
        try:
            await worker.run(lambda _job: finish.wait(LONG))
        except Abandoned as abandoned:
            was_abandoned = True
            raise abandoned.cancellation from None

    with anyio.fail_after(LONG / 2), anyio.move_on_after(0.02) as scope:
        await call()

    assert scope.cancelled_caught
    assert was_abandoned
    finish.set()
    worker.stop(lambda: None)


# -- writers


async def test_a_turn_given_and_cancelled_in_one_tick() -> None:
    """R1, R13: a turn that reaches somebody who is just cancelled goes to the next."""
    writers = Writers()
    got: list[str] = []

    async def ask(name: str, task_status: TaskStatus[anyio.CancelScope]) -> None:
        with anyio.CancelScope() as scope:
            task_status.started(scope)
            assert await writers.acquire(name, anyio.current_time() + LONG)
            got.append(name)
            writers.release(name)

    for cancel_first in (True, False):
        got.clear()
        assert writers.acquire_nowait("a")
        async with anyio.create_task_group() as tasks:
            scope = await tasks.start(ask, "b")
            await anyio.lowlevel.checkpoint()
            await tasks.start(ask, "c")
            await anyio.lowlevel.checkpoint()
            if cancel_first:
                scope.cancel()
            writers.release("a")
            scope.cancel()

        assert got in (["c"], ["b", "c"])


async def test_a_turn_that_does_not_come() -> None:
    """R13: past the deadline the answer is no, and nobody stands in the line any more."""
    writers = Writers()
    assert writers.acquire_nowait("a")
    assert not await writers.acquire("b", anyio.current_time() + 0.01)
    writers.release("a")

    assert writers.acquire_nowait("c")
    assert writers.acquire_nowait("c")
