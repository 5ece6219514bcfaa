"""`Migration`: what users write, and the helpers it brings."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from uow.dialects.base import HasHelperTexts
from uow.errors import MappingError, MigrationError, QueryError
from uow.operations import Command
from uow.query.sql import RawStatement, sql
from uow.schema.description import Name, Schema, TableDef
from uow.schema.steps import (
    AddColumn,
    AddConstraint,
    AlterColumn,
    DropColumn,
    DropConstraint,
    Step,
)
from uow.statement import Statement

if TYPE_CHECKING:
    from uow.database import Database
    from uow.dialects.base import Definitions, HelperTexts
    from uow.migrations.work import Work
    from uow.session.session import Session

__all__ = ["Migration"]

Helper = TypeVar("Helper", bound=Callable[..., Coroutine[Any, Any, Any]])


def _helper(method: Helper) -> Helper:
    """Let the work know of a call before it is awaited: one that never is would do nothing."""

    @wraps(method)
    def call(self: Migration, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        work = self._work  # pyright: ignore[reportPrivateUsage]
        made = _begun(work, partial(method, self, *args, **kwargs))
        work.called(made, f"{method.__name__}() in line {sys._getframe(1).f_lineno}")
        return made

    return cast("Helper", call)


async def _begun(work: Work, call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    work.check_awaited()
    result = await call()
    work.ended()
    return result


class Migration:
    """One step from a schema to the next, and back.

    ```python
    class AddAge(Migration):
        version = "002"

        async def up(self):
            await self.add_column("users", "age", "INTEGER NULL")

        async def down(self):
            await self.drop_column("users", "age")
    ```

    Where the store can take definitions back (SQLite, PostgreSQL), all that a migration does is one
    transaction. Elsewhere, and with `transactional = False`, each call is a step of its own, and
    the history knows how many were done: a migration that failed goes on with the step that failed.
    `up` must then make the same calls each time, whatever is in the tables.

    Texts of SQL (types of columns, conditions, `execute`) are sent as they are: they must never
    hold what came from outside.

    Attributes:
        version: letters, digits, dots, dashes and underscores. Versions are ordered by the numbers
            in them.
        transactional: False for what a store refuses in a transaction, such as CREATE INDEX
            CONCURRENTLY. SQLite always works in one.
    """

    version: ClassVar[str]
    transactional: ClassVar[bool] = True

    def __init__(self, work: Work) -> None:
        self._work = work

    async def up(self) -> None:
        """Go to this version; every migration says how."""
        raise QueryError(f"{type(self).__name__} has no up()")

    async def down(self) -> None:
        """Go back to the version before; one that does not say how cannot be taken back."""
        raise QueryError(f"{type(self).__name__} has no down()")

    @property
    def database(self) -> Database:
        """The database that is migrated. Sessions on it see nothing of an open transaction."""
        return self._work.database

    # -- SQL and data

    @_helper
    async def execute(
        self, statement: str | RawStatement | Mapping[str, Any], /, **values: object
    ) -> int:
        """Run one statement; values are bound to the names in its braces, if any are given.

        ```python
        await self.execute("UPDATE users SET age = {age} WHERE age IS NULL", age=0)
        ```

        Args:
            statement: SQL; for MongoDB a command of the database, as a dict.
            **values: one for each `{name}`. Without any, the text is sent as it is.

        Returns:
            How many rows it matched, or gave.

        Raises:
            QueryError: the statement is wrong, or begins or ends transactions.
        """
        return await self._work.execute(self._statement(statement, values))

    @_helper
    async def fetch(
        self, statement: str | RawStatement, /, **values: object
    ) -> list[tuple[Any, ...]]:
        """Read rows, as the store's values; see `execute`."""
        return await self._work.fetch(self._statement(statement, values))

    def session(self) -> AbstractAsyncContextManager[Session]:
        """Open a session in the migration's own transaction; a clean exit writes its changes.

        ```python
        async with self.session() as session:
            async for user in session.find(User):
                user.name = user.name.strip()
        ```

        Raises:
            MigrationError: the migration has no transaction; `run` does the same there.
        """
        return self._work.session()

    @_helper
    async def run(self, work: Callable[[Session], Awaitable[Any]]) -> None:
        """Do work with a session, on every store, in the transaction of the migration or its own.

        ```python
        async def fill(session):
            session.add(Role(name="admin"))

        await self.run(fill)
        ```

        Where the migration has no transaction this is one step of it: what the session wrote and
        the note that it did are one transaction.
        """
        await self._work.run(work)

    # -- tables

    @_helper
    async def create_table(
        self,
        name: str,
        columns: Mapping[str, str],
        *constraints: str,
        schema: str | None = None,
        comment: str | None = None,
    ) -> None:
        """Make a table.

        Args:
            name: its name.
            columns: by name, what stands behind it: `{"id": "SERIAL PRIMARY KEY"}`. On SQLite
                SERIAL and `DEFAULT NOW()` are put in its words.
            *constraints: of the table, such as `"UNIQUE (a, b)"`.
            schema: where it is.
            comment: what the store notes beside it, if it can.
        """
        given: Any = columns
        if not isinstance(given, Mapping) or not columns:
            raise QueryError(f"create_table({name!r}): columns is a dict of names and types")
        _check_texts(f"create_table({name!r})", *columns, *columns.values(), *constraints)
        texts = self._texts("create_table", "create_collection")
        await self._define(
            texts.create_table(name, columns, constraints, schema=schema, comment=comment)
        )

    @_helper
    async def drop_table(self, name: str, *, schema: str | None = None) -> None:
        """Drop a table, and its rows."""
        texts = self._texts("drop_table", "drop_collection")
        await self._define(texts.drop_table(name, schema=schema))

    @_helper
    async def rename_table(self, old: str, new: str, *, schema: str | None = None) -> None:
        """Rename a table."""
        await self._define(self._texts("rename_table").rename_table(old, new, schema=schema))

    # -- columns

    @_helper
    async def add_column(
        self, table: str, column: str, text: str, *, schema: str | None = None
    ) -> None:
        """Add a column: `add_column("users", "age", "INTEGER NULL")`."""
        _check_texts(f"add_column({table!r}, {column!r})", text)
        texts = self._texts("add_column")
        if self._rebuilds:
            # What it is made of, if it says no more than that; else the store's own way must do.
            with suppress(MappingError):
                made = self._definitions.parse_column(column, texts.column(text))
                name = Name(table, schema)
                await self._work.change(
                    f"add {table}.{column}: {text}", name, lambda _: [AddColumn(name, made)]
                )
                return
        needs: list[AddColumn] = []
        with suppress(MappingError):
            made = self._definitions.parse_column(column, texts.column(text))
            needs = [AddColumn(Name(table, schema), made)]
        statements = texts.add_column(table, column, text, schema=schema)
        await self._work.define([Statement(one) for one in statements], needs=needs)

    @_helper
    async def alter_column(
        self, table: str, column: str, text: str, *, schema: str | None = None
    ) -> None:
        """Make a column another one: `alter_column("users", "age", "BIGINT NOT NULL DEFAULT 0")`.

        All that the text does not say is taken away: NOT NULL, a default. Values are converted if
        the store can; a primary key, foreign keys and indexes stay.
        """
        _check_texts(f"alter_column({table!r}, {column!r})", text)
        texts = self._texts("alter_column")
        after = self._definitions.parse_column(column, texts.column(text))
        name = Name(table, schema)

        def steps(before: Schema) -> list[Step]:
            old = _table(before, name).column(column)
            if old is None:
                raise MigrationError(f"alter_column: {table} has no column {column!r}")
            return [AlterColumn(name, old, after)]

        await self._work.change(f"alter {table}.{column}: {text}", name, steps)

    @_helper
    async def drop_column(self, table: str, column: str, *, schema: str | None = None) -> None:
        """Drop a column, and its values."""
        texts = self._texts("drop_column")
        if self._rebuilds:
            name = Name(table, schema)

            def steps(before: Schema) -> list[Step]:
                old = _table(before, name).column(column)
                if old is None:
                    raise MigrationError(f"drop_column: {table} has no column {column!r}")
                return [DropColumn(name, old)]

            await self._work.change(f"drop {table}.{column}", name, steps)
            return
        await self._define(texts.drop_column(table, column, schema=schema))

    @_helper
    async def rename_column(
        self, table: str, old: str, new: str, *, schema: str | None = None
    ) -> None:
        """Rename a column."""
        texts = self._texts("rename_column")
        await self._define(texts.rename_column(table, old, new, schema=schema))

    # -- constraints and indexes

    @_helper
    async def add_constraint(
        self, table: str, name: str, text: str, *, schema: str | None = None
    ) -> None:
        """Add a constraint: `add_constraint("users", "ck_age", "CHECK (age > 0)")`."""
        _check_texts(f"add_constraint({table!r}, {name!r})", text)
        texts = self._texts("add_constraint")
        if self._rebuilds:
            made = self._definitions.parse_constraint(name, text)
            place = Name(table, schema)
            await self._work.change(
                f"add {table}.{name}: {text}", place, lambda _: [AddConstraint(place, made)]
            )
            return
        await self._define(texts.add_constraint(table, name, text, schema=schema))

    @_helper
    async def drop_constraint(self, table: str, name: str, *, schema: str | None = None) -> None:
        """Drop a constraint."""
        texts = self._texts("drop_constraint")
        if self._rebuilds:
            place = Name(table, schema)

            def steps(before: Schema) -> list[Step]:
                for one in _table(before, place).constraints:
                    if one.name == name:
                        return [DropConstraint(place, one)]
                raise MigrationError(f"drop_constraint: {table} has no constraint {name!r}")

            await self._work.change(f"drop {table}.{name}", place, steps)
            return
        await self._define(texts.drop_constraint(table, name, schema=schema))

    @_helper
    async def create_index(
        self,
        table: str,
        columns: Sequence[str],
        *,
        unique: bool = False,
        name: str | None = None,
        where: str | None = None,
        method: str | None = None,
        schema: str | None = None,
        concurrently: bool = False,
        **options: Any,
    ) -> None:
        """Make an index.

        Args:
            table: of which table, or collection.
            columns: what it is over: `"name"`, `"name DESC"`, or an expression (`"lower(name)"`).
                Of documents: fields, with a `-` before those that go down.
            unique: no value may be there twice.
            name: its name; made of the table and the columns if None.
            where: over which rows only, as SQL.
            method: PostgreSQL's kind of index (`"gin"`).
            schema: where the table is.
            concurrently: let others write meanwhile; on PostgreSQL, with `transactional = False`.
            **options: further options of an index of MongoDB (`expireAfterSeconds`, ...).
        """
        if isinstance(columns, str) or not columns:
            raise QueryError(f"create_index({table!r}): columns is a list of names")
        _check_texts(f"create_index({table!r})", *columns)
        if self.database.dialect.capabilities.documents:
            await self._define([_index_command(table, columns, unique, name, options)])
            return
        if options:
            unknown = ", ".join(sorted(options))
            raise QueryError(f"create_index({table!r}) takes no {unknown}: that is MongoDB's")
        texts = self._texts("create_index")
        if name is None:
            name = texts.index_name(table, columns, unique=unique)
        made = texts.create_index(
            table, columns, unique=unique, name=name, where=where, method=method, schema=schema,
            concurrently=concurrently,
        )  # fmt: skip
        await self._define(made)

    @_helper
    async def drop_index(self, table: str, name: str, *, schema: str | None = None) -> None:
        """Drop an index of a table, or of a collection."""
        if self.database.dialect.capabilities.documents:
            await self._define([Command({"dropIndexes": table, "index": name})])
            return
        await self._define(self._texts("drop_index").drop_index(table, name, schema=schema))

    # -- collections

    @_helper
    async def create_collection(self, name: str, **options: Any) -> None:
        """Make a collection of MongoDB, with its options (`validator`, `capped`, ...)."""
        self._refuse_tables("create_collection", "create_table")
        await self._define([Command({"create": name, **options})])

    @_helper
    async def drop_collection(self, name: str) -> None:
        """Drop a collection, and its documents."""
        self._refuse_tables("drop_collection", "drop_table")
        await self._define([Command({"drop": name})])

    @_helper
    async def set_validator(
        self,
        collection: str,
        validator: Mapping[str, Any] | None,
        *,
        level: str = "strict",
        action: str = "error",
    ) -> None:
        """Say what documents of a collection are checked for when they are written.

        Args:
            collection: the collection, which is there.
            validator: a filter that documents must pass, `{"$jsonSchema": {...}}` most often; None
                takes the one that is there away.
            level: `"strict"`, or `"moderate"` to leave documents alone that did not pass before.
            action: `"error"`, or `"warn"` to note it only.
        """
        self._refuse_tables("set_validator", "add_constraint")
        after = {"validator": dict(validator or {})}
        options = {"validationLevel": level, "validationAction": action}
        await self._define([Command({"collMod": collection, **after, **options})])

    # -- what they stand on

    @property
    def _definitions(self) -> Definitions:
        return self.database.dialect.definitions

    @property
    def _rebuilds(self) -> bool:
        """Whether the store changes tables by building them anew."""
        return self._definitions.suspension() is not None

    async def _define(self, texts: Sequence[str | Statement]) -> None:
        await self._work.define(
            [text if isinstance(text, Statement) else Statement(text) for text in texts]
        )

    def _texts(self, helper: str, other: str = "create_index or execute") -> HelperTexts:
        dialect = self.database.dialect
        if not isinstance(dialect, HasHelperTexts):
            raise QueryError(f"{helper} is for tables; this store takes {other}")
        return dialect.helper_texts

    def _refuse_tables(self, helper: str, other: str) -> None:
        if not self.database.dialect.capabilities.documents:
            raise QueryError(f"{helper} is for documents; this store takes {other}")

    def _statement(self, given: Any, values: Mapping[str, object]) -> Statement:
        dialect = self.database.dialect
        if isinstance(given, Mapping):
            if not dialect.capabilities.documents or not given or values:
                raise QueryError("execute takes a dict for MongoDB only: a command, without values")
            return Command(cast("Mapping[str, Any]", given))
        if isinstance(given, RawStatement):
            if values:
                raise QueryError("sql(...) has its values already")
            return dialect.compile(given.statement).statement
        if not isinstance(given, str) or not given.strip():
            raise QueryError("execute takes SQL, as a text or as sql(...)")
        if dialect.capabilities.documents:
            raise QueryError("this store takes commands, as a dict, and no SQL")
        if values:
            return dialect.compile(sql(given, **values).statement).statement
        return Statement(given)


def _table(schema: Schema, name: Name) -> TableDef:
    table = schema.table(name)
    if table is None:
        raise MigrationError(f"there is no table {name}")
    return table


def _check_texts(call: str, *texts: object) -> None:
    for text in texts:
        if not isinstance(text, str) or not text.strip():
            raise QueryError(f"{call}: names, types and conditions are texts that are not empty")


def _index_command(
    collection: str,
    fields: Sequence[str],
    unique: bool,
    name: str | None,
    options: Mapping[str, Any],
) -> Command:
    keys = {field.lstrip("+-"): -1 if field.startswith("-") else 1 for field in fields}
    made = name or "_".join(f"{field}_{way}" for field, way in keys.items())
    index = {"key": keys, "name": made, **({"unique": True} if unique else {}), **options}
    return Command({"createIndexes": collection, "indexes": [index]})
