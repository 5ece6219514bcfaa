"""Begin a coroutine in the task that asks for it, and go on in another only if that must be.

A task of its own costs the event loop of asyncio two turns more, a tenth of a small unit of work.
Most of the time nothing happens that it would be needed for: the answer comes, and nobody was
cancelled meanwhile. So the first step is made at once, and what it waits for is waited for by
proxy: a cancellation of the waiting task then reaches the proxy, and not what the coroutine waits
for. Only after that, for an error, or where more than one answer is needed, a task takes over.

What makes this work is how a task treats what a coroutine yields to it: anything that has
`_asyncio_future_blocking`, `add_done_callback` and `cancel` is a future to it (asyncio's own
`isfuture` says so). The task is woken by the proxy, and is never given the future's own result or
error: those are for the coroutine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, final

__all__ = ["Held", "resume"]


@final
class Held:
    """Stands for a future while a task waits for it; cancelled, it lets the task go on alone."""

    __slots__ = ("_asyncio_future_blocking", "_callback", "_context", "_future", "_is_done")

    def __init__(self, future: asyncio.Future[Any]) -> None:
        self._asyncio_future_blocking = False
        self._future = future
        self._is_done = False

    def __await__(self) -> Generator[Held, None, None]:
        self._asyncio_future_blocking = True
        yield self

    @property
    def is_answered(self) -> bool:
        """Whether the future has a result, and no error."""
        future = self._future
        return future.done() and not future.cancelled() and future.exception() is None

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Give the event loop of the future."""
        return self._future.get_loop()

    def done(self) -> bool:
        """Whether the task has been woken, or will be now."""
        return self._is_done or self._future.done()

    def cancelled(self) -> bool:
        """Whether this was cancelled: never, that is for the task."""
        return False

    def result(self) -> None:
        """Give nothing: the task learns that there is an answer, and not which."""

    def add_done_callback(
        self, callback: Callable[[Any], object], *, context: Context | None = None
    ) -> None:
        """Have the task that waits called when the future is done."""
        self._callback = callback
        self._context = context
        self._future.add_done_callback(self._answered, context=context)

    def cancel(self, msg: Any | None = None) -> bool:  # noqa: ARG002 - tasks give it by name
        """Wake the task that waits, because it is cancelled; the future knows nothing of it.

        Returns:
            False: the task sees to the cancellation, and to its message, itself.
        """
        self.wake()
        return False

    def wake(self) -> None:
        """Let the task go on without the answer, unless it is being woken already."""
        if self._future.remove_done_callback(self._answered):
            self._is_done = True
            self.get_loop().call_soon(self._callback, self, context=self._context)

    def _answered(self, _: object) -> None:
        self._is_done = True
        self._callback(self)


def resume(work: Coroutine[Any, Any, None], waits_for: Any) -> Coroutine[Any, Any, None]:
    """Go on with a coroutine whose first step was made: what it waits for is waited for first.

    Args:
        work: the coroutine.
        waits_for: what it has yielded.
    """
    return _go_on(_Rest(work, waits_for))


async def _go_on(rest: _Rest) -> None:
    await rest


@final
class _Rest:
    """The rest of a coroutine, to be awaited."""

    __slots__ = ("_waits_for", "_work")

    def __init__(self, work: Coroutine[Any, Any, None], waits_for: Any) -> None:
        self._work = work
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        waits_for = self._waits_for
        try:
            while True:
                try:
                    yield waits_for
                except BaseException as error:  # noqa: BLE001 - it is for the coroutine
                    waits_for = self._work.throw(error)
                else:
                    waits_for = self._work.send(None)
        except StopIteration:
            return
