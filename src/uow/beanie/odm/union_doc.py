"""Collections of documents of several classes."""

from uow.views import UnionDoc

__all__ = ["UnionDoc"]
