"""DDL of PostgreSQL.

What has no IF NOT EXISTS of its own stands in a DO block, so that all of it may be run again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, cast, final

from uow.dialects import codecs
from uow.dialects._postgresql_definitions import PostgreSQLWriter, block
from uow.dialects._postgresql_types import own_name, type_name
from uow.dialects.sql_ddl import TableDDL, integer_type
from uow.dialects.sql_definitions import literal as quoted_text
from uow.errors import MappingError
from uow.schema.description import CheckDef, Name, SequenceDef, TypeDef
from uow.types import (
    Array,
    Binary,
    ColumnType,
    Composite,
    Date,
    DateTime,
    EnumType,
    Integer,
    Native,
    Numeric,
    Text,
    Time,
)
from uow.values import composite_fields

if TYPE_CHECKING:
    from uow.mapping.columns import Sequence as NumberSequence
    from uow.mapping.foreign_keys import ForeignKey
    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = ["DEFINITION_LOCK", "PostgreSQLDDL"]

DEFINITION_LOCK: Final = 0x756F775F646466
"""The advisory lock that is held while tables are defined (`uow_ddf` in ASCII).

IF NOT EXISTS looks before it makes, so two that make the same at once can fail on a unique index of
the catalogue.
"""


@final
class PostgreSQLDDL(TableDDL):
    """DDL of PostgreSQL."""

    dialect = "postgresql"
    special_indexes = True
    nulls_not_distinct = True
    exclusions = True
    deferrable_unique = True
    sequences = True
    virtual_columns = False
    identities = True

    def __init__(self, writer: PostgreSQLWriter) -> None:
        super().__init__(writer)
        self.own_writer = writer

    def column_type(self, column: MappedColumn) -> str:
        """Give a declared type."""
        return declared_type(self.type_of(column))

    def identity_type(self, column: MappedColumn) -> str:
        """The type of its numbers."""
        return integer_type(cast("Integer", column.type))

    def comment(self, comment: str | None) -> str | None:
        """An empty one is none."""
        return comment or None

    def checks(self, mapper: Mapper) -> tuple[CheckDef, ...]:
        """Add what BYTEA does not hold itself."""
        found = list(super().checks(mapper))
        for column in mapper.table_columns:
            type_ = self.type_of(column)
            if isinstance(type_, Binary) and type_.max_length is not None:
                found.append(self.length_check(column))
        return tuple(found)

    def length(self, column: MappedColumn) -> str:
        """Bytes."""
        return f"octet_length({self.quote(column.name)})"

    def now(self, type_: ColumnType) -> str:
        """Give the transaction's moment, in UTC whatever the session's zone."""
        match type_:
            case Date():
                return "CAST((now() AT TIME ZONE 'utc') AS date)"
            case Time():
                return "CAST((now() AT TIME ZONE 'utc') AS time)"
            case DateTime(timezone=False):
                return "(now() AT TIME ZONE 'utc')"
            case _:
                return "now()"

    def new_uuid(self) -> str:
        """Give a random UUID."""
        return "gen_random_uuid()"

    def expression_default(self, text: str) -> str:
        """SQL needs no brackets here."""
        return text

    # -- foreign keys of tables in a circle

    def add_foreign_keys(self, mapper: Mapper, keys: Sequence[ForeignKey]) -> list[str]:
        """Add those that are not there: to ask first takes no lock, to try would take two."""
        table = self.table(mapper)
        return [
            block(
                f"IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = "
                f"{quoted_text(table)}::regclass AND "
                f"conname = {quoted_text(self.foreign_key_name(key))}) "
                f"THEN ALTER TABLE {table} ADD {self.writer.constraint(self.foreign_key(key))}; "
                "END IF;"
            )
            for key in keys
        ]

    def drop_foreign_keys(self, mapper: Mapper, keys: Sequence[ForeignKey]) -> list[str]:
        """Drop those that are there."""
        return [
            f"ALTER TABLE IF EXISTS {self.table(mapper)} "
            f"DROP CONSTRAINT IF EXISTS {self.quote(self.foreign_key_name(key))}"
            for key in keys
        ]

    # -- what tables stand on

    def lock(self) -> list[str]:
        """Wait until nobody else defines tables by this library."""
        return [f"SELECT pg_advisory_xact_lock({DEFINITION_LOCK})"]

    def create_objects(self, mappers: Sequence[Mapper]) -> list[str]:
        """Give schemas, types and sequences.

        CREATE SCHEMA IF NOT EXISTS wants the right to make schemas even where nothing is to do.
        """
        types, sequences = types_of(mappers), sequences_of(mappers)
        schemas = dict.fromkeys([mapper.schema for mapper in mappers])
        schemas |= dict.fromkeys([type_.schema for type_ in types])
        schemas |= dict.fromkeys([sequence.schema for sequence in sequences])
        statements = [
            block(
                f"IF to_regnamespace({quoted_text(self.quote(schema))}) IS NULL "
                f"THEN CREATE SCHEMA {self.quote(schema)}; END IF;"
            )
            for schema in schemas
            if schema is not None
        ]
        for type_ in types:
            self.refuse_name_of_table(type_, mappers)
            statements.append(self.create_type(type_))
        statements += [
            self.own_writer.create_sequence(self.describe_sequence(one), if_missing=True)
            for one in sequences
        ]
        return statements

    def create_type(self, type_: EnumType | Composite) -> str:
        """Make a type, unless one of its kind is there under that name.

        The server makes a type for each table, of the table's name.
        """
        name = own_name(type_)
        if isinstance(type_, EnumType):
            kind, alike = "enum", "pg_type WHERE typtype = 'e' AND oid"
        else:
            kind, alike = "row type", "pg_class WHERE relkind = 'c' AND reltype"
        taken = quoted_text(
            f"{class_of(type_).__name__}: something else is called {name}, a table or a type; give "
            f"the {kind} another name, or a schema"
        )
        return block(
            f"CREATE TYPE {name} AS {self.body_of(type_)}; "
            "EXCEPTION WHEN duplicate_object THEN "
            f"IF NOT EXISTS (SELECT FROM {alike} = to_regtype({quoted_text(name)})) "
            f"THEN RAISE duplicate_object USING MESSAGE = {taken}; END IF;"
        )

    def refuse_name_of_table(self, type_: EnumType | Composite, mappers: Sequence[Mapper]) -> None:
        """Refuse a type by the name of a table that is made with it.

        Raises:
            MappingError: there is one.
        """
        for mapper in mappers:
            if self.table(mapper) == own_name(type_):
                raise MappingError(
                    f"{class_of(type_).__name__}: PostgreSQL makes a type for the table of"
                    f" {mapper.name} under the name {own_name(type_)}; give the type another name,"
                    " or a schema"
                )

    def drop_objects(self, mappers: Sequence[Mapper]) -> list[str]:
        """Drop types and sequences, but not what a table of others uses, and no schema."""
        things = [f"SEQUENCE IF EXISTS {self.sequence(s)}" for s in sequences_of(mappers)]
        things += [f"TYPE IF EXISTS {own_name(type_)}" for type_ in reversed(types_of(mappers))]
        return [
            block(f"DROP {thing}; EXCEPTION WHEN dependent_objects_still_exist THEN NULL;")
            for thing in things
        ]

    def body_of(self, type_: EnumType | Composite) -> str:
        """Give what a type of our own is made of."""
        return self.own_writer.type_body(self.describe_type(type_))

    def describe_type(self, type_: EnumType | Composite) -> TypeDef:
        """Describe a type of our own."""
        name = Name(type_.native_name or "", type_.schema)
        if isinstance(type_, EnumType):
            labels = codecs.enum_labels(type_)
            for label in labels:
                check_label(type_, label)
            return TypeDef(name=name, labels=labels)
        fields = [(f.name, declared_type(f.type)) for f in composite_fields(type_.class_)]
        return TypeDef(name=name, fields=tuple(fields))

    def describe_types(self, mappers: Sequence[Mapper]) -> tuple[TypeDef, ...]:
        """Describe enums and rows, those first that others are made of."""
        types = types_of(mappers)
        for type_ in types:
            self.refuse_name_of_table(type_, mappers)
        return tuple([self.describe_type(type_) for type_ in types])

    def describe_sequences(self, mappers: Sequence[Mapper]) -> tuple[SequenceDef, ...]:
        """Describe sequences that are not a column's own."""
        return tuple([self.describe_sequence(one) for one in sequences_of(mappers)])

    def describe_sequence(self, sequence: NumberSequence) -> SequenceDef:
        """Describe a sequence."""
        name = Name(sequence.name, sequence.schema)
        return SequenceDef(name=name, start=sequence.start, increment=sequence.increment)

    def sequence(self, sequence: NumberSequence) -> str:
        """Give a sequence's quoted name."""
        name = self.quote(sequence.name)
        return name if sequence.schema is None else f"{self.quote(sequence.schema)}.{name}"

    def next_value(self, sequence: NumberSequence) -> str:
        """Give `nextval`."""
        return f"nextval({quoted_text(self.sequence(sequence))}::regclass)"


def declared_type(type_: ColumnType) -> str:
    """Give the type a column is declared with, limits included."""
    match type_:
        case Text(max_length=int(length)):
            return f"VARCHAR({length})"
        case Numeric(precision=int(precision), scale=scale):
            return f"NUMERIC({precision}, {scale or 0})"
        case Numeric(scale=int(scale)):
            return f"NUMERIC(1000, {scale})"
        case Array(item=item):
            return f"{declared_type(item).removesuffix('[]')}[]"
        case Native() | Composite():
            return type_name(type_)
        case EnumType() if type_.native_name is not None:
            return type_name(type_)
        case _:
            return type_name(type_).upper()


def types_of(mappers: Iterable[Mapper]) -> list[EnumType | Composite]:
    """Give the types that are made for the classes of tables, each once, in order of need.

    Raises:
        MappingError: two classes would be one type.
    """
    found: dict[str, EnumType | Composite] = {}
    for mapper in mappers:
        for column in mapper.table_columns:
            for type_ in types_in(codecs.stored_type(column.type, PostgreSQLDDL.dialect)):
                if type_.schema is None and type_.native_name in _TAKEN:
                    raise MappingError(
                        f"{column}: PostgreSQL has a type {type_.native_name!r} already, which "
                        "goes before any other; give the type another name, or a schema"
                    )
                other = found.setdefault(own_name(type_), type_)
                if class_of(other) is not class_of(type_):
                    raise MappingError(
                        f"{column}: the type {own_name(type_)} is already that of another class"
                    )
    return list(found.values())


_TAKEN: Final = frozenset(
    {
        "aclitem", "bit", "bool", "box", "bpchar", "bytea", "char", "cid", "cidr", "circle",
        "date", "datemultirange", "daterange", "float4", "float8", "inet", "int2", "int4",
        "int4multirange", "int4range", "int8", "int8multirange", "int8range", "interval",
        "json", "jsonb", "jsonpath", "line", "lseg", "macaddr", "macaddr8", "money", "name",
        "numeric", "nummultirange", "numrange", "oid", "path", "point", "polygon", "record",
        "refcursor", "text", "tid", "time", "timestamp", "timestamptz", "timetz", "trigger",
        "tsmultirange", "tsquery", "tsrange", "tstzmultirange", "tstzrange", "tsvector",
        "unknown", "uuid", "varbit", "varchar", "void", "xid", "xid8", "xml",
    }
)  # fmt: skip
"""Names of the server's own types that a class could have, in lower case."""


def types_in(type_: ColumnType) -> Iterator[EnumType | Composite]:
    """Give the types of our own in a type, those first that others are made of."""
    match type_:
        case Array(item=item):
            yield from types_in(item)
        case EnumType() if type_.native_name is not None:
            yield type_
        case Composite(class_=class_):
            for field in composite_fields(class_):
                yield from types_in(field.type)
            yield type_
        case _:
            return


def class_of(type_: EnumType | Composite) -> type:
    """Give the class that a type is made for."""
    return type_.enum_class if isinstance(type_, EnumType) else type_.class_


def sequences_of(mappers: Iterable[Mapper]) -> list[NumberSequence]:
    """Give the sequences of tables, each once."""
    columns = [column for mapper in mappers for column in mapper.table_columns]
    found = {(c.sequence.schema, c.sequence.name): c.sequence for c in columns if c.sequence}
    return list(found.values())


def check_label(type_: EnumType, label: str) -> None:
    """Refuse a label that the server does not take.

    Raises:
        MappingError: it is empty, or longer than 63 bytes.
    """
    if not 0 < len(label.encode()) <= 63:
        raise MappingError(
            f"{type_.enum_class.__name__}: a label of the type {type_.native_name!r} has "
            f"{len(label.encode())} bytes; PostgreSQL takes 1 to 63"
        )
