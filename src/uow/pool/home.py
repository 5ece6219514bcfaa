"""Where a pool belongs: to the process and the event loop that use it first."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final, final

from uow.errors import Phase, PoolClosedError

__all__ = ["Home"]


class _Process:
    """The process this runs in; the system is asked for its number once, and not at every loan."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = os.getpid()

    def forked(self) -> None:
        """This is a child of the process that was known."""
        self.number = os.getpid()


_process: Final = _Process()
if hasattr(os, "register_at_fork"):  # where there is none, processes do not fork
    os.register_at_fork(after_in_child=_process.forked)

_INHERITED: list[object] = []
"""Connections of a parent process. Closing them, even by garbage collection, could end its own."""


@final
class Home:
    """One process and one event loop; nobody's until `settle`."""

    __slots__ = ("_loop", "_running_loop", "process")

    def __init__(self) -> None:
        self.process: int | None = None
        self._loop: object = None
        self._running_loop: Callable[[], object] = _no_loop

    def __repr__(self) -> str:
        return f"<Home in process {self.process}>"

    @property
    def is_settled(self) -> bool:
        """Whether it is anybody's."""
        return self.process is not None

    @property
    def is_foreign(self) -> bool:
        """Whether it was settled by another process, of which this one is a fork."""
        return self.process is not None and self.process != _process.number

    def is_here(self) -> bool:
        """Whether the caller runs in this process and in this event loop."""
        try:
            return self.process == _process.number and self._running_loop() is self._loop
        except RuntimeError:
            return False

    def settle(self, name: str) -> None:
        """Settle where the caller runs, or see that he runs where it was settled.

        Args:
            name: of the pool, for messages.

        Raises:
            PoolClosedError: it belongs to another process or event loop.
        """
        if self.process is None:
            self.process = _process.number
            self._running_loop = _loop_reader()
            self._loop = self._running_loop()
        if self.is_foreign:
            raise PoolClosedError(
                f"{name} belongs to the process {self.process}, of which this one is a fork;"
                " open a database of its own here",
                phase=Phase.ACQUIRE,
            )
        if not self.is_here():
            raise PoolClosedError(
                f"{name} belongs to another event loop; open a database of its own here",
                phase=Phase.ACQUIRE,
            )

    def keep_inherited(self, connections: Iterable[object]) -> None:
        """Keep the connections of a parent process for ever; nothing if they are our own."""
        if self.is_foreign:
            _INHERITED.extend(connections)


def _no_loop() -> object:
    raise RuntimeError("used by no event loop yet")


def _loop_reader() -> Callable[[], object]:
    """Choose the function that names the running event loop; it raises RuntimeError without one.

    anyio's own token costs a microsecond a call, as much as all the rest of a loan.
    """
    asyncio: Any = sys.modules.get("asyncio")
    if asyncio is not None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            reader: Callable[[], object] = asyncio.get_running_loop
            return reader
    trio: Any = sys.modules["trio"]
    token: Callable[[], object] = trio.lowlevel.current_trio_token
    return token
