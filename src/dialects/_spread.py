"""A class of a hierarchy in FROM: one source whose columns may be in several tables.

Only the tables that are needed are joined: those of what is read, and those whose columns are named
anywhere. So FROM is written when all else of its select is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from uow.expressions.alias import TableAlias
from uow.expressions.nodes import ColumnExpression, Expression
from uow.mapping.inheritance import Inheritance
from uow.mapping.shapes import shape_of

if TYPE_CHECKING:
    from uow.dialects.sql_select import SqlSelect
    from uow.mapping.mapper import MappedColumn, Mapper
    from uow.query.tables import Source

__all__ = ["TAG", "Spread", "Stack", "class_filter", "relatives", "spread_of"]

TAG: Final = "uow_class"
"""What the number of a row's class is called, where rows of several tables are put together."""


class Spread:
    """The tables of one source.

    Attributes:
        source: what stands in FROM.
        mapper: its class.
        anchor: the table that every row of it has a row in, and that comes first.
    """

    __slots__ = ("_alias", "_name", "_used", "anchor", "mapper", "source")

    def __init__(self, source: Source, mapper: Mapper, name: str, *, is_inner: bool) -> None:
        self.source = source
        self.mapper = mapper
        self.anchor = mapper.tables[-1]
        self._name = name
        # Inside another query the names of tables may be those of tables outside.
        self._alias = name if is_inner or isinstance(source, TableAlias) else None
        self._used: dict[Mapper, None] = {}

    def name_of(self, table: Mapper) -> str:
        """Give the name a table goes by."""
        if table is self.anchor:
            return self._name
        return table.table_name if self._alias is None else f"{self._alias}__{table.table_name}"

    def use(self, table: Mapper) -> str:
        """Have a table joined; give the name it goes by."""
        if table is not self.anchor:
            self._used[table] = None
        return self.name_of(table)

    def column(self, column: MappedColumn) -> tuple[str, str] | None:
        """Have the table of a column joined; give its name, and the column's. None: not here."""
        stored = column.stored
        if not any(stored.mapper in one.tables for one in self.mapper.family):
            return None
        return self.use(stored.mapper), stored.name

    @property
    def names(self) -> set[str]:
        """The names of the tables that are joined."""
        return {self._name, *(self.name_of(table) for table in self._used)}

    @property
    def certain(self) -> list[str]:
        """The names of the tables in which every row has a row."""
        own = [table for table in self._used if table in self.mapper.tables]
        return [self._name, *(self.name_of(table) for table in own)]

    @property
    def is_several(self) -> bool:
        """Whether more than one table is joined."""
        return bool(self._used)

    def joins(self) -> Iterator[tuple[Mapper, bool]]:
        """Give the tables to be joined to the anchor, and whether a row may have none in them."""
        for table in self._used:
            yield table, table not in self.mapper.tables

    def text(self, compiler: SqlSelect) -> str:
        """Write what stands in FROM."""
        named, quote = compiler.named_table, compiler.quote
        text = named(self.anchor, self._name)
        for table, is_optional in self.joins():
            name = self.name_of(table)
            on = " AND ".join(
                f"{quote(name)}.{quote(column.name)} = {quote(self._name)}.{quote(own.name)}"
                for column, own in zip(table.key, self.anchor.key, strict=True)
            )
            text += f" {'LEFT JOIN' if is_optional else 'JOIN'} {named(table, name)} ON {on}"
        return text


class Stack:
    """The tables of one source of which each has rows of its own, put together.

    Attributes:
        source: what stands in FROM.
        mapper: its class.
        classes: the classes whose rows are read.
    """

    __slots__ = ("_name", "classes", "mapper", "source")

    is_several = False

    def __init__(
        self, source: Source, mapper: Mapper, name: str, classes: tuple[Mapper, ...]
    ) -> None:
        self.source = source
        self.mapper = mapper
        self.classes = classes
        self._name = name

    @property
    def names(self) -> set[str]:
        """The one name it goes by."""
        return {self._name}

    @property
    def certain(self) -> list[str]:
        """The one name it goes by."""
        return [self._name]

    def column(self, column: MappedColumn) -> tuple[str, str] | None:
        """Give the name of the table of a column, and its own; None if nobody has it."""
        if len(self.classes) == 1:
            own = self.classes[0].by_attribute.get(column.attribute)
            return None if own is None else (self._name, own.name)
        has = any(column.attribute in one.by_attribute for one in self.classes)
        return (self._name, column.attribute) if has else None

    def text(self, compiler: SqlSelect) -> str:
        """Write what stands in FROM: a table, or a union that says where each row is from."""
        if len(self.classes) == 1:
            return compiler.named_table(self.classes[0], self._name)
        quote = compiler.quote
        parts: list[str] = []
        for number, mapper in enumerate(self.classes):
            table = quote(mapper.table_name)
            columns: list[str] = []
            for column in shape_of(self.mapper, self.classes).columns:
                own = mapper.by_attribute.get(column.attribute)
                value = compiler.dialect.typed("NULL", column.type)
                if own is not None:
                    value = f"{table}.{quote(own.name)}"
                columns.append(f"{value} AS {quote(column.attribute)}")
            columns.append(f"{number} AS {quote(TAG)}")
            parts.append(f"SELECT {', '.join(columns)} FROM {compiler.dialect.table(mapper)}")
        return f"({' UNION ALL '.join(parts)}) AS {quote(self._name)}"


def spread_of(
    source: Any, name: str, classes: tuple[Mapper, ...] | None, *, is_inner: bool
) -> Spread | Stack | None:
    """Give the tables of a source, if it is a class of a hierarchy.

    Args:
        source: what stands in FROM.
        name: what it is called.
        classes: the classes whose rows are wanted; None for all of its family.
        is_inner: the query is part of another.
    """
    mapper = source.mapper if isinstance(source, TableAlias) else source
    hierarchy = getattr(mapper, "hierarchy", None)
    if hierarchy is None or mapper.owner is not None:
        return None
    if isinstance(source, TableAlias) and source.rows is not None:
        return None
    if hierarchy.kind is Inheritance.CONCRETE:
        is_alone = len(mapper.family) == 1 and mapper.parent is None
        return None if is_alone else Stack(source, mapper, name, classes or mapper.family)
    return Spread(source, mapper, name, is_inner=is_inner)


def relatives(mapper: Mapper) -> Iterator[Mapper]:
    """The classes above and below a class, whose columns its rows have."""
    above = mapper.parent
    while above is not None:
        yield above
        above = above.parent
    yield from mapper.family[1:]


def class_filter(source: Source) -> Expression[bool] | None:
    """Give the condition that rows of one table for several classes are of this one."""
    mapper: Mapper = source.mapper if isinstance(source, TableAlias) else source
    hierarchy, discriminator = mapper.hierarchy, mapper.discriminator
    if hierarchy is None or hierarchy.kind is not Inheritance.SINGLE or discriminator is None:
        return None
    if mapper.parent is None:
        return None
    values = [one.discriminator_value for one in mapper.family]
    return ColumnExpression[Any](discriminator, source).in_(values)
