"""MySQL 8.0.19 and later, and MariaDB 10.7 and later, whose differences stand at the end.

Instants are kept as UTC in DATETIME(6), which has no zone; drivers hold the session's zone at UTC
too. Text is kept and compared in a collation that tells case, accents and blanks at the end apart,
unless the column names another. Drivers set strict mode and CLIENT_FOUND_ROWS.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import Any, ClassVar, Final, TypeAlias, cast

import attrs

from uow.dialects import _json, codecs
from uow.dialects._mysql_batches import array_texts, bounded, can_travel, table_of, value_of
from uow.dialects._mysql_compiler import MariaDBCompiler, MySQLCompiler
from uow.dialects._mysql_ddl import MOST_DIGITS, MOST_SCALE, MariaDBDDL, MySQLDDL
from uow.dialects._mysql_definitions import MariaDBWriter, MySQLWriter
from uow.dialects._names import Quoter
from uow.dialects.base import Capabilities, Decoder, Encoder, NamedLock
from uow.dialects.helper_texts import MySQLHelperTexts
from uow.dialects.sql import SqlDialect, chunks
from uow.dialects.sql_compiler import SqlCompiler
from uow.expressions.nodes import (
    Expression,
)
from uow.query.statements import DeleteRows, InsertRows, UpdateRows
from uow.statement import Many, Numbered, Sendable, Statement
from uow.types import (
    Array,
    ColumnType,
    Composite,
    Date,
    DateTime,
    Float,
    Json,
    Numeric,
    Time,
    UnsignedInteger,
)

__all__ = ["MariaDBDialect", "MySQLDialect"]

AnyExpression: TypeAlias = Expression[Any]

_AS_JSON: Final = (Array, Composite)
"""Types that are kept as JSON and compared as a whole; documents are compared otherwise."""

_LOCK_NAME: Final = "LEFT(SHA2(CONCAT(DATABASE(), ' ', ?), 256), 60)"
"""Names of locks are the whole server's, and have at most 64 characters."""

ROWS_PER_INSERT: Final = 500
"""More are no quicker, and the text of a statement is kept for each number of rows."""


# -- the dialect


class MySQLDialect(SqlDialect):
    """MySQL."""

    name: ClassVar[str] = "mysql"
    numbered: ClassVar[bool] = False
    explain_words: ClassVar[str] = "EXPLAIN FORMAT=TREE"
    capabilities: ClassVar[Capabilities] = Capabilities(
        max_parameters=65535,
        max_identifier_length=64,
        returning_insert=False,
        returning_update=False,
        returning_delete=False,
        numbers_in_order=True,
        array_binding=False,
        savepoints=True,
        deferrable=False,
        for_update=True,
        nowait=True,
        skip_locked=True,
        lock_of=True,
        conflict_targets=False,
        stores_nan=False,
        stores_infinity=False,
        transactional_ddl=False,
        schemas=True,
        deletes_own_referrer=False,
        named_lock=NamedLock(
            take=f"SELECT GET_LOCK({_LOCK_NAME}, 0)",
            release=f"SELECT RELEASE_LOCK({_LOCK_NAME})",
        ),
        finds_table="SELECT 1 FROM information_schema.tables"
        " WHERE table_schema = DATABASE() AND table_name = ?",
        indexed_references=True,
    )
    # NO PAD: blanks at the end count.
    collation: ClassVar[str] = "utf8mb4_0900_bin"

    def __init__(self) -> None:
        super().__init__()
        length = self.capabilities.max_identifier_length
        self.quote = Quoter("`", length, len)
        self.ddl = self.make_ddl(length)
        self.helper_texts = MySQLHelperTexts(self.quote)

    def make_ddl(self, length: int) -> MySQLDDL:
        """Make the writer of DDL."""
        return MySQLDDL(MySQLWriter(self.quote, length, self.collation))

    def placeholder(self, position: int) -> str:  # noqa: ARG002 - they have no numbers
        """`?`."""
        return "?"

    def typed(self, placeholder: str, type_: ColumnType | None) -> str:
        """`?`; where it is compared with JSON it must not be taken for a text in it."""
        stored = type_ and codecs.stored_type(type_, self.name)
        return f"CAST({placeholder} AS JSON)" if isinstance(stored, _AS_JSON) else placeholder

    def compiler(self) -> SqlCompiler:
        """Make the compiler of one tree."""
        return MySQLCompiler(self)

    def make_encoder(self, type_: ColumnType) -> Encoder | None:
        """Make the function from Python to what a client takes."""
        return codecs.look_up(_MYSQL_ENCODERS, type_, "MySQL")

    def make_decoder(self, type_: ColumnType) -> Decoder | None:
        """Make the function from what a client gives to Python."""
        return codecs.look_up(_DECODERS, type_, "MySQL")

    # batches

    def insert_rows(self, batch: InsertRows) -> list[Sendable]:
        """Give INSERTs of many rows each; where rows come back, it is in the order of VALUES.

        Without RETURNING, keys that the store numbers are those that follow the first. "Simple
        inserts", which give values and no key, take all their numbers at once, whatever
        `innodb_autoinc_lock_mode` says and whatever others insert meanwhile; numbers then differ by
        `auto_increment_increment` ("AUTO_INCREMENT Handling in InnoDB", MySQL Reference Manual,
        17.6.1.6).
        """
        can = self.capabilities.returning_insert
        is_numbered = not can and [c.auto_increment for c in batch.returning] == [True]
        returning = "" if is_numbered else self.returning_of(batch.returning, can=can)
        width = max(1, len(batch.columns))
        size = max(1, min(ROWS_PER_INSERT, self.capabilities.max_parameters // width))
        if is_numbered:
            one, table = self._insert_text(batch, 1, ""), batch.mapper.table_name
            return [
                Numbered(self._insert_text(batch, len(rows), ""), rows, table=table, one=one)
                for rows in bounded(batch.columns, batch.rows, size, self.name)
            ]
        return [
            Statement(
                self._insert_text(batch, len(rows), returning),
                list(chain.from_iterable(rows)),
            )
            for rows in bounded(batch.columns, batch.rows, size, self.name)
        ]

    def _insert_text(self, batch: InsertRows, count: int, returning: str) -> str:
        def make() -> str:
            row = f"({', '.join(['?'] * len(batch.columns))})"
            names = f"({self.names(batch.columns)})"
            table = self.table(batch.mapper)
            return f"INSERT INTO {table} {names} VALUES {', '.join([row] * count)}{returning}"

        return self.kept(batch.mapper, ("insert", batch.columns, batch.returning, count), make)

    def update_rows(self, batch: UpdateRows) -> list[Statement | Many]:
        """Give UPDATEs that join an array of rows; one statement a row where that cannot be."""
        columns = (*batch.set_columns, *batch.where_columns)
        if not self._joins(batch) or batch.one_by_one or batch.returning:
            return super().update_rows(batch)

        def make() -> str:
            sets = [
                f"{self.column(column)} = {value_of(column, number, self.name)}"
                for number, column in enumerate(batch.set_columns, 1)
            ]
            source = table_of(columns, self.name, self.collation)
            return f"UPDATE {source} {self._found(batch, len(sets))} SET {', '.join(sets)}"

        text = self.kept(batch.mapper, ("update all", batch.set_columns, batch.where_columns), make)
        return [
            Statement(text, [array]) for array, _ in array_texts(columns, batch.rows, self.name)
        ]

    def lock_rows(self, batch: UpdateRows) -> list[Statement]:
        """Give the SELECTs that lock the rows of an update by join; see `Dialect.lock_rows`."""
        if not self._joins(batch):
            return []
        columns = batch.where_columns

        def make() -> str:
            keys = ", ".join([self.column(column) for column in batch.mapper.key])
            source = table_of(columns, self.name, self.collation)
            of = [batch.mapper.table_name] if self.capabilities.lock_of else ()
            lock = self.lock_clause(nowait=False, skip_locked=False, of=of)
            return f"SELECT {keys} FROM {source} {self._found(batch, 0)}{lock}"

        text = self.kept(batch.mapper, ("lock all", columns), make)
        rows = [row[len(batch.set_columns) :] for row in batch.rows]
        return [Statement(text, [array]) for array, _ in array_texts(columns, rows, self.name)]

    def _joins(self, batch: UpdateRows) -> bool:
        """Say whether the rows of a batch can be found by a join."""
        columns = (*batch.set_columns, *batch.where_columns)
        return len(batch.rows) > 1 and can_travel(columns, self.name)

    def _found(self, batch: UpdateRows, before: int) -> str:
        """Write the join that finds each row of an array by its key.

        The array comes first and the key's index is used, also where the table is so small that
        the optimizer would read it whole: that would lock every row of it.
        """
        conditions = [
            f"{self.column(column)} = {value_of(column, number, self.name)}"
            for number, column in enumerate(batch.where_columns, before + 1)
        ]
        table = f"{self.table(batch.mapper)} FORCE INDEX (PRIMARY)"
        return f"STRAIGHT_JOIN {table} ON {' AND '.join(conditions)}"

    def delete_rows(self, batch: DeleteRows) -> list[Statement | Many]:
        """Give `DELETE .. IN` of many rows each."""
        if batch.one_by_one:
            return super().delete_rows(batch)
        returning = self.returning_of(batch.returning, can=self.capabilities.returning_delete)
        width = len(batch.where_columns)
        names = ", ".join([self.column(column) for column in batch.where_columns])
        left, row = (names, "?") if width == 1 else (f"({names})", f"({', '.join('?' * width)})")
        where = f"DELETE FROM {self.table(batch.mapper)} WHERE {left} IN"
        return [
            Statement(
                f"{where} ({', '.join([row] * len(rows))}){returning}",
                [value for values in rows for value in values],
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
    UnsignedInteger: lambda _: None,
    Float: lambda _: codecs.encode_finite_float,
    Numeric: lambda t: partial(_exact, t),
    Date: lambda _: None,
    Time: lambda _: None,
    DateTime: lambda t: codecs.instant_to_naive_utc if t.timezone else None,
}

_MYSQL_ENCODERS: Final[codecs.TypeTable[Encoder | None]] = {
    **_ENCODERS,
    Json: lambda t: codecs.json_encoder(t.annotation, _json.dumps_for_mysql),
    Array: lambda t: codecs.array_to_json(t.item, _json.dumps_for_mysql),
    Composite: lambda t: codecs.composite_to_json(t, _json.dumps_for_mysql),
}

_DECODERS: Final[codecs.TypeTable[Decoder | None]] = {
    **codecs.SHARED_DECODERS,
    UnsignedInteger: lambda _: None,
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
        MySQLDialect.capabilities,
        returning_insert=True,
        returning_delete=True,
        numbers_in_order=False,
        deletes_come_back=True,
        lock_of=False,
        lag_default=False,
    )
    collation: ClassVar[str] = "utf8mb4_nopad_bin"
    explain_words: ClassVar[str] = "EXPLAIN FORMAT=JSON"
    analyze_words: ClassVar[str] = "ANALYZE FORMAT=JSON"
    share_lock: ClassVar[str] = "LOCK IN SHARE MODE"

    def typed(self, placeholder: str, type_: ColumnType | None) -> str:  # noqa: ARG002
        """`?`: JSON is text here."""
        return placeholder

    def make_encoder(self, type_: ColumnType) -> Encoder | None:
        """Make the function from Python to what a client takes."""
        return codecs.look_up(_ENCODERS, type_, "MariaDB")

    def make_ddl(self, length: int) -> MySQLDDL:
        """Make the writer of DDL."""
        return MariaDBDDL(MariaDBWriter(self.quote, length, self.collation))

    def compiler(self) -> SqlCompiler:
        """Make the compiler of one tree."""
        return MariaDBCompiler(self)
