"""Asking the store which values are free, for what is parked in columns of few values."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from uow.errors import FlushCycleError, Phase
from uow.expressions import ColumnExpression
from uow.query.statements import Select
from uow.session.forms import Role
from uow.session.late import Parked
from uow.session.parking import free_values
from uow.session.steps import Step
from uow.session.uniques import stored_values
from uow.statement import Sendable
from uow.tracking.state import MISSING, read_slot

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn
    from uow.session.codec import Codecs

__all__ = ["find_free_values"]


class Ask(Protocol):
    """How a question is sent."""

    def __call__(self, statement: Sendable, *, returns: bool) -> Awaitable[Any]:
        """Send a statement; see `Channel.write`."""
        ...


async def find_free_values(steps: Sequence[Step], codecs: Codecs, ask: Ask) -> None:
    """Give every parked row a value that no other has; nothing is written for that.

    Raises:
        FlushCycleError: none was found.
    """
    lots: dict[MappedColumn, list[tuple[Parked, Any]]] = {}
    for step in steps:
        if step.form.role is not Role.PARK or not step.awaited:
            continue
        for awaited in step.awaited:
            if isinstance(awaited.value, Parked) and awaited.value.value is MISSING:
                parked = (awaited.value, step.objects[awaited.row])
                lots.setdefault(awaited.column, []).append(parked)
    for column, lot in lots.items():
        await _find(column, [parked for parked, _ in lot], steps, codecs, ask)
        without = [obj for parked, obj in lot if parked.value is MISSING]
        if without:
            raise FlushCycleError(
                f"rows pass unique values of {column} to each other in a circle, and no value was "
                f"found that is free for a while: {', '.join(map(repr, without[:5]))}; flush in "
                "two steps, giving up one value first",
                objects=without,
                phase=Phase.FLUSH,
            )


async def _find(
    column: MappedColumn, lot: list[Parked], steps: Sequence[Step], codecs: Codecs, ask: Ask
) -> None:
    mapper = column.mapper
    used: set[Any] = set()
    for step in steps:
        if step.is_main and step.mapper.full_table_name == mapper.full_table_name:
            for obj in step.objects:
                used |= {read_slot(obj, column), stored_values(obj)(column)}
    expression = ColumnExpression[Any](column, mapper)
    for values, waiting in free_values(lot, used):
        select = Select(columns=(expression,), froms=(mapper,), where=(expression.in_(values),))
        rows = await ask(codecs.dialect.compile(select).statement, returns=True)
        decode = codecs.decoder(column)
        taken = {row[0] if decode is None else decode(row[0]) for row in rows}
        for parked, value in zip(waiting, values, strict=True):
            if value not in taken:
                parked.value = value
