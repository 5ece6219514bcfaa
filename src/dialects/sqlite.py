"""SQLite. What it lacks are functions of ours (`_sqlite_functions.py`) that its drivers register.

How values are kept: whole numbers, truth values and intervals (microseconds) as INTEGER, doubles as
REAL, UUIDs as 16 bytes, everything else as text. Instants are UTC text of fixed width, so they
sort; decimals are text with the scale of their column and compare by the collation `uow_decimal`.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias, cast, final

from uow.dialects import _json, codecs
from uow.dialects._names import Quoter
from uow.dialects._sqlite_functions import (
    SQLITE_AGGREGATES,
    SQLITE_COLLATIONS,
    SQLITE_FUNCTIONS,
)
from uow.dialects.base import Capabilities, Decoder, Encoder
from uow.dialects.sql import SqlDialect, chunks
from uow.dialects.sql_compiler import SqlCompiler
from uow.dialects.sql_ddl import TableDDL, integer_type
from uow.dialects.sql_expressions import BOOLEAN, TEXT, JsonKind, unlabelled
from uow.errors import MappingError, QueryError
from uow.expressions.nodes import (
    Arithmetic,
    Cast,
    ColumnExpression,
    Contains,
    Expression,
    Function,
    JsonPath,
    Like,
    Literal,
)
from uow.query.statements import InsertRows
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

__all__ = [
    "SQLITE_AGGREGATES",
    "SQLITE_COLLATIONS",
    "SQLITE_FUNCTIONS",
    "SQLiteDialect",
]

AnyExpression: TypeAlias = Expression[Any]

ROWS_PER_INSERT: Final = 100
"""One INSERT of a hundred rows costs less than half of a hundred with one; more gain nothing."""

LONG_LIST: Final = 256
"""From so many values on, an IN list travels as one JSON array."""

_MAX_GLOB: Final = 16_000
"""In characters; the library takes 50,000 bytes (SQLITE_MAX_LIKE_PATTERN_LENGTH)."""

_DECIMAL: Final = '"uow_decimal"'


# -- DDL


@final
class SQLiteDDL(TableDDL):
    """DDL of SQLite. Declared types tell what is kept and give the right affinity."""

    length_checks = True

    def __init__(self, quote: Quoter, max_identifier_length: int) -> None:
        self.quote = quote
        self.max_identifier_length = max_identifier_length

    def table(self, mapper: Mapper) -> str:
        """Give the table's quoted name; there are no schemas but SQLite's own two."""
        if mapper.schema not in {None, "main", "temp"}:
            raise MappingError(
                f"{mapper.name}: SQLite has no schemas, so no {mapper.full_table_name!r}"
            )
        return super().table(mapper)

    def column_type(self, column: MappedColumn) -> str:
        """Give a declared type; which one decides the affinity ("Datatypes In SQLite", 3.1)."""
        return declared_type(column.type)

    def auto_increment(self, column: MappedColumn) -> str:  # noqa: ARG002 - the same for all
        """AUTOINCREMENT never gives the key of a deleted row again."""
        return "INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL"

    def key_is_inline(self, mapper: Mapper) -> bool:
        """A numbered key is declared with its column."""
        return any(column.auto_increment for column in mapper.key)

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

    def boolean(self, value: bool) -> str:  # noqa: FBT001 - it is the value, not an option
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
    match type_:
        case Integer():
            return integer_type(type_)
        case Boolean():
            return "BOOLEAN"
        case Float():
            return "DOUBLE"
        case Text(max_length=length):
            return "TEXT" if length is None else f"VARCHAR({length})"
        case Binary():
            return "BLOB"
        case Uuid():
            return "UUID_BLOB"
        case Numeric(precision=precision, scale=scale):
            return (
                "DECIMAL_TEXT" if precision is None else f"DECIMAL_TEXT({precision}, {scale or 0})"
            )
        case Date():
            return "DATE_TEXT"
        case Time():
            return "TIME_TEXT"
        case DateTime(timezone=timezone):
            return "TIMESTAMPTZ_TEXT" if timezone else "TIMESTAMP_TEXT"
        case Interval():
            return "INTERVAL"
        case Json() | Array():
            return "JSON_TEXT"
        case EnumType(enum_class=enum_class):
            is_number = isinstance(codecs.enum_store_type(enum_class), Integer)
            return "BIGINT" if is_number else "ENUM_TEXT"
        case RangeType():
            return "RANGE_TEXT"
        case _:
            raise MappingError(f"SQLite cannot keep a {type(type_).__name__}")


# -- statements


@final
class SQLiteCompiler(SqlCompiler):
    """Compiles trees for SQLite."""

    no_limit = "-1"

    # decimals are text: whatever is done with them goes by a collation or a function

    def comparable(self, left: AnyExpression, *others: AnyExpression) -> list[str]:
        """Compile operands; if one is a decimal all of them are compared as decimals."""
        nodes = (left, *others)
        if not any(isinstance(node.type, Numeric) for node in nodes):
            return super().comparable(left, *others)
        texts = [self.as_decimal(node) for node in nodes]
        texts[0] = f"{texts[0]} COLLATE {_DECIMAL}"
        return texts

    def needs_alike(self, operand: AnyExpression, member: AnyExpression) -> bool:
        """A member beside a decimal must be one."""
        return isinstance(operand.type, Numeric) and not isinstance(member.type, Numeric)

    def as_decimal(self, node: AnyExpression) -> str:
        """Compile an operand as a decimal's text."""
        node = unlabelled(node)
        if isinstance(node, Literal):
            value = cast("Literal[object]", node).value
            type_ = Numeric() if isinstance(value, int | Decimal) else node.type
            text = self.bind_once(node, value, type_, "decimal")
            return text if isinstance(type_, Numeric) else f"uow_decimal({text})"
        if isinstance(node.type, Numeric):
            return self.operand(node)
        return f"uow_decimal({self.expression(node)})"

    def sortable(self, node: AnyExpression) -> str:
        """Decimals are told apart and ordered by number; JSON by what it holds."""
        if isinstance(node.type, Numeric):
            return f"{self.operand(node)} COLLATE {_DECIMAL}"
        return super().sortable(node)

    def order_term(self, term: Any, select: Any) -> list[str]:
        """Order a place in a document by its value, not by its text."""
        node = unlabelled(term.operand)
        if isinstance(node, JsonPath):
            return [self.ordered(self._json_call("json_extract", node), term)]
        return super().order_term(term, select)

    def decimal_arithmetic(self, op: str, left: AnyExpression, right: AnyExpression) -> str:
        """Compute with decimals by functions."""
        name = {"+": "add", "-": "sub", "*": "mul", "/": "div", "%": "mod"}[op]
        return f"uow_decimal_{name}({self.as_decimal(left)}, {self.as_decimal(right)})"

    def minus(self, operand: AnyExpression) -> str:
        """Write a minus."""
        if isinstance(operand.type, Numeric):
            return f"uow_decimal_neg({self.expression(operand)})"
        return super().minus(operand)

    def assigned(self, node: AnyExpression, type_: ColumnType) -> str:
        """Compile a new value; a computed decimal is brought into the column's form."""
        text = super().assigned(node, type_)
        inner = unlabelled(node)
        if not isinstance(type_, Numeric) or isinstance(inner, Literal) or inner.type == type_:
            return text
        precision = "NULL" if type_.precision is None else str(int(type_.precision))
        scale = "NULL" if type_.scale is None else str(int(type_.scale))
        return f"uow_decimal_fit({text}, {precision}, {scale})"

    # lists

    def in_values(
        self,
        operand: AnyExpression,
        values: tuple[object, ...],
        value_type: ColumnType | None,
        is_negated: bool,  # noqa: FBT001 - a part of the node
    ) -> str:
        """Compile IN; a long list travels as one JSON array."""
        if isinstance(operand.type, Numeric):
            text, value_type = f"{self.as_decimal(operand)} COLLATE {_DECIMAL}", Numeric()
        else:
            text = self.operand(operand)
        if len(values) < LONG_LIST:
            return self.in_placeholders(text, values, value_type, is_negated)
        encoded = [self.encode(value, value_type) for value in values]
        column = "value"
        if isinstance(encoded[0], bytes):
            encoded = [cast("bytes", value).hex() for value in encoded]
            column = "unhex(value)"
        array = self.bind_encoded(_json.dumps(encoded), TEXT)
        negation = "NOT " if is_negated else ""
        return f"{text} {negation}IN (SELECT {column} FROM json_each({array}))"

    # text

    def like(self, node: Like) -> str:
        """Compile LIKE as GLOB where the pattern is known (it knows case), else as a function.

        SQLite's own LIKE takes `A` for `a` and `Ä` for nothing.
        """
        operand, pattern = unlabelled(node.operand), unlabelled(node.pattern)
        if isinstance(pattern, Literal) and not node.is_insensitive:
            value = cast("Literal[object]", pattern).value
            if isinstance(value, str) and len(value) < _MAX_GLOB // 3:
                glob = self.bind_once(pattern, glob_pattern(value), TEXT, "glob")
                return f"{self.operand(operand)} GLOB {glob}"
        name = "uow_ilike" if node.is_insensitive else "uow_like"
        return self.call(name, self.expression(pattern), self.expression(operand))

    # JSON

    def contains(self, node: Contains) -> str:
        """Compile containment as a function."""
        operand, value = unlabelled(node.operand), unlabelled(node.value)
        document = self.expression(operand)
        if not isinstance(operand.type, Array):
            return f"uow_json_contains({document}, {self.expression(value)})"
        if isinstance(value, Literal):
            held = cast("Literal[object]", value).value
            items = held if isinstance(value.type, Array) else [held]
            array = self.bind_once(value, items, operand.type, "items")
        elif isinstance(value.type, Array):
            array = self.expression(value)
        else:
            array = f"json_array({self.expression(value)})"
        return f"uow_json_contains({document}, {array})"

    def json_path(self, node: JsonPath[Any]) -> str:
        """Give JSON text, as `->` does."""
        document, path = self.path_parts(node)
        return f"{document} -> {self._path(node, path)}"

    def json_scalar(self, node: AnyExpression, kind: JsonKind) -> str:
        """Give what stands there if it is of the kind."""
        types = {
            "text": "= 'text'",
            "number": "IN ('integer', 'real')",
            "boolean": "IN ('true', 'false')",
        }[kind]
        test = f"{self._json_call('json_type', node)} {types}"
        return f"CASE WHEN {test} THEN {self._json_call('json_extract', node)} END"

    def json_present(self, node: AnyExpression) -> str:
        """NULL comes out of `json_extract` for JSON's null and for nothing."""
        return self._json_call("json_extract", node)

    def json_equal(self, left: AnyExpression, right: AnyExpression) -> str:
        """Compare canonical text."""
        return f"uow_json({self.expression(left)}) = uow_json({self.expression(right)})"

    def json_as_text(self, node: AnyExpression) -> str:
        """Give a text without quotes, anything else as JSON writes it."""
        return f"CAST({self._json_call('json_extract', node)} AS TEXT)"

    def _json_call(self, name: str, node: AnyExpression) -> str:
        document, path = self.path_parts(node)
        where = self._path(unlabelled(node), path) if path else "'$'"
        return f"{name}({document}, {where})"

    def _path(self, node: AnyExpression, path: tuple[str | int, ...]) -> str:
        return self.bind_once(node, json_path_text(path), TEXT, "path")

    # times

    def time_arithmetic(self, node: Arithmetic[Any]) -> str:
        """Compute with UTC text and microseconds."""
        left, right, op = node.left, node.right, node.op
        if isinstance(left.type, DateTime) and isinstance(right.type, DateTime):
            return f"uow_instant_diff({self.expression(left)}, {self.expression(right)})"
        if isinstance(left.type, DateTime):
            sign = "-" if op == "-" else ""
            return f"uow_instant_add({self.expression(left)}, {sign}{self.operand(right)})"
        if isinstance(right.type, DateTime):
            return f"uow_instant_add({self.expression(right)}, {self.operand(left)})"
        if op == "/":
            quotient = f"{self.as_type(left, Float())} / {self.operand(right)}"
            return f"CAST(round({quotient}) AS INTEGER)"
        text = f"{self.operand(left)} {op} {self.operand(right)}"
        if op == "*":
            return f"CAST(round({text}) AS INTEGER)"
        return text

    # functions

    def call_sum(self, node: Function[Any]) -> str:
        """Add decimals exactly."""
        if isinstance(node.type, Numeric):
            return self._decimal_aggregate("uow_decimal_sum", node)
        return super().call_sum(node)

    def call_avg(self, node: Function[Any]) -> str:
        """Give the mean of decimals as a decimal."""
        if isinstance(node.type, Numeric):
            return self._decimal_aggregate("uow_decimal_avg", node)
        return super().call_avg(node)

    def _decimal_aggregate(self, name: str, node: Function[Any]) -> str:
        if node.is_distinct:
            return f"{name}(DISTINCT {self.sortable(node.args[0])})"
        return f"{name}({self.expression(node.args[0])})"

    def call_lower(self, node: Function[Any]) -> str:
        """SQLite's own knows ASCII only."""
        return self.call("uow_lower", self.text_argument(node.args[0]))

    def call_upper(self, node: Function[Any]) -> str:
        """SQLite's own knows ASCII only."""
        return self.call("uow_upper", self.text_argument(node.args[0]))

    def call_abs(self, node: Function[Any]) -> str:
        """Decimals by a function."""
        name = "uow_decimal_abs" if isinstance(node.type, Numeric) else "abs"
        return self.call(name, self.expression(node.args[0]))

    def call_ceil(self, node: Function[Any]) -> str:
        """Decimals by a function."""
        name = "uow_decimal_ceil" if isinstance(node.type, Numeric) else "ceil"
        return self.call(name, self.expression(node.args[0]))

    def call_floor(self, node: Function[Any]) -> str:
        """Decimals by a function."""
        name = "uow_decimal_floor" if isinstance(node.type, Numeric) else "floor"
        return self.call(name, self.expression(node.args[0]))

    def call_round(self, node: Function[Any]) -> str:
        """Round decimal digits: SQLite's own rounds the double behind them, and nothing left of the point."""
        name = "uow_decimal_round" if isinstance(node.type, Numeric) else "uow_round"
        return self.call(name, *[self.expression(arg) for arg in node.args])

    def call_greatest(self, node: Function[Any]) -> str:
        """`max` of several arguments."""
        return self.call("max", *self.comparable(*node.args))

    def call_least(self, node: Function[Any]) -> str:
        """`min` of several arguments."""
        return self.call("min", *self.comparable(*node.args))

    # casts

    def cast_name(self, type_: ColumnType) -> str:
        """Give the affinity to convert to."""
        match type_:
            case Integer():
                return "INTEGER"
            case Float():
                return "REAL"
            case Text():
                return "TEXT"
            case _:
                raise QueryError(f"SQLite cannot convert to {type(type_).__name__}")

    def cast(self, node: Cast[Any]) -> str:
        """Compile CAST; what is kept as text is converted between the forms it is kept in."""
        operand, to = unlabelled(node.operand), cast("ColumnType", node.type)
        if isinstance(operand.type, Json):
            return self._cast_json(operand, to)
        match to:
            case Numeric():
                text = self.as_decimal(operand)
                if to.scale is None and to.precision is None:
                    return f"uow_decimal({text})"
                precision = "NULL" if to.precision is None else str(int(to.precision))
                scale = "NULL" if to.scale is None else str(int(to.scale))
                return f"uow_decimal_fit({text}, {precision}, {scale})"
            case Boolean():
                return f"({self.operand(operand)} <> 0)"
            case Date() if isinstance(operand.type, Date | DateTime):
                return f"substr({self.expression(operand)}, 1, 10)"
            case Json() | Uuid() | Date() | Time() | DateTime() | Binary() if type(
                operand.type
            ) is type(to):
                return self.expression(operand)
            case _:
                return f"CAST({self.expression(operand)} AS {self.cast_name(to)})"

    def _cast_json(self, operand: AnyExpression, to: ColumnType) -> str:
        match to:
            case Json():
                return self.expression(operand)
            case Text():
                return self.json_as_text(operand)
            case Numeric():
                number = f"uow_decimal(trim({self.expression(operand)}, '\"'))"
                if to.scale is None and to.precision is None:
                    return number
                precision = "NULL" if to.precision is None else str(int(to.precision))
                return f"uow_decimal_fit({number}, {precision}, {int(to.scale or 0)})"
            case Boolean():
                return f"({self._json_call('json_extract', operand)} <> 0)"
            case Date():
                return self.json_as_text(operand)
            case _:
                return f"CAST({self._json_call('json_extract', operand)} AS {self.cast_name(to)})"


def glob_pattern(pattern: str) -> str:
    """Turn a LIKE pattern escaped with `!` into one of GLOB.

    >>> glob_pattern("100!%_[a]%")
    '100%?[[]a]*'
    """
    parts: list[str] = []
    characters = iter(pattern)
    for character in characters:
        if character == "%":
            parts.append("*")
        elif character == "_":
            parts.append("?")
        else:
            plain = next(characters, "!") if character == "!" else character
            parts.append(f"[{plain}]" if plain in "*?[" else plain)
    return "".join(parts)


def json_path_text(path: tuple[str | int, ...]) -> str:
    """Write a path into a document ("The path argument", https://sqlite.org/json1.html).

    >>> json_path_text(("a b", 0, -1))
    '$."a b"[0][#-1]'
    """
    parts = ["$"]
    for step in path:
        if isinstance(step, str):
            parts.append("." + _json.dumps(step))
        else:
            parts.append(f"[{step}]" if step >= 0 else f"[#{step}]")
    return "".join(parts)


# -- the dialect


@final
class SQLiteDialect(SqlDialect):
    """SQLite 3.41 and later, with the functions of `_sqlite_functions.py` registered."""

    name: ClassVar[str] = "sqlite"
    capabilities: ClassVar[Capabilities] = Capabilities(
        max_parameters=32766,
        max_identifier_length=255,
        returning_insert=True,
        returning_update=True,
        returning_delete=True,
        array_binding=False,
        savepoints=True,
        deferrable=True,
        for_update=False,
        nowait=False,
        skip_locked=False,
        stores_nan=False,
        stores_infinity=True,
        transactional_ddl=True,
        schemas=False,
        forward_references=True,
    )

    def __init__(self) -> None:
        super().__init__()
        length = self.capabilities.max_identifier_length
        self.quote = Quoter('"', length, lambda name: len(name.encode()))
        self.ddl = SQLiteDDL(self.quote, length)

    def placeholder(self, position: int) -> str:
        """`?1`."""
        return f"?{position}"

    def compiler(self) -> SqlCompiler:
        """Make the compiler of one tree."""
        return SQLiteCompiler(self)

    def make_encoder(self, type_: ColumnType) -> Encoder | None:
        """Make the function from Python to SQLite."""
        match type_:
            case Integer() | Boolean() | Text() | Binary():
                return None
            case Float():
                return codecs.encode_float
            case Numeric(precision=precision, scale=scale):
                return partial(codecs.decimal_text, scale=scale, precision=precision)
            case Date():
                return date.isoformat
            case Time():
                return codecs.encode_time
            case DateTime(timezone=timezone):
                return codecs.encode_instant if timezone else codecs.encode_naive
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
                raise MappingError(f"SQLite cannot keep a {type(type_).__name__}")

    def make_decoder(self, type_: ColumnType) -> Decoder | None:
        """Make the function from SQLite to Python."""
        match type_:
            case Integer() | Text() | Binary() | Float():
                return None
            case Boolean():
                return bool
            case Numeric():
                return Decimal
            case Date():
                return date.fromisoformat
            case Time():
                return time.fromisoformat
            case DateTime(timezone=timezone):
                return codecs.decode_instant if timezone else datetime.fromisoformat
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
                raise MappingError(f"SQLite cannot keep a {type(type_).__name__}")

    def insert_rows(self, batch: InsertRows) -> list[Statement | Many]:
        """Give INSERTs of many rows each; rows come back in the order of VALUES."""
        returns = bool(batch.returning)
        if not batch.columns:
            returning = self.returning_of(batch.returning, can=True)
            text = f"{self.insert_into(batch)} DEFAULT VALUES{returning}"
            return [Many(text, batch.rows, returns=returns)] if batch.rows else []
        width = len(batch.columns)
        size = max(1, min(ROWS_PER_INSERT, self.capabilities.max_parameters // width))
        return [
            Statement(self._insert_text(batch, len(rows)), [value for row in rows for value in row])
            for rows in chunks(batch.rows, size)
        ]

    def _insert_text(self, batch: InsertRows, count: int) -> str:
        return self.kept(
            batch.mapper,
            ("insert", batch.columns, batch.returning, count),
            lambda: self._make_insert(batch, count),
        )

    def _make_insert(self, batch: InsertRows, count: int) -> str:
        width = len(batch.columns)
        rows = ", ".join(
            [
                f"({', '.join([self.placeholder(row * width + n) for n in range(1, width + 1)])})"
                for row in range(count)
            ]
        )
        returning = self.returning_of(batch.returning, can=True)
        return f"{self.insert_into(batch)} VALUES {rows}{returning}"
