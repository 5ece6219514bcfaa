"""Compares two descriptions: the steps from one to the other, in an order that stores take.

Foreign keys go first and come last, so that nothing stands in the way of tables and columns. What
is over a column that changes its type is dropped before and made again after. A rename is never
guessed: what is gone and what is new is told, with a question where one might be the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

from uow.errors import MappingError
from uow.schema.alike import same_column, same_constraint, same_fields, same_index, same_type
from uow.schema.description import (
    CheckDef,
    ColumnDef,
    Constraint,
    ExclusionDef,
    ForeignKeyDef,
    IndexDef,
    KeyDef,
    Name,
    Schema,
    TableDef,
    as_name,
)
from uow.schema.steps import (
    AddColumn,
    AddConstraint,
    AlterColumn,
    ChangeFields,
    ChangeLabels,
    CreateIndex,
    CreateSchema,
    CreateSequence,
    CreateTable,
    CreateType,
    DropColumn,
    DropConstraint,
    DropIndex,
    DropSequence,
    DropTable,
    DropType,
    RenameColumn,
    RenameTable,
    SetComment,
    Step,
)
from uow.schema.words import mentions

__all__ = ["Difference", "Question", "Renames", "compare", "in_reference_order"]


def _tables(given: Mapping[str | Name, str]) -> dict[Name, str]:
    return {as_name(old): new for old, new in given.items()}


def _columns(given: Mapping[str | Name, Mapping[str, str]]) -> dict[Name, dict[str, str]]:
    return {as_name(table): dict(names) for table, names in given.items()}


@attrs.frozen(kw_only=True)
class Renames:
    """What got another name, as only a person can know.

    Attributes:
        tables: new names of tables, by the old ones.
        columns: by table, under the name it has afterwards: new names of columns, by the old ones.
    """

    tables: Mapping[Name, str] = attrs.field(factory=dict[Name, str], converter=_tables)
    columns: Mapping[Name, Mapping[str, str]] = attrs.field(
        factory=dict[Name, Mapping[str, str]], converter=_columns
    )


@attrs.frozen
class Question:
    """Something that is gone may be something that is new.

    Attributes:
        table: whose columns they are; None for tables.
        old: the name that is gone.
        new: the name that is new.
    """

    table: Name | None
    old: str
    new: str

    def __str__(self) -> str:
        if self.table is None:
            return f"is the table {self.new} the one that was called {self.old}?"
        return f"is {self.table}.{self.new} the column that was called {self.old}?"


@attrs.frozen
class Difference:
    """What it takes to get from one schema to another.

    Attributes:
        steps: in order.
        questions: renames that the steps take for something gone and something new.
    """

    steps: tuple[Step, ...]
    questions: tuple[Question, ...] = ()


def compare(
    before: Schema,
    after: Schema,
    *,
    renames: Renames | None = None,
    forward_references: bool = False,
    indexed_references: bool = False,
) -> Difference:
    """Find the steps from one schema to another.

    Args:
        before: what there is.
        after: what there is to be.
        renames: what got another name.
        forward_references: CREATE TABLE may name a table that is not there yet.
        indexed_references: a foreign key needs an index over its columns.

    Raises:
        MappingError: the schemas are of two dialects, a rename names what is not there, or an
            enum is to be a row type.
    """
    if before.dialect != after.dialect:
        raise MappingError(
            f"a schema of {before.dialect} and one of {after.dialect} do not compare"
        )
    found = _Comparison(before, after, forward_references, indexed_references)
    found.objects()
    found.rename(renames or Renames())
    found.changes()
    return Difference(tuple(found.steps), tuple(found.questions))


@attrs.define
class _Changes:
    """What becomes of the columns of one table.

    Attributes:
        now: the table as it is.
        then: the table as it is to be.
        gone: columns that go.
        new: columns that come.
        remade: columns that are dropped and made again: what they are computed from changes.
        retyped: columns whose type changes.
        altered: the others that change, and these.
    """

    now: TableDef
    then: TableDef
    gone: list[ColumnDef] = attrs.field(factory=list[ColumnDef])
    new: list[ColumnDef] = attrs.field(factory=list[ColumnDef])
    remade: list[tuple[ColumnDef, ColumnDef]] = attrs.field(
        factory=list[tuple[ColumnDef, ColumnDef]]
    )
    retyped: set[str] = attrs.field(factory=set[str])
    altered: list[tuple[ColumnDef, ColumnDef]] = attrs.field(
        factory=list[tuple[ColumnDef, ColumnDef]]
    )

    @property
    def lost(self) -> set[str]:
        """The names of columns that are dropped, be it to come again."""
        return {column.name for column in self.gone} | {old.name for old, _ in self.remade}


class _Comparison:
    """What has been found so far.

    Attributes:
        state: the schema after the steps so far.
    """

    def __init__(
        self, before: Schema, after: Schema, forward_references: bool, indexed_references: bool
    ) -> None:
        self.state = before
        self.after = after
        self.forward_references = forward_references
        self.indexed_references = indexed_references
        self.steps: list[Step] = []
        self.questions: list[Question] = []

    def add(self, step: Step) -> None:
        self.steps.append(step)
        self.state = step.apply(self.state)

    # -- what tables stand on

    def objects(self) -> None:
        for name in sorted(self.after.schemas - self.state.schemas):
            self.add(CreateSchema(name))
        for type_ in self.after.types:
            known = self.state.type(type_.name)
            if known is None:
                self.add(CreateType(type_))
            elif known.is_enum and type_.is_enum:
                if known.labels != type_.labels:
                    self.add(ChangeLabels(known, type_))
            elif known.is_enum or type_.is_enum:
                raise MappingError(
                    f"the type {type_.name} is to be of another kind; give the new one another name"
                )
            elif not same_fields(known, type_):
                self.add(ChangeFields(known, type_))
        for sequence in self.after.sequences:
            if self.state.sequence(sequence.name) is None:
                self.add(CreateSequence(sequence))

    def unused_objects(self) -> None:
        for sequence in self.state.sequences:
            if self.after.sequence(sequence.name) is None:
                self.add(DropSequence(sequence))
        for type_ in reversed(self.state.types):
            if self.after.type(type_.name) is None and not self._is_used(type_.name):
                self.add(DropType(type_))

    def _is_used(self, type_: Name) -> bool:
        """Whether a column is to be of a type that no class describes."""
        return any(
            mentions(column.type, type_.name)
            for table in self.after.tables
            for column in table.columns
        )

    # -- renames

    def rename(self, renames: Renames) -> None:
        for old, new in renames.tables.items():
            step = RenameTable(old, new)
            self._check(self.state.table(old), f"the table {old}", "is not there")
            self._check(self.after.table(step.new), f"the table {step.new}", "is not wanted")
            if self.state.table(step.new) is not None:
                raise MappingError(f"a rename to {step.new}: there is such a table already")
            self.add(step)
        for name, columns in renames.columns.items():
            for old_name, new_name in columns.items():
                self._rename_column(name, old_name, new_name)

    def _rename_column(self, name: Name, old: str, new: str) -> None:
        table = self.state.table(name)
        wanted = self.after.table(name)
        self._check(table, f"the table {name}", "is not there")
        self._check(table and table.column(old), f"the column {name}.{old}", "is not there")
        self._check(wanted and wanted.column(new), f"the column {name}.{new}", "is not wanted")
        assert table is not None  # noqa: S101 - checked above
        if table.column(new) is not None:
            raise MappingError(f"a rename to {name}.{new}: there is such a column already")
        # Not every store renames in expressions; what is dropped is missed, and made, later.
        for index in table.indexes:
            if any(mentions(sql, old) for sql in _sql_of_index(index)):
                self.add(DropIndex(name, index))
        for check in table.checks:
            if mentions(check.sql, old):
                self.add(DropConstraint(name, check))
        for column in table.columns:
            if mentions(column.generated, old):
                self.add(DropColumn(name, column))
        self.add(RenameColumn(name, old, new))

    def _check(self, found: object, what: str, why: str) -> None:
        if found is None:
            raise MappingError(f"a rename of {what}: it {why}")

    # -- tables

    def changes(self) -> None:
        now, then = self.state, self.after
        gone = [table for table in now.tables if then.table(table.name) is None]
        new = [table for table in then.tables if now.table(table.name) is None]
        both = [
            _changes_of(table, wanted)
            for table in now.tables
            if (wanted := then.table(table.name)) is not None
        ]
        self._ask(gone, new, both)
        self._drop_references(gone, both)
        for table in reversed(in_reference_order(gone)):
            self.add(DropTable(table))
        for changes in both:
            self._drop_parts(changes)
        for changes in both:
            self._change_columns(changes)
        for changes in both:
            self._add_parts(changes.now.name, changes.then)
        late = self._create(new)
        for changes in both:
            self._add_references(changes.then)
        for name, key in late:
            self.add(AddConstraint(name, key))
        for changes in both:
            if changes.now.comment != changes.then.comment:
                self.add(SetComment(changes.now.name, changes.now.comment, changes.then.comment))
        self.unused_objects()

    def _ask(
        self, gone: Iterable[TableDef], new: Iterable[TableDef], both: Iterable[_Changes]
    ) -> None:
        for old in gone:
            for table in new:
                if old.name.schema == table.name.schema and _look_alike(old, table):
                    self.questions.append(Question(None, old.name.name, table.name.name))
        for changes in both:
            for column in changes.gone:
                for other in changes.new:
                    if same_sql_kind(column, other):
                        self.questions.append(Question(changes.now.name, column.name, other.name))

    def _drop_references(self, gone: list[TableDef], both: list[_Changes]) -> None:
        by_name = {changes.now.name: changes for changes in both}
        dropped = {table.name for table in gone}
        order = {table.name: place for place, table in enumerate(in_reference_order(gone))}
        for table in list(self.state.tables):
            for key in table.foreign_keys:
                if table.name in dropped:
                    # The table goes with its keys, unless what it refers to goes before it.
                    must_go = order.get(key.target, -1) > order[table.name]
                else:
                    must_go = self._must_go(key, by_name[table.name], by_name)
                if must_go:
                    self.add(DropConstraint(table.name, key))

    def _must_go(self, key: ForeignKeyDef, own: _Changes, by_name: Mapping[Name, _Changes]) -> bool:
        wanted = next((one for one in own.then.foreign_keys if one.name == key.name), None)
        if wanted != key or self._disturbed(own) & {*key.columns}:
            return True
        target = by_name.get(key.target)
        if target is None:
            return True  # it is dropped
        columns = {*key.target_columns}
        if self._disturbed(target) & columns:
            return True
        if _support(target.now, columns) - _support(target.then, columns):
            return True
        if not self.indexed_references:
            return False
        kept = {index.name: index for index in own.then.indexes}
        return any(
            index.columns[: len(key.columns)] == key.columns
            and (index.name not in kept or not same_index(index, kept[index.name]))
            for index in own.now.indexes
        )

    def _disturbed(self, changes: _Changes) -> set[str]:
        """The columns that cannot be changed while a foreign key holds them."""
        found = changes.lost | changes.retyped
        if self.indexed_references:  # where nothing at all of such a column may change
            found |= {old.name for old, _ in changes.altered}
        return found

    def _drop_parts(self, changes: _Changes) -> None:
        name, now, then = changes.now.name, changes.now, changes.then
        for old, new in changes.altered:
            if old.identity is not None and new.identity is None:
                self.add(AlterColumn(name, old, new))
        for index in now.indexes:
            wanted = next((one for one in then.indexes if one.name == index.name), None)
            if wanted is None or not same_index(index, wanted) or _is_hit(index, changes):
                self.add(DropIndex(name, index))
        for one in now.constraints:
            if isinstance(one, ForeignKeyDef):
                continue
            if not same_constraint(one, _counterpart(one, then)) or _is_hit(one, changes):
                self.add(DropConstraint(name, one))

    def _change_columns(self, changes: _Changes) -> None:
        name = changes.now.name
        # A store may change nothing that another column is computed from.
        computed = [column for column in changes.gone if column.generated is not None]
        for old in reversed([*computed, *[old for old, _ in changes.remade]]):
            self.add(DropColumn(name, old))
        for old, new in changes.altered:
            if new.identity is None and old.identity is None:
                self.add(AlterColumn(name, old, new))
        new_columns = [*changes.new, *[new for _, new in changes.remade]]
        for column in sorted(new_columns, key=lambda one: one.generated is not None):
            self.add(AddColumn(name, column))
        for column in changes.gone:
            if column.generated is None:
                self.add(DropColumn(name, column))

    def _add_parts(self, name: Name, then: TableDef) -> None:
        """Add what is missing now, whether it never was there or was dropped for a while."""
        now = self.state.table(name)
        assert now is not None  # noqa: S101 - it is in both
        for one in then.constraints:
            if not isinstance(one, ForeignKeyDef) and _counterpart(one, now) is None:
                self.add(AddConstraint(name, one))
        for index in then.indexes:
            if index.name not in {one.name for one in now.indexes}:
                self.add(CreateIndex(name, index))
        for column in then.columns:
            old = now.column(column.name)
            if column.identity is not None and old is not None and not same_column(old, column):
                self.add(AlterColumn(name, old, column))

    def _add_references(self, then: TableDef) -> None:
        now = self.state.table(then.name)
        known = {key.name for key in now.foreign_keys} if now is not None else set[str]()
        for key in then.foreign_keys:
            if key.name not in known:
                self.add(AddConstraint(then.name, key))

    def _create(self, new: list[TableDef]) -> list[tuple[Name, ForeignKeyDef]]:
        """Create tables; give the foreign keys that have to wait for others."""
        late: list[tuple[Name, ForeignKeyDef]] = []
        for table in in_reference_order(new):
            waiting = [] if self.forward_references else self._waiting(table)
            kept = [key for key in table.foreign_keys if key not in waiting]
            self.add(CreateTable(attrs.evolve(table, foreign_keys=tuple(kept))))
            late += [(table.name, key) for key in waiting]
        return late

    def _waiting(self, table: TableDef) -> list[ForeignKeyDef]:
        return [
            key
            for key in table.foreign_keys
            if key.target != table.name
            and self.state.table(key.target) is None
            and self.after.table(key.target) is not None
        ]


def _changes_of(now: TableDef, then: TableDef) -> _Changes:
    found = _Changes(now, then)
    found.gone = [column for column in now.columns if then.column(column.name) is None]
    found.new = [column for column in then.columns if now.column(column.name) is None]
    pairs = [
        (column, wanted)
        for column in now.columns
        if (wanted := then.column(column.name)) is not None
    ]
    found.retyped = {old.name for old, new in pairs if not same_type(old, new)}
    moved = found.retyped | {column.name for column in found.gone}
    remade: set[str] = set()
    while True:  # what is computed from what is computed anew is so too
        hit = moved | remade
        more = {
            old.name
            for old, new in pairs
            if (old.generated is not None or new.generated is not None)
            and (not same_column(old, new) or any(mentions(old.generated, name) for name in hit))
        }
        if more == remade:
            break
        remade = more
    found.remade = [(old, new) for old, new in pairs if old.name in remade]
    found.altered = [
        (old, new) for old, new in pairs if old.name not in remade and not same_column(old, new)
    ]
    return found


def _counterpart(one: Constraint, table: TableDef) -> Constraint | None:
    if isinstance(one, KeyDef):
        return table.key
    return next(
        (
            other
            for other in table.constraints
            if type(other) is type(one) and not isinstance(other, KeyDef) and other.name == one.name
        ),
        None,
    )


def _sql_of_index(index: IndexDef) -> list[str | None]:
    return [*[part.expression for part in index.parts], index.where]


def _is_hit(one: IndexDef | Constraint, changes: _Changes) -> bool:
    """Whether something is over columns that change so that it cannot stay.

    Stores keep plain indexes and keys over a column whose type changes; SQL they may not.
    """
    columns: tuple[str, ...] = ()
    texts: list[str | None] = []
    if isinstance(one, IndexDef):
        columns, texts = one.columns, _sql_of_index(one)
    elif isinstance(one, CheckDef | ExclusionDef):
        texts = [one.sql]
    else:
        columns = one.columns
    lost = changes.lost
    if lost & {*columns}:
        return True
    return any(mentions(text, name) for text in texts for name in lost | changes.retyped)


def _support(table: TableDef, columns: set[str]) -> set[Any]:
    """What lets a foreign key refer to columns of a table."""
    found: set[Any] = set()
    if table.key is not None and {*table.key.columns} == columns:
        found.add("key")
    found |= {("unique", one.name) for one in table.uniques if {*one.columns} == columns}
    found |= {
        ("index", one.name)
        for one in table.indexes
        if one.unique and one.where is None and {*one.columns} == columns
    }
    return found


_ENOUGH: Final = 0.5
"""The share of columns in common from which on two tables may be one."""


def _look_alike(one: TableDef, other: TableDef) -> bool:
    names, others = ({column.name for column in table.columns} for table in (one, other))
    return len(names & others) >= _ENOUGH * max(len(names), len(others), 1)


def same_sql_kind(one: ColumnDef, other: ColumnDef) -> bool:
    """Whether a column could be another one under a new name."""
    return same_type(one, other) and (one.generated is None) == (other.generated is None)


def in_reference_order(tables: Iterable[TableDef]) -> list[TableDef]:
    """Put tables after those they refer to; of a circle one comes too early, always the same."""
    by_name = {table.name: table for table in tables}
    ordered: dict[Name, TableDef] = {}
    entered: set[Name] = set()
    for start in by_name.values():
        stack = [start] if start.name not in entered else []
        entered.add(start.name)
        while stack:
            table = stack[-1]
            targets = [by_name[key.target] for key in table.foreign_keys if key.target in by_name]
            target = next((one for one in targets if one.name not in entered), None)
            if target is None:
                ordered[table.name] = table
                stack.pop()
            else:
                entered.add(target.name)
                stack.append(target)
    return list(ordered.values())
