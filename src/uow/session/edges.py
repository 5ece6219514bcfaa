"""In which order the steps of a flush are taken: by class, and by row where values meet.

Rows are looked at singly only where classes refer to each other in a circle or to themselves, and
where a unique value that one row gives up is taken by another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from uow.errors import FlushCycleError, Phase
from uow.session.ordering import RowCycleError, class_order, row_order
from uow.session.steps import Kind, Step
from uow.tracking.state import MISSING, Raw, Record, read_slot, state_of

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = ["concerns_itself", "in_order"]


def concerns_itself(step: Step) -> bool:
    """Whether rows of one step may have to wait for each other."""
    if len(step.objects) < 2:
        return False
    mapper = step.mapper
    if step.kind is Kind.UPDATE:
        return any(column in step.columns for columns in _unique_sets(mapper) for column in columns)
    return any(key.target is mapper for key in mapper.foreign_keys)


def in_order(steps: Sequence[Step]) -> list[Step]:
    """Parents before children, children gone before parents, and rows apart where need be."""
    groups = class_order(step.mapper for step in steps)
    rank = {mapper: number for number, group in enumerate(groups) for mapper in group}

    def place(step: Step) -> tuple[int, int]:
        number = rank[step.mapper]
        return step.kind, -number if step.kind is Kind.DELETE else number

    steps = sorted(steps, key=place)
    edges = _Edges(steps)
    if _has_circular_class(steps, groups) or edges.values_pass:
        return edges.order()
    return steps


def _has_circular_class(steps: Sequence[Step], groups: Sequence[Sequence[Mapper]]) -> bool:
    """Whether some class refers, by way of others or not, to itself, and has rows to order."""
    circular = {
        mapper
        for group in groups
        for mapper in group
        if len(group) > 1 or any(key.target is mapper for key in mapper.foreign_keys)
    }
    if not circular:
        return False
    return any(step.mapper in circular and step.kind is not Kind.UPDATE for step in steps)


@attrs.frozen(eq=False)
class Op:
    """One row of a step, when rows have to be ordered singly."""

    step: int
    obj: Any


class _Edges:
    """Which row must be written before which, by values that meet."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps
        self.values_pass = self._find_passing()

    def _find_passing(self) -> bool:
        """Whether a unique value that one row gives up is taken by another in this flush."""
        released: set[Any] = set()
        for step in self.steps:
            if step.kind is Kind.INSERT:
                continue
            for obj in step.objects:
                released.update(_released(step, obj))
        if not released:
            return False
        return any(
            value in released
            for step in self.steps
            if step.kind is not Kind.DELETE
            for obj in step.objects
            for value in _taken(step, obj)
        )

    def order(self) -> list[Step]:
        """Order the rows one by one and gather neighbours into steps again.

        Raises:
            FlushCycleError: rows wait for each other in a circle.
        """
        ops = [Op(number, obj) for number, step in enumerate(self.steps) for obj in step.objects]
        try:
            ordered = row_order(ops, self._before(ops), lambda op: op.step)
        except RowCycleError as cycle:
            raise _cycle_error(self.steps, cycle.nodes) from None
        gathered: list[Step] = []
        last = -1
        for op in ordered:
            if op.step != last:
                step = self.steps[op.step]
                gathered.append(Step(step.kind, step.mapper, step.columns))
                last = op.step
            gathered[-1].objects.append(op.obj)
        return gathered

    def _before(self, ops: Sequence[Op]) -> dict[Op, list[Op]]:
        """For each row the rows that must be written before it."""
        index = _Index(self.steps, ops)
        before: dict[Op, list[Op]] = {}
        for op in ops:
            for earlier in index.needed_by(op):
                if earlier is not op:
                    before.setdefault(op, []).append(earlier)
            for later in index.waiting_for(op):
                if later is not op:
                    before.setdefault(later, []).append(op)
        return before


class _Index:
    """The rows of a flush by the values through which others meet them."""

    def __init__(self, steps: Sequence[Step], ops: Sequence[Op]) -> None:
        self._steps = steps
        self._inserted: dict[Any, Op] = {}
        self._deleted: dict[Any, Op] = {}
        self._releasing: dict[Any, Op] = {}
        targets = {
            (key.target, key.target_columns) for step in steps for key in step.mapper.foreign_keys
        }
        for op in ops:
            step = steps[op.step]
            for mapper, columns in targets:
                if mapper is not step.mapper:
                    continue
                if step.kind is Kind.INSERT:
                    self._inserted[mapper, columns, _now(op.obj, columns)] = op
                elif step.kind is Kind.DELETE:
                    self._deleted[mapper, columns, _stored(op.obj, columns)] = op
            if step.kind is not Kind.INSERT:
                self._releasing.update((value, op) for value in _released(step, op.obj))

    def needed_by(self, op: Op) -> Iterator[Op]:
        """The new rows it refers to, and those that give up a unique value it takes."""
        step = self._steps[op.step]
        if step.kind is Kind.DELETE:
            return
        for key in step.mapper.foreign_keys:
            value = _now(op.obj, key.columns)
            parent = self._inserted.get((key.target, key.target_columns, value))
            if value is not None and parent is not None:
                yield parent
        for taken in _taken(step, op.obj):
            if taken in self._releasing:
                yield self._releasing[taken]

    def waiting_for(self, op: Op) -> Iterator[Op]:
        """The rows to be deleted that it refers to until it is written."""
        step = self._steps[op.step]
        if step.kind is Kind.INSERT:
            return
        for key in step.mapper.foreign_keys:
            value = _stored(op.obj, key.columns)
            parent = self._deleted.get((key.target, key.target_columns, value))
            if value is not None and parent is not None:
                yield parent


def _unique_sets(mapper: Mapper) -> Iterator[tuple[MappedColumn, ...]]:
    yield mapper.key
    for unique in mapper.uniques:
        yield unique.columns
    for index in mapper.indexes:
        if index.unique:
            yield index.columns


def _released(step: Step, obj: Any) -> Iterator[Any]:
    """The unique values a row gives up."""
    mapper = step.mapper
    for columns in _unique_sets(mapper):
        if step.kind is Kind.DELETE or any(column in step.columns for column in columns):
            value = _stored(obj, columns)
            if value is not None:
                yield mapper.root, columns, value


def _taken(step: Step, obj: Any) -> Iterator[Any]:
    """The unique values a row takes."""
    mapper = step.mapper
    for columns in _unique_sets(mapper):
        if step.kind is Kind.INSERT or any(column in step.columns for column in columns):
            value = _now(obj, columns)
            if value is not None:
                yield mapper.root, columns, value


def _now(obj: Any, columns: Iterable[MappedColumn]) -> tuple[Any, ...] | None:
    """What a row will hold; None where it cannot meet another row's value (NULL, no value)."""
    return _comparable(read_slot(obj, column) for column in columns)


def _stored(obj: Any, columns: Iterable[MappedColumn]) -> tuple[Any, ...] | None:
    """What a row holds in the store before the flush; None as in `_now`."""
    state = state_of(obj)
    notes = state.notes if isinstance(state, Record) else None
    if not notes:
        return _now(obj, columns)
    return _comparable(
        notes[column.attribute] if column.attribute in notes else read_slot(obj, column)
        for column in columns
    )


def _comparable(values: Iterable[Any]) -> tuple[Any, ...] | None:
    found = tuple(values)
    for value in found:
        if value is None or value is MISSING or type(value) is Raw:
            return None
        if type(value).__hash__ is None:
            return None
    return found


def _cycle_error(steps: Sequence[Step], nodes: Sequence[Op]) -> FlushCycleError:
    rows = " -> ".join(f"{steps[op.step].kind.name} {op.obj!r}" for op in [*nodes, nodes[0]])
    mappers = {steps[op.step].mapper for op in nodes}
    constraints = sorted(
        f"{mapper.table_name} ({', '.join(column.name for column in columns)})"
        for mapper in mappers
        for columns in [
            *_unique_sets(mapper),
            *(tuple(key.columns) for key in mapper.foreign_keys if key.target in mappers),
        ]
    )
    return FlushCycleError(
        f"no order of these writes keeps the constraints: {rows}; "
        f"constraints between them: {', '.join(constraints)}. Flush in two steps, giving up "
        "one value first",
        objects=[op.obj for op in nodes],
        phase=Phase.FLUSH,
    )
