"""The pool: who holds which connection, and who waits for one.

A place is always exactly one of: on loan (`_loans`), idle (`_idle`, the last one used on the
right), being cleaned after a loan (`_cleaning`), or in the hands of one task that connects, tests
or takes it over (`_in_hand`); their sum is the size. Every move between them is one synchronous
step, and I/O is done only on what a task has in hand. So a cancellation, which can land only at
an `await`, finds the books right, and whoever holds the place gives it on in the same step in
which the cancellation is seen.

No task runs in the background: age, idleness and forgotten loans are seen to on the way in and
out. A connection on loan is held weakly; one that is garbage collected frees its place.

One connection that broke says little of the others, so these are *doubted*: each is tested before
its next loan. One that does not pass the test says that the store went away: then all are given up
at once (`bump`).
"""

from __future__ import annotations

import logging
import random
import sys
import time
import warnings
import weakref
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Never, final

import anyio
import anyio.lowlevel
import attrs

from uow.drivers.base import Connection
from uow.errors import ConnectionLostError, Phase, PoolClosedError, PoolTimeoutError, UowError
from uow.pool.home import Home
from uow.pool.places import Forgotten, Slot, Waiter, call_site

__all__ = ["Pool", "PoolStats"]

logger = logging.getLogger("uow")

JITTER = 0.1
"""Lifetimes differ by so much of themselves, so that connections do not all end at once."""

WAIT_SLICE = 1.0
"""Seconds after which a waiter looks again for loans that were garbage collected."""

FIRST_PAUSE = 0.05
"""Seconds before a store that is just starting is asked a second time; they double from there."""

LONGEST_PAUSE = 1.0


@attrs.frozen
class PoolStats:
    """What a pool did and does. `acquired == released + terminated + in_use`, always.

    Attributes:
        size: connections there are, those being opened included.
        in_use: connections on loan, those being cleaned after one included.
        idle: connections nobody holds.
        waiting: tasks in the queue.
        acquired: how often a connection was given out.
        released: how often one came back in good order.
        terminated: how often one that was given out was cut off, or forgotten, instead.
    """

    size: int
    in_use: int
    idle: int
    waiting: int
    acquired: int
    released: int
    terminated: int


@final
class Pool:
    """Keeps connections for those who need one for a while.

    It belongs to the event loop and the process that use it first.

    Args:
        connect: opens a connection.
        max_size: how many there may be.
        min_size: how many `open` opens.
        acquire_timeout: seconds to wait for one.
        max_lifetime: seconds after which one is not given out again, give or take a tenth.
        idle_check: seconds of idleness after which one is tested before it is given out.
        max_waiters: how many tasks may wait; more are refused at once. None is no limit.
        cleanup_budget: seconds that a reset, a test or a close may take before the connection is
            cut off.
        answer_timeout: seconds the store may take to open a connection, or to answer a test. None
            leaves the first to `acquire_timeout`, the second to `cleanup_budget`.
        is_patient: a store that cannot be reached now, or that is just starting, is asked again
            until the time to wait is over. If not, the first error is raised, to the tasks in the
            queue too: somebody has another store to go to.
        name: for messages.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        *,
        max_size: int = 10,
        min_size: int = 0,
        acquire_timeout: float = 30.0,
        max_lifetime: float = 3600.0,
        idle_check: float = 30.0,
        max_waiters: int | None = None,
        cleanup_budget: float = 5.0,
        answer_timeout: float | None = None,
        is_patient: bool = True,
        name: str = "pool",
    ) -> None:
        self.max_size = max_size
        self.min_size = min_size
        self.acquire_timeout = acquire_timeout
        self.max_lifetime = max_lifetime
        self.idle_check = idle_check
        self.max_waiters = max_waiters
        self.cleanup_budget = cleanup_budget
        self.answer_timeout = answer_timeout
        self.is_patient = is_patient
        self.name = name
        self._connect = connect
        self._loans: dict[int, Slot] = {}
        self._idle: deque[Slot] = deque()
        self._cleaning = 0
        self._in_hand = 0
        self._waiters: deque[Waiter] = deque()
        # Filled by weak reference callbacks, which may run anywhere; emptied in our own steps.
        self._forgotten: deque[tuple[int, Slot]] = deque()
        self._generation = 0
        # Connections that were idle then are tested before their next loan.
        self._doubted = float("-inf")
        # Why the store could not be reached, until it is.
        self._failure: UowError | None = None
        self._acquired = self._released = self._terminated = 0
        self._is_closed = False
        self._is_empty: anyio.Event | None = None
        self._home = Home()

    def __repr__(self) -> str:
        stats = self.stats
        return (
            f"<Pool {self.name} {'closed' if self._is_closed else 'open'}: {stats.in_use} in use,"
            f" {stats.idle} idle, {stats.waiting} waiting, at most {self.max_size}>"
        )

    def __del__(self) -> None:
        if not self._is_closed and (self._idle or self._loans):
            self._home.keep_inherited([slot.connection for slot in self._idle])
            warnings.warn(f"{self.name} was not closed", ResourceWarning, source=self, stacklevel=1)

    # -- what is known

    @property
    def is_closed(self) -> bool:
        """Whether it gives out no more connections."""
        return self._is_closed

    @property
    def stats(self) -> PoolStats:
        """The counters, at this moment."""
        self._collect_forgotten()
        in_use = len(self._loans) + self._cleaning
        return PoolStats(
            size=in_use + len(self._idle) + self._in_hand,
            in_use=in_use,
            idle=len(self._idle),
            waiting=len(self._waiters),
            acquired=self._acquired,
            released=self._released,
            terminated=self._terminated,
        )

    @property
    def load(self) -> int:
        """How many tasks have a connection, or ask for one."""
        return len(self._loans) + self._cleaning + self._in_hand + len(self._waiters)

    def has_lent(self, connection: Connection) -> bool:
        """Whether a connection is on loan from here."""
        return id(connection) in self._loans

    def holders(self) -> list[str]:
        """Where each connection on loan was acquired and how long ago, the oldest first."""
        held = sorted(self._loans.values(), key=lambda slot: slot.since)
        return [slot.site() for slot in held]

    # -- giving out

    def acquire_nowait(self) -> Connection | None:
        """Give out an idle connection that needs no test, without waiting.

        Returns:
            None if there is none; `acquire` knows what to do then, and what is wrong.
        """
        if not self._idle or self._is_closed or self._waiters or not self._home.is_here():
            return None
        slot = self._idle[-1]
        now = time.monotonic()
        connection = slot.connection
        if connection is None or not self._may_reuse(slot, connection, now):
            return None
        self._idle.pop()
        self._lend(slot, connection, now)
        return connection

    async def acquire(self, timeout: float | None = None) -> Connection:
        """Give out a connection: an idle one, a new one, or the next that comes back.

        Tasks are served in the order in which they asked. A cancelled call holds nothing.

        Args:
            timeout: seconds to wait, `acquire_timeout` if None.

        Raises:
            PoolTimeoutError: none came free in time; says who holds them.
            PoolClosedError: the pool is closed, or belongs to another event loop or process.
            UowError: why a new connection could not be opened.
        """
        await anyio.lowlevel.checkpoint_if_cancelled()
        self._check_use()
        self._collect_forgotten()
        connection = self.acquire_nowait()
        if connection is not None:
            return connection
        seconds = self.acquire_timeout if timeout is None else timeout
        deadline = anyio.current_time() + seconds
        slot = self._take_in_hand() or await self._wait(deadline, seconds)
        try:
            connection = await self._prepare(slot, deadline, seconds)
        except BaseException as error:
            self._give_on(slot)
            if isinstance(error, UowError) and error.phase is None:
                error.phase = Phase.ACQUIRE
            raise
        self._in_hand -= 1
        self._lend(slot, connection, time.monotonic())
        return connection

    def _take_in_hand(self) -> Slot | None:
        """Take an idle connection, or room for a new one; None: wait for your turn.

        While anybody waits there is neither: both go to the first in line as they come free.
        """
        if self._idle:
            slot = self._idle.pop()
        elif len(self._loans) + self._cleaning + self._in_hand < self.max_size:
            slot = self._new_slot()
        else:
            return None
        self._in_hand += 1
        return slot

    def _new_slot(self) -> Slot:
        life = self.max_lifetime * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # no secret
        return Slot(self._generation, time.monotonic() + life)

    async def _wait(self, deadline: float, seconds: float) -> Slot:
        if self.max_waiters is not None and len(self._waiters) >= self.max_waiters:
            raise PoolTimeoutError(
                f"{self.name}: as many tasks wait as may (pool_waiters={self.max_waiters});"
                f" {self._who_holds()}",
                phase=Phase.ACQUIRE,
            )
        waiter = Waiter()
        self._waiters.append(waiter)
        try:
            while not waiter.event.is_set():
                left = deadline - anyio.current_time()
                with anyio.move_on_after(max(0.0, min(WAIT_SLICE, left))):
                    await waiter.event.wait()
                # Served and timed out in one tick: what was served counts.
                self._collect_forgotten()
                if not waiter.event.is_set() and anyio.current_time() >= deadline:
                    self._raise_timeout(seconds)
        except BaseException:
            if not waiter.event.is_set():
                self._waiters.remove(waiter)
            elif waiter.slot is not None:
                self._give_on(waiter.slot)
            raise
        if waiter.slot is None:
            raise waiter.error or self._closed_error()
        return waiter.slot

    def _raise_timeout(self, seconds: float) -> Never:
        failure = self._failure
        why = "" if failure is None else f"; and no new one can be opened: {failure}"
        raise PoolTimeoutError(
            f"{self.name}: no connection came free in {seconds:g} s; {self._who_holds()}{why}",
            phase=Phase.ACQUIRE,
        ) from failure

    def _who_holds(self) -> str:
        held = self.holders()
        text = f"{len(held)} of {self.max_size} are on loan and {len(self._waiters)} tasks wait"
        if self._in_hand:
            text += f", {self._in_hand} are being opened or tested"
        if not held:
            return text
        shown = ", ".join(held[:5]) + (", ..." if len(held) > 5 else "")
        return (
            f"{text}; acquired at {shown}. Who holds one and asks for a second may wait for itself:"
            " use one session, or raise pool_max"
        )

    async def _prepare(self, slot: Slot, deadline: float, seconds: float) -> Connection:
        """Make the connection of a place we have in hand fit to be given out."""
        connection = slot.connection
        if connection is None or not await self._is_sound(slot, connection):
            connection = await self._open_into(slot, deadline, seconds)
        if self._is_closed:
            raise self._closed_error()
        return connection

    async def _is_sound(self, slot: Slot, connection: Connection) -> bool:
        """Whether a connection that came back before may be given out; if not it is closed."""
        if self._may_reuse(slot, connection, time.monotonic()):
            return True
        if connection.is_closed or self._is_outworn(slot):
            slot.connection = None
            await self._close(connection)
            return False
        if await self._answers(connection):
            return True
        slot.connection = None
        connection.terminate()
        # The others were idle as long, or are doubted too: what went away is the store.
        self.bump()
        return False

    async def _answers(self, connection: Connection) -> bool:
        budget = self.cleanup_budget
        if self.answer_timeout is not None:
            budget = min(budget, self.answer_timeout)
        with anyio.move_on_after(budget), suppress(UowError):
            await connection.ping()
            return not connection.is_closed
        return False

    def _may_reuse(self, slot: Slot, connection: Connection, now: float) -> bool:
        return (
            now - slot.since <= self.idle_check
            and now <= slot.expires
            and slot.since > self._doubted
            and slot.generation == self._generation
            and not connection.is_closed
        )

    async def _open_into(self, slot: Slot, deadline: float, seconds: float) -> Connection:
        slot.generation = self._generation
        slot.expires = self._new_slot().expires
        slot.loans = 0
        requests = _cancel_requests()
        cause: UowError | None = None
        with anyio.move_on_after(max(0.0, deadline - anyio.current_time())) as scope:
            pause = FIRST_PAUSE
            while slot.connection is None:
                try:
                    await self._connect_into(slot)
                except UowError as error:
                    self._failure = cause = error
                    if not self.is_patient:
                        self._dismiss_waiters(error)
                    # Tasks that met the same failure shall not all come back at the same time.
                    delay = pause * random.uniform(0.5, 1)  # noqa: S311  # no secret
                    # A store that is just starting says so; other errors would only come again.
                    is_worth_it = self.is_patient and error.retryable
                    if not is_worth_it or anyio.current_time() + delay > deadline:
                        raise
                    await anyio.sleep(delay)
                    pause = min(LONGEST_PAUSE, 2 * pause)
        connection = slot.connection
        if connection is None:
            raise PoolTimeoutError(
                f"{self.name}: no new connection within {seconds:g} s", phase=Phase.ACQUIRE
            ) from cause
        self._failure = None
        slot.since = time.monotonic()
        slot.reference = weakref.ref(connection, Forgotten(self._forgotten, slot, connection))
        # A client library may have swallowed a cancellation while it connected.
        await anyio.lowlevel.checkpoint_if_cancelled()
        if _cancel_requests() > requests and not scope.cancel_called:
            raise anyio.get_cancelled_exc_class()
        return connection

    async def _connect_into(self, slot: Slot) -> None:
        """Connect, into the slot at once: whatever ends this task, the place has an owner."""
        if self.answer_timeout is None:
            slot.connection = await self._connect()
            return
        with anyio.move_on_after(self.answer_timeout):
            slot.connection = await self._connect()
            return
        raise ConnectionLostError(
            f"{self.name} opened no connection within {self.answer_timeout:g} s"
        )

    def _lend(self, slot: Slot, connection: Connection, now: float) -> None:
        slot.connection = None
        slot.is_lent = True
        slot.since = now
        slot.loans += 1
        slot.code, slot.instruction = call_site()
        self._loans[id(connection)] = slot
        self._acquired += 1

    # -- taking back

    def release_nowait(self, connection: Connection) -> bool:
        """Take a connection back if that needs no I/O.

        Returns:
            False if it must be reset or closed: then call `release`.
        """
        key = id(connection)
        slot = self._loans.get(key)
        if slot is None or self._home.is_foreign:
            return True
        if connection.is_closed:
            self.discard(connection)
            return True
        now = time.monotonic()
        if (
            connection.needs_reset
            or self._is_closed
            or now > slot.expires
            or slot.generation != self._generation
        ):
            return False
        del self._loans[key]
        slot.is_lent = False
        slot.since = now
        slot.connection = connection
        self._released += 1
        if self._waiters:
            self._in_hand += 1
            self._give_on(slot)
        else:
            self._idle.append(slot)
        return True

    async def release(self, connection: Connection) -> None:
        """Take a connection back, reset under a shield and a budget, or else cut off.

        A second release of one loan is nothing. Trouble is not the borrower's: the connection is
        cut off and its place given on. A pending cancellation is raised by the caller's next await.
        """
        if self.release_nowait(connection):
            return
        slot = self._loans.pop(id(connection))
        slot.is_lent = False
        self._cleaning += 1
        is_clean = False
        try:
            is_clean = await self._clean(slot, connection)
        finally:
            self._cleaning -= 1
            self._in_hand += 1
            if is_clean:
                self._released += 1
                slot.since = time.monotonic()
                slot.connection = None if connection.is_closed else connection
            else:
                self._cut_off(connection)
                slot.connection = None
            self._give_on(slot)

    async def _clean(self, slot: Slot, connection: Connection) -> bool:
        """Reset it, or close it in good order. False: it must be cut off."""
        with anyio.move_on_after(self.cleanup_budget, shield=True), suppress(UowError):
            if connection.needs_reset:
                await connection.reset()
            if self._is_outworn(slot):
                await connection.aclose()
            return connection.is_closed or not connection.needs_reset
        return False

    def _is_outworn(self, slot: Slot) -> bool:
        return (
            self._is_closed
            or slot.generation != self._generation
            or time.monotonic() > slot.expires
        )

    def _give_on(self, slot: Slot) -> None:
        """Give a place we have in hand to the first waiter, else keep its connection or free it."""
        connection = slot.connection
        if connection is not None and (connection.is_closed or self._is_outworn(slot)):
            connection.terminate()
            slot.connection = None
        if self._waiters:
            waiter = self._waiters.popleft()
            waiter.slot = slot
            waiter.event.set()
            return
        self._in_hand -= 1
        if slot.connection is not None:
            self._idle.append(slot)
        self._note_empty()

    def discard(self, connection: Connection) -> None:
        """Cut a connection on loan off and free its place, at once; nothing if not on loan."""
        slot = self._loans.pop(id(connection), None)
        if slot is None or self._home.is_foreign:
            return
        slot.is_lent = False
        self._in_hand += 1
        self._cut_off(connection)
        self._give_on(slot)

    def give_up(self, connection: Connection, error: ConnectionLostError) -> bool:  # noqa: ARG002
        """Cut off a connection on loan that was lost at its first step.

        Returns:
            Whether another may do better: not if this one had been opened just for this loan.
        """
        slot = self._loans.get(id(connection))
        was_idle = slot is not None and slot.loans > 1
        self.discard(connection)
        return was_idle

    def _cut_off(self, connection: Connection) -> None:
        self._terminated += 1
        self._doubted = time.monotonic()
        connection.terminate()

    def forsake(self, connection: Connection) -> None:
        """As `discard`, for finalisers: these may run in any thread, and wake nobody from there.

        The place is then free from our own next step on, a second later at most.
        """
        if self._home.is_here():
            self.discard(connection)
            return
        slot = self._loans.get(id(connection))
        if slot is not None and slot.is_lent and not self._home.is_foreign:
            slot.is_lent = False
            connection.terminate()
            self._forgotten.append((id(connection), slot))

    # -- all of them

    def bump(self) -> None:
        """Give out none of the present connections again: idle ones end now, others on return."""
        self._generation += 1
        idle = list(self._idle)
        self._idle.clear()
        for slot in idle:
            self._in_hand += 1
            self._give_on(slot)

    async def open(self) -> None:
        """Open `min_size` connections.

        Raises:
            UowError: why one could not be opened.
        """
        self._check_use()
        taken: list[Connection] = []
        try:
            while len(taken) < min(self.min_size, self.max_size):
                taken.append(await self.acquire())
        finally:
            for connection in taken:
                if not self.release_nowait(connection):  # the pool was closed meanwhile
                    self.discard(connection)

    async def aclose(self, timeout: float = 10.0) -> None:
        """Give out no more, wait for the loans to come back, close all. May be called twice.

        Waiters get `PoolClosedError` at once. A cancelled call cuts everything off.

        Args:
            timeout: seconds after which loans are cut off.
        """
        self._is_closed = True
        if self._home.is_settled and not self._home.is_here():
            self.terminate_all()
            return
        self._dismiss_waiters(self._closed_error())
        try:
            idle = [slot.connection for slot in self._idle]
            self._idle.clear()
            async with anyio.create_task_group() as tasks:
                for connection in idle:
                    if connection is not None:
                        tasks.start_soon(self._close, connection)
            if self._is_empty is None:
                self._is_empty = anyio.Event()
            self._note_empty()
            with anyio.move_on_after(timeout):
                await self._is_empty.wait()
            if self._loans:
                logger.warning(
                    "%s was closed while connections were on loan; they were cut off: %s",
                    self.name,
                    ", ".join(self.holders()),
                )
        finally:
            self.terminate_all()

    def terminate_all(self) -> None:
        """Cut everything off at once, without waiting, and close the pool."""
        self._is_closed = True
        if self._home.is_foreign:
            self._home.keep_inherited([slot.connection for slot in self._idle])
            self._idle.clear()
            self._loans.clear()
            return
        self._dismiss_waiters(self._closed_error())
        self.bump()
        for slot in list(self._loans.values()):
            connection = slot.reference() if slot.reference is not None else None
            if connection is not None:
                self.discard(connection)
        self._collect_forgotten()

    def _dismiss_waiters(self, error: UowError) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            waiter.error = error
            waiter.event.set()

    async def _close(self, connection: Connection) -> None:
        """Close in good order if that is quick, else cut off."""
        try:
            # Whatever goes wrong in closing, `terminate` sees to it.
            with anyio.move_on_after(self.cleanup_budget, shield=True), suppress(UowError):
                await connection.aclose()
        finally:
            connection.terminate()

    def _note_empty(self) -> None:
        if self._is_empty is not None and not (self._loans or self._cleaning or self._in_hand):
            self._is_empty.set()

    def _collect_forgotten(self) -> None:
        while self._forgotten:
            key, slot = self._forgotten.popleft()
            if self._loans.get(key) is slot:
                del self._loans[key]
                slot.is_lent = False
                self._terminated += 1
                self._in_hand += 1
                self._give_on(slot)

    # -- where it belongs

    def _check_use(self) -> None:
        if self._is_closed:
            raise self._closed_error()
        self._home.settle(self.name)

    def _closed_error(self) -> PoolClosedError:
        return PoolClosedError(f"{self.name} is closed", phase=Phase.ACQUIRE)


def _cancel_requests() -> int:
    """How often the running asyncio task was asked to cancel; trio's scopes need no count."""
    asyncio: Any = sys.modules.get("asyncio")
    try:
        task = asyncio.current_task() if asyncio is not None else None
    except RuntimeError:
        return 0
    return 0 if task is None else int(task.cancelling())
