"""Reading: statements in, objects and rows out.

An object the session holds stays as it is, clean or dirty, whatever the store says; only
`refresh` and locks bring it up to date.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from uow.errors import NotFoundError, Phase, StaleObjectError
from uow.query.rows import row_class
from uow.query.statements import result_names
from uow.tracking.state import Raw, Record, State, read_slot, state_of

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper
    from uow.mapping.model import Model
    from uow.query.statements import Select
    from uow.session.unit import Unit

__all__ = ["Reader"]


class Reader:
    """Reads for one unit of work."""

    __slots__ = ("_dialect", "_unit")

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._dialect = unit.codecs.dialect

    async def get(
        self, mapper: Mapper, key: Any, *, lock: bool, nowait: bool, skip_locked: bool
    ) -> Any:
        """Give the object with a checked key; None if there is no such row."""
        unit = self._unit
        if not lock:
            known = unit.ledger.of(mapper.root).get(key)
            if known is not None and type(known) is mapper.class_:
                return known
        if unit.flushes_first:
            await unit.flush_first()
        codec = unit.codecs.of(mapper)
        text = codec.get_statement(for_update=lock, nowait=nowait, skip_locked=skip_locked)
        rows = await unit.fetch(text.statement(codec.encode_key(key)), lock=lock)
        return self.take_in(mapper, rows, refresh=lock)[0] if rows else None

    async def refresh(self, obj: Model, mapper: Mapper, *, lock: bool) -> None:
        """Read an object again, dropping its changes.

        Raises:
            NotFoundError: its row is gone.
        """
        codec = self._unit.codecs.of(mapper)
        text = codec.get_statement(for_update=lock)
        key = codec.encode_key(mapper.identity(obj))
        rows = await self._unit.fetch(text.statement(key), lock=lock)
        if not rows:
            raise NotFoundError(f"the row of {obj!r} is gone", phase=Phase.QUERY)
        self._overwrite(obj, mapper, rows[0])

    def _overwrite(self, obj: Any, mapper: Mapper, row: Sequence[Any]) -> None:
        self._unit.codecs.of(mapper).overwrite(obj, row)
        state = state_of(obj)
        if isinstance(state, Record):
            state.forget_changes()
            self._unit.ledger.settle(state)
        self._unit.ledger.see(mapper, [obj])

    async def select(self, select: Select) -> list[Any]:
        """Run a select, for objects or rows."""
        compiled = self._dialect.compile(select)
        lock = select.for_update is not None
        rows = await self._unit.fetch(compiled.statement, lock=lock)
        return self.results(select, rows, refresh=lock)

    def results(self, select: Select, rows: list[Any], *, refresh: bool = False) -> list[Any]:
        """Make of the store's rows what the select is for."""
        mapper = select.entity_mapper
        if mapper is not None:
            return self.take_in(mapper, rows, refresh=refresh)
        return self.rows(select.columns, rows)

    def rows(self, columns: Sequence[Any], rows: list[Any]) -> list[Any]:
        """Make `Row`s of what the store gave for expressions."""
        make = row_class(result_names(columns))
        decoders = [
            None if column.type is None else self._dialect.decoder(column.type)
            for column in columns
        ]
        if not any(decoders):
            return [make(row) for row in rows]
        return [
            make(
                value if decode is None or value is None else decode(value)
                for value, decode in zip(row, decoders, strict=True)
            )
            for row in rows
        ]

    def take_in(self, mapper: Mapper, rows: list[Any], *, refresh: bool) -> list[Any]:
        """Make objects of rows; those the session holds are left as they are."""
        ledger = self._unit.ledger
        objects = ledger.of(mapper.root)
        codec = self._unit.codecs.of(mapper)
        if refresh:
            self._refresh_known(mapper, rows)
        if ledger.leaking(mapper) is None:
            return codec.hydrate(rows, objects, ledger.stored)
        whole = {id(obj) for obj in objects.values() if type(obj) is mapper.class_}
        found = codec.hydrate(rows, objects, ledger.stored)
        ledger.see(mapper, [obj for obj in found if id(obj) not in whole])
        return found

    def _refresh_known(self, mapper: Mapper, rows: list[Any]) -> None:
        """Locked rows are the truth: bring the objects that stand for them up to date."""
        codec = self._unit.codecs.of(mapper)
        objects = self._unit.ledger.of(mapper.root)
        positions = [mapper.columns.index(column) for column in mapper.key]
        version = mapper.version
        for row in rows:
            obj = objects.get(codec.decode_key([row[p] for p in positions]))
            if obj is None:
                continue
            state = state_of(obj)
            if state.stored is not State.PERSISTENT:
                continue
            changed = self._unit.ledger.differences(state) if isinstance(state, Record) else {}
            if not isinstance(state, Record) or not changed:
                self._overwrite(obj, mapper, row)
                continue
            if version is not None and row[version.position] != read_slot(obj, version):
                raise StaleObjectError(
                    f"the row of {obj!r} was changed by somebody else while it had changes "
                    "here; refresh it",
                    objects=[obj],
                    phase=Phase.QUERY,
                )
            clean = [c for c in mapper.columns if c.attribute not in changed]
            codec.fill(clean, [obj], [[row[c.position] for c in clean]])
            mapper.mark(obj)
            self._unit.ledger.see(mapper, [obj])
            state.rebase({name: self._noted(mapper.by_attribute[name], row) for name in changed})

    def _noted(self, column: MappedColumn, row: Sequence[Any]) -> Any:
        """What the store holds for a column, as a record notes it."""
        value = row[column.position]
        if value is None or column.is_lazy:
            return None if value is None else Raw(value)
        decode = self._unit.codecs.decoder(column)
        return value if decode is None else decode(value)
