"""SQL as a row of words, signs and literals: enough to find names in it and to compare it.

It is no parser: what stands in a definition is SQL that a store has understood, or will.
"""

from __future__ import annotations

import enum
import re
from typing import Final

import attrs

__all__ = ["Kind", "Word", "mentions", "renamed", "same_sql", "words"]


class Kind(enum.Enum):
    """What a word is."""

    NAME = "name"
    """A key word, or a name without quotes."""
    QUOTED = "quoted name"
    TEXT = "text"
    NUMBER = "number"
    SIGN = "sign"


@attrs.frozen
class Word:
    """One word of SQL.

    Attributes:
        kind: what it is.
        text: as it stands there, quotes included.
        start: where it begins.
        end: where it ends.
    """

    kind: Kind
    text: str
    start: int
    end: int

    @property
    def value(self) -> str:
        """A name without its quotes, or the text itself."""
        if self.kind is not Kind.QUOTED:
            return self.text
        quote = self.text[-1]
        return self.text[1:-1].replace(quote * 2, quote)

    @property
    def upper(self) -> str:
        """A word without quotes in capitals; nothing for what has quotes, which is no key word."""
        return "" if self.kind is Kind.QUOTED else self.text.upper()

    @property
    def is_name(self) -> bool:
        """Whether it may name something."""
        return self.kind in {Kind.NAME, Kind.QUOTED}


_PATTERN: Final = r"""
    (?P<space>\s+|--[^\n]*|/\*.*?\*/)
  | (?P<text>[xXbBeE]?'(?:%s|''|[^'])*')
  | (?P<quoted>"(?:""|[^"])*"|`(?:``|[^`])*`|\[[A-Za-z_][^\[\]]*\])
  | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)
  | (?P<name>[^\W\d][\w$]*)
  | (?P<sign>::|<=>|<=|>=|<>|!=|\|\||&&|->>|->|\#>>|\#>|@>|<@|!~~\*?|~~\*?|[^\w\s])
"""
_PLAIN: Final = re.compile(_PATTERN % "[^']", re.VERBOSE | re.DOTALL)
_ESCAPING: Final = re.compile(_PATTERN % r"\\.", re.VERBOSE | re.DOTALL)


def words(sql: str, *, backslashes: bool = False) -> list[Word]:
    """Cut SQL into words; space and comments are left out.

    Args:
        sql: the text.
        backslashes: whether a backslash in a text hides what follows, as on MySQL.
    """
    pattern = _ESCAPING if backslashes else _PLAIN
    kinds = {
        "text": Kind.TEXT,
        "quoted": Kind.QUOTED,
        "number": Kind.NUMBER,
        "name": Kind.NAME,
        "sign": Kind.SIGN,
    }
    found: list[Word] = []
    for match in pattern.finditer(sql):
        kind = kinds.get(match.lastgroup or "")
        if kind is not None:
            found.append(Word(kind, match.group(), match.start(), match.end()))
    return found


def mentions(sql: str | None, name: str) -> bool:
    """Whether SQL may speak of a column of that name; a text of that content does not count."""
    if sql is None:
        return False
    wanted = name.lower()
    return any(word.is_name and word.value.lower() == wanted for word in words(sql))


def renamed(sql: str, old: str, new: str) -> str:
    """Put another name in the place of a column's, in quotes where that one has some."""
    parts: list[str] = []
    end = 0
    found = words(sql)
    for place, word in enumerate(found):
        following = found[place + 1].text if place + 1 < len(found) else ""
        if not word.is_name or word.value.lower() != old.lower():
            continue
        if word.kind is Kind.NAME and following == "(":
            continue  # a function
        text = new if word.kind is Kind.NAME else f"{word.text[0]}{new}{word.text[-1]}"
        parts += [sql[end : word.start], text]
        end = word.end
    return "".join([*parts, sql[end:]])


def same_sql(one: str | None, other: str | None) -> bool:
    """Whether two pieces of SQL say the same, but for space, quotes and brackets around all."""
    if one is None or other is None:
        return one is other
    return one == other or _plain(one) == _plain(other)


def _plain(sql: str) -> list[str]:
    found = words(sql)
    texts = [w.text if w.kind is Kind.TEXT else w.value.lower() for w in found]
    while len(texts) > 1 and texts[0] == "(" and _closes_last(texts):
        texts = texts[1:-1]
    return texts


def _closes_last(texts: list[str]) -> bool:
    """Whether the first bracket is closed by the last."""
    depth = 0
    for place, text in enumerate(texts):
        depth += (text == "(") - (text == ")")
        if depth == 0:
            return place == len(texts) - 1
    return False
