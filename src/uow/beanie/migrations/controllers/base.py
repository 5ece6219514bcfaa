"""What both kinds of migrations have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from uow import Session

__all__ = ["BaseMigrationController"]


class BaseMigrationController(ABC):
    """A marked method: what it is given, and how it is run.

    Attributes:
        function: the method.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.function.__qualname__}>"

    @property
    @abstractmethod
    def models(self) -> Sequence[type[Any]]:
        """The document classes it works with."""

    @abstractmethod
    async def run(self, session: Session, *, commits: bool) -> None:
        """Do it.

        Args:
            session: where.
            commits: commit on the way, since it is no transaction as a whole.
        """
