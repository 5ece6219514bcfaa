"""What only document stores know of: what stands beside the tree of a select or of a change."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, final

import attrs

from uow.expressions.nodes import OrderTerm

__all__ = ["Gives", "Reading", "WriteResult", "Writing"]


@attrs.frozen
class Reading:
    """How documents are read, beyond what a select says.

    Attributes:
        stages: of a pipeline, run on what the select finds.
        options: further keywords of the client's `find` or `aggregate`.
        is_raw: give what comes out as the store gives it, and not as objects.
        rows: what was found before, in place of asking the store.
    """

    stages: tuple[Mapping[str, Any], ...] = ()
    options: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    is_raw: bool = False
    rows: tuple[Any, ...] | None = None


class Gives(Enum):
    """What the change of one document gives back."""

    COUNT = "count"
    OLD = "old"
    NEW = "new"


@attrs.frozen
class Writing:
    """How documents are written, beyond what an UPDATE or DELETE says.

    Attributes:
        is_one: the first document that is found, and no other.
        gives: the document before or after, or a count.
        order: which is the first one.
        options: further keywords of the client's.
    """

    is_one: bool = False
    gives: Gives = Gives.COUNT
    order: tuple[OrderTerm, ...] = ()
    options: Mapping[str, Any] = attrs.field(factory=dict[str, Any])


@final
class WriteResult(int):
    """How many documents a statement was about; with more that a document store tells.

    Attributes:
        modified_count: how many of them are not as they were.
        deleted_count: how many are gone.
        upserted_id: the key of the document that an upsert made.
    """

    modified_count: int
    deleted_count: int
    upserted_id: Any

    @classmethod
    def of(cls, matched: int, modified: int, deleted: int, upserted_id: Any = None) -> WriteResult:
        """Make one of what was found, what was changed and what is gone."""
        made = cls(matched or deleted)
        made.modified_count = modified
        made.deleted_count = deleted
        made.upserted_id = upserted_id
        return made

    @property
    def matched_count(self) -> int:
        """How many documents were found."""
        return int(self)

    @property
    def acknowledged(self) -> bool:
        """Whether the server answered: it always has."""
        return True
