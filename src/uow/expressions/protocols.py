"""What expressions need to know of the layers above, and no more."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol

from uow.types import ColumnType

__all__ = ["ColumnLike", "Selectable", "SupportsSelect", "TableSource"]


class TableSource(Protocol):
    """What can stand in FROM and owns columns: a mapper, or an alias of one."""

    @property
    def table_name(self) -> str:
        """The name of the table in the store."""
        ...

    @property
    def schema(self) -> str | None:
        """The schema it lives in, or None for the default one."""
        ...

    @property
    def alias(self) -> str | None:
        """The name it goes by in a query, or None where that is the table's own."""
        ...


class ColumnLike(Protocol):
    """A mapped column, as far as expressions look at it."""

    @property
    def name(self) -> str:
        """The name of the column in the store."""
        ...

    @property
    def attribute(self) -> str:
        """The name of the attribute in Python."""
        ...

    @property
    def type(self) -> ColumnType:
        """What its values are."""
        ...

    @property
    def nullable(self) -> bool:
        """Whether it takes NULL."""
        ...

    @property
    def mapper(self) -> Any:
        """The mapper it belongs to."""
        ...


class Selectable:
    """Base of every statement tree that yields rows and may stand inside another."""

    __slots__ = ()


class SupportsSelect(ABC):
    """What can stand where a subquery is expected: a query, or a select statement."""

    __slots__ = ()

    @abstractmethod
    def as_subquery(self, *, single_column: bool) -> tuple[Selectable, ColumnType | None]:
        """Give the tree, and the type of its first column.

        Args:
            single_column: the place takes exactly one column.

        Raises:
            QueryError: it has another number of columns.
        """
