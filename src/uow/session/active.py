"""What the active-record verbs stand on: the ambient session, or a unit of one's own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, final

from uow.errors import CommitUnknownError
from uow.session.ambient import current_session
from uow.session.session import Session

if TYPE_CHECKING:
    from uow.database import Database
    from uow.query.executor import RowStream
    from uow.query.statements import Delete, Insert, Select, Update

__all__ = ["AmbientExecutor", "ambient_executor", "own_unit", "unit"]

Home = Callable[[], "Database"]
"""Gives the database of who has no session."""


@asynccontextmanager
async def unit(*, writes: bool = True, of: Home | None = None) -> AsyncGenerator[Session]:
    """Give the ambient session, flushed at the end; or one that commits at the end.

    Args:
        writes: whether there is something to write at the end.
        of: gives the database of a session of its own; the default one without it.
    """
    session = current_session()
    if session is not None:
        yield session
        if writes:
            await session.flush()
        return
    async with own_unit(None if of is None else of(), writes=writes) as own:
        yield own


@asynccontextmanager
async def own_unit(
    database: Database | None, *, writes: bool = True, atomic: bool | None = None
) -> AsyncGenerator[Session]:
    """Give a session for one verb, that commits at the end.

    What fails has changed nothing in the store, and takes nothing from the objects either: they
    keep what the user set, as after any failed flush, to be tried again. So it is whatever ended
    it: a refusal of the store, an error of a hook, a cancellation. Only where nobody knows what
    became of the commit are they as they were read.

    Args:
        database: its database; the default one if None.
        writes: whether there is something to write at the end.
        atomic: as of `Session`.
    """
    async with Session(database, atomic=atomic, _depth=6) as own:
        try:
            yield own
            if writes:
                await own.commit()
        except BaseException as error:
            is_unknown = own._unit.unknown is not None or isinstance(error, CommitUnknownError)
            if own._can_roll_back and not is_unknown:
                own.clear()  # waits for nothing, so that no cancellation can come between
            raise


@final
class AmbientExecutor:
    """Runs queries in the ambient session, or each in a session of its own."""

    __slots__ = ("_atomic", "_of")

    def __init__(self, of: Home | None = None, *, atomic: bool | None = None) -> None:
        self._of = of
        self._atomic = atomic

    async def fetch_objects(self, select: Select) -> list[Any]:
        """See `Executor`."""
        async with unit(writes=False, of=self._of) as session:
            return await session.fetch_objects(select)

    async def fetch_rows(self, select: Select) -> list[Any]:
        """See `Executor`."""
        async with unit(writes=False, of=self._of) as session:
            return await session.fetch_rows(select)

    async def fetch_scalars(self, select: Select) -> list[Any]:
        """See `Executor`."""
        async with unit(writes=False, of=self._of) as session:
            return await session.fetch_scalars(select)

    async def fetch_beside(self, select: Select) -> tuple[list[Any], list[tuple[Any, ...]]]:
        """See `Executor`."""
        async with unit(writes=False, of=self._of) as session:
            return await session.fetch_beside(select)

    async def fetch_plan(self, select: Select, *, analyze: bool) -> str:
        """See `Executor`."""
        async with unit(writes=False, of=self._of) as session:
            return await session.fetch_plan(select, analyze=analyze)

    async def execute_write(self, statement: Update | Delete | Insert) -> int:
        """See `Executor`."""
        session = current_session()
        if session is not None:
            return await session.execute_write(statement)
        home = None if self._of is None else self._of()
        async with Session(home, atomic=self._atomic, _depth=2) as own:
            count = await own.execute_write(statement)
            await own.commit()
            return count

    def stream_objects(self, select: Select, *, batch_size: int = 500) -> RowStream[Any]:
        """See `Executor`."""
        session = current_session()
        if session is None:
            return OwnStream(select, batch_size, self._of)
        return session.stream_objects(select, batch_size=batch_size)

    def stream_rows(self, select: Select, *, batch_size: int = 500) -> RowStream[Any]:
        """See `Executor`."""
        return self.stream_objects(select, batch_size=batch_size)


@final
class OwnStream:
    """A stream with a session of its own, closed with it."""

    __slots__ = ("_batch_size", "_select", "_session", "_stream")

    def __init__(self, select: Select, batch_size: int, of: Home | None) -> None:
        self._select = select
        self._batch_size = batch_size
        self._session = Session(None if of is None else of(), _depth=2)
        self._stream: RowStream[Any] | None = None

    async def __aenter__(self) -> AsyncIterator[Any]:
        await self._session.__aenter__()
        try:
            self._stream = self._session.stream_objects(self._select, batch_size=self._batch_size)
            return await self._stream.__aenter__()
        except BaseException:
            await self._session.aclose()
            raise

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self._stream is not None:
                await self._stream.__aexit__(exc_type, exc, traceback)
        finally:
            await self._session.aclose()

    def abandon(self) -> None:
        """See `RowStream`."""
        if self._stream is not None:
            self._stream.abandon()
        self._session.abandon()


ambient_executor: Final = AmbientExecutor()
"""The executor of `Author.find(...)`."""
