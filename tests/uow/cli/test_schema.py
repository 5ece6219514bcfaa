"""G4: `uow schema` and `uow migrate diff`, called in this process on a project with models."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from tests.support import mongodb
from tests.uow.cli.conftest import Program
from uow.cli.output import Output
from uow.mapping.registry import default_registry

MODELS = """
from uow import Column, Mapped, Table


class Customer(Table):
    class Settings:
        name = "customers"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    email: Mapped[str] = Column(unique=True, max_length=255)


class Order(Table):
    class Settings:
        name = "orders"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    customer_id: Mapped[int] = Column(foreign_key="customers.id", on_delete="cascade")
"""


def models(project: Path, text: str) -> None:
    """Write the models, and forget those of before, as a new process would."""
    (project / "shop_models.py").write_text(text, encoding="utf-8")
    sys.modules.pop("shop_models", None)
    default_registry._entries.clear()


def run_sql(project: Path, text: str) -> list[tuple[object, ...]]:
    """Run SQL in the file."""
    with closing(sqlite3.connect(project / "shop.db")) as db:
        rows = db.execute(text).fetchall()
        db.commit()
        return rows


def test_from_models_to_migrations(project: Path, uow: Program) -> None:
    """Migrations are written of the models, run, and then there is no difference."""
    models(project, MODELS)
    first = uow("migrate", "diff", "the first tables", "--json")
    assert first.code == 0, first.out + first.err
    text = Path(first.json["path"]).read_text(encoding="utf-8")
    assert "create_table" in text
    assert text.index("customers") < text.index("orders")
    again = uow("migrate", "diff", "again")
    assert (again.code, "was not run here" in again.err) == (1, True)
    assert uow("schema", "diff", "--check").code == 1
    assert uow("migrate", "up").code == 0
    same = uow("schema", "diff", "--check")
    assert (same.code, same.out, "no difference" in same.err) == (0, "", True)
    assert "nothing was written" in uow("migrate", "diff", "again").err

    run_sql(project, "INSERT INTO customers (email) VALUES ('a@x.org')")
    models(project, MODELS.replace("email:", "mail:"))
    lost = uow("migrate", "diff", "names")
    assert lost.code == 1
    assert "customers.email" in lost.err
    assert "--rename" in lost.err
    assert "--allow-destructive" in lost.err
    renamed = uow("migrate", "diff", "names", "--rename", "customers.email=mail", "--json")
    assert renamed.code == 0, renamed.out
    assert uow("migrate", "up").code == 0
    assert run_sql(project, "SELECT mail FROM customers") == [("a@x.org",)]
    assert uow("schema", "diff", "--check").code == 0
    assert uow("migrate", "down").code == 0
    assert run_sql(project, "SELECT email FROM customers") == [("a@x.org",)]
    assert uow("migrate", "up").code == 0

    models(project, MODELS.partition("class Order")[0].replace("email:", "mail:"))
    shown = uow("migrate", "diff", "less", "--allow-destructive", "--show")
    assert "drop_table" in shown.out
    assert uow("migrate", "diff", "less", "--allow-destructive").code == 0
    assert uow("migrate", "up").code == 0
    assert uow("schema", "diff", "--check").code == 0
    assert uow("migrate", "down", "--to", "base").code == 0
    assert uow("migrate", "up").code == 0


def test_schema_without_migrations(project: Path, uow: Program) -> None:
    """Tables are made and changed from the models alone; what would be lost is refused."""
    models(project, MODELS)
    assert 'CREATE TABLE "customers"' in uow("schema", "create", "--sql").out.replace(
        "IF NOT EXISTS ", ""
    )
    assert (
        not (project / "shop.db").exists() or run_sql(project, "SELECT * FROM sqlite_master") == []
    )
    made = uow("schema", "create", "--json")
    assert made.json == {"tables": ["customers", "orders"]}
    assert uow("schema", "diff", "--json").json["steps"] == []

    models(project, MODELS + "    note: Mapped[str | None]\n")
    found = uow("schema", "diff", "--json").json
    assert [step["destructive"] for step in found["steps"]] == [False]
    assert "orders" in found["sql"][0]
    assert "ADD COLUMN" in uow("schema", "diff", "--sql").out
    assert uow("schema", "diff", "--apply").code == 0
    assert uow("schema", "diff", "--check").code == 0
    models(project, MODELS)
    refused = uow("schema", "diff", "--apply")
    assert (refused.code, "orders.note" in refused.err) == (1, True)
    assert uow("schema", "diff", "--apply", "--allow-destructive").code == 0
    wrong = uow("schema", "diff", "--rename", "no equals sign")
    assert (wrong.code, "table.old=new" in wrong.err) == (2, True)
    assert uow("schema", "diff", "--rename", "nowhere=somewhere").code == 1


def test_reading_and_drawing(project: Path, uow: Program) -> None:
    """A database is read as a table, as JSON and as models; both are drawn."""
    models(project, MODELS)
    uow("schema", "create")
    shown = uow("schema", "inspect")
    assert "customers" in shown.out
    uow("migrate", "new", "nothing")
    uow("migrate", "up")
    assert "_uow_migrations" not in uow("schema", "inspect").out
    tables = uow("schema", "inspect", "--json").json["tables"]
    assert [table["name"] for table in tables] == ["customers", "orders"]
    assert tables[1]["foreign_keys"][0]["target"] == "customers"
    written = uow("schema", "inspect", "--as-models", "--output", "shop_read.py")
    assert written.code == 0, written.err
    text = (project / "shop_read.py").read_text(encoding="utf-8")
    assert "(Table)" in text
    default_registry._entries.clear()
    assert uow("schema", "diff", "--models", "shop_read", "--check").code == 0
    there = uow("schema", "inspect", "--as-models", "--output", "shop_read.py")
    assert (there.code, "shop_read.py cannot be written" in there.err) == (2, True)
    assert "it is there already; name another file, or say --force" in there.err
    assert (project / "shop_read.py").read_text(encoding="utf-8") == text
    (project / "shop_read.py").write_text("old", encoding="utf-8")
    assert uow("schema", "inspect", "--as-models", "-o", "shop_read.py", "--force").code == 0
    assert (project / "shop_read.py").read_text(encoding="utf-8") == text
    assert uow("schema", "inspect", "--output", "x").code == 2
    for command in (("inspect", "--as-models"), ("diagram",)):
        alone = uow("schema", *command, "--force")
        assert (alone.code, "--force goes with --output" in alone.err) == (2, True)
    nowhere = uow("schema", "diagram", "-o", "no/such/folder.svg", "--force")
    assert (nowhere.code, "cannot be written: No such file" in nowhere.err) == (2, True)

    for options in ((), ("--database",)):
        drawn = uow("schema", "diagram", *options)
        assert drawn.out.startswith("erDiagram")
        assert "customers" in drawn.out
    assert uow("schema", "diagram", "--output", "schema.mmd").code == 0
    assert uow("schema", "diagram", "--output", "schema.mmd").code == 2
    assert uow("schema", "diagram", "--output", "schema.mmd", "--force").code == 0
    assert (project / "schema.mmd").read_text(encoding="utf-8").startswith("erDiagram")


def test_reading_indexes(project: Path, uow: Program) -> None:
    """Below its columns a table shows its unique constraints and indexes, with what these are over.

    As JSON they are whole.
    """
    run_sql(project, "CREATE TABLE items (id INTEGER PRIMARY KEY, a TEXT, b TEXT NOT NULL)")
    run_sql(project, "CREATE UNIQUE INDEX ix_b ON items (b COLLATE NOCASE DESC, a) WHERE a > 'x'")
    run_sql(project, "CREATE INDEX ix_low ON items (lower(a))")
    run_sql(project, "CREATE TABLE pairs (a INT, b INT, CONSTRAINT uq_pairs UNIQUE (a, b))")

    shown = [" ".join(line.split()) for line in uow("schema", "inspect").out.splitlines()]

    assert shown == [
        "table column type",
        "items id INTEGER not null key",
        "items a TEXT",
        "items b TEXT not null",
        "index ix_b b collate NOCASE desc, a where a > 'x' unique",
        "index ix_low lower(a)",
        "pairs a INT",
        "pairs b INT",
        "unique uq_pairs a, b",
    ]
    items, pairs = uow("schema", "inspect", "--json").json["tables"]
    assert items["indexes"][0] == {
        "name": "ix_b",
        "unique": True,
        "parts": ["b collate NOCASE desc", "a"],
        "include": [],
        "where": "a > 'x'",
        "method": None,
    }
    assert pairs["uniques"] == [{"name": "uq_pairs", "columns": ["a", "b"]}]


def test_tables_of_others(project: Path, uow: Program) -> None:
    """What `--ignore` and `[tool.uow]` name is in no difference and in no migration."""
    models(project, MODELS)
    uow("schema", "create")
    run_sql(project, "CREATE TABLE celery_tasks (id INT)")
    run_sql(project, "CREATE TABLE django_log (id INT)")
    assert uow("schema", "diff", "--check").code == 1

    both = ("--ignore", "celery_*", "django_*")
    assert uow("schema", "diff", "--check", *both).code == 0
    left = uow("schema", "diff", "--ignore", "celery_*").out
    assert (left.count("\n"), "django_log" in left) == (1, True)
    assert "no difference" in uow("migrate", "diff", "none", *both).err
    with (project / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write('ignore = ["celery_*"]\n')
    assert uow("schema", "diff", "--check", "--ignore", "django_*").code == 0
    refused = uow("schema", "diff", "--ignore", "")
    assert (refused.code, "ignore= is a list of patterns" in refused.err) == (2, True)


def test_pictures(project: Path, uow: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """A diagram is drawn as SVG and PNG, as its file is called; without Pillow there is no PNG."""
    models(project, MODELS)
    assert uow("schema", "diagram", "-o", "shop.svg").code == 0
    text = (project / "shop.svg").read_text(encoding="utf-8")
    assert text == uow("schema", "diagram", "--format", "svg").out
    assert text.startswith("<svg ")
    assert uow("schema", "diagram", "-o", "shop.png").code == 0
    with Image.open(project / "shop.png") as image:
        assert (image.format, image.width > 500) == ("PNG", True)

    nowhere = uow("schema", "diagram", "--format", "png")
    assert (nowhere.code, "--output" in nowhere.err) == (2, True)
    assert uow("schema", "diagram", "--format", "gif").code == 2
    monkeypatch.setitem(sys.modules, "PIL", None)
    refused = uow("schema", "diagram", "-o", "other.png")
    assert refused.code == 2
    assert refused.err == (
        'uow: a diagram as PNG needs Pillow: pip install "uow[diagram]", or take --format svg\n'
    )
    assert not (project / "other.png").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "'shop_models' cannot be imported: ModuleNotFoundError"),
        ("1 / 0", "'shop_models' cannot be imported: ZeroDivisionError"),
        ("x = 1", "no class is mapped in shop_models"),
    ],
)
def test_models_that_are_none(project: Path, uow: Program, text: str | None, message: str) -> None:
    """Models that cannot be had are an error of the call, which names them."""
    default_registry._entries.clear()
    if text is not None:
        models(project, text)
    for call in (("schema", "create"), ("schema", "diff"), ("migrate", "diff", "x")):
        ended = uow(*call)
        assert (ended.code, message in ended.err) == (2, True), call
    (project / "pyproject.toml").write_text('[tool.uow]\nurl = "sqlite://"\n', encoding="utf-8")
    assert "--models" in uow("schema", "create").err


def test_somebody_at_a_terminal_is_asked(
    project: Path, uow: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rename is asked for, and is one if the answer says so; else it is a loss, refused."""
    models(project, MODELS)
    uow("schema", "create")
    run_sql(project, "INSERT INTO customers (email) VALUES ('a@x.org')")
    models(project, MODELS.replace("email:", "mail:"))
    asked: list[str] = []

    def answer(yes: bool) -> None:
        def ask(question: str, **_: object) -> bool:
            asked.append(question)
            return yes

        monkeypatch.setattr("uow.cli.differences.Confirm.ask", ask)

    monkeypatch.setattr(Output, "is_for_a_person", True)
    answer(yes=False)
    assert uow("schema", "diff", "--apply").code == 1
    assert "customers.mail" in asked[0]
    answer(yes=True)
    assert uow("schema", "diff", "--apply").code == 0
    assert run_sql(project, "SELECT mail FROM customers") == [("a@x.org",)]


def test_a_bar_and_colours_on_a_terminal(
    project: Path, uow: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal gets a bar while migrations run, and colours; JSON gets neither."""
    models(project, MODELS)
    uow("migrate", "diff", "all")
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    run = uow("migrate", "up")
    assert run.code == 0
    assert "up 001_all" in run.err
    assert "\x1b[" in run.err
    assert "1/1" in run.err
    assert "\x1b" not in uow("migrate", "up", "--json").err


def test_collections(
    project: Path, uow: Program, mongodb_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Collections and their indexes are compared and migrated as tables are."""
    mongodb.drop(mongodb_database)
    monkeypatch.setenv("UOW_URL", mongodb_database)
    models(
        project,
        "from typing import Annotated\nfrom uow import Document, Indexed\n"
        "class Person(Document):\n"
        "    class Settings:\n        name = 'people'\n"
        "        validator = {'name': {'$gt': ''}}\n"
        "    name: Annotated[str, Indexed(unique=True)]\n",
    )
    shown = uow("schema", "diff", "--json")
    assert shown.code == 0, shown.out
    assert any("createIndexes" in text for text in shown.json["sql"])
    made = uow("migrate", "diff", "the people")
    assert made.code == 0, made.err
    run = uow("migrate", "up")
    assert run.code == 0, run.err
    assert uow("schema", "diff", "--check").code == 0
    shown = uow("schema", "inspect")
    assert (shown.code, "validated" in shown.out, "_uow" in shown.out) == (0, True, False)
    (found,) = uow("schema", "inspect", "--json").json["collections"]
    assert found["options"]["validator"] == {"name": {"$gt": ""}}
    assert [index["key"] for index in found["indexes"]] == [{"name": 1}]
    refused = uow("schema", "inspect", "--as-models")
    assert (refused.code, "no models" in refused.err) == (2, True)
    assert uow("migrate", "down").code == 0
    assert uow("schema", "diff", "--check").code == 1
    mongodb.drop(mongodb_database)


def test_a_file_belongs_to_its_project(
    project: Path, uow: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A SQLite file of pyproject.toml is that of the project, in whichever folder we are."""
    models(project, MODELS)
    (project / "pyproject.toml").write_text(
        '[tool.uow]\nurl = "sqlite:///my%20shop.db?busy_timeout=1"\nmodels = ["shop_models"]\n',
        encoding="utf-8",
    )
    assert uow("schema", "create").code == 0
    inner = project / "src" / "inner"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert uow("schema", "diff", "--check").code == 0
    assert list(inner.iterdir()) == []
    monkeypatch.setenv("UOW_URL", "sqlite:///here.db")  # what the environment says is seen from us
    assert uow("schema", "diff", "--check").code == 1
    assert [path.name for path in inner.iterdir()] == ["here.db"]
