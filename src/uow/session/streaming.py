"""Reading through a cursor, without keeping what was read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, final
from weakref import ref

from uow.errors import ObjectStateError, Phase, QueryError, SessionClosedError, UowError
from uow.session.channel import mark
from uow.tracking.state import Home, State

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from uow.drivers.base import Connection, Row
    from uow.mapping.mapper import Mapper
    from uow.query.statements import Select
    from uow.session.session import Session

__all__ = ["Stream"]

R = TypeVar("R")


class Passing(dict[Any, Any]):
    """An identity map that answers for the objects of a session and keeps no others."""

    __slots__ = ("get",)

    def __init__(self, objects: dict[Any, Any]) -> None:
        super().__init__()
        self.get = objects.get  # type: ignore[method-assign]

    def __setitem__(self, key: Any, value: Any) -> None:
        """Nothing is kept."""

    def __bool__(self) -> bool:
        """There may be objects: each is to be looked for."""
        return True


class Batches:
    """Hands out rows that are there already, as a cursor would."""

    __slots__ = ("_rows", "_size", "_start")

    def __init__(self, rows: list[Row], size: int) -> None:
        self._rows = rows
        self._size = size
        self._start = 0

    def __aiter__(self) -> Batches:
        return self

    async def __anext__(self) -> list[Row]:
        batch = self._rows[self._start : self._start + self._size]
        if not batch:
            raise StopAsyncIteration
        self._start += len(batch)
        return batch


@final
class Stream(Generic[R]):
    """Rows of a query, a batch at a time; an async context manager and its iterator.

    In a transaction it reads there, else on a connection of its own that it holds until it is
    closed. The session can be used between batches, if the pool has a connection for it. Of a
    database with a single connection all rows are read at once.

    Attributes:
        is_own: it reads on a connection of its own.
        is_abandoned: nobody reads on, and nobody closes it.
    """

    __slots__ = (
        "_batch",
        "_batch_size",
        "_batches",
        "_connection",
        "_cursor",
        "_select",
        "_session",
        "_take",
        "is_abandoned",
        "is_own",
    )

    def __init__(self, session: Session, select: Select, batch_size: int) -> None:
        if select.for_update is not None:
            raise QueryError("a stream takes no locks; leave out for_update, or use to_list()")
        if select.load or select.links:
            raise QueryError(
                "a stream keeps no objects, so it loads no relations; use page(), or leave out load"
            )
        if type(batch_size) is not int or batch_size < 1:
            raise QueryError("batch_size is the number of rows to fetch at a time, one at least")
        self._session = session
        self._select = select
        self._batch_size = batch_size
        self._batch: list[Any] = []
        self._batches: AsyncIterator[list[Row]] | None = None
        self._connection: Connection | None = None
        self._cursor: AbstractAsyncContextManager[AsyncIterator[list[Row]]] | None = None
        self.is_own = False
        self.is_abandoned = False
        self._take: Callable[[list[Row]], list[Any]] | None = None

    async def __aenter__(self) -> AsyncIterator[R]:
        session = self._session
        outer = session._claim("stream")
        try:
            if self._take is not None:
                raise ObjectStateError("a stream is entered once")
            await session._unit.flush_first()
            session._unit.refuse_poisoned()
            compiled = session._unit.codecs.dialect.compile(self._select)
            self._take = self._taker()
            channel = session._unit.channel
            if session._unit.is_explicit and channel.connection is None:
                await session._unit.begin()
            is_own = channel.connection is None
            if is_own and channel.database.driver.max_connections == 1:
                # A memory database: holding its only connection would lock the session out.
                rows = await channel.fetch(compiled.statement)
                self._batches = Batches(rows, self._batch_size)
                return self
            self.is_own = is_own
            try:
                self._connection, self._cursor, self._batches = await channel.open_stream(
                    compiled.statement, batch_size=self._batch_size
                )
            except BaseException as error:
                self._note_failure(error)
                raise
            session._unit.streams.add(self)
            session._unit.note_read()
            return self
        finally:
            session._operation = outer

    def _taker(self) -> Callable[[list[Row]], list[Any]]:
        """What makes objects, or rows, of a batch."""
        session = self._session
        mapper: Mapper | None = self._select.entity_mapper
        if self._select.documents is not None and self._select.documents.is_raw:
            return list
        if mapper is None:
            columns = self._select.columns
            return lambda rows: session._reader.rows(columns, rows)
        ledger = session._ledger
        codec = session._unit.codecs.of(mapper)
        hydrate = codec.hydrator(self._select.classes, lambda one: Passing(ledger.of(one.root)))
        passing = Passing(ledger.of(mapper.root))
        detached = Home(ref(ledger), session._unit.codecs, State.PERSISTENT)
        detached.close()
        return lambda rows: hydrate(rows, passing, detached)

    def __aiter__(self) -> AsyncIterator[R]:
        return self

    async def __anext__(self) -> R:
        if not self._batch:
            await self._fetch()
        return self._batch.pop()  # type: ignore[no-any-return]

    async def _fetch(self) -> None:
        session = self._session
        outer = session._claim("stream")
        try:
            if self._batches is None or self._take is None:
                raise SessionClosedError("the stream is closed")
            try:
                rows = await anext(self._batches)
            except StopAsyncIteration:
                raise
            except BaseException as error:
                if isinstance(error, UowError):
                    mark(error, Phase.QUERY)
                self._note_failure(error)
                raise
            self._batch = self._take(rows)
            self._batch.reverse()
        finally:
            session._operation = outer

    def _note_failure(self, error: BaseException) -> None:
        """In a transaction of the session, a read that failed may have taken that with it."""
        if not self.is_own:
            self._session._unit._failed(error, keeps=True)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the cursor and give the connection back. May be called twice."""
        cursor, self._cursor = self._cursor, None
        self._batches = None
        self._batch = []
        try:
            if cursor is not None:
                await cursor.__aexit__(None, None, None)
        finally:
            await self._give_back()

    async def _give_back(self) -> None:
        connection, self._connection = self._connection, None
        self._session._unit.streams.discard(self)
        if connection is not None and self.is_own:
            await self._session._unit.channel.release(connection)

    def abandon(self) -> None:
        """Note that the reader went away; the session closes the cursor before it goes on."""
        self.is_abandoned = True

    def forsake(self) -> None:
        """The session went away with it, in a finaliser perhaps: cut its own connection off."""
        connection, self._connection = self._connection, None
        self._cursor = None
        self._batches = None
        if connection is not None and self.is_own:
            self._session._unit.channel.pool.forsake(connection)
