"""What of a database is not ours to compare: tables of `uow` itself and of other programs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from typing import Final, cast

import attrs

from uow.errors import ValidationError
from uow.schema.description import Name, Schema, TableDef, TypeDef
from uow.schema.words import mentions

__all__ = ["is_ignored", "patterns_of", "without_ignored"]

OWN: Final = "_uow_*"
"""The names of our own tables: no model is theirs."""


def patterns_of(given: Collection[str]) -> tuple[str, ...]:
    """Check patterns, and add the one of our own tables.

    Raises:
        ValidationError: it is no list of patterns, or one is empty.
    """
    said: object = given
    is_list = isinstance(said, Iterable) and not isinstance(said, (str, bytes))
    patterns = tuple(cast("Iterable[object]", said)) if is_list else ()
    texts = tuple([one for one in patterns if isinstance(one, str) and one])
    if not is_list or len(texts) < len(patterns):
        raise ValidationError("ignore= is a list of patterns of names, such as ['celery_*']")
    return (OWN, *texts)


def is_ignored(name: Name, patterns: Iterable[str]) -> bool:
    """Whether a pattern fits a name, by itself or behind its schema's."""
    return any(fnmatchcase(name.name, one) or fnmatchcase(str(name), one) for one in patterns)


def without_ignored(
    there: Schema, patterns: Collection[str], asked: Collection[Name] = ()
) -> Schema:
    """Leave out tables, and what they stand on: types and sequences.

    Args:
        there: what a database has.
        patterns: the names of what is left out.
        asked: what is not, whatever it is called: models have it, or it is renamed.
    """

    def goes(name: Name) -> bool:
        return name not in asked and is_ignored(name, patterns)

    gone = [table for table in there.tables if goes(table.name)]
    theirs = _types_of(gone, there.types)
    return attrs.evolve(
        there,
        tables=tuple([table for table in there.tables if not goes(table.name)]),
        types=tuple(
            [
                one
                for one in there.types
                if not goes(one.name) and (one.name in asked or one.name not in theirs)
            ]
        ),
        sequences=tuple(
            [
                one
                for one in there.sequences
                if not goes(one.name) and (one.name in asked or not _counts(gone, one.name))
            ]
        ),
    )


def _types_of(tables: Iterable[TableDef], types: Iterable[TypeDef]) -> set[Name]:
    """The types of columns, and those that these are made of."""
    texts = [column.type for table in tables for column in table.columns]
    found: set[Name] = set()
    for one in reversed(tuple(types)):  # those that others are made of come first
        if any(mentions(text, one.name.name) for text in texts):
            found.add(one.name)
            texts += [type_ for _, type_ in one.fields]
    return found


def _counts(tables: Iterable[TableDef], sequence: Name) -> bool:
    """Whether a column may take its default from a sequence, whose name stands in a text there."""
    return any(
        sequence.name in (column.default or "") for table in tables for column in table.columns
    )
