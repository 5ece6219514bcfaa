"""Which links are fetched with documents, and how deep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from uow.errors import QueryError

if TYPE_CHECKING:
    from uow.mapping.link_fields import LinkField
    from uow.mapping.mapper import Mapper

__all__ = ["DEFAULT_DEPTH", "LinkNode", "link_nodes"]

DEFAULT_DEPTH: Final = 3
"""How deep links of links are fetched, if neither the class nor the call says."""


@attrs.frozen(eq=False)
class LinkNode:
    """A field of links that is fetched, and those of what it leads to.

    Attributes:
        field: the field.
        inner: the fields of the documents it leads to.
    """

    field: LinkField
    inner: tuple[LinkNode, ...] = ()


def link_nodes(
    mapper: Mapper,
    depth: int | None = None,
    depths: Mapping[str, int] | None = None,
    only: str | None = None,
) -> tuple[LinkNode, ...]:
    """Say which links are fetched with the documents of a class.

    Args:
        mapper: the class.
        depth: how many levels; None for what the class says.
        depths: how many, of the links behind some fields of the class.
        only: the one field that is fetched.

    Raises:
        QueryError: a depth is no whole number from 0 on, or is given for what is no link.
    """
    settings: Mapping[str, Any] = {} if mapper.document is None else mapper.document.options
    by_class: Mapping[str, int] = settings.get("max_nesting_depths_per_field") or {}
    deepest: int = settings.get("max_nesting_depth", DEFAULT_DEPTH)
    given = dict(depths or {})
    fields = list(_fields(mapper))
    for name in given:
        if not any(field.name == name for field in fields):
            raise QueryError(f"nesting_depths_per_field: {mapper.name} has no link {name!r}")
    found: list[LinkNode] = []
    for field in fields:
        if only is not None and field.name != only:
            continue
        levels = given.get(field.name, depth)
        if levels is None:
            levels = by_class.get(field.name, deepest)
        levels = _checked(levels)
        if only is not None:
            levels = max(levels, 1)
        if levels:
            found.append(LinkNode(field, _below(field.target, levels - 1)))
    return tuple(found)


def _checked(levels: object) -> int:
    if type(levels) is not int or levels < 0:
        raise QueryError("a nesting depth is a whole number from 0 on")
    return levels


def _below(mapper: Mapper, levels: int) -> tuple[LinkNode, ...]:
    if not levels:
        return ()
    return tuple(LinkNode(field, _below(field.target, levels - 1)) for field in _fields(mapper))


def _fields(mapper: Mapper) -> Iterator[LinkField]:
    """The fields of links of a class, and of those below it."""
    seen: set[Any] = set()
    for one in mapper.family:
        one.configure()
        for field in one.links.values():
            place = cast("Any", one.fields.get(field.name, field))
            if id(place) not in seen:  # a child has a field of its own for its parent's
                seen.add(id(place))
                yield field
