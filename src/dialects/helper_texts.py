"""What the helpers of migrations say in SQL: names are quoted here, the rest is the author's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Final

from uow.errors import QueryError

__all__ = ["HelperTexts", "MySQLHelperTexts", "SQLiteHelperTexts"]

MOST_BYTES: Final = 60
"""The longest name of an index that is made here: every store takes that."""

_LITERAL: Final = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_SERIAL: Final = re.compile(r"\b(?:SMALL|BIG)?SERIAL\b", re.IGNORECASE)
_KEY: Final = re.compile(r"\bPRIMARY\s+KEY\b", re.IGNORECASE)
_NOW: Final = re.compile(r"\bDEFAULT\s+NOW\s*\(\s*\)", re.IGNORECASE)


class HelperTexts:
    """The SQL of the helpers of a migration.

    Each method gives statements to run in this order.

    Args:
        quote: quotes a name, or refuses it.
    """

    def __init__(self, quote: Callable[[str], str]) -> None:
        self.quote = quote

    def table(self, name: str, schema: str | None) -> str:
        """Give a quoted name."""
        return self.quote(name) if schema is None else f"{self.quote(schema)}.{self.quote(name)}"

    def column(self, text: str) -> str:
        """Give the text of a column as the store takes it."""
        return text

    def index_name(self, table: str, columns: Sequence[str], *, unique: bool) -> str:
        """Give the name of an index that has none."""
        words = [re.sub(r"\W+", "_", column).strip("_") for column in columns]
        name = "_".join(["uq" if unique else "ix", table, *words])
        if len(name.encode()) <= MOST_BYTES:
            return name
        sign = sha256(name.encode()).hexdigest()[:8]
        return f"{name.encode()[: MOST_BYTES - 9].decode(errors='ignore')}_{sign}"

    # -- tables

    def create_table(
        self,
        name: str,
        columns: Mapping[str, str],
        constraints: Sequence[str],
        *,
        schema: str | None,
        comment: str | None,
    ) -> list[str]:
        """Make a table."""
        lines = [f"{self.quote(column)} {self.column(text)}" for column, text in columns.items()]
        body = ",\n    ".join([*lines, *constraints])
        text = f"CREATE TABLE {self.table(name, schema)} (\n    {body}\n)"
        if comment is None:
            return [text]
        return self.commented(text, self.table(name, schema), _literal(comment))

    def commented(self, text: str, table: str, comment: str) -> list[str]:
        """Add a comment to the making of a table."""
        return [text, f"COMMENT ON TABLE {table} IS {comment}"]

    def drop_table(self, name: str, *, schema: str | None) -> list[str]:
        """Drop a table."""
        return [f"DROP TABLE {self.table(name, schema)}"]

    def rename_table(self, old: str, new: str, *, schema: str | None) -> list[str]:
        """Rename a table."""
        return [f"ALTER TABLE {self.table(old, schema)} RENAME TO {self.quote(new)}"]

    # -- columns

    def add_column(self, table: str, column: str, text: str, *, schema: str | None) -> list[str]:
        """Add a column."""
        start = f"ALTER TABLE {self.table(table, schema)} ADD COLUMN"
        return [f"{start} {self.quote(column)} {self.column(text)}"]

    def drop_column(self, table: str, column: str, *, schema: str | None) -> list[str]:
        """Drop a column."""
        return [f"ALTER TABLE {self.table(table, schema)} DROP COLUMN {self.quote(column)}"]

    def rename_column(self, table: str, old: str, new: str, *, schema: str | None) -> list[str]:
        """Rename a column."""
        start = f"ALTER TABLE {self.table(table, schema)} RENAME COLUMN"
        return [f"{start} {self.quote(old)} TO {self.quote(new)}"]

    # -- constraints and indexes

    def add_constraint(self, table: str, name: str, text: str, *, schema: str | None) -> list[str]:
        """Add a constraint."""
        start = f"ALTER TABLE {self.table(table, schema)} ADD CONSTRAINT"
        return [f"{start} {self.quote(name)} {text}"]

    def drop_constraint(self, table: str, name: str, *, schema: str | None) -> list[str]:
        """Drop a constraint."""
        return [f"ALTER TABLE {self.table(table, schema)} DROP CONSTRAINT {self.quote(name)}"]

    def create_index(
        self,
        table: str,
        columns: Sequence[str],
        *,
        unique: bool,
        name: str,
        where: str | None,
        method: str | None,
        schema: str | None,
        concurrently: bool,
    ) -> list[str]:
        """Make an index over columns; one that is no plain name is an expression."""
        parts = ", ".join(self.part(column) for column in columns)
        self.refuse_in_index(name, where=where, method=method, concurrently=concurrently)
        words = ["CREATE", *(["UNIQUE"] if unique else []), "INDEX"]
        words += ["CONCURRENTLY"] if concurrently else []
        words += [self.created_index(name, schema), "ON", self.indexed_table(table, schema)]
        words += [f"USING {method}"] if method else []
        return [" ".join([*words, f"({parts})", *([f"WHERE {where}"] if where else [])])]

    def created_index(self, name: str, schema: str | None) -> str:  # noqa: ARG002 - SQLite's has one
        """Give the name of an index that is made: it goes where its table is."""
        return self.quote(name)

    def indexed_table(self, table: str, schema: str | None) -> str:
        """Give the table of an index."""
        return self.table(table, schema)

    def refuse_in_index(
        self, name: str, *, where: str | None, method: str | None, concurrently: bool
    ) -> None:
        """Refuse what the store has not."""

    def part(self, column: str) -> str:
        """Give a part of an index: a column, one with ASC or DESC, or an expression as it is."""
        if re.fullmatch(r"\w+", column):
            return self.quote(column)
        ordered = re.fullmatch(r"(\w+)\s+(ASC|DESC)", column, re.IGNORECASE)
        if ordered:
            return f"{self.quote(ordered[1])} {ordered[2].upper()}"
        return f"({column})"

    def drop_index(self, table: str, name: str, *, schema: str | None) -> list[str]:  # noqa: ARG002
        """Drop an index."""
        return [f"DROP INDEX {self.table(name, schema)}"]


class MySQLHelperTexts(HelperTexts):
    """The SQL of MySQL and MariaDB."""

    def commented(self, text: str, table: str, comment: str) -> list[str]:  # noqa: ARG002
        """It stands behind the table."""
        return [f"{text} COMMENT = {comment}"]

    def rename_table(self, old: str, new: str, *, schema: str | None) -> list[str]:
        """Rename a table where it is: without its schema the new name were another database's."""
        return [f"ALTER TABLE {self.table(old, schema)} RENAME TO {self.table(new, schema)}"]

    def drop_index(self, table: str, name: str, *, schema: str | None) -> list[str]:
        """Drop an index: its name is its table's."""
        return [f"DROP INDEX {self.quote(name)} ON {self.table(table, schema)}"]

    def refuse_in_index(
        self, name: str, *, where: str | None, method: str | None, concurrently: bool
    ) -> None:
        """Refuse indexes over some rows, and what PostgreSQL calls CONCURRENTLY."""
        if where:
            raise QueryError(f"the index {name!r} has where=, and this store indexes all rows")
        if method:
            raise QueryError(f"the index {name!r} has method=; say it with execute(...)")
        if concurrently:
            raise QueryError(
                f"the index {name!r} has concurrently=True, which PostgreSQL alone knows"
            )


class SQLiteHelperTexts(HelperTexts):
    """The SQL of SQLite."""

    def column(self, text: str) -> str:
        """Take two words of other stores: a numbered key, and the time."""
        pieces: list[str] = []
        end = 0
        for literal in _LITERAL.finditer(text):
            pieces += [self._translated(text[end : literal.start()]), literal[0]]
            end = literal.end()
        return "".join([*pieces, self._translated(text[end:])])

    def _translated(self, text: str) -> str:
        text = _NOW.sub("DEFAULT CURRENT_TIMESTAMP", text)
        if _SERIAL.search(text) and _KEY.search(text):
            return _KEY.sub("PRIMARY KEY AUTOINCREMENT", _SERIAL.sub("INTEGER", text))
        return _SERIAL.sub("INTEGER", text)

    def commented(self, text: str, table: str, comment: str) -> list[str]:  # noqa: ARG002
        """Leave it out: there is no place for it."""
        return [text]

    def rename_table(self, old: str, new: str, *, schema: str | None) -> list[str]:
        """Rename a table."""
        return [f"ALTER TABLE {self.table(old, schema)} RENAME TO {self.quote(new)}"]

    def created_index(self, name: str, schema: str | None) -> str:
        """Give the name of an index: here it has the schema, and its table has not."""
        return self.table(name, schema)

    def indexed_table(self, table: str, schema: str | None) -> str:  # noqa: ARG002
        """Give the table's own name."""
        return self.quote(table)

    def refuse_in_index(
        self,
        name: str,
        *,
        where: str | None,  # noqa: ARG002
        method: str | None,
        concurrently: bool,
    ) -> None:
        """Refuse the kinds of indexes of others."""
        if method or concurrently:
            word = "method=" if method else "concurrently=True"
            raise QueryError(f"the index {name!r} has {word}, which SQLite does not know")


def _literal(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"
