"""The expression tree: what a condition, a value or an order is, whatever the store.

Nodes are made at run time by every query, so each is a plain class with slots and a short
constructor. They are shared between queries and never changed once made: that is a promise of
this package, not a lock. Values stand in the tree as `Literal`s, checked against the type of
what they stand beside; dialects bind them and never write them into text.

Operators on `Expression` build nodes, and every node is an `Expression`, so they stand together:

    comparisons   Compare IsNull In InSubquery Between Like Contains      (all `Condition`s)
    logic         And Or Not TruthValue Exists
    values        ColumnExpression Literal Arithmetic Negative Function Case Cast JsonPath
                  ScalarSubquery Excluded RowValue Label
    order         OrderTerm
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    NoReturn,
    TypeAlias,
    TypeGuard,
    TypeVar,
    cast,
    final,
    overload,
)

from uow.errors import QueryError
from uow.expressions.arithmetic import operand_type, result_type
from uow.expressions.literals import (
    BOOLEAN,
    FLOAT,
    INTEGER,
    JSON,
    PLAIN_CLASSES,
    TEXT,
    check_literal,
    json_key,
    target_type,
)
from uow.expressions.patterns import SPECIAL, plain, rewritten
from uow.expressions.protocols import ColumnLike, Selectable, SupportsSelect, TableSource
from uow.types import Array, Boolean, ColumnType, Json, Text

__all__ = [
    "And",
    "Arithmetic",
    "Between",
    "Case",
    "Cast",
    "ColumnExpression",
    "Compare",
    "Condition",
    "Contains",
    "Excluded",
    "Exists",
    "Expression",
    "Function",
    "In",
    "InSubquery",
    "IsNull",
    "JsonPath",
    "Label",
    "Like",
    "Literal",
    "Negative",
    "Not",
    "Or",
    "OrderTerm",
    "RowValue",
    "ScalarSubquery",
    "TruthValue",
    "as_condition",
    "as_expression",
    "is_expression",
    "literal_beside",
]

V = TypeVar("V")
T_co = TypeVar("T_co", covariant=True)


class Expression(Generic[T_co]):
    """Something a store can compute, with the Python type of its value.

    Attributes:
        type: how values beside it are encoded and its own are decoded; None if not known.
    """

    __slots__ = ("type",)

    type: ColumnType | None

    # `[...]` makes a path, so without this Python would iterate an expression for ever.
    __iter__ = None

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        # `__slots__` of the class, without `type`: values are never in a message (Literal).
        fields = ", ".join(repr(getattr(self, name)) for name in self.__slots__)
        return f"{builtins.type(self).__name__}({fields})"

    @property
    def display_name(self) -> str:
        """What to call it in a message."""
        return f"this {builtins.type(self).__name__}"

    def __bool__(self) -> NoReturn:
        raise QueryError(
            "an expression has no truth value: write `&`, `|`, `~` with each condition in "
            "brackets instead of `and`, `or`, `not`; `.between(a, b)` instead of `a < x < b`; "
            "`.in_([...])` instead of `in`"
        )

    def __contains__(self, item: object) -> NoReturn:
        raise QueryError("`in` cannot ask a store: use `.contains(value)` or `.in_([...])`")

    # Comparisons

    def __eq__(self, other: object) -> Expression[bool]:  # type: ignore[override]
        if other is None:
            return IsNull(self)
        return Compare("=", self, as_expression(other, self))

    def __ne__(self, other: object) -> Expression[bool]:  # type: ignore[override]
        if other is None:
            return IsNull(self, is_negated=True)
        return Compare("<>", self, as_expression(other, self))

    def __lt__(self, other: object) -> Expression[bool]:
        return Compare("<", self, _ordered(other, self))

    def __le__(self, other: object) -> Expression[bool]:
        return Compare("<=", self, _ordered(other, self))

    def __gt__(self, other: object) -> Expression[bool]:
        return Compare(">", self, _ordered(other, self))

    def __ge__(self, other: object) -> Expression[bool]:
        return Compare(">=", self, _ordered(other, self))

    def between(self, low: object, high: object) -> Expression[bool]:
        """Ask whether it lies between two values, both included."""
        return Between(self, _ordered(low, self), _ordered(high, self))

    def is_null(self) -> Expression[bool]:
        """Ask whether it is NULL."""
        return IsNull(self)

    def is_not_null(self) -> Expression[bool]:
        """Ask whether it is not NULL."""
        return IsNull(self, is_negated=True)

    def in_(self, values: Iterable[object] | SupportsSelect) -> Expression[bool]:
        """Ask whether it is one of some values, or of the rows of a query with one column.

        None among the values asks for NULL too. Without values it is false.
        """
        return _membership(self, values, is_negated=False)

    def not_in(self, values: Iterable[object] | SupportsSelect) -> Expression[bool]:
        """Ask whether it is none of some values, or of the rows of a query with one column.

        None among the values excludes NULL too. Without values it is true. A query whose rows
        hold a NULL excludes everything, as SQL has it.
        """
        return _membership(self, values, is_negated=True)

    # Text

    def like(self, pattern: object, *, escape: str | None = None) -> Expression[bool]:
        """Match a pattern of `%` (anything) and `_` (one character); case counts on every store.

        Args:
            pattern: the whole value must match it.
            escape: the character that takes the meaning from the next one; none by default.
        """
        return Like(_text(self), _pattern(pattern, escape))

    def ilike(self, pattern: object, *, escape: str | None = None) -> Expression[bool]:
        """Match as `like` does, whatever the case."""
        return Like(_text(self), _pattern(pattern, escape), is_insensitive=True)

    def startswith(self, prefix: object) -> Expression[bool]:
        """Ask whether the text begins so; `%` and `_` are plain characters."""
        return Like(_text(self), _part(prefix, "", "%"))

    def endswith(self, suffix: object) -> Expression[bool]:
        """Ask whether the text ends so; `%` and `_` are plain characters."""
        return Like(_text(self), _part(suffix, "%", ""))

    def contains(self, value: object) -> Expression[bool]:
        """Ask whether a text holds a part, or whether a JSON value or an array holds a value.

        In a text `%` and `_` are plain characters. A JSON array holds a scalar that is one of its
        elements, and a list of which it holds each; an object holds another whose keys and values
        are all found in it.
        """
        if isinstance(self.type, Json | Array):
            if is_expression(value):
                return Contains(self, cast("Expression[object]", value))
            item = self.type.item if isinstance(self.type, Array) else JSON
            given: object = value
            if isinstance(self.type, Array) and isinstance(value, list | tuple):
                item = self.type  # several elements at once
            return Contains(self, literal_beside(given, item, self))
        return Like(_text(self), _part(value, "%", "%"))

    # Logic

    def __and__(
        self: Expression[bool | None], other: Expression[bool] | Expression[bool | None]
    ) -> Expression[bool]:
        return And((*_flat(And, self, "&"), *_flat(And, other, "&")))

    def __or__(
        self: Expression[bool | None], other: Expression[bool] | Expression[bool | None]
    ) -> Expression[bool]:
        return Or((*_flat(Or, self, "|"), *_flat(Or, other, "|")))

    # `1 & Author.name == "x"` is what forgotten brackets make of two conditions.
    def __rand__(self, other: object) -> NoReturn:
        as_condition(other, "&")
        raise AssertionError  # pragma: no cover - an expression on the left has its own `&`

    def __ror__(self, other: object) -> NoReturn:
        as_condition(other, "|")
        raise AssertionError  # pragma: no cover - an expression on the left has its own `|`

    def __invert__(self: Expression[bool | None]) -> Expression[bool]:
        return Not(as_condition(self, "~"))

    # Arithmetic

    def __add__(self, other: object) -> Expression[T_co]:
        return _arithmetic("+", self, other)

    def __radd__(self, other: object) -> Expression[T_co]:
        return _arithmetic("+", self, other, is_reflected=True)

    @overload
    def __sub__(
        self: Expression[datetime | None], other: datetime | Expression[datetime | None]
    ) -> Expression[timedelta]: ...
    @overload
    def __sub__(self, other: object) -> Expression[T_co]: ...
    def __sub__(self, other: object) -> Expression[Any]:
        return _arithmetic("-", self, other)

    def __rsub__(self, other: object) -> Expression[T_co]:
        return _arithmetic("-", self, other, is_reflected=True)

    def __mul__(self, other: object) -> Expression[T_co]:
        return _arithmetic("*", self, other)

    def __rmul__(self, other: object) -> Expression[T_co]:
        return _arithmetic("*", self, other, is_reflected=True)

    def __truediv__(self, other: object) -> Expression[Any]:
        """Divide as Python does: whole numbers give a float."""
        return _arithmetic("/", self, other)

    def __rtruediv__(self, other: object) -> Expression[Any]:
        return _arithmetic("/", self, other, is_reflected=True)

    def __mod__(self, other: object) -> Expression[T_co]:
        """Give the rest of a division, with the sign of the dividend as SQL has it."""
        return _arithmetic("%", self, other)

    def __rmod__(self, other: object) -> Expression[T_co]:
        return _arithmetic("%", self, other, is_reflected=True)

    def __neg__(self) -> Expression[T_co]:
        """Negate a number; in `order_by` it means descending, for any type."""
        return Negative(self)

    # JSON, types, names, order

    def __getitem__(self, key: str | int) -> Expression[Any]:
        """Follow a path into a JSON value: a key of an object or an index of an array."""
        if self.type is not None and not isinstance(self.type, Json):
            raise QueryError(f"{self.display_name} is not JSON: it has no [{json_key(key)!r}]")
        if isinstance(self, JsonPath):
            return JsonPath(self.operand, (*self.path, json_key(key)))
        return JsonPath(self, (json_key(key),))

    @overload
    def cast(self, to: ColumnType) -> Expression[Any]: ...
    @overload
    def cast(self, to: builtins.type[V]) -> Expression[V]: ...
    def cast(self, to: ColumnType | builtins.type[Any]) -> Expression[Any]:
        """Convert it to another type.

        Args:
            to: a Python class that a column may hold, or a column type.
        """
        return Cast(self, target_type(to))

    def label(self, name: str) -> Label[T_co]:
        """Name it in the rows of a select."""
        return Label(self, name)

    def asc(self) -> OrderTerm:
        """Order by it, the smallest first."""
        return OrderTerm(self)

    def desc(self) -> OrderTerm:
        """Order by it, the greatest first."""
        return OrderTerm(self, is_descending=True)

    def nulls_first(self) -> OrderTerm:
        """Order by it, the smallest first, NULL before all."""
        return OrderTerm(self, is_nulls_first=True)

    def nulls_last(self) -> OrderTerm:
        """Order by it, the smallest first, NULL after all."""
        return OrderTerm(self, is_nulls_first=False)


AnyExpression: TypeAlias = Expression[Any]


def is_expression(value: object) -> TypeGuard[AnyExpression]:
    """Whether it is an expression; `isinstance` alone leaves type checkers one of unknown type."""
    return isinstance(value, Expression)


class Condition(Expression[bool]):
    """Base of what is true or false by its form."""

    __slots__ = ()


@final
class ColumnExpression(Expression[T_co]):
    """A column of a mapped class: what `Author.age` gives.

    Attributes:
        column: the mapped column.
        table: whose row it is read from: the mapper, or an alias of it.
    """

    __slots__ = ("column", "table")

    def __init__(self, column: ColumnLike, table: TableSource) -> None:
        self.column = column
        self.table = table

    if not TYPE_CHECKING:  # a type checker would take any name for an attribute

        def __getattr__(self, name: str) -> object:
            # The type of a column may be a forward reference when the class is made, so it is
            # asked for at first use, and from then on found in the slot.
            if name == "type":
                self.column.mapper.resolve_types()
                self.type = self.column.type
                return self.type
            raise AttributeError(f"{self.display_name} is a column and has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"<{self.display_name}>"

    @property
    def display_name(self) -> str:
        """`Class.field`."""
        return f"{self.column.mapper.name}.{self.column.attribute}"


@final
class Literal(Expression[T_co]):
    """A value, to be bound.

    Attributes:
        value: a checked Python value, or None.
        type: how to encode it; None only for a NULL beside something untyped.
    """

    __slots__ = ("value",)

    def __init__(self, value: T_co, type: ColumnType | None) -> None:  # noqa: A002
        self.value = value
        self.type = type

    def __repr__(self) -> str:
        return f"Literal({builtins.type(self.value).__name__})"


@final
class Compare(Condition):
    """`left op right`.

    Attributes:
        op: one of `=`, `<>`, `<`, `<=`, `>`, `>=`.
        left: an expression.
        right: an expression, never a NULL literal.
    """

    __slots__ = ("left", "op", "right")

    def __init__(self, op: str, left: AnyExpression, right: AnyExpression) -> None:
        self.type = BOOLEAN
        self.op = op
        self.left = left
        self.right = right


@final
class IsNull(Condition):
    """`operand IS [NOT] NULL`. A path into JSON is null where it leads nowhere, or to `null`."""

    __slots__ = ("is_negated", "operand")

    def __init__(self, operand: AnyExpression, *, is_negated: bool = False) -> None:
        self.type = BOOLEAN
        self.operand = operand
        self.is_negated = is_negated


@final
class In(Condition):
    """`operand [NOT] IN (...)`, never empty.

    Attributes:
        operand: what is looked for.
        values: plain Python values, checked, none of them None; possibly many thousands.
        value_type: how each of them is encoded.
        expressions: further members of the list.
        is_negated: NOT IN.
    """

    __slots__ = ("expressions", "is_negated", "operand", "value_type", "values")

    def __init__(
        self,
        operand: AnyExpression,
        values: tuple[object, ...],
        value_type: ColumnType | None,
        expressions: tuple[AnyExpression, ...] = (),
        *,
        is_negated: bool = False,
    ) -> None:
        self.type = BOOLEAN
        self.operand = operand
        self.values = values
        self.value_type = value_type
        self.expressions = expressions
        self.is_negated = is_negated

    def __repr__(self) -> str:
        return f"In({self.operand!r}, {len(self.values) + len(self.expressions)} values)"


@final
class InSubquery(Condition):
    """`operand [NOT] IN (select)`; the operand may be a `RowValue`."""

    __slots__ = ("is_negated", "operand", "select")

    def __init__(
        self, operand: AnyExpression, select: Selectable, *, is_negated: bool = False
    ) -> None:
        self.type = BOOLEAN
        self.operand = operand
        self.select = select
        self.is_negated = is_negated


@final
class Exists(Condition):
    """`EXISTS (select)`; what the select yields does not matter."""

    __slots__ = ("select",)

    def __init__(self, select: Selectable) -> None:
        self.type = BOOLEAN
        self.select = select


@final
class Between(Condition):
    """`operand BETWEEN low AND high`."""

    __slots__ = ("high", "low", "operand")

    def __init__(self, operand: AnyExpression, low: AnyExpression, high: AnyExpression) -> None:
        self.type = BOOLEAN
        self.operand = operand
        self.low = low
        self.high = high


@final
class Like(Condition):
    """`operand LIKE pattern ESCAPE '!'`.

    Attributes:
        operand: a text.
        pattern: a text in which `!` takes the meaning from the next character, always.
        is_insensitive: case does not count; if false it does, on every store.
    """

    __slots__ = ("is_insensitive", "operand", "pattern")

    def __init__(
        self, operand: AnyExpression, pattern: AnyExpression, *, is_insensitive: bool = False
    ) -> None:
        self.type = BOOLEAN
        self.operand = operand
        self.pattern = pattern
        self.is_insensitive = is_insensitive


@final
class Contains(Condition):
    """Whether a JSON value or an array holds a value, as PostgreSQL's `jsonb @>` has it.

    Attributes:
        operand: JSON, or an array.
        value: JSON beside JSON; beside an array one element, or an array of the same type.
    """

    __slots__ = ("operand", "value")

    def __init__(self, operand: AnyExpression, value: AnyExpression) -> None:
        self.type = BOOLEAN
        self.operand = operand
        self.value = value


@final
class And(Condition):
    """Two conditions or more, all of which must hold."""

    __slots__ = ("operands",)

    def __init__(self, operands: tuple[AnyExpression, ...]) -> None:
        self.type = BOOLEAN
        self.operands = operands


@final
class Or(Condition):
    """Two conditions or more, one of which must hold."""

    __slots__ = ("operands",)

    def __init__(self, operands: tuple[AnyExpression, ...]) -> None:
        self.type = BOOLEAN
        self.operands = operands


@final
class Not(Condition):
    """`NOT operand`."""

    __slots__ = ("operand",)

    def __init__(self, operand: AnyExpression) -> None:
        self.type = BOOLEAN
        self.operand = operand


@final
class TruthValue(Condition):
    """A condition that always holds, or never does."""

    __slots__ = ("value",)

    def __init__(self, value: bool) -> None:
        self.type = BOOLEAN
        self.value = value


@final
class Arithmetic(Expression[T_co]):
    """`left op right`.

    Attributes:
        op: one of `+`, `-`, `*`, `/`, `%`, or `||` for text.
        left: an expression.
        right: an expression.
        type: what it gives. `/` of two whole numbers gives a `Float`: a dialect whose `/` cuts
            converts the left side first. Beside `DateTime` stands an `Interval`, or a `DateTime`
            for a difference, which is an `Interval`.
    """

    __slots__ = ("left", "op", "right")

    def __init__(
        self,
        op: str,
        left: AnyExpression,
        right: AnyExpression,
        type: ColumnType | None,  # noqa: A002
    ) -> None:
        self.type = type
        self.op = op
        self.left = left
        self.right = right


@final
class Negative(Expression[T_co]):
    """`- operand`. On a type that is no number it stands in `order_by` only, where it is gone."""

    __slots__ = ("operand",)

    def __init__(self, operand: Expression[T_co]) -> None:
        self.type = operand.type
        self.operand = operand


@final
class Function(Expression[T_co]):
    """A call.

    Attributes:
        name: lower case; a plain identifier. The names `func` documents mean the same on every
            store, any other is the store's own.
        args: empty for `count(*)` and functions without arguments.
        type: what it gives.
        is_distinct: over distinct values (aggregates).
    """

    __slots__ = ("args", "is_distinct", "name")

    def __init__(
        self,
        name: str,
        args: tuple[AnyExpression, ...],
        type: ColumnType | None,  # noqa: A002
        *,
        is_distinct: bool = False,
    ) -> None:
        self.type = type
        self.name = name
        self.args = args
        self.is_distinct = is_distinct

    @property
    def display_name(self) -> str:
        """`name()`."""
        return f"{self.name}()"

    def distinct(self) -> Function[T_co]:
        """Aggregate over distinct values.

        Raises:
            QueryError: there is no argument to be distinct.
        """
        if not self.args:
            raise QueryError(f"{self.display_name} counts rows: name what must be distinct")
        return Function(self.name, self.args, self.type, is_distinct=True)


@final
class Case(Expression[T_co]):
    """`CASE WHEN .. THEN .. ELSE .. END`.

    Attributes:
        whens: pairs of a condition and a value, at least one, asked in this order.
        otherwise: the value where no condition holds, None for NULL.
    """

    __slots__ = ("otherwise", "whens")

    def __init__(
        self,
        whens: tuple[tuple[AnyExpression, AnyExpression], ...],
        otherwise: AnyExpression | None,
        type: ColumnType | None,  # noqa: A002
    ) -> None:
        self.type = type
        self.whens = whens
        self.otherwise = otherwise


@final
class Cast(Expression[T_co]):
    """`CAST(operand AS type)`; a path into JSON is unquoted by a cast to text."""

    __slots__ = ("operand",)

    def __init__(self, operand: AnyExpression, type: ColumnType) -> None:  # noqa: A002
        self.type = type
        self.operand = operand


@final
class JsonPath(Expression[T_co]):
    """What stands at a place in a JSON value; NULL where nothing does.

    Attributes:
        operand: the JSON value the path begins at.
        path: keys (str) and indexes (int, from 0; from the end if negative), at least one. They
            are data, not names from the mapping: a dialect binds or quotes them.
    """

    __slots__ = ("operand", "path")

    def __init__(self, operand: AnyExpression, path: tuple[str | int, ...]) -> None:
        self.type = JSON
        self.operand = operand
        self.path = path

    def __repr__(self) -> str:
        return f"<{self.display_name}>"

    @property
    def display_name(self) -> str:
        """`Class.field["key"]`."""
        return self.operand.display_name + "".join(f"[{key!r}]" for key in self.path)


@final
class ScalarSubquery(Expression[T_co]):
    """The one value of a select with one column; NULL if it has no row."""

    __slots__ = ("select",)

    def __init__(self, select: Selectable, type: ColumnType | None) -> None:  # noqa: A002
        self.type = type
        self.select = select


@final
class Excluded(Expression[T_co]):
    """In `on_conflict(...).update(...)`: the value that was to be inserted."""

    __slots__ = ("column",)

    def __init__(self, column: ColumnLike) -> None:
        self.type = column.type
        self.column = column


@final
class RowValue(Expression[tuple[Any, ...]]):
    """`(a, b)`: several values compared as one."""

    __slots__ = ("items",)

    def __init__(self, items: tuple[AnyExpression, ...]) -> None:
        self.type = None
        self.items = items


@final
class Label(Expression[T_co]):
    """An expression with a name in the row; in ORDER BY and GROUP BY the name stands for it."""

    __slots__ = ("name", "operand")

    def __init__(self, operand: Expression[T_co], name: str) -> None:
        self.type = operand.type
        self.operand = operand
        self.name = name

    @property
    def display_name(self) -> str:
        """The name."""
        return self.name


@final
class OrderTerm:
    """One term of ORDER BY.

    Attributes:
        operand: what is ordered by.
        is_descending: the greatest first.
        nulls_first: where NULL comes; None leaves it to the store.
    """

    __slots__ = ("is_descending", "is_nulls_first", "operand")

    def __init__(
        self,
        operand: AnyExpression,
        *,
        is_descending: bool = False,
        is_nulls_first: bool | None = None,
    ) -> None:
        self.operand = operand
        self.is_descending = is_descending
        self.is_nulls_first = is_nulls_first

    def __repr__(self) -> str:
        return f"<{self.operand!r} {'desc' if self.is_descending else 'asc'}>"

    def nulls_first(self) -> OrderTerm:
        """Put NULL before all."""
        return OrderTerm(self.operand, is_descending=self.is_descending, is_nulls_first=True)

    def nulls_last(self) -> OrderTerm:
        """Put NULL after all."""
        return OrderTerm(self.operand, is_descending=self.is_descending, is_nulls_first=False)


# How operators read what stands beside them.


def literal_beside(
    value: object, type_: ColumnType | None, owner: AnyExpression | None
) -> Literal[Any]:
    """Make a literal of a plain value, checked against a type.

    Raises:
        ValidationError: the value has the wrong type.
        QueryError: a value of that class cannot be stored.
    """
    checked, found = check_literal(value, type_, owner)
    return Literal(checked, found)


def as_expression(value: object, beside: AnyExpression | None = None) -> AnyExpression:
    """Take an expression, a subquery or a plain value for an expression.

    Args:
        value: what the caller gave.
        beside: the expression it stands beside, which says what type a plain value has.

    Raises:
        ValidationError: a plain value has the wrong type.
        QueryError: it can be no expression.
    """
    if is_expression(value):
        return value
    if _is_query(value):
        select, type_ = value.as_subquery(single_column=True)
        return ScalarSubquery(select, type_)
    type_ = None if beside is None or isinstance(beside, JsonPath) else beside.type
    return literal_beside(value, type_, beside)


def _is_query(value: object) -> TypeGuard[SupportsSelect]:
    # The check of an abstract class costs more than all else here, and most values are plain.
    return type(value) not in PLAIN_CLASSES and isinstance(value, SupportsSelect)


def as_condition(value: object, place: str) -> AnyExpression:
    """Take what must be a condition.

    Args:
        value: what the caller gave.
        place: where, for the message.

    Raises:
        QueryError: it is a plain value, or an expression that is neither true nor false.
    """
    if is_expression(value):
        found = value
        if found.type is None or isinstance(found.type, Boolean):
            return found.operand if isinstance(found, Label) else found
        raise QueryError(
            f"{place}: {found.display_name} is no condition; compare it with something"
        )
    if isinstance(value, bool):
        raise QueryError(
            f"{place}: a bool is no condition. Was an object's attribute compared where the "
            "class's was meant, or `not`, `in` or `is` used?"
        )
    raise QueryError(f"{place}: a condition is needed, not a {type(value).__name__}")


def _ordered(other: object, beside: AnyExpression) -> AnyExpression:
    if other is None:
        raise QueryError(f"{beside.display_name} is compared with None, which is never true")
    return as_expression(other, beside)


def _flat(kind: type[And | Or], value: object, place: str) -> tuple[AnyExpression, ...]:
    condition = as_condition(value, place)
    return condition.operands if isinstance(condition, kind) else (condition,)


def _membership(operand: AnyExpression, values: object, *, is_negated: bool) -> Expression[bool]:
    if not isinstance(values, list | tuple) and isinstance(values, SupportsSelect):
        select, _ = values.as_subquery(single_column=True)
        return InSubquery(operand, select, is_negated=is_negated)
    if isinstance(values, str | bytes | Expression) or not isinstance(values, Iterable):
        raise QueryError("in_ takes a list of values or a query with one column")
    given: list[object] = list(cast("Iterable[object]", values))
    present = [value for value in given if value is not None]
    found = _list_of(operand, present, is_negated=is_negated)
    if len(present) == len(given):
        return found
    null = IsNull(operand, is_negated=is_negated)
    if not present:
        return null
    return And((found, null)) if is_negated else Or((found, null))


def _list_of(operand: AnyExpression, given: list[object], *, is_negated: bool) -> Expression[bool]:
    if not given:
        return TruthValue(is_negated)
    beside = None if isinstance(operand, JsonPath) else operand.type
    expressions: list[AnyExpression] = []
    checked: list[tuple[object, ColumnType | None]] = []
    for value in given:
        if is_expression(value) or _is_query(value):
            expressions.append(as_expression(value))
        else:
            checked.append(check_literal(value, beside, operand))
    first = checked[0][1] if checked else None
    if all(type_ is first or type_ == first for _, type_ in checked):
        values = tuple([value for value, _ in checked])
        return In(operand, values, first, tuple(expressions), is_negated=is_negated)
    if all(type_ in (INTEGER, FLOAT) for _, type_ in checked):
        floats = tuple([float(cast("float", value)) for value, _ in checked])
        return In(operand, floats, FLOAT, tuple(expressions), is_negated=is_negated)
    # Scalars of several types, which only JSON holds, are bound one by one.
    literals: list[AnyExpression] = [Literal(value, type_) for value, type_ in checked]
    return In(operand, (), None, (*literals, *expressions), is_negated=is_negated)


def _text(operand: AnyExpression) -> AnyExpression:
    if operand.type is None or isinstance(operand.type, Text):
        return operand
    if isinstance(operand.type, Json):
        return Cast(operand, TEXT)
    raise QueryError(f"{operand.display_name} is not text: match it after .cast(str)")


def _checked_text(value: object) -> str:
    if value is None:
        raise QueryError("a text is compared with None, which is never true")
    checked, _ = check_literal(value, TEXT, None)
    return str(checked)


def _pattern(pattern: object, escape: str | None) -> AnyExpression:
    if is_expression(pattern):
        if escape is not None:
            raise QueryError("escape= goes with a pattern that is a plain text")
        return _replace(pattern, "!", "!!")
    return Literal(rewritten(_checked_text(pattern), escape), TEXT)


def _part(part: object, before: str, after: str) -> AnyExpression:
    if not is_expression(part):
        return Literal(before + plain(_checked_text(part)) + after, TEXT)
    found = _text(part)
    for character in SPECIAL:
        found = _replace(found, character, "!" + character)
    if before:
        found = _joined(Literal(before, TEXT), found)
    return _joined(found, Literal(after, TEXT)) if after else found


def _joined(left: AnyExpression, right: AnyExpression) -> AnyExpression:
    return Arithmetic("||", left, right, TEXT)


def _replace(text: AnyExpression, old: str, new: str) -> AnyExpression:
    return Function("replace", (text, Literal(old, TEXT), Literal(new, TEXT)), TEXT)


def _arithmetic(
    op: str, left: AnyExpression, other: object, *, is_reflected: bool = False
) -> AnyExpression:
    if other is None:
        raise QueryError(f"{left.display_name} {op} None is always NULL")
    if is_expression(other) or isinstance(other, SupportsSelect):
        right = as_expression(other)
    else:
        right = literal_beside(other, operand_type(other, left.type), left)
    if is_reflected:
        left, right = right, left
    type_ = result_type(op, left.type, right.type)
    if op == "+" and isinstance(type_, Text):
        op = "||"
    return Arithmetic(op, left, right, type_)
