"""Patterns of LIKE, against a plain reading of what they mean."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uow.errors import QueryError
from uow.expressions.patterns import plain, rewritten

TRICKY = st.text(alphabet="ab%_!\\[*?#", max_size=8)


def matches(pattern: str, text: str, escape: str | None) -> bool:
    """LIKE as the SQL standard has it."""
    parts: list[str] = []
    characters = iter(pattern)
    for character in characters:
        if character == escape:
            parts.append(re.escape(next(characters)))
        else:
            parts.append({"%": ".*", "_": "."}.get(character, re.escape(character)))
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


@given(part=TRICKY, text=TRICKY)
def test_a_plain_part_matches_itself_only(part: str, text: str) -> None:
    """F69: an escaped part is found exactly where the text holds it."""
    assert matches(f"%{plain(part)}%", text, "!") == (part in text)
    assert matches(f"{plain(part)}%", text, "!") == text.startswith(part)
    assert matches(plain(part), text, "!") == (part == text)


@given(pattern=TRICKY, text=TRICKY)
def test_a_pattern_without_escape_keeps_its_meaning(pattern: str, text: str) -> None:
    """F69: a user's `!`, backslash and bracket stay plain characters."""
    assert matches(rewritten(pattern, None), text, "!") == matches(pattern, text, None)


@given(pattern=TRICKY, text=TRICKY, escape=st.sampled_from("\\#!%"))
def test_a_pattern_with_escape_keeps_its_meaning(pattern: str, text: str, escape: str) -> None:
    """A user's own escape character is translated."""
    try:
        mine = rewritten(pattern, escape)
    except QueryError:
        with pytest.raises(StopIteration):
            matches(pattern, text, escape)
    else:
        assert matches(mine, text, "!") == matches(pattern, text, escape)
