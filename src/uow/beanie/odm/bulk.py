"""Writes that are sent together."""

from uow.documents.bulk_writer import BulkWriter

__all__ = ["BulkWriter"]
