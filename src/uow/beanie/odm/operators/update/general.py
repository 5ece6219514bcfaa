"""`$set`, `$inc` and the others that change a field of any kind."""

from __future__ import annotations

from uow.beanie.odm.operators.update.base import BaseUpdateOperator

__all__ = ["CurrentDate", "Inc", "Max", "Min", "Mul", "Rename", "Set", "SetOnInsert", "Unset"]


class Set(BaseUpdateOperator):
    """Give fields new values: `Set({Person.age: 3})`."""

    __slots__ = ()
    operator = "$set"


class SetOnInsert(BaseUpdateOperator):
    """Give fields values, if an upsert makes the document."""

    __slots__ = ()
    operator = "$setOnInsert"


class CurrentDate(BaseUpdateOperator):
    """Set fields to the time of the server: True, or `{"$type": "timestamp"}`."""

    __slots__ = ()
    operator = "$currentDate"


class Inc(BaseUpdateOperator):
    """Add to numbers."""

    __slots__ = ()
    operator = "$inc"


class Min(BaseUpdateOperator):
    """Set fields to values that are less than what they hold."""

    __slots__ = ()
    operator = "$min"


class Max(BaseUpdateOperator):
    """Set fields to values that are greater than what they hold."""

    __slots__ = ()
    operator = "$max"


class Mul(BaseUpdateOperator):
    """Multiply numbers."""

    __slots__ = ()
    operator = "$mul"


class Rename(BaseUpdateOperator):
    """Give fields of the document other names."""

    __slots__ = ()
    operator = "$rename"


class Unset(BaseUpdateOperator):
    """Take fields out of the document; what is given for them does not matter."""

    __slots__ = ()
    operator = "$unset"
