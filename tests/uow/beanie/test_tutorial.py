"""A program as Beanie's users write it, with only its imports changed.

Numbers are those of the inventory. What it is checked by are the words of such a program, too.
"""
# mypy: ignore-errors
# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportOptionalMemberAccess=false, reportInvalidTypeForm=false, reportGeneralTypeIssues=false
# pyright: reportAssignmentType=false, reportOperatorIssue=false, reportIndexIssue=false
# pyright: reportIncompatibleVariableOverride=false, reportPrivateImportUsage=false

from typing import Annotated, Any, Optional
from uuid import UUID, uuid4

import pymongo
import pytest
from bson import ObjectId
from motor.motor_asyncio import AsyncIOMotorClient
from pydantic import BaseModel, Field
from pymongo import AsyncMongoClient, IndexModel

from tests.support.mongodb import database_of, empty
from uow.beanie import (
    Document,
    Indexed,
    Insert,
    PydanticObjectId,
    Replace,
    SaveChanges,
    SortDirection,
    UpdateResponse,
    after_event,
    before_event,
    init_beanie,
)
from uow.beanie.exceptions import (
    CollectionWasNotInitialized,
    RevisionIdWasChanged,
    StateManagementIsTurnedOff,
)
from uow.beanie.operators import GT, In, Inc, Or, Push, RegEx, Set

pytestmark = pytest.mark.anyio


class Category(BaseModel):
    """An embedded model."""

    name: str
    description: str


class Product(Document):
    """The document of the tutorial."""

    name: str
    description: Optional[str] = None  # noqa: UP045 - as it is written there
    price: Indexed(float, pymongo.DESCENDING)
    category: Category
    num: Annotated[int, Indexed(unique=True, name="num_index")] = 0
    tags: list[str] = []  # noqa: RUF012

    class Settings:
        """As there."""

        name = "products"
        indexes = [  # noqa: RUF012
            "description",
            [("name", pymongo.ASCENDING), ("price", pymongo.DESCENDING)],
            IndexModel([("tags", pymongo.ASCENDING)], name="tag_index"),
        ]
        use_state_management = True
        use_revision = True

    @before_event([Insert, Replace, SaveChanges])
    def capitalize_name(self):
        """Change what is stored."""
        self.name = self.name.capitalize()

    @after_event(Insert)
    async def tell(self):
        """Do something else."""
        inserted.append(self.name)


class Keyed(Document):
    """A key of another kind."""

    id: UUID = Field(default_factory=uuid4)
    owner: PydanticObjectId


class Later(Document):
    """Never bound."""

    name: str


class ProductShort(BaseModel):
    """A projection."""

    name: str
    price: float


class Total(BaseModel):
    """What an aggregation gives."""

    id: str = Field(None, alias="_id")
    total: float


inserted: list[str] = []
CHOCOLATE = Category(name="Chocolate", description="A food made of cacao.")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The client library is for asyncio."""
    return "asyncio"


async def program(database: Any) -> None:
    """1, 7, 13-17, 25-34, 40-57, 92-111, 163-178, 187-193, 198-203, 229-255: one long way."""
    await init_beanie(database=database, document_models=[Product, Keyed])
    await init_beanie(database=database, document_models=[f"{__name__}.Product"])

    tony = Product(name="tony's", price=5.95, category=CHOCOLATE)
    mars = Product(name="mars", price="1", category={"name": "Chocolate", "description": ""}, num=1)
    await tony.insert()
    await mars.create()
    await Product.insert_one(Product(name="nut", price=3, category=CHOCOLATE, num=2))
    result = await Product.insert_many([Product(name="fig", price=4, category=CHOCOLATE, num=3)])
    assert isinstance(result.inserted_ids[0], ObjectId)
    assert inserted == ["Tony's", "Mars", "Nut", "Fig"]

    found = await Product.find(Product.category.name == "Chocolate", Product.price > 2).to_list()
    assert {one.name for one in found} == {"Tony's", "Nut", "Fig"}
    assert isinstance(found[0].category, Category)
    assert await Product.find(In(Product.name, ["Mars", "Fig"])).count() == 2
    assert await Product.find({"price": {"$gt": 3}}, Product.num < 3).count() == 1
    ordered = Product.find_all().sort(-Product.price, ("name", SortDirection.ASCENDING))
    assert [one.name for one in await ordered.limit(2).to_list()] == ["Tony's", "Fig"]
    assert [one.name async for one in ordered.skip(2)] == ["Nut", "Mars"]
    short = await Product.find(Product.num == 0).project(ProductShort).to_list()
    assert short == [ProductShort(name="Tony's", price=5.95)]
    expression = Or(Product.price > 100, RegEx(Product.name, "^N"))
    assert (await Product.find(expression).first_or_none()).name == "Nut"
    assert GT(Product.price, 3).query == {"price": {"$gt": 3}}

    bar = await Product.find_one(Product.name == "Mars")
    await bar.update({"$set": {Product.price: 2}})
    await bar.update(Set({Product.price: 3}), Push({Product.tags: "sweet"}))
    await bar.set({Product.name: "Gold bar"})
    await bar.inc({Product.price: 0.5})
    assert (bar.name, bar.price, bar.tags) == ("Gold bar", 3.5, ["sweet"])
    await Product.find(Product.price > 4).update(Inc({Product.price: 1}), Set({Product.tags: []}))
    await Product.find(Product.price > 6).inc({Product.price: 1})
    bar.price = 10
    assert bar.get_changes() == {"price": 10}
    await bar.save_changes()
    assert not bar.is_changed
    other = await Product.get(str(bar.id))
    assert (other.price, other.name) == (10, "Gold bar")
    other.price = 11
    await other.save()
    bar.price = 12
    with pytest.raises(RevisionIdWasChanged):
        await bar.save()
    await bar.save_changes(ignore_revision=True)
    assert (await Product.get(bar.id)).price == 12

    new = await Product.find_one(Product.num == 2).update(
        Set({Product.price: 7}), response_type=UpdateResponse.NEW_DOCUMENT
    )
    assert new.price == 7
    await Product.find_one(Product.name == "Zoo").upsert(
        Set({Product.price: 1}),
        on_insert=Product(name="zoo", price=1, category=CHOCOLATE, num=77),
    )
    assert (await Product.find_one({"name": "Zoo"})).num == 77

    pipeline = [{"$group": {"_id": "$category.name", "total": {"$sum": "$price"}}}]
    totals = await Product.find(Product.price > 6).aggregate(pipeline, Total).to_list()
    assert totals == [Total(_id="Chocolate", total=7.95 + 12 + 7)]
    assert await Product.aggregate(pipeline).to_list() == [
        {"_id": "Chocolate", "total": 7.95 + 12 + 7 + 4 + 1}
    ]
    assert await Product.find(Product.num > 3).avg(Product.price) == 1
    assert sorted(await Product.distinct("num")) == [0, 1, 2, 3, 77]

    owner = ObjectId()
    keyed = await Keyed(owner=str(owner)).insert()
    assert (await Keyed.get(str(keyed.id))).owner == owner
    with pytest.raises(StateManagementIsTurnedOff):
        keyed.get_changes()
    with pytest.raises(CollectionWasNotInitialized):
        await Later(name="x").insert()

    await bar.delete()
    await Product.find_one(Product.num == 77).delete()
    await Product.find(Product.num == 3).delete()
    assert await Product.count() == 2
    await Product.delete_all()
    assert not await Product.find_all().exists()


@pytest.mark.parametrize("client", [AsyncMongoClient, AsyncIOMotorClient])
async def test_tutorial(mongodb_database: str, client: Any) -> None:
    """The program runs over a client of its own, PyMongo's or Motor's."""
    empty(mongodb_database)
    inserted.clear()
    opened = client(mongodb_database)
    try:
        await program(opened.get_default_database())
    finally:
        closing = opened.close()
        if closing is not None:
            await closing
    with database_of(mongodb_database) as store:
        indexes = store.products.index_information()
    assert indexes.keys() >= {"price_-1", "num_index", "description_1", "tag_index"}
    assert indexes["num_index"]["unique"]
