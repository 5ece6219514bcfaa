"""Trees to SQLite's text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, TypeAlias, cast, final

from uow.dialects import _json
from uow.dialects.sql_compiler import SqlCompiler
from uow.dialects.sql_expressions import TEXT, unlabelled
from uow.dialects.sql_json import JsonKind
from uow.errors import QueryError
from uow.expressions.nodes import (
    Arithmetic,
    Cast,
    Contains,
    Expression,
    Function,
    JsonPath,
    Like,
    Literal,
    Negative,
    TruthValue,
)
from uow.query.statements import Insert, Select
from uow.types import (
    Array,
    Binary,
    Boolean,
    ColumnType,
    Date,
    DateTime,
    Float,
    Integer,
    Json,
    Numeric,
    Text,
    Time,
    Uuid,
)

__all__ = ["SQLiteCompiler", "glob_pattern", "json_path_text"]

AnyExpression: TypeAlias = Expression[Any]

LONG_LIST: Final = 256
"""From so many values on, an IN list travels as one JSON array."""

_MAX_GLOB: Final = 16_000
"""In characters; the library takes 50,000 bytes (SQLITE_MAX_LIKE_PATTERN_LENGTH)."""

_DECIMAL: Final = '"uow_decimal"'


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

    def is_atom(self, node: AnyExpression) -> bool:
        """Arithmetic with decimals is a call."""
        if isinstance(node, Arithmetic | Negative) and isinstance(node.type, Numeric):
            return True
        return super().is_atom(node)

    def member(self, operand: AnyExpression, member: AnyExpression) -> str:
        """A member beside a decimal must be one."""
        if isinstance(operand.type, Numeric):
            return self.as_decimal(member)
        return super().member(operand, member)

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

    def inserted_select(self, insert: Insert, select: Select) -> str:
        """Give the select a WHERE before ON CONFLICT.

        Without one ON is read as that of a join ("Parsing Ambiguity",
        https://sqlite.org/lang_upsert.html).
        """
        if insert.on_conflict is not None and not select.where:
            select = select.replace(where=(TruthValue(True),))
        return super().inserted_select(insert, select)

    # lists

    def in_values(
        self,
        operand: AnyExpression,
        values: tuple[object, ...],
        value_type: ColumnType | None,
        is_negated: bool,
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
                text = self.operand(operand)
                return f"{text} GLOB {self.bind_once(pattern, glob_pattern(value), TEXT, 'glob')}"
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
        argument = node.args[0]
        inner = self.sortable(argument) if node.is_distinct else self.expression(argument)
        return self.aggregate(name, node, inner)

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
        """SQLite's own rounds the double behind the digits, and nothing left of the point."""
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
