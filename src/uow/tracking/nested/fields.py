"""The field of an object: where nested values begin, and telling of their changes ends.

A field that may hold nested values has two slots: the value, and beside it what the store holds.
That is the stored form itself until the field is read, and then its token, which keeps it. With
the token goes all that would have been told: a value that was taken out of a field, by whatever
way, refers to a token that nobody holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import ref

# The kinds enter themselves.
from uow.errors import ValidationError
from uow.mapping.columns import MISSING
from uow.tracking.nested import deques, dicts, lists, objects, sets, tuples
from uow.tracking.nested.kinds import SCALARS, Adoption, adopt, mend, wrap
from uow.tracking.nested.tokens import LOCK, Token
from uow.types import Binary
from uow.values import described

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn

__all__ = [
    "KINDS",
    "FieldKeeper",
    "FieldToken",
    "hold_stored",
    "mend_field",
    "stored_form",
    "token_of",
]

KINDS = (deques, dicts, lists, objects, sets, tuples)
"""The modules that know how values are wrapped."""


class FieldToken(Token):
    """The token of one field of one object.

    Attributes:
        column: the field.
        stored: what the store holds, in its form; MISSING if that is not known here.
    """

    __slots__ = ("_obj", "column", "stored")

    def __init__(self, obj: Any, column: MappedColumn, stored: Any) -> None:
        Token.__init__(self, None)
        self._obj: ref[Any] = ref(obj)
        self.column = column
        self.stored = stored

    @property
    def obj(self) -> Any:
        """The object whose field this is; None if it is gone, or has another value by now."""
        obj = self._obj()
        if obj is None or token_of(obj, self.column) is not self:
            return None
        return obj

    def announce(self) -> None:
        """Tell the state of the object."""
        obj = self._obj()
        if obj is not None:
            obj._uow_state.touched(self)


def token_of(obj: Any, column: MappedColumn) -> FieldToken | None:
    """The token of a field, if it has one."""
    try:
        found = None if column.get_raw is None else column.get_raw(obj)
    except AttributeError:
        return None
    return found if type(found) is FieldToken else None


def stored_form(obj: Any, column: MappedColumn) -> Any:
    """What the store holds of a field, as far as the object knows; else MISSING."""
    if column.get_raw is None:
        return MISSING
    try:
        found = column.get_raw(obj)
    except AttributeError:
        return MISSING
    return found.stored if type(found) is FieldToken else found


def hold_stored(obj: Any, column: MappedColumn, stored: Any) -> None:
    """Note what the store holds of a field, whose value stays as it is."""
    token = token_of(obj, column)
    if token is not None:
        token.stored = stored
    elif column.set_raw is not None and column.is_loaded(obj):
        column.set_raw(obj, stored)


_MAY_HOLD_DICTS = (dict, list, tuple)


class FieldKeeper:
    """The keeper of lazy columns: whatever is in them tells of its changes."""

    __slots__ = ()

    def read(self, obj: Any, column: MappedColumn, raw: Any) -> Any:
        """Decode what the store gave, when it is first read, and wrap it."""
        if type(raw) is FieldToken:  # another thread is about to put the value there
            with LOCK:
                return column.get_slot(obj)
        decode = None if raw is None else obj._uow_state.decoder(column)
        try:
            value = raw if decode is None else decode(raw)
        except ValueError as exc:
            raise ValidationError(
                f"{described(column, exc)} (so the store has it, which does not fit the type hint)"
            ) from exc
        if type(value) in SCALARS:
            column.set_slot(obj, value)
            return value
        with LOCK:
            if token_of(obj, column) is not None:  # another thread was quicker
                return column.get_slot(obj)
            token = FieldToken(obj, column, raw)
            made = wrap(value, token)
            _put(obj, column, token, made)
        return made

    def keep(self, obj: Any, column: MappedColumn, value: Any) -> None:
        """Put a user's value into a field, past the write hook, and wrap it.

        A builtin container is copied; in a document a dict may stand for an embedded object. The
        value that was there tells nobody any more.
        """
        stored = stored_form(obj, column)
        if issubclass(type(value), _MAY_HOLD_DICTS):
            with suppress(ValueError):  # which the flush tells of
                value = column.with_objects(value)
        if type(value) is bytes and isinstance(column.type, Binary):
            value = bytearray(value)  # as which it would come back
        if type(value) in SCALARS:
            column.unload(obj)
            if stored is not MISSING and column.set_raw is not None:
                column.set_raw(obj, stored)
            column.set_slot(obj, value)
        elif token_of(obj, column) is None or column.get_slot(obj) is not value:
            token = FieldToken(obj, column, stored)
            _put(obj, column, token, adopt(value, token))

    def keep_all(self, obj: Any, columns: Sequence[MappedColumn], values: Sequence[Any]) -> None:
        """Put values into several fields of a new object; what is in two of them is one thing."""
        adoption: Adoption | None = None
        with LOCK:
            for column, value in zip(columns, values, strict=True):
                if value is MISSING:
                    continue
                if type(value) in SCALARS:
                    column.set_slot(obj, value)
                    continue
                if adoption is None:
                    adoption = Adoption()
                token = FieldToken(obj, column, MISSING)
                _put(obj, column, token, wrap(value, token, adoption))
            if adoption is not None:
                adoption.finish()


def _put(obj: Any, column: MappedColumn, token: FieldToken, value: Any) -> None:
    if column.set_raw is None:  # its type turned out to be none that can change
        column.set_slot(obj, value)
        return
    column.set_raw(obj, token)
    column.set_slot(obj, value)
    if token.exposed:
        token.announce()  # it had no place yet when it was


def mend_field(obj: Any, column: MappedColumn) -> FieldToken | None:
    """Wrap what got into the value of a field past its hooks.

    Returns:
        The field's token; None if the field holds nothing that could have changed.
    """
    token = token_of(obj, column)
    if token is not None:
        mend(column.get_slot(obj), token)
    return token
