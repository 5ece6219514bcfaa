"""The statements of a flush: rows of encoded values in, few statements out, in input order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.dialects.models import Book, Counter, Everything, Line
from tests.dialects.store import Store
from uow.dialects._postgresql_types import array_text
from uow.dialects.base import dialect_for
from uow.errors import QueryError
from uow.mapping.mapper import mapper_of
from uow.query.statements import DeleteRows, InsertRows, UpdateRows
from uow.statement import Load, Many, Numbered, Sendable, Statement

LINES = mapper_of(Line)
ORDER, NO, AMOUNT = LINES.columns
COUNTERS = mapper_of(Counter)
ID, LABEL = COUNTERS.columns
TWO = [(1, 1, 10), (1, 2, 20)]


def _text(statements: Sequence[Sendable]) -> str:
    (statement,) = statements
    return statement.sql


# -- text


def test_sqlite_text() -> None:
    """SQLite takes many rows an INSERT, and one statement for each row changed or deleted."""
    sqlite = dialect_for("sqlite")
    insert = InsertRows(COUNTERS, (LABEL,), [("a",), ("b",)], (ID,))
    update = UpdateRows(LINES, (AMOUNT,), (ORDER, NO), [(5, 1, 1), (6, 1, 2)])
    delete = DeleteRows(LINES, (ORDER, NO), [(1, 1), (1, 2)])

    assert _text(sqlite.insert_rows(insert)) == (
        'INSERT INTO "counters" ("label") VALUES (?1), (?2) RETURNING "counters"."id"'
    )
    assert _text(sqlite.update_rows(update)) == (
        'UPDATE "lines" SET "amount" = ?1 WHERE "lines"."order_id" = ?2 AND "lines"."no" = ?3'
    )
    assert _text(sqlite.delete_rows(delete)) == (
        'DELETE FROM "lines" WHERE "lines"."order_id" = ?1 AND "lines"."no" = ?2'
    )


def test_postgresql_text() -> None:
    """PostgreSQL takes a batch as one array a column, whatever its length."""
    postgresql = dialect_for("postgresql")
    insert = InsertRows(COUNTERS, (LABEL,), [(label,) for label in "abcde"], (ID,))
    update = UpdateRows(LINES, (AMOUNT,), (ORDER, NO), [(5, 1, 1), (6, 1, 2)])
    returning = UpdateRows(LINES, (AMOUNT,), (ORDER, NO), [(5, 1, 1), (6, 1, 2)], (AMOUNT,))
    delete = DeleteRows(LINES, (ORDER, NO), [(1, 1), (1, 2)])
    by_key = DeleteRows(COUNTERS, (ID,), [(1,), (2,)])

    assert postgresql.insert_rows(insert) == [
        Statement(
            'INSERT INTO "counters" ("label") SELECT v.c1 FROM unnest($1::text[]) WITH ORDINALITY '
            'AS v(c1, n) ORDER BY v.n RETURNING "counters"."id"',
            [["a", "b", "c", "d", "e"]],
        )
    ]
    few = InsertRows(COUNTERS, (LABEL,), [("a",), ("b",)], (ID,))
    assert postgresql.insert_rows(few) == [
        Statement(
            'INSERT INTO "counters" ("label") VALUES ($1::text), ($2::text) '
            'RETURNING "counters"."id"',
            ["a", "b"],
        )
    ]
    assert postgresql.update_rows(update) == [
        Statement(
            'UPDATE "lines" SET "amount" = v.c1 FROM unnest($1::bigint[], $2::bigint[], '
            '$3::bigint[]) AS v(c1, c2, c3) WHERE "lines"."order_id" = v.c2 AND "lines"."no" = '
            "v.c3",
            [[5, 6], [1, 1], [1, 2]],
        )
    ]
    assert _text(postgresql.update_rows(returning)) == (
        'UPDATE "lines" SET "amount" = v.c1 FROM unnest($1::bigint[], $2::bigint[], '
        '$3::bigint[]) AS v(c1, c2, c3) WHERE "lines"."order_id" = v.c2 AND "lines"."no" = v.c3 '
        'RETURNING "lines"."amount"'
    )
    assert _text(postgresql.delete_rows(delete)) == (
        'DELETE FROM "lines" USING unnest($1::bigint[], $2::bigint[]) AS v(c1, c2) WHERE '
        '"lines"."order_id" = v.c1 AND "lines"."no" = v.c2'
    )
    assert postgresql.delete_rows(by_key) == [
        Statement('DELETE FROM "counters" WHERE "counters"."id" = ANY($1::bigint[])', [[1, 2]])
    ]
    named = DeleteRows(COUNTERS, (ID,), [(1,), (2,)], (ID,))
    assert _text(postgresql.delete_rows(named)) == (
        'DELETE FROM "counters" WHERE "counters"."id" = ANY($1::bigint[]) RETURNING "counters"."id"'
    )


def test_rows_that_wait_for_each_other() -> None:
    """They go one by one, in order; deletes only where the store looks at each row at once."""
    rows = [(number, 1, number) for number in range(9)]
    update = UpdateRows(LINES, (AMOUNT,), (ORDER, NO), rows, one_by_one=True)
    delete = DeleteRows(LINES, (ORDER, NO), [row[1:] for row in rows], one_by_one=True)
    for name, place in (("postgresql", "${}::bigint"), ("sqlite", "?{}")):
        first, second, third = (place.format(number) for number in (1, 2, 3))
        dialect = dialect_for(name)
        (sent,) = dialect.update_rows(update)
        assert isinstance(sent, Many)
        assert sent.rows == rows
        assert sent.sql == (
            f'UPDATE "lines" SET "amount" = {first} WHERE "lines"."order_id" = {second} AND '
            f'"lines"."no" = {third}'
        )
    assert isinstance(dialect_for("postgresql").delete_rows(delete)[0], Statement)
    assert isinstance(dialect_for("sqlite").delete_rows(delete)[0], Many)


def test_sqlite_updates_in_chunks() -> None:
    """A hundred rows a statement, and the rest in one; few rows one by one."""
    sqlite = dialect_for("sqlite")
    rows = [(number, 1, number) for number in range(208)]
    full, rest = sqlite.update_rows(UpdateRows(LINES, (AMOUNT,), (ORDER, NO), rows))
    assert isinstance(full, Many)
    assert isinstance(rest, Many)
    assert [len(values) for values in (*full.rows, *rest.rows)] == [300, 300, 24]
    assert rest.sql.startswith(
        'UPDATE "lines" SET "amount" = v.column1 FROM (VALUES (?1, ?2, ?3), (?4, ?5, ?6), '
    )
    assert rest.sql.endswith(
        '(?22, ?23, ?24)) AS v WHERE "lines"."order_id" = v.column2 AND "lines"."no" = v.column3'
    )
    (few,) = sqlite.update_rows(UpdateRows(LINES, (AMOUNT,), (ORDER, NO), rows[:7]))
    assert isinstance(few, Many)
    assert few.rows == rows[:7]


def test_postgresql_loads_many_rows() -> None:
    """From some hundred rows on COPY, whose keys are taken first; the INSERTs stand by."""
    rows = [(str(number),) for number in range(600)]
    (load,) = dialect_for("postgresql").insert_rows(InsertRows(COUNTERS, (LABEL,), rows, (ID,)))
    assert isinstance(load, Load)
    assert load.sql == 'COPY "counters" ("id", "label") FROM STDIN'
    assert (load.table, load.schema, load.columns) == ("counters", None, ["id", "label"])
    assert load.rows == rows
    assert load.takes_keys
    assert load.permit.parameters == (
        '"counters"',
        ["label", "label"],
        ["text", "character varying"],
        "id",
        600,
    )
    assert load.otherwise() == [
        Statement(
            'INSERT INTO "counters" ("label") SELECT v.c1 FROM unnest($1::text[]) WITH ORDINALITY '
            'AS v(c1, n) ORDER BY v.n RETURNING "counters"."id"',
            [[text for (text,) in rows]],
        )
    ]


def test_postgresql_text_of_one_row() -> None:
    """A single row travels without arrays."""
    postgresql = dialect_for("postgresql")
    insert = InsertRows(COUNTERS, (LABEL,), [("a",)], (ID,))
    update = UpdateRows(LINES, (AMOUNT,), (ORDER, NO), [(5, 1, 1)])

    assert postgresql.insert_rows(insert) == [
        Statement(
            'INSERT INTO "counters" ("label") VALUES ($1::text) RETURNING "counters"."id"', ["a"]
        )
    ]
    assert postgresql.update_rows(update) == [
        Statement(
            'UPDATE "lines" SET "amount" = $1::bigint WHERE "lines"."order_id" = $2::bigint AND '
            '"lines"."no" = $3::bigint',
            (5, 1, 1),
        )
    ]


def test_mysql_text() -> None:
    """MySQL takes many rows an INSERT and a DELETE by a single key."""
    mysql = dialect_for("mysql")
    insert = InsertRows(LINES, LINES.columns, list(TWO))
    by_key = DeleteRows(COUNTERS, (ID,), [(1,), (2,)])

    assert mysql.insert_rows(insert) == [
        Statement(
            "INSERT INTO `lines` (`order_id`, `no`, `amount`) VALUES (?, ?, ?), (?, ?, ?)",
            [1, 1, 10, 1, 2, 20],
        )
    ]
    assert mysql.delete_rows(by_key) == [
        Statement("DELETE FROM `counters` WHERE `counters`.`id` IN (?, ?)", [1, 2])
    ]


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("sqlite", 'INSERT INTO "counters" DEFAULT VALUES RETURNING "counters"."id"'),
        (
            "postgresql",
            (
                'INSERT INTO "counters" SELECT FROM generate_series(1, $1::bigint) RETURNING '
                '"counters"."id"'
            ),
        ),
        ("mariadb", "INSERT INTO `counters` () VALUES (), () RETURNING `counters`.`id`"),
    ],
)
def test_rows_of_defaults(dialect: str, text: str) -> None:
    """Rows that give no value at all are batched too."""
    batch = InsertRows(COUNTERS, (), [(), ()], (ID,))

    assert _text(dialect_for(dialect).insert_rows(batch)) == text


def test_mysql_tells_the_first_key() -> None:
    """Keys that MySQL numbers are known from the first; other values are refused, never guessed."""
    mysql = dialect_for("mysql")
    (numbered,) = mysql.insert_rows(InsertRows(COUNTERS, (LABEL,), [("a",), ("b",)], (ID,)))

    assert isinstance(numbered, Numbered)
    assert numbered.sql == "INSERT INTO `counters` (`label`) VALUES (?), (?)"
    assert numbered.one == "INSERT INTO `counters` (`label`) VALUES (?)"
    assert (numbered.table, list(numbered.rows)) == ("counters", [("a",), ("b",)])
    for returning in ((ID, LABEL), (LABEL,)):
        with pytest.raises(QueryError):
            mysql.insert_rows(InsertRows(COUNTERS, (), [()], returning))


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mysql"])
def test_no_rows_are_no_statements(dialect: str) -> None:
    """An empty batch sends nothing."""
    speaker = dialect_for(dialect)

    assert speaker.insert_rows(InsertRows(LINES, LINES.columns, [])) == []
    assert speaker.update_rows(UpdateRows(LINES, (AMOUNT,), (ORDER, NO), [])) == []
    assert speaker.delete_rows(DeleteRows(LINES, (ORDER, NO), [])) == []


def test_arrays_and_ranges_travel_as_text_in_a_postgresql_batch() -> None:
    """`unnest` would take an array of arrays apart to its single items."""
    mapper = mapper_of(Everything)
    columns = tuple(mapper.by_attribute[name] for name in ("id", "numbers", "between"))
    rows: list[tuple[Any, ...]] = [(1, [1, None], "[1,2)")]
    rows += [(number, None, None) for number in range(2, 7)]
    (statement,) = dialect_for("postgresql").insert_rows(InsertRows(mapper, columns, rows))

    assert isinstance(statement, Statement)
    assert statement.sql == (
        'INSERT INTO "everything" ("id", "numbers", "between") SELECT v.c1, v.c2::bigint[], '
        "v.c3::int8range FROM unnest($1::bigint[], $2::text[], $3::text[]) WITH ORDINALITY AS "
        "v(c1, c2, c3, n) ORDER BY v.n"
    )
    assert statement.parameters == [
        [1, 2, 3, 4, 5, 6],
        ["{1,NULL}", *[None] * 5],
        ["[1,2)", *[None] * 5],
    ]
    assert array_text(['a"\\', True, [b"\xff"]]) == '{"a\\"\\\\",true,{"\\\\xff"}}'


# -- run on SQLite


def test_keys_come_back_in_input_order() -> None:
    """F77: any number of rows is inserted, and generated keys come back in their order."""
    store = Store(Counter)
    rows = [(f"row {number}",) for number in range(1234)]
    batch = InsertRows(COUNTERS, (LABEL,), rows, (ID, LABEL))
    back = store.send(store.dialect.insert_rows(batch))

    assert [label for _, label in back] == [label for (label,) in rows]
    assert [key for key, _ in back] == list(range(1, 1235))


def test_wide_rows_keep_within_the_parameters() -> None:
    """F77: no statement of a batch has more parameters than the store takes."""
    mapper = mapper_of(Everything)
    rows = [(number, *[None] * 21) for number in range(5000)]
    for dialect in ("sqlite", "postgresql", "mysql"):
        speaker = dialect_for(dialect)
        for statement in speaker.insert_rows(InsertRows(mapper, mapper.columns, list(rows))):
            if isinstance(statement, Load | Numbered):
                continue  # none is asked for
            sent = statement.rows if isinstance(statement, Many) else [statement.parameters]

            assert max(map(len, sent)) <= speaker.capabilities.max_parameters


def test_updates_and_deletes_find_their_rows() -> None:
    """Each row is found by its whole key; one that is not there changes nothing."""
    store = Store(Line)
    every = [(order, no, 0) for order in range(3) for no in range(3)]
    store.send(store.dialect.insert_rows(InsertRows(LINES, LINES.columns, list(every))))
    update = UpdateRows(LINES, (AMOUNT,), (ORDER, NO), [(7, 1, 2), (9, 5, 5)], (ORDER, NO))
    changed = store.send(store.dialect.update_rows(update))
    store.send(store.dialect.delete_rows(DeleteRows(LINES, (ORDER, NO), [(0, 0), (5, 5)])))
    left = store.run("SELECT order_id, no, amount FROM lines ORDER BY 1, 2")

    assert changed == [(1, 2)]
    assert left == [(o, n, 7 if (o, n) == (1, 2) else a) for o, n, a in every[1:]]


# -- get by key


@pytest.mark.parametrize(
    ("dialect", "plain", "locking"),
    [
        ("sqlite", 'FROM "lines" WHERE "lines"."order_id" = ?1 AND "lines"."no" = ?2', ""),
        (
            "postgresql",
            'FROM "lines" WHERE "lines"."order_id" = $1::bigint AND "lines"."no" = $2::bigint',
            " FOR UPDATE",
        ),
        ("mysql", "FROM `lines` WHERE `lines`.`order_id` = ? AND `lines`.`no` = ?", " FOR UPDATE"),
    ],
)
def test_get(dialect: str, plain: str, locking: str) -> None:
    """A row is read by its whole key, in the order of the key; the text is made once."""
    speaker = dialect_for(dialect)
    get = speaker.get_statement(LINES)
    lock = speaker.get_statement(LINES, (AMOUNT,), for_update=True)

    assert get.sql.endswith(plain)
    assert get.columns == LINES.columns
    assert get is speaker.get_statement(LINES)
    assert get.statement((1, 2)) == Statement(get.sql, (1, 2))
    assert get.reads
    assert lock.sql.endswith(plain + locking)
    assert lock.columns == (AMOUNT,)
    assert not lock.reads


def test_locks() -> None:
    """What a store cannot lock it refuses; the two ways not to wait exclude each other."""
    books = mapper_of(Book)
    postgresql = dialect_for("postgresql")
    skipping = postgresql.get_statement(books, for_update=True, skip_locked=True)

    assert skipping.sql.endswith(" FOR UPDATE SKIP LOCKED")
    with pytest.raises(QueryError):
        postgresql.get_statement(books, for_update=True, skip_locked=True, nowait=True)
    sqlite = dialect_for("sqlite")
    with pytest.raises(QueryError, match="nowait"):
        sqlite.get_statement(books, for_update=True, nowait=True)
    with pytest.raises(QueryError, match="skip_locked"):
        sqlite.get_statement(books, for_update=True, skip_locked=True)


def test_mysql_reads_updates_from_an_array() -> None:
    """MySQL reads a batch of updates from one JSON array, whatever its length."""
    mysql, mariadb = dialect_for("mysql"), dialect_for("mariadb")
    insert = InsertRows(COUNTERS, (LABEL,), [("a",), ("b",)], (ID,))
    update = UpdateRows(LINES, (AMOUNT,), (ORDER, NO), [(5, 1, 1), (6, 1, 2)])
    delete = DeleteRows(LINES, (ORDER, NO), [(1, 1), (1, 2)])
    by_key = DeleteRows(COUNTERS, (ID,), [(1,), (2,)], (ID,))

    assert mariadb.insert_rows(insert) == [
        Statement(
            "INSERT INTO `counters` (`label`) VALUES (?), (?) RETURNING `counters`.`id`",
            ["a", "b"],
        )
    ]
    assert mysql.update_rows(update) == [
        Statement(
            "UPDATE JSON_TABLE(?, '$[*]' COLUMNS (c1 BIGINT PATH '$[0]' ERROR ON ERROR, c2 BIGINT"
            " PATH '$[1]' ERROR ON ERROR, c3 BIGINT PATH '$[2]' ERROR ON ERROR)) AS v"
            " STRAIGHT_JOIN `lines` FORCE INDEX (PRIMARY) ON `lines`.`order_id` = v.c2"
            " AND `lines`.`no` = v.c3 SET `lines`.`amount` = v.c1",
            ["[[5,1,1],[6,1,2]]"],
        )
    ]
    assert mysql.lock_rows(update) == [
        Statement(
            "SELECT `lines`.`order_id`, `lines`.`no` FROM JSON_TABLE(?, '$[*]' COLUMNS (c1 BIGINT"
            " PATH '$[0]' ERROR ON ERROR, c2 BIGINT PATH '$[1]' ERROR ON ERROR)) AS v"
            " STRAIGHT_JOIN `lines` FORCE INDEX (PRIMARY) ON `lines`.`order_id` = v.c1"
            " AND `lines`.`no` = v.c2 FOR UPDATE OF `lines`",
            ["[[1,1],[1,2]]"],
        )
    ]
    assert mysql.delete_rows(delete) == [
        Statement(
            "DELETE FROM `lines` WHERE (`lines`.`order_id`, `lines`.`no`) IN ((?, ?), (?, ?))",
            [1, 1, 1, 2],
        )
    ]
    assert _text(mariadb.delete_rows(by_key)) == (
        "DELETE FROM `counters` WHERE `counters`.`id` IN (?, ?) RETURNING `counters`.`id`"
    )
    rows = [(number, 1, number) for number in range(2500)]
    many = mysql.update_rows(UpdateRows(LINES, (AMOUNT,), (ORDER, NO), rows))
    assert len(many) == 3
    assert len({statement.sql for statement in many}) == 1
    one_by_one = UpdateRows(LINES, (AMOUNT,), (ORDER, NO), rows, one_by_one=True)
    assert isinstance(mysql.update_rows(one_by_one)[0], Many)
    assert dialect_for("sqlite").lock_rows(update) == []


def test_mysql_cuts_batches_by_what_they_weigh() -> None:
    """A packet of the server takes so much and no more; one row goes however long it is."""
    mysql = dialect_for("mysql")
    rows = [(text,) for text in ("a" * 600_000, "b" * 600_000, "c", "d" * 3_000_000, "e")]
    inserts = mysql.insert_rows(InsertRows(COUNTERS, (LABEL,), rows))
    assert [len(one.parameters) for one in inserts if isinstance(one, Statement)] == [1, 2, 1, 1]
    updates = mysql.update_rows(
        UpdateRows(COUNTERS, (LABEL,), (ID,), [(*row, number) for number, row in enumerate(rows)])
    )
    assert len(updates) == 4
    many = [(str(number),) for number in range(1001)]
    assert len(mysql.insert_rows(InsertRows(COUNTERS, (LABEL,), many))) == 3
