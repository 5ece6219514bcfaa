"""The statement trees: what dialects turn into text.

Users do not make these; the builders do, checked as far as it goes without a store. Like the
nodes of expressions they are plain classes with slots, shared and never changed once made.

    Select Insert Update Delete Raw        what a user asked for (`AnyStatement`)
    InsertRows UpdateRows DeleteRows       the batches of a flush, values already encoded
"""

from __future__ import annotations

from collections.abc import Iterable
from keyword import iskeyword
from typing import Any, Final, TypeAlias, final

from uow.expressions.alias import TableAlias
from uow.expressions.nodes import (
    Cast,
    ColumnExpression,
    Excluded,
    Expression,
    Function,
    JsonPath,
    Label,
    Literal,
    OrderTerm,
)
from uow.expressions.protocols import Selectable
from uow.mapping.mapper import MappedColumn, Mapper

__all__ = [
    "AnyStatement",
    "Delete",
    "DeleteRows",
    "DerivedTable",
    "ForUpdate",
    "Insert",
    "InsertRows",
    "Join",
    "OnConflict",
    "Raw",
    "Select",
    "Source",
    "Update",
    "UpdateRows",
    "is_row_name",
    "result_names",
    "unique_names",
]

AnyExpression: TypeAlias = Expression[Any]


@final
class ForUpdate:
    """`FOR UPDATE`.

    Attributes:
        nowait: fail at once if a row is locked.
        skip_locked: leave locked rows out.
    """

    __slots__ = ("nowait", "skip_locked")

    def __init__(self, *, nowait: bool = False, skip_locked: bool = False) -> None:
        self.nowait = nowait
        self.skip_locked = skip_locked


@final
class DerivedTable:
    """A select in FROM: `(select) AS alias`. Nothing outside names its columns.

    Attributes:
        select: the tree.
        alias: its name, made by this library.
    """

    __slots__ = ("alias", "select")

    def __init__(self, select: Select, alias: str) -> None:
        self.select = select
        self.alias = alias


Source: TypeAlias = Mapper | TableAlias
"""A table in FROM. Columns name theirs by identity: `ColumnExpression.table is source`."""


@final
class Join:
    """A table joined to those before it.

    Attributes:
        source: the table.
        on: the condition.
        is_outer: LEFT JOIN: rows without a match stay.
    """

    __slots__ = ("is_outer", "on", "source")

    def __init__(self, source: Source, on: AnyExpression, *, is_outer: bool = False) -> None:
        self.source = source
        self.on = on
        self.is_outer = is_outer


@final
class Select(Selectable):
    """SELECT.

    Attributes:
        entity: the table whose rows become objects; `columns` is then empty and all columns of
            `entity_mapper` are read, in their order. None if rows are asked for.
        columns: what is read, if no objects are.
        froms: the tables, usually one; empty for a select without FROM.
        joins: the tables joined to them, in order.
        where: conditions, all of which must hold.
        group_by: expressions.
        having: conditions on groups, all of which must hold.
        order_by: terms.
        limit: the most rows, None for all.
        offset: how many rows to skip; there may be an offset without a limit.
        is_distinct: SELECT DISTINCT.
        for_update: lock the rows.
    """

    __slots__ = (
        "columns",
        "entity",
        "for_update",
        "froms",
        "group_by",
        "having",
        "is_distinct",
        "joins",
        "limit",
        "offset",
        "order_by",
        "where",
    )

    def __init__(
        self,
        *,
        entity: Source | None = None,
        columns: tuple[AnyExpression, ...] = (),
        froms: tuple[Source | DerivedTable, ...] = (),
        joins: tuple[Join, ...] = (),
        where: tuple[AnyExpression, ...] = (),
        group_by: tuple[AnyExpression, ...] = (),
        having: tuple[AnyExpression, ...] = (),
        order_by: tuple[OrderTerm, ...] = (),
        limit: int | None = None,
        offset: int | None = None,
        is_distinct: bool = False,
        for_update: ForUpdate | None = None,
    ) -> None:
        self.entity = entity
        self.columns = columns
        self.froms = froms
        self.joins = joins
        self.where = where
        self.group_by = group_by
        self.having = having
        self.order_by = order_by
        self.limit = limit
        self.offset = offset
        self.is_distinct = is_distinct
        self.for_update = for_update

    @property
    def entity_mapper(self) -> Mapper | None:
        """The mapper of the objects, if objects are asked for."""
        entity = self.entity
        return entity.mapper if isinstance(entity, TableAlias) else entity

    def replace(self, **changes: Any) -> Select:
        """Give a copy with some attributes changed."""
        copy = Select.__new__(Select)
        for name in Select.__slots__:
            setattr(copy, name, changes[name] if name in changes else getattr(self, name))
        return copy


@final
class OnConflict:
    """What an insert does where a row is already there.

    Attributes:
        target: the columns of the unique constraint or key that is met; empty for any.
        assignments: columns and their new values, in which `Excluded` is the value that was to be
            inserted; empty to leave the row as it is (DO NOTHING).
        where: conditions on the row that is there, all of which must hold for it to be changed.
    """

    __slots__ = ("assignments", "target", "where")

    def __init__(
        self,
        target: tuple[MappedColumn, ...],
        assignments: tuple[tuple[MappedColumn, AnyExpression], ...] = (),
        where: tuple[AnyExpression, ...] = (),
    ) -> None:
        self.target = target
        self.assignments = assignments
        self.where = where


@final
class Insert:
    """INSERT .. VALUES.

    Attributes:
        mapper: whose table.
        columns: the columns given, in definition order; empty for one row of defaults.
        rows: one tuple a row, in column order, of plain Python values, checked and not encoded, or
            `Expression`s.
        on_conflict: what to do where a row is already there; None: the error.
        returning: what comes back for each row that was written; empty: the count.
    """

    __slots__ = ("columns", "mapper", "on_conflict", "returning", "rows")

    def __init__(
        self,
        mapper: Mapper,
        columns: tuple[MappedColumn, ...],
        rows: tuple[tuple[object, ...], ...],
        on_conflict: OnConflict | None = None,
        returning: tuple[AnyExpression, ...] = (),
    ) -> None:
        self.mapper = mapper
        self.columns = columns
        self.rows = rows
        self.on_conflict = on_conflict
        self.returning = returning


@final
class Update:
    """UPDATE.

    Attributes:
        mapper: whose table.
        assignments: columns, in definition order, and their new values.
        where: conditions, all of which must hold; empty only if the whole table was asked for. A
            subquery in it may read the same table (MySQL needs it wrapped in a derived table).
        returning: what comes back for each row; empty: the count.
    """

    __slots__ = ("assignments", "mapper", "returning", "where")

    def __init__(
        self,
        mapper: Mapper,
        assignments: tuple[tuple[MappedColumn, AnyExpression], ...],
        where: tuple[AnyExpression, ...],
        returning: tuple[AnyExpression, ...] = (),
    ) -> None:
        self.mapper = mapper
        self.assignments = assignments
        self.where = where
        self.returning = returning


@final
class Delete:
    """DELETE.

    Attributes:
        mapper: whose table.
        where: conditions, as for `Update`.
        returning: what comes back for each row; empty: the count.
    """

    __slots__ = ("mapper", "returning", "where")

    def __init__(
        self,
        mapper: Mapper,
        where: tuple[AnyExpression, ...],
        returning: tuple[AnyExpression, ...] = (),
    ) -> None:
        self.mapper = mapper
        self.where = where
        self.returning = returning


@final
class Raw:
    """SQL as the user wrote it.

    Attributes:
        parts: pieces of text, as given, and values to bind between them.
    """

    __slots__ = ("parts",)

    def __init__(self, parts: tuple[str | Literal[Any], ...]) -> None:
        self.parts = parts


@final
class InsertRows:
    """Rows of one table and one set of columns, to insert.

    Attributes:
        mapper: whose table.
        columns: the columns given; empty for rows of defaults.
        rows: encoded values, in column order.
        returning: the columns that come back, in input order; may be empty.
    """

    __slots__ = ("columns", "mapper", "returning", "rows")

    def __init__(
        self,
        mapper: Mapper,
        columns: tuple[MappedColumn, ...],
        rows: list[tuple[Any, ...]],
        returning: tuple[MappedColumn, ...] = (),
    ) -> None:
        self.mapper = mapper
        self.columns = columns
        self.rows = rows
        self.returning = returning


@final
class UpdateRows:
    """Rows of one table to update, each found by its own values.

    Attributes:
        mapper: whose table.
        set_columns: the columns written.
        where_columns: the key, then the version if there is one.
        rows: encoded values to set, in order, then those to find the row by.
        returning: the columns that come back; may be empty.
    """

    __slots__ = ("mapper", "returning", "rows", "set_columns", "where_columns")

    def __init__(
        self,
        mapper: Mapper,
        set_columns: tuple[MappedColumn, ...],
        where_columns: tuple[MappedColumn, ...],
        rows: list[tuple[Any, ...]],
        returning: tuple[MappedColumn, ...] = (),
    ) -> None:
        self.mapper = mapper
        self.set_columns = set_columns
        self.where_columns = where_columns
        self.rows = rows
        self.returning = returning


@final
class DeleteRows:
    """Rows of one table to delete.

    Attributes:
        mapper: whose table.
        where_columns: the key, then the version if there is one.
        rows: encoded values to find each row by.
    """

    __slots__ = ("mapper", "rows", "where_columns")

    def __init__(
        self,
        mapper: Mapper,
        where_columns: tuple[MappedColumn, ...],
        rows: list[tuple[Any, ...]],
    ) -> None:
        self.mapper = mapper
        self.where_columns = where_columns
        self.rows = rows


AnyStatement: TypeAlias = Select | Insert | Update | Delete | Raw
"""What `Dialect.compile` takes."""


def result_names(columns: Iterable[AnyExpression]) -> tuple[str, ...]:
    """Name the columns of rows, in order, each name once.

    A column is called as its attribute is, a label and a function by their names, the last key of a
    path into JSON by itself, anything else `column_<position>`. A name met again gets `_2`, `_3`.
    """
    return unique_names(_result_name(column) for column in columns)


def unique_names(names: Iterable[str | None]) -> tuple[str, ...]:
    """Give every name once: the second of one name gets `_2`, one without gets its position."""
    found: dict[str, None] = {}
    for position, name in enumerate(names, 1):
        base = name or f"column_{position}"
        unique, count = base, 1
        while unique in found:
            count += 1
            unique = f"{base}_{count}"
        found[unique] = None
    return tuple(found)


def _result_name(column: AnyExpression) -> str | None:
    match column:
        case ColumnExpression():
            return column.column.attribute
        case Label() | Function():
            return column.name
        case Excluded():
            return column.column.attribute
        case Cast():
            return _result_name(column.operand)
        case JsonPath() if isinstance(key := column.path[-1], str) and is_row_name(key):
            return key
        case _:
            return None


def is_row_name(name: str) -> bool:
    """Whether a row may have an attribute of that name."""
    return name.isidentifier() and not iskeyword(name) and not name.startswith("_")


COUNTED: Final = "uow_counted"
"""The alias of the derived table that `count` of a limited or distinct query reads."""
