"""What the documents and examples show is what happens: every Python block runs."""

from __future__ import annotations

import ast
import contextlib
import doctest
import importlib
import inspect
import io
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import anyio
import attrs
import pytest

from tests.support.imports import ROOT, modules
from tests.support.postgresql import clear

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAM = re.compile(r"^(asyncio|anyio|trio)\.run\(", re.MULTILINE)


@attrs.frozen
class Block:
    """A fenced block of a page.

    Attributes:
        language: what stands after the fence.
        text: what it holds.
        line: where its first line stands in the page.
    """

    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """Every block of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(found[1], found[2], text.count("\n", 0, found.start(2)) + 1)
        for found in FENCE.finditer(text)
    ]


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

ON_STORES = [path for path in EXAMPLES if "sys.argv" in path.read_text(encoding="utf-8")]
STORIES = [path for path in EXAMPLES if "EXAMPLE_URL" in path.read_text(encoding="utf-8")]

WITH_DOCTESTS = [
    name for name, path in modules().items() if ">>> " in path.read_text(encoding="utf-8")
]


def with_output(page: Path) -> Iterator[tuple[Block, str | None]]:
    """Each Python block of a page, with the block of text right below it."""
    found = blocks(page)
    for block, after in zip(found, [*found[1:], None], strict=True):
        if block.language == "python":
            yield block, after.text if after is not None and after.language == "text" else None


def programs() -> Iterator[pytest.ParameterSet]:
    """Every block that is a whole program, with the output that the page says it has."""
    for page in PAGES:
        for block, output in with_output(page):
            if PROGRAM.search(block.text):
                yield pytest.param(block.text, output, id=f"{page.name}:{block.line}")


def run_program(arguments: list[str], folder: Path) -> str:
    """Run Python in a folder, warnings as errors; return what it printed."""
    command = [sys.executable, "-W", "error", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    if run.returncode:
        pytest.fail(run.stdout + run.stderr)
    return run.stdout


@pytest.mark.parametrize(("text", "output"), list(programs()))
def test_program_prints_what_the_page_says(text: str, output: str | None, tmp_path: Path) -> None:
    """A program copied from a page into a file runs, and prints what stands below it."""
    (tmp_path / "program.py").write_text(text, encoding="utf-8")
    printed = run_program(["program.py"], tmp_path)

    assert output is None or printed == output


@pytest.mark.anyio
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_blocks_run_in_order(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other blocks of a page run one after the other, and print what the page says."""
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType(f"page_{page.stem.lower()}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    said: list[str] = []
    printed: list[str] = []
    for block, output in with_output(page):
        if PROGRAM.search(block.text):
            continue
        source = "\n" * (block.line - 1) + block.text  # so that a traceback names the page's line
        code = compile(source, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            result = eval(code, module.__dict__)
            if inspect.isawaitable(result):
                await result
        said.append(output or "")
        printed.append(out.getvalue())

    assert printed == said


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example_runs(example: Path, tmp_path: Path) -> None:
    """Every program of examples/ runs from another folder, prints its story, and leaves no file."""
    printed = run_program([str(example)], tmp_path)

    assert printed
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("example", ON_STORES, ids=lambda path: path.name)
def test_example_says_the_same_on_postgresql(
    example: Path, tmp_path: Path, postgresql_database: str
) -> None:
    """Programs that take a URL tell the same story on PostgreSQL as on SQLite."""
    anyio.run(clear, postgresql_database)
    printed = run_program([str(example), postgresql_database], tmp_path)

    assert printed == run_program([str(example)], tmp_path)


@pytest.mark.parametrize("example", STORIES, ids=lambda path: path.name)
def test_example_tells_the_same_on_postgresql(
    example: Path, tmp_path: Path, postgresql_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The examples of well-known models print the same on SQLite and on PostgreSQL."""
    told = run_program([str(example)], tmp_path)
    monkeypatch.setenv("EXAMPLE_URL", postgresql_database)

    assert run_program([str(example)], tmp_path) == told


@pytest.mark.parametrize("name", WITH_DOCTESTS)
def test_docstring_examples(name: str) -> None:
    """What a docstring shows after `>>>` is what it gives."""
    failed, tried = doctest.testmod(importlib.import_module(name))

    assert tried
    assert not failed


def test_links_lead_somewhere() -> None:
    """Every relative link of the documents names a file or folder of the project."""
    pages = [*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md"]
    broken = [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]

    assert not broken
