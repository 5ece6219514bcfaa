"""Pipelines on what a query finds."""

from uow.documents.query import AggregationQuery

__all__ = ["AggregationQuery"]
