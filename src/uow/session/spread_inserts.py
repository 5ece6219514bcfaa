"""INSERT of classes whose rows are in several tables: base first, with the key handed down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from uow.expressions.nodes import ColumnExpression, is_expression
from uow.mapping.inheritance import Inheritance
from uow.query.statements import (
    Insert,
    InsertRows,
    OnConflict,
    Select,
)
from uow.session.spread_upserts import SpreadUpserts
from uow.session.spread_writes import Written

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper
    from uow.session.spread_writes import SpreadWrites
    from uow.session.unit import Unit

__all__ = ["SpreadInserts", "is_spread_insert"]


def is_spread_insert(tree: Insert) -> bool:
    """Whether an INSERT is about several tables, or may meet rows of other classes."""
    mapper = tree.mapper
    hierarchy = mapper.hierarchy
    if hierarchy is None or mapper.parent is None or hierarchy.kind is Inheritance.CONCRETE:
        return False
    return hierarchy.kind is Inheritance.JOINED or tree.on_conflict is not None


class SpreadInserts:
    """INSERTs of joined classes, of one unit of work."""

    __slots__ = ("_unit", "_writes")

    def __init__(self, unit: Unit, writes: SpreadWrites) -> None:
        self._unit = unit
        self._writes = writes

    async def insert(self, tree: Insert) -> tuple[Written, list[Any]]:
        """Run an INSERT.

        Returns:
            What was written, and the keys of those objects that were there before.
        """
        mapper = tree.mapper
        rows = await self._values(tree)
        changed: list[Any] = []
        if tree.on_conflict is None:
            keys = await self.store(mapper, tree.columns, rows, None)
        else:
            upserts = SpreadUpserts(self._unit, self._writes, self.store, tree, rows)
            keys, changed = await upserts.run()
        returned = await self._writes.returned(mapper, keys, tree.returning)
        return Written(keys, returned), changed

    async def _values(self, tree: Insert) -> list[tuple[Any, ...]]:
        """The rows as plain values; what only the store can compute is asked of it."""
        if tree.select is not None:
            return await self._computed(tree.columns, tree.select)
        found: list[tuple[Any, ...]] = []
        for row in tree.rows:
            expressions = tuple([cast("Any", v) for v in row if is_expression(v)])
            if not expressions:
                found.append(row)
                continue
            columns = [c for c, v in zip(tree.columns, row, strict=True) if is_expression(v)]
            (computed,) = await self._computed(columns, Select(columns=expressions))
            values = iter(computed)
            found.append(tuple([next(values) if is_expression(v) else v for v in row]))
        return found

    async def _computed(
        self, columns: Sequence[MappedColumn], select: Select
    ) -> list[tuple[Any, ...]]:
        """Read what a query gives for columns, as values of these."""
        dialect = self._unit.codecs.dialect
        rows = await self._unit.fetch(dialect.compile(select).statement)
        decoders = [
            None if one.type is None else dialect.decoder(one.type) for one in select.columns
        ]
        return [
            tuple(
                None
                if value is None
                else column.checker(value if decode is None else decode(value))
                for column, value, decode in zip(columns, row, decoders, strict=True)
            )
            for row in rows
        ]

    # -- rows of all tables

    async def store(
        self,
        mapper: Mapper,
        columns: tuple[MappedColumn, ...],
        rows: Sequence[tuple[Any, ...]],
        conflict: OnConflict | None,
    ) -> list[Any]:
        """Insert rows into every table, base first; give the keys.

        Args:
            mapper: the class.
            columns: of the class.
            rows: values, checked.
            conflict: what may be met in the root's table; the row is left out then.

        Returns:
            A key a row; None for one that was left out.
        """
        codecs = self._unit.codecs
        keys: list[tuple[Any, ...] | None] = []
        for number, (table, given, _) in enumerate(mapper.parts_of(columns)):
            places = [self._place(columns, column) for column in given]
            encoders = [codecs.encoder(column) for column in given]
            parts = [
                tuple(
                    row[place] if encode is None or row[place] is None else encode(row[place])
                    for place, encode in zip(places, encoders, strict=True)
                )
                for row in rows
            ]
            if number == 0:
                keys = await self._store_root(table, given, parts, conflict)
                if not any(key is not None for key in keys):
                    return keys
                continue
            own = [n for n, column in enumerate(given) if column not in table.key]
            batch = InsertRows(
                table,
                (*table.key, *(given[n] for n in own)),
                [
                    (*key, *(part[n] for n in own))
                    for key, part in zip(keys, parts, strict=True)
                    if key is not None
                ],
            )
            for statement in codecs.dialect.insert_rows(batch):
                await self._unit.write(statement, returns=False)
        codec = codecs.of(mapper)
        return [None if key is None else codec.decode_key(key) for key in keys]

    @staticmethod
    def _place(columns: Sequence[MappedColumn], stored: MappedColumn) -> int:
        names = [column.attribute for column in columns]
        return names.index(stored.attribute)

    async def _store_root(
        self,
        table: Mapper,
        columns: tuple[MappedColumn, ...],
        rows: list[tuple[Any, ...]],
        conflict: OnConflict | None,
    ) -> list[tuple[Any, ...] | None]:
        """Insert the rows of the root; give their keys, as the store takes them, or None."""
        dialect = self._unit.codecs.dialect
        if conflict is not None and dialect.capabilities.conflict_targets:
            return await self._store_new(table, columns, rows, conflict)
        returning = tuple([column for column in table.key if column not in columns])
        answers: list[Any] = []
        for one in dialect.insert_rows(InsertRows(table, columns, rows, returning)):
            answer = await self._unit.write(one, returns=bool(returning))
            answers += answer if returning else []
        given = [columns.index(c) if c in columns else None for c in table.key]
        keys_of: list[tuple[Any, ...] | None] = []
        for number, row in enumerate(rows):
            made = iter(answers[number]) if returning else iter(())
            keys_of.append(tuple(next(made) if place is None else row[place] for place in given))
        return keys_of

    async def _store_new(
        self,
        table: Mapper,
        columns: tuple[MappedColumn, ...],
        rows: list[tuple[Any, ...]],
        conflict: OnConflict,
    ) -> list[tuple[Any, ...] | None]:
        """Insert those rows of the root that are not there; the others have no key."""
        values = tuple(
            tuple(self._decoded(c, value) for c, value in zip(columns, row, strict=True))
            for row in rows
        )
        target = [cast("MappedColumn", column) for column in conflict.target]
        asked = tuple([ColumnExpression[Any](column, table) for column in (*table.key, *target)])
        tree = Insert(table, columns, values, conflict, asked)
        statement = self._unit.codecs.dialect.compile(tree).statement
        answered = await self._unit.write(statement, returns=True)
        width = len(table.key)
        if len(rows) == 1:
            return [tuple(answered[0][:width]) if answered else None]
        places = [columns.index(column) for column in target]
        by_target = {
            tuple(self._decoded(c, v) for c, v in zip(target, row[width:], strict=True)): row[
                :width
            ]
            for row in answered
        }
        made = [by_target.get(tuple([row[place] for place in places])) for row in values]
        return [None if key is None else tuple(key) for key in made]

    def _decoded(self, column: MappedColumn, value: Any) -> Any:
        decode = self._unit.codecs.decoder(column)
        return value if decode is None or value is None else decode(value)
