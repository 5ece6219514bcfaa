"""Definitions of PostgreSQL: written, changed by ALTER, and read from the catalogue."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import chain, count
from typing import Any, Final, final

import attrs

from uow.dialects._postgresql_catalog import read_catalog, readable_type
from uow.dialects.base import Reading
from uow.dialects.sql_ddl import integer_type
from uow.dialects.sql_definitions import DefinitionWriter, literal
from uow.errors import MappingError
from uow.schema.description import (
    ColumnDef,
    Constraint,
    KeyDef,
    Name,
    Schema,
    SequenceDef,
    TableDef,
    TypeDef,
)
from uow.schema.steps import (
    AlterColumn,
    ChangeFields,
    ChangeLabels,
    CreateSchema,
    CreateSequence,
    CreateType,
    DropSequence,
    DropType,
    Step,
)
from uow.types import ColumnType, DateTime, Float, Integer, Interval, Json, Text, Time

__all__ = ["PostgreSQLWriter", "block"]

_SIZE: Final = re.compile(r"\(\d+(, *\d+)?\)")


_USUAL: Final[Mapping[type[ColumnType], str]] = {
    Float: "DOUBLE PRECISION",
    Interval: "INTERVAL",
    Json: "JSONB",
    Time: "TIME",
}
"""What models of a kind are written."""

_SERIALS: Final = {"SMALLINT": "SMALLSERIAL", "INTEGER": "SERIAL", "BIGINT": "BIGSERIAL"}


@final
class PostgreSQLWriter(DefinitionWriter):
    """Definitions of PostgreSQL."""

    dialect = "postgresql"

    @staticmethod
    def readable(type_: str) -> str:
        """Write a type as models do."""
        return readable_type(type_)

    def identity(self, column: ColumnDef) -> str:
        """An identity; a key may still be given, unless the model says it must not."""
        if column.identity == "serial":
            return f"{_SERIALS.get(column.type, 'BIGSERIAL')} NOT NULL"
        return f"{column.type} {self._identity(column)} NOT NULL"

    def _identity(self, column: ColumnDef) -> str:
        return f"GENERATED {(column.identity or '').upper()} AS IDENTITY"

    def comments(self, table: TableDef) -> list[str]:
        """Give COMMENT ON for the table and its columns."""
        columns = [self.column_comment(table.name, column, None) for column in table.columns]
        return [
            *([] if table.comment is None else self.set_comment(table.name, table.comment)),
            *chain.from_iterable(columns),
        ]

    def set_comment(self, table: Name, comment: str | None) -> list[str]:
        """Give COMMENT ON TABLE."""
        return [f"COMMENT ON TABLE {self.name(table)} IS {self._comment(comment)}"]

    def column_comment(self, table: Name, column: ColumnDef, before: str | None) -> list[str]:
        """Give COMMENT ON COLUMN, if it is to be another."""
        if column.comment == before:
            return []
        place = f"{self.name(table)}.{self.quote(column.name)}"
        return [f"COMMENT ON COLUMN {place} IS {self._comment(column.comment)}"]

    def _comment(self, comment: str | None) -> str:
        return "NULL" if comment is None else literal(comment)

    # -- steps

    def alter_column(self, step: AlterColumn) -> list[str]:
        """Give ALTER TABLE, and what sets the comment."""
        before, after = step.before, step.after
        column = f"ALTER COLUMN {self.quote(after.name)}"
        parts: list[str] = []
        retyped = (before.type, before.collation) != (after.type, after.collation)
        was_serial = before.identity == "serial" and after.identity != "serial"
        if before.identity not in {None, "serial"} and after.identity in {None, "serial"}:
            parts.append(f"{column} DROP IDENTITY")
        if before.default is not None and (retyped or after.default is None):
            parts.append(f"{column} DROP DEFAULT")
        if retyped:
            parts.append(f"{column} {self._type(before, after)}")
        if before.nullable != after.nullable:
            parts.append(f"{column} {'DROP' if after.nullable else 'SET'} NOT NULL")
        if after.default is not None and (retyped or before.default != after.default):
            parts.append(f"{column} SET DEFAULT {after.default}")
        texts: list[str] = []
        if after.identity == "serial" and before.identity != "serial":
            texts += self._serial(step.table, after)
        elif after.identity is not None and before.identity != after.identity:
            if before.identity is None or was_serial:
                parts.append(f"{column} ADD {self._identity(after)}")
                texts.append(self._numbered_on(step.table, after))
            else:
                parts.append(f"{column} SET GENERATED {after.identity.upper()}")
        # One by one: the server takes types before all else, and a default may not fit the new one.
        table = self.name(step.table)
        return [
            *([self._no_serial(step.table, before)] if was_serial else []),
            *[f"ALTER TABLE {table} {part}" for part in parts],
            *texts,
            *self.column_comment(step.table, after, before.comment),
        ]

    def _type(self, before: ColumnDef, after: ColumnDef) -> str:
        """Say the new type. A cast to one without limits lets what is too long be an error.

        Between truth values and numbers there is a cast for INTEGER alone.
        """
        collation = "" if after.collation is None else f" COLLATE {self.quote(after.collation)}"
        value = self.quote(after.name)
        types = {before.type.upper(), after.type.upper()}
        if "BOOLEAN" in types and types & {"BIGINT", "SMALLINT"}:
            value = f"CAST({value} AS INTEGER)"
        cast = f"CAST({value} AS {_SIZE.sub('', after.type)})"
        return f"TYPE {after.type}{collation} USING {cast}"

    def _serial(self, table: Name, column: ColumnDef) -> list[str]:
        """Number a column by a sequence that is its own, as `serial` does."""
        name = self.name(Name(f"{table.name}_{column.name}_seq"[-63:], table.schema))
        place = f"{self.name(table)}.{self.quote(column.name)}"
        return [
            f"CREATE SEQUENCE {name} AS {column.type} OWNED BY {place}",
            (
                f"ALTER TABLE {self.name(table)} ALTER COLUMN {self.quote(column.name)} "
                f"SET DEFAULT nextval({literal(name)}::regclass)"
            ),
            self._numbered_on(table, column),
        ]

    def _no_serial(self, table: Name, column: ColumnDef) -> str:
        """Drop the sequence of a column, and the default that takes from it."""
        name = literal(self.name(table))
        return block(
            f"EXECUTE 'DROP SEQUENCE ' || pg_get_serial_sequence({name}, {literal(column.name)}) "
            "|| ' CASCADE';"
        )

    def usual_type(self, kind: ColumnType) -> str | None:
        """Give the type that models of a kind are written."""
        match kind:
            case Integer():
                return integer_type(kind)
            case Text(max_length=length):
                return "TEXT" if length is None else f"VARCHAR({length})"
            case DateTime(timezone=zone):
                return "TIMESTAMPTZ" if zone else "TIMESTAMP"
            case _:
                return _USUAL.get(type(kind))

    def spelled_as(self, wanted: TableDef, known: TableDef) -> TableDef:
        """Take a column that is numbered by `serial` for one that is an identity."""

        def column(own: ColumnDef) -> ColumnDef:
            old = known.column(own.name)
            is_alike = old is not None and old.identity == "serial"
            if is_alike and own.identity == "by default":
                return attrs.evolve(own, identity="serial")
            return own

        return attrs.evolve(wanted, columns=tuple([column(one) for one in wanted.columns]))

    def _numbered_on(self, table: Name, column: ColumnDef) -> str:
        """Let numbers go on behind those that are there."""
        name, quoted = self.name(table), self.quote(column.name)
        return (
            f"SELECT setval(pg_get_serial_sequence({literal(name)}, {literal(column.name)}), "
            f"coalesce(max({quoted}), 0) + 1, false) FROM {name}"
        )

    def drop_constraint(self, table: Name, constraint: Constraint) -> list[str]:
        """Give DROP CONSTRAINT; a key that nobody named has the name that the server gave it."""
        name = constraint.name
        if isinstance(constraint, KeyDef) and name is None:
            return [
                block(
                    f"EXECUTE (SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', "
                    f"conrelid::regclass, conname) FROM pg_constraint WHERE contype = 'p' AND "
                    f"conrelid = {literal(self.name(table))}::regclass);"
                )
            ]
        return [f"ALTER TABLE {self.name(table)} DROP CONSTRAINT {self.quote(name or '')}"]

    def other_step(self, step: Step, before: Schema) -> list[str]:
        """Give what makes and drops schemas, types and sequences."""
        match step:
            case CreateSchema(name=name):
                return [f"CREATE SCHEMA IF NOT EXISTS {self.quote(name)}"]
            case CreateType(type=type_):
                return [f"CREATE TYPE {self.name(type_.name)} AS {self.type_body(type_)}"]
            case DropType(type=type_):
                return [_unless_used(f"DROP TYPE {self.name(type_.name)}")]
            case ChangeLabels():
                return self._change_labels(step, before)
            case ChangeFields():
                return self._change_fields(step, before)
            case CreateSequence(sequence=sequence):
                return [self.create_sequence(sequence)]
            case DropSequence(sequence=sequence):
                return [_unless_used(f"DROP SEQUENCE {self.name(sequence.name)}")]
            case _:
                return super().other_step(step, before)

    def _change_labels(self, step: ChangeLabels, before: Schema) -> list[str]:
        """Add labels, or put a new type in the place of the old one.

        A label that was added cannot be used in the same transaction; that is a default's case
        only, which makes the new type be the way.
        """
        name = self.name(step.after.name)
        users = _users(step.before.name, self, before)
        if step.only_adds and not any(column.default for _, column in users):
            return self._add_labels(step)
        old = attrs.evolve(step.before.name, name=f"{step.before.name.name}_old"[-63:])
        texts = [
            f"ALTER TYPE {name} RENAME TO {self.quote(old.name)}",
            f"CREATE TYPE {name} AS {self.type_body(step.after)}",
        ]
        for table, column in users:
            alter = f"ALTER TABLE {self.name(table)} ALTER COLUMN {self.quote(column.name)}"
            is_many = column.type.endswith("[]")
            via = "text[]" if is_many else "text"
            if column.default is not None:
                texts.append(f"{alter} DROP DEFAULT")
            texts.append(
                f"{alter} TYPE {column.type} USING {self.quote(column.name)}::{via}::{column.type}"
            )
            if column.default is not None:
                texts.append(f"{alter} SET DEFAULT {column.default}")
        return [*texts, f"DROP TYPE {self.name(old)}"]

    def _change_fields(self, step: ChangeFields, before: Schema) -> list[str]:
        """Add and drop fields, or put a new type in the place of the old one.

        Raises:
            MappingError: a column has many rows of a type that must be made anew.
        """
        name = self.name(step.after.name)
        old, new = dict(step.before.fields), dict(step.after.fields)
        if step.only_adds_and_drops:
            parts = [f"DROP ATTRIBUTE {self.quote(field)}" for field in old if field not in new]
            parts += [
                f"ADD ATTRIBUTE {self.quote(field)} {type_}"
                for field, type_ in new.items()
                if field not in old
            ]
            return [f"ALTER TYPE {name} {', '.join(parts)}"]
        users = _users(step.before.name, self, before)
        for table, column in users:
            if column.type.endswith("[]"):
                raise MappingError(
                    f"{step}: {table}.{column.name} has many of them, which PostgreSQL does not "
                    "convert; add fields behind the others, or drop the column first"
                )
        aside = attrs.evolve(step.before.name, name=f"{step.before.name.name}_old"[-63:])
        texts = [
            f"ALTER TYPE {name} RENAME TO {self.quote(aside.name)}",
            f"CREATE TYPE {name} AS {self.type_body(step.after)}",
        ]
        for table, column in users:
            value = self.quote(column.name)
            fields = ", ".join(
                [
                    f"CAST(({value}).{self.quote(field)} AS {type_})"
                    if field in old
                    else f"CAST(NULL AS {type_})"
                    for field, type_ in new.items()
                ]
            )
            alter = f"ALTER TABLE {self.name(table)} ALTER COLUMN {value}"
            row = f"CASE WHEN {value} IS DISTINCT FROM NULL THEN CAST(ROW({fields}) AS {name}) END"
            texts += [f"{alter} DROP DEFAULT"] if column.default is not None else []
            texts.append(f"{alter} TYPE {name} USING {row}")
            if column.default is not None:
                texts.append(f"{alter} SET DEFAULT {column.default}")
        return [*texts, f"DROP TYPE {self.name(aside)}"]

    def _add_labels(self, step: ChangeLabels) -> list[str]:
        texts: list[str] = []
        known = list(step.before.labels)
        for place, label in enumerate(step.after.labels):
            if label in known:
                continue
            where = ""
            if place < len(known):
                where = f" BEFORE {literal(known[place])}"
            known.insert(place, label)
            texts.append(
                f"ALTER TYPE {self.name(step.after.name)} ADD VALUE {literal(label)}{where}"
            )
        return texts

    def type_body(self, type_: TypeDef) -> str:
        """Give what a type of our own is made of."""
        if type_.is_enum:
            return f"ENUM ({', '.join([literal(label) for label in type_.labels])})"
        parts = [f"{self.quote(name)} {declared}" for name, declared in type_.fields]
        return f"({', '.join(parts)})"

    def create_sequence(self, sequence: SequenceDef, *, if_missing: bool = False) -> str:
        """Give CREATE SEQUENCE."""
        condition = "IF NOT EXISTS " if if_missing else ""
        return (
            f"CREATE SEQUENCE {condition}{self.name(sequence.name)} "
            f"START WITH {sequence.start} INCREMENT BY {sequence.increment}{_limit(sequence)}"
        )

    # -- what is there

    def read(self, schemas: Collection[str] = (), table: Name | None = None) -> Reading:
        """Read the catalogue."""
        return read_catalog(self, schemas, table)

    def scratch(self, table: TableDef, wanted: Schema) -> tuple[list[str], Name, list[str]] | None:  # noqa: ARG002
        """Make a temporary table of the same name."""
        own = attrs.evolve(table, name=Name(table.name.name), foreign_keys=())
        texts = self.create_table(own, temporary=True)
        place = Name(table.name.name, "pg_temp")
        return texts, place, [f"DROP TABLE {self.name(place)}"]


def _users(type_: Name, writer: PostgreSQLWriter, schema: Schema) -> list[tuple[Name, Any]]:
    """The columns of a type, or of many of it."""
    declared = writer.name(type_)
    return [
        (table.name, column)
        for table in schema.tables
        for column in table.columns
        if column.type.removesuffix("[]") == declared
    ]


def _unless_used(text: str) -> str:
    """Leave alone what a table uses that nobody looked at."""
    return block(f"{text}; EXCEPTION WHEN dependent_objects_still_exist THEN NULL;")


def _limit(sequence: SequenceDef) -> str:
    """Give the limit that a start beyond the usual one needs, with a space before it."""
    if sequence.increment > 0:
        return f" MINVALUE {sequence.start}" if sequence.start < 1 else ""
    return f" MAXVALUE {sequence.start}" if sequence.start > -1 else ""


def block(body: str) -> str:
    """Write an anonymous block, between dollar quotes that do not occur in it."""
    tags = chain(["$$"], (f"$b{number}$" for number in count(1)))
    tag = next(tag for tag in tags if tag not in body)
    return f"DO {tag} BEGIN {body} END {tag}"
