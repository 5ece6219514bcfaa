"""The commands by name. What a command needs is imported when it is called, not here."""

from __future__ import annotations

from importlib.metadata import version

from cyclopts import App

from uow.cli.demo.command import demo

__all__ = ["app"]

app = App(
    name="uow", help="Async units of work with an identity map.", version=lambda: version("uow")
)
app.command(demo)
