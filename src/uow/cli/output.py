"""What a command shows: for people, with colours on a terminal only, or as one JSON document."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table as Grid

from uow.errors import (
    ConnectionLostError,
    DriverError,
    PoolTimeoutError,
    ResourceError,
    UowError,
    ValidationError,
)
from uow.migrations.runner import MigrationEvent

__all__ = ["Code", "Output"]


class Code(IntEnum):
    """How a command ends."""

    DONE = 0
    FAILED = 1
    WRONG_CALL = 2
    UNREACHABLE = 3


@final
class Output:
    """Where a command writes: results to the standard output, all else beside it.

    Args:
        as_json: results are one JSON document, and nothing else is said but errors.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._out = Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self._beside = Console(file=sys.stderr, highlight=False, soft_wrap=True)

    @property
    def is_for_a_person(self) -> bool:
        """Whether somebody can be asked."""
        return not self.as_json and sys.stdin.isatty() and sys.stderr.isatty()

    def say(self, text: str, style: str | None = None) -> None:
        """Show a line of the result; not as JSON."""
        if not self.as_json:
            self._out.print(text, style=style, markup=False)

    def note(self, text: str, style: str | None = None) -> None:
        """Show a line beside the result; not as JSON."""
        if not self.as_json:
            self._beside.print(text, style=style, markup=False)

    def text(self, text: str) -> None:
        """Give a text as it is: SQL, a program, a diagram."""
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")

    def grid(self, titles: list[str], rows: list[list[str]]) -> None:
        """Show rows in columns; not as JSON."""
        if self.as_json:
            return
        grid = Grid(*titles, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            grid.add_row(*[_plain(cell) for cell in row])
        self._out.print(grid)

    def result(self, value: Any) -> None:
        """Give the result as JSON, if that was asked for."""
        if self.as_json:
            self.text(json.dumps(value, indent=2, default=str))

    def error(self, error: UowError) -> Code:
        """Show an error, and say how the command ends."""
        kind = type(error).__name__
        if self.as_json:
            told = {"kind": kind, "message": str(error), "version": getattr(error, "version", None)}
            self.text(json.dumps({"error": told}, indent=2))
        else:
            self._beside.print(f"uow: {error}", style="red", markup=False)
        return code_of(error)

    @contextmanager
    def progress(self) -> Generator[MigrationProgress]:
        """Show how far migrations are: a bar on a terminal, else a line each."""
        if self.as_json or not self._beside.is_terminal:
            yield MigrationProgress(self, None)
            return
        columns = (
            SpinnerColumn(),
            MofNCompleteColumn(),
            BarColumn(bar_width=20),
            TextColumn("{task.description}", markup=False),
        )
        with Progress(*columns, console=self._beside, transient=True) as bar:
            yield MigrationProgress(self, bar)


class MigrationProgress:
    """Is called with what a runner of migrations tells."""

    def __init__(self, output: Output, bar: Progress | None) -> None:
        self._output = output
        self._bar = bar
        self._task = None if bar is None else bar.add_task("", total=None)

    def __call__(self, event: MigrationEvent) -> None:
        """Show it."""
        name = f"{event.direction} {event.name}"
        match event.kind:
            case "waiting":
                self._output.note("another runner is at work; waiting for it", "yellow")
            case "begin":
                self._update(name, event.number - 1, event.total)
            case "step":
                self._update(f"{name}: {event.text[:60]}", event.number - 1, event.total)
            case "skipped":
                self._update(name, event.number, event.total)
                self._output.note(f"{name}: another runner did it meanwhile")
            case "end":
                self._update(name, event.number, event.total)
                self._output.note(f"{name}  {event.seconds:.2f} s", "green")

    def _update(self, text: str, done: int, total: int) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=text, completed=done, total=total)


def code_of(error: UowError) -> Code:
    """Say how a command ends with an error."""
    if isinstance(error, ValidationError):
        return Code.WRONG_CALL
    if isinstance(error, ConnectionLostError | PoolTimeoutError | ResourceError | DriverError):
        return Code.UNREACHABLE
    return Code.FAILED


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
