"""`$or`, `$and`, `$nor`, `$not`."""

from __future__ import annotations

from uow.beanie.odm.operators.find.base import BaseFindOperator, Given, as_given
from uow.errors import QueryError
from uow.expressions import Expression, RawFilter
from uow.expressions.nodes import Not as Negated

__all__ = ["And", "Nor", "Not", "Or"]


def _joined(operator: str, expressions: tuple[Given, ...], place: str) -> Expression[bool]:
    if not expressions:
        raise QueryError(f"{place} needs at least one condition")
    found = [as_given(one, place) for one in expressions]
    return found[0] if len(found) == 1 and operator != "$nor" else RawFilter({operator: found})


class Or(BaseFindOperator):
    """One of the conditions holds; of one alone it is that one.

    Raises:
        QueryError: there is none, or one is no condition.
    """

    __slots__ = ()

    def __init__(self, *expressions: Given) -> None:
        super().__init__(_joined("$or", expressions, "Or"))


class And(BaseFindOperator):
    """All conditions hold; of one alone it is that one.

    Raises:
        QueryError: there is none, or one is no condition.
    """

    __slots__ = ()

    def __init__(self, *expressions: Given) -> None:
        super().__init__(_joined("$and", expressions, "And"))


class Nor(BaseFindOperator):
    """None of the conditions holds.

    Raises:
        QueryError: there is none, or one is no condition.
    """

    __slots__ = ()

    def __init__(self, *expressions: Given) -> None:
        super().__init__(_joined("$nor", expressions, "Nor"))


class Not(BaseFindOperator):
    """The condition does not hold; it may be about several fields.

    Raises:
        QueryError: it is no condition.
    """

    __slots__ = ()

    def __init__(self, expression: Given) -> None:
        super().__init__(Negated(as_given(expression, "Not")))
