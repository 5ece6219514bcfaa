"""What a document store is told of a changed document."""

from __future__ import annotations

import copy
import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.uow.tracking.operators import RefusedError, applied
from tests.uow.tracking.test_paths import ordered
from uow.tracking.nested.updates import update_operators

NOON = dt.datetime(2020, 1, 1, 12, tzinfo=dt.UTC)


class Key:
    """A class of a client's whose values have no order."""

    def __repr__(self) -> str:
        return "Key()"

    def __deepcopy__(self, memo: object) -> Key:
        return self


KEYS = [Key(), Key()]

PULLED = frozenset({bool, int, str, dt.datetime})
"""What a store compares as Python does, if its texts have no collation."""

CASES: list[tuple[Any, Any, Any]] = [
    ({"a": 1}, {"a": 1}, {}),
    ({"a": 1, "b": 2}, {"a": 2, "c": 3}, {"$set": {"a": 2, "c": 3}, "$unset": {"b": ""}}),
    ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": None}}}, {"$set": {"a.b.c": None}}),
    ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, {"$set": {"a.0.b": 2}}),
    ({"a": [{"b": 1}]}, {"a": [{}]}, {"$unset": {"a.0.b": ""}}),
    ({"a": {"b": 1}}, {"a": [1]}, {"$set": {"a": [1]}}),
    # keys that no path names
    ({"a": {"x.y": 1}}, {"a": {"x.y": 2}}, {"$set": {"a": {"x.y": 2}}}),
    ({"a": {"b": {"": 1}}}, {"a": {"b": {}}}, {"$set": {"a.b": {}}}),
    ({"a": {"b": [{"$x": 1}]}}, {"a": {"b": [{"$x": 2}]}}, {"$set": {"a.b.0": {"$x": 2}}}),
    ({"a": {"x.y": 1, "b": 1}}, {"a": {"x.y": 1, "b": 2}}, {"$set": {"a.b": 2}}),
    ({"x.y": 1}, {"x.y": 2}, None),
    ({"": 1, "a": 1}, {"": 1, "a": 2}, {"$set": {"a": 2}}),
    # members put in
    ({"a": []}, {"a": [1]}, {"$push": {"a": 1}}),
    ({"a": [1]}, {"a": [1, 2, 3]}, {"$push": {"a": {"$each": [2, 3]}}}),
    ({"a": [1]}, {"a": [0, 1]}, {"$push": {"a": {"$each": [0], "$position": 0}}}),
    ({"a": [1, 1]}, {"a": [1, 5, 1]}, {"$push": {"a": {"$each": [5], "$position": 1}}}),
    ({"a": [[1]]}, {"a": [[1], [2]]}, {"$push": {"a": [2]}}),
    ({"a": [[1]]}, {"a": [[1, 2]]}, {"$push": {"a.0": 2}}),
    ({"a": [1]}, {"a": [1, {"$each": 1}]}, {"$push": {"a": {"$each": [{"$each": 1}]}}}),
    ({"a": [1, 2]}, {"a": [9, 2, 3]}, {"$set": {"a": [9, 2, 3]}}),
    ({"a": [{"b": 1}]}, {"a": [{"b": 2}, 3]}, {"$set": {"a": [{"b": 2}, 3]}}),
    # members taken out
    ({"a": ["x", "y", "x"]}, {"a": ["y"]}, {"$pull": {"a": "x"}}),
    ({"a": ["x", "y", "z", "u"]}, {"a": ["y", "u"]}, {"$pullAll": {"a": ["x", "z"]}}),
    ({"a": [NOON, NOON.replace(hour=1)]}, {"a": [NOON]}, {"$pull": {"a": NOON.replace(hour=1)}}),
    ({"a": ["x", "y", "x"]}, {"a": ["y", "x"]}, {"$set": {"a": ["y", "x"]}}),
    ({"a": ["x", "y", "x"]}, {"a": ["x", "y"]}, {"$set": {"a": ["x", "y"]}}),
    ({"a": [True, 1, 2]}, {"a": [2]}, {"$set": {"a": [2]}}),
    ({"a": [1, 1.0, 2]}, {"a": [1, 2]}, {"$set": {"a": [1, 2]}}),
    ({"a": [[1], [2], [3]]}, {"a": [[1], [3]]}, {"$set": {"a": [[1], [3]]}}),
    ({"a": [1, 2, 3]}, {"a": [3]}, {"$set": {"a": [3]}}),
    ({"a": [1, 2]}, {"a": []}, {"$set": {"a": []}}),
    ({"a": [1, 2, 3]}, {"a": [3, 1]}, {"$set": {"a": [3, 1]}}),
    ({"a": [KEYS[0], KEYS[1], KEYS[0]]}, {"a": [KEYS[1]]}, {"$set": {"a": [KEYS[1]]}}),
]


@pytest.mark.parametrize(("old", "new", "wanted"), CASES)
def test_operators(old: Any, new: Any, wanted: Any) -> None:
    """Each change is said with what says it shortest, and no more than changed."""
    assert update_operators(old, new, pulled=PULLED) == wanted
    if wanted is not None:
        assert applied(wanted, old) == new


def test_what_is_pulled_is_the_callers_choice() -> None:
    """Values of the client's classes are pulled where it says so; texts need not be."""
    one, other = KEYS
    old, new = {"a": [one, other, one]}, {"a": [other]}

    assert update_operators(old, new, pulled={*PULLED, Key}) == {"$pull": {"a": one}}
    assert update_operators({"a": ["x", "y", "x"]}, {"a": ["y"]}) == {"$set": {"a": ["y"]}}


def test_nothing_is_changed() -> None:
    """It is a pure function: neither document is touched, and what is sent is not the old one's."""
    old = {"a": [1], "b": {"c": [1]}}
    new = {"a": [1, 2], "b": {"c": [2]}}
    before = copy.deepcopy((old, new))
    update_operators(old, new)

    assert (old, new) == before


KEY = st.sampled_from(["a", "b", "0", "x.y", "$s", ""])
DOCUMENTS = st.dictionaries(
    KEY,
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-1, 2)
        | st.sampled_from([0.0, -0.0, 1.0, float("nan"), "", "a", NOON]),
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEY, inner, max_size=3),
        max_leaves=12,
    ),
    max_size=4,
)


@given(DOCUMENTS, DOCUMENTS)
def test_exact(old: Any, new: Any) -> None:
    """Applying them to the old document gives the new one."""
    check(old, new)


ITEMS = st.one_of(
    st.lists(st.integers(0, 2), max_size=6),
    st.lists(st.sampled_from("abc"), max_size=6),
    st.lists(st.sampled_from([0, 1, True, False, 1.0, None, "a"]), max_size=6),
    st.lists(st.lists(st.integers(0, 1), max_size=2), max_size=4),
)


@given(ITEMS, st.data())
def test_exact_for_lists(old: list[Any], data: st.DataObject) -> None:
    """Lists that some members were put into or taken out of."""
    new = list(old)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(new)))
        if data.draw(st.booleans()):
            new[place:place] = data.draw(ITEMS)
        else:
            del new[place : place + data.draw(st.integers(1, 2))]
    check(
        {"l": old, "deep": {"l": [copy.deepcopy(old)]}},
        {"l": new, "deep": {"l": [copy.deepcopy(new)]}},
    )


def check(old: Any, new: Any) -> None:
    """The operators make `new` of `old`, or only replacing it does; none means they are alike."""
    operators = update_operators(old, new, pulled=PULLED)
    if operators is None:
        assert any(
            old.get(key, KEYS) != new.get(key, KEYS) or ordered(old) != ordered(new)
            for key in ("x.y", "$s", "")
        )
        return
    made = applied(operators, old)
    assert ordered(made) == ordered(new)
    assert bool(operators) is (ordered(old) != ordered(new))


@pytest.mark.parametrize(
    "operators",
    [
        {"$set": {"a": 1}, "$unset": {"a.b": ""}},
        {"$set": {"a.0": 1}, "$push": {"a": 1}},
        {"$set": {"n.x": 1}},
        {"$push": {"n": 1}},
        {"$set": {"a.$x": 1}},
        {"$set": {"a..b": 1}},
        {"$other": {"a": 1}},
    ],
)
def test_the_model_refuses_what_servers_do(operators: Any) -> None:
    """The model of a server below these tests has its limits too."""
    with pytest.raises(RefusedError):
        applied(operators, {"a": [1], "n": None})
