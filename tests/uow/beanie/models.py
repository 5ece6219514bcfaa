"""The documents of these tests."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import attrs
import pydantic

from uow import Column, Document, Mapped, Registry

__all__ = ["ALL", "Address", "Item", "Person", "Revised", "registry"]

registry = Registry()


class Address(pydantic.BaseModel):
    """A value whose stored name is not its own."""

    model_config = pydantic.ConfigDict(populate_by_name=True)

    city: str = pydantic.Field(alias="cityName")
    number: int = 0


@attrs.define
class Item:
    """A member of a list."""

    name: str
    price: int = 0


class Person(Document):
    """One of everything that operators look at."""

    class Settings:
        name = "people"
        registry = registry

    name: str
    age: int = 0
    nick: Mapped[str | None] = Column(default=None, name="nickName")
    born: dt.date = dt.date(2000, 1, 1)
    money: Decimal = Decimal(0)
    address: Address | None = None
    tags: Mapped[list[str]] = Column(default_factory=list)
    items: Mapped[list[Item]] = Column(default_factory=list)
    place: Mapped[dict[str, Any]] = Column(default_factory=dict)


class Revised(Document):
    """With a revision."""

    class Settings:
        name = "revised"
        use_revision = True
        registry = registry

    age: int = 0


ALL = (Person, Revised)
