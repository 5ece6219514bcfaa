"""Runs migrations of documents, and makes new ones."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs

from uow import Database, MappingError, Session
from uow.beanie.migrations.controllers.base import BaseMigrationController
from uow.beanie.migrations.models import MigrationLog, RunningDirections
from uow.mapping.registry import Registry, registering_in
from uow.session.binding import init_documents

__all__ = ["MigrationSettings", "new_migration", "run_migrate"]

_TEMPLATE = '''"""{name}."""

from uow.beanie import Document, free_fall_migration, iterative_migration


class Forward:
    """What is done."""


class Backward:
    """What undoes it."""
'''


def _settings_of_project() -> Mapping[str, Any]:
    file = Path("pyproject.toml")
    if not file.exists():
        return {}
    tools = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
    found: Mapping[str, Any] = tools.get("beanie", {}).get("migrations", {})
    return found


def _given(name: str) -> Callable[[], Any]:
    """What the environment says (`BEANIE_...`), else pyproject.toml, `[tool.beanie.migrations]`."""

    def find() -> Any:
        told = os.environ.get(f"BEANIE_{name.upper()}")
        return told if told is not None else _settings_of_project().get(name)

    return find


@attrs.define(kw_only=True)
class MigrationSettings:
    """What to run, and where.

    Attributes:
        connection_uri: where the store is.
        database_name: the database; that of the URL without it.
        path: the folder with the modules.
        direction: which way to go.
        distance: how many migrations; 0 for all.
        allow_index_dropping: drop indexes that the classes do not declare.
        use_transaction: each migration is one transaction.
    """

    connection_uri: str | None = attrs.field(factory=_given("connection_uri"))
    database_name: str | None = attrs.field(factory=_given("database_name"))
    path: str | Path | None = attrs.field(factory=_given("path"))
    direction: RunningDirections = RunningDirections.FORWARD
    distance: int = 0
    allow_index_dropping: bool = False
    use_transaction: bool = True


async def run_migrate(settings: MigrationSettings) -> list[str]:
    """Run migrations.

    Returns:
        The names of those that ran, in order.

    Raises:
        MappingError: a setting is missing, a module has no `Forward` and `Backward`, or the log
            knows a migration that is not there.
    """
    if not settings.connection_uri or not settings.path:
        raise MappingError("migrations need connection_uri and path: where the store is, and they")
    url = settings.connection_uri
    if settings.database_name:
        url = _with_database(url, settings.database_name)
    ran: list[str] = []
    names = _names(Path(settings.path))
    async with Database(url) as database:
        await init_documents(database, document_models=[MigrationLog])
        current = await _current(database)
        if current is not None and current not in names:
            raise MappingError(f"the current migration {current!r} is not in {settings.path}")
        place = -1 if current is None else names.index(current)
        for name, next_ in _way(names, place, settings):
            await _run_one(database, Path(settings.path) / name, next_, settings)
            ran.append(name)
    return ran


def _with_database(url: str, name: str) -> str:
    head, question, query = url.partition("?")
    scheme, _, rest = head.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/{name}{question}{query}"


def _names(path: Path) -> list[str]:
    if not path.is_dir():
        raise MappingError(f"there is no folder {path} with migrations")
    return sorted(one.name for one in path.glob("*.py") if not one.name.startswith("_"))


def _way(
    names: Sequence[str], place: int, settings: MigrationSettings
) -> list[tuple[str, str | None]]:
    """The migrations to run, each with the one that is current afterwards."""
    if settings.direction is RunningDirections.FORWARD:
        found: list[tuple[str, str | None]] = [(name, name) for name in names[place + 1 :]]
    else:
        before = [None, *names]
        found = [(names[n], before[n]) for n in range(place, -1, -1)]
    return found[: settings.distance] if settings.distance else found


async def _current(database: Database) -> str | None:
    async with Session(database) as session:
        found = await session.find(MigrationLog, {"is_current": True}).first()
        return None if found is None else found.name


async def _run_one(
    database: Database, file: Path, next_: str | None, settings: MigrationSettings
) -> None:
    """Run one migration, and note it in the same transaction."""
    module = _load(file)
    name = "Forward" if settings.direction is RunningDirections.FORWARD else "Backward"
    holder: Any = getattr(module, name, None)
    if holder is None:
        return await _note(database, next_)
    marked: list[Any] = list(holder.__dict__.values())
    controllers = [one for one in marked if isinstance(one, BaseMigrationController)]
    models = dict.fromkeys(model for one in controllers for model in one.models)
    if models:
        await init_documents(
            database,
            document_models=list(models),
            allow_index_dropping=settings.allow_index_dropping,
        )
    async with Session(database) as session:
        if settings.use_transaction:
            async with session.begin():
                for one in controllers:
                    await one.run(session, commits=False)
                await _write_log(session, next_)
            return None
        for one in controllers:
            await one.run(session, commits=True)
        await _write_log(session, next_)
        await session.commit()
    return None


async def _note(database: Database, name: str | None) -> None:
    async with Session.begin(database) as session:
        await _write_log(session, name)


async def _write_log(session: Session, name: str | None) -> None:
    for one in await session.find(MigrationLog, {"is_current": True}).to_list():
        one.is_current = False
    if name is not None:
        session.add(MigrationLog.of(name))
    await session.flush()


def _load(file: Path) -> ModuleType:
    """Import a migration. Classes of one collection may stand side by side in it."""
    spec = importlib.util.spec_from_file_location(f"uow_migration_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise MappingError(f"{file} is no module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where type hints are looked up
    with registering_in(Registry(shares_collections=True)):
        spec.loader.exec_module(module)
    return module


def new_migration(name: str, path: str | Path) -> Path:
    """Make the file of a new migration.

    Args:
        name: what it is called; a moment is put before it.
        path: the folder, made if it is missing.

    Raises:
        MappingError: the name cannot be that of a file.
    """
    stem = re.sub(r"\W+", "_", name).strip("_")
    if not stem:
        raise MappingError(f"{name!r} cannot name a migration")
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    moment = datetime.now(UTC).strftime("%Y%m%d%H%M%S%f")[:-3]
    file = folder / f"{moment}_{stem}.py"
    file.write_text(_TEMPLATE.format(name=name), encoding="utf-8")
    return file
