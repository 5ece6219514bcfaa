"""What is to be loaded of objects: paths along relations, put together to trees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import attrs

from uow.errors import QueryError
from uow.mapping.link_trees import LinkNode
from uow.mapping.mapper import Mapper
from uow.mapping.paths import LoadStep
from uow.mapping.relation import Relation

__all__ = ["NOTHING", "LoadNode", "LoadTree", "load_nodes", "load_tree", "load_trees"]


@attrs.define(eq=False)
class LoadNode:
    """One relation to load, and those of what it leads to.

    Attributes:
        step: what is loaded.
        inner: the relations of what it leads to.
        is_done: it was read together with its owners, whichever they are.
        done: or it was read so for some of them, by `id`.
        taken: of links: the documents they lead to, if those were read with their owners.
    """

    step: LoadStep
    inner: dict[Relation, LoadNode] = attrs.Factory(dict[Relation, "LoadNode"])
    is_done: bool = False
    done: dict[int, Any] = attrs.Factory(dict[int, Any])
    taken: list[Any] | None = None


LoadTree: TypeAlias = Mapping[Relation, LoadNode]
"""Relations to load. Two classes of a hierarchy may each have one of the same name."""

NOTHING: Final[LoadTree] = MappingProxyType({})


def load_nodes(
    nodes: Iterable[LinkNode], taken: Mapping[LinkNode, list[Any]] | None = None
) -> dict[Relation, LoadNode]:
    """Say of links what is to be loaded, as of relations.

    Args:
        nodes: the fields.
        taken: the documents that were read with their owners.
    """
    found: dict[Any, LoadNode] = {}
    for node in nodes:
        field: Any = node.field
        documents = None if taken is None else taken.get(node)
        found[field] = LoadNode(LoadStep(field), load_nodes(node.inner, taken), taken=documents)
    return found


def load_tree(
    paths: Iterable[Sequence[LoadStep]], mapper: Mapper, place: str, *, counts: bool = False
) -> dict[Relation, LoadNode]:
    """Put paths together, so that what they begin with is loaded once.

    Args:
        paths: by their steps.
        mapper: the class of the objects.
        place: who asks, for messages.
        counts: nothing is loaded, so it may be what is never loaded.

    Raises:
        QueryError: a path begins at another class, or with a relation that is never loaded.
    """
    tree: dict[Relation, LoadNode] = {}
    for path in paths:
        first = path[0].relation
        if not (_has(mapper, first) or mapper in first.mapper.lineage):
            raise QueryError(f"{place}: {first} is no relation of {mapper.name}")
        level = tree
        for step in path:
            if step.relation.write_only and not counts:
                raise QueryError(
                    f"{place}: {step.relation} is write_only and never loaded; "
                    f"session.find({step.relation.target.name}, {step.relation}.of(obj)) reads it"
                )
            if step.is_filtered and not step.relation.many and not counts:
                raise QueryError(f"{step.relation} is one object: where and limit are for lists")
            node = level.get(step.relation)
            if node is None:
                node = level[step.relation] = LoadNode(step)
            elif not _is_plain(step):
                _refuse_two_ways(node.step, step, place)
                node.step = step
            level = node.inner
    return tree


def _is_plain(step: LoadStep) -> bool:
    return not (step.is_filtered or step.is_joined or step.order_by)


def _refuse_two_ways(one: LoadStep, other: LoadStep, place: str) -> None:
    """Refuse a relation that is to hold two things at once."""
    if one is other or _is_plain(one):
        return
    if other.is_filtered or other.order_by or one.is_filtered or one.order_by:
        raise QueryError(
            f"{place}: {one.relation} is to be loaded in two ways; write its filter and order "
            "once, and go on from that path"
        )


def load_trees(
    paths: Sequence[Sequence[LoadStep]],
    mappers: Iterable[Mapper],
    place: str,
    *,
    counts: bool = False,
) -> dict[Mapper, dict[Relation, LoadNode]]:
    """Put paths together for objects of several classes, which are read already.

    Of a hierarchy each class takes the paths that are its own: what students have, teachers need
    not.

    Raises:
        QueryError: a path begins at a class that is none of the objects', with a relation that is
            never loaded, or with one that is to be joined to what is not read.
    """
    chosen = list(mappers)
    for first in (path[0] for path in paths):
        if first.is_joined:
            raise QueryError(
                f"{place}: joined({first.relation}) is for queries, which read the owners too; "
                f"session.load(objects, {first.relation}) reads it for objects that are there"
            )
    trees: dict[Mapper, dict[Relation, LoadNode]] = {}
    for mapper in chosen:
        own: list[Sequence[LoadStep]] = []
        for path in paths:
            relation = path[0].relation
            kin = any(one.hierarchy is mapper.hierarchy and _has(one, relation) for one in chosen)
            if not _has(mapper, relation) and (mapper.hierarchy is None or not kin):
                raise QueryError(f"{place}: {relation} is no relation of {mapper.name}")
            if _has(mapper, relation):
                own.append(path)
        trees[mapper] = load_tree(own, mapper, place, counts=counts)
    return trees


def _has(mapper: Mapper, relation: Relation) -> bool:
    """Whether objects of a class have a relation, or a field of links."""
    if relation.name not in mapper.links:
        return mapper.relations.get(relation.name) is relation
    # A class has a field of its own for what its parent declares.
    return mapper.fields.get(relation.name) is relation.mapper.fields.get(relation.name)
