"""Finding, changing and deleting the documents of one class; numbers are those of the inventory."""
# mypy: disable-error-code="arg-type"
# pyright: reportArgumentType=false

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pydantic
import pytest
from bson import ObjectId

from tests.support.mongodb import database_of
from uow import (
    Database,
    Document,
    MappingError,
    NotFoundError,
    QueryError,
    Session,
    ValidationError,
)
from uow.beanie import BulkWriter, SortDirection, UpdateResponse
from uow.beanie.operators import GT, Inc, Push, Set
from uow.query.documents import WriteResult

pytestmark = pytest.mark.anyio


class Address(pydantic.BaseModel):
    """An embedded value."""

    city: str = ""


class Visit(Document):
    """What is found."""

    class Settings:
        name = "visits"

    name: str
    age: int = 0
    price: Decimal | None = None
    tags: list[str] = []  # noqa: RUF012 - it is copied
    address: Address = Address()


ALL = (Visit,)
V: Any = Visit


class Named(pydantic.BaseModel):
    """A projection by names."""

    name: str
    age: int


class Computed(pydantic.BaseModel):
    """A projection that says what is read."""

    class Settings:
        projection = {"_id": 0, "label": "$name", "double": {"$multiply": ["$age", 2]}}  # noqa: RUF012

    label: str
    double: int


class Anything(pydantic.BaseModel):
    """A projection that takes all there is."""

    model_config = pydantic.ConfigDict(extra="allow")

    id: Any


@attrs.frozen
class Short:
    """A projection that is an attrs class."""

    id: ObjectId
    age: int


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The client library is for asyncio."""
    return "asyncio"


async def five() -> list[Visit]:
    """Store five visits."""
    made = [
        Visit(
            name=f"n{n}",
            age=n,
            tags=["x"] * n,
            price=Decimal(n) / 2,
            address=Address(city=f"c{n % 2}"),
        )
        for n in range(5)
    ]
    result = await Visit.insert_many(made)
    assert result.inserted_ids == [one.id for one in made]
    return made


def names(found: list[Any]) -> list[str]:
    """Their names."""
    return [one.name for one in found]


async def test_spellings_of_find(bound: Database) -> None:
    """40-45, 162-165, 169, 170, 171, 187, 188, 195: find and its like, orders, cuts, counts."""
    made = await five()

    assert await Visit.get(made[0].id) is not None
    assert (await V.get(str(made[1].id))).age == 1
    assert await Visit.get(ObjectId()) is None
    assert names(await Visit.find_all(sort="-age", limit=2).to_list()) == ["n4", "n3"]
    assert names(await Visit.all(1, 2, [("age", SortDirection.ASCENDING)]).to_list()) == [
        "n1",
        "n2",
    ]
    assert names(await Visit.find(V.age > 1, {"age": {"$lt": 4}}, sort="+age").to_list()) == [
        "n2",
        "n3",
    ]
    chained = Visit.find(V.age > 0).find(V.age < 3).find_many({"name": {"$ne": "n1"}})
    assert names(await chained.to_list()) == ["n2"]
    assert await chained.first_or_none() is not None
    assert await Visit.find(V.age > 9).first_or_none() is None
    assert await Visit.find(V.age > 0).count() == 4
    assert await Visit.count() == 5
    assert await Visit.find(V.age > 3).exists()
    assert not await Visit.find(V.age > 4).exists()
    assert await Visit.find_one(V.age == 3).exists()
    assert await Visit.find_one(V.age > 2).count() == 2
    assert (await V.find_one(V.age > 1, sort=-V.age)).name == "n4"
    assert (await V.find_one(V.age > 1).find_one({"age": 2})).name == "n2"
    assert await Visit.find_one(V.age > 9) is None
    assert [one.age async for one in V.find(V.age > 2).sort(V.age)] == [3, 4]
    assert names(await Visit.find_many(V.age > 2).sort("-age").to_list(length=1)) == ["n4"]


@pytest.mark.parametrize(
    "order",
    [
        "-age",
        [("age", SortDirection.DESCENDING)],
        [("age", -1)],
        ["-age", "+name"],
        ("age", -1),
        -V.age,
        [(V.age, SortDirection.DESCENDING)],
    ],
)
async def test_orders(bound: Database, order: Any) -> None:
    """101, 108, 163: every spelling of an order; it is no part of the query it is said of."""
    await five()
    base = Visit.find(V.age < 3)

    assert names(await base.sort(order).to_list()) == ["n2", "n1", "n0"]
    assert names(await base.sort(V.age).skip(1).limit(1).to_list()) == ["n1"]
    assert names(await base.sort(None, "address.city", "-age").to_list()) == ["n2", "n0", "n1"]
    with pytest.raises(QueryError, match="no field 'agee'"):
        base.sort("agee")
    with pytest.raises(QueryError, match="sort takes"):
        base.sort(3)


async def test_projections(bound: Database) -> None:
    """88, 144, 166, 189, 201-203: another class reads what it has fields for, or what it says."""
    await five()
    query = Visit.find(V.age > 2).sort(V.age)

    assert await query.project(Named).to_list() == [
        Named(name="n3", age=3),
        Named(name="n4", age=4),
    ]
    assert await V.find(V.age > 3, projection_model=Computed).to_list() == [
        Computed(label="n4", double=8)
    ]
    assert [one.age async for one in query.project(Named)] == [3, 4]
    found = await Visit.find_one(V.age == 3).project(Anything)
    assert found is not None
    assert found.model_extra is not None
    assert found.model_extra["name"] == "n3"
    short = await Visit.find_one(V.age == 3, projection_model=Short)
    assert isinstance(short, Short)
    assert short.age == 3
    assert isinstance(short.id, ObjectId)
    with pytest.raises(MappingError, match="int is no projection"):
        await query.project(int).to_list()
    with pytest.raises(ValidationError, match=r"Named\.age"):
        with database_of(str(bound.url)) as store:
            store.visits.insert_one({"name": "odd", "age": "x"})
        await Visit.find({"name": "odd"}).project(Named).to_list()


async def test_aggregates(bound: Database) -> None:
    """47, 53-57, 172-174, 198-200: pipelines after filter and order; what is made of a field."""
    await five()
    stage = {"$group": {"_id": "$address.city", "total": {"$sum": "$age"}}}
    last = {"$sort": {"_id": 1}}

    assert await Visit.aggregate([stage, last]).to_list() == [
        {"_id": "c0", "total": 6},
        {"_id": "c1", "total": 4},
    ]
    assert await Visit.find(V.age > 2).aggregate([stage, last]) == [
        {"_id": "c0", "total": 4},
        {"_id": "c1", "total": 3},
    ]

    class Total(pydantic.BaseModel):
        id: str
        total: int

    cut = Visit.find().sort("-age").skip(1).limit(2)
    found = await cut.aggregate([stage, last], projection_model=Total).to_list()
    assert found == [Total(id="c0", total=2), Total(id="c1", total=3)]
    assert [row["total"] async for row in Visit.aggregate([stage, last])] == [6, 4]
    assert await Visit.sum(V.age) == 10
    assert await Visit.find(V.age > 2).avg(V.age) == 3.5
    assert (await Visit.max("age"), await Visit.min(V.age)) == (4, 0)
    assert await Visit.find(V.age > 9).sum(V.age) is None
    assert await Visit.sum(V.price) == Decimal(5)
    assert sorted(await Visit.distinct("address.city")) == ["c0", "c1"]
    assert await Visit.distinct(V.tags, {"age": {"$gt": 1}}) == ["x"]
    assert sorted(await Visit.find(V.age > 2).distinct(V.age)) == [3, 4]
    assert await Visit.find(V.age == 0).distinct("tags") == []
    with pytest.raises(QueryError, match="writes"):
        Visit.aggregate([{"$out": "x"}])
    with pytest.raises(QueryError, match="distinct takes"):
        await Visit.distinct("$age")
    assert cut.build_aggregation_pipeline(last)[-1] == last
    assert Visit.find(V.age > 2).get_filter_query() == {"age": {"$gt": 2}}


async def test_changes_of_many(bound: Database) -> None:
    """51, 161, 175-179, 197: changes are chained before they are awaited, and none is lost."""
    await five()
    result = await Visit.find(V.age > 2).update(Set({V.name: "big"})).inc({V.age: 10})

    assert isinstance(result, WriteResult)
    assert (result, result.matched_count, result.modified_count) == (2, 2, 2)
    assert await Visit.find(V.name == "big", V.age > 12).count() == 2
    assert await Visit.find(V.age > 12).set({V.age: 20}).set({V.name: "x"}) == 2
    assert await Visit.find({"name": "x", "age": 20}).count() == 2
    assert await Visit.find(V.age == 0).update_many(Inc({V.age: 1}), Push({V.tags: "y"})) == 1
    assert await Visit.update_all(Set({V.address.city: "all"})) == 5
    assert await Visit.find({"address.city": "all"}).count() == 5
    assert await Visit.find(V.age == 20).current_date({"price": True}).update() == 2
    pending = Visit.find(V.age == 20).set({V.name: "later"})
    assert pending.update_query == {"$set": {"name": "later"}}
    assert await Visit.find(V.name == "later").count() == 0
    with pytest.raises(QueryError, match="twice"):
        await Visit.find(V.age == 1).set({V.age: 1}).inc({V.age: 1})
    with pytest.raises(QueryError, match="was not asked for"):
        await Visit.find().set({V.age: 1})
    result = await Visit.find(V.age == 20).delete()
    assert (result, result.deleted_count) == (2, 2)
    assert await Visit.find(V.age == 1).delete_many() == 2
    with pytest.raises(QueryError, match="was not asked for"):
        await Visit.find().delete()
    assert await Visit.delete_all() == 1
    assert await Visit.count() == 0


async def test_upserts(bound: Database) -> None:
    """178, 191: what is not there to be changed is inserted."""
    new = Visit(name="new", age=9)

    assert await Visit.find(V.name == "new").upsert(Set({V.age: 1}), on_insert=new) is new
    assert new.id is not None
    changed = await Visit.find(V.name == "new").upsert(
        Set({V.age: 2}), on_insert=Visit(name="other")
    )
    assert changed == 1
    assert [one.age for one in await Visit.find_all().to_list()] == [2]
    other = Visit(name="other")
    found = await Visit.find_one(V.name == "other").upsert(
        Set({V.age: 3}), on_insert=other, response_type=UpdateResponse.NEW_DOCUMENT
    )
    assert found is other
    found = await Visit.find_one(V.name == "other").upsert(
        Set({V.age: 3}), on_insert=Visit(name="x"), response_type=UpdateResponse.NEW_DOCUMENT
    )
    assert found.age == 3
    assert await Visit.count() == 2


async def test_changes_of_one(bound: Database) -> None:
    """190, 192, 193, 196: one document is changed, and given as it was or is."""
    await five()
    result = await Visit.find_one(V.age > 2, sort="-age").update(Set({V.name: "last"}))

    assert (result.matched_count, result.modified_count) == (1, 1)
    assert names(await Visit.find(V.age > 2).sort("age").to_list()) == ["n3", "last"]
    new = await Visit.find_one(V.age == 1).inc(
        {V.age: 10}, response_type=UpdateResponse.NEW_DOCUMENT
    )
    assert (new.name, new.age) == ("n1", 11)
    old = await Visit.find_one(V.age == 2).update_one(
        Set({V.age: 12}), response_type=UpdateResponse.OLD_DOCUMENT
    )
    assert (old.name, old.age) == ("n2", 2)
    assert await Visit.find(V.age == 12).count() == 1
    assert await Visit.find_one(V.age == 99).set({V.age: 1}) == 0
    assert (
        await V.find_one(V.age == 99).set({V.age: 1}, response_type=UpdateResponse.NEW_DOCUMENT)
        is None
    )
    assert await Visit.find_one(V.age > 10).delete() == 1
    assert await Visit.find_one(V.age > 10).delete_one() == 1
    assert await Visit.find_one(V.age > 10).delete_one() == 0
    assert await Visit.count() == 3


async def test_changes_in_a_session(bound: Database) -> None:
    """190, 280, 281: in a unit of work loaded objects follow, and an aborted one leaves nothing."""
    made = await five()
    async with Session(bound) as session:
        one = await session.get_one(Visit, made[1].id)
        new = await Visit.find_one(V.age == 1).set(
            {V.name: "seen"}, response_type=UpdateResponse.NEW_DOCUMENT
        )
        assert new is one
        assert one.name == "seen"
        old = await Visit.find_one(V.name == "seen").inc(
            {V.age: 1}, response_type=UpdateResponse.OLD_DOCUMENT
        )
        assert old is not one
        assert old.age == 1
        await one.refresh()
        assert one.age == 2
        await Visit.find(V.age == 4).set({V.name: "gone"})
        await session.rollback()
    assert names(await Visit.find_all(sort="age").to_list()) == ["n0", "n1", "n2", "n3", "n4"]

    async with Session(bound) as outer:
        await outer.find(Visit).first()
        other = Session(bound)
        async with other:
            await Visit.find(V.age == 0, session=outer).set({V.name: "outer"})
            assert await Visit.find(V.name == "outer").count() == 0
            assert await Visit.find(V.name == "outer", session=outer).count() == 1
            await Visit(name="by outer", age=50).insert(session=outer)
            assert await V.find_one(V.age == 50, session=outer) is not None
        await outer.commit()
    assert await Visit.find(V.name == "outer").count() == 1
    with pytest.raises(QueryError, match="takes a uow Session, not object"):
        Visit.find(session=object())


async def test_replacing(bound: Database, mongodb_database: str) -> None:
    """50, 194: all values of a document are replaced by those of another object."""
    made = await five()
    new = await Visit.find_one(V.age == 1).replace_one(Visit(name="new", age=100))

    assert new.id == made[1].id
    stored = await V.get(made[1].id)
    assert (stored.name, stored.age, stored.tags) == ("new", 100, [])
    with pytest.raises(NotFoundError):
        await Visit.find_one(V.age == 77).replace_one(Visit(name="new"))
    with database_of(mongodb_database) as raw:
        raw.visits.update_one({"_id": made[1].id}, {"$set": {"unknown": 1}})
        await Visit.find_one(V.age == 100).replace_one(Visit(name="newer", age=101))
        assert "unknown" not in raw.visits.find_one({"_id": made[1].id})
    stored.name = "loaded before"
    assert await Visit.find_one(V.id == stored.id).replace_one(stored) is stored
    assert (await V.get(stored.id)).name == "loaded before"
    with pytest.raises(QueryError, match="finds another document"):
        await Visit.find_one(V.age == 4).replace_one(stored)
    async with BulkWriter() as bulk_writer:
        await Visit.find_one(V.age == 4).set({V.age: 44}, bulk_writer=bulk_writer)
        await Visit.find_one(V.age == 44).replace_one(
            Visit(name="later", age=45), bulk_writer=bulk_writer
        )
    assert (await V.get(made[4].id)).name == "later"
    first, second = await Visit.find(V.age < 3).sort("age").to_list()
    first.name, second.name = "a", "b"
    await Visit.replace_many([first, second])
    assert names(await Visit.find(V.age < 3).sort("age").to_list()) == ["a", "b"]
    with pytest.raises(ValidationError):
        await Visit.replace_many([first, Visit(name="never")])


async def test_keywords_of_the_client(bound: Database) -> None:
    """30-34, 183, 280: further keywords reach the client; unknown ones are our errors."""
    await five()
    french = {"locale": "fr", "strength": 1}

    assert names(await Visit.find({"name": "N1"}, collation=french).to_list()) == ["n1"]
    assert await Visit.find({"name": "N2"}, collation=french).set({V.age: 7}) == 1
    assert await Visit.find(V.age == 7, hint="_id_").count() == 1
    await Visit.find(V.tags == ["x"]).update(
        {"$set": {"tags.$[one]": "z"}}, array_filters=[{"one": "x"}]
    )
    assert await Visit.distinct(V.tags, {"age": 1}) == ["z"]
    with pytest.raises(QueryError, match="nonsense"):
        await Visit.find(V.age == 1, nonsense=1).to_list()


async def test_names_of_the_class(bound: Database) -> None:
    """61-64: the collection, its name, the settings and the encoders."""
    await five()

    assert Visit.get_collection_name() == "visits"
    assert Visit.get_settings().options["name"] == "visits"
    assert Visit.get_bson_encoders() == {}
    assert await Visit.get_pymongo_collection().count_documents({"age": {"$gt": 2}}) == 2
    assert GT(V.age, 2).query == {"age": {"$gt": 2}}
