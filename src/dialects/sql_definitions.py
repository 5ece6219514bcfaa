"""Descriptions of tables to DDL, shared by the SQL dialects.

`DefinitionWriter` writes what all stores agree on; a dialect overrides a method where its store
differs. DDL takes no parameters, so whatever stands in it is a checked name, a number of ours, or
SQL that the author of a model or of a migration wrote, or that a store told of itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

import attrs

from uow.dialects._create_table import Part, parse_column, parse_constraint
from uow.dialects._kinds import kind_of_type
from uow.dialects._names import Quoter
from uow.dialects.base import Reading, Suspension
from uow.errors import MappingError
from uow.schema.description import (
    CheckDef,
    ColumnDef,
    Constraint,
    ExclusionDef,
    ForeignKeyDef,
    IndexDef,
    IndexPartDef,
    KeyDef,
    Name,
    Schema,
    TableDef,
    UniqueDef,
)
from uow.schema.steps import (
    AddColumn,
    AddConstraint,
    AlterColumn,
    ChangeLabels,
    CreateIndex,
    CreateSchema,
    CreateSequence,
    CreateTable,
    CreateType,
    DropColumn,
    DropConstraint,
    DropIndex,
    DropSequence,
    DropTable,
    DropType,
    RenameColumn,
    RenameTable,
    RunSQL,
    SetComment,
    Step,
)
from uow.schema.words import same_sql
from uow.statement import Statement
from uow.types import ColumnType

__all__ = ["DefinitionWriter", "literal"]

D = TypeVar("D", CheckDef, ExclusionDef)


class DefinitionWriter(ABC):
    """Writes definitions for one store, and reads what is there."""

    dialect: str
    """The name of the dialect."""
    backslashes = False
    """Whether a backslash in a text hides what follows."""
    inline_indexes = False
    """Whether indexes stand inside CREATE TABLE."""
    table_options = ""
    makes_up_values = False
    """Whether rows get a value for a new column that takes no NULL and has no default."""

    def __init__(self, quote: Quoter, max_identifier_length: int) -> None:
        self.quote = quote
        self.max_identifier_length = max_identifier_length

    # -- names and texts

    def name(self, name: Name) -> str:
        """Give a quoted name with its schema."""
        own = self.quote(name.name)
        return own if name.schema is None else f"{self.quote(name.schema)}.{own}"

    def names(self, names: Iterable[str]) -> str:
        """Give quoted names, with commas."""
        return ", ".join([self.quote(name) for name in names])

    def text(self, text: str) -> str:
        """Write a text between quotes."""
        return literal(text)

    # -- tables

    def create_table(
        self,
        table: TableDef,
        *,
        if_missing: bool = False,
        without: Collection[str] = (),
        temporary: bool = False,
    ) -> list[str]:
        """Give the statements that make a table, its indexes and its comments.

        Args:
            table: the table.
            if_missing: leave one that is there alone.
            without: names of foreign keys to leave out, for tables that refer to each other.
            temporary: make it for the connection only, without foreign keys.
        """
        keys = () if temporary else [k for k in table.foreign_keys if k.name not in without]
        parts = [self.column(column, table) for column in table.columns]
        kept = attrs.evolve(table, foreign_keys=tuple(keys))
        parts += self.table_constraints(kept)
        if self.inline_indexes:
            parts += [self.inline_index(index) for index in table.indexes]
        body = ",\n  ".join(parts)
        kind = "TEMPORARY TABLE" if temporary else "TABLE"
        condition = "IF NOT EXISTS " if if_missing else ""
        options = self.table_options if table.options is None else table.options
        create = (
            f"CREATE {kind} {condition}{self.name(table.name)} (\n  {body}\n)"
            f"{options}{self.table_comment(table.comment)}"
        )
        indexes = () if self.inline_indexes else table.indexes
        return [
            create,
            *[self.create_index(table.name, index, if_missing=if_missing) for index in indexes],
            *([] if temporary else self.comments(table)),
        ]

    def table_constraints(self, table: TableDef) -> list[str]:
        """Give the constraints of a table as CREATE TABLE says them behind the columns."""
        inline = self.key_is_inline(table)
        return [
            self.constraint(one)
            for one in table.constraints
            if not (inline and isinstance(one, KeyDef))
        ]

    def table_comment(self, comment: str | None) -> str:  # noqa: ARG002 - most stores have none
        """Give the comment that stands behind a table's definition, with a space before it."""
        return ""

    def inline_comment(self, comment: str | None) -> str:  # noqa: ARG002 - most stores have none
        """Give the comment that stands behind a column's definition, with a space before it."""
        return ""

    def comments(self, table: TableDef) -> list[str]:  # noqa: ARG002 - most stores have none
        """Give the statements that set comments."""
        return []

    def key_is_inline(self, table: TableDef) -> bool:  # noqa: ARG002 - for dialects to answer
        """Say whether a column's own definition already makes it the key."""
        return False

    @abstractmethod
    def identity(self, column: ColumnDef) -> str:
        """Give the whole definition of a numbered column, after its name."""

    def column(self, column: ColumnDef, table: TableDef | None = None) -> str:
        """Give the definition of one column, its name first."""
        return f"{self.quote(column.name)} {self.column_body(column, table)}"

    def column_body(self, column: ColumnDef, table: TableDef | None = None) -> str:  # noqa: ARG002
        """Give the definition of one column without its name."""
        if column.identity is not None:
            return f"{self.identity(column)}{self.inline_comment(column.comment)}"
        text = column.type
        if column.collation is not None:
            text += f" COLLATE {self.collation(column.collation)}"
        if column.generated is not None:
            kept = "VIRTUAL" if column.virtual else "STORED"
            text += f" GENERATED ALWAYS AS ({column.generated}) {kept}"
        elif column.default is not None:
            text += f" DEFAULT {column.default}"
        if not column.nullable:
            text += " NOT NULL"
        return text + self.on_update(column) + self.inline_comment(column.comment)

    def on_update(self, column: ColumnDef) -> str:  # noqa: ARG002 - most stores have none
        """Give what every update sets, with a space before it, or nothing."""
        return ""

    def collation(self, name: str) -> str:
        """Give a collation's name."""
        return self.quote(name)

    # -- constraints

    def constraint(self, constraint: Constraint) -> str:
        """Give a constraint as a part of CREATE TABLE."""
        body = self.constraint_body(constraint)
        if isinstance(constraint, KeyDef):
            return body
        return f"CONSTRAINT {self.quote(constraint.name)} {body}"

    def constraint_body(self, constraint: Constraint) -> str:
        """Give a constraint without its name."""
        match constraint:
            case KeyDef(columns=columns):
                return f"PRIMARY KEY ({self.names(columns)})"
            case UniqueDef(columns=columns, deferral=deferral):
                alike = "" if constraint.nulls_distinct else " NULLS NOT DISTINCT"
                return f"UNIQUE{alike} ({self.names(columns)}){self.deferral(deferral)}"
            case CheckDef(sql=sql):
                return f"CHECK ({sql})"
            case ExclusionDef(sql=sql):
                return sql
            case ForeignKeyDef():
                return self.foreign_key_body(constraint)

    def foreign_key_body(self, key: ForeignKeyDef, condition: str = "") -> str:
        """Give a foreign key without its name.

        Args:
            key: the key.
            condition: what stands behind FOREIGN KEY, with a space after it.
        """
        text = (
            f"FOREIGN KEY {condition}({self.names(key.columns)}) "
            f"REFERENCES {self.name(key.target)} ({self.names(key.target_columns)})"
        )
        if key.on_delete:
            text += f" ON DELETE {key.on_delete}"
        if key.on_update:
            text += f" ON UPDATE {key.on_update}"
        return text + self.deferral(key.deferral)

    def deferral(self, deferral: str | None) -> str:
        """Give when a constraint is checked, with a space before it, or nothing."""
        return "" if deferral is None else f" DEFERRABLE INITIALLY {deferral.upper()}"

    # -- indexes

    def create_index(self, table: Name, index: IndexDef, *, if_missing: bool = False) -> str:
        """Give the statement that makes an index."""
        unique = "UNIQUE " if index.unique else ""
        condition = "IF NOT EXISTS " if if_missing else ""
        method = "" if index.method is None else f" USING {index.method}"
        name = f"{condition}{self.quote(index.name)}"
        return (
            f"CREATE {unique}INDEX {name} ON {self.name(table)}{method} "
            f"({self.index_parts(index)}){self.index_tail(index)}"
        )

    def inline_index(self, index: IndexDef) -> str:
        """Give an index as a part of CREATE TABLE."""
        unique = "UNIQUE " if index.unique else ""
        return f"{unique}INDEX {self.quote(index.name)} ({self.index_parts(index)})"

    def index_parts(self, index: IndexDef) -> str:
        """Give what an index is over, with commas."""
        return ", ".join([self.index_part(part) for part in index.parts])

    def index_part(self, part: IndexPartDef) -> str:
        """Give one thing an index is over, and how."""
        text = f"({part.expression})" if part.column is None else self.quote(part.column)
        if part.length is not None:
            text += f"({part.length})"
        if part.collation is not None:
            text += f" COLLATE {self.collation(part.collation)}"
        if part.opclass is not None:
            text += f" {part.opclass}"
        if part.descending:
            text += " DESC"
        if part.nulls is not None:
            text += f" NULLS {part.nulls}"
        return text

    def index_tail(self, index: IndexDef) -> str:
        """Give what follows the parts of an index."""
        text = f" INCLUDE ({self.names(index.include)})" if index.include else ""
        if not index.nulls_distinct:
            text += " NULLS NOT DISTINCT"
        return text if index.where is None else f"{text} WHERE {index.where}"

    # -- steps

    def step_texts(self, steps: Sequence[Step], before: Schema) -> list[str]:
        """Give the statements of steps.

        Args:
            steps: in order.
            before: the schema before the first of them.

        Raises:
            MappingError: the store cannot do a step, or what it changes is not there.
        """
        texts: list[str] = []
        for step in steps:
            texts += self.step(step, before)
            before = step.apply(before)
        return texts

    def step(self, step: Step, before: Schema) -> list[str]:
        """Give the statements of one step.

        Args:
            step: the step.
            before: the schema before it.
        """
        match step:
            case CreateTable(table=table):
                return self.create_table(table)
            case DropTable(table=table):
                return [f"DROP TABLE {self.name(table.name)}"]
            case RenameTable():
                return self.rename_table(step)
            case AddColumn(table=name, column=column):
                text = f"ALTER TABLE {self.name(name)} ADD COLUMN {self.column(column)}"
                return [text, *self.column_comment(name, column, None)]
            case DropColumn(table=name, column=column):
                return [f"ALTER TABLE {self.name(name)} DROP COLUMN {self.quote(column.name)}"]
            case AlterColumn():
                return self.alter_column(step)
            case RenameColumn(table=name, old=old, new=new):
                change = f"RENAME COLUMN {self.quote(old)} TO {self.quote(new)}"
                return [f"ALTER TABLE {self.name(name)} {change}"]
            case AddConstraint(table=name, constraint=constraint):
                return [f"ALTER TABLE {self.name(name)} ADD {self.constraint(constraint)}"]
            case DropConstraint(table=name, constraint=constraint):
                return self.drop_constraint(name, constraint)
            case CreateIndex(table=name, index=index):
                return [self.create_index(name, index)]
            case DropIndex(table=name, index=index):
                return [self.drop_index(name, index)]
            case SetComment(table=name, after=comment):
                return self.set_comment(name, comment)
            case RunSQL(up=texts):
                return list(texts)
            case _:
                return self.other_step(step, before)

    def other_step(self, step: Step, before: Schema) -> list[str]:  # noqa: ARG002 - for PostgreSQL
        """Give the statements of a step that is about types, sequences or schemas."""
        kinds = CreateSchema | CreateType | DropType | ChangeLabels | CreateSequence | DropSequence
        if isinstance(step, kinds):
            raise MappingError(f"{self.dialect} cannot {step}: it has no such thing")
        raise TypeError(f"{type(step).__name__} is not a step of a schema")

    def rename_table(self, step: RenameTable) -> list[str]:
        """Give what renames a table."""
        return [f"ALTER TABLE {self.name(step.table)} RENAME TO {self.quote(step.to)}"]

    @abstractmethod
    def alter_column(self, step: AlterColumn) -> list[str]:
        """Give what changes a column."""

    @abstractmethod
    def drop_constraint(self, table: Name, constraint: Constraint) -> list[str]:
        """Give what drops a constraint."""

    def drop_index(self, table: Name, index: IndexDef) -> str:
        """Give what drops an index, which has its name in the schema of its table."""
        name = Name(index.name, table.schema)
        return f"DROP INDEX {self.name(name)}"

    def column_comment(self, table: Name, column: ColumnDef, before: str | None) -> list[str]:  # noqa: ARG002
        """Give what sets a column's comment where its definition does not."""
        return []

    def set_comment(self, table: Name, comment: str | None) -> list[str]:  # noqa: ARG002
        """Give what sets a table's comment; nothing where tables have none."""
        return []

    # -- what is there

    @abstractmethod
    def read(self, schemas: Collection[str] = (), table: Name | None = None) -> Reading:
        """Read what is there.

        Args:
            schemas: named schemas to read besides the store's default one.
            table: read this table alone.

        Returns:
            A generator that yields statements, is sent their rows, and returns the schema.
        """

    def scratch(self, table: TableDef, wanted: Schema) -> tuple[list[str], Name, list[str]] | None:  # noqa: ARG002
        """Give how to ask the store what it makes of a table's SQL.

        Returns:
            What makes a table for this connection alone, its name, and what drops it again; None
            where the store keeps texts as they are given.
        """
        return None

    def told(self, wanted: TableDef, told: TableDef) -> TableDef:
        """Put what the store made of a table's SQL in the place of what was given.

        Args:
            wanted: the table as it was given.
            told: what was read of the table that `scratch` made.
        """
        columns = {column.name: column for column in told.columns}
        constraints: dict[str, CheckDef | ExclusionDef] = {c.name: c for c in told.checks}
        constraints |= {one.name: one for one in told.exclusions}
        indexes = {index.name: index for index in told.indexes}

        def column(own: ColumnDef) -> ColumnDef:
            return attrs.evolve(columns.get(own.name, own), comment=own.comment, kind=own.kind)

        return attrs.evolve(
            wanted,
            columns=tuple([column(one) for one in wanted.columns]),
            checks=tuple([self._sql_of(one, constraints) for one in wanted.checks]),
            exclusions=tuple([self._sql_of(one, constraints) for one in wanted.exclusions]),
            indexes=tuple([indexes.get(one.name, one) for one in wanted.indexes]),
        )

    def spelled_as(self, wanted: TableDef, known: TableDef) -> TableDef:  # noqa: ARG002 - for SQLite
        """Say what models want in the words of a table that is there, where they mean the same."""
        return wanted

    def _sql_of(self, own: D, constraints: Mapping[str, CheckDef | ExclusionDef]) -> D:
        found = constraints.get(own.name)
        return attrs.evolve(own, sql=found.sql) if isinstance(found, type(own)) else own

    def suspension(self) -> Suspension | None:
        """Say what has to be off while steps run, and is a matter of the connection."""
        return None

    def rebuilds(self, steps: Sequence[Step], before: Schema) -> bool:  # noqa: ARG002
        """Whether the texts of steps rest on how the tables are at this moment."""
        return False

    def misfits(self, steps: Sequence[Step], before: Schema) -> list[tuple[str, Statement]]:  # noqa: ARG002
        """Give what finds values that steps left in a column whose type has none such.

        Returns:
            Columns, for people, with what gives a row if one is wrong; nothing where the store
            looks for itself.
        """
        return []

    def own_type(self, column: ColumnDef) -> str | None:
        """Give a column's type if models of its kind are written another; None if they are not."""
        usual = self.usual_type(self.kind(column))
        return None if usual is None or same_sql(usual, column.type) else column.type

    def usual_type(self, kind: ColumnType) -> str | None:  # noqa: ARG002 - for dialects to answer
        """Give the type that models of a kind are written; None where there is one alone."""
        return None

    def kind(self, column: ColumnDef) -> ColumnType:
        """Say what the values of a column are, as far as its type tells."""
        return column.kind or kind_of_type(column.type)

    # -- what a person writes

    def parse_column(self, name: str, text: str) -> ColumnDef:
        """Read `VARCHAR(20) NOT NULL DEFAULT 'x'`.

        Raises:
            MappingError: it is no definition of a column; a constraint has to be its own.
        """
        part = parse_column(name, text, backslashes=self.backslashes, readable=self.readable)
        return self.only_column(part)

    def only_column(self, part: Part) -> ColumnDef:
        """Refuse what a column's definition says of others.

        Raises:
            MappingError: it says more than what the column is.
        """
        if part.constraints or part.column is None:
            name = "a column" if part.column is None else part.column.name
            raise MappingError(f"the definition of {name} holds a constraint; add that by its own")
        return part.column

    def parse_constraint(self, name: str, text: str) -> Constraint:
        """Read `CHECK (n > 0)`, `FOREIGN KEY (a) REFERENCES t (id) ON DELETE CASCADE`, ...

        Raises:
            MappingError: it is none.
        """
        return parse_constraint(name, text, backslashes=self.backslashes)

    @staticmethod
    def readable(type_: str) -> str:
        """Turn a type as the store says it into how `uow` writes it."""
        return type_


def literal(text: str) -> str:
    """Write a text between quotes: DDL takes no parameters.

    Raises:
        MappingError: it holds a NUL character.
    """
    if "\0" in text:
        raise MappingError("text in a definition cannot hold a NUL character")
    return "'" + text.replace("'", "''") + "'"
