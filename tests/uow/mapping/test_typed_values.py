"""Values of typed classes, by every kind of hint: checked, and read as written (M4, M6)."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypeVar
from uuid import UUID

import attrs
import pydantic
import pytest
from cattrs import override

from uow import Column, Mapped, MappingError, Registry, Table, ValidationError
from uow.dialects.codecs import json_decoder, json_encoder
from uow.values import checker_for, type_from_hint

T = TypeVar("T")
UserId = NewType("UserId", int)
LIST: Any = list  # of what is known at run time
DICT: Any = dict


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"


class Shade(enum.Enum):
    RED = "r"


class Level(enum.IntEnum):
    LOW = 1


class Pair(NamedTuple):
    x: int
    tags: list[int]


@attrs.define
class ACircle:
    radius: float
    kind: Literal["circle"] = "circle"


@attrs.define
class ASquare:
    radius: float  # of the same name: the tag tells
    kind: Literal["square"] = "square"


@attrs.define
class ADog:
    bark: int
    age: int = 0


@attrs.define
class ACat:
    meow: int
    age: int = 0


@attrs.define
class ABox(Generic[T]):
    item: T
    items: list[T] = attrs.field(factory=list)


@attrs.define
class AChild(ABox[int]):
    more: str = ""


@attrs.define
class ANode:
    name: str
    children: list["ANode"] = attrs.field(factory=list)  # noqa: UP037 - hidden from cattrs
    parent: Optional["ANode"] = None  # noqa: UP037, UP045


@dataclasses.dataclass
class DCircle:
    radius: float
    kind: Literal["circle"] = "circle"


@dataclasses.dataclass
class DSquare:
    radius: float
    kind: Literal["square"] = "square"


@dataclasses.dataclass
class DDog:
    bark: int
    age: int = 0


@dataclasses.dataclass
class DCat:
    meow: int
    age: int = 0


@dataclasses.dataclass
class DBox(Generic[T]):
    item: T
    items: list[T] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class DChild(DBox[int]):
    more: str = ""


@dataclasses.dataclass
class DNode:
    name: str
    children: list["DNode"] = dataclasses.field(default_factory=list)  # noqa: UP037
    parent: Optional["DNode"] = None  # noqa: UP037, UP045


class PCircle(pydantic.BaseModel):
    radius: float
    kind: Literal["circle"] = "circle"


class PSquare(pydantic.BaseModel):
    radius: float
    kind: Literal["square"] = "square"


class PDog(pydantic.BaseModel):
    bark: int
    age: int = 0


class PCat(pydantic.BaseModel):
    meow: int
    age: int = 0


class PBox(pydantic.BaseModel, Generic[T]):
    item: T
    items: list[T] = []


class PChild(PBox[int]):
    more: str = ""


class PNode(pydantic.BaseModel):
    name: str
    children: list["PNode"] = []  # noqa: UP037
    parent: Optional["PNode"] = None  # noqa: UP037, UP045


@dataclasses.dataclass
class Family:
    """The classes of one kind, and how one that holds a field of a hint is made."""

    circle: Any
    square: Any
    dog: Any
    cat: Any
    box: Any
    child: Any
    node: Any
    holder: Callable[[Any], Any]

    def holding(self, hint: Any, value: Any) -> Any:
        """An object with that value, whether it fits or not."""
        class_ = self.holder(hint)
        if hasattr(class_, "model_construct"):
            return class_.model_construct(v=value)
        return class_(v=value)


FAMILIES = {
    "attrs": Family(
        ACircle, ASquare, ADog, ACat, ABox, AChild, ANode,
        lambda hint: attrs.make_class("Holder", {"v": attrs.field(type=hint)}),
    ),
    "dataclass": Family(
        DCircle, DSquare, DDog, DCat, DBox, DChild, DNode,
        lambda hint: dataclasses.make_dataclass("Holder", [("v", hint)]),
    ),
    "pydantic": Family(
        PCircle, PSquare, PDog, PCat, PBox, PChild, PNode,
        lambda hint: pydantic.create_model("Holder", v=(hint, ...)),
    ),
}  # fmt: skip

Case = tuple[Callable[[Family], Any], Callable[[Family], list[Any]], Callable[[Family], Any], str]

CASES: dict[str, Case] = {
    "tagged union": (
        lambda f: f.circle | f.square,
        lambda f: [f.circle(radius=1.0), f.square(radius=1.0)],
        lambda f: f.dog(bark=1),
        ".v: expected",
    ),
    "union": (
        lambda f: f.dog | f.cat,
        lambda f: [f.dog(bark=1), f.cat(meow=2, age=3)],
        lambda f: "x",
        ".v: expected",
    ),
    "union with a scalar": (
        lambda f: f.dog | str | None,
        lambda f: [f.dog(bark=1), "x", None],
        lambda f: 5,
        ".v: expected",
    ),
    "list of a union": (
        lambda f: LIST[f.circle | f.square],
        lambda f: [[f.square(radius=1.0), f.circle(radius=2.0)]],
        lambda f: [f.square(radius=1.0), 5],
        ".v[1]: expected",
    ),
    "union of scalars": (lambda _: int | str, lambda _: [1, "1"], lambda _: 1.5, ".v: expected"),
    "union of numbers": (lambda _: float | int, lambda _: [1, 1.5], lambda _: "x", ".v: expected"),
    "union of containers": (
        lambda _: list[int] | dict[str, int],
        lambda _: [[1], {"a": 1}],
        lambda _: {"a": "x"},
        ".v.a: expected int, got str",
    ),
    "literal": (
        lambda _: Literal["a", 1] | None,
        lambda _: ["a", 1, None],
        lambda _: True,
        ".v: expected one of the literals",
    ),
    "enum": (lambda _: Color, lambda _: [Color.RED], lambda _: "r", ".v: expected Color, got str"),
    "enum of numbers": (lambda _: Level, lambda _: [Level.LOW], lambda _: 1, ".v: expected Level"),
    "optional enum": (lambda _: Color | None, lambda _: [Color.RED, None], lambda _: 1, ".v: exp"),
    "new type": (lambda _: UserId, lambda _: [UserId(1)], lambda _: "x", ".v: expected int"),
    "list of a new type": (lambda _: list[UserId], lambda _: [[1]], lambda _: ["x"], ".v[0]: exp"),
    "annotated": (lambda _: Annotated[int, "x"], lambda _: [1], lambda _: "x", ".v: expected int"),
    "optional": (lambda _: int | None, lambda _: [1, None], lambda _: "x", ".v: expected int"),
    "generic": (
        lambda f: f.box[int],
        lambda f: [f.box[int](item=1, items=[2])],
        lambda f: f.box(item=1, items=["x"]),
        ".v",
    ),
    "generic of a class": (
        lambda f: f.box[f.dog],
        lambda f: [f.box[f.dog](item=f.dog(bark=1), items=[f.dog(bark=2)])],
        lambda f: f.box(item=f.dog(bark=1), items=[5]),
        ".v",
    ),
    "subclass of a generic": (
        lambda f: f.child,
        lambda f: [f.child(item=1, items=[2], more="x")],
        lambda f: f.dog(bark=1),
        ".v: expected",
    ),
    "forward references": (
        lambda f: f.node,
        lambda f: [f.node(name="x", children=[f.node(name="y")], parent=f.node(name="z"))],
        lambda f: f.dog(bark=1),
        ".v: expected",
    ),
    "named tuple": (
        lambda _: Pair,
        lambda _: [Pair(1, [2])],
        lambda _: Pair(1, ["x"]),  # type: ignore[list-item]
        ".v.tags[0]: expected int",
    ),
    "dict of lists of a class": (
        lambda f: DICT[str, LIST[f.dog]],
        lambda f: [{"a": [f.dog(bark=1)]}],
        lambda f: {"a": [f.dog(bark=1), f.cat(meow=1)]},
        ".v.a[1]: expected",
    ),
    "deque": (lambda _: deque[int], lambda _: [deque([1])], lambda _: deque(["x"]), ".v[0]: exp"),
    "set": (lambda _: set[str], lambda _: [{"a", "b"}], lambda _: {1}, ".v[0]: expected str"),
    "anything": (lambda _: Any, lambda _: [{"a": [1]}, None], lambda _: {1: 2}, ".v: JSON keys"),
}


@pytest.mark.parametrize("family", list(FAMILIES))
@pytest.mark.parametrize("name", list(CASES))
def test_hints(name: str, family: str) -> None:
    """What fits is taken and comes back as it was; of what does not the path is told."""
    kind = FAMILIES[family]
    make_hint, make_values, make_bad, problem = CASES[name]
    hint = make_hint(kind)
    holder = kind.holder(hint)
    type_, _ = type_from_hint(holder)
    check, write, read = checker_for(type_), json_encoder(holder), json_decoder(holder)
    for value in make_values(kind):
        given = holder(v=value)
        assert check(given) is given
        back = read(write(given))
        assert back == given
        assert type(back.v) is type(value)
    bad = kind.holding(hint, make_bad(kind))
    bad.__class__ = holder

    with pytest.raises(ValueError) as caught:
        check(bad)
    assert str(caught.value).startswith(f"at {problem}")


@attrs.define
class Waiting:
    """A class that names another, which comes later."""

    items: list["Later"]  # type: ignore[name-defined]  # noqa: F821, UP037


@attrs.define
class Renamed:
    """A class whose fields are stored by other names."""

    size: Annotated[int, override(rename="Size")]
    _secret: int = attrs.field(alias="shown", default=1)
    computed: int = attrs.field(init=False, default=5)


class Aliased(pydantic.BaseModel):
    """A model with an alias."""

    size: int = pydantic.Field(alias="Size")
    other: int = pydantic.Field(
        default=1,
        validation_alias=pydantic.AliasChoices("Other", "other"),
        serialization_alias="Other",
    )
    inner: Aliased | None = None


class Unreadable(pydantic.BaseModel):
    """A model whose alias is written and never read."""

    size: int = pydantic.Field(validation_alias=pydantic.AliasPath("a", 0), default=3)
    other: Aliased | None = None

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def twice(self) -> int:
        return self.size * 2


def test_renamed_fields() -> None:
    """A field is stored by the name it was given, if that is read again."""
    cases: list[tuple[Any, Any, str]] = [
        (Renamed, Renamed(2, shown=3), '{"Size":2,"_secret":3,"computed":5}'),
        (
            Aliased,
            Aliased(Size=2, inner=Aliased(Size=3)),
            '{"Size":2,"Other":1,"inner":{"Size":3,"Other":1,"inner":null}}',
        ),
        (Unreadable, Unreadable(other=Aliased(Size=1)), ""),
    ]
    for hint, value, text in cases:
        written = json_encoder(hint)(value)
        assert written == (text or written)
        assert json_decoder(hint)(written) == value
    changed = Renamed(1)
    changed.computed = 7
    assert json_decoder(Renamed)(json_encoder(Renamed)(changed)).computed == 7


def test_fields_that_came_later() -> None:
    """What was stored before a field with a default was there is read with the default."""
    assert json_decoder(ADog)('{"bark":1}') == ADog(1)
    assert json_decoder(DDog | DCat)('{"meow":1}') == DCat(1)
    assert json_decoder(PDog)('{"bark":1,"gone":2}') == PDog(bark=1)
    assert json_decoder(ACircle | ASquare)('{"radius":1.0}') in (ACircle(1.0), ASquare(1.0))


@pytest.mark.parametrize(
    ("hint", "text", "path"),
    [
        (ABox[int], '{"item":1,"items":[1,"x"]}', r"\.items\[1\]: expected int"),
        (ADog, "{}", r"\.bark: a required field is missing"),
        (PNode, '{"name":"x","children":[{}]}', "Field required"),
        (DDog | DCat, "[]", "no member of the union|expected|fit"),
    ],
)
def test_stored_values_that_do_not_fit(hint: Any, text: str, path: str) -> None:
    """Where what was stored does not fit its hint any more is told, and not its value."""
    with pytest.raises(ValueError, match=path):
        json_decoder(hint)(text)


@pytest.mark.parametrize(
    "hint",
    [
        ADog | dict[str, Any],
        list[int] | set[int],
        list[ADog] | list[ACat],
        Decimal | str,
        dt.timedelta | int,
        Color | Shade,
        Color | str,
        bytes | UUID,
    ],
)
def test_unions_that_cannot_be_told_apart(hint: Any) -> None:
    """A union whose members look alike in JSON is refused when the class is made ready."""
    holder = attrs.make_class("Holder", {"v": attrs.field(type=hint)})

    with pytest.raises(MappingError, match=r"Row\.value: .* cannot be told apart in JSON"):

        class Row(Table):  # pyright: ignore[reportUnusedClass]
            class Settings:
                registry = Registry()

            id: Mapped[int] = Column(primary_key=True)
            value: Mapped[Any] = Column(type=type_from_hint(holder)[0])


def test_names_that_are_defined_later() -> None:
    """A class that its hints name need not be there yet when the mapped class is defined."""

    class Row(Table):
        class Settings:
            registry = Registry()

        id: Mapped[int] = Column(primary_key=True)
        value: Mapped[Waiting | None] = Column(default=None)

    with pytest.raises(ValidationError, match=r"Row\.value: a type hint of Waiting names 'Later'"):
        Row(id=1, value=Waiting([]))
    globals()["Later"] = ADog
    try:
        row: Any = Row(id=1, value=Waiting([ADog(1)]))
        assert json_decoder(Waiting)(json_encoder(Waiting)(row.value)) == row.value
    finally:
        del globals()["Later"]


def test_unions_of_texts() -> None:
    """Texts of different forms are told apart."""
    hint = dt.date | dt.datetime | UUID | Decimal
    values = [
        dt.date(2020, 1, 2),
        dt.datetime(2020, 1, 2, tzinfo=dt.UTC),
        UUID(int=1),
        Decimal("1.50"),
    ]
    holder = attrs.make_class("Holder", {"v": attrs.field(type=list[hint])})
    given = holder(v=values)

    back = json_decoder(holder)(json_encoder(holder)(given))
    assert back == given
    assert [type(one) for one in back.v] == [type(one) for one in values]


@attrs.define
class Limited:
    """An attrs class with a validator."""

    size: int = attrs.field(default=1, validator=attrs.validators.lt(10))
    sizes: list[int] = attrs.field(factory=list, validator=attrs.validators.max_len(2))


class LimitedModel(pydantic.BaseModel):
    """A model with limits."""

    size: int = pydantic.Field(default=1, lt=10)
    sizes: Annotated[list[int], pydantic.Field(max_length=2)] = []

    @pydantic.field_validator("size")
    @classmethod
    def even(cls, value: int) -> int:
        if value == 7:
            raise ValueError(f"the secret {value}")
        return value


def test_validators_see_what_was_changed() -> None:
    """What a class's own validators would refuse when it is read is refused before it is sent."""
    limited, model = Limited(), LimitedModel()
    object.__setattr__(limited, "size", 11)
    model.size = 11
    cases: list[tuple[Any, Any, str]] = [
        (Limited, limited, "at .size: its validator refuses it"),
        (Limited, Limited(sizes=[1, 2]), "at .sizes: its validator refuses it"),
        (LimitedModel, model, "at .size: Input should be less than 10"),
        (LimitedModel, LimitedModel(sizes=[1, 2]), "at .sizes: List should have at most 2"),
        (list[LimitedModel], [model.model_copy(update={"size": 7})], "at [0].size: a validator"),
    ]
    for hint, value, problem in cases:
        check = checker_for(type_from_hint(hint)[0])
        if getattr(value, "sizes", None):
            check(value)
            value.sizes.append(3)
        with pytest.raises(ValueError) as caught:
            check(value)
        assert str(caught.value).startswith(problem)
        assert "secret" not in str(caught.value)


class Shop(Table):
    """A table with typed values."""

    class Settings:
        registry = Registry()

    id: Mapped[int] = Column(primary_key=True)
    settings: Mapped[ABox[str] | None] = Column(default=None)
    shape: Mapped[ACircle | ASquare | None] = Column(default=None)
    both: Mapped[Any] = Column(default=None)


def test_messages_name_the_way() -> None:
    """The path is written as Python writes it, from the class on."""
    with pytest.raises(ValidationError, match=r"^Shop\.settings\.items\[1\]: expected str"):
        Shop(id=1, settings=ABox("x", ["a", 5]))  # type: ignore[list-item]
    with pytest.raises(ValidationError, match=r"^Shop\.shape: expected ACircle \| ASquare"):
        Shop(id=1, shape=5)  # type: ignore[arg-type]


def test_what_arguments_share() -> None:
    """T3: what occurs in two arguments is one thing in the object, and in copies of it."""
    items = ["a"]
    box = ABox("x", items)
    shop = Shop(id=1, settings=box, both={"items": items, "again": [items, ("t", items)]})
    assert shop.settings is box
    assert shop.both["items"] is shop.both["again"][0] is box.items
    assert items is not box.items
    box.items.append("b")

    assert shop.both == {"items": ["a", "b"], "again": [["a", "b"], ["t", ["a", "b"]]]}
    assert items == ["a"]
    again = Shop(id=2, both=shop.both)
    assert again.both is not shop.both
    again.both["items"].append("c")
    assert shop.both["items"] == ["a", "b"]
