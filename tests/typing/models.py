"""What type checkers must see of models, with no plugin; never run.

Lines that are wrong on purpose carry ignores, and an ignore that is not needed is an error
(`warn_unused_ignores`, `reportUnnecessaryTypeIgnoreComment`): so each of them proves an error.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

import enum
from datetime import datetime
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from typing import Any, assert_type
from uuid import UUID

import attrs

from uow.expressions import ColumnExpression
from uow.keys import uuid7
from uow.mapping.columns import Column, Mapped, Sequence
from uow.mapping.model import Model
from uow.types import Array, EnumType, Integer


class Kind(enum.Enum):
    """Members that the store has a type for."""

    A = "a"


@attrs.define
class Size:
    """An embedded value."""

    width: float


class Author(Model):
    """A class with the common kinds of fields."""

    class Settings:
        name = "authors"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    email: Mapped[str] = Column(unique=True, max_length=255)
    name: Mapped[str]
    age: Mapped[int | None] = Column(default=None)
    joined: Mapped[datetime] = Column(server_default="CURRENT_TIMESTAMP")
    version: Mapped[int] = Column(version=True)
    upper: Mapped[str] = Column(generated="upper(name)")


class Book(Model):
    """A class with a key made in Python, a foreign key and values kept as JSON."""

    id: Mapped[UUID] = Column(primary_key=True, default=uuid7)
    author_id: Mapped[int] = Column(foreign_key=Author.id, on_delete="cascade")
    parent_id: Mapped[UUID | None] = Column(foreign_key=lambda: Book.id, default=None)
    title: Mapped[str]
    price: Mapped[Decimal] = Column(precision=10, scale=2)
    tags: Mapped[list[str]] = Column(default_factory=list)
    size: Mapped[Size | None] = Column(default=None)
    codes: Mapped[list[int]] = Column(type=Array(int), default_factory=list)
    small: Mapped[int] = Column(type=Integer(16), default=0)


class User(Model):
    """Plain annotations."""

    id: int = Column(primary_key=True, auto_increment=True)
    name: str
    age: int | None = None
    created_at: datetime = Column(default="NOW()")


class Ticket(Model):
    """Numbers that the store gives."""

    id: Mapped[int] = Column(primary_key=True, identity="always")
    number: Mapped[int] = Column(sequence=Sequence("numbers", start=100))
    place: Mapped[IPv4Address | IPv6Address | None] = Column(default=None)
    kind: Mapped[Kind] = Column(type=EnumType(Kind, native=True), default=Kind.A)
    doubled: Mapped[int] = Column(generated="number * 2", virtual=True)
    owner_id: Mapped[int] = Column(
        foreign_key=Author.id, unique=True, deferrable=True, initially="immediate"
    )


class Stamped(Model):
    """An abstract base."""

    class Settings:
        abstract = True

    created: Mapped[datetime] = Column(server_default="NOW()")


class Note(Stamped):
    """Inherits a column."""

    id: Mapped[int] = Column(primary_key=True)
    text: Mapped[str] = Column(default="")


def class_access_gives_expressions() -> None:
    """A column of the class is an expression of the field's type."""
    assert_type(Author.id, ColumnExpression[int])
    assert_type(Author.age, ColumnExpression[int | None])
    assert_type(Book.tags, ColumnExpression[list[str]])
    assert_type(Book.size, ColumnExpression[Size | None])
    assert_type(Note.created, ColumnExpression[datetime])


def objects_hold_values() -> None:
    """A field of an object is a value of its type."""
    author = Author(email="a@x.org", name="Ann")
    book = Book(author_id=1, title="x", price=Decimal(1))
    note = Note(id=1)
    user = User(name="x")

    assert_type(author.id, int)
    assert_type(author.name, str)
    assert_type(author.age, int | None)
    assert_type(author.joined, datetime)
    assert_type(book.id, UUID)
    assert_type(book.tags, list[str])
    assert_type(book.size, Size | None)
    assert_type(note.created, datetime)
    assert_type(user.age, int | None)
    hash(author)


def constructors_are_typed() -> None:
    """Fields are keyword parameters; what has a default may be left out."""
    Author(email="a@x.org", name="Ann", age=3)
    Book(id=uuid7(), author_id=1, title="x", price=Decimal(1), tags=["a"], size=Size(1.0))
    User(name="x", age=3)
    Note(id=1, text="x")
    Ticket(owner_id=1)
    Ticket(owner_id=1, place=IPv4Address("1.2.3.4"), kind=Kind.A)


def wrong_constructors() -> None:
    """A value missing, of another type or unknown is an error in the editor."""
    Author(email="a@x.org")  # type: ignore[call-arg]
    Author(email=1, name="x")  # type: ignore[arg-type]
    Author(email="a", name="b", nme="c")  # type: ignore[call-arg]
    Author("a", "b")  # type: ignore[call-arg]
    Book(author_id=1, title="x", price=1.5)  # type: ignore[arg-type]
    Book(author_id=1, title=None, price=Decimal(1))  # type: ignore[arg-type]
    User(name=3)  # type: ignore[arg-type]
    Note(id="1")  # type: ignore[arg-type]


def what_the_store_makes_is_no_parameter() -> None:
    """Numbered keys, server defaults, versions and generated columns are no parameters."""
    Author(id=1, email="a", name="b")  # type: ignore[call-arg]
    Ticket(id=1, owner_id=1)  # type: ignore[call-arg]
    Ticket(number=1, owner_id=1)  # type: ignore[call-arg]
    Ticket(doubled=1, owner_id=1)  # type: ignore[call-arg]
    Author(joined=datetime.now(), email="a", name="b")  # type: ignore[call-arg]  # noqa: DTZ005
    Author(version=1, email="a", name="b")  # type: ignore[call-arg]
    Author(upper="A", email="a", name="b")  # type: ignore[call-arg]
    Note(id=1, created=datetime.now())  # type: ignore[call-arg]  # noqa: DTZ005


def fields_are_typed(author: Author, book: Book) -> None:
    """Assigning to a field is checked."""
    author.name = "x"
    author.age = None
    book.tags = ["x"]
    author.name = None  # type: ignore[assignment]
    author.age = "x"  # type: ignore[assignment]
    author.nme = "x"  # type: ignore[attr-defined]
    book.tags.append(1)  # type: ignore[arg-type]


@attrs.frozen
class Address:
    """A value of several columns."""

    street: str


class Shop(Model):
    """A required value in columns, and one that may be missing."""

    id: Mapped[int] = Column(primary_key=True)
    home: Mapped[Address] = Column(prefix="home_")
    second: Mapped[Address | None] = Column(prefix="second_", default=None)


def values_of_several_columns() -> None:
    """They are given, read and set as values of their class."""
    shop = Shop(id=1, home=Address("a"))
    assert_type(shop.home, Address)
    assert_type(shop.second, Address | None)
    shop.second = Address("b")
    Shop(id=1)  # type: ignore[call-arg]
    Shop(id=1, home="a")  # type: ignore[arg-type]
    shop.home = None  # type: ignore[assignment]


class Wrong(Model):
    """Arguments of columns are checked."""

    a: Mapped[int] = Column(uniqe=True)  # type: ignore[call-overload]
    b: Mapped[int] = Column(max_length="3")  # type: ignore[call-overload]
    c: Mapped[int] = Column(default=1, default_factory=int)  # type: ignore[call-overload]


class Person(Model):
    """Has a constructor of its own."""

    id: Mapped[int] = Column(primary_key=True)
    name: Mapped[str]

    def __init__(self, first: str, last: str) -> None:
        super().__init__(id=1, name=f"{first} {last}")


def own_constructor() -> None:
    """A constructor of the user's takes the place of the one made of the fields."""
    assert_type(Person("Ann", "Lee").name, str)
    Person(id=1, name="x")  # type: ignore[call-arg]


def attrs_functions(author: Author) -> None:
    """Models are attrs classes."""
    assert_type(attrs.asdict(author), dict[str, Any])
    attrs.fields(Author)


def anything(value: Any) -> None:
    """What is not typed stays so."""
    Author(**value)


class Animal(Model):
    """The root of a hierarchy."""

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    kind: Mapped[str] = Column(discriminator=True)
    name: Mapped[str]


class Dog(Animal):
    """A child."""

    age: Mapped[int]


def children() -> None:
    """They have the fields of their parents; what tells the class is given to none."""
    dog = Dog(name="a", age=3)
    assert_type(dog.kind, str)
    assert_type(dog.name, str)
    assert_type(dog.age, int)
    assert_type(Dog.age, ColumnExpression[int])
    assert_type(Dog.name, ColumnExpression[str])
    Dog(name="a")  # type: ignore[call-arg]
    Dog(name="a", age=1, kind="x")  # type: ignore[call-arg]
