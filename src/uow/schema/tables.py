"""Creates and drops the tables of mapped classes, in the order their foreign keys ask for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import anyio

from uow.drivers.base import Connection, TransactionOptions
from uow.errors import CommitUnknownError, Phase, UowError
from uow.mapping.mapper import Mapper, mapper_of
from uow.mapping.registry import default_registry
from uow.statement import Statement

if TYPE_CHECKING:
    from uow.dialects.base import Dialect
    from uow.pool import Pool

__all__ = ["create_tables", "drop_tables", "in_foreign_key_order"]

CLEANUP_BUDGET = 10.0
"""Seconds that a COMMIT or ROLLBACK of table definitions may take."""


def in_foreign_key_order(mappers: Iterable[Mapper]) -> list[Mapper]:
    """Put tables after those they refer to; otherwise in order of definition.

    Foreign keys that form a circle cannot all be obeyed: one of such tables, always the same, comes
    too early. References of a table to itself, and to tables not among these, count for nothing.
    """
    chosen = list(dict.fromkeys(mappers))
    for mapper in chosen:
        mapper.configure()
    among = set(chosen)
    ordered: dict[Mapper, None] = {}
    entered: set[Mapper] = set()
    for start in chosen:
        # Depth first with a stack of its own: a chain of tables may be longer than Python's.
        stack = [(start, iter(_targets(start, among)))] if start not in entered else []
        entered.add(start)
        while stack:
            mapper, targets = stack[-1]
            target = next((one for one in targets if one not in entered), None)
            if target is None:
                ordered[mapper] = None
                stack.pop()
            else:
                entered.add(target)
                stack.append((target, iter(_targets(target, among))))
    return list(ordered)


def _targets(mapper: Mapper, among: set[Mapper]) -> list[Mapper]:
    return [key.target for key in mapper.foreign_keys if key.target in among]


async def create_tables(pool: Pool, dialect: Dialect, models: Iterable[type] | None) -> None:
    """Create tables in one transaction; those that exist are left alone.

    Args:
        pool: gives the connection.
        dialect: makes the text.
        models: mapped classes, or None for all of the default registry.
    """
    ordered = in_foreign_key_order(_mappers(models))
    await _run(pool, [sql for mapper in ordered for sql in dialect.create_table(mapper)])


async def drop_tables(pool: Pool, dialect: Dialect, models: Iterable[type] | None) -> None:
    """Drop tables in one transaction; those that are missing are no error.

    Args:
        pool: gives the connection.
        dialect: makes the text.
        models: mapped classes, or None for all of the default registry.
    """
    ordered = in_foreign_key_order(_mappers(models))
    await _run(pool, [sql for mapper in reversed(ordered) for sql in dialect.drop_table(mapper)])


def _mappers(models: Iterable[type] | None) -> list[Mapper]:
    if models is None:
        return default_registry.mappers()
    return [mapper_of(model) for model in models]


async def _run(pool: Pool, texts: Sequence[str]) -> None:
    if not texts:
        return
    connection = pool.acquire_nowait() or await pool.acquire()
    try:
        await _run_in_transaction(connection, texts)
    finally:
        await pool.release(connection)


async def _run_in_transaction(connection: Connection, texts: Sequence[str]) -> None:
    """Run definitions in one transaction, as far as the store has that for them.

    Foreign keys are checked at its end, so that tables in a circle can be dropped.
    """
    phase = Phase.BEGIN
    try:
        await connection.begin(TransactionOptions(defer_constraints=True))
        phase = Phase.QUERY
        for sql in texts:
            await connection.execute(Statement(sql))
        phase = Phase.COMMIT
        with anyio.move_on_after(CLEANUP_BUDGET, shield=True) as budget:
            await connection.commit()
        if budget.cancelled_caught:
            raise CommitUnknownError(f"COMMIT was not answered within {CLEANUP_BUDGET:g} s")
    except UowError as error:
        error.phase = error.phase or phase
        raise
