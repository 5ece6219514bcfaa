"""Queries and conditions that follow relations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from uow.errors import NotLoadedError, QueryError
from uow.expressions import func
from uow.expressions.alias import TableAlias
from uow.expressions.literals import INTEGER
from uow.expressions.nodes import (
    And,
    ColumnExpression,
    Exists,
    Expression,
    Function,
    In,
    InSubquery,
    IsNull,
    Literal,
    Or,
    OrderTerm,
    ScalarSubquery,
    TruthValue,
    as_condition,
    as_order_term,
)
from uow.mapping.mapper import MappedColumn, Mapper
from uow.mapping.relation import Direction, Relation
from uow.query.named import subquery
from uow.query.statements import Join, Select

if TYPE_CHECKING:
    from uow.mapping.foreign_keys import ForeignKey
    from uow.mapping.paths import LoadStep

__all__ = [
    "RelationExpressions",
    "count_by_owner",
    "matching",
    "met_by",
    "order_of",
    "select_linked",
    "select_related",
]

AnyExpression = Expression[Any]
_RANK = "uow_rank"


class RelationExpressions:
    """Makes expressions of relations; see `uow.mapping.paths.RelationQueries`."""

    __slots__ = ()

    def conditions(self, given: tuple[object, ...]) -> tuple[AnyExpression, ...]:
        """See `RelationQueries`."""
        return tuple(as_condition(one, "where") for one in given)

    def terms(self, given: tuple[object, ...]) -> tuple[OrderTerm, ...]:
        """See `RelationQueries`."""
        return tuple(as_order_term(one, "order_by") for one in given)

    def any(self, relation: Relation, conditions: tuple[object, ...]) -> Expression[bool]:
        """See `RelationQueries`."""
        where = tuple(as_condition(one, "any") for one in conditions)
        here, inside, froms, joins = _correlation(relation)
        if len(here) == 1:
            # A list of keys has a scope of its own, so a class may refer to itself.
            inner = Select(
                columns=(inside[0],),
                froms=froms,
                joins=joins,
                where=(IsNull(inside[0], is_negated=True), *where),
            )
            return And((IsNull(here[0], is_negated=True), InSubquery(here[0], inner)))
        if relation.target is relation.mapper:
            raise QueryError(
                f"{relation} has a key of several columns and leads to its own class; join an "
                "aliased(...) one instead"
            )
        met = tuple(one == other for one, other in zip(here, inside, strict=True))
        one = (Literal(1, INTEGER),)
        return Exists(Select(columns=one, froms=froms, joins=joins, where=(*met, *where)))

    def count(self, relation: Relation, conditions: tuple[object, ...]) -> Expression[int]:
        """See `RelationQueries`."""
        where = tuple(as_condition(one, "count") for one in conditions)
        alias: TableAlias | None = None
        if relation.target is relation.mapper and relation.direction is not Direction.THROUGH:
            if where:
                raise QueryError(
                    f"{relation} leads to its own class, so conditions would not say which of "
                    "the two is meant; join an aliased(...) one instead"
                )
            alias = TableAlias(relation.target, None)
        here, inside, froms, joins = _correlation(relation, alias, links_only=not where)
        met = tuple(one == other for one, other in zip(here, inside, strict=True))
        number: Function[int] = Function("count", (), INTEGER)
        inner = Select(columns=(number,), froms=froms, joins=joins, where=(*met, *where))
        return ScalarSubquery(inner, INTEGER)

    def of(self, relation: Relation, obj: Any) -> Expression[bool]:
        """See `RelationQueries`."""
        if not isinstance(obj, relation.mapper.class_):
            raise QueryError(
                f"{relation}.of() takes an object of {relation.mapper.name}, not a "
                f"{type(obj).__name__}"
            )
        if relation.direction is Direction.THROUGH:
            here, there = _ends(relation)
            link = cast("Mapper", relation.link)
            values = _values(obj, here.target_columns, relation)
            where = tuple(
                ColumnExpression(column, link) == value
                for column, value in zip(here.columns, values, strict=True)
            )
            (column, *others), (target, *_) = there.columns, there.target_columns
            if others:
                raise QueryError(f"{relation}.of() needs a key of one column")
            inner = Select(columns=(ColumnExpression(column, link),), froms=(link,), where=where)
            return InSubquery(ColumnExpression(target, relation.target), inner)
        key = cast("ForeignKey", relation.key)
        to_one = relation.direction is Direction.TO_ONE
        outside = key.columns if to_one else key.target_columns
        inside = key.target_columns if to_one else key.columns
        values = _values(obj, outside, relation)
        found = tuple(
            ColumnExpression(column, relation.target) == value
            for column, value in zip(inside, values, strict=True)
        )
        return _all_of(found)


def _all_of(conditions: Sequence[Expression[bool]]) -> Expression[bool]:
    return conditions[0] if len(conditions) == 1 else And(tuple(conditions))


def _values(obj: Any, columns: Sequence[MappedColumn], relation: Relation) -> list[Any]:
    values = [getattr(obj, column.attribute) for column in columns]
    if None in values:
        raise NotLoadedError(f"{relation}.of(): the object has no key yet; flush it first")
    return values


def _ends(relation: Relation) -> tuple[ForeignKey, ForeignKey]:
    return cast("ForeignKey", relation.link_here), cast("ForeignKey", relation.link_there)


def _correlation(
    relation: Relation, alias: TableAlias | None = None, *, links_only: bool = False
) -> tuple[list[AnyExpression], list[AnyExpression], tuple[Any, ...], tuple[Join, ...]]:
    """Which columns of the class meet which ones of what is read for it."""
    mapper: Any = relation.mapper
    target: Any = relation.target if alias is None else alias
    if relation.direction is not Direction.THROUGH:
        key = cast("ForeignKey", relation.key)
        own, other = key.columns, key.target_columns
        if relation.direction is Direction.FROM_OTHERS:
            own, other = other, own
        here = [ColumnExpression[Any](column, mapper) for column in own]
        inside = [ColumnExpression[Any](column, target) for column in other]
        return [*here], [*inside], (target,), ()
    link: Any = relation.link
    near, far = _ends(relation)
    here = [ColumnExpression[Any](column, mapper) for column in near.target_columns]
    inside = [ColumnExpression[Any](column, link) for column in near.columns]
    joins: tuple[Join, ...] = ()
    if not links_only:
        joins = (Join(target, met_by(far, link, target)),)
    return [*here], [*inside], (link,), joins


def met_by(key: ForeignKey, source: Any, target: Any) -> Expression[bool]:
    """The condition that a row of one table refers to one of another."""
    met = tuple(
        ColumnExpression[Any](column, source) == ColumnExpression[Any](other, target)
        for column, other in zip(key.columns, key.target_columns, strict=True)
    )
    return met[0] if len(met) == 1 else And(met)


def matching(columns: Sequence[MappedColumn], source: Any, keys: Sequence[Any]) -> Expression[bool]:
    """The condition that columns hold one of several values (tuples, for several columns)."""
    if not keys:
        return TruthValue(False)
    if len(columns) == 1:  # past the check of each value: they are keys of objects
        (column,) = columns
        return In(ColumnExpression[Any](column, source), tuple(keys), column.type)
    alternatives = tuple(
        And(
            tuple(
                ColumnExpression[Any](column, source) == value
                for column, value in zip(columns, key, strict=True)
            )
        )
        for key in keys
    )
    return alternatives[0] if len(alternatives) == 1 else Or(alternatives)


def order_of(
    relation: Relation, step: LoadStep | None, source: Any = None
) -> tuple[OrderTerm, ...]:
    """The order in which the objects of a relation are loaded, from a table or an alias of it."""
    if step is not None and step.order_by:
        return step.order_by
    given: Any = relation.spec.order_by
    if given is None:
        return ()
    if callable(given) and not isinstance(given, Expression):
        given = cast("Callable[[], Any]", given)()
    terms: list[object] = [*given] if isinstance(given, (list, tuple)) else [given]
    return tuple(_term(relation.target, term, source or relation.target) for term in terms)


def _term(target: Mapper, term: object, source: Any) -> OrderTerm:
    if not isinstance(term, str):
        return as_order_term(term, "order_by")
    column = target.column(term.removeprefix("-"))
    return OrderTerm(ColumnExpression[Any](column, source), is_descending=term.startswith("-"))


def select_related(
    relation: Relation,
    columns: Sequence[MappedColumn],
    keys: Sequence[Any],
    step: LoadStep | None = None,
) -> Select:
    """Read the objects of a relation whose columns hold one of these keys."""
    target = relation.target
    where = () if step is None else step.where
    order = order_of(relation, step) if relation.many else ()
    found = (matching(columns, target, keys), *where)
    if step is None or step.limit is None:
        return Select(entity=target, froms=(target,), where=found, order_by=order)
    own = tuple(ColumnExpression[Any](column, target) for column in target.key)
    rank = _rank([ColumnExpression[Any](c, target) for c in columns], order or own)
    inner = subquery(Select(columns=(*own, rank), froms=(target,), where=found), None)
    met = [one == other for one, other in zip(own, inner.c, strict=False)]
    join = Join(inner._uow_table, met[0] if len(met) == 1 else And(tuple(met)))  # pyright: ignore[reportPrivateUsage]
    first = inner.c[_RANK] <= step.limit
    return Select(entity=target, froms=(target,), joins=(join,), where=(first,), order_by=order)


def select_linked(relation: Relation, keys: Sequence[Any], step: LoadStep | None = None) -> Select:
    """Read the objects of a relation through a link table, and beside each whose it is."""
    target, link = relation.target, cast("Mapper", relation.link)
    near, far = _ends(relation)
    owner = tuple(ColumnExpression[Any](column, link) for column in near.columns)
    where = () if step is None else step.where
    order = order_of(relation, step)
    found = (matching(near.columns, link, keys), *where)
    linked = Join(target, met_by(far, link, target))
    if step is None or step.limit is None:
        return Select(
            entity=target, froms=(link,), joins=(linked,), where=found, order_by=order, beside=owner
        )
    ends = tuple(ColumnExpression[Any](column, link) for column in far.columns)
    rank = _rank(owner, order or ends)
    inner = subquery(
        Select(columns=(*owner, *ends, rank), froms=(link,), joins=(linked,), where=found), None
    )
    inside = list(inner.c)
    width = len(owner)
    met = tuple(
        one == ColumnExpression[Any](column, target)
        for one, column in zip(inside[width:], far.target_columns, strict=False)
    )
    join = Join(target, met[0] if len(met) == 1 else And(met))
    return Select(
        entity=target,
        froms=(inner._uow_table,),  # pyright: ignore[reportPrivateUsage] - a family of modules
        joins=(join,),
        where=(inner.c[_RANK] <= step.limit,),
        order_by=order,
        beside=tuple(inside[:width]),
    )


def _rank(partition: Sequence[AnyExpression], order: Sequence[Any]) -> AnyExpression:
    number: Any = func.row_number()
    ranked: AnyExpression = number.over(partition_by=list(partition), order_by=list(order))
    return ranked.label(_RANK)


def count_by_owner(relation: Relation, keys: Sequence[Any], where: tuple[Any, ...]) -> Select:
    """Count the objects of a relation, by owner."""
    _, inside, froms, joins = _correlation(relation, links_only=not where)
    near = relation.link_here if relation.direction is Direction.THROUGH else relation.key
    columns = cast("ForeignKey", near).columns
    source: Any = relation.link if relation.direction is Direction.THROUGH else relation.target
    number: Function[int] = Function("count", (), INTEGER)
    found = (matching(columns, source, keys), *where)
    return Select(
        columns=(*inside, number),
        froms=froms,
        joins=joins,
        where=found,
        group_by=tuple(inside),
    )
