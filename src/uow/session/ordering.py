"""In which order rows are written, so that no constraint is broken on the way.

Classes are ordered by their foreign keys. Only where that does not decide (classes that refer
to each other or to themselves, unique values that pass from one row to another) are single rows
ordered, by edges between rows whose values meet. Everything here is linear in what it is given,
but for `broken_order`, which keeps a heap of the rows in circles.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from uow.mapping.mapper import Mapper

__all__ = [
    "FIRM",
    "Edge",
    "Remedy",
    "RowCycleError",
    "broken_order",
    "class_order",
    "components",
    "row_order",
]

N = TypeVar("N", bound=Hashable)
Node_co = TypeVar("Node_co", bound=Hashable, covariant=True)

FIRM: Final = 100
"""The price of an edge that cannot be given up."""


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
    involved = sorted(set(mappers), key=lambda mapper: (mapper.full_table_name, mapper.name))
    tables: dict[str, list[Mapper]] = {}
    for mapper in involved:
        tables.setdefault(mapper.full_table_name, []).append(mapper)
    edges = {
        mapper: [
            target
            for key in mapper.foreign_keys
            for target in tables.get(key.target.full_table_name, ())
        ]
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


class Edge(Protocol[Node_co]):
    """What makes one row wait for another."""

    @property
    def earlier(self) -> Node_co:
        """The row that is written first."""
        ...

    @property
    def later(self) -> Node_co:
        """The row that waits."""
        ...


class Remedy(Protocol):
    """What can be done about an edge."""

    @property
    def price(self) -> int:
        """The cheapest is taken first; from `FIRM` on it is none."""
        ...

    @property
    def key(self) -> Hashable:
        """Edges whose remedies have the same key are given up together."""
        ...


E = TypeVar("E", bound="Edge[Any]")
R = TypeVar("R", bound="Remedy")


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


def broken_order(
    nodes: Sequence[N],
    edges: Sequence[E],
    group: Callable[[N], int],
    remedy: Callable[[E], R],
) -> tuple[list[N], dict[E, R]]:
    """Order rows that wait for each other in circles, by giving up edges.

    Only edges inside of a circle are given up, those that cost least, and as few as can be told
    by looking at one row at a time: the fewest of all cannot be found in reasonable time.

    Args:
        nodes: the rows, in the order to keep where nothing else decides.
        edges: what makes them wait; an edge may lead from a row to itself.
        group: the number of a row's group; lower groups first.
        remedy: what can be done about an edge.

    Returns:
        The rows in order, and the edges that were given up, with what has to be done for each.

    Raises:
        RowCycleError: there is a circle of edges that cannot be given up.
    """
    return _Breaker(nodes, edges, group, remedy).run()


class _Breaker(Generic[N, E, R]):
    """Takes rows that wait for nothing; if there is none, one whose edges cost least."""

    def __init__(
        self,
        nodes: Sequence[N],
        edges: Sequence[E],
        group: Callable[[N], int],
        remedy: Callable[[E], R],
    ) -> None:
        self.nodes = nodes
        self.group = group
        self.place = {node: number for number, node in enumerate(nodes)}
        targets: dict[N, list[N]] = {node: [] for node in nodes}
        self.into: dict[N, list[E]] = {node: [] for node in nodes}
        self.out: dict[N, list[E]] = {node: [] for node in nodes}
        for edge in edges:
            targets[edge.later].append(edge.earlier)
            self.into[edge.later].append(edge)
            self.out[edge.earlier].append(edge)
        circle_of = {
            node: number
            for number, found in enumerate(components(nodes, targets))
            for node in found
        }
        self.remedies: dict[E, R] = {}
        self.alike: dict[Hashable, list[E]] = {}
        self.open: set[E] = set(edges)
        # Of each row how many edges of which price it waits for.
        self.waits: dict[N, dict[int, int]] = {node: {} for node in nodes}
        for edge in edges:
            price = FIRM
            if circle_of[edge.earlier] == circle_of[edge.later]:
                found = self.remedies[edge] = remedy(edge)
                price = min(found.price, FIRM)
                self.alike.setdefault(found.key, []).append(edge)
            waits = self.waits[edge.later]
            waits[price] = waits.get(price, 0) + 1
        self.ready: dict[int, deque[N]] = {}
        self.stuck: list[tuple[int, int, int, N]] = []
        self.done: set[N] = set()
        self.given_up: dict[E, R] = {}

    def run(self) -> tuple[list[N], dict[E, R]]:
        for node in self.nodes:
            self._look_at(node)
        ordered: list[N] = []
        while len(ordered) < len(self.nodes):
            while self.ready:
                current = min(self.ready)
                queue = self.ready[current]
                while queue:
                    node = queue.popleft()
                    ordered.append(node)
                    self.done.add(node)
                    for edge in self.out[node]:
                        self._close(edge)
                del self.ready[current]
            if len(ordered) < len(self.nodes):
                self._force()
        return ordered, self.given_up

    def _price(self, edge: E) -> int:
        found = self.remedies.get(edge)
        return FIRM if found is None else min(found.price, FIRM)

    def _look_at(self, node: N) -> None:
        """Queue a row that is ready, or could be forced."""
        waits = self.waits[node]
        if not waits:
            self.ready.setdefault(self.group(node), deque()).append(node)
        elif FIRM not in waits:
            dearest = max(waits)
            heappush(self.stuck, (dearest, waits[dearest], self.place[node], node))

    def _close(self, edge: E) -> None:
        """An edge is no longer waited for."""
        if edge not in self.open:
            return
        self.open.discard(edge)
        waits = self.waits[edge.later]
        price = self._price(edge)
        waits[price] -= 1
        if not waits[price]:
            del waits[price]
        self._look_at(edge.later)

    def _force(self) -> None:
        """Give up what the row waits for that is the cheapest to take now."""
        while self.stuck:
            price, count, _, node = heappop(self.stuck)
            waits = self.waits[node]
            if node in self.done or not waits or (price, count) != (max(waits), waits[max(waits)]):
                continue  # it is another entry's turn
            for edge in self.into[node]:
                if edge in self.open:
                    self.given_up[edge] = self.remedies[edge]
                    for other in self.alike[self.remedies[edge].key]:
                        self._close(other)
            return
        firm = {
            node: [e.earlier for e in self.into[node] if e in self.open and self._price(e) == FIRM]
            for node in self.nodes
            if node not in self.done
        }
        raise RowCycleError(circle(list(firm), firm))


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
