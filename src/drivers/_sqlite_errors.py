"""SQLite's result codes as errors of this library; both SQLite clients end their errors here.

Codes: "Result and Error Codes", https://www.sqlite.org/rescode.html. What SQLite says of a
constraint names tables, columns and constraints, never a value.
"""

from __future__ import annotations

import re
from typing import Final

from uow.errors import (
    ConstraintError,
    ConstraintKind,
    DriverError,
    LockTimeoutError,
    QueryError,
    ResourceError,
    RetryableError,
    SchemaChangedError,
    UowError,
    ValidationError,
)

__all__ = ["BUSY_SNAPSHOT", "error_for_code", "error_for_value"]

BUSY_SNAPSHOT: Final = 517
"""Another connection wrote since this transaction read: waiting is of no use."""

_DATATYPE: Final = 3091
_TRIGGER: Final = 1811

_KINDS: Final = {
    275: ConstraintKind.CHECK,
    787: ConstraintKind.FOREIGN_KEY,
    1299: ConstraintKind.NOT_NULL,
    1555: ConstraintKind.UNIQUE,  # PRIMARY KEY
    _TRIGGER: ConstraintKind.CHECK,
    2067: ConstraintKind.UNIQUE,
    2579: ConstraintKind.UNIQUE,  # ROWID
}

_SIMPLE: Final[dict[int, tuple[type[UowError], str]]] = {
    4: (QueryError, "the transaction ended under an open stream"),
    5: (RetryableError, "the database is locked by another connection"),
    6: (LockTimeoutError, "a table is locked by another statement"),
    7: (ResourceError, "out of memory"),
    8: (QueryError, "a write in a read-only transaction, or to a read-only file"),
    9: (DriverError, "the statement was interrupted"),
    10: (ResourceError, "a disk error"),
    11: (DriverError, "the database file is damaged"),
    13: (ResourceError, "the disk is full, or the database has reached its largest size"),
    14: (DriverError, "the database file cannot be opened"),
    15: (RetryableError, "the locks of the database could not be had"),
    17: (SchemaChangedError, "the schema changed under the statement"),
    18: (ValidationError, "a text or blob is larger than SQLite stores"),
    20: (ValidationError, "a value does not fit the type of its column"),
    23: (QueryError, "the statement is not allowed"),
    25: (QueryError, "the statement has no such placeholder"),
    26: (DriverError, "the file is no SQLite database"),
}

_SAYS_WHERE: Final = frozenset({10, 11, 14, 26})
"""Codes whose own text says more, and holds nothing a user stored."""

_FAILED = re.compile(r"^(?:[A-Z ]+) constraint failed: (?P<what>.*)$", re.DOTALL)
_INDEX = re.compile(r"^index '(?P<name>.*)'$", re.DOTALL)


def error_for_code(code: int, text: str) -> UowError:
    """Make the error for an extended result code.

    Args:
        code: the extended result code; its low byte is the primary one.
        text: what SQLite said.
    """
    primary = code & 0xFF
    if primary == 19:
        return _constraint_error(code, text)
    if code == BUSY_SNAPSHOT:
        return RetryableError("another connection wrote since this transaction began to read")
    if primary in _SIMPLE:
        kind, message = _SIMPLE[primary]
        return kind(f"{message} ({text})" if primary in _SAYS_WHERE else message)
    if primary == 1:
        if "too many attached databases" in text:
            return QueryError("ATTACH is refused: a session speaks to one database file")
        # Syntax, unknown names, and what a function in the statement raised.
        return QueryError(f"SQLite refused the statement: {text}")
    return DriverError(f"SQLite failed with code {code}: {text}")


def error_for_value(error: Exception) -> UowError:
    """Make the error for what a client library raised about a parameter, before it was sent."""
    if isinstance(error, OverflowError):
        return ValidationError("an integer is larger than 64 bits")
    if isinstance(error, UnicodeError):
        return ValidationError("a text holds a lone surrogate and cannot be stored")
    if isinstance(error, MemoryError):
        return ResourceError("out of memory")
    if isinstance(error, (TypeError, ValueError)):
        # Their texts name positions and types, and what our own functions say of their arguments.
        return ValidationError(f"a value cannot be stored: {error}")
    return DriverError(f"the client library failed with {type(error).__name__}")


def _constraint_error(code: int, text: str) -> UowError:
    if code == _DATATYPE:
        return ValidationError("a value does not fit the type of its column")
    kind = _KINDS.get(code, ConstraintKind.CHECK)
    label = kind.value.replace("_", " ")
    found = _FAILED.match(text)
    if found is None or kind is ConstraintKind.FOREIGN_KEY or code == _TRIGGER:
        why = "raised by a trigger" if code == _TRIGGER else "of which SQLite names no more"
        return ConstraintError(f"{label} constraint failed, {why}", kind=kind)
    what = found["what"]
    message = f"{label} constraint failed: {what}"
    if kind is ConstraintKind.CHECK:
        return ConstraintError(message, kind=kind, constraint=what)
    index = _INDEX.match(what)
    if index is not None:
        return ConstraintError(message, kind=kind, constraint=index["name"])
    places = [place.partition(".") for place in what.split(", ")]
    return ConstraintError(
        message,
        kind=kind,
        table=places[0][0],
        columns=[column for _, _, column in places],
    )
