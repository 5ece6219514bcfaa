"""Definitions of SQLite: written, changed by building a table anew, and read from their own text.

SQLite keeps the text of every definition, so nothing has to be asked but for that text. What ALTER
TABLE cannot do is done as the manual says ("Making Other Kinds Of Table Schema Changes"): a new
table takes the rows over and then the name; indexes, triggers and the last number come along.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final, TypeVar, final

import attrs

from uow.dialects._create_table import Part, Reader, parts_of_table, split
from uow.dialects._kinds import kind_of_type
from uow.dialects.base import Reading, Suspension
from uow.dialects.sql_definitions import DefinitionWriter, literal
from uow.errors import MappingError
from uow.mapping.names import constraint_name
from uow.schema.description import (
    CheckDef,
    ColumnDef,
    Constraint,
    ForeignKeyDef,
    IndexDef,
    IndexPartDef,
    KeyDef,
    Name,
    Schema,
    TableDef,
    TriggerDef,
    UniqueDef,
)
from uow.schema.steps import (
    AddColumn,
    AddConstraint,
    AlterColumn,
    CreateIndex,
    CreateSchema,
    CreateTable,
    DropColumn,
    DropConstraint,
    DropIndex,
    DropTable,
    RenameColumn,
    RenameTable,
    RunSQL,
    SetComment,
    Step,
    TableStep,
)
from uow.schema.words import Word
from uow.statement import Statement
from uow.types import (
    Binary,
    Boolean,
    ColumnType,
    Date,
    DateTime,
    Float,
    Integer,
    Interval,
    Native,
    Numeric,
    Text,
    Time,
    Uuid,
)

__all__ = ["SQLiteWriter"]

_LITERAL: Final = re.compile(r"[-+]?\d+(\.\d+)?|'(?:[^']|'')*'|NULL|TRUE|FALSE", re.IGNORECASE)
"""A default that ADD COLUMN takes for rows that are there."""

_MADE_ANEW: Final = "uow_new_"


@attrs.define
class _Change:
    """A table that is to be built anew.

    Attributes:
        before: the table as the store has it.
        kept: the columns of it that keep their values.
    """

    before: TableDef
    kept: list[str]


@final
class SQLiteWriter(DefinitionWriter):
    """Definitions of SQLite."""

    dialect = "sqlite"

    def name(self, name: Name) -> str:
        """Give a quoted name.

        Raises:
            MappingError: it has a schema, which SQLite has not.
        """
        if name.schema not in {None, "main", "temp"}:
            raise MappingError(f"SQLite has no schemas, so no {str(name)!r}")
        return super().name(name)

    def identity(self, column: ColumnDef) -> str:  # noqa: ARG002 - the same for all
        """AUTOINCREMENT never gives the key of a deleted row again."""
        return "INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL"

    def key_is_inline(self, table: TableDef) -> bool:
        """A numbered key is declared with its column."""
        return any(column.identity is not None for column in table.columns)

    # -- steps

    def step_texts(self, steps: Sequence[Step], before: Schema) -> list[str]:
        """Give the statements of steps; all changes of a table are one."""
        texts: list[str] = []
        changes: dict[Name, _Change] = {}
        anew = {step.table for step in steps if isinstance(step, TableStep) and _needs_anew(step)}
        for step in steps:
            match step:
                case RenameTable(table=name) | RenameColumn(table=name):
                    texts += self._finish(changes, name, before)
                    texts += self.step(step, before)
                case RunSQL():  # which may be about any of them
                    for name in list(changes):
                        texts += self._finish(changes, name, before)
                    texts += self.step(step, before)
                case DropTable(table=table):
                    changes.pop(table.name, None)
                    texts += self.step(step, before)
                case DropIndex():
                    texts += self.step(step, before)
                case CreateIndex(table=name) if name in changes:
                    pass  # made with the table
                case (
                    AddColumn() | DropColumn() | AlterColumn() | AddConstraint() | DropConstraint()
                ):
                    if step.table in anew:
                        self._note(changes, step, before)
                    else:
                        texts += self.step(step, before)
                case _:
                    texts += self.step(step, before)
            before = step.apply(before)
        for name in list(changes):
            texts += self._finish(changes, name, before)
        return texts

    def _note(self, changes: dict[Name, _Change], step: TableStep, before: Schema) -> None:
        table = before.table(step.table)
        if table is None:
            raise MappingError(f"there is no table {str(step.table)!r} to change")
        change = changes.get(step.table)
        if change is None:
            kept = [column.name for column in table.columns]
            change = changes[step.table] = _Change(table, kept)
        if isinstance(step, DropColumn) and step.column.name in change.kept:
            change.kept.remove(step.column.name)

    def _finish(self, changes: dict[Name, _Change], name: Name, now: Schema) -> list[str]:
        change = changes.pop(name, None)
        table = now.table(name)
        return [] if change is None or table is None else self._anew(change, table)

    def _anew(self, change: _Change, table: TableDef) -> list[str]:
        """Build a table anew.

        References of others stay as they are, since they go by the name. `legacy_alter_table` lets
        a view speak of a table that is not there for a moment.
        """
        before = change.before
        _refuse_other_key(table)
        if before.unsaid:
            raise MappingError(
                f"the definition of {before.name} says {before.unsaid!r}, which would be lost when "
                "the table is built anew; change it by SQL of your own"
            )
        new = attrs.evolve(
            table, name=Name(f"{_MADE_ANEW}{table.name.name}"), indexes=(), options=before.options
        )
        stored = [c.name for c in table.columns if c.generated is None]
        generated = {c.name for c in before.columns if c.generated is not None}
        kept = [n for n in stored if n in change.kept and n not in generated]
        copied = self.names(kept)
        values = ", ".join([self._value(name, before, table) for name in kept])
        old_name, new_name = self.name(before.name), self.name(new.name)
        texts = self.create_table(new)
        if copied:
            texts.append(f"INSERT INTO {new_name} ({copied}) SELECT {values} FROM {old_name}")
        if _is_numbered(before) and _is_numbered(table):
            old_text, new_text = literal(before.name.name), literal(new.name.name)
            texts += [
                f"DELETE FROM sqlite_sequence WHERE name = {new_text}",
                (
                    "INSERT INTO sqlite_sequence (name, seq) "
                    f"SELECT {new_text}, seq FROM sqlite_sequence WHERE name = {old_text}"
                ),
            ]
        return [
            *texts,
            f"DROP TABLE {old_name}",
            "PRAGMA legacy_alter_table = ON",
            f"ALTER TABLE {new_name} RENAME TO {self.quote(table.name.name)}",
            "PRAGMA legacy_alter_table = OFF",
            *[self.create_index(table.name, index) for index in table.indexes],
            *[trigger.sql for trigger in table.triggers],
        ]

    def _value(self, name: str, before: TableDef, table: TableDef) -> str:
        """Give a column's value in the form of its new type; what has none stays as it is."""
        value = self.quote(name)
        old, new = before.column(name), table.column(name)
        if old is None or new is None or old.type == new.type:
            return value
        return _converted(value, self.kind(old), self.kind(new))

    def misfits(self, steps: Sequence[Step], before: Schema) -> list[tuple[str, Statement]]:
        """Look for values that a column's new type does not have: SQLite would keep them."""
        after = before
        altered: dict[tuple[Name, str], None] = {}
        for step in steps:
            after = step.apply(after)
            if isinstance(step, AlterColumn) and step.before.type != step.after.type:
                altered[step.table, step.after.name] = None
        found: list[tuple[str, Statement]] = []
        for name, column in altered:
            table = after.table(name)
            known = None if table is None else table.column(column)
            classes = () if known is None else _storage_classes(self.kind(known))
            if classes and known is not None and known.generated is None:
                value = self.quote(column)
                text = ", ".join([literal(one) for one in ("null", *classes)])
                wrong = f"typeof({value}) NOT IN ({text})"
                if isinstance(self.kind(known), Uuid):
                    wrong += f" OR length({value}) <> 16"
                sql = f"SELECT 1 FROM {self.name(name)} WHERE {wrong} LIMIT 1"
                found.append((f"{name}.{column}", Statement(sql, reads=True)))
        return found

    def other_step(self, step: Step, before: Schema) -> list[str]:
        """A schema is refused where a table is to be in it."""
        if isinstance(step, CreateSchema):
            raise MappingError(f"SQLite has no schemas, so no {step.name!r}")
        return super().other_step(step, before)

    def alter_column(self, step: AlterColumn) -> list[str]:
        """Nothing: its comment is all that may be changed without building the table anew."""
        if _needs_anew(step):
            raise MappingError(f"{step}: SQLite changes columns by building the table anew")
        return []

    def drop_constraint(self, table: Name, constraint: Constraint) -> list[str]:
        """Refuse: it takes a new table."""
        raise MappingError(f"SQLite drops {constraint} of {table} by building the table anew")

    def rebuilds(self, steps: Sequence[Step], before: Schema) -> bool:  # noqa: ARG002
        """Whether a table is built anew, with all that it has at that moment."""
        return any(isinstance(step, TableStep) and _needs_anew(step) for step in steps)

    def suspension(self) -> Suspension | None:
        """Dropping a table deletes its rows first, and what refers to them, if keys are kept."""
        return Suspension(
            asked=Statement("PRAGMA foreign_keys", reads=True),
            off="PRAGMA foreign_keys = OFF",
            on="PRAGMA foreign_keys = ON",
            broken=Statement("PRAGMA foreign_key_check", reads=True),
        )

    def kind(self, column: ColumnDef) -> ColumnType:
        """Whole numbers are of 64 bits, whatever their type is called."""
        return column.kind or _kind(column.type)

    # -- what is there

    def read(self, schemas: Collection[str] = (), table: Name | None = None) -> Reading:
        """Read the texts of definitions."""
        for schema in schemas:
            if schema not in {"main", "temp"}:
                raise MappingError(f"SQLite has no schemas, so no {schema!r}")
        rows = yield Statement(
            # A trigger has the name of its table as somebody wrote it, in whatever case.
            "SELECT s.type, s.name, coalesce(t.name, s.tbl_name), s.sql FROM sqlite_schema AS s "
            "LEFT JOIN sqlite_schema AS t ON t.type = 'table' "
            "AND t.name = s.tbl_name COLLATE NOCASE "
            "WHERE s.sql IS NOT NULL AND s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
            "AND NOT EXISTS (SELECT 1 FROM pragma_table_list AS l WHERE l.schema = 'main' "
            "AND l.name = s.tbl_name COLLATE NOCASE AND l.type IN ('virtual', 'shadow')) "
            "ORDER BY s.rowid",
            reads=True,
        )
        tables: list[TableDef] = []
        for kind, name, _, sql in rows:
            if kind == "table" and (table is None or table.name == name):
                own = [row for row in rows if row[2] == name]
                tables.append(
                    attrs.evolve(
                        _table(name, sql),
                        indexes=tuple([_index(row[3]) for row in own if row[0] == "index"]),
                        triggers=tuple(
                            [
                                TriggerDef(name=row[1], sql=row[3])
                                for row in own
                                if row[0] == "trigger"
                            ]
                        ),
                    )
                )
        return _with_targets(
            Schema(dialect=self.dialect, tables=tuple([_in_its_case(table) for table in tables]))
        )

    def own_type(self, column: ColumnDef) -> str | None:
        """Give the type of a number that is kept in another way than models keep it."""
        kind = self.kind(column)
        is_own = isinstance(kind, Numeric) and _meaning(column.type)[0] != "TEXT"
        return column.type if is_own else None

    def spelled_as(self, wanted: TableDef, known: TableDef) -> TableDef:
        """Take types that mean the same for the same: all whole numbers have 64 bits, ..."""

        def column(own: ColumnDef) -> ColumnDef:
            old = known.column(own.name)
            if old is None or _meaning(own.type) != _meaning(old.type):
                return own
            # An INTEGER that is the key numbers rows without AUTOINCREMENT too.
            is_numbered = old.identity is not None or _is_row_number(old, known)
            identity = old.identity if is_numbered and own.identity is not None else own.identity
            return attrs.evolve(own, type=old.type, identity=identity)

        known_checks = {check.name for check in known.checks}
        checks = [
            check
            for check in wanted.checks
            if check.name in known_checks or not _says_length(check, known)
        ]
        columns = [column(one) for one in wanted.columns]
        return attrs.evolve(wanted, columns=tuple(columns), checks=tuple(checks))

    # -- what a person writes

    def only_column(self, part: Part) -> ColumnDef:
        """Take the key that goes with a number for a part of the column, as SQLite does."""
        column = part.column
        if column is not None and column.identity is not None:
            part.constraints = [one for one in part.constraints if not isinstance(one, KeyDef)]
        return super().only_column(part)


def _converted(value: str, old: ColumnType, new: ColumnType) -> str:
    """Give SQL that turns the stored form of a kind into that of another."""
    match old, new:
        case Text(), Uuid():
            return f"uow_uuid({value})"
        case Uuid(), Text():
            digits = f"lower(hex({value}))"
            parts = [
                f"substr({digits}, {start}, {length})"
                for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
            ]
            text = " || '-' || ".join(parts)
            return f"CASE WHEN {value} IS NOT NULL THEN {text} END"
        case Date(), DateTime(timezone=zone):
            return f"({value} || ' 00:00:00.000000{'+00:00' if zone else ''}')"
        case DateTime(), Date():
            return f"substr({value}, 1, 10)"
        case DateTime(timezone=False), DateTime(timezone=True):
            return f"({value} || '+00:00')"
        case DateTime(timezone=True), DateTime(timezone=False):
            return f"replace({value}, '+00:00', '')"
        case _:
            return value


def _storage_classes(kind: ColumnType) -> tuple[str, ...]:
    """How values of a kind are kept; nothing where that may be in several ways."""
    match kind:
        case Integer() | Boolean() | Interval():
            return ("integer",)
        case Float():
            return ("real", "integer")
        case Uuid() | Binary():
            return ("blob",)
        case _:
            return ()


def _is_row_number(column: ColumnDef, table: TableDef) -> bool:
    """Whether a column is the number of the row ("ROWIDs and the INTEGER PRIMARY KEY")."""
    return (
        column.type.upper() == "INTEGER"
        and table.key is not None
        and table.key.columns == (column.name,)
        and "WITHOUT" not in (table.options or "").upper()
    )


def _is_numbered(table: TableDef) -> bool:
    return any(column.identity is not None for column in table.columns)


def _refuse_other_key(table: TableDef) -> None:
    """Refuse a number that is not the key: SQLite numbers rows by nothing else."""
    for column in table.columns:
        if column.identity is not None and (
            table.key is None or table.key.columns != (column.name,)
        ):
            raise MappingError(
                f"{table.name}.{column.name}: SQLite numbers rows by the primary key alone, and "
                f"that of {table.name} is another"
            )


def _needs_anew(step: Step) -> bool:
    """Whether ALTER TABLE cannot do it ("ALTER TABLE ADD COLUMN": the restrictions)."""
    match step:
        case AddConstraint() | DropConstraint():
            return True
        case AlterColumn(before=before, after=after):
            return attrs.evolve(before, comment=None) != attrs.evolve(after, comment=None)
        case AddColumn(column=column):
            if column.identity is not None:
                return True
            if column.generated is not None:
                return not column.virtual
            is_simple = column.default is None or _LITERAL.fullmatch(column.default) is not None
            return not is_simple or not (column.nullable or column.default is not None)
        case SetComment() | CreateTable():
            return False
        case _:
            return False


# -- reading


def _table(name: str, sql: str) -> TableDef:
    parts, tail = parts_of_table(sql, readable=lambda type_: type_)
    columns = [part.column for part in parts if part.column is not None]
    constraints = [one for part in parts for one in part.constraints]
    key = next((one for one in constraints if isinstance(one, KeyDef)), None)
    words = [word.text for word in tail if word.text != ";"]
    options = f" {' '.join(words).replace(' ,', ',')}" if words else None
    if key is not None:
        # SQLite takes NULL for a key unless it is told otherwise, or has no numbers of rows; a row
        # with such a key could not be told from others, so no model has one.
        columns = [
            attrs.evolve(column, nullable=False) if column.name in key.columns else column
            for column in columns
        ]
    return TableDef(
        name=name,
        columns=tuple(columns),
        key=key,
        uniques=tuple(
            [
                _named(one, name, "uq", *one.columns)
                for one in constraints
                if isinstance(one, UniqueDef)
            ]
        ),
        checks=_checks(name, parts),
        foreign_keys=tuple(
            [
                _named(one, name, "fk", *one.columns)
                for one in constraints
                if isinstance(one, ForeignKeyDef)
            ]
        ),
        options=options,
        unsaid=" ".join([word for part in parts for word in part.rest]),
    )


def _checks(table: str, parts: Sequence[Part]) -> tuple[CheckDef, ...]:
    found: list[CheckDef] = []
    for part in parts:
        for one in part.constraints:
            if isinstance(one, CheckDef):
                tail = str(len(found) + 1) if part.column is None else part.column.name
                found.append(_named(one, table, "ck", tail))
    return tuple(found)


C = TypeVar("C", UniqueDef, CheckDef, ForeignKeyDef)


def _named(one: C, table: str, prefix: str, *parts: str) -> C:
    """Give a constraint that has no name the one that models give it."""
    return one if one.name else attrs.evolve(one, name=constraint_name(255, prefix, table, *parts))


def _index(sql: str) -> IndexDef:
    reader = Reader(sql)
    reader.skip("CREATE")
    unique = reader.skip("UNIQUE")
    reader.skip("INDEX")
    reader.skip("IF", "NOT", "EXISTS")
    name = reader.table().name
    reader.skip("ON")
    reader.table()
    parts = [_index_part(reader, found) for found in split(reader.group())]
    where = None
    if reader.skip("WHERE"):
        where = reader.source(reader.words[reader.place :])
    return IndexDef(name=name, parts=parts, unique=unique, where=where)


def _index_part(reader: Reader, words: Sequence[Word]) -> IndexPartDef:
    descending = words[-1].upper == "DESC"
    if words[-1].upper in {"ASC", "DESC"}:
        words = words[:-1]
    collation = None
    if len(words) > 2 and words[-2].upper == "COLLATE":
        collation = words[-1].value
        words = words[:-2]
    if len(words) == 1 and words[0].is_name:
        return IndexPartDef(column=words[0].value, descending=descending, collation=collation)
    if words[0].text == "(" and words[-1].text == ")":
        inner = Reader(reader.sql, words)
        group = inner.group()
        if inner.is_done:
            words = group
    return IndexPartDef(expression=reader.source(words), descending=descending, collation=collation)


def _says_length(check: CheckDef, known: TableDef) -> bool:
    """Whether a check is about the length that a column's type says; others make no such checks."""
    match = _LENGTH_CHECK.fullmatch(check.sql)
    column = None if match is None else known.column(match[1])
    if match is None or column is None:
        return False
    return getattr(kind_of_type(column.type), "max_length", None) == int(match[2])


_LENGTH_CHECK: Final = re.compile(r'length\("(.+)"\) <= (\d+)')


def _kind(type_: str) -> ColumnType:
    """Whole numbers are of 64 bits; a type that nobody knows is what its affinity says."""
    kind = kind_of_type(type_)
    if isinstance(kind, Native):
        by_affinity = {"INTEGER": Integer(64), "TEXT": Text(), "REAL": Float()}
        return by_affinity.get(_affinity(type_), kind)
    return Integer(64) if isinstance(kind, Integer) else kind


def _affinity(type_: str) -> str:
    """How SQLite keeps values of a type ("Datatypes In SQLite", 3.1)."""
    name = type_.upper()
    for affinity, words in _AFFINITIES:
        if any(word in name for word in words):
            return affinity
    return "NUMERIC" if name else "BLOB"


def _meaning(type_: str) -> tuple[str, ColumnType]:
    """What the values of a type are, and how SQLite keeps them."""
    kind = _kind(type_)
    # Texts of dates are texts under any affinity, as they are no numbers.
    is_text = isinstance(kind, Date | DateTime | Time)
    return "TEXT" if is_text else _affinity(type_), kind


_AFFINITIES: Final = (
    ("INTEGER", ("INT",)),
    ("TEXT", ("CHAR", "CLOB", "TEXT")),
    ("BLOB", ("BLOB",)),
    ("REAL", ("REAL", "FLOA", "DOUB")),
)
"""What is looked for in the name of a type, in this order."""


def _in_its_case(table: TableDef) -> TableDef:
    """Name columns as the table does: constraints and indexes may write them in another case."""
    by_fold = {column.name.lower(): column.name for column in table.columns}

    def own(names: Iterable[str]) -> tuple[str, ...]:
        return tuple([by_fold.get(name.lower(), name) for name in names])

    def part(one: IndexPartDef) -> IndexPartDef:
        return one if one.column is None else attrs.evolve(one, column=own([one.column])[0])

    key = table.key
    return attrs.evolve(
        table,
        key=None if key is None else attrs.evolve(key, columns=own(key.columns)),
        uniques=tuple([attrs.evolve(one, columns=own(one.columns)) for one in table.uniques]),
        foreign_keys=tuple(
            [attrs.evolve(one, columns=own(one.columns)) for one in table.foreign_keys]
        ),
        indexes=tuple(
            [attrs.evolve(one, parts=[part(p) for p in one.parts]) for one in table.indexes]
        ),
    )


def _with_targets(schema: Schema) -> Schema:
    """Name what is referred to as it is called, and its key where no columns are named."""
    tables = [
        attrs.evolve(
            table,
            foreign_keys=tuple([_with_target(key, schema) for key in table.foreign_keys]),
        )
        for table in schema.tables
    ]
    return attrs.evolve(schema, tables=tuple(tables))


def _with_target(key: ForeignKeyDef, schema: Schema) -> ForeignKeyDef:
    fold = key.target.name.lower()
    target = next((table for table in schema.tables if table.name.name.lower() == fold), None)
    if target is None:
        return key
    names = key.target_columns or (() if target.key is None else target.key.columns)
    by_fold = {column.name.lower(): column.name for column in target.columns}
    columns = tuple([by_fold.get(name.lower(), name) for name in names])
    return attrs.evolve(key, target=target.name, target_columns=columns)
