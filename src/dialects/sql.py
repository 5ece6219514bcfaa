"""What the SQL dialects share: names, kept texts, the statement that gets a row, flush batches.

A dialect is three things put together: this class (rows in, text out), a `TableDDL`, and a
`SqlCompiler` made for each tree. Each concrete dialect module holds its three.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

from uow.dialects import codecs
from uow.dialects._names import Quoter
from uow.dialects.base import Capabilities, Compiled, Decoder, Encoder, GetStatement, KeyPart
from uow.dialects.sql_compiler import SqlCompiler
from uow.dialects.sql_ddl import TableDDL
from uow.dialects.sql_definitions import DefinitionWriter
from uow.errors import QueryError
from uow.expressions.nodes import ColumnExpression, Literal
from uow.mapping.shapes import shape_of
from uow.mapping.stores import refuse_other_store
from uow.query.statements import (
    AnyStatement,
    DeleteRows,
    ForUpdate,
    InsertRows,
    LockStrength,
    Select,
    UpdateRows,
)
from uow.statement import Many, Sendable, Statement
from uow.types import ColumnType

if TYPE_CHECKING:
    from uow.mapping.foreign_keys import ForeignKey
    from uow.mapping.mapper import MappedColumn, Mapper
    from uow.schema.description import Schema

__all__ = ["SqlDialect", "chunks"]

R = TypeVar("R")

_UNSET = object()
_KEY_LOCKS = frozenset({LockStrength.NO_KEY_UPDATE, LockStrength.KEY_SHARE})


class SqlDialect(ABC):
    """Base of the SQL dialects."""

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    ddl: TableDDL
    quote: Quoter
    numbered: ClassVar[bool] = True
    """Whether a placeholder names its parameter by number, so that it may stand twice."""
    share_lock: ClassVar[str] = "FOR SHARE"

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
            found = self._encoders[type_] = self.make_encoder(codecs.stored_type(type_, self.name))
        return found  # type: ignore[return-value]  # `_UNSET` is gone here

    def decoder(self, type_: ColumnType) -> Decoder | None:
        """Give the function that turns the store's value into Python's; None: take it as it is."""
        found = self._decoders.get(type_, _UNSET)
        if found is _UNSET:
            found = self._decoders[type_] = self.make_decoder(codecs.stored_type(type_, self.name))
        return found  # type: ignore[return-value]  # `_UNSET` is gone here

    def encoder_with(self, type_: ColumnType, encoders: object) -> Encoder | None:  # noqa: ARG002
        """Give the same: tables bring no encoders."""
        return self.encoder(type_)

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

    def table(self, mapper: Mapper) -> str:
        """Give the table's quoted name, with its schema.

        Raises:
            MappingError: the class is a document.
        """
        refuse_other_store(mapper, self)
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

    def new_keys(self, mapper: Mapper, count: int) -> NoReturn:  # noqa: ARG002
        """Rows are numbered by the store."""
        raise QueryError(f"{mapper.name}: the store makes the keys of rows")

    # -- reading by key

    def get_statement(
        self,
        mapper: Mapper,
        columns: Sequence[MappedColumn] | None = None,
        *,
        classes: tuple[Mapper, ...] | None = None,
        for_update: bool = False,
        nowait: bool = False,
        skip_locked: bool = False,
    ) -> GetStatement:
        """Give the text that reads one row by key; see `Dialect.get_statement`."""
        chosen = None if columns is None else tuple(columns)
        return self.kept(
            mapper,
            ("get", chosen, classes, for_update, nowait, skip_locked),
            lambda: (
                self._get_statement(
                    mapper,
                    mapper.columns if chosen is None else chosen,
                    self.lock_clause(nowait=nowait, skip_locked=skip_locked) if for_update else "",
                    reads=not for_update,
                )
                if classes is None
                else self._get_object(
                    mapper,
                    classes,
                    ForUpdate(nowait=nowait, skip_locked=skip_locked) if for_update else None,
                )
            ),
        )

    def _get_object(
        self, mapper: Mapper, classes: tuple[Mapper, ...], lock: ForUpdate | None
    ) -> GetStatement:
        """Give the text that reads an object of a hierarchy; the key's values are put in later."""
        mapper.configure()
        where = tuple(
            ColumnExpression[Any](column, mapper) == Literal[Any](KeyPart(number), None)
            for number, column in enumerate(mapper.key)
        )
        select = Select(
            entity=mapper, froms=(mapper,), where=where, classes=classes, for_update=lock
        )
        compiled = self.compile(select)
        columns = shape_of(mapper, classes).columns
        return GetStatement(compiled.sql, columns, lock is None, compiled.parameters)

    def _get_statement(
        self, mapper: Mapper, columns: tuple[MappedColumn, ...], lock: str, *, reads: bool
    ) -> GetStatement:
        mapper.configure()
        selected = ", ".join(self.column(column) for column in columns)
        where = self.equalities(mapper.key, start=1, separator=" AND ")
        text = f"SELECT {selected} FROM {self.table(mapper)} WHERE {where}{lock}"
        return GetStatement(text, columns, reads)

    def lock_clause(
        self,
        *,
        nowait: bool,
        skip_locked: bool,
        strength: LockStrength = LockStrength.UPDATE,
        of: Sequence[str] = (),
    ) -> str:
        """Give FOR UPDATE with a space before it, or nothing where the store has no row locks.

        Args:
            nowait: fail at once if a row is locked.
            skip_locked: leave locked rows out.
            strength: how strong the lock is.
            of: what the tables whose rows are locked are called in the query; empty for all.

        Raises:
            QueryError: the store has no such lock.
        """
        for asked, can, name in (
            (nowait, self.capabilities.nowait, "nowait"),
            (skip_locked, self.capabilities.skip_locked, "skip_locked"),
        ):
            if asked and not can:
                raise QueryError(f"{self.name} has no row locks: {name} cannot be asked for")
        if nowait and skip_locked:
            raise QueryError("nowait and skip_locked exclude each other")
        if of and not self.capabilities.lock_of:
            raise QueryError(f"{self.name} locks the rows of all tables: leave out of=")
        if strength in _KEY_LOCKS and not self.capabilities.key_locks:
            raise QueryError(f"{self.name} has no locks that leave keys alone: leave out key_share")
        if not self.capabilities.for_update:
            return ""
        text = self.share_lock if strength is LockStrength.SHARE else f"FOR {strength.value}"
        if of:
            text += f" OF {', '.join([self.quote(name) for name in of])}"
        return f" {text}" + (" NOWAIT" if nowait else " SKIP LOCKED" if skip_locked else "")

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

    # -- plans

    explain_words: ClassVar[str] = "EXPLAIN"
    analyze_words: ClassVar[str] = "EXPLAIN ANALYZE"

    def explain(self, compiled: Compiled, *, analyze: bool = False) -> Statement:
        """Give the statement that asks for a plan; see `Dialect.explain`."""
        if analyze and not self.capabilities.explain_analyze:
            raise QueryError(f"{self.name} does not measure what a plan takes: leave out analyze")
        words = self.analyze_words if analyze else self.explain_words
        reads = compiled.reads or not analyze
        return Statement(f"{words} {compiled.sql}", compiled.parameters, reads=reads)

    def plan(self, rows: Sequence[Sequence[object]]) -> str:
        """Make a text of the rows of a plan; see `Dialect.plan`."""
        return "\n".join([str(row[0]) for row in rows])

    # -- flush batches

    @abstractmethod
    def insert_rows(self, batch: InsertRows) -> list[Sendable]:
        """Give the statements that insert a batch; see `Dialect.insert_rows`."""

    def update_rows(self, batch: UpdateRows) -> list[Statement | Many]:
        """Give the statements that update a batch; see `Dialect.update_rows`."""
        text = self.update_one(batch)
        return [Many(text, batch.rows, returns=bool(batch.returning))] if batch.rows else []

    def update_one(self, batch: UpdateRows) -> str:
        """Give the text that updates one row of a batch."""

        def make() -> str:
            returning = self.returning_of(batch.returning, can=self.capabilities.returning_update)
            return (
                f"UPDATE {self.table(batch.mapper)} SET {self.assignments(batch.set_columns)} "
                f"WHERE {self.key_equalities(batch.where_columns, len(batch.set_columns))}"
                f"{returning}"
            )

        key = ("update", batch.set_columns, batch.where_columns, batch.returning)
        return self.kept(batch.mapper, key, make)

    def lock_rows(self, batch: UpdateRows) -> list[Statement]:  # noqa: ARG002
        """Give none: rows are told apart by their counts; see `Dialect.lock_rows`."""
        return []

    def delete_rows(self, batch: DeleteRows) -> list[Statement | Many]:
        """Give the statements that delete a batch; see `Dialect.delete_rows`."""
        returning = self.returning_of(batch.returning, can=self.capabilities.returning_delete)
        text = self.kept(
            batch.mapper,
            ("delete", batch.where_columns, batch.returning),
            lambda: (
                f"DELETE FROM {self.table(batch.mapper)} "
                f"WHERE {self.key_equalities(batch.where_columns, 0)}{returning}"
            ),
        )
        return [Many(text, batch.rows, returns=bool(batch.returning))] if batch.rows else []

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
        return self.ddl.create_table(mapper.tables[-1], without=without)

    def add_foreign_keys(self, mapper: Mapper, keys: Sequence[ForeignKey]) -> list[str]:
        """Give the DDL of foreign keys that `create_table` left out."""
        return self.ddl.add_foreign_keys(mapper, keys)

    def drop_foreign_keys(self, mapper: Mapper, keys: Sequence[ForeignKey]) -> list[str]:
        """Give the DDL that drops foreign keys."""
        return self.ddl.drop_foreign_keys(mapper, keys)

    def lock_definitions(self) -> list[str]:
        """Give the statements that keep others from defining tables meanwhile."""
        return self.ddl.lock()

    def create_objects(self, mappers: Sequence[Mapper]) -> list[str]:
        """Give the DDL of what tables stand on; see `Dialect.create_objects`."""
        return self.ddl.create_objects(mappers)

    def drop_objects(self, mappers: Sequence[Mapper]) -> list[str]:
        """Give the DDL that drops what tables stood on; see `Dialect.drop_objects`."""
        return self.ddl.drop_objects(mappers)

    def drop_table(self, mapper: Mapper) -> list[str]:
        """Give the DDL that drops a table, if there is one."""
        return self.ddl.drop_table(mapper)

    def describe(self, mappers: Sequence[Mapper]) -> Schema:
        """Describe tables."""
        return self.ddl.describe_all(mappers)

    @property
    def definitions(self) -> DefinitionWriter:
        """The writer of its definitions."""
        return self.ddl.writer


def chunks(rows: Sequence[R], size: int) -> Iterator[Sequence[R]]:
    """Cut rows into runs of at most `size`, in order."""
    if 0 < len(rows) <= size:
        yield rows
        return
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
