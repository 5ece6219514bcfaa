"""Which classes belong in which kind of store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uow.errors import MappingError

if TYPE_CHECKING:
    from uow.mapping.mapper import Mapper

__all__ = ["refuse_other_store"]


def refuse_other_store(mapper: Mapper, store: Any) -> None:
    """Refuse a table in a document store, and a document in an SQL store.

    Args:
        mapper: the class.
        store: the dialect, which stands above this package.

    Raises:
        MappingError: that is what it is.
    """
    is_document = mapper.document is not None
    if store.capabilities.documents is is_document:
        return
    if is_document:
        raise MappingError(
            f"{mapper.name} is a Document, and {store.name} keeps tables: use a Table there, or a "
            "database at mongodb://"
        )
    raise MappingError(
        f"{mapper.name} is a Table, and {store.name} keeps documents: use a Document there, or "
        "an SQL database"
    )
