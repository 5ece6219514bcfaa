"""What the active-record verbs stand on: the ambient session, or a unit of one's own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, final

from uow.session.ambient import current_session
from uow.session.session import Session

if TYPE_CHECKING:
    from uow.query.executor import RowStream
    from uow.query.statements import Delete, Insert, Select, Update

__all__ = ["ambient_executor", "unit"]


@asynccontextmanager
async def unit(*, writes: bool = True) -> AsyncGenerator[Session]:
    """Give the ambient session, flushed at the end; or one that commits at the end.

    Args:
        writes: whether there is something to write at the end.
    """
    session = current_session()
    if session is not None:
        yield session
        if writes:
            await session.flush()
        return
    async with Session(_depth=4) as own:
        yield own
        if writes:
            await own.commit()


@final
class AmbientExecutor:
    """Runs queries in the ambient session, or each in a session of its own."""

    __slots__ = ()

    async def fetch_objects(self, select: Select) -> list[Any]:
        """See `Executor`."""
        async with unit(writes=False) as session:
            return await session.fetch_objects(select)

    async def fetch_rows(self, select: Select) -> list[Any]:
        """See `Executor`."""
        async with unit(writes=False) as session:
            return await session.fetch_rows(select)

    async def fetch_scalars(self, select: Select) -> list[Any]:
        """See `Executor`."""
        async with unit(writes=False) as session:
            return await session.fetch_scalars(select)

    async def execute_write(self, statement: Update | Delete | Insert) -> int:
        """See `Executor`."""
        session = current_session()
        if session is not None:
            return await session.execute_write(statement)
        async with Session(_depth=2) as own:
            count = await own.execute_write(statement)
            await own.commit()
            return count

    def stream_objects(self, select: Select) -> RowStream[Any]:
        """See `Executor`."""
        session = current_session()
        return OwnStream(select) if session is None else session.stream_objects(select)

    def stream_rows(self, select: Select) -> RowStream[Any]:
        """See `Executor`."""
        return self.stream_objects(select)


@final
class OwnStream:
    """A stream with a session of its own, closed with it."""

    __slots__ = ("_select", "_session", "_stream")

    def __init__(self, select: Select) -> None:
        self._select = select
        self._session = Session(_depth=2)
        self._stream: RowStream[Any] | None = None

    async def __aenter__(self) -> AsyncIterator[Any]:
        await self._session.__aenter__()
        try:
            self._stream = self._session.stream_objects(self._select)
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
