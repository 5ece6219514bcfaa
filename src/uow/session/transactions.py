"""Transactions without a session in sight: `transaction()`, `begin_transaction()` and `run()`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar, final

import stamina

from uow.errors import CommitUnknownError, ObjectStateError, Outcome, QueryError, UowError
from uow.session.ambient import current_session
from uow.session.blocks import SavepointBlock, Transaction
from uow.session.session import Session

if TYPE_CHECKING:
    from uow.database import Database

__all__ = ["begin_transaction", "on_commit", "run", "transaction"]

T = TypeVar("T")


@final
class transaction:  # noqa: N801 - used like a function: `async with transaction() as tx:`
    """Run a block as one transaction; `async with transaction() as tx:`.

    Active-record verbs in the block take part. A clean exit commits, an exception rolls back.
    Inside a session the transaction is that session's; inside another transaction it is a
    savepoint of it.

    Args:
        database: the database; that of the ambient session, else the default one.
        isolation: an SQL isolation level.
        read_only: refuse to write.

    Raises:
        QueryError: a level or a database was given inside a session that has its own.
    """

    __slots__ = ("_database", "_isolation", "_read_only", "_tx")

    def __init__(
        self,
        database: Database | None = None,
        *,
        isolation: str | None = None,
        read_only: bool = False,
    ) -> None:
        self._database = database
        self._isolation = isolation
        self._read_only = read_only
        self._tx: Transaction | None = None

    async def __aenter__(self) -> Transaction:
        outer = current_session()
        if outer is None:
            self._tx = await begin_transaction(
                self._database, isolation=self._isolation, read_only=self._read_only
            )
            return self._tx
        _refuse_options(outer, self._database, self._isolation, read_only=self._read_only)
        nested: SavepointBlock | None = None
        if outer._unit.is_explicit or outer.in_transaction:
            nested = await outer.begin_nested().__aenter__()
        else:
            outer._unit.is_explicit = True
        self._tx = Transaction(outer, owns_session=False, nested=nested)
        return self._tx

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        tx = self._tx
        if tx is None or tx.is_over:
            return
        if exc_type is None:
            await tx.commit()
        else:
            await tx.rollback()


async def begin_transaction(
    database: Database | None = None, *, isolation: str | None = None, read_only: bool = False
) -> Transaction:
    """Begin a transaction that ends with `await tx.commit()` or `await tx.rollback()`.

    Until then it is the ambient one of this task: active-record verbs take part.

    Raises:
        ObjectStateError: the ambient session is in a transaction already.
    """
    outer = current_session()
    if outer is not None:
        _refuse_options(outer, database, isolation, read_only=read_only)
        if outer._unit.is_explicit or outer.in_transaction:
            raise ObjectStateError(
                "a transaction is open already; use tx.savepoint(), or transaction() as a block"
            )
        outer._unit.is_explicit = True
        return Transaction(outer, owns_session=False)
    session = Session(database, isolation=isolation, read_only=read_only, _depth=2)
    session._unit.is_explicit = True
    await session.__aenter__()
    return Transaction(session, owns_session=True)


def _refuse_options(
    outer: Session, database: Database | None, isolation: str | None, *, read_only: bool
) -> None:
    if database is not None and database is not outer.database:
        raise QueryError(
            "the ambient session works on another database; open a session of its own there"
        )
    if isolation is not None or read_only:
        raise QueryError("isolation and read_only belong to the session: give them to Session(...)")


def on_commit(function: Callable[[], object]) -> Callable[[], object]:
    """Call a function once the ambient session's unit is known to be committed.

    Raises:
        ObjectStateError: there is no ambient session.
    """
    session = current_session()
    if session is None:
        raise ObjectStateError("on_commit() needs a session; use it inside `async with Session()`")
    return session.on_commit(function)


async def run(
    work: Callable[[Session], Awaitable[T]],
    database: Database | None = None,
    *,
    retries: int = 5,
    timeout: float = 60.0,
    isolation: str | None = None,
) -> T:
    """Run a whole unit of work, and run it again if the store asks for that.

    Each try gets a session of its own, which commits when `work` returns. What cannot be
    repeated (mail, random keys) belongs outside of `work`, or into `session.on_commit`.

    Args:
        work: the unit; it gets the session.
        database: the database; the default one if None.
        retries: how often to try again.
        timeout: seconds for all tries together, waiting included.
        isolation: an SQL isolation level.

    Returns:
        What `work` returned.

    Raises:
        CommitUnknownError: the outcome of a commit could not be found out.
        UowError: the last try's error, or one that another try would not mend.
    """
    if retries < 0:
        raise QueryError(f"retries is a number of further tries, not {retries}")
    async for attempt in stamina.retry_context(
        on=_is_worth_another_try,
        attempts=retries + 1,
        timeout=timeout,
        wait_initial=0.01,
        wait_jitter=0.02,
        wait_max=1.0,
    ):
        with attempt:
            return await _try_once(work, database, isolation)
    raise AssertionError("unreachable: the last attempt raises")


async def _try_once(
    work: Callable[[Session], Awaitable[T]], database: Database | None, isolation: str | None
) -> T:
    async with Session.begin(database, isolation=isolation, verify_commit=True) as session:
        try:
            result = await work(session)
        except CommitUnknownError as error:  # `work` committed by itself, and has no result
            error.outcome = await error.verify()
            raise
        try:
            await session.commit()
        except CommitUnknownError:
            if await session._unit.settle_unknown() is not Outcome.APPLIED:
                raise
        return result


def _is_worth_another_try(error: Exception) -> bool:
    if isinstance(error, CommitUnknownError):
        return error.outcome is Outcome.NOT_APPLIED
    return isinstance(error, UowError) and error.retryable
