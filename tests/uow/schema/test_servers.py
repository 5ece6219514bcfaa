"""What only servers have: types, numbers and comments of PostgreSQL; MySQL's own words."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support import mysql, postgresql
from tests.uow.schema.test_changes import base, run
from uow import (
    Column,
    Database,
    EnumType,
    Mapped,
    Session,
    apply_schema,
    diff_schema,
    inspect_schema,
)
from uow.schema.steps import RunSQL, reversed_all
from uow.types import Integer

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]


@pytest.fixture
async def server(postgresql_database: str) -> AsyncIterator[Database]:
    """An empty database of PostgreSQL."""
    await postgresql.clear(postgresql_database)
    async with Database(postgresql_database) as database:
        yield database


@pytest.fixture(params=["mysql", "mariadb"])
def mysql_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database of MySQL or MariaDB."""
    url: str = request.getfixturevalue(f"{request.param}_database")
    return url


@pytest.fixture
async def mysql_server(mysql_url: str) -> AsyncIterator[Database]:
    """An empty database of MySQL or MariaDB."""
    await mysql.clear(mysql_url)
    async with Database(mysql_url) as database:
        yield database


def with_labels(*labels: str, default: str | None = None) -> type:
    """A table with an enum of some labels, and many of it."""
    members = {label.upper(): label for label in labels}
    made: Any = enum.Enum("Mood", members)  # type: ignore[misc]
    type_ = EnumType(made, native="mood")
    filled = {} if default is None else {"server_default": default}

    class Post(base()):  # type: ignore[misc]
        class Settings:
            name = "posts"

        id: Mapped[int] = Column(primary_key=True)
        mood: Mapped[made] = Column(type=type_, **filled)  # type: ignore[call-overload]

    return Post


@pytest.mark.parametrize("default", [None, "'sad'"])
async def test_labels(server: Database, default: str | None) -> None:
    """G3: labels come in their places and go again; rows keep theirs, whatever a default says."""
    first, second = (
        with_labels("ok", "sad"),
        with_labels("new", "ok", "odd", "sad", default=default),
    )
    await server.create_all([first])
    await run(server, "INSERT INTO posts VALUES (1, 'sad'), (2, 'ok')")
    before = await inspect_schema(server)
    steps = await diff_schema(server, [second])
    await apply_schema(server, steps)

    assert await diff_schema(server, [second]) == []
    assert (await inspect_schema(server)).types[0].labels == ("new", "ok", "odd", "sad")
    await run(server, "INSERT INTO posts VALUES (3, 'sad')")
    await apply_schema(server, reversed_all(steps, before), allow_destructive=True)
    assert await diff_schema(server, [first]) == []
    assert await run(server, "SELECT mood::text FROM posts ORDER BY id") == [
        ("sad",),
        ("ok",),
        ("sad",),
    ]


async def test_what_uses_a_type_keeps_it(server: Database) -> None:
    """A type that a table elsewhere uses is left alone."""
    await server.create_all([with_labels("ok")])
    await apply_schema(
        server,
        [RunSQL(("CREATE SCHEMA elsewhere", "CREATE TABLE elsewhere.t (m mood)"))],
    )
    await apply_schema(server, await diff_schema(server, []), allow_destructive=True)
    found = await inspect_schema(server)

    assert (found.tables, [str(type_.name) for type_ in found.types]) == ((), ["mood"])
    await run(server, "DROP SCHEMA elsewhere CASCADE")


async def test_serial_is_a_number(server: Database) -> None:
    """The older way to number rows is no difference, nor is the schema that is the default one."""

    class Thing(base()):  # type: ignore[misc]
        class Settings:
            name = "things"
            schema = "public"

        id: Mapped[int] = Column(primary_key=True, auto_increment=True, type=Integer(32))

    await apply_schema(server, [RunSQL(("CREATE TABLE things (id serial PRIMARY KEY)",))])

    assert [str(step) for step in await diff_schema(server, [Thing])] == []


async def test_comments_and_numbers(server: Database) -> None:
    """Comments come and go, and a key that gets its numbers from now on goes on behind the last."""

    def one(said: str | None, *, numbered: bool) -> type:
        class Thing(base()):  # type: ignore[misc]
            class Settings:
                name = "things"
                comment = said

            id: Mapped[int] = Column(
                primary_key=True,
                auto_increment=numbered,  # type: ignore[call-overload]
                comment=said,
            )

        return Thing

    before, after = one(None, numbered=False), one("it's one", numbered=True)
    await server.create_all([before])
    await run(server, "INSERT INTO things VALUES (7)")
    steps = await diff_schema(server, [after])
    there = await inspect_schema(server)
    await apply_schema(server, steps)

    assert await diff_schema(server, [after]) == []
    async with Session.begin(server) as session:
        thing = after()
        session.add(thing)
        await session.flush()
        key: Any = getattr(thing, "id")  # noqa: B009 - of a class made here
        assert key == 8
    await apply_schema(server, reversed_all(steps, there))
    assert await diff_schema(server, [before]) == []


async def test_nothing_is_left_of_asking(server: Database) -> None:
    """What the store is asked for a comparison is gone with it, also where it cannot be made."""

    class Thing(base()):  # type: ignore[misc]
        class Settings:
            name = "things"

        id: Mapped[int] = Column(primary_key=True)
        n: Mapped[int] = Column(check="no_such_function(n) > 0")

    own = "CREATE TABLE things (id bigint PRIMARY KEY, n int CONSTRAINT ck_things_n CHECK (n > 0))"
    await apply_schema(server, [RunSQL((own,))])
    steps = await diff_schema(server, [Thing])

    assert "drop the check ck_things_n of things" in [str(step) for step in steps]
    assert server.pool.stats.in_use == 0
    assert await run(server, "SELECT count(*) FROM pg_class WHERE relname = 'things'") == [(1,)]


async def test_mysqls_own_words(mysql_server: Database) -> None:
    """What MySQL says of a table that others made is read, and written again as it was."""
    text = """CREATE TABLE `odd` (
        `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
        `kind` enum('a,b','it''s') NOT NULL DEFAULT 'a,b',
        `made` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
        `name` varchar(20) CHARACTER SET latin1 DEFAULT 'x' COMMENT 'it''s',
        `flag` tinyint(1) DEFAULT '0',
        `body` text,
        PRIMARY KEY (`id`),
        UNIQUE KEY `by_name` (`name`(5)),
        FULLTEXT KEY `words` (`body`)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='odd; one'"""
    await apply_schema(mysql_server, [RunSQL((text,))])
    first = (await inspect_schema(mysql_server)).table("odd")
    assert first is not None

    assert [(c.name, c.type, c.nullable, c.default) for c in first.columns] == [
        ("id", "INTEGER UNSIGNED", False, None),
        ("kind", "ENUM('a,b', 'it''s')", False, "'a,b'"),
        ("made", "TIMESTAMP", False, first.columns[2].default),
        ("name", "VARCHAR(20)", True, "'x'"),
        ("flag", "BOOLEAN", True, "0"),
        ("body", "TEXT", True, None),
    ]
    assert (first.columns[2].on_update or "").upper().startswith("CURRENT_TIMESTAMP")
    assert (first.columns[3].collation or "").startswith("latin1")
    assert (first.columns[3].comment, first.comment) == ("it's", "odd; one")
    assert [(i.name, i.unique, i.method, i.parts[0].length) for i in first.indexes] == [
        ("by_name", True, None, 5),
        ("words", False, "fulltext", None),
    ]
    texts = mysql_server.dialect.definitions.create_table(first)
    await apply_schema(mysql_server, [RunSQL(("DROP TABLE odd", *texts))])

    assert (await inspect_schema(mysql_server)).table("odd") == first
