"""Migrations of documents; numbers are those of the inventory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.mongodb import database_of, empty
from uow import MappingError, ValidationError
from uow.beanie.executors.migrate import MigrationSettings, new_migration, run_migrate
from uow.beanie.migrations.models import RunningDirections

pytestmark = pytest.mark.anyio

RENAME = """
from pydantic import BaseModel
from uow.beanie import Document, iterative_migration

class OldTag(BaseModel):
    color: str

class Tag(BaseModel):
    shade: str
    size: int = 0

class OldNote(Document):
    name: str
    tag: OldTag
    kept: int = 0
    class Settings:
        name = "notes"

class Note(Document):
    title: str
    tag: Tag
    kept: int = 0
    class Settings:
        name = "notes"

class Forward:
    @iterative_migration(batch_size=2)
    async def rename(self, input_document: OldNote, output_document: Note):
        output_document.title = input_document.name.upper()
        output_document.tag = {"shade": input_document.tag.color}
        output_document.tag.size = 4

class Backward:
    @iterative_migration()
    def name(self, input_document: Note, output_document: OldNote):
        output_document.name = input_document.title.lower()
        output_document.tag = OldTag(color=input_document.tag.shade)
"""

FREE = """
from uow.beanie import Document, free_fall_migration

class Note(Document):
    title: str
    class Settings:
        name = "notes"

class Other(Document):
    number: int
    class Settings:
        name = "others"

class Forward:
    @free_fall_migration(document_models=[Note, Other])
    async def count(self, session):
        await Other(number=await Note.count()).insert(session=session)
        async for note in Note.find_all(session=session):
            note.title = note.title + "!"
            await note.save(session=session)

class Backward:
    @free_fall_migration(document_models=[Note, Other])
    async def forget(self, session):
        await Other.delete_all(session=session)
        if await Note.find({"title": "FAIL!"}).exists():
            raise ValueError("no way back")
"""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The client library is for asyncio."""
    return "asyncio"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder with two migrations, and a file that is none."""
    (tmp_path / "001_rename.py").write_text(RENAME)
    (tmp_path / "002_free.py").write_text(FREE)
    (tmp_path / "_helper.py").write_text("raise AssertionError")
    return tmp_path


@pytest.fixture(params=["pymongo", "motor"])
def url(request: pytest.FixtureRequest, mongodb_database: str) -> str:
    """A database with three notes."""
    empty(mongodb_database)
    with database_of(mongodb_database) as store:
        store.notes.insert_many(
            [{"name": f"n{n}", "tag": {"color": "red"}, "kept": n} for n in range(3)]
        )
    if request.param == "motor":
        return mongodb_database.replace("mongodb://", "mongodb+motor://")
    return mongodb_database


def notes(url: str) -> list[Any]:
    """The stored notes, without their keys."""
    with database_of(url) as store:
        return list(store.notes.find({}, {"_id": 0}).sort("kept"))


async def test_forward_and_backward(url: str, path: Path) -> None:
    """282, 284-286, 288, 289: forward by steps, and back; a document keeps what nobody names."""
    one = MigrationSettings(connection_uri=url, path=path, distance=1)

    assert await run_migrate(one) == ["001_rename.py"]
    assert notes(url)[1] == {"title": "N1", "tag": {"shade": "red", "size": 4}, "kept": 1}
    assert await run_migrate(MigrationSettings(connection_uri=url, path=path)) == ["002_free.py"]
    assert [note["title"] for note in notes(url)] == ["N0!", "N1!", "N2!"]
    with database_of(url) as store:
        assert store.others.find_one()["number"] == 3
        assert [log["name"] for log in store.migrations_log.find({"is_current": True})] == [
            "002_free.py"
        ]
    assert await run_migrate(MigrationSettings(connection_uri=url, path=path)) == []

    back = MigrationSettings(connection_uri=url, path=path, direction=RunningDirections.BACKWARD)
    assert await run_migrate(back) == ["002_free.py", "001_rename.py"]
    assert notes(url)[1] == {"name": "n1!", "tag": {"color": "red"}, "kept": 1}
    with database_of(url) as store:
        assert store.others.count_documents({}) == 0
        assert store.migrations_log.count_documents({"is_current": True}) == 0


async def test_a_failure_leaves_nothing(url: str, path: Path) -> None:
    """282: a migration that fails in a transaction leaves all as it was, the log included."""
    await run_migrate(MigrationSettings(connection_uri=url, path=path))
    with database_of(url) as store:
        store.notes.update_one({"kept": 0}, {"$set": {"title": "FAIL!"}})
    back = MigrationSettings(connection_uri=url, path=path, direction=RunningDirections.BACKWARD)

    with pytest.raises(ValueError, match="no way back"):
        await run_migrate(back)
    with database_of(url) as store:
        assert store.others.count_documents({}) == 1
        assert store.migrations_log.find_one({"is_current": True})["name"] == "002_free.py"
    back.use_transaction = False
    with pytest.raises(ValueError, match="no way back"):
        await run_migrate(back)


async def test_without_a_transaction(url: str, path: Path) -> None:
    """282: batches are committed one by one, so what was done before a failure stays."""
    with database_of(url) as store:
        store.notes.insert_one({"name": "bad", "tag": {"color": 3}, "kept": 9})
    settings = MigrationSettings(connection_uri=url, path=path, use_transaction=False)

    with pytest.raises((ValidationError, ValueError)):
        await run_migrate(settings)
    assert [note.get("title") for note in notes(url)][:2] == ["N0", "N1"]
    with database_of(url) as store:
        assert store.migrations_log.count_documents({}) == 0


async def test_what_is_refused(url: str, path: Path, tmp_path: Path) -> None:
    """284, 285: what cannot be run is told by name."""
    with pytest.raises(MappingError, match="connection_uri and path"):
        await run_migrate(MigrationSettings(connection_uri=None, path=path))
    with pytest.raises(MappingError, match="no folder"):
        await run_migrate(MigrationSettings(connection_uri=url, path=path / "nowhere"))
    (path / "003_wrong.py").write_text(
        "from uow.beanie import iterative_migration\n"
        "class Forward:\n"
        "    @iterative_migration()\n"
        "    async def f(self, input_document: int, output_document: int): ...\n"
    )
    with pytest.raises(MappingError, match=r"Forward\.f.*input_document"):
        await run_migrate(MigrationSettings(connection_uri=url, path=path))
    (path / "002_free.py").unlink()
    with pytest.raises(MappingError, match=r"'002_free\.py' is not in"):
        await run_migrate(MigrationSettings(connection_uri=url, path=path))


def test_settings_of_the_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """287: the environment goes before pyproject.toml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.beanie.migrations]\nconnection_uri = "mongodb://a"\npath = "here"\n'
    )
    monkeypatch.setenv("BEANIE_CONNECTION_URI", "mongodb://b")

    found = MigrationSettings()
    assert (found.connection_uri, found.path, found.database_name) == ("mongodb://b", "here", None)


def test_new_migration(tmp_path: Path) -> None:
    """283: the file of a new one can be imported, and is called after its moment."""
    first = new_migration("add a name", tmp_path / "new")
    code = compile(first.read_text(), str(first), "exec")

    assert first.name.endswith("_add_a_name.py")
    assert "Forward" in code.co_names
    with pytest.raises(MappingError, match="cannot name"):
        new_migration("!!", tmp_path)


def test_commands(mongodb_database: str, path: Path) -> None:
    """282, 283: both commands, by their short options; an error is one line."""
    empty(mongodb_database)
    with database_of(mongodb_database) as store:
        store.notes.insert_one({"name": "n", "tag": {"color": "red"}})
        name = store.name

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "uow.cli", "beanie", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    uri = mongodb_database.replace(f"/{name}", "/")
    place = ["-uri", uri, "-db", name, "-p", str(path)]
    made = run("migrate", *place, "--forward", "-d", "1")
    assert (made.returncode, made.stdout) == (0, "forward: 001_rename.py\n")
    made = run("migrate", *place, "--backward", "--no-use-transaction")
    assert (made.returncode, made.stdout) == (0, "backward: 001_rename.py\n")
    made = run("migrate", "-uri", uri, "-db", name, "-p", str(path / "x"))
    assert made.returncode == 1
    assert made.stderr.startswith("uow: there is no folder")
    assert len(made.stderr.splitlines()) == 1
    made = run("new-migration", "-n", "third", "-p", str(path))
    assert made.returncode == 0
    assert Path(made.stdout.strip()).exists()
