"""Python that is written of a store: any name in it, and any value, is read back as it was."""

from __future__ import annotations

import ast
import math
import re
from typing import Any

import pytest

from uow.dialects.base import dialect_for
from uow.schema.collection_steps import CreateCollection, DropCollection
from uow.schema.collection_text import collection_migration_text
from uow.schema.description import ColumnDef, KeyDef, Name, Schema, TableDef
from uow.schema.migration_text import migration_text
from uow.schema.model_text import models_text
from uow.schema.source import call, mapping, one_line
from uow.schema.steps import DropTable

BREAKS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


def is_called(name: str, text: str) -> bool:
    """Whether a module calls what goes by a name."""
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
        for node in ast.walk(ast.parse(text))
    )


@pytest.mark.parametrize("line_break", BREAKS)
def test_names_with_line_breaks(line_break: str) -> None:
    """A name in a comment stays there, whatever breaks its lines."""
    definitions = dialect_for("sqlite").definitions
    name = f"posts{line_break}        print(1)  #"
    column = ColumnDef(name="id", type="TEXT")
    keyless = TableDef(name=Name(name), columns=(column,))
    table = TableDef(name=Name(name), columns=(column,), key=KeyDef(columns=("id",)))
    known = Schema(dialect="sqlite", tables=(table,))
    texts = [
        collection_migration_text([DropCollection(name, {}, ())], version="1", name="x"),
        migration_text([DropTable(table)], known, definitions, version="1", name="x"),
        models_text(Schema(dialect="sqlite", tables=(keyless,)), definitions),
    ]
    for text in texts:
        assert not is_called("print", text)
        comments = [line for line in text.splitlines() if line.lstrip().startswith("# ")]
        assert len(comments) == 1
        assert "posts print(1) #" in comments[0]
    assert one_line(name) == "posts print(1) #"


@pytest.mark.parametrize(
    "value",
    [
        re.compile("a" * 250),
        re.compile("^a\"b'\\\\$", re.IGNORECASE | re.MULTILINE),
        re.compile(b"a" * 250, re.DOTALL),
        math.inf,
        -math.inf,
        1.5,
        {"description": "two\nlines" + "s" * 90, "more": re.compile("a\nb", re.VERBOSE)},
    ],
    ids=["long", "options", "bytes", "inf", "-inf", "finite", "lines"],
)
def test_values_of_validators(value: object) -> None:
    """Long expressions with their options, and numbers without end, are written in full."""
    assert written(value) == value


def test_texts_of_columns() -> None:
    """A text of several lines in a dict is not moved with it."""
    columns = {"a": "TEXT DEFAULT 'two\nlines'"}
    tree = ast.parse(call("f", [mapping(columns)], indent=0), mode="eval")
    assert isinstance(tree.body, ast.Call)
    assert ast.literal_eval(tree.body.args[0]) == columns


def test_no_number() -> None:
    """NaN is written too."""
    assert math.isnan(written(math.nan))


def written(value: object) -> Any:
    """Write a value into a migration, and read it back."""
    step = CreateCollection("posts", {"validator": {"it": value}})
    tree = ast.parse(collection_migration_text([step], version="1", name="x"))
    found = [
        keyword.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "validator"
    ]
    return eval(ast.unparse(found[0]), {"re": re})["it"]
