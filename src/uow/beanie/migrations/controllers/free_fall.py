"""Migrations that are a function with a session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from uow import Session
from uow.beanie.migrations.controllers.base import BaseMigrationController

__all__ = ["FreeFallMigration", "free_fall_migration"]


class FreeFallMigration(BaseMigrationController):
    """A function that does what it wants in a session, which is also the ambient one."""

    def __init__(self, function: Callable[..., Any], models: Sequence[type[Any]]) -> None:
        super().__init__(function)
        self._models = tuple(models)

    @property
    def models(self) -> Sequence[type[Any]]:
        """The document classes it works with."""
        return self._models

    async def run(self, session: Session, *, commits: bool) -> None:
        """Call the function with `self`, which is None, and the session."""
        await self.function(None, session=session)
        await session.flush()
        if commits:
            await session.commit()


def free_fall_migration(
    document_models: Sequence[type[Any]],
) -> Callable[[Callable[..., Any]], FreeFallMigration]:
    """Mark a method `async def f(self, session)` of `Forward` or `Backward`.

    Args:
        document_models: the classes it works with.
    """
    return lambda function: FreeFallMigration(function, document_models)
