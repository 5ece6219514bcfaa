"""What a database was sent, and what it holds."""

from __future__ import annotations

from typing import Any

from uow import Database, Session, select
from uow.statement import Sendable

__all__ = ["Sent", "rows"]


class Sent(list[Sendable | str]):
    """Everything sent, in order, with questions that hold for every dialect."""

    @property
    def texts(self) -> list[str]:
        """The texts."""
        return [one if isinstance(one, str) else one.sql for one in self]

    @property
    def words(self) -> list[str]:
        """What each is by its first word: `BEGIN`, `INSERT`, `SELECT`, ..."""
        words = [text.split(None, 1)[0].upper() for text in self.texts]
        return ["SELECT" if word in {"FIND", "AGGREGATE"} else word for word in words]

    @property
    def writes(self) -> list[str]:
        """The words of statements that change rows."""
        return [word for word in self.words if word in {"INSERT", "UPDATE", "DELETE"}]

    def text(self, word: str) -> str:
        """The text of the only statement of that kind."""
        found = [text for text in self.texts if text.split(None, 1)[0].upper() == word]
        assert len(found) == 1, found
        return found[0]


async def rows(database: Database, *columns: Any) -> list[tuple[Any, ...]]:
    """What the store holds, read by a session of its own, ordered by the columns."""
    async with Session(database) as session:
        found = await session.execute(select(*columns).order_by(*columns))
    return [tuple(row) for row in found]
