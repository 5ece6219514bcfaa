"""What changes a schema: typed steps, each a value.

A step knows what it makes of a description (`apply`), what takes it back (`reversed`), and whether
it throws something away (`is_destructive`). What a store is told is the dialect's business.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias, TypeVar

import attrs

from uow.errors import MappingError
from uow.schema.description import (
    CheckDef,
    ColumnDef,
    Constraint,
    ExclusionDef,
    ForeignKeyDef,
    IndexDef,
    KeyDef,
    Name,
    Schema,
    SequenceDef,
    TableDef,
    TypeDef,
    UniqueDef,
    as_name,
)
from uow.schema.words import renamed, same_sql

__all__ = [
    "AddColumn",
    "AddConstraint",
    "AlterColumn",
    "ChangeFields",
    "ChangeLabels",
    "CreateIndex",
    "CreateSchema",
    "CreateSequence",
    "CreateTable",
    "CreateType",
    "DropColumn",
    "DropConstraint",
    "DropIndex",
    "DropSequence",
    "DropTable",
    "DropType",
    "RenameColumn",
    "RenameTable",
    "RunSQL",
    "SetComment",
    "Step",
    "TableStep",
    "apply_all",
    "reversed_all",
]


class Step(ABC):
    """One change of a schema. `str` of it is a line for people."""

    @property
    def is_destructive(self) -> bool:
        """Whether rows, values or what nobody can compute again are lost."""
        return False

    @abstractmethod
    def apply(self, schema: Schema) -> Schema:
        """Give what a schema is after the step.

        Raises:
            MappingError: what it changes is not there.
        """

    @abstractmethod
    def reversed(self, before: Schema) -> tuple[Step, ...]:
        """Give the steps that take it back; rows and values do not come back.

        Args:
            before: the schema as it was before the step.
        """


def apply_all(steps: Iterable[Step], schema: Schema) -> Schema:
    """Give what a schema is after some steps."""
    for step in steps:
        schema = step.apply(schema)
    return schema


def reversed_all(steps: Iterable[Step], before: Schema) -> list[Step]:
    """Give the steps that take steps back, the last one first."""
    back: list[tuple[Step, ...]] = []
    for step in steps:
        back.append(step.reversed(before))
        before = step.apply(before)
    return [one for group in reversed(back) for one in group]


# -- what tables stand on


@attrs.frozen
class CreateSchema(Step):
    """Make a named schema, unless it is there; taking it back leaves it."""

    name: str

    def __str__(self) -> str:
        return f"create the schema {self.name}"

    def apply(self, schema: Schema) -> Schema:
        """Add it."""
        return attrs.evolve(schema, schemas=schema.schemas | {self.name})

    def reversed(self, before: Schema) -> tuple[Step, ...]:  # noqa: ARG002 - others may use it by then
        """Leave it."""
        return ()


@attrs.frozen
class CreateType(Step):
    """Make an enum or a row type."""

    type: TypeDef

    def __str__(self) -> str:
        return f"create the type {self.type.name}"

    def apply(self, schema: Schema) -> Schema:
        """Add it."""
        return attrs.evolve(schema, types=(*schema.types, self.type))

    def reversed(self, before: Schema) -> tuple[Step, ...]:  # noqa: ARG002
        """Drop it."""
        return (DropType(self.type),)


@attrs.frozen
class DropType(Step):
    """Drop an enum or a row type that no column has."""

    type: TypeDef

    def __str__(self) -> str:
        return f"drop the type {self.type.name}"

    def apply(self, schema: Schema) -> Schema:
        """Take it out."""
        return attrs.evolve(schema, types=_without(schema.types, self.type.name))

    def reversed(self, before: Schema) -> tuple[Step, ...]:  # noqa: ARG002
        """Make it again."""
        return (CreateType(self.type),)


@attrs.frozen
class ChangeLabels(Step):
    """Change the labels of an enum; where labels go, rows that have one of them are an error."""

    before: TypeDef
    after: TypeDef

    def __str__(self) -> str:
        added = [one for one in self.after.labels if one not in self.before.labels]
        gone = [one for one in self.before.labels if one not in self.after.labels]
        texts = [f"add {', '.join(map(repr, added))}"] if added else []
        texts += [f"take out {', '.join(map(repr, gone))}"] if gone else []
        return f"change the labels of {self.after.name}: {', '.join(texts) or 'their order'}"

    @property
    def is_destructive(self) -> bool:
        """Whether a label goes."""
        return not set(self.before.labels) <= set(self.after.labels)

    @property
    def only_adds(self) -> bool:
        """Whether labels are added, and those that are there keep their order."""
        kept = [label for label in self.after.labels if label in self.before.labels]
        return kept == list(self.before.labels)

    def apply(self, schema: Schema) -> Schema:
        """Put the new one in its place."""
        types = [self.after if t.name == self.before.name else t for t in schema.types]
        return attrs.evolve(schema, types=tuple(types))

    def reversed(self, before: Schema) -> tuple[Step, ...]:  # noqa: ARG002
        """Give it the labels that it had."""
        return (ChangeLabels(self.after, self.before),)


@attrs.frozen
class ChangeFields(Step):
    """Change the fields of a row type; what the fields of one name hold stays."""

    before: TypeDef
    after: TypeDef

    def __str__(self) -> str:
        old, new = dict(self.before.fields), dict(self.after.fields)
        texts = [f"add {name}" for name in new if name not in old]
        texts += [f"take out {name}" for name in old if name not in new]
        texts += [
            f"{name} from {old[name]} to {new[name]}"
            for name in new
            if name in old and not same_sql(old[name], new[name])
        ]
        return f"change the fields of {self.after.name}: {', '.join(texts) or 'their order'}"

    @property
    def is_destructive(self) -> bool:
        """Whether a field goes, or its values may be lost by the change of type."""
        new = dict(self.after.fields)
        return any(
            name not in new or not _holds(new[name], type_) for name, type_ in self.before.fields
        )

    @property
    def only_adds_and_drops(self) -> bool:
        """Whether fields that stay keep their order and types, and new ones stand behind them."""
        names = {name for name, _ in self.after.fields}
        kept = [field for field in self.before.fields if field[0] in names]
        start = self.after.fields[: len(kept)]
        return len(start) == len(kept) and all(
            one[0] == other[0] and same_sql(one[1], other[1])
            for one, other in zip(kept, start, strict=True)
        )

    def apply(self, schema: Schema) -> Schema:
        """Put the new one in its place."""
        types = [self.after if t.name == self.before.name else t for t in schema.types]
        return attrs.evolve(schema, types=tuple(types))

    def reversed(self, before: Schema) -> tuple[Step, ...]:  # noqa: ARG002
        """Give it the fields that it had."""
        return (ChangeFields(self.after, self.before),)


@attrs.frozen
class CreateSequence(Step):
    """Make a sequence."""

    sequence: SequenceDef

    def __str__(self) -> str:
        return f"create the sequence {self.sequence.name}"

    def apply(self, schema: Schema) -> Schema:
        """Add it."""
        return attrs.evolve(schema, sequences=(*schema.sequences, self.sequence))

    def reversed(self, before: Schema) -> tuple[Step, ...]:  # noqa: ARG002
        """Drop it."""
        return (DropSequence(self.sequence),)


@attrs.frozen
class DropSequence(Step):
    """Drop a sequence; which numbers it gave is forgotten."""

    sequence: SequenceDef

    def __str__(self) -> str:
        return f"drop the sequence {self.sequence.name}"

    @property
    def is_destructive(self) -> bool:
        """Its place is lost."""
        return True

    def apply(self, schema: Schema) -> Schema:
        """Take it out."""
        return attrs.evolve(schema, sequences=_without(schema.sequences, self.sequence.name))

    def reversed(self, before: Schema) -> tuple[Step, ...]:  # noqa: ARG002
        """Make it again."""
        return (CreateSequence(self.sequence),)


# -- tables


@attrs.frozen
class CreateTable(Step):
    """Make a table with all that belongs to it."""

    table: TableDef

    def __str__(self) -> str:
        return f"create the table {self.table.name}"

    def apply(self, schema: Schema) -> Schema:
        """Add it."""
        return schema.with_table(self.table)

    def reversed(self, before: Schema) -> tuple[Step, ...]:  # noqa: ARG002
        """Drop it."""
        return (DropTable(self.table),)


@attrs.frozen
class DropTable(Step):
    """Drop a table with all its rows."""

    table: TableDef

    def __str__(self) -> str:
        return f"drop the table {self.table.name}"

    @property
    def is_destructive(self) -> bool:
        """Its rows are lost."""
        return True

    def apply(self, schema: Schema) -> Schema:
        """Take it out."""
        return schema.without_table(self.table.name)

    def reversed(self, before: Schema) -> tuple[Step, ...]:
        """Make it again, empty."""
        return (CreateTable(before.table(self.table.name) or self.table),)


@attrs.frozen
class RenameTable(Step):
    """Give a table another name in the same schema; keys that refer to it go on doing so."""

    table: Name = attrs.field(converter=as_name)
    to: str

    def __str__(self) -> str:
        return f"rename the table {self.table} to {self.to}"

    @property
    def new(self) -> Name:
        """The name it has then."""
        return attrs.evolve(self.table, name=self.to)

    def apply(self, schema: Schema) -> Schema:
        """Rename it wherever it is named."""
        table = _table(schema, self.table)
        triggers = [
            attrs.evolve(one, sql=renamed(one.sql, self.table.name, self.to))
            for one in table.triggers
        ]
        moved = schema.with_table(
            attrs.evolve(table, name=self.new, triggers=tuple(triggers)), instead_of=self.table
        )
        return _retarget(
            moved,
            self.table,
            lambda key: attrs.evolve(key, target=self.new),
        )

    def reversed(self, before: Schema) -> tuple[Step, ...]:  # noqa: ARG002
        """Rename it back."""
        return (RenameTable(self.new, self.table.name),)


@attrs.frozen
class TableStep(Step):
    """A change of one table that is there.

    Attributes:
        table: its name.
    """

    table: Name = attrs.field(converter=as_name)

    def apply(self, schema: Schema) -> Schema:
        """Put the changed table in its place."""
        return schema.with_table(self.change(_table(schema, self.table)))

    @abstractmethod
    def change(self, table: TableDef) -> TableDef:
        """Give the table as it is then."""


@attrs.frozen
class AddColumn(TableStep):
    """Add a column, the last one."""

    column: ColumnDef

    def __str__(self) -> str:
        return f"add the column {self.table}.{self.column.name}"

    def change(self, table: TableDef) -> TableDef:
        """Add it."""
        return attrs.evolve(table, columns=(*table.columns, self.column))

    def reversed(self, before: Schema) -> tuple[Step, ...]:  # noqa: ARG002
        """Drop it."""
        return (DropColumn(self.table, self.column),)


@attrs.frozen
class DropColumn(TableStep):
    """Drop a column with its values. What is over it is dropped by steps before."""

    column: ColumnDef

    def __str__(self) -> str:
        return f"drop the column {self.table}.{self.column.name}"

    @property
    def is_destructive(self) -> bool:
        """Whether its values are lost: what is generated can be computed again."""
        return self.column.generated is None

    def change(self, table: TableDef) -> TableDef:
        """Take it out."""
        kept = [column for column in table.columns if column.name != self.column.name]
        return attrs.evolve(table, columns=tuple(kept))

    def reversed(self, before: Schema) -> tuple[Step, ...]:
        """Add it again, without the values it had."""
        column = _table(before, self.table).column(self.column.name) or self.column
        return (AddColumn(self.table, column),)


@attrs.frozen
class AlterColumn(TableStep):
    """Change what a column is; its name stays."""

    before: ColumnDef
    after: ColumnDef

    def __str__(self) -> str:
        return f"alter the column {self.table}.{self.after.name}: {', '.join(self.differences)}"

    @property
    def differences(self) -> list[str]:
        """What is changed, for people."""
        texts: list[str] = []
        if self.before.type != self.after.type:
            texts.append(f"{self.before.type} to {self.after.type}")
        if self.before.nullable != self.after.nullable:
            texts.append("NULL" if self.after.nullable else "NOT NULL")
        fields = (
            "default",
            "identity",
            "generated",
            "virtual",
            "collation",
            "on_update",
            "comment",
        )
        texts += [
            name for name in fields if getattr(self.before, name) != getattr(self.after, name)
        ]
        return texts

    @property
    def is_destructive(self) -> bool:
        """Whether values may be lost by the change of type."""
        return not _holds(self.after.type, self.before.type)

    def change(self, table: TableDef) -> TableDef:
        """Put the new one in its place."""
        found = [self.after if c.name == self.before.name else c for c in table.columns]
        return attrs.evolve(table, columns=tuple(found))

    def reversed(self, before: Schema) -> tuple[Step, ...]:
        """Make it what it was."""
        column = _table(before, self.table).column(self.before.name) or self.before
        return (AlterColumn(self.table, self.after, column),)


@attrs.frozen
class RenameColumn(TableStep):
    """Give a column another name."""

    old: str
    new: str

    def __str__(self) -> str:
        return f"rename the column {self.table}.{self.old} to {self.new}"

    def apply(self, schema: Schema) -> Schema:
        """Rename it wherever it is named."""
        moved = super().apply(schema)
        return _retarget(
            moved,
            self.table,
            lambda key: attrs.evolve(key, target_columns=self._all(key.target_columns)),
        )

    def change(self, table: TableDef) -> TableDef:
        """Rename it in the columns, constraints and indexes."""

        def sql(text: str) -> str:
            return renamed(text, self.old, self.new)

        columns = [
            attrs.evolve(
                column,
                name=self.new if column.name == self.old else column.name,
                generated=column.generated and sql(column.generated),
            )
            for column in table.columns
        ]
        return attrs.evolve(
            table,
            columns=tuple(columns),
            key=None if table.key is None else self._over(table.key),
            uniques=tuple([self._over(one) for one in table.uniques]),
            foreign_keys=tuple([self._over(one) for one in table.foreign_keys]),
            checks=tuple([attrs.evolve(one, sql=sql(one.sql)) for one in table.checks]),
            exclusions=tuple([attrs.evolve(one, sql=sql(one.sql)) for one in table.exclusions]),
            indexes=tuple([self._index(one) for one in table.indexes]),
            triggers=tuple([attrs.evolve(one, sql=sql(one.sql)) for one in table.triggers]),
        )

    def reversed(self, before: Schema) -> tuple[Step, ...]:  # noqa: ARG002
        """Rename it back."""
        return (RenameColumn(self.table, self.new, self.old),)

    def _all(self, names: Iterable[str]) -> tuple[str, ...]:
        return tuple([self.new if name == self.old else name for name in names])

    def _over(self, constraint: C) -> C:
        return attrs.evolve(constraint, columns=self._all(constraint.columns))

    def _index(self, index: IndexDef) -> IndexDef:
        parts = [
            attrs.evolve(
                part,
                column=self.new if part.column == self.old else part.column,
                expression=part.expression and renamed(part.expression, self.old, self.new),
            )
            for part in index.parts
        ]
        where = index.where and renamed(index.where, self.old, self.new)
        return attrs.evolve(index, parts=parts, include=self._all(index.include), where=where)


C = TypeVar("C", KeyDef, UniqueDef, ForeignKeyDef)


@attrs.frozen
class AddConstraint(TableStep):
    """Add a key, or a unique, check, exclusion or foreign key constraint."""

    constraint: Constraint

    def __str__(self) -> str:
        return f"add {_named(self.constraint)} to {self.table}"

    def change(self, table: TableDef) -> TableDef:
        """Add it."""
        if isinstance(self.constraint, KeyDef):
            return attrs.evolve(table, key=self.constraint)
        return _with(table, self.constraint, (self.constraint,))

    def reversed(self, before: Schema) -> tuple[Step, ...]:  # noqa: ARG002
        """Drop it."""
        return (DropConstraint(self.table, self.constraint),)


@attrs.frozen
class DropConstraint(TableStep):
    """Drop a constraint; rows stay."""

    constraint: Constraint

    def __str__(self) -> str:
        return f"drop {_named(self.constraint)} of {self.table}"

    def change(self, table: TableDef) -> TableDef:
        """Take it out."""
        if isinstance(self.constraint, KeyDef):
            return attrs.evolve(table, key=None)
        return _with(table, self.constraint, ())

    def reversed(self, before: Schema) -> tuple[Step, ...]:
        """Add it as it was."""
        table = _table(before, self.table)
        was = [
            one
            for one in table.constraints
            if type(one) is type(self.constraint)
            and (isinstance(one, KeyDef) or one.name == self.constraint.name)
        ]
        return (AddConstraint(self.table, was[0] if was else self.constraint),)


_FIELDS: Final[dict[type, str]] = {
    UniqueDef: "uniques",
    CheckDef: "checks",
    ExclusionDef: "exclusions",
    ForeignKeyDef: "foreign_keys",
}


def _with(table: TableDef, constraint: Constraint, new: tuple[Constraint, ...]) -> TableDef:
    """Put something in the place of the constraint of that kind and name."""
    field = _FIELDS[type(constraint)]
    kept = [one for one in getattr(table, field) if one.name != constraint.name]
    changed: Any = {field: (*kept, *new)}
    return attrs.evolve(table, **changed)


def _named(constraint: Constraint) -> str:
    match constraint:
        case KeyDef(columns=columns):
            return f"the primary key ({', '.join(columns)})"
        case UniqueDef(name=name):
            return f"the unique constraint {name}"
        case CheckDef(name=name):
            return f"the check {name}"
        case ExclusionDef(name=name):
            return f"the exclusion constraint {name}"
        case ForeignKeyDef(name=name):
            return f"the foreign key {name}"


@attrs.frozen
class CreateIndex(TableStep):
    """Make an index."""

    index: IndexDef

    def __str__(self) -> str:
        return f"create the index {self.index.name} on {self.table}"

    def change(self, table: TableDef) -> TableDef:
        """Add it."""
        return attrs.evolve(table, indexes=(*table.indexes, self.index))

    def reversed(self, before: Schema) -> tuple[Step, ...]:  # noqa: ARG002
        """Drop it."""
        return (DropIndex(self.table, self.index),)


@attrs.frozen
class DropIndex(TableStep):
    """Drop an index; rows stay."""

    index: IndexDef

    def __str__(self) -> str:
        return f"drop the index {self.index.name} of {self.table}"

    def change(self, table: TableDef) -> TableDef:
        """Take it out."""
        kept = [one for one in table.indexes if one.name != self.index.name]
        return attrs.evolve(table, indexes=tuple(kept))

    def reversed(self, before: Schema) -> tuple[Step, ...]:
        """Make it as it was."""
        table = _table(before, self.table)
        was = next((one for one in table.indexes if one.name == self.index.name), self.index)
        return (CreateIndex(self.table, was),)


@attrs.frozen
class SetComment(TableStep):
    """Change the comment of a table."""

    before: str | None
    after: str | None

    def __str__(self) -> str:
        return f"set the comment of {self.table}"

    def change(self, table: TableDef) -> TableDef:
        """Put the new one in its place."""
        return attrs.evolve(table, comment=self.after)

    def reversed(self, before: Schema) -> tuple[Step, ...]:  # noqa: ARG002
        """Set the old one."""
        return (SetComment(self.table, self.after, self.before),)


@attrs.frozen
class RunSQL(Step):
    """SQL as given, that no description knows of.

    Attributes:
        up: statements to run.
        down: statements that take them back; none if nothing has to be done.
    """

    up: tuple[str, ...]
    down: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "; ".join(self.up)

    def apply(self, schema: Schema) -> Schema:
        """Change nothing that is known of."""
        return schema

    def reversed(self, before: Schema) -> tuple[Step, ...]:  # noqa: ARG002
        """Run the other."""
        return (RunSQL(self.down, self.up),) if self.down else ()


# -- helpers

N = TypeVar("N", TypeDef, SequenceDef)


def _without(things: tuple[N, ...], name: Name) -> tuple[N, ...]:
    return tuple([thing for thing in things if thing.name != name])


def _table(schema: Schema, name: Name) -> TableDef:
    table = schema.table(name)
    if table is None:
        raise MappingError(f"there is no table {str(name)!r} to change")
    return table


Moved: TypeAlias = Callable[[ForeignKeyDef], ForeignKeyDef]


def _retarget(schema: Schema, target: Name, move: Moved) -> Schema:
    """Change the foreign keys that refer to a table."""
    tables = [
        attrs.evolve(
            table,
            foreign_keys=tuple(
                [move(key) if key.target == target else key for key in table.foreign_keys]
            ),
        )
        if any(key.target == target for key in table.foreign_keys)
        else table
        for table in schema.tables
    ]
    return attrs.evolve(schema, tables=tuple(tables))


_WHOLE: Final = {
    "TINYINT": 8,
    "SMALLINT": 16,
    "MEDIUMINT": 24,
    "INTEGER": 32,
    "INT": 32,
    "BIGINT": 64,
}
_SIZED: Final = re.compile(r"([A-Z_ ]+?)\s*\((\d+)(?:, *(\d+))?\)\Z")
_TEXTS: Final = {"VARCHAR", "CHAR", "TEXT", "LONGTEXT", "MEDIUMTEXT"}
_LIMITED: Final = {"VARCHAR", "CHAR", "VARBINARY", "NUMERIC", "DECIMAL", "DECIMAL_TEXT"}
_UNBOUNDED: Final = {"TEXT", "LONGTEXT"}


def _holds(wide: str, narrow: str) -> bool:
    """Whether every value of one type is one of another, as far as is known."""
    one, other = _sized(wide.upper()), _sized(narrow.upper())
    if one == other:
        return True
    if one[0] in _WHOLE and other[0] in _WHOLE and not one[1] and not other[1]:
        return _WHOLE[one[0]] >= _WHOLE[other[0]]
    if other[0] in _TEXTS and one[0] in _UNBOUNDED:
        return one[0] == "LONGTEXT" or other[0] not in {"LONGTEXT", "MEDIUMTEXT"}
    if one[0] != other[0] or one[0] not in _LIMITED:
        return False
    if len(one[1]) != len(other[1]):
        return not one[1] and one[0] in {"NUMERIC", "DECIMAL_TEXT"}
    before = [a - b for a, b in zip((*one[1], 0)[:2], (*other[1], 0)[:2], strict=True)]
    # Digits before the point may not become fewer either.
    return all(more >= 0 for more in before) and (len(one[1]) < 2 or before[0] >= before[1])


def _sized(type_: str) -> tuple[str, tuple[int, ...]]:
    match = _SIZED.match(type_)
    if match is None:
        return type_, ()
    return match[1], tuple([int(one) for one in match.groups()[1:] if one is not None])
