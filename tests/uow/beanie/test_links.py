"""Links between documents on a real server; numbers are those of the inventory."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import attrs
import pydantic
import pytest
from bson import ObjectId
from bson.dbref import DBRef

from tests.contract.sent import Sent
from tests.support.mongodb import database_of, empty
from tests.uow.beanie import linked_models
from tests.uow.beanie.linked_models import ALL
from uow import (
    BackLink,
    Column,
    ConstraintError,
    Database,
    DeleteRules,
    Document,
    InvalidUnitError,
    Link,
    Mapped,
    MappingError,
    ObjectStateError,
    QueryError,
    Registry,
    Session,
    State,
    Table,
    ValidationError,
    WriteRules,
    changes,
    init_documents,
    link,
    state,
)

# Fields are declared without `Mapped`, so that a type checker takes them for their values.
Door: Any = linked_models.Door
House: Any = linked_models.House
Lock: Any = linked_models.Lock
Person: Any = linked_models.Person
Roof: Any = linked_models.Roof
Shed: Any = linked_models.Shed
Tree: Any = linked_models.Tree
Window: Any = linked_models.Window
MODELS: Any = ALL

pytestmark = pytest.mark.anyio


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
def sent(database: Database) -> Sent:
    """What is sent from now on."""
    sent = Sent()
    database.observers.append(sent.append)
    return sent


@pytest.fixture
def raw(mongodb_database: str) -> Any:
    """The database, past this library."""
    with database_of(mongodb_database) as store:
        yield store


class Height(pydantic.BaseModel):
    """What is read of a door."""

    height: int


class Shown(pydantic.BaseModel):
    """What is read of a house."""

    name: str
    door: Height


async def a_house(name: str = "one", **values: Any) -> Any:
    """Store a house with a door and two windows, each with a lock."""
    house = House(
        name=name,
        door=Door(height=3, lock=Lock(k=1)),
        windows=[Window(x=1, lock=Lock(k=2)), Window(x=2)],
        **values,
    )
    return await house.insert(link_rule=WriteRules.WRITE)


async def test_stored_as_dbref(database: Database, raw: Any) -> None:
    """204-210, 38, 220: what is stored is a DBRef, as Beanie stores it, and read as a link."""
    house = await a_house(owners=[Person(name="Ann")], roof=await Roof(id=4).insert())
    stored = raw.houses.find_one()

    assert stored["door"] == DBRef("Door", house.door.id)
    assert stored["windows"] == [DBRef("Window", one.id) for one in house.windows]
    assert stored["ownedBy"] == [DBRef("Person", house.owners[0].id)]
    assert stored["roof"] == DBRef("Roof", 4)
    assert "house" not in raw.Door.find_one()
    assert house.door.to_ref() == stored["door"]

    found = await House.get(house.id)
    assert isinstance(found.door, Link)
    assert found.door.ref == found.door.to_ref() == stored["door"]
    assert found.door.ref.id == found.door.id == house.door.id
    assert found.door.to_dict() == {"id": str(house.door.id), "collection": "Door"}
    assert [type(one) for one in found.windows] == [Link, Link]
    assert found.roof == Roof.link_from_id(4) == Link(DBRef("Roof", 4), document_class=Roof)
    assert found.owners[0].document_class is Person


async def test_values_that_a_link_takes(database: Database) -> None:
    """221, 59: a key, its text, a DBRef, a dict of one, a link, a document or its fields."""
    key = ObjectId()
    for given in (
        key,
        str(key),
        DBRef("Door", key),
        {"id": str(key), "collection": "Door"},
        {"$ref": "Door", "$id": key},
        Door.link_from_id(str(key)),
    ):
        assert House(name="x", door=given).door == Door.link_from_id(key)
    assert House(name="x", door={"height": 7}).door.height == 7
    assert House(name="x", door=key, windows=(Window(x=3), key)).windows[1].id == key
    assert House(name="x", door=key, rooms={"hall": key}).rooms["hall"].id == key

    with pytest.raises(ValidationError, match=r"House\.door: expected a Door, a link to one or"):
        House(name="x", door="no key")
    with pytest.raises(ValidationError, match=r"House\.door: expected Door, got Window"):
        House(name="x", door=Window())
    with pytest.raises(ValidationError, match=r"House\.windows: expected a list of Window"):
        House(name="x", door=key, windows=key)
    with pytest.raises(ValidationError, match=r"House\.rooms: a key"):
        House(name="x", door=key, rooms={"a.b": key})
    with pytest.raises(ValidationError, match=r"House\.door: expected LinkValue|House\.door"):
        House(name="x", door=None)
    with pytest.raises(ValidationError, match=r"Door\.id: expected a Door"):
        Door.link_from_id(3.5)
    with pytest.raises(QueryError, match=r"Door\.link_from_id\(key\)"):
        Link(key, document_class=Door)
    with pytest.raises(ObjectStateError, match="has no key yet"):
        Door().to_ref()
    with pytest.raises(AttributeError, match="a link cannot be changed"):
        Door.link_from_id(key).id = 3


async def test_write_rules(database: Database, raw: Any, sent: Sent) -> None:
    """211, 25, 27, 48: linked documents are written with WRITE; else they must be stored."""
    house = House(name="one", door=Door(lock=Lock()), windows=[Window()])
    for unsaved in (house.insert(), house.save(), House.insert_one(house)):
        with pytest.raises(ObjectStateError, match=r"House\.door: .*link_rule=WriteRules\.WRITE"):
            await unsaved
    with pytest.raises(ObjectStateError, match="insert_many leaves linked documents alone"):
        await House.insert_many([house])
    with pytest.raises(QueryError, match=r"the rule is WriteRules\.DO_NOTHING or"):
        await house.insert(link_rule="all")
    assert not sent
    assert state(house) is State.TRANSIENT

    await house.insert(link_rule=WriteRules.WRITE)
    assert raw.Lock.count_documents({}) == raw.Window.count_documents({}) == 1

    house.windows.append(Window(x=100))
    house.door.height = 9
    house.name = "two"
    await house.save(link_rule=WriteRules.WRITE)
    assert raw.houses.find_one()["windows"][1].id == house.windows[1].id
    assert raw.Door.find_one()["height"] == 9

    house.name, house.door.height = "three", 11
    await house.save()
    assert raw.houses.find_one()["name"] == "three"
    assert raw.Door.find_one()["height"] == 9
    assert changes(house.door) == {"height": (9, 11)}


async def test_fetch_one_by_one(database: Database, sent: Sent) -> None:
    """36, 37, 217-219: fetch_link, fetch_all_links, link.fetch, Link.fetch_list."""
    stored = await a_house()
    house = await House.get(stored.id)
    sent.clear()
    await house.fetch_link(House.door)
    assert (house.door.height, house.door.lock.k) == (3, 1)
    assert house.door.house is house  # by which its windows are fetched too, two levels deep
    await house.fetch_link("windows")
    assert [one.x for one in house.windows] == [1, 2]
    assert house.windows[0].lock.k == 2
    assert changes(house) == {}

    again = await House.get(stored.id)
    await again.fetch_all_links()
    assert (again.door.lock.k, again.windows[0].lock.k) == (1, 2)

    third = await House.get(stored.id)
    door = await third.door.fetch()
    assert door.height == 3
    assert isinstance(door.lock, Link)
    assert (await third.door.fetch(fetch_links=True)).lock.k == 1
    found = await Link.fetch_list([third.windows[1], third.door, door])
    assert [type(one) for one in found] == [Window, Door, Door]
    assert found[2] is door
    nowhere = Door.link_from_id(ObjectId())
    assert await Link.fetch_one(nowhere) is nowhere

    with pytest.raises(QueryError, match="'name' is no link of House"):
        await house.fetch_link("name")
    with pytest.raises(QueryError, match="fetch_link takes a field"):
        await house.fetch_link(3)
    with pytest.raises(QueryError, match="one field of the document"):
        await house.fetch_link(House.door.lock)
    with pytest.raises(QueryError, match="fetch_list takes links, not a int"):
        await Link.fetch_list([3])


async def test_back_links(database: Database) -> None:
    """208, 209, 36: documents that link here, one or several, fetched on demand or with a find."""
    ann, bob = Person(name="Ann"), Person(name="Bob")
    one = await a_house("one", owners=[ann, bob])
    two = await a_house("two", owners=[ann])

    door = await Door.get(one.door.id)
    unread: Any = door.house
    assert isinstance(unread, BackLink)
    assert unread.document_class is House
    await door.fetch_link(Door.house)
    assert (door.house.name, type(door.house)) == ("one", House)
    assert door.house.door is door

    people = await Person.find(fetch_links=True).order_by(Person.name).to_list()
    assert [sorted(one.name for one in person.houses) for person in people] == [
        ["one", "two"],
        ["one"],
    ]
    lonely = await Door().insert()
    await lonely.fetch_all_links()
    assert isinstance(lonely.house, BackLink)
    nobody = await Person(name="Cy").insert()
    await nobody.fetch_all_links()
    assert nobody.houses == []
    with pytest.raises(ValidationError, match=r"Door\.house: expected House, got Door"):
        Door(house=lonely)
    found = await Person.find(Person.houses.name == "two", fetch_links=True).to_list()
    assert [(one.name, len(one.houses)) for one in found] == [("Ann", 2)]
    assert two.owners[0] is ann


async def test_one_query_a_level(database: Database, sent: Sent) -> None:
    """180, 213: the links of a whole list take one query a field and level, in any session."""
    for number in range(5):
        await a_house(f"h{number}")
    sent.clear()
    houses = await House.find(fetch_links=True).to_list()

    # houses; doors; their locks; houses by their doors; windows; their locks
    assert len(sent) == 6
    assert all(house.door.lock.k == 1 and house.windows[0].lock.k == 2 for house in houses)
    assert all(house.door.house is house for house in houses)

    sent.clear()
    async with Session(database) as session:
        houses = await session.find(House).to_list()
        await session.load(houses, House.door.lock, House.windows)
        assert len(sent) == 4
        await session.load(houses, House.door.lock, House.windows)
        await houses[0].fetch_link(House.windows)
        assert len(sent) == 5  # but for the locks of the windows
        assert houses[0].door is await session.get(Door, houses[0].door.id)
        with pytest.raises(QueryError, match=r"Door\.lock is no relation of House"):
            await session.load(houses, Door.lock)
    sent.clear()
    async with Session(database) as session:
        houses = await session.find(House).load(House.door).to_list()
        assert len(sent) == 2
        assert isinstance(houses[0].door.lock, Link)


async def test_search_by_linked_fields(database: Database, sent: Sent) -> None:
    """109, 214, 180: by linked keys without looking, by linked fields in one pipeline."""
    one, two = await a_house("one"), await a_house("two")
    two.door.height = 8
    two.windows[1].x = 70
    two.door.lock.k = 5
    await two.save(link_rule=WriteRules.WRITE)
    key = two.door.id

    for found in (
        await House.find(House.door.id == key).to_list(),
        await House.find(House.door == two.door).to_list(),
        await House.find(House.door == Door.link_from_id(key)).to_list(),
        await House.find({"door.$id": key}).to_list(),
        await House.find(House.windows.id == two.windows[0].id).to_list(),
        await House.find(House.windows.id.in_([two.windows[0].id])).to_list(),
    ):
        assert [house.name for house in found] == ["two"]
    sent.clear()
    for query in (
        House.find(House.door.height == 8, fetch_links=True),
        House.find(House.door.height > 3, House.door.id == key, fetch_links=True),
        House.find((House.door.id == key) & (House.windows.x == 70), fetch_links=True),
        House.find({"windows.x": 70}, House.name == "two", fetch_links=True),
        House.find(House.door.lock.k == 5, fetch_links=True),
        House.find(House.door.house.name == "two", fetch_links=True),
        House.find(fetch_links=True).order_by(-House.door.height).limit(1),
    ):
        (house,) = await query.to_list()
        assert (house.name, house.door.height, house.door.lock.k) == ("two", 8, 5)
        assert sorted(window.x for window in house.windows) == [1, 70]
        assert house.door.house is house
        assert changes(house) == {}
    assert len(sent) == 7
    assert await House.find(House.door.height == 8, fetch_links=True).count() == 1
    assert await House.find(House.door.height == 9, fetch_links=True).exists() is False
    first = await House.find_one(House.door.height == 8, fetch_links=True)
    assert first.door.height == 8
    assert [house.door.height async for house in House.find(fetch_links=True)] == [3, 8]
    assert (await House.get(one.id, fetch_links=True)).door.lock.k == 1
    assert isinstance((await House.get(one.id)).door, Link)
    with pytest.raises(AttributeError, match="has no attribute 'colour'"):
        House.door.colour  # noqa: B018


async def test_what_follows_fetched_links(database: Database) -> None:
    """166, 173, 174, 200, 201: linked documents stand in their places for what follows."""
    await a_house("one")
    await House(name="two", door=await Door(height=9).insert()).insert()
    all_of_them = House.find(fetch_links=True)
    tall = House.find(House.door.height > 5, fetch_links=True)

    by_height = [{"$group": {"_id": "$door.height"}}, {"$sort": {"_id": 1}}]
    assert await all_of_them.aggregate(by_height).to_list() == [{"_id": 3}, {"_id": 9}]
    assert await tall.aggregate(by_height).to_list() == [{"_id": 9}]
    assert await all_of_them.max(House.door.height) == 9
    assert await all_of_them.avg(House.door.lock.k) == 1
    first = House.find(fetch_links=True).sort(-House.door.height).limit(1)
    assert await first.aggregate([{"$project": {"_id": 0, "name": 1}}]) == [{"name": "two"}]
    assert await all_of_them.aggregate([{"$unwind": "$windows"}, {"$match": {"windows.x": 1}}])
    [shown] = await tall.project(Shown).to_list()
    assert (shown.name, shown.door.height) == ("two", 9)


async def test_what_is_changed_by_linked_fields(database: Database, raw: Any) -> None:
    """175, 179, 190, 193: a change or a deletion finds what a query with its links finds."""
    await a_house("one")
    await House(name="two", door=await Door(height=9).insert()).insert()

    tall = House.find(House.door.height > 5, fetch_links=True)
    assert await tall.set({House.name: "tall"}) == 1
    assert sorted(one["name"] for one in raw.houses.find()) == ["one", "tall"]
    low = House.find_one(House.door.height < 5, fetch_links=True)
    assert await low.set({House.name: "low"}) == 1
    assert await tall.delete() == 1
    assert [one["name"] for one in raw.houses.find()] == ["low"]


async def test_looked_up_members_keep_their_places(database: Database, raw: Any) -> None:
    """180, 215: what was looked up is written as it is stored, dangling links included."""
    house = await a_house()
    gone = house.windows[0].id
    raw.Window.delete_one({"_id": gone})
    (found,) = await House.find(House.door.height == 3, fetch_links=True).to_list()
    assert [one.x for one in found.windows] == [2]
    assert changes(found) == {}
    found.name = "changed"
    await found.save()
    assert [one.id for one in raw.houses.find_one()["windows"]] == [gone, house.windows[1].id]
    found.windows.append(await Window(x=3).insert())
    await found.save()
    assert [one.id for one in raw.houses.find_one()["windows"]] == [one.id for one in found.windows]


async def test_links_to_nothing(database: Database) -> None:
    """215: a link to nothing stays a link; in lists and dicts it is left out."""
    key = ObjectId()
    window = await Window(x=5).insert()
    await House(
        name="x", door=key, windows=[key, window], roof=9, rooms={"a": key, "b": window}
    ).insert()
    for house in (await House.find_one(fetch_links=True), await House.find_one()):
        await house.fetch_all_links()
        assert house.door == Door.link_from_id(key)
        assert isinstance(house.roof, Link)
        assert [one.x for one in house.windows] == [5]
        assert {name: one.x for name, one in house.rooms.items()} == {"b": 5}
        assert await house.door.fetch() is house.door


async def test_loops_and_depths(database: Database, sent: Sent) -> None:
    """216, 81, 82: self links and loops end where they are told to, and are stored in one unit."""
    one, two = Tree(name="1"), Tree(name="2")
    one.left, two.left, two.right = two, one, two
    await one.insert(link_rule=WriteRules.WRITE)
    chain = Tree(name="5")
    for number in (4, 3, 2, 1):
        chain = Tree(name=str(number), left=chain, right=chain)
    await chain.insert(link_rule=WriteRules.WRITE)

    def depth(tree: Any, side: str) -> int:
        found = getattr(tree, side)
        return 0 if found is None or isinstance(found, Link) else 1 + depth(found, "left")

    async def fetched(**options: Any) -> Any:
        return await Tree.find_one(Tree.id == chain.id, fetch_links=True, **options)

    assert depth(await fetched(), "left") == 2
    assert depth(await fetched(nesting_depth=1), "left") == 1
    assert depth(await fetched(nesting_depth=0), "left") == 0
    assert depth(await fetched(nesting_depth=4), "left") == 4
    found = await fetched(nesting_depths_per_field={"left": 0, "right": 3})
    assert (depth(found, "left"), depth(found, "right")) == (0, 3)
    looked = await Tree.find_one(Tree.left.left.name == "3", fetch_links=True)
    assert looked.left.left.name == "3"

    async with Session(database) as session:
        loop = await session.find(Tree, Tree.id == one.id).fetch_links(nesting_depth=9).one()
        assert loop.left.left is loop
        assert loop.left.right is loop.left
    for wrong in (-1, "2", True):
        with pytest.raises(QueryError, match="a nesting depth is a whole number"):
            Tree.find(fetch_links=True, nesting_depth=wrong)
    with pytest.raises(QueryError, match="Tree has no link 'up'"):
        Tree.find(fetch_links=True, nesting_depths_per_field={"up": 1})


async def test_a_dump_ends_where_it_began(database: Database) -> None:
    """21, 216: of documents that link to each other, one shown already is a link."""
    one = Tree(name="one")
    one.left = Tree(name="two", left=one)
    await one.insert(link_rule=WriteRules.WRITE)
    await one.fetch_all_links()

    link = {"id": str(one.id), "collection": "Tree"}
    shown = one.model_dump(include={"name", "left"})
    assert (shown["name"], shown["left"]["name"], shown["left"]["left"]) == ("one", "two", link)
    assert json.loads(one.model_dump_json())["left"]["left"] == link


async def test_delete_rules(database: Database, raw: Any) -> None:
    """212, 34: linked documents stay, or go with it, whether they were fetched or not."""
    house = await House.get((await a_house()).id)
    await house.delete()
    assert raw.Door.count_documents({}) == 1

    house = await House.get((await a_house()).id)
    await house.delete(link_rule=DeleteRules.DELETE_LINKS)
    assert [raw[name].count_documents({}) for name in ("houses", "Door", "Window", "Lock")] == [
        0, 1, 2, 2,
    ]  # fmt: skip
    with pytest.raises(QueryError, match=r"the rule is DeleteRules\."):
        await house.delete(link_rule="all")

    shed = await Shed(door=Door(), doors=[Door(), Door()]).insert(link_rule=WriteRules.WRITE)
    async with Session.begin(database) as session:
        session.delete(await session.get_one(Shed, shed.id))
    assert [raw[name].count_documents({}) for name in ("Shed", "Door")] == [0, 1]


async def test_rules_in_a_transaction(database: Database, raw: Any) -> None:
    """281: cascades, fetches and writes are part of the open transaction, and go with it."""
    stored = await a_house()
    async with Session(database) as session:
        house = await House.get(stored.id)
        await house.delete(link_rule=DeleteRules.DELETE_LINKS)
        assert await Door.count() == 0
        await session.rollback()
        assert state(house) is State.PERSISTENT
    assert [raw[name].count_documents({}) for name in ("houses", "Door", "Lock")] == [1, 1, 2]

    async with Session(database) as session:
        other = House(name="new", door=Door(height=6), windows=[Window(), Window()])
        await other.insert(link_rule=WriteRules.WRITE)
        fresh = await session.find(Window, Window.x == 10).first()
        assert fresh in other.windows
        link = Door.link_from_id(other.door.id)
        assert await link.fetch() is other.door
        await session.rollback()
        assert (other.id, other.door.id, other.windows[0].id) == (None, None, None)
        assert state(other.door) is State.TRANSIENT
    assert raw.houses.count_documents({}) == 1
    await other.insert(link_rule=WriteRules.WRITE)
    assert raw.houses.find_one({"name": "new"})["door"].id == other.door.id


async def test_unit_of_work(database: Database, raw: Any, sent: Sent) -> None:
    """210, R1: the session takes new linked documents along, and writes what changed of a link."""
    lock = Lock()
    house = House(name="x", door=Door(lock=lock), windows=[Window(lock=lock)])
    async with Session(database) as session:
        session.add(house)
        assert session.new == {house, house.door, lock, house.windows[0]}
        await session.commit()
        sent.clear()
        house.windows.append(Window(x=44))
        await session.commit()
        assert house.windows[1].id is not None
        house.door = Door(height=7)
        house.windows[0], house.windows[1] = house.windows[1], house.windows[0]
        await session.commit()
        sent.clear()
        house.door = Door.link_from_id(house.door.id)
        await session.commit()
        assert not sent
        house.rooms["hall"] = house.windows[0]
        await session.commit()
    found = raw.houses.find_one()
    assert raw.Door.find_one({"_id": found["door"].id})["height"] == 7
    assert raw.Window.find_one({"_id": found["windows"][0].id})["x"] == 44
    assert found["rooms"] == {"hall": found["windows"][0]}


async def test_keys_of_linked_documents_are_taken_back(database: Database, raw: Any) -> None:
    """A flush that fails leaves new documents without keys; it can be repaired and tried again."""
    async with Session(database) as session:
        await Roof(id=1).insert()
        await session.commit()
    house = House(name="x", door=Door(), roof=Roof(id=1))
    async with Session(database) as session:
        session.add(house)
        with pytest.raises(ConstraintError):
            await session.commit()
        assert (house.id, house.door.id) == (None, None)
        assert state(house.door) is State.PENDING
        house.roof = Roof.link_from_id(1)
        session.expunge(next(one for one in session.new if isinstance(one, linked_models.Roof)))
        await session.commit()
    assert raw.houses.find_one()["door"] == DBRef("Door", house.door.id)


async def test_links_to_what_is_nowhere(database: Database, sent: Sent) -> None:
    """A link to what is deleted, or new in another session, is refused before anything is sent."""
    house = await a_house()
    async with Session(database) as session:
        door = await session.get_one(Door, house.door.id)
        session.delete(door)
        sent.clear()
        with pytest.raises((InvalidUnitError, ObjectStateError), match=r"House\.door: .*deleted"):
            await House(name="y", door=door).insert()
        assert not sent.writes
        await session.rollback()
    async with Session(database) as mine, Session(database) as other:
        pending = Door()
        other.add(pending)
        mine.add(House(name="z", door=pending))
        with pytest.raises(InvalidUnitError, match=r"House\.door: .*not stored yet"):
            await mine.commit()
        await mine.rollback()
        await other.rollback()


async def test_cancelled_fetch(database: Database) -> None:
    """A fetch that is cancelled leaves the links as they were; it can be done again."""
    stored = await a_house()
    async with Session(database) as session:
        house = await session.get_one(House, stored.id)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await session.load(house, House.door)
        assert scope.cancelled_caught
        unread: Any = house.door
        assert isinstance(unread, Link)
        await session.load(house, House.door)
        assert house.door.height == 3


async def test_links_read_in_parallel_and_by_statements(database: Database) -> None:
    """180: fan_out, pages and `execute` fetch links like any other query; streams cannot."""
    await a_house("one")
    await a_house("two")
    async with Session(database) as session:
        both = session.find(House).fetch_links(nesting_depth=1)
        tall = session.find(House, House.door.height > 2).fetch_links(nesting_depth=1)
        for houses in await session.fan_out(both, tall):
            assert [house.door.height for house in houses] == [3, 3]
        page = await both.order_by(House.id).page(1)
        assert page.items[0].windows[0].x == 1
        assert len(await session.execute(tall)) == 2
        assert await tall.exists()
        with pytest.raises(QueryError, match="a stream keeps no objects"):
            both.stream()


@attrs.define
class Part:
    """An embedded value that links."""

    door: Link[linked_models.Door]


def test_bad_links() -> None:
    """204-209: what is no link that can be stored and found is refused at definition, by name."""

    class Base(Document):
        class Settings:
            abstract = True
            registry = Registry()

    with pytest.raises(MappingError, match=r"A\.part: .*Link.*inside of the type hint"):

        class A(Base):
            part: Part

        A(part=Part(Door.link_from_id(ObjectId())))

    class Room(pydantic.BaseModel):
        door: Link[linked_models.Door]

    class Floor(pydantic.BaseModel):
        rooms: dict[str, list[Room]]

    with pytest.raises(MappingError, match=r"Tower\.floor: Room\.door: a Link stands inside"):

        class Tower(Base):
            floor: Floor | None = None

        Tower()
    with pytest.raises(MappingError, match=r"B\.doors: a link is Link\[T\], list\[Link\[T\]\] or"):

        class B(Base):
            doors: list[list[Link[linked_models.Door]]]

        B(doors=[])
    with pytest.raises(MappingError, match=r"C\.door: links lead to documents, and int is none"):

        class C(Base):
            door: Link[int]

        C(door=None)
    with pytest.raises(MappingError, match=r"D\.door: links are for documents; a table has rel"):

        class D(Table):
            class Settings:
                registry = Registry()

            id: Mapped[int] = Column(primary_key=True)
            door: Link[linked_models.Door]

    with pytest.raises(MappingError, match=r"E\.door: original_field= is for a BackLink"):

        class E(Base):
            door: Link[linked_models.Door] = link(original_field="x")

    with pytest.raises(MappingError, match=r"F\.door: link\(cascade=...\) is 'all'"):

        class F(Base):
            door: Link[linked_models.Door] = link(cascade="some")

    class G(Base):
        door: BackLink[linked_models.Door]
        doors: BackLink[linked_models.House] = link(original_field="name")

    with pytest.raises(MappingError, match=r"G\.door: Door has 0 links to G; name the field"):
        _ = G.get_link_fields()["door"].original
    with pytest.raises(MappingError, match=r"G\.doors: House has no link 'name'"):
        _ = G.get_link_fields()["doors"].original
    with pytest.raises(MappingError, match="is a link and cannot be replaced on the class"):
        setattr(G, "door", 3)  # noqa: B010 - for type checkers it is not one either
