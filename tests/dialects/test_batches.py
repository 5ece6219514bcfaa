"""The statements of a flush: rows of encoded values in, few statements out, in input order."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.models import Book, Counter, Everything, Line
from tests.dialects.store import Store
from uow.dialects._postgresql_types import array_text
from uow.dialects.base import dialect_for
from uow.errors import QueryError
from uow.mapping.mapper import mapper_of
from uow.query.statements import DeleteRows, InsertRows, UpdateRows
from uow.statement import Many, Statement

LINES = mapper_of(Line)
ORDER, NO, AMOUNT = LINES.columns
COUNTERS = mapper_of(Counter)
ID, LABEL = COUNTERS.columns
TWO = [(1, 1, 10), (1, 2, 20)]


def _text(statements: list[Statement | Many]) -> str:
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
    insert = InsertRows(COUNTERS, (LABEL,), [("a",), ("b",)], (ID,))
    update = UpdateRows(LINES, (AMOUNT,), (ORDER, NO), [(5, 1, 1), (6, 1, 2)])
    returning = UpdateRows(LINES, (AMOUNT,), (ORDER, NO), [(5, 1, 1), (6, 1, 2)], (AMOUNT,))
    delete = DeleteRows(LINES, (ORDER, NO), [(1, 1), (1, 2)])
    by_key = DeleteRows(COUNTERS, (ID,), [(1,), (2,)])

    assert postgresql.insert_rows(insert) == [
        Statement(
            'INSERT INTO "counters" ("label") SELECT v.c1 FROM unnest($1::text[]) WITH ORDINALITY '
            'AS v(c1, n) ORDER BY v.n RETURNING "counters"."id"',
            [["a", "b"]],
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
        'WITH u AS (UPDATE "lines" SET "amount" = v.c1 FROM unnest($1::bigint[], $2::bigint[], '
        '$3::bigint[]) WITH ORDINALITY AS v(c1, c2, c3, n) WHERE "lines"."order_id" = v.c2 AND '
        '"lines"."no" = v.c3 RETURNING "lines"."amount" AS r1, v.n AS n) SELECT u.r1 FROM u ORDER '
        "BY u.n"
    )
    assert _text(postgresql.delete_rows(delete)) == (
        'DELETE FROM "lines" USING unnest($1::bigint[], $2::bigint[]) AS v(c1, c2) WHERE '
        '"lines"."order_id" = v.c1 AND "lines"."no" = v.c2'
    )
    assert postgresql.delete_rows(by_key) == [
        Statement('DELETE FROM "counters" WHERE "counters"."id" = ANY($1::bigint[])', [[1, 2]])
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


def test_mysql_gives_no_keys_back() -> None:
    """A batch that must give rows back is refused where the store cannot, never guessed."""
    with pytest.raises(QueryError):
        dialect_for("mysql").insert_rows(InsertRows(COUNTERS, (LABEL,), [("a",)], (ID,)))


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
    rows: list[tuple[Any, ...]] = [(1, [1, None], "[1,2)"), (2, None, None)]
    (statement,) = dialect_for("postgresql").insert_rows(InsertRows(mapper, columns, rows))

    assert isinstance(statement, Statement)
    assert statement.sql == (
        'INSERT INTO "everything" ("id", "numbers", "between") SELECT v.c1, v.c2::bigint[], '
        "v.c3::int8range FROM unnest($1::bigint[], $2::text[], $3::text[]) WITH ORDINALITY AS "
        "v(c1, c2, c3, n) ORDER BY v.n"
    )
    assert statement.parameters == [[1, 2], ["{1,NULL}", None], ["[1,2)", None]]
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
