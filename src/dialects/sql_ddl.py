"""Mapped tables to descriptions, and their DDL, shared by the SQL dialects.

`TableDDL` says what all stores agree on; a dialect overrides a method where its store differs. The
text is written by `sql_definitions.py`.

What a store does not have is left out where it only serves speed (an access method, what an index
includes), and refused where a table would mean something else without it.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from uow.dialects import codecs
from uow.dialects._names import Quoter
from uow.errors import MappingError
from uow.mapping.names import constraint_name
from uow.schema.description import (
    CheckDef,
    ColumnDef,
    ExclusionDef,
    ForeignKeyDef,
    IndexDef,
    IndexPartDef,
    KeyDef,
    Name,
    Schema,
    SequenceDef,
    TableDef,
    TypeDef,
    UniqueDef,
)
from uow.types import (
    Binary,
    Boolean,
    ColumnType,
    Date,
    DateTime,
    Integer,
    Text,
    Time,
    Uuid,
)

if TYPE_CHECKING:
    from uow.dialects.sql_definitions import DefinitionWriter
    from uow.mapping.columns import Sequence as NumberSequence
    from uow.mapping.foreign_keys import ForeignKey
    from uow.mapping.mapper import (
        Check,
        Exclusion,
        Index,
        IndexPart,
        MappedColumn,
        Mapper,
        Unique,
    )

__all__ = ["TableDDL", "integer_type", "is_ordinary"]

_NOW = {"NOW()", "CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP()", "LOCALTIMESTAMP", "UTC_TIMESTAMP()"}
_TODAY = {"CURRENT_DATE", "CURRENT_DATE()", "CURDATE()", "UTC_DATE()"}
_TIME_OF_DAY = {"CURRENT_TIME", "CURRENT_TIME()", "LOCALTIME", "CURTIME()", "UTC_TIME()"}
_NEW_UUID = {"GEN_RANDOM_UUID()", "UUID_GENERATE_V4()", "UUID()"}
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?\Z")
_STRING = re.compile(r"'(?:[^']|'')*'\Z")


class TableDDL(ABC):
    """Describes mapped tables as one store has them, and writes their DDL."""

    dialect: str
    """The name of the dialect."""
    writer: DefinitionWriter
    quote: Quoter
    max_identifier_length: int
    partial_indexes = True
    expression_indexes = True
    index_collations = True
    special_indexes = False
    """Whether indexes have access methods, operator classes, included columns, places for NULLs."""
    nulls_not_distinct = False
    """Whether NULLs can be alike in what is unique."""
    exclusions = False
    deferrable = True
    deferrable_unique = False
    sequences = False
    virtual_columns = True
    length_checks = False
    """Whether the store ignores the length of VARCHAR, so that a CHECK must hold it."""
    generated_not_null = True
    """Whether NOT NULL may stand beside GENERATED (MariaDB refuses it)."""

    def __init__(self, writer: DefinitionWriter) -> None:
        self.writer = writer
        self.quote = writer.quote
        self.max_identifier_length = writer.max_identifier_length

    # -- what stores differ in

    @abstractmethod
    def column_type(self, column: MappedColumn) -> str:
        """Give the declared type of a column."""

    def type_of(self, column: MappedColumn) -> ColumnType:
        """Give the type that this store keeps the values of a column as.

        Raises:
            MappingError: it has no such type.
        """
        try:
            return codecs.stored_type(column.type, self.dialect)
        except MappingError as error:
            raise MappingError(f"{column}: {error}") from None

    def lock(self) -> list[str]:
        """Give the statements that let nobody else define tables until the transaction ends."""
        return []

    def create_objects(self, mappers: Sequence[Mapper]) -> list[str]:  # noqa: ARG002 - most have none
        """Give the statements that make what tables stand on, where it is not there yet."""
        return []

    def drop_objects(self, mappers: Sequence[Mapper]) -> list[str]:  # noqa: ARG002 - most have none
        """Give the statements that drop what tables stood on, where nothing else does."""
        return []

    def next_value(self, sequence: NumberSequence) -> str:
        """Give the expression for the next number of a sequence."""
        raise MappingError(f"{self.dialect} has no sequences, so no {sequence.name!r}")

    @abstractmethod
    def now(self, type_: ColumnType) -> str:
        """Give the expression for this moment, as a column of that type keeps it."""

    @abstractmethod
    def new_uuid(self) -> str:
        """Give the expression for a new UUID."""

    def identity_type(self, column: MappedColumn) -> str:
        """Give the declared type of a numbered column."""
        return self.column_type(column)

    @abstractmethod
    def length(self, column: MappedColumn) -> str:
        """Give the expression for how long a text or bytes column is."""

    # -- statements

    def create_table(self, mapper: Mapper, *, without: Collection[ForeignKey] = ()) -> list[str]:
        """Give the statements that make a table, its indexes and its comments.

        Args:
            mapper: whose table.
            without: foreign keys to leave out, for tables that refer to each other.
        """
        names = [self.foreign_key_name(key) for key in without]
        table = self.describe(mapper)
        return self.writer.create_table(table, if_missing=True, without=names)

    def add_foreign_keys(self, mapper: Mapper, keys: Sequence[ForeignKey]) -> list[str]:
        """Give the statements that add foreign keys `create_table` left out."""
        return [
            f"ALTER TABLE {self.table(mapper)} ADD {self.writer.constraint(self.foreign_key(key))}"
            for key in keys
        ]

    def drop_foreign_keys(self, mapper: Mapper, keys: Sequence[ForeignKey]) -> list[str]:
        """Give the statements that drop foreign keys, so that tables in a circle can be dropped."""
        return [
            f"ALTER TABLE {self.table(mapper)} "
            f"DROP FOREIGN KEY {self.quote(self.foreign_key_name(key))}"
            for key in keys
        ]

    def drop_table(self, mapper: Mapper) -> list[str]:
        """Give the statements that drop a table, if there is one."""
        return [f"DROP TABLE IF EXISTS {self.table(mapper)}"]

    # -- descriptions

    def describe_all(self, mappers: Sequence[Mapper]) -> Schema:
        """Describe tables and what they stand on.

        Raises:
            MappingError: the store cannot have one of them; names the class and the field.
        """
        tables = tuple([self.describe(mapper) for mapper in mappers])
        types, sequences = self.describe_types(mappers), self.describe_sequences(mappers)
        names = [table.name for table in tables]
        names += [type_.name for type_ in types] + [sequence.name for sequence in sequences]
        return Schema(
            dialect=self.dialect,
            tables=tables,
            types=types,
            sequences=sequences,
            schemas=frozenset([name.schema for name in names if name.schema is not None]),
        )

    def describe_types(self, mappers: Sequence[Mapper]) -> tuple[TypeDef, ...]:  # noqa: ARG002
        """Describe the types that are made for tables."""
        return ()

    def describe_sequences(self, mappers: Sequence[Mapper]) -> tuple[SequenceDef, ...]:  # noqa: ARG002
        """Describe the sequences that are made for tables."""
        return ()

    def describe(self, mapper: Mapper) -> TableDef:
        """Describe one table.

        Raises:
            MappingError: the store cannot have it; names the class and the field.
        """
        mapper.configure()
        return TableDef(
            name=self.table_name(mapper),
            columns=tuple([self.column(column) for column in mapper.table_columns]),
            key=KeyDef(columns=[column.name for column in mapper.key]) if mapper.key else None,
            uniques=tuple([self.unique(unique) for unique in mapper.uniques]),
            checks=self.checks(mapper),
            exclusions=tuple([self.exclusion(one) for one in mapper.exclusions]),
            foreign_keys=tuple([self.foreign_key(key) for key in mapper.foreign_keys]),
            indexes=tuple([self.index(index) for index in self.indexes(mapper)]),
            comment=self.comment(mapper.comment),
        )

    def comment(self, comment: str | None) -> str | None:
        """Give a comment as the store keeps it."""
        return comment

    def indexes(self, mapper: Mapper) -> list[Index]:
        """Give the indexes the store makes: not those that only serve speed in a way it has not."""
        if self.special_indexes:
            return list(mapper.indexes)
        return [
            index
            for index in mapper.indexes
            if index.unique or is_ordinary(index) or self.method(index) is not None
        ]

    def method(self, index: Index) -> str | None:
        """Give the access method of an index, if the store has it."""
        method = (index.method or "btree").lower()
        is_known = self.special_indexes or method in self.index_methods
        return method if is_known and method != "btree" else None

    index_methods: frozenset[str] = frozenset()
    """Access methods of a store that has no others."""

    def table_name(self, mapper: Mapper) -> Name:
        """Give the table's name."""
        return Name(mapper.table_name, mapper.schema or None)

    def table(self, mapper: Mapper) -> str:
        """Give the table's quoted name."""
        return self.writer.name(self.table_name(mapper))

    def column(self, column: MappedColumn) -> ColumnDef:
        """Describe one column."""
        is_numbered_here = column.sequence is None or not self.sequences
        if column.numbered and not self.identities:
            raise MappingError(
                f"{column}: only PostgreSQL numbers a column (identity=) that is not the key"
            )
        type_ = column.sql_type or self._declared(column)
        if column.numbered or (column.auto_increment and is_numbered_here):
            return ColumnDef(
                name=column.name,
                type=column.sql_type or self.identity_type(column),
                nullable=False,
                identity="always" if self._always(column) else "by default",
                comment=self.comment(column.comment),
                kind=column.type,
            )
        default = None
        if column.generated is None:
            if column.sequence is not None:
                default = self._next_value(column, column.sequence)
            elif column.server_default is not None:
                default = self.server_default(column)
        is_generated = column.generated is not None
        return ColumnDef(
            name=column.name,
            type=type_,
            nullable=column.nullable or (is_generated and not self.generated_not_null),
            default=None if default == "NULL" else default,
            generated=column.generated,
            virtual=is_generated and column.virtual and self.virtual_columns,
            collation=self.collation(column),
            comment=self.comment(column.comment),
            kind=column.type,
        )

    def _always(self, column: MappedColumn) -> bool:
        return column.identity_always and self.identities

    identities = False
    """Whether a number that a row brings can be refused."""

    def collation(self, column: MappedColumn) -> str | None:
        """Give the collation a column names."""
        return (column.type.collation or None) if isinstance(column.type, Text) else None

    def _declared(self, column: MappedColumn) -> str:
        try:
            return self.column_type(column)
        except MappingError as error:
            message = str(error)
            if message.startswith(str(column)):
                raise
            raise MappingError(f"{column}: {message}") from None

    def _next_value(self, column: MappedColumn, sequence: NumberSequence) -> str:
        try:
            return self.next_value(sequence)
        except MappingError as error:
            raise MappingError(f"{column}: {error}") from None

    def checks(self, mapper: Mapper) -> tuple[CheckDef, ...]:
        """Describe the checks of a table, and those that hold columns to their longest values."""
        lengths: list[CheckDef] = []
        if self.length_checks:
            limited = [c for c in mapper.table_columns if self.max_length(c) is not None]
            lengths = [self.length_check(column) for column in limited]
        return (*lengths, *[self.check(mapper, c, n) for n, c in enumerate(mapper.checks, 1)])

    def unique(self, unique: Unique) -> UniqueDef:
        """Describe a unique constraint."""
        mapper = unique.columns[0].mapper
        names = [column.name for column in unique.columns]
        if not unique.nulls_distinct:
            self.need_nulls_alike(mapper)
        return UniqueDef(
            name=unique.name or self.make_name("uq", mapper, *names),
            columns=names,
            nulls_distinct=unique.nulls_distinct,
            deferral=self.deferral(unique) if self.deferrable_unique else None,
        )

    def need_nulls_alike(self, mapper: Mapper) -> None:
        """Refuse NULLS NOT DISTINCT where there is no such thing.

        Raises:
            MappingError: there is none.
        """
        if not self.nulls_not_distinct:
            raise MappingError(
                f"{mapper.name}: {self.dialect} takes NULLs in what is unique as different"
            )

    def exclusion(self, exclusion: Exclusion) -> ExclusionDef:
        """Describe an exclusion constraint.

        Raises:
            MappingError: the store has none.
        """
        mapper = exclusion.columns[0].mapper
        if not self.exclusions:
            raise MappingError(f"{mapper.name}: {self.dialect} has no exclusion constraints")
        name = exclusion.name or self.make_name("ex", mapper, *(c.name for c in exclusion.columns))
        pairs = zip(exclusion.columns, exclusion.operators, strict=True)
        parts = ", ".join(
            [f"{self.quote(column.name)} WITH {operator}" for column, operator in pairs]
        )
        where = "" if exclusion.where is None else f" WHERE ({exclusion.where})"
        deferral = self.writer.deferral(self.deferral(exclusion))
        return ExclusionDef(
            name=name, sql=f"EXCLUDE USING {exclusion.method} ({parts}){where}{deferral}"
        )

    def deferral(self, constraint: ForeignKey | Unique | Exclusion) -> str | None:
        """Give when a constraint is checked."""
        if not constraint.deferrable:
            return None
        return "deferred" if constraint.initially_deferred else "immediate"

    def check(self, mapper: Mapper, check: Check, number: int) -> CheckDef:
        """Describe a check constraint."""
        tail = check.column.name if check.column is not None else str(number)
        return CheckDef(name=check.name or self.make_name("ck", mapper, tail), sql=check.sql)

    def length_check(self, column: MappedColumn) -> CheckDef:
        """Describe the check that holds a column to its longest value."""
        name = self.make_name("ck", column.mapper, column.name, "length")
        return CheckDef(name=name, sql=f"{self.length(column)} <= {self.max_length(column)}")

    def max_length(self, column: MappedColumn) -> int | None:
        """Give the longest value of a text or bytes column, if there is a limit."""
        type_ = self.type_of(column)
        return type_.max_length if isinstance(type_, Text | Binary) else None

    def foreign_key(self, key: ForeignKey) -> ForeignKeyDef:
        """Describe a foreign key."""
        return ForeignKeyDef(
            name=self.foreign_key_name(key),
            columns=[column.name for column in key.columns],
            target=self.table_name(key.target),
            target_columns=[column.name for column in key.target_columns],
            on_delete=self.action(key.on_delete),
            on_update=self.action(key.on_update),
            deferral=self.deferral(key) if self.deferrable else None,
        )

    def action(self, action: str | None) -> str | None:
        """Give what a foreign key does; None for what it does anyway."""
        return None if action == "NO ACTION" else action

    def foreign_key_name(self, key: ForeignKey) -> str:
        """Give a foreign key's name."""
        return key.name or self.make_name("fk", key.mapper, *(c.name for c in key.columns))

    def index(self, index: Index) -> IndexDef:
        """Describe an index.

        Raises:
            MappingError: the store cannot have it.
        """
        if not index.nulls_distinct:
            self.need_nulls_alike(index.mapper)
        if index.where is not None and not self.partial_indexes:
            raise MappingError(
                f"the index {index.name!r} is partial; {self.dialect} has no such index"
            )
        name = index.name
        if not index.is_named:
            name = constraint_name(self.max_identifier_length, index.name)
        return IndexDef(
            name=name,
            parts=[self.index_part(index, part) for part in index.parts],
            unique=index.unique,
            where=index.where,
            method=self.method(index),
            include=[column.name for column in index.include] if self.special_indexes else (),
            nulls_distinct=index.nulls_distinct,
        )

    def index_part(self, index: Index, part: IndexPart) -> IndexPartDef:
        """Describe one thing an index is over, and how.

        Raises:
            MappingError: the store cannot have such an index.
        """
        if part.column is None and not self.expression_indexes:
            raise MappingError(
                f"the index {index.name!r} is over an expression; {self.dialect} has no such index"
            )
        if part.collation is not None and not self.index_collations:
            raise MappingError(
                f"the index {index.name!r} has a collation of its own; "
                f"{self.dialect} has no such index"
            )
        is_special = self.special_indexes
        return IndexPartDef(
            column=None if part.column is None else part.column.name,
            expression=part.expression,
            descending=part.descending,
            nulls=part.nulls if is_special else None,
            opclass=part.opclass if is_special else None,
            collation=part.collation,
        )

    def make_name(self, prefix: str, mapper: Mapper, *parts: str) -> str:
        """Make the name of a constraint."""
        return constraint_name(self.max_identifier_length, prefix, mapper.table_name, *parts)

    # -- defaults

    def server_default(self, column: MappedColumn) -> str:
        """Translate a default: portable functions and plain values by type, else SQL as given."""
        text = (column.server_default or "").strip()
        word = "".join(text.upper().split())
        if word in _NEW_UUID and isinstance(column.type, Uuid):
            return self.new_uuid()
        if word in _NOW | _TODAY | _TIME_OF_DAY and isinstance(column.type, Date | Time | DateTime):
            return self.now(column.type)
        if word in {"TRUE", "FALSE"} and isinstance(column.type, Boolean):
            return self.boolean(word == "TRUE")
        if word == "NULL":
            return "NULL"
        if _NUMBER.match(text):
            return self.number_default(column, text)
        if _STRING.match(text):
            return self.string_default(column, text)
        return self.expression_default(text)

    def boolean(self, value: bool) -> str:
        """Write a truth value."""
        return "TRUE" if value else "FALSE"

    def number_default(self, column: MappedColumn, text: str) -> str:  # noqa: ARG002
        """Write a number as a default."""
        return text

    def string_default(self, column: MappedColumn, text: str) -> str:  # noqa: ARG002
        """Write a quoted string as a default."""
        return text

    def expression_default(self, text: str) -> str:
        """Write SQL as a default."""
        return f"({text})"


def is_ordinary(index: Index) -> bool:
    """Whether any store has the access method of an index: it orders or hashes values."""
    return index.method is None or index.method.lower() in {"btree", "hash"}


def integer_type(type_: Integer) -> str:
    """Give the standard name of a whole number of that width."""
    return {16: "SMALLINT", 32: "INTEGER"}.get(type_.bits, "BIGINT")
