"""Objects of the user's classes that tell of their changes, and stay what they are (T1, M6)."""

from __future__ import annotations

import abc
import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar, cast

import attrs
import pydantic
import pytest

from tests.uow.tracking.test_containers import WAYS, tracked
from uow.tracking.nested.kinds import adopt
from uow.tracking.nested.tokens import Token

HEARD: list[type] = []

T = TypeVar("T")


class Listening:
    """Hears of its subclasses."""

    def __init_subclass__(cls, **_: object) -> None:
        HEARD.append(cls)


@attrs.define
class Slotted:
    name: str
    tags: list[Any] = attrs.field(factory=list)


@attrs.define(slots=False)
class Roomy(Listening):
    name: str
    tags: list[Any] = attrs.field(factory=list)


@attrs.define(eq=False)
class Unequal:
    name: str
    tags: list[Any] = attrs.field(factory=list)


@attrs.define
class Converting:
    name: str
    tags: list[Any] = attrs.field(factory=list, converter=list, on_setattr=attrs.setters.convert)


@dataclasses.dataclass
class Data:
    name: str
    tags: list[Any] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True)
class SlottedData:
    name: str
    tags: list[Any] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class GenericData(Generic[T]):
    """What gives it room for attributes comes below a base with empty slots."""

    name: str
    tags: list[Any] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class AbstractBelow(abc.ABC):
    name: str
    tags: list[Any] = dataclasses.field(default_factory=list)


@attrs.define(slots=False)
class RoomyBelow(abc.ABC):
    name: str
    tags: list[Any] = attrs.field(factory=list)


class Odd(Data):
    """A class with an equality of its own, and no hash."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Odd) and self.name == other.name

    __hash__ = None  # type: ignore[assignment]


class Pydantic(pydantic.BaseModel):
    name: str
    tags: list[Any] = []


class Checked(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(validate_assignment=True)

    name: str
    tags: list[Any] = []


CLASSES: list[Callable[..., Any]] = [
    Slotted, Roomy, Unequal, Converting, Data, SlottedData, Odd, Pydantic, Checked,
    GenericData, AbstractBelow, RoomyBelow,
]  # fmt: skip
over_classes = pytest.mark.parametrize("class_", CLASSES, ids=lambda c: c.__name__)


@over_classes
@pytest.mark.parametrize("way", list(WAYS))
def test_changes_are_told(class_: Callable[..., Any], way: str) -> None:
    """Setting and deleting attributes, and changes of what they hold, old and new (trap 31)."""
    obj = class_(name="a", tags=[[1]])
    value, owner = tracked([obj], way)

    assert value[0] is obj
    for change in (
        lambda: setattr(obj, "name", "b"),
        lambda: obj.tags.append(2),
        lambda: obj.tags[0].append(2),
        lambda: setattr(obj, "tags", [[5]]),
        lambda: obj.tags[0].append(6),
        lambda: setattr(obj, "tags", obj.tags),
        lambda: delattr(obj, "tags"),
    ):
        owner.rearm()
        change()
        assert owner.dirty is not None


def test_what_cannot_be_another_class_is_compared() -> None:
    """Trap 31: a class that would hear of what is tried on it is left alone, which is said."""

    @dataclasses.dataclass
    class Finished:
        name: str

        def __del__(self) -> None:
            HEARD.append(type(self))

    class Registered(Generic[T]):
        def __init_subclass__(cls) -> None:
            HEARD.append(cls)

    @dataclasses.dataclass
    class Entry(Registered[int]):
        name: str

    HEARD.clear()
    objects = [Finished("a"), Entry("a")]
    for obj in objects:
        value, owner = tracked([obj], "adopted")
        assert type(value[0]) is type(obj)
        assert owner.exposed
    assert HEARD == []


@over_classes
def test_they_stay_what_they_are(class_: Callable[..., Any]) -> None:
    """The class, equality, and copies of every sort are the user's (trap 32)."""
    plain: Any = class_(name="a", tags=[[1]])
    obj: Any = class_(name="a", tags=[[1]])
    _, owner = tracked([obj])

    assert obj.__class__ is class_
    assert issubclass(type(obj), cast("type", class_))
    assert (obj == plain) is (class_ is not Unequal)
    if class_ is not Unequal:  # its text has its address in it
        assert repr(obj) == repr(plain)
    for made in (copy.deepcopy(obj), pickle.loads(pickle.dumps(obj))):
        assert type(made) is class_
        assert (made.name, made.tags, type(made.tags)) == ("a", [[1]], list)
        made.name = "b"
        made.tags.append(1)
    shallow = copy.copy(obj)
    shallow.name = "c"
    assert type(shallow) is class_
    assert shallow.tags is obj.tags
    assert owner.dirty is None


def test_copies_by_the_classes_own_means() -> None:
    """Trap 32: `evolve`, `replace`, `asdict` and pydantic's ways give plain values."""
    slotted, data, model = Slotted("a", [1]), Data("a", [1]), Pydantic(name="a", tags=[1])
    _, owner = tracked([slotted, data, model])

    made: list[Any] = [
        attrs.evolve(slotted, name="b"),
        dataclasses.replace(data, name="b"),
        model.model_copy(update={"name": "b"}),
        model.model_copy(deep=True),
    ]
    assert [type(one) for one in made] == [Slotted, Data, Pydantic, Pydantic]
    assert type(made[3].tags) is list
    for one in made:
        one.name = "c"
    assert attrs.asdict(slotted) == dataclasses.asdict(data) == model.model_dump()
    assert model.model_dump_json() == '{"name":"a","tags":[1]}'
    assert Pydantic.model_validate(model) == model
    assert owner.dirty is None


def test_classes_are_left_alone() -> None:
    """Nothing is patched on the user's class, and its `__init_subclass__` hears of nothing."""
    before = dict(vars(Roomy))
    HEARD.clear()
    tracked([Roomy("a")])

    assert dict(vars(Roomy)) == before
    assert HEARD == []


def test_a_popped_object_tells_nobody() -> None:
    """Trap 33: neither it nor what it holds; put in again it tells."""
    obj = Slotted("a", [1])
    value, owner = tracked([obj, obj])
    value.pop()
    owner.rearm()
    obj.name = "b"
    assert owner.dirty is not None, "it is there in another place"

    value.pop()
    owner.rearm()
    obj.name = "c"
    obj.tags.append(2)
    assert owner.dirty is None

    value.append(obj)
    owner.rearm()
    obj.tags.append(3)
    assert owner.dirty is not None


def test_objects_in_tuples_and_sets() -> None:
    """What cannot change holds what can: tuples, named ones, frozen sets and frozen objects."""

    class Pair(NamedTuple):
        one: Any
        other: int

    @attrs.frozen
    class Frozen:
        tags: list[Any]

    @dataclasses.dataclass(frozen=True)
    class FrozenData:
        tags: list[Any]

    class FrozenModel(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(frozen=True, extra="allow")
        tags: list[Any]

    obj = Unequal("a")
    model = FrozenModel.model_validate({"tags": [1], "more": [2]})
    frozen = [Frozen([1]), FrozenData([1]), model]
    value, owner = tracked([(obj, [1]), Pair([1], 2), {obj}, frozenset({obj}), *frozen])

    assert type(value[1]) is Pair
    assert [type(one) for one in value[4:]] == [Frozen, FrozenData, FrozenModel]
    for change in (
        lambda: setattr(obj, "name", "b"),
        lambda: value[0][1].append(2),
        lambda: value[1].one.append(2),
        lambda: value[4].tags.append(2),
        lambda: value[5].tags.append(2),
        lambda: value[6].tags.append(2),
        lambda: value[6].more.append(3),
    ):
        owner.rearm()
        change()
        assert owner.dirty is not None
    out = value.pop(4)
    owner.rearm()
    out.tags.append(5)
    assert owner.dirty is None


def test_extra_fields() -> None:
    """What a pydantic model takes beside its fields is tracked too."""

    class Open(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="allow")

    obj: Any = Open.model_validate({"more": [1]})
    _, owner = tracked([obj])
    obj.more.append(2)
    assert owner.dirty is not None

    obj.other = [1]
    owner.rearm()
    obj.other.append(2)
    assert owner.dirty is not None


def test_validators_that_set_more() -> None:
    """A validator of an assignment that changes other fields leaves those tracked too."""

    class Total(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(validate_assignment=True)
        numbers: list[int]
        history: list[list[int]] = []

        @pydantic.model_validator(mode="after")
        def remember(self) -> Total:
            self.__dict__["history"] = [[1], [2]]
            return self

    obj = Total(numbers=[1])
    _, owner = tracked([obj])
    obj.numbers = [2]
    owner.rearm()
    obj.history[0].append(3)

    assert owner.dirty is not None


def test_a_refused_assignment() -> None:
    """An assignment that is refused changes nothing that is tracked."""
    obj = Checked(name="a", tags=[1])
    _, owner = tracked([obj])
    with pytest.raises(pydantic.ValidationError):
        obj.name = 5  # type: ignore[assignment]
    owner.rearm()
    obj.tags.append(2)

    assert obj.name == "a"
    assert owner.dirty is not None


def test_a_class_that_takes_no_subclass_is_compared() -> None:
    """What can be tracked in no way is exposed, and never silently lost."""

    class Unknown:
        pass

    for obj in (Unknown(), memoryview(b"x")):
        owner = Token(None)
        assert adopt(obj, owner) is obj
        assert owner.exposed
