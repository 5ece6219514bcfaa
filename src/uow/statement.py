"""What a dialect hands to a driver: text with placeholders, and values beside it."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Many", "Statement"]


class Statement:
    """One statement and its parameters.

    Attributes:
        sql: the text, with the dialect's placeholders.
        parameters: one value a placeholder, in order, as the store takes them.
        reads: whether the statement can only read; a driver may then run it where it stands,
            and run it again if it was cut short before anybody saw a row.
    """

    __slots__ = ("parameters", "reads", "sql")

    def __init__(self, sql: str, parameters: Sequence[object] = (), *, reads: bool = False) -> None:
        self.sql = sql
        self.parameters = parameters
        self.reads = reads

    def __repr__(self) -> str:
        return f"Statement({self.sql!r}, {len(self.parameters)} parameters)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Statement):
            return NotImplemented
        return self.sql == other.sql and tuple(self.parameters) == tuple(other.parameters)

    __hash__ = None  # type: ignore[assignment]  # equality over values that may not be hashable


class Many:
    """One statement sent once for each row of parameters.

    Attributes:
        sql: the text, with the dialect's placeholders.
        rows: one sequence of parameters an execution, in order.
        returns: whether each execution returns rows (a RETURNING clause).
    """

    __slots__ = ("returns", "rows", "sql")

    def __init__(
        self, sql: str, rows: Sequence[Sequence[object]], *, returns: bool = False
    ) -> None:
        self.sql = sql
        self.rows = rows
        self.returns = returns

    def __repr__(self) -> str:
        return f"Many({self.sql!r}, {len(self.rows)} rows)"
