"""What asyncmy and the server raise, as errors of this library; one table by the server's number.

Numbers: "Server Error Message Reference", https://dev.mysql.com/doc/mysql-errors/8.0/en/, and
"MariaDB Error Codes", https://mariadb.com/kb/en/mariadb-error-codes/. Where the server quotes what
a user stored, neither our message nor the client's error that stays as its cause shows it.
"""

from __future__ import annotations

import re
from typing import Any, Final

from uow.drivers._mysql_handle import ClientError
from uow.errors import (
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

__all__ = [
    "LOCK_TIMEOUT",
    "STALE",
    "came_from_server",
    "cause_of",
    "constraint_error",
    "error_for",
    "number_of",
]

LOCK_TIMEOUT: Final = 1205
"""The statement was rolled back, the rest of the transaction was not."""

NO_SUCH_THING: Final = 1305
"""A savepoint, a function or a procedure is not there."""

STALE: Final = frozenset({1243, 1461, 1615})
"""A prepared statement is gone, or cannot be used any more."""

SIGNALLED: Final = 1644
"""SIGNAL, of a trigger most often."""

_FOREIGN: Final = frozenset({1216, 1217, 1451, 1452, 1834})

_KINDS: Final = {
    1022: ConstraintKind.UNIQUE,
    1048: ConstraintKind.NOT_NULL,
    1062: ConstraintKind.UNIQUE,
    1169: ConstraintKind.UNIQUE,
    1216: ConstraintKind.FOREIGN_KEY,
    1217: ConstraintKind.FOREIGN_KEY,
    1364: ConstraintKind.NOT_NULL,
    1451: ConstraintKind.FOREIGN_KEY,
    1452: ConstraintKind.FOREIGN_KEY,
    1557: ConstraintKind.UNIQUE,
    1586: ConstraintKind.UNIQUE,
    SIGNALLED: ConstraintKind.CHECK,
    1761: ConstraintKind.UNIQUE,
    1762: ConstraintKind.UNIQUE,
    1834: ConstraintKind.FOREIGN_KEY,
    3819: ConstraintKind.CHECK,
    4025: ConstraintKind.CHECK,
}

_NUMBERS: Final[dict[int, tuple[type[UowError], str]]] = {
    1020: (RetryableError, "a row was changed by another transaction since it was read"),
    1021: (ResourceError, "the disk is full"),
    1037: (ResourceError, "the server is out of memory"),
    1038: (ResourceError, "the server is out of memory for sorting"),
    1040: (ResourceError, "the server has no connection left"),
    1041: (ResourceError, "the server is out of memory"),
    1044: (DriverError, "the user may not use the database"),
    1045: (DriverError, "the server does not let the user in"),
    1047: (RetryableError, "the server is no part of its cluster now"),
    1049: (DriverError, "there is no database of that name"),
    1053: (ConnectionLostError, "the server is shutting down"),
    1078: (ConnectionLostError, "the server is shutting down"),
    1079: (ConnectionLostError, "the server has shut down"),
    1080: (ConnectionLostError, "the server closed the connection"),
    1099: (QueryError, "a table is locked for reading only"),
    1114: (ResourceError, "a table is full"),
    1129: (DriverError, "the server refuses this machine after too many errors"),
    1130: (DriverError, "the server does not let this machine in"),
    1135: (ResourceError, "the server cannot make a thread"),
    1152: (ConnectionLostError, "the server ended the connection"),
    1153: (ValidationError, "a statement and its values are larger than max_allowed_packet"),
    1158: (ConnectionLostError, "the server could not read from the connection"),
    1159: (ConnectionLostError, "the server waited too long for the connection"),
    1160: (ConnectionLostError, "the server could not write to the connection"),
    1161: (ConnectionLostError, "the server waited too long to write to the connection"),
    1180: (RetryableError, "the server could not commit"),
    1184: (ConnectionLostError, "the server ended a new connection"),
    1196: (
        DriverError,
        "a table without transactions was changed, and could not be rolled back",
    ),
    1203: (ResourceError, "the user has no connection left"),
    LOCK_TIMEOUT: (LockTimeoutError, "a lock was not granted in time, or not at once"),
    1206: (ResourceError, "the server has no room for locks left"),
    1213: (RetryableError, "the transaction was in a deadlock, and chosen to end it"),
    1226: (ResourceError, "the user has used up what the server grants"),
    1242: (QueryError, "a subquery gives more than one row"),
    1243: (SchemaChangedError, "a prepared statement is gone from the server"),
    1264: (ValidationError, "a number is out of the range of its column"),
    1265: (ValidationError, "a value would be cut to fit its column"),
    1267: (QueryError, "texts of different collations are compared"),
    1271: (QueryError, "texts of different collations are compared"),
    1292: (ValidationError, "a value is none of the type it is used as"),
    1317: (StatementTimeoutError, "somebody ended the statement on the server"),
    1365: (QueryError, "division by zero"),
    1366: (ValidationError, "a value is none of its column's type"),
    1367: (ValidationError, "a value is none of its type"),
    1390: (QueryError, "a statement takes at most 65,535 parameters"),
    1406: (ValidationError, "a value is longer than its column"),
    1411: (ValidationError, "a value is no date or time"),
    1412: (SchemaChangedError, "a table was defined anew since the transaction began"),
    1425: (ValidationError, "a number has more digits after the point than its type"),
    1426: (ValidationError, "a number has more digits than its type"),
    1441: (ValidationError, "a date is out of range"),
    1461: (ResourceError, "the server keeps no more prepared statements"),
    1568: (QueryError, "the isolation level cannot be changed while a transaction is open"),
    1595: (ConnectionLostError, "the server ended the connection"),
    1614: (RetryableError, "the transaction was in a deadlock, and chosen to end it"),
    1615: (SchemaChangedError, "the schema changed under a prepared statement"),
    1684: (RetryableError, "a table is being defined anew"),
    1690: (ValidationError, "the result of a computation is out of range"),
    1698: (DriverError, "the server does not let the user in"),
    1785: (QueryError, "the server refuses tables with and without transactions in one"),
    1792: (QueryError, "a write in a read-only transaction"),
    1826: (QueryError, "there is a foreign key of that name"),
    1836: (QueryError, "the server takes no writes"),
    1927: (ConnectionLostError, "somebody ended the connection on the server"),
    1969: (StatementTimeoutError, "the server ended the statement: it ran longer than allowed"),
    2003: (DriverError, "the server cannot be reached"),
    2006: (ConnectionLostError, "the connection was lost"),
    2013: (ConnectionLostError, "the connection was lost"),
    2055: (ConnectionLostError, "the connection was lost"),
    3024: (StatementTimeoutError, "the server ended the statement: it ran longer than allowed"),
    3140: (ValidationError, "a text is no JSON"),
    3169: (ConnectionLostError, "somebody ended the connection on the server"),
    3572: (LockTimeoutError, "a lock was not granted at once"),
    3854: (ValidationError, "a text has characters that its column cannot hold"),
    3988: (ValidationError, "a text has characters that its column cannot hold"),
    4031: (ConnectionLostError, "the connection was idle longer than the server allows"),
    4038: (ValidationError, "a text is no JSON"),
}

_CLASSES: Final[dict[str, tuple[type[UowError], str]]] = {
    "08": (ConnectionLostError, "the connection was lost"),
    "22": (ValidationError, "a value does not fit its type"),
    "23": (ConstraintError, "a constraint failed"),
    "28": (DriverError, "the server does not let the user in"),
    "40": (RetryableError, "the server rolled the transaction back"),
    "42": (QueryError, "the server refused the statement"),
    "70": (StatementTimeoutError, "somebody ended the statement on the server"),
}
"""By the first two characters of the SQLSTATE, where the number is not above."""

_SAYS_WHAT: Final = ("28", "42")
"""Classes whose text is told: it names objects and types, and holds nothing a user stored."""

# Duplicate entry 'value' for key 'name', with the table before the name on MySQL. Values may hold
# quotes, so the name is looked for at the end.
_KEY: Final = re.compile(r"for key '(?:(?P<table>[^'.]+)\.)?(?P<name>[^']+)'$")
_COLUMN: Final = re.compile(r"(?:Column|Field|column) (?:`[^`]+`\.)*['`](?P<name>[^'`]+)['`]")
_FOREIGN_KEY: Final = re.compile(
    r"`(?P<table>(?:[^`]|``)+)`, CONSTRAINT `(?P<name>(?:[^`]|``)+)`"
    r" FOREIGN KEY \((?P<columns>[^)]*)\)"
)
_CHECK: Final = re.compile(
    r"^CONSTRAINT `(?P<name>[^`]+)` failed for `(?:[^`]+)`\.`(?P<table>[^`]+)`$"
    r"|^Check constraint '(?P<other>[^']+)' is violated"
)


def number_of(error: BaseException) -> int | None:
    """Give the number of an error of the server, or of the client about the connection."""
    first = error.args[0] if error.args else None
    return first if isinstance(error, ClientError) and isinstance(first, int) else None


def came_from_server(error: BaseException) -> bool:
    """Whether the server raised it; the client's own numbers are from 2000 to 2999."""
    number = number_of(error)
    return number is not None and number >= 1000 and not 2000 <= number < 3000


def cause_of(error: Exception) -> Exception | None:
    """Give what should stay as the cause; texts that may show values are replaced.

    An error of ours is none, and what is no error of asyncmy may hold a value itself.
    """
    if isinstance(error, OSError):
        return error
    if not isinstance(error, ClientError):
        return None
    if came_from_server(error) and _state(error)[:2] not in _SAYS_WHAT:
        error.args = (number_of(error), error_for(error).message)
    return error


def error_for(error: Exception) -> UowError:
    """Make the error for what a call of the client raised."""
    if isinstance(error, UowError):
        return error
    if isinstance(error, TimeoutError):
        return StatementTimeoutError("the statement ran longer than command_timeout allows")
    if isinstance(error, (OSError, EOFError)):
        return ConnectionLostError("the connection was lost")
    if isinstance(error, MemoryError):
        return ResourceError("out of memory")
    if not isinstance(error, ClientError):
        return DriverError(f"asyncmy failed with {type(error).__name__}")
    number = number_of(error)
    if number == 0:
        return ConnectionLostError("the connection is closed")
    if number is None:
        return DriverError(f"asyncmy lost its place in the protocol ({type(error).__name__})")
    return _server_error(error, number)


def _server_error(error: Exception, number: int) -> UowError:
    if number in _KINDS:
        return _constraint_error(_KINDS[number], error, number)
    state = _state(error)
    if number == NO_SUCH_THING and _text(error).startswith("SAVEPOINT"):
        return TransactionPoisonedError("the savepoint is gone: the server ended the transaction")
    kind, message = _NUMBERS.get(number) or _CLASSES.get(
        state[:2], (DriverError, f"the server failed with error {number}")
    )
    if kind is ConstraintError:
        return _constraint_error(ConstraintKind.CHECK, error, number)
    if number not in _NUMBERS and state[:2] in _SAYS_WHAT:
        return kind(f"{message}: {_text(error)}")
    column = _COLUMN.search(_text(error)) if kind is ValidationError else None
    return kind(message if column is None else f"{message} (column {column['name']})")


def _constraint_error(kind: ConstraintKind, error: Exception, number: int) -> ConstraintError:
    text = _text(error)
    constraint: str | None = None
    table: str | None = None
    columns: tuple[str, ...] = ()
    if kind is ConstraintKind.UNIQUE and (found := _KEY.search(text)):
        constraint, table = found["name"], found["table"]
    elif kind is ConstraintKind.NOT_NULL and (found := _COLUMN.search(text)):
        columns = (found["name"],)
    elif number in _FOREIGN and (found := _FOREIGN_KEY.search(text)):
        constraint, table = found["name"], found["table"]
        names = tuple(name.strip().strip("`") for name in found["columns"].split(","))
        # Where the referenced row goes, the columns are those of the other table.
        columns = names if number in {1216, 1452} else ()
    elif kind is ConstraintKind.CHECK and (found := _CHECK.search(text)):
        constraint, table = found["name"] or found["other"], found["table"]
    if number == SIGNALLED:
        message = "check constraint failed, raised by a statement on the server"
        return ConstraintError(message, kind=kind)
    return constraint_error(kind, constraint, table, columns)


def constraint_error(
    kind: ConstraintKind, constraint: str | None, table: str | None, columns: tuple[str, ...]
) -> ConstraintError:
    """Make the error of a constraint, of which as much is told as is known."""
    message = f"{kind.value.replace('_', ' ')} constraint failed"
    if table is not None or columns:
        where = [f"{table}.{column}" if table else column for column in columns]
        message += f": {', '.join(where) or table}"
    if constraint is not None:
        message += f" ({constraint})"
    return ConstraintError(message, kind=kind, constraint=constraint, table=table, columns=columns)


def _state(error: BaseException) -> str:
    known: Any = error
    return str(getattr(known, "sqlstate", None) or "HY000")


def _text(error: BaseException) -> str:
    return str(error.args[1]) if len(error.args) > 1 else type(error).__name__
