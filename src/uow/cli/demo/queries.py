"""The questions of the demo, one of each kind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs

from uow import Session, case, func
from uow.cli.demo.models import Airport, Country, TimeZone

__all__ = ["QUESTIONS", "Answer", "Question"]


@attrs.frozen
class Answer:
    """What a question came to.

    Attributes:
        text: the answer in a line.
        rows: how many rows came back.
    """

    text: str
    rows: int


Question = Callable[[Session], Awaitable[Answer]]


async def by_key(session: Session) -> Answer:
    """Get one by its key."""
    airport = await session.get_one(Airport, "EGLL")
    return Answer(f"{airport.name}, {airport.city}, {airport.elevation:.0f} ft", 1)


async def highest(session: Session) -> Answer:
    """Filter, order, limit."""
    found = await (
        session.find(Airport, Airport.iata.is_not_null())
        .order_by(-Airport.elevation)
        .limit(3)
        .to_list()
    )
    return Answer(", ".join(f"{one.iata} {one.elevation:,.0f} ft" for one in found), len(found))


async def by_area(session: Session) -> Answer:
    """Join, group by, having, aggregates."""
    rows = await (
        session.find(Airport)
        .join(TimeZone, Airport.time_zone_id == TimeZone.id)
        .group_by(TimeZone.area)
        .having(func.count() > 1_000)
        .order_by(func.count().desc())
        .select(TimeZone.area, func.count().label("airports"))
        .to_list()
    )
    return Answer(", ".join(f"{row.area} {row.airports:,}" for row in rows), len(rows))


async def by_height(session: Session) -> Answer:
    """CASE, grouped by its result."""
    height = case(
        (Airport.elevation < 0, "below the sea"),
        (Airport.elevation > 8_000, "high"),
        else_="between",
    )
    rows = await (
        session.find(Airport)
        .group_by(height)
        .order_by(func.count())
        .select(height.label("height"), func.count().label("airports"))
        .to_list()
    )
    return Answer(", ".join(f"{row.height} {row.airports:,}" for row in rows), len(rows))


async def in_few_countries(session: Session) -> Answer:
    """A subquery."""
    small = session.find(Country, Country.airports == 1).select(Country.code)
    found = session.find(Airport, Airport.country_code.in_(small)).order_by(Airport.name)
    first = await found.first()
    count = await found.count()
    return Answer(
        f"{count} airports are the only one of their country; first {first and first.name}", 2
    )


async def text_search(session: Session) -> Answer:
    """Text, either case, wildcards of the user escaped."""
    count = await session.find(
        Airport, Airport.name.ilike("%saint%") | Airport.name.contains("St. ")
    ).count()
    return Answer(f"{count} are named after a saint", 1)


async def streamed(session: Session) -> Answer:
    """Read all of them through a cursor, keeping none."""
    rows, northern = 0, 0
    async with session.stream(session.find(Airport)) as airports:
        async for airport in airports:
            rows += 1
            northern += airport.latitude > 0
    return Answer(f"{northern / rows:.1%} of {rows:,} lie north of the equator", rows)


QUESTIONS: dict[str, Question] = {
    "get by key": by_key,
    "filter, order, limit": highest,
    "join, group by, having": by_area,
    "case": by_height,
    "subquery, count": in_few_countries,
    "text": text_search,
    "stream": streamed,
}
