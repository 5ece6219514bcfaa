"""Rows with named values: one small class for each set of names, made once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVarTuple, cast

from uow.errors import QueryError
from uow.query.statements import is_row_name, unique_names

__all__ = ["Row", "row_class", "usable_names"]

Ts = TypeVarTuple("Ts")


class Row(tuple[*Ts]):
    """One row: a tuple whose values also have names.

    A name wins over the tuple's own methods: `row.count` of `select(Author.age, func.count())` is
    the number.

    Attributes:
        _fields: the names, in column order.
    """

    __slots__ = ()

    _fields: tuple[str, ...] = ()

    if TYPE_CHECKING:
        count: Any
        index: Any

        def __getattr__(self, name: str) -> Any: ...

    def __repr__(self) -> str:
        # Names only: the values may be secret.
        return f"Row({', '.join(self._fields)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self._fields, tuple(cast("tuple[Any, ...]", self)))

    def as_dict(self) -> dict[str, Any]:
        """Give the values by name, in column order."""
        return dict(zip(self._fields, cast("tuple[Any, ...]", self), strict=True))


@lru_cache(maxsize=1024)
def row_class(names: tuple[str, ...]) -> type[Row[*tuple[Any, ...]]]:
    """Give the class of rows with these names; the same names give the same class.

    Args:
        names: one a column, in order, each once.

    Raises:
        QueryError: a name is there twice, or cannot be an attribute.
    """
    if len(set(names)) < len(names):
        raise QueryError(f"two columns of a row have one name ({', '.join(names)}): use .label()")
    for name in names:
        if not is_row_name(name) or name == "as_dict":
            raise QueryError(f"{name!r} cannot be the name of a value in a row: use .label()")
    namespace: dict[str, Any] = {
        name: property(itemgetter(position)) for position, name in enumerate(names)
    }
    return type("Row", (Row,), {**namespace, "__slots__": (), "_fields": names})


def usable_names(names: Iterable[str]) -> tuple[str, ...]:
    """Make names of a row out of whatever a store calls the columns of raw SQL.

    What cannot be an attribute is `column_<position>`; a name met again gets `_2`, `_3`.
    """
    return unique_names(name if is_row_name(name) and name != "as_dict" else None for name in names)


def _restore(names: tuple[str, ...], values: Sequence[Any]) -> Any:
    return row_class(names)(values)
