"""What fields of documents are declared with."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from bson import ObjectId

from uow.documents.query import SortDirection
from uow.mapping.indexed import Indexed
from uow.mapping.link import BackLink, Link
from uow.mapping.link_rules import DeleteRules, WriteRules
from uow.mapping.pydantic_model import AsText

__all__ = [
    "BackLink", "BeanieObjectId", "DeleteRules", "Indexed", "Link", "PydanticObjectId",
    "SortDirection", "WriteRules",
]  # fmt: skip


class PydanticObjectId(ObjectId):
    """The key of a document: an `ObjectId` that pydantic's models take too.

    It is made of a text, of bytes or of an `ObjectId`, and is a text in JSON. Documents hold plain
    `ObjectId`s, which are equal to it.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return AsText(cls).__get_pydantic_core_schema__(source, handler)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        return AsText(cls).__get_pydantic_json_schema__(schema, handler)


BeanieObjectId: TypeAlias = Annotated[ObjectId, AsText(ObjectId)]
"""An `ObjectId` in a model of pydantic's."""
