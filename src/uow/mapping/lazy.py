"""`LazyField`: a column whose stored value is converted when it is first read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn

__all__ = ["Keeper", "LazyField"]


class Keeper(Protocol):
    """Who knows of changes inside of the values of lazy columns."""

    def read(self, obj: Any, column: MappedColumn, raw: Any) -> Any:
        """Turn what the store gave into a value, when that is first read, and put it there."""
        ...

    def keep(self, obj: Any, column: MappedColumn, value: Any) -> None:
        """Put a user's value there, past the write hook."""
        ...

    def keep_all(self, obj: Any, columns: Sequence[MappedColumn], values: Sequence[Any]) -> None:
        """Put values into a new object that may have parts in common; `MISSING` is left out."""
        ...


class LazyField:
    """The descriptor of one lazy column in the public class.

    Loading stores the raw value into a slot of its own. The mapper's keeper converts it when it
    is first read; without one the raw value is the value.
    """

    __slots__ = ("_column",)

    def __init__(self, column: MappedColumn) -> None:
        self._column = column

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
        keeper = column.mapper.keeper
        if keeper is not None:
            return keeper.read(obj, column, raw)
        column.set_slot(obj, raw)
        return raw

    def __set__(self, obj: Any, value: Any) -> None:
        self._column.put(obj, value)

    def __delete__(self, obj: Any) -> None:
        self._column.delete_slot(obj)
