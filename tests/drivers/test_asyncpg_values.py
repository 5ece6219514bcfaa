"""Values through asyncpg: exact both ways, in columns, arrays and parameters."""

from __future__ import annotations

import math
import pickle
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address
from typing import Any
from uuid import UUID

import pytest

from uow.drivers.base import Connection
from uow.errors import QueryError, ValidationError
from uow.statement import Statement

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Asyncpg runs under asyncio alone."""
    return "asyncio"


async def one(connection: Connection, sql: str, *parameters: object) -> Any:
    """The one value a query gives."""
    return (await connection.fetch(Statement(sql, parameters, reads=True)))[0][0]


NAIVE = datetime(2024, 2, 29, 12, 0, 0, 1)  # noqa: DTZ001  # the kind without a zone
LAST = datetime.max  # noqa: DTZ901  # and the last of that kind
EAST = timezone(timedelta(hours=9, minutes=30))

VALUES: list[tuple[str, list[Any]]] = [
    ("boolean", [True, False]),
    ("smallint", [0, -(2**15), 2**15 - 1]),
    ("int", [0, -(2**31), 2**31 - 1]),
    ("bigint", [0, -(2**63), 2**63 - 1]),
    ("double precision", [0.1, -0.0, 5e-324, 1.7976931348623157e308, math.inf, -math.inf]),
    ("numeric", [
        Decimal(0), Decimal("0.1"), Decimal("-1.20"), Decimal("1E+30"), Decimal("1E-30"),
        Decimal("12345678901234567890123456789012345678.123456789012345678"),
    ]),
    ("text", ["", "x", "é😀", "'\"\\%_$1", "\n\t", "a" * 100_000]),
    ("bytea", [b"", b"\x00\xff\\", bytes(range(256)) * 100]),
    ("uuid", [UUID(int=0), UUID(int=2**128 - 1), UUID("0189c9a8-79b1-7c3e-8c5e-aaaaaaaaaaaa")]),
    ("date", [date(1, 1, 2), date(1969, 12, 31), date(9999, 12, 30)]),
    ("time", [time(0), time(23, 59, 59, 999_999)]),
    ("timestamp", [NAIVE, NAIVE.replace(year=4), NAIVE.replace(year=9996)]),
    ("timestamptz", [
        NAIVE.replace(year=4, tzinfo=UTC), NAIVE.replace(year=9996, tzinfo=UTC),
        NAIVE.replace(tzinfo=EAST),
    ]),
    ("interval", [
        timedelta(0), timedelta(microseconds=-1), timedelta(days=400, seconds=3, microseconds=7),
        timedelta(days=-3, hours=5), timedelta(days=999_999),
    ]),
    ("jsonb", ['{"a": [1, null, "é"]}', "null", '"x"', "12345678901234567890.5"]),
    ("json", ['{"b":1,  "a":2}']),
    ("inet", [IPv4Interface("10.0.0.1/8"), IPv4Address("10.0.0.1"), IPv6Address("::1")]),
    ("cidr", [IPv4Network("10.0.0.0/8")]),
    ("int[]", [[], [1, None, 3], [[1, 2], [3, 4]]]),
    ("uuid[]", [[UUID(int=1), None]]),
    ("interval[]", [[timedelta(days=1, seconds=1), None]]),
    ("timestamptz[]", [[datetime(2024, 1, 1, tzinfo=UTC)]]),
    ("numeric[]", [[Decimal("1.10"), None]]),
]  # fmt: skip


def kind(value: Any) -> Any:
    """The type of a value, and of what is in it."""
    return [kind(item) for item in value] if isinstance(value, list) else type(value)


@pytest.mark.parametrize(
    ("type_", "value"), [(type_, value) for type_, values in VALUES for value in values]
)
async def test_round_trip(postgresql_connection: Connection, type_: str, value: Any) -> None:
    """M5: a value comes back equal and of its type, as a parameter and from a column."""
    connection = postgresql_connection
    await connection.execute(Statement(f"CREATE TABLE v (value {type_})"))
    await connection.execute(Statement(f"INSERT INTO v VALUES ($1::{type_})", (value,)))
    found = await one(connection, "SELECT value FROM v")

    assert found == value
    assert kind(found) == kind(value)
    assert await one(connection, f"SELECT count(*) FROM v WHERE value::text = ($1::{type_})::text",
                     value) == 1  # fmt: skip
    if isinstance(value, float):
        assert math.copysign(1, found) == math.copysign(1, value)
    if isinstance(value, Decimal) and "E" not in str(value):
        assert str(found) == str(value)
    if isinstance(value, datetime):
        assert found.tzinfo == (UTC if value.tzinfo else None)


async def test_nan(postgresql_connection: Connection) -> None:
    """F73: NaN is NaN, and not NULL."""
    assert math.isnan(await one(postgresql_connection, "SELECT $1::float8", math.nan))
    assert (await one(postgresql_connection, "SELECT $1::numeric", Decimal("NaN"))).is_nan()


async def test_uuids_are_plain(postgresql_connection: Connection) -> None:
    """A UUID is one of the standard library's, whole: it can be pickled, shown and hashed."""
    wanted = UUID("0189c9a8-79b1-7c3e-8c5e-aaaaaaaaaaaa")
    found = await one(postgresql_connection, "SELECT $1::uuid", wanted)

    assert type(found) is UUID
    assert pickle.loads(pickle.dumps(found)) == wanted
    assert (hash(found), repr(found), found.is_safe) == (hash(wanted), repr(wanted), wanted.is_safe)


async def test_months_are_no_timedelta(postgresql_connection: Connection) -> None:
    """An interval without a fixed length is an error, and the transaction is as it was."""
    for text in ("1 month", "-2 years 3 days"):
        with pytest.raises(ValidationError, match="months"):
            await one(postgresql_connection, "SELECT $1::text::interval", text)

    assert await one(postgresql_connection, "SELECT interval '1 day 02:03'") == timedelta(
        days=1, hours=2, minutes=3
    )


@pytest.mark.parametrize("text", ["4713-01-01 BC", "0044-03-15 BC"])
async def test_moments_python_has_not(postgresql_connection: Connection, text: str) -> None:
    """A date before the year 1 is an error, not another date."""
    for type_ in ("date", "timestamp", "timestamptz"):
        with pytest.raises(ValidationError, match="counterpart"):
            await one(postgresql_connection, f"SELECT $1::text::{type_}", text)
    assert await one(postgresql_connection, "SELECT 1") == 1


async def test_infinite_moments(postgresql_connection: Connection) -> None:
    """The ends of Python's calendar stand for infinity; the dialect gives the moment its zone."""
    aware = LAST.replace(tzinfo=UTC)
    for type_, last, found in (
        ("date", date.max, date.max),
        ("timestamp", LAST, LAST),
        ("timestamptz", aware, LAST),
    ):
        assert await one(postgresql_connection, f"SELECT 'infinity'::{type_}") == found
        assert await one(postgresql_connection, f"SELECT ($1::{type_})::text", last) == "infinity"


async def test_types_of_users(postgresql_connection: Connection) -> None:
    """Enumerated types are text, composite ones are like tuples, ranges have their bounds."""
    connection = postgresql_connection
    await connection.execute(
        Statement(
            "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE place AS (x INT, name TEXT);"
            " CREATE TABLE u (mood mood, place place, moods mood[], span INT4RANGE)"
        )
    )
    await connection.execute(
        Statement("INSERT INTO u VALUES ($1, $2, $3, $4::text::int4range)",
                  ("ok", (1, "here"), ["sad", None], "[1,5)"))
    )  # fmt: skip
    ((mood, place, moods, span),) = await connection.fetch(Statement("SELECT * FROM u"))

    assert (mood, moods) == ("ok", ["sad", None])
    assert place == (1, "here")
    assert tuple(place) == (1, "here")
    assert (span.lower, span.upper, span.lower_inc, span.upper_inc) == (1, 5, True, False)


async def test_text_outside_of_utf_8_is_refused(postgresql_connection: Connection) -> None:
    """F70, F71: NUL and lone surrogates are refused, and the connection goes on."""
    for value in ("a\0b", "a\ud800"):
        with pytest.raises(ValidationError):
            await one(postgresql_connection, "SELECT $1::text", value)
    assert await one(postgresql_connection, "SELECT 1") == 1


async def test_infinity_in_raw_sql(postgresql_connection: Connection) -> None:
    """A moment at infinity has a zone, as any other, also where nobody knows the types."""
    sql = """
        SELECT n, CASE n WHEN 1 THEN 'infinity' WHEN 2 THEN '-infinity'
            WHEN 3 THEN '2024-01-01 00:00+00' END::timestamptz AS at, 'infinity'::timestamp AS local
        FROM generate_series(1, 4) AS n ORDER BY n
    """
    found = (await postgresql_connection.run(Statement(sql))).rows

    assert [tuple(row) for row in found] == [
        (1, LAST.replace(tzinfo=UTC), LAST),
        (2, datetime.min.replace(tzinfo=UTC), LAST),
        (3, datetime(2024, 1, 1, tzinfo=UTC), LAST),
        (4, None, LAST),
    ]


async def test_no_statement(postgresql_connection: Connection) -> None:
    """Comments alone are no statement."""
    with pytest.raises(QueryError, match="no statement"):
        await postgresql_connection.run(Statement("-- nothing"))
