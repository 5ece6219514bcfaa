"""What is in the table that every contender works on, whatever keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Values = tuple[str, str, int, float, str]
"""A row without its key: e-mail address, name, age, score, city."""


def values(count: int) -> list[Values]:
    """Rows to store, each different."""
    return [
        (f"person{n}@example.org", f"Person {n}", n % 90, n / 7, f"City {n % 500}")
        for n in range(count)
    ]


def read_all(rows: Iterable[Any]) -> None:
    """Read each column of raw rows once."""
    for _id, _email, _name, _age, _score, _city in rows:
        pass
