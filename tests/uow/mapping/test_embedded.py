"""Values that are kept in a column for each of their fields (M6)."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from decimal import Decimal
from typing import Annotated, Any, NamedTuple

import attrs
import pydantic
import pytest

from tests.uow.mapping.base import Base, make_class
from uow.errors import MappingError, UnknownFieldError, ValidationError
from uow.mapping.columns import Column, Mapped
from uow.mapping.embedded import EmbeddedColumns
from uow.mapping.mapper import mapper_of
from uow.types import Integer, Numeric, Text


@attrs.frozen
class Address:
    street: str
    city: str | None = None


@dataclasses.dataclass(frozen=True)
class Money:
    amount: Annotated[Decimal, Numeric(9, 2)]
    currency: str


class Point(NamedTuple):
    x: int
    y: int


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True)

    name: str


@attrs.define
class Changing:
    street: str


class Shop(Base):
    id: Mapped[int] = Column(primary_key=True)
    home: Mapped[Address] = Column(prefix="home_")
    price: Mapped[Money | None] = Column(prefix="price_", default=None)
    point: Mapped[Point | None] = Column(prefix="point_", default=None)
    model: Mapped[Model | None] = Column(prefix="model_", default=None)


SHOP: Any = Shop
COLUMN: Any = Column  # for arguments that type checkers refuse


def test_columns() -> None:
    """Each field is a column of its own type, nullable if the value or the field is."""
    found = {c.name: (type(c.type), c.nullable) for c in mapper_of(Shop).columns}

    assert found == {
        "id": (Integer, False),
        "home_street": (Text, False),
        "home_city": (Text, True),
        "price_amount": (Numeric, True),
        "price_currency": (Text, True),
        "point_x": (Integer, True),
        "point_y": (Integer, True),
        "model_name": (Text, True),
    }
    assert mapper_of(Shop).by_attribute["price_amount"].type == Numeric(9, 2)


def test_values() -> None:
    """It is given and read as a value, as its parts, or both ways; None is no value at all."""
    shop = SHOP(
        id=1, home=Address("a", "b"), price=Money(Decimal("1.50"), "EUR"), point=Point(1, 2)
    )

    assert shop.home == Address("a", "b")
    assert (shop.home_street, shop.home_city) == ("a", "b")
    assert shop.price == Money(Decimal("1.50"), "EUR")
    assert shop.point == Point(1, 2)
    assert shop.model is None
    shop.home = attrs.evolve(shop.home, street="c")
    shop.model = Model(name="m")
    shop.price = None
    assert (shop.home_street, shop.model_name, shop.price_amount) == ("c", "m", None)
    assert shop.model == Model(name="m")
    assert SHOP(id=2, home_street="x").home == Address("x")
    assert attrs.evolve(shop, home=Address("new")).home == Address("new")
    for made in (copy.copy(shop), copy.deepcopy(shop), pickle.loads(pickle.dumps(shop))):
        assert made.home == shop.home


def test_wrong_values() -> None:
    """What is no value of the class is refused, and says where."""
    for make in (
        lambda: SHOP(id=1, home=Changing("x")),
        lambda: SHOP(id=1, home=None),
        lambda: setattr(SHOP(id=1, home=Address("a")), "home", None),
    ):
        with pytest.raises(ValidationError, match=r"Shop\.home: expected Address, got"):
            make()
    with pytest.raises(ValidationError, match=r"Shop\.home_street: expected str, got int"):
        SHOP(id=1, home=Address(5))  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match=r"Shop\.home_street: a value is required"):
        SHOP(id=1)
    with pytest.raises(UnknownFieldError, match="Shop has no field 'hom'"):
        SHOP(id=1, home=Address("a"), hom=1)


def test_class_access() -> None:
    """The class answers columns by the names of the value's fields."""
    home: Any = SHOP.home

    assert isinstance(home, EmbeddedColumns)
    assert repr(home) == "<EmbeddedColumns Shop.home>"
    assert home["street"] is SHOP.home_street
    with pytest.raises(MappingError, match=r"Shop\.home has no field 'nothing'"):
        home["nothing"]
    with pytest.raises(ValidationError, match="expected Address, got int"):
        _ = home == 5


@pytest.mark.parametrize(
    ("hint", "column", "problem"),
    [
        (Address, Column(prefix="2x"), "prefix= begins names"),
        (Address, Column(prefix=""), "prefix= begins names"),
        (Changing, Column(prefix="a_"), "must be frozen"),
        (int, Column(prefix="a_"), "is no attrs class"),
        (list[int], Column(prefix="a_"), "is no attrs class"),
        (int | str, Column(prefix="a_"), "is no attrs class"),
        ("dict[str, Unknown]", Column(prefix="a_"), "must be defined before"),
        ("Later", Column(prefix="a_"), "must be defined before"),
        (Address, COLUMN(prefix="a_", unique=True), "no other argument"),
        (Address, Column(prefix="a_", default=None), "can only be None"),
        (Address, Column(prefix="other_"), "other_street is there twice"),
        (Address | None, COLUMN(prefix="a_", default=Address("x")), "can only be None"),
    ],
)
def test_bad_definitions(hint: Any, column: Any, problem: str) -> None:
    """What cannot be kept in columns is refused when the class is defined, by name."""
    with pytest.raises(MappingError, match=problem):
        make_class(
            "Bad",
            {
                "__annotations__": {"id": int, "other_street": str, "home": hint},
                "id": Column(primary_key=True),
                "home": column,
            },
        )
