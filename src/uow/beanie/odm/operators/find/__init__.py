"""Find operators."""

from uow.beanie.odm.operators.find.base import BaseFindOperator

__all__ = ["BaseFindOperator"]
