"""What is known of the rows of a step before there are any, made once a class and shape."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from uow.dialects.base import Capabilities
    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = ["Form", "Kind", "Role"]


class Kind(IntEnum):
    """What is done to rows, in the order it is done where nothing else decides."""

    INSERT = 0
    UPDATE = 1
    DELETE = 2


class Role(Enum):
    """Why rows are written. But for the first it is no change of a user's."""

    MAIN = "main"
    """Because a user wants them so."""
    PARK = "park"
    """To give up for a while, before the rest, what other rows take or refer to."""
    FIXUP = "fix-up"
    """To put in place, after the rest, what could not be there before."""


@final
class Form:
    """How rows of one class are written that give the same columns.

    Args:
        kind: what is done.
        mapper: whose table.
        columns: what is given (insert) or changed (update), without a version that is counted.
        locator: the columns that find a row.
        capabilities: what the store can do.
        role: why they are written. Rows that are parked or fixed up keep their version; the latter
            have it from this flush, so they are found by their key alone.
        of_class: the columns that the class has in the table; None for all of the mapper's.

    Attributes:
        counts: the flush gives the version itself: the first, or the next one.
        read: the columns that are read from each object.
        sent: the columns that are given or set, a version that is counted included.
        lazy: the columns among them whose values can change in place, with their places.
        overwritten: of an update, the columns that the flush or the store writes besides.
        filled: of an insert, likewise; a failure takes them back.
        completes: objects may lack columns until the insert has filled them.
        gives_key: whether the rows of an insert bring their whole key.
        generated: the columns the store computes.
        answered: what tells of a row that was updated: its key, and what the store computed.
        is_told_by_count: of an update, only a count of its own tells whether a row has the version
            that was loaded: it is parked, which changes no version.
        returning: the columns that come back; of deletes only where there are several rows.
        reads_answer: what is answered has to be read afterwards.
        orders: whether such rows and those of other forms, in that order, may follow each other.
    """

    __slots__ = (
        "answered",
        "columns",
        "completes",
        "counts",
        "filled",
        "generated",
        "gives_key",
        "is_told_by_count",
        "kind",
        "lazy",
        "locator",
        "mapper",
        "orders",
        "overwritten",
        "read",
        "reads_answer",
        "returning",
        "role",
        "sent",
    )

    def __init__(
        self,
        kind: Kind,
        mapper: Mapper,
        columns: tuple[MappedColumn, ...],
        locator: tuple[MappedColumn, ...],
        capabilities: Capabilities,
        *,
        role: Role = Role.MAIN,
        of_class: tuple[MappedColumn, ...] | None = None,
    ) -> None:
        own = mapper.columns if of_class is None else of_class
        version = mapper.version if role is Role.MAIN else None
        locator = mapper.key if role is Role.FIXUP else locator
        self.role = role
        self.is_told_by_count = role is Role.PARK and mapper.version is not None
        self.kind = kind
        self.mapper = mapper
        self.columns = columns
        self.locator = locator
        self.orders: dict[tuple[Form, ...], bool] = {}
        self.counts = version is not None and version not in columns and kind is not Kind.DELETE
        self.sent = (*columns, version) if version is not None and self.counts else columns
        self.lazy = tuple([(place, c) for place, c in enumerate(columns) if c.is_lazy])
        computed = () if role is Role.PARK else own
        self.generated = tuple([c for c in computed if c.generated is not None])
        self.overwritten = tuple([c for c in own if c is version or c.generated])
        self.gives_key = all(c in columns for c in mapper.key)
        self.answered = (*mapper.key, *self.generated)
        self.filled: tuple[MappedColumn, ...] = ()
        self.completes = self.reads_answer = False
        self.returning: tuple[MappedColumn, ...] = ()
        if kind is Kind.INSERT:
            self.read = columns
            self.returning = tuple([c for c in own if c not in self.sent])
            self.filled = (*self.returning, *self.sent[len(columns) :])
            self.completes = version is not None or any(
                not column.auto_increment for column in self.returning
            )
        elif kind is Kind.UPDATE:
            self.read = (*columns, *locator)
            # Who is stale is told by the row that does not come back, or by a count of its own.
            if self.generated or (version is not None and capabilities.array_binding):
                self.reads_answer = not capabilities.returning_update
                self.returning = () if self.reads_answer else self.answered
        else:
            self.read = locator
            if capabilities.array_binding or capabilities.deletes_come_back:
                self.returning = mapper.key

    def __repr__(self) -> str:
        names = ", ".join(column.attribute for column in self.columns)
        return f"<Form {self.kind.name} {self.mapper.name} ({names})>"
