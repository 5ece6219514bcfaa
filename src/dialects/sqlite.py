"""SQLite. What it lacks are functions of ours (`_sqlite_functions.py`) that its drivers register.

How values are kept: whole numbers, truth values and intervals (microseconds) as INTEGER, doubles as
REAL, UUIDs as 16 bytes, everything else as text. Instants are UTC text of fixed width, so they
sort; decimals are text with the scale of their column and compare by the collation `uow_decimal`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias, cast, final

from uow.dialects import codecs
from uow.dialects._names import Quoter
from uow.dialects._sqlite_definitions import SQLiteWriter
from uow.dialects._sqlite_functions import (
    SQLITE_AGGREGATES,
    SQLITE_COLLATIONS,
    SQLITE_FUNCTIONS,
)
from uow.dialects.base import Capabilities, Decoder, Encoder
from uow.dialects.helper_texts import SQLiteHelperTexts
from uow.dialects.sql import SqlDialect, chunks
from uow.dialects.sql_compiler import SqlCompiler
from uow.dialects.sql_ddl import TableDDL, integer_type
from uow.errors import MappingError
from uow.expressions.nodes import (
    Expression,
)
from uow.query.statements import InsertRows, UpdateRows
from uow.schema.description import Name
from uow.statement import Many, Sendable, Statement
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
    Uuid,
)

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper

from uow.dialects._sqlite_compiler import SQLiteCompiler

__all__ = [
    "SQLITE_AGGREGATES",
    "SQLITE_COLLATIONS",
    "SQLITE_FUNCTIONS",
    "SQLiteDialect",
]

AnyExpression: TypeAlias = Expression[Any]

ROWS_PER_INSERT: Final = 100
"""One INSERT of a hundred rows costs less than half of a hundred with one; more gain nothing."""

ROWS_PER_UPDATE: Final = 100

FEW_ROWS: Final = 8
"""Fewer rows to update than this are not worth a text of their own."""


# -- DDL


@final
class SQLiteDDL(TableDDL):
    """DDL of SQLite. Declared types tell what is kept and give the right affinity."""

    dialect = "sqlite"
    length_checks = True

    def table_name(self, mapper: Mapper) -> Name:
        """Give the table's name; there are no schemas but SQLite's own two."""
        if mapper.schema not in {None, "main", "temp"}:
            raise MappingError(
                f"{mapper.name}: SQLite has no schemas, so no {mapper.full_table_name!r}"
            )
        return super().table_name(mapper)

    def column_type(self, column: MappedColumn) -> str:
        """Give a declared type; which one decides the affinity ("Datatypes In SQLite", 3.1).

        A key of one whole number is the row's own number if it is called INTEGER, no other way
        ("ROWIDs and the INTEGER PRIMARY KEY"), and then there is one tree to keep, not two.
        """
        declared = declared_type(self.type_of(column))
        is_row_number = isinstance(column.type, Integer) and column.mapper.key == (column,)
        return "INTEGER" if is_row_number else declared

    def identity_type(self, column: MappedColumn) -> str:  # noqa: ARG002 - the same for all
        """What is the row's own number is called INTEGER, no other way."""
        return "INTEGER"

    def comment(self, comment: str | None) -> str | None:  # noqa: ARG002 - the same for all
        """There are none."""
        return None

    def length(self, column: MappedColumn) -> str:
        """Characters of text, bytes of a blob."""
        return f"length({self.quote(column.name)})"

    def now(self, type_: ColumnType) -> str:
        """Give this moment, in milliseconds: SQLite's clock has no finer step."""
        match type_:
            case Date():
                return "(date('now'))"
            case Time():
                return "(strftime('%H:%M:%f000', 'now'))"
            case DateTime(timezone=False):
                return "(strftime('%Y-%m-%d %H:%M:%f000', 'now'))"
            case _:
                return "(strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now'))"

    def new_uuid(self) -> str:
        """Give random bytes with the marks of version 4."""
        return (
            "(unhex(hex(randomblob(6)) || '4' || substr(hex(randomblob(2)), 2) || "
            "substr('89AB', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || "
            "hex(randomblob(6))))"
        )

    def boolean(self, value: bool) -> str:
        """Truth values are numbers."""
        return "1" if value else "0"

    def number_default(self, column: MappedColumn, text: str) -> str:
        """Write a number; of a decimal column in the form it is kept in."""
        if isinstance(column.type, Numeric):
            return f"'{self._decimal(column, text)}'"
        return text

    def string_default(self, column: MappedColumn, text: str) -> str:
        """Write a quoted string; of a decimal column in the form it is kept in."""
        if isinstance(column.type, Numeric):
            return f"'{self._decimal(column, text[1:-1])}'"
        return text

    def _decimal(self, column: MappedColumn, text: str) -> str:
        type_ = cast("Numeric", column.type)
        try:
            return codecs.decimal_text(Decimal(text), type_.scale, type_.precision)
        except (ValueError, ArithmeticError):
            raise MappingError(f"{column}: the server default does not fit the column") from None


def declared_type(type_: ColumnType) -> str:
    """Give the type a column is declared with."""
    return codecs.look_up(_DECLARED, type_, "SQLite")


def _declared_decimal(type_: Numeric) -> str:
    if type_.precision is None:
        return "DECIMAL_TEXT"
    return f"DECIMAL_TEXT({type_.precision}, {type_.scale or 0})"


def _declared_enum(type_: EnumType) -> str:
    is_number = isinstance(codecs.enum_store_type(type_), Integer)
    return "BIGINT" if is_number else "ENUM_TEXT"


_DECLARED: Final[codecs.TypeTable[str]] = {
    Integer: integer_type,
    Boolean: lambda _: "BOOLEAN",
    Float: lambda _: "DOUBLE",
    Text: lambda t: "TEXT" if t.max_length is None else f"VARCHAR({t.max_length})",
    Binary: lambda _: "BLOB",
    Uuid: lambda _: "UUID_BLOB",
    Numeric: _declared_decimal,
    Date: lambda _: "DATE_TEXT",
    Time: lambda _: "TIME_TEXT",
    DateTime: lambda t: "TIMESTAMPTZ_TEXT" if t.timezone else "TIMESTAMP_TEXT",
    Interval: lambda _: "INTERVAL",
    Json: lambda _: "JSON_TEXT",
    Array: lambda _: "JSON_TEXT",
    EnumType: _declared_enum,
    RangeType: lambda _: "RANGE_TEXT",
    IpAddress: lambda _: "INET_TEXT",
    IpInterface: lambda _: "INET_TEXT",
    IpNetwork: lambda _: "CIDR_TEXT",
    Composite: lambda _: "JSON_TEXT",
    Native: lambda t: t.name,
}


# -- the dialect

_ENCODERS: Final[codecs.TypeTable[Encoder | None]] = {
    **codecs.SHARED_ENCODERS,
    Float: lambda _: codecs.encode_float,
    Numeric: lambda t: partial(codecs.decimal_text, scale=t.scale, precision=t.precision),
    Date: lambda _: date.isoformat,
    Time: lambda _: codecs.encode_time,
    DateTime: lambda t: codecs.encode_instant if t.timezone else codecs.encode_naive,
}


def _decimal(value: str | float) -> Decimal:
    """Read a number; tables of others keep it as one, and a float means its shortest text."""
    return Decimal(value if type(value) is str else repr(value))


_DECODERS: Final[codecs.TypeTable[Decoder | None]] = {
    **codecs.SHARED_DECODERS,
    Numeric: lambda _: _decimal,
    Date: lambda _: date.fromisoformat,
    Time: lambda _: time.fromisoformat,
    DateTime: lambda t: codecs.decode_instant if t.timezone else datetime.fromisoformat,
}


@final
class SQLiteDialect(SqlDialect):
    """SQLite 3.41 and later, with the functions of `_sqlite_functions.py` registered."""

    name: ClassVar[str] = "sqlite"
    explain_words: ClassVar[str] = "EXPLAIN QUERY PLAN"
    capabilities: ClassVar[Capabilities] = Capabilities(
        max_parameters=32766,
        max_identifier_length=255,
        returning_insert=True,
        returning_update=True,
        returning_delete=True,
        array_binding=False,
        savepoints=True,
        deferrable=True,
        defer_constraints="PRAGMA defer_foreign_keys = ON",
        for_update=False,
        nowait=False,
        skip_locked=False,
        lock_of=True,
        key_locks=True,
        aggregate_filter=True,
        frame_groups=True,
        row_value_ranges=True,
        explain_analyze=False,
        stores_nan=False,
        stores_infinity=True,
        transactional_ddl=True,
        schemas=False,
        forward_references=True,
        finds_table="SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1",
    )

    def __init__(self) -> None:
        super().__init__()
        length = self.capabilities.max_identifier_length
        self.quote = Quoter('"', length, lambda name: len(name.encode()))
        self.ddl = SQLiteDDL(SQLiteWriter(self.quote, length))
        self.helper_texts = SQLiteHelperTexts(self.quote)

    def plan(self, rows: Sequence[Sequence[object]]) -> str:
        """Indent each step (id, id of the step above, nothing, text) below the one it is part of.

        "EXPLAIN QUERY PLAN" (https://sqlite.org/eqp.html).
        """
        depths: dict[object, int] = {0: -1}
        lines: list[str] = []
        for number, above, _, text in rows:
            depth = depths[number] = depths.get(above, -1) + 1
            lines.append("  " * depth + str(text))
        return "\n".join(lines)

    def placeholder(self, position: int) -> str:
        """`?1`."""
        return f"?{position}"

    def compiler(self) -> SqlCompiler:
        """Make the compiler of one tree."""
        return SQLiteCompiler(self)

    def make_encoder(self, type_: ColumnType) -> Encoder | None:
        """Make the function from Python to SQLite."""
        return codecs.look_up(_ENCODERS, type_, "SQLite")

    def make_decoder(self, type_: ColumnType) -> Decoder | None:
        """Make the function from SQLite to Python."""
        return codecs.look_up(_DECODERS, type_, "SQLite")

    def insert_rows(self, batch: InsertRows) -> list[Sendable]:
        """Give INSERTs of many rows each; rows come back in the order of VALUES."""
        returns = bool(batch.returning)
        if not batch.columns:
            returning = self.returning_of(batch.returning, can=True)
            text = f"{self.insert_into(batch)} DEFAULT VALUES{returning}"
            return [Many(text, batch.rows, returns=returns)] if batch.rows else []
        width = len(batch.columns)
        size = max(1, min(ROWS_PER_INSERT, self.capabilities.max_parameters // width))
        # One statement text for all full chunks: a driver sends them in one go.
        full = len(batch.rows) // size * size
        statements: list[Sendable] = []
        if full:
            flat = [[*chain.from_iterable(rows)] for rows in chunks(batch.rows[:full], size)]
            statements.append(Many(self._insert_text(batch, size), flat, returns=returns))
        if rest := batch.rows[full:]:
            text = self._insert_text(batch, len(rest))
            statements.append(Statement(text, [*chain.from_iterable(rest)]))
        return statements

    def update_rows(self, batch: UpdateRows) -> list[Statement | Many]:
        """Give `UPDATE .. FROM (VALUES ..)` for many rows at once, which is a third of the work."""
        if batch.one_by_one or len(batch.rows) < FEW_ROWS:
            return super().update_rows(batch)
        width = len(batch.set_columns) + len(batch.where_columns)
        size = max(1, min(ROWS_PER_UPDATE, self.capabilities.max_parameters // width))
        full = len(batch.rows) // size * size
        rest = batch.rows[full:]
        parts: list[tuple[int, list[Sequence[tuple[Any, ...]]]]] = [
            (size, list(chunks(batch.rows[:full], size))),
            (len(rest), [rest]),
        ]
        return [
            Many(
                self._update_text(batch, count),
                [[*chain.from_iterable(rows)] for rows in part],
                returns=bool(batch.returning),
            )
            for count, part in parts
            if count and part
        ]

    def _update_text(self, batch: UpdateRows, count: int) -> str:
        return self.kept(
            batch.mapper,
            ("update", batch.set_columns, batch.where_columns, batch.returning, count),
            lambda: self._make_update(batch, count),
        )

    def _make_update(self, batch: UpdateRows, count: int) -> str:
        given = len(batch.set_columns)
        values = self._values(given + len(batch.where_columns), count)
        sets = [f"{self.quote(c.name)} = v.column{n}" for n, c in enumerate(batch.set_columns, 1)]
        finds = enumerate(batch.where_columns, given + 1)
        where = " AND ".join([f"{self.column(c)} = v.column{n}" for n, c in finds])
        returning = self.returning_of(batch.returning, can=True)
        return (
            f"UPDATE {self.table(batch.mapper)} SET {', '.join(sets)} "
            f"FROM (VALUES {values}) AS v WHERE {where}{returning}"
        )

    def _values(self, width: int, count: int) -> str:
        """Give `(?1, ?2), (?3, ?4)`."""
        return ", ".join(
            [
                f"({', '.join([self.placeholder(row * width + n) for n in range(1, width + 1)])})"
                for row in range(count)
            ]
        )

    def _insert_text(self, batch: InsertRows, count: int) -> str:
        return self.kept(
            batch.mapper,
            ("insert", batch.columns, batch.returning, count),
            lambda: self._make_insert(batch, count),
        )

    def _make_insert(self, batch: InsertRows, count: int) -> str:
        returning = self.returning_of(batch.returning, can=True)
        values = self._values(len(batch.columns), count)
        return f"{self.insert_into(batch)} VALUES {values}{returning}"
