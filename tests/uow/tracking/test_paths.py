"""Which paths of a document differ."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uow.mapping.columns import MISSING
from uow.tracking.nested.paths import path_changes


class Size(int):
    """An integer as a client reads it."""


CASES: list[tuple[Any, Any, dict[str, tuple[Any, Any]]]] = [
    ({"a": 1}, {"a": 1}, {}),
    ({"a": 1}, {"a": 2}, {"a": (1, 2)}),
    ({"a": 1}, {}, {"a": (1, MISSING)}),
    ({}, {"a": [1]}, {"a": (MISSING, [1])}),
    ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 3}]}}, {"a.b.1.c": (2, 3)}),
    ({"a": [1]}, {"a": [1, 2]}, {"a": ([1], [1, 2])}),
    ({"a": {"x.y": 1}}, {"a": {"x.y": 2}}, {"a": ({"x.y": 1}, {"x.y": 2})}),
    ({"a": {"x.y": 1, "b": 1}}, {"a": {"x.y": 1, "b": 2}}, {"a.b": (1, 2)}),
    ({"a": {"b": {"$x": 1}}}, {"a": {"b": {}}}, {"a.b": ({"$x": 1}, {})}),
    ({"a": {"$x": 1}}, {"a": {"$x": 1}}, {}),
    ({"a": {"0": 1}}, {"a": {"0": 2}}, {"a.0": (1, 2)}),
    ({"a": {1: 1}}, {"a": {1: 2}}, {"a": ({1: 1}, {1: 2})}),
    ({"a": {"b": 1, "c": 2}}, {"a": {"c": 2, "b": 1}}, {}),
    ({"a": [*range(9)]}, {"a": [*range(9)][::-1]}, {"a": ([*range(9)], [*range(9)][::-1])}),
    ({"a": [*range(9)]}, {"a": [*range(8), 9]}, {"a.8": (8, 9)}),
    ({"a": float("nan"), "b": 0.0}, {"a": float("nan"), "b": 0.0}, {}),
    ({"": 1}, {"": 2}, {"": ({"": 1}, {"": 2})}),
    ({"a": 1}, {"a": True}, {"a": (1, True)}),
    ({"a": 1}, {"a": 1.0}, {"a": (1, 1.0)}),
    ({"a": [1]}, {"a": {"0": 1}}, {"a": ([1], {"0": 1})}),
    ({"a": [1, None]}, {"a": (1, None)}, {}),
    ({"a": Size(1)}, {"a": 1}, {}),
    ([1], None, {"": ([1], None)}),
]


@pytest.mark.parametrize(("old", "new", "wanted"), CASES)
def test_paths(old: Any, new: Any, wanted: dict[str, tuple[Any, Any]]) -> None:
    """A path leads to what differs, as deep as it can be named."""
    assert path_changes(old, new) == wanted


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "x.y", "$s", ""]), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(DOCUMENTS, DOCUMENTS)
def test_paths_make_one_of_the_other(old: Any, new: Any) -> None:
    """Setting every path makes the new document of the old one; without any they are alike."""
    made = {"root": copy.deepcopy(old)}
    for path, (before, after) in path_changes(old, new).items():
        *steps, last = ["root", *path.split(".")] if path else ["root"]
        place: Any = made
        for step in steps:
            place = place[step if isinstance(place, dict) else int(step)]
        at: Any = last if isinstance(place, dict) else int(last)
        assert repr(place[at] if before is not MISSING else MISSING) == repr(before)
        if after is MISSING:
            del place[at]
        else:
            place[at] = after

    assert ordered(made["root"]) == ordered(new)


def ordered(value: Any) -> str:
    """The text of a document with its keys in order."""
    if isinstance(value, dict):
        return str({key: ordered(value[key]) for key in sorted(value)})
    return str([ordered(item) for item in value]) if isinstance(value, list) else repr(value)
