"""Operators on a real server; numbers are those of the inventory."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.support.mongodb import database_of, empty
from tests.uow.beanie import models
from tests.uow.beanie.models import ALL, Address, Item
from uow import (
    Database,
    NotFoundError,
    ObjectStateError,
    QueryError,
    Session,
    StaleObjectError,
    State,
    state,
)
from uow.beanie import init_beanie
from uow.beanie.exceptions import DocumentNotFound, DocumentWasNotSaved, RevisionIdWasChanged
from uow.beanie.operators import (
    GT,
    All,
    BitsAllSet,
    ElemMatch,
    Eq,
    Exists,
    Expr,
    GeoWithin,
    GeoWithinTypes,
    In,
    Inc,
    JsonSchema,
    Mod,
    Nor,
    Not,
    Or,
    Push,
    RegEx,
    Set,
    Size,
    Type,
    Unset,
)

# Fields are declared without `Mapped`, so that a type checker takes them for their values.
Person: Any = models.Person
Revised: Any = models.Revised

pytestmark = pytest.mark.anyio

SQUARE = [[[0, 0], [0, 3], [3, 3], [3, 0], [0, 0]]]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The client library is for asyncio."""
    return "asyncio"


@pytest.fixture
async def database(mongodb_database: str) -> AsyncGenerator[Database]:
    """An empty database, to which the classes are bound."""
    empty(mongodb_database)
    found = await init_beanie(connection_string=mongodb_database, document_models=ALL)
    yield found
    await found.aclose()


@pytest.fixture
async def people(database: Database) -> list[Any]:
    """Two of them."""
    found: list[Any] = await Person.insert_many(
        [
            Person(
                name="Ann",
                age=31,
                nick="annie",
                tags=["a", "b"],
                items=[Item("pen", 1), Item("cup", 5)],
                address=Address(cityName="Oslo", number=1),
                place={"type": "Point", "coordinates": [1, 1]},
            ),
            Person(name="Bob", age=4, place={"type": "Point", "coordinates": [5, 5]}),
        ]
    )
    return found


@pytest.mark.parametrize(
    "condition",
    [
        In(Person.age, [31, 32]),
        Or(Person.age == 31, {"age": 99}),
        Nor(Person.age < 5, {"age": 99}),
        Not(In(Person.age, [4])),
        Not(Or(Person.age < 5, {"age": 99})),
        ~RegEx(Person.name, "^b", "i"),
        RegEx(Person.nick, re.compile("^AN", re.IGNORECASE)),
        Type(Person.nick, "string") & Exists(Person.address.city),
        All(Person.tags, ["a", "b"]),
        Size(Person.tags, 2),
        ElemMatch(Person.items, {"price": GT("price", 3)["price"]}, name="cup"),
        Expr({"$gt": [Person.age, {"$add": [10, 20]}]}),
        Expr(Person.age > Person.address.number),
        Mod(Person.age, 10, 1),
        JsonSchema({"properties": {"nickName": {"bsonType": "string"}}}),
        GeoWithin(Person.place, GeoWithinTypes.Polygon, SQUARE),
        BitsAllSet(Person.age, [0, 1]),
        {"$and": [In("age", [31]), Person.name == "Ann"]},
    ],
    ids=repr,
)
async def test_find_count_delete(people: list[Any], condition: Any) -> None:
    """111-144: finds, counts, bulk updates and bulk deletes take operators."""
    assert [one.name for one in await Person.find(condition).to_list()] == ["Ann"]
    assert await Person.find(condition).count() == 1
    assert await Person.find(condition).update({"age": 31}) == 1
    assert await Person.find(condition).delete() == 1


async def test_bulk_update(people: list[Any], mongodb_database: str) -> None:
    """145-161: operators of several kinds and twice of one kind change all that matches."""
    count = await Person.find(GT(Person.age, 0)).update(
        Set({Person.name: "x"}),
        Set({"place.type": "Line"}),
        Inc({Person.age: 1}),
        Push({Person.items: {"$each": [Item("new", 2)], "$position": 0}}),
        Unset({Person.nick: ""}),
    )

    assert count == 2
    with database_of(mongodb_database) as store:
        found = list(store.people.find(sort=[("age", 1)]))
    assert [(one["name"], one["age"], one["place"]["type"]) for one in found] == [
        ("x", 5, "Line"),
        ("x", 32, "Line"),
    ]
    assert [one["items"][0] for one in found] == [{"name": "new", "price": 2}] * 2
    assert not any("nickName" in one for one in found)


async def test_pipeline(people: list[Any]) -> None:
    """160: a list is a pipeline."""
    await Person.find(Person.name == "Ann").update(
        [{"$set": {Person.nick: {"$concat": [Person.name, "!"]}}}]
    )

    assert (await Person.find(Person.name == "Ann").one()).nick == "Ann!"


async def test_objects_of_the_session(people: list[Any], database: Database) -> None:
    """145: objects that a bulk update changed are read again, and a rollback takes it back."""
    async with Session(database) as session:
        ann = await session.find(Person, Person.name == "Ann").one()
        assert await session.find(Person, In(Person.age, [31])).update(Inc({Person.age: 1})) == 1
        await session.refresh(ann)
        assert ann.age == 32
        await session.rollback()
    assert await Person.find(Person.age == 31).count() == 1


async def test_update_of_a_document(people: list[Any], database: Database) -> None:
    """30-33: the object is what the store then holds, its own changes included."""
    ann = people[0]
    ann.nick = "own"
    assert await ann.update(Set({Person.age: 3}), Push({Person.tags: "c"})) is ann
    assert (ann.age, ann.tags, ann.nick) == (3, ["a", "b", "c"], "own")

    await ann.set({Person.name: "Zoe"})
    await ann.inc({Person.age: 2})
    await ann.current_date({Person.born: True})
    assert (ann.name, ann.age) == ("Zoe", 5)
    assert ann.born.year > 2000

    async with Session(database) as session:
        same = await session.find(Person, Person.name == "Zoe").one()
        await same.update({"age": 6})
        assert same.age == 6
        await session.rollback()
    assert await Person.find(Person.age == 6).count() == 0


async def test_update_and_revisions(database: Database) -> None:
    """30, 253, 254: a document of another revision is not changed, unless that is asked for."""
    one = await Revised(age=1).insert()
    other = await Revised.find().one()
    before = one.revision_id
    await one.inc({Revised.age: 1})

    assert one.revision_id != before
    with pytest.raises(RevisionIdWasChanged) as caught:
        await other.inc({Revised.age: 1})
    assert caught.value.objects == (other,)
    assert (await other.inc({Revised.age: 5}, ignore_revision=True)).age == 7


async def test_update_of_what_is_not_there(people: list[Any]) -> None:
    """30, 290, 295: the errors have Beanie's names too."""
    with pytest.raises(DocumentWasNotSaved):
        await Person(name="new").update(Set({"age": 1}))
    await Person.find(Person.name == "Ann").delete()
    with pytest.raises(DocumentNotFound):
        await people[0].update(Set({"age": 1}))
    with pytest.raises(QueryError, match="no field"):
        await people[1].update({"agee": 1})

    assert DocumentWasNotSaved is ObjectStateError
    assert DocumentNotFound is NotFoundError
    assert RevisionIdWasChanged is StaleObjectError


async def test_bulk_write_of_one_key(people: list[Any], database: Database) -> None:
    """144: a statement that names a key is about that object, if it matched at all."""
    ann_id, bob_id = people[0].id, people[1].id
    async with Session(database) as session:
        ann, bob = await session.find(Person).order_by(Person.name).to_list()
        assert await session.find(Person, Eq(Person.id, ann_id), GT(Person.age, 99)).delete() == 0
        assert state(ann) is State.PERSISTENT
        assert await session.find(Person, Person.id == ann_id, In(Person.age, [31])).delete() == 1
        assert state(ann) is not State.PERSISTENT
        assert await session.find(Person, Person.id == bob_id).update(Inc({"age": 1})) == 1
        await session.refresh(bob)
        assert bob.age == 5
        await session.commit()

    assert [one.age for one in await Person.find().to_list()] == [5]
