"""How a collection of measurements is kept."""

from uow.mapping.timeseries import Granularity, TimeSeriesConfig

__all__ = ["Granularity", "TimeSeriesConfig"]
