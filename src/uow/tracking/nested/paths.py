"""Which paths of a document differ: what a store that writes parts of documents is to be told."""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from typing import Any, Final, cast

from uow.mapping.columns import MISSING

__all__ = ["is_same", "path_changes"]

MANY: Final = 8
"""In a list of more members, if most of them are others it is written as a whole."""


def path_changes(old: object, new: object) -> dict[str, tuple[Any, Any]]:
    """Compare two documents of stored values.

    The paths are exact: setting each to its new value, or taking it out where that is `MISSING`,
    makes the one document of the other. A list is one change if it has another length, or if most
    of its many members are others. So is an object in which a key differs that a path could not
    name (one that is empty, holds a dot, or begins with a dollar sign): its path is the nearest
    one that can be named. No path begins another.

    Values are alike if a store would keep them alike: `1`, `1.0` and `True` are not. The order of
    keys is not compared.

    >>> path_changes({"a": {"b": 1, "c": [1, 2]}}, {"a": {"b": 2, "c": [1, 3]}})
    {'a.b': (1, 2), 'a.c.1': (2, 3)}

    Args:
        old: what the store holds.
        new: what it shall hold.

    Returns:
        By dotted path, what stands there and what shall; `MISSING` for nothing. The path of the
        whole document is `""`.
    """
    found: dict[str, tuple[Any, Any]] = {}
    waiting: list[tuple[str, Any, Any]] = [("", old, new)]
    while waiting:
        path, one, other = waiting.pop()
        members = _members(one, other)
        if members is None or _is_written_whole(one, members):
            if not is_same(one, other):
                found[path] = one, other
            continue
        start = f"{path}." if path else ""
        waiting += [
            (f"{start}{step}", old, new)
            for step, old, new in reversed(members)
            if old is not new and not _is_surely_same(old, new)
        ]
    return found


def is_same(old: object, new: object) -> bool:
    """Whether a store would keep two values alike, keys in whichever order."""
    waiting: list[tuple[Any, Any]] = [(old, new)]
    while waiting:
        one, other = waiting.pop()
        if one is other:
            continue
        members = _members(one, other)
        if members is not None:
            if not _is_surely_same(one, other):
                waiting += [(old, new) for _, old, new in members]
        elif _is_container(one) or _is_container(other) or not _is_same_scalar(one, other):
            return False
    return True


_BY_VALUE: Final = 2
"""The last version of the format that does not tell objects from equal ones."""

_PLAIN: Final = frozenset({bool, float, int, str})
_Member = tuple[Any, Any, Any]
"""A step, and what is there in the one and in the other; `MISSING` for nothing."""


def _members(old: object, new: object) -> list[_Member] | None:
    """Two containers, member by member; None if they have no members in common."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        one: Mapping[Any, Any] = cast("Any", old)
        other: Mapping[Any, Any] = cast("Any", new)
        keys = [*one, *(key for key in other if key not in one)]
        return [(key, one.get(key, MISSING), other.get(key, MISSING)) for key in keys]
    if isinstance(old, (list, tuple)) and isinstance(new, (list, tuple)):
        items, others = cast("list[Any]", old), cast("list[Any]", new)
        if len(items) == len(others):
            return list(zip(range(len(items)), items, others, strict=True))
    return None


def _is_written_whole(container: object, members: list[_Member]) -> bool:
    """Whether no path is to lead into a container."""
    if isinstance(container, Mapping):
        return any(not is_same(old, new) for step, old, new in members if not _is_step(step))
    if len(members) <= MANY:
        return False
    others = sum(1 for _, old, new in members if _members(old, new) is None and old != new)
    return others > len(members) / 2


def _is_step(key: object) -> bool:
    return isinstance(key, str) and key != "" and "." not in key and not key.startswith("$")


def _is_container(value: object) -> bool:
    return isinstance(value, (Mapping, list, tuple))


def _is_surely_same(old: Any, new: Any) -> bool:
    """Whether two values are alike to the last bit; False if that is not known at once.

    Most of a document has not changed, and this tells it in a step. The format is that of the
    interpreter's own, which writes builtin values only, and with their types.
    """
    if type(old) in _PLAIN:
        return _is_same_scalar(old, new)
    if not _is_container(old) or type(old) is not type(new):
        return False
    ours: Any = old
    theirs: Any = new
    try:
        return marshal.dumps(ours, _BY_VALUE) == marshal.dumps(theirs, _BY_VALUE)
    except ValueError:
        return False


def _is_same_scalar(old: Any, new: Any) -> bool:
    if type(old) is not type(new):
        # A client has classes of its own for integers of one size, which are integers.
        both = isinstance(old, int) and isinstance(new, int)
        return both and not isinstance(old, bool) and not isinstance(new, bool) and old == new
    if isinstance(old, float):
        return repr(old) == repr(new)  # NaN is NaN, and -0.0 is not 0.0
    return bool(old == new)
