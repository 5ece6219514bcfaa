"""The values of an optimistic lock: numbers that count up, or revisions that are new each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from uow.types import Uuid

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn

__all__ = ["FIRST_VERSION", "first_version", "next_version"]

FIRST_VERSION: Final = 1


def first_version(column: MappedColumn) -> Callable[[], Any]:
    """What makes the version of a new object."""
    return uuid4 if isinstance(column.type, Uuid) else _first


def next_version(column: MappedColumn) -> Callable[[Any], Any]:
    """What makes the version that comes after another."""
    return _revised if isinstance(column.type, Uuid) else _counted_up


def _first() -> int:
    return FIRST_VERSION


def _revised(_: object) -> UUID:
    return uuid4()


def _counted_up(version: int) -> int:
    return version + 1
