"""Commit tokens: how the outcome of a COMMIT that was not answered can be found out.

A row with a random token is written in the transaction itself. It is there afterwards exactly
if the transaction was committed. Asking waits for the write lock, so the transaction asked about
cannot still be on its way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import anyio

from uow.drivers.base import TransactionOptions
from uow.errors import Outcome, UowError
from uow.session.channel import Channel

if TYPE_CHECKING:
    from uow.database import Database

__all__ = ["CommitToken"]

TRIES = 3
PAUSE = 0.05


class CommitToken:
    """The token of one transaction."""

    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value = uuid4().bytes

    async def leave(self, channel: Channel) -> None:
        """Write the token in the open transaction."""
        for statement in channel.database.dialect.leave_commit_token(self._value):
            await channel.write(statement, returns=False)

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
        channel = Channel(database, TransactionOptions())
        try:
            await channel.begin()
            *prepare, find = database.dialect.find_commit_token(self._value)
            for statement in prepare:
                await channel.write(statement, returns=False)
            rows = await channel.fetch(find)
            return Outcome.APPLIED if rows else Outcome.NOT_APPLIED
        finally:
            await channel.rollback()
