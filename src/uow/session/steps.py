"""The steps of a flush: rows that are written alike, and all of them in order."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper
    from uow.tracking.state import Record

__all__ = ["FlushPlan", "Kind", "Step"]


class Kind(IntEnum):
    """What is done to rows, in the order it is done where nothing else decides."""

    INSERT = 0
    UPDATE = 1
    DELETE = 2


@attrs.define(eq=False)
class Step:
    """Rows of one table that are written alike, by one statement or a few.

    Attributes:
        kind: what is done.
        mapper: whose table.
        columns: what is given (insert) or changed (update), without the version.
        objects: the objects, in the order they are written.
        rows: the encoded values: the columns, for updates the new version, then what finds the
            row (key and old version).
    """

    kind: Kind
    mapper: Mapper
    columns: tuple[MappedColumn, ...]
    objects: list[Any] = attrs.Factory(list[Any])
    rows: list[tuple[Any, ...]] = attrs.field(factory=list[tuple[Any, ...]], repr=False)

    def __str__(self) -> str:
        names = ", ".join(column.name for column in self.columns)
        detail = f" ({names})" if names else ""
        count = len(self.objects)
        return f"{self.kind.name} {self.mapper.table_name}{detail}: {count} row{'s'[: count != 1]}"


@attrs.frozen(eq=False)
class FlushPlan:
    """The steps of a flush, in order. `str()` shows them, a line each.

    Attributes:
        steps: what will be sent.
        unchanged: records that were touched but hold what the store holds.
    """

    steps: list[Step]
    unchanged: list[Record]

    def __str__(self) -> str:
        if not self.steps:
            return "nothing to flush"
        return "\n".join(f"{number}. {step}" for number, step in enumerate(self.steps, 1))

    @property
    def is_empty(self) -> bool:
        """Whether nothing has to be sent."""
        return not self.steps

    @property
    def rows(self) -> int:
        """How many rows will be written."""
        return sum(len(step.objects) for step in self.steps)
