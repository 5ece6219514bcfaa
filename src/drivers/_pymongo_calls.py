"""Operations as calls of the client: pure functions but for the call that they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pymongo import (
    DeleteMany,
    DeleteOne,
    InsertOne,
    ReplaceOne,
    ReturnDocument,
    UpdateMany,
    UpdateOne,
)

from uow.errors import QueryError
from uow.operations import BulkWrite, Find, FindAndModify, Write, Written

__all__ = [
    "FIND_AND_MODIFY",
    "find_and_modify_keywords",
    "find_keywords",
    "is_cursor_command",
    "requests_of",
    "rows_of",
    "with_concern",
    "written",
]

_NONE: Final[Mapping[str, Any]] = {}

FIND_AND_MODIFY: Final = ("find_one_and_update", "find_one_and_replace", "find_one_and_delete")

_CURSOR_COMMANDS: Final = frozenset({"aggregate", "find", "listCollections", "listIndexes"})

_DEFINING: Final = frozenset(
    {"collMod", "create", "createIndexes", "drop", "dropDatabase", "dropIndexes",
     "renameCollection"}
)  # fmt: skip
"""Commands that change what is defined, and take a write concern."""


_FIRST_BATCH: Final = 101
"""How many documents come in a first batch if nothing is said."""

_WHOLE: Final = 1_000_000
"""Documents of a batch of which all are read; the server ends it at 16 MB in any case."""


def find_keywords(find: Find, session: Any) -> dict[str, Any]:
    """Give the arguments of `find`: of what is read to its end, the first batch need not be small.

    "Cursors: Cursor Batches", https://www.mongodb.com/docs/manual/core/cursors/.
    """
    keywords: dict[str, Any] = {"filter": find.filter, "session": session}
    if find.projection is not None:
        keywords["projection"] = find.projection
    if find.sort:
        keywords["sort"] = list(find.sort)
    if find.skip:
        keywords["skip"] = find.skip
    if find.limit:
        keywords["limit"] = find.limit
    if not 0 < find.limit <= _FIRST_BATCH:
        keywords["batch_size"] = _WHOLE
    if find.options:
        keywords.update(find.options)
    return keywords


def find_and_modify_keywords(change: FindAndModify, session: Any) -> tuple[str, dict[str, Any]]:
    """Give the name of the call, and its arguments."""
    keywords: dict[str, Any] = {"filter": change.filter, "session": session}
    if change.projection is not None:
        keywords["projection"] = change.projection
    if change.sort:
        keywords["sort"] = list(change.sort)
    if change.options:
        keywords.update(change.options)
    if change.remove:
        return "find_one_and_delete", keywords
    keywords["upsert"] = change.upsert
    keywords["return_document"] = (
        ReturnDocument.AFTER if change.returns_new else ReturnDocument.BEFORE
    )
    if change.replacement is not None:
        keywords["replacement"] = change.replacement
        return "find_one_and_replace", keywords
    keywords["update"] = change.update
    return "find_one_and_update", keywords


def rows_of(documents: list[Any], fields: Sequence[str] | None) -> list[Any]:
    """Give documents as rows: as they are, or the values of some names."""
    if fields is None:
        return documents
    rows: list[tuple[Any, ...]] = [tuple(map(document.get, fields)) for document in documents]
    return rows


def requests_of(bulk: BulkWrite) -> tuple[list[Any], bool]:
    """Give what the client takes: documents alone, where all are inserted; else its requests.

    Returns:
        The documents or requests, and whether they are documents.

    Raises:
        QueryError: a write is none of the known kinds.
    """
    operations = bulk.operations
    if all(write[0] == "insert" for write in operations):
        return [write[1] for write in operations], True
    try:
        return [_REQUESTS[write[0]](write) for write in operations], False
    except KeyError as error:
        raise QueryError(f"there is no write of the kind {error.args[0]!r}") from None


def _insert(write: Write) -> Any:
    return InsertOne(write[1])


def _update(write: Write) -> Any:
    _, filter_, change, many, upsert, *more = write
    options = more[0] if more else _NONE
    return (UpdateMany if many else UpdateOne)(filter_, change, upsert=upsert, **options)


def _replace(write: Write) -> Any:
    _, filter_, document, upsert, *more = write
    return ReplaceOne(filter_, document, upsert=upsert, **(more[0] if more else _NONE))


def _delete(write: Write) -> Any:
    _, filter_, many, *more = write
    return (DeleteMany if many else DeleteOne)(filter_, **(more[0] if more else _NONE))


_REQUESTS: Final[dict[str, Callable[[Write], Any]]] = {
    "insert": _insert,
    "update": _update,
    "replace": _replace,
    "delete": _delete,
}


def written(result: Any) -> Written:
    """Give what a bulk write did."""
    return Written(
        inserted=result.inserted_count,
        matched=result.matched_count,
        modified=result.modified_count,
        deleted=result.deleted_count,
        upserted=result.upserted_ids,
    )


def is_cursor_command(body: Mapping[str, Any]) -> bool:
    """Whether a command answers with a cursor."""
    return next(iter(body), "") in _CURSOR_COMMANDS


def with_concern(body: Mapping[str, Any], concern: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give a command that changes definitions the write concern that the client leaves out."""
    if concern and "writeConcern" not in body and next(iter(body), "") in _DEFINING:
        return {**body, "writeConcern": dict(concern)}
    return body
