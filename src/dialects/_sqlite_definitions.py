"""Definitions of SQLite: written, changed by building a table anew, and read from their own text.

SQLite keeps the text of every definition, so nothing has to be asked but for that text. What ALTER
TABLE cannot do is done as the manual says ("Making Other Kinds Of Table Schema Changes"): a new
table takes the rows over and then the name; indexes, triggers and the last number come along.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
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
from uow.types import ColumnType, Integer

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
        new = attrs.evolve(
            table, name=Name(f"{_MADE_ANEW}{table.name.name}"), indexes=(), options=before.options
        )
        stored = [c.name for c in table.columns if c.generated is None]
        generated = {c.name for c in before.columns if c.generated is not None}
        copied = self.names([n for n in stored if n in change.kept and n not in generated])
        old_name, new_name = self.name(before.name), self.name(new.name)
        texts = self.create_table(new)
        if copied:
            texts.append(f"INSERT INTO {new_name} ({copied}) SELECT {copied} FROM {old_name}")
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
        """The numbers of rows are of 64 bits, and INTEGER of others is too."""
        return column.kind or kind_of_type(column.type, {"INTEGER": lambda _: Integer(64)})

    # -- what is there

    def read(self, schemas: Collection[str] = (), table: Name | None = None) -> Reading:
        """Read the texts of definitions."""
        for schema in schemas:
            if schema not in {"main", "temp"}:
                raise MappingError(f"SQLite has no schemas, so no {schema!r}")
        rows = yield Statement(
            "SELECT s.type, s.name, s.tbl_name, s.sql FROM sqlite_schema AS s "
            "WHERE s.sql IS NOT NULL AND s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
            "AND NOT EXISTS (SELECT 1 FROM pragma_table_list AS l WHERE l.schema = 'main' "
            "AND l.name = s.tbl_name AND l.type IN ('virtual', 'shadow')) ORDER BY s.rowid",
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
        return _with_targets(Schema(dialect=self.dialect, tables=tuple(tables)))


def _is_numbered(table: TableDef) -> bool:
    return any(column.identity is not None for column in table.columns)


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
    if key is not None and len(key.columns) == 1:
        columns = [_numbered(column, key, options) for column in columns]
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
    )


def _numbered(column: ColumnDef, key: KeyDef, options: str | None) -> ColumnDef:
    """The number of a row is never NULL."""
    is_number = column.name in key.columns and column.type.upper() == "INTEGER"
    if not is_number or "WITHOUT" in (options or "").upper():
        return column
    return attrs.evolve(column, nullable=False)


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


def _with_targets(schema: Schema) -> Schema:
    """Put the key of a table where a reference names none of its columns."""
    tables = [
        attrs.evolve(
            table,
            foreign_keys=tuple([_with_target(key, schema) for key in table.foreign_keys]),
        )
        for table in schema.tables
    ]
    return attrs.evolve(schema, tables=tuple(tables))


def _with_target(key: ForeignKeyDef, schema: Schema) -> ForeignKeyDef:
    target = schema.table(key.target)
    if key.target_columns or target is None or target.key is None:
        return key
    return attrs.evolve(key, target_columns=target.key.columns)
