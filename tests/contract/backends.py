"""The backends that the contract suite runs on, and what each of them cannot do.

A test says what it needs with `@pytest.mark.needs("two_connections")`; it is then made for the
backends that have it, and for no others. Nothing is skipped in the body of a test.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Final

import attrs

from tests.contract import documents, models
from tests.support import mongodb, mysql, postgresql, sqlite

__all__ = ["BACKENDS", "CAPABILITIES", "LOOPS", "Backend", "Server"]

LOOPS: Final = ("asyncio", "trio")

CAPABILITIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "batches": "rows that are written alike are a statement of their own",
        "composite_keys": "a key may be of several fields",
        "deep_json": "documents of more than 100 levels",
        "deferrable": "a foreign key may be checked at COMMIT",
        "documents": "documents in collections, not rows in tables",
        "exact_values": "instants have microseconds; JSON takes any key and any whole number",
        "failing_whole": "a statement that fails takes its whole transaction with it",
        "frame_groups": "frames of windows may be counted in groups",
        "grouped_expressions": "HAVING may name an expression that rows are grouped by",
        "joined_queries": "a query may read from several tables, or from other queries",
        "key_locks": "rows are locked so that others may still refer to them",
        "lag_default": "`lag` and `lead` take a default",
        "lock_of": "of several tables in a query the rows of some are locked",
        "locks": "what is read can be locked",
        "long_json_integers": "documents may hold whole numbers of more than 64 bits",
        "null_logic": "what is compared with NULL is neither equal nor unequal",
        "numbered_keys": "the store numbers rows",
        "partial_indexes": "a unique index may be over some rows only",
        "quiet_conflicts": "rows that gave way to others are not counted as inserted",
        "relations": "the store knows which rows refer to which",
        "reopening": "what was stored is there when the database is opened again",
        "returning_delete": "a bulk delete gives back columns of the rows it deleted",
        "returning_insert": "an insert gives back columns of the new rows",
        "returning_update": "an update gives back columns of the rows it changed",
        "row_locks": "rows are locked one by one, and by several kinds of locks",
        "savepoints": "a part of a transaction can be rolled back",
        "several_windows": "windows of one query may go in opposite directions",
        "sql": "raw SQL, and statements whose text can be looked at",
        "store_values": "the store computes values: defaults, columns, the time",
        "table_classes": "the classes of the test are tables",
        "two_connections": "a second session can read while a transaction of the first is open",
        "unicode_case": "`upper` and `lower` know letters beyond ASCII",
        "verbs": "the verbs of the active record, as tables have them",
    }
)

NOT_OF_DOCUMENTS: Final = frozenset(
    {
        "batches",
        "composite_keys",
        "deep_json",
        "deferrable",
        "exact_values",
        "failing_whole",
        "frame_groups",
        "grouped_expressions",
        "joined_queries",
        "key_locks",
        "lag_default",
        "lock_of",
        "locks",
        "long_json_integers",
        "null_logic",
        "numbered_keys",
        "partial_indexes",
        "quiet_conflicts",
        "relations",
        "returning_delete",
        "returning_insert",
        "returning_update",
        "row_locks",
        "savepoints",
        "several_windows",
        "sql",
        "store_values",
        "table_classes",
        "unicode_case",
        "verbs",
    }
)
"""What a document store has not."""


@attrs.frozen
class Server:
    """Where a database is whose tables are not made anew for each test.

    Attributes:
        fixture: gives the URL of the database, or the folder that it is in.
        empty: takes the rows out, and says whether the tables are there.
        remember: takes note of the tables that are there now.
    """

    fixture: str
    empty: Callable[[str], Awaitable[bool]]
    remember: Callable[[str], Awaitable[None]]


@attrs.frozen
class Backend:
    """One way to run the suite.

    Attributes:
        name: in the ids of tests.
        url: the database's URL, given a folder of the test's own and what `server` gives.
        server: where its database is, if that outlives a test.
        loops: the event loops it runs under.
        is_thorough: its tests have the marker `thorough`.
        lacks: the capabilities it does not have.
        options: what `Database` is given besides.
        models: a module with the classes of `tests/contract/models.py`, for this kind of store.
        without: the names of those that it cannot have.
    """

    name: str
    url: Callable[[Path, str], str]
    lacks: frozenset[str] = frozenset()
    options: Mapping[str, Any] = MappingProxyType({})
    models: ModuleType = models
    without: frozenset[str] = frozenset()
    server: Server | None = None
    loops: tuple[str, ...] = LOOPS
    is_thorough: bool = False

    def __attrs_post_init__(self) -> None:
        unknown = self.lacks - set(CAPABILITIES)
        if unknown:
            raise ValueError(f"{self.name} lacks what nobody asks for: {sorted(unknown)}")

    @property
    def tables(self) -> list[type]:
        """The classes that it can have."""
        return [model for model in self.models.ALL if model.__name__ not in self.without]


BACKENDS: Final = (
    Backend(
        "sqlite-file",
        lambda folder, _: f"sqlite:///{folder}/contract.db",
        lacks=frozenset({"documents", "failing_whole", "row_locks"}),
        server=Server("tmp_path", sqlite.empty, sqlite.remember),
    ),
    Backend(
        "sqlite-memory",
        lambda _, __: "sqlite://",
        lacks=frozenset(
            {"documents", "failing_whole", "reopening", "row_locks", "two_connections"}
        ),
        loops=("asyncio",),
        is_thorough=True,
    ),
    Backend(
        "memory",
        lambda _, __: "memory://",
        lacks=frozenset({"documents", "failing_whole", "reopening", "row_locks"}),
        loops=("trio",),
        is_thorough=True,
    ),
    Backend(
        "postgresql",
        lambda _, server: server,
        lacks=frozenset({"documents"}),
        server=Server("postgresql_database", postgresql.empty, postgresql.remember),
        loops=("asyncio",),
    ),
    Backend(
        "mariadb",
        lambda _, server: server,
        lacks=frozenset(
            {
                "documents",
                "deep_json",
                "deferrable",
                "failing_whole",
                "frame_groups",
                "grouped_expressions",
                "key_locks",
                "lag_default",
                "lock_of",
                "partial_indexes",
                "quiet_conflicts",
                "returning_update",
                "several_windows",
            }
        ),
        without=frozenset({"Ticket"}),
        server=Server("mariadb_database", mysql.empty, mysql.remember),
        loops=("asyncio",),
        is_thorough=True,
    ),
    Backend(
        "mysql",
        lambda _, server: server,
        lacks=frozenset(
            {
                "documents",
                "deferrable",
                "deep_json",
                "failing_whole",
                "frame_groups",
                "grouped_expressions",
                "key_locks",
                "long_json_integers",
                "partial_indexes",
                "quiet_conflicts",
                "returning_delete",
                "returning_insert",
                "returning_update",
            }
        ),
        without=frozenset({"Ticket"}),
        server=Server("mysql_database", mysql.empty, mysql.remember),
        loops=("asyncio",),
        is_thorough=True,
    ),
    Backend(
        "pymongo",
        lambda _, server: server,
        lacks=NOT_OF_DOCUMENTS,
        models=documents,
        server=Server("mongodb_database", mongodb.empty_for_suite, mongodb.remember),
        loops=("asyncio",),
        is_thorough=True,
    ),
    Backend(
        "motor",
        lambda _, server: server.replace("mongodb://", "mongodb+motor://"),
        lacks=NOT_OF_DOCUMENTS,
        models=documents,
        server=Server("mongodb_database", mongodb.empty_for_suite, mongodb.remember),
        loops=("asyncio",),
        is_thorough=True,
    ),
)
