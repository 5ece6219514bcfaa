"""INSERT with a conflict, of classes whose rows are in several tables: many rows at a time.

Rows that may be there already are looked for first, under a lock, in one statement; those that are
not are inserted, table by table, and those that are get what is new, table by table. A row that
meets an earlier one of the same statement follows it. Where only the store can tell what meets
(a collation), or an assignment is more than the value that was to be inserted, rows go one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

import attrs

from uow.errors import ConstraintError, ConstraintKind, Phase, QueryError, RetryableError
from uow.expressions.functions import and_, or_
from uow.expressions.nodes import (
    ColumnExpression,
    Excluded,
    Expression,
    Literal,
    is_expression,
)
from uow.expressions.walk import walk
from uow.query.statements import ForUpdate, Insert, OnConflict, Select, Update
from uow.session.spread_writes import KEYS_A_STATEMENT, where_keys
from uow.types import Text

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper
    from uow.session.spread_writes import SpreadWrites
    from uow.session.unit import Unit

__all__ = ["SpreadUpserts"]

_TRIES = 3
"""How often a row is looked for that is neither there nor can be inserted."""

_FEW_PARTS = 200
"""So many rows are looked for at a time by several columns: each is a condition of its own."""


@attrs.frozen
class _Found:
    """A row that is there: its key, and whether it is of the class."""

    key: Any
    is_ours: bool


class Store(Protocol):
    """Inserts rows into every table of a class."""

    async def __call__(
        self,
        mapper: Mapper,
        columns: tuple[MappedColumn, ...],
        rows: Sequence[tuple[Any, ...]],
        conflict: OnConflict | None,
    ) -> list[Any]:
        """Give a key a row; None for one that was left out."""
        ...


class SpreadUpserts:
    """One INSERT with a conflict.

    Args:
        unit: the unit of work.
        writes: changes rows that are there.
        store: inserts those that are not, see `SpreadInserts.store`.
        tree: the statement.
        rows: its rows, as plain values.
    """

    def __init__(
        self,
        unit: Unit,
        writes: SpreadWrites,
        store: Store,
        tree: Insert,
        rows: Sequence[tuple[Any, ...]],
    ) -> None:
        self._unit = unit
        self._writes = writes
        self._store = store
        self._mapper = tree.mapper
        self._columns = tree.columns
        self._conflict = cast("OnConflict", tree.on_conflict)
        self._given = [dict(zip(tree.columns, row, strict=True)) for row in rows]
        self._rows = rows
        self._targets = self._target_columns()
        self._done: dict[int, Any] = {}
        self._changed: list[Any] = []

    async def run(self) -> tuple[list[Any], list[Any]]:
        """Write the rows.

        Returns:
            The keys of what was written, in the order of the rows, and of what was there before.
        """
        for numbers in self._rounds():
            for part in self._parts(numbers):
                await self._write(part)
        return [self._done[number] for number in sorted(self._done)], self._changed

    def _target_columns(self) -> list[tuple[MappedColumn, ...]]:
        """The columns by which a row may meet another: of one constraint, or of each there is."""
        conflict, mapper = self._conflict, self._mapper
        if conflict.target_where is not None or any(isinstance(t, str) for t in conflict.target):
            raise QueryError(
                f"on_conflict of {mapper.name}: rows in several tables meet by columns, not by an "
                "index over expressions or over some rows only"
            )
        target = tuple(cast("tuple[MappedColumn, ...]", conflict.target))
        return [target] if target else [mapper.key, *(one.columns for one in mapper.uniques)]

    # -- what goes together

    def _rounds(self) -> Iterator[list[int]]:
        """Rows that cannot meet each other, by number; a row comes after those that it meets."""
        if not self._is_told_here():
            yield from ([number] for number in range(len(self._rows)))
            return
        last: dict[Any, int] = {}
        rounds: list[list[int]] = []
        for number in range(len(self._rows)):
            places = list(self._places(number))
            turn = max((last.get(place, -1) + 1 for place in places), default=0)
            last.update(dict.fromkeys(places, turn))
            if turn == len(rounds):
                rounds.append([])
            rounds[turn].append(number)
        yield from rounds

    def _is_told_here(self) -> bool:
        """Whether what meets, and what is written then, is known without asking the store."""
        for columns in self._targets:
            for column in columns:
                if isinstance(column.type, Text) and column.type.collation is not None:
                    return False
        if any(_names_excluded(condition) for condition in self._conflict.where):
            return False
        return all(
            type(value) is Excluded or not _names_excluded(value)
            for _, value in self._conflict.assignments
        )

    def _places(self, number: int) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """What a row would be met by: the number of the constraint, and its values."""
        given = self._given[number]
        for place, columns in enumerate(self._targets):
            values = tuple([given.get(column) for column in columns])
            if None not in values:
                yield place, values

    def _parts(self, numbers: list[int]) -> Iterator[list[int]]:
        width = max(len(self._columns), sum(map(len, self._targets)))
        limit = self._unit.codecs.dialect.capabilities.max_parameters // (2 * max(1, width))
        is_plain = len(self._targets) == 1 and len(self._targets[0]) == 1
        size = max(1, min(KEYS_A_STATEMENT if is_plain else _FEW_PARTS, limit))
        for start in range(0, len(numbers), size):
            yield numbers[start : start + size]

    # -- one part

    async def _write(self, numbers: list[int]) -> None:
        waiting = numbers
        for _ in range(_TRIES):
            found = await self._find(waiting)
            if found is None:  # the store finds what is not told here
                for number in waiting:
                    await self._write([number])
                return
            there = {number: found[number] for number in waiting if number in found}
            await self._change(there)
            waiting = await self._insert([number for number in waiting if number not in found])
            if not waiting:
                return
        raise RetryableError(
            f"a row of {self._mapper.name} is inserted and taken away again by others; try again",
            phase=Phase.QUERY,
        )

    async def _insert(self, numbers: list[int]) -> list[int]:
        """Insert rows; give those that somebody else was quicker with."""
        if not numbers:
            return []
        rows = [self._rows[number] for number in numbers]
        met = self._met()
        keys = await self._store(self._mapper, self._columns, rows, met)
        stored = zip(numbers, keys, strict=True)
        self._done.update((number, key) for number, key in stored if key is not None)
        return [number for number in numbers if number not in self._done]

    def _met(self) -> OnConflict | None:
        """The conflict as it is in the root's table; None if it is in another."""
        mapper = self._mapper
        targets = [column for column in self._conflict.target if not isinstance(column, str)]
        root = mapper.tables[0]
        stored = [column.stored for column in targets]
        if targets == list(mapper.key):
            stored = list(root.key)
        if not stored or any(column.mapper is not root for column in stored):
            return None
        return OnConflict(tuple(stored))

    async def _find(self, numbers: Sequence[int]) -> dict[int, _Found] | None:
        """Look for the rows that are met, under a lock, by number.

        Returns:
            None if a row is there of which it cannot be told which one meets it.
        """
        mapper, root = self._mapper, self._mapper.root
        places = {place: number for number in numbers for place in self._places(number)}
        conditions = self._conditions(list(places))
        if not conditions:
            return {}
        keys = [ColumnExpression[Any](column, root) for column in root.key]
        signs = [ColumnExpression[Any](table.key[0], root) for table in mapper.tables[1:]]
        discriminator = root.discriminator
        told = () if discriminator is None else (ColumnExpression[Any](discriminator, root),)
        sought = [[_at_root(mapper, column) for column in columns] for columns in self._targets]
        select = Select(
            columns=(*keys, *told, *signs, *(one for columns in sought for one in columns)),
            froms=(root,),
            where=(or_(*conditions),),
            for_update=ForUpdate(),
        )
        statement = self._unit.codecs.dialect.compile(select).statement
        rows = await self._unit.fetch(statement, lock=True)
        found: dict[int, _Found] = {}
        width = len(keys) + len(told)
        for row in rows:
            values = iter(row[width + len(signs) :])
            met = self._meeting(values, places)
            if not met and len(numbers) > 1:
                return None
            is_ours = all(sign is not None for sign in row[width : width + len(signs)])
            if discriminator is not None:
                kind = self._decoded(discriminator, row[len(keys)])
                is_ours = is_ours and kind in {one.discriminator_value for one in mapper.family}
            key = self._unit.codecs.of(mapper).decode_key(row[: len(keys)])
            for number in met or numbers:
                found.setdefault(number, _Found(key, is_ours))
        return found

    def _meeting(self, values: Iterator[Any], places: dict[Any, int]) -> set[int]:
        """Which rows are met by one that is there, as far as its values tell."""
        met: set[int] = set()
        for place, columns in enumerate(self._targets):
            held = tuple([self._decoded(column, next(values)) for column in columns])
            if None not in held and (place, held) in places:
                met.add(places[place, held])
        return met

    def _conditions(self, places: Sequence[tuple[int, tuple[Any, ...]]]) -> list[Expression[bool]]:
        conditions: list[Expression[bool]] = []
        for number, columns in enumerate(self._targets):
            own = [_at_root(self._mapper, column) for column in columns]
            sought = [values for place, values in places if place == number]
            if len(own) == 1 and len(sought) > 1:
                conditions.append(own[0].in_([value for (value,) in sought]))
                continue
            conditions += [
                and_(*[column == value for column, value in zip(own, values, strict=True)])
                for values in sought
            ]
        return conditions

    def _decoded(self, column: MappedColumn, value: Any) -> Any:
        decode = self._unit.codecs.decoder(column)
        return value if decode is None or value is None else decode(value)

    # -- rows that are there

    async def _change(self, there: dict[int, _Found]) -> None:
        """Do what is said of rows that are there."""
        conflict = self._conflict
        if not there or not conflict.assignments:
            return
        if not all(found.is_ours for found in there.values()):
            self._refuse()
        if len(there) == 1:
            ((number, found),) = there.items()
            given = {column.attribute: value for column, value in self._given[number].items()}
            assignments = tuple((c, _inserted(v, given)) for c, v in conflict.assignments)
            where = tuple([_inserted(condition, given) for condition in conflict.where])
            written = await self._update(assignments, where, [found.key])
        else:
            own = tuple([(c, v) for c, v in conflict.assignments if type(v) is not Excluded])
            written = await self._update(own, conflict.where, [one.key for one in there.values()])
        kept = set(written)
        changed = {number: found.key for number, found in there.items() if found.key in kept}
        if len(there) > 1:
            await self._give(changed)
        self._done.update(changed)
        self._changed += list(changed.values())

    async def _update(
        self, assignments: tuple[Any, ...], where: tuple[Any, ...], keys: Sequence[Any]
    ) -> list[Any]:
        """Change rows by keys; which of them the condition holds for."""
        mapper = self._mapper
        tree = Update(mapper, assignments, (where_keys(mapper, keys, mapper), *where))
        return (await self._writes.update(tree)).keys

    async def _give(self, changed: dict[int, Any]) -> None:
        """Write what was to be inserted into rows that are there, a statement a table."""
        tables: dict[Mapper, list[tuple[MappedColumn, Excluded[Any]]]] = {}
        for column, value in self._conflict.assignments:
            if isinstance(value, Excluded):
                tables.setdefault(column.stored.mapper, []).append((column, value))
        for table, pairs in tables.items():
            encoders = [self._unit.codecs.encoder(column) for column, _ in pairs]
            names = [excluded.column.attribute for _, excluded in pairs]
            new: list[tuple[Any, ...]] = []
            for number in changed:
                given = {column.attribute: value for column, value in self._given[number].items()}
                values = [given.get(name) for name in names]
                new.append(
                    tuple(
                        value if encode is None or value is None else encode(value)
                        for value, encode in zip(values, encoders, strict=True)
                    )
                )
            columns = tuple([column.stored for column, _ in pairs])
            await self._writes.write_rows(table, columns, new, list(changed.values()))

    def _refuse(self) -> None:
        """The row that is met is of another class: it cannot become one of this."""
        conflict, mapper = self._conflict, self._mapper
        columns = [column.attribute for column in conflict.target if not isinstance(column, str)]
        error = ConstraintError(
            f"insert of {mapper.name}: the row that is met by ({', '.join(columns)}) is of another "
            "class, and stays what it is",
            kind=ConstraintKind.UNIQUE,
            table=mapper.root.table_name,
            columns=columns,
            phase=Phase.QUERY,
        )
        self._unit._failed(error, keeps=False)
        raise error


def _names_excluded(node: Any) -> bool:
    return is_expression(node) and any(isinstance(one, Excluded) for one in walk((node,)))


def _at_root(mapper: Mapper, column: MappedColumn) -> ColumnExpression[Any]:
    """A column of a class where the root stands in FROM."""
    if column.primary_key:
        return ColumnExpression(mapper.root.by_attribute[column.attribute], mapper.root)
    return ColumnExpression(column.stored, mapper.root)


def _inserted(node: Any, given: dict[str, Any]) -> Any:
    """The same expression with the values that were to be inserted in it."""
    if isinstance(node, Excluded):
        return Literal(given.get(node.column.attribute), node.type)
    if isinstance(node, tuple):
        parts: tuple[object, ...] = cast("Any", node)
        return tuple([_inserted(part, given) for part in parts])
    if not is_expression(node):
        return node
    if not _names_excluded(node):
        return node
    copy = object.__new__(type(node))
    for name in _slots(node):
        setattr(copy, name, _inserted(getattr(node, name), given))
    return copy


def _slots(node: Any) -> list[str]:
    names = [name for class_ in type(node).__mro__ for name in getattr(class_, "__slots__", ())]
    return [name for name in names if not name.startswith("__") and hasattr(node, name)]
