"""What asyncmy and the server raise, as errors of ours."""

from __future__ import annotations

from typing import Any

import asyncmy
import pytest

from uow import errors
from uow.drivers._mysql_errors import came_from_server, cause_of, error_for, number_of
from uow.errors import ConstraintKind, UowError


def made(number: int, text: str = "", state: str = "HY000") -> Any:
    """An error as the client makes it."""
    error: Any = asyncmy.errors.OperationalError(number, text)
    error.sqlstate = state
    return error


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (1040, errors.ResourceError),
        (1045, errors.DriverError),
        (1053, errors.ConnectionLostError),
        (1114, errors.ResourceError),
        (1205, errors.LockTimeoutError),
        (1213, errors.RetryableError),
        (1317, errors.StatementTimeoutError),
        (1406, errors.ValidationError),
        (1412, errors.SchemaChangedError),
        (1615, errors.SchemaChangedError),
        (1792, errors.QueryError),
        (1927, errors.ConnectionLostError),
        (1969, errors.StatementTimeoutError),
        (2006, errors.ConnectionLostError),
        (2013, errors.ConnectionLostError),
        (3024, errors.StatementTimeoutError),
        (3572, errors.LockTimeoutError),
        (4031, errors.ConnectionLostError),
        (9999, errors.DriverError),
        (0, errors.ConnectionLostError),
    ],
)
def test_numbers(number: int, kind: type[UowError]) -> None:
    """Each number is what the caller does next."""
    assert type(error_for(made(number))) is kind


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("08S01", errors.ConnectionLostError),
        ("22003", errors.ValidationError),
        ("23000", errors.ConstraintError),
        ("40001", errors.RetryableError),
        ("42000", errors.QueryError),
        ("70100", errors.StatementTimeoutError),
    ],
)
def test_states(state: str, kind: type[UowError]) -> None:
    """A number that is not known goes by its class."""
    assert type(error_for(made(9999, "x", state))) is kind


CONSTRAINTS: list[Any] = [
    (1062, "Duplicate entry 'a's for key 'x'' for key 'uq'", ConstraintKind.UNIQUE, "uq", None, ()),
    (1062, "Duplicate entry 'a' for key 't.uq'", ConstraintKind.UNIQUE, "uq", "t", ()),
    (1048, "Column 'a' cannot be null", ConstraintKind.NOT_NULL, None, None, ("a",)),
    (1364, "Field 'a' doesn't have a default value", ConstraintKind.NOT_NULL, None, None, ("a",)),
    (3819, "Check constraint 'few' is violated.", ConstraintKind.CHECK, "few", None, ()),
    (4025, "CONSTRAINT `few` failed for `d`.`t`", ConstraintKind.CHECK, "few", "t", ()),
    (
        1452,
        "Cannot add: (`d`.`t`, CONSTRAINT `fk` FOREIGN KEY (`a`, `b`) REFERENCES `u` (`id`, `no`))",
        ConstraintKind.FOREIGN_KEY, "fk", "t", ("a", "b"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("number", "text", "fields"), [(n, t, f) for n, t, *f in CONSTRAINTS])
def test_constraints(number: int, text: str, fields: Any) -> None:
    """What the server tells of a constraint is in the fields, on both servers."""
    error = error_for(made(number, text, "23000"))

    assert isinstance(error, errors.ConstraintError)
    assert [error.kind, error.constraint, error.table, error.columns] == fields


def test_values_are_not_shown() -> None:
    """Texts that quote values are replaced in the cause too; those that name things stay."""
    error = made(1062, "Duplicate entry 's3cret' for key 'uq'", "23000")
    assert "s3cret" not in f"{error_for(error)} {cause_of(error)!r}"
    assert number_of(error) == 1062
    told = made(1054, "Unknown column 'a'", "42S22")
    assert "Unknown column 'a'" in f"{error_for(told)}"
    assert "Unknown column 'a'" in f"{cause_of(told)!r}"
    assert cause_of(ValueError("s3cret")) is None


def test_savepoints_and_functions() -> None:
    """One number says that a savepoint, or a function, is not there."""
    gone = error_for(made(1305, "SAVEPOINT a does not exist", "42000"))
    assert isinstance(gone, errors.TransactionPoisonedError)
    wrong = error_for(made(1305, "FUNCTION d.f does not exist", "42000"))
    assert isinstance(wrong, errors.QueryError)


def test_errors_of_the_client() -> None:
    """What is no answer of the server ends as an error of ours as well."""
    assert isinstance(error_for(OSError()), errors.ConnectionLostError)
    assert isinstance(error_for(MemoryError()), errors.ResourceError)
    assert isinstance(error_for(TimeoutError()), errors.StatementTimeoutError)
    broken = asyncmy.errors.InternalError("Packet sequence number wrong")
    assert type(error_for(broken)) is errors.DriverError
    assert type(error_for(AssertionError())) is errors.DriverError
    assert not came_from_server(made(2013))
    assert came_from_server(made(1062))
    ours = errors.QueryError("x")
    assert error_for(ours) is ours
