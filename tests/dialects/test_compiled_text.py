"""The literal text of every kind of query, for each store, beside the query that it comes from.

The text was run against SQLite, PostgreSQL 15 and MariaDB 10.11, which gave the same rows.
"""

# ruff: noqa: B002, DTZ001, E711, E712 - the operators are under test; MySQL keeps naive UTC

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest

from tests.dialects.models import Author, Book, Counter, Line
from uow.errors import QueryError
from uow.expressions.functions import and_, case, excluded, exists, func
from uow.query.executable import Executable
from uow.query.select import select
from uow.query.sources import aliased
from uow.query.sql import sql
from uow.query.writes import delete, insert, update

Other = aliased(Author)
MOMENT = datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
LABEL = (func.coalesce(Author.age, 0) + 1).label("next")


@attrs.frozen
class Case:
    """A query and its text; None where the store cannot say it."""

    name: str
    query: Callable[[], Executable[Any]]
    sqlite: str | None
    postgresql: str | None
    mysql: str | None
    parameters: tuple[object, ...]
    postgresql_parameters: tuple[object, ...] | None = None
    mysql_parameters: tuple[object, ...] | None = None


CASES = [
    # -- reading
    Case(
        "entity",
        lambda: (
            select(Author)
            .filter(Author.age > 25, Author.email.like("%@x.org"))
            .order_by(-Author.joined, Author.name)
            .limit(10)
            .offset(20)
        ),
        (
            'SELECT "authors"."id", "authors"."email", "authors"."name", "authors"."age", '
            '"authors"."active", "authors"."joined", "authors"."version" FROM "authors" WHERE '
            '"authors"."age" > ?1 AND "authors"."email" GLOB ?2 ORDER BY "authors"."joined" '
            'DESC, "authors"."name" LIMIT ?3 OFFSET ?4'
        ),
        (
            'SELECT "authors"."id", "authors"."email", "authors"."name", "authors"."age", '
            '"authors"."active", "authors"."joined", "authors"."version" FROM "authors" WHERE '
            '"authors"."age" > $1::bigint AND "authors"."email" LIKE $2::text ESCAPE \'!\' ORDER '
            'BY "authors"."joined" DESC, "authors"."name" LIMIT $3::bigint OFFSET $4::bigint'
        ),
        (
            "SELECT `authors`.`id`, `authors`.`email`, `authors`.`name`, `authors`.`age`, "
            "`authors`.`active`, `authors`.`joined`, `authors`.`version` FROM `authors` WHERE "
            "`authors`.`age` > ? AND `authors`.`email` LIKE ? ESCAPE '!' ORDER BY "
            "`authors`.`joined` DESC, `authors`.`name` LIMIT ? OFFSET ?"
        ),
        (25, "*@x.org", 10, 20),
        postgresql_parameters=(25, "%@x.org", 10, 20),
        mysql_parameters=(25, "%@x.org", 10, 20),
    ),
    Case(
        "columns",
        lambda: select(Author.id, Author.email),
        'SELECT "authors"."id", "authors"."email" FROM "authors"',
        'SELECT "authors"."id", "authors"."email" FROM "authors"',
        "SELECT `authors`.`id`, `authors`.`email` FROM `authors`",
        (),
    ),
    Case(
        "distinct",
        lambda: select(Author.age).distinct(),
        'SELECT DISTINCT "authors"."age" FROM "authors"',
        'SELECT DISTINCT "authors"."age" FROM "authors"',
        "SELECT DISTINCT `authors`.`age` FROM `authors`",
        (),
    ),
    Case(
        "offset_alone",
        lambda: select(Author.id).order_by(Author.id).offset(5),
        'SELECT "authors"."id" FROM "authors" ORDER BY "authors"."id" LIMIT -1 OFFSET ?1',
        'SELECT "authors"."id" FROM "authors" ORDER BY "authors"."id" OFFSET $1::bigint',
        (
            "SELECT `authors`.`id` FROM `authors` ORDER BY `authors`.`id` LIMIT "
            "18446744073709551615 OFFSET ?"
        ),
        (5,),
    ),
    Case(
        "nulls_order",
        lambda: select(Author.id).order_by(Author.age.nulls_first(), Author.id.desc()),
        (
            'SELECT "authors"."id" FROM "authors" ORDER BY "authors"."age" NULLS FIRST, '
            '"authors"."id" DESC'
        ),
        (
            'SELECT "authors"."id" FROM "authors" ORDER BY "authors"."age" NULLS FIRST, '
            '"authors"."id" DESC'
        ),
        (
            "SELECT `authors`.`id` FROM `authors` ORDER BY (`authors`.`age`) IS NULL DESC, "
            "`authors`.`age`, `authors`.`id` DESC"
        ),
        (),
    ),
    Case(
        "join",
        lambda: select(Book.title).join(Author, Book.author_id == Author.id).filter(Author.age > 3),
        (
            'SELECT "books"."title" FROM "books" JOIN "authors" ON "books"."author_id" = '
            '"authors"."id" WHERE "authors"."age" > ?1'
        ),
        (
            'SELECT "books"."title" FROM "books" JOIN "authors" ON "books"."author_id" = '
            '"authors"."id" WHERE "authors"."age" > $1::bigint'
        ),
        (
            "SELECT `books`.`title` FROM `books` JOIN `authors` ON `books`.`author_id` = "
            "`authors`.`id` WHERE `authors`.`age` > ?"
        ),
        (3,),
    ),
    Case(
        "outer_join",
        lambda: select(Book.title, Author.name).join(
            Author, Book.author_id == Author.id, outer=True
        ),
        (
            'SELECT "books"."title", "authors"."name" FROM "books" LEFT JOIN "authors" ON '
            '"books"."author_id" = "authors"."id"'
        ),
        (
            'SELECT "books"."title", "authors"."name" FROM "books" LEFT JOIN "authors" ON '
            '"books"."author_id" = "authors"."id"'
        ),
        (
            "SELECT `books`.`title`, `authors`.`name` FROM `books` LEFT JOIN `authors` ON "
            "`books`.`author_id` = `authors`.`id`"
        ),
        (),
    ),
    Case(
        "alias",
        lambda: select(Author.id, Other.id).join(Other, Other.age == Author.age),
        (
            'SELECT "authors"."id", "authors_1"."id" FROM "authors" JOIN "authors" AS '
            '"authors_1" ON "authors_1"."age" = "authors"."age"'
        ),
        (
            'SELECT "authors"."id", "authors_1"."id" FROM "authors" JOIN "authors" AS '
            '"authors_1" ON "authors_1"."age" = "authors"."age"'
        ),
        (
            "SELECT `authors`.`id`, `authors_1`.`id` FROM `authors` JOIN `authors` AS "
            "`authors_1` ON `authors_1`.`age` = `authors`.`age`"
        ),
        (),
    ),
    Case(
        "for_update",
        lambda: select(Counter).filter(Counter.id == 1).for_update(),
        'SELECT "counters"."id", "counters"."label" FROM "counters" WHERE "counters"."id" = ?1',
        (
            'SELECT "counters"."id", "counters"."label" FROM "counters" WHERE "counters"."id" '
            "= $1::bigint FOR UPDATE"
        ),
        (
            "SELECT `counters`.`id`, `counters`.`label` FROM `counters` WHERE `counters`.`id` "
            "= ? FOR UPDATE"
        ),
        (1,),
    ),
    # -- conditions
    Case(
        "and_or_not",
        lambda: select(Author.id).filter(
            (Author.age >= 18) & ~(Author.name == "x") | Author.age.in_([1, 2])
        ),
        (
            'SELECT "authors"."id" FROM "authors" WHERE ("authors"."age" >= ?1 AND NOT '
            '("authors"."name" = ?2)) OR "authors"."age" IN (?3, ?4)'
        ),
        (
            'SELECT "authors"."id" FROM "authors" WHERE ("authors"."age" >= $1::bigint AND NOT '
            '("authors"."name" = $2::text)) OR "authors"."age" = ANY($3::bigint[])'
        ),
        (
            "SELECT `authors`.`id` FROM `authors` WHERE (`authors`.`age` >= ? AND NOT "
            "(`authors`.`name` = ?)) OR `authors`.`age` IN (?, ?)"
        ),
        (18, "x", 1, 2),
        postgresql_parameters=(18, "x", [1, 2]),
    ),
    Case(
        "or_in_and",
        lambda: select(Author.id).filter((Author.age > 1) | (Author.age < 0), Author.active),
        (
            'SELECT "authors"."id" FROM "authors" WHERE ("authors"."age" > ?1 OR '
            '"authors"."age" < ?2) AND "authors"."active"'
        ),
        (
            'SELECT "authors"."id" FROM "authors" WHERE ("authors"."age" > $1::bigint OR '
            '"authors"."age" < $2::bigint) AND "authors"."active"'
        ),
        (
            "SELECT `authors`.`id` FROM `authors` WHERE (`authors`.`age` > ? OR "
            "`authors`.`age` < ?) AND `authors`.`active`"
        ),
        (1, 0),
    ),
    Case(
        "null",
        lambda: select(Author.id).filter((Author.age == None) | (Author.name != None)),
        (
            'SELECT "authors"."id" FROM "authors" WHERE "authors"."age" IS NULL OR '
            '"authors"."name" IS NOT NULL'
        ),
        (
            'SELECT "authors"."id" FROM "authors" WHERE "authors"."age" IS NULL OR '
            '"authors"."name" IS NOT NULL'
        ),
        (
            "SELECT `authors`.`id` FROM `authors` WHERE `authors`.`age` IS NULL OR "
            "`authors`.`name` IS NOT NULL"
        ),
        (),
    ),
    Case(
        "in_null",
        lambda: select(Author.id).filter(Author.age.in_([1, None])),
        (
            'SELECT "authors"."id" FROM "authors" WHERE "authors"."age" IN (?1) OR '
            '"authors"."age" IS NULL'
        ),
        (
            'SELECT "authors"."id" FROM "authors" WHERE "authors"."age" = ANY($1::bigint[]) OR '
            '"authors"."age" IS NULL'
        ),
        (
            "SELECT `authors`.`id` FROM `authors` WHERE `authors`.`age` IN (?) OR "
            "`authors`.`age` IS NULL"
        ),
        (1,),
        postgresql_parameters=([1],),
    ),
    Case(
        "not_in_null",
        lambda: select(Author.id).filter(Author.age.not_in([1, None])),
        (
            'SELECT "authors"."id" FROM "authors" WHERE "authors"."age" NOT IN (?1) AND '
            '"authors"."age" IS NOT NULL'
        ),
        (
            'SELECT "authors"."id" FROM "authors" WHERE "authors"."age" <> ALL($1::bigint[]) '
            'AND "authors"."age" IS NOT NULL'
        ),
        (
            "SELECT `authors`.`id` FROM `authors` WHERE `authors`.`age` NOT IN (?) AND "
            "`authors`.`age` IS NOT NULL"
        ),
        (1,),
        postgresql_parameters=([1],),
    ),
    Case(
        "in_nothing",
        lambda: select(Author.id).filter(Author.age.in_([])),
        'SELECT "authors"."id" FROM "authors" WHERE FALSE',
        'SELECT "authors"."id" FROM "authors" WHERE FALSE',
        "SELECT `authors`.`id` FROM `authors` WHERE FALSE",
        (),
    ),
    Case(
        "not_in_nothing",
        lambda: select(Author.id).filter(Author.age.not_in([])),
        'SELECT "authors"."id" FROM "authors" WHERE TRUE',
        'SELECT "authors"."id" FROM "authors" WHERE TRUE',
        "SELECT `authors`.`id` FROM `authors` WHERE TRUE",
        (),
    ),
    Case(
        "between",
        lambda: select(Author.id).filter(Author.age.between(1, 2), Author.name == "x"),
        (
            'SELECT "authors"."id" FROM "authors" WHERE "authors"."age" BETWEEN ?1 AND ?2 AND '
            '"authors"."name" = ?3'
        ),
        (
            'SELECT "authors"."id" FROM "authors" WHERE "authors"."age" BETWEEN $1::bigint AND '
            '$2::bigint AND "authors"."name" = $3::text'
        ),
        (
            "SELECT `authors`.`id` FROM `authors` WHERE `authors`.`age` BETWEEN ? AND ? AND "
            "`authors`.`name` = ?"
        ),
        (1, 2, "x"),
    ),
    Case(
        "no_condition",
        lambda: select(Author.id).filter(and_()),
        'SELECT "authors"."id" FROM "authors" WHERE TRUE',
        'SELECT "authors"."id" FROM "authors" WHERE TRUE',
        "SELECT `authors`.`id` FROM `authors` WHERE TRUE",
        (),
    ),
    Case(
        "instant",
        lambda: select(Author.id).filter(Author.joined >= MOMENT),
        'SELECT "authors"."id" FROM "authors" WHERE "authors"."joined" >= ?1',
        'SELECT "authors"."id" FROM "authors" WHERE "authors"."joined" >= $1::timestamptz',
        "SELECT `authors`.`id` FROM `authors` WHERE `authors`.`joined` >= ?",
        ("2024-01-02 03:04:05.000006+00:00",),
        postgresql_parameters=(datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC),),
        mysql_parameters=(datetime(2024, 1, 2, 3, 4, 5, 6),),
    ),
    Case(
        "wide_integer",
        lambda: select(Author.id).filter(Author.id < 2**40),
        'SELECT "authors"."id" FROM "authors" WHERE "authors"."id" < ?1',
        'SELECT "authors"."id" FROM "authors" WHERE "authors"."id" < $1::bigint',
        "SELECT `authors`.`id` FROM `authors` WHERE `authors`.`id` < ?",
        (1099511627776,),
    ),
    # -- text
    Case(
        "like",
        lambda: select(Author.id).filter(Author.name.like("A_%")),
        'SELECT "authors"."id" FROM "authors" WHERE "authors"."name" GLOB ?1',
        'SELECT "authors"."id" FROM "authors" WHERE "authors"."name" LIKE $1::text ESCAPE \'!\'',
        "SELECT `authors`.`id` FROM `authors` WHERE `authors`.`name` LIKE ? ESCAPE '!'",
        ("A?*",),
        postgresql_parameters=("A_%",),
        mysql_parameters=("A_%",),
    ),
    Case(
        "like_escape",
        lambda: select(Author.id).filter(Author.name.like("100!%|%%", escape="|")),
        'SELECT "authors"."id" FROM "authors" WHERE "authors"."name" GLOB ?1',
        'SELECT "authors"."id" FROM "authors" WHERE "authors"."name" LIKE $1::text ESCAPE \'!\'',
        "SELECT `authors`.`id` FROM `authors` WHERE `authors`.`name` LIKE ? ESCAPE '!'",
        ("100!*%*",),
        postgresql_parameters=("100!!%!%%",),
        mysql_parameters=("100!!%!%%",),
    ),
    Case(
        "ilike",
        lambda: select(Author.id).filter(Author.name.ilike("a%")),
        'SELECT "authors"."id" FROM "authors" WHERE uow_ilike(?1, "authors"."name")',
        'SELECT "authors"."id" FROM "authors" WHERE "authors"."name" ILIKE $1::text ESCAPE \'!\'',
        (
            "SELECT `authors`.`id` FROM `authors` WHERE LOWER(`authors`.`name`) COLLATE "
            "utf8mb4_0900_bin LIKE LOWER(?) ESCAPE '!'"
        ),
        ("a%",),
    ),
    Case(
        "startswith",
        lambda: select(Author.id).filter(Author.name.startswith("5%_!*[")),
        'SELECT "authors"."id" FROM "authors" WHERE "authors"."name" GLOB ?1',
        'SELECT "authors"."id" FROM "authors" WHERE "authors"."name" LIKE $1::text ESCAPE \'!\'',
        "SELECT `authors`.`id` FROM `authors` WHERE `authors`.`name` LIKE ? ESCAPE '!'",
        ("5%_![*][[]*",),
        postgresql_parameters=("5!%!_!!*[%",),
        mysql_parameters=("5!%!_!!*[%",),
    ),
    Case(
        "endswith",
        lambda: select(Author.id).filter(Author.name.endswith("\\")),
        'SELECT "authors"."id" FROM "authors" WHERE "authors"."name" GLOB ?1',
        'SELECT "authors"."id" FROM "authors" WHERE "authors"."name" LIKE $1::text ESCAPE \'!\'',
        "SELECT `authors`.`id` FROM `authors` WHERE `authors`.`name` LIKE ? ESCAPE '!'",
        ("*\\",),
        postgresql_parameters=("%\\",),
        mysql_parameters=("%\\",),
    ),
    Case(
        "contains",
        lambda: select(Author.id).filter(Author.name.contains("?")),
        'SELECT "authors"."id" FROM "authors" WHERE "authors"."name" GLOB ?1',
        'SELECT "authors"."id" FROM "authors" WHERE "authors"."name" LIKE $1::text ESCAPE \'!\'',
        "SELECT `authors`.`id` FROM `authors` WHERE `authors`.`name` LIKE ? ESCAPE '!'",
        ("*[?]*",),
        postgresql_parameters=("%?%",),
        mysql_parameters=("%?%",),
    ),
    Case(
        "like_column",
        lambda: select(Author.id).filter(Author.email.like(Author.name)),
        (
            'SELECT "authors"."id" FROM "authors" WHERE uow_like(replace("authors"."name", ?1, '
            '?2), "authors"."email")'
        ),
        (
            'SELECT "authors"."id" FROM "authors" WHERE "authors"."email" LIKE '
            'replace("authors"."name", $1::text, $2::text) ESCAPE \'!\''
        ),
        (
            "SELECT `authors`.`id` FROM `authors` WHERE `authors`.`email` LIKE "
            "replace(`authors`.`name`, ?, ?) ESCAPE '!'"
        ),
        ("!", "!!"),
    ),
    Case(
        "concat",
        lambda: select(Author.name + " " + Author.email),
        'SELECT ("authors"."name" || ?1) || "authors"."email" FROM "authors"',
        'SELECT ("authors"."name" || $1::text) || "authors"."email" FROM "authors"',
        "SELECT CONCAT(CONCAT(`authors`.`name`, ?), `authors`.`email`) FROM `authors`",
        (" ",),
    ),
    Case(
        "text_functions",
        lambda: select(
            func.lower(Author.name),
            func.upper(Author.name),
            func.length(Author.name),
            func.trim(Author.name),
            func.replace(Author.name, "a", "b"),
            func.substr(Author.name, 1, 2),
        ),
        (
            'SELECT uow_lower("authors"."name"), uow_upper("authors"."name"), '
            'length("authors"."name"), trim("authors"."name"), replace("authors"."name", ?1, '
            '?2), substr("authors"."name", ?3, ?4) FROM "authors"'
        ),
        (
            'SELECT lower("authors"."name"), upper("authors"."name"), '
            'length("authors"."name"), btrim("authors"."name"), replace("authors"."name", '
            '$1::text, $2::text), substr("authors"."name", $3::integer, $4::integer) FROM '
            '"authors"'
        ),
        (
            "SELECT lower(`authors`.`name`), upper(`authors`.`name`), "
            "CHAR_LENGTH(`authors`.`name`), trim(`authors`.`name`), replace(`authors`.`name`, "
            "?, ?), substr(`authors`.`name`, ?, ?) FROM `authors`"
        ),
        ("a", "b", 1, 2),
    ),
    # -- numbers
    Case(
        "arithmetic",
        lambda: select((Author.age + 1) * 2 - (Author.age - (Author.age - 1)), -(-Author.age)),
        (
            'SELECT (("authors"."age" + ?1) * ?2) - ("authors"."age" - ("authors"."age" - '
            '?3)), -(-"authors"."age") FROM "authors"'
        ),
        (
            'SELECT (("authors"."age" + $1::bigint) * $2::bigint) - ("authors"."age" - '
            '("authors"."age" - $3::bigint)), -(-"authors"."age") FROM "authors"'
        ),
        (
            "SELECT ((`authors`.`age` + ?) * ?) - (`authors`.`age` - (`authors`.`age` - ?)), "
            "-(-`authors`.`age`) FROM `authors`"
        ),
        (1, 2, 1),
    ),
    Case(
        "division",
        lambda: select(Author.age / 2, Author.age % 3),
        'SELECT CAST("authors"."age" AS REAL) / ?1, "authors"."age" % ?2 FROM "authors"',
        (
            'SELECT CAST("authors"."age" AS double precision) / nullif($1::bigint, 0), '
            '"authors"."age" % nullif($2::bigint, 0) FROM "authors"'
        ),
        "SELECT CAST(`authors`.`age` AS DOUBLE) / ?, `authors`.`age` % ? FROM `authors`",
        (2, 3),
    ),
    Case(
        "decimals",
        lambda: select(
            Book.price * 2 + Decimal("0.5"), Book.price / 3, -Book.price, Book.price % 2
        ),
        (
            'SELECT uow_decimal_add(uow_decimal_mul("books"."price", ?1), ?2), '
            'uow_decimal_div("books"."price", ?3), uow_decimal_neg("books"."price"), '
            'uow_decimal_mod("books"."price", ?4) FROM "books"'
        ),
        (
            'SELECT ("books"."price" * $1::numeric) + $2::numeric, '
            'round(round(CAST("books"."price" AS numeric), 20) / nullif($3::numeric, 0), 12), '
            '-"books"."price", "books"."price" % nullif($4::numeric, 0) FROM "books"'
        ),
        (
            "SELECT (`books`.`price` * ?) + ?, ROUND(CAST(`books`.`price` AS DECIMAL(50, 16)) "
            "/ ?, 12), -`books`.`price`, `books`.`price` % ? FROM `books`"
        ),
        ("2", "0.5", "3", "2"),
        postgresql_parameters=(Decimal(2), Decimal("0.5"), Decimal(3), Decimal(2)),
        mysql_parameters=(Decimal(2), Decimal("0.5"), Decimal(3), Decimal(2)),
    ),
    Case(
        "decimal_order",
        lambda: (
            select(Book.id)
            .filter(Book.price > Decimal("9.99"), Book.price.in_([1, Decimal("1.50")]))
            .order_by(Book.price.desc())
        ),
        (
            'SELECT "books"."id" FROM "books" WHERE "books"."price" COLLATE "uow_decimal" > ?1 '
            'AND "books"."price" COLLATE "uow_decimal" IN (?2, ?3) ORDER BY "books"."price" '
            'COLLATE "uow_decimal" DESC'
        ),
        (
            'SELECT "books"."id" FROM "books" WHERE "books"."price" > $1::numeric AND '
            '"books"."price" = ANY($2::numeric[]) ORDER BY "books"."price" DESC'
        ),
        (
            "SELECT `books`.`id` FROM `books` WHERE `books`.`price` > ? AND `books`.`price` IN "
            "(?, ?) ORDER BY `books`.`price` DESC"
        ),
        ("9.99", "1", "1.5"),
        postgresql_parameters=(Decimal("9.99"), [Decimal(1), Decimal("1.50")]),
        mysql_parameters=(Decimal("9.99"), Decimal(1), Decimal("1.50")),
    ),
    Case(
        "rounding",
        lambda: select(
            func.round(Book.price, 1),
            func.round(Book.score, 1),
            func.abs(Book.price),
            func.ceil(Book.price),
            func.floor(Book.score),
        ),
        (
            'SELECT uow_decimal_round("books"."price", ?1), uow_round("books"."score", ?2), '
            'uow_decimal_abs("books"."price"), uow_decimal_ceil("books"."price"), '
            'floor("books"."score") FROM "books"'
        ),
        (
            'SELECT round(CAST("books"."price" AS numeric), $1::integer), '
            'CAST(round(CAST("books"."score" AS numeric), $2::integer) AS double precision), '
            'abs("books"."price"), ceil("books"."price"), floor("books"."score") FROM "books"'
        ),
        (
            "SELECT ROUND(`books`.`price`, ?), CAST(ROUND(CAST(`books`.`score` AS DECIMAL(65, "
            "30)), ?) AS DOUBLE), abs(`books`.`price`), CAST(ceil(`books`.`price`) AS "
            "DECIMAL(65, 0)), floor(`books`.`score`) FROM `books`"
        ),
        (1, 1),
    ),
    Case(
        "casts",
        lambda: select(Book.score.cast(int), Book.price.cast(float), Author.age.cast(str)).join(
            Author, Book.author_id == Author.id
        ),
        (
            'SELECT CAST("books"."score" AS INTEGER), CAST("books"."price" AS REAL), '
            'CAST("authors"."age" AS TEXT) FROM "books" JOIN "authors" ON "books"."author_id" '
            '= "authors"."id"'
        ),
        (
            'SELECT CAST(trunc("books"."score") AS bigint), CAST("books"."price" AS double '
            'precision), CAST("authors"."age" AS text) FROM "books" JOIN "authors" ON '
            '"books"."author_id" = "authors"."id"'
        ),
        (
            "SELECT CAST(TRUNCATE(`books`.`score`, 0) AS SIGNED), CAST(`books`.`price` AS "
            "DOUBLE), CAST(`authors`.`age` AS CHAR) FROM `books` JOIN `authors` ON "
            "`books`.`author_id` = `authors`.`id`"
        ),
        (),
    ),
    # -- groups
    Case(
        "group_by",
        lambda: (
            select(Author.age, func.count())
            .group_by(Author.age)
            .having(func.count() > 2)
            .order_by(func.count().desc())
        ),
        (
            'SELECT "authors"."age", count(*) FROM "authors" GROUP BY "authors"."age" HAVING '
            "count(*) > ?1 ORDER BY count(*) DESC"
        ),
        (
            'SELECT "authors"."age", count(*) FROM "authors" GROUP BY "authors"."age" HAVING '
            "count(*) > $1::bigint ORDER BY count(*) DESC"
        ),
        (
            "SELECT `authors`.`age`, count(*) FROM `authors` GROUP BY `authors`.`age` HAVING "
            "count(*) > ? ORDER BY count(*) DESC"
        ),
        (2,),
    ),
    Case(
        "group_label",
        lambda: select(LABEL, func.count()).group_by(LABEL).order_by(LABEL.desc()),
        (
            'SELECT coalesce("authors"."age", ?1) + ?2 AS "next", count(*) FROM "authors" '
            'GROUP BY "next" ORDER BY "next" DESC'
        ),
        (
            'SELECT coalesce("authors"."age", $1::bigint) + $2::bigint AS "next", count(*) '
            'FROM "authors" GROUP BY "next" ORDER BY "next" DESC'
        ),
        (
            "SELECT coalesce(`authors`.`age`, ?) + ? AS `next`, count(*) FROM `authors` GROUP "
            "BY `next` ORDER BY `next` DESC"
        ),
        (0, 1),
    ),
    Case(
        "aggregates",
        lambda: select(
            func.count(Author.age).distinct(),
            func.sum(Author.age),
            func.avg(Author.age),
            func.max(Author.joined),
        ),
        (
            'SELECT count(DISTINCT "authors"."age"), sum("authors"."age"), '
            'avg("authors"."age"), max("authors"."joined") FROM "authors"'
        ),
        (
            'SELECT count(DISTINCT "authors"."age"), CAST(sum("authors"."age") AS bigint), '
            'CAST(avg("authors"."age") AS double precision), max("authors"."joined") FROM '
            '"authors"'
        ),
        (
            "SELECT count(DISTINCT `authors`.`age`), CAST(sum(`authors`.`age`) AS SIGNED), "
            "avg(CAST(`authors`.`age` AS DOUBLE)), max(`authors`.`joined`) FROM `authors`"
        ),
        (),
    ),
    Case(
        "decimal_aggregates",
        lambda: select(
            func.sum(Book.price),
            func.avg(Book.price),
            func.min(Book.price),
            func.count(Book.price).distinct(),
        ),
        (
            'SELECT uow_decimal_sum("books"."price"), uow_decimal_avg("books"."price"), '
            'min("books"."price" COLLATE "uow_decimal"), count(DISTINCT "books"."price" '
            'COLLATE "uow_decimal") FROM "books"'
        ),
        (
            'SELECT sum("books"."price"), round(avg(round("books"."price", 20)), 12), '
            'min("books"."price"), count(DISTINCT "books"."price") FROM "books"'
        ),
        (
            "SELECT sum(`books`.`price`), ROUND(avg(CAST(`books`.`price` AS DECIMAL(50, 16))), "
            "12), min(`books`.`price`), count(DISTINCT `books`.`price`) FROM `books`"
        ),
        (),
    ),
    # -- choices
    Case(
        "case",
        lambda: select(case((Author.age > 3, "old"), else_="new")),
        'SELECT CASE WHEN "authors"."age" > ?1 THEN ?2 ELSE ?3 END FROM "authors"',
        (
            'SELECT CASE WHEN "authors"."age" > $1::bigint THEN $2::text ELSE $3::text END '
            'FROM "authors"'
        ),
        "SELECT CASE WHEN `authors`.`age` > ? THEN ? ELSE ? END FROM `authors`",
        (3, "old", "new"),
    ),
    Case(
        "coalesce",
        lambda: select(
            func.coalesce(Author.age, 0),
            func.nullif(Author.age, 1),
            func.greatest(Author.age, 1),
            func.least(Author.age, 1),
        ),
        (
            'SELECT coalesce("authors"."age", ?1), nullif("authors"."age", ?2), '
            'max("authors"."age", ?3), min("authors"."age", ?4) FROM "authors"'
        ),
        (
            'SELECT coalesce("authors"."age", $1::bigint), nullif("authors"."age", '
            '$2::bigint), greatest("authors"."age", $3::bigint), least("authors"."age", '
            '$4::bigint) FROM "authors"'
        ),
        (
            "SELECT coalesce(`authors`.`age`, ?), nullif(`authors`.`age`, ?), "
            "greatest(`authors`.`age`, ?), least(`authors`.`age`, ?) FROM `authors`"
        ),
        (0, 1, 1, 1),
    ),
    Case(
        "unknown_function",
        lambda: select(func.soundex(Author.name)),
        'SELECT soundex("authors"."name") FROM "authors"',
        'SELECT soundex("authors"."name") FROM "authors"',
        "SELECT soundex(`authors`.`name`) FROM `authors`",
        (),
    ),
    # -- time
    Case(
        "now",
        lambda: select(func.now(), func.current_date()),
        "SELECT (strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now')), (date('now'))",
        "SELECT now(), CAST((now() AT TIME ZONE 'utc') AS date)",
        "SELECT (UTC_TIMESTAMP(6)), (UTC_DATE())",
        (),
    ),
    Case(
        "time_arithmetic",
        lambda: select(Author.joined + timedelta(hours=1), func.now() - Author.joined),
        (
            'SELECT uow_instant_add("authors"."joined", ?1), '
            "uow_instant_diff((strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now')), "
            '"authors"."joined") FROM "authors"'
        ),
        'SELECT "authors"."joined" + $1::interval, now() - "authors"."joined" FROM "authors"',
        (
            "SELECT DATE_ADD(`authors`.`joined`, INTERVAL ? MICROSECOND), "
            "TIMESTAMPDIFF(MICROSECOND, `authors`.`joined`, (UTC_TIMESTAMP(6))) FROM `authors`"
        ),
        (3600000000,),
        postgresql_parameters=(timedelta(seconds=3600),),
    ),
    # -- subqueries
    Case(
        "exists",
        lambda: select(Author.id).filter(
            exists(select(Book.id).filter(Book.author_id == Author.id))
        ),
        (
            'SELECT "authors"."id" FROM "authors" WHERE EXISTS (SELECT 1 FROM "books" WHERE '
            '"books"."author_id" = "authors"."id")'
        ),
        (
            'SELECT "authors"."id" FROM "authors" WHERE EXISTS (SELECT 1 FROM "books" WHERE '
            '"books"."author_id" = "authors"."id")'
        ),
        (
            "SELECT `authors`.`id` FROM `authors` WHERE EXISTS (SELECT 1 FROM `books` WHERE "
            "`books`.`author_id` = `authors`.`id`)"
        ),
        (),
    ),
    Case(
        "in_subquery",
        lambda: select(Author.id).filter(
            Author.id.in_(select(Book.author_id).filter(Book.price > 3))
        ),
        (
            'SELECT "authors"."id" FROM "authors" WHERE "authors"."id" IN (SELECT '
            '"books"."author_id" FROM "books" WHERE "books"."price" COLLATE "uow_decimal" > ?1)'
        ),
        (
            'SELECT "authors"."id" FROM "authors" WHERE "authors"."id" IN (SELECT '
            '"books"."author_id" FROM "books" WHERE "books"."price" > $1::numeric)'
        ),
        (
            "SELECT `authors`.`id` FROM `authors` WHERE `authors`.`id` IN (SELECT "
            "`books`.`author_id` FROM `books` WHERE `books`.`price` > ?)"
        ),
        ("3",),
        postgresql_parameters=(Decimal(3),),
        mysql_parameters=(Decimal(3),),
    ),
    Case(
        "in_limited",
        lambda: select(Author.id).filter(
            Author.id.in_(select(Book.author_id).order_by(Book.title).limit(1))
        ),
        (
            'SELECT "authors"."id" FROM "authors" WHERE "authors"."id" IN (SELECT '
            '"books"."author_id" FROM "books" ORDER BY "books"."title" LIMIT ?1)'
        ),
        (
            'SELECT "authors"."id" FROM "authors" WHERE "authors"."id" IN (SELECT '
            '"books"."author_id" FROM "books" ORDER BY "books"."title" LIMIT $1::bigint)'
        ),
        (
            "SELECT `authors`.`id` FROM `authors` WHERE `authors`.`id` IN (SELECT * FROM "
            "(SELECT `books`.`author_id` AS `c1` FROM `books` ORDER BY `books`.`title` LIMIT "
            "?) AS `uow_inner`)"
        ),
        (1,),
    ),
    # -- JSON
    Case(
        "json_number",
        lambda: select(Book.id).filter(Book.dims["width"] > 3),
        (
            'SELECT "books"."id" FROM "books" WHERE CASE WHEN json_type("books"."dims", ?1) IN '
            "('integer', 'real') THEN json_extract(\"books\".\"dims\", ?1) END > ?2"
        ),
        (
            'SELECT "books"."id" FROM "books" WHERE CASE WHEN jsonb_typeof("books"."dims" -> '
            "$1::text) = 'number' THEN CAST((\"books\".\"dims\" -> $1::text) #>> '{}' AS numeric) "
            "END > $2::bigint"
        ),
        (
            "SELECT `books`.`id` FROM `books` WHERE CASE WHEN "
            "JSON_TYPE(JSON_EXTRACT(`books`.`dims`, ?)) "
            "COLLATE utf8mb4_0900_bin IN ('INTEGER', 'UNSIGNED INTEGER', "
            "'DOUBLE', 'DECIMAL') THEN CAST(JSON_UNQUOTE(JSON_EXTRACT(`books`.`dims`, ?)) "
            "COLLATE utf8mb4_0900_bin AS DOUBLE) END > ?"
        ),
        ('$."width"', 3),
        postgresql_parameters=("width", 3),
        mysql_parameters=('$."width"', '$."width"', 3),
    ),
    Case(
        "json_text",
        lambda: select(Book.id).filter(Book.dims["name"] == "x"),
        (
            'SELECT "books"."id" FROM "books" WHERE CASE WHEN json_type("books"."dims", ?1) = '
            '\'text\' THEN json_extract("books"."dims", ?1) END = ?2'
        ),
        (
            'SELECT "books"."id" FROM "books" WHERE CASE WHEN jsonb_typeof("books"."dims" -> '
            "$1::text) = 'string' THEN (\"books\".\"dims\" -> $1::text) #>> '{}' END = $2::text"
        ),
        (
            "SELECT `books`.`id` FROM `books` WHERE CASE WHEN "
            "JSON_TYPE(JSON_EXTRACT(`books`.`dims`, ?)) COLLATE utf8mb4_0900_bin = 'STRING' THEN "
            "JSON_UNQUOTE(JSON_EXTRACT(`books`.`dims`, ?)) COLLATE utf8mb4_0900_bin END = ?"
        ),
        ('$."name"', "x"),
        postgresql_parameters=("name", "x"),
        mysql_parameters=('$."name"', '$."name"', "x"),
    ),
    Case(
        "json_not",
        lambda: select(Book.id).filter(Book.dims["ok"] != True),
        (
            'SELECT "books"."id" FROM "books" WHERE CASE WHEN json_extract("books"."dims", ?1) '
            'IS NOT NULL THEN COALESCE(CASE WHEN json_type("books"."dims", ?1) IN (\'true\', '
            '\'false\') THEN json_extract("books"."dims", ?1) END <> ?2, TRUE) END'
        ),
        (
            'SELECT "books"."id" FROM "books" WHERE CASE WHEN (("books"."dims" -> $1::text) '
            '#>> \'{}\') IS NOT NULL THEN COALESCE(CASE WHEN jsonb_typeof("books"."dims" -> '
            "$1::text) = 'boolean' THEN CAST((\"books\".\"dims\" -> $1::text) #>> '{}' AS boolean) "
            "END <> $2::boolean, TRUE) END"
        ),
        (
            "SELECT `books`.`id` FROM `books` WHERE CASE WHEN "
            "NULLIF(JSON_TYPE(JSON_EXTRACT(`books`.`dims`, ?)) "
            "COLLATE utf8mb4_0900_bin, 'NULL') IS NOT NULL THEN "
            "COALESCE(CASE WHEN JSON_TYPE(JSON_EXTRACT(`books`.`dims`, ?)) "
            "COLLATE utf8mb4_0900_bin = 'BOOLEAN' THEN "
            "(JSON_UNQUOTE(JSON_EXTRACT(`books`.`dims`, ?)) COLLATE utf8mb4_0900_bin = 'true') "
            "END <> ?, TRUE) END"
        ),
        ('$."ok"', True),
        postgresql_parameters=("ok", True),
        mysql_parameters=('$."ok"', '$."ok"', '$."ok"', True),
    ),
    Case(
        "json_null",
        lambda: select(Book.id).filter(Book.dims["k"] == None),
        'SELECT "books"."id" FROM "books" WHERE json_extract("books"."dims", ?1) IS NULL',
        'SELECT "books"."id" FROM "books" WHERE (("books"."dims" -> $1::text) #>> \'{}\') IS NULL',
        (
            "SELECT `books`.`id` FROM `books` WHERE "
            "NULLIF(JSON_TYPE(JSON_EXTRACT(`books`.`dims`, ?)) "
            "COLLATE utf8mb4_0900_bin, 'NULL') IS NULL"
        ),
        ('$."k"',),
        postgresql_parameters=("k",),
    ),
    Case(
        "json_path",
        lambda: select(Book.dims["a"][0]["b c"], Book.dims["a"][-1]),
        'SELECT "books"."dims" -> ?1, "books"."dims" -> ?2 FROM "books"',
        (
            'SELECT "books"."dims" -> $1::text -> $2::integer -> $3::text, "books"."dims" -> '
            '$4::text -> $5::integer FROM "books"'
        ),
        "SELECT JSON_EXTRACT(`books`.`dims`, ?), JSON_EXTRACT(`books`.`dims`, ?) FROM `books`",
        ('$."a"[0]."b c"', '$."a"[#-1]'),
        postgresql_parameters=("a", 0, "b c", "a", -1),
        mysql_parameters=('$."a"[0]."b c"', '$."a"[last]'),
    ),
    Case(
        "json_key_is_data",
        lambda: select(Book.dims["a\"].b') OR 1=1 --"]),
        'SELECT "books"."dims" -> ?1 FROM "books"',
        'SELECT "books"."dims" -> $1::text FROM "books"',
        "SELECT JSON_EXTRACT(`books`.`dims`, ?) FROM `books`",
        ('$."a\\"].b\') OR 1=1 --"',),
        postgresql_parameters=("a\"].b') OR 1=1 --",),
    ),
    Case(
        "json_in",
        lambda: select(Book.id).filter(Book.dims["k"].in_([1, "a"])),
        (
            'SELECT "books"."id" FROM "books" WHERE (CASE WHEN json_type("books"."dims", ?1) '
            "IN ('integer', 'real') THEN json_extract(\"books\".\"dims\", ?1) END IN (?2) OR CASE "
            'WHEN json_type("books"."dims", ?1) = \'text\' THEN json_extract("books"."dims", ?1) '
            "END IN (?3))"
        ),
        (
            'SELECT "books"."id" FROM "books" WHERE (CASE WHEN jsonb_typeof("books"."dims" -> '
            "$1::text) = 'number' THEN CAST((\"books\".\"dims\" -> $1::text) #>> '{}' AS numeric) "
            'END IN ($2::bigint) OR CASE WHEN jsonb_typeof("books"."dims" -> $1::text) = '
            "'string' THEN (\"books\".\"dims\" -> $1::text) #>> '{}' END IN ($3::text))"
        ),
        (
            "SELECT `books`.`id` FROM `books` WHERE (CASE WHEN "
            "JSON_TYPE(JSON_EXTRACT(`books`.`dims`, ?)) "
            "COLLATE utf8mb4_0900_bin IN ('INTEGER', 'UNSIGNED INTEGER', "
            "'DOUBLE', 'DECIMAL') THEN CAST(JSON_UNQUOTE(JSON_EXTRACT(`books`.`dims`, ?)) "
            "COLLATE utf8mb4_0900_bin AS DOUBLE) END IN (?) OR CASE WHEN "
            "JSON_TYPE(JSON_EXTRACT(`books`.`dims`, ?)) COLLATE utf8mb4_0900_bin = 'STRING' THEN "
            "JSON_UNQUOTE(JSON_EXTRACT(`books`.`dims`, ?)) COLLATE utf8mb4_0900_bin END IN (?))"
        ),
        ('$."k"', 1, "a"),
        postgresql_parameters=("k", 1, "a"),
        mysql_parameters=('$."k"', '$."k"', 1, '$."k"', '$."k"', "a"),
    ),
    Case(
        "json_between",
        lambda: select(Book.id).filter(Book.dims["k"].between(1, 2)),
        (
            'SELECT "books"."id" FROM "books" WHERE CASE WHEN json_type("books"."dims", ?1) IN '
            "('integer', 'real') THEN json_extract(\"books\".\"dims\", ?1) END BETWEEN ?2 AND ?3"
        ),
        (
            'SELECT "books"."id" FROM "books" WHERE CASE WHEN jsonb_typeof("books"."dims" -> '
            "$1::text) = 'number' THEN CAST((\"books\".\"dims\" -> $1::text) #>> '{}' AS numeric) "
            "END BETWEEN $2::bigint AND $3::bigint"
        ),
        (
            "SELECT `books`.`id` FROM `books` WHERE CASE WHEN "
            "JSON_TYPE(JSON_EXTRACT(`books`.`dims`, ?)) "
            "COLLATE utf8mb4_0900_bin IN ('INTEGER', 'UNSIGNED INTEGER', "
            "'DOUBLE', 'DECIMAL') THEN CAST(JSON_UNQUOTE(JSON_EXTRACT(`books`.`dims`, ?)) "
            "COLLATE utf8mb4_0900_bin AS DOUBLE) END BETWEEN ? AND ?"
        ),
        ('$."k"', 1, 2),
        postgresql_parameters=("k", 1, 2),
        mysql_parameters=('$."k"', '$."k"', 1, 2),
    ),
    Case(
        "json_like",
        lambda: select(Book.id).filter(Book.dims["k"].like("x%")),
        (
            'SELECT "books"."id" FROM "books" WHERE CAST(json_extract("books"."dims", ?1) AS '
            "TEXT) GLOB ?2"
        ),
        (
            'SELECT "books"."id" FROM "books" WHERE CAST(("books"."dims" -> $1::text) #>> \'{}\' '
            "AS text) LIKE $2::text ESCAPE '!'"
        ),
        (
            "SELECT `books`.`id` FROM `books` WHERE JSON_UNQUOTE(JSON_EXTRACT(`books`.`dims`, "
            "?)) COLLATE utf8mb4_0900_bin COLLATE utf8mb4_0900_bin LIKE ? ESCAPE '!'"
        ),
        ('$."k"', "x*"),
        postgresql_parameters=("k", "x%"),
        mysql_parameters=('$."k"', "x%"),
    ),
    Case(
        "json_cast",
        lambda: select(Book.dims["k"].cast(int), Book.dims["k"].cast(str)),
        (
            'SELECT CAST(json_extract("books"."dims", ?1) AS INTEGER), '
            'CAST(json_extract("books"."dims", ?2) AS TEXT) FROM "books"'
        ),
        (
            'SELECT CAST(("books"."dims" -> $1::text) #>> \'{}\' AS bigint), '
            'CAST(("books"."dims" -> $2::text) #>> \'{}\' AS text) FROM "books"'
        ),
        (
            "SELECT CAST(JSON_UNQUOTE(JSON_EXTRACT(`books`.`dims`, ?)) COLLATE "
            "utf8mb4_0900_bin AS SIGNED), JSON_UNQUOTE(JSON_EXTRACT(`books`.`dims`, ?)) "
            "COLLATE utf8mb4_0900_bin FROM `books`"
        ),
        ('$."k"', '$."k"'),
        postgresql_parameters=("k", "k"),
    ),
    Case(
        "json_document",
        lambda: select(Book.id).filter(Book.dims["a"] == [1, 2]),
        'SELECT "books"."id" FROM "books" WHERE uow_json("books"."dims" -> ?1) = uow_json(?2)',
        'SELECT "books"."id" FROM "books" WHERE ("books"."dims" -> $1::text) = $2::jsonb',
        (
            "SELECT `books`.`id` FROM `books` WHERE (JSON_EXTRACT(`books`.`dims`, ?)) = CAST(? "
            "AS JSON)"
        ),
        ('$."a"', "[1,2]"),
        postgresql_parameters=("a", "[1,2]"),
    ),
    Case(
        "json_contains",
        lambda: select(Book.id).filter(Book.tags.contains("x")),
        'SELECT "books"."id" FROM "books" WHERE uow_json_contains("books"."tags", ?1)',
        'SELECT "books"."id" FROM "books" WHERE "books"."tags" @> $1::jsonb',
        "SELECT `books`.`id` FROM `books` WHERE JSON_CONTAINS(`books`.`tags`, ?)",
        ('"x"',),
    ),
    Case(
        "json_order",
        lambda: select(Book.id).order_by(Book.dims["k"].desc()),
        'SELECT "books"."id" FROM "books" ORDER BY json_extract("books"."dims", ?1) DESC',
        'SELECT "books"."id" FROM "books" ORDER BY "books"."dims" -> $1::text DESC',
        "SELECT `books`.`id` FROM `books` ORDER BY JSON_EXTRACT(`books`.`dims`, ?) DESC",
        ('$."k"',),
        postgresql_parameters=("k",),
    ),
    # -- writing
    Case(
        "insert",
        lambda: insert(Author, email="a@x.org", name="Ann"),
        (
            'INSERT INTO "authors" ("email", "name", "age", "active", "version") VALUES (?1, '
            "?2, ?3, ?4, ?5)"
        ),
        (
            'INSERT INTO "authors" ("email", "name", "age", "active", "version") VALUES '
            "($1::text, $2::text, $3::bigint, $4::boolean, $5::bigint)"
        ),
        (
            "INSERT INTO `authors` (`email`, `name`, `age`, `active`, `version`) VALUES (?, ?, "
            "?, ?, ?)"
        ),
        ("a@x.org", "Ann", None, True, 1),
    ),
    Case(
        "insert_defaults",
        lambda: insert(Counter),
        'INSERT INTO "counters" ("label") VALUES (?1)',
        'INSERT INTO "counters" ("label") VALUES ($1::text)',
        "INSERT INTO `counters` (`label`) VALUES (?)",
        (None,),
    ),
    Case(
        "insert_returning",
        lambda: insert(Author, email="a@x.org", name="Ann").returning(
            Author.id, Author.joined.label("since")
        ),
        (
            'INSERT INTO "authors" ("email", "name", "age", "active", "version") VALUES (?1, '
            '?2, ?3, ?4, ?5) RETURNING "authors"."id", "authors"."joined" AS "since"'
        ),
        (
            'INSERT INTO "authors" ("email", "name", "age", "active", "version") VALUES '
            "($1::text, $2::text, $3::bigint, $4::boolean, $5::bigint) RETURNING "
            '"authors"."id", "authors"."joined" AS "since"'
        ),
        None,
        ("a@x.org", "Ann", None, True, 1),
    ),
    Case(
        "do_nothing",
        lambda: insert(Author, email="a@x.org", name="Ann").on_conflict(Author.email).nothing(),
        (
            'INSERT INTO "authors" ("email", "name", "age", "active", "version") VALUES (?1, '
            '?2, ?3, ?4, ?5) ON CONFLICT ("email") DO NOTHING'
        ),
        (
            'INSERT INTO "authors" ("email", "name", "age", "active", "version") VALUES '
            '($1::text, $2::text, $3::bigint, $4::boolean, $5::bigint) ON CONFLICT ("email") '
            "DO NOTHING"
        ),
        (
            "INSERT INTO `authors` (`email`, `name`, `age`, `active`, `version`) VALUES (?, ?, "
            "?, ?, ?) ON DUPLICATE KEY UPDATE `id` = `authors`.`id`"
        ),
        ("a@x.org", "Ann", None, True, 1),
    ),
    Case(
        "upsert",
        lambda: (
            insert(Author, email="a@x.org", name="Ann")
            .on_conflict(Author.email)
            .update(Author.name, {Author.age: excluded(Author.age) + Author.age})
        ),
        (
            'INSERT INTO "authors" ("email", "name", "age", "active", "version") VALUES (?1, '
            '?2, ?3, ?4, ?5) ON CONFLICT ("email") DO UPDATE SET "name" = excluded."name", '
            '"age" = excluded."age" + "authors"."age", "version" = "authors"."version" + ?6'
        ),
        (
            'INSERT INTO "authors" ("email", "name", "age", "active", "version") VALUES '
            '($1::text, $2::text, $3::bigint, $4::boolean, $5::bigint) ON CONFLICT ("email") '
            'DO UPDATE SET "name" = excluded."name", "age" = excluded."age" + "authors"."age", '
            '"version" = "authors"."version" + $6::bigint'
        ),
        (
            "INSERT INTO `authors` (`email`, `name`, `age`, `active`, `version`) VALUES (?, ?, "
            "?, ?, ?) AS `uow_inner` ON DUPLICATE KEY UPDATE `name` = `uow_inner`.`name`, "
            "`age` = `uow_inner`.`age` + `authors`.`age`, `version` = `authors`.`version` + ?"
        ),
        ("a@x.org", "Ann", None, True, 1, 1),
    ),
    Case(
        "upsert_where",
        lambda: (
            insert(Counter, id=1, label="x")
            .on_conflict(Counter.id)
            .update(Counter.label, where=Counter.label != "y")
        ),
        (
            'INSERT INTO "counters" ("id", "label") VALUES (?1, ?2) ON CONFLICT ("id") DO '
            'UPDATE SET "label" = excluded."label" WHERE "counters"."label" <> ?3'
        ),
        (
            'INSERT INTO "counters" ("id", "label") VALUES ($1::bigint, $2::text) ON CONFLICT '
            '("id") DO UPDATE SET "label" = excluded."label" WHERE "counters"."label" <> '
            "$3::text"
        ),
        None,
        (1, "x", "y"),
    ),
    Case(
        "update",
        lambda: update(Line).set({Line.amount: Line.amount + 1}).where(Line.order_id == 3),
        'UPDATE "lines" SET "amount" = "lines"."amount" + ?1 WHERE "lines"."order_id" = ?2',
        (
            'UPDATE "lines" SET "amount" = "lines"."amount" + $1::bigint WHERE '
            '"lines"."order_id" = $2::bigint'
        ),
        "UPDATE `lines` SET `amount` = `lines`.`amount` + ? WHERE `lines`.`order_id` = ?",
        (1, 3),
    ),
    Case(
        "update_decimal",
        lambda: (
            update(Book).set({Book.price: Book.price * Decimal("1.005")}).where(Book.title == "x")
        ),
        (
            'UPDATE "books" SET "price" = uow_decimal_fit(uow_decimal_mul("books"."price", '
            '?1), 10, 2) WHERE "books"."title" = ?2'
        ),
        (
            'UPDATE "books" SET "price" = "books"."price" * $1::numeric WHERE "books"."title" '
            "= $2::text"
        ),
        "UPDATE `books` SET `price` = `books`.`price` * ? WHERE `books`.`title` = ?",
        ("1.005", "x"),
        postgresql_parameters=(Decimal("1.005"), "x"),
        mysql_parameters=(Decimal("1.005"), "x"),
    ),
    Case(
        "update_returning",
        lambda: update(Line).set({Line.amount: 1}).where(Line.no == 2).returning(Line.amount),
        'UPDATE "lines" SET "amount" = ?1 WHERE "lines"."no" = ?2 RETURNING "lines"."amount"',
        (
            'UPDATE "lines" SET "amount" = $1::bigint WHERE "lines"."no" = $2::bigint '
            'RETURNING "lines"."amount"'
        ),
        None,
        (1, 2),
    ),
    Case(
        "delete",
        lambda: delete(Line).where(Line.order_id == 3),
        'DELETE FROM "lines" WHERE "lines"."order_id" = ?1',
        'DELETE FROM "lines" WHERE "lines"."order_id" = $1::bigint',
        "DELETE FROM `lines` WHERE `lines`.`order_id` = ?",
        (3,),
    ),
    Case(
        "delete_all",
        lambda: delete(Line).all(),
        'DELETE FROM "lines"',
        'DELETE FROM "lines"',
        "DELETE FROM `lines`",
        (),
    ),
    Case(
        "delete_same_table",
        lambda: delete(Line).where(Line.no.in_(select(func.max(Line.no)))),
        'DELETE FROM "lines" WHERE "lines"."no" IN (SELECT max("lines"."no") FROM "lines")',
        'DELETE FROM "lines" WHERE "lines"."no" IN (SELECT max("lines"."no") FROM "lines")',
        (
            "DELETE FROM `lines` WHERE `lines`.`no` IN (SELECT * FROM (SELECT "
            "max(`lines`.`no`) AS `c1` FROM `lines`) AS `uow_inner`)"
        ),
        (),
    ),
    Case(
        "delete_returning",
        lambda: delete(Counter).where(Counter.id == 3).returning(Counter.label),
        'DELETE FROM "counters" WHERE "counters"."id" = ?1 RETURNING "counters"."label"',
        'DELETE FROM "counters" WHERE "counters"."id" = $1::bigint RETURNING "counters"."label"',
        None,
        (3,),
    ),
    # -- raw SQL
    Case(
        "raw",
        lambda: sql("SELECT * FROM authors WHERE id = {id} AND name <> {name}", id=3, name="x"),
        "SELECT * FROM authors WHERE id = ?1 AND name <> ?2",
        "SELECT * FROM authors WHERE id = $1 AND name <> $2",
        "SELECT * FROM authors WHERE id = ? AND name <> ?",
        (3, "x"),
    ),
]


def _named(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case_", cases, ids=[case_.name for case_ in cases])


@_named(CASES)
def test_sqlite(case_: Case) -> None:
    """A query has this text and these parameters on SQLite."""
    statement = case_.query().compile("sqlite")

    assert statement.sql == case_.sqlite
    assert tuple(statement.parameters) == case_.parameters


@_named(CASES)
def test_postgresql(case_: Case) -> None:
    """A query has this text and these parameters on PostgreSQL."""
    statement = case_.query().compile("postgresql")

    assert statement.sql == case_.postgresql
    assert tuple(statement.parameters) == (case_.postgresql_parameters or case_.parameters)


@_named([case_ for case_ in CASES if case_.mysql is not None])
def test_mysql(case_: Case) -> None:
    """A query has this text and these parameters on MySQL."""
    statement = case_.query().compile("mysql")

    assert statement.sql == case_.mysql
    assert tuple(statement.parameters) == (case_.mysql_parameters or case_.parameters)


@_named([case_ for case_ in CASES if case_.mysql is None])
def test_mysql_refuses(case_: Case) -> None:
    """What MySQL cannot say is refused, never said otherwise."""
    with pytest.raises(QueryError):
        case_.query().compile("mysql")


@_named(CASES)
def test_text_is_the_same_each_time(case_: Case) -> None:
    """The same tree has the same text and the same order of parameters."""
    query = case_.query()

    assert query.compile("sqlite") == query.compile("sqlite")
    assert query.compile("postgresql") == query.compile("postgresql")
