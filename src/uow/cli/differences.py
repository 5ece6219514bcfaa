"""What models and a database differ in, with the renames that only a person can know."""

from __future__ import annotations

import json
import signal
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.prompt import Confirm

from uow.cli.common import Task
from uow.database import Database
from uow.errors import DestructiveChangeError, ValidationError
from uow.schema.collection_steps import CollectionStep
from uow.schema.collection_text import collection_migration_text
from uow.schema.compare import Difference, Question, Renames
from uow.schema.description import Name
from uow.schema.live import compare_schema, diff_schema, inspect_schema
from uow.schema.migration_text import migration_text
from uow.schema.steps import Step

__all__ = [
    "difference",
    "migration_of",
    "refuse_losses",
    "renames_of",
    "show_steps",
    "texts_of",
]


async def difference(
    task: Task, database: Database, renames: Renames, ignored: Sequence[str]
) -> Difference:
    """Compare; somebody at a terminal is asked what only got another name.

    Args:
        task: the command's.
        database: what is compared with the models.
        renames: what is known of names.
        ignored: patterns of tables of others, besides those that the project always ignores.
    """
    ignore = [*task.config.ignore, *ignored]
    if database.dialect.capabilities.documents:
        known = renames if renames.tables or renames.columns else None
        return Difference(tuple(await diff_schema(database, renames=known, ignore=ignore)))
    found = await compare_schema(database, renames=renames, ignore=ignore)
    while found.questions and task.output.is_for_a_person:
        answered = _answered(found.questions, renames)
        if answered == renames:
            break
        renames = answered
        found = await compare_schema(database, renames=renames, ignore=ignore)
    return found


def renames_of(given: Sequence[str]) -> Renames:
    """Read `users.mail=email` (a column) and `people=users` (a table).

    Raises:
        ValidationError: it is neither.
    """
    tables: dict[str | Name, str] = {}
    columns: dict[str | Name, dict[str, str]] = {}
    for text in given:
        old, sign, new = text.partition("=")
        table, dot, column = old.rpartition(".")
        if not sign or not old or not new or (dot and not (table and column)):
            raise ValidationError(
                f"--rename takes table.old=new for a column, or old=new for a table, not {text!r}"
            )
        if dot:
            columns.setdefault(table, {})[column] = new
        else:
            tables[old] = new
    return Renames(tables=tables, columns=columns)


def refuse_losses(found: Difference, *, allowed: bool) -> None:
    """Refuse steps that throw something away, unless that was allowed.

    Raises:
        DestructiveChangeError: names them, and what might have been renamed.
    """
    lost = [step for step in found.steps if step.is_destructive]
    if not lost or allowed:
        return
    questions = "".join(f"; {question} (--rename says so)" for question in found.questions)
    texts = "; ".join(str(step) for step in lost)
    raise DestructiveChangeError(
        f"rows or values would be lost: {texts}{questions}. Say --allow-destructive if they may",
        steps=lost,
    )


async def texts_of(database: Database, steps: Sequence[Step]) -> list[str]:
    """Give what the store would be told: SQL, or a command as JSON."""
    if database.dialect.capabilities.documents:
        return [json.dumps(command, default=repr) for command in _commands(steps)]
    before = await inspect_schema(database)
    return database.dialect.definitions.step_texts(steps, before)


async def migration_of(
    database: Database, steps: Sequence[Step], *, version: str, name: str
) -> str:
    """Give the text of a migration that takes steps."""
    if not database.dialect.capabilities.documents:
        before = await inspect_schema(database)
        definitions = database.dialect.definitions
        return migration_text(steps, before, definitions, version=version, name=name)
    return collection_migration_text(steps, version=version, name=name)


def _commands(steps: Sequence[Step]) -> list[dict[str, Any]]:
    return [step.command for step in steps if isinstance(step, CollectionStep)]


def show_steps(task: Task, steps: Sequence[Step]) -> None:
    """Show steps, a line each; those that throw something away are marked."""
    for step in steps:
        mark, style = ("!", "red") if step.is_destructive else ("+", None)
        task.output.say(f"{mark} {step}", style)


@contextmanager
def _interruptible() -> Generator[None]:
    """Let SIGINT end a question, which the event loop's own handler would leave open."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _answered(questions: Sequence[Question], renames: Renames) -> Renames:
    """Ask, and add what was renamed to what is known."""
    console = Console(stderr=True)
    tables: dict[str | Name, str] = {old: new for old, new in renames.tables.items()}  # noqa: C416
    columns: dict[str | Name, dict[str, str]] = {
        table: dict(names) for table, names in renames.columns.items()
    }
    taken: set[tuple[Name | None, str]] = set()
    for question in questions:
        names = (question.table, question.old), (question.table, question.new)
        if taken & set(names):
            continue  # one name was given away already
        with _interruptible():
            is_it = Confirm.ask(str(question), console=console, default=False)
        if not is_it:
            continue
        taken.update(names)
        if question.table is None:
            tables[Name(question.old)] = question.new
        else:
            columns.setdefault(question.table, {})[question.old] = question.new
    return Renames(tables=tables, columns={**columns})
