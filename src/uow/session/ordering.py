"""In which order rows are written, so that no constraint is broken on the way.

Classes are ordered by their foreign keys. Only where that does not decide (classes that refer
to each other or to themselves, unique values that pass from one row to another) are single rows
ordered, by edges between rows whose values meet. Everything here is linear in what it is given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from uow.mapping.mapper import Mapper

__all__ = ["RowCycleError", "class_order", "components", "row_order"]

N = TypeVar("N", bound=Hashable)


class RowCycleError(Exception):
    """The nodes of a circle; the caller says what they are."""

    def __init__(self, nodes: Sequence[Any]) -> None:
        super().__init__(f"{len(nodes)} nodes in a circle")
        self.nodes = nodes


def class_order(mappers: Iterable[Mapper]) -> list[list[Mapper]]:
    """Group classes so that each group refers only to itself and to groups before it.

    Args:
        mappers: the classes that have rows in the flush, in any order.

    Returns:
        Groups; one class each, but for classes that refer to each other in a circle. Among
        groups without a relation the name of the table decides, so that all sessions take
        their locks in one order.
    """
    involved = sorted(set(mappers), key=lambda mapper: mapper.full_table_name)
    members = set(involved)
    edges = {
        mapper: [key.target for key in mapper.foreign_keys if key.target in members]
        for mapper in involved
    }
    return components(involved, edges)


def components(nodes: Sequence[N], edges: Mapping[N, Sequence[N]]) -> list[list[N]]:
    """Strongly connected components, each after all that it points to.

    Tarjan, "Depth-first search and linear graph algorithms" (SIAM J. Comput. 1, 1972), with
    a stack of its own instead of recursion.
    """
    index: dict[N, int] = {}
    low: dict[N, int] = {}
    on_stack: set[N] = set()
    stack: list[N] = []
    found: list[list[N]] = []
    for start in nodes:
        if start in index:
            continue
        index[start] = low[start] = len(index)
        stack.append(start)
        on_stack.add(start)
        work = [(start, iter(edges[start]))]
        while work:
            node, targets = work[-1]
            for target in targets:
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, iter(edges[target])))
                    break
                if target in on_stack:
                    low[node] = min(low[node], index[target])
            else:
                work.pop()
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[node])
                if low[node] == index[node]:
                    component: list[N] = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        component.append(member)
                        if member == node:
                            break
                    found.append(component[::-1])
    return found


def row_order(
    nodes: Sequence[N], before: Mapping[N, Sequence[N]], group: Callable[[N], int]
) -> list[N]:
    """Order rows so that each comes after the rows it waits for.

    Rows of one group stay together as far as the edges allow, because each run of one group
    becomes one statement.

    Args:
        nodes: the rows, in the order to keep where nothing else decides.
        before: for each row the rows that must come before it.
        group: the number of a row's group; lower groups first.

    Raises:
        RowCycleError: there is no such order.
    """
    waits = dict.fromkeys(nodes, 0)
    after: dict[N, list[N]] = {}
    for node in nodes:
        for earlier in before.get(node, ()):
            waits[node] += 1
            after.setdefault(earlier, []).append(node)
    ready: dict[int, deque[N]] = {}
    for node in nodes:
        if waits[node] == 0:
            ready.setdefault(group(node), deque()).append(node)
    ordered: list[N] = []
    while ready:
        current = min(ready)
        queue = ready[current]
        while queue:
            node = queue.popleft()
            ordered.append(node)
            for later in after.get(node, ()):
                waits[later] -= 1
                if waits[later] == 0:
                    ready.setdefault(group(later), deque()).append(later)
        del ready[current]
    if len(ordered) < len(waits):
        raise RowCycleError(circle([node for node in waits if waits[node]], before))
    return ordered


def circle(waiting: Sequence[N], before: Mapping[N, Sequence[N]]) -> list[N]:
    """Follow what waits for what until a node comes again."""
    stuck = set(waiting)
    node = waiting[0]
    path: dict[N, None] = {}
    while node not in path:
        path[node] = None
        node = next(earlier for earlier in before[node] if earlier in stuck)
    nodes = list(path)
    return nodes[nodes.index(node) :]
