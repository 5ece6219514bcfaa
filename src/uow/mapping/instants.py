"""Instants of a document class as its client gives them: aware, or naive and meant as UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from uow.mapping.construction import first_construction
from uow.types import DateTime
from uow.values import checker_for

if TYPE_CHECKING:
    from uow.mapping.mapper import Mapper

__all__ = ["use_instants"]


def use_instants(mapper: Mapper, *, are_aware: bool) -> None:
    """Have the instants of a class be aware in Python, or naive, which then means UTC."""
    timezone = True if are_aware else None
    is_changed = False
    for column in mapper.columns:
        type_ = column.type
        if isinstance(type_, DateTime) and type_.timezone not in {False, timezone}:
            column.type = attrs.evolve(type_, timezone=timezone)
            column.checker = checker_for(column.type)
            is_changed = True
    if is_changed:
        expressions: dict[str, Any] = type.__getattribute__(mapper.class_, "_uow_expressions")
        expressions.clear()
        mapper.storage.__init__ = first_construction(mapper)
