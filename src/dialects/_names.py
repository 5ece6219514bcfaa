"""Names in text: quoted always, checked first. They come from the mapping, or are made here."""

from __future__ import annotations

import re
from collections.abc import Callable

from uow.errors import MappingError, QueryError

__all__ = ["Quoter", "plain_identifier"]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class Quoter:
    """Quotes names for one dialect and remembers the result.

    Args:
        quote: the quote character.
        max_length: the longest name.
        measure: how long a name is, as the store counts.
    """

    __slots__ = ("_known", "_max_length", "_measure", "_quote")

    def __init__(self, quote: str, max_length: int, measure: Callable[[str], int]) -> None:
        self._quote = quote
        self._max_length = max_length
        self._measure = measure
        self._known: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        """Quote a name.

        Raises:
            MappingError: no store takes such a name, or this one would cut it.
        """
        known = self._known.get(name)
        if known is None:
            self._check(name)
            known = self._known[name] = f"{self._quote}{name}{self._quote}"
        return known

    def _check(self, name: str) -> None:
        if not name:
            raise MappingError("a name in the store cannot be empty")
        if any(character in name for character in ('"', "`", "\0")):
            raise MappingError(f"the name {name!r} holds a quote or NUL character")
        if any("\ud800" <= character <= "\udfff" for character in name):
            raise MappingError(f"the name {name!r} holds a lone surrogate")
        length = self._measure(name)
        if length > self._max_length:
            raise MappingError(
                f"the name {name!r} is {length} long; this store keeps {self._max_length}"
            )


def plain_identifier(name: str, what: str) -> str:
    """Let pass what may stand in text unquoted: a function's name, a collation's.

    Raises:
        QueryError: it is anything but letters, digits and underscores.
    """
    if not _PLAIN.match(name) or not name.isascii():
        raise QueryError(f"{what} {name!r} is not a plain identifier")
    return name
