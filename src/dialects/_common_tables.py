"""The WITH clause of one statement, filled while its select is compiled."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from uow.dialects._names import Quoter
from uow.errors import QueryError
from uow.query.tables import CommonTable

__all__ = ["CommonTables"]


class CommonTables:
    """The items of WITH, each once, those that others read before them.

    Args:
        quote: the dialect's.

    Attributes:
        tables: the names of the tables that are read, in lower case.
    """

    __slots__ = ("_begun", "_is_recursive", "_quote", "_running", "_texts", "tables")

    def __init__(self, quote: Quoter) -> None:
        self._quote = quote
        self._begun: dict[str, CommonTable] = {}
        self._texts: list[str] = []
        self._is_recursive = False
        self._running: CommonTable | None = None
        self.tables: set[str] = set()

    def begin(self, table: CommonTable) -> bool:
        """Note that an item is read. True: it is new, and its text has to follow.

        Raises:
            QueryError: another one goes by its name.
        """
        known = self._begun.get(table.name.lower())
        if known is None:
            self._begun[table.name.lower()] = table
            return True
        # Where a recursive item takes its step, what it began with stands for it.
        if known is not table and not (known is self._running and known.restates is table):
            raise QueryError(f"two queries in WITH are called {table.name!r}")
        return False

    @contextmanager
    def step(self, table: CommonTable) -> Generator[None]:
        """Inside the block, the step of a recursive item is compiled."""
        before, self._running = self._running, table
        try:
            yield
        finally:
            self._running = before

    def end(self, table: CommonTable, text: str) -> None:
        """Take the text of an item."""
        self._is_recursive = self._is_recursive or table.step is not None
        self._texts.append(f"{self._quote(table.name)} AS ({text})")

    def clause(self) -> str:
        """Give WITH and a space, or nothing.

        Raises:
            QueryError: an item goes by the name of a table, which it would hide.
        """
        if not self._texts:
            return ""
        for name, table in self._begun.items():
            if name in self.tables:
                raise QueryError(
                    f"the query {table.name!r} in WITH would hide the table of that name: call it "
                    "something else"
                )
        word = "WITH RECURSIVE" if self._is_recursive else "WITH"
        return f"{word} {', '.join(self._texts)} "
