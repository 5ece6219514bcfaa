"""Queries, by Beanie's names for them."""

from uow.documents.one import FindOne
from uow.documents.query import DocumentQuery as FindMany

__all__ = ["FindMany", "FindOne"]
