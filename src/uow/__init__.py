"""An async unit of work with an identity map, over SQL stores and documents."""

from uow.database import Database, connect, default_database
from uow.document import Document
from uow.errors import (
    AmbiguousRowError,
    CommitUnknownError,
    ConcurrentUseError,
    ConnectionLostError,
    ConstraintError,
    ConstraintKind,
    DestructiveChangeError,
    DriverError,
    FlushCycleError,
    InvalidUnitError,
    LockTimeoutError,
    MappingError,
    MigrationError,
    MultipleResultsError,
    NotFoundError,
    NotLoadedError,
    NPlusOneWarning,
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
from uow.mapping.columns import Column, Mapped, Sequence
from uow.mapping.indexed import Indexed
from uow.mapping.link import BackLink, Link, link
from uow.mapping.link_rules import DeleteRules, WriteRules
from uow.mapping.merge_strategy import MergeStrategy
from uow.mapping.paths import RelationPath, joined
from uow.mapping.registry import Registry
from uow.mapping.related import Related, RelatedList, WriteOnlyList, related
from uow.migrations.migration import Migration
from uow.migrations.runner import (
    MigrationEvent,
    MigrationRun,
    revert_migrations,
    run_migrations,
)
from uow.migrations.status import MigrationStatus, get_migration_status, resolve_migration
from uow.query.builder import Query
from uow.query.named import CommonTableExpression, Subquery
from uow.query.pages import Page
from uow.query.rows import Row
from uow.query.select import select
from uow.query.sources import aliased
from uow.query.sql import sql
from uow.query.writes import delete, insert, insert_many, update
from uow.schema.compare import Renames
from uow.schema.live import apply_schema, diff_schema, inspect_schema
from uow.schema.tables import create_sql, drop_sql
from uow.session.ambient import current_session
from uow.session.binding import init_documents
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
from uow.soft_delete import DocumentWithSoftDelete
from uow.table import Table
from uow.tracking.changes import changes
from uow.tracking.state import State, state
from uow.types import Array, Composite, EnumType, Native, RangeType
from uow.values import Range
from uow.views import UnionDoc, View

pg_transaction = transaction

__all__ = [
    "AmbiguousRowError",
    "Array",
    "BackLink",
    "Column",
    "CommitUnknownError",
    "CommonTableExpression",
    "Composite",
    "ConcurrentUseError",
    "ConnectionLostError",
    "ConstraintError",
    "ConstraintKind",
    "Database",
    "DeleteRules",
    "DestructiveChangeError",
    "Document",
    "DocumentWithSoftDelete",
    "DriverError",
    "EnumType",
    "FlushCycleError",
    "Indexed",
    "InvalidUnitError",
    "Link",
    "LockTimeoutError",
    "Mapped",
    "MappingError",
    "MergeStrategy",
    "Migration",
    "MigrationError",
    "MigrationEvent",
    "MigrationRun",
    "MigrationStatus",
    "MultipleResultsError",
    "NPlusOneWarning",
    "Native",
    "NotFoundError",
    "NotLoadedError",
    "ObjectStateError",
    "Outcome",
    "Page",
    "Phase",
    "PoolClosedError",
    "PoolTimeoutError",
    "Query",
    "QueryError",
    "Range",
    "RangeType",
    "Registry",
    "Related",
    "RelatedList",
    "RelationPath",
    "Renames",
    "ResourceError",
    "RetryableError",
    "Row",
    "SchemaChangedError",
    "Sequence",
    "Session",
    "SessionClosedError",
    "StaleObjectError",
    "State",
    "StatementTimeoutError",
    "Subquery",
    "Table",
    "TransactionPoisonedError",
    "UncommittedChangesWarning",
    "UnionDoc",
    "UnknownFieldError",
    "UowError",
    "ValidationError",
    "View",
    "WriteOnlyList",
    "WriteRules",
    "after_commit",
    "after_delete",
    "after_flush",
    "after_insert",
    "after_rollback",
    "after_update",
    "aliased",
    "and_",
    "apply_schema",
    "before_commit",
    "before_delete",
    "before_flush",
    "before_insert",
    "before_update",
    "begin_transaction",
    "case",
    "changes",
    "connect",
    "create_sql",
    "current_session",
    "default_database",
    "delete",
    "diff_schema",
    "drop_sql",
    "event",
    "excluded",
    "exists",
    "func",
    "get_migration_status",
    "init_documents",
    "insert",
    "insert_many",
    "inspect_schema",
    "joined",
    "link",
    "literal",
    "not_",
    "on_commit",
    "or_",
    "pg_transaction",
    "related",
    "resolve_migration",
    "revert_migrations",
    "run",
    "run_migrations",
    "select",
    "sql",
    "state",
    "transaction",
    "ulid",
    "update",
    "uuid7",
]
