"""How a collection of measurements is kept: `Settings.timeseries`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import attrs

from uow.allowed import NON_EMPTY_TEXT, Allowed, check_settings, one_of, whole
from uow.errors import MappingError

__all__ = ["Granularity", "TimeSeriesConfig", "check_timeseries"]


class Granularity(StrEnum):
    """How far apart measurements of one source are, about."""

    seconds = "seconds"
    minutes = "minutes"
    hours = "hours"


@attrs.frozen(kw_only=True)
class TimeSeriesConfig:
    """How a collection of measurements is kept.

    "Create and Query a Time Series Collection",
    https://www.mongodb.com/docs/manual/core/timeseries/timeseries-procedures/.

    Attributes:
        time_field: the field with the moment of a measurement.
        meta_field: the field that tells its source.
        granularity: how far apart measurements of one source are.
        bucket_max_span_seconds: how far apart those in one bucket may be (MongoDB 6.3).
        bucket_rounding_seconds: to what the beginning of a bucket is rounded (MongoDB 6.3).
        expire_after_seconds: measurements are deleted after that time.
    """

    time_field: str
    meta_field: str | None = None
    granularity: Granularity | str | None = None
    bucket_max_span_seconds: int | None = None
    bucket_rounding_seconds: int | None = None
    expire_after_seconds: int | None = None

    def options(self) -> dict[str, Any]:
        """What `create` takes."""
        granularity = None if self.granularity is None else str(self.granularity)
        series = {
            "timeField": self.time_field,
            "metaField": self.meta_field,
            "granularity": granularity,
            "bucketMaxSpanSeconds": self.bucket_max_span_seconds,
            "bucketRoundingSeconds": self.bucket_rounding_seconds,
        }
        made: dict[str, Any] = {
            "timeseries": {name: value for name, value in series.items() if value is not None}
        }
        if self.expire_after_seconds is not None:
            made["expireAfterSeconds"] = self.expire_after_seconds
        return made

    def build_query(self, collection_name: str) -> dict[str, Any]:
        """What makes the collection: its name and the options, as PyMongo's call takes them."""
        return {"name": collection_name, **self.options()}


_ALLOWED: Final[Mapping[str, Allowed]] = MappingProxyType(
    {
        "time_field": NON_EMPTY_TEXT,
        "meta_field": NON_EMPTY_TEXT,
        "granularity": one_of(*Granularity),
        "bucket_max_span_seconds": whole("of seconds", 1),
        "bucket_rounding_seconds": whole("of seconds", 1),
        "expire_after_seconds": whole("of seconds", 0),
    }
)


def check_timeseries(where: str, config: TimeSeriesConfig) -> None:
    """Refuse what cannot be said of measurements.

    Raises:
        MappingError: a value is none of its kind.
    """
    given = attrs.asdict(config, recurse=False)
    needed = {name: value for name, value in given.items() if value is not None}
    check_settings(where, {"time_field": config.time_field, **needed}, _ALLOWED, MappingError)
