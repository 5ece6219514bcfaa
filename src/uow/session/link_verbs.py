"""The verbs of documents about links; see `uow.document`.

All of them work in the ambient session, or in one of their own; so what they read, write and
delete is part of the transaction that is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from uow.errors import ObjectStateError, QueryError, ValidationError
from uow.expressions.nodes import is_expression
from uow.mapping.link import Link, link_to
from uow.mapping.link_fields import LinkField, key_of
from uow.mapping.link_trees import link_nodes
from uow.mapping.mapper import mapper_of
from uow.mapping.paths import steps_of
from uow.session.active import unit
from uow.session.binding import bound_database
from uow.tracking.changes import changes
from uow.tracking.state import State, state_of

if TYPE_CHECKING:
    from uow.session.session import Session

__all__ = [
    "LinkVerbs",
    "add_linked",
    "checked_rule",
    "delete_with_links",
    "refuse_unstored_links",
]


class LinkVerbs:
    """What documents do about links; a part of `Document`."""

    __slots__ = ()

    async def fetch_link(self, field: Any) -> Self:
        """Fetch the documents that a field links to, and those that they link to.

        A link to nothing stays a link; in a list it is left out. What the session holds already is
        not read again.

        Args:
            field: the field, `House.door` or its name.

        Raises:
            QueryError: it is no field of links of the class.
        """
        await _fetch(self, _field_of(self, field).name)
        return self

    async def fetch_all_links(self) -> Self:
        """Fetch the documents of all links, one query a field and level; see `fetch_link`."""
        await _fetch(self, None)
        return self

    def to_ref(self) -> Any:
        """Give the DBRef by which others link to this document.

        Raises:
            ObjectStateError: it has no key yet.
        """
        return _link_to(self).ref

    @classmethod
    def link_from_id(cls, id: Any) -> Link[Self]:  # noqa: A002
        """Make a link to the document with a key, whether there is one or not.

        Raises:
            ValidationError: the key is of the wrong type.
        """
        mapper = mapper_of(cls)
        try:
            key = key_of(mapper, id)
        except ValueError as error:
            raise ValidationError(f"{mapper.key[0]}: {error}") from None
        return link_to(cls, mapper.table_name, key)

    @classmethod
    def get_link_fields(cls) -> dict[str, LinkField]:
        """Give what is known of the links of the class, by field."""
        return dict(mapper_of(cls).links)


def _link_to(obj: Any) -> Link[Any]:
    mapper = mapper_of(obj)
    column = mapper.key[0]
    key = column.get_slot(obj) if column.is_loaded(obj) else None
    if key is None:
        raise ObjectStateError(f"{obj!r} has no key yet: it is not stored, so nothing links to it")
    return link_to(mapper.class_, mapper.table_name, key)


def _field_of(obj: Any, field: Any) -> LinkField:
    mapper = mapper_of(obj)
    name = field
    if is_expression(field):
        (step, *others) = steps_of(field, "fetch_link")
        if others:
            raise QueryError("fetch_link takes one field of the document: it goes on by itself")
        name = step.relation.name
    found = mapper.links.get(name) if isinstance(name, str) else None
    if found is None:
        raise QueryError(
            f"fetch_link: {name!r} is no link of {mapper.name}"
            if isinstance(name, str)
            else f"fetch_link takes a field, House.door or its name, not a {type(field).__name__}"
        )
    return found


async def _fetch(obj: Any, name: str | None) -> None:
    mapper = mapper_of(obj)
    nodes = link_nodes(mapper, only=name)
    async with unit(writes=False, of=lambda: bound_database(mapper)) as session:
        state = state_of(obj)
        is_clean = state.owner is None and state.stored is State.PERSISTENT and not changes(obj)
        if is_clean and session.held(mapper.class_, mapper.identity(obj)) is None:
            session.add(obj)  # so that links back to it lead to it
        await session.fetch_links([obj], nodes)


async def _fetch_documents(links: Sequence[Link[Any]], *, fetch_links: bool) -> list[Any]:
    """Read the documents of links; see `uow.mapping.link.Fetcher`."""
    mapper = mapper_of(links[0].document_class)
    async with unit(writes=False, of=lambda: bound_database(mapper)) as session:
        return await session.fetch_linked(links, further=fetch_links)


Link._fetcher = _fetch_documents  # pyright: ignore[reportPrivateUsage] - made for this


# -- rules


def linked_of(obj: Any, *, backwards: bool) -> Iterator[tuple[LinkField, Any]]:
    """The documents that an object holds in its links, with the fields."""
    for field in mapper_of(obj).links.values():
        if backwards or not field.is_back:
            for one in field.documents(obj):
                yield field, one


def refuse_unstored_links(objects: Iterable[Any], verb: str) -> None:
    """Refuse links to documents that nobody stores.

    Raises:
        ObjectStateError: a linked document is new and in no session; nothing was sent.
    """
    for obj in objects:
        for field, one in linked_of(obj, backwards=False):
            if state_of(one).status is State.TRANSIENT:
                raise ObjectStateError(
                    f"{field}: {one!r} is not stored, and {verb} leaves linked documents alone; "
                    f"store it first, or say {verb}(link_rule=WriteRules.WRITE)"
                )


def add_linked(session: Session, objects: Iterable[Any], without: Any = None) -> None:
    """Take objects into the session with all documents they hold in their links, and theirs.

    Args:
        session: the session.
        objects: where to begin.
        without: one of them that is not taken in itself.

    Raises:
        ObjectStateError: one of them belongs to another session, or its key is taken.
    """
    found: dict[int, Any] = {}
    waiting = list(objects)[::-1]
    while waiting:
        obj = waiting.pop()
        if id(obj) not in found:
            found[id(obj)] = obj
            waiting += [one for _, one in linked_of(obj, backwards=True)][::-1]
    session.add_all([obj for obj in found.values() if obj is not without])


async def delete_with_links(session: Session, obj: Any) -> None:
    """Mark an object for deletion with the documents it links to, and those that they link to.

    Links are fetched where they are not; documents that link back only count if they are loaded.
    """
    waiting, done = [obj], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in done:
            continue
        done.add(id(one))
        state = state_of(one)
        if state.stored is State.DELETED:
            continue
        if state.owner is None and state.stored is State.PERSISTENT:
            session.add(one)
        nodes = link_nodes(mapper_of(one), 1)
        forward = [node for node in nodes if not node.field.is_back]
        if forward:
            await session.fetch_links([one], forward)
        waiting += [linked for _, linked in linked_of(one, backwards=True)]
        session.delete(one)


def checked_rule(rule: Any, kind: type[StrEnum]) -> Any:
    """Check what a verb was told.

    Raises:
        QueryError: it is no such rule.
    """
    try:
        return kind(rule)
    except ValueError:
        choices = " or ".join(f"{kind.__name__}.{one.name}" for one in kind)
        raise QueryError(f"the rule is {choices}") from None
