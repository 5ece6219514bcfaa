"""Makes and drops the collections of document classes, and compares indexes and validators.

Definitions are no part of a transaction: each is its own, and all can be run again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from uow.errors import MappingError, QueryError
from uow.mapping.document_classes import view_of
from uow.operations import Command
from uow.pool import Pool, first_step
from uow.schema.collection_steps import (
    ChangeValidation,
    CollectionStep,
    CreateCollection,
    CreateCollectionIndex,
    DropCollection,
    DropCollectionIndex,
)
from uow.schema.description import Name
from uow.schema.ignoring import is_ignored, patterns_of

if TYPE_CHECKING:
    from uow.drivers.base import Connection
    from uow.mapping.mapper import CollectionIndex, Mapper
    from uow.schema.steps import Step

__all__ = [
    "CollectionDef",
    "collection_steps",
    "create_collections",
    "drop_collections",
    "inspect_collections",
    "run_collection_steps",
]

_OF_THE_SERVER: Final = frozenset(
    {"v", "key", "name", "ns", "background", "textIndexVersion", "2dsphereIndexVersion", "weights",
     "default_language", "language_override"}
)  # fmt: skip
"""What a server says of an index that nobody asked for."""


_VALIDATION: Final = ("validator", "validationLevel", "validationAction")


@attrs.frozen(kw_only=True)
class CollectionDef:
    """A collection or a view, as a store has it.

    Attributes:
        name: its name.
        options: what it was made with, as `create` takes it; what a server always says is left out.
        indexes: as `createIndexes` takes them, but for that over `_id`.
    """

    name: str
    options: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    indexes: tuple[Mapping[str, Any], ...] = ()

    @property
    def is_view(self) -> bool:
        """Whether it is read from another one."""
        return "viewOn" in self.options

    @property
    def validation(self) -> Mapping[str, Any]:
        """What documents are checked for; nothing if they are not."""
        return _validation(self.options)


def _validation(options: Mapping[str, Any]) -> Mapping[str, Any]:
    if not options.get("validator"):
        return {}
    return {name: options[name] for name in _VALIDATION if name in options}


async def inspect_collections(pool: Pool) -> list[CollectionDef]:
    """Read the collections and views there are, but for our own and the server's.

    Returns:
        Them by name.
    """
    connection, found = await first_step(pool, _inspected)
    await pool.release(connection)
    return found


async def _inspected(connection: Connection) -> list[CollectionDef]:
    rows: list[Any] = await connection.fetch(Command({"listCollections": 1}, reads=True))
    found: list[CollectionDef] = []
    for row in sorted(rows, key=lambda row: str(row["name"])):
        name, options = row["name"], dict(row.get("options") or {})
        if name.startswith(("_uow_", "system.")):
            continue
        indexes: list[Any] = []
        if "viewOn" not in options:
            try:
                indexes = await connection.fetch(Command({"listIndexes": name}, reads=True))
            except QueryError:
                if name in await _collections(connection):
                    raise
                continue  # dropped meanwhile
        found.append(
            CollectionDef(
                name=name,
                options=options,
                indexes=tuple(
                    [
                        {key: value for key, value in one.items() if key != "v"}
                        for one in indexes
                        if one["name"] != "_id_"
                    ]
                ),
            )
        )
    return found


async def create_collections(
    pool: Pool,
    mappers: Sequence[Mapper],
    *,
    allow_index_dropping: bool = False,
    recreate_views: bool = False,
) -> None:
    """Make collections, indexes and views; what is there is compared.

    Args:
        pool: gives the connection.
        mappers: of document classes.
        allow_index_dropping: drop indexes that no class declares, and make changed ones anew.
        recreate_views: drop views that are there, and make them anew.

    Raises:
        MappingError: an index is there with other options, or under another name, and may not be
            dropped; or the collection has another validator than its class.
    """
    for mapper in mappers:
        mapper.configure()
    connection, there = await first_step(pool, _collections)
    try:
        wanted = dict.fromkeys(mappers)
        for mapper in [one for one in wanted if not _is_view(one)]:
            if mapper.table_name not in there:
                await _create(connection, mapper.table_name, _options(mapper))
            elif mapper.document is not None and mapper.document.validation is not None:
                await _check_validation(connection, mapper)
            await _create_indexes(connection, mapper, allow_index_dropping)
        for mapper in filter(_is_view, wanted):
            await _create_view(connection, mapper, there, is_anew=recreate_views)
    finally:
        await pool.release(connection)


def _is_view(mapper: Mapper) -> bool:
    return mapper.document is not None and mapper.document.is_view


async def _create_view(
    connection: Connection, mapper: Mapper, there: set[str], *, is_anew: bool
) -> None:
    name = mapper.table_name
    if name in there:
        if not is_anew:
            return
        await connection.execute(Command({"drop": name}))
    source, pipeline = view_of(mapper)
    await connection.execute(Command({"create": name, "viewOn": source, "pipeline": pipeline}))


async def drop_collections(pool: Pool, mappers: Sequence[Mapper]) -> None:
    """Drop collections; those that are missing are no error."""
    connection, there = await first_step(pool, _collections)
    try:
        for mapper in mappers:
            if mapper.table_name in there:
                await connection.execute(Command({"drop": mapper.table_name}))
    finally:
        await pool.release(connection)


def _options(mapper: Mapper) -> Mapping[str, Any]:
    """What a collection is made with, besides its name."""
    document = mapper.document
    if document is None:
        return {}
    given = (document.timeseries, document.validation)
    return {key: value for one in given if one is not None for key, value in one.options().items()}


async def _check_validation(connection: Connection, mapper: Mapper) -> None:
    """Refuse a collection that checks for something else than its class says."""
    name = mapper.table_name
    asked = Command({"listCollections": 1, "filter": {"name": name}}, reads=True)
    for row in await connection.fetch(asked):
        found: Any = row
        if not _same_validation(found.get("options") or {}, _options(mapper)):
            raise MappingError(
                f"{mapper.name}: the collection {name!r} has another validator than the class, or "
                "none; change it by a migration, or with apply_schema(diff_schema(...))"
            )


async def collection_steps(
    pool: Pool, mappers: Sequence[Mapper], ignore: Collection[str] = ()
) -> list[Step]:
    """Give the steps from the collections, validators and indexes there are to those of classes.

    Collections that no class has are dropped by the steps, but for our own, the server's and those
    to be ignored; so are indexes and validators that no class declares.

    Args:
        pool: gives the connection.
        mappers: of document classes.
        ignore: names of collections of others, as patterns.

    Raises:
        ValidationError: `ignore` is no list of patterns.
    """
    patterns = patterns_of(ignore)
    for mapper in mappers:
        mapper.configure()
    wanted: dict[str, list[Mapper]] = {}
    for mapper in mappers:  # a family of classes shares its collection
        wanted.setdefault(mapper.table_name, []).append(mapper)
    there = {one.name: one for one in await inspect_collections(pool)}
    steps: list[Step] = [
        DropCollection(name, one.options, one.indexes)
        for name, one in there.items()
        if name not in wanted and not is_ignored(Name(name), patterns)
    ]
    tables = [name for name, those in wanted.items() if not _is_view(those[0])]
    for name in tables:
        found = there.get(name)
        options = _options(wanted[name][0].root)
        if found is None:
            steps.append(CreateCollection(name, options))
        elif not _same_validation(found.options, options):
            steps.append(ChangeValidation(name, found.validation, _validation(options)))
        indexes = [one for mapper in wanted[name] for one in mapper.collection_indexes]
        steps += _index_steps(name, indexes, () if found is None else found.indexes)
    for name in sorted(wanted.keys() - there.keys() - {*tables}):
        source, pipeline = view_of(wanted[name][0])
        steps.append(CreateCollection(name, {"viewOn": source, "pipeline": pipeline}))
    return steps


def _same_validation(found: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """Whether two collections check for the same; without a validator they check for nothing."""
    usual = {"validationLevel": "strict", "validationAction": "error"}
    one, other = ({**usual, **_validation(options)} for options in (found, asked))
    return bool(_comparable(one) == _comparable(other))


def _comparable(value: Any) -> Any:
    """Give a value in a form that is the same before a server has had it and after."""
    inner: Any = value
    if isinstance(value, Mapping):
        return {key: _comparable(one) for key, one in inner.items()}
    if isinstance(value, list | tuple):
        return [_comparable(one) for one in inner]
    if hasattr(value, "pattern") and hasattr(value, "flags"):  # Python's and BSON's
        return ("regex", value.pattern, int(value.flags) & ~re.UNICODE)
    return value


def _index_steps(
    name: str, declared: Sequence[CollectionIndex], there: Sequence[Mapping[str, Any]]
) -> list[Step]:
    kept: set[str] = set()
    new: list[Step] = []
    for index in {one.name: one for one in declared}.values():
        found = next((one for one in there if one["name"] == index.name), None)
        found = found or _with_keys(index, there)
        if found is not None and _is_same(index, found):
            kept.add(found["name"])
            continue
        new.append(CreateCollectionIndex(name, _document(index)))
    gone = [DropCollectionIndex(name, one) for one in there if one["name"] not in kept]
    return [*gone, *new]


async def run_collection_steps(connection: Connection, steps: Iterable[Step]) -> None:
    """Run steps that `collection_steps` gave, each its own.

    Raises:
        MappingError: one is about tables.
    """
    steps = list(steps)
    for step in steps:
        if not isinstance(step, CollectionStep):
            raise MappingError(f"a document store cannot {step}: it has collections, not tables")
    for step in steps:
        if isinstance(step, CollectionStep):
            await connection.execute(Command(step.command))


async def _create(connection: Connection, name: str, options: Mapping[str, Any]) -> None:
    try:
        await connection.execute(Command({"create": name, **options}))
    except QueryError:
        if name not in await _collections(connection):
            raise  # else somebody was quicker


async def _collections(connection: Connection) -> set[str]:
    rows: list[Any] = await connection.fetch(
        Command({"listCollections": 1, "nameOnly": True}, reads=True)
    )
    return {row["name"] for row in rows}


async def _create_indexes(connection: Connection, mapper: Mapper, may_drop: bool) -> None:
    name = mapper.table_name
    there: list[Any] = await connection.fetch(Command({"listIndexes": name}, reads=True))
    by_name = {index["name"]: index for index in there}
    wanted = {index.name: index for index in mapper.collection_indexes}
    missing: list[dict[str, Any]] = []
    # Those of other classes in the same collection are theirs.
    known = {index.name for one in mapper.root.family for index in one.collection_indexes}
    surplus = [one for one in by_name if one not in known and one != "_id_"] if may_drop else []
    for index in wanted.values():
        found = by_name.get(index.name) or _with_keys(index, there)
        if found is None:
            missing.append(_document(index))
        elif not _is_same(index, found):
            if not may_drop:
                raise MappingError(
                    f"{mapper.name}: the collection {name!r} has an index {found['name']!r} that "
                    f"differs from {index.name!r} of the class; drop it, or say "
                    "allow_index_dropping=True"
                )
            surplus.append(found["name"])
            missing.append(_document(index))
    for one in dict.fromkeys(surplus):
        await connection.execute(Command({"dropIndexes": name, "index": one}))
    if missing:
        await connection.execute(Command({"createIndexes": name, "indexes": missing}))


def _document(index: CollectionIndex) -> dict[str, Any]:
    return {"key": dict(index.keys), "name": index.name, **index.options}


def _with_keys(index: CollectionIndex, there: Iterable[Mapping[str, Any]]) -> Any:
    """An index over the same, whatever it is called: a store takes no second one."""
    return next((one for one in there if _keys_of(one) == _directions(index)), None)


def _is_same(index: CollectionIndex, found: Mapping[str, Any]) -> bool:
    if "text" in dict(index.keys).values():
        return bool(found["name"] == index.name)  # its keys are kept in another form
    options = {k: v for k, v in found.items() if k not in _OF_THE_SERVER}
    asked = {k: v for k, v in index.options.items() if k not in _OF_THE_SERVER and v is not False}
    given = {k: v for k, v in options.items() if v is not False}
    return _keys_of(found) == _directions(index) and (
        {k: _plain(v) for k, v in given.items()} == {k: _plain(v) for k, v in asked.items()}
        or ("collation" in asked and given.keys() == asked.keys())
    )


def _keys_of(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(key, _direction(way)) for key, way in found["key"].items()]


def _directions(index: CollectionIndex) -> list[tuple[str, Any]]:
    return [(key, _direction(way)) for key, way in index.keys]


def _direction(way: Any) -> Any:
    return int(way) if isinstance(way, float) else way


def _plain(value: Any) -> Any:
    items: Any = value
    return dict(items) if isinstance(value, Mapping) else items
