"""`uow migrate`: new, diff, up, down, status, resolve."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import attrs
from cyclopts import App, Parameter

from uow.cli.common import Common, Task, run
from uow.cli.differences import difference, migration_of, refuse_losses, renames_of, show_steps
from uow.cli.output import Code
from uow.database import Database
from uow.errors import MigrationError, ValidationError
from uow.migrations.files import discover
from uow.migrations.history import Entry
from uow.migrations.runner import MigrationRun, revert_migrations, run_migrations
from uow.migrations.status import get_migration_status, resolve_migration

__all__ = ["migrate", "new_file"]

migrate = App(name="migrate", help="Take a database from one schema to the next, and back.")

Flag = Annotated[bool, Parameter(negative="")]
Names = Annotated[list[str] | None, Parameter(negative="", consume_multiple=True)]

TEMPLATE = '''"""{title}"""

from uow import Migration


class {class_name}(Migration):
    version = "{version}"

    async def up(self) -> None:
        """Say what changes: await self.add_column("users", "age", "INTEGER NULL")."""

    async def down(self) -> None:
        """Say how it is taken back: await self.drop_column("users", "age")."""
'''


@migrate.command
def new(
    name: str,
    *,
    folder: Path | None = None,
    timestamp: Flag = False,
    common: Common | None = None,
) -> int:
    """Write an empty migration.

    For example: `uow migrate new "add age"` makes `migrations/002_add_age.py`.

    Args:
        name: What it does, in a few words.
        folder: Where migrations are; `migrations` of [tool.uow] if it is not given.
        timestamp: Take the time as the version, not the next number.
        common: Options of every command.
    """

    async def work(task: Task) -> int:
        place = task.folder(folder)
        place.mkdir(parents=True, exist_ok=True)
        version = _next_version(place, timestamp=timestamp)
        text = TEMPLATE.format(title=_title(name), class_name=class_name(name), version=version)
        path = new_file(place, version, name, text)
        task.output.say(f"{path}")
        task.output.result({"version": version, "path": str(path)})
        return Code.DONE

    return run(common, work)


@migrate.command
def up(
    *,
    to: str | None = None,
    folder: Path | None = None,
    dry_run: Flag = False,
    lock_timeout: float | None = None,
    common: Common | None = None,
) -> int:
    """Run the migrations that were not run yet.

    For example: `uow migrate up`, `uow migrate up --to 004`, `uow migrate up --dry-run`.

    Args:
        to: The last version to run.
        folder: Where migrations are; `migrations` of [tool.uow] if it is not given.
        dry_run: Show the SQL, and send nothing.
        lock_timeout: Seconds to wait for another runner.
        common: Options of every command.
    """

    async def work(task: Task) -> int:
        async with task.database() as database:
            with task.output.progress() as progress:
                runs = await run_migrations(
                    database,
                    task.folder(folder),
                    target=to,
                    dry_run=dry_run,
                    lock_timeout=task.config.lock_timeout if lock_timeout is None else lock_timeout,
                    progress=progress,
                )
        _show_runs(task, runs, dry_run=dry_run, nothing="nothing to run")
        return Code.DONE

    return run(common, work)


@migrate.command
def down(
    *,
    to: str | None = None,
    folder: Path | None = None,
    dry_run: Flag = False,
    lock_timeout: float | None = None,
    common: Common | None = None,
) -> int:
    """Take back the last migration, or all that came after a version.

    For example: `uow migrate down`, `uow migrate down --to 002`, `uow migrate down --to base`.

    Args:
        to: The version to go back to, which stays; "base" takes all back.
        folder: Where migrations are; `migrations` of [tool.uow] if it is not given.
        dry_run: Show the SQL, and send nothing.
        lock_timeout: Seconds to wait for another runner.
        common: Options of every command.
    """

    async def work(task: Task) -> int:
        async with task.database() as database:
            with task.output.progress() as progress:
                runs = await revert_migrations(
                    database,
                    task.folder(folder),
                    target=to,
                    dry_run=dry_run,
                    lock_timeout=task.config.lock_timeout if lock_timeout is None else lock_timeout,
                    progress=progress,
                )
        _show_runs(task, runs, dry_run=dry_run, nothing="nothing to take back")
        return Code.DONE

    return run(common, work)


@migrate.command
def status(*, folder: Path | None = None, check: Flag = False, common: Common | None = None) -> int:
    """Show which migrations were run, and which were not.

    For example: `uow migrate status --check` in a test or before a start: its exit code is 1 if
    anything is pending or wrong.

    Args:
        folder: Where migrations are; `migrations` of [tool.uow] if it is not given.
        check: End with 1 if something is pending.
        common: Options of every command.
    """

    async def work(task: Task) -> int:
        place = task.folder(folder)
        async with task.database() as database:
            found = await get_migration_status(database, place)
        names = {one.version: one.name for one in discover(place)}
        rows = [_row(entry) for entry in found.history]
        known = {entry.version for entry in found.history}
        rows += [
            [version, names[version], "pending", "", ""]
            for version in found.pending
            if version not in known
        ]
        task.output.grid(["version", "name", "state", "begun", "seconds"], rows)
        for problem in found.problems:
            task.output.note(problem, "red")
        task.output.result(
            {
                "current": found.current,
                "applied": list(found.applied),
                "pending": list(found.pending),
                "history": [_entry(entry) for entry in found.history],
                "problems": list(found.problems),
            }
        )
        is_wrong = bool(found.problems) or (check and bool(found.pending))
        return Code.FAILED if is_wrong else Code.DONE

    return run(common, work)


@migrate.command
def resolve(
    version: str,
    *,
    done: Flag = False,
    undone: Flag = False,
    forget: Flag = False,
    common: Common | None = None,
) -> int:
    """Say what stands of a migration that was cut off where nothing is taken back by itself.

    For example: `uow migrate resolve 003 --done`.

    Args:
        version: Of which migration.
        done: The step that was under way was done.
        undone: It was not.
        forget: All of the migration was taken back by hand.
        common: Options of every command.
    """

    async def work(task: Task) -> int:
        if done + undone + forget != 1:
            raise ValidationError("give one of --done, --undone and --forget")
        how: Literal["done", "undone", "forget"]
        how = "done" if done else "undone" if undone else "forget"
        async with task.database() as database:
            await resolve_migration(version, how, database, lock_timeout=task.config.lock_timeout)
        task.output.say(f"{version}: {how}")
        task.output.result({"version": version, "resolved": how})
        return Code.DONE

    return run(common, work)


@migrate.command
def diff(
    name: str,
    *,
    models: Names = None,
    rename: Names = None,
    ignore: Names = None,
    folder: Path | None = None,
    allow_destructive: Flag = False,
    show: Flag = False,
    common: Common | None = None,
) -> int:
    """Write a migration that makes the database as the models say.

    For example: `uow migrate diff "add ages"`, `uow migrate diff cleanup --allow-destructive`.

    Args:
        name: What it does, in a few words.
        models: Modules that define the models; `models` of [tool.uow] if it is not given.
        rename: What only got another name: table.old=new, or old=new for a table.
        ignore: Tables of others, which are left alone: patterns such as 'celery_*'; besides
            `ignore` of [tool.uow].
        folder: Where migrations are; `migrations` of [tool.uow] if it is not given.
        allow_destructive: Take steps that throw rows or values away.
        show: Show the text, and write no file.
        common: Options of every command.
    """

    async def work(task: Task) -> int:
        place = task.folder(folder)
        place.mkdir(parents=True, exist_ok=True)
        task.load_models(models or [])
        async with task.database() as database:
            await _refuse_unfinished(database, place)
            found = await difference(task, database, renames_of(rename or []), ignore or [])
            refuse_losses(found, allowed=allow_destructive)
            version = _next_version(place, timestamp=False)
            text = await migration_of(database, found.steps, version=version, name=name)
        if not found.steps:
            task.output.note("no difference; nothing was written")
            task.output.result({"version": None, "path": None, "steps": []})
            return Code.DONE
        if show:
            task.output.text(text)
            return Code.DONE
        path = new_file(place, version, name, text)
        task.output.say(str(path))
        show_steps(task, found.steps)
        steps = [str(step) for step in found.steps]
        task.output.result({"version": version, "path": str(path), "steps": steps})
        return Code.DONE

    return run(common, work)


async def _refuse_unfinished(database: Database, folder: Path) -> None:
    """Refuse to compare with a database that is not where its migrations lead.

    Raises:
        MigrationError: some are pending, or something is wrong with them.
    """
    status = await get_migration_status(database, folder)
    if status.problems:
        raise MigrationError(status.problems[0])
    if status.pending:
        raise MigrationError(
            f"the migration {status.pending[0]} was not run here: what it does would be written a"
            " second time; run `uow migrate up` first",
            version=status.pending[0],
        )


def new_file(folder: Path, version: str, name: str, text: str) -> Path:
    """Write a file, which must not be there.

    Raises:
        ValidationError: the name has no letter.
        MigrationError: there is such a file.
    """
    words = re.findall(r"[a-z0-9]+", name.lower())
    if not words:
        raise ValidationError(f"{name!r} is no name for a migration: it has no letters")
    path = folder / f"{version}_{'_'.join(words)[:80]}.py"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise MigrationError(f"{path} is there already", version=version) from None
    return path


def class_name(name: str) -> str:
    """Make the name of a class of a few words."""
    words = re.findall(r"[A-Za-z0-9]+", name)
    made = "".join(word[:1].upper() + word[1:] for word in words)
    return made if made[:1].isalpha() else f"Migration{made}"


def _title(name: str) -> str:
    text = " ".join(name.replace('"', "'").replace("\\", "/").split())
    return f"{text[:1].upper()}{text[1:]}."


def _next_version(folder: Path, *, timestamp: bool) -> str:
    """Give a version after all others: the next number, if they are numbers; else the time."""
    versions = [one.version for one in discover(folder)]
    numbers = [version for version in versions if version.isdigit() and len(version) < 8]
    if timestamp or len(numbers) < len(versions):
        return _time_after(versions)
    width = max([3, *[len(version) for version in numbers]])
    return str(max([0, *map(int, numbers)]) + 1).zfill(width)


def _time_after(versions: list[str]) -> str:
    """Give the time as a version; two of one second get two numbers."""
    made = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
    while made in versions:
        made = str(int(made) + 1)
    return made


def _show_runs(task: Task, runs: list[MigrationRun], *, dry_run: bool, nothing: str) -> None:
    for one in runs if dry_run and not task.output.as_json else []:
        task.output.text(f"-- {one.direction} {one.name}")
        for text in one.statements:
            is_remark = text.startswith(("--", "{"))
            task.output.text(text if is_remark else f"{text};")
    if not runs:
        task.output.note(nothing)
    task.output.result([attrs.asdict(one) for one in runs])


def _row(entry: Entry) -> list[str]:
    begun = entry.started.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return [entry.version, entry.name, entry.stage.value, begun, f"{entry.seconds:.2f}"]


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "version": entry.version,
        "name": entry.name,
        "state": entry.stage.value,
        "begun": entry.started.isoformat(),
        "seconds": entry.seconds,
        "checksum": entry.checksum,
        "steps_done": len(entry.done),
        "step_under_way": None if entry.doing is None else entry.doing.text,
        "problem": entry.problem,
    }
