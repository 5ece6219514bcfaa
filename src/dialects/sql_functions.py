"""Arithmetic, functions, CASE and CAST, with one meaning on every store.

* `/` is true division: whole numbers give a double, decimals a decimal rounded half away from zero
  to 12 digits after the point. Division and remainder by zero give NULL.
* `%` is defined for whole numbers and decimals and has the sign of the dividend.
* `sum` of whole numbers is a whole number, `avg` of them a double.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, cast

from uow.dialects._names import plain_identifier
from uow.dialects.sql_expressions import (
    FLOAT,
    INT32,
    AnyExpression,
    unlabelled,
)
from uow.dialects.sql_json import SqlJson
from uow.errors import QueryError
from uow.expressions.nodes import (
    Arithmetic,
    Case,
    Cast,
    Function,
    Literal,
    Negative,
    OrderTerm,
)
from uow.expressions.windows import WINDOW_FUNCTIONS, Frame, FrameKind, Window
from uow.types import (
    Binary,
    ColumnType,
    DateTime,
    Float,
    Integer,
    Interval,
    Json,
    Numeric,
    Text,
)

__all__ = ["SqlFunctions"]

_SAME_KIND_FUNCTIONS = frozenset({"coalesce", "nullif", "greatest", "least", "min", "max"})


class SqlFunctions(SqlJson):
    """Adds arithmetic, functions, CASE and CAST."""

    def methods(self) -> dict[type, Callable[[Any], str]]:
        """Say which method compiles which class of node."""
        return super().methods() | {
            Arithmetic: self.arithmetic,
            Negative: self.negative,
            Function: self.function,
            Case: self.case,
            Cast: self.cast,
        }

    # -- arithmetic

    def arithmetic(self, node: Arithmetic[Any]) -> str:
        """Compile an operator on numbers, texts or times."""
        left, right = node.left, node.right
        if node.op == "||" or (node.op == "+" and isinstance(node.type, Text)):
            return self.concat(left, right)
        if isinstance(left.type, DateTime | Interval) or isinstance(
            right.type, DateTime | Interval
        ):
            return self.time_arithmetic(node)
        if isinstance(node.type, Numeric):
            return self.decimal_arithmetic(node.op, left, right)
        if node.op == "/":
            return self.divide(left, right)
        if node.op == "%":
            if isinstance(node.type, Float):
                raise QueryError("% is defined for whole numbers and decimals")
            return self.remainder(left, right)
        return f"{self.operand(left)} {node.op} {self.operand(right)}"

    def concat(self, left: AnyExpression, right: AnyExpression) -> str:
        """Join two texts."""
        return f"{self.operand(left)} || {self.operand(right)}"

    def divide(self, left: AnyExpression, right: AnyExpression) -> str:
        """Divide as doubles."""
        return f"{self.as_type(left, FLOAT)} / {self.operand(right)}"

    def remainder(self, left: AnyExpression, right: AnyExpression) -> str:
        """Give the rest of a division of whole numbers."""
        return f"{self.operand(left)} % {self.operand(right)}"

    @abstractmethod
    def decimal_arithmetic(self, op: str, left: AnyExpression, right: AnyExpression) -> str:
        """Compile exact arithmetic."""

    @abstractmethod
    def time_arithmetic(self, node: Arithmetic[Any]) -> str:
        """Compile sums and differences of times and intervals."""

    def negative(self, node: Negative[Any]) -> str:
        """Compile a minus sign."""
        if not isinstance(node.type, Integer | Float | Numeric | Interval | None):
            raise QueryError(
                f"{node.operand.display_name} is no number: a minus before it stands in order_by "
                "only"
            )
        return self.minus(node.operand)

    def minus(self, operand: AnyExpression) -> str:
        """Write a minus before a number."""
        return f"-{self.operand(operand)}"

    # -- functions

    def function(self, node: Function[Any]) -> str:
        """Compile a call: those that mean the same everywhere, or the store's own."""
        if node.window is not None and self.row_place is not None:
            raise QueryError(
                f"{node.display_name} over a window cannot stand in {self.row_place}: select it in "
                "a .subquery(), and ask there"
            )
        if node.name in WINDOW_FUNCTIONS:
            return self.window_function(node)
        portable = getattr(self, f"call_{node.name}", None)
        if portable is not None:
            self._check_json_arguments(node)
            text: str = portable(node)
            return text
        name = plain_identifier(node.name, "the function")
        if node.where and not self.dialect.capabilities.aggregate_filter:
            raise QueryError(f"{self.dialect.name} cannot filter what {node.display_name} looks at")
        return self.aggregate(name, node, self.list_of(node.args))

    def _check_json_arguments(self, node: Function[Any]) -> None:
        if node.name in _SAME_KIND_FUNCTIONS:
            kinds = {isinstance(arg.type, Json) for arg in node.args if arg.type is not None}
            if len(kinds) > 1 or (True in kinds and node.name != "coalesce"):
                raise QueryError(
                    f"{node.display_name} over JSON: say what a place in a document is with "
                    ".cast(...)"
                )

    def call(self, name: str, *args: str) -> str:
        """Write a call."""
        return f"{name}({', '.join(args)})"

    def text_argument(self, node: AnyExpression) -> str:
        """Compile the argument of a function of text."""
        return self.json_as_text(node) if isinstance(node.type, Json) else self.expression(node)

    def int32(self, node: AnyExpression) -> str:
        """Compile a small whole number: a count or a position."""
        if isinstance(node, Literal):
            return self.bind_once(node, cast("Literal[object]", node).value, INT32, "int32")
        return self.as_type(node, INT32)

    def as_type(self, node: AnyExpression, to: ColumnType) -> str:
        """Compile an expression as a number of another type, unless it is of that type."""
        node = unlabelled(node)
        if isinstance(node, Literal):
            value = cast("Literal[object]", node).value
            if type(value) is int and isinstance(to, Float):
                value = float(value)
            return self.bind_once(node, value, to, "as")
        if type(node.type) is type(to) and not isinstance(to, Integer):
            return self.operand(node)
        return f"CAST({self.expression(node)} AS {self.cast_name(to)})"

    # -- aggregates and windows

    def aggregate(self, name: str, node: Function[Any], argument: str) -> str:
        """Write a call over rows: `name(DISTINCT argument) FILTER (..) OVER (..)`."""
        tail = ""
        if node.where:
            condition = self.conditions(node.where)
            if self.dialect.capabilities.aggregate_filter:
                tail = f" FILTER (WHERE {condition})"
            else:
                # Aggregates pass over NULL, which a row that is filtered out then is.
                kept = "1" if argument == "*" else argument
                argument = f"CASE WHEN {condition} THEN {kept} END"
        if node.window is not None:
            tail += f" OVER ({self.window(node.window)})"
        return f"{name}({_distinct(node)}{argument}){tail}"

    def window(self, window: Window) -> str:
        """Compile what stands in OVER."""
        parts: list[str] = []
        if window.partition_by:
            found = [self.sortable(unlabelled(one)) for one in window.partition_by]
            parts.append(f"PARTITION BY {', '.join(found)}")
        if window.order_by:
            terms = [text for term in window.order_by for text in self.window_order(term)]
            parts.append(f"ORDER BY {', '.join(terms)}")
        if window.frame is not None:
            parts.append(self.frame(window.frame))
        return " ".join(parts)

    @abstractmethod
    def window_order(self, term: OrderTerm) -> list[str]:
        """Compile one term of the order of a window."""

    def frame(self, frame: Frame) -> str:
        """Compile the frame of a window.

        Raises:
            QueryError: the store does not count in groups.
        """
        if frame.kind is FrameKind.GROUPS and not self.dialect.capabilities.frame_groups:
            raise QueryError(f"{self.dialect.name} has no frames that are counted in groups")
        start, end = _bound(frame.start, "PRECEDING"), _bound(frame.end, "FOLLOWING")
        return f"{frame.kind.value} BETWEEN {start} AND {end}"

    def window_function(self, node: Function[Any]) -> str:
        """Compile a function that has no meaning without a window."""
        if node.window is None:
            raise QueryError(f"{node.display_name} looks at rows around a row: it needs .over(...)")
        if node.name == "ntile":
            arguments = [self.int32(node.args[0])]
        else:
            first, rest = node.args[:1], node.args[1:]
            arguments = [self.expression(arg) for arg in first]
            arguments += [self.int32(arg) for arg in rest[:1]]
            arguments += [self.default_beside(arg, node) for arg in rest[1:]]
        return self.aggregate(node.name, node, ", ".join(arguments))

    def default_beside(self, default: AnyExpression, node: Function[Any]) -> str:
        """Compile what `lag` and `lead` give where there is no row: as a value of the column."""
        return self.assigned(default, node.type) if node.type else self.expression(default)

    def call_count(self, node: Function[Any]) -> str:
        """`count(*)` or `count(x)`."""
        if not node.args:
            return self.aggregate("count", node, "*")
        argument = node.args[0]
        inner = self.sortable(argument) if node.is_distinct else self.expression(argument)
        return self.aggregate("count", node, inner)

    def call_sum(self, node: Function[Any]) -> str:
        """`sum(x)`."""
        return self.aggregate("sum", node, self.expression(node.args[0]))

    def call_avg(self, node: Function[Any]) -> str:
        """`avg(x)`."""
        return self.aggregate("avg", node, self.expression(node.args[0]))

    def call_min(self, node: Function[Any]) -> str:
        """`min(x)`."""
        return self.aggregate("min", node, self.sortable(node.args[0]))

    def call_max(self, node: Function[Any]) -> str:
        """`max(x)`."""
        return self.aggregate("max", node, self.sortable(node.args[0]))

    def call_lower(self, node: Function[Any]) -> str:
        """`lower(x)`."""
        return self.call("lower", self.text_argument(node.args[0]))

    def call_upper(self, node: Function[Any]) -> str:
        """`upper(x)`."""
        return self.call("upper", self.text_argument(node.args[0]))

    def call_trim(self, node: Function[Any]) -> str:
        """`trim(x)`: blanks on both ends."""
        return self.call("trim", self.text_argument(node.args[0]))

    def call_length(self, node: Function[Any]) -> str:
        """`length(x)`: characters, or bytes."""
        name = self.byte_length if isinstance(node.args[0].type, Binary) else self.text_length
        return self.call(name, self.text_argument(node.args[0]))

    text_length = "length"
    byte_length = "length"

    def call_replace(self, node: Function[Any]) -> str:
        """`replace(x, old, new)`."""
        return self.call("replace", *[self.text_argument(arg) for arg in node.args])

    def call_substr(self, node: Function[Any]) -> str:
        """`substr(x, start[, length])`, positions from 1: stores disagree below."""
        text, start, *rest = node.args
        for argument, least in ((start, 1), *((arg, 0) for arg in rest)):
            if isinstance(argument, Literal) and cast("Literal[int]", argument).value < least:
                raise QueryError(f"substr: positions begin at 1, lengths at 0, not below {least}")
        numbers = [self.int32(argument) for argument in (start, *rest)]
        return self.call("substr", self.text_argument(text), *numbers)

    def call_abs(self, node: Function[Any]) -> str:
        """`abs(x)`."""
        return self.call("abs", self.expression(node.args[0]))

    def call_ceil(self, node: Function[Any]) -> str:
        """`ceil(x)`."""
        return self.call("ceil", self.expression(node.args[0]))

    def call_floor(self, node: Function[Any]) -> str:
        """`floor(x)`."""
        return self.call("floor", self.expression(node.args[0]))

    @abstractmethod
    def call_round(self, node: Function[Any]) -> str:
        """`round(x, digits)`: half away from zero, on decimal digits."""

    def call_coalesce(self, node: Function[Any]) -> str:
        """`coalesce(...)`."""
        return self.call("coalesce", *[self.expression(arg) for arg in node.args])

    def call_nullif(self, node: Function[Any]) -> str:
        """`nullif(a, b)`."""
        return self.call("nullif", *self.comparable(*node.args))

    def call_greatest(self, node: Function[Any]) -> str:
        """`greatest(...)`."""
        return self.call("greatest", *self.comparable(*node.args))

    def call_least(self, node: Function[Any]) -> str:
        """`least(...)`."""
        return self.call("least", *self.comparable(*node.args))

    def call_now(self, node: Function[Any]) -> str:
        """This moment, in the store's canonical form."""
        return self.dialect.ddl.now(cast("ColumnType", node.type))

    def call_current_date(self, node: Function[Any]) -> str:
        """This day, in UTC."""
        return self.dialect.ddl.now(cast("ColumnType", node.type))

    def case(self, node: Case[Any]) -> str:
        """Compile CASE."""
        values = [value for _, value in node.whens]
        values += [] if node.otherwise is None else [node.otherwise]
        kinds = {isinstance(value.type, Json) for value in values if value.type is not None}
        if len(kinds) > 1:
            raise QueryError("case mixes JSON with other values: use .cast(...) on the JSON")
        branches = "".join(
            [
                f" WHEN {self.condition(condition)} THEN {self.expression(value)}"
                for condition, value in node.whens
            ]
        )
        otherwise = "" if node.otherwise is None else f" ELSE {self.expression(node.otherwise)}"
        return f"CASE{branches}{otherwise} END"

    # -- casts

    @abstractmethod
    def cast_name(self, type_: ColumnType) -> str:
        """Give the name of a type as CAST takes it.

        Raises:
            QueryError: the store cannot convert to it.
        """

    @abstractmethod
    def cast(self, node: Cast[Any]) -> str:
        """Compile CAST. A number cast to a whole one is cut, as Python's `int` does."""

    def assigned(self, node: AnyExpression, type_: ColumnType) -> str:
        """Compile the new value of a column."""
        node = unlabelled(node)
        if isinstance(node, Literal):
            return self.bind_once(node, cast("Literal[object]", node).value, type_, "assign")
        return self.expression(node)


def _bound(offset: int | None, unbounded: str) -> str:
    # Whole numbers, checked when the frame was made: servers take no placeholder here.
    if offset is None:
        return f"UNBOUNDED {unbounded}"
    if offset == 0:
        return "CURRENT ROW"
    return f"{int(-offset)} PRECEDING" if offset < 0 else f"{int(offset)} FOLLOWING"


def _distinct(node: Function[Any]) -> str:
    return "DISTINCT " if node.is_distinct else ""
