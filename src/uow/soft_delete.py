"""`DocumentWithSoftDelete`: documents that are marked as deleted, and then found no more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from uow.document import Document
from uow.tracking.state import State, state_of

if TYPE_CHECKING:
    from uow.documents.query import DocumentQuery
    from uow.expressions import Expression
    from uow.query.builder import Query

    Condition = Expression[bool] | Mapping[Any, Any] | bool

__all__ = ["DocumentWithSoftDelete"]


class DocumentWithSoftDelete(Document):
    """Base of documents whose `delete` only marks them; `hard_delete` deletes them.

    The class's own verbs (`find`, `find_one`, `get`, `count`, ...) give those that are not marked,
    `find_many_in_all` gives all. What a session is asked for by itself (`session.find(Post)`,
    `session.delete(post)`) knows nothing of marks.

    Attributes:
        deleted_at: when it was marked; None if it was not.
    """

    class Settings:
        abstract = True

    deleted_at: datetime | None = None

    def is_deleted(self) -> bool:
        """Whether it is marked as deleted."""
        return self.deleted_at is not None

    async def delete(self, *positional: Any, **options: Any) -> Any:
        """Mark the document as deleted.

        Raises:
            ObjectStateError: it was never stored.
            UowError: as `Session.flush`.
        """
        options.pop("link_rule", None)  # it may be found again, so what it links to stays
        if state_of(self).stored is not State.PERSISTENT:
            return await super().delete(*positional, **options)
        self.deleted_at = datetime.now(UTC)
        await self.save(*positional[:1], **options)
        return None

    async def hard_delete(self, **options: Any) -> Any:
        """Delete the document; options as those of `Document.delete`."""
        return await super().delete(**options)

    @classmethod
    async def get(cls, document_id: Any, **options: Any) -> Self | None:
        """Give the document with a key; None if there is none, or it is marked as deleted."""
        found = await super().get(document_id, **options)
        return None if found is None or found.is_deleted() else found

    @classmethod
    def find(cls, *conditions: Condition, **options: Any) -> DocumentQuery[Any]:
        """Build a query for documents that are not marked as deleted; see `Document.find`."""
        return super().find(*conditions, {"deleted_at": None}, **options)

    @classmethod
    def find_many_in_all(cls, *conditions: Condition, **options: Any) -> Query[Self]:
        """Build a query for documents, marked as deleted or not; see `Document.find`."""
        return super().find(*conditions, **options)
