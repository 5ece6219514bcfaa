"""Run something to its end, whoever is cancelled meanwhile, but not for longer than its budget.

A shielded scope holds back the cancellation of scopes, but not `task.cancel()` of asyncio, which
reaches the awaiting task itself. So it runs in a task of its own. A task group does that under any
event loop; under asyncio its own means cost a third, and every commit goes through here. What is
plain enough needs no task at all until something happens (see `held`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, Generic, TypeAlias, TypeGuard, TypeVar

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from uow.session.alarm import alarm_of
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


def finish(
    action: Callable[[], Awaitable[T]], budget: float, *, is_plain: bool = False
) -> Coroutine[Any, Any, End[T]]:
    """Run something to its end, or to the end of its budget.

    Args:
        action: what to run.
        budget: seconds; then it is cancelled, and the end is neither done nor an error.
        is_plain: it waits for a future, and enters no scope and starts no timer before that or
            after an answer that is no error, so that it may begin in one task and end in another.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return _finish_in_a_group(action, budget)
    end: End[T] = End()
    if is_plain:
        return _finish_by_proxy(loop, _run(action, end), end, budget)
    return _finish_in_a_task(loop, _run(action, end), end, budget)


async def _run(action: Callable[[], Awaitable[T]], end: End[T]) -> None:
    try:
        end.result = await action()
        end.is_done = True
    except Exception as error:  # noqa: BLE001 - kept, for the caller to raise
        end.error = error


async def _finish_by_proxy(
    loop: asyncio.AbstractEventLoop, work: Work, end: End[T], budget: float
) -> End[T]:
    """Wait for the first answer in this task; for what comes after it, a task takes over."""
    context = copy_context()  # one for all its steps, as in a task
    left = budget
    try:
        answer = context.run(work.send, None)
        if _is_future(answer, loop):
            held = Held(answer)
            alarm = alarm_of(loop, budget)
            deadline = alarm.set(held, loop)
            try:
                await held
            except asyncio.CancelledError as error:
                end.cancelled = error
            except BaseException:
                _go_on_alone(loop, resume(work, answer), budget, context)
                raise
            finally:
                alarm.stop(held)
            if held.is_answered:
                answer = context.run(work.send, None)
            left = deadline - loop.time()
    except (StopIteration, asyncio.CancelledError):
        return end
    return await _finish_in_a_task(loop, resume(work, answer), end, left, context)


def _is_future(answer: object, loop: asyncio.AbstractEventLoop) -> TypeGuard[asyncio.Future[Any]]:
    return isinstance(answer, asyncio.Future) and answer.get_loop() is loop


def _go_on_alone(
    loop: asyncio.AbstractEventLoop, rest: Work, budget: float, context: Context
) -> None:
    """Go on though who waited was thrown away; the budget is all that ends it."""
    if loop.is_closed():
        rest.close()
        return
    task = loop.create_task(rest, context=context)
    loop.call_later(budget, task.cancel)


async def _finish_in_a_task(
    loop: asyncio.AbstractEventLoop,
    work: Work,
    end: End[T],
    budget: float,
    context: Context | None = None,
) -> End[T]:
    # The task wakes us itself: `asyncio.shield` would take the loop another turn.
    ended: asyncio.Future[None] = loop.create_future()

    async def run() -> None:
        try:
            await work
        finally:
            _set(ended)

    task = loop.create_task(run(), context=context)
    timer = loop.call_later(budget, _give_up, task, ended)
    try:
        await ended
    except asyncio.CancelledError as error:
        end.cancelled = end.cancelled or error
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
