"""What must run to its end does, whoever is cancelled; in a task of its own, or by proxy."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

from uow.session.finish import End, finish

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("is_plain", [False, True])]

Loop = asyncio.AbstractEventLoop


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """These are the ways of asyncio; the other has one, and the suite of faults goes over it."""
    return "asyncio"


class Work:
    """Something that waits for two answers, and says what happens to it."""

    def __init__(self, answers: int = 1) -> None:
        loop = asyncio.get_running_loop()
        self.answers: list[asyncio.Future[str]] = [loop.create_future() for _ in range(answers)]
        self.begun = asyncio.Event()
        self.heard: list[str] = []

    async def __call__(self) -> str:
        self.begun.set()
        try:
            for answer in self.answers:
                self.heard.append(await answer)
        except asyncio.CancelledError:
            self.heard.append("cancelled")
            raise
        except GeneratorExit:
            self.heard.append("thrown away")
            raise
        return "result"


def answer_soon(work: Work, number: int = 0) -> None:
    """Answer when the loop has come round a few times."""
    loop = asyncio.get_running_loop()
    loop.call_later(0.01, work.answers[number].set_result, f"answer {number}")


async def turns(number: int) -> None:
    """Let the loop come round."""
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.mark.parametrize("answers", [0, 1, 2, 3])
async def test_it_ends(is_plain: bool, answers: int) -> None:
    """The result is that of the work, however often it waits."""
    work = Work(answers)
    for number in range(answers):
        answer_soon(work, number)
    end = await finish(work, 5, is_plain=is_plain)

    assert (end.is_done, end.error, end.cancelled) == (True, None, None)
    assert end.result == "result"
    assert work.heard == [f"answer {number}" for number in range(answers)]


async def test_a_plain_one_takes_no_task(is_plain: bool) -> None:
    """The first answer is waited for in the task that asks."""
    work = Work(1)
    tasks: list[Any] = []

    async def look() -> str:
        tasks.append(asyncio.current_task())
        result = await work()
        tasks.append(asyncio.current_task())
        return result

    answer_soon(work)
    await finish(look, 5, is_plain=is_plain)
    assert (tasks[0] is asyncio.current_task()) is is_plain
    assert tasks[0] is tasks[1]


@pytest.mark.parametrize("place", [0, 1])
async def test_errors(is_plain: bool, place: int) -> None:
    """What the answer raises reaches the work, and is given back, not raised."""
    work = Work(2)
    error = ValueError("wrong")
    if place:
        answer_soon(work)
    asyncio.get_running_loop().call_later(0.02, work.answers[place].set_exception, error)
    end = await finish(work, 5, is_plain=is_plain)
    assert (end.is_done, end.error, end.cancelled) == (False, error, None)


async def test_errors_at_once(is_plain: bool) -> None:
    """The same before anything is waited for."""
    error = ValueError("wrong")

    async def fail() -> None:
        raise error

    assert (await finish(fail, 5, is_plain=is_plain)).error is error


async def test_who_handles_the_error_goes_on(is_plain: bool) -> None:
    """The work may catch it, and wait again."""
    work = Work(2)

    async def patient() -> str:
        with pytest.raises(ValueError, match="wrong"):
            await work.answers[0]
        return await work.answers[1]

    loop = asyncio.get_running_loop()
    loop.call_later(0.01, work.answers[0].set_exception, ValueError("wrong"))
    loop.call_later(0.02, work.answers[1].set_result, "second")
    end = await finish(patient, 5, is_plain=is_plain)
    assert (end.is_done, end.result) == (True, "second")


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("answers", [1, 2])
async def test_task_cancelled(is_plain: bool, times: int, answers: int) -> None:
    """`Task.cancel`, also said again, is held back till the end, and given back then."""
    work = Work(answers)
    task = asyncio.create_task(_finished(work, 5, is_plain))
    await work.begun.wait()
    for number in range(times):
        task.cancel(f"reason {number}")
        await turns(3)
    for number in range(answers):
        answer_soon(work, number)
    end = await task

    assert (end.is_done, end.result) == (True, "result")
    assert isinstance(end.cancelled, asyncio.CancelledError)
    assert end.cancelled.args == ("reason 0",)
    assert work.heard == [f"answer {number}" for number in range(answers)]


@pytest.mark.parametrize("first", ["answer", "cancel"])
async def test_cancelled_in_the_tick_of_the_answer(is_plain: bool, first: str) -> None:
    """Neither is lost."""
    work = Work(1)
    task = asyncio.create_task(_finished(work, 5, is_plain))
    await work.begun.wait()
    await turns(2)
    if first == "answer":
        work.answers[0].set_result("answer 0")
    task.cancel()
    if first == "cancel":
        work.answers[0].set_result("answer 0")
    end = await task
    assert (end.is_done, end.result) == (True, "result")
    assert isinstance(end.cancelled, asyncio.CancelledError)


async def test_scope_cancelled(is_plain: bool) -> None:
    """The same for a scope; the loop does not go round and round until the answer comes."""
    work = Work(1)
    ends: list[End[str]] = []
    with anyio.CancelScope() as scope:
        asyncio.get_running_loop().call_later(0.01, scope.cancel)
        asyncio.get_running_loop().call_later(0.2, work.answers[0].set_result, "answer 0")
        rounds = _count_rounds()
        ends.append(await finish(work, 5, is_plain=is_plain))
        count = rounds()
        await anyio.sleep(1)
    assert scope.cancelled_caught
    assert ends[0].is_done
    assert isinstance(ends[0].cancelled, asyncio.CancelledError)
    assert count < 100


@pytest.mark.parametrize("answers", [1, 2])
async def test_budget(is_plain: bool, answers: int) -> None:
    """Then the work is cancelled; the one who waited is not."""
    work = Work(answers)
    if answers == 2:
        answer_soon(work)
    end = await finish(work, 0.05, is_plain=is_plain)
    assert (end.is_done, end.error, end.cancelled) == (False, None, None)
    assert work.heard[-1] == "cancelled"
    await anyio.sleep(0.1)  # no timer is left that would cancel somebody


@pytest.mark.parametrize("budget", [0, -1])
async def test_no_budget(is_plain: bool, budget: float) -> None:
    """Nothing is waited for."""
    work = Work(1)
    with anyio.fail_after(5):
        end = await finish(work, budget, is_plain=is_plain)
    assert (end.is_done, end.error, end.cancelled) == (False, None, None)


async def test_budget_of_who_was_cancelled(is_plain: bool) -> None:
    """A cancellation does not give it more time."""
    work = Work(1)
    task = asyncio.create_task(_finished(work, 0.1, is_plain))
    await work.begun.wait()
    task.cancel()
    with anyio.fail_after(5):
        end = await task
    assert (end.is_done, end.error) == (False, None)
    assert isinstance(end.cancelled, asyncio.CancelledError)
    assert work.heard == ["cancelled"]


async def test_cancelled_in_the_tick_of_the_budget(is_plain: bool) -> None:
    """The cancellation is not taken for the end of the budget."""
    work = Work(1)
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(_finished(work, 0.05, is_plain))
    await work.begun.wait()
    loop.call_later(0.05, task.cancel)
    await anyio.sleep(0.03)
    _block(0.05)  # both are due in one turn of the loop
    end = await task
    assert (end.is_done, work.heard) == (False, ["cancelled"])
    assert isinstance(end.cancelled, asyncio.CancelledError)


async def test_thrown_away(is_plain: bool) -> None:
    """Nobody waits any more: the work goes on to its end, or to that of its budget."""
    for budget, heard in ((5, "answer 0"), (0.05, "cancelled")):
        work = Work(1)
        waiting = finish(work, budget, is_plain=is_plain)
        waits_for = waiting.send(None)
        if not is_plain:
            await work.begun.wait()
        assert waits_for is not None
        waiting.close()
        if budget == 5:
            answer_soon(work)
        await anyio.sleep(0.1)
        assert work.heard == [heard]


def test_thrown_away_with_its_loop(is_plain: bool) -> None:
    """The work is told, so that it can leave its connection."""
    works: list[Work] = []
    waiting: list[Any] = []

    async def begin() -> None:
        works.append(Work(1))
        waiting.append(finish(works[0], 5, is_plain=is_plain))
        waiting[0].send(None)
        await turns(2)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(begin())
    _silence(asyncio.all_tasks(loop))
    loop.close()
    waiting.pop().close()
    works[0].answers.clear()
    gc.collect()
    assert works[0].heard == ["thrown away"]


async def test_who_yields_to_the_loop_first(is_plain: bool) -> None:
    """Something else than a future may be waited for first."""
    work = Work(1)

    async def polite() -> str:
        await asyncio.sleep(0)
        return await work()

    answer_soon(work)
    end = await finish(polite, 5, is_plain=is_plain)
    assert (end.is_done, end.result) == (True, "result")


async def test_scope_after_an_error(is_plain: bool) -> None:
    """What handles an error may enter scopes: it is a task's from then on."""
    work = Work(1)

    async def looks_again() -> str:
        with pytest.raises(ValueError, match="wrong"):
            await work.answers[0]
        with anyio.move_on_after(0.05):
            await anyio.sleep(0.01)
        return "looked"

    asyncio.get_running_loop().call_later(0.01, work.answers[0].set_exception, ValueError("wrong"))
    with anyio.CancelScope() as outer:
        end = await finish(looks_again, 5, is_plain=is_plain)
    await anyio.sleep(0.1)  # no deadline of the work is ours
    assert (end.is_done, end.result) == (True, "looked")
    assert not outer.cancelled_caught


async def test_scope_cancelled_in_the_tick_of_the_budget(is_plain: bool) -> None:
    """The scope knows the cancellation as its own."""
    work = Work(1)
    loop = asyncio.get_running_loop()
    with anyio.CancelScope() as scope:
        loop.call_later(0.05, scope.cancel)
        loop.call_later(0.03, _block, 0.05)
        end = await finish(work, 0.05, is_plain=is_plain)
        if end.cancelled is not None:
            raise end.cancelled
        await anyio.sleep(5)
    assert scope.cancelled_caught


@pytest.mark.parametrize("cancels", [False, True])
async def test_context_variables(is_plain: bool, cancels: bool) -> None:
    """The work has one context from its first step to its last, and it is not the caller's."""
    work = Work(2)
    variable: ContextVar[int] = ContextVar("variable", default=0)

    async def traced() -> str:
        token = variable.set(1)
        result = await work()
        variable.reset(token)
        return result

    answer_soon(work)
    answer_soon(work, 1)
    task = asyncio.create_task(_finished(traced, 5, is_plain))
    await work.begun.wait()
    if cancels:
        task.cancel()
    end = await task
    assert (end.error, end.is_done, variable.get()) == (None, True, 0)


async def test_what_looks_at_tasks(is_plain: bool) -> None:
    """A task that waits by proxy looks like any other."""
    work = Work(1)
    task = asyncio.create_task(_finished(work, 5, is_plain))
    await work.begun.wait()
    await anyio.wait_all_tasks_blocked()
    assert "finish" in repr(task)
    assert not task.done()
    work.answers[0].set_result("answer 0")
    assert (await task).is_done


async def _finished(work: Callable[[], Awaitable[str]], budget: float, is_plain: bool) -> End[str]:
    return await finish(work, budget, is_plain=is_plain)


def _silence(tasks: set[asyncio.Task[Any]]) -> None:
    """Have tasks go with their loop without a word."""
    for task in tasks:
        task._log_destroy_pending = False  # type: ignore[attr-defined]


def _count_rounds() -> Callable[[], int]:
    """Count how often the loop comes round, from now on; the counting itself wakes nobody."""
    loop: Any = asyncio.get_running_loop()
    count = 0
    run_once = loop._run_once

    def counted() -> None:
        nonlocal count
        count += 1
        run_once()

    loop._run_once = counted

    def stop() -> int:
        del loop._run_once
        return count

    return stop


def _block(seconds: float) -> None:

    time.sleep(seconds)
