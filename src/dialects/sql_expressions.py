"""Expression trees to text, shared by the SQL dialects.

One compiler object is made for each statement and walked over its tree once, from left to right, so
parameters are numbered in the order of the text. An operand that is itself an operator stands in
brackets always: stores do not agree on precedence (`||`, `COLLATE`, `NOT`), brackets they all read.

What means the same on every store, where the stores by themselves differ:

* `/` is true division: whole numbers give a double, decimals a decimal rounded half away from zero
  to 12 digits after the point. Division and remainder by zero give NULL.
* `%` is defined for whole numbers and decimals and has the sign of the dividend.
* `sum` of whole numbers is a whole number, `avg` of them a double.
* `LIKE` distinguishes case, `ILIKE` does not, both in every script.
* A place in a JSON document is compared with a value of its own kind only: a text is neither equal
  to a number nor before or after it, and `<>` holds for what is of another kind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal as Either, TypeAlias, cast

from uow.dialects._names import plain_identifier
from uow.dialects.base import Encoder
from uow.errors import QueryError, ValidationError
from uow.expressions.alias import TableAlias
from uow.expressions.nodes import (
    And,
    Arithmetic,
    Between,
    Case,
    Cast,
    ColumnExpression,
    Compare,
    Contains,
    Excluded,
    Exists,
    Expression,
    Function,
    In,
    InSubquery,
    IsNull,
    JsonPath,
    Label,
    Like,
    Literal,
    Negative,
    Not,
    Or,
    RowValue,
    ScalarSubquery,
    TruthValue,
)
from uow.query.statements import Select
from uow.types import (
    Array,
    Binary,
    Boolean,
    ColumnType,
    DateTime,
    Float,
    Integer,
    Interval,
    Json,
    Numeric,
    Text,
)

if TYPE_CHECKING:
    from uow.dialects.sql import SqlDialect

__all__ = ["JsonKind", "SqlExpressions"]

AnyExpression: TypeAlias = Expression[Any]
JsonKind: TypeAlias = Either["text", "number", "boolean", "document"]

INT32: Final = Integer(32)
BOOLEAN: Final = Boolean()
FLOAT: Final = Float()
INTEGER: Final = Integer()
TEXT: Final = Text()

_ATOMS = (
    ColumnExpression,
    Literal,
    Function,
    Cast,
    Case,
    ScalarSubquery,
    Excluded,
    RowValue,
    TruthValue,
    Exists,
)
"""What needs no brackets as an operand: a name, a value, a call, or what has brackets itself."""

_TEXT_FUNCTIONS = frozenset({"lower", "upper", "trim", "length", "replace", "substr"})
_SAME_KIND_FUNCTIONS = frozenset({"coalesce", "nullif", "greatest", "least", "min", "max"})


class SqlExpressions(ABC):
    """Compiles expressions; `SqlCompiler` adds the statements."""

    def __init__(self, dialect: SqlDialect) -> None:
        self.dialect = dialect
        self.quote = dialect.quote
        self.parameters: list[object] = []
        self._scopes: list[dict[int, str]] = []
        # With the node, so that it lives as long as its number and no other takes its `id`.
        self._once: dict[tuple[int, str], tuple[object, str]] = {}
        self._alias_count = 0
        self._methods: dict[type, Callable[[Any], str]] = {
            ColumnExpression: self.column,
            Literal: self.literal,
            Compare: self.compare,
            IsNull: self.is_null,
            In: self.in_,
            InSubquery: self.in_subquery,
            Exists: self.exists,
            Between: self.between,
            Like: self.like,
            Contains: self.contains,
            And: self.and_,
            Or: self.or_,
            Not: self.not_,
            TruthValue: self.truth_value,
            Arithmetic: self.arithmetic,
            Negative: self.negative,
            Function: self.function,
            Case: self.case,
            Cast: self.cast,
            JsonPath: self.json_path,
            ScalarSubquery: self.scalar_subquery,
            Excluded: self.excluded,
            RowValue: self.row_value,
            Label: self.label,
        }

    # -- walking

    def expression(self, node: AnyExpression) -> str:
        """Compile any expression."""
        method = self._methods.get(type(node))
        if method is None:
            raise QueryError(f"{type(node).__name__} cannot stand in a statement")
        return method(node)

    def operand(self, node: AnyExpression) -> str:
        """Compile what stands beside an operator, in brackets if it is an operator itself."""
        if isinstance(node, Label):
            node = cast("AnyExpression", node.operand)
        text = self.expression(node)
        return text if isinstance(node, _ATOMS) else f"({text})"

    def list_of(self, nodes: tuple[AnyExpression, ...]) -> str:
        """Compile expressions with commas between."""
        return ", ".join([self.expression(node) for node in nodes])

    # -- values

    def bind(self, value: object, type_: ColumnType | None) -> str:
        """Bind a Python value; None is the keyword NULL."""
        if value is None:
            return self.null(type_)
        return self.bind_encoded(self.encode(value, type_), type_)

    def bind_encoded(self, value: object, type_: ColumnType | None) -> str:
        """Bind a value as the store takes it."""
        self.parameters.append(value)
        return self.dialect.bound(len(self.parameters), type_)

    def bind_once(
        self, node: object, value: object, type_: ColumnType | None, use: str = ""
    ) -> str:
        """Bind a value that belongs to a node; met again, it keeps its number where there are numbers.

        GROUP BY must repeat an expression of the select list to the letter.
        """
        key = (id(node), use)
        found = self._once.get(key)
        if found is None or not self.dialect.numbered:
            found = self._once[key] = (node, self.bind(value, type_))
        return found[1]

    def encode(self, value: object, type_: ColumnType | None) -> object:
        """Turn a Python value into the store's.

        Raises:
            ValidationError: the store cannot hold it.
        """
        encoder: Encoder | None = None if type_ is None else self.dialect.encoder(type_)
        if encoder is None or value is None:
            return value
        try:
            return encoder(value)
        except (ValueError, TypeError) as error:
            raise ValidationError(f"a value in the query: {error}") from error

    def null(self, type_: ColumnType | None) -> str:  # noqa: ARG002 - some stores must be told
        """Write NULL."""
        return "NULL"

    def literal(self, node: Literal[Any]) -> str:
        """Compile a value: always bound."""
        return self.bind_once(node, node.value, node.type)

    # -- names

    @contextmanager
    def scope(self, names: dict[int, str]) -> Iterator[None]:
        """Let columns of these sources be named inside the block."""
        self._scopes.append(names)
        try:
            yield
        finally:
            self._scopes.pop()

    def source_name(self, source: Any) -> str:
        """Give the name a source goes by, making one for an alias that has none."""
        alias = source.alias
        if alias is None and isinstance(source, TableAlias):
            self._alias_count += 1
            alias = f"{source.table_name}_{self._alias_count}"
        return alias if alias is not None else str(source.table_name)

    def column(self, node: ColumnExpression[Any]) -> str:
        """Compile a column, qualified always."""
        return f"{self.quote(self.table_name(node))}.{self.quote(node.column.name)}"

    def table_name(self, node: ColumnExpression[Any]) -> str:
        """Find by what name the table of a column goes here.

        Raises:
            QueryError: the table is not part of the statement.
        """
        source = id(node.table)
        hidden: set[str] = set()
        for names in reversed(self._scopes):
            name = names.get(source)
            if name is None:
                hidden.update(names.values())
                continue
            if name in hidden:
                raise QueryError(
                    f"{node.display_name}: a table of the inner query is called {name!r} too; "
                    "give one of them another alias"
                )
            return name
        class_name = node.display_name.partition(".")[0]
        raise QueryError(f"{node.display_name}: {class_name} is not part of this query; join it")

    def excluded(self, node: Excluded[Any]) -> str:
        """Compile the value that was to be inserted."""
        return f"excluded.{self.quote(node.column.name)}"

    def label(self, node: Label[Any]) -> str:
        """Compile what is labelled; the select list and ORDER BY see to the name."""
        return self.expression(node.operand)

    def row_value(self, node: RowValue) -> str:
        """Compile `(a, b)`."""
        return f"({self.list_of(node.items)})"

    # -- logic

    def and_(self, node: And) -> str:
        """Compile AND."""
        return " AND ".join([self.condition_operand(operand) for operand in node.operands])

    def or_(self, node: Or) -> str:
        """Compile OR."""
        return " OR ".join([self.condition_operand(operand) for operand in node.operands])

    def not_(self, node: Not) -> str:
        """Compile NOT."""
        return f"NOT ({self.condition(node.operand)})"

    def condition_operand(self, node: AnyExpression) -> str:
        """Compile an operand of AND or OR; comparisons bind tighter everywhere."""
        text = self.condition(node)
        return f"({text})" if isinstance(node, And | Or | Not | Between) else text

    def condition(self, node: AnyExpression) -> str:
        """Compile what is asked whether it holds."""
        if isinstance(node.type, Json):
            return self.json_scalar(node, "boolean")
        return self.expression(node)

    def conditions(self, nodes: tuple[AnyExpression, ...]) -> str:
        """Compile conditions that must all hold."""
        if len(nodes) == 1:
            return self.condition(nodes[0])
        return " AND ".join([self.condition_operand(node) for node in nodes])

    def truth_value(self, node: TruthValue) -> str:
        """Compile TRUE or FALSE."""
        return "TRUE" if node.value else "FALSE"

    # -- comparisons

    def compare(self, node: Compare) -> str:
        """Compile a comparison."""
        if isinstance(node.left.type, Json) or isinstance(node.right.type, Json):
            return self.compare_json(node)
        left, right = self.comparable(node.left, node.right)
        return f"{left} {node.op} {right}"

    def comparable(self, left: AnyExpression, *others: AnyExpression) -> list[str]:
        """Compile operands that are compared with each other."""
        return [self.operand(node) for node in (left, *others)]

    def sortable(self, node: AnyExpression) -> str:
        """Compile what is ordered, grouped or told apart by."""
        return self.expression(node)

    def is_null(self, node: IsNull) -> str:
        """Compile IS NULL."""
        operand = unlabelled(node.operand)
        text = (
            self.json_present(operand) if isinstance(operand, JsonPath) else self.operand(operand)
        )
        return f"{text} IS NOT NULL" if node.is_negated else f"{text} IS NULL"

    def between(self, node: Between) -> str:
        """Compile BETWEEN."""
        if isinstance(node.operand.type, Json):
            kind = self.json_kind(node.low)
            bounds = f"{self.json_side(node.low, kind)} AND {self.json_side(node.high, kind)}"
            return f"{self.json_scalar(node.operand, kind)} BETWEEN {bounds}"
        operand, low, high = self.comparable(node.operand, node.low, node.high)
        return f"{operand} BETWEEN {low} AND {high}"

    def in_(self, node: In) -> str:
        """Compile IN over values."""
        if isinstance(node.operand.type, Json):
            return self.in_json(node)
        if not node.expressions:
            return self.in_values(node.operand, node.values, node.value_type, node.is_negated)
        operand = self.comparable(node.operand)[0]
        members = [self.bind(value, node.value_type) for value in node.values]
        members += [
            self.comparable(node.operand, member)[1]
            if self.needs_alike(node.operand, member)
            else self.expression(member)
            for member in node.expressions
        ]
        return f"{operand} {_not(node.is_negated)}IN ({', '.join(members)})"

    def needs_alike(self, operand: AnyExpression, member: AnyExpression) -> bool:  # noqa: ARG002
        """Say whether a member of a list must be converted to compare with the operand."""
        return False

    @abstractmethod
    def in_values(
        self,
        operand: AnyExpression,
        values: tuple[object, ...],
        value_type: ColumnType | None,
        is_negated: bool,  # noqa: FBT001 - a part of the node
    ) -> str:
        """Compile IN over a list of values, whatever its length."""

    def in_placeholders(
        self,
        operand: str,
        values: tuple[object, ...],
        value_type: ColumnType | None,
        is_negated: bool,  # noqa: FBT001 - a part of the node
    ) -> str:
        """Write IN with one placeholder a value."""
        members = ", ".join([self.bind(value, value_type) for value in values])
        return f"{operand} {_not(is_negated)}IN ({members})"

    def in_subquery(self, node: InSubquery) -> str:
        """Compile IN over a select."""
        operand = self.comparable(node.operand)[0]
        select = self.subquery(cast("Select", node.select))
        return f"{operand} {_not(node.is_negated)}IN ({select})"

    def exists(self, node: Exists) -> str:
        """Compile EXISTS."""
        return f"EXISTS ({self.subquery(cast('Select', node.select), yields_rows_only=True)})"

    def scalar_subquery(self, node: ScalarSubquery[Any]) -> str:
        """Compile the one value of a select."""
        return f"({self.subquery(cast('Select', node.select))})"

    @abstractmethod
    def subquery(self, select: Select, *, yields_rows_only: bool = False) -> str:
        """Compile a select inside another statement."""

    @abstractmethod
    def like(self, node: Like) -> str:
        """Compile LIKE and ILIKE."""

    @abstractmethod
    def contains(self, node: Contains) -> str:
        """Compile whether JSON or an array holds a value."""

    # -- JSON

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
            return self.operand(cast("AnyExpression", node.operand)), node.path
        return self.operand(node), ()

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
                f"{node.operand.display_name} is no number: a minus before it stands in order_by only"
            )
        return self.minus(node.operand)

    def minus(self, operand: AnyExpression) -> str:
        """Write a minus before a number."""
        return f"-{self.operand(operand)}"

    # -- functions

    def function(self, node: Function[Any]) -> str:
        """Compile a call: those that mean the same everywhere, or the store's own."""
        portable = getattr(self, f"call_{node.name}", None)
        if portable is not None:
            self._check_json_arguments(node)
            text: str = portable(node)
            return text
        name = plain_identifier(node.name, "the function")
        return f"{name}({_distinct(node)}{self.list_of(node.args)})"

    def _check_json_arguments(self, node: Function[Any]) -> None:
        if node.name in _SAME_KIND_FUNCTIONS:
            kinds = {isinstance(arg.type, Json) for arg in node.args if arg.type is not None}
            if len(kinds) > 1 or (True in kinds and node.name not in {"coalesce"}):
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

    def call_count(self, node: Function[Any]) -> str:
        """`count(*)` or `count(x)`."""
        if not node.args:
            return "count(*)"
        argument = node.args[0]
        inner = self.sortable(argument) if node.is_distinct else self.expression(argument)
        return f"count({_distinct(node)}{inner})"

    def call_sum(self, node: Function[Any]) -> str:
        """`sum(x)`."""
        return f"sum({_distinct(node)}{self.expression(node.args[0])})"

    def call_avg(self, node: Function[Any]) -> str:
        """`avg(x)`."""
        return f"avg({_distinct(node)}{self.expression(node.args[0])})"

    def call_min(self, node: Function[Any]) -> str:
        """`min(x)`."""
        return f"min({self.sortable(node.args[0])})"

    def call_max(self, node: Function[Any]) -> str:
        """`max(x)`."""
        return f"max({self.sortable(node.args[0])})"

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

    @staticmethod
    def is_array(type_: ColumnType | None) -> bool:
        """Say whether it is an array."""
        return isinstance(type_, Array)


def unlabelled(node: AnyExpression) -> AnyExpression:
    """Take a label off."""
    return cast("AnyExpression", node.operand) if isinstance(node, Label) else node


def _not(is_negated: bool) -> str:  # noqa: FBT001 - a part of the node
    return "NOT " if is_negated else ""


def _distinct(node: Function[Any]) -> str:
    return "DISTINCT " if node.is_distinct else ""


_MIRRORED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
