"""The log of migrations, and their directions."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

from uow import Document, Registry

__all__ = ["MigrationLog", "RunningDirections"]


class RunningDirections(StrEnum):
    """Which way to go."""

    FORWARD = "FORWARD"
    BACKWARD = "BACKWARD"


def _now() -> datetime:
    return datetime.now(UTC)


class MigrationLog(Document):
    """What was run; the one that is current is marked."""

    class Settings:
        name = "migrations_log"
        registry = Registry()

    name: str
    is_current: bool = False
    ts: datetime | None = None

    @classmethod
    def of(cls, name: str) -> MigrationLog:
        """Note that a migration is the current one now."""
        return cls(name=name, is_current=True, ts=_now())
