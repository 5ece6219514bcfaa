"""Trees to the text of MySQL and MariaDB."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from uow.dialects import _json, codecs
from uow.dialects.sql_compiler import SqlCompiler
from uow.dialects.sql_expressions import TEXT, unlabelled
from uow.dialects.sql_json import JsonKind
from uow.dialects.sql_select import numbered_names
from uow.errors import QueryError
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
from uow.query.statements import Insert, OnConflict, Select
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
    Text,
    Time,
    UnsignedInteger,
    Uuid,
)

if TYPE_CHECKING:
    from uow.dialects.sql import SqlDialect
    from uow.expressions.windows import Window
    from uow.mapping.mapper import MappedColumn, Mapper

from uow.dialects._mysql_ddl import MySQLDDL, decimal_type

__all__ = ["MariaDBCompiler", "MySQLCompiler"]

AnyExpression: TypeAlias = Expression[Any]

INNER: Final = "uow_inner"
"""What a select is called that is read by itself; also the row that a conflict is about."""

LONG_LIST: Final = 256
"""From so many values on, an IN list travels as one JSON array."""


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
        is_negated: bool,
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
            case UnsignedInteger():
                return "BIGINT UNSIGNED"
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
            case EnumType():
                return self.json_column(codecs.enum_store_type(type_))
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
        return self.read_apart(select)

    def read_apart(self, select: Select, into: Sequence[MappedColumn] = ()) -> str:
        """Compile a select that is read in full, by itself, before anything else is done."""
        inner = self.select(select, names=numbered_names(select), into=into)
        return f"SELECT * FROM ({inner}) AS `{INNER}`"

    def inserted_select(self, insert: Insert, select: Select) -> str:
        """Keep the names of the select out of ON DUPLICATE KEY UPDATE."""
        if insert.on_conflict is None:
            return super().inserted_select(insert, select)
        return self.read_apart(select, insert.columns) + self.names_of_new(insert)

    def names_of_new(self, insert: Insert) -> str:
        """Name the columns of a select as those they go to, where a conflict looks at them."""
        return f" ({', '.join([self.quote(column.name) for column in insert.columns])})"

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
            moment, span = self.expression(right), self.expression(left)
            return f"DATE_ADD({moment}, INTERVAL {span} MICROSECOND)"
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
        test = f"{self.json_type(node)} {types}"
        value = self.json_as_text(node)
        if kind == "number":
            value = f"CAST({value} AS DOUBLE)"
        elif kind == "boolean":
            value = f"({value} = 'true')"
        return f"CASE WHEN {test} THEN {value} END"

    def json_present(self, node: AnyExpression) -> str:
        """JSON's null is a value here, so its kind is asked for."""
        return f"NULLIF({self.json_type(node)}, 'NULL')"

    def json_type(self, node: AnyExpression) -> str:
        """Give the name of a kind of JSON; the function has a collation of its own."""
        return f"JSON_TYPE({self.expression(node)}) COLLATE {self.collation}"

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
        return f"JSON_UNQUOTE({self.expression(node)}) COLLATE {self.collation}"

    # functions

    def call_sum(self, node: Function[Any]) -> str:
        """The server adds whole numbers up to a DECIMAL."""
        text = super().call_sum(node)
        is_whole = isinstance(node.type, Integer | Interval)
        return f"CAST({text} AS {_whole(node.type)})" if is_whole else text

    def call_avg(self, node: Function[Any]) -> str:
        """Means of whole numbers are doubles, of decimals rounded as quotients are."""
        argument = self.expression(node.args[0])
        if isinstance(node.type, Numeric):
            mean = self.aggregate("avg", node, f"CAST({argument} AS DECIMAL(50, 16))")
            return f"ROUND({mean}, 12)"
        return self.aggregate("avg", node, f"CAST({argument} AS DOUBLE)")

    def call_round(self, node: Function[Any]) -> str:
        """Round as DECIMAL: a double's rounding is left to the C library."""
        number, digits = node.args
        text, count = self.expression(number), self.expression(digits)
        if isinstance(number.type, Float):
            return f"CAST(ROUND(CAST({text} AS DECIMAL(65, 30)), {count}) AS DOUBLE)"
        rounded = self.call("ROUND", text, count)
        is_whole = isinstance(number.type, Integer)
        return f"CAST({rounded} AS {_whole(number.type)})" if is_whole else rounded

    def call_ceil(self, node: Function[Any]) -> str:
        """Of decimals it comes as BIGINT."""
        text = super().call_ceil(node)
        return f"CAST({text} AS DECIMAL(65, 0))" if isinstance(node.type, Numeric) else text

    def call_floor(self, node: Function[Any]) -> str:
        """Of decimals it comes as BIGINT."""
        text = super().call_floor(node)
        return f"CAST({text} AS DECIMAL(65, 0))" if isinstance(node.type, Numeric) else text

    def default_beside(self, default: AnyExpression, node: Function[Any]) -> str:
        """MariaDB's `lag` and `lead` give NULL where there is no row, and nothing else."""
        if not self.dialect.capabilities.lag_default:
            raise QueryError(f"{self.dialect.name}: {node.display_name} takes no default")
        return super().default_beside(default, node)

    # casts

    def cast_name(self, type_: ColumnType) -> str:
        """Give the type's name as CAST takes it."""
        match type_:
            case Integer():
                return _whole(type_)
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

    def insert_values(self, insert: Insert) -> str:
        """Compile the columns and the rows, which have a name where a conflict is handled."""
        text = super().insert_values(insert)
        conflict = insert.on_conflict
        is_looked_at = conflict is not None and conflict.assignments and insert.select is None
        return f"{text} AS `{INNER}`" if is_looked_at else text

    def excluded(self, node: Excluded[Any]) -> str:
        """Compile the value that was to be inserted."""
        return f"`{INNER}`.{self.quote(node.column.name)}"

    def on_conflict(self, mapper: Mapper, conflict: OnConflict) -> str:
        """Compile ON DUPLICATE KEY UPDATE, which looks at every unique key.

        Not INSERT IGNORE: that hides other errors too.
        """
        if conflict.where:
            raise QueryError("MySQL has no condition in ON DUPLICATE KEY UPDATE")
        if conflict.target_where is not None:
            raise QueryError("MySQL has no unique index over some rows only, to be met there")
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


class MariaDBCompiler(MySQLCompiler):
    """Compiles trees for MariaDB, where JSON is text."""

    def __init__(self, dialect: SqlDialect) -> None:
        super().__init__(dialect)
        self._windows: list[tuple[object, dict[str, frozenset[bool]]]] = []

    def window(self, window: Window) -> str:
        """Compile what stands in OVER.

        Of three windows that go in different directions 10.11 takes some for the same, and gives
        wrong rows without an error.

        Raises:
            QueryError: there are such windows in one query.
        """
        text = super().window(window)
        scope = self._scopes[-1] if self._scopes else None
        found = next((windows for owner, windows in self._windows if owner is scope), None)
        if found is None:
            found = dict[str, frozenset[bool]]()
            self._windows.append((scope, found))
        order = text.split(" ROWS BETWEEN ")[0].split(" RANGE BETWEEN ")[0]
        found[order] = frozenset(term.is_descending for term in window.order_by)
        directions = {is_descending for terms in found.values() for is_descending in terms}
        if len(found) > 2 and len(directions) > 1:
            raise QueryError(
                "MariaDB mixes up three or more windows of which some are ascending and some"
                " descending; ask for them in queries of their own"
            )
        return text

    def insert_values(self, insert: Insert) -> str:
        """Compile the columns and the rows, which cannot have a name."""
        return SqlCompiler.insert_values(self, insert)

    def names_of_new(self, insert: Insert) -> str:  # noqa: ARG002 - they are not looked at
        """A table in FROM takes no names for its columns."""
        return ""

    def excluded(self, node: Excluded[Any]) -> str:
        """Compile the value that was to be inserted."""
        return f"VALUES({self.quote(node.column.name)})"

    def json_type(self, node: AnyExpression) -> str:
        """Give the name of a kind of JSON."""
        return f"JSON_TYPE({self.expression(node)})"

    def json_equal(self, left: AnyExpression, right: AnyExpression) -> str:
        """Compare whatever the order of keys."""
        # Bare in WHERE it counts as true where it is NULL (10.11); compared it does not.
        return f"JSON_EQUALS({self.json_value(left)}, {self.json_value(right)}) = TRUE"

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


def _whole(type_: ColumnType | None) -> str:
    """Give the name that CAST has for a whole number."""
    return "UNSIGNED" if isinstance(type_, UnsignedInteger) else "SIGNED"
