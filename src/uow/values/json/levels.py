"""`Level`: how deep a check is, and what it has met."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from operator import is_
from typing import Any, Final, TypeAlias

import attrs

from uow.values.json.problems import DepthError

__all__ = ["Known", "Level", "Rules", "Walk"]

Known: TypeAlias = dict[int, tuple[Any, Any, Any, int]]
"""By `id`: a container, what became of it, by which walk, and with how many levels left."""


_BUILTIN: Final = frozenset({deque, dict, list, set})


class Level:
    """One level of a value.

    Attributes:
        left: how many levels there may be below.
        known: the containers that were met, so that one that occurs twice becomes one thing.
        copies: whether builtin containers are copied, even if all in them stays as it is.
        check_key: checks a key of a dict.
    """

    __slots__ = ("_below", "check_key", "copies", "known", "left")

    def __init__(
        self, left: int, known: Known, check_key: Callable[[str], object], *, copies: bool
    ) -> None:
        self.left = left
        self.known = known
        self.copies = copies
        self.check_key = check_key
        self._below: Level | None = None

    def below(self) -> Level:
        """The next level.

        Raises:
            DepthError: there must be none.
        """
        if self._below is None:
            if self.left <= 0:
                raise DepthError
            self._below = Level(self.left - 1, self.known, self.check_key, copies=self.copies)
        return self._below

    def kept(self, value: Any, make: Callable[[Any, Level, Walk], Any], item: Walk) -> Any:
        """Give a container as it is to be kept.

        Args:
            value: the container.
            make: makes another one of it, with the level of its members and their walk.
            item: the walk of its members.
        """
        found = self.known.get(id(value))
        if found is not None and found[2] is item and found[3] <= self.left:
            return found[1]
        made = make(value, self.below(), item)
        if not self.copies and type(value) in _BUILTIN and _are_alike(value, made):
            made = value
        if found is not None and _are_alike(found[1], made):
            return found[1]  # by another walk, to the same end
        self.known[id(value)] = value, made, item, self.left
        return made


Walk: TypeAlias = Callable[[Any, Level], Any]
"""Checks a value, and gives it as it is to be kept."""


@attrs.frozen
class Rules:
    """What a kind of store can keep.

    Attributes:
        plain: the walk of values of which nothing is known.
        scalar: makes the walk of a scalar type.
        check_key: checks a key of a dict.
    """

    plain: Walk
    scalar: Callable[[Any], Walk]
    check_key: Callable[[str], object]


def _are_alike(one: Any, other: Any) -> bool:
    """Whether two containers hold the very same members, in the same order if they have one."""
    if type(one) is not type(other) or len(one) != len(other):
        return False
    if hasattr(one, "keys"):
        return all(map(is_, one.values(), other.values())) and one.keys() == other.keys()
    if hasattr(one, "isdisjoint"):  # a set
        return {*map(id, one)} == {*map(id, other)}
    return all(map(is_, one, other))
