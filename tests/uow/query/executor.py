"""An executor that keeps what it is given and answers what it was told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from uow.query.statements import Delete, Insert, Select, Update


class Stream:
    """Rows from memory, with a note of what became of it."""

    def __init__(self, rows: list[Any], error: Exception | None = None) -> None:
        self.rows = rows
        self.error = error
        self.events: list[str] = []
        self.served = 0

    async def __aenter__(self) -> AsyncIterator[Any]:
        self.events.append("opened")
        return self

    async def __aexit__(self, exc_type: type[BaseException] | None, *rest: object) -> None:
        self.events.append("closed" if exc_type is None else f"closed on {exc_type.__name__}")

    def abandon(self) -> None:
        self.events.append("abandoned")

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Any:
        if self.served < len(self.rows):
            self.served += 1
            return self.rows[self.served - 1]
        raise self.error or StopAsyncIteration


class Recorder:
    """Answers every statement with the same rows, and keeps the statements."""

    def __init__(self, *rows: Any, matched: int = 0) -> None:
        self.rows = list(rows)
        self.matched = matched
        self.places: list[tuple[Any, ...]] = []
        self.sent: list[Any] = []
        self.streams: list[Stream] = []

    @property
    def last(self) -> Any:
        return self.sent[-1]

    async def fetch_objects(self, select: Select) -> list[Any]:
        self.sent.append(select)
        return self.rows[: select.limit]

    async def fetch_rows(self, select: Select) -> list[Any]:
        self.sent.append(select)
        return self.rows[: select.limit]

    async def fetch_scalars(self, select: Select) -> list[Any]:
        self.sent.append(select)
        return self.rows

    async def fetch_beside(self, select: Select) -> tuple[list[Any], list[tuple[Any, ...]]]:
        self.sent.append(select)
        return self.rows[: select.limit], self.places[: select.limit]

    async def fetch_plan(self, select: Select, *, analyze: bool) -> str:
        self.sent.append(select)
        return "a plan"

    async def execute_write(self, statement: Update | Delete | Insert) -> int:
        self.sent.append(statement)
        return self.matched

    def stream_objects(self, select: Select, *, batch_size: int = 500) -> Stream:
        return self._stream(select)

    def stream_rows(self, select: Select, *, batch_size: int = 500) -> Stream:
        return self._stream(select)

    def _stream(self, select: Select) -> Stream:
        self.sent.append(select)
        stream = Stream(self.rows)
        self.streams.append(stream)
        return stream
