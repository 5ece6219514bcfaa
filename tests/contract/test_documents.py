"""Documents: what MongoDB is sent, what it holds, and what it is never sent (D1-D4, M1, M4, M6)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from types import ModuleType
from typing import Annotated, Any, cast
from uuid import UUID

import attrs
import pydantic
import pytest
from bson import ObjectId
from pymongo import AsyncMongoClient

from tests.contract.sent import Sent
from tests.mongod import start_standalone
from tests.support.mongodb import database_of
from uow import (
    Column,
    CommitUnknownError,
    Database,
    DeleteRules,
    Document,
    Indexed,
    InvalidUnitError,
    Link,
    Mapped,
    MappingError,
    Outcome,
    QueryError,
    Registry,
    Session,
    StaleObjectError,
    Table,
    ValidationError,
    WriteRules,
    aliased,
    changes,
    func,
    init_documents,
    insert,
    select,
)

pytestmark = [pytest.mark.anyio, pytest.mark.needs("documents")]

registry = Registry()


class Street(pydantic.BaseModel):
    """A pydantic model whose stored names are not its own."""

    name: str = pydantic.Field(alias="streetName")
    number: int | None = None


@attrs.define
class Address:
    """An attrs class that holds a model."""

    city: str
    street: Street | None = None


@dataclasses.dataclass
class Visit:
    """A dataclass."""

    at: datetime
    price: Decimal = Decimal(0)


class Person(Document):
    """A field of every kind."""

    class Settings:
        name = "document_people"
        registry = registry
        use_revision = True

    name: str
    age: Annotated[int, Indexed()] = 0
    nick: str | None = pydantic.Field(default=None, alias="nickName")
    address: Address | None = None
    visits: list[Visit] = pydantic.Field(default_factory=list)
    tags: list[str] = []  # noqa: RUF012 - documents copy mutable defaults
    meta: dict[str, Any] = {}  # noqa: RUF012
    born: datetime | None = None


class Sparse(Document):
    """Leaves out what is None."""

    class Settings:
        name = "document_sparse"
        registry = registry
        keep_nulls = False

    name: str
    note: str | None = None
    address: Address | None = None


@pytest.fixture
def raw(url: str) -> Iterator[Any]:
    """The database, past this library."""
    with database_of(url) as found:
        yield found


def person(**values: Any) -> Person:
    """A person with an address."""
    street = Street(streetName="Main", number=1)
    return Person(**{"name": "Ann", "address": Address("Oslo", street), **values})


async def store(database: Database, *objects: Any) -> None:
    """Store objects."""
    async with Session.begin(database) as session:
        session.add_all(objects)


async def test_what_is_stored(database: Database, raw: Any) -> None:
    """M6: a document is what its class says, by the stored names, nested values at any depth."""
    moment = datetime(2024, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    ann = person(age=3, visits=[Visit(moment, Decimal("1.50"))], meta={"a": {"b": [1, None]}})
    await store(database, ann)
    (found,) = raw.document_people.find()

    assert found["_id"] == ann.id
    assert list(found) == [
        "_id", "name", "age", "nickName", "address", "visits", "tags", "meta", "born",
        "revision_id",
    ]  # fmt: skip
    assert found["address"] == {"city": "Oslo", "street": {"streetName": "Main", "number": 1}}
    assert found["visits"][0]["at"] == moment
    assert str(found["visits"][0]["price"]) == "1.50"
    async with Session(database) as session:
        again = await session.get_one(Person, ann.id)

        assert again.address == ann.address
        assert again.visits == ann.visits
        assert (again.meta, again.tags) == (ann.meta, [])


async def test_only_what_changed_is_written(database: Database, raw: Any, sent: Sent) -> None:
    """D3, trap 21: paths are set and unset; what the class does not know of stays as it is."""
    ann = person(age=3, visits=[Visit(datetime(2024, 1, 1, tzinfo=UTC))], meta={"x": 1, "y": 2})
    await store(database, ann)
    extra = {"extra": 1, "address.extra": 2, "visits.0.extra": 3}
    raw.document_people.update_one({}, {"$set": extra})
    async with Session(database) as session:
        ann = await session.get_one(Person, ann.id)
        assert ann.address is not None
        assert ann.address.street is not None
        ann.age = 4
        ann.address.street.number = 7
        ann.visits[0].price = Decimal(5)
        del ann.meta["x"]

        assert changes(ann) == {
            "age": (3, 4),
            "address.street.number": (1, 7),
            "visits.0.price": (
                changes(ann)["visits.0.price"][0],
                changes(ann)["visits.0.price"][1],
            ),
            "meta.x": (1, None),
        }
        # Somebody else writes another field of the same document in between.
        raw.document_people.update_one({}, {"$set": {"nickName": "A"}})
        sent.clear()
        await session.commit()

        assert sent.texts == ["UPDATE document_people (1)"]
        (operation,) = cast("Any", sent)[0].operations
        assert operation[2]["$unset"] == {"meta.x": ""}
        assert set(operation[2]["$set"]) == {
            "age", "address.street.number", "visits.0.price", "revision_id",
        }  # fmt: skip
    (found,) = raw.document_people.find()

    assert (found["extra"], found["address"]["extra"], found["visits"][0]["extra"]) == (1, 2, 3)
    assert (found["nickName"], found["meta"], found["age"]) == ("A", {"y": 2}, 4)


async def test_lists_are_added_to_and_taken_from(database: Database, raw: Any, sent: Sent) -> None:
    """What was put into a list or taken out of it is told as that, so others' additions stay."""
    ann = person(tags=["a", "b"], meta={"n": [1, 2, 1, 3], "log": [], "old": [1]})
    await store(database, ann)
    async with Session(database) as session:
        ann = await session.get_one(Person, ann.id)
        ann.tags.append("c")
        ann.meta["n"][:] = [2, 3]
        ann.meta["log"].append({"x": 1})
        ann.meta["old"] = [2]
        raw.document_people.update_one({}, {"$push": {"tags": "z", "meta.log": 0}})
        sent.clear()
        await session.commit()

        (operation,) = cast("Any", sent)[0].operations
        assert operation[2]["$push"] == {"tags": "c", "meta.log": {"$each": [{"x": 1}]}}
        assert operation[2]["$pull"] == {"meta.n": 1}
        assert set(operation[2]["$set"]) == {"meta.old.0", "revision_id"}
        # A collation could make other texts equal to the one that was taken out.
        ann.tags.remove("a")
        sent.clear()
        await session.commit()
        (operation,) = cast("Any", sent)[0].operations
        assert operation[2]["$set"]["tags"] == ["b", "c"]
    (found,) = raw.document_people.find()

    assert (found["tags"], found["meta"]) == (
        ["b", "c"],
        {"n": [2, 3], "log": [0, {"x": 1}], "old": [2]},
    )


async def test_set_back_is_no_change(database: Database, sent: Sent) -> None:
    """Trap 22: what was changed back inside of a value is not written."""
    await store(database, person())
    async with Session(database) as session:
        ann = await session.find(Person).one()
        assert ann.address is not None
        ann.address.city = "Bergen"
        ann.address.city = "Oslo"
        ann.tags.append("x")
        ann.tags.remove("x")
        sent.clear()
        await session.commit()

        assert sent == []


async def test_revisions(database: Database, raw: Any) -> None:
    """F47: a revision is in the filter of every update and delete, and new with every write."""
    ann = person()
    await store(database, ann)
    first = cast("Any", ann).revision_id
    async with Session(database) as one, Session(database) as other:
        mine, theirs = await one.get_one(Person, ann.id), await other.get_one(Person, ann.id)
        mine.age = 1
        await one.commit()
        second = cast("Any", mine).revision_id
        theirs.age = 2
        with pytest.raises(StaleObjectError) as caught:
            await other.commit()

        assert caught.value.objects == (theirs,)
        assert len({first, second}) == 2
        assert all(isinstance(revision, UUID) for revision in (first, second))
        await other.rollback()
        assert cast("Any", theirs).revision_id == first
        other.delete(theirs)
        with pytest.raises(StaleObjectError):
            await other.commit()
        await other.rollback()
    assert raw.document_people.find_one()["age"] == 1


async def test_stale_documents_of_a_unit_are_named(database: Database, raw: Any) -> None:
    """U8: of many documents in one bulk write those are named that were not found."""
    people = [person(name=str(n)) for n in range(6)]
    await store(database, *people)
    async with Session(database) as session:
        found = await session.find(Person).order_by(cast("Any", Person).name).to_list()
        for number, one in enumerate(found):
            if number < 3:
                one.age = 9
            else:
                session.delete(one)
        raw.document_people.update_one({"_id": found[1].id}, {"$set": {"revision_id": None}})
        with pytest.raises(StaleObjectError) as caught:
            await session.commit()

        assert caught.value.objects == (found[1],)
        await session.rollback()
        raw.document_people.delete_one({"_id": found[4].id})
        for one in found[3:]:
            session.delete(one)
        with pytest.raises(StaleObjectError) as caught:
            await session.commit()

        assert caught.value.objects == (found[4],)
        await session.rollback()
    assert raw.document_people.count_documents({"age": 9}) == 0


async def test_one_bulk_write_a_collection(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """D3: a flush is one bulk write a collection; one document alone needs no transaction."""
    async with Session(database) as session:
        session.add(person())
        await session.commit()
        assert sent.texts == ["INSERT document_people (1)"]
        (ann,) = list(session)
        sent.clear()
        ann.age = 5
        session.add_all([person(name="b"), person(name="c"), models.Note(text="n")])
        await session.commit()

        assert [one if isinstance(one, str) else cast("Any", one).collection for one in sent] == [
            "BEGIN", "document_people", "notes", "COMMIT",
        ]  # fmt: skip


async def test_a_failed_unit_leaves_nothing(
    database: Database, models: ModuleType, raw: Any
) -> None:
    """U6, F54: a document that is refused takes the whole unit with it; it can be repeated."""
    await store(database, models.Author(email="taken", name="x"))
    async with Session(database) as session:
        ann, author = person(), models.Author(email="taken", name="y")
        session.add_all([ann, author])
        with pytest.raises(Exception, match="unique"):
            await session.commit()

        assert (ann.id, author.id) == (None, None)
        assert session.new == {ann, author}
        assert raw.document_people.count_documents({}) == 0
        author.email = "free"
        await session.commit()
    assert raw.document_people.count_documents({}) == 1
    assert raw.authors.count_documents({}) == 2


async def test_nulls_that_are_left_out(database: Database, raw: Any) -> None:
    """Settings.keep_nulls = False: None is not stored, and takes a field out."""
    one = Sparse(name="a", note="n")
    await store(database, one)
    assert list(raw.document_sparse.find_one()) == ["_id", "name", "note"]
    async with Session(database) as session:
        one = await session.get_one(Sparse, one.id)
        one.note = None
        one.address = Address("Oslo")
        await session.commit()
    found = raw.document_sparse.find_one()

    assert "note" not in found
    assert found["address"] == {"city": "Oslo", "street": None}


def _noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


async def test_encoders_of_a_class(database: Database, raw: Any) -> None:
    """Settings.bson_encoders say how values of a class are stored, at any depth."""

    class Own(Document):
        class Settings:
            name = "document_own"
            registry = Registry()
            bson_encoders = {  # noqa: RUF012
                date: _noon,
                str: str.upper,
            }

        name: str
        day: date
        amount: int = 1
        meta: dict[str, Any] = {}  # noqa: RUF012

    await store(database, Own(name="a", day=date(2024, 1, 2), meta={"x": ["y"]}))
    found = raw.document_own.find_one()

    assert (found["name"], found["amount"], found["meta"]) == ("A", 1, {"x": ["Y"]})
    assert found["day"] == datetime(2024, 1, 2, 12, tzinfo=UTC)
    async with Session(database) as session:
        assert (await session.find(Own).one()).day == date(2024, 1, 2)


async def test_missing_fields_have_their_defaults(database: Database, raw: Any) -> None:
    """A document that lacks fields is read with their defaults, which are no change."""
    raw.document_people.insert_one({"name": "old"})
    async with Session(database) as session:
        old = await session.find(Person).one()

        assert (old.age, old.nick, old.tags, old.meta, old.address) == (0, None, [], {}, None)
        assert changes(old) == {}
        old.tags.append("x")
        await session.commit()
        old.meta["a"] = 1
        await session.rollback()
        assert old.meta == {}
    found = raw.document_people.find_one()

    assert found["tags"] == ["x"]
    assert "meta" not in found


async def test_instants_are_cut_to_milliseconds(database: Database) -> None:
    """V12: BSON keeps milliseconds, and what is written is what memory holds."""
    ann = person(born=datetime(2024, 1, 1, 1, 1, 1, 123456, tzinfo=UTC))
    assert ann.born == datetime(2024, 1, 1, 1, 1, 1, 123000, tzinfo=UTC)
    await store(database, ann)
    async with Session(database) as session:
        ann = await session.get_one(Person, ann.id)
        ann.born = datetime(2024, 1, 1, 1, 1, 1, 999999, tzinfo=UTC)
        await session.commit()

        assert ann.born == datetime(2024, 1, 1, 1, 1, 1, 999000, tzinfo=UTC)
        session.clear()
        assert (await session.get_one(Person, ann.id)).born == ann.born


VALUES: dict[str, list[Any]] = {
    "number": [0, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)],
    "flag": [True, False],
    "text": ["", "it's", "$where", "a.b", "日本語", "\U0001f600", "x" * 100_000],
    "data": [b"", b"\0\xff"],
    "ratio": [0.0, 1.0, 1 / 3, 1e308, float("inf")],
    "price": [Decimal("9.99"), Decimal(0), Decimal("-10.50")],
    "exact": [Decimal("12345678901234567890.0123456789")],
    "day": [date(2024, 2, 29), date(1, 1, 1), date(9999, 12, 31)],
    "hour": [time(0), time(23, 59, 59, 999999)],
    "moment": [datetime(2024, 1, 1, 12, 0, 0, 123000, tzinfo=UTC), datetime(1, 1, 2, tzinfo=UTC)],
    "local": [datetime(2024, 1, 1, 12, 30)],  # noqa: DTZ001 - the naive kind
    "span": [timedelta(0), timedelta(microseconds=1), timedelta(days=-3, seconds=7)],
    "key": [UUID(int=0), UUID(int=2**128 - 1)],
    "document": [{}, {"a": [1, {"b": None}], "when": datetime(2024, 1, 1, tzinfo=UTC)}],
    "names": [[], ["a", "b"]],
    "numbers": [[], [1, -1]],
}


@pytest.mark.parametrize("name", list(VALUES))
async def test_values_come_back(database: Database, models: ModuleType, name: str) -> None:
    """M5, P9: values come back as they were, by objects and by statements, and are found."""
    everything = models.Everything
    for value in VALUES[name]:
        one = everything(**{name: value})
        async with Session(database) as session:
            session.add(one)
            await session.flush()
            await session.execute(insert(everything, {name: value}))
            await session.commit()
        async with Session(database) as session:
            found = await session.find(everything, getattr(everything, name) == value).to_list()

            assert len(found) == 2
            for each in found:
                held = getattr(each, name)
                assert held == value
                assert type(held) is type(value) or isinstance(value, (dict, list))
            column = getattr(everything, name)
            read = await session.find(everything, column == value).select(column).to_list()
            assert [row[0] for row in read] == [value, value]
            await session.find(everything).delete(all=True)
            await session.commit()


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"meta": {"$set": 1}}, "Person.meta"),
        ({"meta": {"a": {"b.c": 1}}}, "Person.meta"),
        ({"meta": {"a": [{"": 1}]}}, "Person.meta"),
        ({"meta": {"n": 2**63}}, "Person.meta"),
        ({"meta": {"x": object()}}, "Person.meta"),
        ({"age": 2**63}, "Person.age"),
        ({"age": {"$gt": 1}}, "Person.age"),
        ({"name": re.compile("x")}, "Person.name"),
        ({"name": "\0"}, "Person.name"),
        ({"born": datetime(2024, 1, 1)}, "Person.born"),  # noqa: DTZ001 - naive on purpose
    ],
)
async def test_values_that_are_refused(
    database: Database, sent: Sent, values: dict[str, Any], place: str
) -> None:
    """F68, F72-F75: what a document cannot hold is refused before anything is sent."""
    with pytest.raises(ValidationError, match=re.escape(place)):
        person(**values)
    ann = person()
    async with Session(database) as session:
        session.add(ann)
        for name, value in values.items():
            setattr(ann, name, value)
        with pytest.raises(InvalidUnitError, match=re.escape(place)):
            await session.commit()
        await session.rollback()

    assert [word for word in sent.words if word != "ROLLBACK"] == []


async def test_decimals_out_of_range(database: Database, models: ModuleType, sent: Sent) -> None:
    """F75: a decimal of more than 34 digits is refused by name, before anything is sent."""
    async with Session(database) as session:
        visit = Visit(datetime(2024, 1, 1, tzinfo=UTC), Decimal("1." + "1" * 40))
        session.add(person(visits=[visit]))
        with pytest.raises(InvalidUnitError, match=r"Person\.visits.*34 digits"):
            await session.commit()
        await session.rollback()

    assert [word for word in sent.words if word == "INSERT"] == []


async def test_filters(database: Database) -> None:
    """D2, trap 3: paths, aliases, indices, and raw filters beside expressions, none is lost."""
    await store(
        database,
        person(name="a.b", age=1, tags=["x", "y"], meta={"k": 1, "d": {"e": 2}}, nick="N"),
        person(name="axb", age=5, tags=["y"], address=Address("Rome")),
        person(name="c", age=9, address=None, visits=[Visit(datetime(2024, 1, 1, tzinfo=UTC))]),
    )
    proxy = cast("Any", Person)
    cases: list[tuple[list[Any], set[int]]] = [
        ([proxy.address.city == "Oslo"], {1}),
        ([proxy.address.street.name == "Main"], {1}),
        ([proxy.address.street.name.startswith("M")], {1}),
        ([proxy.address == None], {9}),  # noqa: E711 - a condition
        ([proxy.tags[0] == "y"], {5}),
        ([proxy.tags.contains("y")], {1, 5}),
        ([proxy.meta["k"] == 1], {1}),
        ([proxy.meta["d"]["e"].in_([2, 3])], {1}),
        ([proxy.nick == "N"], {1}),
        ([proxy.name.startswith("a.")], {1}),
        ([proxy.name.like("a_b")], {1, 5}),
        ([proxy.visits.at >= datetime(2024, 1, 1, tzinfo=UTC)], {9}),
        ([{"age": {"$gt": 1}}, proxy.age < 9], {5}),
        ([{"age": {"$gt": 1}}, {"age": {"$lt": 9}}], {5}),
        ([{proxy.address.street.name: "Main"}], {1}),
        ([proxy.age > 1, proxy.age < 9], {5}),
        ([~(proxy.age > 1)], {1}),
        ([proxy.address.city != "Oslo"], {5, 9}),
        ([(proxy.age == 1) | (proxy.age == 9)], {1, 9}),
        ([proxy.age * 2 == 10], {5}),
        ([func.length(proxy.name) == 1], {9}),
        ([proxy.age.in_([])], set()),
    ]
    async with Session(database) as session:
        for conditions, ages in cases:
            found = await session.find(Person, *conditions).to_list()

            assert {one.age for one in found} == ages, conditions
            assert await session.find(Person, *conditions).count() == len(ages)
            assert await session.find(Person, *conditions).exists() is bool(ages)


async def test_values_are_no_operators(database: Database, sent: Sent) -> None:
    """F68: a value beside a field is a value, whatever it looks like."""
    await store(database, person(name="$ne", meta={"k": "v"}))
    proxy = cast("Any", Person)
    sent.clear()
    async with Session(database) as session:
        assert await session.find(Person, proxy.name == "$ne").count() == 1
        assert await session.find(Person, proxy.name.contains(".*")).count() == 0
        for wrong in ({"$ne": None}, ["x"], re.compile(".*")):
            with pytest.raises((ValidationError, QueryError)):
                await session.find(Person, proxy.name == wrong).count()
        with pytest.raises((ValidationError, QueryError)):
            await session.find(Person, proxy.meta["k"] == {"$ne": 1}).count()
        with pytest.raises(QueryError):
            await session.find(Person, proxy.meta["$where"] == 1).count()
        with pytest.raises(ValidationError):
            await session.get(Person, cast("Any", {"$ne": None}))

    assert len(sent) == 2


async def test_rows_groups_and_orders(database: Database) -> None:
    """D2, Q6: projections, groups, distinct rows, orders with the place of NULL, pages."""
    people = [person(name=f"{n}", age=n % 3, nick=None if n % 2 else "n") for n in range(8)]
    await store(database, *people)
    proxy = cast("Any", Person)
    async with Session(database) as session:
        query = session.find(Person)
        groups = query.group_by(proxy.age).having(func.count() > 2).order_by(-proxy.age)

        assert [tuple(row) for row in await groups.select(proxy.age, func.count()).to_list()] == [
            (1, 3), (0, 3),
        ]  # fmt: skip
        total = await query.select(func.sum(proxy.age), func.max(proxy.name)).one()
        assert tuple(total) == (7, "7")
        nothing = await query.filter(proxy.age > 99).select(func.count(), func.sum(proxy.age)).one()
        assert tuple(nothing) == (0, None)
        distinct = await query.select(proxy.nick).distinct().order_by(proxy.nick).to_list()
        assert [row[0] for row in distinct] == [None, "n"]
        ordered = await query.order_by(proxy.nick.nulls_last(), proxy.name).to_list()
        assert [one.nick for one in ordered] == ["n"] * 4 + [None] * 4
        cities = await query.select(proxy.address.city.label("city"), proxy.address).limit(1).one()
        assert (cities.city, cities.address) == ("Oslo", people[0].address)
        names: list[str] = []
        page = await query.order_by(-proxy.age, proxy.nick).page(3)
        while True:
            names += [one.name for one in page.items]
            if page.next is None:
                break
            page = await query.order_by(-proxy.age, proxy.nick).page(3, after=page.next)
        assert sorted(names) == [str(n) for n in range(8)]
        pipeline: list[dict[str, Any]] = [
            {"$group": {"_id": "$age", "n": {"$sum": 1}}},
            {"$sort": {"_id": 1}},
        ]
        assert await session.aggregate(Person, pipeline) == [
            {"_id": 0, "n": 3}, {"_id": 1, "n": 3}, {"_id": 2, "n": 2},
        ]  # fmt: skip
        with pytest.raises(QueryError, match=r"\$out"):
            await session.aggregate(Person, [{"$out": "x"}])


async def test_bulk_statements(database: Database, raw: Any) -> None:
    """Bulk statements change what they find, with a limit too, and count revisions up."""
    await store(database, *[person(name=str(n), age=n) for n in range(5)])
    proxy = cast("Any", Person)
    async with Session(database) as session:
        loaded = await session.find(Person, proxy.age == 0).one()
        before = cast("Any", loaded).revision_id
        changed = await session.find(Person, proxy.age < 2).update({"age": proxy.age + 10})
        assert changed == 2
        await session.refresh(loaded)
        assert loaded.age == 10
        assert cast("Any", loaded).revision_id != before
        first = session.find(Person).order_by(proxy.name).limit(2)
        assert await first.update({"nick": "first"}) == 2
        assert await session.find(Person, proxy.age > 100).delete() == 0
        assert await session.find(Person, proxy.name == "4").delete() == 1
        await session.commit()

    assert raw.document_people.count_documents({"nickName": "first"}) == 2
    assert sorted(one["age"] for one in raw.document_people.find()) == [2, 3, 10, 11]


async def test_what_documents_cannot(database: Database, sent: Sent) -> None:
    """What a document store cannot say is a `QueryError` by name, and nothing is sent."""
    proxy = cast("Any", Person)
    other = aliased(Person)
    async with Session(database) as session:
        query = session.find(Person)
        wrong: list[Any] = [
            query.join(other, cast("Any", other).age == proxy.age),
            query.union(query.filter(proxy.age > 3)),
            query.filter(proxy.age.in_(query.select(proxy.age))),
            query.select(func.row_number().over(order_by=proxy.age)),
            query.for_update(),
            session.find(other),
        ]
        for one in wrong:
            with pytest.raises(QueryError, match="MongoDB"):
                await one.to_list()
        with pytest.raises(QueryError, match="savepoints"):
            async with session.begin_nested():
                pass

    assert [word for word in sent.words if word not in {"BEGIN", "ROLLBACK"}] == []


async def test_the_wrong_store(database: Database, sent: Sent) -> None:
    """M1: a table in a document store, and the other way round, is an error that names both."""

    class Row(Table):
        class Settings:
            registry = Registry()

        id: Mapped[int] = Column(primary_key=True)

    row = cast("Any", Row)
    async with Session(database) as session:
        for wrong in (session.find(Row).to_list(), session.get(Row, 1), session.find(Row).count()):
            with pytest.raises(MappingError, match=r"Row is a Table.*mongodb.*Document"):
                await wrong
        with pytest.raises(MappingError, match="Row is a Table"):
            await session.execute(select(row.id))
        session.add(Row(id=1))
        with pytest.raises(MappingError, match="Row is a Table"):
            await session.commit()
        session.clear()
    with pytest.raises(MappingError, match="Row is a Table"):
        await database.create_all([Row])

    assert sent == []
    async with Database("memory://") as tables, Session(tables) as session:
        with pytest.raises(MappingError, match=r"Person is a Document.*tables.*Table"):
            await session.find(Person).to_list()
        with pytest.raises(MappingError, match="Person is a Document"):
            await tables.create_all([Person])


async def test_indexes_are_made_and_compared(database: Database, raw: Any) -> None:
    """`create_all` makes what is missing, leaves what is there, and says what differs."""

    def declare(**options: Any) -> type[Document]:
        class Indexes(Document):
            class Settings:
                name = "document_indexes"
                registry = Registry()
                indexes = ["b", [("a", 1), ("c.d", -1)]]  # noqa: RUF012

            a: Annotated[int, Indexed(**options)] = 0
            b: int = 0
            c: dict[str, int] = {}  # noqa: RUF012

        return Indexes

    raw.drop_collection("document_indexes")
    await database.create_all([declare(unique=True)])
    await database.create_all([declare(unique=True)])
    found = raw.document_indexes.index_information()

    assert set(found) == {"_id_", "a_1", "b_1", "a_1_c.d_-1"}
    assert found["a_1"]["unique"] is True
    with pytest.raises(MappingError, match="a_1"):
        await database.create_all([declare()])
    await init_documents(database, document_models=[declare()], allow_index_dropping=True)
    assert "unique" not in raw.document_indexes.index_information()["a_1"]
    await database.drop_all([declare()])
    assert "document_indexes" not in raw.list_collection_names()


async def test_documents_over_a_client_of_the_users(url: str, backend: Any) -> None:
    """`init_documents` binds classes to an open database, whose instants it leaves as they are."""

    class Pet(Document):
        class Settings:
            registry = Registry()
            name = "document_pets"

        name: str
        born: datetime | None = None

    if backend.name == "motor":
        from motor.motor_asyncio import AsyncIOMotorClient

        client: Any = AsyncIOMotorClient(url.replace("mongodb+motor", "mongodb"))
    else:
        client = AsyncMongoClient(url)
    try:
        mine = client.get_default_database()
        with pytest.raises(ValidationError, match="one of"):
            await init_documents(document_models=[Pet])
        with pytest.raises(ValidationError, match="AsyncDatabase"):
            await init_documents(database=object(), document_models=[Pet])
        database = await init_documents(database=mine, document_models=[Pet])
        pet = await Pet(name="Rex", born=datetime(2024, 1, 1, 1, 1, 1, 1999)).insert()  # noqa: DTZ001
        again = await Pet.get(pet.id)

        assert again is not None
        by_text = await Pet.get(str(pet.id))
        assert by_text is not None
        assert by_text.id == pet.id
        with pytest.raises(ValidationError, match=r"Pet\.id"):
            await Pet.get("none")
        assert isinstance(pet.id, ObjectId)
        assert again.born == pet.born == datetime(2024, 1, 1, 1, 1, 1, 1000)  # noqa: DTZ001
        again.name = "Max"
        assert await again.save_changes() is again
        assert await again.save_changes() is None
        assert [one.name for one in await Pet.find({"name": "Max"}).to_list()] == ["Max"]
        await Pet.insert_many([Pet(name="a"), Pet(name="b")])
        assert await Pet.count() == 3
        async with Session(database) as session:
            one = await Pet.find_one({"name": "a"})
            assert one is not None
            assert await session.get(Pet, one.id) is one
            await one.delete()
            await session.rollback()
        assert await Pet.delete_all() == 3
        assert await Pet.get(pet.id) is None
        await database.aclose()
        assert await mine.command("ping")
    finally:
        closing = client.close()
        if closing is not None:
            await closing


async def test_a_server_without_transactions(backend: Any) -> None:
    """F62: a unit of several documents is refused by name, unless it need not be one."""
    scheme = "mongodb+motor://" if backend.name == "motor" else "mongodb://"
    with start_standalone() as place:
        async with Database(place.replace("mongodb://", scheme)) as database:
            await database.create_all([Person])
            async with Session(database) as session:
                session.add(person(name="alone"))
                await session.commit()
                session.add_all([person(name="a"), person(name="b")])
                with pytest.raises(QueryError, match="atomic=False"):
                    await session.commit()
                await session.rollback()
            async with Session(database, atomic=False) as session:
                ann = person(name="a")
                session.add_all([ann, person(name="b")])
                await session.commit()
                assert await session.find(Person).count() == 3
                ann.age = 3
                clash = person(name="c")
                clash.id = ann.id
                session.expunge(ann)
                first = person(name="d")
                session.add_all([first, clash, last := person(name="e")])
                with pytest.raises(CommitUnknownError) as caught:
                    await session.commit()

                assert caught.value.outcome is Outcome.UNKNOWN
                became = {id(obj): outcome for obj, outcome in caught.value.outcomes}
                assert became == {
                    id(first): Outcome.APPLIED,
                    id(last): Outcome.APPLIED,
                    id(clash): Outcome.NOT_APPLIED,
                }
                with pytest.raises(CommitUnknownError):
                    await session.find(Person).count()
                await session.rollback()
                assert await session.find(Person).count() == 5
    async with Database("memory://") as tables:
        with pytest.raises(QueryError, match="atomic"):
            Session(tables, atomic=False)
    with pytest.raises(ValidationError, match="atomic=False is for document stores"):
        Database("memory://", atomic=False)


class Alone(Document):
    """Lives on a server without transactions."""

    class Settings:
        registry = Registry()

    name: str
    number: int = 0
    other: Link[Alone] | None = None


async def test_verbs_without_transactions(backend: Any) -> None:
    """F62: classes that are bound with `atomic=False` need none, with or without a session."""
    found: Any = Alone
    scheme = "mongodb+motor://" if backend.name == "motor" else "mongodb://"
    with start_standalone() as place:
        url = place.replace("mongodb://", scheme)
        async with await init_documents(
            connection_string=url, document_models=[Alone], atomic=False
        ) as database:
            await found.insert_many([Alone(name="a"), Alone(name="b")])
            one = await found(name="c", other=Alone(name="d")).insert(link_rule=WriteRules.WRITE)
            assert await found.find(found.number == 0).inc({found.number: 1}) == 4
            assert await found.find_one(found.name == "a").set({found.name: "e"}) == 1
            await one.set({found.name: "f"})
            await one.replace()
            assert await found.find(found.name == "e").delete() == 1
            await one.delete(link_rule=DeleteRules.DELETE_LINKS)
            assert [left.name for left in await found.find_all().to_list()] == ["b"]
            async with Session(database) as session:
                session.add_all([Alone(name="g"), Alone(name="h")])
                await session.commit()
            assert await found.count() == 3
            with pytest.raises(QueryError, match=r"init_documents\(\.\.\., atomic=False\)"):
                async with Session.begin(database, atomic=True) as session:
                    session.add_all([Alone(name="i"), Alone(name="j")])
