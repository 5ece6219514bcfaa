"""The check before a flush: what was set without one is found before anything is sent (M4)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest

from uow import Column, InvalidUnitError, Mapped, Registry, Session, Table, connect

pytestmark = pytest.mark.anyio


class Kind(Enum):
    A = "a"


class Item(Table):
    class Settings:
        name = "items"
        registry = Registry()

    id: Mapped[int] = Column(primary_key=True)
    name: Mapped[str] = Column(default="x", max_length=5)
    weight: Mapped[float] = Column(default=1.0)
    price: Mapped[Decimal | None] = Column(default=None, precision=4, scale=2)
    kind: Mapped[Kind] = Column(default=Kind.A)
    data: Mapped[dict[str, Any]] = Column(default_factory=dict)


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    """A session on an empty store."""
    database = await connect("sqlite://")
    await database.create_all([Item])
    async with Session(database) as session:
        yield session
        await session.rollback()
    await database.aclose()


PROBLEMS: list[tuple[str, Any, str]] = [
    ("name", "too long", "text of 8 characters, at most 5 fit"),
    ("name", None, "expected str, got None"),
    ("weight", "1", "expected float, got str"),
    ("price", 1.5, "expected Decimal, got float"),
    ("kind", "a", "expected Kind, got str"),
    ("data.x", {"x": float("nan")}, "JSON holds no NaN and no infinity"),
    ("data", {1: 2}, "JSON keys are str, got int"),
    ("weight", float("nan"), "NaN cannot be stored"),  # which only this store cannot keep
]


@pytest.mark.parametrize("is_new", [True, False])
async def test_problems(session: Session, is_new: bool) -> None:
    """Of new objects and of stored ones, the fields are named, all at once."""
    items = [Item(id=number) for number in range(len(PROBLEMS) + 1)]
    session.add_all(items)
    if not is_new:
        await session.flush()
    for item, (field, value, _) in zip(items, PROBLEMS, strict=False):
        setattr(item, field.partition(".")[0], value)
    with pytest.raises(InvalidUnitError) as caught:
        await session.flush()
    told = str(caught.value)
    for field, _, message in PROBLEMS[:-1]:
        assert f"Item.{field}: {message}" in told
    for item, (field, _, _) in zip(items, PROBLEMS[:-1], strict=False):
        setattr(item, field.partition(".")[0], getattr(items[-1], field.partition(".")[0]))

    with pytest.raises(InvalidUnitError, match=r"^1 value .*\s+Item\.weight: NaN cannot be stored"):
        await session.flush()


async def test_changed_in_place(session: Session) -> None:
    """What was put into a list or dict later is looked at too (trap 34)."""
    item = Item(id=1)
    session.add(item)
    await session.flush()
    item.data["x"] = [float("inf")]

    with pytest.raises(InvalidUnitError, match=r"Item\.data\.x\[0\]: JSON holds no NaN"):
        await session.flush()


async def test_normal_form(session: Session) -> None:
    """A scalar in another form is put back in the column's own; a dict stays what it is."""
    item = Item(id=1)
    session.add(item)
    await session.flush()
    item.weight = 2
    data = item.data
    await session.flush()

    assert type(item.weight) is float
    assert item.data is data
