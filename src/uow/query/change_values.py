"""What update operators are given, checked against the fields that they change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias, cast

import attrs

from uow.errors import QueryError, ValidationError
from uow.expressions.literals import JSON, NUMERIC, type_of_value
from uow.expressions.nodes import ColumnExpression, Expression, Literal, is_expression
from uow.types import DocumentValue, Float, Integer, Numeric
from uow.values import check_value
from uow.values.coercion import objects_of

__all__ = ["Operators", "Place", "operand_of"]

Operators: TypeAlias = dict[str, dict[str, Any]]
"""By operator and path, what it is given."""


@attrs.frozen
class Place:
    """What an operator changes.

    Attributes:
        path: as it is stored.
        field: the field of the class, None if it knows none there.
    """

    path: str
    field: Expression[Any] | None

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return self.path if self.field is None else self.field.display_name

    @property
    def member(self) -> Place:
        """A member of the list that stands there."""
        field = self.field
        if field is None or not isinstance(field.type, DocumentValue):
            return Place(self.path, None)
        return Place(self.path, field[0])


def operand_of(place: Place, operator: str, value: object) -> Any:
    """Check what an operator is given for a field.

    Raises:
        QueryError: it does not take that.
        ValidationError: the field holds nothing of that kind.
    """
    make = _MAKERS.get(operator)
    if make is None:
        return value
    if is_expression(value) and operator != "$pull":
        raise QueryError(
            f"{operator} of {place.name} takes a value; what is computed of other fields is set "
            "whole: update({Person.age: Person.age + 1}), or a pipeline"
        )
    try:
        return make(place, value)
    except ValidationError:
        raise
    except ValueError as error:
        raise ValidationError(f"{place.name}: {error}") from error


def _whole(place: Place, value: Any) -> Literal[Any]:
    field = place.field
    if isinstance(field, ColumnExpression):
        column: Any = field.column
        return Literal(column.check_value(column.with_objects(value)), column.type)
    if value is None:
        return Literal(None, None)
    if field is None or field.type is None:
        return Literal(value, JSON)
    if type(field.type) is DocumentValue:
        value = objects_of(field.type.annotation, value)
    return Literal(check_value(field.type, value), field.type)


def _number(place: Place, value: Any) -> Literal[Any]:
    # Not checked as a new value is: three less is no age, but something to add to one.
    field = place.field
    type_ = type_of_value(value) if field is None or field.type is None else field.type
    if not isinstance(type_, Integer | Float | Numeric):
        raise QueryError(f"{place.name} is no number, which alone can be counted or multiplied")
    return Literal(check_value(NUMERIC if type(type_) is Numeric else type_, value), type_)


def _member(place: Place, value: Any) -> Any:
    if not _has_operators(value):
        return _whole(place.member, value)
    unknown = set(value) - {"$each", "$position", "$slice", "$sort"}
    if unknown or "$each" not in value:
        raise QueryError(f"{place.name}: members are given as {{'$each': [...]}}, or one by itself")
    return {**value, "$each": _members(place, value["$each"])}


def _members(place: Place, values: Any) -> list[Any]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise QueryError(f"{place.name}: a list of members is needed")
    return [_whole(place.member, value) for value in cast("Iterable[object]", values)]


def _pulled(place: Place, value: Any) -> Any:
    given: Any = value
    if is_expression(value) or isinstance(value, Mapping):
        return given  # a condition on members
    return _whole(place.member, value)


def _end(place: Place, value: Any) -> Any:
    if type(value) is not int or value not in {1, -1}:
        raise QueryError(f"$pop of {place.name} takes 1 for the last member or -1 for the first")
    return value


def _has_operators(value: Any) -> bool:
    given: Any = value
    return isinstance(value, Mapping) and any(str(key).startswith("$") for key in given)


_MAKERS: Final[Mapping[str, Callable[[Place, Any], Any]]] = {
    "$set": _whole,
    "$setOnInsert": _whole,
    "$min": _whole,
    "$max": _whole,
    "$inc": _number,
    "$mul": _number,
    "$push": _member,
    "$addToSet": _member,
    "$pull": _pulled,
    "$pullAll": _members,
    "$pop": _end,
}
