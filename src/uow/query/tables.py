"""Queries that stand where tables do: in FROM, in WITH, and as the parts of a set operation.

Compound        select UNION select, ...
CommonTable     one item of WITH; recursive if it has a step
QueryTable      rows of any of these in FROM, with columns that can be named
DerivedTable    a query in FROM that stands for a mapped class, or that nobody names
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

from uow.expressions.alias import TableAlias
from uow.expressions.nodes import Expression
from uow.expressions.protocols import Selectable
from uow.mapping.mapper import Mapper
from uow.types import ColumnType

if TYPE_CHECKING:
    from uow.query.statements import Select

__all__ = [
    "UNNAMED",
    "CommonTable",
    "Compound",
    "DerivedTable",
    "QueryField",
    "QueryTable",
    "SetOperator",
    "Source",
]

UNNAMED: Final = "rows"
"""What a query in FROM is called, with a number, where nobody named it."""

Source: TypeAlias = Mapper | TableAlias
"""A mapped class in FROM. Columns name theirs by identity: `ColumnExpression.table is source`."""


class SetOperator(Enum):
    """What is made of the rows of several selects."""

    UNION = "UNION"
    UNION_ALL = "UNION ALL"
    INTERSECT = "INTERSECT"
    EXCEPT = "EXCEPT"


@final
class Compound(Selectable):
    """Several selects with the same columns, made one.

    Attributes:
        operator: what stands between them.
        parts: two selects or more; the first one names the columns.
    """

    __slots__ = ("operator", "parts")

    def __init__(self, operator: SetOperator, parts: tuple[Select, ...]) -> None:
        self.operator = operator
        self.parts = parts


@final
class CommonTable(Selectable):
    """One item of WITH.

    Attributes:
        query: the select; of a recursive one where it begins.
        name: its name in the text.
        step: of a recursive one how rows follow from those found before.
        operator: what stands between `query` and `step`.
        restates: the item that stands for this one inside the step.
    """

    __slots__ = ("name", "operator", "query", "restates", "step")

    def __init__(
        self,
        query: Select,
        name: str,
        *,
        step: Select | None = None,
        operator: SetOperator = SetOperator.UNION_ALL,
        restates: CommonTable | None = None,
    ) -> None:
        self.query = query
        self.name = name
        self.step = step
        self.operator = operator
        self.restates = restates


class _Owner:
    """What a `QueryField` has for a mapper: a name for messages, and types that are known."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<rows {self.name}>"

    def resolve_types(self) -> None:
        """Nothing is left to be resolved."""


@final
class QueryField:
    """A column of a `QueryTable`; a `ColumnLike`.

    Attributes:
        expression: what the query inside selects.
        name: its name in the text.
        attribute: its name in Python.
        nullable: whether it may be NULL, which nobody knows.
        mapper: whom it belongs to, for messages.
    """

    __slots__ = ("attribute", "expression", "mapper", "name")

    nullable = True

    def __init__(self, expression: Expression[Any], name: str, attribute: str, owner: str) -> None:
        self.expression = expression
        self.name = name
        self.attribute = attribute
        self.mapper: Any = _Owner(owner)

    def __repr__(self) -> str:
        return f"<QueryField {self.mapper.name}.{self.attribute}>"

    @property
    def type(self) -> ColumnType:
        """What its values are; None, against the protocol, if that is not known."""
        return self.expression.type  # type: ignore[return-value]


@final
class QueryTable:
    """Rows of a query in FROM; a `TableSource`.

    Attributes:
        rows: the query, or the item of WITH.
        alias: its name here; None lets the dialect give one, an item of WITH goes by its own.
        fields: its columns, by their names in Python.
        is_open: the columns of the query inside stand for these: a set operation is ordered and
            filtered by the columns of its first select.
    """

    __slots__ = ("alias", "fields", "is_open", "rows")

    def __init__(
        self,
        rows: CommonTable | Compound | Select,
        alias: str | None,
        fields: Iterable[QueryField],
        *,
        is_open: bool = False,
    ) -> None:
        self.rows = rows
        self.alias = alias
        self.fields = {field.attribute: field for field in fields}
        self.is_open = is_open

    def __repr__(self) -> str:
        return f"<QueryTable {self.display_name}>"

    @property
    def display_name(self) -> str:
        """What to call it in a message."""
        return self.alias or self.table_name

    @property
    def table_name(self) -> str:
        """The name it goes by where it has no alias."""
        return self.rows.name if isinstance(self.rows, CommonTable) else UNNAMED

    @property
    def schema(self) -> str | None:
        """No schema: it lives in its statement."""
        return None


@final
class DerivedTable:
    """A query in FROM: `(query) AS alias`.

    Attributes:
        query: the tree.
        alias: its name, made by this library; None where it goes by that of `stands_for`.
        stands_for: the table whose columns it gives; None if nothing outside names its columns.
    """

    __slots__ = ("alias", "query", "stands_for")

    def __init__(
        self, query: Compound | Select, alias: str | None = None, stands_for: Source | None = None
    ) -> None:
        self.query = query
        self.alias = alias
        self.stands_for = stands_for
