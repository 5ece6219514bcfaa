"""The literal text of "the rows after this one", for each store (Q7)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import attrs
import pytest

from tests.dialects.models import Author, Book, Line
from uow.dialects.base import dialect_for
from uow.expressions.functions import func
from uow.query.cursors import cursor_text
from uow.query.pages import Paging
from uow.query.select import select
from uow.query.shapes import shape_of


@attrs.frozen
class Case:
    """A query, the place of a row in its order, and what reads the rows behind it."""

    name: str
    query: Callable[[], Any]
    place: tuple[object, ...]
    sqlite: str
    postgresql: str
    mysql: str
    parameters: tuple[object, ...]
    postgresql_parameters: tuple[object, ...] | None = None
    mysql_parameters: tuple[object, ...] | None = None


CASES: list[Case] = [
    Case(
        "key",
        lambda: select(Line),
        (1, 2),
        (
            'SELECT "lines"."order_id", "lines"."no", "lines"."amount", "lines"."order_id", '
            '"lines"."no" FROM "lines" WHERE (("lines"."order_id", "lines"."no") > (?1, ?2)) '
            'ORDER BY "lines"."order_id", "lines"."no" LIMIT ?3'
        ),
        (
            'SELECT "lines"."order_id", "lines"."no", "lines"."amount", "lines"."order_id", '
            '"lines"."no" FROM "lines" WHERE (("lines"."order_id", "lines"."no") > ($1::bigint, '
            '$2::bigint)) ORDER BY "lines"."order_id", "lines"."no" LIMIT $3::bigint'
        ),
        (
            "SELECT `lines`.`order_id`, `lines`.`no`, `lines`.`amount`, `lines`.`order_id`, "
            "`lines`.`no` FROM `lines` WHERE (`lines`.`order_id` >= ? AND (`lines`.`order_id` > "
            "? OR `lines`.`no` > ?)) ORDER BY `lines`.`order_id`, `lines`.`no` LIMIT ?"
        ),
        (1, 2, 3),
        mysql_parameters=(1, 1, 2, 3),
    ),
    Case(
        "mixed_directions",
        lambda: select(Line).order_by(-Line.amount),
        (5, 1, 2),
        (
            'SELECT "lines"."order_id", "lines"."no", "lines"."amount", "lines"."amount", '
            '"lines"."order_id", "lines"."no" FROM "lines" WHERE ("lines"."amount" <= ?1 AND '
            '("lines"."amount" < ?1 OR ("lines"."order_id", "lines"."no") > (?2, ?3))) ORDER BY '
            '"lines"."amount" DESC, "lines"."order_id", "lines"."no" LIMIT ?4'
        ),
        (
            'SELECT "lines"."order_id", "lines"."no", "lines"."amount", "lines"."amount", '
            '"lines"."order_id", "lines"."no" FROM "lines" WHERE ("lines"."amount" <= $1::bigint '
            'AND ("lines"."amount" < $1::bigint OR ("lines"."order_id", "lines"."no") > '
            '($2::bigint, $3::bigint))) ORDER BY "lines"."amount" DESC, "lines"."order_id", '
            '"lines"."no" LIMIT $4::bigint'
        ),
        (
            "SELECT `lines`.`order_id`, `lines`.`no`, `lines`.`amount`, `lines`.`amount`, "
            "`lines`.`order_id`, `lines`.`no` FROM `lines` WHERE (`lines`.`amount` <= ? AND "
            "(`lines`.`amount` < ? OR (`lines`.`order_id` >= ? AND (`lines`.`order_id` > ? OR "
            "`lines`.`no` > ?)))) ORDER BY `lines`.`amount` DESC, `lines`.`order_id`, "
            "`lines`.`no` LIMIT ?"
        ),
        (5, 1, 2, 3),
        mysql_parameters=(5, 5, 1, 1, 2, 3),
    ),
    Case(
        "nullable",
        lambda: select(Author.id).order_by(Author.age),
        (30, 7),
        (
            'SELECT "authors"."id", "authors"."age", "authors"."id" FROM "authors" WHERE '
            '("authors"."age" >= ?1 AND ("authors"."age" > ?1 OR "authors"."id" > ?2)) ORDER BY '
            '"authors"."age", "authors"."id" LIMIT ?3'
        ),
        (
            'SELECT "authors"."id", "authors"."age", "authors"."id" FROM "authors" WHERE '
            '(("authors"."age" >= $1::bigint OR "authors"."age" IS NULL) AND (("authors"."age" > '
            '$1::bigint OR "authors"."age" IS NULL) OR "authors"."id" > $2::bigint)) ORDER BY '
            '"authors"."age", "authors"."id" LIMIT $3::bigint'
        ),
        (
            "SELECT `authors`.`id`, `authors`.`age`, `authors`.`id` FROM `authors` WHERE "
            "(`authors`.`age` >= ? AND (`authors`.`age` > ? OR `authors`.`id` > ?)) ORDER BY "
            "`authors`.`age`, `authors`.`id` LIMIT ?"
        ),
        (30, 7, 3),
        mysql_parameters=(30, 30, 7, 3),
    ),
    Case(
        "null",
        lambda: select(Author.id).order_by(Author.age),
        (None, 7),
        (
            'SELECT "authors"."id", "authors"."age", "authors"."id" FROM "authors" WHERE '
            '("authors"."age" IS NOT NULL OR "authors"."id" > ?1) ORDER BY "authors"."age", '
            '"authors"."id" LIMIT ?2'
        ),
        (
            'SELECT "authors"."id", "authors"."age", "authors"."id" FROM "authors" WHERE '
            '("authors"."age" IS NULL AND "authors"."id" > $1::bigint) ORDER BY "authors"."age", '
            '"authors"."id" LIMIT $2::bigint'
        ),
        (
            "SELECT `authors`.`id`, `authors`.`age`, `authors`.`id` FROM `authors` WHERE "
            "(`authors`.`age` IS NOT NULL OR `authors`.`id` > ?) ORDER BY `authors`.`age`, "
            "`authors`.`id` LIMIT ?"
        ),
        (7, 3),
    ),
    Case(
        "nullable_descending",
        lambda: select(Author.id).order_by(-Author.age),
        (30, 7),
        (
            'SELECT "authors"."id", "authors"."age", "authors"."id" FROM "authors" WHERE '
            '(("authors"."age" <= ?1 OR "authors"."age" IS NULL) AND (("authors"."age" < ?1 OR '
            '"authors"."age" IS NULL) OR "authors"."id" > ?2)) ORDER BY "authors"."age" DESC, '
            '"authors"."id" LIMIT ?3'
        ),
        (
            'SELECT "authors"."id", "authors"."age", "authors"."id" FROM "authors" WHERE '
            '("authors"."age" <= $1::bigint AND ("authors"."age" < $1::bigint OR "authors"."id" '
            '> $2::bigint)) ORDER BY "authors"."age" DESC, "authors"."id" LIMIT $3::bigint'
        ),
        (
            "SELECT `authors`.`id`, `authors`.`age`, `authors`.`id` FROM `authors` WHERE "
            "((`authors`.`age` <= ? OR `authors`.`age` IS NULL) AND ((`authors`.`age` < ? OR "
            "`authors`.`age` IS NULL) OR `authors`.`id` > ?)) ORDER BY `authors`.`age` DESC, "
            "`authors`.`id` LIMIT ?"
        ),
        (30, 7, 3),
        mysql_parameters=(30, 30, 7, 3),
    ),
    Case(
        "nulls_first",
        lambda: select(Author.id).order_by(Author.age.nulls_first(), -Author.name),
        (None, "x", 7),
        (
            'SELECT "authors"."id", "authors"."age", "authors"."name", "authors"."id" FROM '
            '"authors" WHERE ("authors"."age" IS NOT NULL OR ("authors"."name" <= ?1 AND '
            '("authors"."name" < ?1 OR "authors"."id" > ?2))) ORDER BY "authors"."age" NULLS '
            'FIRST, "authors"."name" DESC, "authors"."id" LIMIT ?3'
        ),
        (
            'SELECT "authors"."id", "authors"."age", "authors"."name", "authors"."id" FROM '
            '"authors" WHERE ("authors"."age" IS NOT NULL OR ("authors"."name" <= $1::text AND '
            '("authors"."name" < $1::text OR "authors"."id" > $2::bigint))) ORDER BY '
            '"authors"."age" NULLS FIRST, "authors"."name" DESC, "authors"."id" LIMIT $3::bigint'
        ),
        (
            "SELECT `authors`.`id`, `authors`.`age`, `authors`.`name`, `authors`.`id` FROM "
            "`authors` WHERE (`authors`.`age` IS NOT NULL OR (`authors`.`name` <= ? AND "
            "(`authors`.`name` < ? OR `authors`.`id` > ?))) ORDER BY (`authors`.`age`) IS NULL "
            "DESC, `authors`.`age`, `authors`.`name` DESC, `authors`.`id` LIMIT ?"
        ),
        ("x", 7, 3),
        mysql_parameters=("x", "x", 7, 3),
    ),
    Case(
        "nulls_last",
        lambda: select(Author.id).order_by(Author.age.nulls_last(), -Author.name),
        (None, "x", 7),
        (
            'SELECT "authors"."id", "authors"."age", "authors"."name", "authors"."id" FROM '
            '"authors" WHERE ("authors"."age" IS NULL AND ("authors"."name" <= ?1 AND '
            '("authors"."name" < ?1 OR "authors"."id" > ?2))) ORDER BY "authors"."age" NULLS '
            'LAST, "authors"."name" DESC, "authors"."id" LIMIT ?3'
        ),
        (
            'SELECT "authors"."id", "authors"."age", "authors"."name", "authors"."id" FROM '
            '"authors" WHERE ("authors"."age" IS NULL AND ("authors"."name" <= $1::text AND '
            '("authors"."name" < $1::text OR "authors"."id" > $2::bigint))) ORDER BY '
            '"authors"."age" NULLS LAST, "authors"."name" DESC, "authors"."id" LIMIT $3::bigint'
        ),
        (
            "SELECT `authors`.`id`, `authors`.`age`, `authors`.`name`, `authors`.`id` FROM "
            "`authors` WHERE (`authors`.`age` IS NULL AND (`authors`.`name` <= ? AND "
            "(`authors`.`name` < ? OR `authors`.`id` > ?))) ORDER BY (`authors`.`age`) IS NULL, "
            "`authors`.`age`, `authors`.`name` DESC, `authors`.`id` LIMIT ?"
        ),
        ("x", 7, 3),
        mysql_parameters=("x", "x", 7, 3),
    ),
    Case(
        "expression",
        lambda: select(Author.id).order_by(func.length(Author.name)),
        (3, 7),
        (
            'SELECT "authors"."id", length("authors"."name"), "authors"."id" FROM "authors" '
            'WHERE (length("authors"."name") >= ?1 AND (length("authors"."name") > ?1 OR '
            '"authors"."id" > ?2)) ORDER BY length("authors"."name"), "authors"."id" LIMIT ?3'
        ),
        (
            'SELECT "authors"."id", length("authors"."name"), "authors"."id" FROM "authors" '
            'WHERE ((length("authors"."name") >= $1::bigint OR length("authors"."name") IS NULL) '
            'AND ((length("authors"."name") > $1::bigint OR length("authors"."name") IS NULL) OR '
            '"authors"."id" > $2::bigint)) ORDER BY length("authors"."name"), "authors"."id" '
            "LIMIT $3::bigint"
        ),
        (
            "SELECT `authors`.`id`, CHAR_LENGTH(`authors`.`name`), `authors`.`id` FROM `authors` "
            "WHERE (CHAR_LENGTH(`authors`.`name`) >= ? AND (CHAR_LENGTH(`authors`.`name`) > ? OR "
            "`authors`.`id` > ?)) ORDER BY CHAR_LENGTH(`authors`.`name`), `authors`.`id` LIMIT ?"
        ),
        (3, 7, 3),
        mysql_parameters=(3, 3, 7, 3),
    ),
    Case(
        "descending",
        lambda: select(Line).order_by(-Line.amount, -Line.order_id, -Line.no),
        (5, 1, 2),
        (
            'SELECT "lines"."order_id", "lines"."no", "lines"."amount", "lines"."amount", '
            '"lines"."order_id", "lines"."no" FROM "lines" WHERE (("lines"."amount", '
            '"lines"."order_id", "lines"."no") < (?1, ?2, ?3)) ORDER BY "lines"."amount" DESC, '
            '"lines"."order_id" DESC, "lines"."no" DESC LIMIT ?4'
        ),
        (
            'SELECT "lines"."order_id", "lines"."no", "lines"."amount", "lines"."amount", '
            '"lines"."order_id", "lines"."no" FROM "lines" WHERE (("lines"."amount", '
            '"lines"."order_id", "lines"."no") < ($1::bigint, $2::bigint, $3::bigint)) ORDER BY '
            '"lines"."amount" DESC, "lines"."order_id" DESC, "lines"."no" DESC LIMIT $4::bigint'
        ),
        (
            "SELECT `lines`.`order_id`, `lines`.`no`, `lines`.`amount`, `lines`.`amount`, "
            "`lines`.`order_id`, `lines`.`no` FROM `lines` WHERE (`lines`.`amount` <= ? AND "
            "(`lines`.`amount` < ? OR (`lines`.`order_id` <= ? AND (`lines`.`order_id` < ? OR "
            "`lines`.`no` < ?)))) ORDER BY `lines`.`amount` DESC, `lines`.`order_id` DESC, "
            "`lines`.`no` DESC LIMIT ?"
        ),
        (5, 1, 2, 3),
        mysql_parameters=(5, 5, 1, 1, 2, 3),
    ),
    Case(
        "decimals",
        lambda: select(Book.id).order_by(Book.price),
        (Decimal("1.50"), UUID("00000000-0000-0000-0000-000000000007")),
        (
            'SELECT "books"."id", "books"."price", "books"."id" FROM "books" WHERE '
            '("books"."price" COLLATE "uow_decimal" >= ?1 AND ("books"."price" COLLATE '
            '"uow_decimal" > ?1 OR "books"."id" > ?2)) ORDER BY "books"."price" COLLATE '
            '"uow_decimal", "books"."id" LIMIT ?3'
        ),
        (
            'SELECT "books"."id", "books"."price", "books"."id" FROM "books" WHERE '
            '("books"."price" >= $1::numeric AND ("books"."price" > $1::numeric OR "books"."id" '
            '> $2::uuid)) ORDER BY "books"."price", "books"."id" LIMIT $3::bigint'
        ),
        (
            "SELECT `books`.`id`, `books`.`price`, `books`.`id` FROM `books` WHERE "
            "(`books`.`price` >= ? AND (`books`.`price` > ? OR `books`.`id` > ?)) ORDER BY "
            "`books`.`price`, `books`.`id` LIMIT ?"
        ),
        ("1.5", b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07", 3),
        postgresql_parameters=(Decimal("1.50"), UUID("00000000-0000-0000-0000-000000000007"), 3),
        mysql_parameters=(
            Decimal("1.50"),
            Decimal("1.50"),
            b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07",
            3,
        ),
    ),
    Case(
        "groups",
        lambda: select(Author.age, func.count()).group_by(Author.age).order_by(-func.count()),
        (2, 30),
        (
            'SELECT "authors"."age", count(*), count(*), "authors"."age" FROM "authors" GROUP BY '
            '"authors"."age" HAVING ((count(*) <= ?1 OR count(*) IS NULL) AND ((count(*) < ?1 OR '
            'count(*) IS NULL) OR "authors"."age" > ?2)) ORDER BY count(*) DESC, "authors"."age" '
            "LIMIT ?3"
        ),
        (
            'SELECT "authors"."age", count(*), count(*), "authors"."age" FROM "authors" GROUP BY '
            '"authors"."age" HAVING (count(*) <= $1::bigint AND (count(*) < $1::bigint OR '
            '("authors"."age" > $2::bigint OR "authors"."age" IS NULL))) ORDER BY count(*) DESC, '
            '"authors"."age" LIMIT $3::bigint'
        ),
        (
            "SELECT `authors`.`age`, count(*), count(*), `authors`.`age` FROM `authors` GROUP BY "
            "`authors`.`age` HAVING ((count(*) <= ? OR count(*) IS NULL) AND ((count(*) < ? OR "
            "count(*) IS NULL) OR `authors`.`age` > ?)) ORDER BY count(*) DESC, `authors`.`age` "
            "LIMIT ?"
        ),
        (2, 30, 3),
        mysql_parameters=(2, 2, 30, 3),
    ),
]


def begun(case_: Case) -> tuple[Paging, str]:
    """Pages of two rows, and the cursor of the place."""
    tree = case_.query().statement
    paging = Paging(tree, 2)
    return paging, cursor_text(shape_of(tree, paging.select(None, None).order_by), case_.place)


def compiled(case_: Case, dialect: str) -> Any:
    """What reads the two rows behind the place."""
    paging, cursor = begun(case_)
    return dialect_for(dialect).compile(paging.select(cursor, None))


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mysql"])
@pytest.mark.parametrize("case_", CASES, ids=[case_.name for case_ in CASES])
def test_text(case_: Case, dialect: str) -> None:
    """A page has this text and these parameters, wherever the store puts NULL."""
    found = compiled(case_, dialect)

    assert found.sql == getattr(case_, dialect)
    assert found.parameters == (getattr(case_, f"{dialect}_parameters", None) or case_.parameters)


@pytest.mark.parametrize("case_", CASES, ids=[case_.name for case_ in CASES])
def test_rows_before(case_: Case) -> None:
    """The rows before a place are read the other way round, by the same columns."""
    paging, cursor = begun(case_)
    order = paging.select(None, None).order_by
    before = paging.select(None, cursor).order_by

    assert [term.operand for term in before] == [term.operand for term in order]
    assert [term.is_descending for term in before] == [not term.is_descending for term in order]
