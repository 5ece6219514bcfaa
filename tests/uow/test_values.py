"""The checks of values: one rule on all stores, before anything is sent."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import ipaddress as ip
import sys
import typing
from decimal import Decimal
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    TypedDict,
    Union,
)
from uuid import UUID

import attrs
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uow import types as t
from uow.errors import MappingError
from uow.values import (
    Range,
    check_value,
    checker_for,
    python_type,
    split_optional,
    type_from_hint,
)


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Name(enum.StrEnum):
    ANN = "ann"


@attrs.define
class Size:
    width: float
    parts: list[Size] = attrs.Factory(list)


@dataclasses.dataclass
class Place:
    name: str


class Model(pydantic.BaseModel):
    ratio: float


class Options(TypedDict):
    a: int
    b: NotRequired[str]


NAIVE = dt.datetime(2024, 1, 1)  # noqa: DTZ001 - one side of the rule
AWARE = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
UserId = NewType("UserId", int)


class Spot(NamedTuple):
    """A row of fields."""

    x: int | None
    y: float


BAD: list[tuple[t.ColumnType, object, str]] = [
    (t.Integer(), True, "expected int, got bool"),  # F72
    (t.Integer(), 1.0, "expected int, got float"),
    (t.Integer(), "1", "expected int, got str"),
    (t.Integer(), None, "expected int, got None"),
    (t.Integer(), 2**63, "an int of more than 64 bits"),  # F72
    (t.Integer(), -(2**63) - 1, "an int of more than 64 bits"),
    (t.Integer(32), 2**31, "an int of more than 32 bits"),
    (t.Integer(16), -(2**15) - 1, "an int of more than 16 bits"),
    (t.UnsignedInteger(16), 2**16, "an int of more than 16 bits"),
    (t.UnsignedInteger(), -1, "a negative int"),
    (t.Float(), True, "expected float, got bool"),
    (t.Float(), "1", "expected float, got str"),
    (t.Float(), Decimal(1), "expected float, got Decimal"),
    (t.Float(), 10**400, "an int too large for a float"),
    (t.Boolean(), 1, "expected bool, got int"),
    (t.Text(), b"x", "expected str, got bytes"),
    (t.Text(), "a\0", "text with a NUL character"),  # F70
    (t.Text(), "\udc80", "text with a lone surrogate"),  # F71
    (t.Text(3), "abcd", "text of 4 characters, at most 3 fit"),
    (t.Binary(), "x", "expected bytes, got str"),
    (t.Binary(2), b"abc", "3 bytes, at most 2 fit"),
    (t.Numeric(), 1.5, "expected Decimal, got float"),  # F75
    (t.Numeric(), True, "expected Decimal, got bool"),
    (t.Numeric(), "1", "expected Decimal, got str"),
    (t.Numeric(), Decimal("NaN"), "a Decimal that is not finite"),  # F73
    (t.Numeric(), Decimal("-Infinity"), "a Decimal that is not finite"),
    (t.Numeric(), Decimal("1e1001"), "more than 1000 digits before the point"),
    (t.Numeric(), Decimal("1e-1001"), "more than 1000 digits after the point"),
    (t.Numeric(4, 2), Decimal("1.234"), "more than 2 digits after the point"),
    (t.Numeric(4, 2), Decimal(100), "more than 2 digits before the point"),
    (t.Numeric(4, 2), 100, "more than 2 digits before the point"),
    (t.Numeric(4, 2), Decimal("0.001"), "more than 2 digits after the point"),
    (t.Numeric(4), Decimal("1.5"), "more than 0 digits after the point"),
    (t.Date(), AWARE, "expected date, got datetime"),
    (t.Date(), "2024-01-01", "expected date, got str"),
    (t.Time(), dt.time(1, tzinfo=dt.UTC), "expected a time without a zone"),
    (t.Time(), 3, "expected time, got int"),
    (t.DateTime(), NAIVE, "expected an aware datetime, got a naive one"),  # F74
    (t.DateTime(), dt.date(2024, 1, 1), "expected datetime, got date"),
    (
        t.DateTime(),
        dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))),
        "an instant outside of the years 1 to 9999",
    ),
    (
        t.DateTime(),
        dt.datetime(9999, 12, 31, 23, tzinfo=dt.timezone(dt.timedelta(hours=-2))),
        "an instant outside of the years 1 to 9999",
    ),
    (t.DateTime(timezone=False), AWARE, "expected a naive datetime, got an aware one"),
    (t.DateTime(timezone=False), 3, "expected datetime, got int"),
    (t.Interval(), 3, "expected timedelta, got int"),
    (t.Interval(), dt.timedelta.max, "more than 64 bits of microseconds"),
    (t.Uuid(), "5590b90d-388b-4c2f-9b6d-2aabb87775ff", "expected UUID, got str"),
    (t.EnumType(Color), "red", "expected Color, got str"),
    (t.EnumType(Color), Level.LOW, "expected Color, got Level"),
    (t.Array(int), 3, "expected list, got int"),
    (t.Array(int), [1, "x"], "at [1]: expected int, got str"),
    (t.Array(t.Array(int)), [[1], [1, 2]], "arrays of the same length"),
    (t.Array(t.Array(int)), [[1], None], "arrays of the same length"),
    (t.Array(t.Array(int)), [[]], "an empty array in an array"),
    (t.Array(t.Array(t.Array(int))), [[[1], [2]], [[1, 2], [3, 4]]], "arrays of the same length"),
    (t.IpAddress(), "1.2.3.4", "expected IPv4Address or IPv6Address, got str"),
    (t.IpAddress(4), ip.ip_address("::1"), "expected IPv4Address, got IPv6Address"),
    (t.IpAddress(), ip.ip_interface("1.2.3.4/8"), "got IPv4Interface"),
    (t.IpAddress(), ip.IPv6Address("fe80::1%eth0"), "an address with a zone"),
    (t.IpInterface(6), ip.ip_address("::1"), "expected IPv6Interface, got IPv6Address"),
    (t.IpNetwork(), ip.ip_address("::1"), "expected IPv4Network or IPv6Network"),
    (t.Native("x", int), True, "expected int, got bool"),
    (t.Native("x", str), "a\0", "NUL"),
    (t.Native("x", str), b"", "expected str, got bytes"),
    (t.Composite(Spot), (1,), "expected Spot, got tuple"),
    (t.Composite(Spot), Spot("x", 0), "at .x: expected int, got str"),  # type: ignore[arg-type]
    (t.RangeType(int), (1, 2), "expected Range, got tuple"),
    (t.RangeType(int), Range("a", "b"), "expected int, got str"),
]


@pytest.mark.parametrize(("type_", "value", "message"), BAD)
def test_refused(type_: t.ColumnType, value: object, message: str) -> None:
    """What does not fit is refused with what was expected, and never the value (F70-F75, F78)."""
    with pytest.raises(ValueError) as caught:
        check_value(type_, value)

    assert message in str(caught.value)


GOOD: list[tuple[t.ColumnType, object, object]] = [
    (t.Integer(), 2**63 - 1, 2**63 - 1),
    (t.Integer(), -(2**63), -(2**63)),
    (t.Array(t.Array(int)), ((1, None), (3, 4)), [[1, None], [3, 4]]),
    (t.Array(t.Array(int)), [], []),
    (t.IpAddress(), ip.ip_address("::1"), ip.ip_address("::1")),
    (t.IpNetwork(4), ip.ip_network("10.0.0.0/8"), ip.ip_network("10.0.0.0/8")),
    (t.Native("x"), (1, 2), (1, 2)),
    (t.Composite(Spot), Spot(1, 2), Spot(1, 2.0)),
    (t.Integer(), 0, 0),
    (t.Integer(), Level.LOW, 1),
    (t.Float(), 3, 3.0),
    (t.Float(), float("inf"), float("inf")),
    (t.Boolean(), False, False),
    (t.Text(3), "äöü", "äöü"),
    (t.Text(), "😀", "😀"),
    (t.Text(), "", ""),
    (t.Text(), Name.ANN, "ann"),
    (t.Binary(3), bytearray(b"a\0b"), b"a\0b"),
    (t.Numeric(4, 2), Decimal("99.99"), Decimal("99.99")),
    (t.Numeric(4, 2), Decimal("1.5000"), Decimal("1.5")),
    (t.Numeric(4, 2), Decimal("-0"), Decimal(0)),
    (t.Numeric(4, 2), Decimal("1e1"), Decimal(10)),
    (t.Numeric(4, 2), Decimal("0E-10"), Decimal(0)),
    (t.Numeric(4, 2), 5, Decimal(5)),
    (t.Numeric(), Decimal("1e-1000"), Decimal("1e-1000")),
    (t.Date(), dt.date(1, 1, 1), dt.date(1, 1, 1)),
    (t.Time(), dt.time(1, 2, 3, 4), dt.time(1, 2, 3, 4)),
    (t.DateTime(), AWARE, AWARE),
    (t.DateTime(timezone=False), NAIVE, NAIVE),
    (t.Interval(), dt.timedelta(-1), dt.timedelta(-1)),
    (t.Uuid(), UUID(int=1), UUID(int=1)),
    (t.EnumType(Color), Color.RED, Color.RED),
    (t.Array(float), (1, None, 2.5), [1.0, None, 2.5]),
    (t.RangeType(float), Range(1, None), Range(1.0, None)),
]


@pytest.mark.parametrize(("type_", "value", "kept"), GOOD)
def test_kept(type_: t.ColumnType, value: object, kept: object) -> None:
    """What fits is kept in the column's own form."""
    result = check_value(type_, value)

    assert result == kept
    assert type(result) is type(kept)


@given(st.integers() | st.floats() | st.decimals() | st.text() | st.binary() | st.booleans())
def test_values_stay_out_of_messages(value: object) -> None:
    """Whatever is refused, its text is not in the message (F78)."""
    text = repr(value)
    for type_ in (t.Integer(8), t.Text(0), t.Numeric(2, 1), t.Uuid(), t.Boolean(), t.Json(int)):
        message = ""
        try:
            check_value(type_, value)
        except ValueError as error:
            message = str(error)
        assert len(text) < 6 or text not in message


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-99, max_value=99))
def test_decimals_are_exact(value: Decimal) -> None:
    """A decimal is kept exactly or refused, never rounded (F75)."""
    fits = value == value.quantize(Decimal("0.01"))
    try:
        assert check_value(t.Numeric(4, 2), value) == value
    except ValueError:
        assert not fits
    else:
        assert fits


JSON_BAD: list[tuple[Any, object, str]] = [
    (None, float("nan"), "JSON holds no NaN and no infinity"),  # F73, trap 34
    (None, {"a": [1, {"b": float("-inf")}]}, "at .a[1].b: JSON holds no NaN"),
    (None, {1: 2}, "JSON keys are str, got int"),
    (None, {"a\0": 2}, "text with a NUL character"),
    (None, ["\ud800"], "at [0]: text with a lone surrogate"),
    (None, object(), "expected a JSON value, got object"),
    (None, {"a": {1, 2}}, "at .a: expected a JSON value, got set"),
    (list[int], [True], "at [0]: expected int, got bool"),
    (list[int], {}, "expected list, got dict"),
    (dict[str, int], {"a": "x"}, "at .a: expected int, got str"),
    (dict[str, int], [], "expected dict, got list"),
    (dict, 3, "expected dict, got int"),
    (list[int | None], ["x"], "at [0]: expected int, got str"),
    (set[int], [1], "expected set, got list"),
    (tuple[int, str], (1,), "expected a tuple of 2, got tuple"),
    (tuple[int, str], (1, 2), "at [1]: expected str, got int"),
    (tuple[int, ...], [1], "expected tuple, got list"),
    (Literal["a", 1], "b", "expected one of the literals, got str"),
    (Literal["a", 1], True, "expected one of the literals, got bool"),
    (Literal["a", 1], [], "expected one of the literals, got list"),
    (list[int | str], [1.5], "expected int | str, got float"),
    (Size, Size(float("nan")), "at .width: JSON holds no NaN"),
    (Size, Size(1.0, [Size("x")]), "at .parts[0].width: expected float, got str"),  # type: ignore[arg-type]
    (Size, {"width": 1.0}, "expected Size, got dict"),
    (Place, Place(3), "at .name: expected str, got int"),  # type: ignore[arg-type]
    (Model, Model(ratio=float("nan")), "at .ratio: JSON holds no NaN"),
    (Options, {"b": "x"}, "the key 'a' is missing"),
    (Options, {"a": "x"}, "at .a: expected int, got str"),
    (Options, {"a": 1, "c": 2}, "a key the type does not have"),
    (Options, [], "expected Options, got list"),
    (list[dt.datetime], ["x"], "at [0]: expected datetime, got str"),
    (list[None], [1], "expected None, got int"),
]


@pytest.mark.parametrize(("hint", "value", "message"), JSON_BAD)
def test_json_refused(hint: Any, value: object, message: str) -> None:
    """What JSON cannot hold, or the hint does not say, is refused with its path."""
    with pytest.raises(ValueError) as caught:
        check_value(t.Json(hint), value)

    assert message in str(caught.value)


JSON_GOOD: list[tuple[Any, object]] = [
    (None, {"a": [1, 2.5, None, True, "x", {"b": []}]}),
    (None, 2**100),  # exact in JSON (F72)
    (Any, [2**53 + 1]),
    (list[int], []),
    (list[int | None], [1, None]),
    (dict[str, list[int]], {"a": [1]}),
    (set[str], {"a"}),
    (frozenset[int], frozenset({1})),
    (tuple[int, str], (1, "x")),
    (tuple, (1, "x")),
    (Literal["a", 1], 1),
    (list[int | float], [1, 1.5]),
    (list[Color], [Color.RED]),
    (Options, {"a": 1, "b": "x"}),
    (Size, Size(1.0, [Size(2.0)])),
    (Place, Place("x")),
    (Model, Model(ratio=1.0)),
    (list[dt.datetime], [AWARE]),
    (list[UUID], [UUID(int=1)]),
    (list[None], [None]),
    (list[Annotated[int, "x"]], [1]),
]


@pytest.mark.parametrize(("hint", "value"), JSON_GOOD)
def test_json_kept(hint: Any, value: object) -> None:
    """What fits is kept; lists and dicts are copied, so that nobody else changes them."""
    result = check_value(t.Json(hint), value)

    assert result == value
    assert type(result) is type(value)
    assert result is not value or not isinstance(value, list | dict)


def test_json_plain_forms() -> None:
    """Text and numbers of special classes are kept as plain ones, tuples as lists."""
    result = check_value(t.Json(None), {"a": (Name.ANN, Level.LOW)})

    assert result == {"a": ["ann", 1]}
    assert [type(item) for item in result["a"]] == [str, int]


def test_json_cycle() -> None:
    """A value that contains itself, or nests too deep, is refused."""
    loop: list[Any] = []
    loop.append(loop)
    deep: Any = []
    for _ in range(101):
        deep = [deep]
    with pytest.raises(ValueError, match=r"^at \[0\]: a cycle, which JSON cannot hold$"):
        check_value(t.Json(None), loop)
    with pytest.raises(ValueError, match="more than 100 levels"):
        check_value(t.Json(None), deep)
    assert check_value(t.Json(None, max_depth=102), deep) == deep
    size = Size(1.0)
    size.parts.append(size)
    with pytest.raises(ValueError, match=r"^at \.parts\[0\]: a cycle"):
        check_value(t.Json(Size), size)

    assert check_value(t.Json(None), deep[0][0])


HINTS: list[tuple[Any, t.ColumnType, bool]] = [
    (int, t.Integer(), False),
    (bool, t.Boolean(), False),
    (float, t.Float(), False),
    (str, t.Text(), False),
    (bytes, t.Binary(), False),
    (Decimal, t.Numeric(), False),
    (dt.date, t.Date(), False),
    (dt.time, t.Time(), False),
    (dt.datetime, t.DateTime(), False),
    (dt.timedelta, t.Interval(), False),
    (UUID, t.Uuid(), False),
    (Color, t.EnumType(Color), False),
    (ip.IPv4Address, t.IpAddress(4), False),
    (ip.IPv6Interface | None, t.IpInterface(6), True),
    (ip.IPv4Network | ip.IPv6Network, t.IpNetwork(), False),
    (Union[ip.IPv4Address, ip.IPv6Address, None], t.IpAddress(), True),  # noqa: UP007
    (int | None, t.Integer(), True),
    (Optional[str], t.Text(), True),  # noqa: UP045 - the other spelling
    (Union[None, str], t.Text(), True),  # noqa: UP007 - the other spelling
    (UserId, t.Integer(), False),
    (Annotated[int, "x"], t.Integer(), False),
    (Annotated[int | None, "x"], t.Integer(), True),
    (list[str], t.Json(list[str]), False),
    (dict, t.Json(dict), False),
    (set[int] | None, t.Json(set[int]), True),
    (Size, t.Json(Size), False),
    (Place, t.Json(Place), False),
    (Model, t.Json(Model), False),
    (Options, t.Json(Options), False),
    (Any, t.Json(Any), True),
    (Range[int], t.RangeType(int), False),
    (Range[dt.datetime] | None, t.RangeType(dt.datetime), True),
]


@pytest.mark.parametrize(("hint", "type_", "nullable"), HINTS)
def test_hints(hint: Any, type_: t.ColumnType, nullable: bool) -> None:
    """Every kind of hint has its column type (M5)."""
    assert type_from_hint(hint) == (type_, nullable)


@pytest.mark.parametrize("hint", [object, int | str, complex, type, 3, Range[object], list | int])
def test_hints_without_type(hint: Any) -> None:
    """What no store can keep is told."""
    with pytest.raises(ValueError, match="not a type a column can have"):
        type_from_hint(hint)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there are no type aliases before 3.12")
def test_type_alias() -> None:
    """`type X = int | None` means what it stands for."""
    alias = vars(typing)["TypeAliasType"]("X", int | None)

    assert type_from_hint(alias) == (t.Integer(), True)


def test_split_optional() -> None:
    """None is taken out of a union, whatever else is in it."""
    assert split_optional(int) == (int, False)
    assert split_optional(int | str | None) == (int | str, True)


@pytest.mark.parametrize(
    ("type_", "python"),
    [
        (t.Integer(), int),
        (t.Numeric(), Decimal),
        (t.EnumType(Color), Color),
        (t.Array(int), list),
        (t.RangeType(int), Range),
        (t.Json(list[int]), list),
        (t.Json(Size), Size),
        (t.Json(Any), object),
        (t.Json(int | str), object),
    ],
)
def test_python_types(type_: t.ColumnType, python: type) -> None:
    """A column type knows the class of its values."""
    assert python_type(type_) is python


def test_types_of_items() -> None:
    """Arrays and ranges take Python classes for their items."""
    assert t.Array(str).item == t.Text()
    assert t.Array(t.Text(5)).item == t.Text(5)
    assert t.column_type(t.Text) == t.Text()
    assert t.Array(Range[int]).item == t.RangeType(t.Integer())
    assert t.RangeType(int) == t.column_type(Range[int])
    for make in (lambda: t.Array(object), lambda: t.RangeType(list[int]), lambda: t.Array(Range)):
        with pytest.raises(MappingError, match="item of an array or a range"):
            make()
    with pytest.raises(TypeError, match="is not a column type"):
        t.column_type(object)


def test_checks_are_made_once() -> None:
    """The same type has the same check; one whose hint cannot be hashed still has one."""
    assert checker_for(t.Text(7)) is checker_for(t.Text(7))
    assert checker_for(t.Json(Annotated[list[int], []]))([1]) == [1]


def test_range() -> None:
    """A range knows what lies in it."""
    assert 1 in Range(1, 3)
    assert 3 not in Range(1, 3)
    assert 3 in Range(1, 3, "[]")
    assert 1 not in Range(1, 3, "()")
    assert 10**9 in Range(1)
    assert 0 not in Range(1)
    assert -5 in Range(None, 3)
    assert {Range(1, 2)} == {Range(1, 2)}
    with pytest.raises(ValueError, match="lower bound of a range lies above"):
        Range(3, 1)
    with pytest.raises(ValueError, match="bounds"):
        Range(1, 3, "<>")  # type: ignore[arg-type]
