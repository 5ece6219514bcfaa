"""Row locks in tables that an outer join may find no row in, where the store takes none there.

A polymorphic query locks what every object of it has a row in. The rows that single classes have
besides are locked after that, by key, and the query is sent again: what it answers then nobody else
can change.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from uow.expressions.nodes import ColumnExpression
from uow.mapping.inheritance import Inheritance
from uow.mapping.shapes import Shape, shape_of
from uow.query.statements import ForUpdate, Select
from uow.session.spread_writes import KEYS_A_STATEMENT, where_keys

if TYPE_CHECKING:
    from uow.mapping.mapper import Mapper
    from uow.session.unit import Unit

__all__ = ["fetch_locked", "leaves_rows_unlocked"]


def leaves_rows_unlocked(
    unit: Unit, mapper: Mapper | None, classes: tuple[Mapper, ...] | None, lock: ForUpdate
) -> bool:
    """Whether a query for a class that locks its rows does not lock those of classes below it.

    A store that could would take a row that is skipped for one that is not there.
    """
    if mapper is None or mapper.hierarchy is None:
        return False
    can = unit.codecs.dialect.capabilities
    is_whole = can.lock_outer and not lock.skip_locked
    if not can.for_update or is_whole or mapper.hierarchy.kind is not Inheritance.JOINED:
        return False
    return bool(shape_of(mapper, classes).optional)


async def fetch_locked(
    unit: Unit,
    shape: Shape,
    lock: ForUpdate,
    fetch: Callable[[], Awaitable[list[Any]]],
) -> list[Any]:
    """Run a query that locks rows, and lock those of classes below too.

    Args:
        unit: the unit of work.
        shape: the rows of the query.
        lock: how they are locked.
        fetch: sends the query; it may be sent several times.

    Returns:
        The rows, which others cannot change any more. With `skip_locked` those are left out of
        which somebody else has a part.
    """
    places = {
        table: [shape.columns.index(column) for column in table.key] for table in shape.optional
    }
    locked: dict[Mapper, set[Any]] = {table: set() for table in places}
    skipped: dict[Mapper, set[Any]] = {table: set() for table in places}
    while True:
        rows = await fetch()
        is_more = False
        for table, at in places.items():
            keys = unit.codecs.of(table).keys_of([[row[p] for p in at] for row in rows])
            wanted = {key for key, row in zip(keys, rows, strict=True) if row[at[0]] is not None}
            wanted -= locked[table] | skipped[table]
            if wanted:
                is_more = True
                got = await _lock(unit, table, list(wanted), lock)
                locked[table] |= got
                skipped[table] |= wanted - got
        if not is_more:
            break
    if any(skipped.values()):
        rows = [row for row in rows if not _is_skipped(unit, row, places, skipped)]
    return rows


async def _lock(unit: Unit, table: Mapper, keys: Sequence[Any], lock: ForUpdate) -> set[Any]:
    """Lock rows of one table by key; give the keys of those that could be."""
    found: set[Any] = set()
    codec = unit.codecs.of(table)
    by_key = ForUpdate(nowait=lock.nowait, skip_locked=lock.skip_locked, strength=lock.strength)
    for start in range(0, len(keys), KEYS_A_STATEMENT):
        select = Select(
            columns=tuple([ColumnExpression[Any](column, table) for column in table.key]),
            froms=(table,),
            where=(where_keys(table, keys[start : start + KEYS_A_STATEMENT], table),),
            for_update=by_key,
        )
        compiled = unit.codecs.dialect.compile(select)
        found.update(codec.keys_of(await unit.fetch(compiled.statement, lock=True)))
    return found


def _is_skipped(
    unit: Unit, row: Sequence[Any], places: dict[Mapper, list[int]], skipped: dict[Mapper, set[Any]]
) -> bool:
    return any(
        skipped[table]
        and row[at[0]] is not None
        and unit.codecs.of(table).decode_key([row[place] for place in at]) in skipped[table]
        for table, at in places.items()
    )
