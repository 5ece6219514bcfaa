"""Which columns of a changed row can be written apart from the rest, before or after all else.

A row that waits for one row by some columns, and is waited for by another by other columns, need
not be written at once: what others wait for is written before all else, or what waits for others
after it. That is so where the part is whole: no constraint is over it and over what is written at
another time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from uow.mapping.foreign_keys import ForeignKey
from uow.session.late import KeyOf
from uow.session.meetings import Edge, How, Op
from uow.session.steps import Kind, Step
from uow.session.uniques import unique_sets

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = ["Splitter"]


class Splitter:
    """Tells the parts of rows.

    Args:
        steps: the steps of the flush.
        edges: which rows wait for which.
    """

    def __init__(self, steps: Sequence[Step], edges: Iterable[Edge]) -> None:
        self._steps = steps
        self._waiting: dict[Op, set[MappedColumn]] = {}
        self._awaited: dict[Op, set[MappedColumn]] = {}
        for edge in edges:
            if edge.how in {How.REFERS, How.TAKES}:
                self._waiting.setdefault(edge.later, set()).update(edge.columns)
            if edge.how in {How.LEAVES, How.TAKES}:
                self._awaited.setdefault(edge.earlier, set()).update(edge.columns)
            elif edge.how is How.REFERS and isinstance(edge.why, ForeignKey):
                self._awaited.setdefault(edge.earlier, set()).update(edge.why.target_columns)

    def before(self, op: Op, columns: Iterable[MappedColumn]) -> tuple[MappedColumn, ...]:
        """The columns to write before all else, for some of them; none if that cannot be."""
        found = self._part(op, columns)
        given = self._steps[op.step].given.get(id(op.obj), {})
        if any(isinstance(given.get(column), KeyOf) for column in found):
            return ()
        return () if self._waiting.get(op, set()) & set(found) else found

    def after(self, op: Op, columns: Iterable[MappedColumn]) -> tuple[MappedColumn, ...]:
        """The columns to write after all else, for some of them; none if that cannot be."""
        found = self._part(op, columns)
        return () if self._awaited.get(op, set()) & set(found) else found

    def _part(self, op: Op, columns: Iterable[MappedColumn]) -> tuple[MappedColumn, ...]:
        """What is changed of some columns, and of all that constraints put together with these."""
        step = self._steps[op.step]
        if step.kind is not Kind.UPDATE:
            return ()
        changed = set(step.columns)
        found = changed.intersection(columns)
        groups = [changed.intersection(group) for group in _groups(step.mapper)]
        is_more = bool(found)
        while is_more:
            wider = found.union(*[group for group in groups if group & found])
            is_more = wider != found
            found = wider
        if found.intersection(step.mapper.key):
            return ()  # rows are found by it
        return tuple(sorted(found, key=lambda column: column.position))


def _groups(mapper: Mapper) -> list[Iterable[Any]]:
    """The columns of each constraint of a table, as far as it is known here."""
    found: list[Iterable[Any]] = [one.looked_at for one in unique_sets(mapper)]
    found += [key.columns for key in mapper.foreign_keys]
    return found
