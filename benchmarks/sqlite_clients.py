"""Which SQLite client, and where should it run?

Compares, for the work a session does, APSW inline, APSW behind three kinds of thread hop, the
standard library's sqlite3 in a worker thread, and aiosqlite. Every figure is the median of
interleaved rounds in one process.

    python benchmarks/sqlite_clients.py [--rounds 7] [--backend asyncio|trio|both]
"""

from __future__ import annotations

import argparse
import collections
import os
import platform
import queue
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, cast

import aiosqlite
import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import apsw
import apsw.aio

from uow.drivers.base import TransactionOptions
from uow.drivers.sqlite import create
from uow.statement import Many, Statement
from uow.url import parse_url

ROWS = 10_000
BATCH = 5_000
GETS = 400
SELECT_ALL = "SELECT id, name, email, age, score, joined FROM t"
SELECT_ONE = SELECT_ALL + " WHERE id = ?1"
INSERT = "INSERT INTO n (name, email, age, score, joined) VALUES (?1, ?2, ?3, ?4, ?5)"
UPDATE = "UPDATE t SET age = ?1 WHERE id = ?2"

Case = Callable[[], Awaitable[None]]


class WorkerThread:
    """One thread with a queue of calls, answered through the event loop that asked."""

    def __init__(self) -> None:
        self.queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.token = anyio.lowlevel.current_token()
        self.loop: Any = None
        try:
            import asyncio

            self.loop = asyncio.get_running_loop()
        except RuntimeError:
            import trio

            self.trio_token = trio.lowlevel.current_trio_token()
        threading.Thread(target=self.work, daemon=True).start()

    def work(self) -> None:
        while (job := self.queue.get()) is not None:
            call, slot, event = job
            slot.append(call())
            if self.loop is not None:
                self.loop.call_soon_threadsafe(event.set)
            else:
                self.trio_token.run_sync_soon(event.set)

    async def run(self, call: Callable[[], Any]) -> Any:
        slot: list[Any] = []
        event = anyio.Event()
        self.queue.put((call, slot, event))
        await event.wait()
        return slot[0]


def make_file(path: str) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    for name in ("t", "n"):
        database.execute(
            f"CREATE TABLE {name} (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, email TEXT,"
            " age INTEGER, score REAL, joined TEXT)"
        )
    rows = [row(i) for i in range(ROWS)]
    database.executemany(INSERT.replace("INTO n", "INTO t"), rows)
    database.commit()
    database.close()


def row(i: int) -> tuple[Any, ...]:
    return (f"name {i}", f"user{i}@example.org", i % 90, i / 7, "2024-01-01 00:00:00.000000+00:00")


def values_text(n: int) -> str:
    one = "(" + ",".join("?" * 5) + ")"
    return (
        "INSERT INTO n (name, email, age, score, joined) VALUES "
        + ",".join([one] * n)
        + " RETURNING id"
    )


async def cases(path: str) -> dict[str, dict[str, Case]]:  # noqa: C901, PLR0915  # one list
    # Two copies of SQLite in one process do not see each other's locks: a file for each.
    other = path + ".other"
    make_file(other)
    apsw_db = apsw.Connection(path)
    std = sqlite3.connect(
        other, isolation_level=None, check_same_thread=False, cached_statements=512
    )
    aio = await aiosqlite.connect(other, isolation_level=None)
    driver = create(parse_url(f"sqlite:///{path}"), {})
    ours = await driver.connect()
    worker = WorkerThread()
    apsw.async_controller.set(cast("Any", apsw.aio.AnyIO))
    native = await apsw.Connection.as_async(path)
    rows = [row(i) for i in range(BATCH)]
    updates = [(i % 80, i + 1) for i in range(BATCH)]

    async def thread(call: Callable[[], Any]) -> Any:
        return await anyio.to_thread.run_sync(call)

    # -- hop ---------------------------------------------------------------------------------
    async def hop_to_thread() -> None:
        for _ in range(GETS):
            await thread(int)

    async def hop_worker() -> None:
        for _ in range(GETS):
            await worker.run(int)

    async def hop_none() -> None:
        for _ in range(GETS):
            await anyio.lowlevel.checkpoint()

    # -- get by key --------------------------------------------------------------------------
    def apsw_get(i: int) -> Any:
        return apsw_db.execute(SELECT_ONE, (i,)).fetchall()

    def std_get(i: int) -> Any:
        return std.execute(SELECT_ONE, (i,)).fetchall()

    async def get_inline() -> None:
        for i in range(GETS):
            apsw_get(i)

    calls = 0

    def limit() -> bool:
        # SQLite counts steps over the whole life of a cached statement, so the first call after
        # the start says nothing; the second means that a full limit has passed.
        nonlocal calls
        calls += 1
        return calls > 1

    async def get_inline_counted() -> None:
        nonlocal calls
        apsw_db.set_progress_handler(limit, 10_000)
        for i in range(GETS):
            calls = 0
            apsw_get(i)
        apsw_db.set_progress_handler(None)

    async def get_inline_limited() -> None:
        nonlocal calls
        for i in range(GETS):
            calls = 0
            apsw_db.set_progress_handler(limit, 10_000)
            apsw_get(i)
            apsw_db.set_progress_handler(None)

    async def get_std_inline() -> None:
        for i in range(GETS):
            std_get(i)

    async def get_to_thread() -> None:
        for i in range(GETS):
            await thread(partial(apsw_get, i))

    async def get_worker() -> None:
        for i in range(GETS):
            await worker.run(partial(apsw_get, i))

    async def get_native() -> None:
        for i in range(GETS):
            cursor = await native.execute(SELECT_ONE, (i,))
            await cursor.fetchall()

    async def get_std_thread() -> None:
        for i in range(GETS):
            await thread(partial(std_get, i))

    async def get_aiosqlite() -> None:
        for i in range(GETS):
            async with aio.execute(SELECT_ONE, (i,)) as cursor:
                await cursor.fetchone()

    async def get_ours() -> None:
        for i in range(GETS):
            await ours.fetch(Statement(SELECT_ONE, (i,), reads=True))

    # -- fetch all ---------------------------------------------------------------------------
    async def all_inline() -> None:
        apsw_db.execute(SELECT_ALL).fetchall()

    async def all_sliced() -> None:
        cursor = apsw_db.execute(SELECT_ALL)
        result: list[Any] = []
        while part := list(islice(cursor, 512)):
            result += part
            await anyio.lowlevel.checkpoint()

    async def all_limited() -> None:
        apsw_db.set_progress_handler(lambda: False, 2_000)
        apsw_db.execute(SELECT_ALL).fetchall()
        apsw_db.set_progress_handler(None)

    async def all_worker() -> None:
        await worker.run(lambda: apsw_db.execute(SELECT_ALL).fetchall())

    async def all_to_thread() -> None:
        await thread(lambda: apsw_db.execute(SELECT_ALL).fetchall())

    async def all_native() -> None:
        await (await native.execute(SELECT_ALL)).fetchall()

    async def all_std_inline() -> None:
        std.execute(SELECT_ALL).fetchall()

    async def all_std_thread() -> None:
        await thread(lambda: std.execute(SELECT_ALL).fetchall())

    async def all_aiosqlite() -> None:
        await aio.execute_fetchall(SELECT_ALL)

    async def all_ours() -> None:
        await ours.fetch(Statement(SELECT_ALL, reads=True))

    # -- insert with keys --------------------------------------------------------------------
    def in_transaction(database: Any, work: Callable[[], Any]) -> Callable[[], Any]:
        def run() -> Any:
            database.execute("BEGIN IMMEDIATE")
            try:
                return work()
            finally:
                database.execute("ROLLBACK")

        return run

    returning = INSERT + " RETURNING id"

    def insert_returning(database: Any) -> Any:
        return [database.execute(returning, r).fetchone()[0] for r in rows]

    def insert_rowid_apsw() -> Any:
        execute, key = apsw_db.execute, apsw_db.last_insert_rowid
        keys = []
        for r in rows:
            execute(INSERT, r)
            keys.append(key())
        return keys

    def insert_rowid_std() -> Any:
        cursor = std.cursor()
        execute, keys = cursor.execute, []
        for r in rows:
            execute(INSERT, r)
            keys.append(cursor.lastrowid)
        return keys

    def insert_many_apsw() -> Any:
        return apsw_db.executemany(returning, rows).fetchall()

    def insert_values(database: Any, size: int) -> Callable[[], Any]:
        full = values_text(size)

        def run() -> Any:
            keys: list[Any] = []
            for at in range(0, BATCH, size):
                part = rows[at : at + size]
                flat = [value for r in part for value in r]
                sql = full if len(part) == size else values_text(len(part))
                keys += database.execute(sql, flat).fetchall()
            return keys

        return run

    async def insert_ours() -> None:
        await ours.begin(TransactionOptions())
        sql = values_text(100)
        for at in range(0, BATCH, 100):
            flat = [value for r in rows[at : at + 100] for value in r]
            await ours.fetch(Statement(sql, flat))
        await ours.rollback()

    # -- update with matched rows ------------------------------------------------------------
    def update_changes_apsw() -> Any:
        execute, changes, counts = apsw_db.execute, apsw_db.changes, []
        for r in updates:
            execute(UPDATE, r)
            counts.append(changes())
        return counts

    def update_many_between() -> Any:
        changes, counts = apsw_db.changes, []

        def feed() -> Iterator[Any]:
            for r in updates:
                yield r
                counts.append(changes())

        apsw_db.executemany(UPDATE, feed())
        return counts

    def update_many_returning() -> Any:
        return apsw_db.executemany(UPDATE + " RETURNING id", updates).fetchall()

    def update_many_total() -> Any:
        before = apsw_db.total_changes()
        apsw_db.executemany(UPDATE, updates)
        return apsw_db.total_changes() - before

    def update_loop_std() -> Any:
        cursor = std.cursor()
        execute, counts = cursor.execute, []
        for r in updates:
            execute(UPDATE, r)
            counts.append(cursor.rowcount)
        return counts

    def update_many_std() -> Any:
        return std.executemany(UPDATE, updates).rowcount

    def inline(call: Callable[[], Any]) -> Case:
        async def run() -> None:
            call()

        return run

    def hopped(call: Callable[[], Any]) -> Case:
        async def run() -> None:
            await worker.run(call)

        return run

    async def update_ours() -> None:
        await ours.begin(TransactionOptions())
        await ours.execute_many(Many(UPDATE, updates))
        await ours.rollback()

    # -- commit ------------------------------------------------------------------------------
    def unit(database: Any) -> Callable[[], Any]:
        def run() -> None:
            for i in range(20):
                database.execute("BEGIN IMMEDIATE")
                database.execute(UPDATE, (i, 1))
                database.execute("COMMIT")

        return run

    def begin_rollback() -> None:
        for _ in range(100):
            apsw_db.execute("BEGIN IMMEDIATE")
            apsw_db.execute("ROLLBACK")

    def single_writes() -> None:
        apsw_db.execute("BEGIN IMMEDIATE")
        for i in range(100):
            apsw_db.execute(UPDATE, (i, i + 1))
        apsw_db.execute("ROLLBACK")

    async def closing() -> None:
        await aio.close()
        await native.aclose()
        await ours.aclose()
        worker.queue.put(None)
        apsw_db.close()
        std.close()

    return {
        f"thread hop (us each, {GETS})": {
            "checkpoint": hop_none,
            "anyio.to_thread": hop_to_thread,
            "own thread + queue": hop_worker,
        },
        f"get by key (us each, {GETS})": {
            "apsw inline": get_inline,
            "apsw inline, step limit on": get_inline_counted,
            "apsw inline, step limit set each time": get_inline_limited,
            "uow's driver": get_ours,
            "sqlite3 inline": get_std_inline,
            "apsw to_thread": get_to_thread,
            "apsw own thread": get_worker,
            "apsw as_async": get_native,
            "sqlite3 to_thread": get_std_thread,
            "aiosqlite": get_aiosqlite,
        },
        f"fetch {ROWS} rows x 6 (ms)": {
            "apsw inline": all_inline,
            "apsw inline, step handler each 2000": all_limited,
            "apsw inline in slices of 512": all_sliced,
            "apsw own thread": all_worker,
            "apsw to_thread": all_to_thread,
            "apsw as_async": all_native,
            "uow's driver": all_ours,
            "sqlite3 inline (floor)": all_std_inline,
            "sqlite3 to_thread": all_std_thread,
            "aiosqlite": all_aiosqlite,
        },
        f"insert {BATCH} rows, keys back (ms)": {
            "apsw executemany RETURNING": inline(in_transaction(apsw_db, insert_many_apsw)),
            "apsw executemany RETURNING, own thread": hopped(
                in_transaction(apsw_db, insert_many_apsw)
            ),
            "apsw loop RETURNING": inline(
                in_transaction(apsw_db, lambda: insert_returning(apsw_db))
            ),
            "apsw loop last_insert_rowid": inline(in_transaction(apsw_db, insert_rowid_apsw)),
            "apsw VALUES x 50": inline(in_transaction(apsw_db, insert_values(apsw_db, 50))),
            "apsw VALUES x 200": inline(in_transaction(apsw_db, insert_values(apsw_db, 200))),
            "apsw VALUES x 1000": inline(in_transaction(apsw_db, insert_values(apsw_db, 1000))),
            "uow's driver, VALUES x 100": insert_ours,
            "sqlite3 loop RETURNING": inline(in_transaction(std, lambda: insert_returning(std))),
            "sqlite3 loop lastrowid (floor)": inline(in_transaction(std, insert_rowid_std)),
            "sqlite3 VALUES x 200": inline(in_transaction(std, insert_values(std, 200))),
        },
        f"update {BATCH} rows, matched rows back (ms)": {
            "apsw loop changes()": inline(in_transaction(apsw_db, update_changes_apsw)),
            "apsw executemany RETURNING": inline(in_transaction(apsw_db, update_many_returning)),
            "apsw executemany, total only": inline(in_transaction(apsw_db, update_many_total)),
            "apsw executemany, total only, own thread": hopped(
                in_transaction(apsw_db, update_many_total)
            ),
            "apsw executemany, changes() between rows": inline(
                in_transaction(apsw_db, update_many_between)
            ),
            "uow's driver, a count each": update_ours,
            "sqlite3 loop rowcount": inline(in_transaction(std, update_loop_std)),
            "sqlite3 executemany (floor)": inline(in_transaction(std, update_many_std)),
        },
        "small statements (us each)": {
            "100 x BEGIN IMMEDIATE, ROLLBACK": inline(begin_rollback),
            "100 x UPDATE by key in a transaction": inline(single_writes),
            "20 x BEGIN, UPDATE, COMMIT (synchronous FULL)": inline(unit(apsw_db)),
        },
        "": {"close": closing},
    }


SCALE = {"(us each, 400)": 1e6 / GETS, "(ms)": 1e3}
SMALL = {"100": 1e6 / 100, "20 x": 1e6 / 20}


async def measure(backend: str, rounds: int) -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("UOW_BENCH_DIR")) as folder:
        path = str(Path(folder) / "bench.db")
        make_file(path)
        groups = await cases(path)
        closing = groups.pop("")["close"]
        for title, members in groups.items():
            times: dict[str, list[float]] = collections.defaultdict(list)
            for _ in range(rounds + 1):
                for name, case in members.items():
                    start = time.perf_counter()
                    await case()
                    times[name].append(time.perf_counter() - start)
            print(f"\n[{backend}] {title}")
            for name, values in times.items():
                scale = next((s for k, s in SCALE.items() if title.endswith(k)), None)
                if scale is None:
                    scale = next(s for k, s in SMALL.items() if name.startswith(k))
                print(f"  {name:<50} {statistics.median(values[1:]) * scale:10.2f}")
        await closing()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--backend", choices=["asyncio", "trio", "both"], default="both")
    arguments = parser.parse_args()
    print(
        f"{platform.platform()}, Python {platform.python_version()}, apsw {apsw.apsw_version()}"
        f" (SQLite {apsw.sqlite_lib_version()}), sqlite3 {sqlite3.sqlite_version},"
        f" anyio {version('anyio')}, {os.cpu_count()} cores"
    )
    chosen = ["asyncio", "trio"] if arguments.backend == "both" else [arguments.backend]
    for backend in chosen:
        if backend == "trio":
            # aiosqlite speaks asyncio only.
            anyio.run(measure_trio, arguments.rounds, backend="trio")
        else:
            anyio.run(measure, backend, arguments.rounds)


async def measure_trio(rounds: int) -> None:
    """The cases that trio can run: the hops and gets without aiosqlite."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "bench.db")
        make_file(path)
        database = apsw.Connection(path)
        worker = WorkerThread()

        def get(i: int) -> Any:
            return database.execute(SELECT_ONE, (i,)).fetchall()

        async def checkpoint(_: int) -> None:
            await anyio.lowlevel.checkpoint()

        async def to_thread(i: int) -> None:
            await anyio.to_thread.run_sync(get, i)

        async def own_thread(i: int) -> None:
            await worker.run(lambda: get(i))

        print("\n[trio] us each")
        for name, case in (
            ("checkpoint", checkpoint),
            ("get by key, apsw to_thread", to_thread),
            ("get by key, apsw own thread", own_thread),
        ):
            values = []
            for _ in range(rounds + 1):
                start = time.perf_counter()
                for i in range(GETS):
                    await case(i)
                values.append(time.perf_counter() - start)
            print(f"  {name:<50} {statistics.median(values[1:]) * 1e6 / GETS:10.2f}")
        worker.queue.put(None)
        database.close()


if __name__ == "__main__":
    main()
