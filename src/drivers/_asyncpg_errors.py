"""What asyncpg and the server raise, as errors of this library; one table by SQLSTATE.

Codes: "PostgreSQL Error Codes", https://www.postgresql.org/docs/current/errcodes-appendix.html.
Where the server quotes what a user stored (data exceptions, the details of constraints), neither
our message nor the client's error that stays as its cause shows it.
"""

from __future__ import annotations

import re
from typing import Any, Final

from uow.drivers._asyncpg_handle import ClientError, ServerError, client
from uow.errors import (
    ConcurrentUseError,
    ConnectionLostError,
    ConstraintError,
    ConstraintKind,
    DriverError,
    LockTimeoutError,
    QueryError,
    ResourceError,
    RetryableError,
    SchemaChangedError,
    StatementTimeoutError,
    TransactionPoisonedError,
    UowError,
    ValidationError,
)

__all__ = ["came_from_server", "cause_of", "error_for"]

_KINDS: Final = {
    "23000": ConstraintKind.CHECK,
    "23001": ConstraintKind.FOREIGN_KEY,
    "23502": ConstraintKind.NOT_NULL,
    "23503": ConstraintKind.FOREIGN_KEY,
    "23505": ConstraintKind.UNIQUE,
    "23514": ConstraintKind.CHECK,
    "23P01": ConstraintKind.EXCLUSION,
    "40002": ConstraintKind.CHECK,
    "44000": ConstraintKind.CHECK,  # WITH CHECK OPTION of a view
    "P0001": ConstraintKind.CHECK,  # RAISE EXCEPTION, of a trigger most often
    "P0004": ConstraintKind.CHECK,  # ASSERT
}

_FOREIGN: Final = frozenset({"23001", "23503"})

_STATES: Final[dict[str, tuple[type[UowError], str]]] = {
    "0A000": (QueryError, "PostgreSQL has no such feature"),
    "22001": (ValidationError, "a text is longer than its column"),
    "22003": (ValidationError, "a number is out of the range of its type"),
    "22004": (ValidationError, "a value must not be NULL"),
    "22007": (ValidationError, "a text is no date or time"),
    "22008": (ValidationError, "a date or time is out of range"),
    "22015": (ValidationError, "an interval is out of range"),
    "22021": (ValidationError, "a text holds a NUL character, or is no UTF-8"),
    "22026": (ValidationError, "a bit string has another length than its column"),
    "22P02": (ValidationError, "a text cannot be read as a value of the type"),
    "22P03": (ValidationError, "a value is not in the binary form of the type"),
    "22P05": (ValidationError, "a text holds a character that cannot be stored"),
    # Of the class "data exception", but about what the query says and not about a stored value.
    "22010": (QueryError, "an interval has a wrong indicator"),
    "22012": (QueryError, "division by zero"),
    "22013": (QueryError, "a window has a wrong size"),
    "22014": (QueryError, "ntile() has a wrong argument"),
    "22016": (QueryError, "nth_value() has a wrong argument"),
    "22019": (QueryError, "an escape character is wrong"),
    "2200B": (QueryError, "an escape character clashes"),
    "2200C": (QueryError, "an escape character is used wrongly"),
    "22023": (QueryError, "a parameter of the query has a value that is not allowed"),
    "22025": (QueryError, "a pattern ends with its escape character"),
    "2201B": (QueryError, "a regular expression is wrong"),
    "2201E": (QueryError, "a logarithm has a wrong argument"),
    "2201F": (QueryError, "a power has a wrong argument"),
    "2201G": (QueryError, "width_bucket() has a wrong argument"),
    "2201W": (QueryError, "LIMIT is negative"),
    "2201X": (QueryError, "OFFSET is negative"),
    "2202G": (QueryError, "TABLESAMPLE has a wrong REPEATABLE"),
    "2202H": (QueryError, "TABLESAMPLE has a wrong argument"),
    "25006": (QueryError, "a write in a read-only transaction"),
    "25P01": (TransactionPoisonedError, "PostgreSQL holds no transaction"),
    "25P02": (
        TransactionPoisonedError,
        "a statement of this transaction failed; it can only be rolled back, or to a savepoint",
    ),
    "25P03": (ConnectionLostError, "the transaction was idle longer than the server allows"),
    "25P04": (ConnectionLostError, "the transaction lasted longer than the server allows"),
    "26000": (SchemaChangedError, "a prepared statement is gone from the server"),
    "3D000": (DriverError, "there is no database of that name"),
    "40001": (RetryableError, "the transaction clashed with another one"),
    "40003": (ConnectionLostError, "the server does not know what became of the statement"),
    "40P01": (RetryableError, "the transaction was in a deadlock, and chosen to end it"),
    "42P05": (
        DriverError,
        "a prepared statement is there already; behind a pooler, set statement_cache_size=0",
    ),
    "53100": (ResourceError, "the disk is full"),
    "53200": (ResourceError, "the server is out of memory"),
    "53300": (ResourceError, "the server has no connection left"),
    "54000": (ValidationError, "a row or value is larger than PostgreSQL stores"),
    "55P03": (LockTimeoutError, "a lock was not granted in time, or not at once"),
    "57014": (
        StatementTimeoutError,
        "the server ended the statement: it ran longer than allowed, or somebody ended it",
    ),
    "57P01": (ConnectionLostError, "an administrator ended the connection"),
    "57P02": (ConnectionLostError, "the server crashed"),
    "57P03": (RetryableError, "the server is starting up or shutting down"),
    "57P04": (ConnectionLostError, "the database was dropped"),
    "57P05": (ConnectionLostError, "the connection was idle longer than the server allows"),
    "58030": (ResourceError, "a disk error on the server"),
    "72000": (RetryableError, "what the transaction saw is too old to be read"),
}

_CLASSES: Final[dict[str, tuple[type[UowError], str]]] = {
    "08": (ConnectionLostError, "the connection was lost"),
    "21": (QueryError, "a subquery, or one statement, gives a row more than once"),
    "22": (ValidationError, "a value does not fit its type"),
    "23": (ConstraintError, "a constraint failed"),
    "25": (QueryError, "the state of the transaction does not allow the statement"),
    "28": (DriverError, "the server does not let the user in"),
    "40": (RetryableError, "the server rolled the transaction back"),
    "53": (ResourceError, "the server is short of something"),
    "54": (QueryError, "the statement is more than the server can take"),
    "57": (ConnectionLostError, "somebody intervened on the server"),
    "58": (DriverError, "the server's system failed"),
    "XX": (DriverError, "the server failed inside"),
}
"""By the first two characters, where the code itself is not above. Any other is a wrong query."""

_SAYS_WHAT: Final = ("0A", "28", "2B", "3D", "3F", "42", "55", "58", "XX")
"""Classes whose text is told: it names objects and types, and holds nothing a user stored."""

_SHOWS_VALUES: Final = ("22", "23", "44")
"""Classes whose text quotes values, in the message or in the detail."""

_KEY: Final = re.compile(r"[^(]*\((?P<names>[^()]*)\)=\(")
_QUOTED: Final = re.compile(r'"(?P<name>(?:[^"]|"")*)"')
_ARGUMENT: Final = re.compile(r"query argument (?P<position>\$[0-9]+)")
_COUNT: Final = re.compile(r"expects [0-9]+ arguments?|cannot exceed")


def came_from_server(error: BaseException) -> bool:
    """Whether the server raised it: the client makes some errors of the same classes itself."""
    return isinstance(error, ServerError) and getattr(error, "severity", None) is not None


def cause_of(error: Exception) -> Exception:
    """Give what should stay as the cause: what the server said, where the client hides it.

    An error that shows values is cleaned of them, so that printing it shows none either.
    """
    inner = error.__cause__
    if isinstance(error, ServerError) and inner is not None and came_from_server(inner):
        return inner if isinstance(inner, Exception) else error
    if isinstance(error, ServerError) and _state(error)[:2] in _SHOWS_VALUES:
        known: Any = error
        if came_from_server(error):
            # What it prints of a constraint is its name, and the values stand in the detail.
            known.detail = None
        if _state(error)[:2] == "22":
            known.args = (error_for(error).message,)
            known.message = known.args[0]
            # The conversion that failed; it holds the value itself.
            known.__cause__ = known.__context__ = None
    return error


def error_for(error: Exception) -> UowError:
    """Make the error for what a call of the client raised."""
    if isinstance(error, UowError):
        return error
    if isinstance(error, client.InvalidCachedStatementError):
        return SchemaChangedError("the schema changed under a prepared statement")
    if isinstance(error, ServerError):
        inner = error.__cause__
        if inner is not None and came_from_server(inner):
            return _server_error(inner)
        return _server_error(error)
    if isinstance(error, client.OutdatedSchemaCacheError):
        return SchemaChangedError("a type changed under a prepared statement")
    if isinstance(error, TimeoutError):
        return StatementTimeoutError("the statement ran longer than command_timeout allows")
    if isinstance(error, (OSError, EOFError)):
        return ConnectionLostError("the connection was lost")
    if isinstance(error, ClientError):
        return _client_error(error)
    if isinstance(error, (ValueError, ArithmeticError, TypeError)):
        # Decoding: infinity in a place without one, a year after 9999, ...
        return ValidationError("a stored value has no counterpart in Python")
    if isinstance(error, MemoryError):
        return ResourceError("out of memory")
    return DriverError(f"asyncpg failed with {type(error).__name__}")


def _client_error(error: Exception) -> UowError:
    text = str(error)
    if "is closed" in text or "released back" in text:
        return ConnectionLostError("the connection is closed")
    if "cannot switch to state" in text:
        # It has heard the server's last word already, and sends nothing more.
        return ConnectionLostError("the server has ended the connection")
    if "another operation" in text:
        return ConcurrentUseError("the connection is in use by another task")
    if _COUNT.search(text) is not None:
        if "cannot exceed" in text:
            return ValidationError("a statement takes at most 32,767 parameters")
        return QueryError("the number of parameters is not that of the placeholders")
    return DriverError(f"asyncpg refused the call: {text}")


def _server_error(error: BaseException) -> UowError:
    state = _state(error)
    if state in _KINDS:
        return _constraint_error(_KINDS[state], error, state)
    if state == "XX000" and str(error).startswith("cache lookup failed for type"):
        return SchemaChangedError("a type that a prepared statement knew is gone")
    kind, message = _STATES.get(state) or _CLASSES.get(
        state[:2], (QueryError, "PostgreSQL refused the statement")
    )
    if kind is ConstraintError:
        return _constraint_error(ConstraintKind.CHECK, error, state)
    argument = _ARGUMENT.search(str(error))
    if argument is not None:
        # asyncpg could not encode it; what it says of it shows the value.
        return ValidationError(f"the value for {argument['position']} does not fit its type")
    if state[:2] in _SAYS_WHAT:
        return kind(f"{message}: {_text(error)}")
    column = _field(error, "column_name")
    return kind(f"{message} (column {column})" if column else message)


def _constraint_error(kind: ConstraintKind, error: BaseException, state: str) -> ConstraintError:
    constraint = _field(error, "constraint_name")
    table = _field(error, "table_name")
    columns = _columns(error)
    label = kind.value.replace("_", " ")
    message = f"{label} constraint failed"
    if state[:2] == "P0":
        message = "check constraint failed, raised by a function on the server"
    elif table is not None:
        where = ", ".join(f"{table}.{column}" for column in columns) or table
        message += f": {where}"
    if constraint is not None:
        message += f" ({constraint})"
    return ConstraintError(message, kind=kind, constraint=constraint, table=table, columns=columns)


def _columns(error: BaseException) -> tuple[str, ...]:
    """The names of the columns; of keys they stand in the detail, before the values."""
    column = _field(error, "column_name")
    if column is not None:
        return (column,)
    # Key (a, "b c")=(1, 2) already exists. Nothing is read past the first values.
    found = _KEY.match(_field(error, "detail") or "")
    if found is None:
        return ()
    if _state(error) in _FOREIGN:
        # Where the referenced row goes, the names are those of the other table.
        first = _QUOTED.search(_text(error))
        if first is None or first["name"] != _field(error, "table_name"):
            return ()
    return tuple(name.strip().strip('"') for name in found["names"].split(","))


def _state(error: BaseException) -> str:
    return str(getattr(error, "sqlstate", None) or "XX000")


def _field(error: BaseException, name: str) -> str | None:
    value = getattr(error, name, None)
    return None if value is None else str(value)


def _text(error: BaseException) -> str:
    return str(error.args[0]) if error.args else type(error).__name__
