"""Commit tokens: how the outcome of a COMMIT that was not answered can be found out.

A row with a random token is written in the transaction itself. It is there afterwards exactly
if the transaction was committed. Asking begins a transaction that writes, so where writers wait
for each other the transaction asked about cannot still be on its way.

A token whose commit was answered is not needed any more; the next commit of the same process
deletes it. So the table stays as small as the number of commits under way, and of crashes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4
from weakref import WeakKeyDictionary

import anyio

from uow.drivers.base import TransactionOptions
from uow.errors import Outcome, UowError
from uow.mapping.columns import Column, Mapped
from uow.mapping.mapper import mapper_of
from uow.mapping.model import Model
from uow.mapping.registry import Registry
from uow.query.statements import DeleteRows, InsertRows
from uow.session.channel import Channel
from uow.session.codec import codecs_of
from uow.statement import Statement

if TYPE_CHECKING:
    from uow.database import Database

__all__ = ["CommitToken"]

TRIES: Final = 3
PAUSE: Final = 0.05
"""Seconds before the second question; doubled before the third."""

MOST_DELETED: Final = 100
"""How many old tokens one commit deletes."""

_answered: Final[WeakKeyDictionary[Database, list[UUID]]] = WeakKeyDictionary()
"""For each database the tokens of commits that were answered, to be deleted."""


class Commit(Model):
    """The table of tokens; in a registry of its own, so that `create_all` leaves it alone."""

    class Settings:
        """How it is stored."""

        name = "_uow_commits"
        registry = Registry()

    token: Mapped[UUID] = Column(primary_key=True)


class CommitToken:
    """The token of one transaction."""

    __slots__ = ("_deleted", "_value")

    def __init__(self) -> None:
        self._value = uuid4()
        self._deleted: list[UUID] = []

    async def leave(self, channel: Channel) -> None:
        """Write the token in the open transaction."""
        database = channel.database
        dialect = database.dialect
        mapper = mapper_of(Commit)
        codec = codecs_of(database).of(mapper)
        self._deleted = _answered.get(database, [])[:MOST_DELETED]
        new = InsertRows(mapper, mapper.key, [codec.encode_key(self._value)])
        old = DeleteRows(mapper, mapper.key, [codec.encode_key(one) for one in self._deleted])
        await _make_table(channel)
        for statement in dialect.insert_rows(new):
            await channel.write(statement, returns=False)
        if self._deleted:
            for statement in dialect.delete_rows(old):
                await channel.write(statement, returns=False)

    def answered(self, database: Database) -> None:
        """The commit was acknowledged: the token, and those it deleted, are history."""
        tokens = _answered.setdefault(database, [])
        for token in self._deleted:
            if token in tokens:
                tokens.remove(token)
        tokens.append(self._value)

    async def verify(self, database: Database) -> Outcome:
        """Ask the store what became of the transaction.

        Returns:
            `APPLIED` or `NOT_APPLIED`; `UNKNOWN` if the store did not answer, a few times over.
        """
        for attempt in range(TRIES):
            try:
                return await self._ask(database)
            except UowError:
                await anyio.sleep(PAUSE * 2**attempt)
        return Outcome.UNKNOWN

    async def _ask(self, database: Database) -> Outcome:
        codec = codecs_of(database).of(mapper_of(Commit))
        channel = Channel(database, TransactionOptions())
        try:
            await channel.begin()
            await _make_table(channel)
            find = codec.get_statement().statement(codec.encode_key(self._value))
            rows = await channel.fetch(find)
        finally:
            await channel.rollback()
        return Outcome.APPLIED if rows else Outcome.NOT_APPLIED


async def _make_table(channel: Channel) -> None:
    """Make the table of tokens, where it is missing."""
    for text in channel.database.dialect.create_table(mapper_of(Commit)):
        await channel.write(Statement(text), returns=False)
