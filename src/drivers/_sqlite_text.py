"""What can be told of an SQLite statement by looking at its text."""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from uow.errors import QueryError

__all__ = [
    "Effect",
    "effect_of",
    "is_blank",
    "isolation_error",
    "quote_savepoint",
    "refusal_of",
]

_BLANK: Final = r"(?:\s|;|--[^\n]*(?:\n|\Z)|/\*.*?(?:\*/|\Z))*"
_WORD: Final = re.compile(rf"{_BLANK}(?P<word>[A-Za-z]*)", re.DOTALL)
_ONLY_BLANK: Final = re.compile(rf"{_BLANK}\Z", re.DOTALL)
_TEMPORARY: Final = re.compile(r"\bTEMP(?:ORARY)?\b", re.IGNORECASE)
_PLAIN_VACUUM: Final = re.compile(rf"{_BLANK}VACUUM{_BLANK}\Z", re.DOTALL | re.IGNORECASE)

_TRANSACTION: Final = frozenset({"BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"})
_FILES: Final = frozenset({"ATTACH", "DETACH"})
_HARMLESS: Final = frozenset(
    {"", "SELECT", "VALUES", "WITH", "INSERT", "REPLACE", "UPDATE", "DELETE", "EXPLAIN", "ANALYZE"}
)
_DEFINITIONS: Final = frozenset({"CREATE", "DROP", "ALTER", "REINDEX"})

ISOLATION_LEVELS: Final = frozenset(
    {"SERIALIZABLE", "REPEATABLE READ", "READ COMMITTED", "READ UNCOMMITTED", "SNAPSHOT"}
)
"""Every level is granted: SQLite is always serializable, which is at least what was asked."""


class Effect(Enum):
    """What a statement may do, as far as its text tells."""

    INSERTS_ROWS = auto()
    """INSERT .. VALUES: the work is bounded by the parameters."""
    UPDATES = auto()
    """UPDATE: bounded if it goes by key, which the text does not tell."""
    VACUUM = auto()
    """VACUUM of the file itself."""
    OTHER = auto()
    """Anything else that leaves the state of the connection alone."""
    CHANGES_STATE = auto()
    """PRAGMA, temporary tables, and what is not known: the next borrower must not see it."""


@lru_cache(maxsize=1024)
def effect_of(sql: str) -> Effect:
    """Tell what a statement may do."""
    word = _first_word(sql)
    if word in {"INSERT", "REPLACE"}:
        return Effect.OTHER if "SELECT" in sql.upper() else Effect.INSERTS_ROWS
    if word == "UPDATE":
        return Effect.UPDATES
    if word in _HARMLESS or (word in _DEFINITIONS and not _TEMPORARY.search(sql)):
        return Effect.OTHER
    return Effect.VACUUM if _PLAIN_VACUUM.match(sql) else Effect.CHANGES_STATE


def refusal_of(sql: str) -> QueryError | None:
    """Say why raw SQL must not run at all, or None."""
    word = _first_word(sql)
    if word in _TRANSACTION:
        return QueryError(f"{word} is the session's to say: use its commit, rollback, begin_nested")
    if word in _FILES or (word == "VACUUM" and not _PLAIN_VACUUM.match(sql)):
        return QueryError(f"{word} of another file is refused: a session speaks to one database")
    return None


def is_blank(sql: str) -> bool:
    """Whether nothing stands there but space, semicolons and comments."""
    return _ONLY_BLANK.match(sql) is not None


def isolation_error(isolation: str | None) -> QueryError | None:
    """Say why an isolation level cannot be had, or None."""
    if isolation is None or isolation.upper() in ISOLATION_LEVELS:
        return None
    known = ", ".join(sorted(ISOLATION_LEVELS))
    return QueryError(f"no isolation level is called {isolation!r}; there are {known}")


def quote_savepoint(name: str) -> str:
    """Quote the name of a savepoint, which this library made.

    Raises:
        QueryError: it is no plain name.
    """
    if not name.isidentifier():
        raise QueryError(f"a savepoint cannot be called {name!r}")
    return f'"{name}"'


def _first_word(sql: str) -> str:
    found = _WORD.match(sql)
    return found["word"].upper() if found is not None else ""
