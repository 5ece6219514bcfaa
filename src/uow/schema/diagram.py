"""A schema as a diagram of entities and relations, in the language of Mermaid."""

from __future__ import annotations

import re

from uow.schema.description import ForeignKeyDef, Name, Schema, TableDef

__all__ = ["marks_of", "may_lack", "mermaid", "only_one"]


def mermaid(schema: Schema) -> str:
    """Draw tables with their columns and keys, and a line for each foreign key.

    Mermaid takes letters, digits, `_` and `-` in names of types and columns; whatever else is in
    them is a line. A table's name stands there as it is.

    Returns:
        The text of an `erDiagram`, tables and lines in the order of their names.
    """
    tables = sorted(schema.tables, key=lambda table: table.name)
    lines = ["erDiagram"]
    for table in tables:
        lines.append(f"    {_entity(table.name)} {{")
        for column in table.columns:
            marks = ", ".join(marks_of(table, column.name))
            comment = f' "{_text(column.comment)}"' if column.comment else ""
            type_, name = _word(column.type), _word(column.name)
            lines.append(f"        {type_} {name}{' ' if marks else ''}{marks}{comment}")
        lines.append("    }")
    for table in tables:
        for key in sorted(table.foreign_keys, key=lambda key: key.name):
            many = "|o" if only_one(table, key.columns) else "}o"
            ends = f"{_entity(table.name)} {many}--{_one(table, key)} {_entity(key.target)}"
            lines.append(f'    {ends} : "{_text(", ".join(key.columns))}"')
    return "\n".join(lines) + "\n"


def marks_of(table: TableDef, column: str) -> list[str]:
    """Say whether a column is a key: PK, FK, UK."""
    marks: list[str] = []
    if table.key is not None and column in table.key.columns:
        marks.append("PK")
    if any(column in key.columns for key in table.foreign_keys):
        marks.append("FK")
    if only_one(table, (column,)) and "PK" not in marks:
        marks.append("UK")
    return marks


def only_one(table: TableDef, columns: tuple[str, ...]) -> bool:
    """Whether no two rows are alike in some columns."""
    wanted = {*columns}
    sets = [set(unique.columns) for unique in table.uniques]
    sets += [
        {*index.columns}
        for index in table.indexes
        if index.unique and index.where is None and all(p.column for p in index.parts)
    ]
    if table.key is not None:
        sets.append({*table.key.columns})
    return wanted in sets


def may_lack(table: TableDef, key: ForeignKeyDef) -> bool:
    """Whether a row may refer to none: a column of the key takes NULL."""
    columns = [table.column(name) for name in key.columns]
    return any(column is not None and column.nullable for column in columns)


def _one(table: TableDef, key: ForeignKeyDef) -> str:
    return "o|" if may_lack(table, key) else "||"


def _entity(name: Name) -> str:
    return f'"{_text(str(name))}"'


def _text(text: str | None) -> str:
    return " ".join((text or "").replace('"', "'").split())


def _word(text: str) -> str:
    word = re.sub(r"[^\w-]+", "_", text).strip("_") or "_"
    return word if word[0].isalpha() or word[0] == "_" else f"_{word}"
