"""`LazyField`: a column whose stored value is converted when it is first read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn

__all__ = ["LazyField"]


class LazyField:
    """The descriptor of one lazy column in the public class.

    Loading stores the raw value into a slot of its own. The first read converts it with the
    decoder that the object's state supplies, and tells the state, because a list or dict that
    was handed out may change without a word.
    """

    __slots__ = ("_column", "_name")

    def __init__(self, column: MappedColumn) -> None:
        self._column = column
        self._name = column.attribute

    def __get__(self, obj: Any, owner: object = None) -> Any:
        column = self._column
        if obj is None:
            return self
        try:
            return column.get_slot(obj)
        except AttributeError:
            if column.get_raw is None:
                raise
        raw = column.get_raw(obj)  # AttributeError: not loaded, which the partial class answers
        state = obj._uow_state
        if raw is None:
            value = None
        else:
            decode = None if state is None else state.decoder(column)
            value = raw if decode is None else decode(raw)
        column.set_slot(obj, value)
        if raw is not None and state is not None:
            state.lazily_read(obj, self._name, raw)
        return value

    def __set__(self, obj: Any, value: Any) -> None:
        self._column.set_slot(obj, value)

    def __delete__(self, obj: Any) -> None:
        self._column.delete_slot(obj)
