"""What a dialect hands to a driver: text with placeholders, and values beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias, final, overload

__all__ = [
    "Columns",
    "Load",
    "Many",
    "Numbered",
    "Sendable",
    "Statement",
    "values_of",
    "with_column",
    "without_column",
]


@final
class Columns(Sequence[tuple[Any, ...]]):
    """Encoded rows that are kept as one list a column, and are tuples only to who looks at one.

    For stores that take a batch as one array a column: many rows cost no object each.

    Attributes:
        columns: the values of each column, in the order of the rows; at least one column.
    """

    __slots__ = ("columns",)

    def __init__(self, columns: list[list[Any]]) -> None:
        self.columns = columns

    def __repr__(self) -> str:
        return f"<Columns: {len(self)} rows of {len(self.columns)}>"

    def __len__(self) -> int:
        return len(self.columns[0])

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return zip(*self.columns, strict=True)

    @overload
    def __getitem__(self, place: int) -> tuple[Any, ...]: ...
    @overload
    def __getitem__(self, place: slice) -> Columns: ...
    def __getitem__(self, place: int | slice) -> tuple[Any, ...] | Columns:
        if isinstance(place, slice):
            return Columns([values[place] for values in self.columns])
        return tuple([values[place] for values in self.columns])


def values_of(rows: Sequence[Sequence[Any]], place: int) -> list[Any]:
    """Give the values of one column of encoded rows."""
    return rows.columns[place] if isinstance(rows, Columns) else [row[place] for row in rows]


def with_column(
    rows: Sequence[Sequence[Any]], place: int, values: list[Any]
) -> Sequence[tuple[Any, ...]]:
    """Give encoded rows with one more value each, which stands at a place."""
    if isinstance(rows, Columns):
        return Columns([*rows.columns[:place], values, *rows.columns[place:]])
    pairs = zip(rows, values, strict=True)
    return [(*row[:place], value, *row[place:]) for row, value in pairs]


def without_column(rows: Sequence[Sequence[Any]], place: int) -> Sequence[tuple[Any, ...]]:
    """Give encoded rows without the value that stands at a place."""
    if isinstance(rows, Columns) and len(rows.columns) > 1:
        return Columns([*rows.columns[:place], *rows.columns[place + 1 :]])
    return [(*row[:place], *row[place + 1 :]) for row in rows]


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


class Load:
    """New rows of one table sent as one stream, past the statements, where the store has that.

    Attributes:
        sql: what is done, for those who look at what is sent.
        schema: the schema of the table, None for the store's default.
        table: its name.
        columns: the names of the columns that are given, after the key's if keys are taken.
        rows: one sequence of values a row, in that order, without the key.
        permit: asks the store whether the stream may be sent. It answers a row of one value for
            each row to be inserted, its key, if keys are taken; else one row; no row means no.
        takes_keys: whether the answers of `permit` are the keys.
        otherwise: gives the statements that insert the same rows, and return their keys if keys
            are taken.
    """

    __slots__ = ("columns", "otherwise", "permit", "rows", "schema", "sql", "table", "takes_keys")

    def __init__(
        self,
        *,
        schema: str | None,
        table: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[object]],
        permit: Statement,
        takes_keys: bool,
        otherwise: Callable[[], Sequence[Statement]],
        sql: str,
    ) -> None:
        self.schema = schema
        self.table = table
        self.columns = columns
        self.rows = rows
        self.permit = permit
        self.takes_keys = takes_keys
        self.otherwise = otherwise
        self.sql = sql

    def __repr__(self) -> str:
        return f"Load({self.sql!r}, {len(self.rows)} rows)"


class Numbered:
    """New rows of one table whose keys the store numbers, where it tells only the first of them.

    Attributes:
        sql: one INSERT of all the rows, whose keys follow each other in the order of the rows.
        rows: one sequence of parameters a row, in order.
        table: the table's name.
        one: the INSERT of one row, for a table where keys may not follow each other.
    """

    __slots__ = ("one", "rows", "sql", "table")

    def __init__(self, sql: str, rows: Sequence[Sequence[object]], *, table: str, one: str) -> None:
        self.sql = sql
        self.rows = rows
        self.table = table
        self.one = one

    def __repr__(self) -> str:
        return f"Numbered({self.sql!r}, {len(self.rows)} rows)"


Sendable: TypeAlias = Statement | Many | Load | Numbered
"""What a batch of a flush becomes."""
