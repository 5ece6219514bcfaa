"""What a query needs in order to run: a session, or something that opens one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar, final

from uow.query.statements import Delete, Insert, Select, Update

__all__ = ["Executor", "RowIterator", "RowStream"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class RowStream(Protocol[T_co]):
    """Rows read through a cursor on the server, as an async context manager.

    Leaving the block closes the cursor, whatever was read.
    """

    async def __aenter__(self) -> AsyncIterator[T_co]:
        """Open the cursor."""
        ...

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> bool | None:
        """Close the cursor."""
        ...

    def abandon(self) -> None:
        """Note that the reader went away without closing (`break` in a plain `async for`).

        Called from a finaliser, so it neither waits nor raises. Whoever owns the connection closes
        the cursor before the connection is used again.
        """
        ...


class Executor(Protocol):
    """Runs statement trees. Every call is one statement, or a set of chunks of one unit."""

    async def fetch_objects(self, select: Select) -> list[Any]:
        """Give the objects of `select.entity`, those of the identity map where they are in it."""
        ...

    async def fetch_rows(self, select: Select) -> list[Any]:
        """Give `Row`s named by `result_names(select.columns)`, values decoded."""
        ...

    async def fetch_scalars(self, select: Select) -> list[Any]:
        """Give the first value of each row, decoded."""
        ...

    async def fetch_beside(self, select: Select) -> tuple[list[Any], list[tuple[Any, ...]]]:
        """Give objects or rows, and for each the values of `select.beside`, decoded."""
        ...

    async def fetch_plan(self, select: Select, *, analyze: bool) -> str:
        """Give the store's plan; with `analyze` run the select, and tell what it took."""
        ...

    async def execute_write(self, statement: Update | Delete | Insert) -> int:
        """Run a bulk statement; give the number of rows it matched."""
        ...

    def stream_objects(self, select: Select, *, batch_size: int = 500) -> RowStream[Any]:
        """Read objects through a cursor, so many at a time; a block that is left closes it."""
        ...

    def stream_rows(self, select: Select, *, batch_size: int = 500) -> RowStream[Any]:
        """Read `Row`s through a cursor, so many at a time; a block that is left closes it."""
        ...


@final
class RowIterator(Generic[T]):
    """`async for` over a query: opens a cursor at the first row, closes it after the last.

    An error in the cursor closes it too. A loop that is left early drops this object, and the
    stream is then told that nobody reads on.
    """

    __slots__ = ("_rows", "_stream")

    def __init__(self, stream: RowStream[T]) -> None:
        self._stream: RowStream[T] | None = stream
        self._rows: AsyncIterator[T] | None = None

    def __aiter__(self) -> RowIterator[T]:
        return self

    async def __anext__(self) -> T:
        stream = self._stream
        if stream is None:
            raise StopAsyncIteration
        try:
            if self._rows is None:
                self._rows = await stream.__aenter__()
            return await anext(self._rows)
        except BaseException as error:
            # One exit for the end of the rows, an error and a cancellation: the cursor is closed
            # before any of them is seen by the loop.
            self._stream = None
            if self._rows is not None:
                is_end = isinstance(error, StopAsyncIteration)
                cause = None if is_end else error
                await stream.__aexit__(
                    None if cause is None else type(cause),
                    cause,
                    None if cause is None else cause.__traceback__,
                )
            raise

    def __del__(self) -> None:
        stream = self._stream
        if stream is not None and self._rows is not None:
            stream.abandon()
