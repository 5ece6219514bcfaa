"""Run the rows and judge them: `python -m benchmarks [--store sqlite] [--row load] [--quick]`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs
from rich.console import Console
from rich.progress import Progress, TaskID

from benchmarks import report
from benchmarks.measure import QUICK, Result, Row, Sizes, run_row
from benchmarks.stores import STORES, Store

RESULTS = Path(__file__).parent / "results"


async def measure(
    store: Store[Any],
    rows: Sequence[Row[Any]],
    sizes: Sizes,
    console: Console,
    *,
    one_core: bool | None = None,
) -> tuple[list[Result], Mapping[str, str]]:
    """Measure each row; give the results, and what is to be known of the store that ran.

    Args:
        store: what is measured.
        rows: which of its rows.
        sizes: how much of them.
        console: where progress is shown.
        one_core: whether client and server share a core; what the row says, if None.
    """
    results: list[Result] = []
    # Drawn after each round and not by a thread, which would take the time of who is measured.
    with (
        tempfile.TemporaryDirectory(prefix="uow-bench-") as name,
        Progress(console=console, auto_refresh=False) as bar,
    ):

        def advance(task: TaskID) -> None:
            bar.update(task, advance=1, refresh=True)

        async with store.open(Path(name)) as places:
            for row in rows:
                task = bar.add_task(row.title, total=row.rounds or sizes.rounds)
                cores = places.hold_to_cores(row.is_round_trips if one_core is None else one_core)
                place_of = partial(places.place, row.key)
                result = await run_row(row, sizes, place_of, partial(advance, task))
                results.append(attrs.evolve(result, cores=cores))
            return results, places.about


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 if a bound is missed."""
    keys = {row.key: None for store in STORES for row in store.rows}
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--store", action="append", choices=[store.key for store in STORES])
    parser.add_argument("--row", action="append", choices=list(keys), metavar="KEY")
    parser.add_argument("--rounds", type=int, help="how often each contender has its turn")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, nothing is judged")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go")
    parser.add_argument("--compare", type=Path, help="a folder with the results of an earlier run")
    parser.add_argument(
        "--cores", choices=["one", "two"], help="for client and server, in all rows"
    )
    options = parser.parse_args(arguments)

    sizes = QUICK if options.quick else Sizes()
    if options.rounds:
        sizes = attrs.evolve(sizes, rounds=options.rounds)
    console = Console()
    missed: list[str] = []
    for store in STORES:
        rows = [row for row in store.rows if not options.row or row.key in options.row]
        if not rows or (options.store and store.key not in options.store):
            continue
        saved = report.saved_medians(options.compare, store) if options.compare else {}
        one_core = None if options.cores is None else options.cores == "one"
        results, about = asyncio.run(measure(store, rows, sizes, console, one_core=one_core))
        run = report.Run(store, results, sizes, report.machine(store, about))
        console.print(report.table(run, saved))
        for name in sorted({name for result in results for name in result.absent}):
            console.print(f"not installed, not measured: {name}")
        report.write(run, options.out, console)
        missed += [f"{store.title}: {result.row.title}" for result in results if not result.is_kept]
    if missed and not options.quick:
        console.print(f"[red]budget missed:[/] {'; '.join(missed)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
