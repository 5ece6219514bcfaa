"""What a run shows and leaves: a table, a JSON file, a plot."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import apsw
import attrs
import matplotlib as mpl
from rich.console import Console
from rich.table import Table

from benchmarks.measure import Result, Sizes

mpl.use("Agg")
from matplotlib import pyplot as plt  # the backend is chosen before

COLORS = {"uow": "#1b7f5c", "sqlalchemy": "#c0504d", "apsw": "#8e8e8e", "aiosqlite": "#8e8e8e"}
WIDE = 10
"""From this span on a panel is drawn on a logarithmic scale."""


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": cores,
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "sqlite3": sqlite3.sqlite_version,
        "apsw": apsw.apsw_version(),
        "aiosqlite": version("aiosqlite"),
        "sqlalchemy": version("sqlalchemy"),
        "uow": version("uow"),
    }


def figure(value: float, unit: str) -> str:
    """A figure with three significant digits and its unit."""
    digits = max(0, 2 - len(str(int(value))) + 1) if value else 0
    return f"{value:,.{digits}f} {unit}"


def table(results: Sequence[Result], saved: Mapping[str, Mapping[str, float]]) -> Table:
    """One block a row of the budget, one line a contender."""
    shown = Table(title="SQLite rows of the performance budget (medians of interleaved rounds)")
    for heading, justify in (("work", "left"), ("by", "left"), ("median", "right"),
                             ("x floor", "right"), ("budget", "right"), ("", "left")):  # fmt: skip
        shown.add_column(heading, justify=justify)  # type: ignore[arg-type]  # literals, widened by the loop
    if saved:
        shown.add_column("saved", justify="right")
    for result in results:
        row = result.row
        for position, name in enumerate(row.contenders):
            ours = name == "uow"
            bound = f"<= {row.bound:g}" + ("" if row.floor else f" {row.unit}")
            cells = [
                row.title if position == 0 else "",
                f"{name} (floor)" if name == row.floor else name,
                figure(result.median(name), row.unit),
                f"{result.ratio(name):.2f}" if row.floor else "",
                bound if ours else "",
                ("[green]kept[/]" if result.is_kept else "[red]MISSED[/]") if ours else "",
            ]
            if saved:
                before = saved.get(row.key, {}).get(name)
                cells.append(figure(before, row.unit) if before is not None else "")
            shown.add_row(*cells, style="bold" if ours else None)
        shown.add_section()
    return shown


def as_json(results: Sequence[Result], sizes: Sizes) -> dict[str, Any]:
    """Everything measured, to be compared with later."""
    return {
        "machine": machine(),
        "sizes": attrs.asdict(sizes),
        "rows": {
            result.row.key: {
                "title": result.row.title,
                "unit": result.row.unit,
                "floor": result.row.floor,
                "bound": result.row.bound,
                "ratio": result.ratio("uow"),
                "kept": result.is_kept,
                "medians": {name: result.median(name) for name in result.samples},
                "samples": dict(result.samples),
            }
            for result in results
        },
    }


def saved_medians(path: Path) -> dict[str, dict[str, float]]:
    """The medians of an earlier run, by row and contender."""
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return {key: row["medians"] for key, row in rows.items()}


def plot(results: Sequence[Result], path: Path) -> None:
    """Draw a panel a row: each contender's median, the span of its rounds, and the bound."""
    columns = 2
    lines = -(-len(results) // columns)
    drawing, axes = plt.subplots(lines, columns, figsize=(12, 2.2 * lines), squeeze=False)
    for panel in axes.flat[len(results) :]:
        panel.set_visible(False)
    for result, panel in zip(results, axes.flat, strict=False):
        row = result.row
        names = list(result.samples)
        medians = [result.median(name) for name in names]
        low = [m - min(result.samples[n]) for n, m in zip(names, medians, strict=True)]
        high = [max(result.samples[n]) - m for n, m in zip(names, medians, strict=True)]
        colors = [COLORS.get(name, "#4f81bd") for name in names]
        panel.barh(names, medians, xerr=[low, high], color=colors, error_kw={"ecolor": "#555"})
        bound = row.bound * (result.median(row.floor) if row.floor else 1)
        panel.axvline(bound, color="black", linestyle="--", linewidth=1)
        panel.annotate("budget", (bound, 1.0), xycoords=("data", "axes fraction"), fontsize=7,
                       ha="center", va="bottom")  # fmt: skip
        panel.invert_yaxis()
        if max(medians) > WIDE * min(medians):
            panel.set_xscale("log")
        panel.set_title(row.title, fontsize=9, pad=12)
        panel.set_xlabel(row.unit, fontsize=8)
        panel.tick_params(labelsize=8)
    about = machine()
    drawing.suptitle(
        f"uow {about['uow']} over SQLite, Python {about['python']}, {about['cores']} cores; "
        f"SQLAlchemy {about['sqlalchemy']}, aiosqlite {about['aiosqlite']}",
        fontsize=10,
    )
    drawing.tight_layout()
    drawing.savefig(path, dpi=120)
    plt.close(drawing)


def write(results: Sequence[Result], sizes: Sizes, folder: Path, console: Console) -> None:
    """Leave the JSON file and the plot in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "sqlite.json"
    target.write_text(json.dumps(as_json(results, sizes), indent=1) + "\n", encoding="utf-8")
    plot(results, folder / "sqlite.png")
    console.print(f"written: {target}, {folder / 'sqlite.png'}")
