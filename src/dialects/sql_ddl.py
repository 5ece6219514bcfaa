"""CREATE TABLE and its company, shared by the SQL dialects.

`TableDDL` writes what all stores agree on; a dialect overrides a method where its store differs.
DDL takes no parameters, so whatever stands in it is a checked name, a number of ours, or SQL that
the model's author wrote (`check=`, `server_default=`, `generated=`).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from uow.dialects._names import Quoter, constraint_name
from uow.errors import MappingError
from uow.types import (
    Binary,
    Boolean,
    ColumnType,
    Date,
    DateTime,
    Integer,
    Text,
    Time,
    Uuid,
)

if TYPE_CHECKING:
    from uow.mapping.foreign_keys import ForeignKey
    from uow.mapping.mapper import Check, Index, MappedColumn, Mapper, Unique

__all__ = ["TableDDL"]

_NOW = {"NOW()", "CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP()", "LOCALTIMESTAMP", "UTC_TIMESTAMP()"}
_TODAY = {"CURRENT_DATE", "CURRENT_DATE()", "CURDATE()", "UTC_DATE()"}
_TIME_OF_DAY = {"CURRENT_TIME", "CURRENT_TIME()", "LOCALTIME", "CURTIME()", "UTC_TIME()"}
_NEW_UUID = {"GEN_RANDOM_UUID()", "UUID_GENERATE_V4()", "UUID()"}
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?\Z")
_STRING = re.compile(r"'(?:[^']|'')*'\Z")


class TableDDL(ABC):
    """Writes the DDL of mapped tables for one store."""

    quote: Quoter
    max_identifier_length: int
    inline_indexes = False
    """Whether indexes stand inside CREATE TABLE (MySQL has no CREATE INDEX IF NOT EXISTS)."""
    partial_indexes = True
    deferrable = True
    length_checks = False
    """Whether the store ignores the length of VARCHAR, so that a CHECK must hold it."""
    table_options = ""

    # -- what stores differ in

    @abstractmethod
    def column_type(self, column: MappedColumn) -> str:
        """Give the declared type of a column."""

    @abstractmethod
    def now(self, type_: ColumnType) -> str:
        """Give the expression for this moment, as a column of that type keeps it."""

    @abstractmethod
    def new_uuid(self) -> str:
        """Give the expression for a new UUID."""

    @abstractmethod
    def auto_increment(self, column: MappedColumn) -> str:
        """Give the whole definition of a numbered key column, after its name."""

    @abstractmethod
    def length(self, column: MappedColumn) -> str:
        """Give the expression for how long a text or bytes column is."""

    def collation(self, column: MappedColumn) -> str:
        """Give the COLLATE clause of a column, with a space before it, or nothing."""
        if isinstance(column.type, Text) and column.type.collation:
            return f" COLLATE {self.quote(column.type.collation)}"
        return ""

    def inline_comment(self, comment: str | None) -> str:  # noqa: ARG002 - most stores have none
        """Give the comment that stands behind a column's definition, with a space before it."""
        return ""

    def table_comment(self, mapper: Mapper) -> str:  # noqa: ARG002 - most stores have none
        """Give the comment that stands behind a table's definition, with a space before it."""
        return ""

    def comments(self, mapper: Mapper) -> list[str]:  # noqa: ARG002 - most stores have none
        """Give the statements that set comments."""
        return []

    # -- statements

    def create_table(self, mapper: Mapper, *, without: Collection[ForeignKey] = ()) -> list[str]:
        """Give the statements that make a table, its indexes and its comments.

        Args:
            mapper: whose table.
            without: foreign keys to leave out, for tables that refer to each other.
        """
        mapper.configure()
        parts = [self.column(column) for column in mapper.columns]
        parts += self.constraints(mapper)
        parts += [self.foreign_key(key) for key in mapper.foreign_keys if key not in without]
        if self.inline_indexes:
            parts += [self.index_part(index) for index in mapper.indexes]
        body = ",\n  ".join(parts)
        create = (
            f"CREATE TABLE IF NOT EXISTS {self.table(mapper)} (\n  {body}\n)"
            f"{self.table_options}{self.table_comment(mapper)}"
        )
        indexes = [] if self.inline_indexes else [self.create_index(i) for i in mapper.indexes]
        return [create, *indexes, *self.comments(mapper)]

    def add_foreign_keys(self, mapper: Mapper, keys: Sequence[ForeignKey]) -> list[str]:
        """Give the statements that add foreign keys `create_table` left out."""
        return [
            f"ALTER TABLE {self.table(mapper)} ADD {self.foreign_key(foreign_key)}"
            for foreign_key in keys
        ]

    def drop_table(self, mapper: Mapper) -> list[str]:
        """Give the statements that drop a table, if there is one."""
        return [f"DROP TABLE IF EXISTS {self.table(mapper)}"]

    def create_index(self, index: Index) -> str:
        """Give the statement that makes an index."""
        unique = "UNIQUE " if index.unique else ""
        mapper = index.columns[0].mapper
        return (
            f"CREATE {unique}INDEX IF NOT EXISTS {self.index_name(index)} "
            f"ON {self.table(mapper)} ({self.names(index.columns)}){self.index_where(index)}"
        )

    # -- parts

    def table(self, mapper: Mapper) -> str:
        """Give the table's quoted name."""
        if mapper.schema:
            return f"{self.quote(mapper.schema)}.{self.quote(mapper.table_name)}"
        return self.quote(mapper.table_name)

    def names(self, columns: Sequence[MappedColumn]) -> str:
        """Give quoted column names, with commas."""
        return ", ".join(self.quote(column.name) for column in columns)

    def column(self, column: MappedColumn) -> str:
        """Give the definition of one column."""
        name = self.quote(column.name)
        if column.auto_increment:
            return f"{name} {self.auto_increment(column)}{self.inline_comment(column.comment)}"
        text = f"{name} {self.column_type(column)}{self.collation(column)}"
        if column.generated is not None:
            text += f" GENERATED ALWAYS AS ({column.generated}) STORED"
        elif column.server_default is not None:
            text += f" DEFAULT {self.server_default(column)}"
        if not column.nullable and (column.generated is None or self.generated_not_null):
            text += " NOT NULL"
        return text + self.inline_comment(column.comment)

    generated_not_null = True
    """Whether NOT NULL may stand beside GENERATED (MariaDB refuses it)."""

    def constraints(self, mapper: Mapper) -> list[str]:
        """Give the key, the unique constraints and the checks of a table."""
        parts: list[str] = []
        if not self.key_is_inline(mapper):
            parts.append(f"PRIMARY KEY ({self.names(mapper.key)})")
        parts += [self.unique(unique) for unique in mapper.uniques]
        if self.length_checks:
            parts += [self.length_check(c) for c in mapper.columns if _max_length(c) is not None]
        numbers = iter(range(1, len(mapper.checks) + 1))
        parts += [self.check(mapper, check, numbers.__next__()) for check in mapper.checks]
        return parts

    def key_is_inline(self, mapper: Mapper) -> bool:  # noqa: ARG002 - for dialects to answer
        """Say whether the column's own definition already makes it the key."""
        return False

    def unique(self, unique: Unique) -> str:
        """Give a unique constraint."""
        mapper = unique.columns[0].mapper
        name = unique.name or self.make_name("uq", mapper, *(c.name for c in unique.columns))
        return f"CONSTRAINT {self.quote(name)} UNIQUE ({self.names(unique.columns)})"

    def check(self, mapper: Mapper, check: Check, number: int) -> str:
        """Give a check constraint."""
        tail = check.column.name if check.column is not None else str(number)
        name = check.name or self.make_name("ck", mapper, tail)
        return f"CONSTRAINT {self.quote(name)} CHECK ({check.sql})"

    def length_check(self, column: MappedColumn) -> str:
        """Give the check that holds a column to its longest value."""
        name = self.make_name("ck", column.mapper, column.name, "length")
        return (
            f"CONSTRAINT {self.quote(name)} CHECK ({self.length(column)} <= {_max_length(column)})"
        )

    def foreign_key(self, key: ForeignKey) -> str:
        """Give a foreign key constraint."""
        name = key.name or self.make_name("fk", key.mapper, *(c.name for c in key.columns))
        text = (
            f"CONSTRAINT {self.quote(name)} FOREIGN KEY ({self.names(key.columns)}) "
            f"REFERENCES {self.table(key.target)} ({self.names(key.target_columns)})"
        )
        if key.on_delete:
            text += f" ON DELETE {key.on_delete}"
        if key.on_update:
            text += f" ON UPDATE {key.on_update}"
        if key.deferrable and self.deferrable:
            text += " DEFERRABLE INITIALLY DEFERRED"
        return text

    def index_name(self, index: Index) -> str:
        """Give an index's quoted name."""
        return self.quote(index.name)

    def index_where(self, index: Index) -> str:
        """Give the WHERE of a partial index, with a space before it, or nothing."""
        if index.where is None:
            return ""
        if not self.partial_indexes:
            raise MappingError(f"the index {index.name!r} is partial; this store has no such index")
        return f" WHERE {index.where}"

    def index_part(self, index: Index) -> str:
        """Give an index as a part of CREATE TABLE."""
        unique = "UNIQUE " if index.unique else ""
        return (
            f"{unique}INDEX {self.index_name(index)} ({self.names(index.columns)})"
            f"{self.index_where(index)}"
        )

    def make_name(self, prefix: str, mapper: Mapper, *parts: str) -> str:
        """Make the name of a constraint."""
        return constraint_name(self.max_identifier_length, prefix, mapper.table_name, *parts)

    # -- defaults

    def server_default(self, column: MappedColumn) -> str:
        """Translate a default: portable functions and plain values by type, else SQL as given."""
        text = (column.server_default or "").strip()
        word = "".join(text.upper().split())
        if word in _NEW_UUID and isinstance(column.type, Uuid):
            return self.new_uuid()
        if word in _NOW | _TODAY | _TIME_OF_DAY and isinstance(column.type, Date | Time | DateTime):
            return self.now(column.type)
        if word in {"TRUE", "FALSE"} and isinstance(column.type, Boolean):
            return self.boolean(word == "TRUE")
        if word == "NULL":
            return "NULL"
        if _NUMBER.match(text):
            return self.number_default(column, text)
        if _STRING.match(text):
            return self.string_default(column, text)
        return self.expression_default(text)

    def boolean(self, value: bool) -> str:
        """Write a truth value."""
        return "TRUE" if value else "FALSE"

    def number_default(self, column: MappedColumn, text: str) -> str:  # noqa: ARG002
        """Write a number as a default."""
        return text

    def string_default(self, column: MappedColumn, text: str) -> str:  # noqa: ARG002
        """Write a quoted string as a default."""
        return text

    def expression_default(self, text: str) -> str:
        """Write SQL as a default."""
        return f"({text})"


def _max_length(column: MappedColumn) -> int | None:
    if isinstance(column.type, Text | Binary):
        return column.type.max_length
    return None


def integer_type(type_: Integer) -> str:
    """Give the standard name of a whole number of that width."""
    return {16: "SMALLINT", 32: "INTEGER"}.get(type_.bits, "BIGINT")
