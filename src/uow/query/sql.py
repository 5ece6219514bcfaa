"""`sql(...)`: the one type for SQL as the user writes it, with its own values."""

from __future__ import annotations

from string import Formatter
from typing import Any, final

from uow.errors import QueryError
from uow.expressions.nodes import Literal, literal_beside
from uow.query.executable import Executable
from uow.query.statements import Raw

__all__ = ["RawStatement", "sql"]


@final
class RawStatement(Executable[Any]):
    """SQL as the user wrote it; gives rows if it returns any, else the number of rows matched."""

    __slots__ = ("_raw",)

    def __init__(self, raw: Raw) -> None:
        self._raw = raw

    def __repr__(self) -> str:
        return "<RawStatement>"

    @property
    def statement(self) -> Raw:
        """The tree."""
        return self._raw


def sql(text: str, /, **values: object) -> RawStatement:
    """Make a statement of SQL text: `sql("SELECT * FROM authors WHERE id = {id}", id=3)`.

    The text is sent as it is, so it must never hold what came from outside. Each `{name}` becomes a
    placeholder of the store, to which the value is bound; `{{` and `}}` are braces.

    Args:
        text: SQL of the store at hand.
        values: one for each name in the text.

    Raises:
        QueryError: a name has no value, a value has no name, or the text is malformed.
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - users err
        raise QueryError(f"sql takes text, not a {type(text).__name__}")
    literals: dict[str, Literal[Any]] = {}
    parts: list[str | Literal[Any]] = []
    for piece, name in _pieces(text):
        if piece:
            parts.append(piece)
        if name is None:
            continue
        if name not in literals:
            if name not in values:
                raise QueryError(f"sql: {{{name}}} has no value")
            literals[name] = literal_beside(values[name], None, None)
        parts.append(literals[name])
    unused = values.keys() - literals.keys()
    if unused:
        raise QueryError(f"sql: nothing in the text is called {', '.join(sorted(unused))}")
    return RawStatement(Raw(tuple(parts)))


def _pieces(text: str) -> list[tuple[str, str | None]]:
    pieces: list[tuple[str, str | None]] = []
    try:
        parsed = list(Formatter().parse(text))
    except ValueError as error:
        raise QueryError(f"sql: {error}; a brace is written twice") from error
    for piece, name, spec, conversion in parsed:
        if name is not None and (spec or conversion or not name.isidentifier()):
            raise QueryError("sql: in braces stands the name of a value, and nothing else")
        pieces.append((piece, name))
    return pieces
