"""The expression tree: what a condition, a value or an order is, whatever the store.

Nodes are made at run time by every query, so each is a plain class with slots and a short
constructor. They are shared between queries and never changed once made: that is a promise of
this package, not a lock. Values stand in the tree as `Literal`s, checked against the type of
what they stand beside; dialects bind them and never write them into text.

Operators on `Expression` build nodes, and every node is an `Expression`, so they stand together:

    comparisons   Compare IsNull In InSubquery Between Like Contains RawFilter  (`Condition`s)
    logic         And Or Not TruthValue Exists Restated
    values        ColumnExpression FieldPath Literal Arithmetic Negative Function Case Cast JsonPath
                  ScalarSubquery Excluded RowValue Label
    order         OrderTerm
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
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

from uow.errors import QueryError, ValidationError
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
from uow.expressions.windows import SCALARS, WINDOW_FUNCTIONS, Bounds, Window, frame_of
from uow.types import Array, Boolean, ColumnType, DocumentValue, Json, LinkValue, Text

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
    "FieldPath",
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
    "RawFilter",
    "Restated",
    "RowValue",
    "ScalarSubquery",
    "TruthValue",
    "as_condition",
    "as_expression",
    "as_order_term",
    "as_plain",
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
        if isinstance(self, ColumnExpression | FieldPath) and is_of_document(self):
            found = _stepped(self, json_key(key))
            if found is None:
                raise QueryError(f"{self.display_name} has no [{key!r}]")
            return found
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
            if is_of_document(self) and isinstance(self.type, Json) and name[:2] != "__":
                found = _stepped(self, name)
                if found is not None:
                    return found
            raise AttributeError(f"{self.display_name} is a column and has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"<{self.display_name}>"

    @property
    def display_name(self) -> str:
        """`Class.field`."""
        return f"{self.column.mapper.name}.{self.column.attribute}"


@final
class FieldPath(Expression[T_co]):
    """What stands at a place in a nested value of a document.

    Attributes:
        operand: the field that holds the value.
        path: names as the store has them, and indexes, at least one.
        names: the same as it was written, for messages.
        hint: the type hint of what stands there.
    """

    __slots__ = ("hint", "names", "operand", "path")

    def __init__(
        self,
        operand: ColumnExpression[Any],
        path: tuple[str | int, ...],
        names: tuple[str | int, ...],
        hint: object,
        type: ColumnType | None,  # noqa: A002
    ) -> None:
        self.type = type
        self.operand = operand
        self.path = path
        self.names = names
        self.hint = hint

    if not TYPE_CHECKING:  # a type checker would take any name for an attribute

        def __getattr__(self, name: str) -> object:
            found = None if name[:2] == "__" else _stepped(self, name)
            if found is None:
                raise AttributeError(f"{self.display_name} has no field {name!r}")
            return found

    def __repr__(self) -> str:
        return f"<{self.display_name}>"

    @property
    def display_name(self) -> str:
        """`Class.field.member`."""
        steps = (f"[{n}]" if isinstance(n, int) else f".{n}" for n in self.names)
        return self.operand.display_name + "".join(steps)


def is_of_document(expression: ColumnExpression[Any] | FieldPath[Any]) -> bool:
    """Whether it reads from a document, and not from a row."""
    column = expression.column if isinstance(expression, ColumnExpression) else None
    if column is None:
        return True
    return getattr(column.mapper, "document", None) is not None


def _stepped(
    expression: ColumnExpression[Any] | FieldPath[Any], key: str | int
) -> FieldPath[Any] | None:
    path: tuple[str | int, ...] = ()
    names: tuple[str | int, ...] = ()
    if isinstance(expression, ColumnExpression):
        operand: ColumnExpression[Any] = expression
        hint = getattr(expression.type, "annotation", None)
        if isinstance(expression.type, LinkValue):
            hint = expression.type.field
    else:
        operand, path, names = expression.operand, expression.path, expression.names
        hint = expression.hint
    column: Any = operand.column
    found = column.step_into(hint, key)
    if found is None:
        return None
    stored, inner, type_ = found
    return FieldPath(operand, (*path, stored), (*names, key), inner, type_)


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
class RawFilter(Condition):
    """A filter of a document store as a user wrote it, or as an operator of `uow.beanie` made it.

    Attributes:
        query: what the store is sent. Keys may be expressions, which stand for their paths; values
            may be `Literal`s, which are encoded and never taken for operators.
        runs_code: it is a program that the server runs, and was called that by who wrote it.
    """

    __slots__ = ("query", "runs_code")

    def __init__(self, query: Mapping[Any, Any], *, runs_code: bool = False) -> None:
        self.type = BOOLEAN
        self.query = query
        self.runs_code = runs_code

    def __repr__(self) -> str:
        return "RawFilter()"


class Restated(Condition):
    """A condition that another API has a class of its own for, as `uow.beanie` has.

    Wherever a condition is taken, it stands for its operand.
    """

    __slots__ = ("operand",)

    operand: AnyExpression


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
        where: conditions; rows in which one does not hold are left out (aggregates).
        window: what it is computed over; None for a plain call.
    """

    __slots__ = ("args", "is_distinct", "name", "where", "window")

    def __init__(
        self,
        name: str,
        args: tuple[AnyExpression, ...],
        type: ColumnType | None,  # noqa: A002
        *,
        is_distinct: bool = False,
        where: tuple[AnyExpression, ...] = (),
        window: Window | None = None,
    ) -> None:
        self.type = type
        self.name = name
        self.args = args
        self.is_distinct = is_distinct
        self.where = where
        self.window = window

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
        self._refuse_windowed("distinct")
        return Function(self.name, self.args, self.type, is_distinct=True, where=self.where)

    def filter(self, *conditions: Expression[bool] | Expression[bool | None]) -> Function[T_co]:
        """Aggregate over the rows for which all conditions hold.

        Raises:
            QueryError: it is no aggregate, or a condition is none.
        """
        if self.name in SCALARS or self.name in WINDOW_FUNCTIONS:
            raise QueryError(f"{self.display_name} is no aggregate: it has no rows to filter")
        self._refuse_windowed("filter")
        found = tuple(as_condition(condition, "filter") for condition in conditions)
        where = self.where + found
        return Function(self.name, self.args, self.type, is_distinct=self.is_distinct, where=where)

    def over(
        self,
        *,
        partition_by: AnyExpression | Iterable[AnyExpression] | None = None,
        order_by: AnyExpression | OrderTerm | Iterable[AnyExpression | OrderTerm] | None = None,
        rows: Bounds | None = None,
        range_: Bounds | None = None,
        groups: Bounds | None = None,
    ) -> Function[T_co]:
        """Compute it for each row, over the rows around it.

        Args:
            partition_by: look at the rows in which these are equal; at all of them without it.
            order_by: the order of the rows; `-Author.age` for the greatest first.
            rows: the frame, in rows: `(-2, 0)` is the two before and the row itself, `(None, 0)`
                all before. Without a frame it is all rows up to those equal in the order, and
                without an order all rows.
            range_: the frame, as distances in the one number that is ordered by.
            groups: the frame, in groups of rows that are equal in the order.

        Raises:
            QueryError: the function looks at one row only, aggregates distinct values, or has a
                window; or the frame is none.
        """
        if self.name in SCALARS:
            raise QueryError(f"{self.display_name} looks at one row: it has no window")
        if self.is_distinct:
            raise QueryError(f"{self.display_name} over distinct values has no window")
        self._refuse_windowed("over")
        partition = tuple(as_plain(one, "partition_by") for one in _several(partition_by))
        order = tuple(as_order_term(one, "order_by") for one in _several(order_by))
        frame = frame_of(rows, range_, groups, is_ordered=bool(order))
        window = Window(partition, order, frame)
        return Function(self.name, self.args, self.type, where=self.where, window=window)

    def _refuse_windowed(self, verb: str) -> None:
        if self.window is not None:
            raise QueryError(f"{self.display_name} has its window: {verb} comes before over")


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
    checked, found = _checked_beside(value, type_, owner)
    return Literal(checked, found)


def _checked_beside(
    value: object, type_: ColumnType | None, owner: AnyExpression | None
) -> tuple[object, ColumnType | None]:
    """Check a value that stands beside an expression; see `check_literal`.

    Beside a list of a document it may be one of its members, which is what a document store asks.
    """
    try:
        return check_literal(value, type_, owner)
    except ValidationError:
        if owner is None or not isinstance(type_, DocumentValue):
            raise
        member = _member_type(owner)
        if member is None:
            raise
        return check_literal(value, member, owner)


def _member_type(owner: AnyExpression) -> ColumnType | None:
    """The type of the members of a list; None if it is no list, or they may be anything."""
    try:
        return owner[0].type
    except QueryError:
        return None


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


def as_order_term(term: object, place: str) -> OrderTerm:
    """Take an expression for a term of an order; a minus before it means descending.

    Raises:
        QueryError: it is neither.
    """
    if isinstance(term, OrderTerm):
        return term
    operand, is_descending = as_plain(term, place), False
    while isinstance(operand, Negative):
        operand, is_descending = operand.operand, not is_descending
    return OrderTerm(operand, is_descending=is_descending)


def _of_any(query: Any) -> Mapping[Any, Any]:
    return query  # type: ignore[no-any-return]  # a Mapping, of which no more is known


def as_plain(item: object, place: str) -> AnyExpression:
    """Take an expression where a plain value would say nothing.

    Raises:
        QueryError: it is none.
    """
    if is_expression(item):
        return item
    raise QueryError(f"{place} takes expressions such as Author.age, not a {type(item).__name__}")


def _several(given: object) -> Iterable[object]:
    if given is None:
        return ()
    return cast("Iterable[object]", given) if isinstance(given, list | tuple) else (given,)


def as_condition(value: object, place: str, *, is_raw: bool = False) -> AnyExpression:
    """Take what must be a condition.

    Args:
        value: what the caller gave.
        place: where, for the message.
        is_raw: it may be a filter of a document store as that takes it, a dict.

    Raises:
        QueryError: it is a plain value, or an expression that is neither true nor false.
    """
    if is_expression(value):
        found = value
        if found.type is None or isinstance(found.type, Boolean):
            # No union of classes: it would be made anew by every condition.
            if isinstance(found, Label) or isinstance(found, Restated):  # noqa: SIM101
                return found.operand
            return found
        raise QueryError(
            f"{place}: {found.display_name} is no condition; compare it with something"
        )
    if is_raw and isinstance(value, Mapping):
        return RawFilter(_of_any(value))
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
            checked.append(_checked_beside(value, beside, operand))
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
