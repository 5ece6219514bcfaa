"""The unique values that the rows of a flush give up and take."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from uow.mapping.mapper import Index, Unique
from uow.session.predicates import Predicate, Unreadable, mentions, read_predicate
from uow.session.steps import Kind, Step
from uow.tracking.state import MISSING, Raw, Record, read_slot, state_of
from uow.types import Text

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = [
    "Held",
    "UniqueSet",
    "held_before",
    "held_now",
    "is_hidden",
    "released_by",
    "taken_by",
    "touches_unique",
    "unique_sets",
]

Read: TypeAlias = "Callable[[MappedColumn], Any]"


@attrs.frozen(eq=False)
class UniqueSet:
    """Values that no two rows of a table share.

    Attributes:
        mapper: whose table.
        columns: the columns whose values are compared.
        constraint: what declares it; None for the key.
        looked_at: the columns a change of which may make a row give up or take a value.
        nulls_meet: whether NULLs are alike too.
        predicate: which rows it is about; None for all, or if it cannot be read.
        is_certain: whether rows with equal values are refused for sure, and others never. SQL that
            is not read here, and collations, make it a guess.
        token: equal for the same set of the same table, whichever class names it.
    """

    mapper: Mapper
    columns: tuple[MappedColumn, ...]
    constraint: Unique | Index | None
    looked_at: frozenset[MappedColumn]
    nulls_meet: bool
    predicate: Predicate | None
    is_certain: bool
    token: Hashable

    def __str__(self) -> str:
        """`table (column, column)`, as messages name it."""
        names = ", ".join(column.name for column in self.columns)
        return f"{self.mapper.table_name} ({names})"


@attrs.frozen
class Held:
    """A value of a unique set; equal ones meet."""

    token: Hashable
    values: tuple[Any, ...]
    unique: UniqueSet = attrs.field(eq=False)


def unique_sets(mapper: Mapper) -> tuple[UniqueSet, ...]:
    """The unique sets of a table."""
    found: tuple[UniqueSet, ...] | None = mapper.kept.get(UniqueSet)
    if found is None:
        sets = [_plain_set(mapper, mapper.key, None)]
        sets += [_plain_set(mapper, one.columns, one) for one in mapper.uniques]
        sets += [_index_set(mapper, index) for index in mapper.indexes if index.unique]
        found = mapper.kept[UniqueSet] = tuple(one for one in sets if one.columns)
    return found


def _plain_set(
    mapper: Mapper, columns: tuple[MappedColumn, ...], constraint: Unique | None
) -> UniqueSet:
    return UniqueSet(
        mapper,
        columns,
        constraint,
        frozenset(columns),
        nulls_meet=constraint is not None and not constraint.nulls_distinct,
        predicate=None,
        is_certain=not any(map(_has_collation, columns)),
        token=(mapper.full_table_name, tuple(column.name for column in columns)),
    )


def _index_set(mapper: Mapper, index: Index) -> UniqueSet:
    columns: list[MappedColumn] = []
    is_certain = True
    for part in index.parts:
        if part.column is not None:
            columns.append(part.column)
            is_certain = is_certain and not (part.collation or _has_collation(part.column))
        elif part.expression is not None:
            columns += mentions(part.expression, mapper) - {*columns}
            is_certain = False
    predicate = None
    looked_at = frozenset(columns)
    if index.where is not None:
        predicate = read_predicate(index.where, mapper)
        is_certain = is_certain and predicate is not None
        looked_at |= mentions(index.where, mapper) if predicate is None else predicate.columns
    columns.sort(key=lambda column: column.position)
    return UniqueSet(
        mapper,
        tuple(columns),
        index,
        looked_at,
        nulls_meet=not index.nulls_distinct,
        predicate=predicate,
        is_certain=is_certain,
        token=(mapper.full_table_name, tuple(c.name for c in columns), index.name),
    )


def _has_collation(column: MappedColumn) -> bool:
    """Whether texts may be equal to the store that are not so to Python."""
    return isinstance(column.type, Text) and column.type.collation is not None


def is_hidden(mapper: Mapper) -> bool:
    """Whether SQL decides which rows of a class may not be there together, whatever they hold."""
    if not mapper.indexes:
        return bool(mapper.exclusions)
    return bool(mapper.exclusions) or any(
        index.unique and not index.columns for index in mapper.indexes
    )


def touches_unique(step: Step) -> bool:
    """Whether an UPDATE may give up or take a unique value."""
    mapper = step.mapper
    columns: frozenset[MappedColumn] | None = mapper.kept.get(touches_unique)
    if columns is None:
        columns = frozenset([c for unique in unique_sets(mapper) for c in unique.looked_at])
        mapper.kept[touches_unique] = columns
    return not columns.isdisjoint(step.columns)


def released_by(step: Step, obj: Any) -> Iterator[Held]:
    """The unique values that a row gives up, or may give up."""
    if step.kind is Kind.INSERT:
        return
    for unique in unique_sets(step.mapper):
        if step.kind is Kind.DELETE:
            value = held_before(unique, obj)
        elif unique.looked_at.isdisjoint(step.columns):
            continue
        else:
            value = held_before(unique, obj)
            if unique.is_certain and value == held_now(unique, step, obj):
                continue
        if value is not None:
            yield value


def taken_by(step: Step, obj: Any) -> Iterator[Held]:
    """The unique values that a row takes, or may take."""
    if step.kind is Kind.DELETE:
        return
    for unique in unique_sets(step.mapper):
        if step.kind is Kind.INSERT:
            value = held_now(unique, step, obj)
        elif unique.looked_at.isdisjoint(step.columns):
            continue
        else:
            value = held_now(unique, step, obj)
            if unique.is_certain and value == held_before(unique, obj):
                continue
        if value is not None:
            yield value


def held_before(unique: UniqueSet, obj: Any) -> Held | None:
    """The value a row holds in the store before the flush; None if it can meet no other's."""
    return _held(unique, stored_values(obj))


def held_now(unique: UniqueSet, step: Step, obj: Any) -> Held | None:
    """The value a row will hold; None as in `held_before`, or if it is not known yet."""
    given = step.given.get(id(obj))
    if given is None:
        return _held(unique, lambda column: read_slot(obj, column))
    late = given
    return _held(unique, lambda c: MISSING if c in late else read_slot(obj, c))


def stored_values(obj: Any) -> Read:
    """What reads a row as it is in the store before the flush."""
    state = state_of(obj)
    notes = state.notes if isinstance(state, Record) else {}
    if not notes:
        return lambda column: read_slot(obj, column)
    return lambda c: notes[c.attribute] if c.attribute in notes else read_slot(obj, c)


def _held(unique: UniqueSet, read: Read) -> Held | None:
    values = comparable([read(column) for column in unique.columns], unique.nulls_meet)
    if values is None:
        return None
    if unique.predicate is not None and not _is_in(unique.predicate, read):
        return None
    if not unique.is_certain:
        values = tuple([v.strip().casefold() if type(v) is str else v for v in values])
    return Held(unique.token, values, unique)


def _is_in(predicate: Predicate, read: Read) -> bool:
    def known(column: MappedColumn) -> Any:
        value = read(column)
        if value is MISSING or type(value) is Raw:
            raise Unreadable
        return value

    try:
        return predicate.holds(known) is True
    except Unreadable:
        return True  # it may be


def comparable(values: Sequence[Any], nulls_meet: bool) -> tuple[Any, ...] | None:
    """The values, if they can meet those of another row."""
    for value in values:
        if (value is None and not nulls_meet) or value is MISSING or type(value) is Raw:
            return None
        if type(value).__hash__ is None:
            return None
    return tuple(values)
