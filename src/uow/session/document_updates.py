"""`update` of one document that is stored: the store changes it, and the object is read again."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from uow.errors import NotFoundError, ObjectStateError, StaleObjectError
from uow.expressions import ColumnExpression, Expression
from uow.mapping.columns import MISSING
from uow.mapping.mapper import mapper_of
from uow.query.bulk import update_of
from uow.query.documents import Writing
from uow.query.statements import Select, Update
from uow.tracking.journal import held_slot
from uow.tracking.state import State, state_of

if TYPE_CHECKING:
    from uow.session.session import Session

__all__ = ["one_update", "take_revision", "update_document"]


async def update_document(
    session: Session,
    obj: Any,
    changes: tuple[Any, ...],
    *,
    ignore_revision: bool,
    reads_again: bool = True,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Let the store change one document.

    What was changed in the object itself is flushed before.

    Args:
        session: where.
        obj: the document.
        changes: what is changed; with nothing left to change it is only flushed.
        ignore_revision: change it whatever its version is.
        reads_again: read the object afterwards.
        options: further keywords of the client's.

    Raises:
        ObjectStateError: it was never stored.
        StaleObjectError: it has another version than was loaded, or is gone.
        NotFoundError: it is gone, and has no version.
    """
    _check_stored(obj)
    if obj not in session:
        session.add(obj)  # which refuses one of another session
    if ignore_revision:
        await take_revision(session, obj)
    await session.flush()
    if not changes:
        return
    tree = one_update(obj, changes, options, ignore_revision)
    if not await session.execute_write(tree):
        if len(tree.where) > 1:
            raise StaleObjectError(
                f"update of {obj!r} matched no document: its version is not the one that was "
                "loaded, or it is gone; refresh and try again",
                objects=(obj,),
            )
        raise NotFoundError(f"the document of {obj!r} is gone")
    if reads_again:
        await session.refresh(obj)


def one_update(
    obj: Any, changes: tuple[Any, ...], options: Mapping[str, Any], ignore_revision: bool
) -> Update:
    """Make the statement that changes the document of an object.

    Raises:
        ObjectStateError: it was never stored.
        QueryError: the changes do not fit the class.
    """
    _check_stored(obj)
    mapper = mapper_of(obj)
    key = mapper.key[0]
    conditions: list[Expression[bool]] = [_field(mapper, key) == mapper.identity(obj)]
    version = mapper.version
    if version is not None and not ignore_revision:
        loaded = held_slot(obj, version)
        if loaded is not MISSING:
            conditions.append(_field(mapper, version) == loaded)
    select = Select(entity=mapper, froms=(mapper,), where=tuple(conditions))
    tree = update_of(select, changes, is_all=False)
    if options:
        tree.documents = Writing(is_one=True, options=options)
    return tree


async def take_revision(session: Session, obj: Any) -> None:
    """Take the version that the store has for the one that was loaded."""
    mapper = mapper_of(obj)
    version = mapper.version
    if version is None or state_of(obj).stored is not State.PERSISTENT:
        return
    key = _field(mapper, mapper.key[0]) == mapper.identity(obj)
    select = Select(columns=(_field(mapper, version),), froms=(mapper,), where=(key,))
    found = await session.fetch_scalars(select)
    if found:
        version.set_slot(obj, found[0])


def _check_stored(obj: Any) -> None:
    if state_of(obj).stored is not State.PERSISTENT:
        raise ObjectStateError(f"{obj!r} is not stored: save() it first")


def _field(mapper: Any, column: Any) -> ColumnExpression[Any]:
    return ColumnExpression(column, mapper)
