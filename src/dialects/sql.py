"""What the SQL dialects share: names, kept texts, the statement that gets a row, flush batches.

A dialect is three things put together: this class (rows in, text out), a `TableDDL`, and a
`SqlCompiler` made for each tree. Each concrete dialect module holds its three.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, TypeVar

from uow.dialects._names import Quoter
from uow.dialects.base import Capabilities, Compiled, Decoder, Encoder, GetStatement
from uow.dialects.sql_compiler import SqlCompiler
from uow.dialects.sql_ddl import TableDDL
from uow.errors import QueryError
from uow.query.statements import AnyStatement, DeleteRows, Insert, InsertRows, UpdateRows
from uow.statement import Many, Statement
from uow.types import ColumnType

if TYPE_CHECKING:
    from uow.mapping.foreign_keys import ForeignKey
    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = ["SqlDialect", "chunks"]

R = TypeVar("R")

_UNSET = object()


class SqlDialect(ABC):
    """Base of the SQL dialects."""

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    ddl: TableDDL
    quote: Quoter
    numbered: ClassVar[bool] = True
    """Whether a placeholder names its parameter by number, so that it may stand twice."""
    max_insert_rows: ClassVar[int] = 1000
    """How many rows one INSERT of values holds at most."""

    def __init__(self) -> None:
        self._encoders: dict[ColumnType, Encoder | None] = {}
        self._decoders: dict[ColumnType, Decoder | None] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    # -- values

    def encoder(self, type_: ColumnType) -> Encoder | None:
        """Give the function that turns a Python value into the store's; None: take it as it is."""
        found = self._encoders.get(type_, _UNSET)
        if found is _UNSET:
            found = self._encoders[type_] = self.make_encoder(type_)
        return found  # type: ignore[return-value]  # `_UNSET` is gone here

    def decoder(self, type_: ColumnType) -> Decoder | None:
        """Give the function that turns the store's value into Python's; None: take it as it is."""
        found = self._decoders.get(type_, _UNSET)
        if found is _UNSET:
            found = self._decoders[type_] = self.make_decoder(type_)
        return found  # type: ignore[return-value]  # `_UNSET` is gone here

    @abstractmethod
    def make_encoder(self, type_: ColumnType) -> Encoder | None:
        """Make what `encoder` keeps."""

    @abstractmethod
    def make_decoder(self, type_: ColumnType) -> Decoder | None:
        """Make what `decoder` keeps."""

    # -- text

    @abstractmethod
    def placeholder(self, position: int) -> str:
        """Give the placeholder of a parameter, counted from 1."""

    def typed(self, placeholder: str, type_: ColumnType | None) -> str:  # noqa: ARG002
        """Give a placeholder as an expression of a type, where the store must be told."""
        return placeholder

    def bound(self, position: int, type_: ColumnType | None) -> str:
        """Give the placeholder of a parameter, counted from 1, as an expression of a type."""
        return self.typed(self.placeholder(position), type_)

    @abstractmethod
    def compiler(self) -> SqlCompiler:
        """Make the compiler of one tree."""

    def compile(self, statement: AnyStatement) -> Compiled:
        """Turn a tree into text; see `Dialect.compile`."""
        compiled = self.compiler().compile(statement)
        count, limit = len(compiled.parameters), self.capabilities.max_parameters
        if count > limit:
            raise QueryError(
                f"the statement has {count} parameters, {self.name} takes {limit}: split it"
            )
        return compiled

    def compile_all(self, statement: AnyStatement) -> list[Compiled]:
        """Turn a tree into one text or several; see `Dialect.compile_all`."""
        if not isinstance(statement, Insert):
            return [self.compile(statement)]
        width = max(1, len(statement.columns))
        # Room is left for the conflict's own values; expressions in rows seldom hold more than one.
        size = max(1, min(self.max_insert_rows, (self.capabilities.max_parameters - 1000) // width))
        if len(statement.rows) <= size:
            return [self.compile(statement)]
        return [
            self.compile(
                Insert(
                    statement.mapper,
                    statement.columns,
                    tuple(rows),
                    statement.on_conflict,
                    statement.returning,
                )
            )
            for rows in chunks(statement.rows, size)
        ]

    def table(self, mapper: Mapper) -> str:
        """Give the table's quoted name, with its schema."""
        return self.ddl.table(mapper)

    def column(self, column: MappedColumn) -> str:
        """Give a column's name, qualified with its table.

        SQLite reads a quoted name it does not know as a string; a qualified one is an error
        ("Double-quoted String Literals Are Accepted", https://sqlite.org/quirks.html).
        """
        return f"{self.quote(column.mapper.table_name)}.{self.quote(column.name)}"

    def names(self, columns: Sequence[MappedColumn]) -> str:
        """Give quoted column names, with commas."""
        return ", ".join([self.quote(column.name) for column in columns])

    def kept(self, mapper: Mapper, key: Hashable, make: Callable[[], R]) -> R:
        """Answer what was made for a mapper before, or make it now."""
        texts: dict[Hashable, object] | None = mapper.kept.get(self)
        if texts is None:
            texts = mapper.kept[self] = {}
        found = texts.get(key, _UNSET)
        if found is _UNSET:
            found = texts[key] = make()
        return found  # type: ignore[return-value]  # made by `make` under this key

    # -- reading by key

    def get_statement(
        self,
        mapper: Mapper,
        columns: Sequence[MappedColumn] | None = None,
        *,
        for_update: bool = False,
        nowait: bool = False,
        skip_locked: bool = False,
    ) -> GetStatement:
        """Give the text that reads one row by key; see `Dialect.get_statement`."""
        chosen = None if columns is None else tuple(columns)
        return self.kept(
            mapper,
            ("get", chosen, for_update, nowait, skip_locked),
            lambda: self._get_statement(
                mapper,
                mapper.columns if chosen is None else chosen,
                self.lock_clause(nowait=nowait, skip_locked=skip_locked) if for_update else "",
                reads=not for_update,
            ),
        )

    def _get_statement(
        self, mapper: Mapper, columns: tuple[MappedColumn, ...], lock: str, *, reads: bool
    ) -> GetStatement:
        mapper.configure()
        selected = ", ".join(self.column(column) for column in columns)
        where = self.equalities(mapper.key, start=1, separator=" AND ")
        text = f"SELECT {selected} FROM {self.table(mapper)} WHERE {where}{lock}"
        return GetStatement(text, columns, reads)

    def lock_clause(self, *, nowait: bool, skip_locked: bool) -> str:
        """Give FOR UPDATE with a space before it, or nothing where the store has no row locks.

        Raises:
            QueryError: `nowait` or `skip_locked` where the store has no such thing.
        """
        for asked, can, name in (
            (nowait, self.capabilities.nowait, "nowait"),
            (skip_locked, self.capabilities.skip_locked, "skip_locked"),
        ):
            if asked and not can:
                raise QueryError(f"{self.name} has no row locks: {name} cannot be asked for")
        if nowait and skip_locked:
            raise QueryError("nowait and skip_locked exclude each other")
        if not self.capabilities.for_update:
            return ""
        return " FOR UPDATE" + (" NOWAIT" if nowait else " SKIP LOCKED" if skip_locked else "")

    def equalities(self, columns: Sequence[MappedColumn], start: int, separator: str) -> str:
        """Give `"t"."c" = placeholder` for each column, numbered from `start`."""
        return separator.join(
            f"{self.column(column)} = {self.bound(number, column.type)}"
            for number, column in enumerate(columns, start)
        )

    def assignments(self, columns: Sequence[MappedColumn]) -> str:
        """Give `"c" = placeholder` for each column, numbered from 1."""
        return ", ".join(
            f"{self.quote(column.name)} = {self.bound(number, column.type)}"
            for number, column in enumerate(columns, 1)
        )

    # -- flush batches

    @abstractmethod
    def insert_rows(self, batch: InsertRows) -> list[Statement | Many]:
        """Give the statements that insert a batch; see `Dialect.insert_rows`."""

    def update_rows(self, batch: UpdateRows) -> list[Statement | Many]:
        """Give the statements that update a batch; see `Dialect.update_rows`."""
        returning = self.returning_of(batch.returning, can=self.capabilities.returning_update)
        text = self.kept(
            batch.mapper,
            ("update", batch.set_columns, batch.where_columns, batch.returning),
            lambda: (
                f"UPDATE {self.table(batch.mapper)} SET {self.assignments(batch.set_columns)} "
                f"WHERE {self.key_equalities(batch.where_columns, len(batch.set_columns))}"
                f"{returning}"
            ),
        )
        return [Many(text, batch.rows, returns=bool(batch.returning))] if batch.rows else []

    def delete_rows(self, batch: DeleteRows) -> list[Statement | Many]:
        """Give the statements that delete a batch; see `Dialect.delete_rows`."""
        text = self.kept(
            batch.mapper,
            ("delete", batch.where_columns),
            lambda: (
                f"DELETE FROM {self.table(batch.mapper)} "
                f"WHERE {self.key_equalities(batch.where_columns, 0)}"
            ),
        )
        return [Many(text, batch.rows)] if batch.rows else []

    def key_equalities(self, columns: Sequence[MappedColumn], before: int) -> str:
        """Give the WHERE of one row, its parameters after `before` others."""
        return self.equalities(columns, before + 1, " AND ")

    def insert_into(self, batch: InsertRows) -> str:
        """Give `INSERT INTO "t" ("a", "b")`."""
        names = f" ({self.names(batch.columns)})" if batch.columns else ""
        return f"INSERT INTO {self.table(batch.mapper)}{names}"

    def returning_of(self, columns: Sequence[MappedColumn], *, can: bool) -> str:
        """Give the RETURNING clause with a space before it, or nothing.

        Raises:
            QueryError: the store has none.
        """
        if not columns:
            return ""
        if not can:
            raise QueryError(f"{self.name} gives no rows back from this statement")
        return " RETURNING " + ", ".join([self.column(column) for column in columns])

    # -- DDL

    def create_table(self, mapper: Mapper, *, without: Collection[ForeignKey] = ()) -> list[str]:
        """Give the DDL of a table; see `TableDDL.create_table`."""
        return self.ddl.create_table(mapper, without=without)

    def add_foreign_keys(self, mapper: Mapper, keys: Sequence[ForeignKey]) -> list[str]:
        """Give the DDL of foreign keys that `create_table` left out."""
        return self.ddl.add_foreign_keys(mapper, keys)

    def drop_table(self, mapper: Mapper) -> list[str]:
        """Give the DDL that drops a table, if there is one."""
        return self.ddl.drop_table(mapper)


def chunks(rows: Sequence[R], size: int) -> Iterator[Sequence[R]]:
    """Cut rows into runs of at most `size`, in order."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
