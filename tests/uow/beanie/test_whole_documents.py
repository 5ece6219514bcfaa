"""Saving, replacing and syncing whole documents, and marking them as deleted.

Numbers are those of the inventory.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import attrs
import pytest
from bson import ObjectId

from tests.contract.sent import Sent
from tests.support.mongodb import database_of, empty
from uow import (
    Column,
    Database,
    Document,
    DocumentWithSoftDelete,
    Link,
    Mapped,
    MergeStrategy,
    NotFoundError,
    ObjectStateError,
    QueryError,
    Registry,
    Session,
    StaleObjectError,
    State,
    ValidationError,
    WriteRules,
    changes,
    init_documents,
    state,
)
from uow.beanie import Update, before_event

pytestmark = pytest.mark.anyio

registry = Registry()


class Base(Document):
    class Settings:
        abstract = True
        registry = registry


@attrs.define
class Address:
    """An embedded value."""

    city: str
    street: str = ""


class _Person(Base):
    class Settings:
        name = "whole_people"

    id: Mapped[int] = Column(primary_key=True)
    name: str
    age: int = 0
    address: Address | None = None
    tags: list[str] = []  # noqa: RUF012
    friend: Link[_Person] | None = None


class _Revised(Base):
    class Settings:
        use_revision = True
        keep_nulls = False

    name: str
    note: str | None = None


class _Pet(Base):
    name: str
    renamed: int = 0

    @before_event(Update)
    def count_it(self) -> None:
        """Count what is written of it again."""
        self.renamed += 1


class _Owner(Base):
    name: str
    pet: Link[_Pet] | None = None


class _Post(DocumentWithSoftDelete):
    class Settings:
        registry = registry

    title: str


Person: Any = _Person
Revised: Any = _Revised
Post: Any = _Post
Pet: Any = _Pet
Owner: Any = _Owner
MODELS: Any = [Person, Revised, Post, Pet, Owner]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The client libraries are for asyncio."""
    return "asyncio"


@pytest.fixture(params=["mongodb", "mongodb+motor"])
async def database(mongodb_database: str, request: Any) -> AsyncGenerator[Database]:
    """An empty database, to which the classes are bound, over either client."""
    empty(mongodb_database)
    url = mongodb_database.replace("mongodb:", f"{request.param}:", 1)
    found = await init_documents(connection_string=url, document_models=MODELS)
    yield found

    assert found.pool.stats.in_use == 0
    await found.aclose()


@pytest.fixture
def raw(mongodb_database: str) -> Any:
    """The database, past this library."""
    with database_of(mongodb_database) as store:
        yield store


async def test_save_is_an_upsert(database: Database, raw: Any) -> None:
    """27: a new object is inserted; one with the key of a stored document stands for it."""
    await Person(id=1, name="Ann", age=3, tags=["a"]).save()
    raw.whole_people.update_one({"_id": 1}, {"$set": {"other": "kept"}})
    ann = Person(id=1, name="Ann", age=4, address=Address("Oslo"))
    await ann.save()

    assert raw.whole_people.find_one() == {
        "_id": 1, "name": "Ann", "age": 4, "address": {"city": "Oslo", "street": ""}, "tags": [],
        "friend": None, "other": "kept",
    }  # fmt: skip
    assert state(ann) is State.DETACHED
    ann.address.city = "Bergen"
    await ann.save()
    assert raw.whole_people.find_one()["address"]["city"] == "Bergen"

    async with Session(database) as session:
        held = await session.get_one(Person, 1)
        with pytest.raises(ObjectStateError, match="holds another object of _Person"):
            await Person(id=1, name="x").save()
        session.expunge(held)
        again: Any = Person(id=1, name="again")
        await again.save()
        assert await session.get_one(Person, 1) is again
        await session.rollback()
        assert again.name == "Ann"
    assert raw.whole_people.find_one()["name"] == "Ann"

    revised = await Revised(name="a").insert()
    with pytest.raises(StaleObjectError, match="in a version that this object does not know"):
        await Revised(id=revised.id, name="b").save()
    fresh = await Revised(id=ObjectId(), name="c").save()
    assert raw["_Revised"].find_one({"_id": fresh.id})["name"] == "c"


async def test_replace(database: Database, raw: Any) -> None:
    """28, 253, 254: the whole document is replaced, by version; what is not there is an error."""
    ann = await Person(id=1, name="Ann").insert()
    raw.whole_people.update_one({"_id": 1}, {"$set": {"other": 1}})
    ann.age = 5
    await ann.replace()
    assert raw.whole_people.find_one() == {
        "_id": 1, "name": "Ann", "age": 5, "address": None, "tags": [], "friend": None,
    }  # fmt: skip
    assert changes(ann) == {}
    await Person(id=1, name="New").replace()
    assert raw.whole_people.find_one()["name"] == "New"

    with pytest.raises(ValidationError, match="it replaces nothing: insert it"):
        await Revised(name="x").replace()
    with pytest.raises(NotFoundError, match="no document with the key"):
        await Person(id=2, name="x").replace()
    with pytest.raises(ObjectStateError, match="replace leaves linked documents alone"):
        await Person(id=1, name="x", friend=Person(id=3, name="Cy")).replace()
    await Person(id=1, name="x", friend=Person(id=3, name="Cy")).replace(link_rule=WriteRules.WRITE)
    assert raw.whole_people.find_one({"_id": 1})["friend"].id == 3

    first = await Revised(name="a", note="n").insert()
    second = await Revised.get(first.id)
    before = first.revision_id
    await second.replace()
    assert second.revision_id != before
    first.name = "b"
    with pytest.raises(StaleObjectError):
        await first.replace()
    first.name, first.note = "b", None
    await first.replace(ignore_revision=True)
    stored = raw["_Revised"].find_one()
    assert (stored["name"], stored.get("note")) == ("b", None)


async def test_replace_with_what_waits(database: Database, raw: Any) -> None:
    """28, 211: new linked documents have their keys, and handlers their say, before it is sent."""
    ann = await Owner(name="Ann").insert()
    ann.pet = Pet(name="Rex")
    await ann.replace(link_rule=WriteRules.WRITE)
    assert raw["_Owner"].find_one()["pet"].id == ann.pet.id
    async with Session(database) as session:
        again: Any = await session.get_one(Owner, ann.id)
        again.pet = Pet(name="Tom")
        session.add(again.pet)
        await again.replace()
        await session.commit()
    assert raw["_Owner"].find_one()["pet"].id == again.pet.id
    assert raw["_Pet"].count_documents({}) == 2

    pet = await Pet(name="Bo").insert()
    pet.name = "Ben"
    await pet.replace()
    assert raw["_Pet"].find_one({"_id": pet.id})["renamed"] == 1
    raw["_Pet"].delete_one({"_id": pet.id})
    pet.name = "Bob"
    with pytest.raises(NotFoundError, match="is gone"):
        await pet.replace()
    with pytest.raises(NotFoundError):
        await pet.replace()


async def test_replace_many(database: Database, raw: Any) -> None:
    """50, 297: several are replaced, all or none."""
    people = [Person(id=n, name=f"p{n}") for n in range(3)]
    await Person.insert_many(people)
    for person in people:
        person.age = 9
    raw.whole_people.update_many({}, {"$set": {"other": 1}})
    await Person.replace_many(people)
    assert raw.whole_people.count_documents({"age": 9, "other": {"$exists": False}}) == 3

    raw.whole_people.delete_one({"_id": 2})
    for person in people:
        person.age = 10
    with pytest.raises(NotFoundError, match="1 of 3 documents of _Person"):
        await Person.replace_many(people)
    assert raw.whole_people.count_documents({"age": 10}) == 0
    async with Session(database) as session:
        with pytest.raises(NotFoundError):
            await Person.replace_many([Person(id=0, name="x"), Person(id=7, name="y")])
        await session.rollback()
    assert raw.whole_people.count_documents({"name": "x"}) == 0


async def test_sync(database: Database, raw: Any) -> None:
    """35, 298: what is stored wins, or what was changed here, inside of values by path."""
    ann = await Person(id=1, name="Ann", address=Address("Oslo", "Main"), tags=["a"]).insert()
    raw.whole_people.update_one({"_id": 1}, {"$set": {"age": 7, "address.street": "Side"}})
    ann.name = "Anna"
    await ann.sync()
    assert (ann.name, ann.age, ann.address.street) == ("Ann", 7, "Side")
    assert changes(ann) == {}

    ann.address.city, ann.name = "Bergen", "Anna"
    ann.tags.append("b")
    raw.whole_people.update_one(
        {"_id": 1}, {"$set": {"age": 8, "address.street": "Back", "name": "Zoe"}}
    )
    await ann.sync(merge_strategy=MergeStrategy.local)
    assert (ann.name, ann.age, ann.tags) == ("Anna", 8, ["a", "b"])
    assert (ann.address.city, ann.address.street) == ("Bergen", "Back")
    assert changes(ann).keys() == {"name", "address.city", "tags"}
    await ann.save()
    assert raw.whole_people.find_one()["address"] == {"city": "Bergen", "street": "Back"}

    ann.address.city = "Rome"
    raw.whole_people.update_one({"_id": 1}, {"$set": {"address": None}})
    with pytest.raises(StaleObjectError, match=r"_Person\.address\.city was changed here"):
        await ann.sync(MergeStrategy.local)
    assert ann.address.city == "Rome"
    with pytest.raises(QueryError, match=r"the rule is MergeStrategy\.remote or"):
        await ann.sync("both")
    with pytest.raises(ObjectStateError, match="is not stored"):
        await Person(id=5, name="x").sync()
    raw.whole_people.delete_many({})
    with pytest.raises(NotFoundError):
        await ann.sync()
    async with Session(database) as session:
        bob = Person(id=9, name="Bob")
        session.add(bob)
        await session.flush()
        bob.age = 3
        await bob.sync(MergeStrategy.local)
        assert changes(bob) == {"age": (0, 3)}
        await session.rollback()


async def test_soft_delete(database: Database, raw: Any) -> None:
    """272-276: documents are marked, not found, found in all, and deleted for good."""
    one, two = await Post(title="one").insert(), await Post(title="two").insert()
    await one.delete()

    assert one.is_deleted()
    assert not two.is_deleted()
    assert raw["_Post"].find_one({"_id": one.id})["deleted_at"] is not None
    assert [post.title for post in await Post.find().to_list()] == ["two"]
    assert [post.title for post in await Post.find_all().to_list()] == ["two"]
    assert await Post.find_one(Post.title == "one") is None
    assert await Post.get(one.id) is None
    assert await Post.count() == 1
    found = await Post.find_many_in_all(Post.title == "one").to_list()
    assert [post.is_deleted() for post in found] == [True]
    await one.hard_delete()
    assert raw["_Post"].count_documents({}) == 1
    with pytest.raises(ObjectStateError):
        await Post(title="three").delete()
    async with Session(database) as session:
        await (await Post.get(two.id)).delete()
        assert await Post.count() == 0
        await session.rollback()
    assert await Post.count() == 1


async def test_save_sends_what_it_must(database: Database) -> None:
    """21: of a stored object only what changed is written; unchanged it sends nothing."""
    ann = await Person(id=1, name="Ann").insert()
    sent = Sent()
    database.observers.append(sent.append)
    await ann.save()
    assert not sent
    ann.age = 4
    await ann.save()
    assert sent.words == ["UPDATE"]
