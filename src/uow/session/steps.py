"""The steps of a flush: rows that are written alike, and all of them in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

import attrs

from uow.session.forms import Form, Kind, Role
from uow.session.graph import flowchart

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn
    from uow.session.codec import Codec
    from uow.session.linked import LinkedKeys
    from uow.session.moves import Moves
    from uow.tracking.state import Record

__all__ = ["Awaited", "FlushPlan", "Kind", "Role", "Step"]


@attrs.frozen(eq=False)
class Awaited:
    """A value of a step that is known only when the flush is under way.

    Attributes:
        row: the number of the row.
        position: the place in the row.
        column: the column it is for.
        value: what it will be, a `KeyOf` or a `Parked`.
    """

    row: int
    position: int
    column: MappedColumn
    value: Any


@final
class Step:
    """Rows of one table that are written alike, by one statement or a few.

    Attributes:
        codec: how its objects travel.
        form: what is known of its rows beforehand.
        kind: what is done.
        mapper: whose table.
        columns: what is given (insert) or changed (update), without the version.
        objects: the objects, in the order they are written.
        rows: the encoded values: the columns, for updates the new version, then what finds the
            row (key and old version).
        is_root: it is about the table that every object of the step's classes has a row in.
        is_main: a user wants the rows so; else versions, hooks and the journal know nothing.
        in_sequence: a row of it has to wait for an earlier one.
        given: by `id` of an object, what is sent instead of what it holds.
        awaited: the places in `rows` that are filled when the flush is under way.
    """

    __slots__ = (
        "awaited",
        "codec",
        "columns",
        "form",
        "given",
        "in_sequence",
        "is_main",
        "is_root",
        "kind",
        "mapper",
        "objects",
        "rows",
    )

    def __init__(self, codec: Codec, form: Form, objects: list[Any]) -> None:
        self.codec = codec
        self.form = form
        self.kind = form.kind
        self.mapper = form.mapper
        self.columns = form.columns
        self.is_root = form.mapper.owner is None
        self.is_main = form.role is Role.MAIN
        self.objects = objects
        self.rows: Sequence[tuple[Any, ...]] = ()
        self.in_sequence = False
        self.given: dict[int, dict[MappedColumn, Any]] = {}
        self.awaited: list[Awaited] = []

    def __repr__(self) -> str:
        return f"<Step {self}>"

    def __str__(self) -> str:
        names = ", ".join(column.name for column in self.columns)
        detail = f" ({names})" if names else ""
        count = len(self.objects)
        why = "" if self.is_main else f", {self.form.role.value}"
        return (
            f"{self.kind.name} {self.mapper.table_name}{detail}: "
            f"{count} row{'s'[: count != 1]}{why}"
        )


@final
class FlushPlan:
    """The steps of a flush, in order. `str()` shows them, a line each; `mermaid()` as a graph.

    Attributes:
        steps: what will be sent.
        unchanged: records that were touched but hold what the store holds.
        defers: whether the order needs constraints to be deferred that are not so at first.
        written: what columns of objects without a record held before they were written.
        moves: what follows from relations.
        linked: the keys that were made for documents because others link to them.
    """

    __slots__ = ("defers", "linked", "moves", "steps", "unchanged", "written")

    def __init__(
        self,
        steps: list[Step],
        unchanged: list[Record],
        defers: bool,
        written: Mapping[MappedColumn, Mapping[Any, Any]],
        moves: Moves | None = None,
    ) -> None:
        self.moves = moves
        self.linked: LinkedKeys | None = None
        self.steps = steps
        self.unchanged = unchanged
        self.defers = defers
        self.written = written

    def __repr__(self) -> str:
        return f"<FlushPlan of {len(self.steps)} steps>"

    def __str__(self) -> str:
        if not self.steps:
            return "nothing to flush"
        lines = [f"{number}. {step}" for number, step in enumerate(self.steps, 1)]
        if self.defers:
            lines.insert(0, "constraints are checked at COMMIT")
        return "\n".join(lines)

    def mermaid(self) -> str:
        """The plan as a Mermaid flowchart: the steps in order, and why one waits for another.

        Solid arrows give the order, dotted ones name the columns through which rows may meet.
        """
        return flowchart(self.steps)

    @property
    def is_empty(self) -> bool:
        """Whether nothing has to be sent."""
        return not self.steps

    @property
    def rows(self) -> int:
        """How many rows will be written; one that is parked or fixed up counts each time."""
        return sum(len(step.objects) for step in self.steps)
