"""Values that are known only when another row is stored: keys that the store makes.

A new row may refer to a new row whose key is not there yet. Who knows which one (relations do)
promises the key before the flush is planned; the flush puts it into what is sent as soon as the
other row's INSERT has answered, and into the object when all is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import attrs

from uow.tracking.state import MISSING, read_slot

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn

__all__ = ["NOTHING_LATE", "KeyOf", "LateKeys", "Parked"]

_NONE: Final[Mapping[Any, Any]] = MappingProxyType({})


@attrs.frozen(eq=False)
class KeyOf:
    """Stands for what an object's row will hold in a column, once it is stored.

    Attributes:
        obj: a new object, or one whose value is there already.
        column: a column of it that the store fills in.
    """

    obj: Any
    column: MappedColumn

    @property
    def known(self) -> Any:
        """The value, if it is there already; else None."""
        value = read_slot(self.obj, self.column)
        return None if value is MISSING else value


@attrs.define(eq=False)
class Parked:
    """Stands for a value that no row has.

    Attributes:
        column: the column it is for.
        fits: whether a value passes the checks of the row.
        value: the value; MISSING until the store has told which are free.
    """

    column: MappedColumn
    fits: Callable[[Any], bool]
    value: Any = MISSING


class LateKeys:
    """The columns of objects whose values are promised, by object. Made anew for each flush."""

    __slots__ = ("_promised",)

    def __init__(self) -> None:
        self._promised: dict[int, tuple[Any, dict[MappedColumn, KeyOf]]] = {}

    def __bool__(self) -> bool:
        return bool(self._promised)

    def promise(self, obj: Any, column: MappedColumn, other: Any, key: MappedColumn) -> None:
        """Have the flush write the value of another object into a column of an object.

        Args:
            obj: a new or stored object of the session.
            column: the column of it, usually of a foreign key; what it holds is overruled.
            other: a new object of the session, or `obj` itself.
            key: the column of that one that the store fills in.
        """
        # The store fills it in where the row is that makes the value: a key in the first table.
        made = key.mapper.tables[0].by_attribute[key.attribute] if key.primary_key else key.stored
        self._promised.setdefault(id(obj), (obj, {}))[1][column] = KeyOf(other, made)

    def of(self, obj: Any) -> Mapping[MappedColumn, KeyOf]:
        """What is promised for an object."""
        found = self._promised.get(id(obj))
        return _NONE if found is None else found[1]

    def __iter__(self) -> Iterator[tuple[Any, Mapping[MappedColumn, KeyOf]]]:
        return iter(self._promised.values())


NOTHING_LATE: Final = LateKeys()
"""For a flush in which every value is known. Nothing is to be promised in it."""
