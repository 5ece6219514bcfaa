"""The statement trees: what dialects turn into text.

Users do not make these; the builders do, checked as far as it goes without a store. Like the
nodes of expressions they are plain classes with slots, shared and never changed once made.

    Select Insert Update Delete Raw        what a user asked for (`AnyStatement`)
    InsertRows UpdateRows DeleteRows       the batches of a flush, values already encoded
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from keyword import iskeyword
from types import MappingProxyType
from typing import Any, Final, TypeAlias, final

from uow.expressions.alias import TableAlias
from uow.expressions.nodes import (
    Cast,
    ColumnExpression,
    Excluded,
    Expression,
    FieldPath,
    Function,
    JsonPath,
    Label,
    Literal,
    OrderTerm,
)
from uow.expressions.protocols import Selectable
from uow.mapping.link_trees import LinkNode
from uow.mapping.mapper import MappedColumn, Mapper
from uow.mapping.paths import LoadStep
from uow.query.documents import Reading, Writing
from uow.query.tables import Compound, DerivedTable, QueryTable, Source

__all__ = [
    "AnyStatement",
    "Delete",
    "DeleteRows",
    "ForUpdate",
    "Insert",
    "InsertRows",
    "Join",
    "LockStrength",
    "OnConflict",
    "Raw",
    "Select",
    "Update",
    "UpdateRows",
    "is_row_name",
    "output_names",
    "result_names",
    "unique_names",
]

AnyExpression: TypeAlias = Expression[Any]

_NO_OPERATORS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType({})


class LockStrength(Enum):
    """What others may still do with a locked row, from the strongest lock to the weakest."""

    UPDATE = "UPDATE"
    NO_KEY_UPDATE = "NO KEY UPDATE"
    SHARE = "SHARE"
    KEY_SHARE = "KEY SHARE"


@final
class ForUpdate:
    """`FOR UPDATE`, and its weaker siblings.

    Attributes:
        nowait: fail at once if a row is locked.
        skip_locked: leave locked rows out.
        strength: how strong the lock is.
        of: the tables whose rows are locked; empty for all.
    """

    __slots__ = ("nowait", "of", "skip_locked", "strength")

    def __init__(
        self,
        *,
        nowait: bool = False,
        skip_locked: bool = False,
        strength: LockStrength = LockStrength.UPDATE,
        of: tuple[Source, ...] = (),
    ) -> None:
        self.nowait = nowait
        self.skip_locked = skip_locked
        self.strength = strength
        self.of = of


@final
class Join:
    """A table joined to those before it.

    Attributes:
        source: the table.
        on: the condition.
        is_outer: LEFT JOIN: rows without a match stay.
    """

    __slots__ = ("is_outer", "on", "source")

    def __init__(
        self, source: Source | QueryTable, on: AnyExpression, *, is_outer: bool = False
    ) -> None:
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
        beside: what is read behind the columns of the entity, or behind `columns`, for the
            library itself.
        classes: the classes the objects may be of, which `where` sees to; None for that of the
            entity and all below it.
        load: the relations to load with the objects, each by its steps; no part of the text.
        documents: what only a document store knows of; None for nothing.
        links: the links of documents to fetch with them, and to look into by conditions.
        parses_late: the documents are parsed when something of them is read.
    """

    __slots__ = (
        "beside",
        "classes",
        "columns",
        "documents",
        "entity",
        "for_update",
        "froms",
        "group_by",
        "having",
        "is_distinct",
        "joins",
        "limit",
        "links",
        "load",
        "offset",
        "order_by",
        "parses_late",
        "where",
    )

    def __init__(
        self,
        *,
        entity: Source | None = None,
        columns: tuple[AnyExpression, ...] = (),
        froms: tuple[Source | QueryTable | DerivedTable, ...] = (),
        joins: tuple[Join, ...] = (),
        where: tuple[AnyExpression, ...] = (),
        group_by: tuple[AnyExpression, ...] = (),
        having: tuple[AnyExpression, ...] = (),
        order_by: tuple[OrderTerm, ...] = (),
        limit: int | None = None,
        offset: int | None = None,
        is_distinct: bool = False,
        for_update: ForUpdate | None = None,
        beside: tuple[AnyExpression, ...] = (),
        classes: tuple[Mapper, ...] | None = None,
        load: tuple[tuple[LoadStep, ...], ...] = (),
        documents: Reading | None = None,
        links: tuple[LinkNode, ...] = (),
        parses_late: bool = False,
    ) -> None:
        self.documents = documents
        self.parses_late = parses_late
        self.classes = classes
        self.links = links
        self.load = load
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
        self.beside = beside

    @property
    def entity_mapper(self) -> Mapper | None:
        """The mapper of the objects, if objects are asked for."""
        entity = self.entity
        return entity.mapper if isinstance(entity, TableAlias) else entity

    @property
    def locks_entity(self) -> bool:
        """Whether the rows of the objects are locked, and so are what they will stay."""
        lock = self.for_update
        return lock is not None and (
            not lock.of or any(source is self.entity for source in lock.of)
        )

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
        target: what the unique constraint, index or key that is met is over: columns, and SQL of
            expressions as the mapping has it; empty for any.
        assignments: columns and their new values, in which `Excluded` is the value that was to be
            inserted; empty to leave the row as it is (DO NOTHING).
        where: conditions on the row that is there, all of which must hold for it to be changed.
        target_where: the SQL of the unique index that is met, if it is over some rows only; as the
            mapping has it.
    """

    __slots__ = ("assignments", "target", "target_where", "where")

    def __init__(
        self,
        target: tuple[MappedColumn | str, ...],
        assignments: tuple[tuple[MappedColumn, AnyExpression], ...] = (),
        where: tuple[AnyExpression, ...] = (),
        target_where: str | None = None,
    ) -> None:
        self.target = target
        self.assignments = assignments
        self.where = where
        self.target_where = target_where


@final
class Insert:
    """INSERT .. VALUES, or INSERT .. SELECT.

    Attributes:
        mapper: whose table.
        columns: the columns given, in definition order (of a select in its order); empty for one
            row of defaults.
        rows: one tuple a row, in column order, of plain Python values, checked and not encoded, or
            `Expression`s.
        on_conflict: what to do where a row is already there; None: the error.
        returning: what comes back for each row that was written; empty: the count.
        select: where the rows come from; `rows` is then empty.
    """

    __slots__ = ("columns", "mapper", "on_conflict", "returning", "rows", "select")

    def __init__(
        self,
        mapper: Mapper,
        columns: tuple[MappedColumn, ...],
        rows: tuple[tuple[object, ...], ...],
        on_conflict: OnConflict | None = None,
        returning: tuple[AnyExpression, ...] = (),
        *,
        select: Select | None = None,
    ) -> None:
        self.mapper = mapper
        self.columns = columns
        self.rows = rows
        self.on_conflict = on_conflict
        self.returning = returning
        self.select = select

    def replace(self, **changes: Any) -> Insert:
        """Give a copy with some attributes changed."""
        return Insert(**{name: getattr(self, name) for name in Insert.__slots__} | changes)


@final
class Update:
    """UPDATE.

    Attributes:
        mapper: whose table.
        assignments: columns, in definition order, and their new values.
        where: conditions, all of which must hold; empty only if the whole table was asked for. A
            subquery in it may read the same table (MySQL needs it wrapped in a derived table).
        returning: what comes back for each row; empty: the count.
        operators: of a document store, by name and path what they are given; values are
            `Literal`s. No path meets another, or the column of an assignment.
        pipeline: of a document store, stages that stand for all changes but that of the version.
        documents: what only a document store knows of; None for nothing.
    """

    __slots__ = (
        "assignments", "documents", "mapper", "operators", "pipeline", "returning", "where",
    )  # fmt: skip

    def __init__(
        self,
        mapper: Mapper,
        assignments: tuple[tuple[MappedColumn, AnyExpression], ...],
        where: tuple[AnyExpression, ...],
        returning: tuple[AnyExpression, ...] = (),
        *,
        operators: Mapping[str, Mapping[str, Any]] = _NO_OPERATORS,
        pipeline: tuple[Mapping[str, Any], ...] = (),
        documents: Writing | None = None,
    ) -> None:
        self.documents = documents
        self.operators = operators
        self.pipeline = pipeline
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
        documents: what only a document store knows of; None for nothing.
    """

    __slots__ = ("documents", "mapper", "returning", "where")

    def __init__(
        self,
        mapper: Mapper,
        where: tuple[AnyExpression, ...],
        returning: tuple[AnyExpression, ...] = (),
        *,
        documents: Writing | None = None,
    ) -> None:
        self.documents = documents
        self.mapper = mapper
        self.where = where
        self.returning = returning


@final
class Raw:
    """SQL as the user wrote it.

    Attributes:
        parts: pieces of text, as given, and values to bind between them.
        typed: those of the values whose type the user named: their placeholders say it, while for
            the others the text around them does.
    """

    __slots__ = ("parts", "typed")

    def __init__(
        self, parts: tuple[str | Literal[Any], ...], typed: tuple[Literal[Any], ...] = ()
    ) -> None:
        self.parts = parts
        self.typed = typed


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
        rows: Sequence[tuple[Any, ...]],
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
        one_by_one: each row is written before the next, which may take a unique value it gives
            up, and has a count of its own.
    """

    __slots__ = ("mapper", "one_by_one", "returning", "rows", "set_columns", "where_columns")

    def __init__(
        self,
        mapper: Mapper,
        set_columns: tuple[MappedColumn, ...],
        where_columns: tuple[MappedColumn, ...],
        rows: Sequence[tuple[Any, ...]],
        returning: tuple[MappedColumn, ...] = (),
        *,
        one_by_one: bool = False,
    ) -> None:
        self.mapper = mapper
        self.set_columns = set_columns
        self.where_columns = where_columns
        self.rows = rows
        self.returning = returning
        self.one_by_one = one_by_one


@final
class DeleteRows:
    """Rows of one table to delete.

    Attributes:
        mapper: whose table.
        where_columns: the key, then the version if there is one.
        rows: encoded values to find each row by.
        returning: the columns that come back; may be empty.
        one_by_one: each row is deleted before the next, which it may refer to, and has a count of
            its own.
    """

    __slots__ = ("mapper", "one_by_one", "returning", "rows", "where_columns")

    def __init__(
        self,
        mapper: Mapper,
        where_columns: tuple[MappedColumn, ...],
        rows: Sequence[tuple[Any, ...]],
        returning: tuple[MappedColumn, ...] = (),
        *,
        one_by_one: bool = False,
    ) -> None:
        self.mapper = mapper
        self.where_columns = where_columns
        self.rows = rows
        self.returning = returning
        self.one_by_one = one_by_one


AnyStatement: TypeAlias = Select | Insert | Update | Delete | Raw
"""What `Dialect.compile` takes."""


def result_names(columns: Iterable[AnyExpression]) -> tuple[str, ...]:
    """Name the columns of rows, in order, each name once.

    A column is called as its attribute is, a label and a function by their names, the last key of a
    path into JSON by itself, anything else `column_<position>`. A name met again gets `_2`, `_3`.
    """
    return unique_names(_result_name(column) for column in columns)


def output_names(query: Select | Compound) -> tuple[str, ...]:
    """Name the columns that a query in FROM or WITH gives in the text, in order, each name once.

    Names of the store as far as they go: an alias of a mapped class may then read from the query.
    """
    first = query.parts[0] if isinstance(query, Compound) else query
    mapper = first.entity_mapper
    if mapper is not None:
        return tuple(column.name for column in mapper.columns)
    names = result_names(first.columns)
    return unique_names(
        column.column.name if isinstance(column, ColumnExpression) else name
        for column, name in zip(first.columns, names, strict=True)
    )


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
        case FieldPath() if isinstance(key := column.names[-1], str) and is_row_name(key):
            return key
        case _:
            return None


def is_row_name(name: str) -> bool:
    """Whether a row may have an attribute of that name."""
    return name.isidentifier() and not iskeyword(name) and not name.startswith("_")


COUNTED: Final = "uow_counted"
"""The alias of the derived table that `count` of a limited or distinct query reads."""
