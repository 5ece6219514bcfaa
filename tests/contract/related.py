"""The classes of the contract suite that are related to each other."""

from __future__ import annotations

from uuid import UUID

from uow import (
    Column,
    Mapped,
    Registry,
    Related,
    RelatedList,
    Table,
    WriteOnlyList,
    related,
    uuid7,
)

__all__ = [
    "RELATED",
    "City",
    "Country",
    "Crate",
    "Event",
    "Genre",
    "Item",
    "Membership",
    "Novel",
    "Passport",
    "Person",
    "Place",
    "Team",
    "Writer",
]

registry = Registry()


class Base(Table):
    class Settings:
        abstract = True
        registry = registry


class Writer(Base):
    """A list of its own objects, one that others may take over, one never loaded, one object."""

    class Settings:
        name = "rel_writers"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str]
    novels: RelatedList[Novel] = related(
        default=None, back="writer", cascade="all, delete-orphan", order_by="title"
    )
    edited: RelatedList[Novel] = related(default=None, back="editor", via="editor_id")
    passport: Related[Passport | None] = related(default=None, back="writer", cascade="all")
    events: WriteOnlyList[Event] = related(back="writer", cascade="all")


class Novel(Base):
    """A key made by the store, two keys to one class, and a link table made by name."""

    class Settings:
        name = "rel_novels"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    title: Mapped[str] = Column(max_length=50)
    price: Mapped[int] = Column(default=0)
    writer_id: Mapped[int] = Column(foreign_key="rel_writers.id", default=None)
    editor_id: Mapped[int | None] = Column(foreign_key="rel_writers.id", default=None)
    writer: Related[Writer] = related(via="writer_id", default=None)
    editor: Related[Writer | None] = related(via="editor_id", default=None)
    genres: RelatedList[Genre] = related(default=None, through="rel_novel_genres", back="novels")


class Genre(Base):
    """The other side of a link table."""

    class Settings:
        name = "rel_genres"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str]
    novels: RelatedList[Novel] = related(default=None, through="rel_novel_genres")


class Passport(Base):
    """One for each writer."""

    class Settings:
        name = "rel_passports"

    id: Mapped[UUID] = Column(primary_key=True, default=uuid7)
    number: Mapped[str]
    writer_id: Mapped[int | None] = Column(foreign_key="rel_writers.id", unique=True, default=None)
    writer: Related[Writer | None] = related(back="passport", default=None)


class Event(Base):
    """One of so many that they are never loaded at once."""

    class Settings:
        name = "rel_events"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    text: Mapped[str]
    writer_id: Mapped[int] = Column(foreign_key="rel_writers.id", default=None)
    writer: Related[Writer] = related(back="events", default=None)


class Place(Base):
    """Refers to its own class."""

    class Settings:
        name = "rel_places"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str]
    parent_id: Mapped[int | None] = Column(foreign_key="rel_places.id", default=None)
    parent: Related[Place | None] = related(default=None)
    children: RelatedList[Place] = related(default=None, back="parent", cascade="all")


class Person(Base):
    """Linked to its own class, and by a class of links that hold more."""

    class Settings:
        name = "rel_people"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str]
    follows: RelatedList[Person] = related(
        default=None, through="rel_follows", via=("from_id", "to_id"), back="followers"
    )
    followers: RelatedList[Person] = related(default=None, through="rel_follows", back="follows")
    memberships: RelatedList[Membership] = related(
        default=None, back="person", cascade="all, delete-orphan"
    )


class Team(Base):
    """Has members."""

    class Settings:
        name = "rel_teams"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str]
    memberships: RelatedList[Membership] = related(
        default=None, back="team", passive=True, cascade="all"
    )
    people: RelatedList[Person] = related(default=None, through=lambda: Membership)


class Membership(Base):
    """A link that is an object: its key is made of what it links."""

    class Settings:
        name = "rel_memberships"

    person_id: Mapped[int] = Column(primary_key=True, foreign_key="rel_people.id", default=None)
    team_id: Mapped[int] = Column(
        primary_key=True, foreign_key="rel_teams.id", on_delete="cascade", default=None
    )
    role: Mapped[str] = Column(default="member")
    person: Related[Person] = related(default=None)
    team: Related[Team] = related(default=None)


class Crate(Base):
    """A key of two columns."""

    class Settings:
        name = "rel_crates"

    row: Mapped[int] = Column(primary_key=True, name="crate_row")
    place: Mapped[int] = Column(primary_key=True)
    items: RelatedList[Item] = related(default=None, back="crate")


class Item(Base):
    """Refers to a key of two columns."""

    class Settings:
        name = "rel_items"
        constraints = [  # noqa: RUF012 - a setting
            {
                "foreign_key": ["crate_row", "crate_place"],
                "references": ["rel_crates.crate_row", "rel_crates.place"],
            }
        ]

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str]
    crate_row: Mapped[int | None] = Column(default=None)
    crate_place: Mapped[int | None] = Column(default=None)
    crate: Related[Crate | None] = related(default=None)


class Country(Base):
    """Referred to by a unique field that is not its key."""

    class Settings:
        name = "rel_countries"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    code: Mapped[str] = Column(unique=True, max_length=2)
    cities: RelatedList[City] = related(default=None, back="country", order_by="-name")


class City(Base):
    """Refers to a unique field."""

    class Settings:
        name = "rel_cities"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str] = Column(max_length=50)
    country_code: Mapped[str] = Column(foreign_key="rel_countries.code", max_length=2, default=None)
    country: Related[Country] = related(default=None)


RELATED = (
    Writer,
    Novel,
    Genre,
    Passport,
    Event,
    Place,
    Person,
    Team,
    Membership,
    Crate,
    Item,
    Country,
    City,
)
