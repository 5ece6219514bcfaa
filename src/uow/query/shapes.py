"""What tells one order of rows from another, as a text that is the same in every process."""

from __future__ import annotations

from typing import Any, cast

from uow.expressions.alias import TableAlias
from uow.expressions.nodes import Expression, OrderTerm
from uow.expressions.protocols import Selectable
from uow.expressions.windows import Frame, Window
from uow.mapping.mapper import MappedColumn, Mapper
from uow.query.statements import ForUpdate, Join, Select
from uow.query.tables import DerivedTable, QueryField, QueryTable

__all__ = ["shape_of"]

_TREES = (
    Expression, OrderTerm, Selectable, Window, Frame, Join, ForUpdate, QueryTable, DerivedTable,
)  # fmt: skip


def shape_of(select: Select, terms: tuple[OrderTerm, ...]) -> str:
    """Describe what is read and in which order; filters are left out, since a place is a place.

    Args:
        select: the query.
        terms: its order, made total.
    """
    writer = _Writer()
    sources = (select.entity, select.froms, tuple(join.source for join in select.joins))
    return writer.text((sources, select.columns, select.group_by, terms))


def _is_tree(node: object) -> bool:
    return isinstance(node, _TREES)


class _Writer:
    """Writes trees down; what has no name of its own is numbered as it is met."""

    def __init__(self) -> None:
        self._numbers: dict[int, str] = {}

    def text(self, node: Any) -> str:
        """Write one node and what is below it."""
        match node:
            case Mapper():
                return node.full_table_name
            case MappedColumn():
                return f"{node.mapper.full_table_name}.{node.name}"
            case QueryField():
                return node.attribute
            case tuple():
                parts = cast("tuple[object, ...]", node)
                return f"({', '.join([self.text(part) for part in parts])})"
            case TableAlias() | QueryTable():
                known = self._numbers.get(id(node))
                if known is not None:
                    return known
                self._numbers[id(node)] = f"#{len(self._numbers)}"
                below = (node.mapper, node.rows) if isinstance(node, TableAlias) else node.rows
                return f"{self._numbers[id(node)]}={self.text(below)}"
            case dict():
                return self.text(tuple(cast("dict[str, object]", node).values()))
            case _ if _is_tree(node):
                return self._tree(node)
            case _:
                return repr(node)

    def _tree(self, node: Any) -> str:
        below = tuple(getattr(node, name) for name in node.__slots__)
        return f"{node.__class__.__name__}{self.text(below)}"
