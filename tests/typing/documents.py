"""What type checkers must see of the verbs that documents, views and unions are found by."""

from __future__ import annotations

from typing import Any, assert_type

from uow import Document, UnionDoc, View
from uow.documents.one import FindOne
from uow.documents.query import AggregationQuery, DocumentQuery


class Bike(Document):
    """A document."""

    color: str


class Metrics(View):
    """What a view gives."""

    number: int


class Vehicles(UnionDoc):
    """Documents of several classes."""


async def documents() -> None:
    """A document class finds its own."""
    assert_type(Bike.find(Bike.color == "red"), DocumentQuery[Bike])
    assert_type(Bike.find_many({"color": "red"}), DocumentQuery[Bike])
    assert_type(Bike.find_all(limit=3), DocumentQuery[Bike])
    assert_type(Bike.all(), DocumentQuery[Bike])
    assert_type(Bike.find_one(), FindOne[Bike])
    assert_type(await Bike.find_one(), Bike | None)
    assert_type(await Bike.find().to_list(), list[Bike])
    assert_type(await Bike.count(), int)
    assert_type(await Bike.distinct("color"), list[Any])
    assert_type(Bike.aggregate([], with_children=True), AggregationQuery[Any])
    assert_type(Bike.get_collection_name(), str)


async def views_and_unions() -> None:
    """What is found by these may be of any class."""
    assert_type(Metrics.find(), DocumentQuery[Any])
    assert_type(Metrics.find_one(), FindOne[Any])
    assert_type(Vehicles.find_many(), DocumentQuery[Any])
    assert_type(Vehicles.find_all(), DocumentQuery[Any])
    assert_type(Vehicles.all(), DocumentQuery[Any])
    assert_type(await Vehicles.count(), int)
    assert_type(Vehicles.aggregate([]), AggregationQuery[Any])
