"""`sql(...)`: the one type for SQL as the user writes it, with its own values."""

from __future__ import annotations

from string import Formatter
from typing import Any, cast, final

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

    What type a value has the text says around it: `age > {least}`, `CAST({day} AS date)`. Where it
    does not, or the class of the value leaves it open (a list is JSON, or an array), `literal`
    says it: `sql("SELECT .. WHERE id = ANY({ids})", ids=literal([1, 2], Array(int)))`.

    Args:
        text: SQL of the store at hand.
        values: one for each name in the text, plain or a `literal`.

    Raises:
        QueryError: a name has no value, a value has no name, or the text is malformed or empty.
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - users err
        raise QueryError(f"sql takes text, not a {type(text).__name__}")
    if not text.strip("; \t\r\n\f"):
        raise QueryError("sql: there is no statement in the text")
    literals: dict[str, Literal[Any]] = {}
    typed: list[Literal[Any]] = []
    parts: list[str | Literal[Any]] = []
    for piece, name in _pieces(text):
        if piece:
            parts.append(piece)
        if name is None:
            continue
        if name not in literals:
            if name not in values:
                raise QueryError(f"sql: {{{name}}} has no value")
            value = values[name]
            if isinstance(value, Literal):
                stated = cast("Literal[object]", value)
                literals[name] = stated
                typed.append(stated)
            else:
                literals[name] = literal_beside(value, None, None)
        parts.append(literals[name])
    unused = values.keys() - literals.keys()
    if unused:
        raise QueryError(f"sql: nothing in the text is called {', '.join(sorted(unused))}")
    return RawStatement(Raw(tuple(parts), tuple(typed)))


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
