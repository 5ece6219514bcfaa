"""The rows of the budget, by store, in the order they are measured."""

from __future__ import annotations

from benchmarks.by_hand_mongodb import MongodbPlace
from benchmarks.by_hand_mysql import MysqlPlace
from benchmarks.by_hand_postgresql import PostgresqlPlace
from benchmarks.by_hand_sqlite import SqlitePlace
from benchmarks.measure import Row
from benchmarks.rows import (
    attribute,
    documents,
    eager,
    get,
    idle_flush,
    insert,
    load,
    memory,
    nested,
    nested_values,
    small_unit,
    update,
)

SQLITE_ROWS: tuple[Row[SqlitePlace], ...] = (
    load.SQLITE,
    eager.SQLITE,
    eager.SQLITE_JOINED,
    insert.SQLITE,
    update.SQLITE,
    get.SQLITE,
    small_unit.SQLITE,
    idle_flush.SQLITE,
    memory.SQLITE,
    attribute.SQLITE,
    *nested.SQLITE,
    *nested_values.SQLITE,
)

POSTGRESQL_ROWS: tuple[Row[PostgresqlPlace], ...] = (
    load.POSTGRESQL,
    eager.POSTGRESQL,
    eager.POSTGRESQL_JOINED,
    insert.POSTGRESQL,
    update.POSTGRESQL,
    get.POSTGRESQL,
    small_unit.POSTGRESQL,
)

MONGODB_ROWS: tuple[Row[MongodbPlace], ...] = documents.MONGODB

MYSQL_ROWS: tuple[Row[MysqlPlace], ...] = (load.MYSQL, insert.MYSQL, update.MYSQL)
