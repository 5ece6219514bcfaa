"""Documents."""

from uow.document import Document
from uow.mapping.merge_strategy import MergeStrategy
from uow.soft_delete import DocumentWithSoftDelete

__all__ = ["Document", "DocumentWithSoftDelete", "MergeStrategy"]
