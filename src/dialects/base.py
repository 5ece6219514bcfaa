"""The boundary to query languages: what a dialect must supply, listed once.

A dialect is a pure function of its input: trees and batches in, text and parameters out. It
does no I/O and keeps no state but caches of text. Stores differ by the named facts in
`Capabilities`, or by a method a dialect overrides; nobody asks a dialect for its name.

Three kinds of calls:

* values: `encoder` and `decoder` turn one value of a column type into the store's and back;
* reading and bulk writing: `compile` for what a user built, `get_statement` for the hot path;
* the flush: `insert_rows`, `update_rows`, `delete_rows` for rows whose values are encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import attrs

from uow.errors import QueryError
from uow.statement import Many, Statement

if TYPE_CHECKING:
    from uow.mapping.foreign_keys import ForeignKey
    from uow.mapping.mapper import MappedColumn, Mapper
    from uow.query.statements import AnyStatement, DeleteRows, InsertRows, UpdateRows
    from uow.types import ColumnType

__all__ = [
    "Capabilities",
    "Compiled",
    "Decoder",
    "Dialect",
    "Encoder",
    "GetStatement",
    "ResultColumn",
    "dialect_for",
]

Encoder: TypeAlias = Callable[[Any], Any]
"""Python value to store value. Never called with None. Raises ValueError, without the value."""

Decoder: TypeAlias = Callable[[Any], Any]
"""Store value to Python value. Never called with None."""


@attrs.frozen(kw_only=True)
class Capabilities:
    """What a store can do, as named facts.

    Attributes:
        max_parameters: how many placeholders one statement may hold.
        max_identifier_length: the longest name, in UTF-8 bytes (characters on MySQL).
        returning_insert: INSERT .. RETURNING.
        returning_update: UPDATE .. RETURNING.
        returning_delete: DELETE .. RETURNING.
        array_binding: a whole batch travels as one array a column; `insert_rows` and its
            siblings then give a `Statement`, and counts are totals.
        savepoints: SAVEPOINT and ROLLBACK TO.
        deferrable: foreign keys checked at COMMIT where they are declared so.
        for_update: SELECT .. FOR UPDATE; where false the write lock of the whole database is
            taken at BEGIN, and the clause is left out of the text.
        nowait: FOR UPDATE NOWAIT.
        skip_locked: FOR UPDATE SKIP LOCKED.
        stores_nan: a double may be NaN.
        stores_infinity: a double may be infinite.
        transactional_ddl: CREATE and DROP can be rolled back.
        schemas: tables live in named schemas.
        default_values: a row with no given column can be inserted.
        forward_references: CREATE TABLE may name a table in a foreign key that is not there yet;
            where false, keys between tables that refer to each other are added afterwards.
        unchanged_rows_match: an UPDATE that changes nothing still counts the rows it matched
            (MySQL: only with CLIENT_FOUND_ROWS, which the driver sets).
    """

    max_parameters: int
    max_identifier_length: int
    returning_insert: bool
    returning_update: bool
    returning_delete: bool
    array_binding: bool
    savepoints: bool
    deferrable: bool
    for_update: bool
    nowait: bool
    skip_locked: bool
    stores_nan: bool
    stores_infinity: bool
    transactional_ddl: bool
    schemas: bool
    default_values: bool = True
    forward_references: bool = False
    unchanged_rows_match: bool = True


@attrs.frozen
class ResultColumn:
    """One column of a result.

    Attributes:
        name: what the row calls it.
        type: how to decode it, or None where the store's value is taken as it is.
    """

    name: str
    type: ColumnType | None


@attrs.frozen
class Compiled:
    """A statement as text.

    Attributes:
        sql: the text, with the dialect's placeholders.
        parameters: one encoded value a placeholder, in order.
        columns: what comes back, in order; empty if no row does.
        reads: whether the statement can only read.
    """

    sql: str
    parameters: tuple[object, ...] = ()
    columns: tuple[ResultColumn, ...] = ()
    reads: bool = False

    @property
    def statement(self) -> Statement:
        """What a driver takes."""
        return Statement(self.sql, self.parameters, reads=self.reads)

    @property
    def returns_rows(self) -> bool:
        """Whether rows come back."""
        return bool(self.columns)


@attrs.frozen
class GetStatement:
    """The text that reads one row by its key; its parameters are the encoded key values.

    Attributes:
        sql: the text, with one placeholder a key column, in the order of `Mapper.key`.
        columns: what comes back, in order.
        reads: False if it takes a lock.
    """

    sql: str
    columns: tuple[MappedColumn, ...]
    reads: bool

    def statement(self, key: Sequence[object]) -> Statement:
        """Give the statement for one encoded key.

        Args:
            key: one encoded value a key column, in the order of `Mapper.key`.
        """
        return Statement(self.sql, key, reads=self.reads)


class Dialect(Protocol):
    """One query language.

    Every method is pure and none waits. What cannot be said in the language is a `QueryError`
    (a query) or a `MappingError` (a definition), raised before anything is sent.
    """

    @property
    def name(self) -> str:
        """The name it is found by, and for messages."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What the store can do."""
        ...

    def encoder(self, type_: ColumnType) -> Encoder | None:
        """Give the function that turns a Python value into the store's; None: take it as it is."""
        ...

    def decoder(self, type_: ColumnType) -> Decoder | None:
        """Give the function that turns the store's value into Python's; None: take it as it is."""
        ...

    def compile(self, statement: AnyStatement) -> Compiled:
        """Turn a tree into text.

        Args:
            statement: a select, insert, update, delete or raw statement.

        Returns:
            The same text and the same order of parameters for the same tree, always.

        Raises:
            QueryError: the tree is wrong, or says what this store cannot do.
            ValidationError: a value in it does not fit the column it stands beside.
        """
        ...

    def compile_all(self, statement: AnyStatement) -> list[Compiled]:
        """Turn a tree into one text, or an insert of more values than one takes into several.

        Several are one thing to the user: they run in this order in one transaction.

        Raises:
            QueryError: as `compile`; also if the statement cannot be cut.
        """
        ...

    def get_statement(
        self,
        mapper: Mapper,
        columns: Sequence[MappedColumn] | None = None,
        *,
        for_update: bool = False,
        nowait: bool = False,
        skip_locked: bool = False,
    ) -> GetStatement:
        """Give the text that reads one row by key. Texts are kept, so this is a look-up.

        Args:
            mapper: whose table.
            columns: what to read, all of `mapper.columns` if None.
            for_update: lock the row.
            nowait: fail at once if it is locked.
            skip_locked: answer no row if it is locked.
        """
        ...

    def insert_rows(self, batch: InsertRows) -> list[Statement | Many]:
        """Give the statements that insert the rows of a batch.

        Returns:
            Statements to run in this order. With `batch.returning` every row comes back once,
            as the store's values of those columns, in input order over all statements.

        Raises:
            QueryError: `batch.returning` where the store has no `returning_insert`.
        """
        ...

    def update_rows(self, batch: UpdateRows) -> list[Statement | Many]:
        """Give the statements that update the rows of a batch.

        Returns:
            Statements to run in this order. Each input row matches at most one stored row; one
            that matches none is missing from the counts, and from the rows that come back with
            `batch.returning` (in input order).
        """
        ...

    def delete_rows(self, batch: DeleteRows) -> list[Statement | Many]:
        """Give the statements that delete the rows of a batch.

        Returns:
            Statements to run in this order. An input row that matches none is missing from the
            counts.
        """
        ...

    def create_table(self, mapper: Mapper, *, without: Collection[ForeignKey] = ()) -> list[str]:
        """Give the DDL of a table, its indexes and its comments, to run in this order.

        Args:
            mapper: whose table.
            without: foreign keys to leave out, to be added when the tables they name are there.

        Raises:
            MappingError: the store cannot have such a table; names the class and the field.
        """
        ...

    def add_foreign_keys(self, mapper: Mapper, keys: Sequence[ForeignKey]) -> list[str]:
        """Give the DDL that adds foreign keys `create_table` left out.

        Raises:
            QueryError: the store cannot; it has `forward_references`, so nothing was left out.
        """
        ...

    def drop_table(self, mapper: Mapper) -> list[str]:
        """Give the DDL that drops a table, if there is one."""
        ...


ENTRY_POINTS = "uow.dialects"
"""The entry point group in which other packages name their dialects (a class or a factory)."""

_BUILT_IN = {
    "sqlite": "uow.dialects.sqlite:SQLiteDialect",
    "postgresql": "uow.dialects.postgresql:PostgreSQLDialect",
    "postgres": "uow.dialects.postgresql:PostgreSQLDialect",
    "mysql": "uow.dialects.mysql:MySQLDialect",
    "mariadb": "uow.dialects.mysql:MariaDBDialect",
}


@cache
def dialect_for(name: str) -> Dialect:
    """Find a dialect by name. It is made once.

    Args:
        name: `"sqlite"`, `"postgresql"`, `"mysql"`, `"mariadb"`, or what another package names in
            the entry point group `uow.dialects`.

    Raises:
        QueryError: nobody offers a dialect of that name.
    """
    target = _BUILT_IN.get(name)
    if target is not None:
        module, _, attribute = target.partition(":")
        dialect: Dialect = getattr(import_module(module), attribute)()
        return dialect
    for entry_point in entry_points(group=ENTRY_POINTS):
        if entry_point.name == name:
            found: Dialect = entry_point.load()()
            return found
    known = ", ".join(sorted(_BUILT_IN))
    raise QueryError(f"no dialect is called {name!r}; known are {known}")
