"""Trees to PostgreSQL's text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias, cast, final

from uow.dialects._postgresql_types import batch_name, type_name
from uow.dialects.sql_compiler import SqlCompiler
from uow.dialects.sql_expressions import FLOAT, TEXT, unlabelled
from uow.dialects.sql_json import JsonKind
from uow.expressions.nodes import (
    Arithmetic,
    Cast,
    Contains,
    Expression,
    Function,
    JsonPath,
    Like,
    Literal,
)
from uow.query.statements import Select
from uow.types import (
    Array,
    ColumnType,
    Float,
    Integer,
    Interval,
    Json,
    Numeric,
    Text,
)

__all__ = ["PostgreSQLCompiler"]

AnyExpression: TypeAlias = Expression[Any]

_INT32: Final = Integer(32)


@final
class PostgreSQLCompiler(SqlCompiler):
    """Compiles trees for PostgreSQL."""

    def in_values(
        self,
        operand: AnyExpression,
        values: tuple[object, ...],
        value_type: ColumnType | None,
        is_negated: bool,
    ) -> str:
        """Compile IN as a comparison with one array."""
        text = self.operand(operand)
        if value_type is None or batch_name(value_type) is not None:
            return self.in_placeholders(text, values, value_type, is_negated)
        encoded = [self.encode(value, value_type) for value in values]
        array = f"{self.mark(encoded)}::{type_name(value_type)}[]"
        return f"{text} <> ALL({array})" if is_negated else f"{text} = ANY({array})"

    def like(self, node: Like) -> str:
        """Compile LIKE and ILIKE."""
        word = "ILIKE" if node.is_insensitive else "LIKE"
        return f"{self.operand(node.operand)} {word} {self.operand(node.pattern)} ESCAPE '!'"

    def divide(self, left: AnyExpression, right: AnyExpression) -> str:
        """Divide; the server would raise on zero where others give NULL."""
        return f"{self.as_type(left, FLOAT)} / nullif({self.operand(right)}, 0)"

    def remainder(self, left: AnyExpression, right: AnyExpression) -> str:
        """Give the rest; NULL for zero."""
        return f"{self.operand(left)} % nullif({self.operand(right)}, 0)"

    def decimal_arithmetic(self, op: str, left: AnyExpression, right: AnyExpression) -> str:
        """Compute with NUMERIC; a quotient gets its 12 digits whatever the operands' scale."""
        one, other = self.operand(left), self.operand(right)
        if op == "/":
            return f"round(round(CAST({one} AS numeric), 20) / nullif({other}, 0), 12)"
        if op == "%":
            return f"{one} % nullif({other}, 0)"
        return f"{one} {op} {other}"

    def time_arithmetic(self, node: Arithmetic[Any]) -> str:
        """Compute natively; intervals are multiplied by doubles only."""
        left, right, op = node.left, node.right, node.op
        if op == "/":
            return f"{self.operand(left)} / nullif({self.as_type(right, FLOAT)}, 0)"
        if op == "*":
            one = (
                self.operand(left) if isinstance(left.type, Interval) else self.as_type(left, FLOAT)
            )
            other = (
                self.operand(right)
                if isinstance(right.type, Interval)
                else self.as_type(right, FLOAT)
            )
            return f"{one} * {other}"
        return f"{self.operand(left)} {op} {self.operand(right)}"

    # queries

    def recursive_base(self, select: Select, names: Sequence[str]) -> str:
        """Take lengths and scales off: the step's columns have none, and types must be the same.

        "WITH Queries", 7.8.2.1; the error is 42804.
        """
        mapper = select.entity_mapper
        columns = select.columns if mapper is None else mapper.columns
        types = [column.type for column in columns]
        if not any(map(_is_bounded, types)):
            return super().recursive_base(select, names)
        alias = self.quote("uow_base")
        found: list[str] = []
        for name, type_ in zip(names, types, strict=True):
            text = f"{alias}.{self.quote(name)}"
            if type_ is not None and _is_bounded(type_):
                text = f"CAST({text} AS {type_name(type_)}) AS {self.quote(name)}"
            found.append(text)
        return f"SELECT {', '.join(found)} FROM ({self.select(select, names=names)}) AS {alias}"

    # JSON

    def contains(self, node: Contains) -> str:
        """Compile `@>`."""
        operand, value = unlabelled(node.operand), unlabelled(node.value)
        document = self.operand(operand)
        if not isinstance(operand.type, Array):
            return f"{document} @> {self.json_value(value)}"
        if isinstance(value, Literal):
            held = cast("Literal[object]", value).value
            items = held if isinstance(value.type, Array) else [held]
            return f"{document} @> {self.bind_once(value, items, operand.type, 'items')}"
        if isinstance(value.type, Array):
            return f"{document} @> {self.operand(value)}"
        return f"{self.operand(value)} = ANY({document})"

    def json_value(self, node: AnyExpression) -> str:
        """Compile a value as jsonb."""
        if isinstance(node, Literal):
            value = cast("Literal[object]", node).value
            type_ = node.type if isinstance(node.type, Json) else Json()
            return self.bind_once(node, value, type_, "json")
        if isinstance(node.type, Json):
            return self.operand(node)
        return f"to_jsonb({self.expression(node)})"

    def json_path(self, node: JsonPath[Any]) -> str:
        """Follow `->` step by step."""
        text, path = self.path_parts(node)
        for number, step in enumerate(path):
            type_ = TEXT if isinstance(step, str) else _INT32
            text += f" -> {self.bind_once(node, step, type_, f'step{number}')}"
        return text

    def json_scalar(self, node: AnyExpression, kind: JsonKind) -> str:
        """Give what stands there if it is of the kind."""
        name = {"text": "string", "number": "number", "boolean": "boolean"}[kind]
        test = f"jsonb_typeof({self.expression(node)}) = '{name}'"
        value = self.json_as_text(node)
        if kind == "number":
            value = f"CAST({value} AS numeric)"
        elif kind == "boolean":
            value = f"CAST({value} AS boolean)"
        return f"CASE WHEN {test} THEN {value} END"

    def json_present(self, node: AnyExpression) -> str:
        """`#>>` gives NULL for JSON's null and for nothing."""
        return f"({self.json_as_text(node)})"

    def json_equal(self, left: AnyExpression, right: AnyExpression) -> str:
        """Compare jsonb."""
        return f"{self.json_value(left)} = {self.json_value(right)}"

    def json_as_text(self, node: AnyExpression) -> str:
        """Give a text without quotes, anything else as JSON writes it."""
        return f"{self.operand(node)} #>> '{{}}'"

    # functions

    def text_argument(self, node: AnyExpression) -> str:
        """Compile a text."""
        text = super().text_argument(node)
        return f"({text})" if isinstance(node.type, Json) else text

    def call_sum(self, node: Function[Any]) -> str:
        """The server adds whole numbers up to a NUMERIC."""
        text = super().call_sum(node)
        return f"CAST({text} AS bigint)" if isinstance(node.type, Integer) else text

    def call_avg(self, node: Function[Any]) -> str:
        """Means of whole numbers are doubles, of decimals rounded as quotients are."""
        if isinstance(node.type, Numeric):
            argument = self.expression(node.args[0])
            return f"round({self.aggregate('avg', node, f'round({argument}, 20)')}, 12)"
        text = super().call_avg(node)
        return text if isinstance(node.args[0].type, Float) else f"CAST({text} AS double precision)"

    def call_trim(self, node: Function[Any]) -> str:
        """`btrim`."""
        return self.call("btrim", self.text_argument(node.args[0]))

    def call_round(self, node: Function[Any]) -> str:
        """Round as NUMERIC: doubles would be rounded to even, and know no digits."""
        number, digits = node.args
        count = self.int32(digits)
        text = f"round(CAST({self.expression(number)} AS numeric), {count})"
        if isinstance(number.type, Numeric):
            return text
        return f"CAST({text} AS {type_name(number.type or FLOAT)})"

    # casts

    def cast_name(self, type_: ColumnType) -> str:
        """Give the type's name."""
        if isinstance(type_, Numeric) and type_.precision is not None:
            return f"numeric({int(type_.precision)}, {int(type_.scale or 0)})"
        return type_name(type_)

    def cast(self, node: Cast[Any]) -> str:
        """Compile CAST."""
        operand, to = unlabelled(node.operand), cast("ColumnType", node.type)
        if isinstance(operand.type, Json) and not isinstance(to, Json):
            text = self.json_as_text(operand)
        else:
            text = self.expression(operand)
        if isinstance(to, Integer) and isinstance(operand.type, Float | Numeric):
            text = f"trunc({text})"
        return f"CAST({text} AS {self.cast_name(to)})"


def _is_bounded(type_: ColumnType | None) -> bool:
    """Whether a column of this type has a length, or a scale."""
    match type_:
        case Text(max_length=int()):
            return True
        case Numeric(precision=precision, scale=scale):
            return precision is not None or scale is not None
        case _:
            return False
