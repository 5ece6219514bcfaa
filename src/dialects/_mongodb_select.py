"""Selects to finds and pipelines.

A select for objects is a find wherever that can say it. Rows of plain fields are one too; what is
computed, grouped or made distinct is a pipeline, whose last stage calls the columns `c0`, `c1`, ...
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

import attrs

from uow.dialects._mongodb_expressions import AGGREGATES, Computing, computed, raw_computed
from uow.dialects._mongodb_filters import NEVER, filter_of, merged, of_class
from uow.dialects._mongodb_lookups import (
    RAW,
    linked_paths,
    looked_up,
    lookups,
    put_in_place,
    reaches,
)
from uow.dialects._mongodb_paths import path_of
from uow.dialects.base import ResultColumn
from uow.errors import QueryError
from uow.expressions.nodes import (
    ColumnExpression,
    Exists,
    Expression,
    FieldPath,
    Function,
    Label,
    Literal,
    OrderTerm,
)
from uow.expressions.walk import walk
from uow.mapping.link_trees import LinkNode
from uow.mapping.mapper import Mapper
from uow.operations import Aggregate, Find, Operation
from uow.query.statements import Select, result_names
from uow.query.tables import Compound, DerivedTable

__all__ = ["CompiledSelect", "compile_select", "sort_of"]

AnyExpression: TypeAlias = Expression[Any]
Stage: TypeAlias = dict[str, Any]

DOCUMENT: Final = "document"
"""What a document is called in rows that have more beside it."""


@attrs.frozen
class CompiledSelect:
    """A select, ready to be sent.

    Attributes:
        operation: what a driver takes.
        columns: what comes back; for objects a single column, the document.
        default: the row where none comes back, of what always has one.
        linked: what stands behind the document in each row: the linked documents of these fields,
            one or (nested) lists of them.
    """

    operation: Operation
    columns: tuple[ResultColumn, ...]
    default: tuple[Any, ...] | None = None
    linked: tuple[LinkNode, ...] = ()

    @property
    def statement(self) -> Operation:
        """What a driver takes."""
        return self.operation

    @property
    def sql(self) -> str:
        """A text for people."""
        return self.operation.sql

    @property
    def parameters(self) -> tuple[object, ...]:
        """None: values stand in the operation."""
        return ()

    @property
    def reads(self) -> bool:
        """Whether it can only read."""
        return self.operation.reads

    @property
    def returns_rows(self) -> bool:
        """Rows come back."""
        return True


def compile_select(select: Select) -> CompiledSelect:
    """Compile a select that stands alone.

    Raises:
        QueryError: a document store cannot say it.
    """
    reading = select.documents
    if reading is not None and reading.stages and select.links:
        return _with_stages_on_links(select)
    compiled = _compiled(select)
    if reading is None:
        return compiled
    operation: Any = compiled.operation
    if reading.stages:
        if isinstance(operation, Find):
            operation = Aggregate(operation.collection, _stages_of_find(operation))
        operation.pipeline = [*operation.pipeline, *map(raw_computed, reading.stages)]
        operation.reads = True
    if reading.options:
        operation.options = reading.options
    return attrs.evolve(compiled, operation=operation)


def _with_stages_on_links(select: Select) -> CompiledSelect:
    """Run stages on documents in which those they link to stand in the places of the links."""
    reading = select.documents
    assert reading is not None  # noqa: S101 - who calls has seen to it
    mapper, nodes = _mapper_of(select), select.links
    before, after = _split_by_reach(select)
    cut = _sorted_and_cut(select, Computing())
    looked = put_in_place(nodes)
    stages: list[Stage] = [{"$match": before}] if before else []
    if after or _looks_up(select):
        stages += [*looked, *([{"$match": after}] if after else []), *cut]
    else:
        stages += [*cut, *looked]  # no more is looked up than is found
    stages += [looked_up(raw_computed(stage), nodes) for stage in reading.stages]
    operation = Aggregate(mapper.table_name, stages)
    if reading.options:
        operation.options = reading.options
    return CompiledSelect(operation, (ResultColumn(DOCUMENT, None),))


def _stages_of_find(find: Find) -> list[Stage]:
    stages: list[Stage] = [{"$match": find.filter}] if find.filter else []
    if find.sort:
        stages.append({"$sort": dict(find.sort)})
    if find.skip:
        stages.append({"$skip": find.skip})
    if find.limit:
        stages.append({"$limit": find.limit})
    return stages


def _compiled(select: Select) -> CompiledSelect:
    if not select.froms:
        return _without_collection(select)
    if select.for_update is not None:
        raise QueryError(
            "MongoDB locks no documents that are read; use_revision = True, or a version, tells "
            "of changes in between"
        )
    (source, *others) = select.froms
    if others or select.joins:
        raise QueryError("MongoDB joins nothing: links are loaded by a query of their own")
    if isinstance(source, DerivedTable):
        return _outer(select, source)
    if not isinstance(source, Mapper):
        raise QueryError("MongoDB has no aliases and no named queries")
    looks_up = _looks_up(select)
    plain = None if looks_up else _plain_find(source, select)
    if plain is not None:
        return plain
    stages = _stages(select)
    columns = _result_columns(select)
    if looks_up and select.entity is not None and not select.beside:
        return _with_linked(source, select, stages)
    names = [f"c{n}" for n in range(len(columns))]
    if select.entity is not None:
        names = [DOCUMENT, *names[1:]] if select.beside else []
    fields = tuple(names) or None
    operation = Aggregate(source.table_name, stages, fields=fields)
    return CompiledSelect(operation, columns, _default_row(select))


def _looks_up(select: Select) -> bool:
    """Whether conditions or the order look into linked documents."""
    if not select.links:
        return False
    names = frozenset(node.field.column.name for node in select.links)
    paths = [f"${path_of(term.operand) or ''}" for term in select.order_by]
    return reaches([*map(filter_of, select.where), *paths], names)


def _with_linked(source: Mapper, select: Select, stages: list[Stage]) -> CompiledSelect:
    """Give each document as it is stored, and beside it those that were looked up."""
    linked = list(linked_paths(select.links))
    names = [DOCUMENT, *(f"c{n}" for n in range(1, len(linked) + 1))]
    values = [f"${RAW}", *(path for _, path in linked)]
    stages = [*stages, {"$project": {"_id": 0, **dict(zip(names, values, strict=True))}}]
    return CompiledSelect(
        Aggregate(source.table_name, stages, fields=tuple(names)),
        (ResultColumn(DOCUMENT, None),),
        linked=tuple(node for node, _ in linked),
    )


def _mapper_of(select: Select) -> Mapper:
    (source,) = select.froms
    assert isinstance(source, Mapper)  # noqa: S101 - who calls has seen to it
    return source


def _filter_of(select: Select) -> dict[str, Any]:
    """Give the whole filter; of a class that shares a collection, its documents alone."""
    return merged([of_class(_mapper_of(select)), *map(filter_of, select.where)])


def _matches(select: Select) -> list[Stage]:
    """Match documents; look into links where that is asked, and match again."""
    if not _looks_up(select):
        filter_ = _filter_of(select)
        return [{"$match": filter_}] if filter_ else []
    before, after = _split_by_reach(select)
    stages: list[Stage] = [{"$match": before}] if before else []
    stages += lookups(select.links)
    if after:
        stages.append({"$match": after})
    return stages


def _split_by_reach(select: Select) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give what is asked of the documents alone, and what of those they link to."""
    names = frozenset(node.field.column.name for node in select.links)
    asked = [filter_of(one) for one in select.where]
    whose = of_class(_mapper_of(select))
    before = merged([whose, *(one for one in asked if not reaches(one, names))])
    after = merged([one for one in asked if reaches(one, names)])
    return before, looked_up(after, select.links)


def _result_columns(select: Select) -> tuple[ResultColumn, ...]:
    beside = tuple(ResultColumn("beside", column.type) for column in select.beside)
    if select.entity is not None:
        return (ResultColumn(DOCUMENT, None), *beside)
    names = result_names(select.columns)
    return (
        *(ResultColumn(n, c.type) for n, c in zip(names, select.columns, strict=True)),
        *beside,
    )


def _without_collection(select: Select) -> CompiledSelect:
    """Compile `SELECT EXISTS (...)`, or one of plain values."""
    (first, *others) = select.columns or (None,)
    if isinstance(first, Exists) and not others and isinstance(first.select, Select):
        limit = 1 if first.select.limit is None else min(first.select.limit, 1)
        inner = first.select.replace(limit=limit, order_by=(), beside=())
        if inner.entity is None and not inner.group_by and not inner.is_distinct:
            inner = inner.replace(columns=inner.columns[:1])
        compiled = compile_select(inner)
        operation = compiled.operation
        if isinstance(operation, Find):
            collection: Any = operation.collection
            operation = Aggregate(
                collection, [{"$match": operation.filter}, *_skip_and_limit(inner)]
            )
        assert isinstance(operation, Aggregate)  # noqa: S101 - the only other kind
        stages = [*operation.pipeline, {"$project": {"_id": 0, "c0": {"$literal": True}}}]
        if compiled.default is not None:
            return CompiledSelect(
                Aggregate(operation.collection, stages, fields=("c0",)),
                (ResultColumn("exists", first.type),),
                (True,),
            )
        operation = Aggregate(operation.collection, stages, fields=("c0",))
        return CompiledSelect(operation, (ResultColumn("exists", first.type),), (False,))
    raise QueryError("MongoDB selects from a collection: name one")


def _outer(select: Select, source: DerivedTable) -> CompiledSelect:
    """Compile what reads from a query: a count of it."""
    inner = source.query
    if isinstance(inner, Compound):
        raise QueryError("MongoDB has no set operations: run the queries one by one")
    if select.where or select.group_by or select.having or select.order_by or select.beside:
        raise QueryError("MongoDB reads no query as if it were a collection")
    if len(select.columns) != 1 or not _is_plain_count(select.columns[0]):
        raise QueryError("MongoDB reads no query as if it were a collection")
    mapper = _collection_of(inner)
    stages: list[Stage] = [*_stages(inner), {"$count": "c0"}]
    operation = Aggregate(mapper.table_name, stages, fields=("c0",))
    return CompiledSelect(operation, _result_columns(select), (0,))


def _collection_of(select: Select) -> Mapper:
    compiled_from = select.froms[0] if len(select.froms) == 1 and not select.joins else None
    if not isinstance(compiled_from, Mapper):
        raise QueryError("MongoDB reads from one collection at a time")
    return compiled_from


def _is_plain_count(node: AnyExpression) -> bool:
    return (
        isinstance(node, Function)
        and node.name == "count"
        and not node.args
        and not node.where
        and not node.is_distinct
        and node.window is None
    )


# -- finds


def _plain_find(mapper: Mapper, select: Select) -> CompiledSelect | None:
    """Give a find, if one can say it."""
    if select.group_by or select.having or select.beside:
        return None
    order = _plain_order(select.order_by)
    if order is None:
        return None
    fields: tuple[str, ...] | None = None
    projection: dict[str, Any] | None = None
    if select.entity is None:
        if select.is_distinct or not all(type(c) is ColumnExpression for c in select.columns):
            return None
        fields = tuple(c.column.name for c in select.columns if isinstance(c, ColumnExpression))
        projection = {"_id": 0, **dict.fromkeys(fields, 1)}
    if select.limit == 0:
        return CompiledSelect(
            Find(mapper.table_name, NEVER, projection=projection, fields=fields),
            _result_columns(select),
        )
    operation = Find(
        mapper.table_name,
        _filter_of(select),
        projection=projection,
        sort=order or None,
        skip=select.offset or 0,
        limit=select.limit or 0,
        fields=fields,
    )
    return CompiledSelect(operation, _result_columns(select))


def _plain_order(terms: Sequence[OrderTerm]) -> list[tuple[str, int]] | None:
    """Give the order, if its terms are fields, and nothing stands where the store puts it."""
    order: dict[str, int] = {}
    for term in terms:
        path = path_of(term.operand) if not isinstance(term.operand, Label) else None
        if path is None or not _is_natural(term):
            return None
        order.setdefault(path, -1 if term.is_descending else 1)
    return list(order.items())


def sort_of(terms: Sequence[OrderTerm]) -> list[tuple[str, int]] | None:
    """Give an order as the client takes it.

    Raises:
        QueryError: a term is no field.
    """
    order = _plain_order(terms)
    if order is None:
        raise QueryError("which document is the first one is said by plain fields")
    return order or None


def _is_natural(term: OrderTerm) -> bool:
    return term.is_nulls_first is None or term.is_nulls_first is not term.is_descending


# -- pipelines


def _stages(select: Select) -> list[Stage]:
    """Give the pipeline of a select."""
    stages = _matches(select)
    if select.entity is not None:
        return [*stages, *_object_stages(select)]
    grouping = _Grouping(select)
    if grouping.is_needed:
        return [*stages, *grouping.stages()]
    columns = {f"c{n}": _projected(node) for n, node in enumerate(select.columns)}
    if select.is_distinct:
        return [*stages, *_distinct_stages(select, columns)]
    beside = {f"c{n}": computed(b) for n, b in enumerate(select.beside, len(columns))}
    return [
        *stages,
        *_sorted_and_cut(select, Computing()),
        {"$project": {"_id": 0, **columns, **beside}},
    ]


def _projected(node: AnyExpression) -> Any:
    found = computed(node)
    # `1`, `0` and truth values would say whether a field is shown.
    return {"$literal": found} if isinstance(found, (bool, int, float)) else found


def _object_stages(select: Select) -> list[Stage]:
    """Sort and cut documents; put what is asked for beside them."""
    stages = _sorted_and_cut(select, Computing())
    if select.beside:
        beside = {f"c{n}": _projected(node) for n, node in enumerate(select.beside, 1)}
        document = f"${RAW}" if _looks_up(select) else "$$ROOT"
        stages.append({"$project": {"_id": 0, DOCUMENT: document, **beside}})
    elif any("$set" in stage for stage in stages):
        made = [name for stage in stages for name in stage.get("$set", ())]
        stages.append({"$unset": made})
    return stages


def _sorted_and_cut(select: Select, compute: Computing) -> list[Stage]:
    order = _plain_order(select.order_by)
    if order is not None:
        stages: list[Stage] = [{"$sort": dict(order)}] if order else []
        return [*stages, *_skip_and_limit(select)]
    keys: dict[str, Any] = {}
    sort: dict[str, int] = {}
    for number, term in enumerate(select.order_by):
        value = compute(term.operand)
        if not _is_natural(term):
            keys[f"uow_n{number}"] = {"$cond": [{"$gt": [value, None]}, 0, 1]}
            sort[f"uow_n{number}"] = -1 if term.is_nulls_first else 1
        keys[f"uow_o{number}"] = value
        sort[f"uow_o{number}"] = -1 if term.is_descending else 1
    stages = [{"$set": keys}, {"$sort": sort}, *_skip_and_limit(select)]
    if select.beside and select.entity is not None:
        stages.append({"$unset": list(keys)})
    return stages


def _skip_and_limit(select: Select) -> list[Stage]:
    stages: list[Stage] = []
    if select.offset:
        stages.append({"$skip": select.offset})
    if select.limit is not None:
        stages.append({"$limit": select.limit} if select.limit else {"$match": dict(NEVER)})
    return stages


def _distinct_stages(select: Select, columns: dict[str, Any]) -> list[Stage]:
    """Give equal rows once; what is ordered by must be among them."""
    ids = {name: {"$ifNull": [value, None]} for name, value in columns.items()}
    group = {"$group": {"_id": ids}}
    places = {_key(node): f"_id.c{n}" for n, node in enumerate(select.columns)}
    compute = Computing(lambda node: places.get(_key(node)))
    stages = [group, *_sorted_groups(select, compute)]
    shown = {name: f"$_id.{name}" for name in columns}
    beside = {f"c{n}": compute(node) for n, node in enumerate(select.beside, len(columns))}
    return [*stages, {"$project": {"_id": 0, **shown, **beside}}]


def _sorted_groups(select: Select, compute: Computing) -> list[Stage]:
    if not select.order_by:
        return _skip_and_limit(select)
    return _sorted_and_cut(_opaque_order(select), compute)


def _opaque_order(select: Select) -> Select:
    """The same order, of which no term is a plain field: in groups, fields have other names."""
    terms = tuple(
        OrderTerm(
            Label(term.operand, "term"),
            is_descending=term.is_descending,
            is_nulls_first=term.is_nulls_first,
        )
        for term in select.order_by
    )
    return select.replace(order_by=terms)


def _key(node: AnyExpression) -> str:
    """A text that is the same for the same expression; values are in it."""
    while isinstance(node, Label):
        node = node.operand
    parts: list[str] = []
    for one in walk([node]):
        match one:
            case ColumnExpression():
                parts.append(one.column.name)
            case FieldPath():
                parts.append(f"{one.operand.column.name}{one.path!r}")
            case Literal():
                parts.append(repr(one.value))
            case Function():
                parts.append(f"{one.name}/{len(one.args)}/{one.is_distinct}/{len(one.where)}")
            case _:
                parts.append(f"{type(one).__name__}:{getattr(one, 'op', '')}")
    return "\n".join(parts)


class _Grouping:
    """Groups and what is aggregated over them."""

    def __init__(self, select: Select) -> None:
        self._select = select
        self._keys = {_key(node): f"g{n}" for n, node in enumerate(select.group_by)}
        self._aggregates: dict[str, tuple[str, Function[Any]]] = {}
        roots = (*select.columns, *select.having, *(t.operand for t in select.order_by))
        labels = {node.name: node.operand for node in select.columns if isinstance(node, Label)}
        self._labels = labels
        for node in walk(roots):
            if isinstance(node, Function) and node.name in AGGREGATES and node.window is None:
                self._aggregates.setdefault(_key(node), (f"a{len(self._aggregates)}", node))

    @property
    def is_needed(self) -> bool:
        """Whether there are groups at all."""
        return bool(self._select.group_by or self._aggregates or self._select.having)

    def stages(self) -> list[Stage]:
        """Give the stages from the group on."""
        select = self._select
        ids = {
            name: {"$ifNull": [computed(node), None]}
            for name, node in zip(self._keys.values(), select.group_by, strict=False)
        }
        made: dict[str, Any] = {}
        settled: dict[str, Any] = {}
        for name, node in self._aggregates.values():
            made[name] = _accumulator(node)
            if node.name == "sum" and not node.is_distinct:
                is_there = {"$gt": [computed(node.args[0]), None]}
                made[f"{name}_some"] = {"$sum": _where(node, {"$cond": [is_there, 1, 0]}, 0)}
            settled |= _settled(name, node)
        stages: list[Stage] = [{"$group": {"_id": ids or None, **made}}]
        if settled:
            stages.append({"$set": settled})
        compute = Computing(self._name_of)
        if select.having:
            tests = [compute(node) for node in select.having]
            stages.append({"$match": {"$expr": {"$and": tests}}})
        columns = {f"c{n}": compute(node) for n, node in enumerate(select.columns)}
        beside = {
            f"c{n}": compute(node) for n, node in enumerate(select.beside, len(select.columns))
        }
        if select.is_distinct:
            stages.append({"$group": {"_id": columns}})
            if select.order_by:
                raise QueryError("MongoDB orders no distinct groups")
            stages += _skip_and_limit(select)
            shown = {name: f"$_id.{name}" for name in columns}
            return [*stages, {"$project": {"_id": 0, **shown}}]
        stages += _sorted_groups(select, compute)
        return [*stages, {"$project": {"_id": 0, **columns, **beside}}]

    def _name_of(self, node: AnyExpression) -> str | None:
        key = _key(node)
        name = self._keys.get(key)
        if name is not None:
            return f"_id.{name}"
        if isinstance(node, Function):
            found = self._aggregates.get(key)
            return None if found is None else found[0]
        return None


def _settled(name: str, node: Function[Any]) -> dict[str, Any]:
    """What is made of an accumulator once the group is complete."""
    if node.is_distinct and node.name == "count":
        return {name: {"$size": f"${name}"}}
    if node.is_distinct and node.name == "avg":
        return {name: {"$avg": f"${name}"}}
    if node.name == "sum":  # the store's sum of nothing is 0
        total: Any = {"$sum": f"${name}"} if node.is_distinct else f"${name}"
        some = {"$size": f"${name}"} if node.is_distinct else f"${name}_some"
        return {name: {"$cond": [{"$gt": [some, 0]}, total, None]}}
    return {}


def _accumulator(node: Function[Any]) -> Any:
    if not node.args:
        return {"$sum": _where(node, 1, 0)}
    value = computed(node.args[0])
    if node.name == "count":
        is_there = {"$gt": [value, None]}
        if node.is_distinct:
            kept = _where(node, {"$cond": [is_there, value, "$$REMOVE"]}, "$$REMOVE")
            return {"$addToSet": kept}
        return {"$sum": _where(node, {"$cond": [is_there, 1, 0]}, 0)}
    if node.is_distinct and node.name in ("sum", "avg"):
        some = {"$cond": [{"$gt": [value, None]}, value, "$$REMOVE"]}
        return {"$addToSet": _where(node, some, "$$REMOVE")}
    return {f"${node.name}": _where(node, value, None)}


def _where(node: Function[Any], value: Any, otherwise: Any) -> Any:
    if not node.where:
        return value
    tests = [computed(condition) for condition in node.where]
    return {"$cond": [{"$and": tests}, value, otherwise]}


def _default_row(select: Select) -> tuple[Any, ...] | None:
    """The one row of aggregates over nothing."""
    if select.group_by or select.entity is not None or select.having:
        return None
    if select.offset or select.limit == 0:
        return None
    if not any(_aggregates_in((node,)) for node in select.columns):
        return None
    return tuple(_over_nothing(node) for node in (*select.columns, *select.beside))


def _aggregates_in(nodes: Iterable[AnyExpression]) -> bool:
    return any(isinstance(n, Function) and n.name in AGGREGATES for n in walk(nodes))


def _over_nothing(node: AnyExpression) -> Any:
    while isinstance(node, Label):
        node = node.operand
    if isinstance(node, Function):
        return 0 if node.name == "count" else None
    return node.value if isinstance(node, Literal) else None
