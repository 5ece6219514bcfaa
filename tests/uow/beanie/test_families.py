"""Documents of several classes in one collection, and views; numbers are those of the inventory."""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator
from typing import Any

import attrs
import pydantic
import pytest
from bson import ObjectId

from tests.support.mongodb import database_of, empty
from uow import (
    AmbiguousRowError,
    Column,
    Database,
    Document,
    Link,
    Mapped,
    MappingError,
    Native,
    QueryError,
    Registry,
    Session,
    State,
    UnionDoc,
    View,
    changes,
    init_documents,
    state,
)

pytestmark = pytest.mark.anyio

registry = Registry()


class Base(Document):
    class Settings:
        abstract = True
        registry = registry


class _Vehicle(Base):
    class Settings:
        name = "vehicles"
        is_root = True
        use_revision = True
        indexes = ["color"]  # noqa: RUF012

    color: str


class _Bicycle(_Vehicle):
    frame: int = 1
    wheels: int = 2


class _Car(_Vehicle):
    class Settings:
        indexes = ["body"]  # noqa: RUF012

    body: str = "sedan"
    tags: list[str] = []  # noqa: RUF012


class _Bus(_Car):
    seats: int = 10


class _Garage(Base):
    vehicles: list[Link[_Vehicle]] = []  # noqa: RUF012
    bus: Link[_Bus] | None = None


class _Shape(Base):
    class Settings:
        is_root = True
        class_id = "kind"
        class_id_value = "shape"

    kind: str
    area: int = 0


class _Square(_Shape):
    class Settings:
        class_id_value = "square"


class _Animal(Base):
    class Settings:
        name = "animals"
        keep_nulls = False

    name: str
    nick: str | None = None


class _Dog(_Animal):
    barks: bool = True


class _Parent(UnionDoc):
    class Settings:
        name = "union_docs"
        registry = registry


class _One(Base):
    class Settings:
        name = "the_one"
        union_doc = _Parent

    number: int = 0
    shared: int = 0


class _Two(Base):
    class Settings:
        union_doc = _Parent

    text: str = "test"
    shared: int = 0


class _Metrics(View):
    class Settings:
        name = "metrics"
        source = _Car
        pipeline = [  # noqa: RUF012
            {"$match": {"body": {"$exists": True}}},
            {"$group": {"_id": "$color", "number": {"$sum": 1}, "bodies": {"$push": "$body"}}},
        ]
        registry = registry

    color: str = pydantic.Field(alias="_id")
    number: int
    bodies: list[str]


class _Linking(View):
    class Settings:
        name = "linking"
        source = "Garage"
        pipeline = [{"$project": {"_id": 0, "bus": 1}}]  # noqa: RUF012
        registry = registry

    bus: Link[_Bus] | None = None


Vehicle: Any = _Vehicle
Bicycle: Any = _Bicycle
Car: Any = _Car
Bus: Any = _Bus
Garage: Any = _Garage
Shape: Any = _Shape
Square: Any = _Square
Animal: Any = _Animal
Dog: Any = _Dog
Parent: Any = _Parent
One: Any = _One
Two: Any = _Two
Metrics: Any = _Metrics
Linking: Any = _Linking

MODELS: Any = [
    Vehicle, Bicycle, Car, Bus, Garage, Shape, Square, Animal, Dog, Parent, One, Two, Metrics,
    Linking,
]  # fmt: skip


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The client libraries are for asyncio."""
    return "asyncio"


@pytest.fixture(params=["mongodb", "mongodb+motor"])
async def database(mongodb_database: str, request: Any) -> AsyncGenerator[Database]:
    """An empty database, to which the classes are bound, over either client."""
    empty(mongodb_database)
    url = mongodb_database.replace("mongodb:", f"{request.param}:", 1)
    found = await init_documents(connection_string=url, document_models=MODELS, recreate_views=True)
    yield found

    assert found.pool.stats.in_use == 0
    await found.aclose()


@pytest.fixture
def raw(mongodb_database: str) -> Any:
    """The database, past this library."""
    with database_of(mongodb_database) as store:
        yield store


async def some_vehicles() -> list[Any]:
    """One of each class, stored."""
    found = [
        Vehicle(color="white"),
        Bicycle(color="white", wheels=3),
        Car(color="grey", body="sedan"),
        Bus(color="white", body="bus", seats=80),
    ]
    for one in found:
        await one.insert()
    return found


@attrs.define
class Counted:
    """What is read of a view."""

    number: int


async def test_root_and_children(database: Database, raw: Any) -> None:
    """83, 260, 261, 263: one collection, told by the path of names; children come if asked for."""
    vehicle, bicycle, car, bus = await some_vehicles()

    assert [one["_class_id"] for one in raw.vehicles.find(sort=[("_id", 1)])] == [
        "_Vehicle", "_Vehicle._Bicycle", "_Vehicle._Car", "_Vehicle._Car._Bus",
    ]  # fmt: skip
    assert "body" not in raw.vehicles.find_one({"_id": bicycle.id})
    white = await Vehicle.find(Vehicle.color == "white", with_children=True).to_list()
    assert [type(one) for one in white] == [Vehicle, Bicycle, Bus]
    assert [type(one) for one in await Vehicle.find().to_list()] == [Vehicle]
    assert [type(one) for one in await Car.find().to_list()] == [Car]
    assert [type(one) for one in await Car.find(with_children=True).to_list()] == [Car, Bus]
    assert [one.seats for one in await Bus.find_all().to_list()] == [80]
    assert await Vehicle.count() == await Bus.count() == 1
    assert await Car.find(with_children=True).count() == 2
    assert await Car.find(Car.body == "bus").exists() is False
    assert await Vehicle.get(bus.id) is None
    assert type(await Vehicle.get(bus.id, with_children=True)) is Bus
    assert await Bicycle.get(bus.id, with_children=True) is None
    assert (await Bus.find_one(Bus.body == "bus")) is not None
    assert await Car.aggregate([{"$count": "n"}]) == [{"n": 1}]
    found = await Vehicle.find(Bus.seats > 70, with_children=True).to_list()
    assert [one.id for one in found] == [bus.id]
    async for one in Vehicle.find(with_children=True).order_by(Vehicle.id):
        assert one.id in {vehicle.id, bicycle.id, car.id, bus.id}


async def test_polymorphic_identity(database: Database, raw: Any) -> None:
    """260, 263: one object a document, whichever class it is asked by; each writes its own."""
    _, _, car, bus = await some_vehicles()
    async with Session(database) as session:
        found: list[Any] = await session.find(Vehicle).order_by(Vehicle.id).to_list()
        assert [type(one) for one in found] == [Vehicle, Bicycle, Car, Bus]
        for class_, known in ((Bus, found[3]), (Vehicle, found[3]), (Bicycle, None)):
            assert await session.get(class_, bus.id) is known
        revisions = [one.revision_id for one in found]
        found[3].seats, found[2].tags, found[0].color = 81, ["x"], "red"
        session.delete(found[1])
        session.add(Bus(color="new"))
        await session.commit()
        assert [one.revision_id != old for one, old in zip(found, revisions, strict=True)] == [
            True, False, True, True,
        ]  # fmt: skip
    assert raw.vehicles.find_one({"_id": bus.id})["seats"] == 81
    assert raw.vehicles.find_one({"_id": car.id})["tags"] == ["x"]
    assert raw.vehicles.count_documents({}) == 4


async def test_bulk_statements_of_classes(database: Database, raw: Any) -> None:
    """261, 266: bulk changes and deletes are about the class's documents only."""
    await some_vehicles()

    assert await Bicycle.find().update({Bicycle.color: "yellow"}, all=True) == 1
    assert await Car.find(Car.color != "x", with_children=True).update({"color": "blue"}) == 2
    colours = [one["color"] for one in raw.vehicles.find(sort=[("_id", 1)])]
    assert colours == ["white", "yellow", "blue", "blue"]
    assert await Car.delete_all() == 1
    assert await Bus.find(Bus.seats == 80).delete() == 1
    assert await Vehicle.delete_all(with_children=True) == 2


async def test_links_to_roots(database: Database) -> None:
    """222: links to a root lead to documents of the right class, fetched any way."""
    vehicles = await some_vehicles()
    garage = await Garage(vehicles=vehicles[1:], bus=vehicles[3]).insert()
    for found in (
        await Garage.get(garage.id, fetch_links=True),
        await Garage.find_one(Garage.vehicles.color == "grey", fetch_links=True),
        await Garage.find_one(Garage.bus.seats == 80, fetch_links=True),
    ):
        assert [type(one) for one in found.vehicles] == [Bicycle, Car, Bus]
        assert found.bus is found.vehicles[2]
        assert changes(found) == {}
    assert await Garage.find_one(Garage.bus.seats == 81, fetch_links=True) is None
    with pytest.raises(Exception, match=r"_Garage\.bus: expected _Bus, got _Car"):
        Garage(bus=vehicles[2])


async def test_class_ids(database: Database, raw: Any) -> None:
    """84, 85, 262: what tells the class may be named; who is of none is told."""
    await Shape(area=3).insert()
    await Square(area=4).insert()
    assert [one["kind"] for one in raw["_Shape"].find(sort=[("area", 1)])] == ["shape", "square"]
    assert [type(one) for one in await Shape.find(with_children=True).to_list()] == [Shape, Square]
    assert [one.kind for one in await Square.find().to_list()] == ["square"]
    raw["_Shape"].insert_one({"kind": "circle"})
    with pytest.raises(AmbiguousRowError, match="its 'kind' is that of no class"):
        await Shape.find(with_children=True).to_list()
    raw.vehicles.insert_one({"color": "old"})
    (old,) = await Vehicle.find(with_children=True).to_list()
    assert (type(old), old.color) == (Vehicle, "old")


def test_bad_classes() -> None:
    """What contradicts itself is refused when the class is defined, by name."""
    with pytest.raises(MappingError, match=r"Boat\.Settings\.name: its documents are in the coll"):

        class Boat(_Vehicle):
            class Settings:
                name = "boats"

    with pytest.raises(MappingError, match=r"class_id_value is that of _Square too"):

        class Rhombus(_Shape):
            class Settings:
                class_id_value = "square"

    with pytest.raises(MappingError, match="union_doc must be a UnionDoc"):

        class Three(Base):
            class Settings:
                union_doc = _Vehicle

    with pytest.raises(TypeError, match="is a UnionDoc: make documents of its classes"):
        Parent()


async def test_plain_inheritance(database: Database, raw: Any) -> None:
    """264: fields and settings are inherited, collections are each class's own."""
    await Animal(name="a").insert()
    dog = await Dog(name="d").insert()

    assert "_class_id" not in raw.animals.find_one()
    assert raw["_Dog"].find_one() == {"_id": dog.id, "name": "d", "barks": True}
    assert [one.name for one in await Animal.find(with_children=True).to_list()] == ["a"]
    assert isinstance(dog, Animal)
    async with Session(database) as session:
        assert await session.get(Animal, dog.id) is None
        assert (await session.get_one(Dog, dog.id)).barks is True


async def test_union(database: Database, raw: Any) -> None:
    """86, 265, 266: the union finds documents of all its classes, each class only its own."""
    await One.insert_many([One(number=1, shared=4), One(number=2)])
    two = await Two(shared=4).insert()

    assert [one["_class_id"] for one in raw.union_docs.find(sort=[("_id", 1)])] == [
        "the_one", "the_one", "_Two",
    ]  # fmt: skip
    assert [type(one) for one in await Parent.all().to_list()] == [One, One, Two]
    assert [type(one) for one in await Parent.find({"shared": 4}).to_list()] == [One, Two]
    assert await Parent.count() == 3
    assert [one.number for one in await One.find_all().to_list()] == [1, 2]
    assert [one.text for one in await Two.find().to_list()] == ["test"]
    assert await One.get(two.id) is None
    assert await One.aggregate([{"$count": "n"}]) == [{"n": 2}]
    assert await Parent.aggregate([{"$count": "n"}]) == [{"n": 3}]
    assert type(await Parent.find_one({"text": "test"})) is Two
    async with Session(database) as session:
        found: list[Any] = await session.find(Parent).to_list()
        assert await session.get(Two, two.id) is found[2]
        assert await session.get(One, two.id) is None
        found[0].number = 7
        await session.commit()
    assert raw.union_docs.find_one({"number": 7})["_class_id"] == "the_one"
    assert await One.find(One.number > 0).update({"shared": 9}) == 2
    assert await Two.delete_all() == 1
    raw.union_docs.insert_one({"_class_id": "Four"})
    with pytest.raises(AmbiguousRowError, match="no class that is known here"):
        await Parent.all().to_list()
    assert Parent.get_collection_name() == "union_docs"


async def test_views(database: Database, raw: Any) -> None:
    """268, 90, 5: what a view gives is found, counted and aggregated, and never written."""
    await Car(color="grey", body="a").insert()
    await Car(color="grey", body="b").insert()
    await Bus(color="red", body="c").insert()

    grey = await Metrics.find_one(Metrics.color == "grey")
    assert (grey.color, grey.number, sorted(grey.bodies)) == ("grey", 2, ["a", "b"])
    assert [one.color for one in await Metrics.find(Metrics.number > 1).to_list()] == ["grey"]
    assert await Metrics.all().count() == await Metrics.count() == 2
    assert await Metrics.aggregate([{"$group": {"_id": None, "n": {"$sum": "$number"}}}]) == [
        {"_id": None, "n": 3}
    ]
    async with Session(database) as session:
        found = await session.find(Metrics).to_list()
        found[0].number = 99
        assert state(found[0]) is State.TRANSIENT
        assert not session.dirty
        session.add(found[0])
        with pytest.raises(MappingError, match="_Metrics is a View, which is only read"):
            await session.commit()
        await session.rollback()
    with pytest.raises(MappingError, match="is a View"):
        await Metrics.find(Metrics.number > 1).delete()

    raw.command({"drop": "metrics"})
    raw.command({"create": "metrics", "viewOn": "vehicles", "pipeline": []})
    for anew, count in ((False, 3), (True, 2)):
        await init_documents(database=database, document_models=[_Metrics], recreate_views=anew)
        assert await Metrics.find().count() == count


async def test_views_and_unions_have_the_queries_of_documents(database: Database) -> None:
    """163-174, 189, 199, 265, 268: sorted, cut, projected, computed as documents are."""
    await Car(color="grey", body="a").insert()
    await Car(color="grey", body="b").insert()
    await Bus(color="red", body="c").insert()
    by_number = Metrics.find_all(sort="-number")

    assert [one.number for one in await by_number.to_list()] == [2, 1]
    assert (await Metrics.find(skip=1, limit=1).sort(Metrics.number).to_list())[0].number == 2
    assert (await by_number.first_or_none()).color == "grey"
    shown = Metrics.find_one(Metrics.number == 2).project(Counted)
    assert await shown == Counted(2)
    assert await Metrics.find(Metrics.number > 1).aggregate([{"$count": "n"}]).to_list() == [
        {"n": 1}
    ]
    in_order = [{"$sort": {"number": 1}}]
    assert await Metrics.aggregate(in_order, Counted) == [Counted(1), Counted(2)]
    assert (await Metrics.sum(Metrics.number), await Metrics.avg("number")) == (3, 1.5)
    assert (await Metrics.max("number"), await Metrics.find().min(Metrics.number)) == (2, 1)
    assert sorted(await Metrics.distinct("number")) == [1, 2]
    assert await Metrics.find_one(Metrics.number > 5).exists() is False
    grey = await Metrics.find_one(Metrics.number == 2)
    assert grey.model_dump(include={"number"}) == {"number": 2}

    await One.insert_many([One(number=1, shared=4), One(number=2)])
    await Two(shared=5).insert()
    assert [one.number for one in await Parent.find(sort="-number", limit=2).to_list()] == [2, 1]
    assert await Parent.aggregate([{"$match": {"shared": 4}}, {"$count": "n"}]).to_list() == [
        {"n": 1}
    ]
    assert type(await Parent.find_one({"shared": 5})) is Two
    assert await Parent.find_one({"shared": 5}).count() == 1
    assert [type(one) async for one in Parent.find({"shared": {"$gt": 3}})] == [One, Two]


async def test_aggregates_are_of_the_class_alone(database: Database) -> None:
    """53, 261: like `find`, `aggregate` is about the class itself unless told otherwise."""
    await Vehicle(color="red").insert()
    await Car(color="grey", body="a").insert()

    count = [{"$count": "n"}]
    assert await Vehicle.aggregate(count) == await Vehicle.find().aggregate(count) == [{"n": 1}]
    assert await Vehicle.aggregate(count, with_children=True) == [{"n": 2}]


async def test_views_with_links(database: Database) -> None:
    """269: links of what a view gives are fetched like those of documents."""
    bus = await Bus(color="red").insert()
    await Garage(bus=bus).insert()
    await Garage(bus=ObjectId()).insert()

    class Again(View):
        class Settings:
            name = "again"
            source = _Garage
            pipeline = [{"$sort": {"_id": 1}}]  # noqa: RUF012
            registry = Registry()

        bus: Link[_Bus] | None = None

    again: Any = Again
    await init_documents(database=database, document_models=[again])
    one, two = await again.find(fetch_links=True).to_list()
    assert (one.bus.color, type(two.bus)) == ("red", Link)
    (one,) = await again.find(again.bus.color == "red", fetch_links=True).to_list()
    assert one.bus.seats == 10
    one = await again.find_one()
    await one.fetch_link("bus")
    assert one.bus.color == "red"
    one = await again.find_one()
    await one.fetch_all_links()
    assert one.bus.color == "red"
    with pytest.raises(QueryError, match="unexpected keyword argument 'lazy'"):
        await again.find(lazy=True).to_list()


async def test_views_say_what_they_show(database: Database) -> None:
    """90: a view without a source is refused before anything is sent."""

    class Blind(View):
        class Settings:
            registry = Registry()

        number: int = 0

    with pytest.raises(MappingError, match="Blind is a View: its Settings say the source"):
        await init_documents(database=database, document_models=[Blind])
    with pytest.raises(QueryError):
        await Metrics.aggregate([{"$out": "x"}])


async def test_own_field_tells_the_class(database: Database) -> None:
    """262: the field that tells the class may be declared; nobody gives it another value."""

    class Thing(Document):
        class Settings:
            is_root = True
            registry = Registry()

        id: Mapped[int] = Column(primary_key=True)
        _class_id: str

    with pytest.raises(Exception, match="it tells the class of an object"):
        Thing(id=1, _class_id="other")


class Watched:
    """Tells when a value is parsed."""

    parsed = 0

    @classmethod
    def read(cls, value: Any) -> str:
        """Count."""
        cls.parsed += 1
        return str(value)


class _Late(Base):
    class Settings:
        use_revision = True

    name: Mapped[str] = Column(
        type=Native("watched", store="mongodb", encode=str, decode=Watched.read)
    )
    tags: list[str] = []  # noqa: RUF012


async def test_lazy_parse(database: Database, raw: Any) -> None:
    """181: what is loaded is parsed when something of it is read, and then like any other."""
    late: Any = _Late
    await init_documents(database=database, document_models=[late])
    await late.insert_many([late(name=f"n{n}", tags=["a"]) for n in range(3)])
    Watched.parsed = 0
    async with Session(database) as session:
        found = await late.find(lazy_parse=True).order_by(late.id).to_list()
        one, two, three = found
        assert Watched.parsed == 0
        assert isinstance(one, late)
        assert one.id is not None
        assert one.revision_id is not None
        assert Watched.parsed == 0
        assert (one.name, one.tags) == ("n0", ["a"])
        assert Watched.parsed == 1
        two.tags = ["b"]
        one.tags.append("c")
        session.delete(three)
        assert Watched.parsed == 2
        assert await session.get(late, one.id) is one
        assert copy.copy(two).name == "n1"
        await session.commit()
    assert [one["tags"] for one in raw["_Late"].find(sort=[("_id", 1)])] == [["a", "c"], ["b"]]
    (again, _) = await late.find(lazy_parse=True).order_by(late.id).to_list()
    assert again.tags == ["a", "c"]
    await some_vehicles()
    found = await Vehicle.find(with_children=True, lazy_parse=True).to_list()
    assert sorted(type(one).__name__ for one in found) == ["_Bicycle", "_Bus", "_Car", "_Vehicle"]
    assert {one.color for one in found} == {"white", "grey"}
