"""Run something to its end, whoever is cancelled meanwhile, but not for longer than its budget.

A shielded scope holds back the cancellation of scopes, but not `task.cancel()` of asyncio, which
reaches the awaiting task itself. So it runs in a task of its own. A task group does that under any
event loop; under asyncio its own means cost a third, and every commit goes through here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

__all__ = ["End", "finish"]

T = TypeVar("T")


class End(Generic[T]):
    """How something that must run to its end ended.

    Attributes:
        result: what it returned.
        is_done: it returned.
        error: what it raised.
        cancelled: the cancellation that reached the waiting task meanwhile.
    """

    __slots__ = ("cancelled", "error", "is_done", "result")

    result: T

    def __init__(self) -> None:
        self.is_done = False
        self.error: BaseException | None = None
        self.cancelled: BaseException | None = None


async def finish(action: Callable[[], Awaitable[T]], budget: float) -> End[T]:
    """Run something to its end, or to the end of its budget.

    Args:
        action: what to run.
        budget: seconds; then it is cancelled, and the end is neither done nor an error.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return await _finish_in_a_group(action, budget)
    return await _finish_on_asyncio(loop, action, budget)


async def _run(action: Callable[[], Awaitable[T]], end: End[T]) -> None:
    try:
        end.result = await action()
        end.is_done = True
    except Exception as error:  # noqa: BLE001 - kept, for the caller to raise
        end.error = error


async def _finish_on_asyncio(
    loop: asyncio.AbstractEventLoop, action: Callable[[], Awaitable[T]], budget: float
) -> End[T]:
    end: End[T] = End()
    # The task wakes us itself: `asyncio.shield` would take the loop another turn.
    ended: asyncio.Future[None] = loop.create_future()

    async def run() -> None:
        try:
            await _run(action, end)
        finally:
            _set(ended)

    task = loop.create_task(run())
    timer = loop.call_later(budget, _give_up, task, ended)
    try:
        await ended
    except asyncio.CancelledError as error:
        end.cancelled = error
        await _wait(task)
    finally:
        if task.done():  # else this coroutine is thrown away, and the budget is all that ends it
            timer.cancel()
    return end


def _set(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)


def _give_up(task: asyncio.Task[None], ended: asyncio.Future[None]) -> None:
    """Cancel a task, which may not have begun, so that it can tell nobody that it ended."""
    task.add_done_callback(lambda _: _set(ended))
    task.cancel()


async def _wait(task: asyncio.Task[None]) -> None:
    """Wait for the end of a task, however often we are cancelled.

    A cancelled scope of anyio asks again in every tick, so it is held back; a cancellation of the
    task itself comes through, and there may be more than one.
    """
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue


async def _finish_in_a_group(action: Callable[[], Awaitable[T]], budget: float) -> End[T]:
    end: End[T] = End()

    async def run() -> None:
        with anyio.move_on_after(budget, shield=True):
            await _run(action, end)

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
        # trio's task groups keep a cancellation to themselves that came while they waited.
        await checkpoint_if_cancelled()
    except BaseException as error:  # noqa: BLE001 - kept, for the caller to raise
        end.cancelled = error
    return end
