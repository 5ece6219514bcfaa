"""What a store has, or is to have, as immutable values: tables, columns, constraints, indexes.

The structure is the same for every SQL store; what only one of them understands (types, defaults,
expressions) is SQL of that store, spelled as `uow` spells it. So a description is of one dialect.

Constraints and indexes of a table, and its columns, are told apart by name; their order is kept
but means nothing to a comparison.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias, TypeVar

import attrs

from uow.types import ColumnType

__all__ = [
    "CheckDef",
    "ColumnDef",
    "Constraint",
    "ExclusionDef",
    "ForeignKeyDef",
    "IndexDef",
    "IndexPartDef",
    "KeyDef",
    "Name",
    "Schema",
    "SequenceDef",
    "TableDef",
    "TriggerDef",
    "TypeDef",
    "UniqueDef",
    "as_name",
]


@attrs.frozen(order=True)
class Name:
    """The name of a table, a type or a sequence.

    Attributes:
        name: its own name.
        schema: the schema it is in, or None for the store's default.
    """

    name: str
    schema: str | None = attrs.field(
        default=None, eq=lambda value: value or "", order=lambda value: value or ""
    )

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


def as_name(given: str | Name) -> Name:
    """Take a plain name for one in the default schema; a dot in it has no meaning."""
    return given if isinstance(given, Name) else Name(given)


def _names(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(given)


@attrs.frozen(kw_only=True)
class ColumnDef:
    """A column.

    Attributes:
        name: its name.
        type: its type, as the store's DDL says it.
        nullable: whether it takes NULL.
        default: the SQL of its default, or None.
        identity: `"by default"` if the store numbers the rows (AUTO_INCREMENT, AUTOINCREMENT, an
            identity), `"serial"` if it does so by a sequence of the column (PostgreSQL), `"always"`
            if a row may not bring its number; else None.
        generated: the SQL it is computed from, or None.
        virtual: whether what is generated is computed on reading, and not kept.
        collation: its collation, if not what the table or the store says.
        on_update: the SQL of the value that every update gives it (MySQL), or None.
        comment: its comment.
        kind: what its values are, where that is known; no part of a comparison.
    """

    name: str
    type: str
    nullable: bool = True
    default: str | None = None
    identity: str | None = None
    generated: str | None = None
    virtual: bool = False
    collation: str | None = None
    on_update: str | None = None
    comment: str | None = None
    kind: ColumnType | None = attrs.field(default=None, eq=False, repr=False)

    @property
    def is_filled(self) -> bool:
        """Whether rows that are there get a value for it when it is added."""
        made = (self.default, self.identity, self.generated)
        return self.nullable or any(one is not None for one in made)


@attrs.frozen(kw_only=True)
class KeyDef:
    """The primary key.

    Attributes:
        columns: in order.
        name: the constraint's, as the store has it; None for what the store makes of it. No part of
            a comparison.
    """

    columns: tuple[str, ...] = attrs.field(converter=_names)
    name: str | None = attrs.field(default=None, eq=False)


@attrs.frozen(kw_only=True)
class UniqueDef:
    """A unique constraint.

    Attributes:
        name: its name.
        columns: what is unique together.
        nulls_distinct: whether NULLs are different from each other.
        deferral: `"deferred"` or `"immediate"` for one that may be checked at commit; else None.
    """

    name: str
    columns: tuple[str, ...] = attrs.field(converter=_names)
    nulls_distinct: bool = True
    deferral: str | None = None


@attrs.frozen(kw_only=True)
class CheckDef:
    """A check constraint: SQL that holds for every row."""

    name: str
    sql: str


@attrs.frozen(kw_only=True)
class ExclusionDef:
    """An exclusion constraint, as PostgreSQL writes it: `EXCLUDE USING gist (during WITH &&)`."""

    name: str
    sql: str


@attrs.frozen(kw_only=True)
class ForeignKeyDef:
    """A foreign key.

    Attributes:
        name: its name.
        columns: the referring columns.
        target: the table referred to.
        target_columns: its columns, one for each of `columns`.
        on_delete: `"CASCADE"`, `"SET NULL"`, `"SET DEFAULT"`, `"RESTRICT"`; None for NO ACTION.
        on_update: the same.
        deferral: `"deferred"` or `"immediate"` for one that may be checked at commit; else None.
    """

    name: str
    columns: tuple[str, ...] = attrs.field(converter=_names)
    target: Name = attrs.field(converter=as_name)
    target_columns: tuple[str, ...] = attrs.field(converter=_names)
    on_delete: str | None = None
    on_update: str | None = None
    deferral: str | None = None


Constraint: TypeAlias = KeyDef | UniqueDef | CheckDef | ExclusionDef | ForeignKeyDef


@attrs.frozen(kw_only=True)
class IndexPartDef:
    """One thing an index is over.

    Attributes:
        column: the column, or None.
        expression: the SQL, or None.
        descending: whether the greatest value comes first.
        nulls: `"FIRST"` or `"LAST"` where that is not what the store does anyway.
        opclass: the operator class, if not the type's own.
        collation: the collation, if not the column's.
        length: how much of a text is in it (MySQL), or None for all.
    """

    column: str | None = None
    expression: str | None = None
    descending: bool = False
    nulls: str | None = None
    opclass: str | None = None
    collation: str | None = None
    length: int | None = None


def _parts(given: Iterable[str | IndexPartDef]) -> tuple[IndexPartDef, ...]:
    return tuple([IndexPartDef(column=one) if isinstance(one, str) else one for one in given])


@attrs.frozen(kw_only=True)
class IndexDef:
    """An index that is not a constraint's.

    Attributes:
        name: its name.
        parts: what it is over, in order; a text means the column.
        unique: whether no two rows may be alike in it.
        where: the SQL that chooses the rows in it, or None for all.
        method: the access method, in lower case, or None for the usual one.
        include: columns kept in it besides.
        nulls_distinct: whether NULLs in a unique one are different from each other.
    """

    name: str
    parts: tuple[IndexPartDef, ...] = attrs.field(converter=_parts)
    unique: bool = False
    where: str | None = None
    method: str | None = None
    include: tuple[str, ...] = attrs.field(default=(), converter=_names)
    nulls_distinct: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it is over and keeps, without what its expressions name."""
        own = [part.column for part in self.parts if part.column is not None]
        return (*own, *self.include)


@attrs.frozen(kw_only=True)
class TriggerDef:
    """A trigger, as the text that makes it."""

    name: str
    sql: str


@attrs.frozen(kw_only=True)
class TypeDef:
    """A type of the schema's own: an enum or a row of fields.

    Attributes:
        name: its name.
        labels: of an enum, its labels in order.
        fields: of a row, the names and types of its fields.
    """

    name: Name = attrs.field(converter=as_name)
    labels: tuple[str, ...] = attrs.field(default=(), converter=_names)
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def is_enum(self) -> bool:
        """Whether it is an enum."""
        return not self.fields


@attrs.frozen(kw_only=True)
class SequenceDef:
    """A sequence that is not a column's own."""

    name: Name = attrs.field(converter=as_name)
    start: int = 1
    increment: int = 1


@attrs.frozen(kw_only=True)
class TableDef:
    """A table.

    Attributes:
        name: its name.
        columns: its columns.
        key: its primary key, or None.
        uniques: unique constraints.
        checks: check constraints.
        exclusions: exclusion constraints.
        foreign_keys: foreign keys.
        indexes: indexes that are not a constraint's.
        comment: its comment.
        options: what stands behind its columns (`STRICT`, `ENGINE=InnoDB ...`), or None for what
            `uow` writes; no part of a comparison.
        unsaid: words of its definition that nothing here says (`ON CONFLICT REPLACE`); no part of a
            comparison.
        triggers: no part of a comparison: models have none, and a rebuilt table keeps them.
    """

    name: Name = attrs.field(converter=as_name)
    columns: tuple[ColumnDef, ...]
    key: KeyDef | None = None
    uniques: tuple[UniqueDef, ...] = ()
    checks: tuple[CheckDef, ...] = ()
    exclusions: tuple[ExclusionDef, ...] = ()
    foreign_keys: tuple[ForeignKeyDef, ...] = ()
    indexes: tuple[IndexDef, ...] = ()
    comment: str | None = None
    options: str | None = attrs.field(default=None, eq=False)
    unsaid: str = attrs.field(default="", eq=False)
    triggers: tuple[TriggerDef, ...] = attrs.field(default=(), eq=False)

    def column(self, name: str) -> ColumnDef | None:
        """The column of that name, or None."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """All constraints, the key first and foreign keys last."""
        key = () if self.key is None else (self.key,)
        return (*key, *self.uniques, *self.checks, *self.exclusions, *self.foreign_keys)


S = TypeVar("S", bound="TableDef | TypeDef | SequenceDef")


@attrs.frozen(kw_only=True)
class Schema:
    """All of it.

    Attributes:
        dialect: the name of the dialect whose SQL it holds.
        tables: in no order.
        types: those that others are made of first.
        sequences: in no order.
        schemas: named schemas that are there.
        default: the schema that names without one are in, where it was asked; no part of a
            comparison.
    """

    dialect: str
    tables: tuple[TableDef, ...] = ()
    types: tuple[TypeDef, ...] = ()
    sequences: tuple[SequenceDef, ...] = ()
    schemas: frozenset[str] = frozenset()
    default: str | None = attrs.field(default=None, eq=False)

    def table(self, name: str | Name) -> TableDef | None:
        """The table of that name, or None."""
        return _find(self.tables, as_name(name))

    def type(self, name: str | Name) -> TypeDef | None:
        """The type of that name, or None."""
        return _find(self.types, as_name(name))

    def sequence(self, name: str | Name) -> SequenceDef | None:
        """The sequence of that name, or None."""
        return _find(self.sequences, as_name(name))

    def with_table(self, table: TableDef, *, instead_of: Name | None = None) -> Schema:
        """The same with one table changed, or one more."""
        return attrs.evolve(self, tables=_put(self.tables, table, instead_of or table.name))

    def without_table(self, name: Name) -> Schema:
        """The same without a table."""
        return attrs.evolve(self, tables=tuple([t for t in self.tables if t.name != name]))


def _find(things: tuple[S, ...], name: Name) -> S | None:
    return next((thing for thing in things if thing.name == name), None)


def _put(things: tuple[S, ...], new: S, old: Name) -> tuple[S, ...]:
    """Replace the thing of a name, or add one."""
    if _find(things, old) is None:
        return (*things, new)
    return tuple([new if thing.name == old else thing for thing in things])
