"""A database under test, and what can be seen of it from outside."""

from __future__ import annotations

import gc
import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import apsw
import attrs

from tests.faults.models import MODELS, Account
from uow import Database, State, changes, state
from uow.drivers.memory import MemoryDriver
from uow.mapping.mapper import mapper_of
from uow.tracking.state import GONE, state_of

Rows = dict[str, tuple[Any, ...]]

START = [
    (1, "ann@x.org", "Ann", 10, '["a"]', "old", 1),
    (2, "bob@x.org", "Bob", 20, "[]", "old", 3),
    (3, "cy@x.org", "Cy", 30, "[]", "old", 1),
]


class Ask(Protocol):
    """Runs one statement and gives its rows."""

    def __call__(self, text: str, values: Sequence[object] = (), /) -> list[Any]: ...


@attrs.define(eq=False)
class World:
    """A database, and a line to its rows that does not go through us.

    Attributes:
        database: what is tested.
        target: where the same rows are, for a connection that is not ours.
        objects: the objects of the run, to be compared with the rows in the end.
    """

    database: Database
    target: str
    objects: list[Any] = attrs.field(factory=list)

    @property
    def driver(self) -> MemoryDriver:
        """The driver with fault points."""
        driver = self.database.driver
        assert isinstance(driver, MemoryDriver)
        return driver

    def see(self, *objects: Any) -> Any:
        """Have objects compared in the end; gives back the first."""
        self.objects.extend(objects)
        return objects[0]

    @contextmanager
    def outside(self) -> Iterator[Ask]:
        """A connection that is not ours, through the client library of the driver.

        Two copies of SQLite in one process must not have one file open: closing it in one drops
        the locks of the other ("How To Corrupt", section 2.2.1,
        https://www.sqlite.org/howtocorrupt.html).
        """
        store: Any
        if isinstance(self.database.driver, MemoryDriver):
            store = sqlite3.connect(self.target, isolation_level=None, timeout=5)
        else:
            store = apsw.Connection(self.target)
            store.set_busy_timeout(5000)
        with closing(store):
            yield lambda text, values=(): list(store.execute(text, values))

    async def create(self) -> None:
        """Make the tables and the first rows."""
        await self.database.create_all(MODELS)
        self.reset()

    def reset(self) -> None:
        """Put the first rows back."""
        self.objects.clear()
        with self.outside() as ask:
            ask("BEGIN IMMEDIATE")
            ask("DELETE FROM fault_entries")
            ask("DELETE FROM fault_accounts")
            for row in START:
                ask("INSERT INTO fault_accounts VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            ask("INSERT INTO fault_entries VALUES ('one', 1, 'first')")
            ask("COMMIT")

    def rows(self) -> Rows:
        """What is stored: accounts by address (without the key), entries by code."""
        with self.outside() as ask:
            accounts = ask("SELECT email, name, amount, tags, grade, version FROM fault_accounts")
            entries = ask(
                "SELECT code, text, email FROM fault_entries"
                " JOIN fault_accounts ON fault_accounts.id = account_id"
            )
        return {row[0]: row[1:] for row in (*accounts, *entries)}

    def assert_quiet(self) -> None:
        """Nothing is on loan, the counters balance, and the store can be written at once."""
        stats = self.database.pool.stats

        assert stats.in_use == 0, self.database.pool.holders()
        assert stats.size == stats.idle <= self.database.pool.max_size
        assert stats.waiting == 0
        assert stats.acquired == stats.released + stats.terminated
        self._assert_closed(stats.size)
        with self.outside() as ask:
            ask("PRAGMA busy_timeout = 0")
            ask("BEGIN IMMEDIATE")
            ask("ROLLBACK")

    def _assert_closed(self, size: int) -> None:
        """What is given up is closed in its thread, which may need a moment, and ends then."""
        deadline = time.monotonic() + 5
        while sum(thread.name == "uow sqlite" for thread in threading.enumerate()) > size:
            assert time.monotonic() < deadline, threading.enumerate()
            time.sleep(0.001)

    def assert_agrees(self) -> None:
        """What the objects say of themselves is what is stored."""
        with self.outside() as ask:
            for obj in self.objects:
                check_object(obj, ask)


def check_object(obj: Any, ask: Ask) -> None:
    """Compare one object with its row."""
    mapper = mapper_of(obj)
    table, key = mapper.table_name, mapper.key[0].name
    names = [column.name for column in mapper.columns]
    rows = ask(f"SELECT {', '.join(names)} FROM {table} WHERE {key} = ?", (getattr(obj, key),))
    is_gone = state_of(obj) is GONE
    if state(obj) in (State.TRANSIENT, State.PENDING) or is_gone:
        assert not rows, f"{obj!r} is {state(obj)}, and has a row"
        if isinstance(obj, Account) and not is_gone:
            assert obj.id is None
            assert not has(obj, "version")
            assert not has(obj, "grade")
            assert not ask("SELECT 1 FROM fault_accounts WHERE email = ?", (obj.email,))
        return

    assert rows, f"{obj!r} is {state(obj)}, and has no row"
    found = dict(zip(names, rows[0], strict=True))
    changed = changes(obj)
    for column in mapper_of(obj).columns:
        name = column.attribute
        if name in changed or has(obj, name):
            value = changed[name][0] if name in changed else getattr(obj, name)
            stored = json.loads(found[name]) if name == "tags" else found[name]
            assert value == stored, f"{obj!r}.{name} says {value!r}, and {stored!r} is stored"


def has(obj: Any, name: str) -> bool:
    """Whether a field is loaded."""
    return mapper_of(obj).by_attribute[name].is_loaded(obj)


def sqlite_world(folder: Path, **options: Any) -> World:
    """A file, without waiting for the disk: what is tested is order, not durability."""
    path = folder / "faults.db"
    options = {"synchronous": "OFF", **options}
    return World(Database(f"sqlite:///{path}", default=True, **options), str(path))


def memory_world(**options: Any) -> World:
    """The store with fault points."""
    database = Database("memory://", default=True, **options)
    driver = database.driver
    assert isinstance(driver, MemoryDriver)
    assert driver._folder is not None
    return World(database, driver._folder.file)


def threads_and_files() -> tuple[int, int]:
    """How many threads and open files this process has, without trio's own spare threads."""
    gc.collect()
    threads = [one for one in threading.enumerate() if not one.name.startswith("Trio")]
    return len(threads), len(list(Path("/proc/self/fd").iterdir()))


def assert_nothing_left(before: tuple[int, int]) -> None:
    """No more threads and files than before; a thread may need a moment to end."""
    deadline = time.monotonic() + 5
    now = threads_and_files()
    while now[0] > before[0] or now[1] > before[1]:
        assert time.monotonic() < deadline, (before, now, threading.enumerate())
        time.sleep(0.01)
        now = threads_and_files()


def emails(objects: Iterable[Account]) -> list[str]:
    """The addresses, in order."""
    return sorted(obj.email for obj in objects)
