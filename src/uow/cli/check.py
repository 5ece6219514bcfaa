"""`uow check`: whether a database answers, and how it stands with its migrations."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any, Final

import attrs

from uow.cli.common import Common, Task, run
from uow.cli.output import Code
from uow.errors import DriverError
from uow.migrations.status import get_migration_status
from uow.url import URL

__all__ = ["check"]

PINGS: Final = 5


def check(url: str | None = None, /, *, common: Common | None = None) -> int:
    """Connect to a database, and say what it is.

    For example: `uow check postgresql://localhost/shop`; its exit code is 3 if nobody answers.

    Args:
        url: The database; that of the project if it is not given.
        common: Options of every command.
    """
    if url is not None:
        common = attrs.evolve(common or Common(), url=url)

    async def work(task: Task) -> int:
        if url is not None:  # the project's own may be yet to come
            _refuse_missing(task.unopened().url)
        start = time.perf_counter()
        async with task.database() as database:
            opened = time.perf_counter() - start
            connection = await database.pool.acquire()
            try:
                times: list[float] = []
                for _ in range(PINGS):
                    start = time.perf_counter()
                    await connection.ping()
                    times.append(time.perf_counter() - start)
            finally:
                await database.pool.release(connection)
            capabilities = database.dialect.capabilities
            facts: dict[str, Any] = {
                "database": str(database.url),
                "dialect": database.dialect.name,
                "driver": database.driver.name,
                "connected_ms": round(opened * 1000, 2),
                "round_trip_ms": round(statistics.median(times) * 1000, 3),
                "definitions_in_transactions": capabilities.transactional_ddl,
            }
            problems: tuple[str, ...] = ()
            if task.config.migrations.is_dir():
                status = await get_migration_status(database, task.config.migrations)
                facts["version"] = status.current
                facts["pending"] = len(status.pending)
                problems = status.problems
        for name, value in facts.items():
            task.output.say(f"{name.replace('_', ' '):<28} {value}")
        for problem in problems:
            task.output.note(problem, "red")
        task.output.result({**facts, "problems": list(problems)})
        return Code.FAILED if problems else Code.DONE

    return run(common, work)


def _refuse_missing(url: URL) -> None:
    """SQLite makes a file that is not there, so that whatever name is misspelt would do."""
    file = url.database
    if url.scheme == "sqlite" and file and file != ":memory:" and not Path(file).exists():
        raise DriverError(
            f"there is no file {file}; a migration makes it (`uow migrate up`), or `uow schema"
            " create`"
        )
