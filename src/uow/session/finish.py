"""Run something to its end, whoever is cancelled meanwhile, but not for longer than its budget.

A shielded scope holds back the cancellation of scopes, but not `task.cancel()` of asyncio, which
reaches the awaiting task itself. So it runs in a task of its own. A task group does that under any
event loop; under asyncio its own means cost a third, and every commit goes through here. What is
plain enough needs no task at all until something happens (see `held`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeAlias, TypeVar

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from uow.session.held import Held, resume

__all__ = ["End", "finish"]

T = TypeVar("T")

Work: TypeAlias = Coroutine[Any, Any, None]


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


async def finish(
    action: Callable[[], Awaitable[T]], budget: float, *, is_plain: bool = False
) -> End[T]:
    """Run something to its end, or to the end of its budget.

    Args:
        action: what to run.
        budget: seconds; then it is cancelled, and the end is neither done nor an error.
        is_plain: it enters no scope and starts no timer before it first waits, so that it may begin
            in one task and go on in another.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return await _finish_in_a_group(action, budget)
    end: End[T] = End()
    if is_plain:
        await _finish_by_proxy(loop, _run(action, end), end, budget)
    else:
        await _finish_in_a_task(loop, _run(action, end), end, budget)
    return end


async def _run(action: Callable[[], Awaitable[T]], end: End[T]) -> None:
    try:
        end.result = await action()
        end.is_done = True
    except Exception as error:  # noqa: BLE001 - kept, for the caller to raise
        end.error = error


async def _finish_by_proxy(
    loop: asyncio.AbstractEventLoop, work: Work, end: End[T], budget: float
) -> None:
    """Wait for the first answer in this task; for what comes after it, a task takes over."""
    deadline = loop.time() + budget
    try:
        answer = work.send(None)
        if asyncio.isfuture(answer) and await _is_answered(loop, answer, work, end, budget):
            answer = work.send(None)
    except (StopIteration, asyncio.CancelledError):
        return
    await _finish_in_a_task(loop, resume(work, answer), end, deadline - loop.time())


async def _is_answered(
    loop: asyncio.AbstractEventLoop,
    answer: asyncio.Future[Any],
    work: Work,
    end: End[T],
    budget: float,
) -> bool:
    """Wait for an answer; it did not come if we were cancelled, or the budget is spent."""
    held = Held(answer)
    timer = loop.call_later(budget, held.wake)
    try:
        await held
    except asyncio.CancelledError as error:
        if held.is_cancelled:
            end.cancelled = error
            return False
        return answer.cancelled()
    except Exception:  # noqa: BLE001, S110 - the work is given it as well, and knows what it is
        pass
    except BaseException:
        _go_on_alone(loop, work, answer, budget)
        raise
    finally:
        timer.cancel()
    return True


def _go_on_alone(
    loop: asyncio.AbstractEventLoop, work: Work, answer: asyncio.Future[Any], budget: float
) -> None:
    """Go on though who waited was thrown away; the budget is all that ends it."""
    if loop.is_closed():
        work.close()
        return
    task = loop.create_task(resume(work, answer))
    loop.call_later(budget, task.cancel)


async def _finish_in_a_task(
    loop: asyncio.AbstractEventLoop, work: Work, end: End[T], budget: float
) -> None:
    # The task wakes us itself: `asyncio.shield` would take the loop another turn.
    ended: asyncio.Future[None] = loop.create_future()

    async def run() -> None:
        try:
            await work
        finally:
            _set(ended)

    task = loop.create_task(run())
    timer = loop.call_later(budget, _give_up, task, ended)
    try:
        await ended
    except asyncio.CancelledError as error:
        end.cancelled = end.cancelled or error
        await _wait(task)
    finally:
        if task.done():  # else this coroutine is thrown away, and the budget is all that ends it
            timer.cancel()


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
