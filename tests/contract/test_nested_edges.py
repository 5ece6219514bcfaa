"""What a column may be besides: buffers, literals, and values that come near to being JSON."""

from __future__ import annotations

import enum
from collections import UserDict
from types import MappingProxyType
from typing import Any, Literal, Optional

import attrs
import pytest
from bson import ObjectId

from tests.contract.sent import Sent
from tests.uow.tracking.mutations import BYTES
from uow import (
    Column,
    Database,
    Document,
    InvalidUnitError,
    Mapped,
    Registry,
    Session,
    Table,
    ValidationError,
    changes,
    insert,
)

pytestmark = pytest.mark.anyio


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@attrs.define
class Options:
    """An attrs class with a list of anything."""

    tags: list[Any] = attrs.field(factory=list)


class Odd(Table):
    class Settings:
        name = "odd_rows"
        registry = Registry()

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    data: Mapped[bytearray] = Column(default_factory=bytearray)
    more: Mapped[bytearray | None] = Column(default=None, max_length=5)
    kind: Mapped[Literal["a", "b"]] = Column(default="a", max_length=1)
    size: Mapped[Literal[1, 2] | None] = Column(default=None)
    sure: Mapped[Literal[True]] = Column(default=True)
    color: Mapped[Literal[Color.RED]] = Column(default=Color.RED)
    level: Mapped[Optional[Literal[Level.LOW]]] = Column(default=None)  # noqa: UP045
    settings: Mapped[Options | None] = Column(default=None)
    anything: Mapped[Any] = Column(default=None)


class OddPaper(Document):
    class Settings:
        name = "odd_papers"
        registry = Registry()

    id: Mapped[ObjectId | None] = Column(primary_key=True, default=None)
    data: Mapped[bytearray] = Column(default_factory=bytearray)
    more: Mapped[bytearray | None] = Column(default=None, max_length=5)
    kind: Mapped[Literal["a", "b"]] = Column(default="a", max_length=1)
    size: Mapped[Literal[1, 2] | None] = Column(default=None)
    sure: Mapped[Literal[True]] = Column(default=True)
    color: Mapped[Literal[Color.RED]] = Column(default=Color.RED)
    level: Mapped[Optional[Literal[Level.LOW]]] = Column(default=None)  # noqa: UP045
    settings: Mapped[Options | None] = Column(default=None)
    anything: Mapped[Any] = Column(default=None)


@pytest.fixture
def odd(backend: Any) -> Any:
    """The class that the backend takes."""
    return Odd if "documents" in backend.lacks else OddPaper


async def test_buffers(database: Database, odd: Any, sent: Sent) -> None:
    """T1: a bytearray is compared at flush, whatever was done to it, and is one when read."""
    await database.create_all([odd])
    fresh = [odd(data=make()) for make, _ in BYTES.values()]
    wanted: list[bytearray] = []
    async with Session.begin(database) as session:
        session.add_all(fresh)
        await session.flush()
        for obj, (make, change) in zip(fresh, BYTES.values(), strict=True):
            model = make()
            change(model)
            change(obj.data)
            wanted.append(model)
    keys = [obj.id for obj in fresh]
    async with Session(database) as session:
        found = [await session.get_one(odd, key) for key in keys]
        assert [one.data for one in found] == wanted
        assert {type(one.data) for one in found} == {bytearray}
        sent.clear()
        await session.commit()
        assert not sent.writes, "reading is no change"
        for one, (make, change) in zip(found, BYTES.values(), strict=True):
            one.data[:] = make()
            change(one.data)
        await session.commit()
        assert not sent.writes, "what is as it was is not written"
        one = found[0]
        one.data.append(7)
        assert changes(one) == {"data": (wanted[0], wanted[0] + b"\x07")}
        await session.rollback()
        assert one.data == wanted[0]
        one.data, one.more = b"bytes", bytearray(b"12345")
        assert type(one.data) is bytearray
        await session.commit()
        one.data.extend(b"!")
        one.more.clear()
        await session.commit()
    async with Session(database) as session:
        one = await session.get_one(odd, keys[0])
        assert (one.data, one.more) == (b"bytes!", b"")
        assert await session.find(odd, odd.data == bytearray(b"bytes!")).count() == 1
        one.more.extend(b"123456")
        with pytest.raises(InvalidUnitError, match=r"\.more: 6 bytes, at most 5 fit"):
            await session.flush()
        one.more = None
        await session.commit()
    with pytest.raises(ValidationError, match=r"\.data: expected bytearray, got str"):
        odd(data="x")


async def test_what_was_set_to_what_it_was(database: Database, odd: Any, sent: Sent) -> None:
    """A value that cannot tell of changes is compared on, though setting it was no change."""
    await database.create_all([odd])
    async with Session.begin(database) as session:
        obj = odd(data=bytearray(b"x"), anything={"a": 1})
        session.add(obj)
    async with Session(database) as session:
        found = await session.get_one(odd, obj.id)
        found.data = bytearray(b"x")  # never read, so nothing was known of it yet
        found.anything = UserDict(a=1)
        sent.clear()
        await session.commit()
        assert not sent.writes
        found.data.append(33)
        found.anything["b"] = [2]
        await session.commit()
        found.anything["b"].append(3)
        await session.commit()
    async with Session(database) as session:
        found = await session.get_one(odd, obj.id)
        assert (found.data, found.anything) == (b"x!", {"a": 1, "b": [2, 3]})


async def test_equal_values_of_other_kinds(database: Database, odd: Any) -> None:
    """`1`, `True` and `1.0` are equal to Python and three things to a store: each is written."""
    await database.create_all([odd])
    async with Session(database) as session:
        obj = odd(anything={"a": [{"b": 1}]}, settings=Options([0]))
        session.add(obj)
        await session.commit()
        for one in (True, 1.0, 1, 1.0, True, 1):
            obj.anything["a"][0]["b"] = one
            obj.settings.tags[0] = type(one)(0)
            assert {name.partition(".")[0] for name in changes(obj)} == {"anything", "settings"}
            await session.commit()
            async with Session(database) as other:
                found = await other.get_one(odd, obj.id)
                held = (found.anything["a"][0]["b"], found.settings.tags[0])
                assert [type(each) for each in held] == [type(one)] * 2


OUTSIDE: dict[str, object] = {
    "kind": "c",
    "size": 3,
    "sure": False,
    "color": Color.BLUE,
    "level": Level.HIGH,
}


async def test_literals(database: Database, odd: Any) -> None:
    """M4, M5: a literal is kept as what it is, and nothing that it does not name is taken."""
    await database.create_all([odd])
    async with Session.begin(database) as session:
        obj = odd(kind="b", size=2, level=Level.LOW)
        session.add_all([obj, odd()])
    async with Session(database) as session:
        found = await session.get_one(odd, obj.id)
        held = (found.kind, found.size, found.sure, found.color, found.level)
        assert held == ("b", 2, True, Color.RED, Level.LOW)
        assert await session.find(odd, odd.kind == "b", odd.size > 1).count() == 1
        assert await session.find(odd, odd.color == Color.RED).count() == 2
        for name, value in OUTSIDE.items():
            setattr(found, name, value)
        with pytest.raises(InvalidUnitError) as caught:
            await session.flush()
        for name in OUTSIDE:
            assert f"{odd.__name__}.{name}: expected one of " in str(caught.value)
        await session.rollback()
        found.kind, found.size = "a", None
        await session.commit()
        with pytest.raises(ValidationError, match="expected one of 'a', 'b', got another str"):
            await session.find(odd, odd.kind == "a").update({"kind": "z"})
        with pytest.raises(ValidationError, match="expected one of 1, 2, got another int"):
            await session.execute(insert(odd, size=7))
    for name, value in OUTSIDE.items():
        with pytest.raises(ValidationError, match=rf"\.{name}: expected one of"):
            odd(**{name: value})
    with pytest.raises(ValidationError, match=r"\.size: expected int, got bool"):
        odd(size=True)


NO_JSON: list[Any] = [10**5000, UserDict(a={1, 2}), MappingProxyType({"a": object()})]


@pytest.mark.needs("table_classes")
async def test_what_cannot_be_json(database: Database) -> None:
    """The way to what cannot be written is told, on every way by which it may come in."""
    await database.create_all([Odd])
    for value in NO_JSON:
        with pytest.raises(ValidationError, match=r"Odd\.settings\.tags\[1\](\.a)?: (an int|exp)"):
            Odd(settings=Options([0, value]))
        async with Session(database) as session:
            odd = Odd(settings=Options([0]), anything=[0])
            session.add(odd)
            await session.flush()
            assert odd.settings is not None
            odd.settings.tags.append(value)
            odd.anything.append(value)
            with pytest.raises(InvalidUnitError) as caught:
                await session.flush()
            assert "Odd.settings.tags[1]" in str(caught.value)
            assert "Odd.anything[1]" in str(caught.value)
            await session.rollback()


@pytest.mark.needs("table_classes")
async def test_mappings_of_other_classes(database: Database, sent: Sent) -> None:
    """What is a mapping, but no dict, is written as one, and compared at each flush."""
    await database.create_all([Odd])
    async with Session(database) as session:
        odd = Odd(anything={})
        session.add(odd)
        await session.flush()
        held: UserDict[str, Any] = UserDict(a=[1])
        odd.anything = {"x": held, "y": MappingProxyType({"b": 2})}
        await session.flush()
        sent.clear()
        await session.flush()
        assert not sent.writes
        held["a"].append(2)
        await session.commit()
    async with Session(database) as session:
        assert (await session.get_one(Odd, odd.id)).anything == {"x": {"a": [1, 2]}, "y": {"b": 2}}
