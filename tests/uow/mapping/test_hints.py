"""Annotations in every form they come in; this module evaluates them at once."""

import typing
from enum import Enum
from typing import ClassVar, Final, ForwardRef, Literal, Optional

import attrs
import pytest

from tests.uow.mapping.base import Base, make_class
from uow.errors import MappingError
from uow.mapping.columns import Column, Mapped
from uow.mapping.mapper import mapper_of
from uow.types import EnumType, Json, Text


class Eager(Base):
    """Names classes below it, in quotes inside of hints."""

    limit: ClassVar[int] = 3
    fixed: Final = 4
    id: Mapped[int] = Column(primary_key=True)
    parts: Mapped[list["Part"]] = Column(default_factory=list)
    first: Mapped[Optional["Part"]] = Column(default=None)
    kind: "Kind"
    text: "Mapped['str']"
    mode: Mapped[list[Literal["a", "int"]]] = Column(default_factory=list)
    never: "ClassVar[Nowhere]"  # type: ignore[name-defined]  # noqa: F821


@attrs.define
class Part:
    name: str


class Kind(Enum):
    A = "a"


def test_references_in_hints() -> None:
    """Quoted names are resolved wherever they stand in a hint."""
    columns = mapper_of(Eager).by_attribute

    assert list(columns) == ["id", "parts", "first", "kind", "text", "mode"]
    assert columns["parts"].type == Json(list[Part])
    assert (columns["first"].type, columns["first"].nullable) == (Json(Part), True)
    assert columns["kind"].type == EnumType(Kind)
    assert columns["text"].type == Text()
    assert columns["mode"].type == Json(list[Literal["a", "int"]])
    assert (Eager.limit, Eager.fixed) == (3, 4)


def test_forward_reference_object() -> None:
    """`typing.ForwardRef` itself is a hint too."""
    class_ = make_class(
        "Direct",
        {"__annotations__": {"id": ForwardRef("int")}, "id": Column(primary_key=True)},
    )

    assert class_(id=1).id == 1


def test_class_in_a_class_in_a_function() -> None:
    """A class body sees the function around it, past the class bodies between."""

    class Local(Enum):
        X = 1

    class Outer:
        class Inner(Base):
            id: Mapped[int] = Column(primary_key=True)
            local: "Mapped[Local]"

    assert mapper_of(Outer.Inner).column("local").type == EnumType(Local)


def test_hint_that_says_more_too_late() -> None:
    """A hint that carries a column must be known at definition."""
    class_ = make_class(
        "Late",
        {
            "__annotations__": {
                "id": "int",
                "x": "typing.Annotated[Missing_, Column(unique=True)]",
            },
            "id": Column(primary_key=True),
        },
    )
    import tests.uow.mapping.base as module

    vars(module).update(Missing_=int, Column=Column, typing=typing)
    try:
        with pytest.raises(MappingError, match=r"Late\.x: the type hint must be known where"):
            mapper_of(class_)
    finally:
        del vars(module)["Missing_"], vars(module)["Column"], vars(module)["typing"]


def test_deferred_class_variable_is_no_column() -> None:
    """Text that says ClassVar is enough to know that it is no column."""
    class_ = make_class(
        "Counted",
        {
            "__annotations__": {"id": "int", "n": "typing.ClassVar[Nothing]"},
            "id": Column(primary_key=True),
        },
    )

    assert list(mapper_of(class_).by_attribute) == ["id"]
