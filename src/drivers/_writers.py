"""The queue of those who want to write, for a store with one writer at a time.

Asking the store again and again until it is free is unfair and slow; within one process we know
who writes, so the others wait in line. Another process is still found out by asking.
"""

from __future__ import annotations

from collections import deque
from typing import final

import anyio

__all__ = ["Writers"]


class _Turn:
    __slots__ = ("event", "owner")

    def __init__(self, owner: object) -> None:
        self.event = anyio.Event()
        self.owner = owner


@final
class Writers:
    """A lock with an owner: first come, first served, with a deadline."""

    __slots__ = ("_owner", "_turns")

    def __init__(self) -> None:
        self._owner: object | None = None
        self._turns: deque[_Turn] = deque()

    def acquire_nowait(self, owner: object) -> bool:
        """Take the turn if nobody has it."""
        if self._owner is owner:
            return True
        if self._owner is None:
            self._owner = owner
            return True
        return False

    async def acquire(self, owner: object, deadline: float) -> bool:
        """Take the turn, or wait for it.

        Args:
            owner: who will write.
            deadline: by the event loop's clock.

        Returns:
            False if the deadline passed.
        """
        if self.acquire_nowait(owner):
            return True
        turn = _Turn(owner)
        self._turns.append(turn)
        try:
            with anyio.move_on_after(max(0.0, deadline - anyio.current_time())):
                await turn.event.wait()
        except BaseException:
            if turn.event.is_set():
                self.release(owner)
            else:
                self._turns.remove(turn)
            raise
        if not turn.event.is_set():
            self._turns.remove(turn)
            return False
        return True

    def release(self, owner: object) -> None:
        """Give the turn to the next, in one step. Nothing if the owner does not have it."""
        if self._owner is not owner:
            return
        self._owner = None
        if self._turns:
            turn = self._turns.popleft()
            self._owner = turn.owner
            turn.event.set()
