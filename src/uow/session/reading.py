"""Reading: statements in, objects and rows out.

An object the session holds stays as it is, clean or dirty, whatever the store says; only
`refresh` and locks bring it up to date.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast
from weakref import ref

from uow.errors import NotFoundError, Phase, StaleObjectError
from uow.mapping.identity_map import new_identity_map
from uow.mapping.mapper import mapper_of
from uow.mapping.shapes import shape_of
from uow.query.rows import row_class
from uow.query.statements import ForUpdate, Select, result_names
from uow.session.following import Follower, followed_by
from uow.session.holding import values_of
from uow.session.locking import fetch_locked, leaves_rows_unlocked
from uow.tracking.state import Home, Raw, Record, State, read_slot, state_of

if TYPE_CHECKING:
    from uow.mapping.hydration import Hydrator
    from uow.mapping.mapper import MappedColumn, Mapper
    from uow.mapping.model import Model
    from uow.mapping.shapes import Shape
    from uow.query.statements import Delete, Insert, Update
    from uow.session.unit import Unit
    from uow.statement import Statement

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
            if known is not None and mapper.hierarchy is not None:
                if mapper not in mapper_of(known).lineage:
                    return None  # the key is another class's
                if type(known) is mapper_of(known).class_:
                    return known
        if unit.flushes_first:
            await unit.flush_first()
        codec = unit.codecs.of(mapper)
        text = codec.get_statement(for_update=lock, nowait=nowait, skip_locked=skip_locked)
        statement = text.statement(codec.encode_key(key))
        classes = None if mapper.hierarchy is None else codec.classes_by_key
        if lock:
            how = ForUpdate(nowait=nowait, skip_locked=skip_locked)
            if leaves_rows_unlocked(unit, mapper, classes, how):
                rows = await self._fetch_locked(shape_of(mapper, classes), how, statement)
            else:
                rows = await unit.fetch(statement, lock=True)
        else:
            rows = await unit.fetch(statement)
        if not rows:
            return None
        return self.take_in(mapper, rows, refresh=lock, classes=classes)[0]

    async def refresh(self, obj: Model, mapper: Mapper, *, lock: bool) -> None:
        """Read an object again, dropping its changes.

        Raises:
            NotFoundError: its row is gone.
        """
        codec = self._unit.codecs.of(mapper)
        text = codec.get_statement(is_exact=True, for_update=lock)
        key = codec.encode_key(mapper.identity(obj))
        rows = await self._unit.fetch(text.statement(key), lock=lock)
        if not rows:
            raise NotFoundError(f"the row of {obj!r} is gone", phase=Phase.QUERY)
        self.overwrite(obj, mapper, rows[0])

    def overwrite(self, obj: Any, mapper: Mapper, row: Any) -> None:
        """Give an object what its row holds; its changes are gone."""
        followed = followed_by(mapper.columns, mapper)
        before = {key: values_of(obj, key.columns) for key in followed}
        self._unit.codecs.of(mapper).overwrite(obj, row)
        state = state_of(obj)
        if isinstance(state, Record):
            state.forget_changes()
            self._unit.ledger.settle(state)
        self._unit.ledger.see(mapper, [obj])
        for key, relations in followed.items():
            Follower(self._unit.ledger, key, relations).follow([obj], [before[key]])

    async def select(self, select: Select) -> list[Any]:
        """Run a select, for objects or rows."""
        if select.documents is not None and select.documents.rows is not None:
            return self.results(select, list(select.documents.rows))
        compiled = self._dialect.compile(select)
        rows = await self._fetch(select, compiled.statement)
        if not rows and compiled.default is not None:
            rows = [compiled.default]
        return self.results(select, rows, refresh=select.locks_entity)

    async def select_beside(self, select: Select) -> tuple[list[Any], list[tuple[Any, ...]]]:
        """Run a select; what it is for, and the values it reads beside each."""
        compiled = self._dialect.compile(select)
        rows = await self._fetch(select, compiled.statement)
        width = len(compiled.columns) - len(select.beside)
        if self._dialect.capabilities.documents and select.entity is not None:
            own = [row[0] for row in rows]
        else:
            own = [row[:width] for row in rows]
        found = self.results(select, own, refresh=select.locks_entity)
        decoders = [
            None if column.type is None else self._dialect.decoder(column.type)
            for column in select.beside
        ]
        beside = [
            tuple(
                value if decode is None or value is None else decode(value)
                for value, decode in zip(row[width:], decoders, strict=True)
            )
            for row in rows
        ]
        return found, beside

    async def _fetch(self, select: Select, statement: Statement) -> list[Any]:
        """Send a select; what it locks is locked in every table."""
        lock = select.for_update
        if lock is None:
            return await self._unit.fetch(statement)
        mapper = select.entity_mapper
        if select.locks_entity and leaves_rows_unlocked(self._unit, mapper, select.classes, lock):
            shape = shape_of(cast("Mapper", mapper), select.classes)
            return await self._fetch_locked(shape, lock, statement)
        return await self._unit.fetch(statement, lock=True)

    async def _fetch_locked(self, shape: Shape, lock: ForUpdate, statement: Statement) -> list[Any]:
        return await fetch_locked(
            self._unit, shape, lock, lambda: self._unit.fetch(statement, lock=True)
        )

    async def explain(self, tree: Select | Insert | Update | Delete, *, analyze: bool) -> str:
        """Ask the store how it would run a statement, or has run it."""
        statement = self._dialect.explain(self._dialect.compile(tree), analyze=analyze)
        lock = analyze and isinstance(tree, Select) and tree.for_update is not None
        return self._dialect.plan(await self._unit.fetch(statement, lock=lock))

    def results(self, select: Select, rows: list[Any], *, refresh: bool = False) -> list[Any]:
        """Make of the store's rows what the select is for."""
        mapper = select.entity_mapper
        if select.documents is not None and select.documents.is_raw:
            return rows
        if mapper is not None:
            if select.parses_late and not (select.links or select.load):
                hydrate = self._unit.codecs.of(mapper).lazy_hydrator(select.classes)
                return self.make(mapper, rows, hydrate)
            return self.take_in(mapper, rows, refresh=refresh, classes=select.classes)
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

    def take_in(
        self,
        mapper: Mapper,
        rows: list[Any],
        *,
        refresh: bool,
        classes: tuple[Mapper, ...] | None = None,
    ) -> list[Any]:
        """Make objects of rows; those the session holds are left as they are."""
        if refresh:
            self._refresh_rows(mapper, rows, classes)
        ledger = self._unit.ledger
        hydrate = self._unit.codecs.of(mapper).hydrate
        if mapper.hierarchy is not None:
            codec = self._unit.codecs.of(mapper)
            hydrate = codec.hydrator(classes, lambda one: ledger.of(one.root))
        return self.make(mapper, rows, hydrate)

    def detached(self, mapper: Mapper, rows: list[Any]) -> list[Any]:
        """Make objects of rows that no session knows."""
        home = Home(ref(self._unit.ledger), self._unit.codecs, State.PERSISTENT)
        home.close()
        codec = self._unit.codecs.of(mapper)
        found: list[Any] = codec.hydrate(rows, new_identity_map(mapper), home)
        return found

    def make(self, mapper: Mapper, rows: list[Any], hydrate: Hydrator) -> list[Any]:
        """Make objects of rows of some shape."""
        ledger = self._unit.ledger
        objects = ledger.of(mapper.root)
        if ledger.leaking(mapper) is None:
            return hydrate(rows, objects, ledger.stored)
        whole = {id(obj) for obj in objects.values() if type(obj) is mapper_of(obj).class_}
        found = hydrate(rows, objects, ledger.stored)
        ledger.see(mapper, [obj for obj in found if id(obj) not in whole])
        return found

    def _refresh_rows(
        self, mapper: Mapper, rows: list[Any], classes: tuple[Mapper, ...] | None
    ) -> None:
        """Bring the objects up to date that stand for locked rows, of whatever class."""
        if mapper.hierarchy is None:
            self._refresh_known(mapper, rows)
            return
        shape = shape_of(mapper, classes)
        if shape.is_plain:
            self._refresh_known(shape.classes[0], rows)
            return
        for one, row in self._unit.codecs.of(mapper).polymorphic(shape).split(rows):
            self._refresh_known(one, [row])

    def _refresh_known(self, mapper: Mapper, rows: list[Any]) -> None:
        """Locked rows are the truth: bring the objects that stand for them up to date."""
        codec = self._unit.codecs.of(mapper)
        objects = self._unit.ledger.of(mapper.root)
        positions = [mapper.columns.index(column) for column in mapper.key]
        version = mapper.version
        for row in rows:
            obj = objects.get(codec.decode_key([row[p] for p in positions]))
            if obj is None or mapper_of(obj) is not mapper:
                continue
            state = state_of(obj)
            if state.stored is not State.PERSISTENT:
                continue
            changed = self._unit.ledger.differences(state) if isinstance(state, Record) else {}
            if not isinstance(state, Record) or not changed:
                self.overwrite(obj, mapper, row)
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
