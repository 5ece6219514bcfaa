"""The demo itself: the steps in order, each timed, and what came of them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Sized
from pathlib import Path
from typing import TypeVar

import attrs
from rich.console import Console

from uow import Database, Session
from uow.cli.demo import proof, show, steps
from uow.cli.demo.models import MODELS
from uow.cli.demo.queries import QUESTIONS
from uow.cli.demo.source import read

__all__ = ["Demo"]

UNIT_SIZE = 2_000
"""Airports a unit of work."""

T = TypeVar("T", bound=int | Sized)


@attrs.define(eq=False)
class Demo:
    """One run.

    Attributes:
        path: the SQLite file.
        console: where it prints.
        tallies: what each step did.
    """

    path: Path
    console: Console
    tallies: list[show.Tally] = attrs.field(factory=list[show.Tally])

    async def run(self) -> bool:
        """Run every step; whether memory and file agreed at the end of each that asks."""
        self.console.print(f"SQLite file: [bold]{self.path.resolve()}[/]", soft_wrap=True)
        async with Database(f"sqlite:///{self.path}") as db:
            await db.create_all(MODELS)
            await self._store(db)
            await self._change(db)
            await self._query(db)
            show.unit_shown(self.console, await steps.show_one_unit(db))
            agree = await self._prove(db)
        show.figures(self.console, self.tallies)
        return agree

    async def _timed(self, step: str, work: Awaitable[T]) -> T:
        start = time.perf_counter()
        done = await work
        seconds = time.perf_counter() - start
        rows = len(done) if isinstance(done, Sized) else done
        self.tallies.append(show.Tally(step, rows, seconds))
        return done

    async def _store(self, db: Database) -> None:
        records = read()
        await self._timed("store countries and time zones", steps.store_countries(db, records))
        with show.progress(self.console) as bar:
            task = bar.add_task("storing airports", total=len(records))
            work = steps.store_airports(
                db, records, UNIT_SIZE, lambda rows: bar.advance(task, rows)
            )
            await self._timed(f"store airports, units of {UNIT_SIZE:,}", work)

    async def _change(self, db: Database) -> None:
        await self._timed("load and change one column each", steps.survey_canada(db))
        await self._timed("change by one statement", steps.name_missing_cities(db))
        await self._timed("load and delete", steps.close_the_far_south(db))
        await self._timed("delete by one statement", steps.forget_unused_time_zones(db))

    async def _query(self, db: Database) -> None:
        answers: list[tuple[str, str]] = []
        async with Session(db, read_only=True) as session:
            for name, ask in QUESTIONS.items():
                start = time.perf_counter()
                answer = await ask(session)
                seconds = time.perf_counter() - start
                answers.append((name, answer.text))
                self.tallies.append(show.Tally(f"query: {name}", answer.rows, seconds))
        show.answers(self.console, answers)

    async def _prove(self, db: Database) -> bool:
        touched = await self._timed("change, delete, add, flush, roll back", steps.roll_back(db))
        everything = await self._timed("load everything", steps.load_everything(db))
        verdicts = [
            show.verdict(
                self.console,
                f"after the rollback: {len(touched):,} objects and their rows in the file",
                proof.table_differences(self.path, touched, "country_code = 'JP'"),
            ),
            show.verdict(
                self.console,
                f"at the end: {len(everything):,} objects and the whole table in the file",
                proof.table_differences(self.path, everything),
            ),
            show.verdict(
                self.console,
                "the count in each country and the number of its airports",
                proof.miscounted_countries(self.path),
            ),
        ]
        return all(verdicts)
