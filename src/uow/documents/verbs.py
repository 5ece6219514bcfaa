"""What changes documents when it is awaited; until then more can be said.

```python
await Person.find(Person.age > 18).set({Person.age: 1}).inc({Person.visits: 1})
```
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from uow.dialects.base import dialect_for
from uow.documents.running import executor_of, working
from uow.errors import QueryError
from uow.mapping.mapper import mapper_of
from uow.query.bulk import delete_of, update_of
from uow.query.documents import Gives, Writing
from uow.query.statements import Delete, Update

if TYPE_CHECKING:
    from uow.documents.query import DocumentQuery

__all__ = [
    "DeleteMany",
    "DeleteOne",
    "InsertManyResult",
    "UpdateMany",
    "UpdateOne",
    "UpdateResponse",
]

T = TypeVar("T")


class UpdateResponse(StrEnum):
    """What the change of one document gives."""

    UPDATE_RESULT = "UPDATE_RESULT"
    OLD_DOCUMENT = "OLD_DOCUMENT"
    NEW_DOCUMENT = "NEW_DOCUMENT"


_GIVES = {
    None: Gives.COUNT,
    UpdateResponse.UPDATE_RESULT: Gives.COUNT,
    UpdateResponse.OLD_DOCUMENT: Gives.OLD,
    UpdateResponse.NEW_DOCUMENT: Gives.NEW,
}


class _Pending:
    """Base of what is sent when it is awaited."""

    __slots__ = ("_all", "_bulk_writer", "_options", "_query", "_session")

    def __init__(
        self,
        query: DocumentQuery[Any],
        *,
        session: object = None,
        bulk_writer: Any = None,
        all: bool = False,  # noqa: A002
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._query = query
        self._session = session
        self._bulk_writer = bulk_writer
        self._all = all or query.more.says_all
        self._options = {**query.more.options, **(options or {})}

    def set_session(self, session: object) -> Self:
        """Send it in a session."""
        self._session = session
        return self

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._run().__await__()

    async def _run(self) -> Any:
        tree = self._statement()
        if self._bulk_writer is not None:
            self._bulk_writer.add_statement(tree)
            return None
        query = self._query
        executor = query.executor
        if self._session is not None:
            executor = executor_of(query.mapper, self._session)
        return await executor.execute_write(tree)

    def _statement(self) -> Update | Delete:
        raise NotImplementedError

    def _writing(self, *, is_one: bool, gives: Gives = Gives.COUNT) -> Writing:
        order = self._query.statement.order_by if is_one else ()
        return Writing(is_one, gives, order, self._options)


class _Update(_Pending):
    """Base of changes."""

    __slots__ = ("_changes", "_on_insert")

    def __init__(self, query: DocumentQuery[Any], **options: Any) -> None:
        super().__init__(query, **options)
        self._changes: tuple[Any, ...] = ()
        self._on_insert: Any = None

    def update(
        self, *changes: Any, session: object = None, bulk_writer: Any = None, **options: Any
    ) -> Self:
        """Add changes; they are merged with those before.

        Args:
            changes: as `Query.update` takes them.
            session: where to run.
            bulk_writer: send it with others, when the writer is committed.
            **options: further keywords of the client's.
        """
        self._changes = (*self._changes, *changes)
        if session is not None:
            self._session = session
        if bulk_writer is not None:
            self._bulk_writer = bulk_writer
        self._options.update(options)
        return self

    def upsert(self, *changes: Any, on_insert: Any, **options: Any) -> Self:
        """Add changes, and insert a document if there is none to change."""
        self._on_insert = on_insert
        return self.update(*changes, **options)

    def set(self, expression: Mapping[Any, Any], **options: Any) -> Self:
        """Give fields new values."""
        return self.update({"$set": expression}, **options)

    def inc(self, expression: Mapping[Any, Any], **options: Any) -> Self:
        """Add to numbers."""
        return self.update({"$inc": expression}, **options)

    def current_date(self, expression: Mapping[Any, Any], **options: Any) -> Self:
        """Set fields to the time of the server."""
        return self.update({"$currentDate": expression}, **options)

    @property
    def update_query(self) -> Any:
        """The update as it is sent."""
        operation: Any = dialect_for("mongodb").compile(self._statement()).statement
        return operation.update if hasattr(operation, "update") else operation.operations[0][2]

    async def _run(self) -> Any:
        if self._on_insert is None:
            return await super()._run()
        if self._bulk_writer is not None:
            raise QueryError("an upsert that inserts a document of yours cannot be in a bulk write")
        query = self._query
        async with working(query.mapper, query.executor, session=self._session) as session:
            found: Any = await session.execute_write(self._statement())
            if found != 0 and found is not None:
                return found
            session.add(self._on_insert)
        return self._on_insert


class UpdateMany(_Update):
    """A change of all documents that a query finds; awaited it gives a `WriteResult`.

    That is the number of documents found, with `modified_count` and `upserted_id`. An upsert that
    inserts gives the document.
    """

    __slots__ = ()

    def update_many(self, *changes: Any, **options: Any) -> Self:
        """Add changes; the same as `update`."""
        return self.update(*changes, **options)

    def _statement(self) -> Update:
        select = self._query.statement
        tree = update_of(select, self._changes, is_all=self._all)
        if self._options:
            tree.documents = self._writing(is_one=False)
        return tree


class UpdateOne(_Update):
    """A change of the first document that a query finds; awaited it gives a `WriteResult`.

    With a response type it gives the document before or after the change, None if there is none.
    """

    __slots__ = ("_response",)

    def __init__(
        self,
        query: DocumentQuery[Any],
        *,
        response_type: UpdateResponse | None = None,
        **options: Any,
    ) -> None:
        super().__init__(query, **options)
        self._response = response_type

    def update(
        self, *changes: Any, response_type: UpdateResponse | None = None, **options: Any
    ) -> Self:
        """Add changes; see `UpdateMany.update`.

        Args:
            changes: as `Query.update` takes them.
            response_type: what awaiting it gives.
            **options: as of `UpdateMany.update`.
        """
        if response_type is not None:
            self._response = response_type
        return super().update(*changes, **options)

    def update_one(self, *changes: Any, **options: Any) -> Self:
        """Add changes; the same as `update`."""
        return self.update(*changes, **options)

    def _statement(self) -> Update:
        gives = _GIVES.get(self._response)
        if gives is None:
            raise QueryError("response_type is an UpdateResponse")
        if self._bulk_writer is not None and gives is not Gives.COUNT:
            raise QueryError("a bulk write gives no documents back; leave out response_type")
        tree = update_of(_unlimited(self._query), self._changes, is_all=True)
        tree.documents = self._writing(is_one=True, gives=gives)
        return tree


class DeleteMany(_Pending):
    """The deletion of all documents that a query finds; awaited it gives a `WriteResult`."""

    __slots__ = ()

    def _statement(self) -> Delete:
        tree = delete_of(self._query.statement, is_all=self._all)
        if self._options:
            tree.documents = self._writing(is_one=False)
        return tree


class DeleteOne(_Pending):
    """The deletion of the first document that a query finds; awaited it gives a `WriteResult`."""

    __slots__ = ()

    def _statement(self) -> Delete:
        tree = delete_of(_unlimited(self._query), is_all=True)
        tree.documents = self._writing(is_one=True)
        return tree


def _unlimited(query: DocumentQuery[Any]) -> Any:
    return query.statement.replace(limit=None, order_by=())


class InsertManyResult(list[T]):
    """The objects that were inserted."""

    @property
    def inserted_ids(self) -> list[Any]:
        """Their keys, in order."""
        return [mapper_of(cast("Any", one)).identity(one) for one in self]
