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

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import attrs

from uow.errors import QueryError
from uow.statement import Many, Sendable, Statement

if TYPE_CHECKING:
    from uow.dialects.helper_texts import HelperTexts as HelperTexts  # noqa: PLC0414 - of this boundary
    from uow.mapping.foreign_keys import ForeignKey
    from uow.mapping.mapper import MappedColumn, Mapper
    from uow.query.statements import AnyStatement, DeleteRows, InsertRows, UpdateRows
    from uow.schema.description import ColumnDef, Constraint, Name, Schema, TableDef
    from uow.schema.steps import Step
    from uow.types import ColumnType

__all__ = [
    "Capabilities",
    "Compiled",
    "Decoder",
    "Definitions",
    "Dialect",
    "Encoder",
    "GetStatement",
    "HasHelperTexts",
    "NamedLock",
    "Reading",
    "ResultColumn",
    "Suspension",
    "TransactionStatus",
    "dialect_for",
]

Reading: TypeAlias = "Generator[Statement, list[tuple[Any, ...]], Schema]"
"""Asks for rows of the catalogue until it knows the schema: yields statements, is sent rows."""

Encoder: TypeAlias = Callable[[Any], Any]
"""Python value to store value. Never called with None. Raises ValueError, without the value."""

Decoder: TypeAlias = Callable[[Any], Any]
"""Store value to Python value. Never called with None."""


@attrs.frozen(kw_only=True)
class TransactionStatus:
    """How a store that remembers its transactions is asked what became of one.

    Attributes:
        own: run in a transaction, gives one row: the name of that transaction, and a value that
            changes when the server crashes and so may give the name again.
        of: has one placeholder, for such a name; gives one row: what became of the transaction,
            and the value as it is now.
        committed: the answer for a transaction that was committed.
        aborted: the answer for one that was rolled back.
        open: the answer for one that is neither yet. Any other answer says that nobody knows.
    """

    own: str
    of: str
    committed: str
    aborted: str
    open: str


@attrs.frozen(kw_only=True)
class NamedLock:
    """How a store gives out a lock that has a name, held until it is given back or the end.

    Attributes:
        take: has one placeholder, for the name; does not wait, and gives one row with a value that
            is true if the lock was taken. The lock is the connection's, not the transaction's.
        release: gives it back; has one placeholder, for the name.
    """

    take: str
    release: str


@attrs.frozen(kw_only=True)
class Capabilities:
    """What a store can do, as named facts.

    Attributes:
        max_parameters: how many placeholders one statement may hold.
        max_identifier_length: the longest name, in UTF-8 bytes (characters on MySQL).
        returning_insert: INSERT .. RETURNING.
        returning_update: UPDATE .. RETURNING.
        returning_delete: DELETE .. RETURNING.
        numbers_in_order: without `returning_insert` the keys that the store numbers are still
            known, since those of one statement follow each other (`Numbered`).
        array_binding: a whole batch travels as one array a column.
        savepoints: SAVEPOINT and ROLLBACK TO.
        deferrable: foreign keys checked at COMMIT where they are declared so.
        deferrable_unique: unique constraints likewise.
        defer_constraints: the statement after which, in this transaction, deferrable constraints
            are checked at COMMIT, whatever they are at first.
        for_update: SELECT .. FOR UPDATE; where false the write lock of the whole database is
            taken at BEGIN, and the clause is left out of the text.
        nowait: FOR UPDATE NOWAIT.
        skip_locked: FOR UPDATE SKIP LOCKED.
        lock_of: FOR UPDATE OF names the tables whose rows are locked.
        conflict_targets: ON CONFLICT names the key that may be met, and RETURNING gives back no row
            that gave way to another.
        lock_outer: FOR UPDATE takes tables of which an outer join may find no row.
        key_locks: FOR NO KEY UPDATE and FOR KEY SHARE, which let others refer to the rows.
        aggregate_filter: FILTER (WHERE ..) behind an aggregate; elsewhere a CASE inside does it.
        frame_groups: frames of windows may be counted in groups.
        lag_default: LAG and LEAD take what to give where there is no row.
        nulls_are_greatest: where nothing is said NULL comes after all other values; else before.
        row_value_ranges: `(a, b) > (1, 2)` is found by an index over both.
        explain_analyze: a plan may come with what its execution took.
        stores_nan: a double may be NaN.
        stores_infinity: a double may be infinite.
        transactional_ddl: CREATE and DROP can be rolled back.
        schemas: tables live in named schemas.
        default_values: a row with no given column can be inserted.
        forward_references: CREATE TABLE may name a table in a foreign key that is not there yet;
            where false, keys between tables that refer to each other are added afterwards.
        unchanged_rows_match: an UPDATE that changes nothing still counts the rows it matched
            (MySQL: only with CLIENT_FOUND_ROWS, which the driver sets).
        deletes_come_back: a batch of deletes is few statements, which give back the keys of the
            rows that were there.
        deletes_own_referrer: a row that refers to itself can be deleted as it is.
        transaction_status: how to ask what became of a transaction, where the store remembers;
            elsewhere verifiable commits leave a row in a table of our own.
        named_lock: how a lock is taken that only has a name; None where there is no such thing.
        finds_table: the statement that gives a row if there is a table of a name; it has one
            placeholder. None where reading what is not there is no error.
        documents: it keeps documents in collections, not rows in tables.
        indexed_references: a foreign key needs an index over its columns.
        exact_classes: the classes of whose values it takes for equal just those that Python does.
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
    numbers_in_order: bool = False
    lock_of: bool = False
    conflict_targets: bool = True
    lock_outer: bool = True
    key_locks: bool = False
    aggregate_filter: bool = False
    frame_groups: bool = False
    lag_default: bool = True
    nulls_are_greatest: bool = False
    row_value_ranges: bool = False
    explain_analyze: bool = True
    deferrable_unique: bool = False
    defer_constraints: str | None = None
    default_values: bool = True
    forward_references: bool = False
    unchanged_rows_match: bool = True
    deletes_come_back: bool = False
    deletes_own_referrer: bool = True
    transaction_status: TransactionStatus | None = None
    named_lock: NamedLock | None = None
    finds_table: str | None = None
    documents: bool = False
    indexed_references: bool = False
    exact_classes: frozenset[type] = frozenset()


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
        default: the row where none comes back, of a statement that always means one.
    """

    sql: str
    parameters: tuple[object, ...] = ()
    columns: tuple[ResultColumn, ...] = ()
    reads: bool = False
    default: tuple[object, ...] | None = None

    @property
    def statement(self) -> Statement:
        """What a driver takes."""
        return Statement(self.sql, self.parameters, reads=self.reads)

    @property
    def returns_rows(self) -> bool:
        """Whether rows come back."""
        return bool(self.columns)


@attrs.frozen
class KeyPart:
    """Stands for a value of the key among parameters that are known before the key is.

    Attributes:
        number: which one.
    """

    number: int


@attrs.frozen
class GetStatement:
    """The text that reads one row by its key; its parameters are the encoded key values.

    Attributes:
        sql: the text, with one placeholder a key column, in the order of `Mapper.key`.
        columns: what comes back, in order.
        reads: False if it takes a lock.
        parameters: what stands for the placeholders, where that is more than the key.
    """

    sql: str
    columns: tuple[MappedColumn, ...]
    reads: bool
    parameters: tuple[object, ...] | None = None

    def statement(self, key: Sequence[object]) -> Statement:
        """Give the statement for one encoded key.

        Args:
            key: one encoded value a key column, in the order of `Mapper.key`.
        """
        if self.parameters is not None:
            key = [key[p.number] if type(p) is KeyPart else p for p in self.parameters]
        return Statement(self.sql, key, reads=self.reads)


@attrs.frozen(kw_only=True)
class Suspension:
    """What a connection has to leave off while tables are built anew.

    Attributes:
        asked: gives one row with one value: whether it is on.
        off: turns it off; no part of a transaction.
        on: turns it on.
        broken: gives a row for everything that would not have passed.
    """

    asked: Statement
    off: str
    on: str
    broken: Statement


class Definitions(Protocol):
    """How one store's tables are described in its own SQL, changed and read. Nothing here waits."""

    def create_table(
        self, table: TableDef, *, if_missing: bool = False, without: Collection[str] = ()
    ) -> list[str]:
        """Give the statements that make a table, its indexes and its comments."""
        ...

    @property
    def table_options(self) -> str:
        """What stands behind the columns of every table."""
        ...

    @property
    def makes_up_values(self) -> bool:
        """Whether rows get a value for a new column that takes no NULL and has no default."""
        ...

    def table_constraints(self, table: TableDef) -> list[str]:
        """Give the constraints of a table as CREATE TABLE says them behind the columns."""
        ...

    def comments(self, table: TableDef) -> list[str]:
        """Give the statements that set comments, where CREATE TABLE does not."""
        ...

    def column_comment(self, table: Name, column: ColumnDef, before: str | None) -> list[str]:
        """Give what sets a column's comment, where its definition does not."""
        ...

    def kind(self, column: ColumnDef) -> ColumnType:
        """Say what the values of a column are, as far as its type tells."""
        ...

    def column_body(self, column: ColumnDef, table: TableDef | None = None) -> str:
        """Give the definition of a column without its name."""
        ...

    def constraint_body(self, constraint: Constraint) -> str:
        """Give a constraint without its name."""
        ...

    def name(self, name: Name) -> str:
        """Give a quoted name with its schema."""
        ...

    def step_texts(self, steps: Sequence[Step], before: Schema) -> list[str]:
        """Give the statements of steps, which follow each other from a schema on.

        Raises:
            MappingError: the store cannot do a step, or what it changes is not there.
        """
        ...

    def rebuilds(self, steps: Sequence[Step], before: Schema) -> bool:
        """Whether the texts of steps rest on how the tables are at this moment."""
        ...

    def suspension(self) -> Suspension | None:
        """Say what has to be off while steps run, and is a matter of the connection."""
        ...

    def read(self, schemas: Collection[str] = (), table: Name | None = None) -> Reading:
        """Read what is there.

        Args:
            schemas: named schemas to read besides the store's default one.
            table: read this table alone.
        """
        ...

    def scratch(self, table: TableDef, wanted: Schema) -> tuple[list[str], Name, list[str]] | None:
        """Give how to ask the store what it makes of a table's SQL.

        Returns:
            What makes a table for this connection alone, its name, and what drops it again; None
            where the store keeps texts as they are given.
        """
        ...

    def told(self, wanted: TableDef, told: TableDef) -> TableDef:
        """Put what the store made of a table's SQL in the place of what was given."""
        ...

    def own_type(self, column: ColumnDef) -> str | None:
        """Give a column's type if models of its kind are written another; None if they are not."""
        ...

    def misfits(self, steps: Sequence[Step], before: Schema) -> list[tuple[str, Statement]]:
        """Give what finds values that steps left in a column whose type has none such."""
        ...

    def spelled_as(self, wanted: TableDef, known: TableDef) -> TableDef:
        """Say what models want in the words of a table that is there, where they mean the same."""
        ...

    def parse_column(self, name: str, text: str) -> ColumnDef:
        """Read `VARCHAR(20) NOT NULL DEFAULT 'x'`.

        Raises:
            MappingError: it is no definition of a column, or holds a constraint.
        """
        ...

    def parse_constraint(self, name: str, text: str) -> Constraint:
        """Read `CHECK (n > 0)`, `FOREIGN KEY (a) REFERENCES t (id) ON DELETE CASCADE`, ...

        Raises:
            MappingError: it is none.
        """
        ...


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

    def encoder_with(
        self, type_: ColumnType, encoders: Mapping[type, Callable[[Any], Any]]
    ) -> Encoder | None:
        """As `encoder`, for a class that brings encoders of its own for values of some classes."""
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
        """Give the text that reads one row by key. Texts are kept, so this is a look-up.

        Args:
            mapper: whose table.
            columns: what to read, all of `mapper.columns` if None.
            classes: for a class of a hierarchy, of which classes the row may be; what is read is
                then the columns of `shape_of(mapper, classes)`.
            for_update: lock the row.
            nowait: fail at once if it is locked.
            skip_locked: answer no row if it is locked.
        """
        ...

    def explain(self, compiled: Compiled, *, analyze: bool = False) -> Statement:
        """Give the statement that asks how the store would run another.

        Args:
            compiled: the other.
            analyze: run it, and tell what it took.

        Raises:
            QueryError: the store cannot `analyze`.
        """
        ...

    def plan(self, rows: Sequence[Sequence[object]]) -> str:
        """Make a text, for people, of the rows that `explain` gave."""
        ...

    def new_keys(self, mapper: Mapper, count: int) -> list[Any]:
        """Make the keys of new documents that bring none.

        Raises:
            MappingError: keys of its type are not made here.
        """
        ...

    def insert_rows(self, batch: InsertRows) -> list[Sendable]:
        """Give the statements that insert the rows of a batch.

        Returns:
            Statements to run in this order. With `batch.returning` every row comes back once,
            as the store's values of those columns, in input order over all statements.

        Raises:
            QueryError: `batch.returning` where the store has no `returning_insert`, unless it is
                the key alone and the store `numbers_in_order`.
        """
        ...

    def update_rows(self, batch: UpdateRows) -> list[Statement | Many]:
        """Give the statements that update the rows of a batch.

        Returns:
            Statements to run in this order. Each input row matches at most one stored row; one
            that matches none is missing from the counts, and from the rows that come back with
            `batch.returning`, in no order. A count is of one input row only if there are as many
            counts as input rows.

        Raises:
            QueryError: `batch.returning` where the store has no `returning_update`.
        """
        ...

    def lock_rows(self, batch: UpdateRows) -> list[Statement]:
        """Give the statements that lock the rows of a batch and tell which of them are there.

        Returns:
            Statements that give the key of each row that is found by `where_columns`. None, where
            each row of `update_rows` is told apart anyway; then it has to go one by one.
        """
        ...

    def delete_rows(self, batch: DeleteRows) -> list[Statement | Many]:
        """Give the statements that delete the rows of a batch.

        Returns:
            As `update_rows`.

        Raises:
            QueryError: `batch.returning` where the store has no `returning_delete`.
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

    def drop_foreign_keys(self, mapper: Mapper, keys: Sequence[ForeignKey]) -> list[str]:
        """Give the DDL that drops foreign keys, so that tables in a circle can be dropped."""
        ...

    def lock_definitions(self) -> list[str]:
        """Give what lets nobody else define tables until the transaction ends; may be nothing."""
        ...

    def create_objects(self, mappers: Sequence[Mapper]) -> list[str]:
        """Give the DDL of what tables stand on (schemas, types, sequences), if it is not there.

        Raises:
            MappingError: the store cannot have it.
        """
        ...

    def drop_objects(self, mappers: Sequence[Mapper]) -> list[str]:
        """Give the DDL that drops the types and sequences of tables, if nothing else uses them."""
        ...

    def drop_table(self, mapper: Mapper) -> list[str]:
        """Give the DDL that drops a table, if there is one."""
        ...

    def describe(self, mappers: Sequence[Mapper]) -> Schema:
        """Describe the tables of mappers and what they stand on.

        Raises:
            MappingError: the store cannot have one of them, or has no tables.
        """
        ...

    @property
    def definitions(self) -> Definitions:
        """How definitions are written and read.

        Raises:
            MappingError: the store has no tables.
        """
        ...


@runtime_checkable
class HasHelperTexts(Protocol):
    """A dialect of SQL, which says what the helpers of migrations mean."""

    @property
    def helper_texts(self) -> HelperTexts:
        """Who says it."""
        ...


ENTRY_POINTS = "uow.dialects"
"""The entry point group in which other packages name their dialects (a class or a factory)."""

_BUILT_IN = {
    "sqlite": "uow.dialects.sqlite:SQLiteDialect",
    "postgresql": "uow.dialects.postgresql:PostgreSQLDialect",
    "postgres": "uow.dialects.postgresql:PostgreSQLDialect",
    "mysql": "uow.dialects.mysql:MySQLDialect",
    "mariadb": "uow.dialects.mysql:MariaDBDialect",
    "mongodb": "uow.dialects.mongodb:MongoDBDialect",
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
