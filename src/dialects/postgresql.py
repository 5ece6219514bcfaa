"""PostgreSQL 13 and later, with asyncpg's values: native types both ways, JSON as text.

Every placeholder says its type: the server would else guess it from what stands beside, and refuse
where nothing does. Lists and batches travel as one array a column, so a statement has the same text
whatever their length.
"""

from __future__ import annotations

import ipaddress as ip
from collections.abc import Sequence
from datetime import UTC
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias, cast, final

from uow.dialects import _json, codecs
from uow.dialects.base import Capabilities, Decoder, Encoder, NamedLock, TransactionStatus
from uow.dialects.helper_texts import HelperTexts
from uow.dialects.sql import SqlDialect, chunks
from uow.dialects.sql_compiler import SqlCompiler
from uow.expressions.nodes import (
    Expression,
)
from uow.query.statements import DeleteRows, InsertRows, UpdateRows
from uow.statement import Columns, Many, Sendable, Statement
from uow.types import (
    Array,
    Binary,
    ColumnType,
    Composite,
    DateTime,
    EnumType,
    IpInterface,
    Json,
    Native,
    Numeric,
    RangeType,
)
from uow.values import Range, composite_fields, composite_reader

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn

from uow.dialects._postgresql_compiler import PostgreSQLCompiler
from uow.dialects._postgresql_ddl import PostgreSQLDDL
from uow.dialects._postgresql_definitions import PostgreSQLWriter
from uow.dialects._postgresql_load import ROWS_PER_LOAD, load_of
from uow.dialects._postgresql_types import (
    QUOTE,
    array_text,
    batch_name,
    carrier_name,
    record_text,
    type_name,
)

__all__ = ["PostgreSQLDialect"]

AnyExpression: TypeAlias = Expression[Any]

FEW_ROWS: Final = 4
"""So many new rows travel as VALUES: arrays cost the server more, and a text a number of rows."""

ROWS_PER_BATCH: Final = 10_000
"""How many rows travel in one statement's arrays."""


# -- the dialect


@final
class PostgreSQLDialect(SqlDialect):
    """PostgreSQL."""

    name: ClassVar[str] = "postgresql"
    analyze_words: ClassVar[str] = "EXPLAIN (ANALYZE, BUFFERS)"
    capabilities: ClassVar[Capabilities] = Capabilities(
        max_parameters=32767,
        max_identifier_length=63,
        returning_insert=True,
        returning_update=True,
        returning_delete=True,
        array_binding=True,
        savepoints=True,
        deferrable=True,
        deferrable_unique=True,
        defer_constraints="SET CONSTRAINTS ALL DEFERRED",
        for_update=True,
        nowait=True,
        skip_locked=True,
        lock_of=True,
        lock_outer=False,
        key_locks=True,
        aggregate_filter=True,
        frame_groups=True,
        nulls_are_greatest=True,
        row_value_ranges=True,
        stores_nan=True,
        stores_infinity=True,
        transactional_ddl=True,
        schemas=True,
        # The statistics are reset when the server recovers from a crash, and not when it is
        # restarted in good order: then no transaction's number is given again.
        transaction_status=TransactionStatus(
            own="SELECT pg_current_xact_id()::text, pg_stat_get_bgwriter_stat_reset_time()",
            # Of a number that it has not given yet the function makes an error.
            of="SELECT CASE WHEN $1::text::xid8 >= pg_snapshot_xmax(pg_current_snapshot())"
            " THEN 'in progress' ELSE pg_xact_status($1::text::xid8) END,"
            " pg_stat_get_bgwriter_stat_reset_time()",
            committed="committed",
            aborted="aborted",
            open="in progress",
        ),
        named_lock=NamedLock(
            take="SELECT pg_try_advisory_lock(hashtextextended($1::text, 0))",
            release="SELECT pg_advisory_unlock(hashtextextended($1::text, 0))",
        ),
        finds_table="SELECT 1 WHERE to_regclass(quote_ident($1::text)) IS NOT NULL",
    )

    def __init__(self) -> None:
        super().__init__()
        self.quote = QUOTE
        self.ddl = PostgreSQLDDL(PostgreSQLWriter(QUOTE, self.capabilities.max_identifier_length))
        self.helper_texts = HelperTexts(QUOTE)

    def placeholder(self, position: int) -> str:
        """`$1`."""
        return f"${position}"

    def typed(self, placeholder: str, type_: ColumnType | None) -> str:
        """`$1::bigint`, or by way of another type (`carrier_name`)."""
        if type_ is None:
            return placeholder
        carrier = carrier_name(type_)
        if carrier is not None:
            return f"{placeholder}::{carrier}::{type_name(type_)}"
        return f"{placeholder}::{type_name(type_)}"

    def compiler(self) -> SqlCompiler:
        """Make the compiler of one tree."""
        return PostgreSQLCompiler(self)

    def make_encoder(self, type_: ColumnType) -> Encoder | None:
        """Make the function from Python to what asyncpg takes."""
        match type_:
            case Numeric(precision=precision, scale=scale):
                return partial(_exact, precision=precision, scale=scale)
            case Json(annotation=annotation):
                return codecs.json_encoder(annotation, _json.dumps_for_decimals)
            case Binary(mutable=True):
                return bytes
            case EnumType():
                return codecs.enum_encoder(type_)
            case Composite():
                return partial(_as_text, self._record_encoder(type_))
            case Native(encode=encode):
                return encode
            case RangeType(item=Numeric(precision=precision, scale=None) as item):
                encode = codecs.range_to_text(item, partial(_exact_text, precision=precision))
                return partial(_as_text, encode)
            case RangeType(item=item):
                return partial(_as_text, codecs.range_to_text(item))
            case Array(item=item):
                encode = self.encoder(item)
                return list if encode is None else partial(_each, encode)
            case _:
                type_name(type_)
                return None

    def make_decoder(self, type_: ColumnType) -> Decoder | None:
        """Make the function from what asyncpg gives to Python."""
        match type_:
            case Json(annotation=annotation):
                return codecs.json_decoder(annotation)
            case Binary(mutable=True):
                return bytearray
            case DateTime(timezone=True):
                return _instant
            case IpInterface():
                return _interface
            case EnumType():
                return codecs.enum_decoder(type_)
            case Composite():
                return partial(_from_text, self._record_decoder(type_))
            case Native(decode=decode):
                return decode
            case RangeType(item=item):
                return partial(_from_text, _range_decoder(item))
            case Array(item=item):
                decode = self.decoder(item)
                # A list of its own in any case: the raw one shows at flush what was changed in it.
                return list if decode is None else partial(_each, decode)
            case _:
                return None

    def _record_encoder(self, type_: Composite) -> Encoder:
        fields = composite_fields(type_.class_)
        encoders = [self._field_encoder(field.type) for field in fields]
        read = composite_reader(type_.class_)

        def encode(value: Any) -> str:
            pairs = zip(encoders, read(value), strict=True)
            return record_text(
                [None if v is None else encode_field(v) for encode_field, v in pairs]
            )

        return encode

    def _field_encoder(self, type_: ColumnType) -> Encoder:
        """Make what turns a value in a row into one with a text; equal values have equal text."""
        match type_:
            case Numeric(precision=precision, scale=scale):
                return partial(codecs.decimal_text, precision=precision, scale=scale)
            case DateTime(timezone=True):
                return codecs.encode_instant
            case _:
                return self.encoder(type_) or _as_it_is

    def _record_decoder(self, type_: Composite) -> Decoder:
        class_ = type_.class_
        names = [field.argument for field in composite_fields(class_)]
        decoders = [self.decoder(field.type) or _as_it_is for field in composite_fields(class_)]

        def decode(record: Any) -> Any:
            fields = zip(names, decoders, record, strict=True)
            return class_(**{n: None if v is None else decode_v(v) for n, decode_v, v in fields})

        return decode

    # batches: one array a column

    def insert_rows(self, batch: InsertRows) -> list[Sendable]:
        """Give `INSERT .. SELECT .. FROM unnest`, or COPY for many rows, in input order.

        The rows are sorted by their ordinality before they are inserted, and the server evaluates
        the defaults (sequences) of the target columns after the sort and returns rows as it goes.
        """
        if not batch.rows:
            return []
        if not batch.columns:
            returning = self.returning_of(batch.returning, can=True)
            into = self.insert_into(batch)
            text = f"{into} SELECT FROM generate_series(1, $1::bigint){returning}"
            return [Statement(text, (len(batch.rows),))]
        if len(batch.rows) <= FEW_ROWS:
            parameters = batch.rows[0] if len(batch.rows) == 1 else [*chain(*batch.rows)]
            return [Statement(self._insert_few(batch), parameters)]
        text = self.kept(
            batch.mapper,
            ("insert", batch.columns, batch.returning),
            lambda: self._insert_many(batch),
        )
        sent: list[Sendable] = []
        for rows in chunks(batch.rows, ROWS_PER_LOAD):
            part = InsertRows(batch.mapper, batch.columns, rows, batch.returning)
            inserts = partial(self._inserts, text, part)
            load = load_of(part, inserts)
            sent += inserts() if load is None else [load]
        return sent

    def _inserts(self, text: str, batch: InsertRows) -> list[Statement]:
        return [
            Statement(text, self.arrays(batch.columns, rows))
            for rows in chunks(batch.rows, ROWS_PER_BATCH)
        ]

    def _insert_few(self, batch: InsertRows) -> str:
        """Give `INSERT .. VALUES`, which is inserted and returned in its order."""
        count = len(batch.rows)

        def make() -> str:
            types = [column.type for column in batch.columns]
            numbers = iter(range(1, count * len(types) + 1))
            rows = [
                f"({', '.join([self.bound(next(numbers), type_) for type_ in types])})"
                for _ in range(count)
            ]
            returning = self.returning_of(batch.returning, can=True)
            return f"{self.insert_into(batch)} VALUES {', '.join(rows)}{returning}"

        return self.kept(batch.mapper, ("insert few", batch.columns, batch.returning, count), make)

    def _insert_many(self, batch: InsertRows) -> str:
        selected = ", ".join(self.unnested(batch.columns))
        returning = self.returning_of(batch.returning, can=True)
        source = self.unnest(batch.columns, is_ordered=True)
        return f"{self.insert_into(batch)} SELECT {selected} FROM {source} ORDER BY v.n{returning}"

    def update_rows(self, batch: UpdateRows) -> list[Statement | Many]:
        """Give `UPDATE .. FROM unnest`; one statement a row where one row waits for another."""
        if not batch.rows:
            return []
        if len(batch.rows) == 1:
            return [Statement(self.update_one(batch), batch.rows[0])]
        if batch.one_by_one:
            return super().update_rows(batch)
        columns = (*batch.set_columns, *batch.where_columns)
        text = self.kept(
            batch.mapper,
            ("update many", batch.set_columns, batch.where_columns, batch.returning),
            lambda: self._update_many(batch, columns),
        )
        return [
            Statement(text, self.arrays(columns, rows))
            for rows in chunks(batch.rows, ROWS_PER_BATCH)
        ]

    def _update_many(self, batch: UpdateRows, columns: tuple[MappedColumn, ...]) -> str:
        values = self.unnested(columns)
        count = len(batch.set_columns)
        pairs = zip(batch.set_columns, values[:count], strict=True)
        assignments = ", ".join([f"{self.quote(c.name)} = {value}" for c, value in pairs])
        where = self._matches(batch.where_columns, values[count:])
        source = self.unnest(columns, is_ordered=False)
        returning = self.returning_of(batch.returning, can=True)
        table = self.table(batch.mapper)
        return f"UPDATE {table} SET {assignments} FROM {source} WHERE {where}{returning}"

    def delete_rows(self, batch: DeleteRows) -> list[Statement | Many]:
        """Give `DELETE .. = ANY`, or `DELETE .. USING unnest` for several columns.

        A foreign key is checked when the statement ends, so rows that refer to each other go
        together; not so one that is declared RESTRICT.
        """
        if not batch.rows:
            return []
        if batch.one_by_one and any(k.on_delete == "RESTRICT" for k in batch.mapper.foreign_keys):
            return super().delete_rows(batch)
        text = self.kept(
            batch.mapper,
            ("delete many", batch.where_columns, batch.returning),
            lambda: self._delete_many(batch),
        )
        return [
            Statement(text, self.arrays(batch.where_columns, rows))
            for rows in chunks(batch.rows, ROWS_PER_BATCH)
        ]

    def _delete_many(self, batch: DeleteRows) -> str:
        table, columns = self.table(batch.mapper), batch.where_columns
        returning = self.returning_of(batch.returning, can=True)
        if len(columns) == 1 and batch_name(columns[0].type) is None:
            column = columns[0]
            array = f"$1::{self.array_type(column.type)}"
            return f"DELETE FROM {table} WHERE {self.column(column)} = ANY({array}){returning}"
        source = self.unnest(columns, is_ordered=False)
        where = self._matches(columns, self.unnested(columns))
        return f"DELETE FROM {table} USING {source} WHERE {where}{returning}"

    def _matches(self, columns: Sequence[MappedColumn], values: Sequence[str]) -> str:
        pairs = zip(columns, values, strict=True)
        return " AND ".join([f"{self.column(c)} = {value}" for c, value in pairs])

    def unnest(self, columns: Sequence[MappedColumn], *, is_ordered: bool) -> str:
        """Give `unnest($1::bigint[], ...) AS v(c1, ...)`, with the row's number `n` if ordered."""
        arrays = [f"${n}::{self.array_type(c.type)}" for n, c in enumerate(columns, 1)]
        names = [f"c{n}" for n in range(1, len(columns) + 1)]
        ordinality = ""
        if is_ordered:
            names.append("n")
            ordinality = " WITH ORDINALITY"
        return f"unnest({', '.join(arrays)}){ordinality} AS v({', '.join(names)})"

    def array_type(self, type_: ColumnType) -> str:
        """Give the type of a batch's array; arrays and ranges travel as text in it.

        `unnest` takes an array of arrays apart to its single items.
        """
        return f"{batch_name(type_) or type_name(type_)}[]"

    def unnested(self, columns: Sequence[MappedColumn]) -> list[str]:
        """Give what stands for each column's value beside `unnest`."""
        return [
            f"v.c{n}" if batch_name(c.type) is None else f"v.c{n}::{type_name(c.type)}"
            for n, c in enumerate(columns, 1)
        ]

    def arrays(
        self, columns: Sequence[MappedColumn], rows: Sequence[Sequence[object]]
    ) -> list[list[object]]:
        """Turn rows into one array a column."""
        arrays: list[list[object]]
        if isinstance(rows, Columns):
            arrays = list(rows.columns)
        else:
            arrays = [list(values) for values in zip(*rows, strict=True)]
        for number, column in enumerate(columns):
            if isinstance(column.type, Array):
                arrays[number] = [
                    None if value is None else array_text(cast("list[object]", value))
                    for value in arrays[number]
                ]
        return arrays


def _exact(value: Any, precision: int | None, scale: int | None) -> Any:
    # The server rounds to the scale without a word, so what does not fit is refused here.
    codecs.decimal_text(value, scale, precision)
    return value


def _exact_text(value: Any, precision: int | None) -> str:
    # With the zeros at its end, as a number on its own is kept.
    codecs.decimal_text(value, None, precision)
    return format(value, "f")


def _each(convert: Encoder, values: Any) -> list[Any]:
    return [None if value is None else convert(value) for value in values]


def _instant(value: Any) -> Any:
    # asyncpg gives infinity as the last moment there is, and leaves the zone out.
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


_instant.passes = "{0}.tzinfo is not None"  # type: ignore[attr-defined]


def _interface(value: Any) -> Any:
    # asyncpg gives an address that is alone in its network as an address.
    return ip.ip_interface(value)


def _as_it_is(value: Any) -> Any:
    return value


class _Text(str):
    """What a value travels as that comes back as something else, and the value.

    A flush keeps what it sent as what the store holds, so what is sent has to be readable too.
    """

    __slots__ = ("value",)

    value: Any


def _as_text(encode: Encoder, value: Any) -> _Text:
    text = _Text(encode(value))
    text.value = value
    return text


def _from_text(decode: Decoder, value: Any) -> Any:
    return value.value if type(value) is _Text else decode(value)


def _range_decoder(item: ColumnType) -> Decoder:
    empty = codecs.range_from_text(item)("empty")
    bound = _instant if item == DateTime() else _as_it_is

    def decode(value: Any) -> Range[Any]:
        if value.isempty:
            return cast("Range[Any]", empty)
        left = "[" if value.lower_inc else "("
        right = "]" if value.upper_inc else ")"
        lower = None if value.lower is None else bound(value.lower)
        upper = None if value.upper is None else bound(value.upper)
        return Range(lower, upper, cast("Any", left + right))

    return decode
