"""What commands share: their options, the project's settings, the database, and how they end."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated

import anyio
import attrs
from cyclopts import Parameter

from uow.cli.output import Output
from uow.config import Config, load_config
from uow.database import Database
from uow.errors import DriverError, UowError, ValidationError
from uow.mapping.registry import default_registry

__all__ = ["Common", "Task", "run"]


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class Common:
    """Options of every command.

    Attributes:
        url: The database; UOW_URL or `url` of [tool.uow] if it is not given.
        project: The folder of the project; its pyproject.toml is looked for there and above.
        json: Give the result as one JSON document, for scripts.
    """

    url: str | None = None
    project: Path | None = None
    json: Annotated[bool, Parameter(negative="")] = False


@attrs.frozen
class Task:
    """What a command is called with.

    Attributes:
        common: the options.
        config: the settings of the project.
        output: where to write.
    """

    common: Common
    config: Config
    output: Output

    @asynccontextmanager
    async def database(self) -> AsyncGenerator[Database]:
        """Open the database.

        Raises:
            ValidationError: nobody said which.
            UowError: why it cannot be reached.
        """
        async with self.unopened() as database:
            yield database

    def unopened(self) -> Database:
        """Give the database as it is without a connection: its dialect is known.

        Raises:
            ValidationError: nobody said which.
        """
        url = self.common.url or self.config.url
        if url is None:
            raise ValidationError(
                "no database: give --url, set UOW_URL, or write url into [tool.uow] of"
                " pyproject.toml"
            )
        try:
            return Database(url)
        except DriverError as error:  # nothing was tried yet: it is what was written
            raise ValidationError(str(error)) from error

    def folder(self, given: Path | None) -> Path:
        """Give the folder of migrations."""
        return self.config.migrations if given is None else given

    def load_models(self, given: Sequence[str]) -> None:
        """Import the modules that map classes: those that are given, else the project's.

        Raises:
            ValidationError: there is no such module, it cannot be imported, or nothing is mapped.
        """
        names = given or list(self.config.models)
        if not names:
            raise ValidationError(
                "no models: give --models shop.models, or write models into [tool.uow] of"
                " pyproject.toml"
            )
        for place in (str(self.config.root), str(self.config.root / "src")):
            if place not in sys.path:
                sys.path.insert(0, place)
        for name in names:
            try:
                import_module(name)
            except Exception as error:
                raise ValidationError(
                    f"the models in {name!r} cannot be imported: {type(error).__name__}: {error}"
                ) from error
        if not default_registry.mappers():
            raise ValidationError(f"no class is mapped in {', '.join(names)}")


def run(common: Common | None, work: Callable[[Task], Awaitable[int]]) -> int:
    """Do the work of a command; errors of ours are told in a line.

    Returns:
        The exit code: 0 done, 1 failed, 2 wrong call or settings, 3 the database is out of reach.
    """
    common = common or Common()
    output = Output(as_json=common.json)

    async def in_task() -> int:
        return await work(Task(common, load_config(common.project), output))

    try:
        return int(anyio.run(in_task))
    except UowError as error:
        return int(output.error(error))
