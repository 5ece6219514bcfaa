"""Runs a coroutine and does something at its n-th wait, under any event loop.

A coroutine hands a value to its event loop each time it waits. `Steps` stands between the two and
counts, so "cancel at the n-th await, for every n" needs no knowledge of what is awaited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final

import anyio
import anyio.lowlevel
import attrs

SCOPE: Final = "scope"
TASK: Final = "task"

WAYS = [("asyncio", SCOPE), ("asyncio", TASK), ("trio", SCOPE)]
"""Each event loop with the ways it has to cancel: anyio's scopes, and asyncio's `Task.cancel`."""


class Steps:
    """An awaitable that runs a coroutine and acts just before some of its waits.

    Args:
        coroutine: what to run.
        act: what to do.
        at: the numbers of the waits, counted from 1.
    """

    def __init__(
        self, coroutine: Coroutine[Any, Any, Any], act: Callable[[], object], at: tuple[int, ...]
    ) -> None:
        self.coroutine = coroutine
        self.act = act
        self.at = at
        self.count = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        step: Callable[[Any], Any] = self.coroutine.send
        value: Any = None
        while True:
            try:
                waits_for = step(value)
            except StopIteration as stop:
                return stop.value
            self.count += 1
            if self.count in self.at:
                self.act()
            try:
                value = yield waits_for
                step = self.coroutine.send
            except BaseException as error:  # noqa: BLE001 - handed on to the coroutine
                value = error
                step = self.coroutine.throw


@attrs.frozen
class Run:
    """How a run ended.

    Attributes:
        waits: how many waits there were.
        cancelled: a cancellation came out.
        error: any other error that came out.
    """

    waits: int
    cancelled: bool
    error: BaseException | None = None


Arm = Callable[[Callable[[], object]], object]
"""Gets what cancels the run, before it starts."""


async def run_cancelled(
    coroutine: Coroutine[Any, Any, Any], how: str, at: tuple[int, ...] = (), arm: Arm | None = None
) -> Run:
    """Run a coroutine, cancel it just before some of its waits, and tell how it ended.

    Args:
        coroutine: what to run.
        how: `SCOPE` or `TASK`.
        at: the numbers of the waits.
        arm: makes something else cancel it.
    """
    if how == TASK:
        return await _run_task(coroutine, at, arm)
    with anyio.CancelScope() as scope:
        if arm is not None:
            arm(scope.cancel)
        steps = Steps(coroutine, scope.cancel, at)
        error = await _error_of(steps)
        # What was shielded to its end is heard here at the latest.
        await anyio.lowlevel.checkpoint_if_cancelled()
        return Run(steps.count, False, error)
    return Run(steps.count, scope.cancelled_caught, None)


async def _error_of(steps: Steps) -> Exception | None:
    try:
        await steps
    except Exception as error:  # noqa: BLE001 - handed to the test
        return error
    return None


async def _run_task(
    coroutine: Coroutine[Any, Any, Any], at: tuple[int, ...], arm: Arm | None
) -> Run:
    task: asyncio.Task[Any]

    def cancel() -> None:
        task.cancel()

    steps = Steps(coroutine, cancel, at)

    async def body() -> None:
        await steps

    task = asyncio.create_task(body())
    if arm is not None:
        arm(cancel)
    await asyncio.wait([task])
    if task.cancelled():
        return Run(steps.count, True)
    return Run(steps.count, False, task.exception())
