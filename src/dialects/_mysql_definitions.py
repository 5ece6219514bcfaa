"""Definitions of MySQL and MariaDB: written, changed by ALTER, and read from SHOW CREATE TABLE."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

import attrs

from uow.dialects._create_table import Part, Reader, parts_of_table, text_of
from uow.dialects._kinds import Make, kind_of_type
from uow.dialects._names import Quoter
from uow.dialects.base import Reading
from uow.dialects.sql_ddl import integer_type
from uow.dialects.sql_definitions import DefinitionWriter
from uow.errors import MappingError
from uow.schema.description import (
    CheckDef,
    ColumnDef,
    Constraint,
    ForeignKeyDef,
    IndexDef,
    KeyDef,
    Name,
    Schema,
    TableDef,
    UniqueDef,
)
from uow.schema.steps import AlterColumn, CreateSchema, RenameTable, Step
from uow.schema.words import Kind, words
from uow.statement import Statement
from uow.types import (
    Binary,
    ColumnType,
    DateTime,
    Float,
    Integer,
    Numeric,
    Text,
    Time,
    UnsignedInteger,
    Uuid,
)

__all__ = ["MariaDBWriter", "MySQLWriter", "mysql_text", "whole_type"]

_SCRATCH: Final = "uow_scratch"

_NOW: Final = re.compile(
    r"\(?(?:utc_timestamp|current_timestamp|now)(?:\(\d?\))?\)?", re.IGNORECASE
)
"""The moment, as the zone of all connections is UTC."""

_USUAL: Final[Mapping[type[ColumnType], str]] = {
    DateTime: "DATETIME(6)",
    Float: "DOUBLE",
    Time: "TIME(6)",
    Uuid: "BINARY(16)",
}
"""What models of a kind are written."""


def whole_type(type_: Integer) -> str:
    """Give the name of a whole number, with a sign or without."""
    sign = " UNSIGNED" if isinstance(type_, UnsignedInteger) else ""
    return f"{integer_type(type_)}{sign}"


class MySQLWriter(DefinitionWriter):
    """Definitions of MySQL."""

    dialect = "mysql"
    backslashes = True
    inline_indexes = True
    makes_up_values = True

    def __init__(self, quote: Quoter, max_identifier_length: int, collation: str) -> None:
        super().__init__(quote, max_identifier_length)
        self.default_collation = collation
        self.table_options = f" ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation}"

    @staticmethod
    def readable(type_: str) -> str:
        """Write a type as models do."""
        return readable_type(type_)

    def text(self, text: str) -> str:
        """Write a text between quotes."""
        return mysql_text(text)

    def identity(self, column: ColumnDef) -> str:
        """Numbered by the store."""
        return f"{column.type} NOT NULL AUTO_INCREMENT"

    def on_update(self, column: ColumnDef) -> str:
        """Give ON UPDATE."""
        return "" if column.on_update is None else f" ON UPDATE {column.on_update}"

    def usual_type(self, kind: ColumnType) -> str | None:
        """Give the type that models of a kind are written."""
        match kind:
            case Integer():
                return whole_type(kind)
            case Text(max_length=length):
                return "LONGTEXT" if length is None else f"VARCHAR({length})"
            case Binary(max_length=length):
                return "LONGBLOB" if length is None else f"VARBINARY({length})"
            case Numeric(precision=int(precision), scale=scale):
                return f"DECIMAL({precision}, {scale or 0})"
            case _:
                return _USUAL.get(type(kind))

    def spelled_as(self, wanted: TableDef, known: TableDef) -> TableDef:
        """Leave alone what models cannot say: values of updates, and how much of a text counts."""
        indexes = {index.name: index for index in known.indexes}

        def column(own: ColumnDef) -> ColumnDef:
            old = known.column(own.name)
            if old is None:
                return own
            is_now = _NOW.fullmatch(own.default or "") and _NOW.fullmatch(old.default or "")
            default = old.default if is_now else own.default
            return attrs.evolve(own, on_update=old.on_update, default=default)

        def index(own: IndexDef) -> IndexDef:
            old = indexes.get(own.name)
            if old is None or own.unique:
                return own
            if [part.column for part in own.parts] != [part.column for part in old.parts]:
                return own  # of other columns, or with expressions elsewhere
            pairs = zip(own.parts, old.parts, strict=True)
            parts = [attrs.evolve(a, length=a.length or b.length) for a, b in pairs]
            return attrs.evolve(own, parts=parts)

        return attrs.evolve(
            wanted,
            columns=tuple([column(one) for one in wanted.columns]),
            indexes=tuple([index(one) for one in wanted.indexes]),
        )

    def inline_comment(self, comment: str | None) -> str:
        """Give COMMENT."""
        return "" if comment is None else f" COMMENT {mysql_text(comment)}"

    def table_comment(self, comment: str | None) -> str:
        """Give COMMENT."""
        return "" if comment is None else f" COMMENT={mysql_text(comment)}"

    def inline_index(self, index: IndexDef) -> str:
        """Give an index; one of an access method of its own is called by that."""
        text = super().inline_index(index)
        return text if index.method is None else f"{index.method.upper()} {text}"

    def create_index(self, table: Name, index: IndexDef, *, if_missing: bool = False) -> str:  # noqa: ARG002
        """Give ALTER TABLE .. ADD."""
        return f"ALTER TABLE {self.name(table)} ADD {self.inline_index(index)}"

    # -- steps

    def other_step(self, step: Step, before: Schema) -> list[str]:
        """A schema is MySQL's other word for a database."""
        if isinstance(step, CreateSchema):
            return [f"CREATE SCHEMA IF NOT EXISTS {self.quote(step.name)}"]
        return super().other_step(step, before)

    def rename_table(self, step: RenameTable) -> list[str]:
        """A name without a schema would be one in the connection's database."""
        return [f"ALTER TABLE {self.name(step.table)} RENAME TO {self.name(step.new)}"]

    def alter_column(self, step: AlterColumn) -> list[str]:
        """Give MODIFY, which says all of it anew."""
        return [f"ALTER TABLE {self.name(step.table)} MODIFY COLUMN {self.column(step.after)}"]

    def drop_constraint(self, table: Name, constraint: Constraint) -> list[str]:
        """Give DROP by the kind of it."""
        match constraint:
            case KeyDef():
                text = "PRIMARY KEY"
            case ForeignKeyDef(name=name):
                text = f"FOREIGN KEY {self.quote(name)}"
            case UniqueDef(name=name):
                text = f"INDEX {self.quote(name)}"
            case _:
                text = f"CONSTRAINT {self.quote(constraint.name)}"
        return [f"ALTER TABLE {self.name(table)} DROP {text}"]

    def drop_index(self, table: Name, index: IndexDef) -> str:
        """Give DROP INDEX, which is about a table here."""
        return f"DROP INDEX {self.quote(index.name)} ON {self.name(table)}"

    def set_comment(self, table: Name, comment: str | None) -> list[str]:
        """Give COMMENT; an empty one is none."""
        return [f"ALTER TABLE {self.name(table)} COMMENT={mysql_text(comment or '')}"]

    # -- what is there

    def read(self, schemas: Collection[str] = (), table: Name | None = None) -> Reading:
        """Read SHOW CREATE TABLE of each table."""
        (default,) = (yield Statement("SELECT DATABASE()", reads=True))[0]
        names = [table] if table is not None else []
        found = {default, *schemas} - {None}
        if table is None:
            given = ", ".join([mysql_text(schema) for schema in sorted(found)])
            rows = yield Statement(
                "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = "
                f"'BASE TABLE' AND table_schema IN ({given}) ORDER BY table_schema, table_name",
                reads=True,
            )
            names = [Name(row[1], None if row[0] == default else row[0]) for row in rows]
            rows = yield Statement(
                "SELECT schema_name FROM information_schema.schemata "
                f"WHERE schema_name IN ({given})",
                reads=True,
            )
            found = {row[0] for row in rows}
        tables: list[TableDef] = []
        for name in names:
            rows = yield Statement(f"SHOW CREATE TABLE {self.name(name)}", reads=True)
            tables.append(self.table(name, rows[0][1]))
        return Schema(
            dialect=self.dialect,
            tables=tuple(tables),
            schemas=frozenset([name for name in found if name != default]),
            default=default,
        )

    def table(self, name: Name, sql: str) -> TableDef:
        """Read one text."""
        parts, tail = parts_of_table(sql, backslashes=True, readable=self.readable)
        options, comment, collation = _options(sql, tail)
        constraints = [one for part in parts for one in part.constraints]
        columns = [
            self.read_column(part, part.column, collation)
            for part in parts
            if part.column is not None
        ]
        keys = [one for one in constraints if isinstance(one, ForeignKeyDef)]
        indexes = [part.index for part in parts if part.index is not None]
        return TableDef(
            name=name,
            columns=tuple(columns),
            key=next((one for one in constraints if isinstance(one, KeyDef)), None),
            checks=tuple(self.checks_of(parts)),
            foreign_keys=tuple([self.read_key(key, name) for key in keys]),
            indexes=tuple([self.read_index(index) for index in indexes]),
            comment=comment,
            options=None if options == self.table_options else options,
        )

    def read_column(self, part: Part, column: ColumnDef, collation: str | None) -> ColumnDef:  # noqa: ARG002
        """Say of a column what models say."""
        default = column.default
        if default is not None and _is_number(column.type):
            default = re.sub(r"\A'([-+]?\d+(?:\.\d+)?)'\Z", r"\1", default)
        return attrs.evolve(
            column,
            default=default,
            generated=bare(column.generated),
            collation=None if column.collation == collation else column.collation,
            comment=column.comment or None,
        )

    def checks_of(self, parts: list[Part]) -> list[CheckDef]:
        """Give the checks."""
        return [
            attrs.evolve(one, sql=bare(one.sql))
            for part in parts
            for one in part.constraints
            if isinstance(one, CheckDef)
        ]

    def read_key(self, key: ForeignKeyDef, table: Name) -> ForeignKeyDef:
        """A target without a schema is in that of the table."""
        target = key.target if key.target.schema else Name(key.target.name, table.schema)
        return attrs.evolve(
            key,
            target=target,
            on_delete=None if key.on_delete == "RESTRICT" else key.on_delete,
            on_update=None if key.on_update == "RESTRICT" else key.on_update,
        )

    def read_index(self, index: IndexDef) -> IndexDef:
        """Expressions without the brackets around all."""
        parts = [attrs.evolve(part, expression=bare(part.expression)) for part in index.parts]
        return attrs.evolve(index, parts=parts)

    def scratch(self, table: TableDef, wanted: Schema) -> tuple[list[str], Name, list[str]] | None:  # noqa: ARG002
        """Make a temporary table; names of checks are unique in a database, so they get others."""
        name = Name(_SCRATCH)
        checks = [
            attrs.evolve(one, name=f"{_SCRATCH}_{number:04}")
            for number, one in enumerate(table.checks)
        ]
        indexes = [index for index in table.indexes if index.method is None]
        own = attrs.evolve(
            table, name=name, checks=tuple(checks), indexes=tuple(indexes), foreign_keys=()
        )
        texts = self.create_table(own, temporary=True)
        return texts, name, [f"DROP TEMPORARY TABLE IF EXISTS {self.name(name)}"]

    def kind(self, column: ColumnDef) -> ColumnType:
        """Sixteen bytes are a UUID, as `uow` keeps it here; MariaDB's own comes as a text."""
        own: dict[str, Make] = {"BINARY(16)": lambda _: Uuid(), "UUID": lambda _: Text()}
        return column.kind or kind_of_type(column.type, own)

    def told(self, wanted: TableDef, told: TableDef) -> TableDef:
        """The checks had other names, in the order of which they were."""
        ordered = sorted(told.checks, key=lambda one: one.name)
        if len(ordered) == len(wanted.checks):
            pairs = zip(ordered, wanted.checks, strict=True)
            named = [attrs.evolve(one, name=own.name) for one, own in pairs]
            told = attrs.evolve(told, checks=tuple(named))
        return super().told(wanted, told)


class MariaDBWriter(MySQLWriter):
    """Definitions of MariaDB."""

    dialect = "mariadb"

    def read_column(self, part: Part, column: ColumnDef, collation: str | None) -> ColumnDef:
        """Know JSON, which is a text that is checked, and put expressions into brackets."""
        column = super().read_column(part, column, collation)
        if _checks_json(part, column):
            column = attrs.evolve(column, type="JSON", collation=None)
        if column.default is not None and not _is_plain(column.default):
            column = attrs.evolve(column, default=f"({bare(column.default)})")
        return column

    def checks_of(self, parts: list[Part]) -> list[CheckDef]:
        """Give the checks that are not a type's."""
        others = [
            part for part in parts if part.column is None or not _checks_json(part, part.column)
        ]
        return super().checks_of(others)


def _checks_json(part: Part, column: ColumnDef) -> bool:
    """Whether a column is what MariaDB makes of JSON ("JSON Data Type")."""
    wanted = ["json_valid", "(", column.name.lower(), ")"]
    return column.type in {"LONGTEXT", "JSON"} and any(
        isinstance(one, CheckDef) and [w.value.lower() for w in words(one.sql)] == wanted
        for one in part.constraints
    )


def _is_plain(default: str) -> bool:
    """Whether a default is a literal, or what needs no brackets."""
    found = words(default, backslashes=True)
    if len(found) == 1 or (len(found) == 2 and found[0].text in {"-", "+", "b", "_utf8mb4"}):
        return True
    return found[0].upper == "CURRENT_TIMESTAMP"


def _options(sql: str, tail: list[Any]) -> tuple[str, str | None, str | None]:
    """What stands behind the columns: the options as text, the comment, the collation."""
    reader = Reader(sql, tail, backslashes=True)
    texts: list[str] = []
    comment = collation = None
    while not reader.is_done:
        word = reader.next()
        key = word.text
        if word.upper == "DEFAULT":
            key = f"DEFAULT {reader.next().text}"
        if reader.upper() != "=":
            break  # partitions, which nobody asked about
        reader.next()
        value = reader.next()
        if key == "COMMENT":
            comment = text_of(value.text, backslashes=True) or None
        elif key != "AUTO_INCREMENT":
            texts.append(f"{key}={value.text}")
        if key == "COLLATE":
            collation = value.text
    return "".join([f" {text}" for text in texts]), comment, collation


def _is_number(type_: str) -> bool:
    names = {"BIGINT", "INTEGER", "SMALLINT", "TINYINT", "MEDIUMINT", "DECIMAL", "DOUBLE", "FLOAT"}
    return type_.partition("(")[0].partition(" ")[0] in {*names, "BOOLEAN"}


def bare(sql: str | None) -> Any:
    """SQL without the brackets around all of it."""
    while sql is not None:
        reader = Reader(sql, backslashes=True)
        if reader.upper() != "(":
            return sql
        inner = reader.group()
        if not reader.is_done or not inner:
            return sql
        sql = reader.source(inner)
    return sql


_WIDTH: Final = re.compile(r"\A(TINYINT|SMALLINT|MEDIUMINT|INT|BIGINT|YEAR)\(\d+\)")


def readable_type(type_: str) -> str:
    """Write a type as models do.

    >>> readable_type("int(11)"), readable_type("tinyint(1)"), readable_type("enum('a', 'b')")
    ('INTEGER', 'BOOLEAN', "ENUM('a', 'b')")
    """
    parts: list[str] = []
    end = 0
    for word in words(type_, backslashes=True):
        if word.kind is Kind.NAME:
            parts += [type_[end : word.start], word.text.upper()]
            end = word.end
    text = "".join([*parts, type_[end:]]).replace(" (", "(")
    if text == "TINYINT(1)":
        return "BOOLEAN"
    if "ZEROFILL" not in text:
        text = _WIDTH.sub(r"\1", text)
    return re.sub(r"\AINT\b", "INTEGER", text)


def mysql_text(text: str) -> str:
    """Write a text between quotes: DDL takes no parameters.

    Raises:
        MappingError: it holds a NUL character.
    """
    if "\0" in text:
        raise MappingError("text in a definition cannot hold a NUL character")
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
