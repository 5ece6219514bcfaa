"""Commit tokens in stores that do not remember their transactions.

A row with a random token is written in the transaction itself. It is there afterwards exactly
if the transaction was committed. Asking begins a transaction that writes, so where writers wait
for each other the transaction asked about cannot still be on its way; elsewhere the row is asked
for with a lock.

A token whose commit was answered is not needed any more; the next commit of the same process
deletes it. So the table stays as small as the number of commits under way, and of crashes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final
from uuid import UUID, uuid4
from weakref import WeakKeyDictionary, WeakSet

from uow.drivers.base import TransactionOptions, VerifiesCommits
from uow.errors import Outcome
from uow.mapping.columns import Column, Mapped
from uow.mapping.mapper import mapper_of
from uow.mapping.model import Model
from uow.mapping.registry import Registry
from uow.query.statements import DeleteRows, InsertRows
from uow.session.channel import Channel
from uow.session.codec import codecs_of
from uow.session.tokens import AskedAgain, CommitToken, RememberedTransaction
from uow.statement import Statement

if TYPE_CHECKING:
    from uow.database import Database

__all__ = ["new_token"]

MOST_DELETED: Final = 100
"""How many old tokens one commit deletes."""

_answered: Final[WeakKeyDictionary[Database, list[UUID]]] = WeakKeyDictionary()
"""For each database the tokens of commits that were answered, to be deleted."""

_with_table: Final[WeakSet[Database]] = WeakSet()
"""The databases that have the table, where making it is no part of a transaction."""


def new_token(database: Database) -> CommitToken:
    """Make a token of the kind that the store has, for one transaction."""
    driver = database.driver
    if isinstance(driver, VerifiesCommits):
        return AskedAgain(driver)
    status = database.dialect.capabilities.transaction_status
    return StoredToken() if status is None else RememberedTransaction(status)


class Commit(Model):
    """The table of tokens; in a registry of its own, so that `create_all` leaves it alone."""

    class Settings:
        """How it is stored."""

        name = "_uow_commits"
        registry = Registry()

    token: Mapped[UUID] = Column(primary_key=True)


@final
class StoredToken(CommitToken):
    """A row that is there if the transaction was committed."""

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
        """Keep the token to be deleted by a later commit, and forget those this one deleted."""
        tokens = _answered.setdefault(database, [])
        for token in self._deleted:
            if token in tokens:
                tokens.remove(token)
        tokens.append(self._value)

    async def _ask(self, database: Database) -> Outcome | None:
        codec = codecs_of(database).of(mapper_of(Commit))
        channel = Channel(database, TransactionOptions())
        try:
            await channel.begin()
            await _make_table(channel)
            # With a lock: where writers do not wait for each other, this one waits for the row.
            get = codec.get_statement(for_update=True)
            find = get.statement(codec.encode_key(self._value))
            rows = await channel.fetch(find)
        finally:
            await channel.rollback()
        return Outcome.APPLIED if rows else Outcome.NOT_APPLIED


async def _make_table(channel: Channel) -> None:
    """Make the table of tokens, where it is missing."""
    database = channel.database
    texts = database.dialect.create_table(mapper_of(Commit))
    if database.dialect.capabilities.transactional_ddl:
        for text in texts:
            await channel.write(Statement(text), returns=False)
        return
    if database in _with_table:
        return
    # Making a table would commit the transaction, and the pool may have no second connection.
    connection = await database.driver.connect()
    try:
        for text in texts:
            await connection.execute(Statement(text))
    finally:
        connection.terminate()
    _with_table.add(database)
