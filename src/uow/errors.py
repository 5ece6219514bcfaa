"""Every error `uow` raises on purpose.

    UowError
    ├── MappingError                  fix the model
    ├── QueryError                    fix the query
    ├── DestructiveChangeError        a change of the schema would lose rows or values
    ├── ValidationError               fix a value (ValueError)
    │   ├── UnknownFieldError         the class has no such field (AttributeError)
    │   └── InvalidUnitError          several values of one flush, all of them reported
    ├── ObjectStateError              the object's state does not allow the call
    ├── NotLoadedError                load it first
    ├── NotFoundError                 no row (LookupError)
    ├── MultipleResultsError          more than one row
    ├── AmbiguousRowError             a row is of no one class of its hierarchy
    ├── StaleObjectError              someone else changed or deleted the row
    ├── ConstraintError               the store refused: unique, foreign key, ...
    ├── FlushCycleError               no order of writes satisfies the constraints
    ├── ConcurrentUseError            two tasks in one session
    ├── SessionClosedError            the session is over
    ├── TransactionPoisonedError      commit asked of a transaction that has failed
    ├── RetryableError                run the whole unit again
    │   └── SchemaChangedError        a cached plan no longer fits
    ├── LockTimeoutError              a lock was not granted in time (TimeoutError)
    ├── StatementTimeoutError         a statement ran too long (TimeoutError)
    ├── PoolTimeoutError              no connection in time (TimeoutError)
    ├── PoolClosedError               the database was closed
    ├── ConnectionLostError           lost before COMMIT was sent: nothing was stored
    ├── CommitUnknownError            lost while COMMIT was under way
    ├── MigrationError                a migration is wrong, failed, or stands in its middle
    ├── ResourceError                 disk full, too many connections, ...
    └── DriverError                   anything else the client library raised

`phase`, `retryable` and `outcome` say what a caller may do next; `__cause__` is the client
library's own error. Messages never contain column values: those may be secrets.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import Enum, StrEnum
from typing import ClassVar

__all__ = [
    "AmbiguousRowError",
    "CommitUnknownError",
    "ConcurrentUseError",
    "ConnectionLostError",
    "ConstraintError",
    "ConstraintKind",
    "DestructiveChangeError",
    "DriverError",
    "FlushCycleError",
    "InvalidUnitError",
    "LockTimeoutError",
    "MappingError",
    "MigrationError",
    "MultipleResultsError",
    "NPlusOneWarning",
    "NotFoundError",
    "NotLoadedError",
    "ObjectStateError",
    "Outcome",
    "Phase",
    "PoolClosedError",
    "PoolTimeoutError",
    "QueryError",
    "ResourceError",
    "RetryableError",
    "SchemaChangedError",
    "SessionClosedError",
    "StaleObjectError",
    "StatementTimeoutError",
    "TransactionPoisonedError",
    "UncommittedChangesWarning",
    "UnknownFieldError",
    "UowError",
    "ValidationError",
]


class Phase(Enum):
    """What the session was doing when an error came."""

    ACQUIRE = "acquire"
    BEGIN = "begin"
    FLUSH = "flush"
    QUERY = "query"
    SAVEPOINT = "savepoint"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    RELEASE = "release"


class Outcome(Enum):
    """What is known about a unit of work in the store."""

    NOT_APPLIED = "not_applied"
    APPLIED = "applied"
    UNKNOWN = "unknown"


class ConstraintKind(StrEnum):
    """Which kind of constraint the store enforced; equal to its plain string."""

    UNIQUE = "unique"
    FOREIGN_KEY = "foreign_key"
    NOT_NULL = "not_null"
    CHECK = "check"
    EXCLUSION = "exclusion"


class UncommittedChangesWarning(UserWarning):
    """A session was left without commit while it held changes; they were rolled back."""


class NPlusOneWarning(UserWarning):
    """Relations of objects are loaded one object at a time in a loop; load them together.

    It is told once for each place in a session. `warnings.filterwarnings("error" or "ignore",
    category=NPlusOneWarning)` makes it an error, or turns it off.
    """


class UowError(Exception):
    """Base of every error of this library.

    Attributes:
        phase: what the session was doing, or None outside of any I/O.
        retryable: whether the same unit of work, run again from its start, may succeed.
        outcome: what is known about the unit in the store, or None where no unit was sent.
        done: how many writes of a batch that had no transaction were done before one failed, where
            the store says so; else None.
    """

    retryable: bool = False
    done: int | None = None
    default_outcome: ClassVar[Outcome | None] = None

    def __init__(
        self, message: str = "", *, phase: Phase | None = None, outcome: Outcome | None = None
    ) -> None:
        super().__init__(message)
        self.phase = phase
        self.outcome = self.default_outcome if outcome is None else outcome

    @property
    def message(self) -> str:
        """The text without notes."""
        return str(self.args[0]) if self.args else ""


class MappingError(UowError):
    """A class cannot be mapped as it is written; names the class and the field."""


class QueryError(UowError):
    """A query or statement is wrong and was not sent."""


class DestructiveChangeError(UowError):
    """Steps would throw rows or values away, and nobody said they may; nothing was sent.

    Attributes:
        steps: those that would.
    """

    default_outcome = Outcome.NOT_APPLIED

    def __init__(self, message: str, *, steps: Sequence[object] = ()) -> None:
        self.steps = tuple(steps)
        super().__init__(message)


class ValidationError(UowError, ValueError):
    """A value does not fit its field; nothing was sent.

    Attributes:
        problems: one line for each failure, `Class.field: what is wrong`.
    """

    default_outcome = Outcome.NOT_APPLIED

    def __init__(
        self,
        message: str = "",
        *,
        problems: Sequence[str] = (),
        phase: Phase | None = None,
        outcome: Outcome | None = None,
    ) -> None:
        self.problems = tuple(problems) or ((message,) if message else ())
        super().__init__(message or "; ".join(self.problems), phase=phase, outcome=outcome)


class UnknownFieldError(ValidationError, AttributeError):
    """The class has no field of that name."""


class InvalidUnitError(ValidationError):
    """Several objects of one flush hold values that do not fit; all of them are listed.

    Attributes:
        objects: the objects at fault, in the order they would have been written.
    """

    def __init__(self, problems: Sequence[str], objects: Sequence[object]) -> None:
        self.objects = tuple(objects)
        values = "1 value" if len(problems) == 1 else f"{len(problems)} values"
        lines = "\n  ".join(problems)
        super().__init__(
            f"{values} cannot be stored; nothing was sent:\n  {lines}",
            problems=problems,
            phase=Phase.FLUSH,
        )


class ObjectStateError(UowError):
    """The object's state does not allow the call (deleted, of another session, key taken, ...)."""


class NotLoadedError(UowError):
    """The attribute was not loaded; the message names the call that loads it."""


class NotFoundError(UowError, LookupError):
    """No row matches."""


class MultipleResultsError(UowError):
    """More than one row matches where one was asked for."""


class AmbiguousRowError(UowError):
    """A row of a hierarchy says that it is of several classes, or of none that is known.

    With joined tables it has rows in the tables of two branches, or its discriminator says
    something else than the tables in which it has a row.
    """


class StaleObjectError(UowError):
    """Rows to update or delete were changed or deleted by someone else.

    Attributes:
        objects: the objects whose rows did not match.
    """

    default_outcome = Outcome.NOT_APPLIED

    def __init__(
        self,
        message: str = "",
        *,
        objects: Sequence[object] = (),
        phase: Phase | None = None,
        outcome: Outcome | None = None,
    ) -> None:
        self.objects = tuple(objects)
        super().__init__(message, phase=phase, outcome=outcome)


class ConstraintError(UowError):
    """The store refused a row because of a constraint.

    Attributes:
        kind: which kind of constraint.
        constraint: its name, where the store tells.
        table: the table's name, where the store tells.
        columns: the columns' names, where the store tells.
    """

    default_outcome = Outcome.NOT_APPLIED

    def __init__(
        self,
        message: str = "",
        *,
        kind: ConstraintKind,
        constraint: str | None = None,
        table: str | None = None,
        columns: Sequence[str] = (),
        phase: Phase | None = None,
        outcome: Outcome | None = None,
    ) -> None:
        self.kind = kind
        self.constraint = constraint
        self.table = table
        self.columns = tuple(columns)
        super().__init__(message, phase=phase, outcome=outcome)


class FlushCycleError(UowError):
    """The rows of a flush depend on each other in a circle that cannot be broken.

    Attributes:
        objects: the objects of the circle.
    """

    default_outcome = Outcome.NOT_APPLIED

    def __init__(
        self, message: str = "", *, objects: Sequence[object] = (), phase: Phase | None = None
    ) -> None:
        self.objects = tuple(objects)
        super().__init__(message, phase=phase)


class ConcurrentUseError(UowError):
    """The session was used while another operation of it was still running."""


class SessionClosedError(UowError):
    """The session was used before it was entered, entered twice, or used after its end."""


class TransactionPoisonedError(UowError):
    """A statement of this transaction failed and was swallowed; it can only be rolled back."""

    default_outcome = Outcome.NOT_APPLIED


class RetryableError(UowError):
    """The store gave up a unit that would succeed when run again from its start."""

    retryable = True
    default_outcome = Outcome.NOT_APPLIED


class SchemaChangedError(RetryableError):
    """The schema changed under a prepared statement."""


class LockTimeoutError(UowError, TimeoutError):
    """A lock was not granted in time."""

    retryable = True
    default_outcome = Outcome.NOT_APPLIED


class StatementTimeoutError(UowError, TimeoutError):
    """The store ended a statement that ran longer than allowed."""

    default_outcome = Outcome.NOT_APPLIED


class PoolTimeoutError(UowError, TimeoutError):
    """No connection became free in time; the message says who holds them."""

    retryable = True
    default_outcome = Outcome.NOT_APPLIED


class PoolClosedError(UowError):
    """The database was closed while a connection was asked for, or before."""

    default_outcome = Outcome.NOT_APPLIED


class ConnectionLostError(UowError):
    """The connection broke before COMMIT was sent: nothing of the unit was stored."""

    retryable = True
    default_outcome = Outcome.NOT_APPLIED


class CommitUnknownError(UowError):
    """The connection broke while COMMIT was under way: the unit may be stored or not.

    Attributes:
        outcomes: of a flush that was no transaction (`atomic=False`) what became of each object, as
            far as the store told: the change is stored, is not, or nobody knows.
    """

    default_outcome = Outcome.UNKNOWN
    outcomes: Sequence[tuple[object, Outcome]] = ()

    def __init__(
        self,
        message: str = "",
        *,
        verify: Callable[[], Awaitable[Outcome]] | None = None,
        phase: Phase | None = Phase.COMMIT,
    ) -> None:
        self._verify = verify
        super().__init__(message, phase=phase)

    def verify_with(self, verify: Callable[[], Awaitable[Outcome]]) -> None:
        """Say how the outcome can be found out."""
        self._verify = verify

    async def verify(self) -> Outcome:
        """Ask the store again what became of the unit.

        Returns:
            `APPLIED` or `NOT_APPLIED` when the unit carried a commit token, else `UNKNOWN`.
        """
        if self._verify is None:
            return Outcome.UNKNOWN
        return await self._verify()


class MigrationError(UowError):
    """A migration is wrong, has failed or stands in its middle; the message says what to do.

    Attributes:
        version: the version of the migration, or None where it is about none of them.
        step: which of its steps it is about, from 1 on, or None.
    """

    default_outcome = Outcome.NOT_APPLIED

    def __init__(
        self,
        message: str = "",
        *,
        version: str | None = None,
        step: int | None = None,
        phase: Phase | None = None,
        outcome: Outcome | None = None,
    ) -> None:
        self.version = version
        self.step = step
        super().__init__(message, phase=phase, outcome=outcome)


class ResourceError(UowError):
    """The store ran out of something: disk, memory, connections."""

    default_outcome = Outcome.NOT_APPLIED


class DriverError(UowError):
    """The client library failed in a way that has no more exact class here."""

    default_outcome = Outcome.NOT_APPLIED
