"""What we use of APSW's connection, typed.

APSW's own annotations name types that only newer Pythons have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from uow.drivers.base import Row

__all__ = ["Cursor", "Handle", "code_of"]


class Cursor(Protocol):
    """A cursor of APSW."""

    exec_trace: Callable[[Any, str, Any], bool] | None

    def __iter__(self) -> Iterator[Row]: ...

    @property
    def description(self) -> tuple[tuple[str, str | None, None, None, None, None, None], ...]:
        """Names of the columns; readable while an execution tracer runs."""
        ...

    @property
    def is_readonly(self) -> bool:
        """Whether the statement can only read."""
        ...

    def execute(self, statements: str, bindings: Sequence[object] | None = None) -> Cursor:
        """Run statements up to the first row."""
        ...

    def fetchall(self) -> list[Row]:
        """Give the rows that are left."""
        ...

    def close(self, force: bool = False) -> None:
        """Let go of the statement."""
        ...


class Handle(Protocol):
    """A connection of APSW."""

    @property
    def in_transaction(self) -> bool:
        """SQLite's own answer; refused while another thread is inside."""
        ...

    def execute(self, statements: str, bindings: Sequence[object] | None = None) -> Cursor:
        """Run statements up to the first row."""
        ...

    def executemany(
        self, statements: str, sequenceofbindings: Iterable[Sequence[object]]
    ) -> Cursor:
        """Run statements for each row of parameters, asking for one when the last is done."""
        ...

    def cursor(self) -> Cursor:
        """Make a cursor."""
        ...

    def changes(self) -> int:
        """How many rows the last INSERT, UPDATE or DELETE changed, without triggers."""
        ...

    def total_changes(self) -> int:
        """How many rows were changed since the connection was opened."""
        ...

    def set_progress_handler(self, callable: Callable[[], bool] | None, nsteps: int = 100) -> None:  # noqa: A002  # APSW's name
        """Call something every so many steps."""
        ...

    def set_busy_timeout(self, milliseconds: int) -> None:
        """Wait so long inside SQLite for a lock."""
        ...

    def config(self, op: int, *args: int) -> int:
        """Change a setting."""
        ...

    def limit(self, id: int, newval: int = -1) -> int:  # noqa: A002  # APSW's name
        """Change a limit."""
        ...

    def create_scalar_function(
        self,
        name: str,
        callable: Callable[..., Any],  # noqa: A002  # APSW's name
        numargs: int = -1,
        *,
        deterministic: bool = False,
        flags: int = 0,
    ) -> None:
        """Register a function."""
        ...

    def create_window_function(
        self, name: str, factory: Callable[[], Any], numargs: int = -1, *, flags: int = 0
    ) -> None:
        """Register an aggregate that can go with a window."""
        ...

    def create_collation(self, name: str, callback: Callable[[str, str], int]) -> None:
        """Register a collation."""
        ...

    def interrupt(self) -> None:
        """Make what runs end; from any thread."""
        ...

    def close(self, force: bool = False) -> None:
        """Close; refused while another thread is inside."""
        ...


def code_of(error: BaseException) -> int:
    """Give the extended result code of an error; 0 for one that is not SQLite's."""
    return int(getattr(error, "extendedresult", 0))
