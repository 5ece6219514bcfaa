"""The airports of the package `airportsdata`, as plain values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import airportsdata
import attrs

from uow.cli.demo.models import Airport

__all__ = ["Record", "batches", "read"]


@attrs.frozen
class Record:
    """One airport as its source tells it; elevation in feet, empty texts as None."""

    icao: str
    iata: str | None
    name: str
    city: str | None
    subdivision: str | None
    country: str
    time_zone: str
    elevation: float
    latitude: float
    longitude: float

    def airport(self, time_zone_id: int) -> Airport:
        """A new object, in the time zone of that key."""
        return Airport(
            icao=self.icao,
            iata=self.iata,
            name=self.name,
            city=self.city,
            subdivision=self.subdivision,
            country_code=self.country,
            time_zone_id=time_zone_id,
            elevation=self.elevation,
            latitude=self.latitude,
            longitude=self.longitude,
        )


def read() -> list[Record]:
    """Every airport, in the order of the source."""
    return [
        Record(
            icao=found["icao"],
            iata=found["iata"] or None,
            name=found["name"],
            city=found["city"] or None,
            subdivision=found["subd"] or None,
            country=found["country"],
            time_zone=found["tz"],
            elevation=found["elevation"],
            latitude=found["lat"],
            longitude=found["lon"],
        )
        for found in airportsdata.load().values()
    ]


def batches(records: Sequence[Record], size: int) -> Iterator[Sequence[Record]]:
    """The records in runs of at most `size`."""
    for start in range(0, len(records), size):
        yield records[start : start + size]
