"""Bulk statements on classes whose rows are in several tables.

An UPDATE or DELETE first reads the keys of the rows it is about, under a lock, with all that it
needs to know of them; then each table is written by keys, so that no statement sees what another
one did. Counts are of objects. All of it is one transaction, which a failure in the middle poisons.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from uow.expressions.functions import and_, or_
from uow.expressions.nodes import (
    ColumnExpression,
    Exists,
    Expression,
    InSubquery,
    ScalarSubquery,
)
from uow.expressions.walk import walk
from uow.mapping.inheritance import Inheritance
from uow.query.statements import Delete, DeleteRows, ForUpdate, Select, Update, UpdateRows

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper
    from uow.session.unit import Unit

__all__ = ["KEYS_A_STATEMENT", "SpreadWrites", "Written", "is_spread", "where_keys"]

KEYS_A_STATEMENT = 500


@attrs.frozen
class Written:
    """What a statement did.

    Attributes:
        keys: the keys of the objects it wrote.
        rows: what RETURNING asked for, as the store gave it, an object each.
    """

    keys: list[Any]
    rows: list[Any]


def is_spread(tree: Update | Delete) -> bool:
    """Whether a statement is about rows of several tables."""
    mapper = tree.mapper
    hierarchy = mapper.hierarchy
    if hierarchy is None or hierarchy.kind is not Inheritance.JOINED or mapper.owner is not None:
        return False
    if mapper.parent is not None or isinstance(tree, Delete):
        return len(mapper.family) > 1 or mapper.parent is not None
    used = [column for column, _ in tree.assignments]
    parts = (*tree.where, *tree.returning, *(value for _, value in tree.assignments))
    used += [c for c in _columns_in(parts, mapper) if c is not None]
    return any(column.stored.mapper is not mapper for column in used)


def where_keys(table: Mapper, keys: Sequence[Any], source: Mapper) -> Expression[bool]:
    """The condition that rows have one of some keys.

    Args:
        table: whose key.
        keys: as identity maps hold them.
        source: what stands in FROM.
    """
    columns = [ColumnExpression[Any](column, source) for column in table.key]
    if len(columns) == 1:
        return columns[0].in_(keys)
    return or_(*[and_(*[c == part for c, part in zip(columns, key, strict=True)]) for key in keys])


def _columns_in(parts: Iterable[Expression[Any]], mapper: Mapper) -> Iterator[MappedColumn | None]:
    """The columns of a class that expressions name; None for what cannot be told."""
    relatives = {mapper, *mapper.family}
    above = mapper.parent
    while above is not None:
        relatives.add(above)
        above = above.parent
    for node in walk(parts):
        if isinstance(node, ColumnExpression):
            column: Any = node.column
            yield column if node.table in relatives else None
        elif isinstance(node, InSubquery | Exists | ScalarSubquery):
            yield None


class SpreadWrites:
    """UPDATE and DELETE of joined classes, of one unit of work."""

    __slots__ = ("_unit",)

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def update(self, tree: Update) -> Written:
        """Run an UPDATE."""
        mapper = tree.mapper
        codec = self._unit.codecs.of(mapper)
        plain, computed = self._sorted(tree)
        values = [value for _, value in tree.assignments]
        asked = [value for value in values if any(value is one for _, one in computed)]
        rows = await self._locked(mapper, tree.where, asked)
        width = len(mapper.key)
        keys = codec.keys_of(rows)
        for table, assignments in plain.items():
            for part in _chunks(keys):
                where = (where_keys(table, part, table),)
                await self._write(Update(table, tuple(assignments), where))
        for table in dict.fromkeys(column.stored.mapper for column, _ in computed):
            columns = tuple([c.stored for c, _ in computed if c.stored.mapper is table])
            places = [n for n, (c, _) in enumerate(computed) if c.stored.mapper is table]
            new = [self._encoded(computed, places, row[width:]) for row in rows]
            await self.write_rows(table, columns, new, keys)
        found = await self.returned(mapper, keys, tree.returning)
        return Written(keys, found)

    async def delete(self, tree: Delete) -> Written:
        """Run a DELETE: rows of classes below go too, the root's last."""
        mapper = tree.mapper
        rows = await self._locked(mapper, tree.where, tree.returning)
        width = len(mapper.key)
        keys = self._unit.codecs.of(mapper).keys_of(rows)
        tables = dict.fromkeys(table for one in mapper.family for table in one.tables)
        dialect = self._unit.codecs.dialect
        for table in reversed(list(tables)):
            encode = self._unit.codecs.of(table).encode_key
            batch = DeleteRows(table, table.key, [encode(key) for key in keys])
            for statement in dialect.delete_rows(batch) if keys else ():
                await self._unit.write(statement, returns=False)
        return Written(keys, [row[width:] for row in rows])

    async def returned(
        self, mapper: Mapper, keys: Sequence[Any], columns: Sequence[Expression[Any]]
    ) -> list[Any]:
        """Read what RETURNING asks for, in the order of the keys."""
        if not columns:
            return []
        codec = self._unit.codecs.of(mapper)
        own = [ColumnExpression[Any](column, mapper) for column in mapper.key]
        width = len(own)
        found: dict[Any, Any] = {}
        for part in _chunks(keys):
            where = (where_keys(mapper, part, mapper),)
            select = Select(columns=(*own, *columns), froms=(mapper,), where=where)
            for row in await self._fetch(select, lock=False):
                found[codec.decode_key(row)] = row[width:]
        return [found[key] for key in keys]

    # -- the parts of an UPDATE

    def _sorted(
        self, tree: Update
    ) -> tuple[
        dict[Mapper, list[tuple[MappedColumn, Expression[Any]]]],
        list[tuple[MappedColumn, Expression[Any]]],
    ]:
        """Sort assignments: what a table can do by itself, and what has to be read first."""
        plain: dict[Mapper, list[tuple[MappedColumn, Expression[Any]]]] = {}
        computed: list[tuple[MappedColumn, Expression[Any]]] = []
        for column, value in tree.assignments:
            table = column.stored.mapper
            used = _columns_in((value,), tree.mapper)
            if all(one is not None and one.stored.mapper is table for one in used):
                plain.setdefault(table, []).append((column.stored, value))
            else:
                computed.append((column, value))
        return plain, computed

    def _encoded(
        self,
        computed: Sequence[tuple[MappedColumn, Expression[Any]]],
        places: Sequence[int],
        row: Sequence[Any],
    ) -> tuple[Any, ...]:
        """Make of what a row gave for expressions what the columns take."""
        new: list[Any] = []
        codecs = self._unit.codecs
        for place in places:
            column, expression = computed[place]
            value = row[place]
            decode = None if expression.type is None else codecs.dialect.decoder(expression.type)
            if decode is not None and value is not None:
                value = decode(value)
            value = None if value is None else column.checker(value)
            encode = codecs.encoder(column)
            new.append(value if encode is None or value is None else encode(value))
        return tuple(new)

    async def write_rows(
        self,
        table: Mapper,
        columns: tuple[MappedColumn, ...],
        new: Sequence[tuple[Any, ...]],
        keys: Sequence[Any],
    ) -> None:
        """Write values into the rows of one table that have some keys."""
        encode = self._unit.codecs.of(table).encode_key
        rows = [(*values, *encode(key)) for values, key in zip(new, keys, strict=True)]
        batch = UpdateRows(table, columns, table.key, rows)
        for statement in self._unit.codecs.dialect.update_rows(batch) if rows else ():
            await self._unit.write(statement, returns=False)

    # -- sending

    async def _locked(
        self,
        mapper: Mapper,
        where: Sequence[Expression[Any]],
        asked: Sequence[Expression[Any]],
    ) -> list[Any]:
        """Lock the rows that are meant, in all tables of the class; give keys, and the rest."""
        keys = [ColumnExpression[Any](column, mapper) for column in mapper.key]
        # Naming a table's key joins the table, and so locks its rows.
        named = [ColumnExpression[Any](table.key[0], mapper) for table in mapper.tables[:-1]]
        select = Select(
            columns=(*keys, *asked, *named),
            froms=(mapper,),
            where=tuple(where),
            for_update=ForUpdate(),
        )
        return await self._fetch(select, lock=True)

    async def _fetch(self, select: Select, *, lock: bool) -> list[Any]:
        compiled = self._unit.codecs.dialect.compile(select)
        return await self._unit.fetch(compiled.statement, lock=lock)

    async def _write(self, tree: Update) -> None:
        compiled = self._unit.codecs.dialect.compile(tree)
        await self._unit.write(compiled.statement, returns=False)


def _chunks(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(keys), KEYS_A_STATEMENT):
        yield keys[start : start + KEYS_A_STATEMENT]
