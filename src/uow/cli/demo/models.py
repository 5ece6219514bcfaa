"""Countries, time zones, and the airports that belong to them."""

from __future__ import annotations

from uow import Column, Mapped, Table

__all__ = ["MODELS", "Airport", "Country", "TimeZone"]


class Country(Table):
    """A country, by its ISO 3166 code."""

    class Settings:
        name = "countries"

    code: Mapped[str] = Column(primary_key=True, max_length=2)
    airports: Mapped[int] = Column(default=0)
    version: Mapped[int] = Column(version=True)


class TimeZone(Table):
    """A time zone, by its name in the IANA database."""

    class Settings:
        name = "time_zones"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str] = Column(unique=True, max_length=64)
    area: Mapped[str] = Column(index=True, max_length=32)


class Airport(Table):
    """An airport or landing strip, by its ICAO code."""

    class Settings:
        name = "airports"

    icao: Mapped[str] = Column(primary_key=True, max_length=4)
    iata: Mapped[str | None] = Column(default=None, unique=True, max_length=3)
    name: Mapped[str] = Column(max_length=100)
    city: Mapped[str | None] = Column(default=None, max_length=100)
    subdivision: Mapped[str | None] = Column(default=None, max_length=100)
    country_code: Mapped[str] = Column(foreign_key="countries.code", index=True)
    time_zone_id: Mapped[int] = Column(foreign_key="time_zones.id", index=True)
    elevation: Mapped[float]
    latitude: Mapped[float]
    longitude: Mapped[float]
    version: Mapped[int] = Column(version=True)


MODELS = (Country, TimeZone, Airport)
