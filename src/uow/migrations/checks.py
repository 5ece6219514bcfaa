"""Compares the files of migrations with the history of a database. Nothing here waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import attrs

from uow.errors import MigrationError
from uow.migrations.files import Found
from uow.migrations.history import Entry, Stage

__all__ = ["Comparison", "compare", "refuse_wrong"]


@attrs.frozen(kw_only=True)
class Comparison:
    """What history and files say of each other.

    Attributes:
        applied: entries of migrations that were applied, by version.
        unfinished: entries of migrations that stand in their middle, by version.
        problems: by version, why nothing can be run.
    """

    applied: Mapping[str, Entry]
    unfinished: Mapping[str, Entry]
    problems: Mapping[str, str]


def compare(found: Sequence[Found], entries: Sequence[Entry]) -> Comparison:
    """Compare files and history."""
    by_version = {one.version: one for one in found}
    applied = {one.version: one for one in entries if one.stage is Stage.APPLIED}
    unfinished = {one.version: one for one in entries if one.stage is not Stage.APPLIED}
    problems: dict[str, str] = {}
    for entry in entries:
        file = by_version.get(entry.version)
        if file is None:
            problems[entry.version] = (
                f"the migration {entry.version} was applied, and its file {entry.name}.py is"
                " missing; put it back"
            )
        elif entry.stage is Stage.APPLIED and file.checksum != entry.checksum:
            problems[entry.version] = (
                f"the migration {entry.version} was applied, and {file.path.name} has changed"
                " since; put it back as it was, and write what is new into a migration of its own"
            )
        elif entry.doing is not None:
            problems[entry.version] = _cut_off(entry)
    return Comparison(applied=applied, unfinished=unfinished, problems=problems)


def _cut_off(entry: Entry) -> str:
    doing = entry.doing.text if entry.doing is not None else ""
    return (
        f"the migration {entry.version} was cut off {entry.stage.value}, in step"
        f" {len(entry.done) + 1}, and nobody knows whether the store has done that: {doing}; look,"
        f" and say `uow migrate resolve {entry.version} --done` or `--undone`"
    )


def refuse_wrong(comparison: Comparison, direction: Literal["up", "down"]) -> None:
    """Refuse to run anything where history and files disagree.

    Raises:
        MigrationError: says which migration, and what to do.
    """
    for version, problem in comparison.problems.items():
        raise MigrationError(problem, version=version)
    wanted = Stage.GOING_UP if direction == "up" else Stage.GOING_DOWN
    for version, entry in comparison.unfinished.items():
        if entry.stage is not wanted:
            other = "up" if direction == "down" else "down"
            raise MigrationError(
                f"the migration {version} stands in its middle, {entry.stage.value}:"
                f" {len(entry.done)} of its steps were done; run `uow migrate {other}` to finish"
                " it first",
                version=version,
            )
