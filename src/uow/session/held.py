"""Begin a coroutine in the task that asks for it, and go on in another only if that must be.

A task of its own costs the event loop of asyncio two turns more, a tenth of a small unit of work.
Most of the time nothing happens that it would be needed for: the answer comes, and nobody was
cancelled meanwhile. So the first step is made at once, and what it waits for is waited for by
proxy: a cancellation of the waiting task then reaches the proxy, and not what the coroutine waits
for. Only after that, or where more than one answer is needed, does a task take over.

What makes this work is how a task treats what a coroutine yields to it: anything that has
`_asyncio_future_blocking`, `add_done_callback` and `cancel` is a future to it (asyncio's own
`isfuture` says so).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, final

__all__ = ["Held", "resume"]


@final
class Held:
    """Stands for a future while a task waits for it; cancelled, it lets the task go on alone.

    Attributes:
        is_cancelled: somebody cancelled the task meanwhile.
    """

    __slots__ = ("_asyncio_future_blocking", "_callback", "_context", "_future", "is_cancelled")

    def __init__(self, future: asyncio.Future[Any]) -> None:
        self._asyncio_future_blocking = False
        self._future = future
        self.is_cancelled = False

    def __await__(self) -> Generator[Held, None, None]:
        self._asyncio_future_blocking = True
        yield self

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Give the event loop of the future."""
        return self._future.get_loop()

    def add_done_callback(
        self, callback: Callable[[asyncio.Future[Any]], object], *, context: Context | None = None
    ) -> None:
        """Have the task that waits called when the future is done."""
        self._callback = callback
        self._context = context
        self._future.add_done_callback(callback, context=context)

    def cancel(self, msg: Any | None = None) -> bool:
        """Wake the task that waits, because it is cancelled; the future knows nothing of it.

        Returns:
            False if the task is being woken already: it then sees to the cancellation itself.
        """
        self.is_cancelled = True
        return self.wake(msg)

    def wake(self, msg: Any | None = None) -> bool:
        """Have `asyncio.CancelledError` raised in the task, unless it is being woken already."""
        if not self._future.remove_done_callback(self._callback):
            return False
        cancelled: asyncio.Future[Any] = self.get_loop().create_future()
        cancelled.cancel(msg)
        cancelled.add_done_callback(self._callback, context=self._context)
        return True


def resume(work: Coroutine[Any, Any, None], waits_for: Any) -> Coroutine[Any, Any, None]:
    """Go on with a coroutine whose first step was made: what it waits for is waited for first.

    Args:
        work: the coroutine.
        waits_for: what it has yielded.
    """

    async def rest() -> None:
        await _Rest(work, waits_for)

    return rest()


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
