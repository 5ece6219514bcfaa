"""`$bit`."""

from __future__ import annotations

from uow.beanie.odm.operators.update.base import BaseUpdateOperator

__all__ = ["Bit"]


class Bit(BaseUpdateOperator):
    """Change bits of whole numbers: `Bit({Person.flags: {"or": 4}})`."""

    __slots__ = ()
    operator = "$bit"
