"""A SQLite store in memory that speaks to a dialect and to nothing else of the library."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import apsw

from uow.dialects.base import Compiled
from uow.dialects.sqlite import (
    SQLITE_AGGREGATES,
    SQLITE_COLLATIONS,
    SQLITE_FUNCTIONS,
    SQLiteDialect,
)
from uow.mapping.mapper import MappedColumn, mapper_of
from uow.query.executable import Executable
from uow.query.insert_rows import split_insert
from uow.query.statements import AnyStatement, Insert
from uow.statement import Many, Sendable, Statement


class Store:
    """Runs what the SQLite dialect makes."""

    def __init__(self, *models: type[Any]) -> None:
        self.dialect = SQLiteDialect()
        self.connection = apsw.Connection(":memory:")
        self.connection.execute("PRAGMA foreign_keys = ON")
        for name, function in SQLITE_FUNCTIONS.items():
            self.connection.create_scalar_function(
                name, function.call, function.arguments, deterministic=function.deterministic
            )
        for name, (factory, arguments) in SQLITE_AGGREGATES.items():
            self.connection.create_window_function(name, factory, arguments)
        for name, compare in SQLITE_COLLATIONS.items():
            self.connection.create_collation(name, compare)
        for model in models:
            for text in self.dialect.create_table(mapper_of(model)):
                self.connection.execute(text)

    def run(self, text: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one text."""
        return [tuple(row) for row in self.connection.execute(text, tuple(parameters))]

    def send(self, statements: Iterable[Sendable]) -> list[tuple[Any, ...]]:
        """Run what a batch gives; all rows that come back."""
        rows: list[tuple[Any, ...]] = []
        for statement in statements:
            if isinstance(statement, Many):
                for parameters in statement.rows:
                    rows += self.run(statement.sql, parameters)
            else:
                assert isinstance(statement, Statement)
                rows += self.run(statement.sql, statement.parameters)
        return rows

    def rows(self, query: Executable[Any]) -> list[tuple[Any, ...]]:
        """Run a query; rows of Python values."""
        rows: list[tuple[Any, ...]] = []
        for compiled in self._compiled(query.statement):
            rows += self._decoded(compiled, self.run(compiled.sql, compiled.parameters))
        return rows

    def _compiled(self, tree: AnyStatement) -> list[Compiled]:
        if not isinstance(tree, Insert):
            return [self.dialect.compile(tree)]
        parts = split_insert(tree, self.dialect.capabilities.max_parameters)
        return [self.dialect.compile(part) for part in parts]

    def values(self, query: Executable[Any]) -> list[Any]:
        """Run a query with one column."""
        return [value for (value,) in self.rows(query)]

    def encoded(self, columns: Sequence[MappedColumn], values: Sequence[Any]) -> tuple[Any, ...]:
        """Encode one row of Python values."""
        return tuple(
            value
            if value is None or (encode := self.dialect.encoder(column.type)) is None
            else encode(value)
            for column, value in zip(columns, values, strict=True)
        )

    def _decoded(self, compiled: Compiled, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        decoders = [
            None if c.type is None else self.dialect.decoder(c.type) for c in compiled.columns
        ]
        return [
            tuple(
                value if value is None or decode is None else decode(value)
                for value, decode in zip(row, decoders, strict=True)
            )
            for row in rows
        ]
