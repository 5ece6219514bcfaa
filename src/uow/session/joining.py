"""Loading relations in the statement that reads their owners: `joined(...)`.

Every class of the statement has its columns, named `table__column`; of each the rows are made
objects once, however often they come. One list at most is joined, because rows of two would
multiply: the others are loaded after it. What cannot be joined at all is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NoReturn, cast

import attrs

from uow.errors import QueryError
from uow.expressions.alias import TableAlias
from uow.expressions.nodes import And, ColumnExpression, Expression, Label
from uow.mapping.hydration import make_hydrator
from uow.mapping.inheritance import Inheritance
from uow.mapping.relation import Direction, Relation
from uow.mapping.shapes import Shape, shape_of
from uow.query.clauses import sources_of
from uow.query.named import subquery
from uow.query.related import met_by, order_of
from uow.query.statements import Join, Select
from uow.query.tables import DerivedTable

if TYPE_CHECKING:
    from uow.mapping.foreign_keys import ForeignKey
    from uow.mapping.hydration import Hydrator
    from uow.mapping.mapper import Mapper
    from uow.mapping.paths import LoadStep
    from uow.session.codec import Codecs
    from uow.session.load_trees import LoadNode, LoadTree

__all__ = ["JoinedNode", "JoinedSelect", "join_nodes"]

_LONGEST = 50
"""So long may a name in the text be; a longer one is made of numbers."""


@attrs.define(eq=False)
class JoinedNode:
    """Objects that one statement reads: those of the query, or those related to others of it.

    Attributes:
        node: what is loaded; None for the objects of the query.
        owner: of which node its owners are.
        mapper: the class of its objects.
        classes: those its rows may be of; None for it and all below it.
        source: its table in the statement.
        start: where its columns begin in a row.
    """

    node: LoadNode | None
    owner: JoinedNode | None
    mapper: Mapper
    classes: tuple[Mapper, ...] | None
    source: Any
    start: int = 0

    @property
    def shape(self) -> Shape:
        """What a row holds of its objects."""
        return shape_of(self.mapper, self.classes)

    @property
    def step(self) -> LoadStep:
        """What is loaded, where that is a relation."""
        return cast("LoadNode", self.node).step

    @property
    def multiplies(self) -> bool:
        """Whether an owner may have several rows."""
        return self.node is not None and self.step.relation.direction is not Direction.TO_ONE


class JoinedSelect:
    """A select of objects and of what is related to them.

    Attributes:
        select: the tree, of columns.
        root: the objects of the query.
        nodes: what is read besides.
        multiplies: whether an object of the query may come in several rows.
        beside: how many values are read beside each.
        is_ours: an object comes once for each of what is read beside it.
    """

    __slots__ = ("_codecs", "_width", "beside", "is_ours", "multiplies", "nodes", "root", "select")

    def __init__(
        self,
        select: Select,
        root: JoinedNode,
        nodes: Sequence[JoinedNode],
        codecs: Codecs,
        *,
        is_ours: bool,
    ) -> None:
        self._codecs = codecs
        self.is_ours = is_ours
        self.root = root
        self.nodes = nodes
        self.multiplies = any(node.multiplies for node in nodes)
        self.beside = len(select.beside)
        self.select = _joined_select(select, root, nodes)
        self._width = len(self.select.columns)

    def keys(self, rows: Sequence[Any], node: JoinedNode) -> list[Any]:
        """The raw keys of the objects of a class, a row each; None where there is none."""
        shape = node.shape
        keyed = shape.classes[0] if shape.is_plain else node.mapper
        places = [node.start + shape.columns.index(column.stored) for column in keyed.key]
        if len(places) == 1:
            return list(map(itemgetter(places[0]), rows))
        found = [tuple([row[place] for place in places]) for row in rows]
        return [None if None in key else key for key in found]

    def values_beside(self, rows: Sequence[Any]) -> list[tuple[Any, ...]]:
        """What is read beside the objects, decoded, a row each."""
        if not self.beside:
            return [()] * len(rows)
        start = self._width - self.beside
        decode = self._codecs.dialect.decoder
        columns = self.select.columns[start:]
        decoders = [None if one.type is None else decode(one.type) for one in columns]
        return [
            tuple(
                value if decoder is None or value is None else decoder(value)
                for value, decoder in zip(row[start:], decoders, strict=True)
            )
            for row in rows
        ]

    def rows_of(self, node: JoinedNode, rows: Sequence[Any]) -> Sequence[Any]:
        """The rows that the `hydrator` of a class takes."""
        if node.mapper.hierarchy is None:
            return rows
        end = node.start + len(node.shape.columns)
        return [row[node.start : end] for row in rows]

    def hydrator(self, node: JoinedNode) -> Hydrator | None:
        """What makes objects of one class of the rows; None for classes that others inherit from.

        Those are made of `rows_of` as they are everywhere.
        """
        mapper, start = node.mapper, node.start
        if mapper.hierarchy is not None:
            return None
        place = (JoinedSelect, self._codecs.dialect, start, self._width)
        found: Hydrator | None = mapper.kept.get(place)
        if found is None:
            before, after = start, self._width - start - len(mapper.columns)
            shape = [*[None] * before, *mapper.columns, *[None] * after]
            decoders = [None if c is None else self._codecs.decoder(c) for c in shape]
            found = mapper.kept[place] = make_hydrator(mapper, shape, decoders)
        return found


def join_nodes(
    select: Select, tree: LoadTree, *, is_ours: bool = False
) -> tuple[JoinedNode, list[JoinedNode]] | None:
    """Choose what is joined of what is asked to be.

    Args:
        select: what reads the owners.
        tree: what is loaded with them.
        is_ours: it is a select of the library's, in which an owner comes once for each of what
            is read beside it.

    Returns:
        The objects of the select and what is joined to them; None if nothing is.

    Raises:
        QueryError: something that is asked for cannot be.
    """
    source, mapper = select.entity, select.entity_mapper
    if source is None or mapper is None or not any(node.step.is_joined for node in tree.values()):
        return None
    root = JoinedNode(None, None, mapper, select.classes, source)
    taken: list[Any] = list(sources_of(select))
    found: list[JoinedNode] = []
    waiting = [(root, node) for node in tree.values()]
    has_list = False
    for owner, node in waiting:
        relation = node.step.relation
        if not node.step.is_joined or (relation.many and has_list):
            continue
        _check(select, owner, node.step, is_ours=is_ours)
        target: Any = relation.target
        if any(_is_one_table(relation.target, one) for one in taken):
            _check_alias(relation, node.step)
            target = TableAlias(target, None)
        taken.append(target)
        has_list = has_list or relation.many
        joined = JoinedNode(node, owner, relation.target, None, target)
        found.append(joined)
        waiting.extend((joined, inner) for inner in node.inner.values())
    return root, found


def _is_one_table(target: Mapper, other: Any) -> bool:
    """Whether a class would go by the name of what is read already, in one of its tables."""
    mapper: Any = getattr(other, "mapper", other)
    if mapper is target:
        return True
    return target.hierarchy is not None and getattr(mapper, "hierarchy", None) is target.hierarchy


def _check(select: Select, owner: JoinedNode, step: LoadStep, *, is_ours: bool) -> None:
    """Refuse what cannot be read together with its owners."""
    relation = step.relation
    if step.limit is not None:
        _refuse(relation, "a limit for each owner needs a query of its own")
    if select.for_update is not None:
        _refuse(relation, "for_update locks the rows of the query, and not those read with them")
    if _is_stack(relation.target, None) or _is_stack(owner.mapper, owner.classes):
        _refuse(relation, "rows of a concrete hierarchy are put together from several tables")
    if relation.direction is not Direction.TO_ONE and not is_ours:
        if select.joins or len(select.froms) != 1:
            _refuse(relation, "the query has joins of its own, whose rows would multiply")
        if select.is_distinct and owner.mapper.hierarchy is not None:
            _refuse(relation, "the query is distinct, and its rows may be of several classes")


def _is_stack(mapper: Mapper, classes: tuple[Mapper, ...] | None) -> bool:
    hierarchy = mapper.hierarchy
    if hierarchy is None or hierarchy.kind is not Inheritance.CONCRETE:
        return False
    return len(classes or mapper.family) > 1


def _check_alias(relation: Relation, step: LoadStep) -> None:
    given: Any = relation.spec.order_by
    terms: list[Any] = [*given] if isinstance(given, (list, tuple)) else [given]
    is_plain = not relation.many or all(term is None or isinstance(term, str) for term in terms)
    if step.where or step.order_by or not is_plain:
        _refuse(
            relation,
            f"the query reads {relation.target.name} already, so its condition or order would be "
            "about the other one",
        )


def _refuse(relation: Relation, why: str) -> NoReturn:
    raise QueryError(
        f"joined({relation}): {why}; load({relation}), without joined, reads it after its owners"
    )


def _joined_select(select: Select, root: JoinedNode, nodes: Sequence[JoinedNode]) -> Select:
    source = root.source
    froms, own_joins, where = select.froms, select.joins, select.where
    is_limited = select.limit is not None or select.offset is not None
    is_whole = not is_limited and not select.is_distinct
    multiplies = any(node.multiplies for node in nodes)
    if not is_whole and (multiplies or select.is_distinct):
        where = ()
        if root.mapper.hierarchy is None:
            inner = select.replace(load=(), beside=())
            froms, own_joins = (DerivedTable(inner, None, stands_for=source),), ()
        else:  # a query in FROM stands for the columns of one class only
            froms, own_joins = (source,), (_picked(select, root.mapper),)
        is_whole = True
    columns = _columns(root, 0)
    joins: list[Join] = []
    order = list(select.order_by)
    for number, node in enumerate(nodes, 1):
        joins.extend(_joins(node))
        node.start = len(columns)
        columns.extend(_columns(node, number))
        if node.step.relation.many:
            order.extend(order_of(node.step.relation, node.step, node.source))
    beside = [Label(one, f"b{place}") for place, one in enumerate(select.beside)]
    return Select(
        columns=(*columns, *beside),
        froms=froms,
        joins=(*own_joins, *joins),
        where=where,
        order_by=tuple(order),
        limit=None if is_whole else select.limit,
        offset=None if is_whole else select.offset,
        classes=select.classes,
    )


def _picked(select: Select, mapper: Mapper) -> Join:
    """The keys of the objects of a select, to be joined to their rows."""
    source = cast("Any", select.entity)
    own = [ColumnExpression[Any](column, source) for column in mapper.key]
    keys = [Label(one, f"k{place}") for place, one in enumerate(own)]
    picked = select.replace(entity=None, columns=tuple(keys), load=(), beside=())
    inner = subquery(picked, None)
    met = tuple(one == other for one, other in zip(own, inner.c, strict=True))
    on = met[0] if len(met) == 1 else And(met)
    return Join(inner._uow_table, on)  # pyright: ignore[reportPrivateUsage] - a family of modules


def _joins(node: JoinedNode) -> list[Join]:
    owner = cast("JoinedNode", node.owner).source
    relation, where = node.step.relation, node.step.where
    if relation.direction is Direction.THROUGH:
        link = TableAlias(cast("Mapper", relation.link), None)
        near, far = cast("ForeignKey", relation.link_here), cast("ForeignKey", relation.link_there)
        return [
            Join(link, met_by(near, link, owner), is_outer=True),
            Join(node.source, _and(met_by(far, link, node.source), where), is_outer=True),
        ]
    key = cast("ForeignKey", relation.key)
    ends = (owner, node.source)
    if relation.direction is Direction.FROM_OTHERS:
        ends = ends[::-1]
    return [Join(node.source, _and(met_by(key, *ends), where), is_outer=True)]


def _and(condition: Expression[bool], others: tuple[Any, ...]) -> Expression[bool]:
    return And((condition, *others)) if others else condition


def _columns(node: JoinedNode, number: int) -> list[Expression[Any]]:
    """The columns of a class under names that tell which of the classes they are of."""
    columns: list[Expression[Any]] = []
    for place, column in enumerate(node.shape.columns):
        table = column.mapper.table_name
        prefix = table if number == 0 else f"{table}_{number}"
        name = f"{prefix}__{column.name}"
        if len(name) > _LONGEST or not name.isidentifier():
            name = f"t{number}__c{place}"
        columns.append(Label(ColumnExpression[Any](column, node.source), name))
    return columns
