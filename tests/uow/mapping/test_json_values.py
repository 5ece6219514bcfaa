"""Embedded values to plain JSON and back (M6)."""

from __future__ import annotations

import dataclasses
import datetime as dt
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Interface
from typing import Any, Literal
from uuid import UUID

import attrs
import pydantic
import pytest

from uow.mapping.json_values import structurer, unstructurer


class Kind(Enum):
    A = "a"


@attrs.define
class Size:
    width: float
    unit: str = "cm"
    inner: Size | None = None


@dataclasses.dataclass
class Place:
    name: str
    sizes: list[Size]


class Address(pydantic.BaseModel):
    street: str
    since: dt.date


@attrs.define
class Everything:
    when: dt.datetime
    day: dt.date
    at: dt.time
    span: dt.timedelta
    id: UUID
    price: Decimal
    data: bytes
    kind: Kind
    pair: tuple[int, str]
    names: set[str]
    address: Address
    extra: dict[str, Any]


@pytest.mark.parametrize(
    ("hint", "value", "plain"),
    [
        (Size, Size(1.0), {"width": 1.0, "unit": "cm", "inner": None}),
        (
            Place,
            Place("x", [Size(1.0, inner=Size(2.0))]),
            {
                "name": "x",
                "sizes": [
                    {
                        "width": 1.0,
                        "unit": "cm",
                        "inner": {"width": 2.0, "unit": "cm", "inner": None},
                    }
                ],
            },
        ),
        (
            Address,
            Address(street="x", since=dt.date(2024, 1, 2)),
            {"street": "x", "since": "2024-01-02"},
        ),
        (list[Address], [], []),
        (dict[str, Kind], {"k": Kind.A}, {"k": "a"}),
        (Kind | None, Kind.A, "a"),
        (set[int], {3, 1, 2}, [1, 2, 3]),
        (frozenset[str], frozenset({"b", "a"}), ["a", "b"]),
        (tuple[int, ...], (1, 2), [1, 2]),
        (tuple[int, str], (1, "x"), [1, "x"]),
        (IPv4Network, IPv4Network("10.0.0.0/8"), "10.0.0.0/8"),
        (list[IPv6Interface], [IPv6Interface("::1/64")], ["::1/64"]),
        (
            dict[str, IPv4Address | IPv6Address],
            {"a": IPv4Address("1.2.3.4"), "b": IPv6Address("::1")},
            {"a": "1.2.3.4", "b": "::1"},
        ),
        (list[UUID], [UUID(int=1)], ["00000000-0000-0000-0000-000000000001"]),
    ],
)
def test_round_trip(hint: Any, value: Any, plain: Any) -> None:
    """A value becomes plain JSON, and comes back equal."""
    unstructure, structure = unstructurer(hint), structurer(hint)

    assert unstructure is not None
    assert structure is not None
    assert unstructure(value) == plain
    assert structure(plain) == value


def test_everything() -> None:
    """Every kind of scalar can stand in an embedded value."""
    value = Everything(
        when=dt.datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC),
        day=dt.date(2024, 1, 2),
        at=dt.time(3, 4),
        span=dt.timedelta(days=1, microseconds=2),
        id=UUID(int=5),
        price=Decimal("1.10"),
        data=b"\0\xff",
        kind=Kind.A,
        pair=(1, "x"),
        names={"b", "a"},
        address=Address(street="x", since=dt.date(2024, 1, 2)),
        extra={"x": [1, None]},
    )
    unstructure, structure = unstructurer(Everything), structurer(Everything)
    assert unstructure is not None
    assert structure is not None
    plain = unstructure(value)

    assert plain["names"] == ["a", "b"]
    assert plain["pair"] == [1, "x"]
    assert structure(plain) == value


@pytest.mark.parametrize(
    "hint",
    [None, Any, list, dict, list[str], dict[str, list[int]], list[int | None], Literal["a", "b"]],
)
def test_plain_json_is_left_alone(hint: Any) -> None:
    """Values that are plain JSON already need no conversion."""
    assert unstructurer(hint) is None
    assert structurer(hint) is None


def test_floats_come_back_as_floats() -> None:
    """A store may write 1.0 as 1; the hint says what it is."""
    structure = structurer(list[float])

    assert unstructurer(list[float]) is None
    assert structure is not None
    assert type(structure([1])[0]) is float
