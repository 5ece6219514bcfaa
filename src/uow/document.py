"""`Document`: the base of the classes users map to MongoDB collections, with its verbs.

Inside `async with Session(...)` the verbs use that session; outside, each is a unit of its own on
the database the class is bound to (`init_documents`), else on the default one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from uow.documents.actions import EventTypes, acting
from uow.documents.bulk_writer import BulkWriter
from uow.documents.finders import Finders
from uow.documents.query import AggregationQuery
from uow.documents.running import working
from uow.documents.states import Stateful
from uow.documents.validating import validate, validate_on_save
from uow.documents.verbs import DeleteMany, InsertManyResult, UpdateMany
from uow.errors import NotFoundError, ObjectStateError, QueryError, ValidationError
from uow.mapping.link_rules import DeleteRules, WriteRules
from uow.mapping.link_trees import LinkNode, link_nodes
from uow.mapping.mapper import mapper_of
from uow.mapping.merge_strategy import MergeStrategy
from uow.query.documents import WriteResult
from uow.session.ambient import current_session
from uow.session.binding import bound_database
from uow.session.document_updates import one_update, take_revision, update_document
from uow.session.link_verbs import (
    LinkVerbs,
    add_linked,
    checked_rule,
    delete_with_links,
    refuse_unstored_links,
)
from uow.session.replacing import add_or_stand_for, replace_documents, sync_document
from uow.tracking.changes import changes
from uow.tracking.state import State, state_of
from uow.types import ObjectIdType
from uow.values import kind_of
from uow.values.coercion import as_object_id, coerced

if TYPE_CHECKING:
    from uow.expressions import Expression
    from uow.mapping.document_settings import DocumentSettings
    from uow.mapping.mapper import Mapper

    Condition = Expression[bool] | Mapping[Any, Any] | bool

__all__ = ["Document"]


class Document(Finders, LinkVerbs, Stateful, mapped=False):
    """Base of mapped classes; a subclass with annotated fields is a collection.

    ```python
    class Person(Document):
        class Settings:
            name = "people"

        name: str
        age: Annotated[int, Indexed()]
        address: Address                        # attrs, dataclass or pydantic
    ```

    A document that names no key has `id: ObjectId | None`, stored as `_id` and made when it is
    flushed. Objects are made with keywords, compare by identity, and are attrs classes.
    """

    __slots__ = ()

    _uow_is_document: ClassVar[bool] = True
    _uow_finds_children: ClassVar[bool] = False

    if TYPE_CHECKING:
        # Of any type, so that a class may say its own; made here if it says none.
        id: Any = None

    # -- one document

    async def insert(
        self,
        *,
        link_rule: WriteRules = WriteRules.DO_NOTHING,
        session: object = None,
        bulk_writer: Any = None,
        skip_actions: Sequence[Any] | None = None,
    ) -> Self:
        """Store the object as a new document; its key is set.

        Args:
            link_rule: `WriteRules.WRITE` stores the documents it links to as well.
            session: where to run, if not in the ambient session.
            bulk_writer: store it with others, when the writer is committed.
            skip_actions: which handlers of events are not called.

        Raises:
            ObjectStateError: it is stored already, or links to a document that is not.
            UowError: as `Session.flush`.
        """
        if state_of(self).stored not in {State.TRANSIENT, State.PENDING}:
            raise ObjectStateError(f"{self!r} is stored already; save() writes its changes")
        async with acting(self, (), skip_actions):
            return await self._stored(session, bulk_writer, link_rule=link_rule, verb="insert")

    async def create(self, session: object = None) -> Self:
        """Store the object as a new document; the same as `insert`."""
        return await self.insert(session=session)

    async def save(
        self,
        session: object = None,
        link_rule: WriteRules = WriteRules.DO_NOTHING,
        *,
        ignore_revision: bool = False,
        skip_actions: Sequence[Any] | None = None,
    ) -> Self:
        """Store the object: a new one is inserted, of one that is stored what changed is written.

        A new one with the key of a stored document stands for that from now on, and what differs
        is written. In a session this flushes it; outside it is a unit of its own.

        Args:
            session: where to run, if not in the ambient session.
            link_rule: `WriteRules.WRITE` stores the documents it links to as well.
            ignore_revision: write it whatever its version is.
            skip_actions: which handlers of events are not called.

        Raises:
            ObjectStateError: it links to a document that is not stored; or the session holds
                another object with its key.
            StaleObjectError: it is new, and the stored document has a version.
            UowError: as `Session.flush`.
        """
        async with acting(self, (EventTypes.SAVE,), skip_actions):
            return await self._stored(
                session,
                link_rule=link_rule,
                verb="save",
                stands_for=True,
                ignore_revision=ignore_revision,
            )

    async def replace(
        self,
        ignore_revision: bool = False,
        session: object = None,
        bulk_writer: Any = None,
        link_rule: WriteRules = WriteRules.DO_NOTHING,
        skip_actions: Sequence[Any] | None = None,
    ) -> Self:
        """Put the object in the place of the document with its key, whatever else that holds.

        Args:
            ignore_revision: replace it whatever its version is.
            session: where to run, if not in the ambient session.
            bulk_writer: write what differs with others, when the writer is committed.
            skip_actions: which handlers of events are not called.
            link_rule: `WriteRules.WRITE` stores the documents it links to as well.

        Raises:
            ValidationError: it has no key.
            NotFoundError: there is no such document.
            StaleObjectError: the document has another version than was loaded.
        """
        writes_links = checked_rule(link_rule, WriteRules) is WriteRules.WRITE
        if not writes_links:
            refuse_unstored_links([self], "replace")
        async with acting(self, (EventTypes.REPLACE,), skip_actions):
            await validate_on_save(self)
            if bulk_writer is not None:
                bulk_writer.add_object(self)
                return self
            async with working(mapper_of(self), session=session) as found:
                if writes_links:
                    add_linked(found, [self], without=self)
                await replace_documents(found, [self], ignore_revision=ignore_revision)
        return self

    async def sync(self, merge_strategy: MergeStrategy = MergeStrategy.remote) -> Self:
        """Bring the object up to date with what is stored.

        Args:
            merge_strategy: `MergeStrategy.remote` drops its changes, `MergeStrategy.local` keeps
                them, inside of values by path.

        Raises:
            NotFoundError: its document is gone.
            ObjectStateError: it was never stored.
            QueryError: it is no such strategy.
            StaleObjectError: what was changed in a value has no place in what is stored now; the
                change is kept.
        """
        strategy = checked_rule(merge_strategy, MergeStrategy)
        is_apart = current_session() is None
        async with working(mapper_of(self), writes=False) as session:
            try:
                await sync_document(session, self, strategy)
            finally:
                if is_apart and self in session:
                    session.expunge(self)  # with its changes, which the session does not write
        return self

    async def save_changes(
        self,
        *,
        ignore_revision: bool = False,
        session: object = None,
        bulk_writer: Any = None,
        skip_actions: Sequence[Any] | None = None,
    ) -> Self | None:
        """Write what changed; None if nothing did.

        Args:
            ignore_revision: write it whatever its version is.
            session: where to run, if not in the ambient session.
            bulk_writer: write it with others, when the writer is committed.
            skip_actions: which handlers of events are not called.

        Raises:
            UowError: as `Session.flush`.
        """
        async with acting(self, (EventTypes.SAVE_CHANGES,), skip_actions):
            if state_of(self).stored is State.PERSISTENT and not changes(self):
                return None
            return await self._stored(session, bulk_writer, ignore_revision=ignore_revision)

    async def _stored(
        self,
        session: object = None,
        bulk_writer: Any = None,
        *,
        link_rule: WriteRules = WriteRules.DO_NOTHING,
        verb: str = "save",
        stands_for: bool = False,
        ignore_revision: bool = False,
    ) -> Self:
        writes_links = checked_rule(link_rule, WriteRules) is WriteRules.WRITE
        if not writes_links:
            refuse_unstored_links([self], verb)
        await validate_on_save(self)
        if bulk_writer is not None:
            bulk_writer.add_object(self)
            return self
        async with working(mapper_of(self), session=session) as found:
            if stands_for:
                await add_or_stand_for(found, self)
            if writes_links:
                add_linked(found, [self])
            else:
                found.add(self)
            if ignore_revision:
                await take_revision(found, self)
        return self

    async def delete(
        self,
        session: object = None,
        bulk_writer: Any = None,
        link_rule: DeleteRules = DeleteRules.DO_NOTHING,
        skip_actions: Sequence[Any] | None = None,
    ) -> WriteResult | None:
        """Delete the object's document.

        Args:
            session: where to run, if not in the ambient session.
            bulk_writer: delete it with others, when the writer is committed.
            link_rule: `DeleteRules.DELETE_LINKS` deletes the documents it links to as well, and
                those that they link to; of back links those that are loaded.
            skip_actions: which handlers of events are not called.

        Raises:
            ObjectStateError: it was never stored.
            UowError: as `Session.flush`.
        """
        deletes_links = checked_rule(link_rule, DeleteRules) is DeleteRules.DELETE_LINKS
        async with acting(self, (), skip_actions):
            if bulk_writer is not None:
                bulk_writer.add_object(self, deletes=True)
                return None
            async with working(mapper_of(self), session=session) as found:
                if deletes_links:
                    await delete_with_links(found, self)
                else:
                    found.delete(self)
        return WriteResult.of(0, 0, 1)

    async def refresh(self) -> Self:
        """Read the object again, dropping its changes.

        Raises:
            NotFoundError: its document is gone.
            ObjectStateError: it was never stored.
        """
        async with working(mapper_of(self), writes=False) as session:
            found = state_of(self)
            if self not in session and found.stored is State.PERSISTENT:
                session.add(self)
            await session.refresh(self)
        return self

    async def update(
        self,
        *changes: Mapping[Any, object] | Sequence[Mapping[str, Any]],
        ignore_revision: bool = False,
        session: object = None,
        bulk_writer: Any = None,
        skip_actions: Sequence[Any] | None = None,
        skip_sync: bool | None = None,
        **pymongo_kwargs: Any,
    ) -> Self:
        """Let the store change the document, and read the object again.

        Changes of the object itself are flushed before, those of handlers of `Update` too.

        Args:
            changes: as `Query.update` takes them: new values by field, update operators, or the
                stages of a pipeline.
            ignore_revision: change it whatever its version is.
            session: where to run, if not in the ambient session.
            bulk_writer: send it with others, when the writer is committed; the object is then not
                read again.
            skip_actions: which handlers of events are not called.
            skip_sync: do not read the object again: what is read of it afterwards is not loaded.
            **pymongo_kwargs: further keywords of the client's, as `array_filters`.

        Raises:
            ObjectStateError: the object was never stored.
            StaleObjectError: the document has another version than was loaded, or is gone.
            NotFoundError: it is gone, and has no version.
            QueryError: the changes do not fit the class.
            ValidationError: a value does not fit its field.
            MergeConflictError: a handler changed what is changed here, and the settings say so.
        """
        async with acting(self, (EventTypes.UPDATE,), skip_actions, changes) as action:
            if bulk_writer is not None:
                bulk_writer.add_statement(
                    one_update(self, action.changes, pymongo_kwargs, ignore_revision)
                )
                return self
            async with working(mapper_of(self), session=session) as found:
                await update_document(
                    found,
                    self,
                    action.changes,
                    ignore_revision=ignore_revision,
                    reads_again=not skip_sync,
                    options=pymongo_kwargs,
                )
        return self

    async def set(self, expression: Mapping[Any, object], **options: Any) -> Self:
        """Let the store give fields new values; see `update`."""
        return await self.update({"$set": expression}, **options)

    async def inc(self, expression: Mapping[Any, object], **options: Any) -> Self:
        """Let the store add to numbers; see `update`."""
        return await self.update({"$inc": expression}, **options)

    async def current_date(self, expression: Mapping[Any, object], **options: Any) -> Self:
        """Let the store set fields to its time; see `update`."""
        return await self.update({"$currentDate": expression}, **options)

    async def validate_self(self) -> None:
        """Check the object's values, and give them the form in which they are kept.

        Raises:
            ValidationError: one does not fit.
        """
        validate(self)

    # -- finding

    @classmethod
    async def get(
        cls,
        document_id: Any,
        *,
        session: object = None,
        ignore_cache: bool = False,
        fetch_links: bool = False,
        nesting_depth: int | None = None,
        nesting_depths_per_field: Mapping[str, int] | None = None,
        with_children: bool = False,
        **options: Any,
    ) -> Self | None:
        """Give the document with a key; None if there is none.

        Args:
            document_id: the key; of an ObjectId also its text.
            session: where to run, if not in the ambient session.
            ignore_cache: ask the store, whatever is cached.
            fetch_links: fetch the documents it links to.
            nesting_depth: how many levels of links; see `Query.fetch_links`.
            nesting_depths_per_field: how many, of the links behind some fields.
            with_children: it may be of a class below this one, in the same collection.
            **options: as `find` takes them.

        Raises:
            ValidationError: the key is of the wrong type.
        """
        mapper = mapper_of(cls)
        key = _key_of(mapper, document_id)
        if options or mapper.caches:
            options |= {"with_children": with_children, "ignore_cache": ignore_cache}
            if fetch_links:
                options |= {"fetch_links": True, "nesting_depth": nesting_depth}
                options["nesting_depths_per_field"] = nesting_depths_per_field
            query = cls.find({"_id": mapper.check_key(key)}, **options)
            return await query.set_session(session).first()
        nodes: tuple[LinkNode, ...] = ()
        if fetch_links:
            nodes = link_nodes(mapper, nesting_depth, nesting_depths_per_field)
        async with working(mapper, session=session, writes=False) as where:
            found = await where.get(cls, key)
            if found is not None and not with_children:
                found = found if mapper_of(found) is mapper else None
            if found is not None and nodes:
                await where.fetch_links([found], nodes)
            return found

    @classmethod
    async def get_one(cls, document_id: Any) -> Self:
        """Give the document with a key.

        Raises:
            NotFoundError: there is none.
        """
        found = await cls.get(document_id)
        if found is None:
            raise NotFoundError(f"there is no {cls.__name__} with this key")
        return found

    @classmethod
    def aggregate(
        cls,
        aggregation_pipeline: Sequence[Mapping[str, Any]],
        projection_model: type[Any] | None = None,
        *,
        with_children: bool = False,
        **options: Any,
    ) -> AggregationQuery[Any]:
        """Run a pipeline of MongoDB's on the documents; see `DocumentQuery.aggregate`.

        Awaited it is what comes out, as the store gives it, or objects of `projection_model`.

        Args:
            aggregation_pipeline: the stages.
            projection_model: the class of what comes out; dicts without it.
            with_children: also of classes below this one, in the same collection.
            **options: as `DocumentQuery.aggregate` takes them.

        Raises:
            QueryError: a stage writes (`$out`, `$merge`), or it is no pipeline.
        """
        return cls.find_all(with_children=with_children).aggregate(
            aggregation_pipeline, projection_model, **options
        )

    # -- many documents

    @classmethod
    async def insert_one(
        cls,
        document: Self,
        session: object = None,
        bulk_writer: Any = None,
        link_rule: WriteRules = WriteRules.DO_NOTHING,
    ) -> Self:
        """Store an object as a new document; see `insert`.

        Raises:
            QueryError: it is no object of the class.
        """
        if not isinstance(document, cls):
            raise QueryError(f"insert_one takes a {cls.__name__}, not a {kind_of(document)}")
        return await document.insert(session=session, bulk_writer=bulk_writer, link_rule=link_rule)

    @classmethod
    async def insert_many(
        cls,
        documents: Iterable[Self],
        session: object = None,
        link_rule: WriteRules = WriteRules.DO_NOTHING,
    ) -> InsertManyResult[Self]:
        """Store objects as new documents, in one bulk write; their keys are set.

        Args:
            documents: the objects.
            session: where to run, if not in the ambient session.
            link_rule: `WriteRules.WRITE` stores the documents they link to as well.

        Returns:
            The objects, as a list that also tells their keys, as `inserted_ids`.

        Raises:
            QueryError: one is no object of the class; nothing was sent.
            ObjectStateError: one links to a document that is not stored.
            UowError: as `Session.flush`.
        """
        found = InsertManyResult(documents)
        for one in found:
            if not isinstance(one, cls):
                raise QueryError(f"insert_many takes {cls.__name__}s, not a {kind_of(one)}")
        writes_links = checked_rule(link_rule, WriteRules) is WriteRules.WRITE
        if not writes_links:
            refuse_unstored_links(found, "insert_many")
        async with working(mapper_of(cls), session=session) as where:
            if writes_links:
                add_linked(where, found)
            else:
                where.add_all(found)
        return found

    @classmethod
    async def replace_many(cls, documents: Iterable[Self], session: object = None) -> None:
        """Put objects in the place of the documents with their keys, all or none.

        Raises:
            ValidationError: one has no key; nothing was sent.
            NotFoundError: a document is not there; nothing was written.
            StaleObjectError: a document has another version than was loaded.
        """
        found = list(documents)
        refuse_unstored_links(found, "replace_many")
        async with working(mapper_of(cls), session=session) as where:
            await replace_documents(where, found)

    @classmethod
    def update_all(cls, *changes: Any, **options: Any) -> UpdateMany:
        """Change every document, when it is awaited; see `DocumentQuery.update`."""
        return cls.find_all().update(*changes, **options)

    @classmethod
    def delete_all(cls, *, with_children: bool = False, **options: Any) -> DeleteMany:
        """Delete every document, when it is awaited; it gives how many there were.

        Args:
            with_children: also those of classes below this one, in the same collection.
            **options: as `DocumentQuery.delete` takes them.
        """
        return cls.find_all(with_children=with_children).delete(**options)

    # -- what is known of the class

    @classmethod
    def get_settings(cls) -> DocumentSettings:
        """Give the settings of the class."""
        return cast("DocumentSettings", mapper_of(cls).document)

    @classmethod
    def get_bson_encoders(cls) -> Mapping[type, Callable[[Any], Any]]:
        """Give what stores values of further classes, by class."""
        return cls.get_settings().bson_encoders

    @classmethod
    def bulk_writer(
        cls,
        session: Any = None,
        ordered: bool = True,
        bypass_document_validation: bool | None = None,
        comment: Any = None,
    ) -> BulkWriter:
        """Make a bulk writer of the class; see `BulkWriter`."""
        return BulkWriter(session, ordered, cls, bypass_document_validation, comment)

    @classmethod
    def get_pymongo_collection(cls) -> Any:
        """Give the client's collection, for what is not said here; it knows no session.

        Raises:
            PoolClosedError: the class is bound to no database.
        """
        driver: Any = bound_database(mapper_of(cls)).driver
        return driver.collection(cls.get_collection_name())


def _key_of(mapper: Mapper, given: Any) -> Any:
    """A key, of what stands for it in addresses and JSON."""
    if not isinstance(given, str):
        return given
    column = mapper.key[0]
    try:
        is_made = isinstance(column.type, ObjectIdType)
        return as_object_id(given) if is_made else coerced(column.hint, given)
    except ValueError:
        raise ValidationError(f"{column}: the text is no key of this kind") from None
