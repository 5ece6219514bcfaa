"""Links that a query looks into: `$lookup`s before what is asked, and what they found beside it.

    $match      what concerns the documents alone, by their indexes
    $lookup     a link becomes the document it leads to, in which further links may be looked into
    $match      what concerns linked documents
    $sort ...
    $project    each document as it is stored, and the linked ones as they are

Every document carries itself as it is stored (`uow_raw`), because a link that was looked into is
gone from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from uow.mapping.link_fields import LINKED_KEY, Many
from uow.mapping.link_trees import LinkNode

__all__ = ["RAW", "linked_paths", "looked_up", "lookups", "put_in_place", "reaches"]

Stage: TypeAlias = dict[str, Any]

RAW: Final = "uow_raw"
_FOUND: Final = "uow_found"
_STORED: Final = frozenset({LINKED_KEY, "$ref", "$db"})


def reaches(asked: Any, names: frozenset[str]) -> bool:
    """Whether a filter, or a sort, looks into linked documents.

    Args:
        asked: the filter.
        names: what the fields of links are called.
    """
    items: Any = asked
    if isinstance(asked, Mapping):
        pairs = cast("Mapping[str, Any]", asked)
        return any(_is_beyond(key, names) or reaches(value, names) for key, value in pairs.items())
    if isinstance(asked, list):
        return any(reaches(one, names) for one in items)
    return isinstance(asked, str) and asked.startswith("$") and _is_beyond(asked[1:], names)


def _is_beyond(path: str, names: frozenset[str]) -> bool:
    first, *steps = path.split(".")
    if first not in names:
        return False
    further = [step for step in steps if not step.isdecimal()]
    return bool(further) and further[0] not in _STORED


def looked_up(asked: Any, nodes: Sequence[LinkNode]) -> Any:
    """Say a filter for links that were looked into: the key of a linked document is its own."""
    names = frozenset(node.field.column.name for node in nodes)
    items: Any = asked
    if isinstance(asked, Mapping):
        pairs = cast("Mapping[str, Any]", asked)
        return {_renamed(key, names): looked_up(value, nodes) for key, value in pairs.items()}
    if isinstance(asked, list):
        return [looked_up(one, nodes) for one in items]
    return items


def _renamed(path: str, names: frozenset[str]) -> str:
    steps = path.split(".")
    if steps[0] not in names:
        return path
    return ".".join("_id" if step == LINKED_KEY else step for step in steps)


def lookups(nodes: Iterable[LinkNode]) -> list[Stage]:
    """Give the stages that look into links; documents carry themselves from here on."""
    return [{"$set": {RAW: "$$ROOT"}}, *put_in_place(nodes, lookups)]


def put_in_place(
    nodes: Iterable[LinkNode], inner: Callable[[Iterable[LinkNode]], list[Stage]] | None = None
) -> list[Stage]:
    """Give the stages that put linked documents in the places of their links.

    Args:
        nodes: the links.
        inner: gives the stages of what they lead to; these without it.
    """
    return [stage for node in nodes for stage in _lookup(node, inner or put_in_place)]


def _lookup(
    node: LinkNode, stages_of: Callable[[Iterable[LinkNode]], list[Stage]]
) -> Iterator[Stage]:
    field = node.field
    target, name = field.target, field.column.name
    if field.many is Many.DICT:
        return  # there is no path to the keys of a dict
    pipeline = stages_of(node.inner)
    told_by = target.discriminator
    if told_by is not None and target.root is not target:
        values = [one.discriminator_value for one in target.family]
        pipeline.insert(0, {"$match": {told_by.name: {"$in": values}}})
    local, foreign = f"{name}.{LINKED_KEY}", "_id"
    if field.is_back:
        local, foreign = "_id", f"{field.original.column.name}.{LINKED_KEY}"
    one = field.many is Many.ONE
    yield {
        "$lookup": {
            "from": target.table_name,
            "localField": local,
            "foreignField": foreign,
            "pipeline": pipeline,
            "as": _FOUND if one else name,
        }
    }
    if one:
        yield {"$set": {name: {"$ifNull": [{"$first": f"${_FOUND}"}, f"${name}"]}}}
        yield {"$unset": _FOUND}


def linked_paths(nodes: Iterable[LinkNode], above: str = "$") -> Iterator[tuple[LinkNode, str]]:
    """Give where each of the linked documents is, as it is stored."""
    for node in nodes:
        if node.field.many is not Many.DICT:
            path = f"{above}{node.field.column.name}."
            yield node, path + RAW
            yield from linked_paths(node.inner, path)
