"""What differs from the store, for one object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uow.mapping.mapper import mapper_of
from uow.tracking.nested.paths import is_same, path_changes
from uow.tracking.state import (
    MISSING,
    Raw,
    Record,
    State,
    read_slot,
    same_value,
    state_of,
)

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn
    from uow.tracking.state import Codecs

__all__ = ["changed_fields", "changed_names", "changes", "known_form"]


def changed_names(record: Record, codecs: Codecs) -> list[str]:
    """The fields of a stored object that hold something else than the store, in no order."""
    obj = record.obj
    by_attribute = obj._uow_mapper.by_attribute
    noted = record.noted
    names: list[str] = []
    if noted:
        for name, old in noted.items():
            column = by_attribute[name]
            now = read_slot(obj, column)
            if now is MISSING:
                continue  # it was expired since
            if type(old) is Raw:
                if differs_from_raw(now, old.value, column, codecs):
                    names.append(name)
            elif not same_value(old, now):
                names.append(name)
    if record.watched:
        for name, raw in record.watched.items():
            if noted is None or name not in noted:
                column = by_attribute[name]
                now = read_slot(obj, column)
                if now is not MISSING and differs_from_raw(now, raw, column, codecs):
                    names.append(name)
    return names


def changed_fields(record: Record, codecs: Codecs) -> dict[str, tuple[Any, Any]]:
    """What differs from the store, as `{field: (stored value, value now)}`."""
    by_attribute = mapper_of(type(record.obj)).by_attribute
    found: dict[str, tuple[Any, Any]] = {}
    for name in changed_names(record, codecs):
        column = by_attribute[name]
        old: Any = (record.noted or {}).get(name, MISSING)
        if old is MISSING and record.watched and name in record.watched:
            old = Raw(record.watched[name])
        if column.is_lazy and column.mapper.document is not None:
            now = getattr(record.obj, name)
            found.update(_paths_changed(old, now, column, codecs))
            continue
        if type(old) is Raw:
            try:
                old = decoded(old.value, column, codecs)
            except ValueError:  # which is being mended
                old = old.value
        found[name] = (None if old is MISSING else old, getattr(record.obj, name))
    return found


def changes(obj: object) -> dict[str, tuple[Any, Any]]:
    """Tell what was changed on a stored object and not flushed yet.

    Args:
        obj: an object of a mapped class, in a session or detached.

    Returns:
        `{field: (stored value, value now)}`; of documents by dotted paths, and inside of nested
        values in their stored form, None for nothing; empty for a clean object, and for one that
        was never stored.

    Raises:
        ObjectStateError: not an object of a mapped class.
    """
    state = state_of(obj)
    if not isinstance(state, Record) or state.home is None or state.stored is not State.PERSISTENT:
        return {}
    return changed_fields(state, state.home.codecs)


def differs_from_raw(now: Any, raw: Any, column: MappedColumn, codecs: Codecs) -> bool:
    """Compare a value with the stored form of what it was.

    The text may have been written by somebody else, with other spaces: what counts is whether
    both would be written alike by us. `1`, `1.0` and `True` are not.
    """
    if raw is MISSING:
        return True  # the store holds nothing there
    if type(now) is Raw:
        return not is_same(now.value, raw)
    if raw is None or now is None:
        return raw is not now
    encode = codecs.encoder(column)
    if encode is None:
        return not is_same(now, raw)
    try:
        text = encode(now)
    except ValueError:
        return True  # the flush refuses it and says why
    try:
        return not is_same(text, raw) and not is_same(text, encode(decoded(raw, column, codecs)))
    except ValueError:
        return True  # what the store holds cannot be read, and is being mended


def known_form(raw: Any, column: MappedColumn, codecs: Codecs) -> Any:
    """The stored form of a value as far as its class knows it.

    A document may hold more than that: what nobody here knows of is no change when it is missing
    in what would be written.
    """
    decode, encode = codecs.decoder(column), codecs.encoder(column)
    if decode is None or encode is None or raw is None or raw is MISSING:
        return raw
    try:
        return encode(decode(raw))
    except Exception:  # noqa: BLE001 - whatever reading it raises; it is compared as it is
        return raw


def _paths_changed(old: Any, now: Any, column: MappedColumn, codecs: Codecs) -> dict[str, Any]:
    """What differs in a nested value of a document, by dotted path."""
    raw = old.value if type(old) is Raw else old
    encode = codecs.encoder(column)
    try:
        new = now if encode is None or now is None else encode(now)
        was = known_form(raw, column, codecs)
    except ValueError:
        return {column.attribute: (raw, now)}
    if raw is MISSING:
        was = None
    if not isinstance(was, (dict, list)) or not isinstance(new, (dict, list)):
        return {column.attribute: (was, new)}
    return {
        f"{column.attribute}.{path}" if path else column.attribute: tuple(
            None if one is MISSING else one for one in pair
        )
        for path, pair in path_changes(was, new).items()  # pyright: ignore[reportUnknownArgumentType]
    }


def decoded(raw: Any, column: MappedColumn, codecs: Codecs) -> Any:
    """Decode the stored form of a value."""
    if raw is MISSING:
        return None
    decode = codecs.decoder(column)
    return raw if decode is None or raw is None else decode(raw)
