"""`uow beanie`: the two commands of Beanie's program."""

from __future__ import annotations

import sys
from typing import Annotated

import anyio
from cyclopts import App, Parameter

from uow.errors import UowError

__all__ = ["beanie"]

beanie = App(name="beanie", help="Migrations of documents, as Beanie's programs write them.")


@beanie.command
def migrate(
    *,
    uri: Annotated[str | None, Parameter(name=["--connection-uri", "-uri"])] = None,
    db: Annotated[str | None, Parameter(name=["--database-name", "-db"])] = None,
    path: Annotated[str | None, Parameter(name=["--path", "-p"])] = None,
    forward: Annotated[bool, Parameter(name="--forward", negative="--backward")] = True,
    distance: Annotated[int, Parameter(name=["--distance", "-d"])] = 0,
    allow_index_dropping: bool = False,
    use_transaction: bool = True,
) -> int:
    """Run migrations, forward or backward.

    What is not given is read of the environment (`BEANIE_CONNECTION_URI`, ...) and of
    `[tool.beanie.migrations]` in pyproject.toml.

    Args:
        uri: Where the store is.
        db: The database, if the URL does not say it.
        path: The folder with the migrations.
        forward: Which way to go.
        distance: How many migrations; 0 is all.
        allow_index_dropping: Drop indexes that the classes do not declare.
        use_transaction: Each migration is one transaction.
    """
    from uow.beanie.executors.migrate import MigrationSettings, run_migrate
    from uow.beanie.migrations.models import RunningDirections

    settings = MigrationSettings(
        direction=RunningDirections.FORWARD if forward else RunningDirections.BACKWARD,
        distance=distance,
        allow_index_dropping=allow_index_dropping,
        use_transaction=use_transaction,
    )
    settings.connection_uri = uri or settings.connection_uri
    settings.database_name = db or settings.database_name
    settings.path = path or settings.path
    try:
        ran = anyio.run(run_migrate, settings)
    except UowError as error:
        print(f"uow: {error}", file=sys.stderr)
        return 1
    for name in ran:
        print(f"{'forward' if forward else 'backward'}: {name}")
    if not ran:
        print("nothing to do")
    return 0


@beanie.command(name="new-migration")
def new_migration(
    *,
    name: Annotated[str, Parameter(name=["--name", "-n"])],
    path: Annotated[str, Parameter(name=["--path", "-p"])],
) -> int:
    """Make the file of a new migration.

    Args:
        name: What it is called.
        path: The folder, made if it is missing.
    """
    from uow.beanie.executors.migrate import new_migration as make

    try:
        print(make(name, path))
    except UowError as error:
        print(f"uow: {error}", file=sys.stderr)
        return 1
    return 0
