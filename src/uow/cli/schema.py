"""`uow schema`: create, diff, inspect, diagram."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from cyclopts import App, Parameter

from uow.cli.common import Common, Task, run
from uow.cli.differences import difference, refuse_losses, renames_of, show_steps, texts_of
from uow.cli.output import Code
from uow.cli.pictures import png
from uow.errors import ValidationError
from uow.mapping.registry import default_registry
from uow.schema.collections import CollectionDef, inspect_collections
from uow.schema.description import IndexDef, IndexPartDef, Schema, TableDef
from uow.schema.diagram import mermaid
from uow.schema.diagram_svg import svg
from uow.schema.live import apply_schema, describe_models, inspect_schema
from uow.schema.model_text import models_text
from uow.schema.tables import create_sql

__all__ = ["schema"]

schema = App(name="schema", help="Make, compare, read and draw what a database has.")

Flag = Annotated[bool, Parameter(negative="")]
Names = Annotated[list[str] | None, Parameter(negative="", consume_multiple=True)]
File = Annotated[Path | None, Parameter(alias="-o")]


@schema.command
def create(*, models: Names = None, sql: Flag = False, common: Common | None = None) -> int:
    """Make the tables of the models; what is there is left alone.

    For example: `uow schema create`, `uow schema create --models shop.models --sql`.

    Args:
        models: Modules that define the models; `models` of [tool.uow] if it is not given.
        sql: Show the SQL, and send nothing.
        common: Options of every command.
    """

    async def work(task: Task) -> int:
        task.load_models(models or [])
        dialect = task.unopened().dialect
        if sql:
            task.output.text(create_sql(dialect=dialect.name))
            return Code.DONE
        async with task.database() as database:
            await database.create_all()
        names = sorted(
            {
                mapper.table_name
                for mapper in default_registry.mappers()
                if (mapper.document is not None) is dialect.capabilities.documents
            }
        )
        task.output.say(f"made, or there already: {', '.join(names)}")
        task.output.result({"tables": names})
        return Code.DONE

    return run(common, work)


@schema.command
def diff(
    *,
    models: Names = None,
    rename: Names = None,
    ignore: Names = None,
    sql: Flag = False,
    apply: Flag = False,
    check: Flag = False,
    allow_destructive: Flag = False,
    common: Common | None = None,
) -> int:
    """Show what it takes to make the database as the models say.

    For example: `uow schema diff --check` in a test, `uow schema diff --rename users.mail=email`.

    Args:
        models: Modules that define the models; `models` of [tool.uow] if it is not given.
        rename: What only got another name: table.old=new, or old=new for a table.
        ignore: Tables of others, which are left alone: patterns such as 'celery_*'; besides
            `ignore` of [tool.uow].
        sql: Show the SQL of it.
        apply: Do it.
        check: End with 1 if there is a difference.
        allow_destructive: With --apply: throw rows and values away where it takes that.
        common: Options of every command.
    """

    async def work(task: Task) -> int:
        task.load_models(models or [])
        async with task.database() as database:
            found = await difference(task, database, renames_of(rename or []), ignore or [])
            texts = await texts_of(database, found.steps)
            if apply:
                refuse_losses(found, allowed=allow_destructive)
                await apply_schema(database, found.steps, allow_destructive=allow_destructive)
        if sql and not task.output.as_json:
            task.output.text("".join(f"{text};\n" for text in texts))
        else:
            show_steps(task, found.steps)
        for question in found.questions:
            task.output.note(f"? {question} say it with --rename", "yellow")
        if not found.steps:
            task.output.note("no difference")
        task.output.result(
            {
                "steps": [
                    {"text": str(step), "destructive": step.is_destructive} for step in found.steps
                ],
                "questions": [str(question) for question in found.questions],
                "sql": texts,
                "applied": apply,
            }
        )
        return Code.FAILED if check and found.steps and not apply else Code.DONE

    return run(common, work)


@schema.command
def inspect(
    *,
    as_models: Flag = False,
    output: File = None,
    force: Flag = False,
    common: Common | None = None,
) -> int:
    """Read what a database has: its tables and their indexes, or a module of models for them.

    For example: `uow schema inspect --as-models --output shop/models.py`.

    Args:
        as_models: Write Python: a class for each table.
        output: Into which file; one that is there is left alone.
        force: With --output: write over a file that is there.
        common: Options of every command.
    """

    async def work(task: Task) -> int:
        if output is not None and not as_models:
            raise ValidationError("--output goes with --as-models")
        _check_force(output, force=force)
        async with task.database() as database:
            if database.dialect.capabilities.documents:
                if as_models:
                    raise ValidationError(
                        "a document store does not say what is in its documents, so there are no "
                        "models to be written of it"
                    )
                _show_collections(task, await inspect_collections(database.pool))
                return Code.DONE
            found = await inspect_schema(database)
            definitions = database.dialect.definitions
        if as_models:
            _give(task, models_text(found, definitions), output, force=force)
            return Code.DONE
        rows = [row for table in found.tables for row in _rows_of(table)]
        task.output.grid(["table", "column", "type", "", ""], rows)
        task.output.result(_described(found))
        return Code.DONE

    return run(common, work)


@schema.command
def diagram(
    *,
    models: Names = None,
    database: Flag = False,
    format: Literal["mermaid", "svg", "png"] | None = None,  # noqa: A002 - what the option is called
    output: File = None,
    force: Flag = False,
    common: Common | None = None,
) -> int:
    """Draw tables and what refers to what: as Mermaid, SVG or PNG.

    For example: `uow schema diagram -o schema.svg`, `uow schema diagram --format mermaid`.

    Args:
        models: Modules that define the models; `models` of [tool.uow] if it is not given.
        database: Draw what the database has, not the models.
        format: mermaid, svg or png (which needs the extra `diagram`); what the file is called if it
            is not given.
        output: Into which file; one that is there is left alone.
        force: With --output: write over a file that is there.
        common: Options of every command.
    """

    async def work(task: Task) -> int:
        _check_force(output, force=force)
        kind = format or _FORMATS.get("" if output is None else output.suffix.lower(), "mermaid")
        if kind == "png" and output is None:
            raise ValidationError("a PNG is no text: say into which file with --output")
        if task.unopened().dialect.capabilities.documents:
            raise ValidationError("a document store has no tables to draw")
        if database:
            async with task.database() as opened:
                found = await inspect_schema(opened)
        else:
            task.load_models(models or [])
            found = describe_models(task.unopened().dialect)
        if kind == "png":
            content: str | bytes = png(found)
        else:
            content = mermaid(found) if kind == "mermaid" else svg(found)
        _give(task, content, output, force=force)
        return Code.DONE

    return run(common, work)


_FORMATS: Final = {".svg": "svg", ".png": "png"}


def _rows_of(table: TableDef) -> list[list[str]]:
    """A table for people: its columns, then what else rows are found by."""
    key = () if table.key is None else table.key.columns
    rows = [
        [
            str(table.name),
            column.name,
            column.type,
            "" if column.nullable else "not null",
            "key" if column.name in key else "",
        ]
        for column in table.columns
    ]
    rows += [
        ["", f"unique {unique.name}", ", ".join(unique.columns), "", ""] for unique in table.uniques
    ]
    for index in table.indexes:
        kind = "unique" if index.unique else ""
        rows.append(["", f"index {index.name}", _index_text(index), kind, index.method or ""])
    return rows


def _index_text(index: IndexDef) -> str:
    """What an index is over, and of which rows."""
    texts = [", ".join(map(_part_text, index.parts))]
    if index.include:
        texts.append(f"include {', '.join(index.include)}")
    if index.where is not None:
        texts.append(f"where {index.where}")
    return " ".join(texts)


def _part_text(part: IndexPartDef) -> str:
    said = part.column or part.expression or ""
    words = [f"{said}({part.length})" if part.length is not None else said]
    words.append("" if part.collation is None else f"collate {part.collation}")
    words += [part.opclass or "", "desc" if part.descending else ""]
    words.append("" if part.nulls is None else f"nulls {part.nulls.lower()}")
    return " ".join(filter(None, words))


def _show_collections(task: Task, found: Sequence[CollectionDef]) -> None:
    """Show collections with what is checked for and their indexes."""
    rows: list[list[str]] = []
    for one in found:
        kind = "view" if one.is_view else "collection"
        rows.append([one.name, kind, "validated" if one.validation else ""])
        for index in one.indexes:
            keys = ", ".join(f"{key} {way}" for key, way in index["key"].items())
            rows.append(["", f"index {index['name']}", keys])
    task.output.grid(["collection", "", ""], rows)
    collections = [
        {"name": one.name, "options": one.options, "indexes": list(one.indexes)} for one in found
    ]
    task.output.result(json.loads(json.dumps({"collections": collections}, default=repr)))


def _check_force(output: Path | None, *, force: bool) -> None:
    if force and output is None:
        raise ValidationError("--force goes with --output")


def _give(task: Task, content: str | bytes, output: Path | None, *, force: bool) -> None:
    """Write a text or a picture into a file, or show the text.

    Raises:
        ValidationError: the file cannot be written, or is there and nobody said that it may go.
    """
    if output is None:
        text = str(content)
        if task.output.as_json:
            task.output.result({"text": text})
        else:
            task.output.text(text)
        return
    try:
        with output.open("wb" if force else "xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
    except FileExistsError as error:
        raise ValidationError(
            f"{output} cannot be written: it is there already; name another file, or say --force"
            " to write over it"
        ) from error
    except OSError as error:
        raise ValidationError(f"{output} cannot be written: {error.strerror}") from error
    task.output.say(str(output))
    task.output.result({"path": str(output)})


def _described(found: Schema) -> dict[str, Any]:
    return {
        "dialect": found.dialect,
        "tables": [
            {
                "name": str(table.name),
                "key": [] if table.key is None else list(table.key.columns),
                "columns": [
                    {
                        "name": column.name,
                        "type": column.type,
                        "nullable": column.nullable,
                        "default": column.default,
                    }
                    for column in table.columns
                ],
                "foreign_keys": [
                    {
                        "name": key.name,
                        "columns": list(key.columns),
                        "target": str(key.target),
                        "target_columns": list(key.target_columns),
                    }
                    for key in table.foreign_keys
                ],
                "uniques": [
                    {"name": unique.name, "columns": list(unique.columns)}
                    for unique in table.uniques
                ],
                "indexes": [
                    {
                        "name": index.name,
                        "unique": index.unique,
                        "parts": list(map(_part_text, index.parts)),
                        "include": list(index.include),
                        "where": index.where,
                        "method": index.method,
                    }
                    for index in table.indexes
                ],
            }
            for table in found.tables
        ],
    }
