"""Commit tokens: how the outcome of a COMMIT that was not answered can be found out.

Where the store remembers its transactions (`Capabilities.transaction_status`) the token is the
name it gave to this one. Where the client can ask again (`VerifiesCommits`) it is the client's own
question. Elsewhere it is a row of our own, written in the transaction (`stored_tokens`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, final

import anyio

from uow.drivers.base import TransactionOptions, VerifiesCommits
from uow.errors import Outcome, Phase, UowError
from uow.session.channel import Channel
from uow.statement import Statement

if TYPE_CHECKING:
    from uow.database import Database
    from uow.dialects.base import TransactionStatus
    from uow.drivers.base import Row

__all__ = ["AskedAgain", "CommitToken", "RememberedTransaction"]

TRIES: Final = 3
"""How often a store is asked that does not answer."""

PAUSE: Final = 0.05
"""Seconds before the second question; doubled before each that follows."""


class CommitToken(ABC):
    """What can be asked about one transaction when its COMMIT was not answered."""

    __slots__ = ()

    @abstractmethod
    async def leave(self, channel: Channel) -> None:
        """Make the open transaction one that can be asked about."""

    @abstractmethod
    def answered(self, database: Database) -> None:
        """Take note that the commit was acknowledged: nobody will ask."""

    @abstractmethod
    async def _ask(self, database: Database) -> Outcome | None:
        """Ask once. None: the transaction is still on its way."""

    async def verify(self, database: Database) -> Outcome:
        """Ask the store what became of the transaction.

        One that is still on its way is waited for, as long as a COMMIT may take.

        Returns:
            `APPLIED` or `NOT_APPLIED`; `UNKNOWN` if the store did not answer, a few times over,
            does not know, or is not done.
        """
        deadline = anyio.current_time() + database.commit_timeout
        failures = 0
        pause = PAUSE
        while True:
            try:
                outcome = await self._ask(database)
            except UowError:
                failures += 1
                is_over = failures == TRIES
            else:
                if outcome is not None:
                    return outcome
                is_over = anyio.current_time() >= deadline
            if is_over:
                return Outcome.UNKNOWN
            await anyio.sleep(pause)
            pause = min(1.0, 2 * pause)


@final
class RememberedTransaction(CommitToken):
    """A transaction in a store that remembers what became of each.

    What a server crashed away it may do again under the same name. So "committed" and "open" may
    be said of another transaction, and count only from a server that has not crashed meanwhile;
    "aborted" counts always, because a name whose transaction was stored is not given again.
    """

    __slots__ = ("_life", "_name", "_status")

    def __init__(self, status: TransactionStatus) -> None:
        self._status = status
        self._name: object = None
        self._life: object = None

    async def leave(self, channel: Channel) -> None:
        """Ask the transaction for its name, and the server since when it has not crashed."""
        rows = await channel.fetch(Statement(self._status.own), Phase.COMMIT)
        self._name, self._life = rows[0]

    def answered(self, database: Database) -> None:
        """Nothing is kept."""

    async def _ask(self, database: Database) -> Outcome | None:
        question = Statement(self._status.of, (self._name,), reads=True)
        rows: list[Row] = await Channel(database, TransactionOptions()).fetch(question)
        answer, life = rows[0]
        if answer == self._status.aborted:
            return Outcome.NOT_APPLIED
        if life == self._life and answer == self._status.open:
            return None
        if life == self._life and answer == self._status.committed:
            return Outcome.APPLIED
        return Outcome.UNKNOWN


@final
class AskedAgain(CommitToken):
    """A transaction of a store whose client may ask again what became of it."""

    __slots__ = ("_driver", "_question")

    def __init__(self, driver: VerifiesCommits) -> None:
        self._driver = driver
        self._question: Callable[[], Awaitable[Outcome | None]] | None = None

    async def leave(self, channel: Channel) -> None:
        """Take the question from the connection; nothing is sent."""
        if channel.connection is not None:
            self._question = self._driver.question(channel.connection)

    def answered(self, database: Database) -> None:
        """Nothing is kept."""

    async def _ask(self, database: Database) -> Outcome | None:  # noqa: ARG002  # it is the driver's
        return Outcome.UNKNOWN if self._question is None else await self._question()
