"""The classes of the contract suite that inherit from each other: every kind, three levels deep."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from uow import Column, Mapped, Registry, Table, uuid7

__all__ = [
    "ALL",
    "Account",
    "Asset",
    "Business",
    "Circle",
    "City",
    "Corporation",
    "Employee",
    "Figure",
    "Graduate",
    "Member",
    "Part",
    "Person",
    "Photo",
    "Place",
    "Private",
    "Square",
    "Student",
    "Teacher",
    "Tile",
    "Vehicle",
    "Visit",
]

REGISTRY = Registry()


class Person(Table):
    class Settings:
        name = "h_people"
        registry = REGISTRY
        inheritance = "joined"
        discriminator = "kind"
        indexes = ("name",)

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    kind: Mapped[str] = Column(discriminator=True, max_length=20)
    name: Mapped[str] = Column(max_length=100)
    email: Mapped[str | None] = Column(default=None, unique=True, max_length=100)
    tags: Mapped[list[str]] = Column(default_factory=list)
    version: Mapped[int] = Column(version=True)


class Student(Person):
    class Settings(Person.Settings):
        name = "h_students"

    grade: Mapped[int]
    number: Mapped[int | None] = Column(default=None, unique=True)
    notes: Mapped[list[str]] = Column(default_factory=list)
    doubled: Mapped[int] = Column(generated="grade * 2")
    state: Mapped[str] = Column(server_default="'new'", max_length=10)


class Graduate(Student):
    class Settings:
        name = "h_graduates"
        discriminator_value = "grad"

    thesis: Mapped[str] = Column(max_length=100)


class Member(Person):
    """Abstract: what stands between the root and those who work there."""

    class Settings:
        abstract = True

    room: Mapped[int | None] = Column(default=None)


class Employee(Member):
    class Settings:
        name = "h_employees"

    salary: Mapped[int] = Column(default=0)
    boss_id: Mapped[int | None] = Column(default=None, foreign_key="h_employees.id")


class Teacher(Employee):
    class Settings:
        name = "h_teachers"

    subject: Mapped[str] = Column(max_length=50)


class Visit(Table):
    """Refers to classes of two levels."""

    class Settings:
        name = "h_visits"
        registry = REGISTRY

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    guest_id: Mapped[int] = Column(foreign_key="h_people.id")
    host_id: Mapped[int] = Column(foreign_key="h_teachers.id")


class Vehicle(Table):
    """Joined, and nothing but the tables tells the class."""

    class Settings:
        name = "h_vehicles"
        registry = REGISTRY
        inheritance = "joined"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    maker: Mapped[str] = Column(max_length=50)


KINDS = ("Car", "Bus", "Tram", "Ship", "Raft", "Cart")
"""Many children; each has a child of its own."""


def _vehicle(name: str, parent: type[Table]) -> Any:
    namespace = {
        "__module__": __name__,
        "__qualname__": name,
        "__annotations__": {name.lower(): int},
        "Settings": type("Settings", (), {"name": f"h_{name.lower()}"}),
        name.lower(): 0,
    }
    return cast("Any", type(parent))(name, (parent,), namespace)


VEHICLES: dict[str, Any] = {name: _vehicle(name, Vehicle) for name in KINDS}
VEHICLES |= {f"Big{name}": _vehicle(f"Big{name}", VEHICLES[name]) for name in KINDS}


class Account(Table):
    class Settings:
        name = "h_accounts"
        registry = REGISTRY
        inheritance = "single"
        discriminator = "type"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    owner: Mapped[str] = Column(max_length=50)
    version: Mapped[int] = Column(version=True)


class Private(Account):
    age: Mapped[int]


class Business(Account):
    class Settings(Account.Settings):
        discriminator_value = "firm"

    tax: Mapped[str] = Column(max_length=20, unique=True)
    extra: Mapped[list[str]] = Column(default_factory=list)


class Corporation(Business):
    shares: Mapped[int]
    parent_id: Mapped[int | None] = Column(default=None, foreign_key="h_accounts.id")


class Figure(Table):
    class Settings:
        name = "h_figures"
        registry = REGISTRY
        inheritance = "concrete"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    label: Mapped[str] = Column(max_length=50, index=True)


class Circle(Figure):
    class Settings:
        name = "h_circles"

    radius: Mapped[int]


class Square(Figure):
    class Settings:
        name = "h_squares"

    side: Mapped[int]


class Tile(Square):
    class Settings:
        name = "h_tiles"

    colour: Mapped[str] = Column(max_length=10)


class Asset(Table):
    """Joined, with keys that are made in Python."""

    class Settings:
        name = "h_assets"
        registry = REGISTRY
        inheritance = "joined"
        discriminator = "kind"

    id: Mapped[UUID] = Column(primary_key=True, default=uuid7)
    title: Mapped[str] = Column(max_length=50)


class Photo(Asset):
    class Settings:
        name = "h_photos"

    width: Mapped[int]


class Place(Table):
    """Joined, with a key of two columns."""

    class Settings:
        name = "h_places"
        registry = REGISTRY
        inheritance = "joined"
        primary_key = ("country", "no")

    country: Mapped[str] = Column(max_length=2)
    no: Mapped[int]
    name: Mapped[str] = Column(max_length=50)


class City(Place):
    class Settings:
        name = "h_cities"

    people: Mapped[int]


class Part(Asset):
    """Both tables have a column `title`."""

    class Settings:
        name = "h_parts"

    title: Mapped[str] = Column(max_length=20)
    of_id: Mapped[UUID | None] = Column(default=None, foreign_key=Asset.id)


ALL = (Person, Visit, Vehicle, Account, Figure, Asset, Place)
