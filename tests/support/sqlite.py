"""SQLite files with empty tables: made once in a process of the run, then copied."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import anyio.to_thread

from uow.url import parse_url

__all__ = ["empty", "remember"]

# In a process of its own: two libraries in one process undo each other's locks.
_READ: Final = """
import sqlite3, sys
sys.stdout.buffer.write(sqlite3.connect(sys.argv[1]).serialize())
"""

_known: list[bytes] = []


async def empty(url: str) -> bool:
    """Make the file with its tables, if it is known what they are; say whether it is."""
    if _known:
        Path(_file_of(url)).write_bytes(_known[0])  # noqa: ASYNC240 - a few pages
    return bool(_known)


async def remember(url: str) -> None:
    """Take note of a file in which the tables are."""
    command = [sys.executable, "-c", _READ, _file_of(url)]
    read = await anyio.to_thread.run_sync(
        lambda: subprocess.run(command, capture_output=True, check=True)
    )
    _known[:] = [read.stdout]


def _file_of(url: str) -> str:
    file = parse_url(url).database
    assert file is not None
    return file
