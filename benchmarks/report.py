"""What a run shows and leaves: a table, a JSON file, a plot."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import attrs
import matplotlib as mpl
from rich.console import Console
from rich.table import Table

from benchmarks.measure import Result, Sizes
from benchmarks.stores import Store

mpl.use("Agg")
from matplotlib import pyplot as plt  # the backend is chosen before

COLORS = {"uow": "#1b7f5c", "sqlalchemy": "#c0504d", "tortoise": "#d99694", "piccolo": "#e6b9b8"}
OTHERS = "#8e8e8e"
WIDE = 10
"""From this span on a panel is drawn on a logarithmic scale."""


@attrs.frozen
class Run:
    """The rows of one store, measured.

    Attributes:
        store: what was measured.
        results: a row each.
        sizes: how much of it.
        machine: where.
    """

    store: Store[Any]
    results: Sequence[Result]
    sizes: Sizes
    machine: Mapping[str, Any]


def machine(store: Store[Any], about: Mapping[str, str]) -> dict[str, Any]:
    """What the figures were measured on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": cores,
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        **about,
        **versions(("uow", *store.libraries)),
    }


def versions(libraries: Sequence[str]) -> dict[str, str]:
    """The versions of those libraries that are installed."""
    found: dict[str, str] = {}
    for library in libraries:
        with suppress(PackageNotFoundError):
            found[library] = version(library)
    return found


def figure(value: float, unit: str) -> str:
    """A figure with three significant digits and its unit."""
    digits = max(0, 2 - len(str(int(value))) + 1) if value else 0
    return f"{value:,.{digits}f} {unit}"


def table(run: Run, saved: Mapping[str, Mapping[str, float]]) -> Table:
    """One block a row of the budget, one line a contender."""
    settings = run.machine.get("settings")
    shown = Table(
        title=f"{run.store.title} rows of the performance budget (medians of interleaved rounds)",
        caption=f"the same for all: {settings}" if settings else None,
    )
    for heading, justify in (("work", "left"), ("by", "left"), ("median", "right"),
                             ("x floor", "right"), ("budget", "right"), ("", "left")):  # fmt: skip
        shown.add_column(heading, justify=justify)  # type: ignore[arg-type]  # literals, widened by the loop
    if saved:
        shown.add_column("saved", justify="right")
    for result in run.results:
        row = result.row
        work = f"{row.title} ({result.cores})" if result.cores else row.title
        for position, name in enumerate(result.samples):
            ours = name == "uow"
            bound = f"<= {row.bound:g}" + ("" if row.floor else f" {row.unit}")
            cells = [
                work if position == 0 else "",
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


def as_json(run: Run) -> dict[str, Any]:
    """Everything measured, to be compared with later."""
    return {
        "store": run.store.key,
        "machine": dict(run.machine),
        "sizes": attrs.asdict(run.sizes),
        "rows": {
            result.row.key: {
                "title": result.row.title,
                "unit": result.row.unit,
                "floor": result.row.floor,
                "bound": result.row.bound,
                "cores": result.cores,
                "ratio": result.ratio("uow"),
                "kept": result.is_kept,
                "medians": {name: result.median(name) for name in result.samples},
                "samples": dict(result.samples),
            }
            for result in run.results
        },
    }


def saved_medians(folder: Path, store: Store[Any]) -> dict[str, dict[str, float]]:
    """The medians of an earlier run of a store, by row and contender."""
    rows = json.loads((folder / f"{store.key}.json").read_text(encoding="utf-8"))["rows"]
    return {key: row["medians"] for key, row in rows.items()}


def plot(run: Run, path: Path) -> None:
    """Draw a panel a row: each contender's median, the span of its rounds, and the bound."""
    results = run.results
    columns = 2
    lines = -(-len(results) // columns)
    drawing, axes = plt.subplots(lines, columns, figsize=(12, 2.4 * lines), squeeze=False)
    for panel in axes.flat[len(results) :]:
        panel.set_visible(False)
    for result, panel in zip(results, axes.flat, strict=False):
        row = result.row
        names = list(result.samples)
        medians = [result.median(name) for name in names]
        low = [m - min(result.samples[n]) for n, m in zip(names, medians, strict=True)]
        high = [max(result.samples[n]) - m for n, m in zip(names, medians, strict=True)]
        colors = [COLORS.get(name.partition(",")[0], OTHERS) for name in names]
        panel.barh(names, medians, xerr=[low, high], color=colors, error_kw={"ecolor": "#555"})
        bound = row.bound * (result.median(row.floor) if row.floor else 1)
        panel.axvline(bound, color="black", linestyle="--", linewidth=1)
        panel.annotate("budget", (bound, 1.0), xycoords=("data", "axes fraction"), fontsize=7,
                       ha="center", va="bottom")  # fmt: skip
        panel.invert_yaxis()
        if max(medians) > WIDE * min(medians):
            panel.set_xscale("log")
        panel.set_title(row.title, fontsize=9, pad=12)
        panel.set_xlabel(f"{row.unit}; {result.cores}" if result.cores else row.unit, fontsize=8)
        panel.tick_params(which="both", labelsize=8)
    about = run.machine
    libraries = ", ".join(f"{name} {about[name]}" for name in run.store.libraries if name in about)
    drawing.suptitle(
        f"uow {about['uow']} over {run.store.title}, Python {about['python']}; {libraries}",
        fontsize=10,
    )
    drawing.tight_layout()
    drawing.savefig(path, dpi=120)
    plt.close(drawing)


def write(run: Run, folder: Path, console: Console) -> None:
    """Leave the JSON file and the plot in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{run.store.key}.json"
    target.write_text(json.dumps(as_json(run), indent=1) + "\n", encoding="utf-8")
    drawing = target.with_suffix(".png")
    plot(run, drawing)
    console.print(f"written: {target}, {drawing}")
