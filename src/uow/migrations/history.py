"""What the store remembers of migrations: a row for each that was applied, or was begun.

The row of a migration that runs in a transaction is written in it, so it is there exactly if the
migration is. Of others it says how far they came: the steps that were done, and the one that was
begun and of which nobody has heard.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from uow.document import Document
from uow.drivers.base import Connection
from uow.mapping.columns import Column, Mapped
from uow.mapping.mapper import mapper_of
from uow.mapping.registry import Registry
from uow.migrations.inner import session_on
from uow.query.writes import delete, update
from uow.statement import Statement
from uow.table import Table

if TYPE_CHECKING:
    from uow.database import Database

__all__ = ["TABLE", "Doing", "Done", "Entry", "History", "Stage"]

TABLE: Final = "_uow_migrations"
"""The table, or collection, of the history."""


class Stage(StrEnum):
    """Where a migration is; equal to its plain string."""

    APPLIED = "applied"
    GOING_UP = "going up"
    GOING_DOWN = "going down"


@attrs.frozen
class Done:
    """A step that was done: its sign, and how many rows it matched."""

    sign: str
    count: int


@attrs.frozen
class Doing:
    """A step that was begun: its sign, and what it says."""

    sign: str
    text: str


@attrs.frozen(kw_only=True)
class Entry:
    """What is known of a migration that was applied, or begun.

    Attributes:
        version: its version.
        name: the name its file had, without the ending.
        checksum: SHA-256 of the file as it was.
        stage: applied, or in its middle.
        started: when it began.
        seconds: how long it took, until now if it is not finished.
        done: its steps that were done; of one that was applied, none are kept.
        doing: the step that was begun and did not end, or None.
        problem: the last error, or None.
    """

    version: str
    name: str
    checksum: str
    stage: Stage
    started: datetime
    seconds: float = 0.0
    done: tuple[Done, ...] = ()
    doing: Doing | None = None
    problem: str | None = None


class _Row(Table):
    """The table; in a registry of its own, so that `create_all` leaves it alone."""

    class Settings:
        """How it is stored."""

        name = TABLE
        registry = Registry()

    version: Mapped[str] = Column(primary_key=True, max_length=100)
    name: Mapped[str] = Column(max_length=250)
    checksum: Mapped[str] = Column(max_length=64)
    stage: Mapped[str] = Column(max_length=20)
    started: Mapped[datetime]
    seconds: Mapped[float]
    done: Mapped[str]
    doing: Mapped[str | None] = Column(default=None)
    problem: Mapped[str | None] = Column(default=None)


class _Document(Document):
    """The collection."""

    class Settings:
        """How it is stored."""

        name = TABLE
        registry = Registry()

    version: Mapped[str]
    name: Mapped[str]
    checksum: Mapped[str]
    stage: Mapped[str]
    started: Mapped[datetime]
    seconds: Mapped[float]
    done: Mapped[str]
    doing: Mapped[str | None] = Column(default=None)
    problem: Mapped[str | None] = Column(default=None)


class History:
    """The history of one database, over a connection that the caller holds.

    Args:
        database: the database.
        connection: the connection.
    """

    def __init__(self, database: Database, connection: Connection) -> None:
        self._database = database
        self._connection = connection
        documents = database.dialect.capabilities.documents
        self._class: Any = _Document if documents else _Row

    async def is_there(self) -> bool:
        """Whether there is a history to read. Documents need no table."""
        text = self._database.dialect.capabilities.finds_table
        if text is None:
            return True
        return bool(await self._connection.fetch(Statement(text, (TABLE,), reads=True)))

    async def prepare(self) -> None:
        """Make the table, where it is missing; in the open transaction, if there is one."""
        if self._database.dialect.capabilities.documents or await self.is_there():
            return
        for text in self._database.dialect.create_table(mapper_of(_Row)):
            await self._connection.execute(Statement(text))

    async def read(self) -> list[Entry]:
        """Give what is known, in the order in which it began; nothing if there is no table."""
        if not await self.is_there():
            return []
        async with self._session() as session:
            rows = await session.find(self._class).order_by(self._class.started).to_list()
            return [_entry(row) for row in rows]

    async def write(self, entry: Entry) -> None:
        """Write an entry, new or not, in the open transaction or one of its own."""
        values = _values(entry)
        async with self._session() as session:
            changed = {name: value for name, value in values.items() if name != "version"}
            found = update(self._class).where(self._class.version == entry.version)
            count = await session.execute(found.set(**changed))
            if not count:
                session.add(self._class(**values))
            await session.commit()

    async def remove(self, version: str) -> None:
        """Forget a migration."""
        async with self._session() as session:
            await session.execute(delete(self._class).where(self._class.version == version))
            await session.commit()

    def _session(self) -> Any:
        connection = self._connection
        return session_on(self._database, connection, inside=connection.in_transaction)


def _values(entry: Entry) -> dict[str, Any]:
    done = [[one.sign, one.count] for one in entry.done]
    doing = None if entry.doing is None else json.dumps([entry.doing.sign, entry.doing.text])
    return {
        "version": entry.version,
        "name": entry.name,
        "checksum": entry.checksum,
        "stage": entry.stage.value,
        "started": entry.started,
        "seconds": entry.seconds,
        "done": json.dumps(done),
        "doing": doing,
        "problem": entry.problem,
    }


def _entry(row: Any) -> Entry:
    done = cast("Sequence[tuple[str, int]]", json.loads(row.done))
    doing = None if row.doing is None else Doing(*json.loads(row.doing))
    return Entry(
        version=row.version,
        name=row.name,
        checksum=row.checksum,
        stage=Stage(row.stage),
        started=row.started,
        seconds=row.seconds,
        done=tuple(Done(sign, count) for sign, count in done),
        doing=doing,
        problem=row.problem,
    )
