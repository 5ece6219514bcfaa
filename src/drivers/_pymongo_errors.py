"""What PyMongo and the server raise, as errors of this library; one table by the server's code.

Codes: "Error Codes", https://www.mongodb.com/docs/manual/reference/error-codes/, and
`src/mongo/base/error_codes.yml` of the server. The server quotes stored values and whole
documents; neither our message nor the client's error that stays as its cause shows them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from bson.errors import BSONError, InvalidBSON
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    DocumentTooLarge,
    InvalidName,
    InvalidOperation,
    InvalidURI,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
)

from uow.errors import (
    ConnectionLostError,
    ConstraintError,
    ConstraintKind,
    DriverError,
    LockTimeoutError,
    Outcome,
    PoolTimeoutError,
    QueryError,
    ResourceError,
    RetryableError,
    StatementTimeoutError,
    UowError,
    ValidationError,
)

__all__ = [
    "TRANSIENT",
    "UNKNOWN_COMMIT",
    "cause_of",
    "code_of",
    "error_for",
    "has_label",
    "was_not_done",
    "was_refused_here",
]

TRANSIENT: Final = "TransientTransactionError"
"""The label of errors after which the whole transaction may be run again."""

UNKNOWN_COMMIT: Final = "UnknownTransactionCommitResult"
"""The label of errors after which nobody knows what became of a commit."""

_BAD_VALUE: Final = 2
_TOO_LARGE: Final = "a document is larger than the 16 MB that MongoDB stores"
_UNIQUE: Final = frozenset({11000, 11001, 12582})
_CHECK: Final = 121

_REFUSED_BY_NO_PRIMARY: Final = frozenset({10058, 10107, 13435})
"""A server that is no primary refuses a write before it does anything."""

_CODES: Final[dict[int, tuple[type[UowError], str]]] = {
    1: (DriverError, "MongoDB failed inside"),
    2: (QueryError, "an operation has a wrong argument"),
    6: (ConnectionLostError, "a server of the replica set could not be reached"),
    7: (ConnectionLostError, "a server of the replica set was not found"),
    9: (QueryError, "MongoDB cannot read the operation"),
    13: (DriverError, "the user may not do this"),
    14: (QueryError, "an argument of the operation has the wrong type"),
    15: (ValidationError, "a document is nested deeper than MongoDB stores"),
    18: (DriverError, "the server does not let the user in"),
    20: (QueryError, "MongoDB does not allow the operation here"),
    24: (LockTimeoutError, "a lock was not granted in time"),
    26: (QueryError, "there is no such collection"),
    27: (QueryError, "there is no such index"),
    43: (RetryableError, "the cursor is gone from the server, which keeps idle ones for minutes"),
    46: (LockTimeoutError, "a lock was not granted in time"),
    48: (QueryError, "there is such a collection already"),
    50: (StatementTimeoutError, "the operation ran longer than allowed"),
    52: (ValidationError, "the name of a field begins with $ where that is not allowed"),
    55: (ValidationError, "a reference to a document is wrong"),
    56: (ValidationError, "the name of a field is empty where that is not allowed"),
    57: (ValidationError, "the name of a field holds a dot where that is not allowed"),
    59: (QueryError, "MongoDB has no such command"),
    61: (QueryError, "the operation does not say to which shard it goes"),
    64: (DriverError, "the write was not acknowledged by as many servers as asked, in time"),
    66: (ValidationError, "a field that never changes (_id, or of the shard key) would change"),
    67: (QueryError, "MongoDB cannot make such an index"),
    68: (QueryError, "there is such an index already"),
    72: (QueryError, "an option of the operation is wrong"),
    73: (QueryError, "a name of a collection or database is not allowed"),
    79: (DriverError, "the replica set knows no such write concern"),
    85: (QueryError, "there is an index with other options already"),
    86: (QueryError, "there is an index of that name already"),
    89: (ConnectionLostError, "servers did not answer each other in time"),
    91: (RetryableError, "the server is shutting down"),
    100: (DriverError, "the replica set cannot satisfy the write concern"),
    107: (LockTimeoutError, "a lock was not granted"),
    112: (RetryableError, "the transaction clashed with another one"),
    115: (QueryError, "MongoDB does not support the command"),
    117: (RetryableError, "another operation is under way that does not go together with this one"),
    133: (RetryableError, "no server fits the read preference"),
    134: (RetryableError, "nothing is committed by a majority yet"),
    136: (RetryableError, "a capped collection has overrun the cursor"),
    146: (ResourceError, "the operation needs more memory than the server gives it"),
    166: (QueryError, "a view does not support the command"),
    167: (QueryError, "a view does not support the option"),
    168: (QueryError, "a stage of the pipeline is wrong"),
    175: (RetryableError, "the plan of the query was ended, for an index or collection is gone"),
    189: (RetryableError, "the primary has stepped down"),
    202: (RetryableError, "servers did not answer each other in time"),
    225: (RetryableError, "a later transaction has taken the place of this one"),
    237: (StatementTimeoutError, "the cursor was ended on the server"),
    239: (RetryableError, "what the transaction saw is too old to be read"),
    241: (QueryError, "a value cannot be converted as the pipeline asks"),
    246: (RetryableError, "what the transaction should see is not there"),
    251: (RetryableError, "MongoDB holds no such transaction: it has ended or expired"),
    256: (QueryError, "the transaction is committed already"),
    257: (ValidationError, "the transaction writes more than MongoDB takes in one"),
    262: (StatementTimeoutError, "the operation ran longer than allowed"),
    263: (QueryError, "MongoDB does not do this inside a transaction"),
    267: (RetryableError, "a transaction is being committed that stands in the way"),
    290: (RetryableError, "the transaction lasted longer than the server allows"),
    292: (ResourceError, "the operation needs more memory than the server gives it"),
    314: (RetryableError, "an index or collection is in use"),
    388: (ResourceError, "the transaction is too large for the server's cache"),
    10003: (ValidationError, "a document of a capped collection cannot grow"),
    10058: (RetryableError, "the server is no primary any more"),
    10107: (RetryableError, "the server is no primary any more"),
    10334: (ValidationError, "a document is larger than MongoDB stores"),
    11600: (RetryableError, "the server is shutting down"),
    11601: (StatementTimeoutError, "somebody ended the operation on the server"),
    11602: (RetryableError, "the operation was ended because the primary changed"),
    12587: (RetryableError, "an index is being built"),
    13388: (RetryableError, "the shards are being moved"),
    13435: (RetryableError, "the server is no primary any more"),
    13436: (RetryableError, "the server is starting or recovering"),
    14031: (ResourceError, "the disk is full"),
    16755: (ValidationError, "a value is no place on the globe"),
    17280: (ValidationError, "a value is too long for an index"),
    17419: (ValidationError, "a document would become larger than MongoDB stores"),
    17420: (ValidationError, "a document would become larger than MongoDB stores"),
    40324: (QueryError, "MongoDB knows no such stage of a pipeline"),
}
"""By code. Any other is a wrong operation, or, with a label, one that can be run again."""

_TELLS: Final = frozenset(
    {2, 9, 13, 14, 18, 20, 26, 27, 48, 59, 61, 67, 68, 72, 73, 79, 85, 86, 100, 115, 166, 167, 168,
     263, 40324}
)  # fmt: skip
"""Codes whose text is told, without what it quotes: it is about names and options."""

_QUOTED: Final = re.compile(
    r"\{.*\}|\[.*\]|\"[^\"]*\"|'(?!\$)[^']*'|:\s*-?[0-9][0-9.eE+-]*", re.DOTALL
)
_DUPLICATE: Final = re.compile(
    r"collection: (?P<table>.+?) index: (?P<index>.+?) (?:collation: .*)?dup key: ", re.DOTALL
)
_OF_THE_CALL: Final = re.compile(r"unexpected keyword argument|\$ operators|cannot be empty")
"""What the client says of a wrong call, and not of a value."""

_NO_TYPE: Final = re.compile(r"of type: <class '(?P<name>[^']+)'>")


def has_label(error: BaseException, label: str) -> bool:
    """Whether the server or the client put a label on an error."""
    return isinstance(error, PyMongoError) and error.has_error_label(label)


def code_of(error: BaseException) -> int | None:
    """Give the server's code; of several writes that failed, that of the first."""
    if isinstance(error, BulkWriteError):
        failure = _first_failure(error)
        return None if failure is None else failure.get("code")
    if isinstance(error, OperationFailure):
        return error.code
    if isinstance(error, NotPrimaryError):
        code: int | None = _mapping(error.details).get("code")
        return code
    return None


def was_refused_here(error: BaseException) -> bool:
    """Whether the client itself refused, before it asked for a server."""
    if isinstance(error, (ConfigurationError, InvalidName, InvalidOperation)):
        return True
    return not isinstance(error, (PyMongoError, OSError, InvalidBSON))


def was_not_done(error: BaseException) -> bool:
    """Whether nothing was sent, or the server did nothing."""
    if isinstance(error, NotPrimaryError):
        return code_of(error) in _REFUSED_BY_NO_PRIMARY
    if isinstance(error, (ServerSelectionTimeoutError, WaitQueueTimeoutError)):
        return True
    return was_refused_here(error)


def error_for(
    error: Exception, *, collection: str | None = None, commits: bool = False
) -> UowError:
    """Make the error for what a call of the client raised.

    Args:
        error: what it raised.
        collection: which collection the operation was for.
        commits: whether it was a write of its own, without a transaction.
    """
    if isinstance(error, UowError):
        return error
    if isinstance(error, BulkWriteError):
        mapped = _bulk_error(error, collection)
    elif isinstance(error, OperationFailure):
        mapped = _server_error(error.code, _mapping(error.details), collection)
    elif isinstance(error, ConnectionFailure):
        mapped = _connection_error(error)
    else:
        return _client_error(error)
    if has_label(error, TRANSIENT) and not mapped.retryable:
        if isinstance(mapped, StatementTimeoutError):
            mapped.retryable = True
        else:
            mapped = RetryableError("MongoDB gave the transaction up: it can be run again")
    if commits:
        mapped = _of_its_own(mapped, error)
    return mapped


def _of_its_own(mapped: UowError, error: Exception) -> UowError:
    """Say of a write without a transaction what became of it."""
    if isinstance(error, NotPrimaryError) and not was_not_done(error):
        mapped = ConnectionLostError("the primary stepped down or ended during a write")
    is_unknown = isinstance(error, ConnectionFailure) and not was_not_done(error)
    if is_unknown or _has_only_concern_errors(error):
        # The write is done on the primary, or nobody knows; a majority has not confirmed it.
        mapped.outcome = Outcome.UNKNOWN
    return mapped


def _connection_error(error: ConnectionFailure) -> UowError:
    if isinstance(error, NotPrimaryError):
        kind, message = _CODES.get(
            code_of(error) or 10107, (RetryableError, "the server is no primary any more")
        )
        return kind(message)
    if isinstance(error, ServerSelectionTimeoutError):
        return RetryableError("no server was found in time that could do this")
    if isinstance(error, WaitQueueTimeoutError):
        return PoolTimeoutError("the client's own pool had no connection in time: see maxPoolSize")
    if isinstance(error, NetworkTimeout):
        return StatementTimeoutError("the server did not answer within the time allowed")
    return ConnectionLostError("the connection was lost")


def _client_error(error: Exception) -> UowError:
    if isinstance(error, DocumentTooLarge):
        return ValidationError(_TOO_LARGE)
    if isinstance(error, InvalidBSON):
        return ValidationError("a stored value has no counterpart in Python")
    if isinstance(error, BSONError):
        found = _NO_TYPE.search(str(error))
        if found is not None:
            return ValidationError(f"MongoDB has no form for a value of type {found['name']}")
        return ValidationError("a name or value has no form in MongoDB")
    if isinstance(error, UnicodeError):
        return ValidationError("a text holds a character that is none (a lone surrogate)")
    if isinstance(error, OverflowError):
        return ValidationError("an integer has more than the 64 bits that MongoDB stores")
    if isinstance(error, RecursionError):
        return ValidationError("a document is nested deeper than MongoDB stores")
    if isinstance(error, (ConfigurationError, InvalidURI)):
        return DriverError(f"the client refuses how it is set up: {error}")
    if isinstance(error, InvalidOperation):
        if "after close" in str(error) or "ended session" in str(error):
            return ConnectionLostError("the connection is closed")
        return QueryError(f"the client refused the call: {error}")
    if isinstance(error, InvalidName) or _OF_THE_CALL.search(str(error)) is not None:
        return QueryError(f"the client refused the call: {error}")
    if isinstance(error, (OSError, EOFError)):
        return ConnectionLostError("the connection was lost")
    if isinstance(error, (TypeError, ValueError, ArithmeticError)):
        return ValidationError("a value of the operation has no form in MongoDB")
    if isinstance(error, MemoryError):
        return ResourceError("out of memory")
    return DriverError(f"PyMongo failed with {type(error).__name__}")


def _server_error(code: int | None, details: Mapping[str, Any], collection: str | None) -> UowError:
    if code in _UNIQUE:
        return _duplicate(details, collection)
    if code == _CHECK:
        where = "" if collection is None else f": {collection}"
        return ConstraintError(
            f"check constraint failed{where} (the collection's validator)",
            kind=ConstraintKind.CHECK,
            table=collection,
        )
    known = None if code is None else _CODES.get(code)
    if known is None:
        if "RetryableError" in (details.get("errorLabels") or ()):
            return RetryableError("MongoDB could not do this now")
        name = details.get("codeName") or f"code {code}"
        return QueryError(f"MongoDB refused the operation ({name})")
    kind, message = known
    if code == _BAD_VALUE and "too large" in str(details.get("errmsg", "")):
        return ValidationError(_TOO_LARGE)
    if code in _TELLS:
        text = _QUOTED.sub("...", str(details.get("errmsg", "")))
        return kind(f"{message}: {text}" if text else message)
    return kind(message)


def _duplicate(details: Mapping[str, Any], collection: str | None) -> ConstraintError:
    found = _DUPLICATE.search(str(details.get("errmsg", "")))
    index = None if found is None else found["index"]
    table = collection
    if table is None and found is not None:
        table = found["table"].partition(".")[2] or None
    columns = tuple(str(name) for name in _mapping(details.get("keyPattern")))
    message = "unique constraint failed"
    if table is not None:
        message += ": " + (", ".join(f"{table}.{column}" for column in columns) or table)
    if index is not None:
        message += f" ({index})"
    return ConstraintError(
        message, kind=ConstraintKind.UNIQUE, constraint=index, table=table, columns=columns
    )


def _bulk_error(error: BulkWriteError, collection: str | None) -> UowError:
    failure = _first_failure(error)
    if failure is None:
        return DriverError("writes failed, and the server does not say why")
    mapped = _server_error(failure.get("code"), failure, collection)
    details = _mapping(error.details)
    if details.get("writeErrors"):
        mapped.done = failure.get("index")
    return mapped


def _first_failure(error: BulkWriteError) -> Mapping[str, Any] | None:
    details = _mapping(error.details)
    for kind in ("writeErrors", "writeConcernErrors"):
        failures: Sequence[Any] = details.get(kind) or ()
        if failures:
            return _mapping(failures[0])
    return None


def _has_only_concern_errors(error: Exception) -> bool:
    """Whether what failed was not the write, but its way to other servers."""
    if not isinstance(error, OperationFailure):
        return False
    details = _mapping(error.details)
    if isinstance(error, BulkWriteError):
        return bool(details.get("writeConcernErrors")) and not details.get("writeErrors")
    return error.code in {64, 79, 100} or "writeConcernError" in details


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


_SHOWN: Final = ("code", "codeName", "errorLabels", "keyPattern", "ok", "index")
"""What is kept of the server's answer: nothing of it is a stored value."""


def cause_of(error: Exception) -> Exception | None:
    """Give what should stay as the cause, cleaned of the values that it shows."""
    if isinstance(error, UnicodeError):
        return None
    shown: Any = error
    if isinstance(error, (OperationFailure, NotPrimaryError)):
        kept = _without_values(_mapping(error.details))
        message = f"{error_for(error).message} (code {code_of(error)})"
        shown.args = (message,)
        shown._message = message
        if isinstance(error, OperationFailure):
            shown._OperationFailure__details = kept
        if isinstance(error, (NotPrimaryError, BulkWriteError)):
            shown.__dict__.update(
                {name: kept for name in ("details", "errors") if name in shown.__dict__}
            )
    elif isinstance(error, (BSONError, TypeError, ValueError, ArithmeticError)):
        shown.args = (error_for(error).message,)
        if "_document" in shown.__dict__:
            shown._document = None
    # What it was made from shows them as well.
    error.__cause__ = error.__context__ = None
    return error


def _without_values(details: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: details[name] for name in _SHOWN if name in details}
    for kind in ("writeErrors", "writeConcernErrors"):
        if details.get(kind):
            kept[kind] = [_without_values(_mapping(one)) for one in details[kind]]
    return kept
