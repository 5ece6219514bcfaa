"""What a document store is told of a changed document: `$set`, `$unset`, `$push`, `$pull`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from uow.mapping.columns import MISSING
from uow.tracking.nested.paths import is_same, path_changes

__all__ = ["Operators", "update_operators"]

Operators: TypeAlias = dict[str, dict[str, Any]]
"""By operator and dotted path, what it is given."""


def update_operators(
    old: Mapping[str, Any], new: Mapping[str, Any], *, pulled: Collection[type] = ()
) -> Operators | None:
    """Tell what makes one document of the other, in MongoDB's update operators.

    Both are documents as the store keeps them: text keys, and values that the client encodes. The
    result is exact: applied to `old` it gives `new`, but for the order of keys, of which new ones
    go to the end. No two of its paths meet in one branch, as the server demands. What cannot be
    named by a path (a key that is empty, holds a dot, or begins with a dollar sign) is written
    with the nearest parent that can.

    A list of another length is pushed to or pulled from where that says the same with less:

    * values added in one place: `$push`, with `$each` and `$position` where they are needed;
    * all occurrences of some values taken out: `$pull`, or `$pullAll` of several.

    An end that is cut off (`$slice`) is not among them: it counts members, and would take others
    away from a list that somebody else added to meanwhile.

    >>> update_operators({"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": {"c": 4}})
    {'$set': {'b.c': 4}, '$unset': {'b.d': ''}}
    >>> update_operators({"tags": ["x", "y"]}, {"tags": ["x", "y", "z"]})
    {'$push': {'tags': 'z'}}
    >>> update_operators({"tags": ["x", "y", "x"]}, {"tags": ["y"]}, pulled={str})
    {'$pull': {'tags': 'x'}}

    Args:
        old: the document in the store.
        new: what it shall be.
        pulled: classes whose values are equal to the store exactly where they are to Python; only
            lists of these are pulled from. With a collation, texts are not among them.

    Returns:
        The operators, empty if the documents are alike; None if only replacing the document says
        it, because a key at its top cannot be named. `_id` is a field like any other here.
    """
    found: Operators = {}
    for path, (before, after) in path_changes(old, new).items():
        if not path:
            return None
        operator, argument = _told(before, after, pulled)
        found.setdefault(operator, {})[path] = argument
    return found


def _told(old: Any, new: Any, pulled: Collection[type]) -> tuple[str, Any]:
    """The operator that makes one value of the other, and its argument."""
    if new is MISSING:
        return "$unset", ""
    told: tuple[str, Any] | None = None
    if _is_list(old) and _is_list(new):
        told = _added(old, new) or _removed(old, new, pulled)
    return told or ("$set", new)


def _is_list(value: object) -> bool:
    return isinstance(value, (list, tuple))


def _added(old: list[Any], new: list[Any]) -> tuple[str, Any] | None:
    """Members were put in, all in one place."""
    count = len(new) - len(old)
    if count <= 0:
        return None
    start = _common(old, new)
    if _common(old[start:][::-1], new[::-1]) < len(old) - start:
        return None
    members = list(new[start : start + count])
    if start < len(old):
        return "$push", {"$each": members, "$position": start}
    if count > 1 or isinstance(members[0], Mapping):  # whose keys could be taken for modifiers
        return "$push", {"$each": members}
    return "$push", members[0]


def _removed(old: list[Any], new: list[Any], pulled: Collection[type]) -> tuple[str, Any] | None:
    """Members were taken out."""
    if not new or len(new) >= len(old):
        return None
    kinds: set[type[Any]] = {type(item) for item in (*old, *new)}
    if len(kinds) == 1 and kinds <= {*pulled}:
        kept = {*new}
        gone = [item for item in dict.fromkeys(old) if item not in kept]
        if 0 < len(gone) <= len(new) and [item for item in old if item in kept] == list(new):
            return ("$pull", gone[0]) if len(gone) == 1 else ("$pullAll", gone)
    return None


def _common(one: list[Any], other: list[Any]) -> int:
    """How many members are alike from the beginning on."""
    for place, (item, another) in enumerate(zip(one, other, strict=False)):
        if not is_same(item, another):
            return place
    return min(len(one), len(other))
