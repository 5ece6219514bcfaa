"""What the server and asyncpg raise, as errors of this library: each by what meets it."""

from __future__ import annotations

import asyncio
import socket
import traceback
from collections.abc import Callable
from typing import Any

import asyncpg
import attrs
import pytest

from uow.drivers._asyncpg_errors import error_for
from uow.drivers.asyncpg import AsyncpgDriver
from uow.drivers.base import Connection, TransactionOptions
from uow.errors import (
    ConnectionLostError,
    ConstraintError,
    ConstraintKind,
    DriverError,
    LockTimeoutError,
    Outcome,
    QueryError,
    ResourceError,
    RetryableError,
    UowError,
    ValidationError,
)
from uow.statement import Statement

pytestmark = pytest.mark.anyio

SECRET = "hunter2"

TABLES = """
CREATE TABLE parents (id INT PRIMARY KEY, email TEXT UNIQUE, "odd name" INT, other INT,
    CONSTRAINT pair UNIQUE ("odd name", other));
CREATE UNIQUE INDEX folded ON parents (lower(email));
CREATE TABLE children (id INT PRIMARY KEY, parent_id INT NOT NULL REFERENCES parents (id),
    n INT CONSTRAINT small CHECK (n < 100), name VARCHAR(5), price NUMERIC(4, 2),
    span INT4RANGE, tag UUID, big BIGINT, doc JSONB, at TIMESTAMPTZ,
    CONSTRAINT apart EXCLUDE USING gist (span WITH &&));
INSERT INTO parents VALUES (1, 'hunter2@x.org', 7, 8), (2, NULL, NULL, NULL);
INSERT INTO children (id, parent_id, span) VALUES (1, 1, '[1,5)');
CREATE VIEW small_children AS SELECT id, parent_id, n FROM children WHERE n < 10
    WITH CHECK OPTION;
CREATE DOMAIN even AS INT CONSTRAINT is_even CHECK (VALUE % 2 = 0);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'not %', NEW.id; END $$;
CREATE TABLE guarded (id INT);
CREATE TRIGGER guard BEFORE INSERT ON guarded FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@pytest.fixture
def anyio_backend() -> str:
    """Asyncpg runs under asyncio alone."""
    return "asyncio"


@pytest.fixture
async def tables(postgresql_connection: Connection) -> Connection:
    """A connection to a database with constraints of every kind."""
    await postgresql_connection.execute(Statement(TABLES))
    return postgresql_connection


async def error_of(connection: Connection, sql: str, *parameters: object) -> UowError:
    """The error a statement meets; neither it nor its cause shows the secret."""
    with pytest.raises(UowError) as caught:
        await connection.execute(Statement(sql, parameters))
    error = caught.value

    assert error.__cause__ is not None
    assert SECRET not in "".join(traceback.format_exception(error.__cause__))
    assert SECRET not in str(error)
    assert SECRET not in repr(error)
    return error


@pytest.mark.parametrize(
    ("sql", "kind", "constraint", "table", "columns"),
    [
        ("INSERT INTO parents VALUES (3, 'hunter2@x.org')",
         ConstraintKind.UNIQUE, "parents_email_key", "parents", ("email",)),
        ("INSERT INTO parents VALUES (1)",
         ConstraintKind.UNIQUE, "parents_pkey", "parents", ("id",)),
        ("INSERT INTO parents VALUES (3, NULL, 7, 8)",
         ConstraintKind.UNIQUE, "pair", "parents", ("odd name", "other")),
        ("INSERT INTO parents VALUES (3, 'HUNTER2@x.org')",
         ConstraintKind.UNIQUE, "folded", "parents", ()),
        ("INSERT INTO children VALUES (2, 77)",
         ConstraintKind.FOREIGN_KEY, "children_parent_id_fkey", "children", ("parent_id",)),
        ("DELETE FROM parents WHERE id = 1",
         ConstraintKind.FOREIGN_KEY, "children_parent_id_fkey", "children", ()),
        ("INSERT INTO children VALUES (2, NULL)",
         ConstraintKind.NOT_NULL, None, "children", ("parent_id",)),
        ("INSERT INTO children VALUES (2, 1, 1000)",
         ConstraintKind.CHECK, "small", "children", ()),
        ("INSERT INTO children (id, parent_id, span) VALUES (2, 1, '[4,9)')",
         ConstraintKind.EXCLUSION, "apart", "children", ("span",)),
        ("INSERT INTO small_children VALUES (2, 1, 50)",
         ConstraintKind.CHECK, None, None, ()),
        ("SELECT 3::even", ConstraintKind.CHECK, "is_even", None, ()),
        ("INSERT INTO guarded VALUES (1)", ConstraintKind.CHECK, None, None, ()),
        ("DO $$ BEGIN ASSERT false; END $$", ConstraintKind.CHECK, None, None, ()),
    ],
)  # fmt: skip
async def test_constraints(
    tables: Connection,
    *,
    sql: str,
    kind: ConstraintKind,
    constraint: str | None,
    table: str | None,
    columns: tuple[str, ...],
) -> None:
    """Class 23: kind, constraint, table and columns are told, and values never (F78)."""
    error = await error_of(tables, sql)

    assert isinstance(error, ConstraintError)
    assert (error.kind, error.constraint, error.table, error.columns) == (
        kind, constraint, table, columns,
    )  # fmt: skip
    assert error.outcome is Outcome.NOT_APPLIED
    assert not error.retryable
    for name in (constraint, table, *columns):
        assert name is None or name in str(error)


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("INSERT INTO children VALUES (2, 1, NULL, $1)", ("hunter22",)),  # 22001
        ("INSERT INTO children (id, parent_id, price) VALUES (2, 1, $1::text::numeric)",
         ("1234567",)),  # 22003
        ("SELECT 2147483647::int + 1", ()),  # 22003
        ("SELECT $1::text::int", (SECRET,)),  # 22P02
        ("SELECT $1::text::uuid", (SECRET,)),  # 22P02
        ("SELECT $1::text::jsonb", (SECRET,)),  # 22P02
        ("SELECT $1::text::int4range", (SECRET,)),  # 22P02
        ("SELECT $1::text::timestamptz", (SECRET,)),  # 22007
        ("SELECT '2024-02-30'::date", ()),  # 22008
        ("SELECT $1::text", ("hunter2\0",)),  # 22021
        ("SELECT $1::jsonb", ('{"a": "hunter2\\u0000"}',)),  # 22P05
        ("SELECT array_fill($1::text, NULL)", (SECRET,)),  # 22004
    ],
)  # fmt: skip
async def test_values_the_server_refuses(
    tables: Connection, sql: str, parameters: tuple[object, ...]
) -> None:
    """Class 22: a value that does not fit is a validation error without the value."""
    error = await error_of(tables, sql, *parameters)

    assert isinstance(error, ValidationError)
    assert error.outcome is Outcome.NOT_APPLIED


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("SELECT $1::int", SECRET),
        ("SELECT $1::int", 2**31),
        ("SELECT $1::bigint", 2**63),
        ("SELECT $1::text", 5),
        ("SELECT $1::text", "hunter2\ud800"),
        ("SELECT $1::timestamptz", SECRET),
        ("SELECT $1::date", SECRET),
        ("SELECT $1::uuid", SECRET),
        ("SELECT $1::interval", SECRET),
        ("SELECT $1::bytea", SECRET),
        ("SELECT $1::boolean", object()),
        ("SELECT $1::numeric", SECRET),
        ("SELECT $1::int[]", [1, SECRET]),
        ("SELECT $1::int[]", SECRET),
        ("SELECT $1::text", {SECRET: SECRET}),
    ],
)
async def test_values_asyncpg_refuses(tables: Connection, sql: str, value: object) -> None:
    """F71, F72: what cannot be sent is a validation error that names the place, not the value."""
    error = await error_of(tables, sql, value)

    assert isinstance(error, ValidationError)
    assert "$1" in str(error)
    assert not tables.in_transaction


@pytest.mark.parametrize(
    "sql",
    [
        "SELEC 1",
        "SELECT * FROM missing",
        "SELECT missing FROM parents",
        "SELECT missing()",
        "SELECT 1 / 0",
        "SELECT 'a' ~ '('",
        "SELECT 1 LIMIT -1",
        "SELECT 1 OFFSET -1",
        "SELECT 'ab' LIKE 'a\\'",
        "SELECT ln(0)",
        "SELECT now() AT TIME ZONE 'No/Where'",
        "SELECT (SELECT id FROM parents)",
        "INSERT INTO parents VALUES (3), (3) ON CONFLICT (id) DO UPDATE SET other = 1",
        "DROP TABLE parents",
        "CREATE TABLE parents ()",
        "SELECT id FROM parents GROUP BY other",
        "SELECT $1::int",
        "INSERT INTO children (id, big) SELECT 1, now()",
        "SET TRANSACTION ISOLATION LEVEL NONSENSE",
        "VACUUM parents; SELECT 1",
    ],
)
async def test_wrong_queries(tables: Connection, sql: str) -> None:
    """Class 42 and its like: the query is wrong, and what the server says of it is told."""
    with pytest.raises(QueryError):
        await tables.execute(Statement(sql))


async def test_what_is_told_of_a_wrong_query(tables: Connection) -> None:
    """The name that is unknown stands in the message."""
    with pytest.raises(QueryError, match="missing_column"):
        await tables.fetch(Statement("SELECT missing_column FROM parents"))


async def test_too_many_parameters(tables: Connection) -> None:
    """F77: more parameters than the protocol has room for are refused before anything is sent."""
    count = 32_768
    sql = f"SELECT {', '.join(f'${n}::int' for n in range(1, count + 1))}"
    await tables.begin(TransactionOptions())
    with pytest.raises((ValidationError, QueryError)) as caught:
        await tables.fetch(Statement(f"SELECT 1 WHERE 1 IN ({sql.removeprefix('SELECT ')})",
                                     list(range(count))))  # fmt: skip

    assert caught.value.outcome in {Outcome.NOT_APPLIED, None}
    await tables.rollback()


async def test_privileges(tables: Connection) -> None:
    """42501: what the user may not do is a wrong query, and says so."""
    await tables.execute(
        Statement(
            "DO $$ BEGIN CREATE ROLE nobody_special;"
            " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
    )
    await tables.run(Statement("SET ROLE nobody_special"))
    with pytest.raises(QueryError, match="permission denied"):
        await tables.fetch(Statement("SELECT * FROM parents"))
    await tables.reset()

    assert len(await tables.fetch(Statement("SELECT * FROM parents"))) == 2


async def test_serialization_failure(
    tables: Connection, postgresql_driver: Callable[..., AsyncpgDriver]
) -> None:
    """40001: what clashed with another transaction can be run again, as a whole."""
    other = await postgresql_driver().connect()
    await tables.begin(TransactionOptions(isolation="REPEATABLE READ"))
    await tables.fetch(Statement("SELECT * FROM parents"))
    await other.execute(Statement("UPDATE parents SET other = 1"))
    with pytest.raises(RetryableError) as caught:
        await tables.execute(Statement("UPDATE parents SET other = 2"))

    assert caught.value.retryable
    assert tables.has_failed
    await tables.rollback()
    await other.aclose()


async def test_deadlock(
    tables: Connection, postgresql_driver: Callable[..., AsyncpgDriver]
) -> None:
    """F50, 40P01: of two in a deadlock one is told to run again, and the other goes on."""
    other = await postgresql_driver().connect()
    update = "UPDATE parents SET other = 1 WHERE id = $1"
    for connection, key in ((tables, 1), (other, 2)):
        await connection.begin(TransactionOptions())
        await connection.execute(Statement(update, (key,)))
    results = await asyncio.gather(
        tables.execute(Statement(update, (2,))),
        other.execute(Statement(update, (1,))),
        return_exceptions=True,
    )

    assert sorted(type(result).__name__ for result in results) == ["RetryableError", "int"]
    await other.aclose()


async def test_nowait(tables: Connection, postgresql_driver: Callable[..., AsyncpgDriver]) -> None:
    """55P03: a lock that is not to be had at once."""
    other = await postgresql_driver().connect()
    await other.begin(TransactionOptions())
    await other.fetch(Statement("SELECT * FROM parents FOR UPDATE"))
    with pytest.raises(LockTimeoutError):
        await tables.fetch(Statement("SELECT * FROM parents FOR UPDATE NOWAIT"))
    await other.aclose()


async def test_no_connection_left(
    tables: Connection, postgresql_driver: Callable[..., AsyncpgDriver]
) -> None:
    """F31, 53300: a server that takes no more connections says so, quickly."""
    await tables.execute(
        Statement(
            "DO $$ BEGIN CREATE ROLE crowd LOGIN CONNECTION LIMIT 0;"
            " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
    )
    with pytest.raises(ResourceError):
        await _as("crowd", postgresql_driver).connect()


async def test_who_is_not_let_in(postgresql_driver: Callable[..., AsyncpgDriver]) -> None:
    """28000, 3D000: an unknown user or database is an error that trying again does not mend."""
    for driver, told in (
        (_as("no_such_user", postgresql_driver), "no_such_user"),
        (_of("no_such_database", postgresql_driver), "no_such_database"),
    ):
        with pytest.raises(DriverError, match=told) as caught:
            await driver.connect()

        assert not caught.value.retryable


async def test_nobody_answers(postgresql_driver: Callable[..., AsyncpgDriver]) -> None:
    """F32: where no server is, the error says where and why."""
    known = postgresql_driver()
    driver = AsyncpgDriver(attrs.evolve(known.url, hosts=(("127.0.0.1", 1),)), known.options)
    with pytest.raises(DriverError, match=r"127\.0\.0\.1 cannot be reached"):
        await driver.connect()


async def test_a_server_that_says_nothing(
    postgresql_driver: Callable[..., AsyncpgDriver],
) -> None:
    """A server that takes the connection and is silent is left after the time asked for."""
    known = postgresql_driver(connect_timeout="100ms")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = silent.getsockname()
        driver = AsyncpgDriver(attrs.evolve(known.url, hosts=(place,)), known.options)
        with pytest.raises(DriverError, match=r"within 0\.1 s"):
            await driver.connect()


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("08006", ConnectionLostError),
        ("25P03", ConnectionLostError),
        ("25P04", ConnectionLostError),
        ("40003", ConnectionLostError),
        ("40000", RetryableError),
        ("53100", ResourceError),
        ("53200", ResourceError),
        ("53400", ResourceError),
        ("57P01", ConnectionLostError),
        ("57P02", ConnectionLostError),
        ("57P03", RetryableError),
        ("57P05", ConnectionLostError),
        ("58030", ResourceError),
        ("58P01", DriverError),
        ("72000", RetryableError),
        ("XX001", DriverError),
        ("23999", ConstraintError),
        ("22999", ValidationError),
        ("0Z002", QueryError),
    ],
)
def test_states_no_test_can_bring_about(state: str, kind: type[UowError]) -> None:
    """What a sound server does not say is mapped all the same."""
    error: Any = asyncpg.PostgresError.new({"S": "ERROR", "V": "ERROR", "C": state, "M": "text"})

    assert type(error_for(error)) is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionResetError(), ConnectionLostError),
        (EOFError(), ConnectionLostError),
        (OverflowError(SECRET), ValidationError),
        (MemoryError(), ResourceError),
        (RuntimeError(SECRET), DriverError),
        (QueryError("ours"), QueryError),
    ],
)
def test_errors_of_others(error: Exception, kind: type[UowError]) -> None:
    """What Python raises inside a call is of the taxonomy too, without its text."""
    mapped = error_for(error)

    assert type(mapped) is kind
    assert SECRET not in str(mapped)


def _as(user: str, make: Callable[..., AsyncpgDriver]) -> AsyncpgDriver:
    known = make()
    return AsyncpgDriver(attrs.evolve(known.url, username=user), known.options)


def _of(database: str, make: Callable[..., AsyncpgDriver]) -> AsyncpgDriver:
    known = make()
    return AsyncpgDriver(attrs.evolve(known.url, database=database), known.options)
