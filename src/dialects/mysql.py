"""MySQL 8.0.19 and later, and MariaDB 10.7 and later, whose differences stand at the end.

Instants are kept as UTC in DATETIME(6), which has no zone; drivers hold the session's zone at UTC
too. Text is kept and compared in a collation that tells case, accents and blanks at the end apart,
unless the column names another. Drivers set strict mode and CLIENT_FOUND_ROWS.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar, Final, TypeAlias, cast

import attrs

from uow.dialects import codecs
from uow.dialects._mysql_compiler import MariaDBCompiler, MySQLCompiler
from uow.dialects._mysql_ddl import MOST_DIGITS, MOST_SCALE, MariaDBDDL, MySQLDDL
from uow.dialects._names import Quoter
from uow.dialects.base import Capabilities, Decoder, Encoder
from uow.dialects.sql import SqlDialect, chunks
from uow.dialects.sql_compiler import SqlCompiler
from uow.expressions.nodes import (
    Expression,
)
from uow.query.statements import DeleteRows, InsertRows
from uow.statement import Many, Statement
from uow.types import (
    ColumnType,
    Date,
    DateTime,
    Float,
    Numeric,
    Time,
)

__all__ = ["MariaDBDialect", "MySQLDialect"]

AnyExpression: TypeAlias = Expression[Any]

ROWS_PER_INSERT: Final = 500
"""One packet of 16 MB (`max_allowed_packet`) takes so many rows of 32 KB."""


# -- the dialect


class MySQLDialect(SqlDialect):
    """MySQL."""

    name: ClassVar[str] = "mysql"
    numbered: ClassVar[bool] = False
    capabilities: ClassVar[Capabilities] = Capabilities(
        max_parameters=65535,
        max_identifier_length=64,
        returning_insert=False,
        returning_update=False,
        returning_delete=False,
        array_binding=False,
        savepoints=True,
        deferrable=False,
        for_update=True,
        nowait=True,
        skip_locked=True,
        stores_nan=False,
        stores_infinity=False,
        transactional_ddl=False,
        schemas=True,
        unchanged_rows_match=False,
    )
    # NO PAD: blanks at the end count.
    collation: ClassVar[str] = "utf8mb4_0900_bin"

    def __init__(self) -> None:
        super().__init__()
        length = self.capabilities.max_identifier_length
        self.quote = Quoter("`", length, len)
        self.ddl = self.make_ddl(length)

    def make_ddl(self, length: int) -> MySQLDDL:
        """Make the writer of DDL."""
        return MySQLDDL(self.quote, length, self.collation)

    def placeholder(self, position: int) -> str:  # noqa: ARG002 - they have no numbers
        """`?`."""
        return "?"

    def compiler(self) -> SqlCompiler:
        """Make the compiler of one tree."""
        return MySQLCompiler(self)

    def make_encoder(self, type_: ColumnType) -> Encoder | None:
        """Make the function from Python to what a client takes."""
        return codecs.look_up(_ENCODERS, type_, "MySQL")

    def make_decoder(self, type_: ColumnType) -> Decoder | None:
        """Make the function from what a client gives to Python."""
        return codecs.look_up(_DECODERS, type_, "MySQL")

    # batches

    def insert_rows(self, batch: InsertRows) -> list[Statement | Many]:
        """Give INSERTs of many rows each; where rows come back, it is in the order of VALUES."""
        returning = self.returning_of(batch.returning, can=self.capabilities.returning_insert)
        width = max(1, len(batch.columns))
        size = max(1, min(ROWS_PER_INSERT, self.capabilities.max_parameters // width))
        return [
            Statement(
                self._insert_text(batch, len(rows), returning),
                [value for row in rows for value in row],
            )
            for rows in chunks(batch.rows, size)
        ]

    def _insert_text(self, batch: InsertRows, count: int, returning: str) -> str:
        def make() -> str:
            row = f"({', '.join(['?'] * len(batch.columns))})"
            names = f"({self.names(batch.columns)})"
            table = self.table(batch.mapper)
            return f"INSERT INTO {table} {names} VALUES {', '.join([row] * count)}{returning}"

        return self.kept(batch.mapper, ("insert", batch.columns, batch.returning, count), make)

    def delete_rows(self, batch: DeleteRows) -> list[Statement | Many]:
        """Give `DELETE .. IN` for a key of one column, else one statement a row."""
        if len(batch.where_columns) != 1:
            return super().delete_rows(batch)
        column = self.column(batch.where_columns[0])
        table = self.table(batch.mapper)
        return [
            Statement(
                f"DELETE FROM {table} WHERE {column} IN ({', '.join(['?'] * len(rows))})",
                [value for row in rows for value in row],
            )
            for rows in chunks(batch.rows, ROWS_PER_INSERT)
        ]


def _exact(type_: Numeric, value: Any) -> Any:
    # Strict mode refuses too large numbers but rounds digits after the point without a word.
    scale = MOST_SCALE if type_.scale is None else type_.scale
    codecs.decimal_text(value, scale, type_.precision or MOST_DIGITS)
    return value


def _without_zeros(value: Any) -> Any:
    # Whole results of CEIL and the like come as int.
    return Decimal(codecs.decimal_text(value))


def _to_time(value: Any) -> time:
    # Clients give TIME as a span, since it may be longer than a day.
    if isinstance(value, timedelta):
        return (datetime.fromisoformat("2000-01-01") + value).time()
    return cast("time", value)


_ENCODERS: Final[codecs.TypeTable[Encoder | None]] = {
    **codecs.SHARED_ENCODERS,
    Float: lambda _: codecs.encode_finite_float,
    Numeric: lambda t: partial(_exact, t),
    Date: lambda _: None,
    Time: lambda _: None,
    DateTime: lambda t: codecs.instant_to_naive_utc if t.timezone else None,
}

_DECODERS: Final[codecs.TypeTable[Decoder | None]] = {
    **codecs.SHARED_DECODERS,
    Numeric: lambda t: _without_zeros if t.scale is None else None,
    Date: lambda _: None,
    Time: lambda _: _to_time,
    DateTime: lambda t: codecs.naive_utc_to_instant if t.timezone else None,
}

# -- MariaDB


class MariaDBDialect(MySQLDialect):
    """MariaDB."""

    name: ClassVar[str] = "mariadb"
    capabilities: ClassVar[Capabilities] = attrs.evolve(
        MySQLDialect.capabilities, returning_insert=True, returning_delete=True
    )
    collation: ClassVar[str] = "utf8mb4_nopad_bin"

    def make_ddl(self, length: int) -> MySQLDDL:
        """Make the writer of DDL."""
        return MariaDBDDL(self.quote, length, self.collation)

    def compiler(self) -> SqlCompiler:
        """Make the compiler of one tree."""
        return MariaDBCompiler(self)
