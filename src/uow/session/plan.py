"""The plan of a flush: what will be written, checked and in order, before anything is sent.

Making a plan changes nothing, in memory or in the store, so it can be looked at
(`uow.debug.plan`) and it can fail without a trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from uow.errors import (
    InvalidUnitError,
    NotLoadedError,
    ObjectStateError,
    Phase,
)
from uow.mapping.mapper import mapper_of
from uow.session.edges import concerns_itself, in_order
from uow.session.steps import FlushPlan, Kind, Step
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

__all__ = ["FIRST_VERSION", "make_plan"]

FIRST_VERSION = 1

_mapper_of_object: Callable[[Any], Mapper] = attrgetter("_uow_mapper")
_mapper_of_record: Callable[[Any], Mapper] = attrgetter("obj._uow_mapper")


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
    if len(steps) > 1 or any(map(concerns_itself, steps)):
        steps = in_order(steps)
    for step in steps:
        _encode(step, codecs.of(step.mapper), problems)
    problems.report()
    return FlushPlan(steps, unchanged)


# -- collecting


def _inserts(ledger: Ledger, codecs: Codecs, problems: Problems) -> Iterator[Step]:
    groups: dict[tuple[MappedColumn, ...], Step] = {}
    keys: dict[Mapper, dict[Any, Any]] = {}
    for mapper, objects in groupby(ledger.new.values(), _mapper_of_object):
        codec = codecs.of(mapper)
        plain, rest = codec.sort_new(objects, ledger.pending)
        for columns, found in plain.items():
            _group(groups, Kind.INSERT, mapper, columns).objects.extend(found)
        for obj in rest:
            _check(obj, obj._uow_state.noted or (), mapper, problems)
            given = codec.given(obj)
            if given is None:
                for column in codec.missing(obj):
                    problems.add(obj, f"{column} has no value")
            else:
                _group(groups, Kind.INSERT, mapper, given).objects.append(obj)
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
    for mapper, records in groupby(ledger.changed, _mapper_of_record):
        codec = codecs.of(mapper)
        sifted = codec.sift(records)
        unchanged += sifted.unchanged
        for columns, objects in sifted.changed.items():
            _group(groups, Kind.UPDATE, mapper, columns).objects.extend(objects)
        for record in sifted.rest:
            names = changed_names(record, codecs)
            if _check(record.obj, names, mapper, problems):
                names = changed_names(record, codecs)
            if not names:
                unchanged.append(record)
                continue
            columns = codec.columns_of(names)
            _group(groups, Kind.UPDATE, mapper, columns).objects.append(record.obj)
    yield from groups.values()


def _group(
    groups: dict[tuple[MappedColumn, ...], Step],
    kind: Kind,
    mapper: Mapper,
    columns: tuple[MappedColumn, ...],
) -> Step:
    """The step of rows that are written alike."""
    step = groups.get(columns)
    if step is None:
        step = groups[columns] = Step(kind, mapper, columns)
    return step


def _deletes(ledger: Ledger) -> Iterator[Step]:
    groups: dict[Mapper, Step] = {}
    for record in ledger.deleted:
        mapper = mapper_of(record.obj)
        step = groups.get(mapper)
        if step is None:
            step = groups[mapper] = Step(Kind.DELETE, mapper, ())
        step.objects.append(record.obj)
    yield from groups.values()


def _check(obj: Any, names: Iterable[str], mapper: Mapper, problems: Problems) -> bool:
    """Check what was written since the constructor, or the store, vouched for it.

    Returns:
        Whether a value was put into the form in which it is kept, which the store may hold.
    """
    was_put = False
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
                was_put = True
    return was_put


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
        if not problems.lines:
            raise  # nobody is to blame; a step without rows would store nothing
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
