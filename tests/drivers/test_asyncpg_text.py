"""What is told of raw PostgreSQL by looking at it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uow.drivers._asyncpg_text import Effect, effect_of, refusal_of


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "(SELECT 1)",
        "SELECT count(*), max(a), coalesce(b, 'f(x)') WHERE c IN (1, 2) AND d = ANY($1)",
        "SELECT 'it''s set_config(1)'",
        "SELECT E'\\' || set_config(1) '",
        "SELECT $$set_config('a', 'b', false)$$",
        "SELECT $x$ $$ set_config('a', 'b', false) $x$",
        "SELECT 1 -- set_config('a', 'b')\n",
        "SELECT 1 /* FROM set_config( /* nested */ */",
        'SELECT 1 AS "from"',
        "VALUES (1, now()), (2, lower($1))",
        "SELECT pg_advisory_xact_lock(1)",
        "SHOW work_mem",
        "LOCK TABLE t",
        "SET LOCAL search_path = x",
        "set constraints all deferred",
    ],
)
def test_what_leaves_nothing(sql: str) -> None:
    """Values, and functions of them, leave nothing on a connection."""
    assert effect_of(sql) is Effect.NOTHING
    assert refusal_of(sql) is None


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT set_config('a', 'b', false)",
        "SELECT public.count(1)",
        'SELECT "count"(1)',
        "SELECT mine (1)",
        "SELECT pg_advisory_lock(1)",
        "SELECT 'a' E'\\'', mine(1), '",
        "SELECT a$b$(1), mine(2) AS c$b$ FROM t",
        "SELECT U&'\\' || mine(1) || 'x'",
        "SELECT * INTO TEMPORARY x FROM t",
        "SELECT 1 INTO TEMP x",
        "SELECT * FROM a_view",
        "TABLE a_view",
        "(TABLE a_view)",
        "SELECT 1 UNION TABLE a_view",
        "WITH x AS (SELECT 1) SELECT 2",
        "SELECT (ROW(1)::t).f",
        "SELECT x[1] .f",
        "INSERT INTO t (a, b) VALUES ($1, now())",
        "UPDATE pg_settings SET setting = '1MB'",
        "DELETE FROM t",
        "EXPLAIN ANALYZE UPDATE t SET a = 1",
        "INSERT INTO pg_temp.x VALUES (1)",
        "SET search_path = x",
        "SET SESSION ROLE x",
        "RESET ALL",
        "LISTEN x",
        "CALL f()",
        "DO 'x'",
        "CREATE TEMP TABLE x (id INT)",
        "CREATE TABLE x (id INT)",
        "FETCH ALL FROM c",
        "whatever",
    ],
)
def test_what_may_leave_something(sql: str) -> None:
    """Settings, definitions, and what views, triggers and functions may do are cleared away."""
    assert effect_of(sql) is Effect.STATE
    assert refusal_of(sql) is None


@pytest.mark.parametrize("sql", ["PREPARE x AS SELECT 1", "/* a */ deallocate all", "LOAD 'x'"])
def test_what_cannot_be_cleared(sql: str) -> None:
    """What no reset clears is known."""
    assert effect_of(sql) is Effect.MORE


@pytest.mark.parametrize(
    "sql",
    [
        "BEGIN",
        "  begin work",
        "START TRANSACTION",
        "/* a /* b */ c */ -- d\n ; commit",
        "END",
        "ROLLBACK TO x",
        "ABORT",
        "SAVEPOINT x",
        "RELEASE x",
        "PREPARE  TRANSACTION 'x'",
        "ROLLBACK PREPARED 'x'",
        "COPY t FROM STDIN",
        "COPY (SELECT 1) TO STDOUT",
        "",
        " ;\n -- nothing\n /* at all */ ;",
    ],
)
def test_what_is_refused(sql: str) -> None:
    """Transaction control, COPY that talks with the client, and no statement are refused."""
    assert refusal_of(sql) is not None


@pytest.mark.parametrize("sql", ["COPY t FROM '/tmp/x'", "COPY t TO PROGRAM 'cat'"])
def test_copy_on_the_server(sql: str) -> None:
    """COPY between a table and a file of the server is a statement like others."""
    assert refusal_of(sql) is None


@given(st.text(alphabet="'\"$e E/*-a;(\\\n1"))
def test_any_text_is_read_to_its_end(sql: str) -> None:
    """Whatever stands there is looked through, in bounded time and without an error."""
    assert isinstance(effect_of(sql), Effect)
    refusal_of(sql)
