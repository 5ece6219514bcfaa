"""Which written objects have changed, as told at a glance."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Any

import pytest

from tests.uow.mapping.base import Base
from uow.debug import generated
from uow.mapping.columns import Column, Mapped
from uow.mapping.mapper import mapper_of
from uow.mapping.sifting import make_sifter


class Shade(Enum):
    DARK = "dark"


class Grain(Base):
    id: Mapped[int] = Column(primary_key=True)
    name: Mapped[str] = Column(default="x", max_length=5)
    rank: Mapped[int | None] = Column(default=1)
    weight: Mapped[float] = Column(default=1.0)
    price: Mapped[Decimal] = Column(default=Decimal(1), precision=4, scale=2)
    shade: Mapped[Shade] = Column(default=Shade.DARK)


COLUMNS = mapper_of(Grain).by_attribute


@pytest.mark.parametrize(
    ("field", "before", "value", "is_told"),
    [
        ("rank", 1, 2, True),
        ("rank", None, 2, True),
        ("rank", 2, 2, False),
        ("rank", 2, None, False),
        ("rank", 1, True, False),
        ("rank", 1, 2**63, False),
        ("rank", True, 1, False),
        ("name", "a", "b", True),
        ("name", "a", "too long", False),
        ("name", "a", "\0", False),
        ("weight", 1.0, 1.5, True),
        ("weight", 0.0, -0.0, False),
        ("weight", 1.0, 2, False),
        ("price", Decimal(1), Decimal("1.50"), True),
        ("price", Decimal("1.5"), Decimal("1.50"), False),
        ("shade", None, Shade.DARK, True),
        ("shade", None, "dark", False),
    ],
)
def test_sift(field: str, before: Any, value: Any, is_told: bool) -> None:
    """What surely differs and fits needs no closer look; all else does."""
    sift = make_sifter([COLUMNS[field]])
    plain, other = Grain(id=1), Grain(id=2)
    setattr(other, field, value)
    setattr(plain, field, {"name": "n", "weight": 9.5, "price": Decimal(9)}.get(field, 7))
    if field == "shade":
        plain.shade = Shade.DARK

    assert sift([plain, other], [None, before]) == ([] if is_told else [other])


def test_sift_several() -> None:
    """Every column has to differ and fit."""
    sift = make_sifter([COLUMNS["name"], COLUMNS["rank"]])
    grains = [Grain(id=n, name="new", rank=n) for n in range(4)]

    assert sift(grains, ["old", "new", "old", "old"], [9, 9, 2, None]) == grains[1:3]
    assert "obj.rank" in generated(Grain)["sift(name, rank)"]


def test_a_check_that_refuses() -> None:
    """A value of a type that has no test of its own goes through its check, which may raise."""
    grain = Grain(id=1)
    grain.price = Decimal("1.234")

    with pytest.raises(ValueError, match="digits"):
        make_sifter([COLUMNS["price"]])([grain], [Decimal(1)])
