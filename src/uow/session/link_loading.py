"""Fetching the documents of links: one query a field and level, whatever the number of owners.

A document that the session holds already is not read again, and what is read is the session's. The
field then holds the document; nothing is noted of that, since it is stored in the same form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from uow.errors import QueryError
from uow.expressions.nodes import ColumnExpression, Expression
from uow.mapping.link import Link, is_link
from uow.mapping.link_fields import LinkField, Many, is_document
from uow.mapping.mapper import mapper_of
from uow.query.statements import Select
from uow.tracking.state import State, state_of

if TYPE_CHECKING:
    from uow.mapping.mapper import Mapper
    from uow.mapping.paths import LoadStep
    from uow.session.reading import Reader
    from uow.session.unit import Unit

__all__ = ["LinkLoader", "link_of", "linked_documents"]

_MOST_KEYS: Final = 50_000
"""So many keys are asked for at a time: a filter is a document, of 16 MB at most."""


def link_of(step: LoadStep) -> LinkField | None:
    """The field of links that a step of a path is; None if it is a relation of tables."""
    found: object = step.relation
    return found if isinstance(found, LinkField) else None


def linked_documents(owners: Iterable[Any], field: LinkField) -> list[Any]:
    """The documents that owners hold in a field, each once."""
    found = {id(one): one for obj in owners for one in field.documents(obj)}
    return list(found.values())


class LinkLoader:
    """Fetches links for one unit of work."""

    __slots__ = ("_reader", "_unit")

    def __init__(self, unit: Unit, reader: Reader) -> None:
        self._unit = unit
        self._reader = reader

    async def load(
        self, owners: Sequence[Any], field: LinkField, taken: Sequence[Any] | None = None
    ) -> int:
        """Fetch the documents of a field of objects.

        A link to nothing stays a link; in lists and dicts it is left out.

        Args:
            owners: the objects.
            field: their field.
            taken: all documents that it leads to, if they were read already.

        Returns:
            How many queries were sent.
        """
        if field.is_back:
            return await self._load_back(owners, field, taken)
        owners = [obj for obj in owners if field.column.is_loaded(obj)]
        links = [one for obj in owners for one in field.members(obj) if is_link(one)]
        if not links:
            return 0
        queries = 0
        if taken is None:
            found, queries = await self.documents(field.target, links)
        else:
            by_key = {one._uow_mapper.identity(one): one for one in taken}
            found = {link: by_key[link.id] for link in links if link.id in by_key}
        for obj in owners:
            put_fetched(obj, field, found)
        return queries

    @staticmethod
    def unpacked(values: Iterable[Any]) -> list[Any]:
        """Give the documents in (nested) lists, each once."""
        found: dict[Any, Any] = {}
        waiting = list(values)
        while waiting:
            value = waiting.pop()
            if isinstance(value, list):
                waiting.extend(value)  # pyright: ignore[reportUnknownArgumentType] - of rows
            elif isinstance(value, Mapping):
                document = cast("Mapping[str, Any]", value)
                found.setdefault(document["_id"], document)
        return list(found.values())

    async def documents(
        self, target: Mapper, links: Sequence[Link[Any]]
    ) -> tuple[dict[Link[Any], Any], int]:
        """Give the documents that links lead to, and how many queries that took."""
        known = self._unit.ledger.of(target.root)
        found: dict[Link[Any], Any] = {}
        missing: dict[Any, list[Link[Any]]] = {}
        for link in dict.fromkeys(links):
            if link.database is not None or link.collection != target.table_name:
                continue
            held = known.get(link.id)
            if held is None or type(held) is not mapper_of(held).class_:
                missing.setdefault(link.id, []).append(link)
            elif isinstance(held, target.class_) and state_of(held).stored is State.PERSISTENT:
                found[link] = held
        keys = list(missing)
        for start in range(0, len(keys), _MOST_KEYS):
            part = keys[start : start + _MOST_KEYS]
            key = ColumnExpression[Any](target.key[0], target)
            for one in await self._select(target, key.in_(part)):
                for link in missing.get(target.identity(one), ()):
                    found[link] = one
        return found, -(-len(keys) // _MOST_KEYS)

    async def _select(self, target: Mapper, condition: Expression[bool]) -> list[Any]:
        select = Select(entity=target, froms=(target,), where=(condition,))
        return await self._reader.select(select)

    async def _load_back(
        self, owners: Sequence[Any], field: LinkField, taken: Sequence[Any] | None
    ) -> int:
        """Find the documents that link to objects."""
        waiting: list[Any] = []
        for obj in owners:
            try:
                field.get_slot(obj)
            except AttributeError:
                waiting.append(obj)
        stored = [obj for obj in waiting if state_of(obj).stored is State.PERSISTENT]
        if not stored:
            return 0
        original, target = field.original, field.target
        identity = stored[0]._uow_mapper.identity
        by_key = {identity(obj): obj for obj in stored}
        path: Any = ColumnExpression[Any](original.column, target)
        owner_key = original.target.key[0]
        if original.many is Many.DICT:
            raise QueryError(f"{field}: the store cannot search the dict of links {original}")
        related: dict[int, list[Any]] = {id(obj): [] for obj in stored}
        keys = list(by_key)
        linking = list(taken or ())
        queries = 0
        for start in range(0, len(keys) if taken is None else 0, _MOST_KEYS):
            part = keys[start : start + _MOST_KEYS]
            queries += 1
            linking += await self._select(target, path[owner_key.attribute].in_(part))
        for one in linking:
            for key in dict.fromkeys(_linked_keys(one, original)):
                owner = by_key.get(key)
                if owner is not None:
                    related[id(owner)].append(one)
        for obj in stored:
            self.put_back(obj, field, related[id(obj)])
        return queries

    def put_back(self, obj: Any, field: LinkField, documents: list[Any]) -> None:
        """Give an object the documents that link to it."""
        self._keep(obj, field)
        if field.many is Many.LIST:
            field.set_slot(obj, documents)
        elif documents:
            field.set_slot(obj, documents[0])

    def forget(self, obj: Any, field: LinkField) -> None:
        """Forget which documents link to an object."""
        self._keep(obj, field)
        field.unload(obj)

    def _keep(self, obj: Any, field: LinkField) -> None:
        """What is known may be what a rollback will undo; then it is forgotten with that."""
        ledger = self._unit.ledger
        if ledger.was_written:
            ledger.frames[-1].touch(obj, cast("Any", field))


def _linked_keys(obj: Any, field: LinkField) -> Iterator[Any]:
    """The keys of the documents that an object links to, fetched or not."""
    for one in field.members(obj):
        if is_document(one):
            yield one._uow_mapper.identity(one)
        elif is_link(one):
            yield one.id


def put_fetched(obj: Any, field: LinkField, found: Mapping[Link[Any], Any]) -> None:
    """Put documents in the place of their links."""
    value: Any = getattr(obj, field.name)
    if field.many is Many.ONE:
        document = found.get(value) if is_link(value) else None
        if document is not None:
            field.column.set_slot(obj, document)
        return
    # Past the hooks of the container, which would tell of a change.
    if isinstance(value, list):
        items: list[Any] = [*_each(value)]
        made = [found.get(one) if is_link(one) else one for one in items]
        kept = [one for one, was in zip(made, items, strict=True) if one is not None or was is None]
        _set_items(value, slice(None), kept)
    elif isinstance(value, dict):
        for key, was in [*_pairs(value)]:
            document = found.get(was) if is_link(was) else was
            if document is None and was is not None:
                _delete_key(value, key)
            else:
                _set_key(value, key, document)


# As they are, past what subclasses do.
_list: Any = vars(list)
_dict: Any = vars(dict)
_each: Callable[[Any], Iterable[Any]] = _list["__iter__"]
_pairs: Callable[[Any], Iterable[Any]] = _dict["items"]
_set_items: Callable[[Any, Any, Any], None] = _list["__setitem__"]
_set_key: Callable[[Any, Any, Any], None] = _dict["__setitem__"]
_delete_key: Callable[[Any, Any], None] = _dict["__delitem__"]
