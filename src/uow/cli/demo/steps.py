"""The units of work of the demo. Each returns how many rows it wrote or read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import attrs

from uow import Database, Session, exists, state
from uow.cli.demo.models import Airport, Country, TimeZone
from uow.cli.demo.source import Record, batches
from uow.debug import plan, statements
from uow.statement import Load, Many, Sendable, Statement

__all__ = [
    "ShownUnit",
    "close_the_far_south",
    "forget_unused_time_zones",
    "load_everything",
    "name_missing_cities",
    "roll_back",
    "show_one_unit",
    "store_airports",
    "store_countries",
    "survey_canada",
]


async def store_countries(db: Database, records: Sequence[Record]) -> int:
    """Store the countries and time zones that the airports name, in one unit."""
    countries = sorted({record.country for record in records})
    zones = sorted({record.time_zone for record in records})
    async with Session.begin(db) as session:
        session.add_all(Country(code=code) for code in countries)
        session.add_all(TimeZone(name=name, area=name.partition("/")[0]) for name in zones)
    return len(countries) + len(zones)


async def store_airports(
    db: Database, records: Sequence[Record], size: int, on_stored: Callable[[int], None]
) -> int:
    """Store the airports in units of `size`; each also counts them in their countries."""
    for batch in batches(records, size):
        async with Session.begin(db) as session:
            countries = {found.code: found for found in await session.find(Country).to_list()}
            zones = {found.name: found.id for found in await session.find(TimeZone).to_list()}
            for record in batch:
                session.add(record.airport(zones[record.time_zone]))
                countries[record.country].airports += 1
        on_stored(len(batch))
    return len(records)


async def survey_canada(db: Database) -> int:
    """Change one column of every airport of a country; only that column is written."""
    async with Session(db) as session:
        airports = await session.find(Airport, Airport.country_code == "CA").to_list()
        for airport in airports:
            airport.elevation += 3
        await session.commit()
    return len(airports)


async def name_missing_cities(db: Database) -> int:
    """Change many rows by one statement, without loading them."""
    async with Session.begin(db) as session:
        return await session.find(Airport, Airport.city.is_null()).update({"city": "(none)"})


async def close_the_far_south(db: Database) -> int:
    """Load what lies below 60 degrees south and delete it, counting it out of its country."""
    async with Session.begin(db) as session:
        airports = await session.find(Airport, Airport.latitude < -60).to_list()
        gone = Counter(airport.country_code for airport in airports)
        for code, count in gone.items():
            country = await session.get_one(Country, code)
            country.airports -= count
        for airport in airports:
            session.delete(airport)
    return len(airports)


async def forget_unused_time_zones(db: Database) -> int:
    """Delete by one statement the time zones that no airport is in any more."""
    async with Session.begin(db) as session:
        in_use = exists(session.find(Airport, Airport.time_zone_id == TimeZone.id))
        return await session.find(TimeZone, ~in_use).delete()


@attrs.frozen
class ShownUnit:
    """One unit as it was planned and as it was sent.

    Attributes:
        plan: what the flush would do, asked before it.
        sent: each statement, in order, as SQL with a comment on the rows that went with it.
    """

    plan: str
    sent: list[str]


async def show_one_unit(db: Database) -> ShownUnit:
    """Add a country with an airport, change three airports, delete two; keep what was sent."""
    async with Session(db) as session:
        zone = await session.find(TimeZone, TimeZone.name == "Europe/Oslo").one()
        norway = session.find(Airport, Airport.country_code == "NO").order_by(Airport.icao)
        airports = await norway.limit(5).to_list()
        session.add(
            Airport(
                icao="XA01",
                name="Sealand Helipad",
                country_code="XA",
                time_zone_id=zone.id,
                elevation=60.0,
                latitude=51.895,
                longitude=1.4805,
            )
        )
        session.add(Country(code="XA", airports=1))
        for airport in airports[:3]:
            airport.name += " (surveyed)"
        for airport in airports[3:]:
            session.delete(airport)
        country = await session.get_one(Country, "NO")
        country.airports -= len(airports[3:])
        planned = str(plan(session))
        with statements(db) as sent:
            await session.commit()
    return ShownUnit(planned, [_as_sql(one) for one in sent])


def _as_sql(sent: Sendable | str) -> str:
    match sent:
        case Many():
            times = len(sent.rows)
            return f"{sent.sql};" + (f"  -- once for each of {times} rows" if times > 1 else "")
        case Statement() | Load():
            return f"{sent.sql};"
        case _:
            return f"{sent};"


async def roll_back(db: Database) -> list[Airport]:
    """Change, delete and add airports of one country, flush, roll back; return all it touched."""
    async with Session(db) as session:
        airports = await session.find(Airport, Airport.country_code == "JP").to_list()
        for airport in airports[::2]:
            airport.name = "lost"
            airport.elevation = -1.0
        for airport in airports[1::4]:
            session.delete(airport)
        added = [
            Airport(
                icao=f"ZZ{number:02}",
                name="Never",
                country_code="JP",
                time_zone_id=airports[0].time_zone_id,
                elevation=0.0,
                latitude=0.0,
                longitude=0.0,
            )
            for number in range(50)
        ]
        session.add_all(added)
        await session.flush()
        await session.rollback()
        still_new = [airport for airport in added if state(airport).value == "persistent"]
        return airports + still_new


async def load_everything(db: Database) -> list[Airport]:
    """Every airport as an object of one session."""
    async with Session(db, read_only=True) as session:
        return await session.find(Airport).to_list()
