"""What the text of a MySQL statement tells."""

from __future__ import annotations

import pytest

from uow.drivers._mysql_text import (
    Effect,
    begin_texts,
    effect_of,
    quoted,
    refusal_in_transaction,
    refusal_of,
    table_written,
)
from uow.errors import QueryError


@pytest.mark.parametrize(
    ("sql", "effect"),
    [
        ("SELECT 1", Effect.NOTHING),
        ("SELECT COUNT(*), MAX(a) FROM t WHERE b IN (1, 2)", Effect.NOTHING),
        ("SELECT 'SET @x = 1', `@y` FROM t -- SET @z\n", Effect.NOTHING),
        ("INSERT INTO t(a) VALUES (1)", Effect.NOTHING),
        ("WITH a AS (SELECT 1) SELECT * FROM a", Effect.NOTHING),
        ("SHOW TABLES", Effect.NOTHING),
        ("SELECT @x := 1", Effect.STATE),
        ("SELECT GET_LOCK('a', 1)", Effect.STATE),
        ("SELECT LAST_INSERT_ID(5)", Effect.STATE),
        ("SELECT `own`(1)", Effect.STATE),
        ("SET @x = 1", Effect.STATE),
        ("CREATE TEMPORARY TABLE t (id INT)", Effect.STATE),
        ("CALL p()", Effect.STATE),
        ("/*! SET @x = 1 */", Effect.STATE),
        ("HANDLER t OPEN", Effect.STATE),
        ("use other", Effect.MORE),
        ("/* a */ USE other", Effect.MORE),
    ],
)
def test_effects(sql: str, effect: Effect) -> None:
    """Rows leave nothing behind; what is not known counts as state."""
    assert effect_of(sql) is effect


@pytest.mark.parametrize(
    "sql",
    [
        "COMMIT",
        "commit work",
        "# a comment\nROLLBACK",
        "-- a comment\nBEGIN",
        "/*!50000 COMMIT*/",
        "/*M!100100 COMMIT*/",
        "/* */START TRANSACTION",
        "SAVEPOINT a",
        "RELEASE SAVEPOINT a",
        "XA START 'a'",
        "PREPARE a FROM 'COMMIT'",
        "EXECUTE IMMEDIATE 'COMMIT'",
        "DELIMITER //",
        "LOAD DATA LOCAL INFILE 'a' INTO TABLE t",
        "LOAD /*!x*/ DATA LOCAL INFILE 'a' INTO TABLE t",
        "SET autocommit = 0",
        "SET @@autocommit = 0",
        "SET @a = 1, SESSION sql_mode = ''",
        "SET NAMES latin1",
        "SET CHARACTER SET latin1",
        "SET time_zone = 'SYSTEM'",
    ],
)
def test_refused(sql: str) -> None:
    """Transactions are the session's, and what values rest on stays as it is."""
    assert refusal_of(sql) is not None


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'COMMIT'",
        "SELECT `commit` FROM t",
        "SELECT 'it\\'s', \"COMMIT\"",
        "SELECT 'a''b', 'COMMIT'",
        "SELECT 5--1",
        "SET @names_of = 'sql_mode'",
        "LOAD DATA INFILE 'a' INTO TABLE t",
        "UPDATE t SET time_zone = 1",
        "CREATE TABLE t (id INT)",
    ],
)
def test_not_refused(sql: str) -> None:
    """Words in literals, names and comments mean nothing."""
    assert refusal_of(sql) is None


def test_definitions() -> None:
    """What commits by itself is no part of a transaction; temporary tables are."""
    for sql in (
        "CREATE TABLE t (id INT)",
        "DROP VIEW v",
        "SET PASSWORD = 'a'",
        "LOCK TABLES t READ",
    ):
        assert refusal_in_transaction(sql) is not None
    for sql in (
        "CREATE TEMPORARY TABLE t (id INT)",
        "CREATE OR REPLACE TEMPORARY TABLE t (id INT)",
        "DROP TEMPORARY TABLE t",
        "SELECT 1",
        "ANALYZE SELECT 1",
        "SET @x = 1",
    ):
        assert refusal_in_transaction(sql) is None


def test_begin() -> None:
    """A level is set for the next transaction alone."""
    assert begin_texts(isolation=None, read_only=False) == ["START TRANSACTION"]
    assert begin_texts(isolation="serializable", read_only=True) == [
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "START TRANSACTION READ ONLY",
    ]


def test_tables_written() -> None:
    """The table is read from what the dialect writes, with its schema."""
    assert table_written("INSERT INTO `a` (`b`) VALUES (?)") == (None, "a")
    assert table_written("UPDATE `s`.`a``b` SET x = 1") == ("s", "a`b")
    assert table_written("UPDATE JSON_TABLE(?) AS v STRAIGHT_JOIN `a` FORCE INDEX") == (None, "a")
    assert table_written("SELECT 1") is None


def test_settings_are_plain() -> None:
    """A setting of ours that would need more than quotes is refused."""
    assert quoted("+00:00") == "'+00:00'"
    with pytest.raises(QueryError):
        quoted("a'b")
