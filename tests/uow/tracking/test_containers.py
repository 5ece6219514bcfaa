"""Containers that tell of their changes, at any depth, and are otherwise the builtin ones (T1)."""

from __future__ import annotations

import copy
import json
import pickle
from collections import deque
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tests.uow.tracking.mutations import MUTATIONS
from uow.tracking.nested import fields
from uow.tracking.nested.kinds import adopt, mend, wrap
from uow.tracking.nested.tokens import LOCK, Token

assert fields.KINDS

WAYS: dict[str, Callable[[Any, Token], Any]] = {"adopted": adopt, "read": wrap}


def tracked(value: Any, way: str = "adopted") -> tuple[Any, Token]:
    """A tracked value, and the token of its owner, which is clean."""
    owner = Token(None)
    with LOCK:
        made = WAYS[way](value, owner)
    owner.rearm()
    return made, owner


def nested(value: Any, depth: int) -> Any:
    """A value below dicts, lists and tuples."""
    for level in range(depth):
        value = ({"k": value, "other": [1]}, [0, value], (value, 5))[level % 3]
    return value


def below(value: Any, depth: int) -> Any:
    """The value that `nested` was given."""
    for level in reversed(range(depth)):
        value = value[("k", 1, 0)[level % 3]]
    return value


@pytest.mark.parametrize("depth", range(6))
@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("name", list(MUTATIONS))
def test_every_change_is_told(name: str, way: str, depth: int) -> None:
    """Whatever changes a value, however far down, is told, and done as it is to builtins."""
    make, change = MUTATIONS[name]
    plain = make()
    value, owner = tracked(nested(make(), depth), way)
    change(plain)
    target = below(value, depth)
    assert owner.dirty is None, "reading is no change"
    change(target)

    assert target == plain
    assert owner.dirty is not None


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("name", list(MUTATIONS))
def test_every_change_is_told_again(name: str, way: str) -> None:
    """Trap 30: what was put in by a change is tracked too, and a second change is told."""
    make, change = MUTATIONS[name]
    value, owner = tracked([make()], way)
    change(value[0])
    owner.rearm()
    for member in value[0].values() if isinstance(value[0], dict) else value[0]:
        if isinstance(member, list):
            member.append("new")
            assert owner.dirty is not None
            owner.rearm()
    if hasattr(value[0], "clear") and value[0]:
        value[0].clear()

        assert owner.dirty is not None


def test_telling_stops_at_what_is_dirty() -> None:
    """An owner that is dirty is not told twice of the same."""
    value, owner = tracked({"a": [[1]]})
    inner = value["a"][0]
    inner.append(2)
    told = list(owner.dirty or ())
    for number in range(100):
        inner.append(number)
        value["a"].append(number)

    assert owner.dirty == told


def test_popped_members_tell_nobody() -> None:
    """Trap 33: what was taken out, or copied shallowly, does not dirty its former owner."""
    value, owner = tracked({"a": [1], "b": [2], "c": {"x": [3]}, "d": deque([[4]])}, "read")
    out = [value.pop("a"), value["c"].pop("x"), value["d"].pop()]
    gone = value["b"]
    del value["b"]
    copied = copy.copy(value)
    owner.rearm()
    for one in [*out, gone]:
        one.append(5)
    copied["new"] = 1

    assert owner.dirty is None
    assert copied.__class__ is dict
    assert type(copied) is dict


@pytest.mark.parametrize("way", list(WAYS))
def test_what_is_put_back_is_what_was_taken_out(way: str) -> None:
    """A member that is taken out and put back is the same one, and no copy of it."""
    value, owner = tracked(
        {"l": [[1], [2]], "d": {"a": [3], "b": [4]}, "q": deque([[5]]), "t": [([6], 1)]}, way
    )
    taken = [value["l"].pop(0), value["l"].pop(), value["d"].pop("a"), value["d"].popitem()[1]]
    taken += [value["q"].pop(), value["t"].pop()]
    owner.rearm()
    for one in taken:
        (one[0] if isinstance(one, tuple) else one).append("out")
    assert owner.dirty is None, "nobody is told while it is out"

    value["back"] = []
    for one in taken:
        value["back"].append(one)
    for place, one in enumerate(taken):
        assert value["back"][place] is one
        owner.rearm()
        (one[0] if isinstance(one, tuple) else one).append("in")
        assert owner.dirty is not None
        assert "in" in str(value["back"][place])
    value["back"].clear()
    value.pop("l")
    with pytest.raises(IndexError):
        value["back"].pop()
    with pytest.raises(KeyError):
        value.pop("l")
    assert value.pop("l", 7) == 7
    value.clear()
    with pytest.raises(KeyError):
        value.popitem()


def test_two_owners() -> None:
    """A member of two is tracked for both, until it left all places in one of them."""
    first, one = tracked([[1]])
    second, two = tracked([])
    shared = first[0]
    second.append(shared)
    second.append(shared)
    one.rearm()
    two.rearm()
    shared.append(2)

    assert one.dirty is not None
    assert two.dirty is not None

    second.pop()
    one.rearm()
    two.rearm()
    shared.append(3)
    assert two.dirty is not None, "it is there in another place"

    second.pop()
    one.rearm()
    two.rearm()
    shared.append(4)
    assert one.dirty is not None
    assert two.dirty is None


def test_a_dirty_value_is_put_into_a_clean_one() -> None:
    """What was changed before it was put in is told of afterwards all the same."""
    first, _ = tracked([[1]])
    second, two = tracked([])
    moved = first.pop()
    moved.append(2)
    second.append(moved)
    two.rearm()
    moved.append(3)

    assert two.dirty is not None


def test_shape_is_kept() -> None:
    """T3: what is there twice is one thing, and what holds itself does so afterwards."""
    shared = [1]
    circle: dict[str, Any] = {"both": [shared, shared]}
    circle["self"] = circle
    value, owner = tracked(circle)

    assert value["both"][0] is value["both"][1]
    assert value["self"] is value
    value["self"]["self"]["both"][1].append(2)
    assert shared == [1]
    assert value["both"][0] == [1, 2]
    assert owner.dirty is not None


def test_deep_values() -> None:
    """Thousands of levels are wrapped without a recursion."""
    deep: Any = [1]
    for _ in range(5_000):
        deep = [deep]
    value, owner = tracked(deep)
    inner = value
    for _ in range(5_000):
        inner = inner[0]
    inner.append(2)

    assert owner.dirty is not None
    while deep:  # taken apart by hand: dropping it would recurse in C
        deep = deep.pop() if isinstance(deep[0], list) else []


VALUE: dict[str, Any] = {"a": [1, [2, {"b": (3, [4])}]], "s": {1}, "q": deque([[5]], maxlen=3)}


@pytest.mark.parametrize("way", list(WAYS))
def test_copies_are_plain(way: str) -> None:
    """Trap 32: deep copies and pickles are builtin containers all through, and detached."""
    value, owner = tracked(copy.deepcopy(VALUE), way)
    for made in (copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        kinds = [made, made["a"], made["a"][1], made["a"][1][1], made["s"], made["q"], made["q"][0]]

        assert made == VALUE
        assert [type(one) for one in kinds] == [dict, list, list, dict, set, deque, list]
        made["a"][1].append(5)
        made["a"][1][1]["b"][1].append(5)
    assert made["q"].maxlen == 3
    assert owner.dirty is None


def test_circles_are_copied() -> None:
    """T3: copying what holds itself ends."""
    value, _ = tracked({"l": [1]})
    value["l"].append(value)
    for made in (copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert made["l"][1] is made
        assert type(made) is dict


@pytest.mark.parametrize("way", list(WAYS))
def test_they_pass_for_builtins(way: str) -> None:
    """T1: `isinstance`, `==`, JSON, patterns, and text are those of the builtin containers."""
    plain = {"a": [1, [2]], "b": {"c": None}}
    value, _ = tracked(copy.deepcopy(plain), way)

    assert isinstance(value, dict)
    assert isinstance(value["a"], list)
    assert value.__class__ is dict
    assert value == plain
    assert plain == value
    assert repr(value) == repr(plain)
    assert json.dumps(value) == json.dumps(plain)
    assert orjson.dumps(value) == orjson.dumps(plain)
    match value:
        case {"a": [first, [*rest]], "b": {"c": None}}:
            assert (first, rest) == (1, [2])
        case _:
            pytest.fail("it does not match")


def test_what_is_computed_of_sets_is_plain() -> None:
    """Sets and deques made of tracked ones are builtin, and theirs is the text."""
    value, _ = tracked([{1, 2}, deque([1])])
    both, queue = value

    made = [both | {3}, both & {1}, both - {1}, both ^ {1}, {3} | both, {1, 2} & both, both.copy()]
    made += [both.union([3]), both.difference([1]), both.intersection([1])]
    made += [both.symmetric_difference([1])]
    assert {type(one) for one in made} == {set}
    assert {type(one) for one in (queue + queue, queue * 2, 2 * queue, queue.copy())} == {deque}
    assert repr(value) == "[{1, 2}, deque([1])]"


def test_a_failed_sort() -> None:
    """A sort that fails leaves the list as it was; one during which it changes is refused."""
    value, owner = tracked([3, 2, "x", 1])
    with pytest.raises(TypeError):
        value.sort()
    with pytest.raises(ValueError, match="modified during sort"):
        value.sort(key=lambda item: value.append(str(item)) or str(item))
    owner.rearm()
    value.sort(key=str)

    assert value == [1, "1", 2, "2", 3, "3", "x", "x"]
    assert owner.dirty is not None


def test_refused_changes() -> None:
    """What builtin containers refuse is refused, and tracks nothing."""
    value, owner = tracked({"l": [1, 2, 3], "s": {1}, "q": deque([1], maxlen=1)})
    member: list[Any] = [1]
    with pytest.raises(ValueError, match="size"):
        value["l"][::2] = [member]
    for wrong in (
        lambda: value.pop("none"),
        lambda: value["s"].remove((1,)),
        lambda: value["l"].remove([9]),
        lambda: value["q"].insert(0, 5),
        lambda: value["s"].__ior__([1]) is NotImplemented and 1 / 0,
    ):
        with pytest.raises((KeyError, ValueError, IndexError, ZeroDivisionError)):
            wrong()

    assert value == {"l": [1, 2, 3], "s": {1}, "q": deque([1], maxlen=1)}
    owner.rearm()
    assert value.pop("none", 5) == 5
    assert owner.dirty is None


def test_opaque_values_expose_their_owners() -> None:
    """Trap 31: what cannot tell says at least that it is there, to all above it."""
    for value in ({"a": [bytearray(b"x")]}, {"a": (1, bytearray(b"x"))}):
        lazily, owner = tracked(copy.deepcopy(value), "read")
        assert not owner.exposed
        lazily["a"][-1 if isinstance(value["a"], tuple) else 0]
        assert owner.exposed
        _, eager = tracked(value)
        assert eager.exposed
    moved, _ = tracked([[bytearray(b"x")]])
    other, owner = tracked([])
    other.append(moved[0])
    assert owner.exposed


def test_mending() -> None:
    """What got in past the hooks is tracked once somebody says so, and nothing is told twice."""
    value, owner = tracked({"heap": [[1], [2]]})
    heap = value["heap"]
    list.append(heap, [3])
    mend(value, owner)
    owner.rearm()
    assert value["heap"] is heap
    heap[2].append(4)
    assert owner.dirty is not None
    gone = heap.pop()
    owner.rearm()
    gone.append(5)
    assert owner.dirty is None
