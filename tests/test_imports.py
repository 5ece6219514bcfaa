"""The arrows of the architecture: who may import whom, held by reading every import.

The table below is the rule. An import counts wherever it stands, under `if TYPE_CHECKING` and
inside functions too: a name that is needed for a type is a dependency all the same.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter

import pytest

from tests.support.imports import ROOT, Import, imports_of, modules

MODULES = modules()
IMPORTS = [found for name, path in MODULES.items() for found in imports_of(name, path, MODULES)]

# Lowest first. A unit (a module or package directly under `uow`) may import itself and what stands
# on a lower line; units of one line are strangers to each other.
CORE: list[set[str]] = [
    {"errors"},
    {"types", "statement", "url", "keys", "config", "allowed"},
    {"operations", "values"},
    {"expressions"},
    {"mapping"},
    {"tracking"},
    {"query"},
    {"pool"},
    {"schema"},
    {"database"},
    {"session"},
    {"documents"},
    {"table", "document"},
    {"debug", "migrations", "soft_delete", "views"},
    {""},  # the package itself: what is public
    {"beanie", "ext"},
    {"cli"},
]
LEVEL = {name: level for level, names in enumerate(CORE) for name in names}

# The interfaces are all that the core knows of drivers and dialects. A class or a value has no
# business with a store, so what stands below `tracking` does not know them either.
INTERFACES = {"uow.drivers.base", "uow.dialects.base"}
LOWEST_USER_OF_INTERFACES = LEVEL["tracking"]

# What the two outer folders may see of the core.
DIALECT_SEES = {
    "uow.errors", "uow.expressions", "uow.mapping", "uow.operations", "uow.query.documents",
    "uow.query.statements",
    "uow.query.tables", "uow.schema.description", "uow.schema.steps", "uow.schema.words",
    "uow.statement", "uow.types", "uow.values",
}  # fmt: skip
DRIVER_SEES = {
    "uow.errors", "uow.operations", "uow.statement", "uow.url", "uow.drivers.base", "uow.dialects",
}  # fmt: skip

# The values of documents have classes of their own, which stand in filters and nested values; in
# hints they are told by their names.
BSON_USERS = {
    "uow.beanie.odm.fields",
    "uow.dialects._bson_reading", "uow.dialects._bson_writing", "uow.dialects._object_ids",
    "uow.dialects.mongodb",
}  # fmt: skip

CLIENT_LIBRARIES = {
    "PIL", "aiomysql", "aiosqlite", "airportsdata", "apsw", "asyncmy", "asyncpg", "bson",
    "cyclopts", "fastapi", "hypothesis", "litestar", "motor", "opentelemetry", "psycopg",
    "pydantic", "pymongo", "pytest", "rich", "sqlalchemy", "sqlite3", "starlette", "trio",
}  # fmt: skip


def unit(module: str) -> str:
    """The unit of the core a module belongs to: `uow.query.builder` is of `query`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def is_under(module: str, roots: set[str]) -> bool:
    """Whether a module is one of the roots or inside one."""
    return any(module == root or module.startswith(f"{root}.") for root in roots)


def wrong_arrow(found: Import) -> str | None:
    """Why an import is not allowed, or None."""
    importer, target = found.importer, found.target
    if is_under(target, {"drivers", "dialects"}):
        return "the folders are imported as uow.drivers and uow.dialects"
    if not is_under(target, {"uow"}):
        return None
    if is_under(importer, {"uow.dialects"}):
        allowed = DIALECT_SEES | {"uow.dialects"}
        return None if is_under(target, allowed) else "a dialect sees core values only"
    if is_under(importer, {"uow.drivers"}):
        family = {name for name in MODULES if name.startswith("uow.drivers._")}
        allowed = DRIVER_SEES | family | {importer}
        return None if is_under(target, allowed) else "a driver sees its contract and errors only"
    if is_under(target, {"uow.drivers", "uow.dialects"}):
        if target in INTERFACES and LEVEL[unit(importer)] >= LOWEST_USER_OF_INTERFACES:
            return None
        return "the core knows the interfaces only, and classes and values not even those"
    if unit(target) == unit(importer) or LEVEL[unit(target)] < LEVEL[unit(importer)]:
        return None
    return f"{unit(target) or 'uow'} does not stand below {unit(importer) or 'uow'}"


def test_every_unit_has_a_place() -> None:
    """A new module or package of the core is given its line in the table."""
    units = {unit(name) for name in MODULES} - {"drivers", "dialects"}

    assert units <= set(LEVEL)


def test_no_wrong_arrow() -> None:
    """Every import of the source tree points down, TYPE_CHECKING imports included."""
    wrong = [
        f"{found.importer}:{found.line} imports {found.target}: {reason}"
        for found in IMPORTS
        if (reason := wrong_arrow(found))
    ]

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("importer", "target"),
    [
        ("uow.mapping.mapper", "uow.session.session"),
        ("uow.query.builder", "uow.dialects.sqlite"),
        ("uow.mapping.mapper", "uow.dialects.base"),
        ("uow.session.session", "uow.drivers.sqlite"),
        ("uow.session.session", "drivers.base"),
        ("uow.drivers.sqlite", "uow.session"),
        ("uow.drivers.sqlite", "uow.drivers.memory"),
        ("uow.dialects.sqlite", "uow.drivers.base"),
        ("uow.dialects.sqlite", "uow.query.builder"),
        ("uow.errors", "uow.types"),
        ("uow.types", "uow.statement"),
    ],
)
def test_wrong_arrows_are_seen(importer: str, target: str) -> None:
    """The rule refuses what it is there to refuse."""
    assert wrong_arrow(Import(importer, target, 1, is_runtime=False))


def test_no_import_circle() -> None:
    """Modules never import each other in a circle at run time, so any may be imported first."""
    graph: dict[str, set[str]] = {name: set() for name in MODULES}
    for found in IMPORTS:
        if found.is_runtime and found.target in MODULES and found.target != found.importer:
            graph[found.importer].add(found.target)

    TopologicalSorter(graph).prepare()


def test_import_uow_loads_no_client_library() -> None:
    """`import uow` works without any optional package, and is not slowed down by one."""
    code = "import sys, uow; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert not CLIENT_LIBRARIES & set(run.stdout.split())


def test_core_dependencies_are_those_declared() -> None:
    """What the core imports from outside is a base dependency, and each of those is imported."""
    outside = {
        found.target.split(".")[0]
        for found in IMPORTS
        if not is_under(found.importer, {"uow.drivers", "uow.cli", "uow.ext"})
        and not (found.target.split(".")[0] == "bson" and is_under(found.importer, BSON_USERS))
    } - {"uow", "__future__", "annotationlib", *sys.stdlib_module_names}  # stdlib from 3.14 on
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {line.split(">")[0].strip() for line in project["dependencies"]}

    assert {"attrs" if name == "attr" else name for name in outside} == declared


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"uow.cli.__main__"}))
def test_every_module_can_be_imported(name: str) -> None:
    """No module is left behind by a change of the names it imports."""
    importlib.import_module(name)
