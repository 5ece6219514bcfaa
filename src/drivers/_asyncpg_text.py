"""What can be told of a PostgreSQL statement by looking at its text."""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from uow.errors import QueryError, ValidationError

__all__ = [
    "Effect",
    "begin_text",
    "check_position",
    "effect_of",
    "quote_savepoint",
    "refusal_of",
]

ISOLATION_LEVELS: Final = frozenset(
    {"SERIALIZABLE", "REPEATABLE READ", "READ COMMITTED", "READ UNCOMMITTED"}
)

_SPECIAL: Final = re.compile(r"--|/\*|[eE]?'|\"|\$(?:[^\W\d]\w*)?\$")
_LINE: Final = re.compile(r"[^\n]*")
_COMMENT: Final = re.compile(r"/\*|\*/")
_TEXT: Final = re.compile(r"(?:[^']|'')*+'?")
_ESCAPED: Final = re.compile(r"(?:[^'\\]|''|\\.)*+'?", re.DOTALL)
_NAME: Final = re.compile(r'(?:[^"]|"")*+"?')

_WORD: Final = re.compile(r"[\s;(]*(?P<word>[A-Za-z]*)(?:\s+(?P<second>[A-Za-z]*))?")
_CALL: Final = re.compile(r'(?<![\w$."])(?P<name>[\w$."]++)\s*+\(')
# A table may be a view, `(x).f` a function, and what INTO makes a temporary table.
_HIDDEN: Final = re.compile(r"\b(?:FROM|INTO|TABLE)\b|[)\]]\s*+\.", re.IGNORECASE)
_BLANK: Final = re.compile(r"[\s;]*")
_CLIENT: Final = re.compile(r"\b(?:STDIN|STDOUT)\b", re.IGNORECASE)

_LSN: Final = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")

_TRANSACTION: Final = frozenset(
    {"ABORT", "BEGIN", "COMMIT", "END", "RELEASE", "ROLLBACK", "SAVEPOINT", "START"}
)
_OF_VALUES: Final = frozenset({"SELECT", "VALUES"})
_HARMLESS: Final = frozenset({"LOCK", "SHOW"})
_OF_THE_TRANSACTION: Final = frozenset({"CONSTRAINTS", "LOCAL", "TRANSACTION"})
_CANNOT_BE_UNDONE: Final = frozenset({"DEALLOCATE", "DISCARD", "LOAD", "PREPARE"})

# What may stand before a bracket and changes nothing: keywords, and functions of values alone.
_PURE: Final = frozenset({
    "abs", "all", "and", "any", "array", "array_agg", "as", "avg", "between", "bool_and", "bool_or",
    "by", "case", "cast", "ceil", "char", "char_length", "coalesce", "concat", "count", "cube",
    "current_setting", "date_part", "date_trunc", "decimal", "dense_rank", "distinct", "else",
    "except", "exists", "extract", "filter", "first_value", "float", "floor",
    "generate_series", "greatest", "grouping", "having", "in", "intersect", "json_agg", "jsonb_agg",
    "jsonb_array_elements", "jsonb_build_object", "lag", "last_value", "lead", "least",
    "left", "length", "like", "limit", "lower", "max", "md5", "min", "mod", "not", "now", "ntile",
    "nullif", "numeric", "octet_length", "offset", "on", "or", "over", "overlay", "partition",
    "pg_advisory_xact_lock", "pg_advisory_xact_lock_shared", "pg_backend_pid", "pg_current_xact_id",
    "pg_try_advisory_xact_lock", "position", "power", "rank", "replace", "returning", "right",
    "rollup", "round", "row", "row_number", "select", "sets", "some", "sqrt", "string_agg",
    "substring", "sum", "then", "timestamp", "to_char", "trim", "union", "unnest", "upper", "using",
    "values", "varchar", "version", "when", "where", "with", "within",
})  # fmt: skip


class Effect(Enum):
    """What a raw statement may leave behind on its connection, as far as its text tells."""

    NOTHING = auto()
    """Values and the transaction only."""
    STATE = auto()
    """Settings, temporary tables, locks, or what a function may do: a reset clears it."""
    MORE = auto()
    """What no reset clears: the connection must end."""


@lru_cache(maxsize=1024)
def effect_of(sql: str) -> Effect:
    """Tell what a raw statement may leave behind.

    Functions change settings, and views, triggers and rules call them, which no text tells. So
    whatever is about more than values counts as state: a reset costs a round trip.
    """
    text = _bare(sql)
    word, second = _words(text)
    if word in _CANNOT_BE_UNDONE:
        return Effect.MORE
    if word == "SET":
        return Effect.NOTHING if second in _OF_THE_TRANSACTION else Effect.STATE
    if word in _HARMLESS:
        return Effect.NOTHING
    if word not in _OF_VALUES or _HIDDEN.search(text):
        return Effect.STATE
    is_pure = all(call["name"].lower() in _PURE for call in _CALL.finditer(text))
    return Effect.NOTHING if is_pure else Effect.STATE


@lru_cache(maxsize=1024)
def refusal_of(sql: str) -> str | None:
    """Say why raw SQL must not run at all, or None."""
    text = _bare(sql)
    if _BLANK.fullmatch(text):
        return "there is no statement in the text"
    word, second = _words(text)
    if word in _TRANSACTION or (word == "PREPARE" and second == "TRANSACTION"):
        return f"{word} is the session's to say: use its commit, rollback, begin_nested"
    if word == "COPY" and _CLIENT.search(text):
        return "COPY from or to the client is no statement with an answer; name a file or a table"
    return None


def begin_text(
    *, isolation: str | None, read_only: bool, deferrable: bool, defer_constraints: bool
) -> str:
    """Write what begins a transaction, to be sent in one go.

    Raises:
        QueryError: the isolation level is unknown.
    """
    modes: list[str] = []
    if isolation is not None:
        if isolation.upper() not in ISOLATION_LEVELS:
            known = ", ".join(sorted(ISOLATION_LEVELS))
            raise QueryError(f"no isolation level is called {isolation!r}; there are {known}")
        modes.append(f"ISOLATION LEVEL {isolation.upper()}")
    if read_only:
        modes.append("READ ONLY")
    if deferrable:
        modes.append("DEFERRABLE")
    text = f"BEGIN {', '.join(modes)}".rstrip()
    return f"{text}; SET CONSTRAINTS ALL DEFERRED" if defer_constraints else text


def quote_savepoint(name: str) -> str:
    """Quote the name of a savepoint, which this library made.

    Raises:
        QueryError: it is no plain name.
    """
    if not (name.isascii() and name.isidentifier()):
        raise QueryError(f"a savepoint cannot be called {name!r}")
    return f'"{name}"'


def check_position(position: str) -> None:
    """Look whether a text is a place in the server's log.

    Raises:
        ValidationError: it is none.
    """
    if _LSN.fullmatch(position) is None:
        raise ValidationError("a position of PostgreSQL reads like 16/B374D848")


def _words(text: str) -> tuple[str, str]:
    found = _WORD.match(text)
    if found is None:
        return "", ""
    return found["word"].upper(), (found["second"] or "").upper()


def _bare(sql: str) -> str:
    """Give a text without comments, and with nothing in its literals.

    "Lexical Structure", 4.1, https://www.postgresql.org/docs/current/sql-syntax-lexical.html;
    `standard_conforming_strings` is on, which is looked at when a connection is opened.
    """
    parts: list[str] = []
    position = 0
    while (found := _SPECIAL.search(sql, position)) is not None:
        parts.append(sql[position : found.start()])
        mark, start = found[0], found.end()
        before = sql[found.start() - 1 : found.start()]
        is_in_word = before.isalnum() or before in {"_", "$"}
        if mark == "--":
            position = _end(_LINE, sql, start)
            parts.append(" ")
        elif mark == "/*":
            position = _end_of_comment(sql, start)
            parts.append(" ")
        elif mark == '"':
            position = _end(_NAME, sql, start)
            parts.append('""')
        elif mark[0] == "$" and is_in_word:
            # Names may hold dollars.
            position = found.start() + 1
            parts.append("$")
        elif mark[0] == "$":
            closing = sql.find(mark, start)
            position = len(sql) if closing < 0 else closing + len(mark)
            parts.append("''")
        else:
            # The E of E'...' is the end of a word otherwise, as in LIKE'...'.
            is_escaped = len(mark) == 2 and not is_in_word
            position = _end(_ESCAPED if is_escaped else _TEXT, sql, start)
            parts.append(f"{mark[:-1]}''")
    parts.append(sql[position:])
    return "".join(parts)


def _end(pattern: re.Pattern[str], sql: str, start: int) -> int:
    found = pattern.match(sql, start)
    return len(sql) if found is None else found.end()


def _end_of_comment(sql: str, start: int) -> int:
    """Comments stand in comments."""
    depth = 1
    while depth:
        found = _COMMENT.search(sql, start)
        if found is None:
            return len(sql)
        depth += 1 if found[0] == "/*" else -1
        start = found.end()
    return start
