"""Each find operator, and the filter that the store is sent; numbers are those of the inventory."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128

from tests.uow.beanie import models
from tests.uow.beanie.models import registry
from uow import Column, Mapped, QueryError, Table, ValidationError, select
from uow.beanie.operators import (
    GT,
    GTE,
    LT,
    LTE,
    NE,
    All,
    And,
    BitsAllClear,
    BitsAllSet,
    BitsAnyClear,
    BitsAnySet,
    Box,
    ElemMatch,
    Eq,
    Exists,
    Expr,
    GeoIntersects,
    GeoWithin,
    GeoWithinTypes,
    In,
    JsonSchema,
    Mod,
    Near,
    NearSphere,
    Nor,
    Not,
    NotIn,
    Or,
    RegEx,
    Size,
    Text,
    Type,
    Where,
)
from uow.dialects.base import dialect_for

# Fields are declared without `Mapped`, so that a type checker takes them for their values.
Person: Any = models.Person

NEW_YEAR = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
PATTERN = re.compile("^a")
POLYGON = [[[0, 0], [1, 1], [1, 0], [0, 0]]]


def geometry(kind: str, coordinates: Any) -> dict[str, Any]:
    """A shape of GeoJSON, as operators give it."""
    return {"$geometry": {"type": kind, "coordinates": coordinates}}


CASES: list[tuple[str, Any, dict[str, Any]]] = [
    ("111", Eq(Person.age, 3), {"age": 3}),
    ("111 null", Eq(Person.nick, None), {"nickName": None}),
    ("111 encoded", Eq(Person.money, Decimal("1.5")), {"money": Decimal128("1.5")}),
    ("111 member of a list", Eq(Person.tags, "x"), {"tags": "x"}),
    ("111 whole list", Eq(Person.tags, ["x"]), {"tags": {"$eq": ["x"]}}),
    ("111 path", Eq("address.cityName", "Oslo"), {"address.cityName": "Oslo"}),
    ("111 alias in a value", Eq(Person.address.city, "Oslo"), {"address.cityName": "Oslo"}),
    ("111 value that looks like a filter", Eq("place", {"a": 1}), {"place": {"$eq": {"a": 1}}}),
    ("111 pattern", Eq("name", PATTERN), {"name": {"$eq": PATTERN}}),
    ("112", NE(Person.nick, "x"), {"nickName": {"$ne": "x"}}),
    ("112 null", NE(Person.nick, None), {"nickName": {"$ne": None}}),
    ("113", GT(Person.age, 3), {"age": {"$gt": 3}}),
    ("113 path", GT("age", 3), {"age": {"$gt": 3}}),
    ("114", GTE(Person.born, dt.date(2020, 1, 1)), {"born": {"$gte": NEW_YEAR}}),
    ("115", LT(Person.address.number, 3), {"address.number": {"$lt": 3}}),
    ("116", LTE("born", dt.date(2020, 1, 1)), {"born": {"$lte": NEW_YEAR}}),
    ("117", In(Person.age, [1, 2]), {"age": {"$in": [1, 2]}}),
    ("117 none", In(Person.age, []), {"age": {"$in": []}}),
    ("117 null", In(Person.nick, {None}), {"nickName": {"$in": [None]}}),
    ("117 encoded", In(Person.born, (NEW_YEAR.date(),)), {"born": {"$in": [NEW_YEAR]}}),
    ("118", NotIn(Person.tags, ["x"]), {"tags": {"$nin": ["x"]}}),
    ("119", Or(Person.age == 1, {"age": 2}), {"$or": [{"age": 1}, {"age": 2}]}),
    ("119 one", Or(GT(Person.age, 1)), {"age": {"$gt": 1}}),
    ("120", And(Eq(Person.age, 1), Person.name == "x"), {"$and": [{"age": 1}, {"name": "x"}]}),
    ("121", Nor(Person.age == 1, {"a": 2}), {"$nor": [{"age": 1}, {"a": 2}]}),
    ("121 one", Nor(Person.age == 1), {"$nor": [{"age": 1}]}),
    ("122", Not(Person.age == 1), {"age": {"$not": {"$eq": 1}}}),
    ("122 null", Not({"nickName": None}), {"nickName": {"$not": {"$eq": None}}}),
    ("122 operator", Not(In(Person.age, [1])), {"age": {"$not": {"$in": [1]}}}),
    ("122 pattern", Not({"name": PATTERN}), {"name": {"$not": PATTERN}}),
    ("122 several", Not(Or({"a": 1}, {"b": 2})), {"$nor": [{"$or": [{"a": 1}, {"b": 2}]}]}),
    ("122 two fields", Not({"a": 1, "b": 2}), {"$nor": [{"a": 1, "b": 2}]}),
    ("123", Exists(Person.nick), {"nickName": {"$exists": True}}),
    ("123 not", Exists("a.b", False), {"a.b": {"$exists": False}}),
    ("124", Type(Person.age, ["int", "long"]), {"age": {"$type": ["int", "long"]}}),
    ("125", All(Person.tags, ["x", "y"]), {"tags": {"$all": ["x", "y"]}}),
    (
        "126",
        ElemMatch(Person.items, {"price": {"$gt": 1}, "name": "x"}),
        {"items": {"$elemMatch": {"price": {"$gt": 1}, "name": "x"}}},
    ),
    (
        "126 keywords",
        ElemMatch(Person.items, name="x"),
        {"items": {"$elemMatch": {"name": {"$eq": "x"}}}},
    ),
    (
        "126 operator",
        ElemMatch(Person.items, GT("price", 1)),
        {"items": {"$elemMatch": {"price": {"$gt": 1}}}},
    ),
    ("127", Size(Person.tags, 2), {"tags": {"$size": 2}}),
    ("128", RegEx(Person.nick, "^a"), {"nickName": {"$regex": "^a"}}),
    ("128 options", RegEx(Person.name, "^a", "i"), {"name": {"$regex": "^a", "$options": "i"}}),
    ("128 compiled", RegEx(Person.name, PATTERN), {"name": {"$regex": PATTERN}}),
    (
        "129",
        Text("coffee"),
        {"$text": {"$search": "coffee", "$caseSensitive": False, "$diacriticSensitive": False}},
    ),
    (
        "129 all",
        Text("café", "fr", True, True),
        {
            "$text": {
                "$search": "café",
                "$caseSensitive": True,
                "$diacriticSensitive": True,
                "$language": "fr",
            }
        },
    ),
    ("130", Expr({"$gt": ["$a", Person.nick]}), {"$expr": {"$gt": ["$a", "$nickName"]}}),
    ("131", Mod(Person.age, 4, 1), {"age": {"$mod": [4, 1]}}),
    ("132", JsonSchema({"required": ["a"]}), {"$jsonSchema": {"required": ["a"]}}),
    ("133", Where("this.a == 1"), {"$where": "this.a == 1"}),
    (
        "134",
        Near(Person.place, 1.5, 2.5, 10, 0),
        {
            "place": {
                "$near": geometry("Point", [1.5, 2.5]) | {"$maxDistance": 10, "$minDistance": 0}
            }
        },
    ),
    (
        "135",
        NearSphere(Person.place, 1.5, 2.5),
        {"place": {"$nearSphere": geometry("Point", [1.5, 2.5])}},
    ),
    (
        "136, 137",
        GeoWithin(Person.place, GeoWithinTypes.Polygon, POLYGON),
        {"place": {"$geoWithin": geometry("Polygon", POLYGON)}},
    ),
    (
        "138",
        GeoIntersects(Person.place, "LineString", [[0, 0], [1, 1]]),
        {"place": {"$geoIntersects": geometry("LineString", [[0, 0], [1, 1]])}},
    ),
    (
        "139",
        Box(Person.place, [0, 0], [1, 1]),
        {"place": {"$geoWithin": {"$box": [[0, 0], [1, 1]]}}},
    ),
    ("140", BitsAllClear(Person.age, 5), {"age": {"$bitsAllClear": 5}}),
    ("141", BitsAllSet(Person.age, [0, 2]), {"age": {"$bitsAllSet": [0, 2]}}),
    ("142", BitsAnyClear(Person.age, 5), {"age": {"$bitsAnyClear": 5}}),
    ("143", BitsAnySet(Person.age, 5), {"age": {"$bitsAnySet": 5}}),
]


def sent(*conditions: Any) -> dict[str, Any]:
    """What a find sends."""
    compiled: Any = dialect_for("mongodb").compile(Person.find(*conditions).statement)
    found: dict[str, Any] = compiled.operation.filter
    return found


@pytest.mark.parametrize(
    ("operator", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_operator(operator: Any, expected: dict[str, Any]) -> None:
    """111-143: an operator is the filter of its name, by itself and in a find."""
    assert operator.query == expected
    assert sent(operator) == expected


def test_mappings() -> None:
    """144: operators are mappings, as MongoDB takes them."""
    operator = In(Person.nick, ["a"])

    assert isinstance(operator, Mapping)
    assert dict(operator) == {"nickName": {"$in": ["a"]}} == operator
    assert operator["nickName"] == {"$in": ["a"]}
    assert (list(operator), len(operator), "nickName" in operator) == (["nickName"], 1, True)
    assert operator != {"nickName": {"$in": ["b"]}}


def test_mixing() -> None:
    """144: dicts, expressions and operators stand beside each other and in each other."""
    assert sent({"a": 1}, Person.age > 2, In(Person.name, ["x"])) == {
        "a": 1,
        "age": {"$gt": 2},
        "name": {"$in": ["x"]},
    }
    assert sent(GT(Person.age, 1), LT(Person.age, 5)) == {
        "$and": [{"age": {"$gt": 1}}, {"age": {"$lt": 5}}]
    }
    assert sent({"$or": [In(Person.age, [1]), Person.name == "x"]}) == {
        "$or": [{"age": {"$in": [1]}}, {"name": "x"}]
    }


def test_signs() -> None:
    """144: `&`, `|` and `~` join operators with each other and with expressions."""
    assert sent((In(Person.age, [1]) & (Person.name == "x")) | ~Exists(Person.nick)) == {
        "$or": [
            {"age": {"$in": [1]}, "name": "x"},
            {"nickName": {"$not": {"$exists": True}}},
        ]
    }
    assert sent((Person.age > 1) & Size(Person.tags, 0)) == {
        "age": {"$gt": 1},
        "tags": {"$size": 0},
    }


def test_fields_beside_fields() -> None:
    """111: a field stands beside another one."""
    assert sent(Eq(Person.age, Person.address.number)) == sent(Person.age == Person.address.number)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Eq(3, 3), QueryError, "Person.age or 'address.city'"),
        (lambda: Eq("$where", "x"), QueryError, "dollar sign"),
        (lambda: Eq(Person.age, "x"), ValidationError, "Person.age"),
        (lambda: Eq(Person.age, {"$gt": 1}), ValidationError, "Person.age"),
        (lambda: In(Person.age, [1, "x"]), ValidationError, "Person.age"),
        (lambda: In(Person.name, "xy"), QueryError, "a list of values"),
        (lambda: All(Person.tags, [3]), ValidationError, "Person.tags"),
        (lambda: GT(Person.age, None), QueryError, "None"),
        (lambda: Or(), QueryError, "at least one"),
        (lambda: And(True), QueryError, "a bool is no condition"),
        (lambda: Not(3), QueryError, "a condition is needed"),  # type: ignore[arg-type]
        (lambda: ElemMatch(Person.items), QueryError, "needs a test"),
        (lambda: ElemMatch(Person.items, colour=1), QueryError, "colour"),
        (lambda: ElemMatch(Person.items, {"name": "x"}, name="y"), QueryError, "twice"),
        (lambda: Size(Person.tags, -1), QueryError, "whole number"),
        (lambda: RegEx(Person.name, 3), QueryError, "a pattern"),  # type: ignore[arg-type]
        (lambda: Eq("place", {"$gt": 1}).query, ValidationError, "place"),
        (lambda: bool(Eq(Person.age, 1)), QueryError, "truth value"),
    ],
)
def test_bad_input(make: Any, error: type[Exception], text: str) -> None:
    """111-144: what an operator does not take is refused before anything is sent."""
    with pytest.raises(error, match=re.escape(text)):
        make()


def test_programs() -> None:
    """133: what the server runs as a program is called that, and never a part of a dict."""
    program = "this.age == 1"
    assert sent(And(Where(program), Person.name == "x")) == {
        "$and": [{"$where": program}, {"name": "x"}]
    }
    for given in (
        {"$where": program},
        {"$or": [{"name": "x"}, {"$and": [{"$where": program}]}]},
        Nor({"$where": program}),
    ):
        with pytest.raises(QueryError, match=r"\$where, which the server runs.*Where\("):
            sent(given)
    for name in ("$function", "$accumulator"):
        asked: list[Any] = [{name: {}}, {"$eq": [{"$not": [{name: {"lang": "js"}}]}, 1]}]
        for computed in asked:
            for test in ({"$expr": computed}, {"$or": [{"name": "x"}, {"$expr": computed}]}):
                with pytest.raises(QueryError, match=rf"\{name}, which the server runs.*aggregate"):
                    sent(test)
    value = {"$expr": {"$eq": ["$name", {"$literal": {"$function": 1}}]}}
    assert sent(value) == value


def test_tables() -> None:
    """Operators that SQL has too work on tables; the others are refused by name."""

    class Row(Table):
        class Settings:
            registry = registry

        id: Mapped[int] = Column(primary_key=True)
        age: Mapped[int]

    dialect = dialect_for("sqlite")
    found: Any = dialect.compile(select(Row.id).where(GT(Row.age, 3)).statement)

    assert '"age" > ?' in found.sql
    with pytest.raises(QueryError, match="RawFilter cannot stand"):
        dialect.compile(select(Row.id).where(Size(Row.age, 3)).statement)
