"""Noticing that relations are loaded one object at a time (N + 1 queries)."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from uow.errors import NPlusOneWarning

if TYPE_CHECKING:
    from uow.mapping.paths import LoadStep

__all__ = ["MANY_LOADS", "Repeats", "place_of"]

MANY_LOADS: Final = 5
"""So many loads of single objects at one place are a loop."""


Place: TypeAlias = tuple[str, int, dict[Any, Any]]
"""A file, a line, and what its module remembers of warnings: one for a place is enough."""


def place_of(frame: FrameType) -> Place:
    """The file and the line that a frame is at."""
    registry = frame.f_globals.setdefault("__warningregistry__", {})
    return frame.f_code.co_filename, frame.f_lineno, registry


class Repeats:
    """Counts, for one session, the loads of single objects by the place they are called from."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int, str], int] = {}

    def note(self, where: Place, paths: Iterable[Sequence[LoadStep]]) -> None:
        """One object's relations were read; warn when that is once too often, once for a place.

        Args:
            where: the file and the line that asked for it.
            paths: what is loaded.
        """
        named = ", ".join(
            ".".join([str(p[0].relation), *(s.relation.name for s in p[1:])]) for p in paths
        )
        file, line, registry = where
        place = (file, line, named)
        count = self._counts[place] = self._counts.get(place, 0) + 1
        if count == MANY_LOADS:
            warnings.warn_explicit(
                f"{named} was loaded for one object after the other ({MANY_LOADS} times so far) at "
                f"{file}:{line}; load it for all of them at once: session.load(objects, {named}), "
                f"or .load({named}) on the query",
                NPlusOneWarning,
                file,
                line,
                registry=registry,
            )
