"""Look inside: generated code, the plan of a flush, and what was sent."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from uow.mapping.mapper import mapper_of

if TYPE_CHECKING:
    from uow.database import Database
    from uow.mapping.model import Model
    from uow.session.session import Session
    from uow.session.steps import FlushPlan
    from uow.statement import Sendable

__all__ = ["generated", "plan", "statements"]


def generated(model: type[Model]) -> dict[str, str]:
    """The text of every function generated for a class so far, by name and shape.

    Constructors are generated at the first object, hydrators and readers at the first query or
    flush of their shape.

    Raises:
        MappingError: the class is not mapped.
    """
    return dict(mapper_of(model).sources)


def plan(session: Session) -> FlushPlan:
    """The plan of the flush that a session would do now.

    `str()` of it has a line a step, `mermaid()` draws the steps as a flowchart. Rows that are
    parked or fixed up are written twice, because they wait for each other in a circle.

    Nothing is sent or changed, and no hooks are called.

    Raises:
        InvalidUnitError: values do not fit their fields.
        FlushCycleError: no order of the rows satisfies the constraints.
    """
    return session.flush_plan()


@contextmanager
def statements(database: Database) -> Generator[list[Sendable | str]]:
    """Collect what the sessions of a database send inside the block, in order.

    Yields:
        A list that grows: statements, and `"BEGIN"`, `"COMMIT"` and their like as text.
    """
    sent: list[Sendable | str] = []
    database.observers.append(sent.append)
    try:
        yield sent
    finally:
        database.observers.remove(sent.append)
