"""Wake whoever has waited for longer than a budget, with one timer for all who wait.

A timer for each would cost more than most of the answers take: it is made, put in order among the
others, cancelled, and kept by the event loop until it sweeps. Here who waits is put at the end of a
queue, and taken out again. All have the same budget, so the first in the queue is due first, and
only for that one a timer runs.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from threading import local
from typing import Final, Protocol
from weakref import ref

__all__ = ["Alarm", "alarm_of"]


class Sleeper(Protocol):
    """Who waits."""

    def wake(self) -> None:
        """Let it go on."""
        ...


class Alarm:
    """The queue of one event loop for one budget.

    Args:
        loop: the event loop.
        budget: seconds.
    """

    __slots__ = ("_budget", "_deadlines", "_is_set", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, budget: float) -> None:
        self._loop = ref(loop)
        self._budget = budget
        self._deadlines: dict[Sleeper, float] = {}
        self._is_set = False

    def is_of(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether it is of an event loop."""
        return self._loop() is loop

    def set(self, sleeper: Sleeper, loop: asyncio.AbstractEventLoop) -> float:
        """Have somebody woken when the budget is spent.

        Returns:
            When that is, in the event loop's time.
        """
        deadline = self._deadlines[sleeper] = loop.time() + self._budget
        if not self._is_set:
            self._is_set = True
            # In no context of anybody's, which it would keep alive.
            loop.call_at(deadline, self._ring, loop, context=Context())
        return deadline

    def stop(self, sleeper: Sleeper) -> None:
        """Wake somebody no more."""
        self._deadlines.pop(sleeper, None)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        while self._deadlines:
            sleeper, deadline = next(iter(self._deadlines.items()))
            if deadline > now:
                loop.call_at(deadline, self._ring, loop, context=Context())
                return
            del self._deadlines[sleeper]
            sleeper.wake()
        self._is_set = False


class _Here(local):
    """The alarms of the event loop that runs in this thread, by budget."""

    def __init__(self) -> None:
        self.alarms: dict[float, Alarm] = {}


_here: Final = _Here()


def alarm_of(loop: asyncio.AbstractEventLoop, budget: float) -> Alarm:
    """Give the alarm of the running event loop for a budget."""
    alarms = _here.alarms
    alarm = alarms.get(budget)
    if alarm is None or not alarm.is_of(loop):
        # Another loop ran here before: whoever waits in that is there no more.
        alarm = alarms[budget] = Alarm(loop, budget)
    return alarm
