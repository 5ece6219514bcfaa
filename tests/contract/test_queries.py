"""Queries: what the store answers is what Python answers on the same rows (Q1 to Q6)."""

# ruff: noqa: E501 - a table is read line by line

from __future__ import annotations

import itertools
import random
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import ModuleType
from typing import Any, cast

import attrs
import pytest

from tests.contract.sent import Sent, rows
from uow import (
    Column,
    Database,
    Mapped,
    MappingError,
    MultipleResultsError,
    NotFoundError,
    NotLoadedError,
    QueryError,
    Registry,
    Session,
    State,
    Table,
    aliased,
    case,
    delete,
    exists,
    func,
    insert,
    insert_many,
    select,
    sql,
    state,
    update,
)

pytestmark = pytest.mark.anyio

NAMES = [
    "Alice", "alice", "ALICE", "Bob", "bob%", "b_b", "100%", "a\\b", "it's", "", "äÖ", "ÄÖ", "z!z",
]  # fmt: skip


@attrs.frozen
class Case:
    """A filter twice: for the store, and for Python."""

    text: str
    store: Callable[[Any], Any]
    python: Callable[[Any], bool | None]


def like(pattern: str, *, flags: int = 0) -> Callable[[str], bool]:
    """What LIKE does, by a regular expression."""
    parts = (".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    compiled = re.compile("".join(parts), flags | re.DOTALL)
    return lambda text: compiled.fullmatch(text) is not None


def null(test: Callable[[Any], bool], *names: str) -> Callable[[Any], bool | None]:
    """A test that is unknown where one of the fields is NULL."""
    return lambda o: None if any(getattr(o, n) is None for n in names) else test(o)


def negated(test: Callable[[Any], bool | None]) -> Callable[[Any], bool | None]:
    """NOT, with its three values."""
    return lambda o: None if (found := test(o)) is None else not found


def both(
    one: Callable[[Any], bool | None], other: Callable[[Any], bool | None]
) -> Callable[[Any], bool | None]:
    """AND, with its three values."""

    def test(o: Any) -> bool | None:
        found = (one(o), other(o))
        return False if False in found else None if None in found else True

    return test


def either(
    one: Callable[[Any], bool | None], other: Callable[[Any], bool | None]
) -> Callable[[Any], bool | None]:
    """OR, with its three values."""

    def test(o: Any) -> bool | None:
        found = (one(o), other(o))
        return True if True in found else None if None in found else False

    return test


over = null(lambda o: o.number > 2, "number")
young = null(lambda o: o.number < 5, "number")
named = null(lambda o: o.text == "Bob", "text")

CASES = [
    Case("eq", lambda e: e.number == 3, null(lambda o: o.number == 3, "number")),
    Case("ne", lambda e: e.number != 3, null(lambda o: o.number != 3, "number")),
    Case("gt", lambda e: e.number > 2, over),
    Case("ge", lambda e: e.number >= 2, null(lambda o: o.number >= 2, "number")),
    Case("lt", lambda e: e.number < 5, young),
    Case("le", lambda e: e.number <= 5, null(lambda o: o.number <= 5, "number")),
    Case("eq-none", lambda e: e.number == None, lambda o: o.number is None),  # noqa: E711
    Case("ne-none", lambda e: e.number != None, lambda o: o.number is not None),  # noqa: E711
    Case("is-null", lambda e: e.number.is_null(), lambda o: o.number is None),
    Case("is-not-null", lambda e: e.number.is_not_null(), lambda o: o.number is not None),
    Case("between", lambda e: e.number.between(2, 4), null(lambda o: 2 <= o.number <= 4, "number")),
    Case("in", lambda e: e.number.in_([1, 3, 9]), null(lambda o: o.number in {1, 3, 9}, "number")),
    Case("in-empty", lambda e: e.number.in_([]), lambda _: False),
    Case("in-null", lambda e: e.number.in_([1, None]), lambda o: o.number in {1, None}),
    Case("in-only-null", lambda e: e.number.in_([None]), lambda o: o.number is None),
    Case("not-in", lambda e: e.number.not_in([1, 3]), null(lambda o: o.number not in {1, 3}, "number")),
    Case("not-in-empty", lambda e: e.number.not_in([]), lambda _: True),
    Case("not-in-null", lambda e: e.number.not_in([1, None]), lambda o: o.number not in {1, None}),
    Case("in-set", lambda e: e.number.in_({1, 2}), null(lambda o: o.number in {1, 2}, "number")),
    Case("in-generator", lambda e: e.number.in_(n for n in (1, 2)), null(lambda o: o.number in {1, 2}, "number")),
    Case("in-many", lambda e: e.number.in_(range(3, 5000)), null(lambda o: o.number >= 3, "number")),
    Case("and", lambda e: (e.number > 2) & (e.text == "Bob"), both(over, named)),
    Case("or", lambda e: (e.number > 2) | (e.text == "Bob"), either(over, named)),
    Case("not", lambda e: ~(e.number > 2), negated(over)),
    Case("not-and", lambda e: ~((e.number > 2) & (e.text == "Bob")), negated(both(over, named))),
    Case("not-or", lambda e: ~((e.number > 2) | (e.text == "Bob")), negated(either(over, named))),
    Case("not-not", lambda e: ~~(e.number > 2), over),
    Case("or-in-and", lambda e: ((e.number > 2) | (e.text == "Bob")) & (e.number < 5), both(either(over, named), young)),
    Case("and-in-or", lambda e: (e.number > 2) & (e.number < 5) | (e.text == "Bob"), either(both(over, young), named)),
    Case("not-null", lambda e: ~e.number.is_null(), lambda o: o.number is not None),
    Case("not-in-negated", lambda e: ~e.number.in_([1]), null(lambda o: o.number != 1, "number")),
    Case("not-between", lambda e: ~e.number.between(2, 4), null(lambda o: not 2 <= o.number <= 4, "number")),
    Case("flag", lambda e: e.flag, null(lambda o: o.flag, "flag")),
    Case("not-flag", lambda e: ~e.flag, null(lambda o: not o.flag, "flag")),
    Case("flag-eq", lambda e: e.flag == True, null(lambda o: o.flag, "flag")),  # noqa: E712
    Case("flag-and", lambda e: e.flag & (e.number > 2), both(null(lambda o: o.flag, "flag"), over)),
    Case("text-eq", lambda e: e.text == "it's", null(lambda o: o.text == "it's", "text")),
    Case("text-empty", lambda e: e.text == "", null(lambda o: o.text == "", "text")),
    Case("text-lt", lambda e: e.text < "B", null(lambda o: o.text < "B", "text")),
    Case("like", lambda e: e.text.like("%l%"), null(lambda o: like("%l%")(o.text), "text")),
    Case("like-case", lambda e: e.text.like("alice"), null(lambda o: o.text == "alice", "text")),
    Case("like-one", lambda e: e.text.like("_ob"), null(lambda o: like("_ob")(o.text), "text")),
    Case("like-all", lambda e: e.text.like("%"), null(lambda _: True, "text")),
    Case("like-backslash", lambda e: e.text.like("a\\b"), null(lambda o: o.text == "a\\b", "text")),
    Case("like-escape", lambda e: e.text.like("100#%", escape="#"), null(lambda o: o.text == "100%", "text")),
    Case("not-like", lambda e: ~e.text.like("%l%"), null(lambda o: not like("%l%")(o.text), "text")),
    Case("ilike", lambda e: e.text.ilike("ALICE"), null(lambda o: o.text.lower() == "alice", "text")),
    Case("ilike-unicode", lambda e: e.text.ilike("äö"), null(lambda o: o.text.lower() == "äö", "text")),
    Case("startswith", lambda e: e.text.startswith("b"), null(lambda o: o.text.startswith("b"), "text")),
    Case("startswith-percent", lambda e: e.text.startswith("%"), null(lambda o: o.text.startswith("%"), "text")),
    Case("startswith-empty", lambda e: e.text.startswith(""), null(lambda _: True, "text")),
    Case("endswith", lambda e: e.text.endswith("b"), null(lambda o: o.text.endswith("b"), "text")),
    Case("endswith-percent", lambda e: e.text.endswith("%"), null(lambda o: o.text.endswith("%"), "text")),
    Case("contains-underscore", lambda e: e.text.contains("_"), null(lambda o: "_" in o.text, "text")),
    Case("contains-backslash", lambda e: e.text.contains("\\"), null(lambda o: "\\" in o.text, "text")),
    Case("contains-escape", lambda e: e.text.contains("!"), null(lambda o: "!" in o.text, "text")),
    Case("contains-quote", lambda e: e.text.contains("'"), null(lambda o: "'" in o.text, "text")),
    Case("contains-column", lambda e: e.text.contains(e.short), null(lambda o: o.short in o.text, "text", "short")),
    Case("columns", lambda e: e.number == e.small, null(lambda o: o.number == o.small, "number", "small")),
    Case("reversed", lambda e: 2 < e.number, over),  # noqa: SIM300
    Case("add", lambda e: e.number + e.small > 6, null(lambda o: o.number + o.small > 6, "number", "small")),
    Case("radd", lambda e: 10 - e.number > 6, null(lambda o: 10 - o.number > 6, "number")),
    Case("times", lambda e: e.number * 2 - 1 == 5, null(lambda o: o.number * 2 - 1 == 5, "number")),
    Case("precedence", lambda e: (e.number + 1) * 2 == 8, null(lambda o: (o.number + 1) * 2 == 8, "number")),
    Case("modulo", lambda e: e.number % 2 == 0, null(lambda o: o.number % 2 == 0, "number")),
    Case("divide", lambda e: e.number / 2 == 1.5, null(lambda o: o.number / 2 == 1.5, "number")),
    Case("negative", lambda e: -e.number < -2, over),
    Case("ratio", lambda e: e.ratio >= 0.5, null(lambda o: o.ratio >= 0.5, "ratio")),
    Case("ratio-int", lambda e: e.ratio > 0, null(lambda o: o.ratio > 0, "ratio")),
    Case("price", lambda e: e.price > Decimal("9.99"), null(lambda o: o.price > Decimal("9.99"), "price")),
    Case("price-eq", lambda e: e.price == Decimal("10.0"), null(lambda o: o.price == 10, "price")),
    Case("price-int", lambda e: e.price >= 10, null(lambda o: o.price >= 10, "price")),
    Case("price-add", lambda e: e.price + Decimal("0.01") == 10, null(lambda o: o.price + Decimal("0.01") == 10, "price")),
    Case("price-times", lambda e: e.price * 2 == 20, null(lambda o: o.price * 2 == 20, "price")),
    Case("price-in", lambda e: e.price.in_([Decimal(10), Decimal("1.10")]), null(lambda o: o.price in {Decimal(10), Decimal("1.1")}, "price")),
    Case("day", lambda e: e.day < date(2024, 6, 1), null(lambda o: o.day < date(2024, 6, 1), "day")),
    Case("moment", lambda e: e.moment >= datetime(2024, 6, 1, tzinfo=UTC), null(lambda o: o.moment >= datetime(2024, 6, 1, tzinfo=UTC), "moment")),
    Case("span", lambda e: e.span > timedelta(hours=1), null(lambda o: o.span > timedelta(hours=1), "span")),
    Case("data", lambda e: e.data == b"\0\xff", null(lambda o: o.data == b"\0\xff", "data")),
    Case("lower", lambda e: func.lower(e.text) == "alice", null(lambda o: o.text.lower() == "alice", "text")),
    Case("upper", lambda e: func.upper(e.text) == "BOB", null(lambda o: o.text.upper() == "BOB", "text")),
    Case("length", lambda e: func.length(e.text) > 3, null(lambda o: len(o.text) > 3, "text")),
    Case("abs", lambda e: func.abs(e.number - 3) <= 1, null(lambda o: abs(o.number - 3) <= 1, "number")),
    Case("coalesce", lambda e: func.coalesce(e.number, 100) > 5, lambda o: (100 if o.number is None else o.number) > 5),
    Case("nullif", lambda e: func.nullif(e.number, 3).is_null(), lambda o: o.number in {None, 3}),
    Case("case", lambda e: case((e.number > 5, "big"), (e.number > 2, "middle"), else_="small") == "middle", lambda o: o.number is not None and 2 < o.number <= 5),
    Case("replace", lambda e: func.replace(e.text, "b", "c") == "coc", null(lambda o: o.text.replace("b", "c") == "coc", "text")),
    Case("document-key", lambda e: e.document["n"] > 3, lambda o: None if not o.document or "n" not in o.document else o.document["n"] > 3),
    Case("document-text", lambda e: e.document["s"] == "x", lambda o: None if not o.document or "s" not in o.document else o.document["s"] == "x"),
    Case("document-path", lambda e: e.document["d"]["list"][1] == 20, lambda o: None if not o.document or "d" not in o.document else o.document["d"]["list"][1] == 20),
    Case("names-contains", lambda e: e.names.contains("b"), null(lambda o: "b" in o.names, "names")),
    Case("names-index", lambda e: e.names[0] == "a", lambda o: None if not o.names else o.names[0] == "a"),
]  # fmt: skip


PLAIN = [
    case
    for case in CASES
    if not case.text.startswith(("not-", "ne")) and case.text not in {"not", "contains-column"}
]
"""Those that find the same wherever NULL stands: what a store without its logic is asked."""


def make_rows(models: ModuleType) -> list[Any]:
    """Rows with NULL in every field now and then, always the same."""
    rng = random.Random(42)

    def maybe(value: Any) -> Any:
        return None if rng.random() < 0.15 else value

    documents = [
        {},
        {"n": 1, "s": "x"},
        {"n": 5, "s": "it's"},
        {"n": 4, "d": {"list": [10, 20, 30]}},
        {"d": {"list": [10, 21]}},
    ]
    return [
        models.Everything(
            number=maybe(n % 8),
            small=maybe(rng.randrange(8)),
            flag=maybe(rng.random() < 0.5),
            text=maybe(NAMES[n % len(NAMES)]),
            short=maybe(rng.choice("abA%_")),
            ratio=maybe(rng.choice([-1.5, 0.0, 0.5, 2.0])),
            price=maybe(rng.choice([Decimal("9.99"), Decimal("10.00"), Decimal("1.10"), Decimal("100.00")])),
            day=maybe(date(2024, 1 + n % 12, 1)),
            moment=maybe(datetime(2024, 1 + n % 12, 1, tzinfo=UTC)),
            span=maybe(timedelta(minutes=n * 7)),
            data=maybe(rng.choice([b"", b"\0\xff", b"x"])),
            document=maybe(documents[n % len(documents)]),
            names=maybe(rng.choice([[], ["a"], ["a", "b"], ["b", "a"], ["ab"]])),
        )
        for n in range(60)
    ]  # fmt: skip


@pytest.fixture
async def everything(database: Database, models: ModuleType) -> Any:
    """The class whose table holds these rows."""
    async with Session.begin(database) as session:
        session.add_all(make_rows(models))
    return models.Everything


@pytest.mark.parametrize("one", PLAIN, ids=[case.text for case in PLAIN])
async def test_filter(database: Database, everything: Any, one: Case) -> None:
    """Q1, trap 2: the store finds the rows for which the filter is true in Python, no others."""
    async with Session(database) as session:
        all_rows = await session.find(everything).to_list()
        expected = {row.id for row in all_rows if one.python(row)}
        condition = one.store(everything)
        found = await session.find(everything, condition).to_list()

        assert {row.id for row in found} == expected
        assert len(found) == len(expected)
        assert await session.find(everything, condition).count() == len(expected)
        assert await session.find(everything, condition).exists() is bool(expected)


@pytest.mark.needs("null_logic")
@pytest.mark.parametrize("one", CASES, ids=[case.text for case in CASES])
async def test_filters_with_null(database: Database, everything: Any, one: Case) -> None:
    """Q1, trap 2: where a filter is neither true nor false, so is its negation."""
    async with Session(database) as session:
        all_rows = await session.find(everything).to_list()
        condition = one.store(everything)
        found = await session.find(everything, condition).to_list()

        assert {row.id for row in found} == {row.id for row in all_rows if one.python(row)}
        rest = {row.id for row in all_rows if one.python(row) is False}
        negative = await session.find(everything, ~condition).to_list()

        assert {row.id for row in negative} == rest


@pytest.mark.needs("null_logic")
async def test_random_filters(database: Database, everything: Any) -> None:
    """Q1: filters combined at random find what Python finds."""
    rng = random.Random(3)

    def build(depth: int) -> tuple[Any, Callable[[Any], bool | None]]:
        if depth == 0 or rng.random() < 0.2:
            one = rng.choice(CASES)
            return one.store(everything), one.python
        kind = rng.randrange(3)
        first, python = build(depth - 1)
        if kind == 0:
            return ~first, negated(python)
        second, other = build(depth - 1)
        if kind == 1:
            return first & second, both(python, other)
        return first | second, either(python, other)

    async with Session(database) as session:
        all_rows = await session.find(everything).to_list()
        for _ in range(60):
            condition, python = build(4)
            found = await session.find(everything, condition).to_list()

            assert {row.id for row in found} == {row.id for row in all_rows if python(row)}


# -- terminals


@pytest.mark.needs("numbered_keys")
async def test_terminals(database: Database, everything: Any) -> None:
    """Q2: `first`, `one`, `one_or_none`, `count`, `exists`, `to_list`, with their errors."""
    async with Session(database) as session:
        query = session.find(everything).order_by(everything.id)
        found = await query.to_list()

        assert await query.first() is found[0]
        assert await query.count() == 60
        assert await query.exists()
        with pytest.raises(MultipleResultsError, match="Everything"):
            await query.one()
        with pytest.raises(MultipleResultsError):
            await query.one_or_none()
        nothing = query.filter(everything.id < 0)

        assert await nothing.first() is None
        assert await nothing.one_or_none() is None
        assert await nothing.count() == 0
        assert not await nothing.exists()
        assert await nothing.to_list() == []
        with pytest.raises(NotFoundError, match="Everything"):
            await nothing.one()
        assert await query.filter(everything.id == found[5].id).one() is found[5]


@pytest.mark.needs("numbered_keys")
async def test_queries_are_immutable(database: Database, everything: Any, sent: Sent) -> None:
    """Trap 5: building on a query leaves it as it was."""
    async with Session(database) as session:
        query = session.find(everything)
        query.filter(everything.id < 0)
        query.order_by(everything.id).limit(1).offset(3).distinct()
        query.select(everything.id)

        assert await query.count() == 60
        assert len(await query.to_list()) == 60
        assert len(await query.to_list()) == 60


async def test_filters_add_up(database: Database, everything: Any) -> None:
    """Trap 3: a further condition never replaces an earlier one on the same field."""
    async with Session(database) as session:
        query = session.find(everything, everything.number > 2).filter(everything.number < 5)
        found = await query.filter(everything.number != 3).to_list()

        assert {row.number for row in found} == {4}


async def test_order(database: Database, everything: Any) -> None:
    """Q2: `order_by` by several fields, up and down, with NULLs where one says."""
    async with Session(database) as session:
        found = await session.find(everything).to_list()

        def by(row: Any) -> tuple[Any, ...]:
            missing = row.number is None
            return (missing, 0 if missing else -row.number, row.id)

        query = session.find(everything).order_by(
            everything.number.desc().nulls_last(), everything.id
        )

        assert await query.to_list() == sorted(found, key=by)
        query = session.find(everything).order_by(-everything.id)

        assert [row.id for row in await query.to_list()] == sorted(
            (row.id for row in found), reverse=True
        )
        first = (
            await session.find(everything).order_by(everything.number.asc().nulls_first()).first()
        )

        assert first is not None
        assert first.number is None


@pytest.mark.parametrize(
    ("limit", "offset"), [(0, None), (1, None), (7, 3), (100, 55), (None, 58), (5, 100)]
)
async def test_limit_and_offset(
    database: Database, everything: Any, limit: int | None, offset: int | None
) -> None:
    """Q2: `limit` and `offset` cut as a slice does, for objects, counts and existence."""
    async with Session(database) as session:
        query = session.find(everything).order_by(everything.id)
        ids = [row.id for row in await query.to_list()]
        start = offset or 0
        expected = ids[start : None if limit is None else start + limit]
        cut = query.limit(limit).offset(offset)

        assert [row.id for row in await cut.to_list()] == expected
        assert await cut.count() == len(expected)
        assert await cut.exists() is bool(expected)
        first = await cut.first()

        assert (None if first is None else first.id) == next(iter(expected), None)


async def test_select_columns(database: Database, everything: Any) -> None:
    """Q2: rows have their columns as attributes; one column has `values`; types are decoded."""
    async with Session(database) as session:
        query = session.find(everything).order_by(everything.id)
        objects = await query.to_list()
        found = await query.select(everything.id, everything.price, everything.document).to_list()

        assert [(row.id, row.price, row.document) for row in found] == [
            (one.id, one.price, one.document) for one in objects
        ]
        id_, price, document = found[0]

        assert (id_, price, document) == (found[0].id, found[0].price, found[0].document)
        assert await query.select(everything.moment).values() == [one.moment for one in objects]
        labelled = await query.select((everything.number * 2).label("double")).first()

        assert labelled is not None
        assert labelled.double == (None if objects[0].number is None else objects[0].number * 2)
        assert "9.99" not in repr(found)


async def test_distinct(database: Database, everything: Any) -> None:
    """Q2: `distinct` gives each row once, and counts so."""
    async with Session(database) as session:
        query = session.find(everything).select(everything.number).distinct()
        values = await query.values()

        assert Counter(values) == Counter([None, *range(8)])
        assert await query.count() == 9


# -- groups, functions, subqueries


@pytest.mark.needs("numbered_keys")
async def test_aggregates(database: Database, everything: Any) -> None:
    """Q6: aggregates over all rows, and over none."""
    async with Session(database) as session:
        found = await session.find(everything).to_list()
        numbers = [row.number for row in found if row.number is not None]
        prices = [row.price for row in found if row.price is not None]
        columns = (
            func.count().label("rows"),
            func.count(everything.number).label("numbers"),
            func.count(everything.number).distinct().label("different"),
            func.sum(everything.number).label("total"),
            func.min(everything.number).label("low"),
            func.max(everything.moment).label("late"),
            func.sum(everything.price).label("prices"),
            func.avg(everything.number).label("mean"),
        )
        row = (await session.find(everything).select(*columns).to_list())[0]

        assert row.rows == 60
        assert row.numbers == len(numbers)
        assert row.different == len(set(numbers))
        assert (row.total, row.low) == (sum(numbers), min(numbers))
        assert row.late == max(one.moment for one in found if one.moment is not None)
        assert row.prices == sum(prices)
        assert float(row.mean) == pytest.approx(sum(numbers) / len(numbers))
        row = (await session.find(everything, everything.id < 0).select(*columns).to_list())[0]

        assert (row.rows, row.total, row.late, row.prices, row.mean) == (0, None, None, None, None)


async def test_group_by_and_having(database: Database, everything: Any) -> None:
    """Q6: groups, and conditions on them, with counts of groups."""
    async with Session(database) as session:
        found = await session.find(everything).to_list()
        counted = Counter(row.number for row in found)
        query = (
            session.find(everything)
            .group_by(everything.number)
            .having(func.count() > 6)
            .select(everything.number, func.count().label("n"))
        )
        expected = {(number, n) for number, n in counted.items() if n > 6}

        assert {tuple(row) for row in await query.to_list()} == expected
        assert await query.count() == len(expected)
        assert await query.exists()
        result = await session.execute(
            select(everything.number, func.count())
            .group_by(everything.number)
            .order_by(-func.count(), everything.number.asc().nulls_last())
        )

        assert [row.count for row in result] == sorted(counted.values(), reverse=True)


@pytest.mark.needs("unicode_case")
async def test_case_and_functions_in_columns(database: Database, everything: Any) -> None:
    """Q6: CASE, arithmetic and functions as columns of a row."""
    async with Session(database) as session:
        found = await session.find(everything).order_by(everything.id).to_list()
        size = case((everything.number > 4, "big"), else_="small").label("size")
        result = await session.execute(
            select(
                everything.id,
                size,
                func.upper(everything.text).label("loud"),
                (everything.price * 2).label("twice"),
                func.coalesce(everything.number, -1).label("known"),
            ).order_by(everything.id)
        )
        for row, one in zip(result, found, strict=True):
            assert row.size == ("big" if one.number is not None and one.number > 4 else "small")
            assert row.loud == (None if one.text is None else one.text.upper())
            assert row.twice == (None if one.price is None else one.price * 2)
            assert row.known == (-1 if one.number is None else one.number)


@pytest.mark.needs("store_values")
async def test_now(database: Database, models: ModuleType) -> None:
    """Q6: `now()` and a default of the store are instants of one kind, and compare."""
    author = models.Author
    before = datetime.now(UTC) - timedelta(seconds=5)
    async with Session(database) as session:
        session.add(author(email="a@x.org", name="a"))
        await session.commit()
        query = session.find(author, author.joined > before, author.joined <= func.now())

        assert await query.count() == 1
        assert await session.find(author, author.joined > func.now()).count() == 0
        (row,) = await session.execute(select(func.now().label("now")))

        assert before < row.now < datetime.now(UTC) + timedelta(seconds=5)


@pytest.fixture
async def shop(database: Database, models: ModuleType) -> Database:
    """A database with notes and posts: note n has n posts, one post has no note."""
    async with Session.begin(database) as session:
        session.add_all([models.Note(text=f"n{n}", rank=n) for n in range(1, 5)])
        keys = itertools.count(1)
        for n in range(1, 5):
            session.add_all([models.Post(id=next(keys), note_id=n, text=f"p{n}") for _ in range(n)])
        session.add(models.Post(id=99, note_id=None, text="alone"))
    return database


@pytest.mark.needs("numbered_keys")
async def test_join(shop: Database, models: ModuleType) -> None:
    """Q5: a join filters and repeats by the other table; an outer one keeps what has no partner."""
    note, post = models.Note, models.Post
    async with Session(shop) as session:
        query = session.find(post).join(note, post.note_id == note.id)
        found = await query.filter(note.rank > 2).to_list()

        assert sorted(one.note_id for one in found) == [3] * 3 + [4] * 4
        assert await query.count() == 10
        outer = session.find(post).join(note, post.note_id == note.id, outer=True)

        assert await outer.count() == 11
        pairs = await outer.order_by(post.id).select(post.id, note.text.label("note")).to_list()

        assert (pairs[-1].id, pairs[-1].note) == (99, None)
        counted = (
            session.find(note)
            .join(post, post.note_id == note.id)
            .group_by(note.text)
            .order_by(note.text)
            .select(note.text, func.count(post.id).label("n"))
        )

        assert [tuple(row) for row in await counted.to_list()] == [
            (f"n{n}", n) for n in range(1, 5)
        ]


@pytest.mark.needs("numbered_keys")
async def test_self_join(shop: Database, models: ModuleType) -> None:
    """Trap 6: a table joined to itself needs an alias, and aliases do not clash."""
    note = models.Note
    async with Session(shop) as session:
        with pytest.raises(QueryError, match="alias"):
            session.find(note).join(note, note.id == note.rank)
        other, third = aliased(note), aliased(note)
        query = (
            session.find(note)
            .join(other, other.rank == note.rank + 1)
            .join(third, third.rank == other.rank + 1)
            .order_by(note.id)
        )

        assert [one.rank for one in await query.to_list()] == [1, 2]
        found = await query.select(
            note.text, other.text.label("b"), third.text.label("c")
        ).to_list()

        assert [tuple(row) for row in found] == [("n1", "n2", "n3"), ("n2", "n3", "n4")]


@pytest.mark.needs("numbered_keys")
async def test_subqueries(shop: Database, models: ModuleType) -> None:
    """Q6: IN of a query, EXISTS, and scalar subqueries, correlated too."""
    note, post = models.Note, models.Post
    async with Session(shop) as session:
        many = (
            session.find(post).group_by(post.note_id).having(func.count() > 2).select(post.note_id)
        )
        found = await session.find(note, note.id.in_(many)).order_by(note.id).to_list()

        assert [one.id for one in found] == [3, 4]
        has_post = exists(session.find(post, post.note_id == note.id, post.id > 3))

        assert {one.id for one in await session.find(note, has_post).to_list()} == {3, 4}
        assert {one.id for one in await session.find(note, ~has_post).to_list()} == {1, 2}
        inner = aliased(note)
        highest = session.find(inner).select(func.max(inner.rank)).scalar_subquery()

        assert (await session.find(note, note.rank == highest).one()).id == 4


@pytest.mark.needs("numbered_keys")
async def test_limit_counts_objects(shop: Database, models: ModuleType) -> None:
    """Trap 6: LIMIT under a join counts the rows one asked for."""
    note, post = models.Note, models.Post
    async with Session(shop) as session:
        query = session.find(note).join(post, post.note_id == note.id).distinct()
        found = await query.order_by(note.id).limit(3).to_list()

        assert [one.id for one in found] == [1, 2, 3]


@pytest.mark.needs("numbered_keys")
async def test_long_in_lists(shop: Database, models: ModuleType) -> None:
    """Trap 8: an IN list longer than the store takes parameters still answers."""
    count = shop.dialect.capabilities.max_parameters * 2
    async with Session(shop) as session:
        query = session.find(models.Note, models.Note.id.in_(range(2, count)))

        assert {one.id for one in await query.to_list()} == {2, 3, 4}
        query = session.find(models.Note, models.Note.id.not_in(range(2, count)))

        assert {one.id for one in await query.to_list()} == {1}


# -- writing


@pytest.mark.needs("numbered_keys")
async def test_bulk_update(shop: Database, models: ModuleType) -> None:
    """Q2: `update` by names, by columns and with expressions; the count is of matched rows."""
    note = models.Note
    async with Session(shop) as session:
        assert await session.find(note, note.rank > 2).update({"text": "x"}) == 2
        assert await session.find(note).update({note.rank: note.rank + 10}, all=True) == 4
        assert await session.find(note, note.id < 0).update({"text": "y"}) == 0
        assert await session.execute(update(note).set(text="z").where(note.id == 1)) == 1
        await session.commit()

    assert await rows(shop, note.id, note.text, note.rank) == [
        (1, "z", 11),
        (2, "n2", 12),
        (3, "x", 13),
        (4, "x", 14),
    ]


@pytest.mark.needs("numbered_keys")
async def test_sets_add_up(shop: Database, models: ModuleType) -> None:
    """Trap 3: `.set().set()` keeps both, and one field given twice is an error."""
    note = models.Note
    async with Session(shop) as session:
        await session.execute(update(note).set(text="x").set({note.rank: 0}).where(note.id == 1))
        with pytest.raises(QueryError, match="twice"):
            update(note).set(text="x").set(text="y")
        await session.commit()

    assert (await rows(shop, note.id, note.text, note.rank))[0] == (1, "x", 0)


@pytest.mark.needs("numbered_keys")
async def test_bulk_delete(shop: Database, models: ModuleType) -> None:
    """Q2: `delete` counts what it deleted; a filter with a subquery is one too."""
    note, post = models.Note, models.Post
    async with Session(shop) as session:
        inner = session.find(note, note.rank >= 3).select(note.id)

        assert await session.find(post, post.note_id.in_(inner)).delete() == 7
        assert await session.execute(delete(post).where(post.note_id.is_null())) == 1
        await session.commit()

    assert [row for (row,) in await rows(shop, post.note_id)] == [1, 2, 2]


@pytest.mark.needs("returning_update")
async def test_bulk_update_of_what_is_loaded(shop: Database, models: ModuleType) -> None:
    """A loaded object shows a bulk update once it is read again, not a moment before."""
    note = models.Note
    async with Session(shop) as session:
        one = await session.get_one(note, 1)
        two = await session.get_one(note, 2)
        await session.find(note, note.id == 1).update({"text": "x"})
        with pytest.raises(NotLoadedError):
            _ = one.text
        assert two.text == "n2"
        await session.find(note).to_list()

        assert one.text == "x"
        await session.find(models.Post, models.Post.note_id == 2).delete()
        await session.find(note, note.id == 2).delete()

        assert state(two) is State.DELETED
        assert await session.get(note, 2) is None
        await session.rollback()

        assert (one.text, two.text, state(two)) == ("n1", "n2", State.PERSISTENT)


@pytest.mark.needs("returning_update")
async def test_returning(shop: Database, models: ModuleType) -> None:
    """Q3: statements give back columns of the rows they wrote."""
    note, post = models.Note, models.Post
    async with Session(shop) as session:
        new = await session.execute(insert(note, text="new").returning(note.id, note.rank))

        assert new[0].rank == 0
        changed = await session.execute(
            update(note).set({note.rank: note.rank * 2}).where(note.id > 2).returning(note.rank)
        )

        assert sorted(row.rank for row in changed) == [0, 6, 8]
        gone = await session.execute(delete(post).where(post.id == 99).returning(post.text))

        assert [row.text for row in gone] == ["alone"]
        await session.commit()


@pytest.mark.needs("numbered_keys")
async def test_insert_many_in_chunks(shop: Database, models: ModuleType) -> None:
    """Trap 8: as many rows as one likes are one unit."""
    count = shop.dialect.capabilities.max_parameters // 2 + 100
    async with Session(shop) as session:
        made = await session.execute(
            insert_many(models.Order, [{"id": n, "customer": "x"} for n in range(count)])
        )

        assert made == count
        await session.rollback()
    assert await rows(shop, models.Order.id) == []


@pytest.mark.needs("numbered_keys")
async def test_on_conflict(shop: Database, models: ModuleType) -> None:
    """Q3: an insert that meets a row updates it, or leaves it."""
    slot = models.Slot
    async with Session(shop) as session:
        session.add_all([slot(id=n, position=n, name="old") for n in (1, 2)])
        await session.commit()
        given = [{"id": n, "position": n, "name": "new"} for n in (2, 3)]
        await session.execute(insert_many(slot, given).on_conflict(slot.id).update(slot.name))
        await session.execute(
            insert(slot, id=1, position=1, name="ignored").on_conflict(slot.id).nothing()
        )
        await session.commit()

    assert await rows(shop, slot.id, slot.name) == [(1, "old"), (2, "new"), (3, "new")]


@pytest.mark.needs("sql")
async def test_raw_sql(shop: Database, models: ModuleType) -> None:
    """Raw SQL binds its values, gives rows or a count, and braces are written twice."""
    async with Session(shop) as session:
        evil = "'; DROP TABLE notes; --"
        found = await session.execute(
            sql("SELECT id, text FROM notes WHERE id = {id} AND text <> {evil}", id=3, evil=evil)
        )

        assert [(row.id, row.text) for row in found] == [(3, "n3")]
        assert await session.execute(sql("UPDATE notes SET text = {t}", t="0")) == 4
        braces = await session.execute(sql("SELECT '{{}}' AS b"))

        assert braces[0].b == "{}"
        assert await session.execute(sql("SELECT id FROM notes WHERE id < 0")) == []
        await session.commit()


@pytest.mark.needs("numbered_keys")
async def test_values_are_bound(shop: Database, models: ModuleType, sent: Sent) -> None:
    """Q4: values travel beside the text, whatever they hold."""
    evil = "x' OR '1'='1"
    note = models.Note
    async with Session(shop) as session:
        for condition in (
            note.text == evil,
            note.text.in_([evil]),
            note.text.like(evil),
            note.text.startswith(evil),
            func.lower(note.text) == evil,
        ):
            assert await session.find(note, condition).to_list() == []
    assert not any("OR '1'" in text for text in sent.texts)


@pytest.mark.needs("numbered_keys")
async def test_same_query_same_text(shop: Database, models: ModuleType, sent: Sent) -> None:
    """Q4: one query gives one text, whenever it is made, with parameters in one order."""
    note = models.Note
    async with Session(shop) as session:
        for number in (1, 2):
            await (
                session.find(note, note.rank > number, note.text != str(number)).limit(3).to_list()
            )

    assert len(set(sent.texts)) == 1


@pytest.mark.needs("numbered_keys")
async def test_objects_of_execute(shop: Database, models: ModuleType) -> None:
    """`select(Model)` gives objects of the session, `select(columns)` rows."""
    note = models.Note
    async with Session(shop) as session:
        (one,) = await session.execute(select(note).where(note.id == 1))

        assert one is await session.get(note, 1)
        (row,) = await session.execute(select(note.id, note.text).where(note.id == 1))

        assert tuple(row) == (1, "n1")


def odd_model(name: str) -> Any:
    """A class with a field of that name; None where that is refused."""
    namespace = {
        "__annotations__": {"id": Mapped[int], name: Mapped[str]},
        "__module__": __name__,
        "id": Column(primary_key=True),
        "Settings": type("Settings", (), {"name": f"odd_{name}", "registry": Registry()}),
    }
    try:
        return cast("Any", type(Table))(f"Odd{name}", (Table,), namespace)
    except MappingError:
        return None


@pytest.mark.needs("table_classes")
async def test_fields_that_are_called_like_methods(database: Database) -> None:
    """Trap 4: a field whose name is also an operator's or a verb's works, or is refused."""
    names = ("like", "count", "find", "metadata", "contains", "type", "asc", "key", "state")
    found = {name: odd_model(name) for name in names}
    working = {name: model for name, model in found.items() if model is not None}

    assert {"metadata", "key", "state"} <= set(working)
    for name, model in working.items():
        await database.create_all([model])
        async with Session.begin(database) as session:
            session.add_all([model(id=1, **{name: "x"}), model(id=2, **{name: "y"})])
        async with Session(database) as session:
            one = await session.find(model, getattr(model, name) == "y").one()

            assert (one.id, getattr(one, name)) == (2, "y")
