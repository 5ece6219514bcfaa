"""`$push`, `$addToSet`, `$pull`, `$pullAll`, `$pop`."""

from __future__ import annotations

from uow.beanie.odm.operators.update.base import BaseUpdateOperator

__all__ = ["AddToSet", "Pop", "Pull", "PullAll", "Push"]


class AddToSet(BaseUpdateOperator):
    """Add members that a list does not hold yet; several by `{"$each": [...]}`."""

    __slots__ = ()
    operator = "$addToSet"


class Pop(BaseUpdateOperator):
    """Take away the last member of a list (1), or the first (-1)."""

    __slots__ = ()
    operator = "$pop"


class Pull(BaseUpdateOperator):
    """Take away members that are equal to a value, or match a condition."""

    __slots__ = ()
    operator = "$pull"


class Push(BaseUpdateOperator):
    """Add members to lists; several by `{"$each": [...]}`."""

    __slots__ = ()
    operator = "$push"


class PullAll(BaseUpdateOperator):
    """Take away all members that are equal to one of some values."""

    __slots__ = ()
    operator = "$pullAll"
