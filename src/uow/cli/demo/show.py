"""What the demo prints."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.syntax import Syntax
from rich.table import Table

from uow.cli.demo.steps import ShownUnit

__all__ = ["Tally", "answers", "figures", "progress", "unit_shown", "verdict"]


@attrs.frozen
class Tally:
    """What a step did: rows, and seconds for them."""

    step: str
    rows: int
    seconds: float


def progress(console: Console) -> Progress:
    """A bar with the number of rows stored."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def answers(console: Console, found: Sequence[tuple[str, str]]) -> None:
    """The questions by kind, and what came of them."""
    table = Table(title="what was asked")
    table.add_column("kind")
    table.add_column("answer")
    for kind, answer in found:
        table.add_row(kind, answer)
    console.print(table)


def unit_shown(console: Console, unit: ShownUnit) -> None:
    """The flush plan of one unit, and below it what went to the store."""
    console.print(Panel(unit.plan.rstrip(), title="flush plan of one unit", title_align="left"))
    text = Syntax("\n".join(unit.sent), "sql", word_wrap=True, background_color="default")
    console.print(Panel(text, title="what was sent", title_align="left"))


def verdict(console: Console, what: str, differences: list[str]) -> bool:
    """Say whether memory and file agree; name the first differences."""
    if not differences:
        console.print(f"[green]agree[/]  {what}")
        return True
    console.print(f"[red]DIFFER[/] {what}: {len(differences)} differences")
    for line in differences[:10]:
        console.print(f"        {line}", markup=False)
    return False


def figures(console: Console, tallies: list[Tally]) -> None:
    """The table of counts and speeds."""
    table = Table(title="what was done")
    table.add_column("step")
    table.add_column("rows", justify="right")
    table.add_column("seconds", justify="right")
    table.add_column("rows/s", justify="right")
    for tally in tallies:
        speed = f"{tally.rows / tally.seconds:,.0f}" if tally.seconds else ""
        table.add_row(tally.step, f"{tally.rows:,}", f"{tally.seconds:.4f}", speed)
    console.print(table)
