"""What a document dialect hands to a driver: operations on collections, in the store's own shapes.

They are statements to whoever passes statements on, watches or counts them; `sql` is a text for
people there, without any value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from uow.statement import Statement

__all__ = [
    "Aggregate",
    "BulkWrite",
    "Command",
    "Find",
    "FindAndModify",
    "Operation",
    "Write",
    "Written",
]

Write: TypeAlias = tuple[Any, ...]
"""One write of a `BulkWrite`:

* `("insert", document)`
* `("update", filter, update, many, upsert)`
* `("replace", filter, document, upsert)`
* `("delete", filter, many)`

Each but the first may have one element more, a dict of `hint`, `collation`, `array_filters` (an
update's) and `sort` (not of many).
"""

Sort: TypeAlias = Sequence[tuple[str, Any]]
"""Names with 1, -1 or `{"$meta": ...}`, the first one first."""

_DOES: Final = {"insert": "INSERT", "update": "UPDATE", "replace": "REPLACE", "delete": "DELETE"}


class Operation(Statement):
    """Base of all operations.

    Attributes:
        collection: which collection, None for the database itself.
        reads: whether it can only read: it may then be run again if it was cut short before
            anybody saw a document.
    """

    __slots__ = ("collection",)

    collection: Any

    @property
    def sql(self) -> str:  # type: ignore[override]  # made when somebody looks
        """What is done, for people: names, but no values."""
        return self._text()

    @property
    def parameters(self) -> tuple[object, ...]:  # type: ignore[override]  # there is no text to fill
        """None: values stand where they belong."""
        return ()

    def _text(self) -> str:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.sql}>"

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__  # type: ignore[assignment]  # as a statement it has none


class Find(Operation):
    """Documents of a collection.

    Attributes:
        collection: which.
        filter: what they must match.
        projection: which fields of them; all if None.
        sort: in which order.
        skip: how many to leave out.
        limit: how many at most, 0 for all.
        fields: top-level names: each row is a tuple of these, None where one is missing. Without
            them each row is the document itself.
        options: further keywords of `find`, by the client's names.
    """

    __slots__ = ("fields", "filter", "limit", "options", "projection", "skip", "sort")

    def __init__(
        self,
        collection: str,
        filter: Mapping[str, Any],  # noqa: A002  # the store's word
        *,
        projection: Mapping[str, Any] | Sequence[str] | None = None,
        sort: Sort | None = None,
        skip: int = 0,
        limit: int = 0,
        fields: Sequence[str] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.collection = collection
        self.filter = filter
        self.projection = projection
        self.sort = sort
        self.skip = skip
        self.limit = limit
        self.fields = fields
        self.options = options
        self.reads = True

    def _text(self) -> str:
        """What is read: the names that the filter and the order look at."""
        text = f"FIND {self.collection}"
        if self.filter:
            text += f" BY {', '.join(self.filter)}"
        if self.sort:
            text += f" ORDER BY {', '.join(name for name, _ in self.sort)}"
        return text


class Aggregate(Operation):
    """What a pipeline makes of a collection, or of the database.

    Attributes:
        collection: which, None for a pipeline of the database.
        pipeline: the stages.
        fields: as those of `Find`.
        options: further keywords of `aggregate`, by the client's names.
    """

    __slots__ = ("fields", "options", "pipeline")

    def __init__(
        self,
        collection: str | None,
        pipeline: Sequence[Mapping[str, Any]],
        *,
        fields: Sequence[str] | None = None,
        options: Mapping[str, Any] | None = None,
        reads: bool = True,
    ) -> None:
        self.collection = collection
        self.pipeline = pipeline
        self.fields = fields
        self.options = options
        self.reads = reads

    def _text(self) -> str:
        """What is read: the names of the stages."""
        stages = ", ".join(next(iter(stage), "") for stage in self.pipeline)
        return f"AGGREGATE {self.collection or 'the database'}: {stages}"


class BulkWrite(Operation):
    """Writes to one collection, sent together.

    Attributes:
        collection: which.
        operations: the writes.
        ordered: do them in this order, and none after one that failed.
        options: further keywords of `bulk_write`, by the client's names.
    """

    __slots__ = ("operations", "options", "ordered")

    def __init__(
        self,
        collection: str,
        operations: Sequence[Write],
        *,
        ordered: bool = True,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.collection = collection
        self.operations = operations
        self.ordered = ordered
        self.options = options
        self.reads = False

    def _text(self) -> str:
        """What is done, and how many times."""
        kinds = {write[0] for write in self.operations}
        kind = _DOES.get(kinds.pop(), "BULKWRITE") if len(kinds) == 1 else "BULKWRITE"
        return f"{kind} {self.collection} ({len(self.operations)})"


class FindAndModify(Operation):
    """One document, changed and given back in one step.

    Attributes:
        collection: which.
        filter: what it must match.
        update: what to change, or
        replacement: what to put in its place, or
        remove: whether to delete it.
        upsert: insert one if none matches.
        returns_new: give it as it is afterwards, not as it was.
        projection: which fields of it; all if None.
        sort: which one, if several match.
        fields: as those of `Find`.
        options: further keywords, by the client's names.
    """

    __slots__ = (
        "fields", "filter", "options", "projection", "remove", "replacement", "returns_new",
        "sort", "update", "upsert",
    )  # fmt: skip

    def __init__(
        self,
        collection: str,
        filter: Mapping[str, Any],  # noqa: A002  # the store's word
        *,
        update: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        replacement: Mapping[str, Any] | None = None,
        remove: bool = False,
        upsert: bool = False,
        returns_new: bool = False,
        projection: Mapping[str, Any] | Sequence[str] | None = None,
        sort: Sort | None = None,
        fields: Sequence[str] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        if (update is not None) + (replacement is not None) + remove != 1:
            raise TypeError("give one of update, replacement and remove")
        self.collection = collection
        self.filter = filter
        self.update = update
        self.replacement = replacement
        self.remove = remove
        self.upsert = upsert
        self.returns_new = returns_new
        self.projection = projection
        self.sort = sort
        self.fields = fields
        self.options = options
        self.reads = False

    def _text(self) -> str:
        """What is done to one document."""
        change = "UPDATE" if self.replacement is None else "REPLACE"
        kind = "DELETE" if self.remove else change
        return f"{kind} ONE {self.collection} BY {', '.join(self.filter)}"


class Command(Operation):
    """A command of the database.

    Attributes:
        body: the command; its first key is its name.
    """

    __slots__ = ("body",)

    def __init__(self, body: Mapping[str, Any], *, reads: bool = False) -> None:
        self.collection = None
        self.body = body
        self.reads = reads

    def _text(self) -> str:
        """The name of the command, and of the collection if it is for one."""
        name = next(iter(self.body), "")
        of = self.body.get(name)
        return f"COMMAND {name} {of}" if isinstance(of, str) else f"COMMAND {name}"


class Written:
    """What a `BulkWrite` did.

    Attributes:
        inserted: how many documents were inserted as such.
        matched: how many an update or a replacement found.
        modified: how many of those are not as they were.
        deleted: how many are gone.
        upserted: the `_id` of those inserted because an update found none, by the place of the
            write in the batch.
    """

    __slots__ = ("deleted", "inserted", "matched", "modified", "upserted")

    def __init__(
        self,
        inserted: int = 0,
        matched: int = 0,
        modified: int = 0,
        deleted: int = 0,
        upserted: Mapping[int, Any] | None = None,
    ) -> None:
        self.inserted = inserted
        self.matched = matched
        self.modified = modified
        self.deleted = deleted
        self.upserted: Mapping[int, Any] = upserted or {}

    @property
    def count(self) -> int:
        """How many documents were inserted, found or deleted."""
        return self.inserted + self.matched + self.deleted + len(self.upserted)

    def __repr__(self) -> str:
        return (
            f"Written(inserted={self.inserted}, matched={self.matched}, modified={self.modified},"
            f" deleted={self.deleted}, upserted={len(self.upserted)})"
        )
