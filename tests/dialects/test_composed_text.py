"""The literal text of queries made of queries, of windows, locks and conflicts (Q3, Q6, Q7).

The text was run against SQLite, PostgreSQL 15 and MariaDB 10.11.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest

from tests.dialects.models import REGISTRY, Author, Book, Counter, Line
from uow.errors import QueryError
from uow.expressions.functions import excluded, exists, func
from uow.mapping.columns import Column, Mapped
from uow.mapping.model import Model
from uow.mapping.names import constraint_name
from uow.query.executable import Executable
from uow.query.select import select
from uow.query.sources import aliased
from uow.query.writes import insert, update

OF_MYSQL: Any = object()
"""The text of MariaDB is that of MySQL."""


class Keyed(Model):
    """Unique by name, and unique for some rows only."""

    class Settings:
        name = "keyed"
        registry = REGISTRY
        indexes = [  # noqa: RUF012 - read once, by the mapping
            {"fields": ["code"], "unique": True, "name": "keyed_code"},
            {"fields": ["owner"], "unique": True, "where": "owner > 5"},
        ]

    id: Mapped[int] = Column(primary_key=True)
    code: Mapped[str] = Column(max_length=20)
    owner: Mapped[int]


Other = aliased(Author)
RICH = select(Line).filter(Line.amount > 3).cte("rich")
AGAIN = RICH.alias("again")
DEEPER = select(func.count().label("n")).select_from(RICH).cte("deeper")
START = select(Line.no, (Line.order_id * 0).label("depth")).filter(Line.no == 1)
ROOT = START.cte("tree", recursive=True)
TREE = ROOT.union_all(
    select(Line.no, ROOT.c.depth + 1).select_from(Line).join(ROOT, Line.no == ROOT.c.no + 1)
)
BIG = select(Line.order_id, func.sum(Line.amount).label("total")).group_by(Line.order_id).subquery()
PLACED = select(
    Line.no, func.row_number().over(partition_by=Line.order_id, order_by=Line.no).label("place")
).subquery("placed")


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
    mariadb: str | None = OF_MYSQL


CASES = [
    Case(
        "row_number",
        lambda: select(
            Line.no,
            func.row_number()
            .over(partition_by=Line.order_id, order_by=-Line.amount)
            .label("place"),
        ),
        (
            'SELECT "lines"."no", row_number() OVER (PARTITION BY "lines"."order_id" ORDER BY '
            '"lines"."amount" DESC) AS "place" FROM "lines"'
        ),
        (
            'SELECT "lines"."no", row_number() OVER (PARTITION BY "lines"."order_id" ORDER BY '
            '"lines"."amount" DESC) AS "place" FROM "lines"'
        ),
        (
            "SELECT `lines`.`no`, row_number() OVER (PARTITION BY `lines`.`order_id` ORDER BY "
            "`lines`.`amount` DESC) AS `place` FROM `lines`"
        ),
        (),
    ),
    Case(
        "ranks",
        lambda: select(
            func.rank().over(order_by=Line.amount).label("a"),
            func.dense_rank().over(order_by=Line.amount).label("b"),
            func.percent_rank().over(order_by=Line.amount).label("c"),
            func.cume_dist().over(order_by=Line.amount).label("d"),
            func.ntile(2).over(order_by=[Line.amount, Line.no]).label("e"),
        ),
        (
            'SELECT rank() OVER (ORDER BY "lines"."amount") AS "a", dense_rank() OVER (ORDER BY '
            '"lines"."amount") AS "b", percent_rank() OVER (ORDER BY "lines"."amount") AS "c", '
            'cume_dist() OVER (ORDER BY "lines"."amount") AS "d", ntile(?1) OVER (ORDER BY '
            '"lines"."amount", "lines"."no") AS "e" FROM "lines"'
        ),
        (
            'SELECT rank() OVER (ORDER BY "lines"."amount") AS "a", dense_rank() OVER (ORDER BY '
            '"lines"."amount") AS "b", percent_rank() OVER (ORDER BY "lines"."amount") AS "c", '
            'cume_dist() OVER (ORDER BY "lines"."amount") AS "d", ntile($1::integer) OVER (ORDER '
            'BY "lines"."amount", "lines"."no") AS "e" FROM "lines"'
        ),
        (
            "SELECT rank() OVER (ORDER BY `lines`.`amount`) AS `a`, dense_rank() OVER (ORDER BY "
            "`lines`.`amount`) AS `b`, percent_rank() OVER (ORDER BY `lines`.`amount`) AS `c`, "
            "cume_dist() OVER (ORDER BY `lines`.`amount`) AS `d`, ntile(?) OVER (ORDER BY "
            "`lines`.`amount`, `lines`.`no`) AS `e` FROM `lines`"
        ),
        (2,),
    ),
    Case(
        "neighbours",
        lambda: select(
            func.lag(Line.amount).over(order_by=Line.no).label("before"),
            func.lead(Line.amount, 2).over(order_by=Line.no).label("after"),
        ),
        (
            'SELECT lag("lines"."amount", ?1) OVER (ORDER BY "lines"."no") AS "before", '
            'lead("lines"."amount", ?2) OVER (ORDER BY "lines"."no") AS "after" FROM "lines"'
        ),
        (
            'SELECT lag("lines"."amount", $1::integer) OVER (ORDER BY "lines"."no") AS "before", '
            'lead("lines"."amount", $2::integer) OVER (ORDER BY "lines"."no") AS "after" FROM '
            '"lines"'
        ),
        (
            "SELECT lag(`lines`.`amount`, ?) OVER (ORDER BY `lines`.`no`) AS `before`, "
            "lead(`lines`.`amount`, ?) OVER (ORDER BY `lines`.`no`) AS `after` FROM `lines`"
        ),
        (1, 2),
    ),
    Case(
        "neighbour_or_default",
        lambda: select(func.lag(Book.price, 1, Decimal("0.50")).over(order_by=Book.title)),
        'SELECT lag("books"."price", ?1, ?2) OVER (ORDER BY "books"."title") FROM "books"',
        (
            'SELECT lag("books"."price", $1::integer, $2::numeric) OVER (ORDER BY '
            '"books"."title") FROM "books"'
        ),
        "SELECT lag(`books`.`price`, ?, ?) OVER (ORDER BY `books`.`title`) FROM `books`",
        (1, "0.50"),
        postgresql_parameters=(1, Decimal("0.50")),
        mysql_parameters=(1, Decimal("0.50")),
        mariadb=None,
    ),
    Case(
        "first_and_last",
        lambda: select(
            func.first_value(Book.title).over(order_by=Book.price).label("first"),
            func.last_value(Book.title).over(order_by=Book.price, rows=(None, None)).label("last"),
            func.nth_value(Book.title, 2).over(order_by=Book.price).label("second"),
        ),
        (
            'SELECT first_value("books"."title") OVER (ORDER BY "books"."price" COLLATE '
            '"uow_decimal") AS "first", last_value("books"."title") OVER (ORDER BY '
            '"books"."price" COLLATE "uow_decimal" ROWS BETWEEN UNBOUNDED PRECEDING AND '
            'UNBOUNDED FOLLOWING) AS "last", nth_value("books"."title", ?1) OVER (ORDER BY '
            '"books"."price" COLLATE "uow_decimal") AS "second" FROM "books"'
        ),
        (
            'SELECT first_value("books"."title") OVER (ORDER BY "books"."price") AS "first", '
            'last_value("books"."title") OVER (ORDER BY "books"."price" ROWS BETWEEN UNBOUNDED '
            'PRECEDING AND UNBOUNDED FOLLOWING) AS "last", nth_value("books"."title", '
            '$1::integer) OVER (ORDER BY "books"."price") AS "second" FROM "books"'
        ),
        (
            "SELECT first_value(`books`.`title`) OVER (ORDER BY `books`.`price`) AS `first`, "
            "last_value(`books`.`title`) OVER (ORDER BY `books`.`price` ROWS BETWEEN UNBOUNDED "
            "PRECEDING AND UNBOUNDED FOLLOWING) AS `last`, nth_value(`books`.`title`, ?) OVER "
            "(ORDER BY `books`.`price`) AS `second` FROM `books`"
        ),
        (2,),
    ),
    Case(
        "moving_frames",
        lambda: select(
            func.sum(Line.amount).over(order_by=Line.no, rows=(-2, 0)).label("rows"),
            func.count().over(order_by=Line.no, range_=(-1, 1)).label("range"),
        ),
        (
            'SELECT sum("lines"."amount") OVER (ORDER BY "lines"."no" ROWS BETWEEN 2 PRECEDING '
            'AND CURRENT ROW) AS "rows", count(*) OVER (ORDER BY "lines"."no" RANGE BETWEEN 1 '
            'PRECEDING AND 1 FOLLOWING) AS "range" FROM "lines"'
        ),
        (
            'SELECT CAST(sum("lines"."amount") OVER (ORDER BY "lines"."no" ROWS BETWEEN 2 '
            'PRECEDING AND CURRENT ROW) AS bigint) AS "rows", count(*) OVER (ORDER BY '
            '"lines"."no" RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS "range" FROM "lines"'
        ),
        (
            "SELECT CAST(sum(`lines`.`amount`) OVER (ORDER BY `lines`.`no` ROWS BETWEEN 2 "
            "PRECEDING AND CURRENT ROW) AS SIGNED) AS `rows`, count(*) OVER (ORDER BY "
            "`lines`.`no` RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS `range` FROM `lines`"
        ),
        (),
    ),
    Case(
        "frame_of_groups",
        lambda: select(func.count().over(order_by=Line.amount, groups=(-1, 0))),
        (
            'SELECT count(*) OVER (ORDER BY "lines"."amount" GROUPS BETWEEN 1 PRECEDING AND '
            'CURRENT ROW) FROM "lines"'
        ),
        (
            'SELECT count(*) OVER (ORDER BY "lines"."amount" GROUPS BETWEEN 1 PRECEDING AND '
            'CURRENT ROW) FROM "lines"'
        ),
        None,
        (),
    ),
    Case(
        "window_of_decimals",
        lambda: select(
            func.sum(Book.price).over(order_by=Book.title, rows=(-1, 0)).label("sum"),
            func.avg(Book.price).over(partition_by=Book.price).label("mean"),
        ),
        (
            'SELECT uow_decimal_sum("books"."price") OVER (ORDER BY "books"."title" ROWS BETWEEN '
            '1 PRECEDING AND CURRENT ROW) AS "sum", uow_decimal_avg("books"."price") OVER '
            '(PARTITION BY "books"."price" COLLATE "uow_decimal") AS "mean" FROM "books"'
        ),
        (
            'SELECT sum("books"."price") OVER (ORDER BY "books"."title" ROWS BETWEEN 1 PRECEDING '
            'AND CURRENT ROW) AS "sum", round(avg(round("books"."price", 20)) OVER (PARTITION BY '
            '"books"."price"), 12) AS "mean" FROM "books"'
        ),
        (
            "SELECT sum(`books`.`price`) OVER (ORDER BY `books`.`title` ROWS BETWEEN 1 PRECEDING "
            "AND CURRENT ROW) AS `sum`, ROUND(avg(CAST(`books`.`price` AS DECIMAL(50, 16))) OVER "
            "(PARTITION BY `books`.`price`), 12) AS `mean` FROM `books`"
        ),
        (),
    ),
    Case(
        "order_by_window",
        lambda: select(Line.no).order_by(func.row_number().over(order_by=-Line.amount)),
        (
            'SELECT "lines"."no" FROM "lines" ORDER BY row_number() OVER (ORDER BY '
            '"lines"."amount" DESC)'
        ),
        (
            'SELECT "lines"."no" FROM "lines" ORDER BY row_number() OVER (ORDER BY '
            '"lines"."amount" DESC)'
        ),
        (
            "SELECT `lines`.`no` FROM `lines` ORDER BY row_number() OVER (ORDER BY "
            "`lines`.`amount` DESC)"
        ),
        (),
    ),
    Case(
        "filtered_aggregates",
        lambda: select(
            func.count().filter(Line.amount > 3).label("many"),
            func.sum(Line.amount).filter(Line.no == 1, Line.amount > 1).label("sum"),
            func.count(Line.no).distinct().filter(Line.amount > 3).label("kinds"),
        ),
        (
            'SELECT count(*) FILTER (WHERE "lines"."amount" > ?1) AS "many", '
            'sum("lines"."amount") FILTER (WHERE "lines"."no" = ?2 AND "lines"."amount" > ?3) AS '
            '"sum", count(DISTINCT "lines"."no") FILTER (WHERE "lines"."amount" > ?4) AS "kinds" '
            'FROM "lines"'
        ),
        (
            'SELECT count(*) FILTER (WHERE "lines"."amount" > $1::bigint) AS "many", '
            'CAST(sum("lines"."amount") FILTER (WHERE "lines"."no" = $2::bigint AND '
            '"lines"."amount" > $3::bigint) AS bigint) AS "sum", count(DISTINCT "lines"."no") '
            'FILTER (WHERE "lines"."amount" > $4::bigint) AS "kinds" FROM "lines"'
        ),
        (
            "SELECT count(CASE WHEN `lines`.`amount` > ? THEN 1 END) AS `many`, CAST(sum(CASE "
            "WHEN `lines`.`no` = ? AND `lines`.`amount` > ? THEN `lines`.`amount` END) AS "
            "SIGNED) AS `sum`, count(DISTINCT CASE WHEN `lines`.`amount` > ? THEN `lines`.`no` "
            "END) AS `kinds` FROM `lines`"
        ),
        (3, 1, 1, 3),
    ),
    Case(
        "filtered_function_of_the_store",
        lambda: select(func.string_agg(Author.name, ",").filter(Author.age > 3)),
        (
            'SELECT string_agg("authors"."name", ?1) FILTER (WHERE "authors"."age" > ?2) FROM '
            '"authors"'
        ),
        (
            'SELECT string_agg("authors"."name", $1::text) FILTER (WHERE "authors"."age" > '
            '$2::bigint) FROM "authors"'
        ),
        None,
        (",", 3),
    ),
    Case(
        "filtered_window",
        lambda: select(func.avg(Line.amount).filter(Line.no > 1).over(partition_by=Line.order_id)),
        (
            'SELECT avg("lines"."amount") FILTER (WHERE "lines"."no" > ?1) OVER (PARTITION BY '
            '"lines"."order_id") FROM "lines"'
        ),
        (
            'SELECT CAST(avg("lines"."amount") FILTER (WHERE "lines"."no" > $1::bigint) OVER '
            '(PARTITION BY "lines"."order_id") AS double precision) FROM "lines"'
        ),
        (
            "SELECT avg(CASE WHEN `lines`.`no` > ? THEN CAST(`lines`.`amount` AS DOUBLE) END) "
            "OVER (PARTITION BY `lines`.`order_id`) FROM `lines`"
        ),
        (1,),
    ),
    Case(
        "union_of_objects",
        lambda: (
            select(Line)
            .filter(Line.no == 1)
            .union(select(Line).filter(Line.amount > 5))
            .order_by(-Line.amount)
            .limit(3)
        ),
        (
            'SELECT "lines"."order_id", "lines"."no", "lines"."amount" FROM (SELECT '
            '"lines"."order_id", "lines"."no", "lines"."amount" FROM "lines" WHERE "lines"."no" '
            '= ?1 UNION SELECT "lines"."order_id", "lines"."no", "lines"."amount" FROM "lines" '
            'WHERE "lines"."amount" > ?2) AS "lines" ORDER BY "lines"."amount" DESC LIMIT ?3'
        ),
        (
            'SELECT "lines"."order_id", "lines"."no", "lines"."amount" FROM (SELECT '
            '"lines"."order_id", "lines"."no", "lines"."amount" FROM "lines" WHERE "lines"."no" '
            '= $1::bigint UNION SELECT "lines"."order_id", "lines"."no", "lines"."amount" FROM '
            '"lines" WHERE "lines"."amount" > $2::bigint) AS "lines" ORDER BY "lines"."amount" '
            "DESC LIMIT $3::bigint"
        ),
        (
            "SELECT `lines`.`order_id`, `lines`.`no`, `lines`.`amount` FROM (SELECT "
            "`lines`.`order_id`, `lines`.`no`, `lines`.`amount` FROM `lines` WHERE `lines`.`no` "
            "= ? UNION SELECT `lines`.`order_id`, `lines`.`no`, `lines`.`amount` FROM `lines` "
            "WHERE `lines`.`amount` > ?) AS `lines` ORDER BY `lines`.`amount` DESC LIMIT ?"
        ),
        (1, 5, 3),
    ),
    Case(
        "union_all_of_columns",
        lambda: (
            select(Line.no, (Line.amount + 1).label("more"))
            .union_all(select(Line.order_id, Line.no))
            .order_by(Line.no)
            .filter(Line.no > 1)
        ),
        (
            'SELECT "rows_1"."no", "rows_1"."more" FROM (SELECT "lines"."no", "lines"."amount" + '
            '?1 AS "more" FROM "lines" UNION ALL SELECT "lines"."order_id", "lines"."no" FROM '
            '"lines") AS "rows_1" WHERE "rows_1"."no" > ?2 ORDER BY "rows_1"."no"'
        ),
        (
            'SELECT "rows_1"."no", "rows_1"."more" FROM (SELECT "lines"."no", "lines"."amount" + '
            '$1::bigint AS "more" FROM "lines" UNION ALL SELECT "lines"."order_id", "lines"."no" '
            'FROM "lines") AS "rows_1" WHERE "rows_1"."no" > $2::bigint ORDER BY "rows_1"."no"'
        ),
        (
            "SELECT `rows_1`.`no`, `rows_1`.`more` FROM (SELECT `lines`.`no`, `lines`.`amount` + "
            "? AS `more` FROM `lines` UNION ALL SELECT `lines`.`order_id`, `lines`.`no` FROM "
            "`lines`) AS `rows_1` WHERE `rows_1`.`no` > ? ORDER BY `rows_1`.`no`"
        ),
        (1, 1),
    ),
    Case(
        "intersect",
        lambda: select(Line.no).intersect(select(Line.order_id), select(Line.amount)),
        (
            'SELECT "rows_1"."no" FROM (SELECT "lines"."no" FROM "lines" INTERSECT SELECT '
            '"lines"."order_id" FROM "lines" INTERSECT SELECT "lines"."amount" FROM "lines") AS '
            '"rows_1"'
        ),
        (
            'SELECT "rows_1"."no" FROM (SELECT "lines"."no" FROM "lines" INTERSECT SELECT '
            '"lines"."order_id" FROM "lines" INTERSECT SELECT "lines"."amount" FROM "lines") AS '
            '"rows_1"'
        ),
        (
            "SELECT `rows_1`.`no` FROM (SELECT `lines`.`no` FROM `lines` INTERSECT SELECT "
            "`lines`.`order_id` FROM `lines` INTERSECT SELECT `lines`.`amount` FROM `lines`) AS "
            "`rows_1`"
        ),
        (),
    ),
    Case(
        "except_of_limited",
        lambda: select(Line.no).order_by(Line.no).limit(2).except_(select(Line.amount)),
        (
            'SELECT "rows_1"."no" FROM (SELECT * FROM (SELECT "lines"."no" FROM "lines" ORDER BY '
            '"lines"."no" LIMIT ?1) AS "uow_part" EXCEPT SELECT "lines"."amount" FROM "lines") '
            'AS "rows_1"'
        ),
        (
            'SELECT "rows_1"."no" FROM (SELECT * FROM (SELECT "lines"."no" FROM "lines" ORDER BY '
            '"lines"."no" LIMIT $1::bigint) AS "uow_part" EXCEPT SELECT "lines"."amount" FROM '
            '"lines") AS "rows_1"'
        ),
        (
            "SELECT `rows_1`.`no` FROM (SELECT * FROM (SELECT `lines`.`no` FROM `lines` ORDER BY "
            "`lines`.`no` LIMIT ?) AS `uow_part` EXCEPT SELECT `lines`.`amount` FROM `lines`) AS "
            "`rows_1`"
        ),
        (2,),
    ),
    Case(
        "union_of_union",
        lambda: select(Line.no).union(select(Line.amount)).except_(select(Line.order_id)),
        (
            'SELECT "rows_1"."no" FROM (SELECT "rows_2"."no" FROM (SELECT "lines"."no" FROM '
            '"lines" UNION SELECT "lines"."amount" FROM "lines") AS "rows_2" EXCEPT SELECT '
            '"lines"."order_id" FROM "lines") AS "rows_1"'
        ),
        (
            'SELECT "rows_1"."no" FROM (SELECT "rows_2"."no" FROM (SELECT "lines"."no" FROM '
            '"lines" UNION SELECT "lines"."amount" FROM "lines") AS "rows_2" EXCEPT SELECT '
            '"lines"."order_id" FROM "lines") AS "rows_1"'
        ),
        (
            "SELECT `rows_1`.`no` FROM (SELECT `rows_2`.`no` FROM (SELECT `lines`.`no` FROM "
            "`lines` UNION SELECT `lines`.`amount` FROM `lines`) AS `rows_2` EXCEPT SELECT "
            "`lines`.`order_id` FROM `lines`) AS `rows_1`"
        ),
        (),
    ),
    Case(
        "union_in_condition",
        lambda: select(Author.id).filter(Author.id.in_(select(Line.no).union(select(Line.amount)))),
        (
            'SELECT "authors"."id" FROM "authors" WHERE "authors"."id" IN (SELECT "rows_1"."no" '
            'FROM (SELECT "lines"."no" FROM "lines" UNION SELECT "lines"."amount" FROM "lines") '
            'AS "rows_1")'
        ),
        (
            'SELECT "authors"."id" FROM "authors" WHERE "authors"."id" IN (SELECT "rows_1"."no" '
            'FROM (SELECT "lines"."no" FROM "lines" UNION SELECT "lines"."amount" FROM "lines") '
            'AS "rows_1")'
        ),
        (
            "SELECT `authors`.`id` FROM `authors` WHERE `authors`.`id` IN (SELECT `rows_1`.`no` "
            "FROM (SELECT `lines`.`no` FROM `lines` UNION SELECT `lines`.`amount` FROM `lines`) "
            "AS `rows_1`)"
        ),
        (),
    ),
    Case(
        "union_of_aliases",
        lambda: select(Other).filter(Other.age > 3).union(select(Author)).order_by(Other.id),
        (
            'SELECT "authors_1"."id", "authors_1"."email", "authors_1"."name", '
            '"authors_1"."age", "authors_1"."active", "authors_1"."joined", '
            '"authors_1"."version" FROM (SELECT "authors_2"."id", "authors_2"."email", '
            '"authors_2"."name", "authors_2"."age", "authors_2"."active", "authors_2"."joined", '
            '"authors_2"."version" FROM "authors" AS "authors_2" WHERE "authors_2"."age" > ?1 '
            'UNION SELECT "authors"."id", "authors"."email", "authors"."name", "authors"."age", '
            '"authors"."active", "authors"."joined", "authors"."version" FROM "authors") AS '
            '"authors_1" ORDER BY "authors_1"."id"'
        ),
        (
            'SELECT "authors_1"."id", "authors_1"."email", "authors_1"."name", '
            '"authors_1"."age", "authors_1"."active", "authors_1"."joined", '
            '"authors_1"."version" FROM (SELECT "authors_2"."id", "authors_2"."email", '
            '"authors_2"."name", "authors_2"."age", "authors_2"."active", "authors_2"."joined", '
            '"authors_2"."version" FROM "authors" AS "authors_2" WHERE "authors_2"."age" > '
            '$1::bigint UNION SELECT "authors"."id", "authors"."email", "authors"."name", '
            '"authors"."age", "authors"."active", "authors"."joined", "authors"."version" FROM '
            '"authors") AS "authors_1" ORDER BY "authors_1"."id"'
        ),
        (
            "SELECT `authors_1`.`id`, `authors_1`.`email`, `authors_1`.`name`, "
            "`authors_1`.`age`, `authors_1`.`active`, `authors_1`.`joined`, "
            "`authors_1`.`version` FROM (SELECT `authors_2`.`id`, `authors_2`.`email`, "
            "`authors_2`.`name`, `authors_2`.`age`, `authors_2`.`active`, `authors_2`.`joined`, "
            "`authors_2`.`version` FROM `authors` AS `authors_2` WHERE `authors_2`.`age` > ? "
            "UNION SELECT `authors`.`id`, `authors`.`email`, `authors`.`name`, `authors`.`age`, "
            "`authors`.`active`, `authors`.`joined`, `authors`.`version` FROM `authors`) AS "
            "`authors_1` ORDER BY `authors_1`.`id`"
        ),
        (3,),
    ),
    Case(
        "union_and_group",
        lambda: select(Line.no).union_all(select(Line.amount)).group_by(Line.no),
        (
            'SELECT "rows_1"."no" FROM (SELECT "lines"."no" FROM "lines" UNION ALL SELECT '
            '"lines"."amount" FROM "lines") AS "rows_1" GROUP BY "rows_1"."no"'
        ),
        (
            'SELECT "rows_1"."no" FROM (SELECT "lines"."no" FROM "lines" UNION ALL SELECT '
            '"lines"."amount" FROM "lines") AS "rows_1" GROUP BY "rows_1"."no"'
        ),
        (
            "SELECT `rows_1`.`no` FROM (SELECT `lines`.`no` FROM `lines` UNION ALL SELECT "
            "`lines`.`amount` FROM `lines`) AS `rows_1` GROUP BY `rows_1`.`no`"
        ),
        (),
    ),
    Case(
        "cte",
        lambda: select(RICH.c.no, Line.amount).join(Line, Line.no == RICH.c.no).order_by(RICH.c.no),
        (
            'WITH "rich" AS (SELECT "lines"."order_id", "lines"."no", "lines"."amount" FROM '
            '"lines" WHERE "lines"."amount" > ?1) SELECT "rich"."no", "lines"."amount" FROM '
            '"rich" JOIN "lines" ON "lines"."no" = "rich"."no" ORDER BY "rich"."no"'
        ),
        (
            'WITH "rich" AS (SELECT "lines"."order_id", "lines"."no", "lines"."amount" FROM '
            '"lines" WHERE "lines"."amount" > $1::bigint) SELECT "rich"."no", "lines"."amount" '
            'FROM "rich" JOIN "lines" ON "lines"."no" = "rich"."no" ORDER BY "rich"."no"'
        ),
        (
            "WITH `rich` AS (SELECT `lines`.`order_id`, `lines`.`no`, `lines`.`amount` FROM "
            "`lines` WHERE `lines`.`amount` > ?) SELECT `rich`.`no`, `lines`.`amount` FROM "
            "`rich` JOIN `lines` ON `lines`.`no` = `rich`.`no` ORDER BY `rich`.`no`"
        ),
        (3,),
    ),
    Case(
        "cte_twice",
        lambda: select(RICH.c.no, AGAIN.c.no).join(AGAIN, AGAIN.c.no > RICH.c.no),
        (
            'WITH "rich" AS (SELECT "lines"."order_id", "lines"."no", "lines"."amount" FROM '
            '"lines" WHERE "lines"."amount" > ?1) SELECT "rich"."no", "again"."no" FROM "rich" '
            'JOIN "rich" AS "again" ON "again"."no" > "rich"."no"'
        ),
        (
            'WITH "rich" AS (SELECT "lines"."order_id", "lines"."no", "lines"."amount" FROM '
            '"lines" WHERE "lines"."amount" > $1::bigint) SELECT "rich"."no", "again"."no" FROM '
            '"rich" JOIN "rich" AS "again" ON "again"."no" > "rich"."no"'
        ),
        (
            "WITH `rich` AS (SELECT `lines`.`order_id`, `lines`.`no`, `lines`.`amount` FROM "
            "`lines` WHERE `lines`.`amount` > ?) SELECT `rich`.`no`, `again`.`no` FROM `rich` "
            "JOIN `rich` AS `again` ON `again`.`no` > `rich`.`no`"
        ),
        (3,),
    ),
    Case(
        "cte_of_cte",
        lambda: select(DEEPER.c.n),
        (
            'WITH "rich" AS (SELECT "lines"."order_id", "lines"."no", "lines"."amount" FROM '
            '"lines" WHERE "lines"."amount" > ?1), "deeper" AS (SELECT count(*) AS "n" FROM '
            '"rich") SELECT "deeper"."n" FROM "deeper"'
        ),
        (
            'WITH "rich" AS (SELECT "lines"."order_id", "lines"."no", "lines"."amount" FROM '
            '"lines" WHERE "lines"."amount" > $1::bigint), "deeper" AS (SELECT count(*) AS "n" '
            'FROM "rich") SELECT "deeper"."n" FROM "deeper"'
        ),
        (
            "WITH `rich` AS (SELECT `lines`.`order_id`, `lines`.`no`, `lines`.`amount` FROM "
            "`lines` WHERE `lines`.`amount` > ?), `deeper` AS (SELECT count(*) AS `n` FROM "
            "`rich`) SELECT `deeper`.`n` FROM `deeper`"
        ),
        (3,),
    ),
    Case(
        "cte_of_objects",
        lambda: select(aliased(Line, RICH)).limit(1),
        (
            'WITH "rich" AS (SELECT "lines"."order_id", "lines"."no", "lines"."amount" FROM '
            '"lines" WHERE "lines"."amount" > ?1) SELECT "lines_1"."order_id", "lines_1"."no", '
            '"lines_1"."amount" FROM "rich" AS "lines_1" LIMIT ?2'
        ),
        (
            'WITH "rich" AS (SELECT "lines"."order_id", "lines"."no", "lines"."amount" FROM '
            '"lines" WHERE "lines"."amount" > $1::bigint) SELECT "lines_1"."order_id", '
            '"lines_1"."no", "lines_1"."amount" FROM "rich" AS "lines_1" LIMIT $2::bigint'
        ),
        (
            "WITH `rich` AS (SELECT `lines`.`order_id`, `lines`.`no`, `lines`.`amount` FROM "
            "`lines` WHERE `lines`.`amount` > ?) SELECT `lines_1`.`order_id`, `lines_1`.`no`, "
            "`lines_1`.`amount` FROM `rich` AS `lines_1` LIMIT ?"
        ),
        (3, 1),
    ),
    Case(
        "cte_in_subquery",
        lambda: select(Author.id).filter(exists(select(RICH.c.no).where(RICH.c.no == Author.id))),
        (
            'WITH "rich" AS (SELECT "lines"."order_id", "lines"."no", "lines"."amount" FROM '
            '"lines" WHERE "lines"."amount" > ?1) SELECT "authors"."id" FROM "authors" WHERE '
            'EXISTS (SELECT 1 FROM "rich" WHERE "rich"."no" = "authors"."id")'
        ),
        (
            'WITH "rich" AS (SELECT "lines"."order_id", "lines"."no", "lines"."amount" FROM '
            '"lines" WHERE "lines"."amount" > $1::bigint) SELECT "authors"."id" FROM "authors" '
            'WHERE EXISTS (SELECT 1 FROM "rich" WHERE "rich"."no" = "authors"."id")'
        ),
        (
            "WITH `rich` AS (SELECT `lines`.`order_id`, `lines`.`no`, `lines`.`amount` FROM "
            "`lines` WHERE `lines`.`amount` > ?) SELECT `authors`.`id` FROM `authors` WHERE "
            "EXISTS (SELECT 1 FROM `rich` WHERE `rich`.`no` = `authors`.`id`)"
        ),
        (3,),
    ),
    Case(
        "cte_recursive",
        lambda: select(*TREE.c).order_by(TREE.c.depth),
        (
            'WITH RECURSIVE "tree" AS (SELECT "lines"."no", "lines"."order_id" * ?1 AS "depth" '
            'FROM "lines" WHERE "lines"."no" = ?2 UNION ALL SELECT "lines"."no", "tree"."depth" '
            '+ ?3 FROM "lines" JOIN "tree" ON "lines"."no" = ("tree"."no" + ?4)) SELECT '
            '"tree"."no", "tree"."depth" FROM "tree" ORDER BY "tree"."depth"'
        ),
        (
            'WITH RECURSIVE "tree" AS (SELECT "lines"."no", "lines"."order_id" * $1::bigint AS '
            '"depth" FROM "lines" WHERE "lines"."no" = $2::bigint UNION ALL SELECT "lines"."no", '
            '"tree"."depth" + $3::bigint FROM "lines" JOIN "tree" ON "lines"."no" = ("tree"."no" '
            '+ $4::bigint)) SELECT "tree"."no", "tree"."depth" FROM "tree" ORDER BY '
            '"tree"."depth"'
        ),
        (
            "WITH RECURSIVE `tree` AS (SELECT `lines`.`no`, `lines`.`order_id` * ? AS `depth` "
            "FROM `lines` WHERE `lines`.`no` = ? UNION ALL SELECT `lines`.`no`, `tree`.`depth` + "
            "? FROM `lines` JOIN `tree` ON `lines`.`no` = (`tree`.`no` + ?)) SELECT `tree`.`no`, "
            "`tree`.`depth` FROM `tree` ORDER BY `tree`.`depth`"
        ),
        (0, 1, 1, 1),
    ),
    Case(
        "cte_in_update",
        lambda: update(Line).set({Line.amount: 0}).where(Line.no.in_(select(RICH.c.no))),
        (
            'UPDATE "lines" SET "amount" = ?1 WHERE "lines"."no" IN (WITH "rich" AS (SELECT '
            '"lines"."order_id", "lines"."no", "lines"."amount" FROM "lines" WHERE '
            '"lines"."amount" > ?2) SELECT "rich"."no" FROM "rich")'
        ),
        (
            'UPDATE "lines" SET "amount" = $1::bigint WHERE "lines"."no" IN (WITH "rich" AS '
            '(SELECT "lines"."order_id", "lines"."no", "lines"."amount" FROM "lines" WHERE '
            '"lines"."amount" > $2::bigint) SELECT "rich"."no" FROM "rich")'
        ),
        (
            "UPDATE `lines` SET `amount` = ? WHERE `lines`.`no` IN (SELECT * FROM (WITH `rich` "
            "AS (SELECT `lines`.`order_id`, `lines`.`no`, `lines`.`amount` FROM `lines` WHERE "
            "`lines`.`amount` > ?) SELECT `rich`.`no` AS `c1` FROM `rich`) AS `uow_inner`)"
        ),
        (0, 3),
    ),
    Case(
        "subquery",
        lambda: select(BIG.c.order_id, BIG.c.total).filter(BIG.c.total > 3),
        (
            'SELECT "rows_1"."order_id", "rows_1"."total" FROM (SELECT "lines"."order_id", '
            'sum("lines"."amount") AS "total" FROM "lines" GROUP BY "lines"."order_id") AS '
            '"rows_1" WHERE "rows_1"."total" > ?1'
        ),
        (
            'SELECT "rows_1"."order_id", "rows_1"."total" FROM (SELECT "lines"."order_id", '
            'CAST(sum("lines"."amount") AS bigint) AS "total" FROM "lines" GROUP BY '
            '"lines"."order_id") AS "rows_1" WHERE "rows_1"."total" > $1::bigint'
        ),
        (
            "SELECT `rows_1`.`order_id`, `rows_1`.`total` FROM (SELECT `lines`.`order_id`, "
            "CAST(sum(`lines`.`amount`) AS SIGNED) AS `total` FROM `lines` GROUP BY "
            "`lines`.`order_id`) AS `rows_1` WHERE `rows_1`.`total` > ?"
        ),
        (3,),
    ),
    Case(
        "subquery_joined",
        lambda: select(Line.no, BIG.c.total).join(BIG, BIG.c.order_id == Line.order_id, outer=True),
        (
            'SELECT "lines"."no", "rows_1"."total" FROM "lines" LEFT JOIN (SELECT '
            '"lines"."order_id", sum("lines"."amount") AS "total" FROM "lines" GROUP BY '
            '"lines"."order_id") AS "rows_1" ON "rows_1"."order_id" = "lines"."order_id"'
        ),
        (
            'SELECT "lines"."no", "rows_1"."total" FROM "lines" LEFT JOIN (SELECT '
            '"lines"."order_id", CAST(sum("lines"."amount") AS bigint) AS "total" FROM "lines" '
            'GROUP BY "lines"."order_id") AS "rows_1" ON "rows_1"."order_id" = '
            '"lines"."order_id"'
        ),
        (
            "SELECT `lines`.`no`, `rows_1`.`total` FROM `lines` LEFT JOIN (SELECT "
            "`lines`.`order_id`, CAST(sum(`lines`.`amount`) AS SIGNED) AS `total` FROM `lines` "
            "GROUP BY `lines`.`order_id`) AS `rows_1` ON `rows_1`.`order_id` = "
            "`lines`.`order_id`"
        ),
        (),
    ),
    Case(
        "subquery_of_objects",
        lambda: select(
            aliased(Line, select(Line).order_by(-Line.amount).limit(2).subquery("best"), "b")
        ),
        (
            'SELECT "b"."order_id", "b"."no", "b"."amount" FROM (SELECT "lines"."order_id", '
            '"lines"."no", "lines"."amount" FROM "lines" ORDER BY "lines"."amount" DESC LIMIT '
            '?1) AS "b"'
        ),
        (
            'SELECT "b"."order_id", "b"."no", "b"."amount" FROM (SELECT "lines"."order_id", '
            '"lines"."no", "lines"."amount" FROM "lines" ORDER BY "lines"."amount" DESC LIMIT '
            '$1::bigint) AS "b"'
        ),
        (
            "SELECT `b`.`order_id`, `b`.`no`, `b`.`amount` FROM (SELECT `lines`.`order_id`, "
            "`lines`.`no`, `lines`.`amount` FROM `lines` ORDER BY `lines`.`amount` DESC LIMIT ?) "
            "AS `b`"
        ),
        (2,),
    ),
    Case(
        "subquery_of_window",
        lambda: select(PLACED.c.no).filter(PLACED.c.place == 1),
        (
            'SELECT "placed"."no" FROM (SELECT "lines"."no", row_number() OVER (PARTITION BY '
            '"lines"."order_id" ORDER BY "lines"."no") AS "place" FROM "lines") AS "placed" '
            'WHERE "placed"."place" = ?1'
        ),
        (
            'SELECT "placed"."no" FROM (SELECT "lines"."no", row_number() OVER (PARTITION BY '
            '"lines"."order_id" ORDER BY "lines"."no") AS "place" FROM "lines") AS "placed" '
            'WHERE "placed"."place" = $1::bigint'
        ),
        (
            "SELECT `placed`.`no` FROM (SELECT `lines`.`no`, row_number() OVER (PARTITION BY "
            "`lines`.`order_id` ORDER BY `lines`.`no`) AS `place` FROM `lines`) AS `placed` "
            "WHERE `placed`.`place` = ?"
        ),
        (1,),
    ),
    Case(
        "group_by_written_twice",
        lambda: (
            select(func.coalesce(Author.age, 0), func.count())
            .group_by(func.coalesce(Author.age, 0))
            .order_by(func.coalesce(Author.age, 0))
        ),
        (
            'SELECT coalesce("authors"."age", ?1), count(*) FROM "authors" GROUP BY '
            'coalesce("authors"."age", ?1) ORDER BY coalesce("authors"."age", ?1)'
        ),
        (
            'SELECT coalesce("authors"."age", $1::bigint), count(*) FROM "authors" GROUP BY '
            'coalesce("authors"."age", $1::bigint) ORDER BY coalesce("authors"."age", '
            "$1::bigint)"
        ),
        (
            "SELECT coalesce(`authors`.`age`, ?), count(*) FROM `authors` GROUP BY "
            "coalesce(`authors`.`age`, ?) ORDER BY coalesce(`authors`.`age`, ?)"
        ),
        (0,),
        mysql_parameters=(0, 0, 0),
    ),
    Case(
        "group_by_values_that_look_alike",
        lambda: (
            select(func.coalesce(Author.age, 1), func.coalesce(Author.active, True), func.count())
            .group_by(func.coalesce(Author.age, 1), func.coalesce(Author.active, True))
            .having(func.count() >= 1)
        ),
        (
            'SELECT coalesce("authors"."age", ?1), coalesce("authors"."active", ?2), count(*) '
            'FROM "authors" GROUP BY coalesce("authors"."age", ?1), coalesce("authors"."active", '
            "?2) HAVING count(*) >= ?1"
        ),
        (
            'SELECT coalesce("authors"."age", $1::bigint), coalesce("authors"."active", '
            '$2::boolean), count(*) FROM "authors" GROUP BY coalesce("authors"."age", '
            '$1::bigint), coalesce("authors"."active", $2::boolean) HAVING count(*) >= '
            "$1::bigint"
        ),
        (
            "SELECT coalesce(`authors`.`age`, ?), coalesce(`authors`.`active`, ?), count(*) FROM "
            "`authors` GROUP BY coalesce(`authors`.`age`, ?), coalesce(`authors`.`active`, ?) "
            "HAVING count(*) >= ?"
        ),
        (1, True),
        mysql_parameters=(1, True, 1, True, 1),
    ),
    Case(
        "distinct_order",
        lambda: (
            select(func.coalesce(Author.age, 0)).distinct().order_by(func.coalesce(Author.age, 0))
        ),
        (
            'SELECT DISTINCT coalesce("authors"."age", ?1) FROM "authors" ORDER BY '
            'coalesce("authors"."age", ?1)'
        ),
        (
            'SELECT DISTINCT coalesce("authors"."age", $1::bigint) FROM "authors" ORDER BY '
            'coalesce("authors"."age", $1::bigint)'
        ),
        (
            "SELECT DISTINCT coalesce(`authors`.`age`, ?) FROM `authors` ORDER BY "
            "coalesce(`authors`.`age`, ?)"
        ),
        (0,),
        mysql_parameters=(0, 0),
    ),
    Case(
        "insert_from_select",
        lambda: insert(Counter).from_select(
            [Counter.label], select(Author.name).filter(Author.age > 3)
        ),
        (
            'INSERT INTO "counters" ("label") SELECT "authors"."name" FROM "authors" WHERE '
            '"authors"."age" > ?1'
        ),
        (
            'INSERT INTO "counters" ("label") SELECT "authors"."name" FROM "authors" WHERE '
            '"authors"."age" > $1::bigint'
        ),
        (
            "INSERT INTO `counters` (`label`) SELECT `authors`.`name` FROM `authors` WHERE "
            "`authors`.`age` > ?"
        ),
        (3,),
    ),
    Case(
        "insert_from_select_defaults",
        lambda: insert(Author).from_select(
            ["email", "name"],
            select(Counter.label, Counter.label).filter(Counter.label.is_not_null()),
        ),
        (
            'INSERT INTO "authors" ("email", "name", "age", "active", "version") SELECT '
            '"counters"."label", "counters"."label", ?1, ?2, ?3 FROM "counters" WHERE '
            '"counters"."label" IS NOT NULL'
        ),
        (
            'INSERT INTO "authors" ("email", "name", "age", "active", "version") SELECT '
            '"counters"."label", "counters"."label", $1::bigint, $2::boolean, $3::bigint FROM '
            '"counters" WHERE "counters"."label" IS NOT NULL'
        ),
        (
            "INSERT INTO `authors` (`email`, `name`, `age`, `active`, `version`) SELECT "
            "`counters`.`label`, `counters`.`label`, ?, ?, ? FROM `counters` WHERE "
            "`counters`.`label` IS NOT NULL"
        ),
        (None, True, 1),
    ),
    Case(
        "insert_from_objects",
        lambda: insert(Line).from_select(
            ["order_id", "no", "amount"], select(Line).filter(Line.no == 9)
        ),
        (
            'INSERT INTO "lines" ("order_id", "no", "amount") SELECT "lines"."order_id", '
            '"lines"."no", "lines"."amount" FROM "lines" WHERE "lines"."no" = ?1'
        ),
        (
            'INSERT INTO "lines" ("order_id", "no", "amount") SELECT "lines"."order_id", '
            '"lines"."no", "lines"."amount" FROM "lines" WHERE "lines"."no" = $1::bigint'
        ),
        (
            "INSERT INTO `lines` (`order_id`, `no`, `amount`) SELECT `lines`.`order_id`, "
            "`lines`.`no`, `lines`.`amount` FROM `lines` WHERE `lines`.`no` = ?"
        ),
        (9,),
    ),
    Case(
        "insert_from_cte",
        lambda: insert(Line).from_select(
            [Line.order_id, Line.no, Line.amount],
            select(RICH.c.order_id, RICH.c.no + 100, RICH.c.amount),
        ),
        (
            'INSERT INTO "lines" ("order_id", "no", "amount") WITH "rich" AS (SELECT '
            '"lines"."order_id", "lines"."no", "lines"."amount" FROM "lines" WHERE '
            '"lines"."amount" > ?1) SELECT "rich"."order_id", "rich"."no" + ?2, "rich"."amount" '
            'FROM "rich"'
        ),
        (
            'INSERT INTO "lines" ("order_id", "no", "amount") WITH "rich" AS (SELECT '
            '"lines"."order_id", "lines"."no", "lines"."amount" FROM "lines" WHERE '
            '"lines"."amount" > $1::bigint) SELECT "rich"."order_id", "rich"."no" + $2::bigint, '
            '"rich"."amount" FROM "rich"'
        ),
        (
            "INSERT INTO `lines` (`order_id`, `no`, `amount`) WITH `rich` AS (SELECT "
            "`lines`.`order_id`, `lines`.`no`, `lines`.`amount` FROM `lines` WHERE "
            "`lines`.`amount` > ?) SELECT `rich`.`order_id`, `rich`.`no` + ?, `rich`.`amount` "
            "FROM `rich`"
        ),
        (3, 100),
    ),
    Case(
        "insert_from_union",
        lambda: insert(Counter).from_select(
            ["label"], select(Author.name).union(select(Author.email))
        ),
        (
            'INSERT INTO "counters" ("label") SELECT "rows_1"."name" FROM (SELECT '
            '"authors"."name" FROM "authors" UNION SELECT "authors"."email" FROM "authors") AS '
            '"rows_1"'
        ),
        (
            'INSERT INTO "counters" ("label") SELECT "rows_1"."name" FROM (SELECT '
            '"authors"."name" FROM "authors" UNION SELECT "authors"."email" FROM "authors") AS '
            '"rows_1"'
        ),
        (
            "INSERT INTO `counters` (`label`) SELECT `rows_1`.`name` FROM (SELECT "
            "`authors`.`name` FROM `authors` UNION SELECT `authors`.`email` FROM `authors`) AS "
            "`rows_1`"
        ),
        (),
    ),
    Case(
        "insert_from_select_upsert",
        lambda: (
            insert(Counter)
            .from_select([Counter.id, Counter.label], select(Author.id, Author.name))
            .on_conflict(Counter.id)
            .update(Counter.label)
        ),
        (
            'INSERT INTO "counters" ("id", "label") SELECT "authors"."id", "authors"."name" FROM '
            '"authors" WHERE TRUE ON CONFLICT ("id") DO UPDATE SET "label" = excluded."label"'
        ),
        (
            'INSERT INTO "counters" ("id", "label") SELECT "authors"."id", "authors"."name" FROM '
            '"authors" ON CONFLICT ("id") DO UPDATE SET "label" = excluded."label"'
        ),
        (
            "INSERT INTO `counters` (`id`, `label`) SELECT * FROM (SELECT `authors`.`id` AS "
            "`c1`, `authors`.`name` AS `c2` FROM `authors`) AS `uow_inner` (`id`, `label`) "
            "ON DUPLICATE KEY UPDATE `label` = `uow_inner`.`label`"
        ),
        (),
        mariadb=(
            "INSERT INTO `counters` (`id`, `label`) SELECT * FROM (SELECT `authors`.`id` AS "
            "`c1`, `authors`.`name` AS `c2` FROM `authors`) AS `uow_inner` ON DUPLICATE KEY "
            "UPDATE `label` = VALUES(`label`)"
        ),
    ),
    Case(
        "insert_from_select_decimal",
        lambda: insert(Book).from_select(
            [Book.id, Book.author_id, Book.title, Book.price],
            select(Book.id, Book.author_id, Book.title, Book.price * 2).filter(
                Book.title == "nothing"
            ),
        ),
        (
            'INSERT INTO "books" ("id", "author_id", "title", "price", "score", "tags", "dims") '
            'SELECT "books"."id", "books"."author_id", "books"."title", '
            'uow_decimal_fit(uow_decimal_mul("books"."price", ?1), 10, 2), ?2, ?3, ?4 FROM '
            '"books" WHERE "books"."title" = ?5'
        ),
        (
            'INSERT INTO "books" ("id", "author_id", "title", "price", "score", "tags", "dims") '
            'SELECT "books"."id", "books"."author_id", "books"."title", "books"."price" * '
            '$1::numeric, $2::double precision, $3::jsonb, $4::jsonb FROM "books" WHERE '
            '"books"."title" = $5::text'
        ),
        (
            "INSERT INTO `books` (`id`, `author_id`, `title`, `price`, `score`, `tags`, `dims`) "
            "SELECT `books`.`id`, `books`.`author_id`, `books`.`title`, `books`.`price` * ?, ?, "
            "?, ? FROM `books` WHERE `books`.`title` = ?"
        ),
        ("2", None, "[]", None, "nothing"),
        postgresql_parameters=(Decimal(2), None, "[]", None, "nothing"),
        mysql_parameters=(Decimal(2), None, "[]", None, "nothing"),
    ),
    Case(
        "upsert_expression",
        lambda: (
            insert(Counter, id=1, label="x")
            .on_conflict(Counter.id)
            .update({Counter.label: Counter.label + excluded(Counter.label)})
        ),
        (
            'INSERT INTO "counters" ("id", "label") VALUES (?1, ?2) ON CONFLICT ("id") DO UPDATE '
            'SET "label" = "counters"."label" || excluded."label"'
        ),
        (
            'INSERT INTO "counters" ("id", "label") VALUES ($1::bigint, $2::text) ON CONFLICT '
            '("id") DO UPDATE SET "label" = "counters"."label" || excluded."label"'
        ),
        (
            "INSERT INTO `counters` (`id`, `label`) VALUES (?, ?) AS `uow_inner` ON DUPLICATE KEY "
            "UPDATE `label` = CONCAT(`counters`.`label`, `uow_inner`.`label`)"
        ),
        (1, "x"),
        mariadb=(
            "INSERT INTO `counters` (`id`, `label`) VALUES (?, ?) ON DUPLICATE KEY UPDATE "
            "`label` = CONCAT(`counters`.`label`, VALUES(`label`))"
        ),
    ),
    Case(
        "upsert_by_constraint",
        lambda: (
            insert(Keyed, id=1, code="x", owner=7)
            .on_conflict(constraint="keyed_code")
            .update(Keyed.owner)
        ),
        (
            'INSERT INTO "keyed" ("id", "code", "owner") VALUES (?1, ?2, ?3) ON CONFLICT '
            '("code") DO UPDATE SET "owner" = excluded."owner"'
        ),
        (
            'INSERT INTO "keyed" ("id", "code", "owner") VALUES ($1::bigint, $2::text, '
            '$3::bigint) ON CONFLICT ("code") DO UPDATE SET "owner" = excluded."owner"'
        ),
        (
            "INSERT INTO `keyed` (`id`, `code`, `owner`) VALUES (?, ?, ?) AS `uow_inner` "
            "ON DUPLICATE KEY UPDATE `owner` = `uow_inner`.`owner`"
        ),
        (1, "x", 7),
        mariadb=(
            "INSERT INTO `keyed` (`id`, `code`, `owner`) VALUES (?, ?, ?) ON DUPLICATE KEY "
            "UPDATE `owner` = VALUES(`owner`)"
        ),
    ),
    Case(
        "upsert_partial_index",
        lambda: insert(Keyed, id=1, code="x", owner=7).on_conflict(Keyed.owner).update(Keyed.code),
        (
            'INSERT INTO "keyed" ("id", "code", "owner") VALUES (?1, ?2, ?3) ON CONFLICT '
            '("owner") WHERE owner > 5 DO UPDATE SET "code" = excluded."code"'
        ),
        (
            'INSERT INTO "keyed" ("id", "code", "owner") VALUES ($1::bigint, $2::text, '
            '$3::bigint) ON CONFLICT ("owner") WHERE owner > 5 DO UPDATE SET "code" = '
            'excluded."code"'
        ),
        None,
        (1, "x", 7),
    ),
    Case(
        "for_update_of",
        lambda: (
            select(Book.title)
            .join(Author, Author.id == Book.author_id)
            .for_update(of=Book, skip_locked=True)
        ),
        None,
        (
            'SELECT "books"."title" FROM "books" JOIN "authors" ON "authors"."id" = '
            '"books"."author_id" FOR UPDATE OF "books" SKIP LOCKED'
        ),
        (
            "SELECT `books`.`title` FROM `books` JOIN `authors` ON `authors`.`id` = "
            "`books`.`author_id` FOR UPDATE OF `books` SKIP LOCKED"
        ),
        (),
        mariadb=None,
    ),
    Case(
        "for_share",
        lambda: select(Counter.id).for_update(read=True, nowait=True),
        None,
        'SELECT "counters"."id" FROM "counters" FOR SHARE NOWAIT',
        "SELECT `counters`.`id` FROM `counters` FOR SHARE NOWAIT",
        (),
        mariadb="SELECT `counters`.`id` FROM `counters` LOCK IN SHARE MODE NOWAIT",
    ),
    Case(
        "for_no_key_update",
        lambda: select(Counter.id).for_update(key_share=True),
        'SELECT "counters"."id" FROM "counters"',
        'SELECT "counters"."id" FROM "counters" FOR NO KEY UPDATE',
        None,
        (),
    ),
    Case(
        "for_key_share",
        lambda: select(Counter.id).for_update(read=True, key_share=True),
        'SELECT "counters"."id" FROM "counters"',
        'SELECT "counters"."id" FROM "counters" FOR KEY SHARE',
        None,
        (),
    ),
]


def _named(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case_", cases, ids=[case_.name for case_ in cases])


def _compare(
    case_: Case, dialect: str, text: str | None, parameters: tuple[object, ...] | None
) -> None:
    if text is None:
        with pytest.raises(QueryError):
            case_.query().compile(dialect)
        return
    statement = case_.query().compile(dialect)
    assert statement.sql == text
    assert tuple(statement.parameters) == (case_.parameters if parameters is None else parameters)


@_named(CASES)
def test_sqlite(case_: Case) -> None:
    """A query has this text and these parameters on SQLite, or is refused."""
    _compare(case_, "sqlite", case_.sqlite, None)


@_named(CASES)
def test_postgresql(case_: Case) -> None:
    """A query has this text and these parameters on PostgreSQL, or is refused."""
    _compare(case_, "postgresql", case_.postgresql, case_.postgresql_parameters)


@_named(CASES)
def test_mysql(case_: Case) -> None:
    """A query has this text and these parameters on MySQL, or is refused."""
    _compare(case_, "mysql", case_.mysql, case_.mysql_parameters)


@_named(CASES)
def test_mariadb(case_: Case) -> None:
    """A query has this text on MariaDB, which is mostly that of MySQL, or is refused."""
    text = case_.mysql if case_.mariadb is OF_MYSQL else case_.mariadb
    _compare(case_, "mariadb", text, case_.mysql_parameters)


class Shift(Model):
    """Unique by day for one half of the rows, and for the other."""

    class Settings:
        name = "shifts"
        registry = REGISTRY
        indexes = [  # noqa: RUF012 - read once, by the mapping
            {"fields": ["day"], "unique": True, "where": "early", "name": "early_day"},
            {"fields": ["day"], "unique": True, "where": "NOT early", "name": "late_day"},
        ]

    id: Mapped[int] = Column(primary_key=True)
    day: Mapped[int]
    early: Mapped[bool]


class Booking(Model):
    """Unique in ways that an insert meets, and in one that it does not."""

    class Settings:
        name = "bookings_of_a_hotel_with_a_name_that_is_longer_than_any"
        registry = REGISTRY
        indexes = (
            {
                "fields": ["room", {"expression": "lower(guest)"}],
                "unique": True,
                "where": "day > 0",
                "name": "guest_of_room",
            },
            {"fields": ["room", "guest"], "unique": True},
            {"fields": ["guest"], "name": "by_guest"},
        )
        constraints = ({"unique": ["day"], "deferrable": True, "name": "one_a_day"},)

    id: Mapped[int] = Column(primary_key=True)
    room: Mapped[int] = Column(unique=True)
    guest: Mapped[str]
    day: Mapped[int]


def test_keys_by_their_names() -> None:
    """Q3: a name is the model's, or that which `create_all` makes, whole or as a store cuts it."""
    begun = insert(Booking, id=1, room=2, guest="x", day=3)
    table = Booking._uow_mapper.table_name
    for name, text in (
        (f"uq_{table}_room", '("room")'),
        (constraint_name(63, "uq", table, "room"), '("room")'),
        (constraint_name(63, f"ix_{table}_room_guest"), '("room", "guest")'),
        ("guest_of_room", '("room", (lower(guest))) WHERE day > 0'),
    ):
        sql = begun.on_conflict(constraint=name).nothing().compile("postgresql").sql
        assert sql.endswith(f" ON CONFLICT {text} DO NOTHING")
    with pytest.raises(QueryError, match="end of the transaction"):
        begun.on_conflict(constraint="one_a_day")
    for wrong in ("by_guest", "", "uq_room", f"uq_{table}_day"):
        with pytest.raises(QueryError, match="no unique key"):
            begun.on_conflict(constraint=wrong)


def test_one_of_several_partial_indexes() -> None:
    """Where several unique indexes have the columns, the one that is meant is said."""
    begun = insert(Shift, id=1, day=2, early=True)
    with pytest.raises(QueryError, match="say where="):
        begun.on_conflict(Shift.day)
    for found in (
        begun.on_conflict(Shift.day, where="NOT early"),
        begun.on_conflict(constraint="late_day"),
    ):
        text = found.nothing().compile("postgresql").sql
        assert text.endswith('ON CONFLICT ("day") WHERE NOT early DO NOTHING')


@_named(CASES)
def test_text_is_the_same_each_time(case_: Case) -> None:
    """The same tree has the same text and the same order of parameters."""
    query = case_.query()
    if case_.sqlite is not None:
        assert query.compile("sqlite") == query.compile("sqlite")
    if case_.postgresql is not None:
        assert query.compile("postgresql") == query.compile("postgresql")


def test_locks_of_rows_that_an_outer_join_may_not_find() -> None:
    """PostgreSQL locks no row that may be missing, so the others have to be named."""
    joined = select(Author).join(Book, Book.author_id == Author.id, outer=True)
    with pytest.raises(QueryError, match="of="):
        joined.for_update().compile("postgresql")
    with pytest.raises(QueryError, match="of="):
        joined.for_update(of=[Author, Book]).compile("postgresql")

    assert (
        joined.for_update(of=[Author])
        .compile("postgresql")
        .sql.endswith(' FOR UPDATE OF "authors"')
    )
    assert joined.for_update().compile("mysql").sql.endswith(" FOR UPDATE")
    assert "FOR UPDATE" not in joined.for_update().compile("sqlite").sql


def test_windows_that_mariadb_mixes_up() -> None:
    """Three windows of several directions give wrong rows on MariaDB, so they are refused there."""
    number, rank = func.row_number(), func.rank()
    down = number.over(partition_by=Author.age, order_by=-Author.name)
    by_age = rank.over(order_by=Author.age)
    by_both = func.ntile(2).over(order_by=[Author.age, Author.name])
    wrong = select(down, by_age, by_both)
    with pytest.raises(QueryError, match="MariaDB mixes up"):
        wrong.compile("mariadb")

    assert "OVER" in wrong.compile("mysql").sql
    assert select(down, by_age).compile("mariadb").sql == select(down, by_age).compile("mysql").sql
