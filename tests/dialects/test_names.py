"""F66: names in text come from the mapping or are checked, and are quoted always."""

from __future__ import annotations

import gc
import importlib
import weakref
from typing import Any, cast

import pytest

from tests.dialects.models import Author, Counter
from uow.dialects._names import Quoter, plain_identifier
from uow.dialects.base import Compiled, ResultColumn, dialect_for
from uow.dialects.sqlite import SQLiteDialect
from uow.errors import MappingError, QueryError
from uow.expressions.functions import func
from uow.expressions.nodes import Function, Label, Literal
from uow.mapping.columns import Column, Mapped
from uow.mapping.mapper import mapper_of
from uow.mapping.model import Model
from uow.mapping.names import constraint_name, is_constraint_name
from uow.mapping.registry import Registry
from uow.query.select import select
from uow.query.statements import Raw
from uow.types import Integer, Text

REGISTRY = Registry()


class Odd(Model):
    """Names that are words of the language, or look like code."""

    class Settings:
        name = "select"
        registry = REGISTRY

    id: Mapped[int] = Column(primary_key=True)
    group: Mapped[int] = Column(name="group")
    code: Mapped[int] = Column(name="x; DROP TABLE authors --")
    count_: Mapped[int] = Column(name="count")


def test_names_are_quoted() -> None:
    """A name is a name, whatever it looks like."""
    query = select(Odd.group, Odd.code, Odd.count_)

    assert query.compile("sqlite").sql == (
        'SELECT "select"."group", "select"."x; DROP TABLE authors --", "select"."count" '
        'FROM "select"'
    )
    assert query.compile("mysql").sql == (
        "SELECT `select`.`group`, `select`.`x; DROP TABLE authors --`, `select`.`count` "
        "FROM `select`"
    )


@pytest.mark.parametrize("name", ["", 'a"b', "a`b", "a\0b", "\ud800", "x" * 64, "é" * 32])
def test_names_no_store_takes(name: str) -> None:
    """Quotes, NUL and surrogates are refused, and what PostgreSQL would cut without a word."""
    quote = Quoter('"', 63, lambda text: len(text.encode()))

    with pytest.raises(MappingError):
        quote(name)


def test_constraint_names_are_cut_but_stay_apart() -> None:
    """A made name fits, is the same each time, and differs where the long one did."""
    one = constraint_name(63, "fk", "t" * 40, "c" * 40, "a")
    other = constraint_name(63, "fk", "t" * 40, "c" * 40, "b")

    assert one == constraint_name(63, "fk", "t" * 40, "c" * 40, "a")
    assert one != other
    assert len(one) <= 63
    assert is_constraint_name(one, "fk", "t" * 40, "c" * 40, "a")
    assert is_constraint_name(
        "_".join(("fk", "t" * 40, "c" * 40, "a")), "fk", "t" * 40, "c" * 40, "a"
    )
    assert not is_constraint_name(one, "fk", "t" * 40, "c" * 40, "b")
    assert not is_constraint_name("", "fk", "t")


@pytest.mark.parametrize("name", ["a b", "a;b", "a(", "1a", "é", "", "a-b"])
def test_functions_and_the_like_are_plain_identifiers(name: str) -> None:
    """What stands unquoted is letters, digits and underscores only."""
    with pytest.raises(QueryError):
        plain_identifier(name, "the function")
    with pytest.raises(QueryError):
        select(cast("Any", Function(name, (), None))).compile("sqlite")


@pytest.mark.parametrize("name", ['a" FROM authors --', "a\0", ""])
def test_labels_cannot_carry_code(name: str) -> None:
    """F66: an alias from a dict of a user's is refused if it could end its quotes."""
    with pytest.raises(QueryError):
        select(Label(Author.age, name)).compile("postgresql")


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mysql", "mariadb"])
def test_values_are_never_in_the_text(dialect: str) -> None:
    """Section D, rule 1: not even whole numbers, limits, or keys of JSON paths."""
    speaker = dialect_for(dialect)
    query = select(func.substr(Author.name, 777, 777)).filter(
        Author.age == 777, Author.name.like("777"), Author.age.in_([777]), Author.joined.is_null()
    )
    compiled = speaker.compile(query.limit(777).offset(777).statement)

    assert "777" not in compiled.sql
    assert len(compiled.parameters) == 7


def test_raw_sql_has_parameters_of_its_own() -> None:
    """The one raw type binds its values where they stand."""
    statement = Raw(("a = ", Literal(1, Integer()), " OR b = ", Literal("x", Text())))

    assert dialect_for("postgresql").compile(statement).sql == "a = $1 OR b = $2"
    with pytest.raises(QueryError, match="NUL"):
        dialect_for("postgresql").compile(Raw(("a \0000\0",)))


# -- dialects by name


def test_dialects_are_found_by_name() -> None:
    """A dialect is made once; an unknown name is an error that lists the known ones."""

    assert isinstance(dialect_for("sqlite"), SQLiteDialect)
    assert dialect_for("postgresql") is dialect_for("postgresql")
    assert repr(dialect_for("mariadb")) == "<MariaDBDialect>"
    with pytest.raises(QueryError, match="postgresql"):
        dialect_for("oracle")


def test_compiled_is_a_statement() -> None:
    """What is compiled says whether rows come back and whether it only reads."""
    sqlite = dialect_for("sqlite")
    compiled = sqlite.compile(select(Counter.id, func.count().label("n")).statement)

    assert compiled.columns == (ResultColumn("id", Integer()), ResultColumn("n", Integer()))
    assert (compiled.reads, compiled.returns_rows, compiled.statement.reads) == (True, True, True)
    assert not Compiled("DELETE").returns_rows
    assert not sqlite.compile(select(Counter).for_update().statement).reads


def test_texts_do_not_keep_a_class_alive() -> None:
    """What is kept for a class goes with it: classes are made again in notebooks."""

    def forgotten() -> weakref.ref[Any]:
        class Short(Model):
            class Settings:
                registry = Registry()

            id: Mapped[int] = Column(primary_key=True)

        dialect_for("sqlite").get_statement(mapper_of(Short))
        dialect_for("sqlite").compile(select(Short).statement)
        return weakref.ref(mapper_of(Short))

    reference = forgotten()
    gc.collect()

    assert reference() is None


def test_modules_import_alone() -> None:
    """No module of the dialects needs another one to be imported first."""
    for name in ("sqlite", "postgresql", "mysql", "sql", "codecs", "base"):
        assert importlib.import_module(f"uow.dialects.{name}").__all__
