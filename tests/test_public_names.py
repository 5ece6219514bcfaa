"""What is public is in `uow.__all__`; a name comes or goes here first, and in CHANGELOG.md."""

from __future__ import annotations

import inspect

import pytest

import uow
import uow.errors

PUBLIC = [
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


def test_public_names_are_these() -> None:
    """`uow.__all__` is this list, sorted, each name once."""

    assert uow.__all__ == PUBLIC
    assert sorted(set(PUBLIC)) == PUBLIC


def test_nothing_else_looks_public() -> None:
    """A name of the package that is not in the list is a module of it."""
    others = {name for name in vars(uow) if not name.startswith("_")} - set(PUBLIC)

    assert all(inspect.ismodule(getattr(uow, name)) for name in others)


def test_every_error_is_public() -> None:
    """Whatever `uow.errors` defines can be caught by a name of `uow`."""

    assert set(uow.errors.__all__) <= set(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_is_documented(name: str) -> None:
    """Each public class and function says what it is."""
    found = getattr(uow, name)

    assert inspect.getdoc(found)
