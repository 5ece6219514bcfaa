"""Rows after a place in an order: the condition of keyset pagination.

A place is the values that a row has in the terms of the order. What comes after it depends on
where the store puts NULL, so the dialect says that and has the condition written out.
"""

from __future__ import annotations

from typing import Any, final

from uow.expressions.literals import BOOLEAN
from uow.expressions.nodes import (
    And,
    Compare,
    Condition,
    Expression,
    IsNull,
    Literal,
    Or,
    OrderTerm,
    RowValue,
    TruthValue,
)
from uow.types import Numeric

__all__ = ["After", "written_out"]


@final
class After(Condition):
    """Whether a row comes after a place, in an order of its terms.

    Attributes:
        terms: the order.
        values: the place, a value (NULL too) a term.
        nullable: for each term whether it may be NULL.
    """

    __slots__ = ("nullable", "terms", "values")

    def __init__(
        self,
        terms: tuple[OrderTerm, ...],
        values: tuple[Literal[Any], ...],
        nullable: tuple[bool, ...],
    ) -> None:
        self.type = BOOLEAN
        self.terms = terms
        self.values = values
        self.nullable = nullable


def written_out(node: After, *, nulls_are_greatest: bool, row_values: bool) -> Expression[Any]:
    """Say with comparisons what `After` asks.

    Terms of one direction that are never NULL are compared as one, `(a, b) > (:a, :b)`, which an
    index over both answers from the place on. Else it is `a >= :a AND (a > :a OR b > :b)`, of which
    the first part says nothing new, but lets an index on `a` begin near the place.

    Args:
        node: the question.
        nulls_are_greatest: where NULL stands for terms that do not say it.
        row_values: whether the store finds rows by several values compared as one.
    """
    shape = list(zip(node.terms, node.values, node.nullable, strict=True))
    alike = _alike_at_end(node) if row_values else 0
    found: Expression[Any] = TruthValue(False)
    if alike > 1:
        tail, shape = shape[-alike:], shape[:-alike]
        op = "<" if tail[0][0].is_descending else ">"
        columns = RowValue(tuple(term.operand for term, _, _ in tail))
        found = Compare(op, columns, RowValue(tuple(value for _, value, _ in tail)))
    for term, value, is_nullable in reversed(shape):
        first = term.is_nulls_first
        if first is None:
            first = nulls_are_greatest is term.is_descending
        found = _later(term, value, found, nulls_last=is_nullable and not first)
    return found


def _alike_at_end(node: After) -> int:
    """Count the last terms that can be compared as one."""
    count = 0
    direction = node.terms[-1].is_descending
    for term, is_nullable in zip(reversed(node.terms), reversed(node.nullable), strict=True):
        # Decimals are compared by more than their form on stores that keep them as text.
        if (
            is_nullable
            or term.is_descending is not direction
            or isinstance(term.operand.type, Numeric)
        ):
            break
        count += 1
    return count


def _later(
    term: OrderTerm, value: Literal[Any], rest: Expression[Any], *, nulls_last: bool
) -> Expression[Any]:
    """Later in this term, or equal in it and later in the rest."""
    operand = term.operand
    if value.value is None:
        if nulls_last:
            return _both(IsNull(operand), rest)
        return _either(IsNull(operand, is_negated=True), rest)
    op = "<" if term.is_descending else ">"
    later: Expression[Any] = Compare(op, operand, value)
    not_before: Expression[Any] = Compare(f"{op}=", operand, value)
    if nulls_last:
        later = _either(later, IsNull(operand))
        not_before = _either(not_before, IsNull(operand))
    if _is_false(rest):
        return later
    return _both(not_before, _either(later, rest))


def _either(left: Expression[Any], right: Expression[Any]) -> Expression[Any]:
    return left if _is_false(right) else Or((left, right))


def _both(left: Expression[Any], right: Expression[Any]) -> Expression[Any]:
    return right if _is_false(right) else And((left, right))


def _is_false(node: Expression[Any]) -> bool:
    return isinstance(node, TruthValue) and not node.value
