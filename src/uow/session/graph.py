"""The steps of a flush as a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = ["Drawn", "flowchart"]


class Drawn(Protocol):
    """A step, as far as it is drawn."""

    @property
    def kind(self) -> IntEnum:
        """What is done: INSERT, UPDATE or DELETE."""
        ...

    @property
    def mapper(self) -> Mapper:
        """Whose table."""
        ...

    @property
    def columns(self) -> tuple[MappedColumn, ...]:
        """What is given."""
        ...


def flowchart(steps: Sequence[Drawn]) -> str:
    """Draw the steps in order, and between which of them rows may meet.

    The text depends on nothing but the steps, so it can be compared.
    """
    lines = ["flowchart TD"]
    if not steps:
        lines.append('    s0["nothing to flush"]')
    for number, step in enumerate(steps, 1):
        lines.append(f"    s{number}[{_quoted(f'{number}. {step}')}]")
    lines += [f"    s{number} --> s{number + 1}" for number in range(1, len(steps))]
    for number, later in enumerate(steps, 1):
        for place, earlier in enumerate(steps[: number - 1], 1):
            lines += [
                f"    s{place} -.->|{_quoted(reason)}| s{number}"
                for reason in dict.fromkeys(_reasons(earlier, later))
            ]
    return "\n".join(lines)


def _reasons(earlier: Drawn, later: Drawn) -> Iterator[str]:
    """The constraints because of which one step may have to wait for another."""
    if earlier.kind.name == "INSERT":
        yield from _references(later, earlier)
    if later.kind.name == "DELETE":
        yield from _references(earlier, later)
    if earlier.kind.name == "INSERT" or later.kind.name == "DELETE":
        return
    if earlier.mapper.full_table_name == later.mapper.full_table_name:
        for columns in _unique_columns(earlier.mapper):
            if _writes(earlier, columns) and _writes(later, columns):
                yield f"{_named(earlier.mapper, columns)} unique"


def _references(step: Drawn, target: Drawn) -> Iterator[str]:
    for key in step.mapper.foreign_keys:
        same = key.target.full_table_name == target.mapper.full_table_name
        if same and _writes(step, key.columns):
            yield _named(step.mapper, key.columns)


def _unique_columns(mapper: Mapper) -> Iterator[tuple[MappedColumn, ...]]:
    yield mapper.key
    yield from (one.columns for one in mapper.uniques)
    yield from (one.columns for one in mapper.indexes if one.unique and one.columns)


def _writes(step: Drawn, columns: Sequence[MappedColumn]) -> bool:
    return step.kind.name != "UPDATE" or any(column in step.columns for column in columns)


def _named(mapper: Mapper, columns: Sequence[MappedColumn]) -> str:
    return f"{mapper.table_name} ({', '.join(column.name for column in columns)})"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', "#quot;") + '"'
