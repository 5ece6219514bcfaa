"""The order of rows and the circles in it, against a search over all orders (U7)."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import permutations

import attrs
from hypothesis import given
from hypothesis import strategies as st

from uow.session.ordering import FIRM, RowCycleError, broken_order, components, row_order


@attrs.frozen(eq=False)
class Arrow:
    """An edge between numbers, with a price and with what it is given up together."""

    earlier: int
    later: int
    price: int
    kin: int

    @property
    def key(self) -> Hashable:
        """The edges of one row and kin go together."""
        return self.earlier, self.kin


def arrows(count: int) -> st.SearchStrategy[list[Arrow]]:
    """Edges between so many rows."""
    rows = st.integers(0, count - 1)
    prices = st.sampled_from([0, 1, 2, FIRM])
    return st.lists(st.builds(Arrow, rows, rows, prices, st.integers(0, 1)), max_size=10)


def by_step(row: int) -> int:
    """Even rows are of one step, odd ones of the next."""
    return row % 2


def is_kept(order: list[int], edge: Arrow) -> bool:
    """Whether an order has what an edge asks for."""
    return order.index(edge.earlier) < order.index(edge.later)


@given(st.integers(1, 5).flatmap(lambda count: st.tuples(st.just(count), arrows(count))))
def test_an_order_is_found_if_there_is_one(drawn: tuple[int, list[Arrow]]) -> None:
    """All edges are kept but those given up; none is, where an order keeps them all."""
    count, edges = drawn
    rows = list(range(count))
    firm = [edge for edge in edges if edge.price >= FIRM]
    try:
        order, given_up = broken_order(rows, edges, by_step, lambda edge: edge)
    except RowCycleError as error:
        assert not any(all(is_kept([*o], e) for e in firm) for o in permutations(rows))
        circle = [*error.nodes, error.nodes[0]]
        pairs = {(edge.earlier, edge.later) for edge in firm}
        assert all(pair in pairs for pair in zip(circle[1:], circle, strict=False))
        return

    assert sorted(order) == rows
    keys = {edge.key for edge in given_up}
    for edge in edges:
        assert is_kept(order, edge) or edge in given_up or edge.key in keys
        assert edge.price < FIRM or edge not in given_up
    if any(all(is_kept([*o], e) for e in edges) for o in permutations(rows)):
        assert not given_up


@given(st.integers(1, 5).flatmap(lambda count: st.tuples(st.just(count), arrows(count))))
def test_only_circles_are_broken(drawn: tuple[int, list[Arrow]]) -> None:
    """An edge that is in no circle is kept, whatever it costs."""
    count, edges = drawn
    rows = list(range(count))
    targets = {row: [edge.earlier for edge in edges if edge.later == row] for row in rows}
    circle_of = {row: n for n, found in enumerate(components(rows, targets)) for row in found}
    try:
        order, given_up = broken_order(rows, edges, by_step, lambda edge: edge)
    except RowCycleError:
        return

    for edge in given_up:
        assert circle_of[edge.earlier] == circle_of[edge.later]
    for edge in edges:
        assert circle_of[edge.earlier] == circle_of[edge.later] or is_kept(order, edge)


def test_a_ring_is_broken_once() -> None:
    """A ring of any length is broken at one edge, and the cheapest kind of edge is taken."""
    count = 2000
    ring = [Arrow(n, (n + 1) % count, 2, 0) for n in range(count)]
    order, given_up = broken_order(range(count), ring, lambda _: 0, lambda edge: edge)

    assert len(given_up) == 1
    assert len(order) == count

    ring[700] = Arrow(700, 701, 1, 0)
    order, given_up = broken_order(range(count), ring, lambda _: 0, lambda edge: edge)

    assert list(given_up) == [ring[700]]
    assert order[0] == 701


def test_rows_of_one_step_stay_together() -> None:
    """Rows are taken step by step as far as the edges allow, because a run is a statement."""
    rows = [0, 2, 4, 1, 3, 5]
    edges = [Arrow(2, 1, FIRM, 0), Arrow(5, 0, FIRM, 0)]
    before = {edge.later: [edge.earlier] for edge in edges}

    assert row_order(rows, before, by_step) == [2, 4, 3, 5, 1, 0]

    edges += [Arrow(2, 4, 2, 0), Arrow(4, 2, 1, 0)]
    order, given_up = broken_order(rows, edges, by_step, lambda edge: edge)

    assert order == [3, 5, 0, 2, 4, 1]
    assert list(given_up) == [edges[-1]]
