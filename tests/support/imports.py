"""Reads the imports of the source tree without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"


@attrs.frozen
class Import:
    """One module named by one import statement.

    Attributes:
        importer: the dotted name of the module that holds the statement.
        target: the dotted name of the module it names.
        line: where it stands.
        is_runtime: whether it runs when the importer is imported (not in a function, and not
            under `if TYPE_CHECKING`).
    """

    importer: str
    target: str
    line: int
    is_runtime: bool


def modules() -> dict[str, Path]:
    """Every module of the package by its import name; the two linked folders by theirs."""
    found: dict[str, Path] = {}
    for folder, package in (
        ("uow", "uow"),
        ("drivers", "uow.drivers"),
        ("dialects", "uow.dialects"),
    ):
        base = SOURCE / folder
        for path in sorted(base.rglob("*.py")):
            inside = path.relative_to(base).with_suffix("").parts
            if folder == "uow" and inside[0] in {"drivers", "dialects"}:
                continue  # Python 3.13 follows links in rglob when asked; these have their own turn
            parts = inside[:-1] if inside[-1] == "__init__" else inside
            found[".".join((package, *parts))] = path
    return found


def imports_of(name: str, path: Path, known: dict[str, Path]) -> Iterator[Import]:
    """Every import in a module, whatever block it stands in.

    `from uow.query import statements` names the module `uow.query.statements` where there is one.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    for node, is_runtime in _walk(tree, is_runtime=True):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(name, alias.name, node.lineno, is_runtime)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(name, path, node)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield Import(name, full if full in known else base, node.lineno, is_runtime)


def _absolute(name: str, path: Path, node: ast.ImportFrom) -> str:
    if node.level == 0:
        return node.module or ""
    package = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
    parts = package[: len(package) - node.level + 1]
    return ".".join([*parts, node.module] if node.module else parts)


def _walk(node: ast.AST, *, is_runtime: bool) -> Iterator[tuple[ast.AST, bool]]:
    yield node, is_runtime
    if isinstance(node, ast.If) and _is_type_checking(node.test):
        for statement in node.body:
            yield from _walk(statement, is_runtime=False)
        for statement in node.orelse:
            yield from _walk(statement, is_runtime=is_runtime)
        return
    inside = is_runtime and not isinstance(
        node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    )
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, is_runtime=inside)


def _is_type_checking(test: ast.expr) -> bool:
    match test:
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return True
        case _:
            return False
