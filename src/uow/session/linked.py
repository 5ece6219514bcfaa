"""What a flush does because of links between documents: new ones come along, and get keys.

A document that is linked to must have its key when what links to it is encoded. So new documents
that others link to are given theirs just before the plan is made; if that fails, or the flush does,
they are taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from uow.errors import MappingError
from uow.mapping.link_fields import LinkField
from uow.mapping.mapper import mapper_of
from uow.session.link_loading import LinkLoader
from uow.session.reading import Reader
from uow.tracking.relations import new_linked
from uow.tracking.state import Record, State, state_of, write_slot

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn
    from uow.session.codec import Codecs
    from uow.session.ledger import Ledger
    from uow.session.plan import Problems
    from uow.session.unit import Unit
    from uow.tracking import journal

__all__ = ["LinkedKeys", "delete_linked", "take_linked_along"]


def take_linked_along(ledger: Ledger) -> None:
    """Take the new documents into the session that its documents link to.

    Raises:
        ObjectStateError: one of them belongs to another session, or its key is taken.
    """
    joining = [one for obj in _linking(ledger) for one in new_linked(obj)]
    if joining:
        ledger.add_all(joining)


_class_of: Callable[[Any], Any] = type


def _linking(ledger: Ledger) -> Iterator[Any]:
    """The new and changed objects of classes with links."""
    if any(class_._uow_mapper.links for class_ in set(map(_class_of, ledger.new.values()))):
        for obj in ledger.new.values():
            if obj._uow_mapper.links:
                yield obj
    for record in ledger.recorded:
        if record.stored is State.PERSISTENT and record.obj._uow_mapper.links:
            yield record.obj


async def delete_linked(unit: Unit) -> None:
    """Mark the documents for deletion that go with those that link to them."""
    ledger = unit.ledger
    done: set[int] = set()
    while True:
        owners = [
            record.obj
            for record in ledger.deleted
            if id(record.obj) not in done and _cascades(record.obj)
        ]
        if not owners:
            return
        done.update(map(id, owners))
        loader = LinkLoader(unit, Reader(unit))
        groups: dict[LinkField, list[Any]] = {}
        for obj in owners:
            for field in _cascades(obj):
                groups.setdefault(field, []).append(obj)
        for field, group in groups.items():
            await unit.begin()
            await loader.load(group, field)
            for obj in group:
                for one in field.documents(obj):
                    state = state_of(one)
                    if state.owner is ledger and state.stored in _LIVING:
                        ledger.delete(one)


_LIVING = frozenset({State.PERSISTENT, State.PENDING})


def _cascades(obj: Any) -> list[LinkField]:
    return [field for field in obj._uow_mapper.links.values() if field.cascades_delete]


class LinkedKeys:
    """The keys that new documents get because others link to them; an entry of the journal."""

    __slots__ = ("_given",)

    def __init__(self) -> None:
        self._given: list[tuple[Any, MappedColumn]] = []

    def __bool__(self) -> bool:
        return bool(self._given)

    @property
    def objects(self) -> list[Any]:
        """The documents concerned."""
        return [one for one, _ in self._given]

    def make(self, ledger: Ledger, codecs: Codecs, problems: Problems) -> None:
        """Give the keys, and refuse links to what is nowhere.

        Args:
            ledger: the books of the session.
            codecs: how objects travel.
            problems: takes what is wrong.
        """
        for obj in _linking(ledger):
            for field in obj._uow_mapper.links.values():
                if field.is_back or not _is_written(obj, field):
                    continue
                for one in field.documents(obj):
                    why = self._settle(one, ledger, codecs)
                    if why is not None:
                        problems.add(obj, f"{field}: {one!r}, which it links to, {why}")

    def _settle(self, one: Any, ledger: Ledger, codecs: Codecs) -> str | None:
        """See that a linked document has a key; if it cannot have one, say why."""
        state = state_of(one)
        if state.stored is State.DELETED:
            return "is deleted, or is marked to be"
        if state.owner is not ledger:
            is_stored = state.stored is State.PERSISTENT
            return None if is_stored else "is in no session, or in another one, and not stored yet"
        (key,) = mapper_of(one).key
        if state.stored is State.PENDING and key.get_slot(one) is None:
            try:
                (made,) = codecs.dialect.new_keys(mapper_of(one), 1)
            except MappingError as error:
                return f"has no key: {error}"
            self._given.append((one, key))
            key.set_slot(one, made)
        return None

    def take_back(self) -> None:
        """Nothing will be sent: the documents have no keys."""
        for one, key in reversed(self._given):
            write_slot(one, key, None)
        self._given = []

    def undo(self, ledger: journal.Ledger) -> None:  # noqa: ARG002
        """Take the keys back; see `uow.tracking.journal.Entry`."""
        self.take_back()


def _is_written(obj: Any, field: LinkField) -> bool:
    """Whether what is stored of a field of links may be written by this flush."""
    state = obj._uow_state
    if not isinstance(state, Record) or state.stored is not State.PERSISTENT:
        return True
    noted: Iterable[str] = state.noted or ()
    watched: Iterable[str] = state.watched or ()
    return field.name in noted or field.name in watched
