"""Every scalar type comes back as it went in, at its edges too (M5)."""

from __future__ import annotations

import math
import random
import string
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

from tests.contract import models as tables
from tests.contract.sent import Sent, rows
from uow import (
    Database,
    InvalidUnitError,
    Range,
    Session,
    ValidationError,
    changes,
    func,
    insert,
    select,
    sql,
    update,
)

pytestmark = pytest.mark.anyio

PLUS_14 = timezone(timedelta(hours=14))
MINUS_12 = timezone(timedelta(hours=-12, minutes=-30))

EDGES: dict[str, list[Any]] = {
    "number": [0, 1, -1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, -(2**63)],
    "small": [0, 2**15 - 1, -(2**15)],
    "flag": [True, False],
    "text": [
        "",
        " ",
        "x",
        "it's",
        '"quoted"',
        "back\\slash",
        "100%_!",
        "line\r\nbreak\ttab",
        "äöüß",
        "日本語",
        "\U0001f600 astral",
        "e\u0301",  # not normalised
        "\u00e9",
        "\ufeffmark",
        "\x01\x7f",
        "x" * 100_000,
        "1",
        "1.0",
        "NULL",
        "2024-01-01",
    ],
    "short": ["", "12345", "äöüßé", "\U0001f600" * 5],
    "data": [b"", b"\0", b"x", bytes(range(256)), b"\xff" * 100_000, b"text"],
    "ratio": [
        0.0,
        1.0,
        -1.5,
        0.1,
        1 / 3,
        1e308,
        -1e308,
        5e-324,
        2.2250738585072014e-308,
        1e22,
        123456789.123456789,
        9007199254740993.0,
    ],
    "price": [
        Decimal("0.00"),
        Decimal("0.01"),
        Decimal("-0.01"),
        Decimal("99999999.99"),
        Decimal("-99999999.99"),
        Decimal("1.10"),
        Decimal("10.00"),
    ],
    "exact": [
        Decimal("0.0000000001"),
        Decimal("12345678901234567890.1234567890"),
        Decimal("-99999999999999999999.9999999999"),
    ],
    "day": [date.min, date.max, date(1969, 12, 31), date(2000, 2, 29), date(1582, 10, 10)],
    "hour": [time.min, time.max, time(12), time(23, 59, 59, 1)],
    "moment": [
        datetime(1, 1, 2, tzinfo=UTC),
        datetime(9999, 12, 30, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2024, 2, 29, 12, 30, 15, 1, tzinfo=PLUS_14),
        datetime(2024, 12, 31, 23, 59, 59, tzinfo=MINUS_12),
        datetime(2024, 1, 1, tzinfo=UTC),
    ],
    "local": [
        datetime.min,  # noqa: DTZ901 - the naive kind
        datetime.max,  # noqa: DTZ901
        datetime(2024, 2, 29, 12, 30, 15, 1),  # noqa: DTZ001 - the naive kind
        datetime(2024, 10, 27, 2, 30, fold=1),  # noqa: DTZ001
    ],
    "span": [
        timedelta(0),
        timedelta(microseconds=1),
        timedelta(microseconds=-1),
        timedelta(days=365 * 100, seconds=3, microseconds=7),
        timedelta(days=-100_000),
    ],
    "key": [UUID(int=0), UUID(int=2**128 - 1), UUID("12345678-1234-5678-1234-567812345678")],
    "document": [
        {},
        {"": ""},
        {"a": None, "b": [1, 2.5, "x", True, False, None, {"c": []}]},
        {"big": 2**64 - 1, "small": -(2**63)},
        {"text": 'it\'s "quoted" \\ \u2028 日本 \U0001f600'},
        {"number": 1.0, "tiny": 5e-324, "huge": 1e308},
        {"deep": [[[[[[[[[[{"x": 1}]]]]]]]]]]},
        {"$.a[0]": {"b'c": 1}},
    ],
    "names": [[], [""], ["a", "b"], ["äöü", "\U0001f600", "it's"]],
    "size": [tables.Dimensions(0, 0), tables.Dimensions(-1, 2**40, ["a", "b"])],
    "colour": list(tables.Colour),
    "level": list(tables.Level),
    "mixed": list(tables.Mixed),
    "numbers": [[], [0], [1, -1, 2**63 - 1, -(2**63)]],
    "between": [
        Range(1, 5),
        Range(-(2**63), 2**63 - 1),
        Range(None, 5, "()"),
        Range(1, None),
        Range(None, None, "()"),
        Range(0, 0),
    ],
}


def same(one: Any, other: Any) -> bool:
    """Whether two values are one and the same, their types included."""
    if isinstance(one, Decimal):
        return isinstance(other, Decimal) and one == other
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    return one.__class__ is other.__class__ and one == other


@pytest.mark.parametrize("name", list(EDGES))
@pytest.mark.needs("exact_values")
async def test_round_trip(database: Database, models: ModuleType, sent: Sent, name: str) -> None:
    """M5: inserted, updated, by objects and by statements: what is read is what was written."""
    everything = models.Everything
    column = getattr(everything, name)
    for value in EDGES[name]:
        inserted, updated = everything(**{name: value}), everything()
        async with Session(database) as session:
            session.add_all([inserted, updated])
            await session.flush()
            setattr(updated, name, value)
            await session.flush()
            await session.execute(insert(everything, {name: value}))
            await session.execute(insert(everything))
            last = max(await session.find(everything).select(everything.id).values())
            await session.execute(
                update(everything).set({column: value}).where(everything.id == last)
            )
            await session.commit()
        async with Session(database) as session:
            found = await session.find(everything).to_list()

            assert len(found) == 4
            for one in found:
                assert same(getattr(one, name), value)
                assert changes(one) == {}
                setattr(one, name, value)
            sent.clear()
            await session.commit()

            assert sent == []  # written again with what it holds, it is not changed
            for row in await session.execute(select(column)):
                assert same(row[0], value)
            await session.find(everything).delete(all=True)
            await session.commit()


NESTED = {"document", "names", "size", "numbers"}
"""Types whose values a store may tell apart where Python does not."""


@pytest.mark.parametrize("name", [name for name in EDGES if name not in NESTED])
@pytest.mark.needs("exact_values")
async def test_found_by_its_value(database: Database, models: ModuleType, name: str) -> None:
    """M5: `==` and `in_` find a row by any value it holds, and no other row."""
    everything = models.Everything
    column = getattr(everything, name)
    values = EDGES[name]
    async with Session(database) as session:
        session.add_all([everything(**{name: value}) for value in [*values, None]])
        await session.commit()
        for value in values:
            alike = values.count(value)
            for condition, count in (
                (column == value, alike),
                (column.in_([value]), alike),
                (column != value, len(values) - alike),
                (column.not_in([value]), len(values) - alike),
            ):
                assert await session.find(everything, condition).count() == count


@pytest.mark.parametrize("name", list(EDGES))
async def test_null(database: Database, models: ModuleType, name: str) -> None:
    """M5: None is NULL in every type, and comes back as None."""
    everything = models.Everything
    column = getattr(everything, name)
    async with Session(database) as session:
        one = everything(**{name: EDGES[name][0]})
        session.add(one)
        await session.commit()
        setattr(one, name, None)
        await session.commit()

        assert await session.find(everything, column.is_null()).to_list() == [one]
        assert await session.find(everything, column == None).count() == 1  # noqa: E711
        assert await session.find(everything, column.is_not_null()).count() == 0
    async with Session(database) as session:
        assert getattr(await session.find(everything).one(), name) is None
    assert await rows(database, column) == [(None,)]


@pytest.mark.parametrize(
    "name", ["number", "ratio", "price", "exact", "day", "hour", "moment", "local", "span", "data"]
)
@pytest.mark.needs("exact_values")
async def test_order(database: Database, models: ModuleType, name: str) -> None:
    """M5: the store orders and compares values as Python does."""
    everything = models.Everything
    column = getattr(everything, name)
    values = list(EDGES[name])
    random.Random(1).shuffle(values)
    middle = sorted(values)[len(values) // 2]
    async with Session(database) as session:
        session.add_all([everything(**{name: value}) for value in values])
        await session.commit()
        ordered = await session.find(everything).order_by(column).select(column).values()
        below = await session.find(everything, column < middle).select(column).values()
        lowest = await session.execute(select(func.min(column), func.max(column)))

    assert ordered == sorted(values)
    assert sorted(below) == sorted(value for value in values if value < middle)
    assert tuple(lowest[0]) == (min(values), max(values))


async def test_instants_are_instants(database: Database, models: ModuleType) -> None:
    """M5: an aware datetime is an instant: it comes back aware, and equals the one given."""
    given = datetime(2024, 3, 10, 12, tzinfo=PLUS_14)
    async with Session.begin(database) as session:
        session.add(models.Everything(moment=given))
    ((found,),) = await rows(database, models.Everything.moment)

    assert found == given
    assert found.utcoffset() is not None
    async with Session(database) as session:
        query = session.find(models.Everything, models.Everything.moment == given.astimezone(UTC))
        assert await query.count() == 1


@pytest.mark.needs("exact_values")
async def test_decimals_are_exact(database: Database, models: ModuleType) -> None:
    """M5: a decimal never goes through a float, sums neither."""
    cents = [Decimal(random.Random(n).randrange(10**9)) / 100 for n in range(200)]
    everything = models.Everything
    async with Session.begin(database) as session:
        session.add_all([everything(price=cent) for cent in cents])
    async with Session(database) as session:
        total = await session.find(everything).select(func.sum(everything.price)).one()
        stored = await session.find(everything).order_by(everything.id).to_list()

        assert total[0] == sum(cents)
        assert [one.price for one in stored] == cents
        assert all(one.price.as_tuple().exponent == -2 for one in stored)


async def test_values_are_normalised(database: Database, models: ModuleType, sent: Sent) -> None:
    """M4: what is kept in another form is kept so in memory, and is no change by its form."""
    one = models.Everything(ratio=1, price=Decimal(5), data=bytearray(b"x"), exact=3)
    async with Session(database) as session:
        session.add(one)
        await session.commit()
        sent.clear()
        one.ratio, one.price, one.data, one.exact = 1, 5, bytearray(b"x"), 3
        await session.commit()

        assert sent == []
        assert session.dirty == set()

    assert type(one.ratio) is float
    assert type(one.data) is bytes
    ((ratio, price, data, exact),) = await rows(
        database,
        models.Everything.ratio,
        models.Everything.price,
        models.Everything.data,
        models.Everything.exact,
    )
    assert (type(ratio), price, type(data), exact) == (float, Decimal("5.00"), bytes, Decimal(3))


async def test_ranges_have_one_form(database: Database, models: ModuleType, sent: Sent) -> None:
    """M5: ranges that hold the same values are kept alike, in memory as in the store."""
    async with Session(database) as session:
        one = models.Everything(between=Range(1, 5, "[]"))
        session.add(one)
        await session.commit()

        assert one.between == Range(1, 6)
        one.between = Range(0, 5, "(]")
        sent.clear()
        await session.commit()

        assert one.between == Range(1, 6)
        assert sent == []
        one.between = Range(3, 3, "()")
        await session.commit()

        assert one.between == Range(0, 0)
        with pytest.raises(ValidationError, match=r"Everything\.between"):
            models.Everything(between=Range(1, 2**63 - 1, "[]"))
    assert await rows(database, models.Everything.between) == [(Range(0, 0),)]


@pytest.mark.parametrize("value", [math.inf, -math.inf])
async def test_infinity(database: Database, models: ModuleType, value: float) -> None:
    """M5: infinity is stored where the store can, and refused before it is sent where not."""
    async with Session(database) as session:
        session.add(models.Everything(ratio=value))
        if database.dialect.capabilities.stores_infinity:
            await session.commit()

            assert await rows(database, models.Everything.ratio) == [(value,)]
        else:
            with pytest.raises(InvalidUnitError, match=r"Everything\.ratio"):
                await session.commit()
            await session.rollback()


async def test_nan(database: Database, models: ModuleType, sent: Sent) -> None:
    """Trap 34: NaN is stored where the store can, and refused before it is sent where not."""
    async with Session(database) as session:
        one = models.Everything(ratio=math.nan)
        session.add(one)
        if database.dialect.capabilities.stores_nan:
            await session.commit()
            ((found,),) = await rows(database, models.Everything.ratio)

            assert math.isnan(found)
        else:
            with pytest.raises(InvalidUnitError, match=r"Everything\.ratio"):
                await session.commit()

            assert sent == []
            assert session.new == {one}
            one.ratio = 1.0
            await session.commit()


@pytest.mark.needs("exact_values", "long_json_integers")
async def test_large_integers_in_json(database: Database, models: ModuleType) -> None:
    """Trap 34, T4: integers over 64 bits in JSON come back as they are."""
    document = {"big": [2**64, -(2**64), 2**63, 10**40], "normal": 1}
    async with Session.begin(database) as session:
        session.add(models.Everything(document=document))

    assert await rows(database, models.Everything.document) == [(document,)]


@pytest.mark.needs("sql")
async def test_json_written_by_others(database: Database, models: ModuleType, sent: Sent) -> None:
    """JSON in another spelling is not a change when it is read."""
    async with Session(database) as session:
        session.add(models.Everything(document={"a": 1, "b": [1, 2]}))
        await session.commit()
        await session.execute(
            sql("UPDATE everything SET document = {text}", text='{ "b" : [1,2],\n"a": 1.0e0 }')
        )
        await session.commit()
    async with Session(database) as session:
        one = await session.find(models.Everything).one()
        sent.clear()

        assert one.document == {"a": 1, "b": [1, 2]}
        await session.commit()

        assert sent == []


async def test_nested_values_are_new_objects(database: Database, models: ModuleType) -> None:
    """Trap 33: two objects of one row share no nested value."""
    given = {"a": [1]}
    one = models.Everything(document=given)
    async with Session.begin(database) as session:
        session.add(one)
    async with Session(database) as first, Session(database) as second:
        x = await first.find(models.Everything).one()
        y = await second.find(models.Everything).one()
        x.document["a"].append(2)

        assert y.document == {"a": [1]}
        await first.commit()
        await second.commit()

    assert await rows(database, models.Everything.document) == [({"a": [1, 2]},)]


async def test_text_of_every_kind(database: Database, models: ModuleType) -> None:
    """M5: text of random characters of every plane is kept, and found."""
    rng = random.Random(7)
    alphabet = [*string.printable, *"äß日本\U0001f600\u200b\u0300\ufffd\U0010ffff%_!\\'\""]
    texts = {"".join(rng.choices(alphabet, k=rng.randrange(20))) for _ in range(100)}
    async with Session.begin(database) as session:
        session.add_all([models.Everything(text=text) for text in texts])
    async with Session(database) as session:
        for text in texts:
            query = session.find(models.Everything, models.Everything.text == text)

            assert (await query.one()).text == text


@pytest.mark.needs("exact_values")
async def test_batches_of_updates_keep_values(database: Database, models: ModuleType) -> None:
    """What many rows are changed to in one go comes back as it was, NULL among values too."""
    everything = models.Everything
    moment = datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)
    values: dict[str, list[Any]] = {
        "small": [-32768, 32767],
        "number": [-(2**63), 2**63 - 1],
        "flag": [True, False],
        "text": ['it\'s \\ "so" \U0001f600\n', ""],
        "short": ["abcde", "\u00e4 "],
        "data": [bytes(range(256)), b""],
        "ratio": [0.1, -5e-324],
        "price": [Decimal("-99999999.99"), Decimal("0.01")],
        "exact": [Decimal("12345678901234567890.0123456789"), Decimal("-0.0000000001")],
        "day": [date(1, 1, 1), date(9999, 12, 31)],
        "hour": [time(0, 0), time(23, 59, 59, 999999)],
        "moment": [moment, datetime(1970, 1, 1, tzinfo=UTC)],
        "local": [moment.replace(tzinfo=None), datetime(1000, 1, 1)],  # noqa: DTZ001
        "span": [timedelta(days=-5, microseconds=1), timedelta(0)],
        "key": [UUID(int=2**128 - 1), UUID(int=0)],
        "document": [{"a": [1, 2.5, None, "\U0001f600"]}, {}],
        "names": [["a", "'b'"], []],
        "size": [models.Dimensions(1, 2, ["x"]), models.Dimensions(0, 0, [])],
        "colour": [models.Colour.RED, models.Colour.BLUE],
        "level": [models.Level.LOW, models.Level.HIGH],
        "mixed": [models.Mixed.TEXT, models.Mixed.PAIR],
        "numbers": [[1, 2], []],
        "between": [Range(1, 5), Range(-3, 0)],
    }
    async with Session.begin(database) as session:
        session.add_all([everything() for _ in range(3)])
    async with Session(database) as session:
        found = await session.find(everything).order_by(everything.id).to_list()
        for name, (one, other) in values.items():
            for row, value in zip(found, (one, None, other), strict=True):
                setattr(row, name, value)
        found[1].number = 5
        await session.commit()
    async with Session(database) as session:
        first, second, third = await session.find(everything).order_by(everything.id).to_list()

        for name, (one, other) in values.items():
            for row, value in ((first, one), (third, other)):
                stored = getattr(row, name)
                assert stored == value, name
            assert getattr(second, name) == (5 if name == "number" else None)
