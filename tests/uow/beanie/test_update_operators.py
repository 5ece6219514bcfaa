"""Each update operator, and what the store is sent; numbers are those of the inventory."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from bson import Decimal128

from tests.uow.beanie import models
from tests.uow.beanie.models import Address, Item
from uow import QueryError, ValidationError
from uow.beanie.operators import (
    AddToSet,
    Bit,
    CurrentDate,
    Eq,
    Inc,
    Max,
    Min,
    Mul,
    Pop,
    Pull,
    PullAll,
    Push,
    Rename,
    Set,
    SetOnInsert,
    Unset,
)
from uow.dialects.base import dialect_for
from uow.query.bulk import update_of

# Fields are declared without `Mapped`, so that a type checker takes them for their values.
Person: Any = models.Person
Revised: Any = models.Revised

NEW_YEAR = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
EACH = {"$each": ["x", "y"], "$position": 0, "$slice": 5, "$sort": 1}

CASES: list[tuple[str, Any, Any]] = [
    ("145", Set({Person.age: 3}), {"$set": {"age": 3}}),
    ("145 name", Set({"nickName": "x"}), {"$set": {"nickName": "x"}}),
    ("145 attribute", Set({"nick": "x"}), {"$set": {"nickName": "x"}}),
    ("145 encoded", Set({Person.born: NEW_YEAR.date()}), {"$set": {"born": NEW_YEAR}}),
    ("145 path", Set({"address.cityName": "x"}), {"$set": {"address.cityName": "x"}}),
    ("145 alias in a value", Set({Person.address.city: "x"}), {"$set": {"address.cityName": "x"}}),
    (
        "145 value",
        Set({Person.address: Address(cityName="x")}),
        {"$set": {"address": {"cityName": "x", "number": 0}}},
    ),
    ("145 unknown", Set({"old.field": 3}), {"$set": {"old.field": 3}}),
    ("145 place", Set({"items.$.price": 3}), {"$set": {"items.$.price": 3}}),
    ("145 computed", Set({Person.age: Person.age + 1}), {"$inc": {"age": 1}}),
    ("146", Inc({Person.age: -3}), {"$inc": {"age": -3}}),
    ("146 path", Inc({Person.address.number: 3}), {"$inc": {"address.number": 3}}),
    ("146 encoded", Inc({Person.money: Decimal("1.5")}), {"$inc": {"money": Decimal128("1.5")}}),
    ("147", CurrentDate({"seen": True}), {"$currentDate": {"seen": True}}),
    ("148", Unset({Person.nick: ""}), {"$unset": {"nickName": ""}}),
    ("149", SetOnInsert({Person.born: NEW_YEAR.date()}), {"$setOnInsert": {"born": NEW_YEAR}}),
    ("150", Min({Person.born: NEW_YEAR.date()}), {"$min": {"born": NEW_YEAR}}),
    ("151", Max({Person.age: 3}), {"$max": {"age": 3}}),
    ("152", Mul({Person.money: Decimal(2)}), {"$mul": {"money": Decimal128("2")}}),
    ("153", Rename({"old": Person.nick}), {"$rename": {"old": "nickName"}}),
    ("154", Push({Person.tags: "x"}), {"$push": {"tags": "x"}}),
    ("154 each", Push({Person.tags: EACH}), {"$push": {"tags": EACH}}),
    ("154 value", Push({Person.items: Item("x")}), {"$push": {"items": {"name": "x", "price": 0}}}),
    ("155", AddToSet({Person.tags: "x"}), {"$addToSet": {"tags": "x"}}),
    ("156", Pull({Person.tags: "x"}), {"$pull": {"tags": "x"}}),
    ("156 condition", Pull({Person.items: {"price": 3}}), {"$pull": {"items": {"price": 3}}}),
    ("156 operator", Pull({Person.items: Eq("price", 3)}), {"$pull": {"items": {"price": 3}}}),
    ("157", PullAll({Person.tags: ["x", "y"]}), {"$pullAll": {"tags": ["x", "y"]}}),
    ("158", Pop({Person.tags: -1}), {"$pop": {"tags": -1}}),
    ("159", Bit({Person.age: {"or": 4}}), {"$bit": {"age": {"or": 4}}}),
    (
        "160",
        [{"$set": {"age": {"$add": [Person.age, 1]}, Person.nick: "$name"}}],
        [{"$set": {"age": {"$add": ["$age", 1]}, "nickName": "$name"}}],
    ),
]


def sent(*changes: Any, of: type[Any] = Person) -> Any:
    """What an update sends."""
    tree = update_of(of.find(of.age > 1).statement, changes, is_all=False)
    compiled: Any = dialect_for("mongodb").compile(tree)
    return compiled.operation.operations[0][2]


@pytest.mark.parametrize(
    ("change", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_operator(change: Any, expected: Any) -> None:
    """145-160: an operator is the update of its name."""
    assert sent(change) == expected


def test_mappings() -> None:
    """145: operators are mappings, with fields as they are stored."""
    operator = Set({Person.nick: "x", "a": 1})

    assert operator.query == dict(operator) == {"$set": {"nickName": "x", "a": 1}} == operator
    assert sent(dict(operator)) == sent(operator)


def test_several() -> None:
    """161: operators of one kind are put together, and nothing is lost."""
    assert sent(Set({Person.age: 1}), Set({Person.name: "x"}), Set({"a.b": 2}), {"money": 3}) == {
        "$set": {"age": 1, "name": "x", "money": Decimal128("3"), "a.b": 2}
    }
    assert sent(Inc({Person.age: 1}), {"$inc": {"n": 2}}, Push({Person.tags: "x"})) == {
        "$inc": {"age": 1, "n": 2},
        "$push": {"tags": "x"},
    }
    assert sent(Set({Person.age: Person.age + 1, Person.name: "x"}), Inc({"n": 2})) == {
        "$inc": {"age": 1, "n": 2},
        "$set": {"name": "x"},
    }


@pytest.mark.parametrize(
    "changes",
    [
        (Set({Person.age: 1}), Set({Person.age: 2})),
        (Set({Person.age: 1}), Inc({"age": 2})),
        (Set({Person.address: None}), Inc({Person.address.number: 2})),
        (Push({"tags": "x"}), Set({"tags.0": "y"}), Set({"place": {}})),
        (Rename({"old": "age"}), Set({"age": 2})),
    ],
)
def test_conflicts(changes: tuple[Any, ...]) -> None:
    """161: what would be changed twice is an error that names it."""
    with pytest.raises(QueryError, match=r"update of Person changes '(age|address|tags)'.* twice"):
        sent(*changes)


def test_revisions() -> None:
    """145, 160: whatever changes a document gives it another revision."""
    by_operator, by_pipeline = (
        sent(Inc({"age": 1}), of=Revised),
        sent([{"$unset": "a"}], of=Revised),
    )

    assert isinstance(by_operator["$set"].pop("revision_id"), UUID)
    assert by_operator == {"$inc": {"age": 1}, "$set": {}}
    assert by_pipeline[0] == {"$unset": "a"}
    assert isinstance(by_pipeline[1]["$set"]["revision_id"], UUID)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Set({}), QueryError, "Set takes"),
        (lambda: Set(3), QueryError, "Set takes"),  # type: ignore[arg-type]
        (lambda: Set({3: 3}), QueryError, "fields as keys"),
        (lambda: Set({Person.age + 1: 3}), QueryError, "no field of a document"),
        (lambda: Set({Person.age: 3, "age": 4}), QueryError, "twice"),
        (lambda: sent(), QueryError, "without any new value"),
        (lambda: sent(3), QueryError, "update operators or a pipeline, not a int"),
        (lambda: sent([]), QueryError, "without any stage"),
        (lambda: sent(["$set"]), QueryError, "a stage"),
        (lambda: sent([{"$set": {"a": 1}}], Set({"b": 1})), QueryError, "stands alone"),
        (lambda: sent({"$sett": {"a": 1}}), QueryError, "no update operator '$sett'"),
        (lambda: sent({"$set": 3}), QueryError, "$set takes"),
        (lambda: sent({"$set": {"a": 1}, "b": 1}), QueryError, "beside operators"),
        (lambda: sent({"$set": {"$a": 1}}), QueryError, "Person.age or 'address.city'"),
        (lambda: sent(Set({"_id": 1})), QueryError, "part of the key"),
        (lambda: sent(Unset({"_id": 1})), QueryError, "part of the key"),
        (lambda: sent({"$set": {Revised.age: 1}}), QueryError, "Person has no field Revised.age"),
        (lambda: sent(Set({"revision_id": 1}), of=Revised), QueryError, "it is not set"),
        (lambda: sent(Set({Person.age: "x"})), ValidationError, "Person.age"),
        (lambda: sent(Set({"address.number": "x"})), ValidationError, "Person.address.number"),
        (lambda: sent(Set({"a": {"$b": 1}})), ValidationError, "Person: a: a key"),
        (lambda: sent(Push({Person.tags: 3})), ValidationError, "Person.tags"),
        (lambda: sent(Push({Person.tags: {"$eech": []}})), QueryError, "$each"),
        (lambda: sent(PullAll({Person.tags: "x"})), QueryError, "a list of members"),
        (lambda: sent(Pop({Person.tags: 2})), QueryError, "1 for the last"),
        (lambda: sent(Inc({Person.name: 1})), QueryError, "Person.name is no number"),
        (lambda: sent(Inc({Person.age: "1"})), ValidationError, "Person.age"),
        (lambda: sent(Rename({"a": 3})), QueryError, "the new name"),
        (lambda: sent(Min({Person.age: Person.age + 1})), QueryError, "takes a value"),
        (lambda: sent(Set({Person.age: Person.age * 2}), Inc({"n": 1})), QueryError, "a pipeline"),
    ],
)
def test_bad_input(make: Any, error: type[Exception], text: str) -> None:
    """145-161: what an update does not take is refused before anything is sent."""
    with pytest.raises(error, match=re.escape(text)):
        make()
