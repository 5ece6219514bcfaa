"""Which database a document class is bound to, and `init_documents`, which binds it."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import anyio

from uow.database import Database, default_database
from uow.errors import MappingError, PoolClosedError, ValidationError
from uow.mapping.instants import use_instants
from uow.mapping.mapper import Mapper, mapper_of
from uow.mapping.stores import refuse_other_store
from uow.schema.collections import create_collections

if TYPE_CHECKING:
    from uow.mapping.model import Model

__all__ = ["bound_database", "init_documents"]

_bound: Final[WeakKeyDictionary[Mapper, Database]] = WeakKeyDictionary()
_opened: Final[list[tuple[Any, Database]]] = []
"""What users handed over, and the databases made of it."""


def bound_database(mapper: Mapper) -> Database:
    """Give the database that a class is bound to, else the default one.

    Raises:
        PoolClosedError: there is neither.
    """
    found = _bound.get(mapper)
    if found is not None and found.is_open:
        return found
    try:
        return default_database()
    except PoolClosedError as error:
        raise PoolClosedError(
            f"{mapper.name} is bound to no database that is open: await init_documents("
            f"database=..., document_models=[{mapper.name}]), work in `async with Session(db)`, or "
            "open a Database(url, default=True)"
        ) from error


async def init_documents(  # noqa: PLR0917 - in the order that Beanie has them in
    database: Any = None,
    connection_string: str | None = None,
    document_models: Iterable[type[Model] | str] | None = None,
    allow_index_dropping: bool = False,
    recreate_views: bool = False,
    skip_indexes: bool = False,
    *,
    atomic: bool = True,
) -> Database:
    """Bind document classes to a database, and make their collections and indexes.

    Classes that are bound need no session to be named a database; `Session(db)` on what is
    returned works as with any other. May be called again, for further classes or others.

    Args:
        database: an open database of the user's, PyMongo's (`AsyncDatabase`) or Motor's, or one of
            ours. It stays open; its codec options are kept: without `tz_aware` instants come back
            naive, and naive ones are taken as UTC.
        connection_string: a URL with the name of a database, in its place.
        document_models: the classes, or dotted paths of them (`"app.models.Person"`).
        allow_index_dropping: drop indexes that no class declares, and make changed ones anew.
        recreate_views: drop views that are there, and make them anew.
        skip_indexes: leave collections and indexes as they are.
        atomic: False for a server that stands alone and has no transactions: what is written by
            verbs outside of sessions is none, and neither are sessions that do not say.

    Returns:
        The database, open.

    Raises:
        ValidationError: there is not just one of `database` and `connection_string`; or a path
            has no dot.
        MappingError: a class is no document, or an index is there with other options.
    """
    if (database is None) is (connection_string is None):
        raise ValidationError("init_documents takes one of database= and connection_string=")
    if document_models is None:
        raise ValidationError("init_documents takes document_models=, the classes to bind")
    mappers = [_mapper(model) for model in document_models]
    found = await _opened_database(database, connection_string, atomic=atomic)
    try:
        for mapper in mappers:
            refuse_other_store(mapper, found.dialect)
            if database is not None and not isinstance(database, Database):
                use_instants(mapper, are_aware=database.codec_options.tz_aware)
        if not skip_indexes:
            await create_collections(
                found.pool,
                mappers,
                allow_index_dropping=allow_index_dropping,
                recreate_views=recreate_views,
            )
    except BaseException:
        if connection_string is not None:  # nobody else knows of it
            with anyio.CancelScope(shield=True):  # closing has a budget of its own
                await found.aclose()
        raise
    for mapper in mappers:
        _bound[mapper] = found
    return found


async def _opened_database(
    database: Any, connection_string: str | None, *, atomic: bool
) -> Database:
    if isinstance(database, Database):
        return await database.open()
    if connection_string is not None:
        return await Database(connection_string, atomic=atomic).open()
    for given, made in _opened:
        # Clients are equal if they lead to the same servers, but each has an event loop of its own.
        is_same = getattr(given, "client", None) is getattr(database, "client", None)
        if is_same and given == database and made.is_open and made.atomic is atomic:
            return made
    made = await Database.over(database, atomic=atomic).open()
    _opened.append((database, made))
    return made


def _mapper(model: type[Model] | str) -> Mapper:
    found: Any = model
    if isinstance(model, str):
        module, dot, name = model.rpartition(".")
        if not dot:
            raise ValidationError(f"{model!r} is no dotted path to a class, such as app.models.Pet")
        found = getattr(import_module(module), name)
    mapper = mapper_of(found)
    if mapper.document is None:
        raise MappingError(f"{mapper.name} is a Table; init_documents binds documents")
    return mapper
