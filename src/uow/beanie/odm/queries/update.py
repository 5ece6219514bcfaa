"""Changes of what a query finds."""

from uow.documents.verbs import UpdateMany, UpdateOne, UpdateResponse

__all__ = ["UpdateMany", "UpdateOne", "UpdateResponse"]
