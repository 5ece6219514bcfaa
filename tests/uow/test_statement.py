"""Rows that are kept as columns."""

from __future__ import annotations

import pytest

from uow.statement import Columns, values_of, with_column

ROWS = [(1, "a"), (2, "b"), (3, "c")]


def test_columns_are_rows() -> None:
    """To who looks they are tuples, as rows are otherwise."""
    columns = Columns([[1, 2, 3], ["a", "b", "c"]])

    assert len(columns) == 3
    assert list(columns) == ROWS
    assert columns[0] == (1, "a")
    assert columns[-1] == (3, "c")
    assert list(columns[1:]) == ROWS[1:]
    assert isinstance(columns[1:], Columns)
    assert repr(columns) == "<Columns: 3 rows of 2>"


def test_columns_of_different_lengths() -> None:
    """A row that lacks a value is none."""
    with pytest.raises(ValueError, match="shorter"):
        list(Columns([[1, 2], ["a"]]))


@pytest.mark.parametrize("rows", [ROWS, Columns([[1, 2, 3], ["a", "b", "c"]])])
def test_one_column(rows: list[tuple[int, str]]) -> None:
    """A column is read and put in, whatever the rows are."""
    assert values_of(rows, 1) == ["a", "b", "c"]
    assert list(with_column(rows, 1, [7, 8, 9])) == [(1, 7, "a"), (2, 8, "b"), (3, 9, "c")]
    assert list(rows) == ROWS
