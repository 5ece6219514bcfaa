"""Patterns of LIKE. Every pattern in a tree is escaped with `!`, on every store.

A backslash would be doubled again by MySQL's string syntax and by PostgreSQL's default escape,
so the one escape character is `!`, and it is escaped itself.
"""

from __future__ import annotations

from typing import Final

from uow.errors import QueryError

__all__ = ["SPECIAL", "plain", "rewritten"]

SPECIAL: Final = ("!", "%", "_")
"""The characters with a meaning, the escape itself first."""


def plain(text: str) -> str:
    """Escape a text so that it matches itself and nothing else."""
    for character in SPECIAL:
        text = text.replace(character, "!" + character)
    return text


def rewritten(pattern: str, escape: str | None) -> str:
    """Turn a user's pattern into one whose escape character is `!`.

    Args:
        pattern: with `%`, `_`, and the escape character if there is one.
        escape: one character, or None: then `%` and `_` always have their meaning.

    Raises:
        QueryError: the escape is not one character, or the pattern ends with it.
    """
    if escape is None:
        return pattern.replace("!", "!!")
    if len(escape) != 1:
        raise QueryError("escape= takes one character")
    result: list[str] = []
    characters = iter(pattern)
    for character in characters:
        if character == escape:
            following = next(characters, None)
            if following is None:
                raise QueryError(
                    "the pattern ends with its escape character, which escapes nothing"
                )
            result.append(plain(following))
        else:
            result.append("!!" if character == "!" else character)
    return "".join(result)
