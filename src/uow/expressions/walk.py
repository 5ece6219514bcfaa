"""Going through a tree without knowing its kinds of nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

from uow.expressions.nodes import Expression, OrderTerm, is_expression
from uow.expressions.windows import Window

__all__ = ["walk"]


def walk(roots: Iterable[object]) -> Iterator[Expression[Any]]:
    """Give every expression at or below the roots, in the order in which they are written.

    What stands inside a subquery is of its own and is left out.
    """
    pending: list[object] = list(roots)
    pending.reverse()
    while pending:
        node = pending.pop()
        if type(node) is tuple:
            pending.extend(reversed(cast("tuple[object, ...]", node)))
        elif is_expression(node):
            yield node
            pending.extend(_below(node))
        elif isinstance(node, OrderTerm | Window):
            pending.extend(_below(node))


def _below(node: Any) -> list[object]:
    return [getattr(node, name) for name in reversed(node.__slots__)]
