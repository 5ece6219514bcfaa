"""Every way of changing a value, as a table: what it is done to, and how."""

from __future__ import annotations

import operator as typed_operator
from collections import deque
from collections.abc import Callable
from typing import Any, Final

operator: Any = typed_operator  # its in-place functions have no types

__all__ = ["BYTES", "DEQUES", "DICTS", "JSON", "LISTS", "MUTATIONS", "SETS", "Mutation"]

Mutation = tuple[Callable[[], Any], Callable[[Any], object]]
"""What makes a value, and what changes it."""


def _numbers() -> Any:
    return [3, 1, [2]]


def _sortable() -> Any:
    return [3, 1, 2]


def _pairs() -> Any:
    return {"a": 1, "b": [2]}


def _set() -> Any:
    return {1, 2, "x"}


def _deque() -> Any:
    return deque([1, 2, [3]])


def _bytes() -> Any:
    return bytearray(b"abc")


def _full() -> Any:
    return deque([1, [2]], maxlen=2)


def _delete_slice(value: Any) -> None:
    del value[0:2]


def _set_slice(value: Any) -> None:
    value[1:] = [[5], 6]


def _set_stepped(value: Any) -> None:
    value[::2] = [7, 8]


LISTS: Final[dict[str, Mutation]] = {
    "append": (_numbers, lambda v: v.append([4])),
    "extend": (_numbers, lambda v: v.extend([4, {"k": 5}])),
    "insert": (_numbers, lambda v: v.insert(1, [4])),
    "remove": (_numbers, lambda v: v.remove(1)),
    "remove a list": (_numbers, lambda v: v.remove([2])),
    "pop": (_numbers, lambda v: v.pop()),
    "pop the first": (_numbers, lambda v: v.pop(0)),
    "clear": (_numbers, lambda v: v.clear()),
    "sort": (_sortable, lambda v: v.sort()),
    "sort by key": (_sortable, lambda v: v.sort(key=lambda n: -n)),
    "reverse": (_numbers, lambda v: v.reverse()),
    "set item": (_numbers, lambda v: operator.setitem(v, 0, {"a": [1]})),
    "set last item": (_numbers, lambda v: operator.setitem(v, -1, 9)),
    "set slice": (_numbers, _set_slice),
    "set stepped slice": (_numbers, _set_stepped),
    "delete item": (_numbers, lambda v: operator.delitem(v, 2)),
    "delete slice": (_numbers, _delete_slice),
    "iadd": (_numbers, lambda v: operator.iadd(v, [[4]])),
    "imul": (_numbers, lambda v: operator.imul(v, 2)),
    "imul by nothing": (_numbers, lambda v: operator.imul(v, 0)),
    "in a member": (_numbers, lambda v: v[2].append(5)),
    "in a member found by iteration": (_numbers, lambda v: [*v][2].append(5)),
    "in a member found from behind": (_numbers, lambda v: next(reversed(v)).append(5)),
    "in a member of a slice": (_numbers, lambda v: v[1:][1].append(5)),
    "in a member of a copy": (_numbers, lambda v: v.copy()[2].append(5)),
    "in a member of a sum": (_numbers, lambda v: v.__add__([])[2].append(5)),
    "in a member of a sum from the right": (_numbers, lambda v: operator.add([], v)[2].append(5)),
    "in a member of a product": (_numbers, lambda v: (v * 1)[2].append(5)),
    "in a member of a product from the right": (_numbers, lambda v: (1 * v)[2].append(5)),
}

DICTS: Final[dict[str, Mutation]] = {
    "set": (_pairs, lambda v: operator.setitem(v, "c", [3])),
    "set again": (_pairs, lambda v: operator.setitem(v, "b", {"x": 1})),
    "delete": (_pairs, lambda v: operator.delitem(v, "b")),
    "pop": (_pairs, lambda v: v.pop("b")),
    "popitem": (_pairs, lambda v: v.popitem()),
    "clear": (_pairs, lambda v: v.clear()),
    "update": (_pairs, lambda v: v.update({"a": [1]}, c=2)),
    "update by pairs": (_pairs, lambda v: v.update([("a", 5)])),
    "setdefault": (_pairs, lambda v: v.setdefault("c", []).append(1)),
    "ior": (_pairs, lambda v: operator.ior(v, {"c": [3]})),
    "in a value": (_pairs, lambda v: v["b"].append(5)),
    "in a value got": (_pairs, lambda v: v.get("b").append(5)),
    "in a value of values": (_pairs, lambda v: [*v.values()][1].append(5)),
    "in a value of items": (_pairs, lambda v: dict(v.items())["b"].append(5)),
    "in a value set by default": (_pairs, lambda v: v.setdefault("b", []).append(5)),
    "in a value of a dict": (_pairs, lambda v: dict(v)["b"].append(5)),
    "in a value unpacked": (_pairs, lambda v: {**v}["b"].append(5)),
    "in a value of a copy": (_pairs, lambda v: v.copy()["b"].append(5)),
    "in a value of a union": (_pairs, lambda v: (v | {})["b"].append(5)),
    "in a value of a union from the right": (_pairs, lambda v: ({} | v)["b"].append(5)),
}

SETS: Final[dict[str, Mutation]] = {
    "add": (_set, lambda v: v.add(5)),
    "add a tuple": (_set, lambda v: v.add((1, 2))),
    "discard": (_set, lambda v: v.discard(1)),
    "remove": (_set, lambda v: v.remove(2)),
    "pop": (_set, lambda v: v.pop()),
    "clear": (_set, lambda v: v.clear()),
    "update": (_set, lambda v: v.update([7], {8})),
    "difference_update": (_set, lambda v: v.difference_update([1])),
    "intersection_update": (_set, lambda v: v.intersection_update([1])),
    "symmetric_difference_update": (_set, lambda v: v.symmetric_difference_update([1, 9])),
    "ior": (_set, lambda v: operator.ior(v, {7})),
    "isub": (_set, lambda v: operator.isub(v, {1})),
    "iand": (_set, lambda v: operator.iand(v, {1})),
    "ixor": (_set, lambda v: operator.ixor(v, {1, 9})),
}

DEQUES: Final[dict[str, Mutation]] = {
    "append": (_deque, lambda v: v.append([4])),
    "append to a full one": (_full, lambda v: v.append([4])),
    "appendleft": (_deque, lambda v: v.appendleft([4])),
    "appendleft to a full one": (_full, lambda v: v.appendleft([4])),
    "extend": (_deque, lambda v: v.extend([4, 5])),
    "extendleft": (_deque, lambda v: v.extendleft([4, 5])),
    "insert": (_deque, lambda v: v.insert(1, [4])),
    "pop": (_deque, lambda v: v.pop()),
    "popleft": (_deque, lambda v: v.popleft()),
    "remove": (_deque, lambda v: v.remove([3])),
    "clear": (_deque, lambda v: v.clear()),
    "reverse": (_deque, lambda v: v.reverse()),
    "rotate": (_deque, lambda v: v.rotate(1)),
    "set item": (_deque, lambda v: operator.setitem(v, 0, [9])),
    "delete item": (_deque, lambda v: operator.delitem(v, 0)),
    "iadd": (_deque, lambda v: operator.iadd(v, [4])),
    "imul": (_deque, lambda v: operator.imul(v, 2)),
    "in a member": (_deque, lambda v: v[2].append(5)),
    "in a member of a copy": (_deque, lambda v: v.copy()[2].append(5)),
}

BYTES: Final[dict[str, Mutation]] = {
    "append": (_bytes, lambda v: v.append(1)),
    "extend": (_bytes, lambda v: v.extend(b"xy")),
    "insert": (_bytes, lambda v: v.insert(0, 5)),
    "remove": (_bytes, lambda v: v.remove(97)),
    "pop": (_bytes, lambda v: v.pop()),
    "clear": (_bytes, lambda v: v.clear()),
    "reverse": (_bytes, lambda v: v.reverse()),
    "set item": (_bytes, lambda v: operator.setitem(v, 0, 1)),
    "set slice": (_bytes, lambda v: operator.setitem(v, slice(0, 2), b"xyz")),
    "delete slice": (_bytes, lambda v: operator.delitem(v, slice(0, 2))),
    "iadd": (_bytes, lambda v: operator.iadd(v, b"x")),
    "imul": (_bytes, lambda v: operator.imul(v, 2)),
    "through a view": (_bytes, lambda v: operator.setitem(memoryview(v), 0, 1)),
}
"""No hook sees these: they are found by comparison."""

JSON: Final[dict[str, Mutation]] = {
    **{f"list: {name}": mutation for name, mutation in LISTS.items()},
    **{f"dict: {name}": mutation for name, mutation in DICTS.items()},
}
"""What can be done to plain JSON."""

MUTATIONS: Final[dict[str, Mutation]] = {
    **JSON,
    **{f"set: {name}": mutation for name, mutation in SETS.items()},
    **{f"deque: {name}": mutation for name, mutation in DEQUES.items()},
}
