"""Places in JSON documents, compared alike on every store.

A place is compared with a value of its own kind only: a text is neither equal to a number nor
before or after it, and `<>` holds for what is of another kind. JSON's null is NULL.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, TypeAlias, cast
from typing import Literal as Either

from uow.dialects.sql_expressions import (
    BOOLEAN,
    FLOAT,
    INTEGER,
    TEXT,
    AnyExpression,
    SqlExpressions,
    unlabelled,
)
from uow.errors import QueryError
from uow.expressions.nodes import (
    Between,
    Compare,
    Contains,
    In,
    JsonPath,
    Literal,
)
from uow.types import (
    Boolean,
    ColumnType,
    Float,
    Integer,
    Json,
    Numeric,
    Text,
)

__all__ = ["JsonKind", "SqlJson"]

JsonKind: TypeAlias = Either["text", "number", "boolean", "document"]


class SqlJson(SqlExpressions):
    """Adds places in JSON documents."""

    def methods(self) -> dict[type, Callable[[Any], str]]:
        """Say which method compiles which class of node."""
        return super().methods() | {JsonPath: self.json_path, Contains: self.contains}

    def condition(self, node: AnyExpression) -> str:
        """Compile what is asked whether it holds."""
        if isinstance(node.type, Json):
            return self.json_scalar(node, "boolean")
        return super().condition(node)

    def nullable(self, node: AnyExpression) -> str:
        """Compile what is asked whether it is NULL."""
        node = unlabelled(node)
        return self.json_present(node) if isinstance(node, JsonPath) else super().nullable(node)

    def compare(self, node: Compare) -> str:
        """Compile a comparison."""
        if isinstance(node.left.type, Json) or isinstance(node.right.type, Json):
            return self.compare_json(node)
        return super().compare(node)

    def between(self, node: Between) -> str:
        """Compile BETWEEN."""
        if not isinstance(node.operand.type, Json):
            return super().between(node)
        kind = self.json_kind(node.low)
        # Where placeholders have no numbers, values are bound in the order of the text.
        scalar = self.json_scalar(node.operand, kind)
        low, high = self.json_side(node.low, kind), self.json_side(node.high, kind)
        return f"{scalar} BETWEEN {low} AND {high}"

    def in_(self, node: In) -> str:
        """Compile IN over values."""
        return self.in_json(node) if isinstance(node.operand.type, Json) else super().in_(node)

    @abstractmethod
    def contains(self, node: Contains) -> str:
        """Compile whether JSON or an array holds a value."""

    @abstractmethod
    def json_path(self, node: JsonPath[Any]) -> str:
        """Compile a place in a document, as JSON; NULL where nothing stands."""

    @abstractmethod
    def json_scalar(self, node: AnyExpression, kind: JsonKind) -> str:
        """Compile a place as a plain value of one kind; NULL where another kind stands."""

    @abstractmethod
    def json_present(self, node: AnyExpression) -> str:
        """Compile a place as something that is NULL where nothing or JSON's null stands."""

    @abstractmethod
    def json_equal(self, left: AnyExpression, right: AnyExpression) -> str:
        """Compile whether two documents are equal, whatever the order of keys."""

    @abstractmethod
    def json_as_text(self, node: AnyExpression) -> str:
        """Compile a place as text without quotes."""

    def json_kind(self, node: AnyExpression) -> JsonKind:
        """Tell as what kind of JSON something is compared.

        Raises:
            QueryError: it is of a type that JSON has not.
        """
        node = unlabelled(node)
        if isinstance(node, Literal):
            value = cast("Literal[object]", node).value
            if isinstance(value, bool):
                return "boolean"
            if isinstance(value, int | float):
                return "number"
            if isinstance(value, str):
                return "text"
        match node.type:
            case Text():
                return "text"
            case Integer() | Float() | Numeric():
                return "number"
            case Boolean():
                return "boolean"
            case Json():
                return "document"
            case _:
                raise QueryError(
                    f"JSON has no value like {node.display_name}: say what a place in a document "
                    "is with .cast(...)"
                )

    def json_side(self, node: AnyExpression, kind: JsonKind) -> str:
        """Compile the other side of a comparison with a place in a document."""
        node = unlabelled(node)
        if isinstance(node, Literal):
            value = cast("Literal[object]", node).value
            types: dict[str, ColumnType] = {"text": TEXT, "number": FLOAT, "boolean": BOOLEAN}
            type_ = INTEGER if type(value) is int else types.get(kind, node.type or TEXT)
            return self.bind_once(node, value, type_, kind)
        if isinstance(node.type, Json):
            return self.json_scalar(node, kind)
        return self.operand(node)

    def compare_json(self, node: Compare) -> str:
        """Compile a comparison in which a side is JSON."""
        left, right, op = unlabelled(node.left), unlabelled(node.right), node.op
        if isinstance(left, Literal) or not isinstance(left.type, Json):
            left, right, op = right, left, _MIRRORED[op]
        kind = self.json_kind(right)
        if kind == "document":
            return self._compare_documents(op, left, right)
        if kind == "boolean" and op not in {"=", "<>"}:
            raise QueryError(f"{left.display_name}: truth values have no order")
        if op == "<>":
            present, scalar = self.json_present(left), self.json_scalar(left, kind)
            other = self.json_side(right, kind)
            return f"CASE WHEN {present} IS NOT NULL THEN COALESCE({scalar} <> {other}, TRUE) END"
        return f"{self.json_scalar(left, kind)} {op} {self.json_side(right, kind)}"

    def _compare_documents(self, op: str, left: AnyExpression, right: AnyExpression) -> str:
        if op not in {"=", "<>"}:
            raise QueryError(
                f"{left.display_name}: documents have no order; say what a place in one is with "
                ".cast(...)"
            )
        equal = self.json_equal(left, right)
        return equal if op == "=" else f"NOT ({equal})"

    def in_json(self, node: In) -> str:
        """Compile IN for a place in a document: a list for each kind of value."""
        literals: list[AnyExpression] = [Literal(v, node.value_type) for v in node.values]
        by_kind: dict[JsonKind, list[AnyExpression]] = {}
        for member in (*literals, *node.expressions):
            by_kind.setdefault(self.json_kind(member), []).append(member)
        parts: list[str] = []
        for kind, members in by_kind.items():
            if kind == "document":
                parts += [self.json_equal(node.operand, member) for member in members]
                continue
            scalar = self.json_scalar(node.operand, kind)
            sides = ", ".join([self.json_side(member, kind) for member in members])
            parts.append(f"{scalar} IN ({sides})")
        if not node.is_negated:
            return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"
        present = self.json_present(node.operand)
        none = " AND ".join([f"NOT COALESCE({part}, FALSE)" for part in parts])
        return f"CASE WHEN {present} IS NOT NULL THEN {none} END"

    def path_parts(self, node: AnyExpression) -> tuple[str, tuple[str | int, ...]]:
        """Give the text of the document a place is in, and the path to it."""
        node = unlabelled(node)
        if isinstance(node, JsonPath):
            return self.operand(node.operand), node.path
        return self.operand(node), ()


_MIRRORED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
