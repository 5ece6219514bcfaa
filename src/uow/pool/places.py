"""The places of a pool, the queue for them, and what is known of a loan."""

from __future__ import annotations

import sys
import time
import warnings
import weakref
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from uow.drivers.base import Connection
from uow.errors import UowError

if TYPE_CHECKING:
    from types import CodeType

__all__ = ["Forgotten", "Slot", "Waiter", "call_site"]

_PACKAGE = str(Path(__file__).parent.parent)
_IS_OURS: dict[str, bool] = {}


class Slot:
    """One place, and the connection in it while nobody has that on loan.

    Attributes:
        generation: of the pool, when its connection was opened.
        expires: when its connection is too old.
        connection: while nobody has it on loan.
        reference: to the connection, also while it is on loan.
        is_lent: whether it is on loan.
        loans: how often its connection was lent.
        since: when it was lent, or came back.
        code: where it was acquired.
        instruction: where in that code.
    """

    __slots__ = (
        "code",
        "connection",
        "expires",
        "generation",
        "instruction",
        "is_lent",
        "loans",
        "reference",
        "since",
    )

    def __init__(self, generation: int, expires: float) -> None:
        self.generation = generation
        self.expires = expires
        self.connection: Connection | None = None
        self.reference: weakref.ref[Connection] | None = None
        self.is_lent = False
        self.loans = 0
        self.since = 0.0
        self.code: CodeType | None = None
        self.instruction = 0

    def site(self) -> str:
        """Where it was acquired: `file.py:12 (3.2 s)`."""
        held = f"{time.monotonic() - self.since:.1f} s"
        if self.code is None:
            return f"an unknown place ({held})"
        line: int | None = self.code.co_firstlineno
        for start, end, number in self.code.co_lines():
            if start <= self.instruction < end:
                line = number or line
        return f"{self.code.co_filename}:{line} ({held})"


class Waiter:
    """A place in the queue. Whoever serves it sets `slot` or `error`, and the event, in one step.

    The slot holds a connection that came back, or none: then there is room to open one.
    """

    __slots__ = ("error", "event", "slot")

    def __init__(self) -> None:
        self.event = anyio.Event()
        self.slot: Slot | None = None
        self.error: UowError | None = None


class Forgotten:
    """Runs when a connection is gone. Knows the slot, not the pool: it must keep neither alive."""

    __slots__ = ("forgotten", "key", "slot")

    def __init__(
        self, forgotten: deque[tuple[int, Slot]], slot: Slot, connection: Connection
    ) -> None:
        self.forgotten = forgotten
        self.slot = slot
        self.key = id(connection)

    def __call__(self, _reference: object) -> None:
        """Note it, and say so."""
        slot = self.slot
        if slot.is_lent:
            self.forgotten.append((self.key, slot))
            warnings.warn(
                f"a connection was never given back; it was acquired at {slot.site()}",
                ResourceWarning,
                stacklevel=2,
            )


def call_site() -> tuple[CodeType | None, int]:
    """Find the nearest caller outside of this package: its code and where in it."""
    frame = sys._getframe(2)
    while True:
        file = frame.f_code.co_filename
        is_ours = _IS_OURS.get(file)
        if is_ours is None:
            is_ours = file.startswith(_PACKAGE) or file.endswith("contextlib.py")
            _IS_OURS[file] = is_ours
        if not is_ours:
            return frame.f_code, frame.f_lasti
        if frame.f_back is None:
            return None, 0
        frame = frame.f_back
