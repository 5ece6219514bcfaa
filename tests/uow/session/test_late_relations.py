"""Keys that relations hand down over generations of new rows, and where relations cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from uow import (
    Column,
    Document,
    Mapped,
    MappingError,
    Registry,
    Related,
    RelatedList,
    Session,
    Table,
    connect,
    related,
)
from uow.debug import plan

if TYPE_CHECKING:
    from uow import Database

pytestmark = pytest.mark.anyio

REGISTRY = Registry()


class Base(Table):
    class Settings:
        abstract = True
        registry = REGISTRY


class House(Base):
    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    rooms: RelatedList[Room] = related(default=None, back="house")


class Room(Base):
    """Its key is in part that of its house."""

    house_id: Mapped[int] = Column(primary_key=True, foreign_key="house.id", default=None)
    number: Mapped[int] = Column(primary_key=True)
    house: Related[House] = related(default=None)
    chairs: RelatedList[Chair] = related(default=None, back="room")


class Chair(Base):
    class Settings:
        constraints = (
            {
                "foreign_key": ["room_house", "room_number"],
                "references": ["room.house_id", "room.number"],
            },
        )

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    room_house: Mapped[int | None] = Column(default=None)
    room_number: Mapped[int | None] = Column(default=None)
    room: Related[Room | None] = related(default=None)


async def opened() -> Database:
    """A database with the tables of this module."""
    database = await connect("sqlite://")
    await database.create_all([House, Room, Chair])
    return database


async def test_a_key_is_handed_down_over_generations() -> None:
    """A new row waits for a key that its parent waits for itself."""
    database = await opened()
    async with Session.begin(database) as session:
        houses = [House(rooms=[Room(number=n, chairs=[Chair(), Chair()])]) for n in (1, 2)]
        session.add(Chair(room=Room(number=3, house=houses[1])))
        session.add_all(houses)
    async with Session(database) as session:
        rooms = await session.find(Room).order_by(Room.number).load(Room.chairs).to_list()
        assert [(r.house_id, r.number, len(r.chairs)) for r in rooms] == [
            (houses[0].id, 1, 2),
            (houses[1].id, 2, 2),
            (houses[1].id, 3, 1),
        ]
    await database.aclose()


async def test_a_plan_that_is_looked_at_leaves_no_trace() -> None:
    """What is promised is no value yet: neither after the plan nor after a rollback."""
    database = await opened()
    async with Session(database) as session:
        chair = Chair(room=Room(number=1, house=House()))
        session.add(chair)
        assert "room" in str(plan(session))
        assert chair.room_house is None
        await session.flush()
        assert chair.room is not None
        assert chair.room_house == chair.room.house.id
        await session.rollback()
        assert chair.room_house is None
    await database.aclose()


def test_documents_have_no_relations() -> None:
    """It is said when the class is defined, and what to do instead."""
    with pytest.raises(
        MappingError, match=r"Paper\.author: relations are for tables; a document has links"
    ):

        class Paper(Document):
            author: Related[Any] = related(default=None)
