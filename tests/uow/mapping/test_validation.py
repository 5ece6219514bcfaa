"""The check before a flush: quick where all is well, exact where it is not (M4)."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Any

import pytest

from tests.uow.mapping.base import Base
from uow.mapping.columns import Column, Mapped
from uow.mapping.mapper import mapper_of
from uow.mapping.validation import make_checker, problems_of


class Kind(Enum):
    A = "a"


class Item(Base):
    id: Mapped[int] = Column(primary_key=True)
    name: Mapped[str] = Column(default="x", max_length=5)
    weight: Mapped[float] = Column(default=1.0)
    price: Mapped[Decimal | None] = Column(default=None, precision=4, scale=2)
    kind: Mapped[Kind] = Column(default=Kind.A)
    data: Mapped[dict[str, Any]] = Column(default_factory=dict)


COLUMNS = mapper_of(Item).columns
check = make_checker(COLUMNS)


def test_all_well() -> None:
    """Objects with fitting values need no second look."""
    items = [Item(id=1), Item(id=2, price=Decimal("1.5"), name="Änn", data={"a": [1]})]

    assert check(items) == []
    assert problems_of(items[1], COLUMNS) == []


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "too long", "text of 8 characters, at most 5 fit"),
        ("name", None, "expected str, got None"),
        ("weight", "1", "expected float, got str"),
        ("price", 1.5, "expected Decimal, got float"),
        ("kind", "a", "expected Kind, got str"),
        ("data", {"x": float("nan")}, "at $.x: JSON holds no NaN and no infinity"),
        ("data", {1: 2}, "JSON keys are str, got int"),
    ],
)
def test_problem(field: str, value: Any, message: str) -> None:
    """A value that was set without a check is found before anything is sent."""
    good, bad = Item(id=1), Item(id=2)
    setattr(bad, field, value)

    assert check([good, bad, good]) == [bad]
    assert problems_of(bad, COLUMNS) == [f"Item.{field}: {message}"]


def test_changed_in_place() -> None:
    """What was put into a list or dict later is looked at too (trap 34)."""
    item = Item(id=1)
    item.data["x"] = [float("inf")]

    assert problems_of(item, COLUMNS) == ["Item.data: at $.x[0]: JSON holds no NaN and no infinity"]


def test_all_problems() -> None:
    """All that is wrong with an object is told at once."""
    item = Item(id=1)
    item.name = 3  # type: ignore[assignment]
    item.kind = None  # type: ignore[assignment]

    assert len(problems_of(item, COLUMNS)) == 2


def test_normal_form() -> None:
    """A scalar in another form is put back in the column's own; a list stays the user's."""
    item = Item(id=1)
    item.weight = 2
    data = item.data
    assert check([item]) == [item]

    assert problems_of(item, COLUMNS) == []
    assert type(item.weight) is float
    assert item.data is data
    assert check([item]) == []


def test_encoders_have_a_say() -> None:
    """What only one store cannot keep is told in the same way."""

    def refuse(value: float) -> float:
        raise ValueError("NaN cannot be stored")

    item = Item(id=1, weight=float("nan"))
    encoders = [None, None, refuse, None, None, None]

    assert check([item]) == []
    assert problems_of(item, COLUMNS, encoders) == ["Item.weight: NaN cannot be stored"]


def test_some_columns() -> None:
    """Only the columns about to be written are looked at."""
    item = Item(id=1)
    item.name = 3  # type: ignore[assignment]

    assert make_checker(COLUMNS[2:4])([item]) == []
