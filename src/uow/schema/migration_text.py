"""The text of a migration, from steps: a class that a person could have written, up and down."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from uow.schema.description import IndexDef, KeyDef, Name, Schema, TableDef
from uow.schema.source import call, class_name, mapping, one_line, quoted
from uow.schema.steps import (
    AddColumn,
    AddConstraint,
    AlterColumn,
    CreateIndex,
    CreateTable,
    DropColumn,
    DropConstraint,
    DropIndex,
    DropTable,
    RenameColumn,
    RenameTable,
    RunSQL,
    Step,
    reversed_all,
)

if TYPE_CHECKING:
    from uow.dialects.base import Definitions

__all__ = ["migration_text"]

INDENT = 8


def migration_text(
    steps: Iterable[Step], before: Schema, definitions: Definitions, *, version: str, name: str
) -> str:
    """Write a file with one `Migration`, whose `up` takes the steps and whose `down` goes back.

    What throws rows or values away has a comment that says so. What the helpers of a migration
    cannot say stands there as SQL.

    Args:
        steps: in order, as `diff_schema` gives them.
        before: the schema before them, as `inspect_schema` gives it.
        definitions: those of the dialect.
        version: the migration's version.
        name: what it does, in words; makes the name of the class.
    """
    steps = list(steps)
    words = name.replace("_", " ").strip() or "change the schema"
    sentence = words[0].upper() + words[1:].replace('"""', "'''")
    after = before
    for step in steps:
        after = step.apply(after)
    up = _Body(definitions).write(steps, before)
    down = _Body(definitions).write(reversed_all(steps, before), after)
    return (
        f'"""{sentence}."""\n\n'
        "from uow import Migration\n\n\n"
        f"class {class_name(words)}(Migration):\n"
        f"    version = {quoted(version)}\n\n"
        f"    async def up(self) -> None:\n{up}\n"
        f"    async def down(self) -> None:\n{down}"
    )


class _Body:
    """Writes the body of a method."""

    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions
        self.lines: list[str] = []

    def write(self, steps: Sequence[Step], before: Schema) -> str:
        """Write the calls of steps; a line of its own says what is lost."""
        for step in steps:
            if step.is_destructive:
                self.lines.append(f"# Loses data: {one_line(str(step))}.")
            self._step(step, before)
            before = step.apply(before)
        return "".join([f"{' ' * INDENT}{line}\n" for line in self.lines or ["pass"]])

    def _call(self, helper: str, *arguments: str, of: Name | None = None) -> None:
        named = list(arguments)
        if of is not None and of.schema is not None:
            named.append(f"schema={quoted(of.schema)}")
        self.lines.append(call(f"await self.{helper}", named, indent=INDENT))

    def _sql(self, step: Step, before: Schema) -> None:
        for text in self.definitions.step_texts([step], before):
            self._call("execute", quoted(text))

    def _step(self, step: Step, before: Schema) -> None:
        match step:
            case CreateTable(table=table):
                self._create(table, step, before)
            case DropTable(table=table):
                self._call("drop_table", quoted(table.name.name), of=table.name)
            case RenameTable(table=name, to=new):
                self._call("rename_table", quoted(name.name), quoted(new), of=name)
            case AddColumn(table=name, column=column) if self._is_plain(step, before):
                body = self.definitions.column_body(column)
                self._call("add_column", *_texts(name.name, column.name, body), of=name)
            case DropColumn(table=name, column=column):
                self._call("drop_column", *_texts(name.name, column.name), of=name)
            case RenameColumn(table=name, old=old, new=new):
                self._call("rename_column", *_texts(name.name, old, new), of=name)
            case AlterColumn(table=name, after=column) if self._is_plain(step, before):
                body = self.definitions.column_body(column)
                self._call("alter_column", *_texts(name.name, column.name, body), of=name)
            case AddConstraint(table=name, constraint=constraint) if constraint.name is not None:
                body = self.definitions.constraint_body(constraint)
                self._call("add_constraint", *_texts(name.name, constraint.name, body), of=name)
            case DropConstraint(table=name, constraint=constraint) if not isinstance(
                constraint, KeyDef
            ):
                self._call("drop_constraint", *_texts(name.name, constraint.name), of=name)
            case CreateIndex(table=name, index=index) if _is_plain_index(index):
                self._index(name, index)
            case DropIndex(table=name, index=index):
                self._call("drop_index", *_texts(name.name, index.name), of=name)
            case RunSQL(up=texts):
                for text in texts:
                    self._call("execute", quoted(text))
            case _:
                self._sql(step, before)

    def _is_plain(self, step: AddColumn | AlterColumn, before: Schema) -> bool:
        """Whether a helper says all of a column: it has no statement for its comment or numbers."""
        if isinstance(step, AlterColumn) and step.before.identity != step.after.identity:
            return self.definitions.rebuilds([step], before)
        old = step.before.comment if isinstance(step, AlterColumn) else None
        new = step.after if isinstance(step, AlterColumn) else step.column
        return not self.definitions.column_comment(step.table, new, old)

    def _create(self, table: TableDef, step: Step, before: Schema) -> None:
        definitions = self.definitions
        if definitions.table_options or table.options is not None:
            self._sql(step, before)  # what stands behind the columns is no helper's to say
            return
        columns = {c.name: definitions.column_body(c, table) for c in table.columns}
        constraints = [quoted(text) for text in definitions.table_constraints(table)]
        arguments = [quoted(table.name.name), mapping(columns), *constraints]
        if table.name.schema is not None:
            arguments.append(f"schema={quoted(table.name.schema)}")
        self.lines.append(call("await self.create_table", arguments, indent=INDENT))
        for index in table.indexes:
            if _is_plain_index(index):
                self._index(table.name, index)
            else:
                self._sql(CreateIndex(table.name, index), before.with_table(table))
        for text in definitions.comments(table):
            self._call("execute", quoted(text))

    def _index(self, name: Name, index: IndexDef) -> None:
        columns = ", ".join(
            [
                quoted(part.expression or f"{part.column}{' DESC' if part.descending else ''}")
                for part in index.parts
            ]
        )
        arguments = [quoted(name.name), f"[{columns}]", f"name={quoted(index.name)}"]
        if index.unique:
            arguments.append("unique=True")
        if index.where is not None:
            arguments.append(f"where={quoted(index.where)}")
        if index.method is not None:
            arguments.append(f"method={quoted(index.method)}")
        self._call("create_index", *arguments, of=name)


def _texts(*texts: str) -> list[str]:
    return [quoted(text) for text in texts]


def _is_plain_index(index: IndexDef) -> bool:
    """Whether a helper says all of it; an expression must not look like a column."""
    extra = index.include or not index.nulls_distinct
    return not extra and all(
        part.nulls is None
        and part.opclass is None
        and part.collation is None
        and part.length is None
        and (
            (part.column or "").isidentifier()
            or (part.expression is not None and "(" in part.expression and not part.descending)
        )
        for part in index.parts
    )
