"""What holds more than a scalar comes back as it went in: arrays, ranges, types of its own (M5)."""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import Annotated, Any, NamedTuple, cast
from uuid import UUID

import attrs
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from tests.contract.backends import Backend
from tests.contract.sent import Sent, rows
from uow import (
    Array,
    Column,
    Database,
    InvalidUnitError,
    Mapped,
    Range,
    Registry,
    Session,
    Table,
    ValidationError,
    changes,
    insert,
    literal,
    select,
    update,
)
from uow.types import (
    Composite,
    EnumType,
    Integer,
    IpAddress,
    Json,
    Native,
    Numeric,
    RangeType,
    Text,
)

pytestmark = pytest.mark.anyio

PLUS_2 = timezone(timedelta(hours=2))


class Mood(enum.Enum):
    """Labels that need quotes."""

    OK = "ok"
    SAD = "it's \"sad\", isn't \\ it"
    NULL = "NULL"


class Level(enum.IntEnum):
    """Numbers, kept by their names in a type of the store's own."""

    LOW = 1
    HIGH = 2


@attrs.frozen
class Place:
    """A row of fields in one column."""

    street: str
    number: int | None = None
    price: Annotated[Decimal | None, Numeric(9, 2)] = None
    seen: datetime | None = None
    mood: Annotated[Mood | None, EnumType(Mood, native="mood_of_tests")] = None
    reach: Range[int] | None = None
    data: bytes | None = None


class Point(NamedTuple):
    """The least a row can be."""

    x: float
    y: float


@attrs.frozen
class Tag:
    """A value that only its own functions can write."""

    name: str


def write_tag(tag: Tag) -> str:
    """Write a tag."""
    if not tag.name:
        raise ValueError("a tag without a name")
    return f"#{tag.name}"


def read_tag(text: str) -> Tag:
    """Read a tag."""
    return Tag(text.removeprefix("#"))


MOOD = EnumType(Mood, native="mood_of_tests")
TAG = Native("varchar(20)", encode=write_tag, decode=read_tag)


class Rich(Table):
    """A field of every type that is no scalar."""

    class Settings:
        name = "rich"
        registry = Registry()

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    numbers: Mapped[list[int | None] | None] = Column(type=Array(int), default=None)
    grid: Mapped[list[list[int | None]] | None] = Column(type=Array(Array(int)), default=None)
    cube: Mapped[list[list[list[str]]] | None] = Column(type=Array(Array(Array(str))), default=None)
    words: Mapped[list[str | None] | None] = Column(type=Array(Text(20)), default=None)
    prices: Mapped[list[Decimal] | None] = Column(type=Array(Numeric(12, 3)), default=None)
    ratios: Mapped[list[float] | None] = Column(type=Array(float), default=None)
    flags: Mapped[list[bool | None] | None] = Column(type=Array(bool), default=None)
    keys: Mapped[list[UUID] | None] = Column(type=Array(UUID), default=None)
    moments: Mapped[list[datetime] | None] = Column(type=Array(datetime), default=None)
    days: Mapped[list[date] | None] = Column(type=Array(date), default=None)
    hours: Mapped[list[time] | None] = Column(type=Array(time), default=None)
    lengths: Mapped[list[timedelta] | None] = Column(type=Array(timedelta), default=None)
    blobs: Mapped[list[bytes] | None] = Column(type=Array(bytes), default=None)
    levels: Mapped[list[Level] | None] = Column(type=Array(Level), default=None)
    moods: Mapped[list[Mood | None] | None] = Column(type=Array(MOOD), default=None)
    documents: Mapped[list[dict[str, Any]] | None] = Column(type=Array(Json()), default=None)
    spans: Mapped[list[Range[int]] | None] = Column(type=Array(Range[int]), default=None)
    hosts: Mapped[list[IPv4Address | IPv6Address] | None] = Column(
        type=Array(IpAddress()), default=None
    )
    places: Mapped[list[Place] | None] = Column(type=Array(Composite(Place)), default=None)
    mood: Mapped[Mood | None] = Column(type=MOOD, default=None)
    level: Mapped[Level | None] = Column(type=EnumType(Level, native=True), default=None)
    address: Mapped[IPv4Address | IPv6Address | None] = Column(default=None)
    address4: Mapped[IPv4Address | None] = Column(default=None)
    interface: Mapped[IPv4Interface | IPv6Interface | None] = Column(default=None)
    network: Mapped[IPv4Network | IPv6Network | None] = Column(default=None)
    small: Mapped[Range[int] | None] = Column(type=RangeType(Integer(32)), default=None)
    large: Mapped[Range[int] | None] = Column(default=None)
    amounts: Mapped[Range[Decimal] | None] = Column(default=None)
    season: Mapped[Range[date] | None] = Column(default=None)
    period: Mapped[Range[datetime] | None] = Column(default=None)
    place: Mapped[Place | None] = Column(type=Composite(Place), default=None)
    point: Mapped[Point | None] = Column(type=Composite(Point, name="point_of_tests"), default=None)
    tag: Mapped[Tag | None] = Column(type=TAG, default=None)


TEXTS = ["", " ", "NULL", "null", 'a"b', "a'b", "a\\b", "{}", "{a,b}", "(a,b)", "ä\U0001f600", ","]
MOMENTS = [
    datetime(1, 1, 2, tzinfo=UTC),
    datetime(9999, 12, 30, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2024, 2, 29, 12, 30, 15, 1, tzinfo=PLUS_2),
]
PLACES = [
    Place("x"),
    Place("", 0, Decimal("0.00"), MOMENTS[2], Mood.SAD, Range(1, 3), b""),
    Place(
        'a, "b" (c)\\', -(2**63), Decimal("-9999999.99"), MOMENTS[1], Mood.NULL, Range(0, 0), b"\0"
    ),
]

EDGES: dict[str, list[Any]] = {
    "numbers": [[], [None], [0, -1, None, 2**63 - 1, -(2**63)]],
    "grid": [[], [[1]], [[1, 2], [None, 4], [5, 6]]],
    "cube": [[[["a"], ["b"]], [["c"], ["d,{}"]]]],
    "words": [TEXTS, [None, ""]],
    "prices": [[Decimal("0.000"), Decimal("-999999999.999"), Decimal("1.100")]],
    "ratios": [[0.0, -1.5, 0.1, 1e308, 5e-324, 1e22]],
    "flags": [[True, False, None]],
    "keys": [[UUID(int=0), UUID(int=2**128 - 1)]],
    "moments": [MOMENTS, []],
    "days": [[date.min, date.max, date(2000, 2, 29)]],
    "hours": [[time.min, time.max, time(12, 30)]],
    "lengths": [[timedelta(0), timedelta(microseconds=-1), timedelta(days=-1000, microseconds=3)]],
    "blobs": [[b"", b"\0", bytes(range(256)), b"\\x00"]],
    "levels": [[Level.HIGH, Level.LOW]],
    "moods": [list(Mood), [None]],
    "documents": [
        [{}, {"a": [1, None, "x,{}"]}, {"b": 1.0, "a": {"c": 'd"'}}],
        [{"a": [-0.0, 0.0, -0.05, "-0.0"]}],
    ],
    "spans": [[Range(1, 3), Range(0, 0), Range(None, 3, "()"), Range(None, None, "()")]],
    "hosts": [[IPv4Address("1.2.3.4"), IPv6Address("::1"), IPv6Address("2001:db8::ff00:42:8329")]],
    "places": [PLACES, []],
    "mood": list(Mood),
    "level": list(Level),
    "address": [
        IPv4Address(0),
        IPv4Address("255.255.255.255"),
        IPv6Address(0),
        IPv6Address("::ffff:1.2.3.4"),
        IPv6Address(2**128 - 1),
    ],
    "address4": [IPv4Address("127.0.0.1")],
    "interface": [
        IPv4Interface("10.1.2.3/8"),
        IPv4Interface("10.1.2.3/32"),
        IPv4Interface("0.0.0.0/0"),
        IPv6Interface("fe80::1/64"),
        IPv6Interface("::1/128"),
    ],
    "network": [
        IPv4Network("10.0.0.0/8"),
        IPv4Network("1.2.3.4/32"),
        IPv6Network("::/0"),
        IPv6Network("2001:db8::/32"),
    ],
    "small": [
        Range(1, 3),
        Range(-(2**31), 2**31 - 1),
        Range(0, 0),
        Range(None, 0, "()"),
        Range(0, None),
        Range(None, None, "()"),
    ],
    "large": [Range(-(2**63), 2**63 - 1), Range(2**40, None)],
    "amounts": [
        Range(Decimal("0.1"), Decimal("0.2")),
        Range(Decimal("0.1"), Decimal("0.1"), "[]"),
        Range(Decimal(-1), None, "()"),
        Range(Decimal(0), Decimal(0)),
    ],
    "season": [Range(date(2024, 2, 29), date(2024, 3, 1)), Range(None, date(1, 1, 2), "()")],
    "period": [
        Range(MOMENTS[0], MOMENTS[1]),
        Range(MOMENTS[2], None, "()"),
        Range(MOMENTS[2], MOMENTS[2], "[]"),
    ],
    "place": PLACES,
    "point": [Point(0.0, -1.5), Point(1e308, 5e-324)],
    "tag": [Tag("x"), Tag("it's, {a}")],
}

SCALARS = [
    name
    for name in EDGES
    if not isinstance(EDGES[name][0], list) and name not in {"place", "point"}
]


@pytest.fixture
async def rich(database: Database) -> Database:
    """The database, with the table of rich types."""
    await database.create_all([Rich])
    return database


def same(one: Any, other: Any) -> bool:
    """Whether two values are one and the same, their types included, at any depth."""
    if isinstance(one, list):
        return (
            isinstance(other, list)
            and len(one) == len(other)
            and all(same(*pair) for pair in zip(one, other, strict=True))
        )
    return one.__class__ is other.__class__ and bool(one == other)


@pytest.mark.parametrize("name", list(EDGES))
@pytest.mark.needs("table_classes")
async def test_round_trip(rich: Database, sent: Sent, name: str) -> None:
    """M5: inserted, updated, alone and among others: what is read is what was written."""
    column = getattr(Rich, name)
    for value in EDGES[name]:
        inserted, updated = [[Rich(), Rich()] for _ in range(2)]
        async with Session(rich) as session:
            for one in inserted:
                setattr(one, name, value)
            session.add_all([*inserted, *updated])
            await session.flush()
            for one in updated:
                setattr(one, name, value)
            await session.flush()
            session.add(Rich(**{name: value}))
            await session.flush()
            await session.execute(insert(Rich, {name: value}))
            await session.execute(insert(Rich))
            last = max(await session.find(Rich).select(Rich.id).values())
            await session.execute(update(Rich).set({column: value}).where(Rich.id == last))
            await session.commit()
        async with Session(rich) as session:
            found = await session.find(Rich).to_list()

            assert len(found) == 7
            for one in found:
                assert same(getattr(one, name), value)
                assert changes(one) == {}
                setattr(one, name, value)
            sent.clear()
            await session.commit()

            assert sent == []  # written again with what it holds, it is not changed
            for row in await session.execute(select(column)):
                assert same(row[0], value)
            await session.find(Rich).delete(all=True)
            await session.commit()


@pytest.mark.parametrize("name", SCALARS)
@pytest.mark.needs("table_classes")
async def test_found_by_its_value(rich: Database, name: str) -> None:
    """M5: `==` and `in_` find a row by any value it holds, and no other row."""
    column = getattr(Rich, name)
    values = EDGES[name]
    async with Session(rich) as session:
        session.add_all([Rich(**{name: value}) for value in [*values, None]])
        await session.commit()
        for value in values:
            for condition, count in (
                (column == value, 1),
                (column.in_([value]), 1),
                (column != value, len(values) - 1),
                (column.not_in([value]), len(values) - 1),
            ):
                assert await session.find(Rich, condition).count() == count


@pytest.mark.parametrize("name", ["place", "point"])
@pytest.mark.needs("table_classes")
async def test_rows_are_found(rich: Database, name: str) -> None:
    """M5: a row of fields is found by its value."""
    async with Session(rich) as session:
        session.add_all([Rich(**{name: value}) for value in EDGES[name]])
        await session.commit()
        for value in EDGES[name]:
            assert await session.find(Rich, getattr(Rich, name) == value).count() == 1


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("grid", [[1], [2, 3]], "same length"),
        ("grid", [[1], None], "same length"),
        ("grid", [[], []], "an empty array in an array"),
        ("numbers", [2**63], "an int of more than 64 bits"),
        ("numbers", ["1"], "expected int, got str"),
        ("words", ["x" * 21], "at most 20 fit"),
        ("words", ["a\0b"], "NUL"),
        ("words", ["\ud800"], "surrogate"),
        ("prices", [Decimal("0.0001")], "more than 3 digits after the point"),
        ("prices", [Decimal("NaN")], "not finite"),
        ("prices", [Decimal(10) ** 9], "more than 9 digits before the point"),
        ("moments", [datetime(2024, 1, 1)], "naive"),  # noqa: DTZ001 - what is wrong
        ("moods", ["ok"], "expected Mood, got str"),
        ("mood", "ok", "expected Mood, got str"),
        ("address", IPv4Interface("1.2.3.4/8"), "expected IPv4Address or IPv6Address"),
        ("address", "1.2.3.4", "got str"),
        ("address", IPv6Address("fe80::1%eth0"), "a zone"),
        ("address4", IPv6Address("::1"), "expected IPv4Address, got IPv6Address"),
        ("network", IPv4Interface("1.2.3.4/8"), "expected IPv4Network or IPv6Network"),
        ("small", Range(0, 2**31), "an int of more than 32 bits"),
        ("small", Range(0, 2**31 - 1, "[]"), "has a next value"),
        ("period", Range(datetime(2024, 1, 1), None), "naive"),  # noqa: DTZ001
        ("place", Place("a\0"), "text with a NUL"),
        ("place", Place("a", price=Decimal("0.001")), "2 digits after"),
        ("place", ("a",), "expected Place, got tuple"),
        ("tag", "x", "expected Tag, got str"),
        ("documents", [{"a": float("nan")}], "NaN"),
        ("documents", [{"a": "\0"}], "NUL"),
    ],
)
@pytest.mark.needs("table_classes")
async def test_what_does_not_fit(
    rich: Database, sent: Sent, name: str, value: Any, message: str
) -> None:
    """F70-F75: what no store could keep exactly is refused by field before it is sent."""
    sent.clear()
    async with Session(rich) as session:
        with pytest.raises(ValidationError, match=rf"Rich\.{name}[^ ]*: .*{message}"):
            Rich(**{name: value})
        one = Rich()
        setattr(one, name, value)
        session.add(one)
        with pytest.raises(InvalidUnitError, match=rf"Rich\.{name}[^ ]*: .*{message}"):
            await session.commit()

        assert [word for word in sent.words if word != "BEGIN"] == []
        setattr(one, name, EDGES[name][0])
        await session.commit()


@pytest.mark.needs("table_classes")
async def test_a_function_of_ones_own_refuses(rich: Database, sent: Sent) -> None:
    """A ValueError of `Native(encode=...)` refuses the value, and names the field."""
    sent.clear()
    async with Session(rich) as session:
        one = Rich(tag=Tag(""))
        session.add(one)
        with pytest.raises(InvalidUnitError, match=r"Rich\.tag: a tag without a name"):
            await session.commit()

        assert "INSERT" not in sent.words
        one.tag = Tag("y")
        await session.commit()

    assert await rows(rich, Rich.tag) == [(Tag("y"),)]


@pytest.mark.parametrize("moment", [datetime.min, datetime.max])  # noqa: DTZ901 - made aware below
@pytest.mark.needs("table_classes")
async def test_the_ends_of_time(rich: Database, moment: datetime) -> None:
    """F74: the first and the last moment of Python come back, aware, alone and in batches."""
    aware = moment.replace(tzinfo=UTC)
    async with Session(rich) as session:
        session.add(Rich(moments=[aware]))
        await session.flush()
        session.add_all([Rich(moments=[aware]), Rich(moments=[aware])])
        await session.commit()
    async with Session(rich) as session:
        found = await session.find(Rich, Rich.moments == [aware]).to_list()

        assert [one.moments for one in found] == [[aware]] * 3


class Numbered(Table):
    """The store numbers every row."""

    class Settings:
        name = "numbered"
        registry = Registry()

    id: Mapped[int] = Column(primary_key=True, identity="always")
    text: Mapped[str] = Column(default="")


@pytest.mark.needs("table_classes")
async def test_a_number_that_must_not_be_given(database: Database, sent: Sent) -> None:
    """identity="always": a row that brings its number is refused on every store, by any way in."""
    await database.create_all([Numbered])
    sent.clear()
    async with Session(database) as session:
        one = Numbered(id=5)  # type: ignore[call-arg]
        session.add_all([one, Numbered()])
        with pytest.raises(InvalidUnitError, match=r"Numbered\.id: the store numbers every row"):
            await session.flush()
        with pytest.raises(ValidationError, match=r"Numbered\.id: the store numbers every row"):
            await session.execute(insert(Numbered, id=literal(5)))

        assert [word for word in sent.words if word != "BEGIN"] == []
        one.id = None  # type: ignore[assignment]
        await session.commit()

    assert await rows(database, Numbered.id) == [(1,), (2,)]


ANY_TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8)
ANY_MOMENT = st.datetimes(
    datetime(1, 1, 2),  # noqa: DTZ001 - the strategy adds the zone
    timezones=st.sampled_from([UTC, PLUS_2]),
)
ANY_INTEGER = st.integers(-(2**63), 2**63 - 1)
ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)


def ranges(bounds: st.SearchStrategy[Any]) -> st.SearchStrategy[Range[Any]]:
    """Ranges of all bounds, some of them missing."""
    pairs = st.tuples(bounds, bounds).map(sorted).map(tuple)
    one_side = st.tuples(bounds, st.none()) | st.tuples(st.none(), bounds)
    kinds = st.sampled_from(["[)", "(]", "()", "[]"])
    return st.builds(lambda pair, kind: Range(pair[0], pair[1], kind), pairs | one_side, kinds)


def lists(items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Lists with items missing."""
    return st.lists(st.none() | items, max_size=4)


SMALL = st.integers(-(2**31), 2**31 - 2)
ANY_ROW = st.fixed_dictionaries(
    {
        "numbers": lists(ANY_INTEGER),
        "grid": st.integers(1, 3).flatmap(
            lambda n: st.lists(st.lists(st.none() | SMALL, min_size=n, max_size=n), max_size=3)
        ),
        "words": lists(ANY_TEXT),
        "prices": st.lists(st.decimals(-(10**8), 10**8, places=3), max_size=3),
        "ratios": lists(st.floats(allow_nan=False, allow_infinity=False)),
        "flags": lists(st.booleans()),
        "keys": lists(st.uuids()),
        "moments": lists(ANY_MOMENT),
        "days": lists(st.dates()),
        "hours": lists(st.times()),
        "lengths": lists(st.timedeltas(timedelta(days=-(10**8)), timedelta(days=10**8))),
        "blobs": lists(st.binary(max_size=8)),
        "documents": lists(st.dictionaries(ANY_TEXT, ANY_JSON, max_size=3)),
        "hosts": lists(st.ip_addresses()),
        "address": st.ip_addresses(),
        "large": ranges(st.integers(-(2**63), 2**63 - 2)),
        "small": ranges(SMALL),
        "amounts": ranges(st.decimals(-(10**9), 10**9, places=4)),
        "season": ranges(st.dates(max_value=date(9999, 12, 30))),
        "period": ranges(ANY_MOMENT),
        "place": st.builds(
            Place,
            ANY_TEXT,
            st.none() | ANY_INTEGER,
            st.none() | st.decimals(-(10**6), 10**6, places=2),
            st.none() | ANY_MOMENT,
            st.sampled_from([None, *Mood]),
            st.none() | ranges(SMALL),
            st.none() | st.binary(max_size=4),
        ),
    }
)


LISTS: dict[str, Any] = {
    name: max(values, key=len) for name, values in EDGES.items() if type(values[0]) is list
}
"""Of every field that holds a list the longest."""


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.needs("table_classes")
async def test_list_of_an_object_that_was_just_flushed(rich: Database, name: str) -> None:
    """T1: what was sent is what the next change is told from, and what a rollback gives back."""
    value = list(LISTS[name])
    async with Session(rich) as session:
        one = Rich(**cast("dict[str, Any]", {name: value}))
        session.add(one)
        await session.flush()
        assert getattr(one, name) == value
        await session.commit()
        getattr(one, name).append(value[0])
        assert changes(one) == {name: (value, [*value, value[0]])}
        await session.flush()
        await session.rollback()
        assert getattr(one, name) == value
        assert session.dirty == set()
        setattr(one, name, value[:1])
        await session.commit()
        getattr(one, name).append(value[0])
        await session.commit()
    async with Session(rich) as session:
        found = await session.get_one(Rich, one.id)
        assert getattr(found, name) == [value[0], value[0]]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(values=st.lists(ANY_ROW, min_size=1, max_size=3))
@pytest.mark.needs("table_classes")
async def test_anything_comes_back(
    backend: Backend, rich: Database, sent: Sent, values: list[dict[str, Any]]
) -> None:
    """M5: whatever is accepted comes back equal, alone and in batches, and is no change then."""
    names = list(values[0])
    async with Session(rich) as session:
        await session.find(Rich).delete(all=True)
        made = [Rich(**row) for row in values]
        session.add_all(made)
        try:
            await session.commit()
        except InvalidUnitError as error:
            assert "long_json_integers" in backend.lacks
            assert "more than 64 bits" in str(error)  # noqa: PT017
            await session.rollback()
            reject()
        kept = [[getattr(one, name) for name in names] for one in made]
    async with Session(rich) as session:
        found = await session.find(Rich).order_by(Rich.id).to_list()

        assert [[getattr(one, name) for name in names] for one in found] == kept
        for one, row in zip(found, values, strict=True):
            for name, value in row.items():
                setattr(one, name, value)
        sent.clear()
        await session.commit()

        assert sent == []
