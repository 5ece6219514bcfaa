"""The plan of a flush: what will be written, checked and in order, before anything is sent.

Making a plan changes nothing, in memory or in the store, so it can be looked at
(`uow.debug.plan`) and it can fail without a trace.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import attrs

from uow.errors import (
    FlushCycleError,
    InvalidUnitError,
    NotLoadedError,
    ObjectStateError,
    Phase,
)
from uow.mapping.mapper import mapper_of
from uow.session.ordering import RowCycleError, class_order, row_order
from uow.tracking.changes import changed_names
from uow.tracking.state import (
    MISSING,
    Raw,
    Record,
    State,
    read_slot,
    state_of,
)

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper
    from uow.session.codec import Codec, Codecs
    from uow.session.ledger import Ledger

__all__ = ["FlushPlan", "Kind", "Step", "make_plan"]

FIRST_VERSION = 1


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
    objects: list[Any]
    rows: list[tuple[Any, ...]] = attrs.field(factory=list)

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


class Problems:
    """What is wrong with the values of a flush: all of it, before anything is sent."""

    __slots__ = ("lines", "objects")

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.objects: dict[int, Any] = {}

    def add(self, obj: Any, text: str) -> None:
        """Note one."""
        self.lines.append(text)
        self.objects[id(obj)] = obj

    def report(self) -> None:
        """Raise if there is something to report."""
        if self.lines:
            raise InvalidUnitError(self.lines, list(self.objects.values()))


def make_plan(ledger: Ledger, codecs: Codecs) -> FlushPlan:
    """Collect, check, order and encode what waits for a flush.

    Raises:
        InvalidUnitError: values do not fit their fields; all of them are listed.
        ObjectStateError: two objects claim one key.
        FlushCycleError: no order of the rows satisfies the constraints.
    """
    problems = Problems()
    unchanged: list[Record] = []
    steps = [
        *_inserts(ledger, codecs, problems),
        *_updates(ledger, codecs, problems, unchanged),
        *_deletes(ledger),
    ]
    problems.report()
    if len(steps) > 1 or any(map(_concerns_itself, steps)):
        steps = _ordered(steps)
    for step in steps:
        _encode(step, codecs.of(step.mapper), problems)
    problems.report()
    return FlushPlan(steps, unchanged)


# -- collecting


def _inserts(ledger: Ledger, codecs: Codecs, problems: Problems) -> Iterator[Step]:
    groups: dict[tuple[MappedColumn, ...], Step] = {}
    keys: dict[Mapper, dict[Any, Any]] = {}
    mapper: Mapper | None = None
    codec: Codec
    for obj in ledger.new.values():
        if obj._uow_mapper is not mapper:  # neighbours are mostly of one class
            mapper = mapper_of(obj)
            codec = codecs.of(mapper)
        noted = obj._uow_state.noted
        if noted:
            _check(obj, noted, mapper, problems)
        columns = codec.given(obj)
        if columns is None:
            for column in codec.missing(obj):
                problems.add(obj, f"{column} has no value")
            continue
        step = groups.get(columns)
        if step is None:
            step = groups[columns] = Step(Kind.INSERT, mapper, columns, [])
        step.objects.append(obj)
    for step in groups.values():
        if codecs.of(step.mapper).key_is_given(step.columns):
            for obj in step.objects:
                _claim_key(ledger, obj, step.mapper, keys)
        yield step


def _claim_key(
    ledger: Ledger, obj: Any, mapper: Mapper, keys: dict[Mapper, dict[Any, Any]]
) -> None:
    """Refuse a new object whose key another object of the session has."""
    key = mapper.identity(obj)
    claimed = keys.setdefault(mapper.root, {})
    if claimed.setdefault(key, obj) is not obj:
        raise ObjectStateError(
            f"two new objects of {mapper.name} have the same key; nothing was sent",
            phase=Phase.FLUSH,
        )
    present = ledger.of(mapper.root).get(key)
    if present is not None and present is not obj and state_of(present).status is not State.DELETED:
        raise ObjectStateError(
            f"a new {mapper.name} has the key of one the session already holds; nothing was sent",
            phase=Phase.FLUSH,
        )


def _updates(
    ledger: Ledger, codecs: Codecs, problems: Problems, unchanged: list[Record]
) -> Iterator[Step]:
    groups: dict[tuple[MappedColumn, ...], Step] = {}
    mapper: Mapper | None = None
    codec: Codec
    for record in ledger.changed:
        obj = record.obj
        if obj._uow_mapper is not mapper:  # neighbours are mostly of one class
            mapper = mapper_of(obj)
            codec = codecs.of(mapper)
        columns = codec.changed(record)
        if columns is None:
            names = changed_names(record, codecs)
            _check(obj, names, mapper, problems)
            columns = codec.columns_of(names)
        if not columns:
            unchanged.append(record)
            continue
        step = groups.get(columns)
        if step is None:
            step = groups[columns] = Step(Kind.UPDATE, mapper, columns, [])
        step.objects.append(obj)
    yield from groups.values()


def _deletes(ledger: Ledger) -> Iterator[Step]:
    groups: dict[Mapper, Step] = {}
    for record in ledger.deleted:
        mapper = mapper_of(record.obj)
        step = groups.get(mapper)
        if step is None:
            step = groups[mapper] = Step(Kind.DELETE, mapper, (), [])
        step.objects.append(record.obj)
    yield from groups.values()


def _check(obj: Any, names: Iterable[str], mapper: Mapper, problems: Problems) -> None:
    """Check what was written since the constructor, or the store, vouched for it."""
    for name in names:
        column = mapper.by_attribute[name]
        value = read_slot(obj, column)
        if value is MISSING or type(value) is Raw:
            continue
        try:
            kept = column.check_value(value) if value is None else column.checker(value)
        except ValueError as error:
            problems.add(obj, f"{column}: {error}")
        else:
            if kept is not value and not column.is_lazy:
                column.set_slot(obj, kept)


# -- encoding


def _encode(step: Step, codec: Codec, problems: Problems) -> None:
    """Turn the values of a step's objects into rows of what the store takes."""
    mapper = step.mapper
    version = mapper.version
    objects = step.objects
    if step.kind is Kind.INSERT:
        rows = _read(codec, step.columns, objects, problems)
        if version is not None and version not in step.columns:
            rows = [(*row, FIRST_VERSION) for row in rows]
    elif step.kind is Kind.DELETE:
        rows = _read(codec, codec.locator, objects, problems)
    else:
        rows = _read(codec, (*step.columns, *codec.locator), objects, problems)
        if version is not None:
            given = len(step.columns)
            rows = [(*row[:given], row[-1] + 1, *row[given:]) for row in rows]
    step.rows = rows


def _read(
    codec: Codec,
    columns: tuple[MappedColumn, ...],
    objects: Sequence[Any],
    problems: Problems,
) -> list[tuple[Any, ...]]:
    try:
        return codec.rows(columns, objects)
    except (ValueError, AttributeError, NotLoadedError):
        _name_culprits(codec, columns, objects, problems)
        return []


def _name_culprits(
    codec: Codec,
    columns: tuple[MappedColumn, ...],
    objects: Sequence[Any],
    problems: Problems,
) -> None:
    """A value could not be encoded; go through them one by one to say which."""
    for obj in objects:
        for column in columns:
            value = read_slot(obj, column)
            if value is MISSING:
                problems.add(obj, f"{column} is not loaded; refresh the object first")
                continue
            encode = codec.encoder(column)
            if encode is None or value is None or type(value) is Raw:
                continue
            try:
                encode(value)
            except ValueError as error:
                problems.add(obj, f"{column}: {error}")


# -- ordering


def _concerns_itself(step: Step) -> bool:
    """Whether rows of one step may have to wait for each other."""
    if len(step.objects) < 2:
        return False
    mapper = step.mapper
    if step.kind is Kind.UPDATE:
        return any(column in step.columns for columns in _unique_sets(mapper) for column in columns)
    return any(key.target is mapper for key in mapper.foreign_keys)


def _ordered(steps: Sequence[Step]) -> list[Step]:
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
                gathered.append(Step(step.kind, step.mapper, step.columns, []))
                last = op.step
            gathered[-1].objects.append(op.obj)
        return gathered

    def _before(self, ops: Sequence[Op]) -> dict[Op, list[Op]]:
        before: dict[Op, list[Op]] = {}
        inserted: dict[Any, Op] = {}
        deleted: dict[Any, Op] = {}
        releasing: dict[Any, Op] = {}
        targets = {key for step in self.steps for key in _referred(step.mapper, self.steps)}
        for op in ops:
            step = self.steps[op.step]
            for mapper, columns in targets:
                if mapper is not step.mapper:
                    continue
                if step.kind is Kind.INSERT:
                    inserted[mapper, columns, _now(op.obj, columns)] = op
                elif step.kind is Kind.DELETE:
                    deleted[mapper, columns, _stored(op.obj, columns)] = op
            if step.kind is not Kind.INSERT:
                for value in _released(step, op.obj):
                    releasing[value] = op
        for op in ops:
            step = self.steps[op.step]
            for key in step.mapper.foreign_keys:
                if step.kind is not Kind.DELETE:
                    parent = inserted.get(
                        (key.target, key.target_columns, _now(op.obj, key.columns))
                    )
                    if parent is not None and parent is not op:
                        before.setdefault(op, []).append(parent)
                if step.kind is not Kind.INSERT:
                    leaving = deleted.get(
                        (key.target, key.target_columns, _stored(op.obj, key.columns))
                    )
                    if leaving is not None and leaving is not op:
                        before.setdefault(leaving, []).append(op)
            if step.kind is not Kind.DELETE:
                for value in _taken(step, op.obj):
                    giver = releasing.get(value)
                    if giver is not None and giver is not op:
                        before.setdefault(op, []).append(giver)
        return before


def _referred(
    mapper: Mapper, steps: Sequence[Step]
) -> Iterator[tuple[Mapper, tuple[MappedColumn, ...]]]:
    """The columns by which rows of the flush refer to a class."""
    for step in steps:
        for key in step.mapper.foreign_keys:
            if key.target is mapper:
                yield mapper, tuple(key.target_columns)


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


def _cycle_error(steps: Sequence[Step], nodes: Sequence[Any]) -> FlushCycleError:
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
