"""Reads a live database, compares models with it, and runs steps on it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Protocol

import anyio
import attrs

from uow.errors import (
    ConstraintError,
    ConstraintKind,
    DestructiveChangeError,
    MappingError,
    UowError,
    ValidationError,
)
from uow.pool import Pool, first_step
from uow.schema.alike import same_column, same_constraint, same_index
from uow.schema.collections import collection_steps, run_collection_steps
from uow.schema.compare import Difference, Renames, compare
from uow.schema.description import CheckDef, ExclusionDef, Name, Schema, TableDef
from uow.schema.ignoring import patterns_of, without_ignored
from uow.schema.runs import CLEANUP_BUDGET, begin, commit
from uow.schema.steps import (
    AddColumn,
    AlterColumn,
    CreateSchema,
    CreateSequence,
    CreateTable,
    CreateType,
    DropTable,
    DropType,
    RenameTable,
    RunSQL,
    Step,
    TableStep,
)
from uow.schema.tables import mappers_of, tables_of
from uow.statement import Statement

if TYPE_CHECKING:
    from uow.dialects.base import Dialect, Reading
    from uow.drivers.base import Connection, Row

__all__ = [
    "Store",
    "apply_schema",
    "around_steps",
    "compare_described",
    "compare_schema",
    "describe_models",
    "diff_schema",
    "inspect_schema",
    "read_schema",
    "run_steps",
]


class Store(Protocol):
    """A database: its connections and its language."""

    @property
    def pool(self) -> Pool:
        """Its connections."""
        ...

    @property
    def dialect(self) -> Dialect:
        """Its language."""
        ...


def describe_models(dialect: Dialect, models: Iterable[type] | None = None) -> Schema:
    """Describe the tables of mapped classes, and what they stand on, as a store has them.

    Args:
        dialect: the store's language.
        models: the classes; every mapped class if None.

    Raises:
        MappingError: a class is not mapped, or the store cannot have its table.
    """
    return dialect.describe(tables_of(models, dialect))


async def inspect_schema(db: Store, *, schemas: Collection[str] = ()) -> Schema:
    """Read what a database has: tables, types, sequences. Nothing is changed.

    Tables that `uow` keeps for itself (the history of migrations, commit tokens) are left out.

    Args:
        db: the database.
        schemas: named schemas to read besides the default one, whose names the result leaves out.

    Raises:
        MappingError: the store has no tables, or no schemas.
        UowError: it cannot be read.
    """
    reading = _reading(db.dialect, schemas)
    connection, schema = await first_step(db.pool, reading)
    await db.pool.release(connection)
    return without_ignored(schema, patterns_of(()))


def _reading(
    dialect: Dialect, schemas: Collection[str]
) -> Callable[[Connection], Awaitable[Schema]]:
    dialect.definitions  # noqa: B018 - refused before a connection is taken

    async def read(connection: Connection) -> Schema:
        return await read_schema(connection, dialect, schemas=schemas)

    return read


async def read_schema(
    connection: Connection,
    dialect: Dialect,
    *,
    schemas: Collection[str] = (),
    table: Name | None = None,
) -> Schema:
    """Read what a database has, over a connection.

    Args:
        connection: a connection, in a transaction or not.
        dialect: its language.
        schemas: named schemas to read besides the default one.
        table: this table alone.
    """
    reading: Reading = dialect.definitions.read(schemas, table)
    try:
        statement = next(reading)
        while True:
            statement = reading.send(list(await connection.fetch(statement)))
    except StopIteration as stopped:
        found: Schema = stopped.value
        return found


async def diff_schema(
    db: Store,
    models: Iterable[type] | None = None,
    *,
    renames: Renames | None = None,
    schemas: Collection[str] = (),
    ignore: Collection[str] = (),
) -> list[Step]:
    """Give the steps from what a database has to what models say. Nothing is changed.

    Tables that no model has are dropped by the steps, but for our own and those to be ignored;
    `apply_schema` refuses that unless it is told otherwise.

    Args:
        db: the database.
        models: the classes; every mapped class if None.
        renames: what got another name; what is not said here is something gone and something new.
        schemas: named schemas that are looked at besides the default one and those of the models.
        ignore: names of tables of others, as patterns (`"celery_*"`, `"audit.*"` with the schema;
            case counts). They are left alone, with the types and sequences that they use. A table
            that a model has is compared, whatever it is called.

    Raises:
        MappingError: the store cannot have such a table, or a rename names what is not there.
    """
    if db.dialect.capabilities.documents:
        if renames is not None:
            raise MappingError("a document store has no columns; rename collections in a migration")
        return await collection_steps(db.pool, mappers_of(models, db.dialect), ignore)
    found = await compare_schema(db, models, renames=renames, schemas=schemas, ignore=ignore)
    return list(found.steps)


async def compare_schema(
    db: Store,
    models: Iterable[type] | None = None,
    *,
    renames: Renames | None = None,
    schemas: Collection[str] = (),
    ignore: Collection[str] = (),
) -> Difference:
    """As `diff_schema`, with the questions that only a person can answer."""
    wanted = describe_models(db.dialect, models)
    return await compare_described(db, wanted, renames=renames, schemas=schemas, ignore=ignore)


async def compare_described(
    db: Store,
    wanted: Schema,
    *,
    renames: Renames | None = None,
    schemas: Collection[str] = (),
    ignore: Collection[str] = (),
) -> Difference:
    """As `compare_schema`, for what is to be as a description."""
    dialect = db.dialect
    patterns = patterns_of(ignore)
    looked_at = wanted.schemas | set(schemas)

    async def both(connection: Connection) -> tuple[Schema, Schema]:
        there = await read_schema(connection, dialect, schemas=looked_at)
        return there, await _settle(connection, dialect, there, _local(wanted, there.default))

    connection, (there, settled) = await first_step(db.pool, both)
    await db.pool.release(connection)
    asked = {table.name for table in settled.tables} | {type_.name for type_ in settled.types}
    asked |= {sequence.name for sequence in settled.sequences}
    asked |= set() if renames is None else set(renames.tables)
    return compare(
        without_ignored(there, patterns, asked),
        settled,
        renames=renames,
        forward_references=dialect.capabilities.forward_references,
        indexed_references=dialect.capabilities.indexed_references,
    )


def _local(wanted: Schema, default: str | None) -> Schema:
    """Leave out the name of the schema that is the store's default one."""
    if default is None or default not in wanted.schemas:
        return wanted

    def local(name: Name) -> Name:
        return Name(name.name) if name.schema == default else name

    tables = [
        attrs.evolve(
            table,
            name=local(table.name),
            foreign_keys=tuple(
                [attrs.evolve(key, target=local(key.target)) for key in table.foreign_keys]
            ),
        )
        for table in wanted.tables
    ]
    return attrs.evolve(
        wanted,
        tables=tuple(tables),
        types=tuple([attrs.evolve(one, name=local(one.name)) for one in wanted.types]),
        sequences=tuple([attrs.evolve(one, name=local(one.name)) for one in wanted.sequences]),
        schemas=wanted.schemas - {default},
    )


# -- what the store makes of our words


async def _settle(
    connection: Connection, dialect: Dialect, there: Schema, wanted: Schema
) -> Schema:
    """Say tables as the store says them.

    A store keeps its own form of types, defaults and expressions. What it makes of ours it shows by
    a table for this connection alone, which is made of every table that reads differently from the
    one that is there, and is gone when this returns.
    """
    for table in wanted.tables:
        known = there.table(table.name)
        if known is not None:
            wanted = wanted.with_table(dialect.definitions.spelled_as(table, known))
    doubtful = [
        table
        for table in wanted.tables
        if (known := there.table(table.name)) is not None and _reads_otherwise(known, table)
    ]
    if not doubtful or dialect.definitions.scratch(doubtful[0], wanted) is None:
        return wanted
    transactional = dialect.capabilities.transactional_ddl
    if transactional:
        await begin(connection)
    try:
        if transactional:
            steps = compare(there, attrs.evolve(wanted, tables=there.tables)).steps
            made = [s for s in steps if isinstance(s, CreateSchema | CreateType | CreateSequence)]
            for text in dialect.definitions.step_texts(made, there):
                await connection.execute(Statement(text))
        for table in doubtful:
            wanted = wanted.with_table(await _told(connection, dialect, table, wanted))
    finally:
        if transactional:
            with anyio.move_on_after(CLEANUP_BUDGET, shield=True):
                await connection.rollback()
    return wanted


def _reads_otherwise(known: TableDef, wanted: TableDef) -> bool:
    for column in wanted.columns:
        old = known.column(column.name)
        if old is not None and not same_column(old, column):
            return True
    texts: dict[str, CheckDef | ExclusionDef] = {check.name: check for check in known.checks}
    texts |= {one.name: one for one in known.exclusions}
    others: list[CheckDef | ExclusionDef] = [*wanted.checks, *wanted.exclusions]
    for one in others:
        if one.name in texts and not same_constraint(texts[one.name], one):
            return True
    indexes = {index.name: index for index in known.indexes}
    return any(
        index.name in indexes and not same_index(indexes[index.name], index)
        for index in wanted.indexes
    )


async def _told(
    connection: Connection, dialect: Dialect, table: TableDef, wanted: Schema
) -> TableDef:
    """Ask what the store makes of a table; one that it refuses is left as it is."""
    definitions = dialect.definitions
    scratch = definitions.scratch(table, wanted)
    assert scratch is not None  # noqa: S101 - asked before
    made, name, dropped = scratch
    in_transaction = connection.in_transaction
    if in_transaction:
        await connection.savepoint(_SAVEPOINT)
    else:
        connection.taint()  # its temporary tables go when it goes on
    try:
        for text in made:
            await connection.execute(Statement(text))
        found = (await read_schema(connection, dialect, table=name)).tables
        return definitions.told(table, found[0]) if found else table
    except UowError:
        if connection.is_closed:
            raise
        return table
    finally:
        with anyio.move_on_after(CLEANUP_BUDGET, shield=True):
            if in_transaction:
                await connection.rollback_to_savepoint(_SAVEPOINT)
            elif not connection.is_closed:
                for text in dropped:
                    await connection.execute(Statement(text))


_SAVEPOINT: Final = "uow_scratch"


# -- steps


async def apply_schema(
    db: Store, steps: Iterable[Step], *, allow_destructive: bool = False
) -> None:
    """Run steps, in one transaction where the store can.

    Args:
        db: the database.
        steps: as `diff_schema` gives them.
        allow_destructive: run those that throw rows or values away.

    Raises:
        DestructiveChangeError: a step would, and may not; nothing was sent.
        ConstraintError: rows that are there do not fit; nothing is changed where the store can roll
            definitions back.
        MappingError: a step changes what is not there.
    """
    steps = list(steps)
    lost = [step for step in steps if step.is_destructive]
    if lost and not allow_destructive:
        texts = "; ".join([str(step) for step in lost])
        raise DestructiveChangeError(
            f"rows or values would be lost: {texts}. Say allow_destructive=True if they may, or "
            "say with renames= what only got another name",
            steps=lost,
        )
    if not steps:
        return
    dialect, pool = db.dialect, db.pool
    connection, _ = await first_step(pool, lambda one: one.ping())
    try:
        if dialect.capabilities.documents:
            await run_collection_steps(connection, steps)
            return
        async with around_steps(connection, dialect):
            if dialect.capabilities.transactional_ddl:
                await begin(connection)
                for text in dialect.lock_definitions():
                    await connection.execute(Statement(text))
            await run_steps(connection, dialect, steps)
            if connection.in_transaction:
                await commit(connection)
    finally:
        if connection.in_transaction:
            with anyio.move_on_after(CLEANUP_BUDGET, shield=True):
                await connection.rollback()
        await pool.release(connection)
    if any(isinstance(step, DropType) for step in steps):
        pool.bump()  # connections know types by number


@asynccontextmanager
async def around_steps(connection: Connection, dialect: Dialect) -> AsyncGenerator[None]:
    """Inside the block steps may build tables anew. To be entered before the transaction begins.

    What the connection left off is on again afterwards; if that fails it is closed.
    """
    suspension = dialect.definitions.suspension()
    if suspension is None:
        yield
        return
    ((is_on,),) = await connection.fetch(suspension.asked)
    if not is_on:
        yield
        return
    try:
        await connection.execute(Statement(suspension.off))
        yield
    finally:
        with anyio.move_on_after(CLEANUP_BUDGET, shield=True) as budget:
            if connection.in_transaction:  # the setting cannot be changed in one
                await connection.rollback()
            await connection.execute(Statement(suspension.on))
        if budget.cancelled_caught:
            connection.terminate()


async def run_steps(connection: Connection, dialect: Dialect, steps: Sequence[Step]) -> None:
    """Run steps on an open connection; begins and commits nothing.

    Raises:
        ConstraintError: a column that takes no NULL and has no default would be added to a table
            with rows, or a table that was built anew has rows that refer to none.
        MappingError: a step changes what is not there.
        ValidationError: a column has values that its new type cannot hold.
    """
    definitions = dialect.definitions
    before = await read_schema(connection, dialect, schemas=_schemas_of(steps))
    texts = definitions.step_texts(steps, before)
    await _refuse_unfilled(connection, dialect, steps, before)
    await _refuse_nulls(connection, dialect, steps, before)
    suspension = definitions.suspension()
    rebuilds = suspension is not None and definitions.rebuilds(steps, before)
    broken: set[Row] = set()
    if rebuilds and suspension is not None:
        broken = set(await connection.fetch(suspension.broken))
    for text in texts:
        await connection.execute(Statement(text))
    for column, misfit in definitions.misfits(steps, before):
        if await connection.fetch(misfit):
            raise ValidationError(
                f"{column} has values that its new type cannot hold: change them before its type"
            )
    if rebuilds and suspension is not None:
        new = set(await connection.fetch(suspension.broken)) - broken
        if new:
            table = min(str(row[0]) for row in new)
            raise ConstraintError(
                f"rows of {table} refer to rows that are not there",
                kind=ConstraintKind.FOREIGN_KEY,
                table=table,
            )


def _schemas_of(steps: Iterable[Step]) -> set[str]:
    """The named schemas that steps speak of."""
    found: set[str | None] = set()
    for step in steps:
        match step:
            case RenameTable() | TableStep():
                found.add(step.table.schema)
            case CreateTable() | DropTable():
                found.add(step.table.name.schema)
            case _:
                pass
    return {schema for schema in found if schema is not None}


async def _refuse_unfilled(
    connection: Connection, dialect: Dialect, steps: Sequence[Step], before: Schema
) -> None:
    """Refuse columns for which rows that are there have no value: some stores would make one up."""
    names: dict[Name, Name] = {}
    for step in steps:
        if isinstance(step, RenameTable):
            names[step.new] = names.get(step.table, step.table)
        if isinstance(step, AddColumn):
            old = names.get(step.table, step.table)
            if before.table(old) is not None:
                await refuse_unfilled(connection, dialect, step, known_as=old)


async def _refuse_nulls(
    connection: Connection, dialect: Dialect, steps: Sequence[Step], before: Schema
) -> None:
    """Refuse to let a column take no NULL that holds some; stores tell that in words of their own.

    Raises:
        ConstraintError: it holds one.
    """
    for step in steps:
        if isinstance(step, RunSQL):
            return  # which may fill them
        if not isinstance(step, AlterColumn) or step.after.nullable or not step.before.nullable:
            continue
        table = before.table(step.table)
        if table is None or table.column(step.before.name) is None:
            continue  # it is renamed before
        name = step.before.name
        column, source = dialect.definitions.name(Name(name)), dialect.definitions.name(step.table)
        sql = f"SELECT 1 FROM {source} WHERE {column} IS NULL LIMIT 1"
        if await connection.fetch(Statement(sql, reads=True)):
            raise ConstraintError(
                f"{step.table}.{name} holds NULL, and is to take none: fill it first",
                kind=ConstraintKind.NOT_NULL,
                table=str(step.table),
                columns=(name,),
            )


async def refuse_unfilled(
    connection: Connection, dialect: Dialect, step: AddColumn, *, known_as: Name | None = None
) -> None:
    """Refuse a column that takes no NULL and has no default, if the table has rows.

    Args:
        connection: a connection, in a transaction or not.
        dialect: its language.
        step: the column.
        known_as: what the table is called at this moment, if not as the step says.

    Raises:
        ConstraintError: it has.
    """
    if step.column.is_filled:
        return
    sql = f"SELECT 1 FROM {dialect.definitions.name(known_as or step.table)} LIMIT 1"
    if await connection.fetch(Statement(sql, reads=True)):
        column = f"{step.table}.{step.column.name}"
        raise ConstraintError(
            f"{column} takes no NULL and has no default, and the table has rows: give it a "
            "server_default, or add it as one that takes NULL, fill it, and change it then",
            kind=ConstraintKind.NOT_NULL,
            table=str(step.table),
            columns=(step.column.name,),
        )
