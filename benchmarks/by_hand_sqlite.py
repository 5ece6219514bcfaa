"""SQLite: the table, the raw clients, all with the same settings, and where contenders work."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite
import apsw
import attrs

from benchmarks.people import Values, values

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


@attrs.frozen
class SqlitePlace:
    """A database file of its own for each contender."""

    path: Path

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    @property
    def options(self) -> Mapping[str, Any]:
        return {"synchronous": "NORMAL"}

    async def fill(self, count: int) -> None:
        """Make the file; called once."""
        make_store(self.path, count)

    async def refresh(self) -> None:
        """Leave everything: rows change in place, and an added row costs the same in any table."""


@attrs.frozen
class SqlitePlaces:
    """A folder a row, in a folder that is thrown away."""

    folder: Path

    def place(self, row: str, contender: str) -> SqlitePlace:
        """A file that does not exist yet."""
        folder = self.folder / row / contender
        folder.mkdir(parents=True)
        return SqlitePlace(folder / "db")

    def hold_to_cores(self, _is_round_trips: bool) -> str:
        """Hold nobody: there is no other side."""
        return ""

    @property
    def about(self) -> Mapping[str, str]:
        """What was measured."""
        return {
            "sqlite3": sqlite3.sqlite_version,
            "apsw": apsw.apsw_version(),
            "settings": "; ".join(pragma.removeprefix("PRAGMA ") for pragma in PRAGMAS),
        }


@asynccontextmanager
async def open_sqlite_places(folder: Path) -> AsyncGenerator[SqlitePlaces]:
    """Files in a folder."""
    yield SqlitePlaces(folder)


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
