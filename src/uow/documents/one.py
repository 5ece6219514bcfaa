"""`FindOne`: what `Person.find_one(...)` gives; awaited it is the first document, or None."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, Generic, Self, TypeVar, cast

from uow.documents.query import DocumentQuery
from uow.documents.running import working
from uow.documents.verbs import DeleteOne, UpdateOne, UpdateResponse
from uow.errors import NotFoundError, QueryError
from uow.mapping.mapper import mapper_of
from uow.session.binding import bound_database
from uow.session.replacing import replace_documents, replacing_stage
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
        """Put an object in the place of the document that is found, whatever else that holds.

        Args:
            document: a new object, whose values the stored one gets, all but the key; or the
                object of that document itself.
            session: where to run.
            bulk_writer: send it with others, when the writer is committed; it is then that the
                document is looked for, and none is no error.

        Returns:
            The object of the document; with a bulk writer the one that was given.

        Raises:
            NotFoundError: none matches.
            QueryError: the object is that of another document.
        """
        mapper = mapper_of(cast("Any", document))
        query = self._query
        if bulk_writer is not None:
            stage = replacing_stage(document, bound_database(mapper))
            bulk_writer.add_statement(UpdateOne(query).update([stage])._statement())
            return document
        async with working(mapper, query.executor, session=session) as found:
            old: Any = await query.set_session(found).first()
            if old is None:
                raise NotFoundError(f"no {mapper.name} matches the query")
            if state_of(document).stored is State.TRANSIENT:
                for column in mapper.columns:
                    if not column.is_fixed and column.is_loaded(document):
                        setattr(old, column.attribute, getattr(document, column.attribute))
            elif mapper.identity(document) != mapper.identity(old):
                raise QueryError(
                    f"replace_one: the query finds another document than that of {document!r}; "
                    "give a new object, or use replace()"
                )
            elif old is not document:
                found.expunge(old)
                old = document
            await replace_documents(found, [old])
        return cast("T", old)
