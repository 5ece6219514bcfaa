"""Folders of migrations for tests, and the databases they are run on."""

from __future__ import annotations

import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import ClassVar, Final

import anyio
import attrs

from tests.support import mysql, postgresql
from uow import Database

__all__ = ["STORES", "Folder", "Middle", "Store", "open_empty"]

HEAD: Final = (
    "from tests.uow.migrations.support import Middle\n"
    "from uow import Migration, Session, Table, Column, Mapped, Registry, sql\n"
)


class Middle:
    """A place in a migration that a test waits for, and lets it go on from.

    A migration is a file of its own: it finds the one of its test as ``Middle.current``.
    """

    current: ClassVar[Middle]

    def __init__(self) -> None:
        self.reached = anyio.Event()
        self.passed = anyio.Event()
        Middle.current = self

    async def wait(self) -> None:
        """Say that it is reached, and wait until it may be passed."""
        self.reached.set()
        await self.passed.wait()


class Folder:
    """A folder of migrations."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(exist_ok=True)

    def add(self, version: str, up: str, down: str | None = "pass", *, extra: str = "") -> Path:
        """Write a migration; its methods are given as their bodies."""
        lines = [HEAD, f"class M{version.replace('.', '_').replace('-', '_')}(Migration):"]
        lines += [f"    version = {version!r}", textwrap.indent(textwrap.dedent(extra), "    ")]
        lines += ["    async def up(self):", textwrap.indent(textwrap.dedent(up), "        ")]
        if down is not None:
            lines += [
                "    async def down(self):",
                textwrap.indent(textwrap.dedent(down), "        "),
            ]
        path = self.path / f"{version}_step.py"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path


@attrs.frozen
class Store:
    """A store to run migrations on.

    Attributes:
        name: what it is.
        fixture: gives the URL of its database; None for a SQLite file.
        clear: takes away what is in it.
        is_thorough: whether its tests are for one version of Python.
    """

    name: str
    fixture: str | None = None
    clear: Callable[[str], Awaitable[None]] | None = None
    is_thorough: bool = False

    @property
    def takes_back(self) -> bool:
        """Whether definitions are part of transactions."""
        return self.name in {"sqlite", "postgresql"}


STORES: Final = {
    one.name: one
    for one in (
        Store("sqlite"),
        Store("postgresql", "postgresql_database", postgresql.clear),
        Store("mariadb", "mariadb_database", mysql.clear),
        Store("mysql", "mysql_database", mysql.clear, is_thorough=True),
    )
}


async def open_empty(store: Store, url: str) -> AsyncIterator[Database]:
    """Open an empty database; every connection must come back."""
    if store.clear is not None:
        await store.clear(url)
    async with Database(url, default=True, pool_timeout=5.0) as database:
        yield database

        stats = database.pool.stats
        assert stats.in_use == 0, "a connection was not given back"
    if store.clear is not None:
        with anyio.CancelScope(shield=True):
            await store.clear(url)
