"""Values survive the way into the store and back, or are refused before they are sent."""

from __future__ import annotations

import math
from collections import ChainMap, UserDict
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from ipaddress import ip_network
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dialects.models import Colour, Everything, Level, Mixed, Size
from tests.dialects.store import Store
from uow.dialects import _json
from uow.dialects._bson_reading import reader_for
from uow.dialects.base import dialect_for
from uow.dialects.codecs import decimal_text
from uow.mapping.mapper import mapper_of
from uow.query.statements import InsertRows
from uow.types import (
    Array,
    ColumnType,
    DateTime,
    Float,
    Integer,
    Interval,
    IpNetwork,
    Json,
    Numeric,
    RangeType,
    Text,
    Time,
    Uuid,
)
from uow.values import PathError, Range

STORES = ["sqlite", "postgresql", "mysql", "mariadb"]
UTC_MOMENTS = st.datetimes(timezones=st.just(UTC))
JSON_TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc\"'\\é", max_size=5), inner),
    max_leaves=20,
)


def _there_and_back(type_: ColumnType, value: Any, dialect: str = "sqlite") -> Any:
    speaker = dialect_for(dialect)
    encode, decode = speaker.encoder(type_), speaker.decoder(type_)
    stored = value if encode is None else encode(value)
    return stored if decode is None else decode(stored)


def test_every_type_comes_back_as_it_was() -> None:
    """F72-F75, I12: what is read equals what was written, in value and in type."""
    store = Store(Everything)
    mapper = mapper_of(Everything)
    full = (
        1, -32768, True, "té\U0001f600'\"", "short", b"\0\xff", -0.1, Decimal("-1.50"),
        Decimal("1E+30"), date(1, 1, 1), time(23, 59, 59, 999999),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime.fromisoformat("0001-01-01"),
        timedelta(days=-1, microseconds=1), uuid4(), {"big": 2**80, "f": 1.5, "n": None},
        Size(3, "cm"), Colour.RED, Level.HIGH, Mixed.PAIR, [1, 2**40], Range(2, None),
    )  # fmt: skip
    empty = (2, *[None] * (len(full) - 1))
    rows = [store.encoded(mapper.columns, row) for row in (full, empty)]
    stored = store.send(
        store.dialect.insert_rows(InsertRows(mapper, mapper.columns, rows, mapper.columns))
    )
    decoders = [store.dialect.decoder(column.type) for column in mapper.columns]
    back = [
        tuple(v if v is None or d is None else d(v) for v, d in zip(row, decoders, strict=True))
        for row in stored
    ]

    assert back == [full, empty]
    assert [type(value) for value in back[0]] == [type(value) for value in full]


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9
    )
)
def test_decimals_are_exact(value: Decimal) -> None:
    """F75: no digit is lost or made up, and equal numbers have equal text."""

    assert _there_and_back(Numeric(), value) == value
    assert decimal_text(value) == decimal_text(value * Decimal("1.000"))


@pytest.mark.parametrize(
    ("value", "text"),
    [("1.5", "1.50"), ("-0", "0.00"), ("1E+2", "100.00"), ("1e-2", "0.01"), ("7", "7.00")],
)
def test_decimals_have_the_form_of_their_column(value: str, text: str) -> None:
    """F75: a decimal is kept without exponent or negative zero, with the column's digits."""

    assert decimal_text(Decimal(value), scale=2, precision=10) == text


@pytest.mark.parametrize("dialect", STORES)
@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "0.001", "123456789", "1E+2000"])
def test_decimals_that_do_not_fit_are_refused(dialect: str, value: str) -> None:
    """F75: a decimal that would be rounded or cut is refused, and not shown."""
    encode = dialect_for(dialect).encoder(Numeric(10, 2))
    assert encode is not None

    with pytest.raises(ValueError, match=r"decimal|digits") as caught:
        encode(Decimal(value))
    assert value == "NaN" or value not in str(caught.value)


@pytest.mark.parametrize(
    ("dialect", "nan", "infinity"),
    [("sqlite", False, True), ("postgresql", True, True), ("mysql", False, False)],
)
def test_nan_is_refused_where_the_store_cannot_keep_it(
    dialect: str, *, nan: bool, infinity: bool
) -> None:
    """F73: NaN never becomes NULL."""
    capabilities = dialect_for(dialect).capabilities

    assert (capabilities.stores_nan, capabilities.stores_infinity) == (nan, infinity)
    for value, can in ((math.nan, nan), (math.inf, infinity)):
        if can:
            assert repr(_there_and_back(Float(), value, dialect)) == repr(value)
        else:
            with pytest.raises(ValueError, match="NaN"):
                _there_and_back(Float(), value, dialect)


@given(st.lists(UTC_MOMENTS, min_size=2))
def test_instants_sort_as_text(moments: list[datetime]) -> None:
    """F74: the order of the stored text is the order of time, for every year."""
    encode = dialect_for("sqlite").encoder(DateTime())
    assert encode is not None

    assert [_there_and_back(DateTime(), m) for m in moments] == moments
    assert sorted(moments, key=encode) == sorted(moments)


@pytest.mark.parametrize("dialect", ["sqlite", "mysql", "mariadb"])
def test_instants_are_utc_in_the_store(dialect: str) -> None:
    """F74: the zone of a value changes nothing but how it is written."""
    east = timezone(timedelta(hours=5, minutes=30))
    value = datetime(2024, 3, 1, 2, 0, tzinfo=east)
    back = _there_and_back(DateTime(), value, dialect)

    assert back == value
    assert back.tzinfo is UTC


@pytest.mark.parametrize("dialect", ["sqlite", "mysql"])
def test_the_wrong_kind_of_datetime_is_refused(dialect: str) -> None:
    """F74: a naive value is no instant, and UTC has no year 0."""
    for value in (
        datetime(2024, 1, 1),  # noqa: DTZ001 - the wrong kind is the point
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    ):
        with pytest.raises(ValueError, match=r"zone|UTC"):
            _there_and_back(DateTime(), value, dialect)


def test_a_time_with_a_zone_is_refused() -> None:
    """A time of day has no zone."""
    with pytest.raises(ValueError, match="zone"):
        _there_and_back(Time(), time(1, tzinfo=UTC))


@given(st.timedeltas(min_value=timedelta(days=-(10**8)), max_value=timedelta(days=10**8)))
def test_intervals_are_exact(value: timedelta) -> None:
    """An interval keeps every microsecond."""

    assert _there_and_back(Interval(), value) == value


def test_an_interval_over_64_bits_is_refused() -> None:
    """F72: what does not fit the store's integer is refused."""
    with pytest.raises(ValueError, match="interval"):
        _there_and_back(Interval(), timedelta.max)


@given(st.uuids())
def test_uuids(value: UUID) -> None:
    """A UUID read without its constructor is like any other."""
    back = _there_and_back(Uuid(), value)

    assert (back, hash(back), str(back), back.is_safe) == (
        value, hash(value), str(value), value.is_safe,
    )  # fmt: skip


# -- JSON


@given(JSON_TREES)
def test_json_is_exact(value: Any) -> None:
    """F72, F73: documents come back as they were, integers over 64 bits included."""

    assert _json.loads(_json.dumps(value)) == value
    assert repr(_json.loads(_json.canonical(value))) is not None


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": [1, math.nan]}, ".a[1]"),
        ([math.inf], "[0]"),
        ({"a": "x\0"}, ".a"),
        ({"b": {"x\0": 1}}, ".b"),
        (["\ud800"], "[0]"),
        ({"a": {1: 2}}, ".a"),
        ({"a": object()}, ".a"),
        ({"a": MappingProxyType({"b": [object()]})}, ".a.b[0]"),
        ({"a": [0, 10**5000]}, ".a[1]"),
        (UserDict(a=UserDict({"b": {1, 2}})), ".a.b"),
    ],
)
def test_what_json_cannot_hold_is_refused(value: Any, place: str) -> None:
    """F70, F71, F73: the error names the place and not the value."""
    with pytest.raises(PathError, match=r"JSON|text|digits") as caught:
        _json.dumps(value)

    assert str(caught.value).startswith(f"at {place}: ")


@pytest.mark.parametrize(
    "value",
    [
        UserDict(a=[1, None]),
        [MappingProxyType({"a": 2**70, "b": None})],
        {"a": ChainMap({"b": 1.5}, {"c": "x"})},
    ],
)
def test_mappings_that_are_no_dicts(value: Any) -> None:
    """Whatever is a mapping is an object in JSON, however it has to be written."""
    for dumps in (_json.dumps, _json.dumps_for_decimals, _json.dumps_checked):
        assert _json.loads(dumps(value)) == value


def test_mysql_names_the_place_of_a_long_number() -> None:
    """What only one store refuses is named by its place too."""
    with pytest.raises(PathError, match=r"^at \.a\[1\]: MySQL keeps no whole number"):
        _json.dumps_for_mysql({"a": [1, 2**64]})


def test_endless_json_is_refused() -> None:
    """A document that holds itself is an error, not an endless loop."""
    value: list[Any] = []
    value.append(value)

    with pytest.raises(ValueError, match="JSON"):
        _json.dumps(value)


def test_equal_documents_have_equal_canonical_text() -> None:
    """The order of keys and the spelling of a whole number do not matter."""

    assert _json.canonical({"b": 1.0, "a": [2]}) == _json.canonical({"a": [2], "b": 1})


@pytest.mark.parametrize("dialect", STORES)
def test_embedded_values(dialect: str) -> None:
    """An attrs class in a JSON column is that class again."""

    assert _there_and_back(Json(Size), Size(1), dialect) == Size(1)


# -- enums, arrays, ranges


def test_enums_are_kept_by_text_number_or_name() -> None:
    """Members with text values are kept by them, with numbers by those, others by name."""
    encoders = [dialect_for("sqlite").encoder(mapper_of(Everything).by_attribute[name].type)
                for name in ("colour", "level", "mixed")]  # fmt: skip
    members = (Colour.RED, Level.HIGH, Mixed.PAIR)

    assert [e(m) for e, m in zip(encoders, members, strict=True) if e] == ["red", 2, "PAIR"]


def test_an_unknown_member_is_named() -> None:
    """What is no member (any more) is an error that names the enum."""
    decode = dialect_for("sqlite").decoder(mapper_of(Everything).by_attribute["colour"].type)
    assert decode is not None

    with pytest.raises(ValueError, match="Colour"):
        decode("green")


@pytest.mark.parametrize(
    ("item", "values"),
    [
        (Integer(), [1, None, 3]),
        (Numeric(), [Decimal("1.5")]),
        (Uuid(), [UUID(int=1)]),
        (DateTime(), [datetime(2024, 1, 1, tzinfo=UTC)]),
        (Array(Text()), [["a", 'b"']]),
        (Json(), [{"a": [1]}, None, {}]),
        (RangeType(int), [Range(1, 3), Range(0, 0)]),
        (IpNetwork(), [ip_network("10.0.0.0/8"), ip_network("::/0")]),
    ],
)
def test_arrays(item: ColumnType, values: list[Any]) -> None:
    """Where a store has no arrays, their items are exact in JSON."""

    assert _there_and_back(Array(item), values) == values


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Range(1, 3), "[1,3)"),
        (Range(1, 3, "(]"), "[2,4)"),
        (Range(None, 3, "[]"), "(,4)"),
        (Range(1, None), "[1,)"),
        (Range(3, 3), "empty"),
        (Range(1, 2, "()"), "empty"),
    ],
)
def test_ranges_are_canonical(value: Range[int], text: str) -> None:
    """Equal ranges have equal text."""
    encode = dialect_for("sqlite").encoder(RangeType(Integer()))
    assert encode is not None

    assert encode(value) == text
    assert encode(_there_and_back(RangeType(Integer()), value)) == text


def test_bounds_of_decimal_ranges() -> None:
    """PostgreSQL keeps the zeros at the end of a bound, as it does of a number on its own."""
    value = Range(Decimal("1.50"), Decimal("2E+1"))
    texts: dict[str, str] = {}
    for name in ("postgresql", "sqlite", "mysql"):
        encode = dialect_for(name).encoder(RangeType(Numeric()))
        assert encode is not None
        texts[name] = encode(value)

    assert texts["postgresql"] == "[1.50,20)"
    assert texts["sqlite"] == texts["mysql"] == "[1.5,20)"
    scaled = dialect_for("postgresql").encoder(RangeType(Numeric(9, 2)))
    assert scaled is not None
    assert scaled(Range(Decimal("1.5"))) == "[1.50,)"
    with pytest.raises(ValueError, match="digits"):
        scaled(Range(Decimal("1.505")))


@pytest.mark.parametrize(
    ("hint", "stored", "problem"),
    [
        (list[Decimal], ["x"], r"^at \[0\]: "),
        (Size, {"width": "x"}, "width"),
        (dict[int, int], {"x": 1}, "it does not fit|expected"),
        (dict[str, Size], {"a": 5}, "a"),
    ],
)
def test_stored_documents_that_do_not_fit(hint: Any, stored: Any, problem: str) -> None:
    """What reading a document raises is an error of ours, with the way to what does not fit."""
    read = reader_for(hint)
    assert read is not None
    with pytest.raises(PathError, match=problem):
        read(stored)
