"""One thread that runs calls in order, for a client library that blocks.

A call is given up in one of three ways: it has not begun and is dropped; it is interrupted, and
waited for; or it must not be interrupted, or does not end, and the thread is left alone with it.
The lock makes sure that an interrupt hits the call it was meant for and no other: the thread takes
it to say "this call runs" and "it runs no more", and so does who interrupts.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar, final

import anyio

__all__ = ["Abandoned", "Job", "Worker"]

T = TypeVar("T")

INTERRUPT_EACH = 0.02
"""Seconds after which a call that goes on is interrupted again: one that just began its next
statement did not see the first time."""

PATIENCE = 2.0
"""Seconds to wait for an interrupted call before the thread is left alone with it."""


class Abandoned(Exception):  # noqa: N818  # a signal between two modules, nobody else sees it
    """The call goes on without its caller; the resource is the thread's to close.

    Attributes:
        cancellation: what made the caller leave.
    """

    def __init__(self, cancellation: BaseException) -> None:
        super().__init__()
        self.cancellation = cancellation


@final
class Job(Generic[T]):
    """One call, and what came of it."""

    __slots__ = ("_call", "_notify", "done", "error", "is_cancelled", "result")

    def __init__(self, call: Callable[[Job[T]], T]) -> None:
        self._call: Callable[[Job[T]], T] | None = call
        self._notify = _notifier()
        self.done = anyio.Event()
        self.is_cancelled = False
        self.error: BaseException | None = None
        self.result: T | None = None

    def run(self) -> None:
        """Make the call, in the thread."""
        call = self._call
        # The call refers to the connection; a job that somebody still waits for must not.
        self._call = None
        try:
            if call is not None and not self.is_cancelled:
                self.result = call(self)
        except BaseException as error:  # noqa: BLE001  # raised again by whoever waits
            self.error = error

    def finish(self) -> None:
        """Wake who waits, from the thread. An event loop that is gone has nobody waiting."""
        try:
            self._notify(self.done.set)
        except RuntimeError:
            return


@final
class Worker:
    """A thread and its queue.

    Args:
        name: the thread's name.
        interrupt: makes the running call end early; called from another thread.
    """

    __slots__ = ("_interrupt", "_lock", "_queue", "_running")

    def __init__(self, name: str, interrupt: Callable[[], None]) -> None:
        self._interrupt = interrupt
        self._queue: queue.SimpleQueue[Job[Any] | Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._running: Job[Any] | None = None
        threading.Thread(
            target=_work, args=(self._queue, self._lock, self), name=name, daemon=True
        ).start()

    async def run(self, call: Callable[[Job[T]], T], *, may_interrupt: bool = True) -> T:
        """Make a call in the thread and wait for it.

        A cancellation interrupts the call and waits for its end, which then counts for nothing.

        Args:
            call: gets its job, whose `is_cancelled` it may look at between two steps.
            may_interrupt: whether a cancellation may interrupt; if not it leaves at once.

        Raises:
            Abandoned: cancelled, and the call goes on.
        """
        job = Job(call)
        self._queue.put(job)
        try:
            await job.done.wait()
        except BaseException as cancellation:
            await self._give_up(job, may_interrupt, cancellation)
            raise
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]  # None only if that is what `call` gave

    async def _give_up(self, job: Job[Any], may_interrupt: bool, why: BaseException) -> None:
        with self._lock:
            job.is_cancelled = True
            is_waiting = self._running is not job
        if not (may_interrupt or is_waiting):
            raise Abandoned(why) from None
        with anyio.CancelScope(shield=True):
            deadline = anyio.current_time() + PATIENCE
            while not job.done.is_set():
                self.interrupt(job)
                if anyio.current_time() > deadline:
                    raise Abandoned(why) from None
                try:
                    with anyio.move_on_after(INTERRUPT_EACH):
                        await job.done.wait()
                except anyio.get_cancelled_exc_class():
                    # asyncio's own `Task.cancel`, said twice, knows no shield. The first is raised
                    # in the end and stands for both; to leave now would leave the call behind.
                    continue

    def interrupt(self, job: Job[Any] | None = None) -> None:
        """Interrupt a call if it is the one that runs; None: whichever runs."""
        with self._lock:
            if self._running is not None and (job is None or self._running is job):
                self._interrupt()

    def stop(self, last: Callable[[], None]) -> None:
        """Let the thread end after what it has to do, with a last call. Does not wait."""
        self._queue.put(last)

    @property
    def running(self) -> Job[Any] | None:
        """The call that runs now."""
        return self._running


def _work(
    jobs: queue.SimpleQueue[Job[Any] | Callable[[], None]], lock: threading.Lock, worker: Worker
) -> None:
    while True:
        job = jobs.get()
        if not isinstance(job, Job):
            job()
            return
        with lock:
            worker._running = job
        job.run()
        with lock:
            worker._running = None
        job.finish()
        # Nothing of the last call is kept alive while there is no next one.
        del job


def _notifier() -> Callable[[Callable[[], object]], object]:
    """Give what calls a function soon in the running event loop, from any thread, without waiting.

    anyio's own way from a thread waits for the function to be run, which doubles the price.
    """
    asyncio: Any = sys.modules.get("asyncio")
    if asyncio is not None:
        try:
            notify: Callable[[Callable[[], object]], object] = (
                asyncio.get_running_loop().call_soon_threadsafe
            )
        except RuntimeError:
            pass
        else:
            return notify
    trio: Any = sys.modules["trio"]
    run_soon: Callable[[Callable[[], object]], object] = (
        trio.lowlevel.current_trio_token().run_sync_soon
    )
    return run_soon
