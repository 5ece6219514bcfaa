"""Run the rows and judge them: `python -m benchmarks [--row load] [--rounds 15] [--quick]`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import attrs
from rich.console import Console
from rich.progress import Progress

from benchmarks import report
from benchmarks.measure import QUICK, Result, Row, Sizes, run_row
from benchmarks.rows import ROWS

RESULTS = Path(__file__).parent / "results"


async def measure(rows: Sequence[Row], sizes: Sizes, console: Console) -> list[Result]:
    """Measure each row in a folder that is thrown away."""
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="uow-bench-") as name, Progress(console=console) as bar:
        for row in rows:
            task = bar.add_task(row.title, total=row.rounds or sizes.rounds)
            results.append(await run_row(row, sizes, Path(name), partial(bar.advance, task)))
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 if a bound is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--row", action="append", choices=[row.key for row in ROWS], metavar="KEY")
    parser.add_argument("--rounds", type=int, help="how often each contender has its turn")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, nothing is judged")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go")
    parser.add_argument("--compare", type=Path, help="a JSON file of an earlier run")
    options = parser.parse_args(arguments)

    sizes = QUICK if options.quick else Sizes()
    if options.rounds:
        sizes = attrs.evolve(sizes, rounds=options.rounds)
    rows = [row for row in ROWS if not options.row or row.key in options.row]
    saved = report.saved_medians(options.compare) if options.compare else {}
    console = Console()
    results = asyncio.run(measure(rows, sizes, console))
    console.print(report.table(results, saved))
    report.write(results, sizes, options.out, console)
    missed = [result.row.title for result in results if not result.is_kept]
    if missed and not options.quick:
        console.print(f"[red]budget missed:[/] {'; '.join(missed)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
