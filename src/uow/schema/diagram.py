"""A schema as a diagram of entities and relations, in the language of Mermaid."""

from __future__ import annotations

import re

from uow.schema.description import ForeignKeyDef, Name, Schema, TableDef

__all__ = ["mermaid"]


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
            marks = ", ".join(_marks(table, column.name))
            comment = f' "{_text(column.comment)}"' if column.comment else ""
            type_, name = _word(column.type), _word(column.name)
            lines.append(f"        {type_} {name}{' ' if marks else ''}{marks}{comment}")
        lines.append("    }")
    for table in tables:
        for key in sorted(table.foreign_keys, key=lambda key: key.name):
            many = "|o" if _is_unique(table, key.columns) else "}o"
            ends = f"{_entity(table.name)} {many}--{_one(table, key)} {_entity(key.target)}"
            lines.append(f'    {ends} : "{_text(", ".join(key.columns))}"')
    return "\n".join(lines) + "\n"


def _marks(table: TableDef, column: str) -> list[str]:
    marks: list[str] = []
    if table.key is not None and column in table.key.columns:
        marks.append("PK")
    if any(column in key.columns for key in table.foreign_keys):
        marks.append("FK")
    if _is_unique(table, (column,)) and "PK" not in marks:
        marks.append("UK")
    return marks


def _is_unique(table: TableDef, columns: tuple[str, ...]) -> bool:
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


def _one(table: TableDef, key: ForeignKeyDef) -> str:
    """How many rows are referred to: one, or at most one where a column may be NULL."""
    columns = [table.column(name) for name in key.columns]
    may_lack = any(column is not None and column.nullable for column in columns)
    return "o|" if may_lack else "||"


def _entity(name: Name) -> str:
    return f'"{_text(str(name))}"'


def _text(text: str | None) -> str:
    return " ".join((text or "").replace('"', "'").split())


def _word(text: str) -> str:
    word = re.sub(r"[^\w-]+", "_", text).strip("_") or "_"
    return word if word[0].isalpha() or word[0] == "_" else f"_{word}"
