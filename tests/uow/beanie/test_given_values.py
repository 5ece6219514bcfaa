"""Values that stand for others, beyond those of JSON: where Beanie's programs give them."""
# What is given here stands for what the fields hold: that is what is tested.
# mypy: disable-error-code="arg-type, attr-defined, call-arg, dict-item, list-item, misc"
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false

from __future__ import annotations

import ipaddress
import pathlib
import re
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any, Literal

import attrs
import pydantic
import pytest
from pydantic import EmailStr, HttpUrl, SecretStr
from pymongo import AsyncMongoClient

from tests.support.mongodb import database_of
from uow import Database, Document, MappingError, Registry, ValidationError, init_documents
from uow.beanie.operators import AddToSet, Push, Set

pytestmark = pytest.mark.anyio


class Address(pydantic.BaseModel):
    """An embedded model, with an address of another kind."""

    city: str
    number: int = 0
    mail: EmailStr | None = None


@attrs.define
class Size:
    """An embedded attrs class."""

    width: int
    url: HttpUrl | None = None


class Checked(Document):
    """Fields that pydantic has classes of its own for."""

    mail: EmailStr = "a@b.org"
    mails: list[EmailStr] = []  # noqa: RUF012
    page: HttpUrl | None = None
    secret: SecretStr = SecretStr("")


class Written(Document):
    """Fields whose values are written as text."""

    ip: ipaddress.IPv4Address | None = None
    net: ipaddress.IPv6Network | None = None
    path: pathlib.PurePosixPath | None = None
    pattern: re.Pattern[str] | None = None


class Holder(Document):
    """Fields that hold objects and lists."""

    address: Address | None = None
    addresses: list[Address] = []  # noqa: RUF012
    size: Size | None = None
    names: list[str] = []  # noqa: RUF012
    numbers: set[int] = set()  # noqa: RUF012
    counts: dict[str, int] = {}  # noqa: RUF012


class Cat(pydantic.BaseModel):
    """One of a union, as are the others; all of its fields have defaults."""

    lives: int = 9
    name: str = ""


class Dog(pydantic.BaseModel):
    barks: bool = True
    name: str = ""


class Tame(pydantic.BaseModel):
    kind: Literal["tame"] = "tame"
    by: str = ""


class Wild(pydantic.BaseModel):
    kind: Literal["wild"] = "wild"
    by: str = ""


@attrs.define
class Short:
    name: str = ""


@attrs.define
class Long:
    name: str = ""
    length: int = 0


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Chosen(Document):
    """Fields whose values are one of several classes."""

    pet: Cat | Dog | None = None
    pets: list[Cat | Dog] = []  # noqa: RUF012
    temper: Tame | Wild | None = None
    size: Short | Long | None = None
    either: dict[str, int | Dog | str] = {}  # noqa: RUF012
    colour: Colour = Colour.RED


class Counted(Document):
    """Scalars that somebody else may have stored otherwise."""

    total: int = 0
    at: datetime | None = None
    day: date | None = None
    text: str = ""


class Naive(Document):
    """Bound to a client without time zones."""

    at: datetime | None = None


H: Any = Holder
ALL = (Checked, Written, Holder, Counted, Chosen)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The client library is for asyncio."""
    return "asyncio"


async def test_classes_of_pydantic(bound: Database) -> None:
    """94, 257: what pydantic only checks is kept as text; what it makes is made of text."""
    made: Any = Checked(mail="Ann@EXAMPLE.org", mails=["c@d.org"], page="http://x.org", secret="s")
    assert made.mail == "Ann@example.org"
    assert (made.page, made.secret) == (HttpUrl("http://x.org"), SecretStr("s"))
    await made.insert()
    found = await Checked.find_one({"mails": "c@d.org"})

    assert found is not None
    assert (found.mail, found.page) == (made.mail, made.page)
    assert await Checked.find(Checked.mail == made.mail).count() == 1
    with pytest.raises(ValidationError, match=r"Checked\.mail: value is not a valid email"):
        Checked(mail="zz")
    with pytest.raises(ValidationError, match=r"Checked\.page: Input should be a valid URL"):
        Checked(page="zz")
    assert Checked.model_json_schema()["properties"]["mail"]["format"] == "email"


async def test_what_is_written_as_text(bound: Database) -> None:
    """13, 257: addresses, paths and patterns are made of the text that says them."""
    made: Any = Written(ip="10.0.0.1", net="::/8", path="/a/b", pattern="^a")
    assert made.ip == ipaddress.IPv4Address("10.0.0.1")
    assert made.net == ipaddress.IPv6Network("::/8")
    assert (made.path, made.pattern) == (pathlib.PurePosixPath("/a/b"), re.compile("^a"))
    await made.insert()
    found = await Written.get(made.id)

    assert found is not None
    assert (found.ip, found.path) == (made.ip, made.path)
    for wrong in ({"ip": "zz"}, {"ip": 5}, {"net": "zz"}, {"path": 3}, {"pattern": "("}):
        with pytest.raises(ValidationError, match=rf"Written\.{next(iter(wrong))}: expected"):
            Written(**wrong)


async def test_dicts_for_objects(bound: Database, mongodb_database: str) -> None:
    """30, 31, 145, 154: a dict stands for an embedded object where it is set, too."""
    made: Any = await Holder(address={"city": "Oslo"}).insert()
    await made.set({Holder.address: {"city": "Bergen"}})
    assert made.address == Address(city="Bergen")
    await made.update({"$set": {"size": {"width": "3"}, "addresses": [{"city": "Voss"}]}})
    assert (made.size, made.addresses) == (Size(3), [Address(city="Voss")])
    await made.update(Push({Holder.addresses: {"city": "Alta"}}))
    await made.update(Set({H.addresses[0]: {"city": "x"}}))
    await Holder.find_one().update(AddToSet({Holder.addresses: {"city": "Alta"}}))
    await made.refresh()
    assert made.addresses == [Address(city="x"), Address(city="Alta")]

    made.address = {"city": "Moss", "mail": "a@b.org"}
    made.addresses = [{"city": "Rena"}, Address(city="Moss")]
    assert made.address.mail == "a@b.org"
    made.address.number = 4
    await made.save()
    with database_of(mongodb_database) as raw:
        stored = raw.Holder.find_one()
    assert stored["address"] == {"city": "Moss", "number": 4, "mail": "a@b.org"}
    assert [one["city"] for one in stored["addresses"]] == ["Rena", "Moss"]

    with pytest.raises(ValidationError, match=r"Holder\.address: city: Field required"):
        await made.set({Holder.address: {"town": "Oslo"}})
    with pytest.raises(ValidationError, match=r"Holder\.address: number: Input should be a valid"):
        Holder(address={"city": "Oslo", "number": "x"})
    made.address = {"town": "Oslo"}
    with pytest.raises(ValidationError, match=r"Holder\.address: expected Address, got dict"):
        await made.save()


async def test_a_member_beside_a_list(bound: Database) -> None:
    """103-105: beside a list stands a list, or one of its members, as MongoDB has it."""
    await Holder(names=["a", "b"], numbers={1, 2}).insert()
    await Holder(names=["c"]).insert()

    assert await Holder.find(H.names == "a").count() == 1
    assert await Holder.find(H.names != "a").count() == 1
    assert await Holder.find(H.names > "a").count() == 2
    assert await Holder.find(H.names == ["a", "b"]).count() == 1
    assert await Holder.find(H.names.in_(["b", "c"])).count() == 2
    assert await Holder.find(H.numbers == 2).count() == 1
    wrong: list[tuple[Any, Any]] = [(H.names, 3), (H.names, {"$gt": ""}), (H.counts, 3)]
    for field, value in wrong:
        with pytest.raises(ValidationError, match="expected"):
            assert field == value


async def test_what_the_store_holds_and_the_class_does_not(
    bound: Database, mongodb_database: str
) -> None:
    """181: what somebody else stored is told of by class and field, and not by its value."""
    for wrong in ({"total": "bad"}, {"total": 5.5}, {"at": "bad"}, {"day": "bad"}):
        [name] = wrong
        with database_of(mongodb_database) as raw:
            raw.Counted.delete_many({})
            raw.Counted.insert_one({"total": 1, **wrong})
        problem = rf"Counted\.{name}: a stored (str|float) does not fit the type hint$"
        with pytest.raises(ValidationError, match=problem):
            await Counted.find_one()
        with pytest.raises(ValidationError, match=problem):
            await Counted.find_one().project(None)
        [lazy] = await Counted.find(lazy_parse=True).to_list()
        for _ in range(2):
            with pytest.raises(ValidationError, match=problem):
                lazy.text  # noqa: B018 - it is read
    with database_of(mongodb_database) as raw:
        raw.Counted.delete_many({})
        raw.Counted.insert_one({"total": 5.0})
    found = await Counted.find_one()
    assert found is not None
    assert (found.total, type(found.total)) == (5, int)


async def test_instants_at_the_ends_of_time(mongodb_database: str) -> None:
    """An instant that is none in UTC is refused, aware or meant to be naive."""
    client: Any = AsyncMongoClient(mongodb_database, tz_aware=False)
    bound = await init_documents(database=client.get_default_database(), document_models=[Naive])
    zone = timezone(timedelta(hours=5))
    for make in (
        lambda: Naive(at=datetime(1, 1, 1, tzinfo=zone)),
        lambda: Naive.at == datetime(1, 1, 1, tzinfo=zone),
    ):
        with pytest.raises(ValidationError, match=r"Naive\.at: an instant outside of the years"):
            make()
    await bound.aclose()
    await client.close()


def test_names_and_keys_that_cannot_be() -> None:
    """15, 18: a name that a store takes for a path, and a key without a hash, are refused."""
    for alias in ("a.b", "$x"):
        with pytest.raises(MappingError, match=r"Named\.x: .* cannot be the name of a field"):

            class Named(Document):
                class Settings:
                    registry = Registry()

                x: int = pydantic.Field(1, alias=alias)

    with pytest.raises(MappingError, match=r"Keyed\.id: a Address cannot be a key, since it has"):

        class Keyed(Document):
            class Settings:
                registry = Registry()

            id: Address


async def test_which_of_several_classes(bound: Database) -> None:
    """17: a dict, given or stored, becomes an object of the class whose fields it has."""
    given: Any = {
        "pet": {"barks": False}, "pets": [{"barks": True, "name": "Rex"}, {"lives": 3}],
        "temper": {"kind": "wild"}, "size": {"name": "x", "length": 3},
        "either": {"a": 5, "b": {"barks": True}, "c": "5"},
    }  # fmt: skip
    expected = (
        Dog(barks=False), [Dog(name="Rex"), Cat(lives=3)], Wild(), Long("x", 3),
        {"a": 5, "b": Dog(), "c": "5"},
    )  # fmt: skip
    made = await Chosen(**given).insert()
    found = await Chosen.get(made.id)
    assert found is not None

    for one in (made, found):
        assert (one.pet, one.pets, one.temper, one.size, one.either) == expected
    found.pet = {"lives": 4}  # type: ignore[assignment]
    found.size = Short("y")
    await found.save()
    again = await Chosen.get(made.id)
    assert again is not None
    assert (again.pet, again.size) == (Cat(lives=4), Short("y"))


async def test_texts_for_members_of_an_enum(bound: Database) -> None:
    """105, 145: a text is as good as the member of a `StrEnum` that is equal to it."""
    C: Any = Chosen  # noqa: N806 - a class
    made: Any = await Chosen().insert()
    await made.set({C.colour: "blue"})
    assert made.colour is Colour.BLUE
    assert await Chosen.find(C.colour == "blue").count() == 1
    assert await Chosen.find(C.colour.in_(["red", Colour.BLUE])).count() == 1
    made.colour = "red"
    await made.save()
    assert await Chosen.find(C.colour == Colour.RED).count() == 1
    with pytest.raises(ValidationError, match="expected Colour, got str"):
        await made.set({C.colour: "green"})
