"""Patterns of LIKE as regular expressions."""

from __future__ import annotations

import re
from typing import Any, Final

from uow.errors import QueryError
from uow.expressions.nodes import Like, Literal

__all__ = ["regex_of"]

_WILDCARDS: Final = {"%": ".*", "_": "."}


def regex_of(node: Like) -> tuple[str, str]:
    """Give the regular expression of a pattern, and its options.

    What a pattern begins with stands behind `^` and nothing else, so that an index can serve it.

    Raises:
        QueryError: the pattern is computed.
    """
    if not isinstance(node.pattern, Literal):
        raise QueryError("MongoDB matches patterns that are plain texts, not ones of other fields")
    literal: Any = node.pattern
    parts: list[str] = []
    characters = iter(str(literal.value))
    for character in characters:
        if character == "!":
            parts.append(re.escape(next(characters, "")))
        else:
            parts.append(_WILDCARDS.get(character) or re.escape(character))
    start, end = "^", r"\z"
    if parts and parts[0] == ".*":
        start, parts = "", parts[1:]
    if parts and parts[-1] == ".*":
        end, parts = "", parts[:-1]
    return start + "".join(parts) + end, "is" if node.is_insensitive else "s"
