"""The benchmarks run, and judge rightly; their figures are for `make bench`."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from benchmarks.measure import ContenderSteps, Result, Row, Sizes, run_row
from tests.support.imports import ROOT


def row(bound: float, floor: str | None = "floor") -> Row:
    """A row with nothing to measure."""
    return Row(
        key="row",
        title="work",
        unit="ms",
        floor=floor,
        bound=bound,
        goal=None,
        contenders={"floor": steady, "uow": steady},
    )


@asynccontextmanager
async def steady(_folder: Path, _sizes: Sizes) -> ContenderSteps:
    """Work that always costs the same."""

    async def once() -> float:
        return 2.0

    yield once


@pytest.mark.parametrize(("bound", "kept"), [(1.5, True), (1.4, False)])
def test_ratio_to_the_floor_is_judged_by_medians(bound: float, kept: bool) -> None:
    """One slow round changes nothing; the bound itself is still inside."""
    result = Result(row(bound), {"floor": [2.0, 2.0, 900.0], "uow": [3.0, 3.0, 1.0]})

    assert result.ratio("uow") == 1.5
    assert result.is_kept is kept


def test_absolute_bound_needs_no_floor() -> None:
    """Without a floor the figure itself is judged."""
    result = Result(row(20, floor=None), {"uow": [19.0, 21.0, 18.0]})

    assert result.is_kept


@pytest.mark.anyio
async def test_contenders_take_turns(tmp_path: Path) -> None:
    """Each contender is measured once a round, the warm-up not counted."""
    rounds = 0

    def count() -> None:
        nonlocal rounds
        rounds += 1

    result = await run_row(row(1.0), Sizes(rounds=4), tmp_path, count)

    assert rounds == 4
    assert result.samples == {"floor": [2.0] * 4, "uow": [2.0] * 4}


def test_every_row_runs(tmp_path: Path) -> None:
    """A quick run measures every contender of every row and leaves figures and a plot."""
    for library in ("sqlalchemy", "aiosqlite", "matplotlib"):
        pytest.importorskip(library, reason="the group `bench` is installed for one Python only")
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    rows = json.loads((tmp_path / "sqlite.json").read_text(encoding="utf-8"))["rows"]
    assert list(rows) == [
        "load", "insert", "update", "get", "small_unit", "idle_flush", "memory", "attribute",
    ]  # fmt: skip
    assert all("uow" in found["medians"] for found in rows.values())
    assert (tmp_path / "sqlite.png").read_bytes().startswith(b"\x89PNG")
