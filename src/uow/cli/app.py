"""The commands by name."""

from __future__ import annotations

from importlib.metadata import version
from typing import Literal

from cyclopts import App

from uow.cli.beanie import beanie
from uow.cli.check import check
from uow.cli.demo.command import demo
from uow.cli.migrate import migrate
from uow.cli.schema import schema

__all__ = ["app"]

app = App(
    name="uow",
    help="Async units of work with an identity map: the database, its schema and its migrations.",
    version=lambda: version("uow"),
    help_format="markdown",
    suppress_keyboard_interrupt=False,  # it is told of in `main`
)
app.command(beanie)
app.command(migrate)
app.command(schema)
app.command(check)
app.command(demo)


@app.command
def completion(shell: Literal["bash", "zsh", "fish"]) -> int:
    """Print the completion script of a shell.

    For example: `uow completion bash >> ~/.bashrc`.

    Args:
        shell: Of which shell.
    """
    print(app.generate_completion(prog_name="uow", shell=shell))
    return 0
