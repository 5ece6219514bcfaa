"""G2: files of migrations are found, ordered and refused; nothing here needs a store."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.uow.migrations.support import Folder
from uow import MigrationError
from uow.migrations.files import discover, order_of


def test_order_goes_by_numbers() -> None:
    """Numbers in versions count as numbers."""
    versions = ["1", "02", "10", "10.1", "10.2", "10.10", "20260101_1200", "a1", "a2", "a10"]

    assert sorted(set(versions), key=order_of) == versions


def test_nothing_is_written_beside_the_files(folder: Folder) -> None:
    """Migrations are read as text: no bytecode that could be older than they are."""
    folder.add("1", "pass")
    (found,) = discover(folder.path)

    assert [one.name for one in folder.path.iterdir()] == ["1_step.py"]
    assert discover(folder.path)[0].migration is found.migration  # and mapped classes only once
    folder.add("1", "...")
    assert discover(folder.path)[0].migration is not found.migration


def test_other_files_are_no_migrations(folder: Folder) -> None:
    """Names that begin with an underscore or a dot are left alone."""
    for name in ("__init__.py", "_helpers.py", ".hidden.py", "notes.txt"):
        (folder.path / name).write_text("1 / 0", encoding="utf-8")

    assert discover(folder.path) == []


BAD = {
    "1 / 0": r"bad\.py cannot be loaded: ZeroDivisionError",
    "def": r"bad\.py cannot be loaded: SyntaxError",
    "import nowhere_at_all": r"bad\.py cannot be loaded: ModuleNotFoundError.*nowhere_at_all",
    "": r"bad\.py has none: a file has one class",
    """
    class A(Migration):
        version = "1"
        async def up(self): ...
    class B(A):
        version = "2"
    """: r"bad\.py has A, B: a file has one class",
    """
    class A(Migration):
        version = "1"
    """: r"bad\.py: A has no up",
    """
    class A(Migration):
        async def up(self): ...
    """: r"bad\.py: A needs version = .* not None",
    """
    class A(Migration):
        version = 1
        async def up(self): ...
    """: r"bad\.py: A needs version = .* not 1",
    """
    class A(Migration):
        version = "a b"
        async def up(self): ...
    """: r"bad\.py: A needs version = .* not 'a b'",
    """
    class A(Migration):
        version = "base"
        async def up(self): ...
    """: r"bad\.py: A needs version = .* not 'base'",
    f"""
    class A(Migration):
        version = "{"1" * 101}"
        async def up(self): ...
    """: r"bad\.py: A needs version = ",
}


@pytest.mark.parametrize("number", range(len(BAD)))
def test_bad_files_are_named(folder: Folder, number: int) -> None:
    """A file that is no migration is one error, which names it."""
    text, message = list(BAD.items())[number]
    source = "from uow import Migration\n" + textwrap.dedent(text)
    (folder.path / "bad.py").write_text(source, encoding="utf-8")
    with pytest.raises(MigrationError, match=message):
        discover(folder.path)


def test_one_version_twice(folder: Folder) -> None:
    """Versions that are equal as numbers are one version, and an error that names both files."""
    folder.add("1", "pass")
    folder.add("001", "pass")
    with pytest.raises(MigrationError, match=r"001_step\.py and 1_step\.py both have") as caught:
        discover(folder.path)

    assert caught.value.version in {"1", "001"}


def test_no_folder(tmp_path: Path) -> None:
    """A folder that is not there is an error that says how to make it."""
    with pytest.raises(MigrationError, match=r"no folder .*nowhere.*uow migrate new"):
        discover(tmp_path / "nowhere")
