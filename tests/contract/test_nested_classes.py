"""Nested values of typed classes: every change at every depth, circles, copies (T1, T3, M6)."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from collections import deque
from collections.abc import Callable
from typing import Any

import attrs
import orjson
import pydantic
import pytest

from tests.contract.sent import Sent
from tests.uow.tracking.mutations import BYTES, DEQUES, DICTS, LISTS, SETS
from uow import (
    Column,
    Database,
    InvalidUnitError,
    Mapped,
    Registry,
    Session,
    Table,
    ValidationError,
    changes,
)

pytestmark = pytest.mark.needs("table_classes")


@attrs.define
class Attrs:
    """A value of every kind, and places below."""

    lists: list[Any] = attrs.field(factory=list)
    dicts: dict[str, Any] = attrs.field(factory=dict)
    sets: set[int | str] = attrs.field(factory=set)
    deques: deque[Any] = attrs.field(factory=deque)
    data: bytearray = attrs.field(factory=bytearray)
    name: str = ""
    inner: Attrs | Data | None = None
    items: list[Attrs] = attrs.field(factory=list)
    named: dict[str, Attrs] = attrs.field(factory=dict)
    pair: tuple[int, Attrs] | None = None


@dataclasses.dataclass
class Data:
    """The same, and models below."""

    lists: list[Any] = dataclasses.field(default_factory=list)
    dicts: dict[str, Any] = dataclasses.field(default_factory=dict)
    sets: set[int | str] = dataclasses.field(default_factory=set)
    deques: deque[Any] = dataclasses.field(default_factory=deque)
    title: str = ""
    inner: Model | None = None
    items: list[Data] = dataclasses.field(default_factory=list)


class Model(pydantic.BaseModel):
    """The same again."""

    lists: list[Any] = []
    dicts: dict[str, Any] = {}
    sets: set[int | str] = set()
    deques: deque[Any] = deque()
    label: str = ""
    inner: Data | None = None
    items: list[Model] = []
    parent: Model | None = None


class Deep(Table):
    """A row with such values."""

    class Settings:
        name = "deeps"
        registry = Registry()

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    attrs: Mapped[Attrs | None] = Column(default=None)
    data: Mapped[Data | None] = Column(default=None)
    model: Mapped[Model | None] = Column(default=None)


@pytest.fixture
async def deeps(database: Database) -> Database:
    """The database, with the table of such values."""
    await database.create_all([Deep])
    return database


def chain_of_attrs(value: dict[str, Any], depth: int) -> Attrs:
    """A value below objects, lists, dicts and tuples."""
    made = Attrs(**value)
    for level in range(1, depth):
        if level % 4 == 0:
            made = Attrs(inner=made)
        elif level % 4 == 1:
            made = Attrs(items=[Attrs(), made])
        elif level % 4 == 2:
            made = Attrs(named={"k": made})
        else:
            made = Attrs(pair=(1, made))
    return made


def below_attrs(found: Any, depth: int) -> Any:
    """The object that `chain_of_attrs` made of the value."""
    for level in reversed(range(1, depth)):
        if level % 4 == 0:
            found = found.inner
        elif level % 4 == 1:
            found = found.items[1]
        elif level % 4 == 2:
            found = found.named["k"]
        else:
            found = found.pair[1]
    return found


def chain_of_all(value: dict[str, Any], depth: int) -> Attrs:
    """A value below objects of all three kinds."""
    kinds: list[Any] = [Attrs, *(Model if level % 2 else Data for level in range(depth - 1))]
    made = kinds[-1](**value)
    for kind in reversed(kinds[:-1]):
        made = kind(inner=made)
    assert isinstance(made, Attrs)
    return made


def below_all(found: Any, depth: int) -> Any:
    """The object that `chain_of_all` made of the value."""
    for _ in range(depth - 1):
        found = found.inner
    return found


CHAINS: dict[str, tuple[Callable[..., Attrs], Callable[..., Any]]] = {
    "attrs": (chain_of_attrs, below_attrs),
    "all": (chain_of_all, below_all),
}

Case = tuple[str, Callable[[], Any], Callable[[Any], object]]

CASES: list[Case] = [
    (field, make, change)
    for field, table in (("lists", LISTS), ("dicts", DICTS), ("sets", SETS), ("deques", DEQUES))
    for name, (make, change) in table.items()
    if name != "add a tuple"  # which would come back as a list
]
BYTE_CASES: list[Case] = [("data", make, change) for make, change in BYTES.values()]
"""What a pydantic model does not take."""

OBJECTS: list[Callable[[Any], object]] = [
    lambda obj: setattr(obj, "lists", [1, [2]]),
    lambda obj: setattr(obj, "dicts", {"n": {"m": [1]}}),
    lambda obj: setattr(obj, "deques", deque([1])),
    lambda obj: setattr(obj, "sets", {9}),
    lambda obj: setattr(obj, "inner", None),
    lambda obj: obj.items.append(obj.__class__()),
    lambda obj: obj.lists.append({"a": [1]}),
]


@pytest.mark.parametrize("chain", list(CHAINS))
@pytest.mark.parametrize("depth", range(1, 6))
async def test_every_change_is_written(deeps: Database, sent: Sent, depth: int, chain: str) -> None:
    """T1: every way of changing every kind of container, in objects of every kind."""
    make_chain, below = CHAINS[chain]
    cases = CASES + BYTE_CASES if chain == "attrs" else CASES[:: 5 + depth]
    values = [{field: make()} for field, make, _ in cases]
    done: list[Callable[[Any], object]] = [
        lambda obj, field=field, change=change: change(getattr(obj, field))  # type: ignore[misc]
        for field, _, change in cases
    ]
    values += [{"lists": [1], "sets": {1}, "inner": None} for _ in OBJECTS]
    done += OBJECTS
    async with Session.begin(deeps) as session:
        session.add_all([Deep(attrs=make_chain(value, depth)) for value in values])
    async with Session.begin(deeps) as session:
        found = await session.find(Deep).order_by(Deep.id).to_list()
        wanted: list[Any] = []
        expected: list[Deep] = []
        for obj, change in zip(found, done, strict=True):
            model = copy.deepcopy(obj.attrs)
            assert not session.is_modified(obj)
            change(below(model, depth))
            change(below(obj.attrs, depth))
            assert obj.attrs == model
            differs = model != make_chain(values[len(wanted)], depth)
            assert session.is_modified(obj) is differs, len(wanted)
            if differs:
                expected.append(obj)
            wanted.append(model)
        assert session.dirty == set(expected)
        await session.flush()
        assert sent.writes
        sent.clear()
        await session.flush()
        assert not sent.writes

    async with Session(deeps) as session:
        again = await session.find(Deep).order_by(Deep.id).to_list()
        assert [obj.attrs for obj in again] == wanted


def circles() -> dict[str, tuple[Any, Callable[[Any], object], Callable[[Any], object], str]]:
    """By field: a value, what makes a circle of it, what opens that again, and where it is."""
    return {
        "attrs": (
            Attrs(items=[Attrs()]),
            lambda value: value.items[0].named.update(up=value),
            lambda value: value.items[0].named.clear(),
            ".items[0].named.up",
        ),
        "data": (
            Data(items=[Data()]),
            lambda value: value.items[0].items.append(value),
            lambda value: value.items[0].items.clear(),
            ".items[0].items[0]",
        ),
        "model": (
            Model(items=[Model()]),
            lambda value: setattr(value.items[0], "parent", value),
            lambda value: setattr(value.items[0], "parent", None),
            ".items[0].parent",
        ),
    }


@pytest.mark.parametrize("field", ["attrs", "data", "model"])
async def test_circles(deeps: Database, field: str) -> None:
    """T3: a circle keeps its shape and is tracked; where it cannot be stored its path is told."""
    value, close, reopen, path = circles()[field]
    async with Session.begin(deeps) as session:
        session.add(Deep(**{field: value}))
    async with Session(deeps) as session:
        (deep,) = await session.find(Deep).to_list()
        found: Any = getattr(deep, field)
        close(found)
        assert getattr(deep, field) is found
        assert deep in session.dirty
        found.lists.append(1)
        with pytest.raises(InvalidUnitError) as caught:
            await session.flush()
        assert f"Deep.{field}{path}: a cycle, which JSON cannot hold" in str(caught.value)
        copied = copy.deepcopy(found)
        inner = copied.items[0]
        up = (
            inner.named["up"]
            if field == "attrs"
            else inner.items[0]
            if field == "data"
            else inner.parent
        )
        assert up is copied
        reopen(found)
        await session.commit()
        found.items[0].lists.append(2)
        assert deep in session.dirty
        await session.commit()
        close(found)
        with pytest.raises(ValidationError, match="a cycle"):
            Deep(**{field: found})
        await session.rollback()

    async with Session(deeps) as session:
        (deep,) = await session.find(Deep).to_list()
        found = getattr(deep, field)
        assert (found.lists, found.items[0].lists) == ([1], [2])


async def test_shared_objects(deeps: Database) -> None:
    """T3: an object in two places is one in memory, and two where the store keeps no shape."""
    shared = Attrs(name="s")
    deep: Any = Deep(attrs=Attrs(items=[shared, shared], named={"k": shared}))
    async with Session(deeps) as session:
        session.add(deep)
        await session.commit()
        shared.lists.append(1)
        assert changes(deep).keys() == {"attrs"}
        assert deep.attrs.items[0] is deep.attrs.items[1] is deep.attrs.named["k"] is shared
        deep.attrs.items.clear()
        await session.commit()
        shared.name = "t"
        await session.commit()

    async with Session(deeps) as session:
        (deep,) = await session.find(Deep).to_list()
        assert deep.attrs == Attrs(named={"k": Attrs(lists=[1], name="t")})


async def test_what_a_user_holds(deeps: Database) -> None:
    """T2: what is read is what it says it is, to everybody who asks, and copies are detached."""
    async with Session.begin(deeps) as session:
        session.add(
            Deep(
                attrs=Attrs(lists=[[1]], dicts={"a": {"b": [1]}}),
                data=Data(lists=[1], dicts={"a": [1]}, title="t"),
                model=Model(lists=[1], dicts={"a": [1]}, label="l"),
            )
        )
    async with Session(deeps) as session:
        (deep,) = await session.find(Deep).to_list()
        one, data, model = deep.attrs, deep.data, deep.model
        assert one is not None
        assert data is not None
        assert model is not None
        assert isinstance(one.lists, list)
        assert isinstance(one.dicts, dict)
        assert json.dumps(one.dicts) == '{"a": {"b": [1]}}'
        assert orjson.dumps(one.dicts) == b'{"a":{"b":[1]}}'
        assert orjson.loads(orjson.dumps(data, default=list))["title"] == "t"
        assert json.loads(model.model_dump_json())["label"] == "l"
        match one:
            case Attrs(lists=[[first]], dicts={"a": {"b": [*rest]}}):
                assert (first, rest) == (1, [1])
            case _:
                pytest.fail("it does not match")
        match data, model:
            case Data(title="t"), Model(label="l"):
                pass
            case _:
                pytest.fail("they do not match")
        copies: list[Any] = [
            copy.copy(one),
            copy.deepcopy(one),
            pickle.loads(pickle.dumps(one)),
            attrs.evolve(one, name="x"),
            dataclasses.replace(data, title="x"),
            copy.deepcopy(data),
            model.model_copy(deep=True),
            model.model_copy(update={"label": "x"}),
            pickle.loads(pickle.dumps(model)),
            copy.copy(one.dicts),
            one.dicts | {},
            copy.deepcopy(one.lists),
            one.lists[:],
            pickle.loads(pickle.dumps(one.lists)),
        ]
        for made in copies:
            kind = type(made)
            assert kind in {Attrs, Data, Model, dict, list}
            if kind is dict:
                made["new"] = 1
            elif kind is list:
                made.append(1)
            else:
                made.inner = None
                made.lists = [5]
        for made in (copies[1], copies[2], copies[5], copies[6], copies[8]):
            made.dicts["new"] = 1
            made.dicts["a"] = 1
        entity: Any = deep
        whole = [copy.deepcopy(entity), pickle.loads(pickle.dumps(entity)), attrs.evolve(entity)]
        whole[0].attrs.dicts["a"]["b"].append(2)
        whole[1].attrs.lists[0].append(2)

        assert not session.dirty
        assert deep.attrs == Attrs(lists=[[1]], dicts={"a": {"b": [1]}})


async def test_values_that_could_not_be_read_again(deeps: Database) -> None:
    """M4: what a subclass adds, or a value of another class, is refused and not cut off."""

    class More(Data):
        """A subclass, whose values would come back without what it adds."""

    async with Session(deeps) as session:
        with pytest.raises(ValidationError, match=r"Deep\.data: expected Data itself; a More"):
            Deep(data=More())
        deep = Deep(data=Data())
        session.add(deep)
        assert deep.data is not None
        deep.data.items.append(More())
        deep.data.inner = Data()  # type: ignore[assignment]
        with pytest.raises(InvalidUnitError, match=r"Deep\.data\.(inner|items\[0\]): expected"):
            await session.flush()
        await session.rollback()


class Loose(Table):
    """The same table, as somebody without the classes sees it."""

    class Settings:
        name = "deeps"
        registry = Registry()

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    attrs: Mapped[Any] = Column(default=None)
    data: Mapped[Any] = Column(default=None)
    model: Mapped[Any] = Column(default=None)


async def test_stored_values_that_do_not_fit(deeps: Database) -> None:
    """What somebody else stored and no hint fits is told when it is read, with the way to it."""
    async with Session.begin(deeps) as session:
        session.add(
            Loose(attrs={"items": [{"name": "x"}, {"items": 5}]}, data=[1], model={"label": []})
        )
    async with Session(deeps) as session:
        (deep,) = await session.find(Deep).to_list()
        with pytest.raises(ValidationError, match=r"^Deep\.attrs\.items\[1\]\.items: expected"):
            _ = deep.attrs
        with pytest.raises(ValidationError, match=r"^Deep\.data"):
            _ = deep.data
        with pytest.raises(ValidationError, match=r"^Deep\.model.*valid string"):
            _ = deep.model
        deep.data = Data(title="mended")
        assert changes(deep).keys() == {"data"}
        await session.commit()

    async with Session(deeps) as session:
        (deep,) = await session.find(Deep).to_list()
        assert deep.data == Data(title="mended")
