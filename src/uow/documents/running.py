"""Where queries of documents run: in a session that was named or is ambient, or in their own."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from uow.errors import QueryError
from uow.query.executor import Executor
from uow.session.active import AmbientExecutor, own_unit
from uow.session.ambient import current_session
from uow.session.binding import bound_database
from uow.session.session import Session

__all__ = ["executor_of", "session_of", "working"]


def session_of(given: object) -> Session | None:
    """Check what was given as `session=`.

    Raises:
        QueryError: it is no session of ours.
    """
    if given is None or isinstance(given, Session):
        return given
    raise QueryError(
        f"session= takes a uow Session, not {type(given).__name__}: a unit of work is `async with "
        "Session(db) as session`, and its verbs need no session= at all"
    )


def executor_of(mapper: Any, session: object) -> Executor:
    """Give what runs a query: the session that was named, or whichever is there."""
    found = session_of(session)
    if found is not None:
        return found
    return AmbientExecutor(lambda: bound_database(mapper), atomic=_is_atomic(mapper))


def _is_atomic(mapper: Any) -> bool | None:
    """Whether what is written of a class is a transaction; None for what its database says."""
    # Measurements are not written in transactions, which their collections do not have.
    is_measured = mapper.document is not None and mapper.document.timeseries is not None
    return False if is_measured else None


@asynccontextmanager
async def working(
    mapper: Any, executor: Executor | None = None, *, session: object = None, writes: bool = True
) -> AsyncGenerator[Session]:
    """Give the session that something runs in; what was named or is ambient is flushed at the end.

    Args:
        mapper: whose database a session of its own is on.
        executor: what a query was made with.
        session: a session that was named.
        writes: whether there is something to write at the end.
    """
    found = session_of(session)
    if found is None and isinstance(executor, Session):
        found = executor
    if found is None:
        found = current_session()
    if found is None:
        home, atomic = bound_database(mapper), _is_atomic(mapper)
        async with own_unit(home, writes=writes, atomic=atomic) as own:
            yield own
        return
    yield found
    if writes:
        await found.flush()
