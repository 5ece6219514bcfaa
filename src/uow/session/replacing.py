"""`save` of a document that may be stored already, `replace`, and `sync`.

An object that was made here and has the key of a stored document can stand for that: it is then
persistent, and what it holds are changes of what is stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from uow.errors import NotFoundError, ObjectStateError, StaleObjectError, ValidationError
from uow.expressions.nodes import ColumnExpression
from uow.mapping.mapper import mapper_of
from uow.mapping.merge_strategy import MergeStrategy
from uow.session.codec import codecs_of
from uow.session.document_updates import update_document
from uow.tracking.changes import changed_names, known_form
from uow.tracking.nested.fields import stored_form
from uow.tracking.nested.paths import path_changes
from uow.tracking.state import (
    MISSING,
    Raw,
    Record,
    State,
    read_slot,
    set_state,
    state_of,
)

if TYPE_CHECKING:
    from uow.database import Database
    from uow.mapping.mapper import MappedColumn, Mapper
    from uow.session.codec import Codecs
    from uow.session.session import Session

__all__ = ["add_or_stand_for", "replace_documents", "replacing_stage", "sync_document"]


async def add_or_stand_for(session: Session, obj: Any) -> None:
    """Take an object in; one that is new but has the key of a stored document stands for it.

    Raises:
        ObjectStateError: the session holds another object with the key.
        StaleObjectError: the stored document has a version, which the object does not know.
    """
    mapper = mapper_of(obj)
    is_new = state_of(obj).status is State.TRANSIENT
    if not is_new or _key_of(mapper, obj) is None or not await _stand_for(session, obj):
        session.add(obj)


def _key_of(mapper: Mapper, obj: Any) -> Any:
    column = mapper.key[0]
    return column.get_slot(obj) if column.is_loaded(obj) else None


async def _stand_for(session: Session, obj: Any) -> bool:
    """Have a new object stand for the stored document with its key; False if there is none."""
    mapper = mapper_of(obj)
    key = mapper.identity(obj)
    if session.held(mapper.class_, key) is not None:
        raise ObjectStateError(
            f"the session holds another object of {mapper.name} with the key of {obj!r}; change "
            "that one, or session.merge(...)"
        )
    other: Any = await session.get(mapper.class_, key)
    if other is None:
        return False
    version = mapper.version
    if version is not None:
        if read_slot(obj, version) != read_slot(other, version):
            session.expunge(other)
            raise StaleObjectError(
                f"{obj!r} is stored already, in a version that this object does not know; get it "
                "and change it",
                objects=(obj,),
            )
        version.set_slot(obj, read_slot(other, version))
    noted = {
        column.attribute: _noted(other, column)
        for column in mapper.columns
        if not (column.is_fixed or column.primary_key)
    }
    session.expunge(other)
    ledger = session._ledger
    set_state(obj, ledger.stored)
    ledger.of(mapper.root)[key] = obj
    record = ledger.own(obj)
    record.noted = noted
    ledger.enlist(record)
    return True


def _noted(obj: Any, column: MappedColumn) -> Any:
    """What the store holds of a field, as a record notes it."""
    if column.is_lazy:
        return Raw(stored_form(obj, column))
    return read_slot(obj, column)


async def replace_documents(
    session: Session, objects: Iterable[Any], *, ignore_revision: bool = False
) -> None:
    """Put objects in the place of the documents with their keys, whatever else those hold.

    Raises:
        ValidationError: an object has no key; nothing was sent.
        NotFoundError: a document is not there; nothing was written.
        StaleObjectError: a document has another version than was loaded.
    """
    found = list(objects)
    for obj in found:
        mapper = mapper_of(obj)
        if state_of(obj).status is State.PENDING or _key_of(mapper, obj) is None:
            raise ValidationError(f"{obj!r} is not stored, so it replaces nothing: insert it")
    for obj in found:
        state = state_of(obj)
        if state.status is State.TRANSIENT:
            if not await _stand_for(session, obj):
                raise NotFoundError(f"there is no document with the key of {obj!r}")
        elif obj not in session:
            session.add(obj)
    for mapper in dict.fromkeys(map(mapper_of, found)) if len(found) > 1 else ():
        keys = {mapper.identity(obj) for obj in found if mapper_of(obj) is mapper}
        key = ColumnExpression[Any](mapper.key[0], mapper)
        there = await session.find(mapper.class_, key.in_(keys)).count()
        if there < len(keys):
            raise NotFoundError(
                f"{len(keys) - there} of {len(keys)} documents of {mapper.name} that were to be "
                "replaced are not there"
            )
    if ignore_revision:
        for obj in found:
            await _take_version(session, obj)
    # First, since it calls handlers, and gives keys to new documents that these link to.
    await _flush(session, found)
    codecs = codecs_of(session.database)
    for obj in found:
        stages = ({"$replaceWith": {"$literal": _document(obj, codecs)}},)
        await update_document(session, obj, (stages,), ignore_revision=ignore_revision)


async def _flush(session: Session, objects: list[Any]) -> None:
    """Write what is waiting; what was to be replaced and is gone was not found."""
    try:
        await session.flush()
    except StaleObjectError as error:
        gone = [one for one in error.objects if any(one is obj for obj in objects)]
        if gone and all(mapper_of(one).version is None for one in gone):
            raise NotFoundError(f"the document of {gone[0]!r} is gone") from error
        raise


async def _take_version(session: Session, obj: Any) -> None:
    """Give an object the version that is stored now, whatever it was loaded with."""
    mapper = mapper_of(obj)
    if mapper.version is None:
        return
    key = ColumnExpression[Any](mapper.key[0], mapper)
    version = ColumnExpression[Any](mapper.version, mapper)
    query = session.find(mapper.class_, key == mapper.identity(obj)).select(version)
    found = await query.values()
    if found:
        mapper.version.set_slot(obj, found[0])


def replacing_stage(obj: Any, database: Database) -> dict[str, Any]:
    """Give the stage that puts an object in the place of a document, but for its key."""
    mapper = mapper_of(obj)
    columns = tuple(column for column in mapper.columns if not column.is_fixed)
    document = _document(obj, codecs_of(database), columns)
    return {"$replaceWith": {"$mergeObjects": [{"$literal": document}, {"_id": "$_id"}]}}


def _document(
    obj: Any, codecs: Codecs, columns: tuple[MappedColumn, ...] | None = None
) -> dict[str, Any]:
    """What a collection holds of an object, and nothing else."""
    mapper = mapper_of(obj)
    chosen = mapper.columns if columns is None else columns
    (row,) = codecs.of(mapper).rows(chosen, [obj])
    pairs = zip(chosen, row, strict=True)
    settings = mapper.document
    keeps_nulls = settings is None or settings.keep_nulls
    return {c.name: value for c, value in pairs if keeps_nulls or value is not None}


async def sync_document(session: Session, obj: Any, strategy: MergeStrategy) -> None:
    """Bring an object up to date; see `MergeStrategy`.

    Raises:
        NotFoundError: its document is gone.
        ObjectStateError: it was never stored.
        StaleObjectError: what was changed in a value has no place in what is stored now.
    """
    state = state_of(obj)
    if state.stored is not State.PERSISTENT:
        raise ObjectStateError(f"{obj!r} is not stored: save() it first")
    if obj not in session:
        session.add(obj)
    session._ledger.open_inboxes()
    local = _local_changes(obj, codecs_of(session.database))
    if strategy is MergeStrategy.local and local:
        await _read_under(session, obj, local)
    else:
        await session.refresh(obj)


def _local_changes(obj: Any, codecs: Codecs) -> dict[MappedColumn, Any]:
    """What was changed of an object, by column; of nested values by path, in their stored form."""
    record = obj._uow_state
    if not isinstance(record, Record):
        return {}
    mapper, found = mapper_of(obj), dict[Any, Any]()
    for name in changed_names(record, codecs):
        column = mapper.by_attribute[name]
        value = read_slot(obj, column)
        noted = (record.noted or {}).get(name, MISSING)
        if noted is MISSING:
            noted = Raw((record.watched or {}).get(name, MISSING))
        encode = codecs.encoder(column)
        new: Any = value if value is None or encode is None else encode(value)
        old: Any = known_form(noted.value, column, codecs) if type(noted) is Raw else noted
        found[column] = value
        if _is_nested(old) and _is_nested(new):
            found[column] = _Paths(path_changes(old, new))
    return found


class _Paths:
    """Changes inside of a nested value: by dotted path what stands there; MISSING for nothing."""

    __slots__ = ("by_path",)

    def __init__(self, changes: dict[str, tuple[Any, Any]]) -> None:
        self.by_path = {path: new for path, (_, new) in changes.items()}

    def apply(self, base: Any, place: str) -> Any:
        """Make the changes in a stored form, which is copied."""
        if "" in self.by_path:
            return self.by_path[""]
        made = _copied(base)
        for path, value in self.by_path.items():
            *steps, last = path.split(".")
            inner = made
            for step in steps:
                inner = _inside(inner, step, f"{place}.{path}")
            _put(inner, last, value, f"{place}.{path}")
        return made


def _is_nested(value: object) -> bool:
    return isinstance(value, (dict, list))


def _copied(value: Any) -> Any:
    """Copy the containers of a stored form."""
    items: Any = value
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in items.items()}
    return [_copied(one) for one in items] if isinstance(value, list) else items


def _inside(value: Any, step: str, place: str) -> Any:
    """Follow one step of a path into a stored form."""
    held: Any = value
    is_there = (
        step in held
        if isinstance(value, dict)
        else isinstance(value, list) and step.isdecimal() and int(step) < len(_listed(value))
    )
    if not is_there:
        raise _no_place(place)
    return held[step] if isinstance(value, dict) else held[int(step)]


def _put(value: Any, step: str, new: Any, place: str) -> None:
    """Make one change in a container of a stored form."""
    held: Any = value
    if isinstance(value, dict):
        if new is MISSING:
            held.pop(step, None)
        else:
            held[step] = new
        return
    items = _listed(value)
    number = int(step) if isinstance(value, list) and step.isdecimal() else -1
    if not 0 <= number <= len(items):
        raise _no_place(place)
    items[number : number + 1] = [] if new is MISSING else [new]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]


def _no_place(place: str) -> StaleObjectError:
    return StaleObjectError(
        f"{place} was changed here, and what it stood in is stored no more; sync with "
        "MergeStrategy.remote drops the change"
    )


async def _read_under(session: Session, obj: Any, local: dict[MappedColumn, Any]) -> None:
    """Read an object again, and make its changes once more on what is stored now."""
    codecs = codecs_of(session.database)
    values = {column: read_slot(obj, column) for column in local}
    await session.refresh(obj)
    merged = dict(values)
    try:
        for column, change in local.items():
            if isinstance(change, _Paths):
                form = change.apply(stored_form(obj, column), str(column))
                decode = codecs.decoder(column)
                merged[column] = form if form is None or decode is None else decode(form)
    except StaleObjectError:
        merged = values  # nothing that was changed is lost
        raise
    finally:
        for column, value in merged.items():
            setattr(obj, column.attribute, value)
