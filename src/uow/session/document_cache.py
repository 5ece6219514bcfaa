"""What was found of a document class, kept for a while: `Settings.use_cache`.

Documents are kept as the store gave them, by what was asked; objects are made of them anew for each
session. Every write of this process to the class, and its commit, empties the cache. A write by
another process is seen when `cache_expiration_time` has passed.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uow.mapping.mapper import Mapper
    from uow.session.ledger import Ledger

__all__ = ["DocumentCache", "cache_of", "forget_cached"]


class DocumentCache:
    """What was found of one class, least recently asked first.

    Attributes:
        generation: how often it was emptied.
    """

    __slots__ = ("_capacity", "_clock", "_found", "_lifetime", "generation")

    def __init__(
        self,
        capacity: int = 32,
        lifetime: timedelta = timedelta(minutes=10),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._capacity = capacity
        self._lifetime = lifetime.total_seconds()
        self._clock = clock
        self._found: OrderedDict[str, tuple[float, list[Any]]] = OrderedDict()
        self.generation = 0

    def __len__(self) -> int:
        return len(self._found)

    def get(self, question: str) -> list[Any] | None:
        """Give what was found, if it is not too old."""
        known = self._found.get(question)
        if known is None:
            return None
        since, rows = known
        if self._clock() - since > self._lifetime:
            del self._found[question]
            return None
        self._found.move_to_end(question)
        return rows

    def put(self, question: str, rows: list[Any], generation: int) -> None:
        """Keep what was found, unless something was written since the question was sent."""
        if generation != self.generation:
            return
        self._found[question] = (self._clock(), rows)
        self._found.move_to_end(question)
        while len(self._found) > self._capacity:
            self._found.popitem(last=False)

    def clear(self) -> None:
        """Forget all of it."""
        self._found.clear()
        self.generation += 1


def cache_of(mapper: Mapper) -> DocumentCache:
    """Give the cache of a class that has one."""
    found: DocumentCache | None = mapper.kept.get(DocumentCache)
    if found is None:
        options: Mapping[str, Any] = {} if mapper.document is None else mapper.document.options
        found = mapper.kept[DocumentCache] = DocumentCache(
            options.get("cache_capacity", 32),
            options.get("cache_expiration_time", timedelta(minutes=10)),
        )
    return found


def forget_cached(mapper: Mapper, ledger: Ledger) -> None:
    """Something is written to a class: forget what was found of it, now and when it commits."""
    if mapper.caches:
        cache = cache_of(mapper)
        cache.clear()
        ledger.frames[-1].callbacks.append(cache.clear)
