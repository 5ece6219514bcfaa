"""Keys of new documents, many at a time.

`ObjectId()` asks for the time, the process and a lock for each one, which takes longer than to
encode the document. Here they are asked for once, and the random bytes are others than the
client's, so that no key of ours meets one of its.

"BSON ObjectID Specification",
https://github.com/mongodb/specifications/blob/master/source/bson-objectid/objectid.md.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Final, final

from bson import ObjectId

__all__ = ["new_object_ids"]

_MOST: Final = 0xFF_FF_FF


@final
class _Source:
    """Where the keys of a process come from; a child that it forks has random bytes of its own."""

    __slots__ = ("_lock", "_next", "_random")

    def __init__(self) -> None:
        self.renew()
        os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        self._lock = threading.Lock()
        self._random = os.urandom(5)
        self._next = int.from_bytes(os.urandom(3), "big")

    def draw(self, count: int) -> list[ObjectId]:
        with self._lock:
            first = self._next
            self._next = (first + count) & _MOST
        head = int(time.time()).to_bytes(4, "big") + self._random
        return [
            ObjectId(head + (number & _MOST).to_bytes(3, "big"))
            for number in range(first, first + count)
        ]


_source: Final = _Source()


def new_object_ids(count: int) -> list[ObjectId]:
    """Make keys that nobody has: ascending, but where the counter of 24 bits begins anew."""
    return _source.draw(count)
