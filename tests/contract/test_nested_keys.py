"""Dicts with keys that are no texts: stored as texts, and never so in memory (M6, T1)."""

from __future__ import annotations

import datetime as dt
import enum
import ipaddress as ip
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, NewType
from uuid import UUID

import attrs
import pydantic
import pytest
from bson import ObjectId

from tests.contract.sent import Sent
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
)

pytestmark = pytest.mark.anyio

UserId = NewType("UserId", int)


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@attrs.define
class Stock:
    """Odd keys below an attrs class, and below those."""

    by_size: dict[int, dict[Color, list[int]]] = attrs.field(factory=dict)


class Prices(pydantic.BaseModel):
    """Odd keys in a model, which sees to them by itself."""

    by_day: dict[dt.date, int] = {}


DAY = dt.date(2024, 2, 29)
NOON = dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.UTC)

FIELDS: dict[str, tuple[Any, dict[Any, Any], tuple[Any, Any]]] = {
    "ints": (dict[int, list[int]], {1: [1], -2: [], 2**70: [3]}, (7, [7])),
    "enums": (dict[Color, Any], {Color.RED: {"x": 1}}, (Color.BLUE, 2)),
    "numbers": (dict[Level, int], {Level.HIGH: 1}, (Level.LOW, 2)),
    "flags": (dict[Access, int], {Access.READ | Access.WRITE: 1}, (Access.READ, 2)),
    "uuids": (dict[UUID, int], {UUID(int=5): 1}, (UUID(int=6), 2)),
    "days": (dict[dt.date, int], {DAY: 1}, (dt.date.min, 2)),
    "moments": (dict[dt.datetime, int], {NOON: 1}, (NOON.replace(year=1996), 2)),
    "times": (dict[dt.time, int], {dt.time(1, 2): 1}, (dt.time(3), 2)),
    "spans": (dict[dt.timedelta, int], {dt.timedelta(days=-1): 1}, (dt.timedelta(0), 2)),
    "flags_of": (dict[bool, int], {True: 1}, (False, 2)),
    "addresses": (
        dict[ip.IPv6Address, int],
        {ip.IPv6Address("::1"): 1},
        (ip.IPv6Address("::2"), 2),
    ),
    "literals": (dict[Literal["a", 1], int], {"a": 1}, (1, 2)),
    "new_types": (dict[UserId, int], {UserId(1): 1}, (UserId(2), 2)),
    "abstract": (Mapping[int, Sequence[int]], {1: [1]}, (2, [2])),
    "nested": (list[dict[int, dict[int, int]]], {1: {2: 3}}, (4, {5: 6})),
}
"""By field: its hint, what is put in, and what is put in later."""

TABLES: dict[str, tuple[Any, dict[Any, Any], tuple[Any, Any]]] = {
    "floats": (dict[float, int], {1.5: 1, 1e22: 2, -0.25: 3}, (2.0, 2)),
    "decimals": (dict[Decimal, int], {Decimal("1.10"): 1}, (Decimal("2.5"), 2)),
}
"""What has dots, which no key of a document may hold."""


def _class_of(base: Any, fields: dict[str, Any], key: Any) -> Any:
    mapped: Any = Mapped
    hints = {name: mapped[field[0]] for name, field in fields.items()}
    return type(base)(
        "Shelf",
        (base,),
        {
            "__module__": __name__,
            "__qualname__": "Shelf",
            "__annotations__": {
                "id": key[0],
                **hints,
                "stock": Mapped[Stock | None],
                "prices": Mapped[Prices | None],
            },
            "id": key[1],
            **{name: Column(default_factory=_empty(field[0])) for name, field in fields.items()},
            "stock": Column(default=None),
            "prices": Column(default=None),
            "Settings": type("Settings", (), {"name": "shelves", "registry": Registry()}),
        },
    )


def _empty(hint: Any) -> Any:
    return list if hint == list[dict[int, dict[int, int]]] else dict


Shelf: Any = _class_of(
    Table, {**FIELDS, **TABLES}, (Mapped[int], Column(primary_key=True, auto_increment=True))
)
Paper: Any = _class_of(
    Document, FIELDS, (Mapped[ObjectId | None], Column(primary_key=True, default=None))
)


async def _goes_round(database: Database, class_: Any, fields: dict[str, Any], sent: Sent) -> None:
    await database.create_all([class_])
    values = {name: value for name, (_, value, _) in fields.items()}
    values["nested"] = [values["nested"]]
    stock, prices = Stock({3: {Color.RED: [1]}}), Prices(by_day={DAY: 1})
    obj = class_(**values, stock=stock, prices=prices)
    async with Session.begin(database) as session:
        session.add(obj)
    async with Session(database) as session:
        found = await session.get_one(class_, obj.id)
        for name, value in values.items():
            assert getattr(found, name) == value, name
        assert (found.stock, found.prices) == (stock, prices)
        assert not changes(found)
        for name, (_, _, (key, item)) in fields.items():
            held = getattr(found, name)
            (held[0] if name == "nested" else held)[key] = item
        found.stock.by_size[3][Color.BLUE] = [2]
        found.prices.by_day[dt.date(2025, 1, 1)] = 2
        await session.commit()
        sent.clear()
        await session.commit()
        assert not sent.writes
    async with Session(database) as session:
        found = await session.get_one(class_, obj.id)
        for name, (_, value, (key, item)) in fields.items():
            wanted = {**value, key: item}
            assert getattr(found, name) == ([wanted] if name == "nested" else wanted), name
        assert found.stock == Stock({3: {Color.RED: [1], Color.BLUE: [2]}})
        assert found.prices.by_day == {DAY: 1, dt.date(2025, 1, 1): 2}
        found.nested[0][1][2] = 4  # below two odd keys
        await session.commit()
    async with Session(database) as session:
        assert (await session.get_one(class_, obj.id)).nested[0][1] == {2: 4}


@pytest.mark.needs("table_classes")
async def test_keys_in_tables(database: Database, sent: Sent) -> None:
    """Keys of every kind come back as they were, and changes below them are written."""
    await _goes_round(database, Shelf, {**FIELDS, **TABLES}, sent)


@pytest.mark.needs("documents")
async def test_keys_in_documents(database: Database, sent: Sent) -> None:
    """The same of documents, whose store has text keys too."""
    await _goes_round(database, Paper, FIELDS, sent)
    with pytest.raises(ValidationError, match=r"Hot\.degrees: a key that .* holds a dot"):
        Hot(degrees={1.5: 1})
    async with Session.begin(database) as session:
        hot = Hot(degrees={})
        session.add(hot)
        await session.flush()
        hot.degrees[2.5] = 1
        with pytest.raises(InvalidUnitError, match=r"Hot\.degrees: a key that .* holds a dot"):
            await session.flush()
        del hot.degrees[2.5]


class Hot(Document):
    """Keys that have a dot, if they are not refused."""

    class Settings:
        name = "hot"
        registry = Registry()

    degrees: Mapped[dict[float, int]]


class Kinds(Table):
    """Dicts of further classes."""

    class Settings:
        name = "dict_kinds"
        registry = Registry()

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    counts: Mapped[Counter[int]] = Column(default_factory=Counter)
    ordered: Mapped[OrderedDict[int, list[int]] | None] = Column(default=None)


@pytest.mark.needs("table_classes")
async def test_dicts_of_further_classes(database: Database) -> None:
    """A counter stays one, in new objects as in loaded ones, and changes in it are found."""
    await database.create_all([Kinds])
    kinds = Kinds(counts=Counter([1, 1]), ordered=OrderedDict({2: [1], 1: []}))
    assert type(kinds.counts) is Counter
    async with Session.begin(database) as session:
        session.add(kinds)
        await session.flush()
        kinds.counts[5] += 3
    async with Session(database) as session:
        found = await session.get_one(Kinds, kinds.id)
        assert found.counts == Counter({1: 2, 5: 3})
        assert (type(found.counts), type(found.ordered)) == (Counter, OrderedDict)
        found.counts[1] -= 1
        assert found.ordered is not None
        found.ordered[2].append(7)
        await session.commit()
    async with Session(database) as session:
        found = await session.get_one(Kinds, kinds.id)
        assert found.counts == Counter({1: 1, 5: 3})
        assert found.ordered == {2: [1, 7], 1: []}
        assert dict(found.ordered) == {2: [1, 7], 1: []}
    with pytest.raises(ValidationError, match="expected Counter, got dict"):
        Kinds(counts={1: 2})  # type: ignore[arg-type]
