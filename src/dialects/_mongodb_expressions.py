"""Values and conditions as the store computes them, in pipelines and behind `$expr`.

A comparison of something with nothing is true nowhere, as in SQL; the store itself orders nothing
before everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias, cast

from uow.dialects._mongodb_paths import NO_ENCODERS, Encoders, encoded, path_of
from uow.dialects._mongodb_patterns import regex_of
from uow.errors import QueryError
from uow.expressions.keyset import After, written_out
from uow.expressions.literals import JSON
from uow.expressions.nodes import (
    And,
    Arithmetic,
    Between,
    Case,
    Cast,
    ColumnExpression,
    Compare,
    Expression,
    FieldPath,
    Function,
    In,
    IsNull,
    Label,
    Like,
    Literal,
    Negative,
    Not,
    Or,
    TruthValue,
)
from uow.types import (
    Binary,
    Boolean,
    ColumnType,
    Date,
    DateTime,
    Float,
    Integer,
    Interval,
    Json,
    Numeric,
    Text,
)

__all__ = ["Computing", "Names", "computed", "constant", "raw_computed", "raw_key", "raw_value"]

AnyExpression: TypeAlias = Expression[Any]
Names: TypeAlias = Callable[[AnyExpression], "str | None"]
"""What stands already under a name where something is computed."""

_COMPARE: Final = {"=": "$eq", "<>": "$ne", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}
_ARITHMETIC: Final = {
    "+": "$add",
    "-": "$subtract",
    "*": "$multiply",
    "/": "$divide",
    "%": "$mod",
    "||": "$concat",
}
_PROGRAMS: Final = frozenset({"$function", "$accumulator"})
"""Operators that are given programs, in JavaScript."""

AGGREGATES: Final = frozenset({"count", "sum", "avg", "min", "max"})


def constant(value: Any) -> Any:
    """Say that a value is itself, where the store would take it for something to compute."""
    given: Any = value
    if isinstance(value, (Mapping, list)) or (isinstance(value, str) and value.startswith("$")):
        return {"$literal": given}
    return given


def raw_value(
    value: Any, as_filter: Callable[[AnyExpression], Any], encoders: Encoders = NO_ENCODERS
) -> Any:
    """Give a part of a user's own filter: fields stand for their paths, conditions for filters."""
    given: Any = value
    if isinstance(value, Literal):
        return encoded(given.value, given.type, encoders)
    if encoders and isinstance(value, (*encoders,)):
        return encoded(given, JSON, encoders)
    if isinstance(value, Expression):
        path = path_of(given)
        return path if path is not None else as_filter(given)
    if isinstance(value, Mapping):
        return {raw_key(key): raw_value(item, as_filter, encoders) for key, item in given.items()}
    if isinstance(value, (list, tuple)):
        return [raw_value(item, as_filter, encoders) for item in given]
    return given


def raw_computed(value: Any, *, runs_code: bool = True) -> Any:
    """Give a part of what a user wants to be computed: expressions stand for what they give.

    Args:
        value: the part.
        runs_code: it may hold programs that the server runs.

    Raises:
        QueryError: it holds one, and may not.
    """
    given: Any = value
    if isinstance(value, Expression):
        return computed(given)
    if isinstance(value, Mapping):
        found: dict[Any, Any] = {}
        for key, item in given.items():
            name = raw_key(key)
            if name in _PROGRAMS and not runs_code:
                raise QueryError(
                    f"a filter given as a dict cannot hold {name}, which the server runs as a"
                    " program; if that is meant, say it in a pipeline of aggregate(...)"
                )
            # What is behind `$literal` is a value, whatever it looks like.
            found[name] = raw_computed(item, runs_code=runs_code or name == "$literal")
        return found
    if isinstance(value, (list, tuple)):
        return [raw_computed(item, runs_code=runs_code) for item in given]
    return given


def raw_key(key: Any) -> Any:
    """Give a key of a part of a user's own filter."""
    field: Any = key
    return path_of(field) if isinstance(key, Expression) else field


def computed(node: AnyExpression) -> Any:
    """Give an expression as the store computes it for one document."""
    return Computing()(node)


class Computing:
    """Compiles expressions.

    Args:
        names: tells what stands already under a name; for groups.
    """

    __slots__ = ("_names",)

    def __init__(self, names: Names | None = None) -> None:
        self._names = names

    def __call__(self, node: AnyExpression) -> Any:
        """Give one expression.

        Raises:
            QueryError: the store cannot compute it.
        """
        if self._names is not None:
            name = self._names(node)
            if name is not None:
                return f"${name}"
        compile_node = _NODES.get(type(node))
        if compile_node is None:
            raise QueryError(f"MongoDB cannot compute {node.display_name}")
        return compile_node(self, node)

    def _column(self, node: ColumnExpression[Any]) -> Any:
        self._refuse_ungrouped(node)
        return f"${node.column.name}"

    def _logic(self, node: And | Or) -> Any:
        return {"$and" if isinstance(node, And) else "$or": self._all(node.operands)}

    def _is_null(self, node: IsNull) -> Any:
        return {"$gt" if node.is_negated else "$lte": [self(node.operand), None]}

    def _between(self, node: Between) -> Any:
        low = Compare(">=", node.operand, node.low)
        return {"$and": self._all((low, Compare("<=", node.operand, node.high)))}

    def _after(self, node: After) -> Any:
        return self(written_out(node, nulls_are_greatest=False, row_values=False))

    def _refuse_ungrouped(self, node: AnyExpression) -> None:
        if self._names is not None:
            raise QueryError(
                f"{node.display_name} is not one value of a group: group by it or aggregate it"
            )

    def _all(self, nodes: Iterable[AnyExpression]) -> list[Any]:
        return [self(node) for node in nodes]

    def _path(self, node: FieldPath[Any]) -> Any:
        self._refuse_ungrouped(node)
        path = path_of(node)
        if path is not None and not any(isinstance(step, int) for step in node.path):
            return f"${path}"
        found: Any = f"${node.operand.column.name}"
        for step in node.path:
            if isinstance(step, int):
                found = {"$cond": [{"$isArray": [found]}, {"$arrayElemAt": [found, step]}, None]}
            else:
                found = {"$getField": {"field": {"$literal": step}, "input": found}}
        return found

    def _compare(self, node: Compare) -> Any:
        left, right = self(node.left), self(node.right)
        test = {_COMPARE[node.op]: [left, right]}
        some = [
            {"$gt": [value, None]}
            for part, value in ((node.left, left), (node.right, right))
            if not isinstance(part, Literal)
        ]
        return {"$and": [*some, test]} if some else test

    def _in(self, node: In) -> Any:
        values = [constant(encoded(value, node.value_type)) for value in node.values]
        values += self._all(node.expressions)
        operand = self(node.operand)
        test: Any = {"$in": [operand, values]}
        if node.is_negated:
            test = {"$not": [test]}
        return {"$and": [{"$gt": [operand, None]}, test]}

    def _like(self, node: Like) -> Any:
        pattern, options = regex_of(node)
        operand = self(node.operand)
        return {"$regexMatch": {"input": operand, "regex": pattern, "options": options}}

    def _arithmetic(self, node: Arithmetic[Any]) -> Any:
        left, right = self(node.left), self(node.right)
        kinds = type(node.left.type), type(node.right.type)
        if DateTime in kinds or Date in kinds:  # the store counts milliseconds, spans are seconds
            if kinds[0] is kinds[1]:
                return {"$divide": [{"$subtract": [left, right]}, 1000]}
            if kinds[0] is Interval:
                left = {"$multiply": [left, 1000]}
            else:
                right = {"$multiply": [right, 1000]}
        return {_ARITHMETIC[node.op]: [left, right]}

    def _case(self, node: Case[Any]) -> Any:
        branches = [{"case": self(when), "then": self(then)} for when, then in node.whens]
        otherwise = None if node.otherwise is None else self(node.otherwise)
        return {"$switch": {"branches": branches, "default": otherwise}}

    def _cast(self, node: Cast[Any]) -> Any:
        operator = _CASTS.get(type(cast("ColumnType", node.type)))
        if operator is None:
            raise QueryError(f"MongoDB has no cast to {type(node.type).__name__}")
        return {operator: self(node.operand)} if operator else self(node.operand)

    def _function(self, node: Function[Any]) -> Any:
        if node.window is not None:
            raise QueryError(f"MongoDB has no windows here: {node.display_name}")
        if node.name in AGGREGATES:
            raise QueryError(f"{node.display_name} is of a group, and here is one document")
        make = _FUNCTIONS.get(node.name)
        if make is None:
            raise QueryError(f"MongoDB has no function {node.name!r} here")
        return make(self._all(node.args))


_NODES: Final[Mapping[type[Any], Callable[[Computing, Any], Any]]] = {
    ColumnExpression: Computing._column,
    FieldPath: Computing._path,
    Literal: lambda _, node: constant(encoded(node.value, node.type)),
    Label: lambda compute, node: compute(node.operand),
    Compare: Computing._compare,
    And: Computing._logic,
    Or: Computing._logic,
    Not: lambda compute, node: {"$not": [compute(node.operand)]},
    IsNull: Computing._is_null,
    In: Computing._in,
    Between: Computing._between,
    Like: Computing._like,
    After: Computing._after,
    TruthValue: lambda _, node: {"$literal": node.value},
    Arithmetic: Computing._arithmetic,
    Negative: lambda compute, node: {"$multiply": [compute(node.operand), -1]},
    Case: Computing._case,
    Cast: Computing._cast,
    Function: Computing._function,
}


def _text_or_none(operator: str) -> Callable[[list[Any]], Any]:
    """Text functions of the store make an empty text of nothing, or an error."""

    def make(args: list[Any]) -> Any:
        return {"$cond": [{"$gt": [args[0], None]}, {operator: args[0]}, None]}

    return make


def _replace(args: list[Any]) -> Any:
    return {"$replaceAll": {"input": args[0], "find": args[1], "replacement": args[2]}}


def _substr(args: list[Any]) -> Any:
    start = {"$subtract": [args[1], 1]}
    count = args[2] if len(args) == 3 else {"$strLenCP": args[0]}
    cut = {"$substrCP": [args[0], start, count]}
    return {"$cond": [{"$gt": [args[0], None]}, cut, None]}


def _most(operator: str) -> Callable[[list[Any]], Any]:
    return lambda args: {operator: args}


def _today(_: list[Any]) -> Any:
    return {"$dateTrunc": {"date": "$$NOW", "unit": "day"}}


_FUNCTIONS: Final[Mapping[str, Callable[[list[Any]], Any]]] = {
    "lower": _text_or_none("$toLower"),
    "upper": _text_or_none("$toUpper"),
    "length": _text_or_none("$strLenCP"),
    "trim": lambda args: {"$trim": {"input": args[0], "chars": " "}},
    "replace": _replace,
    "substr": _substr,
    "abs": lambda args: {"$abs": args[0]},
    "round": lambda args: {"$round": args},
    "ceil": lambda args: {"$ceil": args[0]},
    "floor": lambda args: {"$floor": args[0]},
    "coalesce": lambda args: {"$ifNull": args if len(args) > 1 else [args[0], None]},
    "nullif": lambda args: {"$cond": [{"$eq": args}, None, args[0]]},
    "greatest": _most("$max"),
    "least": _most("$min"),
    "now": lambda _: "$$NOW",
    "current_date": _today,
}

_CASTS: Final[Mapping[type[ColumnType], str]] = {
    Text: "$toString",
    Integer: "$toLong",
    Float: "$toDouble",
    Numeric: "$toDecimal",
    Boolean: "$toBool",
    DateTime: "$toDate",
    Binary: "",
    Json: "",
}
