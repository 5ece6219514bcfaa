"""What a document class has beside its fields: an implicit key, a revision, indexes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, cast
from uuid import UUID

import attrs

from uow.allowed import NON_EMPTY_TEXT, SECONDS, Allowed, check_settings, instance_of
from uow.errors import MappingError
from uow.mapping.columns import ColumnSpec
from uow.mapping.fields import Field
from uow.mapping.hints import Hint, Scope
from uow.mapping.mapper import CollectionIndex, MappedColumn, Mapper, Unique
from uow.mapping.settings import Settings
from uow.types import ObjectIdType

__all__ = ["KEY_NAME", "REVISION", "add_collection_indexes", "document_fields"]

KEY_NAME: Final = "_id"
REVISION: Final = "revision_id"

_REFUSED: Final = (
    "foreign_key",
    "server_default",
    "generated",
    "check",
    "sequence",
    "identity",
    "prefix",
)
"""Arguments of `Column(...)` by which an SQL store does what a document store does not."""


def document_fields(
    class_name: str, fields: Mapping[str, Field], settings: Settings, scope: Scope
) -> dict[str, Field]:
    """Give the fields of a document class, with the key and the revision that are implicit.

    Raises:
        MappingError: a field asks for what a document store does not do.
    """
    found = dict(fields)
    for name, field in found.items():
        for argument in _REFUSED:
            if getattr(field.spec, argument) is not None:
                raise MappingError(
                    f"{class_name}.{name}: {argument}= is for tables; a document store has "
                    "no such thing"
                )
    marked = [name for name, field in found.items() if field.spec.primary_key]
    keys = [*settings.primary_key] or marked or ["id"]
    if settings.document is not None and settings.document.is_view:
        given = [name for name, field in found.items() if field.spec.name == KEY_NAME]
        keys = given or keys
    if "id" in keys and "id" not in found:
        spec = ColumnSpec(primary_key=True, default=None, type=ObjectIdType())
        found = {"id": Field("id", class_name, object, spec, scope, Hint(object)), **found}
    if len(keys) != 1:
        raise MappingError(
            f"{class_name}: a document has one key; one of several values is an embedded object"
        )
    (key,) = keys
    if key in found:
        field = found[key]
        if field.spec.name not in (None, KEY_NAME):
            raise MappingError(f"{class_name}.{key}: the key of a document is stored as '_id'")
        field.spec = attrs.evolve(field.spec, primary_key=True, name=KEY_NAME)
    document = settings.document
    if document is not None and document.use_revision and REVISION not in found:
        spec = ColumnSpec(version=True, nullable=True)
        hint = Hint(UUID)
        found[REVISION] = Field(REVISION, class_name, UUID, spec, scope, hint)
    return found


def add_collection_indexes(mapper: Mapper, fields: Mapping[str, Field], settings: Settings) -> None:
    """Give a mapper the indexes that its fields and its settings declare.

    Raises:
        MappingError: a declaration cannot be read, or names no field.
    """
    found: list[CollectionIndex] = []
    for column in mapper.columns:
        options = fields[column.attribute].spec.index_options
        if options is not None:
            rest = {name: value for name, value in options.items() if name != "direction"}
            found.append(_index(mapper, [(column.name, options["direction"])], rest))
        elif column.unique or column.index:
            found.append(
                _index(mapper, [(column.name, 1)], {"unique": True} if column.unique else {})
            )
    document = settings.document
    series = None if document is None else document.timeseries
    is_open = any(column.holds_rest for column in mapper.columns)
    if series is not None and not is_open and series.time_field not in mapper.by_name:
        raise MappingError(
            f"{mapper.name}.Settings.timeseries.time_field: there is no field {series.time_field!r}"
        )
    entries = () if document is None else document.indexes
    found += [_from_entry(mapper, entry) for entry in entries]
    mapper.collection_indexes = tuple(found)
    mapper.uniques = tuple(
        Unique(columns, index.name)
        for index in found
        if index.options.get("unique") and (columns := _columns(mapper, index)) is not None
    )


_DIRECTION: Final = Allowed(
    "a number that is not 0, or the name of a kind of index",
    lambda way: (
        NON_EMPTY_TEXT.holds(way)
        or (isinstance(way, (int, float)) and not isinstance(way, bool) and way != 0)
    ),
)

_OPTIONS: Final[Mapping[str, Allowed]] = MappingProxyType(
    {
        "expireAfterSeconds": SECONDS,
        "name": NON_EMPTY_TEXT.or_none(),
        "partialFilterExpression": instance_of(Mapping),
    }
)
"""What options of an index may be; others are the server's to look at."""


def _columns(mapper: Mapper, index: CollectionIndex) -> tuple[MappedColumn, ...] | None:
    """The columns an index is over, if it is over whole ones."""
    columns = [mapper.by_name.get(name) for name, _ in index.keys]
    only = index.options.get("partialFilterExpression", {})
    if None in columns or not only.keys() <= {name for name, _ in index.keys}:
        return None  # of documents that are chosen by something else nobody here knows
    return tuple(column for column in columns if column is not None)


def _from_entry(mapper: Mapper, entry: Any) -> CollectionIndex:
    where = f"{mapper.name}.Settings.indexes"
    model: Any = getattr(entry, "document", None)
    kind = type(entry).__name__
    if isinstance(model, Mapping):  # PyMongo's IndexModel
        exact: dict[str, Any] = dict(cast("Mapping[str, Any]", model))
        return _index(mapper, list(exact.pop("key").items()), exact, is_exact=True)
    options: dict[str, Any] = {}
    fields: Any = entry
    if isinstance(entry, Mapping):
        options = dict(cast("Mapping[str, Any]", entry))
        fields = options.pop("fields", None) or options.pop("key", None)
    parts = [_part(where, part) for part in _parts(fields)]
    if not parts:
        raise MappingError(
            f"{where}: an index is a field, a list of (field, direction), an IndexModel or a dict "
            f"with 'fields', not {kind}"
        )
    return _index(mapper, parts, options)


def _parts(fields: Any) -> list[Any]:
    given: Any = fields
    if isinstance(fields, str):
        return [fields]
    if isinstance(fields, Mapping):
        return list(given.items())
    return list(given) if isinstance(fields, (list, tuple)) else []


def _part(where: str, part: object) -> tuple[str, Any]:
    if isinstance(part, str):
        return (part[1:], -1) if part.startswith("-") else (part.removeprefix("+"), 1)
    pair = cast("tuple[object, ...]", part)
    if isinstance(part, (list, tuple)) and len(pair) == 2 and isinstance(pair[0], str):
        return pair[0], pair[1]
    raise MappingError(f"{where}: a part of an index is a field or (field, direction)")


def _index(
    mapper: Mapper, keys: list[tuple[str, Any]], options: dict[str, Any], *, is_exact: bool = False
) -> CollectionIndex:
    for key, direction in keys:
        where = f"{mapper.name}.Settings.indexes: the direction of {key!r}"
        check_settings(where, {"": direction}, {"": _DIRECTION}, MappingError)
    check_settings(f"{mapper.name}.Settings.indexes: ", options, _OPTIONS, MappingError)
    stored = [(name if is_exact else _stored(mapper, name), direction) for name, direction in keys]
    name = options.pop("name", None) or "_".join(f"{key}_{way}" for key, way in stored)
    return CollectionIndex(name=name, keys=tuple(stored), options=options)


def _stored(mapper: Mapper, path: str) -> str:
    """The name in the store of a field or of a path into one."""
    first, dot, rest = path.partition(".")
    column = mapper.by_attribute.get(first) or mapper.by_name.get(first)
    if column is None:
        if first.startswith(("_", "$")):
            return path
        raise MappingError(f"{mapper.name}.Settings.indexes: there is no field {first!r}")
    return f"{column.name}{dot}{rest}"
