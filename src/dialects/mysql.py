"""MySQL 8.0.19 and later, and MariaDB 10.7 and later, whose differences stand at the end.

Instants are kept as UTC in DATETIME(6), which has no zone; drivers hold the session's zone at UTC too.
Text is kept and compared in a collation that tells case, accents and blanks at the end apart, unless
the column names another. Drivers set strict mode and CLIENT_FOUND_ROWS.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias, cast
from uuid import UUID

import attrs

from uow.dialects import _json, codecs
from uow.dialects._names import Quoter
from uow.dialects.base import Capabilities, Decoder, Encoder
from uow.dialects.sql import SqlDialect, chunks
from uow.dialects.sql_compiler import SqlCompiler
from uow.dialects.sql_ddl import TableDDL, integer_type
from uow.dialects.sql_expressions import FLOAT, TEXT, JsonKind, unlabelled
from uow.errors import MappingError, QueryError
from uow.expressions.nodes import (
    Arithmetic,
    Cast,
    ColumnExpression,
    Contains,
    Excluded,
    Expression,
    Function,
    JsonPath,
    Like,
    Literal,
    OrderTerm,
)
from uow.query.statements import DeleteRows, InsertRows, OnConflict, Select
from uow.statement import Many, Statement
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

__all__ = ["MariaDBDialect", "MySQLDialect"]

AnyExpression: TypeAlias = Expression[Any]

ROWS_PER_INSERT: Final = 500
"""One packet of 16 MB (`max_allowed_packet`) takes so many rows of 32 KB."""

LONG_LIST: Final = 1000
"""From so many values on, an IN list travels as one JSON array."""

INDEXED_TEXT: Final = 255
"""The length of an indexed text column that names none: an index takes 3,072 bytes."""

_MOST_DIGITS: Final = 65
_MOST_SCALE: Final = 30


# -- DDL


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
        match column.type:
            case Integer() as type_:
                return integer_type(type_)
            case Boolean():
                return "BOOLEAN"
            case Float():
                return "DOUBLE"
            case Text(max_length=length):
                return self.text_type(column, length)
            case Binary(max_length=int(length)) if length <= 65_000:
                return f"VARBINARY({length})"
            case Binary():
                return f"VARBINARY({INDEXED_TEXT})" if is_indexed(column) else "LONGBLOB"
            case Uuid():
                return "BINARY(16)"
            case Numeric() as type_:
                return decimal_type(type_)
            case Date():
                return "DATE"
            case Time():
                return "TIME(6)"
            case DateTime():
                return "DATETIME(6)"
            case Interval():
                return "BIGINT"
            case Json() | Array():
                return "JSON"
            case EnumType(enum_class=enum_class):
                is_number = isinstance(codecs.enum_store_type(enum_class), Integer)
                return "BIGINT" if is_number else f"VARCHAR({INDEXED_TEXT})"
            case RangeType():
                return "VARCHAR(100)"
            case other:
                raise MappingError(f"{column}: MySQL cannot keep a {type(other).__name__}")

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
        scale = _MOST_SCALE if type_.scale is None else type_.scale
        return f"DECIMAL({_MOST_DIGITS}, {scale})"
    if type_.precision > _MOST_DIGITS or (type_.scale or 0) > _MOST_SCALE:
        raise MappingError(
            f"DECIMAL({type_.precision}, {type_.scale}) is wider than ({_MOST_DIGITS}, {_MOST_SCALE})"
        )
    return f"DECIMAL({type_.precision}, {type_.scale or 0})"


def comment_text(comment: str) -> str:
    """Write a comment of a model's author between quotes: DDL takes no parameters."""
    if "\0" in comment:
        raise MappingError("a comment cannot hold a NUL character")
    return "'" + comment.replace("\\", "\\\\").replace("'", "''") + "'"


# -- statements


class MySQLCompiler(SqlCompiler):
    """Compiles trees for MySQL."""

    no_limit = "18446744073709551615"
    text_length = "CHAR_LENGTH"
    byte_length = "LENGTH"

    @property
    def collation(self) -> str:
        """The collation in which texts are the same only if they are."""
        return cast("MySQLDDL", self.dialect.ddl).default_collation

    def in_values(
        self,
        operand: AnyExpression,
        values: tuple[object, ...],
        value_type: ColumnType | None,
        is_negated: bool,  # noqa: FBT001 - a part of the node
    ) -> str:
        """Compile IN; a long list travels as one JSON array."""
        text = self.operand(operand)
        column = None if value_type is None else self.json_column(value_type)
        if len(values) < LONG_LIST or column is None:
            return self.in_placeholders(text, values, value_type, is_negated)
        encoded = [json_item(self.encode(value, value_type)) for value in values]
        array = self.bind_encoded(_json.dumps(encoded), TEXT)
        negation = "NOT " if is_negated else ""
        selected = "UNHEX(j.v)" if isinstance(value_type, Uuid | Binary) else "j.v"
        table = f"JSON_TABLE({array}, '$[*]' COLUMNS (v {column} PATH '$'))"
        return f"{text} {negation}IN (SELECT {selected} FROM {table} AS j)"

    def json_column(self, type_: ColumnType) -> str | None:
        """Give the type of a list's values inside JSON_TABLE."""
        match type_:
            case Integer() | Boolean() | Interval():
                return "BIGINT"
            case Float():
                return "DOUBLE"
            case Numeric():
                return decimal_type(type_)
            case Date():
                return "DATE"
            case DateTime():
                return "DATETIME(6)"
            case Text() | Uuid() | Binary():
                return f"LONGTEXT CHARACTER SET utf8mb4 COLLATE {self.collation}"
            case EnumType(enum_class=enum_class):
                return self.json_column(codecs.enum_store_type(enum_class))
            case _:
                return None

    def subquery(self, select: Select, *, yields_rows_only: bool = False) -> str:
        """Compile a select inside another statement.

        MySQL refuses to read the table it writes ("Restrictions on Subqueries", error 1093) and to
        limit inside IN; both are read from a derived table.
        """
        if not self.writes and select.limit is None and select.offset is None:
            return super().subquery(select, yields_rows_only=yields_rows_only)
        if yields_rows_only:
            return super().subquery(select, yields_rows_only=True)
        return f"SELECT * FROM ({self.select(select, unique_names=True)}) AS `uow_inner`"

    def like(self, node: Like) -> str:
        """Compile LIKE; it goes by collation, so the one that knows case is named."""
        operand = unlabelled(node.operand)
        text, pattern = self.operand(operand), self.operand(node.pattern)
        if node.is_insensitive:
            return f"LOWER({text}) COLLATE {self.collation} LIKE LOWER({pattern}) ESCAPE '!'"
        is_own = (
            isinstance(operand, ColumnExpression)
            and isinstance(operand.type, Text)
            and operand.type.collation is None
        )
        collate = "" if is_own else f" COLLATE {self.collation}"
        return f"{text}{collate} LIKE {pattern} ESCAPE '!'"

    # arithmetic

    def concat(self, left: AnyExpression, right: AnyExpression) -> str:
        """`||` is OR here."""
        return self.call("CONCAT", self.expression(left), self.expression(right))

    def remainder(self, left: AnyExpression, right: AnyExpression) -> str:
        """Give the rest."""
        return f"{self.operand(left)} % {self.operand(right)}"

    def decimal_arithmetic(self, op: str, left: AnyExpression, right: AnyExpression) -> str:
        """Compute with DECIMAL; a quotient gets its 12 digits whatever the operands' scale."""
        one, other = self.operand(left), self.operand(right)
        if op == "/":
            return f"ROUND(CAST({one} AS DECIMAL(50, 16)) / {other}, 12)"
        return f"{one} {op} {other}"

    def time_arithmetic(self, node: Arithmetic[Any]) -> str:
        """Compute with microseconds."""
        left, right, op = node.left, node.right, node.op
        if isinstance(left.type, DateTime) and isinstance(right.type, DateTime):
            earlier, later = self.expression(right), self.expression(left)
            return f"TIMESTAMPDIFF(MICROSECOND, {earlier}, {later})"
        if isinstance(left.type, DateTime):
            name = "DATE_SUB" if op == "-" else "DATE_ADD"
            moment, span = self.expression(left), self.expression(right)
            return f"{name}({moment}, INTERVAL {span} MICROSECOND)"
        if isinstance(right.type, DateTime):
            span, moment = self.expression(left), self.expression(right)
            return (
                f"({span} + {moment})"
                if False
                else f"DATE_ADD({moment}, INTERVAL {span} MICROSECOND)"
            )
        text = f"{self.operand(left)} {op} {self.operand(right)}"
        return f"CAST(ROUND({text}) AS SIGNED)" if op in {"*", "/"} else text

    # JSON

    def contains(self, node: Contains) -> str:
        """Compile JSON_CONTAINS."""
        operand, value = unlabelled(node.operand), unlabelled(node.value)
        document = self.expression(operand)
        if isinstance(operand.type, Array):
            if not isinstance(value, Literal):
                raise QueryError("MySQL has no arrays: contains takes a plain value here")
            held = cast("Literal[object]", value).value
            items = held if isinstance(value.type, Array) else [held]
            return self.call("JSON_CONTAINS", document, self.bind(items, operand.type))
        if isinstance(value, Literal):
            held = cast("Literal[object]", value).value
            return self.call("JSON_CONTAINS", document, self.bind(held, Json()))
        return self.call("JSON_CONTAINS", document, self.expression(value))

    def json_path(self, node: JsonPath[Any]) -> str:
        """Give JSON."""
        document, path = self.path_parts(node)
        return self.call("JSON_EXTRACT", document, self.bind(self.path_text(path), TEXT))

    def path_text(self, path: tuple[str | int, ...]) -> str:
        """Write a path into a document ("JSON Path Syntax", MySQL manual 13.5)."""
        parts = ["$"]
        for step in path:
            if isinstance(step, str):
                parts.append("." + _json.dumps(step))
            else:
                parts.append(f"[{step}]" if step >= 0 else self.step_from_end(-step))
        return "".join(parts)

    def step_from_end(self, count: int) -> str:
        """Write an index counted from the end."""
        return "[last]" if count == 1 else f"[last-{count - 1}]"

    def json_scalar(self, node: AnyExpression, kind: JsonKind) -> str:
        """Give what stands there if it is of the kind."""
        types = {
            "text": "= 'STRING'",
            "number": "IN ('INTEGER', 'UNSIGNED INTEGER', 'DOUBLE', 'DECIMAL')",
            "boolean": "= 'BOOLEAN'",
        }[kind]
        test = f"JSON_TYPE({self.expression(node)}) {types}"
        value = self.json_as_text(node)
        if kind == "text":
            value = f"{value} COLLATE {self.collation}"
        elif kind == "number":
            value = f"CAST({value} AS DOUBLE)"
        else:
            value = f"({value} = 'true')"
        return f"CASE WHEN {test} THEN {value} END"

    def json_present(self, node: AnyExpression) -> str:
        """JSON's null is a value here, so its kind is asked for."""
        return f"NULLIF(JSON_TYPE({self.expression(node)}), 'NULL')"

    def json_equal(self, left: AnyExpression, right: AnyExpression) -> str:
        """Compare JSON."""
        return f"{self.json_value(left)} = {self.json_value(right)}"

    def json_value(self, node: AnyExpression) -> str:
        """Compile a document."""
        if isinstance(node, Literal):
            type_ = node.type if isinstance(node.type, Json) else Json()
            return f"CAST({self.bind(cast('Literal[object]', node).value, type_)} AS JSON)"
        return self.operand(node)

    def json_as_text(self, node: AnyExpression) -> str:
        """Give a text without quotes, anything else as JSON writes it."""
        return self.call("JSON_UNQUOTE", self.expression(node))

    # functions

    def call_sum(self, node: Function[Any]) -> str:
        """The server adds whole numbers up to a DECIMAL."""
        text = super().call_sum(node)
        return f"CAST({text} AS SIGNED)" if isinstance(node.type, Integer | Interval) else text

    def call_avg(self, node: Function[Any]) -> str:
        """Means of whole numbers are doubles, of decimals rounded as quotients are."""
        argument = self.expression(node.args[0])
        distinct = "DISTINCT " if node.is_distinct else ""
        if isinstance(node.type, Numeric):
            return f"ROUND(avg({distinct}CAST({argument} AS DECIMAL(50, 16))), 12)"
        return f"avg({distinct}CAST({argument} AS DOUBLE))"

    def call_round(self, node: Function[Any]) -> str:
        """Round as DECIMAL: a double's rounding is left to the C library."""
        number, digits = node.args
        text, count = self.expression(number), self.expression(digits)
        if isinstance(number.type, Float):
            return f"CAST(ROUND(CAST({text} AS DECIMAL(65, 30)), {count}) AS DOUBLE)"
        return self.call("ROUND", text, count)

    # casts

    def cast_name(self, type_: ColumnType) -> str:
        """Give the type's name as CAST takes it."""
        match type_:
            case Integer():
                return "SIGNED"
            case Float():
                return "DOUBLE"
            case Text():
                return "CHAR"
            case Numeric():
                return decimal_type(type_)
            case Date():
                return "DATE"
            case Time():
                return "TIME(6)"
            case DateTime():
                return "DATETIME(6)"
            case _:
                raise QueryError(f"MySQL cannot convert to {type(type_).__name__}")

    def cast(self, node: Cast[Any]) -> str:
        """Compile CAST."""
        operand, to = unlabelled(node.operand), cast("ColumnType", node.type)
        is_json = isinstance(operand.type, Json)
        if is_json and isinstance(to, Json):
            return self.expression(operand)
        text = self.json_as_text(operand) if is_json else self.expression(operand)
        if isinstance(to, Text) and is_json:
            return text
        if isinstance(to, Boolean):
            return f"({text} = 'true')" if is_json else f"(({text}) <> 0)"
        if isinstance(to, Integer) and isinstance(operand.type, Float | Numeric):
            text = f"TRUNCATE({text}, 0)"
        return f"CAST({text} AS {self.cast_name(to)})"

    def as_type(self, node: AnyExpression, to: ColumnType) -> str:
        """Numbers of positions need no conversion."""
        if isinstance(to, Integer):
            return self.operand(node)
        return super().as_type(node, to)

    # statements

    writes = False

    def compile(self, statement: Any) -> Any:
        """Compile a whole statement."""
        self.writes = not isinstance(statement, Select)
        return super().compile(statement)

    def ordered(self, text: str, term: OrderTerm) -> str:
        """There is no NULLS FIRST: whether it is NULL is ordered by before."""
        direction = " DESC" if term.is_descending else ""
        return f"{text}{direction}"

    def order_term(self, term: OrderTerm, select: Select) -> list[str]:
        """Compile one term, with one before it that says where NULLs come."""
        texts = super().order_term(term, select)
        if term.is_nulls_first is None:
            return texts
        text = self.named_or_sortable(term.operand, select)
        return [f"({text}) IS NULL{' DESC' if term.is_nulls_first else ''}", *texts]

    def default_values(self) -> str:
        """Write one row of defaults."""
        return " () VALUES ()"

    def excluded(self, node: Excluded[Any]) -> str:
        """Compile the value that was to be inserted."""
        return f"VALUES({self.quote(node.column.name)})"

    def on_conflict(self, mapper: Mapper, conflict: OnConflict) -> str:
        """Compile ON DUPLICATE KEY UPDATE, which looks at every unique key.

        Not INSERT IGNORE: that hides other errors too.
        """
        if conflict.where:
            raise QueryError("MySQL has no condition in ON DUPLICATE KEY UPDATE")
        if not conflict.assignments:
            key = self.quote(mapper.key[0].name)
            return f" ON DUPLICATE KEY UPDATE {key} = {self.quote(mapper.table_name)}.{key}"
        return f" ON DUPLICATE KEY UPDATE {self.assignments(conflict.assignments)}"


def json_item(value: object) -> object:
    """Give what stands for an encoded value in a JSON array."""
    match value:
        case bytes():
            return value.hex()
        case Decimal():
            return str(value)
        case datetime():
            return value.isoformat(" ", "microseconds")
        case date():
            return value.isoformat()
        case _:
            return value


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
        match type_:
            case Integer() | Boolean() | Text() | Binary() | Date() | Time():
                return None
            case Float():
                return codecs.encode_finite_float
            case Numeric():
                return partial(_exact, type_)
            case DateTime(timezone=timezone):
                return codecs.instant_to_naive_utc if timezone else None
            case Interval():
                return codecs.encode_interval
            case Uuid():
                return codecs.encode_uuid
            case Json(annotation=annotation):
                return codecs.json_encoder(annotation)
            case Array(item=item):
                return codecs.array_to_json(item)
            case EnumType(enum_class=enum_class):
                return codecs.enum_encoder(enum_class)
            case RangeType(item=item):
                return codecs.range_to_text(item)
            case _:
                raise MappingError(f"MySQL cannot keep a {type(type_).__name__}")

    def make_decoder(self, type_: ColumnType) -> Decoder | None:
        """Make the function from what a client gives to Python."""
        match type_:
            case Boolean():
                return bool
            case Numeric(scale=None):
                return _without_zeros
            case Time():
                return _to_time
            case DateTime(timezone=True):
                return codecs.naive_utc_to_instant
            case Interval():
                return codecs.decode_interval
            case Uuid():
                return codecs.decode_uuid
            case Json(annotation=annotation):
                return codecs.json_decoder(annotation)
            case Array(item=item):
                return codecs.array_from_json(item)
            case EnumType(enum_class=enum_class):
                return codecs.enum_decoder(enum_class)
            case RangeType(item=item):
                return codecs.range_from_text(item)
            case _:
                return None

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
    scale = _MOST_SCALE if type_.scale is None else type_.scale
    codecs.decimal_text(value, scale, type_.precision or _MOST_DIGITS)
    return value


def _without_zeros(value: Any) -> Any:
    return Decimal(codecs.decimal_text(value)) if isinstance(value, Decimal) else value


def _to_time(value: Any) -> time:
    # Clients give TIME as a span, since it may be longer than a day.
    if isinstance(value, timedelta):
        return (datetime.min + value).time()
    return cast("time", value)


# -- MariaDB


class MariaDBDDL(MySQLDDL):
    """DDL of MariaDB."""

    uuid_expression = "(UNHEX(REPLACE(UUID(), '-', '')))"
    generated_not_null = False


class MariaDBCompiler(MySQLCompiler):
    """Compiles trees for MariaDB, where JSON is text."""

    def json_equal(self, left: AnyExpression, right: AnyExpression) -> str:
        """Compare whatever the order of keys."""
        return self.call("JSON_EQUALS", self.json_value(left), self.json_value(right))

    def json_value(self, node: AnyExpression) -> str:
        """Compile a document."""
        if isinstance(node, Literal):
            type_ = node.type if isinstance(node.type, Json) else Json()
            return self.bind(cast("Literal[object]", node).value, type_)
        return self.expression(node)

    def step_from_end(self, count: int) -> str:
        """Write an index counted from the end."""
        return f"[-{count}]"

    def order_term(self, term: OrderTerm, select: Select) -> list[str]:
        """Order a place in a document by number, then by text: as text 10 comes before 9."""
        node = unlabelled(term.operand)
        if not isinstance(node, JsonPath):
            return super().order_term(term, select)
        texts = [self.ordered(self.json_scalar(node, kind), term) for kind in ("number", "text")]
        if term.is_nulls_first is None:
            return texts
        direction = " DESC" if term.is_nulls_first else ""
        return [f"{self.json_present(node)} IS NULL{direction}", *texts]


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
