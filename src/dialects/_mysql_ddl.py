"""DDL of MySQL and MariaDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from uow.dialects import codecs
from uow.dialects._names import Quoter
from uow.dialects.sql_ddl import TableDDL, integer_type
from uow.errors import MappingError
from uow.types import (
    Array,
    Binary,
    Boolean,
    ColumnType,
    Date,
    DateTime,
    EnumType,
    Float,
    Integer,
    Interval,
    Json,
    Numeric,
    RangeType,
    Text,
    Time,
    Uuid,
)

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = ["MOST_DIGITS", "MOST_SCALE", "MariaDBDDL", "MySQLDDL", "decimal_type"]

INDEXED_TEXT: Final = 255
"""The length of an indexed text column that names none: an index takes 3,072 bytes."""

MOST_DIGITS: Final = 65
MOST_SCALE: Final = 30


class MySQLDDL(TableDDL):
    """DDL of MySQL."""

    inline_indexes = True
    partial_indexes = False
    deferrable = False
    uuid_expression = "(UUID_TO_BIN(UUID()))"

    def __init__(self, quote: Quoter, max_identifier_length: int, collation: str) -> None:
        self.quote = quote
        self.max_identifier_length = max_identifier_length
        self.default_collation = collation
        self.table_options = f" ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation}"

    def column_type(self, column: MappedColumn) -> str:
        """Give a declared type."""
        type_ = column.type
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

    def auto_increment(self, column: MappedColumn) -> str:
        """Numbered by the store."""
        return f"{integer_type(cast('Integer', column.type))} NOT NULL AUTO_INCREMENT"

    def constraints(self, mapper: Mapper) -> list[str]:
        """Add what the unbounded types do not hold themselves."""
        parts = super().constraints(mapper)
        for column in mapper.columns:
            length = getattr(column.type, "max_length", None)
            if length is not None and self.column_type(column) in {"LONGTEXT", "LONGBLOB"}:
                parts.append(self.length_check(column))
        return parts

    def length(self, column: MappedColumn) -> str:
        """Characters of text, bytes of a blob."""
        name = "CHAR_LENGTH" if isinstance(column.type, Text) else "LENGTH"
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

    def new_uuid(self) -> str:
        """Give a new UUID's bytes."""
        return self.uuid_expression

    def string_default(self, column: MappedColumn, text: str) -> str:
        """Write a string; large types take an expression only."""
        large = {"LONGTEXT", "LONGBLOB", "JSON"}
        return f"({text})" if self.column_type(column) in large else text

    def inline_comment(self, comment: str | None) -> str:
        """Give COMMENT."""
        return "" if comment is None else f" COMMENT {comment_text(comment)}"

    def table_comment(self, mapper: Mapper) -> str:
        """Give COMMENT."""
        return "" if mapper.comment is None else f" COMMENT={comment_text(mapper.comment)}"


def is_indexed(column: MappedColumn) -> bool:
    """Say whether a column is in the key, an index, a unique constraint or a foreign key."""
    mapper = column.mapper
    groups = (
        mapper.key,
        *(index.columns for index in mapper.indexes),
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
    is_number = isinstance(codecs.enum_store_type(type_.enum_class), Integer)
    return "BIGINT" if is_number else f"VARCHAR({INDEXED_TEXT})"


_DECLARED: Final[codecs.TypeTable[str]] = {
    Integer: integer_type,
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
}


def comment_text(comment: str) -> str:
    """Write a comment of a model's author between quotes: DDL takes no parameters."""
    if "\0" in comment:
        raise MappingError("a comment cannot hold a NUL character")
    return "'" + comment.replace("\\", "\\\\").replace("'", "''") + "'"


class MariaDBDDL(MySQLDDL):
    """DDL of MariaDB."""

    uuid_expression = "(UNHEX(REPLACE(UUID(), '-', '')))"
    generated_not_null = False
