"""MariaDB and MySQL: the server, the table, asyncmy by hand, and where contenders work.

By hand means prepared statements, the quickest that asyncmy has (ARCHITECTURE.md, "MySQL and
MariaDB"). The server is private and lives as long as the run; it waits for no disk at COMMIT.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncmy
import attrs

from benchmarks.cores import Cores, held_cores
from benchmarks.people import Values, values
from tests.mysql_servers import start_mariadb, start_mysql
from uow.url import parse_url

CREATE = """
CREATE TABLE people (
    id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    email varchar(255) NOT NULL,
    name text NOT NULL,
    age bigint NOT NULL,
    score double NOT NULL,
    city text NOT NULL
) CHARSET utf8mb4
"""
SELECT = "SELECT id, email, name, age, score, city FROM people"
INSERT = "INSERT INTO people (email, name, age, score, city) VALUES "
UPDATE_AGE = "UPDATE people SET age = ? WHERE id = ?"
UPDATE_AGES = """
UPDATE JSON_TABLE(?, '$[*]' COLUMNS (age BIGINT PATH '$[0]', id BIGINT PATH '$[1]')) AS v
STRAIGHT_JOIN people FORCE INDEX (PRIMARY) ON people.id = v.id SET people.age = v.age
"""
ROWS = 500
"""How many new rows one statement holds; more are no quicker."""

SETTINGS = {"innodb-buffer-pool-size": "256M", "innodb-lock-wait-timeout": "10"}
SHOWN = ("innodb_flush_log_at_trx_commit", "innodb_doublewrite", "innodb_buffer_pool_size")

Run = Callable[[str, Sequence[object]], Any]


@attrs.define
class MysqlPlace:
    """One table for all contenders of a row: each of them finds it in the same state."""

    url: str
    keeper: Any
    gives_keys_back: bool
    count: int = 0

    @property
    def options(self) -> Mapping[str, Any]:
        return {}

    async def fill(self, count: int) -> None:
        self.count = count
        await self.keeper.query("TRUNCATE TABLE people")
        rows = values(count)
        for start in range(0, count, ROWS):
            await insert(self.keeper, rows[start : start + ROWS])
        await self.keeper.query("ANALYZE TABLE people")

    async def refresh(self) -> None:
        """Fill it anew: updated and added rows would leave it longer from turn to turn."""
        await self.fill(self.count)

    async def insert(self, connection: Any, rows: Sequence[Values]) -> list[int]:
        """Store rows and learn their keys."""
        if self.gives_keys_back:
            answer = await insert(connection, rows, " RETURNING id")
            return [key for (key,) in answer.rows]
        answer = await insert(connection, rows)
        return list(range(answer.insert_id, answer.insert_id + len(rows)))


@attrs.frozen
class MysqlPlaces:
    """A server with the table."""

    url: str
    keeper: Any
    gives_keys_back: bool
    cores: Cores
    about: Mapping[str, str]

    def place(self, _row: str, _contender: str) -> MysqlPlace:
        """The table."""
        return MysqlPlace(self.url, self.keeper, self.gives_keys_back)

    def hold_to_cores(self, is_round_trips: bool) -> str:
        """Hold the client to a core; the server stays where it is."""
        return self.cores.hold_client(beside_server=is_round_trips)


@asynccontextmanager
async def open_mariadb_places(_folder: Path) -> AsyncGenerator[MysqlPlaces]:
    """Start a MariaDB, held to one core, and make the table."""
    async with _opened(start_mariadb, gives_keys_back=True) as places:
        yield places


@asynccontextmanager
async def open_mysql_places(_folder: Path) -> AsyncGenerator[MysqlPlaces]:
    """Start a MySQL, held to one core, and make the table."""
    async with _opened(start_mysql, gives_keys_back=False) as places:
        yield places


@asynccontextmanager
async def _opened(
    start: Callable[[dict[str, str]], AbstractContextManager[str]], *, gives_keys_back: bool
) -> AsyncGenerator[MysqlPlaces]:
    with held_cores() as cores:
        if cores.free:
            cores.hold(cores.server)
        with start(SETTINGS) as url:
            async with open_asyncmy(url) as keeper:
                # Whoever leaves a transaction open must not stop the run.
                await keeper.query("SET lock_wait_timeout = 10")
                await keeper.query(CREATE)
                settings = []
                for name in SHOWN:
                    ((value,),) = await ask(keeper, f"SELECT @@{name}")
                    settings.append(f"{name} = {value}")
                about = {"server": keeper.server_version, "settings": "; ".join(settings)}
                yield MysqlPlaces(url, keeper, gives_keys_back, cores, about)


@asynccontextmanager
async def open_asyncmy(url: str) -> AsyncGenerator[Any]:
    """A connection of asyncmy, in the modes that `uow` has."""
    parsed = parse_url(url)
    connection: Any = await asyncmy.connect(
        host=parsed.host,
        port=parsed.port or 3306,
        user=parsed.username,
        password=parsed.password or "",
        database=parsed.database,
        charset="utf8mb4",
        autocommit=True,
    )
    try:
        yield connection
    finally:
        await connection.ensure_closed()


async def ask(connection: Any, text: str) -> Sequence[tuple[Any, ...]]:
    """Run a statement as text and give its rows."""
    await connection.query(text)
    rows: Sequence[tuple[Any, ...]] = connection._result.rows or ()
    return rows


async def run(connection: Any, text: str, parameters: Sequence[object] = ()) -> Any:
    """Run a prepared statement, prepared once a connection."""
    kept: dict[str, Any] = _prepared.setdefault(connection, {})
    prepared = kept.get(text)
    if prepared is None:
        prepared = kept[text] = await connection.prepare(text)
    return await prepared.execute(tuple(parameters))


_prepared: dict[Any, dict[str, Any]] = {}


async def insert(connection: Any, rows: Sequence[Values], more: str = "") -> Any:
    """Store rows by one statement."""
    marks = ", ".join(["(?, ?, ?, ?, ?)"] * len(rows))
    return await run(connection, INSERT + marks + more, [value for row in rows for value in row])


def array_of(changes: Iterable[Sequence[object]]) -> str:
    """Rows as one JSON array, which `UPDATE_AGES` reads."""
    return json.dumps(list(map(list, changes)))
