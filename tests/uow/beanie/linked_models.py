"""Documents that link to each other."""

from __future__ import annotations

import pydantic

from uow import BackLink, Column, Document, Link, Mapped, Registry, link

__all__ = ["ALL", "Door", "House", "Lock", "Person", "Roof", "Shed", "Tree", "Window", "registry"]

registry = Registry()


class Base(Document):
    class Settings:
        abstract = True
        registry = registry


class Lock(Base):
    k: int = 10


class Window(Base):
    x: int = 10
    y: int = 10
    lock: Link[Lock] | None = None


class Door(Base):
    height: int = 2
    lock: Link[Lock] | None = None
    house: BackLink[House] = pydantic.Field(json_schema_extra={"original_field": "door"})


class Roof(Base):
    """A key of its own kind."""

    id: Mapped[int] = Column(primary_key=True)
    name: str = "flat"


class Person(Base):
    name: str
    houses: list[BackLink[House]] = link(original_field="owners")


class House(Base):
    class Settings:
        name = "houses"

    name: str
    door: Link[Door]
    windows: list[Link[Window]] = []  # noqa: RUF012 - documents copy mutable defaults
    owners: list[Link[Person]] | None = pydantic.Field(default=None, alias="ownedBy")
    roof: Link[Roof] | None = None
    rooms: dict[str, Link[Window]] = {}  # noqa: RUF012


class Shed(Base):
    """Its door goes with it."""

    door: Link[Door] | None = link(cascade="all", default=None)
    doors: list[Link[Door]] = link(cascade="all", default=[])


class Tree(Base):
    class Settings:
        max_nesting_depth = 2
        max_nesting_depths_per_field = {"right": 1}  # noqa: RUF012

    name: str
    left: Link[Tree] | None = None
    right: Link[Tree] | None = None


ALL = [Lock, Window, Door, Roof, Person, House, Shed, Tree]
