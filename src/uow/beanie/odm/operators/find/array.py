"""`$all`, `$elemMatch`, `$size`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from uow.beanie.odm.operators.find.base import (
    BaseFindOperator,
    Field,
    checked_field,
    literal_of,
    members_of,
    tested,
)
from uow.errors import QueryError
from uow.expressions import Expression
from uow.expressions.nodes import FieldPath, is_expression

__all__ = ["All", "ElemMatch", "Size"]


class All(BaseFindOperator):
    """The list holds each of some values.

    Raises:
        QueryError: there is no list of values.
        ValidationError: one of them is not of the field's type.
    """

    __slots__ = ()

    def __init__(self, field: Field, values: Iterable[Any]) -> None:
        found = members_of(checked_field(field), values, "All")
        super().__init__(tested(field, "$all", found))


class ElemMatch(BaseFindOperator):
    """One member of the list passes the whole of a test.

    Args:
        field: the list.
        expression: tests of the member itself (`{"$gte": 3, "$lt": 5}`), or a filter of what it
            holds, with paths that begin in the member.
        **kwargs: values that fields of the member are equal to.

    Raises:
        QueryError: there is no test, one of the same field twice, or members have no such field.
        ValidationError: a value is not of its field's type.
    """

    __slots__ = ()

    def __init__(
        self, field: Field, expression: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        found: dict[str, Any] = {} if expression is None else dict(expression)
        for name, value in kwargs.items():
            stored, test = _member_test(checked_field(field), name, value)
            if stored in found:
                raise QueryError(f"ElemMatch tests {name!r} twice")
            found[stored] = test
        if not found:
            raise QueryError("ElemMatch needs a test")
        super().__init__(tested(field, "$elemMatch", found))


def _member_test(field: Field, name: str, value: object) -> tuple[str, Any]:
    if not is_expression(field):
        return name, {"$eq": literal_of(name, value)}
    member: Expression[Any] = field[0][name]
    stored = member.path[-1] if isinstance(member, FieldPath) else name
    return str(stored), {"$eq": literal_of(member, value)}


class Size(BaseFindOperator):
    """The list has so many members.

    Raises:
        QueryError: that is no number of members.
    """

    __slots__ = ()

    def __init__(self, field: Field, num: int) -> None:
        if type(num) is not int or num < 0:
            raise QueryError("Size takes a whole number from 0 on")
        super().__init__(tested(field, "$size", num))
