"""A second name for a table in one query."""

from __future__ import annotations

from typing import Any, final

from uow.expressions.protocols import Selectable, TableSource

__all__ = ["TableAlias"]


@final
class TableAlias:
    """A table under another name. Each one made is a source of its own, whatever its name.

    Attributes:
        mapper: whose table.
        alias: the name; None lets the dialect give one, the same for the same tree.
        rows: a query, or an item of WITH, whose rows stand for those of the table; None for the
            table itself.
    """

    __slots__ = ("alias", "mapper", "rows")

    def __init__(
        self, mapper: TableSource, alias: str | None, rows: Selectable | None = None
    ) -> None:
        self.mapper: Any = mapper
        self.alias = alias
        self.rows = rows

    def __repr__(self) -> str:
        return f"<TableAlias {self.mapper!r} {self.alias or ''}>"

    @property
    def table_name(self) -> str:
        """The name of the table in the store."""
        return str(self.mapper.table_name)

    @property
    def schema(self) -> str | None:
        """The schema it lives in, or None for the default one."""
        schema: str | None = self.mapper.schema
        return schema
