"""What can be done about a circle of rows that wait for each other.

Every edge of a circle has a price. What is only a guess is let go; a constraint that can be checked
at COMMIT is left to that; then a row is written twice: a reference is NULL until the row that it is
to is stored, or from before that is deleted, and a unique value is given up early for NULL or for a
value that nobody has. Where that cannot be, a changed row may be written in two parts
(`splitting`). All else is firm.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import attrs

from uow.mapping.foreign_keys import ForeignKey
from uow.mapping.mapper import Unique
from uow.session.late import KeyOf, Parked
from uow.session.meetings import Edge, How, Op
from uow.session.ordering import FIRM
from uow.session.parking import can_be_null, park
from uow.session.splitting import Splitter
from uow.session.steps import Kind, Step
from uow.session.uniques import UniqueSet, stored_values
from uow.tracking.state import read_slot

if TYPE_CHECKING:
    from uow.dialects.base import Capabilities
    from uow.mapping.mapper import MappedColumn

__all__ = ["Breaker", "Remedy"]

GUESS: Final = 0
LEAVE: Final = 1
WRITE_TWICE: Final = 2
SPLIT: Final = 3

NOTHING: Final[Mapping[Any, Any]] = MappingProxyType({})


@attrs.frozen(eq=False)
class Remedy:
    """What is done about an edge.

    Attributes:
        price: what it costs.
        key: edges with the same key are done with together.
        op: the row that is written twice, if one is.
        early: what it is given before all else.
        late: the columns that it is given after all else; it is inserted without them, or keeps
            what it has.
        defers: whether a constraint has to be deferred for it.
    """

    price: int
    key: Hashable
    op: Op | None = None
    early: Mapping[MappedColumn, Any] = NOTHING
    late: tuple[MappedColumn, ...] = ()
    defers: bool = False


class Breaker:
    """Tells the remedies of edges."""

    def __init__(
        self, steps: list[Step], capabilities: Capabilities, edges: Sequence[Edge]
    ) -> None:
        self._steps = steps
        self._splitter = Splitter(steps, edges)
        self._capabilities = capabilities
        self._found: dict[Hashable, Remedy] = {}
        # What new rows may be referred to by has to be there at once.
        self._targets: set[MappedColumn] = {
            column
            for step in steps
            for key in step.mapper.foreign_keys
            for column in key.target_columns
        }

    def remedy(self, edge: Edge) -> Remedy:
        """What can be done about an edge."""
        if edge.how is How.GUESSED or self._lets_go_itself(edge):
            return Remedy(GUESS, edge)
        if edge.how is How.BELONGS:
            return Remedy(FIRM, edge)
        if self._can_wait(edge):
            why = edge.why
            constraint = why.constraint if isinstance(why, UniqueSet) else why
            is_set = getattr(constraint, "initially_deferred", True)
            return Remedy(LEAVE, edge, defers=not is_set)
        op = edge.later if edge.how is How.REFERS else edge.earlier
        key = (op, edge.why, edge.how)
        found = self._found.get(key)
        if found is None:
            if edge.how is How.REFERS:
                found = self._late(key, edge)
            elif edge.how is How.TAKES:
                found = self._given_up(key, edge)
            else:
                found = self._let_go(key, edge)
            self._found[key] = found
        return self._split(edge) if found.price >= FIRM else found

    def _split(self, edge: Edge) -> Remedy:
        """A changed row is written in two parts."""
        op = edge.earlier
        if edge.how in {How.LEAVES, How.TAKES}:
            columns = self._splitter.before(op, edge.columns)
            if columns:
                given = self._steps[op.step].given.get(id(op.obj), {})
                early = {c: given.get(c, read_slot(op.obj, c)) for c in columns}
                return Remedy(SPLIT, (op, edge.why, "before"), op, early=early)
        if edge.how in {How.REFERS, How.TAKES}:
            columns = self._splitter.after(edge.later, edge.columns)
            if columns:
                return Remedy(SPLIT, (edge.later, edge.why, "after"), edge.later, late=columns)
        return Remedy(FIRM, edge)

    def _can_wait(self, edge: Edge) -> bool:
        """Whether the store can check the constraint at COMMIT."""
        why = edge.why
        if isinstance(why, UniqueSet):
            constraint = why.constraint
            is_able = self._capabilities.deferrable_unique
            return is_able and isinstance(constraint, Unique) and constraint.deferrable
        is_able = self._capabilities.deferrable and not edge.is_late
        return is_able and isinstance(why, ForeignKey) and why.deferrable

    def _lets_go_itself(self, edge: Edge) -> bool:
        """Whether the store makes a reference NULL when the row goes that it is to."""
        if edge.how is not How.LEAVES or self._steps[edge.later.step].kind is not Kind.DELETE:
            return False
        return isinstance(edge.why, ForeignKey) and edge.why.on_delete == "SET NULL"

    def _late(self, key: Hashable, edge: Edge) -> Remedy:
        """A new row refers to another by a key that is NULL at first."""
        op = edge.later
        if self._steps[op.step].kind is not Kind.INSERT:
            return Remedy(FIRM, key)
        columns = self._nullable(edge.columns, op)
        given = self._steps[op.step].given.get(id(op.obj), {})
        are_late = {c for c in edge.columns if isinstance(given.get(c), KeyOf)}
        if not columns or not are_late <= {*columns} or not self._targets.isdisjoint(columns):
            return Remedy(FIRM, key)
        return Remedy(WRITE_TWICE, key, op, late=columns)

    def _let_go(self, key: Hashable, edge: Edge) -> Remedy:
        """A row gives up its reference to one that is to be deleted before all else."""
        op = edge.earlier
        columns = self._nullable(edge.columns, op)
        if not columns:
            return Remedy(FIRM, key)
        return Remedy(WRITE_TWICE, key, op, early=dict.fromkeys(columns))

    def _given_up(self, key: Hashable, edge: Edge) -> Remedy:
        """A row gives up a unique value before all else, for NULL or for a value nobody has."""
        op = edge.earlier
        step = self._steps[op.step]
        read = stored_values(op.obj)
        columns = edge.columns
        if step.kind is Kind.UPDATE:
            # What is written anyway needs no third time.
            columns = tuple(sorted(columns, key=lambda c: c not in step.columns))
        unique = edge.why
        for column in columns:
            if isinstance(unique, UniqueSet) and unique.nulls_meet:
                break
            if can_be_null(column, read):
                return self._parked(key, op, step, column, None)
        for column in columns:
            value = park(column, read)
            if value is not None:
                return self._parked(key, op, step, column, value)
        price = FIRM if not isinstance(unique, UniqueSet) or unique.is_certain else GUESS
        return Remedy(price, key)

    def _parked(
        self, key: Hashable, op: Op, step: Step, column: MappedColumn, value: Parked | None
    ) -> Remedy:
        is_restored = step.kind is Kind.UPDATE and column not in step.columns
        late = (column,) if is_restored else ()
        return Remedy(WRITE_TWICE, key, op, early={column: value}, late=late)

    def _nullable(self, columns: Iterable[MappedColumn], op: Op) -> tuple[MappedColumn, ...]:
        step = self._steps[op.step]
        obj = op.obj
        if step.kind is Kind.INSERT:
            return tuple([c for c in columns if can_be_null(c, lambda col: read_slot(obj, col))])
        found = tuple([c for c in columns if can_be_null(c, stored_values(obj))])
        if step.kind is Kind.UPDATE:
            found = tuple([c for c in found if c in step.columns])
        return found
