"""Directions of an order."""

from uow.documents.query import SortDirection

__all__ = ["SortDirection"]
