"""SQLite: tables are built anew with all that they have, and read from anybody's text."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import anyio
import pytest

from tests.uow.schema.test_changes import base, run
from uow import (
    Column,
    ConstraintError,
    ConstraintKind,
    Database,
    Mapped,
    MappingError,
    QueryError,
    ValidationError,
    apply_schema,
    diff_schema,
    inspect_schema,
)
from uow.schema.description import CheckDef, ColumnDef, ForeignKeyDef
from uow.schema.live import run_steps
from uow.schema.steps import AddColumn, AddConstraint, AlterColumn, CreateSchema, RunSQL

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"], indirect=True),
]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database with one connection."""
    async with Database(f"sqlite:///{tmp_path}/x.db", pool_max=1) as database:
        yield database


UUID_OF_IT = UUID("3f0c8c44-5b32-4ad1-8bf8-000000000001")
UUID_BYTES = UUID_OF_IT.bytes

OWN = (
    "CREATE TABLE parents (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL)",
    "CREATE TABLE children (id INTEGER PRIMARY KEY, note TEXT, \
parent_id INTEGER REFERENCES parents (id) ON DELETE CASCADE)",
    "CREATE TABLE log (text TEXT)",
    "CREATE VIEW names AS SELECT name FROM parents",
    "CREATE TRIGGER noted AFTER INSERT ON parents BEGIN INSERT INTO log VALUES (new.name); END",
    "CREATE INDEX by_name ON parents (name COLLATE NOCASE DESC) WHERE name <> 'x'",
    "INSERT INTO parents (id, name) VALUES (1, 'Ann'), (9, 'Bob')",
    "INSERT INTO children (id, parent_id) VALUES (1, 1), (2, NULL)",
    "DELETE FROM parents WHERE id = 9",
)


async def test_all_that_a_table_has_stays(database: Database) -> None:
    """G3: rows, indexes, triggers, views, the last number and what refers to it stay."""
    await apply_schema(database, [RunSQL(OWN)])
    before = await inspect_schema(database)
    table = before.table("parents")
    assert table is not None
    column = table.columns[1]
    steps = [AlterColumn("parents", column, ColumnDef(name="name", type="VARCHAR(40)"))]
    await apply_schema(database, steps, allow_destructive=True)

    after = (await inspect_schema(database)).table("parents")
    assert after is not None
    assert after.columns[1].type == "VARCHAR(40)"
    assert (after.indexes, after.triggers) == (table.indexes, table.triggers)
    assert await run(database, "SELECT id, parent_id FROM children") == [(1, 1), (2, None)]
    await run(database, "INSERT INTO parents (name) VALUES ('Cy')")
    assert await run(database, "SELECT id FROM parents") == [(1,), (10,)]
    assert await run(database, "SELECT name FROM names") == [("Ann",), ("Cy",)]
    assert await run(database, "SELECT text FROM log") == [("Ann",), ("Bob",), ("Cy",)]
    assert await run(database, "PRAGMA foreign_keys") == [(1,)]
    await run(database, "DELETE FROM parents WHERE id = 1")
    assert await run(database, "SELECT id FROM children") == [(2,)]


async def test_what_is_named_in_another_case_stays(database: Database) -> None:
    """G3: a trigger and an index that write the name of the table otherwise come along."""
    texts = (
        "CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT)",
        "CREATE TABLE log (text TEXT)",
        "CREATE TRIGGER noted AFTER INSERT ON PARENTS BEGIN INSERT INTO log VALUES (new.id); END",
        "CREATE INDEX by_name ON Parents (NAME)",
    )
    await apply_schema(database, [RunSQL(texts)])
    table = (await inspect_schema(database)).table("parents")
    assert table is not None
    assert [one.name for one in table.triggers] == ["noted"]
    assert table.indexes[0].columns == ("name",)
    named = AddConstraint("parents", CheckDef(name="named", sql="name <> ''"))
    await apply_schema(database, [named])
    await run(database, "INSERT INTO parents (name) VALUES ('Ann')")
    assert await run(database, "SELECT text FROM log") == [("1",)]


VALUES = [
    ("TEXT", "BIGINT", "'12'", 12),
    ("TEXT", "UUID_BLOB", "'3f0c8c44-5b32-4ad1-8bf8-000000000001'", UUID_BYTES),
    ("UUID_BLOB", "TEXT", "x'3f0c8c445b324ad18bf8000000000001'", str(UUID_OF_IT)),
    ("DATE_TEXT", "TIMESTAMPTZ_TEXT", "'2024-05-06'", "2024-05-06 00:00:00.000000+00:00"),
    ("TIMESTAMP_TEXT", "TIMESTAMPTZ_TEXT", "'2024-05-06 00:00:00.000000'",
     "2024-05-06 00:00:00.000000+00:00"),
    ("TIMESTAMPTZ_TEXT", "DATE_TEXT", "'2024-05-06 00:00:00.000000+00:00'", "2024-05-06"),
    ("TEXT", "BIGINT", "'many'", None),
    ("TEXT", "UUID_BLOB", "'{3F0C8C445B324AD18BF8000000000001}'", UUID_BYTES),
    ("BLOB", "UUID_BLOB", "x'3f0c8c445b324ad18bf8000000000001'", UUID_BYTES),
    ("TEXT", "UUID_BLOB", "'none'", None),
    ("TEXT", "UUID_BLOB", "'ab'", None),
    ("TEXT", "UUID_BLOB", "'3f0c8c44-5b32-4ad1-8bf8-00000000000100'", None),
    ("TEXT", "UUID_BLOB", "''", None),
    ("BLOB", "UUID_BLOB", "x'ab'", None),
    ("TEXT", "DOUBLE", "'none'", None),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "value", "found"), VALUES)
async def test_values_take_their_new_type(
    database: Database, old: str, new: str, value: str, found: object
) -> None:
    """G3: values are converted; what the new type does not have is an error that undoes all."""
    texts = (
        f"CREATE TABLE kept (id INTEGER PRIMARY KEY, it {old})",
        f"INSERT INTO kept (it) VALUES ({value}), (NULL)",
    )
    await apply_schema(database, [RunSQL(texts)])
    rows = await run(database, "SELECT it FROM kept")
    steps = [
        AlterColumn("kept", ColumnDef(name="it", type=old), ColumnDef(name="it", type=new)),
    ]
    if found is None:
        with pytest.raises(ValidationError, match=r"kept\.it has values that its new type cannot"):
            await apply_schema(database, steps, allow_destructive=True)
        assert await run(database, "SELECT it FROM kept") == rows
    else:
        await apply_schema(database, steps, allow_destructive=True)
        assert await run(database, "SELECT it FROM kept") == [(found,), (None,)]


async def test_texts_become_uuids_in_memory() -> None:
    """The standard library's SQLite may be one without `unhex`."""
    async with Database("memory://") as database:
        texts = (
            "CREATE TABLE kept (id INTEGER PRIMARY KEY, it TEXT)",
            f"INSERT INTO kept (it) VALUES ('{UUID_OF_IT}')",
        )
        await apply_schema(database, [RunSQL(texts)])
        old, new = ColumnDef(name="it", type="TEXT"), ColumnDef(name="it", type="UUID_BLOB")
        await apply_schema(database, [AlterColumn("kept", old, new)], allow_destructive=True)
        assert await run(database, "SELECT it FROM kept") == [(UUID_BYTES,)]


@pytest.mark.parametrize(
    "column",
    ["n TEXT UNIQUE ON CONFLICT REPLACE", "n TEXT NOT NULL ON CONFLICT IGNORE",
     "n TEXT, UNIQUE (n) ON CONFLICT REPLACE"],
)  # fmt: skip
async def test_what_would_be_lost_is_refused(database: Database, column: str) -> None:
    """What a definition says, and nobody here can say again, keeps it from being built anew."""
    texts = (f"CREATE TABLE odd (id INTEGER PRIMARY KEY, other TEXT, {column})",)
    await apply_schema(database, [RunSQL(texts)])
    before = await run(database, "SELECT sql FROM sqlite_schema")
    other = ColumnDef(name="other", type="TEXT")
    with pytest.raises(MappingError, match=r"odd says 'ON CONFLICT \w+', which would be lost"):
        await apply_schema(
            database,
            [AlterColumn("odd", other, ColumnDef(name="other", type="VARCHAR(9)"))],
            allow_destructive=True,
        )
    assert await run(database, "SELECT sql FROM sqlite_schema") == before


async def test_only_a_key_has_numbers(database: Database) -> None:
    """SQLite numbers the rows by their key: another column is refused, and the key stays."""
    await apply_schema(database, [RunSQL(("CREATE TABLE codes (code TEXT PRIMARY KEY, n INT)",))])
    number = ColumnDef(name="n", type="INTEGER", nullable=False, identity="by default")
    steps = [AlterColumn("codes", ColumnDef(name="n", type="INT"), number)]
    with pytest.raises(MappingError, match=r"codes\.n: SQLite numbers rows by the primary key"):
        await apply_schema(database, steps, allow_destructive=True)


async def test_rows_that_refer_to_none(database: Database) -> None:
    """A key that rows do not obey is an error that undoes all, and keys are kept again after it."""
    await apply_schema(database, [RunSQL(OWN)])
    await run(database, "INSERT INTO log VALUES ('nobody')")
    key = ForeignKeyDef(name="fk", columns=("text",), target="parents", target_columns=("id",))
    with pytest.raises(ConstraintError, match="rows of log refer to rows that are not") as caught:
        await apply_schema(database, [AddConstraint("log", key)])

    assert (caught.value.kind, caught.value.table) == (ConstraintKind.FOREIGN_KEY, "log")
    found = (await inspect_schema(database)).table("log")
    assert found is not None
    assert found.foreign_keys == ()
    assert await run(database, "PRAGMA foreign_keys") == [(1,)]


async def test_a_step_that_fails_undoes_all(database: Database) -> None:
    """What was done before it is undone with it, and the connection is as it was."""
    await apply_schema(database, [RunSQL(OWN)])
    before = await inspect_schema(database)
    column = ColumnDef(name="more", type="TEXT", default="(lower('X'))")
    with pytest.raises(QueryError):
        await apply_schema(database, [AddColumn("parents", column), RunSQL(("NONSENSE",))])

    assert await inspect_schema(database) == before
    assert await run(database, "PRAGMA foreign_keys") == [(1,)]
    assert database.pool.stats.in_use == 0


@pytest.mark.parametrize("calls", range(1, 12))
async def test_cancelled_anywhere(database: Database, calls: int) -> None:
    """A cancellation leaves all or nothing, and no connection that does not keep keys."""
    await apply_schema(database, [RunSQL(OWN)])
    before = await inspect_schema(database)
    column = ColumnDef(name="more", type="TEXT", default="(lower('X'))")
    with anyio.CancelScope() as scope:
        seen = 0
        pool = database.pool
        connection = await pool.acquire()
        execute = type(connection).execute

        async def counted(self: object, statement: object) -> int:
            nonlocal seen
            seen += 1
            if seen == calls:
                scope.cancel()
            return await execute(self, statement)  # type: ignore[arg-type]

        await pool.release(connection)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(connection), "execute", counted)
            await apply_schema(database, [AddColumn("parents", column)])
    after = await inspect_schema(database)

    table = after.table("parents")
    assert table is not None
    assert after == before or table.column("more") is not None
    assert await run(database, "PRAGMA foreign_keys") == [(1,)]
    assert len(await run(database, "SELECT * FROM children")) == 2
    assert database.pool.stats.in_use == 0


async def test_anybodys_text(database: Database) -> None:
    """What others wrote is read: constraints without names, behind columns, in any spelling."""
    await apply_schema(
        database,
        [
            RunSQL(
                (
                    """CREATE TABLE "auth user" (
                        [id] integer not null primary key autoincrement, -- the key
                        `email` varchar ( 254 ) UNIQUE collate NOCASE,
                        age int unsigned default -1 check (age >= -1 and 'a,b)' <> "email"),
                        made datetime default (datetime('now')) not null,
                        twice int generated always as (age*2) virtual,
                        /* a comment, with a comma */
                        boss references "auth user" on delete set null
                            deferrable initially deferred,
                        check (age < 200), CONSTRAINT "odd ""name" UNIQUE (age, made))""",
                    "CREATE TABLE pairs (a, b TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID",
                    "CREATE UNIQUE INDEX i ON pairs (lower(b) DESC, a) WHERE b IS NOT NULL",
                    "CREATE VIRTUAL TABLE words USING fts5(text)",
                )
            )
        ],
    )
    schema = await inspect_schema(database)
    user, pairs = schema.table("auth user"), schema.table("pairs")

    assert [str(table.name) for table in schema.tables] == ["auth user", "pairs"]
    assert user is not None
    assert pairs is not None
    assert [(c.name, c.type, c.nullable, c.default) for c in user.columns] == [
        ("id", "integer", False, None),
        ("email", "varchar(254)", True, None),
        ("age", "int unsigned", True, "-1"),
        ("made", "datetime", False, "(datetime('now'))"),
        ("twice", "int", True, None),
        ("boss", "", True, None),
    ]
    assert (user.columns[0].identity, user.columns[1].collation) == ("by default", "NOCASE")
    assert (user.columns[4].generated, user.columns[4].virtual) == ("age*2", True)
    assert [(one.name, one.columns) for one in user.uniques] == [
        ("uq_auth user_email", ("email",)),
        ('odd "name', ("age", "made")),
    ]
    assert [one.sql for one in user.checks] == ["age >= -1 and 'a,b)' <> \"email\"", "age < 200"]
    (key,) = user.foreign_keys
    assert (str(key.target), key.target_columns) == ("auth user", ("id",))
    assert (key.on_delete, key.deferral) == ("SET NULL", "deferred")
    assert pairs.options == " WITHOUT ROWID"
    (index,) = pairs.indexes
    assert [(p.column, p.expression, p.descending) for p in index.parts] == [
        (None, "lower(b)", True),
        ("a", None, False),
    ]
    assert (index.unique, index.where) == (True, "b IS NOT NULL")


async def test_what_sqlite_has_not(database: Database) -> None:
    """A schema, or a change of a table that is not there, is refused by name; nothing is sent."""
    with pytest.raises(MappingError, match="no schemas, so no 'shop'"):
        await apply_schema(database, [CreateSchema("shop")])
    with pytest.raises(MappingError, match="no schemas, so no 'shop'"):
        await inspect_schema(database, schemas=["shop"])
    with pytest.raises(MappingError, match="there is no table 'nobody' to change"):
        await apply_schema(database, [AddColumn("nobody", ColumnDef(name="a", type="INT"))])

    assert database.pool.stats.in_use == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the column 'a' is empty"),
        ("INTEGER PRIMARY KEY", "holds a constraint"),
        ("INTEGER REFERENCES b (id)", "holds a constraint"),
        ("INTEGER DEFAULT", "ends behind DEFAULT"),
        ("INTEGER CHECK (", "ends too early"),
    ],
)
async def test_wrong_columns(database: Database, text: str, message: str) -> None:
    """What is no definition of a column is refused, with what is wrong."""
    with pytest.raises(MappingError, match=message):
        database.dialect.definitions.parse_column("a", text)


@pytest.mark.parametrize("text", ["", "nonsense", "CHECK (a > 0) and more"])
async def test_wrong_constraints(database: Database, text: str) -> None:
    """What is no constraint is refused by its name."""
    with pytest.raises(MappingError, match="own: this is not a constraint"):
        database.dialect.definitions.parse_constraint("own", text)


async def test_our_own_tables_are_left_alone(database: Database) -> None:
    """Tables that the library keeps for itself are no part of a difference."""

    class Thing(base()):  # type: ignore[misc]
        class Settings:
            name = "things"

        id: Mapped[int] = Column(primary_key=True)

    await apply_schema(database, [RunSQL(("CREATE TABLE _uow_commits (token TEXT)",))])
    await database.create_all([Thing])

    assert await diff_schema(database, [Thing]) == []


async def test_steps_on_a_connection(database: Database) -> None:
    """Steps can be run in a transaction of somebody else's, who ends it."""
    await apply_schema(database, [RunSQL(OWN)])
    connection = await database.pool.acquire()
    try:
        from uow.drivers.base import TransactionOptions

        await connection.begin(TransactionOptions())
        column = ColumnDef(name="more", type="TEXT")
        await run_steps(connection, database.dialect, [AddColumn("parents", column)])
        await connection.rollback()
    finally:
        await database.pool.release(connection)
    found = (await inspect_schema(database)).table("parents")

    assert found is not None
    assert found.column("more") is None
