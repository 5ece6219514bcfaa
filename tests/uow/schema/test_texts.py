"""Python and diagrams that are written of schemas: models, migrations, Mermaid; and SQL as text."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.schema import CreateIndex as SACreateIndex
from sqlalchemy.schema import CreateTable as SACreateTable

from tests.uow.schema.stores import EACH_STORE, everything, make_empty, store_url
from tests.uow.schema.test_changes import FILLED, first, run, second
from uow import (
    Database,
    MappingError,
    Session,
    Table,
    apply_schema,
    create_sql,
    diff_schema,
    drop_sql,
    inspect_schema,
)
from uow.mapping.model import ModelStorage
from uow.schema.description import IndexDef, Name
from uow.schema.diagram import mermaid
from uow.schema.live import run_steps
from uow.schema.migration_text import migration_text
from uow.schema.model_text import attribute, models_text
from uow.schema.source import class_name, field_name, quoted
from uow.schema.steps import (
    AddColumn,
    AddConstraint,
    AlterColumn,
    DropColumn,
    DropConstraint,
    DropIndex,
    DropTable,
    RenameColumn,
    RunSQL,
    Step,
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]


@pytest.fixture(params=EACH_STORE)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database of each store."""
    return store_url(request.param, request, tmp_path)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """An empty database of each store."""
    await make_empty(url)
    async with Database(url) as database:
        yield database


@pytest.fixture
def module() -> Iterator[ModuleType]:
    """A module to run text in; its classes are registered for the test alone."""
    made = ModuleType("made_of_a_schema")
    sys.modules[made.__name__] = made
    yield made
    del sys.modules[made.__name__]


def classes_of(module: ModuleType) -> list[type]:
    """The tables of a module, in order."""
    return [
        one
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, Table) and one is not Table
    ]


async def test_models_of_a_database(database: Database, module: ModuleType) -> None:
    """G3: models written of a database say what it has."""
    store = database.dialect.name
    await database.create_all(everything(store))
    schemas = ["my shop"] if store == "postgresql" else []
    there = await inspect_schema(database, schemas=schemas)

    text = models_text(there, database.dialect.definitions)
    exec(compile(text, "models.py", "exec"), module.__dict__)
    steps = [str(step) for step in await diff_schema(database, classes_of(module))]
    assert steps == []


def foreign_schema() -> sa.MetaData:
    """What an application with another library has."""
    metadata = sa.MetaData()
    sa.Table(
        "authors",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(50), nullable=False, unique=True),
        sa.Column("class", sa.Text),
        sa.Column("born", sa.Date, index=True),
        sa.Column("seen", sa.DateTime),
        sa.Column("is_alive", sa.Boolean, nullable=False, server_default=sa.true()),
    )
    sa.Table(
        "books",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("author_id", sa.ForeignKey("authors.id", ondelete="CASCADE"), nullable=False),
        sa.Column("title", sa.String(100), nullable=False),
        sa.Column("price", sa.Numeric(8, 2)),
        sa.CheckConstraint("price >= 0"),
        sa.UniqueConstraint("author_id", "title"),
    )
    sa.Table("notes", metadata, sa.Column("text", sa.Text))
    return metadata


async def test_models_of_an_application_of_others(database: Database, module: ModuleType) -> None:
    """G3: a database that another library made is read, and its models work in a session."""
    dialects: dict[str, Any] = {
        "sqlite": sqlite.dialect(),
        "postgresql": postgresql.dialect(),  # type: ignore[no-untyped-call]
        "mysql": mysql.dialect(),
        "mariadb": mysql.dialect(),
    }
    dialect = dialects[database.dialect.name]
    metadata = foreign_schema()
    texts: list[str] = []
    for table in metadata.sorted_tables:
        texts.append(str(SACreateTable(table).compile(dialect=dialect)))
        texts += [str(SACreateIndex(index).compile(dialect=dialect)) for index in table.indexes]
    await apply_schema(database, [RunSQL((text,)) for text in texts])
    there = await inspect_schema(database)
    text = models_text(there, database.dialect.definitions)
    exec(compile(text, "models.py", "exec"), module.__dict__)

    if database.dialect.name == "sqlite":
        # Types that mean the same, keys without AUTOINCREMENT, lengths without a check.
        steps = [str(step) for step in await diff_schema(database, classes_of(module))]
        assert steps == ["drop the table notes"]
    assert "# The table notes has no primary key" in text
    assert [one.__name__ for one in classes_of(module)] == ["Authors", "Books"]
    authors, books = classes_of(module)
    async with Session.begin(database) as session:
        ann = authors(name="Ann", class_="first")
        session.add(ann)
        await session.flush()
        session.add(books(author_id=ann.id, title="One", price=None))
    async with Session(database) as session:
        book: Any = await session.find(books).one()
        author: Any = await session.get_one(authors, book.author_id)
        assert (author.name, author.class_, author.is_alive) == ("Ann", "first", True)
        assert (book.title, book.price) == ("One", None)


DJANGO = (
    (
        'CREATE TABLE "auth_user" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, '
        '"username" varchar(150) NOT NULL UNIQUE, "is_staff" bool NOT NULL, '
        '"joined" datetime NOT NULL, "born" date NULL, "balance" decimal NOT NULL, '
        '"hits" integer unsigned NOT NULL CHECK ("hits" >= 0), "self" smallint NULL)'
    ),
    (
        'CREATE TABLE "auth_group" ("code" varchar(10) PRIMARY KEY, "user_id" integer NOT NULL '
        'REFERENCES "AUTH_USER" ("ID") DEFERRABLE INITIALLY DEFERRED)'
    ),
    'CREATE INDEX "by_user" ON "AUTH_GROUP" ("USER_ID")',
    (
        "INSERT INTO auth_user VALUES (1, 'ann', 1, '2024-05-06 07:08:09.000001', "
        "'2000-01-02', 0.1, 5000000000, 70000)"
    ),
)


async def test_models_of_what_django_makes(tmp_path: Path, module: ModuleType) -> None:
    """G3: types and cases of names as Django writes them on SQLite are no difference."""
    async with Database(f"sqlite:///{tmp_path}/x.db") as database:
        await apply_schema(database, [RunSQL(DJANGO)])
        there = await inspect_schema(database)
        text = models_text(there, database.dialect.definitions)
        exec(compile(text, "models.py", "exec"), module.__dict__)
        assert await diff_schema(database, classes_of(module)) == []
        users, _ = classes_of(module)
        async with Session(database) as session:
            user: Any = await session.find(users).one()
            assert (user.username, user.hits, user.self_) == ("ann", 5_000_000_000, 70_000)
            assert user.balance == Decimal("0.1")
            user.hits += 1
            await session.commit()


LEGACY = {
    "mysql": (
        (
            "CREATE TABLE users (id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, "
            "name VARCHAR(40) NOT NULL, bio TEXT, code CHAR(3), size FLOAT, hits BIGINT UNSIGNED, "
            "small SMALLINT UNSIGNED, made DATETIME, "
            "seen TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, "
            "tags SET('x', 'y'), mood ENUM('ok', 'sad'), KEY start (name(5)), "
            "FULLTEXT KEY words (bio)) ENGINE=InnoDB"
        ),
        (
            "CREATE TABLE notes (id INT UNSIGNED NOT NULL PRIMARY KEY, "
            "user_id INT UNSIGNED NOT NULL, CONSTRAINT note_user FOREIGN KEY (user_id) "
            "REFERENCES users (id) ON DELETE CASCADE) ENGINE=InnoDB"
        ),
    ),
    "postgresql": (
        (
            "CREATE TABLE users (id serial PRIMARY KEY, name varchar(40) NOT NULL, bio text, "
            "code char(3), size real, hits bigint, small smallint, made timestamp(0), "
            "seen timestamptz(3) DEFAULT now(), tags text[], body json)"
        ),
        "CREATE TABLE notes (id int PRIMARY KEY, user_id int NOT NULL REFERENCES users)",
    ),
    "sqlite": (
        (
            "CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR(40) NOT NULL, bio CLOB, "
            "code CHAR(3), size REAL, hits UNSIGNED BIG INT, small INT2, made DATETIME, seen DATE, "
            "price NUMERIC(8, 2), other DECIMAL)"
        ),
        "CREATE TABLE notes (id INT PRIMARY KEY, user_id MEDIUMINT NOT NULL REFERENCES USERS)",
    ),
}


async def test_models_keep_the_types_of_others(database: Database, module: ModuleType) -> None:
    """G3: models of a database that others made say its types exactly: there is no difference."""
    store = database.dialect.name
    await apply_schema(database, [RunSQL(LEGACY["mysql" if store == "mariadb" else store])])
    there = await inspect_schema(database)
    text = models_text(there, database.dialect.definitions)
    exec(compile(text, "models.py", "exec"), module.__dict__)
    users, notes = classes_of(module)
    assert [str(step) for step in await diff_schema(database, [users, notes])] == []

    async with Session.begin(database) as session:
        ann = users(name="Ann", code="abc", size=0.5, hits=5_000_000_000, small=40, bio="x")
        session.add(ann)
        await session.flush()
        session.add(notes(id=1, user_id=ann.id))
    async with Session(database) as session:
        user: Any = await session.find(users).one()
        found = (user.name, user.code, user.size, user.hits, user.small, user.bio)
        assert found == ("Ann", "abc", 0.5, 5_000_000_000, 40, "x")
        user.hits += 1
        await session.commit()

    # What the models say makes the same tables.
    await apply_schema(database, await diff_schema(database, []), allow_destructive=True)
    await database.create_all([users, notes])
    steps = [str(step) for step in await diff_schema(database, [users, notes])]
    assert steps == []


async def test_what_is_never_null_may_be_anything(database: Database, module: ModuleType) -> None:
    """A JSON column that takes no NULL stays so in the models written of it."""
    text = "CREATE TABLE papers (id BIGINT NOT NULL PRIMARY KEY, body {} NOT NULL)"
    names = {"sqlite": "JSON_TEXT", "postgresql": "JSONB"}
    made = text.format(names.get(database.dialect.name, "JSON"))
    await apply_schema(database, [RunSQL((made,))])
    there = await inspect_schema(database)
    text = models_text(there, database.dialect.definitions)
    exec(compile(text, "models.py", "exec"), module.__dict__)
    assert await diff_schema(database, classes_of(module)) == []


async def test_names_that_a_model_has() -> None:
    """A column that is called as something that every model has is another attribute."""
    names = {
        name
        for class_ in Table.__mro__
        if issubclass(class_, ModelStorage)
        for name in vars(class_)
        if not name.startswith("_")
    }
    assert all(attribute(name) == f"{name}_" for name in {*names, "Settings", "self", "class"})


class Recorder:
    """Stands for a migration that is run: its helpers make steps of texts, as a runner's do."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.definitions = database.dialect.definitions

    async def _do(self, step: Step) -> None:
        await apply_schema(self.database, [step], allow_destructive=True)

    async def execute(self, text: str) -> None:
        await self._do(RunSQL((text,)))

    async def create_table(self, name: str, columns: dict[str, str], *constraints: str) -> None:
        lines = [f"{self.quoted(column)} {text}" for column, text in columns.items()]
        body = ", ".join([*lines, *constraints])
        await self.execute(f"CREATE TABLE {self.quoted(name)} ({body})")

    def quoted(self, name: str) -> str:
        return self.definitions.name(Name(name))

    async def _now(self, table: str) -> Any:
        found = (await inspect_schema(self.database)).table(table)
        assert found is not None
        return found

    async def drop_table(self, name: str) -> None:
        found = await self._now(name)
        await self._do(DropTable(found))

    async def add_column(self, table: str, column: str, text: str) -> None:
        await self._do(AddColumn(table, self.definitions.parse_column(column, text)))

    async def alter_column(self, table: str, column: str, text: str) -> None:
        before = (await self._now(table)).column(column)
        after = self.definitions.parse_column(column, text)
        await self._do(AlterColumn(table, before, after))

    async def drop_column(self, table: str, column: str) -> None:
        found = (await self._now(table)).column(column)
        await self._do(DropColumn(table, found))

    async def rename_column(self, table: str, old: str, new: str) -> None:
        await self._do(RenameColumn(table, old, new))

    async def add_constraint(self, table: str, name: str, text: str) -> None:
        await self._do(AddConstraint(table, self.definitions.parse_constraint(name, text)))

    async def drop_constraint(self, table: str, name: str) -> None:
        found = [c for c in (await self._now(table)).constraints if c.name == name]
        await self._do(DropConstraint(table, found[0]))

    async def create_index(
        self,
        table: str,
        columns: Sequence[str],
        *,
        name: str,
        unique: bool = False,
        where: str | None = None,
    ) -> None:
        unique_text = "UNIQUE " if unique else ""
        parts = ", ".join([" ".join([self.quoted(c.split()[0]), *c.split()[1:]]) for c in columns])
        tail = f" WHERE {where}" if where else ""
        await self.execute(
            f"CREATE {unique_text}INDEX {self.quoted(name)} ON {self.quoted(table)} ({parts}){tail}"
        )

    async def drop_index(self, table: str, name: str) -> None:
        await self._do(DropIndex(table, IndexDef(name=name, parts=("id",))))


async def test_the_text_of_a_migration(database: Database) -> None:
    """G3: the migration that is written of steps leads there, and back; rows stay."""
    await database.create_all(first())
    await run(database, *FILLED)
    before = await inspect_schema(database)
    steps = await diff_schema(database, second())
    text = migration_text(
        steps, before, database.dialect.definitions, version="002", name="widen users"
    )
    names: dict[str, Any] = {"Migration": Recorder}
    exec(text.replace("from uow import Migration\n", ""), names)

    assert text.startswith('"""Widen users."""\n\nfrom uow import Migration\n\n\nclass WidenUsers(')
    assert '    version = "002"\n' in text
    assert (
        '        # Loses data: drop the table gone.\n        await self.drop_table("gone")' in text
    )
    migration = names["WidenUsers"](database)
    await migration.up()
    assert [str(step) for step in await diff_schema(database, second())] == []
    rows = await run(database, "SELECT id, email, name, age, twice FROM users")
    assert sorted(rows) == [(1, "a@x", "Ann", 3, 7), (2, "b@x", "Bob", 4, 9)]
    await migration.down()
    assert [str(step) for step in await diff_schema(database, first())] == []
    assert len(await run(database, "SELECT id FROM users")) == 2


async def test_diagrams(tmp_path: Path) -> None:
    """G3: a diagram has tables, columns with their keys, and a line for each foreign key."""
    async with Database(f"sqlite:///{tmp_path}/x.db") as database:
        await database.create_all(first())
        text = mermaid(await inspect_schema(database))

    assert text == (
        "erDiagram\n"
        '    "cities" {\n'
        "        INTEGER id PK\n"
        "        VARCHAR_20 name\n"
        "    }\n"
        '    "gone" {\n'
        "        INTEGER id PK\n"
        "        BIGINT user_id FK\n"
        "    }\n"
        '    "users" {\n'
        "        INTEGER id PK\n"
        "        VARCHAR_50 email UK\n"
        "        VARCHAR_10 name\n"
        "        SMALLINT age\n"
        "        BIGINT city_id FK\n"
        "        DECIMAL_TEXT_8_2 money\n"
        "        BIGINT twice\n"
        "        TEXT old\n"
        "    }\n"
        '    "gone" }o--o| "users" : "user_id"\n'
        '    "users" }o--o| "cities" : "city_id"\n'
    )


async def test_sql_as_text(tmp_path: Path) -> None:
    """G1: the SQL of `create_all` and `drop_all` can be had as text, and makes the same tables."""
    models = first()
    text = create_sql(models, dialect="sqlite")
    async with Database(f"sqlite:///{tmp_path}/x.db") as database:
        await apply_schema(
            database, [RunSQL((one,)) for one in text.split(";\n") if one], allow_destructive=True
        )
        assert await diff_schema(database, models) == []
    assert drop_sql(models, dialect="postgresql") == (
        'DROP TABLE IF EXISTS "gone";\nDROP TABLE IF EXISTS "users";\n'
        'DROP TABLE IF EXISTS "cities";\n'
    )
    with pytest.raises(MappingError, match="mongodb keeps documents"):
        create_sql(models, dialect="mongodb")


async def test_a_document_store_has_no_tables() -> None:
    """What is for tables is refused by a store of documents before anything is sent."""
    from uow.dialects.base import dialect_for

    dialect = dialect_for("mongodb")
    with pytest.raises(MappingError, match="MongoDB keeps documents"):
        dialect.describe([])
    with pytest.raises(MappingError, match="MongoDB keeps documents"):
        await run_steps(None, dialect, [])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "it's",
        'say "x"',
        "both ' and \"",
        "two\nlines",
        "a \\ b",
        'ends "',
        "\t",
        "two\r\nlines",
        "\0\n",
    ],
)
async def test_quoted_texts(text: str) -> None:
    """A text is written so that Python reads the same."""
    assert eval(quoted(text)) == text


async def test_names_in_python() -> None:
    """Names of tables and columns become names of Python."""
    assert [class_name(one) for one in ("order_lines", "my shop", "2nd", "class")] == [
        "OrderLines",
        "MyShop",
        "T2nd",
        "Class",
    ]
    assert [field_name(one) for one in ("a b", "class", "1st", "_x")] == [
        "a_b",
        "class_",
        "f_1st",
        "f_x",
    ]
