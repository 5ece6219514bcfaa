"""The check of a JSON column's values."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, cast, final

from uow.values.class_fields import field_names
from uow.values.json.hints import JSON_RULES, walk_for
from uow.values.json.levels import Known, Level, Rules, Walk
from uow.values.json.plain import items_of
from uow.values.json.problems import DepthError, PathError

__all__ = ["JsonChecker"]


@final
class JsonChecker:
    """Checks the values of a JSON column, and copies the lists and dicts in them."""

    __slots__ = ("_check_key", "_max_depth", "_walk")

    def __init__(
        self, annotation: object, max_depth: int = 100, *, rules: Rules = JSON_RULES
    ) -> None:
        """Make the check.

        Args:
            annotation: the type hint of the values; None or Any takes whatever JSON can hold.
            max_depth: how many levels they may have.
            rules: what the store can keep.
        """
        self._walk: Walk = walk_for(Any if annotation is None else annotation, rules)
        self._check_key = rules.check_key
        self._max_depth = max_depth

    def __call__(self, value: Any) -> Any:
        """Check and copy a value.

        Raises:
            ValueError: it does not fit.
        """
        return self._checked(value, Level(self._max_depth, {}, self._check_key, copies=True))

    def within(self, value: Any, known: Known) -> Any:
        """Check a value that is going to be copied, and copy only what must be another.

        Args:
            value: the value.
            known: what other values that go along have in common with it.

        Raises:
            ValueError: it does not fit.
        """
        return self._checked(value, Level(self._max_depth, known, self._check_key, copies=False))

    def _checked(self, value: Any, level: Level) -> Any:
        try:
            return self._walk(value, level)
        except DepthError:
            raise self._depth_problem(value) from None

    def _depth_problem(self, value: Any) -> PathError:
        circle = _circle_in(value)
        if circle is not None:
            return PathError("a cycle, which JSON cannot hold", *reversed(circle))
        return PathError(
            f"more than {self._max_depth} levels; type=Json(max_depth=...) allows more"
        )


def _circle_in(value: Any) -> list[str] | None:
    """The steps to what holds itself, if something in a value does."""
    above: set[int] = set()
    seen: set[int] = set()
    steps: list[tuple[str, Any, Iterator[tuple[str, Any]]]] = [("", value, _members(value))]
    while steps:
        _, holder, members = steps[-1]
        above.add(id(holder))
        for step, member in members:
            if id(member) in above:
                return [*(name for name, _, _ in steps if name), step]
            if id(member) not in seen:
                seen.add(id(member))
                steps.append((step, member, _members(member)))
                break
        else:
            above.discard(id(holder))
            steps.pop()
    return None


def _members(value: object) -> Iterator[tuple[str, Any]]:
    """What a value holds, each with the step to it."""
    if isinstance(value, dict):
        return ((f".{key}", member) for key, member in items_of(cast("Any", value)))
    class_: type[Any] = type(value)
    names = () if isinstance(value, type) else field_names(class_)
    if not names and isinstance(value, (list, tuple, deque, set, frozenset)):
        members = enumerate(cast("Iterable[Any]", value))
        return ((f"[{n}]", member) for n, member in members)
    return ((f".{name}", cast("Any", getattr(value, name, None))) for name in names)
