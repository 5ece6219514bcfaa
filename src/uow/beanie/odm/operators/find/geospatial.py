"""`$near`, `$nearSphere`, `$geoWithin`, `$geoIntersects`, `$box`."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, ClassVar

from uow.beanie.odm.operators.find.base import BaseFindOperator, Field, tested

__all__ = ["Box", "GeoIntersects", "GeoWithin", "GeoWithinTypes", "Near", "NearSphere"]


class GeoWithinTypes(StrEnum):
    """The shapes that something may lie in."""

    Polygon = "Polygon"
    MultiPolygon = "MultiPolygon"


def _geometry(type_: str, coordinates: Any) -> dict[str, Any]:
    return {"$geometry": {"type": str(type_), "coordinates": coordinates}}


class Near(BaseFindOperator):
    """Places near a point, the nearest first; needs a geospatial index, and cannot be counted.

    Args:
        field: the place.
        longitude: of the point.
        latitude: of the point.
        max_distance: how far at most, in metres.
        min_distance: how far at least, in metres.
    """

    __slots__ = ()

    operator: ClassVar[str] = "$near"

    def __init__(
        self,
        field: Field,
        longitude: float,
        latitude: float,
        max_distance: float | None = None,
        min_distance: float | None = None,
    ) -> None:
        found = _geometry("Point", [longitude, latitude])
        if max_distance is not None:
            found["$maxDistance"] = max_distance
        if min_distance is not None:
            found["$minDistance"] = min_distance
        super().__init__(tested(field, self.operator, found))


class NearSphere(Near):
    """Places near a point on the sphere, the nearest first; see `Near`."""

    __slots__ = ()

    operator = "$nearSphere"


class GeoWithin(BaseFindOperator):
    """Places that lie wholly in a shape."""

    __slots__ = ()

    def __init__(
        self, field: Field, geo_type: GeoWithinTypes | str, coordinates: Sequence[Any]
    ) -> None:
        super().__init__(tested(field, "$geoWithin", _geometry(geo_type, coordinates)))


class GeoIntersects(BaseFindOperator):
    """Places that a shape of GeoJSON touches."""

    __slots__ = ()

    def __init__(self, field: Field, geo_type: str, coordinates: Sequence[Any]) -> None:
        super().__init__(tested(field, "$geoIntersects", _geometry(geo_type, coordinates)))


class Box(BaseFindOperator):
    """Places in a rectangle of flat coordinates."""

    __slots__ = ()

    def __init__(
        self, field: Field, lower_left: Sequence[float], upper_right: Sequence[float]
    ) -> None:
        super().__init__(tested(field, "$geoWithin", {"$box": [lower_left, upper_right]}))
