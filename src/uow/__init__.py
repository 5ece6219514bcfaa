"""An async unit of work with an identity map, over SQL stores and documents."""

from uow.database import Database, connect, default_database
from uow.errors import (
    CommitUnknownError,
    ConcurrentUseError,
    ConnectionLostError,
    ConstraintError,
    ConstraintKind,
    DriverError,
    FlushCycleError,
    InvalidUnitError,
    LockTimeoutError,
    MappingError,
    MultipleResultsError,
    NotFoundError,
    NotLoadedError,
    ObjectStateError,
    Outcome,
    Phase,
    PoolClosedError,
    PoolTimeoutError,
    QueryError,
    ResourceError,
    RetryableError,
    SchemaChangedError,
    SessionClosedError,
    StaleObjectError,
    StatementTimeoutError,
    TransactionPoisonedError,
    UncommittedChangesWarning,
    UnknownFieldError,
    UowError,
    ValidationError,
)
from uow.expressions import and_, case, excluded, exists, func, literal, not_, or_
from uow.keys import ulid, uuid7
from uow.mapping.columns import Column, Mapped
from uow.mapping.registry import Registry
from uow.query.builder import Query
from uow.query.rows import Row
from uow.query.select import select
from uow.query.sources import aliased
from uow.query.sql import sql
from uow.query.writes import delete, insert, insert_many, update
from uow.session.ambient import current_session
from uow.session.events import (
    after_commit,
    after_delete,
    after_flush,
    after_insert,
    after_rollback,
    after_update,
    before_commit,
    before_delete,
    before_flush,
    before_insert,
    before_update,
    event,
)
from uow.session.session import Session
from uow.session.transactions import begin_transaction, on_commit, run, transaction
from uow.table import Table
from uow.tracking.changes import changes
from uow.tracking.state import State, state
from uow.types import Array
from uow.values import Range

pg_transaction = transaction

__all__ = [
    "Array",
    "Column",
    "CommitUnknownError",
    "ConcurrentUseError",
    "ConnectionLostError",
    "ConstraintError",
    "ConstraintKind",
    "Database",
    "DriverError",
    "FlushCycleError",
    "InvalidUnitError",
    "LockTimeoutError",
    "Mapped",
    "MappingError",
    "MultipleResultsError",
    "NotFoundError",
    "NotLoadedError",
    "ObjectStateError",
    "Outcome",
    "Phase",
    "PoolClosedError",
    "PoolTimeoutError",
    "Query",
    "QueryError",
    "Range",
    "Registry",
    "ResourceError",
    "RetryableError",
    "Row",
    "SchemaChangedError",
    "Session",
    "SessionClosedError",
    "StaleObjectError",
    "State",
    "StatementTimeoutError",
    "Table",
    "TransactionPoisonedError",
    "UncommittedChangesWarning",
    "UnknownFieldError",
    "UowError",
    "ValidationError",
    "after_commit",
    "after_delete",
    "after_flush",
    "after_insert",
    "after_rollback",
    "after_update",
    "aliased",
    "and_",
    "before_commit",
    "before_delete",
    "before_flush",
    "before_insert",
    "before_update",
    "begin_transaction",
    "case",
    "changes",
    "connect",
    "current_session",
    "default_database",
    "delete",
    "event",
    "excluded",
    "exists",
    "func",
    "insert",
    "insert_many",
    "literal",
    "not_",
    "on_commit",
    "or_",
    "pg_transaction",
    "run",
    "select",
    "sql",
    "state",
    "transaction",
    "ulid",
    "update",
    "uuid7",
]
