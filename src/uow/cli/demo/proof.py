"""Whether memory and file agree, asked of the file past this library."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from uow.cli.demo.models import Airport

__all__ = ["count_rows", "miscounted_countries", "table_differences"]

COLUMNS = (
    "icao", "iata", "name", "city", "subdivision", "country_code", "time_zone_id", "elevation",
    "latitude", "longitude", "version",
)  # fmt: skip


@contextmanager
def _opened(path: Path) -> Generator[Any]:
    """The file, read-only, through the client alone.

    The client is the one the driver uses: another copy of SQLite in this process would undo the
    locks of this one when it closes the file.
    """
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        yield db
    finally:
        db.close()


def count_rows(path: Path) -> dict[str, int]:
    """How many rows each table holds."""
    with _opened(path) as db:
        return {
            table: int(db.execute(f'SELECT count(*) FROM "{table}"').get)
            for table in ("countries", "time_zones", "airports")
        }


def table_differences(path: Path, airports: Iterable[Airport], where: str = "1") -> list[str]:
    """Compare every column of objects with the rows of the file that `where` names, both ways.

    Returns:
        A line for each object without a row, row without an object, and value that differs.
    """
    memory = {one.icao: tuple(getattr(one, name) for name in COLUMNS) for one in airports}
    with _opened(path) as db:
        names = ", ".join(f'"{name}"' for name in COLUMNS)
        rows: list[tuple[Any, ...]] = db.execute(
            f'SELECT {names} FROM "airports" WHERE {where}'
        ).fetchall()
    file = {row[0]: row for row in rows}
    missing = [f"{key}: in memory only" for key in memory.keys() - file.keys()]
    unknown = [f"{key}: in the file only" for key in file.keys() - memory.keys()]
    changed = [
        f"{key}.{name}: differs"
        for key in memory.keys() & file.keys()
        for name, ours, theirs in zip(COLUMNS, memory[key], file[key], strict=True)
        if ours != theirs or type(ours) is not type(theirs)
    ]
    return sorted(missing + unknown + changed)


def miscounted_countries(path: Path) -> list[str]:
    """The countries whose count of airports is not the number of their rows."""
    with _opened(path) as db:
        rows: list[Any] = db.execute(
            "SELECT c.code FROM countries c WHERE c.airports <> "
            "(SELECT count(*) FROM airports a WHERE a.country_code = c.code)"
        ).fetchall()
    return [code for (code,) in rows]
