"""DDL of MySQL and MariaDB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

import attrs

from uow.dialects import codecs
from uow.dialects._mysql_definitions import MySQLWriter, mysql_text, whole_type
from uow.dialects.sql_ddl import TableDDL, is_ordinary
from uow.errors import MappingError
from uow.schema.description import CheckDef, IndexDef, TableDef
from uow.types import (
    Array,
    Binary,
    Boolean,
    ColumnType,
    Composite,
    Date,
    DateTime,
    EnumType,
    Float,
    Integer,
    Interval,
    IpAddress,
    IpInterface,
    IpNetwork,
    Json,
    Native,
    Numeric,
    RangeType,
    Text,
    Time,
    UnsignedInteger,
    Uuid,
)

if TYPE_CHECKING:
    from uow.mapping.foreign_keys import ForeignKey
    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = ["MOST_DIGITS", "MOST_SCALE", "MariaDBDDL", "MySQLDDL", "decimal_type"]

INDEXED_TEXT: Final = 255
"""The length of an indexed text column that names none: an index takes 3,072 bytes."""

MOST_DIGITS: Final = 65
MOST_SCALE: Final = 30


class MySQLDDL(TableDDL):
    """DDL of MySQL."""

    dialect = "mysql"
    partial_indexes = False
    index_collations = False
    index_methods = frozenset({"fulltext", "spatial"})
    deferrable = False
    uuid_expression = "(UUID_TO_BIN(UUID()))"

    def __init__(self, writer: MySQLWriter) -> None:
        super().__init__(writer)
        self.default_collation = writer.default_collation

    def column_type(self, column: MappedColumn) -> str:
        """Give a declared type."""
        type_ = self.type_of(column)
        if isinstance(type_, Text):
            return self.text_type(column, type_.max_length)
        if isinstance(type_, Binary):
            return self.binary_type(column, type_.max_length)
        return codecs.look_up(_DECLARED, type_, "MySQL")

    def binary_type(self, column: MappedColumn, length: int | None) -> str:
        """Give the type of a bytes column; an index needs a length."""
        if length is None:
            return f"VARBINARY({INDEXED_TEXT})" if is_indexed(column) else "LONGBLOB"
        return f"VARBINARY({length})" if length <= 65_000 else "LONGBLOB"

    def text_type(self, column: MappedColumn, length: int | None) -> str:
        """Give the type of a text column; an index needs a length."""
        if length is None:
            return f"VARCHAR({INDEXED_TEXT})" if is_indexed(column) else "LONGTEXT"
        return f"VARCHAR({length})" if length <= 16_000 else "LONGTEXT"

    def identity_type(self, column: MappedColumn) -> str:
        """The type of its numbers."""
        return whole_type(cast("Integer", column.type))

    def describe(self, mapper: Mapper) -> TableDef:
        """Say what is a unique constraint elsewhere as the index that it is here.

        A foreign key needs an index over its columns; where there is none the store makes one by
        the key's name, so it is said here.
        """
        table = super().describe(mapper)
        uniques = [IndexDef(name=one.name, parts=one.columns, unique=True) for one in table.uniques]
        indexes = [*uniques, *table.indexes]
        covered: list[tuple[str | None, ...]] = [] if table.key is None else [table.key.columns]
        covered += [tuple([part.column for part in index.parts]) for index in indexes]
        for key in table.foreign_keys:
            if not any(columns[: len(key.columns)] == key.columns for columns in covered):
                indexes.append(IndexDef(name=key.name, parts=key.columns))
                covered.append(key.columns)
        return attrs.evolve(table, uniques=(), indexes=tuple(indexes))

    def action(self, action: str | None) -> str | None:
        """RESTRICT is what is done anyway: nothing is deferred here."""
        return None if action in {"NO ACTION", "RESTRICT"} else action

    def comment(self, comment: str | None) -> str | None:
        """An empty one is none."""
        return comment or None

    def checks(self, mapper: Mapper) -> tuple[CheckDef, ...]:
        """Add what the unbounded types do not hold themselves."""
        found = list(super().checks(mapper))
        for column in mapper.table_columns:
            has_limit = self.max_length(column) is not None
            if has_limit and self.column_type(column) in {"LONGTEXT", "LONGBLOB"}:
                found.append(self.length_check(column))
        return tuple(found)

    def length(self, column: MappedColumn) -> str:
        """Characters of text, bytes of a blob."""
        name = "CHAR_LENGTH" if isinstance(self.type_of(column), Text) else "LENGTH"
        return f"{name}({self.quote(column.name)})"

    def now(self, type_: ColumnType) -> str:
        """Give the statement's moment, in UTC whatever the session's zone."""
        match type_:
            case Date():
                return "(UTC_DATE())"
            case Time():
                return "(UTC_TIME(6))"
            case _:
                return "(UTC_TIMESTAMP(6))"

    def create_objects(self, mappers: Sequence[Mapper]) -> list[str]:
        """Give CREATE SCHEMA, which is MySQL's other word for a database."""
        schemas = dict.fromkeys([m.schema for m in mappers if m.schema is not None])
        return [f"CREATE SCHEMA IF NOT EXISTS {self.quote(schema)}" for schema in schemas]

    def add_foreign_keys(self, mapper: Mapper, keys: Sequence[ForeignKey]) -> list[str]:
        """Add those that are not there."""
        return [
            text
            for key in keys
            for text in self.where_key(
                key,
                "= 0",
                f"{self.alter(mapper)} ADD {self.writer.constraint(self.foreign_key(key))}",
            )
        ]

    def drop_foreign_keys(self, mapper: Mapper, keys: Sequence[ForeignKey]) -> list[str]:
        """Drop those that are there."""
        return [
            text
            for key in keys
            for text in self.where_key(
                key,
                "> 0",
                f"{self.alter(mapper)} DROP FOREIGN KEY {self.quote(self.foreign_key_name(key))}",
            )
        ]

    def alter(self, mapper: Mapper) -> str:
        """Give ALTER TABLE with the name."""
        return f"ALTER TABLE {self.table(mapper)}"

    def where_key(self, key: ForeignKey, count: str, sql: str) -> list[str]:
        """Run a definition if a foreign key is there, or is not: there is no IF EXISTS for them."""
        schema = "DATABASE()" if key.mapper.schema is None else mysql_text(key.mapper.schema)
        name = self.foreign_key_name(key)
        asked = (
            f"SELECT IF(COUNT(*) {count}, {mysql_text(sql)}, 'DO 0')"
            f" FROM information_schema.table_constraints WHERE constraint_schema = {schema}"
            f" AND table_name = {mysql_text(key.mapper.table_name)}"
            f" AND constraint_name = {mysql_text(name)} AND constraint_type = 'FOREIGN KEY'"
        )
        return [
            f"SET @uow_definition = ({asked})",
            "PREPARE uow_definition FROM @uow_definition",
            "EXECUTE uow_definition",
            "DEALLOCATE PREPARE uow_definition",
            "SET @uow_definition = NULL",
        ]

    def new_uuid(self) -> str:
        """Give a new UUID's bytes."""
        return self.uuid_expression

    def string_default(self, column: MappedColumn, text: str) -> str:
        """Write a string; large types take an expression only."""
        large = {"LONGTEXT", "LONGBLOB", "JSON"}
        return f"({text})" if self.column_type(column) in large else text


def is_indexed(column: MappedColumn) -> bool:
    """Say whether a column is in the key, an index, a unique constraint or a foreign key."""
    mapper = column.mapper
    groups = (
        mapper.key,
        *([part.column for part in i.parts] for i in mapper.indexes if i.unique or is_ordinary(i)),
        *(unique.columns for unique in mapper.uniques),
        *(key.columns for key in mapper.foreign_keys),
    )
    return any(column in group for group in groups)


def decimal_type(type_: Numeric) -> str:
    """Give DECIMAL; without a precision the widest there is."""
    if type_.precision is None:
        scale = MOST_SCALE if type_.scale is None else type_.scale
        return f"DECIMAL({MOST_DIGITS}, {scale})"
    if type_.precision > MOST_DIGITS or (type_.scale or 0) > MOST_SCALE:
        raise MappingError(
            f"DECIMAL({type_.precision}, {type_.scale}) is wider than "
            f"DECIMAL({MOST_DIGITS}, {MOST_SCALE})"
        )
    return f"DECIMAL({type_.precision}, {type_.scale or 0})"


def _declared_enum(type_: EnumType) -> str:
    if isinstance(codecs.enum_store_type(type_), Integer):
        return "BIGINT"
    if type_.native_name is None:
        return f"VARCHAR({INDEXED_TEXT})"
    labels = ", ".join([mysql_text(label) for label in codecs.enum_labels(type_)])
    return f"ENUM({labels})"


_DECLARED: Final[codecs.TypeTable[str]] = {
    Integer: whole_type,
    UnsignedInteger: whole_type,
    Boolean: lambda _: "BOOLEAN",
    Float: lambda _: "DOUBLE",
    Uuid: lambda _: "BINARY(16)",
    Numeric: decimal_type,
    Date: lambda _: "DATE",
    Time: lambda _: "TIME(6)",
    DateTime: lambda _: "DATETIME(6)",
    Interval: lambda _: "BIGINT",
    Json: lambda _: "JSON",
    Array: lambda _: "JSON",
    EnumType: _declared_enum,
    RangeType: lambda _: "VARCHAR(100)",
    IpAddress: lambda _: "VARCHAR(39)",
    IpInterface: lambda _: "VARCHAR(43)",
    IpNetwork: lambda _: "VARCHAR(43)",
    Composite: lambda _: "JSON",
    Native: lambda t: t.name,
}


class MariaDBDDL(MySQLDDL):
    """DDL of MariaDB."""

    dialect = "mariadb"
    uuid_expression = "(UNHEX(REPLACE(UUID(), '-', '')))"
    generated_not_null = False
    expression_indexes = False

    def add_foreign_keys(self, mapper: Mapper, keys: Sequence[ForeignKey]) -> list[str]:
        """Add those that are not there."""
        table = self.table(mapper)
        names = [self.quote(self.foreign_key_name(key)) for key in keys]
        bodies = [
            self.writer.foreign_key_body(self.foreign_key(key), f"IF NOT EXISTS {name} ")
            for key, name in zip(keys, names, strict=True)
        ]
        return [
            f"ALTER TABLE {table} ADD CONSTRAINT {name} {body}"
            for name, body in zip(names, bodies, strict=True)
        ]

    def drop_foreign_keys(self, mapper: Mapper, keys: Sequence[ForeignKey]) -> list[str]:
        """Drop those that are there."""
        return [
            f"ALTER TABLE IF EXISTS {self.table(mapper)} "
            f"DROP FOREIGN KEY IF EXISTS {self.quote(self.foreign_key_name(key))}"
            for key in keys
        ]
