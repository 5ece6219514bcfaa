"""Update operators."""

from uow.beanie.odm.operators.update.base import BaseUpdateOperator

__all__ = ["BaseUpdateOperator"]
