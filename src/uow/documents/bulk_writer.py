"""`BulkWriter`: writes that are collected, and sent together."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import attrs

from uow.documents.running import working
from uow.errors import QueryError
from uow.mapping.mapper import Mapper, mapper_of
from uow.query.statements import Delete, Update
from uow.session.session import Session
from uow.tracking.state import State, state_of

__all__ = ["BulkWriteResult", "BulkWriter"]


@attrs.define
class BulkWriteResult:
    """What a bulk write did.

    Attributes:
        inserted_count: how many documents were inserted.
        matched_count: how many were found to be changed.
        modified_count: how many of them are not as they were.
        deleted_count: how many are gone.
    """

    inserted_count: int = 0
    matched_count: int = 0
    modified_count: int = 0
    deleted_count: int = 0


class BulkWriter:
    """Collects writes of one class, and sends them together when it is committed.

    ```python
    async with BulkWriter() as bulk_writer:
        await Person.insert_one(ann, bulk_writer=bulk_writer)
        await Person.find(Person.age > 18).set({Person.age: 1}, bulk_writer=bulk_writer)
    ```

    They are one unit: all of them happen, or none. Statements that follow each other are one bulk
    write, and so are objects. Leaving the block by an exception sends nothing.

    Args:
        session: where to run, if not in the ambient session.
        ordered: do statements in this order, and none after one that failed.
        object_class: the class, if it is not to be that of the first write.
        bypass_document_validation: leave out the server's own validation of statements.
        comment: what the server's log says of statements.
    """

    __slots__ = ("_entries", "_mapper", "_options", "_session", "result")

    def __init__(
        self,
        session: Session | None = None,
        ordered: bool = True,
        object_class: type[Any] | None = None,
        bypass_document_validation: bool | None = None,
        comment: Any = None,
    ) -> None:
        self._session = session
        self._mapper = None if object_class is None else mapper_of(object_class)
        options = {"bypass_document_validation": bypass_document_validation, "comment": comment}
        self._options = {name: value for name, value in options.items() if value is not None}
        self._options["ordered"] = ordered
        self._entries: list[tuple[Any, bool] | Update | Delete] = []
        self.result: BulkWriteResult | None = None

    def __repr__(self) -> str:
        return f"<BulkWriter of {len(self._entries)} writes>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_type is None:
            await self.commit()

    def add_object(self, obj: Any, *, deletes: bool = False) -> None:
        """Add an object that is to be stored, or deleted.

        Raises:
            QueryError: it is of another class than the writes before.
        """
        self._belong(mapper_of(obj))
        self._entries.append((obj, deletes))

    def add_statement(self, statement: Update | Delete) -> None:
        """Add a statement over many documents.

        Raises:
            QueryError: it is of another class than the writes before.
        """
        self._belong(statement.mapper)
        self._entries.append(statement)

    def _belong(self, mapper: Mapper) -> None:
        if self._mapper is None:
            self._mapper = mapper
        elif self._mapper.root is not mapper.root:
            raise ForeignWriteError(
                f"the bulk writer is for {self._mapper.name}, not for {mapper.name}: a bulk write "
                "is of one collection"
            )

    async def commit(self) -> BulkWriteResult | None:
        """Send what was collected; None if there is nothing.

        Raises:
            UowError: as `Session.flush`. What was collected is still there, and can be sent again.
        """
        if not self._entries:
            return None
        result = BulkWriteResult()
        entries = list(self._entries)
        async with working(self._mapper, session=self._session) as session:
            place = 0
            while place < len(entries):
                place = await self._send(session, entries, place, result)
        del self._entries[: len(entries)]
        self.result = result
        return result

    async def _send(
        self, session: Session, entries: list[Any], place: int, result: BulkWriteResult
    ) -> int:
        """Send the entries of one kind that follow each other; give the place behind them."""
        statements: list[Any] = []
        while place < len(entries) and not isinstance(entries[place], tuple):
            statements.append(entries[place])
            place += 1
        if statements:
            done = await session.execute_writes(statements, **self._options)
            result.matched_count += done.matched
            result.modified_count += done.modified
            result.deleted_count += done.deleted
            return place
        while place < len(entries) and isinstance(entries[place], tuple):
            obj, deletes = entries[place]
            place += 1
            if deletes:
                result.deleted_count += 1
                session.delete(obj)
                continue
            if state_of(obj).stored is State.PERSISTENT:
                result.matched_count += 1
                result.modified_count += 1
            else:
                result.inserted_count += 1
            session.add(obj)
        await session.flush()
        return place


class ForeignWriteError(QueryError, ValueError):
    """A write is of another class than those before it."""
