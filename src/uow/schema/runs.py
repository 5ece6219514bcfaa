"""Transactions of definitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from uow.drivers.base import TransactionOptions
from uow.errors import CommitUnknownError, Outcome, Phase, UowError

if TYPE_CHECKING:
    from uow.drivers.base import Connection

__all__ = ["CLEANUP_BUDGET", "begin", "commit"]

CLEANUP_BUDGET = 10.0
"""Seconds that a COMMIT or ROLLBACK of table definitions may take."""


async def begin(connection: Connection) -> None:
    """Begin a transaction at the end of which foreign keys are checked, as far as the store can."""
    try:
        await connection.begin(TransactionOptions(defer_constraints=True))
    except UowError as error:
        error.phase = error.phase or Phase.BEGIN
        raise


async def commit(connection: Connection) -> None:
    """Commit, under a shield with a budget.

    Raises:
        CommitUnknownError: it was not answered in time.
    """
    try:
        with anyio.move_on_after(CLEANUP_BUDGET, shield=True) as budget:
            await connection.commit()
        if budget.cancelled_caught:
            raise CommitUnknownError(f"COMMIT was not answered within {CLEANUP_BUDGET:g} s")
    except UowError as error:
        error.phase = error.phase or Phase.COMMIT
        error.outcome = error.outcome or Outcome.NOT_APPLIED
        raise
