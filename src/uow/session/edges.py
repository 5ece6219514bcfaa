"""In which order the steps of a flush are taken: by class, and by row where values meet.

Rows are looked at singly only where classes refer to each other in a circle or to themselves, and
where a unique value that one row gives up is taken by another. Where they wait for each other in a
circle some are written twice (`breaking`): parked before all else, or fixed up after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from uow.errors import FlushCycleError, Phase
from uow.session.breaking import Breaker, Remedy
from uow.session.forms import Role
from uow.session.late import KeyOf
from uow.session.meetings import BARRIER, Edge, Op, edges_between, hidden_classes
from uow.session.ordering import RowCycleError, broken_order, class_order, row_order
from uow.session.steps import Kind, Step
from uow.session.uniques import (
    UniqueSet,
    is_hidden,
    released_by,
    stored_values,
    taken_by,
    touches_unique,
)
from uow.tracking.state import read_slot

if TYPE_CHECKING:
    from uow.dialects.base import Capabilities
    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = ["are_in_order", "in_order"]

Additions: TypeAlias = "dict[Op, dict[MappedColumn, Any]]"
"""What rows are written a second time with."""

FEW: Final = 4
"""Steps, for which it is remembered whether they are in order: the ways in which many forms can
stand in a row have no end, where objects are changed in ever other columns."""

ORDERS_KEPT: Final = 64
"""How many such answers a form remembers."""


def are_in_order(steps: Sequence[Step]) -> bool:
    """Whether steps by their kinds are in order, as can be told without a look at rows.

    So it is for one class that does not refer to itself, where nothing unique is given up.
    """
    if not steps:
        return True
    mapper = steps[0].mapper
    for step in steps:
        if step.given:
            return False
    if len(steps) == 1 and len(steps[0].objects) == 1:
        return steps[0].kind is not Kind.DELETE or not _refers_to_itself(mapper)
    if len(steps) > FEW:
        return _are_in_order(steps)
    orders = steps[0].form.orders
    others = tuple([step.form for step in steps[1:]])
    known = orders.get(others)
    if known is None:
        if len(orders) >= ORDERS_KEPT:
            orders.clear()
        known = orders[others] = _are_in_order(steps)
    return known


def _are_in_order(steps: Sequence[Step]) -> bool:
    """As `are_in_order`, for whatever rows of these forms."""
    mapper = steps[0].mapper
    for step in steps:
        if step.mapper is not mapper or (step.kind is Kind.DELETE and len(steps) > 1):
            return False
        if step.kind is Kind.UPDATE and touches_unique(step):
            return False
    if mapper.foreign_keys and _refers_to_itself(mapper):
        return False
    return len(steps) == 1 or not is_hidden(mapper)


def in_order(steps: Sequence[Step], capabilities: Capabilities) -> tuple[list[Step], bool]:
    """Parents before children, children gone before parents, and rows apart where need be.

    Returns:
        The steps, and whether constraints have to be deferred for them.

    Raises:
        FlushCycleError: rows wait for each other in a circle that cannot be broken.
    """
    groups = class_order(step.mapper for step in steps)
    rank = {mapper: number for number, group in enumerate(groups) for mapper in group}

    def place(step: Step) -> tuple[int, int]:
        number = rank[step.mapper]
        return step.kind, -number if step.kind is Kind.DELETE else number

    steps = sorted(steps, key=place)
    hidden = hidden_classes(steps)
    if hidden or _has_circular_class(steps, groups) or _is_late_elsewhere(steps, rank):
        return _by_row(steps, capabilities, hidden)
    if _values_pass(steps):
        return _by_row(steps, capabilities, hidden)
    return steps, False


def _refers_to_itself(mapper: Mapper) -> bool:
    return any(k.target.full_table_name == mapper.full_table_name for k in mapper.foreign_keys)


def _has_circular_class(steps: Sequence[Step], groups: Sequence[Sequence[Mapper]]) -> bool:
    """Whether some class refers, by way of others or not, to itself, and has rows to order."""
    circular = {
        mapper
        for group in groups
        for mapper in group
        if len({one.full_table_name for one in group}) > 1 or _refers_to_itself(mapper)
    }
    if not circular:
        return False
    return any(step.mapper in circular and step.kind is not Kind.UPDATE for step in steps)


def _is_late_elsewhere(steps: Sequence[Step], rank: Mapping[Mapper, int]) -> bool:
    """Whether a key is taken from a row that the order of classes does not put before."""
    return any(
        isinstance(value, KeyOf) and rank.get(value.obj._uow_mapper, -1) >= rank[step.mapper]
        for step in steps
        for given in step.given.values()
        for value in given.values()
    )


def _values_pass(steps: Sequence[Step]) -> bool:
    """Whether a row may take what another gives up: a unique value, or one referred to."""
    released: set[Any] = set()
    for step in steps:
        if step.kind is Kind.INSERT:
            continue
        for obj in step.objects:
            released.update(released_by(step, obj))
    if not released:
        return False
    if any(_changes_target(step, steps) for step in steps):
        return True
    return any(
        value in released
        for step in steps
        if step.kind is not Kind.DELETE
        for obj in step.objects
        for value in taken_by(step, obj)
    )


def _changes_target(step: Step, steps: Sequence[Step]) -> bool:
    """Whether an UPDATE changes what rows of the flush may refer to."""
    if step.kind is not Kind.UPDATE:
        return False
    table = step.mapper.full_table_name
    return any(
        key.target.full_table_name == table and not set(step.columns).isdisjoint(key.target_columns)
        for other in steps
        for key in other.mapper.foreign_keys
    )


def _by_row(
    steps: list[Step], capabilities: Capabilities, hidden: Iterable[Mapper]
) -> tuple[list[Step], bool]:
    """Order the rows one by one and gather neighbours into steps again."""
    ops = [Op(number, obj) for number, step in enumerate(steps) for obj in step.objects]
    edges, barriers = edges_between(steps, ops, hidden, capabilities)
    nodes = [*barriers, *ops]
    before: dict[Op, list[Op]] = {}
    for edge in edges:
        before.setdefault(edge.later, []).append(edge.earlier)
    try:
        return _gathered(steps, row_order(nodes, before, _step_of), edges), False
    except RowCycleError:
        pass
    breaker = Breaker(steps, capabilities, edges)
    try:
        ordered, given_up = broken_order(nodes, edges, _step_of, breaker.remedy)
    except RowCycleError as cycle:
        raise _cycle_error(steps, cycle.nodes, edges) from None
    before = {}
    for edge in edges:
        if edge not in given_up:
            before.setdefault(edge.later, []).append(edge.earlier)
    early, late = _written_twice(steps, given_up.values())
    for op in late:
        step = steps[op.step]
        given = step.given.setdefault(id(op.obj), {})
        if step.kind is Kind.INSERT:
            given.update(dict.fromkeys(late[op]))
        elif step.kind is Kind.UPDATE:  # it keeps what it has until then
            read = stored_values(op.obj)
            given.update((column, read(column)) for column in late[op] if column in step.columns)
    main = _gathered(steps, ordered, [edge for edge in edges if edge not in given_up])
    defers = any(remedy.defers for remedy in given_up.values())
    return [*_aside(Role.PARK, steps, early), *main, *_aside(Role.FIXUP, steps, late)], defers


def _written_twice(
    steps: Sequence[Step], remedies: Iterable[Remedy]
) -> tuple[Additions, Additions]:
    """What rows are given before all else, and what after it."""
    early: Additions = {}
    late: Additions = {}
    for remedy in remedies:
        op = remedy.op
        if op is None:
            continue
        if remedy.early:
            early.setdefault(op, {}).update(remedy.early)
        if remedy.late:
            given = steps[op.step].given.get(id(op.obj), {})
            late.setdefault(op, {}).update(
                (column, given.get(column, read_slot(op.obj, column))) for column in remedy.late
            )
    return early, late


def _aside(role: Role, steps: Sequence[Step], additions: Additions) -> list[Step]:
    """The steps of rows that are written a second time, few as can be."""
    found: dict[tuple[Mapper, tuple[MappedColumn, ...]], Step] = {}
    for op, values in additions.items():
        mapper = steps[op.step].mapper
        columns = tuple(sorted(values, key=lambda column: column.position))
        step = found.get((mapper, columns))
        if step is None:
            codec = steps[op.step].codec
            step = found[mapper, columns] = Step(codec, codec.form_aside(role, columns), [])
        step.objects.append(op.obj)
        # Part of the key may be a key that is known late.
        given = steps[op.step].given.get(id(op.obj), {})
        step.given[id(op.obj)] = {**{c: v for c, v in given.items() if c in mapper.key}, **values}
    return sorted(found.values(), key=lambda step: step.mapper.full_table_name)


def _step_of(op: Op) -> int:
    return op.step


def _gathered(steps: Sequence[Step], ordered: Sequence[Op], edges: Iterable[Edge]) -> list[Step]:
    """Gather neighbours into steps again.

    Rows that wait for a key of others cannot be in one statement with them.
    """
    before: dict[Op, list[Edge]] = {}
    for edge in edges:
        before.setdefault(edge.later, []).append(edge)
    gathered: list[Step] = []
    run: set[Op] = set()
    last = BARRIER
    for op in ordered:
        if op.step == BARRIER:
            continue
        waits = [edge for edge in before.get(op, ()) if edge.earlier in run]
        if op.step != last or any(edge.is_late for edge in waits):
            step = steps[op.step]
            gathered.append(Step(step.codec, step.form, []))
            gathered[-1].given = step.given
            last = op.step
            run.clear()
        elif waits:
            gathered[-1].in_sequence = True
        gathered[-1].objects.append(op.obj)
        run.add(op)
    return gathered


def _cycle_error(
    steps: Sequence[Step], nodes: Sequence[Op], edges: Sequence[Edge]
) -> FlushCycleError:
    """Say which rows wait for which, and by what."""
    circle = set(nodes)
    reasons = sorted(
        {
            _reason(edge)
            for edge in edges
            if edge.earlier in circle and edge.later in circle and (edge.why or edge.columns)
        }
    )
    if len(circle) == 1 and steps[nodes[0].step].kind is Kind.DELETE:
        return FlushCycleError(
            f"{nodes[0].obj!r} refers to itself by {', '.join(reasons)}: this store deletes no "
            "such row unless the key can be NULL or is on_delete='cascade'; let it refer to "
            "another row and flush before",
            objects=[nodes[0].obj],
            phase=Phase.FLUSH,
        )
    rows = " -> ".join(_row(steps, op) for op in [*nodes[:8], nodes[0]])
    return FlushCycleError(
        f"no order of these writes keeps the constraints: {rows}; constraints between them: "
        f"{', '.join(reasons)}. None of them can be NULL, deferred or changed for a while; flush "
        "in two steps, giving up one value first",
        objects=[op.obj for op in nodes],
        phase=Phase.FLUSH,
    )


def _reason(edge: Edge) -> str:
    """The constraint through which two rows meet: its table and columns, and what it refers to."""
    why = edge.why
    if isinstance(why, UniqueSet):
        return f"{why} unique"
    names = ", ".join(column.name for column in edge.columns)
    table = edge.columns[0].mapper.table_name
    target = "" if why is None else f" to {why.target.table_name}"
    return f"{table} ({names}){target}"


def _row(steps: Sequence[Step], op: Op) -> str:
    return "a guess" if op.step == BARRIER else f"{steps[op.step].kind.name} {op.obj!r}"
