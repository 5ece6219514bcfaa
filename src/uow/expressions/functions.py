"""Functions of the store, CASE, EXISTS, and the logic of lists of conditions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, final

from uow.errors import QueryError, ValidationError
from uow.expressions.literals import FLOAT, INTEGER, NUMERIC, TEXT, target_type
from uow.expressions.nodes import (
    Case,
    ColumnExpression,
    Condition,
    Excluded,
    Exists,
    Expression,
    Function,
    Label,
    Literal,
    Not,
    TruthValue,
    as_condition,
    as_expression,
    is_expression,
    literal_beside,
)
from uow.expressions.protocols import SupportsSelect
from uow.types import ColumnType, Date, DateTime, Float, Integer, Interval, Numeric
from uow.values import check_value

__all__ = ["Functions", "and_", "case", "excluded", "exists", "func", "literal", "not_", "or_"]

T = TypeVar("T")

_NOW: Final = DateTime()
_TODAY: Final = Date()
_MOST_ROWS: Final = 2**31 - 1


@final
class Functions:
    """Functions of the store: `func.lower(Author.name)`.

    Those that stand here mean the same on every store. Any other name is passed on as it is:
    `func.soundex(Author.name)`; what it gives is unknown, so it is returned as the store gives it,
    unless `.cast(...)` says more.
    """

    __slots__ = ()

    # Aggregates

    def count(self, value: Expression[Any] | None = None) -> Function[int]:
        """Count rows, or the values that are not NULL; `.distinct()` counts each value once."""
        return Function("count", () if value is None else (_unlabelled(value),), INTEGER)

    def sum(self, value: Expression[T]) -> Function[T | None]:
        """Add up; NULL without rows."""
        value = _unlabelled(value)
        type_ = value.type
        if type_ is not None and not isinstance(type_, Integer | Float | Numeric | Interval):
            raise QueryError(f"sum: {value.display_name} is not a number")
        return Function("sum", (value,), NUMERIC if isinstance(type_, Numeric) else type_)

    def avg(self, value: Expression[Any]) -> Function[Any]:
        """Give the mean: a Decimal of Decimals, else a float; NULL without rows."""
        value = _unlabelled(value)
        type_ = value.type
        if type_ is not None and not isinstance(type_, Integer | Float | Numeric):
            raise QueryError(f"avg: {value.display_name} is not a number")
        return Function("avg", (value,), NUMERIC if isinstance(type_, Numeric) else FLOAT)

    def min(self, value: Expression[T]) -> Function[T | None]:
        """Give the smallest value; NULL without rows."""
        return Function("min", (_unlabelled(value),), value.type)

    def max(self, value: Expression[T]) -> Function[T | None]:
        """Give the greatest value; NULL without rows."""
        return Function("max", (_unlabelled(value),), value.type)

    # Text

    def lower(self, text: Expression[Any]) -> Function[str]:
        """Write a text in small letters."""
        return Function("lower", (_unlabelled(text),), TEXT)

    def upper(self, text: Expression[Any]) -> Function[str]:
        """Write a text in capitals."""
        return Function("upper", (_unlabelled(text),), TEXT)

    def trim(self, text: Expression[Any]) -> Function[str]:
        """Cut blanks off both ends."""
        return Function("trim", (_unlabelled(text),), TEXT)

    def length(self, text: Expression[Any]) -> Function[int]:
        """Count the characters of a text, or the bytes of a binary value."""
        return Function("length", (_unlabelled(text),), INTEGER)

    def replace(self, text: Expression[Any], old: object, new: object) -> Function[str]:
        """Replace every part `old` by `new`."""
        args = (_unlabelled(text), _beside(old, TEXT), _beside(new, TEXT))
        return Function("replace", args, TEXT)

    def substr(self, text: Expression[Any], start: object, length: object = None) -> Function[str]:
        """Cut a part out, from `start` (the first character is 1), of at most `length`."""
        args: tuple[Expression[Any], ...] = (_unlabelled(text), _beside(start, INTEGER))
        if length is not None:
            args = (*args, _beside(length, INTEGER))
        return Function("substr", args, TEXT)

    # Numbers

    def abs(self, number: Expression[T]) -> Function[T]:
        """Give the size of a number without its sign."""
        return Function("abs", (_unlabelled(number),), number.type)

    def round(self, number: Expression[T], digits: int = 0) -> Function[T]:
        """Round to so many digits after the point."""
        return Function("round", (_unlabelled(number), _beside(digits, INTEGER)), number.type)

    def ceil(self, number: Expression[T]) -> Function[T]:
        """Round up to a whole number."""
        return Function("ceil", (_unlabelled(number),), number.type)

    def floor(self, number: Expression[T]) -> Function[T]:
        """Round down to a whole number."""
        return Function("floor", (_unlabelled(number),), number.type)

    # Rows around a row: these need `.over(...)`

    def row_number(self) -> Function[int]:
        """Number the rows, from 1."""
        return Function("row_number", (), INTEGER)

    def rank(self) -> Function[int]:
        """Give the place in the order; equal rows share one, and the next ones leave a gap."""
        return Function("rank", (), INTEGER)

    def dense_rank(self) -> Function[int]:
        """Give the place in the order; equal rows share one, without gaps."""
        return Function("dense_rank", (), INTEGER)

    def percent_rank(self) -> Function[float]:
        """Give the place in the order as a share, from 0 to 1."""
        return Function("percent_rank", (), FLOAT)

    def cume_dist(self) -> Function[float]:
        """Give the share of the rows that come before or are equal."""
        return Function("cume_dist", (), FLOAT)

    def ntile(self, count: int) -> Function[int]:
        """Cut the rows into so many parts of about one size; give the number of the part."""
        return Function("ntile", (_position("ntile", count, 1),), INTEGER)

    def lag(
        self, value: Expression[T], offset: int = 1, default: object = None
    ) -> Function[T | None]:
        """Give the value of the row so many rows before; `default` where there is none."""
        return _shifted("lag", value, offset, default)

    def lead(
        self, value: Expression[T], offset: int = 1, default: object = None
    ) -> Function[T | None]:
        """Give the value of the row so many rows after; `default` where there is none."""
        return _shifted("lead", value, offset, default)

    def first_value(self, value: Expression[T]) -> Function[T | None]:
        """Give the value of the first row of the frame."""
        return Function("first_value", (_unlabelled(value),), value.type)

    def last_value(self, value: Expression[T]) -> Function[T | None]:
        """Give the value of the last row of the frame, which ends here unless it is said."""
        return Function("last_value", (_unlabelled(value),), value.type)

    def nth_value(self, value: Expression[T], position: int) -> Function[T | None]:
        """Give the value of the row of the frame at a position, counted from 1."""
        args = (_unlabelled(value), _position("nth_value", position, 1))
        return Function("nth_value", args, value.type)

    # Any type

    def coalesce(self, first: Expression[Any], *others: object) -> Function[Any]:
        """Give the first value that is not NULL."""
        return _alike("coalesce", first, *others)

    def nullif(self, first: Expression[T], second: object) -> Function[T | None]:
        """Give the first value, or NULL where it equals the second."""
        return _alike("nullif", first, second)

    def greatest(self, first: Expression[T], *others: object) -> Function[T]:
        """Give the greatest of several values; with a NULL among them it is the store's own."""
        return _alike("greatest", first, *others)

    def least(self, first: Expression[T], *others: object) -> Function[T]:
        """Give the smallest of several values; with a NULL among them it is the store's own."""
        return _alike("least", first, *others)

    # Time

    def now(self) -> Function[Any]:
        """Give the time of the transaction or statement, as an instant."""
        return Function("now", (), _NOW)

    def current_date(self) -> Function[Any]:
        """Give the day, in UTC."""
        return Function("current_date", (), _TODAY)

    def __getattr__(self, name: str) -> Callable[..., Function[Any]]:
        return _other(name)


def _other(name: str) -> Callable[..., Function[Any]]:
    # The name is the one identifier that does not come from the mapping, so it is checked here.
    if name.startswith("__"):
        raise AttributeError(name)
    if not (name.isascii() and name.isidentifier()):
        raise QueryError(f"{name!r} cannot be the name of a function")

    def call(*args: object) -> Function[Any]:
        return Function(name.lower(), tuple(as_expression(arg) for arg in args), None)

    return call


func: Final[Functions] = Functions()
"""Functions of the store; see `Functions`."""


def case(
    *whens: tuple[Expression[bool] | Expression[bool | None], object], else_: object = None
) -> Case[Any]:
    """Choose a value by conditions: `case((Author.age > 3, "old"), else_="new")`.

    Args:
        whens: pairs of a condition and a value, asked in this order.
        else_: the value where none holds; NULL by default.

    Raises:
        QueryError: there is no pair.
        ValidationError: the values are of different types.
    """
    if not whens:
        raise QueryError("case needs at least one (condition, value)")
    values = [value for _, value in whens] + ([] if else_ is None else [else_])
    beside = next((value for value in values if is_expression(value)), None)
    if beside is None:
        beside = next((as_expression(value) for value in values if value is not None), None)
    pairs = tuple(
        (as_condition(condition, "case"), as_expression(value, beside))
        for condition, value in whens
    )
    otherwise = None if else_ is None else as_expression(else_, beside)
    return Case(pairs, otherwise, None if beside is None else beside.type)


def exists(query: SupportsSelect) -> Condition:
    """Ask whether a query has any row; it may refer to the tables of the query around it."""
    select, _ = query.as_subquery(single_column=False)
    return Exists(select)


def and_(*conditions: Expression[bool] | Expression[bool | None]) -> Expression[bool]:
    """Ask whether all conditions hold; without any it is true."""
    found = [as_condition(condition, "and_") for condition in conditions]
    if not found:
        return TruthValue(True)
    first = found[0]
    for condition in found[1:]:
        first = first & condition
    return first


def or_(*conditions: Expression[bool] | Expression[bool | None]) -> Expression[bool]:
    """Ask whether one of the conditions holds; without any it is false."""
    found = [as_condition(condition, "or_") for condition in conditions]
    if not found:
        return TruthValue(False)
    first = found[0]
    for condition in found[1:]:
        first = first | condition
    return first


def not_(condition: Expression[bool] | Expression[bool | None]) -> Expression[bool]:
    """Ask whether a condition is false."""
    return Not(as_condition(condition, "not_"))


def literal(value: T, type: ColumnType | type[Any] | None = None) -> Literal[T]:  # noqa: A002
    """Make an expression of a plain value, to be bound.

    Args:
        value: the value.
        type: the column type to bind it as, or the Python class for one: `Array(int)`,
            `Integer(16)`, `Decimal`. By default what the class of the value says, which for a
            list is JSON.

    Raises:
        ValidationError: the value does not fit the type.
        QueryError: there is no such type, or a value of that class cannot be stored.
    """
    if type is None:
        found: Literal[Any] = literal_beside(value, None, None)
        return found
    column_type = target_type(type, "literal")
    try:
        checked: Any = None if value is None else check_value(column_type, value)
    except ValueError as error:
        raise ValidationError(f"literal: {error}") from error
    return Literal(checked, column_type)


def excluded(column: Expression[T]) -> Excluded[T]:
    """Give the value that was to be inserted, in `on_conflict(...).update({...})`.

    Raises:
        QueryError: it is not a column.
    """
    if not isinstance(column, ColumnExpression):
        raise QueryError("excluded takes a column of the class that is inserted")
    return Excluded(column.column)


def _unlabelled(value: Expression[T]) -> Expression[T]:
    if not isinstance(value, Expression):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise QueryError(
            f"a function of a column takes an expression, not a {type(value).__name__}"
        )
    return value.operand if isinstance(value, Label) else value


def _beside(value: object, type_: ColumnType) -> Expression[Any]:
    return value if is_expression(value) else literal_beside(value, type_, None)


def _position(name: str, count: object, least: int) -> Literal[int]:
    if type(count) is not int or not least <= count <= _MOST_ROWS:
        raise QueryError(f"{name} takes a whole number, {least} at least")
    return Literal(count, INTEGER)


def _shifted(name: str, value: Expression[T], offset: int, default: object) -> Function[T | None]:
    value = _unlabelled(value)
    args: tuple[Expression[Any], ...] = (value, _position(name, offset, 0))
    if default is not None:
        args = (*args, as_expression(default, value))
    return Function(name, args, value.type)


def _alike(name: str, first: Expression[Any], *others: object) -> Function[Any]:
    args = (as_expression(first), *(as_expression(other, first) for other in others))
    return Function(name, args, first.type)
