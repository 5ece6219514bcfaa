"""MongoDB: trees and batches to operations on collections.

There is no text: what a driver takes are the store's own shapes (`uow.operations`). Everything
that a document store cannot say is a `QueryError` that names it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn, final

import attrs
from bson import ObjectId

from uow.dialects._bson_writing import BsonWriter
from uow.dialects._mongodb_expressions import Computing, constant
from uow.dialects._mongodb_filters import all_of, merged, of_class
from uow.dialects._mongodb_paths import encoded
from uow.dialects._mongodb_select import CompiledSelect, compile_select, sort_of
from uow.dialects._mongodb_types import make_decoder, make_encoder
from uow.dialects._mongodb_updates import change_of
from uow.dialects._object_ids import new_object_ids
from uow.dialects.base import Capabilities, Decoder, Encoder, ResultColumn
from uow.errors import MappingError, QueryError
from uow.expressions.nodes import Excluded, Expression, Literal
from uow.mapping.document_classes import refuse_view
from uow.mapping.mapper import Mapper
from uow.mapping.stores import refuse_other_store
from uow.operations import Aggregate, BulkWrite, Command, Find, FindAndModify, Operation
from uow.query.documents import Gives
from uow.query.statements import AnyStatement, Delete, Insert, OnConflict, Raw, Select, Update
from uow.types import Json, ObjectIdType
from uow.values import python_type

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn

__all__ = ["MongoDBDialect"]

AnyExpression = Expression[Any]
_UNSET: Final = object()


@attrs.frozen
class CompiledWrite:
    """A bulk statement, ready to be sent.

    Attributes:
        operation: what a driver takes.
        columns: what comes back: nothing.
    """

    operation: Operation
    columns: tuple[ResultColumn, ...] = ()
    parameters: tuple[object, ...] = ()
    default: None = None

    @property
    def statement(self) -> Operation:
        """What a driver takes."""
        return self.operation

    @property
    def sql(self) -> str:
        """A text for people."""
        return self.operation.sql

    @property
    def reads(self) -> bool:
        """It writes."""
        return False

    @property
    def returns_rows(self) -> bool:
        """No rows come back."""
        return False


@attrs.frozen
class GetDocument:
    """What reads one document by its key; see `GetStatement`."""

    collection: str
    columns: tuple[MappedColumn, ...]
    whose: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    reads: bool = True

    def statement(self, key: Sequence[object]) -> Operation:
        """Give the operation for one encoded key."""
        return Find(self.collection, {"_id": {"$eq": key[0]}, **self.whose}, limit=1)


@final
class MongoDBDialect:
    """MongoDB 4.4 and later."""

    name: ClassVar[str] = "mongodb"
    capabilities: ClassVar[Capabilities] = Capabilities(
        documents=True,
        max_parameters=20_000,
        max_identifier_length=255,
        returning_insert=False,
        returning_update=False,
        returning_delete=False,
        array_binding=False,
        savepoints=False,
        deferrable=False,
        for_update=False,
        nowait=False,
        skip_locked=False,
        stores_nan=True,
        stores_infinity=True,
        transactional_ddl=False,
        schemas=False,
        explain_analyze=True,
        forward_references=True,
        # Not texts: a collection may have a collation, and a driver cannot see which.
        exact_classes=frozenset({bool, int, datetime, ObjectId}),
    )

    def __init__(self) -> None:
        self._encoders: dict[Any, Any] = {}
        self._decoders: dict[Any, Any] = {}

    # -- values

    def encoder(self, type_: Any) -> Encoder | None:
        """Give the function that turns a Python value into the store's; None: take it as it is."""
        found = self._encoders.get(type_, _UNSET)
        if found is _UNSET:
            found = self._encoders[type_] = make_encoder(type_)
        return found  # type: ignore[no-any-return]

    def encoder_with(
        self, type_: Any, encoders: Mapping[type, Callable[[Any], Any]]
    ) -> Encoder | None:
        """As `encoder`, for a class that brings encoders of its own for values of some classes."""
        held = python_type(type_)
        is_met = any(issubclass(held, one) for one in encoders)
        return BsonWriter(encoders) if is_met or isinstance(type_, Json) else self.encoder(type_)

    def decoder(self, type_: Any) -> Decoder | None:
        """Give the function that turns the store's value into Python's; None: take it as it is."""
        found = self._decoders.get(type_, _UNSET)
        if found is _UNSET:
            found = self._decoders[type_] = make_decoder(type_)
        return found  # type: ignore[no-any-return]

    def new_keys(self, mapper: Mapper, count: int) -> list[Any]:
        """Make the keys of new documents that bring none."""
        if not isinstance(mapper.key[0].type, ObjectIdType):
            raise MappingError(f"{mapper.key[0]}: MongoDB makes no keys of that type")
        return new_object_ids(count)

    # -- parts of statements, as `uow.beanie` shows them

    def filter_of(self, condition: AnyExpression) -> dict[str, Any]:
        """Give the filter of a condition."""
        return all_of([condition])

    # -- reading

    def compile(self, statement: AnyStatement) -> CompiledSelect | CompiledWrite:
        """Turn a tree into an operation; see `Dialect.compile`."""
        match statement:
            case Select():
                for source in statement.froms:
                    if isinstance(source, Mapper):
                        refuse_other_store(source, self)
                return compile_select(statement)
            case Update():
                return CompiledWrite(self._update(statement))
            case Delete():
                return CompiledWrite(self._delete(statement))
            case Insert():
                return CompiledWrite(self._insert(statement))
            case Raw():
                raise QueryError("MongoDB takes no SQL: use the collection of the client")

    def get_statement(
        self,
        mapper: Mapper,
        columns: Sequence[MappedColumn] | None = None,
        *,
        classes: tuple[Mapper, ...] | None = None,
        for_update: bool = False,
        nowait: bool = False,
        skip_locked: bool = False,
    ) -> GetDocument:
        """Give what reads one document by key; see `Dialect.get_statement`."""
        if for_update or nowait or skip_locked:
            raise QueryError(
                "MongoDB locks no documents that are read; use_revision = True, or a version, "
                "tells of changes in between"
            )
        refuse_other_store(mapper, self)
        chosen = mapper.columns if columns is None else tuple(columns)
        return GetDocument(mapper.table_name, chosen, of_class(mapper, classes))

    def explain(self, compiled: Any, *, analyze: bool = False) -> Operation:
        """Give the command that asks how an operation would be run."""
        operation = compiled.operation
        body: dict[str, Any]
        if isinstance(operation, Find):
            body = {"find": operation.collection, "filter": operation.filter}
            if operation.sort:
                body["sort"] = dict(operation.sort)
            if operation.skip:
                body["skip"] = operation.skip
            if operation.limit:
                body["limit"] = operation.limit
        elif isinstance(operation, Aggregate):
            body = {
                "aggregate": operation.collection,
                "pipeline": list(operation.pipeline),
                "cursor": {},
            }
        else:
            raise QueryError("MongoDB explains what reads")
        verbosity = "executionStats" if analyze else "queryPlanner"
        return Command({"explain": body, "verbosity": verbosity}, reads=True)

    def plan(self, rows: Sequence[Any]) -> str:
        """Show the answer of `explain`, without what is about the server."""
        (reply,) = rows
        shown = {k: reply[k] for k in ("queryPlanner", "stages", "executionStats") if k in reply}
        return json.dumps(shown, indent=2, default=str)

    # -- bulk statements

    def _update(self, tree: Update) -> Operation:
        refuse_other_store(tree.mapper, self)
        if tree.returning:
            self._refuse_returning()
        change = change_of(tree)
        refuse_view(tree.mapper)
        filter_ = merged([of_class(tree.mapper), all_of(tree.where)])
        name, writing = tree.mapper.table_name, tree.documents
        if writing is None:
            return BulkWrite(name, [("update", filter_, change, True, False)])
        if writing.gives is not Gives.COUNT:
            return FindAndModify(
                name,
                filter_,
                update=change,
                returns_new=writing.gives is Gives.NEW,
                sort=sort_of(writing.order),
                options=writing.options,
            )
        more = [dict(writing.options)] if writing.options else []
        return BulkWrite(name, [("update", filter_, change, not writing.is_one, False, *more)])

    def _delete(self, tree: Delete) -> Operation:
        refuse_other_store(tree.mapper, self)
        if tree.returning:
            self._refuse_returning()
        refuse_view(tree.mapper)
        found = merged([of_class(tree.mapper), all_of(tree.where)])
        writing = tree.documents
        is_one = writing is not None and writing.is_one
        more = [dict(writing.options)] if writing is not None and writing.options else []
        write = ("delete", found, not is_one, *more)
        return BulkWrite(tree.mapper.table_name, [write])

    def _insert(self, tree: Insert) -> Operation:
        refuse_other_store(tree.mapper, self)
        if tree.returning:
            self._refuse_returning()
        if tree.select is not None:
            raise QueryError("MongoDB inserts no selects: read first, or use $merge of a pipeline")
        refuse_view(tree.mapper)
        documents = [self._document(tree, row) for row in tree.rows]
        if tree.on_conflict is None:
            return BulkWrite(tree.mapper.table_name, [("insert", one) for one in documents])
        writes = [_upsert(tree.mapper, one, tree.on_conflict) for one in documents]
        return BulkWrite(tree.mapper.table_name, writes)

    def _document(self, tree: Insert, row: Sequence[object]) -> dict[str, Any]:
        document: dict[str, Any] = {}
        key = tree.mapper.key[0]
        if key not in tree.columns:
            document[key.name] = self.new_keys(tree.mapper, 1)[0]
        for column, value in zip(tree.columns, row, strict=True):
            plain: Any = value
            if isinstance(value, Expression):
                if not isinstance(value, Literal):
                    raise QueryError(f"{column}: MongoDB inserts values, not expressions")
                plain = plain.value
            if plain is None and column is key:
                plain = self.new_keys(tree.mapper, 1)[0]
            document[column.name] = encoded(plain, column.type)
        told_by = tree.mapper.discriminator
        if told_by is not None:
            document.setdefault(told_by.name, tree.mapper.discriminator_value)
        return document

    def _refuse_returning(self) -> NoReturn:
        raise QueryError("MongoDB gives no rows back from bulk statements")

    # -- what SQL stores have

    def insert_rows(self, batch: Any) -> NoReturn:
        """A flush of documents makes its own operations (`session/documents.py`)."""
        raise QueryError(f"{batch.mapper.name} is a table: MongoDB keeps documents")

    update_rows = insert_rows
    delete_rows = insert_rows

    def lock_rows(self, batch: Any) -> list[Any]:  # noqa: ARG002
        """Nothing is locked."""
        return []

    def create_table(
        self,
        mapper: Mapper,
        *,
        without: Collection[Any] = (),  # noqa: ARG002
    ) -> NoReturn:
        """Collections are made by `schema/collections.py`."""
        raise MappingError(f"{mapper.name} is a table: MongoDB keeps documents")

    def drop_table(self, mapper: Mapper) -> NoReturn:
        """Collections are dropped by `schema/collections.py`."""
        raise MappingError(f"{mapper.name} is a table: MongoDB keeps documents")

    def add_foreign_keys(
        self,
        mapper: Mapper,  # noqa: ARG002
        keys: Sequence[Any],  # noqa: ARG002
    ) -> list[str]:
        """There are none."""
        return []

    drop_foreign_keys = add_foreign_keys

    def lock_definitions(self) -> list[str]:
        """Collections and indexes are made by whoever comes first."""
        return []

    def create_objects(self, mappers: Sequence[Mapper]) -> list[str]:  # noqa: ARG002
        """Nothing stands below collections."""
        return []

    drop_objects = create_objects

    def describe(self, mappers: Sequence[Mapper]) -> NoReturn:  # noqa: ARG002
        """Refuse."""
        raise MappingError("MongoDB keeps documents: there are no tables to describe")

    @property
    def definitions(self) -> NoReturn:
        """Refuse."""
        raise MappingError("MongoDB keeps documents: there are no tables to change")


def _upsert(mapper: Mapper, document: dict[str, Any], conflict: OnConflict) -> tuple[Any, ...]:
    """Give the update that inserts a document, or changes the one that is met."""
    target = [c for c in conflict.target if not isinstance(c, str)] or [*mapper.key]
    if conflict.where or len(target) < len(conflict.target):
        raise QueryError("MongoDB meets conflicts by plain fields, without conditions")
    filter_ = {c.name: {"$eq": document.get(c.name)} for c in target}
    changed: dict[str, Any] = {}
    computes = False
    for column, value in conflict.assignments:
        if isinstance(value, Excluded):
            changed[column.name] = document.get(value.column.name)
        elif isinstance(value, Literal):
            changed[column.name] = encoded(value.value, value.type)
        else:
            computes = True
    if computes:
        return ("update", filter_, _merge(document, filter_, conflict), False, True)
    rest = {k: v for k, v in document.items() if k not in changed and k not in filter_}
    change: dict[str, Any] = {"$setOnInsert": rest} if rest else {}
    if changed:
        change["$set"] = changed
    return ("update", filter_, change, False, True)


def _merge(
    document: dict[str, Any], filter_: dict[str, Any], conflict: OnConflict
) -> list[dict[str, Any]]:
    """Give the pipeline of an upsert that computes: what is met has more fields than are asked."""
    compute = Computing()
    changed = {
        column.name: constant(document.get(value.column.name))
        if isinstance(value, Excluded)
        else compute(value)
        for column, value in conflict.assignments
    }
    is_new = {"$lte": [{"$size": {"$objectToArray": "$$ROOT"}}, len(filter_)]}
    met = {"$mergeObjects": ["$$ROOT", changed]}
    return [{"$replaceWith": {"$cond": [is_new, {"$literal": document}, met]}}]
