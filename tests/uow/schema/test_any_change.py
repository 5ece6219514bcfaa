"""From any schema to any other: by the steps, with the values of columns that stay, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.uow.schema.stores import EACH_STORE, STORES, make_empty, store_url
from uow import Database, Session, apply_schema, inspect_schema, sql
from uow.schema.compare import compare
from uow.schema.description import (
    CheckDef,
    ColumnDef,
    ForeignKeyDef,
    IndexDef,
    IndexPartDef,
    KeyDef,
    Schema,
    TableDef,
    UniqueDef,
)
from uow.schema.live import compare_described
from uow.schema.steps import apply_all, reversed_all

ROWS = 3
"""Each row has its number in every column that can be given one."""

TYPES = ["INTEGER", "BIGINT", "VARCHAR(20)", "VARCHAR(40)"]
NAMES = ["a", "b", "c"]


@st.composite
def tables(draw: st.DrawFn, store: str, name: str, others: list[str]) -> TableDef:
    """A table; what is unique has no default, so that rows may lack it."""
    columns = [
        ColumnDef(name="id", type="BIGINT" if store != "sqlite" else "INTEGER", nullable=False)
    ]
    if draw(st.booleans()):
        columns = [ColumnDef(**{**_fields(columns[0]), "identity": "by default"})]
    names = draw(st.lists(st.sampled_from(NAMES), unique=True))
    uniques: list[UniqueDef] = []
    checks: list[CheckDef] = []
    indexes: list[IndexDef] = []
    for one in names:
        type_ = draw(st.sampled_from(TYPES))
        is_text = type_.startswith("VARCHAR")
        unique = draw(st.sampled_from(["", "", "constraint", "index"]))
        default = None if unique else draw(st.sampled_from([None, "'5'" if is_text else "5"]))
        nullable = default is None or draw(st.booleans())
        columns.append(ColumnDef(name=one, type=type_, nullable=nullable, default=default))
        is_constraint = unique == "constraint" and store not in {"mysql", "mariadb"}
        if is_constraint:
            uniques.append(UniqueDef(name=f"uq_{name}_{one}", columns=(one,)))
        elif unique:
            part = IndexPartDef(column=one, descending=draw(st.booleans()))
            where = f"{one} > '0'" if is_text else f"{one} > 0"
            is_partial = store in {"sqlite", "postgresql"} and draw(st.booleans())
            indexes.append(
                IndexDef(
                    name=f"ix_{name}_{one}",
                    parts=(part,),
                    unique=True,
                    where=where if is_partial else None,
                )
            )
        if draw(st.booleans()):
            limit = draw(st.sampled_from([90, 99]))
            text = f"{one} <> 'x{limit}'" if is_text else f"{one} < {limit}"
            checks.append(CheckDef(name=f"ck_{name}_{one}", sql=text))
        if draw(st.booleans()) and not is_text:
            kept = draw(st.booleans())
            columns.append(
                ColumnDef(
                    name=f"{one}_made", type="BIGINT", generated=f"{one} + 1", virtual=not kept
                )
                if store != "postgresql"
                else ColumnDef(name=f"{one}_made", type="BIGINT", generated=f"{one} + 1")
            )
    keys: list[ForeignKeyDef] = []
    for target in draw(st.lists(st.sampled_from(others), unique=True, max_size=2)):
        column = f"{target}_id"
        columns.append(ColumnDef(name=column, type="BIGINT"))
        fk = f"fk_{name}_{column}"
        keys.append(
            ForeignKeyDef(
                name=fk,
                columns=(column,),
                target=target,
                target_columns=("id",),
                on_delete=draw(st.sampled_from([None, "CASCADE", "SET NULL"])),
            )
        )
        if store in {"mysql", "mariadb"}:  # which make it, if nobody does
            indexes.append(IndexDef(name=fk, parts=(column,)))
        elif draw(st.booleans()):
            indexes.append(IndexDef(name=f"ix_{name}_{column}", parts=(column,)))
    return TableDef(
        name=name,
        columns=tuple(columns),
        key=KeyDef(columns=("id",)),
        uniques=tuple(uniques),
        checks=tuple(checks),
        foreign_keys=tuple(keys),
        indexes=tuple(indexes),
    )


def _fields(column: ColumnDef) -> dict[str, Any]:
    return {"name": column.name, "type": column.type, "nullable": column.nullable}


@st.composite
def schemas(draw: st.DrawFn, store: str) -> Schema:
    """Up to three tables that refer to each other anyhow."""
    names = draw(st.lists(st.sampled_from(["t", "u", "v"]), unique=True, min_size=1))
    return Schema(dialect=store, tables=tuple([draw(tables(store, name, names)) for name in names]))


@given(data=st.data(), store=st.sampled_from(STORES))
@settings(max_examples=100, deadline=None)
def test_steps_lead_there_and_back(data: st.DataObject, store: str) -> None:
    """G3: what steps make of a description is the other one, and what they reverse to the first."""
    one, other = data.draw(schemas(store)), data.draw(schemas(store))
    steps = compare(one, other).steps

    reached = apply_all(steps, one)
    assert compare(reached, other).steps == ()
    back = reversed_all(steps, one)
    assert compare(apply_all(back, reached), one).steps == ()


@pytest.mark.parametrize("store", EACH_STORE)
def test_any_change(store: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """G3: stores take the steps from any schema to any other and back; values stay."""
    url = store_url(store, request, tmp_path)

    @given(one=schemas(store), other=schemas(store))
    @settings(
        max_examples=20 if store == "sqlite" else 4,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to make it smaller takes minutes
    )
    def change(one: Schema, other: Schema) -> None:
        anyio.run(_change, url, one, other)

    change()


async def _change(url: str, one: Schema, other: Schema) -> None:
    await make_empty(url)
    async with Database(url) as database:
        there = await inspect_schema(database)
        await apply_schema(  # an SQLite file is not empty from the last example
            database,
            compare(there, Schema(dialect=one.dialect)).steps,
            allow_destructive=True,
        )
        await apply_schema(database, (await compare_described(database, one)).steps)
        await _fill(database, one)
        before = await inspect_schema(database)
        values = await _values(database, one)
        steps = (await compare_described(database, other)).steps
        await apply_schema(database, steps, allow_destructive=True)

        assert (await compare_described(database, other)).steps == ()
        after = await _values(database, other)
        for place in values.keys() & after.keys():
            assert after[place] == values[place], place
        await apply_schema(database, reversed_all(steps, before), allow_destructive=True)
        assert (await compare_described(database, one)).steps == ()
        back = await _values(database, one)
        for place in values.keys() & after.keys():
            assert back[place] == values[place], place


async def _fill(database: Database, schema: Schema) -> None:
    """Fill tables; references come last, since tables may be in a circle."""
    quote = "`" if database.dialect.name in {"mysql", "mariadb"} else '"'
    async with Session.begin(database) as session:
        for table in schema.tables:
            given = [c for c in table.columns if c.generated is None and len(c.name) < 3]
            names = ", ".join([f"{quote}{column.name}{quote}" for column in given])
            for number in range(1, ROWS + 1):
                row = ", ".join(
                    [f"'{number}'" if c.type.startswith("V") else str(number) for c in given]
                )
                await session.execute(
                    sql(f"INSERT INTO {quote}{table.name}{quote} ({names}) VALUES ({row})")
                )
        for table in schema.tables:
            for key in table.foreign_keys:
                await session.execute(
                    sql(f"UPDATE {quote}{table.name}{quote} SET {key.columns[0]} = id")
                )


async def _values(database: Database, schema: Schema) -> dict[tuple[str, str], list[str]]:
    """The values of columns that are not computed, as texts, in the order of keys."""
    quote = "`" if database.dialect.name in {"mysql", "mariadb"} else '"'
    found: dict[tuple[str, str], list[str]] = {}
    async with Session.begin(database) as session:
        for table in schema.tables:
            for column in table.columns:
                if column.generated is None:
                    rows: Any = await session.execute(
                        sql(
                            f"SELECT {quote}{column.name}{quote} "
                            f"FROM {quote}{table.name}{quote} ORDER BY id"
                        )
                    )
                    found[str(table.name), column.name] = [str(row[0]) for row in rows]
    return found
