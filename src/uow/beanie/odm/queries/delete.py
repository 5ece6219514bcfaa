"""Deletion of what a query finds."""

from uow.documents.verbs import DeleteMany, DeleteOne

__all__ = ["DeleteMany", "DeleteOne"]
