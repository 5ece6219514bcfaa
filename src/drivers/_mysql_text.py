"""What can be told of a statement of MySQL by looking at its text."""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from uow.errors import QueryError

__all__ = [
    "Effect",
    "begin_texts",
    "effect_of",
    "names_in",
    "quote_savepoint",
    "quoted",
    "refusal_in_transaction",
    "refusal_of",
    "table_written",
]

ISOLATION_LEVELS: Final = frozenset(
    {"SERIALIZABLE", "REPEATABLE READ", "READ COMMITTED", "READ UNCOMMITTED"}
)

# A comment of two dashes needs a blank behind them; /*! and /*M! hold code ("Comments", MySQL
# Reference Manual, 11.7).
_SPECIAL: Final = re.compile(r"--(?=\s|$)|#|/\*M?!?[0-9]*|\*/|'|\"|`")
_LINE: Final = re.compile(r"[^\n]*")
_ENDS: Final = {
    "'": re.compile(r"(?:[^'\\]|''|\\.)*+'?", re.DOTALL),
    '"': re.compile(r'(?:[^"\\]|""|\\.)*+"?', re.DOTALL),
    "`": re.compile(r"(?:[^`]|``)*+`?"),
}

_WORDS: Final = re.compile(r"[A-Za-z_]+")
_CALL: Final = re.compile(
    r"(?P<before>\bINTO\s++)?(?<![\w$.`])(?P<name>[\w$.`]++)\s*+\(", re.IGNORECASE
)

_TRANSACTION: Final = frozenset({"BEGIN", "COMMIT", "RELEASE", "ROLLBACK", "SAVEPOINT", "XA"})
_ROWS: Final = frozenset(
    {"DELETE", "DESC", "DESCRIBE", "EXPLAIN", "INSERT", "REPLACE", "SELECT", "SHOW", "TABLE"}
    | {"UPDATE", "VALUES", "WITH", "ANALYZE", ""}
)

# "Statements That Cause an Implicit Commit", MySQL Reference Manual, 15.3.3, and MariaDB's.
_COMMITS: Final = frozenset(
    {"ALTER", "BACKUP", "CHANGE", "CHECK", "CREATE", "DROP", "FLUSH", "GRANT", "IMPORT", "INSTALL"}
    | {"LOCK", "OPTIMIZE", "PURGE", "RENAME", "REPAIR", "RESET", "RESTART", "REVOKE", "SHUTDOWN"}
    | {"START", "STOP", "TRUNCATE", "UNINSTALL", "UNLOCK"}
)
_COMMITS_WITH: Final = frozenset(
    {("ANALYZE", "TABLE"), ("ANALYZE", "LOCAL"), ("ANALYZE", "NO_WRITE_TO_BINLOG")}
    | {("CACHE", "INDEX"), ("LOAD", "INDEX"), ("SET", "PASSWORD"), ("SET", "ROLE")}
)

# What the driver stands on: values and texts would mean something else.
_OURS: Final = frozenset(
    {"AUTOCOMMIT", "CHARACTER", "CHARSET", "NAMES", "SQL_MODE", "TIME_ZONE", "COMPLETION_TYPE"}
    | {"CHARACTER_SET_CLIENT", "CHARACTER_SET_CONNECTION", "CHARACTER_SET_RESULTS"}
    | {"COLLATION_CONNECTION", "AUTO_INCREMENT_INCREMENT"}
)

# What may stand before a bracket and changes nothing: keywords, and functions of values alone.
_PURE: Final = frozenset({
    "abs", "all", "and", "any", "as", "avg", "between", "bit_and", "bit_or", "by", "case", "cast",
    "ceil", "char", "char_length", "coalesce", "concat", "concat_ws", "connection_id", "convert",
    "count", "current_timestamp", "database", "date", "date_add", "date_format", "date_sub",
    "datetime", "decimal", "dense_rank", "distinct", "else", "except", "exists", "extract", "field",
    "first_value", "floor", "from", "greatest", "group_concat", "having", "hex", "if", "ifnull",
    "in", "index", "intersect", "isnull", "json_array", "json_arrayagg", "json_extract",
    "json_object", "json_objectagg", "json_table", "json_unquote", "json_value", "key", "lag",
    "last_value", "lateral", "lead", "least", "left", "length", "like", "limit", "locate", "lower",
    "lpad", "max", "md5", "min", "mod", "not", "now", "ntile", "nullif", "numeric", "offset", "on",
    "or", "over", "partition", "position", "power", "rank", "repeat", "replace", "returning",
    "right", "rollup", "round", "row", "row_number", "rpad", "select", "set", "sign", "signed",
    "sqrt", "str_to_date", "substring", "sum", "then", "time", "timestamp", "timestampdiff", "trim",
    "truncate", "unhex", "union", "unsigned", "upper", "using", "utc_date", "utc_time",
    "utc_timestamp", "values", "varchar", "version", "when", "where", "with",
})  # fmt: skip


class Effect(Enum):
    """What a raw statement may leave behind on its connection, as far as its text tells."""

    NOTHING = auto()
    """Rows and the transaction only."""
    STATE = auto()
    """Variables, temporary tables, locks, or what a function does: a reset clears it."""
    MORE = auto()
    """What no reset clears: the connection must end."""


@lru_cache(maxsize=1024)
def effect_of(sql: str) -> Effect:
    """Tell what a raw statement may leave behind; what is not known counts as state."""
    text = _bare(sql)
    first, _ = _words(text)
    if first == "USE":
        return Effect.MORE  # the database stays when a session is reset
    if first not in _ROWS or "@" in text:
        return Effect.STATE
    calls = (call for call in _CALL.finditer(text) if not call["before"])
    is_pure = all(call["name"].lower() in _PURE for call in calls)
    return Effect.NOTHING if is_pure else Effect.STATE


@lru_cache(maxsize=1024)
def refusal_of(sql: str) -> str | None:
    """Say why raw SQL must not run at all, or None."""
    text = _bare(sql)
    first, second = _words(text)
    if first in _TRANSACTION or (first, second) == ("START", "TRANSACTION"):
        return f"{first} is the session's to say: use its commit, rollback, begin_nested"
    if first in {"PREPARE", "EXECUTE", "DEALLOCATE"}:
        return f"{first} hides what is run: parameters are bound by sql(...) itself"
    if first == "DELIMITER":
        return "DELIMITER is a word of the command line, and no statement"
    if first == "LOAD" and re.search(r"\bLOCAL\b", text, re.IGNORECASE):
        return "LOAD DATA LOCAL would let the server read files of this machine"
    if first == "SET":
        ours = sorted(_OURS & {word.upper() for word in _WORDS.findall(text)})
        if ours:
            return f"SET {ours[0]} would change what values and texts mean: it stays as it is"
    return None


@lru_cache(maxsize=1024)
def refusal_in_transaction(sql: str) -> str | None:
    """Say why a statement must not run while a transaction is open, or None."""
    first, second = _words(_bare(sql))
    if second in {"TEMPORARY", "OR"} and re.search(
        r"\bTEMPORARY\s+TABLE\b", _bare(sql), re.IGNORECASE
    ):
        return None
    if first in _COMMITS or (first, second) in _COMMITS_WITH:
        return (
            f"{first} {second}".rstrip() + " would commit the open transaction on this store, and"
            " cannot be rolled back: define tables outside of units of work (create_all)"
        )
    return None


_WRITTEN: Final = re.compile(
    r"(?:INSERT INTO|DELETE FROM|UPDATE|\bSTRAIGHT_JOIN)\s+"
    r"(?:`(?P<schema>(?:[^`]|``)+)`\.)?`(?P<name>(?:[^`]|``)+)`"
)


def table_written(sql: str) -> tuple[str | None, str] | None:
    """Give the schema and the name of the table that a statement of the dialect writes."""
    found = _WRITTEN.search(sql)
    if found is None:
        return None
    schema = found["schema"]
    return schema and schema.replace("``", "`"), found["name"].replace("``", "`")


def names_in(sql: str) -> set[str]:
    """Give all that may be a name in a text, in lower case."""
    return {name.lower() for name in re.findall(r"[\w$]+", sql)}


def begin_texts(*, isolation: str | None, read_only: bool) -> list[str]:
    """Write what begins a transaction, one statement after the other.

    Raises:
        QueryError: the isolation level is unknown.
    """
    begin = "START TRANSACTION READ ONLY" if read_only else "START TRANSACTION"
    if isolation is None:
        return [begin]
    if isolation.upper() not in ISOLATION_LEVELS:
        known = ", ".join(sorted(ISOLATION_LEVELS))
        raise QueryError(f"no isolation level is called {isolation!r}; there are {known}")
    return [f"SET TRANSACTION ISOLATION LEVEL {isolation.upper()}", begin]


def quote_savepoint(name: str) -> str:
    """Quote the name of a savepoint, which this library made.

    Raises:
        QueryError: it is no plain name.
    """
    if not (name.isascii() and name.isidentifier()):
        raise QueryError(f"a savepoint cannot be called {name!r}")
    return f"`{name}`"


def quoted(text: str) -> str:
    """Write a setting of ours between quotes; it holds nothing that would need more."""
    if not re.fullmatch(r"[\w:+,. -]*", text, re.ASCII):
        raise QueryError("a setting holds a character that is not allowed there")
    return f"'{text}'"


def _words(text: str) -> tuple[str, str]:
    words = [found[0].upper() for found in (_WORDS.search(text),) if found]
    if not words:
        return "", ""
    first = _WORDS.search(text)
    second = None if first is None else _WORDS.search(text, first.end())
    return words[0], "" if second is None else second[0].upper()


def _bare(sql: str) -> str:
    """Give a text without comments, and with nothing in its literals and quoted names."""
    parts: list[str] = []
    position = 0
    while (found := _SPECIAL.search(sql, position)) is not None:
        parts.append(sql[position : found.start()])
        mark, start = found[0], found.end()
        if mark in _ENDS:
            ended = _ENDS[mark].match(sql, start)
            position = len(sql) if ended is None else ended.end()
            parts.append(mark * 2)
        elif mark in {"--", "#"}:
            ended = _LINE.match(sql, start)
            position = len(sql) if ended is None else ended.end()
            parts.append(" ")
        elif mark == "*/" or "!" in mark:
            # What stands in such a comment is run.
            position = start
            parts.append(" ")
        else:
            closing = sql.find("*/", found.start() + 2)
            position = len(sql) if closing < 0 else closing + 2
            parts.append(" ")
    parts.append(sql[position:])
    return "".join(parts)
