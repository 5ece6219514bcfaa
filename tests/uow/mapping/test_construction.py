"""Objects are made by keyword, checked, and never need a database (M4)."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import attrs
import pytest

from tests.uow.mapping.base import Base
from uow.debug import generated
from uow.errors import UnknownFieldError, ValidationError
from uow.keys import uuid7
from uow.mapping.columns import Column, Mapped
from uow.mapping.mapper import mapper_of


class Author(Base):
    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    email: Mapped[str] = Column(max_length=20)
    name: Mapped[str]
    age: Mapped[int | None] = Column(default=None)
    score: Mapped[float] = Column(default=0.0)
    tags: Mapped[list[str]] = Column(default_factory=list)
    price: Mapped[Decimal | None] = Column(precision=4, scale=2, default=None)
    joined: Mapped[datetime] = Column(server_default="CURRENT_TIMESTAMP")
    version: Mapped[int] = Column(version=True)


def test_values() -> None:
    """Given values, defaults and factories arrive, without a database (trap 20)."""
    author = Author(email="a@x.org", name="Änn")

    assert author.id is None
    assert (author.email, author.name, author.age) == ("a@x.org", "Änn", None)
    assert (author.score, author.tags) == (0.0, [])


def test_made_by_the_store() -> None:
    """What the store makes can be given all the same, and then the object is complete."""
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    author = Author(id=0, email="a", name="b", joined=moment, version=3)  # type: ignore[call-arg]

    assert (author.id, author.joined, author.version) == (0, moment, 3)
    assert type(author) is Author


def test_all_problems_together() -> None:
    """One error tells all that is wrong, and never a value (F78)."""
    with pytest.raises(ValidationError) as caught:
        Author(email="secret" * 10, nane="secret", age="secret", tags=[1], price=Decimal("1.234"))  # type: ignore[call-arg, arg-type, list-item]

    assert caught.value.problems == (
        "Author has no field 'nane' (did you mean 'name'?)",
        "Author.email: text of 60 characters, at most 20 fit",
        "Author.name: a value is required",
        "Author.age: expected int, got str",
        "Author.tags[0]: expected str, got int",
        "Author.price: a Decimal of more than 2 digits after the point",
    )
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None
    assert isinstance(caught.value, ValueError)


def test_unknown_field() -> None:
    """A name that is no field has an error of its own."""
    with pytest.raises(UnknownFieldError, match="Author has no field 'foo'"):
        Author(email="a", name="b", foo=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("age", True, "expected int, got bool"),
        ("age", 2**63, "an int of more than 64 bits"),
        ("age", 1.0, "expected int, got float"),
        ("name", None, "expected str, got None"),
        ("name", b"x", "expected str, got bytes"),
        ("name", "a\0b", "text with a NUL character"),
        ("name", "a\ud800b", "text with a lone surrogate"),
        ("tags", ["\ud800"], "tags[0]: text with a lone surrogate"),
        ("tags", "ab", "expected list, got str"),
        ("tags", None, "expected list, got None"),
        ("price", 1.5, "expected Decimal, got float"),
        ("joined", datetime(2024, 1, 1), "got a naive one"),  # noqa: DTZ001 - the mistake
        ("score", "1", "expected float, got str"),
    ],
)
def test_bad_value(field: str, value: Any, message: str) -> None:
    """A value of the wrong kind is refused, naming class and field (F70-F75)."""
    with pytest.raises(ValidationError) as caught:
        Author(**{"email": "a", "name": "b", field: value})

    assert str(caught.value).startswith(f"Author.{field}")
    assert message in str(caught.value)


def test_normal_form() -> None:
    """A value that fits in another form is kept in the column's own."""
    author = Author(email="a", name="b", score=3, price=5, tags=("x",))  # type: ignore[arg-type]

    assert (type(author.score), author.score) == (float, 3.0)
    assert author.price == Decimal(5)
    assert isinstance(author.price, Decimal)
    assert author.tags == ["x"]


def test_mutable_values_are_not_shared() -> None:
    """No two objects share a default or a given list (trap 16)."""
    tags = ["x"]
    one, other = Author(email="a", name="b"), Author(email="a", name="b", tags=tags)
    one.tags.append("y")
    tags.append("z")

    assert Author(email="a", name="b").tags == []
    assert other.tags == ["x"]


def test_positional() -> None:
    """Values are given by keyword only."""
    with pytest.raises(TypeError):
        Author(1)  # type: ignore[call-arg, arg-type]
    Author(email="a", name="b")
    with pytest.raises(TypeError):
        Author(1)  # type: ignore[call-arg, arg-type]


def test_client_keys() -> None:
    """A callable default is called for each object (M5)."""

    class Book(Base):
        id: Mapped[UUID] = Column(primary_key=True, default=uuid7)
        title: Mapped[str] = Column(default="untitled")

    one, other = Book(), Book(title="x")

    assert one.id != other.id
    assert one.id.version == 7


def test_bad_factory() -> None:
    """What a factory makes is checked as well."""

    class Made(Base):
        id: Mapped[int] = Column(primary_key=True, default=lambda: "x")

    with pytest.raises(ValidationError, match=r"Made.id: expected int, got str"):
        Made()


def test_own_constructor() -> None:
    """A class may have a constructor of its own that calls the generated one."""

    class Person(Base):
        id: Mapped[int] = Column(primary_key=True)
        name: Mapped[str]

        def __init__(self, first: str, last: str) -> None:
            super().__init__(id=1, name=f"{first} {last}")

    assert Person("Ann", "Lee").name == "Ann Lee"
    assert Person("Bob", "Lee").name == "Bob Lee"


def test_post_init() -> None:
    """Attrs' hook runs at the end of construction."""

    class Shouting(Base):
        id: Mapped[int] = Column(primary_key=True)
        name: Mapped[str]

        def __attrs_post_init__(self) -> None:
            self.name = self.name.upper()

    assert Shouting(id=1, name="x").name == "X"


def test_embedded() -> None:
    """An embedded value is kept as it is, and its fields are looked at (M6)."""

    @attrs.define
    class Size:
        width: float

    class Box(Base):
        id: Mapped[int] = Column(primary_key=True)
        size: Mapped[Size]

    size = Size(1.0)

    assert Box(id=1, size=size).size is size
    with pytest.raises(ValidationError, match=r"Box\.size\.width: JSON holds no NaN"):
        Box(id=1, size=Size(float("nan")))
    with pytest.raises(ValidationError, match=r"Box.size: expected Size, got dict"):
        Box(id=1, size={"width": 1.0})  # type: ignore[arg-type]


@pytest.mark.parametrize("hint", [int, str, bool, float, bytes, Decimal, datetime, UUID])
def test_required(hint: type) -> None:
    """A value that nobody makes must be given."""

    class Needing(Base):
        id: Mapped[int] = Column(primary_key=True)
        value: Mapped[hint]  # type: ignore[valid-type]

    with pytest.raises(ValidationError, match=r"Needing.value: a value is required"):
        Needing(id=1)  # type: ignore[call-arg]


def test_generated_source() -> None:
    """The constructor's text can be looked at, and tracebacks show it."""
    mapper_of(Author)
    Author(email="a", name="b")

    source = generated(Author)["__init__"]

    assert source.startswith("def __init__(_uow_self, /, *, id=")
    assert "_uow_self.email = email" in source


def test_traceback_shows_generated_code() -> None:
    """A line of generated code is not a blank in a traceback."""
    import traceback

    class Broken(Base):
        id: Mapped[int] = Column(primary_key=True, default_factory=lambda: 1 // 0)

    with pytest.raises(ZeroDivisionError) as caught:
        Broken()
    text = "".join(traceback.format_exception(caught.value))

    assert "if id is _uow_missing: id = _uow_f0()" in text
