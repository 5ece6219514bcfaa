"""Which rows of a flush meet: the edges between them, and why one waits for another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from uow.mapping.foreign_keys import ForeignKey
from uow.mapping.mapper import mapper_of
from uow.session.late import KeyOf
from uow.session.steps import Kind, Step
from uow.session.uniques import (
    Held,
    UniqueSet,
    comparable,
    is_hidden,
    released_by,
    stored_values,
    taken_by,
)
from uow.tracking.state import read_slot

if TYPE_CHECKING:
    from uow.dialects.base import Capabilities
    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = ["BARRIER", "Edge", "How", "Op", "Why", "edges_between", "hidden_classes"]

BARRIER: Final = -1
"""The step of what is no row, but stands between two kinds of writes."""


@attrs.frozen(eq=False)
class Op:
    """One row of a step, when rows have to be ordered singly."""

    step: int
    obj: Any


class How(Enum):
    """How two rows meet."""

    REFERS = "the later refers to the earlier, which is new"
    TAKES = "the later takes a unique value that the earlier gives up"
    LEAVES = "the earlier refers to the later, which is deleted, until it is written"
    BELONGS = "they are rows of one object, in tables of which one stands on the other"
    GUESSED = "they may meet, which only SQL tells that is not read here"


Why: TypeAlias = "ForeignKey | UniqueSet | None"


class Edge:
    """What makes a row wait for another.

    Attributes:
        earlier: the row that is written first.
        later: the row that waits.
        how: how they meet.
        why: the constraint, if it is known.
        columns: the columns through which they meet, of the row that refers or gives up.
        is_late: the reference is a key that the store has yet to make.
    """

    __slots__ = ("columns", "earlier", "how", "is_late", "later", "why")

    def __init__(
        self,
        earlier: Op,
        later: Op,
        how: How,
        why: Why = None,
        columns: tuple[MappedColumn, ...] = (),
        *,
        is_late: bool = False,
    ) -> None:
        self.earlier = earlier
        self.later = later
        self.how = how
        self.why = why
        self.columns = columns
        self.is_late = is_late


def hidden_classes(steps: Sequence[Step]) -> set[Mapper]:
    """The classes of which SQL decides what rows meet, and that are written in several ways."""
    kinds: dict[Mapper, set[Kind]] = {}
    for step in steps:
        kinds.setdefault(step.mapper, set()).add(step.kind)
    return {mapper for mapper, found in kinds.items() if len(found) > 1 and is_hidden(mapper)}


def edges_between(
    steps: Sequence[Step],
    ops: Sequence[Op],
    hidden: Iterable[Mapper],
    capabilities: Capabilities,
) -> tuple[list[Edge], list[Op]]:
    """Find the edges between rows. One may lead from a row to itself, which is written twice then.

    Returns:
        The edges, and what stands between rows without being one.
    """
    index = _Index(steps, ops, capabilities)
    edges: list[Edge] = []
    for op in ops:
        edges += index.of(op)
    barriers: list[Op] = []
    # What gives up comes before what takes: all of one class, by way of one node between.
    for mapper in hidden:
        for kind, later_kinds in (
            (Kind.DELETE, {Kind.UPDATE, Kind.INSERT}),
            (Kind.UPDATE, {Kind.INSERT}),
        ):
            barrier = Op(BARRIER, (mapper, kind))
            barriers.append(barrier)
            for op in ops:
                step = steps[op.step]
                if step.mapper is mapper and step.kind is kind:
                    edges.append(Edge(op, barrier, How.GUESSED))
                elif step.mapper is mapper and step.kind in later_kinds:
                    edges.append(Edge(barrier, op, How.GUESSED))
    return edges, barriers


class _Index:
    """The rows of a flush by the values through which others meet them."""

    def __init__(
        self, steps: Sequence[Step], ops: Sequence[Op], capabilities: Capabilities
    ) -> None:
        self._steps = steps
        self._deletes_own_referrer = capabilities.deletes_own_referrer
        self._appearing: dict[Any, Op] = {}
        self._leaving: dict[Any, Op] = {}
        self._releasing: dict[Held, list[Op]] = {}
        self._inserted: dict[tuple[int, str], Op] = {}
        targets: dict[str, dict[tuple[MappedColumn, ...], None]] = {}
        for mapper in dict.fromkeys(step.mapper for step in steps):
            for key in mapper.foreign_keys:
                table = key.target.full_table_name
                targets.setdefault(table, {})[key.target_columns] = None
        looks_for_new = any(step.given for step in steps)
        for op in ops:
            step, obj = steps[op.step], op.obj
            table = step.mapper.full_table_name
            if looks_for_new and step.kind is Kind.INSERT:
                self._inserted[id(obj), table] = op
            for columns in targets.get(table, ()):
                if step.kind is Kind.UPDATE and set(step.columns).isdisjoint(columns):
                    continue
                if step.kind is not Kind.DELETE:
                    self._appearing[table, columns, _now(step, obj, columns)] = op
                if step.kind is not Kind.INSERT:
                    self._leaving[table, columns, _stored(obj, columns)] = op
            for value in released_by(step, obj):
                self._releasing.setdefault(value, []).append(op)

    def of(self, op: Op) -> Iterator[Edge]:
        """The edges of a row: to what it refers to, and from what gives up what it takes."""
        step, obj = self._steps[op.step], op.obj
        late = step.given.get(id(obj))
        for key in step.mapper.foreign_keys:
            yield from self._references(op, step, key)
        if late:
            yield from self._awaits(op, step, late)
        for taken in taken_by(step, obj) if self._releasing else ():
            for earlier in self._releasing.get(taken, ()):
                if earlier is not op:
                    yield Edge(earlier, op, How.TAKES, taken.unique, taken.unique.columns)

    def _references(self, op: Op, step: Step, key: ForeignKey) -> Iterator[Edge]:
        table, targets = key.target.full_table_name, key.target_columns
        is_written = step.kind is not Kind.UPDATE or not set(step.columns).isdisjoint(key.columns)
        if step.kind is not Kind.DELETE and is_written:
            value = _now(step, op.obj, key.columns)
            parent = None if value is None else self._appearing.get((table, targets, value))
            if parent is not None and parent is not op:
                yield Edge(parent, op, How.REFERS, key, key.columns)
        if step.kind is not Kind.INSERT:
            value = _stored(op.obj, key.columns)
            parent = None if value is None else self._leaving.get((table, targets, value))
            if parent is op and is_own_referrer_kept(step, key, self._deletes_own_referrer):
                yield Edge(op, op, How.LEAVES, key, key.columns)
            elif parent is not None and parent is not op and not self._follows(key, parent):
                # What keeps its reference is only better written before the other is gone.
                how = How.LEAVES if is_written else How.GUESSED
                yield Edge(op, parent, how, key, key.columns)

    def _follows(self, key: ForeignKey, parent: Op) -> bool:
        """Whether the store changes a reference together with what it is to."""
        is_changed = self._steps[parent.step].kind is Kind.UPDATE
        return is_changed and key.on_update in {"CASCADE", "SET NULL", "SET DEFAULT"}

    def _awaits(self, op: Op, step: Step, late: dict[MappedColumn, Any]) -> Iterator[Edge]:
        """What has to be stored before a key is known."""
        for column, value in late.items():
            if not isinstance(value, KeyOf):
                continue
            key = next((k for k in step.mapper.foreign_keys if column in k.columns), None)
            # Of an object in several tables the row referred to may come later than its key.
            tables = [value.column.mapper.full_table_name, mapper_of(value.obj).full_table_name]
            if key is not None:
                tables.insert(0, key.target.full_table_name)
            found = [self._inserted.get((id(value.obj), table)) for table in tables]
            parent = next((one for one in found if one is not None), None)
            if parent is not None:
                # To itself too: its own key is not known when it is inserted.
                columns = (column,) if key is None else key.columns
                yield Edge(parent, op, How.REFERS, key, columns, is_late=True)


def is_own_referrer_kept(step: Step, key: ForeignKey, deletes_own_referrer: bool) -> bool:
    """Whether the store deletes no row that refers to itself."""
    is_carried_on = key.on_delete in {"CASCADE", "SET NULL"}
    return step.kind is Kind.DELETE and not deletes_own_referrer and not is_carried_on


def _now(step: Step, obj: Any, columns: Iterable[MappedColumn]) -> tuple[Any, ...] | None:
    """What a row will hold; None where it meets nothing by it (NULL, or not known yet)."""
    late = step.given.get(id(obj))
    if late and not late.keys().isdisjoint(columns):
        return None
    return comparable([read_slot(obj, column) for column in columns], nulls_meet=False)


def _stored(obj: Any, columns: Iterable[MappedColumn]) -> tuple[Any, ...] | None:
    """What a row holds in the store before the flush; None as in `_now`."""
    read = stored_values(obj)
    return comparable([read(column) for column in columns], nulls_meet=False)
