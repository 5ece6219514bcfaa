"""Values that MariaDB and MySQL would change in silence, if they were let."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, time
from typing import Any

import pytest

from tests.support import mysql
from uow import Column, Database, InvalidUnitError, Mapped, Session, Table, ValidationError

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]


class Event(Table):
    """Moments."""

    class Settings:
        name = "events"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    at: Mapped[datetime]
    hour: Mapped[time] = Column(default=time(1))
    document: Mapped[dict[str, Any] | None] = Column(default=None)


@pytest.fixture
async def events(database_url: str, anyio_backend: str) -> AsyncIterator[Database]:
    """A table that somebody made with a column that keeps milliseconds only."""
    await mysql.clear(database_url)
    async with Database(database_url) as database:
        await database.create_all([Event])
    await mysql.ask(database_url, "ALTER TABLE events MODIFY at DATETIME(3) NOT NULL")
    async with Database(database_url) as database:
        yield database


async def test_microseconds_are_not_cut(events: Database) -> None:
    """F74: what a column would round is refused, alone and in batches; what fits is stored."""
    fits = datetime(2024, 5, 6, 7, 8, 9, 123000, tzinfo=UTC)
    wrong = fits.replace(microsecond=123456)
    for count in (1, 3):
        async with Session(events) as session:
            session.add_all([Event(at=wrong) for _ in range(count)])
            with pytest.raises(ValidationError, match=r"events\.at keeps 3 digits of a second"):
                await session.commit()
            await session.rollback()
            session.add_all([Event(at=fits) for _ in range(count)])
            await session.commit()
    async with Session(events) as session:
        for number in (1, 4):
            found = await session.find(Event).limit(number).to_list()
            for one in found:
                one.at = wrong
            with pytest.raises(ValidationError, match=r"events\.at keeps 3 digits"):
                await session.commit()
            for one in found:
                one.at = fits.replace(year=2025)
            await session.commit()
        assert {one.at.microsecond for one in await session.find(Event).to_list()} == {123000}


@pytest.mark.parametrize("database_url", ["mysql"], indirect=True)
async def test_what_json_cannot_hold(events: Database) -> None:
    """P9: MySQL would make floats of long whole numbers; they are refused, and nothing is sent."""
    sent: list[object] = []
    events.observers.append(sent.append)
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    quoted = f'"{2**70}"'
    async with Session(events) as session:
        for number in (2**64, -(2**63) - 1):
            one = Event(at=moment, document={"a": [number, quoted]})
            session.add(one)
            with pytest.raises(InvalidUnitError, match="more than 64 bits"):
                await session.commit()
            session.expunge(one)
        assert not sent
        kept = {"a": [2**64 - 1, -(2**63), quoted, 1e22, 1.0, -0.0]}
        session.add(Event(at=moment, document=kept))
        await session.commit()
    async with Session(events) as session:
        (one,) = await session.find(Event).to_list()
        assert one.document == kept
        assert list(map(repr, one.document["a"])) == list(map(repr, kept["a"]))
