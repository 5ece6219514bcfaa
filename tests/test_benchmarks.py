"""The benchmarks run, and judge rightly; their figures are for `make bench`."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import pytest

from benchmarks.cores import Cores, held_cores
from benchmarks.measure import QUICK, ContenderSteps, Place, Result, Row, Sizes, run_row
from benchmarks.people import values
from tests.servers import REQUIRED, MissingServerError
from tests.support.imports import ROOT

BENCH = ("sqlalchemy", "aiosqlite", "matplotlib")
LEFT = """
SELECT count(*), sum(age)::bigint, md5(string_agg(p::text, ';' ORDER BY id)) FROM people AS p
"""


_beside_others = pytest.mark.timeout(240)
"""Contenders and servers share one core, with whatever else of the suite runs there."""


class Nowhere:
    """A place without a store."""

    url = "memory:"
    options: Mapping[str, Any] = {}

    async def fill(self, count: int) -> None: ...

    async def refresh(self) -> None: ...


def nowhere(_contender: str) -> Nowhere:
    """Give everybody the same."""
    return Nowhere()


def row(bound: float, floor: str | None = "floor") -> Row[Place]:
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
async def steady(_place: Place, _sizes: Sizes) -> ContenderSteps:
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
async def test_contenders_take_turns() -> None:
    """Each contender is measured once a round, the warm-up not counted."""
    rounds = 0

    def count() -> None:
        nonlocal rounds
        rounds += 1

    result = await run_row(row(1.0), Sizes(rounds=4), nowhere, count)

    assert rounds == 4
    assert result.samples == {"floor": [2.0] * 4, "uow": [2.0] * 4}


@pytest.mark.anyio
async def test_contender_without_its_library_is_left_out() -> None:
    """A peer that is not installed is named; what is missing of our own is an error."""

    def missing(module: str) -> Row[Place]:
        @asynccontextmanager
        async def contender(_place: Place, _sizes: Sizes) -> ContenderSteps:
            raise ModuleNotFoundError(name=module)
            yield  # pragma: no cover

        return attrs.evolve(row(1.0), contenders={"floor": steady, "uow": steady, "p": contender})

    result = await run_row(missing("piccolo"), Sizes(rounds=2), nowhere)

    assert result.absent == ("p",)
    assert result.samples == {"floor": [2.0] * 2, "uow": [2.0] * 2}
    with pytest.raises(ModuleNotFoundError):
        await run_row(missing("uow"), Sizes(rounds=2), nowhere)


@pytest.mark.anyio
async def test_collector_walks_over_what_the_work_made_only() -> None:
    """During the rounds the libraries of all contenders are frozen, and afterwards not."""
    frozen: list[int] = []
    before = gc.get_freeze_count()

    await run_row(
        row(1.0), Sizes(rounds=1), nowhere, lambda: frozen.append(gc.get_freeze_count() - before)
    )

    assert frozen[0] > 10_000
    assert gc.get_freeze_count() == before


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="nothing can be held to a core")
def test_client_is_held_to_a_core_and_let_go() -> None:
    """Beside the server for round trips; else on another core, where there is one."""
    free = os.sched_getaffinity(0)

    with held_cores() as cores:
        beside = cores.hold_client(beside_server=True)
        held = os.sched_getaffinity(0)
        cores.hold_client(beside_server=False)
        apart = os.sched_getaffinity(0)

    assert beside == f"client and server on core {max(free)}"
    assert held == {max(free)}
    assert apart == {min(free)}
    assert os.sched_getaffinity(0) == free


def test_cores_are_named_where_there_are_two_one_or_none() -> None:
    """A reader of the figures sees where they come from."""
    assert Cores(()).hold_client(beside_server=True) == "not held to cores"
    core = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    with held_cores() as cores:
        if cores.free:
            alone = Cores((core,)).hold_client(beside_server=False)
            two = Cores((core, core + 1)).hold_client(beside_server=False)

            assert alone == f"client and server on core {core}"
            assert two == f"client on core {core}, server on core {core + 1}"


@pytest.mark.parametrize(
    ("store", "keys"),
    [
        (
            "sqlite",
            [
                "load",
                "eager",
                "eager_joined",
                "insert",
                "update",
                "get",
                "small_unit",
                "idle_flush",
                "memory",
                "attribute",
                "nested",
                "nested_100",
                "nested_10",
                "json_load",
                "json_first_read",
                "json_attribute",
                "json_append_dirty",
                "json_append_clean",
                "json_change",
                "json_memory",
            ],
        ),
        ("postgresql", ["load", "eager", "eager_joined", "insert", "update", "get", "small_unit"]),
        ("mongodb", ["find", "insert", "change", "get"]),
        pytest.param("mariadb", ["load", "insert", "update"], marks=pytest.mark.thorough),
        pytest.param("mysql", ["load", "insert", "update"], marks=pytest.mark.thorough),
    ],
)
@_beside_others
def test_every_row_runs(tmp_path: Path, store: str, keys: list[str]) -> None:
    """A quick run measures every contender of every row and leaves figures and a plot."""
    for library in BENCH:
        pytest.importorskip(library, reason="the group `bench` is installed for one Python only")
    run = subprocess.run(
        [
            sys.executable, "-m", "benchmarks",
            "--store", store, "--quick", "--out", str(tmp_path),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )  # fmt: skip
    if MissingServerError.__name__ in run.stderr and REQUIRED not in os.environ:
        pytest.skip("there is no server")

    assert run.returncode == 0, run.stdout + run.stderr
    rows = json.loads((tmp_path / f"{store}.json").read_text(encoding="utf-8"))["rows"]
    assert list(rows) == keys
    assert all("uow" in found["medians"] for found in rows.values())
    assert (tmp_path / f"{store}.png").read_bytes().startswith(b"\x89PNG")


@_beside_others
def test_contenders_do_the_same_work(tmp_path: Path) -> None:
    """Whoever writes leaves the same rows with the same keys on PostgreSQL as everybody else."""
    for library in BENCH:
        pytest.importorskip(library, reason="the group `bench` is installed for one Python only")
    from benchmarks.by_hand_postgresql import open_postgresql_places
    from benchmarks.rows import insert, small_unit, update

    async def left_behind() -> dict[str, set[tuple[int, int, str]]]:
        left: dict[str, set[tuple[int, int, str]]] = {}
        async with open_postgresql_places(tmp_path) as places:
            for written in (insert.POSTGRESQL, update.POSTGRESQL, small_unit.POSTGRESQL):
                found = left.setdefault(written.key, set())
                for name, contender in written.contenders.items():
                    with suppress(ModuleNotFoundError):
                        async with contender(places.place(written.key, name), QUICK) as once:
                            await once()
                            await once()  # begins where the first began
                            found.add(tuple(await places.keeper.fetchrow(LEFT)))
        return left

    try:
        left = asyncio.run(left_behind())
    except MissingServerError:
        if REQUIRED in os.environ:
            raise
        pytest.skip("there is no server")

    ages = {count: sum(age for _, _, age, _, _ in values(count)) for count in (100, 1_000)}
    added = QUICK.units * sum(age for _, _, age, _, _ in values(2))
    assert {key: [state[:2] for state in states] for key, states in left.items()} == {
        "insert": [(100, ages[100])],
        "update": [(100, ages[100] + 100)],
        "small_unit": [(1_000 + 2 * QUICK.units, ages[1_000] + QUICK.units + added)],
    }


@_beside_others
@pytest.mark.thorough
@pytest.mark.parametrize("store", ["mariadb", "mysql"])
def test_contenders_do_the_same_work_on(tmp_path: Path, store: str) -> None:
    """Whoever writes leaves the same rows with the same keys on MariaDB and on MySQL."""
    for library in BENCH:
        pytest.importorskip(library, reason="the group `bench` is installed for one Python only")
    from benchmarks import by_hand_mysql
    from benchmarks.rows import insert, update

    opened = {
        "mariadb": by_hand_mysql.open_mariadb_places,
        "mysql": by_hand_mysql.open_mysql_places,
    }[store]

    async def left_behind() -> dict[str, set[tuple[int, ...]]]:
        left: dict[str, set[tuple[int, ...]]] = {}
        async with opened(tmp_path) as places:
            for written in (insert.MYSQL, update.MYSQL):
                found = left.setdefault(written.key, set())
                for name, contender in written.contenders.items():
                    async with contender(places.place(written.key, name), QUICK) as once:
                        await once()
                        await once()  # begins where the first began
                        rows = await by_hand_mysql.ask(
                            places.keeper, "SELECT COUNT(*), SUM(age), MIN(id) FROM people"
                        )
                        found.add(tuple(map(int, rows[0])))
        return left

    try:
        left = asyncio.run(left_behind())
    except MissingServerError:
        if REQUIRED in os.environ:
            raise
        pytest.skip("there is no server")

    ages = sum(age for _, _, age, _, _ in values(100))
    assert left == {"insert": {(100, ages, 1)}, "update": {(100, ages + 100, 1)}}
