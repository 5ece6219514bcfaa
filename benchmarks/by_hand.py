"""The table that every contender works on, and the raw clients, all with the same settings."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite
import apsw

CREATE = """
CREATE TABLE "people" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "email" VARCHAR(255) NOT NULL,
    "name" TEXT NOT NULL,
    "age" INTEGER NOT NULL,
    "score" REAL NOT NULL,
    "city" TEXT NOT NULL
)
"""
SELECT = 'SELECT "id", "email", "name", "age", "score", "city" FROM "people"'
SELECT_ONE = f'{SELECT} WHERE "id" = ?'
INSERT_ONE = 'INSERT INTO "people" ("email", "name", "age", "score", "city") VALUES (?, ?, ?, ?, ?)'
UPDATE_AGE = 'UPDATE "people" SET "age" = ? WHERE "id" = ?'

PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA busy_timeout = 5000",
)

MAX_PARAMETERS = 32_766
"""What one SQLite statement takes."""

Values = tuple[str, str, int, float, str]
"""A row without its key."""


def values(count: int) -> list[Values]:
    """Rows to store, each different."""
    return [
        (f"person{n}@example.org", f"Person {n}", n % 90, n / 7, f"City {n % 500}")
        for n in range(count)
    ]


def insert_chunks(rows: list[Values]) -> list[tuple[str, list[object]]]:
    """Multi-row INSERTs that return the keys: statement and parameters of each."""
    size = MAX_PARAMETERS // 5
    chunks: list[tuple[str, list[object]]] = []
    for start in range(0, len(rows), size):
        chunk = rows[start : start + size]
        holes = ", ".join(["(?, ?, ?, ?, ?)"] * len(chunk))
        head = INSERT_ONE.partition(" VALUES")[0]
        chunks.append(
            (f'{head} VALUES {holes} RETURNING "id"', [value for row in chunk for value in row])
        )
    return chunks


def make_store(path: Path, count: int) -> Path:
    """A database file with the table and `count` rows in it."""
    db = sqlite3.connect(path, isolation_level=None)
    for pragma in PRAGMAS:
        db.execute(pragma)
    db.execute(CREATE)
    db.execute("BEGIN")
    db.executemany(INSERT_ONE, values(count))
    db.execute("COMMIT")
    db.close()
    return path


def open_sqlite3(path: Path) -> sqlite3.Connection:
    """The standard library's client, transactions by hand."""
    db = sqlite3.connect(path, isolation_level=None)
    for pragma in PRAGMAS:
        db.execute(pragma)
    return db


def open_apsw(path: Path) -> apsw.Connection:
    """APSW without its async face."""
    db = apsw.Connection(str(path))
    for pragma in PRAGMAS:
        db.execute(pragma)
    return db


@asynccontextmanager
async def open_aiosqlite(path: Path) -> AsyncGenerator[aiosqlite.Connection]:
    """The standard library's client in a thread."""
    async with aiosqlite.connect(path, isolation_level=None) as db:
        for pragma in PRAGMAS:
            await db.execute(pragma)
        yield db


def read_all(rows: list[Any]) -> None:
    """Read each column of raw rows once."""
    for _id, _email, _name, _age, _score, _city in rows:
        pass
