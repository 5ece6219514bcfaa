"""Which SQL defaults every store has, under one spelling or another."""

from __future__ import annotations

__all__ = ["known_function"]

_KNOWN = frozenset(
    {
        "CURRENT_DATE",
        "CURRENT_TIME",
        "CURRENT_TIMESTAMP",
        "GEN_RANDOM_UUID()",
        "LOCALTIME",
        "LOCALTIMESTAMP",
        "NOW()",
        "RANDOM()",
        "UUID()",
        "UUID_GENERATE_V4()",
    }
)


def known_function(text: str) -> str | None:
    """The normal spelling of a portable SQL function or keyword, or None.

    >>> known_function("now( )")
    'NOW()'
    """
    normal = "".join(text.split()).upper()
    if normal.endswith("()") and normal[:-2] in _KNOWN:
        normal = normal[:-2]  # CURRENT_TIMESTAMP()
    return normal if normal in _KNOWN else None
