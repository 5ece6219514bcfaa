"""The rows of the budget that concern SQLite, in the order they are measured."""

from __future__ import annotations

from benchmarks.measure import Row
from benchmarks.rows import attribute, get, idle_flush, insert, load, memory, small_unit, update

ROWS: tuple[Row, ...] = (
    load.ROW,
    insert.ROW,
    update.ROW,
    get.ROW,
    small_unit.ROW,
    idle_flush.ROW,
    memory.ROW,
    attribute.ROW,
)
