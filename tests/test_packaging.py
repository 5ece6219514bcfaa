"""The wheel and the sdist hold the whole of `uow` and nothing else, and work once installed."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.support.imports import ROOT, SOURCE, modules


def python(*arguments: str, cwd: Path | None = None) -> str:
    """Run this Python and return what it printed; a failure shows both streams."""
    run = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, check=False
    )
    if run.returncode:
        pytest.fail(f"{arguments} failed:\n{run.stdout}\n{run.stderr}")
    return run.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an sdist of the tree, and the wheel that is made from that sdist."""
    out = tmp_path_factory.mktemp("built")
    python("-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT))
    return out


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """The wheel that a stranger gets."""
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel installed in it, away from the source tree."""
    target = tmp_path_factory.mktemp("installed")
    python(
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--target",
        str(target),
        str(wheel),
    )
    return target


def expected_files() -> set[str]:
    """Every module of the tree and the marker of typing, as a wheel names them."""
    tree = {
        "/".join(["uow", *name.split(".")[1:]])
        + ("/__init__.py" if path.stem == "__init__" else ".py")
        for name, path in modules().items()
    }
    return tree | {"uow/py.typed"}


def test_links_are_relative() -> None:
    """The two links of the development tree point to their neighbours, wherever the tree stands."""
    links = {
        path.name: str(path.readlink()) for path in (SOURCE / "uow").iterdir() if path.is_symlink()
    }

    assert links == {"drivers": "../drivers", "dialects": "../dialects"}


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """The only top-level name is `uow`; drivers, dialects and py.typed are inside it, once."""
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]

    assert sorted(names) == sorted(expected_files())


def test_wheel_from_the_tree_is_the_wheel_from_the_sdist(wheel: Path, tmp_path: Path) -> None:
    """Building past the sdist, as `pip install .` does, gives the same files."""
    python("-m", "build", "--no-isolation", "--wheel", "--outdir", str(tmp_path), str(ROOT))
    (direct,) = tmp_path.glob("*.whl")

    assert sorted(zipfile.ZipFile(direct).namelist()) == sorted(zipfile.ZipFile(wheel).namelist())


def test_sdist_holds_real_folders_and_no_links(built: Path) -> None:
    """The sdist has the three source folders, no link, and nothing of tests or tools."""
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        members = archive.getmembers()
    root = path.name.removesuffix(".tar.gz")
    names = {member.name.removeprefix(f"{root}/") for member in members if member.isfile()}
    sources = {str(path.relative_to(ROOT)) for path in modules().values()}

    assert all(member.isfile() or member.isdir() for member in members)
    assert names == sources | {
        ".gitignore",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "LICENSE",
        "PKG-INFO",
        "README.md",
        "pyproject.toml",
        "src/uow/py.typed",
    }


def test_installed_wheel_imports_from_where_it_is(installed: Path) -> None:
    """Every module comes from the installed copy, away from the source tree."""
    code = f"""
import importlib, sys
sys.path.insert(0, {str(installed)!r})
for name in {sorted(set(modules()) - {"uow.cli.__main__"})!r}:
    print(importlib.import_module(name).__file__)
"""
    files = python("-I", "-c", code, cwd=installed).split()

    assert files
    assert all(Path(file).is_relative_to(installed) for file in files)


def test_drivers_are_found_by_their_entry_points(installed: Path) -> None:
    """The group `uow.drivers` names a factory for each URL scheme that ships."""
    code = f"""
import sys
sys.path.insert(0, {str(installed)!r})
from importlib.metadata import distributions
(own,) = [found for found in distributions(path=[{str(installed)!r}])]
for entry in own.entry_points:
    print(entry.group, entry.name, callable(entry.load()))
"""
    lines = set(python("-I", "-c", code, cwd=installed).splitlines())

    assert lines == {
        "console_scripts uow True",
        "uow.drivers mariadb True",
        "uow.drivers memory True",
        "uow.drivers mongodb True",
        "uow.drivers mongodb+motor True",
        "uow.drivers mongodb+motor+srv True",
        "uow.drivers mongodb+srv True",
        "uow.drivers mysql True",
        "uow.drivers postgres True",
        "uow.drivers postgres+asyncpg True",
        "uow.drivers postgresql True",
        "uow.drivers postgresql+asyncpg True",
        "uow.drivers sqlite True",
    }
