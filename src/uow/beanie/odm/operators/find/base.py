"""What every find operator is: a condition of ours, and a mapping as MongoDB takes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias, cast

from uow.dialects.base import dialect_for
from uow.errors import QueryError
from uow.expressions import Expression, RawFilter, Restated
from uow.expressions.literals import BOOLEAN, JSON
from uow.expressions.nodes import Literal, as_condition, is_expression, literal_beside

__all__ = [
    "BaseFindOperator",
    "Field",
    "Given",
    "as_given",
    "checked_field",
    "literal_of",
    "members_of",
    "tested",
]

Field: TypeAlias = object
"""`Person.age`, or the path of a field as it is stored: `"address.city"`.

To a type checker a field is what it is declared as, wherever it is declared without `Mapped`.
"""

Given: TypeAlias = Expression[Any] | Mapping[Any, Any] | bool
"""A condition: an expression, an operator, or a filter as MongoDB takes it."""


class BaseFindOperator(Restated, Mapping[str, Any]):
    """Base of the find operators.

    They stand wherever a condition may stand, beside others and in `&`, `|` and `~`; and are
    mappings, of what the store is sent.
    """

    __slots__ = ()

    def __init__(self, condition: Expression[Any]) -> None:
        self.type = BOOLEAN
        self.operand = condition

    @property
    def query(self) -> dict[str, Any]:
        """What the store is sent.

        Raises:
            QueryError: a store of documents cannot ask that.
        """
        dialect: Any = dialect_for("mongodb")
        found: dict[str, Any] = dialect.filter_of(self.operand)
        return found

    def __getitem__(self, key: Any) -> Any:
        return self.query[key]

    # Expressions cannot be iterated; mappings can.
    def __iter__(self) -> Iterator[str]:  # type: ignore[override]
        return iter(self.query)

    def __len__(self) -> int:
        return len(self.query)

    def __contains__(self, key: object) -> bool:  # type: ignore[override]
        return key in self.query

    def __eq__(self, other: object) -> bool:  # type: ignore[override]
        if not isinstance(other, Mapping):
            return NotImplemented
        return dict(cast("Mapping[object, object]", other)) == self.query

    def __ne__(self, other: object) -> bool:  # type: ignore[override]
        return not self == other if isinstance(other, Mapping) else NotImplemented

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


def tested(field: Field, operator: str, argument: Any) -> RawFilter:
    """Make the condition that a field passes one of MongoDB's tests.

    Raises:
        QueryError: the field is neither an expression nor a path.
    """
    return RawFilter({checked_field(field): {operator: argument}})


def checked_field(field: object) -> Any:
    """Check what an operator is told to look at.

    Raises:
        QueryError: it is neither an expression nor a path.
    """
    if is_expression(field) or (isinstance(field, str) and field and field[0] != "$"):
        return field
    named = "an empty text, or one that begins with a dollar sign"
    given = named if isinstance(field, str) else f"a {type(field).__name__}"
    raise QueryError(f"an operator is of a field, Person.age or 'address.city', not of {given}")


def literal_of(field: Field, value: object) -> Expression[Any]:
    """Take a value for what it is, of the type of the field beside it; expressions stay.

    Beside a list it may be one of its members.

    Raises:
        ValidationError: the field holds nothing of that kind.
    """
    if is_expression(value):
        return value
    if not is_expression(field):
        return Literal(value, JSON)
    return literal_beside(value, field.type, field)


def members_of(field: Field, values: object, place: str) -> list[Any]:
    """Take each of some values for what it is.

    Raises:
        QueryError: that is no list of values.
        ValidationError: the field holds nothing of that kind.
    """
    if isinstance(values, str | bytes | Mapping | Expression) or not isinstance(values, Iterable):
        raise QueryError(f"{place} takes a list of values")
    return [literal_of(field, value) for value in cast("Iterable[object]", values)]


def as_given(condition: Given, place: str) -> Expression[Any]:
    """Take a condition as a user writes it.

    Raises:
        QueryError: it is none.
    """
    return as_condition(condition, place, is_raw=True)
