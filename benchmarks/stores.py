"""The stores that have rows in the budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import attrs

from benchmarks.by_hand_mongodb import open_mongodb_places
from benchmarks.by_hand_mysql import open_mariadb_places, open_mysql_places
from benchmarks.by_hand_postgresql import open_postgresql_places
from benchmarks.by_hand_sqlite import open_sqlite_places
from benchmarks.measure import Place, Row
from benchmarks.rows import MONGODB_ROWS, MYSQL_ROWS, POSTGRESQL_ROWS, SQLITE_ROWS

P = TypeVar("P", bound=Place)
P_co = TypeVar("P_co", bound=Place, covariant=True)


class Places(Protocol[P_co]):
    """A store that runs."""

    @property
    def about(self) -> Mapping[str, str]:
        """What runs: versions, and settings that matter."""

    def place(self, row: str, contender: str) -> P_co:
        """Where a contender of a row works."""

    def hold_to_cores(self, is_round_trips: bool) -> str:
        """Hold client and server to cores, and say which; empty if nobody is held."""


@attrs.frozen
class Store(Generic[P]):
    """A kind of store, its rows, and what is needed to measure them.

    Attributes:
        key: for the command line and the names of the result files.
        title: for people.
        libraries: the distributions beside `uow` whose versions matter.
        rows: in the order they are measured.
        open: runs the store; a folder that is thrown away may be used.
    """

    key: str
    title: str
    libraries: Sequence[str]
    rows: Sequence[Row[P]]
    open: Callable[[Path], AbstractAsyncContextManager[Places[P]]]


STORES: tuple[Store[Any], ...] = (
    Store(
        key="sqlite",
        title="SQLite",
        libraries=("apsw", "aiosqlite", "sqlalchemy", "sqlatypemodel"),
        rows=SQLITE_ROWS,
        open=open_sqlite_places,
    ),
    Store(
        key="postgresql",
        title="PostgreSQL",
        libraries=("asyncpg", "sqlalchemy", "tortoise-orm", "piccolo"),
        rows=POSTGRESQL_ROWS,
        open=open_postgresql_places,
    ),
    Store(
        key="mariadb",
        title="MariaDB",
        libraries=("asyncmy", "sqlalchemy"),
        rows=MYSQL_ROWS,
        open=open_mariadb_places,
    ),
    Store(
        key="mysql",
        title="MySQL",
        libraries=("asyncmy", "sqlalchemy"),
        rows=MYSQL_ROWS,
        open=open_mysql_places,
    ),
    Store(
        key="mongodb",
        title="MongoDB",
        libraries=("pymongo", "beanie", "odmantic"),
        rows=MONGODB_ROWS,
        open=open_mongodb_places,
    ),
)
