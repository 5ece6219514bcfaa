"""Reads CREATE TABLE, as SQLite keeps it and as MySQL and MariaDB show it, and parts of it.

The text was understood by a store, or will be shown to one: what this does not know is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import attrs

from uow.errors import MappingError
from uow.schema.description import (
    CheckDef,
    ColumnDef,
    Constraint,
    ExclusionDef,
    ForeignKeyDef,
    IndexDef,
    IndexPartDef,
    KeyDef,
    Name,
    UniqueDef,
)
from uow.schema.words import Word, words

__all__ = ["Part", "Reader", "parse_column", "parse_constraint", "parts_of_table"]

_CLAUSES: Final = frozenset(
    {
        "CONSTRAINT", "PRIMARY", "NOT", "NULL", "UNIQUE", "CHECK", "DEFAULT", "COLLATE",
        "REFERENCES", "GENERATED", "AS", "AUTO_INCREMENT", "AUTOINCREMENT", "COMMENT", "VIRTUAL",
        "STORED", "PERSISTENT", "CHARSET", "INVISIBLE", "KEY", "DEFERRABLE", "INITIALLY",
    }
)  # fmt: skip
"""What begins something else behind a type or a default."""


@attrs.define
class Part:
    """One thing between the brackets of CREATE TABLE.

    Attributes:
        column: the column, if it is one.
        constraints: what it says of constraints; their names are empty where it gives none.
        index: the index, if it is one (MySQL).
        charset: the character set of the column, where it gives one.
        rest: words of it that nobody asked about.
    """

    column: ColumnDef | None = None
    constraints: list[Constraint] = attrs.field(factory=list[Constraint])
    index: IndexDef | None = None
    charset: str | None = None
    rest: list[str] = attrs.field(factory=list[str])


class Reader:
    """Reads words one after the other.

    Args:
        sql: the text.
        found: the words of it to read; all of them if None.
        backslashes: see `words`.
    """

    def __init__(
        self, sql: str, found: Sequence[Word] | None = None, *, backslashes: bool = False
    ) -> None:
        self.sql = sql
        self.words = words(sql, backslashes=backslashes) if found is None else found
        self.place = 0
        self.backslashes = backslashes

    @property
    def is_done(self) -> bool:
        """Whether nothing is left."""
        return self.place >= len(self.words)

    def upper(self, ahead: int = 0) -> str:
        """The next word in capitals, or nothing."""
        place = self.place + ahead
        return self.words[place].upper if place < len(self.words) else ""

    def next(self) -> Word:
        """Take a word.

        Raises:
            MappingError: there is none.
        """
        if self.is_done:
            raise MappingError(f"the definition ends too early: {self.sql}")
        self.place += 1
        return self.words[self.place - 1]

    def skip(self, *wanted: str) -> bool:
        """Take some words, if it is those that follow."""
        if all(self.upper(n) == word for n, word in enumerate(wanted)):
            self.place += len(wanted)
            return True
        return False

    def group(self) -> list[Word]:
        """Take what is in the brackets that follow, without them."""
        start = self.place
        depth = 0
        while True:
            text = self.next().text
            depth += (text == "(") - (text == ")")
            if depth <= 0:
                return list(self.words[start + 1 : self.place - 1])

    def source(self, found: Sequence[Word]) -> str:
        """Give the text of words as it stands there."""
        return self.sql[found[0].start : found[-1].end] if found else ""

    def names(self) -> tuple[str, ...]:
        """Take a list of names in brackets; what follows a name in it is passed over."""
        return tuple([part[0].value for part in split(self.group())])

    def table(self) -> Name:
        """Take a name with or without a schema."""
        first = self.next().value
        if self.upper() == ".":
            self.next()
            return Name(self.next().value, first)
        return Name(first)


def split(found: Sequence[Word]) -> list[list[Word]]:
    """Cut words at the commas that are in no brackets."""
    parts: list[list[Word]] = [[]]
    depth = 0
    for word in found:
        depth += (word.text == "(") - (word.text == ")")
        if word.text == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]


def parts_of_table(
    sql: str, *, backslashes: bool = False, readable: Callable[[str], str]
) -> tuple[list[Part], list[Word]]:
    """Read CREATE TABLE.

    Args:
        sql: the text.
        backslashes: see `words`.
        readable: turns a type into how we write it.

    Returns:
        What is between its brackets, and the words behind them.
    """
    reader = Reader(sql, backslashes=backslashes)
    while not reader.is_done and reader.words[reader.place].text != "(":
        reader.next()
    body = split(reader.group())
    parts = [_part(Reader(sql, found, backslashes=backslashes), readable) for found in body]
    return parts, list(reader.words[reader.place :])


def parse_column(
    name: str, text: str, *, backslashes: bool = False, readable: Callable[[str], str]
) -> Part:
    """Read the definition of a column behind its name."""
    reader = Reader(text, backslashes=backslashes)
    if reader.is_done:
        raise MappingError(f"the definition of the column {name!r} is empty")
    return _column(name, reader, readable)


def parse_constraint(name: str, text: str, *, backslashes: bool = False) -> Constraint:
    """Read a constraint behind its name.

    Raises:
        MappingError: it is none.
    """
    reader = Reader(text, backslashes=backslashes)
    found = _constraint(name, reader)
    if found is None or not reader.is_done:
        raise MappingError(f"{name}: this is not a constraint: {text}")
    return found


def _part(reader: Reader, readable: Callable[[str], str]) -> Part:
    start = reader.place
    name = (
        reader.next().value if reader.skip("CONSTRAINT") and reader.upper() not in _BODIES else ""
    )
    constraint = _constraint(name, reader)
    if constraint is not None:
        rest = [word.text for word in reader.words[reader.place :]]
        return Part(constraints=[constraint], rest=rest)
    index = _index(reader)
    if index is not None:
        return Part(index=index)
    reader.place = start
    return _column(reader.next().value, reader, readable)


_BODIES: Final = frozenset({"PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "EXCLUDE"})


def _constraint(name: str, reader: Reader) -> Constraint | None:
    """Read a constraint of the table, without its name; None if it is none.

    UNIQUE KEY is MySQL's for an index.
    """
    if reader.skip("PRIMARY", "KEY"):
        reader.skip("USING", reader.upper(1))
        return KeyDef(columns=reader.names(), name=name or None)
    if reader.upper() == "UNIQUE" and reader.upper(1) not in {"KEY", "INDEX"}:
        reader.next()
        distinct = not reader.skip("NULLS", "NOT", "DISTINCT")
        columns = reader.names()
        return UniqueDef(
            name=name, columns=columns, nulls_distinct=distinct, deferral=_deferral(reader)
        )
    if reader.skip("CHECK"):
        check = CheckDef(name=name, sql=reader.source(reader.group()))
        reader.skip("NOT", "ENFORCED")
        return check
    if reader.skip("FOREIGN", "KEY"):
        if reader.upper() != "(":
            reader.next()  # MySQL allows the name of an index
        columns = reader.names()
        reader.skip("REFERENCES")
        return _references(name, columns, reader)
    if reader.upper() == "EXCLUDE":
        rest = reader.words[reader.place :]
        reader.place = len(reader.words)
        return ExclusionDef(name=name, sql=reader.source(rest))
    return None


def _references(name: str, columns: tuple[str, ...], reader: Reader) -> ForeignKeyDef:
    target = reader.table()
    target_columns = reader.names() if reader.upper() == "(" else ()
    actions: dict[str, str | None] = {"DELETE": None, "UPDATE": None}
    while True:
        if reader.upper() == "ON" and reader.upper(1) in actions:
            reader.next()
            which = reader.next().upper
            actions[which] = _action(reader)
        elif reader.skip("MATCH"):
            reader.next()
        else:
            break
    return ForeignKeyDef(
        name=name,
        columns=columns,
        target=target,
        target_columns=target_columns,
        on_delete=actions["DELETE"],
        on_update=actions["UPDATE"],
        deferral=_deferral(reader),
    )


def _action(reader: Reader) -> str | None:
    first = reader.next().upper
    if first in {"SET", "NO"}:
        first = f"{first} {reader.next().upper}"
    return None if first == "NO ACTION" else first


def _deferral(reader: Reader) -> str | None:
    if reader.skip("NOT", "DEFERRABLE"):
        if reader.skip("INITIALLY"):
            reader.next()
        return None
    if not reader.skip("DEFERRABLE"):
        return None
    return reader.next().text.lower() if reader.skip("INITIALLY") else "immediate"


def _index(reader: Reader) -> IndexDef | None:
    """Read an index of MySQL; None if it is none."""
    start = reader.place
    unique = reader.skip("UNIQUE")
    method = reader.next().text.lower() if reader.upper() in {"FULLTEXT", "SPATIAL"} else None
    if not (reader.skip("KEY") or reader.skip("INDEX")):
        reader.place = start
        return None
    name = reader.next().value
    if reader.upper() != "(":
        reader.place = start
        return None  # a column that is called so
    parts = [_index_part(Reader(reader.sql, part)) for part in split(reader.group())]
    return IndexDef(name=name, parts=parts, unique=unique, method=method)


def _index_part(reader: Reader) -> IndexPartDef:
    column = expression = length = None
    if reader.upper() == "(":
        expression = reader.source(reader.group())
    else:
        column = reader.next().value
        if reader.upper() == "(":
            length = int(reader.group()[0].text)
    collation = reader.next().value if reader.skip("COLLATE") else None
    return IndexPartDef(
        column=column,
        expression=expression,
        descending=reader.skip("DESC"),
        length=length,
        collation=collation,
    )


def _column(name: str, reader: Reader, readable: Callable[[str], str]) -> Part:
    part = Part()
    column = ColumnDef(name=name, type=readable(_type(reader)))
    named = ""
    while not reader.is_done:
        if reader.skip("CONSTRAINT"):
            named = reader.next().value
            continue
        changed = _clause(column, reader, part, named)
        if changed is None:
            part.rest.append(reader.next().text)  # what nobody asked about
        else:
            column = changed
        named = ""
    part.column = column
    return part


def _type(reader: Reader) -> str:
    """Take the words of a type; what is in brackets is written with a comma and a space."""
    text = ""
    while not reader.is_done:
        word = reader.words[reader.place]
        if word.text == "(":
            inner = ", ".join([reader.source(part) for part in split(reader.group())])
            text += f"({inner})"
            continue
        is_clause = word.upper in _CLAUSES or (
            word.upper in {"CHARACTER", "ON"} and reader.upper(1) in {"SET", "UPDATE"}
        )
        if is_clause:
            break
        reader.next()
        glued = word.text in {"[", "]", "."} or text.endswith((".", "["))
        text += word.text if glued or not text else f" {word.text}"
    return text


def _clause(column: ColumnDef, reader: Reader, part: Part, named: str) -> ColumnDef | None:
    """Take one clause of a column's definition; None if it is not known."""
    if reader.skip("NOT", "NULL"):
        return attrs.evolve(column, nullable=False)
    if reader.skip("NULL"):
        return column
    if reader.skip("DEFAULT"):
        text = _value(reader)
        return attrs.evolve(column, default=None if text.upper() == "NULL" else text)
    if reader.skip("COLLATE"):
        return attrs.evolve(column, collation=reader.next().value)
    if reader.skip("CHARACTER", "SET") or reader.skip("CHARSET"):
        part.charset = reader.next().value
        return column
    if reader.skip("GENERATED", "ALWAYS", "AS", "IDENTITY"):
        return attrs.evolve(column, identity="always", nullable=False)
    if reader.skip("GENERATED", "BY", "DEFAULT", "AS", "IDENTITY"):
        return attrs.evolve(column, identity="by default", nullable=False)
    if reader.skip("GENERATED", "ALWAYS", "AS") or reader.skip("AS"):
        sql = reader.source(reader.group())
        virtual = not (reader.skip("STORED") or reader.skip("PERSISTENT"))
        reader.skip("VIRTUAL")
        return attrs.evolve(column, generated=sql, virtual=virtual)
    if reader.skip("AUTO_INCREMENT") or reader.skip("AUTOINCREMENT"):
        return attrs.evolve(column, identity="by default")
    if reader.skip("COMMENT"):
        return attrs.evolve(column, comment=text_of(reader.next().text, reader.backslashes))
    if reader.skip("ON", "UPDATE"):
        return attrs.evolve(column, on_update=_value(reader))
    if reader.skip("PRIMARY", "KEY"):
        part.constraints.append(KeyDef(columns=(column.name,), name=named or None))
        _ = reader.skip("ASC") or reader.skip("DESC")
        return column
    if reader.skip("UNIQUE"):
        reader.skip("KEY")
        part.constraints.append(UniqueDef(name=named, columns=(column.name,)))
        return column
    if reader.skip("CHECK"):
        part.constraints.append(CheckDef(name=named, sql=reader.source(reader.group())))
        return column
    if reader.skip("REFERENCES"):
        part.constraints.append(_references(named, (column.name,), reader))
        return column
    return None


def _value(reader: Reader) -> str:
    """Take the SQL of a value: the first word, and what follows it up to another clause."""
    found: list[Word] = []
    while not reader.is_done:
        upper = reader.upper()
        is_clause = upper in _CLAUSES or (
            upper in {"CHARACTER", "ON", "USING"} and reader.upper(1) in {"SET", "UPDATE"}
        )
        if found and is_clause:
            break
        start = reader.place
        if upper == "(":
            reader.group()
        else:
            reader.next()
        found += reader.words[start : reader.place]
    if not found:
        raise MappingError(f"the definition ends behind DEFAULT: {reader.sql}")
    return reader.source(found)


def text_of(literal: str, backslashes: bool) -> str:
    """Give what a text between quotes says."""
    text = literal[1:-1].replace("''", "'")
    if not backslashes or "\\" not in text:
        return text
    parts: list[str] = []
    hidden = False
    for character in text:
        if hidden:
            parts.append(_ESCAPES.get(character, character))
            hidden = False
        elif character == "\\":
            hidden = True
        else:
            parts.append(character)
    return "".join(parts)


_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "b": "\b", "Z": "\x1a"}
