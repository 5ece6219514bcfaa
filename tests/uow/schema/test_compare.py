"""The order of steps, what has to go for a while, and what is alike, without a store."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from uow import MappingError
from uow.dialects.base import dialect_for
from uow.schema.compare import compare
from uow.schema.description import (
    CheckDef,
    ColumnDef,
    ForeignKeyDef,
    IndexDef,
    IndexPartDef,
    KeyDef,
    Name,
    Schema,
    TableDef,
    TypeDef,
    UniqueDef,
)
from uow.schema.steps import AlterColumn, ChangeLabels, CreateTable, RenameColumn, apply_all
from uow.schema.words import mentions, renamed, same_sql

ID = ColumnDef(name="id", type="BIGINT", nullable=False)
KEY = KeyDef(columns=("id",))


def schema(*tables: TableDef, **others: Any) -> Schema:
    """A schema of tables."""
    return Schema(dialect="postgresql", tables=tables, **others)


def table(name: str, *columns: ColumnDef, **others: Any) -> TableDef:
    """A table with a key."""
    return TableDef(name=name, columns=(ID, *columns), key=KEY, **others)


def column(name: str, type_: str = "BIGINT", **others: Any) -> ColumnDef:
    """A column."""
    return ColumnDef(name=name, type=type_, **others)


def reference(table: str, target: str, **others: Any) -> ForeignKeyDef:
    """A foreign key from `to_id`."""
    return ForeignKeyDef(
        name=f"fk_{table}", columns=("to_id",), target=target, target_columns=("id",), **others
    )


def steps(before: Schema, after: Schema, **options: Any) -> list[str]:
    """What it takes, as lines."""
    return [str(step) for step in compare(before, after, **options).steps]


def test_what_is_over_a_column_that_changes() -> None:
    """SQL over a column that changes its type goes and comes again; plain indexes stay."""

    def one(type_: str) -> Schema:
        return schema(
            table(
                "t",
                column("a", type_),
                column("b", generated="a + 1"),
                column("c", generated="b + 1"),
                checks=(CheckDef(name="ck", sql="a > 0"), CheckDef(name="other", sql="id > 0")),
                indexes=(
                    IndexDef(name="plain", parts=("a",)),
                    IndexDef(name="some", parts=("id",), where="a > 3"),
                    IndexDef(name="of_b", parts=("b",)),
                ),
            )
        )

    assert steps(one("INTEGER"), one("BIGINT")) == [
        "drop the index some of t",
        "drop the index of_b of t",
        "drop the check ck of t",
        "drop the column t.c",
        "drop the column t.b",
        "alter the column t.a: INTEGER to BIGINT",
        "add the column t.b",
        "add the column t.c",
        "add the check ck to t",
        "create the index some on t",
        "create the index of_b on t",
    ]


def test_what_is_computed_goes_first() -> None:
    """A computed column that goes is gone before what it is computed from changes."""
    before = schema(table("t", column("a", "INTEGER"), column("b", generated="a + 1")))

    assert steps(before, schema(table("t", column("a")))) == [
        "drop the column t.b",
        "alter the column t.a: INTEGER to BIGINT",
    ]


@pytest.mark.parametrize("indexed", [False, True])
def test_keys_that_hold_a_column(indexed: bool) -> None:
    """A foreign key goes for a while where a column at either end cannot change with it."""

    def one(id_type: str, default: str | None) -> Schema:
        ends = TableDef(name="t", columns=(column("id", id_type, nullable=False),), key=KEY)
        holder = table("u", column("to_id", default=default), foreign_keys=(reference("u", "t"),))
        return schema(ends, holder)

    dropped, added = "drop the foreign key fk_u of u", "add the foreign key fk_u to u"
    retyped = steps(one("INTEGER", None), one("BIGINT", None), indexed_references=indexed)
    filled = steps(one("BIGINT", None), one("BIGINT", "1"), indexed_references=indexed)

    assert retyped == [dropped, "alter the column t.id: INTEGER to BIGINT", added]
    change = "alter the column u.to_id: default"
    assert filled == ([dropped, change, added] if indexed else [change])


def test_an_index_that_a_key_needs() -> None:
    """Where a foreign key needs an index, it goes for a while when that one is another."""

    def one(*parts: str) -> Schema:
        index = IndexDef(name="ix", parts=parts)
        keys = (reference("t", "t"),)
        return schema(table("t", column("to_id"), foreign_keys=keys, indexes=(index,)))

    before, after = one("to_id"), one("to_id", "id")
    change = ["drop the index ix of t", "create the index ix on t"]
    key = ["drop the foreign key fk_t of t", "add the foreign key fk_t to t"]

    assert steps(before, after) == change
    assert steps(before, after, indexed_references=True) == [key[0], *change, key[1]]


def test_what_a_key_refers_to() -> None:
    """A foreign key goes for a while when what makes its target unique is another."""

    def one(name: str) -> Schema:
        key = ForeignKeyDef(name="fk", columns=("id",), target="t", target_columns=("a",))
        uniques = (UniqueDef(name=name, columns=("a",)),)
        return schema(table("t", column("a"), uniques=uniques), table("u", foreign_keys=(key,)))

    assert steps(one("old"), one("new")) == [
        "drop the foreign key fk of u",
        "drop the unique constraint old of t",
        "add the unique constraint new to t",
        "add the foreign key fk to u",
    ]


def test_tables_in_circles() -> None:
    """Tables in a circle are made and dropped with keys apart, where a store does not wait."""
    one = table("t", column("to_id"), foreign_keys=(reference("t", "u"),))
    other = table("u", column("to_id"), foreign_keys=(reference("u", "t"),))
    last = table("v", column("to_id"), foreign_keys=(reference("v", "t"),))
    full = schema(last, one, other)

    made = compare(schema(), full).steps
    assert [str(step) for step in made] == [
        "create the table u",
        "create the table t",
        "create the table v",
        "add the foreign key fk_u to u",
    ]
    assert isinstance(made[0], CreateTable)
    assert made[0].table.foreign_keys == ()
    assert compare(apply_all(made, schema()), full).steps == ()
    assert steps(full, schema()) == [
        "drop the foreign key fk_u of u",
        "drop the table v",
        "drop the table t",
        "drop the table u",
    ]
    assert len(steps(schema(), full, forward_references=True)) == 3


def test_types_and_schemas() -> None:
    """Labels and fields change in place; what fields of one name hold stays."""
    before = schema(types=(TypeDef(name="mood", labels=("a", "b")),))
    after = schema(
        table("t", column("m", '"mood"')),
        types=(TypeDef(name="mood", labels=("a", "c", "b")), TypeDef(name=Name("p", "s"))),
        schemas=frozenset({"s"}),
    )
    found = compare(before, after).steps

    assert [str(step) for step in found] == [
        "create the schema s",
        "change the labels of mood: add 'c'",
        "create the type s.p",
        "create the table t",
    ]
    assert isinstance(found[1], ChangeLabels)
    assert (found[1].only_adds, found[1].is_destructive) == (True, False)
    (back,) = found[1].reversed(before)
    assert isinstance(back, ChangeLabels)
    assert (back.only_adds, back.is_destructive) == (False, True)
    row = TypeDef(name="mood", fields=(("a", "TEXT"),))
    other = TypeDef(name="mood", fields=(("b", "TEXT"),))
    (step,) = compare(schema(types=(row,)), schema(types=(other,))).steps
    assert str(step) == "change the fields of mood: add b, take out a"
    assert step.is_destructive
    (back,) = step.reversed(schema(types=(row,)))
    assert str(back) == "change the fields of mood: add a, take out b"
    longer = TypeDef(name="mood", fields=(("a", "text"), ("b", "INTEGER")))
    (step,) = compare(schema(types=(row,)), schema(types=(longer,))).steps
    assert not step.is_destructive
    assert compare(schema(types=(row,)), schema(types=(attrs.evolve(row),))).steps == ()
    with pytest.raises(MappingError, match="type mood is to be of another kind"):
        compare(before, schema(types=(row,)))
    with pytest.raises(MappingError, match="of postgresql and one of sqlite"):
        compare(schema(), Schema(dialect="sqlite"))


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        ("INTEGER", "BIGINT", False),
        ("BIGINT", "INTEGER", True),
        ("VARCHAR(5)", "VARCHAR(9)", False),
        ("VARCHAR(9)", "VARCHAR(5)", True),
        ("VARCHAR(9)", "TEXT", False),
        ("TEXT", "VARCHAR(9)", True),
        ("LONGTEXT", "TEXT", True),
        ("NUMERIC(8, 2)", "NUMERIC(12, 2)", False),
        ("NUMERIC(8, 2)", "NUMERIC(9, 4)", True),
        ("NUMERIC(8, 2)", "NUMERIC", False),
        ("TEXT", "BYTEA", True),
        ("text", "TEXT", False),
    ],
)
def test_what_a_change_of_type_may_lose(old: str, new: str, lost: bool) -> None:
    """A wider type loses nothing; what is not known to be wider may."""

    assert AlterColumn("t", column("a", old), column("a", new)).is_destructive is lost


def test_indexes_alike() -> None:
    """Where NULLs are anyway need not be said; an index that differs is made anew."""

    def one(*parts: Any) -> Schema:
        return schema(table("t", column("a"), indexes=(IndexDef(name="i", parts=parts),)))

    plain = one(IndexPartDef(column="a", descending=True))
    assert steps(plain, one(IndexPartDef(column="a", descending=True, nulls="FIRST"))) == []
    assert len(steps(plain, one(IndexPartDef(column="a", descending=True, nulls="LAST")))) == 2
    assert len(steps(plain, one(IndexPartDef(column="a")))) == 2


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a > 0", '("A"  >  0)', True),
        ("(a) and (b)", "a and b", False),
        ("((a) and (b))", "(a) and (b)", True),
        ("'x'", "'X'", False),
        ("a /* note */ > 0 -- more", "`a` > 0", True),
        (None, "a", False),
        ("a >= 0", "a > 0", False),
    ],
)
def test_sql_that_says_the_same(one: str | None, other: str, same: bool) -> None:
    """Space, case, quotes and brackets around all of it do not count."""

    assert same_sql(one, other) is same


def test_names_in_sql() -> None:
    """Columns are found and renamed in SQL, and texts and functions of that name are not."""
    text = "length(length) > 3 AND \"Length\" <> 'length'"

    assert mentions(text, "length")
    assert not mentions("'length'", "length")
    assert renamed(text, "length", "size") == "length(size) > 3 AND \"size\" <> 'length'"
    with pytest.raises(MappingError, match="no table 'x' to change"):
        RenameColumn("x", "a", "b").apply(schema())


@pytest.mark.parametrize(
    ("wanted", "known"),
    [
        (["a"], ["a", "lower(b)"]),
        (["a", "lower(b)"], ["a"]),
        (["lower(b)", "a"], ["a", "lower(b)"]),
    ],
)
def test_indexes_of_expressions_in_mysql(wanted: list[str], known: list[str]) -> None:
    """How much of a text counts is taken over from an index of the same parts alone."""

    def indexed(parts: list[str], length: int | None) -> TableDef:
        made = [
            IndexPartDef(expression=part)
            if "(" in part
            else IndexPartDef(column=part, length=length)
            for part in parts
        ]
        columns = tuple([ColumnDef(name=name, type="LONGTEXT") for name in "ab"])
        return TableDef(name=Name("t"), columns=columns, indexes=(IndexDef(name="i", parts=made),))

    writer = dialect_for("mysql").definitions
    own = indexed(wanted, None)
    assert writer.spelled_as(own, indexed(known, 10)).indexes == own.indexes
    assert writer.spelled_as(own, indexed(wanted, 10)).indexes == indexed(wanted, 10).indexes
