"""`FindOne`: what `Person.find_one(...)` gives; awaited it is the first document, or None."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, Generic, Self, TypeVar, cast

from uow.documents.query import DocumentQuery
from uow.documents.running import working
from uow.documents.verbs import DeleteOne, UpdateOne, UpdateResponse
from uow.errors import NotFoundError, QueryError
from uow.mapping.mapper import mapper_of
from uow.tracking.state import State, state_of

__all__ = ["FindOne"]

T = TypeVar("T")
P = TypeVar("P")


class FindOne(Generic[T]):
    """The first document that matches.

    ```python
    ann = await Person.find_one(Person.name == "Ann")
    await Person.find_one(Person.name == "Ann").set({Person.age: 3})
    ```
    """

    __slots__ = ("_query",)

    def __init__(self, query: DocumentQuery[T]) -> None:
        self._query = query

    def __await__(self) -> Generator[Any, Any, T | None]:
        return self._query.first().__await__()

    def __repr__(self) -> str:
        return f"<FindOne {self._query.mapper.name}>"

    @property
    def query(self) -> DocumentQuery[T]:
        """The query, of which this is the first."""
        return self._query

    def find_one(self, *conditions: Any, **options: Any) -> Self:
        """Add conditions, all of which must hold; options as `Document.find_one` takes them."""
        return type(self)(self._query.find(*conditions, **options))

    def project(self, model: type[P] | None) -> FindOne[P]:
        """Read an object of another class; see `DocumentQuery.project`."""
        return FindOne(self._query.project(model))

    def sort(self, *terms: Any) -> Self:
        """Say which is the first; see `DocumentQuery.sort`."""
        return type(self)(self._query.sort(*terms))

    def set_session(self, session: object) -> Self:
        """Run it in a session."""
        return type(self)(self._query.set_session(session))

    def get_filter_query(self) -> dict[str, Any]:
        """Give the filter as it is sent."""
        return self._query.get_filter_query()

    async def count(self) -> int:
        """Count the documents that match."""
        return await self._query.count()

    async def exists(self) -> bool:
        """Tell whether one matches."""
        return await self._query.exists()

    def update(
        self,
        *changes: Any,
        session: object = None,
        bulk_writer: Any = None,
        response_type: UpdateResponse | None = None,
        **pymongo_kwargs: Any,
    ) -> UpdateOne:
        """Change the document, when it is awaited.

        Args:
            changes: as `Query.update` takes them.
            session: where to run.
            bulk_writer: send it with others, when the writer is committed.
            response_type: what awaiting it gives: the result (a `WriteResult`), or the document
                before or after the change.
            **pymongo_kwargs: further keywords of the client's.
        """
        found = UpdateOne(
            self._query, session=session, bulk_writer=bulk_writer, response_type=response_type
        )
        return found.update(*changes, **pymongo_kwargs)

    def update_one(self, *changes: Any, **options: Any) -> UpdateOne:
        """Change the document; the same as `update`."""
        return self.update(*changes, **options)

    def upsert(self, *changes: Any, on_insert: Any, **options: Any) -> UpdateOne:
        """Change the document, or insert one if there is none, when it is awaited."""
        return self.update(*changes, **options).upsert(on_insert=on_insert)

    def set(self, expression: Mapping[Any, Any], **options: Any) -> UpdateOne:
        """Give fields new values; see `update`."""
        return self.update({"$set": expression}, **options)

    def inc(self, expression: Mapping[Any, Any], **options: Any) -> UpdateOne:
        """Add to numbers; see `update`."""
        return self.update({"$inc": expression}, **options)

    def current_date(self, expression: Mapping[Any, Any], **options: Any) -> UpdateOne:
        """Set fields to the time of the server; see `update`."""
        return self.update({"$currentDate": expression}, **options)

    def delete(
        self, *, session: object = None, bulk_writer: Any = None, **pymongo_kwargs: Any
    ) -> DeleteOne:
        """Delete the document, when it is awaited; see `update`."""
        return DeleteOne(
            self._query, session=session, bulk_writer=bulk_writer, options=pymongo_kwargs
        )

    def delete_one(self, **options: Any) -> DeleteOne:
        """Delete the document; the same as `delete`."""
        return self.delete(**options)

    async def replace_one(
        self, document: T, *, session: object = None, bulk_writer: Any = None
    ) -> T:
        """Give the document that is found all values of another one, but for its key.

        Args:
            document: a new object of the class; it becomes the stored one, and gets the key.
            session: where to run.
            bulk_writer: send it with others, when the writer is committed.

        Raises:
            NotFoundError: none matches.
            QueryError: the object is stored already.
        """
        if state_of(document).stored is not State.TRANSIENT:
            raise QueryError("replace_one takes a new object, whose values the stored one gets")
        mapper = mapper_of(cast("Any", document))
        async with working(mapper, self._query.executor, session=session) as found:
            old = await self._query.set_session(found).first()
            if old is None:
                raise NotFoundError(f"no {mapper.name} matches the query")
            for column in mapper.columns:
                if not column.is_fixed and column.is_loaded(document):
                    setattr(old, column.attribute, getattr(document, column.attribute))
            if bulk_writer is not None:
                bulk_writer.add_object(old)
        return old
