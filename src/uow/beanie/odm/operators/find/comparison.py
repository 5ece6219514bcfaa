"""`$eq`, `$ne`, `$gt`, `$gte`, `$lt`, `$lte`, `$in`, `$nin`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Final

from uow.beanie.odm.operators.find.base import (
    BaseFindOperator,
    Field,
    checked_field,
    literal_of,
    members_of,
    tested,
)
from uow.errors import QueryError
from uow.expressions import Compare, Expression, IsNull, RawFilter
from uow.expressions.nodes import is_expression

__all__ = ["GT", "GTE", "LT", "LTE", "NE", "Eq", "In", "NotIn"]

_NAMES: Final = {"=": "$eq", "<>": "$ne", ">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte"}


class _Comparison(BaseFindOperator):
    """Base of comparisons: of a field with a value, or with another field.

    Args:
        field: the field, or its path as it is stored.
        other: a value of its type; beside a list also one of its members.

    Raises:
        QueryError: the field is none.
        ValidationError: the value is not of the field's type.
    """

    __slots__ = ()

    op: ClassVar[str]

    def __init__(self, field: Field, other: object) -> None:
        super().__init__(_compared(self.op, checked_field(field), other))


def _compared(op: str, field: Field, other: object) -> Expression[bool]:
    if other is None and op not in {"=", "<>"}:
        raise QueryError("a field is compared with None, which nothing comes before or after")
    value = literal_of(field, other)
    if not is_expression(field):
        return RawFilter({field: value}) if op == "=" else tested(field, _NAMES[op], value)
    if other is None:
        return IsNull(field, is_negated=op == "<>")
    return Compare(op, field, value)


class Eq(_Comparison):
    """The field is equal to a value: `Eq(Person.age, 3)`."""

    __slots__ = ()
    op = "="


class NE(_Comparison):
    """The field is not equal to a value."""

    __slots__ = ()
    op = "<>"


class GT(_Comparison):
    """The field is greater than a value."""

    __slots__ = ()
    op = ">"


class GTE(_Comparison):
    """The field is greater than a value, or equal."""

    __slots__ = ()
    op = ">="


class LT(_Comparison):
    """The field is less than a value."""

    __slots__ = ()
    op = "<"


class LTE(_Comparison):
    """The field is less than a value, or equal."""

    __slots__ = ()
    op = "<="


class In(BaseFindOperator):
    """The field is one of some values, None for null or absent: `In(Person.age, [3, 4])`.

    Raises:
        QueryError: there is no list of values.
        ValidationError: one of them is not of the field's type.
    """

    __slots__ = ()

    def __init__(self, field: Field, other: Iterable[Any]) -> None:
        values = members_of(checked_field(field), other, "In")
        super().__init__(tested(field, "$in", values))


class NotIn(BaseFindOperator):
    """The field is none of some values.

    Raises:
        QueryError: there is no list of values.
        ValidationError: one of them is not of the field's type.
    """

    __slots__ = ()

    def __init__(self, field: Field, other: Iterable[Any]) -> None:
        values = members_of(checked_field(field), other, "NotIn")
        super().__init__(tested(field, "$nin", values))
