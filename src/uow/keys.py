"""Keys made by the client: `uuid7` and `ulid`, sortable by the time they were made."""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

__all__ = ["ulid", "uuid7"]

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class _Clock:
    """Milliseconds and random bits that never repeat and never go back within a process.

    Keys of one millisecond count up from a random start, so that they sort as they were made;
    a count that runs over moves to the next millisecond, ahead of the real clock.
    """

    __slots__ = ("_bits", "_count", "_lock", "_millisecond")

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._lock = threading.Lock()
        self._millisecond = 0
        self._count = 0

    def next(self) -> tuple[int, int]:
        """The next pair of milliseconds since the epoch and random bits."""
        now = time.time_ns() // 1_000_000
        with self._lock:
            if now > self._millisecond:
                self._restart(now)
            else:
                # A random step keeps neighbours unguessable; 32 bits leave room for many.
                self._count += 1 + int.from_bytes(os.urandom(4), "big")
                if self._count >> self._bits:
                    self._restart(self._millisecond + 1)
            return self._millisecond, self._count

    def _restart(self, millisecond: int) -> None:
        self._millisecond = millisecond
        # The top bit is left free, so that a millisecond has room to count up.
        self._count = int.from_bytes(os.urandom(10), "big") >> (80 - self._bits + 1)

    def renew(self) -> None:
        """Forget everything; a forked child must not repeat its parent's keys."""
        self._lock = threading.Lock()
        self._restart(self._millisecond)


_uuid7_clock = _Clock(74)
_ulid_clock = _Clock(80)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_uuid7_clock.renew)
    os.register_at_fork(after_in_child=_ulid_clock.renew)


def uuid7() -> UUID:
    """Make a UUID of version 7 (RFC 9562, section 5.7): 48 bits of time, 74 random ones.

    Later calls of a process give greater values; safe to call from any thread.
    """
    millisecond, bits = _uuid7_clock.next()
    high, low = bits >> 62, bits & 0x3FFF_FFFF_FFFF_FFFF
    return UUID(int=millisecond << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)


def ulid() -> str:
    """Make a ULID (https://github.com/ulid/spec): 26 characters, 48 bits of time, 80 random ones.

    Later calls of a process give greater values; safe to call from any thread.
    """
    millisecond, bits = _ulid_clock.next()
    value = millisecond << 80 | bits
    return "".join(_CROCKFORD[value >> shift & 31] for shift in range(125, -1, -5))
