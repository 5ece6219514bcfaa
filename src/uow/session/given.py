"""Rows that are sent with other values than their objects hold, or with some known only later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from uow.mapping.versions import first_version, next_version
from uow.session.forms import Role
from uow.session.late import KeyOf, Parked
from uow.session.steps import Awaited, Kind, Step
from uow.statement import values_of, with_column, without_column
from uow.tracking.state import MISSING, read_slot

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn

__all__ = ["awaited_keys", "encode_given", "fill_awaited", "handed_columns", "with_versions"]

Read = Callable[[tuple["MappedColumn", ...], Sequence[Any]], Sequence[tuple[Any, ...]]]
"""Reads columns of objects, encoded, a tuple an object."""


def encode_given(step: Step, read: Read) -> None:
    """Turn the values of a step's objects into rows, with what is given instead of some."""
    form = step.form
    key = _awaited_key(step)
    if key is not None:
        _encode_awaiting(step, key, read)
        return
    alike: dict[tuple[MappedColumn, ...], list[int]] = {}
    given: list[dict[MappedColumn, Any]] = []
    for number, obj in enumerate(step.objects):
        values: dict[MappedColumn, Any] = {**step.given.get(id(obj), {})}
        if form.role is Role.FIXUP:
            for column in form.locator:
                held = read_slot(obj, column)
                if column not in values and (held is None or held is MISSING):
                    values[column] = KeyOf(obj, column)
        given.append(values)
        alike.setdefault(tuple([c for c in form.read if c not in values]), []).append(number)
    rows: list[tuple[Any, ...]] = [()] * len(step.objects)
    step.awaited = []
    for rest, numbers in alike.items():
        places = {column: place for place, column in enumerate(rest)}
        read_rows = read(rest, [step.objects[number] for number in numbers])
        for number, found in zip(numbers, read_rows, strict=False):  # none, if one has no form
            row = [
                found[places[column]]
                if column in places
                else _encoded(step, Awaited(number, position, column, given[number][column]))
                for position, column in enumerate(form.read)
            ]
            rows[number] = tuple(row)
    step.rows = with_versions(step, rows) if form.counts and all(rows) else rows


def _awaited_key(step: Step) -> MappedColumn | None:
    """The one column for which all the rows of a step wait, and for nothing else."""
    key: MappedColumn | None = None
    for obj in step.objects:
        given = step.given.get(id(obj), {})
        if len(given) != 1:
            return None
        ((column, value),) = given.items()
        if type(value) is not KeyOf or key not in {None, column}:
            return None
        key = column
    return key if step.form.role is Role.MAIN and key in step.form.read else None


def _encode_awaiting(step: Step, key: MappedColumn, read: Read) -> None:
    """Encode rows that all wait for a key in one column, column by column."""
    columns, objects = step.form.read, step.objects
    position = columns.index(key)
    rows = read(tuple([column for column in columns if column is not key]), objects)
    if len(rows) < len(objects):  # one has no form
        step.rows = [()] * len(objects)
        return
    step.awaited = [
        Awaited(number, position, key, step.given[id(obj)][key])
        for number, obj in enumerate(objects)
    ]
    rows = with_column(rows, position, [None] * len(objects))
    step.rows = with_versions(step, rows) if step.form.counts else rows


def with_versions(step: Step, rows: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
    """Put the versions that the flush gives behind the columns of each row."""
    version = step.form.sent[-1]
    if step.kind is Kind.UPDATE:
        count = next_version(version)
        versions = [count(held) for held in values_of(rows, -1)]
    else:
        first = first_version(version)
        versions = [first() for _ in rows]
    return with_column(rows, len(step.columns), versions)


def _encoded(step: Step, place: Awaited) -> Any:
    """What is sent in one place; nothing yet, if that is known only later."""
    value: Any = place.value
    if isinstance(value, Parked) and value.value is not MISSING:
        value = value.value
    if isinstance(value, KeyOf | Parked):
        step.awaited.append(place)
        return None
    encode = step.codec.encoder(place.column)
    return value if encode is None or value is None else encode(value)


def awaited_keys(steps: Iterable[Step]) -> dict[int, set[MappedColumn]]:
    """The columns of new rows, by `id` of the object, that other rows are sent with."""
    found: dict[int, set[MappedColumn]] = {}
    for step in steps:
        for awaited in step.awaited:
            if isinstance(awaited.value, KeyOf):
                found.setdefault(id(awaited.value.obj), set()).add(awaited.value.column)
    return found


def handed_columns(steps: Iterable[Step]) -> list[tuple[Any, MappedColumn, tuple[int, Any]]]:
    """The columns of objects that get keys of other rows, and which: by `id` and column."""
    return [
        (step.objects[one.row], one.column, (id(one.value.obj), one.value.column))
        for step in steps
        for one in step.awaited
        if isinstance(one.value, KeyOf) and one.column in step.columns
    ]


def fill_awaited(step: Step, keys: dict[tuple[int, MappedColumn], Any]) -> None:
    """Put the values that are known by now into the rows of a step.

    Args:
        step: a step that is sent next.
        keys: the values of new rows, by `id` of the object and column.
    """
    position = step.awaited[0].position
    if len(step.awaited) == len(step.objects) and all(
        one.row == number and one.position == position and type(one.value) is KeyOf
        for number, one in enumerate(step.awaited)
    ):
        encode = step.codec.encoder(step.awaited[0].column)
        values = [keys[id(one.value.obj), one.value.column] for one in step.awaited]
        if encode is not None:
            values = [encode(value) for value in values]
        step.rows = with_column(without_column(step.rows, position), position, values)
        return
    rows = {awaited.row: list(step.rows[awaited.row]) for awaited in step.awaited}
    for awaited in step.awaited:
        value = awaited.value
        found = keys[id(value.obj), value.column] if isinstance(value, KeyOf) else value.value
        encode = step.codec.encoder(awaited.column)
        rows[awaited.row][awaited.position] = found if encode is None else encode(found)
    step.rows = [
        tuple(rows[number]) if number in rows else row for number, row in enumerate(step.rows)
    ]
