"""How values travel where asyncpg's own way is not exact.

asyncpg makes all others as they should be. Two things to know of those: JSON is text both ways; and
the last (and the first) date and moment of Python's calendar stand for infinity, and a moment is
read without its zone then, which the dialect puts back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import Any, Final
from uuid import UUID, SafeUUID

from uow.drivers._asyncpg_handle import Handle
from uow.drivers.base import Row
from uow.errors import ValidationError

__all__ = ["set_codecs", "with_zones"]


async def set_codecs(handle: Handle) -> None:
    """Tell a connection that was just opened. No round trip: asyncpg knows these types."""
    await handle.set_type_codec(
        "interval",
        schema="pg_catalog",
        encoder=_encode_interval,
        decoder=_decode_interval,
        format="tuple",
    )
    await handle.set_type_codec(
        "uuid",
        schema="pg_catalog",
        encoder=_encode_uuid,
        decoder=_decode_uuid,
        format="binary",
    )


def with_zones(rows: list[Row], places: Sequence[int]) -> list[Row]:
    """Put the zone back into moments at infinity, where no dialect decodes the rows.

    Args:
        rows: as asyncpg gives them.
        places: the positions of the columns that hold moments.
    """
    return [_with_zones(row, places) for row in rows]


def _with_zones(row: Row, places: Sequence[int]) -> Row:
    found = [n for n in places if row[n] is not None and row[n].tzinfo is None]
    if not found:
        return row
    values = list(row)
    for place in found:
        values[place] = values[place].replace(tzinfo=UTC)
    return tuple(values)


def _encode_interval(value: timedelta) -> tuple[int, int, int]:
    return 0, value.days, value.seconds * 1_000_000 + value.microseconds


def _decode_interval(value: tuple[int, int, int]) -> timedelta:
    # asyncpg would take a month for 30 days and a year for 365.
    months, days, microseconds = value
    if months:
        raise ValidationError("a stored interval has months, and these have no fixed length")
    return timedelta(days=days, microseconds=microseconds)


def _encode_uuid(value: UUID) -> bytes:
    return value.bytes


# asyncpg has a subclass of its own, which would follow values into pickles and type checks. Filling
# the slots is as quick as that is made; the constructor takes four times as long.
_new_uuid: Final = object.__new__
_set_int: Final[Any] = vars(UUID)["int"].__set__
_set_is_safe: Final[Any] = vars(UUID)["is_safe"].__set__
_UNKNOWN: Final = SafeUUID.unknown


def _decode_uuid(value: bytes) -> UUID:
    uuid = _new_uuid(UUID)
    _set_int(uuid, int.from_bytes(value, "big"))
    _set_is_safe(uuid, _UNKNOWN)
    return uuid
